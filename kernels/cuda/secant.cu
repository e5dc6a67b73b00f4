/* The slope of an activation between two of its inputs, as DeepLIFT chains them. The functions are those of unary.def.
 */
#include "../secant_f32.h"
#include "unary.h"

namespace {

template <class F> __device__ struct wn_secant_end end_at(const F &f, float x, const struct wn_act &act)
{
    const float y = f.forward(x, act.alpha, act.beta);
    return {x, y, f.backward(F::from_output ? y : x, 1, act.alpha, act.beta)};
}

template <class F, int V> __global__ void secant_kernel(struct wn_cuda_loop loop, struct wn_cuda_secant s)
{
    const F f;
    const unsigned n = loop.count / V, step = gridDim.x * blockDim.x;
    for (int r = blockIdx.y; r < s.rows; r += gridDim.y) {
        const int image = s.row ? wn_image_of_row(s.row, r, s.images) : r;
        const int image0 = s.row0 ? wn_image_of_row(s.row0, r, s.images0) : r;
        for (unsigned p = blockIdx.x * blockDim.x + threadIdx.x; p < n; p += step) {
            int at[5] = {r * s.dy_pitch, r * s.more_pitch, image * s.x_pitch, image0 * s.x0_pitch, r * s.dx_pitch};
            const int *const stride[5] = {s.dy.stride, s.more.stride, s.x.stride, s.x0.stride, s.dx.stride};
            wn_locate<V>(loop, p, stride, at);
            float g[V], x[V], x0[V];
            wn_fetch<V>(s.dy, at[0], s.dy.stride[WN_CUDA_INNER], g);
            wn_plus<V>(s.more, at[1], g);
            wn_fetch<V>(s.x, at[2], s.x.stride[WN_CUDA_INNER], x);
            wn_fetch<V>(s.x0, at[3], s.x0.stride[WN_CUDA_INNER], x0);
#pragma unroll
            for (int k = 0; k < V; k++) {
                g[k] *= wn_secant_slope(end_at(f, x[k], s.act), end_at(f, x0[k], s.act));
            }
            wn_put<V>(s.dx, at[4], g);
        }
    }
}

} // namespace

/* ------------------------------------------------------------------------------------------------------------- */

enum { THREADS = 256 };

extern "C" void wn_cuda_launch_secant(const struct wn_cuda_loop *loop, const struct wn_cuda_secant *s,
                                      struct CUstream_st *stream)
{
    const unsigned rows = s->rows < 65535 ? (unsigned)s->rows : 65535;
    switch (s->act.kind) {
#define X(id, name, from, fwd, bwd)                                                                                    \
    case WN_UNARY_##id:                                                                                                \
        WN_ROWS_WIDE_OR_NOT((secant_kernel<wn_##id, WN_CUDA_WIDTH>), (secant_kernel<wn_##id, 1>), loop, rows, stream,  \
                            *loop, *s);                                                                                \
        break;
#include <whynot/unary.def>
#undef X
    default: break;
    }
}
