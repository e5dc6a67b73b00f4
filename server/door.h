/* The door: how connections come in. */
#ifndef WN_SERVER_DOOR_H
#define WN_SERVER_DOOR_H

#include "server.h"

/* How many connections may be in at once: config's max_connections, or fewer where the limit of open files allows no
 * more, which a line of the log says. Raises that limit as far as it may. */
int wn_door_most(const struct wn_config *c);

/* Begins to accept on server->listeners, for server->http, in a thread of its own. */
enum wn_code wn_door_open(struct wn_server *s, struct wn_error *err);
/* Accepts no more; may be called twice. */
void wn_door_shut(struct wn_server *s);
/* The same, and the kernel takes in nobody either: only who waits already is still there. Where another process listens
 * on, that is left to it. */
void wn_door_leave(struct wn_server *s);
/* After that: takes in some of those who wait, and closes connections that nobody needs where there is no room for
 * them. False: nobody waits any more, and the listeners are closed. */
bool wn_door_empty(struct wn_server *s);

#endif
