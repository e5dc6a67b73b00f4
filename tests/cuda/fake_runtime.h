/* What a test sees and sets of the fake CUDA runtime. */
#ifndef WN_FAKE_RUNTIME_H
#define WN_FAKE_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>

/* When what is queued is done: when somebody waits for it, at once, or at any time between. */
enum fake_when { FAKE_LATE, FAKE_AT_ONCE, FAKE_AT_ANY_TIME };

struct fake_runtime {
    enum fake_when when;
    bool no_graphs;       /* captures are refused */
    bool no_pinned;       /* no memory of the host's is left to be pinned */
    int disturbed;        /* so many captures are of no use when they end, because of another thread */
    long replays;         /* of captured graphs */
    long calls_of_graphs; /* of those below: what only makes a graph, without which the stage is walked */
    int devices, capability;
    long calls, fail_at; /* the fail_at'th fallible call fails (0: none) ... */
    int fail_with;       /* ... with this code ... */
    bool sticky;         /* ... and so does every later one */
    int stuck;
    bool one_device; /* only calls with that device current are counted and fail */
    int fail_device;
    long held_bytes, held_blocks;
    long cleared_bytes;
    long urgent;             /* streams that were made to go before others */
    long waits;              /* times that the host waited for what it had not waited for yet, on whatever stream */
    size_t free_bytes;       /* that every device says it has */
    size_t too_large;        /* there is no block of so many bytes (0: there is any) */
    long strangers;          /* times that something of another device than the current one was used ... */
    bool strangers_expected; /* ... which else ends the process */
    bool forks_expected;     /* once CUDA has been called, which else end the process */
};
extern struct fake_runtime fake_runtime;

/* That device is this thread's current one, without a call that counts. */
void fake_runtime_enter(int device);
/* Queues a launch, or a library's call, on a stream: run may be called any number of times, drop once. */
void fake_runtime_launch(const void *stream, void (*run)(void *arg), void (*drop)(void *arg), void *arg);

/* The libraries of the emulation: whether they have a plan or an algorithm for everything, or for nothing, so that
 * our own kernels do the work. */
extern bool fake_libraries_can;
extern bool fake_libraries_keep; /* whether plans are kept, and may therefore take long to make */
extern int fake_plans;           /* of convolutions, alive */
struct wn_cuda_plan;
const struct wn_cuda_conv_shape *fake_libraries_shape(const struct wn_cuda_plan *plan); /* what was planned */

/* A 16-bit number of the emulation, widened. */
float fake_half(unsigned short bits);

#endif
