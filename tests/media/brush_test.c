/* Masks to brush bytes and back, by a decoder written here from the format's description. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <media/brush.h>

struct reader {
    const struct wn_buffer *in;
    size_t bit;
};

static uint32_t take(struct reader *r, int n)
{
    uint32_t v = 0;
    for (int i = 0; i < n; i++, r->bit++) {
        assert_true(r->bit / 8 < r->in->size);
        v = v << 1 | (r->in->data[r->bit / 8] >> (7 - r->bit % 8) & 1);
    }
    return v;
}

/* out: room for `values` numbers. */
static void decode(const struct wn_buffer *in, uint8_t *out, size_t values)
{
    struct reader r = {in, 0};
    int sizes[4];
    assert_int_equal(take(&r, 32), values);
    int word = (int)take(&r, 5) + 1;
    for (int i = 0; i < 4; i++) sizes[i] = (int)take(&r, 4) + 1;
    for (size_t i = 0; i < values;) {
        bool repeats = take(&r, 1);
        int size = sizes[take(&r, 2)];
        size_t length = (size_t)take(&r, size) + 1;
        assert_true(length <= values - i);
        uint8_t v = repeats ? (uint8_t)take(&r, word) : 0;
        for (; length; length--) out[i++] = repeats ? v : (uint8_t)take(&r, word);
    }
    assert_true(in->size * 8 - r.bit < 8); /* nothing but the filling of the last byte */
    while (r.bit < in->size * 8) assert_int_equal(take(&r, 1), 0);
}

static void check(const uint8_t *mask, int w, int h, int width, int height)
{
    struct wn_buffer rle = {0};
    struct wn_error err = {0};
    size_t values = (size_t)width * (size_t)height * 4;
    uint8_t *out = malloc(values);
    assert_non_null(out);
    assert_int_equal(wn_brush_encode(&(struct wn_brush){mask, w, h, width, height}, &rle, &err), WN_OK);
    decode(&rle, out, values);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            uint8_t inside = mask[(int64_t)y * h / height * w + (int64_t)x * w / width] ? 255 : 0;
            for (int c = 0; c < 4; c++)
                assert_int_equal(out[((size_t)y * (size_t)width + (size_t)x) * 4 + (size_t)c], inside);
        }
    wn_buffer_finish(&rle);
    free(out);
}

static uint32_t seed = 1;
static uint32_t any(void)
{
    return (seed = seed * 1664525u + 1013904223u) >> 8;
}

static void a_mask_of_any_size_comes_back(void **state)
{
    static const int sizes[][2] = {{1, 1}, {1, 7}, {7, 1}, {3, 5}, {16, 16}, {17, 31}, {64, 1}, {101, 67}, {255, 3}};
    uint8_t mask[128 * 128];
    (void)state;
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
        for (int kind = 0; kind < 6; kind++) {
            int w = sizes[k][0], h = sizes[k][1];
            for (int i = 0; i < w * h; i++)
                mask[i] = kind == 0 ? 0 : kind == 1 ? 1 : kind == 2 ? i % 2 == 0 : any() % (kind == 5 ? 40u : 2u) == 0;
            check(mask, w, h, w, h);
        }
}

static void a_mask_is_stretched_by_nearest_pixels(void **state)
{
    uint8_t mask[9 * 7];
    (void)state;
    for (int i = 0; i < 9 * 7; i++) mask[i] = any() % 2 == 0;
    for (int width = 9; width < 40; width += 3)
        for (int height = 7; height < 30; height += 5) check(mask, 9, 7, width, height);
}

/* The longest length that a size holds, and one more, of each size. */
static void runs_at_the_edges_of_each_size_come_back(void **state)
{
    static const int edges[] = {2, 4, 64, 16384, 32768}; /* pixels; a run has four values a pixel */
    uint8_t *mask = calloc(1, 100000);
    (void)state;
    assert_non_null(mask);
    for (size_t k = 0; k < sizeof edges / sizeof *edges; k++)
        for (int more = -1; more <= 1; more++) {
            int n = edges[k] + more, w = n + 5;
            memset(mask, 0, 100000);
            memset(mask + 2, 1, (size_t)n);
            check(mask, w, 1, w, 1);
            memset(mask, 1, (size_t)w); /* one run from end to end */
            check(mask, w, 1, w, 1);
        }
    free(mask);
}

static void a_large_picture_takes_few_bytes(void **state)
{
    uint8_t mask[32 * 32] = {0};
    struct wn_buffer rle = {0};
    struct wn_error err = {0};
    (void)state;
    for (int y = 8; y < 24; y++) memset(mask + y * 32 + 8, 1, 16);
    assert_int_equal(wn_brush_encode(&(struct wn_brush){mask, 32, 32, 8000, 5000}, &rle, &err), WN_OK);
    assert_in_range(rle.size, 1000, 60000);
    wn_buffer_finish(&rle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mask_of_any_size_comes_back), cmocka_unit_test(a_mask_is_stretched_by_nearest_pixels),
        cmocka_unit_test(runs_at_the_edges_of_each_size_come_back), cmocka_unit_test(a_large_picture_takes_few_bytes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
