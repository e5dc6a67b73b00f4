/* Who is let into the queue: places that are kept, room in a lane, who gives way. Knows no worker and no deadline. */
#include "queue_inside.h"

#include <stdlib.h>

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

/* With the lock held: places that are kept before this key's next picture, as in wn_lane_ahead: of another key no
 * more than its own and one. *mine: of this key; *all: of the model. */
static int places_ahead(struct wn_queue *q, const struct wn_model *model, int key, enum wn_priority priority, int *mine,
                        int *all)
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

/* How long a picture of this key would wait behind so many of its model: those, and as much of the others, because
 * lanes take turns. */
static int64_t wait_us(const struct wn_queue *q, const struct wn_lane *mine, const struct wn_model *model, int ahead)
{
    int64_t wait = ahead * atomic_load(&model->image_us);
    for (const struct wn_lane *lane = q->lanes; lane; lane = lane->next)
        if (lane != mine && lane->n) wait += (lane->n < ahead ? lane->n : ahead) * atomic_load(&lane->model->image_us);
    return wait;
}

/* With the lock held: whether so many more of this key fit, if need be because others give way. A job may exceed an
 * empty lane: it would never fit otherwise. */
static enum wn_code admit(struct wn_queue *q, const struct wn_model *model, int key, enum wn_priority priority,
                          int wanted, int *retry_after_s, struct wn_error *err)
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
        return wn_fail(err, WN_QUEUE_FULL, "a picture would wait %lld ms; try again in a moment",
                       (long long)(wait / 1000));
    return WN_OK;
}

enum wn_code wn_queue_admits(struct wn_queue *q, const struct wn_model *model, int key, enum wn_priority priority,
                             struct wn_place *place, int *retry_after_s, struct wn_error *err)
{
    pthread_mutex_lock(&q->lock);
    enum wn_code code = admit(q, model, key, priority, 1, retry_after_s, err);
    if (code == WN_OK && model && place) {
        *place = (struct wn_place){
            .model = model, .key = key, .priority = priority, .until_ns = wn_now_ns() + WN_PLACE_MS * 1000000};
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
        /* there, or an empty one; NULL only if several models met one empty lane */
        struct wn_lane *lane = make_lane(q, item->model);
        if (!lane) return WN_NO_MEMORY;
        item->queued_ns = now;
        wn_lane_add(lane, item);
        q->n++;
        job->pending++;
        job->refs++;
    }
    return WN_OK;
}

/* With the lock held: one after the other of those who have most gives way until the lane fits. Returns the jobs to
 * be woken, each held. */
static struct wn_job *make_way(struct wn_queue *q, const struct wn_lane *lane, int key, int wanted)
{
    struct wn_job *gone = NULL;
    struct wn_item *last;
    while (lane && lane->n && wanted > q->most - lane->n &&
           (last = wn_lane_heaviest(lane, wn_lane_of_key(lane, key) + wanted))) {
        struct wn_job *job = last->job;
        job->refs++;
        wn_queue_give_up_job(q, job, WN_QUEUE_FULL,
                             "too much of this key waits already, and others had to be let in; try again in a moment");
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

/* With the lock held: the place is left. Whether it was as good as a word that one picture of this model is taken
 * in. */
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
    enum wn_code code =
        word && wanted == 1 ? WN_OK : admit(q, model, job->key, job->priority, wanted, &retry_after_s, err);
    if (job->abandoned)
        code = wn_fail(err, WN_TIMEOUT, "the client closed the connection before its pictures were taken in");
    if (code == WN_OK) gone = make_way(q, lane_of(q, model), job->key, wanted);
    if (code == WN_OK && (code = add_items(q, job)) != WN_OK) {
        wn_queue_withdraw(q, job);
        wn_fail(err, code, "no memory for the queue");
    }
    if (code == WN_OK) {
        job->pushed = true;
        job->next = q->jobs;
        if (q->jobs) q->jobs->previous = job;
        q->jobs = job;
        /* not all workers: whoever finds nothing was woken for nothing */
        for (int i = 0; i < wanted; i++) pthread_cond_signal(&q->filled);
        if (job->deadline_ns < q->watched_ns) pthread_cond_signal(&q->deadlines);
    }
    pthread_mutex_unlock(&q->lock);
    wake_all(q, gone);
    return code;
}
