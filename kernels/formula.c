/* Short formulas over the primitives: what operators, methods and the backward pass say most often. */
#include "program.h"

#include <string.h>

static bool usable(struct wn_program *p, int x)
{
    return !p->error.code && wn_program_has(p, x);
}

int wn_relu(struct wn_program *p, int x)
{
    return wn_unary(p, WN_UNARY_RELU, x, 0, 0);
}

int wn_add(struct wn_program *p, int a, int b)
{
    return wn_binary(p, WN_BINARY_ADD, a, b);
}

int wn_mul(struct wn_program *p, int a, int b)
{
    return wn_binary(p, WN_BINARY_MUL, a, b);
}

int wn_linear(struct wn_program *p, int x, float scale, float shift)
{
    if (scale == 1 && shift == 0) return x;
    return wn_unary(p, WN_UNARY_LINEAR, x, scale, shift);
}

/* Row-major strides, in elements. */
static void strides_of(const struct wn_shape *s, int64_t *stride)
{
    int64_t n = 1;
    for (int i = s->rank - 1; i >= 0; i--) {
        stride[i] = n;
        n *= s->dim[i];
    }
}

int wn_transpose(struct wn_program *p, int x, const int *perm)
{
    if (!usable(p, x)) return -1;
    const struct wn_shape s = p->values[x].shape;
    struct wn_shape y = {.rank = s.rank};
    struct wn_copy c = {.rank = s.rank};
    int64_t stride[WN_MAX_RANK];
    unsigned seen = 0;
    bool identity = true;
    strides_of(&s, stride);
    for (int i = 0; i < s.rank; i++) {
        if (perm[i] < 0 || perm[i] >= s.rank || (seen >> perm[i] & 1))
            return wn_program_fail(p, WN_BAD_MODEL, "a transpose names an axis twice or one that is not there");
        seen |= 1u << perm[i];
        identity = identity && perm[i] == i;
        y.dim[i] = c.extent[i] = s.dim[perm[i]];
        c.x_stride[i] = stride[perm[i]];
    }
    if (identity) return x;
    strides_of(&y, c.y_stride);
    return wn_copy(p, x, &y, &c);
}

int wn_slice(struct wn_program *p, int x, int axis, int64_t start, int64_t count, int64_t step)
{
    if (!usable(p, x)) return -1;
    const struct wn_shape s = p->values[x].shape;
    if (axis < 0 || axis >= s.rank || count < 0)
        return wn_program_fail(p, WN_BAD_MODEL, "a slice along an axis that is not there");
    if (start == 0 && step == 1 && count == s.dim[axis]) return x;
    struct wn_shape y = s;
    struct wn_copy c = {.rank = s.rank};
    y.dim[axis] = count;
    strides_of(&s, c.x_stride);
    strides_of(&y, c.y_stride);
    memcpy(c.extent, y.dim, sizeof c.extent);
    if (count > 0 && (__builtin_mul_overflow(start, c.x_stride[axis], &c.x_offset) ||
                      __builtin_mul_overflow(step, c.x_stride[axis], &c.x_stride[axis])))
        return wn_program_fail(p, WN_BAD_MODEL, "a slice reaches outside its axis");
    return wn_copy(p, x, &y, &c);
}

int wn_pad(struct wn_program *p, int x, const int64_t *lo, const int64_t *hi, float fill)
{
    if (!usable(p, x)) return -1;
    const struct wn_shape s = p->values[x].shape;
    struct wn_shape y = s;
    struct wn_copy c = {.rank = s.rank, .fill = fill};
    bool same = true;
    for (int i = 0; i < s.rank; i++) {
        if (lo[i] < -INT32_MAX || lo[i] > INT32_MAX || hi[i] < -INT32_MAX || hi[i] > INT32_MAX ||
            s.dim[i] + lo[i] + hi[i] < 0)
            return wn_program_fail(p, WN_BAD_MODEL, "a padding leaves nothing of an axis");
        y.dim[i] = s.dim[i] + lo[i] + hi[i];
        same = same && !lo[i] && !hi[i];
    }
    if (same) return x;
    strides_of(&s, c.x_stride);
    strides_of(&y, c.y_stride);
    for (int i = 0; i < s.rank; i++) {
        int64_t cut_lo = lo[i] < 0 ? -lo[i] : 0, cut_hi = hi[i] < 0 ? -hi[i] : 0;
        c.extent[i] = s.dim[i] - cut_lo - cut_hi;
        if (c.extent[i] < 0) c.extent[i] = 0;
        if (c.extent[i] == 0) continue;
        c.x_offset += cut_lo * c.x_stride[i];
        c.y_offset += (lo[i] > 0 ? lo[i] : 0) * c.y_stride[i];
    }
    return wn_copy(p, x, &y, &c);
}

int wn_crop(struct wn_program *p, int v, const int64_t *lo, const int64_t *hi, int rank)
{
    int64_t less_lo[WN_MAX_RANK] = {0}, less_hi[WN_MAX_RANK] = {0};
    bool any = false;
    for (int i = 0; i < rank; i++) {
        less_lo[2 + i] = -lo[i];
        less_hi[2 + i] = -hi[i];
        any = any || lo[i] || hi[i];
    }
    return any ? wn_pad(p, v, less_lo, less_hi, 0) : v;
}

int wn_expand(struct wn_program *p, int x, const struct wn_shape *y)
{
    if (!usable(p, x)) return -1;
    const struct wn_shape s = p->values[x].shape;
    if (wn_shape_equal(&s, y)) return x;
    struct wn_copy c = {.rank = y->rank};
    int64_t stride[WN_MAX_RANK];
    strides_of(&s, stride);
    strides_of(y, c.y_stride);
    memcpy(c.extent, y->dim, sizeof c.extent);
    for (int i = 1; i <= y->rank; i++) {
        int64_t d = i <= s.rank ? s.dim[s.rank - i] : 1;
        if (d != 1 && d != y->dim[y->rank - i])
            return wn_program_fail(p, WN_BAD_MODEL, "a value does not broadcast to the shape that is asked for");
        c.x_stride[y->rank - i] = d == 1 ? 0 : stride[s.rank - i];
    }
    if (s.rank > y->rank)
        return wn_program_fail(p, WN_BAD_MODEL, "a value has more axes than the shape it is broadcast to");
    return wn_copy(p, x, y, &c);
}

int wn_reduce_to(struct wn_program *p, int x, const struct wn_shape *to)
{
    if (!usable(p, x)) return -1;
    const struct wn_shape s = p->values[x].shape;
    unsigned axes = 0;
    for (int i = 0; i < s.rank; i++) {
        int j = i - (s.rank - to->rank);
        if (j < 0 || (to->dim[j] == 1 && s.dim[i] != 1)) axes |= 1u << i;
    }
    if (axes) x = wn_reduce(p, WN_REDUCE_SUM, x, axes);
    return wn_reshape(p, x, to);
}
