/* What many pictures say together: means with their intervals, and whether two methods differ on the same pictures. */
#include <whynot/metrics.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Values of pictures, each of a class, and the means of what is drawn of them. */
struct sample {
    double *x, *sum;    /* n values; n sums of what was drawn of a class */
    int *class, *drawn; /* n each: the value's class, and how many of a class were drawn */
    int n, classes;     /* classes: more than any number in `class` */
};

static void begin(struct sample *s)
{
    memset(s->sum, 0, (size_t)s->classes * sizeof *s->sum);
    memset(s->drawn, 0, (size_t)s->classes * sizeof *s->drawn);
}

static void draw(struct sample *s, int i, double sign)
{
    s->sum[s->class[i]] += sign * s->x[i];
    s->drawn[s->class[i]]++;
}

/* The mean over classes of their means; a class of which nothing was drawn says nothing. */
static double mean_of_drawn(const struct sample *s)
{
    double sum = 0;
    int n = 0;
    for (int c = 0; c < s->classes; c++) {
        if (!s->drawn[c]) continue;
        sum += s->sum[c] / s->drawn[c];
        n++;
    }
    return sum / n;
}

static double mean_of(struct sample *s)
{
    begin(s);
    for (int i = 0; i < s->n; i++) draw(s, i, 1);
    return mean_of_drawn(s);
}

/* 2.5 and 97.5 % of the means of n values drawn with replacement. means: WN_RESAMPLES, scratch. */
static void bootstrap(struct sample *s, uint64_t seed, double *means, struct wn_estimate *out)
{
    struct wn_random random = wn_random_of(seed);
    for (int r = 0; r < WN_RESAMPLES; r++) {
        begin(s);
        for (int i = 0; i < s->n; i++) draw(s, (int)wn_random_below(&random, (uint64_t)s->n), 1);
        means[r] = mean_of_drawn(s);
    }
    qsort(means, WN_RESAMPLES, sizeof *means, ascending);
    out->low = means[WN_RESAMPLES / 40];
    out->high = means[WN_RESAMPLES - 1 - WN_RESAMPLES / 40];
}

/* How many of the means with random signs lie at least as far from 0, the observed one counted in. */
static double permutation(struct sample *s, uint64_t seed, double observed)
{
    struct wn_random random = wn_random_of(seed);
    double limit = fabs(observed) * (1 - 1e-12); /* the same signs in another order of addition are no less far */
    int far = 1;
    for (int r = 0; r < WN_RESAMPLES; r++) {
        begin(s);
        for (int i = 0; i < s->n; i++) draw(s, i, wn_random_below(&random, 2) ? 1 : -1);
        far += fabs(mean_of_drawn(s)) >= limit;
    }
    return (double)far / (WN_RESAMPLES + 1);
}

static enum wn_code estimate(struct sample *s, uint64_t seed, struct wn_estimate *out, double *p, struct wn_error *err)
{
    *out = (struct wn_estimate){s->n, s->n > 0 ? mean_of(s) : NAN, NAN, NAN};
    if (p) *p = s->n > 0 ? permutation(s, seed + 1, out->mean) : NAN;
    if (s->n < 2) return WN_OK;
    double *means = malloc(WN_RESAMPLES * sizeof *means);
    if (!means) return wn_fail(err, WN_NO_MEMORY, "no memory for an interval");
    bootstrap(s, seed, means, out);
    free(means);
    return WN_OK;
}

/* Room for n values. Finish it whatever the result is. */
static enum wn_code reserve(struct sample *s, int n, struct wn_error *err)
{
    const size_t room = (size_t)n + 1;
    *s = (struct sample){.x = malloc(2 * room * sizeof *s->x), .class = malloc(2 * room * sizeof *s->class)};
    if (!s->x || !s->class) return wn_fail(err, WN_NO_MEMORY, "no memory for %d values", n);
    s->sum = s->x + room;
    s->drawn = s->class + room;
    return WN_OK;
}

static void finish(struct sample *s)
{
    free(s->x);
    free(s->class);
}

/* classes NULL: all are of one. */
static void keep(struct sample *s, double x, const int *classes, int i)
{
    const int class = classes ? classes[i] : 0;
    s->x[s->n] = x;
    s->class[s->n++] = class;
    if (class >= s->classes) s->classes = class + 1;
}

enum wn_code wn_estimate_mean(const double *values, const int *classes, int n, uint64_t seed, struct wn_estimate *out,
                              struct wn_error *err)
{
    struct sample s;
    enum wn_code code = reserve(&s, n, err);
    for (int i = 0; i < n && code == WN_OK; i++)
        if (isfinite(values[i])) keep(&s, values[i], classes, i);
    if (code == WN_OK) code = estimate(&s, seed, out, NULL, err);
    finish(&s);
    return code;
}

enum wn_code wn_estimate_difference(const double *a, const double *b, const int *classes, int n, uint64_t seed,
                                    struct wn_estimate *out, double *p, struct wn_error *err)
{
    struct sample s;
    enum wn_code code = reserve(&s, n, err);
    for (int i = 0; i < n && code == WN_OK; i++)
        if (isfinite(a[i]) && isfinite(b[i])) keep(&s, a[i] - b[i], classes, i);
    if (code == WN_OK) code = estimate(&s, seed, out, p, err);
    finish(&s);
    return code;
}
