/* Linear Approximation: what each cell contributes to the scalar, to first order. */
#include "method.h"

static int build(struct wn_program *p, const struct wn_method_in *in)
{
    return wn_channel_dot(p, in->activation, in->gradient); /* sum_k a_kij g_kij */
}

const struct wn_method wn_method_la = {
    .name = "la",
    .summary = "Activation times gradient, cell by cell; the map sums to the scalar where the tail has no biases.",
    .formula = "sum_k a_k g_k",
    .source = "Wang & Wang 2022, linear approximation",
    .cost = "the way back from the logits to the layer; at the last stage 1 to 5 % more than the forward pass",
    .misleads = "Each cell's share to first order: it says what the cell adds now, not what would happen without it.",
    .flags = WN_METHOD_LINEAR,
    .build = build,
    .build_all = wn_forward_stack_of_cells,
};
