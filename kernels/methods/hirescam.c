/* HiResCAM: the positive part of the linear approximation. */
#include "method.h"

static int build(struct wn_program *p, const struct wn_method_in *in)
{
    return wn_relu(p, wn_channel_dot(p, in->activation, in->gradient));
}

const struct wn_method wn_method_hirescam = {
    .name = "hirescam",
    .summary = "The positive part of activation times gradient.",
    .formula = "relu(sum_k a_k g_k)",
    .source = "Draelos & Carin 2020 (HiResCAM)",
    .cost = "as la",
    .misleads = "What speaks against the target is cut off before anybody sees it, so a contrast loses its other half: "
                "la keeps both.",
    .build = build,
};
