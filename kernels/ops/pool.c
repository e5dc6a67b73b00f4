/* MaxPool, AveragePool and their global forms. */
#include <string.h>

#include "op.h"

bool wn_op_max_pool(struct wn_lower *lo, const struct wn_node *node);
bool wn_op_average_pool(struct wn_lower *lo, const struct wn_node *node);
bool wn_op_global_average_pool(struct wn_lower *lo, const struct wn_node *node);
bool wn_op_global_max_pool(struct wn_lower *lo, const struct wn_node *node);

/* Indices count in the whole tensor; the primitive's count in one (N,C) plane. */
static struct wn_slot whole_index(struct wn_lower *lo, int index, const struct wn_shape *x)
{
    struct wn_shape planes = {.rank = x->rank, .dim = {x->dim[0], x->dim[1], 1, 1, 1}};
    int64_t n = wn_shape_count(&planes), plane = 1;
    for (int d = 2; d < x->rank; d++) plane *= x->dim[d];
    if (n * plane > 1 << 24) return wn_slot_fail(lo, WN_UNSUPPORTED, "indices beyond 2^24 do not fit a float");
    struct wn_slot base = wn_slot_afford(lo, &planes) ? wn_slot_own(lo, wn_fold_new(WN_F32, &planes)) : WN_NO_SLOT;
    for (int64_t i = 0; base.tensor && i < n; i++) base.tensor->f[i] = (float)(i * plane);
    return wn_slot_binary(lo, WN_FOLD_ADD, wn_slot_of(lo, index), base);
}

/* storage_order 1 counts the first spatial axis fastest: pool the picture with its spatial axes turned around. */
static struct wn_slot column_index(struct wn_lower *lo, int x, const struct wn_shape *xs, const struct wn_window *win)
{
    int perm[WN_MAX_RANK] = {0, 1}, r = win->rank, index;
    struct wn_window turned = {.rank = r};
    for (int i = 0; i < r; i++) {
        int j = r - 1 - i;
        perm[2 + i] = 2 + j;
        turned.kernel[i] = win->kernel[j];
        turned.stride[i] = win->stride[j];
        turned.dilation[i] = win->dilation[j];
        turned.pad_lo[i] = win->pad_lo[j];
        turned.pad_hi[i] = win->pad_hi[j];
    }
    if (wn_maxpool(lo->program, wn_transpose(lo->program, x, perm), &turned, &index) < 0) return wn_slot_of(lo, -1);
    return whole_index(lo, wn_transpose(lo->program, index, perm), xs);
}

bool wn_op_max_pool(struct wn_lower *lo, const struct wn_node *node)
{
    struct wn_window win;
    int64_t over[WN_MAX_SPATIAL];
    int x = wn_op_value(lo, 0), index;
    (void)node;
    if (x < 0) return false;
    struct wn_shape xs = wn_program_value(lo->program, x)->shape;
    if (!wn_op_window(lo, &xs, NULL, &win, over)) return false;
    int y = wn_maxpool(lo->program, x, &win, &index);
    if (!wn_op_set_value(lo, 0, y)) return false;
    if (!wn_op_wants(lo, 1)) return true;
    bool columns = wn_op_int(lo, "storage_order", 0) == 1;
    return wn_op_set(lo, 1, columns ? column_index(lo, x, &xs, &win) : whole_index(lo, index, &xs));
}

/* Cells that ceil_mode alone added are never counted, but with count_include_pad the real pads are: those are made
 * first. */
static struct wn_slot count_true_pads(struct wn_lower *lo, int x, struct wn_window *win, const int64_t *over)
{
    int64_t before[WN_MAX_RANK] = {0}, after[WN_MAX_RANK] = {0};
    for (int i = 0; i < win->rank; i++) {
        before[2 + i] = win->pad_lo[i];
        after[2 + i] = win->pad_hi[i] - over[i];
        win->pad_lo[i] = 0;
        win->pad_hi[i] = over[i];
    }
    return wn_slot_of(lo, wn_avgpool(lo->program, wn_pad(lo->program, x, before, after, 0), win, false));
}

bool wn_op_average_pool(struct wn_lower *lo, const struct wn_node *node)
{
    struct wn_window win;
    int64_t over[WN_MAX_SPATIAL], hangs = 0;
    int x = wn_op_value(lo, 0);
    (void)node;
    if (x < 0) return false;
    struct wn_shape xs = wn_program_value(lo->program, x)->shape;
    if (!wn_op_window(lo, &xs, NULL, &win, over)) return false;
    bool count = wn_op_int(lo, "count_include_pad", 0) != 0;
    for (int i = 0; i < win.rank; i++) hangs |= over[i];
    if (count && hangs) return wn_op_set(lo, 0, count_true_pads(lo, x, &win, over));
    return wn_op_set_value(lo, 0, wn_avgpool(lo->program, x, &win, count));
}

/* Bits of all axes behind the channels. */
static bool spatial_axes(struct wn_lower *lo, struct wn_slot x, unsigned *axes)
{
    int rank = wn_slot_shape(lo, x).rank;
    *axes = 0;
    if (!wn_slot_ok(x)) return false;
    if (rank < 3) return wn_op_fail(lo, WN_BAD_MODEL, "a value of rank %d has no spatial axes", rank);
    *axes = (1u << rank) - 4;
    return true;
}

bool wn_op_global_average_pool(struct wn_lower *lo, const struct wn_node *node)
{
    unsigned axes;
    struct wn_slot x = wn_op_in(lo, 0);
    (void)node;
    return spatial_axes(lo, x, &axes) && wn_op_set(lo, 0, wn_slot_reduce(lo, WN_REDUCE_MEAN, x, axes));
}

bool wn_op_global_max_pool(struct wn_lower *lo, const struct wn_node *node)
{
    unsigned axes;
    struct wn_slot x = wn_op_in(lo, 0);
    (void)node;
    return spatial_axes(lo, x, &axes) && wn_op_set(lo, 0, wn_slot_largest(lo, x, axes));
}
