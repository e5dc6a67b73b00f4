/* See links.h. */
#include "links.h"

#include <math.h>

static const struct wn_shape *shape(const struct wn_program *p, int v)
{
    return &p->values[v].shape;
}

static int64_t count(const struct wn_program *p, int v)
{
    return wn_shape_count(shape(p, v));
}

int64_t broadcast_index(const struct wn_shape *x, const struct wn_shape *y, int64_t j)
{
    int64_t index = 0, stride = 1;
    for (int d = 1; d <= x->rank; d++) {
        int64_t at = j % y->dim[y->rank - d];
        j /= y->dim[y->rank - d];
        index += (x->dim[x->rank - d] == 1 ? 0 : at) * stride;
        stride *= x->dim[x->rank - d];
    }
    return index;
}

/* ---- windows ---- */

/* Cell of the wide plane under a tap for a place in the narrow one; -1 on padding. Places and taps are row-major. */
static int64_t cell(const struct wn_window *win, const int64_t *wide, const int64_t *narrow, int64_t place, int64_t tap)
{
    int64_t at[WN_MAX_SPATIAL], index = 0;
    for (int d = win->rank - 1; d >= 0; d--) {
        at[d] = place % narrow[d] * win->stride[d] + tap % win->kernel[d] * win->dilation[d] - win->pad_lo[d];
        place /= narrow[d];
        tap /= win->kernel[d];
        if (at[d] < 0 || at[d] >= wide[d]) return -1;
    }
    for (int d = 0; d < win->rank; d++) index = index * wide[d] + at[d];
    return index;
}

static int64_t product(const int64_t *dim, int n)
{
    int64_t x = 1;
    for (int i = 0; i < n; i++) x *= dim[i];
    return x;
}

static void conv_links(const struct wn_program *p, const struct wn_step *s, double *const *value, on_link *call,
                       void *ctx)
{
    bool turned = s->prim == WN_PRIM_CONV_BWD;
    const struct wn_window *win = &s->u.conv.win;
    const struct wn_shape *wide = shape(p, turned ? s->out[0] : s->in[0]),
                          *narrow = shape(p, turned ? s->in[0] : s->out[0]);
    int64_t taps = product(win->kernel, win->rank), area = product(wide->dim + 2, win->rank),
            places = product(narrow->dim + 2, win->rank);
    int64_t c_group = wide->dim[1] / s->u.conv.groups, o_group = narrow->dim[1] / s->u.conv.groups;
    for (int64_t n = 0; n < wide->dim[0]; n++)
        for (int64_t o = 0; o < narrow->dim[1]; o++)
            for (int64_t c = 0; c < c_group; c++)
                for (int64_t place = 0; place < places; place++)
                    for (int64_t tap = 0; tap < taps; tap++) {
                        int64_t at = cell(win, wide->dim + 2, narrow->dim + 2, place, tap);
                        if (at < 0) continue;
                        int64_t i = (n * wide->dim[1] + o / o_group * c_group + c) * area + at;
                        int64_t j = (n * narrow->dim[1] + o) * places + place;
                        call(ctx, 0, turned ? j : i, turned ? i : j, value[s->in[1]][(o * c_group + c) * taps + tap]);
                    }
}

static void avgpool_links(const struct wn_program *p, const struct wn_step *s, on_link *call, void *ctx)
{
    const struct wn_window *win = &s->u.pool.win;
    const struct wn_shape *x = shape(p, s->in[0]), *y = shape(p, s->out[0]);
    int64_t taps = product(win->kernel, win->rank), area = product(x->dim + 2, win->rank),
            places = product(y->dim + 2, win->rank);
    for (int64_t j = 0; j < count(p, s->out[0]); j++) {
        int64_t inside = 0;
        for (int64_t tap = 0; tap < taps; tap++) inside += cell(win, x->dim + 2, y->dim + 2, j % places, tap) >= 0;
        for (int64_t tap = 0; tap < taps; tap++) {
            int64_t at = cell(win, x->dim + 2, y->dim + 2, j % places, tap);
            if (at >= 0) call(ctx, 0, j / places * area + at, j, 1.0 / (double)(s->u.pool.count_pad ? taps : inside));
        }
    }
}

void each_winner(const struct wn_program *p, const struct wn_step *s, const double *x, on_link *call, void *ctx)
{
    const struct wn_window *win = &s->u.pool.win;
    const struct wn_shape *xs = shape(p, s->in[0]), *y = shape(p, s->out[0]);
    int64_t taps = product(win->kernel, win->rank), area = product(xs->dim + 2, win->rank),
            places = product(y->dim + 2, win->rank);
    for (int64_t j = 0; j < count(p, s->out[0]); j++) {
        int64_t best = -1, base = j / places * area;
        for (int64_t tap = 0; tap < taps; tap++) {
            int64_t at = cell(win, xs->dim + 2, y->dim + 2, j % places, tap);
            if (at >= 0 && (best < 0 || x[base + at] > x[base + best])) best = at;
        }
        if (best >= 0) call(ctx, 0, base + best, j, 1);
    }
}

/* ---- the others ---- */

static void matmul_links(const struct wn_program *p, const struct wn_step *s, double *const *value, on_link *call,
                         void *ctx)
{
    const struct wn_shape *y = shape(p, s->out[0]), *a = shape(p, s->in[0]);
    int64_t m = y->dim[0], n = y->dim[1], k = a->dim[s->u.matmul.trans_a ? 0 : 1];
    for (int64_t r = 0; r < m; r++)
        for (int64_t c = 0; c < n; c++)
            for (int64_t i = 0; i < k; i++) {
                int64_t at_a = s->u.matmul.trans_a ? i * m + r : r * k + i,
                        at_b = s->u.matmul.trans_b ? c * k + i : i * n + c;
                call(ctx, 0, at_a, r * n + c, value[s->in[1]][at_b]);
                call(ctx, 1, at_b, r * n + c, value[s->in[0]][at_a]);
            }
}

static bool binary_links(const struct wn_program *p, const struct wn_step *s, double *const *value, on_link *call,
                         void *ctx)
{
    for (int64_t j = 0; j < count(p, s->out[0]); j++) {
        int64_t at[2];
        for (int k = 0; k < 2; k++) at[k] = broadcast_index(shape(p, s->in[k]), shape(p, s->out[0]), j);
        switch (s->u.binary) {
        case WN_BINARY_ADD:
        case WN_BINARY_SUB:
            call(ctx, 0, at[0], j, 1);
            call(ctx, 1, at[1], j, s->u.binary == WN_BINARY_ADD ? 1 : -1);
            break;
        case WN_BINARY_MUL:
            for (int k = 0; k < 2; k++) call(ctx, k, at[k], j, value[s->in[1 - k]][at[1 - k]]);
            break;
        case WN_BINARY_DIV: call(ctx, 0, at[0], j, 1 / value[s->in[1]][at[1]]); break;
        default: return false;
        }
    }
    return true;
}

static bool reduce_links(const struct wn_program *p, const struct wn_step *s, on_link *call, void *ctx)
{
    if (s->u.reduce.kind == WN_REDUCE_MAX) return false;
    int64_t n = count(p, s->in[0]), terms = n / count(p, s->out[0]);
    for (int64_t i = 0; i < n; i++)
        call(ctx, 0, i, broadcast_index(shape(p, s->out[0]), shape(p, s->in[0]), i),
             s->u.reduce.kind == WN_REDUCE_MEAN ? 1.0 / (double)terms : 1);
    return true;
}

static void copy_links(const struct wn_step *s, on_link *call, void *ctx)
{
    const struct wn_copy *c = &s->u.copy;
    for (int64_t k = 0; k < product(c->extent, c->rank); k++) {
        int64_t i = c->x_offset, j = c->y_offset, left = k;
        for (int d = c->rank - 1; d >= 0; d--) {
            i += left % c->extent[d] * c->x_stride[d];
            j += left % c->extent[d] * c->y_stride[d];
            left /= c->extent[d];
        }
        call(ctx, 0, i, j, 1);
    }
}

static void concat_links(const struct wn_program *p, const struct wn_step *s, on_link *call, void *ctx)
{
    const struct wn_shape *y = shape(p, s->out[0]);
    int axis = s->u.concat.axis;
    int64_t inner = product(y->dim + axis + 1, y->rank - axis - 1), begin = 0;
    for (int k = 0; k < s->n_in; k++) {
        int64_t block = shape(p, s->in[k])->dim[axis] * inner;
        for (int64_t i = 0; i < count(p, s->in[k]); i++)
            call(ctx, k, i, i / block * y->dim[axis] * inner + begin * inner + i % block, 1);
        begin += shape(p, s->in[k])->dim[axis];
    }
}

static void axis_map_links(const struct wn_program *p, const struct wn_step *s, on_link *call, void *ctx)
{
    const struct wn_taps *t = &s->u.map.taps;
    const struct wn_shape *y = shape(p, s->out[0]);
    int64_t inner = product(y->dim + s->u.map.axis + 1, y->rank - s->u.map.axis - 1);
    for (int64_t j = 0; j < count(p, s->out[0]); j++)
        for (int k = 0; k < t->taps; k++) {
            int64_t row = j / inner % t->out * t->taps + k;
            if (t->index[row] >= 0)
                call(ctx, 0, (j / inner / t->out * t->in + t->index[row]) * inner + j % inner, j, t->weight[row]);
        }
}

bool each_link(const struct wn_program *p, const struct wn_step *s, double *const *value, on_link *call, void *ctx)
{
    switch (s->prim) {
    case WN_PRIM_CONV:
    case WN_PRIM_CONV_BWD: conv_links(p, s, value, call, ctx); return true;
    case WN_PRIM_AVGPOOL: avgpool_links(p, s, call, ctx); return true;
    case WN_PRIM_MATMUL: matmul_links(p, s, value, call, ctx); return true;
    case WN_PRIM_BINARY: return binary_links(p, s, value, call, ctx);
    case WN_PRIM_REDUCE: return reduce_links(p, s, call, ctx);
    case WN_PRIM_COPY: copy_links(s, call, ctx); return true;
    case WN_PRIM_CONCAT: concat_links(p, s, call, ctx); return true;
    case WN_PRIM_AXIS_MAP: axis_map_links(p, s, call, ctx); return true;
    case WN_PRIM_RESHAPE:
        for (int64_t i = 0; i < count(p, s->out[0]); i++) call(ctx, 0, i, i, 1);
        return true;
    case WN_PRIM_UNARY:
        if (s->u.unary.kind != WN_UNARY_LINEAR) return false;
        for (int64_t i = 0; i < count(p, s->out[0]); i++) call(ctx, 0, i, i, s->u.unary.alpha);
        return true;
    default: return false;
    }
}

double bias_of(const struct wn_program *p, const struct wn_step *s, double *const *value, int64_t j)
{
    const struct wn_shape *y = shape(p, s->out[0]);
    if (s->n_in < 3 || s->in[2] == WN_NONE) return 0;
    if (s->prim == WN_PRIM_MATMUL) return value[s->in[2]][j % y->dim[1]];
    return value[s->in[2]][j / product(y->dim + 2, y->rank - 2) % y->dim[1]];
}
