/* What is on its way to the HTTP library, and may never arrive. */
#include <coming.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void those_that_begin_are_no_longer_on_their_way(void **state)
{
    struct wn_coming all = {0};
    (void)state;
    for (int fd = 10; fd < 210; fd++) wn_coming_add(&all, fd, fd);
    assert_int_equal(wn_coming_count(&all, 210), 200);
    wn_coming_remove(&all, 5);
    for (int fd = 209; fd >= 10; fd -= 2) wn_coming_remove(&all, fd);
    assert_int_equal(wn_coming_count(&all, 210), 100);
    wn_coming_finish(&all);
    assert_int_equal(wn_coming_count(&all, 210), 0);
}

static void one_that_never_begins_holds_no_place_for_good(void **state)
{
    struct wn_coming all = {0};
    (void)state;
    wn_coming_add(&all, 10, 1000);
    wn_coming_add(&all, 11, 2000);
    wn_coming_add(&all, 10, 3000); /* the number is somebody else's: the first one is closed */
    assert_int_equal(wn_coming_count(&all, 3000), 2);
    assert_int_equal(wn_coming_count(&all, 2000 + WN_COMING_NS), 2);
    assert_int_equal(wn_coming_count(&all, 2001 + WN_COMING_NS), 1);
    wn_coming_remove(&all, 11);
    assert_int_equal(wn_coming_count(&all, 2001 + WN_COMING_NS), 1);
    assert_int_equal(wn_coming_count(&all, 3001 + WN_COMING_NS), 0);
    wn_coming_finish(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_that_begin_are_no_longer_on_their_way),
        cmocka_unit_test(one_that_never_begins_holds_no_place_for_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
