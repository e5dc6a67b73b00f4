/* A small network on a bench, asked by one method or another: what the tests of methods share. Everything here fails
 * the test where it fails. */
#ifndef WN_TESTS_METHODS_BENCH_H
#define WN_TESTS_METHODS_BENCH_H

#include "small.h"

struct bench {
    struct wn_graph *graph;
    struct wn_engine *engine;
};

struct bench open_bench(const char *network, int room); /* room: images and rows of one run */
/* The same with the first ReLU kept open, so that what lies behind it decides how smooth the network is. */
struct bench open_smooth(const char *network);
void close_bench(struct bench *b);

void set(struct wn_question *q, enum wn_setting which, const char *text);
/* n questions about all pictures at once; answers are the caller's. */
void ask(struct bench *b, struct wn_question *q, int n, struct wn_answer *a);
struct wn_answer one(struct bench *b, struct wn_question q); /* that has an answer */
/* Of "pair" and class 1, with one setting; value NULL: as it stands. */
struct wn_answer with(struct bench *b, const char *method, enum wn_setting which, const char *value);

#endif
