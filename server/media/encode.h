/* Pictures out: palette PNG, RGB PNG, JPEG, and the blend of a heatmap with its picture. Knows nothing of maps. */
#ifndef WN_MEDIA_ENCODE_H
#define WN_MEDIA_ENCODE_H

#include <media/buffer.h>
#include <media/colormap.h>
#include <media/image.h>

/* All append to `out`; a failure leaves its size as it was. Level 1 and filter sub: fast, and small enough for
 * heatmaps. */
enum wn_code wn_png_write_indexed(const uint8_t *index, int w, int h, const struct wn_colormap *map,
                                  struct wn_buffer *out, struct wn_error *err);
enum wn_code wn_png_write_rgb(const uint8_t *rgb, int w, int h, struct wn_buffer *out, struct wn_error *err);
enum wn_code wn_jpeg_write_rgb(const uint8_t *rgb, int w, int h, int quality, struct wn_buffer *out,
                               struct wn_error *err);

/* rgb = (1 - alpha) * rgb + alpha * colour(index), in the w x h picture, for the pixels in [x0, x1) x [y0, y1) alone;
 * alpha 0..1 (0.5 is usual). With a diverging map the weaker half of the values is blended less, down to not at all
 * where the value is 0: its middle is near white and would veil the picture. */
void wn_overlay(uint8_t *rgb, int w, const uint8_t *index, const struct wn_colormap *map, float alpha, int x0, int y0,
                int x1, int y1);

#endif
