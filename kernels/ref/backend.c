/* The ref backend: plain loops in double precision, the oracle that every other backend is judged against.
 *
 * Made to be read, not to be fast: every value of a program has its own place for the life of the executable, and a
 * step is one call. Constants are widened once and shared by the executables that use them. */
#include "ref.h"

#include <stdlib.h>
#include <string.h>

/* A widened constant: lives while an executable uses it. */
struct weight {
    struct weight *next;
    const struct wn_weight *source;
    double *data;
    int uses;
};

struct ref_backend {
    struct wn_backend base;
    struct weight *weights;
    size_t bytes; /* held by weights and arenas */
};

struct ref_step {
    const struct wn_step *step;
    wn_ref_runner *run;
    struct wn_ref_tensor *in, out[2];
};

struct ref_exe {
    struct wn_exe base;
    const struct wn_program *program;
    struct ref_step *steps;
    struct wn_ref_tensor *operands; /* the in[] of all steps, one after another */
    struct wn_ref_tensor *values;   /* data NULL: no step makes or reads it */
    struct weight **weights;        /* by value number; NULL: not a constant, or not used */
    double *arena;
    size_t arena_bytes;
};

/* operands: how many the runner looks at; a step may leave optional ones off the end of its list. */
static const struct {
    wn_ref_runner *run;
    int operands;
} rows[WN_PRIM_COUNT] = {
    /* clang-format off */
    [WN_PRIM_CONV] = {wn_ref_conv, 4},
    [WN_PRIM_CONV_BWD] = {wn_ref_conv_bwd, 3},
    [WN_PRIM_MAXPOOL] = {wn_ref_maxpool, 1},
    [WN_PRIM_MAXPOOL_BWD] = {wn_ref_maxpool_bwd, 2},
    [WN_PRIM_AVGPOOL] = {wn_ref_avgpool, 1},
    [WN_PRIM_AVGPOOL_BWD] = {wn_ref_avgpool_bwd, 1},
    [WN_PRIM_MATMUL] = {wn_ref_matmul, 3},
    [WN_PRIM_UNARY] = {wn_ref_unary, 1},
    [WN_PRIM_UNARY_BWD] = {wn_ref_unary_bwd, 2},
    [WN_PRIM_SECANT] = {wn_ref_secant, 3},
    [WN_PRIM_BINARY] = {wn_ref_binary, 2},
    [WN_PRIM_REDUCE] = {wn_ref_reduce, 1},
    [WN_PRIM_COPY] = {wn_ref_copy, 1},
    [WN_PRIM_RESHAPE] = {wn_ref_reshape, 1},
    [WN_PRIM_CONCAT] = {wn_ref_concat, 1},
    [WN_PRIM_AXIS_MAP] = {wn_ref_axis_map, 1},
    [WN_PRIM_GATHER] = {wn_ref_gather, 2},
    [WN_PRIM_CHANNEL_DOT] = {wn_ref_channel_dot, 2},
    /* clang-format on */
};

static size_t operand_slots(const struct wn_step *step)
{
    int least = rows[step->prim].operands; /* analyzer: the caller has a step */
    return (size_t)(step->n_in > least ? step->n_in : least);
}

/* ---- opening ---- */

static enum wn_code ref_open(const struct wn_backend_options *options, struct wn_backend **out, struct wn_error *err)
{
    if (options->device != 0) return wn_fail(err, WN_UNSUPPORTED, "ref has device 0 only, not %d", options->device);
    if (options->precision != WN_PRECISION_DEFAULT && options->precision != WN_PRECISION_F32)
        return wn_fail(err, WN_UNSUPPORTED, "ref computes in f64 and has no %s; ask for f32",
                       wn_precision_name(options->precision));
    struct ref_backend *be = calloc(1, sizeof *be);
    if (!be) return wn_fail(err, WN_NO_MEMORY, "no memory to open the backend");
    be->base.impl = &wn_backend_ref;
    *out = &be->base;
    return WN_OK;
}

static void ref_close(struct wn_backend *base)
{
    free(base);
}

static void ref_traits(const struct wn_backend *base, struct wn_backend_traits *out)
{
    const struct ref_backend *be = (const struct ref_backend *)base;
    *out = (struct wn_backend_traits){.images = 1, .rows = 1, .device_bytes = be->bytes, .precision = "f64"};
    strcpy(out->device_name, "plain loops, f64, 1 thread");
}

/* ---- constants ---- */

static void weight_drop(struct ref_backend *be, struct weight *w)
{
    if (!w || --w->uses > 0) return;
    struct weight **at = &be->weights;
    while (*at != w) at = &(*at)->next;
    *at = w->next;
    be->bytes -= (size_t)wn_shape_count(&w->source->shape) * sizeof *w->data;
    free(w->data);
    free(w);
}

/* NULL: no memory. */
static struct weight *weight_take(struct ref_backend *be, const struct wn_weight *source)
{
    for (struct weight *w = be->weights; w; w = w->next)
        if (w->source == source) return w->uses++, w;
    size_t n = (size_t)wn_shape_count(&source->shape);
    struct weight *w = calloc(1, sizeof *w);
    double *data = calloc(n ? n : 1, sizeof *data);
    if (!w || !data) return free(w), free(data), NULL;
    for (size_t i = 0; i < n; i++) data[i] = source->data[i];
    *w = (struct weight){.next = be->weights, .source = source, .data = data, .uses = 1};
    be->weights = w;
    be->bytes += n * sizeof *data;
    return w;
}

/* ---- compiling ---- */

static void ref_release(struct wn_exe *base)
{
    if (!base) return;
    struct ref_exe *exe = (struct ref_exe *)base;
    struct ref_backend *be = (struct ref_backend *)base->backend;
    for (int v = 0; exe->weights && v < wn_program_values(exe->program); v++) weight_drop(be, exe->weights[v]);
    be->bytes -= exe->arena_bytes;
    free(exe->arena);
    free(exe->weights);
    free(exe->values);
    free(exe->operands);
    free(exe->steps);
    free(exe);
}

static enum wn_code find_runners(struct ref_exe *exe, size_t *n_operands, struct wn_error *err)
{
    for (int i = 0; i < wn_program_steps(exe->program); i++) {
        const struct wn_step *step = wn_program_step(exe->program, i);
        exe->steps[i] = (struct ref_step){.step = step, .run = rows[step->prim].run};
        if (!exe->steps[i].run)
            return wn_fail(err, WN_UNSUPPORTED, "ref has no primitive %s", wn_prim_name(step->prim));
        *n_operands += operand_slots(step);
    }
    return WN_OK;
}

/* Values that need a place: inputs, and what a step makes or reads, or the host reads. */
static void mark_used(const struct wn_program *p, bool *used)
{
    for (int v = 0; v < wn_program_values(p); v++) {
        const struct wn_value *value = wn_program_value(p, v);
        used[v] = value->kind == WN_VALUE_INPUT || value->readable;
    }
    for (int i = 0; i < wn_program_steps(p); i++) {
        const struct wn_step *step = wn_program_step(p, i);
        for (int j = 0; j < step->n_in; j++)
            if (step->in[j] >= 0) used[step->in[j]] = true;
        for (int j = 0; j < step->n_out; j++)
            if (step->out[j] >= 0) used[step->out[j]] = true;
    }
}

/* Adds the elements of every used value that is no constant; false where that overflows. */
static bool measure(const struct wn_program *p, const bool *used, size_t *elements)
{
    *elements = 1; /* so that a program without values has an arena too */
    for (int v = 0; v < wn_program_values(p); v++) {
        const struct wn_value *value = wn_program_value(p, v);
        if (!used[v] || value->kind == WN_VALUE_CONST) continue;
        int64_t count = 1;
        for (int d = 0; d < value->shape.rank; d++)
            if (__builtin_mul_overflow(count, value->shape.dim[d], &count)) return false;
        if (__builtin_add_overflow(*elements, (size_t)count, elements)) return false;
    }
    return !__builtin_mul_overflow(*elements, sizeof(double), &(size_t){0});
}

static enum wn_code place_values(struct ref_exe *exe, const bool *used, struct wn_error *err)
{
    struct ref_backend *be = (struct ref_backend *)exe->base.backend;
    const struct wn_program *p = exe->program;
    size_t elements, at = 0;
    if (!measure(p, used, &elements)) return wn_fail(err, WN_NO_MEMORY, "the program's values do not fit in memory");
    exe->arena = calloc(elements, sizeof *exe->arena);
    if (!exe->arena) return wn_fail(err, WN_NO_MEMORY, "no memory for %zu values of a program", elements);
    be->bytes += exe->arena_bytes = elements * sizeof *exe->arena;
    for (int v = 0; v < wn_program_values(p); v++) {
        const struct wn_value *value = wn_program_value(p, v);
        exe->values[v].shape = value->shape;
        if (!used[v]) continue;
        if (value->kind == WN_VALUE_CONST) {
            exe->weights[v] = weight_take(be, value->weight);
            if (!exe->weights[v]) return wn_fail(err, WN_NO_MEMORY, "no memory for a weight");
            exe->values[v].data = exe->weights[v]->data;
        } else {
            exe->values[v].data = exe->arena + at;
            at += (size_t)wn_shape_count(&value->shape);
        }
    }
    return WN_OK;
}

static void bind_operands(struct ref_exe *exe)
{
    struct wn_ref_tensor *next = exe->operands;
    for (int i = 0; i < wn_program_steps(exe->program); i++) {
        struct ref_step *s = &exe->steps[i];
        s->in = next;
        next += operand_slots(s->step);
        for (int j = 0; j < s->step->n_in; j++)
            if (s->step->in[j] >= 0) s->in[j] = exe->values[s->step->in[j]];
        for (int j = 0; j < s->step->n_out; j++)
            if (s->step->out[j] >= 0) s->out[j] = exe->values[s->step->out[j]];
    }
}

static enum wn_code build(struct ref_exe *exe, struct wn_error *err)
{
    size_t n_values = (size_t)wn_program_values(exe->program), n_steps = (size_t)wn_program_steps(exe->program);
    size_t n_operands = 0;
    enum wn_code code;
    bool *used = calloc(n_values + 1, sizeof *used);
    exe->values = calloc(n_values + 1, sizeof *exe->values);
    exe->weights = calloc(n_values + 1, sizeof *exe->weights);
    exe->steps = calloc(n_steps + 1, sizeof *exe->steps);
    if (!used || !exe->values || !exe->weights || !exe->steps) goto no_memory;
    code = find_runners(exe, &n_operands, err);
    if (code != WN_OK) goto free_used;
    exe->operands = calloc(n_operands + 1, sizeof *exe->operands);
    if (!exe->operands) goto no_memory;
    mark_used(exe->program, used);
    code = place_values(exe, used, err);
    if (code == WN_OK) bind_operands(exe);
free_used:
    free(used);
    return code;
no_memory:
    free(used);
    return wn_fail(err, WN_NO_MEMORY, "no memory for a program of %zu steps", n_steps);
}

static enum wn_code ref_compile(struct wn_backend *be, const struct wn_program *prog, struct wn_exe **out,
                                struct wn_error *err)
{
    enum wn_code code = wn_program_error(prog, err);
    if (code != WN_OK) return code;
    struct ref_exe *exe = calloc(1, sizeof *exe);
    if (!exe) return wn_fail(err, WN_NO_MEMORY, "no memory for an executable");
    exe->base.backend = be;
    exe->program = prog;
    code = build(exe, err);
    if (code == WN_OK)
        *out = &exe->base;
    else
        ref_release(&exe->base);
    return code;
}

/* ---- running ---- */

static enum wn_code ref_run(struct wn_exe *base, int stage, struct wn_error *err)
{
    struct ref_exe *exe = (struct ref_exe *)base;
    if (stage < 0 || stage >= wn_program_stages(exe->program))
        return wn_fail(err, WN_INTERNAL, "there is no stage %d; the program has %d", stage,
                       wn_program_stages(exe->program));
    struct wn_stage range = wn_program_stage(exe->program, stage);
    for (int i = range.begin; i < range.end; i++) {
        struct ref_step *s = &exe->steps[i];
        enum wn_code code = s->run(s->step, s->in, s->out, err);
        if (code != WN_OK) return code;
    }
    return WN_OK;
}

/* The place of a value, or NULL with err filled where there is none. */
static struct wn_ref_tensor *place_of(struct wn_exe *base, int value, struct wn_error *err)
{
    struct ref_exe *exe = (struct ref_exe *)base;
    if (value >= 0 && value < wn_program_values(exe->program) && exe->values[value].data) return &exe->values[value];
    wn_fail(err, WN_INTERNAL, "value %d has no place in this executable", value);
    return NULL;
}

static enum wn_code ref_write(struct wn_exe *base, int value, const float *src, struct wn_error *err)
{
    struct wn_ref_tensor *t = place_of(base, value, err);
    if (!t) return WN_INTERNAL;
    if (wn_program_value(((struct ref_exe *)base)->program, value)->kind != WN_VALUE_INPUT)
        return wn_fail(err, WN_INTERNAL, "value %d is not an input and cannot be written", value);
    int64_t n = wn_shape_count(&t->shape);
    for (int64_t i = 0; i < n; i++) t->data[i] = src[i];
    return WN_OK;
}

static enum wn_code ref_read(struct wn_exe *base, int value, float *dst, struct wn_error *err)
{
    struct wn_ref_tensor *t = place_of(base, value, err);
    if (!t) return WN_INTERNAL;
    if (!wn_program_value(((struct ref_exe *)base)->program, value)->readable)
        return wn_fail(err, WN_INTERNAL, "value %d was not marked with wn_program_output", value);
    int64_t n = wn_shape_count(&t->shape);
    for (int64_t i = 0; i < n; i++) dst[i] = (float)t->data[i];
    return WN_OK;
}

enum wn_code wn_ref_write_double(struct wn_exe *base, int value, const double *src, struct wn_error *err)
{
    struct wn_ref_tensor *t = place_of(base, value, err);
    if (!t) return WN_INTERNAL;
    if (((struct ref_exe *)base)->weights[value])
        return wn_fail(err, WN_INTERNAL, "value %d is a constant that others share", value);
    memcpy(t->data, src, (size_t)wn_shape_count(&t->shape) * sizeof *src);
    return WN_OK;
}

enum wn_code wn_ref_read_double(struct wn_exe *base, int value, double *dst, struct wn_error *err)
{
    struct wn_ref_tensor *t = place_of(base, value, err);
    if (!t) return WN_INTERNAL;
    memcpy(dst, t->data, (size_t)wn_shape_count(&t->shape) * sizeof *dst);
    return WN_OK;
}

const struct wn_backend_impl wn_backend_ref = {
    .name = "ref",
    .summary = "plain loops in double precision; slow, and right",
    .open = ref_open,
    .close = ref_close,
    .traits = ref_traits,
    .compile = ref_compile,
    .release = ref_release,
    .write = ref_write,
    .run = ref_run,
    .read = ref_read,
};
