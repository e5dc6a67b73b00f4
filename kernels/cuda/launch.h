/* What a .cu file sees of the machine it is compiled for: nvcc's own words here, those of tests/cuda/emulation.h
 * where the same file is compiled for the CPU. Knows no kernel. */
#ifndef WN_CUDA_LAUNCH_H
#define WN_CUDA_LAUNCH_H

#ifdef WN_EMULATED
#include "emulation.h"
#else
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#define WN_LAUNCH(kernel, grid, block, shared_bytes, stream, ...)                                                      \
    kernel<<<(grid), (block), (shared_bytes), (cudaStream_t)(stream)>>>(__VA_ARGS__)
/* The block's dynamic shared memory. Static __shared__ is not used: the emulation could not refill it between
 * blocks. */
#define WN_SHARED(type, name)                                                                                          \
    extern __shared__ float4 wn_shared_memory[];                                                                       \
    type *name = reinterpret_cast<type *>(wn_shared_memory)
#endif

#include "kernels.h"

/* Blocks of `threads` for `items`, bounded: kernels walk on by the size of the grid. */
static inline unsigned wn_blocks(long long items, int threads)
{
    const long long most = 1 << 14, blocks = (items + threads - 1) / threads;
    return (unsigned)(blocks < 1 ? 1 : blocks > most ? most : blocks);
}

/* A loop over each of `rows`, in 16-byte accesses where it may be; the including file names its THREADS. */
#define WN_ROWS_WIDE_OR_NOT(kernel_wide, kernel_one, loop, rows, stream, ...)                                          \
    do {                                                                                                               \
        const dim3 grid(wn_blocks((loop)->vector ? (loop)->count / WN_CUDA_WIDTH : (loop)->count, THREADS), rows);     \
        if ((loop)->vector)                                                                                            \
            WN_LAUNCH(kernel_wide, grid, THREADS, 0, stream, __VA_ARGS__);                                             \
        else                                                                                                           \
            WN_LAUNCH(kernel_one, grid, THREADS, 0, stream, __VA_ARGS__);                                              \
    } while (0)

#endif
