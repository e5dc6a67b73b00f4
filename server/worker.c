/* Workers: each has its own engine of every model and turns waiting pictures into answers; knows neither HTTP nor
 * files. */
#include "worker.h"

#include "batch.h"
#include "engines.h"
#include "guard.h"
#include "metrics.h"
#include "predraw.h"
#include "stacked.h"
#include "stacks.h"

#include <stdlib.h>
#include <string.h>

#define MOST_BATCH 1024

struct wn_worker {
    struct wn_workers *all;
    int number;
    pthread_t thread;
    /* of the batch that runs */
    struct wn_item *items[MOST_BATCH], *ordinary[MOST_BATCH], *stacked[MOST_BATCH], *again[MOST_BATCH];
};

/* ---- a batch ---- */

static void fail_items(struct wn_item **items, int n, const struct wn_error *why)
{
    for (int i = 0; i < n; i++) wn_problem_set(&items[i]->problem, NULL, why->code, "%s", why->text);
}

static void count(struct wn_item **items, int n)
{
    wn_metric_observe(WN_METRIC_BATCH, 0, 0, n);
    for (int i = 0; i < n; i++) {
        if (items[i]->problem.error.code != WN_OK) continue;
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

static bool lacked_memory(const struct wn_item *item)
{
    for (int i = 0; i < item->n_questions; i++)
        if (item->answers[i].error.code == WN_NO_MEMORY) return true;
    return false;
}

/* Puts those of the items that a batch had no memory for, wholly or for one of their questions, into `out`; their
 * answers are taken back. */
static int gather_short(struct wn_item **items, int n, enum wn_code code, struct wn_item **out)
{
    int found = 0;
    for (int i = 0; i < n; i++) {
        if (code == WN_OK && !lacked_memory(items[i])) continue;
        for (int q = 0; q < items[i]->n_questions && code == WN_OK; q++) wn_answer_finish(&items[i]->answers[q]);
        out[found++] = items[i];
    }
    return found;
}

/* What a batch has no memory for may still go as two; what half of it has none for is answered so. */
static void run_together(struct wn_engine *engine, struct wn_item **items, int n, struct wn_item **again)
{
    struct wn_error why = {0};
    enum wn_code code = wn_batch_run(engine, items, n, &why);
    if (code != WN_OK && (code != WN_NO_MEMORY || n < 2)) fail_items(items, n, &why);
    if ((code != WN_OK && code != WN_NO_MEMORY) || n < 2) return;
    int lacking = gather_short(items, n, code, again);
    for (int half = 0, begin = 0; half < 2; half++) {
        int size = half ? lacking - begin : (lacking + 1) / 2;
        struct wn_error still = {0};
        if (size && wn_batch_run(engine, again + begin, size, &still) != WN_OK) fail_items(again + begin, size, &still);
        begin += size;
    }
}

static void run_batch(struct wn_worker *w, int n)
{
    struct wn_item **items = w->items;
    struct wn_engine *engine = items[0]->model->engines[w->number]; /* the job holds the model, and so its engines */
    int together = 0, stacked = 0;
    for (int i = 0; i < n; i++) *(items[i]->stacked ? &w->stacked[stacked++] : &w->ordinary[together++]) = items[i];
    wn_stacks_make(engine, w->stacked, stacked);
    for (int i = 0; i < stacked; i++)
        if (w->stacked[i]->problem.error.code == WN_OK) wn_stacked_run(engine, w->stacked[i]);
    if (together) run_together(engine, w->ordinary, together, w->again);
    for (int i = 0; i < n; i++)
        if (items[i]->problem.error.code == WN_OK) wn_masked_run(engine, items[i]);
    wn_predraw(engine, items, n);
    wn_engines_look(items[0]->model, engine);
    count(items, n);
    wn_guard_look();
}

static void *work(void *arg)
{
    struct wn_worker *w = arg;
    const struct wn_gathering how = {w->all->config->max_queue_delay_us, MOST_BATCH};
    struct wn_done *done = &w->all->done[w->all->crew->n ? wn_crew_device(w->all->crew, w->number) : 0];
    int n;
    while ((n = wn_queue_take(w->all->queue, &how, w->items))) {
        run_batch(w, n);
        atomic_fetch_add(&w->all->batches, 1);
        atomic_fetch_add(&done->batches, 1);
        atomic_fetch_add(&done->images, (uint64_t)n);
        wn_queue_done(w->all->queue, w->items, n);
    }
    return NULL;
}

/* ---- life ---- */

enum wn_code wn_workers_start(struct wn_workers *w, const struct wn_config *config, struct wn_queue *queue,
                              const struct wn_crew *crew, struct wn_error *err)
{
    const int n = crew->n ? crew->n : 1;
    *w = (struct wn_workers){.config = config, .queue = queue, .crew = crew};
    w->list = calloc((size_t)n, sizeof *w->list);
    if (!w->list) return wn_fail(err, WN_NO_MEMORY, "no memory for workers");
    wn_queue_set_workers(queue, n);
    for (; w->n < n; w->n++) {
        struct wn_worker *one = &w->list[w->n];
        one->all = w;
        one->number = w->n;
        if (pthread_create(&one->thread, NULL, work, one) != 0)
            return wn_fail(err, WN_NO_MEMORY, "worker %d cannot be started", w->n);
    }
    return WN_OK;
}

void wn_workers_stop(struct wn_workers *w)
{
    for (int i = 0; i < w->n; i++) pthread_join(w->list[i].thread, NULL);
    free(w->list);
    w->list = NULL;
    w->n = 0;
}
