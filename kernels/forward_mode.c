/* Forward mode over the primitives: how every logit moves when a layer moves in many directions at once, so that the
 * maps of all classes cost about one pass. The mirror of backward.c; knows no backend and no network by name. */
#include "forward_mode.h"

#include <stdlib.h>
#include <string.h>

/* Floats of one spread tangent, of all images together: beyond that fewer images at a time, and in the end a pass
 * for each class, are kinder to the memory. Nothing is lost by it: the directions of one image that are spread over
 * cells are a batch by themselves. Heads of matrices, such as VGG's and SqueezeNet's, spread nothing and are never
 * refused for their number of images. */
#define MOST_SPREAD (INT64_C(1) << 25)

static int64_t count_of(const struct wn_forward_pass *b, int v)
{
    return wn_shape_count(&b->p->values[v].shape);
}

struct wn_tangent wn_tangent_refuse(struct wn_forward_pass *b, const char *why)
{
    wn_program_fail(b->p, WN_UNSUPPORTED, "forward mode: %s", why);
    return wn_still;
}

/* ---- from blocks to single elements, and to T values of their own ---- */

/* The same tangent with cells == 1. */
static struct wn_tangent spread(struct wn_forward_pass *b, struct wn_tangent t)
{
    if ((t.cells == 1 && !t.diagonal) || b->p->error.code) return t;
    if (t.diagonal) return wn_tangent_refuse(b, "directions of single cells that meet");
    if (b->directions > b->most_directions || t.blocks * t.cells * b->directions * b->images > MOST_SPREAD)
        return wn_tangent_refuse(b, "a pass for each class is cheaper here");
    return alike(wn_forward_product(b, t), WN_NONE, t.blocks * t.cells, 1);
}

int wn_tangent_batch(struct wn_forward_pass *b, int v)
{
    struct wn_shape s = shape_of(b, v);
    struct wn_tangent t = spread(b, b->of[v]);
    if (b->p->error.code) return -1;
    if (s.rank < 1 || s.dim[0] != b->images) {
        wn_tangent_refuse(b, "a step does not keep the batch on its first axis");
        return -1;
    }
    s.dim[0] = b->images * b->directions;
    return wn_reshape(b->p, wn_transpose(b->p, t.m, (int[]){1, 0}), &s);
}

struct wn_tangent wn_tangent_unbatch(struct wn_forward_pass *b, int v)
{
    if (b->p->error.code || v < 0) return wn_still;
    int64_t columns = b->images * b->directions, n = count_of(b, v) / columns;
    return alike(wn_transpose(b->p, as(b->p, v, columns, n), (int[]){1, 0}), WN_NONE, n, 1);
}

struct wn_tangent wn_tangent_tidy(struct wn_forward_pass *b, struct wn_tangent t)
{
    if (t.cells > 1 || t.f == WN_NONE || b->p->error.code) return t;
    t.m = wn_forward_scale(b, t.m, t.blocks, t.f, shape_of(b, t.f).dim[0] / b->images);
    t.f = WN_NONE;
    return t;
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

static bool is_whole(const struct wn_window *win, const struct wn_shape *x)
{
    for (int i = 0; i < win->rank; i++)
        if (win->kernel[i] != x->dim[2 + i] || win->dilation[i] != 1) return false;
    return true;
}

static struct wn_tangent pool_rule(struct wn_forward_pass *b, const struct wn_step *s)
{
    struct wn_tangent t = b->of[s->in[0]];
    struct wn_shape x = shape_of(b, s->in[0]), y = shape_of(b, s->out[0]);
    const struct wn_window *win = &s->u.pool.win;
    bool max = s->prim == WN_PRIM_MAXPOOL, whole = max || !s->u.pool.count_pad || !has_padding(win);
    if (t.diagonal && !max && plane(&y) == 1 && !has_padding(win) && by_plane(b, s->in[0], t) && is_whole(win, &x))
        return alike(wn_linear(b->p, t.m, 1.0f / (float)t.cells, 0), WN_NONE, t.blocks, 1);
    if (t.diagonal) return wn_tangent_refuse(b, "a pool over cells that move one by one");
    if (t.f == WN_NONE && whole && by_plane(b, s->in[0], t) && always_sees(win, &x, &y)) {
        t.cells = plane(&y);
        return t;
    }
    if (max) return wn_tangent_refuse(b, "a max-pool over cells that move differently");
    if (t.f != WN_NONE && by_plane(b, s->in[0], t)) {
        struct wn_shape field = x;
        field.dim[1] = shape_of(b, t.f).dim[0] / b->images;
        int f = wn_avgpool(b->p, wn_reshape(b->p, t.f, &field), win, s->u.pool.count_pad);
        return wn_tangent_tidy(b, alike(t.m, as(b->p, f, b->images * field.dim[1], plane(&y)), t.blocks, plane(&y)));
    }
    return wn_tangent_unbatch(b, wn_avgpool(b->p, wn_tangent_batch(b, s->in[0]), win, s->u.pool.count_pad));
}

/* ---- products ---- */

static struct wn_tangent matmul_rule(struct wn_forward_pass *b, const struct wn_step *s)
{
    struct wn_program *p = b->p;
    bool trans_b = s->u.matmul.trans_b;
    struct wn_tangent t = b->of[s->in[0]];
    if (moves(b, s->in[1]) || !moves(b, s->in[0]) || s->u.matmul.trans_a)
        return wn_tangent_refuse(b, "a product of two values that move");
    if (b->images > 1 && p->values[s->in[1]].batched) return wn_tangent_refuse(b, "a product of two values of a batch");
    struct wn_shape x = shape_of(b, s->in[0]), y = shape_of(b, s->out[0]);
    if (x.rank != 2)
        return wn_tangent_unbatch(b, wn_matmul(p, wn_tangent_batch(b, s->in[0]), false, s->in[1], trans_b, WN_NONE));
    if (x.dim[0] != b->images) return wn_tangent_refuse(b, "a product over other rows than the images'");
    if (t.cells > 1 && !t.diagonal && t.f == WN_NONE && p->values[s->in[1]].kind == WN_VALUE_CONST) {
        int w = wn_summed_weight(p, s->in[1], !trans_b, t.blocks, t.cells);
        return alike(wn_matmul(p, w, false, t.m, false, WN_NONE), WN_NONE, y.dim[1], 1);
    }
    t = spread(b, t);
    return alike(wn_matmul(p, s->in[1], !trans_b, t.m, false, WN_NONE), WN_NONE, y.dim[1], 1);
}

/* ---- elementwise ---- */

/* The tangent times a value of its own shape. */
static struct wn_tangent times(struct wn_forward_pass *b, struct wn_tangent t, int z)
{
    if (b->p->error.code) return wn_still;
    if (t.diagonal && shape_of(b, z).rank > 2) z = wn_crop(b->p, z, t.lo, t.hi, shape_of(b, z).rank - 2);
    if (t.diagonal) {
        t.m = wn_mul(b->p, t.m, wn_forward_columns(b, z, t.blocks, b->directions));
    } else if (t.cells == 1) {
        t.m = wn_forward_scale(b, t.m, t.blocks, z, t.blocks);
    } else {
        int field = as(b->p, z, b->images * t.blocks, t.cells);
        t.f = t.f == WN_NONE ? field : wn_forward_fields(b, t.f, field, t.blocks, t.cells);
    }
    return t;
}

static struct wn_tangent scaled(struct wn_forward_pass *b, struct wn_tangent t, float scale)
{
    if (scale != 1) t.m = wn_linear(b->p, t.m, scale, 0);
    return t;
}

static struct wn_tangent unary_rule(struct wn_forward_pass *b, const struct wn_step *s)
{
    const struct wn_act *u = &s->u.unary;
    struct wn_tangent t = b->of[s->in[0]];
    if (u->kind == WN_UNARY_LINEAR) return scaled(b, t, u->alpha);
    int z = wn_unary_from_output(u->kind) ? s->out[0] : s->in[0];
    return times(b, t, wn_unary_bwd(b->p, u->kind, wn_linear(b->p, z, 0, 1), z, u->alpha, u->beta));
}

/* Images that z, broadcast to y, tells apart. */
static int64_t images_of(const struct wn_forward_pass *b, const struct wn_shape *z, const struct wn_shape *y)
{
    return z->rank == y->rank && z->rank > 0 && z->dim[0] == b->images ? b->images : 1;
}

/* Whether z, broadcast to y, is one number for each block. */
static bool constant_on_blocks(const struct wn_forward_pass *b, const struct wn_shape *z, const struct wn_shape *y,
                               struct wn_tangent t)
{
    if (wn_shape_count(z) == images_of(b, z, y)) return true;
    if (y->rank < 2 || y->dim[0] != b->images || y->dim[1] != t.blocks || plane(y) != t.cells) return false;
    for (int i = 1; i <= y->rank - 2 && i <= z->rank; i++)
        if (z->dim[z->rank - i] != 1) return false;
    return wn_shape_count(z) == images_of(b, z, y) * t.blocks;
}

/* The tangent of a value of shape y times z, which broadcasts to y. */
static struct wn_tangent times_broadcast(struct wn_forward_pass *b, struct wn_tangent t, int z,
                                         const struct wn_shape *y)
{
    if (b->p->error.code) return wn_still;
    struct wn_shape s = shape_of(b, z);
    if (!constant_on_blocks(b, &s, y, t)) return times(b, t, wn_expand(b->p, z, y));
    int64_t images = images_of(b, &s, y), rows = wn_shape_count(&s) / images;
    t.m = images > 1 ? wn_forward_scale(b, t.m, t.blocks, z, rows) : wn_mul(b->p, t.m, as(b->p, z, rows, 1));
    return t;
}

/* The tangent of an operand, as part of a result of shape y. */
static struct wn_tangent stretched(struct wn_forward_pass *b, int v, const struct wn_shape *y)
{
    struct wn_shape whole = *y;
    if (!moves(b, v) || count_of(b, v) == wn_shape_count(y)) return b->of[v];
    if (shape_of(b, v).rank != y->rank || y->dim[0] != b->images)
        return wn_tangent_refuse(b, "a step stretches what moves");
    whole.dim[0] = b->images * b->directions;
    return wn_tangent_unbatch(b, wn_expand(b->p, wn_tangent_batch(b, v), &whole));
}

static struct wn_tangent sum(struct wn_forward_pass *b, struct wn_tangent x, struct wn_tangent y)
{
    if (x.m == WN_NONE || y.m == WN_NONE) return x.m == WN_NONE ? y : x;
    bool same =
        x.diagonal == y.diagonal && memcmp(x.lo, y.lo, sizeof x.lo) == 0 && memcmp(x.hi, y.hi, sizeof x.hi) == 0;
    if (!same || x.f != WN_NONE || y.f != WN_NONE || x.blocks != y.blocks) {
        x = spread(b, x);
        y = spread(b, y);
    }
    x.m = wn_add(b->p, x.m, y.m);
    return x;
}

static struct wn_tangent binary_rule(struct wn_forward_pass *b, const struct wn_step *s)
{
    struct wn_program *p = b->p;
    struct wn_shape y = shape_of(b, s->out[0]);
    int left = s->in[0], right = s->in[1];
    struct wn_tangent dx = stretched(b, left, &y), dy = stretched(b, right, &y);
    if (p->error.code) return wn_still;
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
        if (dy.m != WN_NONE)
            dy = scaled(b, times_broadcast(b, dy, wn_binary(p, WN_BINARY_DIV, s->out[0], right), &y), -1);
        break;
    default: return wn_tangent_refuse(b, "a step between two values that has no rule here");
    }
    return sum(b, dx, dy);
}

/* ---- reductions and moves ---- */

static struct wn_tangent mean_of_planes(struct wn_forward_pass *b, const struct wn_step *s, struct wn_tangent t)
{
    bool total = s->u.reduce.kind == WN_REDUCE_SUM;
    if (t.f != WN_NONE)
        t.f = wn_reduce(b->p, s->u.reduce.kind, t.f, 2);
    else if (t.diagonal != total)
        t = scaled(b, t, total ? (float)t.cells : 1.0f / (float)t.cells);
    return wn_tangent_tidy(b, alike(t.m, t.f, t.blocks, 1));
}

/* A maximum over an axis is only ever the shift that keeps a softmax finite, and a softmax does not depend on it. */
static struct wn_tangent reduce_rule(struct wn_forward_pass *b, const struct wn_step *s)
{
    struct wn_tangent t = b->of[s->in[0]];
    unsigned axes = s->u.reduce.axes, space = ((1u << shape_of(b, s->in[0]).rank) - 1) & ~3u;
    if (s->u.reduce.kind == WN_REDUCE_MAX) return wn_still;
    if (axes == space && space && by_plane(b, s->in[0], t)) return mean_of_planes(b, s, t);
    if (axes & 1) return wn_tangent_refuse(b, "a sum over the batch");
    return wn_tangent_unbatch(b, wn_reduce(b->p, s->u.reduce.kind, wn_tangent_batch(b, s->in[0]), axes));
}

static struct wn_tangent copy_rule(struct wn_forward_pass *b, const struct wn_step *s)
{
    struct wn_copy c = s->u.copy;
    struct wn_shape y = batch_shape(b, s->out[0]);
    if (y.rank < 1 || shape_of(b, s->out[0]).dim[0] != b->images ||
        !wn_forward_walk(b, &c, count_of(b, s->in[0]), count_of(b, s->out[0])))
        return wn_tangent_refuse(b, "a copy over too many axes");
    c.fill = 0;
    return wn_tangent_unbatch(b, wn_copy(b->p, wn_tangent_batch(b, s->in[0]), &y, &c));
}

static struct wn_tangent concat_rule(struct wn_forward_pass *b, const struct wn_step *s)
{
    int axis = s->u.concat.axis, part[16];
    bool planes = axis == 1;
    struct wn_shape y = shape_of(b, s->out[0]);
    if (axis < 1 || s->n_in > 16) return wn_tangent_refuse(b, "a concatenation of images");
    for (int i = 0; i < s->n_in; i++) {
        if (!moves(b, s->in[i])) return wn_tangent_refuse(b, "a concatenation of what moves with what does not");
        planes = planes && b->of[s->in[i]].f == WN_NONE && !b->of[s->in[i]].diagonal &&
                 by_plane(b, s->in[i], b->of[s->in[i]]);
    }
    for (int i = 0; i < s->n_in; i++) part[i] = planes ? b->of[s->in[i]].m : wn_tangent_batch(b, s->in[i]);
    int v = b->p->error.code ? -1 : wn_concat(b->p, part, s->n_in, planes ? 0 : axis);
    return planes ? alike(v, WN_NONE, y.dim[1], plane(&y)) : wn_tangent_unbatch(b, v);
}

/* Blocks and cells are of the elements in their order, whatever the axes; only padding has to be found again. */
static struct wn_tangent reshape_rule(struct wn_forward_pass *b, const struct wn_step *s)
{
    struct wn_tangent t = b->of[s->in[0]];
    for (int i = 0; i < WN_MAX_SPATIAL && t.diagonal; i++)
        if (t.lo[i] || t.hi[i]) return wn_tangent_refuse(b, "a reshape of padded planes");
    return t;
}

static struct wn_tangent axis_map_rule(struct wn_forward_pass *b, const struct wn_step *s)
{
    if (s->u.map.axis == 0) return wn_tangent_refuse(b, "a map over the batch");
    return wn_tangent_unbatch(b, wn_axis_map(b->p, wn_tangent_batch(b, s->in[0]), s->u.map.axis, &s->u.map.taps));
}

static struct wn_tangent apply_rule(struct wn_forward_pass *b, const struct wn_step *s)
{
    switch (s->prim) {
    case WN_PRIM_CONV:
    case WN_PRIM_CONV_BWD: return wn_forward_conv(b, s);
    case WN_PRIM_MAXPOOL:
    case WN_PRIM_AVGPOOL: return pool_rule(b, s);
    case WN_PRIM_MATMUL: return matmul_rule(b, s);
    case WN_PRIM_UNARY: return unary_rule(b, s);
    case WN_PRIM_BINARY: return binary_rule(b, s);
    case WN_PRIM_REDUCE: return reduce_rule(b, s);
    case WN_PRIM_COPY: return copy_rule(b, s);
    case WN_PRIM_RESHAPE: return reshape_rule(b, s);
    case WN_PRIM_CONCAT: return concat_rule(b, s);
    case WN_PRIM_AXIS_MAP: return axis_map_rule(b, s);
    default: return wn_tangent_refuse(b, wn_prim_name(s->prim));
    }
}

/* ---- the pass ---- */

static struct wn_tangent run_pass(struct wn_forward_pass *b, int layer, int logits, int n_steps)
{
    for (int i = 0; i < n_steps && !b->p->error.code; i++) {
        struct wn_step s = b->p->steps[i]; /* a copy: appending moves the array */
        bool hit = false;
        for (int k = 0; k < s.n_in; k++) hit = hit || moves(b, s.in[k]);
        if (hit && s.out[0] != layer) b->of[s.out[0]] = apply_rule(b, &s);
    }
    if (b->p->error.code) return wn_still;
    if (!moves(b, logits)) {
        wn_program_fail(b->p, WN_NO_SUCH_LAYER, "the logits do not depend on that layer");
        return wn_still;
    }
    return spread(b, b->of[logits]);
}

static int stack_of(struct wn_program *p, int layer, int logits, int64_t most_directions, bool diagonal)
{
    if (p->error.code || layer < 0 || logits < 0) return -1;
    struct wn_shape a = p->values[layer].shape, y = p->values[logits].shape;
    if (a.rank != 4 || y.rank != 2 || y.dim[0] != a.dim[0])
        return wn_program_fail(
            p, WN_UNSUPPORTED,
            "a stack of maps needs a layer with a plane for each channel and a row of logits for each image");
    int n = p->n_values, result = -1;
    struct wn_forward_pass b = {.p = p,
                                .layer = layer,
                                .images = a.dim[0],
                                .directions = plane(&a),
                                .most_directions = most_directions,
                                .step = diagonal ? 1 : 1.0f / (float)plane(&a),
                                .of = malloc((size_t)n * sizeof *b.of)};
    if (!b.of) return wn_program_fail(p, WN_NO_MEMORY, "no memory for a pass in forward mode");
    for (int i = 0; i < n; i++) b.of[i] = wn_still;
    b.of[layer] = scaled(
        &b, alike(wn_forward_columns(&b, layer, a.dim[1], b.directions), WN_NONE, a.dim[1], b.directions), b.step);
    b.of[layer].diagonal = diagonal && b.directions > 1;
    struct wn_tangent t =
        run_pass(&b, layer, logits, p->values[logits].kind == WN_VALUE_STEP ? p->values[logits].step + 1 : 0);
    struct wn_shape stack = wn_shape_of(4, (int64_t[]){a.dim[0], y.dim[1], a.dim[2], a.dim[3]});
    if (!p->error.code) result = wn_forward_result(&b, t.m, &stack);
    free(b.of);
    return result;
}

int wn_forward_stack(struct wn_program *p, int layer, int logits, int64_t most_directions)
{
    return stack_of(p, layer, logits, most_directions, false);
}

int wn_forward_stack_of_cells(struct wn_program *p, int layer, int logits, int64_t most_directions)
{
    return stack_of(p, layer, logits, most_directions, true);
}
