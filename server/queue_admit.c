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

/* The same, and makes one; one that nothing waits in and nothing comes to will do. */
static struct wn_lane *make_lane(struct wn_queue *q, const struct wn_model *model)
{
    struct wn_lane *lane = lane_of(q, model);
    if (lane) return lane;
    for (lane = q->lanes; lane && (lane->n || lane->coming); lane = lane->next) {
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

/* How long a run will take that a worker has: what it is asked for, less what it has had. What takes longer than that
 * is taken to go on for a quarter more; nothing goes on for long after its deadline. */
static int64_t left_us(const struct wn_item *run, int64_t now)
{
    const int64_t had = (now - run->taken_ns) / 1000, most = (run->job->deadline_ns - now) / 1000;
    int64_t left = run->run_work * atomic_load(&run->model->image_us) - had;
    if (left < had / 4) left = had / 4;
    if (left > most) left = most;
    return left > 0 && !run->job->finished ? left : 0;
}

static int by_size(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* When somebody has time for more: workers that are busy for so long, ascending, share work that takes one of them so
 * long. */
static int64_t free_us(const int64_t *busy_us, int workers, int64_t work_us)
{
    int64_t sum = work_us;
    int n = 0;
    if (!work_us) return busy_us[0];
    while (n < workers && (n == 0 || sum / n > busy_us[n])) sum += busy_us[n++];
    return sum / n;
}

#define MOST_WORKERS 256

/* How long a picture would wait that is long, or not, behind so much work, in microseconds, of others of both kinds:
 * long ones have all workers but one, others have all. */
static int64_t wait_us(const struct wn_queue *q, bool is_long, const int64_t work_us[2])
{
    int64_t all[MOST_WORKERS] = {0}, of_long[MOST_WORKERS] = {0}, kept = 0, now = wn_now_ns();
    const int workers = q->workers < 1 ? 1 : q->workers < MOST_WORKERS ? q->workers : MOST_WORKERS;
    int n = 0, n_long = 0;
    for (const struct wn_item *run = q->runs; run && n < workers; run = run->next) {
        all[n++] = left_us(run, now);
        if (run->is_long)
            of_long[n_long++] = all[n - 1];
        else
            kept = all[n - 1] > kept ? all[n - 1] : kept;
    }
    qsort(all, (size_t)workers, sizeof *all, by_size);
    int64_t wait = free_us(all, workers, work_us[0] + work_us[1]);
    if (workers < 2) return wait;
    if (!is_long) { /* the worker that is kept for them does the others one after the other */
        const int64_t there = (n < workers ? 0 : kept) + work_us[0];
        return n_long < workers && there < wait ? there : wait;
    }
    qsort(of_long, (size_t)workers - 1, sizeof *of_long, by_size);
    const int64_t turn = free_us(of_long, workers - 1, work_us[1]);
    return turn > wait ? turn : wait;
}

/* How much work there is before a picture that so much of its model is ahead of: that, and as much of the others',
 * because lanes take turns. */
static void sum_up(const struct wn_queue *q, const struct wn_lane *mine, const struct wn_model *model,
                   const struct wn_ahead *ahead, int64_t work_us[2])
{
    for (int k = 0; k < 2; k++) work_us[k] = ahead->work[k] * atomic_load(&model->image_us);
    for (const struct wn_lane *lane = q->lanes; lane; lane = lane->next) {
        if (lane == mine || !lane->n) continue;
        const struct wn_ahead theirs = wn_lane_first(lane, ahead->n);
        for (int k = 0; k < 2; k++) work_us[k] += theirs.work[k] * atomic_load(&lane->model->image_us);
    }
}

/* What somebody asks to be let in with. */
struct coming {
    int key;
    enum wn_priority priority;
    int n; /* pictures */
    bool is_long;
};

/* With the lock held: whether so many pictures lack room for what comes, also if everybody gives way who has more here
 * than this key has then. A job may exceed an empty lane: it would never fit otherwise. */
static bool lacks_room(const struct wn_queue *q, const struct wn_lane *lane, int waiting, const struct coming *c,
                       int mine)
{
    const int excess = c->n - (q->most - waiting);
    if (!waiting || excess <= 0) return false;
    return c->n > q->most || !lane || wn_lane_above(lane, wn_lane_of_key(lane, c->key) + mine + c->n) < excess;
}

/* With the lock held: whether so many more of this key fit, if need be because others give way. */
static enum wn_code admit(struct wn_queue *q, const struct wn_model *model, const struct coming *c, int *retry_after_s,
                          struct wn_error *err)
{
    const struct wn_lane *lane = model ? lane_of(q, model) : NULL;
    struct wn_ahead ahead = {0};
    int64_t work_us[2];
    int mine, kept;
    *retry_after_s = 1;
    if (q->closed) return wn_fail(err, WN_NOT_READY, "the server is stopping");
    if (!model) return WN_OK;
    const int places = places_ahead(q, model, c->key, c->priority, &mine, &kept);
    if (lane) ahead = wn_lane_ahead(lane, c->key, c->priority);
    ahead.n += places;
    ahead.work[0] += places;
    const int waiting = kept + (lane ? lane->n : 0);
    sum_up(q, lane, model, &ahead, work_us);
    const int64_t wait = wait_us(q, c->is_long, work_us);
    if (wait > 1000000) *retry_after_s = (int)((wait + 999999) / 1000000);
    if (lacks_room(q, lane, waiting, c, mine))
        return wn_fail(err, WN_QUEUE_FULL, "%d pictures wait already; try again in a moment", waiting);
    if (!q->most_wait_us || wait <= q->most_wait_us) return WN_OK;
    return wn_fail(err, WN_QUEUE_FULL, "a picture would wait %lld ms; try again then", (long long)(wait / 1000));
}

enum wn_code wn_queue_admits(struct wn_queue *q, const struct wn_model *model, int key, enum wn_priority priority,
                             struct wn_place *place, int *retry_after_s, struct wn_error *err)
{
    pthread_mutex_lock(&q->lock);
    const struct coming one = {key, priority, 1, false};
    enum wn_code code = admit(q, model, &one, retry_after_s, err);
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

/* With the lock held: takes the job's items in; each has its lane. */
static void add_items(struct wn_queue *q, struct wn_job *job)
{
    int64_t now = wn_now_ns();
    for (int i = 0; i < job->n_items; i++) {
        struct wn_item *item = &job->items[i];
        if (waits_for_nothing(item)) continue;
        item->queued_ns = now;
        wn_lane_add(lane_of(q, item->model), item); /* analyzer: count_coming made it */
        q->n++;
        job->pending++;
        job->refs++;
    }
}

/* With the lock held: one after the other of those who have most gives way until the lane fits, as it will: nothing
 * else is admitted. Returns the jobs to be woken, each held, before those that are gone already. */
static struct wn_job *make_way(struct wn_queue *q, const struct wn_lane *lane, int key, int wanted, struct wn_job *gone)
{
    struct wn_item *last;
    while (lane->n && wanted > q->most - lane->n &&
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

/* With the lock held: the place is left. The model of which it was as good as a word that one picture is taken in, or
 * NULL. */
static const struct wn_model *word_for(struct wn_queue *q, struct wn_place *place)
{
    const struct wn_model *model = place && place->until_ns >= wn_now_ns() ? place->model : NULL;
    if (place) leave(q, place);
    return model;
}

#define LONG_WORK 16 /* below that a slow model is slow, and not the question long */

/* With the lock held: is it long? By what the model takes just now. */
static bool judge(const struct wn_queue *q, struct wn_item *item)
{
    const int64_t work = wn_item_work(item), takes_us = work * atomic_load(&item->model->image_us);
    return item->is_long = q->most_wait_us && work >= LONG_WORK && takes_us >= q->most_wait_us / 4;
}

/* With the lock held: how much of the job comes to each model's lane. False: no memory for a lane. */
static bool count_coming(struct wn_queue *q, struct wn_job *job)
{
    for (int i = 0; i < job->n_items; i++) {
        struct wn_item *item = &job->items[i];
        if (waits_for_nothing(item)) continue;
        struct wn_lane *lane = make_lane(q, item->model);
        if (!lane) return false;
        lane->coming++;
        lane->long_comes |= judge(q, item);
    }
    return true;
}

/* With the lock held: whether every model has room for what comes to it; word: has it for one picture. Where several
 * have none, the longest wait of them is told. */
static enum wn_code admit_all(struct wn_queue *q, const struct wn_job *job, const struct wn_model *word,
                              int *retry_after_s, struct wn_error *err)
{
    enum wn_code code = q->closed ? wn_fail(err, WN_NOT_READY, "the server is stopping") : WN_OK;
    for (struct wn_lane *lane = q->lanes; lane && !q->closed; lane = lane->next) {
        const struct coming c = {job->key, job->priority, lane->coming, lane->long_comes};
        int later;
        if (!c.n || (lane->model == word && c.n == 1 && !c.is_long)) continue;
        if (admit(q, lane->model, &c, &later, err) == WN_OK) continue;
        code = WN_QUEUE_FULL;
        if (later > *retry_after_s) *retry_after_s = later;
    }
    return code;
}

/* With the lock held: room is made and the job is in. Returns the jobs that gave way. */
static struct wn_job *let_in(struct wn_queue *q, struct wn_job *job)
{
    struct wn_job *gone = NULL;
    for (struct wn_lane *lane = q->lanes; lane; lane = lane->next)
        if (lane->coming) gone = make_way(q, lane, job->key, lane->coming, gone);
    add_items(q, job);
    job->pushed = true;
    job->next = q->jobs;
    if (q->jobs) q->jobs->previous = job;
    q->jobs = job;
    /* not all workers: whoever finds nothing was woken for nothing */
    for (int i = 0; i < job->pending; i++) pthread_cond_signal(&q->filled);
    if (job->deadline_ns < q->watched_ns) pthread_cond_signal(&q->deadlines);
    return gone;
}

enum wn_code wn_queue_push(struct wn_queue *q, struct wn_job *job, struct wn_place *place, int *retry_after_s,
                           struct wn_error *err)
{
    struct wn_job *gone = NULL;
    int later = 1;
    pthread_mutex_lock(&q->lock);
    const struct wn_model *word = word_for(q, place);
    enum wn_code code = count_coming(q, job) ? WN_OK : wn_fail(err, WN_NO_MEMORY, "no memory for the queue");
    if (code == WN_OK) code = admit_all(q, job, word, &later, err);
    if (job->abandoned)
        code = wn_fail(err, WN_TIMEOUT, "the client closed the connection before its pictures were taken in");
    if (code == WN_OK) gone = let_in(q, job);
    for (struct wn_lane *lane = q->lanes; lane; lane = lane->next) {
        lane->coming = 0;
        lane->long_comes = false;
    }
    pthread_mutex_unlock(&q->lock);
    if (retry_after_s) *retry_after_s = later;
    wake_all(q, gone);
    return code;
}
