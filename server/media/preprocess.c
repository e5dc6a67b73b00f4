/* Profiles, and what they do to a picture; knows pixels and numbers, no network. */
#include <media/preprocess.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <media/base64.h>
#include <media/resize.h>
#include <whynot/resample.h>

enum { MAX_SIDE = 8192, MAX_PIXELS = 16 << 20 };

#define IMAGENET                                                                                                       \
    .order = WN_CHANNELS_RGB, .scale = 1 / 255.f, .mean = {0.485f, 0.456f, 0.406f}, .std = {0.229f, 0.224f, 0.225f}

static const struct wn_preprocess_profile profiles[] = {
    {"center-crop",
     "Short side to 256, the central 224 x 224: how torchvision's ImageNet networks are validated.",
     {.resize = WN_RESIZE_SHORT_SIDE,
      .resize_w = 256,
      .resize_h = 256,
      .crop_w = 224,
      .crop_h = 224,
      .antialias = true,
      IMAGENET}},
    {"squash",
     "The whole picture to 224 x 224, antialiased.",
     {.resize = WN_RESIZE_SQUASH, .resize_w = 224, .resize_h = 224, .antialias = true, IMAGENET}},
    {"squash-noaa",
     "The whole picture to 224 x 224, bilinear without antialiasing.",
     {.resize = WN_RESIZE_SQUASH, .resize_w = 224, .resize_h = 224, .antialias = false, IMAGENET}},
    {"short-448",
     "Short side to 448, nothing cut off: for networks that take any size.",
     {.resize = WN_RESIZE_SHORT_SIDE, .resize_w = 448, .resize_h = 448, .antialias = true, IMAGENET}},
    {"iqa-patch",
     "The picture as it is, values in 0..1: patches for image quality.",
     {.resize = WN_RESIZE_NONE, .order = WN_CHANNELS_RGB, .scale = 1 / 255.f, .std = {1, 1, 1}}},
    {"cem",
     "The whole picture to 224 x 224, values in -0.5..0.5.",
     {.resize = WN_RESIZE_SQUASH,
      .resize_w = 224,
      .resize_h = 224,
      .antialias = true,
      .order = WN_CHANNELS_RGB,
      .scale = 1 / 255.f,
      .mean = {0.5f, 0.5f, 0.5f},
      .std = {1, 1, 1}}},
};

const struct wn_preprocess_profile *wn_preprocess_profile_at(int i)
{
    return i >= 0 && (size_t)i < sizeof profiles / sizeof *profiles ? &profiles[i] : NULL;
}

const struct wn_preprocess_profile *wn_preprocess_profile_find(const char *name)
{
    for (size_t i = 0; i < sizeof profiles / sizeof *profiles; i++)
        if (!strcmp(profiles[i].name, name)) return &profiles[i];
    return NULL;
}

int wn_preprocess_channels(const struct wn_preprocess *p)
{
    return p->order == WN_CHANNELS_GRAY ? 1 : 3;
}

void wn_preprocess_level(const struct wn_preprocess *p, float pixel, float out[3])
{
    for (int c = 0; c < 3; c++) out[c] = wn_normalised(pixel, p->scale, p->mean[c], p->std[c]);
}

int wn_preprocess_hint(const struct wn_preprocess *p)
{
    if (!p->antialias || p->resize == WN_RESIZE_NONE) return 0;
    return p->resize == WN_RESIZE_SQUASH && p->resize_h > p->resize_w ? p->resize_h : p->resize_w;
}

static bool in_range(int v)
{
    return v >= 1 && v <= MAX_SIDE;
}

enum wn_code wn_preprocess_check(const struct wn_preprocess *p, struct wn_error *err)
{
    int resize_h = p->resize == WN_RESIZE_SQUASH ? p->resize_h : p->resize_w;
    if (p->resize != WN_RESIZE_NONE && (!in_range(p->resize_w) || !in_range(resize_h)))
        return wn_fail(err, WN_BAD_REQUEST, "Preprocessing: resize to %d x %d; each side must be 1..%d.", p->resize_w,
                       resize_h, MAX_SIDE);
    if ((p->crop_w || p->crop_h) && (!in_range(p->crop_w) || !in_range(p->crop_h)))
        return wn_fail(err, WN_BAD_REQUEST, "Preprocessing: crop of %d x %d; each side must be 1..%d.", p->crop_w,
                       p->crop_h, MAX_SIDE);
    if (p->resize != WN_RESIZE_NONE && (p->crop_w > p->resize_w || p->crop_h > resize_h))
        return wn_fail(err, WN_BAD_REQUEST, "Preprocessing: the crop of %d x %d is larger than the resize to %d x %d.",
                       p->crop_w, p->crop_h, p->resize_w, resize_h);
    for (int c = 0; c < wn_preprocess_channels(p); c++)
        if (!isfinite(p->mean[c]) || !isnormal(p->std[c]) || !isfinite(p->scale) || !isfinite(1 / p->std[c]))
            return wn_fail(err, WN_BAD_REQUEST, "Preprocessing: scale, mean and std must be finite, and std not 0.");
    return WN_OK;
}

/* floor(size * longer / shorter), and never 0. */
static int keep_aspect(int size, int longer, int shorter)
{
    int64_t v = (int64_t)size * longer / shorter;
    return v > INT32_MAX ? INT32_MAX : (int)v;
}

/* Half of what is cut off, a half rounded to even: int(round(d / 2.0)) in Python. */
static int crop_offset(int size, int crop)
{
    int half = (size - crop) / 2;
    return (size - crop) % 2 ? half + (half & 1) : half;
}

enum wn_code wn_preprocess_geometry(const struct wn_preprocess *p, int image_w, int image_h, struct wn_geometry *out,
                                    struct wn_error *err)
{
    int w = image_w, h = image_h;
    if (p->resize == WN_RESIZE_SQUASH) {
        w = p->resize_w;
        h = p->resize_h;
    } else if (p->resize == WN_RESIZE_SHORT_SIDE) {
        w = image_w <= image_h ? p->resize_w : keep_aspect(p->resize_w, image_w, image_h);
        h = image_w <= image_h ? keep_aspect(p->resize_w, image_h, image_w) : p->resize_w;
    }
    *out = (struct wn_geometry){image_w, image_h, w, h, 0, 0, p->crop_w ? p->crop_w : w, p->crop_h ? p->crop_h : h};
    if (out->crop_w > w || out->crop_h > h)
        return wn_fail(err, WN_BAD_REQUEST,
                       "The picture is %d x %d, but this model looks at %d x %d of it; send a larger one.", w, h,
                       out->crop_w, out->crop_h);
    if ((int64_t)out->crop_w * out->crop_h > MAX_PIXELS)
        return wn_fail(err, WN_TOO_LARGE,
                       "The picture would be %d x %d for this model, more than 16 Mpixel; cut it to a usual shape.", w,
                       h);
    out->crop_x = crop_offset(w, out->crop_w);
    out->crop_y = crop_offset(h, out->crop_h);
    return WN_OK;
}

/* Of one axis: what a window of the resized picture reads, and a little more. */
static void needed(int full, int resized, int crop, int n, int *begin, int *end)
{
    double scale = (double)full / resized, spread = (scale < 1 ? 1 : scale) + 2;
    *begin = (int)(crop * scale - spread);
    *end = (int)((crop + n) * scale + spread) + 1;
}

static struct wn_image_part part(const void *what, int width, int height)
{
    struct wn_image_part p = {0, 0, width, height};
    struct wn_geometry geo;
    /* it will be refused, whatever is decoded */
    if (wn_preprocess_geometry(what, width, height, &geo, NULL) != WN_OK) return p;
    needed(width, geo.resized_w, geo.crop_x, geo.crop_w, &p.x0, &p.x1);
    needed(height, geo.resized_h, geo.crop_y, geo.crop_h, &p.y0, &p.y1);
    return p;
}

struct wn_image_use wn_preprocess_use(const struct wn_preprocess *p)
{
    return (struct wn_image_use){wn_preprocess_hint(p), part, p};
}

static uint8_t *to_gray(const struct wn_image *image)
{
    size_t n = (size_t)image->width * (size_t)image->height;
    uint8_t *gray = malloc(n);
    const uint8_t *rgb = image->rgb;
    for (size_t i = 0; gray && i < n; i++, rgb += 3) /* analyzer: not where gray is NULL */
        gray[i] = wn_luma(rgb[0], rgb[1], rgb[2]);
    return gray;
}

/* 8-bit pixels to planes through a table a channel; all channels of a pixel at once, they lie together. */
static void planes_from_bytes(const struct wn_preprocess *p, const uint8_t *src, size_t n, float *dst)
{
    const int channels = wn_preprocess_channels(p), red = p->order == WN_CHANNELS_BGR ? 2 : 0, blue = 2 - red;
    float table[3][256];
    for (int c = 0; c < channels; c++)
        for (int v = 0; v < 256; v++) table[c][v] = wn_normalised((float)v, p->scale, p->mean[c], p->std[c]);
    if (channels == 1) {
        for (size_t i = 0; i < n; i++) dst[i] = table[0][src[i]];
        return;
    }
    float *restrict first = dst, *restrict second = dst + n, *restrict third = dst + 2 * n;
    for (size_t i = 0; i < n; i++, src += 3) { /* analyzer: n pixels are there */
        first[i] = table[0][src[red]];
        second[i] = table[1][src[1]]; /* analyzer: as above */
        third[i] = table[2][src[blue]];
    }
}

static void planes_from_floats(const struct wn_preprocess *p, const float *src, size_t n, float *dst)
{
    const size_t channels = (size_t)wn_preprocess_channels(p);
    for (size_t c = 0; c < channels; c++) {
        const float *from = src + (p->order == WN_CHANNELS_BGR ? 2 - c : c);
        for (size_t i = 0; i < n; i++)
            dst[c * n + i] = wn_normalised(from[i * channels], p->scale, p->mean[c], p->std[c]);
    }
}

/* The last row and column of a reduced picture stand for less than a whole pixel: the box tells how much. */
static struct wn_resize resize_for(const struct wn_image *image, const struct wn_geometry *geo, int channels)
{
    const int reduction = image->reduction;
    return (struct wn_resize){.src_w = (image->full_width + reduction - 1) / reduction,
                              .src_h = (image->full_height + reduction - 1) / reduction,
                              .part_x = image->x,
                              .part_y = image->y,
                              .part_w = image->width,
                              .part_h = image->height,
                              .channels = channels,
                              .box_w = (double)image->full_width / reduction,
                              .box_h = (double)image->full_height / reduction,
                              .dst_w = geo->resized_w,
                              .dst_h = geo->resized_h,
                              .x = geo->crop_x,
                              .y = geo->crop_y,
                              .w = geo->crop_w,
                              .h = geo->crop_h};
}

struct wn_picture wn_preprocess_picture_of(const struct wn_preprocess *p, const struct wn_image *image,
                                           const struct wn_geometry *geo)
{
    const struct wn_resize r = resize_for(image, geo, wn_preprocess_channels(p));
    struct wn_picture out = {.rgb = image->rgb,
                             .src_w = r.src_w,
                             .src_h = r.src_h,
                             .part_x = r.part_x,
                             .part_y = r.part_y,
                             .part_w = r.part_w,
                             .part_h = r.part_h,
                             .box_w = r.box_w,
                             .box_h = r.box_h,
                             .dst_w = r.dst_w,
                             .dst_h = r.dst_h,
                             .x = r.x,
                             .y = r.y,
                             .w = r.w,
                             .h = r.h,
                             .antialias = p->antialias || p->resize == WN_RESIZE_NONE,
                             .bgr = p->order == WN_CHANNELS_BGR,
                             .channels = r.channels,
                             .scale = p->scale};
    memcpy(out.mean, p->mean, sizeof out.mean);
    memcpy(out.std, p->std, sizeof out.std);
    return out;
}

enum wn_code wn_preprocess_picture(const struct wn_image *image, const struct wn_geometry *geo, uint8_t *rgb,
                                   struct wn_error *err)
{
    const struct wn_resize r = resize_for(image, geo, 3);
    return wn_resize_antialias(&r, image->rgb, rgb, err);
}

enum wn_code wn_preprocess_apply(const struct wn_preprocess *p, const struct wn_image *image,
                                 const struct wn_geometry *geo, float *dst, struct wn_error *err)
{
    const int channels = wn_preprocess_channels(p);
    const size_t n = (size_t)geo->crop_w * (size_t)geo->crop_h;
    const bool plain = !p->antialias && p->resize != WN_RESIZE_NONE;
    const struct wn_resize r = resize_for(image, geo, channels);
    uint8_t *gray = channels == 1 ? to_gray(image) : NULL;
    void *pixels = malloc(n * (size_t)channels * (plain ? sizeof(float) : 1));
    enum wn_code code = WN_OK;
    if (!pixels || (channels == 1 && !gray))
        code = wn_fail(err, WN_NO_MEMORY, "No memory to prepare a picture; try again later.");
    else if (plain)
        code = wn_resize_plain(&r, gray ? gray : image->rgb, pixels, err);
    else
        code = wn_resize_antialias(&r, gray ? gray : image->rgb, pixels, err);
    if (code == WN_OK && plain)
        planes_from_floats(p, pixels, n, dst);
    else if (code == WN_OK)
        planes_from_bytes(p, pixels, n, dst);
    free(pixels);
    free(gray);
    return code;
}

static uint32_t bits_of(float v)
{
    uint32_t bits;
    v += 0.f; /* -0 and 0 compute the same */
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

void wn_preprocess_text(const struct wn_preprocess *p, char text[WN_PREPROCESS_TEXT])
{
    static const char *const resizes[] = {"none", "squash", "short-side"}, *const orders[] = {"rgb", "bgr", "gray"};
    int w = p->resize == WN_RESIZE_NONE ? 0 : p->resize_w, h = p->resize == WN_RESIZE_SQUASH ? p->resize_h : 0;
    int length = snprintf(text, WN_PREPROCESS_TEXT,
                          "preprocess 1; resize %s %d %d; antialias %d; crop %d %d; order %s; scale %08x",
                          resizes[p->resize], w, h, p->antialias && p->resize != WN_RESIZE_NONE, p->crop_w, p->crop_h,
                          orders[p->order], bits_of(p->scale));
    for (int c = 0; c < wn_preprocess_channels(p); c++) /* bits, so that no locale and no rounding comes in */
        length += snprintf(text + length, (size_t)(WN_PREPROCESS_TEXT - length), "; mean %08x std %08x",
                           bits_of(p->mean[c]), bits_of(p->std[c]));
}

void wn_preprocess_hash(const struct wn_preprocess *p, char hex[65])
{
    char text[WN_PREPROCESS_TEXT];
    wn_preprocess_text(p, text);
    wn_sha256_hex(text, strlen(text), hex);
}
