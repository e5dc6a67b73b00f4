/* Elementwise functions, products with one row, sums over channels: the arithmetic of the small steps of an
 * explanation. */
#include "loops.h"

#include <math.h>

#include "../secant_f32.h"
#include "../unary_f32.h"
#include "loops_inner.h"

#define WN_MAX(p, q) ((p) > (q) ? (p) : (q))
#define WN_MIN(p, q) ((p) < (q) ? (p) : (q))

/* ---- bf16 ---- */

WN_CLONES void wn_dnn_widen(float *y, const uint16_t *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] = wn_bf16_up(x[i]);
}

WN_CLONES void wn_dnn_narrow(uint16_t *y, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] = wn_bf16_down(x[i]);
}

static inline void put_element(void *y, int64_t i, float v, bool bf16)
{
    if (bf16)
        ((uint16_t *)y)[i] = wn_bf16_down(v);
    else
        ((float *)y)[i] = v;
}

/* ---- unary ---- */

WN_CLONES void wn_dnn_apply(const struct wn_act *act, float *y, const float *in, int64_t n)
{
    float a = act->alpha, b = act->beta;
    (void)a, (void)b;
    switch (act->kind) {
#define X(id, name, from, fwd, bwd)                                                                                    \
    case WN_UNARY_##id:                                                                                                \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            float x = in[i];                                                                                           \
            y[i] = fwd;                                                                                                \
        }                                                                                                              \
        break;
#include <whynot/unary.def>
#undef X
    case WN_UNARY_COUNT: break;
    }
}

void wn_dnn_loop_unary(const void *spec, void *const *p)
{
    const struct wn_dnn_unary *u = spec;
    wn_dnn_apply(&u->act, p[0], p[1], u->count);
}

/* dx, dy and z of one type. */
static inline __attribute__((always_inline)) void apply_bwd(const struct wn_act *act, void *dx, const void *dy,
                                                            const void *of, int64_t n, bool bf16)
{
    float a = act->alpha, b = act->beta;
    (void)a, (void)b;
    switch (act->kind) {
#define X(id, name, from, fwd, bwd)                                                                                    \
    case WN_UNARY_##id:                                                                                                \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            float g = wn_dnn_element(dy, i, bf16), z = wn_dnn_element(of, i, bf16);                                    \
            (void)z;                                                                                                   \
            put_element(dx, i, bwd, bf16);                                                                             \
        }                                                                                                              \
        break;
#include <whynot/unary.def>
#undef X
    case WN_UNARY_COUNT: break;
    }
}

WN_CLONES static void apply_bwd_f32(const struct wn_act *act, void *dx, const void *dy, const void *of, int64_t n)
{
    apply_bwd(act, dx, dy, of, n, false);
}

WN_CLONES static void apply_bwd_bf16(const struct wn_act *act, void *dx, const void *dy, const void *of, int64_t n)
{
    apply_bwd(act, dx, dy, of, n, true);
}

void wn_dnn_loop_unary_bwd(const void *spec, void *const *p)
{
    const struct wn_dnn_unary *u = spec;
    (u->bf16 ? apply_bwd_bf16 : apply_bwd_f32)(&u->act, p[0], p[1], p[2], u->count);
}

/* Above zero: sign bit clear and not all bits clear, which is "greater than 0" for a 16-bit signed number too. */
WN_CLONES static void relu_bwd_bf16(uint16_t *dx, const uint16_t *dy, const int16_t *z, int64_t n)
{
    for (int64_t i = 0; i < n; i++) dx[i] = z[i] > 0 ? dy[i] : 0;
}

void wn_dnn_loop_relu_bwd_bf16(const void *spec, void *const *p)
{
    relu_bwd_bf16(p[0], p[1], p[2], ((const struct wn_dnn_unary *)spec)->count);
}

/* All of one type. */
static inline __attribute__((always_inline)) void apply_secant(const struct wn_act *act, void *dx, const void *dy,
                                                               const void *x1, const void *x0, int64_t n, bool bf16)
{
    enum { FROM_X, FROM_Y };
    float a = act->alpha, b = act->beta;
    (void)a, (void)b;
    switch (act->kind) {
#define X(id, name, from, fwd, bwd)                                                                                    \
    case WN_UNARY_##id:                                                                                                \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            float x = wn_dnn_element(x0, i, bf16), z, g = 1;                                                           \
            struct wn_secant_end then = {x, fwd, 0}, now;                                                              \
            z = from == FROM_Y ? then.y : x;                                                                           \
            then.slope = bwd;                                                                                          \
            x = wn_dnn_element(x1, i, bf16);                                                                           \
            now.x = x;                                                                                                 \
            now.y = fwd;                                                                                               \
            z = from == FROM_Y ? now.y : x;                                                                            \
            now.slope = bwd;                                                                                           \
            (void)z;                                                                                                   \
            put_element(dx, i, wn_dnn_element(dy, i, bf16) * wn_secant_slope(now, then), bf16);                        \
        }                                                                                                              \
        break;
#include <whynot/unary.def>
#undef X
    case WN_UNARY_COUNT: break;
    }
}

WN_CLONES static void apply_secant_f32(const struct wn_act *act, void *dx, const void *dy, const void *x1,
                                       const void *x0, int64_t n)
{
    apply_secant(act, dx, dy, x1, x0, n, false);
}

WN_CLONES static void apply_secant_bf16(const struct wn_act *act, void *dx, const void *dy, const void *x1,
                                        const void *x0, int64_t n)
{
    apply_secant(act, dx, dy, x1, x0, n, true);
}

void wn_dnn_loop_secant(const void *spec, void *const *p)
{
    const struct wn_dnn_unary *u = spec;
    (u->bf16 ? apply_secant_bf16 : apply_secant_f32)(&u->act, p[0], p[1], p[2], p[3], u->count);
}

/* ---- sums of slices ---- */

static inline __attribute__((always_inline)) void add_slice(const struct wn_dnn_sum *q, void *y, const void *a,
                                                            const void *b, int64_t r, bool bf16)
{
    const int64_t to = r * q->channels, at = r * q->step[0] + q->from[0], bt = r * q->step[1] + q->from[1];
#pragma omp simd /* y may be a, cell for cell */
    for (int64_t c = 0; c < q->channels; c++)
        put_element(y, to + c, wn_dnn_element(a, at + c, bf16) + wn_dnn_element(b, bt + c, bf16), bf16);
}

WN_CLONES static void add_slices(const struct wn_dnn_sum *q, void *y, const void *a, const void *b)
{
    for (int64_t r = 0; r < q->rows && q->type == WN_DNN_F32; r++) add_slice(q, y, a, b, r, false);
    for (int64_t r = 0; r < q->rows && q->type == WN_DNN_BF16; r++) add_slice(q, y, a, b, r, true);
}

void wn_dnn_loop_sum(const void *spec, void *const *p)
{
    add_slices(spec, p[0], p[1], p[2]);
}

/* ---- affine ---- */

WN_CLONES static void affine_f32(float *y, const float *x, const float *scale, const float *shift, float floor,
                                 int64_t n)
{
    for (int64_t c = 0; c < n; c++) {
        float v = x[c] * scale[c] + shift[c];
        y[c] = v > floor ? v : floor;
    }
}

WN_CLONES static void affine_bf16(uint16_t *y, const uint16_t *x, const float *scale, const float *shift, float floor,
                                  int64_t n)
{
    for (int64_t c = 0; c < n; c++) {
        float v = wn_bf16_up(x[c]) * scale[c] + shift[c];
        y[c] = wn_bf16_down(v > floor ? v : floor);
    }
}

static void affine_row(const void *spec, void *const *p, int64_t r)
{
    const struct wn_dnn_affine *f = spec;
    float floor = f->relu ? 0 : -INFINITY;
    int64_t at = r * f->channels;
    if (f->type == WN_DNN_F32)
        affine_f32((float *)p[0] + at, (const float *)p[1] + at, p[2], p[3], floor, f->channels);
    else
        affine_bf16((uint16_t *)p[0] + at, (const uint16_t *)p[1] + at, p[2], p[3], floor, f->channels);
}

void wn_dnn_loop_affine(const void *spec, void *const *p)
{
    const struct wn_dnn_affine *f = spec;
    wn_dnn_for(f->rows, f->rows * f->channels > 1 << 15, affine_row, spec, p);
}

/* ---- dot products ---- */

/* Four quarters summed side by side hide the latency of an addition; the pragma lets lanes be summed apart. */
#define DOT(up)                                                                                                        \
    int64_t q = n / 4;                                                                                                 \
    float s0 = 0, s1 = 0, s2 = 0, s3 = 0;                                                                              \
    _Pragma("omp simd reduction(+ : s0, s1, s2, s3)") for (int64_t i = 0; i < q; i++)                                  \
    {                                                                                                                  \
        s0 += a[i] * up(b[i]);                                                                                         \
        s1 += a[i + q] * up(b[i + q]);                                                                                 \
        s2 += a[i + 2 * q] * up(b[i + 2 * q]);                                                                         \
        s3 += a[i + 3 * q] * up(b[i + 3 * q]);                                                                         \
    }                                                                                                                  \
    for (int64_t i = 4 * q; i < n; i++) s0 += a[i] * up(b[i]);                                                         \
    return (s0 + s1) + (s2 + s3)
#define PLAIN(v) (v)

WN_CLONES static float dot_f32(const float *a, const float *b, int64_t n)
{
    DOT(PLAIN);
}

WN_CLONES static float dot_bf16(const float *a, const uint16_t *b, int64_t n)
{
    DOT(wn_bf16_up);
}

static float dot_strided(const float *a, int64_t sa, const float *b, int64_t sb, int64_t n)
{
    float sum = 0;
    for (int64_t i = 0; i < n; i++) sum += a[i * sa] * b[i * sb];
    return sum;
}

/* Pixels of few channels, one behind the other: vectors run over pixels, since a sum over channels would be a call
 * for three numbers. */
#define FEW 4
static inline __attribute__((always_inline)) void dots_of(float *restrict y, const float *a, const float *g, int64_t n,
                                                          int channels)
{
    for (int64_t i = 0; i < n; i++) {
        float sum = 0;
        for (int c = 0; c < channels; c++) sum += a[i * channels + c] * g[i * channels + c];
        y[i] = sum;
    }
}

WN_CLONES static void dots_f32(float *restrict y, const float *a, const float *g, int64_t n, int channels)
{
    if (channels == 1)
        dots_of(y, a, g, n, 1);
    else if (channels == 2)
        dots_of(y, a, g, n, 2);
    else if (channels == 3)
        dots_of(y, a, g, n, 3);
    else
        dots_of(y, a, g, n, FEW);
}

static bool is_run_of_pixels(const struct wn_dnn_dot *d)
{
    const int64_t c = d->channels;
    return d->a_type == WN_DNN_F32 && c > 0 && c <= FEW && d->a[1] == 1 && d->g[1] == 1 && d->a[2] == c &&
           d->g[2] == c && d->y[1] == 1;
}

void wn_dnn_loop_dot(const void *spec, void *const *p)
{
    const struct wn_dnn_dot *d = spec;
    bool dense = d->a[1] == 1 && d->g[1] == 1;
    for (int64_t r = 0; r < d->rows && is_run_of_pixels(d); r++)
        dots_f32((float *)p[0] + r * d->y[0], (const float *)p[1] + r * d->a[0], (const float *)p[2] + r * d->g[0],
                 d->pixels, (int)d->channels);
    for (int64_t r = 0; r < d->rows && !is_run_of_pixels(d); r++)
        for (int64_t i = 0; i < d->pixels; i++) {
            int64_t at = r * d->a[0] + i * d->a[2];
            const float *g = (const float *)p[2] + r * d->g[0] + i * d->g[2];
            float *y = (float *)p[0] + r * d->y[0] + i * d->y[1];
            if (d->a_type == WN_DNN_BF16)
                *y = dot_bf16(g, (const uint16_t *)p[1] + at, d->channels);
            else if (dense)
                *y = dot_f32((const float *)p[1] + at, g, d->channels);
            else
                *y = dot_strided((const float *)p[1] + at, d->a[1], g, d->g[1], d->channels);
        }
}

/* ---- products with one row ---- */

/* Four rows at once: widening bf16 costs more than the sums, and four streams keep memory busy. */
WN_CLONES static void dot4_bf16(float *y, const float *a, const uint16_t *b, int64_t ldb, int64_t n)
{
    const uint16_t *b1 = b + ldb, *b2 = b1 + ldb, *b3 = b2 + ldb;
    float s0 = 0, s1 = 0, s2 = 0, s3 = 0;
#pragma omp simd reduction(+ : s0, s1, s2, s3)
    for (int64_t i = 0; i < n; i++) {
        s0 += a[i] * wn_bf16_up(b[i]);
        s1 += a[i] * wn_bf16_up(b1[i]);
        s2 += a[i] * wn_bf16_up(b2[i]);
        s3 += a[i] * wn_bf16_up(b3[i]);
    }
    y[0] = s0, y[1] = s1, y[2] = s2, y[3] = s3;
}

static void gemv_rows(const struct wn_dnn_gemv *v, float *y, const float *a, const void *b, int64_t begin, int64_t end)
{
    const float *f32 = b;
    const uint16_t *bf16 = b;
    int64_t j = begin;
    for (; v->b_type == WN_DNN_BF16 && j + 4 <= end; j += 4) dot4_bf16(y + j, a, bf16 + j * v->ldb, v->ldb, v->k);
    for (; j < end; j++)
        y[j] = v->b_type == WN_DNN_F32 ? dot_f32(a, f32 + j * v->ldb, v->k) : dot_bf16(a, bf16 + j * v->ldb, v->k);
}

WN_CLONES static void add_rows_f32(float *restrict y, const float *w, const float *const *b, int64_t n)
{
    const float *b0 = b[0], *b1 = b[1], *b2 = b[2], *b3 = b[3];
    for (int64_t j = 0; j < n; j++) y[j] += (w[0] * b0[j] + w[1] * b1[j]) + (w[2] * b2[j] + w[3] * b3[j]);
}

WN_CLONES static void add_rows_bf16(float *restrict y, const float *w, const uint16_t *const *b, int64_t n)
{
    const uint16_t *b0 = b[0], *b1 = b[1], *b2 = b[2], *b3 = b[3];
    for (int64_t j = 0; j < n; j++)
        y[j] += (w[0] * wn_bf16_up(b0[j]) + w[1] * wn_bf16_up(b1[j])) +
                (w[2] * wn_bf16_up(b2[j]) + w[3] * wn_bf16_up(b3[j]));
}

static void add_rows(const struct wn_dnn_gemv *v, float *y, const float *w, const int64_t *row, const void *b,
                     int64_t begin, int64_t end)
{
    if (v->b_type == WN_DNN_F32) {
        const float *at[4];
        for (int i = 0; i < 4; i++) at[i] = (const float *)b + row[i] * v->ldb + begin;
        add_rows_f32(y + begin, w, at, end - begin);
    } else {
        const uint16_t *at[4];
        for (int i = 0; i < 4; i++) at[i] = (const uint16_t *)b + row[i] * v->ldb + begin;
        add_rows_bf16(y + begin, w, at, end - begin);
    }
}

/* Rows whose factor is 0 are not even read: the seed of a pair of classes has two that are not. */
static void gemv_columns(const struct wn_dnn_gemv *v, float *y, const float *a, const void *b, int64_t begin,
                         int64_t end)
{
    float w[4];
    int64_t row[4];
    int held = 0;
    memset(y + begin, 0, (size_t)(end - begin) * sizeof *y);
    for (int64_t k = 0; k < v->k; k++) {
        if (a[k] == 0) continue;
        w[held] = a[k];
        row[held++] = k;
        if (held < 4) continue;
        add_rows(v, y, w, row, b, begin, end);
        held = 0;
    }
    if (held == 0) return;
    for (int i = held; i < 4; i++) w[i] = 0, row[i] = row[0];
    add_rows(v, y, w, row, b, begin, end);
}

static void gemv_part(const struct wn_dnn_gemv *v, void *const *p, int64_t begin, int64_t end)
{
    float *y = p[0];
    (v->columns ? gemv_columns : gemv_rows)(v, y, p[1], p[2], begin, end);
    if (v->has_bias)
        for (int64_t j = begin; j < end; j++) y[j] += ((const float *)p[3])[j];
    if (v->act.kind != WN_UNARY_COUNT) wn_dnn_apply(&v->act, y + begin, y + begin, end - begin);
}

/* Columns in blocks that stay in the first-level cache; an element's sum never depends on how they are shared out. */
static int64_t gemv_block_size(const struct wn_dnn_gemv *v)
{
    return v->columns ? 2048 : 64;
}

static void gemv_block(const void *spec, void *const *p, int64_t i)
{
    const struct wn_dnn_gemv *v = spec;
    int64_t block = gemv_block_size(v), begin = i * block;
    gemv_part(v, p, begin, begin + block < v->n ? begin + block : v->n);
}

void wn_dnn_loop_gemv(const void *spec, void *const *p)
{
    const struct wn_dnn_gemv *v = spec;
    int64_t block = gemv_block_size(v);
    wn_dnn_for((v->n + block - 1) / block, v->k * v->n > 1 << 20, gemv_block, spec, p);
}
