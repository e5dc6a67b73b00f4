/* Primitives that move elements (and mix the taps of one axis); they compute nothing else. */
#include "ref.h"

#include <math.h>
#include <string.h>

enum wn_code wn_ref_copy(const struct wn_step *step, const struct wn_ref_tensor *in, const struct wn_ref_tensor *out,
                         struct wn_error *err)
{
    (void)err;
    const struct wn_copy *c = &step->u.copy;
    struct wn_shape extent = wn_shape_of(c->rank, c->extent);
    int64_t n = wn_shape_count(&extent), count = wn_shape_count(&out->shape);
    for (int64_t i = 0; i < count; i++) out->data[i] = c->fill;
    for (int64_t i = 0; i < n; i++) {
        int64_t x = c->x_offset, y = c->y_offset, rest = i;
        for (int d = c->rank - 1; d >= 0; d--) {
            x += rest % c->extent[d] * c->x_stride[d];
            y += rest % c->extent[d] * c->y_stride[d];
            rest /= c->extent[d];
        }
        out->data[y] = in->data[x];
    }
    return WN_OK;
}

enum wn_code wn_ref_reshape(const struct wn_step *step, const struct wn_ref_tensor *in, const struct wn_ref_tensor *out,
                            struct wn_error *err)
{
    (void)step, (void)err;
    memcpy(out->data, in->data, (size_t)wn_shape_count(&out->shape) * sizeof *out->data);
    return WN_OK;
}

/* Elements of the axes [begin, end). */
static int64_t count_axes(const struct wn_shape *s, int begin, int end)
{
    int64_t n = 1;
    for (int d = begin; d < end; d++) n *= s->dim[d];
    return n;
}

enum wn_code wn_ref_concat(const struct wn_step *step, const struct wn_ref_tensor *in, const struct wn_ref_tensor *out,
                           struct wn_error *err)
{
    (void)err;
    int axis = step->u.concat.axis;
    int64_t blocks = count_axes(&out->shape, 0, axis), y_block = count_axes(&out->shape, axis, out->shape.rank);
    int64_t at = 0;
    for (int i = 0; i < step->n_in; i++) {
        int64_t block = count_axes(&in[i].shape, axis, in[i].shape.rank);
        for (int64_t b = 0; b < blocks; b++)
            memcpy(out->data + b * y_block + at, in[i].data + b * block, (size_t)block * sizeof *out->data);
        at += block;
    }
    return WN_OK;
}

enum wn_code wn_ref_axis_map(const struct wn_step *step, const struct wn_ref_tensor *in,
                             const struct wn_ref_tensor *out, struct wn_error *err)
{
    (void)err;
    const struct wn_taps *t = &step->u.map.taps;
    int axis = step->u.map.axis;
    int64_t outer = count_axes(&in->shape, 0, axis), inner = count_axes(&in->shape, axis + 1, in->shape.rank);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t j = 0; j < t->out; j++) {
            double *y = out->data + (o * t->out + j) * inner;
            for (int64_t i = 0; i < inner; i++) y[i] = 0;
            for (int64_t k = j * t->taps; k < (j + 1) * t->taps; k++) {
                if (t->index[k] < 0) continue;
                const double *x = in->data + (o * t->in + t->index[k]) * inner;
                for (int64_t i = 0; i < inner; i++) y[i] += (double)t->weight[k] * x[i];
            }
        }
    return WN_OK;
}

enum wn_code wn_ref_gather(const struct wn_step *step, const struct wn_ref_tensor *in, const struct wn_ref_tensor *out,
                           struct wn_error *err)
{
    (void)step;
    int64_t images = in[0].shape.dim[0], rows = wn_shape_count(&in[1].shape);
    size_t block = (size_t)count_axes(&in[0].shape, 1, in[0].shape.rank);
    for (int64_t r = 0; r < rows; r++) {
        double image = in[1].data[r];
        if (!(image >= 0 && image < (double)images && image == floor(image)))
            return wn_fail(err, WN_BAD_REQUEST, "row %lld asks about image %g; the batch has images 0 to %lld",
                           (long long)r, image, (long long)images - 1);
        memcpy(out->data + (size_t)r * block, in[0].data + (size_t)image * block, block * sizeof *out->data);
    }
    return WN_OK;
}
