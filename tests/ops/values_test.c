/* Operators against values worked by hand, where they are easily done wrong: pads, last windows, coordinates, negative
 * steps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "net.h"

static const float count[32] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16,
                                17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32};

/* One node with input "x" and output "y"; more inputs by name. */
static struct wire begin(struct net *net, int64_t opset, const char *op, const char *in, struct wn_shape x)
{
    *net = net_begin(opset);
    net_input(net, "x", x, count);
    return wire_node(op, "n", in, "y");
}

static void gives(struct net *net, struct wire node, struct wn_shape shape, const float *want)
{
    wire_graph_node(&net->graph, node);
    net_gives(net, shape, want);
}

/* ---- windows ---- */

/* 6 cells, kernel 3, stride 2: 3 windows want one cell more, behind (upper) or in front (lower). */
static void auto_pad_puts_the_odd_cell_behind_or_in_front(void **state)
{
    (void)state;
    struct net net;
    struct wire n = begin(&net, 13, "Conv", "x,w", SHAPE(1, 1, 6));
    net_floats(&net, "w", SHAPE(1, 1, 3), FLOATS(1, 10, 100));
    wire_attr_string(&n, "auto_pad", "SAME_UPPER");
    wire_attr_ints(&n, "strides", INTS(2));
    gives(&net, n, SHAPE(1, 1, 3), FLOATS(321, 543, 65));
    n = begin(&net, 13, "Conv", "x,w", SHAPE(1, 1, 6));
    net_floats(&net, "w", SHAPE(1, 1, 3), FLOATS(1, 10, 100));
    wire_attr_string(&n, "auto_pad", "SAME_LOWER");
    wire_attr_ints(&n, "strides", INTS(2));
    gives(&net, n, SHAPE(1, 1, 3), FLOATS(210, 432, 654));
}

static void groups_and_dilation_pick_the_right_cells(void **state)
{
    (void)state;
    struct net net;
    struct wire n = begin(&net, 13, "Conv", "x,w,b", SHAPE(1, 2, 5));
    net_floats(&net, "w", SHAPE(2, 1, 2), FLOATS(1, 10, 100, 1000));
    net_floats(&net, "b", SHAPE(2), FLOATS(0.5f, -0.5f));
    wire_attr_int(&n, "group", 2);
    wire_attr_ints(&n, "dilations", INTS(3));
    /* 1+10*4, 2+10*5; 100*6+1000*9, 100*7+1000*10 */
    gives(&net, n, SHAPE(1, 2, 2), FLOATS(41.5f, 52.5f, 9599.5f, 10699.5f));
}

/* 5 cells, kernel 2, stride 2: the third window hangs over; with 2 pads in front and behind, a fourth would start in
 * the pad. */
static void ceil_mode_keeps_a_last_window_only_where_it_starts_inside(void **state)
{
    (void)state;
    struct net net;
    struct wire n = begin(&net, 13, "MaxPool", "x", SHAPE(1, 1, 5));
    wire_attr_ints(&n, "kernel_shape", INTS(2));
    wire_attr_ints(&n, "strides", INTS(2));
    wire_attr_int(&n, "ceil_mode", 1);
    gives(&net, n, SHAPE(1, 1, 3), FLOATS(2, 4, 5));
    n = begin(&net, 13, "MaxPool", "x",
              SHAPE(1, 1, 4)); /* starts 0, 3, 6 over 1+4+1 cells: 6 lies behind the input and the first pad */
    wire_attr_ints(&n, "kernel_shape", INTS(2));
    wire_attr_ints(&n, "strides", INTS(3));
    wire_attr_ints(&n, "pads", INTS(1, 1));
    wire_attr_int(&n, "ceil_mode", 1);
    gives(&net, n, SHAPE(1, 1, 2), FLOATS(1, 4));
}

static void average_counts_pads_only_when_told_and_never_what_ceil_mode_added(void **state)
{
    (void)state;
    for (int counted = 0; counted < 2; counted++) {
        struct net net;
        struct wire n = begin(&net, 13, "AveragePool", "x", SHAPE(1, 1, 5));
        wire_attr_ints(&n, "kernel_shape", INTS(3));
        wire_attr_ints(&n, "strides", INTS(2));
        wire_attr_ints(&n, "pads", INTS(1, 0));
        wire_attr_int(&n, "ceil_mode", 1);
        wire_attr_int(&n, "count_include_pad", counted);
        /* windows {pad,1,2}, {2,3,4}, {4,5,beyond} */
        gives(&net, n, SHAPE(1, 1, 3), counted ? FLOATS(1, 3, 4.5f) : FLOATS(1.5f, 3, 4.5f));
    }
}

static void average_with_dilation_takes_every_second_cell(void **state)
{
    (void)state;
    struct net net;
    struct wire n = begin(&net, 19, "AveragePool", "x", SHAPE(1, 1, 5));
    wire_attr_ints(&n, "kernel_shape", INTS(2));
    wire_attr_ints(&n, "dilations", INTS(2));
    gives(&net, n, SHAPE(1, 1, 3), FLOATS(2, 3, 4));
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
        gives(&net, n, SHAPE(1, 2, 1, 2), columns ? FLOATS(3, 4, 9, 9) : FLOATS(4, 2, 10, 10));
    }
}

/* ---- transposed convolutions ---- */

static void output_padding_adds_a_cell_at_the_end(void **state)
{
    (void)state;
    struct net net;
    struct wire n = begin(&net, 13, "ConvTranspose", "x,w,b", SHAPE(1, 1, 2));
    net_floats(&net, "w", SHAPE(1, 1, 3), FLOATS(1, 10, 100));
    net_floats(&net, "b", SHAPE(1), FLOATS(0.5f));
    wire_attr_ints(&n, "strides", INTS(2));
    wire_attr_ints(&n, "output_padding", INTS(1));
    /* 1,10,100+2,20,200 and one cell that nothing reaches */
    gives(&net, n, SHAPE(1, 1, 6), FLOATS(1.5f, 10.5f, 102.5f, 20.5f, 200.5f, 0.5f));
}

/* The cell that output_padding adds is not always out of reach: it may be one that a pad had cut off. */
static void output_padding_gives_back_what_a_pad_took(void **state)
{
    (void)state;
    struct net net;
    struct wire n = begin(&net, 13, "ConvTranspose", "x,w", SHAPE(1, 1, 2));
    net_floats(&net, "w", SHAPE(1, 1, 3), FLOATS(1, 10, 100));
    wire_attr_ints(&n, "strides", INTS(2));
    wire_attr_ints(&n, "pads", INTS(1, 1));
    wire_attr_ints(&n, "output_padding", INTS(1));
    gives(&net, n, SHAPE(1, 1, 4), FLOATS(10, 102, 20, 200));
}

static void output_shape_decides_the_pads(void **state)
{
    (void)state;
    struct net net;
    struct wire n = begin(&net, 13, "ConvTranspose", "x,w", SHAPE(1, 1, 2));
    net_floats(&net, "w", SHAPE(1, 1, 3), FLOATS(1, 10, 100));
    wire_attr_ints(&n, "strides", INTS(2));
    wire_attr_ints(&n, "output_shape", INTS(4)); /* one cell too many: the standard takes it off the front */
    gives(&net, n, SHAPE(1, 1, 4), FLOATS(10, 102, 20, 200));
}

static void groups_of_a_transposed_convolution_stay_apart(void **state)
{
    (void)state;
    struct net net;
    struct wire n = begin(&net, 13, "ConvTranspose", "x,w", SHAPE(1, 2, 2));
    net_floats(&net, "w", SHAPE(2, 2, 1), FLOATS(1, 10, 100, 1000));
    wire_attr_int(&n, "group", 2);
    gives(&net, n, SHAPE(1, 4, 2), FLOATS(1, 2, 10, 20, 300, 400, 3000, 4000));
}

/* ---- resizing ---- */

static struct wire resize(struct net *net, const char *mode, const char *coordinates, int64_t from, float scale)
{
    struct wire n = begin(net, 13, "Resize", "x,,s", SHAPE(1, 1, from));
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
    gives(&net, n, SHAPE(1, 1, 4), FLOATS(1, 1.25f, 1.75f, 2));
    n = resize(&net, "linear", "asymmetric", 2, 2); /* 0, 0.5, 1, 1.5 */
    gives(&net, n, SHAPE(1, 1, 4), FLOATS(1, 1.5f, 2, 2));
    n = resize(&net, "linear", "align_corners", 3, 5.0f / 3); /* 0, 0.5, 1, 1.5, 2 */
    gives(&net, n, SHAPE(1, 1, 5), FLOATS(1, 1.5f, 2, 2.5f, 3));
    n = resize(&net, "linear", "pytorch_half_pixel", 4, 0.25f); /* one cell: the first */
    gives(&net, n, SHAPE(1, 1, 1), FLOATS(1));
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
        gives(&net, n, SHAPE(1, 1, 4), want[i]);
    }
}

static void sizes_of_some_axes_resize_those(void **state)
{
    (void)state;
    struct net net;
    struct wire n = begin(&net, 18, "Resize", "x,,,s", SHAPE(1, 1, 2, 2));
    net_ints(&net, "s", INTS(4));
    wire_attr_ints(&n, "axes", INTS(2));
    wire_attr_string(&n, "coordinate_transformation_mode", "asymmetric");
    wire_attr_string(&n, "nearest_mode", "floor");
    gives(&net, n, SHAPE(1, 1, 4, 2), FLOATS(1, 2, 1, 2, 3, 4, 3, 4));
}

static void resize_of_opset_10_and_upsample_are_asymmetric(void **state)
{
    (void)state;
    for (int64_t opset = 9; opset <= 10; opset++) {
        struct net net;
        struct wire n = begin(&net, opset, opset == 9 ? "Upsample" : "Resize", "x,s", SHAPE(1, 1, 2));
        net_floats(&net, "s", SHAPE(3), FLOATS(1, 1, 2));
        wire_attr_string(&n, "mode", "linear");
        gives(&net, n, SHAPE(1, 1, 4), FLOATS(1, 1.5f, 2, 2));
    }
}

static void resize_knows_the_coordinates_of_tensorflow_and_of_a_middle_that_stays(void **state)
{
    (void)state;
    struct net net;
    struct wire n = resize(&net, "nearest", "tf_half_pixel_for_nn", 2, 2); /* 0.25, 0.75, 1.25, 1.75 */
    wire_attr_string(&n, "nearest_mode", "floor");
    gives(&net, n, SHAPE(1, 1, 4), FLOATS(1, 1, 2, 2));
    n = resize(&net, "linear", "half_pixel_symmetric", 3, 1.5f); /* 4 cells of 4.5: 0, 2/3, 4/3, 2 */
    gives(&net, n, SHAPE(1, 1, 4), FLOATS(1, 1 + 2 / 3.f, 2 + 1 / 3.f, 3));
    n = resize(&net, "linear", "align_corners", 3, 0.34f); /* one cell: the first */
    gives(&net, n, SHAPE(1, 1, 1), FLOATS(1));
}

/* The region reaches twice as far as the picture, whose outside is 0. */
static void a_region_is_cropped_and_resized(void **state)
{
    (void)state;
    for (int one = 0; one < 2; one++) {
        struct net net;
        struct wire n = begin(&net, 13, "Resize", "x,r,,s", SHAPE(1, 1, 3));
        net_floats(&net, "r", SHAPE(6), one ? FLOATS(0, 0, 0, 1, 1, 1) : FLOATS(0, 0, 0, 1, 1, 2));
        net_ints(&net, "s", INTS(1, 1, one ? 1 : 5));
        wire_attr_string(&n, "mode", "linear");
        wire_attr_string(&n, "coordinate_transformation_mode", "tf_crop_and_resize");
        gives(&net, n, SHAPE(1, 1, one ? 1 : 5), one ? FLOATS(2) : FLOATS(1, 2, 3, 0, 0));
    }
}

static void sizes_may_keep_the_ratio_of_the_sides(void **state)
{
    (void)state;
    for (int larger = 0; larger < 2; larger++) {
        struct net net;
        struct wire n = begin(&net, 18, "Resize", "x,,,s", SHAPE(1, 1, 1, 2));
        net_ints(&net, "s", INTS(3, 4)); /* three times and twice */
        wire_attr_ints(&n, "axes", INTS(-2, 3));
        wire_attr_string(&n, "keep_aspect_ratio_policy", larger ? "not_smaller" : "not_larger");
        gives(&net, n, larger ? SHAPE(1, 1, 3, 6) : SHAPE(1, 1, 2, 4),
              larger ? FLOATS(1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2) : FLOATS(1, 1, 2, 2, 1, 1, 2, 2));
    }
}

static void upsample_says_bilinear_for_linear(void **state)
{
    (void)state;
    struct net net;
    struct wire n = begin(&net, 9, "Upsample", "x,s", SHAPE(1, 1, 2));
    net_floats(&net, "s", SHAPE(3), FLOATS(1, 1, 2));
    wire_attr_string(&n, "mode", "bilinear");
    gives(&net, n, SHAPE(1, 1, 4), FLOATS(1, 1.5f, 2, 2));
}

/* ---- constants of other types ---- */

/* Of the constant node's result, as floats. */
static void gives_cast(struct net *net, struct wire node, struct wn_shape shape, const float *want)
{
    struct wire cast = wire_node("Cast", "as_floats", "z", "y");
    wire_attr_int(&cast, "to", WIRE_F32);
    wire_graph_node(&net->graph, node);
    gives(net, cast, shape, want);
}

static void a_cast_to_whole_numbers_has_ends_and_no_nan(void **state)
{
    (void)state;
    struct net net = net_begin(13);
    net_floats(&net, "c", SHAPE(5), FLOATS(NAN, 1e30f, -1e30f, 2.75f, -2.75f));
    struct wire n = wire_node("Cast", "n", "c", "z");
    wire_attr_int(&n, "to", WIRE_I64);
    gives_cast(&net, n, SHAPE(5), FLOATS(0, 9223372036854775808.f, -9223372036854775808.f, 2, -2));
    for (int ints = 0; ints < 2; ints++) {
        net = net_begin(13);
        net_floats(&net, "c", SHAPE(3), FLOATS(0, 0.5f, -3));
        net_ints(&net, "i", INTS(0, 5, -3));
        n = wire_node("Cast", "n", ints ? "i" : "c", "z");
        wire_attr_int(&n, "to", WIRE_BOOL);
        gives_cast(&net, n, SHAPE(3), FLOATS(0, 1, 1));
    }
}

static void whole_numbers_are_raised_and_divided_as_such(void **state)
{
    (void)state;
    static const struct {
        const char *op;
        float want[6];
    } table[] = {{"Pow", {0, 1, -1, 1, 8, 81}}, {"Div", {-2, 0, 0, 0, 0, -2}}};
    for (int i = 0; i < 2; i++) {
        struct net net = net_begin(13);
        net_ints(&net, "a", INTS(2, 1, -1, -1, 2, -9));
        net_ints(&net, "pow", INTS(-1, -3, -3, -2, 3, 2));
        net_ints(&net, "div", INTS(-1, -3, -3, -2, 3, 4));
        struct wire n = wire_node(table[i].op, "n", i ? "a,div" : "a,pow", "z");
        gives_cast(&net, n, SHAPE(6), table[i].want);
    }
}

static void constants_are_padded_with_a_number(void **state)
{
    (void)state;
    for (int ints = 0; ints < 2; ints++) {
        struct net net = net_begin(13);
        net_floats(&net, "c", SHAPE(2), FLOATS(1, 2));
        net_floats(&net, "v", SHAPE(1), FLOATS(7));
        net_ints(&net, "i", INTS(1, 2));
        net_ints(&net, "seven", INTS(7));
        net_ints(&net, "p", INTS(1, 2));
        gives_cast(&net, wire_node("Pad", "n", ints ? "i,p,seven" : "c,p,v", "z"), SHAPE(5), FLOATS(7, 1, 2, 7, 7));
    }
}

static void a_constant_is_stretched(void **state)
{
    (void)state;
    struct net net = net_begin(13);
    net_floats(&net, "c", SHAPE(2, 1), FLOATS(1, 2));
    net_ints(&net, "s", INTS(2, 3));
    gives_cast(&net, wire_node("Expand", "n", "c,s", "z"), SHAPE(2, 3), FLOATS(1, 1, 1, 2, 2, 2));
}

/* ---- moving ---- */

static void slices_walk_backwards(void **state)
{
    (void)state;
    struct net net;
    struct wire n = begin(&net, 13, "Slice", "x,b,e,a,s", SHAPE(2, 4));
    net_ints(&net, "b", INTS(-1));
    net_ints(&net, "e", INTS(INT64_MIN)); /* beyond the first */
    net_ints(&net, "a", INTS(-1));
    net_ints(&net, "s", INTS(-3));
    gives(&net, n, SHAPE(2, 2), FLOATS(4, 1, 8, 5));
    n = begin(&net, 9, "Slice", "x", SHAPE(2, 4));
    wire_attr_ints(&n, "starts", INTS(1, -3));
    wire_attr_ints(&n, "ends", INTS(INT64_MAX, 3));
    gives(&net, n, SHAPE(1, 2), FLOATS(6, 7));
}

static void pads_reflect_repeat_and_crop(void **state)
{
    (void)state;
    struct net net;
    struct wire n = begin(&net, 13, "Pad", "x,p", SHAPE(1, 4));
    net_ints(&net, "p", INTS(0, 2, 0, 3));
    wire_attr_string(&n, "mode", "reflect");
    gives(&net, n, SHAPE(1, 9), FLOATS(3, 2, 1, 2, 3, 4, 3, 2, 1));
    n = begin(&net, 13, "Pad", "x,p", SHAPE(1, 4));
    net_ints(&net, "p", INTS(0, 2, 0, -1));
    wire_attr_string(&n, "mode", "edge");
    gives(&net, n, SHAPE(1, 5), FLOATS(1, 1, 1, 2, 3));
    n = begin(&net, 18, "Pad", "x,p,v,a", SHAPE(2, 2));
    net_ints(&net, "p", INTS(-1, 1));
    net_floats(&net, "v", SHAPE(1), FLOATS(7));
    net_ints(&net, "a", INTS(-1));
    gives(&net, n, SHAPE(2, 2), FLOATS(2, 7, 4, 7));
    n = begin(&net, 9, "Pad", "x", SHAPE(1, 2));
    wire_attr_ints(&n, "pads", INTS(0, 1, 0, 0));
    wire_attr_float(&n, "value", -1);
    gives(&net, n, SHAPE(1, 3), FLOATS(-1, 1, 2));
}

static void gather_takes_places_in_any_order_and_shape(void **state)
{
    (void)state;
    struct net net;
    struct wire n = begin(&net, 13, "Gather", "x,i", SHAPE(2, 3));
    net_ints(&net, "i", INTS(2, 0, -1, 0));
    wire_attr_int(&n, "axis", 1);
    gives(&net, n, SHAPE(2, 4), FLOATS(3, 1, 3, 1, 6, 4, 6, 4));
}

static void split_leaves_the_shorter_part_to_the_end(void **state)
{
    (void)state;
    struct net net = net_begin(18);
    net_input(&net, "x", SHAPE(1, 5), count);
    struct wire n = wire_node("Split", "n", "x", "a,b,y");
    wire_attr_int(&n, "axis", 1);
    wire_attr_int(&n, "num_outputs", 3);
    gives(&net, n, SHAPE(1, 1), FLOATS(5));
}

/* ---- shapes ---- */

static void reshape_copies_and_finds_lengths(void **state)
{
    (void)state;
    struct net net;
    struct wire n = begin(&net, 13, "Reshape", "x,s", SHAPE(2, 3, 4));
    net_ints(&net, "s", INTS(0, -1, 2));
    gives(&net, n, SHAPE(2, 6, 2), count);
}

/* The arithmetic that exporters put around a flatten: nothing of it is left in the program. */
static void shape_arithmetic_folds_away(void **state)
{
    (void)state;
    struct net net = net_begin(13);
    net_input(&net, "x", SHAPE(2, 3, 4), count);
    net_ints(&net, "zero", INTS(0));
    net_ints(&net, "minus", INTS(-7));
    net_ints(&net, "seven", INTS(7));
    wire_graph_node(&net.graph, wire_node("Shape", "", "x", "shape"));
    struct wire gather = wire_node("Gather", "", "shape,zero", "batch");
    wire_graph_node(&net.graph, gather);
    wire_graph_node(&net.graph, wire_node("Div", "", "minus,seven", "one")); /* -7/7: whole numbers divide towards 0 */
    struct wire concat = wire_node("Concat", "", "batch,one", "target");
    wire_attr_int(&concat, "axis", 0);
    wire_graph_node(&net.graph, concat);
    gives(&net, wire_node("Reshape", "", "x,target", "y"), SHAPE(2, 12), count);
}

static void whole_numbers_divide_towards_zero(void **state)
{
    (void)state;
    struct net net = net_begin(13);
    net_ints(&net, "a", INTS(-7, 7, -8));
    net_ints(&net, "b", INTS(2, -2, 4));
    wire_graph_node(&net.graph, wire_node("Div", "", "a,b", "q"));
    struct wire cast = wire_node("Cast", "", "q", "y");
    wire_attr_int(&cast, "to", 1);
    gives(&net, cast, SHAPE(3), FLOATS(-3, -3, -2));
}

/* ---- sums over axes ---- */

/* Before opset 13 a softmax runs over its axis and all behind it. */
static void old_softmax_runs_over_all_that_follows(void **state)
{
    (void)state;
    const float zeros[4] = {0};
    struct net net = net_begin(11);
    net_input(&net, "x", SHAPE(1, 2, 2), zeros);
    gives(&net, wire_node("Softmax", "n", "x", "y"), SHAPE(1, 2, 2), FLOATS(0.25f, 0.25f, 0.25f, 0.25f));
    net = net_begin(13);
    net_input(&net, "x", SHAPE(1, 2, 2), zeros);
    gives(&net, wire_node("Softmax", "n", "x", "y"), SHAPE(1, 2, 2), FLOATS(0.5f, 0.5f, 0.5f, 0.5f));
}

static void softmax_of_large_numbers_is_finite(void **state)
{
    (void)state;
    struct net net = net_begin(13);
    net_input(&net, "x", SHAPE(1, 2), FLOATS(1e4f, 1e4f));
    gives(&net, wire_node("LogSoftmax", "n", "x", "y"), SHAPE(1, 2), FLOATS(-0.69314718f, -0.69314718f));
}

static void reductions_take_their_axes_and_drop_them(void **state)
{
    (void)state;
    struct net net;
    struct wire n = begin(&net, 13, "ReduceMax", "x", SHAPE(2, 2, 2));
    wire_attr_ints(&n, "axes", INTS(0, -1));
    wire_attr_int(&n, "keepdims", 0);
    gives(&net, n, SHAPE(2), FLOATS(6, 8));
    n = begin(&net, 13, "ReduceMin", "x", SHAPE(2, 2, 2));
    wire_attr_ints(&n, "axes", INTS(1));
    gives(&net, n, SHAPE(2, 1, 2), FLOATS(1, 2, 5, 6));
    n = begin(&net, 13, "ReduceSum", "x,a", SHAPE(2, 2));
    net_ints(&net, "a", INTS(1));
    gives(&net, n, SHAPE(2, 1), FLOATS(3, 7));
}

/* (bias + alpha/size * sum)^-1 over the channels c-1 .. c+2 for size 4. */
static void lrn_takes_the_longer_half_behind(void **state)
{
    (void)state;
    struct net net = net_begin(13);
    net_input(&net, "x", SHAPE(1, 4, 1), FLOATS(1, 2, 3, 4));
    struct wire n = wire_node("LRN", "n", "x", "y");
    wire_attr_int(&n, "size", 4);
    wire_attr_float(&n, "alpha", 4);
    wire_attr_float(&n, "beta", 1);
    wire_attr_float(&n, "bias", 0);
    gives(&net, n, SHAPE(1, 4, 1), FLOATS(1 / 14.f, 2 / 30.f, 3 / 29.f, 4 / 25.f));
}

static void products_follow_the_rules_of_numpy(void **state)
{
    (void)state;
    struct net net;
    struct wire n = begin(&net, 13, "MatMul", "x,w", SHAPE(2, 2, 2));
    net_floats(&net, "w", SHAPE(2), FLOATS(1, 10));
    gives(&net, n, SHAPE(2, 2), FLOATS(21, 43, 65, 87));
    n = begin(&net, 13, "MatMul", "x,w", SHAPE(2, 2, 1, 2)); /* one matrix for each of the second axis */
    net_floats(&net, "w", SHAPE(2, 2, 1), FLOATS(1, 10, 100, 1000));
    gives(&net, n, SHAPE(2, 2, 1, 1), FLOATS(21, 4300, 65, 8700));
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
        cmocka_unit_test(a_cast_to_whole_numbers_has_ends_and_no_nan),
        cmocka_unit_test(whole_numbers_are_raised_and_divided_as_such),
        cmocka_unit_test(constants_are_padded_with_a_number),
        cmocka_unit_test(a_constant_is_stretched),
        cmocka_unit_test(slices_walk_backwards),
        cmocka_unit_test(pads_reflect_repeat_and_crop),
        cmocka_unit_test(gather_takes_places_in_any_order_and_shape),
        cmocka_unit_test(split_leaves_the_shorter_part_to_the_end),
        cmocka_unit_test(reshape_copies_and_finds_lengths),
        cmocka_unit_test(shape_arithmetic_folds_away),
        cmocka_unit_test(whole_numbers_divide_towards_zero),
        cmocka_unit_test(old_softmax_runs_over_all_that_follows),
        cmocka_unit_test(softmax_of_large_numbers_is_finite),
        cmocka_unit_test(reductions_take_their_axes_and_drop_them),
        cmocka_unit_test(lrn_takes_the_longer_half_behind),
        cmocka_unit_test(products_follow_the_rules_of_numpy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
