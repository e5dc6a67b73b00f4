/* y = f(a, b), element by element: activations, their derivatives, arithmetic, and what follows a convolution or a
 * product. The functions themselves are those of unary.def; knows nothing of shapes beyond the loop it is given. */
#include "unary.h"

namespace {

template <int kind> __device__ __forceinline__ float binary_of(float a, float b)
{
    switch (kind) {
    case WN_BINARY_ADD: return a + b;
    case WN_BINARY_SUB: return a - b;
    case WN_BINARY_MUL: return a * b;
    case WN_BINARY_DIV: return a / b;
    case WN_BINARY_POW: return powf(a, b);
    case WN_BINARY_MAX: return fmaxf(a, b);
    default: return fminf(a, b);
    }
}

template <class F, int V>
__global__ void unary_kernel(struct wn_cuda_loop loop, struct wn_cuda_arg x, struct wn_cuda_arg y, float alpha,
                             float beta)
{
    const F f;
    const unsigned n = loop.count / V, step = gridDim.x * blockDim.x;
    for (unsigned p = blockIdx.x * blockDim.x + threadIdx.x; p < n; p += step) {
        int at[2] = {0, 0};
        const int *const stride[2] = {x.stride, y.stride};
        wn_locate<V>(loop, p, stride, at);
        float v[V];
        wn_fetch<V>(x, at[0], x.stride[WN_CUDA_INNER], v);
#pragma unroll
        for (int k = 0; k < V; k++) v[k] = f.forward(v[k], alpha, beta);
        wn_put<V>(y, at[1], v);
    }
}

template <class F, int V> __global__ void unary_bwd_kernel(struct wn_cuda_loop loop, struct wn_cuda_unary_bwd b)
{
    const F f;
    const unsigned n = loop.count / V, step = gridDim.x * blockDim.x;
    for (int r = blockIdx.y; r < b.rows; r += gridDim.y) {
        const int image = b.row ? wn_image_of_row(b.row, r, b.images) : 0;
        for (unsigned p = blockIdx.x * blockDim.x + threadIdx.x; p < n; p += step) {
            int at[5] = {r * b.dy_pitch, r * b.more_pitch, image * b.z_pitch, 0, r * b.dx_pitch};
            const int *const stride[5] = {b.dy.stride, b.more.stride, b.z.stride, b.scale.stride, b.dx.stride};
            wn_locate<V>(loop, p, stride, at);
            float g[V], s[V];
            wn_fetch<V>(b.dy, at[0], b.dy.stride[WN_CUDA_INNER], g);
            wn_plus<V>(b.more, at[1], g);
            wn_fetch<V>(b.z, at[2], b.z.stride[WN_CUDA_INNER], s);
#pragma unroll
            for (int k = 0; k < V; k++) g[k] = f.backward(s[k], g[k], b.act.alpha, b.act.beta);
            wn_times<V>(b.scale, at[3], g);
            wn_put<V>(b.dx, at[4], g);
        }
    }
}

template <int kind, int V>
__global__ void binary_kernel(struct wn_cuda_loop loop, struct wn_cuda_arg a, struct wn_cuda_arg b,
                              struct wn_cuda_arg y)
{
    const unsigned n = loop.count / V, step = gridDim.x * blockDim.x;
    for (unsigned p = blockIdx.x * blockDim.x + threadIdx.x; p < n; p += step) {
        int at[3] = {0, 0, 0};
        const int *const stride[3] = {a.stride, b.stride, y.stride};
        wn_locate<V>(loop, p, stride, at);
        float u[V], v[V];
        wn_fetch<V>(a, at[0], a.stride[WN_CUDA_INNER], u);
        wn_fetch<V>(b, at[1], b.stride[WN_CUDA_INNER], v);
#pragma unroll
        for (int k = 0; k < V; k++) u[k] = binary_of<kind>(u[k], v[k]);
        wn_put<V>(y, at[2], u);
    }
}

template <class F, int V> __global__ void epilogue_kernel(struct wn_cuda_loop loop, struct wn_cuda_epilogue e)
{
    const F f;
    const unsigned n = loop.count / V, step = gridDim.x * blockDim.x;
    for (unsigned p = blockIdx.x * blockDim.x + threadIdx.x; p < n; p += step) {
        int at[5] = {0, 0, 0, 0, 0};
        const int *const stride[5] = {e.x.stride, e.scale.stride, e.bias.stride, e.residual.stride, e.y.stride};
        wn_locate<V>(loop, p, stride, at);
        float v[V];
        wn_fetch<V>(e.x, at[0], e.x.stride[WN_CUDA_INNER], v);
        wn_times<V>(e.scale, at[1], v);
        wn_plus<V>(e.bias, at[2], v);
        wn_plus<V>(e.residual, at[3], v);
#pragma unroll
        for (int k = 0; k < V; k++) v[k] = f.forward(v[k], e.act.alpha, e.act.beta);
        wn_put<V>(e.y, at[4], v);
    }
}

} // namespace

/* ------------------------------------------------------------------------------------------------------------- */

enum { THREADS = 256 };

#define WN_WIDE_OR_NOT(kernel_wide, kernel_one, loop, stream, ...)                                                     \
    WN_ROWS_WIDE_OR_NOT(kernel_wide, kernel_one, loop, 1, stream, __VA_ARGS__)

extern "C" void wn_cuda_launch_unary(const struct wn_cuda_loop *loop, const struct wn_act *act,
                                     const struct wn_cuda_arg *x, const struct wn_cuda_arg *y,
                                     struct CUstream_st *stream)
{
    switch (act->kind) {
#define X(id, name, from, fwd, bwd)                                                                                    \
    case WN_UNARY_##id:                                                                                                \
        WN_WIDE_OR_NOT((unary_kernel<wn_##id, WN_CUDA_WIDTH>), (unary_kernel<wn_##id, 1>), loop, stream, *loop, *x,    \
                       *y, act->alpha, act->beta);                                                                     \
        break;
#include <whynot/unary.def>
#undef X
    default: break;
    }
}

extern "C" void wn_cuda_launch_unary_bwd(const struct wn_cuda_loop *loop, const struct wn_cuda_unary_bwd *b,
                                         struct CUstream_st *stream)
{
    const unsigned rows = b->rows < 65535 ? (unsigned)b->rows : 65535;
    switch (b->act.kind) {
#define X(id, name, from, fwd, bwd)                                                                                    \
    case WN_UNARY_##id:                                                                                                \
        WN_ROWS_WIDE_OR_NOT((unary_bwd_kernel<wn_##id, WN_CUDA_WIDTH>), (unary_bwd_kernel<wn_##id, 1>), loop, rows,    \
                            stream, *loop, *b);                                                                        \
        break;
#include <whynot/unary.def>
#undef X
    default: break;
    }
}

extern "C" void wn_cuda_launch_binary(const struct wn_cuda_loop *loop, enum wn_binary kind, const struct wn_cuda_arg *a,
                                      const struct wn_cuda_arg *b, const struct wn_cuda_arg *y,
                                      struct CUstream_st *stream)
{
    switch (kind) {
#define KIND(id)                                                                                                       \
    case WN_BINARY_##id:                                                                                               \
        WN_WIDE_OR_NOT((binary_kernel<WN_BINARY_##id, WN_CUDA_WIDTH>), (binary_kernel<WN_BINARY_##id, 1>), loop,       \
                       stream, *loop, *a, *b, *y);                                                                     \
        break;
        KIND(ADD) KIND(SUB) KIND(MUL) KIND(DIV) KIND(POW) KIND(MAX) KIND(MIN)
#undef KIND
    }
}

extern "C" void wn_cuda_launch_epilogue(const struct wn_cuda_loop *loop, const struct wn_cuda_epilogue *e,
                                        struct CUstream_st *stream)
{
    switch (e->act.kind) {
#define X(id, name, from, fwd, bwd)                                                                                    \
    case WN_UNARY_##id:                                                                                                \
        WN_WIDE_OR_NOT((epilogue_kernel<wn_##id, WN_CUDA_WIDTH>), (epilogue_kernel<wn_##id, 1>), loop, stream, *loop,  \
                       *e);                                                                                            \
        break;
#include <whynot/unary.def>
#undef X
    default:
        WN_WIDE_OR_NOT((epilogue_kernel<wn_none, WN_CUDA_WIDTH>), (epilogue_kernel<wn_none, 1>), loop, stream, *loop,
                       *e);
    }
}
