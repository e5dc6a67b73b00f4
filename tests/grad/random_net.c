/* Random small networks out of everything that has a derivative. */
#include "nets.h"

#include <math.h>

enum { MAX_VALUES = 16 };

struct net {
    struct subject *s;
    int v[MAX_VALUES], n; /* feature maps (N,C,H,W), oldest first */
};

static struct wn_shape shape_of(const struct net *t, int v)
{
    return v < 0 ? (struct wn_shape){0} : wn_program_value(t->s->p, v)->shape;
}

static int conv(struct net *t, int x, int64_t out, int64_t kernel, int64_t stride, int64_t groups)
{
    int64_t in = shape_of(t, x).dim[1];
    double a = sqrt(3.0 / (double)(in / groups * kernel * kernel));
    int w = subject_weight(t->s, SHAPE(out, in / groups, kernel, kernel), -a, a);
    struct wn_window win = {2,      {kernel, kernel},         {stride, stride},
                            {1, 1}, {kernel / 2, kernel / 2}, {kernel / 2, kernel / 2}};
    return wn_conv(t->s->p, x, w, subject_weight(t->s, SHAPE(out), -0.5, 0.5), &win, groups);
}

static int activation(struct net *t, int x)
{
    static const enum wn_unary kinds[] = {WN_UNARY_RELU, WN_UNARY_RELU, WN_UNARY_LEAKY,     WN_UNARY_SIGMOID,
                                          WN_UNARY_TANH, WN_UNARY_ELU,  WN_UNARY_HARDSWISH, WN_UNARY_CLIP};
    enum wn_unary kind = kinds[rng_below(&t->s->rng, 8)];
    return wn_unary(t->s->p, kind, x, kind == WN_UNARY_CLIP ? 0 : 0.25f, 6);
}

static int pool(struct net *t, int x)
{
    struct wn_window win = {2, {2, 3}, {2, 1}, {1, 1}, {0, 1}, {1, 1}};
    if (rng_below(&t->s->rng, 2)) return wn_maxpool(t->s->p, x, &win, NULL);
    return wn_avgpool(t->s->p, x, &win, rng_below(&t->s->rng, 2));
}

/* Squeeze and excite: every channel scaled by a number made from the means of all. */
static int gate(struct net *t, int x)
{
    int mean = wn_reduce(t->s->p, WN_REDUCE_MEAN, x, 12);
    int scale = wn_unary(t->s->p, WN_UNARY_SIGMOID, conv(t, mean, shape_of(t, x).dim[1], 1, 1, 1), 0, 0);
    return rng_below(&t->s->rng, 2) ? wn_mul(t->s->p, x, scale) : wn_mul(t->s->p, scale, x);
}

static int normalise(struct net *t, int x)
{
    int64_t c = shape_of(t, x).dim[1];
    int scaled = wn_mul(t->s->p, x, subject_weight(t->s, SHAPE(1, c, 1, 1), 0.5, 1.5));
    return wn_add(t->s->p, scaled, subject_weight(t->s, SHAPE(c, 1, 1), -1, 1));
}

/* Twice as many rows, each between its neighbours. */
static int stretch(struct net *t, int x)
{
    int32_t index[64];
    float weight[64];
    int64_t h = shape_of(t, x).dim[2], out = h > 8 ? h : 2 * h;
    for (int64_t i = 0; i < out; i++) {
        index[2 * i] = (int32_t)(i * h / out);
        index[2 * i + 1] = (int32_t)(i * h / out + 1 < h ? i * h / out + 1 : -1);
        weight[2 * i] = 0.75f;
        weight[2 * i + 1] = 0.25f;
    }
    return wn_axis_map(t->s->p, x, 2, &(struct wn_taps){h, out, 2, index, weight});
}

static int crop_and_pad(struct net *t, int x)
{
    int64_t h = shape_of(t, x).dim[2];
    return wn_pad(t->s->p, x, (int64_t[]){0, 0, h > 2 ? -1 : 0, 1}, (int64_t[]){0, 0, 0, 0}, 0.25f);
}

/* An earlier value of the same shape (for a sum), or of the same planes (for a concatenation); else x itself. */
static int partner(struct net *t, int x, bool same_channels)
{
    struct wn_shape s = shape_of(t, x);
    for (int i = (int)rng_below(&t->s->rng, t->n); i < t->n; i++) {
        struct wn_shape o = shape_of(t, t->v[i]);
        if (t->v[i] != x && o.dim[2] == s.dim[2] && o.dim[3] == s.dim[3] && (!same_channels || o.dim[1] == s.dim[1]))
            return t->v[i];
    }
    return x;
}

static int layer(struct net *t, int x)
{
    int64_t c = shape_of(t, x).dim[1];
    switch (rng_below(&t->s->rng, 14)) {
    case 0:
    case 1: return conv(t, x, PICK(t->s, 2, 3, 4), 3, PICK(t->s, 1, 1, 2), 1);
    case 2: return conv(t, x, PICK(t->s, 2, 4), 1, 1, 1);
    case 3: return conv(t, x, c, 3, 1, c);
    case 4: return pool(t, x);
    case 5: return wn_add(t->s->p, x, partner(t, x, true));
    case 6: return c > 6 ? x : wn_concat(t->s->p, (int[]){partner(t, x, false), x}, 2, 1);
    case 7: return gate(t, x);
    case 8: return normalise(t, x);
    case 9: return stretch(t, x);
    case 10: return crop_and_pad(t, x);
    case 11: return c > 1 ? wn_slice(t->s->p, x, 1, c - 1, c - 1, -1) : x;
    case 12: return wn_linear(t->s->p, x, -1.5f, 0.25f);
    default: return activation(t, x);
    }
}

static int flat(struct net *t, int x)
{
    struct wn_shape s = shape_of(t, x), f = SHAPE(s.dim[0], wn_shape_count(&s) / s.dim[0]);
    return wn_reshape(t->s->p, x, &f);
}

static int linear(struct net *t, int x, int64_t out)
{
    int64_t in = shape_of(t, x).dim[1];
    bool trans = rng_below(&t->s->rng, 2);
    double a = sqrt(3.0 / (double)in);
    int w = subject_weight(t->s, trans ? SHAPE(out, in) : SHAPE(in, out), -a, a);
    return wn_matmul(t->s->p, x, false, w, trans, subject_weight(t->s, SHAPE(out), -1, 1));
}

static int head(struct net *t, int x)
{
    switch (rng_below(&t->s->rng, 4)) {
    case 0: /* pooled features and one linear layer */
        return linear(t, flat(t, wn_reduce(t->s->p, WN_REDUCE_MEAN, x, 12)), 4);
    case 1: /* all cells and two linear layers */ return linear(t, activation(t, linear(t, flat(t, x), 5)), 4);
    case 2: /* a 1x1 classifier, then pooled */
        return flat(t, wn_reduce(t->s->p, WN_REDUCE_MEAN, wn_relu(t->s->p, conv(t, x, 4, 1, 1, 1)), 12));
    default: /* max-pooled cells and one linear layer */ return linear(t, flat(t, pool(t, x)), 4);
    }
}

static void keep(struct net *t, int v)
{
    t->v[t->n++] = v;
}

struct path random_net(struct subject *s, int unused)
{
    (void)unused;
    struct net t = {.s = s};
    struct path path;
    struct wn_shape shape = SHAPE(PICK(s, 1, 2, 3), 2, PICK(s, 4, 5), 4);
    keep(&t, subject_input(s, shape, true, -1, 1));
    int before = (int)rng_below(&s->rng, 4), after = (int)rng_below(&s->rng, 5);
    for (int i = 0; i < before; i++) keep(&t, layer(&t, t.v[t.n - 1]));
    /* A sum with an input of zeros: shaking that input is shaking the layer. */
    path.shaken = subject_input(s, shape_of(&t, t.v[t.n - 1]), true, -0.1, 0.1);
    path.to = wn_add(s->p, t.v[t.n - 1], path.shaken);
    t.n = 0; /* nothing may lead around the layer */
    keep(&t, path.to);
    for (int i = 0; i < after; i++) keep(&t, layer(&t, t.v[t.n - 1]));
    path.from = head(&t, t.v[t.n - 1]);
    return path;
}
