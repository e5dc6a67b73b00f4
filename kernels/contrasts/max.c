/* The target against its strongest rival, whichever that is in this image. */
#include "contrast.h"

static enum wn_code seed(const struct wn_contrast_in *in, float *v, int *foil, struct wn_error *err)
{
    (void)err;
    *foil = wn_argmax_except(in->logits, in->classes, in->target);
    v[in->target] = 1;
    v[*foil] = -1;
    return WN_OK;
}

const struct wn_contrast wn_contrast_max = {
    .name = "max",
    .summary = "Why the target, rather than its strongest rival?",
    .formula = "e_t - e_{s*}, s* = argmax_{s != t} y_s",
    .misleads = "The rival changes with the picture: compare maps of different pictures only where it is the same.",
    .source = "Wang & Wang 2022, max contrast",
    .odds = WN_ODDS_TARGETS_FOILS,
    .seed = seed,
    .form = &(const struct wn_seed_form){.against = WN_AGAINST_BEST,
                                         .asked_shares = WN_SHARES_WHOLE,
                                         .asked = 1,
                                         .against_shares = WN_SHARES_WHOLE,
                                         .less = -1},
};
