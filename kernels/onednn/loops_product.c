/* A product whose left rows and right rows are mostly switched off: the directions that a ReLU let through, in front
 * of a wide fully connected layer and behind it. Only what is on is multiplied. */
#include "loops.h"

#include "loops_inner.h"

#define LANE 16
typedef float lanes __attribute__((vector_size(LANE * sizeof(float)), aligned(4)));

#define ROWS 4    /* of the result at a time */
#define WIDE 4    /* vectors of its columns at a time */
#define DEPTH 256 /* terms that are summed before they are added to the rest */

size_t wn_dnn_product_scratch(const struct wn_dnn_product *q)
{
    return (size_t)(q->m + q->k) * sizeof(int32_t);
}

/* Rows of b that hold anything; returns how many. */
static int64_t list_terms(const struct wn_dnn_product *q, const float *b, int32_t *terms)
{
    int64_t n = 0;
    for (int64_t k = 0; k < q->k; k++, b += q->n) {
        int64_t j = 0;
        while (j < q->n && b[j] == 0) j++;
        terms[n] = (int32_t)k;
        n += j < q->n;
    }
    return n;
}

static int64_t list_rows(const struct wn_dnn_product *q, const float *mask, int32_t *rows)
{
    int64_t n = 0;
    for (int64_t m = 0; m < q->m; m++) {
        rows[n] = (int32_t)m;
        n += !mask || mask[m] != 0;
    }
    return n;
}

/* ROWS results of V vectors of columns, over n terms. */
#define SUM_TERMS(V)                                                                                                   \
    for (int64_t begin = 0; begin < n; begin += DEPTH) {                                                               \
        int64_t end = begin + DEPTH < n ? begin + DEPTH : n;                                                           \
        lanes part[ROWS][V] = {{{0}}};                                                                                 \
        for (int64_t i = begin; i < end; i++) {                                                                        \
            int64_t k = terms[i];                                                                                      \
            const lanes *from = (const lanes *)(b + k * stride);                                                       \
            for (int v = 0; v < (V); v++) {                                                                            \
                lanes x = from[v];                                                                                     \
                part[0][v] += w[0][k] * x;                                                                             \
                part[1][v] += w[1][k] * x;                                                                             \
                part[2][v] += w[2][k] * x;                                                                             \
                part[3][v] += w[3][k] * x;                                                                             \
            }                                                                                                          \
        }                                                                                                              \
        for (int r = 0; r < ROWS; r++)                                                                                 \
            for (int v = 0; v < (V); v++) sum[r][v] += part[r][v];                                                     \
    }

/* What one call of the loop over groups of rows is given. */
struct band {
    const struct wn_dnn_product *q;
    int64_t n_rows, n_terms, column;
    int vectors; /* WIDE or 1 */
    const int32_t *rows, *terms;
};

WN_CLONES static void band_rows(const struct band *d, float *y, const float *all, const float *b, const float *mask,
                                int64_t group)
{
    lanes sum[ROWS][WIDE] = {{{0}}};
    const float *w[ROWS];
    const int32_t *terms = d->terms;
    int64_t n = d->n_terms, stride = d->q->n, at[ROWS];
    for (int r = 0; r < ROWS; r++) { /* past the end the last row once more */
        int64_t i = group * ROWS + r;
        at[r] = d->rows[i < d->n_rows ? i : d->n_rows - 1];
        w[r] = all + at[r] * d->q->k;
    }
    b += d->column;
    if (d->vectors == WIDE) {
        SUM_TERMS(WIDE)
    } else {
        SUM_TERMS(1)
    }
    for (int r = 0; r < ROWS; r++)
        for (int v = 0; v < d->vectors; v++) {
            float scale = mask ? mask[at[r]] : 1;
            *(lanes *)(y + at[r] * stride + d->column + v * LANE) = sum[r][v] * scale;
        }
}

static void run_group(const void *spec, void *const *p, int64_t group)
{
    band_rows(spec, p[0], p[1], p[2], p[3], group);
}

void wn_dnn_loop_product(const void *spec, void *const *p)
{
    const struct wn_dnn_product *q = spec;
    int32_t *rows = p[4], *terms = rows + q->m;
    struct band d = {.q = q, .rows = rows, .terms = terms};
    d.n_rows = list_rows(q, p[3], rows);
    d.n_terms = list_terms(q, p[2], terms);
    if (p[3]) memset(p[0], 0, (size_t)(q->m * q->n) * sizeof(float));
    int64_t groups = (d.n_rows + ROWS - 1) / ROWS;
    while (d.column < q->n) {
        d.vectors = d.column + WIDE * LANE <= q->n ? WIDE : 1;
        if (d.column + d.vectors * LANE > q->n) d.column = q->n - LANE; /* the last vector overlaps what is done */
        wn_dnn_for(groups, d.n_terms * d.n_rows > 1 << 14, run_group, &d, p);
        d.column += d.vectors * LANE;
    }
}
