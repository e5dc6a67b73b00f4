/* From a raw, signed h x w map to 8-bit indices into a colour map, at any size and place. Knows nothing of colours or
 * files. */
#ifndef WN_MEDIA_RENDER_H
#define WN_MEDIA_RENDER_H

#include <media/preprocess.h>
#include <stdbool.h>
#include <stdint.h>
#include <whynot/drawing.h>

const char *wn_normalize_name(enum wn_normalize n); /* "minmax" */
bool wn_normalize_find(const char *name, enum wn_normalize *out);

struct wn_view wn_view_whole(int w, int h);                    /* the map covers all of w x h */
struct wn_view wn_view_input(const struct wn_geometry *geo);   /* the network's input: the cropped picture */
struct wn_view wn_view_picture(const struct wn_geometry *geo); /* the picture at its own size, crop where it lies */
/* The pixels that the map covers: [*x0, *x1) x [*y0, *y1). */
void wn_view_covered(const struct wn_view *v, int *x0, int *y0, int *x1, int *y1);

/* Numbers about a raw map (not upsampled). */
struct wn_map_stats {
    float min, max;
    double mass_positive, mass_negative; /* sum of the positive values; sum of the absolute negative ones */
    int peak_x, peak_y;                  /* of the highest value, first in reading order */
    bool flat, empty;                    /* all values are equal; none is positive */
};
/* WN_BAD_NUMBERS where a value is not finite. */
enum wn_code wn_map_stats(const float *map, int h, int w, struct wn_map_stats *out, struct wn_error *err);
/* The range that `r` uses on this map: what API answers call "range". For SHARED: r->range. */
enum wn_code wn_map_range(const float *map, int h, int w, const struct wn_render *r, struct wn_range *out,
                          struct wn_error *err);
struct wn_range wn_range_join(struct wn_range a, struct wn_range b); /* for SHARED: the range of two maps together */

/* Upsamples (bilinear) and normalises. dst: view->h*view->w indices, caller's. `out` may be NULL; pixels that the map
 * does not cover count for nothing in it. */
enum wn_code wn_render_map(const float *map, int h, int w, const struct wn_view *view, const struct wn_render *r,
                           uint8_t *dst, struct wn_rendered *out, struct wn_error *err);
/* The pixels that hold the strongest 20 % of the positive mass are 1, all others 0. mask: view->h*view->w, the
 * caller's; *inside: how many. */
enum wn_code wn_strong_mask(const float *map, int h, int w, const struct wn_view *view, const struct wn_render *r,
                            uint8_t *mask, size_t *inside, struct wn_error *err);
/* The same pixels as lengths of runs: column after column from the top, first how many are outside (maybe 0), then
 * how many inside, and so on (the order of COCO's masks). runs: view->h*view->w + 1, the caller's; *n: how many. */
enum wn_code wn_strong_runs(const float *map, int h, int w, const struct wn_view *view, const struct wn_render *r,
                            uint32_t *runs, size_t *n, struct wn_error *err);
/* The upsampling alone. dst: view->h*view->w floats, caller's. */
enum wn_code wn_upsample(const float *map, int h, int w, const struct wn_view *view, bool align_corners, float *dst,
                         struct wn_error *err);

#endif
