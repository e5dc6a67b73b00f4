/* Operations: whether the daemon lives and answers, its figures, its version. */
#include "metrics.h"
#include "server.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <whynot/whynot.h>

static bool say(struct wn_request *r, const char *status)
{
    wn_json_open(&r->reply.body, '{');
    wn_json_pair(&r->reply.body, "status", status);
    wn_json_close(&r->reply.body, '}');
    return true;
}

bool wn_route_livez(struct wn_request *r)
{
    return say(r, "alive");
}

/* Which models answer and why others do not: for whoever may change it. */
static void write_readiness(struct wn_request *r, struct wn_text *out)
{
    const struct wn_models *models = wn_request_models(r);
    wn_json_key(out, "models");
    wn_json_open(out, '[');
    for (int i = 0; models && i < models->n; i++) {
        const struct wn_model *m = models->list[i];
        wn_json_open(out, '{');
        wn_json_pair(out, "name", m->name);
        wn_json_pair(out, "version", m->version);
        wn_json_pair_bool(out, "ready", wn_model_is_ready(m));
        if (!wn_model_is_ready(m) && m->why.code != WN_OK) {
            wn_json_pair(out, "reason", m->why.text);
        }
        wn_json_close(out, '}');
    }
    wn_json_close(out, ']');
}

bool wn_route_readyz(struct wn_request *r)
{
    bool lost = wn_guard_is_lost(), draining = atomic_load(&r->server->draining), tell = r->scopes & WN_SCOPE_ADMIN;
    if (lost || draining || !atomic_load(&r->server->ready))
        wn_problem_set(&r->problem, NULL, WN_NOT_READY, "%s",
                       !tell      ? "not ready"
                       : lost     ? "the device is lost; the server ends"
                       : draining ? "the server is stopping"
                                  : "the models are still being loaded");
    if (!tell || r->problem.error.code != WN_OK) return say(r, "ready");
    wn_json_open(&r->reply.body, '{');
    wn_json_pair(&r->reply.body, "status", "ready");
    write_readiness(r, &r->reply.body);
    wn_json_close(&r->reply.body, '}');
    return true;
}

bool wn_route_version(struct wn_request *r)
{
    struct wn_text *out = &r->reply.body;
    wn_json_open(out, '{');
    wn_json_pair(out, "name", "whynot");
    wn_json_pair(out, "version", wn_version());
    wn_json_key(out, "backends");
    wn_json_open(out, '[');
    for (int i = 0; wn_backend_at(i); i++) wn_json_string(out, wn_backend_at(i)->name);
    wn_json_close(out, ']');
    wn_json_close(out, '}');
    return true;
}

static void gauge(struct wn_text *out, const char *name, const char *help, long long value)
{
    wn_text_printf(out, "# HELP %s %s\n# TYPE %s gauge\n%s %lld\n", name, help, name, name, value);
}

/* Model names and versions of manifests: versions are free text, so they are escaped. */
static void label(struct wn_text *out, const char *name, const char *value)
{
    wn_text_printf(out, "%s=\"", name);
    for (; *value; value++) {
        if (*value == '"' || *value == '\\') wn_text_add(out, "\\", 1);
        wn_text_add(out, *value == '\n' ? " " : value, 1);
    }
    wn_text_add(out, "\"", 1);
}

static void write_models(struct wn_text *out, const struct wn_models *models)
{
    static const char *const words[] = {
        "model_loaded", "Whether this version answers.", "model_bytes",
        "Memory when it was loaded: weights once, and what each worker has of its own."};
    for (int bytes = 0; bytes < 2; bytes++) {
        const char *name = words[2 * bytes];
        wn_text_printf(out, "# HELP whynot_%s %s\n# TYPE whynot_%s gauge\n", name, words[2 * bytes + 1], name);
        for (int i = 0; i < models->n; i++) {
            const struct wn_model *m = models->list[i];
            wn_text_printf(out, "whynot_%s{", name);
            label(out, "model", m->name);
            wn_text_add(out, ",", 1);
            label(out, "version", m->version);
            wn_text_printf(out, "} %zu\n", bytes ? m->bytes : (size_t)wn_model_is_ready(m));
        }
    }
}

static void write_device(struct wn_text *out, const struct wn_crew *crew, int d, const char *name,
                         unsigned long long value)
{
    wn_text_printf(out, "whynot_device_%s{device=\"%d\",", name, crew->device[d]);
    label(out, "name", crew->device_name[d]);
    wn_text_printf(out, "} %llu\n", value);
}

static void write_devices(struct wn_text *out, struct wn_workers *w, const struct wn_models *models)
{
    static const char *const words[][3] = {
        {"workers", "gauge", "Workers that compute on this device."},
        {"memory_bytes", "gauge",
         "Memory there when models were loaded: what their engines share, and what each has of its own."},
        {"batches_total", "counter", "Batches that were run there."},
        {"images_total", "counter", "Images in them."}};
    const struct wn_crew *crew = w->crew;
    const int each = crew->n / crew->n_devices;
    for (int k = 0; k < 4; k++) {
        wn_text_printf(out, "# HELP whynot_device_%s %s\n# TYPE whynot_device_%s %s\n", words[k][0], words[k][2],
                       words[k][0], words[k][1]);
        for (int d = 0; d < crew->n_devices; d++) {
            const unsigned long long values[] = {(unsigned long long)each, wn_models_device_bytes(models, each),
                                                 (unsigned long long)atomic_load(&w->done[d].batches),
                                                 (unsigned long long)atomic_load(&w->done[d].images)};
            write_device(out, crew, d, words[k][0], values[k]);
        }
    }
}

bool wn_route_metrics(struct wn_request *r)
{
    struct wn_text *out = &r->reply.body;
    struct wn_server *s = r->server;
    r->reply.type = "text/plain; version=0.0.4; charset=utf-8";
    wn_metrics_write(out);
    gauge(out, "whynot_queue_depth", "Pictures that wait for a worker.", wn_queue_depth(&s->queue));
    gauge(out, "whynot_pictures_running", "Pictures that workers have now.", wn_queue_running(&s->queue));
    gauge(out, "whynot_requests_in_flight", "Requests begun and not yet over.", atomic_load(&s->requests));
    gauge(out, "whynot_body_bytes_in_flight", "Bytes of request bodies held now.",
          (long long)atomic_load(&s->bytes_in_flight));
#ifdef __GLIBC__
    gauge(out, "whynot_heap_bytes", "Bytes that the C library's allocator has given out.",
          (long long)mallinfo2().uordblks);
#endif
    gauge(out, "whynot_stack_cache_bytes", "Memory of maps of every class that are kept.",
          s->kept ? (long long)wn_kept_bytes(s->kept) : 0);
    if (s->evaluator)
        gauge(out, "whynot_evaluations_waiting", "Evaluations that wait for the one that runs.",
              wn_evaluator_waiting(s->evaluator));
    gauge(out, "whynot_workers", "Workers that compute.", atomic_load(&s->keeper.workers));
    if (atomic_load(&s->ready) && s->keeper.crew.n) write_devices(out, &s->workers, wn_request_models(r));
    write_models(out, wn_request_models(r));
    gauge(out, "whynot_models_bytes", "Memory of all models, with those that are replaced but still answer.",
          (long long)atomic_load(&s->keeper.shelf.bytes));
    wn_text_printf(
        out,
        "# HELP whynot_build_info The build.\n# TYPE whynot_build_info gauge\nwhynot_build_info{version=\"%s\"} 1\n",
        wn_version());
    return true;
}
