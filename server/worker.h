/* The threads that compute. */
#ifndef WN_SERVER_WORKER_H
#define WN_SERVER_WORKER_H

#include "crew.h"
#include "queue.h"

struct wn_worker;
struct wn_workers {
    const struct wn_config *config;
    struct wn_queue *queue;
    struct wn_worker *list;
    int n;
    const struct wn_crew *crew;
    _Atomic uint64_t batches; /* that were run, whatever came of them */
    struct wn_done {
        _Atomic uint64_t batches, images;
    } done[WN_MOST_DEVICES]; /* the same by the crew's devices */
};

/* Starts the crew's workers (one where it has none); every model in the queue must have an engine for each. After a
 * failure those that were started wait for wn_workers_stop. */
enum wn_code wn_workers_start(struct wn_workers *w, const struct wn_config *config, struct wn_queue *queue,
                              const struct wn_crew *crew, struct wn_error *err);
/* After wn_queue_close: waits for the threads. The crew and what was done can still be read. */
void wn_workers_stop(struct wn_workers *w);

#endif
