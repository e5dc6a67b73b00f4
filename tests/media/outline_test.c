/* Outlines of masks: filled again, they give the mask. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <media/outline.h>

/* Whether the middle of pixel (x, y) lies within: how often a ray to the right meets the outline. */
static bool is_within(const struct wn_outline *o, double x, double y)
{
    bool in = false;
    for (int i = 0, k = o->n - 1; i < o->n; k = i++) {
        double ax = (double)o->points[2 * i], ay = (double)o->points[2 * i + 1], bx = (double)o->points[2 * k],
               by = (double)o->points[2 * k + 1];
        if ((ay > y) != (by > y) && x < (bx - ax) * (y - ay) / (by - ay) + ax) in = !in;
    }
    return in;
}

/* The share of pixels that mask and filled outlines have in common, of all that either has; *n: how many outlines. */
static double overlap(const uint8_t *mask, int h, int w, int *n)
{
    struct wn_outline list[WN_MOST_OUTLINES];
    struct wn_error err = {0};
    int both = 0, either = 0;
    assert_int_equal(wn_outlines(mask, h, w, list, n, &err), WN_OK);
    for (int i = 0; i < *n; i++) assert_true(list[i].n >= 3);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            bool in = false;
            for (int i = 0; i < *n; i++) in |= is_within(&list[i], x + 0.5, y + 0.5);
            both += in && mask[y * w + x];
            either += in || mask[y * w + x];
        }
    wn_outlines_finish(list, *n);
    return either ? (double)both / either : 1;
}

static void fill(uint8_t *mask, int w, int x0, int y0, int x1, int y1, uint8_t v)
{
    for (int y = y0; y < y1; y++) memset(mask + y * w + x0, v, (size_t)(x1 - x0));
}

static void rectangles_come_back_exactly(void **state)
{
    uint8_t mask[30 * 40];
    int n;
    (void)state;
    memset(mask, 1, sizeof mask);
    assert_true(overlap(mask, 30, 40, &n) == 1 && n == 1);
    memset(mask, 0, sizeof mask);
    assert_true(overlap(mask, 30, 40, &n) == 1 && n == 0);
    fill(mask, 40, 3, 4, 20, 9, 1);
    fill(mask, 40, 20, 9, 33, 25, 1); /* touches the first at a corner only: a piece of its own */
    assert_true(overlap(mask, 30, 40, &n) == 1 && n == 2);
    fill(mask, 40, 10, 8, 25, 12, 1);
    assert_true(overlap(mask, 30, 40, &n) > 0.9 && n == 1);
    memset(mask, 0, sizeof mask);
    mask[0] = mask[41 * 5] = mask[30 * 40 - 1] = 1; /* single pixels */
    assert_true(overlap(mask, 30, 40, &n) == 1 && n == 3);
}

static void thin_pieces_keep_their_corners(void **state)
{
    uint8_t mask[20 * 20] = {0};
    int n;
    (void)state;
    fill(mask, 20, 2, 3, 17, 4, 1);
    fill(mask, 20, 5, 6, 6, 19, 1);
    assert_true(overlap(mask, 20, 20, &n) == 1 && n == 2);
}

static void round_pieces_come_back_closely_and_with_few_points(void **state)
{
    enum { SIDE = 128 };
    uint8_t mask[SIDE * SIDE];
    struct wn_outline list[WN_MOST_OUTLINES];
    struct wn_error err = {0};
    int n;
    (void)state;
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) mask[y * SIDE + x] = (x - 60) * (x - 60) + 2 * (y - 70) * (y - 70) < 40 * 40;
    assert_true(overlap(mask, SIDE, SIDE, &n) > 0.95 && n == 1);
    assert_int_equal(wn_outlines(mask, SIDE, SIDE, list, &n, &err), WN_OK);
    assert_in_range(list[0].n, 8, 60);
    wn_outlines_finish(list, n);
}

/* Whatever stands in a mask, the walk around it ends and stays in the picture. */
static void any_mask_has_outlines(void **state)
{
    uint8_t mask[33 * 21];
    uint32_t seed = 7;
    (void)state;
    for (int round = 0; round < 200; round++) {
        struct wn_outline list[WN_MOST_OUTLINES];
        struct wn_error err = {0};
        int n;
        for (size_t i = 0; i < sizeof mask; i++)
            mask[i] = ((seed = seed * 1664525u + 1013904223u) >> 16) % 8 < (uint32_t)(round % 8);
        assert_int_equal(wn_outlines(mask, 21, 33, list, &n, &err), WN_OK);
        for (int i = 0; i < n; i++)
            for (int k = 0; k < list[i].n; k++) {
                assert_true(list[i].points[2 * k] >= 0 && list[i].points[2 * k] <= 33);
                assert_true(list[i].points[2 * k + 1] >= 0 && list[i].points[2 * k + 1] <= 21);
            }
        wn_outlines_finish(list, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rectangles_come_back_exactly), cmocka_unit_test(thin_pieces_keep_their_corners),
        cmocka_unit_test(round_pieces_come_back_closely_and_with_few_points), cmocka_unit_test(any_mask_has_outlines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
