/* The gradient of a convolution at the picture: few input channels, for which a library computes a whole vector of
 * them each. */
#include "loops.h"

#include "loops_inner.h"

#define LANE 16
typedef float lanes __attribute__((vector_size(LANE * sizeof(float))));

/* Vectors that hold one patch, kh*kw*C floats. */
static int patch_lanes(const struct wn_dnn_picture *q)
{
    return (int)((q->kernel[0] * q->kernel[1] * q->c + LANE - 1) / LANE);
}

size_t wn_dnn_picture_scratch(const struct wn_dnn_picture *q)
{
    return (size_t)patch_lanes(q) * sizeof(lanes) * (size_t)(q->o + 1) + (size_t)q->o * sizeof(int32_t);
}

/* One row of lanes a filter, as a patch lies in the picture: (O, kh, kw, C), zeros behind. */
static void pack(const struct wn_dnn_picture *q, float *to, const float *w)
{
    int64_t row = (int64_t)patch_lanes(q) * LANE;
    memset(to, 0, (size_t)(q->o * row) * sizeof *to);
    for (int64_t o = 0; o < q->o; o++, to += row) {
        float *at = to;
        for (int64_t i = 0; i < q->kernel[0]; i++)
            for (int64_t j = 0; j < q->kernel[1]; j++)
                for (int64_t c = 0; c < q->c; c++) *at++ = w[o * q->w[0] + c * q->w[1] + i * q->w[2] + j * q->w[3]];
    }
}

/* patch = sum of dy[o] * filter o over the n outputs listed; two sums side by side hide the latency of an addition. */
#define SUM_FILTERS(L)                                                                                                 \
    {                                                                                                                  \
        lanes even[L] = {{0}}, odd[L] = {{0}};                                                                         \
        int i = 0;                                                                                                     \
        for (; i + 1 < n; i += 2) {                                                                                    \
            const lanes *f = filter + (size_t)which[i] * stride, *g = filter + (size_t)which[i + 1] * stride;          \
            float a = dy[which[i]], b = dy[which[i + 1]];                                                              \
            for (int k = 0; k < (L); k++) {                                                                            \
                even[k] += a * f[k];                                                                                   \
                odd[k] += b * g[k];                                                                                    \
            }                                                                                                          \
        }                                                                                                              \
        if (i < n)                                                                                                     \
            for (int k = 0; k < (L); k++) even[k] += dy[which[i]] * (filter + (size_t)which[i] * stride)[k];           \
        for (int k = 0; k < (L); k++) patch[k] = even[k] + odd[k];                                                     \
    }

static inline __attribute__((always_inline)) void sum_filters(const lanes *filter, size_t stride, const float *dy,
                                                              const int32_t *which, int n, lanes *patch, int count)
{
    if (count == 5)
        SUM_FILTERS(5)
    else if (count == 4)
        SUM_FILTERS(4)
    else if (count == 3)
        SUM_FILTERS(3)
    else if (count == 2)
        SUM_FILTERS(2)
    else
        SUM_FILTERS(1)
}

/* What of an axis of the kernel lies in the picture when its window begins at `at`. */
static void clip(int64_t at, int64_t kernel, int64_t in, int64_t *lo, int64_t *hi)
{
    *lo = at < 0 ? -at : 0;
    *hi = at + kernel > in ? in - at : kernel;
}

/* One image. Behind a ReLU and a max-pool most of dy is 0, and those filters are left out. */
WN_CLONES static void gradient_at_picture(const struct wn_dnn_picture *q, float *dx, const float *dy,
                                          const lanes *filter, lanes *patch, int32_t *which)
{
    int count = patch_lanes(q);
    for (int64_t oh = 0; oh < q->out[0]; oh++)
        for (int64_t ow = 0; ow < q->out[1]; ow++, dy += q->o) {
            int64_t top = oh * q->stride[0] - q->pad[0], left = ow * q->stride[1] - q->pad[1], lo, hi, from, to;
            int n = 0;
            for (int32_t o = 0; o < q->o; o++) {
                which[n] = o;
                n += dy[o] != 0;
            }
            clip(top, q->kernel[0], q->in[0], &lo, &hi);
            clip(left, q->kernel[1], q->in[1], &from, &to);
            if (!n || from >= to) continue;
            for (int k = 0; k < count; k += 5)
                sum_filters(filter + k, (size_t)count, dy, which, n, patch + k, count - k < 5 ? count - k : 5);
            for (int64_t i = lo; i < hi; i++) {
                const float *source = (const float *)patch + (i * q->kernel[1] + from) * q->c;
                float *target = dx + ((top + i) * q->in[1] + left + from) * q->c;
                for (int64_t j = 0; j < (to - from) * q->c; j++) target[j] += source[j];
            }
        }
}

void wn_dnn_loop_picture(const void *spec, void *const *p)
{
    const struct wn_dnn_picture *q = spec;
    int64_t in = q->in[0] * q->in[1] * q->c, out = q->out[0] * q->out[1] * q->o;
    size_t filters = (size_t)patch_lanes(q) * (size_t)q->o;
    lanes *scratch = p[3];
    pack(q, (float *)scratch, p[2]);
    memset(p[0], 0, (size_t)(q->n * in) * sizeof(float));
    for (int64_t i = 0; i < q->n; i++)
        gradient_at_picture(q, (float *)p[0] + i * in, (const float *)p[1] + i * out, scratch, scratch + filters,
                            (int32_t *)(scratch + filters + patch_lanes(q)));
}
