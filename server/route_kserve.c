/* KServe V1: {"instances": [...]} in, {"predictions": [...]} and {"explanations": [...]} out; and TorchServe's names
 * for the same. Knows the shapes of those protocols; the questions and their answers are the native ones. */
#include "answer.h"
#include "intake.h"
#include "serve.h"

#include <stdlib.h>
#include <string.h>

/* ---- KServe V1 ---- */

static enum wn_code take_instances(struct wn_request *r, struct wn_job *job)
{
    enum wn_code code = wn_intake(r, job);
    if (code == WN_OK && !job->is_batch)
        code = wn_problem_set(&r->problem, "/instances", WN_BAD_REQUEST,
                              "instances is missing: the list of pictures, each {\"b64\": \"...\"}");
    return code;
}

/* Predictions only: no maps are asked for, so nothing but the forward pass is run. */
static void want_no_maps(struct wn_job *job)
{
    for (int i = 0; i < job->n_slots; i++) wn_ask_prediction_only(&job->slots[i].ask);
}

static enum wn_code take_for_predict(struct wn_request *r, struct wn_job *job)
{
    enum wn_code code = take_instances(r, job);
    if (code == WN_OK) want_no_maps(job);
    return code;
}

static void write_predictions(struct wn_request *r)
{
    struct wn_text *out = &r->reply.body;
    wn_json_key(out, "predictions");
    wn_json_open(out, '[');
    for (int i = 0; i < r->job->n_slots; i++) {
        struct wn_slot *slot = &r->job->slots[i];
        struct wn_error err = {0};
        if (slot->problem.error.code == WN_OK && wn_answer_prediction(out, slot, &err) != WN_OK)
            wn_problem_set(&slot->problem, NULL, err.code, "%s", err.text);
        if (slot->problem.error.code != WN_OK) wn_problem_write(&slot->problem, r->id, out);
    }
    wn_json_close(out, ']');
}

static void answer_predict(struct wn_request *r)
{
    wn_json_open(&r->reply.body, '{');
    write_predictions(r);
    wn_json_close(&r->reply.body, '}');
}

static void answer_explain(struct wn_request *r)
{
    struct wn_text *out = &r->reply.body;
    wn_json_open(out, '{');
    write_predictions(r);
    wn_json_key(out, "explanations");
    wn_json_open(out, '[');
    for (int i = 0; i < r->job->n_slots; i++) wn_answer_slot(r, &r->job->slots[i]);
    wn_json_close(out, ']');
    wn_json_close(out, '}');
}

bool wn_route_kserve_predict(struct wn_request *r)
{
    static const struct wn_protocol protocol = {take_for_predict, answer_predict, wn_answer_cost};
    return wn_serve(r, &protocol);
}

bool wn_route_kserve_explain(struct wn_request *r)
{
    static const struct wn_protocol protocol = {take_instances, answer_explain, wn_answer_cost};
    return wn_serve(r, &protocol);
}

/* ---- TorchServe ---- */

bool wn_route_ping(struct wn_request *r)
{
    if (atomic_load(&r->server->draining) || !atomic_load(&r->server->ready))
        wn_problem_set(&r->problem, NULL, WN_NOT_READY, "Unhealthy: the server is starting or stopping");
    wn_text_puts(&r->reply.body, "{\"status\":\"Healthy\"}");
    return true;
}

static enum wn_code take_picture_to_predict(struct wn_request *r, struct wn_job *job)
{
    enum wn_code code = wn_intake(r, job);
    if (code == WN_OK && job->is_batch)
        code = wn_problem_set(&r->problem, "/instances", WN_BAD_REQUEST,
                              "one picture at a time here; /v1/models/{model}:predict takes a list");
    if (code == WN_OK) want_no_maps(job);
    return code;
}

/* Labels need not differ; keys must. */
static void write_key(struct wn_text *out, const struct wn_model *m, const int *best, int at)
{
    bool twice = false;
    for (int i = 0; i < at; i++) twice |= strcmp(m->labels[best[i]], m->labels[best[at]]) == 0;
    struct wn_text key = {0};
    wn_text_printf(&key, twice ? "%s (%d)" : "%s", m->labels[best[at]], best[at]);
    wn_json_key(out, wn_text_string(&key));
    out->failed |= key.failed;
    wn_text_finish(&key);
}

/* {"label": probability, ...}, the most probable first, as TorchServe's image classifier says it. */
static void answer_scores(struct wn_request *r)
{
    struct wn_slot *slot = &r->job->slots[0];
    struct wn_text *out = &r->reply.body;
    int best[1000];
    if (slot->problem.error.code != WN_OK) {
        r->problem = slot->problem;
        return;
    }
    const struct wn_model *m = slot->model;
    float *p = calloc((size_t)m->classes, sizeof *p);
    if (!p) {
        wn_problem_set(&r->problem, NULL, WN_NO_MEMORY, "no memory for the answer");
        return;
    }
    wn_softmax(slot->item->logits, m->classes, p);
    int n = wn_top(slot->item->logits, m->classes, slot->ask.top_k, best);
    wn_json_open(out, '{');
    for (int i = 0; i < n; i++) {
        write_key(out, m, best, i);
        wn_json_number(out, p[best[i]]);
    }
    wn_json_close(out, '}');
    free(p);
}

bool wn_route_predictions(struct wn_request *r)
{
    static const struct wn_protocol protocol = {take_picture_to_predict, answer_scores, wn_answer_cost};
    return wn_serve(r, &protocol);
}
