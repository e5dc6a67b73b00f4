/* Every coding of PNG and JPEG against what Pillow makes of it (golden/, by SHA-256), formats told apart, orientation,
 * limits. */
#include <media/base64.h>
#include <media/decode.h>
#include <media/encode.h>
#include <media/resize.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "golden.h"

static const struct wn_image_limits *const limits = &wn_image_limits_default;

static void resize_to(struct wn_image *image, int w, int h)
{
    struct wn_resize r = {
        .src_w = image->width, .src_h = image->height, .channels = 3, .dst_w = w, .dst_h = h, .w = w, .h = h};
    uint8_t *out = malloc((size_t)w * (size_t)h * 3);
    assert_int_equal(wn_resize_antialias(&r, image->rgb, out, NULL), WN_OK);
    free(image->rgb);
    image->rgb = out;
    image->width = w;
    image->height = h;
}

static int compare_goldens(const char *verb_wanted)
{
    int lines = 0, w, h;
    char path[512], verb[16], name[64], want[80], got[65];
    snprintf(path, sizeof path, "%s/golden.txt", GOLDEN_DIR);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fscanf(f, "%15s %63s %d %d %79s", verb, name, &w, &h, want) == 5) {
        if (strcmp(verb, verb_wanted)) continue;
        struct wn_buffer file = read_golden(name);
        struct wn_image image;
        struct wn_error err = {0};
        if (wn_image_decode(file.data, file.size, limits, 0, &image, &err) != WN_OK) fail_msg("%s: %s", name, err.text);
        if (!strcmp(verb, "resize")) resize_to(&image, w, h);
        wn_sha256_hex(image.rgb, (size_t)image.width * (size_t)image.height * 3, got);
        if (image.width != w || image.height != h || strcmp(got, want))
            fail_msg("%s %s: %d x %d %s, Pillow has %d x %d %s", verb, name, image.width, image.height, got, w, h,
                     want);
        wn_image_finish(&image);
        wn_buffer_finish(&file);
        lines++;
    }
    fclose(f);
    return lines;
}

static void every_coding_decodes_as_pillow_does(void **state)
{
    (void)state;
    assert_int_equal(compare_goldens("decode"), 37);
}

static void resize_equals_pillow_to_the_bit(void **state)
{
    (void)state;
    assert_int_equal(compare_goldens("resize"), 10);
}

static void other_formats_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        const char *name;
    } cases[] = {{"GIF89a\1\0\1\0", 10, "GIF"},
                 {"RIFF\0\0\0\0WEBPVP8 ", 16, "WebP"},
                 {"<svg xmlns=", 11, "SVG"},
                 {"BM\0\0\0\0", 6, "BMP"},
                 {"\0\0\0\x18"
                  "ftypheic",
                  12, "HEIC"},
                 {"\0\0\0\x1c"
                  "ftypavif",
                  12, "AVIF"},
                 {"II*\0\0\0\0\0", 8, "TIFF"},
                 {"%PDF-1.7", 8, "PDF"},
                 {"iVBORw0KGgo", 11, "PNG in base64"},
                 {"\x89PNG\n\n\x1a\n", 8, "nothing known"},
                 {"", 0, "0 bytes"},
                 {"\xff\xd8", 2, "nothing known"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct wn_image image;
        struct wn_error err = {0};
        assert_int_equal(wn_image_decode(cases[i].bytes, cases[i].size, limits, 0, &image, &err), WN_UNSUPPORTED_MEDIA);
        if (!strstr(err.text, cases[i].name)) fail_msg("\"%s\" does not name %s", err.text, cases[i].name);
        assert_null(image.rgb);
    }
}

static void limits_hold_to_the_pixel(void **state)
{
    (void)state;
    struct wn_buffer file = read_golden("rgb.png"); /* 23 x 17 */
    struct wn_image image;
    struct wn_image_limits tight = *limits;
    tight.max_side = 23;
    tight.max_pixels = 23 * 17;
    assert_int_equal(wn_image_decode(file.data, file.size, &tight, 0, &image, NULL), WN_OK);
    wn_image_finish(&image);
    tight.max_pixels--;
    assert_int_equal(wn_image_decode(file.data, file.size, &tight, 0, &image, NULL), WN_TOO_LARGE);
    tight.max_pixels++;
    tight.max_side--;
    assert_int_equal(wn_image_decode(file.data, file.size, &tight, 0, &image, NULL), WN_TOO_LARGE);
    wn_buffer_finish(&file);
}

static void megapixels_are_a_million_pixels(void **state)
{
    (void)state;
    struct wn_image_limits camera = *limits;
    struct wn_error err = {0};
    camera.max_pixels = 40000000;
    camera.max_side = 16384;
    assert_int_equal(wn_image_admit(7000, 7000, &camera, &err), WN_TOO_LARGE);
    assert_string_equal(err.text, "The picture has 49.0 Mpixel (7000 x 7000); at most 40.0 are taken.");
    camera.max_pixels = 120000;
    err = (struct wn_error){0};
    assert_int_equal(wn_image_admit(400, 301, &camera, &err), WN_TOO_LARGE);
    assert_string_equal(err.text, "The picture has 120400 pixels (400 x 301); at most 120000 are taken.");
}

static void malformed_exif_means_upright(void **state)
{
    (void)state;
    static const uint8_t good[] = "II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0";
    uint8_t bad[sizeof good];
    assert_int_equal(wn_exif_orientation(good, sizeof good - 1), 6);
    for (size_t n = 0; n < 22; n++) {
        uint8_t *cut = malloc(n ? n : 1); /* exactly as long, so that a sanitizer sees a read behind it */
        memcpy(cut, good, n);
        assert_int_equal(wn_exif_orientation(cut, n), 1);
        free(cut);
    }
    for (int value = 0; value < 256; value++) {
        memcpy(bad, good, sizeof good);
        bad[18] = (uint8_t)value;
        assert_int_equal(wn_exif_orientation(bad, sizeof good - 1), value >= 1 && value <= 8 ? value : 1);
    }
    memcpy(bad, good, sizeof good);
    memset(bad + 4, 0xff, 4); /* directory far outside */
    assert_int_equal(wn_exif_orientation(bad, sizeof good - 1), 1);
}

static void large_jpeg_is_reduced_only_when_asked_and_large_enough(void **state)
{
    (void)state;
    enum { W = 900, H = 801 };
    struct wn_buffer file = {0};
    struct wn_image image;
    uint8_t *rgb = calloc((size_t)W * H, 3);
    assert_int_equal(wn_jpeg_write_rgb(rgb, W, H, 85, &file, NULL), WN_OK);
    static const struct {
        int hint, reduction, w, h;
    } cases[] = {{0, 1, 900, 801},  {101, 1, 900, 801}, {100, 2, 450, 401}, {51, 2, 450, 401},
                 {50, 4, 225, 201}, {25, 8, 113, 101},  {1, 8, 113, 101}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(wn_image_decode(file.data, file.size, limits, cases[i].hint, &image, NULL), WN_OK);
        assert_int_equal(image.reduction, cases[i].reduction);
        assert_int_equal(image.width, cases[i].w);
        assert_int_equal(image.height, cases[i].h);
        assert_int_equal(image.full_width, W);
        assert_int_equal(image.full_height, H);
        wn_image_finish(&image);
    }
    wn_buffer_finish(&file);
    free(rgb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_coding_decodes_as_pillow_does),
        cmocka_unit_test(resize_equals_pillow_to_the_bit),
        cmocka_unit_test(other_formats_are_refused_by_name),
        cmocka_unit_test(limits_hold_to_the_pixel),
        cmocka_unit_test(megapixels_are_a_million_pixels),
        cmocka_unit_test(malformed_exif_means_upright),
        cmocka_unit_test(large_jpeg_is_reduced_only_when_asked_and_large_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
