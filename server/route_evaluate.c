/* /v1/models/{model}/evaluate and /v1/evaluations: an evaluation is handed in, looked at, read, cancelled. Knows
 * what clients write and read, and nothing of how pictures are judged. */
#include "evaluator.h"
#include "jsonload.h"
#include "jsonscan.h"
#include "parts.h"
#include "server.h"
#include "spelling.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_INSTANCES 1024
#define MOST_BOXES 256
#define MOST_NUMBERS 1000000 /* of all pictures together: what a table costs in time and memory */
#define NUMBER_BYTES 64      /* of one, in a line with its name and in the table's columns */
#define CANCEL_BYTES 65536

/* What is being read. */
struct reading {
    struct wn_request *r;
    struct wn_assessment *job;
    const struct wn_slice *slices;
    int n_slices;
    char pointer[64]; /* "/instances/3", or "" */
};

static enum wn_code wrong(struct reading *in, const char *key, enum wn_code code, const char *words)
{
    char pointer[96];
    snprintf(pointer, sizeof pointer, "%s%s%.24s", in->pointer, *key ? "/" : "", key);
    return wn_problem_set(&in->r->problem, pointer, code, "%s", words);
}

static enum wn_code no_memory(struct wn_request *r)
{
    return wn_problem_set(&r->problem, NULL, WN_NO_MEMORY, "no memory for the evaluation");
}

static enum wn_code only_keys(struct reading *in, const json_t *object, const char *const *names, int n)
{
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)object, key, value) {
        int i = 0;
        while (i < n && strcmp(names[i], key) != 0) i++;
        if (i < n) continue;
        wrong(in, key, WN_BAD_REQUEST, "there is no such field here; /openapi.json lists them");
        wn_problem_similar(&in->r->problem, key, names, n);
        return WN_BAD_REQUEST;
    }
    return WN_OK;
}

/* ---- one picture ---- */

static enum wn_code read_part(struct reading *in, const json_t *one, const char *key, const struct wn_slice **out)
{
    const json_t *v = wn_json_given(one, key), *b64 = json_object_get(v, "b64");
    if (!v) return WN_OK;
    json_int_t i = json_is_integer(b64) ? json_integer_value(b64) : -1;
    if (json_object_size(v) != 1 || i < 0 || i >= in->n_slices)
        return wrong(in, key, WN_BAD_REQUEST, "a picture is {\"b64\": \"...\"}");
    *out = &in->slices[i];
    return WN_OK;
}

static enum wn_code read_class(struct reading *in, const json_t *one, const char *key, int *out)
{
    const struct wn_model *m = in->job->model;
    const json_t *v = wn_json_given(one, key);
    char what[400];
    *out = -1;
    if (!v) return WN_OK;
    if (json_is_integer(v))
        *out = json_integer_value(v) >= 0 && json_integer_value(v) < m->classes ? (int)json_integer_value(v) : -1;
    else if (json_is_string(v))
        *out = wn_model_class(m, json_string_value(v));
    else
        return wrong(in, key, WN_BAD_REQUEST, "a class is its label or its number");
    if (*out >= 0) return WN_OK;
    if (*out == WN_SPELLED_TWICE) {
        char where[80];
        wn_spelled_where(m->labels, m->classes, json_string_value(v), where, sizeof where);
        snprintf(what, sizeof what, "'%.128s' is the label of the classes %s of the model %s: say the number",
                 json_string_value(v), where, m->name);
        return wrong(in, key, WN_BAD_REQUEST, what);
    }
    if (json_is_string(v))
        snprintf(what, sizeof what, "the model %s has no class '%.128s'; see /v1/models/%s/labels?q=", m->name,
                 json_string_value(v), m->name);
    else
        snprintf(what, sizeof what, "%lld is not a class: the model has classes 0 to %d",
                 (long long)json_integer_value(v), m->classes - 1);
    wrong(in, key, WN_NO_SUCH_CLASS, what);
    if (json_is_string(v)) wn_problem_similar(&in->r->problem, json_string_value(v), m->labels, m->classes);
    return WN_NO_SUCH_CLASS;
}

static enum wn_code read_boxes(struct reading *in, const json_t *one, struct wn_exhibit *e)
{
    const json_t *list = wn_json_given(one, "boxes");
    size_t n = json_array_size(list);
    if (!list) return WN_OK;
    if (!json_is_array(list) || n > MOST_BOXES)
        return wrong(in, "boxes", WN_BAD_REQUEST, "boxes are a list of at most 256");
    struct wn_box *boxes = wn_pool_array(&in->job->pool, n + 1, sizeof *boxes);
    if (!boxes) return no_memory(in->r);
    for (size_t i = 0; i < n; i++) {
        const json_t *box = json_array_get(list, i);
        int v[4];
        for (size_t k = 0; k < 4; k++) {
            const json_t *number = json_array_get(box, k);
            if (!json_is_number(number) || json_array_size(box) != 4)
                return wrong(in, "boxes", WN_BAD_REQUEST, "a box is [x0, y0, x1, y1]");
            v[k] = (int)fmin(fmax(json_number_value(number), -1e6), 1e6);
        }
        if (v[0] > v[2] || v[1] > v[3] || v[2] < 0 || v[3] < 0)
            return wrong(in, "boxes", WN_BAD_REQUEST,
                         "a box is [x0, y0, x1, y1]: its second corner lies in the picture, not left of the first and "
                         "not above it");
        boxes[i] = (struct wn_box){v[0], v[1], v[2], v[3]};
    }
    e->boxes = boxes;
    e->n_boxes = (int)n;
    return WN_OK;
}

static enum wn_code read_instance(struct reading *in, const json_t *one, int number, struct wn_instance *out)
{
    static const char *const names[] = {"id",    "image",          "label",     "rival",
                                        "truth", "counterfactual", "elsewhere", "boxes"};
    static const char *const parts[WN_PARTS] = {"image", "truth", "counterfactual", "elsewhere"};
    const json_t *id = wn_json_given(one, "id");
    char text[16];
    snprintf(in->pointer, sizeof in->pointer, "/instances/%d", number);
    if (!json_is_object(one)) return wrong(in, "", WN_BAD_REQUEST, "an instance is an object with an image");
    enum wn_code code = only_keys(in, one, names, (int)(sizeof names / sizeof *names));
    if (code == WN_OK && id && (!json_is_string(id) || !json_string_length(id) || json_string_length(id) > 256))
        code = wrong(in, "id", WN_BAD_REQUEST, "an id is a string of 1 to 256 bytes");
    if (code != WN_OK) return code;
    snprintf(text, sizeof text, "%d", number);
    const char *name = id ? json_string_value(id) : text;
    out->exhibit.name = wn_pool_text(&in->job->pool, name, strlen(name));
    if (!out->exhibit.name) return no_memory(in->r);
    for (int k = 0; k < WN_PARTS && code == WN_OK; k++) code = read_part(in, one, parts[k], &out->part[k]);
    if (code == WN_OK && !out->part[WN_PART_IMAGE])
        code = wrong(in, "image", WN_BAD_REQUEST, "an instance has an image");
    if (code == WN_OK) code = read_class(in, one, "label", &out->exhibit.label);
    if (code == WN_OK) code = read_class(in, one, "rival", &out->exhibit.rival);
    return code == WN_OK ? read_boxes(in, one, &out->exhibit) : code;
}

static enum wn_code read_instances(struct reading *in, const json_t *list)
{
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n < 1 || n > MOST_INSTANCES)
        return wn_problem_set(&in->r->problem, "/instances", WN_BAD_REQUEST,
                              "instances must be a list of 1 to %d pictures", MOST_INSTANCES);
    in->job->instances = wn_pool_array(&in->job->pool, n, sizeof *in->job->instances);
    if (!in->job->instances) return no_memory(in->r);
    in->job->of = (int)n;
    enum wn_code code = WN_OK;
    for (size_t i = 0; i < n && code == WN_OK; i++)
        code = read_instance(in, json_array_get(list, i), (int)i, &in->job->instances[i]);
    in->pointer[0] = 0;
    return code;
}

/* ---- what is judged by what ---- */

/* A list of names, or their text with commas; in the words of wn_judging_words. */
static enum wn_code read_names(struct reading *in, const json_t *root, const char *key, const char **out)
{
    const json_t *v = wn_json_given(root, key);
    struct wn_text t = {0};
    enum wn_code code = WN_OK;
    if (!v) return WN_OK;
    if (json_is_string(v)) wn_text_puts(&t, json_string_value(v));
    for (size_t i = 0; i < json_array_size(v) && code == WN_OK; i++) {
        const char *name = json_string_value(json_array_get(v, i));
        if (!name)
            code = wrong(in, key, WN_BAD_REQUEST, "these are names");
        else
            wn_text_printf(&t, "%s%s", i ? "," : "", name);
    }
    if (!json_is_string(v) && !json_is_array(v))
        code = wrong(in, key, WN_BAD_REQUEST, "this is a name, names with commas, or a list of names");
    if (code == WN_OK && !(*out = wn_pool_text(&in->job->pool, wn_text_string(&t), strlen(wn_text_string(&t)))))
        code = no_memory(in->r);
    wn_text_finish(&t);
    return code;
}

static enum wn_code read_text(struct reading *in, const json_t *root, const char *key, const char **out)
{
    const json_t *v = wn_json_given(root, key);
    if (!v) return WN_OK;
    if (!json_is_string(v)) return wrong(in, key, WN_BAD_REQUEST, "this is a name");
    *out = wn_pool_text(&in->job->pool, json_string_value(v), json_string_length(v));
    return *out ? WN_OK : no_memory(in->r);
}

static enum wn_code read_words(struct reading *in, const json_t *root, struct wn_judging_words *out)
{
    const char *explain = NULL;
    const json_t *least = wn_json_given(root, "least_second"), *seed = wn_json_given(root, "seed");
    enum wn_code code = read_text(in, root, "suite", &out->suite);
    if (code == WN_OK) code = read_names(in, root, "methods", &out->methods);
    if (code == WN_OK) code = read_names(in, root, "contrasts", &out->contrasts);
    if (code == WN_OK) code = read_names(in, root, "metrics", &out->metrics);
    if (code == WN_OK) code = read_text(in, root, "layer", &out->layer);
    if (code == WN_OK) code = read_text(in, root, "explain", &explain);
    if (code != WN_OK) return code;
    if (out->layer && strcmp(out->layer, "auto") == 0) out->layer = NULL;
    if (!wn_explained_read(explain, &out->explained))
        return wrong(in, "explain", WN_BAD_REQUEST, "explain is prediction or label");
    out->least_second = least ? json_number_value(least) : 0.1;
    if (least && (!json_is_number(least) || !(out->least_second >= 0 && out->least_second <= 1)))
        return wrong(in, "least_second", WN_BAD_REQUEST, "least_second is a probability");
    if (seed && (!json_is_integer(seed) || json_integer_value(seed) < 0 || json_integer_value(seed) > 1000000000))
        return wrong(in, "seed", WN_BAD_REQUEST, "seed is a whole number up to 1000000000");
    out->seed = seed ? (uint64_t)json_integer_value(seed) : 0;
    return WN_OK;
}

static enum wn_code read_judging(struct reading *in, const json_t *root)
{
    struct wn_judging_words words = {0};
    struct wn_error err = {0};
    double columns = 0;
    enum wn_code code = read_words(in, root, &words);
    if (code != WN_OK) return code;
    code = wn_judging_read(&words, in->job->model, &in->r->server->config, &in->job->judging, &err);
    if (code != WN_OK) return wrong(in, in->job->judging.wrong ? in->job->judging.wrong : "", code, err.text);
    struct wn_judging *j = &in->job->judging;
    if (!j->options.n_subjects || !j->options.n_metrics)
        return wrong(in, j->options.n_metrics ? "methods" : "metrics", WN_BAD_REQUEST,
                     "name a method, a contrast and a metric");
    if (wn_judging_wants_parts(j))
        return wn_problem_set(&in->r->problem, "/metrics", WN_BAD_REQUEST,
                              "pictures of parts are judged by whynot evaluate alone");
    for (int i = 0; i < j->options.n_metrics; i++) {
        columns += j->options.metrics[i]->n_columns;
        if (j->options.metrics[i]->needs & WN_NEEDS_SEVERAL && j->options.n_subjects < 2)
            return wn_problem_set(&in->r->problem, "/metrics", WN_BAD_REQUEST,
                                  "metric '%s' compares: give it two methods or contrasts",
                                  j->options.metrics[i]->name);
    }
    double numbers = columns * j->options.n_subjects * in->job->of;
    if (numbers > MOST_NUMBERS)
        return wn_problem_set(&in->r->problem, NULL, WN_BAD_REQUEST,
                              "%.0f numbers would come of this and %d are allowed: fewer pictures, methods or metrics",
                              numbers, MOST_NUMBERS);
    in->job->bytes = sizeof *in->job + in->r->body_size + (size_t)numbers * NUMBER_BYTES + (size_t)in->job->of * 512;
    return WN_OK;
}

/* ---- POST ---- */

static enum wn_code check_model(struct wn_request *r, const struct wn_model *m)
{
    if (!atomic_load(&r->server->ready) || atomic_load(&r->server->draining)) {
        r->problem.retry_after_s = 1;
        return wn_problem_set(&r->problem, NULL, WN_NOT_READY, "the server is starting or stopping");
    }
    if (wn_model_is_ready(m)) return WN_OK;
    return wn_problem_set(&r->problem, NULL, WN_NOT_READY, "the model %s is not ready: %s", m->name,
                          m->why.text[0] ? m->why.text : "it is being loaded");
}

static enum wn_code read_body(struct reading *in)
{
    static const char *const names[] = {"suite",   "methods",      "contrasts", "metrics",  "layer",
                                        "explain", "least_second", "seed",      "instances"};
    struct wn_request *r = in->r;
    struct wn_slice *slices = NULL;
    json_t *root = NULL;
    if (!r->body_size)
        return wn_problem_set(&r->problem, NULL, WN_BAD_REQUEST, "the body is a JSON object with instances");
    enum wn_code code =
        wn_json_read(r->body, r->body_size, NULL, &in->job->pool, &root, &slices, &in->n_slices, &r->problem.error);
    in->slices = slices;
    if (code == WN_OK && !json_is_object(root))
        code = wn_problem_set(&r->problem, NULL, WN_BAD_REQUEST, "the body must be a JSON object");
    if (code == WN_OK) code = only_keys(in, root, names, (int)(sizeof names / sizeof *names));
    if (code == WN_OK) code = read_instances(in, json_object_get(root, "instances"));
    if (code == WN_OK) code = read_judging(in, root);
    json_decref(root);
    return code;
}

static struct wn_assessment *begin(const struct wn_request *r, struct wn_model *m)
{
    struct wn_assessment *job = calloc(1, sizeof *job);
    if (!job) return NULL;
    job->model = wn_model_hold(m);
    job->key = r->key;
    snprintf(job->key_name, sizeof job->key_name, "%s", r->key_name);
    snprintf(job->model_name, sizeof job->model_name, "%s", m->name);
    snprintf(job->version, sizeof job->version, "%s", m->version);
    snprintf(job->sha256, sizeof job->sha256, "%s", wn_graph_sha256(m->graph));
    return job;
}

static void write_one(struct wn_request *r, const char *id, bool with_numbers);

bool wn_route_evaluate(struct wn_request *r)
{
    struct wn_evaluator *e = r->server->evaluator;
    struct wn_model *m = wn_request_model(r);
    struct wn_error err = {0};
    char id[WN_EVALUATION_ID + 1], location[64];
    if (!m || check_model(r, m) != WN_OK) return true;
    if (!e) {
        wn_problem_set(&r->problem, NULL, WN_UNSUPPORTED, "evaluations run in a daemon; here there is whynot evaluate");
        return true;
    }
    struct reading in = {.r = r, .job = begin(r, m)};
    if (!in.job || read_body(&in) != WN_OK) {
        if (!in.job) no_memory(r);
        wn_assessment_free(in.job);
        return true;
    }
    in.job->body = r->body; /* the pictures lie in it; it counts for the evaluator from now on */
    r->body = NULL;
    r->body_room = 0;
    enum wn_code code = wn_evaluator_add(e, in.job, id, &err);
    if (code != WN_OK) {
        wn_problem_set(&r->problem, NULL, code, "%s", err.text);
        r->problem.retry_after_s = code == WN_QUEUE_FULL ? 10 : 0;
        return true;
    }
    r->reply.status = 202;
    snprintf(location, sizeof location, "/v1/evaluations/%s", id);
    r->reply.location = wn_pool_text(&r->pool, location, strlen(location));
    write_one(r, id, false);
    return true;
}

/* ---- looking ---- */

/* Whoever asked, by the same key, or who may do everything. Without keys the id is the secret. */
static bool may_see(const struct wn_request *r, const struct wn_assessment *job)
{
    return r->scopes & WN_SCOPE_ADMIN || (job->key == r->key && strcmp(job->key_name, r->key_name) == 0);
}

static void write_model(struct wn_text *out, const struct wn_assessment *job)
{
    wn_json_key(out, "model");
    wn_json_open(out, '{');
    wn_json_pair(out, "name", job->model_name);
    wn_json_pair(out, "version", job->version);
    wn_json_pair(out, "sha256", job->sha256);
    wn_json_close(out, '}');
}

static void write_state(struct wn_text *out, const struct wn_assessment *job)
{
    int64_t until = job->end_ns ? job->end_ns : wn_now_ns();
    wn_json_pair(out, "id", job->id);
    write_model(out, job);
    wn_json_pair(out, "state", wn_assessment_state_name((int)job->state));
    wn_json_pair_int(out, "done", job->done);
    wn_json_pair_int(out, "of", job->of);
    wn_json_pair_int(out, "without_answer", job->failed);
    wn_json_pair_number(out, "seconds", job->begin_ns ? (double)(until - job->begin_ns) * 1e-9 : 0);
    bool ended_early = job->state == WN_ASSESSMENT_CANCELLED || job->state == WN_ASSESSMENT_FAILED;
    if (ended_early && job->error.code != WN_OK) wn_json_pair(out, "reason", job->error.text);
}

static void write_numbers(struct wn_text *out, const struct wn_assessment *job)
{
    if (job->state != WN_ASSESSMENT_DONE) return;
    wn_json_key(out, "table");
    wn_json_value(out);
    wn_text_add(out, (char *)job->table.bytes.data, job->table.bytes.size);
    wn_json_key(out, "lines");
    wn_json_open(out, '[');
    wn_text_add(out, (char *)job->lines.bytes.data, job->lines.bytes.size);
    wn_json_close(out, ']');
}

/* The job of the path, locked; NULL and a problem where there is none for whoever asks. */
static struct wn_assessment *lock_one(struct wn_request *r, const char *id)
{
    struct wn_evaluator *e = r->server->evaluator;
    struct wn_assessment *job = e ? wn_evaluator_lock(e, id) : NULL;
    if (job && may_see(r, job)) return job;
    if (job) wn_evaluator_unlock(e);
    wn_problem_set(&r->problem, NULL, WN_NOT_FOUND,
                   "there is no evaluation '%.40s'; old results make room for new ones", id);
    return NULL;
}

static void write_one(struct wn_request *r, const char *id, bool with_numbers)
{
    struct wn_assessment *job = lock_one(r, id);
    if (!job) return;
    wn_json_open(&r->reply.body, '{');
    write_state(&r->reply.body, job);
    if (with_numbers) write_numbers(&r->reply.body, job);
    wn_json_close(&r->reply.body, '}');
    wn_evaluator_unlock(r->server->evaluator);
}

bool wn_route_evaluation(struct wn_request *r)
{
    write_one(r, r->model, true);
    return true;
}

bool wn_route_evaluations(struct wn_request *r)
{
    struct wn_text *out = &r->reply.body;
    struct wn_evaluator *e = r->server->evaluator;
    bool tells = r->key || r->scopes & WN_SCOPE_ADMIN; /* else others would read here what only their id says */
    wn_json_open(out, '{');
    wn_json_key(out, "evaluations");
    wn_json_open(out, '[');
    if (e && tells) {
        pthread_mutex_lock(&e->lock);
        for (const struct wn_assessment *job = e->first; job; job = job->next) {
            if (!may_see(r, job)) continue;
            wn_json_open(out, '{');
            write_state(out, job);
            wn_json_close(out, '}');
        }
        pthread_mutex_unlock(&e->lock);
    }
    wn_json_close(out, ']');
    wn_json_close(out, '}');
    return true;
}

/* ---- cancelling ---- */

bool wn_route_evaluation_cancel(struct wn_request *r)
{
    json_t *body = NULL;
    enum wn_code code = WN_OK;
    if (r->body_size > CANCEL_BYTES) {
        wn_problem_set(&r->problem, NULL, WN_TOO_LARGE, "the body is larger than %d bytes", CANCEL_BYTES);
        return true;
    }
    if (r->body_size) code = wn_json_parse(r->body, r->body_size, &body, NULL);
    bool empty = !r->body_size || (json_is_object(body) && json_object_size(body) == 0);
    json_decref(body);
    if (code == WN_NO_MEMORY) {
        wn_problem_set(&r->problem, NULL, WN_NO_MEMORY, "no memory for the request");
        return true;
    }
    if (!empty) {
        wn_problem_set(&r->problem, NULL, WN_BAD_REQUEST, "the body, where there is one, is an empty JSON object");
        return true;
    }
    struct wn_assessment *job = lock_one(r, r->model);
    if (!job) return true;
    wn_evaluator_cancel(r->server->evaluator, job, "it was cancelled");
    wn_evaluator_unlock(r->server->evaluator);
    write_one(r, r->model, false);
    return true;
}
