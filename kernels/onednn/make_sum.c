/* Sums of slices of channels, as concatenations give them back to their parts: what is only added is not cut out
 * first. */
#include "dnn.h"

/* Whether the copy is some of x's channels, of all cells, where both lie channels last; *from: the first of them. */
static bool is_slice(const struct wn_dnn_exe *e, const struct wn_step *s, int64_t *from)
{
    const struct wn_copy *c = &s->u.copy;
    const struct wn_dnn_tensor *x = &e->values[s->in[0]].t, *y = &e->values[s->out[0]].t;
    int64_t x_stride = 1, y_stride = 1;
    if (!x->channels_last || !y->channels_last || c->rank != y->rank || x->rank != y->rank || c->y_offset ||
        !wn_dnn_tensor_count(y))
        return false;
    for (int d = y->rank - 1; d >= 0; d--) {
        if (c->extent[d] != y->dim[d] || c->x_stride[d] != x_stride || c->y_stride[d] != y_stride) return false;
        if (d != 1 && x->dim[d] != y->dim[d]) return false;
        x_stride *= x->dim[d], y_stride *= y->dim[d];
    }
    *from = c->x_offset / c->x_stride[1];
    return c->x_offset % c->x_stride[1] == 0;
}

static bool same_shape(const struct wn_dnn_exe *e, int a, int b)
{
    return wn_shape_equal(&wn_program_value(e->prog, a)->shape, &wn_program_value(e->prog, b)->shape);
}

/* The last step that reads the value, where all that do are of this stage and add it to another of its shape; else
 * WN_NONE. */
static int last_sum_of(const struct wn_dnn_exe *e, int value)
{
    int last = WN_NONE;
    if (e->values[value].root != value || e->values[value].keep) return WN_NONE;
    for (int i = e->step + 1; i <= e->values[value].last_step; i++) {
        const struct wn_step *s = wn_program_step(e->prog, i);
        for (int k = 0; k < s->n_in; k++) {
            if (s->in[k] != value) continue;
            if (s->prim != WN_PRIM_BINARY || s->u.binary != WN_BINARY_ADD || !same_shape(e, s->in[!k], value) ||
                wn_dnn_is_const(e, s->in[!k]))
                return WN_NONE;
            last = i;
        }
    }
    return last;
}

bool wn_dnn_leave_slice(struct wn_dnn_exe *e, const struct wn_step *s)
{
    int64_t from;
    if (wn_dnn_is_const(e, s->in[0]) || !is_slice(e, s, &from)) return false;
    const int sum = last_sum_of(e, s->out[0]);
    if (sum == WN_NONE) return false;
    struct wn_dnn_value *source = &e->values[e->values[s->in[0]].root];
    if (source->last_step < sum) source->last_step = sum; /* nobody may write over it before */
    e->values[s->out[0]].slice_of = s->in[0];
    e->values[s->out[0]].slice_from = from;
    return true;
}

/* One of the two that are added: where it lies, and how. */
static int operand(struct wn_dnn_exe *e, int value, enum wn_dnn_type type, int64_t *from, int64_t *step)
{
    const struct wn_dnn_value *v = &e->values[value];
    const int lies = v->slice_of == WN_NONE ? value : v->slice_of;
    *from = v->slice_of == WN_NONE ? 0 : v->slice_from;
    *step = e->values[lies].t.dim[1];
    return wn_dnn_want(e, lies, type);
}

static enum wn_dnn_type type_of(const struct wn_dnn_exe *e, int value)
{
    const int of = e->values[value].slice_of;
    return wn_dnn_type_of(e, of == WN_NONE ? value : of);
}

bool wn_dnn_sum_of_slices(struct wn_dnn_exe *e, const struct wn_step *s)
{
    const int a = s->in[0], b = s->in[1], y = s->out[0];
    if (e->values[a].slice_of == WN_NONE && e->values[b].slice_of == WN_NONE) return false;
    const struct wn_dnn_tensor *t = &e->values[y].t;
    const bool narrow = type_of(e, a) == WN_DNN_BF16 && type_of(e, b) == WN_DNN_BF16;
    const int whole = e->values[a].slice_of == WN_NONE ? a : b; /* may be a slice, too */
    struct wn_dnn_sum q = {
        .rows = wn_dnn_tensor_count(t) / t->dim[1], .channels = t->dim[1], .type = narrow ? WN_DNN_BF16 : WN_DNN_F32};
    const int ba = operand(e, a, q.type, &q.from[0], &q.step[0]), bb = operand(e, b, q.type, &q.from[1], &q.step[1]);
    int by = wn_dnn_give_over(e, y, whole, q.type);
    if (by < 0) by = wn_dnn_give(e, y, q.type);
    wn_dnn_emit_loop(e, wn_dnn_loop_sum, &q, sizeof q, 3, (int[]){by, ba, bb});
    return true;
}
