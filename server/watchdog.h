/* The watchdog's food: WATCHDOG=1 goes out only while the workers answer. */
#ifndef WN_SERVER_WATCHDOG_H
#define WN_SERVER_WATCHDOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct wn_server;
struct wn_job;

struct wn_watchdog {
    int64_t every_ns, next_ns; /* 0: nobody asks for it */
    struct wn_job *probe;      /* under way, or NULL */
    atomic_bool answered;
    uint64_t batches; /* that the workers had done when it was last looked at */
};

void wn_watchdog_init(struct wn_watchdog *w);
/* To be called often, by one thread: asks a model for an empty picture through the queue, as a client would, and
 * says WATCHDOG=1 when it was answered, or when the workers answered others meanwhile. */
void wn_watchdog_tick(struct wn_server *s);
/* When the workers have gone. */
void wn_watchdog_finish(struct wn_server *s);

#endif
