/* Convolutions: ranks, groups, dilations, pads, strides, the fused patterns, and the gradient. */
#include "cases.h"

struct wn_window random_window(struct subject *s, int rank, int64_t kernel, int64_t stride, int64_t dilation,
                               int64_t pad)
{
    struct wn_window win = {.rank = rank};
    for (int i = 0; i < rank; i++) {
        win.kernel[i] = kernel;
        win.stride[i] = stride;
        win.dilation[i] = dilation;
        win.pad_lo[i] = pad ? rng_below(&s->rng, pad + 1) : 0;
        win.pad_hi[i] = pad ? rng_below(&s->rng, pad + 1) : 0;
    }
    return win;
}

struct wn_shape plane_shape(struct subject *s, int64_t n, int64_t c, const struct wn_window *win)
{
    struct wn_shape x = {.rank = win->rank + 2, .dim = {n, c}};
    for (int i = 0; i < win->rank; i++) {
        int64_t reach = (win->kernel[i] - 1) * win->dilation[i] + 1 - win->pad_lo[i] - win->pad_hi[i];
        int64_t side = win->rank == 3 ? PICK(s, 1, 3, 5) : PICK(s, 1, 7, 13, 14);
        x.dim[2 + i] = side > reach ? side : reach;
    }
    return x;
}

enum form { PLAIN_1D = 1, PLAIN_2D, PLAIN_3D, POINTWISE, STRIDED, DILATED, PADDED, GROUPED, DEPTHWISE, LONG, PICTURE };

struct layer {
    struct wn_window win;
    struct wn_shape x, w;
    int64_t groups;
};

static struct layer random_layer(struct subject *s, enum form form)
{
    struct layer l = {.groups = 1};
    int rank = form <= PLAIN_3D ? (int)form : 2;
    int64_t per_group = form == DEPTHWISE ? 1 : PICK(s, 1, 3, 7, 31, 33), outs = PICK(s, 1, 3, 7, 31, 33);
    if (form == GROUPED) l.groups = PICK(s, 2, 3, 5), per_group = PICK(s, 1, 2, 7), outs = PICK(s, 1, 3);
    if (form == DEPTHWISE) l.groups = PICK(s, 3, 16, 33), outs = PICK(s, 1, 1, 2);
    if (form == PICTURE) per_group = PICK(s, 2, 3, 4);
    int64_t kernel = form == POINTWISE ? 1 : form == LONG ? 7 : PICK(s, 2, 3, 5);
    if (rank == 3) kernel = 3, per_group = PICK(s, 1, 3, 7), outs = PICK(s, 1, 3, 7);
    int64_t stride = form == STRIDED ? PICK(s, 2, 3) : form == LONG ? 2 : PICK(s, 1, 1, 2);
    l.win = random_window(s, rank, kernel, stride, form == DILATED ? PICK(s, 2, 3) : 1,
                          form == PADDED      ? kernel - 1
                          : form == POINTWISE ? 0
                                              : kernel / 2);
    if (form == PADDED) l.win.kernel[0] = 1, l.win.pad_lo[0] = 0; /* and not square */
    if (form == PICTURE)
        l.win.kernel[0] = PICK(s, 1, 3, 7, 11), l.win.kernel[1] = PICK(s, 3, 5, 7), l.win.stride[0] = PICK(s, 1, 2, 4);
    l.x = plane_shape(s, PICK(s, 1, 1, 2, 3), per_group * l.groups, &l.win);
    l.w = (struct wn_shape){.rank = rank + 2, .dim = {outs * l.groups, per_group}};
    for (int i = 0; i < rank; i++) l.w.dim[2 + i] = l.win.kernel[i];
    return l;
}

static void conv(struct subject *s, int form)
{
    struct layer l = random_layer(s, form);
    int x = subject_input(s, l.x, true, -1, 1), w = subject_weight(s, l.w, -1, 1);
    int bias = rng_below(&s->rng, 2) ? subject_weight(s, SHAPE(l.w.dim[0]), -1, 1) : WN_NONE;
    subject_output(s, wn_conv(s->p, x, w, bias, &l.win, l.groups));
}

static void conv_bwd(struct subject *s, int form)
{
    struct layer l = random_layer(s, form);
    int probe =
        wn_conv(s->p, subject_input(s, l.x, true, -1, 1), subject_weight(s, l.w, -1, 1), WN_NONE, &l.win, l.groups);
    int dy = subject_input(s, wn_program_value(s->p, probe)->shape, true, -1, 1);
    int bias = rng_below(&s->rng, 4) ? WN_NONE : subject_weight(s, SHAPE(l.x.dim[1]), -1, 1);
    subject_output(s, wn_conv_bwd(s->p, dy, subject_weight(s, l.w, -1, 1), bias, &l.win, l.groups, &l.x));
}

/* As behind a ReLU and a max-pool: most of the gradient is 0, in places all of it. */
static void conv_bwd_picture(struct subject *s, int unused)
{
    (void)unused;
    struct layer l = random_layer(s, PICTURE);
    int probe =
        wn_conv(s->p, subject_input(s, l.x, true, -1, 1), subject_weight(s, l.w, -1, 1), WN_NONE, &l.win, l.groups);
    int dy = wn_relu(s->p, subject_input(s, wn_program_value(s->p, probe)->shape, true, -2, 1));
    int bias = rng_below(&s->rng, 4) ? WN_NONE : subject_weight(s, SHAPE(l.x.dim[1]), -1, 1);
    subject_output(s, wn_conv_bwd(s->p, dy, subject_weight(s, l.w, -1, 1), bias, &l.win, l.groups, &l.x));
}

/* bit 0: bias, bit 1: residual; the rest: activation + 1, or none. */
static void conv_fused(struct subject *s, int what)
{
    struct layer l = random_layer(s, (enum form)PICK(s, PLAIN_2D, POINTWISE, PADDED, DEPTHWISE, GROUPED));
    int bias = what & 1 ? subject_weight(s, SHAPE(l.w.dim[0]), -1, 1) : WN_NONE, act = (what >> 2) - 1;
    int y = wn_conv(s->p, subject_input(s, l.x, true, -1, 1), subject_weight(s, l.w, -1, 1), bias, &l.win, l.groups);
    if (what & 2) y = wn_add(s->p, y, subject_input(s, wn_program_value(s->p, y)->shape, true, -1, 1));
    if (act >= 0) y = wn_unary(s->p, (enum wn_unary)act, y, act == WN_UNARY_CLIP ? 0.0f : 0.25f, 6);
    subject_output(s, y);
}

/* The bias added by a step of its own, as (1,C,1,1), on either side. */
static void conv_added_bias(struct subject *s, int swap)
{
    struct layer l = random_layer(s, PLAIN_2D);
    int y = wn_conv(s->p, subject_input(s, l.x, true, -1, 1), subject_weight(s, l.w, -1, 1), WN_NONE, &l.win, l.groups);
    int bias = subject_weight(s, SHAPE(1, l.w.dim[0], 1, 1), -1, 1);
    subject_output(s, wn_relu(s->p, swap ? wn_add(s->p, bias, y) : wn_add(s->p, y, bias)));
}

/* The sum is read as well, and so cannot disappear into the convolution. */
static void conv_relu_both_read(struct subject *s, int unused)
{
    (void)unused;
    struct layer l = random_layer(s, PLAIN_2D);
    int y = wn_conv(s->p, subject_input(s, l.x, true, -1, 1), subject_weight(s, l.w, -1, 1), WN_NONE, &l.win, l.groups);
    subject_output(s, y);
    subject_output(s, wn_relu(s->p, y));
}

#define FUSED(bias, residual, act) ((bias) | (residual) << 1 | ((act) + 1) << 2)

const struct prim_case conv_cases[] = {
    {"conv_1d", conv, PLAIN_1D},
    {"conv_2d", conv, PLAIN_2D},
    {"conv_3d", conv, PLAIN_3D},
    {"conv_1x1", conv, POINTWISE},
    {"conv_strided", conv, STRIDED},
    {"conv_dilated", conv, DILATED},
    {"conv_asymmetric_pads_oblong_kernel", conv, PADDED},
    {"conv_grouped", conv, GROUPED},
    {"conv_depthwise", conv, DEPTHWISE},
    {"conv_7x7_stride_2", conv, LONG},
    {"conv_bias_relu", conv_fused, FUSED(1, 0, WN_UNARY_RELU)},
    {"conv_residual", conv_fused, FUSED(0, 1, -1)},
    {"conv_bias_residual_relu", conv_fused, FUSED(1, 1, WN_UNARY_RELU)},
    {"conv_bias_relu6", conv_fused, FUSED(1, 0, WN_UNARY_CLIP)},
    {"conv_bias_leaky", conv_fused, FUSED(1, 0, WN_UNARY_LEAKY)},
    {"conv_bias_sigmoid", conv_fused, FUSED(1, 0, WN_UNARY_SIGMOID)},
    {"conv_bias_hard_swish", conv_fused, FUSED(1, 0, WN_UNARY_HARDSWISH)},
    {"conv_bias_added_by_a_step", conv_added_bias, 0},
    {"conv_bias_added_by_a_step_swapped", conv_added_bias, 1},
    {"conv_relu_both_read", conv_relu_both_read, 0},
    {"conv_bwd_1d", conv_bwd, PLAIN_1D},
    {"conv_bwd_2d", conv_bwd, PLAIN_2D},
    {"conv_bwd_3d", conv_bwd, PLAIN_3D},
    {"conv_bwd_1x1", conv_bwd, POINTWISE},
    {"conv_bwd_strided", conv_bwd, STRIDED},
    {"conv_bwd_dilated", conv_bwd, DILATED},
    {"conv_bwd_asymmetric_pads_oblong_kernel", conv_bwd, PADDED},
    {"conv_bwd_grouped", conv_bwd, GROUPED},
    {"conv_bwd_depthwise", conv_bwd, DEPTHWISE},
    {"conv_bwd_7x7_stride_2", conv_bwd, LONG},
    {"conv_bwd_at_a_picture", conv_bwd_picture, 0},
    {0},
};
