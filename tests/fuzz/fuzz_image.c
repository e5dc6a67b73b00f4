/* libFuzzer: any bytes as a picture, PNG or JPEG. */
#include <stdint.h>
#include <stdlib.h>

#include <media/image.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wn_image_limits limits = wn_image_limits_default;
    struct wn_image image = {0};
    struct wn_error err = {0};
    limits.max_pixels = 1 << 18; /* looks for bugs and not for what the limits allow */
    enum wn_code code = wn_image_decode(data, size, &limits, 0, &image, &err);
    if (code != WN_OK && (!*err.text || image.rgb)) abort();
    if (code == WN_OK && (!image.rgb || image.width < 1 || image.height < 1 || (int64_t)image.width * image.height > 1 << 18)) abort();
    wn_image_finish(&image);
    return 0;
}
