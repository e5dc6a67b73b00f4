/* Names to numbers: the model, classes, layer and contrast that a slot's words mean. */
#ifndef WN_SERVER_RESOLVE_H
#define WN_SERVER_RESOLVE_H

#include "server.h"

/* Resolves every slot without a problem. Failures stay in the slots. path_model: what the path names, or NULL. */
void wn_resolve(const struct wn_server *s, struct wn_job *job, const char *path_model);

#endif
