/* One small program around each primitive that has a derivative. */
#include "nets.h"

static struct path from_input(int x, int y)
{
    return (struct path){.shaken = x, .to = x, .from = y};
}

static int input(struct subject *s, struct wn_shape shape)
{
    return subject_input(s, shape, true, -2, 2);
}

/* ---- windows ---- */

static const struct wn_window windows[] = {
    {1, {3}, {1}, {1}, {1}, {1}},
    {2, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
    {3, {2, 2, 2}, {1, 2, 1}, {1, 1, 1}, {0, 1, 0}, {1, 0, 0}},
    {2, {3, 2}, {2, 3}, {1, 1}, {0, 1}, {1, 0}},
    {2, {2, 3}, {1, 1}, {2, 2}, {1, 2}, {0, 1}},
    {2, {1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}},
    {2, {1, 1}, {2, 2}, {1, 1}, {1, 1}, {1, 1}},
};
enum { W_1D, W_2D, W_3D, W_STRIDED, W_DILATED, W_POINT, W_POINT_SPREAD };

static struct wn_shape planes(int64_t n, int64_t c, int rank)
{
    return rank == 1 ? SHAPE(n, c, 7) : rank == 2 ? SHAPE(n, c, 5, 6) : SHAPE(n, c, 3, 4, 3);
}

static struct wn_shape filter(int64_t out, int64_t in, const struct wn_window *win)
{
    struct wn_shape w = {.rank = win->rank + 2, .dim = {out, in}};
    for (int i = 0; i < win->rank; i++) w.dim[2 + i] = win->kernel[i];
    return w;
}

static struct path conv(struct subject *s, int arg)
{
    const struct wn_window *win = &windows[arg & 15];
    int64_t groups = arg >> 4, per_group = groups == 4 ? 1 : 2;
    int x = input(s, planes(3, groups * per_group, win->rank));
    int w = subject_weight(s, filter(groups * 3, per_group, win), -1, 1);
    return from_input(x, wn_conv(s->p, x, w, subject_weight(s, SHAPE(groups * 3), -1, 1), win, groups));
}

/* A transposed convolution forward: its gradient is a convolution. */
static struct path conv_bwd(struct subject *s, int arg)
{
    const struct wn_window *win = &windows[arg & 15];
    int64_t groups = arg >> 4;
    struct wn_shape wide = planes(3, groups * 2, win->rank);
    int w = subject_weight(s, filter(groups * 3, 2, win), -1, 1);
    struct wn_shape narrow = wn_program_value(s->p, wn_conv(s->p, input(s, wide), w, WN_NONE, win, groups))->shape;
    int x = input(s, narrow);
    return from_input(x, wn_conv_bwd(s->p, x, w, subject_weight(s, SHAPE(groups * 2), -1, 1), win, groups, &wide));
}

static struct path maxpool(struct subject *s, int which)
{
    int x = input(s, planes(2, 3, windows[which].rank));
    return from_input(x, wn_maxpool(s->p, x, &windows[which], NULL));
}

static struct path avgpool(struct subject *s, int arg)
{
    int x = input(s, planes(2, 3, windows[arg & 15].rank));
    return from_input(x, wn_avgpool(s->p, x, &windows[arg & 15], arg >> 4));
}

/* ---- products ---- */

enum { TRANS_A = 1, TRANS_B = 2, X_IS_B = 4, BATCHES = 8, ONE = 16, SQUARE = 32 };

static struct path matmul(struct subject *s, int flags)
{
    bool ta = flags & TRANS_A, tb = flags & TRANS_B;
    struct wn_shape a = ta ? SHAPE(4, 3) : SHAPE(3, 4), b = tb ? SHAPE(5, 4) : SHAPE(4, 5);
    if (flags & BATCHES) {
        a = SHAPE(flags & X_IS_B && flags & ONE ? 1 : 3, a.dim[0], a.dim[1]);
        b = SHAPE(!(flags & X_IS_B) && flags & ONE ? 1 : 3, b.dim[0], b.dim[1]);
    }
    int x = input(s, flags & X_IS_B ? b : a), w = subject_weight(s, flags & X_IS_B ? a : b, -1, 1);
    if (flags & X_IS_B) return from_input(x, wn_matmul(s->p, w, ta, x, tb, WN_NONE));
    return from_input(x, wn_matmul(s->p, x, ta, w, tb, subject_weight(s, SHAPE(5), -1, 1)));
}

/* x x^T for each image, as in attention: both operands depend on the picture. */
static struct path gram(struct subject *s, int flags)
{
    int x = input(s, SHAPE(3, 2, 4));
    int y = flags & TRANS_A ? wn_matmul(s->p, x, true, x, false, WN_NONE) : wn_matmul(s->p, x, false, x, true, WN_NONE);
    return from_input(x, y);
}

/* A value (1,..) that depends on the picture, repeated over a batch. */
static struct path one_for_all(struct subject *s, int which)
{
    int x = subject_input(s, SHAPE(1, 3, 4), true, -2, 2), w = subject_weight(s, SHAPE(3, 4, 5), -1, 1);
    int v = subject_weight(s, SHAPE(3, 5, 3), -1, 1);
    return from_input(x, which ? wn_matmul(s->p, v, false, x, false, WN_NONE)
                               : wn_matmul(s->p, x, false, w, false, WN_NONE));
}

/* ---- elementwise ---- */

static struct path unary(struct subject *s, int kind)
{
    bool positive = kind == WN_UNARY_LOG || kind == WN_UNARY_SQRT || kind == WN_UNARY_POW;
    int x = subject_input(s, SHAPE(3, 4, 5), true, positive ? 0.25 : -5, positive ? 2 : 5);
    float a = 0.25f, b = 0.5f;
    if (kind == WN_UNARY_CLIP) a = -0.5f, b = 3;
    if (kind == WN_UNARY_POW) a = 1.5f;
    return from_input(x, wn_unary(s->p, (enum wn_unary)kind, x, a, b));
}

enum { LEFT, RIGHT, BOTH, TWICE };

static struct path binary(struct subject *s, int arg)
{
    enum wn_binary kind = (enum wn_binary)(arg & 15);
    int x = subject_input(s, SHAPE(3, 2, 4), true, 0.5, 2), w = subject_weight(s, SHAPE(1, 2, 4), 0.5, 2);
    switch (arg >> 4) {
    case LEFT: return from_input(x, wn_binary(s->p, kind, x, w));
    case RIGHT: return from_input(x, wn_binary(s->p, kind, w, x));
    case TWICE: return from_input(x, wn_binary(s->p, kind, x, x));
    default:
        return from_input(x, wn_binary(s->p, kind, wn_linear(s->p, x, 2, 0), wn_unary(s->p, WN_UNARY_EXP, x, 0, 0)));
    }
}

/* What is stretched gets the sum of its gradients. shape: of x; the other operand is stretched to (3,4,2,5). */
static struct path stretched(struct subject *s, int which)
{
    struct wn_shape shapes[] = {SHAPE(3, 4, 1, 1), SHAPE(3, 1, 2, 5), SHAPE(3, 1, 1, 1), SHAPE(3, 4, 2, 1)};
    int x = input(s, shapes[which & 3]), w = subject_weight(s, SHAPE(1, 4, 2, 5), -1, 1);
    int other = wn_mul(s->p, w, wn_unary(s->p, WN_UNARY_TANH, x, 0, 0));
    return from_input(x, which & 4 ? wn_mul(s->p, x, other) : wn_mul(s->p, other, x));
}

static struct path against_low_rank(struct subject *s, int which)
{
    int x = input(s, SHAPE(3, 4, 5)), w = subject_weight(s, which ? SHAPE(4, 1) : SHAPE(5), -1, 1);
    return from_input(x, wn_mul(s->p, w, x));
}

static struct path reduce(struct subject *s, int arg)
{
    int x = input(s, SHAPE(3, 4, 2, 5));
    int y = wn_reduce(s->p, (enum wn_reduce)(arg & 15), wn_unary(s->p, WN_UNARY_SQUARE, x, 0, 0), (unsigned)arg >> 4);
    return from_input(x, y);
}

/* The maximum only keeps the exponential finite: the derivative passes beside it. */
static struct path softmax(struct subject *s, int axes)
{
    int x = input(s, SHAPE(3, 4, 5));
    int shifted = wn_binary(s->p, WN_BINARY_SUB, x, wn_reduce(s->p, WN_REDUCE_MAX, x, (unsigned)axes));
    int e = wn_unary(s->p, WN_UNARY_EXP, shifted, 0, 0);
    return from_input(x, wn_binary(s->p, WN_BINARY_DIV, e, wn_reduce(s->p, WN_REDUCE_SUM, e, (unsigned)axes)));
}

/* ---- moving ---- */

static struct path transpose(struct subject *s, int which)
{
    static const int perms[][4] = {{0, 2, 3, 1}, {0, 1, 3, 2}, {0, 3, 2, 1}, {1, 0, 2, 3}};
    int x = input(s, SHAPE(3, 2, 4, 5));
    return from_input(x, wn_transpose(s->p, x, perms[which]));
}

static struct path slice(struct subject *s, int which)
{
    static const int64_t rows[][4] = {{1, 1, 2, 1}, {3, 0, 3, 2}, {3, 4, 3, -2}, {2, 3, 4, -1}, {3, 4, 1, 1}};
    int x = input(s, SHAPE(3, 4, 4, 5));
    return from_input(x, wn_slice(s->p, x, (int)rows[which][0], rows[which][1], rows[which][2], rows[which][3]));
}

static struct path pad(struct subject *s, int which)
{
    static const int64_t lo[][4] = {{0, 1, 2, 0}, {0, -1, 1, 2}, {0, 0, -2, -1}},
                         hi[][4] = {{0, 0, 1, 3}, {0, 2, -1, 0}, {0, 0, -1, -3}};
    int x = input(s, SHAPE(3, 2, 4, 5));
    return from_input(x, wn_pad(s->p, x, lo[which], hi[which], 0.5f));
}

static struct path expand(struct subject *s, int which)
{
    struct wn_shape from[] = {SHAPE(3, 2, 1, 1), SHAPE(3, 1, 4, 1), SHAPE(3, 1, 1, 5)}, to = SHAPE(3, 2, 4, 5);
    int x = input(s, from[which]);
    return from_input(x, wn_expand(s->p, x, &to));
}

static struct path reshape(struct subject *s, int unused)
{
    (void)unused;
    struct wn_shape flat = SHAPE(3, 24), other = SHAPE(3, 4, 6);
    int x = input(s, SHAPE(3, 2, 3, 4));
    return from_input(x, wn_reshape(s->p, wn_relu(s->p, wn_reshape(s->p, x, &flat)), &other));
}

/* Groups of channels interleaved, as ShuffleNet does. */
static struct path shuffle(struct subject *s, int unused)
{
    (void)unused;
    struct wn_shape apart = SHAPE(3, 2, 3, 4, 2), back = SHAPE(3, 6, 4, 2);
    int x = input(s, back);
    return from_input(x,
                      wn_reshape(s->p, wn_transpose(s->p, wn_reshape(s->p, x, &apart), (int[]){0, 2, 1, 3, 4}), &back));
}

static struct path concat(struct subject *s, int axis)
{
    int x = input(s, SHAPE(3, 2, 4));
    int parts[] = {x, subject_weight(s, SHAPE(3, 2, 4), -1, 1), wn_unary(s->p, WN_UNARY_SQUARE, x, 0, 0), x};
    return from_input(x, wn_concat(s->p, parts, 4, axis));
}

static struct path axis_map(struct subject *s, int axis)
{
    static const int32_t index[] = {0, 1, -1, 3, 1, 1, 3, -1, 0, 2};
    static const float weight[] = {0.5f, 2, 9, -1, 1.5f, 0.25f, 3, 7, 1, 1};
    struct wn_taps taps = {4, 5, 2, index, weight};
    int x = input(s, axis == 1 ? SHAPE(3, 4, 2) : axis == 2 ? SHAPE(3, 2, 4) : SHAPE(4, 2, 3));
    return from_input(x, wn_axis_map(s->p, x, axis, &taps));
}

#define UNARY(id, name) {"unary_" name, unary, WN_UNARY_##id, false},

const struct grad_case primitive_cases[] = {
    {"conv_1d", conv, W_1D | 1 << 4, false},
    {"conv_2d", conv, W_2D | 1 << 4, false},
    {"conv_3d", conv, W_3D | 1 << 4, false},
    {"conv_strided", conv, W_STRIDED | 1 << 4, false},
    {"conv_dilated_asymmetric", conv, W_DILATED | 1 << 4, false},
    {"conv_1x1", conv, W_POINT | 1 << 4, false},
    {"conv_1x1_stride_2_padded", conv, W_POINT_SPREAD | 1 << 4, false},
    {"conv_grouped", conv, W_2D | 3 << 4, false},
    {"conv_depthwise_strided", conv, W_STRIDED | 4 << 4, false},
    {"conv_transposed", conv_bwd, W_STRIDED | 1 << 4, false},
    {"conv_transposed_grouped", conv_bwd, W_DILATED | 2 << 4, false},
    {"maxpool_1d", maxpool, W_1D, false},
    {"maxpool_2d", maxpool, W_2D, false},
    {"maxpool_3d", maxpool, W_3D, false},
    {"maxpool_strided", maxpool, W_STRIDED, false},
    {"avgpool_1d", avgpool, W_1D, false},
    {"avgpool_2d", avgpool, W_2D, false},
    {"avgpool_3d", avgpool, W_3D, false},
    {"avgpool_2d_count_pad", avgpool, W_2D | 1 << 4, false},
    {"avgpool_strided_count_pad", avgpool, W_STRIDED | 1 << 4, false},
    {"matmul", matmul, 0, false},
    {"matmul_trans_a", matmul, TRANS_A, true},
    {"matmul_trans_b", matmul, TRANS_B, false},
    {"matmul_trans_both", matmul, TRANS_A | TRANS_B, true},
    {"matmul_x_is_b", matmul, X_IS_B, true},
    {"matmul_x_is_b_trans_a", matmul, X_IS_B | TRANS_A, true},
    {"matmul_x_is_b_trans_b", matmul, X_IS_B | TRANS_B, true},
    {"matmul_x_is_b_trans_both", matmul, X_IS_B | TRANS_A | TRANS_B, true},
    {"matmul_batches_one_weight", matmul, BATCHES | ONE, false},
    {"matmul_batches_one_weight_trans_both", matmul, BATCHES | ONE | TRANS_A | TRANS_B, false},
    {"matmul_batches_x_is_b", matmul, BATCHES | ONE | X_IS_B, false},
    {"matmul_batches_x_is_b_trans_b", matmul, BATCHES | ONE | X_IS_B | TRANS_B, false},
    {"matmul_batches_x_is_b_trans_a", matmul, BATCHES | ONE | X_IS_B | TRANS_A, false},
    {"matmul_gram", gram, 0, false},
    {"matmul_gram_of_columns", gram, TRANS_A, false},
    {"matmul_one_a_for_all", one_for_all, 0, true},
    {"matmul_one_b_for_all", one_for_all, 1, true},
#define X(id, name, from, fwd, bwd) UNARY(id, name)
#include <whynot/unary.def>
#undef X
    {"add_twice", binary, WN_BINARY_ADD | TWICE << 4, false},
    {"sub_left", binary, WN_BINARY_SUB | LEFT << 4, false},
    {"sub_right", binary, WN_BINARY_SUB | RIGHT << 4, false},
    {"sub_both", binary, WN_BINARY_SUB | BOTH << 4, false},
    {"mul_both", binary, WN_BINARY_MUL | BOTH << 4, false},
    {"mul_twice", binary, WN_BINARY_MUL | TWICE << 4, false},
    {"div_left", binary, WN_BINARY_DIV | LEFT << 4, false},
    {"div_right", binary, WN_BINARY_DIV | RIGHT << 4, false},
    {"div_both", binary, WN_BINARY_DIV | BOTH << 4, false},
    {"pow_both", binary, WN_BINARY_POW | BOTH << 4, false},
    {"pow_left", binary, WN_BINARY_POW | LEFT << 4, false},
    {"pow_right", binary, WN_BINARY_POW | RIGHT << 4, false},
    {"max_left", binary, WN_BINARY_MAX | LEFT << 4, false},
    {"min_right", binary, WN_BINARY_MIN | RIGHT << 4, false},
    {"max_both", binary, WN_BINARY_MAX | BOTH << 4, false},
    {"min_both", binary, WN_BINARY_MIN | BOTH << 4, false},
    {"stretched_per_channel", stretched, 0, false},
    {"stretched_per_cell", stretched, 1, false},
    {"stretched_per_image", stretched, 2, false},
    {"stretched_per_row", stretched, 3 | 4, false},
    {"mul_low_rank_row", against_low_rank, 0, false},
    {"mul_low_rank_column", against_low_rank, 1, false},
    {"sum_of_planes", reduce, WN_REDUCE_SUM | 12 << 4, false},
    {"sum_of_channels", reduce, WN_REDUCE_SUM | 2 << 4, false},
    {"mean_of_planes", reduce, WN_REDUCE_MEAN | 12 << 4, false},
    {"mean_of_all_but_batch", reduce, WN_REDUCE_MEAN | 14 << 4, false},
    {"sum_over_batch", reduce, WN_REDUCE_SUM | 1 << 4, true},
    {"softmax_last", softmax, 4, false},
    {"softmax_middle", softmax, 2, false},
    {"transpose_to_channels_last", transpose, 0, false},
    {"transpose_planes", transpose, 1, false},
    {"transpose_reversed", transpose, 2, false},
    {"transpose_batch", transpose, 3, true},
    {"slice_channels", slice, 0, false},
    {"slice_every_second", slice, 1, false},
    {"slice_backwards_every_second", slice, 2, false},
    {"slice_backwards", slice, 3, false},
    {"slice_last", slice, 4, false},
    {"pad", pad, 0, false},
    {"pad_and_crop", pad, 1, false},
    {"crop", pad, 2, false},
    {"expand_planes", expand, 0, false},
    {"expand_outer", expand, 1, false},
    {"expand_rows", expand, 2, false},
    {"reshape", reshape, 0, false},
    {"channel_shuffle", shuffle, 0, false},
    {"concat_channels", concat, 1, false},
    {"concat_last", concat, 2, false},
    {"concat_batch", concat, 0, true},
    {"axis_map_channels", axis_map, 1, false},
    {"axis_map_last", axis_map, 2, false},
    {"axis_map_batch", axis_map, 0, true},
    {0},
};
