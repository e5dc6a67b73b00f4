/* Enlarging, blurs, fills and masks against their definitions. */
#include <whynot/whynot.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rng.h"

enum { H = 61, W = 57, N = H * W, C = 3 };

static void randomize(float *x, int n, uint64_t seed)
{
    struct rng rng = {seed};
    for (int i = 0; i < n; i++) x[i] = (float)rng_uniform(&rng, -2, 2);
}

/* ---- enlarging ---- */

static void enlarging_agrees_with_worked_values(void **state)
{
    (void)state;
    const float map[4] = {0, 1, 2, 3};
    const float areas[16] = {0, .25f, .75f, 1, .5f, .75f, 1.25f, 1.5f, 1.5f, 1.75f, 2.25f, 2.5f, 2, 2.25f, 2.75f, 3};
    const float corners[9] = {0, .5f, 1, 1, 1.5f, 2, 2, 2.5f, 3};
    float out[16];
    assert_int_equal(wn_enlarge(map, 2, 2, false, 4, 4, out, NULL), WN_OK);
    for (int i = 0; i < 16; i++) assert_true(fabsf(out[i] - areas[i]) < 1e-6f);
    assert_int_equal(wn_enlarge(map, 2, 2, true, 3, 3, out, NULL), WN_OK);
    for (int i = 0; i < 9; i++) assert_true(fabsf(out[i] - corners[i]) < 1e-6f);
    assert_int_equal(wn_enlarge(map, 1, 1, true, 2, 1, out, NULL), WN_OK);
    assert_true(out[0] == 0 && out[1] == 0);
    assert_int_equal(wn_enlarge(map, 2, 2, true, 1, 1, out, NULL), WN_OK);
    assert_true(out[0] == 0);
    assert_int_equal(wn_enlarge(map, 2, 2, false, 2, 2, out, NULL), WN_OK);
    assert_memory_equal(out, map, sizeof map);
}

/* ---- blurs ---- */

static int mirror(int at, int n)
{
    return at < 0 ? -at : at >= n ? 2 * (n - 1) - at : at;
}

static void a_blur_is_its_double_sum(void **state)
{
    (void)state;
    static float x[2 * N], got[2 * N], taps[2 * WN_BLUR_RADIUS + 1];
    randomize(x, 2 * N, 1);
    wn_gaussian_taps(WN_BLUR_SIGMA, WN_BLUR_RADIUS, taps);
    for (int border = 0; border < 2; border++) {
        assert_int_equal(wn_blur(x, 2, H, W, taps, WN_BLUR_RADIUS, (enum wn_border)border, got, NULL), WN_OK);
        for (int i = 0; i < 40; i++) {
            int c = i % 2, y = i * 37 % H, xx = i * 23 % W;
            double sum = 0;
            for (int dy = -WN_BLUR_RADIUS; dy <= WN_BLUR_RADIUS; dy++)
                for (int dx = -WN_BLUR_RADIUS; dx <= WN_BLUR_RADIUS; dx++) {
                    int py = y + dy, px = xx + dx;
                    if (border == WN_BORDER_MIRROR) py = mirror(py, H), px = mirror(px, W);
                    if (py < 0 || py >= H || px < 0 || px >= W) continue;
                    sum += (double)taps[dy + WN_BLUR_RADIUS] * taps[dx + WN_BLUR_RADIUS] * x[c * N + py * W + px];
                }
            assert_true(fabs(sum - got[c * N + y * W + xx]) < 2e-6);
        }
    }
}

static void a_mirrored_blur_leaves_a_constant_picture_as_it_is(void **state)
{
    (void)state;
    static float x[N], got[N], taps[2 * WN_BLUR_RADIUS + 1];
    double sum = 0;
    wn_gaussian_taps(WN_BLUR_SIGMA, WN_BLUR_RADIUS, taps);
    for (int i = 0; i <= 2 * WN_BLUR_RADIUS; i++) sum += taps[i];
    assert_true(fabs(sum - 1) < 1e-6);
    assert_true(fabs(taps[WN_BLUR_RADIUS + 15] / taps[WN_BLUR_RADIUS] - exp(-0.5)) < 1e-6);
    for (int i = 0; i < N; i++) x[i] = 0.7f;
    assert_int_equal(wn_blur(x, 1, H, W, taps, WN_BLUR_RADIUS, WN_BORDER_MIRROR, got, NULL), WN_OK);
    for (int i = 0; i < N; i++) assert_true(fabsf(got[i] - 0.7f) < 2e-6f);
}

static void a_mirror_needs_more_pixels_than_the_radius(void **state)
{
    (void)state;
    static float x[N], got[N], taps[2 * WN_BLUR_RADIUS + 1];
    wn_gaussian_taps(WN_BLUR_SIGMA, WN_BLUR_RADIUS, taps);
    assert_int_equal(wn_blur(x, 1, 50, W, taps, WN_BLUR_RADIUS, WN_BORDER_MIRROR, got, NULL), WN_BAD_REQUEST);
    assert_int_equal(wn_blur(x, 1, W, 50, taps, WN_BLUR_RADIUS, WN_BORDER_MIRROR, got, NULL), WN_BAD_REQUEST);
    assert_int_equal(wn_blur(x, 1, 51, 51, taps, WN_BLUR_RADIUS, WN_BORDER_MIRROR, got, NULL), WN_OK);
    assert_int_equal(wn_blur(x, 1, 50, 50, taps, WN_BLUR_RADIUS, WN_BORDER_ZERO, got, NULL), WN_OK);
}

static void the_rise_kernel_sums_to_one_is_symmetric_and_fades_at_the_border(void **state)
{
    (void)state;
    static float x[N], got[N];
    double sum = 0;
    for (int i = 0; i < 11; i++) sum += wn_rise_taps[i];
    assert_true(fabs(sum - 1) < 1e-6);
    for (int i = 0; i < 5; i++)
        assert_true(wn_rise_taps[i] == wn_rise_taps[10 - i] && wn_rise_taps[i] < wn_rise_taps[i + 1]);
    for (int i = 0; i < N; i++) x[i] = 1;
    assert_int_equal(wn_blur(x, 1, H, W, wn_rise_taps, 5, WN_BORDER_ZERO, got, NULL), WN_OK);
    for (int i = 0; i < N; i++) {
        int y = i / W, xx = i % W;
        bool inside = y >= 5 && y < H - 5 && xx >= 5 && xx < W - 5;
        assert_true(inside ? fabsf(got[i] - 1) < 2e-6f : got[i] < 0.99f);
    }
}

/* ---- fills ---- */

static void each_fill_is_what_its_row_says(void **state)
{
    (void)state;
    static float x[C * N], got[C * N];
    const float black[C] = {-2, -1.5f, -1};
    int radius = -1;
    randomize(x, C * N, 2);
    assert_int_equal(wn_fill_make(WN_FILL_ZERO, x, C, H, W, NULL, got, &radius, NULL), WN_OK);
    for (int i = 0; i < C * N; i++) assert_true(got[i] == 0);
    assert_int_equal(radius, 0);
    assert_int_equal(wn_fill_make(WN_FILL_BLACK, x, C, H, W, black, got, NULL, NULL), WN_OK);
    for (int i = 0; i < C * N; i++) assert_true(got[i] == black[i / N]);
    assert_int_equal(wn_fill_make(WN_FILL_BLACK, x, C, H, W, NULL, got, NULL, NULL), WN_BAD_REQUEST);
    assert_int_equal(wn_fill_make(WN_FILL_MEAN, x, C, H, W, NULL, got, NULL, NULL), WN_OK);
    for (int c = 0; c < C; c++) {
        double sum = 0;
        for (int i = 0; i < N; i++) sum += x[c * N + i];
        for (int i = 0; i < N; i++) assert_true(fabs(got[c * N + i] - sum / N) < 1e-6);
    }
    assert_int_equal(wn_fill_make(WN_FILL_BLUR, x, C, H, W, NULL, got, &radius, NULL), WN_OK);
    assert_int_equal(radius, WN_BLUR_RADIUS);
    for (int i = 0; i < C * N; i++) assert_true(fabsf(got[i]) < 0.5f); /* noise of +-2 is evened out */
    assert_int_equal(wn_fill_make(WN_FILL_BLUR, x, C, 20, 9, NULL, got, &radius, NULL), WN_OK);
    assert_int_equal(radius, 8);
    for (int i = 0; wn_fill_name(i); i++) assert_true(wn_fill_words(i)[0]);
    assert_null(wn_fill_name(WN_FILL_BLACK + 1));
}

/* ---- masks ---- */

static void the_hidden_sets_are_disjoint_and_with_the_zeros_cover_the_picture(void **state)
{
    (void)state;
    static float map[N];
    static bool by_positive[N], by_negative[N];
    randomize(map, N, 3);
    for (int i = 0; i < N; i += 7) map[i] = i % 2 ? 0.0f : -0.0f;
    size_t a = wn_mask_sign(map, N, WN_KEEP_POSITIVE, by_positive),
           b = wn_mask_sign(map, N, WN_KEEP_NEGATIVE, by_negative), zeros = 0;
    for (int i = 0; i < N; i++) {
        assert_false(by_positive[i] && by_negative[i]);
        assert_int_equal(!by_positive[i] && !by_negative[i], map[i] == 0);
        assert_int_equal(by_positive[i], map[i] < 0);
        zeros += map[i] == 0;
    }
    assert_int_equal(a + b + zeros, N);
}

static void the_equal_area_variant_hides_equal_counts_the_most_extreme_first(void **state)
{
    (void)state;
    static float map[N];
    static bool hidden[N];
    randomize(map, N, 4);
    for (int i = 0; i < N; i += 3) map[i] = 0.25f * (float)(i % 5 - 2); /* ties */
    for (int keep = 0; keep < 2; keep++)
        for (size_t count = 0; count <= N + 5; count += 89) {
            float last = -INFINITY, first = INFINITY;
            size_t n = 0;
            assert_int_equal(wn_mask_extreme(map, N, (enum wn_keep)keep, count, hidden, NULL), WN_OK);
            for (int i = 0; i < N; i++) {
                float v = keep == WN_KEEP_POSITIVE ? map[i] : -map[i];
                n += hidden[i];
                if (hidden[i] && v > last) last = v;
                if (!hidden[i] && v < first) first = v;
            }
            assert_int_equal(n, count < N ? count : N);
            assert_true(last <= first);
            /* of those that tie at the limit the first are hidden from the lowest on, the last from the highest */
            bool over = false;
            for (int k = 0; k < N; k++) {
                const int i = keep == WN_KEEP_POSITIVE ? k : N - 1 - k;
                if ((keep == WN_KEEP_POSITIVE ? map[i] : -map[i]) != last) continue;
                if (!hidden[i]) over = true;
                assert_false(over && hidden[i]);
            }
        }
}

static void hiding_nothing_gives_the_picture_and_hiding_everything_the_fill(void **state)
{
    (void)state;
    static float x[C * N], fill[C * N], got[C * N];
    static bool hidden[N];
    randomize(x, C * N, 5);
    randomize(fill, C * N, 6);
    wn_mask_apply(x, fill, hidden, C, N, got);
    assert_memory_equal(got, x, sizeof x);
    memset(hidden, 1, sizeof hidden);
    wn_mask_apply(x, fill, hidden, C, N, got);
    assert_memory_equal(got, fill, sizeof fill);
    hidden[17] = false;
    wn_mask_apply(x, fill, hidden, C, N, got);
    for (int c = 0; c < C; c++) assert_true(got[c * N + 17] == x[c * N + 17] && got[c * N + 18] == fill[c * N + 18]);
}

/* ---- relative probability ---- */

static void relative_probabilities_add_to_one_and_never_overflow(void **state)
{
    (void)state;
    const float y[5] = {3, -1, 2.5f, 0, 900}, one[1] = {1.5f};
    const int t[2] = {0, 3}, s[2] = {1, 2}, top[1] = {4};
    double want = (exp(3) + 1) / (exp(3) + 1 + exp(-1) + exp(2.5));
    assert_true(fabs(wn_relative_probability(y, 5, t, 2, s, 2) - want) < 1e-12);
    assert_true(fabs(wn_relative_probability(y, 5, t, 2, s, 2) + wn_relative_probability(y, 5, s, 2, t, 2) - 1) <
                1e-12);
    assert_true(wn_relative_probability(y, 5, top, 1, t, 1) == 1);
    assert_true(wn_relative_probability(y, 5, t, 1, top, 1) == 0);
    const int yes[1] = {1}, no[1] = {0};
    assert_true(fabs(wn_relative_probability(one, 1, yes, 1, no, 1) - 1 / (1 + exp(-1.5))) < 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(enlarging_agrees_with_worked_values),
        cmocka_unit_test(a_blur_is_its_double_sum),
        cmocka_unit_test(a_mirrored_blur_leaves_a_constant_picture_as_it_is),
        cmocka_unit_test(a_mirror_needs_more_pixels_than_the_radius),
        cmocka_unit_test(the_rise_kernel_sums_to_one_is_symmetric_and_fades_at_the_border),
        cmocka_unit_test(each_fill_is_what_its_row_says),
        cmocka_unit_test(the_hidden_sets_are_disjoint_and_with_the_zeros_cover_the_picture),
        cmocka_unit_test(the_equal_area_variant_hides_equal_counts_the_most_extreme_first),
        cmocka_unit_test(hiding_nothing_gives_the_picture_and_hiding_everything_the_fill),
        cmocka_unit_test(relative_probabilities_add_to_one_and_never_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
