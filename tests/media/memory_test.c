/* The n-th allocation fails, for every n, once or from then on: an error, nothing leaked, and the next try succeeds.
 * Replaces malloc for this program and the libraries it uses. */
#include <media/base64.h>
#include <media/encode.h>
#include <media/npy.h>
#include <media/preprocess.h>
#include <media/render.h>
#include <media/terminal.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "golden.h"

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);
extern void __libc_free(void *p);

static struct {
    bool armed, from_then_on;
    long calls, fail_at, alive;
} memory;

static bool refuse(void)
{
    if (!memory.armed) return false;
    memory.calls++;
    return memory.from_then_on ? memory.calls >= memory.fail_at : memory.calls == memory.fail_at;
}

WN_API void *malloc(size_t n)
{
    void *p = refuse() ? NULL : __libc_malloc(n);
    memory.alive += memory.armed && p;
    return p;
}

WN_API void *calloc(size_t n, size_t size)
{
    void *p = refuse() ? NULL : __libc_calloc(n, size);
    memory.alive += memory.armed && p;
    return p;
}

WN_API void *realloc(void *p, size_t n)
{
    void *q = refuse() ? NULL : __libc_realloc(p, n);
    memory.alive += memory.armed && q && !p;
    return q;
}

WN_API void free(void *p)
{
    memory.alive -= memory.armed && p;
    __libc_free(p);
}

static enum wn_code decode_and_prepare(const struct wn_buffer *file, const char *profile, struct wn_error *err)
{
    const struct wn_preprocess *p = &wn_preprocess_profile_find(profile)->preprocess;
    static float input[3 * 224 * 224];
    struct wn_image image;
    struct wn_geometry geo;
    enum wn_code code = wn_image_decode(file->data, file->size, &wn_image_limits_default, 0, &image, err);
    if (code == WN_OK) code = wn_preprocess_geometry(p, image.full_width, image.full_height, &geo, err);
    if (code == WN_OK) code = wn_preprocess_apply(p, &image, &geo, input, err);
    wn_image_finish(&image);
    return code;
}

static enum wn_code draw_and_write(struct wn_error *err)
{
    static uint8_t index[80 * 60], rgb[80 * 60 * 3];
    static const float map[4] = {-1, 0, 2, 1};
    const struct wn_view view = wn_view_whole(80, 60);
    const struct wn_render r = {.normalize = WN_NORMALIZE_SYMMETRIC, .percentile = 90, .relu = true};
    const struct wn_colormap *colors = wn_colormap_at(0);
    const struct wn_terminal_panel panel = {rgb, 80, 60};
    struct wn_rendered drawn;
    struct wn_buffer out = {0};
    enum wn_code code = wn_render_map(map, 2, 2, &view, &r, index, &drawn, err);
    if (code == WN_OK) code = wn_png_write_indexed(index, 80, 60, colors, &out, err);
    if (code == WN_OK) code = wn_png_write_rgb(rgb, 80, 60, &out, err);
    if (code == WN_OK) code = wn_jpeg_write_rgb(rgb, 80, 60, 85, &out, err);
    if (code == WN_OK) code = wn_npy_write(map, (const int[]){2, 2}, 2, &out, err);
    if (code == WN_OK) code = wn_terminal_draw(&panel, 1, 40, WN_TERMINAL_256, &out, err);
    if (code == WN_OK) code = wn_base64_encode(map, sizeof map, &out, err);
    if (code == WN_OK) code = wn_base64_decode("Zm9v", 4, &out, err);
    wn_buffer_finish(&out);
    return code;
}

static enum wn_code work(int kind, const struct wn_buffer *file, struct wn_error *err)
{
    return kind < 2 ? decode_and_prepare(file, kind ? "squash-noaa" : "squash", err) : draw_and_write(err);
}

static long fail_each(int kind, const struct wn_buffer *file, bool from_then_on)
{
    for (long n = 1;; n++) {
        struct wn_error err = {0};
        memory.calls = memory.alive = 0;
        memory.fail_at = n;
        memory.from_then_on = from_then_on;
        memory.armed = true;
        enum wn_code code = work(kind, file, &err);
        memory.armed = false;
        if (memory.alive) fail_msg("%ld blocks are lost when allocation %ld fails", memory.alive, n);
        if (memory.calls < n) {
            assert_int_equal(code, WN_OK);
            return n - 1;
        }
        if (code != WN_OK && code != WN_NO_MEMORY)
            fail_msg("allocation %ld fails and gives %s: %s", n, wn_code_name(code), err.text);
        if (code != WN_OK && !err.text[0]) fail_msg("allocation %ld fails without a word", n);
        assert_true(code != WN_OK || !from_then_on);
    }
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    static const char *const files[] = {"420.jpg",      "progressive.jpg", "cmyk.jpg",  "rgb.png",
                                        "palette4.png", "interlaced.png",  "turn6.jpg", "turn6.png"};
    assert_int_equal(draw_and_write(NULL), WN_OK); /* what is made once is made before the counting */
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        struct wn_buffer file = read_golden(files[f]);
        for (int kind = 0; kind < 2; kind++)
            for (int mode = 0; mode < 2; mode++) assert_true(fail_each(kind, &file, mode) >= 5);
        wn_buffer_finish(&file);
    }
    for (int mode = 0; mode < 2; mode++) assert_true(fail_each(2, NULL, mode) >= 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_may_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
