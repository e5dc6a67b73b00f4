/* Maps from JSON; knows no colours. */
#include "heat.h"

#include <math.h>
#include <media/base64.h>
#include <media/render.h>
#include <stdlib.h>
#include <string.h>

#define MOST_CELLS 4096 /* along a side */
#define MOST_PIXELS 65536

static bool read_ints(const json_t *list, int n, int least, int most, int *out)
{
    if ((int)json_array_size(list) != n) return false;
    for (int i = 0; i < n; i++) {
        const json_t *v = json_array_get(list, (size_t)i);
        if (!json_is_integer(v) || json_integer_value(v) < least || json_integer_value(v) > most) return false;
        out[i] = (int)json_integer_value(v);
    }
    return true;
}

static bool read_geometry(const json_t *image, struct wn_geometry *out)
{
    int resized[2], crop[4];
    json_int_t w = json_integer_value(json_object_get(image, "width")),
               h = json_integer_value(json_object_get(image, "height"));
    if (w < 1 || h < 1 || w > MOST_PIXELS || h > MOST_PIXELS) return false;
    if (!read_ints(json_object_get(image, "resized"), 2, 1, MOST_PIXELS, resized)) return false;
    if (!read_ints(json_object_get(image, "crop"), 4, 0, MOST_PIXELS, crop)) return false;
    *out = (struct wn_geometry){(int)w, (int)h, resized[0], resized[1], crop[0], crop[1], crop[2], crop[3]};
    return crop[2] > 0 && crop[3] > 0 && crop[0] + crop[2] <= resized[0] && crop[1] + crop[3] <= resized[1];
}

static enum wn_code read_values(const json_t *raw, struct cli_heat *out, struct wn_error *err)
{
    int shape[2];
    const json_t *data = json_object_get(raw, "data");
    const char *dtype = json_string_value(json_object_get(raw, "dtype"));
    struct wn_buffer bytes = {0};
    if (!read_ints(json_object_get(raw, "shape"), 2, 1, MOST_CELLS, shape) || !json_is_string(data) || !dtype ||
        strcmp(dtype, "float32") != 0)
        return wn_fail(err, WN_BAD_REQUEST, "the map holds no 'raw' numbers: ask with --outputs raw,rle,bbox");
    size_t cells = (size_t)shape[0] * (size_t)shape[1];
    enum wn_code code = wn_base64_decode(json_string_value(data), json_string_length(data), &bytes, err);
    if (code == WN_OK && bytes.size != cells * sizeof(float))
        code = wn_fail(err, WN_BAD_REQUEST, "the map's 'raw' numbers do not fit their shape");
    out->values = code == WN_OK ? malloc(cells * sizeof(float)) : NULL;
    if (code == WN_OK && !out->values) code = wn_fail(err, WN_NO_MEMORY, "no memory for a map");
    /* little-endian, as every machine that this runs on */
    if (code == WN_OK) memcpy(out->values, bytes.data, bytes.size);
    for (size_t i = 0; i < cells && code == WN_OK; i++)
        if (!isfinite(out->values[i])) code = wn_fail(err, WN_BAD_REQUEST, "the map has numbers that are not finite");
    wn_buffer_finish(&bytes);
    out->h = shape[0];
    out->w = shape[1];
    return code;
}

enum wn_code cli_heat_read(const json_t *map, const json_t *image, struct cli_heat *out, struct wn_error *err)
{
    *out = (struct cli_heat){0};
    if (!read_geometry(image, &out->geometry))
        return wn_fail(err, WN_BAD_REQUEST, "the answer's 'image' does not say where the map lies");
    return read_values(json_object_get(map, "raw"), out, err);
}

void cli_heat_finish(struct cli_heat *heat)
{
    free(heat->values);
    *heat = (struct cli_heat){0};
}

static struct wn_view view_of(const struct cli_heat *heat, int w, int h)
{
    struct wn_geometry drawn = heat->geometry;
    drawn.image_w = w;
    drawn.image_h = h;
    return wn_view_picture(&drawn);
}

void cli_heat_box(const struct cli_heat *heat, int w, int h, int *x0, int *y0, int *x1, int *y1)
{
    struct wn_view view = view_of(heat, w, h);
    wn_view_covered(&view, x0, y0, x1, y1);
}

enum wn_code cli_heat_spread(const struct cli_heat *heat, int w, int h, float *to, struct wn_error *err)
{
    struct wn_view view = view_of(heat, w, h);
    return wn_upsample(heat->values, heat->h, heat->w, &view, false, to, err);
}

bool cli_heat_covers(const struct cli_heat *heat)
{
    return heat->geometry.crop_w == heat->geometry.resized_w && heat->geometry.crop_h == heat->geometry.resized_h;
}
