/* The program builder: storage, the sticky error and shape inference of each primitive; knows no backend and no ONNX. */
#include "program.h"

#include <stdlib.h>
#include <string.h>

/* ---- shapes ---- */

struct wn_shape wn_shape_of(int rank, const int64_t *dim)
{
    struct wn_shape s = {.rank = rank};
    for (int i = 0; i < rank && i < WN_MAX_RANK; i++) s.dim[i] = dim[i];
    return s;
}

int64_t wn_shape_count(const struct wn_shape *s)
{
    int64_t n = 1;
    for (int i = 0; i < s->rank; i++) n *= s->dim[i];
    return n;
}

bool wn_shape_equal(const struct wn_shape *a, const struct wn_shape *b)
{
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i]) return false;
    return true;
}

/* Elements that fit in memory and in the 32-bit indices of a device. */
static bool shape_ok(const struct wn_shape *s)
{
    int64_t n = 1;
    if (s->rank < 0 || s->rank > WN_MAX_RANK) return false;
    for (int i = 0; i < s->rank; i++)
        if (s->dim[i] < 0 || __builtin_mul_overflow(n, s->dim[i], &n) || n > INT32_MAX) return false;
    return true;
}

/* ---- storage ---- */

enum wn_code wn_program_create(struct wn_program **out, struct wn_error *err)
{
    struct wn_program *p = calloc(1, sizeof *p);
    if (p) p->stages = calloc(1, sizeof *p->stages);
    if (!p || !p->stages) {
        free(p);
        return wn_fail(err, WN_NO_MEMORY, "no memory for a program");
    }
    *out = p;
    return WN_OK;
}

void wn_program_destroy(struct wn_program *p)
{
    if (!p) return;
    for (int i = 0; i < p->n_blocks; i++) free(p->blocks[i]);
    free(p->blocks);
    free(p->values);
    free(p->steps);
    free(p->stages);
    free(p);
}

enum wn_code wn_program_error(const struct wn_program *p, struct wn_error *err)
{
    if (p->error.code != WN_OK) wn_fail(err, p->error.code, "%s", p->error.text);
    return p->error.code;
}

int wn_program_fail(struct wn_program *p, enum wn_code code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    wn_vfail(&p->error, code, fmt, args);
    va_end(args);
    return -1;
}

/* Room for one more element of an array that doubles. */
static bool grow(struct wn_program *p, void *array, int n, int *cap, size_t size)
{
    void **slot = array;
    if (n < *cap) return true;
    int more = *cap ? *cap * 2 : 64;
    void *bigger = realloc(*slot, (size_t)more * size);
    if (!bigger) {
        wn_program_fail(p, WN_NO_MEMORY, "no memory for a program of %d steps", p->n_steps);
        return false;
    }
    *slot = bigger;
    *cap = more;
    return true;
}

static void *copy_block(struct wn_program *p, const void *src, size_t bytes)
{
    if (!grow(p, &p->blocks, p->n_blocks, &p->cap_blocks, sizeof *p->blocks)) return NULL;
    void *block = malloc(bytes ? bytes : 1);
    if (!block) {
        wn_program_fail(p, WN_NO_MEMORY, "no memory for %zu bytes of a program", bytes);
        return NULL;
    }
    memcpy(block, src, bytes);
    return p->blocks[p->n_blocks++] = block;
}

static int add_value(struct wn_program *p, struct wn_value v)
{
    if (p->error.code) return -1;
    if (!shape_ok(&v.shape)) return wn_program_fail(p, WN_UNSUPPORTED, "a value has more than 2^31 elements or %d axes", WN_MAX_RANK + 1);
    if (!grow(p, &p->values, p->n_values, &p->cap_values, sizeof *p->values)) return -1;
    p->values[p->n_values] = v;
    return p->n_values++;
}

static bool operand_ok(struct wn_program *p, int value)
{
    if (value >= 0 && value < p->n_values) return true;
    wn_program_fail(p, WN_INTERNAL, "a step was given a value that does not exist");
    return false;
}

static const struct wn_shape *shape(const struct wn_program *p, int value)
{
    return &p->values[value].shape;
}

/* Appends a step with one result (and room for a second); the step's attributes are in `proto`. */
static int add_step(struct wn_program *p, struct wn_step proto, const int *in, int n_in, const struct wn_shape *y)
{
    bool batched = false;
    for (int i = 0; i < n_in; i++) {
        if (in[i] == WN_NONE) continue;
        if (!operand_ok(p, in[i])) return -1;
        batched = batched || p->values[in[i]].batched;
    }
    if (p->error.code || !grow(p, &p->steps, p->n_steps, &p->cap_steps, sizeof *p->steps)) return -1;
    proto.in = copy_block(p, in, (size_t)n_in * sizeof *in);
    if (!proto.in) return -1;
    proto.n_in = n_in;
    proto.n_out = 1;
    int v = add_value(p, (struct wn_value){.kind = WN_VALUE_STEP, .shape = *y, .step = p->n_steps, .batched = batched});
    if (v < 0) return -1;
    proto.out[0] = v;
    proto.out[1] = WN_NONE;
    p->steps[p->n_steps++] = proto;
    return v;
}

int wn_program_values(const struct wn_program *p)
{
    return p->n_values;
}

const struct wn_value *wn_program_value(const struct wn_program *p, int value)
{
    return &p->values[value];
}

int wn_program_steps(const struct wn_program *p)
{
    return p->n_steps;
}

const struct wn_step *wn_program_step(const struct wn_program *p, int step)
{
    return &p->steps[step];
}

/* The stage that is open has no row of its own until it is closed. */
int wn_program_stages(const struct wn_program *p)
{
    int closed = p->n_stages ? p->stages[p->n_stages - 1].end : 0;
    return p->n_stages + (closed < p->n_steps);
}

struct wn_stage wn_program_stage(const struct wn_program *p, int stage)
{
    if (stage < p->n_stages) return p->stages[stage];
    return (struct wn_stage){p->n_stages ? p->stages[p->n_stages - 1].end : 0, p->n_steps};
}

int wn_program_end_stage(struct wn_program *p)
{
    if (p->error.code) return -1;
    struct wn_stage *bigger = realloc(p->stages, (size_t)(p->n_stages + 1) * sizeof *bigger);
    if (!bigger) return wn_program_fail(p, WN_NO_MEMORY, "no memory for a stage");
    p->stages = bigger;
    p->stages[p->n_stages] = (struct wn_stage){p->n_stages ? bigger[p->n_stages - 1].end : 0, p->n_steps};
    return p->n_stages++;
}

int wn_program_output(struct wn_program *p, int value)
{
    if (p->error.code || !operand_ok(p, value)) return -1;
    p->values[value].readable = true;
    return value;
}

/* ---- leaves ---- */

int wn_program_input(struct wn_program *p, struct wn_shape s, bool batched)
{
    return add_value(p, (struct wn_value){.kind = WN_VALUE_INPUT, .shape = s, .step = -1, .batched = batched});
}

int wn_program_const(struct wn_program *p, const struct wn_weight *w)
{
    if (!w) return wn_program_fail(p, WN_INTERNAL, "a constant is missing");
    for (int i = 0; i < p->n_values; i++)
        if (p->values[i].weight == w) return i;
    return add_value(p, (struct wn_value){.kind = WN_VALUE_CONST, .shape = w->shape, .step = -1, .weight = w});
}

void wn_program_use_weights(struct wn_program *p, struct wn_weight_source source)
{
    p->weights = source;
}

/* A weight that the program owns, for programs that belong to no model. */
static const struct wn_weight *own_weight(struct wn_program *p, const struct wn_shape *s,
                                          void (*make)(float *dst, const void *arg), const void *arg)
{
    size_t n = (size_t)wn_shape_count(s);
    float *data = calloc(n ? n : 1, sizeof *data);
    if (!data) return NULL;
    make(data, arg);
    struct wn_weight w = {.shape = *s, .data = copy_block(p, data, n * sizeof *data), .name = "derived"};
    free(data);
    return w.data ? copy_block(p, &w, sizeof w) : NULL;
}

int wn_program_derive(struct wn_program *p, const char *key, const struct wn_shape *s,
                      void (*make)(float *dst, const void *arg), const void *arg)
{
    if (p->error.code) return -1;
    const struct wn_weight *w = p->weights.get ? p->weights.get(p->weights.ctx, key, s, make, arg, &p->error)
                                               : own_weight(p, s, make, arg);
    if (!w) return wn_program_fail(p, WN_NO_MEMORY, "no memory for a derived weight");
    return wn_program_const(p, w);
}

struct wn_mark wn_program_mark(const struct wn_program *p)
{
    return (struct wn_mark){p->n_values, p->n_steps, p->n_stages};
}

/* Operand lists and tables of the steps taken back stay with the program: they are freed with it. */
void wn_program_rewind(struct wn_program *p, struct wn_mark mark, struct wn_error *why)
{
    p->n_values = mark.values;
    p->n_steps = mark.steps;
    p->n_stages = mark.stages;
    *why = p->error;
    p->error = (struct wn_error){0};
}

int wn_program_open_stage(const struct wn_program *p)
{
    return p->n_stages ? p->stages[p->n_stages - 1].end : 0;
}

/* ---- windows ---- */

static bool window_ok(struct wn_program *p, const struct wn_window *win)
{
    bool ok = win->rank >= 1 && win->rank <= WN_MAX_SPATIAL;
    for (int i = 0; ok && i < win->rank; i++)
        ok = win->kernel[i] >= 1 && win->stride[i] >= 1 && win->dilation[i] >= 1 && win->pad_lo[i] >= 0 &&
             win->pad_hi[i] >= 0 && win->kernel[i] < INT32_MAX && win->stride[i] < INT32_MAX &&
             win->dilation[i] < INT32_MAX && win->pad_lo[i] < INT32_MAX && win->pad_hi[i] < INT32_MAX;
    if (!ok) wn_program_fail(p, WN_BAD_MODEL, "a window needs 1 to 3 axes, kernel, stride and dilation from 1 and pads from 0");
    return ok;
}

/* Output length of spatial axis i, or -1 with the error set. */
static int64_t window_out(struct wn_program *p, const struct wn_window *win, int i, int64_t in)
{
    int64_t reach, room;
    if (__builtin_mul_overflow(win->dilation[i], win->kernel[i] - 1, &reach) ||
        __builtin_sub_overflow(in + win->pad_lo[i] + win->pad_hi[i] - 1, reach, &room) || room < 0)
        return wn_program_fail(p, WN_BAD_MODEL, "a window of %lld cells is larger than its padded input of %lld",
                               (long long)win->kernel[i], (long long)(in + win->pad_lo[i] + win->pad_hi[i]));
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
    if (p->error.code || !operand_ok(p, dy)) return false;
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
    if (!operand_ok(p, bias)) return false;
    if (shape(p, bias)->rank == 1 && shape(p, bias)->dim[0] == channels) return true;
    wn_program_fail(p, WN_BAD_MODEL, "a bias needs one value for each of %lld channels", (long long)channels);
    return false;
}

static const struct wn_act no_act = {.kind = WN_UNARY_COUNT};

int wn_conv(struct wn_program *p, int x, int w, int bias, const struct wn_window *win, int64_t groups)
{
    struct wn_shape y;
    if (p->error.code || !operand_ok(p, x) || !operand_ok(p, w)) return -1;
    if (!window_ok(p, win) || shape(p, x)->rank != win->rank + 2)
        return wn_program_fail(p, WN_BAD_MODEL, "a convolution over %d axes was given a value of rank %d", win->rank, shape(p, x)->rank);
    if (!filter_ok(p, shape(p, w), shape(p, x)->dim[1], win, groups)) return -1;
    if (!window_shape(p, shape(p, x), win, shape(p, w)->dim[0], &y) || !bias_ok(p, bias, y.dim[1])) return -1;
    struct wn_step s = {.prim = WN_PRIM_CONV, .u.conv = {*win, groups, no_act}};
    return add_step(p, s, (int[]){x, w, bias, WN_NONE}, 4, &y);
}

int wn_conv_bwd(struct wn_program *p, int dy, int w, int bias, const struct wn_window *win, int64_t groups,
                const struct wn_shape *x_shape)
{
    struct wn_shape x;
    if (p->error.code || !operand_ok(p, w) || !operand_ok(p, dy)) return -1;
    if (!window_ok(p, win) || x_shape->rank != win->rank + 2)
        return wn_program_fail(p, WN_BAD_MODEL, "a convolution's gradient needs a shape of rank %d", win->rank + 2);
    if (!filter_ok(p, shape(p, w), x_shape->dim[1], win, groups)) return -1;
    if (!gradient_shape(p, dy, win, shape(p, w)->dim[0], x_shape, &x) || !bias_ok(p, bias, x.dim[1])) return -1;
    struct wn_step s = {.prim = WN_PRIM_CONV_BWD, .u.conv = {*win, groups, no_act}};
    return add_step(p, s, (int[]){dy, w, bias}, 3, &x);
}

int wn_maxpool(struct wn_program *p, int x, const struct wn_window *win, int *index)
{
    struct wn_shape y;
    if (p->error.code || !operand_ok(p, x) || !window_shape(p, shape(p, x), win, shape(p, x)->dim[1], &y)) return -1;
    struct wn_step s = {.prim = WN_PRIM_MAXPOOL, .u.pool = {*win, false}};
    int v = add_step(p, s, &x, 1, &y);
    if (v < 0) return -1;
    int which = add_value(p, p->values[v]);
    if (which < 0) return -1;
    p->steps[p->n_steps - 1].out[1] = which;
    p->steps[p->n_steps - 1].n_out = 2;
    if (index) *index = which;
    return v;
}

int wn_maxpool_bwd(struct wn_program *p, int dy, int index, const struct wn_window *win, const struct wn_shape *x_shape)
{
    struct wn_shape x;
    if (p->error.code || !operand_ok(p, index) || !gradient_shape(p, dy, win, x_shape->dim[1], x_shape, &x)) return -1;
    if (!wn_shape_equal(shape(p, dy), shape(p, index)))
        return wn_program_fail(p, WN_INTERNAL, "a max-pool's gradient and its index differ in shape");
    struct wn_step s = {.prim = WN_PRIM_MAXPOOL_BWD, .u.pool = {*win, false}};
    return add_step(p, s, (int[]){dy, index}, 2, &x);
}

int wn_avgpool(struct wn_program *p, int x, const struct wn_window *win, bool count_pad)
{
    struct wn_shape y;
    if (p->error.code || !operand_ok(p, x) || !window_shape(p, shape(p, x), win, shape(p, x)->dim[1], &y)) return -1;
    struct wn_step s = {.prim = WN_PRIM_AVGPOOL, .u.pool = {*win, count_pad}};
    return add_step(p, s, &x, 1, &y);
}

int wn_avgpool_bwd(struct wn_program *p, int dy, const struct wn_window *win, bool count_pad, const struct wn_shape *x_shape)
{
    struct wn_shape x;
    if (!gradient_shape(p, dy, win, x_shape->dim[1], x_shape, &x)) return -1;
    struct wn_step s = {.prim = WN_PRIM_AVGPOOL_BWD, .u.pool = {*win, count_pad}};
    return add_step(p, s, &dy, 1, &x);
}

/* ---- products ---- */

int wn_matmul(struct wn_program *p, int a, bool trans_a, int b, bool trans_b, int bias)
{
    if (p->error.code || !operand_ok(p, a) || !operand_ok(p, b)) return -1;
    const struct wn_shape *sa = shape(p, a), *sb = shape(p, b);
    int r = sa->rank;
    if (r != sb->rank || (r != 2 && r != 3))
        return wn_program_fail(p, WN_INTERNAL, "a product needs two values of rank 2 or of rank 3");
    int64_t m = sa->dim[r - 1 - !trans_a], ka = sa->dim[r - 1 - trans_a];
    int64_t kb = sb->dim[r - 1 - !trans_b], n = sb->dim[r - 1 - trans_b];
    if (ka != kb)
        return wn_program_fail(p, WN_BAD_MODEL, "a product of %lld columns with %lld rows", (long long)ka, (long long)kb);
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
    return add_step(p, s, (int[]){a, b, bias}, 3, &y);
}

int wn_channel_dot(struct wn_program *p, int a, int g)
{
    if (p->error.code || !operand_ok(p, a) || !operand_ok(p, g)) return -1;
    const struct wn_shape *sa = shape(p, a), *sg = shape(p, g);
    bool same = wn_shape_equal(sa, sg), ok = sa->rank >= 3 && sa->rank == sg->rank && sa->dim[0] == sg->dim[0] && sa->dim[1] == sg->dim[1];
    for (int i = 2; ok && !same && i < sg->rank; i++) ok = sg->dim[i] == 1;
    if (!ok) return wn_program_fail(p, WN_INTERNAL, "a weighted sum over channels needs weights (R,C,..) or (R,C,1..)");
    struct wn_shape y = *sa;
    y.dim[1] = 1;
    return add_step(p, (struct wn_step){.prim = WN_PRIM_CHANNEL_DOT}, (int[]){a, g}, 2, &y);
}

/* ---- elementwise ---- */

int wn_unary(struct wn_program *p, enum wn_unary kind, int x, float alpha, float beta)
{
    if (p->error.code || !operand_ok(p, x)) return -1;
    struct wn_shape y = *shape(p, x);
    return add_step(p, (struct wn_step){.prim = WN_PRIM_UNARY, .u.unary = {kind, alpha, beta}}, &x, 1, &y);
}

int wn_unary_bwd(struct wn_program *p, enum wn_unary kind, int dy, int z, float alpha, float beta)
{
    if (p->error.code || !operand_ok(p, dy) || !operand_ok(p, z)) return -1;
    if (!wn_shape_equal(shape(p, dy), shape(p, z)))
        return wn_program_fail(p, WN_INTERNAL, "an activation's gradient and its value differ in shape");
    struct wn_shape y = *shape(p, dy);
    return add_step(p, (struct wn_step){.prim = WN_PRIM_UNARY_BWD, .u.unary = {kind, alpha, beta}}, (int[]){dy, z}, 2, &y);
}

static bool broadcast(const struct wn_shape *a, const struct wn_shape *b, struct wn_shape *y)
{
    y->rank = a->rank > b->rank ? a->rank : b->rank;
    for (int i = 1; i <= y->rank; i++) {
        int64_t da = i <= a->rank ? a->dim[a->rank - i] : 1, db = i <= b->rank ? b->dim[b->rank - i] : 1;
        if (da != db && da != 1 && db != 1) return false;
        y->dim[y->rank - i] = da == 1 ? db : da;
    }
    return true;
}

int wn_binary(struct wn_program *p, enum wn_binary kind, int a, int b)
{
    struct wn_shape y;
    if (p->error.code || !operand_ok(p, a) || !operand_ok(p, b)) return -1;
    if (!broadcast(shape(p, a), shape(p, b), &y))
        return wn_program_fail(p, WN_BAD_MODEL, "two values that are combined element by element do not broadcast");
    return add_step(p, (struct wn_step){.prim = WN_PRIM_BINARY, .u.binary = kind}, (int[]){a, b}, 2, &y);
}

int wn_reduce(struct wn_program *p, enum wn_reduce kind, int x, unsigned axes)
{
    if (p->error.code || !operand_ok(p, x)) return -1;
    struct wn_shape y = *shape(p, x);
    if (axes >> y.rank) return wn_program_fail(p, WN_BAD_MODEL, "a reduction names an axis that its value of rank %d lacks", y.rank);
    for (int i = 0; i < y.rank; i++)
        if (axes >> i & 1) y.dim[i] = 1;
    return add_step(p, (struct wn_step){.prim = WN_PRIM_REDUCE, .u.reduce = {kind, axes}}, &x, 1, &y);
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
    if (p->error.code || !operand_ok(p, x)) return -1;
    if (!shape_ok(y_shape) || copy->rank > WN_MAX_RANK ||
        !walk_inside(copy, copy->x_offset, copy->x_stride, wn_shape_count(shape(p, x))) ||
        !walk_inside(copy, copy->y_offset, copy->y_stride, wn_shape_count(y_shape)))
        return wn_program_fail(p, WN_BAD_MODEL, "a copy reaches outside its value");
    struct wn_shape y = *y_shape;
    return add_step(p, (struct wn_step){.prim = WN_PRIM_COPY, .u.copy = *copy}, &x, 1, &y);
}

int wn_reshape(struct wn_program *p, int x, const struct wn_shape *s)
{
    if (p->error.code || !operand_ok(p, x)) return -1;
    if (wn_shape_equal(shape(p, x), s)) return x;
    if (!shape_ok(s) || wn_shape_count(s) != wn_shape_count(shape(p, x)))
        return wn_program_fail(p, WN_BAD_MODEL, "a reshape from %lld to %lld elements",
                               (long long)wn_shape_count(shape(p, x)), (long long)wn_shape_count(s));
    return add_step(p, (struct wn_step){.prim = WN_PRIM_RESHAPE}, &x, 1, s);
}

int wn_concat(struct wn_program *p, const int *x, int n, int axis)
{
    if (p->error.code) return -1;
    if (n < 1 || !operand_ok(p, x[0])) return wn_program_fail(p, WN_BAD_MODEL, "a concatenation of nothing");
    struct wn_shape y = *shape(p, x[0]);
    if (axis < 0 || axis >= y.rank) return wn_program_fail(p, WN_BAD_MODEL, "a concatenation along an axis that is not there");
    for (int i = 1; i < n; i++) {
        if (!operand_ok(p, x[i])) return -1;
        struct wn_shape s = *shape(p, x[i]);
        int64_t more = s.dim[axis];
        s.dim[axis] = y.dim[axis];
        if (!wn_shape_equal(&s, &y)) return wn_program_fail(p, WN_BAD_MODEL, "the parts of a concatenation do not fit together");
        y.dim[axis] += more;
    }
    return add_step(p, (struct wn_step){.prim = WN_PRIM_CONCAT, .u.concat = {axis}}, x, n, &y);
}

int wn_axis_map(struct wn_program *p, int x, int axis, const struct wn_taps *taps)
{
    if (p->error.code || !operand_ok(p, x)) return -1;
    struct wn_shape y = *shape(p, x);
    if (axis < 0 || axis >= y.rank || y.dim[axis] != taps->in || taps->taps < 1 || taps->out < 0)
        return wn_program_fail(p, WN_BAD_MODEL, "a tap table does not fit its axis");
    size_t n = (size_t)taps->out * (size_t)taps->taps;
    for (size_t i = 0; i < n; i++)
        if (taps->index[i] < -1 || taps->index[i] >= taps->in) return wn_program_fail(p, WN_BAD_MODEL, "a tap lies outside its axis");
    struct wn_taps own = *taps;
    own.index = copy_block(p, taps->index, n * sizeof *taps->index);
    own.weight = copy_block(p, taps->weight, n * sizeof *taps->weight);
    if (!own.index || !own.weight) return -1;
    y.dim[axis] = taps->out;
    return add_step(p, (struct wn_step){.prim = WN_PRIM_AXIS_MAP, .u.map = {axis, own}}, &x, 1, &y);
}

int wn_gather(struct wn_program *p, int x, int row)
{
    if (p->error.code || !operand_ok(p, x) || !operand_ok(p, row)) return -1;
    if (shape(p, row)->rank != 1 || shape(p, x)->rank < 1)
        return wn_program_fail(p, WN_INTERNAL, "a gather needs a list of rows and something that has rows");
    struct wn_shape y = *shape(p, x);
    y.dim[0] = shape(p, row)->dim[0];
    return add_step(p, (struct wn_step){.prim = WN_PRIM_GATHER}, (int[]){x, row}, 2, &y);
}
