/* The maps of every class for the pictures of a batch: which go together, and what becomes of each; knows no
 * question. */
#include "stacks.h"

#include <stdlib.h>
#include <string.h>

/* One call of the engine. */
struct call {
    const float **images;
    float *logits; /* n*K */
    struct wn_stack *stacks;
    struct wn_error *errors;
};

static void keep(struct wn_item *item, struct wn_stack *stack, const float *logits, const struct wn_error *why)
{
    if (why->code == WN_OK) item->kept = wn_kept_add(item->kept_list, &item->key, stack, logits, &item->geometry);
    if (why->code != WN_OK)
        wn_problem_set(&item->problem, NULL, why->code, "%s", why->text);
    else if (!item->kept)
        wn_problem_set(&item->problem, NULL, WN_NO_MEMORY, "no memory for the maps of every class");
}

static enum wn_code run(struct wn_engine *engine, struct wn_item **items, int n, struct call *c, struct wn_error *err)
{
    const size_t k = (size_t)wn_graph_classes(items[0]->model->graph);
    for (int i = 0; i < n; i++) c->images[i] = items[i]->input;
    enum wn_code code = wn_engine_stacks(engine, c->images, n, items[0]->key.layer, wn_method_at(items[0]->key.method),
                                         c->logits, c->stacks, c->errors, err);
    for (int i = 0; i < n; i++) {
        if (code == WN_OK) keep(items[i], &c->stacks[i], c->logits + (size_t)i * k, &c->errors[i]);
        wn_stack_finish(&c->stacks[i]);
    }
    return code;
}

/* For items of one layer and method. A failure of the call leaves them as they were. */
static enum wn_code make(struct wn_engine *engine, struct wn_item **items, int n, struct wn_error *err)
{
    const int64_t begin = wn_now_ns();
    const size_t count = (size_t)n, k = (size_t)wn_graph_classes(items[0]->model->graph);
    struct call c = {calloc(count, sizeof *c.images), malloc(count * k * sizeof *c.logits),
                     calloc(count, sizeof *c.stacks), calloc(count, sizeof *c.errors)};
    enum wn_code code = c.images && c.logits && c.stacks && c.errors
                            ? run(engine, items, n, &c, err)
                            : wn_fail(err, WN_NO_MEMORY, "no memory for the maps of every class");
    free(c.images);
    free(c.logits);
    free(c.stacks);
    free(c.errors);
    for (int i = 0; i < n; i++) items[i]->forward_ms += (double)(wn_now_ns() - begin) * 1e-6 / n;
    return code;
}

/* What all together have no memory for may still go one by one. */
static void make_group(struct wn_engine *engine, struct wn_item **items, int n)
{
    struct wn_error why = {0};
    enum wn_code code = make(engine, items, n, &why);
    for (int i = 0; i < n && code != WN_OK; i++) {
        struct wn_error still = why;
        if (n > 1 && code == WN_NO_MEMORY) {
            still = (struct wn_error){0};
            make(engine, &items[i], 1, &still);
        }
        if (still.code != WN_OK) wn_problem_set(&items[i]->problem, NULL, still.code, "%s", still.text);
    }
}

static const struct wn_item *find(struct wn_item *const *items, int n, const struct wn_kept_key *key)
{
    for (int i = 0; i < n; i++)
        if (wn_kept_same_key(&items[i]->key, key)) return items[i];
    return NULL;
}

/* Brings behind the first of n what can go with it, each picture once; returns how many they are. */
static int gather(struct wn_item **items, int n)
{
    int group = 1;
    for (int i = 1; i < n; i++) {
        struct wn_item *item = items[i];
        if (item->kept || item->key.layer != items[0]->key.layer || item->key.method != items[0]->key.method ||
            find(items, group, &item->key))
            continue;
        items[i] = items[group];
        items[group++] = item;
    }
    return group;
}

void wn_stacks_make(struct wn_engine *engine, struct wn_item **items, int n)
{
    for (int i = 0, group; i < n; i += group) {
        struct wn_item *item = items[i];
        const struct wn_item *same = item->kept ? item : find(items, i, &item->key);
        group = 1;
        if (same && same->kept) {
            if (same == item) continue;
            item->kept = wn_kept_hold(item->kept_list, same->kept);
            item->forward_ms += same->forward_ms;
            continue;
        }
        group = gather(items + i, n - i);
        make_group(engine, items + i, group);
    }
}
