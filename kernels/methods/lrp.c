/* Layer-wise relevance propagation with the epsilon rule, in its gate form: a backward pass in which every linear step damps the
 * signal by z/(z + eps sign z) at its output z, times the input. Relevance starts as R_s = v_s y_s, so the map is linear in v. */
#include "method.h"

#define EPSILON 1e-6f

/* z/(z + eps sign z) = |z|/(|z| + eps), without a sign to define at 0. */
static int gate(struct wn_program *p, int dy, int z)
{
    int size = wn_unary(p, WN_UNARY_ABS, z, 0, 0);
    return wn_mul(p, dy, wn_binary(p, WN_BINARY_DIV, size, wn_linear(p, size, 1, EPSILON)));
}

static int bend(struct wn_program *p, const struct wn_step *s, int dy, int z)
{
    switch (s->prim) {
    case WN_PRIM_CONV:
    case WN_PRIM_CONV_BWD:
    case WN_PRIM_MATMUL:
    case WN_PRIM_AVGPOOL:
    case WN_PRIM_REDUCE:
        return gate(p, dy, z);
    case WN_PRIM_BINARY: /* residual sums, and the shifts of batch-norms that could not be folded */
        if (s->u.binary == WN_BINARY_ADD || s->u.binary == WN_BINARY_SUB) return gate(p, dy, z);
        if (p->values[s->in[0]].kind == WN_VALUE_CONST || p->values[s->in[1]].kind == WN_VALUE_CONST) return dy;
        return wn_program_fail(p, WN_UNSUPPORTED, "LRP has no rule for a product or quotient of two activations");
    case WN_PRIM_UNARY:
        switch (s->u.unary.kind) {
        case WN_UNARY_RELU:
        case WN_UNARY_LEAKY:
        case WN_UNARY_CLIP:
        case WN_UNARY_LINEAR: return dy;
        default: return wn_program_fail(p, WN_UNSUPPORTED, "LRP has no rule for a curved activation; it needs a ReLU network");
        }
    default: return dy; /* steps that only move data, and max-pools: the winner takes all, as in their gradient */
    }
}

static int build(struct wn_program *p, const struct wn_method_in *in)
{
    int signal = wn_backward_bent(p, in->logits, in->seed, in->layer, in->rows, bend);
    return wn_channel_dot(p, in->activation, signal);
}

const struct wn_method wn_method_lrp = {
    .name = "lrp",
    .summary = "Relevance handed back from layer to layer in proportion to each input's share (epsilon rule).",
    .formula = "R_i = a_i sum_j w_ij R_j / (z_j + eps sign z_j), R_s = v_s y_s at the logits, eps = 1e-6",
    .source = "Bach et al. 2015, epsilon rule; seeds: Wang & Wang 2022, eq. 1",
    .flags = WN_METHOD_INPUT,
    .build = build,
};
