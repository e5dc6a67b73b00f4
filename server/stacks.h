/* The maps of every class for the pictures of a batch, as many as possible in one call of the engine. */
#ifndef WN_SERVER_STACKS_H
#define WN_SERVER_STACKS_H

#include "job.h"

/* Makes and keeps what stacked items of one model have no maps for yet: those of one layer and one method together,
 * each picture once. What fails stands in that item's problem. The order of `items` is changed. */
void wn_stacks_make(struct wn_engine *engine, struct wn_item **items, int n);

#endif
