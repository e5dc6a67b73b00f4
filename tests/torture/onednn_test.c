/* The n-th call into oneDNN fails, with each status that it knows, while a network is compiled and asked for
 * everything: the caller is told, or our own loops take over and give the same; the same engine answers afterwards.
 *     onednn_test TRIES NETWORK.onnx... */
#include "chores.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include <dnnl.h>

extern long ailing_onednn_countdown;
extern dnnl_status_t ailing_onednn_status;

static char **networks;
static int n_networks;
static long tries;
static struct record quiet, got;

static const struct {
    dnnl_status_t status;
    enum wn_code code;
} statuses[] = {
    {dnnl_out_of_memory, WN_NO_MEMORY}, {dnnl_runtime_error, WN_DEVICE}, {dnnl_unimplemented, WN_UNSUPPORTED}};

static void check(const char *what, long n, int how, enum wn_code code, const struct wn_error *err)
{
    if (code != statuses[how].code && code != WN_DEVICE && code != WN_NO_MEMORY)
        fail_msg("%s, call %ld of oneDNN: %s: %s", what, n, wn_code_name(code), err->text);
    if (!err->text[0]) fail_msg("%s: call %ld of oneDNN failed without a word", what, n);
}

static bool disturb(const struct chore *c, struct wn_graph *g, long n, int how, enum wn_code expected, int *failures)
{
    struct wn_error err;
    struct desk desk;
    desk_open(&desk, g, "onednn");
    ailing_onednn_status = statuses[how].status;
    ailing_onednn_countdown = n;
    enum wn_code code = chore_do(c, &desk, &got, &err);
    bool failed = ailing_onednn_countdown == 0;
    ailing_onednn_countdown = 0;
    if (code != expected) check(c->name, n, how, code, &err);
    *failures += code != expected || got.refusals != quiet.refusals;
    if (code == WN_OK && got.refusals == quiet.refusals && !record_agrees(&quiet, &got, 1e-4f))
        fail_msg("%s: call %ld of oneDNN fails and the answer is another one", c->name, n);
    if (failed && chore_do(c, &desk, &got, &err) != expected)
        fail_msg("%s: after call %ld of oneDNN the engine does not recover: %s", c->name, n, err.text);
    if (failed && expected == WN_OK && !record_agrees(&quiet, &got, 1e-4f))
        fail_msg("%s: after call %ld of oneDNN the engine answers something else", c->name, n);
    desk_close(&desk);
    return failed;
}

static long calls_of(const struct chore *c, struct wn_graph *g, enum wn_code *code)
{
    const long most = 1L << 40;
    struct wn_error err;
    struct desk desk;
    desk_open(&desk, g, "onednn");
    ailing_onednn_countdown = most;
    *code = chore_do(c, &desk, &quiet, &err);
    long calls = most - ailing_onednn_countdown;
    ailing_onednn_countdown = 0;
    desk_close(&desk);
    return calls;
}

static void a_call_that_onednn_fails_is_said_or_made_good(void **state)
{
    (void)state;
    for (int i = 0; i < n_networks; i++) {
        struct wn_graph *g = desk_graph(networks[i]);
        for (int k = 0; chore_at(k).name; k++) {
            const struct chore chore = chore_at(k);
            enum wn_code expected;
            long calls = calls_of(&chore, g, &expected), step = calls / tries + 1;
            int failures = 0;
            for (long n = 1 + k % step; disturb(&chore, g, n, (int)(n % 3), expected, &failures); n += step) continue;
            if (expected == WN_OK) assert_true(failures > 0);
        }
        wn_graph_destroy(g);
    }
}

/* Opening the backend, and the program of the automatic layer with its weights. */
static void no_engine_is_made_where_onednn_fails(void **state)
{
    (void)state;
    struct wn_error err;
    int failures = 0;
    for (long n = 1; ailing_onednn_countdown == 0; n++) {
        struct wn_graph *g = desk_graph(networks[0]);
        struct wn_engine *e = NULL;
        int how = (int)(n % 3);
        err = (struct wn_error){0};
        ailing_onednn_status = statuses[how].status;
        ailing_onednn_countdown = n;
        enum wn_code code = wn_engine_create(g, &(struct wn_engine_options){.backend = "onednn"}, &e, &err);
        if (code != WN_OK) check("an engine", n, how, code, &err);
        if (code != WN_OK) assert_null(e);
        failures += code != WN_OK;
        wn_engine_destroy(e);
        wn_graph_destroy(g);
    }
    ailing_onednn_countdown = 0;
    assert_true(failures > 5);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_engine_is_made_where_onednn_fails),
        cmocka_unit_test(a_call_that_onednn_fails_is_said_or_made_good),
    };
    if (argc < 3) return 2;
    tries = atol(argv[1]);
    networks = argv + 2;
    n_networks = argc - 2;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
