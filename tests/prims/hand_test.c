/* The oracle against values worked by hand, so that what judges the others is judged too. */
#include "subject.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

static struct subject s;
static struct wn_backend *ref;

static int begin(void **state)
{
    (void)state;
    subject_init(&s, 1, false);
    return wn_backend_open("ref", NULL, &ref, NULL);
}

static int end(void **state)
{
    (void)state;
    subject_finish(&s);
    wn_backend_close(ref);
    return 0;
}

/* Runs the program as it stands now and compares one value. */
static void expect(int value, const float *want, int n)
{
    struct outcome got;
    struct wn_error err = {0};
    subject_output(&s, value);
    if (subject_run(&s, ref, &got, &err) != WN_OK) fail_msg("%s", err.text);
    int last = got.n - 1;
    assert_int_equal(got.count[last], n);
    for (int i = 0; i < n; i++)
        if (!(fabsf(got.data[last][i] - want[i]) <= 1e-6f * fabsf(want[i])))
            fail_msg("element %d is %.9g; by hand it is %.9g", i, got.data[last][i], want[i]);
    outcome_finish(&got);
}

#define FLOATS(...)                                                                                                    \
    (const float[])                                                                                                    \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }
#define COUNT(...) ((int)(sizeof(float[]){__VA_ARGS__} / sizeof(float)))
#define EXPECT(value, ...) expect(value, FLOATS(__VA_ARGS__), COUNT(__VA_ARGS__))
#define GIVEN(shape, ...) subject_given(&s, shape, FLOATS(__VA_ARGS__))
#define WEIGHT(shape, ...) subject_given_weight(&s, shape, FLOATS(__VA_ARGS__))

static struct wn_window line(int64_t kernel, int64_t stride, int64_t dilation, int64_t lo, int64_t hi)
{
    return (struct wn_window){1, {kernel}, {stride}, {dilation}, {lo}, {hi}};
}

static struct wn_window square(int64_t kernel, int64_t stride, int64_t lo, int64_t hi)
{
    return (struct wn_window){2, {kernel, kernel}, {stride, stride}, {1, 1}, {lo, lo}, {hi, hi}};
}

/* ---- convolutions ---- */

static void conv_correlates_and_does_not_flip(void **state)
{
    (void)state;
    struct wn_window win = square(2, 1, 0, 0);
    int x = GIVEN(SHAPE(1, 1, 3, 3), 1, 2, 3, 4, 5, 6, 7, 8, 9);
    EXPECT(wn_conv(s.p, x, WEIGHT(SHAPE(1, 1, 2, 2), 1, 2, 3, 4), WN_NONE, &win, 1), 37, 47, 67, 77);
}

static void conv_sums_over_channels(void **state)
{
    (void)state;
    struct wn_window win = line(1, 1, 1, 0, 0);
    int x = GIVEN(SHAPE(1, 2, 3), 1, 2, 3, 4, 5, 6);
    EXPECT(wn_conv(s.p, x, WEIGHT(SHAPE(1, 2, 1), 2, -1), WN_NONE, &win, 1), -2, -1, 0);
}

static void conv_keeps_groups_apart(void **state)
{
    (void)state;
    struct wn_window win = line(2, 1, 1, 0, 0);
    int x = GIVEN(SHAPE(1, 2, 3), 1, 2, 3, 4, 5, 6);
    EXPECT(wn_conv(s.p, x, WEIGHT(SHAPE(2, 1, 2), 1, 10, 1, -1), WN_NONE, &win, 2), 21, 32, -1, -1);
}

static void conv_dilates_within_asymmetric_pads(void **state)
{
    (void)state;
    struct wn_window win = line(3, 1, 2, 1, 2), skip_one = line(3, 2, 2, 1, 2);
    int x = GIVEN(SHAPE(1, 1, 4), 1, 2, 3, 4), w = WEIGHT(SHAPE(1, 1, 3), 1, 10, 100);
    EXPECT(wn_conv(s.p, x, w, WN_NONE, &win, 1), 420, 31, 42);
    EXPECT(wn_conv(s.p, x, w, WN_NONE, &skip_one, 1), 420, 42);
}

static void conv_adds_bias_and_residual_before_the_activation(void **state)
{
    (void)state;
    struct wn_window win = line(2, 1, 1, 0, 0);
    int x = GIVEN(SHAPE(1, 1, 3), 1, 2, 3), w = WEIGHT(SHAPE(1, 1, 2), 1, 10);
    int y = wn_conv(s.p, x, w, WEIGHT(SHAPE(1), -25), &win, 1);
    y = wn_relu(s.p, wn_add(s.p, y, GIVEN(SHAPE(1, 1, 2), 1, -5)));
    wn_program_output(s.p, y);
    assert_int_equal(wn_program_optimize(s.p, NULL), WN_OK);
    assert_int_equal(wn_program_steps(s.p), 1);
    EXPECT(y, 0, 2);
}

static void conv_over_three_axes(void **state)
{
    (void)state;
    struct wn_window win = {3, {2, 1, 2}, {1, 1, 1}, {1, 1, 1}, {0}, {0}};
    int x = GIVEN(SHAPE(1, 1, 2, 2, 2), 1, 2, 3, 4, 5, 6, 7, 8);
    EXPECT(wn_conv(s.p, x, WEIGHT(SHAPE(1, 1, 2, 1, 2), 1, 10, 100, 1000), WN_NONE, &win, 1), 6521, 8743);
}

static void conv_bwd_scatters_each_gradient_over_its_window(void **state)
{
    (void)state;
    struct wn_window plain = line(2, 1, 1, 0, 0), strided = line(2, 2, 1, 1, 0), dilated = line(2, 1, 2, 0, 0);
    struct wn_shape x = SHAPE(1, 1, 3);
    int w = WEIGHT(SHAPE(1, 1, 2), 2, 3), dy = GIVEN(SHAPE(1, 1, 2), 1, 10);
    EXPECT(wn_conv_bwd(s.p, dy, w, WN_NONE, &plain, 1, &x), 2, 23, 30);
    EXPECT(wn_conv_bwd(s.p, dy, w, WN_NONE, &strided, 1, &x), 3, 20, 30);
    EXPECT(wn_conv_bwd(s.p, GIVEN(SHAPE(1, 1, 1), 4), w, WN_NONE, &dilated, 1, &x), 8, 0, 12);
}

static void conv_bwd_keeps_groups_apart_and_adds_its_bias(void **state)
{
    (void)state;
    struct wn_window win = line(1, 1, 1, 0, 0);
    struct wn_shape x = SHAPE(1, 2, 2);
    int dy = GIVEN(SHAPE(1, 2, 2), 1, 3, 7, 9), w = WEIGHT(SHAPE(2, 1, 1), 2, 5), bias = WEIGHT(SHAPE(2), 100, 200);
    EXPECT(wn_conv_bwd(s.p, dy, w, bias, &win, 2, &x), 102, 106, 235, 245);
}

/* ---- pools ---- */

static void maxpool_tie_goes_to_the_first(void **state)
{
    (void)state;
    struct wn_window win = line(2, 1, 1, 0, 0);
    int index, x = GIVEN(SHAPE(1, 1, 4), 1, 3, 3, 2);
    EXPECT(wn_maxpool(s.p, x, &win, &index), 3, 3, 3);
    EXPECT(index, 1, 1, 2);
}

static void maxpool_index_counts_within_the_plane(void **state)
{
    (void)state;
    struct wn_window win = square(2, 1, 0, 0);
    int index, x = GIVEN(SHAPE(1, 2, 3, 3), 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 8, 7, 6, 5, 4, 3, 2, 1);
    EXPECT(wn_maxpool(s.p, x, &win, &index), 5, 6, 8, 9, 9, 8, 6, 5);
    EXPECT(index, 4, 5, 7, 8, 0, 1, 3, 4);
}

static void maxpool_never_takes_padding(void **state)
{
    (void)state;
    struct wn_window win = line(2, 2, 1, 1, 1);
    int index, x = GIVEN(SHAPE(1, 1, 2), -1, -2);
    EXPECT(wn_maxpool(s.p, x, &win, &index), -1, -2);
    EXPECT(index, 0, 1);
}

static void maxpool_passes_nan_on(void **state)
{
    (void)state;
    struct wn_window win = line(3, 1, 1, 0, 0);
    int index, x = GIVEN(SHAPE(1, 1, 3), 1, NAN, 2);
    wn_maxpool(s.p, x, &win, &index);
    EXPECT(index, 1);
}

static void maxpool_bwd_adds_where_windows_share_a_winner(void **state)
{
    (void)state;
    struct wn_window win = line(2, 1, 1, 0, 0);
    struct wn_shape x = SHAPE(1, 1, 4);
    int index = GIVEN(SHAPE(1, 1, 3), 1, 1, 2), dy = GIVEN(SHAPE(1, 1, 3), 1, 10, 100);
    EXPECT(wn_maxpool_bwd(s.p, dy, index, &win, &x), 0, 11, 100, 0);
}

static void avgpool_counts_padding_only_when_told(void **state)
{
    (void)state;
    struct wn_window win = line(3, 1, 1, 1, 1), corner = square(2, 1, 1, 0);
    int x = GIVEN(SHAPE(1, 1, 3), 2, 4, 6), plane = GIVEN(SHAPE(1, 1, 2, 2), 1, 2, 3, 4);
    EXPECT(wn_avgpool(s.p, x, &win, false), 3, 4, 5);
    EXPECT(wn_avgpool(s.p, x, &win, true), 2, 4, 10.0f / 3);
    EXPECT(wn_avgpool(s.p, plane, &corner, false), 1, 1.5f, 2, 2.5f);
    EXPECT(wn_avgpool(s.p, plane, &corner, true), 0.25f, 0.75f, 1, 2.5f);
}

static void avgpool_bwd_shares_as_the_pool_divided(void **state)
{
    (void)state;
    struct wn_window win = line(3, 1, 1, 1, 1);
    struct wn_shape x = SHAPE(1, 1, 3);
    int dy = GIVEN(SHAPE(1, 1, 3), 6, 6, 6);
    EXPECT(wn_avgpool_bwd(s.p, dy, &win, false, &x), 5, 8, 5);
    EXPECT(wn_avgpool_bwd(s.p, dy, &win, true, &x), 4, 6, 4);
}

/* ---- products ---- */

static void matmul_in_all_four_layouts(void **state)
{
    (void)state;
    int a = GIVEN(SHAPE(2, 3), 1, 2, 3, 4, 5, 6), b = GIVEN(SHAPE(3, 2), 1, 0, 0, 1, 1, 1);
    int at = GIVEN(SHAPE(3, 2), 1, 4, 2, 5, 3, 6), bt = GIVEN(SHAPE(2, 3), 1, 0, 1, 0, 1, 1);
    EXPECT(wn_matmul(s.p, a, false, b, false, WN_NONE), 4, 5, 10, 11);
    EXPECT(wn_matmul(s.p, at, true, b, false, WN_NONE), 4, 5, 10, 11);
    EXPECT(wn_matmul(s.p, a, false, bt, true, WN_NONE), 4, 5, 10, 11);
    EXPECT(wn_matmul(s.p, at, true, bt, true, WEIGHT(SHAPE(2), 100, 200)), 104, 205, 110, 211);
}

static void matmul_repeats_a_batch_of_one(void **state)
{
    (void)state;
    int a = GIVEN(SHAPE(2, 1, 2), 1, 2, 3, 4), one = GIVEN(SHAPE(1, 2, 1), 10, 100),
        two = GIVEN(SHAPE(2, 2, 1), 1, 0, 0, 1);
    EXPECT(wn_matmul(s.p, a, false, one, false, WN_NONE), 210, 430);
    EXPECT(wn_matmul(s.p, a, false, two, false, WN_NONE), 1, 4);
}

static void channel_dot_sums_over_channels(void **state)
{
    (void)state;
    int a = GIVEN(SHAPE(1, 2, 2, 1), 1, 2, 3, 4);
    EXPECT(wn_channel_dot(s.p, a, GIVEN(SHAPE(1, 2, 2, 1), 10, 20, 30, 40)), 100, 200);
    EXPECT(wn_channel_dot(s.p, a, GIVEN(SHAPE(1, 2, 1, 1), 10, 100)), 310, 420);
}

/* ---- one element at a time ---- */

static void unary_functions_have_their_values(void **state)
{
    (void)state;
    static const struct {
        enum wn_unary kind;
        float a, b, x, y;
    } rows[] = {
        {WN_UNARY_RELU, 0, 0, -1, 0},
        {WN_UNARY_RELU, 0, 0, 2, 2},
        {WN_UNARY_LEAKY, 0.1f, 0, -2, -0.2f},
        {WN_UNARY_LEAKY, 0.1f, 0, 2, 2},
        {WN_UNARY_ELU, 2, 0, -1, -1.26424112f},
        {WN_UNARY_SIGMOID, 0, 0, 2, 0.880797078f},
        {WN_UNARY_TANH, 0, 0, 1, 0.761594156f},
        {WN_UNARY_EXP, 0, 0, 1, 2.71828183f},
        {WN_UNARY_LOG, 0, 0, 2, 0.693147181f},
        {WN_UNARY_SQRT, 0, 0, 9, 3},
        {WN_UNARY_ABS, 0, 0, -2, 2},
        {WN_UNARY_CLIP, 0, 6, -1, 0},
        {WN_UNARY_CLIP, 0, 6, 7, 6},
        {WN_UNARY_CLIP, 0, 6, 5, 5},
        {WN_UNARY_HARDSIGMOID, 0.2f, 0.5f, 1, 0.7f},
        {WN_UNARY_HARDSIGMOID, 0.2f, 0.5f, 3, 1},
        {WN_UNARY_HARDSIGMOID, 0.2f, 0.5f, -3, 0},
        {WN_UNARY_HARDSWISH, 0, 0, 1, 0.666666667f},
        {WN_UNARY_HARDSWISH, 0, 0, -4, 0},
        {WN_UNARY_HARDSWISH, 0, 0, 4, 4},
        {WN_UNARY_LINEAR, -2, 0.5f, 3, -5.5f},
        {WN_UNARY_POW, 3, 0, 2, 8},
        {WN_UNARY_SQUARE, 0, 0, -3, 9},
        {WN_UNARY_EPSILON_GATE, 0.5f, 0, 1, 0.450693856f},
        {WN_UNARY_EPSILON_GATE, 0.5f, 0, -1, -0.450693856f},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        EXPECT(wn_unary(s.p, rows[i].kind, GIVEN(SHAPE(1), rows[i].x), rows[i].a, rows[i].b), rows[i].y);
}

static void unary_derivatives_have_their_values(void **state)
{
    (void)state;
    static const struct {
        enum wn_unary kind;
        float a, b, z, dx; /* z: the output or the input, as the row of the table says; dy is 10 */
    } rows[] = {
        {WN_UNARY_RELU, 0, 0, 0, 0},
        {WN_UNARY_RELU, 0, 0, 1, 10},
        {WN_UNARY_LEAKY, 0.1f, 0, -1, 1},
        {WN_UNARY_ELU, 1, 0, -1, 3.67879441f},
        {WN_UNARY_ELU, 1, 0, 1, 10},
        {WN_UNARY_SIGMOID, 0, 0, 0.25f, 1.875f},
        {WN_UNARY_TANH, 0, 0, 0.5f, 7.5f},
        {WN_UNARY_EXP, 0, 0, 3, 30},
        {WN_UNARY_LOG, 0, 0, 4, 2.5f},
        {WN_UNARY_SQRT, 0, 0, 2, 2.5f},
        {WN_UNARY_ABS, 0, 0, -3, -10},
        {WN_UNARY_ABS, 0, 0, 0, 0},
        {WN_UNARY_CLIP, 0, 6, 6, 0},
        {WN_UNARY_CLIP, 0, 6, 3, 10},
        {WN_UNARY_HARDSIGMOID, 0.2f, 0.5f, 0.5f, 2},
        {WN_UNARY_HARDSIGMOID, 0.2f, 0.5f, 1, 0},
        {WN_UNARY_HARDSWISH, 0, 0, 1, 8.33333333f},
        {WN_UNARY_HARDSWISH, 0, 0, -3, 0},
        {WN_UNARY_HARDSWISH, 0, 0, 3, 10},
        {WN_UNARY_LINEAR, -2, 0.5f, 3, -20},
        {WN_UNARY_POW, 3, 0, 2, 120},
        {WN_UNARY_SQUARE, 0, 0, 3, 60},
        {WN_UNARY_EPSILON_GATE, 0.5f, 0, -1.5f, 7.5f},
        {WN_UNARY_EPSILON_GATE, 0.5f, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int dy = GIVEN(SHAPE(1), 10), z = GIVEN(SHAPE(1), rows[i].z);
        EXPECT(wn_unary_bwd(s.p, rows[i].kind, dy, z, rows[i].a, rows[i].b), rows[i].dx);
        subject_finish(&s);
        subject_init(&s, 1, false);
    }
}

static void secants_are_slopes_between_two_points_and_derivatives_at_one(void **state)
{
    (void)state;
    static const struct {
        enum wn_unary kind;
        float a, b, x, x0, dx; /* dy is 10 */
    } rows[] = {
        {WN_UNARY_RELU, 0, 0, 3, -1, 7.5f},
        {WN_UNARY_RELU, 0, 0, -1, 3, 7.5f},
        {WN_UNARY_RELU, 0, 0, -1, -3, 0},
        {WN_UNARY_RELU, 0, 0, 2, 2, 10},
        {WN_UNARY_RELU, 0, 0, -2, -2, 0},
        {WN_UNARY_RELU, 0, 0, 0, 0, 0},
        {WN_UNARY_LEAKY, 0.5f, 0, 1, -1, 7.5f},
        {WN_UNARY_SIGMOID, 0, 0, 0, 0, 2.5f}, /* y (1 - y), of an output that is not given */
        {WN_UNARY_TANH, 0, 0, 1, 0, 7.61594156f},
        {WN_UNARY_SQUARE, 0, 0, 3, 1, 40},
        {WN_UNARY_SQUARE, 0, 0, 3, 3, 60},
        {WN_UNARY_ABS, 0, 0, 1, -1, 0},
        {WN_UNARY_CLIP, 0, 6, 8, 4, 5},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int dy = GIVEN(SHAPE(1), 10), x = GIVEN(SHAPE(1), rows[i].x), x0 = GIVEN(SHAPE(1), rows[i].x0);
        EXPECT(wn_secant(s.p, rows[i].kind, dy, x, x0, rows[i].a, rows[i].b), rows[i].dx);
        subject_finish(&s);
        subject_init(&s, 1, false);
    }
}

static void binary_broadcasts_like_numpy(void **state)
{
    (void)state;
    int a = GIVEN(SHAPE(2, 1), 1, 2), b = GIVEN(SHAPE(3), 10, 20, 30);
    EXPECT(wn_binary(s.p, WN_BINARY_ADD, a, b), 11, 21, 31, 12, 22, 32);
    EXPECT(wn_binary(s.p, WN_BINARY_SUB, a, b), -9, -19, -29, -8, -18, -28);
    EXPECT(wn_binary(s.p, WN_BINARY_MUL, b, a), 10, 20, 30, 20, 40, 60);
    EXPECT(wn_binary(s.p, WN_BINARY_DIV, b, a), 10, 20, 30, 5, 10, 15);
    EXPECT(wn_binary(s.p, WN_BINARY_POW, b, a), 10, 20, 30, 100, 400, 900);
}

static void binary_max_and_min(void **state)
{
    (void)state;
    int a = GIVEN(SHAPE(2), 1, 5), b = GIVEN(SHAPE(2), 3, -2);
    EXPECT(wn_binary(s.p, WN_BINARY_MAX, a, b), 3, 5);
    EXPECT(wn_binary(s.p, WN_BINARY_MIN, a, b), 1, -2);
}

static void reduce_over_the_axes_of_the_mask(void **state)
{
    (void)state;
    int x = GIVEN(SHAPE(2, 3), 1, 2, 3, 4, 5, 6), below = GIVEN(SHAPE(2), -3, -1);
    EXPECT(wn_reduce(s.p, WN_REDUCE_SUM, x, 1), 5, 7, 9);
    EXPECT(wn_reduce(s.p, WN_REDUCE_MEAN, x, 2), 2, 5);
    EXPECT(wn_reduce(s.p, WN_REDUCE_MAX, x, 3), 6);
    EXPECT(wn_reduce(s.p, WN_REDUCE_MAX, below, 1), -1);
}

/* ---- moving ---- */

static void copy_transposes_pads_and_walks_backwards(void **state)
{
    (void)state;
    int x = GIVEN(SHAPE(2, 3), 1, 2, 3, 4, 5, 6);
    EXPECT(wn_transpose(s.p, x, (int[]){1, 0}), 1, 4, 2, 5, 3, 6);
    EXPECT(wn_pad(s.p, x, (int64_t[]){1, -1}, (int64_t[]){0, 1}, 9), 9, 9, 9, 2, 3, 9, 5, 6, 9);
    EXPECT(wn_slice(s.p, x, 1, 2, 2, -2), 3, 1, 6, 4);
    struct wn_shape wide = SHAPE(2, 2, 3);
    EXPECT(wn_expand(s.p, x, &wide), 1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6);
}

static void copy_puts_elements_back_in_reverse_between_fill(void **state)
{
    (void)state;
    struct wn_shape y = SHAPE(5);
    struct wn_copy back = {.rank = 1, .extent = {2}, .x_stride = {1}, .y_offset = 3, .y_stride = {-2}, .fill = 7};
    EXPECT(wn_copy(s.p, GIVEN(SHAPE(2), 1, 2), &y, &back), 7, 2, 7, 1, 7);
}

static void concat_along_the_inner_axis(void **state)
{
    (void)state;
    int parts[] = {GIVEN(SHAPE(2, 1), 1, 2), GIVEN(SHAPE(2, 2), 3, 4, 5, 6)};
    EXPECT(wn_concat(s.p, parts, 2, 1), 1, 3, 4, 2, 5, 6);
}

static void axis_map_leaves_out_taps_of_minus_one(void **state)
{
    (void)state;
    struct wn_taps taps = {3, 2, 2, (int32_t[]){0, 2, -1, 1}, (float[]){0.5f, 0.5f, 7, 2}};
    EXPECT(wn_axis_map(s.p, GIVEN(SHAPE(3), 1, 2, 3), 0, &taps), 2, 4);
    EXPECT(wn_axis_map(s.p, GIVEN(SHAPE(1, 3, 2), 1, 2, 3, 4, 5, 6), 1, &taps), 3, 4, 6, 8);
}

static void gather_takes_rows_in_any_order(void **state)
{
    (void)state;
    int x = GIVEN(SHAPE(2, 2), 1, 2, 3, 4);
    EXPECT(wn_gather(s.p, x, GIVEN(SHAPE(3), 1, 0, 1)), 3, 4, 1, 2, 3, 4);
}

static void gather_refuses_a_row_without_an_image(void **state)
{
    (void)state;
    static const float bad[] = {2, -1, 0.5f, NAN, INFINITY};
    struct wn_exe *exe;
    int x = wn_program_input(s.p, SHAPE(2, 1), true), row = wn_program_input(s.p, SHAPE(1), true);
    wn_program_output(s.p, wn_gather(s.p, x, row));
    assert_int_equal(ref->impl->compile(ref, s.p, &exe, NULL), WN_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(ref->impl->write(exe, row, &bad[i], NULL), WN_OK);
        assert_int_equal(ref->impl->run(exe, 0, NULL), WN_BAD_REQUEST);
    }
    ref->impl->release(exe);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(conv_correlates_and_does_not_flip),
        TEST(conv_sums_over_channels),
        TEST(conv_keeps_groups_apart),
        TEST(conv_dilates_within_asymmetric_pads),
        TEST(conv_adds_bias_and_residual_before_the_activation),
        TEST(conv_over_three_axes),
        TEST(conv_bwd_scatters_each_gradient_over_its_window),
        TEST(conv_bwd_keeps_groups_apart_and_adds_its_bias),
        TEST(maxpool_tie_goes_to_the_first),
        TEST(maxpool_index_counts_within_the_plane),
        TEST(maxpool_never_takes_padding),
        TEST(maxpool_passes_nan_on),
        TEST(maxpool_bwd_adds_where_windows_share_a_winner),
        TEST(avgpool_counts_padding_only_when_told),
        TEST(avgpool_bwd_shares_as_the_pool_divided),
        TEST(matmul_in_all_four_layouts),
        TEST(matmul_repeats_a_batch_of_one),
        TEST(channel_dot_sums_over_channels),
        TEST(unary_functions_have_their_values),
        TEST(unary_derivatives_have_their_values),
        TEST(secants_are_slopes_between_two_points_and_derivatives_at_one),
        TEST(binary_broadcasts_like_numpy),
        TEST(binary_max_and_min),
        TEST(reduce_over_the_axes_of_the_mask),
        TEST(copy_transposes_pads_and_walks_backwards),
        TEST(copy_puts_elements_back_in_reverse_between_fill),
        TEST(concat_along_the_inner_axis),
        TEST(axis_map_leaves_out_taps_of_minus_one),
        TEST(gather_takes_rows_in_any_order),
        TEST(gather_refuses_a_row_without_an_image),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
