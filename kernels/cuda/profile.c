/* What each step of a stage costs: time by the device's own events between the steps, and the bytes that it has to
 * move. The jobs are walked, not replayed: a step that is over sooner than the host queues the next one shows as
 * long as that takes. */
#include <cuda_runtime_api.h>

#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "exe.h"

/* ---- bytes ---- */

/* Of a constant, in the type that the step wants it in; padding is left out. */
static double constant_bytes(const struct wn_cuda_exe *exe, int step, int value)
{
    const enum wn_prim prim = wn_program_step(exe->prog, step)->prim;
    const bool typed = prim == WN_PRIM_CONV || prim == WN_PRIM_CONV_BWD || prim == WN_PRIM_MATMUL;
    return (double)wn_shape_count(&wn_program_value(exe->prog, value)->shape) *
           (double)wn_cuda_type_size(typed ? wn_cuda_step_type(exe, step) : WN_CUDA_F32);
}

/* Read by a step of one of its operands, at most `wanted`; what is never made is read where it would be made from. */
static double bytes_in(const struct wn_cuda_exe *exe, int step, int value, double wanted)
{
    if (value == WN_NONE) return 0;
    if (wn_program_value(exe->prog, value)->kind == WN_VALUE_CONST) return constant_bytes(exe, step, value);
    const double whole = (double)wn_cuda_tensor_bytes(&exe->values[value]);
    if (whole < wanted) wanted = whole;
    if (exe->home[value] >= 0) return wanted;
    const int maker = wn_program_value(exe->prog, value)->step;
    const struct wn_step *s = wn_program_step(exe->prog, maker);
    /* no more of what it reads than it makes */
    const bool picks = s->prim == WN_PRIM_GATHER || s->prim == WN_PRIM_COPY;
    double bytes = 0;
    for (int k = 0; k < s->n_in; k++) bytes += bytes_in(exe, maker, s->in[k], picks ? wanted : INFINITY);
    return bytes;
}

static double bytes_of(const struct wn_cuda_exe *exe, int step)
{
    const struct wn_step *s = wn_program_step(exe->prog, step);
    const bool picks = s->prim == WN_PRIM_GATHER || s->prim == WN_PRIM_COPY;
    double out = 0, in = 0;
    for (int k = 0; k < s->n_out; k++)
        if (s->out[k] != WN_NONE && exe->home[s->out[k]] >= 0)
            out += (double)wn_cuda_tensor_bytes(&exe->values[s->out[k]]);
    for (int k = 0; k < s->n_in; k++) in += bytes_in(exe, step, s->in[k], picks ? out : INFINITY);
    const struct wn_step *derivative = s->prim == WN_PRIM_CONV ? wn_cuda_derivative_behind(exe, s) : NULL;
    if (derivative) in += (double)wn_cuda_tensor_bytes(&exe->values[derivative->in[1]]);
    return in + out;
}

/* ---- time ---- */

static enum wn_code open_events(cudaEvent_t *events, int n, struct wn_error *err)
{
    enum wn_code code = WN_OK;
    for (int i = 0; i < n && code == WN_OK; i++)
        code = WN_CALL(runtime, cudaEventCreateWithFlags(&events[i], cudaEventDefault), err);
    return code;
}

static void close_events(cudaEvent_t *events, int n)
{
    for (int i = 0; events && i < n; i++)
        if (events[i]) cudaEventDestroy(events[i]);
    free(events);
}

/* events: one before each step of the stage, one behind the last. */
static enum wn_code run_steps(struct wn_cuda_exe *exe, struct wn_stage stage, const cudaEvent_t *events,
                              struct wn_error *err)
{
    enum wn_code code = WN_CALL(runtime, cudaEventRecord(events[0], exe->stream), err);
    for (int i = stage.begin; i < stage.end && code == WN_OK; i++) {
        code = wn_cuda_run_jobs(exe, &(struct wn_cuda_stage){.begin = exe->first[i], .end = exe->first[i + 1]}, err);
        if (code == WN_OK) code = WN_CALL(runtime, cudaEventRecord(events[i + 1 - stage.begin], exe->stream), err);
    }
    return code == WN_OK ? wn_cuda_wait(exe, err) : code;
}

static enum wn_code say_costs(const struct wn_cuda_exe *exe, int stage, const cudaEvent_t *events,
                              const struct wn_profiler *profiler, struct wn_error *err)
{
    const struct wn_stage range = wn_program_stage(exe->prog, stage);
    for (int i = range.begin; i < range.end; i++) {
        struct wn_step_cost cost = {
            .program = exe->prog, .stage = stage, .step = i, .launches = exe->first[i + 1] - exe->first[i]};
        float ms = 0;
        if (!cost.launches) continue;
        enum wn_code code =
            WN_CALL(runtime, cudaEventElapsedTime(&ms, events[i - range.begin], events[i + 1 - range.begin]), err);
        if (code != WN_OK) return code;
        cost.ms = (double)ms;
        cost.bytes = bytes_of(exe, i);
        profiler->say(profiler->arg, &cost);
    }
    return WN_OK;
}

enum wn_code wn_cuda_profile(struct wn_exe *base, int stage, const struct wn_profiler *profiler, struct wn_error *err)
{
    struct wn_cuda_exe *exe = (struct wn_cuda_exe *)base;
    enum wn_code code = wn_cuda_begin_stage(exe, stage, err);
    if (code != WN_OK) return code;
    const struct wn_stage range = wn_program_stage(exe->prog, stage);
    const int n = range.end - range.begin + 1;
    cudaEvent_t *events = calloc((size_t)n, sizeof *events);
    code = events ? open_events(events, n, err) : wn_fail(err, WN_NO_MEMORY, "no memory to time %d steps", n);
    if (code == WN_OK) code = run_steps(exe, range, events, err);
    if (code == WN_OK) code = say_costs(exe, stage, events, profiler, err);
    close_events(events, n);
    if (code == WN_DEVICE) wn_cuda_probe(); /* a library's failure may have been the device's */
    return code;
}
