/* What the methods share that look for the principal component of a layer. Private to kernels/. */
#ifndef WN_KERNELS_PRINCIPAL_H
#define WN_KERNELS_PRINCIPAL_H

#include "method.h"

/* map[cells], the caller's: the first left singular vector of a (channels, cells) times a, nothing centred, with the
 * sign that agrees with the sum over channels; zeros for zeros. Errors: WN_UNSUPPORTED for a layer that is too
 * large, WN_BAD_NUMBERS, WN_NO_MEMORY. */
enum wn_code wn_principal(const float *a, int channels, int cells, float *map, struct wn_error *err);
/* The `run` of a method whose build gives such a matrix. */
enum wn_code wn_run_principal(struct wn_run *r, struct wn_error *err);

#endif
