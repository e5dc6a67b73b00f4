/* manifest.json to a struct, strictly; knows neither files nor graphs. */
#include "manifest.h"
#include "jsonload.h"

#include "nearest.h"

#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define MOST_SAMPLES 256

/* One object of the manifest while it is read: the first failure sticks in err. */
struct reading {
    struct wn_manifest *m;
    const char *where; /* "" or "input." */
    json_t *object;
    struct wn_error *err;
};

static bool failed(const struct reading *r)
{
    return r->err->code != WN_OK;
}

static void known_keys(struct reading *r, const char *const *keys, int n)
{
    const char *key, *best[1];
    json_t *value;
    json_object_foreach (r->object, key, value) {
        bool known = false;
        for (int i = 0; i < n; i++) known |= strcmp(key, keys[i]) == 0;
        if (known) continue;
        if (wn_nearest_names(key, keys, n, best, 1))
            wn_fail(r->err, WN_BAD_MODEL, "there is no key '%s%.64s'; did you mean '%s'?", r->where, key, best[0]);
        else
            wn_fail(r->err, WN_BAD_MODEL, "there is no key '%s%.64s'", r->where, key);
    }
}

static const char *text(struct reading *r, const char *key, const char *standard)
{
    json_t *v = json_object_get(r->object, key);
    if (!v && standard) return standard;
    if (!json_is_string(v)) {
        wn_fail(r->err, WN_BAD_MODEL, v ? "'%s%s' must be a string" : "'%s%s' is missing", r->where, key);
        return "";
    }
    const char *copy = wn_pool_text(&r->m->pool, json_string_value(v), json_string_length(v));
    if (!copy) wn_fail(r->err, WN_NO_MEMORY, "no memory for the manifest");
    return copy ? copy : "";
}

/* Text that is printed in a table: no line breaks, nothing that a terminal obeys. */
static const char *plain_text(struct reading *r, const char *key, const char *standard)
{
    const char *s = text(r, key, standard);
    for (const char *c = s; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            wn_fail(r->err, WN_BAD_MODEL, "'%s%s' holds a control character", r->where, key);
            return "";
        }
    return s;
}

static const char *optional(struct reading *r, const char *key)
{
    return json_object_get(r->object, key) ? text(r, key, NULL) : NULL;
}

/* Up to three numbers; a single number stands for all. Returns how many there were, 0 where the key is left out. */
static int numbers(struct reading *r, const char *key, double out[3])
{
    json_t *v = json_object_get(r->object, key);
    size_t n = json_is_array(v) ? json_array_size(v) : v ? 1 : 0;
    if (v && !n) wn_fail(r->err, WN_BAD_MODEL, "'%s%s' is an empty list", r->where, key);
    if (n > 3) n = 0, wn_fail(r->err, WN_BAD_MODEL, "'%s%s' has more than three numbers", r->where, key);
    for (size_t i = 0; i < n; i++) {
        json_t *x = json_is_array(v) ? json_array_get(v, i) : v;
        if (!json_is_number(x)) wn_fail(r->err, WN_BAD_MODEL, "'%s%s' must be numbers", r->where, key);
        out[i] = json_number_value(x);
    }
    return (int)n;
}

/* [height, width], or one number for both. */
static bool size(struct reading *r, const char *key, int *h, int *w)
{
    double v[3];
    int n = numbers(r, key, v);
    if (n == 1) v[1] = v[0];
    if (n == 3) wn_fail(r->err, WN_BAD_MODEL, "'%s%s' is [height, width]", r->where, key);
    for (int i = 0; i < 2 && n; i++)
        if (!(v[i] >= 1 && v[i] <= 8192) || v[i] != floor(v[i])) {
            wn_fail(r->err, WN_BAD_MODEL, "'%s%s' must be whole numbers from 1 to 8192", r->where, key);
            return false;
        }
    if (n) *h = (int)v[0], *w = (int)v[1];
    return n != 0;
}

static int choice(struct reading *r, const char *key, const char *const *names, int n, int standard)
{
    if (!json_object_get(r->object, key)) return standard;
    const char *v = text(r, key, NULL);
    char all[128] = "";
    for (int i = 0; i < n; i++) {
        if (strcmp(v, names[i]) == 0) return i;
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? ", " : "", names[i]);
    }
    wn_fail(r->err, WN_BAD_MODEL, "'%s%s' must be one of %s", r->where, key, all);
    return standard;
}

static void channel_numbers(struct reading *r, const char *key, float standard, float out[3])
{
    double v[3];
    int n = numbers(r, key, v), wanted = wn_preprocess_channels(&r->m->preprocess);
    if (n && n != 1 && n != wanted)
        wn_fail(r->err, WN_BAD_MODEL, "'%s%s' must have one number, or one for each of the %d channels", r->where, key,
                wanted);
    for (int c = 0; c < 3; c++) out[c] = n == 0 ? standard : (float)v[n == 1 ? 0 : c < n ? c : 0];
}

static void read_resize(struct reading *r)
{
    enum { SQUASH, SQUASH_NOAA, SHORT_SIDE, NONE };
    static const char *const names[] = {"squash", "squash-noaa", "short-side", "none"};
    static const enum wn_resize_mode modes[] = {WN_RESIZE_SQUASH, WN_RESIZE_SQUASH, WN_RESIZE_SHORT_SIDE,
                                                WN_RESIZE_NONE};
    struct wn_manifest *m = r->m;
    struct wn_preprocess *p = &m->preprocess;
    int kind = choice(r, "resize", names, 4, SQUASH), h = 0, w = 0;
    p->resize = modes[kind];
    p->antialias = kind != SQUASH_NOAA;
    bool sized = size(r, "size", &h, &w);
    if (kind == SQUASH || kind == SQUASH_NOAA) {
        if (!sized) wn_fail(r->err, WN_BAD_MODEL, "'input.size' is missing: [height, width] to squash pictures to");
        p->resize_h = h, p->resize_w = w;
    }
    if (kind == SHORT_SIDE && !size(r, "short_side", &p->resize_h, &p->resize_w))
        wn_fail(r->err, WN_BAD_MODEL, "'input.short_side' is missing");
    if (kind != SHORT_SIDE && json_object_get(r->object, "short_side"))
        wn_fail(r->err, WN_BAD_MODEL, "'input.short_side' means something only where 'input.resize' is short-side");
    if (size(r, "crop", &p->crop_h, &p->crop_w)) h = p->crop_h, w = p->crop_w;
    m->height = h, m->width = w;
}

static void read_input(struct reading *r)
{
    static const char *const keys[] = {"name",       "layout", "channels", "resize", "size",
                                       "short_side", "crop",   "scale",    "mean",   "std"};
    static const char *const orders[] = {"RGB", "BGR", "GRAY"}, *const layouts[] = {"NCHW"};
    struct wn_preprocess *p = &r->m->preprocess;
    double scale[3] = {1.0 / 255};
    known_keys(r, keys, sizeof keys / sizeof *keys);
    r->m->input = optional(r, "name");
    choice(r, "layout", layouts, 1, 0);
    p->order = (enum wn_channel_order)choice(r, "channels", orders, 3, WN_CHANNELS_RGB);
    read_resize(r);
    if (numbers(r, "scale", scale) > 1) wn_fail(r->err, WN_BAD_MODEL, "'input.scale' is one number");
    p->scale = (float)scale[0];
    if (p->scale == 0) wn_fail(r->err, WN_BAD_MODEL, "'input.scale' is 0: every picture would be the same");
    channel_numbers(r, "mean", 0, p->mean);
    channel_numbers(r, "std", 1, p->std);
    if (!failed(r)) wn_preprocess_check(p, r->err);
}

static void read_samples(struct reading *r)
{
    static const char *const keys[] = {"file", "label", "why_not"};
    json_t *list = json_object_get(r->object, "samples");
    size_t n = json_array_size(list);
    if ((list && !json_is_array(list)) || n > MOST_SAMPLES)
        wn_fail(r->err, WN_BAD_MODEL, "'samples' must be a list of at most %d objects", MOST_SAMPLES);
    if (failed(r) || !n) return;
    r->m->samples = wn_pool_array(&r->m->pool, n, sizeof *r->m->samples);
    if (!r->m->samples) {
        wn_fail(r->err, WN_NO_MEMORY, "no memory for the manifest");
        return;
    }
    for (size_t i = 0; i < n && !failed(r); i++) {
        struct reading one = {r->m, "samples[].", json_array_get(list, i), r->err};
        if (!json_is_object(one.object)) wn_fail(r->err, WN_BAD_MODEL, "'samples' must hold objects");
        known_keys(&one, keys, 3);
        r->m->samples[i] =
            (struct wn_sample){text(&one, "file", NULL), text(&one, "label", ""), text(&one, "why_not", "")};
        r->m->n_samples = (int)i + 1;
    }
}

static void read_root(struct reading *r)
{
    static const char *const keys[] = {"name",   "version", "description", "model",   "labels",  "input",
                                       "output", "layer",   "samples",     "license", "_comment"};
    struct wn_manifest *m = r->m;
    known_keys(r, keys, sizeof keys / sizeof *keys);
    m->name = optional(r, "name");
    if (!failed(r) && m->name && !wn_is_model_name(m->name))
        wn_fail(r->err, WN_BAD_MODEL,
                "'name' must be 1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit");
    m->version = plain_text(r, "version", "1");
    m->has_version = json_object_get(r->object, "version") != NULL;
    if (!failed(r) && (!m->version[0] || strlen(m->version) > 64))
        wn_fail(r->err, WN_BAD_MODEL, "'version' must be 1 to 64 bytes");
    m->description = text(r, "description", "");
    m->license = text(r, "license", "");
    m->model = plain_text(r, "model", "model.onnx");
    m->labels = plain_text(r, "labels", "labels.txt");
    m->layer = plain_text(r, "layer", "auto");
    json_t *input = json_object_get(r->object, "input"), *output = json_object_get(r->object, "output");
    if (!json_is_object(input)) wn_fail(r->err, WN_BAD_MODEL, "'input' is missing: an object with size, mean, std");
    if (output && !json_is_object(output)) wn_fail(r->err, WN_BAD_MODEL, "'output' must be an object with a name");
    if (!failed(r)) read_input(&(struct reading){m, "input.", input, r->err});
    struct reading out = {m, "output.", output, r->err};
    static const char *const output_keys[] = {"name"};
    if (output && !failed(r)) known_keys(&out, output_keys, 1), m->output = optional(&out, "name");
    if (!failed(r)) read_samples(r);
}

enum wn_code wn_manifest_parse(const char *json, size_t n, struct wn_manifest *m, struct wn_error *err)
{
    json_error_t why;
    struct wn_error first = {0};
    *m = (struct wn_manifest){0};
    bool starved;
    json_t *root = wn_json_load(json, n, &why, &starved);
    if (json_is_object(root))
        read_root(&(struct reading){m, "", root, &first});
    else if (starved)
        wn_fail(&first, WN_NO_MEMORY, "there is no memory to read it");
    else
        wn_fail(&first, WN_BAD_MODEL, "line %d: %s", root ? 1 : why.line, root ? "an object { } is wanted" : why.text);
    json_decref(root);
    return first.code == WN_OK ? WN_OK : wn_fail(err, first.code, "manifest.json: %s", first.text);
}

void wn_manifest_finish(struct wn_manifest *m)
{
    wn_pool_finish(&m->pool);
}

int wn_is_model_name(const char *name)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t n = strspn(name, plain);
    return n > 0 && n <= 64 && !name[n] && name[0] != '.' && name[0] != '_' && name[0] != '-';
}
