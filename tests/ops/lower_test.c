/* Lowering as a whole: batch-norms that ride on convolutions, the batch axis, limits, and what a refusal says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"

/* ---- batch-norms ---- */

static float numbers[4096];

static int fill_numbers(void **state)
{
    uint32_t s = 12345;
    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        s = s * 1664525u + 1013904223u;
        numbers[i] = (float)(s >> 8) / 8388608.f - 1; /* -1..1 */
    }
    return 0;
}

/* scale, shift, mean and variance of a norm over c channels, none of them 0 or 1. */
static void norm(struct net *net, const char *in, const char *out, int64_t c, float epsilon)
{
    static const float vars[] = {0.5f, 1.5f, 2.5f, 0.25f, 0.75f, 1.25f, 3, 0.125f};
    char names[256], name[4][32];
    for (int i = 0; i < 4; i++) {
        snprintf(name[i], sizeof name[i], "%s.%d", out, i);
        net_floats(net, name[i], SHAPE(c), i == 3 ? vars : numbers + 1000 + 16 * i);
    }
    snprintf(names, sizeof names, "%s,%s,%s,%s,%s", in, name[0], name[1], name[2], name[3]);
    struct wire n = wire_node("BatchNormalization", "", names, out);
    wire_attr_float(&n, "epsilon", epsilon);
    wire_graph_node(&net->graph, n);
}

static void end_in_logits(struct net *net, const char *from)
{
    wire_graph_node(&net->graph, wire_node("GlobalAveragePool", "", from, "pooled"));
    wire_graph_node(&net->graph, wire_node("Flatten", "", "pooled", "y"));
}

/* Grouped convolution, norm, relu, grouped transposed convolution without bias, norm. */
static struct net norms_behind_convolutions(void)
{
    struct net net = net_begin(13);
    net_input(&net, "x", SHAPE(0, 4, 5, 5), numbers);
    net.shapes[0].dim[0] = 2;
    net_floats(&net, "w1", SHAPE(6, 2, 3, 3), numbers + 300);
    net_floats(&net, "b1", SHAPE(6), numbers + 500);
    net_floats(&net, "w2", SHAPE(6, 4, 2, 2), numbers + 600);
    struct wire conv = wire_node("Conv", "", "x,w1,b1", "c1"), up = wire_node("ConvTranspose", "", "r1,w2", "c2");
    wire_attr_int(&conv, "group", 2);
    wire_attr_int(&up, "group", 2);
    wire_graph_node(&net.graph, conv);
    norm(&net, "c1", "n1", 6, 0.1f);
    wire_graph_node(&net.graph, wire_node("Relu", "", "n1", "r1"));
    wire_graph_node(&net.graph, up);
    norm(&net, "c2", "n2", 8, 1e-3f);
    end_in_logits(&net, "n2");
    return net;
}

static void a_norm_that_rides_equals_one_that_does_not(void **state)
{
    (void)state;
    const char *const keep[] = {"c1", "c2"};
    struct net net = norms_behind_convolutions();
    int folded_steps, kept_steps;
    float *folded = net_logits(&net, 2, NULL, 0, &folded_steps, NULL),
          *kept = net_logits(&net, 2, keep, 2, &kept_steps, NULL);
    float most = 0;
    assert_int_equal(kept_steps, folded_steps + 4); /* a product and a sum for each norm */
    for (int i = 0; i < 16; i++) most = fmaxf(most, fabsf(kept[i]));
    for (int i = 0; i < 16; i++) assert_true(fabsf(folded[i] - kept[i]) <= 1e-6f * most);
    assert_true(most > 0.01f);
    free(folded);
    free(kept);
    net_finish(&net);
}

static void derived_weights_are_made_once_for_every_batch_size(void **state)
{
    (void)state;
    struct net net = norms_behind_convolutions();
    const char *const keep[] = {"c2"};
    int more = -1;
    free(net_logits(&net, 2, NULL, 0, NULL, &more));
    assert_int_equal(more, 0);
    free(net_logits(&net, 2, keep, 1, NULL, &more));
    assert_int_equal(more, 0);
    net_finish(&net);
}

/* A convolution that something else reads as well keeps its own value. */
static void a_norm_does_not_ride_where_the_convolution_is_read_twice(void **state)
{
    (void)state;
    struct net net = net_begin(13);
    net_input(&net, "x", SHAPE(0, 2, 3, 3), numbers);
    net_floats(&net, "w", SHAPE(2, 2, 1, 1), FLOATS(1, 2, 3, 4));
    wire_graph_node(&net.graph, wire_node("Conv", "", "x,w", "c"));
    norm(&net, "c", "n", 2, 0.1f);
    wire_graph_node(&net.graph, wire_node("Sub", "", "n,c", "d"));
    end_in_logits(&net, "d");
    int steps;
    float *y = net_logits(&net, 1, NULL, 0, &steps, NULL);
    float mean[2] = {0};
    for (int i = 0; i < 9; i++)
        for (int k = 0; k < 2; k++) {
            float c = (2.f * (float)k + 1) * numbers[i] + (2.f * (float)k + 2) * numbers[9 + i],
                  gain = numbers[1000 + k] / sqrtf(k ? 1.6f : 0.6f);
            mean[k] += (gain * (c - numbers[1032 + k]) + numbers[1016 + k] - c) / 9;
        }
    for (int k = 0; k < 2; k++) assert_true(fabsf(y[k] - mean[k]) <= 1e-5f);
    free(y);
    net_finish(&net);
}

/* ---- the batch axis ---- */

static struct net picture_net(int64_t opset)
{
    struct net net = net_begin(opset);
    net_input(&net, "x", SHAPE(0, 2, 2, 2), numbers);
    return net;
}

static void a_reshape_that_says_1_means_the_batch(void **state)
{
    (void)state;
    struct net net = picture_net(13);
    net_ints(&net, "s", INTS(1, -1));
    wire_graph_node(&net.graph, wire_node("Reshape", "", "x,s", "y"));
    float *y = net_logits(&net, 3, NULL, 0, NULL, NULL);
    for (int i = 0; i < 24; i++) assert_true(y[i] == numbers[i]);
    free(y);
    net_finish(&net);
}

static void what_mixes_the_images_of_a_batch_is_refused(void **state)
{
    (void)state;
    struct net net = picture_net(15); /* statistics of the batch */
    for (int i = 0; i < 4; i++) net_floats(&net, (const char *const[]){"s", "b", "m", "v"}[i], SHAPE(2), FLOATS(1, 2));
    struct wire train = wire_node("BatchNormalization", "train", "x,s,b,m,v", "n,mean,var");
    wire_attr_int(&train, "training_mode", 1);
    wire_graph_node(&net.graph, train);
    end_in_logits(&net, "n");
    net_refused_for_pictures(&net, WN_UNSUPPORTED, "node 'train' (BatchNormalization): it mixes the images of a batch");

    net = picture_net(13);
    struct wire turn = wire_node("Transpose", "turn", "x", "t");
    wire_attr_ints(&turn, "perm", INTS(1, 0, 2, 3));
    wire_graph_node(&net.graph, turn);
    end_in_logits(&net, "t");
    net_refused_for_pictures(&net, WN_UNSUPPORTED, "node 'turn' (Transpose): it mixes the images of a batch");

    net = picture_net(13);
    struct wire mean = wire_node("ReduceMean", "mean", "x", "m");
    wire_attr_ints(&mean, "axes", INTS(0));
    wire_graph_node(&net.graph, mean);
    wire_graph_node(&net.graph, wire_node("Sub", "", "x,m", "t"));
    end_in_logits(&net, "t");
    net_refused_for_pictures(&net, WN_UNSUPPORTED, "node 'mean' (ReduceMean): it mixes the images of a batch");

    net = picture_net(13);
    struct wire sum = wire_node("Concat", "all", "x,x", "t");
    wire_attr_int(&sum, "axis", 0);
    wire_graph_node(&net.graph, sum);
    end_in_logits(&net, "t");
    net_refused_for_pictures(&net, WN_UNSUPPORTED, "node 'all' (Concat): it mixes the images of a batch");

    net = picture_net(13);
    wire_graph_node(&net.graph, wire_node("Flatten", "", "x", "f"));
    struct wire pairs = wire_node("Gemm", "pairs", "f,f", "y");
    wire_attr_int(&pairs, "transB", 1);
    wire_graph_node(&net.graph, pairs);
    net_refused_for_pictures(&net, WN_UNSUPPORTED, "node 'pairs' (Gemm): it mixes the images of a batch");
}

/* ---- refusals ---- */

struct refusal {
    const char *op, *in;
    const char *attr;
    int64_t value; /* both entries of the attribute, or the whole of it */
    bool list;
    enum wn_code code;
    const char *about;
};

static void numbers_outside_all_reason_are_refused_by_name(void **state)
{
    (void)state;
    static const struct refusal table[] = {
        {"MaxPool", "x", "kernel_shape", 0, true, WN_BAD_MODEL, "node 'n' (MaxPool): kernel_shape 0"},
        {"MaxPool", "x", "kernel_shape", -1, true, WN_BAD_MODEL, "kernel_shape -1"},
        {"MaxPool", "x", "kernel_shape", (int64_t)1 << 31, true, WN_BAD_MODEL, "kernel_shape 2147483648"},
        {"MaxPool", "x", "kernel_shape", INT64_MAX, true, WN_BAD_MODEL, "kernel_shape 9223372036854775807"},
        {"MaxPool", "x", "kernel_shape", 9, true, WN_BAD_MODEL, "node 'n' (MaxPool): "},
        {"AveragePool", "x", NULL, 0, false, WN_BAD_MODEL, "'kernel_shape' is missing"},
        {"Conv", "x,w", "strides", 0, true, WN_BAD_MODEL, "node 'n' (Conv): strides 0"},
        {"Conv", "x,w", "strides", -2, true, WN_BAD_MODEL, "strides -2"},
        {"Conv", "x,w", "strides", (int64_t)1 << 31, true, WN_BAD_MODEL, "strides 2147483648"},
        {"Conv", "x,w", "dilations", 0, true, WN_BAD_MODEL, "dilations 0"},
        {"Conv", "x,w", "dilations", (int64_t)1 << 30, true, WN_BAD_MODEL, "node 'n' (Conv): "},
        {"Conv", "x,w", "pads", -1, true, WN_BAD_MODEL, "'pads' has 2 entries"},
        {"Conv", "x,w", "group", 0, false, WN_BAD_MODEL, "group 0 does not divide"},
        {"Conv", "x,w", "group", 3, false, WN_BAD_MODEL, "group 3 does not divide"},
        {"Conv", "x,w", "group", -1, false, WN_BAD_MODEL, "group -1"},
        {"Conv", "x,w", "kernel_shape", 3, true, WN_BAD_MODEL, "differs from the filter's"},
        {"ConvTranspose", "x,w", "strides", (int64_t)1 << 30, true, WN_BAD_MODEL, "node 'n' (ConvTranspose): "},
        {"ConvTranspose", "x,w", "output_padding", 1, true, WN_UNSUPPORTED, "output_padding of a stride"},
        {"ConvTranspose", "x,w", "output_shape", (int64_t)1 << 40, true, WN_BAD_MODEL, "output_shape"},
        {"LRN", "x", "size", 0, false, WN_BAD_MODEL, "size 0"},
        {"LRN", "x", NULL, 0, false, WN_BAD_MODEL, "size 0"},
        {"Softmax", "x", "axis", 4, false, WN_BAD_MODEL, "axis 4 is not there"},
        {"Flatten", "x", "axis", -5, false, WN_BAD_MODEL, "axis -5 is not there"},
        {"Transpose", "x", "perm", 1, true, WN_BAD_MODEL, "'perm' has 2 entries"},
        {"Concat", "x", "axis", 9, false, WN_BAD_MODEL, "axis 9"},
        {"Cast", "x", "to", 10, false, WN_UNSUPPORTED, "element type 10"},
        {"Floor", "x", NULL, 0, false, WN_UNSUPPORTED, "must be a constant"},
        {"Equal", "x,x", NULL, 0, false, WN_UNSUPPORTED, "only supported on constants"},
        {"MatMul", "x,k", NULL, 0, false, WN_BAD_MODEL, "do not fit together"},
        {"Add", "x,k", NULL, 0, false, WN_BAD_MODEL, "do not broadcast"},
        {"Add", "x", NULL, 0, false, WN_BAD_MODEL, "input 2 is missing"},
        {"Add", "x,i", NULL, 0, false, WN_UNSUPPORTED, "whole numbers"},
        {"Reshape", "x,i", NULL, 0, false, WN_BAD_MODEL, "do not fit its shape"},
        {"Gather", "x,i", "axis", 1, false, WN_BAD_MODEL, "index 7 is outside an axis of 2"},
        {"Squeeze", "x,one", NULL, 0, false, WN_BAD_MODEL, "axis 1 has length 2, not 1"},
        {"Unsqueeze", "x,two", NULL, 0, false, WN_BAD_MODEL, "is named twice"},
        {"ConstantOfShape", "huge", NULL, 0, false, WN_BAD_MODEL, "elements"},
        {"Expand", "x,huge", NULL, 0, false, WN_BAD_MODEL, "node 'n' (Expand): "},
        {"Frobnicate", "x", NULL, 0, false, WN_UNSUPPORTED, "node 'n' (Frobnicate): this operator is not supported"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const struct refusal *r = &table[i];
        struct net net = net_begin(13);
        net_input(&net, "x", SHAPE(1, 2, 3, 3), numbers);
        net_floats(&net, "w", SHAPE(2, 2, 2, 2), numbers);
        net_floats(&net, "k", SHAPE(5), numbers);
        net_ints(&net, "i", INTS(7));
        net_ints(&net, "one", INTS(1));
        net_ints(&net, "two", INTS(2, 2));
        net_ints(&net, "huge", INTS((int64_t)1 << 40, (int64_t)1 << 40));
        struct wire n = wire_node(r->op, "n", r->in, "y");
        if (r->attr && r->list) wire_attr_ints(&n, r->attr, INTS(r->value, r->value));
        if (r->attr && !r->list) wire_attr_int(&n, r->attr, r->value);
        wire_graph_node(&net.graph, n);
        net_refused(&net, r->code, r->about);
    }
}

static void modes_that_are_not_there_are_refused_with_a_way_out(void **state)
{
    (void)state;
    struct net net = net_begin(13);
    net_input(&net, "x", SHAPE(1, 1, 2), numbers);
    net_floats(&net, "s", SHAPE(3), FLOATS(1, 1, 2));
    struct wire n = wire_node("Resize", "resize_3", "x,,s", "y");
    wire_attr_string(&n, "mode", "lanczos");
    wire_graph_node(&net.graph, n);
    net_refused(&net, WN_UNSUPPORTED,
                "node 'resize_3' (Resize): mode 'lanczos' is not supported; export with 'linear' or 'nearest'");
}

static void a_weight_that_is_not_finite_is_refused_unless_it_is_a_mask(void **state)
{
    (void)state;
    static const struct {
        const char *op;
        float value;
        const char *about;
    } table[] = {
        {"Mul", NAN, "'k' has elements that are no numbers"}, {"Add", NAN, "'k' has elements that are no numbers"},
        {"Mul", INFINITY, "'k' has infinite elements"},       {"Div", -INFINITY, "'k' has infinite elements"},
        {"Conv", INFINITY, "'k' has infinite elements"},      {"Add", -INFINITY, NULL}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct net net = net_begin(13);
        net_input(&net, "x", SHAPE(0, 1, 3, 3), numbers);
        net.shapes[0].dim[0] = 1;
        net_floats(&net, "k", SHAPE(1, 1, 1, 1), &table[i].value);
        wire_graph_node(&net.graph, wire_node(table[i].op, "n", "x,k", "z"));
        end_in_logits(&net, "z");
        if (table[i].about) {
            net_refused_for_pictures(&net, WN_BAD_MODEL, table[i].about);
            continue;
        }
        free(net_logits(&net, 1, NULL, 0, NULL, NULL));
        net_finish(&net);
    }
}

static void a_norm_of_a_negative_variance_is_refused(void **state)
{
    (void)state;
    for (int alone = 0; alone < 2; alone++) { /* it rides on the convolution, or not */
        struct net net = net_begin(13);
        net_input(&net, "x", SHAPE(0, 1, 3, 3), numbers);
        net_floats(&net, "w", SHAPE(1, 1, 1, 1), FLOATS(1));
        const char *const names[] = {"scale", "shift", "mean", "var"};
        for (int k = 0; k < 4; k++) net_floats(&net, names[k], SHAPE(1), k == 3 ? FLOATS(-2) : FLOATS(1));
        wire_graph_node(&net.graph, wire_node("Conv", "", "x,w", "c"));
        wire_graph_node(&net.graph, wire_node("BatchNormalization", "", "c,scale,shift,mean,var", "n"));
        if (alone) wire_graph_node(&net.graph, wire_node("Add", "", "n,c", "z"));
        end_in_logits(&net, alone ? "z" : "n");
        net_refused_for_pictures(&net, WN_BAD_MODEL, "no numbers");
    }
}

/* Each step is within its limits; together they would fill the memory. */
static void constants_are_bounded_together(void **state)
{
    (void)state;
    struct net net = net_begin(13);
    net_ints(&net, "s", INTS(1 << 13, 1 << 14));
    for (int i = 0; i < 8; i++) {
        char name[16];
        snprintf(name, sizeof name, i == 7 ? "y" : "v%d", i);
        wire_graph_node(&net.graph, wire_node("ConstantOfShape", name, "s", name));
    }
    net_refused(&net, WN_BAD_MODEL, "its constants have more than");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_norm_that_rides_equals_one_that_does_not),
        cmocka_unit_test(derived_weights_are_made_once_for_every_batch_size),
        cmocka_unit_test(a_norm_does_not_ride_where_the_convolution_is_read_twice),
        cmocka_unit_test(a_reshape_that_says_1_means_the_batch),
        cmocka_unit_test(what_mixes_the_images_of_a_batch_is_refused),
        cmocka_unit_test(numbers_outside_all_reason_are_refused_by_name),
        cmocka_unit_test(modes_that_are_not_there_are_refused_with_a_way_out),
        cmocka_unit_test(a_weight_that_is_not_finite_is_refused_unless_it_is_a_mask),
        cmocka_unit_test(a_norm_of_a_negative_variance_is_refused),
        cmocka_unit_test(constants_are_bounded_together),
    };
    return cmocka_run_group_tests(tests, fill_numbers, NULL);
}
