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

/* One node of the inputs in prepare(), with attributes as in "axis=1 mode='edge' pads=[0,1] value=2f", and what its
 * refusal says. Without OUT it is "y". */
enum { IN, ABOUT, ATTRIBUTES, OUT, COLUMNS };

static void add_list(struct wire *node, const char *name, const char *text)
{
    int64_t list[16];
    int n = 0;
    for (const char *at = text; *at && *at != ']' && n < 16; at += *at == ',')
        list[n++] = strtoll(at, (char **)&at, 10);
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

static void refuse(const char *op, int64_t opset, enum wn_code code, const char *const *row)
{
    char attributes[256], *rest = NULL;
    struct net net = net_begin(opset);
    struct wire node = wire_node(op, "n", row[IN], row[OUT] ? row[OUT] : "y");
    prepare(&net);
    snprintf(attributes, sizeof attributes, "%s", row[ATTRIBUTES] ? row[ATTRIBUTES] : "");
    for (char *one = strtok_r(attributes, " ", &rest); one; one = strtok_r(NULL, " ", &rest)) add_attribute(&node, one);
    wire_graph_node(&net.graph, node);
    net_refused(&net, code, row[ABOUT]);
}

#define REFUSE(op, opset, code, ...)                                                                                   \
    do {                                                                                                               \
        static const char *const table[][COLUMNS] = {__VA_ARGS__};                                                     \
        (void)state;                                                                                                   \
        for (size_t i = 0; i < sizeof table / sizeof *table; i++) refuse(op, opset, code, table[i]);                   \
    } while (0)

/* clang-format off */
static void sizes_and_modes_of_a_resize(void **state)
{
    REFUSE("Resize", 13, WN_BAD_MODEL,
           {"x,,,minus", "node 'n' (Resize): a size of -1"},
           {"x,,,huge", "a size of 1099511627776"},
           {"x,,backwards", "a scale of -1"},
           {"x,,vast", "a scale of 1e+30"},
           {"x,,two", "a scale or a size for each of 4 axes"},
           {"x", "a scale or a size for each of 4 axes"},
           {"x,,i4", "'scales' must be floats"},
           {"x,,long", "'scales' has too many entries"},
           {"x,,,list9", "'sizes' has more than"},
           {"x,,scales", "nearest_mode 'middle' is unknown", "nearest_mode='middle'"},
           {"x,,scales", "'roi' does not have two entries", "coordinate_transformation_mode='tf_crop_and_resize'"},
           {"x,i4,scales", "'roi' must be floats", "coordinate_transformation_mode='tf_crop_and_resize'"},
           {"x,two,scales", "'roi' does not have two entries", "coordinate_transformation_mode='tf_crop_and_resize'"},
           {"nothing,,,i2", "axis 1 has no elements"});
    REFUSE("Resize", 13, WN_UNSUPPORTED,
           {"x,,x", "'scales' must be a constant"},
           {"x,,scales", "'polar' is not supported", "coordinate_transformation_mode='polar'"},
           {"x,,scales", "an extrapolation_value that is not 0", "coordinate_transformation_mode='tf_crop_and_resize' extrapolation_value=2f"});
    REFUSE("Resize", 18, WN_BAD_MODEL,
           {"x,,,i4", "keep_aspect_ratio_policy 'roughly' is unknown", "keep_aspect_ratio_policy='roughly'"},
           {"x,,,i2", "axis 1 is named twice", "axes=[1,1]"},
           {"x,,,i1", "axis 7", "axes=[7]"},
           {"x,,,i1", "'axes' has more than", "axes=[1,1,1,1,1,1,1,1,1]"});
    REFUSE("Resize", 18, WN_UNSUPPORTED, {"x,,smaller", "antialias is not supported", "antialias=1 mode='linear'"});
}

static void parts_and_ranges_of_an_axis(void **state)
{
    REFUSE("Split", 13, WN_BAD_MODEL,
           {"x,i2", "'split' has 2 entries for 1 outputs", "axis=2"},
           {"x,i1", "its parts are shorter than axis 2", "axis=2"},
           {"x,i2", "its parts are longer than axis 1", "axis=1", "y,z"},
           {"x,free5", "its parts are longer than axis 1", "axis=1", "y,z"},
           {"x", "axis 2 of length 3 in 2 equal parts", "axis=2", "y,z"},
           {"x", "axis 4", "axis=4"});
    REFUSE("Split", 18, WN_BAD_MODEL, {"x", "'num_outputs' is not 2", "axis=2 num_outputs=3", "y,z"});
    REFUSE("Slice", 13, WN_BAD_MODEL,
           {"x,i1,i2", "differ in length"},
           {"x,i1,i1,i2", "differ in length"},
           {"x,i1,i1,i1,i2", "differ in length"},
           {"x,i1,i1,i1,zeros", "a step of 0"},
           {"x,i1,row", "'ends' must be a list of whole numbers"},
           {"x,square,i1", "'starts' must be a list of whole numbers"},
           {"x,i1,i1,i1,row", "'steps' must be a list of whole numbers"},
           {"x,list9,list9", "'starts' has more than 6 entries"});
    REFUSE("Slice", 9, WN_BAD_MODEL,
           {"x", "differ in length", "starts=[0]"},
           {"x", "differ in length"});
    REFUSE("Gather", 13, WN_UNSUPPORTED, {"x,deep", "more than 6 axes"});
    REFUSE("Gather", 13, WN_BAD_MODEL,
           {"x,row", "'indices' must be whole numbers"},
           {"x,minus", "index 2 is outside an axis of 2", "axis=1"});
    REFUSE("Transpose", 13, WN_BAD_MODEL,
           {"x", "axis 2 is named twice", "perm=[0,1,2,2]"},
           {"x", "'perm' has more than", "perm=[0,1,2,3,4,5,6,7,8]"});
}

static void pads_that_do_not_fit(void **state)
{
    REFUSE("Pad", 13, WN_BAD_MODEL,
           {"x,i4", "'pads' does not have two entries for each of 4 axes"},
           {"x,cuts", "negative pads leave nothing of axis 1"},
           {"x,far", "pads of 1099511627776 and 0"},
           {"x,pads,two", "'constant_value' must be one number"},
           {"x,pads", "mode 'mirror' is unknown", "mode='mirror'"},
           {"nothing,pads_of_nothing", "axis 1 has nothing to pad with", "mode='edge'"});
    REFUSE("Pad", 13, WN_UNSUPPORTED, {"x,pads,x", "'constant_value' must be a constant"});
    REFUSE("Pad", 18, WN_BAD_MODEL,
           {"x,i2,,axes5", "'pads' does not have two entries for each of 5 axes"},
           {"x,i2,,row", "'axes' must be a list"},
           {"x,i2,,list9", "'axes' has more than"});
}

static void shapes_that_hold_something_else(void **state)
{
    REFUSE("Reshape", 13, WN_BAD_MODEL,
           {"x,zeros5", "a 0 in its shape has no axis to copy"},
           {"x,free2", "two axes of length -1"},
           {"x,free5", "24 elements do not fit its shape"},
           {"x,list9", "'shape' has more than 6 entries"});
    REFUSE("Reshape", 14, WN_BAD_MODEL, {"x,free0", "24 elements do not fit its shape", "allowzero=1"});
    REFUSE("Squeeze", 13, WN_BAD_MODEL, {"x,row", "'axes' must be a list"});
    REFUSE("Unsqueeze", 13, WN_BAD_MODEL, {"x", "'axes' is missing"});
    REFUSE("Unsqueeze", 13, WN_UNSUPPORTED, {"x,axes5", "more than 6 axes"});
    REFUSE("Softmax", 13, WN_UNSUPPORTED, {"number", "a value without axes"});
}

static void constants_that_make_no_sense(void **state)
{
    REFUSE("Range", 13, WN_BAD_MODEL,
           {"i1,i1,zeros", "it never ends"},
           {"i1,i2,i1", "single numbers of one type"},
           {"i1,zero,i1", "single numbers of one type"});
    REFUSE("Range", 13, WN_UNSUPPORTED, {"i1,x,i1", "'limit' must be a constant"});
    REFUSE("Dropout", 13, WN_UNSUPPORTED,
           {"x,zero,x", "'training_mode' must be a constant"},
           {"x,x,yes", "'ratio' must be a constant"},
           {"x,,yes", "training mode is random"},
           {"x,two,yes", "training mode is random"},
           {"x,i1,yes", "training mode is random"});
    REFUSE("Where", 13, WN_BAD_MODEL,
           {"row,row,row", "of the wrong types"},
           {"yes,row,i4", "of the wrong types"},
           {"yes,row,two", "do not broadcast"});
    REFUSE("Not", 13, WN_BAD_MODEL, {"row", "must be bool"});
    REFUSE("Cast", 13, WN_UNSUPPORTED, {"x", "a cast of what depends on the picture", "to=7"});
    REFUSE("Div", 13, WN_BAD_MODEL, {"i4,zeros", "a division by zero"});
}

static void windows_norms_and_products(void **state)
{
    REFUSE("MaxPool", 13, WN_BAD_MODEL,
           {"x", "auto_pad 'SOME' is unknown", "kernel_shape=[2,2] auto_pad='SOME'"},
           {"x", "'strides' has more than", "kernel_shape=[2,2] strides=[1,1,1,1]"},
           {"x", "'pads' has more than", "kernel_shape=[2,2] pads=[1,1,1,1,1,1,1]"},
           {"x", "pads -1", "kernel_shape=[2,2] pads=[1,1,-1,1]"},
           {"x", "auto_pad would add", "kernel_shape=[2147483646,2] dilations=[2147483646,1] auto_pad='SAME_UPPER'"});
    REFUSE("LRN", 13, WN_BAD_MODEL, {"row", "rank 1 has no channels", "size=3"});
    REFUSE("BatchNormalization", 13, WN_UNSUPPORTED, {"x,two,two,two,two", "its training outputs", NULL, "y,a"});
    REFUSE("Gemm", 13, WN_BAD_MODEL, {"x,x", "its operands must be matrices"});
    REFUSE("MatMul", 13, WN_BAD_MODEL,
           {"x,many_rows", "do not fit together"},
           {"number,x", "do not fit together"},
           {"many_rows,row", "do not fit together"});
}
/* clang-format on */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_and_modes_of_a_resize),  cmocka_unit_test(parts_and_ranges_of_an_axis),
        cmocka_unit_test(pads_that_do_not_fit),         cmocka_unit_test(shapes_that_hold_something_else),
        cmocka_unit_test(constants_that_make_no_sense), cmocka_unit_test(windows_norms_and_products),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
