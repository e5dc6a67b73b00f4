/* A chain of blocks that are filled from the front; knows nothing of what lies in them. */
#include "arena.h"

#include <stdlib.h>
#include <string.h>

/* Under AddressSanitizer everything between the pieces is out of bounds, as it would be between allocations. */
#if __has_include(<sanitizer/asan_interface.h>)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

enum { ALIGN = 64, GAP = ALIGN, BLOCK = 64 * 1024 };

struct block {
    struct block *next;
    size_t used, size;
};

struct wn_arena {
    struct block *first;
};

struct wn_arena *wn_arena_create(void)
{
    return calloc(1, sizeof(struct wn_arena));
}

void wn_arena_destroy(struct wn_arena *arena)
{
    if (!arena) return;
    for (struct block *b = arena->first, *next; b; b = next) {
        next = b->next;
        ASAN_UNPOISON_MEMORY_REGION((char *)b + ALIGN, b->size);
        free(b);
    }
    free(arena);
}

/* A large piece gets a block of its own, put behind the first one, which goes on being filled. */
static struct block *add_block(struct wn_arena *arena, size_t bytes)
{
    size_t size = bytes > BLOCK / 4 ? bytes : BLOCK;
    void *memory = NULL;
    if (posix_memalign(&memory, ALIGN, ALIGN + size) != 0) return NULL;
    memset(memory, 0, ALIGN + size);
    struct block *b = memory;
    b->size = size;
    ASAN_POISON_MEMORY_REGION((char *)b + ALIGN, size);
    if (size != BLOCK && arena->first) {
        b->next = arena->first->next;
        arena->first->next = b;
    } else {
        b->next = arena->first;
        arena->first = b;
    }
    return b;
}

void *wn_arena_take(struct wn_arena *arena, size_t n, size_t size)
{
    size_t bytes, room;
    if (__builtin_mul_overflow(n, size, &bytes) || __builtin_add_overflow(bytes, GAP + 2 * ALIGN, &room)) return NULL;
    room = GAP + (bytes + ALIGN - 1) / ALIGN * ALIGN;
    struct block *b = arena->first;
    if (!b || b->size - b->used < room) b = add_block(arena, room);
    if (!b) return NULL;
    char *piece = (char *)b + ALIGN + b->used + GAP;
    b->used += room;
    ASAN_UNPOISON_MEMORY_REGION(piece, bytes);
    return piece;
}

char *wn_arena_string(struct wn_arena *arena, const char *s)
{
    size_t size = strlen(s) + 1;
    char *copy = wn_arena_take(arena, size, 1);
    return copy ? memcpy(copy, s, size) : NULL;
}
