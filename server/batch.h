/* One run of an engine for items of several requests. */
#ifndef WN_SERVER_BATCH_H
#define WN_SERVER_BATCH_H

#include "job.h"

/* Answers n items of one model: each picture goes through the network once, however many of the items are about it
 * and whatever they ask. WN_OK: every item has logits, and each of its questions an answer or its own failure. */
enum wn_code wn_batch_run(struct wn_engine *engine, struct wn_item **items, int n, struct wn_error *err);
/* Whether two items of one model are about the same picture, number by number. */
bool wn_items_share(const struct wn_item *a, const struct wn_item *b);

#endif
