/* Arithmetic on constant tensors while a graph is lowered. Private to kernels/. */
#ifndef WN_KERNELS_FOLD_H
#define WN_KERNELS_FOLD_H

#include "graph.h"

/* What can be done to two constants; the first seven are the primitives' own. */
enum wn_fold {
    WN_FOLD_ADD = WN_BINARY_ADD,
    WN_FOLD_SUB = WN_BINARY_SUB,
    WN_FOLD_MUL = WN_BINARY_MUL,
    WN_FOLD_DIV = WN_BINARY_DIV, /* whole numbers: truncating */
    WN_FOLD_POW = WN_BINARY_POW,
    WN_FOLD_MAX = WN_BINARY_MAX,
    WN_FOLD_MIN = WN_BINARY_MIN,
    WN_FOLD_MOD,   /* the sign of the divisor */
    WN_FOLD_FMOD,  /* the sign of the dividend */
    WN_FOLD_EQUAL, /* from here on the result is WN_BOOL */
    WN_FOLD_LESS,
    WN_FOLD_GREATER,
    WN_FOLD_AND,
    WN_FOLD_OR
};

bool wn_dtype_is_float(enum wn_dtype dtype);
const char *wn_dtype_name(enum wn_dtype dtype);

/* Every function below gives a new tensor, the caller's (wn_folded_destroy), or NULL: no memory, or sizes that
 * overflow. Shapes are the caller's to have checked. */
struct wn_tensor *wn_fold_new(enum wn_dtype dtype, const struct wn_shape *shape);         /* zeros */
void wn_folded_destroy(struct wn_tensor *t);                                              /* NULL is fine */
struct wn_tensor *wn_fold_clone(const struct wn_tensor *x, const struct wn_shape *shape); /* same elements, new shape */
struct wn_tensor *wn_fold_cast(const struct wn_tensor *x, enum wn_dtype dtype);
struct wn_tensor *wn_fold_copy(const struct wn_tensor *x, const struct wn_shape *y, const struct wn_copy *copy);
struct wn_tensor *wn_fold_take(const struct wn_tensor *x, int axis, const int64_t *index, int64_t n);
struct wn_tensor *wn_fold_concat(const struct wn_tensor *const *x, int n, int axis);
struct wn_tensor *wn_fold_reduce(enum wn_reduce kind, const struct wn_tensor *x,
                                 unsigned axes); /* axes kept with length 1 */
struct wn_tensor *wn_fold_prod(const struct wn_tensor *x, unsigned axes);
/* x must be a float tensor. */
struct wn_tensor *wn_fold_unary(enum wn_unary kind, const struct wn_tensor *x, float alpha, float beta);
struct wn_tensor *wn_fold_rounded(const struct wn_tensor *x, float (*round)(float));
/* Both of one kind (float or whole). y: the broadcast shape. *zero: a whole number was divided by zero; then NULL. */
struct wn_tensor *wn_fold_binary(enum wn_fold kind, const struct wn_tensor *a, const struct wn_tensor *b,
                                 const struct wn_shape *y, bool *zero);
/* y[i] = mask[i] ? a[i] : b[i], all broadcast to y. */
struct wn_tensor *wn_fold_where(const struct wn_tensor *mask, const struct wn_tensor *a, const struct wn_tensor *b,
                                const struct wn_shape *y);

/* Row-major strides in elements. */
void wn_strides(const struct wn_shape *s, int64_t *stride);

#endif
