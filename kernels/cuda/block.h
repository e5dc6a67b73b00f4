/* What the threads of a block find out together: sums and maxima through shuffles and shared memory, in a fixed
 * order, and keys that put floats into order. Device code only. */
#ifndef WN_CUDA_BLOCK_H
#define WN_CUDA_BLOCK_H

#include "launch.h"

enum { WN_WARP = 32, WN_BLOCK = 256, WN_BLOCK_WARPS = WN_BLOCK / WN_WARP, WN_BLOCK_SHARED = WN_BLOCK_WARPS * 8 };
typedef unsigned long long wn_word; /* counts, sums, and keys of floats */

struct wn_sum {
    template <class T> __device__ __forceinline__ T operator()(T a, T b) const
    {
        return a + b;
    }
};
struct wn_highest {
    template <class T> __device__ __forceinline__ T operator()(T a, T b) const
    {
        return a > b ? a : b;
    }
};

/* Every thread of a block of WN_BLOCK gives one value of 8 bytes and gets the join of all of them. part:
 * WN_BLOCK_SHARED bytes. */
template <class T, class Join> static __device__ __forceinline__ T wn_block_join(T v, Join join, T *part)
{
    for (int lane = WN_WARP / 2; lane > 0; lane /= 2) v = join(v, __shfl_xor_sync(0xffffffffu, v, lane));
    if (threadIdx.x % WN_WARP == 0) part[threadIdx.x / WN_WARP] = v;
    __syncthreads();
    v = part[0];
    for (int k = 1; k < WN_BLOCK_WARPS; k++) v = join(v, part[k]);
    __syncthreads();
    return v;
}

/* Bits that are ordered as the numbers are; both zeros are one. */
static __device__ __forceinline__ unsigned wn_key_of(float v)
{
    const unsigned bits = __float_as_uint(v + 0.f);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

static __device__ __forceinline__ float wn_float_of(unsigned key)
{
    return __uint_as_float(key & 0x80000000u ? key & 0x7fffffffu : ~key);
}

static __device__ __forceinline__ void wn_load_four(const float *at, float *out)
{
    const float4 v = *reinterpret_cast<const float4 *>(at);
    out[0] = v.x, out[1] = v.y, out[2] = v.z, out[3] = v.w;
}

#endif
