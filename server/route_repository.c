/* /v2/repository: what is in the folder of models, and what of it is in memory; the model repository extension of
 * the Open Inference Protocol. Knows the keeper, and nothing of how it works. */
#include "http.h"
#include "jsonload.h"

#include <jansson.h>
#include <string.h>

#define CONTROL_BYTES 65536

/* ---- the index ---- */

static void write_row(struct wn_text *out, const struct wn_model *m, const struct wn_error *note)
{
    static const char *const states[] = {"LOADING", "READY", "UNAVAILABLE", "UNAVAILABLE"};
    wn_json_open(out, '{');
    wn_json_pair(out, "name", m->name);
    wn_json_pair(out, "version", m->version);
    wn_json_pair(out, "state", states[atomic_load(&m->state)]);
    wn_json_pair(out, "reason", wn_model_is_ready(m) ? note->text : m->why.text);
    wn_json_close(out, '}');
}

/* The body, which may be empty; NULL and a problem where it is no JSON object. The caller's to let go. */
static json_t *read_body(struct wn_request *r)
{
    json_error_t why;
    if (!r->body_size) return json_object();
    if (r->body_size > CONTROL_BYTES) {
        wn_problem_set(&r->problem, NULL, WN_TOO_LARGE, "the body is larger than %d bytes", CONTROL_BYTES);
        return NULL;
    }
    bool starved;
    json_t *root = wn_json_load(r->body, r->body_size, &why, &starved);
    if (json_is_object(root)) return root;
    if (starved) {
        wn_problem_set(&r->problem, NULL, WN_NO_MEMORY, "no memory for the request");
        return NULL;
    }
    wn_problem_set(&r->problem, NULL, WN_BAD_REQUEST, "the body must be a JSON object%s%s", root ? "" : ": ",
                   root ? "" : wn_json_why(&why));
    json_decref(root);
    return NULL;
}

/* Whether all keys of the object are among these; else a problem. */
static bool only_keys(struct wn_request *r, const json_t *object, const char *where, const char *a, const char *b)
{
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)object, key, value) {
        if (strcmp(key, a) == 0 || (b && strcmp(key, b) == 0)) continue;
        wn_problem_set(&r->problem, where, WN_BAD_REQUEST, "there is no field '%.64s' here%s", key,
                       strcmp(where, "/parameters") == 0 ? ": models are loaded by name, from the folder of models only"
                                                         : "");
        return false;
    }
    return true;
}

bool wn_route_repository_index(struct wn_request *r)
{
    struct wn_text *out = &r->reply.body;
    json_t *body = read_body(r);
    const json_t *ready = json_object_get(body, "ready");
    const struct wn_models *models = wn_request_models(r);
    if (body && ready && !json_is_boolean(ready))
        wn_problem_set(&r->problem, "/ready", WN_BAD_REQUEST, "ready must be true or false");
    if (body && only_keys(r, body, "", "ready", NULL) && r->problem.error.code == WN_OK) {
        wn_json_open(out, '[');
        for (int i = 0; i < models->n; i++)
            if (!json_is_true(ready) || wn_model_is_ready(models->list[i]))
                write_row(out, models->list[i], &models->notes[i]);
        wn_json_close(out, ']');
    }
    json_decref(body);
    return true;
}

/* ---- load and unload ---- */

static void wake(void *waiter)
{
    struct wn_request *r = waiter;
    MHD_resume_connection(r->connection);
}

static bool read_parameters(struct wn_request *r, const json_t *body)
{
    const json_t *parameters = json_object_get(body, "parameters"), *version = json_object_get(parameters, "version");
    if (!only_keys(r, body, "", "parameters", NULL)) return false;
    if (parameters && !json_is_object(parameters))
        return wn_problem_set(&r->problem, "/parameters", WN_BAD_REQUEST, "parameters must be an object") == WN_OK;
    if (!only_keys(r, parameters, "/parameters", "version", "unload_dependents")) return false;
    if (version && (!json_is_string(version) || json_string_length(version) >= sizeof r->task.version))
        return wn_problem_set(&r->problem, "/parameters/version", WN_BAD_REQUEST,
                              "version must be a string of at most 64 bytes") == WN_OK;
    if (version) strcpy(r->task.version, json_string_value(version));
    return true;
}

/* True where the keeper is to be asked; else the problem says why not. */
static bool prepare(struct wn_request *r, enum wn_errand errand)
{
    if (!r->server->config.model_control) {
        wn_problem_set(&r->problem, NULL, WN_FORBIDDEN,
                       "models are not loaded or unloaded over HTTP here: --model-control allows it, and SIGHUP reads "
                       "the folder again");
        return false;
    }
    if (!wn_is_model_name(r->model)) {
        wn_problem_set(&r->problem, "/model", WN_NO_SUCH_MODEL, "'%.64s' is not a name that a model can have",
                       r->model);
        return false;
    }
    json_t *body = read_body(r);
    r->task.errand = errand;
    strcpy(r->task.name, r->model);
    bool good = body && read_parameters(r, body);
    json_decref(body);
    return good;
}

static bool control(struct wn_request *r, enum wn_errand errand)
{
    if (atomic_load(&r->task.done)) {
        if (r->task.error.code != WN_OK)
            wn_problem_set(&r->problem, NULL, r->task.error.code, "%s", r->task.error.text);
        wn_text_puts(&r->reply.body, "{}");
        return true;
    }
    if (!prepare(r, errand)) return true;
    r->task.wake = wake;
    r->task.waiter = r;
    wn_connections_enter(&r->server->connections, r->connection, WN_PHASE_BUSY, NULL);
    MHD_suspend_connection(r->connection); /* first: the keeper may be done before this returns */
    wn_keeper_ask(&r->server->keeper, &r->task);
    return false;
}

bool wn_route_repository_load(struct wn_request *r)
{
    return control(r, WN_ERRAND_LOAD);
}

bool wn_route_repository_unload(struct wn_request *r)
{
    return control(r, WN_ERRAND_UNLOAD);
}
