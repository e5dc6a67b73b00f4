/* What a request's head says about how it is to be queued, and whether there is room for it. */
#ifndef WN_SERVER_LOAD_H
#define WN_SERVER_LOAD_H

#include "server.h"

/* Before a byte of the body is read: takes X-Request-Timeout-Ms and X-Request-Priority in, and refuses what the
 * queue would refuse afterwards: 503 while models are loaded, 429 with Retry-After where it is full. */
void wn_load_check(struct wn_request *r);

#endif
