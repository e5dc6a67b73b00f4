/* Seeds from logits: a block for each question turns its image's logits into the vector that starts the backward
 * pass, with the prediction, the runner-up or the nearest classes found where the question leaves them open.
 * Softmaxes are restricted to their sets and shifted by their own largest logit, so that a confident network loses
 * no digits; sums are fixed trees in double. */
#include "number.h"

namespace {

enum { WARP = 32, THREADS = 128, WARPS = THREADS / WARP, MOST_NEAREST = 3 };
enum side { NEITHER, ASKED, AGAINST };

/* What the threads of a block agree on, before the side of each class. */
struct scratch {
    double sum[WARPS];
    float value[WARPS];
    int index[WARPS];
};

__device__ __forceinline__ bool comes_first(float value, int index, float than, int than_index)
{
    return index >= 0 && (than_index < 0 || value > than || (value == than && index < than_index));
}

/* The largest value of the block and its index, the lowest one on a tie; index -1 where no thread has any. */
__device__ __forceinline__ int first_of_block(struct scratch *s, float value, int index)
{
    for (int step = WARP / 2; step > 0; step /= 2) {
        const float other = __shfl_xor_sync(0xffffffffu, value, step);
        const int at = __shfl_xor_sync(0xffffffffu, index, step);
        if (comes_first(other, at, value, index)) value = other, index = at;
    }
    __syncthreads(); /* nobody reads what the last one left */
    if (threadIdx.x % WARP == 0) s->value[threadIdx.x / WARP] = value, s->index[threadIdx.x / WARP] = index;
    __syncthreads();
    value = s->value[0], index = s->index[0];
    for (int k = 1; k < WARPS; k++)
        if (comes_first(s->value[k], s->index[k], value, index)) value = s->value[k], index = s->index[k];
    return index;
}

__device__ __forceinline__ double sum_of_block(struct scratch *s, double v)
{
    for (int step = WARP / 2; step > 0; step /= 2) v += __shfl_xor_sync(0xffffffffu, v, step);
    __syncthreads();
    if (threadIdx.x % WARP == 0) s->sum[threadIdx.x / WARP] = v;
    __syncthreads();
    v = s->sum[0];
    for (int k = 1; k < WARPS; k++) v += s->sum[k];
    return v;
}

/* The class of that side with the largest logit, or with the one that is nearest to `to`; -1 where the side is
 * empty. */
__device__ __forceinline__ int best_of(struct scratch *s, const float *y, const unsigned char *of, int classes,
                                       int side, bool nearest, float to)
{
    float value = 0;
    int index = -1;
    for (int k = (int)threadIdx.x; k < classes; k += THREADS) {
        const float v = nearest ? -fabsf(y[k] - to) : y[k];
        if (of[k] == side && comes_first(v, k, value, index)) value = v, index = k;
    }
    return first_of_block(s, value, index);
}

/* Which classes stand on either side; returns the target, and in *foil the one foil where there is one. */
__device__ __forceinline__ int take_sides(const struct wn_cuda_seeds &d, const struct wn_cuda_seed &q,
                                          struct scratch *s, unsigned char *of, int *foil)
{
    const float *y = d.logits + q.image * d.classes;
    const int *set = d.sets + q.sets;
    int target = q.n_targets ? set[0] : q.target;
    for (int k = (int)threadIdx.x; k < d.classes; k += THREADS) of[k] = NEITHER;
    __syncthreads();
    if (target < 0) target = best_of(s, y, of, d.classes, NEITHER, false, 0);
    __syncthreads();
    if (threadIdx.x == 0) {
        for (int i = 0; i < q.n_targets; i++) of[set[i]] = ASKED;
        if (!q.n_targets) of[target] = ASKED;
    }
    __syncthreads();
    *foil = -1;
    if (q.form.against == WN_AGAINST_SET) {
        *foil = q.n_foils == 1 ? set[q.n_targets] : -1;
        if (threadIdx.x == 0)
            for (int i = 0; i < q.n_foils; i++) of[set[q.n_targets + i]] = AGAINST;
    } else if (q.form.against == WN_AGAINST_OTHERS) {
        for (int k = (int)threadIdx.x; k < d.classes; k += THREADS)
            if (of[k] == NEITHER) of[k] = AGAINST;
    } else if (q.form.against == WN_AGAINST_BEST || q.form.against == WN_AGAINST_NEAREST) {
        const bool nearest = q.form.against == WN_AGAINST_NEAREST;
        for (int i = 0; i < (nearest ? MOST_NEAREST : 1); i++) {
            const int k = best_of(s, y, of, d.classes, NEITHER, nearest, y[target]);
            __syncthreads();
            if (k >= 0 && threadIdx.x == 0) of[k] = AGAINST;
            if (!nearest) *foil = k;
            __syncthreads();
        }
    }
    __syncthreads();
    if (q.form.swap) { /* "what contradicts Q": all the others are asked for, and Q stands against them */
        if (q.form.against == WN_AGAINST_OTHERS) *foil = target;
        for (int k = (int)threadIdx.x; k < d.classes; k += THREADS)
            of[k] = of[k] == AGAINST ? ASKED : of[k] == ASKED ? AGAINST : NEITHER;
        __syncthreads();
    }
    return target;
}

struct softmax {
    double top, sum;
    int n;
};

__device__ __forceinline__ struct softmax softmax_of(struct scratch *s, const float *y, const unsigned char *of,
                                                     int classes, int side)
{
    const int at = best_of(s, y, of, classes, side, false, 0);
    const double top = at < 0 ? 0 : y[at];
    double sum = 0, n = 0;
    for (int k = (int)threadIdx.x; k < classes; k += THREADS)
        if (of[k] == side) sum += exp(y[k] - top), n += 1;
    sum = sum_of_block(s, sum);
    return {top, sum, (int)sum_of_block(s, n)};
}

/* A class's part of its side: 1 shared evenly or as the softmax has it. */
__device__ __forceinline__ double share_of(enum wn_shares kind, const struct softmax &of, float y)
{
    return kind == WN_SHARES_EVEN ? 1.0 / of.n : kind == WN_SHARES_WHOLE ? 1.0 : exp(y - of.top) / of.sum;
}

/* Relevance that was meant, as the weight that gives it; near 0 the weight goes to 0 with the logit. */
__device__ __forceinline__ double of_relevance(double relevance, double y)
{
    return relevance * y / (y * y + 1e-18);
}

__device__ __forceinline__ double factor_of(const struct wn_cuda_seed &q, const struct softmax &asked,
                                            const struct softmax &against, float y_target)
{
    if (q.form.factor == WN_SEED_FACTOR_ONE) return 1;
    if (q.form.factor == WN_SEED_FACTOR_VALUE) return 2 * ((double)y_target - q.value);
    const double top = asked.n && (!against.n || asked.top > against.top) ? asked.top : against.top;
    const double a = asked.n ? asked.sum * exp(asked.top - top) : 0,
                 b = against.n ? against.sum * exp(against.top - top) : 0;
    const double p = a / (a + b), rest = b / (a + b);
    return q.form.factor == WN_SEED_FACTOR_ASKED ? p : p * rest;
}

__global__ void seeds_kernel(struct wn_cuda_seeds d)
{
    WN_SHARED(struct scratch, s);
    unsigned char *of = reinterpret_cast<unsigned char *>(s + 1);
    for (int r = (int)blockIdx.x; r < d.rows; r += (int)gridDim.x) {
        const struct wn_cuda_seed q = d.question[r];
        const float *y = d.logits + q.image * d.classes;
        int foil;
        const int target = take_sides(d, q, s, of, &foil);
        const struct softmax asked = softmax_of(s, y, of, d.classes, ASKED),
                             against = softmax_of(s, y, of, d.classes, AGAINST);
        const double factor = factor_of(q, asked, against, y[target]);
        double mean = 0, score = 0; /* mean: of the logits against, for the form whose weights are differentiated too */
        if (q.form.bends) {
            for (int k = (int)threadIdx.x; k < d.classes; k += THREADS)
                if (of[k] == AGAINST) mean += share_of(q.form.against_shares, against, y[k]) * y[k];
            mean = sum_of_block(s, mean);
        }
        for (int k = (int)threadIdx.x; k < d.classes; k += THREADS) {
            double v = of[k] == ASKED     ? q.form.asked * share_of(q.form.asked_shares, asked, y[k])
                       : of[k] == AGAINST ? q.form.less * share_of(q.form.against_shares, against, y[k]) *
                                                (q.form.bends ? 1 + y[k] - mean : 1.0)
                                          : 0.0;
            v *= factor;
            if (q.form.relevance == WN_SEED_RELEVANCE_SIZE) v *= fabsf(y[k]);
            if (q.form.relevance != WN_SEED_RELEVANCE_NONE) v = of_relevance(v, y[k]);
            d.seed[r * d.classes + k] = (float)v;
            score += v * y[k];
        }
        score = sum_of_block(s, score);
        if (threadIdx.x == 0) d.target[r] = target, d.foil[r] = foil, d.score[r] = (float)score;
        __syncthreads();
    }
}

} // namespace

/* ------------------------------------------------------------------------------------------------------------- */

extern "C" bool wn_cuda_launch_seeds(const struct wn_cuda_seeds *d, struct CUstream_st *stream)
{
    const size_t bytes = sizeof(struct scratch) + (size_t)d->classes;
    if (bytes > WN_CUDA_SHARED_BYTES) return false;
    WN_LAUNCH(seeds_kernel, wn_blocks(d->rows, 1), THREADS, bytes, stream, *d);
    return true;
}
