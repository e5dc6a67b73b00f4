/* Maps enlarged, pictures blurred and pixels hidden by the kernels are, number for number, those of the processor:
 * odd shapes, several rows. On the emulation. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <whynot/masking.h>

#include "emulation_control.h"
#include "guarded.h"
#include "kernels.h"

static struct guarded floats(size_t n)
{
    return guarded(n * sizeof(float));
}

static float *of(const struct guarded *g)
{
    return (float *)(void *)g->data;
}

/* Of few values, so that many are equal; zeros of both signs among them. */
static struct guarded random_floats(size_t n)
{
    struct guarded g = floats(n);
    for (size_t i = 0; i < n; i++) of(&g)[i] = rand() % 5 ? (float)(rand() % 41 - 20) * 0.37f : rand() % 2 ? 0.f : -0.f;
    return g;
}

static void finish(struct guarded *g)
{
    check_guard(g);
    free(g->data);
}

static void check_same(const float *got, const float *want, size_t n, const char *what)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(&got[i], &want[i], sizeof *got) != 0)
            fail_msg("%s: number %zu is %.9g, not %.9g", what, i, (double)got[i], (double)want[i]);
}

/* ---- enlarging ---- */

static void check_enlarge(int n, int h, int w, int height, int width, bool align)
{
    char what[80];
    struct guarded map = random_floats((size_t)(n * h * w)), out = floats((size_t)(n * height * width));
    float *want = malloc(out.size);
    const struct wn_cuda_enlarge e = {of(&map), of(&out), n, h, w, height, width, align};
    for (int i = 0; i < n; i++)
        assert_int_equal(wn_enlarge(of(&map) + i * h * w, h, w, align, height, width, want + i * height * width, NULL),
                         WN_OK);
    wn_cuda_launch_enlarge(&e, NULL);
    snprintf(what, sizeof what, "%d maps of %d x %d to %d x %d", n, w, h, width, height);
    check_same(of(&out), want, (size_t)(n * height * width), what);
    free(want), finish(&map), finish(&out);
}

static void enlarged_maps_are_the_processors(void **state)
{
    (void)state;
    static const int from[][2] = {{1, 1}, {7, 7}, {13, 13}, {5, 40}}, to[][2] = {{1, 1}, {31, 33}, {33, 32}, {7, 7}};
    wn_emulated_order = 0;
    for (int i = 0; i < 32; i++)
        check_enlarge(1 + i % 3, from[i % 4][0], from[i % 4][1], to[i / 4 % 4][0], to[i / 4 % 4][1], i >= 16);
    check_enlarge(2, 13, 13, 224, 224, false);
    check_enlarge(2, 7, 7, 224, 224, true);
}

/* ---- blurs ---- */

static void check_blur(int planes, int h, int w, const float *taps, int radius, enum wn_border border)
{
    char what[80];
    const size_t n = (size_t)(planes * h * w);
    struct guarded x = random_floats(n), scratch = floats(n), out = floats(n),
                   on_device = floats((size_t)(2 * radius + 1));
    float *want = malloc(out.size);
    memcpy(on_device.data, taps, on_device.size);
    const struct wn_cuda_blur b = {of(&x), of(&on_device), of(&scratch), of(&out), planes, h, w, radius, border};
    assert_int_equal(wn_blur(of(&x), planes, h, w, taps, radius, border, want, NULL), WN_OK);
    wn_cuda_launch_blur(&b, NULL);
    snprintf(what, sizeof what, "%d planes of %d x %d, radius %d, border %d", planes, w, h, radius, (int)border);
    check_same(of(&out), want, n, what);
    free(want), finish(&x), finish(&scratch), finish(&out), finish(&on_device);
}

static void blurred_planes_are_the_processors(void **state)
{
    (void)state;
    static const int sides[][2] = {{1, 1}, {7, 7}, {13, 13}, {31, 33}, {33, 64}, {12, 5}};
    float taps[2 * WN_BLUR_RADIUS + 1];
    for (int i = 0; i < 6; i++) {
        const int h = sides[i][0], w = sides[i][1], radius = (h < w ? h : w) - 1;
        wn_gaussian_taps(WN_BLUR_SIGMA, radius, taps);
        check_blur(1 + i % 4, h, w, taps, radius, WN_BORDER_MIRROR);
        check_blur(3, h, w, wn_rise_taps, 5, WN_BORDER_ZERO);
    }
    wn_gaussian_taps(WN_BLUR_SIGMA, WN_BLUR_RADIUS, taps);
    check_blur(1, 60, 68, taps, WN_BLUR_RADIUS, WN_BORDER_MIRROR);
}

/* ---- colours of planes ---- */

static void mean_colours_are_the_processors_but_for_the_last_bit(void **state)
{
    (void)state;
    static const int pixels[] = {1, 49, 1023, 1000};
    for (wn_emulated_order = 0; wn_emulated_order < 3; wn_emulated_order++)
        for (int i = 0; i < 4; i++) {
            const int planes = 1 + 2 * i, n = pixels[i];
            struct guarded x = random_floats((size_t)(planes * n)), mean = floats((size_t)planes),
                           out = floats((size_t)(planes * n));
            float *want = malloc(out.size);
            assert_int_equal(wn_fill_make(WN_FILL_MEAN, of(&x), planes, 1, n, NULL, want, NULL, NULL), WN_OK);
            wn_cuda_launch_plane_mean(of(&x), planes, n, of(&mean), NULL);
            wn_cuda_launch_fill_planes(of(&mean), planes, n, of(&out), NULL);
            for (int k = 0; k < planes * n; k++) {
                const float got = of(&out)[k];
                if (!(nextafterf(want[k], -INFINITY) <= got && got <= nextafterf(want[k], INFINITY)))
                    fail_msg("mean %g, not %g", (double)got, (double)want[k]);
                assert_memory_equal(&got, &of(&mean)[k / n], sizeof got);
            }
            free(want), finish(&x), finish(&mean), finish(&out);
        }
    wn_emulated_order = 0;
}

/* ---- hiding ---- */

enum { MAPS = 3, ROWS = 11 };

static void want_hidden(const float *map, int pixels, const struct wn_cuda_hidden *row, bool *hidden)
{
    if (row->count < 0)
        wn_mask_sign(map, (size_t)pixels, row->keep, hidden);
    else
        assert_int_equal(wn_mask_extreme(map, (size_t)pixels, row->keep, (size_t)row->count, hidden, NULL), WN_OK);
}

static void check_hidden(int channels, int pixels)
{
    const size_t plane = (size_t)pixels, image = plane * (size_t)channels;
    struct guarded maps = random_floats(MAPS * plane), x = random_floats(MAPS * image),
                   fill = random_floats(MAPS * image), out = floats(ROWS * image);
    struct guarded hidden = guarded(ROWS * plane), found = guarded(ROWS * sizeof(int32_t)),
                   rows = guarded(ROWS * sizeof(struct wn_cuda_hidden));
    struct guarded images = guarded(ROWS * sizeof(int32_t));
    struct wn_cuda_hidden *row = (struct wn_cuda_hidden *)(void *)rows.data;
    for (size_t i = 0; i < MAPS * plane; i += 2) of(&maps)[i] = 0.25f * (float)((int)(i % 5) - 2); /* ties */
    const int counts[] = {-1, 0, 1, pixels / 2, pixels, pixels - pixels / 3};
    for (int r = 0; r < ROWS; r++) {
        row[r] = (struct wn_cuda_hidden){.map = r * 2 % MAPS, .count = counts[r / 2], .keep = (enum wn_keep)(r % 2)};
        ((int32_t *)(void *)images.data)[r] = r % MAPS;
    }
    const struct wn_cuda_choose choose = {of(&maps), row, hidden.data, (int32_t *)(void *)found.data, ROWS, pixels};
    const struct wn_cuda_replace replace = {
        of(&x), of(&fill), hidden.data, (const int32_t *)(const void *)images.data, of(&out), ROWS, channels, pixels};
    wn_cuda_launch_choose(&choose, NULL);
    wn_cuda_launch_replace(&replace, NULL);
    bool *want = malloc(plane * sizeof *want);
    float *picture = malloc(image * sizeof *picture);
    for (int r = 0; r < ROWS; r++) {
        int n = 0;
        want_hidden(of(&maps) + (size_t)row[r].map * plane, pixels, &row[r], want);
        for (int i = 0; i < pixels; i++) {
            if (hidden.data[(size_t)r * plane + (size_t)i] != want[i])
                fail_msg("%d pixels, row %d: pixel %d is wrong", pixels, r, i);
            n += want[i];
        }
        assert_int_equal(choose.found[r], n);
        wn_mask_apply(of(&x) + (size_t)(r % MAPS) * image, of(&fill) + (size_t)(r % MAPS) * image, want, channels,
                      plane, picture);
        check_same(of(&out) + (size_t)r * image, picture, image, "a picture with pixels hidden");
    }
    free(want), free(picture);
    finish(&maps), finish(&x), finish(&fill), finish(&out), finish(&hidden), finish(&found), finish(&rows),
        finish(&images);
}

static void hidden_pixels_are_the_processors(void **state)
{
    (void)state;
    static const int pixels[] = {1, 49, 31 * 33, 260};
    for (wn_emulated_order = 0; wn_emulated_order < 3; wn_emulated_order++)
        for (int i = 0; i < 4; i++) check_hidden(i % 2 ? 3 : 1, pixels[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(enlarged_maps_are_the_processors),
        cmocka_unit_test(blurred_planes_are_the_processors),
        cmocka_unit_test(mean_colours_are_the_processors_but_for_the_last_bit),
        cmocka_unit_test(hidden_pixels_are_the_processors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
