/* Eigen-CAM over activation times gradient, so that the class and the contrast are seen. */
#include "principal.h"

static int build(struct wn_program *p, const struct wn_method_in *in)
{
    return wn_mul(p, in->activation, in->gradient); /* (R,C,h,w) */
}

const struct wn_method wn_method_eigengradcam = {
    .name = "eigengradcam",
    .summary = "The principal component of activation times gradient: the pattern that most channels contribute alike.",
    .formula = "u^T (a g), u the first left singular vector of a g (channels, cells)",
    .source = "Muhammad & Yeasin 2020 (Eigen-CAM) over activation times gradient, as pytorch-grad-cam has it, nothing "
              "centred",
    .cost = "one backward pass to the layer and an eigenvector of a matrix as large as the layer's channels or cells, "
            "whichever are fewer",
    .misleads =
        "Its sign is chosen to agree with the sum over channels: where that is near zero, the sign says little.",
    .build = build,
    .run = wn_run_principal,
};
