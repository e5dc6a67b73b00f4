/* The drawer's thread and its list; knows when a chore is due, and nothing of what it is. */
#include "drawer.h"

#include "job.h"

#define PATIENCE 8 /* times its own cost a chore lets others overtake it */

void wn_drawer_hand(struct wn_drawer *d, struct wn_chore *chore, int64_t cost_ns)
{
    chore->due_ns = wn_now_ns() + PATIENCE * cost_ns;
    pthread_mutex_lock(&d->lock);
    struct wn_chore **link = &d->first;
    while (*link && (*link)->due_ns <= chore->due_ns) link = &(*link)->next;
    chore->next = *link;
    *link = chore;
    pthread_cond_signal(&d->filled);
    pthread_mutex_unlock(&d->lock);
}

static void *draw(void *arg)
{
    struct wn_drawer *d = arg;
    pthread_mutex_lock(&d->lock);
    while (d->first || !d->closed) {
        struct wn_chore *chore = d->first;
        if (!chore) {
            pthread_cond_wait(&d->filled, &d->lock);
            continue;
        }
        d->first = chore->next;
        pthread_mutex_unlock(&d->lock);
        chore->run(chore->context);
        pthread_mutex_lock(&d->lock);
    }
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

enum wn_code wn_drawer_start(struct wn_drawer *d, struct wn_error *err)
{
    *d = (struct wn_drawer){.lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER};
    if (pthread_create(&d->thread, NULL, draw, d) != 0) return wn_fail(err, WN_NO_MEMORY, "a thread cannot be started");
    return WN_OK;
}

void wn_drawer_finish(struct wn_drawer *d)
{
    pthread_mutex_lock(&d->lock);
    d->closed = true;
    pthread_cond_signal(&d->filled);
    pthread_mutex_unlock(&d->lock);
    pthread_join(d->thread, NULL);
    pthread_mutex_destroy(&d->lock);
    pthread_cond_destroy(&d->filled);
}
