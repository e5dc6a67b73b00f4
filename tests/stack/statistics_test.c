/* Mean and variance over all foils against a plain implementation of their definition, one foil after the other. */
#include <whynot/whynot.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rng.h"

enum { MOST = 4096 };

/* ---- a stack of random maps ---- */

struct subject {
    struct wn_stack stack;
    float *logits;
};

static void subject_make(struct subject *t, int classes, int h, int w, uint64_t seed)
{
    struct rng rng = {seed};
    size_t area = (size_t)(h * w);
    t->stack =
        (struct wn_stack){.classes = classes, .h = h, .w = w, .maps = malloc((size_t)classes * area * sizeof(float))};
    t->logits = malloc((size_t)classes * sizeof *t->logits);
    for (size_t i = 0; i < (size_t)classes * area; i++) t->stack.maps[i] = (float)rng_uniform(&rng, -1, 1);
    for (int i = 0; i < classes; i++) t->logits[i] = (float)rng_uniform(&rng, -2, 2);
}

static void subject_free(struct subject *t)
{
    wn_stack_finish(&t->stack);
    free(t->logits);
}

/* ---- the definition ---- */

/* The contrast of the target with foil q: seed p - e_q for cross-entropy, e_t - e_q for a pair. The foil's own entry
 * is minus the sum of the others, so that nothing cancels where p_q is nearly 1. */
static void contrast(const struct subject *t, bool pair, int target, int q, double *map)
{
    const struct wn_stack *s = &t->stack;
    double total = 0;
    for (int k = 0; k < s->classes; k++) total += exp((double)t->logits[k]);
    for (int i = 0; i < s->h * s->w; i++) {
        map[i] = 0;
        for (int k = 0; k < s->classes; k++)
            if (k != q)
                map[i] += (pair ? k == target : exp((double)t->logits[k]) / total) *
                          ((double)s->maps[k * s->h * s->w + i] - s->maps[q * s->h * s->w + i]);
    }
}

static double cell(const double *map, int h, int w, double y, double x)
{
    int y0 = (int)floor(y), x0 = (int)floor(x), y1 = y0 + 1 < h ? y0 + 1 : h - 1, x1 = x0 + 1 < w ? x0 + 1 : w - 1;
    double fy = y - y0, fx = x - x0;
    return (1 - fy) * ((1 - fx) * map[y0 * w + x0] + fx * map[y0 * w + x1]) +
           fy * ((1 - fx) * map[y1 * w + x0] + fx * map[y1 * w + x1]);
}

/* Positive part, enlarged, stretched to [0,1]; zeros where there is nothing to stretch. */
static void mask_of(const double *map, int h, int w, int height, int width, double *mask)
{
    double positive[MOST], lo = INFINITY, hi = -INFINITY;
    for (int i = 0; i < h * w; i++) positive[i] = fmax(map[i], 0);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            double sy = fmax((y + 0.5) * h / height - 0.5, 0), sx = fmax((x + 0.5) * w / width - 0.5, 0);
            mask[y * width + x] = cell(positive, h, w, fmin(sy, h - 1), fmin(sx, w - 1));
        }
    for (int i = 0; i < height * width; i++) lo = fmin(lo, mask[i]), hi = fmax(hi, mask[i]);
    for (int i = 0; i < height * width; i++) mask[i] = hi > lo ? (mask[i] - lo) / (hi - lo) : 0;
}

/* Welford, one foil after the other. */
static void plain(const struct subject *t, bool pair, int target, bool masks, int height, int width, double *mean,
                  double *variance)
{
    const struct wn_stack *s = &t->stack;
    double map[MOST], mask[MOST];
    int cells = masks ? height * width : s->h * s->w, n = 0;
    for (int i = 0; i < cells; i++) mean[i] = variance[i] = 0;
    for (int q = 0; q < s->classes; q++) {
        if (q == target) continue;
        contrast(t, pair, target, q, map);
        if (masks) mask_of(map, s->h, s->w, height, width, mask);
        n++;
        for (int i = 0; i < cells; i++) {
            double v = masks ? mask[i] : map[i], off = v - mean[i];
            mean[i] += off / n;
            variance[i] += off * (v - mean[i]);
        }
    }
    for (int i = 0; i < cells; i++) variance[i] = n > 1 ? variance[i] / (n - 1) : 0;
}

static bool differs(double got, double want)
{
    return !(fabs(got - want) <= 1e-5 * fmax(1, fabs(want)));
}

/* The overlap and the evenness of the variance map, from its plain form. */
static void judge_voice(const struct subject *t, int target, const struct wn_statistics *got, const double *variance)
{
    double map[MOST] = {0}, mask[MOST], lo = INFINITY, hi = -INFINITY, sum = 0, squares = 0, both = 1e-6, either = 1e-6;
    int h = t->stack.h, w = t->stack.w, cells = got->h * got->w;
    for (int i = 0; i < h * w; i++) map[i] = t->stack.maps[target * h * w + i];
    mask_of(map, h, w, got->h, got->w, mask);
    for (int i = 0; i < cells; i++) lo = fmin(lo, variance[i]), hi = fmax(hi, variance[i]), sum += variance[i];
    for (int i = 0; i < cells; i++) {
        bool u = hi > lo && (variance[i] - lo) / (hi - lo) > 0.1, e = mask[i] > 0.1;
        both += u && e;
        either += u || e;
        squares += pow(variance[i] - sum / cells, 2);
    }
    assert_int_equal(got->flat, !(hi > lo));
    if (differs(got->voice_iou, both / either)) fail_msg("overlap %g is %g", both / either, got->voice_iou);
    double snr = hi > lo ? sum / cells / sqrt(squares / cells) : 0;
    if (differs(got->voice_snr, snr)) fail_msg("mean over deviation %g is %g", snr, got->voice_snr);
}

static void judge_contrast(const struct subject *t, const char *name, int target, enum wn_statistics_kind kind,
                           int height, int width)
{
    struct wn_statistics got;
    struct wn_error err = {0};
    double mean[MOST], variance[MOST];
    bool is_masks = kind == WN_STATISTICS_MASKS;
    if (wn_stack_statistics(&t->stack, t->logits, target, wn_contrast_find(name), kind, height, width, &got, &err) !=
        WN_OK)
        fail_msg("%s", err.text);
    assert_int_equal(got.h, is_masks ? height : t->stack.h);
    assert_int_equal(got.w, is_masks ? width : t->stack.w);
    assert_int_equal(got.foils, t->stack.classes - 1);
    plain(t, strcmp(name, "pair") == 0, target, is_masks, height, width, mean, variance);
    double n = got.foils;
    for (int i = 0; i < got.h * got.w; i++) {
        if (!(fabs(got.mean[i] - mean[i]) <= 2e-6)) fail_msg("mean %g is %g at %d", mean[i], got.mean[i], i);
        if (!(fabs(got.variance[i] - variance[i]) <= 2e-6))
            fail_msg("variance %g is %g at %d", variance[i], got.variance[i], i);
        if (!is_masks) continue;
        assert_true(got.mean[i] >= 0 && got.mean[i] <= 1);
        if (n > 1) assert_true(got.variance[i] <= n / (n - 1) * got.mean[i] * (1 - got.mean[i]) + 1e-6);
    }
    if (is_masks) judge_voice(t, target, &got, variance);
    wn_statistics_finish(&got);
}

static void judge(const struct subject *t, int target, enum wn_statistics_kind kind, int height, int width)
{
    judge_contrast(t, "cross-entropy", target, kind, height, width);
    judge_contrast(t, "pair", target, kind, height, width);
}

/* ---- the tests ---- */

static void masks_agree_with_one_foil_after_the_other(void **state)
{
    (void)state;
    static const struct {
        int classes, h, w, height, width;
    } rows[] = {{7, 5, 4, 13, 11}, {3, 7, 7, 28, 28}, {40, 2, 3, 9, 31}, {5, 6, 6, 6, 6},
                {4, 9, 8, 4, 3},   {6, 1, 5, 3, 20},  {10, 7, 7, 64, 64}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int target = 0; target < 2; target++) {
            struct subject t;
            subject_make(&t, rows[i].classes, rows[i].h, rows[i].w, i + 1);
            judge(&t, target, WN_STATISTICS_MASKS, rows[i].height, rows[i].width);
            subject_free(&t);
        }
}

static void raw_statistics_agree_with_one_foil_after_the_other(void **state)
{
    (void)state;
    for (int classes = 2; classes < 60; classes += 19) {
        struct subject t;
        subject_make(&t, classes, 7, 6, 3);
        judge(&t, classes - 1, WN_STATISTICS_RAW, 0, 0);
        subject_free(&t);
    }
}

/* mean = sum p_s M_s - mean M_Q, variance = Var M_Q */
static void raw_variance_does_not_depend_on_the_logits(void **state)
{
    (void)state;
    struct subject t;
    struct wn_statistics a, b;
    subject_make(&t, 9, 4, 4, 11);
    assert_int_equal(wn_stack_statistics(&t.stack, t.logits, 2, wn_contrast_find("cross-entropy"), WN_STATISTICS_RAW, 0,
                                         0, &a, NULL),
                     WN_OK);
    for (int i = 0; i < 9; i++) t.logits[i] *= -1;
    assert_int_equal(wn_stack_statistics(&t.stack, t.logits, 2, wn_contrast_find("cross-entropy"), WN_STATISTICS_RAW, 0,
                                         0, &b, NULL),
                     WN_OK);
    assert_memory_equal(a.variance, b.variance, 16 * sizeof(float));
    assert_memory_not_equal(a.mean, b.mean, 16 * sizeof(float));
    wn_statistics_finish(&a);
    wn_statistics_finish(&b);
    subject_free(&t);
}

/* A foil that everything speaks for has no positive value; one that has the same value everywhere has nothing to
 * stretch. */
static void foils_with_nothing_to_show_count_as_zeros(void **state)
{
    (void)state;
    struct subject t;
    struct wn_statistics s;
    subject_make(&t, 8, 5, 5, 4);
    t.logits[3] = t.logits[5] = -60; /* their maps must not leak into the others' */
    for (int i = 0; i < 25; i++) t.stack.maps[3 * 25 + i] = 50;
    judge(&t, 0, WN_STATISTICS_MASKS, 12, 12);
    assert_int_equal(wn_stack_statistics(&t.stack, t.logits, 0, wn_contrast_find("cross-entropy"), WN_STATISTICS_MASKS,
                                         12, 12, &s, NULL),
                     WN_OK);
    assert_int_equal(s.empty, 1);
    wn_statistics_finish(&s);
    memset(t.stack.maps, 0, 8 * 25 * sizeof(float));
    for (int i = 0; i < 25; i++) t.stack.maps[5 * 25 + i] = -1;
    assert_int_equal(wn_stack_statistics(&t.stack, t.logits, 0, wn_contrast_find("cross-entropy"), WN_STATISTICS_MASKS,
                                         12, 12, &s, NULL),
                     WN_OK);
    assert_int_equal(s.empty, 7);
    for (int i = 0; i < 144; i++) assert_true(s.mean[i] == 0 && s.variance[i] == 0);
    wn_statistics_finish(&s);
    subject_free(&t);
}

static void a_foil_that_the_network_is_sure_of_has_a_mask_of_its_own(void **state)
{
    (void)state;
    struct subject t;
    subject_make(&t, 5, 6, 6, 9);
    for (int sure = 1; sure < 20; sure++) {
        t.logits[3] = (float)sure;
        judge(&t, 1, WN_STATISTICS_MASKS, 20, 20);
        judge(&t, 3, WN_STATISTICS_MASKS, 20, 20);
    }
    subject_free(&t);
}

static void two_classes_have_one_foil_and_no_variance(void **state)
{
    (void)state;
    struct subject t;
    struct wn_statistics s;
    subject_make(&t, 2, 3, 3, 4);
    for (int kind = 0; kind < 2; kind++) {
        assert_int_equal(wn_stack_statistics(&t.stack, t.logits, 0, wn_contrast_find("cross-entropy"),
                                             (enum wn_statistics_kind)kind, 9, 9, &s, NULL),
                         WN_OK);
        assert_true(s.single_foil && s.foils == 1);
        for (int i = 0; i < s.h * s.w; i++) assert_true(s.variance[i] == 0);
        wn_statistics_finish(&s);
    }
    judge(&t, 0, WN_STATISTICS_MASKS, 9, 9);
    subject_free(&t);
    subject_make(&t, 3, 3, 3, 4);
    assert_int_equal(wn_stack_statistics(&t.stack, t.logits, 0, wn_contrast_find("cross-entropy"), WN_STATISTICS_RAW, 0,
                                         0, &s, NULL),
                     WN_OK);
    assert_false(s.single_foil);
    wn_statistics_finish(&s);
    subject_free(&t);
}

static void impossible_questions_are_refused(void **state)
{
    (void)state;
    struct subject t;
    struct wn_statistics s;
    subject_make(&t, 1, 3, 3, 4);
    assert_int_equal(wn_stack_statistics(&t.stack, t.logits, 0, wn_contrast_find("cross-entropy"), WN_STATISTICS_RAW, 0,
                                         0, &s, NULL),
                     WN_BAD_REQUEST);
    subject_free(&t);
    subject_make(&t, 4, 3, 3, 4);
    assert_int_equal(wn_stack_statistics(&t.stack, t.logits, 4, wn_contrast_find("cross-entropy"), WN_STATISTICS_RAW, 0,
                                         0, &s, NULL),
                     WN_NO_SUCH_CLASS);
    assert_int_equal(wn_stack_statistics(&t.stack, t.logits, -2, wn_contrast_find("cross-entropy"), WN_STATISTICS_RAW,
                                         0, 0, &s, NULL),
                     WN_NO_SUCH_CLASS);
    assert_int_equal(wn_stack_statistics(&t.stack, t.logits, 0, wn_contrast_find("cross-entropy"), WN_STATISTICS_MASKS,
                                         0, 5, &s, NULL),
                     WN_BAD_REQUEST);
    struct wn_error err = {0};
    assert_int_equal(
        wn_stack_statistics(&t.stack, t.logits, 0, wn_contrast_find("weighted"), WN_STATISTICS_RAW, 0, 0, &s, &err),
        WN_UNSUPPORTED);
    assert_non_null(strstr(err.text, "weighted"));
    subject_free(&t);
}

static void the_default_target_is_the_prediction(void **state)
{
    (void)state;
    struct subject t;
    struct wn_statistics a, b;
    subject_make(&t, 6, 4, 4, 11);
    int predicted = wn_argmax(t.logits, 6);
    assert_int_equal(wn_stack_statistics(&t.stack, t.logits, WN_TARGET_PREDICTED, wn_contrast_find("cross-entropy"),
                                         WN_STATISTICS_RAW, 0, 0, &a, NULL),
                     WN_OK);
    assert_int_equal(wn_stack_statistics(&t.stack, t.logits, predicted, wn_contrast_find("cross-entropy"),
                                         WN_STATISTICS_RAW, 0, 0, &b, NULL),
                     WN_OK);
    assert_memory_equal(a.mean, b.mean, 32 * sizeof(float));
    wn_statistics_finish(&a);
    wn_statistics_finish(&b);
    subject_free(&t);
}

static void a_contrast_of_a_stack_is_its_weighted_sum(void **state)
{
    (void)state;
    struct subject t;
    float seed[9] = {0.5f, 0, -1, 0, 0, 2, 0, 0, -1.5f}, map[13 * 11];
    subject_make(&t, 9, 13, 11, 5);
    wn_stack_contrast(&t.stack, seed, map);
    for (int i = 0; i < 13 * 11; i++) {
        double sum = 0;
        for (int k = 0; k < 9; k++) sum += (double)seed[k] * t.stack.maps[k * 13 * 11 + i];
        assert_true(fabs(map[i] - sum) <= 1e-6);
    }
    subject_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_agree_with_one_foil_after_the_other),
        cmocka_unit_test(raw_statistics_agree_with_one_foil_after_the_other),
        cmocka_unit_test(raw_variance_does_not_depend_on_the_logits),
        cmocka_unit_test(foils_with_nothing_to_show_count_as_zeros),
        cmocka_unit_test(a_foil_that_the_network_is_sure_of_has_a_mask_of_its_own),
        cmocka_unit_test(two_classes_have_one_foil_and_no_variance),
        cmocka_unit_test(impossible_questions_are_refused),
        cmocka_unit_test(the_default_target_is_the_prediction),
        cmocka_unit_test(a_contrast_of_a_stack_is_its_weighted_sum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
