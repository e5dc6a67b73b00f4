/* Layer-wise relevance propagation: what its rows have in common. Private to kernels/methods. */
#ifndef WN_KERNELS_LRP_H
#define WN_KERNELS_LRP_H

#include "method.h"

/* Which rule each kind of step follows. Epsilon holds for every linear step that nothing else is said of. */
struct wn_lrp {
    float epsilon;     /* also what keeps the denominators of the other rules from 0 */
    bool split;        /* convolutions follow the alpha-beta rule; z+ is alpha 1, beta 0 */
    float alpha, beta; /* alpha - beta = 1 */
    bool boxed;        /* convolutions over the pixels follow the rule for values between two bounds, zB */
};

/* Appends the relevance of the pixels for in->seed, summed over channels: (R,1,h,w). Refuses with WN_UNSUPPORTED
 * what it has no rule for, by name. */
int wn_lrp_map(struct wn_program *p, const struct wn_method_in *in, const struct wn_lrp *rule);

/* One pass of relevance under construction.
 *
 * Gate form: in place of the relevance R_i = a_i g_i of a value goes the signal g_i, so that a step's rule is its
 * gradient with the signal bent, and the last thing is a product with the pixels. */
struct wn_lrp_pass {
    const struct wn_lrp *rule;
    const bool *positive; /* [values of the forward pass]: is never negative, whatever the picture */
    int pixels;           /* value: the network's input */
    int low, high;        /* constants (1,C,1,1): bounds of the pixels; WN_NONE where no rule asks */
    int rest;             /* what zB adds to pixels times signal: (R,1,h,w), or WN_NONE so far */
};

/* Step rules: each as wn_bend. */
int wn_lrp_bend(const struct wn_bent *at);
/* lrp_split.c: alpha-beta on a convolution, forwards or transposed. Gives its operand the signal. */
void wn_lrp_split(const struct wn_bent *at);
/* lrp_split.c: zB on a convolution over the pixels. Gives them a signal, and the pass its rest. */
void wn_lrp_box(const struct wn_bent *at);
/* Whether each of the n values, as its step stands there, is never negative. positive: n bools, the caller's. */
void wn_lrp_find_positive(const struct wn_program *p, bool *positive, int n);

#endif
