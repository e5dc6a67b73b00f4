/* The sliding window that convolutions and pools share: kernel, stride, dilation, pads, auto_pad, ceil_mode. */
#include <string.h>

#include "op.h"

#define MOST INT32_MAX /* of any one of them, so that sums of a few never overflow */

static bool sizes_ok(struct wn_lower *lo, const char *what, const int64_t *v, int n, int64_t least)
{
    for (int i = 0; i < n; i++)
        if (v[i] < least || v[i] >= MOST)
            return wn_op_fail(lo, WN_BAD_MODEL, "%s %lld is outside %lld..%d", what, (long long)v[i], (long long)least,
                              MOST - 1);
    return true;
}

/* A list with one entry an axis, or all `otherwise`. */
static bool axis_list(struct wn_lower *lo, const char *name, int rank, int64_t otherwise, int64_t *dst)
{
    int64_t list[WN_MAX_SPATIAL];
    int n;
    if (!wn_op_ints(lo, name, list, WN_MAX_SPATIAL, &n)) return false;
    if (n >= 0 && n != rank)
        return wn_op_fail(lo, WN_BAD_MODEL, "attribute '%s' has %d entries for %d axes", name, n, rank);
    for (int i = 0; i < rank; i++) dst[i] = n < 0 ? otherwise : list[i];
    return sizes_ok(lo, name, dst, rank, 1);
}

bool wn_op_window_sizes(struct wn_lower *lo, const struct wn_shape *x, const int64_t *kernel, struct wn_window *win)
{
    memset(win, 0, sizeof *win);
    win->rank = x->rank - 2;
    if (win->rank < 1 || win->rank > WN_MAX_SPATIAL)
        return wn_op_fail(lo, WN_UNSUPPORTED, "a window over a value of rank %d; 3 to 5 are supported", x->rank);
    if (!kernel && !wn_op_attr(lo, "kernel_shape")) return wn_op_fail(lo, WN_BAD_MODEL, "'kernel_shape' is missing");
    if (!axis_list(lo, "kernel_shape", win->rank, 1, win->kernel)) return false;
    for (int i = 0; kernel && i < win->rank; i++) {
        if (wn_op_attr(lo, "kernel_shape") && win->kernel[i] != kernel[i])
            return wn_op_fail(lo, WN_BAD_MODEL, "'kernel_shape' differs from the filter's shape");
        win->kernel[i] = kernel[i];
    }
    return sizes_ok(lo, "kernel_shape", win->kernel, win->rank, 1) &&
           axis_list(lo, "strides", win->rank, 1, win->stride) &&
           axis_list(lo, "dilations", win->rank, 1, win->dilation);
}

static bool explicit_pads(struct wn_lower *lo, struct wn_window *win)
{
    int64_t pads[2 * WN_MAX_SPATIAL] = {0};
    int n;
    if (!wn_op_ints(lo, "pads", pads, 2 * WN_MAX_SPATIAL, &n)) return false;
    if (n >= 0 && n != 2 * win->rank)
        return wn_op_fail(lo, WN_BAD_MODEL, "'pads' has %d entries for %d axes", n, win->rank);
    if (!sizes_ok(lo, "pads", pads, n < 0 ? 0 : n, 0)) return false;
    for (int i = 0; i < win->rank; i++) {
        win->pad_lo[i] = pads[i];
        win->pad_hi[i] = pads[i + win->rank];
    }
    return true;
}

/* Cells that one window spans. Below 2^62, as both factors are below 2^31. */
static int64_t reach(const struct wn_window *win, int i)
{
    return (win->kernel[i] - 1) * win->dilation[i] + 1;
}

/* ceil(in / stride) windows, what is missing split in two, the odd cell at the end or at the begin. */
static bool same_pads(struct wn_lower *lo, const struct wn_shape *x, bool upper, struct wn_window *win)
{
    for (int i = 0; i < win->rank; i++) {
        int64_t in = x->dim[2 + i], out = (in + win->stride[i] - 1) / win->stride[i];
        int64_t total = (out - 1) * win->stride[i] + reach(win, i) - in;
        if (total < 0) total = 0;
        if (total >= MOST) return wn_op_fail(lo, WN_BAD_MODEL, "auto_pad would add %lld cells", (long long)total);
        win->pad_lo[i] = upper ? total / 2 : total - total / 2;
        win->pad_hi[i] = total - win->pad_lo[i];
    }
    return true;
}

/* Lets the last window hang over the end, unless it would start behind the input and its first pad. */
static void round_up(const struct wn_shape *x, struct wn_window *win, int64_t *over)
{
    for (int i = 0; i < win->rank; i++) {
        int64_t padded = x->dim[2 + i] + win->pad_lo[i] + win->pad_hi[i], room = padded - reach(win, i);
        over[i] = 0;
        if (room < 0 || room % win->stride[i] == 0) continue;
        int64_t start = (room / win->stride[i] + 1) * win->stride[i];
        if (start >= x->dim[2 + i] + win->pad_lo[i]) continue;
        over[i] = start + reach(win, i) - padded;
        win->pad_hi[i] += over[i];
    }
}

bool wn_op_window(struct wn_lower *lo, const struct wn_shape *x, const int64_t *kernel, struct wn_window *win,
                  int64_t *over)
{
    if (!wn_op_window_sizes(lo, x, kernel, win)) return false;
    const char *mode = wn_op_string(lo, "auto_pad", "NOTSET");
    bool upper = strcmp(mode, "SAME_UPPER") == 0, lower = strcmp(mode, "SAME_LOWER") == 0;
    memset(over, 0, WN_MAX_SPATIAL * sizeof *over);
    if (upper || lower) return same_pads(lo, x, upper, win);
    if (strcmp(mode, "NOTSET") == 0 || strcmp(mode, "") == 0) {
        if (!explicit_pads(lo, win)) return false;
    } else if (strcmp(mode, "VALID") != 0)
        return wn_op_fail(lo, WN_BAD_MODEL, "auto_pad '%s' is unknown", wn_show(mode).text);
    if (wn_op_int(lo, "ceil_mode", 0)) round_up(x, win, over);
    return true;
}
