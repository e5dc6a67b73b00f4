/* The builders of the primitives: what each one's operands must be, and the shape of what it makes. Knows no backend
 * and no ONNX. */
#include "program.h"

#include <stdlib.h>

static const struct wn_shape *shape(const struct wn_program *p, int value)
{
    return &p->values[value].shape;
}

/* ---- windows ---- */

static bool window_ok(struct wn_program *p, const struct wn_window *win)
{
    bool ok = win->rank >= 1 && win->rank <= WN_MAX_SPATIAL;
    for (int i = 0; ok && i < win->rank; i++)
        ok = win->kernel[i] >= 1 && win->stride[i] >= 1 && win->dilation[i] >= 1 && win->pad_lo[i] >= 0 &&
             win->pad_hi[i] >= 0 && win->kernel[i] < INT32_MAX && win->stride[i] < INT32_MAX &&
             win->dilation[i] < INT32_MAX && win->pad_lo[i] < INT32_MAX && win->pad_hi[i] < INT32_MAX;
    if (!ok)
        wn_program_fail(p, WN_BAD_MODEL,
                        "a window needs 1 to 3 axes, kernel, stride and dilation from 1 and pads from 0");
    return ok;
}

/* Output length of spatial axis i, or -1 with the error set. */
static int64_t window_out(struct wn_program *p, const struct wn_window *win, int i, int64_t in)
{
    int64_t reach, room;
    if (__builtin_mul_overflow(win->dilation[i], win->kernel[i] - 1, &reach) ||
        __builtin_sub_overflow(in + win->pad_lo[i] + win->pad_hi[i] - 1, reach, &room) || room < 0)
        return wn_program_fail(p, WN_BAD_MODEL, "a window of %lld cells is larger than its padded input of %lld",
                               (long long)win->kernel[i], (long long)in + win->pad_lo[i] + win->pad_hi[i]);
    return room / win->stride[i] + 1;
}

/* x (N,C,s..) under a window -> (N, channels, ..). */
static bool window_shape(struct wn_program *p, const struct wn_shape *x, const struct wn_window *win, int64_t channels,
                         struct wn_shape *y)
{
    if (!window_ok(p, win)) return false;
    if (x->rank != win->rank + 2) {
        wn_program_fail(p, WN_BAD_MODEL, "a window over %d axes was given a value of rank %d", win->rank, x->rank);
        return false;
    }
    *y = *x;
    y->dim[1] = channels;
    for (int i = 0; i < win->rank; i++)
        if ((y->dim[2 + i] = window_out(p, win, i, x->dim[2 + i])) < 0) return false;
    return true;
}

/* Checks that a gradient fits the value it is the gradient of; *x gets N from dy. */
static bool gradient_shape(struct wn_program *p, int dy, const struct wn_window *win, int64_t dy_channels,
                           const struct wn_shape *x_shape, struct wn_shape *x)
{
    struct wn_shape y;
    if (p->error.code || !wn_program_has(p, dy)) return false;
    *x = *x_shape;
    x->dim[0] = shape(p, dy)->dim[0];
    if (!window_shape(p, x, win, dy_channels, &y)) return false;
    if (wn_shape_equal(&y, shape(p, dy))) return true;
    wn_program_fail(p, WN_BAD_MODEL, "a gradient does not have its window's output shape");
    return false;
}

static bool filter_ok(struct wn_program *p, const struct wn_shape *w, int64_t in_channels, const struct wn_window *win,
                      int64_t groups)
{
    bool ok = groups >= 1 && w->rank == win->rank + 2 && in_channels % groups == 0 && w->dim[0] % groups == 0 &&
              w->dim[1] == in_channels / groups;
    for (int i = 0; ok && i < win->rank; i++) ok = w->dim[2 + i] == win->kernel[i];
    if (!ok)
        wn_program_fail(p, WN_BAD_MODEL, "a filter does not fit %lld input channels in %lld groups",
                        (long long)in_channels, (long long)groups);
    return ok;
}

static bool bias_ok(struct wn_program *p, int bias, int64_t channels)
{
    if (bias == WN_NONE) return true;
    if (!wn_program_has(p, bias)) return false;
    if (shape(p, bias)->rank == 1 && shape(p, bias)->dim[0] == channels) return true;
    wn_program_fail(p, WN_BAD_MODEL, "a bias needs one value for each of %lld channels", (long long)channels);
    return false;
}

static const struct wn_act no_act = {.kind = WN_UNARY_COUNT};

int wn_conv(struct wn_program *p, int x, int w, int bias, const struct wn_window *win, int64_t groups)
{
    struct wn_shape y;
    if (p->error.code || !wn_program_has(p, x) || !wn_program_has(p, w)) return -1;
    if (!window_ok(p, win) || shape(p, x)->rank != win->rank + 2)
        return wn_program_fail(p, WN_BAD_MODEL, "a convolution over %d axes was given a value of rank %d", win->rank,
                               shape(p, x)->rank);
    if (!filter_ok(p, shape(p, w), shape(p, x)->dim[1], win, groups)) return -1;
    if (!window_shape(p, shape(p, x), win, shape(p, w)->dim[0], &y) || !bias_ok(p, bias, y.dim[1])) return -1;
    struct wn_step s = {.prim = WN_PRIM_CONV, .u.conv = {*win, groups, no_act}};
    return wn_program_add_step(p, s, (int[]){x, w, bias, WN_NONE}, 4, &y);
}

int wn_conv_bwd(struct wn_program *p, int dy, int w, int bias, const struct wn_window *win, int64_t groups,
                const struct wn_shape *x_shape)
{
    struct wn_shape x;
    if (p->error.code || !wn_program_has(p, w) || !wn_program_has(p, dy)) return -1;
    if (!window_ok(p, win) || x_shape->rank != win->rank + 2)
        return wn_program_fail(p, WN_BAD_MODEL, "a convolution's gradient needs a shape of rank %d", win->rank + 2);
    if (!filter_ok(p, shape(p, w), x_shape->dim[1], win, groups)) return -1;
    if (!gradient_shape(p, dy, win, shape(p, w)->dim[0], x_shape, &x) || !bias_ok(p, bias, x.dim[1])) return -1;
    struct wn_step s = {.prim = WN_PRIM_CONV_BWD, .u.conv = {*win, groups, no_act}};
    return wn_program_add_step(p, s, (int[]){dy, w, bias}, 3, &x);
}

int wn_maxpool(struct wn_program *p, int x, const struct wn_window *win, int *index)
{
    struct wn_shape y;
    if (p->error.code || !wn_program_has(p, x) || !window_shape(p, shape(p, x), win, shape(p, x)->dim[1], &y))
        return -1;
    struct wn_step s = {.prim = WN_PRIM_MAXPOOL, .u.pool = {*win, false}};
    int v = wn_program_add_step(p, s, &x, 1, &y);
    if (v < 0) return -1;
    int which = wn_program_add_value(p, p->values[v]);
    if (which < 0) return -1;
    p->steps[p->n_steps - 1].out[1] = which;
    p->steps[p->n_steps - 1].n_out = 2;
    if (index) *index = which;
    return v;
}

int wn_maxpool_bwd(struct wn_program *p, int dy, int index, const struct wn_window *win, const struct wn_shape *x_shape)
{
    struct wn_shape x;
    if (p->error.code || !wn_program_has(p, index) || !gradient_shape(p, dy, win, x_shape->dim[1], x_shape, &x))
        return -1;
    if (!wn_shape_equal(shape(p, dy), shape(p, index)))
        return wn_program_fail(p, WN_INTERNAL, "a max-pool's gradient and its index differ in shape");
    struct wn_step s = {.prim = WN_PRIM_MAXPOOL_BWD, .u.pool = {*win, false}};
    return wn_program_add_step(p, s, (int[]){dy, index}, 2, &x);
}

int wn_avgpool(struct wn_program *p, int x, const struct wn_window *win, bool count_pad)
{
    struct wn_shape y;
    if (p->error.code || !wn_program_has(p, x) || !window_shape(p, shape(p, x), win, shape(p, x)->dim[1], &y))
        return -1;
    struct wn_step s = {.prim = WN_PRIM_AVGPOOL, .u.pool = {*win, count_pad}};
    return wn_program_add_step(p, s, &x, 1, &y);
}

int wn_avgpool_bwd(struct wn_program *p, int dy, const struct wn_window *win, bool count_pad,
                   const struct wn_shape *x_shape)
{
    struct wn_shape x;
    if (!gradient_shape(p, dy, win, x_shape->dim[1], x_shape, &x)) return -1;
    struct wn_step s = {.prim = WN_PRIM_AVGPOOL_BWD, .u.pool = {*win, count_pad}};
    return wn_program_add_step(p, s, &dy, 1, &x);
}

/* ---- products ---- */

int wn_matmul(struct wn_program *p, int a, bool trans_a, int b, bool trans_b, int bias)
{
    if (p->error.code || !wn_program_has(p, a) || !wn_program_has(p, b)) return -1;
    const struct wn_shape *sa = shape(p, a), *sb = shape(p, b);
    int r = sa->rank;
    if (r != sb->rank || (r != 2 && r != 3))
        return wn_program_fail(p, WN_INTERNAL, "a product needs two values of rank 2 or of rank 3");
    int64_t m = sa->dim[r - 1 - !trans_a], ka = sa->dim[r - 1 - trans_a];
    int64_t kb = sb->dim[r - 1 - !trans_b], n = sb->dim[r - 1 - trans_b];
    if (ka != kb)
        return wn_program_fail(p, WN_BAD_MODEL, "a product of %lld columns with %lld rows", (long long)ka,
                               (long long)kb);
    struct wn_shape y = {.rank = r};
    if (r == 3) {
        if (sa->dim[0] != sb->dim[0] && sa->dim[0] != 1 && sb->dim[0] != 1)
            return wn_program_fail(p, WN_BAD_MODEL, "the batches of a product differ");
        y.dim[0] = sa->dim[0] == 1 ? sb->dim[0] : sa->dim[0];
    }
    y.dim[r - 2] = m;
    y.dim[r - 1] = n;
    if (!bias_ok(p, bias, n)) return -1;
    struct wn_step s = {.prim = WN_PRIM_MATMUL, .u.matmul = {trans_a, trans_b, no_act}};
    return wn_program_add_step(p, s, (int[]){a, b, bias}, 3, &y);
}

int wn_channel_dot(struct wn_program *p, int a, int g)
{
    if (p->error.code || !wn_program_has(p, a) || !wn_program_has(p, g)) return -1;
    const struct wn_shape *sa = shape(p, a), *sg = shape(p, g);
    bool same = wn_shape_equal(sa, sg),
         ok = sa->rank >= 3 && sa->rank == sg->rank && sa->dim[0] == sg->dim[0] && sa->dim[1] == sg->dim[1];
    for (int i = 2; ok && !same && i < sg->rank; i++) ok = sg->dim[i] == 1;
    if (!ok) return wn_program_fail(p, WN_INTERNAL, "a weighted sum over channels needs weights (R,C,..) or (R,C,1..)");
    struct wn_shape y = *sa;
    y.dim[1] = 1;
    return wn_program_add_step(p, (struct wn_step){.prim = WN_PRIM_CHANNEL_DOT}, (int[]){a, g}, 2, &y);
}

/* ---- elementwise ---- */

int wn_unary(struct wn_program *p, enum wn_unary kind, int x, float alpha, float beta)
{
    if (p->error.code || !wn_program_has(p, x)) return -1;
    struct wn_shape y = *shape(p, x);
    return wn_program_add_step(p, (struct wn_step){.prim = WN_PRIM_UNARY, .u.unary = {kind, alpha, beta}}, &x, 1, &y);
}

int wn_unary_bwd(struct wn_program *p, enum wn_unary kind, int dy, int z, float alpha, float beta)
{
    if (p->error.code || !wn_program_has(p, dy) || !wn_program_has(p, z)) return -1;
    if (!wn_shape_equal(shape(p, dy), shape(p, z)))
        return wn_program_fail(p, WN_INTERNAL, "an activation's gradient and its value differ in shape");
    struct wn_shape y = *shape(p, dy);
    return wn_program_add_step(p, (struct wn_step){.prim = WN_PRIM_UNARY_BWD, .u.unary = {kind, alpha, beta}},
                               (int[]){dy, z}, 2, &y);
}

int wn_secant(struct wn_program *p, enum wn_unary kind, int dy, int x, int x0, float alpha, float beta)
{
    if (p->error.code || !wn_program_has(p, dy) || !wn_program_has(p, x) || !wn_program_has(p, x0)) return -1;
    if (!wn_shape_equal(shape(p, dy), shape(p, x)) || !wn_shape_equal(shape(p, x), shape(p, x0)))
        return wn_program_fail(p, WN_INTERNAL, "an activation's gradient and its inputs differ in shape");
    struct wn_shape y = *shape(p, dy);
    return wn_program_add_step(p, (struct wn_step){.prim = WN_PRIM_SECANT, .u.unary = {kind, alpha, beta}},
                               (int[]){dy, x, x0}, 3, &y);
}

int wn_binary(struct wn_program *p, enum wn_binary kind, int a, int b)
{
    struct wn_shape y;
    if (p->error.code || !wn_program_has(p, a) || !wn_program_has(p, b)) return -1;
    if (!wn_shape_broadcast(shape(p, a), shape(p, b), &y))
        return wn_program_fail(p, WN_BAD_MODEL, "two values that are combined element by element do not broadcast");
    return wn_program_add_step(p, (struct wn_step){.prim = WN_PRIM_BINARY, .u.binary = kind}, (int[]){a, b}, 2, &y);
}

int wn_reduce(struct wn_program *p, enum wn_reduce kind, int x, unsigned axes)
{
    if (p->error.code || !wn_program_has(p, x)) return -1;
    struct wn_shape y = *shape(p, x);
    if (axes >> y.rank)
        return wn_program_fail(p, WN_BAD_MODEL, "a reduction names an axis that its value of rank %d lacks", y.rank);
    for (int i = 0; i < y.rank; i++)
        if (axes >> i & 1) y.dim[i] = 1;
    return wn_program_add_step(p, (struct wn_step){.prim = WN_PRIM_REDUCE, .u.reduce = {kind, axes}}, &x, 1, &y);
}

/* ---- moving ---- */

/* Lowest and highest element that a strided walk touches. */
static bool walk_inside(const struct wn_copy *c, int64_t offset, const int64_t *stride, int64_t count)
{
    int64_t lo = offset, hi = offset;
    for (int i = 0; i < c->rank; i++) {
        if (c->extent[i] == 0) return true;
        int64_t span;
        if (c->extent[i] < 0 || __builtin_mul_overflow(c->extent[i] - 1, stride[i], &span)) return false;
        if (__builtin_add_overflow(span < 0 ? lo : hi, span, span < 0 ? &lo : &hi)) return false;
    }
    return lo >= 0 && hi < count;
}

int wn_copy(struct wn_program *p, int x, const struct wn_shape *y_shape, const struct wn_copy *copy)
{
    if (p->error.code || !wn_program_has(p, x)) return -1;
    if (!wn_shape_fits(y_shape) || copy->rank > WN_MAX_RANK ||
        !walk_inside(copy, copy->x_offset, copy->x_stride, wn_shape_count(shape(p, x))) ||
        !walk_inside(copy, copy->y_offset, copy->y_stride, wn_shape_count(y_shape)))
        return wn_program_fail(p, WN_BAD_MODEL, "a copy reaches outside its value");
    struct wn_shape y = *y_shape;
    return wn_program_add_step(p, (struct wn_step){.prim = WN_PRIM_COPY, .u.copy = *copy}, &x, 1, &y);
}

int wn_reshape(struct wn_program *p, int x, const struct wn_shape *s)
{
    if (p->error.code || !wn_program_has(p, x)) return -1;
    if (wn_shape_equal(shape(p, x), s)) return x;
    if (!wn_shape_fits(s) || wn_shape_count(s) != wn_shape_count(shape(p, x)))
        return wn_program_fail(p, WN_BAD_MODEL, "a reshape from %lld to %lld elements",
                               (long long)wn_shape_count(shape(p, x)), (long long)wn_shape_count(s));
    return wn_program_add_step(p, (struct wn_step){.prim = WN_PRIM_RESHAPE}, &x, 1, s);
}

int wn_concat(struct wn_program *p, const int *x, int n, int axis)
{
    if (p->error.code) return -1;
    if (n < 1 || !wn_program_has(p, x[0])) return wn_program_fail(p, WN_BAD_MODEL, "a concatenation of nothing");
    struct wn_shape y = *shape(p, x[0]);
    if (axis < 0 || axis >= y.rank)
        return wn_program_fail(p, WN_BAD_MODEL, "a concatenation along an axis that is not there");
    for (int i = 1; i < n; i++) {
        if (!wn_program_has(p, x[i])) return -1;
        struct wn_shape s = *shape(p, x[i]);
        int64_t more = s.dim[axis];
        s.dim[axis] = y.dim[axis];
        if (!wn_shape_equal(&s, &y))
            return wn_program_fail(p, WN_BAD_MODEL, "the parts of a concatenation do not fit together");
        y.dim[axis] += more;
    }
    return wn_program_add_step(p, (struct wn_step){.prim = WN_PRIM_CONCAT, .u.concat = {axis}}, x, n, &y);
}

int wn_axis_map(struct wn_program *p, int x, int axis, const struct wn_taps *taps)
{
    if (p->error.code || !wn_program_has(p, x)) return -1;
    struct wn_shape y = *shape(p, x);
    if (axis < 0 || axis >= y.rank || y.dim[axis] != taps->in || taps->taps < 1 || taps->out < 0)
        return wn_program_fail(p, WN_BAD_MODEL, "a tap table does not fit its axis");
    size_t n = (size_t)taps->out * (size_t)taps->taps;
    for (size_t i = 0; i < n; i++)
        if (taps->index[i] < -1 || taps->index[i] >= taps->in)
            return wn_program_fail(p, WN_BAD_MODEL, "a tap lies outside its axis");
    struct wn_taps own = *taps;
    own.index = wn_program_block(p, taps->index, n * sizeof *taps->index);
    own.weight = wn_program_block(p, taps->weight, n * sizeof *taps->weight);
    if (!own.index || !own.weight) return -1;
    y.dim[axis] = taps->out;
    return wn_program_add_step(p, (struct wn_step){.prim = WN_PRIM_AXIS_MAP, .u.map = {axis, own}}, &x, 1, &y);
}

int wn_gather(struct wn_program *p, int x, int row)
{
    if (p->error.code || !wn_program_has(p, x) || !wn_program_has(p, row)) return -1;
    if (shape(p, row)->rank != 1 || shape(p, x)->rank < 1)
        return wn_program_fail(p, WN_INTERNAL, "a gather needs a list of rows and something that has rows");
    struct wn_shape y = *shape(p, x);
    y.dim[0] = shape(p, row)->dim[0];
    return wn_program_add_step(p, (struct wn_step){.prim = WN_PRIM_GATHER}, (int[]){x, row}, 2, &y);
}
