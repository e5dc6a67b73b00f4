/* How active the layer is, whatever the question. A method of this test alone. */
#include "methods/method.h"

static int build(struct wn_program *p, const struct wn_method_in *in)
{
    return wn_channel_dot(p, in->activation, in->activation);
}

const struct wn_method wn_method_activity = {
    .name = "activity",
    .summary = "The squares of all channels, summed.",
    .formula = "sum_k a_k^2",
    .source = "this test",
    .cost = "none",
    .misleads = "It does not look at the question.",
    .build = build,
};
