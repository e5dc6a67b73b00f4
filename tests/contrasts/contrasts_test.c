/* Contrasts as what they are said to be: gradients of scalars, checked in double precision against central
 * differences, and the identities between them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <whynot/explain.h>

#define K 7
static const float logits[K] = {1.25f, -0.5f, 3.0f, 2.75f, 0.0f, -4.0f, 2.5f};

static void seed_of(const char *name, const float *y, int n, int target, const int *foils, int n_foils, float *v,
                    int *foil)
{
    struct wn_contrast_in in = {y, n, target, &target, 1, foils, n_foils, 0, false};
    struct wn_error err = {0};
    assert_int_equal(wn_contrast_seed(wn_contrast_find(name), &in, v, foil, &err), WN_OK);
}

static double log_sum_exp_except(const double *y, int n, int skip)
{
    double top = -INFINITY, sum = 0;
    for (int i = 0; i < n; i++)
        if (i != skip && y[i] > top) top = y[i];
    for (int i = 0; i < n; i++)
        if (i != skip) sum += exp(y[i] - top);
    return top + log(sum);
}

/* The scalars that the contrasts claim to be the gradients of. */
static double log_odds(const double *y, int t)
{
    return y[t] - log_sum_exp_except(y, K, t);
}
static double probability(const double *y, int t)
{
    return exp(y[t] - log_sum_exp_except(y, K, -1));
}
static double cross_entropy(const double *y, int q)
{
    return -log(probability(y, q));
}
static double over_mean(const double *y, int t)
{
    double rest = 0;
    for (int i = 0; i < K; i++) rest += i == t ? 0 : y[i];
    return y[t] - rest / (K - 1);
}

static void assert_gradient(const float *v, double (*scalar)(const double *, int), int which)
{
    const double h = 1e-5;
    for (int i = 0; i < K; i++) {
        double y[K];
        for (int k = 0; k < K; k++) y[k] = logits[k];
        y[i] += h;
        double up = scalar(y, which);
        y[i] -= 2 * h;
        double slope = (up - scalar(y, which)) / (2 * h);
        assert_true(fabs(slope - v[i]) < 1e-7); /* seeds are at most 1; f32 rounding is 6e-8 */
    }
}

static void weighted_is_the_gradient_of_the_log_odds(void **state)
{
    (void)state;
    for (int t = 0; t < K; t++) {
        float v[K];
        int foil;
        seed_of("weighted", logits, K, t, NULL, 0, v, &foil);
        assert_gradient(v, log_odds, t);
        assert_int_equal(foil, -1);
    }
}

static void probability_is_the_gradient_of_the_probability(void **state)
{
    (void)state;
    for (int t = 0; t < K; t++) {
        float v[K];
        int foil;
        seed_of("probability", logits, K, t, NULL, 0, v, &foil);
        assert_gradient(v, probability, t);
    }
}

static void cross_entropy_is_the_gradient_of_the_loss_of_the_foil(void **state)
{
    (void)state;
    for (int q = 0; q < K; q++) {
        float v[K];
        int foil;
        seed_of("cross-entropy", logits, K, 2, &q, 1, v, &foil);
        assert_gradient(v, cross_entropy, q);
        assert_int_equal(foil, q);
    }
}

static void mean_is_the_gradient_over_the_average_of_the_others(void **state)
{
    (void)state;
    float v[K];
    int foil;
    seed_of("mean", logits, K, 3, NULL, 0, v, &foil);
    assert_gradient(v, over_mean, 3);
}

static void max_takes_the_strongest_rival_and_the_lowest_index_on_a_tie(void **state)
{
    (void)state;
    const float tied[4] = {1, 5, 5, 5};
    float v[K];
    int foil;
    seed_of("max", logits, K, 2, NULL, 0, v, &foil);
    assert_int_equal(foil, 3);
    seed_of("max", logits, K, 0, NULL, 0, v, &foil);
    assert_int_equal(foil, 2);
    seed_of("max", tied, 4, 3, NULL, 0, v, &foil);
    assert_int_equal(foil, 1);
    assert_true(v[3] == 1 && v[1] == -1 && v[0] == 0 && v[2] == 0);
}

/* What the others, which the sets leave out, have to do with it: nothing. sides: 1 in T, -1 in S. */
static void odds_gradient(const int *sides, double *g, double *p)
{
    double sum[2] = {0, 0};
    for (int i = 0; i < K; i++)
        if (sides[i]) sum[sides[i] < 0] += exp(logits[i]);
    for (int i = 0; i < K; i++) g[i] = sides[i] * exp(logits[i]) / (sides[i] < 0 ? sum[1] : sum[0]);
    *p = sum[0] / (sum[0] + sum[1]);
}

/* Integrated Gradients follows the log-odds, or the probability, of the sets that a row names: a row that names others
 * than its seed's would have it explain another scalar. */
static void seeds_go_along_the_odds_of_their_row(void **state)
{
    (void)state;
    int n = 0;
    for (int c = 0; wn_contrast_at(c); c++) {
        const struct wn_contrast *row = wn_contrast_at(c);
        if (row->odds == WN_ODDS_NONE) continue;
        const bool foiled = row->flags & (WN_CONTRAST_FOIL | WN_CONTRAST_FOIL_SET);
        const int t = 2, q = 6;
        int foil = -1, sides[K] = {0};
        float v[K];
        double g[K], p, vg = 0, gg = 0;
        seed_of(row->name, logits, K, t, &q, foiled, v, &foil);
        if (foiled) foil = q;
        for (int i = 0; i < K; i++) {
            if (row->odds == WN_ODDS_TARGET_OTHERS) sides[i] = i == t ? 1 : -1;
            if (row->odds == WN_ODDS_TARGETS_FOILS) sides[i] = i == t ? 1 : i == foil ? -1 : 0;
            if (row->odds == WN_ODDS_OTHERS_FOIL) sides[i] = i == foil ? -1 : 1;
        }
        odds_gradient(sides, g, &p);
        for (int i = 0; i < K; i++) vg += v[i] * g[i], gg += g[i] * g[i];
        const double factor = vg / gg;
        for (int i = 0; i < K; i++)
            if (!(factor > 0 && fabs(v[i] - factor * g[i]) < 1e-6))
                fail_msg("contrast '%s': its seed does not go along the odds that its row names", row->name);
        if (row->explains_probability && !(fabs(factor - p * (1 - p)) < 1e-6))
            fail_msg("contrast '%s': its seed is not the gradient of the probability, as its row says", row->name);
        n++;
    }
    assert_true(n >= 6);
}

/* The tests here that hold a seed against what it is said to be the gradient of. A new row belongs into one, and its
 * name here: nothing else sees a seed of the wrong size. */
static void every_contrast_is_held_against_its_scalar(void **state)
{
    (void)state;
    static const char *const held[] = {"logit",       "weighted",      "pair",   "max",        "mean",
                                       "probability", "cross-entropy", "subset", "regression", "finer",
                                       "finer-lib",   "finer-mean",    "clrp",   "sglrp"};
    for (int c = 0; wn_contrast_at(c); c++) {
        bool known = false;
        for (size_t i = 0; i < sizeof held / sizeof *held; i++)
            known = known || strcmp(wn_contrast_at(c)->name, held[i]) == 0;
        if (!known)
            fail_msg("contrast '%s' has no test of its scalar: add one to contrasts_test.c (assert_gradient)",
                     wn_contrast_at(c)->name);
    }
}

static void assert_balance(const struct wn_contrast *row)
{
    const bool foiled = row->flags & (WN_CONTRAST_FOIL | WN_CONTRAST_FOIL_SET), valued = row->flags & WN_CONTRAST_VALUE;
    float v[K];
    int foil, q = 3, t = 2;
    struct wn_contrast_in in = {logits, K, t, &t, 1, &q, foiled, 2, valued};
    assert_int_equal(wn_contrast_seed(row, &in, v, &foil, NULL), WN_OK);
    double sum = 0;
    for (int i = 0; i < K; i++) sum += v[i];
    if (row->flags & WN_CONTRAST_UNBALANCED ? fabs(sum) < 0.05 : fabs(sum) > 2e-7)
        fail_msg("contrast '%s': its seed sums to %g, and its row says otherwise", row->name, sum);
}

static void every_contrast_sums_to_zero_but_those_that_say_so(void **state)
{
    (void)state;
    for (int c = 0; wn_contrast_at(c); c++) {
        /* of a contrast of two passes both: what all classes share is in the one and in the other */
        for (const struct wn_contrast *pass = wn_contrast_at(c); pass; pass = pass->less) assert_balance(pass);
    }
}

/* What an answer is said to speak for, against the seed: relevance goes by v_s y_s, all else by v_s. */
static void assert_positive(const struct wn_contrast *row, int foil, float value, enum wn_positive want)
{
    float v[K];
    int t = 2;
    const bool foiled = row->flags & (WN_CONTRAST_FOIL | WN_CONTRAST_FOIL_SET), valued = row->flags & WN_CONTRAST_VALUE;
    const struct wn_question q = {.contrast = row, .value = value, .has_value = valued};
    struct wn_contrast_in in = {logits, K, t, &t, 1, &foil, foiled, value, valued};
    struct wn_answer a = {.target = t};
    assert_int_equal(wn_contrast_seed(row, &in, v, &a.foil, NULL), WN_OK);
    enum wn_positive got = wn_positive_of(&q, &a, logits, K);
    assert_int_equal(got, want);
    const float relevance = row->flags & WN_CONTRAST_RELEVANCE ? logits[t] : 1;
    if (got == WN_POSITIVE_FOR_CLASS) assert_true(v[t] * relevance > 0 && (a.foil < 0 || v[a.foil] < 0));
    if (got == WN_POSITIVE_AGAINST_RIVAL) assert_true(v[a.foil] < 0);
    if (got == WN_POSITIVE_AGAINST_CLASS) assert_true(v[t] * relevance < 0);
}

static void every_contrast_says_what_its_positive_numbers_speak_for(void **state)
{
    (void)state;
    int others = 0;
    for (int c = 0; wn_contrast_at(c); c++) {
        const struct wn_contrast *row = wn_contrast_at(c);
        assert_non_null(wn_positive_words((int)row->positive));
        others += row->positive != WN_POSITIVE_FOR_CLASS;
        if (row->positive == WN_POSITIVE_FOR_CLASS) assert_positive(row, 3, 0, WN_POSITIVE_FOR_CLASS);
    }
    assert_int_equal(others, 2);
    assert_positive(wn_contrast_find("cross-entropy"), 3, 0, WN_POSITIVE_AGAINST_RIVAL);
    assert_positive(wn_contrast_find("cross-entropy"), 2, 0, WN_POSITIVE_AGAINST_CLASS);
    assert_positive(wn_contrast_find("regression"), 0, 2.5f, WN_POSITIVE_FOR_CLASS); /* the output is 3 */
    assert_positive(wn_contrast_find("regression"), 0, 3.5f, WN_POSITIVE_AGAINST_CLASS);
    /* a method that looks at no class, whatever the contrast's row says */
    const struct wn_question q = {.contrast = wn_contrast_find("logit"), .method = wn_method_find("eigencam")};
    const struct wn_answer a = {.target = 2, .foil = -1};
    assert_int_equal(wn_positive_of(&q, &a, logits, K), WN_POSITIVE_NO_CLASS);
    assert_null(wn_positive_words(-1));
    assert_null(wn_positive_words(WN_POSITIVE_BY_VALUE + 1));
}

static void the_one_output_of_a_network_has_a_side_too(void **state)
{
    (void)state;
    const float y = -2;
    struct wn_question q = {.contrast = wn_contrast_find("regression"), .value = -1, .has_value = true};
    struct wn_answer a = {.target = 1, .foil = -1};
    assert_int_equal(wn_positive_of(&q, &a, &y, 1), WN_POSITIVE_AGAINST_CLASS);
    q.value = -3;
    assert_int_equal(wn_positive_of(&q, &a, &y, 1), WN_POSITIVE_FOR_CLASS);
    q.value = y; /* the map is zero: nothing is against anything */
    assert_int_equal(wn_positive_of(&q, &a, &y, 1), WN_POSITIVE_FOR_CLASS);
}

static void logit_is_the_target_and_pair_the_target_less_the_foil(void **state)
{
    (void)state;
    float v[K];
    int foil, q = 6;
    seed_of("logit", logits, K, 2, NULL, 0, v, &foil);
    for (int i = 0; i < K; i++) assert_true(v[i] == (float)(i == 2));
    seed_of("pair", logits, K, 2, &q, 1, v, &foil);
    for (int i = 0; i < K; i++) assert_true(v[i] == (float)((i == 2) - (i == 6)));
}

static void subset_of_one_foil_is_pair_and_of_all_others_is_weighted(void **state)
{
    (void)state;
    float a[K], b[K];
    int foil, q = 6, others[K - 1];
    seed_of("subset", logits, K, 2, &q, 1, a, &foil);
    seed_of("pair", logits, K, 2, &q, 1, b, &foil);
    assert_memory_equal(a, b, sizeof a);
    for (int i = 0, n = 0; i < K; i++)
        if (i != 2) others[n++] = i;
    seed_of("subset", logits, K, 2, others, K - 1, a, &foil);
    seed_of("weighted", logits, K, 2, NULL, 0, b, &foil);
    for (int i = 0; i < K; i++) assert_true(fabsf(a[i] - b[i]) < 1e-7f);
}

static void regression_is_the_gradient_of_the_squared_distance(void **state)
{
    (void)state;
    float v[K];
    int foil, t = 3;
    struct wn_contrast_in in = {logits, K, t, &t, 1, NULL, 0, 2.0, true};
    assert_int_equal(wn_contrast_seed(wn_contrast_find("regression"), &in, v, &foil, NULL), WN_OK);
    for (int i = 0; i < K; i++) assert_true(v[i] == (i == t ? 1.5f : 0));
    in.value = logits[t];
    assert_int_equal(wn_contrast_seed(wn_contrast_find("regression"), &in, v, &foil, NULL), WN_OK);
    for (int i = 0; i < K; i++) assert_true(v[i] == 0);
    in.value = NAN;
    assert_int_equal(wn_contrast_seed(wn_contrast_find("regression"), &in, v, &foil, NULL), WN_BAD_REQUEST);
    in.has_value = false;
    assert_int_equal(wn_contrast_seed(wn_contrast_find("regression"), &in, v, &foil, NULL), WN_BAD_REQUEST);
    in.has_value = true;
    in.value = 1;
    assert_int_equal(wn_contrast_seed(wn_contrast_find("logit"), &in, v, &foil, NULL), WN_BAD_REQUEST);
}

/* Starts R_s = v_s y_s as the two papers have them. */
static void starts_of_relevance_are_those_of_the_papers(void **state)
{
    (void)state;
    double y[K], rest = 0;
    float v[K], w[K];
    int foil, t = 1;
    for (int i = 0; i < K; i++) y[i] = logits[i];
    const struct wn_contrast *clrp = wn_contrast_find("clrp"), *sglrp = wn_contrast_find("sglrp");
    struct wn_contrast_in in = {logits, K, t, &t, 1, NULL, 0, 0, false};
    assert_int_equal(wn_contrast_seed(clrp, &in, v, &foil, NULL), WN_OK);
    assert_int_equal(wn_contrast_seed(clrp->less, &in, w, &foil, NULL), WN_OK);
    for (int i = 0; i < K; i++) {
        assert_true(v[i] * logits[i] == (i == t ? fabsf(logits[i]) : 0));
        assert_true(w[i] * logits[i] == (i == t ? 0 : fabsf(logits[i])));
    }
    assert_int_equal(wn_contrast_seed(sglrp, &in, v, &foil, NULL), WN_OK);
    assert_int_equal(wn_contrast_seed(sglrp->less, &in, w, &foil, NULL), WN_OK);
    double p_t = probability(y, t);
    for (int i = 0; i < K; i++) {
        double want = i == t ? 0 : p_t * probability(y, i);
        if (logits[i] == 0) want = 0; /* no relevance can start there */
        assert_true(fabs((double)w[i] * logits[i] - want) < 1e-5 * p_t);
        if (i != t) rest += p_t * probability(y, i);
    }
    assert_true(fabs((double)v[t] * logits[t] - rest) < 1e-5 * p_t);
    assert_int_equal(clrp->balance, WN_BALANCE_ONE);
    assert_int_equal(sglrp->balance, WN_BALANCE_FIRST);
}

/* sum_i omega_i (y_t - y_i) over the classes nearest to class 2, the weights differentiated too. */
static double finer_scalar(const double *y, int t)
{
    const int set[3] = {3, 6, 0};
    double sum = 0, weight = 0;
    for (int i = 0; i < 3; i++) {
        double e = exp(y[set[i]] - 3);
        sum += e * (y[t] - y[set[i]]);
        weight += e;
    }
    return sum / weight;
}

static void finer_takes_the_nearest_and_finer_lib_is_its_full_gradient(void **state)
{
    (void)state;
    float v[K], w[K];
    int foil, near[3], others[K - 1], n = 0;
    assert_int_equal(wn_nearest(logits, K, 2, 3, near), 3);
    assert_true(near[0] == 3 && near[1] == 6 && near[2] == 0);
    seed_of("finer-lib", logits, K, 2, near, 3, v, &foil);
    assert_gradient(v, finer_scalar, 2);
    for (int i = 0; i < K; i++)
        if (i != 2) others[n++] = i;
    seed_of("finer", logits, K, 2, others, n, v, &foil);
    seed_of("weighted", logits, K, 2, NULL, 0, w, &foil);
    for (int i = 0; i < K; i++) assert_true(fabsf(v[i] - w[i]) < 1e-7f);
    seed_of("finer", logits, K, 2, near, 1, v, &foil);
    seed_of("finer-lib", logits, K, 2, near, 1, w, &foil);
    assert_memory_equal(v, w, sizeof v);
    seed_of("finer-mean", logits, K, 2, near, 3, v, &foil);
    assert_true(v[2] == 1 && fabsf(v[3] + 0.2f) < 1e-7f && v[1] == 0);
}

static void two_classes_leave_one_contrast(void **state)
{
    (void)state;
    const float y[2] = {0.3f, -2};
    const char *const names[] = {"weighted", "max", "mean"};
    for (int t = 0; t < 2; t++)
        for (int i = 0; i < 3; i++) {
            float v[2];
            int foil;
            seed_of(names[i], y, 2, t, NULL, 0, v, &foil);
            assert_true(v[t] == 1 && v[1 - t] == -1);
        }
}

static void a_confident_network_keeps_its_contrast(void **state)
{
    (void)state;
    const float y[4] = {60, 3, 1, -5}; /* p_0 is 1 even in double precision */
    float v[4];
    int foil, q = 0;
    seed_of("weighted", y, 4, 0, NULL, 0, v, &foil);
    assert_true(v[0] == 1 && v[1] < -0.8f && v[2] < -0.1f && isfinite(v[3]));
    seed_of("cross-entropy", y, 4, 0, &q, 1, v, &foil);
    assert_true(v[0] < 0 && v[0] > -1e-20f && v[1] > 0); /* 1 - p_0 as the sum of the others, not as 0 */
}

static enum wn_code refusal(const char *name, struct wn_contrast_in in)
{
    float v[K];
    int foil;
    struct wn_error err = {0};
    enum wn_code code = wn_contrast_seed(wn_contrast_find(name), &in, v, &foil, &err);
    if (code != WN_OK) assert_true(strlen(err.text) > 10);
    return code;
}

static void impossible_questions_are_refused_by_name(void **state)
{
    (void)state;
    int t = 2, far = K, twice[2] = {3, 3}, two[2] = {3, 4};
    float bad[K];
    memcpy(bad, logits, sizeof bad);
    bad[4] = NAN;
    assert_int_equal(refusal("pair", (struct wn_contrast_in){logits, K, t, &t, 1, &t, 1, 0, false}), WN_BAD_REQUEST);
    assert_int_equal(refusal("cross-entropy", (struct wn_contrast_in){logits, K, t, &t, 1, &t, 1, 0, false}), WN_OK);
    assert_int_equal(refusal("pair", (struct wn_contrast_in){logits, K, t, &t, 1, &far, 1, 0, false}),
                     WN_NO_SUCH_CLASS);
    assert_int_equal(refusal("pair", (struct wn_contrast_in){logits, K, t, &t, 1, two, 2, 0, false}), WN_BAD_REQUEST);
    assert_int_equal(refusal("subset", (struct wn_contrast_in){logits, K, t, &t, 1, twice, 2, 0, false}),
                     WN_BAD_REQUEST);
    assert_int_equal(refusal("subset", (struct wn_contrast_in){logits, K, t, &t, 1, NULL, 0, 0, false}),
                     WN_BAD_REQUEST);
    assert_int_equal(refusal("subset", (struct wn_contrast_in){logits, K, 3, two, 2, twice, 1, 0, false}),
                     WN_BAD_REQUEST);
    assert_int_equal(refusal("logit", (struct wn_contrast_in){logits, K, t, &t, 1, two, 1, 0, false}), WN_BAD_REQUEST);
    assert_int_equal(refusal("weighted", (struct wn_contrast_in){logits, K, 3, two, 2, NULL, 0, 0, false}),
                     WN_BAD_REQUEST);
    assert_int_equal(refusal("weighted", (struct wn_contrast_in){bad, K, t, &t, 1, NULL, 0, 0, false}), WN_BAD_NUMBERS);
}

static void top_lists_the_largest_first_and_ties_by_index(void **state)
{
    (void)state;
    const float x[6] = {1, 4, 4, -1, 9, 4};
    int index[6];
    assert_int_equal(wn_top(x, 6, 4, index), 4);
    assert_int_equal(index[0], 4);
    assert_int_equal(index[1], 1);
    assert_int_equal(index[2], 2);
    assert_int_equal(index[3], 5);
    assert_int_equal(wn_top(x, 6, 99, index), 6);
    assert_int_equal(wn_top(x, 6, 0, index), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weighted_is_the_gradient_of_the_log_odds),
        cmocka_unit_test(probability_is_the_gradient_of_the_probability),
        cmocka_unit_test(cross_entropy_is_the_gradient_of_the_loss_of_the_foil),
        cmocka_unit_test(mean_is_the_gradient_over_the_average_of_the_others),
        cmocka_unit_test(max_takes_the_strongest_rival_and_the_lowest_index_on_a_tie),
        cmocka_unit_test(every_contrast_sums_to_zero_but_those_that_say_so),
        cmocka_unit_test(seeds_go_along_the_odds_of_their_row),
        cmocka_unit_test(every_contrast_is_held_against_its_scalar),
        cmocka_unit_test(regression_is_the_gradient_of_the_squared_distance),
        cmocka_unit_test(starts_of_relevance_are_those_of_the_papers),
        cmocka_unit_test(every_contrast_says_what_its_positive_numbers_speak_for),
        cmocka_unit_test(the_one_output_of_a_network_has_a_side_too),
        cmocka_unit_test(logit_is_the_target_and_pair_the_target_less_the_foil),
        cmocka_unit_test(subset_of_one_foil_is_pair_and_of_all_others_is_weighted),
        cmocka_unit_test(finer_takes_the_nearest_and_finer_lib_is_its_full_gradient),
        cmocka_unit_test(two_classes_leave_one_contrast),
        cmocka_unit_test(a_confident_network_keeps_its_contrast),
        cmocka_unit_test(impossible_questions_are_refused_by_name),
        cmocka_unit_test(top_lists_the_largest_first_and_ties_by_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
