/* Maps of every class that were made once and are kept: the next question about the same picture costs a product
 * instead of a pass. Bounded in bytes; what was asked for longest ago goes first. */
#ifndef WN_SERVER_KEPT_H
#define WN_SERVER_KEPT_H

#include <media/preprocess.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <whynot/stack.h>

/* Everything that the numbers depend on: two pictures of one key are one picture. */
struct wn_kept_key {
    char picture[96];  /* SHA-256 of the picture's bytes, and how they were read; zeros behind its end */
    uint64_t model;    /* its serial number, never given twice */
    int layer, method; /* number among the model's layers; row of the method table */
};

struct wn_kept {
    struct wn_kept_key key;
    struct wn_stack stack;
    float *logits; /* stack.classes; with maps and struct one entry's bytes */
    struct wn_geometry geometry;
    size_t bytes;
    /* The keeper's, under its lock. */
    int refs;
    struct wn_kept *newer, *older;
};

struct wn_kept_list {
    pthread_mutex_t lock;
    size_t bytes, most;
    struct wn_kept *newest, *oldest;
};

void wn_kept_init(struct wn_kept_list *list, size_t most_bytes);
void wn_kept_finish(struct wn_kept_list *list); /* nothing may be held */

bool wn_kept_same_key(const struct wn_kept_key *a, const struct wn_kept_key *b);

/* A list may be NULL below: nothing is found and nothing kept.
 *
 * The entry, held for the caller, or NULL. */
struct wn_kept *wn_kept_find(struct wn_kept_list *list, const struct wn_kept_key *key);
/* Takes over the stack (which is empty after) and copies the rest; the entry is held for the caller, and kept where
 * it fits and none of that key is there already. NULL: no memory, and the stack is still the caller's. */
struct wn_kept *wn_kept_add(struct wn_kept_list *list, const struct wn_kept_key *key, struct wn_stack *stack,
                            const float *logits, const struct wn_geometry *geometry);
/* The same entry, held once more. */
struct wn_kept *wn_kept_hold(struct wn_kept_list *list, struct wn_kept *kept);
void wn_kept_release(struct wn_kept_list *list, struct wn_kept *kept); /* NULL is fine */
size_t wn_kept_bytes(struct wn_kept_list *list);

#endif
