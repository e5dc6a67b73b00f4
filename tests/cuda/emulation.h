/* CUDA's words on a CPU, so that the .cu files run under the sanitizers: blocks one after another, the threads of a
 * block as fibers that change places at each barrier and shuffle. It finds indices out of range, missing tails,
 * wrong strides, uninitialised shared memory and, by running the threads in several orders, missing barriers. It is
 * no GPU: it says nothing of speed, of races between blocks, or of memory ordering. */
#ifndef WN_EMULATION_H
#define WN_EMULATION_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include <functional>
#include <tuple>

#define __global__ static
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __restrict__

struct uint3 {
    unsigned x, y, z;
};
struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_)
    {
    }
};
struct alignas(16) float4 {
    float x, y, z, w;
};
struct alignas(16) uint4 {
    unsigned x, y, z, w;
};
struct alignas(8) float2 {
    float x, y;
};
static inline float4 make_float4(float x, float y, float z, float w)
{
    return float4{x, y, z, w};
}
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w)
{
    return uint4{x, y, z, w};
}

/* ---- where a thread is; valid while a kernel runs ---- */
struct wn_emulated_place {
    uint3 thread, block;
    dim3 block_size, grid_size;
    void *shared;
};
extern struct wn_emulated_place wn_emulated;
#define threadIdx (wn_emulated.thread)
#define blockIdx (wn_emulated.block)
#define blockDim (wn_emulated.block_size)
#define gridDim (wn_emulated.grid_size)
#define WN_SHARED(type, name) type *name = static_cast<type *>(wn_emulated.shared)

/* ---- meeting points; one that some thread of the group never reaches ends the test ---- */
void wn_emulated_barrier(void);
void wn_emulated_warp_barrier(void);
/* Hands over 8 bytes and takes those of another lane of the warp, which all its lanes do together. */
uint64_t wn_emulated_swap(uint64_t mine, unsigned from_lane);

static inline void __syncthreads(void)
{
    wn_emulated_barrier();
}
static inline void __syncwarp(unsigned = 0xffffffffu)
{
    wn_emulated_warp_barrier();
}

static inline unsigned wn_emulated_lane(void)
{
    const unsigned flat = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
    return flat % 32;
}

template <class T> static inline T wn_emulated_shuffle(T value, unsigned from)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof value);
    bits = wn_emulated_swap(bits, from % 32);
    memcpy(&value, &bits, sizeof value);
    return value;
}
template <class T> static inline T __shfl_sync(unsigned, T value, int from)
{
    return wn_emulated_shuffle(value, (unsigned)from);
}
template <class T> static inline T __shfl_xor_sync(unsigned, T value, int mask)
{
    return wn_emulated_shuffle(value, wn_emulated_lane() ^ (unsigned)mask);
}
template <class T> static inline T __shfl_down_sync(unsigned, T value, unsigned by)
{
    const unsigned lane = wn_emulated_lane();
    return wn_emulated_shuffle(value, lane + by < 32 ? lane + by : lane);
}

/* ---- numbers ---- */
static inline float __uint_as_float(unsigned bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}
static inline unsigned __float_as_uint(float f)
{
    unsigned bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}
struct wn_half_bits {
    unsigned short bits;
};
struct wn_bfloat_bits {
    unsigned short bits;
};
static inline wn_half_bits __ushort_as_half(unsigned short bits)
{
    return wn_half_bits{bits};
}
static inline unsigned short __half_as_ushort(wn_half_bits h)
{
    return h.bits;
}
static inline unsigned short __bfloat16_as_ushort(wn_bfloat_bits b)
{
    return b.bits;
}
float __half2float(wn_half_bits h);
wn_half_bits __float2half_rn(float f);
wn_bfloat_bits __float2bfloat16_rn(float f);

/* ---- launches ---- */

/* The order in which the threads of a block get their turn; every test runs each of its kernels in all of them. */
enum { WN_ORDER_FORWARD, WN_ORDER_BACKWARD, WN_ORDER_SHUFFLED, WN_ORDERS };

/* From any thread; one launch after another. It is done at once, or where there is a runtime and a stream, when that
 * does it. */
void wn_emulated_launch(const char *kernel, dim3 grid, dim3 block, size_t shared_bytes, const void *stream,
                        std::function<void()> thread);

/* Keeps the arguments, as a launch does: what the caller changes behind it is no longer seen. */
template <class... P, class... A>
static inline void wn_emulated_start(const char *name, void (*kernel)(P...), dim3 grid, dim3 block, size_t shared_bytes,
                                     const void *stream, A &&...args)
{
    static_assert((sizeof(P) + ... + 0) <= 4096, "a launch takes 4 KiB of arguments");
    const std::tuple<P...> kept(static_cast<P>(args)...);
    wn_emulated_launch(name, grid, block, shared_bytes, stream, [kernel, kept] { std::apply(kernel, kept); });
}

#define WN_LAUNCH(kernel, grid, block, shared_bytes, stream, ...)                                                      \
    wn_emulated_start(#kernel, kernel, (grid), (block), (shared_bytes), (stream), __VA_ARGS__)

#endif
