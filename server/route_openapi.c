/* GET /openapi.json: the interface for machines, made from the route table and the field table. */
#include "question.h"
#include "server.h"

#include <string.h>
#include <whynot/whynot.h>

static void pair(struct wn_text *out, const char *key, const char *value)
{
    wn_json_key(out, key);
    wn_json_string(out, value);
}

static void open_object(struct wn_text *out, const char *key)
{
    wn_json_key(out, key);
    wn_json_open(out, '{');
}

/* ---- the question ---- */

static const char *type_of(const char *kind)
{
    if (strcmp(kind, "FLAG") == 0) return "boolean";
    if (strcmp(kind, "COUNT") == 0 || strcmp(kind, "MILLISECONDS") == 0) return "integer";
    return strcmp(kind, "ALPHA") == 0 || strcmp(kind, "VALUE") == 0 ? "number" : "string";
}

static void write_names(struct wn_text *out, const char *kind)
{
    bool contrast = strcmp(kind, "CONTRAST") == 0, method = strcmp(kind, "METHOD") == 0,
         color = strcmp(kind, "COLORMAP") == 0, fill = strcmp(kind, "FILL") == 0;
    if (!contrast && !method && !color && !fill) return;
    wn_json_key(out, "enum");
    wn_json_open(out, '[');
    if (color) wn_json_string(out, "auto");
    for (int i = 0; contrast && wn_contrast_at(i); i++) wn_json_string(out, wn_contrast_at(i)->name);
    for (int i = 0; method && wn_method_at(i); i++) wn_json_string(out, wn_method_at(i)->name);
    for (int i = 0; fill && wn_fill_name(i); i++) wn_json_string(out, wn_fill_name(i));
    for (int i = 0; color && wn_colormap_at(i); i++) wn_json_string(out, wn_colormap_at(i)->name);
    wn_json_close(out, ']');
}

static void write_words(struct wn_text *out, const struct wn_field *f)
{
    struct wn_text words = {0};
    wn_text_puts(&words, f->words);
    if (f->values[0]) wn_text_printf(&words, " (%s)", f->values);
    pair(out, "description", wn_text_string(&words));
    wn_text_finish(&words);
}

/* true, 5 and 0.5 are values of their own in JSON, names are strings. */
static void write_default(struct wn_text *out, const struct wn_field *f)
{
    if (!f->standard[0]) return;
    wn_json_key(out, "default");
    if (strcmp(type_of(f->kind), "string") == 0)
        wn_json_string(out, f->standard);
    else
        wn_text_puts(out, f->standard);
}

static void write_schema(struct wn_text *out, const struct wn_field *f)
{
    wn_json_open(out, '{');
    if (strcmp(f->kind, "CLASSES") == 0) {
        wn_json_key(out, "oneOf");
        wn_json_open(out, '[');
        wn_text_puts(out, "{\"type\":\"integer\"},{\"type\":\"string\"},{\"type\":\"array\",\"items\":{\"oneOf\":[{"
                          "\"type\":\"integer\"},"
                          "{\"type\":\"string\"}]}}");
        wn_json_close(out, ']');
    } else if (strcmp(f->kind, "IMAGE") == 0) {
        pair(out, "type", "object");
        wn_text_puts(
            out,
            ",\"properties\":{\"b64\":{\"type\":\"string\",\"contentEncoding\":\"base64\"}},\"required\":[\"b64\"]");
    } else {
        pair(out, "type", type_of(f->kind));
        write_names(out, f->kind);
    }
    write_words(out, f);
    write_default(out, f);
    wn_json_close(out, '}');
}

static void write_question(struct wn_text *out)
{
    open_object(out, "Question");
    pair(out, "type", "object");
    open_object(out, "properties");
    for (int i = 0; wn_ask_field(i); i++) {
        wn_json_key(out, wn_ask_field(i)->name);
        write_schema(out, wn_ask_field(i));
    }
    wn_json_close(out, '}');
    wn_text_puts(out, ",\"additionalProperties\":false}");
    wn_text_puts(
        out,
        ",\"Batch\":{\"description\":\"The fields of Question beside the list are defaults of its "
        "instances.\",\"type\":\"object\","
        "\"properties\":{\"instances\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/Question\"}}},"
        "\"required\":[\"instances\"]}");
}

static void write_problem(struct wn_text *out)
{
    wn_text_puts(
        out,
        ",\"Problem\":{\"description\":\"RFC 9457; error repeats detail.\",\"type\":\"object\",\"properties\":{"
        "\"type\":{\"type\":\"string\"},\"title\":{\"type\":\"string\"},\"status\":{\"type\":\"integer\"},"
        "\"detail\":{\"type\":\"string\"},\"instance\":{\"type\":\"string\"},\"code\":{\"type\":\"string\"},"
        "\"errors\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"pointer\":{\"type\":"
        "\"string\"},"
        "\"detail\":{\"type\":\"string\"}}}},\"did_you_mean\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},"
        "\"request_id\":{\"type\":\"string\"},\"error\":{\"type\":\"string\"}}}");
}

/* ---- routes ---- */

static void write_body(struct wn_text *out)
{
    wn_text_puts(out, ",\"requestBody\":{\"required\":true,\"content\":{"
                      "\"image/png\":{\"schema\":{\"type\":\"string\",\"format\":\"binary\"}},"
                      "\"image/jpeg\":{\"schema\":{\"type\":\"string\",\"format\":\"binary\"}},"
                      "\"application/octet-stream\":{\"schema\":{\"type\":\"string\",\"format\":\"binary\"}},"
                      "\"multipart/form-data\":{\"schema\":{\"$ref\":\"#/components/schemas/Question\"}},"
                      "\"application/json\":{\"schema\":{\"oneOf\":[{\"$ref\":\"#/components/schemas/Question\"},"
                      "{\"$ref\":\"#/components/schemas/Batch\"}]}}}}");
}

static void write_parameters(struct wn_text *out, const struct wn_route *route)
{
    wn_json_key(out, "parameters");
    wn_json_open(out, '[');
    if (strstr(route->path, "{model}")) {
        wn_json_value(out);
        wn_text_puts(out, "{\"name\":\"model\",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":\"string\"}}");
    }
    if (strstr(route->path, "{file}")) {
        wn_json_value(out);
        wn_text_puts(out, "{\"name\":\"file\",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":\"string\"}}");
    }
    if (strstr(route->path, "/sample")) {
        wn_json_value(out);
        wn_text_puts(out, "{\"name\":\"file\",\"in\":\"query\",\"required\":true,\"description\":\"a sample's file, as the model "
                          "lists it\",\"schema\":{\"type\":\"string\"}}");
    }
    if (strstr(route->path, "/labels")) {
        wn_json_value(out);
        wn_text_puts(out, "{\"name\":\"q\",\"in\":\"query\",\"description\":\"words that a label "
                          "holds\",\"schema\":{\"type\":\"string\"}},"
                          "{\"name\":\"limit\",\"in\":\"query\",\"description\":\"most labels\","
                          "\"schema\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":1000}}");
    }
    for (int i = 1; route->body == WN_BODY_QUESTION && wn_ask_field(i); i++) { /* 0 is the picture itself */
        wn_json_open(out, '{');
        pair(out, "name", wn_ask_field(i)->name);
        pair(out, "in", "query");
        wn_json_key(out, "schema");
        write_schema(out, wn_ask_field(i));
        wn_json_close(out, '}');
    }
    wn_json_close(out, ']');
}

/* Holds where the server has keys; without them nobody is asked. */
static void write_security(struct wn_text *out, enum wn_scope scope)
{
    wn_json_key(out, "security");
    wn_json_open(out, '[');
    if (scope != WN_SCOPE_OPEN) {
        wn_json_open(out, '{');
        wn_json_key(out, "key");
        wn_json_open(out, '[');
        if (scope == WN_SCOPE_PREDICT) wn_json_string(out, "predict");
        if (scope == WN_SCOPE_EXPLAIN) wn_json_string(out, "explain");
        if (scope == WN_SCOPE_ADMIN) wn_json_string(out, "admin");
        wn_json_close(out, ']');
        wn_json_close(out, '}');
    }
    wn_json_close(out, ']');
}

static void write_operation(struct wn_text *out, const struct wn_route *route)
{
    open_object(out, strcmp(route->method, "POST") == 0 ? "post" : "get");
    pair(out, "summary", route->summary);
    write_parameters(out, route);
    write_security(out, route->scope);
    if (route->body == WN_BODY_QUESTION) write_body(out);
    wn_text_puts(out, ",\"responses\":{\"200\":{\"description\":\"The answer.\"},\"default\":{\"description\":\"A "
                      "problem.\",\"content\":{"
                      "\"application/problem+json\":{\"schema\":{\"$ref\":\"#/components/schemas/Problem\"}}}}}");
    wn_json_close(out, '}');
}

bool wn_route_openapi(struct wn_request *r)
{
    struct wn_text *out = &r->reply.body;
    const struct wn_route *route;
    wn_json_open(out, '{');
    pair(out, "openapi", "3.1.0");
    open_object(out, "info");
    pair(out, "title", "whynot: why P, rather than Q?");
    pair(out, "version", wn_version());
    wn_json_close(out, '}');
    open_object(out, "paths");
    for (int i = 0; (route = wn_route_at(i)); i++) {
        open_object(out, route->path);
        write_operation(out, route);
        wn_json_close(out, '}');
    }
    wn_json_close(out, '}');
    open_object(out, "components");
    open_object(out, "securitySchemes");
    open_object(out, "key");
    pair(out, "type", "http");
    pair(out, "scheme", "bearer");
    pair(out, "description", "Wanted where the server has keys; their scopes are predict, explain and admin.");
    wn_json_close(out, '}');
    wn_json_close(out, '}');
    open_object(out, "schemas");
    write_question(out);
    write_problem(out);
    wn_json_close(out, '}');
    wn_json_close(out, '}');
    wn_json_close(out, '}');
    return true;
}
