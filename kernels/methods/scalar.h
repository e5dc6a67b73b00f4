/* The scalar that methods of several runs follow from picture to picture: the setting path_target. Private to
 * kernels/. */
#ifndef WN_KERNELS_SCALAR_H
#define WN_KERNELS_SCALAR_H

#include "method.h"

/* in the order of method_options.def */
enum wn_path_target { WN_PATH_AUTO, WN_PATH_FROZEN, WN_PATH_PROBABILITY, WN_PATH_LOG_ODDS };

struct wn_scalar {
    enum wn_path_target kind; /* never WN_PATH_AUTO */
    int classes;              /* K of the network */
    const float *seed;        /* WN_PATH_FROZEN: v, K; the run's */
    signed char *sides;       /* else: max(K, 2) */
};

/* What the run's question says; wn_scalar_finish after a failure too. Errors: WN_BAD_REQUEST, WN_NO_MEMORY. */
enum wn_code wn_scalar_choose(const struct wn_run *r, struct wn_scalar *s, struct wn_error *err);
void wn_scalar_finish(struct wn_scalar *s);
/* Its value for these logits, and its gradient by them (K, the caller's; may be NULL). */
double wn_scalar_at(const struct wn_scalar *s, const float *logits, float *seed);
const char *wn_scalar_name(const struct wn_scalar *s);

#endif
