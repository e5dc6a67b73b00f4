/* Operators that move, reshape, sum and multiply arrays, against values worked by hand where they are easily done
 * wrong: other types, negative steps, dropped axes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "net.h"

/* ---- constants of other types ---- */

/* Of the constant node's result, as floats. */
static void gives_cast(struct net *net, struct wire node, struct wn_shape shape, const float *want)
{
    struct wire cast = wire_node("Cast", "as_floats", "z", "y");
    wire_attr_int(&cast, "to", WIRE_F32);
    wire_graph_node(&net->graph, node);
    net_gives_node(net, cast, shape, want);
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

/* Between fractions since opset 28, the newest that is read. */
static void a_remainder_has_the_sign_of_the_divisor(void **state)
{
    (void)state;
    struct net net = net_begin(28);
    net_floats(&net, "a", SHAPE(6), FLOATS(-4.5f, 4.5f, -4, 1.5f, -1.5f, 3));
    net_floats(&net, "b", SHAPE(6), FLOATS(2, -2, 2, INFINITY, INFINITY, -INFINITY));
    struct wire n = wire_node("Mod", "n", "a,b", "z");
    gives_cast(&net, n, SHAPE(6), FLOATS(1.5f, -1.5f, 0, 1.5f, INFINITY, -INFINITY));
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
    struct wire n = net_of_node(&net, 13, "Slice", "x,b,e,a,s", SHAPE(2, 4));
    net_ints(&net, "b", INTS(-1));
    net_ints(&net, "e", INTS(INT64_MIN)); /* beyond the first */
    net_ints(&net, "a", INTS(-1));
    net_ints(&net, "s", INTS(-3));
    net_gives_node(&net, n, SHAPE(2, 2), FLOATS(4, 1, 8, 5));
    n = net_of_node(&net, 9, "Slice", "x", SHAPE(2, 4));
    wire_attr_ints(&n, "starts", INTS(1, -3));
    wire_attr_ints(&n, "ends", INTS(INT64_MAX, 3));
    net_gives_node(&net, n, SHAPE(1, 2), FLOATS(6, 7));
}

static void pads_reflect_repeat_and_crop(void **state)
{
    (void)state;
    struct net net;
    struct wire n = net_of_node(&net, 13, "Pad", "x,p", SHAPE(1, 4));
    net_ints(&net, "p", INTS(0, 2, 0, 3));
    wire_attr_string(&n, "mode", "reflect");
    net_gives_node(&net, n, SHAPE(1, 9), FLOATS(3, 2, 1, 2, 3, 4, 3, 2, 1));
    n = net_of_node(&net, 13, "Pad", "x,p", SHAPE(1, 4));
    net_ints(&net, "p", INTS(0, 2, 0, -1));
    wire_attr_string(&n, "mode", "edge");
    net_gives_node(&net, n, SHAPE(1, 5), FLOATS(1, 1, 1, 2, 3));
    n = net_of_node(&net, 18, "Pad", "x,p,v,a", SHAPE(2, 2));
    net_ints(&net, "p", INTS(-1, 1));
    net_floats(&net, "v", SHAPE(1), FLOATS(7));
    net_ints(&net, "a", INTS(-1));
    net_gives_node(&net, n, SHAPE(2, 2), FLOATS(2, 7, 4, 7));
    n = net_of_node(&net, 9, "Pad", "x", SHAPE(1, 2));
    wire_attr_ints(&n, "pads", INTS(0, 1, 0, 0));
    wire_attr_float(&n, "value", -1);
    net_gives_node(&net, n, SHAPE(1, 3), FLOATS(-1, 1, 2));
}

static void gather_takes_places_in_any_order_and_shape(void **state)
{
    (void)state;
    struct net net;
    struct wire n = net_of_node(&net, 13, "Gather", "x,i", SHAPE(2, 3));
    net_ints(&net, "i", INTS(2, 0, -1, 0));
    wire_attr_int(&n, "axis", 1);
    net_gives_node(&net, n, SHAPE(2, 4), FLOATS(3, 1, 3, 1, 6, 4, 6, 4));
}

static void split_leaves_the_shorter_part_to_the_end(void **state)
{
    (void)state;
    struct net net = net_begin(18);
    net_input(&net, "x", SHAPE(1, 5), net_count);
    struct wire n = wire_node("Split", "n", "x", "a,b,y");
    wire_attr_int(&n, "axis", 1);
    wire_attr_int(&n, "num_outputs", 3);
    net_gives_node(&net, n, SHAPE(1, 1), FLOATS(5));
}

/* ---- shapes ---- */

static void reshape_copies_and_finds_lengths(void **state)
{
    (void)state;
    struct net net;
    struct wire n = net_of_node(&net, 13, "Reshape", "x,s", SHAPE(2, 3, 4));
    net_ints(&net, "s", INTS(0, -1, 2));
    net_gives_node(&net, n, SHAPE(2, 6, 2), net_count);
}

/* The arithmetic that exporters put around a flatten: nothing of it is left in the program. */
static void shape_arithmetic_folds_away(void **state)
{
    (void)state;
    struct net net = net_begin(13);
    net_input(&net, "x", SHAPE(2, 3, 4), net_count);
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
    net_gives_node(&net, wire_node("Reshape", "", "x,target", "y"), SHAPE(2, 12), net_count);
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
    net_gives_node(&net, cast, SHAPE(3), FLOATS(-3, -3, -2));
}

/* ---- sums over axes ---- */

/* Before opset 13 a softmax runs over its axis and all behind it. */
static void old_softmax_runs_over_all_that_follows(void **state)
{
    (void)state;
    const float zeros[4] = {0};
    struct net net = net_begin(11);
    net_input(&net, "x", SHAPE(1, 2, 2), zeros);
    net_gives_node(&net, wire_node("Softmax", "n", "x", "y"), SHAPE(1, 2, 2), FLOATS(0.25f, 0.25f, 0.25f, 0.25f));
    net = net_begin(13);
    net_input(&net, "x", SHAPE(1, 2, 2), zeros);
    net_gives_node(&net, wire_node("Softmax", "n", "x", "y"), SHAPE(1, 2, 2), FLOATS(0.5f, 0.5f, 0.5f, 0.5f));
}

static void softmax_of_large_numbers_is_finite(void **state)
{
    (void)state;
    struct net net = net_begin(13);
    net_input(&net, "x", SHAPE(1, 2), FLOATS(1e4f, 1e4f));
    net_gives_node(&net, wire_node("LogSoftmax", "n", "x", "y"), SHAPE(1, 2), FLOATS(-0.69314718f, -0.69314718f));
}

static void reductions_take_their_axes_and_drop_them(void **state)
{
    (void)state;
    struct net net;
    struct wire n = net_of_node(&net, 13, "ReduceMax", "x", SHAPE(2, 2, 2));
    wire_attr_ints(&n, "axes", INTS(0, -1));
    wire_attr_int(&n, "keepdims", 0);
    net_gives_node(&net, n, SHAPE(2), FLOATS(6, 8));
    n = net_of_node(&net, 13, "ReduceMin", "x", SHAPE(2, 2, 2));
    wire_attr_ints(&n, "axes", INTS(1));
    net_gives_node(&net, n, SHAPE(2, 1, 2), FLOATS(1, 2, 5, 6));
    n = net_of_node(&net, 13, "ReduceSum", "x,a", SHAPE(2, 2));
    net_ints(&net, "a", INTS(1));
    net_gives_node(&net, n, SHAPE(2, 1), FLOATS(3, 7));
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
    net_gives_node(&net, n, SHAPE(1, 4, 1), FLOATS(1 / 14.f, 2 / 30.f, 3 / 29.f, 4 / 25.f));
}

static void products_follow_the_rules_of_numpy(void **state)
{
    (void)state;
    struct net net;
    struct wire n = net_of_node(&net, 13, "MatMul", "x,w", SHAPE(2, 2, 2));
    net_floats(&net, "w", SHAPE(2), FLOATS(1, 10));
    net_gives_node(&net, n, SHAPE(2, 2), FLOATS(21, 43, 65, 87));
    n = net_of_node(&net, 13, "MatMul", "x,w", SHAPE(2, 2, 1, 2)); /* one matrix for each of the second axis */
    net_floats(&net, "w", SHAPE(2, 2, 1), FLOATS(1, 10, 100, 1000));
    net_gives_node(&net, n, SHAPE(2, 2, 1, 1), FLOATS(21, 4300, 65, 8700));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cast_to_whole_numbers_has_ends_and_no_nan),
        cmocka_unit_test(whole_numbers_are_raised_and_divided_as_such),
        cmocka_unit_test(a_remainder_has_the_sign_of_the_divisor),
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
