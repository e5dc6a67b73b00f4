/* The list of kept stacks; knows no request and no engine. */
#include "kept.h"

#include <stdlib.h>
#include <string.h>

void wn_kept_init(struct wn_kept_list *list, size_t most_bytes)
{
    *list = (struct wn_kept_list){.most = most_bytes};
    pthread_mutex_init(&list->lock, NULL);
}

static void destroy(struct wn_kept *kept)
{
    wn_stack_finish(&kept->stack);
    free(kept->logits);
    free(kept);
}

/* ---- with the lock held ---- */

static void drop(struct wn_kept *kept)
{
    /* analyzer: nothing is dropped that is not in the list or held */
    if (--kept->refs == 0) destroy(kept);
}

static void take_out(struct wn_kept_list *list, struct wn_kept *kept)
{
    if (kept->newer) /* analyzer: as above */
        kept->newer->older = kept->older;
    else
        list->newest = kept->older;
    if (kept->older)
        kept->older->newer = kept->newer;
    else
        list->oldest = kept->newer;
    list->bytes -= kept->bytes;
}

static void put_in(struct wn_kept_list *list, struct wn_kept *kept)
{
    kept->newer = NULL;
    kept->older = list->newest;
    if (list->newest)
        list->newest->newer = kept;
    else
        list->oldest = kept;
    list->newest = kept;
    list->bytes += kept->bytes;
}

bool wn_kept_same_key(const struct wn_kept_key *a, const struct wn_kept_key *b)
{
    return a->model == b->model && a->layer == b->layer && a->method == b->method &&
           memcmp(a->picture, b->picture, sizeof a->picture) == 0;
}

/* Hundreds of entries at most, and a look at each is a few bytes: no table. */
static struct wn_kept *look(struct wn_kept_list *list, const struct wn_kept_key *key)
{
    struct wn_kept *kept = list->newest;
    while (kept && !wn_kept_same_key(&kept->key, key)) kept = kept->older;
    return kept;
}

/* ---- for everyone ---- */

struct wn_kept *wn_kept_find(struct wn_kept_list *list, const struct wn_kept_key *key)
{
    if (!list) return NULL;
    pthread_mutex_lock(&list->lock);
    struct wn_kept *kept = look(list, key);
    if (kept) {
        take_out(list, kept);
        put_in(list, kept);
        kept->refs++;
    }
    pthread_mutex_unlock(&list->lock);
    return kept;
}

struct wn_kept *wn_kept_add(struct wn_kept_list *list, const struct wn_kept_key *key, struct wn_stack *stack,
                            const float *logits, const struct wn_geometry *geometry)
{
    struct wn_kept *kept = calloc(1, sizeof *kept);
    size_t k = (size_t)stack->classes;
    float *copy = malloc(k * sizeof *copy);
    if (!kept || !copy) {
        free(kept);
        free(copy);
        return NULL;
    }
    memcpy(copy, logits, k * sizeof *copy);
    *kept = (struct wn_kept){.key = *key, .stack = *stack, .logits = copy, .geometry = *geometry, .refs = 1};
    kept->bytes = sizeof *kept + k * sizeof *copy * (1 + (size_t)stack->h * (size_t)stack->w);
    *stack = (struct wn_stack){0};
    if (!list) return kept;
    pthread_mutex_lock(&list->lock);
    if (kept->bytes <= list->most && !look(list, key)) {
        kept->refs++;
        put_in(list, kept);
        while (list->bytes > list->most) {
            struct wn_kept *gone = list->oldest; /* analyzer: what was dropped is in the list no more */
            take_out(list, gone);
            drop(gone);
        }
    }
    pthread_mutex_unlock(&list->lock);
    return kept;
}

struct wn_kept *wn_kept_hold(struct wn_kept_list *list, struct wn_kept *kept)
{
    if (list) pthread_mutex_lock(&list->lock);
    kept->refs++;
    if (list) pthread_mutex_unlock(&list->lock);
    return kept;
}

void wn_kept_release(struct wn_kept_list *list, struct wn_kept *kept)
{
    if (!kept) return;
    if (list) pthread_mutex_lock(&list->lock);
    drop(kept);
    if (list) pthread_mutex_unlock(&list->lock);
}

size_t wn_kept_bytes(struct wn_kept_list *list)
{
    pthread_mutex_lock(&list->lock);
    size_t bytes = list->bytes;
    pthread_mutex_unlock(&list->lock);
    return bytes;
}

void wn_kept_finish(struct wn_kept_list *list)
{
    while (list->oldest) {
        struct wn_kept *gone = list->oldest; /* analyzer: as above */
        take_out(list, gone);
        drop(gone);
    }
    pthread_mutex_destroy(&list->lock);
}
