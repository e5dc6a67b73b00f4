/* The target against the average of all the others. */
#include "contrast.h"

static enum wn_code seed(const struct wn_contrast_in *in, float *v, int *foil, struct wn_error *err)
{
    (void)foil, (void)err;
    for (int s = 0; s < in->classes; s++) v[s] = -1.0f / (float)(in->classes - 1);
    v[in->target] = 1;
    return WN_OK;
}

const struct wn_contrast wn_contrast_mean = {
    .name = "mean",
    .summary = "What sets the target apart from the average of all other classes?",
    .formula = "e_t - 1/(K-1) sum_{s != t} e_s",
    .source = "Wang & Wang 2022, mean contrast",
    .misleads = "Classes that nobody would confuse with the target weigh as much as its rivals.",
    .seed = seed,
    .form = &(const struct wn_seed_form){.against = WN_AGAINST_OTHERS,
                                         .asked_shares = WN_SHARES_WHOLE,
                                         .asked = 1,
                                         .against_shares = WN_SHARES_EVEN,
                                         .less = -1},
};
