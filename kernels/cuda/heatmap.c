/* Heatmaps of a batch through the device: packs maps into what was reserved at open, launches, copies palette
 * indices back. What does not fit, or has numbers that cannot be drawn, is left to the caller. Knows no picture and
 * no colour. */
#include "exe.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <whynot/pixels.h>

#include "kernels.h"
#include "ranges.h"

enum {
    PIXELS = WN_CUDA_HEATMAP_PIXELS,
    MOST = 64,     /* heatmaps of one launch */
    MAPS = PIXELS, /* bytes of the maps that go there */
    LINES = 1 << 15,
    IN = MOST * (int)sizeof(struct wn_cuda_drawing) + MAPS,
    OUT = MOST * (int)sizeof(struct wn_cuda_drawn) + PIXELS,
    SCRATCH = PIXELS * (int)sizeof(float) + LINES * (int)sizeof(struct wn_between)
};

/* The device's memory and its pinned twin: drawings and maps, then what comes back, then (on the device alone)
 * scratch. */
struct load {
    const struct wn_cuda_backend *be;
    struct wn_heatmap *of[MOST];
    int n, most_pixels;
    size_t maps, pixels, lines; /* used: bytes, pixels, taps */
};

static size_t pad(size_t n)
{
    return (n + 15) / 16 * 16;
}

static size_t cells(const struct wn_heatmap *h)
{
    return (size_t)h->h * (size_t)h->w;
}

/* What the device makes of a view: the pixels that the map covers. */
struct cover {
    int x, y, w, h;
};

static struct cover cover_of(const struct wn_heatmap *h)
{
    struct cover c;
    int x1, y1;
    wn_covered(h->view.x0, h->view.x1, h->view.w, &c.x, &x1);
    wn_covered(h->view.y0, h->view.y1, h->view.h, &c.y, &y1);
    c.w = x1 - c.x, c.h = y1 - c.y;
    return c;
}

static size_t pixels(const struct wn_heatmap *h)
{
    const struct cover c = cover_of(h);
    return (size_t)c.h * (size_t)c.w;
}

static size_t lines(const struct wn_heatmap *h)
{
    const struct cover c = cover_of(h);
    return pad((size_t)c.w + (size_t)c.h);
}

static bool fits(const struct load *l, const struct wn_heatmap *h)
{
    return l->n < MOST && pixels(h) <= PIXELS && l->pixels + WN_CUDA_DRAW_PAD(pixels(h)) <= PIXELS &&
           cells(h) <= MAPS && l->maps + pad(cells(h) * sizeof(float)) <= MAPS && l->lines + lines(h) <= LINES;
}

static struct wn_cuda_drawing drawing_of(const struct load *l, const struct wn_heatmap *h)
{
    const struct cover c = cover_of(h);
    char *in = l->be->drawing.device, *out = in + IN, *scratch = out + OUT;
    struct wn_cuda_drawing d = {.h = h->h, .w = h->w, .view = h->view, .how = h->how};
    d.map = (const float *)(void *)(in + MOST * sizeof d + l->maps);
    d.x = c.x, d.y = c.y, d.cover_w = c.w, d.cover_h = c.h;
    d.values = (float *)(void *)scratch + l->pixels;
    d.taps = (struct wn_between *)(void *)(scratch + PIXELS * sizeof(float)) + l->lines;
    d.out = (struct wn_cuda_drawn *)(void *)out + l->n;
    d.index = (uint8_t *)out + MOST * sizeof *d.out + l->pixels;
    return d;
}

static void put(struct load *l, struct wn_heatmap *h)
{
    const struct wn_cuda_drawing d = drawing_of(l, h);
    memcpy(l->be->drawing.pinned + (size_t)l->n * sizeof d, &d, sizeof d);
    memcpy(l->be->drawing.pinned + MOST * sizeof d + l->maps, h->map, cells(h) * sizeof *h->map);
    if ((int)pixels(h) > l->most_pixels) l->most_pixels = (int)pixels(h);
    l->of[l->n++] = h;
    l->maps += pad(cells(h) * sizeof *h->map);
    l->pixels += WN_CUDA_DRAW_PAD(pixels(h));
    l->lines += lines(h);
}

/* index: of the covered pixels. */
static void take_view(struct wn_heatmap *h, const char *index)
{
    const struct cover c = cover_of(h);
    const size_t w = (size_t)c.w, all = (size_t)h->view.w * (size_t)h->view.h;
    if (pixels(h) == all) {
        memcpy(h->index, index, all);
        return;
    }
    memset(h->index, wn_index_outside(&h->how, h->drawn.range, h->drawn.flat), all);
    for (size_t y = 0; y < (size_t)c.h; y++)
        memcpy(h->index + ((size_t)c.y + y) * (size_t)h->view.w + (size_t)c.x, index + y * w, w);
}

static void take(const struct load *l)
{
    const struct wn_cuda_drawn *drawn = (const struct wn_cuda_drawn *)(void *)(l->be->drawing.pinned + IN);
    const char *index = l->be->drawing.pinned + IN + MOST * sizeof *drawn;
    for (int i = 0; i < l->n; i++) {
        struct wn_heatmap *h = l->of[i];
        h->done = drawn[i].fault == WN_CUDA_DRAW_FINE;
        if (h->done) h->drawn = drawn[i].drawn, take_view(h, index);
        index += WN_CUDA_DRAW_PAD(pixels(h));
    }
}

static enum wn_code run(const struct load *l, struct wn_error *err)
{
    const struct wn_cuda_drawing *drawings = (const struct wn_cuda_drawing *)(void *)l->be->drawing.device;
    const size_t out = MOST * sizeof(struct wn_cuda_drawn) + l->pixels;
    enum wn_code code = wn_cuda_staging_send(&l->be->drawing, l->be->stream, MOST * sizeof *drawings + l->maps, err);
    if (code != WN_OK) return code;
    wn_cuda_launch_draw(drawings, l->n, l->most_pixels, l->be->stream);
    code = wn_cuda_launched("drawing", err);
    if (code == WN_OK) code = wn_cuda_staging_fetch(&l->be->drawing, l->be->stream, IN, out, err);
    if (code == WN_OK) take(l);
    return code;
}

enum wn_code wn_cuda_draw(struct wn_backend *base, struct wn_heatmap *const *heatmaps, int n, struct wn_error *err)
{
    struct wn_cuda_backend *be = (struct wn_cuda_backend *)base;
    const struct load empty = {.be = be};
    struct load l = empty;
    enum wn_code code = wn_cuda_device_use(be, err);
    wn_cuda_range_begin("draw");
    for (int i = 0; i < n && code == WN_OK; i++) {
        if (!fits(&empty, heatmaps[i])) continue;
        if (!fits(&l, heatmaps[i])) code = run(&l, err), l = empty;
        put(&l, heatmaps[i]);
    }
    if (code == WN_OK && l.n) code = run(&l, err);
    wn_cuda_range_end();
    return code;
}

enum wn_code wn_cuda_draw_open(struct wn_cuda_backend *be, struct wn_error *err)
{
    return wn_cuda_staging_open(be, &be->drawing, "drawing", IN + OUT, SCRATCH, err);
}
