/* Model files that mean harm or are broken: each must be refused with the right code and a text fit to be shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "graph.h"
#include "wire.h"

static struct wire small_graph(void)
{
    struct wire graph = {0};
    wire_graph_input(&graph, "x", 4, DIMS(0, 3, 8, 8));
    wire_graph_output(&graph, "y");
    wire_graph_node(&graph, wire_node("Relu", "r", "x", "y"));
    return graph;
}

static struct wire chain_start(void)
{
    struct wire graph = {0};
    wire_graph_input(&graph, "x", 4, DIMS(0, 3, 8, 8));
    wire_graph_output(&graph, "y");
    return graph;
}

static void check_text(const char *text)
{
    assert_true(*text);
    for (const char *c = text; *c; c++) assert_true(*c >= 0x20 && *c < 0x7f);
}

/* Reads, expects `code` and a text that holds `about`; frees the bytes. */
static void refused_as(enum wn_code code, struct wire model, const char *about)
{
    struct wn_graph_limits limits = wn_graph_limits_default();
    struct wn_error err = {0};
    struct wn_graph *g = NULL;
    enum wn_code got = wn_graph_read(model.data, model.n, &limits, &g, &err);
    wire_free(&model);
    if (got == WN_OK) wn_graph_destroy(g);
    if (got != code || !strstr(err.text, about))
        fail_msg("wanted %s about '%s', got %s: %s", wn_code_name(code), about, wn_code_name(got), err.text);
    check_text(err.text);
}

static void refused(struct wire model, const char *about)
{
    refused_as(WN_BAD_MODEL, model, about);
}

static void refused_graph(struct wire graph, const char *about)
{
    refused(wire_model(13, graph), about);
}

static void refused_tensor(struct wire tensor, const char *about)
{
    struct wire graph = small_graph();
    wire_graph_initializer(&graph, tensor);
    refused_graph(graph, about);
}

static void refused_attribute(struct wire attr, const char *about)
{
    struct wire graph = chain_start(), node = wire_node("Relu", "r", "x", "y");
    wire_add(&node, 5, attr);
    wire_graph_node(&graph, node);
    refused_graph(graph, about);
}

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

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
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
    refused_tensor(wire_tensor("w", WIRE_F32, 2, DIMS(4, INT64_C(1) << 62)), "outside the limits"); /* 2^64 elements are not 0 */
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

/* ---- graphs ---- */

static void cycles_are_refused_with_a_name(void **state)
{
    (void)state;
    struct wire graph = chain_start();
    wire_graph_node(&graph, wire_node("Add", "one", "x,b", "a"));
    wire_graph_node(&graph, wire_node("Relu", "two", "a", "b"));
    wire_graph_node(&graph, wire_node("Relu", "three", "b", "y"));
    refused_graph(graph, "a cycle through the node '");
    graph = chain_start();
    wire_graph_node(&graph, wire_node("Relu", "own tail", "y", "y"));
    refused_graph(graph, "'own tail'");
}

static void values_that_nothing_makes_are_refused(void **state)
{
    (void)state;
    struct wire graph = chain_start();
    wire_graph_node(&graph, wire_node("Relu", "r", "ghost", "y"));
    refused_graph(graph, "'ghost'");
    graph = (struct wire){0};
    wire_graph_output(&graph, "nowhere");
    refused_graph(graph, "'nowhere'");
}

static void values_made_twice_are_refused(void **state)
{
    (void)state;
    const float one = 1;
    struct wire graph = small_graph();
    wire_graph_node(&graph, wire_node("Relu", "again", "x", "y"));
    refused_graph(graph, "'y' is defined twice");
    graph = small_graph();
    wire_graph_node(&graph, wire_node("Split", "s", "x", "a,a"));
    refused_graph(graph, "'a' is defined twice");
    graph = small_graph();
    wire_graph_node(&graph, wire_node("Relu", "over the input", "y", "x"));
    refused_graph(graph, "'x' is defined twice");
    graph = small_graph();
    wire_graph_input(&graph, "x", 4, DIMS(0, 3, 8, 8));
    refused_graph(graph, "'x' is defined twice");
    for (int i = 0; i < 2; i++) {
        graph = small_graph();
        wire_graph_initializer(&graph, wire_tensor_raw("w", WIRE_F32, 0, NULL, &one, 4));
        if (i == 0) wire_graph_node(&graph, wire_node("Relu", "over a weight", "x", "w"));
        if (i == 1) wire_graph_initializer(&graph, wire_tensor_raw("w", WIRE_F32, 0, NULL, &one, 4));
        refused_graph(graph, "'w' is defined twice");
    }
}

static void a_hundred_thousand_nodes_are_refused(void **state)
{
    (void)state;
    struct wire graph = small_graph();
    for (int i = 0; i < 100000; i++) {
        char in[16], out[16];
        snprintf(in, sizeof in, i ? "v%d" : "x", i - 1);
        snprintf(out, sizeof out, "v%d", i);
        wire_graph_node(&graph, wire_node("Relu", "", in, out));
    }
    refused_graph(graph, "more than 10000 nodes");
}

static void opsets_outside_9_to_21_are_refused(void **state)
{
    (void)state;
    const int64_t opsets[] = {0, 22, 999, -1, INT64_MAX, INT64_MIN}, too_old[] = {1, 8};
    for (size_t i = 0; i < sizeof opsets / sizeof *opsets; i++) refused(wire_model(opsets[i], small_graph()), "opset");
    for (size_t i = 0; i < sizeof too_old / sizeof *too_old; i++) {
        struct wire old = wire_model(too_old[i], small_graph());
        struct wn_error err = {0};
        struct wn_graph *g = NULL;
        assert_int_equal(wn_graph_parse(old.data, old.n, NULL, &g, &err), WN_BAD_MODEL);
        assert_non_null(strstr(err.text, "opset"));
        wire_free(&old);
    }
    struct wire model = {0};
    wire_add(&model, 7, small_graph());
    refused(model, "opset 0");
}

static void names_that_cannot_be_shown_are_refused(void **state)
{
    (void)state;
    char longest[1026] = {0};
    memset(longest, 'a', 1025);
    const char *const names[] = {"\x1b[2J", "two\nlines", "\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82",
                                 "\xc2\x85", longest};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct wire graph = small_graph();
        wire_graph_node(&graph, wire_node("Relu", "n", "x", names[i]));
        refused_graph(graph, "not plain UTF-8");
    }
}

static void names_in_messages_are_printable_and_short(void **state)
{
    (void)state;
    char evil[300];
    memset(evil, 'x', sizeof evil - 1);
    memcpy(evil, "\x1b[31m%n%s\r\n\xff", 12);
    evil[sizeof evil - 1] = 0;
    struct wn_shown shown = wn_show(evil);
    assert_int_equal(strlen(shown.text), 64);
    assert_memory_equal(shown.text, "?[31m%n%s???xxx", 15);
    assert_string_equal(shown.text + 61, "...");
    struct wire graph = chain_start();
    wire_graph_node(&graph, wire_node(evil, evil, "ghost", "y"));
    refused_graph(graph, "?[31m%n%s???");
}

static void attributes_beyond_reason_are_refused(void **state)
{
    (void)state;
    struct wire graph = chain_start(), node = wire_node("Relu", "r", "x", "y");
    for (int i = 0; i < 65; i++) {
        char name[16];
        snprintf(name, sizeof name, "a%d", i);
        wire_attr_int(&node, name, i);
    }
    wire_graph_node(&graph, node);
    refused_graph(graph, "65 attributes");
    graph = chain_start();
    node = wire_node("Relu", "r", "x", "y");
    wire_attr_int(&node, "axis", 1);
    wire_attr_int(&node, "axis", 2);
    wire_graph_node(&graph, node);
    refused_graph(graph, "'axis' twice");
}

static void limits_of_the_caller_hold(void **state)
{
    (void)state;
    struct wire graph = small_graph();
    const float w[] = {1, 2, 3};
    wire_graph_node(&graph, wire_node("Relu", "second", "x", "z"));
    wire_graph_initializer(&graph, wire_tensor_raw("w", WIRE_F32, 1, DIMS(3), w, sizeof w));
    struct wire model = wire_model(13, graph);
    struct wn_graph_limits limits = wn_graph_limits_default();
    for (int i = 0; i < 5; i++) {
        struct wn_graph_limits tight = limits;
        struct wn_graph *g = NULL;
        if (i == 1) tight.nodes = 1;
        if (i == 2) tight.file_bytes = (int64_t)model.n - 1;
        if (i == 3) tight.tensor_elements = 2;
        if (i == 4) tight.depth = 3;
        assert_int_equal(wn_graph_read(model.data, model.n, &tight, &g, NULL), i == 0 ? WN_OK : WN_BAD_MODEL);
        wn_graph_destroy(g);
    }
    wire_free(&model);
}

/* A long chain written back to front must neither recurse nor take quadratic time. */
static void ten_thousand_nodes_back_to_front_are_ordered_at_once(void **state)
{
    (void)state;
    struct wire graph = chain_start();
    for (int i = 9999; i >= 0; i--) {
        char in[16], out[16];
        snprintf(in, sizeof in, i ? "v%d" : "x", i - 1);
        snprintf(out, sizeof out, i == 9999 ? "y" : "v%d", i);
        wire_graph_node(&graph, wire_node("Relu", out, in, out));
    }
    struct wire model = wire_model(13, graph);
    struct wn_graph_limits limits = wn_graph_limits_default();
    struct wn_graph *g = NULL;
    double start = seconds();
    assert_int_equal(wn_graph_read(model.data, model.n, &limits, &g, NULL), WN_OK);
    assert_true(seconds() - start < 1);
    assert_string_equal(g->nodes[0].name, "v0");
    assert_string_equal(g->nodes[9999].name, "y");
    wn_graph_destroy(g);
    wire_free(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_megabytes_of_empty_nodes_cost_neither_memory_nor_time),
        cmocka_unit_test(bytes_that_are_no_message_are_refused),
        cmocka_unit_test(a_number_cut_off_by_the_end_of_its_message_is_refused),
        cmocka_unit_test(a_model_nested_5000_deep_is_refused_and_the_stack_stays),
        cmocka_unit_test(types_nested_deep_are_refused),
        cmocka_unit_test(empty_messages_of_any_kind_are_refused_before_they_are_unpacked),
        cmocka_unit_test(a_part_given_twice_is_refused),
        cmocka_unit_test(names_with_zero_bytes_are_refused),
        cmocka_unit_test(subgraphs_functions_and_sparse_tensors_are_refused),
        cmocka_unit_test(external_data_is_refused_wherever_it_stands),
        cmocka_unit_test(dimensions_outside_the_limits_are_refused),
        cmocka_unit_test(a_million_dimensions_are_refused),
        cmocka_unit_test(elements_that_do_not_fit_the_dimensions_are_refused),
        cmocka_unit_test(types_that_are_not_read_are_named),
        cmocka_unit_test(cycles_are_refused_with_a_name),
        cmocka_unit_test(values_that_nothing_makes_are_refused),
        cmocka_unit_test(values_made_twice_are_refused),
        cmocka_unit_test(a_hundred_thousand_nodes_are_refused),
        cmocka_unit_test(opsets_outside_9_to_21_are_refused),
        cmocka_unit_test(names_that_cannot_be_shown_are_refused),
        cmocka_unit_test(names_in_messages_are_printable_and_short),
        cmocka_unit_test(attributes_beyond_reason_are_refused),
        cmocka_unit_test(limits_of_the_caller_hold),
        cmocka_unit_test(ten_thousand_nodes_back_to_front_are_ordered_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
