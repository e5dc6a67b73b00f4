/* The oneDNN backend's own loops, each against the same sum written down element by element: the strides and types
 * that programs seldom ask for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "loops.h"
#include "loops_inner.h"

enum { CELLS = 4096 };

static float x[CELLS], other[CELLS], y[CELLS], want[CELLS];
static uint16_t narrow_x[CELLS], narrow_y[CELLS];

static int fill(void **state)
{
    uint32_t s = 3;
    (void)state;
    for (int i = 0; i < CELLS; i++) {
        s = s * 1664525u + 1013904223u;
        x[i] = (float)(s >> 8) / 8388608.f - 1;
        s = s * 1664525u + 1013904223u;
        other[i] = (float)(s >> 8) / 8388608.f + 0.25f; /* above 0: a divisor, a base */
        narrow_x[i] = wn_bf16_down(x[i]);
    }
    return 0;
}

static void clear(void)
{
    for (int i = 0; i < CELLS; i++) y[i] = want[i] = 77;
    for (int i = 0; i < CELLS; i++) narrow_y[i] = 0;
}

static void same(const char *what, float tolerance)
{
    for (int i = 0; i < CELLS; i++)
        if (!(fabsf(y[i] - want[i]) <= tolerance * fmaxf(1, fabsf(want[i]))))
            fail_msg("%s: cell %d is %g, not %g", what, i, (double)y[i], (double)want[i]);
}

/* ---- binary ---- */

static float combine(enum wn_binary kind, float a, float b)
{
    switch (kind) {
    case WN_BINARY_ADD: return a + b;
    case WN_BINARY_SUB: return a - b;
    case WN_BINARY_MUL: return a * b;
    case WN_BINARY_DIV: return a / b;
    case WN_BINARY_POW: return powf(a, b);
    case WN_BINARY_MAX: return fmaxf(a, b);
    case WN_BINARY_MIN: return fminf(a, b);
    }
    return NAN;
}

/* Two rows of n: steps of y, a, b within a row. */
static void binary(enum wn_binary kind, int64_t n, int64_t sy, int64_t sa, int64_t sb)
{
    const struct wn_dnn_binary spec = {.nest = {2, {2, n}, {{n * sy, sy}, {n * sa, sa}, {n * sb, sb}}, {0}},
                                       .kind = kind};
    clear();
    wn_dnn_loop_binary(&spec, (void *[]){y, other, x + 1000});
    for (int64_t r = 0; r < 2; r++)
        for (int64_t i = 0; i < n; i++)
            want[(r * n + i) * sy] = combine(kind, other[(r * n + i) * sa], x[1000 + (r * n + i) * sb]);
    same("binary", 1e-5f);
}

static void two_values_are_combined_whatever_their_strides(void **state)
{
    (void)state;
    static const int64_t strides[][3] = {{1, 1, 1}, {1, 1, 0}, {1, 0, 1}, {1, 0, 0}, {2, 1, 1}, {1, 2, 1},
                                         {1, 1, 2}, {2, 0, 3}, {1, 0, 2}, {1, 2, 0}, {3, 1, 0}};
    for (int kind = WN_BINARY_ADD; kind <= WN_BINARY_MIN; kind++)
        for (size_t i = 0; i < sizeof strides / sizeof *strides; i++)
            for (int64_t n = 0; n <= 19; n += 19)
                binary((enum wn_binary)kind, n, strides[i][0], strides[i][1], strides[i][2]);
}

/* ---- copies ---- */

static float value_of(const void *data, enum wn_dnn_type type, int64_t i)
{
    return type == WN_DNN_F32 ? ((const float *)data)[i] : wn_bf16_up(((const uint16_t *)data)[i]);
}

static void copy(enum wn_dnn_type from, enum wn_dnn_type to, int64_t rows, int64_t n, int64_t sy, int64_t sx,
                 bool fills, float value)
{
    struct wn_dnn_copy spec = {.nest = {2, {rows, n}, {{n * sy, sy}, {n * sx, sx}, {0}}, {0}},
                               .x = from,
                               .y = to,
                               .fills = fills,
                               .fill = value,
                               .y_count = CELLS};
    const void *source = from == WN_DNN_F32 ? (void *)x : (void *)narrow_x;
    void *target = to == WN_DNN_F32 ? (void *)y : (void *)narrow_y;
    clear();
    wn_dnn_loop_copy(&spec, (void *[]){target, (void *)source});
    for (int i = 0; i < CELLS; i++) want[i] = fills ? value : to == WN_DNN_F32 ? 77 : 0;
    for (int64_t i = 0; i < rows * n; i++) want[i * sy] = value_of(source, from, i * sx);
    for (int i = 0; i < CELLS; i++) y[i] = value_of(target, to, i);
    same("copy", to == WN_DNN_F32 ? 0 : 1.f / 128);
}

static void copies_change_type_and_step(void **state)
{
    (void)state;
    for (int from = WN_DNN_F32; from <= WN_DNN_BF16; from++)
        for (int to = WN_DNN_F32; to <= WN_DNN_BF16; to++)
            for (int64_t step = 1; step <= 2; step++) {
                copy(from, to, 3, 40, step, 1, false, 0);
                copy(from, to, 3, 40, 1, step, true, 0);
                copy(from, to, 3, 40, step, step, true, 2.5f);
                copy(from, to, 40, 3, step, 1, true, 2.5f); /* thin rows */
                copy(from, to, 40, 0, 1, 1, true, 1);       /* nothing to copy, on either road */
                copy(from, to, 0, 3, 1, 1, true, 1);
            }
}

/* ---- sums over axes ---- */

static void reduce(enum wn_reduce kind, int64_t kept, int64_t over, int64_t sy, int64_t kept_step, int64_t over_step)
{
    const struct wn_dnn_reduce spec = {.nest = {1, {kept}, {{sy}, {kept_step}, {0}}, {0}},
                                       .over = {1, {over}, {{0}, {over_step}, {0}}, {0}},
                                       .kind = kind,
                                       .count = over};
    clear();
    wn_dnn_loop_reduce(&spec, (void *[]){y, x});
    for (int64_t k = 0; k < kept; k++) {
        double sum = kind == WN_REDUCE_MAX ? -INFINITY : 0;
        for (int64_t i = 0; i < over; i++) {
            float v = x[k * kept_step + i * over_step];
            sum = kind == WN_REDUCE_MAX ? fmax(sum, v) : sum + v;
        }
        want[k * sy] = (float)(kind == WN_REDUCE_MEAN ? sum / (double)over : sum);
    }
    same("reduce", 1e-5f);
}

static void axes_are_reduced_inside_and_outside(void **state)
{
    (void)state;
    const enum wn_reduce kinds[] = {WN_REDUCE_SUM, WN_REDUCE_MEAN, WN_REDUCE_MAX};
    for (int k = 0; k < 3; k++) {
        reduce(kinds[k], 9, 20, 1, 20, 1);
        reduce(kinds[k], 9, 20, 1, 1, 9); /* rows that lie together */
        reduce(kinds[k], 9, 20, 2, 1, 9);
        reduce(kinds[k], 1, 20, 1, 1, 3);
        reduce(kinds[k], 0, 20, 1, 20, 1);
    }
    reduce(WN_REDUCE_SUM, 9, 0, 1, 1, 9);
    reduce(WN_REDUCE_SUM, 9, 0, 1, 20, 1);
}

/* ---- taps along an axis ---- */

static void axis_map(int64_t n, int64_t sy, int64_t sx)
{
    static const int32_t index[] = {0, 1, -1, 2, -1, -1, 3, 0};
    static const float weight[] = {0.5f, 2, 3, 0.25f, 1, 1, -1, 4};
    const struct wn_dnn_axis_map spec = {
        .nest = {1, {n}, {{sy}, {sx}, {0}}, {0}}, .taps = {4, 4, 2, index, weight}, .x_stride = 200, .y_stride = 300};
    clear();
    wn_dnn_loop_axis_map(&spec, (void *[]){y, x});
    for (int64_t j = 0; j < 4; j++)
        for (int64_t i = 0; i < n; i++) {
            float sum = 0;
            for (int t = 0; t < 2; t++)
                if (index[2 * j + t] >= 0) sum += weight[2 * j + t] * x[index[2 * j + t] * 200 + i * sx];
            want[j * 300 + i * sy] = sum;
        }
    same("axis map", 1e-5f);
}

static void taps_are_weighed_whatever_the_strides(void **state)
{
    (void)state;
    for (int64_t sy = 1; sy <= 3; sy++)
        for (int64_t sx = 1; sx <= 3; sx++) axis_map(50, sy, sx);
    axis_map(0, 1, 1);
}

/* ---- bf16 and elementwise functions ---- */

static void a_bf16_is_the_nearest_and_no_number_stays_none(void **state)
{
    (void)state;
    const float given[] = {1, 1.00390625f, 1.01171875f, -INFINITY, NAN, 0, -2.5f},
                nearest[] = {1, 1, 1.015625f, -INFINITY, NAN, 0, -2.5f};
    uint16_t bits[7];
    float back[7];
    wn_dnn_narrow(bits, given, 7);
    wn_dnn_widen(back, bits, 7);
    for (int i = 0; i < 7; i++) assert_true(isnan(nearest[i]) ? isnan(back[i]) : back[i] == nearest[i]);
}

static void a_relu_in_bf16_lets_through_what_was_above_zero(void **state)
{
    (void)state;
    const float at[] = {1, -1, 0, -0.f, 1e-30f, 3};
    uint16_t z[6], g[6], dx[6];
    wn_dnn_narrow(z, at, 6);
    for (int i = 0; i < 6; i++) g[i] = (uint16_t)(i + 1);
    wn_dnn_loop_relu_bwd_bf16(&(struct wn_dnn_unary){.count = 6}, (void *[]){dx, g, z});
    for (int i = 0; i < 6; i++) assert_int_equal(dx[i], at[i] > 0 ? g[i] : 0);
}

static void no_activation_leaves_what_is_there(void **state)
{
    (void)state;
    const struct wn_dnn_unary none = {.act.kind = WN_UNARY_COUNT, .count = CELLS};
    clear();
    wn_dnn_loop_unary(&none, (void *[]){y, x});
    wn_dnn_loop_unary_bwd(&none, (void *[]){y, x, x});
    same("no activation", 0);
}

static float activation(const struct wn_act *act, double v)
{
    double a = (double)act->alpha, b = (double)act->beta;
    switch (act->kind) {
    case WN_UNARY_RELU: return (float)fmax(v, 0);
    case WN_UNARY_LEAKY: return (float)(v > 0 ? v : a * v);
    case WN_UNARY_ELU: return (float)(v > 0 ? v : a * (exp(v) - 1));
    case WN_UNARY_CLIP: return (float)fmin(fmax(v, a), b);
    case WN_UNARY_HARDSIGMOID: return (float)fmax(0, fmin(1, a * v + b));
    case WN_UNARY_HARDSWISH: return (float)(v * fmax(0, fmin(1, v / 6 + 0.5)));
    case WN_UNARY_ABS: return (float)fabs(v);
    default: return NAN;
    }
}

/* On both sides of every kink. */
static void activations_bend_where_they_should(void **state)
{
    (void)state;
    static const struct wn_act acts[] = {{WN_UNARY_RELU, 0, 0},      {WN_UNARY_LEAKY, 0.1f, 0},
                                         {WN_UNARY_ELU, 1, 0},       {WN_UNARY_CLIP, -0.25f, 0.5f},
                                         {WN_UNARY_HARDSWISH, 0, 0}, {WN_UNARY_HARDSIGMOID, 0.2f, 0.5f},
                                         {WN_UNARY_ABS, 0, 0}};
    static float wide[CELLS];
    for (int i = 0; i < CELLS; i++) wide[i] = 8 * x[i];
    for (size_t k = 0; k < sizeof acts / sizeof *acts; k++) {
        clear();
        wn_dnn_apply(&acts[k], y, wide, CELLS);
        for (int i = 0; i < CELLS; i++) want[i] = activation(&acts[k], (double)wide[i]);
        same("activation", 1e-4f);
    }
}

static void slices_are_added_where_they_lie(void **state)
{
    (void)state;
    for (int type = WN_DNN_F32; type <= WN_DNN_BF16; type++) {
        const struct wn_dnn_sum q = {.rows = 5, .channels = 21, .from = {3, 0}, .step = {40, 21}, .type = type};
        void *target = type == WN_DNN_F32 ? (void *)y : (void *)narrow_y,
             *source = type == WN_DNN_F32 ? (void *)x : (void *)narrow_x;
        clear();
        for (int i = 0; i < 105; i++) { /* the second in the place of the result */
            narrow_y[i] = wn_bf16_down(other[i]);
            y[i] = other[i];
            want[i] = value_of(source, type, i / 21 * 40 + 3 + i % 21) + value_of(target, type, i);
        }
        wn_dnn_loop_sum(&q, (void *[]){target, source, target});
        for (int i = 0; i < CELLS; i++) y[i] = i < 105 ? value_of(target, type, i) : 77;
        same("sum", type == WN_DNN_F32 ? 0 : 1.f / 128);
    }
}

/* What is computed of bf16s is what f32s would give, rounded once. */
static void derivatives_in_bf16_are_those_in_f32(void **state)
{
    (void)state;
    enum { N = 333 };
    static uint16_t g[N], z[N], dx[N], again[N];
    float wide_g[N], wide_z[N], wide[N];
    for (int kind = 0; kind < WN_UNARY_COUNT; kind++) {
        struct wn_dnn_unary u = {.act = {(enum wn_unary)kind, 0.25f, 0.5f}, .count = N};
        for (int i = 0; i < N; i++)
            g[i] = wn_bf16_down(other[i]),
            z[i] = wn_bf16_down(kind == WN_UNARY_LOG || kind == WN_UNARY_SQRT ? other[i] : x[i]);
        wn_dnn_widen(wide_g, g, N);
        wn_dnn_widen(wide_z, z, N);
        wn_dnn_loop_unary_bwd(&u, (void *[]){wide, wide_g, wide_z});
        wn_dnn_narrow(again, wide, N);
        u.bf16 = true;
        wn_dnn_loop_unary_bwd(&u, (void *[]){dx, g, z});
        for (int i = 0; i < N; i++) assert_float_equal(wn_bf16_up(dx[i]), wn_bf16_up(again[i]), 0);
    }
}

static void rows_are_scaled_and_shifted_in_both_types(void **state)
{
    (void)state;
    for (int type = WN_DNN_F32; type <= WN_DNN_BF16; type++)
        for (int relu = 0; relu < 2; relu++) {
            const struct wn_dnn_affine spec = {8, 16, type, relu};
            const void *source = type == WN_DNN_F32 ? (void *)x : (void *)narrow_x;
            void *target = type == WN_DNN_F32 ? (void *)y : (void *)narrow_y;
            clear();
            wn_dnn_loop_affine(&spec, (void *[]){target, (void *)source, x + 500, x + 600});
            for (int i = 0; i < 128; i++) {
                float v = value_of(source, type, i) * x[500 + i % 16] + x[600 + i % 16];
                want[i] = relu ? fmaxf(v, 0) : v;
                y[i] = value_of(target, type, i);
            }
            same("affine", type == WN_DNN_F32 ? 1e-6f : 1.f / 128);
        }
}

static void channels_are_summed_where_they_lie_apart(void **state)
{
    (void)state;
    static const int64_t steps[][2] = {{1, 1}, {1, 7}, {7, 1}, {7, 7}};
    for (int k = 0; k < 4; k++) {
        const struct wn_dnn_dot spec = {WN_DNN_F32, 2, 13, 5, {100, steps[k][0], 13}, {200, steps[k][1], 13}, {5, 1}};
        clear();
        wn_dnn_loop_dot(&spec, (void *[]){y, x, other});
        for (int64_t r = 0; r < 2; r++)
            for (int64_t i = 0; i < 5; i++) {
                double sum = 0;
                for (int64_t c = 0; c < 13; c++)
                    sum += (double)x[r * 100 + i * 13 + c * steps[k][0]] *
                           (double)other[r * 200 + i * 13 + c * steps[k][1]];
                want[r * 5 + i] = (float)sum;
            }
        same("dot", 1e-5f);
    }
}

static void few_channels_are_summed_for_many_pixels_at_once(void **state)
{
    (void)state;
    for (int64_t c = 1; c <= 5; c++)
        for (int wide = 0; wide < 2; wide++) { /* or with a step between results */
            const struct wn_dnn_dot spec = {WN_DNN_F32, 2, c, 37, {200, 1, c}, {300, 1, c}, {120, wide ? 3 : 1}};
            clear();
            wn_dnn_loop_dot(&spec, (void *[]){y, x, other});
            for (int64_t r = 0; r < 2; r++)
                for (int64_t i = 0; i < 37; i++) {
                    double sum = 0;
                    for (int64_t k = 0; k < c; k++)
                        sum += (double)x[r * 200 + i * c + k] * (double)other[r * 300 + i * c + k];
                    want[r * 120 + i * spec.y[1]] = (float)sum;
                }
            same("dot of few", 1e-5f);
        }
}

/* ---- max-pools, along one axis of 12 cells: c channels, kernel k ---- */

static struct wn_dnn_pool line_pool(int64_t c, int64_t k, int64_t stride, int64_t dilation, int64_t pad)
{
    struct wn_dnn_pool q = {.n = 1,
                            .c = c,
                            .in = {1, 1, 12},
                            .out = {1, 1, 0},
                            .kernel = {1, 1, k},
                            .stride = {1, 1, stride},
                            .dilation = {1, 1, dilation},
                            .pad = {0, 0, pad}};
    q.out[2] = (12 + 2 * pad - dilation * (k - 1) - 1) / stride + 1;
    return q;
}

/* Of one window and channel: the winner's cell, -1 where there is none. NaN wins and stays; of equal ones the first. */
static int64_t winner_of(const struct wn_dnn_pool *q, const float *values, int64_t o, int64_t c)
{
    int64_t best = -1;
    for (int64_t t = 0; t < q->kernel[2]; t++) {
        const int64_t at = o * q->stride[2] - q->pad[2] + t * q->dilation[2];
        if (at < 0 || at >= q->in[2]) continue;
        const float v = values[at * q->c + c];
        if (best < 0 || v > values[best * q->c + c] || (isnan(v) && !isnan(values[best * q->c + c]))) best = at;
    }
    return best;
}

static void pool(const struct wn_dnn_pool *shape, float *values, enum wn_dnn_type type)
{
    struct wn_dnn_pool q = *shape;
    static float index[CELLS], dx[CELLS], sum[CELLS], alone[CELLS];
    float *read = type == WN_DNN_F32 ? values : x;
    q.bf16_x = type == WN_DNN_BF16;
    for (int64_t i = 0; q.bf16_x && i < q.in[2] * q.c; i++)
        narrow_x[i] = wn_bf16_down(values[i]), x[i] = wn_bf16_up(narrow_x[i]);
    clear();
    wn_dnn_loop_maxpool(
        &q, (void *[]){q.bf16_x ? (void *)narrow_y : (void *)y, index, q.bf16_x ? (void *)narrow_x : (void *)values});
    if (!q.bf16_x) wn_dnn_loop_maxpool(&q, (void *[]){alone, NULL, values}); /* the same without an index */
    for (int64_t i = 0; !q.bf16_x && i < q.out[2] * q.c; i++)
        assert_true(isnan(y[i]) ? isnan(alone[i]) : alone[i] == y[i]);
    memset(sum, 0, sizeof sum);
    for (int64_t o = 0; o < q.out[2]; o++)
        for (int64_t c = 0; c < q.c; c++) {
            const int64_t at = o * q.c + c, best = winner_of(&q, read, o, c);
            const float got = q.bf16_x ? wn_bf16_up(narrow_y[at]) : y[at],
                        expected = best < 0 ? -INFINITY : read[best * q.c + c];
            if (isnan(expected)) {
                assert_true(isnan(got) && isnan(read[(int64_t)index[at] * q.c + c]));
            } else {
                assert_true(got == expected);
                assert_true(index[at] == (float)best);
            }
            if (best >= 0) sum[best * q.c + c] += other[at];
        }
    for (int64_t i = 0; i < q.in[2] * q.c; i++)
        if (isnan(read[i])) return;                                 /* which of several won, nothing is said of */
    for (int64_t i = q.out[2] * q.c; i < CELLS; i++) index[i] = 11; /* of windows that there are not */
    wn_dnn_loop_maxpool_bwd(&q, (void *[]){dx, other, index});
    for (int64_t i = 0; i < q.in[2] * q.c; i++) assert_float_equal(dx[i], sum[i], 1e-5f);
}

static void every_window_has_its_winner_and_gives_back_to_it(void **state)
{
    static const int64_t channels[] = {1, 3, 16, 31, 64, 100},
                         windows[][4] = {{2, 2, 1, 0}, {3, 2, 1, 1}, {5, 1, 1, 2}, {7, 3, 1, 3},
                                         {3, 1, 3, 2}, {1, 2, 1, 1}, {11, 1, 1, 5}};
    static float values[CELLS];
    for (int c = 0; c < 6; c++)
        for (int w = 0; w < 7; w++)
            for (int strange = 0; strange < 3; strange++)
                for (int type = WN_DNN_F32; type <= WN_DNN_BF16; type++) {
                    const struct wn_dnn_pool q =
                        line_pool(channels[c], windows[w][0], windows[w][1], windows[w][2], windows[w][3]);
                    fill(state);
                    for (int i = 0; i < CELLS; i++) values[i] = strange == 2 ? -INFINITY : x[i];
                    for (int i = 0; strange == 1 && i < CELLS; i += 41) values[i] = NAN, values[i + 1] = -INFINITY;
                    pool(&q, values, (enum wn_dnn_type)type);
                }
    fill(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_values_are_combined_whatever_their_strides),
        cmocka_unit_test(copies_change_type_and_step),
        cmocka_unit_test(axes_are_reduced_inside_and_outside),
        cmocka_unit_test(taps_are_weighed_whatever_the_strides),
        cmocka_unit_test(a_bf16_is_the_nearest_and_no_number_stays_none),
        cmocka_unit_test(a_relu_in_bf16_lets_through_what_was_above_zero),
        cmocka_unit_test(no_activation_leaves_what_is_there),
        cmocka_unit_test(activations_bend_where_they_should),
        cmocka_unit_test(slices_are_added_where_they_lie),
        cmocka_unit_test(derivatives_in_bf16_are_those_in_f32),
        cmocka_unit_test(rows_are_scaled_and_shifted_in_both_types),
        cmocka_unit_test(channels_are_summed_where_they_lie_apart),
        cmocka_unit_test(few_channels_are_summed_for_many_pixels_at_once),
        cmocka_unit_test(every_window_has_its_winner_and_gives_back_to_it),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
