/* Makers of products, elementwise functions, reductions and weighted sums over channels. */
#include "dnn.h"

#include <string.h>

/* ---- products ---- */

static struct wn_dnn_tensor swapped(struct wn_dnn_tensor t, bool swap)
{
    int m = t.rank - 2, k = t.rank - 1;
    int64_t dim = t.dim[m], stride = t.stride[m];
    if (!swap) return t;
    t.dim[m] = t.dim[k], t.stride[m] = t.stride[k];
    t.dim[k] = dim, t.stride[k] = stride;
    return t;
}

/* The same elements with axes of length 1 in front. */
static struct wn_dnn_tensor widened(struct wn_dnn_tensor t, int rank)
{
    int more = rank - t.rank;
    int64_t count = wn_dnn_tensor_count(&t);
    memmove(t.dim + more, t.dim, (size_t)t.rank * sizeof *t.dim);
    memmove(t.stride + more, t.stride, (size_t)t.rank * sizeof *t.stride);
    for (int d = 0; d < more; d++) t.dim[d] = 1, t.stride[d] = count;
    t.rank = rank;
    return t;
}

/* One row times a matrix reads every weight once: a loop of ours, over the weight as the model has it. */
static void one_row(struct wn_dnn_exe *e, const struct wn_step *s)
{
    const struct wn_dnn_tensor *b = &e->values[s->in[1]].t;
    bool trans = s->u.matmul.trans_b, narrow = e->be->bf16 && wn_dnn_is_const(e, s->in[1]);
    struct wn_dnn_gemv v = {.k = b->dim[trans],
                            .n = b->dim[!trans],
                            .ldb = b->dim[1],
                            .columns = !trans,
                            .has_bias = s->in[2] != WN_NONE,
                            .act = s->u.matmul.act,
                            .b_type = narrow ? WN_DNN_BF16 : WN_DNN_F32};
    int row = wn_dnn_want(e, s->in[0], WN_DNN_F32), matrix = wn_dnn_want(e, s->in[1], v.b_type);
    int bias = v.has_bias ? wn_dnn_want(e, s->in[2], WN_DNN_F32) : WN_DNN_FAILED;
    int y = wn_dnn_give(e, s->out[0], WN_DNN_F32);
    wn_dnn_emit_loop(e, wn_dnn_loop_gemv, &v, sizeof v, 4, (int[]){y, row, matrix, bias});
}

void wn_dnn_matmul(struct wn_dnn_exe *e, const struct wn_step *s)
{
    struct wn_dnn_tensor a = e->values[s->in[0]].t, b = e->values[s->in[1]].t, bias, y = e->values[s->out[0]].t;
    bool has_bias = s->in[2] != WN_NONE, act = wn_dnn_has_act(&s->u.matmul.act);
    struct wn_act fused = act ? s->u.matmul.act : (struct wn_act){.kind = WN_UNARY_COUNT}, after = s->u.matmul.act;
    struct wn_dnn_prim prim;
    a.type = b.type = WN_DNN_F32;
    if (a.rank == 2 && b.rank == 2 && y.dim[0] == 1) {
        one_row(e, s);
        return;
    }
    int rank = a.rank > b.rank ? a.rank : b.rank;
    a = widened(swapped(a, s->u.matmul.trans_a), rank);
    b = widened(swapped(b, s->u.matmul.trans_b), rank);
    y = widened(y, rank);
    if (has_bias) bias = widened(wn_dnn_tensor_of(e, s->in[2], WN_DNN_F32), rank);
    wn_dnn_fail(e, wn_dnn_make_matmul(e->be->engine, &a, &b, has_bias ? &bias : NULL, &y, &fused, &prim), "a product");
    if (e->err.code) return;
    int ba = wn_dnn_want(e, s->in[0], WN_DNN_F32), bb = wn_dnn_want(e, s->in[1], WN_DNN_F32);
    int bc = has_bias ? wn_dnn_want(e, s->in[2], WN_DNN_F32) : WN_DNN_FAILED,
        by = wn_dnn_give(e, s->out[0], WN_DNN_F32);
    struct wn_dnn_operand operands[] = {{DNNL_ARG_SRC, ba, &a, NULL},
                                        {DNNL_ARG_WEIGHTS, bb, &b, NULL},
                                        {DNNL_ARG_DST, by, &y, NULL},
                                        {DNNL_ARG_BIAS, bc, &bias, NULL}};
    wn_dnn_emit_prim(e, &prim, has_bias ? 4 : 3, operands);
    if (!act) wn_dnn_emit_act(e, &after, s->out[0]);
}

/* ---- elementwise ---- */

/* In the place of `from` where that is free. */
static int result_over(struct wn_dnn_exe *e, int y, int from, enum wn_dnn_type type)
{
    int buffer = wn_dnn_give_over(e, y, from, type);
    return buffer >= 0 ? buffer : wn_dnn_give(e, y, type);
}

void wn_dnn_unary(struct wn_dnn_exe *e, const struct wn_step *s)
{
    int x = s->in[0], y = s->out[0];
    enum wn_dnn_type type = wn_dnn_type_of(e, x);
    struct wn_dnn_tensor t = wn_dnn_tensor_of(e, x, type);
    struct wn_dnn_unary u = {.act = s->u.unary, .count = wn_dnn_tensor_count(&t)};
    struct wn_dnn_prim prim;
    bool ours = wn_dnn_make_unary(e->be->engine, u.count, type, &u.act, &prim) != dnnl_success;
    if (ours) type = WN_DNN_F32;
    int bx = wn_dnn_want(e, x, type), by = result_over(e, y, x, type);
    if (ours) {
        wn_dnn_emit_loop(e, wn_dnn_loop_unary, &u, sizeof u, 2, (int[]){by, bx});
        return;
    }
    struct wn_dnn_tensor flat = {.type = type, .rank = 1, .dim = {u.count}, .stride = {1}};
    struct wn_dnn_operand operands[] = {{DNNL_ARG_SRC, bx, &flat, NULL}, {DNNL_ARG_DST, by, &flat, NULL}};
    wn_dnn_emit_prim(e, &prim, 2, operands);
}

void wn_dnn_unary_bwd(struct wn_dnn_exe *e, const struct wn_step *s)
{
    int dy = s->in[0], z = s->in[1], dx = s->out[0];
    const bool narrow = wn_dnn_type_of(e, dy) == WN_DNN_BF16 && wn_dnn_type_of(e, z) == WN_DNN_BF16;
    const struct wn_dnn_unary u = {s->u.unary, wn_dnn_tensor_count(&e->values[dx].t), narrow};
    enum wn_dnn_type type = narrow ? WN_DNN_BF16 : WN_DNN_F32;
    int by = wn_dnn_want(e, dy, type), bz = wn_dnn_want(e, z, type), bx = result_over(e, dx, dy, type);
    wn_dnn_emit_loop(e, narrow && u.act.kind == WN_UNARY_RELU ? wn_dnn_loop_relu_bwd_bf16 : wn_dnn_loop_unary_bwd, &u,
                     sizeof u, 3, (int[]){bx, by, bz});
}

void wn_dnn_secant(struct wn_dnn_exe *e, const struct wn_step *s)
{
    const int dy = s->in[0], x = s->in[1], x0 = s->in[2], dx = s->out[0];
    const bool narrow = wn_dnn_type_of(e, dy) == WN_DNN_BF16 && wn_dnn_type_of(e, x) == WN_DNN_BF16 &&
                        wn_dnn_type_of(e, x0) == WN_DNN_BF16;
    const struct wn_dnn_unary u = {s->u.unary, wn_dnn_tensor_count(&e->values[dx].t), narrow};
    const enum wn_dnn_type type = narrow ? WN_DNN_BF16 : WN_DNN_F32;
    const int by = wn_dnn_want(e, dy, type), bx = wn_dnn_want(e, x, type), b0 = wn_dnn_want(e, x0, type);
    wn_dnn_emit_loop(e, wn_dnn_loop_secant, &u, sizeof u, 4, (int[]){result_over(e, dx, dy, type), by, bx, b0});
}

/* ---- binary ---- */

/* x as an operand of a result of this rank: strides of y's axes, 0 where x is stretched. */
static void stretch(const struct wn_dnn_tensor *x, const struct wn_dnn_tensor *y, int64_t *stride)
{
    int more = y->rank - x->rank;
    for (int d = 0; d < y->rank; d++) stride[d] = d < more || x->dim[d - more] == 1 ? 0 : x->stride[d - more];
}

static void binary_loop(struct wn_dnn_exe *e, const struct wn_step *s)
{
    const struct wn_dnn_tensor *y = &e->values[s->out[0]].t;
    struct wn_dnn_binary b = {.nest.rank = y->rank, .kind = s->u.binary};
    memcpy(b.nest.extent, y->dim, sizeof y->dim);
    memcpy(b.nest.stride[0], y->stride, sizeof y->stride);
    stretch(&e->values[s->in[0]].t, y, b.nest.stride[1]);
    stretch(&e->values[s->in[1]].t, y, b.nest.stride[2]);
    wn_dnn_nest_tidy(&b.nest);
    int ba = wn_dnn_want(e, s->in[0], WN_DNN_F32), bb = wn_dnn_want(e, s->in[1], WN_DNN_F32);
    int by = wn_dnn_give(e, s->out[0], WN_DNN_F32);
    wn_dnn_emit_loop(e, wn_dnn_loop_binary, &b, sizeof b, 3, (int[]){by, ba, bb});
}

/* b with y's rank; a lone axis lies as y's would, which is what oneDNN looks for. */
static struct wn_dnn_tensor second_operand(struct wn_dnn_tensor b, const struct wn_dnn_tensor *y)
{
    int64_t longest = 1;
    b = widened(b, y->rank);
    for (int d = 0; d < b.rank; d++) longest = b.dim[d] > longest ? b.dim[d] : longest;
    if (longest != wn_dnn_tensor_count(&b)) return b;
    struct wn_shape shape = wn_shape_of(b.rank, b.dim);
    struct wn_dnn_tensor t = wn_dnn_lay_out(&shape, y->channels_last);
    t.type = b.type;
    return t;
}

/* oneDNN's primitive, which is threaded and knows bf16; false where it has no fast one. */
static bool binary_primitive(struct wn_dnn_exe *e, const struct wn_step *s)
{
    int a = s->in[0], b = s->in[1], y = s->out[0];
    bool commutes = s->u.binary != WN_BINARY_SUB && s->u.binary != WN_BINARY_DIV;
    const struct wn_shape *whole = &wn_program_value(e->prog, y)->shape;
    if (commutes && !wn_shape_equal(&wn_program_value(e->prog, a)->shape, whole)) a = s->in[1], b = s->in[0];
    if (!wn_shape_equal(&wn_program_value(e->prog, a)->shape, whole) || wn_shape_count(whole) < 4096) return false;
    enum wn_dnn_type type = wn_dnn_type_of(e, a);
    bool small = wn_shape_count(&wn_program_value(e->prog, b)->shape) < 4096;
    enum wn_dnn_type type_b = small ? WN_DNN_F32 : type;
    struct wn_dnn_tensor ta = wn_dnn_tensor_of(e, a, type), ty = wn_dnn_tensor_of(e, y, type);
    struct wn_dnn_tensor tb = second_operand(wn_dnn_tensor_of(e, b, type_b), &ty);
    struct wn_dnn_prim prim;
    if (wn_dnn_make_binary(e->be->engine, s->u.binary, &ta, &tb, &ty, &prim) != dnnl_success) return false;
    if (prim.slow) {
        wn_dnn_prim_finish(&prim);
        return false;
    }
    int ba = wn_dnn_want(e, a, type), bb = wn_dnn_want(e, b, type_b), by = wn_dnn_give(e, y, type);
    struct wn_dnn_operand operands[] = {
        {DNNL_ARG_SRC_0, ba, &ta, NULL}, {DNNL_ARG_SRC_1, bb, &tb, NULL}, {DNNL_ARG_DST, by, &ty, NULL}};
    wn_dnn_emit_prim(e, &prim, 3, operands);
    return true;
}

void wn_dnn_binary(struct wn_dnn_exe *e, const struct wn_step *s)
{
    if (!wn_dnn_sum_of_slices(e, s) && !binary_primitive(e, s)) binary_loop(e, s);
}

/* ---- scale, shift and ReLU in one pass: a batch-norm in front of its convolution, as DenseNet has them ---- */

/* The operand of `s` that holds one constant a channel of x; WN_NONE where it has none. */
static int channel_constant(const struct wn_dnn_exe *e, const struct wn_step *s, int x)
{
    const struct wn_dnn_tensor *t = &e->values[x].t;
    int other = s->in[0] == x ? s->in[1] : s->in[0];
    if ((s->in[0] != x && s->in[1] != x) || !wn_dnn_is_const(e, other)) return WN_NONE;
    const struct wn_shape *c = &wn_program_value(e->prog, other)->shape;
    int axis = c->rank - (t->rank - 1);
    bool fits = axis >= 0 && c->rank <= t->rank && c->dim[axis] == t->dim[1] && wn_shape_count(c) == t->dim[1];
    return fits ? other : WN_NONE;
}

/* True where step i is the only one that reads the value. */
static bool read_only_by(const struct wn_dnn_exe *e, int value, int step)
{
    const struct wn_dnn_value *v = &e->values[value];
    return v->root == value && !v->keep && v->last_step == step;
}

int wn_dnn_affine_chain(struct wn_dnn_exe *e, int step, int end)
{
    const struct wn_step *mul = wn_program_step(e->prog, step), *add, *relu;
    if (step + 1 >= end || mul->prim != WN_PRIM_BINARY || mul->u.binary != WN_BINARY_MUL) return 0;
    add = wn_program_step(e->prog, step + 1);
    int x = wn_dnn_is_const(e, mul->in[0]) ? mul->in[1] : mul->in[0], y = mul->out[0];
    if (add->prim != WN_PRIM_BINARY || add->u.binary != WN_BINARY_ADD || !read_only_by(e, y, step + 1)) return 0;
    int scale = channel_constant(e, mul, x), shift = channel_constant(e, add, y);
    if (!e->values[x].t.channels_last || scale == WN_NONE || shift == WN_NONE) return 0;
    relu = step + 2 < end ? wn_program_step(e->prog, step + 2) : NULL;
    bool act = relu && relu->prim == WN_PRIM_UNARY && relu->u.unary.kind == WN_UNARY_RELU &&
               relu->in[0] == add->out[0] && read_only_by(e, add->out[0], step + 2);
    const struct wn_dnn_tensor *t = &e->values[x].t;
    struct wn_dnn_affine f = {
        .rows = wn_dnn_tensor_count(t) / t->dim[1], .channels = t->dim[1], .type = wn_dnn_type_of(e, x), .relu = act};
    int bx = wn_dnn_want(e, x, f.type), bs = wn_dnn_want(e, scale, WN_DNN_F32), bt = wn_dnn_want(e, shift, WN_DNN_F32);
    int taken = act ? 3 : 2;
    e->step += taken - 1; /* what the last step of the chain may overwrite, the chain may */
    int by = result_over(e, act ? relu->out[0] : add->out[0], x, f.type);
    e->step -= taken - 1;
    wn_dnn_emit_loop(e, wn_dnn_loop_affine, &f, sizeof f, 4, (int[]){by, bx, bs, bt});
    return taken;
}

/* ---- a wide layer between two masks: every class at once through VGG's and AlexNet's heads ---- */

/* The (M,1) factor of `s`, which multiplies the (M,N) value y; WN_NONE where it is no such step. */
static int row_factor(const struct wn_dnn_exe *e, const struct wn_step *s, int y)
{
    if (s->prim != WN_PRIM_BINARY || s->u.binary != WN_BINARY_MUL || (s->in[0] != y && s->in[1] != y)) return WN_NONE;
    int other = s->in[0] == y ? s->in[1] : s->in[0];
    const struct wn_shape *f = &wn_program_value(e->prog, other)->shape;
    const struct wn_dnn_tensor *t = &e->values[y].t;
    return other != y && f->rank == 2 && f->dim[0] == t->dim[0] && f->dim[1] == 1 ? other : WN_NONE;
}

/* Large enough that leaving out what is off pays for looking for it. */
#define WORTH_LOOKING (1 << 20)

static bool is_wide_product(const struct wn_dnn_exe *e, const struct wn_step *s)
{
    if (s->prim != WN_PRIM_MATMUL || s->in[2] != WN_NONE || s->u.matmul.act.kind != WN_UNARY_COUNT) return false;
    if (s->u.matmul.trans_a || s->u.matmul.trans_b || !wn_dnn_is_const(e, s->in[0])) return false;
    const struct wn_dnn_tensor *a = &e->values[s->in[0]].t, *b = &e->values[s->in[1]].t;
    return a->rank == 2 && b->rank == 2 && b->dim[1] >= 16 && a->dim[0] * a->dim[1] >= WORTH_LOOKING;
}

#define MOST_BETWEEN 4

/* Makers of the steps from which the slopes of an activation are made. */
static wn_dnn_maker *slope_maker(enum wn_prim prim)
{
    return prim == WN_PRIM_UNARY       ? wn_dnn_unary
           : prim == WN_PRIM_UNARY_BWD ? wn_dnn_unary_bwd
           : prim == WN_PRIM_RESHAPE   ? wn_dnn_reshape
                                       : NULL;
}

static bool reads(const struct wn_step *s, int value)
{
    for (int i = 0; i < s->n_in; i++)
        if (s->in[i] == value) return true;
    return false;
}

/* How many steps make the factor of the product's rows before one multiplies by it; -1 where none does. */
static int steps_between(const struct wn_dnn_exe *e, int step, int end)
{
    int y = wn_program_step(e->prog, step)->out[0];
    for (int between = 0; between <= MOST_BETWEEN && step + 1 + between < end; between++) {
        const struct wn_step *s = wn_program_step(e->prog, step + 1 + between);
        if (row_factor(e, s, y) != WN_NONE) return read_only_by(e, y, step + 1 + between) ? between : -1;
        if (!slope_maker(s->prim) || reads(s, y)) return -1;
    }
    return -1;
}

int wn_dnn_product_chain(struct wn_dnn_exe *e, int step, int end)
{
    const struct wn_step *s = wn_program_step(e->prog, step);
    if (!is_wide_product(e, s)) return 0;
    const struct wn_dnn_tensor *a = &e->values[s->in[0]].t, *b = &e->values[s->in[1]].t;
    struct wn_dnn_product q = {.m = a->dim[0], .k = a->dim[1], .n = b->dim[1]};
    int between = steps_between(e, step, end), taken = between < 0 ? 1 : 2 + between, bm = WN_DNN_FAILED;
    const struct wn_step *last = wn_program_step(e->prog, step + taken - 1);
    for (int i = 1; i <= between; i++) {
        const struct wn_step *slope = wn_program_step(e->prog, step + i);
        e->step = step + i;
        slope_maker(slope->prim)(e, slope);
    }
    e->step = step;
    if (between >= 0) bm = wn_dnn_want(e, row_factor(e, last, s->out[0]), WN_DNN_F32);
    int ba = wn_dnn_want(e, s->in[0], WN_DNN_F32), bb = wn_dnn_want(e, s->in[1], WN_DNN_F32);
    int scratch = wn_dnn_buffer(e, wn_dnn_product_scratch(&q)), by = wn_dnn_give(e, last->out[0], WN_DNN_F32);
    wn_dnn_emit_loop(e, wn_dnn_loop_product, &q, sizeof q, 5, (int[]){by, ba, bb, bm, scratch});
    return taken;
}

/* ---- reductions ---- */

static void add_axis(struct wn_dnn_nest *n, int64_t extent, int64_t y_stride, int64_t x_stride)
{
    n->extent[n->rank] = extent;
    n->stride[0][n->rank] = y_stride;
    n->stride[1][n->rank] = x_stride;
    n->rank++;
}

void wn_dnn_reduce(struct wn_dnn_exe *e, const struct wn_step *s)
{
    const struct wn_dnn_tensor *x = &e->values[s->in[0]].t, *y = &e->values[s->out[0]].t;
    struct wn_dnn_reduce r = {.kind = s->u.reduce.kind, .count = 1};
    for (int d = 0; d < x->rank; d++) {
        if (s->u.reduce.axes >> d & 1) {
            add_axis(&r.over, x->dim[d], x->stride[d], x->stride[d]);
            r.count *= x->dim[d];
        } else {
            add_axis(&r.nest, x->dim[d], y->stride[d], x->stride[d]);
        }
    }
    wn_dnn_nest_tidy(&r.nest);
    wn_dnn_nest_tidy(&r.over);
    int bx = wn_dnn_want(e, s->in[0], WN_DNN_F32), by = wn_dnn_give(e, s->out[0], WN_DNN_F32);
    wn_dnn_emit_loop(e, wn_dnn_loop_reduce, &r, sizeof r, 2, (int[]){by, bx});
}

/* ---- weighted sums over channels ---- */

static int64_t pixels_of(const struct wn_dnn_tensor *t)
{
    int64_t n = 1;
    for (int d = 2; d < t->rank; d++) n *= t->dim[d];
    return n;
}

void wn_dnn_channel_dot(struct wn_dnn_exe *e, const struct wn_step *s)
{
    const struct wn_dnn_tensor *a = &e->values[s->in[0]].t, *g = &e->values[s->in[1]].t, *y = &e->values[s->out[0]].t;
    enum wn_dnn_type type = a->channels_last ? wn_dnn_type_of(e, s->in[0]) : WN_DNN_F32;
    int last = a->rank - 1;
    struct wn_dnn_dot d = {.a_type = type,
                           .rows = a->dim[0],
                           .channels = a->dim[1],
                           .pixels = pixels_of(a),
                           .a = {a->stride[0], a->stride[1], last > 1 ? a->stride[last] : 0},
                           .g = {g->stride[0], g->stride[1], pixels_of(g) > 1 ? g->stride[last] : 0},
                           .y = {y->stride[0], last > 1 ? y->stride[last] : 0}};
    int ba = wn_dnn_want(e, s->in[0], type), bg = wn_dnn_want(e, s->in[1], WN_DNN_F32);
    int by = wn_dnn_give(e, s->out[0], WN_DNN_F32);
    wn_dnn_emit_loop(e, wn_dnn_loop_dot, &d, sizeof d, 3, (int[]){by, ba, bg});
}
