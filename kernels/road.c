/* Noisy linear imputation: hidden pixels become what their neighbours make likely, so that a mask leaves no shape
 * behind. */
#include <whynot/metrics.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"

#define MAX_ROUNDS 5000
#define PRECISE 1e-5

/* The hidden pixels of one plane as unknowns: each times the weights of its neighbours, less the hidden neighbours'
 * share, is the known neighbours' share. Symmetric, and positive definite where some pixel is known: conjugate
 * gradients, over whole planes in which known pixels are held at 0. With 1/6 over an edge and 1/12 over a corner the
 * weights are (1 2 1) by (1 2 1) less the middle, in twelfths. */
struct system {
    int h, w;
    const bool *hidden;
    double *x, *r, *p, *q, *t; /* planes; t: scratch */
};

/* out = the neighbours' weighted sum of v, in twelfths; 0 beyond the border. */
static void gather(const struct system *s, const double *v, double *out)
{
    int h = s->h, w = s->w;
    for (int y = 0; y < h; y++) {
        const double *row = v + (size_t)y * (size_t)w;
        double *t = s->t + (size_t)y * (size_t)w;
        for (int x = 1; x + 1 < w; x++) t[x] = row[x - 1] + 2 * row[x] + row[x + 1];
        t[0] = 2 * row[0] + (w > 1 ? row[1] : 0);
        if (w > 1) t[w - 1] = 2 * row[w - 1] + row[w - 2];
    }
    for (int y = 0; y < h; y++) {
        const double *t = s->t + (size_t)y * (size_t)w, *above = y ? t - w : NULL, *below = y + 1 < h ? t + w : NULL;
        const double *row = v + (size_t)y * (size_t)w;
        double *to = out + (size_t)y * (size_t)w;
        for (int x = 0; x < w; x++) to[x] = 2 * t[x] - 4 * row[x];
        for (int x = 0; above && x < w; x++) to[x] += above[x];
        for (int x = 0; below && x < w; x++) to[x] += below[x];
    }
}

/* The sum of the weights of a pixel's neighbours, in twelfths. */
static double weights_at(const struct system *s, int y, int x)
{
    int rows = 2 + (y > 0) + (y + 1 < s->h), columns = 2 + (x > 0) + (x + 1 < s->w);
    return rows * columns - 4;
}

/* q = A p. */
static void apply(const struct system *s)
{
    gather(s, s->p, s->q);
    for (int y = 0; y < s->h; y++)
        for (int x = 0; x < s->w; x++) {
            size_t i = (size_t)y * (size_t)s->w + (size_t)x;
            s->q[i] = s->hidden[i] ? weights_at(s, y, x) * s->p[i] - s->q[i] : 0;
        }
}

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/* Into x: 0 at known pixels. */
static void solve(const struct system *s, const float *plane)
{
    size_t n = (size_t)s->h * (size_t)s->w;
    for (size_t i = 0; i < n; i++) s->p[i] = s->hidden[i] ? 0 : (double)plane[i];
    gather(s, s->p, s->r);
    for (size_t i = 0; i < n; i++) {
        s->x[i] = 0; /* so the remainder is the right-hand side */
        s->p[i] = s->r[i] = s->hidden[i] ? s->r[i] : 0;
    }
    double rr = dot(s->r, s->r, n), goal = rr * PRECISE * PRECISE;
    for (int round = 0; round < MAX_ROUNDS && rr > goal; round++) {
        apply(s);
        double step = rr / dot(s->p, s->q, n), before = rr;
        for (size_t i = 0; i < n; i++) {
            s->x[i] += step * s->p[i];
            s->r[i] -= step * s->q[i];
        }
        rr = dot(s->r, s->r, n);
        for (size_t i = 0; i < n; i++) s->p[i] = s->r[i] + rr / before * s->p[i];
    }
}

enum wn_code wn_impute(const float *x, int channels, int h, int w, const bool *hidden, double noise, uint64_t seed,
                       float *out, struct wn_error *err)
{
    size_t n = (size_t)h * (size_t)w, unknowns = 0;
    struct wn_random random = wn_random_of(seed);
    struct system s = {.h = h, .w = w, .hidden = hidden, .x = malloc(5 * n * sizeof(double))};
    if (!s.x) return wn_fail(err, WN_NO_MEMORY, "no memory to impute %zu pixels", n);
    s.r = s.x + n;
    s.p = s.r + n;
    s.q = s.p + n;
    s.t = s.q + n;
    for (size_t i = 0; i < n; i++) unknowns += hidden[i];
    for (int c = 0; c < channels; c++) {
        const float *plane = x + (size_t)c * n;
        float *to = out + (size_t)c * n;
        if (unknowns == n)
            memset(s.x, 0, n * sizeof *s.x);
        else
            solve(&s, plane);
        for (size_t i = 0; i < n; i++)
            to[i] = hidden[i] ? (float)(s.x[i] + noise * wn_random_normal(&random)) : plane[i];
    }
    free(s.x);
    return WN_OK;
}
