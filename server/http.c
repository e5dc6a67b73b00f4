/* libmicrohttpd and what has to be known about it: limits before bodies, suspension before hand-over, our own
 * unescaping. */
#include "http.h"

#include "door.h"
#include "exits.h"
#include "gate.h"
#include "hosts.h"
#include "inprocess.h"
#include "load.h"
#include "log.h"
#include "lookup.h"
#include "metrics.h"
#include "respond.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECTION_ROOM (32 << 10) /* for a request beside its head */
#define BODY_CHUNK (64 << 10)
#define LONG_WORK_NS 5000000 /* a request that came now would wait for it */
#define SMALL_JOB (64 << 10)

/* ---- a request's life ---- */

/* Called with the first line, before headers are read. What it returns is the request's first *con_cls. */
static void *on_uri(void *cls, const char *uri, struct MHD_Connection *connection)
{
    struct wn_request *r = calloc(1, sizeof *r);
    if (!r) {
        wn_framing_hide_query(uri);
        return NULL;
    }
    size_t path = strcspn(uri, "?");
    r->server = cls;
    r->connection = connection;
    wn_framing_target(&r->line, uri);
    r->begin_ns = wn_now_ns();
    r->reply.type = "application/json";
    r->uri = wn_pool_text(&r->pool, uri, path);
    if (uri[path]) r->query = wn_pool_text(&r->pool, uri + path + 1, strlen(uri + path + 1));
    wn_framing_hide_query(uri);
    atomic_fetch_add(&r->server->requests, 1);
    wn_connections_begin(&r->server->connections, connection, r);
    return r;
}

static void end_request(void *request)
{
    struct wn_request *r = request;
    wn_respond_settle(r);
    if (r->begun) wn_audit_end(r);
    wn_queue_leave(&r->server->queue, &r->place);
    wn_queue_release(&r->server->queue, r->job);
    wn_models_release(r->models);
    atomic_fetch_sub(&r->server->bytes_in_flight, r->charged);
    atomic_fetch_sub(&r->server->requests, 1);
    wn_text_finish(&r->reply.body);
    free(r->body);
    wn_pool_finish(&r->pool);
    free(r);
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
                         enum MHD_RequestTerminationCode why)
{
    struct wn_request *r = *con_cls;
    (void)why;
    (void)cls;
    if (!r) return;
    wn_connections_end(&r->server->connections, connection);
    end_request(r);
    *con_cls = NULL;
}

const char *wn_request_header(const struct wn_request *r, const char *name)
{
    if (!r->connection) return NULL; /* asked in-process */
    return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

struct wn_models *wn_request_models(struct wn_request *r)
{
    if (!r->models) r->models = wn_shelf_take(&r->server->keeper.shelf);
    return r->models;
}

struct wn_model *wn_request_model(struct wn_request *r)
{
    struct wn_model *m = wn_lookup(wn_request_models(r), r->model, r->version, "", &r->problem);
    if (m) r->model_name = m->name;
    return m;
}

/* ---- the body ---- */

static bool charge(struct wn_request *r, int64_t bytes, int64_t most)
{
    if (atomic_fetch_add(&r->server->bytes_in_flight, bytes) + bytes > most) {
        atomic_fetch_sub(&r->server->bytes_in_flight, bytes);
        wn_metric_add(WN_METRIC_REJECTED, WN_REJECT_BYTES, 0, 1);
        wn_problem_set(&r->problem, NULL, WN_QUEUE_FULL,
                       "too many bytes of other requests are held just now; try again in a moment");
        r->problem.retry_after_s = 1;
        return false;
    }
    r->charged += bytes;
    return true;
}

bool wn_request_charge(struct wn_request *r, int64_t bytes)
{
    return charge(r, bytes, r->server->config.max_bytes_in_flight);
}

static int64_t share_of_answers(const struct wn_request *r)
{
    return r->server->config.max_bytes_in_flight / 4 * 3;
}

bool wn_request_charge_answer(struct wn_request *r, int64_t bytes)
{
    return charge(r, bytes, share_of_answers(r));
}

bool wn_request_hold(struct wn_request *r, int64_t bytes)
{
    int64_t most = share_of_answers(r);
    if (!r->connection || bytes < SMALL_JOB) return true; /* small ones are bounded by how many may wait */
    if (bytes > most / 2) bytes = most / 2;
    if (!charge(r, bytes, most)) return false;
    r->held = bytes;
    return true;
}

static bool make_room(struct wn_request *r, size_t bytes)
{
    if (bytes <= r->body_room) return true;
    if (!wn_request_charge(r, (int64_t)(bytes - r->body_room))) return false;
    char *body = realloc(r->body, bytes);
    if (!body) {
        wn_problem_set(&r->problem, NULL, WN_NO_MEMORY, "no memory for the body");
        return false;
    }
    r->body = body;
    r->body_room = bytes;
    return true;
}

/* What arrives after a failure is counted and dropped, up to the same limit; then the connection is cut. */
static enum MHD_Result take_body(struct wn_request *r, const char *data, size_t n)
{
    size_t most = (size_t)r->server->config.max_body_bytes, need = r->body_size + n;
    if (r->problem.error.code != WN_OK) {
        r->body_size = need;
        return need > 2 * most ? MHD_NO : MHD_YES;
    }
    if (need > most) {
        wn_problem_set(&r->problem, NULL, WN_TOO_LARGE, "the body is larger than %zu bytes", most);
        r->problem.close = true;
        r->body_size = need;
        return MHD_YES;
    }
    size_t room = r->body_room;
    while (room < need) room = room ? room * 2 : BODY_CHUNK;
    if (room > most) room = most;
    if (need > r->body_room && !make_room(r, room)) return MHD_YES;
    memcpy(r->body + r->body_size, data, n);
    r->body_size = need;
    return MHD_YES;
}

/* ---- the first call: only headers are there ---- */

/* Everything that can be refused before a byte of the body is read. */
static void check_head(struct wn_request *r)
{
    if (wn_gate(r) != WN_OK) return;
    if (r->preflight) {
        r->reply.status = 204;
        return;
    }
    int64_t length = r->head.length;
    if (wn_route_asks(r->route)) wn_load_check(r);
    if (r->route->body == WN_BODY_NONE && length != 0)
        wn_problem_set(&r->problem, NULL, WN_BAD_REQUEST, "this path takes no body");
    else if (length > r->server->config.max_body_bytes)
        wn_problem_set(&r->problem, NULL, WN_TOO_LARGE, "the body is larger than %lld bytes",
                       (long long)r->server->config.max_body_bytes);
    else if (length > 0)
        make_room(r, (size_t)length);
}

static enum MHD_Result begin(struct wn_request *r, const char *method, const char *version)
{
    const char *origin = wn_request_header(r, "Origin");
    r->line.method = method;
    r->line.version = version;
    wn_audit_begin(r);
    if (origin && wn_origin_is_listed(&r->server->config, origin))
        r->origin = wn_pool_text(&r->pool, origin, strlen(origin));
    snprintf(r->method, sizeof r->method, "%s", method);
    r->begun = true;
    check_head(r);
    wn_connections_await_body(&r->server->connections, r->connection, r);
    return r->problem.error.code == WN_OK && !r->preflight ? MHD_YES : wn_respond(r);
}

/* ---- the last call: all is there ---- */

static void wake(void *waiter)
{
    struct wn_request *r = waiter;
    MHD_resume_connection(r->connection);
}

void wn_request_wait(struct wn_request *r)
{
    struct wn_error err = {0};
    int retry_after_s = 1;
    if (!r->connection) {
        wn_inprocess_wait(r);
        return;
    }
    r->job->wake = wake;
    r->job->waiter = r;
    wn_connections_enter(&r->server->connections, r->connection, WN_PHASE_BUSY, r->job);
    MHD_suspend_connection(r->connection); /* first: the job may be finished before push returns */
    enum wn_code code = wn_queue_push(&r->server->queue, r->job, &r->place, &retry_after_s, &err);
    if (code == WN_OK) return;
    bool full = code == WN_QUEUE_FULL;
    if (code != WN_TIMEOUT) /* who went away was counted where that was seen */
        wn_metric_add(WN_METRIC_REJECTED, full ? WN_REJECT_QUEUE : WN_REJECT_DRAINING, 0, 1);
    wn_problem_set(&r->problem, NULL, code, "%s", err.text);
    r->problem.retry_after_s = retry_after_s;
    MHD_resume_connection(r->connection); /* the next call of the handler sends the problem */
}

/* In another thread, while the connection sleeps. */
static void do_deferred(void *context)
{
    struct wn_request *r = context;
    r->deferred(r);
    MHD_resume_connection(r->connection);
}

bool wn_request_is_long(int64_t cost_ns)
{
    return cost_ns >= LONG_WORK_NS;
}

bool wn_request_defer(struct wn_request *r, struct wn_chores *to, int64_t cost_ns, void (*work)(struct wn_request *r))
{
    if (!r->connection || !wn_request_is_long(cost_ns)) return false;
    r->deferred = work;
    r->chore = (struct wn_chore){.run = do_deferred, .context = r};
    wn_connections_enter(&r->server->connections, r->connection, WN_PHASE_BUSY, r->job);
    MHD_suspend_connection(r->connection);
    wn_chores_hand(to, &r->chore, cost_ns);
    return true;
}

static enum MHD_Result serve(struct wn_request *r)
{
    r->reply.status = 200;
    if (r->problem.error.code == WN_OK && !r->route->handle(r)) return MHD_YES; /* suspended */
    return wn_respond(r);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *data, size_t *size, void **con_cls)
{
    struct wn_request *r = *con_cls;
    (void)cls;
    (void)connection;
    (void)url; /* decoded by rules that are not ours: r->uri is what came */
    if (!r) return MHD_NO;
    if (!r->begun) return begin(r, method, version);
    if (!*size) return serve(r);
    size_t n = *size;
    *size = 0;
    return take_body(r, data, n);
}

/* ---- the daemon ---- */

static size_t keep_escapes(void *cls, struct MHD_Connection *connection, char *s)
{
    (void)cls;
    (void)connection;
    return strlen(s);
}

/* A few a second: what a client can make the library say should not fill a disk. */
static bool is_worth_a_line(void)
{
    static _Atomic int64_t second, lines;
    int64_t now = wn_now_ns() / 1000000000;
    if (atomic_exchange(&second, now) != now) atomic_store(&lines, 0);
    return atomic_fetch_add(&lines, 1) < 20;
}

static void on_log(void *cls, const char *fmt, va_list args)
{
    char message[512];
    (void)cls;
    if (!is_worth_a_line()) return;
    vsnprintf(message, sizeof message, fmt, args);
    message[strcspn(message, "\n")] = 0;
    wn_log("debug", "http: %s", message);
}

static void on_panic(void *cls, const char *file, unsigned line, const char *reason)
{
    (void)cls;
    wn_log("fatal", "http library, %s:%u: %s", file, line, reason ? reason : "");
    _exit(WN_EXIT_START_AGAIN);
}

static enum wn_code check_public(struct wn_server *s, struct wn_error *err)
{
    const struct wn_config *c = &s->config;
    bool has_keys = atomic_load(&s->keys.n) > 0;
    s->is_public = wn_listen_is_public(&s->listeners);
    if (!s->is_public) return WN_OK;
    if (!has_keys && !c->insecure)
        return wn_fail(
            err, WN_BAD_REQUEST,
            "host: others can reach '%.64s' and nobody is asked for a key; --keys FILE asks, --insecure says "
            "that this is meant",
            c->host);
    if (geteuid() == 0 && !c->allow_root)
        return wn_fail(err, WN_BAD_REQUEST,
                       "host: others can reach '%.64s' and this process is root's: run it as a user of its own, or say "
                       "with --allow-root "
                       "that this is meant",
                       c->host);
    if (has_keys) wn_log("warning", "keys and pictures travel readable to %s: put TLS in front", c->host);
    return WN_OK;
}

static int http_threads(const struct wn_config *c)
{
    long threads = c->http_threads ? c->http_threads : sysconf(_SC_NPROCESSORS_ONLN);
    return threads < 2 ? 2 : threads > 2 * WN_MOST_CHORE_THREADS ? 2 * WN_MOST_CHORE_THREADS : (int)threads;
}

/* The library touches all of it after each answer on a connection that is kept: what idle clients cost. A head needs
 * its bytes twice. */
static size_t connection_memory(const struct wn_config *c)
{
    return (size_t)(CONNECTION_ROOM + 2 * c->max_head_bytes);
}

static enum wn_code start_library(struct wn_server *s, struct wn_error *err)
{
    const struct wn_config *c = &s->config;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME |
                     MHD_USE_ERROR_LOG;
    unsigned threads = (unsigned)http_threads(c);
    MHD_set_panic_func(on_panic, NULL);
    s->most_connections = wn_door_most(c);
    s->http =
        MHD_start_daemon(flags, 0, NULL, NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
                         MHD_OPTION_THREAD_POOL_SIZE, threads,
                         /* the door keeps the limit: the library's is shared out to its threads, and it drops what one
                          * of them has no room for */
                         MHD_OPTION_CONNECTION_LIMIT, (unsigned)s->most_connections * threads,
                         MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)c->idle_timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                         connection_memory(c), MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK, on_uri, s,
                         MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
                         MHD_OPTION_NOTIFY_CONNECTION, wn_connections_notify, &s->connections, MHD_OPTION_END);
    return s->http ? WN_OK : wn_fail(err, WN_DEVICE, "the http library cannot be started: %s", strerror(errno));
}

enum wn_code wn_http_start(struct wn_server *s, struct wn_error *err)
{
    enum wn_code code = wn_listen(&s->config, &s->listeners, err);
    if (code == WN_OK) code = check_public(s, err);
    if (code != WN_OK) goto close_sockets;
    if ((code = wn_chores_start(&s->drawer, 1, err)) != WN_OK) goto close_sockets;
    if ((code = wn_chores_start(&s->reader, http_threads(&s->config) / 2, err)) != WN_OK) goto end_drawer;
    if ((code = wn_connections_init(&s->connections, &s->config, &s->queue, wn_respond_late, end_request, err)) !=
        WN_OK)
        goto end_reader;
    if ((code = start_library(s, err)) != WN_OK) goto end_watch;
    s->port = wn_listen_port(s->listeners.fd[0]);
    if ((code = wn_door_open(s, err)) == WN_OK) return WN_OK;
    MHD_stop_daemon(s->http);
    s->http = NULL;
end_watch:
    wn_connections_finish(&s->connections);
end_reader:
    wn_chores_finish(&s->reader);
end_drawer:
    wn_chores_finish(&s->drawer);
close_sockets:
    wn_listen_close(&s->listeners);
    return code;
}

void wn_http_quiesce(struct wn_server *s)
{
    if (s->http) wn_door_leave(s); /* else it was asked to stop before it listened */
}

bool wn_http_empty(struct wn_server *s)
{
    return s->http && wn_door_empty(s);
}

bool wn_http_is_calm(struct wn_server *s)
{
    return atomic_load(&s->requests) == 0 && (!s->http || wn_connections_expected(&s->connections) == 0);
}

void wn_http_stop(struct wn_server *s)
{
    if (!s->http) return;
    wn_door_shut(s);
    wn_chores_end(&s->reader); /* whoever slept for them is awake, and nobody sleeps for them any more */
    wn_chores_end(&s->drawer);
    MHD_stop_daemon(s->http);
    s->http = NULL;
    wn_chores_finish(&s->reader);
    wn_chores_finish(&s->drawer);
    wn_connections_finish(&s->connections);
    wn_listen_close(&s->listeners);
}
