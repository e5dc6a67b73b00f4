/* Sums, means and maxima over axes, and the class activation map itself: a weighted sum over channels for R rows at
 * once. No atomics and fixed trees, so an answer depends neither on the run nor on the batch it was computed in. */
#include "number.h"

namespace {

enum { WARP = 32, ROW_WARPS = 4, THREADS = 128, NARROW = WARP / 2 };
/* the pitch keeps the eight sums of a thread, and those that are joined, in banks of their own */
enum { COLUMN_THREADS = 256, COLUMN_PITCH = COLUMN_THREADS + 4 };

__device__ __forceinline__ float start_of(enum wn_reduce kind)
{
    return kind == WN_REDUCE_MAX ? -INFINITY : 0.0f;
}

__device__ __forceinline__ float join(enum wn_reduce kind, float a, float b)
{
    return kind == WN_REDUCE_MAX ? fmaxf(a, b) : a + b;
}

__device__ __forceinline__ float warp_join(enum wn_reduce kind, float v)
{
    for (int lane = WARP / 2; lane > 0; lane /= 2) v = join(kind, v, __shfl_xor_sync(0xffffffffu, v, lane));
    return v;
}

__device__ __forceinline__ int inner_offset(const struct wn_cuda_reduce &r, unsigned i)
{
    int at[1] = {0};
    const int *const stride[1] = {r.inner_stride};
    wn_locate<1>(r.inner, i, stride, at);
    return at[0];
}

__device__ __forceinline__ float finish(const struct wn_cuda_reduce &r, float v)
{
    return r.kind == WN_REDUCE_MEAN ? v / (float)r.inner.count : v;
}

/* A warp for each result: where the reduced elements lie side by side. */
__global__ void reduce_rows_kernel(struct wn_cuda_reduce r)
{
    const unsigned lane = threadIdx.x % WARP, warps = gridDim.x * ROW_WARPS;
    for (unsigned o = blockIdx.x * ROW_WARPS + threadIdx.x / WARP; o < (unsigned)r.outer.count; o += warps) {
        int at[2] = {0, 0};
        const int *const stride[2] = {r.outer_stride, r.y_stride};
        wn_locate<1>(r.outer, o, stride, at);
        float v = start_of(r.kind);
        for (unsigned i = lane; i < (unsigned)r.inner.count; i += WARP)
            v = join(r.kind, v, wn_load(r.x, r.x_type, at[0] + inner_offset(r, i)));
        v = warp_join(r.kind, v);
        if (lane == 0) wn_store(r.y, r.y_type, at[1], finish(r, v));
    }
}

/* Where the results lie side by side, as channels do: V results a thread, and the threads of a block share out what is
 * reduced. 16-byte reads take fewer columns, so that a single picture, too, keeps many blocks busy. */
template <int V> struct columns {
    enum { LANES = V == 1 ? WARP : WARP / 4, SPLITS = COLUMN_THREADS / LANES, RESULTS = LANES * V };
};

template <int V> __global__ void reduce_columns_kernel(struct wn_cuda_reduce r)
{
    enum { LANES = columns<V>::LANES, SPLITS = columns<V>::SPLITS, RESULTS = columns<V>::RESULTS };
    WN_SHARED(float, part); /* [V][COLUMN_PITCH] */
    const int tx = threadIdx.x, ty = threadIdx.y, me = ty * LANES + tx;
    const struct wn_cuda_arg x = {const_cast<void *>(r.x), r.x_type, {0}};
    for (unsigned first = blockIdx.x * RESULTS; first < (unsigned)r.outer.count; first += gridDim.x * RESULTS) {
        const unsigned from = first + tx * V, result = first + me;
        const int *const x_stride[1] = {r.outer_stride}, *const y_stride[1] = {r.y_stride};
        int x_at[1] = {0}, y_at[1] = {0};
        float v[V], u[V];
#pragma unroll
        for (int k = 0; k < V; k++) v[k] = start_of(r.kind);
        if (from < (unsigned)r.outer.count) {
            wn_locate<V>(r.outer, from / V, x_stride, x_at);
            for (unsigned i = ty; i < (unsigned)r.inner.count; i += SPLITS) {
                wn_fetch<V>(x, x_at[0] + inner_offset(r, i), 1, u);
#pragma unroll
                for (int k = 0; k < V; k++) v[k] = join(r.kind, v[k], u[k]);
            }
        }
#pragma unroll
        for (int k = 0; k < V; k++) part[k * COLUMN_PITCH + me] = v[k];
        __syncthreads();
        if (me < RESULTS && result < (unsigned)r.outer.count) {
            const float *mine = part + me % V * COLUMN_PITCH + me / V;
            float sum = mine[0];
            for (int k = 1; k < SPLITS; k++) sum = join(r.kind, sum, mine[k * LANES]);
            wn_locate<1>(r.outer, result, y_stride, y_at);
            wn_store(r.y, r.y_type, y_at[0], finish(r, sum));
        }
        __syncthreads();
    }
}

/* Where the channels of position o of all rows begin. */
__device__ __forceinline__ void dot_begins(const struct wn_cuda_channel_dot &d, unsigned o, int &from_a, int &from_g)
{
    const int r = (int)(o / d.positions), s = (int)o - r * d.positions;
    const int image = d.row ? wn_image_of_row(d.row, r, d.images) : r;
    from_a = image * d.a_n + s * d.a_s, from_g = r * d.g_n + s * d.g_s;
}

/* A warp for each position of each row. Here and below the order of the sum depends on the number of channels alone. */
template <int V> __global__ void channel_dot_kernel(struct wn_cuda_channel_dot d)
{
    const unsigned lane = threadIdx.x % WARP, warps = gridDim.x * ROW_WARPS,
                   n = (unsigned)d.rows * (unsigned)d.positions;
    const struct wn_cuda_arg a = {const_cast<void *>(d.a), d.a_type, {0}}, g = {const_cast<void *>(d.g), d.g_type, {0}};
    for (unsigned o = blockIdx.x * ROW_WARPS + threadIdx.x / WARP; o < n; o += warps) {
        int from_a, from_g;
        dot_begins(d, o, from_a, from_g);
        float sum = 0, u[V], v[V];
        for (int c = (int)lane * V; c < d.channels; c += WARP * V) {
            wn_fetch<V>(a, from_a + c * d.a_c, 1, u);
            wn_fetch<V>(g, from_g + c * d.g_c, 1, v);
#pragma unroll
            for (int k = 0; k < V; k++) sum += u[k] * v[k];
        }
        sum = warp_join(WN_REDUCE_SUM, sum);
        if (lane == 0) wn_store(d.y, d.y_type, (int)o, sum);
    }
}

/* A thread for each position: of a picture's three channels most of a warp would have nothing to do. */
__global__ void channel_dot_narrow_kernel(struct wn_cuda_channel_dot d)
{
    const unsigned n = (unsigned)d.rows * (unsigned)d.positions;
    for (unsigned o = blockIdx.x * blockDim.x + threadIdx.x; o < n; o += gridDim.x * blockDim.x) {
        int from_a, from_g;
        float sum = 0;
        dot_begins(d, o, from_a, from_g);
        for (int c = 0; c < d.channels; c++)
            sum += wn_load(d.a, d.a_type, from_a + c * d.a_c) * wn_load(d.g, d.g_type, from_g + c * d.g_c);
        wn_store(d.y, d.y_type, (int)o, sum);
    }
}

} // namespace

/* ------------------------------------------------------------------------------------------------------------- */

template <int V> static void launch_columns(const struct wn_cuda_reduce *r, struct CUstream_st *stream)
{
    const dim3 block(columns<V>::LANES, columns<V>::SPLITS);
    WN_LAUNCH((reduce_columns_kernel<V>), wn_blocks(r->outer.count, columns<V>::RESULTS), block,
              sizeof(float) * V * COLUMN_PITCH, stream, *r);
}

/* Whether WN_CUDA_WIDTH results at a time begin on a multiple of as many elements, wherever they are read. */
static bool is_wide(const struct wn_cuda_reduce *r)
{
    int steps = r->outer.dim[WN_CUDA_INNER];
    for (int d = 0; d < WN_CUDA_AXES; d++) steps |= r->inner_stride[d] | (d < WN_CUDA_INNER ? r->outer_stride[d] : 0);
    return steps % WN_CUDA_WIDTH == 0 && (uintptr_t)r->x % 32 == 0;
}

extern "C" void wn_cuda_launch_reduce(const struct wn_cuda_reduce *r, struct CUstream_st *stream)
{
    const bool side_by_side = r->outer.rank && r->outer_stride[WN_CUDA_INNER] == 1 && r->outer.dim[WN_CUDA_INNER] > 1;
    if (!side_by_side)
        WN_LAUNCH(reduce_rows_kernel, wn_blocks(r->outer.count, ROW_WARPS), WARP * ROW_WARPS, 0, stream, *r);
    else if (is_wide(r))
        launch_columns<WN_CUDA_WIDTH>(r, stream);
    else
        launch_columns<1>(r, stream);
}

extern "C" void wn_cuda_launch_channel_dot(const struct wn_cuda_channel_dot *d, struct CUstream_st *stream)
{
    const unsigned blocks = wn_blocks((long long)d->rows * d->positions, ROW_WARPS);
    const bool side_by_side = d->a_c == 1 && d->g_c == 1;
    const int steps = d->channels | d->a_n | d->a_s | d->g_n | d->g_s;
    if (d->channels < NARROW)
        WN_LAUNCH(channel_dot_narrow_kernel, wn_blocks((long long)d->rows * d->positions, THREADS), THREADS, 0, stream,
                  *d);
    else if (side_by_side && steps % WN_CUDA_WIDTH == 0 && ((uintptr_t)d->a | (uintptr_t)d->g) % 32 == 0)
        WN_LAUNCH((channel_dot_kernel<WN_CUDA_WIDTH>), blocks, WARP * ROW_WARPS, 0, stream, *d);
    else
        WN_LAUNCH((channel_dot_kernel<1>), blocks, WARP * ROW_WARPS, 0, stream, *d);
}
