/* The gradient at the input: which pixels move the scalar, whatever their value. */
#include "method.h"

static int build(struct wn_program *p, const struct wn_method_in *in)
{
    return wn_reduce(p, WN_REDUCE_SUM, in->gradient, 2); /* signed, over the colours */
}

const struct wn_method wn_method_gradient = {
    .name = "gradient",
    .summary = "The slope of the scalar at each pixel; noisy, the plainest of all.",
    .formula = "sum_c d(v.y)/dx_c",
    .source = "Simonyan et al. 2014, signed",
    .cost = "1.3 to 1.5 forward passes more, 2 on networks with a costly first layer",
    .misleads = "The slope at this very picture: noisy, blind to what saturates, and the sign at a pixel is that of "
                "making it brighter.",
    .flags = WN_METHOD_INPUT | WN_METHOD_LINEAR,
    .build = build,
};
