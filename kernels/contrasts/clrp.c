/* Contrastive relevance: the target's relevance less the relevance of all the other classes, each as shares of a
 * whole. */
#include "contrast.h"

/* Starts of |y_s|: v_s y_s = |y_s|. */
static float sign_of(float y)
{
    return (float)((y > 0) - (y < 0));
}

static enum wn_code seed(const struct wn_contrast_in *in, float *v, int *foil, struct wn_error *err)
{
    (void)foil, (void)err;
    v[in->target] = sign_of(in->logits[in->target]);
    return WN_OK;
}

static enum wn_code seed_of_others(const struct wn_contrast_in *in, float *v, int *foil, struct wn_error *err)
{
    (void)foil, (void)err;
    for (int s = 0; s < in->classes; s++) v[s] = s == in->target ? 0 : sign_of(in->logits[s]);
    return WN_OK;
}

static const struct wn_contrast others = {
    .name = "clrp, the others",
    .flags = WN_CONTRAST_RELEVANCE | WN_CONTRAST_UNBALANCED,
    .seed = seed_of_others,
    .form = &(const struct wn_seed_form){.against = WN_AGAINST_OTHERS,
                                         .against_shares = WN_SHARES_WHOLE,
                                         .less = 1,
                                         .relevance = WN_SEED_RELEVANCE_SIZE},
};

const struct wn_contrast wn_contrast_clrp = {
    .name = "clrp",
    .summary = "Where is the share of the target's relevance larger than that of all the other classes?",
    .formula = "R(|y_t| e_t)/|sum| - R(sum_{s != t} |y_s| e_s)/|sum|, two passes of relevance, sum: a pass's own total",
    .source = "Gu et al. 2018 (contrastive layer-wise relevance propagation), as its program has it",
    .misleads = "Both passes are brought to totals of one size, so the map says nothing of how much more the target "
                "has. A pass whose total is negative, because biases have taken more than the pixels gave, keeps its "
                "direction.",
    .cost = "a second pass of the method",
    .flags = WN_CONTRAST_RELEVANCE | WN_CONTRAST_UNBALANCED,
    .seed = seed,
    .form =
        &(const struct wn_seed_form){.asked_shares = WN_SHARES_WHOLE, .asked = 1, .relevance = WN_SEED_RELEVANCE_SIZE},
    .less = &others,
    .balance = WN_BALANCE_ONE,
};
