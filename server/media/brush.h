/* A mask as Label Studio's brush keeps it: run lengths of RGBA values, packed into bits. Knows no map and no JSON. */
#ifndef WN_MEDIA_BRUSH_H
#define WN_MEDIA_BRUSH_H

#include <media/buffer.h>
#include <stdint.h>

/* A mask of w x h pixels (0: outside, else inside), stretched to width x height by nearest pixels. */
struct wn_brush {
    const uint8_t *mask; /* h*w */
    int w, h;
    int width, height; /* at least w and h; width*height below 2^30 */
};

/* Appends the bytes: 32 bits how many values follow (four a pixel, rows from the top, inside 255 and outside 0), 5
 * bits the size of a value less one, four times 4 bits the sizes of lengths less one; then runs: 1 (the value
 * repeats), 2 bits which size, the length less one in that size, the value. Zero bits fill the last byte. */
enum wn_code wn_brush_encode(const struct wn_brush *b, struct wn_buffer *out, struct wn_error *err);

#endif
