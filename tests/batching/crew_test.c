/* Which devices compute and how many workers each has: what the configuration says, and what the first engine says
 * where it leaves it open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <worker.h>

static struct wn_config with(const char *devices, int64_t workers)
{
    struct wn_config c = {.workers = workers, .threads = 1};
    snprintf(c.devices, sizeof c.devices, "%s", devices);
    return c;
}

static void check_list(const char *text, int there, const char *expected)
{
    const struct wn_config c = with(text, 0);
    int list[WN_MOST_DEVICES], n;
    char got[256] = "";
    struct wn_error err = {0};
    if (wn_devices_read(&c, there, list, &n, &err) != WN_OK) fail_msg("%s: %s", text, err.text);
    for (int i = 0; i < n; i++) snprintf(got + strlen(got), sizeof got - strlen(got), "%d ", list[i]);
    assert_string_equal(got, expected);
}

static void a_list_of_devices_is_taken_in_its_order(void **state)
{
    (void)state;
    check_list("all", 3, "0 1 2 ");
    check_list("", 2, "0 1 ");
    check_list("2,0", 3, "2 0 ");
    check_list("63", 1000, "63 ");
    const struct wn_config c = with("5,1", 0), all = with("all", 0), bad = with("x", 0);
    assert_int_equal(wn_devices_first(&c), 5);
    assert_int_equal(wn_devices_first(&all), 0);
    assert_int_equal(wn_devices_first(&bad), 0);
}

static void a_list_that_names_no_devices_is_refused(void **state)
{
    (void)state;
    static const char *const rows[][2] = {{"0,", "neither"},    {",0", "neither"},
                                          {"0,,1", "neither"},  {"-1", "neither"},
                                          {"0 1", "neither"},   {"0x1", "neither"},
                                          {"ALL", "neither"},   {"0,1,0", "named twice"},
                                          {"2", "no device 2"}, {"99999999999999999999", "no device"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct wn_config c = with(rows[i][0], 0);
        struct wn_error err = {0};
        int list[WN_MOST_DEVICES], n;
        assert_int_equal(wn_devices_read(&c, 2, list, &n, &err), WN_BAD_REQUEST);
        if (!strstr(err.text, rows[i][1])) fail_msg("%s: %s", rows[i][0], err.text);
    }
}

static struct wn_crew choose(const char *devices, int64_t workers, int there, int engines)
{
    const struct wn_config c = with(devices, workers);
    const struct wn_backend_traits first = {
        .devices = there, .engines = engines, .backend = "some", .precision = "f32"};
    struct wn_crew crew;
    struct wn_error err = {0};
    if (wn_crew_choose(&c, &first, &crew, &err) != WN_OK) fail_msg("%s", err.text);
    assert_string_equal(crew.backend, "some");
    return crew;
}

static void each_device_has_as_many_workers_as_its_backend_gains_from(void **state)
{
    (void)state;
    assert_int_equal(choose("all", 0, 1, 2).n, 2);
    assert_int_equal(choose("all", 0, 3, 2).n, 6);
    assert_int_equal(choose("2", 0, 3, 2).n, 2);
    assert_int_equal(choose("all", 1, 3, 2).n, 3); /* workers counts them for each */
    assert_int_equal(choose("all", 256, 3, 2).n, 3 * (WN_MOST_WORKERS / 3));
    /* it counts neither: one device, the processor */
    assert_int_equal(choose("all", 0, 0, 0).n, (int)sysconf(_SC_NPROCESSORS_ONLN));
    assert_int_equal(choose("all", 4, 0, 0).n, 4);
}

static void workers_take_turns_with_the_devices(void **state)
{
    (void)state;
    const struct wn_crew crew = choose("4,1", 2, 5, 0);
    assert_int_equal(crew.n, 4);
    for (int w = 0; w < crew.n; w++) assert_int_equal(crew.device[wn_crew_device(&crew, w)], w % 2 ? 1 : 4);
}

/* Its figures are asked for until the last connection is closed. */
static void a_crew_that_has_gone_home_still_says_what_it_did(void **state)
{
    static struct wn_queue queue;
    static struct wn_workers workers;
    const struct wn_config config = with("all", 2);
    const struct wn_crew crew = choose("all", 2, 1, 0);
    struct wn_error err = {0};
    (void)state;
    assert_int_equal(wn_queue_init(&queue, 8, 0, &err), WN_OK);
    assert_int_equal(wn_workers_start(&workers, &config, &queue, &crew, &err), WN_OK);
    atomic_store(&workers.done[0].images, 7);
    wn_queue_close(&queue);
    wn_workers_stop(&workers);
    assert_ptr_equal(workers.crew, &crew);
    assert_int_equal(atomic_load(&workers.done[0].images), 7);
    wn_workers_stop(&workers); /* there is nobody left to wait for */
    wn_queue_finish(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_of_devices_is_taken_in_its_order),
        cmocka_unit_test(a_list_that_names_no_devices_is_refused),
        cmocka_unit_test(each_device_has_as_many_workers_as_its_backend_gains_from),
        cmocka_unit_test(workers_take_turns_with_the_devices),
        cmocka_unit_test(a_crew_that_has_gone_home_still_says_what_it_did),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
