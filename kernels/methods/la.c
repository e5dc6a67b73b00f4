/* Linear Approximation: what each cell contributes to the scalar, to first order. */
#include "../program.h"

#include <whynot/explain.h>

static int build(struct wn_program *p, int activation, int gradient)
{
    return wn_channel_dot(p, activation, gradient); /* sum_k a_kij g_kij */
}

const struct wn_method wn_method_la = {
    .name = "la",
    .summary = "Activation times gradient, cell by cell; the map sums to the scalar where the tail has no biases.",
    .formula = "sum_k a_k g_k",
    .source = "Wang & Wang 2022, linear approximation",
    .build = build,
};
