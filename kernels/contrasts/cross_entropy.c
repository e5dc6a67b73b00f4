/* Prabhushankar's contrast: the gradient of the loss that the foil would have had as the label. */
#include "contrast.h"

/* p - e_Q; its component at Q is minus the sum of the other probabilities rather than p_Q - 1, which cancels. */
static enum wn_code seed(const struct wn_contrast_in *in, float *v, int *foil, struct wn_error *err)
{
    double p_q, others;
    *foil = in->foils[0];
    if (wn_others_mass(in, *foil, &p_q, &others, err) != WN_OK) return WN_NO_MEMORY;
    v[*foil] = (float)-others;
    return wn_seed_add_others(in, *foil, others, v, err);
}

const struct wn_contrast wn_contrast_cross_entropy = {
    .name = "cross-entropy",
    .summary = "What contradicts the foil, given what the network believes?",
    .formula = "p - e_Q",
    .source = "Prabhushankar et al. 2020",
    .misleads = "Positive speaks against the foil, not for the target: the target stands nowhere in the formula but "
                "through the probabilities. Where the network is sure, it is the pair of the prediction and the foil.",
    .flags = WN_CONTRAST_FOIL | WN_CONTRAST_SAME_OK,
    .positive = WN_POSITIVE_AGAINST_RIVAL,
    .odds = WN_ODDS_OTHERS_FOIL,
    .seed = seed,
    .form = &(const struct wn_seed_form){.against = WN_AGAINST_OTHERS,
                                         .swap = true,
                                         .asked_shares = WN_SHARES_SOFTMAX,
                                         .asked = 1,
                                         .against_shares = WN_SHARES_WHOLE,
                                         .less = -1,
                                         .factor = WN_SEED_FACTOR_ASKED},
};
