/* The first principal component of a layer's channels, for Eigen-CAM and its kin. Knows no network. */
#include <math.h>
#include <stdlib.h>

#include "methods/principal.h"

#define MOST_WORK 4e9 /* multiplications for the Gram matrix */
#define MOST_ROUNDS 3000

/* Products of every two columns (by cells) or of every two rows (by channels): n*n. */
static void gram(const float *a, int channels, int cells, bool by_cells, double *g)
{
    int n = by_cells ? cells : channels;
    if (by_cells) {
        for (int k = 0; k < channels; k++) {
            const float *row = a + (size_t)k * (size_t)cells;
            for (int i = 0; i < n; i++)
                for (int j = 0; j <= i; j++) g[(size_t)i * (size_t)n + (size_t)j] += (double)row[i] * row[j];
        }
    } else {
        for (int i = 0; i < n; i++)
            for (int j = 0; j <= i; j++) {
                double sum = 0;
                const float *x = a + (size_t)i * (size_t)cells, *y = a + (size_t)j * (size_t)cells;
                for (int c = 0; c < cells; c++) sum += (double)x[c] * y[c];
                g[(size_t)i * (size_t)n + (size_t)j] = sum;
            }
    }
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++) g[(size_t)j * (size_t)n + (size_t)i] = g[(size_t)i * (size_t)n + (size_t)j];
}

static double normalise(double *v, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += v[i] * v[i];
    sum = sqrt(sum);
    for (int i = 0; i < n && sum > 0; i++) v[i] /= sum;
    return sum;
}

/* Power iteration; returns the largest eigenvalue. v: in the start, out the vector of length 1; next: n of scratch. */
static double iterate(const double *g, int n, double *v, double *next)
{
    double value = 0;
    normalise(v, n);
    for (int round = 0; round < MOST_ROUNDS; round++) {
        for (int i = 0; i < n; i++) {
            next[i] = 0;
            for (int j = 0; j < n; j++) next[i] += g[(size_t)i * (size_t)n + (size_t)j] * v[j];
        }
        value = normalise(next, n);
        if (value == 0) return 0;
        double moved = 0;
        for (int i = 0; i < n; i++) {
            if (fabs(next[i] - v[i]) > moved) moved = fabs(next[i] - v[i]);
            v[i] = next[i];
        }
        if (moved < 1e-13) break;
    }
    return value;
}

/* An eigenvector's sign means nothing by itself: it is taken so that the map agrees with the sum over channels. */
static void orient(const float *a, int channels, int cells, float *map)
{
    double agreement = 0;
    for (int k = 0; k < channels; k++)
        for (int i = 0; i < cells; i++) agreement += (double)map[i] * a[(size_t)k * (size_t)cells + (size_t)i];
    for (int i = 0; i < cells && agreement < 0; i++) map[i] = -map[i];
}

static void project(const float *a, int channels, int cells, const double *v, bool by_cells, double value, float *map)
{
    for (int i = 0; i < cells; i++) {
        double sum = 0;
        for (int k = 0; k < channels && !by_cells; k++) sum += v[k] * a[(size_t)k * (size_t)cells + (size_t)i];
        map[i] = (float)(by_cells ? sqrt(value) * v[i] : sum);
    }
}

enum wn_code wn_principal(const float *a, int channels, int cells, float *map, struct wn_error *err)
{
    bool by_cells = cells < channels;
    size_t n = (size_t)(by_cells ? cells : channels);
    if ((double)n * (double)n * (double)(by_cells ? channels : cells) > MOST_WORK)
        return wn_fail(err, WN_UNSUPPORTED,
                       "a layer of %d channels and %d cells is too large for its principal component; name a later one",
                       channels, cells);
    for (size_t i = 0; i < (size_t)channels * (size_t)cells; i++)
        if (!isfinite(a[i])) return wn_fail(err, WN_BAD_NUMBERS, "the layer has values that are not finite");
    double *g = calloc(n * n + 2 * n, sizeof *g);
    if (!g) return wn_fail(err, WN_NO_MEMORY, "no memory for a principal component");
    double *v = g + n * n;
    gram(a, channels, cells, by_cells, g);
    for (size_t i = 0; i < n; i++) v[i] = 1 + 0.01 * (double)(i % 7); /* not orthogonal to anything likely */
    double value = iterate(g, (int)n, v, v + n);
    project(a, channels, cells, v, by_cells, value, map);
    for (int i = 0; i < cells && value == 0; i++) map[i] = 0;
    orient(a, channels, cells, map);
    free(g);
    return WN_OK;
}

enum wn_code wn_run_principal(struct wn_run *r, struct wn_error *err)
{
    int cells = r->at_h * r->at_w;
    float *a = malloc((size_t)r->at_channels * (size_t)cells * sizeof *a);
    r->h = r->at_h;
    r->w = r->at_w;
    r->map = malloc((size_t)cells * sizeof *r->map);
    enum wn_code code = a && r->map ? WN_OK : wn_fail(err, WN_NO_MEMORY, "no memory for a map");
    /* the image's own forward pass has just been run */
    if (code == WN_OK) code = wn_run_backward(r, 1, r->seed, a, err);
    if (code == WN_OK) code = wn_principal(a, r->at_channels, cells, r->map, err);
    free(a);
    return code;
}
