/* Pools and their gradients, channels last. A gradient gathers from the windows that cover an element instead of
 * scattering into them, so it needs no atomics; knows nothing of programs. */
#include "window.h"

namespace {

#define FOR_TAPS(t, w)                                                                                                 \
    for (int t##0 = 0; t##0 < (w).kernel[0]; t##0 ++)                                                                  \
        for (int t##1 = 0; t##1 < (w).kernel[1]; t##1 ++)                                                              \
            for (int t##2 = 0; t##2 < (w).kernel[2]; t##2 ++)

/* Thread p handles V channels from c on at one position of image n. */
struct place {
    int n, c, s;
};

template <int V> __device__ __forceinline__ struct place place_of(unsigned p, int channels, int spatial)
{
    const unsigned width = channels / V, line = p / width;
    struct place at;
    at.c = (int)(p - line * width) * V;
    at.n = (int)(line / spatial);
    at.s = (int)line - at.n * spatial;
    return at;
}

template <int V> __global__ void maxpool_kernel(struct wn_cuda_pool q, int x_size, int y_size)
{
    const struct wn_cuda_window &w = q.win;
    const struct wn_cuda_arg x = {const_cast<void *>(q.src), q.src_type, {0}}, y = {q.dst, q.dst_type, {0}};
    const struct wn_cuda_arg index = {q.index, WN_CUDA_F32, {0}};
    const unsigned count = (unsigned)q.n * y_size * (q.channels / V), step = gridDim.x * blockDim.x;
    for (unsigned p = blockIdx.x * blockDim.x + threadIdx.x; p < count; p += step) {
        const struct place at = place_of<V>(p, q.channels, y_size);
        const struct wn_at o = wn_unflatten(at.s, w.y);
        float best[V], winner[V], v[V];
        for (int k = 0; k < V; k++) best[k] = -INFINITY, winner[k] = -1;
        FOR_TAPS(t, w)
        {
            const int i0 = wn_under(w, 0, o.i[0], t0), i1 = wn_under(w, 1, o.i[1], t1), i2 = wn_under(w, 2, o.i[2], t2);
            if (i0 < 0 || i1 < 0 || i2 < 0) continue;
            const int s = wn_flatten(i0, i1, i2, w.x);
            wn_fetch<V>(x, (at.n * x_size + s) * q.channels + at.c, 1, v);
#pragma unroll
            for (int k = 0; k < V; k++)
                if (winner[k] < 0 || v[k] > best[k] || (v[k] != v[k] && best[k] == best[k]))
                    best[k] = v[k], winner[k] = (float)s;
        }
        wn_put<V>(y, (at.n * y_size + at.s) * q.channels + at.c, best);
        if (q.index) wn_put<V>(index, (at.n * y_size + at.s) * q.channels + at.c, winner);
    }
}

template <int V> __global__ void maxpool_bwd_kernel(struct wn_cuda_pool q, int x_size, int y_size)
{
    const struct wn_cuda_window &w = q.win;
    const struct wn_cuda_arg dy = {const_cast<void *>(q.src), q.src_type, {0}}, dx = {q.dst, q.dst_type, {0}};
    const struct wn_cuda_arg index = {const_cast<float *>(q.index_in), WN_CUDA_F32, {0}};
    const unsigned count = (unsigned)q.n * x_size * (q.channels / V), step = gridDim.x * blockDim.x;
    for (unsigned p = blockIdx.x * blockDim.x + threadIdx.x; p < count; p += step) {
        const struct place at = place_of<V>(p, q.channels, x_size);
        const struct wn_at i = wn_unflatten(at.s, w.x);
        const int image = q.row ? wn_image_of_row(q.row, at.n, q.images) : at.n;
        float sum[V] = {0}, v[V], winner[V];
        FOR_TAPS(t, w)
        {
            const int o0 = wn_over(w, 0, i.i[0], t0), o1 = wn_over(w, 1, i.i[1], t1), o2 = wn_over(w, 2, i.i[2], t2);
            if (o0 < 0 || o1 < 0 || o2 < 0) continue;
            const int o = wn_flatten(o0, o1, o2, w.y);
            wn_fetch<V>(dy, (at.n * y_size + o) * q.channels + at.c, 1, v);
            wn_fetch<V>(index, (image * y_size + o) * q.channels + at.c, 1, winner);
#pragma unroll
            for (int k = 0; k < V; k++) sum[k] += winner[k] == (float)at.s ? v[k] : 0.0f;
        }
        wn_put<V>(dx, (at.n * x_size + at.s) * q.channels + at.c, sum);
    }
}

/* How many elements the window at o averages over. */
__device__ __forceinline__ float divisor(const struct wn_cuda_window &w, bool count_pad, int o0, int o1, int o2)
{
    int n = 0;
    if (count_pad) return (float)(w.kernel[0] * w.kernel[1] * w.kernel[2]);
    FOR_TAPS(t, w) n += wn_under(w, 0, o0, t0) >= 0 && wn_under(w, 1, o1, t1) >= 0 && wn_under(w, 2, o2, t2) >= 0;
    return n ? (float)n : 1.0f;
}

template <int V> __global__ void avgpool_kernel(struct wn_cuda_pool q, int x_size, int y_size)
{
    const struct wn_cuda_window &w = q.win;
    const struct wn_cuda_arg x = {const_cast<void *>(q.src), q.src_type, {0}}, y = {q.dst, q.dst_type, {0}};
    const unsigned count = (unsigned)q.n * y_size * (q.channels / V), step = gridDim.x * blockDim.x;
    for (unsigned p = blockIdx.x * blockDim.x + threadIdx.x; p < count; p += step) {
        const struct place at = place_of<V>(p, q.channels, y_size);
        const struct wn_at o = wn_unflatten(at.s, w.y);
        float sum[V] = {0}, v[V];
        FOR_TAPS(t, w)
        {
            const int i0 = wn_under(w, 0, o.i[0], t0), i1 = wn_under(w, 1, o.i[1], t1), i2 = wn_under(w, 2, o.i[2], t2);
            if (i0 < 0 || i1 < 0 || i2 < 0) continue;
            wn_fetch<V>(x, (at.n * x_size + wn_flatten(i0, i1, i2, w.x)) * q.channels + at.c, 1, v);
#pragma unroll
            for (int k = 0; k < V; k++) sum[k] += v[k];
        }
        const float over = divisor(w, q.count_pad, o.i[0], o.i[1], o.i[2]);
        for (int k = 0; k < V; k++) sum[k] /= over;
        wn_put<V>(y, (at.n * y_size + at.s) * q.channels + at.c, sum);
    }
}

template <int V> __global__ void avgpool_bwd_kernel(struct wn_cuda_pool q, int x_size, int y_size)
{
    const struct wn_cuda_window &w = q.win;
    const struct wn_cuda_arg dy = {const_cast<void *>(q.src), q.src_type, {0}}, dx = {q.dst, q.dst_type, {0}};
    const unsigned count = (unsigned)q.n * x_size * (q.channels / V), step = gridDim.x * blockDim.x;
    for (unsigned p = blockIdx.x * blockDim.x + threadIdx.x; p < count; p += step) {
        const struct place at = place_of<V>(p, q.channels, x_size);
        const struct wn_at i = wn_unflatten(at.s, w.x);
        float sum[V] = {0}, v[V];
        FOR_TAPS(t, w)
        {
            const int o0 = wn_over(w, 0, i.i[0], t0), o1 = wn_over(w, 1, i.i[1], t1), o2 = wn_over(w, 2, i.i[2], t2);
            if (o0 < 0 || o1 < 0 || o2 < 0) continue;
            const float over = divisor(w, q.count_pad, o0, o1, o2);
            wn_fetch<V>(dy, (at.n * y_size + wn_flatten(o0, o1, o2, w.y)) * q.channels + at.c, 1, v);
#pragma unroll
            for (int k = 0; k < V; k++) sum[k] += v[k] / over;
        }
        wn_put<V>(dx, (at.n * x_size + at.s) * q.channels + at.c, sum);
    }
}

} // namespace

/* ------------------------------------------------------------------------------------------------------------- */

enum { THREADS = 128 };

static int volume(const int *length)
{
    return length[0] * length[1] * length[2];
}

static bool wide(const struct wn_cuda_pool *p)
{
    const uintptr_t places = (uintptr_t)p->src | (uintptr_t)p->dst | (uintptr_t)p->index | (uintptr_t)p->index_in;
    return p->channels % WN_CUDA_WIDTH == 0 && places % 16 == 0;
}

#define LAUNCH_POOL(kernel, p, over, stream)                                                                           \
    do {                                                                                                               \
        const int x_size = volume((p)->win.x), y_size = volume((p)->win.y);                                            \
        const long long count = (long long)(p)->n * volume(over) * (p)->channels;                                      \
        if (wide(p))                                                                                                   \
            WN_LAUNCH((kernel<WN_CUDA_WIDTH>), wn_blocks(count / WN_CUDA_WIDTH, THREADS), THREADS, 0, stream, *(p),    \
                      x_size, y_size);                                                                                 \
        else                                                                                                           \
            WN_LAUNCH((kernel<1>), wn_blocks(count, THREADS), THREADS, 0, stream, *(p), x_size, y_size);               \
    } while (0)

extern "C" void wn_cuda_launch_maxpool(const struct wn_cuda_pool *p, struct CUstream_st *stream)
{
    LAUNCH_POOL(maxpool_kernel, p, p->win.y, stream);
}

extern "C" void wn_cuda_launch_maxpool_bwd(const struct wn_cuda_pool *p, struct CUstream_st *stream)
{
    LAUNCH_POOL(maxpool_bwd_kernel, p, p->win.x, stream);
}

extern "C" void wn_cuda_launch_avgpool(const struct wn_cuda_pool *p, struct CUstream_st *stream)
{
    LAUNCH_POOL(avgpool_kernel, p, p->win.y, stream);
}

extern "C" void wn_cuda_launch_avgpool_bwd(const struct wn_cuda_pool *p, struct CUstream_st *stream)
{
    LAUNCH_POOL(avgpool_bwd_kernel, p, p->win.x, stream);
}
