/* Pictures to the network's input: resized, cropped, put into order and normalised, many pictures of any sizes at
 * once. The arithmetic is resample.h, the same lines that the processor prepares with; knows no profile by name and
 * no network.
 *
 * Two launches: for each column and row of the input, which pixels count how much; then the input, where a thread
 * makes four values of each channel. Both passes of the resize are one: each row of the picture is rounded to 8 bits
 * on its way, as Pillow does, and never stored. */
#include "launch.h"

#include <whynot/resample.h>

namespace {

enum { THREADS = 128, WIDE = 4 };

/* ---- which pixels count how much ---- */

__device__ __forceinline__ struct wn_cuda_line line_of(int i, double scale, int n, int part, int *weight)
{
    const struct wn_support s = wn_support_at(i, scale, n);
    struct wn_cuda_line line = {s.first - part, s.count, 0};
    double sum = 0;
    for (int k = 0; k < s.count; k++) sum += wn_support_share(s, k);
    for (int k = 0; k < s.count; k++) weight[k] = wn_support_weight(wn_support_share(s, k), sum);
    while (line.count > 1 && !weight[line.count - 1]) line.count--;
    return line;
}

__device__ __forceinline__ struct wn_cuda_line plain_line_of(int i, double box, int n, int to, int part)
{
    const struct wn_between t = wn_plain_between(i, box, n, to);
    const struct wn_cuda_line line = {t.a - part, t.b - t.a, t.t};
    return line;
}

__global__ void __launch_bounds__(THREADS) prepare_lines_kernel(const struct wn_cuda_picture *all)
{
    const struct wn_cuda_picture &p = all[blockIdx.y];
    const double scale_x = p.box_w / p.dst_w, scale_y = p.box_h / p.dst_h;
    for (int i = (int)(blockIdx.x * THREADS + threadIdx.x); i < p.w + p.h; i += (int)gridDim.x * THREADS) {
        const int y = i - p.w;
        if (i < p.w)
            p.lines[i] = p.antialias ? line_of(p.x + i, scale_x, p.src_w, p.part_x, p.weights + i * p.width_x)
                                     : plain_line_of(p.x + i, p.box_w, p.src_w, p.dst_w, p.part_x);
        else
            p.lines[i] = p.antialias
                             ? line_of(p.y + y, scale_y, p.src_h, p.part_y, p.weights + p.w * p.width_x + y * p.width_y)
                             : plain_line_of(p.y + y, p.box_h, p.src_h, p.dst_h, p.part_y);
    }
}

/* ---- the input ---- */

/* The pixel as C bytes: red, green, blue, or grey. */
template <int C> __device__ __forceinline__ void load_pixel(const uint8_t *at, int *out)
{
    if (C == 1)
        out[0] = wn_luma(at[0], at[1], at[2]);
    else
        out[0] = at[0], out[1 % C] = at[1], out[2 % C] = at[2];
}

template <int C> __device__ __forceinline__ void smooth_pixel(const struct wn_cuda_picture &p, int x, int y, float *out)
{
    const struct wn_cuda_line across = p.lines[x], down = p.lines[p.w + y];
    const int *weight_x = p.weights + x * p.width_x, *weight_y = p.weights + p.w * p.width_x + y * p.width_y;
    const uint8_t *row = p.pixels + ((long long)down.first * p.part_w + across.first) * 3;
    int total[C], pixel[C];
#pragma unroll
    for (int c = 0; c < C; c++) total[c] = WN_WEIGHT_HALF;
    for (int j = 0; j < down.count; j++, row += (long long)p.part_w * 3) {
        int sum[C];
#pragma unroll
        for (int c = 0; c < C; c++) sum[c] = WN_WEIGHT_HALF;
        for (int k = 0; k < across.count; k++) {
            load_pixel<C>(row + 3 * k, pixel);
#pragma unroll
            for (int c = 0; c < C; c++) sum[c] += pixel[c] * weight_x[k];
        }
#pragma unroll
        for (int c = 0; c < C; c++) total[c] += wn_weighted_byte(sum[c]) * weight_y[j];
    }
#pragma unroll
    for (int c = 0; c < C; c++) out[c] = (float)wn_weighted_byte(total[c]);
}

template <int C> __device__ __forceinline__ void plain_pixel(const struct wn_cuda_picture &p, int x, int y, float *out)
{
    const struct wn_cuda_line across = p.lines[x], down = p.lines[p.w + y];
    const uint8_t *upper = p.pixels + ((long long)down.first * p.part_w + across.first) * 3;
    const uint8_t *lower = upper + (long long)down.count * p.part_w * 3;
    int a[C], b[C], c[C], d[C];
    load_pixel<C>(upper, a), load_pixel<C>(upper + 3 * across.count, b);
    load_pixel<C>(lower, c), load_pixel<C>(lower + 3 * across.count, d);
#pragma unroll
    for (int k = 0; k < C; k++)
        out[k] = wn_blend(wn_blend((float)a[k], (float)b[k], across.t), wn_blend((float)c[k], (float)d[k], across.t),
                          down.t);
}

/* Four values of one channel, side by side from out + at on; where rows are no multiple of four, one by one. */
__device__ __forceinline__ void store_four(const struct wn_cuda_picture &p, int channel, int x, int y, const float *v)
{
    float *out = p.out + ((long long)channel * p.h + y) * p.w + x;
    if (p.w % WIDE == 0) {
        *reinterpret_cast<float4 *>(out) = make_float4(v[0], v[1], v[2], v[3]);
        return;
    }
#pragma unroll
    for (int k = 0; k < WIDE; k++)
        if (x + k < p.w) out[k] = v[k];
}

template <int C> __device__ __forceinline__ void prepare_four(const struct wn_cuda_picture &p, int x, int y)
{
    float v[C][WIDE];
#pragma unroll
    for (int k = 0; k < WIDE; k++) {
        float pixel[C];
        const int at = x + k < p.w ? x + k : p.w - 1; /* behind the row's end: the last once more, and not stored */
        if (p.antialias)
            smooth_pixel<C>(p, at, y, pixel);
        else
            plain_pixel<C>(p, at, y, pixel);
#pragma unroll
        for (int c = 0; c < C; c++)
            v[c][k] = wn_normalised(p.bgr ? pixel[C - 1 - c] : pixel[c], p.scale, p.mean[c], p.std[c]);
    }
#pragma unroll
    for (int c = 0; c < C; c++) store_four(p, c, x, y, v[c]);
}

__global__ void __launch_bounds__(THREADS) prepare_kernel(const struct wn_cuda_picture *all)
{
    const struct wn_cuda_picture &p = all[blockIdx.y];
    const int across = (p.w + WIDE - 1) / WIDE;
    for (int i = (int)(blockIdx.x * THREADS + threadIdx.x); i < across * p.h; i += (int)gridDim.x * THREADS) {
        const int y = i / across, x = (i - y * across) * WIDE;
        if (p.channels == 1)
            prepare_four<1>(p, x, y);
        else
            prepare_four<3>(p, x, y);
    }
}

} // namespace

/* ------------------------------------------------------------------------------------------------------------- */

extern "C" void wn_cuda_launch_prepare(const struct wn_cuda_picture *pictures, int n, int most_lines, int most_pixels,
                                       struct CUstream_st *stream)
{
    const dim3 lines(wn_blocks(most_lines, THREADS), (unsigned)n),
        pixels(wn_blocks(most_pixels, THREADS * WIDE), (unsigned)n);
    WN_LAUNCH(prepare_lines_kernel, lines, THREADS, 0, stream, pictures);
    WN_LAUNCH(prepare_kernel, pixels, THREADS, 0, stream, pictures);
}
