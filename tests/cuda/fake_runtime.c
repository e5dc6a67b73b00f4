/* The CUDA runtime as the emulation needs it: device memory is host memory, filled with NaN; streams do everything at once;
 * nothing can be captured. Counts what is held, and fails the call that a test chose. Knows no kernel. */
#include "fake_runtime.h"

#include <stdlib.h>
#include <string.h>

#include <cuda_runtime_api.h>

struct fake_runtime fake_runtime = {.devices = 1, .capability = 9};

static cudaError_t last;

/* Every fallible call passes here; a sticky error stays. */
static cudaError_t answer(void)
{
    struct fake_runtime *f = &fake_runtime;
    f->calls++;
    if (f->stuck) return last = (cudaError_t)f->stuck;
    if (f->calls != f->fail_at) return cudaSuccess;
    if (f->sticky) f->stuck = f->fail_with;
    return last = (cudaError_t)f->fail_with;
}

/* Asked after each launch, so here launches fail. */
cudaError_t cudaGetLastError(void)
{
    const cudaError_t e = last == cudaSuccess ? answer() : last;
    last = cudaSuccess;
    return e;
}

const char *cudaGetErrorString(cudaError_t error)
{
    return error == cudaSuccess ? "no error" : "an error that the test asked for";
}

/* ---- devices ---- */

cudaError_t cudaGetDeviceCount(int *count)
{
    *count = fake_runtime.devices;
    return fake_runtime.devices ? cudaSuccess : cudaErrorNoDevice;
}

cudaError_t cudaDriverGetVersion(int *version)
{
    *version = fake_runtime.devices ? CUDART_VERSION : 0;
    return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int *version)
{
    *version = CUDART_VERSION;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *prop, int device)
{
    (void)device;
    memset(prop, 0, sizeof *prop);
    strcpy(prop->name, "emulation");
    prop->major = fake_runtime.capability;
    return answer();
}

cudaError_t cudaSetDevice(int device)
{
    (void)device;
    return answer();
}

cudaError_t cudaDeviceSynchronize(void)
{
    return answer();
}

/* ---- memory ---- */

/* A header before each block, so that what is freed can be taken off the count. */
enum { HEADER = 256 };

cudaError_t cudaMalloc(void **out, size_t bytes)
{
    const cudaError_t e = answer();
    if (e != cudaSuccess) return e;
    char *memory = aligned_alloc(HEADER, HEADER + (bytes + HEADER - 1) / HEADER * HEADER);
    if (!memory) return last = cudaErrorMemoryAllocation;
    memcpy(memory, &bytes, sizeof bytes);
    memset(memory + HEADER, 0xff, (bytes + HEADER - 1) / HEADER * HEADER);
    fake_runtime.held_bytes += (long)bytes;
    fake_runtime.held_blocks++;
    *out = memory + HEADER;
    return cudaSuccess;
}

cudaError_t cudaFree(void *memory)
{
    size_t bytes;
    if (!memory) return cudaSuccess;
    memcpy(&bytes, (char *)memory - HEADER, sizeof bytes);
    fake_runtime.held_bytes -= (long)bytes;
    fake_runtime.held_blocks--;
    free((char *)memory - HEADER);
    return cudaSuccess;
}

cudaError_t cudaMallocHost(void **out, size_t bytes)
{
    return cudaMalloc(out, bytes);
}

cudaError_t cudaFreeHost(void *memory)
{
    return cudaFree(memory);
}

cudaError_t cudaMemGetInfo(size_t *idle, size_t *total)
{
    *idle = (size_t)1 << 20, *total = (size_t)1 << 30;
    return cudaSuccess;
}

cudaError_t cudaMemcpy(void *dst, const void *src, size_t count, enum cudaMemcpyKind kind)
{
    (void)kind;
    const cudaError_t e = answer();
    if (e == cudaSuccess) memcpy(dst, src, count);
    return e;
}

cudaError_t cudaMemcpyAsync(void *dst, const void *src, size_t count, enum cudaMemcpyKind kind, cudaStream_t stream)
{
    (void)stream;
    return cudaMemcpy(dst, src, count, kind);
}

cudaError_t cudaMemsetAsync(void *dst, int value, size_t count, cudaStream_t stream)
{
    (void)stream;
    const cudaError_t e = answer();
    if (e == cudaSuccess) memset(dst, value, count);
    return e;
}

/* ---- streams and events: handles that are counted like memory ---- */

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags)
{
    (void)flags;
    return cudaMalloc((void **)stream, 1);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    return cudaFree(stream);
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    (void)stream;
    return answer();
}

cudaError_t cudaStreamQuery(cudaStream_t stream)
{
    (void)stream;
    return fake_runtime.stuck ? (cudaError_t)fake_runtime.stuck : cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags)
{
    (void)flags;
    return cudaMalloc((void **)event, 1);
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    return cudaFree(event);
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    (void)event, (void)stream;
    return answer();
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    (void)event;
    return answer();
}

/* ---- graphs: refused, so every stage is walked ---- */

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode)
{
    (void)stream, (void)mode;
    return last = cudaErrorNotSupported;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph)
{
    (void)stream, (void)graph;
    return last = cudaErrorNotSupported;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long flags)
{
    (void)exec, (void)graph, (void)flags;
    return last = cudaErrorNotSupported;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream)
{
    (void)exec, (void)stream;
    return last = cudaErrorNotSupported;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    (void)graph;
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec)
{
    (void)exec;
    return cudaSuccess;
}
