/* The last step of every request: a reply or a problem becomes bytes with the headers that all answers share. */
#ifndef WN_SERVER_RESPOND_H
#define WN_SERVER_RESPOND_H

#include "server.h"

/* Sends request->problem where there is one, else request->reply. What MHD's handler returns. */
enum MHD_Result wn_respond(struct wn_request *r);

#endif
