/* Memory of one request: taken piece by piece, given back in one place. */
#ifndef WN_SERVER_POOL_H
#define WN_SERVER_POOL_H

#include <stddef.h>

struct wn_pool_block;
struct wn_pool {
    struct wn_pool_block *blocks; /* zero-initialise */
};

void *wn_pool_alloc(struct wn_pool *pool, size_t bytes); /* zeroed, aligned for anything; NULL when memory is short */
void *wn_pool_array(struct wn_pool *pool, size_t n, size_t each);  /* the same, the product checked */
char *wn_pool_text(struct wn_pool *pool, const char *s, size_t n); /* a terminated copy */
void wn_pool_finish(struct wn_pool *pool);

#endif
