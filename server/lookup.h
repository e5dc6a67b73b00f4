/* Models by name and version, with a word of help where there is none. */
#ifndef WN_SERVER_LOOKUP_H
#define WN_SERVER_LOOKUP_H

#include "models.h"
#include "problem.h"

/* version NULL: the newest that is ready. prefix: of the problem's pointer, "" or "/instances/3". NULL: the problem
 * says why, and what was probably meant. The model may be in any state but UNLOADED. */
struct wn_model *wn_lookup(const struct wn_models *models, const char *name, const char *version, const char *prefix,
                           struct wn_problem *problem);
/* The name of the only model, whatever its versions; NULL where there are several or none. */
const char *wn_lookup_only(const struct wn_models *models);

#endif
