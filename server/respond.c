/* Replies; knows which headers every answer has, and nothing of its content. */
#include "respond.h"

#include "log.h"
#include "metrics.h"

#include <stdio.h>
#include <string.h>

/* A header that the library refuses is our own bug or a value that was not checked: say so, and send the rest. */
static void header(struct MHD_Response *response, const char *name, const char *value)
{
    if (MHD_add_response_header(response, name, value) != MHD_YES) wn_log("error", "the header %s was refused", name);
}

static void common_headers(const struct wn_request *r, struct MHD_Response *response)
{
    header(response, "X-Request-Id", r->id);
    header(response, "X-Content-Type-Options", "nosniff");
    header(response, "Cache-Control", r->reply.etag ? "no-cache" : "no-store");
    header(response, "Content-Type", r->reply.type);
    if (r->reply.timing[0]) header(response, "Server-Timing", r->reply.timing);
    if (r->reply.etag) header(response, "ETag", r->reply.etag);
    if (r->reply.etag) header(response, "Vary", "Accept-Encoding");
    if (r->reply.encoding) header(response, "Content-Encoding", r->reply.encoding);
    if (r->reply.policy) header(response, "Content-Security-Policy", r->reply.policy);
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
    if (r->head.last || r->problem.close || atomic_load(&r->server->draining)) header(response, "Connection", "close");
}

static void write_problem(struct wn_request *r)
{
    wn_text_finish(&r->reply.body);
    r->reply.status = wn_code_http_status(r->problem.error.code);
    r->reply.type = "application/problem+json";
    wn_problem_write(&r->problem, r->route ? r->route->path : "", r->id, &r->reply.body);
}

enum MHD_Result wn_respond(struct wn_request *r)
{
    struct wn_reply *reply = &r->reply;
    if (reply->body.failed) wn_problem_set(&r->problem, NULL, WN_NO_MEMORY, "no memory for the answer");
    if (r->problem.error.code != WN_OK) write_problem(r);
    if (!reply->timing[0])
        snprintf(reply->timing, sizeof reply->timing, "total;dur=%.2f", (double)(wn_now_ns() - r->begin_ns) * 1e-6);
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

static void log_request(const struct wn_request *r, double ms)
{
    struct wn_text line = {0};
    wn_log_begin(&line, r->reply.status >= 500 ? "error" : "info");
    wn_json_key(&line, "request_id");
    wn_json_string(&line, r->id);
    wn_json_key(&line, "method");
    wn_json_string(&line, r->method);
    wn_json_key(&line, "route");
    wn_json_string(&line, wn_route_label(wn_route_number(r->route)));
    wn_json_key(&line, "status");
    wn_json_int(&line, r->replied ? r->reply.status : 0);
    wn_json_key(&line, "ms");
    wn_json_number(&line, ms);
    wn_json_key(&line, "bytes_in");
    wn_json_int(&line, (int64_t)r->body_size);
    wn_json_key(&line, "bytes_out");
    wn_json_int(&line, (int64_t)r->sent);
    if (r->model_name) {
        wn_json_key(&line, "model");
        wn_json_string(&line, r->model_name);
    }
    if (r->problem.error.code != WN_OK) {
        wn_json_key(&line, "problem");
        wn_json_string(&line, r->problem.error.text);
    }
    wn_log_write(&line);
}

void wn_request_account(struct wn_request *r)
{
    double seconds = (double)(wn_now_ns() - r->begin_ns) * 1e-9;
    int route = wn_route_number(r->route), column = wn_metric_status(r->replied ? r->reply.status : 0);
    wn_metric_add(WN_METRIC_REQUESTS, route, column, 1);
    wn_metric_observe(WN_METRIC_SECONDS, route, column, seconds);
    if (r->server->config.access_log) log_request(r, seconds * 1e3);
}
