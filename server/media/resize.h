/* Pillow's bilinear resize of 8-bit pictures, to the bit, for any window of the result. Knows nothing of profiles. */
#ifndef WN_MEDIA_RESIZE_H
#define WN_MEDIA_RESIZE_H

#include <stdint.h>
#include <whynot/error.h>

struct wn_resize {
    int src_w, src_h, channels;         /* interleaved, channels 1 or 3 */
    int part_x, part_y, part_w, part_h; /* src is only this part of the source; part_w 0: all of it */
    double box_w, box_h; /* the part of src, from its upper left corner, that becomes the whole result; 0: all of it */
    int dst_w, dst_h;    /* the whole result */
    int x, y, w, h;      /* the window of it that is computed and stored */
};

/* src: part_h*part_w*channels; dst: h*w*channels, caller's. Triangle filter, support scaled when shrinking, two
 * passes of 8-bit fixed point. Only the source rows and columns that the window needs are read; WN_INTERNAL where
 * the part has not all of them. */
enum wn_code wn_resize_antialias(const struct wn_resize *r, const uint8_t *src, uint8_t *dst, struct wn_error *err);
/* The same geometry without antialiasing: bilinear at half-pixel centres, dst in floats (0..255), not rounded. */
enum wn_code wn_resize_plain(const struct wn_resize *r, const uint8_t *src, float *dst, struct wn_error *err);

#endif
