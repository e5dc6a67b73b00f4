/* One picture being measured: what a metric may ask. Private to kernels/. */
#ifndef WN_KERNELS_EVALUATE_TRIAL_H
#define WN_KERNELS_EVALUATE_TRIAL_H

#include <whynot/evaluate.h>

/* Pictures that a metric may change and have judged in one go. */
#define WN_TRIAL_BATCH 16

struct wn_trial {
    struct wn_engine *engine;
    const float *low, *high; /* of each channel's values, where the picture is black and where it is white; NULL: not known */
    const struct wn_evaluation_options *options;
    const struct wn_evaluation_picture *picture;
    int classes, channels, height, width, pixels; /* of the input; pixels: height*width */
    const float *logits;                          /* K, of the picture */
    int chosen, first, second;                    /* classes: evaluated, and the two most likely */
    struct wn_answer *answers;                    /* [subject * WN_MAP_COUNT + map]; without a map where it was not asked or is refused */
    float *batch;                                 /* WN_TRIAL_BATCH * C*H*W, for whoever runs */
    float *batch_logits;                          /* WN_TRIAL_BATCH * K: answers of the last wn_trial_forward */
    float *fill;                                  /* C*H*W, for whoever runs */
    float *map;                                   /* H*W, likewise */
    bool *hidden;                                 /* H*W, likewise */
    int *order;                                   /* H*W, likewise */
    int64_t passes;
};

float *wn_trial_picture(struct wn_trial *t, int i); /* i-th of the batch */
/* Logits of the first n pictures of the batch into batch_logits. */
enum wn_code wn_trial_forward(struct wn_trial *t, int n, struct wn_error *err);
/* The probability of the chosen class while pixels of `from` become those of `to` (C*H*W both) in the trial's order, curve_step at a time, the
 * first before any change. from may be the first of the batch; scores: `points`. */
enum wn_code wn_trial_curve(struct wn_trial *t, const float *from, const float *to, int points, double *scores, struct wn_error *err);
/* A subject's map at the size of the input, into out (H*W); false where there is none. Failures to enlarge go to err. */
bool wn_trial_map(struct wn_trial *t, int subject, enum wn_evaluation_map which, bool align_corners, float *out, struct wn_error *err);
/* The same of the map's positive part, which is taken before it is enlarged, with pixel areas meeting. */
bool wn_trial_positive(struct wn_trial *t, int subject, enum wn_evaluation_map which, float *out, struct wn_error *err);
/* Of class a, were a and b the only ones; logits: K. */
double wn_trial_relative(const struct wn_trial *t, const float *logits, int a, int b);
double wn_trial_probability(const struct wn_trial *t, const float *logits, int class_index);
int wn_trial_top(const struct wn_trial *t, const float *logits);

/* ReLU of a layer's map, then enlarged to the input. Errors: WN_NO_MEMORY. */
enum wn_code wn_answer_positive(const struct wn_answer *a, int height, int width, float *out, struct wn_error *err);

/* A part of a picture, enlarged back to the whole and mirrored or not. */
struct wn_view {
    int y, x, height, width;
    bool flip;
};
/* Of 8 to 100 % of the picture, sides 3:4 to 4:3, mirrored every other time; the whole where ten draws do not fit. */
struct wn_view wn_view_draw(uint64_t seed, int h, int w);

#endif
