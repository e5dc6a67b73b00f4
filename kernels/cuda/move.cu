/* The same numbers somewhere else: copies, changes of layout and type, gathers, and tap tables along an axis.
 * Knows no arithmetic but the taps' weighted sum. */
#include "number.h"

namespace {

template <int V> __global__ void copy_kernel(struct wn_cuda_loop loop, struct wn_cuda_arg x, struct wn_cuda_arg y)
{
    const unsigned n = loop.count / V, step = gridDim.x * blockDim.x;
    for (unsigned p = blockIdx.x * blockDim.x + threadIdx.x; p < n; p += step) {
        int at[2] = {0, 0};
        const int *const stride[2] = {x.stride, y.stride};
        wn_locate<V>(loop, p, stride, at);
        float v[V];
        wn_fetch<V>(x, at[0], x.stride[WN_CUDA_INNER], v);
        wn_put<V>(y, at[1], v);
    }
}

__device__ __forceinline__ int mapped(const struct wn_cuda_mapped &m, int offset)
{
    const int plane = m.channels * m.spatial, n = offset / plane, in = offset - n * plane;
    const int c = in / m.spatial, s = in - c * m.spatial;
    return n * plane + s * m.channels + c;
}

__global__ void copy_mapped_kernel(struct wn_cuda_loop loop, struct wn_cuda_mapped x, struct wn_cuda_mapped y)
{
    const unsigned n = loop.count, step = gridDim.x * blockDim.x;
    for (unsigned p = blockIdx.x * blockDim.x + threadIdx.x; p < n; p += step) {
        int at[2] = {x.offset, y.offset};
        const int *const stride[2] = {x.stride, y.stride};
        wn_locate<1>(loop, p, stride, at);
        wn_store(y.data, y.type, mapped(y, at[1]), wn_load(x.data, x.type, mapped(x, at[0])));
    }
}

__global__ void fill_kernel(void *data, enum wn_cuda_type type, unsigned n, float value)
{
    const unsigned step = gridDim.x * blockDim.x;
    for (unsigned p = blockIdx.x * blockDim.x + threadIdx.x; p < n; p += step) wn_store(data, type, p, value);
}

enum { TILE = 32, TILE_ROWS = 8 };

/* One 32x32 tile through shared memory, padded by one column so that its columns fall into different banks. */
__global__ void transpose_kernel(const void *x, enum wn_cuda_type x_type, void *y, enum wn_cuda_type y_type, int n,
                                 int rows, int cols)
{
    WN_SHARED(float, tile);
    const int tx = threadIdx.x, ty = threadIdx.y, tiles = (cols + TILE - 1) / TILE;
    const int col0 = (int)(blockIdx.x % tiles) * TILE, row0 = (int)(blockIdx.x / tiles) * TILE;
    for (int i = blockIdx.y; i < n; i += gridDim.y) {
        const int base = i * rows * cols;
        for (int r = ty; r < TILE; r += TILE_ROWS)
            if (row0 + r < rows && col0 + tx < cols)
                tile[r * (TILE + 1) + tx] = wn_load(x, x_type, base + (row0 + r) * cols + col0 + tx);
        __syncthreads();
        for (int r = ty; r < TILE; r += TILE_ROWS)
            if (col0 + r < cols && row0 + tx < rows)
                wn_store(y, y_type, base + (col0 + r) * rows + row0 + tx, tile[tx * (TILE + 1) + r]);
        __syncthreads();
    }
}

/* A thread makes a pixel and writes it whole, zeros behind its own channels. */
template <int PITCH>
__global__ void pixels_kernel(const float *x, int channels, int plane, void *y, enum wn_cuda_type type, unsigned n)
{
    const unsigned step = gridDim.x * blockDim.x;
    for (unsigned p = blockIdx.x * blockDim.x + threadIdx.x; p < n; p += step) {
        const int image = (int)(p / plane), at = image * channels * plane + (int)(p - image * plane);
        float v[WN_CUDA_WIDTH] = {0};
#pragma unroll
        for (int c = 0; c < PITCH; c++)
            if (c < channels) v[c] = x[at + c * plane];
        if (PITCH == WN_CUDA_WIDTH)
            wn_store_wide(y, type, (int)p * PITCH, v);
        else
            static_cast<float4 *>(y)[p] = make_float4(v[0], v[1], v[2], v[3]);
    }
}

/* inner counts units of T; the copy never looks inside them. */
template <class T>
__global__ void gather_kernel(const T *x, int n, const float *row, unsigned count, unsigned inner, T *y)
{
    const unsigned step = gridDim.x * blockDim.x;
    for (unsigned p = blockIdx.x * blockDim.x + threadIdx.x; p < count; p += step) {
        const unsigned r = p / inner;
        const int image = wn_image_of_row(row, (int)r, n);
        y[p] = x[(unsigned)image * inner + (p - r * inner)];
    }
}

template <int V> __global__ void axis_map_kernel(struct wn_cuda_axis_map m)
{
    const unsigned n = (unsigned)(m.outer * m.out * m.inner) / V, inner = m.inner / V, step = gridDim.x * blockDim.x;
    const struct wn_cuda_arg x = {const_cast<void *>(m.x), m.x_type, {0}}, y = {m.y, m.y_type, {0}};
    for (unsigned p = blockIdx.x * blockDim.x + threadIdx.x; p < n; p += step) {
        const unsigned line = p / inner;
        const int i = (int)(p - line * inner) * V, outer = (int)(line / m.out), j = (int)line - outer * m.out;
        float sum[V] = {0}, v[V];
        for (int t = 0; t < m.taps; t++) {
            const int from = m.index[j * m.taps + t];
            if (from < 0) continue;
            wn_fetch<V>(x, (outer * m.in + from) * m.inner + i, 1, v);
#pragma unroll
            for (int k = 0; k < V; k++) sum[k] += m.weight[j * m.taps + t] * v[k];
        }
        wn_put<V>(y, (outer * m.out + j) * m.inner + i, sum);
    }
}

} // namespace

/* ------------------------------------------------------------------------------------------------------------- */

enum { THREADS = 256 };

static bool aligned(const void *p, int bytes)
{
    return (uintptr_t)p % bytes == 0;
}

extern "C" void wn_cuda_launch_copy(const struct wn_cuda_loop *loop, const struct wn_cuda_arg *x,
                                    const struct wn_cuda_arg *y, struct CUstream_st *stream)
{
    if (loop->vector)
        WN_LAUNCH((copy_kernel<WN_CUDA_WIDTH>), wn_blocks(loop->count / WN_CUDA_WIDTH, THREADS), THREADS, 0, stream,
                  *loop, *x, *y);
    else
        WN_LAUNCH((copy_kernel<1>), wn_blocks(loop->count, THREADS), THREADS, 0, stream, *loop, *x, *y);
}

extern "C" void wn_cuda_launch_copy_mapped(const struct wn_cuda_loop *loop, const struct wn_cuda_mapped *x,
                                           const struct wn_cuda_mapped *y, struct CUstream_st *stream)
{
    WN_LAUNCH(copy_mapped_kernel, wn_blocks(loop->count, THREADS), THREADS, 0, stream, *loop, *x, *y);
}

extern "C" void wn_cuda_launch_fill(void *data, enum wn_cuda_type type, int count, float value,
                                    struct CUstream_st *stream)
{
    WN_LAUNCH(fill_kernel, wn_blocks(count, THREADS), THREADS, 0, stream, data, type, (unsigned)count, value);
}

extern "C" void wn_cuda_launch_transpose(const void *x, enum wn_cuda_type x_type, void *y, enum wn_cuda_type y_type,
                                         int n, int rows, int cols, struct CUstream_st *stream)
{
    const unsigned tiles = (unsigned)((rows + TILE - 1) / TILE) * (unsigned)((cols + TILE - 1) / TILE);
    const dim3 grid(tiles, n < 65535 ? n : 65535), block(TILE, TILE_ROWS);
    WN_LAUNCH(transpose_kernel, grid, block, sizeof(float) * TILE * (TILE + 1), stream, x, x_type, y, y_type, n, rows,
              cols);
}

extern "C" void wn_cuda_launch_pixels(const float *x, int n, int channels, int plane, void *y, enum wn_cuda_type type,
                                      int pitch, struct CUstream_st *stream)
{
    const unsigned pixels = (unsigned)n * (unsigned)plane;
    if (pitch == WN_CUDA_WIDTH)
        WN_LAUNCH(pixels_kernel<WN_CUDA_WIDTH>, wn_blocks(pixels, THREADS), THREADS, 0, stream, x, channels, plane, y,
                  type, pixels);
    else
        WN_LAUNCH(pixels_kernel<4>, wn_blocks(pixels, THREADS), THREADS, 0, stream, x, channels, plane, y, type,
                  pixels);
}

extern "C" void wn_cuda_launch_gather(const void *x, enum wn_cuda_type type, int n, const float *row, int rows,
                                      int inner, void *y, struct CUstream_st *stream)
{
    const long long bytes = (long long)inner * (type == WN_CUDA_F32 ? 4 : 2);
    if (bytes % 16 == 0 && aligned(x, 16) && aligned(y, 16)) {
        const unsigned units = (unsigned)(bytes / 16), count = units * (unsigned)rows;
        WN_LAUNCH(gather_kernel<uint4>, wn_blocks(count, THREADS), THREADS, 0, stream, static_cast<const uint4 *>(x), n,
                  row, count, units, static_cast<uint4 *>(y));
    } else if (type == WN_CUDA_F32) {
        const unsigned count = (unsigned)inner * (unsigned)rows;
        WN_LAUNCH(gather_kernel<float>, wn_blocks(count, THREADS), THREADS, 0, stream, static_cast<const float *>(x), n,
                  row, count, (unsigned)inner, static_cast<float *>(y));
    } else {
        const unsigned count = (unsigned)inner * (unsigned)rows;
        WN_LAUNCH(gather_kernel<unsigned short>, wn_blocks(count, THREADS), THREADS, 0, stream,
                  static_cast<const unsigned short *>(x), n, row, count, (unsigned)inner,
                  static_cast<unsigned short *>(y));
    }
}

extern "C" void wn_cuda_launch_axis_map(const struct wn_cuda_axis_map *m, struct CUstream_st *stream)
{
    const long long count = (long long)m->outer * m->out * m->inner;
    if (m->inner % WN_CUDA_WIDTH == 0 && aligned(m->x, 16) && aligned(m->y, 16))
        WN_LAUNCH((axis_map_kernel<WN_CUDA_WIDTH>), wn_blocks(count / WN_CUDA_WIDTH, THREADS), THREADS, 0, stream, *m);
    else
        WN_LAUNCH((axis_map_kernel<1>), wn_blocks(count, THREADS), THREADS, 0, stream, *m);
}
