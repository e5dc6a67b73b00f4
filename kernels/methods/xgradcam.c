/* XGrad-CAM: channels weighted by their gradient where they are active. */
#include "method.h"

#define TINY 1e-7f /* a channel that is nowhere active has a sum of 0 and no say */

static int build(struct wn_program *p, const struct wn_method_in *in)
{
    const unsigned space = 4 | 8;
    int active = wn_reduce(p, WN_REDUCE_SUM, in->activation, space);
    int gain = wn_reduce(p, WN_REDUCE_SUM, wn_mul(p, in->activation, in->gradient), space);
    return wn_channel_dot(p, in->activation, wn_binary(p, WN_BINARY_DIV, gain, wn_linear(p, active, 1, TINY)));
}

const struct wn_method wn_method_xgradcam = {
    .name = "xgradcam",
    .summary = "Channels weighted by the mean of their gradient where they are active; the map sums like the linear "
               "approximation.",
    .formula = "sum_k w_k a_k, w_k = sum_ij a_k g_k / sum_ij a_k",
    .source = "Fu et al. 2020 (XGrad-CAM)",
    .cost = "as la",
    .misleads = "Channels whose activations nearly sum to zero get weights of little meaning.",
    .flags = WN_METHOD_LINEAR,
    .build = build,
};
