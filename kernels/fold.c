/* Arithmetic on constant tensors: whole numbers exactly, floats as a backend would. Knows no operator. */
#include "fold.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"
#include "unary_f32.h"

bool wn_dtype_is_float(enum wn_dtype dtype)
{
    return dtype == WN_F32 || dtype == WN_F64;
}

const char *wn_dtype_name(enum wn_dtype dtype)
{
    static const char *const names[] = {[WN_F32] = "float", [WN_F64] = "double", [WN_I64] = "int64",
                                        [WN_I32] = "int32", [WN_BOOL] = "bool",  [WN_U8] = "uint8"};
    return names[dtype];
}

void wn_strides(const struct wn_shape *s, int64_t *stride)
{
    int64_t n = 1;
    for (int i = s->rank - 1; i >= 0; i--) {
        stride[i] = n;
        /* A shape without elements may wrap, and its strides go unused. */
        n = (int64_t)((uint64_t)n * (uint64_t)s->dim[i]);
    }
}

/* ---- storage ---- */

static size_t element_bytes(const struct wn_tensor *t)
{
    return t->f ? sizeof *t->f : sizeof *t->i;
}

static void *elements(const struct wn_tensor *t)
{
    return t->f ? (void *)t->f : (void *)t->i;
}

struct wn_tensor *wn_fold_new(enum wn_dtype dtype, const struct wn_shape *shape)
{
    size_t n = 1;
    for (int d = 0; d < shape->rank; d++)
        if (shape->dim[d] < 0 || __builtin_mul_overflow(n, (size_t)shape->dim[d], &n)) return NULL;
    struct wn_tensor *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    t->dtype = dtype;
    t->shape = *shape;
    if (wn_dtype_is_float(dtype))
        t->f = calloc(n ? n : 1, sizeof *t->f);
    else
        t->i = calloc(n ? n : 1, sizeof *t->i);
    if (t->f || t->i) return t;
    free(t);
    return NULL;
}

void wn_folded_destroy(struct wn_tensor *t)
{
    if (!t) return;
    free(t->f);
    free(t->i);
    free(t);
}

struct wn_tensor *wn_fold_clone(const struct wn_tensor *x, const struct wn_shape *shape)
{
    struct wn_tensor *y = wn_fold_new(x->dtype, shape);
    size_t bytes = (size_t)wn_shape_count(shape) * element_bytes(x);
    if (y && bytes) memcpy(elements(y), elements(x), bytes);
    return y;
}

/* A whole number as its type would hold it. */
static int64_t narrow(enum wn_dtype dtype, int64_t v)
{
    if (dtype == WN_I32) return (int32_t)v;
    if (dtype == WN_U8) return (uint8_t)v;
    return dtype == WN_BOOL ? v != 0 : v;
}

/* C leaves a float that does not fit undefined; here it takes the nearest end. */
static int64_t whole(float v)
{
    if (isnan(v)) return 0;
    if (v >= 9223372036854775808.0f) return INT64_MAX;
    return v < -9223372036854775808.0f ? INT64_MIN : (int64_t)v;
}

struct wn_tensor *wn_fold_cast(const struct wn_tensor *x, enum wn_dtype dtype)
{
    struct wn_tensor *y = wn_fold_new(dtype, &x->shape);
    int64_t n = wn_shape_count(&x->shape);
    for (int64_t i = 0; y && i < n; i++) {
        if (y->f)
            y->f[i] = x->f ? x->f[i] : (float)x->i[i];
        else if (dtype == WN_BOOL)
            y->i[i] = x->f ? x->f[i] != 0 : x->i[i] != 0;
        else
            y->i[i] = narrow(dtype, x->f ? whole(x->f[i]) : x->i[i]);
    }
    return y;
}

/* ---- moving ---- */

/* Walks `extent` with two strided positions; `axis` is the one that is walked in this call. */
struct walk {
    const struct wn_copy *c;
    char *dst;
    const char *src;
    size_t size;
};

static void walk_axis(const struct walk *w, int axis, int64_t x, int64_t y)
{
    if (axis >= w->c->rank || axis >= WN_MAX_RANK) {
        memcpy(w->dst + (size_t)y * w->size, w->src + (size_t)x * w->size, w->size);
        return;
    }
    for (int64_t i = 0; i < w->c->extent[axis]; i++)
        walk_axis(w, axis + 1, x + i * w->c->x_stride[axis], y + i * w->c->y_stride[axis]);
}

struct wn_tensor *wn_fold_copy(const struct wn_tensor *x, const struct wn_shape *shape, const struct wn_copy *copy)
{
    struct wn_tensor *y = wn_fold_new(x->dtype, shape);
    if (!y) return NULL;
    int64_t n = wn_shape_count(shape);
    for (int64_t i = 0; copy->fill != 0 && i < n; i++) {
        if (y->f)
            y->f[i] = copy->fill;
        else
            y->i[i] = narrow(y->dtype, whole(copy->fill));
    }
    struct walk w = {copy, elements(y), elements(x), element_bytes(x)};
    walk_axis(&w, 0, copy->x_offset, copy->y_offset);
    return y;
}

/* Elements before an axis and behind it. */
static void around(const struct wn_shape *s, int axis, size_t *outer, size_t *inner)
{
    *outer = *inner = 1;
    for (int d = 0; d < s->rank; d++)
        if (d != axis) *(d < axis ? outer : inner) *= (size_t)s->dim[d];
}

struct wn_tensor *wn_fold_take(const struct wn_tensor *x, int axis, const int64_t *index, int64_t n)
{
    struct wn_shape shape = x->shape;
    size_t outer, inner, size = element_bytes(x), length = (size_t)shape.dim[axis];
    around(&shape, axis, &outer, &inner);
    shape.dim[axis] = n;
    struct wn_tensor *y = wn_fold_new(x->dtype, &shape);
    if (!y || !inner) return y;
    const char *src = elements(x);
    char *dst = elements(y);
    for (size_t o = 0; o < outer; o++)
        for (int64_t j = 0; j < n; j++, dst += inner * size)
            memcpy(dst, src + (o * length + (size_t)index[j]) * inner * size, inner * size);
    return y;
}

struct wn_tensor *wn_fold_concat(const struct wn_tensor *const *x, int n, int axis)
{
    struct wn_shape shape = x[0]->shape;
    size_t outer, inner, size = element_bytes(x[0]);
    around(&shape, axis, &outer, &inner);
    for (int k = 1; k < n; k++) shape.dim[axis] += x[k]->shape.dim[axis];
    struct wn_tensor *y = wn_fold_new(x[0]->dtype, &shape);
    if (!y || !inner) return y;
    char *dst = elements(y);
    for (size_t o = 0; o < outer; o++)
        for (int k = 0; k < n; k++) {
            size_t bytes = (size_t)x[k]->shape.dim[axis] * inner * size;
            memcpy(dst, (const char *)elements(x[k]) + o * bytes, bytes);
            dst += bytes;
        }
    return y;
}

/* ---- reducing ---- */

/* Position of element i of x in a tensor whose strides are `stride` (0 on the axes that are gone). */
static int64_t project(const struct wn_shape *x, const int64_t *stride, int64_t i)
{
    int64_t at = 0;
    for (int d = x->rank - 1; d >= 0; d--) {
        at += i % x->dim[d] * stride[d]; /* analyzer: as many strides as axes */
        i /= x->dim[d];
    }
    return at;
}

static struct wn_tensor *reduced(const struct wn_tensor *x, unsigned axes, int64_t *stride, int64_t *count)
{
    struct wn_shape shape = x->shape;
    *count = 1;
    for (int d = 0; d < shape.rank; d++) {
        if (!(axes >> d & 1)) continue;
        *count *= shape.dim[d];
        shape.dim[d] = 1;
    }
    wn_strides(&shape, stride);
    for (int d = 0; d < shape.rank; d++)
        if (axes >> d & 1) stride[d] = 0;
    return wn_fold_new(x->dtype, &shape);
}

static int64_t wrap_add(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static int64_t wrap_mul(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a * (uint64_t)b);
}

struct wn_tensor *wn_fold_reduce(enum wn_reduce kind, const struct wn_tensor *x, unsigned axes)
{
    int64_t stride[WN_MAX_RANK], count, n = wn_shape_count(&x->shape);
    struct wn_tensor *y = reduced(x, axes, stride, &count);
    int64_t m = y ? wn_shape_count(&y->shape) : 0;
    bool max = kind == WN_REDUCE_MAX;
    for (int64_t i = 0; max && i < m; i++) {
        if (y->f)
            y->f[i] = -INFINITY;
        else
            y->i[i] = INT64_MIN;
    }
    for (int64_t i = 0; y && i < n; i++) {
        int64_t at = project(&x->shape, stride, i);
        if (y->f)
            y->f[at] = max ? fmaxf(y->f[at], x->f[i]) : y->f[at] + x->f[i];
        else if (max)
            y->i[at] = x->i[i] > y->i[at] ? x->i[i] : y->i[at];
        else
            y->i[at] = wrap_add(y->i[at], x->i[i]);
    }
    for (int64_t i = 0; kind == WN_REDUCE_MEAN && count && i < m; i++) {
        if (y->f)
            y->f[i] /= (float)count;
        else
            y->i[i] /= count;
    }
    return y;
}

struct wn_tensor *wn_fold_prod(const struct wn_tensor *x, unsigned axes)
{
    int64_t stride[WN_MAX_RANK], count, n = wn_shape_count(&x->shape);
    struct wn_tensor *y = reduced(x, axes, stride, &count);
    for (int64_t i = 0; y && i < wn_shape_count(&y->shape); i++) {
        if (y->f)
            y->f[i] = 1;
        else
            y->i[i] = 1;
    }
    for (int64_t i = 0; y && i < n; i++) {
        int64_t at = project(&x->shape, stride, i);
        if (y->f)
            y->f[at] *= x->f[i];
        else
            y->i[at] = wrap_mul(y->i[at], x->i[i]);
    }
    return y;
}

/* ---- elementwise ---- */

#define WN_MAX fmaxf
#define WN_MIN fminf

static float unary(enum wn_unary kind, float x, float a, float b)
{
    (void)a, (void)b;
    switch (kind) {
#define X(id, name, from, fwd, bwd)                                                                                    \
    case WN_UNARY_##id:                                                                                                \
        return fwd;
#include <whynot/unary.def>
#undef X
    case WN_UNARY_COUNT: break;
    }
    return x;
}

struct wn_tensor *wn_fold_unary(enum wn_unary kind, const struct wn_tensor *x, float alpha, float beta)
{
    struct wn_tensor *y = wn_fold_new(x->dtype, &x->shape);
    int64_t n = wn_shape_count(&x->shape);
    for (int64_t i = 0; y && i < n; i++) y->f[i] = unary(kind, x->f[i], alpha, beta);
    return y;
}

struct wn_tensor *wn_fold_rounded(const struct wn_tensor *x, float (*round_)(float))
{
    struct wn_tensor *y = wn_fold_new(x->dtype, &x->shape);
    int64_t n = wn_shape_count(&x->shape);
    for (int64_t i = 0; y && i < n; i++) y->f[i] = round_(x->f[i]);
    return y;
}

/* Strides of a tensor that is broadcast to y: 0 where it is stretched. */
static void broadcast_strides(const struct wn_shape *s, const struct wn_shape *y, int64_t *stride)
{
    int64_t own[WN_MAX_RANK];
    wn_strides(s, own);
    for (int d = 0; d < y->rank; d++) {
        int k = d - (y->rank - s->rank);
        stride[d] = k < 0 || s->dim[k] == 1 ? 0 : own[k];
    }
}

/* The sign of the divisor, also where that is infinite. */
static float mod_floats(float a, float b)
{
    const float r = fmodf(a, b);
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

static float combine_floats(enum wn_fold kind, float a, float b)
{
    switch (kind) {
    case WN_FOLD_ADD: return a + b;
    case WN_FOLD_SUB: return a - b;
    case WN_FOLD_MUL: return a * b;
    case WN_FOLD_DIV: return a / b;
    case WN_FOLD_POW: return powf(a, b);
    case WN_FOLD_MAX: return fmaxf(a, b);
    case WN_FOLD_MIN: return fminf(a, b);
    case WN_FOLD_MOD: return mod_floats(a, b);
    case WN_FOLD_FMOD: return fmodf(a, b);
    default: return 0;
    }
}

/* -1, 0, 1; 2 where one of them is no number. */
static int order_floats(float a, float b)
{
    return a < b ? -1 : a > b ? 1 : a == b ? 0 : 2;
}

static int order_whole(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int64_t compare(enum wn_fold kind, int order, bool a, bool b)
{
    switch (kind) {
    case WN_FOLD_EQUAL: return order == 0;
    case WN_FOLD_LESS: return order == -1;
    case WN_FOLD_GREATER: return order == 1;
    case WN_FOLD_AND: return a && b;
    default: return a || b;
    }
}

static int64_t power(int64_t base, int64_t exponent)
{
    if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
    int64_t y = 1;
    for (; exponent; exponent >>= 1, base = wrap_mul(base, base))
        if (exponent & 1) y = wrap_mul(y, base);
    return y;
}

/* b is not 0. The one quotient that does not fit, INT64_MIN / -1, wraps. */
static int64_t divide(int64_t a, int64_t b)
{
    return b == -1 ? wrap_mul(a, -1) : a / b;
}

static int64_t remainder_of(enum wn_fold kind, int64_t a, int64_t b)
{
    int64_t r = b == -1 ? 0 : a % b;
    return kind == WN_FOLD_MOD && r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

static int64_t combine_whole(enum wn_fold kind, int64_t a, int64_t b)
{
    switch (kind) {
    case WN_FOLD_ADD: return wrap_add(a, b);
    case WN_FOLD_SUB: return (int64_t)((uint64_t)a - (uint64_t)b);
    case WN_FOLD_MUL: return wrap_mul(a, b);
    case WN_FOLD_DIV: return divide(a, b);
    case WN_FOLD_POW: return power(a, b);
    case WN_FOLD_MAX: return a > b ? a : b;
    case WN_FOLD_MIN: return a < b ? a : b;
    default: return remainder_of(kind, a, b);
    }
}

struct wn_tensor *wn_fold_binary(enum wn_fold kind, const struct wn_tensor *a, const struct wn_tensor *b,
                                 const struct wn_shape *shape, bool *zero)
{
    int64_t sa[WN_MAX_RANK], sb[WN_MAX_RANK], n = wn_shape_count(shape);
    bool divides = kind == WN_FOLD_DIV || kind == WN_FOLD_MOD || kind == WN_FOLD_FMOD;
    struct wn_tensor *y = wn_fold_new(kind >= WN_FOLD_EQUAL ? WN_BOOL : a->dtype, shape);
    *zero = false;
    broadcast_strides(&a->shape, shape, sa);
    broadcast_strides(&b->shape, shape, sb);
    for (int64_t i = 0; y && i < n; i++) {
        int64_t ia = project(shape, sa, i), ib = project(shape, sb, i);
        if (kind >= WN_FOLD_EQUAL)
            y->i[i] = a->f ? compare(kind, order_floats(a->f[ia], b->f[ib]), a->f[ia] != 0, b->f[ib] != 0)
                           : compare(kind, order_whole(a->i[ia], b->i[ib]), a->i[ia] != 0, b->i[ib] != 0);
        else if (y->f)
            y->f[i] = combine_floats(kind, a->f[ia], b->f[ib]);
        else if (divides && b->i[ib] == 0)
            *zero = true;
        else
            y->i[i] = narrow(y->dtype, combine_whole(kind, a->i[ia], b->i[ib]));
    }
    if (!*zero) return y;
    wn_folded_destroy(y);
    return NULL;
}

struct wn_tensor *wn_fold_where(const struct wn_tensor *mask, const struct wn_tensor *a, const struct wn_tensor *b,
                                const struct wn_shape *shape)
{
    int64_t sm[WN_MAX_RANK], sa[WN_MAX_RANK], sb[WN_MAX_RANK], n = wn_shape_count(shape);
    struct wn_tensor *y = wn_fold_new(a->dtype, shape);
    broadcast_strides(&mask->shape, shape, sm);
    broadcast_strides(&a->shape, shape, sa);
    broadcast_strides(&b->shape, shape, sb);
    for (int64_t i = 0; y && i < n; i++) {
        bool first = mask->i[project(shape, sm, i)] != 0;
        int64_t at = first ? project(shape, sa, i) : project(shape, sb, i);
        if (y->f)
            y->f[i] = (first ? a : b)->f[at];
        else
            y->i[i] = (first ? a : b)->i[at];
    }
    return y;
}
