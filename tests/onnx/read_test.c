/* What wn_graph_read makes of well-formed files: names, constants of every type, attributes, order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "graph.h"
#include "wire.h"

static int value_of(const struct wn_graph *g, const char *name)
{
    for (int v = 0; v < g->n_values; v++)
        if (strcmp(g->value_names[v], name) == 0) return v;
    fail_msg("no value '%s'", name);
    return -1;
}

/* Reads a model that must be good; frees the bytes. */
static struct wn_graph *read_good(struct wire model)
{
    struct wn_graph_limits limits = wn_graph_limits_default();
    struct wn_error err = {0};
    struct wn_graph *g = NULL;
    if (wn_graph_read(model.data, model.n, &limits, &g, &err) != WN_OK) fail_msg("%s", err.text);
    wire_free(&model);
    return g;
}

static struct wire small_graph(void)
{
    struct wire graph = {0};
    wire_graph_input(&graph, "x", 4, DIMS(0, 3, 8, 8));
    wire_graph_output(&graph, "y");
    return graph;
}

static const struct wn_tensor *constant_of(const struct wn_graph *g, const char *name)
{
    const struct wn_tensor *t = g->constants[value_of(g, name)];
    assert_non_null(t);
    return t;
}

static struct wn_graph *graph_with(struct wire tensor)
{
    struct wire graph = small_graph();
    wire_graph_initializer(&graph, tensor);
    wire_graph_node(&graph, wire_node("Relu", "r", "x", "y"));
    return read_good(wire_model(13, graph));
}

static void raw_floats_are_read_as_they_stand(void **state)
{
    (void)state;
    const float w[] = {1.5f, -2.0f, 3e-30f, INFINITY, 5, 6};
    struct wn_graph *g = graph_with(wire_tensor_raw("w", WIRE_F32, 2, DIMS(2, 3), w, sizeof w));
    const struct wn_tensor *t = constant_of(g, "w");
    assert_int_equal(t->dtype, WN_F32);
    assert_int_equal(t->shape.rank, 2);
    assert_int_equal(t->shape.dim[1], 3);
    assert_memory_equal(t->f, w, sizeof w);
    wn_graph_destroy(g);
}

static void typed_floats_are_read_as_they_stand(void **state)
{
    (void)state;
    const float w[] = {0.25f, -7};
    struct wire tensor = wire_tensor("w", WIRE_F32, 1, DIMS(2));
    wire_bytes(&tensor, 4, w, sizeof w);
    struct wn_graph *g = graph_with(tensor);
    assert_memory_equal(constant_of(g, "w")->f, w, sizeof w);
    wn_graph_destroy(g);
}

static void doubles_are_narrowed(void **state)
{
    (void)state;
    const double w[] = {0.1, -1e-3};
    struct wn_graph *g = graph_with(wire_tensor_raw("w", WIRE_F64, 1, DIMS(2), w, sizeof w));
    const struct wn_tensor *t = constant_of(g, "w");
    assert_int_equal(t->dtype, WN_F64);
    assert_true(t->f[0] == 0.1f && t->f[1] == -1e-3f);
    wn_graph_destroy(g);
}

/* Bit patterns worked by hand: 1, -2, the largest half, the smallest subnormal, the largest subnormal, -0, infinity. */
static void halves_are_widened(void **state)
{
    (void)state;
    const uint16_t bits[] = {0x3c00, 0xc000, 0x7bff, 0x0001, 0x03ff, 0x8000, 0x7c00};
    const float want[] = {1, -2, 65504, 0x1p-24f, 1023 * 0x1p-24f, -0.0f, INFINITY};
    struct wn_graph *g = graph_with(wire_tensor_raw("w", WIRE_F16, 1, DIMS(7), bits, sizeof bits));
    const struct wn_tensor *t = constant_of(g, "w");
    for (int i = 0; i < 7; i++) assert_true(t->f[i] == want[i]);
    assert_true(signbit(t->f[5]));
    wn_graph_destroy(g);
}

static void typed_halves_and_bfloats_come_out_of_int32_data(void **state)
{
    (void)state;
    struct wire packed = {0}, half = wire_tensor("w", WIRE_F16, 1, DIMS(2)), bf = wire_tensor("v", WIRE_BF16, 0, NULL);
    wire_number(&packed, 0x3800);
    wire_number(&packed, 0xbc00);
    wire_bytes(&half, 5, packed.data, packed.n);
    wire_free(&packed);
    wire_varint(&bf, 5, 0xc049);
    struct wire graph = small_graph();
    wire_graph_initializer(&graph, half);
    wire_graph_initializer(&graph, bf);
    wire_graph_node(&graph, wire_node("Relu", "r", "x", "y"));
    struct wn_graph *g = read_good(wire_model(13, graph));
    assert_true(constant_of(g, "w")->f[0] == 0.5f && constant_of(g, "w")->f[1] == -1.0f);
    assert_true(constant_of(g, "v")->f[0] == -3.140625f);
    wn_graph_destroy(g);
}

static void whole_numbers_keep_sign_and_width(void **state)
{
    (void)state;
    const struct {
        int type;
        enum wn_dtype dtype;
        uint8_t raw[16];
        size_t n;
        int64_t want[2];
    } cases[] = {
        {WIRE_I64, WN_I64, {0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, 16, {-2, 1}},
        {WIRE_I32, WN_I32, {0xfd, 0xff, 0xff, 0xff, 7}, 8, {-3, 7}},
        {WIRE_I8, WN_I32, {0x80, 0x7f}, 2, {-128, 127}},
        {WIRE_U8, WN_U8, {0x80, 0x7f}, 2, {128, 127}},
        {WIRE_BOOL, WN_BOOL, {0, 2}, 2, {0, 1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct wn_graph *g = graph_with(wire_tensor_raw("w", cases[i].type, 1, DIMS(2), cases[i].raw, cases[i].n));
        const struct wn_tensor *t = constant_of(g, "w");
        assert_int_equal(t->dtype, cases[i].dtype);
        assert_true(t->i[0] == cases[i].want[0] && t->i[1] == cases[i].want[1]);
        wn_graph_destroy(g);
    }
}

static void typed_negative_int64_is_read(void **state)
{
    (void)state;
    struct wire packed = {0}, tensor = wire_tensor("w", WIRE_I64, 1, DIMS(2));
    wire_number(&packed, (uint64_t)-1);
    wire_number(&packed, 300);
    wire_bytes(&tensor, 7, packed.data, packed.n);
    wire_free(&packed);
    struct wn_graph *g = graph_with(tensor);
    assert_true(constant_of(g, "w")->i[0] == -1 && constant_of(g, "w")->i[1] == 300);
    wn_graph_destroy(g);
}

static void an_empty_list_is_a_tensor(void **state)
{
    (void)state;
    struct wn_graph *g = graph_with(wire_tensor("w", WIRE_F32, 1, DIMS(0)));
    assert_int_equal(constant_of(g, "w")->shape.dim[0], 0);
    wn_graph_destroy(g);
}

static void attributes_of_each_kind_are_read(void **state)
{
    (void)state;
    const float one = 1;
    struct wire graph = small_graph(), node = wire_node("Relu", "r", "x", "y");
    wire_attr_int(&node, "axis", -1);
    wire_attr_float(&node, "alpha", 0.5f);
    wire_attr_string(&node, "auto_pad", "SAME_UPPER");
    wire_attr_ints(&node, "pads", 3, DIMS(1, -2, 3));
    wire_attr_floats(&node, "scales", 2, (const float[]){1, 2.5f});
    wire_attr_tensor(&node, "value", wire_tensor_raw("", WIRE_F32, 0, NULL, &one, sizeof one));
    wire_graph_node(&graph, node);
    struct wn_graph *g = read_good(wire_model(13, graph));
    const struct wn_attr *a = g->nodes[0].attrs;
    assert_int_equal(g->nodes[0].n_attrs, 6);
    assert_true(a[0].kind == WN_ATTR_INT && a[0].i == -1 && strcmp(a[0].name, "axis") == 0);
    assert_true(a[1].kind == WN_ATTR_FLOAT && a[1].f == 0.5f);
    assert_true(a[2].kind == WN_ATTR_STRING && strcmp(a[2].s, "SAME_UPPER") == 0);
    assert_true(a[3].kind == WN_ATTR_INTS && a[3].n == 3 && a[3].ints[1] == -2);
    assert_true(a[4].kind == WN_ATTR_FLOATS && a[4].n == 2 && a[4].floats[1] == 2.5f);
    assert_true(a[5].kind == WN_ATTR_TENSOR && a[5].tensor->f[0] == 1 && a[5].tensor->shape.rank == 0);
    wn_graph_destroy(g);
}

static void constant_nodes_become_constants_in_every_form(void **state)
{
    (void)state;
    const int64_t shape[] = {1, -1};
    struct wire graph = small_graph(), a = wire_node("Constant", "a", "", "t"), b = wire_node("Constant", "b", "", "f"),
                c = wire_node("Constant", "c", "", "i"), d = wire_node("Constant", "d", "", "fs"),
                e = wire_node("Constant", "e", "", "is");
    wire_attr_tensor(&a, "value", wire_tensor_raw("", WIRE_I64, 1, DIMS(2), shape, sizeof shape));
    wire_attr_float(&b, "value_float", 2.5f);
    wire_attr_int(&c, "value_int", -9);
    wire_attr_floats(&d, "value_floats", 2, (const float[]){3, 4});
    wire_attr_ints(&e, "value_ints", 2, DIMS(5, 6));
    const struct wire nodes[] = {a, b, c, d, e};
    for (int i = 0; i < 5; i++) wire_graph_node(&graph, nodes[i]);
    wire_graph_node(&graph, wire_node("Relu", "r", "x", "y"));
    struct wn_graph *g = read_good(wire_model(13, graph));
    assert_int_equal(g->n_nodes, 1);
    assert_int_equal(constant_of(g, "t")->i[1], -1);
    assert_true(constant_of(g, "f")->f[0] == 2.5f && constant_of(g, "f")->shape.rank == 0);
    assert_int_equal(constant_of(g, "i")->i[0], -9);
    assert_true(constant_of(g, "fs")->f[1] == 4 && constant_of(g, "fs")->shape.dim[0] == 2);
    assert_int_equal(constant_of(g, "is")->i[1], 6);
    wn_graph_destroy(g);
}

static void nodes_in_any_order_come_out_sorted(void **state)
{
    (void)state;
    struct wire graph = small_graph();
    wire_graph_node(&graph, wire_node("Add", "last", "b,a", "y"));
    wire_graph_node(&graph, wire_node("Relu", "second", "a", "b"));
    wire_graph_node(&graph, wire_node("Relu", "first", "x", "a"));
    struct wn_graph *g = read_good(wire_model(13, graph));
    assert_string_equal(g->nodes[0].name, "first");
    assert_string_equal(g->nodes[1].name, "second");
    assert_string_equal(g->nodes[2].name, "last");
    wn_graph_destroy(g);
}

static void sorted_nodes_keep_their_order(void **state)
{
    (void)state;
    struct wire graph = small_graph();
    wire_graph_node(&graph, wire_node("Relu", "0", "x", "a"));
    wire_graph_node(&graph, wire_node("Relu", "1", "x", "b"));
    wire_graph_node(&graph, wire_node("Relu", "2", "a", "c"));
    wire_graph_node(&graph, wire_node("Add", "3", "c,b", "y"));
    struct wn_graph *g = read_good(wire_model(13, graph));
    for (int i = 0; i < 4; i++) assert_int_equal(g->nodes[i].name[0], '0' + i);
    wn_graph_destroy(g);
}

static void operands_left_out_are_minus_one(void **state)
{
    (void)state;
    struct wire graph = small_graph();
    wire_graph_node(&graph, wire_node("Clip", "c", "x,,x", "y,"));
    struct wn_graph *g = read_good(wire_model(13, graph));
    assert_int_equal(g->nodes[0].n_in, 3);
    assert_int_equal(g->nodes[0].in[1], -1);
    assert_int_equal(g->nodes[0].in[2], value_of(g, "x"));
    wn_graph_destroy(g);
}

static void an_initializer_among_the_inputs_is_a_constant(void **state)
{
    (void)state;
    const float one = 1;
    struct wire graph = small_graph();
    wire_graph_input(&graph, "w", 1, DIMS(1));
    wire_graph_initializer(&graph, wire_tensor_raw("w", WIRE_F32, 1, DIMS(1), &one, sizeof one));
    wire_graph_node(&graph, wire_node("Mul", "m", "x,w", "y"));
    struct wn_graph *g = read_good(wire_model(9, graph));
    assert_int_equal(g->n_inputs, 1);
    assert_int_equal(g->inputs[0].value, value_of(g, "x"));
    assert_non_null(g->constants[value_of(g, "w")]);
    wn_graph_destroy(g);
}

static void the_picture_input_has_its_shape(void **state)
{
    (void)state;
    struct wire graph = small_graph();
    wire_graph_node(&graph, wire_node("Relu", "", "x", "y"));
    struct wn_graph *g = read_good(wire_model(21, graph));
    const struct wn_port *port = &g->inputs[0];
    assert_true(port->is_float && port->rank == 4 && port->dim[0] == -1 && port->dim[1] == 3 && port->dim[3] == 8);
    assert_string_equal(g->nodes[0].name, "y");
    assert_int_equal(g->opset, 21);
    wn_graph_destroy(g);
}

static void a_lone_tensor_is_read(void **state)
{
    (void)state;
    const float w[] = {1, 2};
    struct wn_graph_limits limits = wn_graph_limits_default();
    struct wire tensor = wire_tensor_raw(NULL, WIRE_F32, 1, DIMS(2), w, sizeof w);
    struct wn_tensor *t = NULL;
    assert_int_equal(wn_tensor_parse(tensor.data, tensor.n, &limits, &t, NULL), WN_OK);
    assert_memory_equal(t->f, w, sizeof w);
    wn_tensor_destroy(t);
    tensor.n--;
    assert_int_equal(wn_tensor_parse(tensor.data, tensor.n, &limits, &t, NULL), WN_BAD_MODEL);
    wire_free(&tensor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raw_floats_are_read_as_they_stand),
        cmocka_unit_test(typed_floats_are_read_as_they_stand),
        cmocka_unit_test(doubles_are_narrowed),
        cmocka_unit_test(halves_are_widened),
        cmocka_unit_test(typed_halves_and_bfloats_come_out_of_int32_data),
        cmocka_unit_test(whole_numbers_keep_sign_and_width),
        cmocka_unit_test(typed_negative_int64_is_read),
        cmocka_unit_test(an_empty_list_is_a_tensor),
        cmocka_unit_test(attributes_of_each_kind_are_read),
        cmocka_unit_test(constant_nodes_become_constants_in_every_form),
        cmocka_unit_test(nodes_in_any_order_come_out_sorted),
        cmocka_unit_test(sorted_nodes_keep_their_order),
        cmocka_unit_test(operands_left_out_are_minus_one),
        cmocka_unit_test(an_initializer_among_the_inputs_is_a_constant),
        cmocka_unit_test(the_picture_input_has_its_shape),
        cmocka_unit_test(a_lone_tensor_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
