/* Parts side by side, through a scale, a shift and an activation where a batch-norm reads nothing but them, as in
 * DenseNet: what was laid side by side is then never written by itself, nor read again. A row of blocks for each
 * part, so that no thread looks for its own. */
#include "unary.h"

namespace {

/* One number for each channel, or the same for all. */
__device__ __forceinline__ struct wn_cuda_arg operand(const struct wn_cuda_factor &f)
{
    struct wn_cuda_arg a = {const_cast<float *>(f.data), WN_CUDA_F32, {0}};
    a.stride[WN_CUDA_INNER] = f.step;
    return a;
}

template <class F, int V> __global__ void concat_kernel(struct wn_cuda_concat c)
{
    const F f;
    const int part = blockIdx.y, length = c.length[part], first = c.first[part];
    const unsigned width = (unsigned)length / V, n = (unsigned)c.outer * width, step = gridDim.x * blockDim.x;
    const struct wn_cuda_arg x = {const_cast<void *>(c.x[part]), c.x_type[part], {0}}, y = {c.y, c.y_type, {0}};
    const struct wn_cuda_arg scale = operand(c.scale), shift = operand(c.shift);
    for (unsigned p = blockIdx.x * blockDim.x + threadIdx.x; p < n; p += step) {
        const int outer = (int)(p / width), at = (int)(p - (unsigned)outer * width) * V;
        float v[V];
        wn_fetch<V>(x, outer * length + at, 1, v);
        wn_times<V>(scale, (first + at) * c.scale.step, v);
        wn_plus<V>(shift, (first + at) * c.shift.step, v);
#pragma unroll
        for (int k = 0; k < V; k++) v[k] = f.forward(v[k], c.act.alpha, c.act.beta);
        wn_put<V>(y, outer * c.pitch + first + at, v);
    }
}

} // namespace

/* ------------------------------------------------------------------------------------------------------------- */

enum { THREADS = 256 };

static bool aligned(const void *p)
{
    return (uintptr_t)p % 16 == 0;
}

template <class F> static void launch(const struct wn_cuda_concat *c, struct CUstream_st *stream)
{
    long long most = 0;
    bool wide = c->pitch % WN_CUDA_WIDTH == 0 && aligned(c->y) && aligned(c->scale.data) && aligned(c->shift.data);
    for (int i = 0; i < c->n; i++) {
        const long long count = (long long)c->outer * c->length[i];
        if (count > most) most = count;
        wide = wide && c->length[i] % WN_CUDA_WIDTH == 0 && c->first[i] % WN_CUDA_WIDTH == 0 && aligned(c->x[i]);
    }
    const dim3 grid(wn_blocks(wide ? most / WN_CUDA_WIDTH : most, THREADS), (unsigned)c->n);
    if (wide)
        WN_LAUNCH((concat_kernel<F, WN_CUDA_WIDTH>), grid, THREADS, 0, stream, *c);
    else
        WN_LAUNCH((concat_kernel<F, 1>), grid, THREADS, 0, stream, *c);
}

extern "C" void wn_cuda_launch_concat(const struct wn_cuda_concat *c, struct CUstream_st *stream)
{
    switch (c->act.kind) {
#define X(id, name, from, fwd, bwd)                                                                                    \
    case WN_UNARY_##id:                                                                                                \
        launch<wn_##id>(c, stream);                                                                                    \
        break;
#include <whynot/unary.def>
#undef X
    default: launch<wn_none>(c, stream);
    }
}
