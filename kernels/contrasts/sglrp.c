/* Softmax-gradient relevance: starts that are the gradient of the target's probability, the other classes in a pass
 * of their own. */
#include "contrast.h"

/* p_t (1 - p_t) at the target. */
static enum wn_code seed(const struct wn_contrast_in *in, float *v, int *foil, struct wn_error *err)
{
    double p_t, others;
    (void)foil;
    if (wn_others_mass(in, in->target, &p_t, &others, err) != WN_OK) return WN_NO_MEMORY;
    v[in->target] = wn_seed_of_relevance(p_t * others, in->logits[in->target]);
    return WN_OK;
}

/* p_t p_s at each other class: the same total, shared by who comes close. */
static enum wn_code seed_of_others(const struct wn_contrast_in *in, float *v, int *foil, struct wn_error *err)
{
    double p_t, others;
    (void)foil;
    if (wn_others_mass(in, in->target, &p_t, &others, err) != WN_OK) return WN_NO_MEMORY;
    enum wn_code code = wn_seed_add_others(in, in->target, p_t * others, v, err);
    for (int s = 0; s < in->classes; s++) v[s] = wn_seed_of_relevance(v[s], in->logits[s]);
    return code;
}

static const struct wn_contrast others = {
    .name = "sglrp, the others",
    .flags = WN_CONTRAST_RELEVANCE | WN_CONTRAST_UNBALANCED,
    .seed = seed_of_others,
    .form = &(const struct wn_seed_form){.against = WN_AGAINST_OTHERS,
                                         .against_shares = WN_SHARES_SOFTMAX,
                                         .less = 1,
                                         .factor = WN_SEED_FACTOR_BOTH,
                                         .relevance = WN_SEED_RELEVANCE_GIVEN},
};

const struct wn_contrast wn_contrast_sglrp = {
    .name = "sglrp",
    .summary = "What relevance has the target that the classes which come close to it have not?",
    .formula = "R(p_t (1 - p_t) e_t) - R(sum_{s != t} p_t p_s e_s), the second pass brought to a total of the first "
               "one's size",
    .source = "Iwana et al. 2019 (softmax-gradient layer-wise relevance propagation)",
    .misleads = "The starts fade with p_t (1 - p_t): compare places within one map, not the sizes of two. "
                "A pass whose total is negative, because biases have taken more than the pixels gave, keeps its "
                "direction.",
    .cost = "a second pass of the method",
    .flags = WN_CONTRAST_RELEVANCE | WN_CONTRAST_UNBALANCED,
    .seed = seed,
    .form = &(const struct wn_seed_form){.against = WN_AGAINST_OTHERS,
                                         .asked_shares = WN_SHARES_WHOLE,
                                         .asked = 1,
                                         .factor = WN_SEED_FACTOR_BOTH,
                                         .relevance = WN_SEED_RELEVANCE_GIVEN},
    .less = &others,
    .balance = WN_BALANCE_FIRST,
};
