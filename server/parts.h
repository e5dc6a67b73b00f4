/* Explanations against pictures made of named parts, each of which can be left out (Hesse et al. 2023, FunnyBirds):
 * what one picture says, as a line, and what all lines say together, which needs a threshold that is chosen once for
 * each method. */
#ifndef WN_SERVER_PARTS_H
#define WN_SERVER_PARTS_H

#include "evaluation.h"

#define WN_MOST_UNITS 32

struct wn_without { /* the picture drawn again */
    uint64_t gone;  /* bit u: without unit u */
    struct wn_bytes image;
};

/* A picture of n_parts parts, and behind them the things of its background: its units. */
struct wn_assembled {
    const char *name;
    struct wn_bytes image, map; /* map: a grey picture as large, u + 1 where unit u is seen */
    int label, n_parts, n_units;
    const struct wn_without *without;
    int n_without;
    const uint64_t *minimal; /* sets of parts that are enough to tell the class */
    int n_minimal;
    int other[2];       /* classes that share some parts with this one; -1: not known */
    uint64_t shared[2]; /* those parts; disjoint */
};

bool wn_judging_wants_parts(const struct wn_judging *j);
/* Measures one picture and writes its line, as wn_judge does. */
enum wn_code wn_judge_parts(struct wn_engine *e, const struct wn_judging *j, const struct wn_model *m,
                            const struct wn_assembled *a, struct wn_text *line, struct wn_error *err);

/* The scores of one picture by one method with the threshold tau (a share of the map's sum), from the "parts" of its
 * line: WN_PARTS_SCORES numbers, NaN where the picture does not say. */
enum {
    WN_PARTS_CSDC,
    WN_PARTS_PC,
    WN_PARTS_DC,
    WN_PARTS_D,
    WN_PARTS_BI,
    WN_PARTS_SD,
    WN_PARTS_TS,
    WN_PARTS_TAU,
    WN_PARTS_SCORES
};
void wn_parts_score(const json_t *parts, const char *subject, double tau, double *scores);
/* Chooses each subject's tau among 80 from 0.01 to 0.50 and puts the scores into the tally's columns. To be called
 * after the last line. */
enum wn_code wn_parts_settle(struct wn_tally *t, struct wn_error *err);

#endif
