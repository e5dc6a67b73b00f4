/* Add, Sub, Mul, Div, Pow, Min, Max, Sum and the functions of one number that are formulas over primitives; and what
 * is only computed on constants: rounding, remainders, comparisons. */
#include <math.h>

#include "op.h"

/* ---- two operands ---- */

#define BINARY(symbol, kind)                                                                                           \
    bool symbol(struct wn_lower *lo, const struct wn_node *node);                                                      \
    bool symbol(struct wn_lower *lo, const struct wn_node *node)                                                       \
    {                                                                                                                  \
        (void)node;                                                                                                    \
        return wn_op_set(lo, 0, wn_slot_binary(lo, kind, wn_op_in(lo, 0), wn_op_in(lo, 1)));                           \
    }

BINARY(wn_op_add, WN_FOLD_ADD)
BINARY(wn_op_sub, WN_FOLD_SUB)
BINARY(wn_op_mul, WN_FOLD_MUL)
BINARY(wn_op_div, WN_FOLD_DIV)
BINARY(wn_op_equal, WN_FOLD_EQUAL)
BINARY(wn_op_less, WN_FOLD_LESS)
BINARY(wn_op_greater, WN_FOLD_GREATER)
BINARY(wn_op_and, WN_FOLD_AND)
BINARY(wn_op_or, WN_FOLD_OR)

bool wn_op_mod(struct wn_lower *lo, const struct wn_node *node);
bool wn_op_pow(struct wn_lower *lo, const struct wn_node *node);
bool wn_op_not(struct wn_lower *lo, const struct wn_node *node);
bool wn_op_where(struct wn_lower *lo, const struct wn_node *node);

bool wn_op_mod(struct wn_lower *lo, const struct wn_node *node)
{
    enum wn_fold kind = wn_op_int(lo, "fmod", 0) ? WN_FOLD_FMOD : WN_FOLD_MOD;
    (void)node;
    return wn_op_set(lo, 0, wn_slot_binary(lo, kind, wn_op_in(lo, 0), wn_op_in(lo, 1)));
}

static struct wn_slot cast(struct wn_lower *lo, struct wn_slot x, enum wn_dtype dtype)
{
    if (!x.tensor || x.tensor->dtype == dtype) return x;
    return wn_slot_afford(lo, &x.tensor->shape) ? wn_slot_own(lo, wn_fold_cast(x.tensor, dtype)) : WN_NO_SLOT;
}

/* x^c for one number c: the forms that are exact, or have a simpler derivative, first. */
static struct wn_slot power(struct wn_lower *lo, struct wn_slot x, float c)
{
    if (c == 1) return x;
    if (c == 2) return wn_slot_unary(lo, WN_UNARY_SQUARE, x, 0, 0);
    if (c == 0.5f) return wn_slot_unary(lo, WN_UNARY_SQRT, x, 0, 0);
    return wn_slot_unary(lo, WN_UNARY_POW, x, c, 0);
}

/* The result has the base's type, whatever the exponent's. */
bool wn_op_pow(struct wn_lower *lo, const struct wn_node *node)
{
    struct wn_slot x = wn_op_in(lo, 0), c = wn_op_in(lo, 1);
    (void)node;
    if (!wn_slot_ok(x) || !wn_slot_ok(c)) return false;
    if (wn_slot_whole(x) && wn_slot_whole(c)) return wn_op_set(lo, 0, wn_slot_binary(lo, WN_FOLD_POW, x, c));
    enum wn_dtype dtype = x.tensor ? x.tensor->dtype : WN_F32;
    x = cast(lo, x, WN_F32);
    c = cast(lo, c, WN_F32);
    if (c.tensor && wn_shape_count(&c.tensor->shape) == 1 && c.tensor->shape.rank <= wn_slot_shape(lo, x).rank)
        x = power(lo, x, c.tensor->f[0]);
    else
        x = wn_slot_binary(lo, WN_FOLD_POW, x, c);
    if (!x.tensor && !wn_dtype_is_float(dtype))
        return wn_op_fail(lo, WN_UNSUPPORTED, "whole numbers are only supported in constants");
    return wn_op_set(lo, 0, cast(lo, x, dtype));
}

/* ---- any number of operands ---- */

static bool gather(struct wn_lower *lo, const struct wn_node *node, enum wn_fold kind)
{
    struct wn_slot y = wn_op_in(lo, 0);
    for (int i = 1; i < node->n_in; i++) y = wn_slot_binary(lo, kind, y, wn_op_in(lo, i));
    return wn_op_set(lo, 0, y);
}

bool wn_op_sum(struct wn_lower *lo, const struct wn_node *node);
bool wn_op_max(struct wn_lower *lo, const struct wn_node *node);
bool wn_op_min(struct wn_lower *lo, const struct wn_node *node);

bool wn_op_sum(struct wn_lower *lo, const struct wn_node *node)
{
    return gather(lo, node, WN_FOLD_ADD);
}

bool wn_op_max(struct wn_lower *lo, const struct wn_node *node)
{
    return gather(lo, node, WN_FOLD_MAX);
}

bool wn_op_min(struct wn_lower *lo, const struct wn_node *node)
{
    return gather(lo, node, WN_FOLD_MIN);
}

/* ---- one operand, floats or whole numbers ---- */

bool wn_op_neg(struct wn_lower *lo, const struct wn_node *node);
bool wn_op_abs(struct wn_lower *lo, const struct wn_node *node);
bool wn_op_sqrt(struct wn_lower *lo, const struct wn_node *node);
bool wn_op_floor(struct wn_lower *lo, const struct wn_node *node);
bool wn_op_ceil(struct wn_lower *lo, const struct wn_node *node);

/* The number zero of x's own type. */
static struct wn_slot zero_like(struct wn_lower *lo, struct wn_slot x)
{
    return wn_slot_own(lo, wn_fold_new(x.tensor->dtype, &(struct wn_shape){0}));
}

bool wn_op_neg(struct wn_lower *lo, const struct wn_node *node)
{
    struct wn_slot x = wn_op_in(lo, 0);
    (void)node;
    if (wn_slot_whole(x)) return wn_op_set(lo, 0, wn_slot_binary(lo, WN_FOLD_SUB, zero_like(lo, x), x));
    return wn_op_set(lo, 0, wn_slot_linear(lo, x, -1, 0));
}

bool wn_op_abs(struct wn_lower *lo, const struct wn_node *node)
{
    struct wn_slot x = wn_op_in(lo, 0);
    (void)node;
    if (!wn_slot_whole(x)) return wn_op_set(lo, 0, wn_slot_unary(lo, WN_UNARY_ABS, x, 0, 0));
    struct wn_slot minus = wn_slot_binary(lo, WN_FOLD_SUB, zero_like(lo, x), x);
    return wn_op_set(lo, 0, wn_slot_binary(lo, WN_FOLD_MAX, x, minus));
}

bool wn_op_sqrt(struct wn_lower *lo, const struct wn_node *node)
{
    (void)node;
    return wn_op_set(lo, 0, wn_slot_unary(lo, WN_UNARY_SQRT, wn_op_in(lo, 0), 0, 0));
}

static bool rounded(struct wn_lower *lo, float (*how)(float))
{
    const struct wn_tensor *t = wn_op_constant(lo, 0, "the operand");
    if (!t) return false;
    if (!t->f) return wn_op_fail(lo, WN_BAD_MODEL, "its operand must be a float");
    return wn_slot_afford(lo, &t->shape) && wn_op_set(lo, 0, wn_slot_own(lo, wn_fold_rounded(t, how)));
}

bool wn_op_floor(struct wn_lower *lo, const struct wn_node *node)
{
    (void)node;
    return rounded(lo, floorf);
}

bool wn_op_ceil(struct wn_lower *lo, const struct wn_node *node)
{
    (void)node;
    return rounded(lo, ceilf);
}

/* ---- choices between constants ---- */

bool wn_op_not(struct wn_lower *lo, const struct wn_node *node)
{
    const struct wn_tensor *t = wn_op_constant(lo, 0, "the operand");
    (void)node;
    if (!t) return false;
    if (t->dtype != WN_BOOL) return wn_op_fail(lo, WN_BAD_MODEL, "its operand must be bool");
    return wn_op_set(lo, 0, wn_slot_binary(lo, WN_FOLD_EQUAL, wn_op_in(lo, 0), zero_like(lo, wn_op_in(lo, 0))));
}

bool wn_op_where(struct wn_lower *lo, const struct wn_node *node)
{
    const struct wn_tensor *mask = wn_op_constant(lo, 0, "condition");
    const struct wn_tensor *a = mask ? wn_op_constant(lo, 1, "X") : NULL, *b = a ? wn_op_constant(lo, 2, "Y") : NULL;
    struct wn_shape y, ab;
    (void)node;
    if (!b) return false;
    if (mask->dtype != WN_BOOL || !a->f != !b->f)
        return wn_op_fail(lo, WN_BAD_MODEL, "its operands are of the wrong types");
    if (!wn_shape_broadcast(&a->shape, &b->shape, &ab) || !wn_shape_broadcast(&mask->shape, &ab, &y))
        return wn_op_fail(lo, WN_BAD_MODEL, "its operands do not broadcast");
    return wn_slot_afford(lo, &y) && wn_op_set(lo, 0, wn_slot_own(lo, wn_fold_where(mask, a, b, &y)));
}
