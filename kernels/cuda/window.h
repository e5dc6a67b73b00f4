/* Positions under a sliding window; device code only. */
#ifndef WN_CUDA_WINDOW_H
#define WN_CUDA_WINDOW_H

#include "number.h"

struct wn_at {
    int i[3];
};

/* The three coordinates of position s of a space of those lengths. */
static __device__ __forceinline__ struct wn_at wn_unflatten(unsigned s, const int *length)
{
    struct wn_at at;
    at.i[2] = (int)(s % length[2]);
    at.i[1] = (int)(s / length[2] % length[1]);
    at.i[0] = (int)(s / length[2] / length[1]);
    return at;
}

static __device__ __forceinline__ int wn_flatten(int i0, int i1, int i2, const int *length)
{
    return (i0 * length[1] + i1) * length[2] + i2;
}

/* The input coordinate under tap t of output o on axis d, or -1 in the padding. */
static __device__ __forceinline__ int wn_under(const struct wn_cuda_window &w, int d, int o, int t)
{
    const int i = o * w.stride[d] - w.pad[d] + t * w.dilation[d];
    return i >= 0 && i < w.x[d] ? i : -1;
}

/* The output whose tap t lies on input i on axis d, or -1 where there is none. */
static __device__ __forceinline__ int wn_over(const struct wn_cuda_window &w, int d, int i, int t)
{
    const int from = i + w.pad[d] - t * w.dilation[d];
    if (from < 0 || from % w.stride[d]) return -1;
    return from / w.stride[d] < w.y[d] ? from / w.stride[d] : -1;
}

#endif
