/* Upsampling, normalisation, places and colours, against values worked by hand. */
#include <media/colormap.h>
#include <media/render.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static float uniform(void)
{
    return (float)rand() / (float)RAND_MAX * 2 - 1;
}

static void check_floats(const float *got, const float *want, int n)
{
    for (int i = 0; i < n; i++)
        if (fabsf(got[i] - want[i]) > 1e-6f) fail_msg("[%d] is %g, not %g", i, (double)got[i], (double)want[i]);
}

static void upsampling_with_and_without_aligned_corners_is_pytorchs(void **state)
{
    (void)state;
    const float map[4] = {1, 2, 3, 5};
    const struct wn_view view = wn_view_whole(4, 3);
    float got[12];
    /* torch.nn.functional.interpolate(map, (3, 4), mode="bilinear") */
    static const float areas[12] = {1, 1.25f, 1.75f, 2, 2, 2.375f, 3.125f, 3.5f, 3, 3.5f, 4.5f, 5};
    static const float corners[12] = {1, 4 / 3.f, 5 / 3.f, 2, 2, 2.5f, 3, 3.5f, 3, 11 / 3.f, 13 / 3.f, 5};
    assert_int_equal(wn_upsample(map, 2, 2, &view, false, got, NULL), WN_OK);
    check_floats(got, areas, 12);
    assert_int_equal(wn_upsample(map, 2, 2, &view, true, got, NULL), WN_OK);
    check_floats(got, corners, 12);
}

static void upsampling_to_the_same_size_changes_nothing(void **state)
{
    (void)state;
    float map[35], got[35];
    const struct wn_view view = wn_view_whole(7, 5);
    for (int i = 0; i < 35; i++) map[i] = uniform();
    for (int align = 0; align < 2; align++) {
        assert_int_equal(wn_upsample(map, 5, 7, &view, align, got, NULL), WN_OK);
        check_floats(got, map, 35);
    }
}

static void map_larger_than_its_rectangle_is_read_within_its_bounds(void **state)
{
    (void)state;
    float *map = malloc(200 * sizeof *map), got[3]; /* of its own, so that a sanitizer sees what lies behind */
    for (int i = 0; i < 200; i++) map[i] = (float)i;
    for (int align = 0; align < 2; align++) {
        const struct wn_view view = {3, 1, 0, 0, 2.6, 1};
        assert_int_equal(wn_upsample(map, 1, 200, &view, align, got, NULL), WN_OK);
        assert_true(got[0] >= 0 && got[0] < got[1] && got[1] < got[2] && got[2] <= 199);
    }
    free(map);
}

static void opposite_maps_get_mirrored_indices(void **state)
{
    (void)state;
    enum { W = 61, H = 47, N = W * H };
    static uint8_t one[N], other[N];
    const struct wn_view view = wn_view_whole(W, H);
    for (int round = 0; round < 50; round++) {
        struct wn_render r = {
            .normalize = WN_NORMALIZE_SYMMETRIC, .align_corners = round & 1, .percentile = round % 3 ? 0 : 95};
        float map[49], negative[49], size = powf(10, (float)(round - 25));
        for (int i = 0; i < 49; i++) negative[i] = -(map[i] = uniform() * size);
        assert_int_equal(wn_render_map(map, 7, 7, &view, &r, one, NULL, NULL), WN_OK);
        assert_int_equal(wn_render_map(negative, 7, 7, &view, &r, other, NULL, NULL), WN_OK);
        int extreme = 0;
        for (int i = 0; i < N; i++) {
            assert_int_equal(one[i] + other[i], 256);
            extreme = abs(one[i] - 128) > extreme ? abs(one[i] - 128) : extreme;
        }
        assert_int_equal(extreme, 127);
    }
}

static void minmax_uses_the_whole_palette_at_any_magnitude(void **state)
{
    (void)state;
    enum { W = 31, H = 33, N = W * H };
    static uint8_t index[N];
    const struct wn_view view = wn_view_whole(W, H);
    const struct wn_render r = {.normalize = WN_NORMALIZE_MINMAX};
    for (int power = -30; power <= 30; power++) {
        float map[25], shift = uniform();
        int lowest = 255, highest = 0;
        for (int i = 0; i < 25; i++) map[i] = (uniform() + shift) * powf(10, (float)power);
        assert_int_equal(wn_render_map(map, 5, 5, &view, &r, index, NULL, NULL), WN_OK);
        for (int i = 0; i < N; i++) {
            lowest = index[i] < lowest ? index[i] : lowest;
            highest = index[i] > highest ? index[i] : highest;
        }
        assert_int_equal(lowest, 0);
        assert_int_equal(highest, 255);
    }
}

static void index_of(const float *map, int n, const struct wn_render *r, uint8_t *index, struct wn_rendered *out)
{
    const struct wn_view view = wn_view_whole(n, 1);
    assert_int_equal(wn_render_map(map, 1, n, &view, r, index, out, NULL), WN_OK);
}

static void each_normalisation_gives_the_indices_worked_by_hand(void **state)
{
    (void)state;
    uint8_t index[5];
    struct wn_rendered drawn;
    const float map[5] = {-1, -0.25f, 0, 0.5f, 3};
    index_of(map, 5, &(struct wn_render){.normalize = WN_NORMALIZE_MINMAX}, index, &drawn);
    assert_memory_equal(index, ((uint8_t[]){0, 47, 63, 95, 255}), 5); /* floor(255 * (v + 1) / 4) */
    assert_true(drawn.range.lo == -1 && drawn.range.hi == 3);
    index_of(map, 5, &(struct wn_render){.normalize = WN_NORMALIZE_MINMAX, .relu = true}, index, &drawn);
    assert_memory_equal(index, ((uint8_t[]){0, 0, 0, 42, 255}), 5);
    index_of(map, 5, &(struct wn_render){.normalize = WN_NORMALIZE_NONE}, index, &drawn);
    assert_memory_equal(index, ((uint8_t[]){0, 0, 0, 127, 255}), 5);
    index_of(map, 5, &(struct wn_render){.normalize = WN_NORMALIZE_SHARED, .range = {-2, 2}}, index, &drawn);
    assert_memory_equal(index, ((uint8_t[]){63, 111, 127, 159, 255}), 5);
    index_of(map, 5, &(struct wn_render){.normalize = WN_NORMALIZE_SYMMETRIC}, index, &drawn);
    assert_memory_equal(index, ((uint8_t[]){86, 117, 128, 149, 255}), 5); /* 128 + round(127 v / 3) */
    index_of(map, 5, &(struct wn_render){.normalize = WN_NORMALIZE_SYMMETRIC, .percentile = 80}, index, &drawn);
    assert_memory_equal(index, ((uint8_t[]){1, 96, 128, 192, 255}), 5); /* four of five are at most 1 */
    assert_true(drawn.range.hi == 1);
}

static void flat_map_is_zero_and_says_so(void **state)
{
    (void)state;
    static const float values[] = {0, 0.7f, -0.7f};
    for (int v = 0; v < 3; v++)
        for (int n = WN_NORMALIZE_MINMAX; n <= WN_NORMALIZE_SYMMETRIC; n++) {
            float map[5];
            uint8_t index[5];
            struct wn_rendered drawn;
            for (int i = 0; i < 5; i++) map[i] = values[v];
            index_of(map, 5, &(struct wn_render){.normalize = (enum wn_normalize)n, .range = {0, 0}}, index, &drawn);
            assert_true(drawn.flat);
            for (int i = 0; i < 5; i++) assert_int_equal(index[i], n == WN_NORMALIZE_SYMMETRIC ? 128 : 0);
        }
}

static void numbers_that_are_not_finite_are_refused(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    uint8_t index[4];
    const struct wn_view view = wn_view_whole(2, 2);
    for (int n = WN_NORMALIZE_NONE; n <= WN_NORMALIZE_SYMMETRIC; n++) {
        struct wn_render r = {.normalize = (enum wn_normalize)n, .range = {0, 1}};
        for (int i = 0; i < 3; i++) {
            float map[4] = {0, 1, bad[i], 2};
            assert_int_equal(wn_render_map(map, 2, 2, &view, &r, index, NULL, NULL), WN_BAD_NUMBERS);
        }
    }
    const float wide[4] = {-3e38f, 3e38f, 0, 0};
    assert_int_equal(
        wn_render_map(wide, 2, 2, &view, &(struct wn_render){.normalize = WN_NORMALIZE_MINMAX}, index, NULL, NULL),
        WN_BAD_NUMBERS);
}

static void statistics_are_those_of_the_raw_map(void **state)
{
    (void)state;
    const float map[6] = {1, -2, 0, 4, -0.5f, 4};
    struct wn_map_stats s;
    assert_int_equal(wn_map_stats(map, 2, 3, &s, NULL), WN_OK);
    assert_true(s.min == -2 && s.max == 4 && s.mass_positive == 9 && s.mass_negative == 2.5);
    assert_int_equal(s.peak_x, 0);
    assert_int_equal(s.peak_y, 1);
    assert_false(s.flat || s.empty);
    assert_int_equal(wn_map_stats((const float[]){-1, -2}, 1, 2, &s, NULL), WN_OK);
    assert_true(s.empty);
}

static void shared_range_spans_both_maps(void **state)
{
    (void)state;
    const float a[2] = {0, 5}, b[2] = {-3, 1};
    const struct wn_render r = {.normalize = WN_NORMALIZE_MINMAX};
    struct wn_range ra, rb;
    assert_int_equal(wn_map_range(a, 1, 2, &r, &ra, NULL), WN_OK);
    assert_int_equal(wn_map_range(b, 1, 2, &r, &rb, NULL), WN_OK);
    struct wn_range both = wn_range_join(ra, rb);
    assert_true(both.lo == -3 && both.hi == 5);
}

static void map_lies_in_the_picture_where_the_crop_was(void **state)
{
    (void)state;
    struct wn_geometry geo;
    assert_int_equal(
        wn_preprocess_geometry(&wn_preprocess_profile_find("center-crop")->preprocess, 1000, 512, &geo, NULL), WN_OK);
    /* 500 x 256 resized, crop at (138, 16): twice that in the picture */
    struct wn_view view = wn_view_picture(&geo);
    int x0, y0, x1, y1;
    wn_view_covered(&view, &x0, &y0, &x1, &y1);
    assert_int_equal(x0, 276);
    assert_int_equal(x1, 276 + 448);
    assert_int_equal(y0, 32);
    assert_int_equal(y1, 32 + 448);
    float map[49] = {0};
    map[2 * 7 + 5] = 1; /* cell 5, 2 of 64 x 64 pixels each */
    uint8_t *index = malloc(1000 * 512);
    struct wn_rendered drawn;
    assert_int_equal(
        wn_render_map(map, 7, 7, &view, &(struct wn_render){.normalize = WN_NORMALIZE_MINMAX}, index, &drawn, NULL),
        WN_OK);
    assert_in_range(drawn.peak_x, 276 + 5 * 64 + 31, 276 + 5 * 64 + 32);
    assert_in_range(drawn.peak_y, 32 + 2 * 64 + 31, 32 + 2 * 64 + 32);
    assert_in_range(drawn.box_x, 276 + 5 * 64, 276 + 5 * 64 + 31);
    assert_in_range(drawn.box_x + drawn.box_w, 276 + 5 * 64 + 33, 276 + 6 * 64);
    assert_in_range(drawn.box_y, 32 + 2 * 64, 32 + 2 * 64 + 31);
    for (int y = 0; y < 512; y++)
        for (int x = 0; x < 1000; x++)
            if ((x < x0 || x >= x1 || y < y0 || y >= y1) && index[y * 1000 + x])
                fail_msg("(%d, %d) lies outside the crop", x, y);
    free(index);
}

static void box_holds_a_fifth_of_the_mass_and_little_else(void **state)
{
    (void)state;
    float map[100] = {0};
    uint8_t index[100];
    struct wn_rendered drawn;
    const struct wn_view view = wn_view_whole(10, 10);
    for (int i = 0; i < 100; i++) map[i] = -1;
    map[34] = 10; /* 10 of 40 */
    for (int i = 60; i < 75; i++) map[i] = 2;
    assert_int_equal(wn_render_map(map, 10, 10, &view, &(struct wn_render){.normalize = WN_NORMALIZE_SYMMETRIC}, index,
                                   &drawn, NULL),
                     WN_OK);
    assert_int_equal(drawn.box_x, 4);
    assert_int_equal(drawn.box_y, 3);
    assert_int_equal(drawn.box_w, 1);
    assert_int_equal(drawn.box_h, 1);
    map[34] = 2; /* 2 of 32, all alike: the box holds all of them */
    assert_int_equal(wn_render_map(map, 10, 10, &view, &(struct wn_render){.normalize = WN_NORMALIZE_SYMMETRIC}, index,
                                   &drawn, NULL),
                     WN_OK);
    assert_int_equal(drawn.box_x, 0);
    assert_int_equal(drawn.box_y, 3);
    assert_int_equal(drawn.box_w, 10);
    assert_int_equal(drawn.box_h, 5);
    for (int i = 0; i < 100; i++) map[i] = -fabsf(map[i]);
    assert_int_equal(wn_render_map(map, 10, 10, &view, &(struct wn_render){.normalize = WN_NORMALIZE_SYMMETRIC}, index,
                                   &drawn, NULL),
                     WN_OK);
    assert_int_equal(drawn.box_w, 0);
}

/* The same map in the middle of a view, with a margin of whole pixels around it, and without. */
static void check_margin(const float *map, int side, const struct wn_render *r, int left, int top)
{
    enum { W = 61, H = 47 };
    const int w = W + 2 * left, h = H + 2 * top;
    const struct wn_view whole = wn_view_whole(W, H), view = {w, h, left, top, left + W, top + H};
    static uint8_t want[W * H], strong[W * H];
    uint8_t *index = malloc((size_t)w * (size_t)h), *mask = malloc((size_t)w * (size_t)h);
    struct wn_rendered a, b;
    size_t inside, same;
    assert_int_equal(wn_render_map(map, side, side, &whole, r, want, &a, NULL), WN_OK);
    assert_int_equal(wn_render_map(map, side, side, &view, r, index, &b, NULL), WN_OK);
    assert_int_equal(wn_strong_mask(map, side, side, &whole, r, strong, &inside, NULL), WN_OK);
    assert_int_equal(wn_strong_mask(map, side, side, &view, r, mask, &same, NULL), WN_OK);
    assert_memory_equal(&a.range, &b.range, sizeof a.range);
    assert_true(b.peak_x == a.peak_x + left && b.peak_y == a.peak_y + top && a.flat == b.flat);
    assert_true(a.box_w == b.box_w && a.box_h == b.box_h);
    if (a.box_w) assert_true(b.box_x == a.box_x + left && b.box_y == a.box_y + top);
    assert_int_equal(same, inside);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            const bool seen = x >= left && x < left + W && y >= top && y < top + H;
            const int at = y * w + x, from = seen ? (y - top) * W + x - left : 0;
            assert_int_equal(mask[at], seen ? strong[from] : 0);
            if (seen) assert_int_equal(index[at], want[from]);
            if (!seen && r->normalize == WN_NORMALIZE_SYMMETRIC) assert_int_equal(index[at], 128);
        }
    free(index), free(mask);
}

static void nothing_but_the_place_depends_on_what_the_network_did_not_see(void **state)
{
    (void)state;
    static const int margins[][2] = {{0, 1}, {5, 0}, {40, 31}, {1300, 0}};
    for (int round = 0; round < 48; round++) {
        const struct wn_render r = {.normalize = (enum wn_normalize)(round % 4),
                                    .relu = round % 3 == 0,
                                    .align_corners = round % 5 < 2,
                                    .percentile = round % 8 == 3 ? 99 : 0,
                                    .range = {-0.25f, 0.5f}};
        float map[13 * 13];
        for (int i = 0; i < 13 * 13; i++) {
            map[i] = uniform();
            if (round % 7 == 1) map[i] = -0.5f - fabsf(map[i]);
            if (round % 7 == 3) map[i] = 1 + 0.3f * fabsf(map[i]);
        }
        check_margin(map, 13, &r, margins[round / 4 % 4][0], margins[round / 4 % 4][1]);
    }
}

/* A strip of 1000 x 10 in which a map of 10 x 10 lies, a pixel a cell. */
static struct wn_rendered drawn_in_strip(const float *map, const struct wn_render *r, uint8_t *index)
{
    static uint8_t own[10000];
    const struct wn_view view = {1000, 10, 495, 0, 505, 10};
    struct wn_rendered drawn;
    assert_int_equal(wn_render_map(map, 10, 10, &view, r, index ? index : own, &drawn, NULL), WN_OK);
    return drawn;
}

static void percentile_is_that_of_what_the_network_saw(void **state)
{
    (void)state;
    float map[100];
    for (int i = 0; i < 100; i++) map[i] = (float)(i % 2 ? i : -i);
    const struct wn_render r = {.normalize = WN_NORMALIZE_SYMMETRIC, .percentile = 90};
    const struct wn_range range = drawn_in_strip(map, &r, NULL).range; /* 90 of 0..99 are at most 89 */
    assert_true(range.hi == 89 && range.lo == -89);
}

static void peak_of_a_map_without_anything_positive_lies_where_the_network_looked(void **state)
{
    (void)state;
    float map[100];
    for (int i = 0; i < 100; i++) map[i] = -2;
    map[37] = -1;
    const struct wn_rendered drawn =
        drawn_in_strip(map, &(struct wn_render){.normalize = WN_NORMALIZE_SYMMETRIC}, NULL);
    assert_int_equal(drawn.peak_x, 495 + 7);
    assert_int_equal(drawn.peak_y, 3);
    assert_int_equal(drawn.box_w, 0);
}

static void minmax_of_a_positive_map_begins_at_its_lowest_value(void **state)
{
    (void)state;
    static uint8_t index[10000];
    float map[100];
    for (int i = 0; i < 100; i++) map[i] = 1 + 0.3f * (float)i / 99;
    const struct wn_rendered drawn = drawn_in_strip(map, &(struct wn_render){.normalize = WN_NORMALIZE_MINMAX}, index);
    assert_true(drawn.range.lo == 1 && drawn.range.hi == map[99]);
    assert_int_equal(index[495], 0);
    assert_int_equal(index[9 * 1000 + 504], 255);
    assert_int_equal(index[0], 0); /* zero lies below the range */
    for (int i = 0; i < 100; i++) map[i] = -map[i];
    drawn_in_strip(map, &(struct wn_render){.normalize = WN_NORMALIZE_MINMAX}, index);
    assert_int_equal(index[0], 255); /* and above that of a negative map */
}

static void strong_pixels_of_a_wide_picture_hold_a_fifth_of_the_mass(void **state)
{
    (void)state;
    enum { W = 9600, SIDE = 96, N = W * SIDE };
    const struct wn_view view = {W, SIDE, (W - SIDE) / 2, 0, (W + SIDE) / 2, SIDE};
    float *map = malloc(SIDE * SIDE * sizeof *map), *drawing = malloc(N * sizeof *drawing);
    uint8_t *mask = malloc(N);
    double all = 0, strong = 0;
    size_t inside;
    /* bright columns that samples a long way apart miss */
    for (int i = 0; i < SIDE * SIDE; i++) map[i] = uniform() * (i % SIDE % 7 == 3 ? 10 : 1);
    const struct wn_render r = {.normalize = WN_NORMALIZE_SYMMETRIC};
    assert_int_equal(wn_strong_mask(map, SIDE, SIDE, &view, &r, mask, &inside, NULL), WN_OK);
    assert_int_equal(wn_upsample(map, SIDE, SIDE, &view, false, drawing, NULL), WN_OK);
    for (int i = 0; i < N; i++) {
        all += drawing[i] > 0 ? (double)drawing[i] : 0;
        strong += mask[i] ? (double)drawing[i] : 0;
    }
    if (strong < 0.2 * all || strong > 0.21 * all) fail_msg("the strongest hold %.4f of the mass", strong / all);
    free(map), free(drawing), free(mask);
}

struct anchor {
    const char *map;
    int index, tolerance;
    uint8_t rgb[3];
};

static void colour_maps_are_near_the_published_ones(void **state)
{
    (void)state;
    static const struct anchor anchors[] = {
        {"viridis", 0, 1, {0x44, 0x01, 0x54}},
        {"viridis", 64, 1, {0x3b, 0x52, 0x8b}},
        {"viridis", 128, 1, {0x21, 0x91, 0x8c}},
        {"viridis", 192, 1, {0x5e, 0xc9, 0x62}},
        {"viridis", 255, 1, {0xfd, 0xe7, 0x25}},
        {"inferno", 0, 2, {0x00, 0x00, 0x04}},
        {"inferno", 64, 2, {0x57, 0x10, 0x6e}},
        {"inferno", 128, 2, {0xbc, 0x37, 0x54}},
        {"inferno", 192, 2, {0xf9, 0x8e, 0x09}},
        {"inferno", 255, 2, {0xfc, 0xff, 0xa4}},
        {"turbo", 0, 3, {48, 18, 59}},
        {"turbo", 64, 3, {40, 188, 235}},
        {"turbo", 128, 3, {164, 252, 60}},
        {"turbo", 192, 3, {251, 126, 33}},
        {"turbo", 255, 3, {122, 4, 3}},
        {"jet", 0, 1, {0, 0, 128}},
        {"jet", 128, 1, {130, 255, 126}},
        {"jet", 255, 1, {128, 0, 0}},
        {"jet", 32, 1, {0, 0, 255}},
        {"jet", 96, 1, {1, 255, 254}},
        {"gray", 77, 0, {77, 77, 77}},
    };
    for (size_t i = 0; i < sizeof anchors / sizeof *anchors; i++) {
        const struct anchor *a = &anchors[i];
        const uint8_t *got = wn_colormap_palette(wn_colormap_find(a->map))[a->index];
        for (int c = 0; c < 3; c++)
            if (abs(got[c] - a->rgb[c]) > a->tolerance)
                fail_msg("%s %d is %d %d %d, not %d %d %d", a->map, a->index, got[0], got[1], got[2], a->rgb[0],
                         a->rgb[1], a->rgb[2]);
    }
}

static double lightness(const uint8_t *rgb)
{
    double y = 0;
    static const double share[3] = {0.2126, 0.7152, 0.0722};
    for (int c = 0; c < 3; c++) y += share[c] * pow(rgb[c] / 255.0, 2.2);
    return 100 * cbrt(y);
}

static void diverging_map_is_neutral_in_the_middle_and_even_on_both_sides(void **state)
{
    (void)state;
    const uint8_t(*p)[3] = wn_colormap_palette(wn_colormap_find("diverging"));
    assert_true(p[128][0] == p[128][1] && p[128][1] == p[128][2]);
    for (int k = 1; k <= 127; k++) {
        assert_true(p[128 + k][0] > p[128 + k][2] && p[128 - k][2] > p[128 - k][0]);
        assert_true(fabs(lightness(p[128 + k]) - lightness(p[128 - k])) < 6);
        assert_true(lightness(p[128 + k]) < lightness(p[127 + k]) + 0.5 &&
                    lightness(p[128 - k]) < lightness(p[129 - k]) + 0.5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(upsampling_with_and_without_aligned_corners_is_pytorchs),
        cmocka_unit_test(upsampling_to_the_same_size_changes_nothing),
        cmocka_unit_test(map_larger_than_its_rectangle_is_read_within_its_bounds),
        cmocka_unit_test(opposite_maps_get_mirrored_indices),
        cmocka_unit_test(minmax_uses_the_whole_palette_at_any_magnitude),
        cmocka_unit_test(each_normalisation_gives_the_indices_worked_by_hand),
        cmocka_unit_test(flat_map_is_zero_and_says_so),
        cmocka_unit_test(numbers_that_are_not_finite_are_refused),
        cmocka_unit_test(statistics_are_those_of_the_raw_map),
        cmocka_unit_test(shared_range_spans_both_maps),
        cmocka_unit_test(map_lies_in_the_picture_where_the_crop_was),
        cmocka_unit_test(box_holds_a_fifth_of_the_mass_and_little_else),
        cmocka_unit_test(nothing_but_the_place_depends_on_what_the_network_did_not_see),
        cmocka_unit_test(percentile_is_that_of_what_the_network_saw),
        cmocka_unit_test(peak_of_a_map_without_anything_positive_lies_where_the_network_looked),
        cmocka_unit_test(minmax_of_a_positive_map_begins_at_its_lowest_value),
        cmocka_unit_test(strong_pixels_of_a_wide_picture_hold_a_fifth_of_the_mass),
        cmocka_unit_test(colour_maps_are_near_the_published_ones),
        cmocka_unit_test(diverging_map_is_neutral_in_the_middle_and_even_on_both_sides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
