/* One set of classes against another: the gradient of the log-odds of the sets. */
#include "contrast.h"

static enum wn_code seed(const struct wn_contrast_in *in, float *v, int *foil, struct wn_error *err)
{
    if (in->n_foils == 1) *foil = in->foils[0];
    enum wn_code code = wn_seed_add_set(in, in->targets, in->n_targets, 1, v, err);
    return code == WN_OK ? wn_seed_add_set(in, in->foils, in->n_foils, -1, v, err) : code;
}

const struct wn_contrast wn_contrast_subset = {
    .name = "subset",
    .summary = "Why one of these classes, rather than one of those?",
    .formula = "sum_{t in T} omega_t e_t - sum_{s in S} alpha_s e_s, each a softmax within its set",
    .source = "Wang & Wang 2022 (any subset of classes), with the softmax restricted to each set",
    .misleads = "Each set speaks mostly through its strongest member.",
    .flags = WN_CONTRAST_FOIL_SET | WN_CONTRAST_TARGET_SET,
    .odds = WN_ODDS_TARGETS_FOILS,
    .seed = seed,
    .form = &(const struct wn_seed_form){.against = WN_AGAINST_OTHERS,
                                         .asked_shares = WN_SHARES_SOFTMAX,
                                         .asked = 1,
                                         .against_shares = WN_SHARES_SOFTMAX,
                                         .less = -1},
};
