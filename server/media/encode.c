/* Encoders over libpng and libjpeg-turbo; refuses to know where pixels come from. */
#include <media/encode.h>

#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
/* behind it, for its messages are numbered by the version that jpeglib.h says */
#include <jerror.h>
#include <png.h>

/* ---- RGB PNG ---- */

/* Lives outside the function that calls setjmp, so that no longjmp makes its members indeterminate. */
struct png_output {
    png_structp png;
    png_infop info;
    const uint8_t *rgb;
    int w, h;
    bool no_memory;
    struct wn_buffer *out;
    struct wn_error *err;
};

static png_voidp on_png_malloc(png_structp png, png_alloc_size_t n)
{
    struct png_output *o = png_get_mem_ptr(png);
    void *p = malloc(n);
    if (!p) o->no_memory = true;
    return p;
}

static void on_png_free(png_structp png, png_voidp p)
{
    (void)png;
    free(p);
}

static void on_png_error(png_structp png, png_const_charp message)
{
    struct png_output *o = png_get_error_ptr(png);
    if (o->no_memory)
        wn_fail(o->err, WN_NO_MEMORY, "No memory to write a PNG; try again later.");
    else
        wn_fail(o->err, WN_INTERNAL, "A PNG could not be written: %s.", message);
    png_longjmp(png, 1);
}

static void on_png_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void on_png_write(png_structp png, png_bytep data, size_t n)
{
    struct png_output *o = png_get_io_ptr(png);
    if (wn_buffer_append(o->out, data, n, o->err) != WN_OK) png_error(png, "no memory");
}

static void on_png_flush(png_structp png)
{
    (void)png;
}

static bool write_png_guarded(struct png_output *o)
{
    if (setjmp(png_jmpbuf(o->png))) return false;
    png_set_write_fn(o->png, o, on_png_write, on_png_flush);
    png_set_user_limits(o->png, 0x7fffffff, 0x7fffffff);
    png_set_compression_level(o->png, 1);
    png_set_compression_buffer_size(o->png, 65536);
    png_set_filter(o->png, PNG_FILTER_TYPE_BASE, PNG_FILTER_SUB);
    png_set_IHDR(o->png, o->info, (png_uint_32)o->w, (png_uint_32)o->h, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(o->png, o->info);
    for (int y = 0; y < o->h; y++) png_write_row(o->png, o->rgb + (size_t)y * (size_t)o->w * 3);
    png_write_end(o->png, NULL);
    return true;
}

static enum wn_code write_png(struct png_output *o)
{
    size_t before = o->out->size;
    struct wn_error own = {0};
    if (!o->err) o->err = &own;
    o->png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, o, on_png_error, on_png_warning, o, on_png_malloc,
                                       on_png_free);
    o->info = o->png ? png_create_info_struct(o->png) : NULL;
    enum wn_code code = WN_OK;
    if (!o->info)
        code = wn_fail(o->err, WN_NO_MEMORY, "No memory to write a PNG; try again later.");
    else if (!write_png_guarded(o))
        code = o->err->code;
    png_destroy_write_struct(&o->png, &o->info);
    if (code != WN_OK) o->out->size = before;
    return code;
}

enum wn_code wn_png_write_rgb(const uint8_t *rgb, int w, int h, struct wn_buffer *out, struct wn_error *err)
{
    struct png_output o = {.rgb = rgb, .w = w, .h = h, .out = out, .err = err};
    return write_png(&o);
}

/* ---- JPEG ---- */

enum { JPEG_STEP = 65536 };

struct jpeg_output {
    struct jpeg_compress_struct cinfo;
    struct jpeg_error_mgr errors;
    struct jpeg_destination_mgr sink;
    jmp_buf jump;
    struct wn_buffer *out;
    struct wn_error *err;
};

static void on_jpeg_error(j_common_ptr cinfo)
{
    struct jpeg_output *o = cinfo->client_data;
    char text[JMSG_LENGTH_MAX];
    cinfo->err->format_message(cinfo, text);
    if (cinfo->err->msg_code == JERR_OUT_OF_MEMORY)
        wn_fail(o->err, WN_NO_MEMORY, "No memory to write a JPEG; try again later.");
    else
        wn_fail(o->err, WN_INTERNAL, "A JPEG could not be written: %s.", text);
    longjmp(o->jump, 1);
}

static void on_jpeg_message(j_common_ptr cinfo)
{
    (void)cinfo;
}

static void give_room(j_compress_ptr cinfo)
{
    struct jpeg_output *o = cinfo->client_data;
    if (wn_buffer_reserve(o->out, JPEG_STEP, o->err) != WN_OK) longjmp(o->jump, 1);
    o->sink.next_output_byte = o->out->data + o->out->size;
    o->sink.free_in_buffer = JPEG_STEP;
}

static boolean on_jpeg_full(j_compress_ptr cinfo)
{
    struct jpeg_output *o = cinfo->client_data;
    o->out->size += JPEG_STEP;
    give_room(cinfo);
    return TRUE;
}

static void on_jpeg_end(j_compress_ptr cinfo)
{
    struct jpeg_output *o = cinfo->client_data;
    o->out->size += JPEG_STEP - o->sink.free_in_buffer;
}

static bool write_jpeg_guarded(struct jpeg_output *o, const uint8_t *rgb, int w, int h, int quality)
{
    struct jpeg_compress_struct *c = &o->cinfo;
    if (setjmp(o->jump)) return false;
    jpeg_create_compress(c);
    c->dest = &o->sink;
    c->image_width = (JDIMENSION)w;
    c->image_height = (JDIMENSION)h;
    c->input_components = 3;
    c->in_color_space = JCS_RGB;
    jpeg_set_defaults(c);
    jpeg_set_quality(c, quality, TRUE);
    jpeg_start_compress(c, TRUE);
    while (c->next_scanline < c->image_height) {
        JSAMPROW row = (JSAMPROW)(rgb + (size_t)c->next_scanline * (size_t)w * 3); /* libjpeg's type has no const */
        jpeg_write_scanlines(c, &row, 1);
    }
    jpeg_finish_compress(c);
    return true;
}

enum wn_code wn_jpeg_write_rgb(const uint8_t *rgb, int w, int h, int quality, struct wn_buffer *out,
                               struct wn_error *err)
{
    struct wn_error own = {0};
    struct jpeg_output o = {.out = out, .err = err ? err : &own};
    size_t before = out->size;
    enum wn_code code = WN_OK;
    o.cinfo.err = jpeg_std_error(&o.errors);
    o.cinfo.client_data = &o;
    o.errors.error_exit = on_jpeg_error;
    o.errors.output_message = on_jpeg_message;
    o.sink.init_destination = give_room;
    o.sink.empty_output_buffer = on_jpeg_full;
    o.sink.term_destination = on_jpeg_end;
    if (!write_jpeg_guarded(&o, rgb, w, h, quality)) {
        code = o.err->code;
        out->size = before;
    }
    jpeg_destroy_compress(&o.cinfo);
    return code;
}

/* ---- overlay ---- */

/* The heatmap's share of a pixel, in 1/256. The middle of a diverging map means nothing, and nothing should not veil
 * the picture. */
static unsigned share_of(int index, const struct wn_colormap *map, float alpha)
{
    if (!(alpha > 0)) return 0;
    if (alpha > 1) alpha = 1;
    int far = 2 * abs(index - 128);
    return (unsigned)((map->diverging && far < 128 ? alpha * (float)far / 128 : alpha) * 256 + 0.5f);
}

void wn_overlay(uint8_t *rgb, int w, const uint8_t *index, const struct wn_colormap *map, float alpha, int x0, int y0,
                int x1, int y1)
{
    const uint8_t(*palette)[3] = wn_colormap_palette(map);
    struct {
        unsigned color[3], rest;
    } mine[256];
    for (int i = 0; i < 256; i++) {
        unsigned share = share_of(i, map, alpha);
        mine[i].rest = 256 - share;
        for (int c = 0; c < 3; c++) mine[i].color[c] = palette[i][c] * share + 128;
    }
    for (int y = y0; y < y1; y++) {
        uint8_t *p = rgb + ((size_t)y * (size_t)w + (size_t)x0) * 3;
        const uint8_t *m = index + (size_t)y * (size_t)w + (size_t)x0;
        for (int x = x0; x < x1; x++, p += 3, m++)
            for (int c = 0; c < 3; c++) p[c] = (uint8_t)((p[c] * mine[*m].rest + mine[*m].color[c]) >> 8);
    }
}
