/* Loops that move and combine elements by strides; they know no layouts and no arithmetic but + - * /. */
#include "loops.h"

#include <omp.h>
#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "loops_inner.h"

size_t wn_dnn_type_bytes(enum wn_dnn_type type)
{
    return type == WN_DNN_F32 ? sizeof(float) : sizeof(uint16_t);
}

int64_t wn_dnn_tensor_count(const struct wn_dnn_tensor *t)
{
    int64_t n = 1;
    for (int d = 0; d < t->rank; d++) n *= t->dim[d];
    return n;
}

size_t wn_dnn_tensor_bytes(const struct wn_dnn_tensor *t)
{
    return (size_t)wn_dnn_tensor_count(t) * wn_dnn_type_bytes(t->type);
}

/* ---- nests ---- */

static void nest_move(struct wn_dnn_nest *n, int to, int from)
{
    n->extent[to] = n->extent[from];
    for (int k = 0; k < 3; k++) n->stride[k][to] = n->stride[k][from];
}

static void nest_swap(struct wn_dnn_nest *n, int i, int j)
{
    struct wn_dnn_nest old = *n;
    nest_move(n, i, j);
    n->extent[j] = old.extent[i];
    for (int k = 0; k < 3; k++) n->stride[k][j] = old.stride[k][i];
}

static bool nest_before(const struct wn_dnn_nest *n, int i, int j)
{
    int64_t a = llabs(n->stride[0][i]), b = llabs(n->stride[0][j]);
    return a != b ? a > b : llabs(n->stride[1][i]) > llabs(n->stride[1][j]);
}

static bool nest_joins(const struct wn_dnn_nest *n, int outer, int inner)
{
    for (int k = 0; k < 3; k++)
        if (n->stride[k][outer] != n->stride[k][inner] * n->extent[inner]) return false;
    return true;
}

void wn_dnn_nest_tidy(struct wn_dnn_nest *n)
{
    int rank = 0;
    for (int d = 0; d < n->rank; d++)
        if (n->extent[d] != 1) nest_move(n, rank++, d);
    n->rank = rank;
    for (int i = 1; i < rank; i++)
        for (int j = i; j > 0 && nest_before(n, j, j - 1); j--) nest_swap(n, j, j - 1);
    for (int d = n->rank - 2; d >= 0; d--) {
        if (!nest_joins(n, d, d + 1)) continue;
        int64_t joined = n->extent[d] * n->extent[d + 1];
        for (int j = d; j + 1 < n->rank; j++) nest_move(n, j, j + 1);
        n->extent[d] = joined;
        n->rank--;
    }
    if (n->rank > 0) return;
    n->rank = 1;
    n->extent[0] = 1;
    for (int k = 0; k < 3; k++) n->stride[k][0] = 0;
}

/* Walks all axes but the last: at[] are the operands' offsets of the current row. */
struct walk {
    const struct wn_dnn_nest *n;
    int64_t i[WN_DNN_NEST_MAX], at[3];
};

static bool walk_begin(struct walk *w, const struct wn_dnn_nest *n)
{
    memset(w, 0, sizeof *w);
    w->n = n;
    for (int k = 0; k < 3; k++) w->at[k] = n->offset[k];
    for (int d = 0; d < n->rank; d++)
        if (n->extent[d] == 0) return false;
    return true;
}

static bool walk_next(struct walk *w)
{
    for (int d = w->n->rank - 2; d >= 0; d--) {
        for (int k = 0; k < 3; k++) w->at[k] += w->n->stride[k][d];
        if (++w->i[d] < w->n->extent[d]) return true;
        for (int k = 0; k < 3; k++) w->at[k] -= w->n->stride[k][d] * w->n->extent[d];
        w->i[d] = 0;
    }
    return false;
}

/* ---- copy ---- */

#define THIN 8
#define BLOCK 512

#define ROW(name, ytype, xtype, value)                                                                                 \
    static void name(ytype *y, int64_t sy, const xtype *x, int64_t sx, int64_t n)                                      \
    {                                                                                                                  \
        for (int64_t i = 0; i < n; i++) y[i * sy] = value(x[i * sx]);                                                  \
    }
#define SAME(v) (v)
ROW(row_f32, float, float, SAME)
ROW(row_bf16, uint16_t, uint16_t, SAME)
ROW(row_widen, float, uint16_t, wn_bf16_up)
ROW(row_narrow, uint16_t, float, wn_bf16_down)

static void copy_row(const struct wn_dnn_copy *c, char *y, int64_t sy, const char *x, int64_t sx, int64_t n)
{
    bool dense = sy == 1 && sx == 1;
    if (c->x == c->y && dense)
        memcpy(y, x, (size_t)n * wn_dnn_type_bytes(c->y));
    else if (c->x == WN_DNN_F32 && c->y == WN_DNN_F32)
        row_f32((float *)y, sy, (const float *)x, sx, n);
    else if (c->x == c->y)
        row_bf16((uint16_t *)y, sy, (const uint16_t *)x, sx, n);
    else if (c->y == WN_DNN_F32 && dense)
        wn_dnn_widen((float *)y, (const uint16_t *)x, n);
    else if (c->y == WN_DNN_F32)
        row_widen((float *)y, sy, (const uint16_t *)x, sx, n);
    else if (dense)
        wn_dnn_narrow((uint16_t *)y, (const float *)x, n);
    else
        row_narrow((uint16_t *)y, sy, (const float *)x, sx, n);
}

static void fill(void *y, enum wn_dnn_type type, float value, int64_t n)
{
    uint16_t narrow = wn_bf16_down(value);
    if (value == 0)
        memset(y, 0, (size_t)n * wn_dnn_type_bytes(type));
    else if (type == WN_DNN_F32)
        for (int64_t i = 0; i < n; i++) ((float *)y)[i] = value;
    else
        for (int64_t i = 0; i < n; i++) ((uint16_t *)y)[i] = narrow;
}

/* Colours side by side are rows of three: along the other axis instead, in blocks that stay in the cache. */
static void copy_thin(const struct wn_dnn_copy *c, void *const *p)
{
    struct wn_dnn_nest outer = c->nest;
    const int thin = outer.rank - 1, along = outer.rank - 2;
    const int64_t *sy = outer.stride[0], *sx = outer.stride[1], n = outer.extent[along];
    const int64_t y_size = (int64_t)wn_dnn_type_bytes(c->y), x_size = (int64_t)wn_dnn_type_bytes(c->x);
    struct walk w;
    outer.rank--; /* what is walked is all but its last axis */
    if (outer.extent[thin] == 0 || !walk_begin(&w, &outer)) return;
    do {
        for (int64_t i = 0; i < n; i += BLOCK)
            for (int64_t k = 0; k < outer.extent[thin]; k++)
                copy_row(c, (char *)p[0] + (w.at[0] + i * sy[along] + k * sy[thin]) * y_size, sy[along],
                         (const char *)p[1] + (w.at[1] + i * sx[along] + k * sx[thin]) * x_size, sx[along],
                         n - i < BLOCK ? n - i : BLOCK);
    } while (walk_next(&w));
}

void wn_dnn_loop_copy(const void *spec, void *const *p)
{
    const struct wn_dnn_copy *c = spec;
    const struct wn_dnn_nest *n = &c->nest;
    struct walk w;
    if (c->fills) fill(p[0], c->y, c->fill, c->y_count);
    int last = n->rank - 1;
    int64_t y_size = (int64_t)wn_dnn_type_bytes(c->y), x_size = (int64_t)wn_dnn_type_bytes(c->x);
    if (last > 0 && n->extent[last] < THIN && n->extent[last - 1] >= THIN) return copy_thin(c, p);
    if (!walk_begin(&w, n)) return;
    do {
        copy_row(c, (char *)p[0] + w.at[0] * y_size, n->stride[0][last], (const char *)p[1] + w.at[1] * x_size,
                 n->stride[1][last], n->extent[last]);
    } while (walk_next(&w));
}

/* ---- binary ---- */

/* The three usual rows are named so that each becomes a loop without strides. */
#define EACH_ROW(expr)                                                                                                 \
    do {                                                                                                               \
        if (sy == 1 && sa == 1 && sb == 1)                                                                             \
            for (int64_t i = 0; i < n; i++) {                                                                          \
                float u = a[i], v = b[i];                                                                              \
                y[i] = expr;                                                                                           \
            }                                                                                                          \
        else if (sy == 1 && sa == 1 && sb == 0)                                                                        \
            for (int64_t i = 0; i < n; i++) {                                                                          \
                float u = a[i], v = b[0];                                                                              \
                y[i] = expr;                                                                                           \
            }                                                                                                          \
        else if (sy == 1 && sa == 0 && sb == 1)                                                                        \
            for (int64_t i = 0; i < n; i++) {                                                                          \
                float u = a[0], v = b[i];                                                                              \
                y[i] = expr;                                                                                           \
            }                                                                                                          \
        else                                                                                                           \
            for (int64_t i = 0; i < n; i++) {                                                                          \
                float u = a[i * sa], v = b[i * sb];                                                                    \
                y[i * sy] = expr;                                                                                      \
            }                                                                                                          \
    } while (0)

WN_CLONES static void binary_row(enum wn_binary kind, float *y, int64_t sy, const float *a, int64_t sa, const float *b,
                                 int64_t sb, int64_t n)
{
    switch (kind) {
    case WN_BINARY_ADD: EACH_ROW(u + v); break;
    case WN_BINARY_SUB: EACH_ROW(u - v); break;
    case WN_BINARY_MUL: EACH_ROW(u * v); break;
    case WN_BINARY_DIV: EACH_ROW(u / v); break;
    case WN_BINARY_POW: EACH_ROW(powf(u, v)); break;
    case WN_BINARY_MAX: EACH_ROW((u > v ? u : v)); break;
    case WN_BINARY_MIN: EACH_ROW((u < v ? u : v)); break;
    }
}

void wn_dnn_loop_binary(const void *spec, void *const *p)
{
    const struct wn_dnn_binary *b = spec;
    const struct wn_dnn_nest *n = &b->nest;
    struct walk w;
    if (!walk_begin(&w, n)) return;
    int last = n->rank - 1;
    do {
        binary_row(b->kind, (float *)p[0] + w.at[0], n->stride[0][last], (const float *)p[1] + w.at[1],
                   n->stride[1][last], (const float *)p[2] + w.at[2], n->stride[2][last], n->extent[last]);
    } while (walk_next(&w));
}

/* ---- reduce ---- */

WN_CLONES static void reduce_rows(enum wn_reduce kind, float *restrict y, const float *x, int64_t sx, int64_t n)
{
    if (kind == WN_REDUCE_MAX)
        for (int64_t i = 0; i < n; i++) y[i] = x[i * sx] > y[i] ? x[i * sx] : y[i];
    else if (sx == 1)
        for (int64_t i = 0; i < n; i++) y[i] += x[i];
    else
        for (int64_t i = 0; i < n; i++) y[i] += x[i * sx];
}

/* In double, so that a long sum keeps the digits that the order of a short one would. */
static double reduce_to_one(enum wn_reduce kind, double at, const float *x, int64_t sx, int64_t n)
{
    if (kind == WN_REDUCE_MAX)
        for (int64_t i = 0; i < n; i++) at = x[i * sx] > at ? x[i * sx] : at;
    else
        for (int64_t i = 0; i < n; i++) at += x[i * sx];
    return at;
}

/* Each kept element by itself: the innermost loop runs over the reduced axes. */
static void reduce_inner(const struct wn_dnn_reduce *r, float *y, const float *x)
{
    const struct wn_dnn_nest *kept = &r->nest, *over = &r->over;
    int last = kept->rank - 1, in = over->rank - 1;
    struct walk w, v;
    if (!walk_begin(&w, kept)) return;
    do {
        for (int64_t i = 0; i < kept->extent[last]; i++) {
            const float *at = x + w.at[1] + i * kept->stride[1][last];
            double sum = r->kind == WN_REDUCE_MAX ? -INFINITY : 0;
            if (walk_begin(&v, over)) do {
                    sum = reduce_to_one(r->kind, sum, at + v.at[1], over->stride[1][in], over->extent[in]);
                } while (walk_next(&v));
            y[w.at[0] + i * kept->stride[0][last]] = (float)(r->kind == WN_REDUCE_MEAN ? sum / (double)r->count : sum);
        }
    } while (walk_next(&w));
}

/* Rows of kept elements that lie together are added whole: the mean over the pixels of a channels-last picture. */
static void reduce_outer(const struct wn_dnn_reduce *r, float *y, const float *x)
{
    const struct wn_dnn_nest *kept = &r->nest, *over = &r->over;
    int last = kept->rank - 1, in = over->rank - 1;
    int64_t n = kept->extent[last];
    struct walk w, v;
    if (!walk_begin(&w, kept)) return;
    do {
        float *row = y + w.at[0];
        fill(row, WN_DNN_F32, r->kind == WN_REDUCE_MAX ? -INFINITY : 0, n);
        if (walk_begin(&v, over)) do {
                for (int64_t i = 0; i < over->extent[in]; i++)
                    reduce_rows(r->kind, row, x + w.at[1] + v.at[1] + i * over->stride[1][in], kept->stride[1][last],
                                n);
            } while (walk_next(&v));
        if (r->kind == WN_REDUCE_MEAN)
            for (int64_t i = 0; i < n; i++) row[i] /= (float)r->count;
    } while (walk_next(&w));
}

void wn_dnn_loop_reduce(const void *spec, void *const *p)
{
    const struct wn_dnn_reduce *r = spec;
    int last = r->nest.rank - 1;
    bool rows = r->nest.stride[0][last] == 1 && r->nest.stride[1][last] == 1 && r->nest.extent[last] > 1;
    (rows ? reduce_outer : reduce_inner)(r, p[0], p[1]);
}

/* ---- concat, gather ---- */

void wn_dnn_for(int64_t n, bool worth, void (*body)(const void *spec, void *const *p, int64_t i), const void *spec,
                void *const *p)
{
    if (!worth || omp_get_max_threads() == 1) {
        for (int64_t i = 0; i < n; i++) body(spec, p, i);
        return;
    }
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i++) body(spec, p, i);
}

static void concat_part(const void *spec, void *const *p, int64_t o)
{
    const struct wn_dnn_concat *c = spec;
    char *y = (char *)p[0] + (size_t)o * c->y_bytes;
    for (int i = 0; i < c->n; y += c->block[i++]) memcpy(y, (char *)p[i + 1] + (size_t)o * c->block[i], c->block[i]);
}

void wn_dnn_loop_concat(const void *spec, void *const *p)
{
    const struct wn_dnn_concat *c = spec;
    wn_dnn_for(c->outer, c->y_bytes * (size_t)c->outer > 1 << 17, concat_part, spec, p);
}

void wn_dnn_loop_gather(const void *spec, void *const *p)
{
    const struct wn_dnn_gather *g = spec;
    const float *row = p[2];
    for (int64_t r = 0; r < g->rows; r++) {
        /* Rows come from the host at run time: one outside is read as the nearest, never as foreign memory. */
        float limited = fminf(fmaxf(row[r], 0), (float)(g->images - 1));
        memcpy((char *)p[0] + (size_t)r * g->block, (const char *)p[1] + (size_t)limited * g->block, g->block);
    }
}

/* ---- axis map ---- */

WN_CLONES static void map_row(float *restrict y, int64_t sy, const float *restrict x, int64_t sx, float w, bool first,
                              int64_t n)
{
    if (sy == 1 && sx == 1 && first)
        for (int64_t i = 0; i < n; i++) y[i] = w * x[i];
    else if (sy == 1 && sx == 1)
        for (int64_t i = 0; i < n; i++) y[i] += w * x[i];
    else if (first)
        for (int64_t i = 0; i < n; i++) y[i * sy] = w * x[i * sx];
    else
        for (int64_t i = 0; i < n; i++) y[i * sy] += w * x[i * sx];
}

static void map_zero(float *y, int64_t sy, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i * sy] = 0;
}

/* All outputs of the axis for one row of the other axes. */
static void map_axis(const struct wn_dnn_axis_map *m, float *y, int64_t sy, const float *x, int64_t sx, int64_t n)
{
    const struct wn_taps *taps = &m->taps;
    for (int64_t j = 0; j < taps->out; j++, y += m->y_stride) {
        bool first = true;
        for (int64_t t = j * taps->taps; t < (j + 1) * taps->taps; t++) {
            if (taps->index[t] < 0) continue;
            map_row(y, sy, x + taps->index[t] * m->x_stride, sx, taps->weight[t], first, n);
            first = false;
        }
        if (first) map_zero(y, sy, n);
    }
}

void wn_dnn_loop_axis_map(const void *spec, void *const *p)
{
    const struct wn_dnn_axis_map *m = spec;
    const struct wn_dnn_nest *n = &m->nest;
    struct walk w;
    if (!walk_begin(&w, n)) return;
    int last = n->rank - 1;
    do {
        map_axis(m, (float *)p[0] + w.at[0], n->stride[0][last], (const float *)p[1] + w.at[1], n->stride[1][last],
                 n->extent[last]);
    } while (walk_next(&w));
}
