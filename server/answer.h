/* What a client gets for its question: JSON, a picture, or an array. */
#ifndef WN_SERVER_ANSWER_H
#define WN_SERVER_ANSWER_H

#include "server.h"

enum wn_answer_type { WN_ANSWER_JSON, WN_ANSWER_PNG, WN_ANSWER_NPY };

/* What the Accept header prefers among what there is; NULL: JSON. */
enum wn_answer_type wn_answer_type(const char *accept);
/* Fills r->reply (or r->problem) from the finished r->job. */
void wn_answer(struct wn_request *r);

/* Appends the answer of one slot that has no problem (answer_json.c). */
enum wn_code wn_answer_write(struct wn_text *out, const struct wn_request *r, const struct wn_slot *slot,
                             struct wn_error *err);

#endif
