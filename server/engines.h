/* The engines of a model: one for each worker, made and asked once before anyone depends on them. */
#ifndef WN_SERVER_ENGINES_H
#define WN_SERVER_ENGINES_H

#include "config.h"
#include "models.h"

/* Makes the first engine of a model that was read, asks it once, and fills what only an engine knows: device, precision, most_images.
 * *each: memory that it has for itself, *shared: memory that all engines of this model hold together, bytes. */
enum wn_code wn_engines_first(struct wn_model *m, const struct wn_config *config, size_t *shared, size_t *each, struct wn_error *err);
/* Makes the others, up to n in all; side by side where nothing else is going on. */
enum wn_code wn_engines_rest(struct wn_model *m, const struct wn_config *config, int n, bool side_by_side, struct wn_error *err);

#endif
