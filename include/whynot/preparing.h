/* A decoded picture and what a network reads of it: resized, cut, put into order and normalised. Types only, so that
 * whoever prepares, on whatever device, is asked in the same words; the arithmetic is <whynot/resample.h>. Knows no
 * file, no profile by name and no network. */
#ifndef WHYNOT_PREPARING_H
#define WHYNOT_PREPARING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <whynot/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Of a source of src_w x src_h pixels, the upper left box_w x box_h become dst_w x dst_h, of which the window x, y,
 * w, h is the image: (pixel * scale - mean[c]) / std[c], c in the image's order of channels. */
struct wn_picture {
    /* part_h*part_w*3, rows without padding: the part of the source from part_x, part_y on; the caller's */
    const uint8_t *rgb;
    int src_w, src_h, part_x, part_y, part_w, part_h;
    double box_w, box_h;
    int dst_w, dst_h, x, y, w, h;
    bool antialias; /* Pillow's bilinear resize with 8 bits between; else plain bilinear at half-pixel centres */
    bool bgr;
    int channels; /* 3, or 1: grey */
    float scale, mean[3], std[3];
};

/* Bytes that preparing it takes beside the image: its pixels, and how much each counts. SIZE_MAX where the numbers
 * make no sense, or the part has not all that the window needs. */
WN_API size_t wn_picture_bytes(const struct wn_picture *p);

#ifdef __cplusplus
}
#endif
#endif
