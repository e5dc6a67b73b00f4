/* The four addresses that Label Studio asks of a machine learning backend. Knows their bodies; tasks are read and
 * answered by others. */
#include "label.h"
#include "serve.h"

#include <string.h>

bool wn_route_label_health(struct wn_request *r)
{
    if (atomic_load(&r->server->draining) || !atomic_load(&r->server->ready))
        wn_problem_set(&r->problem, NULL, WN_NOT_READY, "the server is starting or stopping");
    wn_text_puts(&r->reply.body, "{\"status\":\"UP\",\"model_class\":\"whynot\"}");
    return true;
}

static void write_setup(struct wn_request *r)
{
    struct wn_text *out = &r->reply.body;
    struct wn_label_notes notes = {0};
    wn_label_review(r->labeling, &r->pool, &notes);
    wn_json_open(out, '{');
    wn_json_pair(out, "model_version", r->labeling->version);
    wn_json_key(out, "notes");
    wn_json_open(out, '[');
    for (int i = 0; i < notes.n; i++) wn_json_string(out, notes.list[i]);
    wn_json_close(out, ']');
    wn_json_close(out, '}');
}

/* Nothing of it is kept, the access token least of all: each request for predictions brings its configuration along. */
bool wn_route_label_setup(struct wn_request *r)
{
    json_t *root;
    struct wn_slice *slices;
    int n_slices;
    enum wn_code code = wn_label_read(r, &r->pool, &root, &slices, &n_slices);
    const json_t *xml = json_object_get(root, "schema");
    if (code == WN_OK && xml && !json_is_string(xml))
        code = wn_problem_set(&r->problem, "/schema", WN_BAD_REQUEST,
                              "schema must be a string, the project's labeling configuration");
    if (code == WN_OK) code = wn_label_begin(r, xml ? json_string_value(xml) : "", xml ? json_string_length(xml) : 0);
    if (code == WN_OK) write_setup(r);
    json_decref(root);
    return true;
}

bool wn_route_label_predict(struct wn_request *r)
{
    static const struct wn_protocol protocol = {wn_label_intake, wn_label_answer, wn_label_cost};
    return wn_serve(r, &protocol);
}

/* What happened in the project changes nothing here: nothing is trained. */
bool wn_route_label_webhook(struct wn_request *r)
{
    json_t *root;
    struct wn_slice *slices;
    int n_slices;
    enum wn_code code = wn_label_read(r, &r->pool, &root, &slices, &n_slices);
    if (code == WN_OK && !json_is_string(json_object_get(root, "action")))
        wn_problem_set(&r->problem, "/action", WN_BAD_REQUEST, "action is missing: what happened");
    wn_text_puts(&r->reply.body, "{\"status\":\"ok\"}");
    json_decref(root);
    return true;
}
