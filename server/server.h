/* The daemon as a whole, and one request while it is served. */
#ifndef WN_SERVER_SERVER_H
#define WN_SERVER_SERVER_H

#include "config.h"
#include "connections.h"
#include "chores.h"
#include "framing.h"
#include "guard.h"
#include "listen.h"
#include "watchdog.h"
#include "audit.h"
#include "evaluator.h"
#include "keeper.h"
#include "keys.h"
#include "query.h"
#include "queue.h"
#include "route.h"
#include "worker.h"

#include <microhttpd.h>

struct wn_server {
    struct wn_config config;
    struct wn_keeper keeper;
    struct wn_queue queue;
    struct wn_workers workers;
    struct wn_evaluator *evaluator; /* NULL: no evaluations are taken */
    struct wn_kept_list *kept;      /* maps of every class; NULL: none are kept */
    struct wn_connections connections;
    struct wn_chores drawer, reader; /* answers that take long to write; pictures that take long to decode */
    struct wn_keys keys;
    int pictures; /* the folder of pictures that labeling tasks may name, open; -1: there is none */
    struct MHD_Daemon *http;
    struct wn_listeners listeners;
    struct wn_watchdog watchdog;
    int most_connections; /* that the door lets in */
    pthread_t door;       /* accepts on every listener */
    atomic_bool closing;  /* ... as long as this is false */
    bool has_door;
    int port;                        /* as bound */
    _Atomic int64_t bytes_in_flight; /* of request bodies */
    _Atomic int requests;            /* begun and not yet over */
    bool is_public;                  /* others than this machine reach the address */
    atomic_bool ready, draining;
};

struct wn_reply {
    int status;
    const char *type; /* Content-Type */
    struct wn_text body;
    char timing[256]; /* Server-Timing, or "" */
    /* ETag (what has one may be kept), Content-Encoding, Content-Security-Policy; or NULL */
    const char *etag, *encoding, *policy;
    const char *location; /* of what was made, or NULL */
    size_t json_size;     /* 0, or how much of the body is JSON and not binary tensors */
};

struct wn_request {
    struct wn_server *server;
    struct MHD_Connection *connection; /* NULL: asked in-process */
    struct wn_pool pool;
    int64_t begin_ns;
    struct wn_request_line line; /* valid in the handler's first call only */
    struct wn_head head;
    int64_t timeout_ms;                       /* of the head, 0: none */
    enum wn_priority priority, most_priority; /* most: that whoever asks may have */
    int key;                        /* whose request it is: the key's number, 1 and up; 0 where there is none */
    char key_name[WN_KEY_NAME + 1]; /* "" where there is none */
    unsigned scopes;                /* of enum wn_scope: what whoever asks may do */
    const char *origin;             /* of the page that asks, where it is listed; or NULL */
    bool preflight;                 /* a browser that asks whether it may ask: answered with headers alone */
    struct wn_trace trace;
    char *uri;         /* as it came, cut at '?' */
    const char *query; /* what stood behind it, or NULL */
    char method[16], id[65];
    const struct wn_route *route;
    char allow[64];
    const char *model, *version; /* the path's {model} and {version}, decoded, or NULL */
    struct wn_parameters parameters;
    bool begun, replied;
    bool told_late; /* the watch has told the client that the body is too late; guarded by the connections' lock */
    char *body;
    size_t body_size, body_room;
    int64_t charged;           /* bytes of this request that count as in flight */
    int64_t held;              /* those of them that its job takes until it is answered */
    struct wn_problem problem; /* wins over the reply */
    struct wn_reply reply;
    struct wn_place place; /* in the queue, from the head to the push */
    struct wn_job *job;
    struct wn_models *models;           /* the snapshot that this request looks at, or NULL: wn_request_models */
    const struct wn_protocol *protocol; /* of its job */
    struct wn_chore chore;              /* what is left to another thread */
    void (*deferred)(struct wn_request *r);
    enum wn_code prepared; /* wn_prepare's, once the pictures are read */
    /* its job went to the queue, where there was anything to compute; its answer is written */
    bool handed, answered;
    const char *tag;              /* the ETag that its answer will have, or NULL */
    struct wn_infer *infer;       /* of the Open Inference Protocol, or NULL */
    struct wn_labeling *labeling; /* of Label Studio's, or NULL */
    struct wn_task task;          /* what it asks of the keeper, where it does */
    size_t sent;
    const char *model_name; /* for the log and the metrics */
};

/* The header's value, or NULL. */
const char *wn_request_header(const struct wn_request *r, const char *name);
/* The models as they stood when this was first called for the request: every later look sees the same. */
struct wn_models *wn_request_models(struct wn_request *r);
/* The model that the path names, or NULL and request->problem. */
struct wn_model *wn_request_model(struct wn_request *r);

#endif
