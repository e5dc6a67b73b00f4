/* A network on a desk, and a trial on a bench whose maps are the test's own: what the tests of metrics share. */
#ifndef WN_TESTS_EVALUATE_DESK_H
#define WN_TESTS_EVALUATE_DESK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <whynot/whynot.h>

#include "evaluate/trial.h"
#include "graph.h"

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

extern const char *desk_model; /* file of the network */
/* The desk as cmocka's state, and its end. */
int desk_set_up(void **state);
int desk_tear_down(void **state);

void desk_forward(const struct desk *d, const float *x, float *logits);
/* The desk's picture with all that a picture can be known by. */
const struct wn_evaluation_picture *known(const struct desk *d, struct wn_evaluation_picture *p);

double sigmoid(const float *logits, int a, int b);
double probability(const struct desk *d, const float *logits, int k);
void near(double value, double expected, double tolerance); /* or fails */

/* ---- known maps: a trial whose answers are ours ---- */

struct bench {
    struct wn_trial trial;
    struct wn_evaluation_options options;
    struct wn_subject subjects[2];
    struct wn_evaluation_picture picture;
};

void bench_open(struct bench *b, const struct desk *d, int subjects);
void bench_close(struct bench *b);
/* H*W zeros where there was none; the bench's */
float *map_of(struct bench *b, int subject, enum wn_evaluation_map which);
/* Runs a metric on the bench; values: subjects * its columns. */
const struct wn_evaluation_metric *run(struct bench *b, const char *name, double *values);
double value_of(const struct wn_evaluation_metric *m, const double *values, int subject, const char *column);

#endif
