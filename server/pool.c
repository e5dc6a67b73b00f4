/* A request's memory as a list of blocks; knows nothing of what lies in them. */
#include "pool.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 4096

struct wn_pool_block {
    struct wn_pool_block *next;
    size_t used, size;
    max_align_t data[];
};

static struct wn_pool_block *add_block(struct wn_pool *pool, size_t bytes)
{
    size_t size = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
    struct wn_pool_block *block = calloc(1, sizeof *block + size);
    if (!block) return NULL;
    block->size = size;
    block->next = pool->blocks;
    return pool->blocks = block;
}

void *wn_pool_alloc(struct wn_pool *pool, size_t bytes)
{
    const size_t align = sizeof(max_align_t);
    if (bytes > (size_t)1 << 40) return NULL;
    bytes = (bytes + align - 1) / align * align;
    struct wn_pool_block *block = pool->blocks;
    if (!block || block->size - block->used < bytes) block = add_block(pool, bytes);
    if (!block) return NULL;
    void *memory = (char *)block->data + block->used;
    block->used += bytes;
    return memory;
}

void *wn_pool_array(struct wn_pool *pool, size_t n, size_t each)
{
    size_t bytes;
    return __builtin_mul_overflow(n, each, &bytes) ? NULL : wn_pool_alloc(pool, bytes);
}

char *wn_pool_text(struct wn_pool *pool, const char *s, size_t n)
{
    char *copy = wn_pool_alloc(pool, n + 1);
    if (copy && n) memcpy(copy, s, n);
    return copy;
}

void wn_pool_finish(struct wn_pool *pool)
{
    while (pool->blocks) {
        struct wn_pool_block *block = pool->blocks;
        pool->blocks = block->next;
        free(block);
    }
}
