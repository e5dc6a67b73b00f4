/* The stack: the logit maps of every class for one image at one layer, and what follows from it without the network.
 * Any contrast of a linear method is a weighted sum of the stack, so a second question about the same picture costs
 * next to nothing. */
#ifndef WHYNOT_STACK_H
#define WHYNOT_STACK_H

#include <whynot/explain.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Filled by wn_engine_stacks; wn_stack_finish frees what it owns. */
struct wn_stack {
    int classes, layer; /* layer as resolved: number among wn_graph_layer */
    int h, w;
    float *maps;       /* K*h*w: map s is the method's map for seed e_s, signed; owned */
    bool forward_mode; /* one pass for all classes; false: one backward pass a class */
    uint64_t made;     /* which run of all this process's engines made it; 0: nobody knows */
    int place;         /* as which image of that run */
};
WN_API void wn_stack_finish(struct wn_stack *s);

/* map[h*w], the caller's: sum over s of seed[s] * map s, the map of that seed. Classes with a seed of 0 are skipped. */
WN_API void wn_stack_contrast(const struct wn_stack *s, const float *seed, float *map);
/* The same for the seed of "target rather than foil", 1 and -1, which nobody has to fill or read: for who wants all
 * foils. Both are classes. */
WN_API void wn_stack_pair(const struct wn_stack *s, int target, int foil, float *map);

/* A question answered from the stack of its image and its layer, as wn_engine_explain answers it within rounding:
 * the same target, foils, flags and score. logits: those that came with the stack. The question's image and layer
 * are not looked at. *a: finished with wn_answer_finish; the code is a->error's. */
WN_API enum wn_code wn_stack_explain(const struct wn_stack *s, const float *logits, const struct wn_question *q,
                                     struct wn_answer *a);

/* ---- "why P?" over all foils Q != P at once (Prabhushankar et al. 2020) ---- */

enum wn_statistics_kind {
    /* Each foil's contrast as it is drawn: positive part, enlarged bilinearly (half-pixel centres), stretched to
     * [0,1]. A foil whose map has no positive value counts as a map of zeros. */
    WN_STATISTICS_MASKS,
    /* The signed maps as they are, at the layer's size; height and width of the call are ignored. */
    WN_STATISTICS_RAW
};

/* Filled by wn_stack_statistics; wn_statistics_finish frees what it owns. */
struct wn_statistics {
    int h, w;
    /* h*w; variance is unbiased, and 0 where there is one foil; owned, in one block that mean names */
    float *mean, *variance;
    int foils, empty; /* foils: K-1; empty: how many of their masks are all zero (masks only) */
    bool single_foil; /* K == 2: a variance of one map says nothing */
    /* Masks only, of the variance map u (Prabhushankar et al., VOICE): where u, stretched to [0,1], and the mask of
     * the target's own logit map both exceed 0.1, over where either does; and mean / standard deviation of u. */
    double voice_iou, voice_snr;
    bool flat; /* u is constant: voice_snr is 0 and says nothing */
};
/* Mean and variance of the contrasts of `target` against every other class. contrast: one with a foil, whose map is
 * a map that all foils share less the foil's own: cross-entropy (sum p_s M_s - M_Q) and pair (M_P - M_Q). logits: K
 * floats, those of the image. height, width: the size that masks are enlarged to, at least 1. Errors: WN_BAD_REQUEST
 * for fewer than two outputs, WN_UNSUPPORTED for another contrast, WN_NO_SUCH_CLASS, WN_NO_MEMORY. */
WN_API enum wn_code wn_stack_statistics(const struct wn_stack *s, const float *logits, int target,
                                        const struct wn_contrast *contrast, enum wn_statistics_kind kind, int height,
                                        int width, struct wn_statistics *out, struct wn_error *err);
WN_API void wn_statistics_finish(struct wn_statistics *s);

#ifdef __cplusplus
}
#endif
#endif
