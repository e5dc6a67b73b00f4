/* What wn_program_optimize fuses, what it drops, and what it must leave alone. That numbers stay is judged by
 * grad_test and by the harness of the primitives. */
#include "nets.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* ---- gradients of convolutions ---- */

enum { HAS_BIAS = 1, COMPUTED = 2 };

/* A program of one gradient: of (2,c,..) with respect to x, from its inputs and weights by seed. */
static void build_gradient(struct subject *t, const struct wn_window *win, int64_t c, int64_t o, int64_t groups,
                           struct wn_shape x, int flags)
{
    struct wn_shape w = {win->rank + 2, {o, c / groups}}, dy = x;
    subject_init(t, 7, false);
    dy.dim[1] = o;
    for (int d = 0; d < win->rank; d++) {
        w.dim[2 + d] = win->kernel[d];
        dy.dim[2 + d] = (x.dim[2 + d] + win->pad_lo[d] + win->pad_hi[d] - win->dilation[d] * (win->kernel[d] - 1) - 1) /
                            win->stride[d] +
                        1;
    }
    const int filter = flags & COMPUTED ? subject_input(t, w, false, -1, 1) : subject_weight(t, w, -1, 1);
    const int bias = flags & HAS_BIAS ? subject_weight(t, SHAPE(c), -1, 1) : WN_NONE;
    wn_program_output(t->p, wn_conv_bwd(t->p, subject_input(t, dy, true, -1, 1), filter, bias, win, groups, &x));
}

static float *result_of(struct subject *t)
{
    const struct wn_backend_options options = {0};
    struct wn_backend *be;
    struct wn_exe *exe;
    struct wn_error err = {0};
    if (wn_backend_open("ref", &options, &be, &err) || be->impl->compile(be, t->p, &exe, &err))
        fail_msg("%s", err.text);
    for (int i = 0; i < t->n_inputs; i++) be->impl->write(exe, t->inputs[i].value, t->inputs[i].data, NULL);
    const int y = wn_program_step(t->p, wn_program_steps(t->p) - 1)->out[0];
    float *data = malloc((size_t)wn_shape_count(&wn_program_value(t->p, y)->shape) * sizeof *data);
    if (be->impl->run(exe, 0, &err) || be->impl->read(exe, y, data, &err)) fail_msg("%s", err.text);
    be->impl->release(exe);
    wn_backend_close(be);
    return data;
}

/* Whether it is one convolution afterwards; that its numbers are the same is judged here. */
static bool turns(const struct wn_window *win, int64_t c, int64_t o, int64_t groups, struct wn_shape x, int flags)
{
    struct subject plain, turned;
    build_gradient(&plain, win, c, o, groups, x, flags);
    build_gradient(&turned, win, c, o, groups, x, flags);
    assert_int_equal(wn_program_optimize(turned.p, NULL), WN_OK);
    assert_int_equal(wn_program_steps(turned.p), 1);
    float *a = result_of(&plain), *b = result_of(&turned);
    for (int64_t i = 0; i < wn_shape_count(&x); i++) assert_float_equal(a[i], b[i], 1e-4f);
    const bool is = wn_program_step(turned.p, 0)->prim == WN_PRIM_CONV;
    free(a);
    free(b);
    subject_finish(&plain);
    subject_finish(&turned);
    return is;
}

static void a_gradient_with_stride_1_is_a_convolution(void **state)
{
    (void)state;
    const struct wn_window one = {2, {1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}},
                           wide = {2, {5, 3}, {1, 1}, {1, 1}, {2, 0}, {2, 0}},
                           apart = {2, {3, 3}, {1, 1}, {2, 3}, {1, 3}, {1, 3}}, line = {1, {3}, {1}, {1}, {1}, {1}},
                           solid = {3, {3, 1, 2}, {1, 1, 1}, {1, 1, 1}, {1, 0, 0}, {1, 0, 0}};
    for (int flags = 0; flags <= HAS_BIAS; flags++) {
        assert_true(turns(&one, 6, 9, 1, SHAPE(2, 6, 5, 4), flags));
        assert_true(turns(&same, 5, 4, 1, SHAPE(2, 5, 5, 4), flags));
        assert_true(turns(&wide, 6, 4, 2, SHAPE(2, 6, 7, 5), flags));
        assert_true(turns(&apart, 8, 8, 8, SHAPE(1, 8, 6, 8), flags));
        assert_true(turns(&line, 6, 3, 3, SHAPE(2, 6, 9), flags));
        assert_true(turns(&solid, 6, 4, 1, SHAPE(1, 6, 4, 3, 5), flags));
    }
}

static void a_gradient_that_is_no_plain_convolution_stays_one(void **state)
{
    (void)state;
    const struct wn_window steps = {2, {3, 3}, {2, 1}, {1, 1}, {1, 1}, {1, 1}},
                           uneven = {2, {3, 3}, {1, 1}, {1, 1}, {0, 1}, {2, 1}},
                           beyond = {2, {1, 1}, {1, 1}, {1, 1}, {1, 1}, {1, 1}};
    assert_false(turns(&steps, 6, 4, 1, SHAPE(2, 6, 5, 4), 0));
    assert_false(turns(&uneven, 6, 4, 1, SHAPE(2, 6, 5, 4), 0));
    assert_false(turns(&beyond, 6, 4, 1, SHAPE(2, 6, 5, 4), 0));
    assert_false(turns(&same, 6, 4, 1, SHAPE(2, 6, 5, 4), COMPUTED));
    assert_false(turns(&same, 4, 6, 1, SHAPE(2, 4, 5, 4), 0)); /* a picture */
}

static void the_sum_behind_a_gradient_is_its_residual(void **state)
{
    (void)state;
    const struct wn_shape shape = SHAPE(1, 6, 5, 5);
    const int w = subject_weight(&s, SHAPE(6, 6, 3, 3), -1, 1);
    for (int i = 0; i < 2; i++) {
        const int dy = subject_input(&s, shape, true, -1, 1), skip = subject_input(&s, shape, true, -1, 1);
        wn_program_output(p, wn_add(p, skip, wn_conv_bwd(p, dy, w, WN_NONE, &same, 1, &shape)));
    }
    steps_after(2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(wn_program_step(p, i)->prim, WN_PRIM_CONV);
        assert_int_not_equal(wn_program_step(p, i)->in[3], WN_NONE);
    }
}

/* A store of up to 4 weights by their keys, as a model has one. */
static struct {
    char key[4][256];
    struct wn_weight weight[4];
    int n;
} kept;

static const struct wn_weight *keep(void *ctx, const char *key, const struct wn_shape *shape,
                                    void (*make)(float *dst, const void *arg), const void *arg, struct wn_error *err)
{
    (void)ctx, (void)err;
    for (int i = 0; i < kept.n; i++)
        if (strcmp(kept.key[i], key) == 0) return &kept.weight[i];
    assert_true(kept.n < 4);
    float *data = malloc((size_t)wn_shape_count(shape) * sizeof *data);
    make(data, arg);
    snprintf(kept.key[kept.n], sizeof kept.key[0], "%s", key);
    kept.weight[kept.n] = (struct wn_weight){*shape, data, "turned"};
    return &kept.weight[kept.n++];
}

static void a_filter_is_turned_once_for_each_number_of_groups(void **state)
{
    (void)state;
    static const int64_t groups[] = {1, 1, 3};
    const struct wn_shape shape[] = {SHAPE(1, 6, 5, 5), SHAPE(1, 6, 5, 5), SHAPE(1, 18, 5, 5)};
    const int w = subject_weight(&s, SHAPE(6, 6, 3, 3), -1, 1);
    wn_program_use_weights(p, (struct wn_weight_source){keep, NULL});
    for (int i = 0; i < 3; i++)
        wn_program_output(p, wn_conv_bwd(p, subject_input(&s, SHAPE(1, 6, 5, 5), true, -1, 1), w, WN_NONE, &same,
                                         groups[i], &shape[i]));
    steps_after(3);
    assert_int_equal(wn_program_step(p, 0)->in[1], wn_program_step(p, 1)->in[1]);
    assert_int_not_equal(wn_program_step(p, 0)->in[1], wn_program_step(p, 2)->in[1]);
    assert_int_equal(kept.n, 2);
    while (kept.n) free((void *)kept.weight[--kept.n].data);
}

static void a_gradient_that_nobody_needs_turns_no_filter(void **state)
{
    (void)state;
    const struct wn_shape shape = SHAPE(1, 6, 5, 5);
    const int dy = subject_input(&s, shape, true, -1, 1);
    wn_conv_bwd(p, dy, subject_weight(&s, SHAPE(6, 6, 3, 3), -1, 1), WN_NONE, &same, 1, &shape);
    wn_program_output(p, wn_relu(p, dy));
    const int values = wn_program_values(p);
    steps_after(1);
    assert_int_equal(wn_program_values(p), values);
}

/* What a 1x1 convolution makes of padding leads nowhere: its gradient is of the cells alone. */
static void padding_around_a_single_cell_is_cut_off_first(void **state)
{
    (void)state;
    const struct wn_window win = {2, {1, 1}, {1, 1}, {1, 1}, {1, 2}, {1, 2}};
    const struct wn_shape shape = SHAPE(2, 6, 4, 3), cells = SHAPE(2, 7, 4, 3);
    const int x = subject_input(&s, shape, true, -1, 1),
              y = wn_conv(p, x, subject_weight(&s, SHAPE(7, 6, 1, 1), -1, 1), WN_NONE, &win, 1);
    wn_program_output(p, y);
    wn_program_end_stage(p);
    const int seed = subject_input(&s, wn_program_value(p, y)->shape, true, -1, 1);
    wn_program_output(p, wn_backward(p, y, seed, x, (struct wn_rows){WN_NONE, 2}));
    assert_int_equal(wn_program_optimize(p, NULL), WN_OK);
    const struct wn_step *last = wn_program_step(p, wn_program_steps(p) - 1);
    assert_int_equal(last->prim, WN_PRIM_CONV);
    assert_true(wn_shape_equal(&wn_program_value(p, last->in[0])->shape, &cells));
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
        TEST(a_gradient_with_stride_1_is_a_convolution),
        TEST(a_gradient_that_is_no_plain_convolution_stays_one),
        TEST(the_sum_behind_a_gradient_is_its_residual),
        TEST(a_filter_is_turned_once_for_each_number_of_groups),
        TEST(a_gradient_that_nobody_needs_turns_no_filter),
        TEST(padding_around_a_single_cell_is_cut_off_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
