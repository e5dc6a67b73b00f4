/* The product for the shapes and types that cuBLASLt has no algorithm for: 16x16 tiles through shared memory, plain
 * order of k. Right for every stride; no rival to the tensor cores. */
#include "number.h"

namespace {

enum { TILE = 16 };

__global__ void matmul_kernel(struct wn_cuda_product q)
{
    WN_SHARED(float, shared);
    float *ta = shared, *tb = shared + TILE * TILE;
    const int tx = threadIdx.x, ty = threadIdx.y, m = blockIdx.y * TILE + ty, n = blockIdx.x * TILE + tx;
    for (int batch = blockIdx.z; batch < q.batch; batch += gridDim.z) {
        float sum = 0;
        for (int k0 = 0; k0 < q.k; k0 += TILE) {
            const int ka = k0 + tx, kb = k0 + ty;
            ta[ty * TILE + tx] =
                m < q.m && ka < q.k ? wn_load(q.a, q.a_type, batch * q.a_batch + m * q.a_m + ka * q.a_k) : 0;
            tb[ty * TILE + tx] =
                n < q.n && kb < q.k ? wn_load(q.b, q.b_type, batch * q.b_batch + kb * q.b_k + n * q.b_n) : 0;
            __syncthreads();
#pragma unroll
            for (int k = 0; k < TILE; k++) sum += ta[ty * TILE + k] * tb[k * TILE + tx];
            __syncthreads();
        }
        if (m < q.m && n < q.n) wn_store(q.y, q.y_type, batch * q.y_batch + m * q.y_m + n * q.y_n, sum);
    }
}

} // namespace

/* ------------------------------------------------------------------------------------------------------------- */

/* m may pass the limit of gridDim.y (65535 blocks) only past a million rows: they are handed over in slices. */
extern "C" void wn_cuda_launch_matmul(const struct wn_cuda_product *p, struct CUstream_st *stream)
{
    const int most = 65535 * TILE;
    for (int from = 0; from < p->m; from += most) {
        struct wn_cuda_product q = *p;
        const int size = p->a_type == WN_CUDA_F32 ? 4 : 2, y_size = p->y_type == WN_CUDA_F32 ? 4 : 2;
        q.m = p->m - from < most ? p->m - from : most;
        q.a = static_cast<const char *>(p->a) + (long long)from * p->a_m * size;
        q.y = static_cast<char *>(p->y) + (long long)from * p->y_m * y_size;
        const dim3 grid((unsigned)((q.n + TILE - 1) / TILE), (unsigned)((q.m + TILE - 1) / TILE),
                        (unsigned)(q.batch < 65535 ? q.batch : 65535)),
            block(TILE, TILE);
        WN_LAUNCH(matmul_kernel, grid, block, sizeof(float) * 2 * TILE * TILE, stream, q);
    }
}
