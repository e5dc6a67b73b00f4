/* The n-th call to the device fails, for every n, or what it gives is no number, while a network is asked for
 * everything: the caller is told what failed, gets no map, and gets the maps of a quiet run when the same engine is
 * asked again.
 *     device_test BACKEND NETWORK.onnx... */
#include "ailing.h"
#include "chores.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static char **networks;
static int n_networks;
static struct record quiet, got;

/* A failure may be an answer of its own (a NaN speaks against one question, and not against the others). */
static void check(const struct chore *c, long n, enum ailment how, enum wn_code code, enum wn_code expected,
                  const struct wn_error *err)
{
    static const enum wn_code codes[] = {WN_DEVICE, WN_NO_MEMORY, WN_UNSUPPORTED, WN_BAD_NUMBERS};
    /* what the network rules out is refused before the device is asked */
    if (code == expected && code != WN_OK) return;
    if (code != WN_OK && code != codes[how])
        fail_msg("%s, call %ld: %s: %s", c->name, n, wn_code_name(code), err->text);
    if (code != WN_OK && !err->text[0]) fail_msg("%s: call %ld failed without a word", c->name, n);
    if (code == WN_OK && (how != AILS_NUMBERS || record_agrees(&quiet, &got, 1e-4f)))
        fail_msg("%s: call %ld failed and nobody saw it", c->name, n);
}

static bool disturb(const struct chore *c, struct wn_graph *g, long n, enum ailment how, enum wn_code expected)
{
    struct wn_error err;
    struct desk desk;
    desk_open(&desk, g, "faulty");
    ailing_arm(n, how);
    enum wn_code code = chore_do(c, &desk, &got, &err);
    bool failed = ailing_disarm();
    if (failed) check(c, n, how, code, expected, &err);
    code = chore_do(c, &desk, &got, &err);
    if (code != expected) fail_msg("%s: after call %ld the engine does not recover: %s", c->name, n, err.text);
    if (code == WN_OK && !record_agrees(&quiet, &got, 1e-6f))
        fail_msg("%s: after call %ld the engine answers something else", c->name, n);
    desk_close(&desk);
    return failed;
}

static void ail(enum ailment how)
{
    for (int i = 0; i < n_networks; i++) {
        struct wn_graph *g = desk_graph(networks[i]);
        for (int k = 0; chore_at(k).name; k++) {
            const struct chore chore = chore_at(k);
            struct wn_error err;
            struct desk desk;
            long n = 1;
            desk_open(&desk, g, "faulty");
            enum wn_code expected = chore_do(&chore, &desk, &quiet, &err);
            desk_close(&desk);
            while (disturb(&chore, g, n, how, expected)) n++;
            assert_true(n > 1 || expected != WN_OK);
        }
        wn_graph_destroy(g);
    }
}

static void a_call_that_the_device_fails_is_said_and_forgotten(void **state)
{
    (void)state;
    ail(AILS_DEVICE);
}

static void so_is_one_for_which_the_device_has_no_memory(void **state)
{
    (void)state;
    ail(AILS_MEMORY);
}

static void what_is_no_number_is_no_answer(void **state)
{
    (void)state;
    ail(AILS_NUMBERS);
}

static void no_engine_is_made_on_a_device_that_fails(void **state)
{
    (void)state;
    static const enum wn_code codes[] = {WN_DEVICE, WN_NO_MEMORY, WN_UNSUPPORTED};
    struct wn_graph *g = desk_graph(networks[0]);
    for (int how = AILS_DEVICE; how <= AILS_UNSUPPORTED; how++)
        for (long n = 1; n <= 2; n++) { /* opening, compiling */
            struct wn_engine *e = NULL;
            struct wn_error err = {0};
            ailing_arm(n, (enum ailment)how);
            assert_int_equal(wn_engine_create(g, &(struct wn_engine_options){.backend = "faulty"}, &e, &err),
                             codes[how]);
            assert_true(ailing_disarm());
            assert_null(e);
            assert_string_equal(err.text, "a failure, as asked for");
        }
    wn_graph_destroy(g);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_that_the_device_fails_is_said_and_forgotten),
        cmocka_unit_test(so_is_one_for_which_the_device_has_no_memory),
        cmocka_unit_test(what_is_no_number_is_no_answer),
        cmocka_unit_test(no_engine_is_made_on_a_device_that_fails),
    };
    if (argc < 3) return 2;
    if (!wn_backend_find(argv[1])) return 77;
    ailing_over(argv[1]);
    networks = argv + 2;
    n_networks = argc - 2;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
