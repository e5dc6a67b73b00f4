/* FinerCAM's contrast: the target against the classes that look most like it, each weighted by its probability. */
#include "contrast.h"

static enum wn_code seed(const struct wn_contrast_in *in, float *v, int *foil, struct wn_error *err)
{
    (void)foil;
    v[in->target] = 1;
    return wn_seed_add_set(in, in->foils, in->n_foils, -1, v, err);
}

const struct wn_contrast wn_contrast_finer = {
    .name = "finer",
    .summary = "What tells the target from the classes that score nearest to it?",
    .formula = "e_t - sum_{i in R} omega_i e_i, omega = softmax over R, R the three classes nearest in score",
    .source = "Zhang et al. 2025 (FinerCAM), weights held fixed",
    .misleads = "The references are the classes nearest in score, which may be above or below and need not look alike; "
                "another picture has others.",
    .flags = WN_CONTRAST_FOIL_SET | WN_CONTRAST_NEAREST,
    .seed = seed,
    .form = &(const struct wn_seed_form){.against = WN_AGAINST_NEAREST,
                                         .asked_shares = WN_SHARES_WHOLE,
                                         .asked = 1,
                                         .against_shares = WN_SHARES_SOFTMAX,
                                         .less = -1},
};
