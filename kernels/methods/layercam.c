/* LayerCAM: the linear approximation with gradients that speak against the scalar left out. */
#include "method.h"

static int build(struct wn_program *p, const struct wn_method_in *in)
{
    return wn_channel_dot(p, in->activation, wn_relu(p, in->gradient));
}

const struct wn_method wn_method_layercam = {
    .name = "layercam",
    .summary = "Activation times the positive part of its gradient, cell by cell; finer than Grad-CAM on early layers.",
    .formula = "sum_k a_k relu(g_k)",
    .source = "Jiang et al. 2021 (LayerCAM)",
    .cost = "as la",
    .misleads = "Negative gradients are dropped channel by channel, so maps do not add up over classes and two "
                "opposite contrasts are not opposite maps.",
    .build = build,
};
