/* Gemm and MatMul: products of matrices, brought to rank 2 or 3. */
#include <stdlib.h>

#include "op.h"

bool wn_op_gemm(struct wn_lower *lo, const struct wn_node *node);
bool wn_op_mat_mul(struct wn_lower *lo, const struct wn_node *node);

/* A product's rows are images: neither a transpose nor a second batched operand may mix them. */
static bool keeps_rows(struct wn_lower *lo, int a, bool trans_a, int b, int rank)
{
    bool ba = wn_program_value(lo->program, a)->batched, bb = wn_program_value(lo->program, b)->batched;
    if (rank > 2 || (!(ba && trans_a) && !bb)) return true;
    return wn_op_fail(lo, WN_UNSUPPORTED, "it mixes the images of a batch; axis 0 must stay the batch");
}

/* beta*C that is a plain row can ride on the product as its bias. */
static bool is_row(const struct wn_shape *c, int64_t columns)
{
    return c->rank == 1 && c->dim[0] == columns;
}

bool wn_op_gemm(struct wn_lower *lo, const struct wn_node *node)
{
    int a = wn_op_value(lo, 0), b = wn_op_value(lo, 1), bias = WN_NONE;
    bool trans_a = wn_op_int(lo, "transA", 0) != 0, trans_b = wn_op_int(lo, "transB", 0) != 0;
    float alpha = wn_op_float(lo, "alpha", 1), beta = wn_op_float(lo, "beta", 1);
    (void)node;
    if (a < 0 || b < 0 || !keeps_rows(lo, a, trans_a, b, 2)) return false;
    struct wn_shape sb = wn_program_value(lo->program, b)->shape;
    if (sb.rank != 2 || wn_program_value(lo->program, a)->shape.rank != 2)
        return wn_op_fail(lo, WN_BAD_MODEL, "its operands must be matrices");
    struct wn_slot c = wn_op_has(lo, 2) && beta != 0 ? wn_slot_linear(lo, wn_op_in(lo, 2), beta, 0) : WN_NO_SLOT;
    if (wn_op_has(lo, 2) && beta != 0 && !wn_slot_ok(c)) return false;
    struct wn_shape sc = wn_slot_shape(lo, c);
    bool rides = wn_slot_ok(c) && alpha == 1 && is_row(&sc, sb.dim[trans_b ? 0 : 1]);
    if (rides && (bias = wn_slot_value(lo, c)) < 0) return false;
    struct wn_slot y = wn_slot_of(lo, wn_matmul(lo->program, a, trans_a, b, trans_b, bias));
    y = wn_slot_linear(lo, y, alpha, 0);
    if (wn_slot_ok(c) && !rides) y = wn_slot_binary(lo, WN_FOLD_ADD, y, c);
    return wn_op_set(lo, 0, y);
}

/* ---- MatMul: numpy's rules ---- */

/* Everything in front of the last two axes, broadcast; false if it does not fit. */
static bool batch_shape(const struct wn_shape *a, const struct wn_shape *b, struct wn_shape *batch)
{
    struct wn_shape sa = *a, sb = *b;
    sa.rank -= 2;
    sb.rank -= 2;
    return wn_shape_broadcast(&sa, &sb, batch);
}

/* (.., m, k) with only ones between a first axis and the last two -> (first, m, k). first: 0 for "all of them". */
static struct wn_slot as_rank3(struct wn_lower *lo, struct wn_slot x, int64_t first)
{
    struct wn_shape s = wn_slot_shape(lo, x);
    struct wn_shape y = {.rank = 3, .dim = {first, s.dim[s.rank - 2], s.dim[s.rank - 1]}};
    return wn_slot_reshape(lo, x, &y);
}

static struct wn_slot product(struct wn_lower *lo, struct wn_slot a, struct wn_slot b)
{
    int va = wn_slot_value(lo, a), vb = wn_slot_value(lo, b);
    if (va < 0 || vb < 0 || !keeps_rows(lo, va, false, vb, wn_slot_shape(lo, a).rank)) return WN_NO_SLOT;
    return wn_slot_of(lo, wn_matmul(lo->program, va, false, vb, false, WN_NONE));
}

/* a (.., m, k) by one matrix (k, n): all rows of an image at once. */
static struct wn_slot by_matrix(struct wn_lower *lo, struct wn_slot a, struct wn_slot b)
{
    struct wn_shape s = wn_slot_shape(lo, a), flat = {.rank = 3, .dim = {s.dim[0], 1, s.dim[s.rank - 1]}};
    for (int d = 1; d < s.rank - 1; d++) flat.dim[1] *= s.dim[d];
    struct wn_slot y = product(lo, wn_slot_reshape(lo, a, &flat), as_rank3(lo, b, 1));
    s.dim[s.rank - 1] = wn_slot_shape(lo, b).dim[1];
    return wn_slot_ok(y) ? wn_slot_reshape(lo, y, &s) : y;
}

/* Element `i` of the batch axes behind the first, cut out of x: (first, m, k). */
static struct wn_slot one_of(struct wn_lower *lo, struct wn_slot x, const struct wn_shape *batch, int64_t i)
{
    struct wn_shape s = wn_slot_shape(lo, x);
    int64_t first = s.rank - 2 == batch->rank ? s.dim[0] : 1;
    for (int d = batch->rank - 1; d >= 1; d--) {
        int64_t at = i % batch->dim[d];
        int axis = d - (batch->rank - (s.rank - 2));
        i /= batch->dim[d];
        if (axis >= 0 && s.dim[axis] > 1) x = wn_slot_slice(lo, x, axis, at, 1, 1);
        s = wn_slot_ok(x) ? wn_slot_shape(lo, x) : s;
    }
    return wn_slot_ok(x) ? as_rank3(lo, x, first) : x;
}

/* Batches of products: one product for each element behind the first axis, which may be the pictures'. */
static struct wn_slot batched_product(struct wn_lower *lo, struct wn_slot a, struct wn_slot b,
                                      const struct wn_shape *batch)
{
    struct wn_shape sa = wn_slot_shape(lo, a), sb = wn_slot_shape(lo, b), y = *batch;
    int64_t many = 1;
    for (int d = 1; d < batch->rank; d++)
        if (__builtin_mul_overflow(many, batch->dim[d], &many) || many > 1024)
            return wn_slot_fail(lo, WN_UNSUPPORTED, "a batch of more than 1024 products");
    y.dim[y.rank++] = sa.dim[sa.rank - 2];
    y.dim[y.rank++] = sb.dim[sb.rank - 1];
    struct wn_slot *parts = calloc((size_t)many + 1, sizeof *parts), r = WN_NO_SLOT;
    if (!parts) return wn_slot_fail(lo, WN_NO_MEMORY, "no memory for %lld products", (long long)many);
    for (int64_t i = 0; i < many; i++) {
        struct wn_slot ai = one_of(lo, a, batch, i), bi = one_of(lo, b, batch, i);
        parts[i] = wn_slot_ok(ai) && wn_slot_ok(bi) ? product(lo, ai, bi) : WN_NO_SLOT;
    }
    if (many > 0) r = wn_slot_concat(lo, parts, (int)many, 1);
    free(parts);
    return wn_slot_ok(r) ? wn_slot_reshape(lo, r, &y) : r;
}

/* A vector on the left gets a row axis, on the right a column axis; `drop` is taken from the result again. */
static struct wn_slot as_matrix(struct wn_lower *lo, struct wn_slot x, bool left)
{
    struct wn_shape s = wn_slot_shape(lo, x);
    if (s.rank != 1) return x;
    struct wn_shape m = {.rank = 2, .dim = {left ? 1 : s.dim[0], left ? s.dim[0] : 1}};
    return wn_slot_reshape(lo, x, &m);
}

static struct wn_slot drop_axis(struct wn_lower *lo, struct wn_slot y, int from_end)
{
    struct wn_shape s = wn_slot_shape(lo, y);
    if (!wn_slot_ok(y)) return y;
    for (int d = s.rank - from_end; d + 1 < s.rank; d++) s.dim[d] = s.dim[d + 1];
    s.rank--;
    return wn_slot_reshape(lo, y, &s);
}

bool wn_op_mat_mul(struct wn_lower *lo, const struct wn_node *node)
{
    struct wn_slot a = wn_op_in(lo, 0), b = wn_op_in(lo, 1), y;
    struct wn_shape batch;
    (void)node;
    if (!wn_slot_ok(a) || !wn_slot_ok(b)) return false;
    bool row = wn_slot_shape(lo, a).rank == 1, column = wn_slot_shape(lo, b).rank == 1;
    if (row && wn_slot_batched(lo, a)) return wn_op_fail(lo, WN_UNSUPPORTED, "a product over the batch axis");
    a = as_matrix(lo, a, true);
    b = as_matrix(lo, b, false);
    struct wn_shape sa = wn_slot_shape(lo, a), sb = wn_slot_shape(lo, b);
    if (!wn_slot_ok(a) || !wn_slot_ok(b)) return false;
    if (sa.rank < 2 || sb.rank < 2 || sa.dim[sa.rank - 1] != sb.dim[sb.rank - 2] || !batch_shape(&sa, &sb, &batch))
        return wn_op_fail(lo, WN_BAD_MODEL, "its operands do not fit together");
    if ((wn_slot_batched(lo, a) && batch.rank > 0 && sa.rank != batch.rank + 2) ||
        (wn_slot_batched(lo, b) && sb.rank != batch.rank + 2))
        return wn_op_fail(lo, WN_UNSUPPORTED, "it mixes the images of a batch; axis 0 must stay the batch");
    if (batch.rank == 0)
        y = product(lo, a, b);
    else if (sb.rank == 2)
        y = by_matrix(lo, a, b);
    else
        y = batched_product(lo, a, b, &batch);
    if (row) y = drop_axis(lo, y, 2);
    if (column) y = drop_axis(lo, y, 1);
    return wn_op_set(lo, 0, y);
}
