/* Forward mode over the primitives: how every logit moves when a layer moves in many directions at once, so that the Grad-CAM maps
 * of all classes cost about one pass. The mirror of backward.c; knows no backend and no network by name. */
#include "program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Floats of one spread tangent: beyond that a pass for each class is kinder to the memory. */
#define MOST_SPREAD (INT64_C(1) << 25)

/* How a value moves in each of T directions. The value's elements, row-major, are blocks*cells; element (b, c) moves by
 * m[b,t] * f[b,c] in direction t. cells == 1 can say anything; whole planes that move alike need no more than their m. */
struct tangent {
    int m;                 /* (blocks, T); WN_NONE: the value does not move */
    int f;                 /* (blocks or 1, cells), or WN_NONE: 1 everywhere */
    int64_t blocks, cells;
};

struct pass {
    struct wn_program *p;
    struct tangent *of; /* [values at the start] */
    int layer;
    int64_t directions, most_directions;
};

static const struct tangent still = {WN_NONE, WN_NONE, 0, 0};

static struct wn_shape shape_of(const struct pass *b, int v)
{
    return b->p->values[v].shape;
}

static int64_t count_of(const struct pass *b, int v)
{
    return wn_shape_count(&b->p->values[v].shape);
}

static int as(struct wn_program *p, int v, int64_t rows, int64_t columns)
{
    struct wn_shape s = wn_shape_of(2, (int64_t[]){rows, columns});
    return wn_reshape(p, v, &s);
}

static bool moves(const struct pass *b, int v)
{
    return v != WN_NONE && b->of[v].m != WN_NONE;
}

static struct tangent refuse(struct pass *b, const char *why)
{
    wn_program_fail(b->p, WN_UNSUPPORTED, "forward mode: %s", why);
    return still;
}

static int64_t plane(const struct wn_shape *s)
{
    int64_t n = 1;
    for (int i = 2; i < s->rank; i++) n *= s->dim[i];
    return n;
}

/* The blocks are the channels, and the cells their planes. */
static bool by_plane(const struct pass *b, int v, struct tangent t)
{
    const struct wn_shape *s = &b->p->values[v].shape;
    return s->rank >= 2 && s->dim[0] == 1 && t.blocks == s->dim[1] && t.cells == plane(s);
}

/* ---- from blocks to single elements, and to T values of their own ---- */

/* The same tangent with cells == 1. */
static struct tangent spread(struct pass *b, struct tangent t)
{
    struct wn_program *p = b->p;
    if (t.cells == 1 || p->error.code) return t;
    if (b->directions > b->most_directions || t.blocks * t.cells * b->directions > MOST_SPREAD)
        return refuse(b, "a pass for each class is cheaper here");
    struct wn_shape thin = wn_shape_of(3, (int64_t[]){t.blocks, 1, b->directions}), whole = thin;
    whole.dim[1] = t.cells;
    int m = wn_reshape(p, t.m, &thin);
    if (t.f == WN_NONE) {
        m = wn_expand(p, m, &whole);
    } else {
        struct wn_shape field = wn_shape_of(3, (int64_t[]){shape_of(b, t.f).dim[0], t.cells, 1});
        m = wn_mul(p, m, wn_reshape(p, t.f, &field));
    }
    return (struct tangent){as(p, m, t.blocks * t.cells, b->directions), WN_NONE, t.blocks * t.cells, 1};
}

/* (T, ...) in place of (1, ...): for steps that are linear and have a primitive of their own. -1 after a refusal. */
static int as_batch(struct pass *b, int v)
{
    struct wn_shape s = shape_of(b, v);
    struct tangent t = spread(b, b->of[v]);
    if (b->p->error.code) return -1;
    if (s.rank < 1 || s.dim[0] != 1) {
        refuse(b, "a step does not keep the batch on its first axis");
        return -1;
    }
    s.dim[0] = b->directions;
    return wn_reshape(b->p, wn_transpose(b->p, t.m, (int[]){1, 0}), &s);
}

static struct tangent from_batch(struct pass *b, int v)
{
    if (b->p->error.code || v < 0) return still;
    int64_t n = count_of(b, v) / b->directions;
    return (struct tangent){wn_transpose(b->p, as(b->p, v, b->directions, n), (int[]){1, 0}), WN_NONE, n, 1};
}

static struct wn_shape batch_shape(const struct pass *b, int v)
{
    struct wn_shape s = shape_of(b, v);
    if (s.rank > 0) s.dim[0] = b->directions;
    return s;
}

/* A field over a single cell is a factor of the block. */
static struct tangent tidy(struct pass *b, struct tangent t)
{
    if (t.cells > 1 || t.f == WN_NONE) return t;
    t.m = wn_mul(b->p, t.m, t.f);
    t.f = WN_NONE;
    return t;
}

/* ---- convolutions ---- */

static bool has_padding(const struct wn_window *win)
{
    for (int i = 0; i < win->rank; i++)
        if (win->pad_lo[i] || win->pad_hi[i]) return true;
    return false;
}

static bool is_single_cell(const struct wn_window *win)
{
    for (int i = 0; i < win->rank; i++)
        if (win->kernel[i] != 1) return false;
    return true;
}

struct inside {
    const struct wn_window *win;
    struct wn_shape x, y;
};

/* 1 where a window of one cell reads the picture, 0 where it reads padding. */
static void fill_inside(float *dst, const void *arg)
{
    const struct inside *in = arg;
    for (int64_t at = 0, n = plane(&in->y); at < n; at++) {
        int64_t rest = at;
        dst[at] = 1;
        for (int i = in->win->rank - 1; i >= 0; i--) {
            int64_t read = rest % in->y.dim[2 + i] * in->win->stride[i] - in->win->pad_lo[i];
            rest /= in->y.dim[2 + i];
            if (read < 0 || read >= in->x.dim[2 + i]) dst[at] = 0;
        }
    }
}

static int inside_field(struct pass *b, const struct wn_step *s)
{
    struct inside in = {&s->u.conv.win, shape_of(b, s->in[0]), shape_of(b, s->out[0])};
    struct wn_shape field = wn_shape_of(2, (int64_t[]){1, plane(&in.y)});
    char key[256] = "inside";
    for (int i = 0, at = 6; i < in.win->rank; i++)
        at += snprintf(key + at, sizeof key - (size_t)at, "|%lld %lld %lld %lld", (long long)in.x.dim[2 + i],
                       (long long)in.y.dim[2 + i], (long long)in.win->stride[i], (long long)in.win->pad_lo[i]);
    return wn_program_derive(b->p, key, &field, fill_inside, &in);
}

/* Planes that move alike under a filter that sees no padding: one product with the filter summed over its cells. A filter of one
 * cell may see padding: there nothing moves. */
static struct tangent conv_of_planes(struct pass *b, const struct wn_step *s, struct tangent t)
{
    const struct wn_window *win = &s->u.conv.win;
    struct wn_shape y = shape_of(b, s->out[0]);
    int64_t cells = 1;
    for (int i = 0; i < win->rank; i++) cells *= win->kernel[i];
    int w = wn_summed_weight(b->p, s->in[1], false, t.blocks, cells);
    struct tangent r = {wn_matmul(b->p, w, false, t.m, false, WN_NONE), WN_NONE, y.dim[1], plane(&y)};
    if (has_padding(win)) r.f = inside_field(b, s);
    return tidy(b, r);
}

/* The layer under a filter of one cell: the forward pass has made the product already, plus the bias and, around it, padding. */
static struct tangent conv_of_layer(struct pass *b, const struct wn_step *s)
{
    struct wn_program *p = b->p;
    const struct wn_window *win = &s->u.conv.win;
    struct wn_shape y = shape_of(b, s->out[0]);
    int64_t lo[WN_MAX_RANK] = {0}, hi[WN_MAX_RANK] = {0}, channels = y.dim[1];
    for (int i = 0; i < win->rank; i++) {
        lo[2 + i] = -win->pad_lo[i];
        hi[2 + i] = -win->pad_hi[i];
    }
    int z = as(p, has_padding(win) ? wn_pad(p, s->out[0], lo, hi, 0) : s->out[0], channels, b->directions);
    if (s->in[2] != WN_NONE) z = wn_binary(p, WN_BINARY_SUB, z, as(p, s->in[2], channels, 1));
    struct tangent r = {wn_linear(p, z, 1.0f / (float)b->directions, 0), WN_NONE, channels, plane(&y)};
    if (has_padding(win)) r.f = inside_field(b, s);
    return r;
}

static bool is_dense(const struct wn_window *win)
{
    for (int i = 0; i < win->rank; i++)
        if (win->stride[i] != 1) return false;
    return is_single_cell(win);
}

static struct tangent conv_rule(struct pass *b, const struct wn_step *s)
{
    struct tangent t = b->of[s->in[0]];
    const struct wn_window *win = &s->u.conv.win;
    int64_t groups = s->u.conv.groups;
    if (moves(b, s->in[1]) || !moves(b, s->in[0])) return refuse(b, "a filter that depends on the picture");
    bool constant = b->p->values[s->in[1]].kind == WN_VALUE_CONST;
    if (s->prim == WN_PRIM_CONV && constant && groups == 1 && t.f == WN_NONE && by_plane(b, s->in[0], t) &&
        (!has_padding(win) || is_single_cell(win)))
        return s->in[0] == b->layer && is_dense(win) ? conv_of_layer(b, s) : conv_of_planes(b, s, t);
    int x = as_batch(b, s->in[0]);
    if (s->prim == WN_PRIM_CONV) return from_batch(b, wn_conv(b->p, x, s->in[1], WN_NONE, win, groups));
    struct wn_shape y = batch_shape(b, s->out[0]);
    return from_batch(b, wn_conv_bwd(b->p, x, s->in[1], WN_NONE, win, groups, &y));
}

/* ---- pools ---- */

/* Whether every window has a cell of the picture in it. */
static bool always_sees(const struct wn_window *win, const struct wn_shape *x, const struct wn_shape *y)
{
    for (int i = 0; i < win->rank; i++)
        for (int64_t at = 0; at < y->dim[2 + i]; at++) {
            bool seen = false;
            for (int64_t k = 0; k < win->kernel[i] && !seen; k++) {
                int64_t read = at * win->stride[i] - win->pad_lo[i] + k * win->dilation[i];
                seen = read >= 0 && read < x->dim[2 + i];
            }
            if (!seen) return false;
        }
    return true;
}

static struct tangent pool_rule(struct pass *b, const struct wn_step *s)
{
    struct tangent t = b->of[s->in[0]];
    struct wn_shape x = shape_of(b, s->in[0]), y = shape_of(b, s->out[0]);
    const struct wn_window *win = &s->u.pool.win;
    bool max = s->prim == WN_PRIM_MAXPOOL, whole = max || !s->u.pool.count_pad || !has_padding(win);
    if (t.f == WN_NONE && whole && by_plane(b, s->in[0], t) && always_sees(win, &x, &y)) {
        t.cells = plane(&y);
        return t;
    }
    if (max) return refuse(b, "a max-pool over cells that move differently");
    if (t.f != WN_NONE && by_plane(b, s->in[0], t)) {
        struct wn_shape field = x;
        field.dim[1] = shape_of(b, t.f).dim[0];
        int f = wn_avgpool(b->p, wn_reshape(b->p, t.f, &field), win, s->u.pool.count_pad);
        return tidy(b, (struct tangent){t.m, as(b->p, f, field.dim[1], plane(&y)), t.blocks, plane(&y)});
    }
    return from_batch(b, wn_avgpool(b->p, as_batch(b, s->in[0]), win, s->u.pool.count_pad));
}

/* ---- products ---- */

static struct tangent matmul_rule(struct pass *b, const struct wn_step *s)
{
    struct wn_program *p = b->p;
    bool trans_b = s->u.matmul.trans_b;
    struct tangent t = b->of[s->in[0]];
    if (moves(b, s->in[1]) || !moves(b, s->in[0]) || s->u.matmul.trans_a) return refuse(b, "a product of two values that move");
    struct wn_shape x = shape_of(b, s->in[0]), y = shape_of(b, s->out[0]);
    if (x.rank != 2) return from_batch(b, wn_matmul(p, as_batch(b, s->in[0]), false, s->in[1], trans_b, WN_NONE));
    if (x.dim[0] != 1) return refuse(b, "a product over other rows than the image's");
    if (t.cells > 1 && t.f == WN_NONE && p->values[s->in[1]].kind == WN_VALUE_CONST) {
        int w = wn_summed_weight(p, s->in[1], !trans_b, t.blocks, t.cells);
        return (struct tangent){wn_matmul(p, w, false, t.m, false, WN_NONE), WN_NONE, y.dim[1], 1};
    }
    t = spread(b, t);
    return (struct tangent){wn_matmul(p, s->in[1], !trans_b, t.m, false, WN_NONE), WN_NONE, y.dim[1], 1};
}

/* ---- elementwise ---- */

/* The tangent times a value of its own shape. */
static struct tangent times(struct pass *b, struct tangent t, int z)
{
    int field = as(b->p, z, t.blocks, t.cells);
    if (t.cells == 1) t.m = wn_mul(b->p, t.m, field);
    else t.f = t.f == WN_NONE ? field : wn_mul(b->p, t.f, field);
    return t;
}

static struct tangent scaled(struct pass *b, struct tangent t, float scale)
{
    if (scale != 1) t.m = wn_linear(b->p, t.m, scale, 0);
    return t;
}

static struct tangent unary_rule(struct pass *b, const struct wn_step *s)
{
    const struct wn_act *u = &s->u.unary;
    struct tangent t = b->of[s->in[0]];
    if (u->kind == WN_UNARY_LINEAR) return scaled(b, t, u->alpha);
    int z = wn_unary_from_output(u->kind) ? s->out[0] : s->in[0];
    return times(b, t, wn_unary_bwd(b->p, u->kind, wn_linear(b->p, z, 0, 1), z, u->alpha, u->beta));
}

/* Whether z, broadcast to y, is one number for each block. */
static bool constant_on_blocks(const struct wn_shape *z, const struct wn_shape *y, struct tangent t)
{
    if (wn_shape_count(z) == 1) return true;
    if (y->rank < 2 || y->dim[0] != 1 || y->dim[1] != t.blocks || plane(y) != t.cells) return false;
    for (int i = 1; i <= y->rank - 2 && i <= z->rank; i++)
        if (z->dim[z->rank - i] != 1) return false;
    return wn_shape_count(z) == t.blocks;
}

/* The tangent of a value of shape y times z, which broadcasts to y. */
static struct tangent times_broadcast(struct pass *b, struct tangent t, int z, const struct wn_shape *y)
{
    struct wn_shape s = shape_of(b, z);
    if (!constant_on_blocks(&s, y, t)) return times(b, t, wn_expand(b->p, z, y));
    t.m = wn_mul(b->p, t.m, as(b->p, z, wn_shape_count(&s), 1));
    return t;
}

/* The tangent of an operand, as part of a result of shape y. */
static struct tangent stretched(struct pass *b, int v, const struct wn_shape *y)
{
    struct wn_shape whole = *y;
    if (!moves(b, v) || count_of(b, v) == wn_shape_count(y)) return b->of[v];
    if (shape_of(b, v).rank != y->rank || y->dim[0] != 1) return refuse(b, "a step stretches what moves");
    whole.dim[0] = b->directions;
    return from_batch(b, wn_expand(b->p, as_batch(b, v), &whole));
}

static struct tangent sum(struct pass *b, struct tangent x, struct tangent y)
{
    if (x.m == WN_NONE || y.m == WN_NONE) return x.m == WN_NONE ? y : x;
    if (x.f != WN_NONE || y.f != WN_NONE || x.blocks != y.blocks) {
        x = spread(b, x);
        y = spread(b, y);
    }
    x.m = wn_add(b->p, x.m, y.m);
    return x;
}

static struct tangent binary_rule(struct pass *b, const struct wn_step *s)
{
    struct wn_program *p = b->p;
    struct wn_shape y = shape_of(b, s->out[0]);
    int left = s->in[0], right = s->in[1];
    struct tangent dx = stretched(b, left, &y), dy = stretched(b, right, &y);
    if (p->error.code) return still;
    switch (s->u.binary) {
    case WN_BINARY_ADD: break;
    case WN_BINARY_SUB:
        if (dy.m != WN_NONE) dy = scaled(b, dy, -1);
        break;
    case WN_BINARY_MUL:
        if (dx.m != WN_NONE) dx = times_broadcast(b, dx, right, &y);
        if (dy.m != WN_NONE) dy = times_broadcast(b, dy, left, &y);
        break;
    case WN_BINARY_DIV:
        if (dx.m != WN_NONE) dx = times_broadcast(b, dx, wn_unary(p, WN_UNARY_POW, right, -1, 0), &y);
        if (dy.m != WN_NONE) dy = scaled(b, times_broadcast(b, dy, wn_binary(p, WN_BINARY_DIV, s->out[0], right), &y), -1);
        break;
    default: return refuse(b, "a step between two values that has no rule here");
    }
    return sum(b, dx, dy);
}

/* ---- reductions and moves ---- */

static struct tangent mean_of_planes(struct pass *b, const struct wn_step *s, struct tangent t)
{
    if (t.f != WN_NONE) t.f = wn_reduce(b->p, s->u.reduce.kind, t.f, 2);
    else if (s->u.reduce.kind == WN_REDUCE_SUM) t = scaled(b, t, (float)t.cells);
    t.cells = 1;
    return tidy(b, t);
}

/* A maximum over an axis is only ever the shift that keeps a softmax finite, and a softmax does not depend on it. */
static struct tangent reduce_rule(struct pass *b, const struct wn_step *s)
{
    struct tangent t = b->of[s->in[0]];
    unsigned axes = s->u.reduce.axes, space = ((1u << shape_of(b, s->in[0]).rank) - 1) & ~3u;
    if (s->u.reduce.kind == WN_REDUCE_MAX) return still;
    if (axes == space && space && by_plane(b, s->in[0], t)) return mean_of_planes(b, s, t);
    if (axes & 1) return refuse(b, "a sum over the batch");
    return from_batch(b, wn_reduce(b->p, s->u.reduce.kind, as_batch(b, s->in[0]), axes));
}

/* One more axis in front of the walk: the directions. */
static struct tangent copy_rule(struct pass *b, const struct wn_step *s)
{
    struct wn_copy c = s->u.copy;
    struct wn_shape y = batch_shape(b, s->out[0]);
    if (c.rank == WN_MAX_RANK || y.rank < 1 || shape_of(b, s->out[0]).dim[0] != 1) return refuse(b, "a copy over too many axes");
    memmove(c.extent + 1, c.extent, (size_t)c.rank * sizeof *c.extent);
    memmove(c.x_stride + 1, c.x_stride, (size_t)c.rank * sizeof *c.x_stride);
    memmove(c.y_stride + 1, c.y_stride, (size_t)c.rank * sizeof *c.y_stride);
    c.rank++;
    c.extent[0] = b->directions;
    c.x_stride[0] = count_of(b, s->in[0]);
    c.y_stride[0] = count_of(b, s->out[0]);
    c.fill = 0;
    return from_batch(b, wn_copy(b->p, as_batch(b, s->in[0]), &y, &c));
}

static struct tangent concat_rule(struct pass *b, const struct wn_step *s)
{
    int axis = s->u.concat.axis, part[16];
    bool planes = axis == 1;
    struct wn_shape y = shape_of(b, s->out[0]);
    if (axis < 1 || s->n_in > 16) return refuse(b, "a concatenation of images");
    for (int i = 0; i < s->n_in; i++) {
        if (!moves(b, s->in[i])) return refuse(b, "a concatenation of what moves with what does not");
        planes = planes && b->of[s->in[i]].f == WN_NONE && by_plane(b, s->in[i], b->of[s->in[i]]);
    }
    for (int i = 0; i < s->n_in; i++) part[i] = planes ? b->of[s->in[i]].m : as_batch(b, s->in[i]);
    int v = b->p->error.code ? -1 : wn_concat(b->p, part, s->n_in, planes ? 0 : axis);
    return planes ? (struct tangent){v, WN_NONE, y.dim[1], plane(&y)} : from_batch(b, v);
}

static struct tangent axis_map_rule(struct pass *b, const struct wn_step *s)
{
    if (s->u.map.axis == 0) return refuse(b, "a map over the batch");
    return from_batch(b, wn_axis_map(b->p, as_batch(b, s->in[0]), s->u.map.axis, &s->u.map.taps));
}

static struct tangent apply_rule(struct pass *b, const struct wn_step *s)
{
    switch (s->prim) {
    case WN_PRIM_CONV:
    case WN_PRIM_CONV_BWD: return conv_rule(b, s);
    case WN_PRIM_MAXPOOL:
    case WN_PRIM_AVGPOOL: return pool_rule(b, s);
    case WN_PRIM_MATMUL: return matmul_rule(b, s);
    case WN_PRIM_UNARY: return unary_rule(b, s);
    case WN_PRIM_BINARY: return binary_rule(b, s);
    case WN_PRIM_REDUCE: return reduce_rule(b, s);
    case WN_PRIM_COPY: return copy_rule(b, s);
    case WN_PRIM_RESHAPE: return b->of[s->in[0]];
    case WN_PRIM_CONCAT: return concat_rule(b, s);
    case WN_PRIM_AXIS_MAP: return axis_map_rule(b, s);
    default: return refuse(b, wn_prim_name(s->prim));
    }
}

/* ---- the pass ---- */

static struct tangent run_pass(struct pass *b, int layer, int logits, int n_steps)
{
    for (int i = 0; i < n_steps && !b->p->error.code; i++) {
        struct wn_step s = b->p->steps[i]; /* a copy: appending moves the array */
        bool hit = false;
        for (int k = 0; k < s.n_in; k++) hit = hit || moves(b, s.in[k]);
        if (hit && s.out[0] != layer) b->of[s.out[0]] = apply_rule(b, &s);
    }
    if (b->p->error.code) return still;
    if (!moves(b, logits)) {
        wn_program_fail(b->p, WN_NO_SUCH_LAYER, "the logits do not depend on that layer");
        return still;
    }
    return spread(b, b->of[logits]);
}

int wn_forward_stack(struct wn_program *p, int layer, int logits, int64_t most_directions)
{
    if (p->error.code || layer < 0 || logits < 0) return -1;
    struct wn_shape a = p->values[layer].shape, y = p->values[logits].shape;
    if (a.rank != 4 || a.dim[0] != 1 || y.rank != 2)
        return wn_program_fail(p, WN_UNSUPPORTED, "a stack of maps needs one image and a layer with a plane for each channel");
    int n = p->n_values, result = -1;
    struct pass b = {.p = p, .layer = layer, .directions = plane(&a), .most_directions = most_directions, .of = malloc((size_t)n * sizeof *b.of)};
    if (!b.of) return wn_program_fail(p, WN_NO_MEMORY, "no memory for a pass in forward mode");
    for (int i = 0; i < n; i++) b.of[i] = still;
    int m = wn_linear(p, as(p, layer, a.dim[1], b.directions), 1.0f / (float)b.directions, 0);
    b.of[layer] = (struct tangent){m, WN_NONE, a.dim[1], b.directions};
    struct tangent t = run_pass(&b, layer, logits, p->values[logits].kind == WN_VALUE_STEP ? p->values[logits].step + 1 : 0);
    struct wn_shape stack = wn_shape_of(4, (int64_t[]){1, y.dim[1], a.dim[2], a.dim[3]});
    if (!p->error.code) result = wn_reshape(p, t.m, &stack);
    free(b.of);
    return result;
}
