/* What a failed call means; see check.h. Knows no program and no kernel. */
#include "check.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <cuda_runtime_api.h>

static atomic_bool lost;

bool wn_cuda_lost(void)
{
    return atomic_load(&lost);
}

/* Of what a context says that has just failed and is asked for nothing: all but work that goes on, memory that may
 * come back, and what only means that something is being captured. Which errors a process cannot outlive grows with
 * every CUDA, and one that is not known here would be failed on for ever. */
static bool means_lost(int again)
{
    const bool capture = again >= cudaErrorStreamCaptureUnsupported && again <= cudaErrorStreamCaptureWrongThread;
    return again != cudaSuccess && again != cudaErrorNotReady && again != cudaErrorMemoryAllocation && !capture;
}

void wn_cuda_probe(void)
{
    wn_cuda_inject("cuda", cudaGetLastError());
    const int again = wn_cuda_inject("cuda", cudaStreamQuery(cudaStreamLegacy));
    if (means_lost(again)) atomic_store(&lost, true);
    cudaGetLastError();
}

enum wn_code wn_cuda_outlive(enum wn_code code)
{
    if (code != WN_DEVICE) return code;
    wn_cuda_probe();
    return wn_cuda_lost() ? code : WN_UNSUPPORTED;
}

/* "cudaMalloc(out, bytes)" -> "cudaMalloc" */
static int name_length(const char *call)
{
    return (int)strcspn(call, "( ");
}

static enum wn_code say(int status, const char *call, struct wn_error *err)
{
    if (status == cudaErrorMemoryAllocation)
        return wn_fail(err, WN_NO_MEMORY, "the GPU has not enough memory left; use a smaller batch or fewer models");
    return wn_fail(err, WN_DEVICE, "the GPU failed at %.*s: %s (%d)", name_length(call), call,
                   cudaGetErrorString((cudaError_t)status), status);
}

enum wn_code wn_cuda_check_runtime(int status, const char *call, struct wn_error *err)
{
    status = wn_cuda_inject("cuda", status);
    if (status == cudaSuccess) return WN_OK;
    wn_cuda_probe();
    return say(status, call, err);
}

enum wn_code wn_cuda_check_opening(int status, const char *call, struct wn_error *err)
{
    status = wn_cuda_inject("cuda", status);
    if (status == cudaSuccess) return WN_OK;
    cudaGetLastError();
    return say(status, call, err);
}
