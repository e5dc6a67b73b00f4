/* Arithmetic on logits, the part that only kernels/ needs. */
#ifndef WN_KERNELS_LOGITS_H
#define WN_KERNELS_LOGITS_H

#include <stdbool.h>

#include <whynot/explain.h>

/* Softmax restricted to the classes with in[i]; p: n doubles, 0 elsewhere. The largest logit of the set is taken off
 * first, so that neither a confident network nor a large logit loses digits. At least one class must be in. */
void wn_softmax_over(const float *logits, int n, const bool *in, double *p);
/* Largest logit but one class's; n >= 2. Lowest index on a tie. */
int wn_argmax_except(const float *x, int n, int skip);

#endif
