/* The CUDA runtime as the emulation needs it: device memory is host memory, filled with NaN; what is queued on a
 * stream is done when somebody waits for it and no sooner (fake_streams.c), alone or in a graph that it was captured
 * into. Counts what is held, fails the call that a test chose, and refuses memory, streams and events of another
 * device than the thread's current one, which is more than CUDA does. From any thread. Knows no kernel. */
#include "fake_runtime.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cuda_runtime_api.h>

#include "fake_streams.h"

struct fake_runtime fake_runtime = {.devices = 1, .capability = 9, .free_bytes = 1 << 20};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards fake_runtime and the list of blocks */
static _Thread_local cudaError_t last;
static _Thread_local int current; /* device */
static long now, waited_for;      /* every call is a moment; up to which one somebody has waited; guarded by the lock */

static char fault_file[256]; /* "": none; else the next call fails once there is one of that name */

/* What the environment wants of a program that was not written for the emulation. */
__attribute__((constructor)) static void choose(void)
{
    const char *devices = getenv("WN_EMULATED_DEVICES"), *fault = getenv("WN_EMULATED_FAULT");
    const char *when = getenv("WN_EMULATED_WHEN");
    if (devices) fake_runtime.devices = atoi(devices);
    if (when)
        fake_runtime.when = strcmp(when, "once") == 0  ? FAKE_AT_ONCE
                            : strcmp(when, "any") == 0 ? FAKE_AT_ANY_TIME
                                                       : FAKE_LATE;
    if (fault &&
        sscanf(fault, "%d@device=%d,file=%255s", &fake_runtime.fail_with, &fake_runtime.fail_device, fault_file) == 3)
        fake_runtime.sticky = fake_runtime.one_device = true;
}

/* With the lock held. */
static cudaError_t answer_locked(void)
{
    struct fake_runtime *f = &fake_runtime;
    now++;
    if (f->one_device && current != f->fail_device) return cudaSuccess;
    f->calls++;
    f->calls_of_graphs += fake_streams_captures();
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
    fake_streams_refuse("cudaDeviceSynchronize");
    fake_streams_finish_all();
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

static cudaError_t make_unasked(void **out, size_t bytes, int device)
{
    void *memory; /* to the byte, so that the address sanitizer sees who goes past it */
    if (posix_memalign(&memory, HEADER, HEADER + bytes)) return last = cudaErrorMemoryAllocation;
    struct block *b = memory;
    memset(bytes_of(b), 0xff, bytes);
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

static cudaError_t make(void **out, size_t bytes, int device)
{
    const cudaError_t e = answer();
    return e == cudaSuccess ? make_unasked(out, bytes, device) : e;
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

/* The device of memory of ours, anywhere in a block; ANY_DEVICE for what the host holds, pinned or not. */
static int device_of_memory(const void *memory, bool *pageable)
{
    int device = ANY_DEVICE;
    *pageable = true;
    pthread_mutex_lock(&lock);
    for (struct block *b = blocks; b; b = b->next)
        if ((const char *)memory >= bytes_of(b) && (const char *)memory < bytes_of(b) + b->bytes)
            device = b->device, *pageable = false;
    pthread_mutex_unlock(&lock);
    return device;
}

static cudaError_t check(const char *what, int device)
{
    return device == ANY_DEVICE || device == current ? cudaSuccess : refuse(what, device);
}

cudaError_t cudaMalloc(void **out, size_t bytes)
{
    fake_streams_refuse("cudaMalloc");
    if (fake_runtime.too_large && bytes >= fake_runtime.too_large) return last = cudaErrorMemoryAllocation;
    return make(out, bytes, current);
}

/* Whatever may still use it is done first. */
cudaError_t cudaFree(void *memory)
{
    fake_streams_refuse("cudaFree");
    fake_streams_finish_all();
    return drop(memory, "memory");
}

cudaError_t cudaMallocHost(void **out, size_t bytes)
{
    fake_streams_refuse("cudaMallocHost");
    if (fake_runtime.no_pinned) return last = cudaErrorMemoryAllocation;
    return make(out, bytes, ANY_DEVICE);
}

cudaError_t cudaFreeHost(void *memory)
{
    fake_streams_refuse("cudaFreeHost");
    fake_streams_finish_all();
    return drop(memory, "pinned memory");
}

cudaError_t cudaMemGetInfo(size_t *idle, size_t *total)
{
    *idle = fake_runtime.free_bytes, *total = (size_t)1 << 30;
    return cudaSuccess;
}

/* ---- what is queued ---- */

struct copy {
    void *dst;
    const void *src; /* NULL: the bytes behind this, of memory that the caller may use again at once */
    size_t count;
};

static void run_copy(void *arg)
{
    const struct copy *c = arg;
    memcpy(c->dst, c->src ? c->src : c + 1, c->count);
}

struct set {
    void *dst;
    int value;
    size_t count;
};

static void run_set(void *arg)
{
    const struct set *s = arg;
    memset(s->dst, s->value, s->count);
}

/* Not malloc, which tests let fail. */
static void *room_for(size_t bytes)
{
    return aligned_alloc(HEADER, (bytes + HEADER - 1) / HEADER * HEADER);
}

static cudaError_t check_handle(const char *what, const void *handle)
{
    return handle ? check(what, ((const struct block *)(const void *)((const char *)handle - HEADER))->device)
                  : cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void *dst, const void *src, size_t count, enum cudaMemcpyKind kind, cudaStream_t stream)
{
    bool pageable_dst, pageable_src;
    (void)kind;
    cudaError_t e = check_handle("a stream", stream);
    if (e == cudaSuccess) e = check("what is written", device_of_memory(dst, &pageable_dst));
    if (e == cudaSuccess) e = check("what is read", device_of_memory(src, &pageable_src));
    if (e == cudaSuccess) e = answer();
    if (e != cudaSuccess) return e;
    if (pageable_src || pageable_dst) fake_streams_refuse("a copy of pageable memory");
    struct copy *c = room_for(sizeof *c + (pageable_src ? count : 0));
    *c = (struct copy){dst, pageable_src ? NULL : src, count};
    if (pageable_src) memcpy(c + 1, src, count);
    fake_streams_queue((void *)stream, run_copy, free, c);
    if (pageable_dst) fake_streams_finish((void *)stream);
    return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *dst, int value, size_t count, cudaStream_t stream)
{
    bool pageable;
    cudaError_t e = check_handle("a stream", stream);
    if (e == cudaSuccess) e = check("what is cleared", device_of_memory(dst, &pageable));
    if (e == cudaSuccess) e = answer();
    if (e != cudaSuccess) return e;
    struct set *s = room_for(sizeof *s);
    *s = (struct set){dst, value, count};
    pthread_mutex_lock(&lock);
    fake_runtime.cleared_bytes += (long)count;
    pthread_mutex_unlock(&lock);
    fake_streams_queue((void *)stream, run_set, free, s);
    return cudaSuccess;
}

/* The emulation's launches come by here. */
void fake_runtime_launch(const void *stream, void (*run)(void *), void (*drop_it)(void *), void *arg)
{
    check_handle("the stream of a launch", stream);
    fake_streams_queue(stream, run, drop_it, arg);
}

/* ---- streams and events: handles that are counted like memory ---- */

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags)
{
    if (flags != cudaStreamNonBlocking) {
        fprintf(stderr, "fake runtime: a stream that waits for the legacy one, and that one for it\n");
        abort();
    }
    const cudaError_t e = make((void **)stream, FAKE_STREAM_BYTES, current);
    if (e == cudaSuccess) fake_streams_open((void *)*stream);
    return e;
}

enum { GREATEST = -5 }; /* priorities are negative, and the least is 0 */

cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *greatest)
{
    *least = 0, *greatest = GREATEST;
    return answer();
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t *stream, unsigned flags, int priority)
{
    fake_runtime.urgent += priority == GREATEST;
    return cudaStreamCreateWithFlags(stream, flags);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    fake_streams_refuse("cudaStreamDestroy");
    if (stream) fake_streams_close((void *)stream);
    return drop(stream, "a stream");
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    const cudaError_t e = check_handle("a stream", stream);
    fake_streams_refuse("cudaStreamSynchronize");
    if (e == cudaSuccess) fake_streams_finish((void *)stream);
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

struct event {
    long moment; /* of the record, for the count of waits */
    struct fake_mark mark;
    bool timed;
    long done; /* of a timed one: what the device had done when its stream came by; 0: it has not */
};

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags)
{
    const cudaError_t e = make((void **)event, sizeof(struct event), current);
    if (e == cudaSuccess) memset(*event, 0, sizeof(struct event)); /* as one that has happened */
    if (e == cudaSuccess) ((struct event *)(void *)*event)->timed = !(flags & cudaEventDisableTiming);
    return e;
}

cudaError_t cudaEventCreate(cudaEvent_t *event)
{
    return cudaEventCreateWithFlags(event, cudaEventDefault);
}

static void come_by(void *event)
{
    ((struct event *)event)->done = fake_streams_done();
}

static void keep(void *event)
{
    (void)event;
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    if (event) fake_streams_reach(((struct event *)(void *)event)->mark);
    return drop(event, "an event");
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    cudaError_t e = check_handle("an event", event);
    if (e == cudaSuccess) e = check_handle("a stream", stream);
    struct event *made = (struct event *)(void *)event;
    if (e == cudaSuccess && made->timed) made->done = 0, fake_streams_queue((void *)stream, come_by, keep, made);
    if (e == cudaSuccess) made->mark = fake_streams_mark((void *)stream);
    pthread_mutex_lock(&lock);
    if (e == cudaSuccess) made->moment = now;
    pthread_mutex_unlock(&lock);
    return e == cudaSuccess ? answer() : e;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    const cudaError_t e = check_handle("an event", event);
    fake_streams_refuse("cudaEventSynchronize");
    if (e == cudaSuccess) fake_streams_reach(((struct event *)(void *)event)->mark), wait_for(event);
    return e == cudaSuccess ? answer() : e;
}

/* The device's time: a millisecond for each thing that it does, and none while it waits. */
cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t start, cudaEvent_t end)
{
    const struct event *from = (const struct event *)(const void *)start, *to = (const struct event *)(const void *)end;
    cudaError_t e = check_handle("an event", start);
    if (e == cudaSuccess) e = check_handle("an event", end);
    if (e == cudaSuccess && (!from->timed || !to->timed || !from->moment || !to->moment))
        e = last = cudaErrorInvalidResourceHandle;
    if (e == cudaSuccess && (from->done == 0 || to->done == 0)) e = last = cudaErrorNotReady;
    if (e == cudaSuccess) *ms = (float)(to->done - from->done);
    return e == cudaSuccess ? answer() : e;
}

/* ---- graphs: counted like memory ---- */

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode)
{
    cudaError_t e = check_handle("a stream", stream);
    if (mode != cudaStreamCaptureModeThreadLocal) { /* what other threads allocate would end it, or it them */
        fprintf(stderr, "fake runtime: a capture that other threads disturb\n");
        abort();
    }
    if (e == cudaSuccess && fake_runtime.no_graphs) e = last = cudaErrorStreamCaptureUnsupported;
    if (e == cudaSuccess) e = answer();
    if (e == cudaSuccess) fake_streams_capture((void *)stream);
    return e;
}

/* Ends it also where it fails. */
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph)
{
    struct fake_graph *g = fake_streams_captured((void *)stream);
    cudaError_t e = answer();
    *graph = NULL;
    if (e == cudaSuccess && fake_runtime.disturbed)
        fake_runtime.disturbed--, e = last = cudaErrorStreamCaptureInvalidated;
    if (e == cudaSuccess && make_unasked((void **)graph, sizeof g, ANY_DEVICE) == cudaSuccess)
        memcpy(*graph, &g, sizeof g);
    else
        fake_graph_give(g);
    return e;
}

static struct fake_graph *graph_in(const void *handle)
{
    struct fake_graph *g;
    memcpy(&g, handle, sizeof g);
    return g;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long flags)
{
    (void)flags;
    struct fake_graph *g = graph_in(graph);
    const cudaError_t e = make((void **)exec, sizeof g, current);
    if (e == cudaSuccess) fake_graph_take(g), memcpy(*exec, &g, sizeof g);
    return e;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream)
{
    cudaError_t e = check_handle("a graph", exec);
    if (e == cudaSuccess) e = check_handle("a stream", stream);
    if (e == cudaSuccess) e = answer();
    if (e != cudaSuccess) return e;
    fake_graph_take(graph_in(exec));
    fake_streams_queue((void *)stream, fake_graph_run, fake_graph_give, graph_in(exec));
    fake_runtime.replays++;
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    fake_graph_give(graph_in(graph));
    return drop(graph, "a graph");
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec)
{
    fake_graph_give(graph_in(exec));
    return drop(exec, "a graph");
}
