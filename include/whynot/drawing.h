/* What it means to draw a map: where it lies in a picture and how its values become 8-bit indices into a palette.
 * Types only, so that whoever draws, on whatever device, is asked in the same words. Knows nothing of colours, files
 * or networks. */
#ifndef WHYNOT_DRAWING_H
#define WHYNOT_DRAWING_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum wn_normalize {
    WN_NORMALIZE_NONE,      /* values are shown as they are, 0..1 */
    WN_NORMALIZE_MINMAX,    /* lowest value 0, highest 255 */
    WN_NORMALIZE_SHARED,    /* as minmax, with the range that several maps share (render.range) */
    WN_NORMALIZE_SYMMETRIC, /* 0 is 128, +-max|m| is 255 and 1: opposite maps get mirrored indices */
};

/* What the lowest and the highest colour stand for. */
struct wn_range {
    float lo, hi;
};

struct wn_render {
    enum wn_normalize normalize;
    bool relu;          /* negative values count as 0 (before upsampling) */
    bool align_corners; /* false: pixel areas meet (OpenCV, most code); true: corner centres meet (Wang & Wang 2022) */
    float percentile;   /* symmetric only: limit at this percentile of |map|, e.g. 99; 0 or 100: the maximum */
    struct wn_range range; /* shared only */
};

/* The picture that is drawn (w x h) and the rectangle of it that the map covers. Pixels outside show the value 0;
 * range, percentile, peak and box are those of the pixels inside. */
struct wn_view {
    int w, h;
    double x0, y0, x1, y1;
};

/* What was drawn, in pixels of the view. */
struct wn_rendered {
    struct wn_range range;
    int peak_x, peak_y; /* highest value, first in reading order */
    /* holds the strongest 20 % of the positive mass; box_w 0 where nothing is positive */
    int box_x, box_y, box_w, box_h;
    bool flat; /* the map was constant: all indices are that of value 0 */
};

/* A map to be drawn, and what became of it. */
struct wn_heatmap {
    const float *map; /* h*w, the caller's */
    int h, w;
    struct wn_view view;
    struct wn_render how;
    uint8_t *index; /* view.h*view.w, the caller's */
    struct wn_rendered drawn;
    bool done; /* index and drawn are filled */
};

#ifdef __cplusplus
}
#endif
#endif
