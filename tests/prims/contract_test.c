/* What every backend promises beside its arithmetic, asked of the oracle: who may write and read what, stages,
 * constants. */
#include "subject.h"

#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ref/ref.h"

static struct wn_program *p;
static struct wn_backend *be;

static int begin(void **state)
{
    (void)state;
    return wn_program_create(&p, NULL) || wn_backend_open("ref", NULL, &be, NULL);
}

static int end(void **state)
{
    (void)state;
    wn_program_destroy(p);
    wn_backend_close(be);
    return 0;
}

static struct wn_exe *compiled(void)
{
    struct wn_exe *exe;
    struct wn_error err = {0};
    if (be->impl->compile(be, p, &exe, &err) != WN_OK) fail_msg("%s", err.text);
    return exe;
}

static void only_inputs_are_written_and_only_outputs_read(void **state)
{
    (void)state;
    float x[2] = {1, 2};
    int in = wn_program_input(p, SHAPE(2), false), mid = wn_relu(p, in),
        out = wn_program_output(p, wn_linear(p, mid, 2, 0));
    struct wn_exe *exe = compiled();
    assert_int_equal(be->impl->write(exe, in, x, NULL), WN_OK);
    assert_int_equal(be->impl->write(exe, out, x, NULL), WN_INTERNAL);
    assert_int_equal(be->impl->read(exe, mid, x, NULL), WN_INTERNAL);
    assert_int_equal(be->impl->read(exe, in, x, NULL), WN_INTERNAL);
    assert_int_equal(be->impl->read(exe, out, x, NULL), WN_OK);
    assert_int_equal(be->impl->write(exe, 99, x, NULL), WN_INTERNAL);
    assert_int_equal(be->impl->write(exe, -1, x, NULL), WN_INTERNAL);
    be->impl->release(exe);
}

static void a_stage_that_is_not_there_is_refused(void **state)
{
    (void)state;
    wn_program_output(p, wn_relu(p, wn_program_input(p, SHAPE(2), false)));
    struct wn_exe *exe = compiled();
    assert_int_equal(be->impl->run(exe, 0, NULL), WN_OK);
    assert_int_equal(be->impl->run(exe, 1, NULL), WN_INTERNAL);
    assert_int_equal(be->impl->run(exe, -1, NULL), WN_INTERNAL);
    be->impl->release(exe);
}

static void values_of_a_stage_stay_while_a_later_stage_runs_again(void **state)
{
    (void)state;
    float y;
    int a = wn_program_input(p, SHAPE(1), false), squared = wn_unary(p, WN_UNARY_SQUARE, a, 0, 0);
    wn_program_end_stage(p);
    int b = wn_program_input(p, SHAPE(1), false), sum = wn_program_output(p, wn_add(p, squared, b));
    struct wn_exe *exe = compiled();
    be->impl->write(exe, a, (float[]){3}, NULL);
    be->impl->run(exe, 0, NULL);
    be->impl->write(exe, a, (float[]){100}, NULL);
    for (int i = 0; i < 3; i++) {
        be->impl->write(exe, b, (float[]){(float)i}, NULL);
        assert_int_equal(be->impl->run(exe, 1, NULL), WN_OK);
        assert_int_equal(be->impl->read(exe, sum, &y, NULL), WN_OK);
        assert_float_equal(y, 9.0f + (float)i, 0);
    }
    be->impl->release(exe);
}

static size_t bytes_held(void)
{
    struct wn_backend_traits traits;
    be->impl->traits(be, &traits);
    return traits.device_bytes;
}

static void a_constant_is_held_once_for_all_executables_and_let_go_with_the_last(void **state)
{
    (void)state;
    static const float data[1000];
    const struct wn_weight w = {SHAPE(1000), data, "w"};
    wn_program_output(p, wn_relu(p, wn_program_const(p, &w)));
    assert_int_equal(bytes_held(), 0);
    struct wn_exe *first = compiled();
    size_t one = bytes_held();
    struct wn_exe *second = compiled();
    assert_int_equal(bytes_held(), one + (one - sizeof data * 2));
    be->impl->release(first);
    assert_int_equal(bytes_held(), one);
    be->impl->release(second);
    assert_int_equal(bytes_held(), 0);
}

static void a_constant_at_an_old_address_is_read_anew(void **state)
{
    (void)state;
    float data[1] = {1}, y;
    const struct wn_weight w = {SHAPE(1), data, "w"};
    int out = wn_program_output(p, wn_linear(p, wn_program_const(p, &w), 2, 0));
    for (int i = 1; i < 3; i++) {
        data[0] = (float)i;
        struct wn_exe *exe = compiled();
        be->impl->run(exe, 0, NULL);
        be->impl->read(exe, out, &y, NULL);
        assert_float_equal(y, 2.0f * (float)i, 0);
        be->impl->release(exe);
    }
}

static void a_program_that_failed_does_not_compile(void **state)
{
    (void)state;
    struct wn_exe *exe;
    struct wn_error err = {0};
    wn_program_fail(p, WN_BAD_MODEL, "broken on purpose");
    assert_int_equal(be->impl->compile(be, p, &exe, &err), WN_BAD_MODEL);
    assert_string_equal(err.text, "broken on purpose");
}

static void options_that_the_oracle_lacks_are_refused(void **state)
{
    (void)state;
    struct wn_backend *other;
    assert_int_equal(wn_backend_open("ref", &(struct wn_backend_options){.precision = WN_PRECISION_BF16}, &other, NULL),
                     WN_UNSUPPORTED);
    assert_int_equal(wn_backend_open("ref", &(struct wn_backend_options){.device = 1}, &other, NULL), WN_UNSUPPORTED);
    assert_int_equal(wn_backend_open("nothing", NULL, &other, NULL), WN_BAD_REQUEST);
    assert_int_equal(wn_backend_open("ref", &(struct wn_backend_options){.precision = WN_PRECISION_F32}, &other, NULL),
                     WN_OK);
    wn_backend_close(other);
    wn_backend_close(NULL);
}

static void doubles_pass_unrounded_through_the_test_door(void **state)
{
    (void)state;
    const double third = 1.0 / 3;
    double y;
    int x = wn_program_input(p, SHAPE(1), false), out = wn_linear(p, x, 2, 0);
    wn_program_output(p, out);
    struct wn_exe *exe = compiled();
    assert_int_equal(wn_ref_write_double(exe, x, &third, NULL), WN_OK);
    be->impl->run(exe, 0, NULL);
    assert_int_equal(wn_ref_read_double(exe, out, &y, NULL), WN_OK);
    assert_true(y == 2 * third);
    be->impl->release(exe);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_inputs_are_written_and_only_outputs_read),
        TEST(a_stage_that_is_not_there_is_refused),
        TEST(values_of_a_stage_stay_while_a_later_stage_runs_again),
        TEST(a_constant_is_held_once_for_all_executables_and_let_go_with_the_last),
        TEST(a_constant_at_an_old_address_is_read_anew),
        TEST(a_program_that_failed_does_not_compile),
        TEST(options_that_the_oracle_lacks_are_refused),
        TEST(doubles_pass_unrounded_through_the_test_door),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
