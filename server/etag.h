/* ETags: of a body that is there, and of an answer that is not computed yet but can only be one. */
#ifndef WN_SERVER_ETAG_H
#define WN_SERVER_ETAG_H

#include "server.h"

/* Whether an If-None-Match (NULL: there is none) names this tag, weakly compared. */
bool wn_etag_listed(const char *header, const char *etag);
/* Whether answers of this route carry a tag. */
bool wn_etag_of_route(const struct wn_route *route, const char *type);
/* Gives a GET's JSON its tag, and turns it into 304 where the client has it already. */
void wn_etag_body(struct wn_request *r);
/* The tag of the answer to a job whose names are resolved: made of the question, the picture and the network, weak
 * because timings differ. NULL where a slot has a problem or memory is short. */
const char *wn_etag_question(struct wn_request *r);

#endif
