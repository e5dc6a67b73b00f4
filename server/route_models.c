/* GET /v1/models and what is under it: what the models are, their labels and their layers. */
#include "server.h"

#include <string.h>

#define MOST_LABELS 1000

static void write_variant(struct wn_text *out, const struct wn_graph *g, int of, const char *key, int layer)
{
    if (layer >= 0 && layer != of) wn_json_pair(out, key, wn_graph_layer(g, layer)->name);
}

static void write_layer(struct wn_text *out, const struct wn_graph *g, int i)
{
    const struct wn_layer *layer = wn_graph_layer(g, i);
    wn_json_open(out, '{');
    wn_json_pair(out, "name", layer->name);
    wn_json_pair(out, "op", layer->op);
    wn_json_key(out, "shape");
    wn_json_open(out, '[');
    wn_json_int(out, layer->channels);
    wn_json_int(out, layer->height);
    wn_json_int(out, layer->width);
    wn_json_close(out, ']');
    write_variant(out, g, i, "pre_activation", layer->before_activation);
    write_variant(out, g, i, "raw_conv", layer->raw_convolution);
    wn_json_close(out, '}');
}

/* note: why the last try to load it anew failed; code WN_OK where none did. */
static void write_short(struct wn_text *out, const struct wn_model *m, const struct wn_error *note)
{
    bool ready = wn_model_is_ready(m);
    wn_json_pair(out, "name", m->name);
    wn_json_pair(out, "version", m->version);
    wn_json_pair(out, "description", m->manifest.description ? m->manifest.description : "");
    wn_json_pair(out, "state", wn_model_state_name(m));
    wn_json_pair_bool(out, "ready", ready);
    if (!ready) wn_json_pair(out, "reason", m->why.text);
    if (note->code != WN_OK) wn_json_pair(out, "reload_failed", note->text);
    wn_json_pair_int(out, "classes", m->classes);
    wn_json_pair_int(out, "bytes", (int64_t)m->bytes);
}

static const struct wn_error *note_of(const struct wn_models *models, const struct wn_model *m)
{
    int i = 0;
    while (models->list[i] != m) i++;
    return &models->notes[i];
}

static void write_input(struct wn_text *out, const struct wn_model *m)
{
    char text[WN_PREPROCESS_TEXT];
    wn_preprocess_text(&m->manifest.preprocess, text);
    wn_json_key(out, "input");
    wn_json_open(out, '{');
    wn_json_pair_int(out, "channels", wn_graph_channels(m->graph));
    wn_json_pair_int(out, "height", wn_graph_height(m->graph));
    wn_json_pair_int(out, "width", wn_graph_width(m->graph));
    wn_json_pair(out, "preprocess", text);
    wn_json_pair(out, "preprocess_hash", m->preprocess_hash);
    wn_json_close(out, '}');
}

static void write_samples(struct wn_text *out, const struct wn_model *m)
{
    wn_json_key(out, "samples");
    wn_json_open(out, '[');
    for (int i = 0; i < m->manifest.n_samples; i++) {
        wn_json_open(out, '{');
        wn_json_pair(out, "file", m->manifest.samples[i].file);
        wn_json_pair(out, "label", m->manifest.samples[i].label);
        wn_json_pair(out, "why_not", m->manifest.samples[i].why_not);
        wn_json_close(out, '}');
    }
    wn_json_close(out, ']');
}

bool wn_route_models(struct wn_request *r)
{
    struct wn_text *out = &r->reply.body;
    wn_json_open(out, '{');
    wn_json_key(out, "models");
    wn_json_open(out, '[');
    const struct wn_models *models = wn_request_models(r);
    for (int i = 0; i < models->n; i++) {
        wn_json_open(out, '{');
        write_short(out, models->list[i], &models->notes[i]);
        wn_json_close(out, '}');
    }
    wn_json_close(out, ']');
    wn_json_close(out, '}');
    return true;
}

static void write_versions(struct wn_text *out, const struct wn_models *models, const char *name)
{
    wn_json_key(out, "versions");
    wn_json_open(out, '[');
    for (int i = 0; i < models->n; i++)
        if (strcmp(models->list[i]->name, name) == 0) wn_json_string(out, models->list[i]->version);
    wn_json_close(out, ']');
}

bool wn_route_model(struct wn_request *r)
{
    struct wn_text *out = &r->reply.body;
    const struct wn_model *m = wn_request_model(r);
    if (!m) return true;
    wn_json_open(out, '{');
    write_short(out, m, note_of(r->models, m));
    write_versions(out, r->models, m->name);
    if (wn_model_is_ready(m)) {
        wn_json_pair(out, "sha256", wn_graph_sha256(m->graph));
        wn_json_pair(out, "license", m->manifest.license);
        wn_json_pair(out, "device", m->device);
        wn_json_pair_int(out, "weight_bytes", wn_graph_weight_bytes(m->graph));
        wn_json_pair_int(out, "worker_bytes", (int64_t)m->bytes_each);
        wn_json_pair_int(out, "workers", m->n_engines);
        wn_json_pair_int(out, "shared_bytes", (int64_t)m->bytes_shared);
        wn_json_pair_number(out, "warmup_ms", m->warmup_ms);
        write_input(out, m);
        if (wn_model_layer(m)) {
            wn_json_key(out, "layer");
            write_layer(out, m->graph, m->layer);
        }
        write_samples(out, m);
    }
    wn_json_close(out, '}');
    return true;
}

static void write_label(struct wn_text *out, const struct wn_model *m, int i)
{
    wn_json_open(out, '{');
    wn_json_pair_int(out, "index", i);
    wn_json_pair(out, "label", m->labels[i]);
    wn_json_close(out, '}');
}

/* What was never read has no labels and no layers: that is said, rather than an empty list. */
static bool was_read(struct wn_request *r, const struct wn_model *m)
{
    if (m->labels && m->graph) return true;
    bool failed = atomic_load(&m->state) == WN_MODEL_FAILED;
    r->problem.retry_after_s = !failed;
    wn_problem_set(&r->problem, NULL, WN_NOT_READY, "the model %s is not ready: %s", m->name,
                   failed ? m->why.text : "it is being loaded");
    return false;
}

/* Labels that begin with the words come before labels that hold them somewhere. */
static void write_found(struct wn_text *out, const struct wn_model *m, const char *words, int most)
{
    int found = 0;
    for (int inside = 0; inside < 2; inside++)
        for (int i = 0; i < m->classes && found < most; i++) {
            const char *at = strcasestr(m->labels[i], words);
            if (at && (at != m->labels[i]) == inside) write_label(out, m, i), found++;
        }
}

bool wn_route_labels(struct wn_request *r)
{
    struct wn_text *out = &r->reply.body;
    const struct wn_model *m = wn_request_model(r);
    if (!m || !was_read(r, m)) return true;
    const char *words = wn_parameter(&r->parameters, "q"), *limit = wn_parameter(&r->parameters, "limit");
    int most = limit ? wn_digits(limit) : MOST_LABELS;
    if (most < 1 || most > MOST_LABELS) {
        wn_problem_set(&r->problem, "/limit", WN_BAD_REQUEST, "limit must lie between 1 and %d", MOST_LABELS);
        return true;
    }
    wn_json_open(out, '{');
    wn_json_pair_int(out, "classes", m->classes);
    wn_json_key(out, "labels");
    wn_json_open(out, '[');
    write_found(out, m, words ? words : "", most);
    wn_json_close(out, ']');
    wn_json_close(out, '}');
    return true;
}

bool wn_route_layers(struct wn_request *r)
{
    struct wn_text *out = &r->reply.body;
    const struct wn_model *m = wn_request_model(r);
    if (!m || !was_read(r, m)) return true;
    wn_json_open(out, '{');
    if (wn_model_layer(m)) wn_json_pair(out, "auto", wn_model_layer(m)->name);
    wn_json_key(out, "layers");
    wn_json_open(out, '[');
    for (int i = 0; i < wn_graph_layers(m->graph); i++) write_layer(out, m->graph, i);
    wn_json_close(out, ']');
    wn_json_close(out, '}');
    return true;
}
