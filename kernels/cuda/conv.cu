/* Convolution and its data gradient for the shapes that cuDNN has no plan for, channels last: one thread a result,
 * in plain order of taps and channels. Right for every group count, dilation and stride; quick for depthwise shapes
 * only. */
#include "window.h"

namespace {

__global__ void conv_kernel(struct wn_cuda_direct_conv q, int x_size, int y_size)
{
    const struct wn_cuda_window &w = q.win;
    const int depth = q.c / q.groups, per_group = q.o / q.groups, taps = w.kernel[0] * w.kernel[1] * w.kernel[2];
    const unsigned count = (unsigned)q.n * y_size * q.o, step = gridDim.x * blockDim.x;
    for (unsigned p = blockIdx.x * blockDim.x + threadIdx.x; p < count; p += step) {
        const int o = (int)(p % q.o), line = (int)(p / q.o), n = line / y_size, first = o / per_group * depth;
        const struct wn_at at = wn_unflatten(line - n * y_size, w.y);
        float sum = q.bias ? wn_load(q.bias, q.bias_type, o) : 0;
        for (int t = 0; t < taps; t++) {
            const struct wn_at k = wn_unflatten(t, w.kernel);
            const int i0 = wn_under(w, 0, at.i[0], k.i[0]), i1 = wn_under(w, 1, at.i[1], k.i[1]),
                      i2 = wn_under(w, 2, at.i[2], k.i[2]);
            if (i0 < 0 || i1 < 0 || i2 < 0) continue;
            const int from = (n * x_size + wn_flatten(i0, i1, i2, w.x)) * q.c + first, weight = (o * taps + t) * depth;
            for (int c = 0; c < depth; c++)
                sum += wn_load(q.src, q.src_type, from + c) * wn_load(q.w, q.w_type, weight + c);
        }
        wn_store(q.dst, q.dst_type, (int)p, sum);
    }
}

__global__ void conv_bwd_kernel(struct wn_cuda_direct_conv q, int x_size, int y_size)
{
    const struct wn_cuda_window &w = q.win;
    const int depth = q.c / q.groups, per_group = q.o / q.groups, taps = w.kernel[0] * w.kernel[1] * w.kernel[2];
    const unsigned count = (unsigned)q.n * x_size * q.c, step = gridDim.x * blockDim.x;
    for (unsigned p = blockIdx.x * blockDim.x + threadIdx.x; p < count; p += step) {
        const int c = (int)(p % q.c), line = (int)(p / q.c), n = line / x_size, first = c / depth * per_group;
        const struct wn_at at = wn_unflatten(line - n * x_size, w.x);
        float sum = q.bias ? wn_load(q.bias, q.bias_type, c) : 0;
        for (int t = 0; t < taps; t++) {
            const struct wn_at k = wn_unflatten(t, w.kernel);
            const int o0 = wn_over(w, 0, at.i[0], k.i[0]), o1 = wn_over(w, 1, at.i[1], k.i[1]),
                      o2 = wn_over(w, 2, at.i[2], k.i[2]);
            if (o0 < 0 || o1 < 0 || o2 < 0) continue;
            const int from = (n * y_size + wn_flatten(o0, o1, o2, w.y)) * q.o + first;
            for (int o = 0; o < per_group; o++)
                sum += wn_load(q.src, q.src_type, from + o) *
                       wn_load(q.w, q.w_type, ((first + o) * taps + t) * depth + c % depth);
        }
        wn_store(q.dst, q.dst_type, (int)p, sum);
    }
}

} // namespace

/* ------------------------------------------------------------------------------------------------------------- */

enum { THREADS = 128 };

static int volume(const int *length)
{
    return length[0] * length[1] * length[2];
}

extern "C" void wn_cuda_launch_conv(const struct wn_cuda_direct_conv *c, struct CUstream_st *stream)
{
    const int x_size = volume(c->win.x), y_size = volume(c->win.y);
    WN_LAUNCH(conv_kernel, wn_blocks((long long)c->n * y_size * c->o, THREADS), THREADS, 0, stream, *c, x_size, y_size);
}

extern "C" void wn_cuda_launch_conv_bwd(const struct wn_cuda_direct_conv *c, struct CUstream_st *stream)
{
    const int x_size = volume(c->win.x), y_size = volume(c->win.y);
    WN_LAUNCH(conv_bwd_kernel, wn_blocks((long long)c->n * x_size * c->c, THREADS), THREADS, 0, stream, *c, x_size,
              y_size);
}
