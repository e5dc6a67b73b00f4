/* A program's linear steps as lists of links, y_j = sum_i w_ij x_i (+ bias), by definition: what recursions over
 * relevance are written on in the papers. Shares nothing with the library's backward pass. */
#ifndef WN_TESTS_LINKS_H
#define WN_TESTS_LINKS_H

#include "program.h"

/* Element i of operand number `operand` reaches element j of the result with weight w. */
typedef void on_link(void *ctx, int operand, int64_t i, int64_t j, double w);

/* value: every value's elements, constants too. Calls for each link of a step that is linear in its operands, a
 * constant factor and bounded gates being weights; false for other steps. */
bool each_link(const struct wn_program *p, const struct wn_step *s, double *const *value, on_link *call, void *ctx);
/* The bias of element j, 0 where there is none. */
double bias_of(const struct wn_program *p, const struct wn_step *s, double *const *value, int64_t j);
/* Calls with the place of the first maximum in each window of a max-pool over x; windows of padding alone are left
 * out. */
void each_winner(const struct wn_program *p, const struct wn_step *s, const double *x, on_link *call, void *ctx);
/* Element of an operand that element j of a broadcast result reads. */
int64_t broadcast_index(const struct wn_shape *x, const struct wn_shape *y, int64_t j);

#endif
