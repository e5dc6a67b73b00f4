/* The field table at work: text or JSON to a struct wn_ask; knows no model, so classes and layers stay names here. */
#include "question.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MOST_CLASSES 1024
#define TEXT_BYTES 1024

/* A value from either side; exactly one is set. */
struct given {
    const char *text;
    const json_t *json;
};

typedef enum wn_code reader(struct wn_ask *ask, void *field, const struct given *g, const struct wn_reading *r,
                            const char *name);

static enum wn_code fail(const struct wn_reading *r, const char *name, enum wn_code code, const char *what)
{
    char pointer[96];
    snprintf(pointer, sizeof pointer, "%s/%s", r->prefix, name);
    return wn_problem_set(r->problem, pointer, code, "%s", what);
}

static enum wn_code refuse(const struct wn_reading *r, const char *name, const char *what)
{
    char text[512];
    snprintf(text, sizeof text, "%s %s", name, what);
    return fail(r, name, WN_BAD_REQUEST, text);
}

/* The value as text of 1 to TEXT_BYTES bytes, or NULL. */
static const char *as_text(const struct given *g)
{
    const char *s = g->text ? g->text : json_string_value(g->json);
    return s && s[0] && strlen(s) <= TEXT_BYTES ? s : NULL;
}

static bool as_number(const struct given *g, double *out)
{
    if (json_is_number(g->json)) {
        *out = json_number_value(g->json);
        return true;
    }
    if (!g->text || !g->text[0] || g->text[strspn(g->text, "0123456789+-.eE")]) return false;
    char *end;
    *out = strtod(g->text, &end);
    return !*end && isfinite(*out);
}

static bool as_whole(const struct given *g, int64_t *out)
{
    double v;
    if (json_is_real(g->json) || !as_number(g, &v) || v != floor(v) || fabs(v) > 1e15) return false;
    *out = (int64_t)v;
    return true;
}

static enum wn_code read_WORD(struct wn_ask *ask, void *field, const struct given *g, const struct wn_reading *r,
                              const char *name)
{
    (void)ask;
    const char *s = as_text(g);
    if (!s || strlen(s) > 256) return refuse(r, name, "must be a string of 1 to 256 bytes");
    const char *copy = wn_pool_text(r->pool, s, strlen(s));
    *(const char **)field = copy;
    return copy ? WN_OK : wn_problem_set(r->problem, NULL, WN_NO_MEMORY, "no memory for the request");
}

static enum wn_code read_FLAG(struct wn_ask *ask, void *field, const struct given *g, const struct wn_reading *r,
                              const char *name)
{
    (void)ask;
    const char *s = g->text ? g->text : "";
    bool yes = json_is_true(g->json) || strcmp(s, "true") == 0 || strcmp(s, "1") == 0;
    bool no = json_is_false(g->json) || strcmp(s, "false") == 0 || strcmp(s, "0") == 0;
    if (!yes && !no) return refuse(r, name, "must be true or false");
    *(bool *)field = yes;
    return WN_OK;
}

static enum wn_code read_ALPHA(struct wn_ask *ask, void *field, const struct given *g, const struct wn_reading *r,
                               const char *name)
{
    (void)ask;
    double v;
    if (!as_number(g, &v) || !(v >= 0 && v <= 1)) return refuse(r, name, "must be a number from 0 to 1");
    *(float *)field = (float)v;
    return WN_OK;
}

static enum wn_code read_VALUE(struct wn_ask *ask, void *field, const struct given *g, const struct wn_reading *r,
                               const char *name)
{
    (void)ask;
    double v;
    *(float *)field = NAN;
    if (g->text && !*g->text) return WN_OK;
    if (!as_number(g, &v) || !isfinite((float)v)) return refuse(r, name, "must be a number");
    *(float *)field = (float)v;
    return WN_OK;
}

static enum wn_code read_COUNT(struct wn_ask *ask, void *field, const struct given *g, const struct wn_reading *r,
                               const char *name)
{
    (void)ask;
    int64_t v;
    if (!as_whole(g, &v) || v < 0 || v > 1000) return refuse(r, name, "must be a whole number from 0 to 1000");
    *(int *)field = (int)v;
    return WN_OK;
}

static enum wn_code read_MILLISECONDS(struct wn_ask *ask, void *field, const struct given *g,
                                      const struct wn_reading *r, const char *name)
{
    (void)ask;
    int64_t v;
    if (!as_whole(g, &v) || v < 1) return refuse(r, name, "must be a whole number of milliseconds, 1 or more");
    *(int64_t *)field = v;
    return WN_OK;
}

/* ---- names from tables ---- */

static const char *contrast_name(int i)
{
    return wn_contrast_at(i) ? wn_contrast_at(i)->name : NULL;
}

static const char *method_name(int i)
{
    return wn_method_at(i) ? wn_method_at(i)->name : NULL;
}

static const char *colormap_name(int i)
{
    return i == 0 ? "auto" : wn_colormap_at(i - 1) ? wn_colormap_at(i - 1)->name : NULL;
}

static const char *normalize_name(int i)
{
    return i <= WN_NORMALIZE_SYMMETRIC ? wn_normalize_name((enum wn_normalize)i) : NULL;
}

static const char *variant_name(int i)
{
    static const char *const names[] = {"as-named", "pre-activation", "raw-conv", NULL};
    return names[i];
}

static const char *size_name(int i)
{
    static const char *const names[] = {"image", "input", NULL};
    return names[i];
}

static const char *maps_name(int i)
{
    static const char *const names[] = {"contrast", "target", "rival", NULL};
    return names[i];
}

static const char *outputs_name(int i)
{
    static const char *const names[] = {"heatmap", "overlay", "raw", "bbox", "rle", NULL};
    return names[i];
}

static const char *statistics_name(int i)
{
    static const char *const names[] = {"masks", "raw", NULL};
    return names[i];
}

static const char *evidence_name(int i)
{
    static const char *const names[] = {"numbers", "mask", NULL};
    return names[i];
}

/* The number of the name, or -1 with a failure that lists what there is. */
static int pick(const char *word, size_t n, const char *(*name_at)(int), const struct wn_reading *r, const char *field)
{
    const char *names[64];
    int count = 0;
    char copy[65] = "", all[320] = "", what[448];
    for (; count < 64 && name_at(count); count++) {
        names[count] = name_at(count);
        if (word && strlen(names[count]) == n && strncmp(word, names[count], n) == 0) return count;
        if (strlen(all) + strlen(names[count]) + 3 < sizeof all)
            snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", count ? ", " : "", names[count]);
    }
    if (word) snprintf(copy, sizeof copy, "%.*s", (int)(n < 64 ? n : 64), word);
    snprintf(what, sizeof what, "must be one of: %s", all);
    bool first = r->problem->error.code == WN_OK;
    refuse(r, field, what);
    if (first && copy[0]) wn_problem_similar(r->problem, copy, names, count);
    return -1;
}

static int pick_one(const struct given *g, const char *(*name_at)(int), const struct wn_reading *r, const char *field)
{
    const char *s = as_text(g);
    return pick(s, s ? strlen(s) : 0, name_at, r, field);
}

static enum wn_code read_CONTRAST(struct wn_ask *ask, void *field, const struct given *g, const struct wn_reading *r,
                                  const char *name)
{
    (void)field;
    int i = pick_one(g, contrast_name, r, name);
    if (i >= 0) ask->contrast = wn_contrast_at(i);
    return i < 0 ? WN_BAD_REQUEST : WN_OK;
}

static enum wn_code read_METHOD(struct wn_ask *ask, void *field, const struct given *g, const struct wn_reading *r,
                                const char *name)
{
    (void)field;
    int i = pick_one(g, method_name, r, name);
    if (i >= 0) ask->method = wn_method_at(i);
    return i < 0 ? WN_BAD_REQUEST : WN_OK;
}

static enum wn_code read_COLORMAP(struct wn_ask *ask, void *field, const struct given *g, const struct wn_reading *r,
                                  const char *name)
{
    (void)field;
    int i = pick_one(g, colormap_name, r, name);
    if (i >= 0) ask->colormap = i ? wn_colormap_at(i - 1) : NULL;
    return i < 0 ? WN_BAD_REQUEST : WN_OK;
}

static enum wn_code read_NORMALIZE(struct wn_ask *ask, void *field, const struct given *g, const struct wn_reading *r,
                                   const char *name)
{
    (void)field;
    int i = pick_one(g, normalize_name, r, name);
    if (i >= 0) ask->normalize = (enum wn_normalize)i;
    return i < 0 ? WN_BAD_REQUEST : WN_OK;
}

static enum wn_code read_VARIANT(struct wn_ask *ask, void *field, const struct given *g, const struct wn_reading *r,
                                 const char *name)
{
    (void)field;
    int i = pick_one(g, variant_name, r, name);
    if (i >= 0) ask->layer_variant = (enum wn_layer_variant)i;
    return i < 0 ? WN_BAD_REQUEST : WN_OK;
}

static enum wn_code read_SIZE(struct wn_ask *ask, void *field, const struct given *g, const struct wn_reading *r,
                              const char *name)
{
    (void)field;
    int i = pick_one(g, size_name, r, name);
    if (i >= 0) ask->size = (enum wn_map_size)i;
    return i < 0 ? WN_BAD_REQUEST : WN_OK;
}

static enum wn_code read_STATISTICS(struct wn_ask *ask, void *field, const struct given *g, const struct wn_reading *r,
                                    const char *name)
{
    (void)field;
    int i = pick_one(g, statistics_name, r, name);
    if (i >= 0) ask->statistics = (enum wn_statistics_kind)i;
    return i < 0 ? WN_BAD_REQUEST : WN_OK;
}

static enum wn_code read_EVIDENCE(struct wn_ask *ask, void *field, const struct given *g, const struct wn_reading *r,
                                  const char *name)
{
    (void)field;
    int i = pick_one(g, evidence_name, r, name);
    if (i >= 0) ask->evidence = (enum wn_evidence_kind)i;
    return i < 0 ? WN_BAD_REQUEST : WN_OK;
}

static enum wn_code read_FILL(struct wn_ask *ask, void *field, const struct given *g, const struct wn_reading *r,
                              const char *name)
{
    (void)field;
    int i = pick_one(g, wn_fill_name, r, name);
    if (i >= 0) ask->fill = (enum wn_fill)i;
    return i < 0 ? WN_BAD_REQUEST : WN_OK;
}

/* ---- lists ---- */

/* The bits of the names in "a,b", in "a" or in ["a", "b"]. */
static enum wn_code each_word(const struct given *g, const struct wn_reading *r, const char *field,
                              const char *(*name_at)(int), unsigned *bits)
{
    *bits = 0;
    size_t n = json_is_array(g->json) ? json_array_size(g->json) : 0;
    if (n > 16) return refuse(r, field, "has more than 16 entries");
    for (size_t i = 0; i < n; i++) {
        struct given one = {NULL, json_array_get(g->json, i)};
        int bit = pick_one(&one, name_at, r, field);
        if (bit < 0) return WN_BAD_REQUEST;
        *bits |= 1u << bit;
    }
    const char *s = n ? NULL : as_text(g);
    if (!n && !s) return refuse(r, field, "must be one name or a list of names");
    while (s) {
        size_t length = strcspn(s, ",");
        int bit = pick(s, length, name_at, r, field);
        if (bit < 0) return WN_BAD_REQUEST;
        *bits |= 1u << bit;
        s = s[length] ? s + length + 1 : NULL;
    }
    return WN_OK;
}

static enum wn_code read_MAPS(struct wn_ask *ask, void *field, const struct given *g, const struct wn_reading *r,
                              const char *name)
{
    (void)field;
    return each_word(g, r, name, maps_name, &ask->maps);
}

static enum wn_code read_OUTPUTS(struct wn_ask *ask, void *field, const struct given *g, const struct wn_reading *r,
                                 const char *name)
{
    (void)field;
    return each_word(g, r, name, outputs_name, &ask->outputs);
}

static bool is_digits(const char *s)
{
    return s[0] && !s[strspn(s, "0123456789")] && strlen(s) <= 9;
}

/* One class: a number is an index, digits in a query or form too; any other text is a label or "top1". */
static enum wn_code add_class(struct wn_class_refs *refs, const struct given *g, const struct wn_reading *r,
                              const char *name)
{
    struct wn_class_ref *ref = &refs->list[refs->n];
    const char *s = as_text(g);
    if (json_is_integer(g->json)) {
        ref->index = json_integer_value(g->json);
    } else if (g->text && is_digits(g->text)) {
        ref->index = atoi(g->text);
    } else if (s) {
        ref->text = wn_pool_text(r->pool, s, strlen(s));
        if (!ref->text) return wn_problem_set(r->problem, NULL, WN_NO_MEMORY, "no memory for the request");
    } else {
        return refuse(r, name, "must be a class index, a label, or a list of them");
    }
    refs->n++;
    return WN_OK;
}

/* "auto:3" -> 3, "auto" -> 1, -1 for auto: with anything but a number above 0, and 0 for all else, which may be a label. */
static int nearest_wish(const char *s)
{
    if (!s || strncasecmp(s, "auto", 4) != 0 || (s[4] && s[4] != ':')) return 0;
    if (!s[4]) return 1;
    int n = is_digits(s + 5) ? atoi(s + 5) : 0;
    return n > 0 ? n : -1;
}

/* "3,7,12" in a query is a list; labels may hold commas themselves and are repeated parameters instead. */
static int count_indices(const char *s)
{
    if (!s || !strchr(s, ',') || s[strspn(s, "0123456789,")]) return 0;
    int n = 1;
    for (; *s; s++) n += *s == ',';
    return n;
}

static enum wn_code add_indices(struct wn_class_refs *refs, const char *s, const struct wn_reading *r, const char *name)
{
    for (const char *end; s; s = *end ? end + 1 : NULL) {
        char digits[16] = "";
        end = s + strcspn(s, ",");
        snprintf(digits, sizeof digits, "%.*s", (int)(end - s < 15 ? end - s : 15), s);
        if (!is_digits(digits)) return refuse(r, name, "has an entry that is not a class index");
        if (add_class(refs, &(struct given){digits, NULL}, r, name) != WN_OK) return r->problem->error.code;
    }
    return WN_OK;
}

/* The same parameter once more: one more class. */
static enum wn_code append_class(struct wn_class_refs *refs, const struct given *g, const struct wn_reading *r,
                                 const char *name)
{
    size_t n = (size_t)refs->n;
    struct wn_class_ref *list = n && n < MOST_CLASSES ? wn_pool_array(r->pool, n + 1, sizeof *list) : NULL;
    if (!list) return refuse(r, name, "cannot be given again");
    memcpy(list, refs->list, n * sizeof *list);
    refs->list = list;
    return add_class(refs, g, r, name);
}

static enum wn_code read_CLASSES(struct wn_ask *ask, void *field, const struct given *g, const struct wn_reading *r,
                                 const char *name)
{
    struct wn_class_refs *refs = field;
    bool rivals = refs == &ask->why_not;
    int nearest = rivals ? nearest_wish(as_text(g)) : 0, indices = count_indices(g->text);
    bool list = json_is_array(g->json);
    if (r->again) return append_class(refs, g, r, name);
    size_t n = list ? json_array_size(g->json) : indices ? (size_t)indices : 1;
    *refs = (struct wn_class_refs){.nearest = nearest};
    if (nearest < 0) return refuse(r, name, "must be auto:N with N from 1 to 1024, the N nearest rivals");
    if (nearest) return nearest <= MOST_CLASSES ? WN_OK : refuse(r, name, "asks for too many rivals");
    if (json_is_null(g->json)) return WN_OK;
    if (n < 1 || n > MOST_CLASSES) return refuse(r, name, "must name 1 to 1024 classes");
    refs->list = wn_pool_array(r->pool, n, sizeof *refs->list);
    if (!refs->list) return wn_problem_set(r->problem, NULL, WN_NO_MEMORY, "no memory for the request");
    if (indices) return add_indices(refs, g->text, r, name);
    for (size_t i = 0; i < n; i++) {
        struct given one = list ? (struct given){NULL, json_array_get(g->json, i)} : *g;
        if (add_class(refs, &one, r, name) != WN_OK) return r->problem->error.code;
    }
    return WN_OK;
}

static enum wn_code add_name(struct wn_names *names, const char *s, size_t n, const struct wn_reading *r, const char *field)
{
    if (!s || !n || n > 256) return refuse(r, field, "must be names of 1 to 256 bytes");
    if (names->n == WN_MOST_LAYERS) return refuse(r, field, "has too many entries: two to eight layers can be fused");
    const char *copy = wn_pool_text(r->pool, s, n);
    if (!copy) return wn_problem_set(r->problem, NULL, WN_NO_MEMORY, "no memory for the request");
    names->list[names->n++] = copy;
    return WN_OK;
}

/* "a,b" or ["a", "b"], and the parameter again for more. */
static enum wn_code read_LAYERS(struct wn_ask *ask, void *field, const struct given *g, const struct wn_reading *r, const char *name)
{
    struct wn_names *names = field;
    (void)ask;
    const char *s = as_text(g);
    /* A list of its own: that of a batch's defaults is all instances'. */
    if (!r->again) *names = (struct wn_names){wn_pool_array(r->pool, WN_MOST_LAYERS, sizeof *names->list), 0};
    if (!names->list) return wn_problem_set(r->problem, NULL, WN_NO_MEMORY, "no memory for the request");
    if (!s && !json_array_size(g->json)) return refuse(r, name, "must be two to eight names of layers");
    for (size_t i = 0; i < json_array_size(g->json); i++) {
        const char *one = json_string_value(json_array_get(g->json, i));
        if (add_name(names, one, one ? strlen(one) : 0, r, name) != WN_OK) return r->problem->error.code;
    }
    for (size_t n; s; s = s[n] ? s + n + 1 : NULL) {
        n = strcspn(s, ",");
        if (add_name(names, s, n, r, name) != WN_OK) return r->problem->error.code;
    }
    return WN_OK;
}

static enum wn_code read_IMAGE(struct wn_ask *ask, void *field, const struct given *g, const struct wn_reading *r,
                               const char *name)
{
    (void)field;
    const json_t *b64 = json_object_get(g->json, "b64");
    const char *address = json_is_string(g->json) ? json_string_value(g->json) : NULL;
    if (address || g->text || json_object_get(g->json, "url"))
        return fail(r, name, WN_UNREADABLE_IMAGE,
                    "URLs are not accepted: send the picture itself, in JSON as {\"b64\": \"...\"}");
    if (json_object_size(g->json) != 1 || !json_is_integer(b64)) return refuse(r, name, "must be {\"b64\": \"...\"}");
    json_int_t i = json_integer_value(b64);
    if (i < 0 || i >= r->n_slices) return refuse(r, name, "must be {\"b64\": \"...\"}");
    ask->image = &r->slices[i];
    return WN_OK;
}

/* ---- the table ---- */

static const struct field {
    struct wn_field row;
    reader *read;
    size_t offset;
} fields[] = {
#define X(name, kind, standard, values, words)                                                                         \
    {{#name, #kind, standard, values, words}, read_##kind, offsetof(struct wn_ask, name)},
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
#define X(id, name, kind, lo, hi, standard, choices, words) {#name, #kind, standard, WORDS_##kind(lo, hi, choices), words},
#include <whynot/method_options.def>
#undef X
};

/* The number or word as text, for the table's own reader. */
static enum wn_code read_setting(struct wn_ask *ask, int which, const struct given *g, const struct wn_reading *r)
{
    char number[32];
    struct wn_error why = {0};
    const char *name = settings[which].name, *text = g->text ? g->text : json_string_value(g->json);
    if (r->again) return refuse(r, name, "is given twice");
    if (json_is_number(g->json)) {
        snprintf(number, sizeof number, "%.17g", json_number_value(g->json));
        text = number;
    }
    if (!text) return refuse(r, name, "must be a number or a word");
    if (wn_setting_set(&ask->settings, (enum wn_setting)which, text, &why) == WN_OK) return WN_OK;
    return fail(r, name, why.code, why.text);
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

static enum wn_code set(struct wn_ask *ask, const struct field *f, const struct given *g, const struct wn_reading *r)
{
    if (f && r->again && f->read != read_CLASSES && f->read != read_LAYERS) return refuse(r, f->row.name, "is given twice");
    return f ? f->read(ask, (char *)ask + f->offset, g, r, f->row.name) : WN_BAD_REQUEST;
}

enum wn_code wn_ask_set_text(struct wn_ask *ask, const char *name, const char *text, const struct wn_reading *r)
{
    int setting = wn_setting_find(name);
    if (setting >= 0) return read_setting(ask, setting, &(struct given){text, NULL}, r);
    return set(ask, find(name, r), &(struct given){text, NULL}, r);
}

enum wn_code wn_ask_set_json(struct wn_ask *ask, const char *name, const json_t *value, const struct wn_reading *r)
{
    int setting = wn_setting_find(name);
    if (setting >= 0) return read_setting(ask, setting, &(struct given){NULL, value}, r);
    return set(ask, find(name, r), &(struct given){NULL, value}, r);
}

enum wn_code wn_ask_init(struct wn_ask *ask, const struct wn_reading *r)
{
    *ask = (struct wn_ask){.value = NAN};
    for (int i = 0; i < FIELDS; i++) {
        struct given standard = {fields[i].row.standard, NULL};
        if (standard.text[0] && set(ask, &fields[i], &standard, r) != WN_OK) return r->problem->error.code;
    }
    return WN_OK;
}

void wn_ask_prediction_only(struct wn_ask *ask)
{
    *ask = (struct wn_ask){.image = ask->image, .id = ask->id, .model = ask->model, .version = ask->version, .layer = "auto",
                           .method = wn_method_at(0), .top_k = ask->top_k, .timeout_ms = ask->timeout_ms};
}

const char *wn_ask_word(const char *kind, int i)
{
    static const struct {
        const char *kind, *(*name_at)(int);
    } rows[] = {{"CONTRAST", contrast_name}, {"METHOD", method_name}, {"COLORMAP", colormap_name}, {"NORMALIZE", normalize_name},
                {"VARIANT", variant_name}, {"SIZE", size_name}, {"STATISTICS", statistics_name}, {"EVIDENCE", evidence_name}, {"FILL", wn_fill_name}};
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++)
        if (strcmp(rows[k].kind, kind) == 0) return rows[k].name_at(i);
    return NULL;
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
