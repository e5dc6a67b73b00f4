/* One question at the two ends of a computation: its seed before, its answer after. Private to kernels/. */
#ifndef WN_KERNELS_QUESTION_H
#define WN_KERNELS_QUESTION_H

#include <whynot/explain.h>

/* WN_NO_SUCH_CLASS where the class that the question asks about is none. classes: two or more. */
enum wn_code wn_question_check_target(const struct wn_question *q, int classes, struct wn_error *err);

/* Finds the target and the foils that the question means for these logits, and fills seed (K floats, the caller's),
 * a->target, a->foil and a->score. classes: K as the network has it; 1 means two classes with the logits 0 and y. A
 * failure stands in a->error. */
enum wn_code wn_question_seed(const struct wn_question *q, const float *logits, int classes, float *seed,
                              struct wn_answer *a);

/* The seed of this question as a device makes it from the logits, so that nobody has to read them first; targets and
 * foils stay the question's. False where only wn_question_seed makes it, or would say what is wrong with the
 * question. What depends on the logits it cannot see: whoever asks a device calls wn_question_seed as well, once the
 * logits are there, for the answer's words and failures. */
bool wn_question_row(const struct wn_question *q, int classes, struct wn_seed_row *row);

/* sides: max(K, 2), the caller's: 1 for the classes that the question speaks for, -1 for those that it speaks
 * against, 0 else, in the way of `odds`: its contrast's own, mostly. False for WN_ODDS_NONE, and where there is no
 * memory. */
bool wn_question_sides(const struct wn_question *q, const float *logits, int classes, enum wn_odds odds,
                       signed char *sides);

/* Copies a map of h*w floats into the answer and sets its flags. A map that is not finite is a failure, in a->error. */
void wn_answer_take(struct wn_answer *a, const float *map, int layer, int h, int w, const float *logits, int classes);

#endif
