/* A question of our own at every tick; knows the queue and models, no clients. */
#include "watchdog.h"

#include "notify.h"
#include "server.h"

#include <stdlib.h>

#define TICKS 4 /* looks within the time that the watchdog allows */

void wn_watchdog_init(struct wn_watchdog *w)
{
    *w = (struct wn_watchdog){.every_ns = wn_notify_watchdog_us() * 1000 / TICKS};
}

static void wake(void *waiter)
{
    struct wn_watchdog *w = waiter;
    atomic_store(&w->answered, true);
}

/* One black picture and no question: a forward pass. NULL: no memory. */
static struct wn_job *make_probe(struct wn_server *s, struct wn_model *m, struct wn_models *models)
{
    const struct wn_graph *g = m->graph;
    size_t pixels = (size_t)(wn_graph_channels(g) * wn_graph_height(g) * wn_graph_width(g));
    struct wn_job *job = wn_job_create();
    if (!job) return NULL;
    job->models = wn_models_hold(models);
    job->items = wn_pool_alloc(&job->pool, sizeof *job->items);
    struct wn_item *item = job->items;
    if (item) {
        *item = (struct wn_item){.job = job, .model = m, .input = calloc(pixels, sizeof(float))};
        item->logits = wn_pool_alloc(&job->pool, (size_t)m->classes * sizeof(float));
        /* none is asked for, and yet an array is there */
        item->answers = wn_pool_alloc(&job->pool, sizeof *item->answers);
        job->n_items = 1;
    }
    if (!item || !item->input || !item->logits || !item->answers) {
        wn_job_destroy(job);
        return NULL;
    }
    job->priority = WN_PRIORITY_HIGH;
    job->deadline_ns = wn_now_ns() + TICKS * s->watchdog.every_ns;
    job->wake = wake;
    job->waiter = &s->watchdog;
    return job;
}

/* False where no model is ready: then there is nobody to ask. */
static bool send_probe(struct wn_server *s)
{
    struct wn_models *models = wn_shelf_take(&s->keeper.shelf);
    struct wn_model *m = NULL;
    for (int i = 0; i < models->n && !m; i++)
        if (wn_model_is_ready(models->list[i])) m = models->list[i];
    struct wn_job *job = m ? make_probe(s, m, models) : NULL;
    wn_models_release(models);
    if (!job) return m != NULL;
    atomic_store(&s->watchdog.answered, false);
    if (wn_queue_push(&s->queue, job, NULL, NULL, NULL) == WN_OK)
        s->watchdog.probe = job;
    else
        wn_queue_release(&s->queue, job); /* the queue is full: then others are answered, or it stays silent */
    return true;
}

static bool take_answer(struct wn_server *s)
{
    struct wn_watchdog *w = &s->watchdog;
    if (!w->probe || !atomic_load(&w->answered)) return false;
    bool well = w->probe->late.code == WN_OK && w->probe->items[0].problem.error.code == WN_OK;
    wn_queue_release(&s->queue, w->probe);
    w->probe = NULL;
    return well;
}

void wn_watchdog_tick(struct wn_server *s)
{
    struct wn_watchdog *w = &s->watchdog;
    int64_t now = wn_now_ns();
    if (!w->every_ns || now < w->next_ns) return;
    w->next_ns = now + w->every_ns;
    uint64_t batches = atomic_load(&s->workers.batches);
    bool well = take_answer(s) || batches != w->batches;
    w->batches = batches;
    if (!w->probe && !send_probe(s)) well = true;
    if (well && !wn_guard_is_lost()) wn_notify("WATCHDOG=1");
}

void wn_watchdog_finish(struct wn_server *s)
{
    wn_queue_release(&s->queue, s->watchdog.probe);
    s->watchdog.probe = NULL;
}
