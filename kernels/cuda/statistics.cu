/* Mean and variance of the masks over all foils, from the maps of every class where they lie: each foil's contrast,
 * its positive part, enlarged and stretched to [0,1], and summed in the order of the classes. Sums are in double, so
 * the answer depends on no batch and no run. */
#include "number.h"

namespace {

enum { WARP = 32, THREADS = 128, WARPS = THREADS / WARP };

/* What is positive of the contrast with each foil, class after class. */
__global__ void foil_maps_kernel(struct wn_cuda_foils f)
{
    const int area = f.h * f.w, n = area * f.classes;
    for (int i = (int)(blockIdx.x * blockDim.x + threadIdx.x); i < n; i += (int)(gridDim.x * blockDim.x)) {
        const int q = i / area, s = i - q * area;
        const float v = q == f.heavy ? f.exact[s] : f.base[s] - f.maps[q * f.map_class + s * f.map_position];
        f.foil[i] = q != f.target && v > 0 ? v : 0.0f;
    }
}

__device__ __forceinline__ float between(float low, float high, float share)
{
    return low + share * (high - low);
}

/* One cell of a map enlarged; the same arithmetic wherever it is needed, so that extremes are met exactly. */
__device__ __forceinline__ float enlarged(const float *__restrict__ map, int above, int below, int left, int right,
                                          float down, float across)
{
    return between(between(map[above + left], map[above + right], across),
                   between(map[below + left], map[below + right], across), down);
}

/* A block for each foil: the extremes of its enlarged map. scale 0: it has no mask. */
__global__ void extremes_kernel(struct wn_cuda_foils f)
{
    WN_SHARED(float, part);
    const int lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP, cells = f.height * f.width;
    for (int q = (int)blockIdx.x; q < f.classes; q += (int)gridDim.x) {
        const float *map = f.foil + q * f.h * f.w;
        float low = INFINITY, high = -INFINITY;
        for (int i = (int)threadIdx.x; i < cells; i += THREADS) {
            const int y = i / f.width, x = i - y * f.width;
            const float v =
                enlarged(map, f.down_index[2 * y] * f.w, f.down_index[2 * y + 1] * f.w, f.across_index[2 * x],
                         f.across_index[2 * x + 1], f.down_share[2 * y + 1], f.across_share[2 * x + 1]);
            low = fminf(low, v), high = fmaxf(high, v);
        }
        for (int step = WARP / 2; step > 0; step /= 2) {
            low = fminf(low, __shfl_xor_sync(0xffffffffu, low, step));
            high = fmaxf(high, __shfl_xor_sync(0xffffffffu, high, step));
        }
        if (lane == 0) part[warp] = low, part[WARPS + warp] = high;
        __syncthreads();
        if (threadIdx.x == 0) {
            for (int k = 1; k < WARPS; k++) low = fminf(low, part[k]), high = fmaxf(high, part[WARPS + k]);
            f.low[q] = low;
            f.scale[q] = high > low ? 1.0 / ((double)high - low) : 0.0;
        }
        __syncthreads();
    }
}

/* A thread for each cell of the answer, through all the foils. */
__global__ void masks_kernel(struct wn_cuda_foils f)
{
    const int cells = f.height * f.width, area = f.h * f.w;
    for (int i = (int)(blockIdx.x * blockDim.x + threadIdx.x); i < cells; i += (int)(gridDim.x * blockDim.x)) {
        const int y = i / f.width, x = i - y * f.width;
        const int above = f.down_index[2 * y] * f.w, below = f.down_index[2 * y + 1] * f.w;
        const int left = f.across_index[2 * x], right = f.across_index[2 * x + 1];
        const float down = f.down_share[2 * y + 1], across = f.across_share[2 * x + 1];
        double sum = 0, squares = 0;
        int empty = 0;
        for (int q = 0; q < f.classes; q++) {
            const double scale = f.scale[q];
            empty += scale == 0 && q != f.target;
            if (scale == 0) continue;
            const double v =
                ((double)enlarged(f.foil + q * area, above, below, left, right, down, across) - f.low[q]) * scale;
            sum += v;
            squares += v * v;
        }
        const double n = f.classes - 1, mean = sum / n, spread = squares - sum * mean;
        f.mean[i] = (float)mean;
        f.variance[i] = n > 1 && spread > 0 ? (float)(spread / (n - 1)) : 0.0f;
        if (i == 0) *f.empty = empty;
    }
}

} // namespace

/* ------------------------------------------------------------------------------------------------------------- */

extern "C" void wn_cuda_launch_foils(const struct wn_cuda_foils *f, struct CUstream_st *stream)
{
    WN_LAUNCH(foil_maps_kernel, wn_blocks((long long)f->classes * f->h * f->w, 256), 256, 0, stream, *f);
    WN_LAUNCH(extremes_kernel, wn_blocks(f->classes, 1), THREADS, sizeof(float) * 2 * WARPS, stream, *f);
    WN_LAUNCH(masks_kernel, wn_blocks((long long)f->height * f->width, THREADS), THREADS, 0, stream, *f);
}
