/* Flatten, Reshape, Squeeze, Unsqueeze and Expand: new shapes for the same elements. */
#include "op.h"

bool wn_op_flatten(struct wn_lower *lo, const struct wn_node *node);
bool wn_op_reshape(struct wn_lower *lo, const struct wn_node *node);
bool wn_op_squeeze(struct wn_lower *lo, const struct wn_node *node);
bool wn_op_unsqueeze(struct wn_lower *lo, const struct wn_node *node);
bool wn_op_expand(struct wn_lower *lo, const struct wn_node *node);

bool wn_op_flatten(struct wn_lower *lo, const struct wn_node *node)
{
    struct wn_slot x = wn_op_in(lo, 0);
    struct wn_shape s = wn_slot_shape(lo, x), y = {.rank = 2, .dim = {1, 1}};
    int64_t axis = wn_op_int(lo, "axis", 1);
    (void)node;
    if (!wn_slot_ok(x)) return false;
    if (axis < -s.rank || axis > s.rank)
        return wn_op_fail(lo, WN_BAD_MODEL, "axis %lld is not there in a value of rank %d", (long long)axis, s.rank);
    if (axis < 0) axis += s.rank;
    for (int d = 0; d < s.rank; d++) y.dim[d >= axis] *= s.dim[d];
    return wn_op_set(lo, 0, wn_slot_reshape(lo, x, &y));
}

/* ---- Reshape ---- */

/* Product of the lengths that are known; false on one that is negative or on overflow. */
static bool known_count(const struct wn_shape *y, int free_axis, int64_t *count)
{
    *count = 1;
    for (int d = 0; d < y->rank; d++)
        if (d != free_axis && (y->dim[d] < 0 || __builtin_mul_overflow(*count, y->dim[d], count))) return false;
    return true;
}

/* A model exported for one picture says 1 where the batch is meant: with N pictures that 1 is read as N. */
static void widen_batch(const struct wn_lower *lo, struct wn_slot x, const struct wn_shape *s, int free_axis,
                        struct wn_shape *y)
{
    int64_t count;
    if (!wn_slot_batched(lo, x) || y->rank < 1 || y->dim[0] != 1 || s->dim[0] == 1 ||
        !known_count(y, free_axis, &count))
        return;
    int64_t one = wn_shape_count(s) / s->dim[0];
    if (free_axis < 0 ? count == one : count > 0 && one % count == 0) y->dim[0] = s->dim[0];
}

/* 0: as in x (unless allowzero); -1: whatever is left. */
static bool target_shape(struct wn_lower *lo, struct wn_slot x, struct wn_shape *y)
{
    struct wn_shape s = wn_slot_shape(lo, x);
    bool keep_zero = wn_op_int(lo, "allowzero", 0) != 0;
    int free_axis = -1;
    int64_t count;
    for (int d = 0; d < y->rank; d++) {
        if (y->dim[d] == 0 && !keep_zero) {
            if (d >= s.rank) return wn_op_fail(lo, WN_BAD_MODEL, "a 0 in its shape has no axis to copy");
            y->dim[d] = s.dim[d];
        } else if (y->dim[d] == -1) {
            if (free_axis >= 0) return wn_op_fail(lo, WN_BAD_MODEL, "its shape has two axes of length -1");
            free_axis = d;
        }
    }
    widen_batch(lo, x, &s, free_axis, y);
    int64_t all = wn_shape_count(&s);
    if (!known_count(y, free_axis, &count) || (free_axis >= 0 && (count == 0 || all % count)) ||
        (free_axis < 0 && count != all))
        return wn_op_fail(lo, WN_BAD_MODEL, "%lld elements do not fit its shape", (long long)all);
    if (free_axis >= 0) y->dim[free_axis] = all / count;
    return true;
}

bool wn_op_reshape(struct wn_lower *lo, const struct wn_node *node)
{
    struct wn_slot x = wn_op_in(lo, 0);
    struct wn_shape y;
    (void)node;
    if (!wn_slot_ok(x) || !wn_op_whole(lo, 1, "shape", y.dim, WN_MAX_RANK, &y.rank)) return false;
    return target_shape(lo, x, &y) && wn_op_set(lo, 0, wn_slot_reshape(lo, x, &y));
}

/* ---- axes of length 1 ---- */

bool wn_op_squeeze(struct wn_lower *lo, const struct wn_node *node)
{
    struct wn_slot x = wn_op_in(lo, 0);
    struct wn_shape s = wn_slot_shape(lo, x), y = {0};
    int64_t axes[WN_MAX_RANK];
    unsigned gone = 0;
    int n;
    (void)node;
    if (!wn_slot_ok(x) || !wn_op_list(lo, "axes", 13, 1, axes, WN_MAX_RANK, &n)) return false;
    if (n >= 0 && !wn_op_axes(lo, axes, n, s.rank, &gone)) return false;
    for (int d = 0; n < 0 && d < s.rank; d++) /* all of length 1, but never the batch, which has length 1 by chance */
        if (s.dim[d] == 1 && !(d == 0 && wn_slot_batched(lo, x))) gone |= 1u << d;
    for (int d = 0; d < s.rank; d++) {
        if (!(gone >> d & 1))
            y.dim[y.rank++] = s.dim[d];
        else if (s.dim[d] != 1)
            return wn_op_fail(lo, WN_BAD_MODEL, "axis %d has length %lld, not 1", d, (long long)s.dim[d]);
    }
    return wn_op_set(lo, 0, wn_slot_reshape(lo, x, &y));
}

bool wn_op_unsqueeze(struct wn_lower *lo, const struct wn_node *node)
{
    struct wn_slot x = wn_op_in(lo, 0);
    struct wn_shape s = wn_slot_shape(lo, x), y = {0};
    int64_t axes[WN_MAX_RANK];
    unsigned added;
    int n;
    (void)node;
    if (!wn_slot_ok(x) || !wn_op_list(lo, "axes", 13, 1, axes, WN_MAX_RANK, &n)) return false;
    if (n < 0) return wn_op_fail(lo, WN_BAD_MODEL, "'axes' is missing");
    y.rank = s.rank + n;
    if (y.rank > WN_MAX_RANK) return wn_op_fail(lo, WN_UNSUPPORTED, "more than %d axes", WN_MAX_RANK);
    if (!wn_op_axes(lo, axes, n, y.rank, &added)) return false;
    for (int d = 0, from = 0; d < y.rank; d++) y.dim[d] = added >> d & 1 ? 1 : s.dim[from++];
    if (wn_slot_batched(lo, x) && (added & 1)) return wn_op_fail(lo, WN_UNSUPPORTED, "it moves the batch from axis 0");
    return wn_op_set(lo, 0, wn_slot_reshape(lo, x, &y));
}

bool wn_op_expand(struct wn_lower *lo, const struct wn_node *node)
{
    struct wn_slot x = wn_op_in(lo, 0);
    struct wn_shape s = wn_slot_shape(lo, x), want, y;
    (void)node;
    if (!wn_slot_ok(x) || !wn_op_whole(lo, 1, "shape", want.dim, WN_MAX_RANK, &want.rank)) return false;
    if (!known_count(&want, -1, &(int64_t){0}) || !wn_shape_broadcast(&s, &want, &y))
        return wn_op_fail(lo, WN_BAD_MODEL, "its operand does not broadcast to its shape");
    return wn_op_set(lo, 0, wn_slot_expand(lo, x, &y));
}
