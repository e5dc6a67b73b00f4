/* Convolutions in forward mode: what moves alike, or one by one, under a filter. Knows no network by name. */
#include "forward_mode.h"

#include <stdio.h>

static bool is_single_cell(const struct wn_window *win)
{
    for (int i = 0; i < win->rank; i++)
        if (win->kernel[i] != 1) return false;
    return true;
}

struct inside {
    const struct wn_window *win;
    struct wn_shape x, y;
};

/* 1 where a window of one cell reads the picture, 0 where it reads padding; once for each image. */
static void fill_inside(float *dst, const void *arg)
{
    const struct inside *in = arg;
    for (int64_t at = 0, n = plane(&in->y); at < in->y.dim[0] * n; at++) {
        int64_t rest = at % n;
        dst[at] = 1;
        for (int i = in->win->rank - 1; i >= 0; i--) {
            int64_t read = rest % in->y.dim[2 + i] * in->win->stride[i] - in->win->pad_lo[i];
            rest /= in->y.dim[2 + i];
            if (read < 0 || read >= in->x.dim[2 + i]) dst[at] = 0;
        }
    }
}

static int inside_field(struct wn_forward_pass *b, const struct wn_step *s)
{
    struct inside in = {&s->u.conv.win, shape_of(b, s->in[0]), shape_of(b, s->out[0])};
    struct wn_shape field = wn_shape_of(2, (int64_t[]){b->images, plane(&in.y)});
    char key[256];
    int at = snprintf(key, sizeof key, "inside|%lld", (long long)b->images);
    for (int i = 0; i < in.win->rank; i++)
        at += snprintf(key + at, sizeof key - (size_t)at, "|%lld %lld %lld %lld", (long long)in.x.dim[2 + i],
                       (long long)in.y.dim[2 + i], (long long)in.win->stride[i], (long long)in.win->pad_lo[i]);
    return wn_program_derive(b->p, key, &field, fill_inside, &in);
}

/* The tangent behind a convolution: m new, and around it padding that does not move. */
static struct wn_tangent around(struct wn_forward_pass *b, const struct wn_step *s, struct wn_tangent t, int m)
{
    const struct wn_window *win = &s->u.conv.win;
    struct wn_shape y = shape_of(b, s->out[0]);
    t.m = m;
    t.blocks = y.dim[1];
    t.cells = plane(&y);
    for (int i = 0; i < win->rank && t.diagonal; i++) {
        t.lo[i] += win->pad_lo[i];
        t.hi[i] += win->pad_hi[i];
    }
    if (!t.diagonal && has_padding(win)) t.f = inside_field(b, s);
    return wn_tangent_tidy(b, t);
}

/* Planes that move alike under a filter that sees no padding: one product with the filter summed over its cells. A
 * filter of one cell may see padding: there nothing moves. */
static struct wn_tangent conv_of_planes(struct wn_forward_pass *b, const struct wn_step *s, struct wn_tangent t)
{
    const struct wn_window *win = &s->u.conv.win;
    int64_t cells = 1;
    for (int i = 0; i < win->rank; i++) cells *= win->kernel[i];
    int w = wn_summed_weight(b->p, s->in[1], false, t.blocks, cells);
    return around(b, s, t, wn_matmul(b->p, w, false, t.m, false, WN_NONE));
}

/* The layer under a filter of one cell: the forward pass has made the product already, plus the bias and, around it,
 * padding. */
static struct wn_tangent conv_of_layer(struct wn_forward_pass *b, const struct wn_step *s)
{
    struct wn_program *p = b->p;
    const struct wn_window *win = &s->u.conv.win;
    struct wn_shape y = shape_of(b, s->out[0]);
    int64_t channels = y.dim[1];
    int z = wn_forward_columns(b, wn_crop(p, s->out[0], win->pad_lo, win->pad_hi, win->rank), channels, b->directions);
    if (s->in[2] != WN_NONE) z = wn_binary(p, WN_BINARY_SUB, z, as(p, s->in[2], channels, 1));
    return around(b, s, b->of[s->in[0]], wn_linear(p, z, b->step, 0));
}

static bool is_dense(const struct wn_window *win)
{
    for (int i = 0; i < win->rank; i++)
        if (win->stride[i] != 1) return false;
    return is_single_cell(win);
}

struct wn_tangent wn_forward_conv(struct wn_forward_pass *b, const struct wn_step *s)
{
    struct wn_tangent t = b->of[s->in[0]];
    const struct wn_window *win = &s->u.conv.win;
    int64_t groups = s->u.conv.groups;
    if (moves(b, s->in[1]) || !moves(b, s->in[0])) return wn_tangent_refuse(b, "a filter that depends on the picture");
    bool constant = b->p->values[s->in[1]].kind == WN_VALUE_CONST;
    bool same_sum = t.diagonal ? is_dense(win) : !has_padding(win) || is_single_cell(win);
    if (s->prim == WN_PRIM_CONV && constant && groups == 1 && t.f == WN_NONE && by_plane(b, s->in[0], t) && same_sum)
        return s->in[0] == b->layer && is_dense(win) ? conv_of_layer(b, s) : conv_of_planes(b, s, t);
    int x = wn_tangent_batch(b, s->in[0]);
    if (s->prim == WN_PRIM_CONV) return wn_tangent_unbatch(b, wn_conv(b->p, x, s->in[1], WN_NONE, win, groups));
    struct wn_shape y = batch_shape(b, s->out[0]);
    return wn_tangent_unbatch(b, wn_conv_bwd(b->p, x, s->in[1], WN_NONE, win, groups, &y));
}
