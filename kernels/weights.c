/* The store of derived weights: each is made once, under a key that says what of; knows nothing of operators. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "graph.h"

static const struct wn_stored_weight *find(const struct wn_weight_store *store, const char *key)
{
    for (int i = 0; i < store->n; i++)
        if (strcmp(store->rows[i]->key, key) == 0) return store->rows[i];
    return NULL;
}

static bool grow(struct wn_weight_store *store)
{
    if (store->n < store->cap) return true;
    int cap = store->cap ? 2 * store->cap : 32;
    struct wn_stored_weight **rows = realloc(store->rows, (size_t)cap * sizeof *rows);
    if (!rows) return false;
    store->rows = rows;
    store->cap = cap;
    return true;
}

static bool count_bytes(const struct wn_shape *shape, size_t *bytes)
{
    *bytes = sizeof(float);
    for (int d = 0; d < shape->rank; d++)
        if (shape->dim[d] < 0 || __builtin_mul_overflow(*bytes, (size_t)shape->dim[d], bytes)) return false;
    return *bytes <= SIZE_MAX / 2;
}

static void free_row(struct wn_stored_weight *row)
{
    if (!row) return;
    free(row->key);
    free(row->data);
    free(row);
}

/* data stays NULL where the floats are borrowed: `weight.data` alone points at them. */
static struct wn_stored_weight *make_row(const char *key, const struct wn_shape *shape,
                                         void (*make)(float *dst, const void *arg), const void *arg)
{
    size_t bytes;
    void *data = NULL;
    struct wn_stored_weight *row = calloc(1, sizeof *row);
    if (!row) return NULL;
    if (!(row->key = strdup(key)) || !count_bytes(shape, &bytes)) goto free_row;
    if (make && posix_memalign(&data, 64, bytes ? bytes : 64) != 0) goto free_row;
    row->data = data;
    if (make) make(row->data, arg);
    row->weight = (struct wn_weight){.shape = *shape, .data = make ? row->data : arg, .name = row->key};
    return row;
free_row:
    free_row(row);
    return NULL;
}

/* Sees whether elements are infinite. False: one is no number. By their bits, which compilers count several at a
 * time. */
static bool look_over(struct wn_stored_weight *row)
{
    const uint32_t infinity = 0x7f800000, magnitude = 0x7fffffff;
    const struct wn_shape *shape = &row->weight.shape;
    size_t n = 1, infinite = 0, strange = 0;
    for (int d = 0; d < shape->rank; d++) n *= (size_t)shape->dim[d];
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &row->weight.data[i], sizeof bits);
        infinite += (bits & magnitude) == infinity;
        strange += (bits & magnitude) > infinity;
    }
    row->has_infinity = infinite > 0;
    return strange == 0;
}

bool wn_weight_has_infinity(const struct wn_weight *w)
{
    return ((const struct wn_stored_weight *)(const void *)((const char *)w -
                                                            offsetof(struct wn_stored_weight, weight)))
        ->has_infinity;
}

const struct wn_weight *wn_graph_weight(struct wn_graph *g, const char *key, const struct wn_shape *shape,
                                        void (*make)(float *dst, const void *arg), const void *arg,
                                        struct wn_error *err)
{
    struct wn_weight_store *store = &g->store;
    pthread_mutex_lock(&store->lock);
    const struct wn_stored_weight *found = find(store, key);
    bool numbers = true;
    if (!found && grow(store)) {
        struct wn_stored_weight *row = make_row(key, shape, make, arg);
        if (row && !(numbers = look_over(row))) {
            free_row(row);
            row = NULL;
        }
        if (row) store->rows[store->n++] = row;
        found = row;
    }
    pthread_mutex_unlock(&store->lock);
    if (found && wn_shape_equal(&found->weight.shape, shape)) return &found->weight;
    if (found)
        wn_fail(err, WN_BAD_MODEL, "two weights of different shapes go by the name '%s'", wn_show(key).text);
    else if (!numbers)
        wn_fail(err, WN_BAD_MODEL, "the weight '%s' has elements that are no numbers (NaN): export the network again",
                wn_show(key).text);
    else
        wn_fail(err, WN_NO_MEMORY, "no memory for the weight '%s'", wn_show(key).text);
    return NULL;
}

void wn_weight_store_finish(struct wn_weight_store *store)
{
    for (int i = 0; i < store->n; i++) free_row(store->rows[i]);
    free(store->rows);
    pthread_mutex_destroy(&store->lock);
}
