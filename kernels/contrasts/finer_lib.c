/* FinerCAM as its authors' library computes it: the weights of the references are differentiated too. */
#include "contrast.h"

/* d/dy of sum_i omega_i (y_t - y_i): v_j = -omega_j (1 + y_j - sum_i omega_i y_i). */
static enum wn_code seed(const struct wn_contrast_in *in, float *v, int *foil, struct wn_error *err)
{
    (void)foil;
    enum wn_code code = wn_seed_add_set(in, in->foils, in->n_foils, 1, v, err); /* v holds omega for now */
    double mean = 0;
    for (int i = 0; i < in->n_foils; i++) mean += (double)v[in->foils[i]] * in->logits[in->foils[i]];
    for (int i = 0; i < in->n_foils; i++) {
        int j = in->foils[i];
        v[j] = (float)(-(double)v[j] * (1 + in->logits[j] - mean));
    }
    v[in->target] = 1;
    return code;
}

const struct wn_contrast wn_contrast_finer_lib = {
    .name = "finer-lib",
    .summary = "FinerCAM as its library has it, to compare with: the gradient flows through the weights of the "
               "references as well.",
    .formula = "v_t = 1, v_j = -omega_j (1 + y_j - sum_i omega_i y_i) for j in R",
    .source = "Zhang et al. 2025 (FinerCAM), the published program",
    .misleads = "The bracket may turn a reference's sign, so that it helps the target: it is there to compare with "
                "that program.",
    .flags = WN_CONTRAST_FOIL_SET | WN_CONTRAST_NEAREST,
    .seed = seed,
    .form = &(const struct wn_seed_form){.against = WN_AGAINST_NEAREST,
                                         .asked_shares = WN_SHARES_WHOLE,
                                         .asked = 1,
                                         .against_shares = WN_SHARES_SOFTMAX,
                                         .less = -1,
                                         .bends = true},
};
