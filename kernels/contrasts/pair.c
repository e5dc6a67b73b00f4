/* Why P, rather than Q? One class against one other. */
#include "contrast.h"

static enum wn_code seed(const struct wn_contrast_in *in, float *v, int *foil, struct wn_error *err)
{
    (void)err;
    *foil = in->foils[0];
    v[in->target] = 1;
    v[*foil] = -1;
    return WN_OK;
}

const struct wn_contrast wn_contrast_pair = {
    .name = "pair",
    .summary = "Why the target, rather than this one other class?",
    .formula = "e_P - e_Q",
    .source = "Wang & Wang 2022, the max contrast with a chosen foil",
    .misleads = "What neither class uses is invisible, and so is whatever both use: an empty place need not be "
                "unimportant. For a rival that was never in question the map is that of the target.",
    .flags = WN_CONTRAST_FOIL,
    .odds = WN_ODDS_TARGETS_FOILS,
    .seed = seed,
    .form = &(const struct wn_seed_form){.against = WN_AGAINST_BEST,
                                         .asked_shares = WN_SHARES_WHOLE,
                                         .asked = 1,
                                         .against_shares = WN_SHARES_WHOLE,
                                         .less = -1},
};
