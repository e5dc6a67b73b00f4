/* The simplest cousin of FinerCAM: the target against the plain mean of the nearest classes, scaled down. */
#include "contrast.h"

#define GAMMA 0.6f /* of this form; FinerCAM itself weights its references and takes all of them away */

static enum wn_code seed(const struct wn_contrast_in *in, float *v, int *foil, struct wn_error *err)
{
    (void)foil, (void)err;
    v[in->target] = 1;
    for (int i = 0; i < in->n_foils; i++) v[in->foils[i]] = -GAMMA / (float)in->n_foils;
    return WN_OK;
}

const struct wn_contrast wn_contrast_finer_mean = {
    .name = "finer-mean",
    .summary = "The target against 0.6 of the mean of the classes nearest in score.",
    .formula = "e_t - 0.6/|R| sum_{i in R} e_i, R the three classes nearest in score",
    .source = "after Zhang et al. 2025 (FinerCAM): an unweighted mean and a factor of 0.6 in place of the weights",
    .misleads = "Only 0.6 of the references are taken away: part of what all classes share stays in the map.",
    .flags = WN_CONTRAST_FOIL_SET | WN_CONTRAST_NEAREST | WN_CONTRAST_UNBALANCED,
    .seed = seed,
    .form = &(const struct wn_seed_form){.against = WN_AGAINST_NEAREST,
                                         .asked_shares = WN_SHARES_WHOLE,
                                         .asked = 1,
                                         .against_shares = WN_SHARES_EVEN,
                                         .less = -GAMMA},
};
