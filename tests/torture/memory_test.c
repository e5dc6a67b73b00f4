/* The n-th allocation fails, once or from then on, while a network is read, compiled and asked for everything: either
 * nothing was lost, and what comes out is what comes out of a quiet run, or the caller is told that memory is short;
 * the same engine answers afterwards.
 *     memory_test BACKEND TRIES NETWORK.onnx...
 * TRIES: allocations that fail of each chore; 0: reading alone, every one of them */
#include "chores.h"
#include "oom.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *backend;
static char **networks;
static int n_networks;
static long tries;

static struct record quiet, got;

static void check_words(const char *what, long n, enum wn_code code, const struct wn_error *err)
{
    if (code != WN_NO_MEMORY && code != WN_DEVICE)
        fail_msg("%s, allocation %ld: %s: %s", what, n, wn_code_name(code), err->text);
    if (!err->text[0]) fail_msg("%s, allocation %ld failed without a word", what, n);
}

/* Both answer the same to every chore. */
static void check_answers(struct desk *sound, struct desk *doubtful, long n)
{
    for (int k = 0; chore_at(k).name; k++) {
        const struct chore chore = chore_at(k);
        struct wn_error err;
        enum wn_code expected = chore_do(&chore, sound, &quiet, &err), code = chore_do(&chore, doubtful, &got, &err);
        if (code != expected || !record_agrees(&quiet, &got, 1e-4f))
            fail_msg("%s: allocation %ld was lost without a word", chore.name, n);
    }
}

/* ---- reading ---- */

/* The network that was read although allocation n failed is the one in the file. */
static void check_network(const char *path, const struct wn_graph_options *options, long n, struct wn_graph *g)
{
    struct wn_graph *whole = NULL;
    struct wn_error err = {0};
    struct desk sound, doubtful;
    if (wn_graph_load(path, options, &whole, &err) != WN_OK) fail_msg("%s: %s", path, err.text);
    desk_open(&sound, whole, backend);
    desk_open(&doubtful, g, backend);
    assert_int_equal(wn_graph_layers(g), wn_graph_layers(whole));
    check_answers(&sound, &doubtful, n);
    desk_close(&doubtful);
    desk_close(&sound);
    wn_graph_destroy(whole);
}

static bool read_once(const char *path, int64_t side, long n, int *failures)
{
    static const float low[] = {-1, -1, -1}, high[] = {1, 1, 1};
    const struct wn_graph_options options = {
        .height = side, .width = side, .low = low, .high = high, .n_bounds = 3, .shuffle_seed = n % 3 == 0};
    struct wn_error err = {0};
    struct wn_graph *g = NULL;
    oom_arm(n, n % 2 ? OOM_ONCE : OOM_FROM_THEN_ON);
    enum wn_code code = wn_graph_load(path, &options, &g, &err);
    bool refused = oom_disarm();
    if (code != WN_OK) check_words(path, n, code, &err);
    if (code != WN_OK) assert_null(g);
    if (code == WN_OK && refused) check_network(path, &options, n, g);
    *failures += code != WN_OK;
    wn_graph_destroy(g);
    return refused;
}

static void reading_a_network_survives_every_failed_allocation(void **state)
{
    (void)state;
    if (tries > 0) skip();
    for (int i = 0; i < n_networks; i++) {
        struct wn_graph *g = desk_graph(networks[i]);
        int64_t side = wn_graph_height(g);
        int failures = 0;
        wn_graph_destroy(g);
        for (long n = 1; read_once(networks[i], side, n, &failures); n++) continue;
        assert_true(failures > 20);
    }
}

/* ---- asking ---- */

/* One chore on an engine that has done nothing yet. True where an allocation failed. */
static bool disturb(const struct chore *c, struct wn_graph *g, long n, enum wn_code expected, int *failures)
{
    struct wn_error err;
    struct desk desk;
    desk_open(&desk, g, backend);
    oom_arm(n, n % 2 ? OOM_ONCE : OOM_FROM_THEN_ON);
    enum wn_code code = chore_do(c, &desk, &got, &err);
    bool refused = oom_disarm();
    if (code != expected) check_words(c->name, n, code, &err);
    if (code == WN_OK && !record_agrees(&quiet, &got, 1e-4f))
        fail_msg("%s: allocation %ld was lost without a word, and numbers with it", c->name, n);
    *failures += code != expected;
    if (refused && n % 4 == 0) {
        code = chore_do(c, &desk, &got, &err);
        if (code != expected)
            fail_msg("%s: after allocation %ld the engine does not recover: %s", c->name, n, err.text);
        if (code == WN_OK && !record_agrees(&quiet, &got, 1e-4f))
            fail_msg("%s: after allocation %ld the engine answers something else", c->name, n);
    }
    desk_close(&desk);
    return refused;
}

static void disturb_all(const struct chore *c, struct wn_graph *g, int shift)
{
    struct desk desk;
    struct wn_error err;
    int failures = 0;
    desk_open(&desk, g, backend);
    long before = oom_asked();
    enum wn_code expected = chore_do(c, &desk, &quiet, &err);
    long asked = oom_asked() - before, step = asked / tries + 1;
    desk_close(&desk);
    for (long n = 1 + shift % step; disturb(c, g, n, expected, &failures); n += step) continue;
    if (asked > 0 && failures == 0) fail_msg("%s asked for memory %ld times, and no failure was seen", c->name, asked);
}

static void whatever_is_asked_survives_failed_allocations(void **state)
{
    (void)state;
    if (tries == 0) skip();
    for (int i = 0; i < n_networks; i++) {
        struct wn_graph *g = desk_graph(networks[i]);
        for (int k = 0; chore_at(k).name; k++) {
            const struct chore chore = chore_at(k);
            disturb_all(&chore, g, i + k);
        }
        wn_graph_destroy(g);
    }
}

static enum wn_code create(struct wn_graph *g, struct wn_engine **out, struct wn_error *err)
{
    const struct wn_engine_options options = {
        .backend = backend, .max_images = 2, .max_rows = 2, .black = (const float[]){-1, -1, -1}};
    *err = (struct wn_error){0};
    return wn_engine_create(g, &options, out, err);
}

/* The engine that was made although allocation n failed is as good as any. */
static void check_engine(struct wn_graph *g, struct wn_engine *e, long n)
{
    struct wn_error err;
    struct desk sound = {.graph = g}, doubtful = {g, e};
    if (create(g, &sound.engine, &err) != WN_OK) fail_msg("%s", err.text);
    check_answers(&sound, &doubtful, n);
    desk_close(&sound);
}

/* Of a network just read, so that what is derived from its weights is made too. */
static void an_engine_is_made_or_refused(void **state)
{
    (void)state;
    if (tries == 0) skip();
    for (int i = 0; i < n_networks; i++) {
        bool refused = true;
        int failures = 0;
        for (long n = 1; refused; n += 1 + n / tries) {
            struct wn_graph *g = desk_graph(networks[i]);
            struct wn_engine *e = NULL;
            struct wn_error err;
            oom_arm(n, n % 2 ? OOM_ONCE : OOM_FROM_THEN_ON);
            enum wn_code code = create(g, &e, &err);
            refused = oom_disarm();
            if (code != WN_OK) check_words("an engine", n, code, &err);
            failures += code != WN_OK;
            if (code == WN_OK && refused) check_engine(g, e, n);
            if (code != WN_OK && create(g, &e, &err) != WN_OK)
                fail_msg("after allocation %ld no engine is made: %s", n, err.text);
            wn_engine_destroy(e);
            wn_graph_destroy(g);
        }
        assert_true(failures > 5);
    }
}

/* memory_test BACKEND TRIES NETWORK.onnx... */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading_a_network_survives_every_failed_allocation),
        cmocka_unit_test(an_engine_is_made_or_refused),
        cmocka_unit_test(whatever_is_asked_survives_failed_allocations),
    };
    if (argc < 4) return 2;
    backend = argv[1];
    tries = atol(argv[2]);
    networks = argv + 3;
    n_networks = argc - 3;
    if (!wn_backend_find(backend)) return 77;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
