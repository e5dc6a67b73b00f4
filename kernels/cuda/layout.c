/* Types and layouts of a program's values, and which of them share memory or have none. Pure planning: no device is
 * asked. */
#include "exe.h"

#include <stdlib.h>

enum wn_cuda_type wn_cuda_stage_type(enum wn_precision precision, int stage)
{
    if (precision == WN_PRECISION_BF16) return WN_CUDA_BF16;
    if (precision == WN_PRECISION_F16) return stage == 0 ? WN_CUDA_F16 : WN_CUDA_BF16;
    return WN_CUDA_F32;
}

int wn_cuda_stage_of(const struct wn_program *p, int step)
{
    int n = wn_program_stages(p), i = 0;
    while (i < n - 1 && step >= wn_program_stage(p, i).end) i++;
    return i;
}

static bool is_window(enum wn_prim prim)
{
    return prim == WN_PRIM_CONV || prim == WN_PRIM_CONV_BWD || prim == WN_PRIM_MAXPOOL || prim == WN_PRIM_MAXPOOL_BWD ||
           prim == WN_PRIM_AVGPOOL || prim == WN_PRIM_AVGPOOL_BWD;
}

/* Whether values of rank 3 have channels and one spatial axis in this program, or are batches of matrices. */
static bool has_lines(const struct wn_program *p)
{
    for (int i = 0; i < wn_program_steps(p); i++) {
        const struct wn_step *s = wn_program_step(p, i);
        if (is_window(s->prim) && wn_program_value(p, s->out[0])->shape.rank == 3) return true;
    }
    return false;
}

/* Only what is large is held in 16 bits: pooled features, logits and maps stay f32. */
static bool is_large(const struct wn_cuda_tensor *t)
{
    int n, c, spatial;
    wn_cuda_tensor_planes(t, &n, &c, &spatial);
    return t->channels_last && c > 1 && spatial > 1;
}

static enum wn_cuda_type type_of(const struct wn_cuda_exe *exe, int value)
{
    const struct wn_value *v = wn_program_value(exe->prog, value);
    if (v->kind == WN_VALUE_CONST) return WN_CUDA_F32;
    if (v->kind == WN_VALUE_INPUT)
        return is_large(&exe->values[value]) ? wn_cuda_stage_type(exe->be->precision, 0) : WN_CUDA_F32;
    const struct wn_step *s = wn_program_step(exe->prog, v->step);
    if (s->prim == WN_PRIM_GATHER || s->prim == WN_PRIM_RESHAPE) return exe->values[s->in[0]].type;
    if (s->prim == WN_PRIM_MAXPOOL && s->n_out > 1 && s->out[1] == value) return WN_CUDA_F32;
    if (!is_large(&exe->values[value])) return WN_CUDA_F32;
    return wn_cuda_stage_type(exe->be->precision, wn_cuda_stage_of(exe->prog, v->step));
}

/* Whether a step looks the images of its operand k up by rows itself, where a gather made it. */
static bool looks_up(enum wn_prim prim, int k)
{
    switch (prim) {
    case WN_PRIM_CHANNEL_DOT: return k == 0; /* activations */
    case WN_PRIM_UNARY_BWD:                  /* units */
    case WN_PRIM_MAXPOOL_BWD: return k == 1; /* winners */
    case WN_PRIM_SECANT: return k > 0;       /* inputs */
    default: return false;
    }
}

/* A gather that nobody else reads, nor a later stage, is never made: the later stage reads what it was when its own
 * was run. */
static void drop_gathers(struct wn_cuda_exe *exe, const bool *read_plainly)
{
    for (int i = 0; i < wn_program_steps(exe->prog); i++) {
        const struct wn_step *s = wn_program_step(exe->prog, i);
        if (s->prim == WN_PRIM_GATHER && !read_plainly[s->out[0]]) exe->home[s->out[0]] = -1;
    }
}

static bool is_of_another_stage(const struct wn_cuda_exe *exe, int value, int step)
{
    const int maker = wn_program_value(exe->prog, value)->step;
    return maker >= 0 && wn_cuda_stage_of(exe->prog, maker) != wn_cuda_stage_of(exe->prog, step);
}

static void find_plain_readers(const struct wn_cuda_exe *exe, bool *read_plainly)
{
    for (int v = 0; v < wn_program_values(exe->prog); v++) read_plainly[v] = wn_program_value(exe->prog, v)->readable;
    for (int i = 0; i < wn_program_steps(exe->prog); i++) {
        const struct wn_step *s = wn_program_step(exe->prog, i);
        for (int k = 0; k < s->n_in; k++)
            if (s->in[k] != WN_NONE && (!looks_up(s->prim, k) || is_of_another_stage(exe, s->in[k], i)))
                read_plainly[s->in[k]] = true;
    }
}

/* ---- a scale, a shift and an activation in a row, as batch-norms before a convolution leave them, are one launch,
 * and so is a concatenation in front of them ---- */

static bool is_const(const struct wn_cuda_exe *exe, int value)
{
    return wn_program_value(exe->prog, value)->kind == WN_VALUE_CONST;
}

/* The step that makes the value for this step alone, which may therefore not make it at all; or NULL. */
static const struct wn_step *sole_maker(const struct wn_cuda_exe *exe, const int *readers, int value, int step)
{
    const struct wn_value *v = wn_program_value(exe->prog, value);
    if (v->kind != WN_VALUE_STEP || v->step < 0 || v->readable || readers[value] != 1) return NULL;
    if (wn_cuda_stage_of(exe->prog, v->step) != wn_cuda_stage_of(exe->prog, step)) return NULL;
    return wn_program_step(exe->prog, v->step);
}

/* x (op) constant or constant (op) x, without stretching x: the number of x among the operands, or -1. */
static int with_constant(const struct wn_cuda_exe *exe, const struct wn_step *s, enum wn_binary op)
{
    if (s->prim != WN_PRIM_BINARY || s->u.binary != op) return -1;
    const struct wn_shape *y = &exe->values[s->out[0]].shape;
    for (int k = 0; k < 2; k++)
        if (!is_const(exe, s->in[k]) && is_const(exe, s->in[!k]) && wn_shape_equal(&exe->values[s->in[k]].shape, y))
            return k;
    return -1;
}

const struct wn_step *wn_cuda_swallowed(const struct wn_cuda_exe *exe, int value, enum wn_prim prim)
{
    const struct wn_value *v = wn_program_value(exe->prog, value);
    if (exe->home[value] >= 0 || v->kind != WN_VALUE_STEP || v->step < 0) return NULL;
    const struct wn_step *s = wn_program_step(exe->prog, v->step);
    return s->prim == prim ? s : NULL;
}

/* One number for each channel of y, or one for all. */
static bool is_per_channel(const struct wn_cuda_exe *exe, int value, const struct wn_shape *y)
{
    const struct wn_shape *c = &wn_program_value(exe->prog, value)->shape;
    for (int d = 0; d < c->rank; d++)
        if (c->dim[d] != 1 && d + y->rank - c->rank != 1) return false;
    return true;
}

bool wn_cuda_affine_of(const struct wn_cuda_exe *exe, int step, struct wn_cuda_affine *out)
{
    const struct wn_step *s = wn_program_step(exe->prog, step);
    *out = (struct wn_cuda_affine){.x = s->in[0], .scale = WN_NONE, .shift = WN_NONE, .act.kind = WN_UNARY_COUNT};
    if (s->prim == WN_PRIM_UNARY) {
        out->act = s->u.unary;
        if (exe->home[s->in[0]] >= 0) return false;
        s = wn_program_step(exe->prog, wn_program_value(exe->prog, s->in[0])->step);
    }
    const int x = with_constant(exe, s, WN_BINARY_ADD);
    if (x < 0) return false;
    out->x = s->in[x], out->shift = s->in[!x];
    if (exe->home[out->x] >= 0) return out->act.kind != WN_UNARY_COUNT;
    if (wn_cuda_swallowed(exe, out->x, WN_PRIM_CONCAT)) return true;
    s = wn_program_step(exe->prog, wn_program_value(exe->prog, out->x)->step);
    const int m = with_constant(exe, s, WN_BINARY_MUL);
    out->x = s->in[m], out->scale = s->in[!m];
    return true;
}

/* Marks what lies between as never made; wn_cuda_affine_of reads the marks. */
static void drop_between(struct wn_cuda_exe *exe, const int *readers)
{
    for (int i = 0; i < wn_program_steps(exe->prog); i++) {
        const struct wn_step *s = wn_program_step(exe->prog, i);
        const int x = with_constant(exe, s, WN_BINARY_ADD);
        const struct wn_step *scale = x >= 0 ? sole_maker(exe, readers, s->in[x], i) : NULL;
        if (scale && with_constant(exe, scale, WN_BINARY_MUL) >= 0) exe->home[s->in[x]] = -1;
        const struct wn_step *shift = s->prim == WN_PRIM_UNARY ? sole_maker(exe, readers, s->in[0], i) : NULL;
        if (shift && with_constant(exe, shift, WN_BINARY_ADD) >= 0) exe->home[s->in[0]] = -1;
    }
}

/* Whether what the chain reads is a concatenation along channels that lie innermost, made for it alone. */
static bool reads_own_concat(const struct wn_cuda_exe *exe, const int *readers, int step,
                             const struct wn_cuda_affine *f)
{
    const struct wn_step *concat = sole_maker(exe, readers, f->x, step);
    const struct wn_cuda_tensor *x = &exe->values[f->x];
    return concat && concat->prim == WN_PRIM_CONCAT && concat->u.concat.axis == 1 &&
           (x->channels_last || x->shape.rank == 2) && is_per_channel(exe, f->shift, &x->shape) &&
           (f->scale == WN_NONE || is_per_channel(exe, f->scale, &x->shape));
}

/* What is laid side by side only to be scaled and shifted goes there scaled and shifted. */
static void drop_concats(struct wn_cuda_exe *exe, const int *readers)
{
    for (int i = 0; i < wn_program_steps(exe->prog); i++) {
        const struct wn_step *s = wn_program_step(exe->prog, i);
        struct wn_cuda_affine f;
        if ((s->prim != WN_PRIM_UNARY && s->prim != WN_PRIM_BINARY) || exe->home[s->out[0]] < 0) continue;
        wn_cuda_affine_of(exe, i, &f);
        if (f.shift != WN_NONE && reads_own_concat(exe, readers, i, &f)) exe->home[f.x] = -1;
    }
}

/* Where two ways back meet behind an activation, as they do in residual networks, its derivative adds them up, and so
 * does its secant. */
static void drop_sums(struct wn_cuda_exe *exe, const int *readers)
{
    for (int i = 0; i < wn_program_steps(exe->prog); i++) {
        const struct wn_step *s = wn_program_step(exe->prog, i);
        const bool adds = s->prim == WN_PRIM_UNARY_BWD || s->prim == WN_PRIM_SECANT;
        const struct wn_step *sum = adds ? sole_maker(exe, readers, s->in[0], i) : NULL;
        if (sum && sum->prim == WN_PRIM_BINARY && sum->u.binary == WN_BINARY_ADD && !is_const(exe, sum->in[0]) &&
            !is_const(exe, sum->in[1]))
            exe->home[s->in[0]] = -1;
    }
}

/* Behind an activation's derivative the way back through a batch-norm is a number for each channel. */
static void drop_derivatives(struct wn_cuda_exe *exe, const int *readers)
{
    for (int i = 0; i < wn_program_steps(exe->prog); i++) {
        const struct wn_step *s = wn_program_step(exe->prog, i);
        const int k = with_constant(exe, s, WN_BINARY_MUL);
        if (k < 0 || exe->home[s->out[0]] < 0 || !is_per_channel(exe, s->in[!k], &exe->values[s->out[0]].shape))
            continue;
        const struct wn_step *derivative = sole_maker(exe, readers, s->in[k], i);
        if (derivative && derivative->prim == WN_PRIM_UNARY_BWD) exe->home[s->in[k]] = -1;
    }
}

/* ---- a relu's derivative behind the convolution that makes its gradient is that plan's to compute, where plans may
 * be compiled ---- */

static bool takes_derivative(const struct wn_cuda_exe *exe, const struct wn_step *conv, const struct wn_step *s)
{
    const struct wn_cuda_tensor *y = &exe->values[conv->out[0]], *z = &exe->values[s->in[1]],
                                *dx = &exe->values[s->out[0]];
    if (conv->prim != WN_PRIM_CONV || conv->u.conv.act.kind != WN_UNARY_COUNT || conv->in[2] != WN_NONE) return false;
    if (exe->values[conv->in[0]].type != y->type || dx->type != y->type ||
        wn_shape_count(&y->shape) < WN_CUDA_DERIVATIVE_FROM)
        return false;
    return wn_shape_equal(&z->shape, &y->shape) && exe->home[s->in[1]] >= 0 && !is_const(exe, s->in[1]) &&
           z->channels_last && !wn_cuda_tensor_is_padded(z);
}

/* What the derivative makes lies where its gradient lay: nobody else reads that. */
static void join_derivatives(struct wn_cuda_exe *exe, const int *readers)
{
    if (!wn_cuda_plans_are_kept(exe->be)) return;
    for (int i = 0; i < wn_program_steps(exe->prog); i++) {
        const struct wn_step *s = wn_program_step(exe->prog, i);
        if (s->prim != WN_PRIM_UNARY_BWD || s->u.unary.kind != WN_UNARY_RELU || exe->home[s->out[0]] < 0 ||
            exe->home[s->in[0]] < 0)
            continue;
        const struct wn_step *conv = sole_maker(exe, readers, s->in[0], i);
        if (conv && takes_derivative(exe, conv, s)) exe->home[s->out[0]] = s->in[0];
    }
}

const struct wn_step *wn_cuda_derivative_behind(const struct wn_cuda_exe *exe, const struct wn_step *conv)
{
    /* values are numbered after what they are made from */
    for (int v = conv->out[0] + 1; v < wn_program_values(exe->prog); v++) {
        const int maker = exe->home[v] == conv->out[0] ? wn_program_value(exe->prog, v)->step : -1;
        const struct wn_step *s = maker >= 0 ? wn_program_step(exe->prog, maker) : NULL;
        if (s && s->prim == WN_PRIM_UNARY_BWD && s->in[0] == conv->out[0]) return s;
    }
    return NULL;
}

/* ---- sums of more than two terms, and of slices: what many concatenations of a part give back to it ---- */

static bool is_sum(const struct wn_cuda_exe *exe, const struct wn_step *s)
{
    if (s->prim != WN_PRIM_BINARY || s->u.binary != WN_BINARY_ADD) return false;
    const struct wn_cuda_tensor *y = &exe->values[s->out[0]];
    for (int k = 0; k < 2; k++)
        if (is_const(exe, s->in[k]) || !wn_shape_equal(&exe->values[s->in[k]].shape, &y->shape)) return false;
    return (y->channels_last || y->shape.rank == 2) && wn_shape_count(&y->shape);
}

bool wn_cuda_slice_of(const struct wn_cuda_exe *exe, const struct wn_step *s, int64_t *first)
{
    if (s->prim != WN_PRIM_COPY) return false;
    const struct wn_copy *c = &s->u.copy;
    const struct wn_cuda_tensor *x = &exe->values[s->in[0]], *y = &exe->values[s->out[0]];
    const int rank = y->shape.rank;
    int64_t x_stride = 1, y_stride = 1;
    if (is_const(exe, s->in[0]) || c->rank != rank || x->shape.rank != rank || c->y_offset ||
        !(y->channels_last || rank == 2))
        return false;
    for (int d = rank - 1; d >= 0; d--) {
        if (c->extent[d] != y->shape.dim[d] || c->x_stride[d] != x_stride || c->y_stride[d] != y_stride) return false;
        if (d != 1 && x->shape.dim[d] != y->shape.dim[d]) return false;
        x_stride *= x->shape.dim[d], y_stride *= y->shape.dim[d];
    }
    *first = c->x_offset / c->x_stride[1];
    return c->x_offset % c->x_stride[1] == 0;
}

/* step: that of the sum s, or of the one that swallowed it. depth: how many sums may still lie in one another; what
 * lies deeper begins anew. */
static void swallow_terms(struct wn_cuda_exe *exe, const int *readers, int step, const struct wn_step *s, int depth)
{
    int64_t first;
    for (int k = 0; k < 2; k++) {
        const struct wn_step *term = sole_maker(exe, readers, s->in[k], step);
        if (!term) continue;
        if (is_sum(exe, term) && depth)
            swallow_terms(exe, readers, step, term, depth - 1);
        else if (!wn_cuda_slice_of(exe, term, &first))
            continue;
        exe->home[s->in[k]] = -1;
    }
}

static void drop_terms(struct wn_cuda_exe *exe, const int *readers)
{
    enum { DEPTH = 100 }; /* of the stack of calls, too */
    for (int i = wn_program_steps(exe->prog) - 1; i >= 0; i--) {
        const struct wn_step *s = wn_program_step(exe->prog, i);
        if (is_sum(exe, s) && exe->home[s->out[0]] >= 0) swallow_terms(exe, readers, i, s, DEPTH);
    }
}

static void count_readers(const struct wn_cuda_exe *exe, int *readers)
{
    for (int i = 0; i < wn_program_steps(exe->prog); i++) {
        const struct wn_step *s = wn_program_step(exe->prog, i);
        for (int k = 0; k < s->n_in; k++)
            if (s->in[k] != WN_NONE) readers[s->in[k]]++;
    }
}

/* A reshape that moves nothing shares the memory of what it reshapes. */
static void share_reshapes(struct wn_cuda_exe *exe)
{
    for (int i = 0; i < wn_program_steps(exe->prog); i++) {
        const struct wn_step *s = wn_program_step(exe->prog, i);
        if (s->prim != WN_PRIM_RESHAPE) continue;
        const int x = s->in[0], y = s->out[0];
        if (exe->home[x] >= 0 && wn_program_value(exe->prog, exe->home[x])->kind != WN_VALUE_CONST &&
            wn_cuda_tensor_same_memory(&exe->values[x], &exe->values[y]))
            exe->home[y] = exe->home[x];
    }
}

/* ---- a picture of few channels is padded where it lies, for the convolutions that read it ---- */

static bool readers_take_pitch(const struct wn_cuda_exe *exe, int value, int64_t pitch, bool *convolved);

/* Whether operand k of the step may be padded. What a gather makes lies as what it reads. */
static bool takes_pitch(const struct wn_cuda_exe *exe, const struct wn_step *s, int k, int64_t pitch, bool *convolved)
{
    switch (s->prim) {
    case WN_PRIM_CONV: {
        const bool takes = k == 0 && s->u.conv.groups == 1 && is_const(exe, s->in[1]);
        *convolved = *convolved || takes;
        return takes;
    }
    case WN_PRIM_GATHER: return readers_take_pitch(exe, s->out[0], pitch, convolved);
    case WN_PRIM_UNARY:
    case WN_PRIM_UNARY_BWD:
    case WN_PRIM_SECANT:
    case WN_PRIM_BINARY:
    case WN_PRIM_REDUCE:
    case WN_PRIM_CHANNEL_DOT: return true;
    default: return false;
    }
}

static bool readers_take_pitch(const struct wn_cuda_exe *exe, int value, int64_t pitch, bool *convolved)
{
    const struct wn_shape *shape = &wn_program_value(exe->prog, value)->shape;
    if (wn_shape_count(shape) / shape->dim[1] > INT32_MAX / pitch) return false; /* offsets inside a launch are ints */
    for (int i = 0; i < wn_program_steps(exe->prog); i++) {
        const struct wn_step *s = wn_program_step(exe->prog, i);
        for (int k = 0; k < s->n_in; k++)
            if (s->in[k] == value && !takes_pitch(exe, s, k, pitch, convolved)) return false;
    }
    return true;
}

/* Behind what the value is made from. Nobody writes what pads an input, which is zero from the start. */
static void pad(struct wn_cuda_exe *exe, int value)
{
    const struct wn_value *v = wn_program_value(exe->prog, value);
    struct wn_cuda_tensor *t = &exe->values[value];
    const struct wn_step *s = v->kind == WN_VALUE_STEP ? wn_program_step(exe->prog, v->step) : NULL;
    if (s && s->prim == WN_PRIM_GATHER && wn_cuda_tensor_is_padded(&exe->values[s->in[0]]))
        *t = wn_cuda_tensor_padded(&t->shape, t->type, wn_cuda_tensor_pitch(&exe->values[s->in[0]]));
    if (v->kind != WN_VALUE_INPUT || t->shape.rank != 4) return;
    const int64_t pitch = wn_cuda_pixel_pitch(t->shape.dim[1], t->type, exe->be->precision == WN_PRECISION_F32);
    bool convolved = false;
    if (pitch != t->shape.dim[1] && readers_take_pitch(exe, value, pitch, &convolved) && convolved)
        *t = wn_cuda_tensor_padded(&t->shape, t->type, pitch);
}

/* Offsets inside a launch are ints. */
static enum wn_code check_sizes(const struct wn_cuda_exe *exe, struct wn_error *err)
{
    for (int v = 0; v < wn_program_values(exe->prog); v++) {
        const struct wn_shape *s = &wn_program_value(exe->prog, v)->shape;
        int64_t count = 1;
        for (int d = 0; d < s->rank; d++)
            if (__builtin_mul_overflow(count, s->dim[d], &count) || count > INT32_MAX)
                return wn_fail(err, WN_UNSUPPORTED,
                               "a value has more than 2147483647 elements, which this backend does not index; "
                               "use a smaller batch");
    }
    return WN_OK;
}

enum wn_code wn_cuda_layout(struct wn_cuda_exe *exe, struct wn_error *err)
{
    const int n = wn_program_values(exe->prog);
    const bool lines = has_lines(exe->prog);
    bool *read_plainly = calloc((size_t)n + 1, sizeof *read_plainly);
    int *readers = calloc((size_t)n + 1, sizeof *readers);
    enum wn_code code = WN_OK;
    if (!read_plainly || !readers) code = wn_fail(err, WN_NO_MEMORY, "no memory for the layout of a program");
    if (code == WN_OK) code = check_sizes(exe, err);
    if (code != WN_OK) goto free_readers;
    for (int v = 0; v < n; v++) { /* values are numbered after what they are made from */
        const struct wn_value *value = wn_program_value(exe->prog, v);
        const bool channels_last = value->shape.rank >= 4 || (value->shape.rank == 3 && lines);
        exe->values[v] = wn_cuda_tensor_of(&value->shape, WN_CUDA_F32, channels_last);
        exe->home[v] = value->kind == WN_VALUE_STEP && value->step < 0 ? -1 : v;
        if (exe->home[v] != v) continue;
        exe->values[v].type = type_of(exe, v);
        pad(exe, v);
    }
    find_plain_readers(exe, read_plainly);
    drop_gathers(exe, read_plainly);
    count_readers(exe, readers);
    drop_between(exe, readers);
    drop_concats(exe, readers);
    drop_sums(exe, readers);
    drop_terms(exe, readers);
    drop_derivatives(exe, readers);
    join_derivatives(exe, readers);
    share_reshapes(exe);
free_readers:
    free(readers);
    free(read_plainly);
    return code;
}

enum wn_cuda_type wn_cuda_step_type(const struct wn_cuda_exe *exe, int step)
{
    const struct wn_step *s = wn_program_step(exe->prog, step);
    if (s->prim == WN_PRIM_CONV || s->prim == WN_PRIM_CONV_BWD) return exe->values[s->in[0]].type;
    const bool weight = wn_program_value(exe->prog, s->in[0])->kind == WN_VALUE_CONST ||
                        wn_program_value(exe->prog, s->in[1])->kind == WN_VALUE_CONST;
    return weight ? wn_cuda_stage_type(exe->be->precision, wn_cuda_stage_of(exe->prog, step)) : WN_CUDA_F32;
}
