/* A picture in memory, and the one way in: PNG or JPEG bytes, told apart by their first bytes, to 8-bit RGB. */
#ifndef WN_MEDIA_IMAGE_H
#define WN_MEDIA_IMAGE_H

#include <stddef.h>
#include <stdint.h>
#include <whynot/error.h>

/* What a picture may cost. Everything is checked before the memory for pixels is asked for. */
struct wn_image_limits {
    int64_t max_pixels;     /* width * height */
    int max_side;           /* pixels */
    int max_jpeg_scans;     /* progressive pictures repeat themselves: each scan costs time in full */
    size_t max_jpeg_bytes;  /* what libjpeg may keep for one picture */
    size_t max_chunk_bytes; /* the largest PNG chunk that is not picture data */
    int max_chunks;         /* how many PNG chunks are kept */
};

extern const struct wn_image_limits wn_image_limits_default; /* 16 Mpixel, 8192 a side, 100 scans, 64 MiB, 64 KiB, 16 */

enum wn_image_format { WN_FORMAT_OTHER, WN_FORMAT_PNG, WN_FORMAT_JPEG };

/* 8-bit RGB, rows without padding, upright (EXIF orientation applied). Zero-initialise; wn_image_finish frees. */
struct wn_image {
    int width, height; /* of `rgb` */
    int full_width,
        full_height; /* of the picture in the file, upright; larger where a JPEG was decoded at reduced scale */
    int reduction;   /* 1, 2, 4 or 8: full size divided by it, rounded up, is the size of the decoded picture */
    int orientation; /* 1..8, as the file said it */
    enum wn_image_format format;
    uint8_t *rgb; /* height*width*3 */
    int x, y;     /* where `rgb` lies in the decoded picture; it is all of it but for wn_image_decode_for */
};

/* By the first bytes alone. `name`, if not NULL, gets what the bytes look like ("GIF", "WebP", "nothing known"). */
enum wn_image_format wn_image_sniff(const void *data, size_t size, const char **name);

/* Decodes `data`. min_short_side_hint: the short side, in pixels, to which the caller will shrink the picture with
 * an antialiased filter (wn_preprocess_hint gives it); a JPEG that is 8 times larger or more is then decoded at 1/2,
 * 1/4 or 1/8, such that it stays 4 times larger. The shrunk picture differs by less than a grey level on average,
 * 99.9 % of it by 3 at most. 0: always full size. Grey, palette, 16-bit and CMYK pictures become RGB as Pillow's
 * convert("RGB") does (16-bit grey keeps its high byte); alpha is dropped. Fails with WN_UNSUPPORTED_MEDIA (not PNG
 * or JPEG), WN_TOO_LARGE, WN_UNREADABLE_IMAGE (damaged, truncated), WN_NO_MEMORY. */
enum wn_code wn_image_decode(const void *data, size_t size, const struct wn_image_limits *limits,
                             int min_short_side_hint, struct wn_image *out, struct wn_error *err);

/* Pixels x0 <= x < x1, y0 <= y < y1 of a picture at full size; may reach beyond it. */
struct wn_image_part {
    int x0, y0, x1, y1;
};
/* What will be made of a picture, so that no more of it is decoded than somebody looks at. */
struct wn_image_use {
    int short_side; /* min_short_side_hint of wn_image_decode */
    /* of an upright picture of this size; NULL: all */
    struct wn_image_part (*part)(const void *what, int width, int height);
    const void *what;
};
/* As wn_image_decode; of a sequential JPEG that is stored upright, little more than the part. What is decoded is the
 * same to the bit, and what fails there fails here, but for damage below the part in a JPEG that ends as it should. */
enum wn_code wn_image_decode_for(const struct wn_image_use *use, const void *data, size_t size,
                                 const struct wn_image_limits *limits, struct wn_image *out, struct wn_error *err);
/* About how long wn_image_decode would take, by the first `size` bytes of a file of `whole`: 0 for what is refused
 * at once, the costliest that `limits` allow where the size of the picture is not among those bytes. */
int64_t wn_image_cost_ns(const void *start, size_t size, size_t whole, const struct wn_image_limits *limits);
void wn_image_finish(struct wn_image *image); /* frees and makes it {0} */

#endif
