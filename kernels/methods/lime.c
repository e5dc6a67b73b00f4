/* LIME: a linear model of the network around one picture, of areas that are there or painted over with their own
 * mean colour. */
#include "method.h"
#include "scalar.h"

#include "../random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BIT(s) (1u << WN_SETTING_##s)

static const double kernel_width = 0.25, ridge = 1;

static int build(struct wn_program *p, const struct wn_method_in *in)
{
    return wn_linear(p, in->activation, 1, 0); /* there is only the forward pass to be had */
}

struct fit {
    size_t pixels, plane;
    int n;                    /* areas */
    int *of;                  /* plane: the area of each pixel */
    float *flat;              /* pixels: every area in its mean colour */
    float *logits;            /* of a run */
    unsigned char *on;        /* of a run: its pictures' areas, n each */
    int *list;                /* n: the areas of one picture that are there */
    double *square;           /* n*n: the sum over pictures of w z z^T, its lower half */
    double *line, *at, *mean; /* n each: the sums of w z y; the solution; the mean of z */
    double weight, value;     /* the sums of w and of w y */
};

static void fit_finish(struct fit *f)
{
    free(f->of);
    free(f->flat);
    free(f->logits);
    free(f->on);
    free(f->list);
    free(f->square);
}

static void fill_flat(const struct wn_run *r, struct fit *f, double *sum, int *size)
{
    for (size_t i = 0; i < f->plane; i++) size[f->of[i]]++;
    for (size_t c = 0; c < (size_t)r->channels; c++) {
        memset(sum, 0, (size_t)f->n * sizeof *sum);
        for (size_t i = 0; i < f->plane; i++) sum[f->of[i]] += r->image[c * f->plane + i];
        for (size_t i = 0; i < f->plane; i++) f->flat[c * f->plane + i] = (float)(sum[f->of[i]] / size[f->of[i]]);
    }
}

static enum wn_code fit_init(struct wn_run *r, struct fit *f, struct wn_error *err)
{
    const size_t room = (size_t)wn_run_room(r);
    f->plane = (size_t)(r->height * r->width);
    f->pixels = f->plane * (size_t)r->channels;
    f->of = malloc(f->plane * sizeof *f->of);
    f->flat = malloc(f->pixels * sizeof *f->flat);
    f->logits = malloc(room * (size_t)r->classes * sizeof *f->logits);
    if (!f->of || !f->flat || !f->logits) return wn_fail(err, WN_NO_MEMORY, "no memory for areas");
    enum wn_code code =
        wn_run_superpixels(r, (int)wn_setting(&r->question->settings, WN_SETTING_SUPERPIXELS), f->of, &f->n, err);
    if (code != WN_OK) return code;
    const size_t n = (size_t)f->n;
    f->on = malloc(room * n);
    f->list = calloc(n, sizeof *f->list);
    f->square = calloc(n * n + 3 * n, sizeof *f->square);
    if (!f->on || !f->list || !f->square) return wn_fail(err, WN_NO_MEMORY, "no memory for areas");
    f->line = f->square + n * n;
    f->at = f->line + n;
    f->mean = f->at + n;
    fill_flat(r, f, f->at, f->list);
    return WN_OK;
}

/* ---- pictures ---- */

/* The first picture is whole; in the others an area is there or not, as a fair coin says. */
static void toss(struct wn_random *random, bool whole, unsigned char *on, int n)
{
    for (int i = 0; i < n; i++) on[i] = whole || wn_random_bits(random) >> 63;
}

/* The picture's share in the sums: the closer it is to the whole one (cosine of what is there), the more. */
static void add(struct fit *f, const unsigned char *on, double y)
{
    int n = 0;
    for (int i = 0; i < f->n; i++)
        if (on[i]) f->list[n++] = i;
    const double far = 1 - sqrt((double)n / f->n), w = sqrt(exp(-far * far / (kernel_width * kernel_width)));
    for (int i = 0; i < n; i++) {
        double *row = f->square + (size_t)f->list[i] * (size_t)f->n;
        for (int k = 0; k <= i; k++) row[f->list[k]] += w;
        f->line[f->list[i]] += w * y;
    }
    f->weight += w;
    f->value += w * y;
}

static enum wn_code look(struct wn_run *r, struct fit *f, const struct wn_scalar *s, struct wn_error *err)
{
    const struct wn_settings *set = &r->question->settings;
    const int pictures = (int)wn_setting(set, WN_SETTING_PERTURBATIONS), room = wn_run_room(r);
    struct wn_random random = wn_random_of((uint64_t)wn_setting(set, WN_SETTING_NOISE_SEED));
    enum wn_code code = WN_OK;
    for (int first = 0; first < pictures && code == WN_OK; first += room) {
        const int n = pictures - first < room ? pictures - first : room;
        for (int i = 0; i < n; i++) {
            unsigned char *on = f->on + (size_t)i * (size_t)f->n;
            float *x = wn_run_image(r, i);
            toss(&random, first + i == 0, on, f->n);
            for (size_t j = 0; j < f->pixels; j++) x[j] = on[f->of[j % f->plane]] ? r->image[j] : f->flat[j];
        }
        code = wn_run_forward(r, n, f->logits, err); /* analyzer: what the fit owns, fit_finish gives back */
        for (int i = 0; i < n && code == WN_OK; i++)
            add(f, f->on + (size_t)i * (size_t)f->n, wn_scalar_at(s, f->logits + (size_t)i * (size_t)r->classes, NULL));
    }
    return code;
}

/* ---- the linear model ---- */

/* Sums around the weighted means, so that the intercept goes without a penalty, and the ridge. */
static void center(struct fit *f)
{
    const size_t n = (size_t)f->n;
    /* z is 0 or 1: its square's sum is its own */
    for (size_t i = 0; i < n; i++) f->mean[i] = f->square[i * n + i] / f->weight;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k <= i; k++) f->square[i * n + k] -= f->weight * f->mean[i] * f->mean[k];
        f->square[i * n + i] += ridge;
        f->line[i] -= f->mean[i] * f->value;
    }
}

/* Cholesky in place: L L^T = A, which the ridge keeps positive; then both halves. */
static void solve(struct fit *f)
{
    const size_t n = (size_t)f->n;
    double *a = f->square, *x = f->at;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k <= i; k++) {
            double sum = a[i * n + k];
            for (size_t j = 0; j < k; j++) sum -= a[i * n + j] * a[k * n + j];
            a[i * n + k] = k < i ? sum / a[k * n + k] : sqrt(sum);
        }
    for (size_t i = 0; i < n; i++) {
        x[i] = f->line[i];
        for (size_t k = 0; k < i; k++) x[i] -= a[i * n + k] * x[k];
        x[i] /= a[i * n + i];
    }
    for (size_t i = n; i-- > 0;) {
        for (size_t k = i + 1; k < n; k++) x[i] -= a[k * n + i] * x[k];
        x[i] /= a[i * n + i];
    }
}

static enum wn_code run(struct wn_run *r, struct wn_error *err)
{
    struct wn_scalar s = {0};
    struct fit f = {0};
    enum wn_code code = wn_scalar_choose(r, &s, err);
    if (code == WN_OK) code = fit_init(r, &f, err);
    if (code == WN_OK) code = look(r, &f, &s, err);
    if (code == WN_OK) {
        center(&f);
        solve(&f);
        code = wn_run_paint(r, f.of, f.at, err);
    }
    fit_finish(&f);
    wn_scalar_finish(&s);
    return code;
}

static int64_t passes(const struct wn_settings *s)
{
    return 1 + (int64_t)wn_setting(s, WN_SETTING_PERTURBATIONS);
}

const struct wn_method wn_method_lime = {
    .name = "lime",
    .summary = "The weights of a linear model of the network around this picture: what each area adds to the scalar "
               "when it is there.",
    .formula = "w = argmin sum_k pi_k (F(x_k) - w0 - w z_k)^2 + |w|^2, z_k areas there or in their mean colour, pi_k = "
               "sqrt(exp(-d_k^2 / 0.25^2)), d_k: the cosine distance to the whole",
    .source =
        "Ribeiro et al. 2016 (LIME), which fits the probability of the class: so does contrast `probability`; the "
        "other scalars are ours; areas: SLIC, Achanta et al. 2012",
    .cost = "a forward pass for each of the `perturbations`",
    .misleads =
        "Other draws give other weights: with few `perturbations` for many areas they are mostly noise. Half "
        "the picture is gone in each of them. What is fitted is the logit for contrast `logit` and log-odds for "
        "most others; only with `probability` is it the probability, as published.",
    .flags = WN_METHOD_INPUT | WN_METHOD_AREAS,
    .settings = BIT(SUPERPIXELS) | BIT(PERTURBATIONS) | BIT(NOISE_SEED) | BIT(PATH_TARGET),
    .build = build,
    .run = run,
    .passes = passes,
};
