/* Why the target, rather than the class that is least likely of all? A contrast of this test alone. */
#include "contrasts/contrast.h"

static enum wn_code seed(const struct wn_contrast_in *in, float *v, int *foil, struct wn_error *err)
{
    (void)err;
    *foil = in->target == 0;
    for (int s = 0; s < in->classes; s++)
        if (s != in->target && in->logits[s] < in->logits[*foil]) *foil = s;
    v[in->target] = 1;
    v[*foil] = -1;
    return WN_OK;
}

const struct wn_contrast wn_contrast_unlikeliest = {
    .name = "unlikeliest",
    .summary = "Why the target, rather than the least likely class?",
    .formula = "e_t - e_u, u = argmin y",
    .source = "this test",
    .misleads = "Nobody would have taken that class.",
    .seed = seed,
};
