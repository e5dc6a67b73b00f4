/* What operators ask of their node: operands, attributes, outputs and the words of a failure. Knows no operator. */
#include "op.h"

#include <stdio.h>
#include <string.h>

#define X(onnx, symbol) bool symbol(struct wn_lower *lo, const struct wn_node *node);
#include "ops.def"
#undef X

static const struct wn_op rows[] = {
#define X(onnx, symbol) {#onnx, symbol},
#include "ops.def"
#undef X
};

const struct wn_op *wn_op_at(int i)
{
    return i >= 0 && (size_t)i < sizeof rows / sizeof *rows ? &rows[i] : NULL;
}

const struct wn_op *wn_op_find(const char *name)
{
    for (int i = 0; wn_op_at(i); i++)
        if (strcmp(rows[i].name, name) == 0) return &rows[i];
    return NULL;
}

/* ---- failures ---- */

const char *wn_node_name(const struct wn_graph *g, const struct wn_node *node)
{
    const char *name = node->name && *node->name ? node->name : NULL;
    for (int i = 0; !name && i < node->n_out; i++)
        if (node->out[i] >= 0) name = g->value_names[node->out[i]];
    return name;
}

static void fail_at(struct wn_lower *lo, enum wn_code code, const char *fmt, va_list args)
{
    char text[WN_ERROR_TEXT];
    vsnprintf(text, sizeof text, fmt, args);
    const struct wn_node *node = lo->node;
    if (!node) {
        wn_fail(lo->err, code, "%s", text);
        return;
    }
    wn_fail(lo->err, code, "node '%s' (%s): %s", wn_show(wn_node_name(lo->graph, node)).text, wn_show(node->op).text,
            text);
}

bool wn_op_fail(struct wn_lower *lo, enum wn_code code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fail_at(lo, code, fmt, args);
    va_end(args);
    return false;
}

struct wn_slot wn_slot_fail(struct wn_lower *lo, enum wn_code code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fail_at(lo, code, fmt, args);
    va_end(args);
    return WN_NO_SLOT;
}

/* ---- operands ---- */

bool wn_op_has(const struct wn_lower *lo, int i)
{
    return i < lo->node->n_in && lo->node->in[i] >= 0;
}

struct wn_slot wn_op_in(struct wn_lower *lo, int i)
{
    if (!wn_op_has(lo, i)) return wn_slot_fail(lo, WN_BAD_MODEL, "input %d is missing", i + 1);
    int v = lo->node->in[i];
    struct wn_slot s = lo->slots[v];
    if (wn_slot_ok(s)) return s;
    for (int k = 0; k < lo->graph->n_inputs; k++)
        if (lo->graph->inputs[k].value == v)
            return wn_slot_fail(lo, WN_UNSUPPORTED,
                                "it needs the input '%s'; only a model with one input, the picture, is "
                                "supported",
                                wn_show(lo->graph->value_names[v]).text);
    return wn_slot_fail(lo, WN_UNSUPPORTED, "input %d is no tensor that is known here", i + 1);
}

int wn_op_value(struct wn_lower *lo, int i)
{
    return wn_slot_value(lo, wn_op_in(lo, i));
}

const struct wn_tensor *wn_op_constant(struct wn_lower *lo, int i, const char *what)
{
    struct wn_slot s = wn_op_in(lo, i);
    if (wn_slot_ok(s) && !s.tensor) wn_op_fail(lo, WN_UNSUPPORTED, "'%s' must be a constant", what);
    return s.tensor;
}

bool wn_op_whole(struct wn_lower *lo, int i, const char *what, int64_t *dst, int max, int *n)
{
    const struct wn_tensor *t = wn_op_constant(lo, i, what);
    if (!t) return false;
    int64_t count = wn_shape_count(&t->shape);
    if (!t->i || t->shape.rank > 1) return wn_op_fail(lo, WN_BAD_MODEL, "'%s' must be a list of whole numbers", what);
    if (count > max) return wn_op_fail(lo, WN_BAD_MODEL, "'%s' has more than %d entries", what, max);
    memcpy(dst, t->i, (size_t)count * sizeof *dst);
    *n = (int)count;
    return true;
}

/* ---- attributes ---- */

const struct wn_attr *wn_op_attr(const struct wn_lower *lo, const char *name)
{
    for (int i = 0; i < lo->node->n_attrs; i++)
        if (strcmp(lo->node->attrs[i].name, name) == 0) return &lo->node->attrs[i];
    return NULL;
}

int64_t wn_op_int(const struct wn_lower *lo, const char *name, int64_t otherwise)
{
    const struct wn_attr *a = wn_op_attr(lo, name);
    return a && a->kind == WN_ATTR_INT ? a->i : otherwise;
}

float wn_op_float(const struct wn_lower *lo, const char *name, float otherwise)
{
    const struct wn_attr *a = wn_op_attr(lo, name);
    return a && a->kind == WN_ATTR_FLOAT ? a->f : otherwise;
}

const char *wn_op_string(const struct wn_lower *lo, const char *name, const char *otherwise)
{
    const struct wn_attr *a = wn_op_attr(lo, name);
    return a && a->kind == WN_ATTR_STRING ? a->s : otherwise;
}

bool wn_op_ints(struct wn_lower *lo, const char *name, int64_t *dst, int max, int *n)
{
    const struct wn_attr *a = wn_op_attr(lo, name);
    *n = -1;
    if (!a) return true;
    if (a->kind != WN_ATTR_INTS)
        return wn_op_fail(lo, WN_BAD_MODEL, "attribute '%s' must be a list of whole numbers", name);
    if (a->n > max) return wn_op_fail(lo, WN_BAD_MODEL, "attribute '%s' has more than %d entries", name, max);
    if (a->n > 0) memcpy(dst, a->ints, (size_t)a->n * sizeof *dst);
    *n = a->n;
    return true;
}

bool wn_op_list(struct wn_lower *lo, const char *name, int since, int i, int64_t *dst, int max, int *n)
{
    *n = -1;
    if (lo->graph->opset < since) return wn_op_ints(lo, name, dst, max, n);
    return !wn_op_has(lo, i) || wn_op_whole(lo, i, name, dst, max, n);
}

bool wn_op_axis(struct wn_lower *lo, int64_t axis, int rank, int *out)
{
    *out = 0;
    if (axis < -rank || axis >= rank)
        return wn_op_fail(lo, WN_BAD_MODEL, "axis %lld is not there in a value of rank %d", (long long)axis, rank);
    *out = (int)(axis < 0 ? axis + rank : axis);
    return true;
}

bool wn_op_axes(struct wn_lower *lo, const int64_t *axes, int n, int rank, unsigned *mask)
{
    *mask = 0;
    for (int i = 0; i < n; i++) {
        int axis;
        if (!wn_op_axis(lo, axes[i], rank, &axis)) return false;
        if (*mask >> axis & 1) return wn_op_fail(lo, WN_BAD_MODEL, "axis %d is named twice", axis);
        *mask |= 1u << axis;
    }
    return true;
}

bool wn_op_wants(const struct wn_lower *lo, int i)
{
    return i < lo->node->n_out && lo->node->out[i] >= 0;
}

/* ---- results ---- */

/* Elements of one image, so that a big batch is not mistaken for a big network. */
static bool within_limits(struct wn_lower *lo, struct wn_slot s)
{
    struct wn_shape shape = wn_slot_shape(lo, s);
    int64_t n = 1, limit = lo->graph->limits.value_elements;
    for (int d = wn_slot_batched(lo, s) ? 1 : 0; d < shape.rank; d++)
        if (__builtin_mul_overflow(n, shape.dim[d], &n) || n > limit)
            return wn_op_fail(lo, WN_BAD_MODEL, "its result has more than %lld elements", (long long)limit);
    return true;
}

bool wn_op_set(struct wn_lower *lo, int i, struct wn_slot s)
{
    struct wn_error built = {0};
    if (wn_program_error(lo->program, &built) != WN_OK) return wn_op_fail(lo, built.code, "%s", built.text);
    if (!wn_slot_ok(s)) return wn_op_fail(lo, WN_INTERNAL, "it has no result");
    if (!wn_op_wants(lo, i)) return true;
    if (!within_limits(lo, s)) return false;
    lo->slots[lo->node->out[i]] = s;
    return true;
}

bool wn_op_set_value(struct wn_lower *lo, int i, int value)
{
    return wn_op_set(lo, i, wn_slot_of(lo, value));
}
