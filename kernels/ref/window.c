/* Sliding windows: which cell of x a tap of the kernel meets. Knows nothing of what is done with the cell. */
#include "ref.h"

struct wn_ref_window wn_ref_window_of(const struct wn_window *win, const struct wn_shape *x, const struct wn_shape *y)
{
    struct wn_ref_window w = {.in_plane = 1, .out_plane = 1, .taps = 1};
    int missing = WN_MAX_SPATIAL - win->rank;
    for (int i = 0; i < WN_MAX_SPATIAL; i++) {
        int d = i - missing;
        w.axis[i] = d < 0 ? (struct wn_ref_axis){1, 1, 1, 1, 1, 0}
                          : (struct wn_ref_axis){x->dim[2 + d],  y->dim[2 + d],    win->kernel[d],
                                                 win->stride[d], win->dilation[d], win->pad_lo[d]};
        w.in_plane *= w.axis[i].in;
        w.out_plane *= w.axis[i].out;
        w.taps *= w.axis[i].kernel;
    }
    return w;
}

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

void wn_ref_axis_reach(const struct wn_ref_axis *axis, int64_t k, int64_t *shift, int64_t *begin, int64_t *end)
{
    int64_t s = k * axis->dilation - axis->pad;
    *shift = s;
    *begin = s >= 0 ? 0 : ceil_div(-s, axis->stride);
    *end = s >= axis->in ? 0 : ceil_div(axis->in - s, axis->stride);
    if (*end > axis->out) *end = axis->out;
}
