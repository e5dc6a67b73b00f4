/* From what a slot asks to what the engine is asked. */
#ifndef WN_SERVER_QUESTIONS_H
#define WN_SERVER_QUESTIONS_H

#include "job.h"

/* why_not=all with a contrast that takes one rival: mean and variance over all of them. */
bool wn_slot_has_statistics(const struct wn_slot *slot);
/* Answered from the maps of every class. */
bool wn_slot_is_stacked(const struct wn_slot *slot);
/* How many engine questions the slot needs at most. */
int wn_slot_most(const struct wn_slot *slot);
/* The field of the question that asks for most of them, where it is not the default. NULL: none does. */
const char *wn_slot_costly_field(const struct wn_slot *slot);
/* Whether its rivals are only known after the forward pass. */
bool wn_slot_needs_logits(const struct wn_slot *slot);
/* Fills the item's questions from its slots; logits: the model's classes, or NULL where no slot needs them. */
void wn_item_plan(struct wn_item *item, const float *logits);

#endif
