/* The threads that compute. */
#ifndef WN_SERVER_WORKER_H
#define WN_SERVER_WORKER_H

#include "config.h"
#include "queue.h"

struct wn_worker;
struct wn_workers {
    const struct wn_config *config;
    struct wn_queue *queue;
    struct wn_worker *list;
    int n;
    _Atomic uint64_t batches; /* that were run, whatever came of them */
};

/* Starts n workers; every model in the queue must have an engine for each. After a failure those that were started wait for
 * wn_workers_stop. */
enum wn_code wn_workers_start(struct wn_workers *w, const struct wn_config *config, struct wn_queue *queue, int n,
                              struct wn_error *err);
/* After wn_queue_close: waits for the threads. */
void wn_workers_stop(struct wn_workers *w);

#endif
