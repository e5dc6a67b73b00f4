/* What a picture is compared with. Private to kernels/. */
#ifndef WN_KERNELS_BASELINE_H
#define WN_KERNELS_BASELINE_H

#include "engine.h"

enum wn_baseline { WN_BASELINE_ZERO, WN_BASELINE_BLACK, WN_BASELINE_BLURRED }; /* in the order of method_options.def */

/* image, out: C*H*W, the caller's, not the same. Errors: WN_UNSUPPORTED where the engine was not told what black is,
 * WN_NO_MEMORY. */
enum wn_code wn_baseline(const struct wn_engine *e, enum wn_baseline kind, const float *image, float *out,
                         struct wn_error *err);

#endif
