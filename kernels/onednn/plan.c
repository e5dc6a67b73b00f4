/* What is settled before steps become actions (layout, aliases, last uses) and after (where each buffer lies in the
 * arena). */
#include "dnn.h"

#include <stdlib.h>
#include <string.h>

/* ---- layouts ---- */

static bool slides_along_one_axis(const struct wn_program *p)
{
    for (int i = 0; i < wn_program_steps(p); i++) {
        const struct wn_step *s = wn_program_step(p, i);
        bool conv = s->prim == WN_PRIM_CONV || s->prim == WN_PRIM_CONV_BWD;
        bool pool = s->prim >= WN_PRIM_MAXPOOL && s->prim <= WN_PRIM_AVGPOOL_BWD;
        if ((conv && s->u.conv.win.rank == 1) || (pool && s->u.pool.win.rank == 1)) return true;
    }
    return false;
}

struct wn_dnn_tensor wn_dnn_lay_out(const struct wn_shape *s, bool channels_last)
{
    struct wn_dnn_tensor t = {.type = WN_DNN_F32, .rank = s->rank, .channels_last = channels_last};
    int64_t stride = 1;
    memcpy(t.dim, s->dim, sizeof t.dim);
    if (channels_last) t.stride[1] = 1, stride = s->dim[1];
    for (int d = s->rank - 1; d >= 0; d--) {
        if (channels_last && d == 1) continue;
        t.stride[d] = stride;
        stride *= s->dim[d];
    }
    return t;
}

/* ---- reshapes that move nothing, and gathers that have one image to choose from ---- */

/* The axes longer than 1 in the order they lie, as logical row-major strides: equal lists lie equally. */
static int lying(const struct wn_dnn_tensor *t, int64_t *dim, int64_t *stride)
{
    int n = 0;
    int64_t row[WN_MAX_RANK], row_stride = 1;
    for (int d = t->rank - 1; d >= 0; d--) row[d] = row_stride, row_stride *= t->dim[d];
    for (int d = 0; d < t->rank; d++) {
        if (t->dim[d] == 1) continue;
        int at = n++;
        for (; at > 0 && stride[at - 1] < t->stride[d]; at--) dim[at] = dim[at - 1], stride[at] = stride[at - 1];
        dim[at] = d, stride[at] = t->stride[d];
    }
    int m = 0; /* join neighbours that are neighbours in row-major order too */
    for (int i = 0; i < n; i++) {
        int d = (int)dim[i];
        if (m > 0 && stride[m - 1] == row[d] * t->dim[d])
            dim[m - 1] *= t->dim[d], stride[m - 1] = row[d];
        else
            dim[m] = t->dim[d], stride[m] = row[d], m++; /* analyzer: row has an entry for each axis */
    }
    return m;
}

static bool lies_equally(const struct wn_dnn_tensor *a, const struct wn_dnn_tensor *b)
{
    int64_t da[WN_MAX_RANK], db[WN_MAX_RANK], sa[WN_MAX_RANK], sb[WN_MAX_RANK];
    int n = lying(a, da, sa), m = lying(b, db, sb);
    size_t bytes = (size_t)n * sizeof *da;
    return n == m && memcmp(da, db, bytes) == 0 && memcmp(sa, sb, bytes) == 0;
}

/* ---- values ---- */

static void find_roots(struct wn_dnn_exe *e)
{
    for (int i = 0; i < wn_program_steps(e->prog); i++) {
        const struct wn_step *s = wn_program_step(e->prog, i);
        bool picks_only = s->prim == WN_PRIM_GATHER && wn_shape_equal(&wn_program_value(e->prog, s->in[0])->shape,
                                                                      &wn_program_value(e->prog, s->out[0])->shape);
        picks_only = picks_only && wn_program_value(e->prog, s->out[0])->shape.dim[0] == 1;
        if (s->prim != WN_PRIM_RESHAPE && !picks_only) continue;
        struct wn_dnn_value *x = &e->values[s->in[0]], *y = &e->values[s->out[0]];
        if (lies_equally(&x->t, &y->t)) y->root = x->root;
    }
}

static void find_uses(struct wn_dnn_exe *e)
{
    int *made = calloc((size_t)wn_program_values(e->prog) + 1, sizeof *made); /* stage */
    if (!made) {
        wn_fail(&e->err, WN_NO_MEMORY, "no memory to plan a program");
        return;
    }
    for (int stage = 0; stage < wn_program_stages(e->prog); stage++) {
        struct wn_stage range = wn_program_stage(e->prog, stage);
        for (int i = range.begin; i < range.end; i++) {
            const struct wn_step *s = wn_program_step(e->prog, i);
            for (int k = 0; k < s->n_in; k++) {
                if (s->in[k] == WN_NONE) continue;
                struct wn_dnn_value *root = &e->values[e->values[s->in[k]].root];
                root->last_step = i;
                if (made[root - e->values] != stage) root->keep = true;
            }
            for (int k = 0; k < s->n_out; k++) {
                int value = s->out[k];
                if (value == WN_NONE) continue;
                if (e->values[value].root == value) made[value] = stage;
                if (wn_program_value(e->prog, value)->readable) e->values[e->values[value].root].keep = true;
            }
        }
    }
    free(made);
}

enum wn_code wn_dnn_plan_values(struct wn_dnn_exe *e)
{
    int n = wn_program_values(e->prog);
    bool rank3 = slides_along_one_axis(e->prog);
    e->values = calloc((size_t)n + 1, sizeof *e->values);
    if (!e->values) return wn_fail(&e->err, WN_NO_MEMORY, "no memory to plan a program");
    for (int i = 0; i < n; i++) {
        const struct wn_value *v = wn_program_value(e->prog, i);
        int rank = v->shape.rank;
        bool last = (rank == 3 && rank3) || rank == 4 || rank == 5;
        e->values[i] = (struct wn_dnn_value){.t = wn_dnn_lay_out(&v->shape, last),
                                             .root = i,
                                             .last_step = -1,
                                             .keep = v->kind != WN_VALUE_STEP,
                                             .buffer = {-1, -1},
                                             .stage = {-1, -1},
                                             .slice_of = WN_NONE};
    }
    find_roots(e);
    find_uses(e);
    return e->err.code;
}

/* ---- the arena ---- */

static bool overlap_in_time(const struct wn_dnn_buffer *a, const struct wn_dnn_buffer *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* A kept buffer of stage 0 may share with what is done before it is made; one of a later stage with nothing, because
 * an earlier stage may run again in between. */
static void settle_lifetimes(struct wn_dnn_exe *e)
{
    for (int i = 0; i < e->n_buffers; i++) {
        struct wn_dnn_buffer *b = &e->buffers[i];
        if (!b->keep) continue;
        if (b->stage != 0) b->first = 0;
        b->last = e->n_actions;
    }
}

static int by_size(const void *a, const void *b)
{
    const struct wn_dnn_buffer *x = *(struct wn_dnn_buffer *const *)a, *y = *(struct wn_dnn_buffer *const *)b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    return x < y ? -1 : x > y;
}

/* Lowest gap that no placed buffer alive at the same time reaches into. */
static size_t lowest_gap(struct wn_dnn_buffer **placed, int n, const struct wn_dnn_buffer *b)
{
    size_t at = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (int i = 0; i < n; i++) {
            const struct wn_dnn_buffer *o = placed[i];
            if (!overlap_in_time(o, b) || at >= o->offset + o->bytes || o->offset >= at + b->bytes) continue;
            at = o->offset + o->bytes;
            moved = true;
        }
    }
    return at;
}

enum wn_code wn_dnn_plan_arena(struct wn_dnn_exe *e)
{
    int n = 0;
    struct wn_dnn_buffer **order = malloc(((size_t)e->n_buffers + 1) * sizeof(struct wn_dnn_buffer *));
    if (!order) return wn_fail(&e->err, WN_NO_MEMORY, "no memory to plan an arena");
    settle_lifetimes(e);
    for (int i = 0; i < e->n_buffers; i++)
        if (!e->buffers[i].pinned) order[n++] = &e->buffers[i];
    qsort(order, (size_t)n, sizeof *order, by_size);
    for (int i = 0; i < n; i++) {
        order[i]->offset = lowest_gap(order, i, order[i]);
        size_t end = order[i]->offset + order[i]->bytes;
        if (end > e->arena_bytes) e->arena_bytes = end;
    }
    free(order);
    return WN_OK;
}
