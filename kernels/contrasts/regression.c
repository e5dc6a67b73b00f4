/* Why this number, rather than that one? For networks whose output is a real value. */
#include "contrast.h"

/* d (P - Q)^2 / dP = 2 (P - Q). */
static enum wn_code seed(const struct wn_contrast_in *in, float *v, int *foil, struct wn_error *err)
{
    (void)foil, (void)err;
    v[in->target] = (float)(2 * ((double)in->logits[in->target] - in->value));
    return WN_OK;
}

const struct wn_contrast wn_contrast_regression = {
    .name = "regression",
    .summary = "Why this number, rather than that one? For outputs that are values, not classes.",
    .formula = "2 (P - Q) e_t, P the output, Q the value asked about",
    .source = "Prabhushankar et al. 2020, the contrast for regression",
    .misleads =
        "Positive is what earns more than Q where Q lies below P, and what keeps P from Q where it lies above. Two "
        "values on the same side of P give the same picture but for its scale: never normalise each map by itself.",
    .flags = WN_CONTRAST_VALUE | WN_CONTRAST_UNBALANCED,
    .positive = WN_POSITIVE_BY_VALUE,
    .seed = seed,
    .form = &(const struct wn_seed_form){.asked_shares = WN_SHARES_WHOLE, .asked = 1, .factor = WN_SEED_FACTOR_VALUE},
};
