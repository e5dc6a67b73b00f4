/* libFuzzer: any bytes as a picture: PNG or JPEG, as WN_FUZZ_MAGIC says, so that none is lost to "this is no
 * picture". */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <media/preprocess.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of which only what a network looks at is decoded. */
static void prepare(const uint8_t *file, size_t size, const struct wn_image_limits *limits)
{
    const struct wn_preprocess p = {.resize = WN_RESIZE_SHORT_SIDE,
                                    .resize_w = 20,
                                    .crop_w = 9,
                                    .crop_h = 13,
                                    .antialias = true,
                                    .scale = 1,
                                    .std = {1, 1, 1}};
    const struct wn_image_use use = wn_preprocess_use(&p);
    float input[3 * 9 * 13];
    struct wn_image image;
    struct wn_geometry geometry;
    if (wn_image_decode_for(&use, file, size, limits, &image, NULL) == WN_OK &&
        wn_preprocess_geometry(&p, image.full_width, image.full_height, &geometry, NULL) == WN_OK &&
        wn_preprocess_apply(&p, &image, &geometry, input, NULL) != WN_OK)
        abort();
    wn_image_finish(&image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char magic[] = WN_FUZZ_MAGIC;
    struct wn_image_limits limits = wn_image_limits_default;
    struct wn_image image = {0};
    struct wn_error err = {0};
    limits.max_pixels = 1 << 18; /* looks for bugs and not for what the limits allow */
    uint8_t *file = malloc(size + 1);
    if (!file) abort();
    memcpy(file, data, size);
    memcpy(file, magic, size < sizeof magic - 1 ? size : sizeof magic - 1);
    enum wn_code code = wn_image_decode(file, size, &limits, 0, &image, &err);
    if (code != WN_OK && (!*err.text || image.rgb)) abort();
    if (code == WN_OK &&
        (!image.rgb || image.width < 1 || image.height < 1 || (int64_t)image.width * image.height > 1 << 18))
        abort();
    wn_image_finish(&image);
    prepare(file, size, &limits);
    if (wn_image_cost_ns(file, size, size, &limits) < 0) abort();
    free(file);
    return 0;
}
