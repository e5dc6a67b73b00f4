/* Softmax and LogSoftmax, with the largest value taken off first: exp never overflows. */
#include "op.h"

bool wn_op_softmax(struct wn_lower *lo, const struct wn_node *node);
bool wn_op_log_softmax(struct wn_lower *lo, const struct wn_node *node);

/* x - max(x) and the axes that are summed: one from opset 13 on; before, that axis and all behind it. */
static bool centre(struct wn_lower *lo, struct wn_slot *x, unsigned *axes)
{
    bool old = lo->graph->opset < 13;
    *x = wn_op_in(lo, 0);
    int rank = wn_slot_shape(lo, *x).rank, axis;
    if (!wn_slot_ok(*x)) return false;
    if (rank == 0) return wn_op_fail(lo, WN_UNSUPPORTED, "a value without axes");
    if (!wn_op_axis(lo, wn_op_int(lo, "axis", old ? 1 : -1), rank, &axis)) return false;
    *axes = old ? ((1u << rank) - 1) & ~((1u << axis) - 1) : 1u << axis;
    *x = wn_slot_binary(lo, WN_FOLD_SUB, *x, wn_slot_reduce(lo, WN_REDUCE_MAX, *x, *axes));
    return wn_slot_ok(*x);
}

bool wn_op_softmax(struct wn_lower *lo, const struct wn_node *node)
{
    struct wn_slot x;
    unsigned axes;
    (void)node;
    if (!centre(lo, &x, &axes)) return false;
    struct wn_slot e = wn_slot_unary(lo, WN_UNARY_EXP, x, 0, 0);
    return wn_op_set(lo, 0, wn_slot_binary(lo, WN_FOLD_DIV, e, wn_slot_reduce(lo, WN_REDUCE_SUM, e, axes)));
}

bool wn_op_log_softmax(struct wn_lower *lo, const struct wn_node *node)
{
    struct wn_slot x;
    unsigned axes;
    (void)node;
    if (!centre(lo, &x, &axes)) return false;
    struct wn_slot sum = wn_slot_reduce(lo, WN_REDUCE_SUM, wn_slot_unary(lo, WN_UNARY_EXP, x, 0, 0), axes);
    return wn_op_set(lo, 0, wn_slot_binary(lo, WN_FOLD_SUB, x, wn_slot_unary(lo, WN_UNARY_LOG, sum, 0, 0)));
}
