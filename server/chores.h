/* Work that takes too long for a thread that reads requests: large pictures to be decoded, large answers to be
 * written. A list and threads of its own that work it off. */
#ifndef WN_SERVER_CHORES_H
#define WN_SERVER_CHORES_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <whynot/error.h>

/* A piece of work; whoever hands it in keeps it until it has begun. */
struct wn_chore {
    struct wn_chore *next;
    int64_t due_ns, cost_ns;
    void (*run)(void *context);
    void *context;
};

enum { WN_MOST_CHORE_THREADS = 128 };

struct wn_chores {
    pthread_mutex_t lock; /* guards the list, cost_ns and closed */
    pthread_cond_t filled;
    struct wn_chore *first; /* what is due earliest */
    int64_t cost_ns;        /* of what waits or is worked on */
    bool closed;
    int n, running; /* threads that there are or were; those that are still to be joined */
    pthread_t threads[WN_MOST_CHORE_THREADS];
};

/* threads: 1 to WN_MOST_CHORE_THREADS. */
enum wn_code wn_chores_start(struct wn_chores *c, int threads, struct wn_error *err);
/* Runs it some time, once, in one of the threads; at once, in the caller's, where they have ended. Small chores
 * overtake large ones that came a little earlier: the order is that of arrival and a few times the cost, so that
 * nothing waits for ever. */
void wn_chores_hand(struct wn_chores *c, struct wn_chore *chore, int64_t cost_ns);
/* About how long one that is handed in now would wait. */
int64_t wn_chores_wait_ns(struct wn_chores *c);
/* Does what was handed in and ends the threads. Chores may still be handed in. */
void wn_chores_end(struct wn_chores *c);
/* The same, and nobody may hand in any more. */
void wn_chores_finish(struct wn_chores *c);

#endif
