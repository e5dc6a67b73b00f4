/* The device's own clock: events on the streams of the runs, so that neither the host's pauses before and behind
 * them nor its copies count. Knows no job and no value. */
#include <cuda_runtime_api.h>

#include "check.h"
#include "exe.h"

static enum wn_code open_clock(struct wn_cuda_clock *c, struct wn_error *err)
{
    enum wn_code code = WN_OK;
    if (!c->began) code = WN_CALL(runtime, cudaEventCreateWithFlags((cudaEvent_t *)&c->began, cudaEventDefault), err);
    if (code == WN_OK && !c->ended)
        code = WN_CALL(runtime, cudaEventCreateWithFlags((cudaEvent_t *)&c->ended, cudaEventDefault), err);
    return code;
}

enum wn_code wn_cuda_lap(struct wn_backend *base, double *ms, struct wn_error *err)
{
    struct wn_cuda_backend *be = (struct wn_cuda_backend *)base;
    struct wn_cuda_clock *c = &be->clock;
    float took = 0;
    enum wn_code code = wn_cuda_device_use(be, err);
    if (code == WN_OK && !ms) code = open_clock(c, err);
    if (code != WN_OK) return code;
    if (!ms) return c->started = true, c->runs = false, WN_OK;
    if (!c->runs) return wn_fail(err, WN_BAD_REQUEST, "no run of this backend since its clock was started");
    code = WN_CALL(runtime, cudaEventSynchronize((cudaEvent_t)c->ended), err);
    if (code == WN_OK)
        code = WN_CALL(runtime, cudaEventElapsedTime(&took, (cudaEvent_t)c->began, (cudaEvent_t)c->ended), err);
    *ms = (double)took;
    c->started = c->runs = false;
    return code;
}

enum wn_code wn_cuda_clock_begin(struct wn_cuda_exe *exe, struct wn_error *err)
{
    struct wn_cuda_clock *c = &exe->be->clock;
    if (!c->started || c->runs) return WN_OK;
    c->runs = true;
    return WN_CALL(runtime, cudaEventRecord((cudaEvent_t)c->began, exe->stream), err);
}

enum wn_code wn_cuda_clock_end(struct wn_cuda_exe *exe, struct wn_error *err)
{
    const struct wn_cuda_clock *c = &exe->be->clock;
    return c->started ? WN_CALL(runtime, cudaEventRecord((cudaEvent_t)c->ended, exe->stream), err) : WN_OK;
}

void wn_cuda_clock_close(struct wn_cuda_backend *be)
{
    if (be->clock.began) cudaEventDestroy((cudaEvent_t)be->clock.began);
    if (be->clock.ended) cudaEventDestroy((cudaEvent_t)be->clock.ended);
}
