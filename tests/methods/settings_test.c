/* What a client may set of a method: what it decides, and what is refused by name.
 *
 *     settings_test BACKEND FOLDER     FOLDER holds the networks of make_goldens.py */
#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void settings_that_are_compiled_in_decide_the_map(void **state)
{
    (void)state;
    struct bench b = open_bench("residual", 1);
    struct wn_answer lrp = with(&b, "lrp", WN_SETTING_EPSILON, NULL),
                     same = with(&b, "lrp", WN_SETTING_EPSILON, "1e-6");
    struct wn_answer plus = with(&b, "lrp-zplus", WN_SETTING_EPSILON, NULL),
                     one_sided = with(&b, "lrp-alpha-beta", WN_SETTING_ALPHA, "1");
    struct wn_answer ab = with(&b, "lrp-alpha-beta", WN_SETTING_ALPHA, NULL),
                     steep = with(&b, "lrp-alpha-beta", WN_SETTING_ALPHA, "3");
    struct wn_answer damped = with(&b, "lrp", WN_SETTING_EPSILON, "1");
    double size = 0, left = 0;
    assert_true(off(&same, &lrp, 1) == 0);
    assert_true(off(&one_sided, &plus, 1) < 1e-6);
    assert_true(off(&ab, &plus, 1) > 1e-2 && off(&steep, &ab, 1) > 1e-2);
    for (int i = 0; i < lrp.h * lrp.w; i++) size += fabs(lrp.map[i]), left += fabs(damped.map[i]);
    assert_true(left < 0.9 * size);
    struct wn_question both[2] = {question(0, "lrp", "pair", 1), question(0, "lrp", "pair", 1)};
    set(&both[1], WN_SETTING_EPSILON, "1");
    struct wn_answer a[2], *all[] = {&lrp, &same, &plus, &one_sided, &ab, &steep, &damped, &a[0], &a[1]};
    ask(&b, both, 2, a);
    assert_true(off(&a[0], &lrp, 1) == 0 && off(&a[1], &damped, 1) == 0); /* side by side, each its own */
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) wn_answer_finish(all[i]);
    close_bench(&b);
}

/* More values than an engine keeps programs for. */
static void any_number_of_values_leaves_the_answers_as_they_are(void **state)
{
    (void)state;
    struct bench b = open_bench("residual", 1);
    struct wn_answer before = with(&b, "lrp", WN_SETTING_EPSILON, "0.5");
    for (int i = 1; i <= 40; i++) {
        char text[16];
        snprintf(text, sizeof text, "0.%02d", i);
        struct wn_answer a = with(&b, "lrp", WN_SETTING_EPSILON, text);
        wn_answer_finish(&a);
    }
    struct wn_answer after = with(&b, "lrp", WN_SETTING_EPSILON, "0.5");
    assert_true(off(&after, &before, 1) == 0);
    wn_answer_finish(&before);
    wn_answer_finish(&after);
    close_bench(&b);
}

static void expect(struct bench *b, struct wn_question q, enum wn_code code, const char *word)
{
    struct wn_answer a;
    ask(b, &q, 1, &a);
    if (a.error.code != code)
        fail_msg("wanted %s, got %s: %s", wn_code_name(code), wn_code_name(a.error.code), a.error.text);
    if (!strstr(a.error.text, word)) fail_msg("'%s' does not say '%s'", a.error.text, word);
    wn_answer_finish(&a);
}

static void what_has_no_meaning_is_refused_by_name(void **state)
{
    (void)state;
    struct bench b = open_bench("residual", 1);
    struct wn_question q = question(0, "ig", "finer", 1);
    set(&q, WN_SETTING_PATH_TARGET, "log-odds");
    expect(&b, q, WN_BAD_REQUEST, "finer");
    q = question(0, "ig", "weighted", 1);
    set(&q, WN_SETTING_BASELINE, "black");
    expect(&b, q, WN_UNSUPPORTED, "black");
    expect(&b, question(0, "eigencam", "weighted", 1), WN_BAD_REQUEST, "eigencam");
    q = question(0, "gradcam", "weighted", 1);
    set(&q, WN_SETTING_STEPS, "3");
    expect(&b, q, WN_BAD_REQUEST, "steps");
    q = question(0, "smoothgrad", "weighted", 1);
    set(&q, WN_SETTING_BASE_METHOD, "smoothgrad");
    expect(&b, q, WN_BAD_REQUEST, "smoothgrad");
    set(&q, WN_SETTING_BASE_METHOD, "eigencam");
    expect(&b, q, WN_BAD_REQUEST, "logit");
    q = question(0, "lrp", "weighted", 1);
    set(&q, WN_SETTING_ALPHA, "2");
    expect(&b, q, WN_BAD_REQUEST, "alpha");
    q = question(0, "ixg", "weighted", 1);
    set(&q, WN_SETTING_EPSILON, "0.1");
    expect(&b, q, WN_BAD_REQUEST, "epsilon");
    q = question(0, "smoothgrad", "clrp", 1);
    expect(&b, q, WN_BAD_REQUEST, "relevance");
    q = question(0, "ig", "weighted", 1);
    q.layers = (int[]){0, 1};
    q.n_layers = 2;
    expect(&b, q, WN_BAD_REQUEST, "ig");
    q = question(0, "gradcam", "weighted", 1);
    q.layers = (int[]){0, 1000};
    q.n_layers = 2;
    expect(&b, q, WN_NO_SUCH_LAYER, "1000");
    close_bench(&b);
}

static void settings_refuse_what_lies_outside_their_bounds(void **state)
{
    (void)state;
    struct wn_settings s = {0};
    const char *const bad[] = {"", "0", "257", "1.5", "nan", "inf", "0x10", "1e99", "-1", "3 ", "fifty"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct wn_error err = {0};
        assert_int_equal(wn_setting_set(&s, WN_SETTING_STEPS, bad[i], &err), WN_BAD_REQUEST);
        assert_non_null(strstr(err.text, "steps"));
    }
    assert_int_equal(s.given, 0);
    assert_true(wn_setting(&s, WN_SETTING_STEPS) == 50 && wn_setting(&s, WN_SETTING_NOISE) == 0.15);
    assert_int_equal(wn_setting_set(&s, WN_SETTING_QUADRATURE, "mid", NULL), WN_BAD_REQUEST);
    assert_int_equal(wn_setting_set(&s, WN_SETTING_QUADRATURE, "midpoint", NULL), WN_OK);
    assert_true(wn_setting(&s, WN_SETTING_QUADRATURE) == 1);
    for (int i = 0; wn_setting_at(i); i++) { /* every default can be read */
        struct wn_settings d = {0};
        assert_int_equal(wn_setting_set(&d, (enum wn_setting)i, wn_setting_at(i)->standard, NULL), WN_OK);
    }
}

int main(int argc, char **argv)
{
    int status = small_begin(argc, argv);
    if (status) return status;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_that_are_compiled_in_decide_the_map),
        cmocka_unit_test(any_number_of_values_leaves_the_answers_as_they_are),
        cmocka_unit_test(what_has_no_meaning_is_refused_by_name),
        cmocka_unit_test(settings_refuse_what_lies_outside_their_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
