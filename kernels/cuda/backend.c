/* The CUDA backend's rows: open, compile, run. Compiling walks the program's steps through the table of makers;
 * knows no vendor call, only jobs, and that a primitive without a maker is not supported. */
#include "exe.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "fault.h"
#include "ranges.h"

static wn_cuda_maker *const makers[WN_PRIM_COUNT] = {
    /* clang-format off */
    [WN_PRIM_CONV] = wn_cuda_make_conv,
    [WN_PRIM_CONV_BWD] = wn_cuda_make_conv_bwd,
    [WN_PRIM_MAXPOOL] = wn_cuda_make_maxpool,
    [WN_PRIM_MAXPOOL_BWD] = wn_cuda_make_maxpool_bwd,
    [WN_PRIM_AVGPOOL] = wn_cuda_make_avgpool,
    [WN_PRIM_AVGPOOL_BWD] = wn_cuda_make_avgpool_bwd,
    [WN_PRIM_MATMUL] = wn_cuda_make_matmul,
    [WN_PRIM_UNARY] = wn_cuda_make_unary,
    [WN_PRIM_UNARY_BWD] = wn_cuda_make_unary_bwd,
    [WN_PRIM_SECANT] = wn_cuda_make_secant,
    [WN_PRIM_BINARY] = wn_cuda_make_binary,
    [WN_PRIM_REDUCE] = wn_cuda_make_reduce,
    [WN_PRIM_COPY] = wn_cuda_make_copy,
    [WN_PRIM_RESHAPE] = wn_cuda_make_reshape,
    [WN_PRIM_CONCAT] = wn_cuda_make_concat,
    [WN_PRIM_AXIS_MAP] = wn_cuda_make_axis_map,
    [WN_PRIM_GATHER] = wn_cuda_make_gather,
    [WN_PRIM_CHANNEL_DOT] = wn_cuda_make_channel_dot,
    /* clang-format on */
};

/* ---- open ---- */

static void cuda_close(struct wn_backend *base)
{
    struct wn_cuda_backend *be = (struct wn_cuda_backend *)base;
    if (be->stream) wn_cuda_device_use(be, NULL);
    wn_cuda_clock_close(be);
    wn_cuda_staging_close(be, &be->drawing);
    wn_cuda_staging_close(be, &be->foils);
    wn_cuda_staging_close(be, &be->preparing);
    wn_cuda_staging_close(be, &be->seeding);
    wn_cuda_staging_close(be, &be->hiding);
    wn_cuda_plans_close(be);
    wn_cuda_libraries_close(be);
    wn_cuda_device_close(be);
    free(be->weights);
    free(be);
}

static enum wn_code cuda_open(const struct wn_backend_options *options, struct wn_backend **out, struct wn_error *err)
{
    struct wn_cuda_backend *be = calloc(1, sizeof *be);
    if (!be) return wn_fail(err, WN_NO_MEMORY, "no memory for a backend");
    be->base.impl = &wn_backend_cuda;
    enum wn_code code = wn_cuda_device_open(be, options, err);
    if (code == WN_OK) wn_cuda_kept_open(be, options);
    if (code == WN_OK) code = wn_cuda_libraries_open(be, err);
    if (code == WN_OK) code = wn_cuda_draw_open(be, err);
    if (code == WN_OK) code = wn_cuda_preparing_open(be, err);
    if (code == WN_OK) code = wn_cuda_seeding_open(be, err);
    if (code == WN_OK)
        *out = &be->base;
    else
        cuda_close(&be->base);
    return code;
}

/* While one engine's batch is computed, the other's goes there, comes back, or is drawn: each has a stream and
 * pinned memory of its own. */
enum { ENGINES = 2 };

static void cuda_traits(const struct wn_backend *base, struct wn_backend_traits *out)
{
    const struct wn_cuda_backend *be = (const struct wn_cuda_backend *)base;
    *out = (struct wn_backend_traits){.images = 32,
                                      .rows = 128,
                                      .device_bytes = be->bytes + be->weight_bytes,
                                      .shared_bytes = be->weight_bytes,
                                      .draws = WN_CUDA_HEATMAP_PIXELS,
                                      .prepares = WN_CUDA_PICTURE_BYTES,
                                      .devices = be->devices,
                                      .engines = ENGINES,
                                      .stages = be->stages,
                                      .captured = be->captured,
                                      .precision = wn_precision_name(be->precision)};
    memcpy(out->walked, be->walked, sizeof out->walked);
    if ((out->plain = be->plain)) memcpy(out->refused, be->refused, sizeof out->refused);
    memcpy(out->device_name, be->device_name, sizeof out->device_name);
}

/* ---- jobs and what they stand on ---- */

enum wn_code wn_cuda_job_add(struct wn_cuda_exe *exe, const struct wn_cuda_job *job, struct wn_error *err)
{
    if (!wn_cuda_grow(&exe->jobs, exe->n_jobs, &exe->cap_jobs, sizeof *exe->jobs))
        return wn_fail(err, WN_NO_MEMORY, "no memory for the jobs of a program");
    exe->jobs[exe->n_jobs++] = *job;
    return WN_OK;
}

struct wn_cuda_job *wn_cuda_job_new(struct wn_cuda_exe *exe, const char *name,
                                    enum wn_code (*run)(struct wn_cuda_exe *, const struct wn_cuda_job *,
                                                        struct wn_error *),
                                    struct wn_error *err)
{
    const struct wn_cuda_job job = {.run = run, .name = name};
    return wn_cuda_job_add(exe, &job, err) == WN_OK ? &exe->jobs[exe->n_jobs - 1] : NULL;
}

/* As it lies in t. */
static enum wn_code laid(struct wn_cuda_exe *exe, int value, const struct wn_cuda_tensor *t, struct wn_cuda_tensor *out,
                         struct wn_error *err)
{
    struct wn_cuda_weight *w;
    if (!wn_cuda_grow(&exe->held, exe->n_held, &exe->cap_held, sizeof *exe->held))
        return wn_fail(err, WN_NO_MEMORY, "no memory for the weights of a program");
    enum wn_code code = wn_cuda_weight_take(exe->be, wn_program_value(exe->prog, value)->weight, t, &w, err);
    if (code != WN_OK) return code;
    exe->held[exe->n_held++] = w;
    *out = *wn_cuda_weight_tensor(w);
    return WN_OK;
}

static enum wn_code constant(struct wn_cuda_exe *exe, int value, enum wn_cuda_type type, struct wn_cuda_tensor *out,
                             struct wn_error *err)
{
    const struct wn_cuda_tensor t =
        wn_cuda_tensor_of(&exe->values[value].shape, type, exe->values[value].channels_last);
    return laid(exe, value, &t, out, err);
}

enum wn_code wn_cuda_filter(struct wn_cuda_exe *exe, int value, enum wn_cuda_type type, int64_t pitch,
                            struct wn_cuda_tensor *out, struct wn_error *err)
{
    const struct wn_cuda_tensor t = wn_cuda_tensor_padded(&exe->values[value].shape, type, pitch);
    enum wn_code code = laid(exe, value, &t, out, err);
    if (code == WN_OK) *out = wn_cuda_tensor_whole(out);
    return code;
}

enum wn_code wn_cuda_value(struct wn_cuda_exe *exe, int value, struct wn_cuda_tensor *out, struct wn_error *err)
{
    if (wn_program_value(exe->prog, value)->kind == WN_VALUE_CONST) return constant(exe, value, WN_CUDA_F32, out, err);
    *out = exe->values[value];
    return WN_OK;
}

enum wn_code wn_cuda_operand(struct wn_cuda_exe *exe, int value, enum wn_cuda_type type, struct wn_cuda_tensor *out,
                             struct wn_error *err)
{
    if (wn_program_value(exe->prog, value)->kind == WN_VALUE_CONST) return constant(exe, value, type, out, err);
    const struct wn_cuda_tensor *t = &exe->values[value];
    if (t->type == type) return *out = *t, WN_OK;
    enum wn_code code = wn_cuda_scratch(exe, t, type, out, err);
    return code == WN_OK ? wn_cuda_job_convert(exe, t, out, err) : code;
}

/* ---- compile ---- */

static void count_stages(const struct wn_cuda_exe *exe, int by)
{
    for (int i = 0; i < wn_program_stages(exe->prog); i++) {
        if (exe->stages[i].begin == exe->stages[i].end) continue;
        exe->be->stages += by;
        if (exe->stages[i].graph) exe->be->captured += by;
    }
}

static void cuda_release(struct wn_exe *base)
{
    struct wn_cuda_exe *exe = (struct wn_cuda_exe *)base;
    wn_cuda_device_use(exe->be, NULL);
    if (exe->warm) count_stages(exe, -1);
    wn_cuda_libraries_leave(exe->be);
    wn_cuda_stream_close(exe);
    for (int i = 0; exe->stages && i < wn_program_stages(exe->prog); i++) wn_cuda_graph_destroy(&exe->stages[i]);
    for (int i = 0; exe->ports && i < wn_program_values(exe->prog); i++) wn_cuda_port_close(&exe->ports[i]);
    for (int i = 0; i < exe->n_held; i++) wn_cuda_weight_give(exe->be, exe->held[i]);
    for (int i = 0; i < exe->n_jobs; i++)
        if (exe->jobs[i].run == wn_cuda_run_plan) wn_cuda_plan_unbind(&exe->jobs[i]);
    wn_cuda_plans_give(exe);
    for (int i = 0; i < exe->n_gemms; i++) wn_cuda_gemm_destroy(exe->gemms[i]);
    for (int i = 0; i < exe->n_tables; i++) wn_cuda_free(exe->be, exe->tables[i].memory, exe->tables[i].bytes);
    wn_cuda_free(exe->be, exe->arena, exe->arena_bytes);
    wn_cuda_free(exe->be, exe->workspace, exe->workspace_bytes);
    wn_cuda_trials_end(exe);
    free(exe->values), free(exe->home), free(exe->ports), free(exe->stages), free(exe->first), free(exe->held),
        free(exe->jobs);
    free(exe->gemms), free(exe->tables), free(exe);
}

static enum wn_code make_stage(struct wn_cuda_exe *exe, int stage, struct wn_error *err)
{
    const struct wn_stage range = wn_program_stage(exe->prog, stage);
    exe->stages[stage].begin = exe->n_jobs;
    for (int i = range.begin; i < range.end; i++) {
        const enum wn_prim prim = wn_program_step(exe->prog, i)->prim;
        if (!makers[prim])
            return wn_fail(err, WN_UNSUPPORTED, "the cuda backend has no '%s'; use another backend",
                           wn_prim_name(prim));
        exe->scratch_used = 0;
        exe->first[i] = exe->n_jobs;
        enum wn_code code = makers[prim](exe, i, err);
        if (code != WN_OK) return code;
    }
    exe->first[range.end] = exe->stages[stage].end = exe->n_jobs;
    return WN_OK;
}

/* Where the host writes or reads: f32, row-major, with a conversion where the value lies otherwise. */
static enum wn_code make_port(struct wn_cuda_exe *exe, int value, bool input, struct wn_error *err)
{
    struct wn_cuda_port *port = &exe->ports[value];
    struct wn_cuda_tensor t, flat;
    const size_t count = (size_t)wn_shape_count(&exe->values[value].shape);
    enum wn_code code = wn_cuda_value(exe, value, &t, err);
    if (code == WN_OK) code = wn_cuda_port_open(port, count, err);
    if (code != WN_OK) return code;
    port->job = -1;
    if (t.type == WN_CUDA_F32 && wn_cuda_tensor_is_flat(&t)) return port->landing = t.data, WN_OK;
    flat = wn_cuda_tensor_of(&t.shape, WN_CUDA_F32, false);
    code = wn_cuda_own(exe, count * sizeof(float), &flat.data, err);
    if (code != WN_OK) return code;
    port->landing = flat.data;
    port->job = exe->n_jobs;
    return input ? wn_cuda_job_convert(exe, &flat, &t, err) : wn_cuda_job_convert(exe, &t, &flat, err);
}

static enum wn_code make_ports(struct wn_cuda_exe *exe, struct wn_error *err)
{
    enum wn_code code = WN_OK;
    for (int v = 0; code == WN_OK && v < wn_program_values(exe->prog); v++) {
        const struct wn_value *value = wn_program_value(exe->prog, v);
        const bool input = value->kind == WN_VALUE_INPUT;
        if (input || (value->readable && exe->home[v] >= 0)) code = make_port(exe, v, input, err);
    }
    return code;
}

void wn_cuda_workspace(struct wn_cuda_exe *exe, size_t bytes)
{
    if (bytes > exe->workspace_bytes) exe->workspace_bytes = bytes;
}

static enum wn_code reserve_workspace(struct wn_cuda_exe *exe, struct wn_error *err)
{
    wn_cuda_trials_end(exe);
    return exe->workspace_bytes
               ? wn_cuda_alloc(exe->be, exe->workspace_bytes, "the workspace of the libraries", &exe->workspace, err)
               : WN_OK;
}

static enum wn_code bind_plans(struct wn_cuda_exe *exe, struct wn_error *err)
{
    enum wn_code code = WN_OK;
    for (int i = 0; i < exe->n_jobs && code == WN_OK; i++)
        if (exe->jobs[i].run == wn_cuda_run_plan) code = wn_cuda_plan_bind(exe, &exe->jobs[i], err);
    return code;
}

/* Every stage once, so that libraries load their kernels now and a fault shows here; then once more into a graph. */
static enum wn_code warm(struct wn_cuda_exe *exe, struct wn_error *err)
{
    for (int i = 0; i < wn_program_stages(exe->prog); i++) {
        wn_cuda_disturb_begin();
        enum wn_code code = wn_cuda_run_jobs(exe, &exe->stages[i], err);
        if (code == WN_OK) code = wn_cuda_wait(exe, err);
        wn_cuda_disturb_end();
        if (code == WN_OK) code = wn_cuda_capture(exe, &exe->stages[i], err);
        if (code != WN_OK) return code;
    }
    count_stages(exe, 1);
    return exe->warm = true, WN_OK;
}

static enum wn_code build(struct wn_cuda_exe *exe, struct wn_error *err)
{
    const size_t n = (size_t)wn_program_values(exe->prog) + 1;
    exe->values = calloc(n, sizeof *exe->values);
    exe->home = calloc(n, sizeof *exe->home);
    exe->ports = calloc(n, sizeof *exe->ports);
    exe->stages = calloc((size_t)wn_program_stages(exe->prog) + 1, sizeof *exe->stages);
    exe->first = calloc((size_t)wn_program_steps(exe->prog) + 1, sizeof *exe->first);
    if (!exe->values || !exe->home || !exe->ports || !exe->stages || !exe->first)
        return wn_fail(err, WN_NO_MEMORY, "no memory for a program of %zu values", n);
    enum wn_code code = wn_cuda_device_use(exe->be, err);
    if (code == WN_OK) code = wn_cuda_stream_open(exe, err);
    if (code == WN_OK) code = wn_cuda_layout(exe, err);
    if (code == WN_OK) code = wn_cuda_reserve(exe, err);
    for (int i = 0; code == WN_OK && i < wn_program_stages(exe->prog); i++) code = make_stage(exe, i, err);
    if (code == WN_OK) code = make_ports(exe, err);
    if (code == WN_OK) code = reserve_workspace(exe, err);
    if (code == WN_OK) code = bind_plans(exe, err);
    return code == WN_OK ? warm(exe, err) : code;
}

static enum wn_code cuda_compile(struct wn_backend *be, const struct wn_program *prog, struct wn_exe **out,
                                 struct wn_error *err)
{
    enum wn_code code = wn_program_error(prog, err);
    if (code != WN_OK) return code;
    struct wn_cuda_exe *exe = calloc(1, sizeof *exe);
    if (!exe) return wn_fail(err, WN_NO_MEMORY, "no memory for an executable");
    exe->base.backend = be;
    exe->be = (struct wn_cuda_backend *)be;
    exe->prog = prog;
    code = build(exe, err);
    if (code == WN_OK)
        *out = &exe->base;
    else
        cuda_release(&exe->base);
    return code;
}

/* ---- run ---- */

enum wn_code wn_cuda_run_jobs(struct wn_cuda_exe *exe, const struct wn_cuda_stage *stage, struct wn_error *err)
{
    for (int i = stage->begin; i < stage->end; i++) {
        enum wn_code code = exe->jobs[i].run(exe, &exe->jobs[i], err);
        if (code != WN_OK) return code;
    }
    return WN_OK;
}

enum wn_code wn_cuda_begin_stage(struct wn_cuda_exe *exe, int stage, struct wn_error *err)
{
    if (stage < 0 || stage >= wn_program_stages(exe->prog))
        return wn_fail(err, WN_INTERNAL, "there is no stage %d; the program has %d", stage,
                       wn_program_stages(exe->prog));
    enum wn_code code = wn_cuda_device_use(exe->be, err);
    if (code == WN_OK && stage == 0) exe->ahead = NULL;
    return code;
}

static enum wn_code cuda_run(struct wn_exe *base, int stage, struct wn_error *err)
{
    struct wn_cuda_exe *exe = (struct wn_cuda_exe *)base;
    enum wn_code code = wn_cuda_begin_stage(exe, stage, err);
    if (code != WN_OK) return code;
    wn_cuda_fault_run(exe->stream);
    wn_cuda_range_begin(stage == 0 ? "forward" : "backward");
    code = wn_cuda_clock_begin(exe, err);
    if (code == WN_OK)
        code = exe->stages[stage].graph ? wn_cuda_replay(exe, &exe->stages[stage], err)
                                        : wn_cuda_run_jobs(exe, &exe->stages[stage], err);
    if (code == WN_OK) code = wn_cuda_clock_end(exe, err);
    wn_cuda_range_end();
    if (code == WN_DEVICE) wn_cuda_probe(); /* a library's failure may have been the device's */
    return code;
}

struct wn_cuda_port *wn_cuda_port_of(struct wn_cuda_exe *exe, int value, struct wn_error *err)
{
    if (value >= 0 && value < wn_program_values(exe->prog) && exe->ports[value].pinned) return &exe->ports[value];
    wn_fail(err, WN_INTERNAL, "value %d is neither an input nor marked with wn_program_output", value);
    return NULL;
}

enum wn_code wn_cuda_run_port(struct wn_cuda_exe *exe, const struct wn_cuda_port *port, struct wn_error *err)
{
    return port->job < 0 ? WN_OK : exe->jobs[port->job].run(exe, &exe->jobs[port->job], err);
}

static enum wn_code cuda_write(struct wn_exe *base, int value, const float *src, struct wn_error *err)
{
    struct wn_cuda_exe *exe = (struct wn_cuda_exe *)base;
    struct wn_cuda_port *port = wn_cuda_port_of(exe, value, err);
    if (!port) return WN_INTERNAL;
    if (wn_program_value(exe->prog, value)->kind != WN_VALUE_INPUT)
        return wn_fail(err, WN_INTERNAL, "value %d is not an input and cannot be written", value);
    enum wn_code code = wn_cuda_device_use(exe->be, err);
    const size_t count = (size_t)wn_shape_count(&exe->values[value].shape);
    wn_cuda_range_begin("write");
    if (code == WN_OK) code = wn_cuda_port_send(exe, port, src, count, err);
    if (code == WN_OK) code = wn_cuda_run_port(exe, port, err);
    wn_cuda_range_end();
    return code;
}

static enum wn_code cuda_read(struct wn_exe *base, int value, float *dst, struct wn_error *err)
{
    struct wn_cuda_exe *exe = (struct wn_cuda_exe *)base;
    struct wn_cuda_port *port = wn_cuda_port_of(exe, value, err);
    if (!port) return WN_INTERNAL;
    enum wn_code code = wn_cuda_device_use(exe->be, err);
    const bool input = wn_program_value(exe->prog, value)->kind == WN_VALUE_INPUT;
    const size_t count = (size_t)wn_shape_count(&exe->values[value].shape);
    wn_cuda_range_begin("read");
    if (code == WN_OK && !input && port != exe->ahead) code = wn_cuda_run_port(exe, port, err);
    if (code == WN_OK)
        code = port == exe->ahead ? wn_cuda_port_collect(exe, dst, count, err)
                                  : wn_cuda_port_fetch(exe, port, dst, count, err);
    wn_cuda_range_end();
    return code;
}

const struct wn_backend_impl wn_backend_cuda = {
    .name = "cuda",
    .summary = "NVIDIA GPUs through cuDNN, cuBLASLt and kernels of our own",
    .open = cuda_open,
    .close = cuda_close,
    .traits = cuda_traits,
    .compile = cuda_compile,
    .release = cuda_release,
    .write = cuda_write,
    .run = cuda_run,
    .read = cuda_read,
    .draw = wn_cuda_draw,
    .prepare = wn_cuda_prepare,
    .seed = wn_cuda_seed,
    .masks = wn_cuda_masks,
    .hide = wn_cuda_hide,
    .lap = wn_cuda_lap,
    .profile = wn_cuda_profile,
    .diagnose = wn_cuda_diagnose,
    .lost = wn_cuda_lost,
};
