/* A network on a bench, asked as a client would. Knows no method. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

#include "graph.h"

/* Keeps the first ReLU open, so that what lies behind it decides how smooth the network is. */
static void lift_the_stem(struct wn_graph *g)
{
    for (int i = 0; i < g->n_values; i++) {
        struct wn_tensor *t = g->constants[i];
        if (t && t->f && strcmp(g->value_names[i], "conv.bias") == 0)
            for (int64_t k = 0; k < t->shape.dim[0]; k++) t->f[k] += 2.5f;
    }
}

struct bench open_smooth(const char *network)
{
    struct bench b = {.graph = small_load(network)};
    lift_the_stem(b.graph);
    b.engine = small_engine(b.graph, 1, 1, NULL);
    return b;
}

struct bench open_bench(const char *network, int room)
{
    struct wn_graph *g = small_load(network);
    return (struct bench){g, small_engine(g, room, room, NULL)};
}

void close_bench(struct bench *b)
{
    wn_engine_destroy(b->engine);
    wn_graph_destroy(b->graph);
}

void set(struct wn_question *q, enum wn_setting which, const char *text)
{
    struct wn_error err = {0};
    if (wn_setting_set(&q->settings, which, text, &err) != WN_OK) fail_msg("%s", err.text);
}

void ask(struct bench *b, struct wn_question *q, int n, struct wn_answer *a)
{
    const float *images[IMAGES];
    struct wn_error err = {0};
    float *y = calloc((size_t)(IMAGES * wn_graph_classes(b->graph)), sizeof *y);
    for (int i = 0; i < IMAGES; i++) images[i] = pictures[i];
    struct wn_batch batch = {.n_images = IMAGES, .images = images, .n_questions = n, .questions = q};
    if (wn_engine_explain(b->engine, &batch, y, a, NULL, &err) != WN_OK) fail_msg("%s", err.text);
    free(y);
}

struct wn_answer one(struct bench *b, struct wn_question q)
{
    struct wn_answer a;
    ask(b, &q, 1, &a);
    if (a.error.code != WN_OK) fail_msg("%s with %s: %s", q.method->name, q.contrast->name, a.error.text);
    return a;
}

struct wn_answer with(struct bench *b, const char *method, enum wn_setting which, const char *value)
{
    struct wn_question q = question(0, method, "pair", 1);
    if (value) set(&q, which, value);
    return one(b, q);
}
