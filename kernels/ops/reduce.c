/* ReduceMean, ReduceSum, ReduceMax, ReduceMin; ReduceProd on constants. */
#include "op.h"

bool wn_op_reduce_mean(struct wn_lower *lo, const struct wn_node *node);
bool wn_op_reduce_sum(struct wn_lower *lo, const struct wn_node *node);
bool wn_op_reduce_max(struct wn_lower *lo, const struct wn_node *node);
bool wn_op_reduce_min(struct wn_lower *lo, const struct wn_node *node);
bool wn_op_reduce_prod(struct wn_lower *lo, const struct wn_node *node);

/* The axes to reduce; `since`: the opset from which they are an input. */
static bool read_axes(struct wn_lower *lo, struct wn_slot x, int since, unsigned *mask)
{
    int64_t axes[WN_MAX_RANK];
    int n, rank = wn_slot_shape(lo, x).rank;
    if (!wn_slot_ok(x) || !wn_op_list(lo, "axes", since, 1, axes, WN_MAX_RANK, &n)) return false;
    *mask = (1u << rank) - 1;
    if (n <= 0 && wn_op_int(lo, "noop_with_empty_axes", 0)) *mask = 0;
    return n <= 0 || wn_op_axes(lo, axes, n, rank, mask);
}

/* Takes the reduced axes away where keepdims is 0. */
static bool set_reduced(struct wn_lower *lo, struct wn_slot y, unsigned mask)
{
    struct wn_shape s = wn_slot_shape(lo, y), kept = {0};
    if (!wn_slot_ok(y) || wn_op_int(lo, "keepdims", 1)) return wn_slot_ok(y) && wn_op_set(lo, 0, y);
    for (int d = 0; d < s.rank; d++)
        if (!(mask >> d & 1)) kept.dim[kept.rank++] = s.dim[d];
    return wn_op_set(lo, 0, wn_slot_reshape(lo, y, &kept));
}

static bool reduce(struct wn_lower *lo, enum wn_reduce kind, int since)
{
    struct wn_slot x = wn_op_in(lo, 0);
    unsigned mask;
    return read_axes(lo, x, since, &mask) && set_reduced(lo, wn_slot_reduce(lo, kind, x, mask), mask);
}

bool wn_op_reduce_mean(struct wn_lower *lo, const struct wn_node *node)
{
    (void)node;
    return reduce(lo, WN_REDUCE_MEAN, 18);
}

bool wn_op_reduce_sum(struct wn_lower *lo, const struct wn_node *node)
{
    (void)node;
    return reduce(lo, WN_REDUCE_SUM, 13);
}

bool wn_op_reduce_max(struct wn_lower *lo, const struct wn_node *node)
{
    struct wn_slot x = wn_op_in(lo, 0);
    unsigned mask;
    (void)node;
    return read_axes(lo, x, 18, &mask) && set_reduced(lo, wn_slot_largest(lo, x, mask), mask);
}

/* -max(-x) */
bool wn_op_reduce_min(struct wn_lower *lo, const struct wn_node *node)
{
    struct wn_slot x = wn_op_in(lo, 0);
    unsigned mask;
    (void)node;
    if (wn_slot_whole(x)) return wn_op_fail(lo, WN_UNSUPPORTED, "whole numbers");
    if (!read_axes(lo, x, 18, &mask)) return false;
    return set_reduced(lo, wn_slot_linear(lo, wn_slot_largest(lo, wn_slot_linear(lo, x, -1, 0), mask), -1, 0), mask);
}

bool wn_op_reduce_prod(struct wn_lower *lo, const struct wn_node *node)
{
    struct wn_slot x = wn_op_in(lo, 0);
    unsigned mask;
    (void)node;
    if (!wn_slot_ok(x) || !wn_op_constant(lo, 0, "data") || !read_axes(lo, x, 18, &mask)) return false;
    return wn_slot_afford(lo, &x.tensor->shape) && set_reduced(lo, wn_slot_own(lo, wn_fold_prod(x.tensor, mask)), mask);
}
