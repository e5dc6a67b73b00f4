/* Pictures with parts hidden, and the network's logits of them: in a program's input where the backend makes them
 * there, else made here. Knows no question, and not why something is hidden. */
#include "hidden.h"

#include <assert.h>
#include <string.h>

void wn_hider_show(struct wn_hider *h, const float *image, const struct wn_cover *cover, bool appears)
{
    h->cover = *cover;
    h->what = (struct wn_hiding){.image = image, .cover = &h->cover, .appears = appears};
    h->covered = false;
}

void wn_hider_maps(struct wn_hider *h, const float *const *maps, int n, int height, int width, bool align_corners)
{
    h->what.maps = maps;
    h->what.n_maps = n;
    h->what.h = height;
    h->what.w = width;
    h->what.align_corners = align_corners;
    h->at = h->ordered = -1;
}

/* ---- by the device ---- */

static enum wn_code ask_device(struct wn_hider *h, const struct wn_hidden *rows, int n, float *logits, int *found,
                               struct wn_error *err)
{
    struct wn_engine *e = h->engine;
    const struct wn_backend_impl *impl = e->backend->impl;
    const size_t k = (size_t)e->graph->classes;
    enum wn_code code = WN_OK;
    for (int begin = 0; begin < n && code == WN_OK; begin += h->what.n) {
        struct wn_plan *plan;
        h->what.n = n - begin < e->max_images ? n - begin : e->max_images;
        h->what.rows = rows + begin;
        h->what.found = found ? found + begin : NULL;
        code = wn_engine_forward_plan(e, h->what.n, &plan, err);
        if (code == WN_OK) code = impl->hide(plan->exe, plan->input, &h->what, err);
        if (code == WN_OK) code = impl->run(plan->exe, 0, err);
        if (code == WN_OK) code = impl->read(plan->exe, plan->logits, e->logits, err);
        if (code == WN_OK) memcpy(logits + (size_t)begin * k, e->logits, (size_t)h->what.n * k * sizeof *logits);
    }
    return code;
}

/* ---- here ---- */

static int pixels_of(const struct wn_hider *h)
{
    return (int)(wn_graph_height(h->engine->graph) * wn_graph_width(h->engine->graph));
}

static float *picture(const struct wn_hider *h, int i)
{
    return h->room.pictures + (size_t)i * wn_engine_pixels(h->engine);
}

static enum wn_code need_cover(struct wn_hider *h, struct wn_error *err)
{
    const struct wn_graph *g = h->engine->graph;
    enum wn_code code = WN_OK;
    if (!h->covered)
        code = wn_cover_make(h->what.cover, h->what.image, (int)wn_graph_channels(g), (int)wn_graph_height(g),
                             (int)wn_graph_width(g), h->room.cover, err);
    h->covered = code == WN_OK;
    return code;
}

/* A failure leaves room.map half made. */
static enum wn_code need_map(struct wn_hider *h, int map, struct wn_error *err)
{
    const struct wn_graph *g = h->engine->graph;
    if (h->at == map) return WN_OK;
    enum wn_code code = wn_enlarge(h->what.maps[map], h->what.h, h->what.w, h->what.align_corners,
                                   (int)wn_graph_height(g), (int)wn_graph_width(g), h->room.map, err);
    h->at = code == WN_OK ? map : -1;
    h->ordered = -1;
    return code;
}

static enum wn_code need_order(struct wn_hider *h, enum wn_keep keep, struct wn_error *err)
{
    if (h->ordered == (int)keep) return WN_OK;
    enum wn_code code = wn_mask_order(h->room.map, (size_t)pixels_of(h), keep, h->room.order, err);
    h->ordered = code == WN_OK ? (int)keep : -1;
    return code;
}

/* Into room.hidden. */
static enum wn_code choose(struct wn_hider *h, const struct wn_hidden *row, int *found, struct wn_error *err)
{
    int n = pixels_of(h), count = row->count < n ? row->count : n;
    enum wn_code code = need_map(h, row->map, err);
    if (code != WN_OK) return code;
    if (count < 0) return *found = (int)wn_mask_sign(h->room.map, (size_t)n, row->keep, h->room.hidden), WN_OK;
    code = need_order(h, row->keep, err);
    if (code != WN_OK) return code;
    memset(h->room.hidden, 0, (size_t)n * sizeof *h->room.hidden);
    for (int i = 0; i < count; i++) h->room.hidden[h->room.order[i]] = true;
    *found = count;
    return WN_OK;
}

static enum wn_code make_pictures(struct wn_hider *h, const struct wn_hidden *rows, int n, int *found,
                                  struct wn_error *err)
{
    const float *kept = h->what.appears ? h->room.cover : h->what.image,
                *put = h->what.appears ? h->what.image : h->room.cover;
    enum wn_code code = need_cover(h, err);
    for (int i = 0; i < n && code == WN_OK; i++) {
        int hides;
        code = choose(h, &rows[i], &hides, err);
        if (code != WN_OK) return code;
        if (found) found[i] = hides;
        wn_mask_apply(kept, put, h->room.hidden, (int)wn_graph_channels(h->engine->graph), (size_t)pixels_of(h),
                      picture(h, i));
    }
    return code;
}

static enum wn_code ask_host(struct wn_hider *h, const struct wn_hidden *rows, int n, float *logits, int *found,
                             struct wn_error *err)
{
    const float *images[WN_HIDER_ROWS];
    for (int i = 0; i < n; i++) images[i] = picture(h, i);
    enum wn_code code = make_pictures(h, rows, n, found, err);
    return code == WN_OK ? wn_engine_explain(h->engine, &(struct wn_batch){.n_images = n, .images = images}, logits,
                                             NULL, NULL, err)
                         : code;
}

enum wn_code wn_hider_ask(struct wn_hider *h, const struct wn_hidden *rows, int n, float *logits, int *found,
                          struct wn_error *err)
{
    struct wn_error why = {0};
    assert(n <= WN_HIDER_ROWS);
    enum wn_code code = h->engine->backend->impl->hide ? ask_device(h, rows, n, logits, found, &why) : WN_UNSUPPORTED;
    if (code == WN_OK) return WN_OK;
    if (code == WN_DEVICE) return wn_fail(err, code, "%s", why.text);
    return ask_host(h, rows, n, logits, found, err);
}
