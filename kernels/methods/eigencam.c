/* Eigen-CAM: what the channels of a layer have most in common; looks at no class. */
#include "principal.h"

static int build(struct wn_program *p, const struct wn_method_in *in)
{
    return wn_linear(p, in->activation, 1, 0); /* (R,C,h,w) */
}

static int64_t passes(const struct wn_settings *s)
{
    (void)s;
    return 1;
}

const struct wn_method wn_method_eigencam = {
    .name = "eigencam",
    .summary = "The principal component of the activations: what the layer saw most of, whatever the class.",
    .formula = "u^T a, u the first left singular vector of the activations (channels, cells)",
    .source = "Muhammad & Yeasin 2020 (Eigen-CAM)",
    .cost = "one forward pass and an eigenvector of a matrix as large as the layer's channels or cells, whichever are "
            "fewer",
    .misleads = "It is the same for every class, so it explains no decision; it answers no contrast.",
    .flags = WN_METHOD_CLASSLESS,
    .build = build,
    .run = wn_run_principal,
    .passes = passes,
};
