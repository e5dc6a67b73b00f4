/* Channel-pooled gradients without the gradient: the mean over space that Grad-CAM asks for, pushed through the
 * steps that made the gradient wherever the sum is known in advance. CAM's closed form for global-average-pool
 * heads, VGG's pre-summed first linear layer and SqueezeNet's 1x1 classifier are cases of this one rule. Knows no
 * network by name. */
#include "program.h"

#include <stdio.h>

static int spatial_sum(struct wn_program *p, int g);

static int64_t area(const struct wn_shape *s)
{
    int64_t n = 1;
    for (int i = 2; i < s->rank; i++) n *= s->dim[i];
    return n;
}

static const struct wn_step *maker(const struct wn_program *p, int v)
{
    return p->values[v].kind == WN_VALUE_STEP ? &p->steps[p->values[v].step] : NULL;
}

static int plain_sum(struct wn_program *p, int g)
{
    const struct wn_shape s = p->values[g].shape;
    unsigned axes = ((1u << s.rank) - 1) & ~3u;
    struct wn_shape flat = wn_shape_of(2, s.dim);
    return wn_reshape(p, wn_reduce(p, WN_REDUCE_SUM, g, axes), &flat);
}

/* Every cell of a plane holds the same number: the sum is that number times the area. */
static bool is_plane_broadcast(const struct wn_program *p, const struct wn_step *s)
{
    const struct wn_shape *x = &p->values[s->in[0]].shape, *y = &p->values[s->out[0]].shape;
    const struct wn_copy *c = &s->u.copy;
    if (c->rank != y->rank || c->x_offset || c->y_offset || wn_shape_count(x) != y->dim[0] * y->dim[1]) return false;
    int64_t stride = 1;
    for (int i = y->rank - 1; i >= 0; i--) {
        int64_t read = i >= 2 ? 0 : i == 1 ? 1 : y->dim[1];
        if (c->extent[i] != y->dim[i] || c->y_stride[i] != stride) return false;
        if (c->extent[i] > 1 && c->x_stride[i] != read) return false;
        stride *= y->dim[i];
    }
    return true;
}

static int sum_of_broadcast(struct wn_program *p, const struct wn_step *s, const struct wn_shape *y)
{
    struct wn_shape flat = wn_shape_of(2, y->dim);
    return wn_linear(p, wn_reshape(p, s->in[0], &flat), (float)area(y), 0);
}

/* A pool hands each of its gradients on whole, unless part of it falls on padding that counts. */
static bool pool_keeps_sum(const struct wn_step *s)
{
    if (s->prim == WN_PRIM_MAXPOOL_BWD || !s->u.pool.count_pad) return true;
    for (int i = 0; i < s->u.pool.win.rank; i++)
        if (s->u.pool.win.pad_lo[i] || s->u.pool.win.pad_hi[i]) return false;
    return true;
}

/* ---- a product whose result is read as planes: its weight is summed over the planes once per model ---- */

struct plane_weight {
    const struct wn_weight *w;
    bool transposed; /* (C*area, K) instead of (K, C*area) */
    int64_t k, channels, area;
};

static void sum_planes(float *dst, const void *arg)
{
    const struct plane_weight *s = arg;
    for (int64_t k = 0; k < s->k; k++)
        for (int64_t c = 0; c < s->channels; c++) {
            double sum = 0;
            for (int64_t i = c * s->area; i < (c + 1) * s->area; i++)
                sum += s->w->data[s->transposed ? i * s->k + k : k * s->channels * s->area + i];
            dst[k * s->channels + c] = (float)sum;
        }
}

int wn_summed_weight(struct wn_program *p, int weight, bool transposed, int64_t channels, int64_t area)
{
    if (p->error.code) return -1;
    const struct wn_weight *w = p->values[weight].weight;
    struct plane_weight sum = {.w = w, .transposed = transposed, .channels = channels, .area = area};
    sum.k = wn_shape_count(&w->shape) / (channels * area);
    struct wn_shape small = wn_shape_of(2, (int64_t[]){sum.k, channels});
    char key[256];
    snprintf(key, sizeof key, "%.160s|%p|%s|summed over %lld", w->name ? w->name : "", (const void *)w,
             transposed ? "t" : "n", (long long)area);
    return wn_program_derive(p, key, &small, sum_planes, &sum);
}

static int sum_of_product(struct wn_program *p, const struct wn_step *m, const struct wn_shape *y)
{
    int weight = wn_summed_weight(p, m->in[1], m->u.matmul.trans_b, y->dim[1], area(y));
    return wn_matmul(p, m->in[0], m->u.matmul.trans_a, weight, false, WN_NONE);
}

static bool is_plain_product(const struct wn_program *p, const struct wn_step *m)
{
    return m && m->prim == WN_PRIM_MATMUL && m->in[2] == WN_NONE && m->u.matmul.act.kind == WN_UNARY_COUNT &&
           p->values[m->in[1]].kind == WN_VALUE_CONST && p->values[m->out[0]].shape.rank == 2;
}

/* ---- a 1x1 convolution: the sum over space changes place with the product over channels ---- */

static bool is_pointwise(const struct wn_program *p, const struct wn_step *s)
{
    const struct wn_window *win = &s->u.conv.win;
    bool ok = s->u.conv.groups == 1 && s->in[2] == WN_NONE && p->values[s->in[1]].kind == WN_VALUE_CONST;
    for (int i = 0; ok && i < win->rank; i++) ok = win->kernel[i] == 1 && win->stride[i] == 1;
    return ok;
}

static int sum_of_pointwise(struct wn_program *p, const struct wn_step *s)
{
    const struct wn_window *win = &s->u.conv.win;
    int dy = wn_crop(p, s->in[0], win->pad_lo, win->pad_hi, win->rank);
    if (dy < 0) return -1;
    int matrix = wn_summed_weight(p, s->in[1], false, p->values[s->out[0]].shape.dim[1], 1);
    return wn_matmul(p, spatial_sum(p, dy), false, matrix, false, WN_NONE);
}

/* (R,C,s..) -> (R,C): sum over space. */
static int spatial_sum(struct wn_program *p, int g)
{
    if (p->error.code || g < 0) return -1;
    const struct wn_shape y = p->values[g].shape;
    const struct wn_step *made = maker(p, g);
    if (!made) return plain_sum(p, g);
    struct wn_step s = *made; /* a copy: appending moves the array */
    switch (s.prim) {
    case WN_PRIM_COPY:
        if (is_plane_broadcast(p, &s)) return sum_of_broadcast(p, &s, &y);
        break;
    case WN_PRIM_MAXPOOL_BWD:
    case WN_PRIM_AVGPOOL_BWD:
        if (pool_keeps_sum(&s)) return spatial_sum(p, s.in[0]);
        break;
    case WN_PRIM_UNARY:
        if (s.u.unary.kind == WN_UNARY_LINEAR && s.u.unary.beta == 0)
            return wn_linear(p, spatial_sum(p, s.in[0]), s.u.unary.alpha, 0);
        break;
    case WN_PRIM_RESHAPE: {
        const struct wn_shape *x = &p->values[s.in[0]].shape;
        if (x->rank >= 3 && x->dim[0] == y.dim[0] && x->dim[1] == y.dim[1]) return spatial_sum(p, s.in[0]);
        const struct wn_step *m = maker(p, s.in[0]);
        if (x->rank == 2 && x->dim[0] == y.dim[0] && is_plain_product(p, m)) {
            struct wn_step product = *m;
            return sum_of_product(p, &product, &y);
        }
        break;
    }
    case WN_PRIM_CONV_BWD:
        if (is_pointwise(p, &s)) return sum_of_pointwise(p, &s);
        break;
    default: break;
    }
    return plain_sum(p, g);
}

int wn_channel_mean(struct wn_program *p, int g)
{
    if (p->error.code || g < 0) return -1;
    struct wn_shape s = p->values[g].shape;
    if (s.rank < 3) return wn_program_fail(p, WN_UNSUPPORTED, "a layer without spatial axes has no channel mean");
    int sum = wn_linear(p, spatial_sum(p, g), 1.0f / (float)area(&s), 0);
    for (int i = 2; i < s.rank; i++) s.dim[i] = 1;
    return wn_reshape(p, sum, &s);
}
