/* What a request's first line and header lines must look like before anything in them is believed. */
#ifndef WN_SERVER_FRAMING_H
#define WN_SERVER_FRAMING_H

#include "problem.h"

#include <microhttpd.h>

/* The first line as the library cut it; pointers into its buffer, where the header lines follow. */
struct wn_request_line {
    const char *method, *target, *version;
    size_t target_size; /* with the query */
    bool clean;         /* the target held only visible ASCII */
};

/* Of what MHD_OPTION_URI_LOG_CALLBACK is given. */
void wn_framing_target(struct wn_request_line *line, const char *target);
/* Afterwards, with the same target: keeps the library from cutting the query to pieces. Nobody here reads those, and
 * one of hundreds of parameters takes more memory than a connection has: the library then forgets its own refusal, and
 * nothing is answered until the head's time is up. */
void wn_framing_hide_query(const char *target);

struct wn_head {
    int64_t length;   /* of the body: 0 where there is none, -1 where it is chunked */
    const char *host; /* NULL: none was sent (HTTP/1.0) */
    bool last;        /* nothing behind this request is taken for one: the connection ends with it */
};

/* Refuses what proxies and servers read differently: several Content-Length, Host, Authorization or
 * Transfer-Encoding lines, codings other than chunked, names that are not tokens, control characters, folded lines,
 * lines that do not end in CR LF, zero bytes, targets that are not a path. head->last is set then, and for chunked
 * bodies, whose inner framing cannot be seen from here. most: bytes of the whole head. */
enum wn_code wn_framing_check(struct MHD_Connection *connection, const struct wn_request_line *line, int64_t most,
                              struct wn_head *head, struct wn_problem *p);

#endif
