/* Makers of everything that moves elements: strided copies, reshapes, concatenations, tap tables, gathers. */
#include "dnn.h"

#include <string.h>

/* ---- strided copies ----
 *
 * A copy is given in offsets of row-major values. Where a value lies channels-last, (n, c, pixel) is a mixed radix
 * whose digits have their own physical strides; a copy's axis is affine there as long as no digit carries. */

struct digits {
    int n;
    int64_t dim[3], row[3], lies[3]; /* length, stride in row-major order, stride in memory; slowest first */
};

static struct digits digits_of(const struct wn_dnn_tensor *t)
{
    int64_t count = wn_dnn_tensor_count(t);
    if (!t->channels_last) return (struct digits){1, {count}, {1}, {1}};
    int64_t c = t->dim[1], pixels = 1;
    for (int d = 2; d < t->rank; d++) pixels *= t->dim[d];
    return (struct digits){3, {t->dim[0], c, pixels}, {c * pixels, pixels, 1}, {c * pixels, 1, c}};
}

/* Offset and strides in memory; false where a digit would carry. */
static bool affine(const struct digits *g, int rank, const int64_t *extent, int64_t offset, const int64_t *stride,
                   int64_t *to_offset, int64_t *to_stride)
{
    int64_t lo[3], hi[3];
    *to_offset = 0;
    for (int k = 0; k < g->n; k++) {
        lo[k] = hi[k] = offset / g->row[k];
        offset %= g->row[k];
        *to_offset += lo[k] * g->lies[k];
    }
    for (int d = 0; d < rank; d++) {
        int64_t rest = stride[d];
        to_stride[d] = 0;
        for (int k = 0; k < g->n; k++) {
            int64_t step = rest / g->row[k], reach = step * (extent[d] - 1);
            rest %= g->row[k];
            to_stride[d] += step * g->lies[k];
            *(reach < 0 ? &lo[k] : &hi[k]) += reach;
        }
    }
    for (int k = 0; k < g->n; k++)
        if (lo[k] < 0 || hi[k] >= g->dim[k]) return false;
    return true;
}

static void row_major(struct wn_dnn_tensor *t)
{
    struct wn_shape shape = wn_shape_of(t->rank, t->dim);
    enum wn_dnn_type type = t->type;
    *t = wn_dnn_lay_out(&shape, false);
    t->type = type;
}

static bool nest_of(const struct wn_copy *c, const struct wn_dnn_tensor *x, const struct wn_dnn_tensor *y,
                    struct wn_dnn_nest *n)
{
    struct digits dx = digits_of(x), dy = digits_of(y);
    n->rank = c->rank;
    memcpy(n->extent, c->extent, sizeof c->extent);
    return affine(&dy, c->rank, c->extent, c->y_offset, c->y_stride, &n->offset[0], n->stride[0]) &&
           affine(&dx, c->rank, c->extent, c->x_offset, c->x_stride, &n->offset[1], n->stride[1]);
}

static int64_t covered(const struct wn_copy *c)
{
    int64_t n = 1;
    for (int d = 0; d < c->rank; d++) n *= c->extent[d];
    return n;
}

static void emit_copy(struct wn_dnn_exe *e, const struct wn_copy *c, struct wn_dnn_nest *nest, int x, int y,
                      enum wn_dnn_type type, int64_t y_count)
{
    struct wn_dnn_copy spec = {
        .nest = *nest, .x = type, .y = type, .fills = covered(c) < y_count, .fill = c->fill, .y_count = y_count};
    wn_dnn_nest_tidy(&spec.nest);
    wn_dnn_emit_loop(e, wn_dnn_loop_copy, &spec, sizeof spec, 2, (int[]){y, x});
}

/* Through row-major copies of both values, where everything is affine. */
static void copy_by_detour(struct wn_dnn_exe *e, const struct wn_copy *c, int x, int y, enum wn_dnn_type type)
{
    struct wn_dnn_tensor tx = wn_dnn_tensor_of(e, x, type), ty = wn_dnn_tensor_of(e, y, type), px = tx, py = ty;
    struct wn_dnn_nest nest = {0};
    row_major(&px);
    row_major(&py);
    nest_of(c, &px, &py, &nest);
    int bx = wn_dnn_want(e, x, type), flat_x = wn_dnn_buffer(e, wn_dnn_tensor_bytes(&px));
    wn_dnn_emit_convert(e, &tx, bx, &px, flat_x);
    int flat_y = wn_dnn_buffer(e, wn_dnn_tensor_bytes(&py)), by = wn_dnn_give(e, y, type);
    emit_copy(e, c, &nest, flat_x, flat_y, type, wn_dnn_tensor_count(&py));
    wn_dnn_emit_convert(e, &py, flat_y, &ty, by);
}

static void copy(struct wn_dnn_exe *e, const struct wn_copy *c, int x, int y)
{
    enum wn_dnn_type type = wn_dnn_type_of(e, x);
    struct wn_dnn_nest nest = {0};
    if (covered(c) > 0 && !nest_of(c, &e->values[x].t, &e->values[y].t, &nest)) {
        copy_by_detour(e, c, x, y, type);
        return;
    }
    if (covered(c) == 0) nest.rank = 1;
    int bx = wn_dnn_want(e, x, type), by = wn_dnn_give(e, y, type);
    emit_copy(e, c, &nest, bx, by, type, wn_dnn_tensor_count(&e->values[y].t));
}

void wn_dnn_copy(struct wn_dnn_exe *e, const struct wn_step *s)
{
    if (!wn_dnn_leave_slice(e, s)) copy(e, &s->u.copy, s->in[0], s->out[0]);
}

void wn_dnn_reshape(struct wn_dnn_exe *e, const struct wn_step *s)
{
    if (wn_dnn_is_alias(e, s->out[0])) return;
    const struct wn_dnn_tensor *x = &e->values[s->in[0]].t, *y = &e->values[s->out[0]].t;
    struct digits g = digits_of(x->channels_last ? x : y);
    struct wn_copy c = {.rank = g.n};
    for (int k = 0; k < g.n; k++) {
        c.extent[k] = g.dim[k];
        c.x_stride[k] = c.y_stride[k] = g.row[k];
    }
    copy(e, &c, s->in[0], s->out[0]);
}

/* ---- concatenation ---- */

/* Elements before the axis, in the order the tensor lies. */
static int64_t outer_of(const struct wn_dnn_tensor *t, int axis)
{
    int64_t n = 1;
    for (int d = 0; d < t->rank; d++) {
        bool before = t->channels_last && axis == 1 ? d != 1 : d < axis && !(t->channels_last && d == 1);
        if (before) n *= t->dim[d];
    }
    return n;
}

void wn_dnn_concat(struct wn_dnn_exe *e, const struct wn_step *s)
{
    size_t bytes = sizeof(struct wn_dnn_concat) + (size_t)s->n_in * sizeof(size_t);
    struct wn_dnn_concat *c = wn_dnn_block(e, bytes);
    int *buffers = wn_dnn_block(e, (size_t)(s->n_in + 1) * sizeof *buffers);
    if (!c || !buffers) return;
    enum wn_dnn_type type = WN_DNN_F32;
    for (int i = 0; i < s->n_in; i++)
        if (wn_dnn_type_of(e, s->in[i]) == WN_DNN_BF16) type = WN_DNN_BF16;
    c->n = s->n_in;
    c->outer = outer_of(&e->values[s->out[0]].t, s->u.concat.axis);
    for (int i = 0; i < s->n_in; i++) {
        struct wn_dnn_tensor t = wn_dnn_tensor_of(e, s->in[i], type);
        c->block[i] = c->outer ? wn_dnn_tensor_bytes(&t) / (size_t)c->outer : 0;
        c->y_bytes += c->block[i];
        buffers[i + 1] = wn_dnn_want(e, s->in[i], type);
    }
    buffers[0] = wn_dnn_give(e, s->out[0], type);
    wn_dnn_emit_loop(e, wn_dnn_loop_concat, c, bytes, s->n_in + 1, buffers);
}

/* ---- tap tables ---- */

void wn_dnn_axis_map(struct wn_dnn_exe *e, const struct wn_step *s)
{
    const struct wn_dnn_tensor *x = &e->values[s->in[0]].t, *y = &e->values[s->out[0]].t;
    int axis = s->u.map.axis;
    struct wn_dnn_axis_map m = {.taps = s->u.map.taps, .x_stride = x->stride[axis], .y_stride = y->stride[axis]};
    for (int d = 0; d < x->rank; d++) {
        if (d == axis) continue;
        m.nest.extent[m.nest.rank] = x->dim[d];
        m.nest.stride[0][m.nest.rank] = y->stride[d];
        m.nest.stride[1][m.nest.rank++] = x->stride[d];
    }
    wn_dnn_nest_tidy(&m.nest);
    int bx = wn_dnn_want(e, s->in[0], WN_DNN_F32), by = wn_dnn_give(e, s->out[0], WN_DNN_F32);
    wn_dnn_emit_loop(e, wn_dnn_loop_axis_map, &m, sizeof m, 2, (int[]){by, bx});
}

/* ---- rows ---- */

void wn_dnn_gather(struct wn_dnn_exe *e, const struct wn_step *s)
{
    if (wn_dnn_is_alias(e, s->out[0])) return;
    enum wn_dnn_type type = wn_dnn_type_of(e, s->in[0]);
    struct wn_dnn_tensor x = wn_dnn_tensor_of(e, s->in[0], type), y = wn_dnn_tensor_of(e, s->out[0], type);
    struct wn_dnn_gather g = {.images = x.dim[0], .rows = y.dim[0]};
    g.block = x.dim[0] ? wn_dnn_tensor_bytes(&x) / (size_t)x.dim[0] : 0;
    int bx = wn_dnn_want(e, s->in[0], type), row = wn_dnn_want(e, s->in[1], WN_DNN_F32),
        by = wn_dnn_give(e, s->out[0], type);
    wn_dnn_emit_loop(e, wn_dnn_loop_gather, &g, sizeof g, 3, (int[]){by, bx, row});
}
