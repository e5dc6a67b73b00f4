/* Constants on the device: uploaded once for each device, type and layout, whoever in the process wants them. Every
 * backend lists those that its programs use, and the table of the process which backends hold a copy; with the last
 * of them it is freed. */
#include "exe.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* One upload. Nothing in it changes while somebody holds it, but the holders, which the lock guards. */
struct copy {
    int device;
    const struct wn_weight *source; /* its address is its identity */
    struct wn_cuda_tensor tensor;
    size_t bytes;
    int holders; /* backends */
    struct copy *next;
};

struct wn_cuda_weight {
    struct copy *copy;
    int users; /* places in the backend's programs */
};

static struct {
    /* also held while a copy is made: who wants the same one next finds it whole, or makes it anew */
    pthread_mutex_t lock;
    struct copy *first;
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};

bool wn_cuda_grow(void *list, int n, int *cap, size_t size)
{
    if (n < *cap) return true;
    const int wanted = *cap ? *cap * 2 : 32;
    void *grown = realloc(*(void **)list, (size_t)wanted * size);
    if (!grown) return false;
    *(void **)list = grown;
    *cap = wanted;
    return true;
}

const struct wn_cuda_tensor *wn_cuda_weight_tensor(const struct wn_cuda_weight *w)
{
    return &w->copy->tensor;
}

static bool is_copy(const struct copy *c, const struct wn_weight *source, const struct wn_cuda_tensor *t)
{
    const struct wn_cuda_tensor *own = &c->tensor;
    return c->source == source && own->type == t->type && own->channels_last == t->channels_last &&
           memcmp(own->stride, t->stride, sizeof t->stride) == 0;
}

/* src, row-major, in the order and the type of t. Rounds to nearest even. dst: zeros, where t is padded. */
static void pack(const struct wn_cuda_tensor *t, const float *src, void *dst)
{
    int n, c, spatial;
    wn_cuda_tensor_planes(t, &n, &c, &spatial);
    int64_t from = 0;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < c; j++)
            for (int s = 0; s < spatial; s++, from++) {
                const int64_t to = t->channels_last ? ((int64_t)i * spatial + s) * wn_cuda_tensor_pitch(t) + j : from;
                if (t->type == WN_CUDA_F32)
                    ((float *)dst)[to] = src[from];
                else
                    ((uint16_t *)dst)[to] = wn_cuda_narrow(src[from], t->type);
            }
}

static enum wn_code fill(struct wn_cuda_backend *be, const struct copy *c, struct wn_error *err)
{
    void *packed = calloc(c->bytes ? c->bytes : 1, 1);
    if (!packed) return wn_fail(err, WN_NO_MEMORY, "no host memory to pack a weight of %zu bytes", c->bytes);
    pack(&c->tensor, c->source->data, packed);
    enum wn_code code = wn_cuda_upload(be, c->tensor.data, packed, c->bytes, err);
    free(packed);
    return code;
}

static void destroy(struct copy *c)
{
    wn_cuda_memory_free(c->tensor.data);
    free(c);
}

/* ---- with the lock held ---- */

static enum wn_code make(struct wn_cuda_backend *be, const struct wn_weight *source, const struct wn_cuda_tensor *t,
                         struct copy **out, struct wn_error *err)
{
    struct copy *c = calloc(1, sizeof *c);
    if (!c) return wn_fail(err, WN_NO_MEMORY, "no memory for the table of weights");
    *c = (struct copy){.device = be->device, .source = source, .tensor = *t, .bytes = wn_cuda_tensor_bytes(t)};
    enum wn_code code = wn_cuda_memory(c->bytes, "a weight", &c->tensor.data, err);
    if (code == WN_OK) code = fill(be, c, err);
    if (code != WN_OK) return destroy(c), code;
    c->next = table.first;
    table.first = *out = c;
    return WN_OK;
}

static struct copy *find(int device, const struct wn_weight *source, const struct wn_cuda_tensor *t)
{
    struct copy *c = table.first;
    while (c && (c->device != device || !is_copy(c, source, t))) c = c->next;
    return c;
}

static void take_out(const struct copy *c)
{
    struct copy **at = &table.first;
    while (*at != c) at = &(*at)->next;
    *at = c->next;
}

/* ---- a backend's hold on a copy ---- */

static enum wn_code hold(struct wn_cuda_backend *be, const struct wn_weight *source, const struct wn_cuda_tensor *t,
                         struct copy **out, struct wn_error *err)
{
    enum wn_code code = WN_OK;
    pthread_mutex_lock(&table.lock);
    if (!(*out = find(be->device, source, t))) code = make(be, source, t, out, err);
    if (code == WN_OK) (*out)->holders++;
    pthread_mutex_unlock(&table.lock);
    return code;
}

static void let_go(struct copy *c)
{
    pthread_mutex_lock(&table.lock);
    const bool last = --c->holders == 0;
    if (last) take_out(c);
    pthread_mutex_unlock(&table.lock);
    if (last) destroy(c);
}

enum wn_code wn_cuda_weight_take(struct wn_cuda_backend *be, const struct wn_weight *source,
                                 const struct wn_cuda_tensor *t, struct wn_cuda_weight **out, struct wn_error *err)
{
    for (int i = 0; i < be->n_weights; i++)
        if (is_copy(be->weights[i]->copy, source, t)) return (*out = be->weights[i])->users++, WN_OK;
    struct wn_cuda_weight *w = calloc(1, sizeof *w);
    if (!w || !wn_cuda_grow(&be->weights, be->n_weights, &be->cap_weights, sizeof *be->weights)) {
        free(w);
        return wn_fail(err, WN_NO_MEMORY, "no memory for the table of weights");
    }
    enum wn_code code = hold(be, source, t, &w->copy, err);
    if (code != WN_OK) return free(w), code;
    w->users = 1;
    be->weight_bytes += w->copy->bytes;
    be->weights[be->n_weights++] = *out = w;
    return WN_OK;
}

void wn_cuda_weight_give(struct wn_cuda_backend *be, struct wn_cuda_weight *w)
{
    if (!w || --w->users) return;
    int i = 0;
    while (be->weights[i] != w) i++;
    be->weights[i] = be->weights[--be->n_weights];
    be->weight_bytes -= w->copy->bytes;
    let_go(w->copy);
    free(w);
}
