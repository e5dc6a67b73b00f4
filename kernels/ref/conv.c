/* Convolution and its gradient by definition; the loops are ordered so that the innermost one runs along a row. */
#include "ref.h"

/* One channel of the kernel over one plane: calls for each tap and row, so both directions share the walk. */
typedef void along_row(double *wide, double *narrow, double w, int64_t stride, int64_t n);

static void gather_row(double *x, double *y, double w, int64_t stride, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] += w * x[i * stride];
}

static void scatter_row(double *dx, double *dy, double w, int64_t stride, int64_t n)
{
    for (int64_t i = 0; i < n; i++) dx[i * stride] += w * dy[i];
}

/* wide: a plane of x; narrow: a plane of y; w: the taps that join them. */
static void walk_plane(const struct wn_ref_window *win, double *wide, double *narrow, const double *w, along_row *row)
{
    const struct wn_ref_axis *d = &win->axis[0], *h = &win->axis[1], *v = &win->axis[2];
    int64_t ds, d0, d1, hs, h0, h1, vs, v0, v1;
    for (int64_t kd = 0; kd < d->kernel; kd++) {
        wn_ref_axis_reach(d, kd, &ds, &d0, &d1);
        for (int64_t kh = 0; kh < h->kernel; kh++) {
            wn_ref_axis_reach(h, kh, &hs, &h0, &h1);
            for (int64_t kv = 0; kv < v->kernel; kv++, w++) {
                wn_ref_axis_reach(v, kv, &vs, &v0, &v1);
                if (v0 >= v1) continue;
                for (int64_t pd = d0; pd < d1; pd++)
                    for (int64_t ph = h0; ph < h1; ph++) {
                        int64_t x_row = ((pd * d->stride + ds) * h->in + ph * h->stride + hs) * v->in;
                        int64_t y_row = (pd * h->out + ph) * v->out;
                        row(wide + x_row + v0 * v->stride + vs, narrow + y_row + v0, *w, v->stride, v1 - v0);
                    }
            }
        }
    }
}

/* Joins every channel of x with every channel of y that its group lets it meet. */
static void walk_groups(const struct wn_ref_window *win, const struct wn_ref_tensor *x, const struct wn_ref_tensor *y,
                        const double *w, int64_t groups, along_row *row)
{
    int64_t n = x->shape.dim[0], c = x->shape.dim[1], o = y->shape.dim[1];
    int64_t c_group = c / groups, o_group = o / groups;
    for (int64_t in = 0; in < n; in++)
        for (int64_t io = 0; io < o; io++)
            for (int64_t ic = 0; ic < c_group; ic++) {
                int64_t channel = io / o_group * c_group + ic;
                walk_plane(win, x->data + (in * c + channel) * win->in_plane, y->data + (in * o + io) * win->out_plane,
                           w + (io * c_group + ic) * win->taps, row);
            }
}

/* Every plane of t starts as its channel's bias, or 0. */
static void start_with_bias(const struct wn_ref_tensor *t, const double *bias, int64_t plane)
{
    int64_t c = t->shape.dim[1], planes = t->shape.dim[0] * c;
    for (int64_t i = 0; i < planes; i++)
        for (int64_t j = 0; j < plane; j++) t->data[i * plane + j] = bias ? bias[i % c] : 0;
}

enum wn_code wn_ref_conv(const struct wn_step *step, const struct wn_ref_tensor *in, const struct wn_ref_tensor *out,
                         struct wn_error *err)
{
    (void)err;
    struct wn_ref_window win = wn_ref_window_of(&step->u.conv.win, &in[0].shape, &out->shape);
    int64_t count = wn_shape_count(&out->shape);
    start_with_bias(out, in[2].data, win.out_plane);
    walk_groups(&win, &in[0], out, in[1].data, step->u.conv.groups, gather_row);
    const double *residual = in[3].data;
    for (int64_t i = 0; residual && i < count; i++) out->data[i] += residual[i];
    wn_ref_activate(&step->u.conv.act, out->data, count);
    return WN_OK;
}

enum wn_code wn_ref_conv_bwd(const struct wn_step *step, const struct wn_ref_tensor *in,
                             const struct wn_ref_tensor *out, struct wn_error *err)
{
    (void)err;
    struct wn_ref_window win = wn_ref_window_of(&step->u.conv.win, &out->shape, &in[0].shape);
    start_with_bias(out, in[2].data, win.in_plane);
    walk_groups(&win, out, &in[0], in[1].data, step->u.conv.groups, scatter_row);
    return WN_OK;
}
