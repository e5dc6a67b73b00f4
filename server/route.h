/* The table of routes. */
#ifndef WN_SERVER_ROUTE_H
#define WN_SERVER_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

struct wn_request;

#define WN_METHODS "GET, HEAD, POST, PUT" /* of all routes together */

/* What a key may be good for; a route wants one of them, or any of several. */
enum wn_scope {
    WN_SCOPE_OPEN = 0,
    WN_SCOPE_READ = 1,
    WN_SCOPE_PREDICT = 2,
    WN_SCOPE_EXPLAIN = 4,
    WN_SCOPE_ADMIN = 8,
    WN_SCOPE_INFER = WN_SCOPE_PREDICT | WN_SCOPE_EXPLAIN, /* the body tells which: its intake refuses */
};
/* What a route's body is: nothing; a question in any of its forms; the same as a list in JSON (KServe V1); tensors
 * (Open Inference); a picture, bare or as a form's `data` (TorchServe); pictures to judge methods on; a small JSON
 * object that may be left out; tasks of a labeling project; what such a project says of itself. */
enum wn_body {
    WN_BODY_NONE,
    WN_BODY_QUESTION,
    WN_BODY_INSTANCES,
    WN_BODY_TENSORS,
    WN_BODY_PICTURE,
    WN_BODY_EVALUATION,
    WN_BODY_CONTROL,
    WN_BODY_TASKS,
    WN_BODY_PROJECT
};

struct wn_route {
    const char *method, *path, *summary;
    enum wn_body body;
    enum wn_scope scope;
    /* Fills request->reply or request->problem and returns true; false: the answer comes later, and this is called
     * again. */
    bool (*handle)(struct wn_request *request);
};

const struct wn_route *wn_route_at(int i);        /* NULL past the end */
bool wn_route_asks(const struct wn_route *route); /* its body is of pictures that go through the queue */
/* What stood for {model} (or {file}, or {id}) and {version} in a path, undecoded; size 0: the path has none. */
struct wn_segments {
    const char *at[2];
    size_t size[2];
};
/* The row for this method and undecoded path; HEAD finds GET. NULL where there is none: then `allow` has the methods
 * of that path, "" where no row has that path. */
const struct wn_route *wn_route_find(const char *method, const char *path, struct wn_segments *names, char allow[64]);
int wn_route_number(const struct wn_route *route); /* NULL: one past the last */
const char *wn_route_label(int i);                 /* "/v1/explain"; one past the last: "other"; then NULL */

#define X(method, path, handle, body, scope, summary) bool handle(struct wn_request *request);
#include "routes.def"
#undef X

#endif
