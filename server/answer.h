/* What a client gets for its question: JSON, a picture, or an array. */
#ifndef WN_SERVER_ANSWER_H
#define WN_SERVER_ANSWER_H

#include "server.h"

enum wn_answer_type { WN_ANSWER_JSON, WN_ANSWER_PNG, WN_ANSWER_NPY };

/* What the Accept header prefers among what there is; NULL: JSON. */
enum wn_answer_type wn_answer_type(const char *accept);
/* After the job is finished: brings what went wrong with pictures and maps into the slots' problems. */
void wn_answer_collect(struct wn_request *r);
/* Fills r->reply (or r->problem) from the finished r->job, whose failures were collected. */
void wn_answer(struct wn_request *r);
/* About how long wn_answer will take, ns. */
int64_t wn_answer_cost(const struct wn_request *r);
/* Server-Timing of the whole job. */
void wn_answer_timing(struct wn_request *r);
/* Appends the native answer of a slot, or its problem in its place. */
void wn_answer_slot(struct wn_request *r, struct wn_slot *slot);
/* Appends {"index","label","logit","probability","classes","model"}, of a slot that has no problem. */
enum wn_code wn_answer_prediction(struct wn_text *out, const struct wn_slot *slot, struct wn_error *err);

/* Appends the answer of one slot that has no problem (answer_json.c). */
enum wn_code wn_answer_write(struct wn_text *out, const struct wn_request *r, const struct wn_slot *slot,
                             struct wn_error *err);

/* Appends {"index","label","logit","probability"}; p: the softmax of the item's logits. */
void wn_answer_scored(struct wn_text *out, const struct wn_item *item, const float *p, int c);

/* The class that the slot asks about, and those contrasted with: that were named or found, else the one that the
 * contrast took by itself. Returns how many; none where every other class is meant. */
int wn_slot_target(const struct wn_slot *slot);
int wn_slot_foils(const struct wn_slot *slot, const int **foils);
/* Appends "evidence", and "rivals" where small maps were asked for (answer_evidence.c). */
void wn_answer_evidence(struct wn_text *out, const struct wn_slot *slot, const float *p);

#endif
