/* Sliding windows over channels-last values, with an index that can be read; loops over channels innermost. */
#include "loops.h"

#include <math.h>

#include "loops_inner.h"

/* First and last tap of one axis that lie inside the input. */
static void inside(const struct wn_dnn_pool *q, int d, int64_t o, int64_t *lo, int64_t *hi)
{
    int64_t at = o * q->stride[d] - q->pad[d], step = q->dilation[d];
    *lo = at >= 0 ? 0 : (-at + step - 1) / step;
    *hi = at >= q->in[d] ? 0 : (q->in[d] - at + step - 1) / step;
    if (*hi > q->kernel[d]) *hi = q->kernel[d];
}

/* Walks the windows: calls body(q, position in the output plane, lo, hi, origin) for each. */
typedef void window_body(const struct wn_dnn_pool *q, int64_t out, const int64_t *lo, const int64_t *hi,
                         const int64_t *origin, void *const *p);

static void each_window(const struct wn_dnn_pool *q, window_body *body, void *const *p)
{
    int64_t o[3], lo[3], hi[3], origin[3], out = 0;
    for (o[0] = 0; o[0] < q->out[0]; o[0]++)
        for (o[1] = 0; o[1] < q->out[1]; o[1]++)
            for (o[2] = 0; o[2] < q->out[2]; o[2]++, out++) {
                for (int d = 0; d < 3; d++) {
                    inside(q, d, o[d], &lo[d], &hi[d]);
                    origin[d] = o[d] * q->stride[d] - q->pad[d];
                }
                body(q, out, lo, hi, origin, p);
            }
}

static int64_t plane(const int64_t *dim)
{
    return dim[0] * dim[1] * dim[2];
}

static int64_t position(const struct wn_dnn_pool *q, const int64_t *origin, int64_t a, int64_t b, int64_t c)
{
    int64_t z = origin[0] + a * q->dilation[0], y = origin[1] + b * q->dilation[1], x = origin[2] + c * q->dilation[2];
    return (z * q->in[1] + y) * q->in[2] + x;
}

#define EACH_TAP(at)                                                                                                   \
    for (int64_t i_ = lo[0]; i_ < hi[0]; i_++)                                                                         \
        for (int64_t j_ = lo[1]; j_ < hi[1]; j_++)                                                                     \
            for (int64_t k_ = lo[2], at; k_ < hi[2] && (at = position(q, origin, i_, j_, k_), true); k_++)

/* ---- max ---- */

/* Taps side by side that are looked at in one pass over the channels, so that the best so far stays in registers. */
#define ABREAST 3

/* n taps, `step` elements apart, which lie at[ABREAST] in their plane; fresh: nothing was looked at before them. NaN
 * wins, as it does in other frameworks, so that it is seen at the end; of equal ones the first. What is read from
 * bf16 goes back without rounding. */
static inline __attribute__((always_inline)) void max_taps(void *restrict y, float *restrict index,
                                                           const void *restrict x, int64_t step, const float *at,
                                                           int64_t channels, int n, bool fresh, bool bf16)
{
    float where[ABREAST]; /* nothing that a loop would have to load */
    memcpy(where, at, sizeof where);
    for (int64_t c = 0; c < channels; c++) {
        float best = fresh ? -INFINITY : wn_dnn_element(y, c, bf16), winner = fresh ? where[0] : index[c];
#pragma GCC unroll 3
        for (int t = 0; t < n; t++) {
            const float v = wn_dnn_element(x, t * step + c, bf16);
            winner = ((v > best) | (v != v)) ? where[t] : winner;
            best = ((v > best) | (v != v)) ? v : best;
        }
        if (bf16)
            ((uint16_t *)y)[c] = wn_bf16_high(best);
        else
            ((float *)y)[c] = best;
        index[c] = winner;
    }
}

static inline __attribute__((always_inline)) void max_some(void *y, float *index, const void *x, int64_t step,
                                                           const float *at, int64_t channels, int n, bool fresh,
                                                           bool bf16)
{
    if (n == 1)
        max_taps(y, index, x, step, at, channels, 1, fresh, bf16);
    else if (n == 2)
        max_taps(y, index, x, step, at, channels, 2, fresh, bf16);
    else
        max_taps(y, index, x, step, at, channels, ABREAST, fresh, bf16);
}

static inline __attribute__((always_inline)) void max_of_window(const struct wn_dnn_pool *q, const int64_t *lo,
                                                                const int64_t *hi, const int64_t *origin, void *y,
                                                                float *index, const char *x, bool bf16)
{
    const int64_t c = q->c, step = q->dilation[2], size = bf16 ? sizeof(uint16_t) : sizeof(float);
    bool fresh = true;
    for (int64_t i = lo[0]; i < hi[0]; i++)
        for (int64_t j = lo[1]; j < hi[1]; j++)
            for (int64_t k = lo[2]; k < hi[2]; k += ABREAST, fresh = false) {
                const int n = hi[2] - k < ABREAST ? (int)(hi[2] - k) : ABREAST;
                const int64_t from = position(q, origin, i, j, k);
                const float at[ABREAST] = {(float)from, (float)(from + step), (float)(from + 2 * step)};
                if (fresh)
                    max_some(y, index, x + from * c * size, step * c, at, c, n, true, bf16);
                else
                    max_some(y, index, x + from * c * size, step * c, at, c, n, false, bf16);
            }
}

/* A window over padding only has no winner; where all taps are -infinity, the first is it. */
WN_CLONES static void max_window(const struct wn_dnn_pool *q, int64_t out, const int64_t *lo, const int64_t *hi,
                                 const int64_t *origin, void *const *p)
{
    float *index = (float *)p[1] + out * q->c, *y = p[0];
    uint16_t *y16 = p[0];
    if (lo[0] < hi[0] && lo[1] < hi[1] && lo[2] < hi[2]) {
        if (q->bf16_x)
            max_of_window(q, lo, hi, origin, y16 + out * q->c, index, p[2], true);
        else
            max_of_window(q, lo, hi, origin, y + out * q->c, index, p[2], false);
        return;
    }
    for (int64_t k = 0; k < q->c; k++) {
        index[k] = -1;
        if (q->bf16_x)
            y16[out * q->c + k] = wn_bf16_high(-INFINITY);
        else
            y[out * q->c + k] = -INFINITY;
    }
}

WN_CLONES static void max_tap_plain(float *restrict y, const float *x, int64_t n)
{
    for (int64_t c = 0; c < n; c++) y[c] = ((x[c] > y[c]) | (x[c] != x[c])) ? x[c] : y[c];
}

/* Nobody reads the index. */
static void max_window_plain(const struct wn_dnn_pool *q, int64_t out, const int64_t *lo, const int64_t *hi,
                             const int64_t *origin, void *const *p)
{
    float *y = (float *)p[0] + out * q->c;
    for (int64_t c = 0; c < q->c; c++) y[c] = -INFINITY;
    EACH_TAP(at) max_tap_plain(y, (const float *)p[2] + at * q->c, q->c);
}

void wn_dnn_loop_maxpool(const void *spec, void *const *p)
{
    const struct wn_dnn_pool *q = spec;
    const int64_t in = plane(q->in) * q->c, out = plane(q->out) * q->c,
                  size = q->bf16_x ? sizeof(uint16_t) : sizeof(float);
    for (int64_t i = 0; i < q->n; i++) {
        void *image[] = {(char *)p[0] + i * out * size, p[1] ? (float *)p[1] + i * out : NULL,
                         (char *)p[2] + i * in * size};
        each_window(q, p[1] ? max_window : max_window_plain, image);
    }
}

/* The windows [*from, *to) of one axis that look at its cell `at`, where none skips cells. */
static void around(const struct wn_dnn_pool *q, int d, int64_t at, int64_t *from, int64_t *to)
{
    const int64_t last = at + q->pad[d], first = last - q->kernel[d] + 1;
    *from = first > 0 ? (first + q->stride[d] - 1) / q->stride[d] : 0;
    *to = last / q->stride[d] + 1;
    if (*to > q->out[d]) *to = q->out[d];
}

/* What the pixel `at` won of n windows side by side; fresh: of none before them. */
static inline __attribute__((always_inline)) void unpool_some(float *restrict dx, const float *dy, const float *index,
                                                              float at, int64_t channels, int n, bool fresh)
{
    for (int64_t c = 0; c < channels; c++) {
        float sum = fresh ? 0 : dx[c];
        for (int t = 0; t < n; t++) sum += index[t * channels + c] == at ? dy[t * channels + c] : 0;
        dx[c] = sum;
    }
}

static inline __attribute__((always_inline)) void unpool_row(float *dx, const float *dy, const float *index, float at,
                                                             int64_t channels, int64_t n, bool fresh)
{
    if (fresh && n == 1)
        unpool_some(dx, dy, index, at, channels, 1, true);
    else if (fresh)
        unpool_some(dx, dy, index, at, channels, 2, true);
    else if (n == 1)
        unpool_some(dx, dy, index, at, channels, 1, false);
    else
        unpool_some(dx, dy, index, at, channels, 2, false);
}

WN_CLONES static void unpool_pixel(const struct wn_dnn_pool *q, float *dx, int64_t at, const int64_t *from,
                                   const int64_t *to, const float *dy, const float *index)
{
    bool fresh = true;
    for (int64_t a = from[0]; a < to[0]; a++)
        for (int64_t b = from[1]; b < to[1]; b++)
            for (int64_t e = from[2]; e < to[2]; e += 2, fresh = false) {
                const int64_t o = ((a * q->out[1] + b) * q->out[2] + e) * q->c;
                unpool_row(dx, dy + o, index + o, (float)at, q->c, to[2] - e, fresh);
            }
    if (fresh) memset(dx, 0, (size_t)q->c * sizeof *dx);
}

static void unpool(const struct wn_dnn_pool *q, float *dx, const float *dy, const float *index)
{
    int64_t from[3], to[3], at = 0;
    for (int64_t a = 0; a < q->in[0]; a++) {
        around(q, 0, a, &from[0], &to[0]);
        for (int64_t b = 0; b < q->in[1]; b++) {
            around(q, 1, b, &from[1], &to[1]);
            for (int64_t c = 0; c < q->in[2]; c++, at++) {
                around(q, 2, c, &from[2], &to[2]);
                unpool_pixel(q, dx + at * q->c, at, from, to, dy, index);
            }
        }
    }
}

/* From each window to its winner. */
static void unpool_winners(const struct wn_dnn_pool *q, float *dx, const float *dy, const float *index)
{
    const int64_t in = plane(q->in), out = plane(q->out);
    memset(dx, 0, (size_t)(in * q->c) * sizeof *dx);
    for (int64_t o = 0; o < out; o++)
        for (int64_t c = 0; c < q->c; c++) {
            const int64_t at = (int64_t)index[o * q->c + c];
            if (at >= 0 && at < in) dx[at * q->c + c] += dy[o * q->c + c];
        }
}

/* Whether each cell asks the windows around it: they skip no cell, are few, and no two cells have the same number as
 * a float. */
static bool sees_few_windows(const struct wn_dnn_pool *q)
{
    enum { FEW = 9, EXACT = 1 << 24 };
    int64_t windows = 1;
    for (int d = 0; d < 3; d++) {
        if (q->dilation[d] > 1) return false;
        windows *= (q->kernel[d] + q->stride[d] - 1) / q->stride[d];
    }
    return windows <= FEW && plane(q->in) <= EXACT;
}

void wn_dnn_loop_maxpool_bwd(const void *spec, void *const *p)
{
    const struct wn_dnn_pool *q = spec;
    const int64_t in = plane(q->in) * q->c, out = plane(q->out) * q->c;
    const bool cells = sees_few_windows(q);
    for (int64_t i = 0; i < q->n; i++)
        (cells ? unpool : unpool_winners)(q, (float *)p[0] + i * in, (const float *)p[1] + i * out,
                                          (const float *)p[2] + i * out);
}

/* ---- average ---- */

static float share(const struct wn_dnn_pool *q, const int64_t *lo, const int64_t *hi)
{
    int64_t n = plane(q->kernel);
    if (!q->count_pad) {
        n = 1;
        for (int d = 0; d < 3; d++) n *= hi[d] > lo[d] ? hi[d] - lo[d] : 0;
    }
    return n > 0 ? 1 / (float)n : 0;
}

WN_CLONES static void add_scaled(float *restrict y, const float *x, float w, int64_t n)
{
    for (int64_t c = 0; c < n; c++) y[c] += w * x[c];
}

WN_CLONES static void add_plain(float *restrict y, const float *x, int64_t n)
{
    for (int64_t c = 0; c < n; c++) y[c] += x[c];
}

WN_CLONES static void add_plain_bf16(float *restrict y, const uint16_t *x, int64_t n)
{
    for (int64_t c = 0; c < n; c++) y[c] += wn_bf16_up(x[c]);
}

static void avg_window(const struct wn_dnn_pool *q, int64_t out, const int64_t *lo, const int64_t *hi,
                       const int64_t *origin, void *const *p)
{
    float *y = (float *)p[0] + out * q->c, w = share(q, lo, hi);
    memset(y, 0, (size_t)q->c * sizeof *y);
    EACH_TAP(at)
    {
        if (q->bf16_x)
            add_plain_bf16(y, (const uint16_t *)p[1] + at * q->c, q->c);
        else
            add_plain(y, (const float *)p[1] + at * q->c, q->c);
    }
    for (int64_t c = 0; c < q->c; c++) y[c] *= w;
}

void wn_dnn_loop_avgpool(const void *spec, void *const *p)
{
    const struct wn_dnn_pool *q = spec;
    int64_t in = plane(q->in) * q->c * (q->bf16_x ? 2 : 4), out = plane(q->out) * q->c;
    for (int64_t i = 0; i < q->n; i++) {
        void *image[] = {(float *)p[0] + i * out, (char *)p[1] + i * in};
        each_window(q, avg_window, image);
    }
}

static void avg_window_bwd(const struct wn_dnn_pool *q, int64_t out, const int64_t *lo, const int64_t *hi,
                           const int64_t *origin, void *const *p)
{
    float *dx = p[0];
    const float *dy = (const float *)p[1] + out * q->c, w = share(q, lo, hi);
    EACH_TAP(at) add_scaled(dx + at * q->c, dy, w, q->c);
}

void wn_dnn_loop_avgpool_bwd(const void *spec, void *const *p)
{
    const struct wn_dnn_pool *q = spec;
    int64_t in = plane(q->in) * q->c, out = plane(q->out) * q->c;
    memset(p[0], 0, (size_t)(q->n * in) * sizeof(float));
    for (int64_t i = 0; i < q->n; i++) {
        void *image[] = {(float *)p[0] + i * in, (float *)p[1] + i * out};
        each_window(q, avg_window_bwd, image);
    }
}
