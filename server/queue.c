/* The queue; knows when work is due and who waits for it, and nothing of what the work is. */
#include "queue.h"

#include "lane.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#define MOST_TOGETHER 16 /* items that ride along because they are about a picture that is run anyway */

static void give_up_one(struct wn_queue *q, struct wn_job *job, enum wn_code code, const char *why);

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
    for (int i = 0; i < job->n_items; i++) {
        if (!job->items[i].lane) continue;
        wn_lane_remove(job->items[i].lane, &job->items[i]);
        q->n--;
        job->pending--;
        drop(job); /* never the last: the waiter holds one */
    }
    if (!q->n && !q->running) pthread_cond_broadcast(&q->idle);
}

/* ---- admission ---- */

/* With the lock held: the model's lane, or NULL where it has none. */
static struct wn_lane *lane_of(const struct wn_queue *q, const struct wn_model *model)
{
    struct wn_lane *lane = q->lanes;
    while (lane && lane->model != model) lane = lane->next;
    return lane;
}

/* The same, and makes one; an empty one will do. */
static struct wn_lane *make_lane(struct wn_queue *q, const struct wn_model *model)
{
    struct wn_lane *lane = lane_of(q, model);
    if (lane) return lane;
    for (lane = q->lanes; lane && lane->n; lane = lane->next) {
    }
    if (!lane && (lane = calloc(1, sizeof *lane))) {
        lane->next = q->lanes;
        q->lanes = lane;
    }
    if (lane) lane->model = model;
    return lane;
}

/* With the lock held: takes it out of the list, where it is in it. */
static void leave(struct wn_queue *q, struct wn_place *place)
{
    if (!place->until_ns) return;
    if (place->previous)
        place->previous->next = place->next;
    else
        q->places = place->next;
    if (place->next)
        place->next->previous = place->previous;
    else
        q->last_place = place->previous;
    *place = (struct wn_place){0};
}

static void keep_place(struct wn_queue *q, struct wn_place *place)
{
    place->previous = q->last_place;
    if (q->last_place)
        q->last_place->next = place;
    else
        q->places = place;
    q->last_place = place;
}

/* With the lock held: places that are kept before this key's next picture, as in wn_lane_ahead: of another key no more than its own and
 * one. *mine: of this key; *all: of the model. */
static int places_ahead(struct wn_queue *q, const struct wn_model *model, int key, enum wn_priority priority, int *mine, int *all)
{
    int of_key[WN_MOST_KEYS + 1] = {0}, ahead = 0;
    int64_t now = wn_now_ns();
    *mine = *all = 0;
    while (q->places && q->places->until_ns < now) leave(q, q->places);
    for (const struct wn_place *p = q->places; p; p = p->next) {
        if (p->model != model) continue;
        ++*all;
        if (p->key == key) ++*mine;
        if (p->priority >= priority) of_key[p->key]++;
    }
    for (int k = 0; k <= WN_MOST_KEYS && *all; k++) ahead += k == key || of_key[k] <= *mine ? of_key[k] : *mine + 1;
    return ahead;
}

/* How long a picture of this key would wait behind so many of its model: those, and as much of the others, because lanes take turns. */
static int64_t wait_us(const struct wn_queue *q, const struct wn_lane *mine, const struct wn_model *model, int ahead)
{
    int64_t wait = ahead * atomic_load(&model->image_us);
    for (const struct wn_lane *lane = q->lanes; lane; lane = lane->next)
        if (lane != mine && lane->n) wait += (lane->n < ahead ? lane->n : ahead) * atomic_load(&lane->model->image_us);
    return wait;
}

/* With the lock held: whether so many more of this key fit, if need be because others give way. A job may exceed an empty lane: it would
 * never fit otherwise. */
static enum wn_code admit(struct wn_queue *q, const struct wn_model *model, int key, enum wn_priority priority, int wanted, int *retry_after_s,
                          struct wn_error *err)
{
    const struct wn_lane *lane = model ? lane_of(q, model) : NULL;
    int mine, kept;
    *retry_after_s = 1;
    if (q->closed) return wn_fail(err, WN_NOT_READY, "the server is stopping");
    if (!model) return WN_OK;
    int ahead = places_ahead(q, model, key, priority, &mine, &kept) + (lane ? wn_lane_ahead(lane, key, priority) : 0);
    int waiting = kept + (lane ? lane->n : 0);
    if (!waiting) return WN_OK;
    int64_t wait = wait_us(q, lane, model, ahead);
    if (wait > 1000000) *retry_after_s = (int)(wait / 1000000);
    bool full = wanted > q->most - waiting;
    if (full && (wanted > q->most || !lane || !wn_lane_heaviest(lane, wn_lane_of_key(lane, key) + mine + wanted)))
        return wn_fail(err, WN_QUEUE_FULL, "%d pictures wait already; try again in a moment", waiting);
    if (q->most_wait_us && wait > q->most_wait_us)
        return wn_fail(err, WN_QUEUE_FULL, "a picture would wait %lld ms; try again in a moment", (long long)(wait / 1000));
    return WN_OK;
}

enum wn_code wn_queue_admits(struct wn_queue *q, const struct wn_model *model, int key, enum wn_priority priority, struct wn_place *place,
                             int *retry_after_s, struct wn_error *err)
{
    pthread_mutex_lock(&q->lock);
    enum wn_code code = admit(q, model, key, priority, 1, retry_after_s, err);
    if (code == WN_OK && model && place) {
        *place = (struct wn_place){.model = model, .key = key, .priority = priority, .until_ns = wn_now_ns() + WN_PLACE_MS * 1000000};
        keep_place(q, place);
    }
    pthread_mutex_unlock(&q->lock);
    return code;
}

void wn_queue_leave(struct wn_queue *q, struct wn_place *place)
{
    pthread_mutex_lock(&q->lock);
    leave(q, place);
    pthread_mutex_unlock(&q->lock);
}

static bool waits_for_nothing(const struct wn_item *item)
{
    return item->problem.error.code != WN_OK;
}

/* With the lock held: takes the job's items in, all or none. */
static enum wn_code add_items(struct wn_queue *q, struct wn_job *job)
{
    int64_t now = wn_now_ns();
    for (int i = 0; i < job->n_items; i++) {
        struct wn_item *item = &job->items[i];
        if (!waits_for_nothing(item) && !make_lane(q, item->model)) return WN_NO_MEMORY;
    }
    for (int i = 0; i < job->n_items; i++) {
        struct wn_item *item = &job->items[i];
        if (waits_for_nothing(item)) continue;
        struct wn_lane *lane = make_lane(q, item->model); /* there, or an empty one; NULL only if several models met one empty lane */
        if (!lane) return WN_NO_MEMORY;
        item->queued_ns = now;
        wn_lane_add(lane, item);
        q->n++;
        job->pending++;
        job->refs++;
    }
    return WN_OK;
}

/* With the lock held: one after the other of those who have most gives way until the lane fits. Returns the jobs to be woken, each held. */
static struct wn_job *make_way(struct wn_queue *q, const struct wn_lane *lane, int key, int wanted)
{
    struct wn_job *gone = NULL;
    struct wn_item *last;
    while (lane && lane->n && wanted > q->most - lane->n && (last = wn_lane_heaviest(lane, wn_lane_of_key(lane, key) + wanted))) {
        struct wn_job *job = last->job;
        job->refs++;
        give_up_one(q, job, WN_QUEUE_FULL, "too much of this key waits already, and others had to be let in; try again in a moment");
        job->next = gone; /* it is in no list any more */
        gone = job;
    }
    return gone;
}

static void wake_all(struct wn_queue *q, struct wn_job *job)
{
    while (job) {
        struct wn_job *next = job->next;
        job->next = NULL;
        job->wake(job->waiter);
        wn_queue_release(q, job);
        job = next;
    }
}

/* With the lock held: the place is left. Whether it was as good as a word that one picture of this model is taken in. */
static bool has_word(struct wn_queue *q, struct wn_place *place, const struct wn_model *model)
{
    bool word = place && place->until_ns >= wn_now_ns() && place->model == model && !q->closed;
    if (place) leave(q, place);
    return word;
}

enum wn_code wn_queue_push(struct wn_queue *q, struct wn_job *job, struct wn_place *place, struct wn_error *err)
{
    const struct wn_model *model = NULL;
    struct wn_job *gone = NULL;
    int wanted = 0, retry_after_s;
    for (int i = 0; i < job->n_items; i++) {
        if (waits_for_nothing(&job->items[i])) continue;
        wanted++;
        if (!model) model = job->items[i].model;
    }
    pthread_mutex_lock(&q->lock);
    bool word = has_word(q, place, model);
    enum wn_code code = word && wanted == 1 ? WN_OK : admit(q, model, job->key, job->priority, wanted, &retry_after_s, err);
    if (code == WN_OK) gone = make_way(q, lane_of(q, model), job->key, wanted);
    if (code == WN_OK && (code = add_items(q, job)) != WN_OK) {
        withdraw(q, job);
        wn_fail(err, code, "no memory for the queue");
    }
    if (code == WN_OK) {
        job->next = q->jobs;
        if (q->jobs) q->jobs->previous = job;
        q->jobs = job;
        for (int i = 0; i < wanted; i++) pthread_cond_signal(&q->filled); /* not all workers: whoever finds nothing was woken for nothing */
        if (job->deadline_ns < q->watched_ns) pthread_cond_signal(&q->deadlines);
    }
    pthread_mutex_unlock(&q->lock);
    wake_all(q, gone);
    return code;
}

/* ---- workers' side ---- */

static struct timespec timespec_of(int64_t ns)
{
    return (struct timespec){ns / 1000000000, ns % 1000000000};
}

/* With the lock held: whether the lane is worth running now; else *ripe_ns, where it is earlier, says when it will be. */
static bool is_ripe(const struct wn_queue *q, const struct wn_lane *lane, int64_t patience_us, int64_t now, int64_t *ripe_ns)
{
    if (lane->n >= lane->model->preferred || !patience_us || q->closed) return true;
    int64_t ripe = wn_lane_since(lane) + patience_us * 1000;
    if (ripe < *ripe_ns) *ripe_ns = ripe;
    return ripe <= now;
}

/* With the lock held: the next lane whose turn it is and that is worth running, put behind the others; or NULL. */
static struct wn_lane *choose(struct wn_queue *q, int64_t patience_us, int64_t *ripe_ns)
{
    int64_t now = wn_now_ns();
    for (struct wn_lane **link = &q->lanes, *lane; (lane = *link); link = &lane->next) {
        if (!lane->n || !is_ripe(q, lane, patience_us, now, ripe_ns)) continue;
        struct wn_lane **end = link;
        *link = lane->next;
        while (*end) end = &(*end)->next;
        *end = lane;
        lane->next = NULL;
        return lane;
    }
    return NULL;
}

/* With the lock held. */
static int take_run(struct wn_queue *q, struct wn_lane *lane, int room, struct wn_item **items)
{
    int pictures = wn_model_run_size(lane->model, lane->n), n = 0;
    int64_t now = wn_now_ns();
    if (pictures > room) pictures = room;
    while (n < pictures) items[n++] = wn_lane_next(lane);
    for (int i = 0; i < pictures && n < pictures + MOST_TOGETHER && n < room && lane->n;) {
        struct wn_item *more = wn_lane_same_picture(lane, items[i]);
        if (!more) {
            i++;
            continue;
        }
        wn_lane_remove(lane, more);
        items[n++] = more;
    }
    for (int i = 0; i < n; i++) {
        items[i]->queue_ms = (double)(now - items[i]->queued_ns) * 1e-6;
        items[i]->taken_ns = now;
        items[i]->together = pictures;
    }
    q->n -= n;
    q->running += n;
    q->batches++;
    return n;
}

int wn_queue_take(struct wn_queue *q, const struct wn_gathering *how, struct wn_item **items)
{
    int n = 0;
    pthread_mutex_lock(&q->lock);
    while (!n) {
        int64_t ripe_ns = INT64_MAX;
        struct wn_lane *lane = choose(q, how->patience_us, &ripe_ns);
        if (lane) {
            n = take_run(q, lane, how->room, items);
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

/* With the lock held: what a picture takes just now, a mean that forgets. */
static void learn(const struct wn_queue *q, const struct wn_item *item)
{
    int64_t us = (wn_now_ns() - item->taken_ns) / 1000 / item->together / (q->batches > 0 ? q->batches : 1);
    int64_t known = atomic_load(&item->model->image_us);
    atomic_store(&item->model->image_us, known ? known + (us - known) / 8 : us > 0 ? us : 1);
}

void wn_queue_done(struct wn_queue *q, struct wn_item **items, int n)
{
    pthread_mutex_lock(&q->lock);
    if (n) learn(q, items[0]);
    q->batches--;
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
        q->watched_ns = next;
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
