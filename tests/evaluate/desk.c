/* The desk and the bench: knows no metric. */
#include "desk.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"

const char *desk_model;

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

void desk_forward(const struct desk *d, const float *x, float *logits)
{
    assert_int_equal(
        wn_engine_explain(d->engine, &(struct wn_batch){1, &x, 0, NULL, NULL, NULL, NULL}, logits, NULL, NULL, NULL),
        WN_OK);
}

int desk_set_up(void **state)
{
    struct desk *d = calloc(1, sizeof *d);
    struct wn_error err = {0};
    struct wn_engine_options options = {.backend = "auto"};
    options.device.threads = 1;
    const float low[] = {-2, -2, -2}, high[] = {2, 2.5f, 2};
    const struct wn_graph_options bounds = {.low = low, .high = high, .n_bounds = 3};
    if (wn_graph_load(desk_model, &bounds, &d->graph, &err) != WN_OK) fail_msg("%s", err.text);
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
    desk_forward(d, d->image, d->logits);
    wn_top(d->logits, d->classes, 3, d->top);
    for (int y = 10; y < 30; y++)
        for (int x = 40; x < 70; x++) d->truth[y * d->w + x] = 1;
    *state = d;
    return 0;
}

int desk_tear_down(void **state)
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

void near(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance)) fail_msg("%.9g is not %.9g", value, expected);
}

const struct wn_evaluation_picture *known(const struct desk *d, struct wn_evaluation_picture *p)
{
    *p = (struct wn_evaluation_picture){d->image, d->top[0], d->top[1], d->truth, d->rival_image, d->elsewhere, 7};
    return p;
}

float *map_of(struct bench *b, int subject, enum wn_evaluation_map which)
{
    struct wn_answer *a = &b->trial.answers[subject * WN_MAP_COUNT + which];
    if (!a->map) {
        a->h = b->trial.height;
        a->w = b->trial.width;
        a->map = calloc((size_t)b->trial.pixels, sizeof *a->map);
    }
    return a->map;
}

void bench_open(struct bench *b, const struct desk *d, int subjects)
{
    *b = (struct bench){.options = {.n_subjects = subjects, .curve_step = 700, .least_second = 0}};
    for (int s = 0; s < subjects; s++)
        b->subjects[s] = (struct wn_subject){wn_method_find("gradcam"), wn_contrast_find("logit"), WN_LAYER_AUTO};
    b->options.subjects = b->subjects;
    known(d, &b->picture);
    assert_int_equal(wn_trial_open(&b->trial, d->engine, d->graph, &b->options, NULL), WN_OK);
    b->trial.picture = &b->picture;
    b->trial.logits = d->logits;
    b->trial.chosen = b->trial.first = d->top[0];
    b->trial.second = d->top[1];
}

void bench_close(struct bench *b)
{
    for (int i = 0; i < b->options.n_subjects * WN_MAP_COUNT; i++) wn_answer_finish(&b->trial.answers[i]);
    wn_trial_close(&b->trial);
}

double value_of(const struct wn_evaluation_metric *m, const double *values, int subject, const char *column)
{
    for (int c = 0; c < m->n_columns; c++)
        if (strcmp(m->columns[c].name, column) == 0) return values[subject * m->n_columns + c];
    fail_msg("metric '%s' has no column '%s'", m->name, column);
    return NAN;
}

const struct wn_evaluation_metric *run(struct bench *b, const char *name, double *values)
{
    const struct wn_evaluation_metric *m = wn_evaluation_metric_find(name);
    struct wn_error err = {0};
    assert_non_null(m);
    for (int i = 0; i < m->n_columns * b->options.n_subjects; i++) values[i] = NAN;
    if (m->run(&b->trial, values, &err) != WN_OK) fail_msg("%s", err.text);
    return m;
}

double sigmoid(const float *logits, int a, int b)
{
    return 1 / (1 + exp((double)logits[b] - logits[a]));
}

double probability(const struct desk *d, const float *logits, int k)
{
    double sum = 0;
    for (int i = 0; i < d->classes; i++) sum += exp((double)logits[i] - logits[k]);
    return 1 / sum;
}
