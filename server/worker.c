/* Workers: each owns one engine a model and turns waiting pictures into answers; knows neither HTTP nor files. */
#include "worker.h"

#include "log.h"
#include "metrics.h"
#include "questions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_WORKERS 256
#define MOST_BATCH 1024
#define CPU_BATCH 4 /* a backend that gains from no more is one that computes on this machine's cores */

struct wn_worker {
    struct wn_workers *all;
    int number;
    pthread_t thread;
    struct wn_engine **engines; /* one a model; NULL where it failed */
    int *most;                  /* images of one run, by model */
    struct wn_error *why;       /* by model */
};

/* ---- engines ---- */

/* The first answer of an engine pays for what backends put off: let it be asked by nobody. */
static enum wn_code warm_up(struct wn_engine *engine, const struct wn_model *m, struct wn_error *err)
{
    const struct wn_graph *g = m->graph;
    size_t pixels = (size_t)(wn_graph_channels(g) * wn_graph_height(g) * wn_graph_width(g));
    float *input = calloc(pixels, sizeof *input), *logits = calloc((size_t)m->classes, sizeof *logits);
    enum wn_code code = WN_NO_MEMORY;
    struct wn_question q = {
        .layer = m->layer, .method = wn_method_at(0), .contrast = wn_contrast_find("logit"), .target = 0};
    struct wn_answer a = {0};
    const float *images[1] = {input};
    struct wn_batch batch = {1, images, 1, &q};
    if (input && logits) code = wn_engine_explain(engine, &batch, logits, &a, NULL, err);
    bool harmless =
        a.error.code == WN_BAD_NUMBERS || a.error.code == WN_NO_SUCH_LAYER; /* of a grey picture, of this method */
    if (code == WN_OK && a.error.code != WN_OK && !harmless) code = wn_fail(err, a.error.code, "%s", a.error.text);
    wn_answer_finish(&a);
    free(input);
    free(logits);
    return code;
}

static enum wn_code make_engine(struct wn_worker *w, int i)
{
    const struct wn_config *c = w->all->config;
    struct wn_model *m = &w->all->models->list[i];
    struct wn_engine_options options = {.backend = c->backend, .max_images = (int)c->max_batch_size};
    options.device = (struct wn_backend_options){(int)c->device, wn_precision_find(c->precision), (int)c->threads};
    struct wn_backend_traits traits;
    int64_t begin = wn_now_ns();
    enum wn_code code = wn_engine_create(m->graph, &options, &w->engines[i], &w->why[i]);
    if (code == WN_OK) code = warm_up(w->engines[i], m, &w->why[i]);
    if (code != WN_OK) {
        wn_engine_destroy(w->engines[i]);
        w->engines[i] = NULL;
        return code;
    }
    wn_engine_traits(w->engines[i], &traits);
    w->most[i] = traits.images < 1 ? 1 : traits.images > MOST_BATCH ? MOST_BATCH : traits.images;
    if (w->number == 0) {
        m->warmup_ms = (double)(wn_now_ns() - begin) * 1e-6;
        m->device_bytes = traits.device_bytes;
        snprintf(m->device, sizeof m->device, "%s", traits.device_name);
        m->precision = traits.precision;
    }
    return WN_OK;
}

static void make_engines(struct wn_worker *w)
{
    for (int i = 0; i < w->all->models->n && !atomic_load(&w->all->stop); i++) {
        struct wn_model *m = &w->all->models->list[i];
        if (atomic_load(&m->state) == WN_MODEL_FAILED) continue;
        if (make_engine(w, i) != WN_OK) wn_log("error", "worker %d: model %s: %s", w->number, m->name, w->why[i].text);
    }
    atomic_fetch_add(&w->all->warm, 1);
}

/* ---- a batch ---- */

static void fail_items(struct wn_item **items, int n, const struct wn_error *why)
{
    for (int i = 0; i < n; i++) wn_problem_set(&items[i]->problem, NULL, why->code, "%s", why->text);
}

/* A network with one output has two classes: the logits 0 and y. */
static void keep_logits(struct wn_item *item, const float *logits)
{
    int k = wn_graph_classes(item->model->graph);
    if (k == 1) item->logits[0] = 0;
    memcpy(item->logits + (k == 1), logits, (size_t)k * sizeof *logits);
}

/* Asks the engine about n items at once. plan_only: no questions, just the logits. */
static enum wn_code ask(struct wn_engine *engine, struct wn_item **items, int n, bool plan_only, struct wn_error *err)
{
    size_t k = (size_t)wn_graph_classes(items[0]->model->graph), n_questions = 0;
    for (int i = 0; i < n && !plan_only; i++) n_questions += (size_t)items[i]->n_questions;
    const float **images = calloc((size_t)n, sizeof *images);
    float *logits = calloc((size_t)n * k, sizeof *logits);
    struct wn_question *questions = calloc(n_questions + 1, sizeof *questions);
    struct wn_answer *answers = calloc(n_questions + 1, sizeof *answers);
    struct wn_engine_times times = {0};
    enum wn_code code = WN_NO_MEMORY;
    if (!images || !logits || !questions || !answers) {
        wn_fail(err, code, "no memory for a batch of %d", n);
        goto free_all;
    }
    for (int i = 0, at = 0; i < n; i++) {
        images[i] = items[i]->input;
        for (int q = 0; q < items[i]->n_questions && !plan_only; q++, at++) {
            questions[at] = items[i]->questions[q];
            questions[at].image = i;
        }
    }
    struct wn_batch batch = {n, images, (int)n_questions, questions};
    code = wn_engine_explain(engine, &batch, logits, answers, &times, err);
    for (int i = 0, at = 0; i < n && code == WN_OK; i++) {
        keep_logits(items[i], logits + (size_t)i * k);
        items[i]->forward_ms += times.forward_ms / n;
        items[i]->backward_ms += times.backward_ms / n;
        for (int q = 0; q < items[i]->n_questions && !plan_only; q++) items[i]->answers[q] = answers[at++];
    }
    if (code != WN_OK)
        for (size_t i = 0; i < n_questions; i++) wn_answer_finish(&answers[i]);
free_all:
    free(images);
    free(logits);
    free(questions);
    free(answers);
    return code;
}

static void count(struct wn_item **items, int n)
{
    wn_metric_observe(WN_METRIC_BATCH, 0, 0, n);
    for (int i = 0; i < n; i++) {
        wn_metric_observe(WN_METRIC_WAIT, 0, 0, items[i]->queue_ms * 1e-3);
        wn_metric_observe(WN_METRIC_STAGE, WN_TIME_FORWARD, 0, items[i]->forward_ms * 1e-3);
        wn_metric_observe(WN_METRIC_STAGE, WN_TIME_BACKWARD, 0, items[i]->backward_ms * 1e-3);
        for (int q = 0; q < items[i]->n_questions; q++) {
            int method = 0, contrast = 0;
            while (wn_method_at(method) != items[i]->questions[q].method) method++;
            while (wn_contrast_at(contrast) != items[i]->questions[q].contrast) contrast++;
            wn_metric_add(WN_METRIC_EXPLANATIONS, method, contrast, 1);
        }
    }
}

static void run_batch(struct wn_worker *w, struct wn_item **items, int n)
{
    int model = (int)(items[0]->model - w->all->models->list), unplanned = 0;
    struct wn_item *first[MOST_BATCH];
    struct wn_error err = {0};
    if (!w->engines[model]) {
        wn_fail(&err, WN_NOT_READY, "this model has no engine: %s", w->why[model].text);
        fail_items(items, n, &err);
        return;
    }
    for (int i = 0; i < n; i++)
        if (items[i]->needs_logits) first[unplanned++] = items[i];
    enum wn_code code = unplanned ? ask(w->engines[model], first, unplanned, true, &err) : WN_OK;
    for (int i = 0; i < unplanned && code == WN_OK; i++) wn_item_plan(first[i], first[i]->logits);
    if (code == WN_OK) code = ask(w->engines[model], items, n, false, &err);
    if (code != WN_OK)
        fail_items(items, n, &err);
    else
        count(items, n);
}

static void *work(void *arg)
{
    struct wn_worker *w = arg;
    struct wn_item *items[MOST_BATCH];
    int n;
    make_engines(w);
    while ((n = wn_queue_take(w->all->queue, w->all->models->list, w->most, w->all->config->max_queue_delay_us, items,
                              MOST_BATCH))) {
        run_batch(w, items, n);
        for (int i = 0; i < n; i++) wn_queue_done(w->all->queue, items[i]);
    }
    for (int i = 0; i < w->all->models->n; i++) wn_engine_destroy(w->engines[i]);
    return NULL;
}

/* ---- life ---- */

static void forget(struct wn_worker *w)
{
    free(w->engines);
    free(w->most);
    free(w->why);
}

static enum wn_code start_one(struct wn_workers *all, struct wn_error *err)
{
    struct wn_worker *w = &all->list[all->n];
    size_t n = (size_t)all->models->n;
    w->all = all;
    w->number = all->n;
    w->engines = calloc(n, sizeof *w->engines);
    w->most = calloc(n, sizeof *w->most);
    w->why = calloc(n, sizeof *w->why);
    bool room = w->engines && w->most && w->why;
    for (size_t i = 0; i < n && room; i++) w->most[i] = 1;
    if (!room || pthread_create(&w->thread, NULL, work, w) != 0) {
        forget(w);
        return wn_fail(err, WN_NO_MEMORY, "worker %d cannot be started", w->number);
    }
    all->n++;
    return WN_OK;
}

enum wn_code wn_workers_start(struct wn_workers *w, const struct wn_config *config, struct wn_models *models,
                              struct wn_queue *queue, struct wn_error *err)
{
    *w = (struct wn_workers){.config = config, .models = models, .queue = queue};
    w->list = calloc(MOST_WORKERS, sizeof *w->list);
    if (!w->list) return wn_fail(err, WN_NO_MEMORY, "no memory for workers");
    return start_one(w, err);
}

enum wn_code wn_workers_grow(struct wn_workers *w, struct wn_error *err)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN), wanted = w->config->workers;
    int gains = 1;
    for (int i = 0; i < w->models->n; i++)
        if (w->list[0].most[i] > gains) gains = w->list[0].most[i];
    if (!wanted) wanted = gains > CPU_BATCH ? 1 : cores / (w->config->threads < cores ? w->config->threads : cores);
    if (wanted > MOST_WORKERS) wanted = MOST_WORKERS;
    enum wn_code code = WN_OK;
    while (w->n < wanted && code == WN_OK) code = start_one(w, err);
    return code;
}

void wn_workers_open(struct wn_workers *w)
{
    for (int i = 0; i < w->models->n; i++) {
        struct wn_model *m = &w->models->list[i];
        if (atomic_load(&m->state) == WN_MODEL_FAILED) continue;
        for (int k = 0; k < w->n; k++)
            if (!w->list[k].engines[i]) wn_fail(&m->why, WN_NOT_READY, "%s", w->list[k].why[i].text);
        atomic_store(&m->state, m->why.code == WN_OK ? WN_MODEL_READY : WN_MODEL_FAILED);
    }
}

void wn_workers_stop(struct wn_workers *w)
{
    atomic_store(&w->stop, true);
    for (int i = 0; i < w->n; i++) {
        pthread_join(w->list[i].thread, NULL);
        forget(&w->list[i]);
    }
    free(w->list);
    *w = (struct wn_workers){0};
}
