/* LIME against its own definition, solved another way.
 *
 *     lime_test BACKEND FOLDER     FOLDER holds the networks of make_goldens.py */
#include "bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "superpixels.h"

enum { PLANE = SIDE * SIDE, DRAWS = 60, MOST = PLANE + 2 };

static struct wn_question about(int image, const char *contrast, const char *seed)
{
    struct wn_question q = question(image, "lime", contrast, 1);
    set(&q, WN_SETTING_SUPERPIXELS, "20");
    set(&q, WN_SETTING_PERTURBATIONS, "60");
    set(&q, WN_SETTING_NOISE_SEED, seed);
    return q;
}

static int areas_of(const float *picture, int *of)
{
    float x[PIXELS], lo = INFINITY, hi = -INFINITY;
    int n;
    for (int i = 0; i < PIXELS; i++) lo = fminf(lo, picture[i]), hi = fmaxf(hi, picture[i]);
    for (int i = 0; i < PIXELS; i++) x[i] = (picture[i] - lo) / (hi - lo);
    assert_int_equal(wn_superpixels(x, 3, SIDE, SIDE, 20, of, &n, NULL), WN_OK);
    return n;
}

/* The picture with the areas that are off in their mean colour, and what the network says of it. */
static void ask_about(struct bench *b, const float *picture, const int *of, const bool *on, float *y)
{
    float x[PIXELS];
    const float *images[1] = {x};
    struct wn_batch batch = {.n_images = 1, .images = images};
    struct wn_error err = {0};
    for (int i = 0; i < PIXELS; i++) {
        double sum = 0;
        int size = 0;
        for (int k = 0; k < PLANE; k++)
            if (of[k] == of[i % PLANE]) sum += picture[i / PLANE * PLANE + k], size++;
        x[i] = on[of[i % PLANE]] ? picture[i] : (float)(sum / size);
    }
    assert_int_equal(wn_engine_explain(b->engine, &batch, y, NULL, NULL, &err), WN_OK);
}

/* Elimination with the largest pivot, of n equations with their right side in column n. */
static void eliminate(double a[MOST][MOST], int n, double *x)
{
    for (int c = 0; c < n; c++) {
        int p = c;
        for (int r = c + 1; r < n; r++)
            if (fabs(a[r][c]) > fabs(a[p][c])) p = r;
        for (int k = 0; k <= n; k++) {
            const double t = a[c][k];
            a[c][k] = a[p][k];
            a[p][k] = t;
        }
        for (int r = 0; r < n; r++) {
            const double f = a[r][c] / a[c][c];
            for (int k = c; k <= n && r != c; k++) a[r][k] -= f * a[c][k];
        }
    }
    for (int i = 0; i < n; i++) x[i] = a[i][n] / a[i][i];
}

/* One unknown more than areas, the intercept, without a penalty: nothing is centred. */
static void weights_are_those_of_the_weighted_ridge_regression(void **state)
{
    (void)state;
    static double a[MOST][MOST];
    const char *const networks[] = {"residual", "vgg_head"};
    for (int image = 0; image < 2 * IMAGES; image++) {
        struct bench b = open_bench(networks[image % 2], 1);
        const float *picture = pictures[image / 2];
        int of[PLANE];
        const int n = areas_of(picture, of);
        struct wn_random random = wn_random_of(5);
        double x[MOST], most = 0;
        memset(a, 0, sizeof a);
        for (int i = 0; i < n; i++) a[i][i] = 1;
        for (int d = 0; d < DRAWS; d++) {
            bool on[PLANE];
            float y[16];
            int there = 0;
            for (int i = 0; i < n; i++) there += on[i] = d == 0 || wn_random_bits(&random) >> 63;
            ask_about(&b, picture, of, on, y);
            const double cosine = there ? there / (sqrt(there) * sqrt(n)) : 0,
                         w = sqrt(exp(-(1 - cosine) * (1 - cosine) / (0.25 * 0.25)));
            for (int i = 0; i <= n; i++)
                for (int k = 0; k <= n + 1 && (i == n || on[i]); k++)
                    a[i][k] += w * (k < n ? on[k] : k == n ? 1 : y[1] - y[0]);
        }
        eliminate(a, n + 1, x);
        struct wn_question q = about(image / 2, "pair", "5");
        int foil = 0;
        q.foils = &foil;
        q.n_foils = 1;
        struct wn_answer got = one(&b, q);
        for (int i = 0; i < n; i++) most = fmax(most, fabs(x[i]));
        assert_true(most > 0);
        for (int i = 0; i < PLANE; i++) assert_true(fabs(got.map[i] - x[of[i]]) < 1e-4 * most);
        wn_answer_finish(&got);
        close_bench(&b);
    }
}

static void draws_are_those_of_the_seed_in_runs_of_any_size(void **state)
{
    (void)state;
    struct bench narrow = open_bench("residual", 1), wide = open_bench("residual", 8);
    struct wn_answer a = one(&narrow, about(0, "weighted", "1")), again = one(&narrow, about(0, "weighted", "1"));
    struct wn_answer other = one(&narrow, about(0, "weighted", "2")), b = one(&wide, about(0, "weighted", "1"));
    assert_memory_equal(a.map, again.map, PLANE * sizeof(float));
    assert_true(off(&other, &a, 1) > 1e-2);
    assert_true(off(&b, &a, 1) < 1e-4);
    wn_answer_finish(&a);
    wn_answer_finish(&again);
    wn_answer_finish(&other);
    wn_answer_finish(&b);
    close_bench(&narrow);
    close_bench(&wide);
}

static void the_scalar_is_that_of_the_contrast(void **state)
{
    (void)state;
    struct bench b = open_bench("residual", 1);
    struct wn_question there = about(0, "pair", "1"), back = there, sure = about(0, "probability", "1"), odds = sure;
    int one_class = 1, other = 3;
    there.foils = &other;
    there.n_foils = back.n_foils = 1;
    back.target = other;
    back.foils = &one_class;
    set(&odds, WN_SETTING_PATH_TARGET, "log-odds");
    struct wn_answer x = one(&b, there), y = one(&b, back), p = one(&b, sure), o = one(&b, odds),
                     w = one(&b, about(0, "weighted", "1"));
    assert_true(off(&x, &y, -1) < 1e-5);
    assert_true(off(&o, &w, 1) < 1e-6); /* both are P against all others */
    assert_true(off(&p, &o, 1) > 1e-2);
    wn_answer_finish(&x);
    wn_answer_finish(&y);
    wn_answer_finish(&p);
    wn_answer_finish(&o);
    wn_answer_finish(&w);
    close_bench(&b);
}

/* Two areas that begin as halves, and of which the right one keeps too few pixels of its colour. */
static void a_picture_of_one_area_is_refused(void **state)
{
    (void)state;
    struct bench b = open_bench("residual", 1);
    float picture[PIXELS];
    const float *images[1] = {picture};
    struct wn_question q = about(0, "logit", "1");
    struct wn_answer a = {0};
    float y[32];
    set(&q, WN_SETTING_SUPERPIXELS, "2");
    for (int i = 0; i < PIXELS; i++) picture[i] = i % SIDE < SIDE - 1 ? -1 : 1;
    struct wn_batch batch = {.n_images = 1, .images = images, .n_questions = 1, .questions = &q};
    wn_engine_explain(b.engine, &batch, y, &a, NULL, NULL);
    assert_int_equal(a.error.code, WN_BAD_REQUEST);
    assert_non_null(strstr(a.error.text, "superpixels"));
    wn_answer_finish(&a);
    close_bench(&b);
}

int main(int argc, char **argv)
{
    int status = small_begin(argc, argv);
    if (status) return status;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_are_those_of_the_weighted_ridge_regression),
        cmocka_unit_test(draws_are_those_of_the_seed_in_runs_of_any_size),
        cmocka_unit_test(the_scalar_is_that_of_the_contrast),
        cmocka_unit_test(a_picture_of_one_area_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
