/* The n-th allocation fails, for every n, while a program is built, differentiated, optimised, printed, compiled and
 * run: no crash, the right code, and nothing left behind (which the sanitizers and valgrind see). */
#include "oom.h"
#include "program.h"
#include "subject.h"

#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

static const float zeros[4096];
static const char *backend = "ref";

/* One of everything that allocates: operand lists, tap tables, derived weights, stages. */
static int build(struct wn_program *p, const struct wn_weight *w, int *row, int *seed)
{
    static const struct wn_window same = {2, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
                                  half = {2, {2, 2}, {2, 2}, {1, 1}, {0}, {0}};
    struct wn_taps taps = {8, 8, 1, (int32_t[]){0, 1, 2, 3, 4, 5, 6, 7}, zeros};
    struct wn_shape flat = SHAPE(2, 4 * 4 * 4);
    int x = wn_program_input(p, SHAPE(2, 3, 8, 8), true);
    int a = wn_relu(p, wn_conv(p, x, wn_program_const(p, &w[0]), wn_program_const(p, &w[1]), &same, 1));
    int b = wn_axis_map(p, wn_add(p, a, wn_transpose(p, a, (int[]){0, 1, 3, 2})), 2, &taps);
    for (int i = 0; i < 40; i++) b = wn_relu(p, wn_pad(p, b, (int64_t[]){0, 0, 0, 1}, (int64_t[]){0, 0, 0, -1}, 0));
    int pooled = wn_reshape(p, wn_maxpool(p, b, &half, NULL), &flat);
    int logits = wn_program_output(p, wn_matmul(p, pooled, false, wn_program_const(p, &w[2]), true, WN_NONE));
    wn_program_end_stage(p);
    *row = wn_program_input(p, SHAPE(3), true);
    *seed = wn_program_input(p, SHAPE(3, 5), true);
    int g = wn_backward(p, logits, *seed, a, (struct wn_rows){*row, 3});
    int at_pool = wn_backward(p, logits, *seed, b, (struct wn_rows){*row, 3});
    wn_program_output(p, wn_channel_mean(p, at_pool));
    wn_program_end_stage(p);
    return wn_program_output(p, wn_channel_dot(p, wn_rows_of(p, a, (struct wn_rows){*row, 3}), wn_channel_mean(p, g)));
}

static enum wn_code run(struct wn_backend *be, const struct wn_program *p, int row, int seed, int map,
                        struct wn_error *err)
{
    struct wn_exe *exe;
    float out[3 * 8 * 8];
    enum wn_code code = be->impl->compile(be, p, &exe, err);
    if (code != WN_OK) return code;
    code = be->impl->write(exe, row, zeros, err);
    if (code == WN_OK) code = be->impl->write(exe, seed, zeros, err);
    for (int i = 0; code == WN_OK && i < wn_program_stages(p); i++) code = be->impl->run(exe, i, err);
    if (code == WN_OK) code = be->impl->read(exe, map, out, err);
    be->impl->release(exe);
    return code;
}

static enum wn_code everything(struct wn_error *err)
{
    const struct wn_weight w[] = {
        {SHAPE(4, 3, 3, 3), zeros, "w0"}, {SHAPE(4), zeros, "w1"}, {SHAPE(5, 64), zeros, "w2"}};
    struct wn_program *p = NULL;
    struct wn_backend *be = NULL;
    int row, seed;
    enum wn_code code = wn_program_create(&p, err);
    if (code != WN_OK) return code;
    int map = build(p, w, &row, &seed);
    free(wn_program_text(p));
    code = wn_program_error(p, err);
    if (code == WN_OK) code = wn_program_optimize(p, err);
    if (code == WN_OK) code = wn_backend_open(backend, NULL, &be, err);
    if (code == WN_OK) code = run(be, p, row, seed, map, err);
    wn_backend_close(be);
    wn_program_destroy(p);
    return code;
}

static void fail_each(enum oom_mode mode)
{
    bool refused = true;
    long n = 0, unseen = 0;
    while (refused) {
        struct wn_error err = {0};
        oom_arm(++n, mode);
        enum wn_code code = everything(&err);
        refused = oom_disarm();
        if (refused && code == WN_OK)
            unseen++; /* the text, which is no loss */
        else if (code != (refused ? WN_NO_MEMORY : WN_OK))
            fail_msg("allocation %ld: %s: %s", n, wn_code_name(code), err.text);
        if (code == WN_NO_MEMORY && err.text[0] == 0) fail_msg("allocation %ld failed without a word", n);
    }
    assert_true(n > 50);
    assert_true(unseen < 8);
}

static void the_nth_allocation_fails_once(void **state)
{
    (void)state;
    fail_each(OOM_ONCE);
}

static void every_allocation_from_the_nth_on_fails(void **state)
{
    (void)state;
    fail_each(OOM_FROM_THEN_ON);
}

/* oom_test [BACKEND] */
int main(int argc, char **argv)
{
    if (argc > 1) backend = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nth_allocation_fails_once),
        cmocka_unit_test(every_allocation_from_the_nth_on_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
