/* What many pictures say together: means with their intervals, and whether two methods differ on the same pictures. */
#include <whynot/metrics.h>

#include <math.h>
#include <stdlib.h>

#include "random.h"

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double mean_of(const double *x, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += x[i];
    return sum / n;
}

/* 2.5 and 97.5 % of the means of n values drawn with replacement. means: WN_RESAMPLES, scratch. */
static void bootstrap(const double *x, int n, uint64_t seed, double *means, struct wn_estimate *out)
{
    struct wn_random random = wn_random_of(seed);
    for (int r = 0; r < WN_RESAMPLES; r++) {
        double sum = 0;
        for (int i = 0; i < n; i++) sum += x[wn_random_below(&random, (uint64_t)n)];
        means[r] = sum / n;
    }
    qsort(means, WN_RESAMPLES, sizeof *means, ascending);
    out->low = means[WN_RESAMPLES / 40];
    out->high = means[WN_RESAMPLES - 1 - WN_RESAMPLES / 40];
}

/* How many of the means with random signs lie at least as far from 0, the observed one counted in. */
static double permutation(const double *x, int n, uint64_t seed, double observed)
{
    struct wn_random random = wn_random_of(seed);
    double limit = fabs(observed) * (1 - 1e-12); /* the same signs in another order of addition are no less far */
    int far = 1;
    for (int r = 0; r < WN_RESAMPLES; r++) {
        double sum = 0;
        for (int i = 0; i < n; i++) sum += wn_random_below(&random, 2) ? x[i] : -x[i];
        far += fabs(sum / n) >= limit;
    }
    return (double)far / (WN_RESAMPLES + 1);
}

static enum wn_code estimate(double *kept, int n, uint64_t seed, struct wn_estimate *out, double *p,
                             struct wn_error *err)
{
    *out = (struct wn_estimate){n, n > 0 ? mean_of(kept, n) : NAN, NAN, NAN};
    if (p) *p = n > 0 ? permutation(kept, n, seed + 1, out->mean) : NAN;
    if (n < 2) return WN_OK;
    double *means = malloc(WN_RESAMPLES * sizeof *means);
    if (!means) return wn_fail(err, WN_NO_MEMORY, "no memory for an interval");
    bootstrap(kept, n, seed, means, out);
    free(means);
    return WN_OK;
}

enum wn_code wn_estimate_mean(const double *values, int n, uint64_t seed, struct wn_estimate *out, struct wn_error *err)
{
    double *kept = malloc(((size_t)n + 1) * sizeof *kept);
    int k = 0;
    if (!kept) return wn_fail(err, WN_NO_MEMORY, "no memory for %d values", n);
    for (int i = 0; i < n; i++)
        if (isfinite(values[i])) kept[k++] = values[i];
    enum wn_code code = estimate(kept, k, seed, out, NULL, err);
    free(kept);
    return code;
}

enum wn_code wn_estimate_difference(const double *a, const double *b, int n, uint64_t seed, struct wn_estimate *out,
                                    double *p, struct wn_error *err)
{
    double *kept = malloc(((size_t)n + 1) * sizeof *kept);
    int k = 0;
    if (!kept) return wn_fail(err, WN_NO_MEMORY, "no memory for %d values", n);
    for (int i = 0; i < n; i++)
        if (isfinite(a[i]) && isfinite(b[i])) kept[k++] = a[i] - b[i];
    enum wn_code code = estimate(kept, k, seed, out, p, err);
    free(kept);
    return code;
}
