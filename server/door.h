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
/* The same, but first takes in who already waits, until until_ns at most, and then closes the listeners. Where
 * another process listens on, who waits is left to it. */
void wn_door_empty(struct wn_server *s, int64_t until_ns);

#endif
