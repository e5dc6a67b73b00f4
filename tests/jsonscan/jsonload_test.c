/* JSON while memory runs out: it is read whole, or "no memory" is said; never is it wrong, or shorter, or the end of
 * the process. */
#include "oom.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <config.h>
#include <inprocess.h>
#include <jsonload.h>

#define MOST 100000

/* Numbers, words and strings that are longer than jansson's first buffer, and tables that grow. */
static const char whole[] =
    "{\"pi\": 3.14159265358979323846264338327950288419716939937510582097494459230781640628620899,\n"
    " \"list\": [1, 2, 3, 4, 5, 6, 7, 8, 9, 123456789012345678, -0.000000000000000000000000000000001e10, true, null],\n"
    " \"a key that is longer than sixteen bytes\": \"and a text that is longer than thirty-two bytes, "
    "\\u00e9\\ud83d\\ude00\\n\",\n"
    " \"a\": 1, \"b\": 2, \"c\": 3, \"d\": 4, \"e\": 5, \"f\": 6, \"g\": {\"h\": [{}, [[]], {\"i\": "
    "1.0000000000000001}]}}";
static const enum oom_mode modes[] = {OOM_ONCE, OOM_FROM_THEN_ON};

static void a_text_is_read_whole_or_there_is_no_memory(void **state)
{
    json_error_t why;
    bool starved = true;
    json_t *good = wn_json_load(whole, strlen(whole), &why, &starved);
    (void)state;
    assert_non_null(good);
    assert_false(starved);
    for (int m = 0; m < 2; m++) {
        bool refused = true;
        for (long n = 1; refused; n++) {
            assert_in_range(n, 1, MOST);
            oom_arm(n, modes[m]);
            json_t *root = wn_json_load(whole, strlen(whole), &why, &starved);
            refused = oom_disarm();
            assert_int_equal(starved, refused);
            if (refused)
                assert_null(root);
            else
                assert_true(json_equal(root, good));
            json_decref(root);
        }
    }
    json_decref(good);
}

static void a_wrong_text_is_wrong_or_there_is_no_memory(void **state)
{
    static const char wrong[] = "{\"a\": [12345678901234567890.12345678901234567890, \"a text of more than sixteen "
                                "bytes\", {\"b\": 1}],\n \"c\": }";
    (void)state;
    for (int m = 0; m < 2; m++) {
        bool refused = true;
        for (long n = 1; refused; n++) {
            struct wn_error err = {0};
            json_t *root;
            assert_in_range(n, 1, MOST);
            oom_arm(n, modes[m]);
            enum wn_code code = wn_json_parse(wrong, strlen(wrong), &root, &err);
            refused = oom_disarm();
            assert_null(root);
            assert_int_equal(code, refused ? WN_NO_MEMORY : WN_BAD_REQUEST);
            if (!refused) assert_non_null(strstr(err.text, "line 2: unexpected token near '}'"));
        }
    }
}

static void what_is_no_object_or_has_a_key_twice_is_wrong(void **state)
{
    static const char *const texts[] = {"", "3", "{\"a\": 1, \"a\": 2}", "{} {}", "{\"a\": 1e999}"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        json_t *root;
        assert_int_equal(wn_json_parse(texts[i], strlen(texts[i]), &root, NULL), WN_BAD_REQUEST);
        assert_null(root);
    }
}

/* What is made and freed between two readings, and while nothing is read, is no reading's. */
static void trees_live_on_while_others_are_read(void **state)
{
    json_t *first, *second;
    (void)state;
    assert_int_equal(wn_json_parse(whole, strlen(whole), &first, NULL), WN_OK);
    oom_arm(20, OOM_ONCE);
    assert_int_equal(wn_json_parse(whole, strlen(whole), &second, NULL), WN_NO_MEMORY);
    assert_true(oom_disarm());
    assert_int_equal(wn_json_parse(whole, strlen(whole), &second, NULL), WN_OK);
    assert_int_equal(json_object_set_new(first, "more", json_integer(1)), 0);
    char *text = json_dumps(first, JSON_COMPACT);
    assert_non_null(text);
    free(text);
    json_decref(first);
    json_decref(second);
}

/* Processor time of this thread for so many texts in a list that turns out wrong at its end: the least of three. */
static double seconds_of(int n)
{
    char *text = malloc((size_t)n * 3 + 4), *at = text;
    double least = 1e9;
    assert_non_null(text);
    *at++ = '[';
    for (int i = 0; i < n; i++, at += 3) memcpy(at, "\"\",", 3);
    *at++ = '}';
    for (int i = 0; i < 3; i++) {
        struct timespec begin, end;
        json_t *root;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
        assert_int_equal(wn_json_parse(text, (size_t)(at - text), &root, NULL), WN_BAD_REQUEST);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
        const double s = (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec);
        least = s < least ? s : least;
    }
    free(text);
    return least;
}

static void a_wrong_text_costs_as_much_as_it_is_long(void **state)
{
    (void)state;
    const double few = seconds_of(4000), many = seconds_of(64000);
    if (many > 80 * few)
        fail_msg("16 times the text takes %.0f times as long", many / few); /* 256 if all are searched */
}

/* ---- who reads with it ---- */

static void a_configuration_is_read_whole_or_there_is_no_memory(void **state)
{
    char path[] = "/tmp/whynot-config-XXXXXX", option[64];
    static const char text[] = "{\n  // a remark\n  \"port\": 12345,\n  \"models\": "
                               "\"/a/folder/with/a/name/longer/than/thirty-two/bytes\"\n}\n";
    int fd = mkstemp(path);
    (void)state;
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    snprintf(option, sizeof option, "--config=%s", path);
    for (int m = 0; m < 2; m++) {
        bool refused = true;
        for (long n = 1; refused; n++) {
            static struct wn_config config;
            struct wn_error err = {0};
            enum wn_config_wish wish;
            char *words[] = {(char[]){"whynotd"}, option, NULL};
            assert_in_range(n, 1, MOST);
            oom_arm(n, modes[m]);
            enum wn_code code = wn_config_load(2, words, &config, &wish, &err);
            refused = oom_disarm();
            if (code == WN_OK) assert_int_equal(config.port, 12345);
            if (code == WN_OK) assert_string_equal(config.models, "/a/folder/with/a/name/longer/than/thirty-two/bytes");
            if (code != (refused ? WN_NO_MEMORY : WN_OK)) fail_msg("allocation %ld: %s", n, err.text);
        }
    }
    unlink(path);
}

static void a_cancellation_is_never_called_wrong_for_want_of_memory(void **state)
{
    static struct wn_config config = {.max_queue_size = 1};
    struct wn_server *s = NULL;
    struct wn_error err = {0};
    (void)state;
    if (wn_inprocess_open(&config, "", &s, &err) != WN_OK) fail_msg("%s", err.text);
    for (int m = 0; m < 2; m++) {
        bool refused = true;
        for (long n = 1; refused; n++) {
            struct wn_inprocess_reply reply = {0};
            assert_in_range(n, 1, MOST);
            oom_arm(n, modes[m]);
            enum wn_code code = wn_inprocess_call(s, "POST", "/v1/evaluations/0/cancel", "{ }", 3, &reply, &err);
            refused = oom_disarm();
            if (code == WN_OK) assert_int_not_equal(reply.status, 400);
            if (!refused) assert_int_equal(reply.status, 404);
            wn_buffer_finish(&reply.body);
        }
    }
    wn_inprocess_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_read_whole_or_there_is_no_memory),
        cmocka_unit_test(a_wrong_text_is_wrong_or_there_is_no_memory),
        cmocka_unit_test(what_is_no_object_or_has_a_key_twice_is_wrong),
        cmocka_unit_test(trees_live_on_while_others_are_read),
        cmocka_unit_test(a_wrong_text_costs_as_much_as_it_is_long),
        cmocka_unit_test(a_configuration_is_read_whole_or_there_is_no_memory),
        cmocka_unit_test(a_cancellation_is_never_called_wrong_for_want_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
