/* What waits for a worker: bounded for each model, with deadlines that are kept whatever the workers do.
 *
 * All requests for a model meet in its lane. Out of a lane goes first what has the higher priority (though every
 * eighth pick is of the lowest that waits, so nothing starves); within a priority the keys take turns, picture by
 * picture; within a key it is first come, first served. Lanes take turns too. When a lane is full, what came last of
 * the key that has most there gives way to a key that has less, if that makes room enough.
 *
 * What asks for many passes that take a quarter of the longest wait or more is long: it runs alone, and never at all
 * workers at once where there are several, so that others find one. */
#ifndef WN_SERVER_QUEUE_H
#define WN_SERVER_QUEUE_H

#include "job.h"

#include <pthread.h>

struct wn_lane;

#define WN_PLACE_MS 100

/* A picture's place that was given when a request's head was seen, until its job is pushed; what it stands for would
 * else be let in twice. */
struct wn_place {
    struct wn_place *next, *previous;
    const struct wn_model *model;
    int key;
    enum wn_priority priority;
    int64_t until_ns; /* 0: it is none. Whose body takes longer has lost it, and is judged again when it is there */
};

struct wn_queue {
    pthread_mutex_t lock; /* guards everything here and the queue's part of every job */
    pthread_cond_t filled, deadlines, idle;
    struct wn_lane *lanes; /* a ring in the order of turns; empty ones stay for the next model */
    int n, most;           /* items that wait, and how many may for one model */
    int64_t most_wait_us;  /* nobody is taken in who would wait longer than this; 0: no such bound */
    int running;           /* items that workers have */
    int workers;           /* that take from here; 0: not said, one is assumed */
    struct wn_item *runs;  /* the first item of each batch that workers have, by `next` */
    struct wn_job *jobs;
    struct wn_place *places, *last_place; /* oldest first */
    bool closed;
    int64_t watched_ns; /* the deadline that the watch sleeps for: later ones need not wake it */
    pthread_t watch;    /* wakes those whose deadline passed */
};

/* How the queue gathers; of one worker's own making. */
struct wn_gathering {
    int64_t patience_us; /* longest wait of the first picture for a fuller batch */
    int room;            /* of the list that is filled */
};

enum wn_code wn_queue_init(struct wn_queue *q, int most, int64_t most_wait_us, struct wn_error *err);
/* How many workers will take: before the first one does. */
void wn_queue_set_workers(struct wn_queue *q, int n);
/* No worker may be left. */
void wn_queue_finish(struct wn_queue *q);

/* Whether a picture more would be taken in, before it is read and if it is not long: WN_QUEUE_FULL, WN_NOT_READY when
 * closed. model NULL: not known yet. *retry_after_s: when to come again. On WN_OK the place, which begins as {0}, is
 * kept for WN_PLACE_MS; it and the model must live until wn_queue_leave. place NULL: only asked. */
enum wn_code wn_queue_admits(struct wn_queue *q, const struct wn_model *model, int key, enum wn_priority priority,
                             struct wn_place *place, int *retry_after_s, struct wn_error *err);
/* The place is free again; one that was never given, or was left, is fine. */
void wn_queue_leave(struct wn_queue *q, struct wn_place *place);
/* Takes all items of the job that have no problem, or none: WN_QUEUE_FULL where one of their models has no room for
 * those that are about it, WN_NOT_READY when closed, WN_NO_MEMORY.
 * place: of one of its pictures, or NULL; it is left in any case. On WN_OK the job's waiter is woken later, exactly
 * once, maybe before this returns. Jobs that have to give way are woken with WN_QUEUE_FULL. WN_TIMEOUT: the job was
 * abandoned before. *retry_after_s (may be NULL): on WN_QUEUE_FULL, when to come again. */
enum wn_code wn_queue_push(struct wn_queue *q, struct wn_job *job, struct wn_place *place, int *retry_after_s,
                           struct wn_error *err);
/* One more hold on a job that somebody holds already. */
void wn_queue_hold(struct wn_queue *q, struct wn_job *job);
/* The caller's hold on a job that was made or pushed; the last one frees it. */
void wn_queue_release(struct wn_queue *q, struct wn_job *job);

/* Waits for items of one model, and a little longer where more would gain; then as many pictures as make the best
 * run of what waits (wn_model_run_size), and whatever else waits about the same pictures. Returns how many items, 0
 * when the queue was closed and is empty. */
int wn_queue_take(struct wn_queue *q, const struct wn_gathering *how, struct wn_item **items);
/* The worker is done with all that it took. */
void wn_queue_done(struct wn_queue *q, struct wn_item **items, int n);

/* Nobody waits for this job any more: what of it waits is dropped, and its waiter is woken; what was not pushed yet
 * is marked, and will not be taken. False where it was finished already. */
bool wn_queue_cancel(struct wn_queue *q, struct wn_job *job);

/* Nothing more is taken in; what waits is still worked on. */
void wn_queue_close(struct wn_queue *q);
bool wn_queue_is_closed(struct wn_queue *q);
/* Waits until nothing waits or runs, at most until then. True where it is so. */
bool wn_queue_drain(struct wn_queue *q, int64_t until_ns);
/* Wakes all whose answer is not there yet, with this failure. */
void wn_queue_give_up(struct wn_queue *q, enum wn_code code, const char *why);
int wn_queue_depth(struct wn_queue *q);
int wn_queue_running(struct wn_queue *q); /* items that workers have now */

#endif
