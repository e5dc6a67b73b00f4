/* From a request's body and parameters to a job with one slot a question. */
#ifndef WN_SERVER_INTAKE_H
#define WN_SERVER_INTAKE_H

#include "server.h"

/* Reads a raw picture, a form or JSON, as the Content-Type says. What is wrong with one instance of a list stays in
 * its slot; what is wrong with the request comes back and is in request->problem. */
enum wn_code wn_intake(struct wn_request *r, struct wn_job *job);

#endif
