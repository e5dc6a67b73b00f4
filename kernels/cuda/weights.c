/* Constants on the device: uploaded once for each type and layout that some program wants, shared by every program of the
 * backend, freed with the last of them. */
#include "exe.h"

#include <stdlib.h>

struct wn_cuda_weight {
    const struct wn_weight *source; /* its address is its identity */
    struct wn_cuda_tensor tensor;
    size_t bytes;
    int users;
};

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
    return &w->tensor;
}

static struct wn_cuda_weight *find(const struct wn_cuda_backend *be, const struct wn_weight *w, enum wn_cuda_type type,
                                   bool channels_last)
{
    for (int i = 0; i < be->n_weights; i++) {
        struct wn_cuda_weight *c = be->weights[i];
        if (c->source == w && c->tensor.type == type && c->tensor.channels_last == channels_last) return c;
    }
    return NULL;
}

/* src, row-major, in the order and the type of t. Rounds to nearest even. */
static void pack(const struct wn_cuda_tensor *t, const float *src, void *dst)
{
    int n, c, spatial;
    wn_cuda_tensor_planes(t, &n, &c, &spatial);
    int64_t from = 0;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < c; j++)
            for (int s = 0; s < spatial; s++, from++) {
                const int64_t to = t->channels_last ? ((int64_t)i * spatial + s) * c + j : from;
                if (t->type == WN_CUDA_F32)
                    ((float *)dst)[to] = src[from];
                else
                    ((uint16_t *)dst)[to] = wn_cuda_narrow(src[from], t->type);
            }
}

static enum wn_code upload(struct wn_cuda_backend *be, struct wn_cuda_weight *w, struct wn_error *err)
{
    enum wn_code code = wn_cuda_alloc(be, w->bytes, "a weight", &w->tensor.data, err);
    if (code != WN_OK) return code;
    void *packed = malloc(w->bytes);
    if (packed) {
        pack(&w->tensor, w->source->data, packed);
        code = wn_cuda_upload(w->tensor.data, packed, w->bytes, err);
        free(packed);
    } else {
        code = wn_fail(err, WN_NO_MEMORY, "no host memory to pack a weight of %zu bytes", w->bytes);
    }
    if (code != WN_OK) wn_cuda_free(be, w->tensor.data, w->bytes);
    return code;
}

enum wn_code wn_cuda_weight_take(struct wn_cuda_backend *be, const struct wn_weight *source, enum wn_cuda_type type,
                                 bool channels_last, struct wn_cuda_weight **out, struct wn_error *err)
{
    struct wn_cuda_tensor t = wn_cuda_tensor_of(&source->shape, type, channels_last);
    *out = find(be, source, type, t.channels_last);
    if (*out) return (*out)->users++, WN_OK;
    struct wn_cuda_weight *w = calloc(1, sizeof *w);
    if (!w || !wn_cuda_grow(&be->weights, be->n_weights, &be->cap_weights, sizeof *be->weights)) {
        free(w);
        return wn_fail(err, WN_NO_MEMORY, "no memory for the table of weights");
    }
    *w = (struct wn_cuda_weight){.source = source, .tensor = t, .bytes = wn_cuda_tensor_bytes(&t), .users = 1};
    enum wn_code code = upload(be, w, err);
    if (code != WN_OK) return free(w), code;
    be->weights[be->n_weights++] = *out = w;
    return WN_OK;
}

void wn_cuda_weight_give(struct wn_cuda_backend *be, struct wn_cuda_weight *w)
{
    if (!w || --w->users) return;
    int i = 0;
    while (be->weights[i] != w) i++;
    be->weights[i] = be->weights[--be->n_weights];
    wn_cuda_free(be, w->tensor.data, w->bytes);
    free(w);
}
