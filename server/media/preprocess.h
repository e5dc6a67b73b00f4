/* From a picture to the numbers that a network was trained on: resize, crop, scale, mean, std, channel order; and the
 * way back for coordinates. Knows no network: a profile is plain data. */
#ifndef WN_MEDIA_PREPROCESS_H
#define WN_MEDIA_PREPROCESS_H

#include <media/image.h>
#include <stdbool.h>
#include <whynot/preparing.h>

enum wn_resize_mode {
    WN_RESIZE_NONE,       /* the picture's own size */
    WN_RESIZE_SQUASH,     /* to resize_w x resize_h, aspect not kept */
    WN_RESIZE_SHORT_SIDE, /* short side to resize_w, long side = floor(resize_w * long / short) */
};
enum wn_channel_order { WN_CHANNELS_RGB, WN_CHANNELS_BGR, WN_CHANNELS_GRAY };

/* value = (pixel * scale - mean[c]) / std[c], pixel 0..255, c in the network's channel order. */
struct wn_preprocess {
    enum wn_resize_mode resize;
    int resize_w, resize_h; /* resize_h is read by SQUASH only */
    int crop_w, crop_h;     /* from the centre, as torchvision does; 0: no crop */
    bool antialias; /* true: Pillow's bilinear, 8 bits between; false: plain bilinear in floating point, half-pixel
                       centres */
    enum wn_channel_order order;
    float scale, mean[3], std[3];
};

struct wn_preprocess_profile {
    const char *name;    /* "center-crop" */
    const char *summary; /* one sentence */
    struct wn_preprocess preprocess;
};
const struct wn_preprocess_profile *wn_preprocess_profile_at(int i); /* NULL past the end */
const struct wn_preprocess_profile *wn_preprocess_profile_find(const char *name);

/* Where the network's input lies in the picture. All in pixels; `resized` is the whole picture after the resize. */
struct wn_geometry {
    int image_w, image_h; /* the upright picture at full size */
    int resized_w, resized_h;
    int crop_x, crop_y, crop_w, crop_h; /* within resized; crop_w x crop_h is the network's input */
};

/* Refuses (WN_BAD_REQUEST) sizes outside 1..8192, a crop larger than a fixed resize, std that is 0, numbers that are
 * not finite. */
enum wn_code wn_preprocess_check(const struct wn_preprocess *p, struct wn_error *err);
int wn_preprocess_channels(const struct wn_preprocess *p); /* 3, or 1 for gray */
/* What a pixel is, in each of the network's channels, whose channels are all `pixel`: 0 black, 255 white. */
void wn_preprocess_level(const struct wn_preprocess *p, float pixel, float out[3]);
int wn_preprocess_hint(const struct wn_preprocess *p); /* for wn_image_decode */
/* For wn_image_decode_for, of a picture that only wn_preprocess_apply and wn_preprocess_picture read; p must live as
 * long. */
struct wn_image_use wn_preprocess_use(const struct wn_preprocess *p);
/* The input's size for an image_w x image_h picture. Fails where the crop does not fit (WN_BAD_REQUEST) or the input
 * would have more than 16 Mpixel (WN_TOO_LARGE). */
enum wn_code wn_preprocess_geometry(const struct wn_preprocess *p, int image_w, int image_h, struct wn_geometry *out,
                                    struct wn_error *err);
/* dst: channels*crop_h*crop_w floats (C,H,W), caller's; geo: from wn_preprocess_geometry with the *full* size. */
enum wn_code wn_preprocess_apply(const struct wn_preprocess *p, const struct wn_image *image,
                                 const struct wn_geometry *geo, float *dst, struct wn_error *err);
/* The same as an order to whoever prepares instead; its pixels are the image's. */
struct wn_picture wn_preprocess_picture_of(const struct wn_preprocess *p, const struct wn_image *image,
                                           const struct wn_geometry *geo);
/* What the network sees, for people: the cropped and resized picture. rgb: crop_h*crop_w*3 bytes, caller's. */
enum wn_code wn_preprocess_picture(const struct wn_image *image, const struct wn_geometry *geo, uint8_t *rgb,
                                   struct wn_error *err);

/* The profile as one canonical line, and its SHA-256 in hex: equal exactly when the profiles compute the same. */
#define WN_PREPROCESS_TEXT 256
void wn_preprocess_text(const struct wn_preprocess *p, char text[WN_PREPROCESS_TEXT]);
void wn_preprocess_hash(const struct wn_preprocess *p, char hex[65]);

#endif
