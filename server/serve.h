/* What all ways of asking share: a job is made, waits for its answers, and is answered. */
#ifndef WN_SERVER_SERVE_H
#define WN_SERVER_SERVE_H

#include "server.h"

struct wn_protocol {
    /* Fills the job's slots from the request, as wn_intake. */
    enum wn_code (*intake)(struct wn_request *r, struct wn_job *job);
    /* Fills r->reply or r->problem from the finished job; what failed stands in the slots' problems. */
    void (*answer)(struct wn_request *r);
    /* About how long that will take, ns. */
    int64_t (*cost)(const struct wn_request *r);
};

/* The whole of a route's handle(). */
bool wn_serve(struct wn_request *r, const struct wn_protocol *protocol);

#endif
