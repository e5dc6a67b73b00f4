/* Whole evaluations: what is asked of the picture, what is left out, and what cannot be judged.
 * whole_test MODEL.onnx */
#include "desk.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double *evaluate(const struct desk *d, const struct wn_evaluation_options *o,
                        const struct wn_evaluation_picture *p, int *n, struct wn_error *refused)
{
    struct wn_evaluation *v;
    struct wn_error err = {0};
    int prediction;
    if (wn_evaluation_create(d->engine, d->graph, o, &v, &err) != WN_OK) fail_msg("%s", err.text);
    *n = wn_evaluation_values(v);
    double *values = calloc((size_t)*n, sizeof *values);
    if (wn_evaluation_run(v, p, values, &prediction, NULL, refused, &err) != WN_OK) fail_msg("%s", err.text);
    assert_int_equal(prediction, d->top[0]);
    wn_evaluation_destroy(v);
    return values;
}

/* Whether a metric has something to say of a subject whose picture is known and whose network has no shuffled twin. */
static bool speaks(const struct wn_evaluation_metric *m, const struct wn_subject *of)
{
    if (strcmp(m->name, "gradient-sign") == 0) return of->method == wn_method_find("gradient");
    return !(m->needs & (WN_NEEDS_SHUFFLED | WN_NEEDS_PARTS));
}

/* Of the numbers of all metrics, those of one: within its range, there exactly where it speaks, and the same both
 * times. */
static void check_metric(const struct wn_evaluation_metric *m, const struct wn_subject *subjects, int n_subjects,
                         const double *a, const double *b)
{
    for (int s = 0; s < n_subjects; s++)
        for (int c = 0; c < m->n_columns; c++, a++, b++) {
            if (isnan(*a) == speaks(m, &subjects[s]))
                fail_msg("%s of %s, %s: %g", m->columns[c].name, m->name, subjects[s].method->name, *a);
            assert_int_equal(isnan(*a), isnan(*b));
            if (isnan(*a)) continue;
            if (!(*a >= -1 && *a <= 1)) fail_msg("%s of %s is %g", m->columns[c].name, m->name, *a);
            assert_true(*a == *b);
        }
}

static void every_metric_answers_within_its_range_and_the_same_twice(void **state)
{
    const struct desk *d = *state;
    const struct wn_subject subjects[] = {{wn_method_find("gradcam"), wn_contrast_find("weighted"), WN_LAYER_AUTO},
                                          {wn_method_find("gradient"), wn_contrast_find("pair"), WN_LAYER_AUTO}};
    const struct wn_evaluation_metric *metrics[64];
    struct wn_evaluation_options o = {.subjects = subjects, .n_subjects = 2, .metrics = metrics};
    struct wn_evaluation_picture p;
    while (wn_evaluation_metric_at(o.n_metrics))
        metrics[o.n_metrics] = wn_evaluation_metric_at(o.n_metrics), o.n_metrics++;
    int n, again;
    struct wn_error refused[2] = {{0}};
    double *a = evaluate(d, &o, known(d, &p), &n, refused), *b = evaluate(d, &o, &p, &again, refused);
    for (int s = 0; s < 2; s++) assert_int_equal(refused[s].code, WN_OK);
    assert_int_equal(n, again);
    for (int i = 0, at = 0; i < o.n_metrics; at += 2 * metrics[i++]->n_columns)
        check_metric(metrics[i], subjects, 2, a + at, b + at);
    free(a);
    free(b);
}

static void what_a_picture_does_not_know_is_left_out(void **state)
{
    const struct desk *d = *state;
    const struct wn_subject subject = {wn_method_find("gradcam"), wn_contrast_find("logit"), WN_LAYER_AUTO};
    const struct wn_evaluation_metric *metrics[] = {wn_evaluation_metric_find("content"),
                                                    wn_evaluation_metric_find("contrast-truth"),
                                                    wn_evaluation_metric_find("deletion")};
    struct wn_evaluation_options o = {.subjects = &subject, .n_subjects = 1, .metrics = metrics, .n_metrics = 3};
    struct wn_evaluation_picture p = {.image = d->image, .label = -1, .rival = -1};
    struct wn_error refused = {0};
    int n;
    double *values = evaluate(d, &o, &p, &n, &refused);
    for (int i = 0; i < n - 1; i++) assert_true(isnan(values[i]));
    assert_true(isfinite(values[n - 1]));
    free(values);
}

static void what_is_asked_of_the_picture_takes_one_forward_pass(void **state)
{
    const struct desk *d = *state;
    const struct wn_subject subjects[] = {{wn_method_find("gradcam"), wn_contrast_find("logit"), WN_LAYER_AUTO},
                                          {wn_method_find("la"), wn_contrast_find("pair"), WN_LAYER_AUTO}};
    const struct wn_evaluation_metric *metrics[] = {wn_evaluation_metric_find("content"),
                                                    wn_evaluation_metric_find("pointing")};
    struct wn_evaluation_options o = {.subjects = subjects, .n_subjects = 2, .metrics = metrics, .n_metrics = 2};
    struct wn_evaluation_picture p;
    struct wn_evaluation *v;
    double values[64];
    int64_t passes;
    for (int label = 0; label < 2; label++) { /* the prediction, and another class */
        o.explain_label = label;
        known(d, &p);
        if (label) p.label = d->top[2];
        assert_int_equal(wn_evaluation_create(d->engine, d->graph, &o, &v, NULL), WN_OK);
        assert_int_equal(wn_evaluation_run(v, &p, values, NULL, &passes, NULL, NULL), WN_OK);
        assert_int_equal(passes, 1);
        wn_evaluation_destroy(v);
    }
}

static void the_maps_are_of_the_first_and_the_second_class(void **state)
{
    const struct desk *d = *state;
    const struct wn_subject subject = {wn_method_find("gradcam"), wn_contrast_find("logit"), WN_LAYER_AUTO};
    const struct wn_evaluation_metric *metric = wn_evaluation_metric_find("masking");
    struct wn_evaluation_options o = {.subjects = &subject, .n_subjects = 1, .metrics = &metric, .n_metrics = 1};
    struct wn_evaluation_picture p;
    struct wn_error refused = {0};
    struct bench b;
    double expected[32];
    float *logits = calloc((size_t)d->classes, sizeof *logits);
    const float *image = d->image;
    int n;
    double *values = evaluate(d, &o, known(d, &p), &n, &refused);
    bench_open(&b, d, 1);
    for (int k = 0; k < 2; k++) {
        struct wn_question q = {
            .layer = WN_LAYER_AUTO, .method = subject.method, .contrast = subject.contrast, .target = d->top[k]};
        assert_int_equal(wn_engine_explain(d->engine, &(struct wn_batch){1, &image, 1, &q, NULL, NULL, NULL}, logits,
                                           &b.trial.answers[k ? WN_MAP_SECOND : WN_MAP_FIRST], NULL, NULL),
                         WN_OK);
    }
    run(&b, "masking", expected);
    for (int i = 0; i < n; i++) near(values[i], expected[i], 1e-9);
    bench_close(&b);
    free(values);
    free(logits);
}

static void shuffled_weights_are_the_same_weights_and_another_network(void **state)
{
    const struct desk *d = *state;
    struct wn_graph_options how = {.shuffle_seed = 3};
    struct wn_graph *shuffled;
    struct wn_engine *engine;
    double value;
    float *logits = calloc((size_t)d->classes, sizeof *logits);
    const float *image = d->image;
    assert_int_equal(wn_graph_load(desk_model, &how, &shuffled, NULL), WN_OK);
    assert_int_equal(
        wn_engine_create(shuffled, &(struct wn_engine_options){.backend = "auto", .device.threads = 1}, &engine, NULL),
        WN_OK);
    assert_int_equal(
        wn_engine_explain(engine, &(struct wn_batch){.n_images = 1, .images = &image}, logits, NULL, NULL, NULL),
        WN_OK);
    double change = 0;
    for (int i = 0; i < d->classes; i++) change += fabs((double)logits[i] - d->logits[i]);
    assert_true(change > 0.1);
    struct wn_subject subject = {wn_method_find("gradcam"), wn_contrast_find("logit"), WN_LAYER_AUTO};
    const struct wn_evaluation_metric *metric = wn_evaluation_metric_find("random-weights");
    struct wn_evaluation_options o = {.subjects = &subject, .n_subjects = 1, .metrics = &metric, .n_metrics = 1};
    struct wn_evaluation_picture p;
    struct wn_evaluation *v;
    for (int with = 0; with < 3; with++) { /* without it, with itself, with the shuffled one */
        o.shuffled = with == 0 ? NULL : with == 1 ? d->engine : engine;
        assert_int_equal(wn_evaluation_create(d->engine, d->graph, &o, &v, NULL), WN_OK);
        assert_int_equal(wn_evaluation_run(v, known(d, &p), &value, NULL, NULL, NULL, NULL), WN_OK);
        if (with == 0) assert_true(isnan(value));
        if (with == 1) near(value, 1, 1e-9);
        if (with == 2) assert_true(fabs(value) < 0.95);
        wn_evaluation_destroy(v);
    }
    wn_engine_destroy(engine);
    wn_graph_destroy(shuffled);
    free(logits);
}

static void comparing_metrics_need_something_to_compare(void **state)
{
    const struct desk *d = *state;
    const struct wn_subject subject = {wn_method_find("gradcam"), wn_contrast_find("logit"), WN_LAYER_AUTO};
    const struct wn_evaluation_metric *metric = wn_evaluation_metric_find("masking-equal");
    struct wn_evaluation_options o = {.subjects = &subject, .n_subjects = 1, .metrics = &metric, .n_metrics = 1};
    struct wn_evaluation *v = NULL;
    struct wn_error err = {0};
    assert_int_equal(wn_evaluation_create(d->engine, d->graph, &o, &v, &err), WN_BAD_REQUEST);
    assert_non_null(strstr(err.text, "masking-equal"));
    o.n_metrics = 0;
    assert_int_equal(wn_evaluation_create(d->engine, d->graph, &o, &v, NULL), WN_BAD_REQUEST);
}

int main(int argc, char **argv)
{
    if (argc != 2) return 2;
    desk_model = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_metric_answers_within_its_range_and_the_same_twice),
        cmocka_unit_test(what_a_picture_does_not_know_is_left_out),
        cmocka_unit_test(what_is_asked_of_the_picture_takes_one_forward_pass),
        cmocka_unit_test(the_maps_are_of_the_first_and_the_second_class),
        cmocka_unit_test(shuffled_weights_are_the_same_weights_and_another_network),
        cmocka_unit_test(comparing_metrics_need_something_to_compare),
    };
    return cmocka_run_group_tests(tests, desk_set_up, desk_tear_down);
}
