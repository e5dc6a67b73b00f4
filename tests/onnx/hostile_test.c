/* Bytes that mean harm or are broken, and messages that are not read: each must be refused with the right code and a
 * text fit to be shown. */
#include "refused.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static struct wire bytes(const void *data, size_t n)
{
    struct wire w = {0};
    wire_raw(&w, data, n);
    return w;
}

/* ---- the wire format ---- */

static void bytes_that_are_no_message_are_refused(void **state)
{
    (void)state;
    refused(bytes("", 0), "no graph");
    refused(bytes("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16), "no ONNX file");
    refused(bytes("\x08", 1), "cut off");
    refused(bytes("\x08\x80\x80", 3), "cut off");
    refused(bytes("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 11), "too many bytes");
    refused(bytes("\x3a\x05\x0a", 3), "longer than what holds it");
    refused(bytes("\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11), "longer than what holds it");
    refused(bytes("\x00\x01", 2), "no valid number");
    refused(bytes("\x3b\x3c", 2), "no valid type");
    refused(bytes("\x38\x01", 2), "not written as one");
    refused(bytes("\x0a\x01\x00", 3), "");
}

static void a_number_cut_off_by_the_end_of_its_message_is_refused(void **state)
{
    (void)state;
    struct wire graph = {0};
    wire_raw(&graph, "\x0a\x80", 2); /* the length goes on in the bytes behind the graph */
    struct wire model = wire_model(13, graph);
    wire_varint(&model, 5, 1);
    refused(model, "cut off");
}

static struct wire nested(int depth)
{
    struct wire inner = {0};
    for (int i = 0; i < depth; i++) {
        struct wire attr = {0}, node = {0}, graph = {0};
        wire_add(&attr, 6, inner);
        wire_add(&node, 5, attr);
        wire_add(&graph, 1, node);
        inner = graph;
    }
    return inner;
}

static void a_model_nested_5000_deep_is_refused_and_the_stack_stays(void **state)
{
    (void)state;
    struct wire model = wire_model(13, nested(5000));
    assert_in_range(model.n, 30000, 80000);
    refused(model, "subgraphs");
}

static void types_nested_deep_are_refused(void **state)
{
    (void)state;
    struct wire type = {0};
    for (int i = 0; i < 5000; i++) {
        struct wire outer = {0}, sequence = {0};
        wire_add(&sequence, 1, type);
        wire_add(&outer, 4, sequence);
        type = outer;
    }
    struct wire graph = small_graph(), info = {0};
    wire_string(&info, 1, "v");
    wire_add(&info, 2, type);
    wire_add(&graph, 13, info);
    refused_graph(graph, "nests deeper");
}

static long peak_kib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

/* Two million times the two bytes of an empty message. */
static struct wire empties(int field)
{
    struct wire graph = {0};
    const uint8_t empty[] = {(uint8_t)(field << 3 | 2), 0};
    for (int i = 0; i < 2000000; i++) wire_raw(&graph, empty, 2);
    return graph;
}

static void four_megabytes_of_empty_nodes_cost_neither_memory_nor_time(void **state)
{
    (void)state;
    struct wire model = wire_model(13, empties(1));
    struct wn_graph_limits limits = wn_graph_limits_default();
    struct wn_graph *g = NULL;
    struct wn_error err = {0};
    long before = peak_kib();
    double start = seconds();
    assert_int_equal(wn_graph_read(model.data, model.n, &limits, &g, &err), WN_BAD_MODEL);
    assert_true(seconds() - start < 0.5);
    assert_true(peak_kib() - before < 1024);
    assert_non_null(strstr(err.text, "more than 10000 nodes"));
    wire_free(&model);
}

static void empty_messages_of_any_kind_are_refused_before_they_are_unpacked(void **state)
{
    (void)state;
    const int fields[] = {5, 11, 12, 13, 14};
    for (int i = 0; i < 5; i++) refused_graph(empties(fields[i]), "too many elements");
}

static void a_part_given_twice_is_refused(void **state)
{
    (void)state;
    struct wire model = wire_model(13, small_graph());
    wire_add(&model, 7, small_graph());
    refused(model, "given twice");
}

static void names_with_zero_bytes_are_refused(void **state)
{
    (void)state;
    struct wire graph = small_graph(), node = {0};
    wire_string(&node, 1, "x");
    wire_bytes(&node, 2, "a\0b", 3);
    wire_string(&node, 4, "Relu");
    wire_graph_node(&graph, node);
    refused_graph(graph, "zero byte");
}

/* ---- what is not read ---- */

static void subgraphs_functions_and_sparse_tensors_are_refused(void **state)
{
    (void)state;
    const struct {
        int field;
        const char *about;
    } kinds[] = {{6, "subgraphs"}, {11, "subgraphs"}, {22, "sparse"}, {23, "sparse"}, {14, "types"}, {15, "types"}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct wire attr = {0};
        wire_string(&attr, 1, "body");
        wire_add(&attr, kinds[i].field, (struct wire){0});
        refused_attribute(attr, kinds[i].about);
    }
    struct wire graph = small_graph(), model;
    wire_add(&graph, 15, (struct wire){0});
    refused_graph(graph, "sparse");
    model = wire_model(13, small_graph());
    wire_add(&model, 25, (struct wire){0});
    refused(model, "functions");
}

static struct wire external_tensor(const char *name, const char *path)
{
    struct wire tensor = wire_tensor(name, WIRE_F32, 1, DIMS(4)), entry = {0};
    wire_string(&entry, 1, "location");
    wire_string(&entry, 2, path);
    wire_add(&tensor, 13, entry);
    wire_varint(&tensor, 14, 1);
    return tensor;
}

static struct wire external_constant(const char *path)
{
    struct wire graph = small_graph(), node = wire_node("Constant", "c", "", "w");
    wire_attr_tensor(&node, "value", external_tensor("", path));
    wire_graph_node(&graph, node);
    return graph;
}

static struct wire external_sparse(const char *path)
{
    struct wire graph = small_graph(), sparse = {0};
    wire_add(&sparse, 1, external_tensor("w", path));
    wire_add(&graph, 15, sparse);
    return graph;
}

static struct wire external_nested(const char *path)
{
    struct wire graph = small_graph(), inner = {0}, attr = {0}, node = wire_node("If", "i", "x", "z");
    wire_graph_initializer(&inner, external_tensor("w", path));
    wire_string(&attr, 1, "then_branch");
    wire_add(&attr, 6, inner);
    wire_add(&node, 5, attr);
    wire_graph_node(&graph, node);
    return graph;
}

static void external_data_is_refused_wherever_it_stands(void **state)
{
    (void)state;
    const char *const paths[] = {"../w.bin", "a/../b", "/etc/passwd", "/proc/self/environ", "w.bin"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        refused_tensor(external_tensor("w", paths[i]), "external data is not supported");
        refused_graph(external_constant(paths[i]), "external data is not supported");
        refused_graph(external_sparse(paths[i]), "not supported");
        refused_graph(external_nested(paths[i]), "not supported");
    }
    struct wire only_location = wire_tensor("w", WIRE_F32, 1, DIMS(0));
    wire_varint(&only_location, 14, 1);
    refused_tensor(only_location, "external data is not supported");
    const float w[4] = {0};
    struct wire only_entry = wire_tensor_raw("w", WIRE_F32, 1, DIMS(4), w, sizeof w), entry = {0};
    wire_string(&entry, 1, "location");
    wire_add(&only_entry, 13, entry);
    refused_tensor(only_entry, "external data is not supported");
}

/* ---- tensors ---- */

static void dimensions_outside_the_limits_are_refused(void **state)
{
    (void)state;
    const int64_t huge = INT64_C(1) << 31;
    refused_tensor(wire_tensor("w", WIRE_F32, 3, DIMS(huge, huge, 4)), "outside the limits");
    refused_tensor(wire_tensor("w", WIRE_F32, 2, DIMS(INT64_MAX, INT64_MAX)), "outside the limits");
    /* 2^64 elements are not 0 */
    refused_tensor(wire_tensor("w", WIRE_F32, 2, DIMS(4, INT64_C(1) << 62)), "outside the limits");
    refused_tensor(wire_tensor("w", WIRE_F32, 1, DIMS(huge + 1)), "outside the limits");
    refused_tensor(wire_tensor("w", WIRE_F32, 1, DIMS(-1)), "negative");
    refused_tensor(wire_tensor("w", WIRE_F32, 2, DIMS(INT64_MIN, 2)), "negative");
    refused_tensor(wire_tensor("w", WIRE_F32, 2, DIMS(-1, 3)), "negative");
    refused_tensor(wire_tensor("w", WIRE_F32, 7, DIMS(1, 1, 1, 1, 1, 1, 1)), "more than 6");
    refused_tensor(wire_tensor("w", WIRE_F32, 1, DIMS(huge - 1)), "ask for");
}

static void a_million_dimensions_are_refused(void **state)
{
    (void)state;
    struct wire tensor = wire_tensor("w", WIRE_F32, 0, NULL);
    for (int i = 0; i < 1000000; i++) wire_varint(&tensor, 1, 1);
    refused_tensor(tensor, "");
    struct wire packed = {0};
    tensor = wire_tensor("w", WIRE_F32, 0, NULL);
    for (int i = 0; i < 1000000; i++) wire_number(&packed, 1);
    wire_bytes(&tensor, 1, packed.data, packed.n);
    wire_free(&packed);
    refused_tensor(tensor, "1000000 dimensions");
}

static void elements_that_do_not_fit_the_dimensions_are_refused(void **state)
{
    (void)state;
    static const uint8_t zeros[32];
    for (size_t n = 0; n <= 20; n++)
        if (n != 12) refused_tensor(wire_tensor_raw("w", WIRE_F32, 1, DIMS(3), zeros, n), "ask for 3 elements");
    struct wire typed = wire_tensor("w", WIRE_F32, 1, DIMS(3));
    wire_bytes(&typed, 4, zeros, 8);
    refused_tensor(typed, "2 typed elements");
    struct wire other = wire_tensor("w", WIRE_F32, 1, DIMS(3));
    wire_bytes(&other, 5, zeros, 3);
    refused_tensor(other, "0 typed elements");
    struct wire both = wire_tensor_raw("w", WIRE_F32, 1, DIMS(3), zeros, 12);
    wire_bytes(&both, 4, zeros, 12);
    refused_tensor(both, "ask for");
}

static void types_that_are_not_read_are_named(void **state)
{
    (void)state;
    const int types[] = {0, 8, 13, 14, 17, 99};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct wire graph = small_graph();
        wire_graph_initializer(&graph, wire_tensor("w", types[i], 1, DIMS(0)));
        refused_as(WN_UNSUPPORTED, wire_model(13, graph), "'w'");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_that_are_no_message_are_refused),
        cmocka_unit_test(a_number_cut_off_by_the_end_of_its_message_is_refused),
        cmocka_unit_test(a_model_nested_5000_deep_is_refused_and_the_stack_stays),
        cmocka_unit_test(types_nested_deep_are_refused),
        cmocka_unit_test(four_megabytes_of_empty_nodes_cost_neither_memory_nor_time),
        cmocka_unit_test(empty_messages_of_any_kind_are_refused_before_they_are_unpacked),
        cmocka_unit_test(a_part_given_twice_is_refused),
        cmocka_unit_test(names_with_zero_bytes_are_refused),
        cmocka_unit_test(subgraphs_functions_and_sparse_tensors_are_refused),
        cmocka_unit_test(external_data_is_refused_wherever_it_stands),
        cmocka_unit_test(dimensions_outside_the_limits_are_refused),
        cmocka_unit_test(a_million_dimensions_are_refused),
        cmocka_unit_test(elements_that_do_not_fit_the_dimensions_are_refused),
        cmocka_unit_test(types_that_are_not_read_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
