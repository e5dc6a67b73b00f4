/* Integrated Gradients: what its maps must sum to, and what they equal on special networks.
 *
 *     paths_test BACKEND FOLDER     FOLDER holds the networks of make_goldens.py */
#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph.h"

static const char *const smooth[] = {"tanh", "sigmoid", "sqrt", "softmax"};
static const char *const kinked[] = {"residual", "vgg_head", "batch_norm_folded", "max_pool"};

/* A difference near 0 has no more digits than the logits that it is made of. */
static double residual_of(const struct wn_answer *a)
{
    return fabs(a->completeness.sum - a->completeness.expected) / fmax(fabs(a->completeness.expected), 0.1);
}

static void check_completeness(const char *network, const char *contrast, const char *target, const char *baseline,
                               double bound)
{
    struct bench b = bound < 1e-3 ? open_smooth(network) : open_bench(network, 1);
    struct wn_question q = question(1, "ig", contrast, 2);
    set(&q, WN_SETTING_PATH_TARGET, target);
    set(&q, WN_SETTING_BASELINE, baseline);
    set(&q, WN_SETTING_STEPS, bound < 1e-3 ? "50" : "200");
    struct wn_answer a = one(&b, q);
    double sum = 0, residual = residual_of(&a);
    for (int i = 0; i < a.h * a.w; i++) sum += a.map[i];
    assert_true(a.completeness.known);
    assert_true(fabs(sum - a.completeness.sum) <= 1e-5 * (fabs(sum) + 1e-3));
    if (!(residual < bound))
        fail_msg("%s, %s, %s, %s: sum %g, expected %g", network, contrast, target, baseline, a.completeness.sum,
                 a.completeness.expected);
    wn_answer_finish(&a);
    close_bench(&b);
}

static void integrated_gradients_sum_to_what_their_scalar_gains(void **state)
{
    (void)state;
    const char *const targets[] = {"frozen", "probability", "log-odds"};
    const char *const contrasts[] = {"weighted", "probability", "pair", "cross-entropy", "subset"};
    for (int t = 0; t < 3; t++)
        for (int c = 0; c < 5; c++) {
            check_completeness(smooth[(t + c) % 4], contrasts[c], targets[t], c % 2 ? "zero" : "blurred", 1e-4);
            check_completeness(kinked[(t + c) % 4], contrasts[c], targets[t], "zero", 1e-2);
        }
    check_completeness("tanh", "logit", "auto", "zero", 1e-4);
    check_completeness("tanh", "mean", "auto", "zero", 1e-4);
    check_completeness("tanh", "finer", "auto", "zero", 1e-4);
}

static void zero_the_biases(struct wn_graph *g)
{
    for (int i = 0; i < g->n_values; i++) {
        struct wn_tensor *t = g->constants[i];
        if (t && t->f && t->shape.rank == 1) memset(t->f, 0, (size_t)t->shape.dim[0] * sizeof *t->f);
    }
}

/* Of a network of ReLUs that is homogeneous, from a picture of zeros: the one gradient holds along the whole path. */
static void without_biases_paths_and_deeplift_are_input_times_gradient(void **state)
{
    (void)state;
    const char *const networks[] = {"vgg_head", "max_pool", "pointwise_head"}, *const contrasts[] = {"weighted",
                                                                                                     "logit", "pair"};
    for (int i = 0; i < 9; i++) {
        struct bench b = {.graph = small_load(networks[i % 3])};
        zero_the_biases(b.graph);
        b.engine = small_engine(b.graph, 1, 1, NULL);
        struct wn_question q = question(i % IMAGES, "ig", contrasts[i / 3], 1), x = q, d = q;
        x.method = wn_method_find("ixg");
        d.method = wn_method_find("deeplift");
        set(&q, WN_SETTING_PATH_TARGET, "frozen");
        set(&q, WN_SETTING_STEPS, "8");
        struct wn_answer ig = one(&b, q), ixg = one(&b, x), deeplift = one(&b, d);
        if (!(off(&ig, &ixg, 1) < 1e-5 && off(&deeplift, &ixg, 1) < 1e-5))
            fail_msg("%s, %s: ig %g, deeplift %g", networks[i % 3], contrasts[i / 3], off(&ig, &ixg, 1),
                     off(&deeplift, &ixg, 1));
        wn_answer_finish(&ig);
        wn_answer_finish(&ixg);
        wn_answer_finish(&deeplift);
        close_bench(&b);
    }
}

static void both_quadratures_agree_on_a_smooth_network(void **state)
{
    (void)state;
    struct bench b = open_smooth("tanh");
    struct wn_question q = question(0, "ig", "weighted", 1), m = q;
    set(&m, WN_SETTING_QUADRATURE, "midpoint");
    set(&m, WN_SETTING_STEPS, "256");
    struct wn_answer gauss = one(&b, q), midpoint = one(&b, m);
    double difference = off(&gauss, &midpoint, 1);
    assert_true(difference < 1e-4 && difference > 0);
    wn_answer_finish(&gauss);
    wn_answer_finish(&midpoint);
    close_bench(&b);
}

/* A picture that is its own baseline has nothing to explain. */
static void a_picture_like_its_baseline_gives_zeros_and_says_so(void **state)
{
    (void)state;
    const float grey[3] = {0.25f, 0.25f, 0.25f};
    float kept[PIXELS];
    struct bench b = {.graph = small_load("residual")};
    b.engine = small_engine(b.graph, 1, 1, grey);
    memcpy(kept, pictures[0], sizeof kept);
    for (int i = 0; i < PIXELS; i++) pictures[0][i] = 0.25f;
    const char *const methods[] = {"ig", "deeplift"}, *const baselines[] = {"black", "blurred"};
    for (int i = 0; i < 4; i++) {
        struct wn_question q = question(0, methods[i % 2], "weighted", 1);
        set(&q, WN_SETTING_BASELINE, baselines[i / 2]);
        struct wn_answer a = one(&b, q);
        for (int k = 0; k < a.h * a.w; k++) assert_true(fabsf(a.map[k]) < 1e-6f);
        assert_true(a.completeness.known && fabs(a.completeness.expected) < 1e-5);
        if (i < 2) assert_true(a.flags & WN_ANSWER_FLAT && a.flags & WN_ANSWER_EMPTY);
        wn_answer_finish(&a);
    }
    memcpy(pictures[0], kept, sizeof kept);
    close_bench(&b);
}

static void one_logit_is_walked_like_two(void **state)
{
    (void)state;
    struct bench b = open_smooth("one_logit");
    for (int t = 0; t < 2; t++) {
        struct wn_question q = question(0, "ig", "weighted", t);
        struct wn_answer a = one(&b, q);
        assert_true(residual_of(&a) < 1e-4 && wn_completeness_residual(&a.completeness) < 1e-2);
        assert_true(strcmp(a.completeness.scalar, "log-odds") == 0);
        wn_answer_finish(&a);
    }
    close_bench(&b);
}

int main(int argc, char **argv)
{
    int status = small_begin(argc, argv);
    if (status) return status;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integrated_gradients_sum_to_what_their_scalar_gains),
        cmocka_unit_test(without_biases_paths_and_deeplift_are_input_times_gradient),
        cmocka_unit_test(both_quadratures_agree_on_a_smooth_network),
        cmocka_unit_test(a_picture_like_its_baseline_gives_zeros_and_says_so),
        cmocka_unit_test(one_logit_is_walked_like_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
