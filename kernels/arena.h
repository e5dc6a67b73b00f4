/* Memory that is taken piece by piece and given back all at once. Private to kernels/. */
#ifndef WN_KERNELS_ARENA_H
#define WN_KERNELS_ARENA_H

#include <stddef.h>

struct wn_arena;

struct wn_arena *wn_arena_create(void);        /* NULL: no memory */
void wn_arena_destroy(struct wn_arena *arena); /* NULL is fine */
/* n*size zeroed bytes, aligned to 64; NULL: no memory or n*size is no size. n = 0 gives a pointer that is not NULL. */
void *wn_arena_take(struct wn_arena *arena, size_t n, size_t size);
char *wn_arena_string(struct wn_arena *arena, const char *s); /* a copy; NULL: no memory */

#endif
