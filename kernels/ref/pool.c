/* Pools and their gradients by definition, one window at a time. */
#include "ref.h"

#include <math.h>

/* The cells of x that the window of one output covers, padding left out. */
struct cells {
    const struct wn_ref_window *win;
    int64_t p[WN_MAX_SPATIAL]; /* the output's place */
    int64_t tap;
};

static struct cells cells_of(const struct wn_ref_window *win, int64_t output)
{
    struct cells c = {.win = win};
    for (int i = WN_MAX_SPATIAL - 1; i >= 0; i--) {
        c.p[i] = output % win->axis[i].out;
        output /= win->axis[i].out;
    }
    return c;
}

/* Offset in the plane of x that the given tap covers, or -1 where that is padding. */
static int64_t cell_under(const struct cells *c, int64_t tap)
{
    int64_t at[WN_MAX_SPATIAL], offset = 0;
    for (int i = WN_MAX_SPATIAL - 1; i >= 0; i--) {
        const struct wn_ref_axis *a = &c->win->axis[i];
        at[i] = c->p[i] * a->stride + tap % a->kernel * a->dilation - a->pad;
        tap /= a->kernel;
        if (at[i] < 0 || at[i] >= a->in) return -1;
    }
    for (int i = 0; i < WN_MAX_SPATIAL; i++) offset = offset * c->win->axis[i].in + at[i];
    return offset;
}

/* The next cell, in row-major order of the window, or -1 at its end. */
static int64_t next_cell(struct cells *c)
{
    while (c->tap < c->win->taps) {
        int64_t offset = cell_under(c, c->tap++);
        if (offset >= 0) return offset;
    }
    return -1;
}

/* First largest cell; NaN wins, so that it is seen. -1 where the window holds padding only. */
static int64_t winner(const struct wn_ref_window *win, const double *x, int64_t output)
{
    struct cells c = cells_of(win, output);
    int64_t best = next_cell(&c);
    for (int64_t i = best; i >= 0; i = next_cell(&c))
        if (x[i] > x[best] || (isnan(x[i]) && !isnan(x[best]))) best = i;
    return best;
}

enum wn_code wn_ref_maxpool(const struct wn_step *step, const struct wn_ref_tensor *in, const struct wn_ref_tensor *out,
                            struct wn_error *err)
{
    (void)err;
    struct wn_ref_window win = wn_ref_window_of(&step->u.pool.win, &in->shape, &out->shape);
    int64_t planes = in->shape.dim[0] * in->shape.dim[1];
    for (int64_t i = 0; i < planes; i++)
        for (int64_t p = 0; p < win.out_plane; p++) {
            const double *x = in->data + i * win.in_plane;
            int64_t best = winner(&win, x, p);
            out[0].data[i * win.out_plane + p] = best < 0 ? -INFINITY : x[best];
            if (step->n_out > 1 && out[1].data) out[1].data[i * win.out_plane + p] = (double)best;
        }
    return WN_OK;
}

static void clear(const struct wn_ref_tensor *t)
{
    int64_t n = wn_shape_count(&t->shape);
    for (int64_t i = 0; i < n; i++) t->data[i] = 0;
}

enum wn_code wn_ref_maxpool_bwd(const struct wn_step *step, const struct wn_ref_tensor *in,
                                const struct wn_ref_tensor *out, struct wn_error *err)
{
    struct wn_ref_window win = wn_ref_window_of(&step->u.pool.win, &out->shape, &in[0].shape);
    int64_t count = wn_shape_count(&in[0].shape);
    clear(out);
    for (int64_t i = 0; i < count; i++) {
        double winner_at = in[1].data[i];
        if (winner_at == -1) continue;
        if (!(winner_at >= 0 && winner_at < (double)win.in_plane))
            return wn_fail(err, WN_INTERNAL, "a max pool's index %g lies outside its plane of %lld cells", winner_at,
                           (long long)win.in_plane);
        out->data[i / win.out_plane * win.in_plane + (int64_t)winner_at] += in[0].data[i];
    }
    return WN_OK;
}

/* Cells that an average divides by: the whole window, or those that are not padding (at least 1). */
static double divisor(const struct wn_ref_window *win, int64_t output, bool count_pad)
{
    struct cells c = cells_of(win, output);
    int64_t n = 0;
    while (next_cell(&c) >= 0) n++;
    return (double)(count_pad ? win->taps : n ? n : 1);
}

enum wn_code wn_ref_avgpool(const struct wn_step *step, const struct wn_ref_tensor *in, const struct wn_ref_tensor *out,
                            struct wn_error *err)
{
    (void)err;
    struct wn_ref_window win = wn_ref_window_of(&step->u.pool.win, &in->shape, &out->shape);
    int64_t planes = in->shape.dim[0] * in->shape.dim[1];
    for (int64_t i = 0; i < planes; i++)
        for (int64_t p = 0; p < win.out_plane; p++) {
            struct cells c = cells_of(&win, p);
            double sum = 0;
            for (int64_t at = next_cell(&c); at >= 0; at = next_cell(&c)) sum += in->data[i * win.in_plane + at];
            out->data[i * win.out_plane + p] = sum / divisor(&win, p, step->u.pool.count_pad);
        }
    return WN_OK;
}

enum wn_code wn_ref_avgpool_bwd(const struct wn_step *step, const struct wn_ref_tensor *in,
                                const struct wn_ref_tensor *out, struct wn_error *err)
{
    (void)err;
    struct wn_ref_window win = wn_ref_window_of(&step->u.pool.win, &out->shape, &in->shape);
    int64_t planes = in->shape.dim[0] * in->shape.dim[1];
    clear(out);
    for (int64_t i = 0; i < planes; i++)
        for (int64_t p = 0; p < win.out_plane; p++) {
            struct cells c = cells_of(&win, p);
            double share = in->data[i * win.out_plane + p] / divisor(&win, p, step->u.pool.count_pad);
            for (int64_t at = next_cell(&c); at >= 0; at = next_cell(&c)) out->data[i * win.in_plane + at] += share;
        }
    return WN_OK;
}
