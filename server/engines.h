/* The engines of a model: one for each worker, made and asked once before anyone depends on them. */
#ifndef WN_SERVER_ENGINES_H
#define WN_SERVER_ENGINES_H

#include "crew.h"
#include "models.h"

/* Makes the first engine of a model that was read, asks it once, and fills what only an engine knows: device,
 * precision, most_images, and the memory that it has for itself and shares. A crew of none is chosen by it. */
enum wn_code wn_engines_first(struct wn_model *m, const struct wn_config *config, struct wn_crew *crew,
                              struct wn_error *err);
/* Makes the others, one for each of the crew; side by side where nothing else is going on. Fills the names of the
 * crew's devices. */
enum wn_code wn_engines_rest(struct wn_model *m, const struct wn_config *config, struct wn_crew *crew,
                             bool side_by_side, struct wn_error *err);
/* On the worker's thread, after a batch: warns where a program that was compiled for it, a way back say, took plain
 * kernels that the log was not told of. */
void wn_engines_look(struct wn_model *m, const struct wn_engine *engine);

#endif
