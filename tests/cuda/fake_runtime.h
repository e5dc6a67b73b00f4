/* What a test sees and sets of the fake CUDA runtime. */
#ifndef WN_FAKE_RUNTIME_H
#define WN_FAKE_RUNTIME_H

#include <stdbool.h>

struct fake_runtime {
    int devices, capability;
    long calls, fail_at; /* the fail_at'th fallible call fails (0: none) ... */
    int fail_with;       /* ... with this code ... */
    bool sticky;         /* ... and so does every later one */
    int stuck;
    long held_bytes, held_blocks;
};
extern struct fake_runtime fake_runtime;

/* The libraries of the emulation: whether they have a plan or an algorithm for everything, or for nothing, so that our own
 * kernels do the work. */
extern bool fake_libraries_can;

/* A 16-bit number of the emulation, widened. */
float fake_half(unsigned short bits);

#endif
