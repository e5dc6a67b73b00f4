/* The histogram against sorted values: no percentile is off by more than one part in a thousand. */
#include <hist.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N 20000

static struct wn_hist h, other;

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void percentiles_are_those_of_the_sorted_values(void **state)
{
    static int64_t v[N];
    static const double shares[] = {0, 0.001, 0.5, 0.9, 0.99, 0.999, 1};
    (void)state;
    for (int range = 8; range < 39; range += 3) {
        memset(&h, 0, sizeof h);
        srand((unsigned)range);
        for (int i = 0; i < N; i++) {
            v[i] = (int64_t)(pow((double)rand() / RAND_MAX, 4) * pow(2, range));
            wn_hist_add(&h, v[i]);
        }
        qsort(v, N, sizeof *v, by_value);
        for (size_t k = 0; k < sizeof shares / sizeof *shares; k++) {
            size_t rank = (size_t)ceil(shares[k] * N);
            int64_t want = v[rank ? rank - 1 : 0], got = wn_hist_at(&h, shares[k]);
            assert_true(got >= want && (double)(got - want) <= 0.001 * (double)want);
        }
        assert_int_equal(h.least, v[0]);
        assert_int_equal(h.most, v[N - 1]);
    }
}

static void small_values_are_exact_and_hostile_ones_are_kept_in_range(void **state)
{
    (void)state;
    memset(&h, 0, sizeof h);
    assert_int_equal(wn_hist_at(&h, 0.5), 0);
    for (int i = 1; i <= 2000; i++) wn_hist_add(&h, i);
    for (int p = 1; p <= 100; p++) assert_int_equal(wn_hist_at(&h, p / 100.0), 20 * p);
    wn_hist_add(&h, -5);
    wn_hist_add(&h, INT64_MAX);
    assert_int_equal(h.least, 0);
    assert_int_equal(wn_hist_at(&h, 1), ((int64_t)1 << 39) - 1);
}

static void two_histograms_together_are_one_of_both(void **state)
{
    (void)state;
    memset(&h, 0, sizeof h);
    memset(&other, 0, sizeof other);
    for (int i = 0; i < 100; i++) wn_hist_add(i % 2 ? &h : &other, i);
    wn_hist_merge(&h, &other);
    assert_int_equal(h.n, 100);
    assert_int_equal(h.least, 0);
    assert_int_equal(wn_hist_at(&h, 0.5), 49);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(percentiles_are_those_of_the_sorted_values),
                                       cmocka_unit_test(small_values_are_exact_and_hostile_ones_are_kept_in_range),
                                       cmocka_unit_test(two_histograms_together_are_one_of_both)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
