/* Between decode.c and the two formats: nobody else includes it. */
#ifndef WN_MEDIA_DECODE_H
#define WN_MEDIA_DECODE_H

#include <media/image.h>

/* Checks the size against the limits, before anything is allocated for pixels. */
enum wn_code wn_image_admit(uint32_t width, uint32_t height, const struct wn_image_limits *limits,
                            struct wn_error *err);

/* Each fills out->width, height (as stored, not yet upright), reduction, full sizes, orientation and rgb. */
enum wn_code wn_png_decode(const uint8_t *data, size_t size, const struct wn_image_limits *limits, struct wn_image *out,
                           struct wn_error *err);
enum wn_code wn_jpeg_decode(const uint8_t *data, size_t size, const struct wn_image_limits *limits,
                            const struct wn_image_use *use, struct wn_image *out, struct wn_error *err);

/* The orientation (1..8) that a TIFF block tells, from its "II" or "MM" on; 1 where it tells none or is malformed. */
int wn_exif_orientation(const uint8_t *tiff, size_t size);
/* The same for a whole JPEG: its first Exif segment before the picture data. */
int wn_exif_orientation_of_jpeg(const uint8_t *data, size_t size);
/* The same for a whole PNG: its first eXIf chunk, wherever it stands. */
int wn_exif_orientation_of_png(const uint8_t *data, size_t size);

#endif
