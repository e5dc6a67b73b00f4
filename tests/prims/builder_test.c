/* What the builders refuse: the first failure sticks, names a code, and everything after it returns -1. */
#include "subject.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct wn_program *p;
static int image; /* (2,4,5,6) */

static int begin(void **state)
{
    (void)state;
    if (wn_program_create(&p, NULL) != WN_OK) return 1;
    image = wn_program_input(p, SHAPE(2, 4, 5, 6), true);
    return 0;
}

static int end(void **state)
{
    (void)state;
    wn_program_destroy(p);
    return 0;
}

static int input(struct wn_shape shape)
{
    return wn_program_input(p, shape, true);
}

static void restart(void)
{
    end(NULL);
    begin(NULL);
}

/* The last builder refused, and with the right code; then the program starts anew. */
static void refused(int value, enum wn_code code)
{
    struct wn_error err = {0};
    assert_int_equal(value, -1);
    assert_int_equal(wn_program_error(p, &err), code);
    assert_true(strlen(err.text) > 0);
    restart();
}

static const struct wn_window fine = {2, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}};

static int conv_with(int64_t kernel, int64_t stride, int64_t dilation, int64_t pad)
{
    struct wn_window win = {2, {kernel, 3}, {stride, 1}, {dilation, 1}, {pad, 1}, {pad, 1}};
    return wn_maxpool(p, image, &win, NULL);
}

static void windows_that_make_no_sense(void **state)
{
    (void)state;
    const int64_t huge = INT64_MAX;
    refused(conv_with(0, 1, 1, 1), WN_BAD_MODEL);
    refused(conv_with(-3, 1, 1, 1), WN_BAD_MODEL);
    refused(conv_with(3, 0, 1, 1), WN_BAD_MODEL);
    refused(conv_with(3, 1, 0, 1), WN_BAD_MODEL);
    refused(conv_with(3, 1, 1, -1), WN_BAD_MODEL);
    refused(conv_with(huge, 1, 1, 1), WN_BAD_MODEL);
    refused(conv_with(3, huge, 1, 1), WN_BAD_MODEL);
    refused(conv_with(3, 1, huge, 1), WN_BAD_MODEL);
    refused(conv_with(3, 1, 1, huge), WN_BAD_MODEL);
    refused(conv_with(9, 1, 1, 1), WN_BAD_MODEL);
    refused(conv_with(2147483646, 1, 2147483646, 1), WN_BAD_MODEL);
    refused(conv_with(3, 1, 1, 2147483646), WN_UNSUPPORTED);
    struct wn_window line = {1, {3}, {1}, {1}, {0}, {0}}, none = {0};
    refused(wn_avgpool(p, image, &line, false), WN_BAD_MODEL);
    refused(wn_avgpool(p, image, &none, false), WN_BAD_MODEL);
}

static void filters_that_do_not_fit(void **state)
{
    (void)state;
    refused(wn_conv(p, image, input(SHAPE(8, 3, 3, 3)), WN_NONE, &fine, 1), WN_BAD_MODEL);
    refused(wn_conv(p, image, input(SHAPE(8, 4, 3, 2)), WN_NONE, &fine, 1), WN_BAD_MODEL);
    refused(wn_conv(p, image, input(SHAPE(8, 4, 9)), WN_NONE, &fine, 1), WN_BAD_MODEL);
    refused(wn_conv(p, image, input(SHAPE(8, 4, 3, 3)), WN_NONE, &fine, 0), WN_BAD_MODEL);
    refused(wn_conv(p, image, input(SHAPE(8, 4, 3, 3)), WN_NONE, &fine, -1), WN_BAD_MODEL);
    refused(wn_conv(p, image, input(SHAPE(9, 2, 3, 3)), WN_NONE, &fine, 2), WN_BAD_MODEL);
    refused(wn_conv(p, image, input(SHAPE(9, 1, 3, 3)), WN_NONE, &fine, 3), WN_BAD_MODEL);
    refused(wn_conv(p, image, input(SHAPE(8, 4, 3, 3)), input(SHAPE(7)), &fine, 1), WN_BAD_MODEL);
    refused(wn_conv(p, image, input(SHAPE(8, 4, 3, 3)), input(SHAPE(1, 8)), &fine, 1), WN_BAD_MODEL);
    refused(wn_conv(p, input(SHAPE(4, 5)), input(SHAPE(8, 4, 3, 3)), WN_NONE, &fine, 1), WN_BAD_MODEL);
}

static void gradients_of_another_shape(void **state)
{
    (void)state;
    struct wn_shape x = SHAPE(2, 4, 5, 7), flat = SHAPE(2, 4);
    refused(wn_conv_bwd(p, image, input(SHAPE(4, 4, 3, 3)), WN_NONE, &fine, 1, &x), WN_BAD_MODEL);
    refused(wn_conv_bwd(p, image, input(SHAPE(4, 4, 3, 3)), WN_NONE, &fine, 1, &flat), WN_BAD_MODEL);
    refused(wn_avgpool_bwd(p, image, &fine, false, &x), WN_BAD_MODEL);
    refused(wn_avgpool_bwd(p, image, &fine, false, &flat), WN_BAD_MODEL);
    x.dim[3] = 6;
    refused(wn_maxpool_bwd(p, image, input(SHAPE(2, 4, 5, 5)), &fine, &x), WN_INTERNAL);
    refused(wn_unary_bwd(p, WN_UNARY_RELU, image, input(SHAPE(2, 4)), 0, 0), WN_INTERNAL);
    refused(wn_secant(p, WN_UNARY_RELU, image, input(SHAPE(2, 4)), image, 0, 0), WN_INTERNAL);
    refused(wn_secant(p, WN_UNARY_RELU, image, image, input(SHAPE(2, 4)), 0, 0), WN_INTERNAL);
}

static void products_that_do_not_fit(void **state)
{
    (void)state;
    refused(wn_matmul(p, input(SHAPE(2, 3)), false, input(SHAPE(4, 5)), false, WN_NONE), WN_BAD_MODEL);
    refused(wn_matmul(p, input(SHAPE(2, 3)), true, input(SHAPE(3, 5)), false, WN_NONE), WN_BAD_MODEL);
    refused(wn_matmul(p, input(SHAPE(2, 2, 3)), false, input(SHAPE(3, 3, 5)), false, WN_NONE), WN_BAD_MODEL);
    refused(wn_matmul(p, input(SHAPE(2, 3)), false, input(SHAPE(1, 3, 5)), false, WN_NONE), WN_INTERNAL);
    refused(wn_matmul(p, input(SHAPE(3)), false, input(SHAPE(3)), false, WN_NONE), WN_INTERNAL);
    refused(wn_matmul(p, input(SHAPE(2, 3)), false, input(SHAPE(3, 5)), false, input(SHAPE(2))), WN_BAD_MODEL);
    refused(wn_channel_dot(p, image, input(SHAPE(2, 3, 5, 6))), WN_INTERNAL);
    refused(wn_channel_dot(p, image, input(SHAPE(2, 4, 5, 1))), WN_INTERNAL);
}

static void elements_that_do_not_meet(void **state)
{
    (void)state;
    refused(wn_add(p, image, input(SHAPE(5))), WN_BAD_MODEL);
    refused(wn_reduce(p, WN_REDUCE_SUM, image, 16), WN_BAD_MODEL);
    refused(wn_gather(p, image, input(SHAPE(3, 1))), WN_INTERNAL);
    refused(wn_concat(p, (int[]){image, input(SHAPE(2, 4, 5, 7))}, 2, 1), WN_BAD_MODEL);
    refused(wn_concat(p, (int[]){image}, 1, 4), WN_BAD_MODEL);
    refused(wn_concat(p, (int[]){image}, 1, -1), WN_BAD_MODEL);
    refused(wn_concat(p, NULL, 0, 0), WN_BAD_MODEL);
    struct wn_shape other = SHAPE(2, 4, 5, 5), small = SHAPE(2, 4, 5, 1);
    refused(wn_reshape(p, image, &other), WN_BAD_MODEL);
    refused(wn_expand(p, image, &small), WN_BAD_MODEL);
}

static void copies_that_reach_outside(void **state)
{
    (void)state;
    struct wn_shape y = SHAPE(6);
    struct wn_copy c = {.rank = 1, .extent = {6}, .x_stride = {1}, .y_stride = {1}};
    c.x_offset = 235;
    refused(wn_copy(p, image, &y, &c), WN_BAD_MODEL);
    c.x_offset = -1;
    refused(wn_copy(p, image, &y, &c), WN_BAD_MODEL);
    c.x_offset = 0;
    c.y_stride[0] = -1;
    refused(wn_copy(p, image, &y, &c), WN_BAD_MODEL);
    c.y_stride[0] = INT64_MAX;
    refused(wn_copy(p, image, &y, &c), WN_BAD_MODEL);
    c.y_stride[0] = 1;
    c.extent[0] = INT64_MAX;
    refused(wn_copy(p, image, &y, &c), WN_BAD_MODEL);
    c.rank = WN_MAX_RANK + 1;
    refused(wn_copy(p, image, &y, &c), WN_BAD_MODEL);
    refused(wn_slice(p, image, 3, 4, 3, 1), WN_BAD_MODEL);
    refused(wn_slice(p, image, 3, 1, 3, -1), WN_BAD_MODEL);
    refused(wn_slice(p, image, 1, -1, 2, 1), WN_BAD_MODEL);
    refused(wn_slice(p, image, 4, 0, 1, 1), WN_BAD_MODEL);
    refused(wn_slice(p, image, 1, 0, 3, INT64_MAX), WN_BAD_MODEL);
    refused(wn_transpose(p, image, (int[]){0, 1, 2, 2}), WN_BAD_MODEL);
    refused(wn_transpose(p, image, (int[]){0, 1, 2, 4}), WN_BAD_MODEL);
    refused(wn_pad(p, image, (int64_t[]){0, -3, 0, 0}, (int64_t[]){0, -2, 0, 0}, 0), WN_BAD_MODEL);
    refused(wn_pad(p, image, (int64_t[]){0, INT64_MAX, 0, 0}, (int64_t[]){0, 0, 0, 0}, 0), WN_BAD_MODEL);
}

static void taps_outside_their_axis(void **state)
{
    (void)state;
    const float w[2] = {1, 1};
    refused(wn_axis_map(p, image, 1, &(struct wn_taps){4, 2, 1, (int32_t[]){0, 4}, w}), WN_BAD_MODEL);
    refused(wn_axis_map(p, image, 1, &(struct wn_taps){4, 2, 1, (int32_t[]){0, -2}, w}), WN_BAD_MODEL);
    refused(wn_axis_map(p, image, 1, &(struct wn_taps){5, 2, 1, (int32_t[]){0, 0}, w}), WN_BAD_MODEL);
    refused(wn_axis_map(p, image, 4, &(struct wn_taps){4, 2, 1, (int32_t[]){0, 0}, w}), WN_BAD_MODEL);
    refused(wn_axis_map(p, image, 1, &(struct wn_taps){4, 2, 0, NULL, NULL}), WN_BAD_MODEL);
}

static void values_that_are_too_large(void **state)
{
    (void)state;
    refused(input(SHAPE(65536, 65536)), WN_UNSUPPORTED);
    refused(input(SHAPE(INT64_MAX, INT64_MAX, INT64_MAX)), WN_UNSUPPORTED);
    refused(input(SHAPE(-1)), WN_UNSUPPORTED);
    refused(input((struct wn_shape){.rank = WN_MAX_RANK + 1}), WN_UNSUPPORTED);
    refused(wn_add(p, input(SHAPE(65536, 1)), input(SHAPE(1, 65536))), WN_UNSUPPORTED);
    struct wn_shape wide = SHAPE(65536, 65536);
    refused(wn_expand(p, input(SHAPE(1, 1)), &wide), WN_BAD_MODEL);
}

static void values_that_do_not_exist(void **state)
{
    (void)state;
    refused(wn_relu(p, 99), WN_INTERNAL);
    refused(wn_add(p, image, 99), WN_INTERNAL);
    refused(wn_concat(p, (int[]){image, 99}, 2, 0), WN_INTERNAL);
    refused(wn_program_output(p, 99), WN_INTERNAL);
    refused(wn_program_const(p, NULL), WN_INTERNAL);
}

/* The first operand is there, and another one is not. */
static void every_operand_is_looked_for(void **state)
{
    (void)state;
    struct wn_shape s = SHAPE(2, 4, 5, 6);
    refused(wn_conv(p, image, 99, WN_NONE, &fine, 1), WN_INTERNAL);
    refused(wn_conv(p, 99, image, WN_NONE, &fine, 1), WN_INTERNAL);
    refused(wn_conv(p, image, input(SHAPE(8, 4, 3, 3)), 99, &fine, 1), WN_INTERNAL);
    refused(wn_conv_bwd(p, 99, image, WN_NONE, &fine, 1, &s), WN_INTERNAL);
    refused(wn_conv_bwd(p, image, 99, WN_NONE, &fine, 1, &s), WN_INTERNAL);
    refused(wn_conv_bwd(p, 99, input(SHAPE(4, 4, 3, 3)), WN_NONE, &fine, 1, &s), WN_INTERNAL);
    refused(wn_maxpool(p, 99, &fine, NULL), WN_INTERNAL);
    refused(wn_maxpool_bwd(p, 99, image, &fine, &s), WN_INTERNAL);
    refused(wn_maxpool_bwd(p, image, 99, &fine, &s), WN_INTERNAL);
    refused(wn_avgpool(p, 99, &fine, true), WN_INTERNAL);
    refused(wn_avgpool_bwd(p, 99, &fine, true, &s), WN_INTERNAL);
    refused(wn_matmul(p, 99, false, image, false, WN_NONE), WN_INTERNAL);
    refused(wn_matmul(p, image, false, 99, false, WN_NONE), WN_INTERNAL);
    refused(wn_matmul(p, input(SHAPE(2, 3)), false, input(SHAPE(3, 5)), false, 99), WN_INTERNAL);
    refused(wn_channel_dot(p, 99, image), WN_INTERNAL);
    refused(wn_channel_dot(p, image, 99), WN_INTERNAL);
    refused(wn_unary_bwd(p, WN_UNARY_RELU, 99, image, 0, 0), WN_INTERNAL);
    refused(wn_unary_bwd(p, WN_UNARY_RELU, image, 99, 0, 0), WN_INTERNAL);
    refused(wn_secant(p, WN_UNARY_RELU, 99, image, image, 0, 0), WN_INTERNAL);
    refused(wn_secant(p, WN_UNARY_RELU, image, 99, image, 0, 0), WN_INTERNAL);
    refused(wn_secant(p, WN_UNARY_RELU, image, image, 99, 0, 0), WN_INTERNAL);
    refused(wn_add(p, 99, image), WN_INTERNAL);
    refused(wn_reduce(p, WN_REDUCE_SUM, 99, 1), WN_INTERNAL);
    refused(wn_copy(p, 99, &s, &(struct wn_copy){0}), WN_INTERNAL);
    refused(wn_reshape(p, 99, &s), WN_INTERNAL);
    refused(wn_concat(p, (int[]){99}, 1, 0), WN_INTERNAL);
    refused(wn_axis_map(p, 99, 1, &(struct wn_taps){4, 2, 1, (int32_t[]){0, 0}, (const float[]){1, 1}}), WN_INTERNAL);
    refused(wn_gather(p, 99, image), WN_INTERNAL);
    refused(wn_gather(p, image, 99), WN_INTERNAL);
    refused(wn_transpose(p, 99, (int[]){0}), WN_INTERNAL);
    refused(wn_slice(p, 99, 0, 0, 1, 1), WN_INTERNAL);
    refused(wn_expand(p, 99, &s), WN_INTERNAL);
}

static void windows_beyond_all_bounds(void **state)
{
    (void)state;
    struct wn_window win = fine;
    win.rank = 4;
    refused(wn_maxpool(p, image, &win, NULL), WN_BAD_MODEL);
    win = fine;
    win.pad_hi[1] = -1;
    refused(wn_maxpool(p, image, &win, NULL), WN_BAD_MODEL);
    win.pad_hi[1] = INT64_MAX;
    refused(wn_maxpool(p, image, &win, NULL), WN_BAD_MODEL);
    win = fine;
    win.kernel[0] = 0;
    refused(wn_conv(p, image, input(SHAPE(8, 4, 3, 3)), WN_NONE, &win, 1), WN_BAD_MODEL);
    struct wn_shape s = SHAPE(2, 4, 5, 6);
    refused(wn_conv_bwd(p, image, input(SHAPE(4, 4, 3, 3)), WN_NONE, &win, 1, &s), WN_BAD_MODEL);
    struct wn_shape none = SHAPE(2, -4, 5, 6);
    refused(wn_reshape(p, image, &none), WN_BAD_MODEL);
}

static void the_first_failure_sticks(void **state)
{
    (void)state;
    struct wn_error err = {0};
    int64_t none[4] = {0};
    struct wn_shape s = SHAPE(1);
    int broken = wn_reduce(p, WN_REDUCE_SUM, image, 1u << 9), steps = wn_program_steps(p);
    wn_program_fail(p, WN_NO_MEMORY, "a later failure");
    const int all[] = {
        wn_conv(p, broken, broken, broken, &fine, 1),
        wn_conv_bwd(p, broken, broken, WN_NONE, &fine, 1, &s),
        wn_maxpool(p, broken, &fine, NULL),
        wn_maxpool_bwd(p, broken, broken, &fine, &s),
        wn_avgpool(p, broken, &fine, true),
        wn_avgpool_bwd(p, broken, &fine, true, &s),
        wn_matmul(p, broken, false, broken, false, WN_NONE),
        wn_relu(p, broken),
        wn_unary_bwd(p, WN_UNARY_RELU, broken, broken, 0, 0),
        wn_secant(p, WN_UNARY_RELU, broken, broken, broken, 0, 0),
        wn_add(p, broken, broken),
        wn_reduce(p, WN_REDUCE_MAX, broken, 1),
        wn_reshape(p, broken, &s),
        wn_concat(p, &broken, 1, 0),
        wn_gather(p, broken, broken),
        wn_channel_dot(p, broken, broken),
        wn_transpose(p, broken, (int[]){0}),
        wn_slice(p, broken, 0, 0, 1, 1),
        wn_pad(p, broken, none, none, 0),
        wn_expand(p, broken, &s),
        wn_reduce_to(p, broken, &s),
        wn_program_output(p, broken),
        wn_program_end_stage(p),
        wn_relu(p, image),
        wn_program_input(p, s, true),
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) assert_int_equal(all[i], -1);
    assert_int_equal(wn_program_steps(p), steps);
    assert_int_equal(wn_program_error(p, &err), WN_BAD_MODEL);
    assert_int_equal(wn_program_optimize(p, NULL), WN_BAD_MODEL);
}

static void the_text_of_a_program_names_every_step(void **state)
{
    (void)state;
    wn_program_output(p, wn_relu(p, wn_maxpool(p, image, &fine, NULL)));
    char *text = wn_program_text(p);
    assert_non_null(text);
    assert_non_null(strstr(text, "maxpool"));
    assert_non_null(strstr(text, "relu"));
    free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(windows_that_make_no_sense),
        TEST(filters_that_do_not_fit),
        TEST(gradients_of_another_shape),
        TEST(products_that_do_not_fit),
        TEST(elements_that_do_not_meet),
        TEST(copies_that_reach_outside),
        TEST(taps_outside_their_axis),
        TEST(values_that_are_too_large),
        TEST(values_that_do_not_exist),
        TEST(every_operand_is_looked_for),
        TEST(windows_beyond_all_bounds),
        TEST(the_first_failure_sticks),
        TEST(the_text_of_a_program_names_every_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
