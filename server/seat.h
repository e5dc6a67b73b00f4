/* What one thread needs to judge pictures: engines of its own on a model's weights, and the evaluation over them. */
#ifndef WN_SERVER_SEAT_H
#define WN_SERVER_SEAT_H

#include "config.h"
#include "evaluation.h"

struct wn_seat {
    struct wn_engine *engine, *shuffled;
    struct wn_evaluation *evaluation;
};

/* The model's network once more, with shuffled weights, where a metric of the judging wants it; else *out is NULL.
 * The file must still be the one that the model was read from. Errors: WN_BAD_MODEL where it is not, those of
 * wn_read_beneath and those of wn_graph_parse. */
enum wn_code wn_shuffled_load(const struct wn_judging *j, const struct wn_model *m, const struct wn_config *config,
                              struct wn_graph **out, struct wn_error *err);
/* shuffled may be NULL. Zero-initialise the seat; wn_seat_close it whatever the result is. */
enum wn_code wn_seat_open(const struct wn_judging *j, const struct wn_model *m, const struct wn_config *config,
                          struct wn_graph *shuffled, struct wn_seat *out, struct wn_error *err);
void wn_seat_close(struct wn_seat *s);

#endif
