/* ConstantOfShape, Shape, Size, Range; and what passes a value on: Identity, Dropout, Cast. */
#include <math.h>
#include <string.h>

#include "op.h"

bool wn_op_constant_of_shape(struct wn_lower *lo, const struct wn_node *node);
bool wn_op_shape(struct wn_lower *lo, const struct wn_node *node);
bool wn_op_size(struct wn_lower *lo, const struct wn_node *node);
bool wn_op_range(struct wn_lower *lo, const struct wn_node *node);
bool wn_op_identity(struct wn_lower *lo, const struct wn_node *node);
bool wn_op_dropout(struct wn_lower *lo, const struct wn_node *node);
bool wn_op_cast(struct wn_lower *lo, const struct wn_node *node);

static struct wn_slot whole_numbers(struct wn_lower *lo, const int64_t *v, int rank, int n)
{
    struct wn_slot y = wn_slot_own(lo, wn_fold_new(WN_I64, &(struct wn_shape){.rank = rank, .dim = {n}}));
    for (int i = 0; y.tensor && i < n; i++) y.tensor->i[i] = v[i];
    return y;
}

bool wn_op_constant_of_shape(struct wn_lower *lo, const struct wn_node *node)
{
    struct wn_shape s = {0};
    const struct wn_attr *value = wn_op_attr(lo, "value");
    const struct wn_tensor *fill = value && value->kind == WN_ATTR_TENSOR ? value->tensor : NULL;
    (void)node;
    if (!wn_op_whole(lo, 0, "shape", s.dim, WN_MAX_RANK, &s.rank) || !wn_slot_afford(lo, &s)) return false;
    if (fill && wn_shape_count(&fill->shape) != 1) return wn_op_fail(lo, WN_BAD_MODEL, "'value' must be one number");
    struct wn_slot y = wn_slot_own(lo, wn_fold_new(fill ? fill->dtype : WN_F32, &s));
    for (int64_t i = 0; fill && y.tensor && i < wn_shape_count(&s); i++) {
        if (fill->f)
            y.tensor->f[i] = fill->f[0];
        else
            y.tensor->i[i] = fill->i[0];
    }
    return wn_op_set(lo, 0, y);
}

static int64_t clamp_axis(int64_t axis, int rank)
{
    if (axis < 0) axis += rank;
    return axis < 0 ? 0 : axis > rank ? rank : axis;
}

bool wn_op_shape(struct wn_lower *lo, const struct wn_node *node)
{
    struct wn_slot x = wn_op_in(lo, 0);
    struct wn_shape s = wn_slot_shape(lo, x);
    int64_t start = clamp_axis(wn_op_int(lo, "start", 0), s.rank),
            end = clamp_axis(wn_op_int(lo, "end", s.rank), s.rank);
    (void)node;
    if (!wn_slot_ok(x)) return false;
    return wn_op_set(lo, 0, whole_numbers(lo, s.dim + start, 1, end > start ? (int)(end - start) : 0));
}

bool wn_op_size(struct wn_lower *lo, const struct wn_node *node)
{
    struct wn_slot x = wn_op_in(lo, 0);
    struct wn_shape s = wn_slot_shape(lo, x);
    int64_t n = wn_shape_count(&s);
    (void)node;
    return wn_slot_ok(x) && wn_op_set(lo, 0, whole_numbers(lo, &n, 0, 1));
}

/* ---- Range ---- */

static bool range_count(struct wn_lower *lo, double start, double limit, double delta, struct wn_shape *s)
{
    double n = ceil((limit - start) / delta);
    if (delta == 0 || !(n <= (double)lo->graph->limits.value_elements))
        return wn_op_fail(lo, WN_BAD_MODEL, "it never ends");
    *s = (struct wn_shape){.rank = 1, .dim = {n > 0 ? (int64_t)n : 0}};
    return wn_slot_afford(lo, s);
}

bool wn_op_range(struct wn_lower *lo, const struct wn_node *node)
{
    const struct wn_tensor *t[3];
    struct wn_shape s = {0};
    double v[3];
    (void)node;
    for (int i = 0; i < 3; i++) {
        if (!(t[i] = wn_op_constant(lo, i, i == 0 ? "start" : i == 1 ? "limit" : "delta"))) return false;
        if (wn_shape_count(&t[i]->shape) != 1 || !t[i]->f != !t[0]->f)
            return wn_op_fail(lo, WN_BAD_MODEL, "its operands must be single numbers of one type");
        v[i] = t[i]->f ? (double)t[i]->f[0] : (double)t[i]->i[0];
    }
    if (!range_count(lo, v[0], v[1], v[2], &s)) return false;
    struct wn_slot y = wn_slot_own(lo, wn_fold_new(t[0]->dtype, &s));
    for (int64_t i = 0; y.tensor && i < s.dim[0]; i++) {
        if (y.tensor->f)
            y.tensor->f[i] = (float)(v[0] + (double)i * v[2]);
        else
            y.tensor->i[i] = (int64_t)((uint64_t)t[0]->i[0] + (uint64_t)i * (uint64_t)t[2]->i[0]);
    }
    return wn_op_set(lo, 0, y);
}

/* ---- values passed on ---- */

bool wn_op_identity(struct wn_lower *lo, const struct wn_node *node)
{
    struct wn_slot x = wn_op_in(lo, 0);
    (void)node;
    return wn_slot_ok(x) && wn_op_set(lo, 0, x);
}

/* Training is only the identity where nothing is dropped. */
static bool drops(struct wn_lower *lo, bool *yes)
{
    const struct wn_tensor *training = wn_op_has(lo, 2) ? wn_op_constant(lo, 2, "training_mode") : NULL;
    *yes = false;
    if (wn_op_has(lo, 2) && !training) return false;
    if (!training || !training->i || wn_shape_count(&training->shape) != 1 || !training->i[0]) return true;
    const struct wn_tensor *ratio = wn_op_has(lo, 1) ? wn_op_constant(lo, 1, "ratio") : NULL;
    if (wn_op_has(lo, 1) && !ratio) return false;
    *yes = !ratio || !ratio->f || wn_shape_count(&ratio->shape) != 1 || ratio->f[0] != 0;
    return true;
}

bool wn_op_dropout(struct wn_lower *lo, const struct wn_node *node)
{
    struct wn_slot x = wn_op_in(lo, 0);
    struct wn_shape s = wn_slot_shape(lo, x);
    bool yes;
    (void)node;
    if (!wn_slot_ok(x) || !drops(lo, &yes)) return false;
    if (yes) return wn_op_fail(lo, WN_UNSUPPORTED, "training mode is random; export the model for inference");
    if (!wn_op_set(lo, 0, x)) return false;
    if (!wn_op_wants(lo, 1)) return true;
    struct wn_slot mask = wn_slot_afford(lo, &s) ? wn_slot_own(lo, wn_fold_new(WN_BOOL, &s)) : WN_NO_SLOT;
    for (int64_t i = 0; mask.tensor && i < wn_shape_count(&s); i++) mask.tensor->i[i] = 1;
    return wn_op_set(lo, 1, mask);
}

/* The standard's numbers for element types; false for one that is not held here. */
static bool dtype_of(int64_t code, enum wn_dtype *dtype)
{
    static const struct {
        int64_t code;
        enum wn_dtype dtype;
    } known[] = {{1, WN_F32}, {2, WN_U8}, {6, WN_I32}, {7, WN_I64}, {9, WN_BOOL}, {11, WN_F64}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].code != code) continue;
        *dtype = known[i].dtype;
        return true;
    }
    return false;
}

bool wn_op_cast(struct wn_lower *lo, const struct wn_node *node)
{
    struct wn_slot x = wn_op_in(lo, 0);
    enum wn_dtype dtype;
    (void)node;
    if (!wn_slot_ok(x)) return false;
    int64_t code = wn_op_int(lo, "to", 0);
    if (!dtype_of(code, &dtype))
        return wn_op_fail(lo, WN_UNSUPPORTED, "element type %lld is not supported", (long long)code);
    if (!x.tensor && wn_dtype_is_float(dtype)) return wn_op_set(lo, 0, x);
    if (!x.tensor)
        return wn_op_fail(lo, WN_UNSUPPORTED, "a cast of what depends on the picture to %s", wn_dtype_name(dtype));
    return wn_slot_afford(lo, &x.tensor->shape) && wn_op_set(lo, 0, wn_slot_own(lo, wn_fold_cast(x.tensor, dtype)));
}
