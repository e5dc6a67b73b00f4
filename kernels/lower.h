/* The passes of a lowering, in order. Private to kernels/. */
#ifndef WN_KERNELS_LOWER_H
#define WN_KERNELS_LOWER_H

#include "ops/op.h"

#define WN_PLAN_SLOTS 2    /* most new constants that a plan makes for one node */
#define WN_PLAN_OPERANDS 3 /* longest operand list that a plan writes */

/* Decides which batch-norms ride on the convolution in front of them, and rewrites lo->nodes so: the convolution gets
 * derived weights and the norm's output, the norm's node is done. Values of `keep` and `outputs` stay as they are. */
bool wn_plan_norms(struct wn_lower *lo, const int *keep, int n_keep, const int *outputs, int n_outputs);

#endif
