/* Pad: with a constant in one copy, with reflected or repeated edges by a table of places along each axis. */
#include <stdlib.h>
#include <string.h>

#include "op.h"

bool wn_op_pad(struct wn_lower *lo, const struct wn_node *node);

/* pads of every axis, from attribute or input, for all axes or for those in `axes` (opset 18). */
static bool read_pads(struct wn_lower *lo, int rank, int64_t *before, int64_t *after)
{
    int64_t pads[2 * WN_MAX_RANK], axes[WN_MAX_RANK];
    int n, n_axes = -1, axis;
    if (!wn_op_list(lo, "pads", 11, 1, pads, 2 * WN_MAX_RANK, &n)) return false;
    if (lo->graph->opset >= 18 && !wn_op_list(lo, "axes", 18, 3, axes, WN_MAX_RANK, &n_axes)) return false;
    int listed = n_axes < 0 ? rank : n_axes;
    if (n != 2 * listed)
        return wn_op_fail(lo, WN_BAD_MODEL, "'pads' does not have two entries for each of %d axes", listed);
    memset(before, 0, WN_MAX_RANK * sizeof *before);
    memset(after, 0, WN_MAX_RANK * sizeof *after);
    for (int i = 0; i < listed; i++) {
        if (!wn_op_axis(lo, n_axes < 0 ? i : axes[i], rank, &axis)) return false;
        if (pads[i] <= -INT32_MAX || pads[i] >= INT32_MAX || pads[i + listed] <= -INT32_MAX ||
            pads[i + listed] >= INT32_MAX)
            return wn_op_fail(lo, WN_BAD_MODEL, "pads of %lld and %lld", (long long)pads[i],
                              (long long)pads[i + listed]);
        before[axis] = pads[i];
        after[axis] = pads[i + listed];
    }
    return true;
}

/* Negative pads crop: that part is a slice, and 0 is left to pad. */
static struct wn_slot crop(struct wn_lower *lo, struct wn_slot x, int64_t *before, int64_t *after)
{
    for (int d = 0; wn_slot_ok(x) && d < wn_slot_shape(lo, x).rank; d++) {
        int64_t first = before[d] < 0 ? -before[d] : 0, last = after[d] < 0 ? -after[d] : 0;
        int64_t left = wn_slot_shape(lo, x).dim[d] - first - last;
        if (left < 0) return wn_slot_fail(lo, WN_BAD_MODEL, "negative pads leave nothing of axis %d", d);
        x = wn_slot_slice(lo, x, d, first, left, 1);
        if (before[d] < 0) before[d] = 0;
        if (after[d] < 0) after[d] = 0;
    }
    return x;
}

static bool read_fill(struct wn_lower *lo, float *fill)
{
    *fill = wn_op_float(lo, "value", 0);
    if (lo->graph->opset < 11 || !wn_op_has(lo, 2)) return true;
    const struct wn_tensor *t = wn_op_constant(lo, 2, "constant_value");
    if (!t) return false;
    if (wn_shape_count(&t->shape) != 1) return wn_op_fail(lo, WN_BAD_MODEL, "'constant_value' must be one number");
    *fill = t->f ? t->f[0] : (float)t->i[0];
    return true;
}

/* Where element i of an axis of `length` comes from, i from -before to length+after. */
static int64_t source(const char *mode, int64_t i, int64_t length)
{
    if (strcmp(mode, "edge") == 0) return i < 0 ? 0 : i >= length ? length - 1 : i;
    int64_t period = strcmp(mode, "wrap") == 0 ? length : length > 1 ? 2 * (length - 1) : 1;
    i = (i % period + period) % period;
    return i < length ? i : period - i;
}

static struct wn_slot pad_axis(struct wn_lower *lo, struct wn_slot x, int axis, int64_t before, int64_t after,
                               const char *mode)
{
    int64_t length = wn_slot_shape(lo, x).dim[axis], n = before + length + after;
    if (!wn_slot_ok(x) || (!before && !after)) return x;
    if (length == 0) return wn_slot_fail(lo, WN_BAD_MODEL, "axis %d has nothing to pad with", axis);
    if (!wn_slot_afford(lo, &(struct wn_shape){.rank = 1, .dim = {n}})) return WN_NO_SLOT;
    int64_t *index = calloc((size_t)n, sizeof *index);
    if (!index) return wn_slot_fail(lo, WN_NO_MEMORY, "no memory for %lld places", (long long)n);
    for (int64_t j = 0; j < n; j++) index[j] = source(mode, j - before, length);
    x = wn_slot_take(lo, x, axis, index, n);
    free(index);
    return x;
}

bool wn_op_pad(struct wn_lower *lo, const struct wn_node *node)
{
    struct wn_slot x = wn_op_in(lo, 0);
    int rank = wn_slot_shape(lo, x).rank;
    int64_t before[WN_MAX_RANK], after[WN_MAX_RANK];
    const char *mode = wn_op_string(lo, "mode", "constant");
    float fill;
    (void)node;
    if (!wn_slot_ok(x) || !read_pads(lo, rank, before, after) || !read_fill(lo, &fill)) return false;
    x = crop(lo, x, before, after);
    if (strcmp(mode, "constant") == 0) {
        struct wn_shape y = wn_slot_shape(lo, x);
        for (int d = 0; d < rank; d++) y.dim[d] += before[d] + after[d];
        if (x.tensor && !wn_slot_afford(lo, &y)) return false;
        return wn_op_set(lo, 0, wn_slot_pad(lo, x, before, after, fill));
    }
    if (strcmp(mode, "reflect") != 0 && strcmp(mode, "edge") != 0 && strcmp(mode, "wrap") != 0)
        return wn_op_fail(lo, WN_BAD_MODEL, "mode '%s' is unknown", wn_show(mode).text);
    for (int d = 0; d < rank; d++) x = pad_axis(lo, x, d, before[d], after[d], mode);
    return wn_op_set(lo, 0, x);
}
