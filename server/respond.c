/* Replies; knows which headers every answer has, and nothing of its content. */
#include "respond.h"

#include "etag.h"
#include "http.h"
#include "log.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define TOO_LATE "the body did not arrive in time; --body-timeout-ms is how long it may take"
#define LARGE_REPLY (64 << 10) /* smaller ones do not add up: the socket takes them */

#define PLAIN_POLICY "default-src 'none'; frame-ancestors 'none'"

/* ---- headers ---- */

typedef void put_header(void *to, const char *name, const char *value);

/* A header that the library refuses is our own bug or a value that was not checked: say so, and send the rest. */
static void header(void *response, const char *name, const char *value)
{
    if (MHD_add_response_header(response, name, value) != MHD_YES) wn_log("error", "the header %s was refused", name);
}

static void written_header(void *text, const char *name, const char *value)
{
    wn_text_printf(text, "%s: %s\r\n", name, value);
}

/* Nothing at all unless origins are configured; then the one that asks, where it is among them. */
static void cross_origin_headers(const struct wn_request *r, put_header *put, void *to)
{
    if (!r->server->config.cors_origins[0]) return;
    put(to, "Vary", "Origin");
    if (!r->origin) return;
    put(to, "Access-Control-Allow-Origin", r->origin);
    if (!r->preflight) {
        put(to, "Access-Control-Expose-Headers",
            "X-Request-Id, Server-Timing, Retry-After, ETag, Location, Inference-Header-Content-Length, traceparent");
        return;
    }
    put(to, "Access-Control-Allow-Methods", WN_METHODS);
    put(to, "Access-Control-Allow-Headers",
        "Authorization, Content-Type, If-None-Match, Inference-Header-Content-Length, X-Request-Id, "
        "X-Request-Priority, "
        "X-Request-Timeout-Ms, traceparent");
    put(to, "Access-Control-Max-Age", "600");
}

/* Those that need only what stays as it is from the head on. */
static void steady_headers(const struct wn_request *r, put_header *put, void *to)
{
    char trace[WN_TRACEPARENT];
    wn_audit_traceparent(&r->trace, trace);
    put(to, "X-Request-Id", r->id);
    put(to, "traceparent", trace);
    put(to, "X-Content-Type-Options", "nosniff");
    put(to, "Cross-Origin-Resource-Policy", "same-origin");
    put(to, "Referrer-Policy", "no-referrer");
    cross_origin_headers(r, put, to);
}

static void total_time(const struct wn_request *r, char *out, size_t size)
{
    snprintf(out, size, "total;dur=%.2f", (double)(wn_now_ns() - r->begin_ns) * 1e-6);
}

static void common_headers(const struct wn_request *r, struct MHD_Response *response)
{
    steady_headers(r, header, response);
    header(response, "Content-Security-Policy", r->reply.policy ? r->reply.policy : PLAIN_POLICY);
    bool open = r->route && r->route->scope == WN_SCOPE_OPEN;
    header(response, "Cache-Control", !r->reply.etag ? "no-store" : open ? "no-cache" : "private, no-cache");
    if (r->reply.status != 204) header(response, "Content-Type", r->reply.type);
    if (r->reply.timing[0]) header(response, "Server-Timing", r->reply.timing);
    if (r->reply.etag) header(response, "ETag", r->reply.etag);
    if (r->reply.etag) header(response, "Vary", r->method[0] == 'P' ? "Accept" : "Accept-Encoding");
    if (r->reply.encoding) header(response, "Content-Encoding", r->reply.encoding);
    if (r->reply.location && r->problem.error.code == WN_OK) header(response, "Location", r->reply.location);
    if (r->problem.error.code == WN_UNAUTHORIZED) header(response, "WWW-Authenticate", "Bearer realm=\"whynot\"");
    if (r->allow[0]) header(response, "Allow", r->allow);
    if (r->reply.json_size && r->problem.error.code == WN_OK) {
        char size[32];
        snprintf(size, sizeof size, "%zu", r->reply.json_size);
        header(response, "Inference-Header-Content-Length", size);
    }
    if (r->problem.retry_after_s) {
        char seconds[16];
        snprintf(seconds, sizeof seconds, "%d", r->problem.retry_after_s);
        header(response, "Retry-After", seconds);
    }
    if (r->head.last || r->problem.close || atomic_load(&r->server->draining) || wn_guard_is_lost())
        header(response, "Connection", "close");
}

/* ---- replies ---- */

static void write_problem(struct wn_request *r)
{
    wn_text_finish(&r->reply.body);
    r->reply.status = wn_code_http_status(r->problem.error.code);
    r->reply.etag = NULL;
    if ((r->problem.error.code == WN_DEVICE || r->problem.error.code == WN_NO_MEMORY) && !r->problem.retry_after_s)
        r->problem.retry_after_s = 1;
    r->reply.type = "application/problem+json";
    wn_problem_write(&r->problem, r->id, &r->reply.body);
}

/* The answer is written: what it was made of goes before the client takes it. */
static void let_go(struct wn_request *r)
{
    wn_job_shed(r->job);
    atomic_fetch_sub(&r->server->bytes_in_flight, r->held);
    r->charged -= r->held;
    r->held = 0;
}

/* A client may take its time with it: without the room that it grew in. */
static void charge_answer(struct wn_request *r, struct wn_buffer *bytes)
{
    void *less = realloc(bytes->data, bytes->size);
    if (less) *bytes = (struct wn_buffer){less, bytes->size, bytes->size};
    wn_request_charge_answer(r, (int64_t)bytes->size);
}

enum MHD_Result wn_respond(struct wn_request *r)
{
    struct wn_reply *reply = &r->reply;
    if (reply->body.failed) wn_problem_set(&r->problem, NULL, WN_NO_MEMORY, "no memory for the answer");
    wn_etag_body(r);
    if (r->answered) let_go(r);
    if (reply->body.bytes.size > LARGE_REPLY) charge_answer(r, &reply->body.bytes);
    if (r->problem.error.code != WN_OK) write_problem(r);
    if (!reply->timing[0]) total_time(r, reply->timing, sizeof reply->timing);
    r->sent = reply->body.bytes.size;
    r->replied = true;
    wn_connections_enter(&r->server->connections, r->connection, WN_PHASE_REPLY, NULL);
    struct MHD_Response *response =
        MHD_create_response_from_buffer(r->sent, reply->body.bytes.data, MHD_RESPMEM_MUST_FREE);
    if (!response) return MHD_NO; /* the body stays ours and goes with the request */
    reply->body.bytes = (struct wn_buffer){0};
    common_headers(r, response);
    enum MHD_Result result = MHD_queue_response(r->connection, (unsigned)reply->status, response);
    MHD_destroy_response(response);
    return result;
}

/* What the library adds to every answer of its own. */
static void date_header(struct wn_text *out)
{
    char date[64];
    struct tm utc;
    const time_t now = time(NULL);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &utc));
    written_header(out, "Date", date);
}

/* The library waits for the rest of the body and takes no answer before that: this one goes past it, and the
 * connection ends. Reads only what stays as it is from the head on. */
void wn_respond_late(void *request, int fd)
{
    struct wn_request *r = request;
    struct wn_problem late = {0};
    struct wn_text body = {0}, all = {0};
    char timing[64];
    wn_problem_set(&late, NULL, WN_TIMEOUT, TOO_LATE);
    wn_problem_write(&late, r->id, &body);
    total_time(r, timing, sizeof timing);
    wn_text_printf(&all,
                   "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Type: "
                   "application/problem+json\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n"
                   "Content-Security-Policy: " PLAIN_POLICY "\r\nServer-Timing: %s\r\n",
                   body.bytes.size, timing);
    date_header(&all);
    steady_headers(r, written_header, &all);
    wn_text_puts(&all, "\r\n");
    wn_text_add(&all, (const char *)body.bytes.data, body.bytes.size);
    if (!body.failed && !all.failed) send(fd, all.bytes.data, all.bytes.size, MSG_DONTWAIT | MSG_NOSIGNAL);
    r->told_late = true;
    wn_text_finish(&body);
    wn_text_finish(&all);
}

void wn_respond_settle(struct wn_request *r)
{
    if (!r->told_late || r->replied) return;
    wn_problem_set(&r->problem, NULL, WN_TIMEOUT, TOO_LATE);
    r->reply.status = wn_code_http_status(WN_TIMEOUT);
    r->replied = true;
}
