/* Values of a question that are one thing: words, switches, numbers, a name out of a table, a picture. Knows no list
 * and no field. */
#include "question_read.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TEXT_BYTES 1024

enum wn_code wn_read_fail(const struct wn_reading *r, const char *name, enum wn_code code, const char *what)
{
    char pointer[96];
    snprintf(pointer, sizeof pointer, "%s/%s", r->prefix, name);
    return wn_problem_set(r->problem, pointer, code, "%s", what);
}

enum wn_code wn_read_refuse(const struct wn_reading *r, const char *name, const char *what)
{
    char text[512];
    snprintf(text, sizeof text, "%s %s", name, what);
    return wn_read_fail(r, name, WN_BAD_REQUEST, text);
}

const char *wn_given_text(const struct wn_given *g)
{
    const char *s = g->text ? g->text : json_string_value(g->json);
    return s && s[0] && strlen(s) <= TEXT_BYTES ? s : NULL;
}

static bool as_number(const struct wn_given *g, double *out)
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

static bool as_whole(const struct wn_given *g, int64_t *out)
{
    double v;
    if (json_is_real(g->json) || !as_number(g, &v) || v != floor(v) || fabs(v) > WN_MOST_WHOLE) return false;
    *out = (int64_t)v;
    return true;
}

enum wn_code wn_read_WORD(struct wn_ask *ask, void *field, const struct wn_given *g, const struct wn_reading *r,
                          const char *name)
{
    (void)ask;
    const char *s = wn_given_text(g);
    if (!s || strlen(s) > 256) return wn_read_refuse(r, name, "must be a string of 1 to 256 bytes");
    const char *copy = wn_pool_text(r->pool, s, strlen(s));
    *(const char **)field = copy;
    return copy ? WN_OK : wn_problem_set(r->problem, NULL, WN_NO_MEMORY, "no memory for the request");
}

enum wn_code wn_read_FLAG(struct wn_ask *ask, void *field, const struct wn_given *g, const struct wn_reading *r,
                          const char *name)
{
    (void)ask;
    const char *s = g->text ? g->text : "";
    bool yes = json_is_true(g->json) || strcmp(s, "true") == 0 || strcmp(s, "1") == 0;
    bool no = json_is_false(g->json) || strcmp(s, "false") == 0 || strcmp(s, "0") == 0;
    if (!yes && !no) return wn_read_refuse(r, name, "must be true or false");
    *(bool *)field = yes;
    return WN_OK;
}

enum wn_code wn_read_ALPHA(struct wn_ask *ask, void *field, const struct wn_given *g, const struct wn_reading *r,
                           const char *name)
{
    (void)ask;
    double v;
    if (!as_number(g, &v) || !(v >= 0 && v <= 1)) return wn_read_refuse(r, name, "must be a number from 0 to 1");
    *(float *)field = (float)v;
    return WN_OK;
}

enum wn_code wn_read_VALUE(struct wn_ask *ask, void *field, const struct wn_given *g, const struct wn_reading *r,
                           const char *name)
{
    (void)ask;
    double v;
    *(float *)field = NAN;
    if (g->text && !*g->text) return WN_OK;
    if (!as_number(g, &v) || !isfinite((float)v)) return wn_read_refuse(r, name, "must be a number");
    *(float *)field = (float)v;
    return WN_OK;
}

enum wn_code wn_read_COUNT(struct wn_ask *ask, void *field, const struct wn_given *g, const struct wn_reading *r,
                           const char *name)
{
    (void)ask;
    int64_t v;
    if (!as_whole(g, &v) || v < 0 || v > 1000) return wn_read_refuse(r, name, "must be a whole number from 0 to 1000");
    *(int *)field = (int)v;
    return WN_OK;
}

static int64_t milliseconds(const struct wn_given *g)
{
    int64_t v;
    return as_whole(g, &v) && v >= 1 ? v : 0;
}

int64_t wn_ask_milliseconds(const char *text)
{
    return milliseconds(&(struct wn_given){text, NULL});
}

enum wn_code wn_read_MILLISECONDS(struct wn_ask *ask, void *field, const struct wn_given *g, const struct wn_reading *r,
                                  const char *name)
{
    (void)ask;
    *(int64_t *)field = milliseconds(g);
    return *(int64_t *)field ? WN_OK : wn_read_refuse(r, name, "must be " WN_MILLISECONDS);
}

/* A picture in the wrong place or dress is told apart from an address: only that could never be taken. */
static enum wn_code refuse_text(const struct wn_reading *r, const char *name, const char *text)
{
    if (text && strncasecmp(text, "data:", strlen("data:")) == 0)
        return wn_read_fail(r, name, WN_UNREADABLE_IMAGE,
                            "a data URI is not accepted: send what stands behind its comma, as {\"b64\": \"...\"}");
    if (text && !strstr(text, "://"))
        return wn_read_refuse(r, name,
                              "must be an object in JSON, {\"b64\": \"...\"} with the picture in base64 and no data: "
                              "before it, and a file in a form");
    return wn_read_fail(r, name, WN_UNREADABLE_IMAGE,
                        "URLs are not accepted: send the picture itself, in JSON as {\"b64\": \"...\"}");
}

enum wn_code wn_read_IMAGE(struct wn_ask *ask, void *field, const struct wn_given *g, const struct wn_reading *r,
                           const char *name)
{
    (void)field;
    const json_t *b64 = json_object_get(g->json, "b64");
    const char *text = g->text ? g->text : json_string_value(g->json);
    if (text || json_object_get(g->json, "url")) return refuse_text(r, name, text);
    if (json_object_size(g->json) != 1 || !json_is_integer(b64))
        return wn_read_refuse(r, name, "must be {\"b64\": \"...\"}");
    json_int_t i = json_integer_value(b64);
    if (i < 0 || i >= r->n_slices) return wn_read_refuse(r, name, "must be {\"b64\": \"...\"}");
    ask->image = &r->slices[i];
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

const char *wn_ask_word(const char *kind, int i)
{
    static const struct {
        const char *kind, *(*name_at)(int);
    } rows[] = {{"CONTRAST", contrast_name},     {"METHOD", method_name},     {"COLORMAP", colormap_name},
                {"NORMALIZE", normalize_name},   {"VARIANT", variant_name},   {"SIZE", size_name},
                {"STATISTICS", statistics_name}, {"EVIDENCE", evidence_name}, {"FILL", wn_fill_name},
                {"MAPS", wn_maps_name},          {"OUTPUTS", wn_outputs_name}};
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++)
        if (strcmp(rows[k].kind, kind) == 0) return rows[k].name_at(i);
    return NULL;
}

int wn_pick(const char *word, size_t n, const char *(*name_at)(int), const struct wn_reading *r, const char *field)
{
    const char *names[64];
    int count = 0;
    char copy[65] = "", all[320] = "", what[448];
    for (; count < 64 && (names[count] = name_at(count)); count++) {
        if (word && strlen(names[count]) == n && strncmp(word, names[count], n) == 0) return count;
        if (strlen(all) + strlen(names[count]) + 3 < sizeof all)
            snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", count ? ", " : "", names[count]);
    }
    if (word) snprintf(copy, sizeof copy, "%.*s", (int)(n < 64 ? n : 64), word);
    snprintf(what, sizeof what, "must be one of: %s", all);
    bool first = r->problem->error.code == WN_OK;
    wn_read_refuse(r, field, what);
    if (first && copy[0]) wn_problem_similar(r->problem, copy, names, count);
    return -1;
}

int wn_pick_one(const struct wn_given *g, const char *(*name_at)(int), const struct wn_reading *r, const char *field)
{
    const char *s = wn_given_text(g);
    return wn_pick(s, s ? strlen(s) : 0, name_at, r, field);
}

#define NAMED(kind, name_at, put)                                                                                      \
    enum wn_code wn_read_##kind(struct wn_ask *ask, void *field, const struct wn_given *g, const struct wn_reading *r, \
                                const char *name)                                                                      \
    {                                                                                                                  \
        (void)field;                                                                                                   \
        int i = wn_pick_one(g, name_at, r, name);                                                                      \
        if (i >= 0) put;                                                                                               \
        return i < 0 ? WN_BAD_REQUEST : WN_OK;                                                                         \
    }
NAMED(CONTRAST, contrast_name, ask->contrast = wn_contrast_at(i))
NAMED(METHOD, method_name, ask->method = wn_method_at(i))
NAMED(COLORMAP, colormap_name, ask->colormap = i ? wn_colormap_at(i - 1) : NULL)
NAMED(NORMALIZE, normalize_name, ask->normalize = (enum wn_normalize)i)
NAMED(VARIANT, variant_name, ask->layer_variant = (enum wn_layer_variant)i)
NAMED(SIZE, size_name, ask->size = (enum wn_map_size)i)
NAMED(STATISTICS, statistics_name, ask->statistics = (enum wn_statistics_kind)i)
NAMED(EVIDENCE, evidence_name, ask->evidence = (enum wn_evidence_kind)i)
NAMED(FILL, wn_fill_name, (ask->fill = (enum wn_fill)i, ask->fill_given = true))
