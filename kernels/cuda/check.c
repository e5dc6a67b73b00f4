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

/* CUDA documents these as leaving the process in an inconsistent state. */
bool wn_cuda_is_sticky(int status)
{
    switch (status) {
    case cudaErrorECCUncorrectable:
    case cudaErrorNvlinkUncorrectable:
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure: return true;
    default: return false;
    }
}

void wn_cuda_probe(void)
{
    wn_cuda_inject("cuda", cudaGetLastError());
    const int again = wn_cuda_inject("cuda", cudaStreamQuery(cudaStreamLegacy));
    if (wn_cuda_is_sticky(again)) atomic_store(&lost, true);
    cudaGetLastError();
}

/* "cudaMalloc(out, bytes)" -> "cudaMalloc" */
static int name_length(const char *call)
{
    return (int)strcspn(call, "( ");
}

enum wn_code wn_cuda_check_runtime(int status, const char *call, struct wn_error *err)
{
    status = wn_cuda_inject("cuda", status);
    if (status == cudaSuccess) return WN_OK;
    wn_cuda_probe();
    if (status == cudaErrorMemoryAllocation)
        return wn_fail(err, WN_NO_MEMORY, "the GPU has not enough memory left; use a smaller batch or fewer models");
    return wn_fail(err, WN_DEVICE, "the GPU failed at %.*s: %s (%d)", name_length(call), call,
                   cudaGetErrorString((cudaError_t)status), status);
}
