/* Picture bytes to upright RGB: tells the formats apart and turns the result; refuses to know how a format is read. */
#include <media/decode.h>

#include <stdlib.h>
#include <string.h>

const struct wn_image_limits wn_image_limits_default = {
    .max_pixels = 16 << 20,
    .max_side = 8192,
    .max_jpeg_scans = 100,
    .max_jpeg_bytes = 64 << 20,
    .max_chunk_bytes = 65536,
    .max_chunks = 16,
};

struct magic {
    const char *name;
    int offset, size;
    const char *bytes;
    enum wn_image_format format;
};

static const struct magic magics[] = {
    {"PNG", 0, 8, "\x89PNG\r\n\x1a\n", WN_FORMAT_PNG},
    {"JPEG", 0, 3, "\xff\xd8\xff", WN_FORMAT_JPEG},
    {"GIF", 0, 4, "GIF8", WN_FORMAT_OTHER},
    {"WebP", 8, 4, "WEBP", WN_FORMAT_OTHER},
    {"BMP", 0, 2, "BM", WN_FORMAT_OTHER},
    {"TIFF", 0, 4, "II*\0", WN_FORMAT_OTHER},
    {"TIFF", 0, 4, "MM\0*", WN_FORMAT_OTHER},
    {"AVIF", 4, 8, "ftypavif", WN_FORMAT_OTHER},
    {"HEIC", 4, 7, "ftyphei", WN_FORMAT_OTHER},
    {"HEIC", 4, 8, "ftypmif1", WN_FORMAT_OTHER},
    {"JPEG 2000", 0, 12, "\0\0\0\x0cjP  \r\n\x87\n", WN_FORMAT_OTHER},
    {"JPEG XL", 0, 2, "\xff\x0a", WN_FORMAT_OTHER},
    {"JPEG XL", 0, 12, "\0\0\0\x0cJXL \r\n\x87\n", WN_FORMAT_OTHER},
    {"SVG", 0, 4, "<svg", WN_FORMAT_OTHER},
    {"XML, perhaps SVG", 0, 5, "<?xml", WN_FORMAT_OTHER},
    {"PDF", 0, 5, "%PDF-", WN_FORMAT_OTHER},
    {"a NumPy array", 0, 6, "\x93NUMPY", WN_FORMAT_OTHER},
    {"a zip archive", 0, 4, "PK\x03\x04", WN_FORMAT_OTHER},
    {"JSON", 0, 1, "{", WN_FORMAT_OTHER},
    {"PNG in base64", 0, 8, "iVBORw0K", WN_FORMAT_OTHER},
    {"JPEG in base64", 0, 4, "/9j/", WN_FORMAT_OTHER},
};

enum wn_image_format wn_image_sniff(const void *data, size_t size, const char **name)
{
    const char *found = size ? "nothing known" : "nothing at all (0 bytes)";
    enum wn_image_format format = WN_FORMAT_OTHER;
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++) {
        const struct magic *m = &magics[i];
        if (size < (size_t)m->offset + (size_t)m->size ||
            memcmp((const char *)data + m->offset, m->bytes, (size_t)m->size) != 0)
            continue;
        found = m->name;
        format = m->format;
        break;
    }
    if (name) *name = found;
    return format;
}

enum wn_code wn_image_admit(uint32_t width, uint32_t height, const struct wn_image_limits *limits, struct wn_error *err)
{
    if (!width || !height)
        return wn_fail(err, WN_UNREADABLE_IMAGE, "The picture says that it is %u x %u pixels.", width, height);
    if (width > (uint32_t)limits->max_side || height > (uint32_t)limits->max_side)
        return wn_fail(err, WN_TOO_LARGE, "The picture is %u x %u pixels; at most %d a side are taken.", width, height,
                       limits->max_side);
    const double has = (double)width * height, most = (double)limits->max_pixels;
    if (has <= most) return WN_OK;
    if (most < 1e6) /* tenths of a million would not tell them apart */
        return wn_fail(err, WN_TOO_LARGE, "The picture has %.0f pixels (%u x %u); at most %.0f are taken.", has, width,
                       height, most);
    return wn_fail(err, WN_TOO_LARGE, "The picture has %.1f Mpixel (%u x %u); at most %.1f are taken.", has / 1e6,
                   width, height, most / 1e6);
}

static void swap(int *a, int *b)
{
    int t = *a;
    *a = *b;
    *b = t;
}

/* Source steps for one step right and one down in the upright picture; EXIF 5..8 swap the axes. */
static enum wn_code turn_upright(struct wn_image *image, struct wn_error *err)
{
    static const struct {
        signed char swapped, flip_x, flip_y; /* flips of the *stored* axes */
    } turns[9] = {{0}, {0, 0, 0}, {0, 1, 0}, {0, 1, 1}, {0, 0, 1}, {1, 0, 0}, {1, 0, 1}, {1, 1, 1}, {1, 1, 0}};
    const int o = image->orientation, w = image->width, h = image->height;
    if (o <= 1) return WN_OK;
    uint8_t *upright = malloc((size_t)w * (size_t)h * 3);
    if (!upright)
        return wn_fail(err, WN_NO_MEMORY, "No memory to turn a %d x %d picture upright; try again later.", w, h);
    ptrdiff_t along_x = turns[o].flip_x ? -3 : 3, along_y = (turns[o].flip_y ? -3 : 3) * (ptrdiff_t)w;
    const uint8_t *origin = image->rgb + (turns[o].flip_x ? 3 * (ptrdiff_t)(w - 1) : 0) +
                            (turns[o].flip_y ? 3 * (ptrdiff_t)w * (h - 1) : 0);
    ptrdiff_t right = turns[o].swapped ? along_y : along_x, down = turns[o].swapped ? along_x : along_y;
    if (turns[o].swapped) {
        swap(&image->width, &image->height);
        swap(&image->full_width, &image->full_height);
    }
    uint8_t *dst = upright;
    for (int y = 0; y < image->height; y++) {
        const uint8_t *src = origin + y * down;
        for (int x = 0; x < image->width; x++, dst += 3, src += right) memcpy(dst, src, 3);
    }
    free(image->rgb);
    image->rgb = upright;
    return WN_OK;
}

enum wn_code wn_image_decode(const void *data, size_t size, const struct wn_image_limits *limits,
                             int min_short_side_hint, struct wn_image *out, struct wn_error *err)
{
    const struct wn_image_use use = {.short_side = min_short_side_hint};
    return wn_image_decode_for(&use, data, size, limits, out, err);
}

enum wn_code wn_image_decode_for(const struct wn_image_use *use, const void *data, size_t size,
                                 const struct wn_image_limits *limits, struct wn_image *out, struct wn_error *err)
{
    const char *name;
    enum wn_code code;
    *out = (struct wn_image){.reduction = 1, .orientation = 1, .format = wn_image_sniff(data, size, &name)};
    switch (out->format) {
    case WN_FORMAT_PNG: code = wn_png_decode(data, size, limits, out, err); break;
    case WN_FORMAT_JPEG: code = wn_jpeg_decode(data, size, limits, use, out, err); break;
    default:
        code = wn_fail(err, WN_UNSUPPORTED_MEDIA, "PNG and JPEG pictures are read here; this looks like %s.", name);
    }
    if (code == WN_OK) code = turn_upright(out, err);
    if (code != WN_OK) wn_image_finish(out);
    return code;
}

void wn_image_finish(struct wn_image *image)
{
    free(image->rgb);
    *image = (struct wn_image){0};
}
