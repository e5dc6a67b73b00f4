/* Grad-CAM: how much the scalar gains from each channel on average, spread over where the channel is active. */
#include "method.h"

static int build(struct wn_program *p, const struct wn_method_in *in)
{
    int weights = wn_channel_mean(p, in->gradient);    /* w_k = 1/(hw) sum_ij g_kij, (R,C,1,1) */
    return wn_channel_dot(p, in->activation, weights); /* sum_k w_k a_kij, (R,1,h,w) */
}

const struct wn_method wn_method_gradcam = {
    .name = "gradcam",
    .summary = "Channels weighted by their mean gradient; stable, coarse, the common choice.",
    .formula = "sum_k mean_ij(g_k) a_k",
    .source = "Selvaraju et al. 2017; contrastive seeds: Prabhushankar et al. 2020",
    .cost = "0 to 5 % more than the forward pass: the mean of the gradient is often known without the gradient",
    .misleads = "One weight a channel: where a channel is active for two reasons, both places light up. On a coarse "
                "layer the map is far blurrier than it looks once it is enlarged.",
    .flags = WN_METHOD_LINEAR,
    .build = build,
    .build_all = wn_forward_stack,
};
