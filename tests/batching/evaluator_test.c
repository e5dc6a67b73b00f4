/* The evaluator's list, with jobs that are made up and no thread that runs them: what makes room for what. */
#include <evaluator.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct wn_config config;
static struct wn_evaluator e;

static int begin(void **state)
{
    (void)state;
    config = (struct wn_config){.max_evaluations = 4, .max_evaluation_bytes = 1000};
    e = (struct wn_evaluator){.config = &config};
    pthread_mutex_init(&e.lock, NULL);
    pthread_cond_init(&e.work, NULL);
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (struct wn_assessment *job = e.first, *next; job; job = next) {
        next = job->next;
        wn_assessment_free(job);
    }
    pthread_mutex_destroy(&e.lock);
    pthread_cond_destroy(&e.work);
    return 0;
}

static enum wn_code add(int key, size_t bytes, enum wn_assessment_state state)
{
    struct wn_assessment *job = calloc(1, sizeof *job);
    struct wn_error err = {0};
    char id[WN_EVALUATION_ID + 1];
    assert_non_null(job);
    job->key = key;
    job->bytes = bytes;
    enum wn_code code = wn_evaluator_add(&e, job, id, &err);
    if (code == WN_OK) job->state = state;
    return code;
}

/* The keys of what is there, oldest first. */
static void check(const char *expected)
{
    char got[16] = "";
    for (const struct wn_assessment *job = e.first; job; job = job->next) got[strlen(got)] = (char)('0' + job->key);
    assert_string_equal(got, expected);
}

static void results_make_room_those_of_the_same_key_first(void **state)
{
    (void)state;
    for (int key = 1; key <= 4; key++) assert_int_equal(add(key, 100, WN_ASSESSMENT_DONE), WN_OK);
    assert_int_equal(add(3, 100, WN_ASSESSMENT_DONE), WN_OK);
    check("1243");
    assert_int_equal(add(5, 100, WN_ASSESSMENT_DONE), WN_OK);
    check("2435");
    assert_int_equal(add(5, 900, WN_ASSESSMENT_DONE), WN_OK);
    check("35"); /* its own went first, and then the oldest */
}

static void what_is_refused_costs_nobody_a_result(void **state)
{
    (void)state;
    assert_int_equal(add(1, 100, WN_ASSESSMENT_DONE), WN_OK);
    assert_int_equal(add(2, 100, WN_ASSESSMENT_DONE), WN_OK);
    assert_int_equal(add(4, 600, WN_ASSESSMENT_RUNNING), WN_OK);
    assert_int_equal(add(3, 500, WN_ASSESSMENT_WAITING), WN_QUEUE_FULL); /* 600 stay in any case */
    check("124");
    assert_int_equal(e.n, 3);
    assert_int_equal(e.bytes, 800);
    assert_int_equal(add(3, 400, WN_ASSESSMENT_WAITING), WN_OK);
    check("43");
    assert_int_equal(e.bytes, 1000);
}

static void as_many_wait_or_run_as_may(void **state)
{
    (void)state;
    config.max_evaluations = 2;
    assert_int_equal(add(1, 10, WN_ASSESSMENT_RUNNING), WN_OK);
    assert_int_equal(add(2, 10, WN_ASSESSMENT_WAITING), WN_OK);
    assert_int_equal(add(3, 10, WN_ASSESSMENT_WAITING), WN_QUEUE_FULL);
    assert_int_equal(add(3, 1001, WN_ASSESSMENT_WAITING), WN_TOO_LARGE);
    check("12");
    e.first->state = WN_ASSESSMENT_CANCELLED;
    assert_int_equal(add(3, 10, WN_ASSESSMENT_WAITING), WN_OK);
    check("23");
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(results_make_room_those_of_the_same_key_first),
        T(what_is_refused_costs_nobody_a_result),
        T(as_many_wait_or_run_as_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
