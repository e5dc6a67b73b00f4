/* Weights as primitives want them: packed once in the process, shared by every program and engine of a model. */
#include "dnn.h"

#include <stdlib.h>

struct wn_dnn_packed {
    const struct wn_weight *weight;
    struct wn_dnn_layout *layout;
    void *data;
    size_t bytes;
    int holders;
    size_t counted; /* in which count it was seen last */
    struct wn_dnn_packed *next;
};

static struct {
    pthread_mutex_t lock; /* guards the list and the holders of every entry; nobody packs with it held */
    struct wn_dnn_packed *first;
} cache = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct {
    pthread_mutex_t lock; /* guards this and what every entry has of it */
    size_t n;
} counts = {.lock = PTHREAD_MUTEX_INITIALIZER};

static dnnl_status_t run(dnnl_primitive_t reorder, dnnl_stream_t stream, dnnl_memory_t x, dnnl_memory_t y,
                         dnnl_memory_t scratch, bool scratches)
{
    const dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, x}, {DNNL_ARG_TO, y}, {DNNL_ARG_SCRATCHPAD, scratch}};
    dnnl_status_t status = dnnl_primitive_execute(reorder, stream, scratches ? 3 : 2, args);
    return status == dnnl_success ? dnnl_stream_wait(stream) : status;
}

/* A reorder run once, outside every executable. */
static dnnl_status_t pack(dnnl_engine_t engine, const struct wn_dnn_tensor *source, const void *from,
                          const struct wn_dnn_layout *layout, void *to)
{
    struct wn_dnn_prim prim;
    dnnl_stream_t stream = NULL;
    dnnl_memory_t x = NULL, y = NULL, scratch = NULL;
    dnnl_status_t status = wn_dnn_make_reorder(engine, source, NULL, layout, &prim);
    if (status != dnnl_success) return status;
    void *pad = prim.scratch_bytes ? malloc(prim.scratch_bytes) : NULL;
    status = prim.scratch_bytes && !pad ? dnnl_out_of_memory
                                        : dnnl_stream_create(&stream, engine, dnnl_stream_default_flags);
    if (status == dnnl_success) status = wn_dnn_memory_of(engine, source, &x);
    if (status == dnnl_success) status = wn_dnn_memory_in(engine, layout, &y);
    if (status == dnnl_success) status = wn_dnn_memory_scratch(engine, prim.scratch_bytes, &scratch);
    if (status == dnnl_success) status = dnnl_memory_set_data_handle(x, (void *)from);
    if (status == dnnl_success) status = dnnl_memory_set_data_handle(y, to);
    if (status == dnnl_success) status = dnnl_memory_set_data_handle(scratch, pad);
    if (status == dnnl_success) status = run(prim.handle, stream, x, y, scratch, pad);
    if (scratch) dnnl_memory_destroy(scratch);
    if (y) dnnl_memory_destroy(y);
    if (x) dnnl_memory_destroy(x);
    if (stream) dnnl_stream_destroy(stream);
    free(pad);
    wn_dnn_prim_finish(&prim);
    return status;
}

static struct wn_dnn_packed *find(const struct wn_weight *w, const struct wn_dnn_layout *layout)
{
    for (struct wn_dnn_packed *p = cache.first; p; p = p->next)
        if (p->weight == w && wn_dnn_layout_equal(p->layout, layout)) return p;
    return NULL;
}

static void destroy(struct wn_dnn_packed *p)
{
    if (!p) return;
    wn_dnn_layout_destroy(p->layout);
    free(p->data);
    free(p);
}

static enum wn_code make(dnnl_engine_t engine, const struct wn_weight *w, const struct wn_dnn_tensor *source,
                         const struct wn_dnn_layout *layout, struct wn_dnn_packed **out, struct wn_error *err)
{
    struct wn_dnn_packed *p = calloc(1, sizeof *p);
    size_t bytes = wn_dnn_layout_bytes(layout);
    if (p) {
        p->weight = w;
        p->bytes = bytes;
        p->layout = wn_dnn_layout_copy(layout);
        p->data = aligned_alloc(64, (bytes + 127) / 64 * 64);
    }
    dnnl_status_t status =
        p && p->layout && p->data ? pack(engine, source, w->data, layout, p->data) : dnnl_out_of_memory;
    if (status == dnnl_success) {
        *out = p;
        return WN_OK;
    }
    destroy(p);
    if (status == dnnl_out_of_memory)
        return wn_fail(err, WN_NO_MEMORY, "no memory to pack weight '%.64s' (%zu bytes)", w->name ? w->name : "",
                       bytes);
    return wn_fail(err, WN_DEVICE, "oneDNN cannot pack weight '%.64s'", w->name ? w->name : "");
}

/* The entry, with one more holder; mine: becomes it where there is none. NULL: there is none. */
static struct wn_dnn_packed *hold(const struct wn_weight *w, const struct wn_dnn_layout *layout,
                                  struct wn_dnn_packed *mine)
{
    pthread_mutex_lock(&cache.lock);
    struct wn_dnn_packed *p = find(w, layout);
    if (!p && mine) {
        p = mine;
        p->next = cache.first;
        cache.first = p;
    }
    if (p) p->holders++;
    pthread_mutex_unlock(&cache.lock);
    return p;
}

enum wn_code wn_dnn_weight_hold(dnnl_engine_t engine, const struct wn_weight *w, const struct wn_dnn_tensor *source,
                                const struct wn_dnn_layout *layout, struct wn_dnn_packed **out, struct wn_error *err)
{
    struct wn_dnn_packed *mine = NULL;
    if ((*out = hold(w, layout, NULL))) return WN_OK;
    enum wn_code code = make(engine, w, source, layout, &mine, err);
    if (code != WN_OK) return code;
    *out = hold(w, layout, mine);
    if (*out != mine) destroy(mine); /* somebody else was quicker */
    return WN_OK;
}

void wn_dnn_weight_drop(struct wn_dnn_packed *p)
{
    if (!p) return;
    pthread_mutex_lock(&cache.lock);
    bool last = --p->holders == 0;
    if (last) {
        struct wn_dnn_packed **at = &cache.first;
        while (*at != p) at = &(*at)->next;
        *at = p->next;
    }
    pthread_mutex_unlock(&cache.lock);
    if (last) destroy(p);
}

void *wn_dnn_weight_data(const struct wn_dnn_packed *p)
{
    return p->data;
}

size_t wn_dnn_weight_bytes(const struct wn_dnn_backend *be)
{
    size_t bytes = 0;
    pthread_mutex_lock(&counts.lock);
    counts.n++;
    for (const struct wn_dnn_exe *e = be->exes; e; e = e->next)
        for (int i = 0; i < e->n_held; i++) {
            if (e->held[i]->counted != counts.n) bytes += e->held[i]->bytes;
            e->held[i]->counted = counts.n;
        }
    pthread_mutex_unlock(&counts.lock);
    return bytes;
}
