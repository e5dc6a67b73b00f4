/* What wn_program_optimize fuses, what it drops, and what it must leave alone. That numbers stay is judged by grad_test
 * and by the harness of the primitives. */
#include "nets.h"

#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

static struct subject s;
static struct wn_program *p;

static int begin(void **state)
{
    (void)state;
    subject_init(&s, 1, false);
    p = s.p;
    return 0;
}

static int end(void **state)
{
    (void)state;
    subject_finish(&s);
    return 0;
}

static const struct wn_window same = {2, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}};

static int input(void)
{
    return subject_input(&s, SHAPE(1, 3, 5, 5), true, -1, 1);
}

static int conv(int x)
{
    return wn_conv(p, x, subject_weight(&s, SHAPE(3, 3, 3, 3), -1, 1), subject_weight(&s, SHAPE(3), -1, 1), &same, 1);
}

static void steps_after(int n)
{
    assert_int_equal(wn_program_optimize(p, NULL), WN_OK);
    assert_int_equal(wn_program_steps(p), n);
}

static void convolution_takes_addition_and_activation(void **state)
{
    (void)state;
    int x = input(), y = wn_relu(p, wn_add(p, conv(x), x));
    wn_program_output(p, y);
    steps_after(1);
    const struct wn_step *step = wn_program_step(p, 0);
    assert_int_equal(step->prim, WN_PRIM_CONV);
    assert_int_equal(step->in[3], x);
    assert_int_equal(step->u.conv.act.kind, WN_UNARY_RELU);
    assert_int_equal(step->out[0], y);
    assert_int_equal(wn_program_value(p, y)->step, 0);
}

static void of_two_added_convolutions_the_later_takes_the_earlier(void **state)
{
    (void)state;
    int x = input(), a = conv(x), b = conv(x);
    wn_program_output(p, wn_relu(p, wn_add(p, b, a)));
    steps_after(2);
    assert_int_equal(wn_program_step(p, 1)->in[3], a);
}

static void product_takes_bias_and_activation(void **state)
{
    (void)state;
    int x = subject_input(&s, SHAPE(2, 3), true, -1, 1), w = subject_weight(&s, SHAPE(3, 4), -1, 1);
    int bias = subject_weight(&s, SHAPE(4), -1, 1);
    wn_program_output(p, wn_relu(p, wn_add(p, bias, wn_matmul(p, x, false, w, false, WN_NONE))));
    steps_after(1);
    assert_int_equal(wn_program_step(p, 0)->in[2], bias);
}

static void a_value_that_is_read_is_kept(void **state)
{
    (void)state;
    int a = conv(input());
    wn_program_output(p, a);
    wn_program_output(p, wn_relu(p, a));
    steps_after(2);
}

static void a_value_that_two_steps_use_is_kept(void **state)
{
    (void)state;
    int a = conv(input());
    wn_program_output(p, wn_relu(p, a));
    wn_program_output(p, wn_unary(p, WN_UNARY_TANH, a, 0, 0));
    steps_after(3);
}

static void a_convolution_added_to_itself_is_kept(void **state)
{
    (void)state;
    int a = conv(input());
    wn_program_output(p, wn_add(p, a, a));
    steps_after(2);
}

static void an_activation_behind_an_activation_stays(void **state)
{
    (void)state;
    wn_program_output(p, wn_unary(p, WN_UNARY_TANH, wn_relu(p, conv(input())), 0, 0));
    steps_after(2);
}

static void an_addition_that_stretches_is_no_residual(void **state)
{
    (void)state;
    int y = conv(input()), small = subject_input(&s, SHAPE(1, 3, 1, 5), true, -1, 1);
    wn_program_output(p, wn_add(p, y, small));
    steps_after(2);
}

static void nothing_fuses_across_a_stage(void **state)
{
    (void)state;
    int a = conv(input());
    wn_program_end_stage(p);
    wn_program_output(p, wn_relu(p, a));
    steps_after(2);
    assert_int_equal(wn_program_stages(p), 2);
    assert_int_equal(wn_program_stage(p, 0).end, 1);
    assert_int_equal(wn_program_stage(p, 1).begin, 1);
    assert_int_equal(wn_program_stage(p, 1).end, 2);
}

static void steps_that_nothing_needs_go_and_stages_close_up(void **state)
{
    (void)state;
    int x = input(), a = wn_relu(p, x);
    wn_unary(p, WN_UNARY_EXP, a, 0, 0);
    wn_program_end_stage(p);
    int dead = wn_unary(p, WN_UNARY_SQUARE, conv(a), 0, 0);
    int y = wn_program_output(p, wn_linear(p, a, 2, 1));
    wn_program_end_stage(p);
    steps_after(2);
    assert_int_equal(wn_program_stage(p, 0).end, 1);
    assert_int_equal(wn_program_stage(p, 1).begin, 1);
    assert_int_equal(wn_program_stage(p, 1).end, 2);
    assert_int_equal(wn_program_value(p, dead)->step, -1);
    assert_int_equal(wn_program_value(p, y)->step, 1);
}

static void a_stage_of_dead_steps_is_still_a_stage(void **state)
{
    (void)state;
    int a = wn_program_output(p, wn_relu(p, input()));
    wn_program_end_stage(p);
    wn_unary(p, WN_UNARY_EXP, a, 0, 0);
    wn_program_end_stage(p);
    steps_after(1);
    assert_int_equal(wn_program_stages(p), 2);
    assert_int_equal(wn_program_stage(p, 1).end - wn_program_stage(p, 1).begin, 0);
}

static void a_pool_keeps_its_index_only_for_a_gradient(void **state)
{
    (void)state;
    int index;
    wn_program_output(p, wn_maxpool(p, input(), &same, &index));
    steps_after(1);
    assert_int_equal(wn_program_step(p, 0)->n_out, 1);
    assert_int_equal(wn_program_value(p, index)->step, -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(convolution_takes_addition_and_activation),
        TEST(of_two_added_convolutions_the_later_takes_the_earlier),
        TEST(product_takes_bias_and_activation),
        TEST(a_value_that_is_read_is_kept),
        TEST(a_value_that_two_steps_use_is_kept),
        TEST(a_convolution_added_to_itself_is_kept),
        TEST(an_activation_behind_an_activation_stays),
        TEST(an_addition_that_stretches_is_no_residual),
        TEST(nothing_fuses_across_a_stage),
        TEST(steps_that_nothing_needs_go_and_stages_close_up),
        TEST(a_stage_of_dead_steps_is_still_a_stage),
        TEST(a_pool_keeps_its_index_only_for_a_gradient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
