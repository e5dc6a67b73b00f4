/* The queue; knows when work is due and who waits for it, and nothing of what the work is, nor of who is let in. */
#include "queue_inside.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#define MOST_TOGETHER 16 /* items that ride along because they are about a picture that is run anyway */

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

void wn_queue_withdraw(struct wn_queue *q, struct wn_job *job)
{
    for (int i = 0; i < job->n_items; i++) {
        if (!job->items[i].lane) continue;
        wn_lane_remove(job->items[i].lane, &job->items[i]);
        q->n--;
        job->pending--;
        drop(job); /* never the last: the waiter holds one */
    }
    if (!q->n && !q->running) pthread_cond_broadcast(&q->idle);
}

/* ---- workers' side ---- */

static struct timespec timespec_of(int64_t ns)
{
    return (struct timespec){ns / 1000000000, ns % 1000000000};
}

/* With the lock held: whether the lane is worth running now; else *ripe_ns, where it is earlier, says when it will
 * be. */
static bool is_ripe(const struct wn_queue *q, const struct wn_lane *lane, int64_t patience_us, int64_t now,
                    int64_t *ripe_ns)
{
    if (lane->n - lane->n_long >= lane->model->preferred || !patience_us || q->closed) return true;
    int64_t ripe = wn_lane_since(lane) + patience_us * 1000;
    if (ripe < *ripe_ns) *ripe_ns = ripe;
    return ripe <= now;
}

bool wn_queue_takes_long(const struct wn_queue *q)
{
    int n = 0;
    for (const struct wn_item *run = q->runs; run; run = run->next) n += run->is_long;
    return q->workers < 2 || n < q->workers - 1 || q->closed; /* whoever comes after the end is refused anyway */
}

/* With the lock held: the next lane whose turn it is and that is worth running, put behind the others; or NULL. */
static struct wn_lane *choose(struct wn_queue *q, bool also_long, int64_t patience_us, int64_t *ripe_ns)
{
    int64_t now = wn_now_ns();
    for (struct wn_lane **link = &q->lanes, *lane; (lane = *link); link = &lane->next) {
        if (lane->n == (also_long ? 0 : lane->n_long) || !is_ripe(q, lane, patience_us, now, ripe_ns)) continue;
        struct wn_lane **end = link;
        *link = lane->next;
        while (*end) end = &(*end)->next;
        *end = lane;
        lane->next = NULL;
        return lane;
    }
    return NULL;
}

/* With the lock held: others that are about the pictures of this run anyway, while there is room. Returns n with
 * them. */
static int take_riders(struct wn_lane *lane, int pictures, int room, struct wn_item **items)
{
    int n = pictures;
    for (int i = 0; i < pictures && n < pictures + MOST_TOGETHER && n < room && lane->n;) {
        struct wn_item *more = wn_lane_same_picture(lane, items[i]);
        if (!more) {
            i++;
            continue;
        }
        wn_lane_remove(lane, more);
        items[n++] = more;
    }
    return n;
}

/* With the lock held. Nobody rides with a long one: the answer would wait for it. */
static int take_run(struct wn_queue *q, struct wn_lane *lane, bool also_long, int room, struct wn_item **items)
{
    int pictures = wn_model_run_size(lane->model, lane->n - lane->n_long), n = 1;
    int64_t now = wn_now_ns(), work = 0;
    items[0] = wn_lane_next(lane, also_long);
    if (pictures > room) pictures = room;
    if (items[0]->is_long) pictures = 1;
    while (n < pictures) items[n++] = wn_lane_next(lane, false);
    for (int i = 0; i < pictures; i++) work += wn_item_work(items[i]);
    if (!items[0]->is_long) n = take_riders(lane, pictures, room, items);
    for (int i = 0; i < n; i++) {
        items[i]->queue_ms = (double)(now - items[i]->queued_ns) * 1e-6;
        items[i]->taken_ns = now;
        items[i]->together = pictures;
    }
    items[0]->run_work = work;
    items[0]->next = q->runs;
    if (q->runs) q->runs->previous = items[0];
    q->runs = items[0];
    q->n -= n;
    q->running += n;
    return n;
}

int wn_queue_take(struct wn_queue *q, const struct wn_gathering *how, struct wn_item **items)
{
    int n = 0;
    pthread_mutex_lock(&q->lock);
    while (!n) {
        int64_t ripe_ns = INT64_MAX;
        const bool also_long = wn_queue_takes_long(q);
        struct wn_lane *lane = choose(q, also_long, how->patience_us, &ripe_ns);
        if (lane) {
            n = take_run(q, lane, also_long, how->room, items);
        } else if (ripe_ns != INT64_MAX) {
            struct timespec until = timespec_of(ripe_ns);
            pthread_cond_timedwait(&q->filled, &q->lock, &until);
        } else if (q->closed) {
            break;
        } else {
            pthread_cond_wait(&q->filled, &q->lock);
        }
    }
    pthread_mutex_unlock(&q->lock);
    return n;
}

/* Whether all of it was computed: what failed, or was given up, took less than it would have. */
static bool ran_whole(const struct wn_item *item)
{
    if (item->problem.error.code != WN_OK || item->job->late.code != WN_OK || wn_now_ns() > item->job->deadline_ns)
        return false;
    for (int i = 0; i < item->n_questions; i++)
        if (item->answers[i].error.code != WN_OK) return false;
    return true;
}

/* With the lock held: what a unit of work takes a worker just now, a mean that forgets. */
static void learn(const struct wn_item *run)
{
    if (!ran_whole(run)) return;
    int64_t us = (wn_now_ns() - run->taken_ns) / 1000 / run->run_work, known = atomic_load(&run->model->image_us);
    atomic_store(&run->model->image_us, known ? known + (us - known) / 8 : us > 0 ? us : 1);
}

/* With the lock held. Workers that slept because a long one might not run then look again. */
static void end_run(struct wn_queue *q, struct wn_item *run)
{
    learn(run);
    if (run->previous)
        run->previous->next = run->next;
    else
        q->runs = run->next;
    if (run->next) run->next->previous = run->previous;
    run->next = run->previous = NULL;
    if (run->is_long && q->n) pthread_cond_broadcast(&q->filled);
}

void wn_queue_done(struct wn_queue *q, struct wn_item **items, int n)
{
    pthread_mutex_lock(&q->lock);
    if (n) end_run(q, items[0]);
    pthread_mutex_unlock(&q->lock);
    for (int i = 0; i < n; i++) {
        struct wn_job *job = items[i]->job;
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
}

/* ---- deadlines ---- */

void wn_queue_give_up_job(struct wn_queue *q, struct wn_job *job, enum wn_code code, const char *why)
{
    wn_fail(&job->late, code, "%s", why);
    wn_queue_withdraw(q, job);
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
        q->watched_ns = next;
        if (job) {
            wn_queue_give_up_job(q, job, WN_DEADLINE, "the deadline passed before the answer was ready");
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
    const bool waits = job->pending > 0 && !job->finished, early = !job->pushed && !job->abandoned;
    if (early) job->abandoned = true;
    if (waits) wn_queue_give_up_job(q, job, WN_TIMEOUT, "the client closed the connection before its answer was ready");
    pthread_mutex_unlock(&q->lock);
    if (waits) job->wake(job->waiter);
    return waits || early;
}

void wn_queue_give_up(struct wn_queue *q, enum wn_code code, const char *why)
{
    pthread_mutex_lock(&q->lock);
    while (q->jobs) {
        struct wn_job *job = q->jobs;
        wn_queue_give_up_job(q, job, code, why);
        pthread_mutex_unlock(&q->lock);
        job->wake(job->waiter);
        pthread_mutex_lock(&q->lock);
    }
    pthread_cond_signal(&q->deadlines);
    pthread_mutex_unlock(&q->lock);
}

/* ---- life ---- */

enum wn_code wn_queue_init(struct wn_queue *q, int most, int64_t most_wait_us, struct wn_error *err)
{
    pthread_condattr_t monotonic;
    *q = (struct wn_queue){.most = most, .most_wait_us = most_wait_us};
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

void wn_queue_set_workers(struct wn_queue *q, int n)
{
    pthread_mutex_lock(&q->lock);
    q->workers = n;
    pthread_mutex_unlock(&q->lock);
}

void wn_queue_close(struct wn_queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->closed = true;
    pthread_cond_broadcast(&q->filled);
    pthread_cond_broadcast(&q->deadlines);
    pthread_mutex_unlock(&q->lock);
}

bool wn_queue_is_closed(struct wn_queue *q)
{
    pthread_mutex_lock(&q->lock);
    bool closed = q->closed;
    pthread_mutex_unlock(&q->lock);
    return closed;
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
    while (q->lanes) {
        struct wn_lane *lane = q->lanes;
        q->lanes = lane->next;
        free(lane);
    }
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

int wn_queue_running(struct wn_queue *q)
{
    pthread_mutex_lock(&q->lock);
    int n = q->running;
    pthread_mutex_unlock(&q->lock);
    return n;
}
