/* The queue inside, for the files that it is written in. All with the lock held. */
#ifndef WN_SERVER_QUEUE_INSIDE_H
#define WN_SERVER_QUEUE_INSIDE_H

#include "lane.h"
#include "queue.h"

static inline int64_t wn_item_work(const struct wn_item *item)
{
    return item->work > 0 ? item->work : 1;
}

/* Takes the job's waiting items out. */
void wn_queue_withdraw(struct wn_queue *q, struct wn_job *job);
/* The job's waiter stops waiting. The caller wakes it without the lock. */
void wn_queue_give_up_job(struct wn_queue *q, struct wn_job *job, enum wn_code code, const char *why);

/* Whether a long item may run now. */
bool wn_queue_takes_long(const struct wn_queue *q);

#endif
