/* GET /openapi.json: the interface for machines, made from the tables of routes, fields, answers and schemas. */
#include "etag.h"
#include "question.h"
#include "server.h"

#include <string.h>
#include <whynot/whynot.h>

#define MILLISECONDS_RANGE "\"minimum\":1,\"maximum\":" WN_MOST_WHOLE_TEXT
/* Names: with commas between them, or as a list; and what ends it. */
#define NAMES(least, most)                                                                                             \
    "\"oneOf\":[{\"type\":\"string\"},{\"type\":\"array\",\"minItems\":" #least ",\"maxItems\":" #most                 \
    ",\"items\":{\"type\":\"string\"",                                                                                 \
        "}}]"

static void open_object(struct wn_text *out, const char *key)
{
    wn_json_key(out, key);
    wn_json_open(out, '{');
}

/* ---- the question ---- */

static const char *type_of(const char *kind)
{
    if (strcmp(kind, "FLAG") == 0) return "boolean";
    if (strcmp(kind, "WHOLE") == 0 || strcmp(kind, "COUNT") == 0) return "integer";
    return strcmp(kind, "NUMBER") == 0 || strcmp(kind, "ALPHA") == 0 || strcmp(kind, "VALUE") == 0 ? "number"
                                                                                                   : "string";
}

/* A setting's choices stand in its row, divided by spaces; all other words have tables. */
static void write_names(struct wn_text *out, const struct wn_field *f)
{
    bool choice = strcmp(f->kind, "CHOICE") == 0;
    if (!choice && !wn_ask_word(f->kind, 0)) return;
    wn_json_key(out, "enum");
    wn_json_open(out, '[');
    for (int i = 0; wn_ask_word(f->kind, i); i++) wn_json_string(out, wn_ask_word(f->kind, i));
    for (const char *s = f->values; choice && *s; s += strspn(s, " ")) {
        wn_json_string_n(out, s, strcspn(s, " "));
        s += strcspn(s, " ");
    }
    wn_json_close(out, ']');
}

static void write_words(struct wn_text *out, const struct wn_field *f)
{
    struct wn_text words = {0};
    wn_text_puts(&words, f->words);
    if (f->values[0]) wn_text_printf(&words, " (%s)", f->values);
    wn_json_pair(out, "description", wn_text_string(&words));
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

/* Kinds that are no plain type of JSON; their names stand between the two. */
static const struct shape {
    const char *kind, *before, *after;
} shapes[] = {
    {"IMAGE",
     "\"type\":\"object\",\"properties\":{\"b64\":{\"type\":\"string\",\"contentEncoding\":\"base64\"}},"
     "\"required\":[\"b64\"]",
     ""},
    {"CLASSES",
     "\"oneOf\":[{\"type\":\"integer\"},{\"type\":\"string\"},{\"type\":\"array\",\"items\":{\"oneOf\":[{\"type\":"
     "\"integer\"},{\"type\":\"string\"}]}}]",
     ""},
    {"LAYERS", NAMES(2, 8)},
    {"MAPS", NAMES(1, 16)},
    {"OUTPUTS", NAMES(1, 16)},
    {"MILLISECONDS", "\"type\":\"integer\"," MILLISECONDS_RANGE, ""},
};

static void write_schema(struct wn_text *out, const struct wn_field *f)
{
    const struct shape *shape = NULL;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (strcmp(shapes[i].kind, f->kind) == 0) shape = &shapes[i];
    wn_json_open(out, '{');
    if (shape)
        wn_text_puts(out, shape->before);
    else
        wn_json_pair(out, "type", type_of(f->kind));
    write_names(out, f);
    if (shape) wn_text_puts(out, shape->after);
    write_words(out, f);
    write_default(out, f);
    wn_json_close(out, '}');
}

static void write_fields(struct wn_text *out)
{
    open_object(out, "properties");
    for (int i = 0; wn_ask_field(i); i++) {
        wn_json_key(out, wn_ask_field(i)->name);
        write_schema(out, wn_ask_field(i));
    }
    wn_json_close(out, '}');
}

/* What is asked: the fields' table as a schema, and the lists and tensors around it. */
static void write_questions(struct wn_text *out)
{
    open_object(out, "Question");
    wn_json_pair(out, "description", "A field that is null counts as left out.");
    wn_json_pair(out, "type", "object");
    write_fields(out);
    wn_text_puts(out, ",\"additionalProperties\":false}");
    open_object(out, "Instance");
    wn_json_pair(out, "description", "A question, or the picture itself with the fields of one.");
    wn_json_pair(out, "type", "object");
    wn_text_puts(out, ",\"properties\":{\"b64\":{\"type\":\"string\",\"contentEncoding\":\"base64\"}},\"anyOf\":[{"
                      "\"required\":[\"b64\"]},"
                      "{\"$ref\":\"#/components/schemas/Question\"}]}");
    open_object(out, "Batch");
    wn_json_pair(out, "description", "The fields of Question beside the list are defaults of its instances.");
    wn_json_pair(out, "type", "object");
    wn_text_puts(out, ",\"properties\":{\"instances\":{\"type\":\"array\",\"minItems\":1,\"items\":{\"$ref\":\"#/"
                      "components/schemas/Instance\"}}},"
                      "\"required\":[\"instances\"]}");
    open_object(out, "V2Request");
    wn_json_pair(out, "description",
                 "Open Inference: parameters hold the fields of Question, explain and binary_data_output.");
    wn_json_pair(out, "type", "object");
    wn_text_puts(out, ",\"properties\":{\"id\":{\"type\":\"string\"},\"parameters\":{\"type\":\"object\"},\"inputs\":{"
                      "\"type\":\"array\",\"minItems\":1,\"maxItems\":1,\"items\":{\"$ref\":\"#/components/schemas/"
                      "V2Input\"}},\"outputs\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/V2Wish"
                      "\"}}},\"required\":[\"inputs\"],\"additionalProperties\":false}");
    open_object(out, "Control");
    wn_json_pair(out, "type", "object");
    wn_text_puts(out, ",\"properties\":{\"ready\":{\"type\":\"boolean\"},\"parameters\":{\"type\":\"object\","
                      "\"properties\":{\"version\":{\"type\":"
                      "\"string\"},\"unload_dependents\":{\"type\":\"boolean\"}},\"additionalProperties\":false}},"
                      "\"additionalProperties\":false}");
}

/* ---- the answers ---- */

static const struct schema {
    const char *name, *fields, *words;
} schemas[] = {
#define X(name, fields, words) {#name, fields, words},
#include "schemas.def"
#undef X
};

static void write_type(struct wn_text *out, const char *type, size_t n);

/* "A|B": any of them. */
static void write_choice(struct wn_text *out, const char *type, size_t n)
{
    wn_json_key(out, "anyOf");
    wn_json_open(out, '[');
    for (size_t at = 0, end; at < n; at = end + 1) {
        for (end = at; end < n && type[end] != '|';) end++;
        wn_json_open(out, '{');
        write_type(out, type + at, end - at);
        wn_json_close(out, '}');
    }
    wn_json_close(out, ']');
}

static void write_inner(struct wn_text *out, const char *key, const char *type, size_t n)
{
    open_object(out, key);
    write_type(out, type, n);
    wn_json_close(out, '}');
}

/* One type in the words of schemas.def, within an open object. */
static void write_type(struct wn_text *out, const char *type, size_t n)
{
    static const char *const plain[] = {"string", "integer", "number", "boolean"};
    const char *letter = n == 1 ? strchr("sinb", type[0]) : NULL;
    if (letter) {
        wn_json_pair(out, "type", plain[letter - "sinb"]);
    } else if (type[n - 1] == '?') {
        wn_json_key(out, "anyOf");
        wn_json_open(out, '[');
        wn_json_open(out, '{');
        write_type(out, type, n - 1);
        wn_json_close(out, '}');
        wn_json_value(out);
        wn_text_puts(out, "{\"type\":\"null\"}]");
    } else if (type[0] == '[') {
        wn_json_pair(out, "type", "array");
        write_inner(out, "items", type + 1, n - 2);
    } else if (type[0] == '*') {
        wn_json_pair(out, "type", "object");
        write_inner(out, "additionalProperties", type + 1, n - 1);
    } else if (memchr(type, '|', n)) {
        write_choice(out, type, n);
    } else if (n > 1) {
        struct wn_text name = {0};
        wn_text_printf(&name, "#/components/schemas/%.*s", (int)n, type);
        wn_json_pair(out, "$ref", wn_text_string(&name));
        wn_text_finish(&name);
    }
}

static void write_required(struct wn_text *out, const char *fields)
{
    wn_json_key(out, "required");
    wn_json_open(out, '[');
    for (const char *f = fields; *f; f += strspn(f, " ")) {
        size_t n = strcspn(f, " ");
        if (f[n - 1] == '!') wn_json_string_n(out, f, strcspn(f, ":"));
        f += n;
    }
    wn_json_close(out, ']');
}

static void write_object(struct wn_text *out, const char *fields)
{
    wn_json_pair(out, "type", "object");
    open_object(out, "properties");
    for (const char *f = fields; *f; f += strspn(f, " ")) {
        size_t n = strcspn(f, " "), name = strcspn(f, ":");
        wn_json_string_n(out, f, name);
        wn_text_add(out, ":", 1);
        wn_json_open(out, '{');
        write_type(out, f + name + 1, n - name - 1 - (f[n - 1] == '!'));
        wn_json_close(out, '}');
        f += n;
    }
    wn_json_close(out, '}');
    write_required(out, fields);
}

/* The library's words; bit p of `but`: not those of p, which are said of the other one alone. */
static void write_positive(struct wn_text *out, const char *name, const char *description, unsigned but)
{
    open_object(out, name);
    wn_json_pair(out, "description", description);
    wn_json_pair(out, "type", "string");
    wn_json_key(out, "enum");
    wn_json_open(out, '[');
    for (int i = 0; wn_positive_words(i); i++)
        if (!(but >> i & 1)) wn_json_string(out, wn_positive_words(i));
    wn_json_close(out, ']');
    wn_json_close(out, '}');
}

static void write_answers(struct wn_text *out)
{
    write_positive(out, "PositiveMeans",
                   "What the positive numbers of a map speak for: the class (and against the rival, where there is "
                   "one); against the rival alone; against the class: what keeps its score from a value above it, or "
                   "contradicts it where it is its own rival; or for no class in particular: the method looks at none.",
                   1u << WN_POSITIVE_BY_VALUE);
    write_positive(out, "ContrastPositiveMeans",
                   "What the positive numbers of this contrast's maps speak for; each map says its own.",
                   1u << WN_POSITIVE_AGAINST_CLASS | 1u << WN_POSITIVE_NO_CLASS);
    for (size_t i = 0; i < sizeof schemas / sizeof *schemas; i++) {
        const struct schema *s = &schemas[i];
        open_object(out, s->name);
        if (s->words[0]) wn_json_pair(out, "description", s->words);
        if (strchr(s->fields, ':') || !s->fields[0])
            write_object(out, s->fields);
        else
            write_type(out, s->fields, strlen(s->fields));
        wn_json_close(out, '}');
    }
}

/* ---- routes ---- */

static const struct answer {
    bool (*handle)(struct wn_request *request);
    const char *schema, *types, *problems;
} answers[] = {
#define X(handle, schema, types, problems) {handle, schema, types, problems},
#include "answers.def"
#undef X
};

/* What a function without a row answers: a file. */
static const struct answer *answer_of(const struct wn_route *route)
{
    static const struct answer unknown = {NULL, NULL, "application/octet-stream", ""};
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        if (answers[i].handle == route->handle) return &answers[i];
    return &unknown;
}

static void write_content(struct wn_text *out, const char *type, size_t n, const char *schema)
{
    wn_json_string_n(out, type, n);
    wn_text_add(out, ":", 1);
    wn_json_open(out, '{');
    bool json = n == strlen("application/json") && memcmp(type, "application/json", n) == 0;
    if (schema && json) write_inner(out, "schema", schema, strlen(schema));
    wn_json_close(out, '}');
}

static void write_body(struct wn_text *out, const struct wn_route *route)
{
    static const char *const forms[] = {[WN_BODY_QUESTION] = "Question|Batch", [WN_BODY_INSTANCES] = "Batch",
                                        [WN_BODY_TENSORS] = "V2Request",       [WN_BODY_PICTURE] = "Question",
                                        [WN_BODY_CONTROL] = "Control",         [WN_BODY_EVALUATION] = "EvaluationWish",
                                        [WN_BODY_TASKS] = "LabelTasks",        [WN_BODY_PROJECT] = "LabelProject"};
    static const char *const pictures[] = {"image/png", "image/jpeg", "application/octet-stream",
                                           "multipart/form-data"};
    bool raw = route->body == WN_BODY_QUESTION || route->body == WN_BODY_PICTURE;
    if (route->body == WN_BODY_NONE) return;
    open_object(out, "requestBody");
    wn_json_pair_bool(out, "required", route->body != WN_BODY_CONTROL);
    open_object(out, "content");
    write_content(out, "application/json", strlen("application/json"), forms[route->body]);
    for (int i = 0; raw && i < 4; i++) write_content(out, pictures[i], strlen(pictures[i]), NULL);
    if (route->body == WN_BODY_TENSORS) write_content(out, pictures[2], strlen(pictures[2]), NULL);
    wn_json_close(out, '}');
    wn_json_close(out, '}');
}

static void write_parameter(struct wn_text *out, const char *name, const char *where, const char *words,
                            const char *schema)
{
    wn_json_open(out, '{');
    wn_json_pair(out, "name", name);
    wn_json_pair(out, "in", where);
    wn_json_pair_bool(out, "required", strcmp(where, "path") == 0 || strcmp(name, "file") == 0);
    if (words) wn_json_pair(out, "description", words);
    wn_json_key(out, "schema");
    wn_json_value(out);
    wn_text_puts(out, schema);
    wn_json_close(out, '}');
}

static void write_parameters(struct wn_text *out, const struct wn_route *route)
{
    static const char text[] = "{\"type\":\"string\"}";
    static const char *const segments[][2] = {
        {"model", "{model}"}, {"version", "{version}"}, {"file", "{file}"}, {"id", "{id}"}};
    wn_json_key(out, "parameters");
    wn_json_open(out, '[');
    for (int i = 0; i < 4; i++)
        if (strstr(route->path, segments[i][1])) write_parameter(out, segments[i][0], "path", NULL, text);
    if (strstr(route->path, "/sample"))
        write_parameter(out, "file", "query", "a sample's file, as the model lists it", text);
    if (strstr(route->path, "/labels")) {
        write_parameter(out, "q", "query", "words that a label holds", text);
        write_parameter(out, "limit", "query", "most labels", "{\"type\":\"integer\",\"minimum\":1,\"maximum\":1000}");
    }
    bool asks = route->body == WN_BODY_QUESTION || route->body == WN_BODY_PICTURE || route->body == WN_BODY_INSTANCES;
    if (wn_route_asks(route)) {
        write_parameter(out, "X-Request-Timeout-Ms", "header",
                        "deadline of the request in milliseconds, not above the server's own",
                        "{\"type\":\"integer\"," MILLISECONDS_RANGE "}");
        write_parameter(out, "X-Request-Priority", "header", "what waits longer when the server is busy",
                        "{\"type\":\"string\",\"enum\":[\"low\",\"normal\",\"high\"]}");
    }
    for (int i = 1; asks && wn_ask_field(i); i++) { /* 0 is the picture itself */
        wn_json_open(out, '{');
        wn_json_pair(out, "name", wn_ask_field(i)->name);
        wn_json_pair(out, "in", "query");
        if (strcmp(wn_ask_field(i)->kind, "MAPS") == 0 || strcmp(wn_ask_field(i)->kind, "OUTPUTS") == 0)
            wn_json_pair_bool(out, "explode", false); /* a list is "a,b": the parameter may not come again */
        wn_json_key(out, "schema");
        write_schema(out, wn_ask_field(i));
        wn_json_close(out, '}');
    }
    wn_json_close(out, ']');
}

/* Holds where the server has keys; without them nobody is asked. Each scope by itself is enough. */
static void write_security(struct wn_text *out, enum wn_scope scope)
{
    static const struct {
        enum wn_scope scope;
        const char *name; /* NULL: any key */
    } known[] = {
        {WN_SCOPE_READ, NULL}, {WN_SCOPE_PREDICT, "predict"}, {WN_SCOPE_EXPLAIN, "explain"}, {WN_SCOPE_ADMIN, "admin"}};
    wn_json_key(out, "security");
    wn_json_open(out, '[');
    for (int i = 0; i < 4; i++) {
        if (!(scope & known[i].scope)) continue;
        wn_json_open(out, '{');
        wn_json_key(out, "key");
        wn_json_open(out, '[');
        if (known[i].name) wn_json_string(out, known[i].name);
        wn_json_close(out, ']');
        wn_json_close(out, '}');
    }
    wn_json_close(out, ']');
}

static void write_problem_status(struct wn_text *out, const char *status, size_t n)
{
    wn_json_string_n(out, status, n);
    wn_text_puts(out, ":{\"$ref\":\"#/components/responses/Problem\"}");
}

static void write_responses(struct wn_text *out, const struct wn_route *route)
{
    const struct answer *a = answer_of(route);
    open_object(out, "responses");
    bool later = route->body == WN_BODY_EVALUATION;
    open_object(out, later ? "202" : "200");
    wn_json_pair(out, "description", later ? "It was taken; Location says where to look for it." : "The answer.");
    open_object(out, "content");
    for (const char *t = a->types; *t; t += strspn(t, " ")) {
        size_t n = strcspn(t, " ");
        write_content(out, t, n, a->schema);
        t += n;
    }
    wn_json_close(out, '}');
    wn_json_close(out, '}');
    if (wn_etag_of_route(route, a->types)) {
        open_object(out, "304");
        wn_json_pair(out, "description", "If-None-Match named the answer's ETag: the client has it.");
        wn_json_close(out, '}');
    }
    write_problem_status(out, "400", 3);
    for (const char *s = a->problems; *s; s += strspn(s, " ")) {
        write_problem_status(out, s, 3);
        s += 3;
    }
    if (route->scope != WN_SCOPE_OPEN) write_problem_status(out, "401", 3);
    if (route->scope > WN_SCOPE_READ) write_problem_status(out, "403", 3);
    write_problem_status(out, "default", strlen("default"));
    wn_json_close(out, '}');
}

static void write_operation(struct wn_text *out, const struct wn_route *route)
{
    open_object(out, strcmp(route->method, "POST") == 0 ? "post" : strcmp(route->method, "PUT") == 0 ? "put" : "get");
    wn_json_pair(out, "summary", route->summary);
    write_parameters(out, route);
    write_body(out, route);
    write_responses(out, route);
    write_security(out, route->scope);
    wn_json_close(out, '}');
}

/* Rows of one path stand in one object, at the place of the first. */
static void write_paths(struct wn_text *out)
{
    const struct wn_route *route, *other;
    open_object(out, "paths");
    for (int i = 0; (route = wn_route_at(i)); i++) {
        int first = 0;
        while (strcmp(wn_route_at(first)->path, route->path) != 0) first++;
        if (first < i) continue;
        open_object(out, route->path);
        for (int k = i; (other = wn_route_at(k)); k++)
            if (strcmp(other->path, route->path) == 0) write_operation(out, other);
        wn_json_close(out, '}');
    }
    wn_json_close(out, '}');
}

static void write_components(struct wn_text *out)
{
    open_object(out, "components");
    open_object(out, "securitySchemes");
    wn_json_key(out, "key");
    wn_json_value(out);
    wn_text_puts(out, "{\"type\":\"http\",\"scheme\":\"bearer\",\"description\":\"Wanted where the server has keys; "
                      "their scopes are predict, "
                      "explain and admin. Basic with the key as the password does as well.\"}}");
    open_object(out, "responses");
    wn_json_key(out, "Problem");
    wn_json_value(out);
    wn_text_puts(
        out,
        "{\"description\":\"Why there is no answer.\",\"content\":{\"application/problem+json\":{\"schema\":{\"$ref\":"
        "\"#/components/schemas/Problem\"}}}}}");
    open_object(out, "schemas");
    write_questions(out);
    write_answers(out);
    wn_json_close(out, '}');
    wn_json_close(out, '}');
}

bool wn_route_openapi(struct wn_request *r)
{
    struct wn_text *out = &r->reply.body;
    wn_json_open(out, '{');
    wn_json_pair(out, "openapi", "3.1.0");
    open_object(out, "info");
    wn_json_pair(out, "title", "whynot: why P, rather than Q?");
    wn_json_pair(out, "version", wn_version());
    wn_json_close(out, '}');
    write_paths(out);
    write_components(out);
    wn_json_close(out, '}');
    return true;
}
