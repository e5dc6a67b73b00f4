/* The last step of every request: a reply or a problem becomes bytes with the headers that all answers share. */
#ifndef WN_SERVER_RESPOND_H
#define WN_SERVER_RESPOND_H

#include "server.h"

/* Sends request->problem where there is one, else request->reply. What MHD's handler returns. */
enum MHD_Result wn_respond(struct wn_request *r);

/* Tells whoever sends the body of a struct wn_request too slowly, on its socket, in the thread that watches
 * connections and with their lock. */
void wn_respond_late(void *request, int fd);
/* When the request is over: where it was told that, that is its answer in the log and the metrics. */
void wn_respond_settle(struct wn_request *r);

#endif
