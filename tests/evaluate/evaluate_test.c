/* Metrics of one picture: maps whose score is known beforehand, and the numbers of whole evaluations worked out a second way.
 * evaluate_test MODEL.onnx */
#include <whynot/whynot.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "evaluate/trial.h"
#include "graph.h"
#include "random.h"

static const char *model;

/* One network, one engine, one picture and its rival's. */
struct desk {
    struct wn_graph *graph;
    struct wn_engine *engine;
    int channels, h, w, classes, pixels;
    size_t floats;
    float *image, *rival_image, *elsewhere, *logits;
    uint8_t *truth;
    int top[3];
};

static float *picture(const struct desk *d, uint64_t seed)
{
    float *x = malloc(d->floats * sizeof *x);
    struct wn_random random = wn_random_of(seed);
    for (int c = 0; c < d->channels; c++) {
        double fy = 4 * wn_random_unit(&random), fx = 4 * wn_random_unit(&random), phase = 6 * wn_random_unit(&random);
        for (int i = 0; i < d->pixels; i++)
            x[c * d->pixels + i] = (float)(1.5 * sin(fy * (i / d->w) / d->h * 6 + fx * (i % d->w) / d->w * 6 + phase) +
                                           0.3 * wn_random_normal(&random));
    }
    return x;
}

static void forward(const struct desk *d, const float *x, float *logits)
{
    assert_int_equal(wn_engine_explain(d->engine, &(struct wn_batch){1, &x, 0, NULL, NULL, NULL}, logits, NULL, NULL, NULL), WN_OK);
}

static int set_up(void **state)
{
    struct desk *d = calloc(1, sizeof *d);
    struct wn_error err = {0};
    struct wn_engine_options options = {.backend = "auto"};
    options.device.threads = 1;
    const float low[] = {-2, -2, -2}, high[] = {2, 2.5f, 2};
    const struct wn_graph_options bounds = {.low = low, .high = high, .n_bounds = 3};
    if (wn_graph_load(model, &bounds, &d->graph, &err) != WN_OK) fail_msg("%s", err.text);
    if (wn_engine_create(d->graph, &options, &d->engine, &err) != WN_OK) fail_msg("%s", err.text);
    d->channels = (int)wn_graph_channels(d->graph);
    d->h = (int)wn_graph_height(d->graph);
    d->w = (int)wn_graph_width(d->graph);
    d->classes = wn_graph_classes(d->graph);
    d->pixels = d->h * d->w;
    d->floats = (size_t)d->channels * (size_t)d->pixels;
    d->image = picture(d, 1);
    d->rival_image = picture(d, 2);
    d->elsewhere = picture(d, 3);
    d->logits = calloc((size_t)d->classes, sizeof(float));
    d->truth = calloc((size_t)d->pixels, 1);
    forward(d, d->image, d->logits);
    wn_top(d->logits, d->classes, 3, d->top);
    for (int y = 10; y < 30; y++)
        for (int x = 40; x < 70; x++) d->truth[y * d->w + x] = 1;
    *state = d;
    return 0;
}

static int tear_down(void **state)
{
    struct desk *d = *state;
    wn_engine_destroy(d->engine);
    wn_graph_destroy(d->graph);
    free(d->image);
    free(d->rival_image);
    free(d->elsewhere);
    free(d->logits);
    free(d->truth);
    free(d);
    return 0;
}

static void near(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance)) fail_msg("%.9g is not %.9g", value, expected);
}

static const struct wn_evaluation_picture *known(const struct desk *d, struct wn_evaluation_picture *p)
{
    *p = (struct wn_evaluation_picture){d->image, d->top[0], d->top[1], d->truth, d->rival_image, d->elsewhere, 7};
    return p;
}

/* ---- known maps: a trial whose answers are ours ---- */

struct bench {
    struct wn_trial trial;
    struct wn_evaluation_options options;
    struct wn_subject subjects[2];
    struct wn_evaluation_picture picture;
};

static float *map_of(struct bench *b, int subject, enum wn_evaluation_map which)
{
    struct wn_answer *a = &b->trial.answers[subject * WN_MAP_COUNT + which];
    if (!a->map) {
        a->h = b->trial.height;
        a->w = b->trial.width;
        a->map = calloc((size_t)b->trial.pixels, sizeof *a->map);
    }
    return a->map;
}

static void bench_open(struct bench *b, const struct desk *d, int subjects)
{
    *b = (struct bench){.options = {.n_subjects = subjects, .curve_step = 700, .least_second = 0}};
    for (int s = 0; s < subjects; s++) b->subjects[s] = (struct wn_subject){wn_method_find("gradcam"), wn_contrast_find("logit"), WN_LAYER_AUTO};
    b->options.subjects = b->subjects;
    known(d, &b->picture);
    b->trial = (struct wn_trial){d->engine, d->graph->low, d->graph->high, &b->options, &b->picture, d->classes, d->channels, d->h, d->w, d->pixels, d->logits,
                                 d->top[0], d->top[0], d->top[1], NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0};
    b->trial.answers = calloc((size_t)subjects * WN_MAP_COUNT, sizeof *b->trial.answers);
    b->trial.batch = calloc(WN_TRIAL_BATCH * d->floats, sizeof(float));
    b->trial.batch_logits = calloc(WN_TRIAL_BATCH * (size_t)d->classes, sizeof(float));
    b->trial.fill = calloc(d->floats, sizeof(float));
    b->trial.map = calloc((size_t)d->pixels, sizeof(float));
    b->trial.hidden = calloc((size_t)d->pixels, sizeof(bool));
    b->trial.order = calloc((size_t)d->pixels, sizeof(int));
}

static void bench_close(struct bench *b)
{
    for (int i = 0; i < b->options.n_subjects * WN_MAP_COUNT; i++) wn_answer_finish(&b->trial.answers[i]);
    free(b->trial.answers);
    free(b->trial.batch);
    free(b->trial.batch_logits);
    free(b->trial.fill);
    free(b->trial.map);
    free(b->trial.hidden);
    free(b->trial.order);
}

static double value_of(const struct wn_evaluation_metric *m, const double *values, int subject, const char *column)
{
    for (int c = 0; c < m->n_columns; c++)
        if (strcmp(m->columns[c].name, column) == 0) return values[subject * m->n_columns + c];
    fail_msg("metric '%s' has no column '%s'", m->name, column);
    return NAN;
}

static const struct wn_evaluation_metric *run(struct bench *b, const char *name, double *values)
{
    const struct wn_evaluation_metric *m = wn_evaluation_metric_find(name);
    struct wn_error err = {0};
    assert_non_null(m);
    for (int i = 0; i < m->n_columns * b->options.n_subjects; i++) values[i] = NAN;
    if (m->run(&b->trial, values, &err) != WN_OK) fail_msg("%s", err.text);
    return m;
}

static double sigmoid(const float *logits, int a, int b)
{
    return 1 / (1 + exp((double)logits[b] - logits[a]));
}

static double probability(const struct desk *d, const float *logits, int k)
{
    double sum = 0;
    for (int i = 0; i < d->classes; i++) sum += exp((double)logits[i] - logits[k]);
    return 1 / sum;
}

static void masking_nothing_changes_nothing_and_masking_all_leaves_the_fill(void **state)
{
    const struct desk *d = *state;
    struct bench b;
    double values[32];
    float *logits = calloc((size_t)d->classes, sizeof *logits), *zeros = calloc(d->floats, sizeof *zeros);
    bench_open(&b, d, 1);
    for (int i = 0; i < d->pixels; i++) {
        map_of(&b, 0, WN_MAP_FIRST)[i] = 1;
        map_of(&b, 0, WN_MAP_SECOND)[i] = -1;
    }
    const struct wn_evaluation_metric *m = run(&b, "masking", values);
    double as_is = sigmoid(d->logits, d->top[0], d->top[1]);
    near(value_of(m, values, 0, "p.1"), as_is, 1e-9);
    near(value_of(m, values, 0, "p.1") + value_of(m, values, 0, "p.2"), 1, 1e-12);
    near(value_of(m, values, 0, "blur.positive.1"), as_is, 1e-6);
    near(value_of(m, values, 0, "mean.positive.1"), as_is, 1e-6);
    near(value_of(m, values, 0, "zero.negative.2"), 1 - as_is, 1e-6);
    forward(d, zeros, logits);
    near(value_of(m, values, 0, "zero.negative.1"), sigmoid(logits, d->top[0], d->top[1]), 1e-6);
    near(value_of(m, values, 0, "zero.positive.2"), sigmoid(logits, d->top[1], d->top[0]), 1e-6);
    bench_close(&b);
    free(logits);
    free(zeros);
}

static void masking_hides_exactly_the_other_sign(void **state)
{
    const struct desk *d = *state;
    struct bench b;
    struct wn_random random = wn_random_of(5);
    double values[32];
    float *x = malloc(d->floats * sizeof *x), *logits = calloc((size_t)d->classes, sizeof *logits);
    bench_open(&b, d, 1);
    float *map = map_of(&b, 0, WN_MAP_FIRST);
    for (int i = 0; i < d->pixels; i++) map[i] = i % 7 ? (float)wn_random_normal(&random) : 0;
    const struct wn_evaluation_metric *m = run(&b, "masking", values);
    for (int keep = 0; keep < 2; keep++) {
        for (int c = 0; c < d->channels; c++) {
            double mean = 0;
            for (int i = 0; i < d->pixels; i++) mean += d->image[c * d->pixels + i] / (double)d->pixels;
            for (int i = 0; i < d->pixels; i++) {
                bool hide = keep ? map[i] > 0 : map[i] < 0;
                x[c * d->pixels + i] = hide ? (float)mean : d->image[c * d->pixels + i];
            }
        }
        forward(d, x, logits);
        near(value_of(m, values, 0, keep ? "mean.negative.1" : "mean.positive.1"), sigmoid(logits, d->top[0], d->top[1]), 1e-5);
    }
    assert_true(isnan(value_of(m, values, 0, "mean.positive.2"))); /* no such map */
    bench_close(&b);
    free(x);
    free(logits);
}

static void pictures_with_an_unlikely_second_class_are_left_out(void **state)
{
    const struct desk *d = *state;
    struct bench b;
    double values[32];
    bench_open(&b, d, 1);
    b.options.least_second = 0.999;
    map_of(&b, 0, WN_MAP_FIRST)[0] = 1;
    const struct wn_evaluation_metric *m = run(&b, "masking", values);
    for (int c = 0; c < m->n_columns; c++) assert_true(isnan(values[c]));
    bench_close(&b);
}

/* How many pixels each rule hides, read off a picture in which hiding is all that changes the logits: recomputed by hand. */
static void equal_area_hides_as_many_pixels_for_every_method(void **state)
{
    const struct desk *d = *state;
    struct bench b;
    double values[64];
    float *x = malloc(d->floats * sizeof *x), *logits = calloc((size_t)d->classes, sizeof *logits);
    bench_open(&b, d, 2);
    float *few = map_of(&b, 0, WN_MAP_FIRST), *many = map_of(&b, 1, WN_MAP_FIRST);
    for (int i = 0; i < d->pixels; i++) { /* 10 and 30 negative, 20 and 50 positive, the rest 0; all different */
        few[i] = i < 10 ? -1 - i : i >= 100 && i < 120 ? i : 0;
        many[i] = i < 30 ? -1 - i : i >= 200 && i < 250 ? i : 0;
    }
    const struct { const char *metric, *column; bool lowest; int count; } cases[] = {
        {"masking-equal", "zero.positive.1", true, 30},      {"masking-equal", "zero.negative.1", false, 20},
        {"masking-equal-code", "zero.positive.1", true, 20}, {"masking-equal-code", "zero.negative.1", false, 29},
    };
    for (int i = 0; i < 4; i++)
        for (int s = 0; s < 2; s++) {
            const float *map = s ? many : few;
            const struct wn_evaluation_metric *m = run(&b, cases[i].metric, values);
            memcpy(x, d->image, d->floats * sizeof *x);
            bool *gone = calloc((size_t)d->pixels, sizeof *gone);
            for (int n = 0; n < cases[i].count; n++) {
                int at = -1;
                for (int k = 0; k < d->pixels; k++)
                    if (!gone[k] && (at < 0 || (cases[i].lowest ? map[k] < map[at] : map[k] > map[at]))) at = k;
                gone[at] = true;
                for (int c = 0; c < d->channels; c++) x[c * d->pixels + at] = 0;
            }
            free(gone);
            forward(d, x, logits);
            near(value_of(m, values, s, cases[i].column), sigmoid(logits, d->top[0], d->top[1]), 1e-6);
        }
    bench_close(&b);
    free(x);
    free(logits);
}

static void curves_end_where_the_picture_is_and_agree_with_slow_ones(void **state)
{
    const struct desk *d = *state;
    struct bench b;
    struct wn_random random = wn_random_of(6);
    float *x = malloc(d->floats * sizeof *x), *logits = calloc((size_t)d->classes, sizeof *logits);
    bench_open(&b, d, 1);
    float *map = map_of(&b, 0, WN_MAP_CHOSEN);
    for (int i = 0; i < d->pixels; i++) map[i] = (float)wn_random_normal(&random);
    double deletion, insertion;
    run(&b, "deletion", &deletion);
    double sum = 0, score = 0;
    int points = (d->pixels + 699) / 700 + 1;
    for (int k = 0; k < points; k++) {
        for (int i = 0; i < d->pixels; i++) {
            int rank = 0;
            for (int j = 0; j < d->pixels; j++) rank += map[j] > map[i];
            for (int c = 0; c < d->channels; c++) x[c * d->pixels + i] = rank < k * 700 ? 0 : d->image[c * d->pixels + i];
        }
        forward(d, x, logits);
        score = probability(d, logits, d->top[0]);
        sum += k == 0 || k == points - 1 ? score / 2 : score;
        if (k == 0) near(score, probability(d, d->logits, d->top[0]), 1e-6);
    }
    near(deletion, sum / (points - 1), 1e-5);
    /* One step: from the blur straight to the picture. */
    b.options.curve_step = d->pixels;
    run(&b, "insertion", &insertion);
    assert_int_equal(wn_blur(d->image, d->channels, d->h, d->w, wn_rise_taps, 5, WN_BORDER_ZERO, x, NULL), WN_OK);
    forward(d, x, logits);
    near(insertion, (probability(d, logits, d->top[0]) + probability(d, d->logits, d->top[0])) / 2, 1e-6);
    bench_close(&b);
    free(x);
    free(logits);
}

static void confidence_keeps_all_of_a_map_that_shows_all(void **state)
{
    const struct desk *d = *state;
    struct bench b;
    double values[4];
    float *zeros = calloc(d->floats, sizeof *zeros), *logits = calloc((size_t)d->classes, sizeof *logits);
    bench_open(&b, d, 1);
    float *map = map_of(&b, 0, WN_MAP_CHOSEN);
    for (int i = 0; i < d->pixels; i++) map[i] = -3; /* shows nothing */
    const struct wn_evaluation_metric *m = run(&b, "confidence", values);
    forward(d, zeros, logits);
    double before = probability(d, d->logits, d->top[0]), after = probability(d, logits, d->top[0]);
    near(value_of(m, values, 0, "drop"), before > after ? before - after : 0, 1e-6);
    near(value_of(m, values, 0, "increase"), after > before, 0);
    for (int i = 0; i < d->pixels; i++) map[i] = i % 3 ? 4 : i % 2 ? -4 : 2;
    run(&b, "confidence", values);
    for (size_t i = 0; i < d->floats; i++) {
        float shown = map[i % (size_t)d->pixels] / 4;
        zeros[i] = d->image[i] * (shown > 0 ? shown : 0);
    }
    forward(d, zeros, logits);
    after = probability(d, logits, d->top[0]);
    near(value_of(m, values, 0, "drop"), before > after ? before - after : 0, 1e-6);
    near(value_of(m, values, 0, "increase"), after > before, 0);
    bench_close(&b);
    free(zeros);
    free(logits);
}

static void road_removes_the_ends_of_the_order(void **state)
{
    const struct desk *d = *state;
    struct bench b;
    double values[3], change[2] = {0, 0};
    const int percent[] = {20, 40, 60, 80};
    float *x = malloc(d->floats * sizeof *x), *logits = calloc((size_t)d->classes, sizeof *logits);
    bool *hidden = calloc((size_t)d->pixels, sizeof *hidden);
    bench_open(&b, d, 1);
    for (int i = 0; i < d->pixels; i++) map_of(&b, 0, WN_MAP_CHOSEN)[i] = (float)(i * 7919 % d->pixels); /* each value once */
    const struct wn_evaluation_metric *m = run(&b, "road", values);
    for (int k = 0; k < 8; k++) {
        int n = d->pixels * percent[k % 4] / 100;
        for (int i = 0; i < d->pixels; i++) {
            int value = i * 7919 % d->pixels;
            hidden[i] = k < 4 ? value >= d->pixels - n : value < n;
        }
        assert_int_equal(wn_impute(d->image, d->channels, d->h, d->w, hidden, 0.01, 7 + (uint64_t)k, x, NULL), WN_OK);
        forward(d, x, logits);
        change[k / 4] += (probability(d, logits, d->top[0]) - probability(d, d->logits, d->top[0])) / 4;
    }
    near(value_of(m, values, 0, "most"), change[0], 1e-6);
    near(value_of(m, values, 0, "least"), change[1], 1e-6);
    near(value_of(m, values, 0, "combined"), (change[1] - change[0]) / 2, 1e-6);
    bench_close(&b);
    free(x);
    free(logits);
    free(hidden);
}

static void explain(const struct desk *d, const float *x, int target, float *map)
{
    struct wn_question q = {.layer = WN_LAYER_AUTO, .method = wn_method_find("gradcam"), .contrast = wn_contrast_find("logit"), .target = target};
    struct wn_answer a;
    float *logits = calloc((size_t)d->classes, sizeof *logits);
    assert_int_equal(wn_engine_explain(d->engine, &(struct wn_batch){1, &x, 1, &q, NULL, NULL}, logits, &a, NULL, NULL), WN_OK);
    for (int i = 0; i < a.h * a.w; i++) a.map[i] = a.map[i] > 0 ? a.map[i] : 0;
    assert_int_equal(wn_enlarge(a.map, a.h, a.w, false, d->h, d->w, map, NULL), WN_OK);
    wn_answer_finish(&a);
    free(logits);
}

static void rectify(float *map, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += map[i] > 0 ? (double)map[i] : 0;
    for (int i = 0; i < n; i++) map[i] = (float)((map[i] > 0 ? (double)map[i] : 0) / (sum + 1e-8) + 1e-8);
}

static void consistency_compares_the_view_of_the_map_with_the_map_of_the_view(void **state)
{
    const struct desk *d = *state;
    bool mirrored[2] = {false, false};
    size_t bytes = (size_t)d->pixels * sizeof(float);
    float *x = malloc(d->floats * sizeof *x), *map = malloc(bytes), *moved = malloc(bytes), *seen = malloc(bytes);
    for (uint64_t seed = 1; seed < 7; seed++) {
        struct bench b;
        double value, uv = 0, uu = 0, vv = 0;
        bench_open(&b, d, 1);
        b.picture.seed = seed;
        explain(d, d->image, d->top[0], map);
        memcpy(map_of(&b, 0, WN_MAP_CHOSEN), map, bytes);
        run(&b, "consistency", &value);
        struct wn_view view = wn_view_draw(seed, d->h, d->w);
        mirrored[view.flip] = true;
        for (int c = 0; c < d->channels; c++)
            wn_map_view(d->image + c * d->pixels, d->h, d->w, view.y, view.x, view.height, view.width, view.flip, x + c * d->pixels, NULL);
        explain(d, x, d->top[0], seen);
        rectify(map, d->pixels);
        rectify(seen, d->pixels);
        wn_map_view(map, d->h, d->w, view.y, view.x, view.height, view.width, view.flip, moved, NULL);
        for (int i = 0; i < d->pixels; i++) uv += (double)seen[i] * moved[i], uu += (double)seen[i] * seen[i], vv += (double)moved[i] * moved[i];
        near(value, uv / sqrt(uu * vv), 1e-6);
        assert_true(value > 0 && value < 1);
        bench_close(&b);
    }
    assert_true(mirrored[0] && mirrored[1]);
    free(x);
    free(map);
    free(moved);
    free(seen);
}

static void random_logit_asks_about_another_class(void **state)
{
    const struct desk *d = *state;
    for (uint64_t seed = 1; seed < 40; seed++) {
        struct bench b;
        double value;
        bench_open(&b, d, 1);
        b.picture.seed = seed;
        struct wn_answer *a = &b.trial.answers[WN_MAP_CHOSEN];
        struct wn_question q = {.layer = WN_LAYER_AUTO, .method = b.subjects[0].method, .contrast = b.subjects[0].contrast, .target = d->top[0]};
        float *logits = calloc((size_t)d->classes, sizeof *logits);
        const float *image = d->image;
        assert_int_equal(wn_engine_explain(d->engine, &(struct wn_batch){1, &image, 1, &q, NULL, NULL}, logits, a, NULL, NULL), WN_OK);
        run(&b, "random-logit", &value);
        assert_true(value < 0.9999 && value >= -1);
        free(logits);
        bench_close(&b);
    }
}

/* By differences in double steps would drown in single precision: compared with ixg's and gradient's maps instead. */
static void the_gradient_at_the_picture_is_that_of_the_maps(void **state)
{
    const struct desk *d = *state;
    struct wn_question q = {.layer = WN_LAYER_AUTO, .method = wn_method_find("gradient"), .contrast = wn_contrast_find("weighted"), .target = d->top[1]};
    struct wn_answer a;
    const float *image = d->image;
    float *gradient = malloc(d->floats * sizeof *gradient), *logits = calloc((size_t)d->classes, sizeof *logits), largest = 0;
    assert_int_equal(wn_engine_explain(d->engine, &(struct wn_batch){.n_images = 1, .images = &image, .n_questions = 1, .questions = &q}, logits, &a, NULL, NULL), WN_OK);
    assert_int_equal(wn_engine_gradient(d->engine, image, &q, logits, gradient, NULL), WN_OK);
    for (int i = 0; i < d->pixels; i++) largest = fmaxf(largest, fabsf(a.map[i]));
    for (int i = 0; i < d->pixels; i++) {
        double sum = 0;
        for (int c = 0; c < d->channels; c++) sum += gradient[c * d->pixels + i];
        near(sum, a.map[i], 1e-5 * largest);
    }
    wn_answer_finish(&a);
    free(gradient);
    free(logits);
}

static void one_sign_step_is_a_step_of_eps_along_the_sign(void **state)
{
    const struct desk *d = *state;
    struct bench b;
    double values[32];
    float *gradient = malloc(d->floats * sizeof *gradient), *x = malloc(d->floats * sizeof *x), *logits = calloc((size_t)d->classes, sizeof *logits);
    bench_open(&b, d, 2);
    b.subjects[0] = (struct wn_subject){wn_method_find("gradient"), wn_contrast_find("weighted"), WN_LAYER_AUTO};
    const struct wn_evaluation_metric *m = run(&b, "gradient-sign", values);
    struct wn_question q = {.layer = WN_LAYER_AUTO, .method = b.subjects[0].method, .contrast = b.subjects[0].contrast, .target = d->top[0]};
    assert_int_equal(wn_engine_gradient(d->engine, d->image, &q, logits, gradient, NULL), WN_OK);
    for (size_t i = 0; i < d->floats; i++) {
        int c = (int)(i / (size_t)d->pixels);
        double low = d->graph->low[c], span = (double)d->graph->high[c] - low, p = (d->image[i] - low) / span;
        double moved = p + 1e-3 * ((gradient[i] > 0) - (gradient[i] < 0)), least = fmax(p - 1e-3, 0), most = fmin(p + 1e-3, 1);
        x[i] = (float)(low + span * fmin(fmax(moved, least), most));
    }
    forward(d, x, logits);
    near(value_of(m, values, 0, "logit.1"), (double)logits[d->top[0]] - d->logits[d->top[0]], 2e-3);
    near(value_of(m, values, 0, "probability.1"), probability(d, logits, d->top[0]) - probability(d, d->logits, d->top[0]), 2e-4);
    assert_true(value_of(m, values, 0, "probability.10") >= value_of(m, values, 0, "probability.1") - 1e-4);
    assert_true(isnan(value_of(m, values, 1, "logit.1"))); /* Grad-CAM says nothing of single pixels */
    bench_close(&b);
    free(gradient);
    free(x);
    free(logits);
}

static void weighted_and_cross_entropy_signs_make_the_same_picture(void **state)
{
    const struct desk *d = *state;
    float *a = malloc(d->floats * sizeof *a), *b = malloc(d->floats * sizeof *b), *logits = calloc((size_t)d->classes, sizeof *logits);
    const int foil = d->top[0];
    struct wn_question weighted = {.method = wn_method_find("gradient"), .contrast = wn_contrast_find("weighted"), .target = d->top[0]};
    struct wn_question crossed = {.method = wn_method_find("gradient"), .contrast = wn_contrast_find("cross-entropy"), .target = d->top[0], .foils = &foil, .n_foils = 1};
    assert_int_equal(wn_engine_gradient(d->engine, d->image, &weighted, logits, a, NULL), WN_OK);
    assert_int_equal(wn_engine_gradient(d->engine, d->image, &crossed, logits, b, NULL), WN_OK);
    int differ = 0;
    for (size_t i = 0; i < d->floats; i++) differ += (a[i] > 0) - (a[i] < 0) != (b[i] < 0) - (b[i] > 0);
    assert_true(differ <= (int)(d->floats / 1000)); /* gradients that are 0 but for rounding */
    free(a);
    free(b);
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
    assert_int_equal(wn_graph_load(model, &how, &shuffled, NULL), WN_OK);
    assert_int_equal(wn_engine_create(shuffled, &(struct wn_engine_options){.backend = "auto", .device.threads = 1}, &engine, NULL), WN_OK);
    assert_int_equal(wn_engine_explain(engine, &(struct wn_batch){.n_images = 1, .images = &image}, logits, NULL, NULL, NULL), WN_OK);
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

static void a_perfect_map_lies_on_the_object_and_a_uniform_one_on_its_area(void **state)
{
    const struct desk *d = *state;
    struct bench b;
    double values[8];
    bench_open(&b, d, 2);
    for (int i = 0; i < d->pixels; i++) {
        map_of(&b, 0, WN_MAP_CHOSEN)[i] = d->truth[i] ? 2 : -1;
        map_of(&b, 1, WN_MAP_CHOSEN)[i] = 1;
    }
    const struct wn_evaluation_metric *m = run(&b, "content", values);
    near(value_of(m, values, 0, "inside"), 1, 1e-9);
    near(value_of(m, values, 1, "inside"), 600.0 / d->pixels, 1e-9);
    near(value_of(m, values, 1, "area"), 600.0 / d->pixels, 1e-9);
    m = run(&b, "pointing", values);
    near(value_of(m, values, 0, "hit"), 1, 0);
    near(value_of(m, values, 0, "exact"), 1, 0);
    near(value_of(m, values, 1, "hit"), 0, 0); /* the first pixel of all, far away */
    bench_close(&b);
}

static void contrast_truth_is_perfect_for_the_truth_and_empty_for_its_reverse(void **state)
{
    const struct desk *d = *state;
    struct bench b;
    double values[32];
    float *x = malloc(d->floats * sizeof *x), *logits = calloc((size_t)d->classes, sizeof *logits);
    bench_open(&b, d, 2);
    for (int i = 0; i < d->pixels; i++) {
        float right = d->truth[i] ? 1 : -1e-6f;
        map_of(&b, 0, WN_MAP_PAIR)[i] = right;
        map_of(&b, 0, WN_MAP_REVERSED)[i] = -right;
        map_of(&b, 1, WN_MAP_PAIR)[i] = -right;
        map_of(&b, 1, WN_MAP_REVERSED)[i] = -right;
    }
    const struct wn_evaluation_metric *m = run(&b, "contrast-truth", values);
    const char *perfect[] = {"mass", "peak", "near", "rank", "reversed.mass", "reversed.peak", "opposite"};
    for (int i = 0; i < 7; i++) near(value_of(m, values, 0, perfect[i]), 1, 1e-9);
    near(value_of(m, values, 1, "mass"), 0, 1e-9);
    near(value_of(m, values, 1, "rank"), -1, 1e-9);
    near(value_of(m, values, 1, "opposite"), 0, 0);
    near(value_of(m, values, 1, "area"), 600.0 / d->pixels, 1e-9);
    for (size_t i = 0; i < d->floats; i++) x[i] = d->truth[i % (size_t)d->pixels] ? d->rival_image[i] : d->image[i];
    forward(d, x, logits);
    near(value_of(m, values, 0, "paste.left"), sigmoid(logits, d->top[0], d->top[1]), 1e-6);
    near(value_of(m, values, 0, "paste.turns"), wn_argmax(logits, d->classes) == d->top[1], 0);
    m = run(&b, "counterfactual", values);
    forward(d, d->rival_image, logits);
    near(value_of(m, values, 0, "turns"), wn_argmax(logits, d->classes) == d->top[1], 0);
    forward(d, d->elsewhere, logits);
    near(value_of(m, values, 1, "stays"), wn_argmax(logits, d->classes) == d->top[0], 0);
    bench_close(&b);
    free(x);
    free(logits);
}

/* ---- whole evaluations ---- */

static double *evaluate(const struct desk *d, const struct wn_evaluation_options *o, const struct wn_evaluation_picture *p, int *n,
                        struct wn_error *refused)
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

static void every_metric_answers_within_its_range_and_the_same_twice(void **state)
{
    const struct desk *d = *state;
    const struct wn_subject subjects[] = {{wn_method_find("gradcam"), wn_contrast_find("weighted"), WN_LAYER_AUTO},
                                          {wn_method_find("ixg"), wn_contrast_find("pair"), WN_LAYER_AUTO}};
    const struct wn_evaluation_metric *metrics[64];
    struct wn_evaluation_options o = {.subjects = subjects, .n_subjects = 2, .metrics = metrics};
    struct wn_evaluation_picture p;
    while (wn_evaluation_metric_at(o.n_metrics)) metrics[o.n_metrics] = wn_evaluation_metric_at(o.n_metrics), o.n_metrics++;
    int n, again;
    struct wn_error refused = {0};
    double *a = evaluate(d, &o, known(d, &p), &n, &refused), *b = evaluate(d, &o, &p, &again, &refused);
    assert_int_equal(refused.code, WN_OK);
    assert_int_equal(n, again);
    for (int i = 0; i < n; i++) {
        if (isnan(a[i]) && isnan(b[i])) continue; /* no network with shuffled weights, no gradient method */
        if (!(a[i] >= -1 && a[i] <= 1)) fail_msg("number %d is %g", i, a[i]);
        assert_true(a[i] == b[i]);
    }
    free(a);
    free(b);
}

static void what_a_picture_does_not_know_is_left_out(void **state)
{
    const struct desk *d = *state;
    const struct wn_subject subject = {wn_method_find("gradcam"), wn_contrast_find("logit"), WN_LAYER_AUTO};
    const struct wn_evaluation_metric *metrics[] = {wn_evaluation_metric_find("content"), wn_evaluation_metric_find("contrast-truth"), wn_evaluation_metric_find("deletion")};
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
    const struct wn_evaluation_metric *metrics[] = {wn_evaluation_metric_find("content"), wn_evaluation_metric_find("pointing")};
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

/* ---- curves and masks at their ends ---- */

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
        struct wn_question q = {.layer = WN_LAYER_AUTO, .method = subject.method, .contrast = subject.contrast, .target = d->top[k]};
        assert_int_equal(wn_engine_explain(d->engine, &(struct wn_batch){1, &image, 1, &q, NULL, NULL}, logits, &b.trial.answers[k ? WN_MAP_SECOND : WN_MAP_FIRST], NULL, NULL), WN_OK);
    }
    run(&b, "masking", expected);
    for (int i = 0; i < n; i++) near(values[i], expected[i], 1e-9);
    bench_close(&b);
    free(values);
    free(logits);
}

static void insertion_is_deletion_in_reversed_order(void **state)
{
    const struct desk *d = *state;
    struct bench b;
    struct wn_random random = wn_random_of(8);
    float *zeros = calloc(d->floats, sizeof *zeros);
    double there[13], back[13];
    bench_open(&b, d, 1);
    b.options.curve_step = d->pixels / 12;
    assert_int_equal(d->pixels % 12, 0);
    for (int i = 0; i < d->pixels; i++) b.trial.map[i] = (float)wn_random_normal(&random);
    assert_int_equal(wn_saliency_order(b.trial.map, d->pixels, b.trial.order, NULL), WN_OK);
    assert_int_equal(wn_trial_curve(&b.trial, d->image, zeros, 13, there, NULL), WN_OK);
    for (int i = 0; i < d->pixels / 2; i++) {
        int last = b.trial.order[d->pixels - 1 - i];
        b.trial.order[d->pixels - 1 - i] = b.trial.order[i];
        b.trial.order[i] = last;
    }
    assert_int_equal(wn_trial_curve(&b.trial, zeros, d->image, 13, back, NULL), WN_OK);
    near(there[0], probability(d, d->logits, d->top[0]), 1e-6);
    near(back[12], there[0], 1e-6);
    double widest = 0;
    for (int k = 0; k < 13; k++) {
        near(there[k], back[12 - k], 1e-6);
        widest = fmax(widest, fabs(there[k] - there[0]));
    }
    assert_true(widest > 1e-3); /* else the curves would agree whatever they are */
    bench_close(&b);
    free(zeros);
}

static void a_view_of_the_whole_picture_agrees_wholly(void **state)
{
    const struct desk *d = *state;
    struct bench b;
    double value;
    bench_open(&b, d, 1);
    for (b.picture.seed = 1; b.picture.seed < 10000000; b.picture.seed++) { /* until the view is the picture itself */
        struct wn_view v = wn_view_draw(b.picture.seed, d->h, d->w);
        if (v.height == d->h && v.width == d->w && !v.flip) break;
    }
    assert_true(b.picture.seed < 10000000);
    explain(d, d->image, d->top[0], map_of(&b, 0, WN_MAP_CHOSEN));
    run(&b, "consistency", &value);
    near(value, 1, 1e-6);
    bench_close(&b);
}

static void ten_sign_steps_stay_within_eps_and_a_pixels_range(void **state)
{
    const struct desk *d = *state;
    struct bench b;
    double values[16];
    bench_open(&b, d, 1);
    b.subjects[0] = (struct wn_subject){wn_method_find("gradient"), wn_contrast_find("logit"), WN_LAYER_AUTO};
    run(&b, "gradient-sign", values); /* the last of its runs takes ten steps */
    const float *before = wn_trial_picture(&b.trial, 1), *after = wn_trial_picture(&b.trial, 2);
    double furthest = 0;
    for (size_t i = 0; i < d->floats; i++) {
        if (!(before[i] >= 0 && before[i] <= 1)) continue; /* no pixel of a picture, only noise of this one */
        furthest = fmax(furthest, fabs((double)after[i] - before[i]));
        assert_true(after[i] >= 0 && after[i] <= 1);
    }
    assert_true(furthest <= 1e-3 + 1e-7 && furthest > 0.9e-3);
    bench_close(&b);
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
    model = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masking_nothing_changes_nothing_and_masking_all_leaves_the_fill),
        cmocka_unit_test(masking_hides_exactly_the_other_sign),
        cmocka_unit_test(pictures_with_an_unlikely_second_class_are_left_out),
        cmocka_unit_test(equal_area_hides_as_many_pixels_for_every_method),
        cmocka_unit_test(curves_end_where_the_picture_is_and_agree_with_slow_ones),
        cmocka_unit_test(confidence_keeps_all_of_a_map_that_shows_all),
        cmocka_unit_test(road_removes_the_ends_of_the_order),
        cmocka_unit_test(consistency_compares_the_view_of_the_map_with_the_map_of_the_view),
        cmocka_unit_test(random_logit_asks_about_another_class),
        cmocka_unit_test(the_gradient_at_the_picture_is_that_of_the_maps),
        cmocka_unit_test(one_sign_step_is_a_step_of_eps_along_the_sign),
        cmocka_unit_test(weighted_and_cross_entropy_signs_make_the_same_picture),
        cmocka_unit_test(shuffled_weights_are_the_same_weights_and_another_network),
        cmocka_unit_test(a_perfect_map_lies_on_the_object_and_a_uniform_one_on_its_area),
        cmocka_unit_test(contrast_truth_is_perfect_for_the_truth_and_empty_for_its_reverse),
        cmocka_unit_test(every_metric_answers_within_its_range_and_the_same_twice),
        cmocka_unit_test(what_a_picture_does_not_know_is_left_out),
        cmocka_unit_test(what_is_asked_of_the_picture_takes_one_forward_pass),
        cmocka_unit_test(the_maps_are_of_the_first_and_the_second_class),
        cmocka_unit_test(insertion_is_deletion_in_reversed_order),
        cmocka_unit_test(a_view_of_the_whole_picture_agrees_wholly),
        cmocka_unit_test(ten_sign_steps_stay_within_eps_and_a_pixels_range),
        cmocka_unit_test(comparing_metrics_need_something_to_compare),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
