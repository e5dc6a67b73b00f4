/* A job as a FiftyOneDataset on disk: one sample a picture, maps as Heatmap fields. */
#include "export.h"
#include "heat.h"
#include "page.h"

#include <libdeflate.h>
#include <limits.h>
#include <math.h>
#include <media/base64.h>
#include <media/npy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <whynot/whynot.h>

#define SIDE 64 /* cells of the longer side, where the network saw a part of the picture only */

/* ---- a map ---- */

/* FiftyOne lays a map over the whole picture. */
static enum wn_code whole_map(struct cli_heat *heat, struct wn_error *err)
{
    if (cli_heat_covers(heat)) return WN_OK;
    double longer = fmax(heat->geometry.image_w, heat->geometry.image_h);
    int w = (int)fmax(1, round(SIDE * heat->geometry.image_w / longer)),
        h = (int)fmax(1, round(SIDE * heat->geometry.image_h / longer));
    float *all = malloc((size_t)w * (size_t)h * sizeof *all);
    if (!all) return wn_fail(err, WN_NO_MEMORY, "no memory for a map");
    enum wn_code code = cli_heat_spread(heat, w, h, all, err);
    free(heat->values);
    heat->values = all;
    heat->w = w;
    heat->h = h;
    return code;
}

/* As FiftyOne stores arrays: a .npy file, deflated, in base64. */
static enum wn_code put_array(struct wn_text *out, const struct cli_heat *heat, struct wn_error *err)
{
    struct wn_buffer npy = {0}, text = {0}, small = {0};
    struct libdeflate_compressor *deflate = libdeflate_alloc_compressor(6);
    const int shape[] = {heat->h, heat->w};
    enum wn_code code =
        deflate ? wn_npy_write(heat->values, shape, 2, &npy, err) : wn_fail(err, WN_NO_MEMORY, "no memory for a map");
    size_t bound = code == WN_OK ? libdeflate_zlib_compress_bound(deflate, npy.size) : 0;
    if (code == WN_OK) code = wn_buffer_reserve(&small, bound, err);
    if (code == WN_OK) small.size = libdeflate_zlib_compress(deflate, npy.data, npy.size, small.data, bound);
    if (code == WN_OK) code = wn_base64_encode(small.data, small.size, &text, err);
    wn_json_open(out, '{');
    wn_json_key(out, "$binary");
    wn_json_open(out, '{');
    wn_json_key(out, "base64");
    wn_json_string_n(out, (char *)text.data, text.size);
    wn_json_key(out, "subType");
    wn_json_string(out, "00");
    wn_json_close(out, '}');
    wn_json_close(out, '}');
    libdeflate_free_compressor(deflate);
    wn_buffer_finish(&npy);
    wn_buffer_finish(&small);
    wn_buffer_finish(&text);
    return code;
}

/* The range is symmetric, so that 0 is the middle of the colours. */
static enum wn_code put_heatmap(struct wn_text *out, const char *field, const struct cli_exported *x, const json_t *map,
                                struct wn_error *err)
{
    struct cli_heat heat;
    enum wn_code code = cli_heat_read(map, x->image, &heat, err);
    float most = 0;
    if (code == WN_OK) code = whole_map(&heat, err);
    for (int i = 0; code == WN_OK && i < heat.h * heat.w; i++) most = fmaxf(most, fabsf(heat.values[i]));
    if (code == WN_OK) {
        wn_json_key(out, field);
        wn_json_open(out, '{');
        wn_json_key(out, "_cls");
        wn_json_string(out, "Heatmap");
        wn_json_key(out, "map");
        code = put_array(out, &heat, err);
        wn_json_key(out, "range");
        wn_json_open(out, '[');
        wn_json_number(out, most > 0 ? -most : -1);
        wn_json_number(out, most > 0 ? most : 1);
        wn_json_close(out, ']');
        wn_json_close(out, '}');
    }
    cli_heat_finish(&heat);
    return code;
}

/* ---- a sample ---- */

static void put_class(struct wn_text *out, const char *field, const json_t *scored)
{
    const json_t *p = json_object_get(scored, "probability");
    if (!json_is_object(scored)) return;
    wn_json_key(out, field);
    wn_json_open(out, '{');
    wn_json_key(out, "_cls");
    wn_json_string(out, "Classification");
    wn_json_key(out, "label");
    wn_json_string(out, json_string_value(json_object_get(scored, "label")));
    if (p) wn_json_key(out, "confidence"), wn_json_number(out, json_number_value(p));
    wn_json_close(out, '}');
}

static void put_number(struct wn_text *out, const char *field, const json_t *value)
{
    if (!json_is_number(value)) return;
    wn_json_key(out, field);
    if (json_is_integer(value))
        wn_json_int(out, json_integer_value(value));
    else
        wn_json_number(out, json_number_value(value));
}

static enum wn_code put_audited(struct wn_text *out, const struct cli_exported *x, struct wn_error *err)
{
    static const char *const fields[] = {"model_rather_than_label", "label_rather_than_model"};
    const json_t *label = json_object_get(x->line, "label"), *rival = json_object_get(x->line, "rival");
    bool suspect = json_is_true(json_object_get(x->line, "suspect"));
    enum wn_code code = WN_OK;
    wn_json_key(out, "ground_truth");
    wn_json_open(out, '{');
    wn_json_key(out, "_cls");
    wn_json_string(out, "Classification");
    wn_json_key(out, "label");
    wn_json_string(out, json_string_value(json_object_get(label, "label")));
    wn_json_close(out, '}');
    put_class(out, "prediction", suspect ? rival : label);
    put_class(out, "rival", rival);
    put_number(out, "rank", json_object_get(x->line, "rank"));
    put_number(out, "logit_gap", json_object_get(x->line, "logit_gap"));
    put_number(out, "relative_probability", json_object_get(x->line, "relative_probability"));
    for (size_t i = 0; i < json_array_size(x->maps) && i < 2 && code == WN_OK; i++)
        code = put_heatmap(out, fields[i], x, json_array_get(x->maps, i), err);
    return code;
}

/* A map's kind, no longer than a field's name can hold. */
static void kind_of(const struct cli_exported *x, size_t i, char kind[33])
{
    const char *s = json_string_value(json_object_get(json_array_get(x->maps, i), "kind"));
    snprintf(kind, 33, "%s", s ? s : "other");
}

/* No class has such a name, and no two maps of a sample have the same. */
static void name_map(const struct cli_exported *x, size_t i, char field[64])
{
    char kind[33], other[33];
    int nth = 1;
    kind_of(x, i, kind);
    for (size_t k = 0; k < i; k++) {
        kind_of(x, k, other);
        nth += strcmp(kind, other) == 0;
    }
    snprintf(field, 64, nth > 1 ? "%s_map_%d" : "%s_map", kind, nth);
}

static enum wn_code put_explained(struct wn_text *out, const struct cli_exported *x, struct wn_error *err)
{
    enum wn_code code = WN_OK;
    put_class(out, "prediction", json_array_get(json_object_get(x->answer, "predictions"), 0));
    put_class(out, "target", json_object_get(x->answer, "target"));
    put_class(out, "rival", json_array_get(json_object_get(x->answer, "why_not"), 0));
    for (size_t i = 0; i < json_array_size(x->maps) && code == WN_OK; i++) {
        char field[64];
        name_map(x, i, field);
        code = put_heatmap(out, field, x, json_array_get(x->maps, i), err);
    }
    return code;
}

static enum wn_code put_sample(struct wn_text *out, const struct cli_exported *x, struct wn_error *err)
{
    bool audited = json_object_get(x->line, "suspect") != NULL;
    char *path = realpath(x->path, NULL);
    wn_json_open(out, '{');
    wn_json_key(out, "filepath");
    wn_json_string(out, path ? path : x->path);
    wn_json_key(out, "tags");
    wn_json_open(out, '[');
    if (json_is_true(json_object_get(x->line, "suspect"))) wn_json_string(out, "suspect");
    wn_json_close(out, ']');
    wn_json_key(out, "question");
    wn_json_string(out, json_string_value(json_object_get(x->line, "question")));
    enum wn_code code = audited ? put_audited(out, x, err) : put_explained(out, x, err);
    wn_json_close(out, '}');
    free(path);
    return code;
}

/* ---- the folder ---- */

static enum cli_exit put_file(const char *folder, const char *name, const struct wn_text *text)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return cli_fail(CLI_USAGE, "the name of the folder is too long");
    return cli_page_write(path, text);
}

enum cli_exit cli_export_fiftyone(const struct cli_export *e, const char *to)
{
    struct wn_text samples = {0}, metadata = {0};
    struct wn_error err = {0};
    enum wn_code code = WN_OK;
    enum cli_exit result = CLI_OK;
    wn_json_open(&samples, '{');
    wn_json_key(&samples, "samples");
    wn_json_open(&samples, '[');
    for (int i = 0; i < e->n && code == WN_OK; i++) {
        code = put_sample(&samples, &e->list[i], &err);
        if (code != WN_OK)
            result = cli_fail(code == WN_BAD_REQUEST ? CLI_USAGE : CLI_FAILED, "%s: %s", e->list[i].file, err.text);
    }
    wn_json_close(&samples, ']');
    wn_json_close(&samples, '}');
    wn_json_open(&metadata, '{'); /* without a version, which would be FiftyOne's own: read by any */
    wn_json_key(&metadata, "media_type");
    wn_json_string(&metadata, "image");
    wn_json_key(&metadata, "info");
    wn_json_open(&metadata, '{');
    wn_json_key(&metadata, "whynot_version");
    wn_json_string(&metadata, wn_version());
    wn_json_close(&metadata, '}');
    wn_json_close(&metadata, '}');
    if (result == CLI_OK) result = put_file(to, "samples.json", &samples);
    if (result == CLI_OK) result = put_file(to, "metadata.json", &metadata);
    wn_text_finish(&samples);
    wn_text_finish(&metadata);
    return result;
}
