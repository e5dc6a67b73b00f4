/* Bodies to slots; knows the three content types, and nothing of models or of what the fields mean. */
#include "intake.h"

#include "jsonscan.h"
#include "multipart.h"
#include "question_read.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define FIELD_BYTES 4096

static enum wn_code no_memory(struct wn_request *r)
{
    return wn_problem_set(&r->problem, NULL, WN_NO_MEMORY, "no memory for the request");
}

static enum wn_code make_slots(struct wn_request *r, struct wn_job *job, size_t n)
{
    job->slots = wn_pool_array(&job->pool, n, sizeof *job->slots);
    if (!job->slots) return no_memory(r);
    job->n_slots = (int)n;
    return WN_OK;
}

/* The query string's fields, over the table's defaults. */
static enum wn_code read_query(struct wn_request *r, struct wn_job *job, struct wn_ask *ask)
{
    struct wn_reading reading = {.pool = &job->pool, .prefix = "", .problem = &r->problem};
    enum wn_code code = wn_ask_init(ask, &reading);
    for (int i = 0; i < r->parameters.n && code == WN_OK; i++) {
        const struct wn_parameter *p = &r->parameters.list[i];
        reading.again = false;
        for (int k = 0; k < i; k++) reading.again |= strcmp(r->parameters.list[k].name, p->name) == 0;
        code = wn_ask_set_text(ask, p->name, p->value, &reading);
    }
    return code;
}

static enum wn_code set_image(struct wn_request *r, struct wn_job *job, struct wn_ask *ask, const char *data,
                              size_t size)
{
    struct wn_slice *slice = wn_pool_alloc(&job->pool, sizeof *slice);
    if (!slice) return no_memory(r);
    *slice = (struct wn_slice){.data = data, .size = size};
    ask->image = slice;
    return WN_OK;
}

static enum wn_code take_raw(struct wn_request *r, struct wn_job *job, const struct wn_ask *standard)
{
    if (make_slots(r, job, 1) != WN_OK) return WN_NO_MEMORY;
    job->slots[0].ask = *standard;
    if (!r->body_size)
        return wn_problem_set(&r->problem, "/image", WN_BAD_REQUEST, "the body is empty: it must be the picture");
    return set_image(r, job, &job->slots[0].ask, r->body, r->body_size);
}

/* ---- forms ---- */

static bool is_text(const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        int length = wn_utf8_length(s + i, n - i);
        if (!length || !s[i]) return false;
        i += (size_t)length;
    }
    return n <= FIELD_BYTES;
}

static enum wn_code take_part(struct wn_request *r, struct wn_job *job, const struct wn_part *part, bool again)
{
    struct wn_ask *ask = &job->slots[0].ask;
    struct wn_reading reading = {.pool = &job->pool, .prefix = "", .again = again, .problem = &r->problem};
    bool alias =
        r->route->body == WN_BODY_PICTURE && (strcmp(part->name, "data") == 0 || strcmp(part->name, "body") == 0);
    bool is_image = alias || strcmp(part->name, "image") == 0;
    if (is_image && ask->image) /* under one name or under two */
        return wn_problem_set(&r->problem, "/image", WN_BAD_REQUEST, "image is given twice");
    if (is_image) return set_image(r, job, ask, part->data, part->size);
    if (!wn_ask_knows(part->name)) return wn_ask_set_text(ask, part->name, "", &reading);
    if (!is_text(part->data, part->size))
        return wn_problem_set(&r->problem, NULL, WN_BAD_REQUEST,
                              "the form's field %.64s is longer than %d bytes, holds a zero byte or is not UTF-8",
                              part->name, FIELD_BYTES);
    const char *value = wn_pool_text(&job->pool, part->data, part->size);
    return value ? wn_ask_set_text(ask, part->name, value, &reading) : no_memory(r);
}

static enum wn_code take_form(struct wn_request *r, struct wn_job *job, const struct wn_ask *standard, const char *type)
{
    struct wn_part *parts = wn_pool_array(&r->pool, WN_MOST_PARTS, sizeof *parts);
    int n = 0;
    if (!parts || make_slots(r, job, 1) != WN_OK) return no_memory(r);
    job->slots[0].ask = *standard;
    enum wn_code code =
        wn_multipart_parse(type, r->body ? r->body : "", r->body_size, &r->pool, parts, &n, &r->problem.error);
    for (int i = 0; i < n && code == WN_OK; i++) {
        bool again = false;
        for (int k = 0; k < i; k++) again |= strcmp(parts[k].name, parts[i].name) == 0;
        code = take_part(r, job, &parts[i], again);
    }
    return code;
}

/* ---- JSON ---- */

static enum wn_code take_object(struct wn_ask *ask, const json_t *object, const char *skip,
                                const struct wn_reading *reading)
{
    const char *key;
    json_t *value;
    enum wn_code code = WN_OK;
    json_object_foreach ((json_t *)object, key, value) {
        if (!skip || strcmp(key, skip) != 0) code = wn_ask_set_json(ask, key, value, reading);
        if (code != WN_OK) break;
    }
    return code;
}

static void take_picture(struct wn_ask *ask, const json_t *b64, const struct wn_reading *reading)
{
    json_t *image = json_pack("{s:O}", "b64", b64);
    if (image)
        wn_ask_set_json(ask, "image", image, reading);
    else
        wn_problem_set(reading->problem, NULL, WN_NO_MEMORY, "no memory for the request");
    json_decref(image);
}

static enum wn_code take_instances(struct wn_request *r, struct wn_job *job, const json_t *list,
                                   const struct wn_ask *standard, struct wn_reading *reading)
{
    size_t n = json_array_size(list), most = (size_t)r->server->config.max_instances;
    if (!json_is_array(list) || n < 1 || n > most)
        return wn_problem_set(&r->problem, "/instances", WN_BAD_REQUEST,
                              "instances must be a list of 1 to %zu questions", most);
    if (make_slots(r, job, n) != WN_OK) return WN_NO_MEMORY;
    job->is_batch = true;
    for (size_t i = 0; i < n; i++) {
        struct wn_slot *slot = &job->slots[i];
        const json_t *one = json_array_get(list, i);
        snprintf(slot->pointer, sizeof slot->pointer, "/instances/%zu", i);
        reading->prefix = slot->pointer;
        reading->problem = &slot->problem;
        slot->ask = *standard;
        slot->ask.id = NULL;
        const json_t *itself = json_object_get(one, "b64"); /* the instance is a picture */
        if (itself && json_object_get(one, "image"))
            wn_read_refuse(reading, "image", "is given twice: b64 of the instance is the picture already");
        if (itself) take_picture(&slot->ask, itself, reading);
        if (json_is_object(one))
            take_object(&slot->ask, one, itself ? "b64" : NULL, reading);
        else
            wn_problem_set(&slot->problem, slot->pointer, WN_BAD_REQUEST,
                           "an instance must be an object with an image and a question");
    }
    return WN_OK;
}

static enum wn_code take_json(struct wn_request *r, struct wn_job *job, struct wn_ask *standard)
{
    json_t *root;
    struct wn_slice *slices;
    struct wn_reading reading = {.pool = &job->pool, .prefix = "", .problem = &r->problem};
    enum wn_code code =
        wn_json_read(r->body, r->body_size, NULL, &job->pool, &root, &slices, &reading.n_slices, &r->problem.error);
    if (code != WN_OK) return code;
    reading.slices = slices;
    json_t *list = json_object_get(root, "instances");
    if (!json_is_object(root))
        code = wn_problem_set(&r->problem, NULL, WN_BAD_REQUEST, "the body must be a JSON object");
    else
        code = take_object(standard, root, list ? "instances" : NULL, &reading);
    if (code == WN_OK && list) {
        code = take_instances(r, job, list, standard, &reading);
    } else if (code == WN_OK && (code = make_slots(r, job, 1)) == WN_OK) {
        job->slots[0].ask = *standard;
    }
    json_decref(root);
    return code;
}

static bool is_type(const char *type, const char *wanted)
{
    size_t n = strcspn(type, "; \t");
    return n == strlen(wanted) && strncasecmp(type, wanted, n) == 0;
}

enum wn_code wn_intake(struct wn_request *r, struct wn_job *job)
{
    const char *type = wn_request_header(r, "Content-Type");
    struct wn_ask standard;
    enum wn_code code = read_query(r, job, &standard);
    if (code != WN_OK) return code;
    if (type && is_type(type, "application/json")) return take_json(r, job, &standard);
    if (r->route->body == WN_BODY_INSTANCES)
        return wn_problem_set(&r->problem, NULL, WN_UNSUPPORTED_MEDIA, "the body must be application/json");
    if (type && is_type(type, "multipart/form-data")) return take_form(r, job, &standard, type);
    if (!type || strncasecmp(type, "image/", 6) == 0 || is_type(type, "application/octet-stream") ||
        is_type(type, "application/x-www-form-urlencoded")) /* what curl --data-binary says unasked */
        return take_raw(r, job, &standard);
    return wn_problem_set(
        &r->problem, NULL, WN_UNSUPPORTED_MEDIA,
        "the body must be image/png, image/jpeg, application/octet-stream, multipart/form-data or application/json");
}
