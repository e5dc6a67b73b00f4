/* Parts of pictures replaced as maps say, whole batches at once: maps enlarged, pictures blurred, pixels chosen, the
 * rest put in their place. The arithmetic is hiding.h, the same lines that the processor hides with; knows no
 * network and no question. */
#include "block.h"

#include <whynot/hiding.h>

namespace {

enum { FOUR = 4 };

template <int V> __device__ __forceinline__ void get(const float *at, float *out)
{
    if (V == FOUR)
        wn_load_four(at, out);
    else
        out[0] = at[0];
}

template <int V> __device__ __forceinline__ void set(float *at, const float *v)
{
    if (V == FOUR)
        *reinterpret_cast<float4 *>(at) = make_float4(v[0], v[1 % V], v[2 % V], v[3 % V]);
    else
        at[0] = v[0];
}

/* ---- enlarging ---- */

template <int V> __global__ void __launch_bounds__(WN_BLOCK) enlarge_kernel(struct wn_cuda_enlarge e)
{
    const long long per_map = (long long)e.height * (e.width / V), step = (long long)gridDim.x * WN_BLOCK;
    for (long long i = (long long)blockIdx.x * WN_BLOCK + threadIdx.x; i < e.n * per_map; i += step) {
        const int map = (int)(i / per_map), at = (int)(i - map * per_map), y = at / (e.width / V),
                  x = (at - y * (e.width / V)) * V;
        const struct wn_between down = wn_enlarge_at(y, e.h, e.height, e.align_corners);
        const float *cells = e.map + (long long)map * e.h * e.w, *above = cells + down.a * e.w,
                    *below = cells + down.b * e.w;
        float v[V];
#pragma unroll
        for (int k = 0; k < V; k++) {
            const struct wn_between across = wn_enlarge_at(x + k, e.w, e.width, e.align_corners);
            const float upper = wn_enlarge_between(above[across.a], above[across.b], across.t);
            v[k] = wn_enlarge_between(upper, wn_enlarge_between(below[across.a], below[across.b], across.t), down.t);
        }
        set<V>(e.out + ((long long)map * e.height + y) * e.width + x, v);
    }
}

/* ---- blurring: down the columns, then along the rows ---- */

template <int V> __global__ void __launch_bounds__(WN_BLOCK) blur_down_kernel(struct wn_cuda_blur b)
{
    const int across = b.w / V;
    const long long n = (long long)b.planes * b.h * across, step = (long long)gridDim.x * WN_BLOCK;
    for (long long i = (long long)blockIdx.x * WN_BLOCK + threadIdx.x; i < n; i += step) {
        const long long row = i / across;
        const int plane = (int)(row / b.h), y = (int)(row - (long long)plane * b.h), x = (int)(i - row * across) * V;
        const float *top = b.x + (long long)plane * b.h * b.w + x;
        float sum[V] = {}, v[V];
        for (int k = -b.radius; k <= b.radius; k++) {
            const int from = wn_reflected(y + k, b.h, b.border);
            if (from < 0) continue;
            get<V>(top + (long long)from * b.w, v);
#pragma unroll
            for (int c = 0; c < V; c++) sum[c] += wn_times(b.taps[k + b.radius], v[c]);
        }
        set<V>(b.scratch + row * b.w + x, sum);
    }
}

__global__ void __launch_bounds__(WN_BLOCK) blur_across_kernel(struct wn_cuda_blur b)
{
    const long long n = (long long)b.planes * b.h * b.w, step = (long long)gridDim.x * WN_BLOCK;
    for (long long i = (long long)blockIdx.x * WN_BLOCK + threadIdx.x; i < n; i += step) {
        const long long row = i / b.w;
        const int x = (int)(i - row * b.w);
        float sum = 0;
        for (int k = -b.radius; k <= b.radius; k++) {
            const int from = wn_reflected(x + k, b.w, b.border);
            sum += wn_times(b.taps[k + b.radius], from < 0 ? 0.f : b.scratch[row * b.w + from]);
        }
        b.out[i] = sum;
    }
}

/* ---- the mean colour of each plane ---- */

__global__ void __launch_bounds__(WN_BLOCK) plane_mean_kernel(const float *x, int pixels, float *mean)
{
    WN_SHARED(double, part);
    const float *plane = x + (long long)blockIdx.x * pixels;
    double sum = 0;
    for (int i = threadIdx.x; i < pixels; i += WN_BLOCK) sum += plane[i];
    sum = wn_block_join(sum, wn_sum(), part);
    if (threadIdx.x == 0) mean[blockIdx.x] = (float)(sum / (double)pixels);
}

__global__ void __launch_bounds__(WN_BLOCK) fill_planes_kernel(const float *values, int pixels, float *out)
{
    float *plane = out + (long long)blockIdx.y * pixels;
    for (int i = (int)(blockIdx.x * WN_BLOCK + threadIdx.x); i < pixels; i += (int)gridDim.x * WN_BLOCK)
        plane[i] = values[blockIdx.y];
}

/* ---- which pixels to hide ---- */

/* Their order among n: lowest first, of equals the first one, or that order turned round. No two are the same. */
__device__ __forceinline__ wn_word rank_of(float v, enum wn_keep keep, int i, int n)
{
    const bool rising = keep == WN_KEEP_POSITIVE;
    return (wn_word)wn_key_of(rising ? v : -v) << 32 | (unsigned)(rising ? i : n - 1 - i);
}

/* The rank of the last of `count` to be hidden, bit by bit: no more than count - 1 are below it. */
__device__ __forceinline__ wn_word last_hidden(const float *map, int n, enum wn_keep keep, int count, wn_word *part)
{
    wn_word found = 0;
    for (wn_word bit = 1ull << 63; bit; bit >>= 1) {
        if (bit < 1ull << 32 && bit > (wn_word)n) continue; /* no index has that bit */
        const wn_word limit = found | bit;
        wn_word below = 0;
        for (int i = threadIdx.x; i < n; i += WN_BLOCK) below += rank_of(map[i], keep, i, n) < limit;
        if (wn_block_join(below, wn_sum(), part) < (wn_word)count) found = limit;
    }
    return found;
}

__global__ void __launch_bounds__(WN_BLOCK) choose_kernel(struct wn_cuda_choose c)
{
    WN_SHARED(wn_word, part);
    const struct wn_cuda_hidden h = c.rows[blockIdx.x];
    const float *map = c.maps + (long long)h.map * c.pixels;
    uint8_t *hidden = c.hidden + (long long)blockIdx.x * c.pixels;
    const bool by_sign = h.count < 0;
    /* no number's rank is 0 */
    const wn_word last = h.count > 0 ? last_hidden(map, c.pixels, h.keep, h.count, part) : 0;
    wn_word n = 0;
    for (int i = threadIdx.x; i < c.pixels; i += WN_BLOCK) {
        const bool hide = by_sign ? wn_is_against(map[i], h.keep) : rank_of(map[i], h.keep, i, c.pixels) <= last;
        hidden[i] = hide;
        n += hide;
    }
    n = wn_block_join(n, wn_sum(), part);
    if (threadIdx.x == 0) c.found[blockIdx.x] = (int)n;
}

/* ---- what stands in their place ---- */

template <int V> __global__ void __launch_bounds__(WN_BLOCK) replace_kernel(struct wn_cuda_replace r)
{
    const int image = r.image[blockIdx.y];
    const uint8_t *hidden = r.hidden + (long long)blockIdx.y * r.pixels;
    const float *x = r.x + (long long)image * r.channels * r.pixels,
                *fill = r.fill + (long long)image * r.channels * r.pixels;
    float *out = r.out + (long long)blockIdx.y * r.channels * r.pixels;
    for (int i = (int)(blockIdx.x * WN_BLOCK + threadIdx.x) * V; i < r.pixels; i += (int)gridDim.x * WN_BLOCK * V)
        for (int c = 0; c < r.channels; c++) {
            const long long at = (long long)c * r.pixels + i;
            float kept[V], put[V];
            get<V>(x + at, kept), get<V>(fill + at, put);
#pragma unroll
            for (int k = 0; k < V; k++) kept[k] = hidden[i + k] ? put[k] : kept[k];
            set<V>(out + at, kept);
        }
}

} // namespace

/* ------------------------------------------------------------------------------------------------------------- */

extern "C" void wn_cuda_launch_enlarge(const struct wn_cuda_enlarge *e, struct CUstream_st *stream)
{
    const unsigned blocks = wn_blocks((long long)e->n * e->height * e->width, WN_BLOCK * FOUR);
    if (e->width % FOUR == 0)
        WN_LAUNCH((enlarge_kernel<FOUR>), blocks, WN_BLOCK, 0, stream, *e);
    else
        WN_LAUNCH((enlarge_kernel<1>), blocks, WN_BLOCK, 0, stream, *e);
}

extern "C" void wn_cuda_launch_blur(const struct wn_cuda_blur *b, struct CUstream_st *stream)
{
    const long long n = (long long)b->planes * b->h * b->w;
    if (b->w % FOUR == 0)
        WN_LAUNCH((blur_down_kernel<FOUR>), wn_blocks(n, WN_BLOCK * FOUR), WN_BLOCK, 0, stream, *b);
    else
        WN_LAUNCH((blur_down_kernel<1>), wn_blocks(n, WN_BLOCK), WN_BLOCK, 0, stream, *b);
    WN_LAUNCH(blur_across_kernel, wn_blocks(n, WN_BLOCK), WN_BLOCK, 0, stream, *b);
}

extern "C" void wn_cuda_launch_plane_mean(const float *x, int planes, int pixels, float *mean,
                                          struct CUstream_st *stream)
{
    WN_LAUNCH(plane_mean_kernel, (unsigned)planes, WN_BLOCK, WN_BLOCK_SHARED, stream, x, pixels, mean);
}

extern "C" void wn_cuda_launch_fill_planes(const float *values, int planes, int pixels, float *out,
                                           struct CUstream_st *stream)
{
    const dim3 blocks(wn_blocks(pixels, WN_BLOCK), (unsigned)planes);
    WN_LAUNCH(fill_planes_kernel, blocks, WN_BLOCK, 0, stream, values, pixels, out);
}

extern "C" void wn_cuda_launch_choose(const struct wn_cuda_choose *c, struct CUstream_st *stream)
{
    WN_LAUNCH(choose_kernel, (unsigned)c->n, WN_BLOCK, WN_BLOCK_SHARED, stream, *c);
}

extern "C" void wn_cuda_launch_replace(const struct wn_cuda_replace *r, struct CUstream_st *stream)
{
    const int wide = r->pixels % FOUR == 0 ? FOUR : 1;
    const dim3 blocks(wn_blocks(r->pixels, WN_BLOCK * wide), (unsigned)r->n);
    if (wide == FOUR)
        WN_LAUNCH((replace_kernel<FOUR>), blocks, WN_BLOCK, 0, stream, *r);
    else
        WN_LAUNCH((replace_kernel<1>), blocks, WN_BLOCK, 0, stream, *r);
}
