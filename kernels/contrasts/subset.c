/* One set of classes against another: the gradient of the log-odds of the sets. */
#include "contrast.h"

/* seed += sign * softmax of the logits over the set. */
static enum wn_code add_set(const struct wn_contrast_in *in, const int *set, int n, double sign, float *v, struct wn_error *err)
{
    bool *chosen = calloc((size_t)in->classes, sizeof *chosen);
    double *omega = malloc((size_t)in->classes * sizeof *omega);
    enum wn_code code = WN_OK;
    if (chosen && omega) {
        for (int i = 0; i < n; i++) chosen[set[i]] = true;
        wn_softmax_over(in->logits, in->classes, chosen, omega);
        for (int i = 0; i < in->classes; i++) v[i] += (float)(sign * omega[i]);
    } else {
        code = wn_fail(err, WN_NO_MEMORY, "no memory for a seed");
    }
    free(chosen);
    free(omega);
    return code;
}

static enum wn_code seed(const struct wn_contrast_in *in, float *v, int *foil, struct wn_error *err)
{
    if (in->n_foils == 1) *foil = in->foils[0];
    enum wn_code code = add_set(in, in->targets, in->n_targets, 1, v, err);
    return code == WN_OK ? add_set(in, in->foils, in->n_foils, -1, v, err) : code;
}

const struct wn_contrast wn_contrast_subset = {
    .name = "subset",
    .summary = "Why one of these classes, rather than one of those?",
    .formula = "sum_{t in T} omega_t e_t - sum_{s in S} alpha_s e_s, each a softmax within its set",
    .source = "Wang & Wang 2022, section 3, with the softmax restricted to each set",
    .flags = WN_CONTRAST_FOIL_SET | WN_CONTRAST_TARGET_SET,
    .seed = seed,
};
