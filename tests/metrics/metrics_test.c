/* Scores of maps and curves: what is known beforehand, and second implementations written for the test. */
#include <whynot/metrics.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "random.h"

#define COUNT(a) ((int)(sizeof(a) / sizeof *(a)))

static void near(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance)) fail_msg("%.9g is not %.9g", value, expected);
}

/* ---- insertion and deletion ---- */

static void pixels_are_ordered_largest_first_and_ties_by_index(void **state)
{
    (void)state;
    const float map[] = {1, 3, -2, 3, 1, 0};
    const int expected[] = {1, 3, 0, 4, 5, 2};
    int order[6];
    assert_int_equal(wn_saliency_order(map, 6, order, NULL), WN_OK);
    assert_memory_equal(order, expected, sizeof order);
}

static void a_curve_begins_untouched_and_ends_wholly_changed(void **state)
{
    (void)state;
    float x[] = {1, 2, 3, 4, 5, 10, 20, 30, 40, 50};
    const float source[10] = {0}, half_way[] = {0, 2, 3, 0, 5, 0, 20, 30, 0, 50};
    const int order[] = {3, 0, 1, 4, 2};
    assert_int_equal(wn_curve_points(5, 2), 4);
    assert_int_equal(wn_curve_points(4, 2), 3);
    wn_curve_advance(x, source, 2, 5, order, 0, 2);
    assert_memory_equal(x, half_way, sizeof x);
    wn_curve_advance(x, source, 2, 5, order, 2, 4);
    wn_curve_advance(x, source, 2, 5, order, 4, 6);
    assert_memory_equal(x, source, sizeof x);
}

static void the_area_under_a_constant_curve_is_that_constant(void **state)
{
    (void)state;
    const double flat[] = {0.3, 0.3, 0.3, 0.3}, line[] = {0, 0.5, 1}, step[] = {0, 0, 1, 1};
    near(wn_area_under(flat, 4), 0.3, 1e-15);
    near(wn_area_under(line, 3), 0.5, 1e-15);
    near(wn_area_under(step, 4), 0.5, 1e-15);
}

/* ---- where the mass lies ---- */

static void a_uniform_map_has_the_share_of_the_area_inside(void **state)
{
    (void)state;
    float map[6 * 5];
    for (int i = 0; i < COUNT(map); i++) map[i] = 2;
    const struct wn_box overlapping[] = {{0, 0, 1, 1}, {1, 1, 2, 2}}, beyond[] = {{3, 4, 99, 99}};
    double share;
    assert_int_equal(wn_content(map, 6, 5, overlapping, 2, &share, NULL), WN_OK);
    near(share, 7 / 30.0, 1e-12);
    assert_int_equal(wn_content(map, 6, 5, beyond, 1, &share, NULL), WN_OK);
    near(share, 4 / 30.0, 1e-12);
}

static void a_map_inside_its_box_has_all_and_negative_values_do_not_count(void **state)
{
    (void)state;
    const float map[] = {0, -5, 0, 1, 2, -7}, dead[] = {0, -1, 0, 0, -2, 0};
    const struct wn_box box = {0, 1, 1, 1};
    double share;
    assert_int_equal(wn_content(map, 2, 3, &box, 1, &share, NULL), WN_OK);
    near(share, 1, 1e-15);
    assert_int_equal(wn_content(dead, 2, 3, &box, 1, &share, NULL), WN_OK);
    assert_true(isnan(share));
}

static void the_peak_hits_within_the_radius_and_not_on_it(void **state)
{
    (void)state;
    float map[20 * 20] = {0};
    uint8_t inside[20 * 20] = {0};
    map[10 * 20 + 10] = 1;
    inside[13 * 20 + 14] = 1; /* 5 away */
    assert_false(wn_pointing_hit(map, inside, 20, 20, 5));
    assert_true(wn_pointing_hit(map, inside, 20, 20, 5.01));
    assert_true(wn_pointing_hit(map, inside, 20, 20, INFINITY));
    inside[10 * 20 + 10] = 1;
    assert_true(wn_pointing_hit(map, inside, 20, 20, 0));
    memset(inside, 0, sizeof inside);
    assert_false(wn_pointing_hit(map, inside, 20, 20, 1e9));
}

/* ---- two maps ---- */

static void cosine_is_one_for_a_multiple_and_undefined_for_nothing(void **state)
{
    (void)state;
    const float u[] = {1, 2, 0}, twice[] = {2, 4, 0}, across[] = {-2, 1, 5}, nothing[3] = {0};
    near(wn_cosine(u, twice, 3), 1, 1e-12);
    near(wn_cosine(u, across, 3), 0, 1e-12);
    assert_true(isnan(wn_cosine(u, nothing, 3)));
}

static void rank_correlation_shares_ranks_among_ties(void **state)
{
    (void)state;
    const double a[] = {1, 2, 3, 4, 5}, squares[] = {1, 4, 9, 16, 25}, back[] = {5, 4, 3, 2, 1},
                 swapped[] = {1, 3, 2, 4, 5};
    const double tied[] = {1, 2, 2, 4}, b[] = {1, 3, 2, 4}, same[] = {7, 7, 7, 7};
    double r;
    wn_rank_correlation(a, squares, 5, &r, NULL);
    near(r, 1, 1e-12);
    wn_rank_correlation(a, back, 5, &r, NULL);
    near(r, -1, 1e-12);
    wn_rank_correlation(a, swapped, 5, &r, NULL);
    near(r, 1 - 6.0 * 2 / (5 * 24), 1e-12); /* 1 - 6 sum d^2 / n(n^2 - 1) */
    wn_rank_correlation(tied, b, 4, &r, NULL);
    near(r, 4.5 / sqrt(4.5 * 5), 1e-12); /* ranks 1, 2.5, 2.5, 4 against 1, 3, 2, 4 */
    wn_rank_correlation(tied, same, 4, &r, NULL);
    assert_true(isnan(r));
    wn_rank_correlation(a, back, 1, &r, NULL);
    assert_true(isnan(r));
}

static void the_whole_view_is_the_map_and_a_mirrored_one_its_mirror(void **state)
{
    (void)state;
    const float map[] = {1, 2, 3, 4, 5, 6}, mirrored[] = {3, 2, 1, 6, 5, 4}, column[] = {2, 2, 2, 5, 5, 5};
    float out[6];
    assert_int_equal(wn_map_view(map, 2, 3, 0, 0, 2, 3, false, out, NULL), WN_OK);
    assert_memory_equal(out, map, sizeof map);
    assert_int_equal(wn_map_view(map, 2, 3, 0, 0, 2, 3, true, out, NULL), WN_OK);
    assert_memory_equal(out, mirrored, sizeof map);
    assert_int_equal(wn_map_view(map, 2, 3, 0, 1, 2, 1, false, out, NULL), WN_OK);
    assert_memory_equal(out, column, sizeof map);
    assert_int_equal(wn_map_view(map, 2, 3, 1, 0, 2, 3, false, out, NULL), WN_BAD_REQUEST);
}

/* ---- imputation ---- */

/* The same equations, written down as a matrix and eliminated. */
static void impute_densely(const float *x, int h, int w, const bool *hidden, double *out)
{
    int n = h * w;
    double *a = calloc((size_t)n * (size_t)(n + 1), sizeof *a);
    for (int i = 0; i < n; i++) {
        double *row = a + i * (n + 1), sum = 0;
        if (hidden[i])
            for (int j = 0; j < n; j++) {
                int dy = abs(i / w - j / w), dx = abs(i % w - j % w);
                if (dy > 1 || dx > 1 || i == j) continue;
                row[j] = dy + dx == 1 ? -1 / 6.0 : -1 / 12.0;
                sum -= row[j];
            }
        row[i] = hidden[i] ? sum : 1;
        row[n] = hidden[i] ? 0 : (double)x[i];
    }
    for (int k = 0; k < n; k++)
        for (int i = 0; i < n; i++) {
            if (i == k) continue;
            double f = a[i * (n + 1) + k] / a[k * (n + 1) + k];
            for (int j = k; j <= n; j++) a[i * (n + 1) + j] -= f * a[k * (n + 1) + j];
        }
    for (int i = 0; i < n; i++) out[i] = a[i * (n + 1) + n] / a[i * (n + 1) + i];
    free(a);
}

static void imputation_solves_the_equations_of_the_neighbours(void **state)
{
    (void)state;
    enum { H = 6, W = 7, N = H * W };
    struct wn_random random = wn_random_of(3);
    float x[2 * N], out[2 * N];
    bool hidden[N];
    double expected[N];
    for (int i = 0; i < 2 * N; i++) x[i] = (float)wn_random_normal(&random);
    for (int share = 1; share <= 9; share += 2) {
        for (int i = 0; i < N; i++) hidden[i] = i && (int)wn_random_below(&random, 10) < share;
        assert_int_equal(wn_impute(x, 2, H, W, hidden, 0, 1, out, NULL), WN_OK);
        for (int c = 0; c < 2; c++) {
            impute_densely(x + c * N, H, W, hidden, expected);
            for (int i = 0; i < N; i++) near(out[c * N + i], expected[i], 2e-5);
        }
    }
}

static void imputation_leaves_what_is_shown_and_repeats_its_noise(void **state)
{
    (void)state;
    enum { N = 40 * 40 };
    static float x[N], a[N], b[N], other[N];
    static bool hidden[N];
    double sum = 0, squares = 0;
    for (int i = 0; i < N; i++) {
        x[i] = 4;
        hidden[i] = i % 2;
    }
    wn_impute(x, 1, 40, 40, hidden, 0.1, 5, a, NULL);
    wn_impute(x, 1, 40, 40, hidden, 0.1, 5, b, NULL);
    wn_impute(x, 1, 40, 40, hidden, 0.1, 6, other, NULL);
    assert_memory_equal(a, b, sizeof a);
    assert_memory_not_equal(a, other, sizeof a);
    for (int i = 0; i < N; i++) {
        if (!hidden[i]) near(a[i], 4, 0);
        sum += hidden[i] * (a[i] - 4.0);
        squares += hidden[i] * (a[i] - 4.0) * (a[i] - 4.0);
    }
    near(sum / (N / 2.0), 0, 0.015);
    near(sqrt(squares / (N / 2.0)), 0.1, 0.01);
    memset(hidden, 1, sizeof hidden);
    wn_impute(x, 1, 40, 40, hidden, 0, 5, a, NULL);
    for (int i = 0; i < N; i++) near(a[i], 0, 0);
}

/* ---- gradient signs, confidence ---- */

static void sign_steps_stay_within_eps_and_the_range_of_a_pixel(void **state)
{
    (void)state;
    const float x0[] = {0, 1, 0.5f, 0.5f, 0.5f}, gradient[] = {-3, 2, 1e-9f, -7, 0};
    const float whole[] = {0, 1, 0.51f, 0.49f, 0.5f};
    float x[5];
    memcpy(x, x0, sizeof x);
    wn_sign_step(x, x0, gradient, 5, 0.01, 1);
    for (int i = 0; i < 5; i++) near(x[i], whole[i], 1e-7);
    for (int k = 0; k < 7; k++) wn_sign_step(x, x0, gradient, 5, 0.01, 2);
    for (int i = 0; i < 5; i++) near(x[i], whole[i], 1e-7);
}

static void confidence_is_dropped_or_increased_never_both(void **state)
{
    (void)state;
    near(wn_confidence_drop(0.9, 0.4), 0.5, 1e-15);
    near(wn_confidence_drop(0.4, 0.9), 0, 0);
    near(wn_confidence_increase(0.4, 0.9), 1, 0);
    near(wn_confidence_increase(0.9, 0.9), 0, 0);
}

/* ---- over many pictures ---- */

static void an_interval_is_as_wide_as_the_spread_says(void **state)
{
    (void)state;
    enum { N = 400 };
    double x[N], constant[] = {3, 3, 3, NAN};
    struct wn_random random = wn_random_of(9);
    struct wn_estimate e, again;
    for (int i = 0; i < N; i++) x[i] = 5 + 2 * wn_random_normal(&random);
    assert_int_equal(wn_estimate_mean(x, NULL, N, 1, &e, NULL), WN_OK);
    wn_estimate_mean(x, NULL, N, 1, &again, NULL);
    near(again.low, e.low, 0);
    near(again.high, e.high, 0);
    near(e.mean, 5, 0.4);
    near(e.high - e.low, 2 * 1.96 * 2 / sqrt(N), 0.06);
    assert_true(e.low < e.mean && e.mean < e.high);
    wn_estimate_mean(constant, NULL, 4, 1, &e, NULL);
    assert_int_equal(e.n, 3);
    near(e.low, 3, 0);
    near(e.high, 3, 0);
    wn_estimate_mean(constant + 3, NULL, 1, 1, &e, NULL);
    assert_int_equal(e.n, 0);
    assert_true(isnan(e.mean) && isnan(e.low));
}

static void a_difference_is_told_from_chance(void **state)
{
    (void)state;
    enum { N = 60 };
    double a[N], b[N], p;
    struct wn_random random = wn_random_of(4);
    struct wn_estimate e;
    int rare = 0;
    for (int i = 0; i < N; i++) {
        a[i] = wn_random_normal(&random);
        b[i] = a[i] - 0.5 + 0.1 * wn_random_normal(&random);
    }
    wn_estimate_difference(a, b, NULL, N, 1, &e, &p, NULL);
    near(e.mean, 0.5, 0.05);
    near(p, 1.0 / (WN_RESAMPLES + 1), 1e-12);
    wn_estimate_difference(a, a, NULL, N, 1, &e, &p, NULL);
    near(e.mean, 0, 0);
    near(p, 1, 0);
    for (int trial = 0; trial < 100; trial++) { /* pure chance: p below 0.1 in about a tenth of the trials */
        for (int i = 0; i < N; i++) a[i] = wn_random_normal(&random), b[i] = wn_random_normal(&random);
        wn_estimate_difference(a, b, NULL, N, 1, &e, &p, NULL);
        rare += p < 0.1;
    }
    assert_in_range(rare, 2, 22);
}

static void a_rare_class_counts_as_much_as_a_common_one(void **state)
{
    (void)state;
    enum { N = 300 };
    double a[N], b[N], all, ones[N], p;
    int classes[N], alike[N] = {0};
    struct wn_estimate e, plain;
    struct wn_random random = wn_random_of(11);
    for (int i = 0; i < N; i++) { /* 240 of class 0, 40 of 1, 20 of 2; the fewer, the more are hit */
        classes[i] = i < 240 ? 0 : i < 280 ? 1 : 2;
        a[i] = wn_random_below(&random, 10) < (uint64_t)(2 + 3 * classes[i]);
        b[i] = wn_random_below(&random, 10) < 2;
        ones[i] = 1;
    }
    double sum[3] = {0}, less[3] = {0};
    for (int i = 0; i < N; i++) sum[classes[i]] += a[i], less[classes[i]] += b[i];
    all = (sum[0] / 240 + sum[1] / 40 + sum[2] / 20) / 3;
    wn_estimate_mean(a, classes, N, 1, &e, NULL);
    near(e.mean, all, 1e-12);
    near(e.n, N, 0);
    /* of three shares, each with the variance of its class */
    double v = 0;
    const int n[] = {240, 40, 20};
    for (int c = 0; c < 3; c++) v += sum[c] / n[c] * (1 - sum[c] / n[c]) / n[c] / 9;
    near(e.high - e.low, 2 * 1.96 * sqrt(v), 0.03);
    wn_estimate_difference(a, b, classes, N, 1, &e, &p, NULL);
    near(e.mean, all - (less[0] / 240 + less[1] / 40 + less[2] / 20) / 3, 1e-12);
    assert_true(p < 0.01);
    wn_estimate_difference(a, a, classes, N, 1, &e, &p, NULL);
    near(p, 1, 0);
    wn_estimate_mean(ones, classes, N, 1, &e, NULL);
    near(e.low, 1, 0);
    near(e.high, 1, 0);
    wn_estimate_mean(a, alike, N, 1, &e, NULL);
    wn_estimate_mean(a, NULL, N, 1, &plain, NULL);
    assert_memory_equal(&e, &plain, sizeof e);
    a[240] = NAN; /* what has no value counts for no class */
    wn_estimate_mean(a, classes, N, 1, &e, NULL);
    near(e.n, N - 1, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pixels_are_ordered_largest_first_and_ties_by_index),
        cmocka_unit_test(a_curve_begins_untouched_and_ends_wholly_changed),
        cmocka_unit_test(the_area_under_a_constant_curve_is_that_constant),
        cmocka_unit_test(a_uniform_map_has_the_share_of_the_area_inside),
        cmocka_unit_test(a_map_inside_its_box_has_all_and_negative_values_do_not_count),
        cmocka_unit_test(the_peak_hits_within_the_radius_and_not_on_it),
        cmocka_unit_test(cosine_is_one_for_a_multiple_and_undefined_for_nothing),
        cmocka_unit_test(rank_correlation_shares_ranks_among_ties),
        cmocka_unit_test(the_whole_view_is_the_map_and_a_mirrored_one_its_mirror),
        cmocka_unit_test(imputation_solves_the_equations_of_the_neighbours),
        cmocka_unit_test(imputation_leaves_what_is_shown_and_repeats_its_noise),
        cmocka_unit_test(sign_steps_stay_within_eps_and_the_range_of_a_pixel),
        cmocka_unit_test(confidence_is_dropped_or_increased_never_both),
        cmocka_unit_test(an_interval_is_as_wide_as_the_spread_says),
        cmocka_unit_test(a_difference_is_told_from_chance),
        cmocka_unit_test(a_rare_class_counts_as_much_as_a_common_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
