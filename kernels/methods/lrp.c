/* Layer-wise relevance propagation: the rows, and the pass that they share. What happens at a step is said in
 * lrp_rules.c. */
#include "lrp.h"

#include <stdlib.h>
#include <string.h>

static void copy_floats(float *dst, const void *arg)
{
    const struct wn_weight *from = arg;
    memcpy(dst, from->data, (size_t)wn_shape_count(&from->shape) * sizeof *dst);
}

static int bound(struct wn_program *p, const char *key, const float *values, int64_t channels)
{
    struct wn_weight w = {.shape = wn_shape_of(4, (int64_t[]){1, channels, 1, 1}), .data = values};
    return wn_program_derive(p, key, &w.shape, copy_floats, &w);
}

static void take_bounds(struct wn_program *p, const struct wn_method_in *in, struct wn_lrp_pass *pass)
{
    const struct wn_shape x = p->values[in->layer].shape;
    if (!in->low || !in->high) {
        wn_program_fail(p, WN_UNSUPPORTED,
                        "the rule for the pixels needs the range of the input's values, which nobody has said");
    } else if (x.rank != 4) {
        wn_program_fail(p, WN_UNSUPPORTED, "the rule for the pixels needs a picture with channels, height and width");
    } else {
        pass->low = bound(p, "input|least values", in->low, x.dim[1]);
        pass->high = bound(p, "input|largest values", in->high, x.dim[1]);
    }
}

int wn_lrp_map(struct wn_program *p, const struct wn_method_in *in, const struct wn_lrp *rule)
{
    if (p->error.code) return -1;
    int n = p->n_values;
    bool *positive = calloc((size_t)n, sizeof *positive);
    if (!positive) return wn_program_fail(p, WN_NO_MEMORY, "no memory for a pass of relevance");
    wn_lrp_find_positive(p, positive, n);
    struct wn_lrp_pass pass = {rule, positive, in->layer, WN_NONE, WN_NONE, WN_NONE};
    if (rule->boxed) take_bounds(p, in, &pass);
    int signal = wn_backward_bent(p, in->logits, in->seed, in->layer, in->rows, wn_lrp_bend, &pass);
    free(positive);
    int map = wn_channel_dot(p, wn_rows_of(p, in->layer, in->rows), signal);
    if (rule->boxed && !p->error.code && pass.rest == WN_NONE)
        return wn_program_fail(p, WN_UNSUPPORTED,
                               "the rule for the pixels needs a convolution that reads the input itself");
    return rule->boxed ? wn_add(p, map, pass.rest) : map;
}

static int build_epsilon(struct wn_program *p, const struct wn_method_in *in)
{
    return wn_lrp_map(p, in, &(struct wn_lrp){.epsilon = in->epsilon});
}

const struct wn_method wn_method_lrp = {
    .name = "lrp",
    .summary = "Relevance handed back from layer to layer in proportion to each input's share (epsilon rule).",
    .formula = "R_i = a_i sum_j w_ij R_j / (z_j + eps sign z_j), R_s = v_s y_s at the logits, eps = epsilon",
    .source = "Bach et al. 2015, epsilon rule; seeds: Wang & Wang 2022, eq. 1",
    .cost = "about 1.5 forward passes",
    .misleads = "With ReLUs and a small epsilon it is Input x Gradient, noise included.",
    .flags = WN_METHOD_INPUT | WN_METHOD_LINEAR | WN_METHOD_RELEVANCE,
    .settings = 1u << WN_SETTING_EPSILON,
    .build = build_epsilon,
};

static int build_z_plus(struct wn_program *p, const struct wn_method_in *in)
{
    return wn_lrp_map(p, in, &(struct wn_lrp){.epsilon = in->epsilon, .split = true, .alpha = 1});
}

const struct wn_method wn_method_lrp_z_plus = {
    .name = "lrp-zplus",
    .summary = "Relevance that flows along what excites alone: z+ on convolutions, epsilon elsewhere; smooth, and much "
               "alike for every class.",
    .formula = "on convolutions R_i = sum_j (a_i w_ij)^+ R_j / (sum_i (a_i w_ij)^+ + b_j^+ + eps), elsewhere as lrp",
    .source = "Montavon et al. 2017 (deep Taylor decomposition), z+ rule",
    .cost = "about 3 forward passes",
    .misleads = "Maps of different classes look much alike: ask for a contrast of two passes, or use lrp, where the "
                "class matters. Dense layers keep "
                "epsilon (the usual composite of rules): with z+ there, too, all classes get nearly the same map (Gu "
                "et al. 2018). A classifier that is a "
                "convolution follows z+.",
    .flags = WN_METHOD_INPUT | WN_METHOD_LINEAR | WN_METHOD_RELEVANCE,
    .settings = 1u << WN_SETTING_EPSILON,
    .build = build_z_plus,
};

static int build_alpha_beta(struct wn_program *p, const struct wn_method_in *in)
{
    return wn_lrp_map(
        p, in, &(struct wn_lrp){.epsilon = in->epsilon, .split = true, .alpha = in->alpha, .beta = in->alpha - 1});
}

const struct wn_method wn_method_lrp_alpha_beta = {
    .name = "lrp-alpha-beta",
    .summary = "Relevance with what excites and what inhibits kept apart: alpha and beta = alpha - 1 on convolutions, "
               "epsilon elsewhere.",
    .formula = "on convolutions R_i = sum_j [alpha (a_i w_ij)^+ / (Z_j^+ + eps) - beta (a_i w_ij)^- / (Z_j^- - eps)] "
               "R_j, elsewhere as lrp",
    .source = "Bach et al. 2015, alpha-beta rule",
    .cost = "about 5 forward passes",
    .misleads =
        "A cell that nothing inhibits hands on alpha times its relevance: the sum is kept only where both sides exist. "
        "Dense layers keep "
        "epsilon, as in the usual composite of rules: there the signs of the weights are what tells the classes apart.",
    .flags = WN_METHOD_INPUT | WN_METHOD_LINEAR | WN_METHOD_RELEVANCE,
    .settings = 1u << WN_SETTING_EPSILON | 1u << WN_SETTING_ALPHA,
    .build = build_alpha_beta,
};

static int build_composite(struct wn_program *p, const struct wn_method_in *in)
{
    return wn_lrp_map(p, in, &(struct wn_lrp){.epsilon = in->epsilon, .split = true, .alpha = 1, .boxed = true});
}

const struct wn_method wn_method_lrp_composite = {
    .name = "lrp-composite",
    .summary =
        "The usual mixture of rules: zB on the convolution over the pixels, z+ on the others, epsilon on dense layers.",
    .formula = "on the first convolution R_i = sum_j (x_i w_ij - l_i w_ij^+ - h_i w_ij^-) R_j / (their sum over i), l "
               "and h the bounds of a pixel",
    .source = "Montavon et al. 2017, zB and z+ rules; composites: Montavon et al. 2019",
    .cost = "about 3 forward passes",
    .misleads =
        "A pixel's relevance is that of its place between the darkest and the brightest, so plain areas get some too.",
    .flags = WN_METHOD_INPUT | WN_METHOD_LINEAR | WN_METHOD_RELEVANCE,
    .settings = 1u << WN_SETTING_EPSILON,
    .build = build_composite,
};
