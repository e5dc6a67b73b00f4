/* Products, elementwise functions, reductions. */
#include "cases.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TRANS_A = 1, TRANS_B = 2, RANK_3 = 4, ONE_A = 8, ONE_B = 16, BIAS = 32, RELU = 64, CONST_B = 128 };

static struct wn_shape matrix(bool transposed, int64_t batch, int64_t rows, int64_t cols)
{
    int64_t r = transposed ? cols : rows, c = transposed ? rows : cols;
    return batch ? SHAPE(batch, r, c) : SHAPE(r, c);
}

static void matmul(struct subject *s, int flags)
{
    int64_t m = PICK(s, 1, 3, 7, 33), k = PICK(s, 1, 3, 31, 100), n = PICK(s, 1, 3, 31, 65);
    int64_t batch = flags & RANK_3 ? PICK(s, 2, 3) : 0;
    struct wn_shape sa = matrix(flags & TRANS_A, flags & ONE_A ? 1 : batch, m, k);
    struct wn_shape sb = matrix(flags & TRANS_B, flags & ONE_B ? 1 : batch, k, n);
    int a = subject_input(s, sa, true, -1, 1);
    int b = flags & CONST_B ? subject_weight(s, sb, -1, 1) : subject_input(s, sb, false, -1, 1);
    int bias = flags & BIAS ? subject_weight(s, SHAPE(n), -1, 1) : WN_NONE;
    int y = wn_matmul(s->p, a, flags & TRANS_A, b, flags & TRANS_B, bias);
    subject_output(s, flags & RELU ? wn_relu(s->p, y) : y);
}

/* The bias of a fully connected layer as an addition. */
static void matmul_added_bias(struct subject *s, int unused)
{
    (void)unused;
    int64_t n = PICK(s, 1, 10, 33);
    int y = wn_matmul(s->p, subject_input(s, SHAPE(2, 31), true, -1, 1), false, subject_weight(s, SHAPE(31, n), -1, 1),
                      false, WN_NONE);
    subject_output(s, wn_relu(s->p, wn_add(s->p, y, subject_weight(s, SHAPE(n), -1, 1))));
}

static void channel_dot(struct subject *s, int per_channel)
{
    int64_t r = PICK(s, 1, 2, 5), c = PICK(s, 1, 3, 33, 64), h = PICK(s, 1, 7, 14), w = PICK(s, 1, 7, 13);
    int a = subject_input(s, SHAPE(r, c, h, w), true, -1, 1);
    int g = subject_input(s, per_channel ? SHAPE(r, c, 1, 1) : SHAPE(r, c, h, w), true, -1, 1);
    subject_output(s, wn_channel_dot(s->p, a, g));
}

static struct wn_shape any_shape(struct subject *s)
{
    switch (rng_below(&s->rng, 5)) {
    case 0: return SHAPE(PICK(s, 1, 7, 1000));
    case 1: return SHAPE(PICK(s, 1, 3), PICK(s, 1, 31, 100));
    case 2: return SHAPE(2, PICK(s, 3, 33), PICK(s, 1, 7));
    case 3: return SHAPE(PICK(s, 1, 2), PICK(s, 1, 3, 33), PICK(s, 1, 7, 13), PICK(s, 1, 7, 13));
    default: return SHAPE(1, 3, PICK(s, 1, 3), 5, PICK(s, 1, 3));
    }
}

/* Inputs stay where the function is defined, and parameters are those of real networks. */
struct domain {
    double lo, hi;
    float alpha, beta;
};
static struct domain domain_of(enum wn_unary kind)
{
    struct domain d = {-2, 2, 0.25f, 0};
    if (kind == WN_UNARY_LOG || kind == WN_UNARY_SQRT) d.lo = 0.125;
    if (kind == WN_UNARY_POW) d = (struct domain){0.125, 2, 1.5f, 0};
    if (kind == WN_UNARY_CLIP) d = (struct domain){-2, 2, -0.5f, 1};
    if (kind == WN_UNARY_HARDSIGMOID) d = (struct domain){-4, 4, 0.25f, 0.5f};
    if (kind == WN_UNARY_HARDSWISH) d = (struct domain){-4, 4, 0, 0};
    if (kind == WN_UNARY_ELU) d.alpha = 1;
    if (kind == WN_UNARY_LINEAR) d.alpha = -2, d.beta = 0.5f;
    return d;
}

static void unary(struct subject *s, int kind)
{
    struct domain d = domain_of((enum wn_unary)kind);
    subject_output(
        s, wn_unary(s->p, (enum wn_unary)kind, subject_input(s, any_shape(s), true, d.lo, d.hi), d.alpha, d.beta));
}

/* z is given, not computed, so that no rounding moves it across a kink. */
static void unary_bwd(struct subject *s, int kind)
{
    struct domain d = domain_of((enum wn_unary)kind);
    struct wn_shape shape = any_shape(s);
    int dy = subject_input(s, shape, true, -1, 1);
    int z = subject_input(s, shape, true, d.lo, d.hi);
    subject_output(s, wn_unary_bwd(s->p, (enum wn_unary)kind, dy, z, d.alpha, d.beta));
}

/* x, moved up by 1 to 4 of its last places, or by 1 to 4 ten-thousandths: so close that the difference of two results
 * is largely or partly of roundings. */
static int beside(struct subject *s, int x, struct wn_shape shape, bool places)
{
    const int64_t n = wn_shape_count(&shape);
    float *moved = malloc((size_t)n * sizeof *moved);
    for (int i = 0; i < s->n_inputs; i++)
        if (s->inputs[i].value == x) memcpy(moved, s->inputs[i].data, (size_t)n * sizeof *moved);
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k <= i % 4; k++) moved[i] = places ? nextafterf(moved[i], 9) : moved[i] + 1e-4f;
    const int value = subject_given(s, shape, moved);
    free(moved);
    return value;
}

/* The second input lies well apart, is the first one itself, on which only the derivative is left, or is close by. */
static void secant(struct subject *s, int kind)
{
    struct domain d = domain_of((enum wn_unary)kind);
    struct wn_shape shape = any_shape(s);
    int dy = subject_input(s, shape, true, -1, 1), x = subject_input(s, shape, true, d.lo, d.hi);
    int gap = subject_input(s, shape, true, 0.25, 1);
    subject_output(s, wn_secant(s->p, (enum wn_unary)kind, dy, x, wn_add(s->p, x, gap), d.alpha, d.beta));
    subject_output(s, wn_secant(s->p, (enum wn_unary)kind, dy, x, x, d.alpha, d.beta));
    /* near 0 the results of these are small differences of large numbers, whose roundings no rule can see */
    if (kind == WN_UNARY_ELU || kind == WN_UNARY_EPSILON_GATE) d.hi = -0.25;
    int from = subject_input(s, shape, true, d.lo, d.hi);
    for (int places = 0; places < 2 && !s->coarse; places++) {
        int close = beside(s, from, shape, places);
        subject_output(s, wn_secant(s->p, (enum wn_unary)kind, dy, from, close, d.alpha, d.beta));
    }
}

enum { SAME, SCALAR, CHANNEL, ROW, OUTER, LOW_RANK, CONST };

static void binary(struct subject *s, int arg)
{
    int64_t n = PICK(s, 1, 2), c = PICK(s, 3, 31, 33), h = PICK(s, 1, 7), w = PICK(s, 1, 13);
    struct wn_shape a = SHAPE(n, c, h, w), b = a;
    if (arg >> 4 == SCALAR) b = (struct wn_shape){0};
    if (arg >> 4 == CHANNEL || arg >> 4 == CONST) b = SHAPE(1, c, 1, 1);
    if (arg >> 4 == ROW) b = SHAPE(w);
    if (arg >> 4 == OUTER) a = SHAPE(n, 1, h, 1), b = SHAPE(1, c, 1, w);
    if (arg >> 4 == LOW_RANK) a = SHAPE(h, 1), b = SHAPE(n, c, 1, w);
    bool positive = (arg & 15) == WN_BINARY_POW || (arg & 15) == WN_BINARY_DIV;
    int x = subject_input(s, a, true, positive ? 0.5 : -2, 2);
    int y = arg >> 4 == CONST ? subject_weight(s, b, positive ? 0.5 : -2, 2)
                              : subject_input(s, b, true, positive ? 0.5 : -2, 2);
    subject_output(s, wn_binary(s->p, (enum wn_binary)(arg & 15), x, y));
}

static void reduce(struct subject *s, int arg)
{
    struct wn_shape x = SHAPE(PICK(s, 1, 2), PICK(s, 1, 3, 33, 72), PICK(s, 1, 7), PICK(s, 1, 13));
    unsigned axes = arg >> 4 ? (unsigned)arg >> 4 : (unsigned)rng_below(&s->rng, 16);
    subject_output(s, wn_reduce(s->p, (enum wn_reduce)(arg & 15), subject_input(s, x, true, -1, 1), axes));
}

#define UNARY(id, name)                                                                                                \
    {"unary_" name, unary, WN_UNARY_##id}, {"unary_bwd_" name, unary_bwd, WN_UNARY_##id},                              \
    {                                                                                                                  \
        "secant_" name, secant, WN_UNARY_##id                                                                          \
    }

#ifndef WN_EMULATED
/* Directions that ReLUs let through in front of a wide layer and, with `slopes`, behind it: most rows are 0. */
static void wide_product(struct subject *s, int slopes)
{
    int64_t m = PICK(s, 1030, 1101, 1200), k = PICK(s, 1021, 1100), n = PICK(s, 16, 17, 64, 79, 80, 147);
    int on = wn_relu(s->p, subject_input(s, SHAPE(k, 1), true, -2, 1));
    int b = wn_mul(s->p, subject_input(s, SHAPE(k, n), true, -1, 1), on);
    int y = wn_matmul(s->p, subject_weight(s, SHAPE(m, k), -0.1, 0.1), false, b, false, WN_NONE);
    if (slopes) {
        int z = subject_input(s, SHAPE(1, m), true, -2, 1), ones = wn_linear(s->p, z, 0, 1);
        struct wn_shape column = SHAPE(m, 1);
        int slope = wn_reshape(
            s->p, wn_unary_bwd(s->p, rng_below(&s->rng, 2) ? WN_UNARY_RELU : WN_UNARY_LEAKY, ones, z, 0.25f, 0),
            &column);
        y = wn_mul(s->p, y, slope);
    }
    subject_output(s, y);
}
#endif

const struct prim_case math_cases[] = {
#ifndef WN_EMULATED /* a million weights: hours, where each thread of a GPU is a fiber */
    {"matmul_wide_with_rows_switched_off", wide_product, 0},
    {"matmul_wide_between_slopes", wide_product, 1},
#endif
    {"matmul", matmul, 0},
    {"matmul_trans_a", matmul, TRANS_A},
    {"matmul_trans_b", matmul, TRANS_B},
    {"matmul_trans_both", matmul, TRANS_A | TRANS_B},
    {"matmul_weight_trans_b_bias", matmul, TRANS_B | BIAS | CONST_B},
    {"matmul_weight_bias_relu", matmul, BIAS | RELU | CONST_B},
    {"matmul_batches", matmul, RANK_3},
    {"matmul_batches_trans_a", matmul, RANK_3 | TRANS_A},
    {"matmul_batches_trans_b_bias", matmul, RANK_3 | TRANS_B | BIAS},
    {"matmul_one_a_for_all_batches", matmul, RANK_3 | ONE_A},
    {"matmul_one_b_for_all_batches", matmul, RANK_3 | ONE_B | TRANS_B},
    {"matmul_bias_added_by_a_step", matmul_added_bias, 0},
    {"channel_dot", channel_dot, 0},
    {"channel_dot_weight_per_channel", channel_dot, 1},
#define X(id, name, from, fwd, bwd) UNARY(id, name),
#include <whynot/unary.def>
#undef X
    {"add_same", binary, WN_BINARY_ADD | SAME << 4},
    {"add_scalar", binary, WN_BINARY_ADD | SCALAR << 4},
    {"add_channel", binary, WN_BINARY_ADD | CHANNEL << 4},
    {"add_const_channel", binary, WN_BINARY_ADD | CONST << 4},
    {"add_row", binary, WN_BINARY_ADD | ROW << 4},
    {"add_outer", binary, WN_BINARY_ADD | OUTER << 4},
    {"sub_same", binary, WN_BINARY_SUB | SAME << 4},
    {"sub_low_rank", binary, WN_BINARY_SUB | LOW_RANK << 4},
    {"mul_same", binary, WN_BINARY_MUL | SAME << 4},
    {"mul_channel", binary, WN_BINARY_MUL | CHANNEL << 4},
    {"mul_const_channel", binary, WN_BINARY_MUL | CONST << 4},
    {"mul_outer", binary, WN_BINARY_MUL | OUTER << 4},
    {"div_same", binary, WN_BINARY_DIV | SAME << 4},
    {"div_channel", binary, WN_BINARY_DIV | CHANNEL << 4},
    {"pow_same", binary, WN_BINARY_POW | SAME << 4},
    {"pow_scalar", binary, WN_BINARY_POW | SCALAR << 4},
    {"max_same", binary, WN_BINARY_MAX | SAME << 4},
    {"max_scalar", binary, WN_BINARY_MAX | SCALAR << 4},
    {"min_channel", binary, WN_BINARY_MIN | CHANNEL << 4},
    {"sum_any_axes", reduce, WN_REDUCE_SUM},
    {"sum_of_planes", reduce, WN_REDUCE_SUM | 12 << 4},
    {"sum_of_channels", reduce, WN_REDUCE_SUM | 2 << 4},
    {"sum_of_batch", reduce, WN_REDUCE_SUM | 1 << 4},
    {"mean_any_axes", reduce, WN_REDUCE_MEAN},
    {"mean_of_planes", reduce, WN_REDUCE_MEAN | 12 << 4},
    {"max_any_axes", reduce, WN_REDUCE_MAX},
    {"max_of_planes", reduce, WN_REDUCE_MAX | 12 << 4},
    {0},
};
