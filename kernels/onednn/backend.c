/* The oneDNN backend as the rest of whynot sees it: opens the processor, compiles programs step by step, runs their
 * actions. */
#include "dnn.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- the device ---- */

#if defined(__x86_64__)

static const char *isa_name(void)
{
    static const struct {
        dnnl_cpu_isa_t isa;
        const char *name;
    } rows[] = {{dnnl_cpu_isa_avx512_core_amx, "avx512_core_amx"},
                {dnnl_cpu_isa_avx512_core_bf16, "avx512_core_bf16"},
                {dnnl_cpu_isa_avx512_core_vnni, "avx512_core_vnni"},
                {dnnl_cpu_isa_avx512_core, "avx512_core"},
                {dnnl_cpu_isa_avx2, "avx2"},
                {dnnl_cpu_isa_sse41, "sse41"}};
    int have = (int)dnnl_get_effective_cpu_isa();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if ((have & (int)rows[i].isa) == (int)rows[i].isa) return rows[i].name;
    return "generic";
}

static bool has_bf16(void)
{
    return ((int)dnnl_get_effective_cpu_isa() & (int)dnnl_cpu_isa_avx512_core) == (int)dnnl_cpu_isa_avx512_core;
}

#else

/* The same numbers of oneDNN's mean other instructions on other processors, and its header does not name those. */
static const char *isa_name(void)
{
#if defined(__aarch64__)
    return "aarch64";
#else
    return "generic";
#endif
}

static bool has_bf16(void)
{
    return false;
}

#endif

static void cpu_name(char *name, size_t size)
{
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "r");
    snprintf(name, size, "CPU");
    while (f && fgets(line, sizeof line, f)) {
        const char *colon = strncmp(line, "model name", 10) == 0 ? strchr(line, ':') : NULL;
        if (!colon) continue;
        snprintf(name, size, "%.48s", colon + 2);
        name[strcspn(name, "\n")] = 0;
        break;
    }
    if (f) fclose(f);
}

static void be_close(struct wn_backend *base)
{
    struct wn_dnn_backend *be = (struct wn_dnn_backend *)base;
    if (be->stream) dnnl_stream_destroy(be->stream);
    if (be->engine) dnnl_engine_destroy(be->engine);
    free(be);
}

extern const struct wn_backend_impl wn_backend_onednn;

static enum wn_code be_open(const struct wn_backend_options *options, struct wn_backend **out, struct wn_error *err)
{
    enum wn_precision precision = options->precision;
    bool bf16 = precision == WN_PRECISION_BF16;
    if (precision != WN_PRECISION_DEFAULT && precision != WN_PRECISION_F32 && !bf16)
        return wn_fail(err, WN_UNSUPPORTED, "the oneDNN backend computes in f32 and bf16, not in %s",
                       wn_precision_name(precision));
    if (bf16 && !has_bf16())
        return wn_fail(err, WN_UNSUPPORTED, "bf16 needs an x86 processor with AVX-512, and this one offers %s: use f32",
                       isa_name());
    if (options->device != 0) return wn_fail(err, WN_UNSUPPORTED, "the oneDNN backend has one device, number 0");
    if (options->threads < 0 || options->threads > 1024)
        return wn_fail(err, WN_BAD_REQUEST, "threads must be from 0 (one) to 1024");
    struct wn_dnn_backend *be = calloc(1, sizeof *be);
    if (!be) return wn_fail(err, WN_NO_MEMORY, "no memory for a backend");
    be->base.impl = &wn_backend_onednn;
    be->threads = options->threads ? options->threads : 1;
    be->bf16 = bf16;
    cpu_name(be->cpu, sizeof be->cpu);
    dnnl_status_t status = dnnl_engine_create(&be->engine, dnnl_cpu, 0);
    if (status == dnnl_success) status = dnnl_stream_create(&be->stream, be->engine, dnnl_stream_default_flags);
    if (status != dnnl_success) {
        be_close(&be->base);
        return wn_fail(err, status == dnnl_out_of_memory ? WN_NO_MEMORY : WN_DEVICE,
                       "oneDNN makes no CPU engine (status %d)", (int)status);
    }
    *out = &be->base;
    return WN_OK;
}

static void be_traits(const struct wn_backend *base, struct wn_backend_traits *out)
{
    const struct wn_dnn_backend *be = (const struct wn_dnn_backend *)base;
    memset(out, 0, sizeof *out);
    out->precision = be->bf16 ? "bf16" : "f32";
    out->images = out->rows = 1; /* a core is as fast with one picture as with eight */
    out->shared_bytes = wn_dnn_weight_bytes(be);
    out->device_bytes = out->shared_bytes + be->arena_bytes;
    snprintf(out->device_name, sizeof out->device_name, "%s, %s, %s, %d thread%s", be->cpu, isa_name(),
             be->bf16 ? "bf16" : "f32", be->threads, be->threads == 1 ? "" : "s");
}

/* ---- compile ---- */

/* A primitive without a row is not supported: the one place that says so. */
static wn_dnn_maker *const makers[WN_PRIM_COUNT] = {
    /* clang-format off */
    [WN_PRIM_CONV] = wn_dnn_conv,
    [WN_PRIM_CONV_BWD] = wn_dnn_conv_bwd,
    [WN_PRIM_MAXPOOL] = wn_dnn_maxpool,
    [WN_PRIM_MAXPOOL_BWD] = wn_dnn_maxpool_bwd,
    [WN_PRIM_AVGPOOL] = wn_dnn_avgpool,
    [WN_PRIM_AVGPOOL_BWD] = wn_dnn_avgpool_bwd,
    [WN_PRIM_MATMUL] = wn_dnn_matmul,
    [WN_PRIM_UNARY] = wn_dnn_unary,
    [WN_PRIM_UNARY_BWD] = wn_dnn_unary_bwd,
    [WN_PRIM_SECANT] = wn_dnn_secant,
    [WN_PRIM_BINARY] = wn_dnn_binary,
    [WN_PRIM_REDUCE] = wn_dnn_reduce,
    [WN_PRIM_COPY] = wn_dnn_copy,
    [WN_PRIM_RESHAPE] = wn_dnn_reshape,
    [WN_PRIM_CONCAT] = wn_dnn_concat,
    [WN_PRIM_AXIS_MAP] = wn_dnn_axis_map,
    [WN_PRIM_GATHER] = wn_dnn_gather,
    [WN_PRIM_CHANNEL_DOT] = wn_dnn_channel_dot,
    /* clang-format on */
};

static void exe_release(struct wn_exe *base)
{
    struct wn_dnn_exe *e = (struct wn_dnn_exe *)base;
    if (!e) return;
    for (int i = 0; i < e->n_actions; i++) {
        struct wn_dnn_action *a = &e->actions[i];
        for (int k = 0; a->args && k < a->n; k++)
            if (a->args[k].memory) dnnl_memory_destroy(a->args[k].memory);
        if (a->prim) dnnl_primitive_destroy(a->prim);
    }
    struct wn_dnn_exe **at = &e->be->exes;
    while (*at != e) at = &(*at)->next;
    *at = e->next;
    for (int i = 0; i < e->n_held; i++) wn_dnn_weight_drop(e->held[i]);
    for (int i = 0; i < e->n_blocks; i++) free(e->blocks[i]);
    if (e->arena) {
        e->be->arena_bytes -= e->arena_bytes;
        free(e->arena);
    }
    free(e->held);
    free(e->blocks);
    free(e->actions);
    free(e->buffers);
    free(e->values);
    free(e->stage_end);
    free(e);
}

/* Inputs have their buffers from the start: the host writes them before any stage runs. */
static void make_leaves(struct wn_dnn_exe *e)
{
    for (int i = 0; i < wn_program_values(e->prog); i++) {
        const struct wn_value *v = wn_program_value(e->prog, i);
        if (v->kind == WN_VALUE_INPUT) wn_dnn_give(e, i, WN_DNN_F32);
        if (v->kind == WN_VALUE_CONST && v->readable) wn_dnn_want(e, i, WN_DNN_F32);
    }
}

static void make_stage(struct wn_dnn_exe *e, struct wn_stage range)
{
    for (e->step = range.begin; e->step < range.end && !e->err.code; e->step++) {
        const struct wn_step *s = wn_program_step(e->prog, e->step);
        int together = wn_dnn_affine_chain(e, e->step, range.end);
        if (!together) together = wn_dnn_product_chain(e, e->step, range.end);
        if (together) {
            e->step += together - 1;
            continue;
        }
        if (!makers[s->prim])
            wn_fail(&e->err, WN_UNSUPPORTED, "the oneDNN backend cannot run '%s'", wn_prim_name(s->prim));
        else
            makers[s->prim](e, s);
    }
}

static enum wn_code make_stages(struct wn_dnn_exe *e)
{
    int n = wn_program_stages(e->prog);
    e->stage_end = calloc((size_t)n + 1, sizeof *e->stage_end);
    if (!e->stage_end) return wn_fail(&e->err, WN_NO_MEMORY, "no memory to compile a program");
    make_leaves(e);
    for (e->stage = 0; e->stage < n && !e->err.code; e->stage++) {
        make_stage(e, wn_program_stage(e->prog, e->stage));
        e->stage_end[e->stage] = e->n_actions;
    }
    return e->err.code;
}

/* Gives every action the addresses of its buffers. */
static enum wn_code bind(struct wn_dnn_exe *e)
{
    e->arena = aligned_alloc(64, e->arena_bytes + 64);
    if (!e->arena) return wn_fail(&e->err, WN_NO_MEMORY, "no memory for an arena of %zu bytes", e->arena_bytes);
    e->be->arena_bytes += e->arena_bytes;
    memset(e->arena, 0, e->arena_bytes + 64); /* touched now, so that the first run is as fast as the next */
    for (int i = 0; i < e->n_actions; i++) {
        struct wn_dnn_action *a = &e->actions[i];
        for (int k = 0; k < a->n; k++) {
            const struct wn_dnn_buffer *b = a->buffers[k] >= 0 ? &e->buffers[a->buffers[k]] : NULL;
            a->p[k] = !b ? NULL : b->pinned ? b->pinned : e->arena + b->offset;
            if (a->args) wn_dnn_fail(e, dnnl_memory_set_data_handle(a->args[k].memory, a->p[k]), "an address");
        }
    }
    return e->err.code;
}

static enum wn_code be_compile(struct wn_backend *base, const struct wn_program *prog, struct wn_exe **out,
                               struct wn_error *err)
{
    struct wn_dnn_backend *be = (struct wn_dnn_backend *)base;
    enum wn_code code = wn_program_error(prog, err);
    if (code != WN_OK) return code;
    struct wn_dnn_exe *e = calloc(1, sizeof *e);
    if (!e) return wn_fail(err, WN_NO_MEMORY, "no memory to compile a program");
    *e = (struct wn_dnn_exe){.base.backend = base, .be = be, .prog = prog, .scratch = -1, .next = be->exes};
    be->exes = e;
    omp_set_num_threads(be->threads);
    code = wn_dnn_plan_values(e);
    if (code == WN_OK) code = make_stages(e);
    if (code == WN_OK) code = wn_dnn_plan_arena(e);
    if (code == WN_OK) code = bind(e);
    if (code == WN_OK)
        *out = &e->base;
    else {
        wn_fail(err, code, "%s", e->err.text);
        exe_release(&e->base);
    }
    return code;
}

/* ---- run ---- */

static bool exists(const struct wn_dnn_exe *e, int value)
{
    return value >= 0 && value < wn_program_values(e->prog);
}

static void *address(const struct wn_dnn_exe *e, int value)
{
    const struct wn_dnn_value *v = &e->values[e->values[value].root];
    const struct wn_dnn_buffer *b = v->buffer[v->t.type] >= 0 ? &e->buffers[v->buffer[v->t.type]] : NULL;
    return !b ? NULL : b->pinned ? b->pinned : e->arena + b->offset;
}

/* Between the host's row-major f32 and the value as it lies. */
static void transfer(const struct wn_dnn_tensor *t, void *lying, void *host, bool to_host)
{
    struct wn_dnn_copy c = {.nest.rank = t->rank};
    int64_t stride = 1;
    int in = to_host, out = !to_host;
    for (int d = t->rank - 1; d >= 0; d--) {
        c.nest.extent[d] = t->dim[d];
        c.nest.stride[in][d] = t->stride[d];
        c.nest.stride[out][d] = stride;
        stride *= t->dim[d];
    }
    c.y = to_host ? WN_DNN_F32 : t->type;
    c.x = to_host ? t->type : WN_DNN_F32;
    wn_dnn_nest_tidy(&c.nest);
    wn_dnn_loop_copy(&c, to_host ? (void *[]){host, lying} : (void *[]){lying, host});
}

static enum wn_code exe_write(struct wn_exe *base, int value, const float *src, struct wn_error *err)
{
    struct wn_dnn_exe *e = (struct wn_dnn_exe *)base;
    if (!exists(e, value) || wn_program_value(e->prog, value)->kind != WN_VALUE_INPUT)
        return wn_fail(err, WN_INTERNAL, "value %d is written but is no input", value);
    void *to = address(e, value);
    transfer(&e->values[value].t, to, (void *)src, false);
    return WN_OK;
}

static enum wn_code run_action(const struct wn_dnn_exe *e, const struct wn_dnn_action *a, struct wn_error *err)
{
    if (a->loop) return a->loop(a->spec, a->p), WN_OK;
    dnnl_status_t status = dnnl_primitive_execute(a->prim, e->be->stream, a->n, a->args);
    if (status == dnnl_success) return WN_OK;
    return wn_fail(err, status == dnnl_out_of_memory ? WN_NO_MEMORY : WN_DEVICE, "oneDNN fails with status %d",
                   (int)status);
}

/* The first action of the stage, which must be one. */
static enum wn_code begin_stage(const struct wn_dnn_exe *e, int stage, int *first, struct wn_error *err)
{
    *first = 0;
    if (stage < 0 || stage >= wn_program_stages(e->prog))
        return wn_fail(err, WN_INTERNAL, "there is no stage %d", stage);
    omp_set_num_threads(e->be->threads); /* of the thread that runs, which need not be the one that compiled */
    if (stage) *first = e->stage_end[stage - 1];
    return WN_OK;
}

static enum wn_code exe_run(struct wn_exe *base, int stage, struct wn_error *err)
{
    struct wn_dnn_exe *e = (struct wn_dnn_exe *)base;
    int i;
    enum wn_code code = begin_stage(e, stage, &i, err);
    for (; code == WN_OK && i < e->stage_end[stage]; i++) code = run_action(e, &e->actions[i], err);
    return code;
}

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* What it says of a step is not part of the next one's time. Bytes are not counted: half of what is moved here never
 * leaves a cache. */
static enum wn_code exe_profile(struct wn_exe *base, int stage, const struct wn_profiler *profiler,
                                struct wn_error *err)
{
    struct wn_dnn_exe *e = (struct wn_dnn_exe *)base;
    int i;
    enum wn_code code = begin_stage(e, stage, &i, err);
    while (code == WN_OK && i < e->stage_end[stage]) {
        struct wn_step_cost cost = {.program = e->prog, .stage = stage, .step = e->actions[i].step, .bytes = -1};
        const double start = now_ms();
        for (; code == WN_OK && i < e->stage_end[stage] && e->actions[i].step == cost.step; i++, cost.launches++)
            code = run_action(e, &e->actions[i], err);
        cost.ms = now_ms() - start;
        if (code == WN_OK) profiler->say(profiler->arg, &cost);
    }
    return code;
}

static enum wn_code exe_read(struct wn_exe *base, int value, float *dst, struct wn_error *err)
{
    struct wn_dnn_exe *e = (struct wn_dnn_exe *)base;
    void *from = exists(e, value) && wn_program_value(e->prog, value)->readable ? address(e, value) : NULL;
    if (!from) return wn_fail(err, WN_INTERNAL, "value %d is read but is no output", value);
    struct wn_dnn_tensor t = wn_dnn_tensor_of(e, value, wn_dnn_type_of(e, value));
    transfer(&t, from, dst, true);
    return WN_OK;
}

static void be_diagnose(void (*say)(void *arg, const struct wn_finding *finding), void *arg)
{
    const dnnl_version_t *v = dnnl_version();
    char text[64];
    snprintf(text, sizeof text, "%d.%d.%d", v->major, v->minor, v->patch);
    say(arg, &(struct wn_finding){"oneDNN", text, NULL});
    snprintf(text, sizeof text, "%s%s", isa_name(), has_bf16() ? ", bf16" : "");
    say(arg,
        &(struct wn_finding){
            "oneDNN's instructions", text,
            strcmp(isa_name(), "sse41") == 0 || strcmp(isa_name(), "generic") == 0
                ? "without AVX2 answers take several times as long; unset ONEDNN_MAX_CPU_ISA, or use a newer processor"
                : NULL});
}

const struct wn_backend_impl wn_backend_onednn = {
    .name = "onednn",
    .summary = "x86-64 and Arm processors through oneDNN, in f32 or bf16",
    .open = be_open,
    .close = be_close,
    .traits = be_traits,
    .compile = be_compile,
    .release = exe_release,
    .write = exe_write,
    .run = exe_run,
    .read = exe_read,
    .profile = exe_profile,
    .diagnose = be_diagnose,
};
