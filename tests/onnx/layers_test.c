/* Whole networks through wn_graph_parse: classes, layers, the automatic layer, the softmax taken off, inputs and
 * outputs chosen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "graph.h"
#include "nets.h"

static struct wn_graph *parse_good(struct wire model, const struct wn_graph_options *options)
{
    struct wn_error err = {0};
    struct wn_graph *g = NULL;
    if (wn_graph_parse(model.data, model.n, options, &g, &err) != WN_OK) fail_msg("%s", err.text);
    wire_free(&model);
    return g;
}

static void parse_refused(enum wn_code code, struct wire model, const struct wn_graph_options *options,
                          const char *about)
{
    struct wn_error err = {0};
    struct wn_graph *g = NULL;
    enum wn_code got = wn_graph_parse(model.data, model.n, options, &g, &err);
    wire_free(&model);
    if (got != code || !strstr(err.text, about))
        fail_msg("wanted %s about '%s', got %s: %s", wn_code_name(code), about, wn_code_name(got), err.text);
}

static const struct net *net_named(const char *name)
{
    for (int i = 0; i < n_nets; i++)
        if (strcmp(nets[i].name, name) == 0) return &nets[i];
    return NULL;
}

static void the_automatic_layer_is_the_last_activated_stage_before_the_last_pool(void **state)
{
    (void)state;
    for (int i = 0; i < n_nets; i++) {
        struct wn_graph *g = parse_good(nets[i].make(), NULL);
        int layer = wn_graph_find_layer(g, "auto");
        if (!nets[i].auto_layer) {
            assert_int_equal(layer, -1);
        } else {
            const struct wn_layer *l = wn_graph_layer(g, layer);
            if (!l) fail_msg("%s has no automatic layer", nets[i].name);
            if (strcmp(l->name, nets[i].auto_layer)) fail_msg("%s: %s", nets[i].name, l->name);
            assert_int_equal(l->channels, nets[i].channels);
            assert_int_equal(l->height, nets[i].height);
            assert_int_equal(l->width, nets[i].height);
        }
        wn_graph_destroy(g);
    }
}

static void the_logits_are_taken_before_the_softmax(void **state)
{
    (void)state;
    for (int i = 0; i < n_nets; i++) {
        struct wn_graph *g = parse_good(nets[i].make(), NULL);
        assert_string_equal(g->value_names[g->logits], nets[i].logits);
        assert_int_equal(wn_graph_classes(g), NET_CLASSES);
        for (int n = 0; n < g->n_nodes; n++) assert_string_not_equal(g->nodes[n].op, "Softmax");
        wn_graph_destroy(g);
    }
}

/* The network that ends in f2, with a sigmoid on it. */
static struct wire with_sigmoid(void)
{
    static const float w[6] = {1, -1, 2, 0.5f, 1, 3};
    struct wire g = {0};
    wire_graph_input(&g, "x", 4, DIMS(0, 3, 8, 8));
    wire_graph_output(&g, "p");
    wire_graph_initializer(&g, wire_tensor_raw("w", WIRE_F32, 4, DIMS(2, 3, 1, 1), w, sizeof w));
    wire_graph_node(&g, wire_node("Conv", "conv", "x,w", "c"));
    wire_graph_node(&g, wire_node("GlobalAveragePool", "gap", "c", "gap"));
    wire_graph_node(&g, wire_node("Flatten", "flat", "gap", "scores"));
    wire_graph_node(&g, wire_node("Sigmoid", "sigmoid", "scores", "p"));
    return wire_model(13, g);
}

static void a_sigmoid_for_each_of_several_classes_is_refused_and_its_scores_are_named(void **state)
{
    (void)state;
    parse_refused(WN_UNSUPPORTED, with_sigmoid(), NULL, "name 'scores'");
    struct wn_graph *g = parse_good(with_sigmoid(), &(struct wn_graph_options){.output = "scores"});
    assert_int_equal(wn_graph_classes(g), 2);
    wn_graph_destroy(g);
}

static void layers_are_listed_in_forward_order_with_their_shapes(void **state)
{
    (void)state;
    static const struct wn_layer want[] = {{"x", "Input", 3, 16, 16, -1, -1},
                                           {"c1", "Conv", 8, 16, 16, -1, 1},
                                           {"n1", "BatchNormalization", 8, 16, 16, -1, 1},
                                           {"r1", "Relu", 8, 16, 16, 2, 1},
                                           {"p1", "MaxPool", 8, 8, 8, -1, -1},
                                           {"c2", "Conv", 8, 8, 8, -1, 5},
                                           {"n2", "BatchNormalization", 8, 8, 8, -1, 5},
                                           {"sum", "Add", 8, 8, 8, -1, -1},
                                           {"r2", "Relu", 8, 8, 8, 7, -1}};
    struct wn_graph *g = parse_good(net_named("residual")->make(), NULL);
    assert_int_equal(wn_graph_layers(g), 9);
    for (int i = 0; i < 9; i++) {
        const struct wn_layer *l = wn_graph_layer(g, i);
        assert_string_equal(l->name, want[i].name);
        assert_string_equal(l->op, want[i].op);
        assert_true(l->channels == want[i].channels && l->height == want[i].height && l->width == want[i].width);
        assert_int_equal(l->before_activation, want[i].before_activation);
        assert_int_equal(l->raw_convolution, want[i].raw_convolution);
    }
    assert_null(wn_graph_layer(g, 9));
    assert_null(wn_graph_layer(g, -1));
    wn_graph_destroy(g);
}

static void layers_are_found_by_value_and_by_node(void **state)
{
    (void)state;
    struct wn_graph *g = parse_good(net_named("residual")->make(), NULL);
    assert_int_equal(wn_graph_find_layer(g, "c2"), 5);
    assert_int_equal(wn_graph_find_layer(g, "c2_node"), 5);
    assert_int_equal(wn_graph_find_layer(g, NULL), 8);
    assert_int_equal(wn_graph_find_layer(g, "gap"), -1);
    assert_int_equal(wn_graph_find_layer(g, "logits"), -1);
    assert_int_equal(wn_graph_find_layer(g, ""), -1);
    wn_graph_destroy(g);
}

static void sizes_are_those_of_the_file(void **state)
{
    (void)state;
    struct wn_graph *g = parse_good(net_named("perceptron")->make(), NULL);
    assert_int_equal(wn_graph_channels(g), 3);
    assert_int_equal(wn_graph_height(g), 16);
    assert_int_equal(wn_graph_width(g), 16);
    assert_int_equal(wn_graph_weight_bytes(g), 4 * (768 * NET_CLASSES + NET_CLASSES));
    wn_graph_destroy(g);
}

/* A picture of free size, and with channels 0 of as many as it likes, under a global mean, with a second output and a
 * second input that only that output needs. */
static struct wire free_size(int channels)
{
    static const float w[12] = {1, -1, 2, 0.5f, 3, -2, 1, 1, 1, 2, 2, 2};
    struct wire g = {0};
    wire_graph_input(&g, "image", 4, DIMS(0, channels, 0, 0));
    wire_graph_input(&g, "mask", 2, DIMS(0, 4));
    wire_graph_output(&g, "scores");
    wire_graph_output(&g, "masked");
    wire_graph_initializer(&g, wire_tensor_raw("w", WIRE_F32, 4, DIMS(4, 3, 1, 1), w, sizeof w));
    wire_graph_node(&g, wire_node("Conv", "conv", "image,w", "c"));
    wire_graph_node(&g, wire_node("Relu", "relu", "c", "r"));
    wire_graph_node(&g, wire_node("GlobalAveragePool", "gap", "r", "gap"));
    wire_graph_node(&g, wire_node("Flatten", "flat", "gap", "scores"));
    wire_graph_node(&g, wire_node("NoSuchOperator", "dead", "mask,scores", "masked"));
    return wire_model(13, g);
}

static void nodes_that_the_logits_do_not_need_are_dropped(void **state)
{
    (void)state;
    const struct wn_graph_options options = {.height = 10, .width = 12};
    struct wn_graph *g = parse_good(free_size(3), &options);
    assert_int_equal(g->n_nodes, 4);
    assert_int_equal(wn_graph_width(g), 12);
    assert_int_equal(wn_graph_layer(g, wn_graph_find_layer(g, "r"))->height, 10);
    wn_graph_destroy(g);
}

static void free_axes_must_be_given_and_fixed_ones_not_contradicted(void **state)
{
    (void)state;
    const struct wn_graph_options size = {.height = 10, .width = 12};
    parse_refused(WN_DYNAMIC_SIZE, free_size(3), NULL, "height and width");
    parse_refused(WN_BAD_MODEL, free_size(0), &size, "the channels, free");
    parse_refused(WN_BAD_MODEL, net_named("dense")->make(), &(struct wn_graph_options){.height = 17}, "cannot be 17");
    parse_refused(WN_BAD_MODEL, free_size(3), &(struct wn_graph_options){.height = 1 << 20, .width = 1 << 20}, "limit");
}

static void inputs_and_outputs_are_chosen_by_name(void **state)
{
    (void)state;
    static const char *const outputs[] = {"prob", "f2"}; /* what a softmax makes, and what it is made from */
    for (int i = 0; i < 2; i++) {
        const struct wn_graph_options named = {.input = "x", .output = outputs[i]};
        struct wn_graph *g = parse_good(net_named("stacked")->make(), &named);
        assert_string_equal(g->value_names[g->logits], "f2");
        wn_graph_destroy(g);
    }
    parse_refused(WN_BAD_MODEL, net_named("dense")->make(), &(struct wn_graph_options){.input = "y"}, "no input 'y'");
    parse_refused(WN_BAD_MODEL, net_named("dense")->make(), &(struct wn_graph_options){.output = "y"}, "no output 'y'");
    parse_refused(WN_BAD_MODEL, net_named("dense")->make(), &(struct wn_graph_options){.output = "x"}, "");
    parse_refused(WN_BAD_MODEL, net_named("dense")->make(), &(struct wn_graph_options){.output = "c1"},
                  "not a list of classes");
    parse_refused(WN_UNSUPPORTED, free_size(3), &(struct wn_graph_options){.input = "mask"}, "no picture");
}

static void a_network_of_two_inputs_is_refused_by_the_name_of_the_second(void **state)
{
    (void)state;
    const struct wn_graph_options options = {.output = "masked", .height = 8, .width = 8};
    parse_refused(WN_UNSUPPORTED, free_size(3), &options, "'mask'");
}

static void unknown_operators_and_domains_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *op, *domain, *about;
    } cases[] = {{"Frobnicate", "", "Frobnicate (node 'the node')"},
                 {"Relu", "com.example", "com.example.Relu (node 'the node')"},
                 {"\x1b[2JFro\nb", "", "?[2JFro?b"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct wire g = {0}, node = wire_node(cases[i].op, "the node", "x", "y");
        wire_string(&node, 7, cases[i].domain);
        wire_graph_input(&g, "x", 4, DIMS(0, 3, 8, 8));
        wire_graph_node(&g, node);
        wire_graph_output(&g, "y");
        parse_refused(WN_UNSUPPORTED, wire_model(13, g), NULL, cases[i].about);
    }
}

static void every_unknown_operator_is_named_once(void **state)
{
    (void)state;
    struct wire g = {0};
    static const char *const ops[] = {"Frobnicate", "Relu", "Mangle", "Frobnicate"};
    static const char *const values[] = {"x", "a", "b", "c", "y"};
    wire_graph_input(&g, "x", 4, DIMS(0, 3, 8, 8));
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        wire_graph_node(&g, wire_node(ops[i], i == 3 ? "last" : "one", values[i], values[i + 1]));
    wire_graph_output(&g, "y");
    parse_refused(WN_UNSUPPORTED, wire_model(13, g), NULL,
                  "2 operators of the model are not supported: Frobnicate (node 'one'), Mangle (node 'one');");
}

static void the_standard_domain_may_be_named(void **state)
{
    (void)state;
    struct wire g = {0}, node = wire_node("Flatten", "f", "x", "y");
    wire_string(&node, 7, "ai.onnx");
    wire_graph_input(&g, "x", 4, DIMS(0, 3, 8, 8));
    wire_graph_node(&g, node);
    wire_graph_output(&g, "y");
    struct wn_graph *graph = parse_good(wire_model(13, g), NULL);
    assert_int_equal(wn_graph_classes(graph), 192);
    wn_graph_destroy(graph);
}

static void the_digest_is_of_every_byte(void **state)
{
    (void)state;
    struct wire model = net_named("dense")->make(), longer = net_named("dense")->make();
    struct wn_graph *a = parse_good(model, NULL);
    wire_varint(&longer, 5, 7);
    struct wn_graph *b = parse_good(longer, NULL);
    assert_int_equal(strlen(wn_graph_sha256(a)), 64);
    assert_string_not_equal(wn_graph_sha256(a), wn_graph_sha256(b));
    wn_graph_destroy(a);
    wn_graph_destroy(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_automatic_layer_is_the_last_activated_stage_before_the_last_pool),
        cmocka_unit_test(the_logits_are_taken_before_the_softmax),
        cmocka_unit_test(a_sigmoid_for_each_of_several_classes_is_refused_and_its_scores_are_named),
        cmocka_unit_test(layers_are_listed_in_forward_order_with_their_shapes),
        cmocka_unit_test(layers_are_found_by_value_and_by_node),
        cmocka_unit_test(sizes_are_those_of_the_file),
        cmocka_unit_test(nodes_that_the_logits_do_not_need_are_dropped),
        cmocka_unit_test(free_axes_must_be_given_and_fixed_ones_not_contradicted),
        cmocka_unit_test(inputs_and_outputs_are_chosen_by_name),
        cmocka_unit_test(a_network_of_two_inputs_is_refused_by_the_name_of_the_second),
        cmocka_unit_test(unknown_operators_and_domains_are_refused_by_name),
        cmocka_unit_test(every_unknown_operator_is_named_once),
        cmocka_unit_test(the_standard_domain_may_be_named),
        cmocka_unit_test(the_digest_is_of_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
