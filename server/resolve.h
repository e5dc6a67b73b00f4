/* Names to numbers: the model, classes, layer and contrast that a slot's words mean. */
#ifndef WN_SERVER_RESOLVE_H
#define WN_SERVER_RESOLVE_H

#include "server.h"

/* Resolves every slot without a problem, against the snapshot of the models that the job holds from now on. Failures
 * stay in the slots. */
void wn_resolve(struct wn_request *r, struct wn_job *job);

#endif
