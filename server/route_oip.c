/* GET /v2 and what is under it: the Open Inference Protocol's words about server and models; and its infer. */
#include "answer.h"
#include "infer.h"
#include "serve.h"

#include <string.h>
#include <whynot/whynot.h>

bool wn_route_v2(struct wn_request *r)
{
    static const char *const extensions[] = {"explain", "image_bytes", "binary_tensor_data", "model_repository"};
    struct wn_text *out = &r->reply.body;
    wn_json_open(out, '{');
    wn_json_pair(out, "name", "whynot");
    wn_json_pair(out, "version", wn_version());
    wn_json_key(out, "extensions");
    wn_json_open(out, '[');
    for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++) wn_json_string(out, extensions[i]);
    wn_json_close(out, ']');
    wn_json_close(out, '}');
    return true;
}

static bool say(struct wn_request *r, const char *key)
{
    wn_json_open(&r->reply.body, '{');
    wn_json_pair_bool(&r->reply.body, key, true);
    wn_json_close(&r->reply.body, '}');
    return true;
}

bool wn_route_v2_live(struct wn_request *r)
{
    return say(r, "live");
}

bool wn_route_v2_ready(struct wn_request *r)
{
    if (atomic_load(&r->server->draining) || !atomic_load(&r->server->ready))
        wn_problem_set(&r->problem, NULL, WN_NOT_READY, "the server is starting or stopping");
    return say(r, "ready");
}

/* ---- one model ---- */

static void write_tensor(struct wn_text *out, const char *name, const char *datatype, const int64_t *shape, int n)
{
    wn_json_open(out, '{');
    wn_json_pair(out, "name", name);
    wn_json_pair(out, "datatype", datatype);
    wn_json_key(out, "shape");
    wn_json_open(out, '[');
    for (int i = 0; i < n; i++) wn_json_int(out, shape[i]);
    wn_json_close(out, ']');
    wn_json_close(out, '}');
}

static void write_tensors(struct wn_text *out, const struct wn_model *m)
{
    int64_t shape[4] = {-1, wn_graph_channels(m->graph), wn_graph_height(m->graph), wn_graph_width(m->graph)};
    wn_json_key(out, "inputs");
    wn_json_open(out, '[');
    write_tensor(out, WN_INFER_INPUT, "FP32", shape, 4);
    wn_json_close(out, ']');
    wn_json_key(out, "outputs");
    wn_json_open(out, '[');
    for (int i = 0; wn_infer_name(i); i++) {
        int n = wn_infer_shape(m, i, shape);
        write_tensor(out, wn_infer_name(i), wn_infer_datatype(i), shape, n);
    }
    wn_json_close(out, ']');
}

/* A model that answers, or NULL and a problem. */
static const struct wn_model *ready_model(struct wn_request *r)
{
    const struct wn_model *m = wn_request_model(r);
    if (!m || wn_model_is_ready(m)) return m;
    wn_problem_set(&r->problem, NULL, WN_NOT_READY, "the model %s is not ready: %s", m->name, m->why.text);
    return NULL;
}

bool wn_route_v2_model(struct wn_request *r)
{
    struct wn_text *out = &r->reply.body;
    const struct wn_model *m = ready_model(r);
    if (!m) return true;
    wn_json_open(out, '{');
    wn_json_pair(out, "name", m->name);
    wn_json_key(out, "versions");
    wn_json_open(out, '[');
    for (int i = 0; i < r->models->n; i++)
        if (strcmp(r->models->list[i]->name, m->name) == 0 && wn_model_is_ready(r->models->list[i]))
            wn_json_string(out, r->models->list[i]->version);
    wn_json_close(out, ']');
    wn_json_pair(out, "platform", "whynot_onnx");
    write_tensors(out, m);
    wn_json_close(out, '}');
    return true;
}

bool wn_route_v2_model_ready(struct wn_request *r)
{
    const struct wn_model *m = ready_model(r);
    if (!m) return true;
    wn_json_open(&r->reply.body, '{');
    wn_json_pair(&r->reply.body, "name", m->name);
    wn_json_pair_bool(&r->reply.body, "ready", true);
    wn_json_close(&r->reply.body, '}');
    return true;
}

bool wn_route_v2_infer(struct wn_request *r)
{
    static const struct wn_protocol protocol = {wn_infer_intake, wn_infer_answer, wn_answer_cost};
    return wn_serve(r, &protocol);
}
