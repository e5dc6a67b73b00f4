/* What every request passes before anything else looks at it. */
#ifndef WN_SERVER_GATE_H
#define WN_SERVER_GATE_H

#include "server.h"

/* Checks the head from the outside inwards: framing, host, path, key, route, origin. Fills request->head, key, route,
 * model and parameters, or request->problem. For a connection there is no way to a route but through here. */
enum wn_code wn_gate(struct wn_request *r);
/* The part that asks nothing of a connection: path, route, parameters. Of a request made in this process it is the
 * whole gate. */
enum wn_code wn_gate_address(struct wn_request *r);

#endif
