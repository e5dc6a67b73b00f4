/* The queue; knows when work is due and who waits for it, and nothing of what the work is. */
#include "queue.h"

#include <errno.h>
#include <stdint.h>
#include <time.h>

enum wn_code wn_queue_push(struct wn_queue *q, struct wn_job *job, struct wn_error *err)
{
    enum wn_code code = WN_OK;
    pthread_mutex_lock(&q->lock);
    int wanted = 0;
    for (int i = 0; i < job->n_items; i++) wanted += job->items[i].problem.error.code == WN_OK;
    if (q->closed)
        code = wn_fail(err, WN_NOT_READY, "the server is stopping");
    else if (q->n && wanted > q->most - q->n)
        code = wn_fail(err, WN_QUEUE_FULL, "%d pictures wait already; try again in a moment", q->n);
    int64_t now = wn_now_ns();
    for (int i = 0; i < job->n_items && code == WN_OK; i++) {
        struct wn_item *item = &job->items[i];
        if (item->problem.error.code != WN_OK) continue;
        item->queued_ns = now;
        item->next = NULL;
        if (q->last)
            q->last->next = item;
        else
            q->first = item;
        q->last = item;
        q->n++;
        job->pending++;
        job->refs++;
    }
    if (code == WN_OK) {
        job->next = q->jobs;
        if (q->jobs) q->jobs->previous = job;
        q->jobs = job;
        pthread_cond_broadcast(&q->filled);
        pthread_cond_signal(&q->deadlines);
    }
    pthread_mutex_unlock(&q->lock);
    return code;
}

/* With the lock held. True where this was the last hold. */
static bool drop(struct wn_job *job)
{
    return --job->refs == 0;
}

void wn_queue_hold(struct wn_queue *q, struct wn_job *job)
{
    pthread_mutex_lock(&q->lock);
    job->refs++;
    pthread_mutex_unlock(&q->lock);
}

void wn_queue_release(struct wn_queue *q, struct wn_job *job)
{
    if (!job) return;
    pthread_mutex_lock(&q->lock);
    bool last = drop(job);
    pthread_mutex_unlock(&q->lock);
    if (last) wn_job_destroy(job);
}

/* With the lock held: from now on the job is its waiter's. */
static void finish(struct wn_queue *q, struct wn_job *job)
{
    job->finished = true;
    if (job->previous)
        job->previous->next = job->next;
    else
        q->jobs = job->next;
    if (job->next) job->next->previous = job->previous;
    job->next = job->previous = NULL;
    if (q->closed) pthread_cond_signal(&q->deadlines); /* the watch ends with the last job */
}

/* With the lock held: takes the job's waiting items out. */
static void withdraw(struct wn_queue *q, struct wn_job *job)
{
    struct wn_item **link = &q->first, *item;
    q->last = NULL;
    while ((item = *link)) {
        if (item->job == job) {
            *link = item->next;
            q->n--;
            job->pending--;
            drop(job); /* never the last: the waiter holds one */
        } else {
            q->last = item;
            link = &item->next;
        }
    }
    if (!q->n && !q->running) pthread_cond_broadcast(&q->idle);
}

/* ---- workers' side ---- */

static struct timespec timespec_of(int64_t ns)
{
    return (struct timespec){ns / 1000000000, ns % 1000000000};
}

/* With the lock held: how many of the waiting items are for this model, up to most. */
static int count_of(const struct wn_queue *q, const struct wn_model *model, int most)
{
    int n = 0;
    for (const struct wn_item *i = q->first; i && n < most; i = i->next) n += i->model == model;
    return n;
}

static void wait_for_more(struct wn_queue *q, const struct wn_model *model, int most, int64_t patience_us)
{
    struct timespec until = timespec_of(wn_now_ns() + patience_us * 1000);
    while (!q->closed && q->first && count_of(q, model, most) < most)
        if (pthread_cond_timedwait(&q->filled, &q->lock, &until) == ETIMEDOUT) break;
}

static int take_of(struct wn_queue *q, const struct wn_model *model, int most, struct wn_item **items)
{
    int n = 0;
    int64_t now = wn_now_ns();
    struct wn_item **link = &q->first, *item;
    q->last = NULL;
    while ((item = *link)) {
        if (n < most && item->model == model) {
            *link = item->next;
            item->queue_ms = (double)(now - item->queued_ns) * 1e-6;
            items[n++] = item;
        } else {
            q->last = item;
            link = &item->next;
        }
    }
    q->n -= n;
    q->running += n;
    return n;
}

int wn_queue_take(struct wn_queue *q, int64_t patience_us, struct wn_item **items, int room)
{
    int n = 0;
    pthread_mutex_lock(&q->lock);
    while (!n) {
        while (!q->first && !q->closed) pthread_cond_wait(&q->filled, &q->lock);
        if (!q->first) break;
        const struct wn_model *model = q->first->model;
        int limit = model->most_images;
        if (limit > room) limit = room;
        if (patience_us && limit > 1) wait_for_more(q, model, limit, patience_us);
        n = take_of(q, model, limit, items); /* 0 where another worker or a deadline was faster */
    }
    pthread_mutex_unlock(&q->lock);
    return n;
}

void wn_queue_done(struct wn_queue *q, struct wn_item *item)
{
    struct wn_job *job = item->job;
    pthread_mutex_lock(&q->lock);
    q->running--;
    bool ready = --job->pending == 0 && !job->finished;
    if (ready) finish(q, job);
    bool last = drop(job);
    if (!q->n && !q->running) pthread_cond_broadcast(&q->idle);
    pthread_mutex_unlock(&q->lock);
    if (ready) job->wake(job->waiter); /* the waiter holds the job, so it is still there */
    if (last) wn_job_destroy(job);
}

/* ---- deadlines ---- */

/* With the lock held: the job's waiter stops waiting. The caller wakes it without the lock. */
static void give_up_one(struct wn_queue *q, struct wn_job *job, enum wn_code code, const char *why)
{
    wn_fail(&job->late, code, "%s", why);
    withdraw(q, job);
    finish(q, job);
}

static struct wn_job *find_late(const struct wn_queue *q, int64_t now, int64_t *next)
{
    *next = INT64_MAX;
    for (struct wn_job *job = q->jobs; job; job = job->next) {
        if (job->deadline_ns <= now) return job;
        if (job->deadline_ns < *next) *next = job->deadline_ns;
    }
    return NULL;
}

static void *watch(void *arg)
{
    struct wn_queue *q = arg;
    int64_t next;
    pthread_mutex_lock(&q->lock);
    while (!q->closed || q->jobs) {
        struct wn_job *job = find_late(q, wn_now_ns(), &next);
        if (job) {
            give_up_one(q, job, WN_DEADLINE, "the deadline passed before the answer was ready");
            pthread_mutex_unlock(&q->lock);
            job->wake(job->waiter);
            pthread_mutex_lock(&q->lock);
        } else if (next == INT64_MAX) {
            pthread_cond_wait(&q->deadlines, &q->lock);
        } else {
            struct timespec until = timespec_of(next);
            pthread_cond_timedwait(&q->deadlines, &q->lock, &until);
        }
    }
    pthread_mutex_unlock(&q->lock);
    return NULL;
}

bool wn_queue_cancel(struct wn_queue *q, struct wn_job *job)
{
    pthread_mutex_lock(&q->lock);
    bool waits = job->pending > 0 && !job->finished;
    if (waits) give_up_one(q, job, WN_TIMEOUT, "the client closed the connection before its answer was ready");
    pthread_mutex_unlock(&q->lock);
    if (waits) job->wake(job->waiter);
    return waits;
}

void wn_queue_give_up(struct wn_queue *q, enum wn_code code, const char *why)
{
    pthread_mutex_lock(&q->lock);
    while (q->jobs) {
        struct wn_job *job = q->jobs;
        give_up_one(q, job, code, why);
        pthread_mutex_unlock(&q->lock);
        job->wake(job->waiter);
        pthread_mutex_lock(&q->lock);
    }
    pthread_cond_signal(&q->deadlines);
    pthread_mutex_unlock(&q->lock);
}

/* ---- life ---- */

enum wn_code wn_queue_init(struct wn_queue *q, int most, struct wn_error *err)
{
    pthread_condattr_t monotonic;
    *q = (struct wn_queue){.most = most};
    pthread_mutex_init(&q->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&q->filled, &monotonic);
    pthread_cond_init(&q->deadlines, &monotonic);
    pthread_cond_init(&q->idle, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (pthread_create(&q->watch, NULL, watch, q) != 0) return wn_fail(err, WN_NO_MEMORY, "a thread cannot be started");
    return WN_OK;
}

void wn_queue_close(struct wn_queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->closed = true;
    pthread_cond_broadcast(&q->filled);
    pthread_cond_broadcast(&q->deadlines);
    pthread_mutex_unlock(&q->lock);
}

bool wn_queue_drain(struct wn_queue *q, int64_t until_ns)
{
    struct timespec until = timespec_of(until_ns);
    int rc = 0;
    pthread_mutex_lock(&q->lock);
    while ((q->n || q->running) && rc != ETIMEDOUT) rc = pthread_cond_timedwait(&q->idle, &q->lock, &until);
    bool empty = !q->n && !q->running;
    pthread_mutex_unlock(&q->lock);
    return empty;
}

void wn_queue_finish(struct wn_queue *q)
{
    pthread_join(q->watch, NULL);
    pthread_mutex_destroy(&q->lock);
    pthread_cond_destroy(&q->filled);
    pthread_cond_destroy(&q->deadlines);
    pthread_cond_destroy(&q->idle);
}

int wn_queue_depth(struct wn_queue *q)
{
    pthread_mutex_lock(&q->lock);
    int n = q->n;
    pthread_mutex_unlock(&q->lock);
    return n;
}
