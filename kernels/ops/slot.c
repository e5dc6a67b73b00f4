/* Formulas over slots: constants are computed at once, values by appended primitives. Guards the batch axis: an image
 * must never see another image of its batch. Knows no operator. */
#include "op.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool wn_slot_ok(struct wn_slot s)
{
    return s.tensor || s.value >= 0;
}

bool wn_slot_whole(struct wn_slot s)
{
    return s.tensor && s.tensor->i;
}

struct wn_shape wn_slot_shape(const struct wn_lower *lo, struct wn_slot s)
{
    if (s.tensor) return s.tensor->shape;
    return s.value >= 0 ? wn_program_value(lo->program, s.value)->shape : (struct wn_shape){0};
}

bool wn_slot_batched(const struct wn_lower *lo, struct wn_slot s)
{
    return !s.tensor && s.value >= 0 && wn_program_value(lo->program, s.value)->batched;
}

/* Whether one more constant of that shape is within the limit. Asked before anything is multiplied with its lengths. */
static bool fits(struct wn_lower *lo, const struct wn_shape *shape, int64_t *n)
{
    int64_t limit = lo->graph->limits.value_elements;
    *n = 1;
    for (int d = 0; d < shape->rank; d++)
        if (shape->dim[d] < 0 || __builtin_mul_overflow(*n, shape->dim[d], n) || *n > limit) *n = limit + 1;
    if (*n <= limit - lo->host_elements) return true;
    return wn_op_fail(lo, WN_BAD_MODEL, "its constants have more than %lld elements", (long long)limit);
}

bool wn_slot_afford(struct wn_lower *lo, const struct wn_shape *shape)
{
    int64_t n;
    if (!fits(lo, shape, &n)) return false;
    lo->host_elements += n;
    return true;
}

struct wn_slot wn_slot_own(struct wn_lower *lo, struct wn_tensor *t)
{
    if (lo->n_made == lo->cap_made) {
        int cap = lo->cap_made ? 2 * lo->cap_made : 64;
        struct wn_tensor **bigger = realloc(lo->made, (size_t)cap * sizeof *bigger);
        if (!bigger) wn_folded_destroy(t);
        if (!bigger) t = NULL;
        if (bigger) lo->made = bigger;
        if (bigger) lo->cap_made = cap;
    }
    if (!t) return wn_slot_fail(lo, WN_NO_MEMORY, "no memory for a constant");
    lo->made[lo->n_made++] = t;
    return (struct wn_slot){.tensor = t, .value = WN_NONE};
}

struct wn_slot wn_slot_of(struct wn_lower *lo, int value)
{
    if (value < 0) {
        struct wn_error built = {0};
        wn_program_error(lo->program, &built);
        return wn_slot_fail(lo, built.code ? built.code : WN_INTERNAL, "%s",
                            built.code ? built.text : "it has no result");
    }
    const struct wn_shape shape = wn_program_value(lo->program, value)->shape;
    if (wn_shape_count(&shape) == 0) return wn_slot_own(lo, wn_fold_new(WN_F32, &shape));
    return (struct wn_slot){.value = value};
}

struct wn_slot wn_slot_scalar(struct wn_lower *lo, float v)
{
    struct wn_slot s = wn_slot_own(lo, wn_fold_new(WN_F32, &(struct wn_shape){0}));
    if (s.tensor) s.tensor->f[0] = v;
    return s;
}

/* ---- constants as the program knows them ---- */

static void copy_floats(float *dst, const void *arg)
{
    const struct wn_tensor *t = arg;
    memcpy(dst, t->f, (size_t)wn_shape_count(&t->shape) * sizeof *dst);
}

static uint64_t hash(uint64_t h, const void *data, size_t bytes)
{
    const unsigned char *b = data;
    for (size_t i = 0; i < bytes; i++) h = (h ^ b[i]) * 1099511628211u;
    return h;
}

/* A constant made while lowering is known by its content, two ways hashed, so that each batch size finds the same
 * weight. */
static void content_key(const struct wn_tensor *t, char *key, size_t size)
{
    size_t bytes = (size_t)wn_shape_count(&t->shape) * sizeof *t->f;
    uint64_t a = hash(14695981039346656037u, t->f, bytes), b = hash(0x9e3779b97f4a7c15u, t->f, bytes);
    int at = snprintf(key, size, "constant|%016" PRIx64 "%016" PRIx64, a, b);
    for (int d = 0; d < t->shape.rank; d++)
        at += snprintf(key + at, size - (size_t)at, d ? "x%" PRId64 : "|%" PRId64, t->shape.dim[d]);
}

/* Masks are added, or bound what they meet; an infinite factor makes numbers of nothing. */
static bool may_be_infinite(const struct wn_node *node)
{
    static const char *const ops[] = {"Add", "Sub", "Sum", "Min", "Max", "Clip"};
    for (size_t i = 0; node && i < sizeof ops / sizeof *ops; i++)
        if (strcmp(node->op, ops[i]) == 0) return true;
    return !node;
}

static const struct wn_weight *weight_of(struct wn_lower *lo, struct wn_slot s)
{
    char key[256];
    struct wn_error why = {0};
    if (!s.key) content_key(s.tensor, key, sizeof key);
    const struct wn_weight *w = s.key ? wn_graph_weight(lo->graph, s.key, &s.tensor->shape, NULL, s.tensor->f, &why)
                                      : wn_graph_weight(lo->graph, key, &s.tensor->shape, copy_floats, s.tensor, &why);
    if (!w) wn_op_fail(lo, why.code, "%s", why.text);
    if (!w || !wn_weight_has_infinity(w) || may_be_infinite(lo->node)) return w;
    wn_op_fail(lo, WN_BAD_MODEL, "the weight '%s' has infinite elements: export the network again",
               wn_show(w->name).text);
    return NULL;
}

int wn_slot_value(struct wn_lower *lo, struct wn_slot s)
{
    if (!wn_slot_ok(s) || !s.tensor) return s.value;
    if (!s.tensor->f) {
        wn_op_fail(lo, WN_UNSUPPORTED, "a constant of type %s where a float is needed", wn_dtype_name(s.tensor->dtype));
        return WN_NONE;
    }
    const struct wn_weight *w = weight_of(lo, s);
    return w ? wn_program_const(lo->program, w) : WN_NONE;
}

/* ---- moving ---- */

static struct wn_slot couples(struct wn_lower *lo)
{
    return wn_slot_fail(lo, WN_UNSUPPORTED, "it mixes the images of a batch; axis 0 must stay the batch");
}

struct wn_slot wn_slot_reshape(struct wn_lower *lo, struct wn_slot x, const struct wn_shape *shape)
{
    if (!wn_slot_ok(x)) return x;
    struct wn_shape old = wn_slot_shape(lo, x);
    if (wn_shape_equal(&old, shape)) return x;
    if (x.tensor) return wn_slot_afford(lo, shape) ? wn_slot_own(lo, wn_fold_clone(x.tensor, shape)) : WN_NO_SLOT;
    if (wn_slot_batched(lo, x) && (shape->rank < 1 || shape->dim[0] != old.dim[0])) return couples(lo);
    return wn_slot_of(lo, wn_reshape(lo->program, x.value, shape));
}

static struct wn_slot fold_copy(struct wn_lower *lo, struct wn_slot x, const struct wn_shape *y,
                                const struct wn_copy *c)
{
    return wn_slot_afford(lo, y) ? wn_slot_own(lo, wn_fold_copy(x.tensor, y, c)) : WN_NO_SLOT;
}

struct wn_slot wn_slot_transpose(struct wn_lower *lo, struct wn_slot x, const int *perm)
{
    if (!wn_slot_ok(x)) return x;
    if (wn_slot_batched(lo, x) && perm[0] != 0) return couples(lo); /* analyzer: what is batched has an axis */
    if (!x.tensor) return wn_slot_of(lo, wn_transpose(lo->program, x.value, perm));
    struct wn_shape s = x.tensor->shape, y = {.rank = s.rank};
    struct wn_copy c = {.rank = s.rank};
    int64_t stride[WN_MAX_RANK];
    wn_strides(&s, stride);
    for (int d = 0; d < s.rank; d++) {
        y.dim[d] = c.extent[d] = s.dim[perm[d]];
        c.x_stride[d] = stride[perm[d]];
    }
    wn_strides(&y, c.y_stride);
    return fold_copy(lo, x, &y, &c);
}

struct wn_slot wn_slot_slice(struct wn_lower *lo, struct wn_slot x, int axis, int64_t start, int64_t count,
                             int64_t step)
{
    if (!wn_slot_ok(x)) return x;
    struct wn_shape s = wn_slot_shape(lo, x), y = s;
    if (start == 0 && step == 1 && count == s.dim[axis]) return x;
    if (wn_slot_batched(lo, x) && axis == 0) return couples(lo);
    if (!x.tensor) return wn_slot_of(lo, wn_slice(lo->program, x.value, axis, start, count, step));
    struct wn_copy c = {.rank = s.rank};
    y.dim[axis] = count;
    wn_strides(&s, c.x_stride);
    wn_strides(&y, c.y_stride);
    memcpy(c.extent, y.dim, sizeof c.extent);
    if (count > 0) {
        c.x_offset = start * c.x_stride[axis];
        c.x_stride[axis] *= step;
    }
    return fold_copy(lo, x, &y, &c);
}

/* Positive pads of a constant; a crop is a slice, which the operator takes first. */
static struct wn_slot fold_pad(struct wn_lower *lo, struct wn_slot x, const int64_t *lo_pad, const int64_t *hi_pad,
                               float fill)
{
    struct wn_shape s = x.tensor->shape, y = s;
    struct wn_copy c = {.rank = s.rank, .fill = fill};
    int64_t n;
    for (int d = 0; d < s.rank; d++) y.dim[d] = s.dim[d] + lo_pad[d] + hi_pad[d];
    if (!fits(lo, &y, &n)) return WN_NO_SLOT;
    wn_strides(&s, c.x_stride);
    wn_strides(&y, c.y_stride);
    memcpy(c.extent, s.dim, sizeof c.extent);
    for (int d = 0; d < s.rank; d++) c.y_offset += lo_pad[d] * c.y_stride[d];
    return fold_copy(lo, x, &y, &c);
}

struct wn_slot wn_slot_pad(struct wn_lower *lo, struct wn_slot x, const int64_t *lo_pad, const int64_t *hi_pad,
                           float fill)
{
    if (!wn_slot_ok(x)) return x;
    if (wn_slot_batched(lo, x) && (lo_pad[0] || hi_pad[0])) return couples(lo);
    if (!x.tensor) return wn_slot_of(lo, wn_pad(lo->program, x.value, lo_pad, hi_pad, fill));
    return fold_pad(lo, x, lo_pad, hi_pad, fill);
}

struct wn_slot wn_slot_expand(struct wn_lower *lo, struct wn_slot x, const struct wn_shape *y)
{
    if (!wn_slot_ok(x)) return x;
    struct wn_shape s = wn_slot_shape(lo, x), both;
    if (!wn_shape_broadcast(&s, y, &both) || !wn_shape_equal(&both, y))
        return wn_slot_fail(lo, WN_BAD_MODEL, "its value does not broadcast to the shape that is asked for");
    if (wn_shape_equal(&s, y)) return x;
    if (wn_slot_batched(lo, x) && (s.rank != y->rank || s.dim[0] != y->dim[0])) return couples(lo);
    if (!x.tensor) return wn_slot_of(lo, wn_expand(lo->program, x.value, y));
    struct wn_copy c = {.rank = y->rank};
    int64_t stride[WN_MAX_RANK], n;
    if (!fits(lo, y, &n)) return WN_NO_SLOT;
    wn_strides(&s, stride);
    wn_strides(y, c.y_stride);
    memcpy(c.extent, y->dim, sizeof c.extent);
    for (int d = y->rank - s.rank; d < y->rank; d++)
        c.x_stride[d] = s.dim[d - (y->rank - s.rank)] == 1 ? 0 : stride[d - (y->rank - s.rank)];
    return fold_copy(lo, x, y, &c);
}

static bool parts_fit(struct wn_lower *lo, const struct wn_slot *x, int n, int axis)
{
    struct wn_shape first = wn_slot_shape(lo, x[0]);
    int64_t total = 0;
    for (int k = 0; k < n; k++) {
        struct wn_shape s = wn_slot_shape(lo, x[k]);
        if (s.rank != first.rank || __builtin_add_overflow(total, s.dim[axis], &total))
            return wn_op_fail(lo, WN_BAD_MODEL, "its parts do not have the same rank");
        s.dim[axis] = first.dim[axis];
        if (!wn_shape_equal(&s, &first)) return wn_op_fail(lo, WN_BAD_MODEL, "its parts differ outside axis %d", axis);
    }
    return true;
}

static struct wn_slot fold_concat(struct wn_lower *lo, const struct wn_slot *x, int n, int axis)
{
    const struct wn_tensor **parts = calloc((size_t)n, sizeof *parts);
    struct wn_shape y = x[0].tensor->shape;
    bool same = parts != NULL;
    y.dim[axis] = 0;
    for (int k = 0; parts && k < n; k++) {
        parts[k] = x[k].tensor;
        y.dim[axis] += x[k].tensor->shape.dim[axis];
        same = same && !parts[k]->f == !parts[0]->f;
    }
    struct wn_slot r = WN_NO_SLOT;
    if (!parts)
        r = wn_slot_fail(lo, WN_NO_MEMORY, "no memory for %d parts", n);
    else if (!same)
        r = wn_slot_fail(lo, WN_BAD_MODEL, "its parts are of different types");
    else if (wn_slot_afford(lo, &y))
        r = wn_slot_own(lo, wn_fold_concat(parts, n, axis));
    free(parts);
    return r;
}

struct wn_slot wn_slot_concat(struct wn_lower *lo, const struct wn_slot *x, int n, int axis)
{
    bool constant = true, batched = false;
    if (n < 1) return wn_slot_fail(lo, WN_BAD_MODEL, "it has no parts");
    for (int k = 0; k < n; k++) {
        if (!wn_slot_ok(x[k])) return x[k];
        constant = constant && x[k].tensor;
        batched = batched || wn_slot_batched(lo, x[k]);
    }
    if (!parts_fit(lo, x, n, axis)) return WN_NO_SLOT;
    if (n == 1) return x[0];
    if (constant) return fold_concat(lo, x, n, axis);
    if (batched && axis == 0) return couples(lo);
    int *values = calloc((size_t)n, sizeof *values), used = 0;
    if (!values) return wn_slot_fail(lo, WN_NO_MEMORY, "no memory for %d parts", n);
    for (int k = 0; k < n; k++) {
        struct wn_shape s = wn_slot_shape(lo, x[k]);
        if (wn_shape_count(&s) > 0) values[used++] = wn_slot_value(lo, x[k]);
    }
    struct wn_slot r = wn_slot_of(lo, used == 1 ? values[0] : wn_concat(lo->program, values, used, axis));
    free(values);
    return r;
}

struct wn_slot wn_slot_map(struct wn_lower *lo, struct wn_slot x, int axis, const struct wn_taps *taps)
{
    if (!wn_slot_ok(x)) return x;
    if (wn_slot_batched(lo, x) && axis == 0) return couples(lo);
    return wn_slot_of(lo, wn_axis_map(lo->program, wn_slot_value(lo, x), axis, taps));
}

/* One tap of weight 1 for each place. */
static struct wn_slot take_by_map(struct wn_lower *lo, struct wn_slot x, int axis, int64_t length, const int64_t *index,
                                  int64_t n)
{
    struct wn_shape table = {.rank = 2, .dim = {n, 2}};
    if (!wn_slot_afford(lo, &table)) return WN_NO_SLOT;
    int32_t *at = calloc((size_t)n, sizeof *at);
    float *weight = calloc((size_t)n, sizeof *weight);
    struct wn_slot y = WN_NO_SLOT;
    for (int64_t j = 0; at && weight && j < n; j++) {
        at[j] = (int32_t)index[j];
        weight[j] = 1;
    }
    if (at && weight)
        y = wn_slot_map(lo, x, axis,
                        &(struct wn_taps){.in = length, .out = n, .taps = 1, .index = at, .weight = weight});
    else
        wn_op_fail(lo, WN_NO_MEMORY, "no memory for %lld indices", (long long)n);
    free(at);
    free(weight);
    return y;
}

struct wn_slot wn_slot_take(struct wn_lower *lo, struct wn_slot x, int axis, const int64_t *index, int64_t n)
{
    if (!wn_slot_ok(x)) return x;
    struct wn_shape s = wn_slot_shape(lo, x), y = s;
    int64_t length = s.dim[axis], step = n > 1 ? index[1] - index[0] : 1;
    bool even = step != 0;
    for (int64_t j = 0; j < n; j++) {
        if (index[j] < 0 || index[j] >= length)
            return wn_slot_fail(lo, WN_BAD_MODEL, "index %lld is outside an axis of %lld", (long long)index[j],
                                (long long)length);
        even = even && index[j] == index[0] + j * step;
    }
    if (n == 0) return wn_slot_slice(lo, x, axis, 0, 0, 1);
    if (even) return wn_slot_slice(lo, x, axis, index[0], n, step);
    if (!x.tensor) return take_by_map(lo, x, axis, length, index, n);
    y.dim[axis] = n;
    return wn_slot_afford(lo, &y) ? wn_slot_own(lo, wn_fold_take(x.tensor, axis, index, n)) : WN_NO_SLOT;
}

struct wn_slot wn_slot_per_channel(struct wn_lower *lo, struct wn_slot x, int spatial)
{
    if (!wn_slot_ok(x)) return x;
    struct wn_shape s = wn_slot_shape(lo, x);
    if (s.rank != 1) return wn_slot_fail(lo, WN_BAD_MODEL, "a list with one entry a channel has rank %d", s.rank);
    s.rank = 1 + spatial;
    for (int d = 1; d <= spatial; d++) s.dim[d] = 1;
    return wn_slot_reshape(lo, x, &s);
}

/* ---- arithmetic ---- */

struct wn_slot wn_slot_unary(struct wn_lower *lo, enum wn_unary kind, struct wn_slot x, float alpha, float beta)
{
    if (!wn_slot_ok(x)) return x;
    if (!x.tensor) return wn_slot_of(lo, wn_unary(lo->program, kind, x.value, alpha, beta));
    if (!x.tensor->f)
        return wn_slot_fail(lo, WN_UNSUPPORTED, "an operand of type %s; only float is supported",
                            wn_dtype_name(x.tensor->dtype));
    return wn_slot_afford(lo, &x.tensor->shape) ? wn_slot_own(lo, wn_fold_unary(kind, x.tensor, alpha, beta))
                                                : WN_NO_SLOT;
}

struct wn_slot wn_slot_linear(struct wn_lower *lo, struct wn_slot x, float scale, float shift)
{
    if (scale == 1 && shift == 0) return x;
    return wn_slot_unary(lo, WN_UNARY_LINEAR, x, scale, shift);
}

static struct wn_slot fold_binary(struct wn_lower *lo, enum wn_fold kind, struct wn_slot a, struct wn_slot b)
{
    struct wn_shape y;
    bool zero = false;
    if (!a.tensor->f != !b.tensor->f) return wn_slot_fail(lo, WN_BAD_MODEL, "its two operands are of different types");
    if (!wn_shape_broadcast(&a.tensor->shape, &b.tensor->shape, &y))
        return wn_slot_fail(lo, WN_BAD_MODEL, "its two operands do not broadcast");
    if (!wn_slot_afford(lo, &y)) return WN_NO_SLOT;
    struct wn_tensor *t = wn_fold_binary(kind, a.tensor, b.tensor, &y, &zero);
    return zero ? wn_slot_fail(lo, WN_BAD_MODEL, "a division by zero") : wn_slot_own(lo, t);
}

/* A batched operand keeps its axis 0 where the result has its own, and nothing else may stretch it. */
static bool binary_keeps_batch(struct wn_lower *lo, struct wn_slot a, struct wn_slot b)
{
    struct wn_shape sa = wn_slot_shape(lo, a), sb = wn_slot_shape(lo, b);
    bool ba = wn_slot_batched(lo, a), bb = wn_slot_batched(lo, b);
    if (!ba && !bb) return true;
    const struct wn_shape *batched = ba ? &sa : &sb, *other = ba ? &sb : &sa;
    if (other->rank > batched->rank) return false;
    if (ba && bb) return sa.rank == sb.rank && sa.dim[0] == sb.dim[0];
    return other->rank < batched->rank || other->dim[0] == 1 || other->dim[0] == batched->dim[0];
}

/* x op c, c op x for one number c, without a second operand; false if there is no such form. */
static bool by_scalar(enum wn_fold kind, float c, bool c_first, float *scale, float *shift)
{
    *scale = 1;
    *shift = 0;
    if (kind == WN_FOLD_ADD)
        *shift = c;
    else if (kind == WN_FOLD_MUL)
        *scale = c;
    else if (kind == WN_FOLD_SUB) {
        *scale = c_first ? -1 : 1;
        *shift = c_first ? c : -c;
    } else
        return false;
    return true;
}

/* One number, and a finite one: others are looked at as weights are. */
static bool is_scalar(const struct wn_lower *lo, struct wn_slot c, struct wn_slot x)
{
    return c.tensor && wn_shape_count(&c.tensor->shape) == 1 && c.tensor->shape.rank <= wn_slot_shape(lo, x).rank &&
           isfinite(c.tensor->f[0]);
}

struct wn_slot wn_slot_binary(struct wn_lower *lo, enum wn_fold kind, struct wn_slot a, struct wn_slot b)
{
    float scale, shift;
    struct wn_shape sa = wn_slot_shape(lo, a), sb = wn_slot_shape(lo, b), y;
    if (!wn_slot_ok(a) || !wn_slot_ok(b)) return WN_NO_SLOT;
    if (a.tensor && b.tensor) return fold_binary(lo, kind, a, b);
    if (wn_slot_whole(a) || wn_slot_whole(b))
        return wn_slot_fail(lo, WN_UNSUPPORTED, "whole numbers are only supported in constants");
    if (kind > WN_FOLD_MIN) return wn_slot_fail(lo, WN_UNSUPPORTED, "it is only supported on constants");
    if (!wn_shape_broadcast(&sa, &sb, &y)) return wn_slot_fail(lo, WN_BAD_MODEL, "its two operands do not broadcast");
    if (!binary_keeps_batch(lo, a, b)) return couples(lo);
    if (is_scalar(lo, b, a) && by_scalar(kind, b.tensor->f[0], false, &scale, &shift))
        return wn_slot_linear(lo, a, scale, shift);
    if (is_scalar(lo, a, b) && by_scalar(kind, a.tensor->f[0], true, &scale, &shift))
        return wn_slot_linear(lo, b, scale, shift);
    if (wn_shape_count(&y) == 0) return wn_slot_own(lo, wn_fold_new(WN_F32, &y));
    return wn_slot_of(lo, wn_binary(lo->program, (enum wn_binary)kind, wn_slot_value(lo, a), wn_slot_value(lo, b)));
}

struct wn_slot wn_slot_reduce(struct wn_lower *lo, enum wn_reduce kind, struct wn_slot x, unsigned axes)
{
    if (!wn_slot_ok(x) || !axes) return x;
    if (wn_slot_batched(lo, x) && (axes & 1)) return couples(lo);
    if (!x.tensor) return wn_slot_of(lo, wn_reduce(lo->program, kind, x.value, axes));
    return wn_slot_afford(lo, &x.tensor->shape) ? wn_slot_own(lo, wn_fold_reduce(kind, x.tensor, axes)) : WN_NO_SLOT;
}

/* A max-pool whose window is the whole of the reduced axes: they are moved behind the others and laid end to end. */
static struct wn_slot pool_axes(struct wn_lower *lo, struct wn_slot x, unsigned axes)
{
    struct wn_shape s = wn_slot_shape(lo, x), y = s, flat = {.rank = 3, .dim = {1, 1, 1}};
    int perm[WN_MAX_RANK], n = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int d = 0; d < s.rank; d++)
            if ((int)(axes >> d & 1) == pass) perm[n++] = d;
    for (int d = 0; d < s.rank; d++) {
        bool gone = axes >> d & 1;
        flat.dim[gone ? 2 : d == 0 ? 0 : 1] *= s.dim[d];
        if (gone) y.dim[d] = 1;
    }
    struct wn_window win = {.rank = 1, .kernel = {flat.dim[2]}, .stride = {1}, .dilation = {1}};
    struct wn_slot moved = wn_slot_reshape(lo, wn_slot_transpose(lo, x, perm), &flat);
    if (!wn_slot_ok(moved)) return moved;
    return wn_slot_reshape(lo, wn_slot_of(lo, wn_maxpool(lo->program, moved.value, &win, NULL)), &y);
}

struct wn_slot wn_slot_largest(struct wn_lower *lo, struct wn_slot x, unsigned axes)
{
    if (!wn_slot_ok(x) || !axes) return x;
    if (x.tensor) return wn_slot_reduce(lo, WN_REDUCE_MAX, x, axes);
    if (wn_slot_batched(lo, x) && (axes & 1)) return couples(lo);
    return pool_axes(lo, x, axes);
}
