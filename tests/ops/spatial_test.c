/* Operators that slide or stretch over a picture's axes, against values worked by hand where they are easily done
 * wrong: pads, last windows, coordinates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net.h"

/* ---- windows ---- */

/* 6 cells, kernel 3, stride 2: 3 windows want one cell more, behind (upper) or in front (lower). */
static void auto_pad_puts_the_odd_cell_behind_or_in_front(void **state)
{
    (void)state;
    struct net net;
    struct wire n = net_of_node(&net, 13, "Conv", "x,w", SHAPE(1, 1, 6));
    net_floats(&net, "w", SHAPE(1, 1, 3), FLOATS(1, 10, 100));
    wire_attr_string(&n, "auto_pad", "SAME_UPPER");
    wire_attr_ints(&n, "strides", INTS(2));
    net_gives_node(&net, n, SHAPE(1, 1, 3), FLOATS(321, 543, 65));
    n = net_of_node(&net, 13, "Conv", "x,w", SHAPE(1, 1, 6));
    net_floats(&net, "w", SHAPE(1, 1, 3), FLOATS(1, 10, 100));
    wire_attr_string(&n, "auto_pad", "SAME_LOWER");
    wire_attr_ints(&n, "strides", INTS(2));
    net_gives_node(&net, n, SHAPE(1, 1, 3), FLOATS(210, 432, 654));
}

static void groups_and_dilation_pick_the_right_cells(void **state)
{
    (void)state;
    struct net net;
    struct wire n = net_of_node(&net, 13, "Conv", "x,w,b", SHAPE(1, 2, 5));
    net_floats(&net, "w", SHAPE(2, 1, 2), FLOATS(1, 10, 100, 1000));
    net_floats(&net, "b", SHAPE(2), FLOATS(0.5f, -0.5f));
    wire_attr_int(&n, "group", 2);
    wire_attr_ints(&n, "dilations", INTS(3));
    /* 1+10*4, 2+10*5; 100*6+1000*9, 100*7+1000*10 */
    net_gives_node(&net, n, SHAPE(1, 2, 2), FLOATS(41.5f, 52.5f, 9599.5f, 10699.5f));
}

/* 5 cells, kernel 2, stride 2: the third window hangs over; with 2 pads in front and behind, a fourth would start in
 * the pad. */
static void ceil_mode_keeps_a_last_window_only_where_it_starts_inside(void **state)
{
    (void)state;
    struct net net;
    struct wire n = net_of_node(&net, 13, "MaxPool", "x", SHAPE(1, 1, 5));
    wire_attr_ints(&n, "kernel_shape", INTS(2));
    wire_attr_ints(&n, "strides", INTS(2));
    wire_attr_int(&n, "ceil_mode", 1);
    net_gives_node(&net, n, SHAPE(1, 1, 3), FLOATS(2, 4, 5));
    n = net_of_node(&net, 13, "MaxPool", "x",
                    SHAPE(1, 1, 4)); /* starts 0, 3, 6 over 1+4+1 cells: 6 lies behind the input and the first pad */
    wire_attr_ints(&n, "kernel_shape", INTS(2));
    wire_attr_ints(&n, "strides", INTS(3));
    wire_attr_ints(&n, "pads", INTS(1, 1));
    wire_attr_int(&n, "ceil_mode", 1);
    net_gives_node(&net, n, SHAPE(1, 1, 2), FLOATS(1, 4));
}

static void average_counts_pads_only_when_told_and_never_what_ceil_mode_added(void **state)
{
    (void)state;
    for (int counted = 0; counted < 2; counted++) {
        struct net net;
        struct wire n = net_of_node(&net, 13, "AveragePool", "x", SHAPE(1, 1, 5));
        wire_attr_ints(&n, "kernel_shape", INTS(3));
        wire_attr_ints(&n, "strides", INTS(2));
        wire_attr_ints(&n, "pads", INTS(1, 0));
        wire_attr_int(&n, "ceil_mode", 1);
        wire_attr_int(&n, "count_include_pad", counted);
        /* windows {pad,1,2}, {2,3,4}, {4,5,beyond} */
        net_gives_node(&net, n, SHAPE(1, 1, 3), counted ? FLOATS(1, 3, 4.5f) : FLOATS(1.5f, 3, 4.5f));
    }
}

static void average_with_dilation_takes_every_second_cell(void **state)
{
    (void)state;
    struct net net;
    struct wire n = net_of_node(&net, 19, "AveragePool", "x", SHAPE(1, 1, 5));
    wire_attr_ints(&n, "kernel_shape", INTS(2));
    wire_attr_ints(&n, "dilations", INTS(2));
    net_gives_node(&net, n, SHAPE(1, 1, 3), FLOATS(2, 3, 4));
}

static void winners_count_in_the_whole_tensor(void **state)
{
    (void)state;
    for (int columns = 0; columns < 2; columns++) {
        struct net net = net_begin(13);
        net_input(&net, "x", SHAPE(1, 2, 2, 3), FLOATS(1, 2, 9, 4, 5, 6, 7, 8, 3, 10, 11, 0));
        struct wire n = wire_node("MaxPool", "n", "x", "values,y");
        wire_attr_ints(&n, "kernel_shape", INTS(2, 2));
        wire_attr_int(&n, "storage_order", columns);
        /* row r, column c of plane p: 6p + 3r + c by rows, 6p + r + 2c by columns */
        net_gives_node(&net, n, SHAPE(1, 2, 1, 2), columns ? FLOATS(3, 4, 9, 9) : FLOATS(4, 2, 10, 10));
    }
}

/* ---- transposed convolutions ---- */

static void output_padding_adds_a_cell_at_the_end(void **state)
{
    (void)state;
    struct net net;
    struct wire n = net_of_node(&net, 13, "ConvTranspose", "x,w,b", SHAPE(1, 1, 2));
    net_floats(&net, "w", SHAPE(1, 1, 3), FLOATS(1, 10, 100));
    net_floats(&net, "b", SHAPE(1), FLOATS(0.5f));
    wire_attr_ints(&n, "strides", INTS(2));
    wire_attr_ints(&n, "output_padding", INTS(1));
    /* 1,10,100+2,20,200 and one cell that nothing reaches */
    net_gives_node(&net, n, SHAPE(1, 1, 6), FLOATS(1.5f, 10.5f, 102.5f, 20.5f, 200.5f, 0.5f));
}

/* The cell that output_padding adds is not always out of reach: it may be one that a pad had cut off. */
static void output_padding_gives_back_what_a_pad_took(void **state)
{
    (void)state;
    struct net net;
    struct wire n = net_of_node(&net, 13, "ConvTranspose", "x,w", SHAPE(1, 1, 2));
    net_floats(&net, "w", SHAPE(1, 1, 3), FLOATS(1, 10, 100));
    wire_attr_ints(&n, "strides", INTS(2));
    wire_attr_ints(&n, "pads", INTS(1, 1));
    wire_attr_ints(&n, "output_padding", INTS(1));
    net_gives_node(&net, n, SHAPE(1, 1, 4), FLOATS(10, 102, 20, 200));
}

static void output_shape_decides_the_pads(void **state)
{
    (void)state;
    struct net net;
    struct wire n = net_of_node(&net, 13, "ConvTranspose", "x,w", SHAPE(1, 1, 2));
    net_floats(&net, "w", SHAPE(1, 1, 3), FLOATS(1, 10, 100));
    wire_attr_ints(&n, "strides", INTS(2));
    wire_attr_ints(&n, "output_shape", INTS(4)); /* one cell too many: the standard takes it off the front */
    net_gives_node(&net, n, SHAPE(1, 1, 4), FLOATS(10, 102, 20, 200));
}

static void groups_of_a_transposed_convolution_stay_apart(void **state)
{
    (void)state;
    struct net net;
    struct wire n = net_of_node(&net, 13, "ConvTranspose", "x,w", SHAPE(1, 2, 2));
    net_floats(&net, "w", SHAPE(2, 2, 1), FLOATS(1, 10, 100, 1000));
    wire_attr_int(&n, "group", 2);
    net_gives_node(&net, n, SHAPE(1, 4, 2), FLOATS(1, 2, 10, 20, 300, 400, 3000, 4000));
}

/* ---- resizing ---- */

static struct wire resize(struct net *net, const char *mode, const char *coordinates, int64_t from, float scale)
{
    struct wire n = net_of_node(net, 13, "Resize", "x,,s", SHAPE(1, 1, from));
    net_floats(net, "s", SHAPE(3), FLOATS(1, 1, scale));
    wire_attr_string(&n, "mode", mode);
    wire_attr_string(&n, "coordinate_transformation_mode", coordinates);
    return n;
}

static void resize_looks_where_its_coordinates_say(void **state)
{
    (void)state;
    struct net net;
    struct wire n = resize(&net, "linear", "half_pixel", 2, 2); /* -0.25, 0.25, 0.75, 1.25 */
    net_gives_node(&net, n, SHAPE(1, 1, 4), FLOATS(1, 1.25f, 1.75f, 2));
    n = resize(&net, "linear", "asymmetric", 2, 2); /* 0, 0.5, 1, 1.5 */
    net_gives_node(&net, n, SHAPE(1, 1, 4), FLOATS(1, 1.5f, 2, 2));
    n = resize(&net, "linear", "align_corners", 3, 5.0f / 3); /* 0, 0.5, 1, 1.5, 2 */
    net_gives_node(&net, n, SHAPE(1, 1, 5), FLOATS(1, 1.5f, 2, 2.5f, 3));
    n = resize(&net, "linear", "pytorch_half_pixel", 4, 0.25f); /* one cell: the first */
    net_gives_node(&net, n, SHAPE(1, 1, 1), FLOATS(1));
}

static void nearest_rounds_as_it_is_told(void **state)
{
    (void)state;
    const char *const modes[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};
    const float want[4][4] = {{1, 1, 2, 2}, {1, 2, 2, 2}, {1, 1, 2, 2}, {1, 2, 2, 2}};
    for (int i = 0; i < 4; i++) {
        struct net net;
        struct wire n = resize(&net, "nearest", "asymmetric", 2, 2); /* 0, 0.5, 1, 1.5 */
        wire_attr_string(&n, "nearest_mode", modes[i]);
        net_gives_node(&net, n, SHAPE(1, 1, 4), want[i]);
    }
}

static void sizes_of_some_axes_resize_those(void **state)
{
    (void)state;
    struct net net;
    struct wire n = net_of_node(&net, 18, "Resize", "x,,,s", SHAPE(1, 1, 2, 2));
    net_ints(&net, "s", INTS(4));
    wire_attr_ints(&n, "axes", INTS(2));
    wire_attr_string(&n, "coordinate_transformation_mode", "asymmetric");
    wire_attr_string(&n, "nearest_mode", "floor");
    net_gives_node(&net, n, SHAPE(1, 1, 4, 2), FLOATS(1, 2, 1, 2, 3, 4, 3, 4));
}

static void resize_of_opset_10_and_upsample_are_asymmetric(void **state)
{
    (void)state;
    for (int64_t opset = 9; opset <= 10; opset++) {
        struct net net;
        struct wire n = net_of_node(&net, opset, opset == 9 ? "Upsample" : "Resize", "x,s", SHAPE(1, 1, 2));
        net_floats(&net, "s", SHAPE(3), FLOATS(1, 1, 2));
        wire_attr_string(&n, "mode", "linear");
        net_gives_node(&net, n, SHAPE(1, 1, 4), FLOATS(1, 1.5f, 2, 2));
    }
}

static void resize_knows_the_coordinates_of_tensorflow_and_of_a_middle_that_stays(void **state)
{
    (void)state;
    struct net net;
    struct wire n = resize(&net, "nearest", "tf_half_pixel_for_nn", 2, 2); /* 0.25, 0.75, 1.25, 1.75 */
    wire_attr_string(&n, "nearest_mode", "floor");
    net_gives_node(&net, n, SHAPE(1, 1, 4), FLOATS(1, 1, 2, 2));
    n = resize(&net, "linear", "half_pixel_symmetric", 3, 1.5f); /* 4 cells of 4.5: 0, 2/3, 4/3, 2 */
    net_gives_node(&net, n, SHAPE(1, 1, 4), FLOATS(1, 1 + 2 / 3.f, 2 + 1 / 3.f, 3));
    n = resize(&net, "linear", "align_corners", 3, 0.34f); /* one cell: the first */
    net_gives_node(&net, n, SHAPE(1, 1, 1), FLOATS(1));
}

/* The region reaches twice as far as the picture, whose outside is 0. */
static void a_region_is_cropped_and_resized(void **state)
{
    (void)state;
    for (int one = 0; one < 2; one++) {
        struct net net;
        struct wire n = net_of_node(&net, 13, "Resize", "x,r,,s", SHAPE(1, 1, 3));
        net_floats(&net, "r", SHAPE(6), one ? FLOATS(0, 0, 0, 1, 1, 1) : FLOATS(0, 0, 0, 1, 1, 2));
        net_ints(&net, "s", INTS(1, 1, one ? 1 : 5));
        wire_attr_string(&n, "mode", "linear");
        wire_attr_string(&n, "coordinate_transformation_mode", "tf_crop_and_resize");
        net_gives_node(&net, n, SHAPE(1, 1, one ? 1 : 5), one ? FLOATS(2) : FLOATS(1, 2, 3, 0, 0));
    }
}

static void sizes_may_keep_the_ratio_of_the_sides(void **state)
{
    (void)state;
    for (int larger = 0; larger < 2; larger++) {
        struct net net;
        struct wire n = net_of_node(&net, 18, "Resize", "x,,,s", SHAPE(1, 1, 1, 2));
        net_ints(&net, "s", INTS(3, 4)); /* three times and twice */
        wire_attr_ints(&n, "axes", INTS(-2, 3));
        wire_attr_string(&n, "keep_aspect_ratio_policy", larger ? "not_smaller" : "not_larger");
        net_gives_node(&net, n, larger ? SHAPE(1, 1, 3, 6) : SHAPE(1, 1, 2, 4),
                       larger ? FLOATS(1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2)
                              : FLOATS(1, 1, 2, 2, 1, 1, 2, 2));
    }
}

static void upsample_says_bilinear_for_linear(void **state)
{
    (void)state;
    struct net net;
    struct wire n = net_of_node(&net, 9, "Upsample", "x,s", SHAPE(1, 1, 2));
    net_floats(&net, "s", SHAPE(3), FLOATS(1, 1, 2));
    wire_attr_string(&n, "mode", "bilinear");
    net_gives_node(&net, n, SHAPE(1, 1, 4), FLOATS(1, 1.5f, 2, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(auto_pad_puts_the_odd_cell_behind_or_in_front),
        cmocka_unit_test(groups_and_dilation_pick_the_right_cells),
        cmocka_unit_test(ceil_mode_keeps_a_last_window_only_where_it_starts_inside),
        cmocka_unit_test(average_counts_pads_only_when_told_and_never_what_ceil_mode_added),
        cmocka_unit_test(average_with_dilation_takes_every_second_cell),
        cmocka_unit_test(winners_count_in_the_whole_tensor),
        cmocka_unit_test(output_padding_adds_a_cell_at_the_end),
        cmocka_unit_test(output_padding_gives_back_what_a_pad_took),
        cmocka_unit_test(output_shape_decides_the_pads),
        cmocka_unit_test(groups_of_a_transposed_convolution_stay_apart),
        cmocka_unit_test(resize_looks_where_its_coordinates_say),
        cmocka_unit_test(nearest_rounds_as_it_is_told),
        cmocka_unit_test(sizes_of_some_axes_resize_those),
        cmocka_unit_test(resize_of_opset_10_and_upsample_are_asymmetric),
        cmocka_unit_test(resize_knows_the_coordinates_of_tensorflow_and_of_a_middle_that_stays),
        cmocka_unit_test(a_region_is_cropped_and_resized),
        cmocka_unit_test(sizes_may_keep_the_ratio_of_the_sides),
        cmocka_unit_test(upsample_says_bilinear_for_linear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
