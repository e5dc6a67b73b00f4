/* A convolution's gradient as a convolution: with stride 1 it is one, of the filter turned around and with its two
 * kinds of channels exchanged. Libraries compute convolutions quicker than gradients, and fuse the sum behind them. */
#include "program.h"

#include <stdio.h>
#include <string.h>

struct turned {
    const struct wn_weight *w; /* (O, C/g, k..) */
    int64_t groups;
};

/* (O, C/g, k..) -> (C, O/g, k..), each group by itself, k backwards. */
static void turn(float *dst, const void *arg)
{
    const struct turned *t = arg;
    const struct wn_shape *s = &t->w->shape;
    const int64_t outs = s->dim[0] / t->groups, ins = s->dim[1];
    int64_t cells = 1;
    for (int d = 2; d < s->rank; d++) cells *= s->dim[d];
    for (int64_t g = 0; g < t->groups; g++)
        for (int64_t i = 0; i < ins; i++)
            for (int64_t o = 0; o < outs; o++) {
                const float *from = t->w->data + ((g * outs + o) * ins + i) * cells;
                for (int64_t k = 0; k < cells; k++) *dst++ = from[cells - 1 - k];
            }
}

static int turned_filter(struct wn_program *p, int filter, int64_t groups)
{
    const struct turned t = {p->values[filter].weight, groups};
    struct wn_shape shape = t.w->shape;
    char key[256];
    shape.dim[0] = t.w->shape.dim[1] * groups;
    shape.dim[1] = t.w->shape.dim[0] / groups;
    snprintf(key, sizeof key, "%.160s|%p|turned in %lld groups", t.w->name ? t.w->name : "", (const void *)t.w,
             (long long)groups);
    return wn_program_derive(p, key, &shape, turn, &t);
}

/* The window of the convolution that the gradient is; false where it is none: strides, and padding that is uneven or
 * reaches beyond the kernel. */
static bool turned_window(const struct wn_program *p, const struct wn_step *s, struct wn_window *win)
{
    *win = s->u.conv.win;
    for (int d = 0; d < win->rank; d++) {
        const int64_t reach = win->dilation[d] * (win->kernel[d] - 1), pad = reach - win->pad_lo[d];
        const int64_t in = p->values[s->in[0]].shape.dim[2 + d], out = p->values[s->out[0]].shape.dim[2 + d];
        if (win->stride[d] != 1 || pad < 0 || in + 2 * pad - reach != out) return false;
        win->pad_lo[d] = win->pad_hi[d] = pad;
    }
    return true;
}

bool wn_program_turn(struct wn_program *p, int step)
{
    struct wn_window win;
    struct wn_step s = p->steps[step];
    if (s.prim != WN_PRIM_CONV_BWD || p->values[s.in[1]].kind != WN_VALUE_CONST ||
        p->values[s.out[0]].shape.dim[1] <= WN_PICTURE_CHANNELS)
        return false;
    if (!turned_window(p, &s, &win)) return false;
    const int filter = turned_filter(p, s.in[1], s.u.conv.groups);
    int *in = filter < 0 ? NULL : wn_program_block(p, (int[]){s.in[0], filter, s.in[2], WN_NONE}, 4 * sizeof *in);
    if (!in) return false;
    s.prim = WN_PRIM_CONV;
    s.in = in;
    s.n_in = 4;
    s.u.conv.win = win;
    p->steps[step] = s;
    return true;
}
