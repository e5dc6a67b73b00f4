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

/* NaN wins, as it does in other frameworks, so that it is seen at the end. */
WN_CLONES static void max_tap(float *restrict y, float *restrict index, const float *x, float at, int64_t n)
{
    for (int64_t c = 0; c < n; c++) {
        bool wins = !(x[c] <= y[c]);
        y[c] = wins ? x[c] : y[c];
        index[c] = wins ? at : index[c];
    }
}

WN_CLONES static void max_tap_plain(float *restrict y, const float *x, int64_t n)
{
    for (int64_t c = 0; c < n; c++) y[c] = x[c] <= y[c] ? y[c] : x[c];
}

static void max_window(const struct wn_dnn_pool *q, int64_t out, const int64_t *lo, const int64_t *hi,
                       const int64_t *origin, void *const *p)
{
    float *y = (float *)p[0] + out * q->c, *index = p[1] ? (float *)p[1] + out * q->c : NULL;
    const float *x = p[2];
    for (int64_t c = 0; c < q->c; c++) y[c] = -INFINITY;
    for (int64_t c = 0; index && c < q->c; c++) index[c] = -1; /* a window over padding only has no winner */
    bool first = true;
    EACH_TAP(at)
    {
        if (first && index)
            for (int64_t c = 0; c < q->c; c++) index[c] = (float)at;
        first = false;
        if (index)
            max_tap(y, index, x + at * q->c, (float)at, q->c);
        else
            max_tap_plain(y, x + at * q->c, q->c);
    }
}

void wn_dnn_loop_maxpool(const void *spec, void *const *p)
{
    const struct wn_dnn_pool *q = spec;
    int64_t in = plane(q->in) * q->c, out = plane(q->out) * q->c;
    for (int64_t i = 0; i < q->n; i++) {
        void *image[] = {(float *)p[0] + i * out, p[1] ? (float *)p[1] + i * out : NULL, (float *)p[2] + i * in};
        each_window(q, max_window, image);
    }
}

void wn_dnn_loop_maxpool_bwd(const void *spec, void *const *p)
{
    const struct wn_dnn_pool *q = spec;
    int64_t in = plane(q->in), out = plane(q->out);
    memset(p[0], 0, (size_t)(q->n * in * q->c) * sizeof(float));
    for (int64_t i = 0; i < q->n; i++) {
        float *dx = (float *)p[0] + i * in * q->c;
        const float *dy = (const float *)p[1] + i * out * q->c, *index = (const float *)p[2] + i * out * q->c;
        for (int64_t o = 0; o < out; o++)
            for (int64_t c = 0; c < q->c; c++) {
                int64_t at = (int64_t)index[o * q->c + c];
                if (at >= 0 && at < in) dx[at * q->c + c] += dy[o * q->c + c];
            }
    }
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
