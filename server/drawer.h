/* One thread for answers that take long to write, so that no thread that reads requests is held up by them: large maps, many of them. */
#ifndef WN_SERVER_DRAWER_H
#define WN_SERVER_DRAWER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <whynot/error.h>

/* A piece of work; whoever hands it in keeps it until it has begun. */
struct wn_chore {
    struct wn_chore *next;
    int64_t due_ns;
    void (*run)(void *context);
    void *context;
};

struct wn_drawer {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct wn_chore *first; /* what is due earliest */
    bool closed;
    pthread_t thread;
};

enum wn_code wn_drawer_start(struct wn_drawer *d, struct wn_error *err);
/* Runs it some time, once, in the drawer's thread. Small chores overtake large ones that came a little earlier: the order is that of arrival
 * and a few times the cost, so that nothing waits for ever. */
void wn_drawer_hand(struct wn_drawer *d, struct wn_chore *chore, int64_t cost_ns);
/* Does what was handed in and ends the thread. */
void wn_drawer_finish(struct wn_drawer *d);

#endif
