/* Answers as tensors of the Open Inference Protocol; knows no request but what it wants to have. */
#include "answer.h"
#include "infer.h"

#include <stdlib.h>
#include <string.h>

const char *wn_infer_name(int output)
{
    static const char *const names[] = {
#define X(id, name, type) name,
        WN_INFER_OUTPUTS(X)
#undef X
    };
    return output >= 0 && output < WN_INFER_OUTPUT_COUNT ? names[output] : NULL;
}

const char *wn_infer_datatype(int output)
{
    static const char *const types[] = {
#define X(id, name, type) type,
        WN_INFER_OUTPUTS(X)
#undef X
    };
    return types[output];
}

int wn_infer_shape(const struct wn_model *m, int output, int64_t shape[4])
{
    for (int i = 0; i < 4; i++) shape[i] = -1;
    if (output == WN_INFER_EXPLANATION) return 1;
    if (output == WN_INFER_MAP) return 4;
    shape[1] = m->classes;
    return 2;
}

/* ---- the values of one image ---- */

static enum wn_code add_scores(const struct wn_slot *slot, bool probabilities, struct wn_text *out)
{
    size_t n = (size_t)slot->model->classes;
    if (!probabilities) {
        wn_text_add(out, (const char *)slot->item->logits, n * sizeof(float));
        return WN_OK;
    }
    float *p = calloc(n, sizeof *p);
    if (!p) return WN_NO_MEMORY;
    wn_softmax(slot->item->logits, slot->model->classes, p);
    wn_text_add(out, (const char *)p, n * sizeof(float));
    free(p);
    return WN_OK;
}

/* The maps of all images must make one block. */
static enum wn_code add_maps(struct wn_request *r, const struct wn_slot *slot, int64_t shape[4], struct wn_text *out)
{
    for (int i = slot->first; i < slot->first + slot->n; i++) {
        const struct wn_answer *a = &slot->item->answers[i];
        if (shape[2] < 0) shape[1] = slot->n, shape[2] = a->h, shape[3] = a->w;
        if (shape[1] != slot->n || shape[2] != a->h || shape[3] != a->w)
            return wn_problem_set(&r->problem, "/outputs", WN_BAD_REQUEST,
                                  "the maps differ in number or size: ask for `explanation`");
        wn_text_add(out, (const char *)a->map, (size_t)a->h * (size_t)a->w * sizeof(float));
    }
    return WN_OK;
}

static void add_length(struct wn_text *out, size_t n)
{
    const unsigned char bytes[4] = {n & 255, n >> 8 & 255, n >> 16 & 255, n >> 24 & 255};
    wn_text_add(out, (const char *)bytes, 4);
}

/* As a binary element, or as a string of JSON. */
static enum wn_code add_explanation(struct wn_request *r, struct wn_slot *slot, bool binary, struct wn_text *out)
{
    struct wn_text one = {0};
    struct wn_error err = {0};
    enum wn_code code = wn_answer_write(&one, r, slot, &err);
    if (code != WN_OK) wn_problem_set(&r->problem, NULL, code, "%s", err.text);
    out->failed |= one.failed;
    if (binary) {
        add_length(out, one.bytes.size);
        wn_text_add(out, (const char *)one.bytes.data, one.bytes.size);
    } else {
        wn_json_string_n(out, (const char *)one.bytes.data, one.bytes.size);
    }
    wn_text_finish(&one);
    return code;
}

/* ---- one output ---- */

static void write_shape(struct wn_text *out, const int64_t *shape, int n)
{
    wn_json_key(out, "shape");
    wn_json_open(out, '[');
    for (int i = 0; i < n; i++) wn_json_int(out, shape[i]);
    wn_json_close(out, ']');
}

static void write_numbers(struct wn_text *out, const struct wn_text *values)
{
    wn_json_key(out, "data");
    wn_json_open(out, '[');
    for (size_t i = 0; i + sizeof(float) <= values->bytes.size; i += sizeof(float)) {
        float x;
        memcpy(&x, values->bytes.data + i, sizeof x);
        wn_json_number(out, x);
    }
    wn_json_close(out, ']');
}

static void write_binary_size(struct wn_text *out, size_t size)
{
    wn_json_key(out, "parameters");
    wn_json_open(out, '{');
    wn_json_pair_int(out, "binary_data_size", (int64_t)size);
    wn_json_close(out, '}');
}

/* values: all images of one output: floats, or length and bytes of each explanation, or (not binary) strings of
 * JSON. */
static enum wn_code gather(struct wn_request *r, int output, bool binary, int64_t shape[4], struct wn_text *values)
{
    enum wn_code code = WN_OK;
    for (int i = 0; i < r->job->n_slots && code == WN_OK; i++) {
        struct wn_slot *slot = &r->job->slots[i];
        if (output == WN_INFER_EXPLANATION)
            code = add_explanation(r, slot, binary, values);
        else if (output == WN_INFER_MAP)
            code = add_maps(r, slot, shape, values);
        else
            code = add_scores(slot, output == WN_INFER_PROBABILITIES, values);
    }
    if (values->failed || code == WN_NO_MEMORY)
        wn_problem_set(&r->problem, NULL, code = WN_NO_MEMORY, "no memory for the answer");
    return code;
}

static enum wn_code write_output(struct wn_request *r, int output, bool binary, struct wn_text *tail)
{
    struct wn_text *out = &r->reply.body, values = {0};
    int64_t shape[4];
    int n = wn_infer_shape(r->job->slots[0].model, output, shape);
    shape[0] = r->job->n_slots;
    enum wn_code code = gather(r, output, binary, shape, &values);
    wn_json_open(out, '{');
    wn_json_pair(out, "name", wn_infer_name(output));
    wn_json_pair(out, "datatype", wn_infer_datatype(output));
    write_shape(out, shape, n);
    if (binary) {
        write_binary_size(out, values.bytes.size);
        wn_text_add(tail, (const char *)values.bytes.data, values.bytes.size);
    } else if (output == WN_INFER_EXPLANATION) {
        wn_json_key(out, "data");
        wn_text_add(out, "[", 1);
        wn_text_add(out, (const char *)values.bytes.data, values.bytes.size);
        wn_text_add(out, "]", 1);
    } else {
        write_numbers(out, &values);
    }
    wn_json_close(out, '}');
    wn_text_finish(&values);
    return code;
}

/* ---- the whole ---- */

static void write_head(struct wn_text *out, const struct wn_request *r)
{
    const struct wn_model *m = r->job->slots[0].model;
    wn_json_pair(out, "model_name", m->name);
    wn_json_pair(out, "model_version", m->version);
    if (r->infer->id) {
        wn_json_pair(out, "id", r->infer->id);
    }
    wn_json_key(out, "parameters");
    wn_json_open(out, '{');
    wn_json_pair(out, "sha256", wn_graph_sha256(m->graph));
    wn_json_close(out, '}');
}

void wn_infer_answer(struct wn_request *r)
{
    struct wn_text *out = &r->reply.body, tail = {0};
    bool any = false;
    for (int i = 0; i < r->job->n_slots; i++)
        if (r->job->slots[i].problem.error.code != WN_OK) {
            r->problem = r->job->slots[i].problem;
            return;
        }
    wn_json_open(out, '{');
    write_head(out, r);
    wn_json_key(out, "outputs");
    wn_json_open(out, '[');
    for (int i = 0; i < r->infer->n && r->problem.error.code == WN_OK; i++) {
        write_output(r, r->infer->order[i], r->infer->binary[i], &tail);
        any |= r->infer->binary[i];
    }
    wn_json_close(out, ']');
    wn_json_close(out, '}');
    if (any) {
        r->reply.type = "application/octet-stream";
        r->reply.json_size = out->bytes.size;
        wn_text_add(out, (const char *)tail.bytes.data, tail.bytes.size);
    }
    out->failed |= tail.failed;
    wn_text_finish(&tail);
}
