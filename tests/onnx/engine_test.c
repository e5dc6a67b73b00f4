/* Networks without a convolutional stage, or with one logit, through the engine: what can be answered is, the rest
 * says why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <whynot/whynot.h>

#include "nets.h"

static float picture[3 * 16 * 16];

static struct wn_graph *parse(struct wire model, const struct wn_graph_options *options)
{
    struct wn_error err = {0};
    struct wn_graph *g = NULL;
    if (wn_graph_parse(model.data, model.n, options, &g, &err) != WN_OK) fail_msg("%s", err.text);
    wire_free(&model);
    return g;
}

/* One picture, one question about it, on the oracle. */
static struct wn_answer ask(struct wn_graph *g, struct wn_question q, float *logits)
{
    const struct wn_engine_options options = {.backend = "ref", .max_images = 1, .max_rows = 1};
    const float *images[] = {picture};
    const struct wn_batch batch = {.n_images = 1, .images = images, .n_questions = 1, .questions = &q};
    struct wn_error err = {0};
    struct wn_engine *e = NULL;
    struct wn_answer answer;
    for (size_t i = 0; i < sizeof picture / sizeof *picture; i++) picture[i] = (float)(i % 11) / 11;
    if (wn_engine_create(g, &options, &e, &err) != WN_OK) fail_msg("%s", err.text);
    if (wn_engine_explain(e, &batch, logits, &answer, NULL, &err) != WN_OK) fail_msg("%s", err.text);
    wn_engine_destroy(e);
    return answer;
}

static const struct net *perceptron(void)
{
    for (int i = 0; i < n_nets; i++)
        if (!nets[i].auto_layer) return &nets[i];
    return NULL;
}

static void a_network_without_an_automatic_layer_still_classifies(void **state)
{
    (void)state;
    struct wn_graph *g = parse(perceptron()->make(), NULL);
    float logits[NET_CLASSES] = {0};
    struct wn_answer a = ask(g,
                             (struct wn_question){.layer = WN_LAYER_AUTO,
                                                  .method = wn_method_find("gradcam"),
                                                  .contrast = wn_contrast_find("logit"),
                                                  .target = 1},
                             logits);
    assert_int_equal(a.error.code, WN_NO_SUCH_LAYER);
    assert_null(a.map);
    assert_true(logits[0] != 0 && logits[NET_CLASSES - 1] != 0);
    wn_answer_finish(&a);
    wn_graph_destroy(g);
}

static void a_network_without_an_automatic_layer_can_be_asked_about_its_input(void **state)
{
    (void)state;
    struct wn_graph *g = parse(perceptron()->make(), NULL);
    float logits[NET_CLASSES];
    struct wn_answer a =
        ask(g,
            (struct wn_question){
                .layer = 0, .method = wn_method_find("la"), .contrast = wn_contrast_find("logit"), .target = 1},
            logits);
    if (a.error.code != WN_OK) fail_msg("%s", a.error.text);
    assert_int_equal(a.h, 16);
    wn_answer_finish(&a);
    wn_graph_destroy(g);
}

/* One logit y is two, 0 and y: class 1 is saturated when the sigmoid of y is 1, and so is class 0 when that of -y
 * is. */
static struct wire one_logit(float bias, bool sigmoid)
{
    static const float w[3] = {0.01f, -0.01f, 0.02f};
    struct wire g = {0};
    wire_graph_input(&g, "x", 4, DIMS(0, 3, 16, 16));
    wire_graph_output(&g, sigmoid ? "p" : "y");
    wire_graph_initializer(&g, wire_tensor_raw("w", WIRE_F32, 4, DIMS(1, 3, 1, 1), w, sizeof w));
    wire_graph_initializer(&g, wire_tensor_raw("b", WIRE_F32, 1, DIMS(1), &bias, sizeof bias));
    wire_graph_node(&g, wire_node("Conv", "conv", "x,w,b", "c"));
    wire_graph_node(&g, wire_node("GlobalAveragePool", "gap", "c", "gap"));
    wire_graph_node(&g, wire_node("Flatten", "flat", "gap", "y"));
    if (sigmoid) wire_graph_node(&g, wire_node("Sigmoid", "sigmoid", "y", "p"));
    return wire_model(13, g);
}

static void one_logit_is_found_behind_its_sigmoid(void **state)
{
    (void)state;
    float logit[2];
    for (int i = 0; i < 2; i++) {
        struct wn_graph *g = parse(one_logit(-3, i), NULL);
        struct wn_answer a = ask(g,
                                 (struct wn_question){.layer = WN_LAYER_AUTO,
                                                      .method = wn_method_find("gradcam"),
                                                      .contrast = wn_contrast_find("logit"),
                                                      .target = WN_TARGET_PREDICTED},
                                 &logit[i]);
        if (a.error.code != WN_OK) fail_msg("%s", a.error.text);
        assert_int_equal(a.target, 0); /* "no": a sigmoid, which is above 0, would say "yes" of everything */
        wn_answer_finish(&a);
        wn_graph_destroy(g);
    }
    assert_true(logit[0] < -2 && logit[0] == logit[1]);
}

static void one_logit_is_saturated_where_its_sigmoid_is(void **state)
{
    (void)state;
    static const struct {
        float bias;
        int target;
        bool saturated;
    } cases[] = {{40, 1, true}, {40, 0, false}, {-40, 0, true}, {-40, 1, false}, {0, 1, false}, {0, 0, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct wn_graph *g = parse(one_logit(cases[i].bias, false), NULL);
        float logit;
        struct wn_answer a = ask(g,
                                 (struct wn_question){.layer = WN_LAYER_AUTO,
                                                      .method = wn_method_find("gradcam"),
                                                      .contrast = wn_contrast_find("logit"),
                                                      .target = cases[i].target},
                                 &logit);
        if (a.error.code != WN_OK) fail_msg("%s", a.error.text);
        assert_int_equal((a.flags & WN_ANSWER_SATURATED) != 0, cases[i].saturated);
        wn_answer_finish(&a);
        wn_graph_destroy(g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_network_without_an_automatic_layer_still_classifies),
        cmocka_unit_test(a_network_without_an_automatic_layer_can_be_asked_about_its_input),
        cmocka_unit_test(one_logit_is_saturated_where_its_sigmoid_is),
        cmocka_unit_test(one_logit_is_found_behind_its_sigmoid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
