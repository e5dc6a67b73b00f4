/* The line of a request. What a client wrote is in it only where it was checked or cut: no token, no picture, no
 * header. */
#include "audit.h"

#include "log.h"
#include "metrics.h"
#include "server.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define PROBLEM_BYTES 200

static bool is_id(const char *s)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t n = strspn(s, plain);
    return n > 0 && n <= 64 && !s[n];
}

/* n lower-case hexadecimal digits that are not all zero, and a dash or the end. */
static bool take_hex(const char **s, size_t n, char *out)
{
    if (strspn(*s, "0123456789abcdef") < n || strspn(*s, "0") >= n) return false;
    memcpy(out, *s, n);
    out[n] = 0;
    *s += n;
    return true;
}

/* "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01". As W3C's Trace Context has it: version ff is none; a
 * version above 00 is read as 00 is, and may have more behind another dash; of the flags only `sampled` means
 * something, the others are not passed on. */
static bool take_trace(const char *s, struct wn_trace *t)
{
    static const char hex[] = "0123456789abcdef";
    const bool first = strncmp(s, "00-", 3) == 0;
    if (strspn(s, hex) != 2 || s[2] != '-' || strncmp(s, "ff", 2) == 0) return false;
    s += 3;
    if (!take_hex(&s, 32, t->trace) || *s++ != '-' || !take_hex(&s, 16, t->parent) || *s++ != '-') return false;
    if (strspn(s, hex) != 2 || (s[2] && (first || s[2] != '-'))) return false;
    strcpy(t->flags, strchr("13579bdf", s[1]) ? "01" : "00");
    return true;
}

static void write_hex(const unsigned char *bytes, int n, char *out)
{
    for (int i = 0; i < n; i++) sprintf(out + 2 * i, "%02x", bytes[i]);
}

void wn_audit_begin(struct wn_request *r)
{
    unsigned char random[24];
    const char *id = wn_request_header(r, "X-Request-Id"), *parent = wn_request_header(r, "traceparent");
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) memset(random, 1, sizeof random);
    if (!parent || !take_trace(parent, &r->trace)) {
        r->trace = (struct wn_trace){.flags = "00"};
        write_hex(random + 8, 16, r->trace.trace);
    }
    write_hex(random, 8, r->trace.span);
    strcpy(r->id, id && is_id(id) ? id : r->trace.span);
}

void wn_audit_traceparent(const struct wn_trace *t, char out[WN_TRACEPARENT])
{
    snprintf(out, WN_TRACEPARENT, "00-%s-%s-%s", t->trace, t->span, t->flags);
}

static void write_client(struct wn_text *line, const struct wn_request *r)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (info && info->client_addr) wn_log_client(line, info->client_addr);
}

static void write_problem(struct wn_text *line, const struct wn_error *error)
{
    size_t n = strnlen(error->text, PROBLEM_BYTES);
    while (n && ((unsigned char)error->text[n] & 0xc0) == 0x80) n--; /* not through a character */
    wn_json_pair(line, "code", wn_code_name(error->code));
    wn_json_key(line, "problem");
    wn_json_string_n(line, error->text, n);
}

static void log_request(const struct wn_request *r, double ms)
{
    struct wn_text line = {0};
    wn_log_begin(&line, r->reply.status >= 500 ? "error" : "info");
    wn_json_pair(&line, "request_id", r->id);
    wn_json_pair(&line, "trace_id", r->trace.trace);
    wn_json_pair(&line, "span_id", r->trace.span);
    if (r->trace.parent[0]) wn_json_pair(&line, "parent_id", r->trace.parent);
    write_client(&line, r);
    if (r->key) wn_json_pair(&line, "key", r->key_name);
    wn_json_pair(&line, "method", r->method);
    wn_json_pair(&line, "route", wn_route_label(wn_route_number(r->route)));
    wn_json_pair_int(&line, "status", r->replied ? r->reply.status : 0);
    wn_json_pair_number(&line, "ms", ms);
    wn_json_pair_int(&line, "bytes_in", (int64_t)r->body_size);
    wn_json_pair_int(&line, "bytes_out", (int64_t)r->sent);
    if (r->model_name) wn_json_pair(&line, "model", r->model_name);
    if (r->problem.error.code != WN_OK) write_problem(&line, &r->problem.error);
    wn_log_write(&line);
}

void wn_audit_end(struct wn_request *r)
{
    double seconds = (double)(wn_now_ns() - r->begin_ns) * 1e-9;
    int route = wn_route_number(r->route), column = wn_metric_status(r->replied ? r->reply.status : 0);
    wn_metric_add(WN_METRIC_REQUESTS, route, column, 1);
    wn_metric_observe_request(r->model_name, route, column, seconds);
    if (r->server->config.access_log) log_request(r, seconds * 1e3);
}
