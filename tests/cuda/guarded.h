/* Buffers of a kernel's test with guard words behind them. Included behind cmocka. */
#ifndef WN_TESTS_GUARDED_H
#define WN_TESTS_GUARDED_H

#include <stdlib.h>
#include <string.h>

enum { GUARD = 64, MARK = 0xa5 };

/* Memory whose end is watched by what stands behind it, of whatever a kernel touches. */
struct guarded {
    unsigned char *data;
    size_t size;
};

static inline struct guarded guarded(size_t size)
{
    struct guarded g = {aligned_alloc(256, (size + GUARD + 255) / 256 * 256), size};
    memset(g.data, MARK, (size + GUARD + 255) / 256 * 256);
    return g;
}

static inline void check_guard(const struct guarded *g)
{
    for (int i = 0; i < GUARD; i++) assert_int_equal(g->data[g->size + (size_t)i], MARK);
}

#endif
