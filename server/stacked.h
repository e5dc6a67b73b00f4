/* What a worker does beyond one map a question: answers from the maps of every class, and evidence from masked
 * pictures. */
#ifndef WN_SERVER_STACKED_H
#define WN_SERVER_STACKED_H

#include "job.h"

/* Takes an item's logits as the network gives them. A network with one output has two classes: the logits 0 and y. */
void wn_item_keep_logits(struct wn_item *item, const float *logits);
/* Answers a stacked item from the maps that it holds. A failure of one slot stands in its answers. */
void wn_stacked_run(struct wn_engine *engine, struct wn_item *item);
/* The classes that the i-th answer of a slot is weighed against: its foil, the set of its foils, or else the
 * runner-up (in *runner_up). */
int wn_slot_rivals(const struct wn_slot *slot, int i, int *runner_up, const int **rivals);
/* What the positive numbers of the i-th map of a slot speak for. */
enum wn_positive wn_slot_positive(const struct wn_slot *slot, int i);
/* Asks again about masked pictures for each slot that wants it; a failure stands in that map's answer. */
void wn_masked_run(struct wn_engine *engine, struct wn_item *item);

#endif
