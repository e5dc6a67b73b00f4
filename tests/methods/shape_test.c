/* A formula whose result is no map is refused where it is appended, by name, before anybody reads past its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "methods/method.h"

enum { ROWS = 2, CHANNELS = 3, SIDE = 5 };

static int channels(struct wn_program *p, const struct wn_method_in *in)
{
    return wn_relu(p, in->activation);
}
static int one_for_all_rows(struct wn_program *p, const struct wn_method_in *in)
{
    return wn_reduce(p, WN_REDUCE_SUM, wn_channel_dot(p, in->activation, in->gradient), 1u << 0);
}
static int flat(struct wn_program *p, const struct wn_method_in *in)
{
    const int64_t dim[] = {ROWS, SIDE * SIDE};
    const struct wn_shape shape = {2, {dim[0], dim[1]}};
    return wn_reshape(p, wn_channel_dot(p, in->activation, in->gradient), &shape);
}
static int map(struct wn_program *p, const struct wn_method_in *in)
{
    return wn_channel_dot(p, in->activation, in->gradient);
}
static enum wn_code run(struct wn_run *r, struct wn_error *err)
{
    (void)r, (void)err;
    return WN_OK;
}

static enum wn_code append(const struct wn_method *m, struct wn_error *err)
{
    struct wn_program *p = NULL;
    assert_int_equal(wn_program_create(&p, NULL), WN_OK);
    const struct wn_shape shape = {4, {ROWS, CHANNELS, SIDE, SIDE}};
    const struct wn_method_in in = {.activation = wn_program_input(p, shape, true),
                                    .gradient = wn_program_input(p, shape, true),
                                    .rows = {WN_NONE, ROWS}};
    const int y = wn_method_build(m, p, &in);
    const enum wn_code code = wn_program_error(p, err);
    assert_int_equal(y >= 0, code == WN_OK);
    wn_program_destroy(p);
    return code;
}

static void a_map_for_each_row_is_taken(void **state)
{
    (void)state;
    assert_int_equal(append(&(struct wn_method){.name = "good", .build = map}, NULL), WN_OK);
    /* what a method of several runs goes on with need not be one */
    assert_int_equal(append(&(struct wn_method){.name = "runs", .build = channels, .run = run}, NULL), WN_OK);
}

static void whatever_is_no_map_for_each_row_is_refused_by_name(void **state)
{
    (void)state;
    const struct wn_method bad[] = {{.name = "channels", .build = channels},
                                    {.name = "rows", .build = one_for_all_rows},
                                    {.name = "flat", .build = flat},
                                    {.name = "running", .build = one_for_all_rows, .run = run}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct wn_error err = {0};
        assert_int_equal(append(&bad[i], &err), WN_INTERNAL);
        assert_non_null(strstr(err.text, bad[i].name));
        assert_non_null(strstr(err.text, "(2,1,h,w)"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_map_for_each_row_is_taken),
        cmocka_unit_test(whatever_is_no_map_for_each_row_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
