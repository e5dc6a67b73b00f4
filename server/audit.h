/* Who asked what, and what came of it: one line a request, findable from any other service's lines by its trace. */
#ifndef WN_SERVER_AUDIT_H
#define WN_SERVER_AUDIT_H

#define WN_TRACEPARENT 56 /* bytes of "00-{trace}-{span}-{flags}" and a zero */

struct wn_request;

/* W3C trace context: the trace that the client named, or one of our own; this request is a span of its own in it. */
struct wn_trace {
    char trace[33], parent[17], span[17], flags[3]; /* parent: "" where the trace began here */
};

/* Takes X-Request-Id and traceparent where they are well-formed; makes up what is not there. */
void wn_audit_begin(struct wn_request *r);
void wn_audit_traceparent(const struct wn_trace *t, char out[WN_TRACEPARENT]);
/* Counts and logs the request; called once, when it is over. */
void wn_audit_end(struct wn_request *r);

#endif
