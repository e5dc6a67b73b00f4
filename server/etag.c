/* Tags from contents; knows which requests can have one. */
#include "etag.h"

#include <stdio.h>
#include <string.h>
#include <whynot/whynot.h>

/* Not against forgery: who finds two bodies of one tag fools only himself. */
static uint64_t mix(uint64_t h, const void *data, size_t n)
{
    const unsigned char *s = data;
    uint64_t word;
    for (; n >= sizeof word; s += sizeof word, n -= sizeof word) {
        memcpy(&word, s, sizeof word);
        h = (h ^ word) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    for (; n; n--) h = (h ^ *s++) * 0x100000001b3u;
    return (h ^ h >> 32) * 0xd6e8feb86659fd93u;
}

static uint64_t mix_text(uint64_t h, const char *s)
{
    return s ? mix(h, s, strlen(s) + 1) : mix(h, "", 1) + 1;
}

bool wn_etag_listed(const char *header, const char *etag)
{
    if (strncmp(etag, "W/", 2) == 0) etag += 2;
    for (const char *end; header && *header; header = *end ? end + 1 : end) {
        header += strspn(header, " \t");
        end = header + strcspn(header, ",");
        size_t n = strcspn(header, ", \t");
        if (n == 1 && *header == '*') return true;
        if (strncmp(header, "W/", 2) == 0) header += 2, n -= 2;
        if (n == strlen(etag) && memcmp(header, etag, n) == 0) return true;
    }
    return false;
}

static const char *write_tag(struct wn_request *r, const char *format, uint64_t h)
{
    char text[32];
    int n = snprintf(text, sizeof text, format, (unsigned long long)h);
    return wn_pool_text(&r->pool, text, (size_t)n);
}

bool wn_etag_of_route(const struct wn_route *route, const char *type)
{
    bool table =
        route->scope == WN_SCOPE_READ && strcmp(type, "application/json") == 0 && strcmp(route->method, "GET") == 0;
    return table || (wn_route_asks(route) && route->body != WN_BODY_TASKS); /* tasks name files, which may change */
}

void wn_etag_body(struct wn_request *r)
{
    bool table = r->route && r->route->body == WN_BODY_NONE && wn_etag_of_route(r->route, r->reply.type);
    if (!table || r->reply.etag || r->reply.status != 200 || r->problem.error.code != WN_OK || r->reply.body.failed)
        return;
    r->reply.etag = write_tag(r, "\"%016llx\"", mix(1, r->reply.body.bytes.data, r->reply.body.bytes.size));
    if (!r->reply.etag || !wn_etag_listed(wn_request_header(r, "If-None-Match"), r->reply.etag)) return;
    r->reply.status = 304;
    wn_text_finish(&r->reply.body);
}

static uint64_t mix_model(uint64_t h, const struct wn_model *m)
{
    h = mix_text(mix_text(mix_text(h, m->name), m->version), wn_graph_sha256(m->graph));
    h = mix_text(mix_text(mix_text(h, m->preprocess_hash), m->device), m->precision);
    for (int i = 0; i < m->classes; i++) h = mix_text(h, m->labels[i]);
    return mix(h, &m->layer, sizeof m->layer);
}

const char *wn_etag_question(struct wn_request *r)
{
    static const char *const headers[] = {"Content-Type", "Accept", "Inference-Header-Content-Length"};
    uint64_t h = mix_text(mix_text(mix_text(1, wn_version()), r->route->path), r->query);
    const struct wn_model *last = NULL;
    if (!wn_etag_of_route(r->route, r->reply.type)) return NULL;
    for (int i = 0; i < 3; i++) h = mix_text(h, wn_request_header(r, headers[i]));
    for (int i = 0; i < r->job->n_slots; i++) {
        const struct wn_slot *slot = &r->job->slots[i];
        if (slot->problem.error.code != WN_OK) return NULL;
        if (slot->model != last) h = mix_model(h, slot->model);
        last = slot->model;
    }
    return write_tag(r, "W/\"%016llx\"", mix(h, r->body, r->body_size));
}
