/* The CUDA runtime as the emulation needs it: device memory is host memory, filled with NaN; streams do everything at once;
 * nothing can be captured. Counts what is held, fails the call that a test chose, and refuses memory, streams and events of another
 * device than the thread's current one, which is more than CUDA does. From any thread. Knows no kernel. */
#include "fake_runtime.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cuda_runtime_api.h>

struct fake_runtime fake_runtime = {.devices = 1, .capability = 9, .free_bytes = 1 << 20};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards fake_runtime and the list of blocks */
static _Thread_local cudaError_t last;
static _Thread_local int current; /* device */
static long now, waited_for; /* every call is a moment; up to which one somebody has waited; guarded by the lock */

static char fault_file[256]; /* "": none; else the next call fails once there is one of that name */

/* What the environment wants of a program that was not written for the emulation. */
__attribute__((constructor)) static void choose(void)
{
    const char *devices = getenv("WN_EMULATED_DEVICES"), *fault = getenv("WN_EMULATED_FAULT");
    if (devices) fake_runtime.devices = atoi(devices);
    if (fault && sscanf(fault, "%d@device=%d,file=%255s", &fake_runtime.fail_with, &fake_runtime.fail_device, fault_file) == 3)
        fake_runtime.sticky = fake_runtime.one_device = true;
}

/* With the lock held. */
static cudaError_t answer_locked(void)
{
    struct fake_runtime *f = &fake_runtime;
    now++;
    if (f->one_device && current != f->fail_device) return cudaSuccess;
    f->calls++;
    if (f->stuck) return (cudaError_t)f->stuck;
    if (fault_file[0] && access(fault_file, F_OK) == 0) f->fail_at = f->calls;
    if (f->calls != f->fail_at) return cudaSuccess;
    if (f->sticky) f->stuck = f->fail_with;
    return (cudaError_t)f->fail_with;
}

/* Every fallible call passes here; a sticky error stays. */
static cudaError_t answer(void)
{
    pthread_mutex_lock(&lock);
    const cudaError_t e = answer_locked();
    pthread_mutex_unlock(&lock);
    if (e != cudaSuccess) last = e;
    return e;
}

/* event: NULL for all that was asked for. */
static void wait_for(const void *event)
{
    long moment;
    pthread_mutex_lock(&lock);
    memcpy(&moment, event ? event : &now, sizeof moment);
    if (moment > waited_for) waited_for = moment, fake_runtime.waits++;
    pthread_mutex_unlock(&lock);
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

void fake_runtime_enter(int device)
{
    current = device;
}

cudaError_t cudaSetDevice(int device)
{
    if (device < 0 || device >= fake_runtime.devices) return last = cudaErrorInvalidDevice;
    current = device;
    return answer();
}

cudaError_t cudaDeviceSynchronize(void)
{
    wait_for(NULL);
    return answer();
}

/* ---- memory ---- */

enum { HEADER = 256, ANY_DEVICE = -1 };

/* Before each block, so that what is freed can be taken off the count, and what is used can be looked up. */
struct block {
    size_t bytes;
    int device;
    struct block *next, *previous;
};
static struct block *blocks;

static char *bytes_of(struct block *b)
{
    return (char *)b + HEADER;
}

static cudaError_t make(void **out, size_t bytes, int device)
{
    const cudaError_t e = answer();
    const size_t room = (bytes + HEADER - 1) / HEADER * HEADER;
    if (e != cudaSuccess) return e;
    struct block *b = aligned_alloc(HEADER, HEADER + room);
    if (!b) return last = cudaErrorMemoryAllocation;
    memset(bytes_of(b), 0xff, room);
    pthread_mutex_lock(&lock);
    *b = (struct block){.bytes = bytes, .device = device, .next = blocks};
    if (blocks) blocks->previous = b;
    blocks = b;
    fake_runtime.held_bytes += (long)bytes;
    fake_runtime.held_blocks++;
    pthread_mutex_unlock(&lock);
    *out = bytes_of(b);
    return cudaSuccess;
}

/* A stranger's device is a fault of the program that even freeing, which nobody checks, shall not hide. */
static cudaError_t refuse(const char *what, int device)
{
    pthread_mutex_lock(&lock);
    fake_runtime.strangers++;
    if (!fake_runtime.strangers_expected) {
        fprintf(stderr, "fake runtime: %s of device %d, and device %d is the current one\n", what, device, current);
        abort();
    }
    pthread_mutex_unlock(&lock);
    return last = cudaErrorInvalidResourceHandle;
}

static cudaError_t drop(void *memory, const char *what)
{
    if (!memory) return cudaSuccess;
    struct block *b = (struct block *)(void *)((char *)memory - HEADER);
    if (b->device != ANY_DEVICE && b->device != current) return refuse(what, b->device);
    pthread_mutex_lock(&lock);
    *(b->previous ? &b->previous->next : &blocks) = b->next;
    if (b->next) b->next->previous = b->previous;
    fake_runtime.held_bytes -= (long)b->bytes;
    fake_runtime.held_blocks--;
    pthread_mutex_unlock(&lock);
    free(b);
    return cudaSuccess;
}

/* The device of memory of ours, anywhere in a block; ANY_DEVICE for what the host holds. */
static int device_of_memory(const void *memory)
{
    int device = ANY_DEVICE;
    pthread_mutex_lock(&lock);
    for (struct block *b = blocks; b; b = b->next)
        if ((const char *)memory >= bytes_of(b) && (const char *)memory < bytes_of(b) + b->bytes) device = b->device;
    pthread_mutex_unlock(&lock);
    return device;
}

static cudaError_t check(const char *what, int device)
{
    return device == ANY_DEVICE || device == current ? cudaSuccess : refuse(what, device);
}

static cudaError_t check_memory(const char *what, const void *memory)
{
    return check(what, device_of_memory(memory));
}

static cudaError_t check_handle(const char *what, const void *handle)
{
    return handle ? check(what, ((const struct block *)(const void *)((const char *)handle - HEADER))->device) : cudaSuccess;
}

cudaError_t cudaMalloc(void **out, size_t bytes)
{
    return make(out, bytes, current);
}

cudaError_t cudaFree(void *memory)
{
    return drop(memory, "memory");
}

cudaError_t cudaMallocHost(void **out, size_t bytes)
{
    return make(out, bytes, ANY_DEVICE);
}

cudaError_t cudaFreeHost(void *memory)
{
    return drop(memory, "pinned memory");
}

cudaError_t cudaMemGetInfo(size_t *idle, size_t *total)
{
    *idle = fake_runtime.free_bytes, *total = (size_t)1 << 30;
    return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void *dst, const void *src, size_t count, enum cudaMemcpyKind kind, cudaStream_t stream)
{
    (void)kind;
    cudaError_t e = check_handle("a stream", stream);
    if (e == cudaSuccess) e = check_memory("what is written", dst);
    if (e == cudaSuccess) e = check_memory("what is read", src);
    if (e == cudaSuccess) e = answer();
    if (e == cudaSuccess) memcpy(dst, src, count);
    return e;
}

cudaError_t cudaMemsetAsync(void *dst, int value, size_t count, cudaStream_t stream)
{
    cudaError_t e = check_handle("a stream", stream);
    if (e == cudaSuccess) e = check_memory("what is cleared", dst);
    if (e == cudaSuccess) e = answer();
    if (e == cudaSuccess) memset(dst, value, count);
    return e;
}

/* ---- streams and events: handles that are counted like memory ---- */

/* The emulation's launches come by here. */
void fake_runtime_launch(const void *stream)
{
    check_handle("the stream of a launch", stream);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags)
{
    (void)flags;
    return make((void **)stream, 1, current);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    return drop(stream, "a stream");
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    const cudaError_t e = check_handle("a stream", stream);
    wait_for(NULL);
    return e == cudaSuccess ? answer() : e;
}

cudaError_t cudaStreamQuery(cudaStream_t stream)
{
    (void)stream;
    pthread_mutex_lock(&lock);
    const bool here = !fake_runtime.one_device || current == fake_runtime.fail_device;
    const cudaError_t e = here && fake_runtime.stuck ? (cudaError_t)fake_runtime.stuck : cudaSuccess;
    pthread_mutex_unlock(&lock);
    return e;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags)
{
    (void)flags;
    const cudaError_t e = make((void **)event, sizeof now, current);
    if (e == cudaSuccess) memset(*event, 0, sizeof now); /* as one that has happened */
    return e;
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    return drop(event, "an event");
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    cudaError_t e = check_handle("an event", event);
    if (e == cudaSuccess) e = check_handle("a stream", stream);
    pthread_mutex_lock(&lock);
    if (e == cudaSuccess) memcpy(event, &now, sizeof now);
    pthread_mutex_unlock(&lock);
    return e == cudaSuccess ? answer() : e;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    const cudaError_t e = check_handle("an event", event);
    if (e == cudaSuccess) wait_for(event);
    return e == cudaSuccess ? answer() : e;
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
