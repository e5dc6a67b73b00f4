/* Colour maps: 256 colours each, computed from a few numbers. Knows nothing of maps or pictures. */
#ifndef WN_MEDIA_COLORMAP_H
#define WN_MEDIA_COLORMAP_H

#include <stdbool.h>
#include <stdint.h>

struct wn_colormap {
    const char *name;    /* "viridis" */
    const char *summary; /* one sentence */
    bool diverging;      /* made for signed maps: entry 128 is neutral, 128 + k and 128 - k mirror each other */
    void (*color)(double t, double rgb[3]); /* t in 0..1 -> 0..1, may overshoot: the palette clamps */
};

const struct wn_colormap *wn_colormap_at(int i); /* NULL past the end */
const struct wn_colormap *wn_colormap_find(const char *name);

/* The 256 colours; computed once, then shared and read-only. */
const uint8_t (*wn_colormap_palette(const struct wn_colormap *map))[3];

#endif
