/* What a picture will cost to decode, from its first bytes; reads no pixel, and nothing that is said here has to be
 * right. */
#include <media/image.h>

#include <stdbool.h>
#include <string.h>

/* Nanoseconds, on a slow core: a pixel of a JPEG that comes in one scan, of one that repeats itself, a byte of
 * either; a pixel of a PNG. */
enum { SEQUENTIAL_NS = 4, PROGRESSIVE_NS = 15, BYTE_NS = 10, PNG_NS = 12 };

static int64_t big_endian(const uint8_t *p, int n)
{
    int64_t v = 0;
    for (int i = 0; i < n; i++) v = v << 8 | p[i];
    return v;
}

/* A PNG's sides are 32 bits each: their product may be more than fits. */
static int64_t area(int64_t width, int64_t height)
{
    int64_t pixels;
    return __builtin_mul_overflow(width, height, &pixels) ? INT64_MAX : pixels;
}

static bool is_frame(uint8_t marker)
{
    return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

/* Nothing is changed where the frame does not begin in these bytes. */
static void look_into_jpeg(const uint8_t *data, size_t size, int64_t *pixels, bool *progressive)
{
    for (size_t at = 2; at + 9 <= size && data[at] == 0xff;) {
        if (data[at + 1] == 0xff) { /* fill bytes may stand before a marker */
            at++;
            continue;
        }
        if (is_frame(data[at + 1])) {
            *progressive = (data[at + 1] & 3) == 2;
            *pixels = area(big_endian(data + at + 5, 2), big_endian(data + at + 7, 2));
            return;
        }
        at += 2 + (size_t)big_endian(data + at + 2, 2);
    }
}

int64_t wn_image_cost_ns(const void *start, size_t size, size_t whole, const struct wn_image_limits *limits)
{
    const uint8_t *data = start;
    const enum wn_image_format format = wn_image_sniff(start, size, NULL);
    int64_t pixels = limits->max_pixels, bytes = (int64_t)whole * BYTE_NS;
    bool progressive = true;
    if (format == WN_FORMAT_OTHER) return 0;
    if (format == WN_FORMAT_JPEG) look_into_jpeg(data, size, &pixels, &progressive);
    if (format == WN_FORMAT_PNG && size >= 24) pixels = area(big_endian(data + 16, 4), big_endian(data + 20, 4));
    if (pixels > limits->max_pixels) return 0; /* refused at the header */
    return format == WN_FORMAT_PNG ? pixels * PNG_NS : bytes + pixels * (progressive ? PROGRESSIVE_NS : SEQUENTIAL_NS);
}
