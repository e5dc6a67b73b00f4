/* Conv and ConvTranspose. A transposed convolution is the gradient of a convolution with the same filter. */
#include <string.h>

#include "op.h"

bool wn_op_conv(struct wn_lower *lo, const struct wn_node *node);
bool wn_op_conv_transpose(struct wn_lower *lo, const struct wn_node *node);

/* Operands that both have; shapes are copies. */
struct operands {
    int x, w, bias;
    struct wn_shape xs, ws;
    int64_t groups;
};

static bool read_operands(struct wn_lower *lo, struct operands *o)
{
    o->x = wn_op_value(lo, 0);
    o->w = wn_op_value(lo, 1);
    o->bias = wn_op_has(lo, 2) ? wn_op_value(lo, 2) : WN_NONE;
    if (o->x < 0 || o->w < 0 || (wn_op_has(lo, 2) && o->bias < 0)) return false;
    o->xs = wn_program_value(lo->program, o->x)->shape;
    o->ws = wn_program_value(lo->program, o->w)->shape;
    o->groups = wn_op_int(lo, "group", 1);
    if (wn_program_value(lo->program, o->w)->batched)
        return wn_op_fail(lo, WN_UNSUPPORTED, "a filter that depends on the picture");
    if (o->ws.rank != o->xs.rank || o->xs.rank < 3)
        return wn_op_fail(lo, WN_BAD_MODEL, "a filter of rank %d for a value of rank %d", o->ws.rank, o->xs.rank);
    if (o->groups < 1 || o->xs.dim[1] % o->groups || o->ws.dim[0] % o->groups)
        return wn_op_fail(lo, WN_BAD_MODEL, "group %lld does not divide its %lld and %lld channels",
                          (long long)o->groups, (long long)o->xs.dim[1], (long long)o->ws.dim[0]);
    return true;
}

bool wn_op_conv(struct wn_lower *lo, const struct wn_node *node)
{
    struct operands o;
    struct wn_window win;
    int64_t over[WN_MAX_SPATIAL];
    (void)node;
    if (!read_operands(lo, &o) || !wn_op_window(lo, &o.xs, o.ws.dim + 2, &win, over)) return false;
    return wn_op_set_value(lo, 0, wn_conv(lo->program, o.x, o.w, o.bias, &win, o.groups));
}

/* Output length of axis i, and its pads: from `pads`, or from output_shape or auto_pad, which leave the pads to be
 * found. */
static bool transpose_axis(struct wn_lower *lo, int64_t in, int i, int64_t extra, int64_t wanted, bool upper,
                           struct wn_window *win, int64_t *out)
{
    int64_t full = (in - 1) * win->stride[i] + extra + (win->kernel[i] - 1) * win->dilation[i] + 1;
    if (wanted >= 0) {
        int64_t total = full - wanted;
        if (total < 0) total = 0;
        win->pad_lo[i] = upper ? total / 2 : total - total / 2;
        win->pad_hi[i] = total - win->pad_lo[i];
        *out = wanted;
    } else
        *out = full - win->pad_lo[i] - win->pad_hi[i];
    if (*out < 1 || *out >= INT32_MAX)
        return wn_op_fail(lo, WN_BAD_MODEL, "its output would have %lld cells along spatial axis %d", (long long)*out,
                          i);
    /* What the convolution that this is the gradient of leaves over at the end of its input. */
    win->pad_hi[i] = (in - 1) * win->stride[i] + (win->kernel[i] - 1) * win->dilation[i] + 1 - *out - win->pad_lo[i];
    int64_t left = win->pad_hi[i] < 0 ? -win->pad_hi[i] : 0;
    if (left >= win->stride[i])
        return wn_op_fail(lo, WN_UNSUPPORTED, "output_padding of a stride (%lld) or more", (long long)win->stride[i]);
    win->pad_hi[i] += left;
    return true;
}

static bool extras(struct wn_lower *lo, const char *name, int rank, int64_t otherwise, int64_t *dst)
{
    int64_t list[WN_MAX_RANK];
    int n;
    if (!wn_op_ints(lo, name, list, WN_MAX_RANK, &n)) return false;
    if (n >= 0 && n != rank && n != rank + 2)
        return wn_op_fail(lo, WN_BAD_MODEL, "'%s' has %d entries for %d axes", name, n, rank);
    for (int i = 0; i < rank; i++) {
        dst[i] = n < 0 ? otherwise : list[n - rank + i];
        if (n >= 0 && (dst[i] < 0 || dst[i] >= INT32_MAX))
            return wn_op_fail(lo, WN_BAD_MODEL, "%s %lld", name, (long long)dst[i]);
    }
    return true;
}

bool wn_op_conv_transpose(struct wn_lower *lo, const struct wn_node *node)
{
    struct operands o;
    struct wn_window win;
    int64_t over[WN_MAX_SPATIAL], extra[WN_MAX_SPATIAL], wanted[WN_MAX_SPATIAL];
    (void)node;
    if (!read_operands(lo, &o) || !wn_op_window(lo, &o.xs, o.ws.dim + 2, &win, over)) return false;
    if (!extras(lo, "output_padding", win.rank, 0, extra) || !extras(lo, "output_shape", win.rank, -1, wanted))
        return false;
    const char *mode = wn_op_string(lo, "auto_pad", "NOTSET");
    struct wn_shape y = o.xs;
    y.dim[1] = o.ws.dim[1] * o.groups;
    for (int i = 0; i < win.rank; i++) { /* analyzer: extras() filled as many */
        if (strncmp(mode, "SAME", 4) == 0 && wanted[i] < 0) wanted[i] = o.xs.dim[2 + i] * win.stride[i];
        bool upper = strcmp(mode, "SAME_UPPER") == 0;
        /* analyzer: as above */
        if (!transpose_axis(lo, o.xs.dim[2 + i], i, extra[i], wanted[i], upper, &win, &y.dim[2 + i])) return false;
    }
    return wn_op_set_value(lo, 0, wn_conv_bwd(lo->program, o.x, o.w, o.bias, &win, o.groups, &y));
}
