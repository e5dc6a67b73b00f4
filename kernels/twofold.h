/* Questions of one pass, and the questions of two that are made of them. Private to kernels/. */
#ifndef WN_KERNELS_TWOFOLD_H
#define WN_KERNELS_TWOFOLD_H

#include <whynot/engine.h>

/* engine_batch.c: wn_engine_explain_late for questions whose contrast has one seed; of others the first pass is
 * computed. */
enum wn_code wn_engine_explain_single(struct wn_engine *e, const struct wn_batch *batch,
                                      void (*settle)(void *context, int image, const float *logits), void *context,
                                      float *logits, struct wn_answer *answers, struct wn_engine_times *times,
                                      struct wn_error *err);

#endif
