/* The threads that compute. */
#ifndef WN_SERVER_WORKER_H
#define WN_SERVER_WORKER_H

#include "config.h"
#include "queue.h"

#include <stdatomic.h>

struct wn_worker;
struct wn_workers {
    const struct wn_config *config;
    struct wn_models *models;
    struct wn_queue *queue;
    struct wn_worker *list;
    int n;
    _Atomic int warm; /* workers whose engines stand */
    atomic_bool stop; /* give up warming up */
};

/* Starts the first worker, which makes one engine a model and so learns what the backend is like; wn_workers_grow then
 * starts as many as that wants. Both return at once; the threads warm up by themselves. */
enum wn_code wn_workers_start(struct wn_workers *w, const struct wn_config *config, struct wn_models *models,
                              struct wn_queue *queue, struct wn_error *err);
enum wn_code wn_workers_grow(struct wn_workers *w, struct wn_error *err);
/* Once all are warm: models without a failure become ready. */
void wn_workers_open(struct wn_workers *w);
/* After wn_queue_close: waits for the threads, destroys the engines. */
void wn_workers_stop(struct wn_workers *w);

#endif
