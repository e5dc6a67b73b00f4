/* JPEG through libjpeg-turbo; decides how small and how much of a picture may be decoded, refuses to know what for. */
#include <media/decode.h>

#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
/* behind it, for its messages are numbered by the version that jpeglib.h says */
#include <jerror.h>

/* EDGE: upsampling of colours looks one pixel beyond the part; libjpeg takes the part's edge for the picture's. */
enum { ROWS_AT_ONCE = 16, EDGE = 4 };

/* A picture is decoded at 1/n only where it stays this many times larger than what it will be shrunk to. Measured
 * against the full decode, shrunk, on mosaics of photographs and on noise (4:2:0 quality 75 to 4:4:4 quality 95): mean
 * difference 0.3 (noise 0.8) grey levels, 99.9 % of the samples within 3; single samples beside hard, saturated edges
 * differ by up to 8. At margin 2 it is 15. */
static const int reduction_margin = 4;

/* Lives outside the function that calls setjmp, so that no longjmp makes its members indeterminate. */
struct jpeg_input {
    struct jpeg_decompress_struct cinfo;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf jump;
    const struct wn_image_limits *limits;
    const struct wn_image_use *use;
    bool whole; /* no part of it may be left out */
    /* the file ends as a JPEG does: the last rows need not be read to know that they are there */
    bool ends;
    uint8_t *pixels, *cmyk; /* cmyk: rows on their way to RGB */
    int code;               /* libjpeg's message number of the failure */
    bool too_many_scans, no_memory;
    enum wn_code admitted;
    struct wn_error *err;
};

static struct jpeg_input *input_of(j_common_ptr cinfo)
{
    return cinfo->client_data;
}

static void on_error(j_common_ptr cinfo)
{
    struct jpeg_input *in = input_of(cinfo);
    in->code = cinfo->err->msg_code;
    longjmp(in->jump, 1);
}

/* Warnings: libjpeg goes on after damage and makes pixels up. What ends early is refused, lesser damage tolerated. */
static void on_message(j_common_ptr cinfo, int level)
{
    if (level < 0 && (cinfo->err->msg_code == JWRN_JPEG_EOF || cinfo->err->msg_code == JWRN_HIT_MARKER))
        on_error(cinfo);
}

static void on_output(j_common_ptr cinfo)
{
    (void)cinfo;
}

static void on_progress(j_common_ptr cinfo)
{
    struct jpeg_input *in = input_of(cinfo);
    if (in->cinfo.input_scan_number <= in->limits->max_jpeg_scans) return;
    in->too_many_scans = true;
    longjmp(in->jump, 1);
}

static int min_int(int a, int b)
{
    return a < b ? a : b;
}

static int reduction_for(int width, int height, int short_side_hint)
{
    int reduction = 1;
    if (short_side_hint <= 0) return 1;
    while (reduction < 8 && min_int(width, height) / (2 * reduction) >= (int64_t)reduction_margin * short_side_hint)
        reduction *= 2;
    return reduction;
}

/* Of one axis: from the part at full size to what is decoded. */
static void reduce(int reduction, int size, int *begin, int *end)
{
    int64_t first = *begin / reduction - EDGE, behind = (int64_t)*end / reduction + 1 + EDGE;
    *begin = first < 0 ? 0 : first > size - 1 ? size - 1 : (int)first;
    *end = behind > size ? size : behind <= *begin ? *begin + 1 : (int)behind;
}

/* Rows above the part are only counted, columns beside it not transformed. out: then of the part. */
static void narrow(struct jpeg_input *in, struct wn_image *out)
{
    struct jpeg_decompress_struct *c = &in->cinfo;
    struct wn_image_part p = in->use->part(in->use->what, out->full_width, out->full_height);
    reduce(out->reduction, out->width, &p.x0, &p.x1);
    reduce(out->reduction, out->height, &p.y0, &p.y1);
    if (!in->ends) p.y1 = out->height;
    JDIMENSION x = (JDIMENSION)p.x0, width = (JDIMENSION)(p.x1 - p.x0);
    jpeg_crop_scanline(c, &x, &width);
    jpeg_skip_scanlines(c, (JDIMENSION)p.y0);
    out->x = (int)x;
    out->y = p.y0;
    out->width = (int)c->output_width;
    out->height = p.y1 - p.y0;
}

/* libjpeg's smoothing of unfinished progressive pictures looks far around; four channels have a way of their own. */
static bool may_narrow(const struct jpeg_input *in, bool four)
{
    return in->use->part && !in->whole && !four && !jpeg_has_multiple_scans((j_decompress_ptr)&in->cinfo);
}

static void set_output(struct jpeg_input *in, struct wn_image *out)
{
    struct jpeg_decompress_struct *c = &in->cinfo;
    bool four = c->jpeg_color_space == JCS_CMYK || c->jpeg_color_space == JCS_YCCK;
    out->full_width = (int)c->image_width;
    out->full_height = (int)c->image_height;
    out->reduction = reduction_for(out->full_width, out->full_height, in->use->short_side);
    c->out_color_space = four ? JCS_CMYK : JCS_RGB;
    c->scale_num = 1;
    c->scale_denom = (unsigned)out->reduction;
    jpeg_start_decompress(c);
    out->width = (int)c->output_width;
    out->height = (int)c->output_height;
    if (may_narrow(in, four)) narrow(in, out);
}

/* a*b/255, rounded, without a division: the formula that Pillow's conversion shares with everybody's. */
static unsigned scale_255(unsigned a, unsigned b)
{
    unsigned t = a * b + 128;
    return (t + (t >> 8)) >> 8;
}

/* Four-channel JPEGs are stored inverted (Adobe's way; Pillow takes all of them so): c is 255 - cyan, k 255 - black. */
static void cmyk_to_rgb(const uint8_t *cmyk, int n, uint8_t *rgb)
{
    for (int i = 0; i < n; i++, cmyk += 4, rgb += 3)
        for (int c = 0; c < 3; c++) rgb[c] = (uint8_t)(cmyk[3] - scale_255(255u - cmyk[c], cmyk[3]));
}

static void read_rows(struct jpeg_input *in, const struct wn_image *out)
{
    struct jpeg_decompress_struct *c = &in->cinfo;
    const int width = out->width, end = out->y + out->height;
    size_t stride = (size_t)width * 3;
    while ((int)c->output_scanline < end) {
        JSAMPROW rows[ROWS_AT_ONCE];
        uint8_t *first = in->pixels + (c->output_scanline - (JDIMENSION)out->y) * stride;
        int n = min_int(ROWS_AT_ONCE, end - (int)c->output_scanline);
        for (int i = 0; i < n; i++) rows[i] = in->cmyk ? in->cmyk : first + (size_t)i * stride;
        jpeg_read_scanlines(c, rows, in->cmyk ? 1 : (JDIMENSION)n);
        if (in->cmyk) cmyk_to_rgb(in->cmyk, width, first);
    }
}

/* Everything that may longjmp. Returns false after an error; the members of `in` tell which. */
static bool decode_guarded(struct jpeg_input *in, const uint8_t *data, size_t size, struct wn_image *out)
{
    if (setjmp(in->jump)) return false;
    jpeg_create_decompress(&in->cinfo);
    in->cinfo.mem->max_memory_to_use = (long)in->limits->max_jpeg_bytes;
    in->cinfo.progress = &in->progress;
    jpeg_mem_src(&in->cinfo, data, size);
    jpeg_read_header(&in->cinfo, TRUE);
    in->admitted = wn_image_admit(in->cinfo.image_width, in->cinfo.image_height, in->limits, in->err);
    if (in->admitted != WN_OK) return false;
    set_output(in, out);
    in->pixels = malloc((size_t)out->width * (size_t)out->height * 3);
    if (in->cinfo.out_color_space == JCS_CMYK) in->cmyk = malloc((size_t)out->width * 4);
    in->no_memory = !in->pixels || (in->cinfo.out_color_space == JCS_CMYK && !in->cmyk);
    if (in->no_memory) return false;
    read_rows(in, out);
    return true;
}

static enum wn_code explain(struct jpeg_input *in)
{
    char text[JMSG_LENGTH_MAX] = "";
    if (in->admitted != WN_OK) return in->admitted;
    if (in->too_many_scans)
        return wn_fail(in->err, WN_UNREADABLE_IMAGE, "The JPEG has more than %d scans.", in->limits->max_jpeg_scans);
    if (in->no_memory || in->code == JERR_OUT_OF_MEMORY)
        return wn_fail(in->err, WN_NO_MEMORY, "No memory to decode the JPEG; try again later.");
    if (in->code == JERR_NO_BACKING_STORE)
        return wn_fail(
            in->err, WN_TOO_LARGE,
            "This progressive JPEG would need more than %zu MiB to decode; send it smaller or not progressive.",
            in->limits->max_jpeg_bytes >> 20);
    if (in->code == JWRN_JPEG_EOF || in->code == JWRN_HIT_MARKER)
        return wn_fail(in->err, WN_UNREADABLE_IMAGE, "The JPEG ends before the picture does; it is truncated.");
    in->errors.format_message((j_common_ptr)&in->cinfo, text);
    return wn_fail(in->err, WN_UNREADABLE_IMAGE, "The JPEG cannot be decoded: %s.", text);
}

enum wn_code wn_jpeg_decode(const uint8_t *data, size_t size, const struct wn_image_limits *limits,
                            const struct wn_image_use *use, struct wn_image *out, struct wn_error *err)
{
    struct jpeg_input in = {.limits = limits, .err = err, .use = use};
    enum wn_code code = WN_OK;
    in.ends = size >= 2 && data[size - 2] == 0xff && data[size - 1] == JPEG_EOI;
    out->orientation = wn_exif_orientation_of_jpeg(data, size);
    in.whole = out->orientation > 1;
    in.cinfo.err = jpeg_std_error(&in.errors);
    in.cinfo.client_data = &in;
    in.errors.error_exit = on_error;
    in.errors.emit_message = on_message;
    in.errors.output_message = on_output;
    in.progress.progress_monitor = on_progress;
    if (decode_guarded(&in, data, size, out)) {
        out->rgb = in.pixels;
        in.pixels = NULL;
    } else {
        code = explain(&in);
    }
    free(in.cmyk);
    free(in.pixels);
    jpeg_destroy_decompress(&in.cinfo);
    return code;
}
