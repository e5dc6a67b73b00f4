/* multipart/form-data of RFC 7578, read from a body that is wholly there. */
#ifndef WN_SERVER_MULTIPART_H
#define WN_SERVER_MULTIPART_H

#include "pool.h"

#include <whynot/error.h>

#define WN_MOST_PARTS 64

struct wn_part {
    const char *name; /* the field's */
    const char *data; /* size bytes within the body */
    size_t size;
};

/* parts: room for WN_MOST_PARTS. content_type: the request's header, with the boundary. Strict: what does not follow
 * the grammar is WN_BAD_REQUEST, with a sentence. */
enum wn_code wn_multipart_parse(const char *content_type, const char *body, size_t size, struct wn_pool *pool,
                                struct wn_part *parts, int *n, struct wn_error *err);

#endif
