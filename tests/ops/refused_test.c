/* One node each that asks for what does not fit or is not there: refused by name, with the reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"

static const float numbers[64] = {1, 2, 3, 4, 5, 6, 7, 8, 9};

/* attributes: "axis=1 mode='edge' pads=[0,1] value=2f", each for one node of the inputs in prepare(). */
struct refusal {
    int64_t opset;
    const char *op, *in, *out, *attributes;
    enum wn_code code;
    const char *about;
};

static void add_list(struct wire *node, const char *name, const char *text)
{
    int64_t list[16];
    int n = 0;
    for (const char *at = text; *at && *at != ']' && n < 16; at += *at == ',') list[n++] = strtoll(at, (char **)&at, 10);
    wire_attr_ints(node, name, n, list);
}

static void add_attribute(struct wire *node, const char *text)
{
    char name[64], value[64];
    if (sscanf(text, "%63[^=]=%63s", name, value) != 2) fail_msg("what is '%s'?", text);
    size_t n = strlen(value);
    if (value[0] == '[') {
        add_list(node, name, value + 1);
    } else if (value[0] == '\'') {
        value[n - 1] = 0;
        wire_attr_string(node, name, value + 1);
    } else if (value[n - 1] == 'f') {
        wire_attr_float(node, name, strtof(value, NULL));
    } else {
        wire_attr_int(node, name, strtoll(value, NULL, 10));
    }
}

static void prepare(struct net *net)
{
    static const uint8_t yes = 1;
    static const int64_t one = 1;
    net_input(net, "x", SHAPE(1, 2, 3, 4), numbers);
    net_input(net, "nothing", SHAPE(2, 0), numbers);
    net_input(net, "number", (struct wn_shape){0}, numbers);
    net_floats(net, "row", SHAPE(4), numbers);
    net_floats(net, "two", SHAPE(2), numbers);
    net_floats(net, "scales", SHAPE(4), FLOATS(1, 1, 2, 2));
    net_floats(net, "smaller", SHAPE(4), FLOATS(1, 1, 0.5f, 0.5f));
    net_floats(net, "backwards", SHAPE(4), FLOATS(1, 1, -1, 2));
    net_floats(net, "vast", SHAPE(4), FLOATS(1, 1, 1e30f, 2));
    net_floats(net, "long", SHAPE(17), numbers);
    net_floats(net, "zero", SHAPE(1), FLOATS(0));
    net_floats(net, "many_rows", SHAPE(1, 1025, 4, 1), (const float[1025 * 4]){0});
    net_ints(net, "i1", INTS(1));
    net_ints(net, "i2", INTS(1, 2));
    net_ints(net, "i4", INTS(1, 2, 3, 4));
    net_ints(net, "minus", INTS(1, 2, -1, 4));
    net_ints(net, "huge", INTS(1, 2, (int64_t)1 << 40, 4));
    net_ints(net, "zeros", INTS(0));
    net_ints(net, "zeros5", INTS(0, 0, 0, 0, 0));
    net_ints(net, "free2", INTS(-1, -1));
    net_ints(net, "free5", INTS(5, -1));
    net_ints(net, "free0", INTS(0, 0, -1, 0, 0));
    net_ints(net, "axes0", INTS(0));
    net_ints(net, "axes5", INTS(0, 1, 2, 3, 4));
    net_ints(net, "pads", INTS(0, 0, 1, 1, 0, 0, 1, 1));
    net_ints(net, "cuts", INTS(0, -1, 0, 0, 0, -2, 0, 0));
    net_ints(net, "far", INTS(0, 0, (int64_t)1 << 40, 0, 0, 0, 0, 0));
    net_ints(net, "list9", INTS(1, 1, 1, 1, 1, 1, 1, 1, 1));
    net_ints(net, "pads_of_nothing", INTS(0, 1, 0, 1));
    wire_graph_initializer(&net->graph, wire_tensor_raw("yes", WIRE_BOOL, 1, DIMS(1), &yes, 1));
    wire_graph_initializer(&net->graph, wire_tensor_raw("square", WIRE_I64, 2, DIMS(1, 1), &one, sizeof one));
    wire_graph_initializer(&net->graph, wire_tensor_raw("deep", WIRE_I64, 6, DIMS(1, 1, 1, 1, 1, 1), &one, sizeof one));
}

static void refuse(const struct refusal *r)
{
    char attributes[256], *rest = NULL;
    struct net net = net_begin(r->opset);
    struct wire node = wire_node(r->op, "n", r->in, r->out ? r->out : "y");
    prepare(&net);
    snprintf(attributes, sizeof attributes, "%s", r->attributes ? r->attributes : "");
    for (char *one = strtok_r(attributes, " ", &rest); one; one = strtok_r(NULL, " ", &rest)) add_attribute(&node, one);
    wire_graph_node(&net.graph, node);
    net_refused(&net, r->code, r->about);
}

#define REFUSE(...)                                                                                                    \
    do {                                                                                                               \
        const struct refusal table[] = {__VA_ARGS__};                                                                  \
        (void)state;                                                                                                   \
        for (size_t i = 0; i < sizeof table / sizeof *table; i++) refuse(&table[i]);                                   \
    } while (0)

static void sizes_and_modes_of_a_resize(void **state)
{
    REFUSE({13, "Resize", "x,,,minus", NULL, NULL, WN_BAD_MODEL, "node 'n' (Resize): a size of -1"},
           {13, "Resize", "x,,,huge", NULL, NULL, WN_BAD_MODEL, "a size of 1099511627776"},
           {13, "Resize", "x,,backwards", NULL, NULL, WN_BAD_MODEL, "a scale of -1"},
           {13, "Resize", "x,,vast", NULL, NULL, WN_BAD_MODEL, "a scale of 1e+30"},
           {13, "Resize", "x,,two", NULL, NULL, WN_BAD_MODEL, "a scale or a size for each of 4 axes"},
           {13, "Resize", "x", NULL, NULL, WN_BAD_MODEL, "a scale or a size for each of 4 axes"},
           {13, "Resize", "x,,i4", NULL, NULL, WN_BAD_MODEL, "'scales' must be floats"},
           {13, "Resize", "x,,long", NULL, NULL, WN_BAD_MODEL, "'scales' has too many entries"},
           {13, "Resize", "x,,,list9", NULL, NULL, WN_BAD_MODEL, "'sizes' has more than"},
           {13, "Resize", "x,,x", NULL, NULL, WN_UNSUPPORTED, "must be a constant"},
           {13, "Resize", "x,,scales", NULL, "nearest_mode='middle'", WN_BAD_MODEL, "nearest_mode 'middle' is unknown"},
           {13, "Resize", "x,,scales", NULL, "coordinate_transformation_mode='polar'", WN_UNSUPPORTED, "'polar' is not supported"},
           {18, "Resize", "x,,,i4", NULL, "keep_aspect_ratio_policy='roughly'", WN_BAD_MODEL, "keep_aspect_ratio_policy 'roughly' is unknown"},
           {18, "Resize", "x,,,i2", NULL, "axes=[1,1]", WN_BAD_MODEL, "is named twice"},
           {18, "Resize", "x,,,i1", NULL, "axes=[7]", WN_BAD_MODEL, "axis 7"},
           {18, "Resize", "x,,,i1", NULL, "axes=[1,1,1,1,1,1,1,1,1]", WN_BAD_MODEL, "'axes' has more than"},
           {18, "Resize", "x,,smaller", NULL, "antialias=1 mode='linear'", WN_UNSUPPORTED, "antialias is not supported"},
           {13, "Resize", "x,,scales", NULL, "coordinate_transformation_mode='tf_crop_and_resize' extrapolation_value=2f", WN_UNSUPPORTED,
            "an extrapolation_value that is not 0"},
           {13, "Resize", "x,,scales", NULL, "coordinate_transformation_mode='tf_crop_and_resize'", WN_BAD_MODEL, "'roi' does not have two entries"},
           {13, "Resize", "x,i4,scales", NULL, "coordinate_transformation_mode='tf_crop_and_resize'", WN_BAD_MODEL, "'roi' must be floats"},
           {13, "Resize", "x,two,scales", NULL, "coordinate_transformation_mode='tf_crop_and_resize'", WN_BAD_MODEL, "'roi' does not have two entries"},
           {13, "Resize", "nothing,,,i2", NULL, NULL, WN_BAD_MODEL, "axis 1 has no elements"});
}

static void parts_and_ranges_of_an_axis(void **state)
{
    REFUSE({13, "Split", "x,i2", "y", "axis=2", WN_BAD_MODEL, "'split' has 2 entries for 1 outputs"},
           {13, "Split", "x,i1", "y", "axis=2", WN_BAD_MODEL, "its parts are shorter than axis 2"},
           {13, "Split", "x,i2", "y,z", "axis=1", WN_BAD_MODEL, "its parts are longer than axis 1"},
           {13, "Split", "x,free5", "y,z", "axis=1", WN_BAD_MODEL, "its parts are longer than axis 1"},
           {13, "Split", "x", "y,z", "axis=2", WN_BAD_MODEL, "axis 2 of length 3 in 2 equal parts"},
           {18, "Split", "x", "y,z", "axis=2 num_outputs=3", WN_BAD_MODEL, "'num_outputs' is not 2"},
           {13, "Split", "x", "y", "axis=4", WN_BAD_MODEL, "axis 4"},
           {13, "Slice", "x,i1,i2", NULL, NULL, WN_BAD_MODEL, "differ in length"},
           {13, "Slice", "x,i1,i1,i2", NULL, NULL, WN_BAD_MODEL, "differ in length"},
           {13, "Slice", "x,i1,i1,i1,i2", NULL, NULL, WN_BAD_MODEL, "differ in length"},
           {13, "Slice", "x,i1,i1,i1,zeros", NULL, NULL, WN_BAD_MODEL, "a step of 0"},
           {13, "Slice", "x,i1,row", NULL, NULL, WN_BAD_MODEL, "'ends' must be a list of whole numbers"},
           {13, "Slice", "x,square,i1", NULL, NULL, WN_BAD_MODEL, "'starts' must be a list of whole numbers"},
           {13, "Slice", "x,i1,i1,i1,row", NULL, NULL, WN_BAD_MODEL, "'steps' must be a list of whole numbers"},
           {9, "Slice", "x", NULL, "starts=[0]", WN_BAD_MODEL, "differ in length"},
           {9, "Slice", "x", NULL, NULL, WN_BAD_MODEL, "differ in length"},
           {13, "Slice", "x,list9,list9", NULL, NULL, WN_BAD_MODEL, "'starts' has more than 6 entries"},
           {13, "Gather", "x,deep", NULL, NULL, WN_UNSUPPORTED, "more than 6 axes"},
           {13, "Gather", "x,row", NULL, NULL, WN_BAD_MODEL, "'indices' must be whole numbers"},
           {13, "Gather", "x,minus", NULL, "axis=1", WN_BAD_MODEL, "index"},
           {13, "Transpose", "x", NULL, "perm=[0,1,2,2]", WN_BAD_MODEL, "is named twice"},
           {13, "Transpose", "x", NULL, "perm=[0,1,2,3,4,5,6,7,8]", WN_BAD_MODEL, "'perm' has more than"});
}

static void pads_that_do_not_fit(void **state)
{
    REFUSE({13, "Pad", "x,i4", NULL, NULL, WN_BAD_MODEL, "'pads' does not have two entries for each of 4 axes"},
           {13, "Pad", "x,cuts", NULL, NULL, WN_BAD_MODEL, "negative pads leave nothing of axis 1"},
           {13, "Pad", "x,far", NULL, NULL, WN_BAD_MODEL, "pads of 1099511627776 and 0"},
           {13, "Pad", "x,pads,two", NULL, NULL, WN_BAD_MODEL, "'constant_value' must be one number"},
           {13, "Pad", "x,pads,x", NULL, NULL, WN_UNSUPPORTED, "must be a constant"},
           {13, "Pad", "x,pads", NULL, "mode='mirror'", WN_BAD_MODEL, "mode 'mirror' is unknown"},
           {18, "Pad", "x,i2,,axes5", NULL, NULL, WN_BAD_MODEL, "'pads' does not have two entries for each of 5 axes"},
           {18, "Pad", "x,i2,,row", NULL, NULL, WN_BAD_MODEL, "'axes' must be a list"},
           {18, "Pad", "x,i2,,list9", NULL, NULL, WN_BAD_MODEL, "'axes' has more than"},
           {13, "Pad", "nothing,pads_of_nothing", NULL, "mode='edge'", WN_BAD_MODEL, "axis 1 has nothing to pad with"});
}

static void shapes_that_hold_something_else(void **state)
{
    REFUSE({13, "Reshape", "x,zeros5", NULL, NULL, WN_BAD_MODEL, "a 0 in its shape has no axis to copy"},
           {13, "Reshape", "x,free2", NULL, NULL, WN_BAD_MODEL, "two axes of length -1"},
           {13, "Reshape", "x,free5", NULL, NULL, WN_BAD_MODEL, "24 elements do not fit its shape"},
           {14, "Reshape", "x,free0", NULL, "allowzero=1", WN_BAD_MODEL, "24 elements do not fit its shape"},
           {13, "Reshape", "x,list9", NULL, NULL, WN_BAD_MODEL, "'shape' has more than 6 entries"},
           {13, "Squeeze", "x,row", NULL, NULL, WN_BAD_MODEL, "'axes' must be a list"},
           {13, "Unsqueeze", "x", NULL, NULL, WN_BAD_MODEL, "'axes' is missing"},
           {13, "Unsqueeze", "x,axes5", NULL, NULL, WN_UNSUPPORTED, "more than 6 axes"},
           {13, "Softmax", "number", NULL, NULL, WN_UNSUPPORTED, "a value without axes"});
}

static void constants_that_make_no_sense(void **state)
{
    REFUSE({13, "Range", "i1,i1,zeros", NULL, NULL, WN_BAD_MODEL, "it never ends"},
           {13, "Range", "i1,i2,i1", NULL, NULL, WN_BAD_MODEL, "single numbers of one type"},
           {13, "Range", "i1,zero,i1", NULL, NULL, WN_BAD_MODEL, "single numbers of one type"},
           {13, "Range", "i1,x,i1", NULL, NULL, WN_UNSUPPORTED, "must be a constant"},
           {13, "Dropout", "x,zero,x", NULL, NULL, WN_UNSUPPORTED, "must be a constant"},
           {13, "Dropout", "x,x,yes", NULL, NULL, WN_UNSUPPORTED, "must be a constant"},
           {13, "Dropout", "x,,yes", NULL, NULL, WN_UNSUPPORTED, "training mode is random"},
           {13, "Dropout", "x,two,yes", NULL, NULL, WN_UNSUPPORTED, "training mode is random"},
           {13, "Dropout", "x,i1,yes", NULL, NULL, WN_UNSUPPORTED, "training mode is random"},
           {13, "Where", "row,row,row", NULL, NULL, WN_BAD_MODEL, "of the wrong types"},
           {13, "Where", "yes,row,i4", NULL, NULL, WN_BAD_MODEL, "of the wrong types"},
           {13, "Where", "yes,row,two", NULL, NULL, WN_BAD_MODEL, "do not broadcast"},
           {13, "Not", "row", NULL, NULL, WN_BAD_MODEL, "must be bool"},
           {13, "Cast", "x", NULL, "to=7", WN_UNSUPPORTED, "a cast of what depends on the picture"},
           {13, "Div", "i4,zeros", NULL, NULL, WN_BAD_MODEL, "a division by zero"});
}

static void windows_norms_and_products(void **state)
{
    REFUSE({13, "MaxPool", "x", NULL, "kernel_shape=[2,2] auto_pad='SOME'", WN_BAD_MODEL, "auto_pad 'SOME' is unknown"},
           {13, "MaxPool", "x", NULL, "kernel_shape=[2,2] strides=[1,1,1,1]", WN_BAD_MODEL, "'strides' has more than"},
           {13, "MaxPool", "x", NULL, "kernel_shape=[2,2] pads=[1,1,1,1,1,1,1]", WN_BAD_MODEL, "'pads' has more than"},
           {13, "MaxPool", "x", NULL, "kernel_shape=[2,2] pads=[1,1,-1,1]", WN_BAD_MODEL, "pads -1"},
           {13, "MaxPool", "x", NULL, "kernel_shape=[2147483646,2] dilations=[2147483646,1] auto_pad='SAME_UPPER'", WN_BAD_MODEL, "auto_pad would add"},
           {13, "LRN", "row", NULL, "size=3", WN_BAD_MODEL, "rank 1 has no channels"},
           {13, "BatchNormalization", "x,two,two,two,two", "y,a", NULL, WN_UNSUPPORTED, "its training outputs"},
           {13, "Gemm", "x,x", NULL, NULL, WN_BAD_MODEL, "node 'n' (Gemm): "},
           {13, "MatMul", "x,many_rows", NULL, NULL, WN_BAD_MODEL, "do not fit together"},
           {13, "MatMul", "number,x", NULL, NULL, WN_BAD_MODEL, "do not fit together"},
           {13, "MatMul", "many_rows,row", NULL, NULL, WN_BAD_MODEL, "do not fit together"});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_and_modes_of_a_resize),    cmocka_unit_test(parts_and_ranges_of_an_axis),
        cmocka_unit_test(pads_that_do_not_fit),           cmocka_unit_test(shapes_that_hold_something_else),
        cmocka_unit_test(constants_that_make_no_sense),   cmocka_unit_test(windows_norms_and_products),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
