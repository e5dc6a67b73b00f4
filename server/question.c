/* The field table at work: text or JSON to a struct wn_ask; knows no model, so classes and layers stay names here,
 * and no kind of value. */
#include "question_read.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct field {
    struct wn_field row;
    wn_reader *read;
    size_t offset;
} fields[] = {
#define X(name, kind, standard, values, words)                                                                         \
    {{#name, #kind, standard, values, words}, wn_read_##kind, offsetof(struct wn_ask, name)},
#include "fields.def"
#undef X
};
#define FIELDS ((int)(sizeof fields / sizeof *fields))

/* The settings of methods are fields too: their table stands in the library. */
static const struct wn_field settings[] = {
#define WORDS_WHOLE(lo, hi, choices) #lo " to " #hi
#define WORDS_NUMBER(lo, hi, choices) #lo " to " #hi
#define WORDS_CHOICE(lo, hi, choices) choices
#define WORDS_METHOD(lo, hi, choices) "a name from /v1/methods"
#define X(id, name, kind, lo, hi, standard, choices, words)                                                            \
    {#name, #kind, standard, WORDS_##kind(lo, hi, choices), words},
#include <whynot/method_options.def>
#undef X
};

/* The number or word as text, for the table's own reader. */
static enum wn_code read_setting(struct wn_ask *ask, int which, const struct wn_given *g, const struct wn_reading *r)
{
    char number[32];
    struct wn_error why = {0};
    const char *name = settings[which].name, *text = g->text ? g->text : json_string_value(g->json);
    if (r->again) return wn_read_refuse(r, name, "is given twice");
    if (json_is_number(g->json)) {
        snprintf(number, sizeof number, "%.17g", json_number_value(g->json));
        text = number;
    }
    if (!text) return wn_read_refuse(r, name, "must be a number or a word");
    if (wn_setting_set(&ask->settings, (enum wn_setting)which, text, &why) == WN_OK) return WN_OK;
    return wn_read_fail(r, name, why.code, why.text);
}

/* The client's own key as part of a JSON pointer: '~' and '/' are written ~0 and ~1 (RFC 6901). */
static void point(const struct wn_reading *r, const char *key, char pointer[96])
{
    int n = snprintf(pointer, 30, "%s/", r->prefix);
    for (int i = 0; key[i] && i < 32; i++)
        n += key[i] == '~' || key[i] == '/' ? sprintf(pointer + n, "~%c", key[i] == '/' ? '1' : '0')
                                            : sprintf(pointer + n, "%c", key[i]);
}

static const struct field *find(const char *name, const struct wn_reading *r)
{
    const char *names[FIELDS];
    char pointer[96];
    for (int i = 0; i < FIELDS; i++) {
        names[i] = fields[i].row.name;
        if (strcmp(name, fields[i].row.name) == 0) return &fields[i];
    }
    if (r->problem->error.code != WN_OK) return NULL;
    wn_problem_similar(r->problem, name, names, FIELDS);
    point(r, name, pointer);
    if (r->problem->n_similar)
        wn_problem_set(r->problem, pointer, WN_BAD_REQUEST, "there is no field '%.64s'; did you mean '%s'?", name,
                       r->problem->similar[0]);
    else
        wn_problem_set(r->problem, pointer, WN_BAD_REQUEST, "there is no field '%.64s'; /openapi.json lists them",
                       name);
    return NULL;
}

static enum wn_code set(struct wn_ask *ask, const struct field *f, const struct wn_given *g, const struct wn_reading *r)
{
    if (f && r->again && f->read != wn_read_CLASSES && f->read != wn_read_LAYERS)
        return wn_read_refuse(r, f->row.name, "is given twice");
    return f ? f->read(ask, (char *)ask + f->offset, g, r, f->row.name) : WN_BAD_REQUEST;
}

enum wn_code wn_ask_set_text(struct wn_ask *ask, const char *name, const char *text, const struct wn_reading *r)
{
    int setting = wn_setting_find(name);
    if (setting >= 0) return read_setting(ask, setting, &(struct wn_given){text, NULL}, r);
    return set(ask, find(name, r), &(struct wn_given){text, NULL}, r);
}

enum wn_code wn_ask_set_json(struct wn_ask *ask, const char *name, const json_t *value, const struct wn_reading *r)
{
    const int setting = wn_setting_find(name);
    const struct field *field = setting >= 0 ? NULL : find(name, r);
    if (json_is_null(value) && (field || setting >= 0))
        return WN_OK; /* what writers of JSON write for what is not set */
    if (setting >= 0) return read_setting(ask, setting, &(struct wn_given){NULL, value}, r);
    return set(ask, field, &(struct wn_given){NULL, value}, r);
}

enum wn_code wn_ask_init(struct wn_ask *ask, const struct wn_reading *r)
{
    *ask = (struct wn_ask){.value = NAN};
    for (int i = 0; i < FIELDS; i++) {
        struct wn_given standard = {fields[i].row.standard, NULL};
        if (standard.text[0] && set(ask, &fields[i], &standard, r) != WN_OK) return r->problem->error.code;
    }
    ask->fill_given = false; /* by nobody yet */
    return WN_OK;
}

void wn_ask_prediction_only(struct wn_ask *ask)
{
    *ask = (struct wn_ask){.image = ask->image,
                           .id = ask->id,
                           .model = ask->model,
                           .version = ask->version,
                           .layer = "auto",
                           .method = wn_method_at(0),
                           .top_k = ask->top_k,
                           .timeout_ms = ask->timeout_ms};
}

bool wn_ask_knows(const char *name)
{
    for (int i = 0; i < FIELDS; i++)
        if (strcmp(name, fields[i].row.name) == 0) return true;
    return wn_setting_find(name) >= 0;
}

const struct wn_field *wn_ask_field(int i)
{
    if (i >= FIELDS) return i < FIELDS + WN_SETTINGS ? &settings[i - FIELDS] : NULL;
    return i >= 0 ? &fields[i].row : NULL;
}
