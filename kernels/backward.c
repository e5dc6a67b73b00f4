/* Reverse mode over the primitives: one rule a primitive turns any forward program into its gradient, so that ONNX
 * operators and methods say nothing about derivatives. Knows no backend. */
#include "program.h"

#include <stdlib.h>
#include <string.h>

/* One backward pass under construction. */
struct pass {
    struct wn_program *p;
    struct wn_rows rows;
    wn_bend *bend; /* NULL: the plain gradient */
    void *rule;    /* bend's own */
    bool *depends; /* [values at the start]: is computed from `to` */
    int *grad;     /* [values at the start]: gradient's value, or WN_NONE */
};

static const struct wn_value *value(const struct wn_program *p, int v)
{
    return &p->values[v];
}

/* The shape of a forward value as the rows see it: R in place of N. */
static struct wn_shape rows_shape(const struct wn_program *p, int v, struct wn_rows rows)
{
    struct wn_shape s = value(p, v)->shape;
    if (rows.row != WN_NONE && value(p, v)->batched) s.dim[0] = rows.count;
    return s;
}

/* A gather made earlier in this stage is used again; one of another stage may not have been run. */
static int find_gather(const struct wn_program *p, int v, int row)
{
    for (int i = wn_program_open_stage(p); i < p->n_steps; i++) {
        const struct wn_step *s = &p->steps[i];
        if (s->prim == WN_PRIM_GATHER && s->in[0] == v && s->in[1] == row) return s->out[0];
    }
    return -1;
}

int wn_rows_of(struct wn_program *p, int v, struct wn_rows rows)
{
    if (p->error.code || v < 0 || rows.row == WN_NONE || !value(p, v)->batched) return v;
    int made = find_gather(p, v, rows.row);
    return made >= 0 ? made : wn_gather(p, v, rows.row);
}

static int forward(struct pass *b, int v)
{
    return wn_rows_of(b->p, v, b->rows);
}

/* Adds `g` to the gradient of `v`, if anything wants it. */
static void give(struct pass *b, int v, int g)
{
    if (v == WN_NONE || !b->depends[v]) return;
    b->grad[v] = b->grad[v] == WN_NONE ? g : wn_add(b->p, b->grad[v], g);
}

static bool wanted(const struct pass *b, int v)
{
    return v != WN_NONE && b->depends[v];
}

bool wn_bent_wants(const struct wn_bent *at, int v)
{
    return wanted(at->pass, v);
}

void wn_bent_give(const struct wn_bent *at, int v, int signal)
{
    give(at->pass, v, signal);
}

struct wn_shape wn_bent_shape(const struct wn_bent *at, int v)
{
    return rows_shape(at->p, v, at->rows);
}

/* ---- one rule a primitive: dy is the gradient of out[0] ---- */

/* Where the kernel is a single cell, what the convolution makes of padding comes from no cell of x: dy without it,
 * and the window that is left. */
static int without_padding(struct wn_program *p, int dy, struct wn_window *win)
{
    for (int d = 0; d < win->rank; d++)
        if (win->kernel[d] != 1 || win->stride[d] != 1) return dy;
    const int cells = wn_crop(p, dy, win->pad_lo, win->pad_hi, win->rank);
    for (int d = 0; d < win->rank; d++) win->pad_lo[d] = win->pad_hi[d] = 0;
    return cells;
}

static void conv_rule(struct pass *b, const struct wn_step *s, int dy)
{
    struct wn_shape x = rows_shape(b->p, s->in[0], b->rows);
    struct wn_window win = s->u.conv.win;
    if (wanted(b, s->in[1]))
        wn_program_fail(b->p, WN_UNSUPPORTED, "a filter that depends on the picture has no gradient here");
    if (s->prim == WN_PRIM_CONV) {
        dy = without_padding(b->p, dy, &win);
        give(b, s->in[0], wn_conv_bwd(b->p, dy, s->in[1], WN_NONE, &win, s->u.conv.groups, &x));
    } else {
        give(b, s->in[0], wn_conv(b->p, dy, s->in[1], WN_NONE, &s->u.conv.win, s->u.conv.groups));
    }
}

static void pool_rule(struct pass *b, const struct wn_step *s, int dy)
{
    struct wn_shape x = rows_shape(b->p, s->in[0], b->rows);
    if (s->prim == WN_PRIM_MAXPOOL)
        give(b, s->in[0], wn_maxpool_bwd(b->p, dy, forward(b, s->out[1]), &s->u.pool.win, &x));
    else
        give(b, s->in[0], wn_avgpool_bwd(b->p, dy, &s->u.pool.win, s->u.pool.count_pad, &x));
}

/* y = op(a) op(b): da = dy op(b)^T and db = op(a)^T dy, each transposed once more where its operand was. */
static void matmul_rule(struct pass *b, const struct wn_step *s, int dy)
{
    bool ta = s->u.matmul.trans_a, tb = s->u.matmul.trans_b;
    if (wanted(b, s->in[0])) {
        int other = forward(b, s->in[1]);
        int g = ta ? wn_matmul(b->p, other, tb, dy, true, WN_NONE) : wn_matmul(b->p, dy, false, other, !tb, WN_NONE);
        struct wn_shape to = rows_shape(b->p, s->in[0], b->rows);
        give(b, s->in[0], wn_reduce_to(b->p, g, &to));
    }
    if (wanted(b, s->in[1])) {
        int other = forward(b, s->in[0]);
        int g = tb ? wn_matmul(b->p, dy, true, other, ta, WN_NONE) : wn_matmul(b->p, other, !ta, dy, false, WN_NONE);
        struct wn_shape to = rows_shape(b->p, s->in[1], b->rows);
        give(b, s->in[1], wn_reduce_to(b->p, g, &to));
    }
}

bool wn_unary_from_output(enum wn_unary kind)
{
    enum { FROM_X, FROM_Y };
    static const unsigned char table[] = {
#define X(id, name, from, fwd, bwd) from,
#include <whynot/unary.def>
#undef X
    };
    return table[kind] == FROM_Y;
}

static const struct wn_step *maker(const struct wn_program *p, int v)
{
    return value(p, v)->kind == WN_VALUE_STEP && value(p, v)->step >= 0 ? &p->steps[value(p, v)->step] : NULL;
}

/* The forward step that made what these rows see as the value; or NULL. */
static const struct wn_step *maker_before_rows(const struct wn_program *p, int v, struct wn_rows rows)
{
    const struct wn_step *s = maker(p, v);
    return s && s->prim == WN_PRIM_GATHER && s->in[1] == rows.row ? maker(p, s->in[0]) : s;
}

/* What comes back through the max-pool that reads the ReLU s, where all of dy does: only winners pass anything on, a
 * winner is on where the pool's result is above 0, and of those there are fewer to ask. Else false. */
static bool relu_behind_maxpool(struct pass *b, const struct wn_step *s, int dy)
{
    struct wn_program *p = b->p;
    const struct wn_step *back = maker(p, dy);
    if (s->u.unary.kind != WN_UNARY_RELU || !back || back->prim != WN_PRIM_MAXPOOL_BWD) return false;
    const struct wn_step *pool = maker_before_rows(p, back->in[1], b->rows);
    if (!pool || pool->prim != WN_PRIM_MAXPOOL || pool->in[0] != s->out[0]) return false;
    const int above = back->in[0], index = back->in[1], y = pool->out[0];
    const struct wn_window win = back->u.pool.win;
    const struct wn_shape x = value(p, dy)->shape;
    give(b, s->in[0], wn_maxpool_bwd(p, wn_unary_bwd(p, WN_UNARY_RELU, above, forward(b, y), 0, 0), index, &win, &x));
    return true;
}

static void unary_rule(struct pass *b, const struct wn_step *s, int dy)
{
    if (relu_behind_maxpool(b, s, dy)) return;
    const struct wn_act *u = &s->u.unary;
    if (u->kind == WN_UNARY_LINEAR) {
        give(b, s->in[0], wn_linear(b->p, dy, u->alpha, 0));
        return;
    }
    int z = forward(b, wn_unary_from_output(u->kind) ? s->out[0] : s->in[0]);
    give(b, s->in[0], wn_unary_bwd(b->p, u->kind, dy, z, u->alpha, u->beta));
}

/* Gradient of one operand before it is summed back to the operand's shape; which: 0 or 1. */
static int binary_gradient(struct pass *b, const struct wn_step *s, int dy, int which)
{
    struct wn_program *p = b->p;
    int x = forward(b, s->in[0]), y = forward(b, s->in[1]);
    switch (s->u.binary) {
    case WN_BINARY_ADD: return dy;
    case WN_BINARY_SUB: return which ? wn_linear(p, dy, -1, 0) : dy;
    case WN_BINARY_MUL: return wn_mul(p, dy, which ? x : y);
    case WN_BINARY_DIV:
        if (!which) return wn_binary(p, WN_BINARY_DIV, dy, y);
        return wn_linear(p, wn_binary(p, WN_BINARY_DIV, wn_mul(p, dy, forward(b, s->out[0])), y), -1, 0);
    case WN_BINARY_POW:
        if (which) return wn_mul(p, dy, wn_mul(p, forward(b, s->out[0]), wn_unary(p, WN_UNARY_LOG, x, 0, 0)));
        return wn_mul(p, dy, wn_mul(p, y, wn_binary(p, WN_BINARY_POW, x, wn_linear(p, y, 1, -1))));
    case WN_BINARY_MAX:
    case WN_BINARY_MIN: {
        /* The gradient goes to the first operand where it wins strictly, to the second elsewhere. */
        bool max = s->u.binary == WN_BINARY_MAX;
        int lead = wn_binary(p, WN_BINARY_SUB, max ? x : y, max ? y : x);
        int first = wn_unary_bwd(p, WN_UNARY_RELU, dy, lead, 0, 0);
        return which ? wn_binary(p, WN_BINARY_SUB, dy, first) : first;
    }
    }
    return -1;
}

static void binary_rule(struct pass *b, const struct wn_step *s, int dy)
{
    for (int i = 0; i < 2; i++) {
        if (!wanted(b, s->in[i])) continue;
        struct wn_shape to = rows_shape(b->p, s->in[i], b->rows);
        give(b, s->in[i], wn_reduce_to(b->p, binary_gradient(b, s, dy, i), &to));
    }
}

/* A maximum over an axis is only ever the shift that keeps a softmax finite, and a softmax does not depend on it. */
static void reduce_rule(struct pass *b, const struct wn_step *s, int dy)
{
    if (s->u.reduce.kind == WN_REDUCE_MAX) return;
    struct wn_shape x = rows_shape(b->p, s->in[0], b->rows);
    float scale = 1;
    if (s->u.reduce.kind == WN_REDUCE_MEAN)
        for (int i = 0; i < x.rank; i++)
            if (s->u.reduce.axes >> i & 1) scale /= (float)x.dim[i];
    give(b, s->in[0], wn_expand(b->p, wn_linear(b->p, dy, scale, 0), &x));
}

/* With R rows in place of N images the outermost axis of a copy has another extent and the same strides. */
static bool copy_for_rows(struct pass *b, const struct wn_step *s, struct wn_copy *c)
{
    *c = s->u.copy;
    if (b->rows.row == WN_NONE) return true;
    const struct wn_shape *x = &value(b->p, s->in[0])->shape, *y = &value(b->p, s->out[0])->shape;
    int64_t n = x->dim[0];
    if (c->rank < 1 || n < 1 || y->dim[0] != n || c->extent[0] != n || c->x_stride[0] != wn_shape_count(x) / n ||
        c->y_stride[0] != wn_shape_count(y) / n)
        return wn_program_fail(b->p, WN_UNSUPPORTED, "a step moves data across the images of a batch") >= 0;
    c->extent[0] = b->rows.count;
    return true;
}

/* The copy backwards: what was read many times (stride 0) is summed first, the rest is written back to where it was
 * read. */
static void copy_rule(struct pass *b, const struct wn_step *s, int dy)
{
    struct wn_copy c;
    if (!copy_for_rows(b, s, &c)) return;
    struct wn_shape x = rows_shape(b->p, s->in[0], b->rows), compact = wn_shape_of(c.rank, c.extent);
    struct wn_copy take = {.rank = c.rank, .x_offset = c.y_offset}, put = {.rank = c.rank, .y_offset = c.x_offset};
    unsigned repeated = 0;
    int64_t stride = 1;
    for (int i = c.rank - 1; i >= 0; i--) {
        take.extent[i] = put.extent[i] = c.extent[i];
        take.x_stride[i] = c.y_stride[i];
        take.y_stride[i] = stride;
        stride *= c.extent[i];
        put.x_stride[i] = c.y_stride[i];
        put.y_stride[i] = c.x_stride[i];
        /* analyzer: an axis has a number below WN_MAX_RANK */
        if (c.x_stride[i] == 0 && c.extent[i] > 1) repeated |= 1u << i;
    }
    put.x_offset = c.y_offset;
    if (repeated) {
        dy = wn_reduce(b->p, WN_REDUCE_SUM, wn_copy(b->p, dy, &compact, &take), repeated);
        put.x_offset = 0;
        stride = 1;
        for (int i = c.rank - 1; i >= 0; i--) {
            if (repeated >> i & 1) put.extent[i] = 1;
            put.x_stride[i] = stride;
            stride *= put.extent[i];
        }
    }
    give(b, s->in[0], wn_copy(b->p, dy, &x, &put));
}

static void reshape_rule(struct pass *b, const struct wn_step *s, int dy)
{
    struct wn_shape x = rows_shape(b->p, s->in[0], b->rows);
    give(b, s->in[0], wn_reshape(b->p, dy, &x));
}

static void concat_rule(struct pass *b, const struct wn_step *s, int dy)
{
    int axis = s->u.concat.axis;
    int64_t at = 0;
    for (int i = 0; i < s->n_in; i++) {
        int64_t n = value(b->p, s->in[i])->shape.dim[axis];
        if (wanted(b, s->in[i])) give(b, s->in[i], wn_slice(b->p, dy, axis, at, n, 1));
        at += n;
    }
}

/* The transposed tap table: for each input cell, the outputs that it feeds. */
static bool transpose_taps(const struct wn_taps *t, struct wn_taps *out, int32_t **index, float **weight)
{
    int *uses = calloc((size_t)t->in + 1, sizeof *uses);
    int most = 1;
    if (!uses) return false;
    for (int64_t i = 0; i < t->out * t->taps; i++)
        if (t->index[i] >= 0 && ++uses[t->index[i]] > most) most = uses[t->index[i]];
    *index = malloc((size_t)(t->in * most + 1) * sizeof **index);
    *weight = calloc((size_t)(t->in * most + 1), sizeof **weight);
    if (*index && *weight) {
        for (int64_t i = 0; i < t->in * most; i++) (*index)[i] = -1;
        memset(uses, 0, (size_t)t->in * sizeof *uses);
        for (int64_t i = 0; i < t->out * t->taps; i++) {
            if (t->index[i] < 0) continue;
            int64_t at = t->index[i] * (int64_t)most + uses[t->index[i]]++;
            (*index)[at] = (int32_t)(i / t->taps);
            (*weight)[at] = t->weight[i];
        }
        *out = (struct wn_taps){.in = t->out, .out = t->in, .taps = most, .index = *index, .weight = *weight};
    }
    free(uses);
    return *index && *weight;
}

static void axis_map_rule(struct pass *b, const struct wn_step *s, int dy)
{
    struct wn_taps back;
    int32_t *index = NULL;
    float *weight = NULL;
    if (transpose_taps(&s->u.map.taps, &back, &index, &weight))
        give(b, s->in[0], wn_axis_map(b->p, dy, s->u.map.axis, &back));
    else
        wn_program_fail(b->p, WN_NO_MEMORY, "no memory for a transposed tap table");
    free(index);
    free(weight);
}

static void apply_rule(struct pass *b, const struct wn_step *s, int dy)
{
    switch (s->prim) {
    case WN_PRIM_CONV:
    case WN_PRIM_CONV_BWD: conv_rule(b, s, dy); break;
    case WN_PRIM_MAXPOOL:
    case WN_PRIM_AVGPOOL: pool_rule(b, s, dy); break;
    case WN_PRIM_MATMUL: matmul_rule(b, s, dy); break;
    case WN_PRIM_UNARY: unary_rule(b, s, dy); break;
    case WN_PRIM_BINARY: binary_rule(b, s, dy); break;
    case WN_PRIM_REDUCE: reduce_rule(b, s, dy); break;
    case WN_PRIM_COPY: copy_rule(b, s, dy); break;
    case WN_PRIM_RESHAPE: reshape_rule(b, s, dy); break;
    case WN_PRIM_CONCAT: concat_rule(b, s, dy); break;
    case WN_PRIM_AXIS_MAP: axis_map_rule(b, s, dy); break;
    default: wn_program_fail(b->p, WN_UNSUPPORTED, "the primitive '%s' has no derivative", wn_prim_name(s->prim));
    }
}

/* ---- the pass ---- */

static void mark_dependents(struct pass *b, int to, int n_steps)
{
    b->depends[to] = true;
    for (int i = 0; i < n_steps; i++) {
        const struct wn_step *s = &b->p->steps[i];
        bool hit = false;
        for (int k = 0; k < s->n_in; k++) hit = hit || (s->in[k] != WN_NONE && b->depends[s->in[k]]);
        for (int k = 0; k < s->n_out; k++)
            if (hit && s->out[k] != WN_NONE) b->depends[s->out[k]] = true;
    }
}

/* Whether a step joins what belongs to different images: one image's share of its result needs the others. */
static bool joins_images(const struct wn_program *p, const struct wn_step *s)
{
    switch (s->prim) {
    case WN_PRIM_AXIS_MAP: return s->u.map.axis == 0;
    case WN_PRIM_CONCAT: return s->u.concat.axis == 0 && s->n_in > 1;
    case WN_PRIM_MATMUL:
        return value(p, s->out[0])->shape.rank == 2 && (s->u.matmul.trans_a || value(p, s->in[1])->batched);
    default: return false;
    }
}

/* Rows in place of images only make sense where every step keeps the batch on its first axis. */
static bool keeps_batch(struct pass *b, const struct wn_step *s, int64_t n)
{
    if (b->rows.row == WN_NONE) return true;
    const struct wn_shape *y = &value(b->p, s->out[0])->shape;
    if (y->rank > 0 && y->dim[0] == n && !joins_images(b->p, s)) return true;
    wn_program_fail(b->p, WN_UNSUPPORTED, "a '%s' step does not keep the batch on its first axis",
                    wn_prim_name(s->prim));
    return false;
}

static int run_pass(struct pass *b, int from, int seed, int to)
{
    struct wn_program *p = b->p;
    int last = value(p, from)->step, first = value(p, to)->step;
    int64_t n = value(p, from)->shape.rank ? value(p, from)->shape.dim[0] : 1;
    mark_dependents(b, to, last + 1);
    if (!b->depends[from]) return wn_program_fail(p, WN_NO_SUCH_LAYER, "the logits do not depend on that layer");
    b->grad[from] = seed;
    for (int i = last; i > first && !p->error.code; i--) {
        struct wn_step s = p->steps[i]; /* a copy: appending moves the array */
        int dy = b->grad[s.out[0]];
        p->about = p->origins[i];
        if (dy == WN_NONE || !b->depends[s.out[0]] || !keeps_batch(b, &s, n)) continue;
        if (b->bend) dy = b->bend(&(struct wn_bent){p, &s, dy, b->rows, b->rule, b});
        if (dy >= 0) apply_rule(b, &s, dy);
    }
    p->about = (struct wn_origin){NULL, NULL};
    if (p->error.code) return -1;
    if (b->grad[to] == WN_NONE) return wn_program_fail(p, WN_UNSUPPORTED, "no gradient reaches that layer");
    return b->grad[to];
}

int wn_backward(struct wn_program *p, int from, int seed, int to, struct wn_rows rows)
{
    return wn_backward_bent(p, from, seed, to, rows, NULL, NULL);
}

int wn_backward_bent(struct wn_program *p, int from, int seed, int to, struct wn_rows rows, wn_bend *bend, void *rule)
{
    if (p->error.code || from < 0 || seed < 0 || to < 0) return -1;
    if (from == to) return seed;
    struct pass b = {.p = p, .rows = rows, .bend = bend, .rule = rule};
    int n = p->n_values, result = -1;
    b.depends = calloc((size_t)n, sizeof *b.depends);
    b.grad = malloc((size_t)n * sizeof *b.grad);
    if (!b.depends || !b.grad) {
        wn_program_fail(p, WN_NO_MEMORY, "no memory for a backward pass");
        goto out;
    }
    for (int i = 0; i < n; i++) b.grad[i] = WN_NONE;
    result = run_pass(&b, from, seed, to);
out:
    free(b.depends);
    free(b.grad);
    return result;
}
