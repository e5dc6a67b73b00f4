/* What the shared harness does not ask of a backend, and this one has code of its own for: more parts than one
 * launch takes, copies whose strides fit no axis, gathers that are looked through, and an arena that shares its
 * bytes. On the emulation. */
#include "judging.h"

#include <math.h>
#include <sanitizer/asan_interface.h>
#include <stdlib.h>
#include <string.h>

#include "exe.h"

/* ---- moving ---- */

static void forty_parts(struct subject *s)
{
    int x[40];
    for (int i = 0; i < 40; i++) x[i] = input(s, SHAPE(2, i % 3 ? 8 : 1, 3, 3));
    subject_output(s, wn_concat(s->p, x, 40, 1));
}

/* Wide parts only, so that the 16-byte path runs past one launch's parts as well. */
static void forty_wide_parts(struct subject *s)
{
    int x[40];
    for (int i = 0; i < 40; i++) x[i] = input(s, SHAPE(1, 8 * (1 + i % 2), 3, 1));
    subject_output(s, wn_concat(s->p, x, 40, 1));
}

static void more_parts_than_one_launch_takes(void **state)
{
    (void)state;
    judge_all(forty_parts);
    judge_all(forty_wide_parts);
}

/* All elements as one long run, across channels and rows; and every 7th of them, which fits no axis. */
static void flat_copies(struct subject *s)
{
    int x = input(s, SHAPE(2, 5, 4, 6));
    const struct wn_shape same = SHAPE(2, 5, 4, 6), other = SHAPE(1, 30, 2, 4), few = SHAPE(1, 3, 11, 1);
    const struct wn_copy all = {.rank = 1, .extent = {240}, .x_stride = {1}, .y_stride = {1}};
    const struct wn_copy back = {.rank = 1, .extent = {240}, .x_offset = 239, .x_stride = {-1}, .y_stride = {1}};
    const struct wn_copy seventh = {.rank = 1, .extent = {33}, .x_offset = 3, .x_stride = {7}, .y_stride = {1}};
    const struct wn_copy diagonal = {
        .rank = 2, .extent = {2, 4}, .x_stride = {120, 7}, .y_offset = 2, .y_stride = {100, 3}, .fill = 9};
    subject_output(s, wn_copy(s->p, x, &same, &all));
    subject_output(s, wn_copy(s->p, x, &other, &back));
    subject_output(s, wn_copy(s->p, x, &few, &seventh));
    subject_output(s, wn_copy(s->p, x, &same, &diagonal));
}

static void a_copy_may_walk_across_axes(void **state)
{
    (void)state;
    judge_all(flat_copies);
}

static void reshapes(struct subject *s)
{
    static const int64_t shapes[][4] = {{2, 24, 3, 5},  {2, 24, 15, 1}, {2, 8, 9, 5},
                                        {1, 2, 24, 15}, {6, 8, 15, 1},  {720, 1, 1, 1}};
    int x = input(s, SHAPE(2, 24, 3, 5)), y = wn_relu(s->p, x);
    for (int i = 0; i < 6; i++) {
        const struct wn_shape to = wn_shape_of(4, shapes[i]);
        subject_output(s, wn_linear(s->p, wn_reshape(s->p, y, &to), 2, 1));
        subject_output(s, wn_reshape(s->p, wn_reshape(s->p, y, &to), &(struct wn_shape){3, {2, 45, 8}}));
    }
}

static void any_reshape_keeps_the_order_of_elements(void **state)
{
    (void)state;
    judge_all(reshapes);
}

/* ---- rows ---- */

static void dotted(struct subject *s, int64_t channels, int64_t h, int64_t w)
{
    int a = wn_relu(s->p, input(s, SHAPE(3, channels, h, w)));
    subject_output(s, a);
    wn_program_end_stage(s->p);
    int rows = subject_rows(s, 5, 3), g = input(s, SHAPE(5, channels, 1, 1)), full = input(s, SHAPE(5, channels, h, w));
    subject_output(s, wn_channel_dot(s->p, wn_gather(s->p, a, rows), g));
    subject_output(s, wn_channel_dot(s->p, wn_gather(s->p, a, rows), full));
    int both = wn_gather(s->p, a, rows);
    subject_output(s, wn_channel_dot(s->p, both, g));
    subject_output(s, wn_reduce(s->p, WN_REDUCE_MAX, both, 14));
}

static void dot_1000(struct subject *s)
{
    dotted(s, 1000, 2, 1);
}
static void dot_33(struct subject *s)
{
    dotted(s, 33, 3, 7);
}
static void dot_16(struct subject *s)
{
    dotted(s, 16, 5, 9);
}
static void dot_15(struct subject *s)
{
    dotted(s, 15, 9, 5);
}
static void dot_1(struct subject *s)
{
    dotted(s, 1, 13, 1);
}
static void dot_one_place(struct subject *s)
{
    dotted(s, 31, 1, 1);
}

static void many_rows_look_their_images_up(void **state)
{
    (void)state;
    judge_all(dot_1000);
    judge_all(dot_33);
    judge_all(dot_16);
    judge_all(dot_15);
    judge_all(dot_1);
    judge_all(dot_one_place);
}

/* A product over values that lie channels last because a line convolution shares the program. */
static void lines_and_matrices(struct subject *s)
{
    const struct wn_window win = {1, {3}, {1}, {1}, {1}, {1}};
    int x = input(s, SHAPE(2, 5, 9));
    int y = wn_conv(s->p, x, subject_weight(s, SHAPE(6, 5, 3), -1, 1), subject_weight(s, SHAPE(6), -1, 1), &win, 1);
    int m = input(s, SHAPE(2, 9, 4));
    subject_output(s, wn_matmul(s->p, y, false, m, false, subject_weight(s, SHAPE(4), -1, 1)));
    subject_output(s, wn_matmul(s->p, y, true, y, false, WN_NONE));
    subject_output(s, wn_relu(s->p, wn_matmul(s->p, m, true, y, true, WN_NONE)));
}

static void a_product_takes_either_layout(void **state)
{
    (void)state;
    judge(lines_and_matrices, WN_PRECISION_F32, 1e-5);
    judge(lines_and_matrices, WN_PRECISION_BF16, 3e-2);
}

/* ---- memory ---- */

static void a_long_chain(struct subject *s)
{
    int x = input(s, SHAPE(1, 16, 32, 32));
    for (int i = 0; i < 20; i++) x = wn_linear(s->p, x, 0.5f, 1);
    subject_output(s, wn_reduce(s->p, WN_REDUCE_SUM, x, 12));
}

static void values_of_a_chain_share_bytes(void **state)
{
    (void)state;
    struct subject s;
    struct wn_backend *be;
    struct wn_exe *exe;
    struct wn_backend_traits before, during, after;
    subject_init(&s, 1, false);
    a_long_chain(&s);
    assert_int_equal(wn_backend_open("cuda", &(struct wn_backend_options){.precision = WN_PRECISION_F32}, &be, NULL),
                     WN_OK);
    be->impl->traits(be, &before);
    assert_int_equal(be->impl->compile(be, s.p, &exe, NULL), WN_OK);
    be->impl->traits(be, &during);
    be->impl->release(exe);
    be->impl->traits(be, &after);
    const size_t one = 16 * 32 * 32 * sizeof(float);
    const size_t held = during.device_bytes - before.device_bytes;
    assert_true(held >= 3 * one); /* the input stays, and two take turns */
    assert_true(held < 5 * one);
    assert_int_equal(before.device_bytes, after.device_bytes);
    wn_backend_close(be);
    subject_finish(&s);
    judge(a_long_chain, WN_PRECISION_F32, 1e-5);
}

/* In test builds: what a kernel must not touch is seen behind each value, and what nobody has written is NaN. */
static void values_apart_end_where_they_end_and_none_is_cleared_but_an_input(void **state)
{
    (void)state;
    struct subject s;
    struct wn_backend *be;
    struct wn_exe *base;
    int looked_at = 0;
    subject_init(&s, 1, false);
    a_long_chain(&s);
    assert_int_equal(wn_backend_open("cuda", &(struct wn_backend_options){.precision = WN_PRECISION_F32}, &be, NULL),
                     WN_OK);
    setenv("WHYNOT_APART", "1", 1);
    fake_runtime.cleared_bytes = 0;
    assert_int_equal(be->impl->compile(be, s.p, &base, NULL), WN_OK);
    assert_int_equal(fake_runtime.cleared_bytes, 16 * 32 * 32 * sizeof(float));
    const struct wn_cuda_exe *exe = (const struct wn_cuda_exe *)base;
    for (int v = 0; v < wn_program_values(s.p); v++) {
        if (exe->home[v] != v || wn_program_value(s.p, v)->kind == WN_VALUE_CONST) continue;
        const char *end = (const char *)exe->values[v].data + wn_cuda_tensor_bytes(&exe->values[v]);
        assert_false(__asan_address_is_poisoned(end - 1));
        assert_true(__asan_address_is_poisoned(end));
        looked_at++;
    }
    assert_true(looked_at > 10);
    be->impl->release(base);
    unsetenv("WHYNOT_APART");
    wn_backend_close(be);
    subject_finish(&s);
}

static void two_programs_share_their_weights(void **state)
{
    (void)state;
    static float numbers[64 * 64];
    const struct wn_weight w = {{2, {64, 64}}, numbers, "w"};
    struct wn_program *p[2];
    struct wn_exe *exe[2];
    struct wn_backend *be;
    struct wn_backend_traits none, one, two;
    assert_int_equal(wn_backend_open("cuda", NULL, &be, NULL), WN_OK);
    be->impl->traits(be, &none);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(wn_program_create(&p[i], NULL), WN_OK);
        int x = wn_program_input(p[i], SHAPE(1, 64), true);
        wn_program_output(p[i], wn_matmul(p[i], x, false, wn_program_const(p[i], &w), false, WN_NONE));
        assert_int_equal(be->impl->compile(be, p[i], &exe[i], NULL), WN_OK);
        be->impl->traits(be, i ? &two : &one);
    }
    assert_true(one.device_bytes - none.device_bytes >= sizeof numbers);
    assert_true(two.device_bytes - one.device_bytes < sizeof numbers / 2);
    be->impl->release(exe[0]);
    assert_int_equal(be->impl->run(exe[1], 0, NULL), WN_OK); /* the weight is still there */
    be->impl->release(exe[1]);
    be->impl->traits(be, &two);
    assert_int_equal(two.device_bytes, none.device_bytes);
    for (int i = 0; i < 2; i++) wn_program_destroy(p[i]);
    wn_backend_close(be);
}

/* Two engines of one graph: what each holds together with the other is said, and is there once. */
static void two_backends_share_their_weights_and_say_so(void **state)
{
    (void)state;
    static float numbers[64 * 64];
    const struct wn_weight w = {{2, {64, 64}}, numbers, "w"};
    struct wn_program *p;
    struct wn_exe *exe[2];
    struct wn_backend *be[2];
    struct wn_backend_traits opened[2], traits[2];
    long held[2];
    assert_int_equal(wn_program_create(&p, NULL), WN_OK);
    int x = wn_program_input(p, SHAPE(1, 64), true);
    wn_program_output(p, wn_matmul(p, x, false, wn_program_const(p, &w), false, WN_NONE));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(wn_backend_open("cuda", NULL, &be[i], NULL), WN_OK);
        be[i]->impl->traits(be[i], &opened[i]);
        assert_int_equal(opened[i].shared_bytes, 0);
    }
    for (int i = 0; i < 2; i++) {
        const long before = fake_runtime.held_bytes;
        assert_int_equal(be[i]->impl->compile(be[i], p, &exe[i], NULL), WN_OK);
        held[i] = fake_runtime.held_bytes - before;
        be[i]->impl->traits(be[i], &traits[i]);
    }
    assert_true(traits[0].shared_bytes >= sizeof numbers && traits[0].shared_bytes < 2 * sizeof numbers);
    assert_int_equal(traits[0].shared_bytes, traits[1].shared_bytes);
    assert_int_equal(traits[0].device_bytes, traits[1].device_bytes);
    assert_int_equal(held[0] - held[1], traits[0].shared_bytes);
    be[0]->impl->release(exe[0]);
    wn_backend_close(be[0]);
    assert_int_equal(be[1]->impl->run(exe[1], 0, NULL), WN_OK);
    be[1]->impl->release(exe[1]);
    be[1]->impl->traits(be[1], &traits[1]);
    assert_int_equal(traits[1].shared_bytes, 0);
    assert_int_equal(traits[1].device_bytes, opened[1].device_bytes);
    wn_backend_close(be[1]);
    wn_program_destroy(p);
}

/* ---- several devices ---- */

/* One thread goes back and forth between two: the fake runtime ends the process where it is not told which. */
static void whoever_enters_a_backend_makes_its_device_the_current_one(void **state)
{
    (void)state;
    struct subject s;
    struct wn_backend *be[2];
    struct wn_exe *exe[2];
    static float out[2][4096];
    fake_runtime.devices = 2;
    subject_init(&s, 1, false);
    three_steps(&s);
    for (int i = 0; i < 2; i++)
        assert_int_equal(wn_backend_open("cuda",
                                         &(struct wn_backend_options){.device = i, .precision = WN_PRECISION_F32},
                                         &be[i], NULL),
                         WN_OK);
    for (int i = 1; i >= 0; i--) assert_int_equal(be[i]->impl->compile(be[i], s.p, &exe[i], NULL), WN_OK);
    for (int k = 0; k < s.n_inputs; k++)
        for (int i = 0; i < 2; i++)
            assert_int_equal(be[i]->impl->write(exe[i], s.inputs[k].value, s.inputs[k].data, NULL), WN_OK);
    for (int i = 1; i >= 0; i--) assert_int_equal(be[i]->impl->run(exe[i], 0, NULL), WN_OK);
    for (int i = 0; i < 2; i++) assert_int_equal(be[i]->impl->read(exe[i], s.outputs[0], out[i], NULL), WN_OK);
    assert_memory_equal(out[0], out[1], sizeof out[0]);
    be[1]->impl->release(exe[1]);
    be[0]->impl->release(exe[0]);
    wn_backend_close(be[1]);
    wn_backend_close(be[0]);
    assert_int_equal(fake_runtime.strangers, 0);
    fake_runtime.devices = 1;
    subject_finish(&s);
}

/* The first convolution wants more than the second, and each spoils what it wants. */
static void two_convolutions(struct subject *s)
{
    const struct wn_window win = {2, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}};
    const int x = wn_conv(s->p, input(s, SHAPE(1, 4, 5, 5)), weight(s, SHAPE(8, 4, 3, 3)), WN_NONE, &win, 1);
    subject_output(s, wn_conv(s->p, x, weight(s, SHAPE(3, 8, 3, 3)), WN_NONE, &win, 1));
}

static void the_workspace_holds_what_the_largest_wants(void **state)
{
    (void)state;
    const bool before = fake_libraries_can;
    fake_libraries_can = true;
    judge(two_convolutions, WN_PRECISION_F32, 1e-5);
    fake_libraries_can = before;
}

/* That the fake runtime would have noticed. */
static void a_stream_of_another_device_is_refused(void **state)
{
    (void)state;
    struct wn_backend *be[2];
    static char byte;
    fake_runtime.devices = 2;
    for (int i = 0; i < 2; i++)
        assert_int_equal(wn_backend_open("cuda", &(struct wn_backend_options){.device = i}, &be[i], NULL), WN_OK);
    struct wn_cuda_backend *second = (struct wn_cuda_backend *)be[1];
    fake_runtime.strangers_expected = true;
    assert_int_equal(wn_cuda_device_use((struct wn_cuda_backend *)be[0], NULL), WN_OK);
    assert_int_equal(wn_cuda_upload(second, second->drawing.device, &byte, 1, NULL), WN_DEVICE);
    assert_int_equal(fake_runtime.strangers, 1);
    fake_runtime.strangers_expected = false, fake_runtime.strangers = 0;
    for (int i = 0; i < 2; i++) wn_backend_close(be[i]);
    fake_runtime.devices = 1;
}

/* Both ways round, against the emulation's own widening: 0, subnormals, ties, the largest, infinities, NaN. */
float fake_half(unsigned short bits);
static void halves_round_to_the_nearest_even(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 0x10000; bits++) {
        const float f = fake_half((unsigned short)bits);
        if (f != f) continue;
        assert_int_equal(wn_cuda_narrow(f, WN_CUDA_F16), bits);
        const float next = fake_half((unsigned short)(bits + 1)), middle = (f + next) / 2;
        if ((bits & 0x7fff) >= 0x7bff) continue;
        assert_int_equal(wn_cuda_narrow(middle, WN_CUDA_F16), bits & 1 ? bits + 1 : bits);
        assert_int_equal(wn_cuda_narrow(nextafterf(middle, next), WN_CUDA_F16), bits + 1);
    }
    assert_int_equal(wn_cuda_narrow(65520, WN_CUDA_F16), 0x7c00);
    assert_int_equal(wn_cuda_narrow(65519, WN_CUDA_F16), 0x7bff);
    assert_int_equal(wn_cuda_narrow(1.00390625f, WN_CUDA_BF16), 0x3f80);
    assert_int_equal(wn_cuda_narrow(1.01171875f, WN_CUDA_BF16), 0x3f82);
    assert_int_equal(wn_cuda_narrow(NAN, WN_CUDA_BF16) & 0x7fff, 0x7fff);
    assert_int_equal(wn_cuda_narrow(-INFINITY, WN_CUDA_BF16), 0xff80);
}

/* ---- the plans of convolutions ---- */

/* n convolutions of ever more filters, of which each next reads the picture as well. */
static struct wn_exe *convolutions(struct subject *s, struct wn_backend *be, int first, int n, int times)
{
    struct wn_exe *exe;
    subject_init(s, 1, false);
    const int x = input(s, SHAPE(1, 3, 4, 4));
    for (int i = 0; i < n * times; i++)
        subject_output(s, wn_conv(s->p, x, weight(s, SHAPE(first + i % n, 3, 1, 1)), WN_NONE,
                                  &(struct wn_window){2, {1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}}, 1));
    assert_int_equal(be->impl->compile(be, s->p, &exe, NULL), WN_OK);
    return exe;
}

static void convolutions_of_a_shape_have_one_plan_in_all_programs(void **state)
{
    (void)state;
    struct wn_backend *be;
    struct subject s[3];
    const int before = fake_plans;
    fake_libraries_can = true;
    assert_int_equal(wn_backend_open("cuda", NULL, &be, NULL), WN_OK);
    struct wn_exe *a = convolutions(&s[0], be, 2, 2, 3), *b = convolutions(&s[1], be, 3, 2, 1);
    assert_int_equal(fake_plans - before, 3); /* of 2, 3 and 4 filters */
    be->impl->release(a);
    assert_int_equal(fake_plans - before, 3);
    a = convolutions(&s[2], be, 2, 2, 1); /* what ended left its plans */
    assert_int_equal(fake_plans - before, 3);
    be->impl->release(a);
    be->impl->release(b);
    wn_backend_close(be);
    assert_int_equal(fake_plans, before);
    for (int i = 0; i < 3; i++) subject_finish(&s[i]);
}

static void plans_that_nobody_uses_make_room_for_others(void **state)
{
    (void)state;
    struct wn_backend *be;
    struct subject s[4];
    const int before = fake_plans;
    fake_libraries_can = true;
    assert_int_equal(wn_backend_open("cuda", NULL, &be, NULL), WN_OK);
    struct wn_exe *used = convolutions(&s[0], be, 1, 2, 1),
                  *idle = convolutions(&s[1], be, 3, WN_CUDA_MOST_PLANS - 2, 1);
    be->impl->release(idle);
    assert_int_equal(fake_plans - before, WN_CUDA_MOST_PLANS);
    /* of which two are used and the rest was there, or is new */
    struct wn_exe *more = convolutions(&s[2], be, 1, WN_CUDA_MOST_PLANS + 3, 1);
    assert_int_equal(fake_plans - before, WN_CUDA_MOST_PLANS + 3);
    be->impl->release(used);
    be->impl->release(more);
    used = convolutions(&s[3], be, 100, 1, 1);
    assert_int_equal(fake_plans - before, WN_CUDA_MOST_PLANS + 3); /* in the place of one of them */
    be->impl->release(used);
    wn_backend_close(be);
    assert_int_equal(fake_plans, before);
    for (int i = 0; i < 4; i++) subject_finish(&s[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_parts_than_one_launch_takes),
        cmocka_unit_test(a_copy_may_walk_across_axes),
        cmocka_unit_test(any_reshape_keeps_the_order_of_elements),
        cmocka_unit_test(many_rows_look_their_images_up),
        cmocka_unit_test(a_product_takes_either_layout),
        cmocka_unit_test(values_of_a_chain_share_bytes),
        cmocka_unit_test(values_apart_end_where_they_end_and_none_is_cleared_but_an_input),
        cmocka_unit_test(two_programs_share_their_weights),
        cmocka_unit_test(two_backends_share_their_weights_and_say_so),
        cmocka_unit_test(whoever_enters_a_backend_makes_its_device_the_current_one),
        cmocka_unit_test(a_stream_of_another_device_is_refused),
        cmocka_unit_test(the_workspace_holds_what_the_largest_wants),
        cmocka_unit_test(halves_round_to_the_nearest_even),
        cmocka_unit_test(convolutions_of_a_shape_have_one_plan_in_all_programs),
        cmocka_unit_test(plans_that_nobody_uses_make_room_for_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
