/* What must hold on any network, one function for each: prints its verdicts. */
#ifndef WN_TESTS_INVARIANTS_H
#define WN_TESTS_INVARIANTS_H

#include "lab.h"

extern int tested; /* the image */

void verdict(const char *what, double error, double bound);
/* max|a - scale*b| / unit */
double off(const float *a, const float *b, double scale, int64_t n, double unit);
int area(const struct lab *lab);

/* ---- of_contrasts.c; y: logits, K; t, top: classes; all: the maps of all classes ---- */

void probabilities(const float *y, int k, double *p);
void linearity(struct lab *lab, const char *method, const float *all, const float *y);
void linearity_at_the_input(struct lab *lab, const float *y);
void regression_is_scaled_gradcam(struct lab *lab, const float *y, int t);
void probability_by_autograd(struct lab *lab, int t, double p_t);
void cross_entropy_is_minus_weighted(struct lab *lab, int q, double p_q);
void top_two_are_opposite(struct lab *lab, const int *top);
void probability_maps_cancel(struct lab *lab, const float *all);
void mean_is_centred_logit(struct lab *lab, const float *all, int t);
void subsets_are_what_they_contain(struct lab *lab, const int *top);
void scaled_cross_entropy_is_pair(struct lab *lab, const int *top);
void common_direction_is_invisible(struct lab *lab, const int *top);

/* ---- of_methods.c ---- */

void relevance_is_input_times_gradient(struct lab *lab, int t);
void contributions_sum_to_the_change(struct lab *lab, const float *y, int t);
void paths_sum_to_what_is_gained(struct lab *lab, const float *y, int t);
void channel_methods_sum_alike(struct lab *lab, int t);
void short_cut_is_the_long_way(struct lab *lab, int t);
void cam_closed_form(struct lab *lab, const float *y, int t);
void folding_changes_nothing(struct lab *lab);
void raw_convolution_cam(struct lab *lab, int t);
void batches_do_not_matter(struct lab *lab);

#endif
