/* The threads and the list; knows when a chore is due, and nothing of what it is. */
#include "chores.h"

#include "job.h"

#define PATIENCE 8 /* times its own cost a chore lets others overtake it */

void wn_chores_hand(struct wn_chores *c, struct wn_chore *chore, int64_t cost_ns)
{
    chore->cost_ns = cost_ns;
    chore->due_ns = wn_now_ns() + PATIENCE * cost_ns;
    pthread_mutex_lock(&c->lock);
    if (c->closed) { /* nobody would ever come to it */
        pthread_mutex_unlock(&c->lock);
        chore->run(chore->context);
        return;
    }
    struct wn_chore **link = &c->first;
    while (*link && (*link)->due_ns <= chore->due_ns) link = &(*link)->next;
    chore->next = *link;
    *link = chore;
    c->cost_ns += cost_ns;
    pthread_cond_signal(&c->filled);
    pthread_mutex_unlock(&c->lock);
}

int64_t wn_chores_wait_ns(struct wn_chores *c)
{
    pthread_mutex_lock(&c->lock);
    int64_t wait = c->cost_ns / c->n;
    pthread_mutex_unlock(&c->lock);
    return wait;
}

static void *work(void *arg)
{
    struct wn_chores *c = arg;
    pthread_mutex_lock(&c->lock);
    while (c->first || !c->closed) {
        struct wn_chore *chore = c->first;
        if (!chore) {
            pthread_cond_wait(&c->filled, &c->lock);
            continue;
        }
        const int64_t cost_ns = chore->cost_ns; /* the chore is somebody else's once it has begun */
        c->first = chore->next;
        pthread_mutex_unlock(&c->lock);
        chore->run(chore->context);
        pthread_mutex_lock(&c->lock);
        c->cost_ns -= cost_ns;
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

enum wn_code wn_chores_start(struct wn_chores *c, int threads, struct wn_error *err)
{
    *c = (struct wn_chores){.lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER};
    for (; c->n < threads; c->n++, c->running++) {
        if (pthread_create(&c->threads[c->n], NULL, work, c) == 0) continue;
        wn_chores_finish(c);
        return wn_fail(err, WN_NO_MEMORY, "a thread cannot be started");
    }
    return WN_OK;
}

void wn_chores_end(struct wn_chores *c)
{
    pthread_mutex_lock(&c->lock);
    c->closed = true;
    pthread_cond_broadcast(&c->filled);
    pthread_mutex_unlock(&c->lock);
    while (c->running) pthread_join(c->threads[--c->running], NULL);
}

void wn_chores_finish(struct wn_chores *c)
{
    wn_chores_end(c);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->filled);
}
