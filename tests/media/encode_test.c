/* What is written can be read back; base64 takes what an encoder writes and nothing else. */
#include <media/base64.h>
#include <media/encode.h>
#include <media/npy.h>
#include <media/terminal.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct wn_image read_back(const struct wn_buffer *b)
{
    struct wn_image image;
    struct wn_error err = {0};
    if (wn_image_decode(b->data, b->size, &wn_image_limits_default, 0, &image, &err) != WN_OK) fail_msg("%s", err.text);
    return image;
}

static void palette_png_reads_back_as_its_colours(void **state)
{
    (void)state;
    enum { W = 65, H = 31 };
    uint8_t index[W * H];
    for (int i = 0; i < W * H; i++) index[i] = (uint8_t)rand();
    for (int m = 0; wn_colormap_at(m); m++) {
        struct wn_buffer out = {0};
        assert_int_equal(wn_png_write_indexed(index, W, H, wn_colormap_at(m), &out, NULL), WN_OK);
        assert_int_equal(out.data[25], 3); /* colour type: palette */
        struct wn_image image = read_back(&out);
        for (int i = 0; i < W * H; i++)
            assert_memory_equal(image.rgb + 3 * i, wn_colormap_palette(wn_colormap_at(m))[index[i]], 3);
        wn_image_finish(&image);
        wn_buffer_finish(&out);
    }
}

static void rgb_png_reads_back_to_the_bit_and_jpeg_nearly(void **state)
{
    (void)state;
    enum { W = 301, H = 203, N = W * H * 3 };
    static uint8_t rgb[N];
    struct wn_buffer out = {0};
    for (int i = 0; i < N; i++) rgb[i] = (uint8_t)(i / 3 % W * 255 / W + (i % 3) * 5 * (i / 3 / W) / H);
    assert_int_equal(wn_buffer_append(&out, "before", 6, NULL), WN_OK); /* encoders append */
    assert_int_equal(wn_png_write_rgb(rgb, W, H, &out, NULL), WN_OK);
    assert_memory_equal(out.data, "before", 6);
    struct wn_image image;
    assert_int_equal(wn_image_decode(out.data + 6, out.size - 6, &wn_image_limits_default, 0, &image, NULL), WN_OK);
    assert_memory_equal(image.rgb, rgb, N);
    wn_image_finish(&image);
    out.size = 0;
    assert_int_equal(wn_jpeg_write_rgb(rgb, W, H, 85, &out, NULL), WN_OK);
    image = read_back(&out);
    assert_int_equal(image.width, W);
    long sum = 0;
    for (int i = 0; i < N; i++) sum += abs(image.rgb[i] - rgb[i]);
    assert_true(sum < 3L * N);
    wn_image_finish(&image);
    wn_buffer_finish(&out);
}

static void jpeg_larger_than_one_step_of_the_buffer_is_whole(void **state)
{
    (void)state;
    enum { W = 500, H = 400, N = W * H * 3 };
    uint8_t *noise = malloc(N);
    struct wn_buffer out = {0};
    for (int i = 0; i < N; i += 3)
        noise[i] = noise[i + 1] = noise[i + 2] = (uint8_t)rand(); /* gray: nothing is lost to subsampling */
    assert_int_equal(wn_jpeg_write_rgb(noise, W, H, 95, &out, NULL), WN_OK);
    assert_true(out.size > 2 * 65536);
    assert_memory_equal(out.data + out.size - 2, "\xff\xd9", 2);
    struct wn_image image = read_back(&out);
    long sum = 0;
    for (int i = 0; i < N; i++) sum += abs(image.rgb[i] - noise[i]);
    assert_true(sum < 4L * N);
    wn_image_finish(&image);
    wn_buffer_finish(&out);
    free(noise);
}

static void overlay_blends_within_its_rectangle(void **state)
{
    (void)state;
    const struct wn_colormap *viridis = wn_colormap_find("viridis"), *diverging = wn_colormap_find("diverging");
    const uint8_t(*v)[3] = wn_colormap_palette(viridis), (*d)[3] = wn_colormap_palette(diverging);
    uint8_t rgb[12], index[4] = {0, 255, 128, 160};
    memset(rgb, 100, sizeof rgb);
    wn_overlay(rgb, 2, index, viridis, 0, 0, 0, 2, 2);
    for (int i = 0; i < 12; i++) assert_int_equal(rgb[i], 100);
    wn_overlay(rgb, 2, index, viridis, 0.5f, 1, 0, 2, 1); /* pixel 1 alone */
    for (int i = 0; i < 12; i++) assert_int_equal(rgb[i], i / 3 == 1 ? (100 + v[255][i % 3] + 1) / 2 : 100);
    wn_overlay(rgb, 2, index, viridis, 1, 0, 0, 2, 2);
    for (int i = 0; i < 12; i++) assert_int_equal(rgb[i], v[index[i / 3]][i % 3]);
    memset(rgb, 100, sizeof rgb);
    /* nothing veils nothing; half strength at a quarter of the way */
    wn_overlay(rgb, 2, index, diverging, 1, 0, 0, 2, 2);
    for (int c = 0; c < 3; c++) {
        assert_int_equal(rgb[3 + c], d[255][c]);
        assert_int_equal(rgb[6 + c], 100);
        assert_int_equal(rgb[9 + c], (100 + d[160][c] + 1) / 2);
    }
}

static void npy_header_is_what_numpy_writes(void **state)
{
    (void)state;
    static const struct {
        int shape[4], n;
        const char *dict;
    } cases[] = {{{3}, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }"},
                 {{1, 1, 3, 1}, 4, "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 3, 1), }"},
                 {{3, 1}, 2, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 1), }"}};
    const float data[3] = {1, -2, 0.5f};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct wn_buffer out = {0};
        assert_int_equal(wn_npy_write(data, cases[i].shape, cases[i].n, &out, NULL), WN_OK);
        assert_int_equal(out.size, 128 + 12);
        assert_memory_equal(out.data, "\x93NUMPY\1\0\x76\0", 10);
        assert_memory_equal(out.data + 10, cases[i].dict, strlen(cases[i].dict));
        for (size_t k = 10 + strlen(cases[i].dict); k < 127; k++) assert_int_equal(out.data[k], ' ');
        assert_int_equal(out.data[127], '\n');
        assert_memory_equal(out.data + 128, data, sizeof data);
        wn_buffer_finish(&out);
    }
}

static void base64_vectors_of_the_rfc_go_both_ways(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"f", "Zg=="},        {"fo", "Zm8="},        {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct wn_buffer text = {0}, bytes = {0};
        assert_int_equal(wn_base64_encode(pairs[i][0], strlen(pairs[i][0]), &text, NULL), WN_OK);
        assert_int_equal(text.size, strlen(pairs[i][1]));
        assert_memory_equal(text.data, pairs[i][1], text.size);
        assert_int_equal(wn_base64_decode(pairs[i][1], strlen(pairs[i][1]), &bytes, NULL), WN_OK);
        assert_int_equal(bytes.size, strlen(pairs[i][0]));
        assert_memory_equal(bytes.data, pairs[i][0], bytes.size);
        wn_buffer_finish(&text);
        wn_buffer_finish(&bytes);
    }
}

static void base64_of_random_bytes_comes_back(void **state)
{
    (void)state;
    for (size_t n = 1; n < 300; n++) {
        unsigned char data[300];
        struct wn_buffer text = {0}, bytes = {0};
        for (size_t i = 0; i < n; i++) data[i] = (unsigned char)rand();
        assert_int_equal(wn_base64_encode(data, n, &text, NULL), WN_OK);
        assert_int_equal(wn_base64_decode((char *)text.data, text.size, &bytes, NULL), WN_OK);
        assert_int_equal(bytes.size, n);
        assert_memory_equal(bytes.data, data, n);
        wn_buffer_finish(&text);
        wn_buffer_finish(&bytes);
    }
}

static void base64_that_no_encoder_writes_is_refused(void **state)
{
    (void)state;
    static const char *const bad[][2] = {{"", "empty"},
                                         {"Zg", "multiple of 4"},
                                         {"Zg=", "multiple of 4"},
                                         {"Zg===", "padding"},
                                         {"Zh==", "belong to no byte"},
                                         {"Zm9=", "no byte"},
                                         {"Zm 9v", "white space"},
                                         {"Zm9v\n", "white space"},
                                         {"\tZm9v", "white space"},
                                         {"Zm-_", "URL alphabet"},
                                         {"Z===", "padding"},
                                         {"====", "padding"},
                                         {"=", "multiple of 4"},
                                         {"==", "multiple of 4"},
                                         {"Zg==Zg==", "padding"},
                                         {"Zm9v!Zm9", "position 4"},
                                         {"Z", "multiple of 4"},
                                         {"\xff\xff\xff\xff", "position 0"},
                                         {"http://169.254.169.254/x", "URLs are not"},
                                         {"data:image/png;base64,Zm9v", "data URI is not"},
                                         {"file:///etc/passwd", "URLs are not"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct wn_buffer out = {0};
        struct wn_error err = {0};
        size_t n = strlen(bad[i][0]);
        char *exact = malloc(n ? n : 1); /* no NUL behind it: a sanitizer sees a read too far */
        memcpy(exact, bad[i][0], n);
        if (wn_base64_decode(exact, n, &out, &err) != WN_UNREADABLE_IMAGE) fail_msg("\"%s\" was accepted", bad[i][0]);
        if (!strstr(err.text, bad[i][1]))
            fail_msg("\"%s\": \"%s\" does not say \"%s\"", bad[i][0], err.text, bad[i][1]);
        assert_int_equal(out.size, 0);
        wn_buffer_finish(&out);
        free(exact);
    }
    struct wn_buffer out = {0};
    assert_int_equal(wn_base64_decode("Zm\0v", 4, &out, NULL), WN_UNREADABLE_IMAGE);
    wn_buffer_finish(&out);
}

static void sha256_is_that_of_the_standard(void **state)
{
    (void)state;
    char hex[65];
    wn_sha256_hex("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static int count(const struct wn_buffer *b, const char *what)
{
    int n = 0;
    size_t length = strlen(what);
    for (size_t i = 0; i + length <= b->size; i++) n += !memcmp(b->data + i, what, length);
    return n;
}

static void terminal_drawing_fills_its_columns(void **state)
{
    (void)state;
    enum { W = 90, H = 60 };
    static uint8_t rgb[W * H * 3];
    const struct wn_terminal_panel panels[2] = {{rgb, W, H}, {rgb, W, H}};
    for (int i = 0; i < W * H * 3; i++) rgb[i] = (uint8_t)rand();
    for (int colors = WN_TERMINAL_256; colors <= WN_TERMINAL_TRUE; colors++)
        for (int columns = 16; columns <= 200; columns += 23) {
            struct wn_buffer out = {0};
            assert_int_equal(wn_terminal_draw(panels, 2, columns, (enum wn_terminal_colors)colors, &out, NULL), WN_OK);
            int rows = count(&out, "\n"), blocks = count(&out, "\xe2\x96\x80");
            assert_true(rows > 0 && blocks % rows == 0 && blocks / rows + 1 <= columns &&
                        blocks / rows + 1 > columns * 3 / 4 - 6);
            assert_int_equal(count(&out, "\x1b[0m"), 2 * rows); /* every panel row ends plain */
            wn_buffer_finish(&out);
        }
    struct wn_buffer out = {0};
    assert_int_equal(wn_terminal_draw(panels, 2, 5, WN_TERMINAL_TRUE, &out, NULL), WN_BAD_REQUEST);
    wn_buffer_finish(&out);
}

static void tall_and_wide_panels_keep_within_the_columns(void **state)
{
    (void)state;
    static uint8_t rgb[4000 * 3];
    static const int sizes[][2] = {{4000, 1}, {1, 4000}, {400, 10}, {1, 1}, {3, 1000}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct wn_terminal_panel panels[2] = {{rgb, sizes[i][0], sizes[i][1]}, {rgb, sizes[i][0], sizes[i][1]}};
        struct wn_buffer out = {0};
        assert_int_equal(wn_terminal_draw(panels, 2, 80, WN_TERMINAL_TRUE, &out, NULL), WN_OK);
        int rows = count(&out, "\n");
        assert_true(rows >= 1 && rows <= 1000 && count(&out, "\xe2\x96\x80") / rows + 1 <= 80);
        wn_buffer_finish(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(palette_png_reads_back_as_its_colours),
        cmocka_unit_test(rgb_png_reads_back_to_the_bit_and_jpeg_nearly),
        cmocka_unit_test(jpeg_larger_than_one_step_of_the_buffer_is_whole),
        cmocka_unit_test(overlay_blends_within_its_rectangle),
        cmocka_unit_test(npy_header_is_what_numpy_writes),
        cmocka_unit_test(base64_vectors_of_the_rfc_go_both_ways),
        cmocka_unit_test(base64_of_random_bytes_comes_back),
        cmocka_unit_test(base64_that_no_encoder_writes_is_refused),
        cmocka_unit_test(sha256_is_that_of_the_standard),
        cmocka_unit_test(terminal_drawing_fills_its_columns),
        cmocka_unit_test(tall_and_wide_panels_keep_within_the_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
