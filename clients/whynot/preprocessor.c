/* Preprocessing as others write it down, in the words of a manifest; knows no graph and no files. */
#include "preprocessor.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BILINEAR = 2 }; /* Pillow's number */

static void note(struct cli_input *in, const char *text)
{
    size_t n = strlen(in->notes);
    snprintf(in->notes + n, sizeof in->notes - n, "%s%s", n ? "\n" : "", text);
}

static int whole(const json_t *v)
{
    double x = json_number_value(v);
    return x >= 1 && x <= 8192 && x == floor(x) ? (int)x : 0;
}

/* 224, [224, 224] or {"height": 224, "width": 224}. */
static bool pair(const json_t *v, int out[2])
{
    const json_t *h = json_is_object(v) ? json_object_get(v, "height") : json_is_array(v) ? json_array_get(v, 0) : v;
    const json_t *w = json_is_object(v) ? json_object_get(v, "width") : json_is_array(v) ? json_array_get(v, 1) : v;
    out[0] = whole(h);
    out[1] = whole(w);
    return out[0] && out[1];
}

static bool is_on(const json_t *config, const char *key, bool standard)
{
    const json_t *v = json_object_get(config, key);
    return v ? json_is_true(v) : standard;
}

static int triple(const json_t *v, double out[3])
{
    size_t n = json_is_array(v) ? json_array_size(v) : json_is_number(v) ? 1 : 0;
    if (n != 1 && n != 3) return 0;
    for (size_t i = 0; i < n; i++) out[i] = json_number_value(json_is_array(v) ? json_array_get(v, i) : v);
    return (int)n;
}

/* A short side with a crop from the centre, or the whole picture squashed. */
static enum wn_code take_size(const json_t *config, struct cli_input *in, struct wn_error *err)
{
    const json_t *size = json_object_get(config, "size"), *crop = json_object_get(config, "crop_size");
    const json_t *edge = json_is_object(size) ? json_object_get(size, "shortest_edge") : NULL,
                 *percent = json_object_get(config, "crop_pct");
    bool centre = is_on(config, "do_center_crop", false);
    if (!is_on(config, "do_resize", true)) strcpy(in->resize, "none");
    if (centre && crop && !pair(crop, in->crop))
        return wn_fail(err, WN_BAD_REQUEST, "'crop_size' is no size that can be used");
    if (in->resize[0] || !size) return WN_OK;
    if (edge || (centre && json_is_integer(size))) {
        int side = whole(edge ? edge : size);
        if (!side) return wn_fail(err, WN_BAD_REQUEST, "'size' is no size that can be used");
        bool cut = edge && json_is_number(percent);
        if (cut && side >= 384) { /* these networks are shown the whole picture */
            strcpy(in->resize, "squash");
            in->size[0] = in->size[1] = side;
            return WN_OK;
        }
        strcpy(in->resize, "short-side");
        in->short_side = cut ? (int)(side / json_number_value(percent)) : side;
        if (cut) in->crop[0] = in->crop[1] = side;
        return WN_OK;
    }
    if (!pair(size, in->size)) return wn_fail(err, WN_BAD_REQUEST, "'size' is no size that can be used");
    strcpy(in->resize, "squash");
    if (in->crop[0] && (in->crop[0] > in->size[0] || in->crop[1] > in->size[1]))
        return wn_fail(err, WN_BAD_REQUEST, "'crop_size' is larger than 'size'");
    return WN_OK;
}

static enum wn_code read_triple(const json_t *config, const char *key, double out[3], int *n, struct wn_error *err)
{
    const json_t *v = json_object_get(config, key);
    *n = triple(v, out);
    return v && !*n ? wn_fail(err, WN_BAD_REQUEST, "'%s' must be one number or three", key) : WN_OK;
}

/* Everything that is done to a pixel, as the one (pixel * scale - mean) / std of a manifest. EfficientNet's processors
 * take 1 off after the scaling ("rescale_offset"), and divide by the std once more at the end ("include_top"). */
static enum wn_code take_values(const json_t *config, struct cli_input *in, struct wn_error *err)
{
    const json_t *factor = json_object_get(config, "rescale_factor");
    bool scaled = is_on(config, "do_rescale", true), normal = is_on(config, "do_normalize", true),
         again = is_on(config, "include_top", false);
    in->scale = !scaled ? 1 : json_is_number(factor) ? json_number_value(factor) : 1.0 / 255;
    in->offset = scaled && is_on(config, "rescale_offset", false) ? 1 : 0;
    in->n_mean = in->n_std = 1;
    in->mean[0] = 0, in->std[0] = 1;
    enum wn_code code = normal ? read_triple(config, "image_mean", in->mean, &in->n_mean, err) : WN_OK;
    if (code == WN_OK && (normal || again)) code = read_triple(config, "image_std", in->std, &in->n_std, err);
    for (int i = 0; i < in->n_mean; i++) in->mean[i] += in->offset;
    in->twice = normal && again;
    for (int i = 0; i < in->n_std && in->twice; i++) in->std[i] *= in->std[i];
    return code;
}

/* A border about the picture moves everything that the network sees. */
static bool is_padded(const json_t *config)
{
    const json_t *size = json_object_get(config, "pad_size");
    return is_on(config, "do_pad", size && !json_is_null(size));
}

enum wn_code cli_input_from_config(const json_t *config, struct cli_input *in, struct wn_error *err)
{
    const json_t *resample = json_object_get(config, "resample");
    if (!json_is_object(config)) return wn_fail(err, WN_BAD_REQUEST, "it is no JSON object");
    enum wn_code code = take_size(config, in, err);
    if (code == WN_OK) code = take_values(config, in, err);
    if (code != WN_OK) return code;
    if (is_padded(config))
        note(in, "pictures get no border here; the network was shown padded ones ('do_pad', 'pad_size'): what it sees "
                 "lies elsewhere and is of another size");
    if (json_is_integer(resample) && json_integer_value(resample) != BILINEAR)
        note(in, "pictures are resized bilinearly here; the network was shown another filter ('resample'), which "
                 "changes its numbers a little");
    if (is_on(config, "do_flip_channel_order", false)) strcpy(in->channels, "BGR");
    return WN_OK;
}

void cli_input_from_profile(const struct wn_preprocess *p, int height, int width, struct cli_input *in)
{
    if (p->resize == WN_RESIZE_SHORT_SIDE) {
        int least = height < width ? height : width;
        strcpy(in->resize, "short-side");
        in->short_side = p->crop_w ? (int)lround((double)least * p->resize_w / p->crop_w) : least;
        in->crop[0] = height, in->crop[1] = width;
    } else {
        strcpy(in->resize, p->resize == WN_RESIZE_NONE ? "none" : p->antialias ? "squash" : "squash-noaa");
        in->size[0] = height, in->size[1] = width;
    }
    in->scale = p->scale == 1 / 255.f ? 1.0 / 255 : p->scale;
    in->n_mean = in->n_std = 3;
    for (int c = 0; c < 3; c++) { /* 0.485 and not the nearest float */
        in->mean[c] = round(p->mean[c] * 1e6) / 1e6;
        in->std[c] = round(p->std[c < 3 && p->std[c] != 0 ? c : 0] * 1e6) / 1e6;
    }
}

static json_t *sizes(const int v[2])
{
    return json_pack("[ii]", v[0], v[1]);
}

static json_t *reals(const double *v, int n)
{
    json_t *list = json_array();
    int lacking = 0;
    for (int i = 0; i < n; i++) lacking |= json_array_append_new(list, json_real(v[i]));
    if (!lacking) return list;
    json_decref(list);
    return NULL;
}

json_t *cli_input_manifest(const struct cli_input *in)
{
    json_t *m = json_pack("{ssssss}", "layout", "NCHW", "channels", in->channels, "resize", in->resize);
    bool whole_size = strncmp(in->resize, "squash", 6) == 0 || strcmp(in->resize, "none") == 0;
    int lacking = 0;
    if (whole_size && in->size[0]) lacking |= json_object_set_new(m, "size", sizes(in->size));
    if (strcmp(in->resize, "short-side") == 0)
        lacking |= json_object_set_new(m, "short_side", json_integer(in->short_side));
    if (in->crop[0]) lacking |= json_object_set_new(m, "crop", sizes(in->crop));
    lacking |= json_object_set_new(m, "scale", json_real(in->scale));
    lacking |= json_object_set_new(m, "mean", reals(in->mean, in->n_mean));
    lacking |= json_object_set_new(m, "std", reals(in->std, in->n_std));
    if (!lacking) return m;
    json_decref(m);
    return NULL;
}

int cli_numbers(const char *text, double out[3])
{
    int n = 0;
    for (; n < 3; n++) {
        char *end;
        out[n] = strtod(text, &end);
        if (end == text || !isfinite(out[n])) return 0;
        if (!*end) return n == 1 ? 0 : n + 1;
        if (*end != ',') return 0;
        text = end + 1;
    }
    return 0;
}
