/* Noisy linear imputation: hidden pixels become what their neighbours make likely, so that a mask leaves no shape behind. */
#include <whynot/metrics.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"

#define EDGE (1.0 / 6)
#define CORNER (1.0 / 12)
#define MAX_ROUNDS 5000
#define PRECISE 1e-6

/* The hidden pixels of one plane as unknowns: each times the weights of its neighbours, less the hidden neighbours' share, is the known
 * neighbours' share. Symmetric, and positive definite where some pixel is known: conjugate gradients. */
struct system {
    int h, w, unknowns;
    int *number;    /* of a pixel among the unknowns, or -1 */
    int *pixel;     /* of an unknown */
    double *x, *r, *p, *q;
};

static double weight_at(int dy, int dx)
{
    return dy && dx ? CORNER : EDGE;
}

/* out = A v; where b is given, also the known neighbours' sum of `plane`. */
static void apply(const struct system *s, const double *v, const float *plane, double *out, double *b)
{
    for (int i = 0; i < s->unknowns; i++) {
        int y = s->pixel[i] / s->w, x = s->pixel[i] % s->w;
        double sum = 0, weights = 0, known = 0;
        for (int dy = -1; dy <= 1; dy++)
            for (int dx = -1; dx <= 1; dx++) {
                if ((!dy && !dx) || y + dy < 0 || y + dy >= s->h || x + dx < 0 || x + dx >= s->w) continue;
                int at = (y + dy) * s->w + x + dx;
                double weight = weight_at(dy, dx);
                weights += weight;
                if (s->number[at] >= 0)
                    sum += weight * v[s->number[at]];
                else
                    known += weight * (double)plane[at];
            }
        out[i] = weights * v[i] - sum;
        if (b) b[i] = known;
    }
}

static double dot(const double *a, const double *b, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static void solve(struct system *s, const float *plane)
{
    int n = s->unknowns;
    memset(s->x, 0, (size_t)n * sizeof *s->x);
    apply(s, s->x, plane, s->q, s->r); /* x is 0, so the remainder is the right-hand side */
    memcpy(s->p, s->r, (size_t)n * sizeof *s->p);
    double rr = dot(s->r, s->r, n), goal = rr * PRECISE * PRECISE;
    for (int round = 0; round < MAX_ROUNDS && rr > goal; round++) {
        apply(s, s->p, plane, s->q, NULL);
        double step = rr / dot(s->p, s->q, n), before = rr;
        for (int i = 0; i < n; i++) {
            s->x[i] += step * s->p[i];
            s->r[i] -= step * s->q[i];
        }
        rr = dot(s->r, s->r, n);
        for (int i = 0; i < n; i++) s->p[i] = s->r[i] + rr / before * s->p[i];
    }
}

static void number_pixels(struct system *s, const bool *hidden)
{
    for (int i = 0; i < s->h * s->w; i++) {
        s->number[i] = hidden[i] ? s->unknowns : -1;
        if (hidden[i]) s->pixel[s->unknowns++] = i;
    }
}

enum wn_code wn_impute(const float *x, int channels, int h, int w, const bool *hidden, double noise, uint64_t seed, float *out,
                       struct wn_error *err)
{
    size_t n = (size_t)h * (size_t)w;
    struct wn_random random = wn_random_of(seed);
    struct system s = {.h = h, .w = w, .number = malloc(2 * n * sizeof(int)), .x = malloc(4 * n * sizeof(double))};
    if (!s.number || !s.x) {
        free(s.number);
        free(s.x);
        return wn_fail(err, WN_NO_MEMORY, "no memory to impute %zu pixels", n);
    }
    s.pixel = s.number + n;
    s.r = s.x + n;
    s.p = s.r + n;
    s.q = s.p + n;
    number_pixels(&s, hidden);
    for (int c = 0; c < channels; c++) {
        const float *plane = x + (size_t)c * n;
        float *to = out + (size_t)c * n;
        if (s.unknowns == (int)n)
            memset(s.x, 0, n * sizeof *s.x);
        else
            solve(&s, plane);
        if (to != plane) memcpy(to, plane, n * sizeof *to);
        for (int i = 0; i < s.unknowns; i++) to[s.pixel[i]] = (float)(s.x[i] + noise * wn_random_normal(&random));
    }
    free(s.number);
    free(s.x);
    return WN_OK;
}
