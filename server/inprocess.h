/* The daemon's answers without its sockets: the command line asks the routes as a client would, in its own process. */
#ifndef WN_SERVER_INPROCESS_H
#define WN_SERVER_INPROCESS_H

#include "server.h"

/* A reply as HTTP would carry it. wn_buffer_finish(&body). */
struct wn_inprocess_reply {
    int status;
    const char *type;
    struct wn_buffer body;
};

/* Reads the models of config->models, or only `model`: the name of one of its subfolders, or a model folder's own
 * path, or "" for none. No engine is made yet. WN_NOT_FOUND where there is no such model. *out: the caller's to
 * wn_inprocess_close. */
enum wn_code wn_inprocess_open(const struct wn_config *config, const char *model, struct wn_server **out,
                               struct wn_error *err);
/* Makes the engines; slow. Not from two threads. */
enum wn_code wn_inprocess_warm(struct wn_server *s, struct wn_error *err);
/* One request and its answer; from any thread. uri: path and query as in a request's first line. body: read only,
 * NULL for none. Routes that compute need wn_inprocess_warm. WN_OK also where the reply is a problem. */
enum wn_code wn_inprocess_call(struct wn_server *s, const char *method, const char *uri, const void *body, size_t size,
                               struct wn_inprocess_reply *out, struct wn_error *err);
void wn_inprocess_close(struct wn_server *s); /* NULL is fine; no call may be under way */

/* What wn_request_wait does for a request that no connection carries: returns when the job is finished. */
void wn_inprocess_wait(struct wn_request *r);

#endif
