/* Grad-CAM++: Grad-CAM with a weight for every cell, so that several small objects count like one large one. */
#include "method.h"

/* The paper's alpha_kij = g^2 / (2 g^2 + S_k g^3), S_k = sum_ij a_kij, loses its g^2 where g is not 0, and only g >
 * 0 counts: w_k = sum_ij relu(g) / (2 + S_k relu(g)). In this form nothing is divided by a vanishing number. */
static int build(struct wn_program *p, const struct wn_method_in *in)
{
    const unsigned space = 4 | 8;
    int g = wn_relu(p, in->gradient);
    int sum = wn_relu(p, wn_reduce(p, WN_REDUCE_SUM, in->activation, space));
    int alpha = wn_linear(p, wn_mul(p, g, sum), 1, 2);
    int weights = wn_reduce(p, WN_REDUCE_SUM, wn_binary(p, WN_BINARY_DIV, g, alpha), space);
    return wn_channel_dot(p, in->activation, weights);
}

const struct wn_method wn_method_gradcampp = {
    .name = "gradcampp",
    .summary =
        "Channels weighted by their positive gradients, each cell by how much it matters; kinder to several objects.",
    .formula = "sum_k w_k a_k, w_k = sum_ij relu(g) / (2 + relu(g) sum_ij a_k)",
    .source = "Chattopadhay et al. 2018 (Grad-CAM++), the common factor removed",
    .cost = "as la",
    .misleads = "Only positive gradients count: a contrast shows what speaks for the target, and what speaks for the "
                "rival is gone.",
    .build = build,
};
