/* Pictures of which only what a network looks at is decoded: the same numbers as from the whole, for every kind of
 * JPEG and every cut. */
#include <media/preprocess.h>
#include <media/resize.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jpeglib.h>

struct coding {
    const char *name;
    int across, down; /* pixels of brightness to one of colour */
    bool gray, progressive, restarts;
};

static const struct coding codings[] = {
    {"4:4:4", 1, 1, false, false, false}, {"4:2:2", 2, 1, false, false, false},
    {"4:2:0", 2, 2, false, false, false}, {"4:4:0", 1, 2, false, false, false},
    {"4:1:1", 4, 1, false, false, false}, {"4:2:0 with restarts", 2, 2, false, false, true},
    {"gray", 1, 1, true, false, false},   {"progressive", 2, 2, false, true, false},
};
enum { CODINGS = sizeof codings / sizeof *codings };

static unsigned seed = 1;

static int below(int n)
{
    seed = seed * 1664525 + 1013904223;
    return (int)((uint64_t)(seed >> 8) * (uint64_t)n >> 24);
}

/* Blocks of random colours with noise on them: every chroma sample differs from its neighbours. */
static void fill_row(uint8_t *row, int width, int y, int channels)
{
    for (int x = 0; x < width * channels; x++)
        row[x] = (uint8_t)((x / channels / 5 * 37 + y / 3 * 91 + x % channels * 60 + below(60)) & 255);
}

static size_t encode(const struct coding *how, int width, int height, int quality, unsigned char **out)
{
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr errors;
    unsigned long size = 0;
    const int channels = how->gray ? 1 : 3;
    uint8_t *row = malloc((size_t)width * 3);
    *out = NULL;
    c.err = jpeg_std_error(&errors);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, out, &size);
    c.image_width = (JDIMENSION)width;
    c.image_height = (JDIMENSION)height;
    c.input_components = channels;
    c.in_color_space = how->gray ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&c);
    jpeg_set_quality(&c, quality, TRUE);
    c.comp_info[0].h_samp_factor = how->across;
    c.comp_info[0].v_samp_factor = how->down;
    if (how->progressive) jpeg_simple_progression(&c);
    if (how->restarts) c.restart_in_rows = 1;
    jpeg_start_compress(&c, TRUE);
    for (int y = 0; y < height; y++) {
        fill_row(row, width, y, channels);
        jpeg_write_scanlines(&c, (JSAMPARRAY)&row, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    free(row);
    return size;
}

static struct wn_preprocess some_preprocess(int width, int height)
{
    static const enum wn_resize_mode modes[] = {WN_RESIZE_NONE, WN_RESIZE_SQUASH, WN_RESIZE_SHORT_SIDE,
                                                WN_RESIZE_SHORT_SIDE};
    struct wn_preprocess p = {.resize = modes[below(4)], .antialias = below(4) > 0, .scale = 1, .std = {1, 1, 1}};
    int side = 8 + below(300), shorter = width < height ? width : height;
    p.order = below(5) ? WN_CHANNELS_RGB : WN_CHANNELS_GRAY;
    p.resize_w = p.resize_h = side;
    if (p.resize == WN_RESIZE_NONE) side = shorter;
    p.crop_w = 1 + below(side);
    p.crop_h = 1 + below(side);
    return p;
}

/* floats: of the input. NULL where it was refused. */
static float *input_of(const struct wn_preprocess *p, const struct wn_image_use *use, const uint8_t *data, size_t size,
                       size_t *floats, struct wn_image *image)
{
    struct wn_geometry geo;
    struct wn_error err = {0};
    if (wn_image_decode_for(use, data, size, &wn_image_limits_default, image, &err) != WN_OK) return NULL;
    assert_int_equal(wn_preprocess_geometry(p, image->full_width, image->full_height, &geo, NULL), WN_OK);
    *floats = (size_t)wn_preprocess_channels(p) * (size_t)geo.crop_w * (size_t)geo.crop_h;
    float *input = malloc(*floats * sizeof *input);
    if (wn_preprocess_apply(p, image, &geo, input, &err) != WN_OK) fail_msg("%s", err.text);
    wn_image_finish(image);
    return input;
}

static void a_part_makes_the_same_numbers_as_the_whole(void **state)
{
    (void)state;
    for (int i = 0; i < 120; i++) {
        const struct coding *how = &codings[i % CODINGS];
        const int width = 1 + below(i % 3 ? 400 : 40), height = 1 + below(i % 3 ? 400 : 40);
        unsigned char *file;
        size_t size = encode(how, width, height, 30 + below(70), &file), n = 0, m = 0;
        for (int k = 0; k < 4; k++) {
            const struct wn_preprocess p = some_preprocess(width, height);
            const struct wn_image_use part = wn_preprocess_use(&p), whole = {.short_side = wn_preprocess_hint(&p)};
            struct wn_image image;
            float *a = input_of(&p, &whole, file, size, &n, &image), *b = input_of(&p, &part, file, size, &m, &image);
            if (!a || !b || n != m || memcmp(a, b, n * sizeof *a))
                fail_msg("%s, %d x %d, resize %d to %d, crop %d x %d", how->name, width, height, (int)p.resize,
                         p.resize_w, p.crop_w, p.crop_h);
            free(a);
            free(b);
        }
        free(file);
    }
}

static void a_large_picture_is_reduced_and_cut(void **state)
{
    (void)state;
    const struct wn_preprocess p = {.resize = WN_RESIZE_SHORT_SIDE,
                                    .resize_w = 32,
                                    .crop_w = 16,
                                    .crop_h = 16,
                                    .antialias = true,
                                    .scale = 1,
                                    .std = {1, 1, 1}};
    for (int i = 0; i < CODINGS; i++) {
        unsigned char *file;
        size_t size = encode(&codings[i], 1203, 777, 85, &file), n = 0, m = 0;
        const struct wn_image_use part = wn_preprocess_use(&p), whole = {.short_side = wn_preprocess_hint(&p)};
        struct wn_image image;
        assert_int_equal(wn_image_decode_for(&part, file, size, &wn_image_limits_default, &image, NULL), WN_OK);
        assert_int_equal(image.reduction, 4);
        assert_int_equal(image.full_width, 1203);
        assert_true((image.width < 301) == !codings[i].progressive); /* of 301 x 195 */
        assert_true((image.height < 195) == !codings[i].progressive);
        wn_image_finish(&image);
        float *a = input_of(&p, &whole, file, size, &n, &image), *b = input_of(&p, &part, file, size, &m, &image);
        if (!a || !b || n != m || memcmp(a, b, n * sizeof *a)) fail_msg("%s", codings[i].name);
        free(a);
        free(b);
        free(file);
    }
}

static void little_more_than_the_crop_is_decoded(void **state)
{
    (void)state;
    const struct wn_preprocess *p = &wn_preprocess_profile_find("center-crop")->preprocess;
    const struct wn_image_use use = wn_preprocess_use(p);
    unsigned char *file;
    size_t size = encode(&codings[2], 500, 375, 85, &file);
    struct wn_image image;
    assert_int_equal(wn_image_decode_for(&use, file, size, &wn_image_limits_default, &image, NULL), WN_OK);
    assert_int_equal(image.full_width, 500);
    assert_int_equal(image.full_height, 375);
    assert_in_range(image.width, 328, 376); /* 224 / 256 of 375, and at most a block and the edges more */
    assert_in_range(image.height, 328, 352);
    wn_image_finish(&image);
    free(file);
}

/* What is cut off inside the part is missed; so is what is cut off below it, because the end is. */
static void a_truncated_picture_is_refused_wherever_it_ends(void **state)
{
    (void)state;
    const struct wn_preprocess p = {.resize = WN_RESIZE_NONE, .crop_w = 16, .crop_h = 16, .scale = 1, .std = {1, 1, 1}};
    const struct wn_image_use use = wn_preprocess_use(&p);
    for (int i = 0; i < CODINGS; i++) {
        unsigned char *file;
        size_t size = encode(&codings[i], 64, 96, 85, &file);
        for (size_t n = 0; n + 2 < size; n += n + 300 < size ? 5 : 1) {
            struct wn_image image;
            unsigned char *cut = malloc(n + 1);
            memcpy(cut, file, n);
            if (wn_image_decode_for(&use, cut, n, &wn_image_limits_default, &image, NULL) == WN_OK)
                fail_msg("%s, %zu of %zu bytes", codings[i].name, n, size);
            free(cut);
        }
        free(file);
    }
}

static void damage_never_does_more_than_spoil_the_picture(void **state)
{
    (void)state;
    for (int i = 0; i < 100 * CODINGS; i++) {
        const struct wn_preprocess p = {.resize = WN_RESIZE_SHORT_SIDE,
                                        .resize_w = 20,
                                        .crop_w = 9,
                                        .crop_h = 13,
                                        .antialias = true,
                                        .scale = 1,
                                        .std = {1, 1, 1}};
        const struct wn_image_use use = wn_preprocess_use(&p);
        unsigned char *file;
        size_t size = encode(&codings[i % CODINGS], 50 + below(50), 40 + below(50), 85, &file), n;
        struct wn_image image;
        for (int flips = 1 + i % 3; flips > 0; flips--)
            file[20 + below((int)size - 20)] ^= (unsigned char)(1 << below(8));
        free(input_of(&p, &use, file, size, &n, &image));
        assert_null(image.rgb);
        free(file);
    }
}

static void a_part_that_is_too_small_is_refused_and_not_read_past(void **state)
{
    (void)state;
    uint8_t out[64 * 3];
    float floats[64 * 3];
    uint8_t *src = calloc(10 * 10, 3);
    struct wn_resize r = {.src_w = 40,
                          .src_h = 40,
                          .channels = 3,
                          .part_x = 10,
                          .part_y = 10,
                          .part_w = 10,
                          .part_h = 10,
                          .dst_w = 20,
                          .dst_h = 20,
                          .x = 6,
                          .y = 6,
                          .w = 3,
                          .h = 3};
    assert_int_equal(wn_resize_antialias(&r, src, out, NULL), WN_OK);
    assert_int_equal(wn_resize_plain(&r, src, floats, NULL), WN_OK);
    for (int side = 0; side < 4; side++) {
        struct wn_resize bad = r;
        *(side < 2 ? &bad.x : &bad.y) += side % 2 ? 4 : -4;
        assert_int_equal(wn_resize_antialias(&bad, src, out, NULL), WN_INTERNAL);
        assert_int_equal(wn_resize_plain(&bad, src, floats, NULL), WN_INTERNAL);
        bad.dst_w = bad.dst_h = 40; /* no resize at all */
        assert_int_equal(wn_resize_antialias(&bad, src, out, NULL), WN_INTERNAL);
    }
    free(src);
}

static void the_cost_is_told_from_the_first_bytes(void **state)
{
    (void)state;
    const struct wn_image_limits *limits = &wn_image_limits_default;
    const int64_t most = wn_image_cost_ns("\xff\xd8\xff", 3, 3, limits);
    assert_int_equal(wn_image_cost_ns("GIF89a", 6, 6, limits), 0);
    assert_int_equal(wn_image_cost_ns("", 0, 0, limits), 0);
    assert_true(most > limits->max_pixels);
    for (int i = 0; i < CODINGS; i++) {
        unsigned char *small, *large;
        size_t a = encode(&codings[i], 100, 80, 85, &small), b = encode(&codings[i], 200, 160, 85, &large);
        int64_t few = wn_image_cost_ns(small, 700, a, limits), many = wn_image_cost_ns(large, b, b, limits);
        assert_in_range(few, 100 * 80 * 4, 100 * 80 * 20 + (int64_t)a * 10);
        assert_in_range(many, 3 * few, 5 * few);
        for (size_t n = 3; n < b; n++) {
            uint8_t *cut = malloc(n); /* exactly as long, so that a sanitizer sees a read behind it */
            memcpy(cut, large, n);
            int64_t cost = wn_image_cost_ns(cut, n, b, limits);
            assert_true(cost == many || cost >= most);
            free(cut);
        }
        const struct wn_image_limits tight = {.max_pixels = 100};
        assert_int_equal(wn_image_cost_ns(small, a, a, &tight), 0);
        free(small);
        free(large);
    }
}

/* As many pixels as 64 bits do not hold are too many, and not a negative number of them. */
static void the_largest_sides_that_a_png_can_claim_cost_nothing(void **state)
{
    static const char header[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff\xff\xff\xff\xff\xff\xff\xff\x08\2\0\0\0";
    (void)state;
    assert_int_equal(wn_image_cost_ns(header, sizeof header - 1, sizeof header - 1, &wn_image_limits_default), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_part_makes_the_same_numbers_as_the_whole),
        cmocka_unit_test(a_large_picture_is_reduced_and_cut),
        cmocka_unit_test(little_more_than_the_crop_is_decoded),
        cmocka_unit_test(a_truncated_picture_is_refused_wherever_it_ends),
        cmocka_unit_test(damage_never_does_more_than_spoil_the_picture),
        cmocka_unit_test(a_part_that_is_too_small_is_refused_and_not_read_past),
        cmocka_unit_test(the_cost_is_told_from_the_first_bytes),
        cmocka_unit_test(the_largest_sides_that_a_png_can_claim_cost_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
