/* Transpose, Concat, Split, Slice and Gather: elements in other places. */
#include <stdlib.h>

#include "op.h"

bool wn_op_transpose(struct wn_lower *lo, const struct wn_node *node);
bool wn_op_concat(struct wn_lower *lo, const struct wn_node *node);
bool wn_op_split(struct wn_lower *lo, const struct wn_node *node);
bool wn_op_slice(struct wn_lower *lo, const struct wn_node *node);
bool wn_op_gather(struct wn_lower *lo, const struct wn_node *node);

bool wn_op_transpose(struct wn_lower *lo, const struct wn_node *node)
{
    struct wn_slot x = wn_op_in(lo, 0);
    int64_t list[WN_MAX_RANK];
    int perm[WN_MAX_RANK], n, rank = wn_slot_shape(lo, x).rank;
    unsigned seen;
    (void)node;
    if (!wn_slot_ok(x) || !wn_op_ints(lo, "perm", list, WN_MAX_RANK, &n)) return false;
    if (n >= 0 && n != rank) return wn_op_fail(lo, WN_BAD_MODEL, "'perm' has %d entries for %d axes", n, rank);
    if (n >= 0 && !wn_op_axes(lo, list, n, rank, &seen)) return false;
    for (int d = 0; d < rank; d++) perm[d] = (int)(n < 0 ? rank - 1 - d : list[d] < 0 ? list[d] + rank : list[d]);
    return wn_op_set(lo, 0, wn_slot_transpose(lo, x, perm));
}

bool wn_op_concat(struct wn_lower *lo, const struct wn_node *node)
{
    struct wn_slot *parts = calloc((size_t)node->n_in + 1, sizeof *parts), y = WN_NO_SLOT;
    int axis, rank = 0;
    bool ok = parts != NULL;
    if (!parts) return wn_op_fail(lo, WN_NO_MEMORY, "no memory for its parts");
    if (node->n_in < 1) ok = wn_op_fail(lo, WN_BAD_MODEL, "it has no inputs");
    for (int i = 0; ok && i < node->n_in; i++) ok = wn_slot_ok(parts[i] = wn_op_in(lo, i));
    if (ok) rank = wn_slot_shape(lo, parts[0]).rank;
    if (ok && wn_op_axis(lo, wn_op_int(lo, "axis", 1), rank, &axis)) y = wn_slot_concat(lo, parts, node->n_in, axis);
    free(parts);
    return wn_slot_ok(y) && wn_op_set(lo, 0, y);
}

/* ---- Split ---- */

/* Length of part i where no list says it: equal parts, the last one shorter (num_outputs). */
static int64_t equal_part(int64_t length, int parts, int i)
{
    int64_t most = (length + parts - 1) / parts, begin = most * i;
    if (begin >= length) return 0;
    return begin + most > length ? length - begin : most;
}

bool wn_op_split(struct wn_lower *lo, const struct wn_node *node)
{
    struct wn_slot x = wn_op_in(lo, 0);
    struct wn_shape s = wn_slot_shape(lo, x);
    int64_t sizes[256], at = 0;
    int axis, n, parts = node->n_out;
    if (!wn_slot_ok(x) || !wn_op_axis(lo, wn_op_int(lo, "axis", 0), s.rank, &axis)) return false;
    if (!wn_op_list(lo, "split", 13, 1, sizes, 256, &n)) return false;
    if (n < 0 && lo->graph->opset < 18 && s.dim[axis] % parts)
        return wn_op_fail(lo, WN_BAD_MODEL, "axis %d of length %lld in %d equal parts", axis, (long long)s.dim[axis],
                          parts);
    if (n >= 0 && n != parts) return wn_op_fail(lo, WN_BAD_MODEL, "'split' has %d entries for %d outputs", n, parts);
    if (wn_op_int(lo, "num_outputs", parts) != parts)
        return wn_op_fail(lo, WN_BAD_MODEL, "'num_outputs' is not %d", parts);
    for (int i = 0; i < parts; i++) {
        int64_t size = n < 0 ? equal_part(s.dim[axis], parts, i) : sizes[i];
        if (size < 0 || size > s.dim[axis] - at)
            return wn_op_fail(lo, WN_BAD_MODEL, "its parts are longer than axis %d", axis);
        if (!wn_op_set(lo, i, wn_slot_slice(lo, x, axis, at, size, 1))) return false;
        at += size;
    }
    return at == s.dim[axis] || wn_op_fail(lo, WN_BAD_MODEL, "its parts are shorter than axis %d", axis);
}

/* ---- Slice ---- */

struct ranges {
    int n;
    int64_t start[WN_MAX_RANK], end[WN_MAX_RANK], axis[WN_MAX_RANK], step[WN_MAX_RANK];
};

static bool read_ranges(struct wn_lower *lo, struct ranges *r)
{
    int starts, ends, axes, steps = -1;
    if (!wn_op_list(lo, "starts", 10, 1, r->start, WN_MAX_RANK, &starts) ||
        !wn_op_list(lo, "ends", 10, 2, r->end, WN_MAX_RANK, &ends) ||
        !wn_op_list(lo, "axes", 10, 3, r->axis, WN_MAX_RANK, &axes))
        return false;
    if (lo->graph->opset >= 10 && !wn_op_list(lo, "steps", 10, 4, r->step, WN_MAX_RANK, &steps)) return false;
    if (starts < 0 || ends != starts || (axes >= 0 && axes != starts) || (steps >= 0 && steps != starts))
        return wn_op_fail(lo, WN_BAD_MODEL, "'starts', 'ends', 'axes' and 'steps' differ in length");
    for (int i = 0; i < starts; i++) {
        if (axes < 0) r->axis[i] = i;
        if (steps < 0) r->step[i] = 1;
    }
    r->n = starts;
    return true;
}

static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

/* Elements of start:end:step on an axis, as numpy counts them; *start becomes the first one. */
static int64_t count_range(int64_t length, int64_t *start, int64_t end, int64_t step)
{
    int64_t low = step > 0 ? 0 : -1, high = step > 0 ? length : length - 1;
    if (*start < 0) *start = *start < -length ? low : *start + length;
    if (end < 0) end = end < -length ? low : end + length;
    *start = clamp(*start, low, high);
    end = clamp(end, low, high);
    if (step > 0) return *start >= end ? 0 : (end - *start - 1) / step + 1;
    return *start <= end ? 0 : (*start - end - 1) / -(step == INT64_MIN ? step + 1 : step) + 1;
}

bool wn_op_slice(struct wn_lower *lo, const struct wn_node *node)
{
    struct wn_slot x = wn_op_in(lo, 0);
    struct wn_shape s = wn_slot_shape(lo, x);
    struct ranges r;
    unsigned seen;
    (void)node;
    if (!wn_slot_ok(x) || !read_ranges(lo, &r) || !wn_op_axes(lo, r.axis, r.n, s.rank, &seen)) return false;
    for (int i = 0; i < r.n; i++) {
        int axis = (int)(r.axis[i] < 0 ? r.axis[i] + s.rank : r.axis[i]);
        if (r.step[i] == 0) return wn_op_fail(lo, WN_BAD_MODEL, "a step of 0");
        int64_t start = r.start[i], count = count_range(s.dim[axis], &start, r.end[i], r.step[i]);
        x = wn_slot_slice(lo, x, axis, start, count, count > 1 ? r.step[i] : 1);
    }
    return wn_op_set(lo, 0, x);
}

/* ---- Gather ---- */

/* x's shape with the indices' shape in place of one axis. */
static bool gathered_shape(struct wn_lower *lo, const struct wn_shape *x, int axis, const struct wn_shape *index,
                           struct wn_shape *y)
{
    *y = (struct wn_shape){0};
    if (x->rank - 1 + index->rank > WN_MAX_RANK)
        return wn_op_fail(lo, WN_UNSUPPORTED, "more than %d axes", WN_MAX_RANK);
    for (int d = 0; d < axis; d++) y->dim[y->rank++] = x->dim[d];
    for (int d = 0; d < index->rank; d++) y->dim[y->rank++] = index->dim[d];
    for (int d = axis + 1; d < x->rank; d++) y->dim[y->rank++] = x->dim[d];
    return true;
}

bool wn_op_gather(struct wn_lower *lo, const struct wn_node *node)
{
    struct wn_slot x = wn_op_in(lo, 0), y;
    struct wn_shape s = wn_slot_shape(lo, x), shape;
    const struct wn_tensor *index = wn_slot_ok(x) ? wn_op_constant(lo, 1, "indices") : NULL;
    int axis;
    (void)node;
    if (!index || !wn_op_axis(lo, wn_op_int(lo, "axis", 0), s.rank, &axis)) return false;
    if (!index->i) return wn_op_fail(lo, WN_BAD_MODEL, "'indices' must be whole numbers");
    int64_t n = wn_shape_count(&index->shape);
    if (!gathered_shape(lo, &s, axis, &index->shape, &shape) || !wn_slot_afford(lo, &index->shape)) return false;
    int64_t *at = calloc((size_t)n + 1, sizeof *at);
    if (!at) return wn_op_fail(lo, WN_NO_MEMORY, "no memory for its indices");
    for (int64_t i = 0; i < n; i++) at[i] = index->i[i] < 0 ? index->i[i] + s.dim[axis] : index->i[i];
    y = wn_slot_take(lo, x, axis, at, n);
    free(at);
    return wn_slot_ok(y) && wn_op_set(lo, 0, wn_slot_reshape(lo, y, &shape));
}
