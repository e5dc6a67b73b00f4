/* How right a map is, and how sure one can be of that: scores of maps and of curves, and intervals over many
 * pictures. Pure functions over arrays; they know no network. NaN stands for "undefined here" and never enters a
 * mean. */
#ifndef WHYNOT_METRICS_H
#define WHYNOT_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include <whynot/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- insertion and deletion (Petsiuk et al. 2018, RISE) ---- */

/* Pixels by value, largest first, ties by lowest index; order: n, the caller's. Errors: WN_NO_MEMORY. */
WN_API enum wn_code wn_saliency_order(const float *map, int n, int *order, struct wn_error *err);
/* Scores of a curve that changes `step` of n pixels at a time, the first score before any change: ceil(n/step) + 1. */
WN_API int wn_curve_points(int n, int step);
/* x[., order[from..to)] = source[., same] in all planes of n pixels: the next point of a curve. `to` may lie beyond
 * n. */
WN_API void wn_curve_advance(float *x, const float *source, int planes, int n, const int *order, int from, int to);
/* Trapezoids over a curve of n >= 2 scores at even distances, divided by their number: in [0,1] for probabilities. */
WN_API double wn_area_under(const double *scores, int n);

/* ---- where the mass lies ---- */

/* Pixels [y0,y1] x [x0,x1], 0-based and inclusive; cut at the map's border. */
struct wn_box {
    int x0, y0, x1, y1;
};
/* Share of the positive mass of a map (h*w) inside the union of the boxes (Pillai et al. 2022, content heatmap); NaN
 * for a map without positive mass. Errors: WN_NO_MEMORY. */
WN_API enum wn_code wn_content(const float *map, int h, int w, const struct wn_box *boxes, int n, double *share,
                               struct wn_error *err);
/* The same inside a mask of n pixels. */
WN_API double wn_mass_inside(const float *map, const uint8_t *inside, int n);
/* Whether the largest value (the first, on a tie) lies within `radius` pixels of the mask, strictly (Zhang et al.
 * 2018, pointing game, as TorchRay counts it). An empty mask is never hit. */
WN_API bool wn_pointing_hit(const float *map, const uint8_t *inside, int h, int w, double radius);

/* ---- two maps ---- */

/* u.v / (|u| |v|) over n values, the consistency of two views (Pillai et al. 2022); NaN where one is 0 everywhere. */
WN_API double wn_cosine(const float *u, const float *v, int n);
/* Spearman's rank correlation with average ranks for ties; NaN for n < 2 or a constant side. Errors: WN_NO_MEMORY. */
WN_API enum wn_code wn_rank_correlation(const double *a, const double *b, int n, double *r, struct wn_error *err);
/* Rows [y, y+height) and columns [x, x+width) of a map (h*w), enlarged back to h*w with pixel areas meeting, then
 * mirrored if `flip`: how a map moves with its picture. out: h*w, not map. Errors: WN_BAD_REQUEST for a part that is
 * not inside, WN_NO_MEMORY. */
WN_API enum wn_code wn_map_view(const float *map, int h, int w, int y, int x, int height, int width, bool flip,
                                float *out, struct wn_error *err);

/* ---- confidence (Chattopadhay et al. 2018) ---- */

/* How much of the probability is lost when only what the map shows is left: max(0, before - after). */
WN_API double wn_confidence_drop(double before, double after);
/* 1 where it has grown, else 0. */
WN_API double wn_confidence_increase(double before, double after);

/* ---- pixels that are gone (Rong et al. 2022, ROAD) ---- */

/* x (C*h*w) with the hidden pixels replaced by noisy linear imputation: each is the mean of its neighbours, those
 * over an edge weighing 1/6 and those over a corner 1/12, renormalised at the border; all solved together, then plus
 * `noise` times a normal deviate drawn from `seed`. A picture that is hidden whole becomes 0 before the noise. out:
 * C*h*w, may be x. Errors: WN_NO_MEMORY. */
WN_API enum wn_code wn_impute(const float *x, int channels, int h, int w, const bool *hidden, double noise,
                              uint64_t seed, float *out, struct wn_error *err);

/* ---- gradient signs (Wang & Wang 2022, figure 3) ---- */

/* One of n steps of a perturbation of at most eps: x += eps/n sign(gradient), kept within eps of x0 and within
 * [0,1]; all arrays `count` floats in pixel units. */
WN_API void wn_sign_step(float *x, const float *x0, const float *gradient, int count, double eps, int n);

/* ---- over many pictures ---- */

struct wn_estimate {
    int n;            /* pictures that have a value */
    double mean;      /* NaN for n 0 */
    double low, high; /* 95 % of the means of resampled pictures (percentile bootstrap); NaN for n < 2 */
};
#define WN_RESAMPLES 2000
/* NaN among the values are left out. classes: of each picture, from 0 to n - 1; the mean is then over classes of
 * their means, so that a class of few pictures counts as much as one of many, and a resample leaves out what it has
 * no picture of. NULL: pictures count alike. The same seed gives the same interval. Errors: WN_NO_MEMORY. */
WN_API enum wn_code wn_estimate_mean(const double *values, const int *classes, int n, uint64_t seed,
                                     struct wn_estimate *out, struct wn_error *err);
/* The mean of a - b over pictures that have both, its interval, and p: how often signs drawn at random make a mean
 * at least as far from 0 (paired permutation test, two-sided, never below 1/(WN_RESAMPLES + 1)). classes: as above.
 * Errors: WN_NO_MEMORY. */
WN_API enum wn_code wn_estimate_difference(const double *a, const double *b, const int *classes, int n, uint64_t seed,
                                           struct wn_estimate *out, double *p, struct wn_error *err);

#ifdef __cplusplus
}
#endif
#endif
