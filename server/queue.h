/* What waits for a worker: bounded, with deadlines that are kept whatever the workers do. */
#ifndef WN_SERVER_QUEUE_H
#define WN_SERVER_QUEUE_H

#include "job.h"

#include <pthread.h>

struct wn_queue {
    pthread_mutex_t lock; /* guards everything here and the queue's part of every job */
    pthread_cond_t filled, deadlines, idle;
    struct wn_item *first, *last;
    int n, most; /* items that wait, and how many may */
    int running; /* items that a worker has */
    struct wn_job *jobs;
    bool closed;
    pthread_t watch; /* wakes those whose deadline passed */
};

enum wn_code wn_queue_init(struct wn_queue *q, int most, struct wn_error *err);
/* No worker may be left. */
void wn_queue_finish(struct wn_queue *q);

/* Takes all items of the job that have no problem, or none: WN_QUEUE_FULL, WN_NOT_READY when closed. On WN_OK the job's
 * waiter is woken later, exactly once, maybe before this returns. */
enum wn_code wn_queue_push(struct wn_queue *q, struct wn_job *job, struct wn_error *err);
/* One more hold on a job that somebody holds already. */
void wn_queue_hold(struct wn_queue *q, struct wn_job *job);
/* The caller's hold on a job that was made or pushed; the last one frees it. */
void wn_queue_release(struct wn_queue *q, struct wn_job *job);

/* Waits for items of one model, and `patience_us` longer for as many as that model gains from. Returns how many (at most room), 0
 * when the queue was closed and is empty. */
int wn_queue_take(struct wn_queue *q, int64_t patience_us, struct wn_item **items, int room);
/* The worker is done with an item that it took. */
void wn_queue_done(struct wn_queue *q, struct wn_item *item);

/* Nobody waits for this job any more: what of it waits is dropped, and its waiter is woken. False where it was finished
 * already. */
bool wn_queue_cancel(struct wn_queue *q, struct wn_job *job);

/* Nothing more is taken in; what waits is still worked on. */
void wn_queue_close(struct wn_queue *q);
/* Waits until nothing waits or runs, at most until then. True where it is so. */
bool wn_queue_drain(struct wn_queue *q, int64_t until_ns);
/* Wakes all whose answer is not there yet, with this failure. */
void wn_queue_give_up(struct wn_queue *q, enum wn_code code, const char *why);
int wn_queue_depth(struct wn_queue *q);

#endif
