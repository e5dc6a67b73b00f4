/* Sums of many terms, each of which may be a slice of wider runs: what comes back to one of the parts that many
 * concatenations read, as in DenseNet. Every term is read once, and what one launch takes of them is rounded once. */
#include "number.h"

namespace {

template <int V> __global__ void sum_kernel(struct wn_cuda_sum s)
{
    const unsigned width = (unsigned)s.length / V, n = (unsigned)s.outer * width, step = gridDim.x * blockDim.x;
    const struct wn_cuda_arg y = {s.y, s.y_type, {0}};
    for (unsigned p = blockIdx.x * blockDim.x + threadIdx.x; p < n; p += step) {
        const int outer = (int)(p / width), at = (int)(p - (unsigned)outer * width) * V;
        float sum[V], v[V];
        for (int t = 0; t < s.n; t++) {
            const struct wn_cuda_arg x = {const_cast<void *>(s.x[t]), s.x_type[t], {0}};
            wn_fetch<V>(x, outer * s.pitch[t] + at, 1, v);
#pragma unroll
            for (int k = 0; k < V; k++) sum[k] = t ? sum[k] + v[k] : v[k];
        }
        wn_put<V>(y, outer * s.length + at, sum);
    }
}

} // namespace

/* ------------------------------------------------------------------------------------------------------------- */

enum { THREADS = 256 };

static bool aligned(const void *p)
{
    return (uintptr_t)p % 16 == 0;
}

extern "C" void wn_cuda_launch_sum(const struct wn_cuda_sum *s, struct CUstream_st *stream)
{
    const long long count = (long long)s->outer * s->length;
    bool wide = s->length % WN_CUDA_WIDTH == 0 && aligned(s->y);
    for (int t = 0; t < s->n; t++) wide = wide && s->pitch[t] % WN_CUDA_WIDTH == 0 && aligned(s->x[t]);
    if (wide)
        WN_LAUNCH((sum_kernel<WN_CUDA_WIDTH>), wn_blocks(count / WN_CUDA_WIDTH, THREADS), THREADS, 0, stream, *s);
    else
        WN_LAUNCH((sum_kernel<1>), wn_blocks(count, THREADS), THREADS, 0, stream, *s);
}
