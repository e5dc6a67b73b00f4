/* The listening side: connections in, requests to their routes, replies out. */
#ifndef WN_SERVER_HTTP_H
#define WN_SERVER_HTTP_H

#include "server.h"

enum wn_code wn_http_start(struct wn_server *s, struct wn_error *err);
/* Stops accepting; who waits in the backlog is still taken in and served by wn_http_empty, unless another process goes
 * on listening on the same socket. */
void wn_http_quiesce(struct wn_server *s);
/* Some of them, in a fraction of a second. False: nobody waits there any more. */
bool wn_http_empty(struct wn_server *s);
/* Nobody waits for an answer, and nobody is about to ask: the daemon may go. */
bool wn_http_is_calm(struct wn_server *s);
/* No connection may be suspended: the queue is closed and empty. */
void wn_http_stop(struct wn_server *s);

/* Counts bytes of bodies or answers against what all requests may hold together, until this one is over. False: too
 * much, and request->problem says so. */
bool wn_request_charge(struct wn_request *r, int64_t bytes);
/* The same for answers, which have three quarters of it: whoever does not read his must not keep others from asking. */
bool wn_request_charge_answer(struct wn_request *r, int64_t bytes);
/* The same for what a job will hold until it is answered. A large one counts as half of that, so that it may come
 * alone. */
bool wn_request_hold(struct wn_request *r, int64_t bytes);

/* For routes: hands the request's job to the queue. The connection sleeps until it is finished, then the route is
 * called again; if the queue does not take it, request->problem says why and is sent. Either way the route returns
 * false at once. */
void wn_request_wait(struct wn_request *r);

/* Whether that is too much for a thread that reads requests. */
bool wn_request_is_long(int64_t cost_ns);
/* Leaves work of so much time to other threads, where it is long, and has the handler called again when it is done.
 * False: do it here. Only for requests that have a job; where the client goes away meanwhile that is cancelled. */
bool wn_request_defer(struct wn_request *r, struct wn_chores *to, int64_t cost_ns, void (*work)(struct wn_request *r));

#endif
