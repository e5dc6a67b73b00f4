/* What the engine promises about batches, whatever the backend: questions answered as if alone, failures that stay with
 * their own question, rows gathered over images, and networks that say yes or no with one number.
 *
 *     engine_test BACKEND FOLDER     FOLDER holds the networks of make_goldens.py */
#include "small.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"

enum { MANY = 40 };

/* logits: n_images*K, may be NULL. */
static void explain(struct wn_engine *e, struct wn_graph *g, int n_images, struct wn_question *q, struct wn_answer *a,
                    int n, float *logits)
{
    const float *images[IMAGES];
    struct wn_error err = {0};
    float *y = calloc((size_t)(n_images * wn_graph_classes(g)), sizeof *y);
    for (int i = 0; i < n_images; i++) images[i] = pictures[i];
    struct wn_batch batch = {n_images, images, n, q, NULL, NULL, NULL};
    assert_int_equal(wn_engine_explain(e, &batch, y, a, NULL, &err), WN_OK);
    if (logits) memcpy(logits, y, (size_t)(n_images * wn_graph_classes(g)) * sizeof *y);
    free(y);
}

/* Many questions of every kind about several images, in the order in which nobody would sort them. */
static void fill(struct wn_question *q, int n, int n_images, int classes)
{
    const char *const contrasts[] = {"weighted", "logit", "pair", "mean", "cross-entropy", "subset", "max"};
    for (int i = 0; i < n; i++)
        q[i] = question((i * 7) % n_images, wn_method_at(i % 9)->name, contrasts[i % 7],
                        i % 3 ? i % classes : WN_TARGET_PREDICTED);
}

static void rows_gathered_over_images_answer_as_if_alone(void **state)
{
    (void)state;
    struct wn_graph *g = small_load("residual");
    struct wn_engine *alone = small_engine(g, 1, 1, NULL), *together = small_engine(g, 4, 8, NULL);
    struct wn_question q[MANY];
    struct wn_answer a[MANY], b[MANY];
    fill(q, MANY, IMAGES, wn_graph_classes(g));
    explain(together, g, IMAGES, q, a, MANY, NULL);
    explain(alone, g, IMAGES, q, b, MANY, NULL);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(a[i].error.code, WN_OK);
        assert_int_equal(a[i].target, b[i].target);
        assert_int_equal(a[i].foil, b[i].foil);
        assert_true(off(&a[i], &b[i], 1) < (small_on_a_card() ? 1e-4 : 1e-5));
        wn_answer_finish(&a[i]);
        wn_answer_finish(&b[i]);
    }
    wn_engine_destroy(alone);
    wn_engine_destroy(together);
    wn_graph_destroy(g);
}

/* A question about each image in their order is a program of its own for a method that goes back to the picture;
 * about some, in another order, or with one that fails where its seed is made, the answers are the same. */
static void rows_in_order_and_in_any_other_answer_as_if_alone(void **state)
{
    (void)state;
    static const int orders[][IMAGES] = {
        {0, 1, 2, 3, 4}, {4, 3, 2, 1, 0}, {0, 1, 1, 3, 4}, {1, 2, 3, 4, 4}, {0, 1, 3, 2, 4}};
    static const char *const methods[] = {"ixg", "lrp", "deeplift", "ig"};
    struct wn_graph *g = small_load("residual");
    struct wn_engine *alone = small_engine(g, 1, 1, NULL), *together = small_engine(g, 4, 4, NULL);
    int same = 1;
    for (int k = 0; k < 4 * 5 * 2; k++) {
        const int *order = orders[k % 5], fails = k / 5 % 2 ? 1 : -1;
        struct wn_question q[IMAGES];
        struct wn_answer a[IMAGES], b;
        for (int i = 0; i < IMAGES; i++)
            q[i] = question(order[i], methods[k / 10], "weighted", i % wn_graph_classes(g));
        if (fails >= 0)
            q[fails].contrast = wn_contrast_find("pair"), q[fails].target = 1, q[fails].foils = &same,
            q[fails].n_foils = 1;
        explain(together, g, IMAGES, q, a, IMAGES, NULL);
        for (int i = 0; i < IMAGES; i++) {
            assert_int_equal(a[i].error.code, i == fails ? WN_BAD_REQUEST : WN_OK);
            if (i == fails) continue;
            explain(alone, g, IMAGES, &q[i], &b, 1, NULL);
            assert_true(off(&a[i], &b, 1) < (small_on_a_card() ? 1e-4 : 1e-5));
            wn_answer_finish(&a[i]);
            wn_answer_finish(&b);
        }
    }
    wn_engine_destroy(alone);
    wn_engine_destroy(together);
    wn_graph_destroy(g);
}

static void one_by_one_a_batch_gives_the_same_bytes(void **state)
{
    (void)state;
    struct wn_graph *g = small_load("vgg_head");
    struct wn_engine *e = small_engine(g, 1, 1, NULL);
    struct wn_question q[MANY];
    struct wn_answer a[MANY], b;
    fill(q, MANY, IMAGES, wn_graph_classes(g));
    explain(e, g, IMAGES, q, a, MANY, NULL);
    for (int i = 0; i < MANY; i++) {
        explain(e, g, IMAGES, &q[i], &b, 1, NULL);
        assert_memory_equal(a[i].map, b.map, (size_t)(b.h * b.w) * sizeof(float));
        assert_true(a[i].score == b.score && a[i].flags == b.flags);
        wn_answer_finish(&a[i]);
        wn_answer_finish(&b);
    }
    wn_engine_destroy(e);
    wn_graph_destroy(g);
}

static void a_question_that_cannot_be_answered_fails_alone(void **state)
{
    (void)state;
    struct wn_graph *g = small_load("shuffle"); /* has a square, for which LRP has no rule */
    struct wn_engine *e = small_engine(g, 2, 4, NULL);
    int same = 1;
    enum { N = 10 };
    struct wn_question q[N];
    struct wn_answer a[N];
    const int nowhere = 99, before = -1, layer = 0;
    for (int i = 0; i < N; i++) q[i] = question(i % 2, "gradcam", "weighted", 1);
    q[1].image = 9;
    q[2].target = 99;
    q[3].layer = 1000;
    q[4].contrast = wn_contrast_find("pair");
    q[4].foils = &same;
    q[4].n_foils = 1;
    q[5].method = wn_method_find("lrp");
    /* a class from which the nearest rivals are looked for */
    q[7].contrast = wn_contrast_find("finer"), q[7].targets = &nowhere, q[7].n_targets = 1;
    q[8].contrast = wn_contrast_find("finer"), q[8].targets = &before, q[8].n_targets = 1;
    q[9].layers = &layer, q[9].n_layers = 1;
    explain(e, g, 2, q, a, N, NULL);
    const enum wn_code want[N] = {WN_OK,          WN_BAD_REQUEST, WN_NO_SUCH_CLASS, WN_NO_SUCH_LAYER, WN_BAD_REQUEST,
                                  WN_UNSUPPORTED, WN_OK,          WN_NO_SUCH_CLASS, WN_NO_SUCH_CLASS, WN_BAD_REQUEST};
    for (int i = 0; i < N; i++) {
        assert_int_equal(a[i].error.code, want[i]);
        assert_true((a[i].map != NULL) == (want[i] == WN_OK));
        wn_answer_finish(&a[i]);
    }
    assert_non_null(strstr(a[5].error.text, "lrp"));
    if (!strstr(a[5].error.text, "node '/block/Pow' (Pow): "))
        fail_msg("the file's node is not named: %s", a[5].error.text);
    wn_engine_destroy(e);
    wn_graph_destroy(g);
}

/* Methods on the input have no layer, and of fused layers the one by itself is none. */
static void a_layer_that_is_not_looked_at_may_be_any(void **state)
{
    (void)state;
    struct wn_graph *g = small_load("residual");
    struct wn_engine *e = small_engine(g, 1, 1, NULL);
    const int layers[2] = {0, 1};
    struct wn_question q[4];
    struct wn_answer a[4];
    for (int i = 0; i < 4; i++) q[i] = question(0, i < 2 ? "ixg" : "gradcam", "weighted", 1);
    q[2].layers = q[3].layers = layers, q[2].n_layers = q[3].n_layers = 2;
    q[0].layer = WN_LAYER_INPUT, q[2].layer = 1000;
    explain(e, g, 1, q, a, 4, NULL);
    for (int i = 0; i < 4; i++) assert_int_equal(a[i].error.code, WN_OK);
    for (int i = 0; i < 4; i += 2) assert_true(off(&a[i], &a[i + 1], 1) == 0);
    for (int i = 0; i < 4; i++) wn_answer_finish(&a[i]);
    wn_engine_destroy(e);
    wn_graph_destroy(g);
}

static const struct wn_backend_impl *honest;
static int runs_left;

static enum wn_code run_some(struct wn_exe *exe, int stage, struct wn_error *err)
{
    if (runs_left-- > 0) return honest->run(exe, stage, err);
    return wn_fail(err, WN_DEVICE, "the device is gone");
}

/* However far a call came, each of its questions has a map or says why not. */
static void a_call_that_ends_early_leaves_no_question_without_a_word(void **state)
{
    (void)state;
    struct wn_graph *g = small_load("residual");
    struct wn_engine *e = small_engine(g, 1, 1, NULL);
    struct wn_backend_impl altered = *e->backend->impl;
    const float *images[4] = {pictures[0], pictures[1], pictures[2], pictures[3]};
    struct wn_question q[4];
    struct wn_answer a[4];
    float y[64];
    honest = e->backend->impl, altered.run = run_some;
    for (int i = 0; i < 4; i++) q[i] = question(i, "gradcam", "weighted", 1);
    q[1].target = 99; /* which has a word of its own */
    for (int runs = 0, answered = 0; answered < 3; runs++) {
        struct wn_error err = {0};
        runs_left = runs;
        e->backend->impl = &altered;
        const enum wn_code code =
            wn_engine_explain(e, &(struct wn_batch){4, images, 4, q, NULL, NULL, NULL}, y, a, NULL, &err);
        e->backend->impl = honest;
        assert_true(code == WN_OK || strstr(err.text, "gone"));
        answered = 0;
        for (int i = 0; i < 4; i++) {
            const enum wn_code own = i == 1 ? WN_NO_SUCH_CLASS : WN_DEVICE;
            answered += a[i].map != NULL;
            assert_int_equal(a[i].error.code, a[i].map ? WN_OK : own);
            wn_answer_finish(&a[i]);
        }
        assert_true(runs < 100 && (code == WN_OK) <= (answered == 3));
    }
    wn_engine_destroy(e);
    wn_graph_destroy(g);
}

static void an_image_of_infinities_spoils_no_other(void **state)
{
    (void)state;
    struct wn_graph *g = small_load("residual");
    struct wn_engine *e = small_engine(g, 2, 2, NULL);
    float kept = pictures[1][5];
    struct wn_question q[2] = {question(0, "gradcam", "weighted", 0), question(1, "gradcam", "weighted", 0)};
    struct wn_answer a[2];
    pictures[1][5] = INFINITY;
    explain(e, g, 2, q, a, 2, NULL);
    pictures[1][5] = kept;
    assert_int_equal(a[0].error.code, WN_OK);
    assert_int_equal(a[1].error.code, WN_BAD_NUMBERS);
    assert_null(a[1].map);
    wn_answer_finish(&a[0]);
    wn_engine_destroy(e);
    wn_graph_destroy(g);
}

/* More layers than plans are kept: each is compiled again when its turn comes, and answers the same. */
static void every_layer_answers_again_after_it_was_forgotten(void **state)
{
    (void)state;
    struct wn_graph *g = small_load("residual");
    struct wn_engine *e = small_engine(g, 1, 1, NULL);
    int n = wn_graph_layers(g);
    struct wn_answer *first = calloc((size_t)n, sizeof *first), again;
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < n; i++) {
            struct wn_question q = question(0, "la", "logit", 2);
            q.layer = i;
            explain(e, g, 1, &q, round ? &again : &first[i], 1, NULL);
            assert_int_equal((round ? &again : &first[i])->error.code, WN_OK);
            assert_int_equal((round ? &again : &first[i])->layer, i);
            if (!round) continue;
            assert_memory_equal(first[i].map, again.map, (size_t)(again.h * again.w) * sizeof(float));
            wn_answer_finish(&first[i]);
            wn_answer_finish(&again);
        }
    assert_true(n >= 5);
    free(first);
    wn_engine_destroy(e);
    wn_graph_destroy(g);
}

/* y stands for two logits, 0 for "no" and y for "yes": contrasts are +M for yes and -M for no, the loss's
 * (sigmoid(y) - q) M. */
static void one_logit_is_yes_against_no(void **state)
{
    (void)state;
    struct wn_graph *g = small_load("one_logit");
    struct wn_engine *e = small_engine(g, 1, 1, NULL);
    int no = 0, yes = 1;
    float y;
    enum { QUESTIONS = 7 };
    struct wn_question q[QUESTIONS] = {
        question(0, "gradcam", "logit", 1),         question(0, "gradcam", "weighted", 1),
        question(0, "gradcam", "weighted", 0),      question(0, "gradcam", "cross-entropy", 1),
        question(0, "gradcam", "cross-entropy", 1), question(0, "gradcam", "max", WN_TARGET_PREDICTED),
        question(0, "gradcam", "logit", 0)};
    struct wn_answer a[QUESTIONS];
    q[3].foils = &no;
    q[4].foils = &yes;
    q[3].n_foils = q[4].n_foils = 1;
    explain(e, g, 1, q, a, QUESTIONS, &y);
    double p = 1 / (1 + exp(-(double)y)), factor[QUESTIONS] = {1, 1, -1, p, p - 1, y > 0 ? 1 : -1, -1};
    assert_true(fabs((double)a[0].score - (double)y) < 1e-6 && fabs((double)a[6].score + (double)y) < 1e-6);
    for (int i = 0; i < QUESTIONS; i++) {
        assert_int_equal(a[i].error.code, WN_OK);
        for (int k = 0; k < a[i].h * a[i].w; k++) assert_true(fabs(a[i].map[k] - factor[i] * a[0].map[k]) < 1e-6);
        if (i) wn_answer_finish(&a[i]);
    }
    assert_int_equal(a[5].target, y > 0);
    wn_answer_finish(&a[0]);
    wn_engine_destroy(e);
    wn_graph_destroy(g);
}

/* What measures a device alone: other pictures change nothing, and a fresh engine sees them. */
static void a_resident_engine_computes_with_its_first_images(void **state)
{
    (void)state;
    enum { CLASSES = 64 };
    struct wn_graph *g = small_load("residual");
    struct wn_engine *e[2];
    float y[3][CLASSES] = {{0}};
    struct wn_error err = {0};
    assert_true(wn_graph_classes(g) <= CLASSES);
    for (int i = 0; i < 2; i++) {
        const struct wn_engine_options options = {
            .backend = small_backend(), .device.precision = WN_PRECISION_F32, .resident = true};
        if (wn_engine_create(g, &options, &e[i], &err) != WN_OK) fail_msg("%s", err.text);
    }
    for (int i = 0; i < 3; i++) { /* the first engine sees picture 0, then 1; the second 1 alone */
        const float *image = pictures[i > 0];
        assert_int_equal(
            wn_engine_explain(e[i == 2], &(struct wn_batch){.n_images = 1, .images = &image}, y[i], NULL, NULL, &err),
            WN_OK);
    }
    assert_memory_equal(y[1], y[0], sizeof y[0]);
    assert_memory_not_equal(y[2], y[0], sizeof y[0]);
    for (int i = 0; i < 2; i++) wn_engine_destroy(e[i]);
    wn_graph_destroy(g);
}

static void the_devices_clock_counts_its_runs_where_there_is_one(void **state)
{
    (void)state;
    struct wn_graph *g = small_load("residual");
    struct wn_engine *e = small_engine(g, 4, 4, NULL);
    struct wn_backend_traits traits;
    struct wn_question q = question(0, "gradcam", "weighted", WN_TARGET_PREDICTED);
    struct wn_answer a;
    struct wn_error err = {0};
    double forward = -1, both = -1;
    wn_engine_traits(e, &traits);
    if (!wn_backend_find(traits.backend)->lap) {
        assert_int_equal(wn_engine_lap(e, &both, &err), WN_UNSUPPORTED);
        assert_non_null(strstr(err.text, traits.backend));
    } else {
        assert_int_equal(wn_engine_lap(e, NULL, &err), WN_OK);
        explain(e, g, 1, &q, &a, 0, NULL);
        assert_int_equal(wn_engine_lap(e, &forward, &err), WN_OK);
        assert_int_equal(wn_engine_lap(e, NULL, &err), WN_OK);
        explain(e, g, 1, &q, &a, 1, NULL);
        assert_int_equal(wn_engine_lap(e, &both, &err), WN_OK);
        assert_int_equal(a.error.code, WN_OK);
        assert_true(forward > 0 && both > 0);
        wn_answer_finish(&a);
    }
    wn_engine_destroy(e);
    wn_graph_destroy(g);
}

static void count_step(void *arg, const struct wn_step_cost *cost)
{
    assert_true(cost->launches > 0 && cost->ms >= 0);
    ++*(int *)arg;
}

/* And where they are not timed any more, nobody is told of any. */
static void timed_step_by_step_the_answers_are_the_same(void **state)
{
    (void)state;
    struct wn_graph *g = small_load("residual");
    struct wn_engine *e = small_engine(g, 1, 1, NULL);
    struct wn_backend_traits traits;
    struct wn_question q = question(0, "ixg", "weighted", WN_TARGET_PREDICTED);
    struct wn_answer a[3];
    struct wn_error err = {0};
    int told = 0, before;
    const struct wn_profiler profiler = {count_step, &told};
    wn_engine_traits(e, &traits);
    if (!wn_backend_find(traits.backend)->profile) {
        assert_int_equal(wn_engine_profile(e, &profiler, &err), WN_UNSUPPORTED);
        assert_non_null(strstr(err.text, traits.backend));
        assert_int_equal(wn_engine_profile(e, NULL, &err), WN_OK);
    } else {
        explain(e, g, 1, &q, &a[0], 1, NULL);
        /* the second in the place of the first */
        for (int i = 0; i < 2; i++) assert_int_equal(wn_engine_profile(e, &profiler, &err), WN_OK);
        explain(e, g, 1, &q, &a[1], 1, NULL);
        assert_true(told > 5);
        assert_int_equal(wn_engine_profile(e, NULL, &err), WN_OK);
        before = told;
        explain(e, g, 1, &q, &a[2], 1, NULL);
        assert_int_equal(told, before);
        for (int i = 0; i < 3; i++) assert_int_equal(a[i].error.code, WN_OK);
        for (int i = 1; i < 3; i++)
            assert_memory_equal(a[i].map, a[0].map, (size_t)(a[0].h * a[0].w) * sizeof *a[0].map);
        for (int i = 0; i < 3; i++) wn_answer_finish(&a[i]);
    }
    wn_engine_destroy(e);
    wn_graph_destroy(g);
}

static void images_that_nobody_asks_about_still_have_logits(void **state)
{
    (void)state;
    struct wn_graph *g = small_load("residual");
    struct wn_engine *e = small_engine(g, 2, 2, NULL);
    int k = wn_graph_classes(g);
    float *all = calloc((size_t)(IMAGES * k), sizeof *all), *none = calloc((size_t)(IMAGES * k), sizeof *none);
    struct wn_question q = question(3, "gradcam", "weighted", 0);
    struct wn_answer a;
    explain(e, g, IMAGES, &q, &a, 1, all);
    explain(e, g, IMAGES, NULL, NULL, 0, none);
    for (int i = 0; i < IMAGES * k; i++) /* with questions and without: two programs */
        assert_true(small_on_a_card() ? fabsf(all[i] - none[i]) <= 1e-4f * fmaxf(1, fabsf(none[i]))
                                      : all[i] == none[i]);
    assert_true(all[4 * k] != 0 && all[0] != all[4 * k]);
    wn_answer_finish(&a);
    free(all);
    free(none);
    wn_engine_destroy(e);
    wn_graph_destroy(g);
}

int main(int argc, char **argv)
{
    int status = small_begin(argc, argv);
    if (status) return status;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_gathered_over_images_answer_as_if_alone),
        cmocka_unit_test(rows_in_order_and_in_any_other_answer_as_if_alone),
        cmocka_unit_test(one_by_one_a_batch_gives_the_same_bytes),
        cmocka_unit_test(a_question_that_cannot_be_answered_fails_alone),
        cmocka_unit_test(a_layer_that_is_not_looked_at_may_be_any),
        cmocka_unit_test(a_call_that_ends_early_leaves_no_question_without_a_word),
        cmocka_unit_test(an_image_of_infinities_spoils_no_other),
        cmocka_unit_test(every_layer_answers_again_after_it_was_forgotten),
        cmocka_unit_test(one_logit_is_yes_against_no),
        cmocka_unit_test(images_that_nobody_asks_about_still_have_logits),
        cmocka_unit_test(the_devices_clock_counts_its_runs_where_there_is_one),
        cmocka_unit_test(timed_step_by_step_the_answers_are_the_same),
        cmocka_unit_test(a_resident_engine_computes_with_its_first_images),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
