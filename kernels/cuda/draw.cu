/* Maps to palette indices: upsampling, range, index, and where the peak and the strongest mass lie, for many maps at
 * once, each of the pixels that it covers. The arithmetic is pixels.h, the same lines that the processor draws with;
 * knows no colour and no question.
 *
 * Four launches: where pixels lie and what is wrong with a map; values; what is to be known of them, a block a map;
 * indices. */
#include "block.h"

#include <whynot/pixels.h>

namespace {

enum { LOAD = 4, STORE = 16 };

__device__ __forceinline__ float rectified(const struct wn_cuda_drawing &d, float v)
{
    return d.how.relu && !(v > 0) ? 0.f : v;
}

/* ---- where pixels lie, and what is wrong with a map ---- */

__global__ void __launch_bounds__(WN_BLOCK) draw_begin_kernel(const struct wn_cuda_drawing *all)
{
    WN_SHARED(wn_word, part);
    const struct wn_cuda_drawing &d = all[blockIdx.x];
    const int lines = d.cover_w + d.cover_h;
    for (int i = threadIdx.x; i < lines; i += WN_BLOCK)
        d.taps[i] = i < d.cover_w ? wn_between_at(d.x + i, d.view.x0, d.view.x1, d.w, d.how.align_corners)
                                  : wn_between_at(d.y + i - d.cover_w, d.view.y0, d.view.y1, d.h, d.how.align_corners);
    wn_word most = 0, least = 0, wrong = 0;
    for (int i = threadIdx.x; i < d.h * d.w; i += WN_BLOCK) {
        const float v = rectified(d, d.map[i]);
        const unsigned key = wn_key_of(v);
        most = key > most ? key : most;
        least = ~key > least ? ~key : least;
        wrong |= !(d.map[i] - d.map[i] == 0);
    }
    most = wn_block_join(most, wn_highest(), part);
    least = wn_block_join(least, wn_highest(), part);
    wrong = wn_block_join(wrong, wn_highest(), part);
    if (threadIdx.x) return;
    d.out->fault = wrong ? WN_CUDA_DRAW_NOT_FINITE : WN_CUDA_DRAW_FINE;
    d.out->drawn.flat = (unsigned)most == ~(unsigned)least;
}

/* ---- values ---- */

/* Rows behind the last are what pads the values, and nobody looks at those. */
__device__ __forceinline__ float value_at(const struct wn_cuda_drawing &d, int x, int y)
{
    if (y >= d.cover_h) return 0;
    const struct wn_between across = d.taps[x], down = d.taps[d.cover_w + y];
    const float *upper = d.map + down.a * d.w, *lower = d.map + down.b * d.w;
    const float u = wn_blend(rectified(d, upper[across.a]), rectified(d, upper[across.b]), across.t);
    const float l = wn_blend(rectified(d, lower[across.a]), rectified(d, lower[across.b]), across.t);
    return wn_blend(u, l, down.t);
}

__global__ void __launch_bounds__(WN_BLOCK) draw_values_kernel(const struct wn_cuda_drawing *all)
{
    const struct wn_cuda_drawing &d = all[blockIdx.y];
    const int n = d.cover_w * d.cover_h, step = (int)gridDim.x * WN_BLOCK * LOAD;
    if (d.out->fault) return;
    for (int i = (int)(blockIdx.x * WN_BLOCK + threadIdx.x) * LOAD; i < n; i += step) {
        float v[LOAD];
        int y = i / d.cover_w, x = i - y * d.cover_w;
#pragma unroll
        for (int k = 0; k < LOAD; k++) {
            v[k] = value_at(d, x, y);
            if (++x == d.cover_w) x = 0, y++;
        }
        *reinterpret_cast<float4 *>(d.values + i) = make_float4(v[0], v[1], v[2], v[3]);
    }
}

/* ---- what is to be known of them ---- */

/* Calls see(value, index) for every value of this thread. */
template <class See> __device__ __forceinline__ void each_value(const struct wn_cuda_drawing &d, See see)
{
    const int n = d.cover_w * d.cover_h;
    for (int i = (int)threadIdx.x * LOAD; i < n; i += WN_BLOCK * LOAD) {
        float v[LOAD];
        wn_load_four(d.values + i, v);
#pragma unroll
        for (int k = 0; k < LOAD; k++)
            if (i + k < n) see(v[k], i + k);
    }
}

/* The |value| of that rank: the largest number that no more than `rank` values lie below, bit by bit. */
__device__ __forceinline__ float value_of_rank(const struct wn_cuda_drawing &d, wn_word rank, wn_word *part)
{
    unsigned found = 0;
    for (unsigned bit = 0x40000000u; bit; bit >>= 1) {
        const unsigned limit = found | bit;
        wn_word below = 0;
        each_value(d, [&](float v, int) { below += (__float_as_uint(v) & 0x7fffffffu) < limit; });
        if (wn_block_join(below, wn_sum(), part) <= rank) found = limit;
    }
    return __uint_as_float(found);
}

/* The mass of the samples in the bins from `bin` on, of this thread. */
__device__ __forceinline__ wn_word sampled_mass(const struct wn_cuda_drawing &d, float most, int bin)
{
    const int step_x = wn_strong_step(d.cover_w), step_y = wn_strong_step(d.cover_h);
    const int wide = (d.cover_w + step_x - 1) / step_x, high = (d.cover_h + step_y - 1) / step_y;
    wn_word mass = 0;
    for (int i = threadIdx.x; i < wide * high; i += WN_BLOCK) {
        const int y = i / wide, x = i - y * wide;
        const unsigned one = wn_strong_mass(d.values[y * step_y * d.cover_w + x * step_x], most);
        if (wn_strong_bin(one) >= bin) mass += one;
    }
    return mass;
}

/* The highest bin from which on there is enough, bit by bit; 0 where none has. */
__device__ __forceinline__ float strong_of(const struct wn_cuda_drawing &d, float most, wn_word *part)
{
    const wn_word total = wn_block_join(sampled_mass(d, most, 0), wn_sum(), part);
    int bin = 0;
    for (int bit = WN_STRONG_BINS / 2; bit; bit /= 2) {
        const wn_word mass = wn_block_join(sampled_mass(d, most, bin | bit), wn_sum(), part);
        if (wn_strong_enough(mass, total)) bin |= bit;
    }
    return wn_strong_value(bin, most);
}

/* Into out, by one thread of the block. */
__device__ __forceinline__ void measure_box(const struct wn_cuda_drawing &d, float strong, wn_word *part)
{
    const int w = d.cover_w, h = d.cover_h;
    wn_word left = 0, right = 0, top = 0, bottom = 0; /* as distances from the opposite border: the highest counts */
    each_value(d, [&](float v, int i) {
        if (!wn_is_strong(v, strong)) return;
        const int y = i / w, x = i - y * w;
        left = (wn_word)(w - x) > left ? (wn_word)(w - x) : left, right = (wn_word)x > right ? (wn_word)x : right;
        top = (wn_word)(h - y) > top ? (wn_word)(h - y) : top, bottom = (wn_word)y > bottom ? (wn_word)y : bottom;
    });
    left = wn_block_join(left, wn_highest(), part), right = wn_block_join(right, wn_highest(), part);
    top = wn_block_join(top, wn_highest(), part), bottom = wn_block_join(bottom, wn_highest(), part);
    if (threadIdx.x) return;
    struct wn_rendered *out = &d.out->drawn;
    out->box_x = d.x + w - (int)left, out->box_w = (int)(left + right) - w + 1;
    out->box_y = d.y + h - (int)top, out->box_h = (int)(top + bottom) - h + 1;
}

__global__ void __launch_bounds__(WN_BLOCK) draw_measure_kernel(const struct wn_cuda_drawing *all)
{
    WN_SHARED(wn_word, part);
    const struct wn_cuda_drawing &d = all[blockIdx.x];
    struct wn_rendered *out = &d.out->drawn;
    const int n = d.cover_w * d.cover_h;
    if (d.out->fault) return;
    wn_word peak = 0, lowest = 0;
    each_value(d, [&](float v, int i) {
        const unsigned key = wn_key_of(v);
        const wn_word at = (wn_word)key << 32 | (0xffffffffu - (unsigned)i); /* the first of equals is the highest */
        peak = at > peak ? at : peak;
        lowest = ~key > lowest ? ~key : lowest;
    });
    peak = wn_block_join(peak, wn_highest(), part);
    const float low = wn_float_of(~(unsigned)wn_block_join(lowest, wn_highest(), part)),
                high = wn_float_of((unsigned)(peak >> 32));
    const float clipped =
        wn_render_clips(&d.how) ? value_of_rank(d, wn_percentile_rank(d.how.percentile, (uint64_t)n), part) : 0;
    const float strong = high > 0 ? strong_of(d, high, part) : 0;
    if (threadIdx.x == 0) {
        const int first = (int)(0xffffffffu - (unsigned)(peak & 0xffffffffu));
        out->range = wn_range_choose(&d.how, low, high, clipped);
        const int row = first / d.cover_w;
        out->peak_y = d.y + row, out->peak_x = d.x + first - row * d.cover_w;
        out->box_x = out->box_y = out->box_w = out->box_h = 0;
        const float span = out->range.hi - out->range.lo;
        if (!(span - span == 0)) d.out->fault = WN_CUDA_DRAW_TOO_WIDE;
    }
    if (high > 0) measure_box(d, strong, part);
}

/* ---- indices ---- */

__global__ void __launch_bounds__(WN_BLOCK) draw_index_kernel(const struct wn_cuda_drawing *all)
{
    const struct wn_cuda_drawing &d = all[blockIdx.y];
    const int n = d.cover_w * d.cover_h, step = (int)gridDim.x * WN_BLOCK * STORE;
    if (d.out->fault) return;
    const struct wn_range range = d.out->drawn.range;
    const bool flat = wn_index_is_flat(&d.how, range, d.out->drawn.flat),
               symmetric = d.how.normalize == WN_NORMALIZE_SYMMETRIC;
    const float span = range.hi - range.lo;
    for (int i = (int)(blockIdx.x * WN_BLOCK + threadIdx.x) * STORE; i < n; i += step) {
        unsigned four[STORE / 4];
#pragma unroll
        for (int q = 0; q < STORE / 4; q++) {
            float v[LOAD] = {0, 0, 0, 0};
            if (i + q * LOAD < n) wn_load_four(d.values + i + q * LOAD, v); /* behind the last value stands nothing */
            four[q] = 0;
#pragma unroll
            for (int k = 0; k < LOAD; k++) {
                const uint8_t index = flat        ? wn_index_flat(&d.how)
                                      : symmetric ? wn_index_symmetric(v[k], range.hi)
                                                  : wn_index_between(v[k], range.lo, span);
                four[q] |= (unsigned)index << 8 * k;
            }
        }
        *reinterpret_cast<uint4 *>(d.index + i) = make_uint4(four[0], four[1], four[2], four[3]);
    }
}

} // namespace

/* ------------------------------------------------------------------------------------------------------------- */

extern "C" void wn_cuda_launch_draw(const struct wn_cuda_drawing *drawings, int n, int most_pixels,
                                    struct CUstream_st *stream)
{
    const size_t shared = WN_BLOCK_SHARED;
    const dim3 by_four(wn_blocks(most_pixels, WN_BLOCK * LOAD), (unsigned)n),
        by_sixteen(wn_blocks(most_pixels, WN_BLOCK * STORE), (unsigned)n);
    WN_LAUNCH(draw_begin_kernel, (unsigned)n, WN_BLOCK, shared, stream, drawings);
    WN_LAUNCH(draw_values_kernel, by_four, WN_BLOCK, 0, stream, drawings);
    WN_LAUNCH(draw_measure_kernel, (unsigned)n, WN_BLOCK, shared, stream, drawings);
    WN_LAUNCH(draw_index_kernel, by_sixteen, WN_BLOCK, 0, stream, drawings);
}
