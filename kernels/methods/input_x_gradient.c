/* Input x Gradient: what each pixel contributes to the scalar, to first order, against a mean-coloured picture. */
#include "method.h"

static int build(struct wn_program *p, const struct wn_method_in *in)
{
    return wn_channel_dot(p, in->activation, in->gradient); /* x in normalised units */
}

const struct wn_method wn_method_input_x_gradient = {
    .name = "ixg",
    .summary = "Pixel times gradient; sums to the scalar where the network has no biases.",
    .formula = "sum_c x_c d(v.y)/dx_c",
    .source = "Shrikumar et al. 2016 (Input x Gradient)",
    .cost = "as gradient",
    .misleads = "A pixel of the training's mean colour counts for nothing, however telling it is. Edges look important "
                "because they are bright or dark.",
    .flags = WN_METHOD_INPUT | WN_METHOD_LINEAR,
    .build = build,
};
