/* What stands in a request's first line: percent-encoding, path and parameters. */
#ifndef WN_SERVER_QUERY_H
#define WN_SERVER_QUERY_H

#include "pool.h"

#include <stdbool.h>

#define WN_MOST_PARAMETERS 64

struct wn_parameter {
    const char *name, *value;
};

struct wn_parameters {
    struct wn_parameter *list;
    int n;
    bool too_many;
};

/* Undoes %XX (and + as a space, where asked). NULL where the text has a broken escape, a control character or bytes
 * that are not UTF-8; The copy is the pool's. */
char *wn_unescape(struct wn_pool *pool, const char *s, size_t n, bool plus_is_space);
/* "a=1&b=2" (NULL: none). False where the piece n cannot be decoded or there are too many. */
bool wn_query_parse(struct wn_pool *pool, const char *query, struct wn_parameters *out);
/* The value, or NULL. */
const char *wn_parameter(const struct wn_parameters *p, const char *name);
/* The number that one to nine digits are; -1 for any other text. */
int wn_digits(const char *s);

#endif
