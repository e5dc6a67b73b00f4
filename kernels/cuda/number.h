/* Elements of any stored type, read and written as f32, one at a time or WN_CUDA_WIDTH at a time in 16-byte accesses.
 * Device code only. The type is a run-time tag on purpose: it is the same for a whole launch, so the branch costs
 * nothing beside the memory access, and a kernel exists once instead of once for each mixture of types. */
#ifndef WN_CUDA_NUMBER_H
#define WN_CUDA_NUMBER_H

#include "launch.h"

static __device__ __forceinline__ float wn_widen(unsigned short bits, enum wn_cuda_type type)
{
    return type == WN_CUDA_BF16 ? __uint_as_float((unsigned)bits << 16) : __half2float(__ushort_as_half(bits));
}

static __device__ __forceinline__ unsigned short wn_narrow(float value, enum wn_cuda_type type)
{
    return type == WN_CUDA_BF16 ? __bfloat16_as_ushort(__float2bfloat16_rn(value))
                                : __half_as_ushort(__float2half_rn(value));
}

static __device__ __forceinline__ float wn_load(const void *data, enum wn_cuda_type type, int i)
{
    if (type == WN_CUDA_F32) return static_cast<const float *>(data)[i];
    return wn_widen(static_cast<const unsigned short *>(data)[i], type);
}

static __device__ __forceinline__ void wn_store(void *data, enum wn_cuda_type type, int i, float value)
{
    if (type == WN_CUDA_F32)
        static_cast<float *>(data)[i] = value;
    else
        static_cast<unsigned short *>(data)[i] = wn_narrow(value, type);
}

static __device__ __forceinline__ void wn_widen_pair(unsigned bits, enum wn_cuda_type type, float *out)
{
    out[0] = wn_widen((unsigned short)(bits & 0xffffu), type);
    out[1] = wn_widen((unsigned short)(bits >> 16), type);
}

static __device__ __forceinline__ unsigned wn_narrow_pair(const float *in, enum wn_cuda_type type)
{
    return (unsigned)wn_narrow(in[0], type) | (unsigned)wn_narrow(in[1], type) << 16;
}

/* data + i must lie on a multiple of WN_CUDA_WIDTH elements. */
static __device__ __forceinline__ void wn_load_wide(const void *data, enum wn_cuda_type type, int i, float *out)
{
    if (type == WN_CUDA_F32) {
        const float4 *p = reinterpret_cast<const float4 *>(static_cast<const float *>(data) + i);
        const float4 lo = p[0], hi = p[1];
        out[0] = lo.x, out[1] = lo.y, out[2] = lo.z, out[3] = lo.w;
        out[4] = hi.x, out[5] = hi.y, out[6] = hi.z, out[7] = hi.w;
    } else {
        const uint4 v = *reinterpret_cast<const uint4 *>(static_cast<const unsigned short *>(data) + i);
        wn_widen_pair(v.x, type, out), wn_widen_pair(v.y, type, out + 2);
        wn_widen_pair(v.z, type, out + 4), wn_widen_pair(v.w, type, out + 6);
    }
}

static __device__ __forceinline__ void wn_store_wide(void *data, enum wn_cuda_type type, int i, const float *in)
{
    if (type == WN_CUDA_F32) {
        float4 *p = reinterpret_cast<float4 *>(static_cast<float *>(data) + i);
        p[0] = make_float4(in[0], in[1], in[2], in[3]);
        p[1] = make_float4(in[4], in[5], in[6], in[7]);
    } else {
        uint4 *p = reinterpret_cast<uint4 *>(static_cast<unsigned short *>(data) + i);
        *p = make_uint4(wn_narrow_pair(in, type), wn_narrow_pair(in + 2, type), wn_narrow_pair(in + 4, type),
                        wn_narrow_pair(in + 6, type));
    }
}

/* One element or WN_CUDA_WIDTH of an operand, whose innermost step is 1, or 0 for one number that serves them all. */
template <int V>
static __device__ __forceinline__ void wn_fetch(const struct wn_cuda_arg &a, int i, int inner_stride, float *out)
{
    if (V == 1) {
        out[0] = wn_load(a.data, a.type, i);
    } else if (inner_stride) {
        wn_load_wide(a.data, a.type, i, out);
    } else {
        const float one = wn_load(a.data, a.type, i);
        for (int k = 0; k < V; k++) out[k] = one;
    }
}

/* v += or *= an operand that may be left out: its data is NULL. */
template <int V> static __device__ __forceinline__ void wn_plus(const struct wn_cuda_arg &a, int i, float *v)
{
    float u[V];
    if (!a.data) return;
    wn_fetch<V>(a, i, a.stride[WN_CUDA_INNER], u);
#pragma unroll
    for (int k = 0; k < V; k++) v[k] += u[k];
}

template <int V> static __device__ __forceinline__ void wn_times(const struct wn_cuda_arg &a, int i, float *v)
{
    float u[V];
    if (!a.data) return;
    wn_fetch<V>(a, i, a.stride[WN_CUDA_INNER], u);
#pragma unroll
    for (int k = 0; k < V; k++) v[k] *= u[k];
}

template <int V> static __device__ __forceinline__ void wn_put(const struct wn_cuda_arg &a, int i, const float *in)
{
    if (V == 1)
        wn_store(a.data, a.type, i, in[0]);
    else
        wn_store_wide(a.data, a.type, i, in);
}

/* Rows come from the host at run time: one outside is read as the nearest, never as foreign memory. */
static __device__ __forceinline__ int wn_image_of_row(const float *row, int r, int images)
{
    const int wanted = (int)row[r];
    return wanted < 0 ? 0 : wanted >= images ? images - 1 : wanted;
}

/* Where step p of a loop is: adds index*stride to the offset of each of N operands. Unrolled over the axes, so that
 * every array of the launch is read at a fixed place and nothing is copied to a stack frame. */
template <int V, int N>
static __device__ __forceinline__ void wn_locate(const struct wn_cuda_loop &loop, unsigned p,
                                                 const int *const (&stride)[N], int (&offset)[N])
{
#pragma unroll
    for (int d = WN_CUDA_INNER; d >= 0; d--) {
        if (d + loop.rank < WN_CUDA_AXES) break;
        const int v = d == WN_CUDA_INNER ? V : 1;
        const unsigned dim = (unsigned)loop.dim[d] / v, next = p / dim;
        const int i = (int)(p - next * dim) * v;
#pragma unroll
        for (int k = 0; k < N; k++) offset[k] += i * stride[k][d];
        p = next;
    }
}

#endif
