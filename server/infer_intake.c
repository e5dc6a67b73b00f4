/* A body of the Open Inference Protocol to slots; knows its JSON and its binary tensors, and nothing of answers. */
#include "infer.h"
#include "jsonload.h"
#include "jsonscan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The request while it is read. */
struct reading {
    struct wn_request *r;
    struct wn_job *job;
    struct wn_slice *slices; /* arrays of `data`, as text */
    int n_slices;
    const char *blob; /* what follows the JSON */
    size_t blob_size;
};

static enum wn_code bad(struct reading *in, const char *pointer, const char *what)
{
    return wn_problem_set(&in->r->problem, pointer, WN_BAD_REQUEST, "%s", what);
}

/* ---- tensors ---- */

static enum wn_code read_shape(struct reading *in, const json_t *shape, int64_t dims[4], int *n)
{
    *n = (int)json_array_size(shape);
    if (!json_is_array(shape) || *n < 1 || *n > 4)
        return bad(in, "/inputs/0/shape", "shape must be [n, channels, height, width], or [n] for BYTES");
    for (int i = 0; i < *n; i++) {
        const json_t *d = json_array_get(shape, (size_t)i);
        dims[i] = json_integer_value(d);
        if (!json_is_integer(d) || dims[i] < 1 || dims[i] > 1 << 24)
            return bad(in, "/inputs/0/shape", "a dimension must be a whole number from 1 to 16777216");
    }
    if (dims[0] > in->r->server->config.max_instances)
        return bad(in, "/inputs/0/shape", "more images than one request may hold (max_instances)");
    return WN_OK;
}

/* Numbers of a JSON array, however nested, checked to be well formed. */
static enum wn_code parse_floats(const struct wn_slice *text, float *out, size_t n)
{
    const char *s = text->data, *end = s + text->size;
    bool after_value = false;
    size_t count = 0;
    for (; s < end; s++) {
        if (strchr(" \t\r\n", *s)) continue;
        if (*s == ',' || *s == '[') {
            if (after_value != (*s == ',')) return WN_BAD_REQUEST;
            after_value = false;
        } else if (*s == ']') {
            if (!after_value) return WN_BAD_REQUEST;
        } else {
            size_t length = strspn(s, "+-.0123456789eE"); /* a ']' ends it at the latest */
            char *stop;
            if (after_value || !length || *s == '+' || *s == '.' || count == n) return WN_BAD_REQUEST;
            out[count++] = strtof(s, &stop);
            if (stop != s + length) return WN_BAD_REQUEST;
            s = stop - 1;
            after_value = true;
        }
    }
    return count == n && after_value ? WN_OK : WN_BAD_REQUEST;
}

static enum wn_code make_slots(struct reading *in, int64_t n)
{
    in->job->slots = wn_pool_array(&in->job->pool, (size_t)n, sizeof *in->job->slots);
    if (!in->job->slots) return wn_problem_set(&in->r->problem, NULL, WN_NO_MEMORY, "no memory for the request");
    in->job->n_slots = (int)n;
    return WN_OK;
}

static enum wn_code set_image(struct reading *in, int i, struct wn_slice image)
{
    struct wn_slice *slice = wn_pool_alloc(&in->job->pool, sizeof *slice);
    if (!slice) return wn_problem_set(&in->r->problem, NULL, WN_NO_MEMORY, "no memory for the request");
    *slice = image;
    in->job->slots[i].ask.image = slice;
    return WN_OK;
}

static enum wn_code take_floats(struct reading *in, const struct wn_slice *text, const int64_t dims[4], int n)
{
    const struct wn_model *m = wn_request_model(in->r);
    char what[160];
    if (!m) return in->r->problem.error.code;
    if (!wn_model_is_ready(m))
        return wn_problem_set(&in->r->problem, NULL, WN_NOT_READY, "the model %s is not ready: %s", m->name,
                              m->why.text);
    int64_t c = wn_graph_channels(m->graph), h = wn_graph_height(m->graph), w = wn_graph_width(m->graph);
    snprintf(what, sizeof what, "the model %s takes FP32 of shape [n, %lld, %lld, %lld]", m->name, (long long)c,
             (long long)h, (long long)w);
    if (n != 4 || dims[1] != c || dims[2] != h || dims[3] != w) return bad(in, "/inputs/0/shape", what);
    size_t each = (size_t)(c * h * w), all = each * (size_t)dims[0];
    const char *data = in->blob;
    if (text && all > text->size / 2 + 1) return bad(in, "/inputs/0/data", "data has fewer numbers than shape says");
    if (text) {
        float *numbers = wn_pool_array(&in->job->pool, all, sizeof *numbers);
        if (!numbers) return wn_problem_set(&in->r->problem, NULL, WN_NO_MEMORY, "no memory for the tensor");
        if (parse_floats(text, numbers, all) != WN_OK)
            return bad(in, "/inputs/0/data", "data must be as many numbers as shape says");
        data = (const char *)numbers;
    } else if (in->blob_size != all * sizeof(float)) {
        return bad(in, "/inputs/0/parameters/binary_data_size", "the binary data is not as long as shape says");
    }
    for (int64_t i = 0; i < dims[0]; i++) {
        struct wn_slice image = {
            .data = data + (size_t)i * each * sizeof(float), .size = each * sizeof(float), .tensor = true};
        if (set_image(in, (int)i, image) != WN_OK) return WN_NO_MEMORY;
    }
    return WN_OK;
}

/* ["base64", ...] */
static enum wn_code take_strings(struct reading *in, struct wn_slice *text, int64_t n)
{
    char *s = (char *)text->data, *end = s + text->size;
    int64_t count = 0;
    bool comma = false; /* is wanted next: a string stands before it */
    for (; s < end; s++) {
        if (strchr(" \t\r\n", *s)) continue;
        char *close = *s == '"' ? memchr(s + 1, '"', (size_t)(end - s - 1)) : NULL;
        if (comma ? *s != ',' : !close || count == n)
            return bad(in, "/inputs/0/data", "data must be as many strings of base64 as shape says");
        if (close) {
            struct wn_slice image = {
                .data = s + 1, .size = wn_json_undo_slashes(s + 1, (size_t)(close - s - 1)), .base64 = true};
            if (set_image(in, (int)count++, image) != WN_OK) return WN_NO_MEMORY;
            s = close;
        }
        comma = !comma;
    }
    if (comma && count == n) return WN_OK;
    return bad(in, "/inputs/0/data", "data must be as many strings of base64 as shape says");
}

/* Each element is its length, four bytes, the lowest first, and so many bytes. */
static enum wn_code take_blobs(struct reading *in, int64_t n)
{
    const unsigned char *s = (const unsigned char *)in->blob, *end = s + in->blob_size;
    for (int64_t i = 0; i < n; i++) {
        if (end - s < 4)
            return bad(in, "/inputs/0/parameters/binary_data_size", "the binary data ends before its last element");
        size_t size = s[0] | (size_t)s[1] << 8 | (size_t)s[2] << 16 | (size_t)s[3] << 24;
        s += 4;
        if (size > (size_t)(end - s))
            return bad(in, "/inputs/0/parameters/binary_data_size", "an element is longer than the binary data");
        if (set_image(in, (int)i, (struct wn_slice){.data = (const char *)s, .size = size}) != WN_OK)
            return WN_NO_MEMORY;
        s += size;
    }
    return s == end ? WN_OK
                    : bad(in, "/inputs/0/parameters/binary_data_size", "there are bytes behind the last element");
}

/* *text: the data as JSON text; NULL where it is binary. */
static enum wn_code find_data(struct reading *in, const json_t *input, struct wn_slice **text)
{
    const json_t *size = json_object_get(json_object_get(input, "parameters"), "binary_data_size"),
                 *data = json_object_get(input, "data");
    *text = NULL;
    if (size && data) return bad(in, "/inputs/0/data", "data and binary_data_size exclude each other");
    if (size) {
        if (json_is_integer(size) && json_integer_value(size) >= 0 && (size_t)json_integer_value(size) == in->blob_size)
            return WN_OK;
        return wn_problem_set(&in->r->problem, "/inputs/0/parameters/binary_data_size", WN_BAD_REQUEST,
                              "binary_data_size must be what the body holds behind its JSON part: %zu bytes",
                              in->blob_size);
    }
    if (in->blob_size)
        return bad(in, "/inputs/0/parameters", "binary_data_size is missing, and the body has more than its JSON part");
    json_int_t i = json_integer_value(data);
    if (!json_is_integer(data) || i < 0 || i >= in->n_slices) return bad(in, "/inputs/0/data", "data must be an array");
    *text = &in->slices[i];
    return WN_OK;
}

static enum wn_code take_input(struct reading *in, const json_t *list)
{
    const json_t *input = json_array_get(list, 0);
    const char *name = json_string_value(json_object_get(input, "name")),
               *type = json_string_value(json_object_get(input, "datatype"));
    struct wn_slice *text;
    int64_t dims[4];
    int n;
    if (!json_is_array(list) || json_array_size(list) != 1 || !json_is_object(input) || !name ||
        strcmp(name, WN_INFER_INPUT) != 0)
        return bad(in, "/inputs", "inputs must be a list of one tensor, named " WN_INFER_INPUT);
    bool bytes = type && strcmp(type, "BYTES") == 0;
    if (!type || (!bytes && strcmp(type, "FP32") != 0))
        return bad(in, "/inputs/0/datatype", "datatype must be FP32 (what the network reads) or BYTES (PNG or JPEG)");
    enum wn_code code = read_shape(in, json_object_get(input, "shape"), dims, &n);
    if (code == WN_OK && bytes && (n > 2 || (n == 2 && dims[1] != 1)))
        code = bad(in, "/inputs/0/shape", "BYTES have the shape [n]");
    if (code == WN_OK) code = find_data(in, input, &text);
    if (code == WN_OK) code = make_slots(in, dims[0]);
    if (code != WN_OK) return code;
    if (!bytes) return take_floats(in, text, dims, n);
    return text ? take_strings(in, text, dims[0]) : take_blobs(in, dims[0]);
}

/* ---- outputs and parameters ---- */

static enum wn_code read_flag(struct reading *in, const json_t *value, const char *pointer, const char *name, bool *out)
{
    if (!value || json_is_null(value)) return WN_OK;
    *out = json_is_true(value);
    return json_is_boolean(value)
               ? WN_OK
               : wn_problem_set(&in->r->problem, pointer, WN_BAD_REQUEST, "%s must be true or false", name);
}

static enum wn_code add_output(struct reading *in, const json_t *output, bool binary)
{
    struct wn_infer *infer = in->r->infer;
    const char *name = json_string_value(json_object_get(output, "name"));
    int i = 0;
    while (name && i < WN_INFER_OUTPUT_COUNT && strcmp(name, wn_infer_name(i)) != 0) i++;
    if (!name || i == WN_INFER_OUTPUT_COUNT)
        return bad(in, "/outputs",
                   "an output must be an object whose name is one of logits, probabilities, explanation, map");
    for (int k = 0; k < infer->n; k++)
        if (infer->order[k] == i) return bad(in, "/outputs", "an output is named twice");
    enum wn_code code = read_flag(in, json_object_get(json_object_get(output, "parameters"), "binary_data"), "/outputs",
                                  "binary_data", &binary);
    infer->binary[infer->n] = binary;
    infer->order[infer->n++] = i;
    return code;
}

static enum wn_code take_outputs(struct reading *in, const json_t *list, bool explain, bool binary)
{
    struct wn_infer *infer = in->r->infer;
    enum wn_code code = WN_OK;
    if (list && !json_is_array(list)) return bad(in, "/outputs", "outputs must be a list");
    for (size_t i = 0; i < json_array_size(list) && code == WN_OK; i++)
        code = add_output(in, json_array_get(list, i), binary);
    if (json_array_size(list)) return code;
    for (int i = WN_INFER_LOGITS; i <= (explain ? WN_INFER_EXPLANATION : WN_INFER_PROBABILITIES); i++) {
        infer->binary[infer->n] = binary;
        infer->order[infer->n++] = i;
    }
    return WN_OK;
}

/* Parameters that the protocol's clients send to every server, and that change nothing here. */
static bool is_ignored(const char *key)
{
    static const char *const names[] = {"sequence_id", "sequence_start", "sequence_end", "priority", "timeout"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(key, names[i]) == 0) return true;
    return false;
}

static enum wn_code take_parameters(struct reading *in, const json_t *parameters, struct wn_ask *ask, bool *explain,
                                    bool *binary)
{
    struct wn_reading reading = {.pool = &in->job->pool, .prefix = "/parameters", .problem = &in->r->problem};
    const char *key;
    json_t *value;
    enum wn_code code = WN_OK;
    if (parameters && !json_is_object(parameters)) return bad(in, "/parameters", "parameters must be an object");
    json_object_foreach ((json_t *)parameters, key, value) {
        if (strcmp(key, "explain") == 0)
            code = read_flag(in, value, "/parameters/explain", key, explain);
        else if (strcmp(key, "binary_data_output") == 0)
            code = read_flag(in, value, "/parameters/binary_data_output", key, binary);
        else if (!is_ignored(key))
            code = wn_ask_set_json(ask, key, value, &reading);
        if (code != WN_OK) break;
    }
    return code;
}

static enum wn_code take_id(struct reading *in, const json_t *id)
{
    if (!id) return WN_OK;
    if (!json_is_string(id) || json_string_length(id) > 256)
        return bad(in, "/id", "id must be a string of at most 256 bytes");
    in->r->infer->id = wn_pool_text(&in->r->pool, json_string_value(id), json_string_length(id));
    return in->r->infer->id ? WN_OK : wn_problem_set(&in->r->problem, NULL, WN_NO_MEMORY, "no memory for the request");
}

static enum wn_code take_root(struct reading *in, const json_t *root)
{
    static const char *const keys[] = {"id", "inputs", "outputs", "parameters"};
    struct wn_reading reading = {.pool = &in->job->pool, .prefix = "", .problem = &in->r->problem};
    struct wn_ask standard;
    bool explain = false, binary = false;
    const char *key;
    json_t *value;
    if (!json_is_object(root)) return bad(in, NULL, "the body must be a JSON object");
    json_object_foreach ((json_t *)root, key, value) {
        bool known = false;
        for (int i = 0; i < 4; i++) known |= strcmp(key, keys[i]) == 0;
        if (!known)
            return wn_problem_set(&in->r->problem, NULL, WN_BAD_REQUEST,
                                  "there is no field '%.64s'; a request has id, inputs, outputs, parameters", key);
    }
    enum wn_code code = wn_ask_init(&standard, &reading);
    if (code == WN_OK) code = take_id(in, wn_json_given(root, "id"));
    if (code == WN_OK) code = take_parameters(in, wn_json_given(root, "parameters"), &standard, &explain, &binary);
    if (code == WN_OK) code = take_outputs(in, wn_json_given(root, "outputs"), explain, binary);
    if (code == WN_OK) code = take_input(in, json_object_get(root, "inputs"));
    for (int i = 0; i < in->r->infer->n; i++) explain |= in->r->infer->order[i] >= WN_INFER_EXPLANATION;
    if (code == WN_OK && explain && !(in->r->scopes & WN_SCOPE_EXPLAIN))
        code = wn_problem_set(&in->r->problem, "/outputs", WN_FORBIDDEN,
                              "this key has not the scope explain: it may ask for logits and probabilities");
    for (int i = 0; i < in->job->n_slots && code == WN_OK; i++) {
        const struct wn_slice *image = in->job->slots[i].ask.image;
        in->job->slots[i].ask = standard;
        in->job->slots[i].ask.image = image;
        strcpy(in->job->slots[i].pointer, "/parameters");
        in->job->slots[i].picture = "/inputs/0";
        if (!explain) wn_ask_prediction_only(&in->job->slots[i].ask);
    }
    return code;
}

/* How much of the body is JSON; the rest is binary. */
static enum wn_code split(struct reading *in, size_t *json_size)
{
    const char *header = wn_request_header(in->r, "Inference-Header-Content-Length");
    *json_size = in->r->body_size;
    if (!header) return WN_OK;
    char *end;
    unsigned long long n = strtoull(header, &end, 10);
    if (header[0] < '0' || header[0] > '9' || *end || n > in->r->body_size)
        return bad(in, NULL, "Inference-Header-Content-Length must be the length of the body's JSON part");
    *json_size = (size_t)n;
    in->blob = in->r->body + n;
    in->blob_size = in->r->body_size - (size_t)n;
    return WN_OK;
}

enum wn_code wn_infer_intake(struct wn_request *r, struct wn_job *job)
{
    struct reading in = {.r = r, .job = job};
    json_t *root = NULL;
    size_t size;
    r->infer = wn_pool_alloc(&r->pool, sizeof *r->infer);
    if (!r->infer) return wn_problem_set(&r->problem, NULL, WN_NO_MEMORY, "no memory for the request");
    enum wn_code code = split(&in, &size);
    if (code == WN_OK && r->parameters.n)
        code = bad(&in, NULL, "questions stand in `parameters` of the body here, not in the query string");
    if (code == WN_OK)
        code = wn_json_read(r->body, size, &(struct wn_json_cuts){.arrays = "data"}, &job->pool, &root, &in.slices,
                            &in.n_slices, &r->problem.error);
    if (code == WN_OK) code = take_root(&in, root);
    json_decref(root);
    return code;
}
