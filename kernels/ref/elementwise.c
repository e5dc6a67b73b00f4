/* One element at a time: unary functions and their derivatives, binary ones with broadcasting, reductions. */
#include "ref.h"

#include "../program.h"

#include <math.h>

#define R(literal) ((double)(literal))
#define WN_EXP exp
#define WN_LOG log
#define WN_SQRT sqrt
#define WN_TANH tanh
#define WN_POW pow
#define WN_ABS fabs
#define WN_MAX fmax
#define WN_MIN fmin

static double forward(const struct wn_act *act, double x)
{
    double a = act->alpha, b = act->beta;
    (void)a, (void)b;
    switch (act->kind) {
#define X(id, name, from, fwd, bwd)                                                                                    \
    case WN_UNARY_##id:                                                                                                \
        return fwd;
#include <whynot/unary.def>
#undef X
    case WN_UNARY_COUNT: break;
    }
    return x;
}

static double backward(const struct wn_act *act, double g, double z)
{
    double a = act->alpha, b = act->beta;
    (void)a, (void)b, (void)z;
    switch (act->kind) {
#define X(id, name, from, fwd, bwd)                                                                                    \
    case WN_UNARY_##id:                                                                                                \
        return bwd;
#include <whynot/unary.def>
#undef X
    case WN_UNARY_COUNT: break;
    }
    return g;
}

void wn_ref_activate(const struct wn_act *act, double *x, int64_t n)
{
    if (act->kind == WN_UNARY_COUNT) return;
    for (int64_t i = 0; i < n; i++) x[i] = forward(act, x[i]);
}

enum wn_code wn_ref_unary(const struct wn_step *step, const struct wn_ref_tensor *in, const struct wn_ref_tensor *out,
                          struct wn_error *err)
{
    (void)err;
    int64_t n = wn_shape_count(&out->shape);
    for (int64_t i = 0; i < n; i++) out->data[i] = forward(&step->u.unary, in->data[i]);
    return WN_OK;
}

enum wn_code wn_ref_unary_bwd(const struct wn_step *step, const struct wn_ref_tensor *in,
                              const struct wn_ref_tensor *out, struct wn_error *err)
{
    (void)err;
    int64_t n = wn_shape_count(&out->shape);
    for (int64_t i = 0; i < n; i++) out->data[i] = backward(&step->u.unary, in[0].data[i], in[1].data[i]);
    return WN_OK;
}

static double secant(const struct wn_act *act, double g, double x, double x0)
{
    const double apart = x - x0, y = forward(act, x);
    if (fabs(apart) > WN_SECANT_APART) return g * ((y - forward(act, x0)) / apart);
    return backward(act, g, wn_unary_from_output(act->kind) ? y : x);
}

enum wn_code wn_ref_secant(const struct wn_step *step, const struct wn_ref_tensor *in, const struct wn_ref_tensor *out,
                           struct wn_error *err)
{
    (void)err;
    int64_t n = wn_shape_count(&out->shape);
    for (int64_t i = 0; i < n; i++) out->data[i] = secant(&step->u.unary, in[0].data[i], in[1].data[i], in[2].data[i]);
    return WN_OK;
}

/* Elements to step in `t` for one step along each axis of a value of rank `rank`: 0 along an axis of length 1 and
 * along the leading axes that t does not have (numpy's rule). */
static void broadcast_strides(const struct wn_shape *t, int rank, int64_t *stride)
{
    int64_t step = 1;
    for (int d = rank - 1, i = t->rank - 1; d >= 0; d--, i--) {
        stride[d] = i < 0 || t->dim[i] == 1 ? 0 : step;
        if (i >= 0) step *= t->dim[i];
    }
}

/* Offset by `stride` of the element with row-major number `index` in a value of shape s. */
static int64_t offset_of(const struct wn_shape *s, int64_t index, const int64_t *stride)
{
    int64_t offset = 0;
    for (int d = s->rank - 1; d >= 0; d--) {
        offset += index % s->dim[d] * stride[d];
        index /= s->dim[d];
    }
    return offset;
}

static double binary(enum wn_binary kind, double a, double b)
{
    switch (kind) {
    case WN_BINARY_ADD: return a + b;
    case WN_BINARY_SUB: return a - b;
    case WN_BINARY_MUL: return a * b;
    case WN_BINARY_DIV: return a / b;
    case WN_BINARY_POW: return pow(a, b);
    case WN_BINARY_MAX: return fmax(a, b);
    case WN_BINARY_MIN: return fmin(a, b);
    }
    return NAN;
}

enum wn_code wn_ref_binary(const struct wn_step *step, const struct wn_ref_tensor *in, const struct wn_ref_tensor *out,
                           struct wn_error *err)
{
    (void)err;
    const struct wn_shape *y = &out->shape;
    int64_t a[WN_MAX_RANK], b[WN_MAX_RANK], n = wn_shape_count(y);
    broadcast_strides(&in[0].shape, y->rank, a);
    broadcast_strides(&in[1].shape, y->rank, b);
    for (int64_t i = 0; i < n; i++)
        out->data[i] = binary(step->u.binary, in[0].data[offset_of(y, i, a)], in[1].data[offset_of(y, i, b)]);
    return WN_OK;
}

enum wn_code wn_ref_reduce(const struct wn_step *step, const struct wn_ref_tensor *in, const struct wn_ref_tensor *out,
                           struct wn_error *err)
{
    (void)err;
    enum wn_reduce kind = step->u.reduce.kind;
    int64_t n = wn_shape_count(&in->shape), kept = wn_shape_count(&out->shape), stride[WN_MAX_RANK];
    broadcast_strides(&out->shape, in->shape.rank, stride);
    for (int64_t i = 0; i < kept; i++) out->data[i] = kind == WN_REDUCE_MAX ? -INFINITY : 0;
    for (int64_t i = 0; i < n; i++) {
        double *y = &out->data[offset_of(&in->shape, i, stride)];
        *y = kind == WN_REDUCE_MAX ? fmax(*y, in->data[i]) : *y + in->data[i];
    }
    for (int64_t i = 0; kind == WN_REDUCE_MEAN && i < kept; i++) out->data[i] /= (double)n / (double)kept;
    return WN_OK;
}
