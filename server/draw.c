/* Drawing of one slot's maps; knows pictures and questions, and nothing of JSON. */
#include "draw.h"

#include <media/encode.h>
#include <stdlib.h>
#include <string.h>

static const struct wn_colormap *automatic(const struct wn_ask *ask)
{
    bool is_signed = ask->normalize == WN_NORMALIZE_SYMMETRIC && !ask->relu;
    for (int i = 0; is_signed && wn_colormap_at(i); i++)
        if (wn_colormap_at(i)->diverging) return wn_colormap_at(i);
    const struct wn_colormap *viridis = wn_colormap_find("viridis");
    return viridis ? viridis : wn_colormap_at(0);
}

/* The range of all maps of the slot together. */
static enum wn_code share_range(const struct wn_slot *slot, struct wn_drawing *d, struct wn_error *err)
{
    struct wn_render alone = d->render;
    enum wn_code code = WN_OK;
    alone.normalize = WN_NORMALIZE_MINMAX;
    for (int i = 0; i < slot->n && code == WN_OK; i++) {
        const struct wn_answer *a = &slot->item->answers[slot->first + i];
        struct wn_range range;
        code = wn_map_range(a->map, a->h, a->w, &alone, &range, err);
        if (code == WN_OK) d->render.range = i ? wn_range_join(d->render.range, range) : range;
    }
    return code;
}

enum wn_code wn_draw_plan(const struct wn_slot *slot, struct wn_drawing *d, struct wn_error *err)
{
    const struct wn_ask *ask = &slot->ask;
    const struct wn_geometry *geo = &slot->item->geometry;
    d->render = (struct wn_render){.normalize = ask->normalize, .relu = ask->relu, .align_corners = ask->align_corners};
    d->colormap = ask->colormap ? ask->colormap : automatic(ask);
    d->view = ask->size == WN_SIZE_INPUT ? wn_view_input(geo) : wn_view_picture(geo);
    return ask->normalize == WN_NORMALIZE_SHARED ? share_range(slot, d, err) : WN_OK;
}

/* A mean of masks lies between 0 and 1 and is shown as it is. The variance of n masks is at most n/(n - 1)/4, about a
 * quarter, and is shown five times as strong, cut at 1 (Prabhushankar et al. 2020), unless somebody asks for its own
 * range. A variance has no sign. */
struct wn_drawing wn_draw_adapt(const struct wn_slot *slot, int i, const struct wn_drawing *d)
{
    struct wn_drawing own = *d;
    enum wn_map_kind kind = slot->item->kinds[i];
    const unsigned flags = wn_method_flags(slot->ask.method, &slot->ask.settings);
    /* single pixels would set the scale for all */
    if (flags & WN_METHOD_INPUT && !(flags & WN_METHOD_AREAS)) own.render.percentile = 99;
    bool masks = slot->ask.statistics == WN_STATISTICS_MASKS, plain = slot->ask.normalize == WN_NORMALIZE_MINMAX;
    if (kind != WN_MAP_VARIANCE && !(kind == WN_MAP_MEAN && masks)) return own;
    const struct wn_colormap *viridis = wn_colormap_find("viridis");
    if (!slot->ask.colormap && viridis) own.colormap = viridis;
    own.render.normalize = masks && !plain ? WN_NORMALIZE_SHARED : WN_NORMALIZE_MINMAX;
    own.render.range = (struct wn_range){0, kind == WN_MAP_VARIANCE ? 0.2f : 1};
    return own;
}

/* The picture as the view shows it: itself, or the network's cut of it (nearest pixels: it is only looked at). */
static uint8_t *picture_of(const struct wn_item *item, const struct wn_view *view, bool input)
{
    const struct wn_image *image = &item->image;
    const struct wn_geometry *g = &item->geometry;
    uint8_t *rgb = malloc((size_t)view->w * (size_t)view->h * 3);
    if (!rgb) return NULL;
    for (int y = 0; y < view->h; y++) {
        int from_y = input ? (int)(((double)g->crop_y + y + 0.5) * image->height / g->resized_h) : y;
        for (int x = 0; x < view->w; x++) {
            int from_x = input ? (int)(((double)g->crop_x + x + 0.5) * image->width / g->resized_w) : x;
            const uint8_t *from = image->rgb + ((size_t)from_y * (size_t)image->width + (size_t)from_x) * 3;
            memcpy(rgb + ((size_t)y * (size_t)view->w + (size_t)x) * 3, from, 3);
        }
    }
    return rgb;
}

static enum wn_code draw_overlay(const struct wn_slot *slot, const struct wn_drawing *d, const uint8_t *index,
                                 struct wn_buffer *out, struct wn_error *err)
{
    int x0, y0, x1, y1;
    uint8_t *rgb = picture_of(slot->item, &d->view, slot->ask.size == WN_SIZE_INPUT);
    if (!rgb) return wn_fail(err, WN_NO_MEMORY, "no memory for the overlay");
    wn_view_covered(&d->view, &x0, &y0, &x1, &y1);
    wn_overlay(rgb, d->view.w, index, d->colormap, slot->ask.overlay, x0, y0, x1, y1);
    enum wn_code code = wn_png_write_rgb(rgb, d->view.w, d->view.h, out, err);
    free(rgb);
    return code;
}

/* The heatmap that the device drew of this answer, or NULL. */
static const struct wn_heatmap *drawn_before(const struct wn_slot *slot, const struct wn_answer *a,
                                             const struct wn_drawing *d)
{
    const struct wn_heatmap *h = slot->item->heatmaps ? &slot->item->heatmaps[a - slot->item->answers] : NULL;
    return h && h->done && h->view.w == d->view.w && h->view.h == d->view.h ? h : NULL;
}

static enum wn_code write_pictures(const struct wn_slot *slot, const struct wn_drawing *d, const uint8_t *index,
                                   struct wn_buffer *heatmap, struct wn_buffer *overlay, struct wn_error *err)
{
    enum wn_code code = heatmap ? wn_png_write_indexed(index, d->view.w, d->view.h, d->colormap, heatmap, err) : WN_OK;
    return code == WN_OK && overlay ? draw_overlay(slot, d, index, overlay, err) : code;
}

enum wn_code wn_draw(const struct wn_slot *slot, const struct wn_answer *a, const struct wn_drawing *d,
                     struct wn_buffer *heatmap, struct wn_buffer *overlay, struct wn_rendered *out,
                     struct wn_error *err)
{
    const struct wn_heatmap *before = drawn_before(slot, a, d);
    if (before) {
        if (out) *out = before->drawn;
        return write_pictures(slot, d, before->index, heatmap, overlay, err);
    }
    uint8_t *index = malloc((size_t)d->view.w * (size_t)d->view.h);
    if (!index) return wn_fail(err, WN_NO_MEMORY, "no memory for the heatmap");
    enum wn_code code = wn_render_map(a->map, a->h, a->w, &d->view, &d->render, index, out, err);
    if (code == WN_OK) code = write_pictures(slot, d, index, heatmap, overlay, err);
    free(index);
    return code;
}
