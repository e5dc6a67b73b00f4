/* What a contrast's file needs besides its formula. */
#ifndef WN_KERNELS_CONTRAST_H
#define WN_KERNELS_CONTRAST_H

#include <stdlib.h>
#include <string.h>

#include "../logits.h"

/* seed += scale * softmax of the logits over all classes but `skip`: alpha of Wang & Wang (2022), written so that it
 * stays exact when p_skip is 1 in floating point. */
enum wn_code wn_seed_add_others(const struct wn_contrast_in *in, int skip, double scale, float *seed,
                                struct wn_error *err);
/* seed += scale * softmax of the logits over the n classes of a set. */
enum wn_code wn_seed_add_set(const struct wn_contrast_in *in, const int *set, int n, double scale, float *seed,
                             struct wn_error *err);
/* v_s with v_s y_s = relevance, for starts of relevance that are given as such; 0 where y_s is. */
float wn_seed_of_relevance(double relevance, float y);
/* 1 - p_t as the sum of the other probabilities; *p_t too. */
enum wn_code wn_others_mass(const struct wn_contrast_in *in, int t, double *p_t, double *others, struct wn_error *err);

#endif
