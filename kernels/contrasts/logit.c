/* The plain question, "why P?": the target's own logit. */
#include "contrast.h"

static enum wn_code seed(const struct wn_contrast_in *in, float *v, int *foil, struct wn_error *err)
{
    (void)foil, (void)err;
    v[in->target] = 1;
    return WN_OK;
}

const struct wn_contrast wn_contrast_logit = {
    .name = "logit",
    .summary = "What raises the target's score, whatever it does to the other classes?",
    .formula = "e_t",
    .source = "Selvaraju et al. 2017 (Grad-CAM)",
    .misleads = "Adding the same to all classes' weights changes the map and no answer of the network: what all "
                "classes share is seen too.",
    .flags = WN_CONTRAST_UNBALANCED,
    .seed = seed,
    .form = &(const struct wn_seed_form){.asked_shares = WN_SHARES_WHOLE, .asked = 1},
};
