/* Wang & Wang's weighted contrast: the target against the other classes, each weighted by how close it comes. */
#include "contrast.h"

/* e_t - sum_{s != t} alpha_s e_s with alpha the softmax over the other classes: the gradient of the log-odds of p_t. */
static enum wn_code seed(const struct wn_contrast_in *in, float *v, int *foil, struct wn_error *err)
{
    (void)foil;
    v[in->target] = 1;
    return wn_seed_add_others(in, in->target, -1, v, err);
}

const struct wn_contrast wn_contrast_weighted = {
    .name = "weighted",
    .summary = "What makes the target more likely than the classes that rival it?",
    .formula = "e_t - sum_{s != t} alpha_s e_s, alpha = softmax of the other logits",
    .misleads = "Dominated by the strongest rival where the network is nearly sure of two classes, spread over many "
                "where it is not. The size of the map says nothing of how likely the class is.",
    .source = "Wang & Wang 2022, weighted contrast",
    .odds = WN_ODDS_TARGET_OTHERS,
    .seed = seed,
    .form = &(const struct wn_seed_form){.against = WN_AGAINST_OTHERS,
                                         .asked_shares = WN_SHARES_WHOLE,
                                         .asked = 1,
                                         .against_shares = WN_SHARES_SOFTMAX,
                                         .less = -1},
};
