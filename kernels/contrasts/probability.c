/* The gradient of the target's probability, in the form that survives a confident network. */
#include "contrast.h"

/* d p_t = p_t (1 - p_t) times the weighted contrast; 1 - p_t is the sum of the other probabilities, because the
 * difference is 0 in floating point long before the sum is. */
static enum wn_code seed(const struct wn_contrast_in *in, float *v, int *foil, struct wn_error *err)
{
    double p_t, others;
    (void)foil;
    if (wn_others_mass(in, in->target, &p_t, &others, err) != WN_OK) return WN_NO_MEMORY;
    v[in->target] = (float)(p_t * others);
    return wn_seed_add_others(in, in->target, -p_t * others, v, err);
}

const struct wn_contrast wn_contrast_probability = {
    .name = "probability",
    .summary = "What raises the target's probability, and by how much?",
    .formula = "p_t (1 - p_t) (e_t - sum_{s != t} alpha_s e_s)",
    .misleads = "The picture is that of weighted; its size fades to nothing where the network is sure, and rounding "
                "shows where somebody enlarges that.",
    .source = "Wang & Wang 2022",
    .odds = WN_ODDS_TARGET_OTHERS,
    .explains_probability = true,
    .seed = seed,
    .form = &(const struct wn_seed_form){.against = WN_AGAINST_OTHERS,
                                         .asked_shares = WN_SHARES_WHOLE,
                                         .asked = 1,
                                         .against_shares = WN_SHARES_SOFTMAX,
                                         .less = -1,
                                         .factor = WN_SEED_FACTOR_BOTH},
};
