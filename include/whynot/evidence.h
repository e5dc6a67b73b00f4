/* Does a map move the decision? The network asked again about pictures of which only one side of a map is left
 * (Wang & Wang 2022, the masking experiment, for one picture). */
#ifndef WHYNOT_EVIDENCE_H
#define WHYNOT_EVIDENCE_H

#include <whynot/engine.h>
#include <whynot/masking.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Of the targets, were they and the rivals the only classes: sum_T e^y / (sum_T e^y + sum_S e^y), in double and
 * without overflow. Sets are not empty. classes 1: logits holds y alone and class 0 has the logit 0. */
WN_API double wn_relative_probability(const float *logits, int classes, const int *targets, int n_targets,
                                      const int *rivals, int n_rivals);

struct wn_masking_in {
    const float *image;  /* C*H*W, preprocessed */
    const float *logits; /* K, of the image as it is */
    const float *map;    /* h*w, signed */
    /* what the map's positive numbers speak for (wn_positive_of): the class is the targets, the rival the rivals */
    enum wn_positive positive;
    int h, w;
    bool align_corners; /* how the map is enlarged to the input's size */
    enum wn_fill fill;
    const float *black; /* C floats; may be NULL for other fills */
    const int *targets, *rivals;
    int n_targets, n_rivals;
};

struct wn_masking {
    /* relative probability of the targets: as it is, and with one side hidden */
    double before, keep_positive, keep_negative;
    double positive, negative; /* shares of the pixels that are above and below 0 */
    int radius;                /* of the blur, 0 for other fills */
    /* hiding what speaks for the side that won, positive or negative, hands the decision to the other */
    bool turns;
};

/* Two more forward passes on the same engine; graph: the engine's. Errors: WN_BAD_REQUEST for a class that is not
 * there or an empty set, WN_BAD_NUMBERS, WN_NO_MEMORY, what the backend says. */
WN_API enum wn_code wn_engine_masking(struct wn_engine *e, const struct wn_graph *graph, const struct wn_masking_in *in,
                                      struct wn_masking *out, struct wn_error *err);

#ifdef __cplusplus
}
#endif
#endif
