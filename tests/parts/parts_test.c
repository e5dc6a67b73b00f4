/* What maps score that are perfect, uniform, or turned round, on a picture whose parts and whose network are made
 * up. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "parts.h"

/* Three parts and two things behind them. Part 0 alone tells the class (without it, class 9); part 1 matters a
 * little, part 2 and thing 4 not at all; thing 3 matters. Set {1} is shared with one class, {2} with the other. */
static json_t *line(const char *subjects, int top)
{
    char text[2000];
    snprintf(text, sizeof text,
             "{\"n\":3,\"units\":5,\"label\":7,\"top\":%d,\"logit\":10,\"minimal\":[1,6],\"sets\":[2,4],\"without\":["
             "[1,9,2,0,0],[2,7,8,1,5],[4,7,9.9,5,1],[3,9,1,0,0],[5,9,2,0,0],[6,7,8,0,0],[7,9,0,0,0],[8,7,9,3,3],[16,7,"
             "10.5,3,3]],"
             "\"subjects\":%s}",
             top, subjects);
    json_t *parts = json_loads(text, 0, NULL);
    assert_non_null(parts);
    return parts;
}

static void near(double value, double expected)
{
    if (!(fabs(value - expected) <= 1e-12)) fail_msg("%.9g is not %.9g", value, expected);
}

static void a_perfect_map_scores_one(void **state)
{
    double v[WN_PARTS_SCORES];
    (void)state;
    json_t *parts = line("{\"m\":{\"sum\":10,\"importance\":[8,2,0.1,1,0],\"shared\":[3,1,0,4]}}", 7);
    wn_parts_score(parts, "m", 0.05, v); /* important: 0, 1 and thing 3 */
    near(v[WN_PARTS_CSDC], 1);
    near(v[WN_PARTS_PC], 1);
    near(v[WN_PARTS_DC], 1);
    near(v[WN_PARTS_D], 1);
    near(v[WN_PARTS_SD], 1);
    near(v[WN_PARTS_TS], 1);
    near(v[WN_PARTS_BI], 0.5);
    json_decref(parts);
}

static void a_uniform_map_calls_everything_important(void **state)
{
    double v[WN_PARTS_SCORES];
    (void)state;
    json_t *parts = line("{\"m\":{\"sum\":50,\"importance\":[10,10,10,10,10],\"shared\":[10,10,10,10]}}", 7);
    wn_parts_score(parts, "m", 0.1, v);
    near(v[WN_PARTS_CSDC], 1);
    near(v[WN_PARTS_PC], 1); /* nothing is left out */
    near(v[WN_PARTS_DC], 1); /* everything is */
    near(v[WN_PARTS_D], 0);
    assert_true(isnan(v[WN_PARTS_SD])); /* no rank is higher than another */
    near(v[WN_PARTS_TS], 0);
    wn_parts_score(parts, "m", 0.3, v); /* nothing is important */
    near(v[WN_PARTS_CSDC], 0);
    near(v[WN_PARTS_PC], 0);
    near(v[WN_PARTS_DC], 0);
    near(v[WN_PARTS_D], 1);
    json_decref(parts);
}

static void a_map_that_is_turned_round_scores_nothing(void **state)
{
    double v[WN_PARTS_SCORES];
    (void)state;
    json_t *parts = line("{\"m\":{\"sum\":10,\"importance\":[0,1,8,0,1],\"shared\":[1,3,4,0]}}", 7);
    wn_parts_score(parts, "m", 0.2, v); /* important: part 2 alone */
    near(v[WN_PARTS_CSDC], 0.5);        /* half of the set {1, 2} */
    near(v[WN_PARTS_PC], 0);
    near(v[WN_PARTS_DC], 0);
    near(v[WN_PARTS_D], 0.5);
    near(v[WN_PARTS_SD], 0);
    near(v[WN_PARTS_TS], 0);
    json_decref(parts);
}

static void what_the_picture_does_not_say_is_left_out(void **state)
{
    double v[WN_PARTS_SCORES];
    (void)state;
    json_t *parts = line("{\"m\":{\"sum\":10,\"importance\":[8,2,0.1,1,0]}}", 5); /* classified wrong */
    wn_parts_score(parts, "m", 0.05, v);
    assert_true(isnan(v[WN_PARTS_CSDC]) && isnan(v[WN_PARTS_TS]));
    wn_parts_score(parts, "another", 0.05, v);
    for (int i = 0; i < WN_PARTS_SCORES; i++) assert_true(isnan(v[i]));
    json_decref(parts);
    parts = json_loads("{\"n\":99,\"units\":1,\"subjects\":{\"m\":{\"sum\":1,\"importance\":[1]}}}", 0, NULL);
    wn_parts_score(parts, "m", 0.05, v);
    for (int i = 0; i < WN_PARTS_SCORES; i++) assert_true(isnan(v[i]));
    json_decref(parts);
}

/* A thing without a picture of its own is neither relevant nor irrelevant; without pictures of both there is no
 * share. */
static void what_was_not_drawn_is_not_counted(void **state)
{
    double v[WN_PARTS_SCORES];
    (void)state;
    json_t *parts = line("{\"m\":{\"sum\":10,\"importance\":[8,2,0.1,1,0]}}", 7);
    json_t *rows = json_object_get(parts, "without");
    json_array_remove(rows, json_array_size(rows) - 2); /* the thing that matters */
    wn_parts_score(parts, "m", 0.05, v);
    near(v[WN_PARTS_BI], 1);
    json_array_remove(rows, json_array_size(rows) - 1);
    wn_parts_score(parts, "m", 0.05, v);
    assert_true(isnan(v[WN_PARTS_BI]));
    near(v[WN_PARTS_D], 1); /* of the parts */
    json_decref(parts);
}

static void tau_is_the_one_that_suits_the_method_best(void **state)
{
    const struct wn_evaluation_metric *metric = wn_evaluation_metric_find("parts");
    const char *subjects[] = {"m"};
    struct wn_subject subject = {0};
    struct wn_judging j = {.options = {.subjects = &subject, .n_subjects = 1, .metrics = &metric, .n_metrics = 1},
                           .subjects = subjects};
    struct wn_tally t;
    struct wn_cell cell;
    (void)state;
    assert_int_equal(wn_tally_create(&j, &t, NULL), WN_OK);
    for (int i = 0; i < 3; i++) { /* part 0 has 60 % of the sum, what does not matter 20 %: between them all is well */
        json_t *one = json_pack("{s:s,s:b,s:o}", "file", "a", "right", 1, "parts",
                                line("{\"m\":{\"sum\":10,\"importance\":[6,1,2,2,2]}}", 7));
        assert_int_equal(wn_tally_add(&t, one, NULL), WN_OK);
        json_decref(one);
    }
    assert_int_equal(wn_parts_settle(&t, NULL), WN_OK);
    assert_int_equal(wn_tally_cell(&t, 0, 0, WN_PARTS_TAU, &cell, NULL), WN_OK);
    assert_true(cell.value.mean >= 0.2 && cell.value.mean < 0.22);
    assert_int_equal(wn_tally_cell(&t, 0, 0, WN_PARTS_D, &cell, NULL), WN_OK);
    near(cell.value.mean, 1);
    wn_tally_finish(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_perfect_map_scores_one),
        cmocka_unit_test(a_uniform_map_calls_everything_important),
        cmocka_unit_test(a_map_that_is_turned_round_scores_nothing),
        cmocka_unit_test(what_the_picture_does_not_say_is_left_out),
        cmocka_unit_test(what_was_not_drawn_is_not_counted),
        cmocka_unit_test(tau_is_the_one_that_suits_the_method_best),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
