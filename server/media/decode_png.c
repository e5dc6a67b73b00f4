/* PNG through libpng's low-level interface, which alone lets limits stand before the header is read; libpng is shown
 * the header, the palette and the picture data, and never an ancillary chunk: decompressing a text costs what its
 * author wants it to. */
#include <media/decode.h>

#include <setjmp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

/* Lives outside the function that calls setjmp, so that no longjmp makes its members indeterminate. */
struct png_input {
    const uint8_t *data;
    size_t size, at;
    size_t left; /* bytes of the current chunk that libpng has not had */
    png_structp png;
    png_infop info;
    uint8_t *pixels;
    bool no_memory;
    char message[128];
};

/* What libpng says is its own text, not the client's, except for chunk names, which it prints as letters or hex. */
static void on_error(png_structp png, png_const_charp message)
{
    struct png_input *in = png_get_error_ptr(png);
    strncpy(in->message, message, sizeof in->message - 1);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

/* Steps over ancillary chunks (lower-case first letter) to the next one that libpng shall see. */
static void next_chunk(struct png_input *in)
{
    enum { AROUND = 12, ANCILLARY = 0x20 }; /* length, type and checksum */
    for (;;) {
        if (in->size - in->at < AROUND) png_error(in->png, "the data end in the middle of the picture");
        size_t length = (size_t)png_get_uint_32(in->data + in->at) + AROUND;
        if (length > in->size - in->at) png_error(in->png, "the data end in the middle of a chunk");
        in->left = length;
        if (!(in->data[in->at + 4] & ANCILLARY)) return;
        in->at += length;
    }
}

static void on_read(png_structp png, png_bytep dst, size_t n)
{
    struct png_input *in = png_get_io_ptr(png);
    while (n) {
        if (!in->left) next_chunk(in);
        size_t part = n < in->left ? n : in->left;
        memcpy(dst, in->data + in->at, part);
        dst += part;
        n -= part;
        in->at += part;
        in->left -= part;
    }
}

static png_voidp on_malloc(png_structp png, png_alloc_size_t n)
{
    struct png_input *in = png_get_mem_ptr(png);
    void *p = malloc(n);
    if (!p) in->no_memory = true;
    return p;
}

static void on_free(png_structp png, png_voidp p)
{
    (void)png;
    free(p);
}

static void set_limits(png_structp png, const struct wn_image_limits *limits)
{
    png_set_user_limits(png, (png_uint_32)limits->max_side, (png_uint_32)limits->max_side);
    png_set_chunk_cache_max(png, (png_uint_32)limits->max_chunks);
    png_set_chunk_malloc_max(png, limits->max_chunk_bytes);
    png_set_benign_errors(png, 0);
}

/* The size from the header chunk, which is always first: libpng's check of it has no words that a client could use. */
static enum wn_code check_header(const struct png_input *in, const struct wn_image_limits *limits, struct wn_error *err)
{
    if (in->size < 33 || memcmp(in->data + 12, "IHDR", 4) != 0)
        return wn_fail(err, WN_UNREADABLE_IMAGE, "The PNG has no header; it is truncated or damaged.");
    return wn_image_admit(png_get_uint_32(in->data + 16), png_get_uint_32(in->data + 20), limits, err);
}

static void read_header(struct png_input *in)
{
    png_read_info(in->png, in->info);
    int type = png_get_color_type(in->png, in->info), depth = png_get_bit_depth(in->png, in->info);
    if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(in->png);
    if (!(type & PNG_COLOR_MASK_COLOR)) {
        if (depth < 8) png_set_expand_gray_1_2_4_to_8(in->png);
        png_set_gray_to_rgb(in->png);
    }
    if (depth == 16) png_set_strip_16(in->png);
    png_set_strip_alpha(in->png);
}

/* After the last row libpng swallows what compressed data remain, and a bomb may hide there: leave it little. */
static void end_soon(struct png_input *in, size_t stride)
{
    const size_t enough = 2 * stride + 16384;
    if (in->left > enough) png_error(in->png, "there are more data than the picture needs");
    if (in->size - in->at - in->left > enough) in->size = in->at + in->left + enough;
}

static void read_rows(struct png_input *in, uint32_t height, size_t stride)
{
    int passes = png_set_interlace_handling(in->png);
    png_read_update_info(in->png, in->info);
    if (png_get_rowbytes(in->png, in->info) != stride) png_error(in->png, "rows of an unexpected size");
    for (int pass = 0; pass < passes; pass++)
        for (uint32_t y = 0; y < height; y++) {
            if (pass == passes - 1 && y == height - 1) end_soon(in, stride);
            png_read_row(in->png, in->pixels + y * stride, NULL);
        }
}

/* Everything that may longjmp. Returns false after an error, of which in->message tells. */
static bool decode_guarded(struct png_input *in, struct wn_image *out)
{
    if (setjmp(png_jmpbuf(in->png))) return false;
    read_header(in);
    size_t stride = (size_t)out->width * 3;
    in->pixels = malloc(stride * (size_t)out->height);
    in->no_memory = !in->pixels;
    if (!in->pixels) return false;
    read_rows(in, (uint32_t)out->height, stride);
    return true;
}

enum wn_code wn_png_decode(const uint8_t *data, size_t size, const struct wn_image_limits *limits, struct wn_image *out,
                           struct wn_error *err)
{
    struct png_input in = {.data = data, .size = size, .left = 8};
    enum wn_code code = check_header(&in, limits, err);
    if (code != WN_OK) return code;
    in.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &in, on_error, on_warning, &in, on_malloc, on_free);
    in.info = in.png ? png_create_info_struct(in.png) : NULL;
    if (!in.info) {
        code = wn_fail(err, WN_NO_MEMORY, "No memory to decode a PNG; try again later.");
        goto destroy;
    }
    set_limits(in.png, limits);
    png_set_read_fn(in.png, &in, on_read);
    out->width = out->full_width = (int)png_get_uint_32(data + 16);
    out->height = out->full_height = (int)png_get_uint_32(data + 20);
    if (decode_guarded(&in, out)) {
        out->rgb = in.pixels;
        out->orientation = wn_exif_orientation_of_png(data, size);
        in.pixels = NULL;
    } else if (in.no_memory) {
        code =
            wn_fail(err, WN_NO_MEMORY, "No memory to decode a %d x %d PNG; try again later.", out->width, out->height);
    } else {
        code = wn_fail(err, WN_UNREADABLE_IMAGE, "The PNG cannot be decoded: %s.", in.message);
    }
destroy:
    free(in.pixels);
    png_destroy_read_struct(&in.png, &in.info, NULL);
    return code;
}
