/* The outlines of a mask's pieces as polygons. Knows no map and no picture. */
#ifndef WN_MEDIA_OUTLINE_H
#define WN_MEDIA_OUTLINE_H

#include <stdint.h>
#include <whynot/error.h>

#define WN_MOST_OUTLINES 16

struct wn_outline {
    float *points; /* n pairs x, y, in pixels: corners of pixels, clockwise */
    int n;         /* at least 3 */
};

/* Pieces that hang together over their pixels' sides, in reading order, without their holes; those below a hundredth
 * of the whole are left out, and all behind the first WN_MOST_OUTLINES. An outline is simplified: no corner of a
 * pixel that it leaves out lies further than 0.8 pixels from it. mask: h*w, 0: outside. wn_outlines_finish frees. */
enum wn_code wn_outlines(const uint8_t *mask, int h, int w, struct wn_outline list[WN_MOST_OUTLINES], int *n,
                         struct wn_error *err);
void wn_outlines_finish(struct wn_outline *list, int n);

#endif
