/* Messages in good form that make no graph, or one beyond reason: each must be refused with the right code and a
 * text fit to be shown. */
#include "refused.h"

#include <stdio.h>
#include <string.h>

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

static void opsets_outside_9_to_28_are_refused(void **state)
{
    (void)state;
    const int64_t opsets[] = {0, 29, 999, -1, INT64_MAX, INT64_MIN}, too_old[] = {1, 8};
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
    const char *const names[] = {"\x1b[2J",          "two\nlines", "\xff",     "\xc0\x80", "\xed\xa0\x80",
                                 "\xf4\x90\x80\x80", "\xe2\x82",   "\xc2\x85", longest};
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
        cmocka_unit_test(cycles_are_refused_with_a_name),
        cmocka_unit_test(values_that_nothing_makes_are_refused),
        cmocka_unit_test(values_made_twice_are_refused),
        cmocka_unit_test(a_hundred_thousand_nodes_are_refused),
        cmocka_unit_test(opsets_outside_9_to_28_are_refused),
        cmocka_unit_test(names_that_cannot_be_shown_are_refused),
        cmocka_unit_test(names_in_messages_are_printable_and_short),
        cmocka_unit_test(attributes_beyond_reason_are_refused),
        cmocka_unit_test(limits_of_the_caller_hold),
        cmocka_unit_test(ten_thousand_nodes_back_to_front_are_ordered_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
