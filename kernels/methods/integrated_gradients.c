/* Integrated Gradients: the gradient averaged along the straight path from a baseline to the picture, times their
 * difference. */
#include "method.h"
#include "scalar.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BIT(s) (1u << WN_SETTING_##s)

static int build(struct wn_program *p, const struct wn_method_in *in)
{
    (void)p;
    return in->gradient; /* (R,C,H,W): what one node gives */
}

/* ---- nodes ---- */

/* Gauss-Legendre on [0,1]: roots of the Legendre polynomial of degree n by Newton's method. */
static void gauss_legendre(int n, double *at, double *weight)
{
    for (int i = 0; i < n; i++) {
        double x = cos(acos(-1.0) * (i + 0.75) / (n + 0.5)), slope = 1;
        for (int round = 0; round < 100; round++) {
            double p = 1, before = 0;
            for (int k = 1; k <= n; k++) {
                double next = ((2 * k - 1) * x * p - (k - 1) * before) / k;
                before = p;
                p = next;
            }
            slope = n * (x * p - before) / (x * x - 1);
            double step = p / slope;
            x -= step;
            if (fabs(step) < 1e-15) break;
        }
        at[i] = (1 - x) / 2;
        weight[i] = 1 / ((1 - x * x) * slope * slope);
    }
}

static void fill_nodes(const struct wn_run *r, int n, double *at, double *weight)
{
    if (wn_setting(&r->question->settings, WN_SETTING_QUADRATURE) == 0) {
        gauss_legendre(n, at, weight);
        return;
    }
    for (int i = 0; i < n; i++) {
        at[i] = (i + 0.5) / n;
        weight[i] = 1.0 / n;
    }
}

/* ---- the path ---- */

struct path {
    size_t pixels;
    int steps, room;
    double *at, *weight, *sum;                    /* steps, steps, pixels */
    float *baseline, *gradients, *logits, *seeds; /* pixels, room*pixels, room*K, room*K */
};

static void path_finish(struct path *p)
{
    free(p->at);
    free(p->sum);
    free(p->baseline);
    free(p->gradients);
    free(p->logits);
}

static enum wn_code path_init(struct wn_run *r, struct path *p, struct wn_error *err)
{
    p->pixels = (size_t)(r->channels * r->height * r->width);
    p->steps = (int)wn_setting(&r->question->settings, WN_SETTING_STEPS);
    p->room = wn_run_room(r);
    size_t steps = (size_t)p->steps, numbers = (size_t)p->room * (size_t)r->classes;
    p->at = calloc(2 * steps, sizeof *p->at);
    p->sum = calloc(p->pixels, sizeof *p->sum);
    p->baseline = calloc(p->pixels, sizeof *p->baseline);
    p->gradients = calloc((size_t)p->room * p->pixels, sizeof *p->gradients);
    p->logits = calloc(2 * numbers, sizeof *p->logits);
    if (!p->at || !p->sum || !p->baseline || !p->gradients || !p->logits)
        return wn_fail(err, WN_NO_MEMORY, "no memory for a path");
    p->weight = p->at + steps;
    p->seeds = p->logits + numbers;
    fill_nodes(r, p->steps, p->at, p->weight);
    return wn_run_baseline(r, p->baseline, err);
}

/* Nodes [first, first + n): their gradients, weighed, into the sum. */
static enum wn_code add_nodes(struct wn_run *r, struct path *p, const struct wn_scalar *s, int first, int n,
                              struct wn_error *err)
{
    size_t k = (size_t)r->classes;
    for (int i = 0; i < n; i++) {
        float *x = wn_run_image(r, i);
        double t = p->at[first + i];
        for (size_t j = 0; j < p->pixels; j++)
            x[j] = (float)(p->baseline[j] + t * ((double)r->image[j] - p->baseline[j]));
    }
    enum wn_code code = wn_run_forward(r, n, p->logits, err);
    for (int i = 0; i < n && code == WN_OK; i++) wn_scalar_at(s, p->logits + (size_t)i * k, p->seeds + (size_t)i * k);
    if (code == WN_OK) code = wn_run_backward(r, n, p->seeds, p->gradients, err);
    for (int i = 0; i < n && code == WN_OK; i++)
        for (size_t j = 0; j < p->pixels; j++)
            p->sum[j] += p->weight[first + i] * p->gradients[(size_t)i * p->pixels + j];
    return code;
}

static enum wn_code walk(struct wn_run *r, struct path *p, const struct wn_scalar *s, struct wn_error *err)
{
    memcpy(wn_run_image(r, 0), p->baseline, p->pixels * sizeof *p->baseline);
    enum wn_code code = wn_run_forward(r, 1, p->logits, err);
    if (code != WN_OK) return code;
    r->completeness.expected = wn_scalar_at(s, r->logits, NULL) - wn_scalar_at(s, p->logits, NULL);
    for (int i = 0; i < p->steps && code == WN_OK; i += p->room)
        code = add_nodes(r, p, s, i, p->steps - i < p->room ? p->steps - i : p->room, err);
    return code;
}

static enum wn_code fill_map(struct wn_run *r, const struct path *p, const struct wn_scalar *s, struct wn_error *err)
{
    size_t plane = (size_t)(r->height * r->width);
    r->h = (int)r->height;
    r->w = (int)r->width;
    r->map = calloc(plane, sizeof *r->map);
    if (!r->map) return wn_fail(err, WN_NO_MEMORY, "no memory for a map");
    for (size_t j = 0; j < plane; j++) {
        double sum = 0;
        for (size_t c = 0; c < (size_t)r->channels; c++) {
            size_t i = c * plane + j;
            sum += ((double)r->image[i] - p->baseline[i]) * p->sum[i];
        }
        r->map[j] = (float)sum;
        r->completeness.sum += sum;
    }
    r->completeness.scalar = wn_scalar_name(s);
    r->completeness.known = true;
    return WN_OK;
}

static enum wn_code run(struct wn_run *r, struct wn_error *err)
{
    struct wn_scalar s = {0};
    struct path p = {0};
    enum wn_code code = wn_scalar_choose(r, &s, err);
    if (code == WN_OK) code = path_init(r, &p, err);
    if (code == WN_OK) code = walk(r, &p, &s, err);
    if (code == WN_OK) code = fill_map(r, &p, &s, err);
    path_finish(&p);
    wn_scalar_finish(&s);
    return code;
}

static int64_t passes(const struct wn_settings *s)
{
    return 2 + 2 * (int64_t)wn_setting(s, WN_SETTING_STEPS);
}

const struct wn_method wn_method_integrated_gradients = {
    .name = "ig",
    .summary = "Gradients gathered on the way from a baseline to the picture; the map sums to what the scalar gains on "
               "that way.",
    .formula = "sum_c (x - x0)_c integral_0^1 dF/dx_c (x0 + t (x - x0)) dt",
    .source = "Sundararajan et al. 2017 (Integrated Gradients)",
    .cost = "a forward and a backward pass for each of the `steps` nodes, and one forward pass for the baseline",
    .misleads = "Everything is relative to the baseline: what looks like it counts for nothing. A residual above 0.01 "
                "says that the nodes were too few.",
    .flags = WN_METHOD_INPUT,
    .settings = BIT(STEPS) | BIT(QUADRATURE) | BIT(BASELINE) | BIT(PATH_TARGET),
    .build = build,
    .run = run,
    .passes = passes,
};
