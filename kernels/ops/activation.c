/* Elementwise functions: one primitive each, parameters from attributes (Clip and PRelu: from inputs). */
#include <float.h>
#include <math.h>

#include "op.h"

static bool set_unary(struct wn_lower *lo, enum wn_unary kind, float alpha, float beta)
{
    return wn_op_set(lo, 0, wn_slot_unary(lo, kind, wn_op_in(lo, 0), alpha, beta));
}

#define PLAIN(symbol, kind)                                                                                            \
    bool symbol(struct wn_lower *lo, const struct wn_node *node);                                                      \
    bool symbol(struct wn_lower *lo, const struct wn_node *node)                                                       \
    {                                                                                                                  \
        (void)node;                                                                                                    \
        return set_unary(lo, kind, 0, 0);                                                                              \
    }

PLAIN(wn_op_relu, WN_UNARY_RELU)
PLAIN(wn_op_sigmoid, WN_UNARY_SIGMOID)
PLAIN(wn_op_tanh, WN_UNARY_TANH)
PLAIN(wn_op_exp, WN_UNARY_EXP)
PLAIN(wn_op_log, WN_UNARY_LOG)
PLAIN(wn_op_hard_swish, WN_UNARY_HARDSWISH)

bool wn_op_leaky_relu(struct wn_lower *lo, const struct wn_node *node);
bool wn_op_elu(struct wn_lower *lo, const struct wn_node *node);
bool wn_op_hard_sigmoid(struct wn_lower *lo, const struct wn_node *node);
bool wn_op_clip(struct wn_lower *lo, const struct wn_node *node);
bool wn_op_prelu(struct wn_lower *lo, const struct wn_node *node);

bool wn_op_leaky_relu(struct wn_lower *lo, const struct wn_node *node)
{
    (void)node;
    return set_unary(lo, WN_UNARY_LEAKY, wn_op_float(lo, "alpha", 0.01f), 0);
}

bool wn_op_elu(struct wn_lower *lo, const struct wn_node *node)
{
    (void)node;
    return set_unary(lo, WN_UNARY_ELU, wn_op_float(lo, "alpha", 1), 0);
}

bool wn_op_hard_sigmoid(struct wn_lower *lo, const struct wn_node *node)
{
    (void)node;
    return set_unary(lo, WN_UNARY_HARDSIGMOID, wn_op_float(lo, "alpha", 0.2f), wn_op_float(lo, "beta", 0.5f));
}

/* A bound: attribute before opset 11, a constant with one element from then on. */
static bool bound(struct wn_lower *lo, const char *name, int i, float otherwise, float *v)
{
    *v = otherwise;
    if (lo->graph->opset < 11) {
        *v = wn_op_float(lo, name, otherwise);
        return true;
    }
    if (!wn_op_has(lo, i)) return true;
    const struct wn_tensor *t = wn_op_constant(lo, i, name);
    if (!t) return false;
    if (!t->f || wn_shape_count(&t->shape) != 1) return wn_op_fail(lo, WN_BAD_MODEL, "'%s' must be one float", name);
    *v = t->f[0];
    return true;
}

bool wn_op_clip(struct wn_lower *lo, const struct wn_node *node)
{
    float low, high;
    (void)node;
    if (!bound(lo, "min", 1, -FLT_MAX, &low) || !bound(lo, "max", 2, FLT_MAX, &high)) return false;
    return set_unary(lo, WN_UNARY_CLIP, low, high);
}

/* x where it is positive, slope*x elsewhere: relu(x) - slope*relu(-x). One slope for all is a leaky relu. */
bool wn_op_prelu(struct wn_lower *lo, const struct wn_node *node)
{
    struct wn_slot x = wn_op_in(lo, 0), slope = wn_op_in(lo, 1);
    (void)node;
    if (!wn_slot_ok(x) || !wn_slot_ok(slope)) return false;
    if (slope.tensor && slope.tensor->f && wn_shape_count(&slope.tensor->shape) == 1)
        return set_unary(lo, WN_UNARY_LEAKY, slope.tensor->f[0], 0);
    struct wn_slot negative = wn_slot_unary(lo, WN_UNARY_RELU, wn_slot_linear(lo, x, -1, 0), 0, 0);
    struct wn_slot below = wn_slot_binary(lo, WN_FOLD_MUL, negative, slope);
    return wn_op_set(lo, 0, wn_slot_binary(lo, WN_FOLD_SUB, wn_slot_unary(lo, WN_UNARY_RELU, x, 0, 0), below));
}
