/* One picture being measured: what a metric may ask. Private to kernels/. */
#ifndef WN_KERNELS_EVALUATE_TRIAL_H
#define WN_KERNELS_EVALUATE_TRIAL_H

#include <whynot/evaluate.h>

#include "../hidden.h"

/* Pictures that a metric may change and have judged in one go. */
#define WN_TRIAL_BATCH WN_HIDER_ROWS

struct wn_trial {
    struct wn_engine *engine;
    /* of each channel's values, where the picture is black and where it is white; NULL: not known */
    const float *low, *high;
    const struct wn_evaluation_options *options;
    const struct wn_evaluation_picture *picture;
    int classes, channels, height, width, pixels; /* of the input; pixels: height*width */
    const float *logits;                          /* K, of the picture */
    int chosen, first, second;                    /* classes: evaluated, and the two most likely */
    /* [subject * WN_MAP_COUNT + map]; without a map where it was not asked or is refused */
    struct wn_answer *answers;
    float *batch;          /* WN_TRIAL_BATCH * C*H*W, for whoever runs */
    float *batch_logits;   /* WN_TRIAL_BATCH * K: answers of the last wn_trial_forward */
    float *fill;           /* C*H*W, for whoever runs */
    float *map;            /* H*W, likewise */
    bool *hidden;          /* H*W, likewise */
    int *order;            /* H*W, likewise */
    struct wn_hider hider; /* whose room these are */
    int64_t passes;
};

/* The input's sizes and all that is reserved; no picture yet. To be closed even where it failed. Errors:
 * WN_NO_MEMORY. */
enum wn_code wn_trial_open(struct wn_trial *t, struct wn_engine *e, const struct wn_graph *graph,
                           const struct wn_evaluation_options *options, struct wn_error *err);
void wn_trial_close(struct wn_trial *t); /* what answers hold is whoever's that put it there */

float *wn_trial_picture(struct wn_trial *t, int i); /* i-th of the batch */
/* Logits of the first n pictures of the batch into batch_logits. */
enum wn_code wn_trial_forward(struct wn_trial *t, int n, struct wn_error *err);
/* Logits of what n rows make of the picture under the hider's cover, by its maps, into batch_logits; fill, map,
 * hidden, order and the batch may be written. */
enum wn_code wn_trial_hidden(struct wn_trial *t, const struct wn_hidden *rows, int n, struct wn_error *err);
/* The probability of the chosen class while the hider hides (or shows) the lowest pixels of its map, of equal ones the
 * first, curve_step at a time, the first before any change; scores: `points`. */
enum wn_code wn_trial_curve(struct wn_trial *t, int points, double *scores, struct wn_error *err);

/* What of a layer's map a metric looks at, and how that is enlarged to the input. */
enum wn_trial_form {
    WN_FORM_AREAS,   /* the map, pixel areas meeting */
    WN_FORM_CORNERS, /* the map, corners meeting */
    WN_FORM_POSITIVE /* its positive part, which is taken before it is enlarged, pixel areas meeting */
};
/* A subject's answer, or NULL where there is no map. */
const struct wn_answer *wn_trial_answer(const struct wn_trial *t, int subject, enum wn_evaluation_map which);
/* A subject's map at the size of the input, into out (H*W). *has: whether there is one; false leaves out as it was.
 * Errors: WN_NO_MEMORY. */
enum wn_code wn_trial_map(struct wn_trial *t, int subject, enum wn_evaluation_map which, enum wn_trial_form form,
                          float *out, bool *has, struct wn_error *err);
/* What a metric makes of one subject, whose map lies in t->map. values: the subject's, NaN beforehand. context: the
 * metric's own. */
typedef enum wn_code wn_trial_judge(struct wn_trial *t, int subject, double *values, void *context,
                                    struct wn_error *err);
/* Calls judge for every subject that has a map; values: [subject * columns + column], or NULL. */
enum wn_code wn_trial_each(struct wn_trial *t, enum wn_evaluation_map which, enum wn_trial_form form, int columns,
                           double *values, wn_trial_judge *judge, void *context, struct wn_error *err);

/* Of class a, were a and b the only ones; logits: K. */
double wn_trial_relative(const struct wn_trial *t, const float *logits, int a, int b);
double wn_trial_probability(const struct wn_trial *t, const float *logits, int class_index);
int wn_trial_top(const struct wn_trial *t, const float *logits);
int wn_trial_true_pixels(const struct wn_trial *t); /* that the picture's truth marks */
double wn_trial_slack(const struct wn_trial *t);    /* 15 pixels of 224, within which a peak counts as on the object */

/* ReLU of a layer's map, then enlarged to the input. Errors: WN_NO_MEMORY. */
enum wn_code wn_answer_positive(const struct wn_answer *a, int height, int width, float *out, struct wn_error *err);

/* A part of a picture, enlarged back to the whole and mirrored or not. */
struct wn_glimpse {
    int y, x, height, width;
    bool flip;
};
/* Of 8 to 100 % of the picture, sides 3:4 to 4:3, mirrored every other time; the whole where ten draws do not fit. */
struct wn_glimpse wn_glimpse_draw(uint64_t seed, int h, int w);

#endif
