/* The CUDA runtime behind the few things the backend asks of it: devices, memory, copies, streams and captured
 * graphs. Knows jobs only as things that can be run while a stream is captured. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cuda_runtime_api.h>

#include "check.h"
#include "exe.h"
#include "fault.h"

/* ---- devices ---- */

static enum wn_code refuse_precision(enum wn_precision precision, int major, const char *name, struct wn_error *err)
{
    const bool modern = precision == WN_PRECISION_BF16 || precision == WN_PRECISION_TF32;
    if (!modern || major >= 8) return WN_OK;
    return wn_fail(err, WN_UNSUPPORTED, "%.60s has no %s units; use f32 or f16", name, wn_precision_name(precision));
}

/* For what somebody waits for and is short, such as a drawing: it goes before what the other workers' programs have
 * queued. */
static enum wn_code open_stream(struct wn_cuda_backend *be, struct wn_error *err)
{
    int least, greatest;
    enum wn_code code = WN_CALL(opening, cudaDeviceGetStreamPriorityRange(&least, &greatest), err);
    return code == WN_OK
               ? WN_CALL(opening, cudaStreamCreateWithPriority(&be->stream, cudaStreamNonBlocking, greatest), err)
               : code;
}

enum wn_code wn_cuda_device_open(struct wn_cuda_backend *be, const struct wn_backend_options *options,
                                 struct wn_error *err)
{
    int n = 0;
    const cudaError_t found = cudaGetDeviceCount(&n);
    if (found != cudaSuccess || n == 0) {
        cudaGetLastError();
        return wn_fail(err, WN_DEVICE, "no CUDA device answers (%s); install NVIDIA's driver or use a CPU backend",
                       found == cudaSuccess ? "there is none" : cudaGetErrorString(found));
    }
    if (options->device < 0 || options->device >= n)
        return wn_fail(err, WN_DEVICE, "there is no CUDA device %d; this machine has %d, counted from 0",
                       options->device, n);
    struct cudaDeviceProp prop;
    enum wn_code code = WN_CALL(opening, cudaGetDeviceProperties(&prop, options->device), err);
    if (code != WN_OK) return code;
    be->device = options->device, be->devices = n;
    be->precision = options->precision;
    if (be->precision == WN_PRECISION_DEFAULT) be->precision = prop.major >= 8 ? WN_PRECISION_TF32 : WN_PRECISION_F32;
    code = refuse_precision(be->precision, prop.major, prop.name, err);
    if (code != WN_OK) return code;
    snprintf(be->device_name, sizeof be->device_name, "%.80s, sm_%d%d, %s", prop.name, prop.major, prop.minor,
             wn_precision_name(be->precision));
    cudaGetLastError();
    code = WN_CALL(opening, cudaSetDevice(be->device), err);
    return code == WN_OK ? open_stream(be, err) : code;
}

void wn_cuda_device_close(struct wn_cuda_backend *be)
{
    if (be->stream) cudaStreamDestroy(be->stream);
    be->stream = NULL;
}

/* Errors of calls that had nobody to tell, such as those of closing down, would else be taken for the next launch's. */
enum wn_code wn_cuda_device_use(const struct wn_cuda_backend *be, struct wn_error *err)
{
    cudaGetLastError();
    return WN_CALL(runtime, cudaSetDevice(be->device), err);
}

/* ---- memory ---- */

enum wn_code wn_cuda_memory(size_t bytes, const char *what, void **out, struct wn_error *err)
{
    const int status = wn_cuda_inject("cuda", cudaMalloc(out, bytes ? bytes : 1));
    if (status == cudaErrorMemoryAllocation) {
        size_t idle = 0, total = 0;
        cudaGetLastError();
        cudaMemGetInfo(&idle, &total);
        return wn_fail(
            err, WN_NO_MEMORY,
            "%s needs %zu MiB of GPU memory and %zu of %zu MiB are free; use a smaller batch or fewer models", what,
            (bytes >> 20) + 1, idle >> 20, total >> 20);
    }
    return status == cudaSuccess ? WN_OK : wn_cuda_check_runtime(status, "cudaMalloc", err);
}

void wn_cuda_memory_free(void *memory)
{
    if (memory) cudaFree(memory);
}

enum wn_code wn_cuda_alloc(struct wn_cuda_backend *be, size_t bytes, const char *what, void **out, struct wn_error *err)
{
    enum wn_code code = wn_cuda_memory(bytes, what, out, err);
    if (code == WN_OK) be->bytes += bytes;
    return code;
}

void wn_cuda_free(struct wn_cuda_backend *be, void *memory, size_t bytes)
{
    if (!memory) return;
    cudaFree(memory);
    be->bytes -= bytes;
}

enum wn_code wn_cuda_pinned(size_t bytes, void **out, struct wn_error *err)
{
    const int status = wn_cuda_inject("cuda", cudaMallocHost(out, bytes));
    if (status == cudaErrorMemoryAllocation) {
        cudaGetLastError();
        return wn_fail(err, WN_NO_MEMORY,
                       "the machine has no %zu MiB of its own memory to pin for copies to the GPU; give it or its "
                       "container more, or use fewer workers or models",
                       (bytes >> 20) + 1);
    }
    return status == cudaSuccess ? WN_OK : wn_cuda_check_runtime(status, "cudaMallocHost", err);
}

/* A copy from pageable memory may return before it has arrived. */
enum wn_code wn_cuda_upload(const struct wn_cuda_backend *be, void *dst, const void *src, size_t bytes,
                            struct wn_error *err)
{
    enum wn_code code = WN_CALL(runtime, cudaMemcpyAsync(dst, src, bytes, cudaMemcpyHostToDevice, be->stream), err);
    return code == WN_OK ? WN_CALL(runtime, cudaStreamSynchronize(be->stream), err) : code;
}

enum wn_code wn_cuda_clear(struct wn_cuda_exe *exe, void *dst, size_t bytes, struct wn_error *err)
{
    return WN_CALL(runtime, cudaMemsetAsync(dst, 0, bytes, exe->stream), err);
}

/* ---- streams ---- */

enum wn_code wn_cuda_stream_open(struct wn_cuda_exe *exe, struct wn_error *err)
{
    return WN_CALL(runtime, cudaStreamCreateWithFlags(&exe->stream, cudaStreamNonBlocking), err);
}

void wn_cuda_stream_close(struct wn_cuda_exe *exe)
{
    if (!exe->stream) return;
    cudaStreamSynchronize(exe->stream);
    cudaStreamDestroy(exe->stream);
}

enum wn_code wn_cuda_wait(struct wn_cuda_exe *exe, struct wn_error *err)
{
    return WN_CALL(runtime, cudaStreamSynchronize(exe->stream), err);
}

enum wn_code wn_cuda_launched(const char *name, struct wn_error *err)
{
    return wn_cuda_check_runtime(cudaGetLastError(), name, err);
}

/* ---- ports ---- */

enum wn_code wn_cuda_port_open(struct wn_cuda_port *port, size_t count, struct wn_error *err)
{
    void *pinned = NULL;
    enum wn_code code = wn_cuda_pinned(count * sizeof(float), &pinned, err);
    if (code != WN_OK) return code;
    port->pinned = pinned;
    return WN_CALL(runtime, cudaEventCreateWithFlags((cudaEvent_t *)&port->busy, cudaEventDisableTiming), err);
}

void wn_cuda_port_close(struct wn_cuda_port *port)
{
    if (port->busy) cudaEventDestroy((cudaEvent_t)port->busy);
    if (port->pinned) cudaFreeHost(port->pinned);
}

enum wn_code wn_cuda_port_send(struct wn_cuda_exe *exe, struct wn_cuda_port *port, const float *src, size_t count,
                               struct wn_error *err)
{
    const size_t bytes = count * sizeof *src;
    enum wn_code code = WN_CALL(runtime, cudaEventSynchronize((cudaEvent_t)port->busy), err);
    if (code != WN_OK) return code;
    memcpy(port->pinned, src, bytes);
    code =
        WN_CALL(runtime, cudaMemcpyAsync(port->landing, port->pinned, bytes, cudaMemcpyHostToDevice, exe->stream), err);
    if (code != WN_OK) return code;
    return WN_CALL(runtime, cudaEventRecord((cudaEvent_t)port->busy, exe->stream), err);
}

enum wn_code wn_cuda_port_fetch(struct wn_cuda_exe *exe, struct wn_cuda_port *port, float *dst, size_t count,
                                struct wn_error *err)
{
    const size_t bytes = count * sizeof *dst;
    enum wn_code code =
        WN_CALL(runtime, cudaMemcpyAsync(port->pinned, port->landing, bytes, cudaMemcpyDeviceToHost, exe->stream), err);
    if (code == WN_OK) code = wn_cuda_wait(exe, err);
    if (code == WN_OK) memcpy(dst, port->pinned, bytes);
    return code;
}

/* ---- captured graphs ---- */

static void instantiate(struct wn_cuda_stage *stage, cudaGraph_t graph, struct wn_error *err)
{
    cudaGraphExec_t exec;
    if (WN_CALL(runtime, cudaGraphInstantiate(&exec, graph, 0), err) == WN_OK) stage->graph = exec;
}

static pthread_rwlock_t captures = PTHREAD_RWLOCK_INITIALIZER;

void wn_cuda_disturb_begin(void)
{
    pthread_rwlock_rdlock(&captures);
}

void wn_cuda_disturb_end(void)
{
    pthread_rwlock_unlock(&captures);
}

/* What a capture is told where somebody else did what it does not bear; the library that was at work may have other
 * words for it. */
static bool is_disturbed(cudaError_t status)
{
    return status == cudaErrorStreamCaptureUnsupported || status == cudaErrorStreamCaptureInvalidated ||
           status == cudaErrorStreamCaptureImplicit;
}

/* Leaves stage->graph NULL where it is not captured. Returns whether that was only because it was disturbed. */
static bool capture_once(struct wn_cuda_exe *exe, struct wn_cuda_stage *stage, struct wn_error *why)
{
    cudaGraph_t graph = NULL;
    pthread_rwlock_wrlock(&captures);
    cudaError_t status = cudaStreamBeginCapture(exe->stream, cudaStreamCaptureModeThreadLocal);
    enum wn_code code = wn_cuda_check_runtime(status, "cudaStreamBeginCapture", why);
    if (code == WN_OK) {
        code = wn_cuda_run_jobs(exe, stage, why);
        status = cudaStreamEndCapture(exe->stream, &graph);
        const enum wn_code ended = wn_cuda_check_runtime(status, "cudaStreamEndCapture", why);
        if (code == WN_OK) code = ended;
    }
    pthread_rwlock_unlock(&captures);
    if (code == WN_OK) instantiate(stage, graph, why);
    if (graph) cudaGraphDestroy(graph);
    return is_disturbed(status);
}

/* Whatever refuses to be captured is no fault: the stage is walked instead. Only a lost device is. */
enum wn_code wn_cuda_capture(struct wn_cuda_exe *exe, struct wn_cuda_stage *stage, struct wn_error *err)
{
    enum { TRIES = 3 };
    struct wn_error why = {0};
    if (stage->begin == stage->end) return WN_OK;
    for (int i = 0; i < TRIES && capture_once(exe, stage, &why); i++) continue;
    if (!stage->graph) snprintf(exe->be->walked, sizeof exe->be->walked, "%.127s", why.text);
    return wn_cuda_lost() ? wn_fail(err, why.code, "%s", why.text) : WN_OK;
}

enum wn_code wn_cuda_replay(struct wn_cuda_exe *exe, const struct wn_cuda_stage *stage, struct wn_error *err)
{
    return WN_CALL(runtime, cudaGraphLaunch((cudaGraphExec_t)stage->graph, exe->stream), err);
}

void wn_cuda_graph_destroy(struct wn_cuda_stage *stage)
{
    if (stage->graph) cudaGraphExecDestroy((cudaGraphExec_t)stage->graph);
}
