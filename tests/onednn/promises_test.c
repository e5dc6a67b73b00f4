/* What the oneDNN backend promises beside its arithmetic: shared weights, no allocation in run, engines side by side,
 * values that outlive the steps that could have been put in their place. */
#include "subject.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "allocations.h"

static const struct wn_window same_3x3 = {2, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}};
static const struct wn_window row_of_2 = {2, {1, 2}, {1, 1}, {1, 1}, {1, 0}, {1, 1}};

static struct wn_backend *open_onednn(enum wn_precision precision, int threads)
{
    struct wn_backend *be;
    struct wn_error err = {0};
    struct wn_backend_options how = {.precision = precision, .threads = threads};
    if (wn_backend_open("onednn", &how, &be, &err) != WN_OK) fail_msg("%s", err.text);
    return be;
}

static size_t bytes_of(struct wn_backend *be)
{
    struct wn_backend_traits traits;
    be->impl->traits(be, &traits);
    return traits.device_bytes;
}

static int conv(struct subject *s, int x, int64_t in, int64_t out, const struct wn_window *win)
{
    int w = subject_weight(s, SHAPE(out, in, win->kernel[0], win->kernel[1]), -0.3, 0.3);
    return wn_conv(s->p, x, w, subject_weight(s, SHAPE(out), -0.3, 0.3), win, 1);
}

/* Two convolutions, a skip, a pool with an index, a product; then a second stage that asks backwards. */
static void small_net(struct subject *s)
{
    int x = subject_input(s, SHAPE(1, 3, 16, 16), true, -1, 1), index;
    static const struct wn_window half = {2, {2, 2}, {2, 2}, {1, 1}, {0, 0}, {0, 0}};
    int a = wn_relu(s->p, conv(s, x, 3, 32, &same_3x3));
    int b = wn_relu(s->p, wn_add(s->p, conv(s, a, 32, 32, &same_3x3), a));
    int pooled = wn_maxpool(s->p, b, &half, &index);
    struct wn_shape flat = SHAPE(1, 32 * 64), plane = SHAPE(1, 32, 8, 8), whole = SHAPE(1, 32, 16, 16);
    int w = subject_weight(s, SHAPE(10, 32 * 64), -0.1, 0.1);
    subject_output(
        s, wn_matmul(s->p, wn_reshape(s->p, pooled, &flat), false, w, true, subject_weight(s, SHAPE(10), -1, 1)));
    wn_program_end_stage(s->p);
    int seed = subject_input(s, SHAPE(1, 10), true, -1, 1);
    int back = wn_reshape(s->p, wn_matmul(s->p, seed, false, w, false, WN_NONE), &plane);
    int g = wn_maxpool_bwd(s->p, back, index, &half, &whole);
    subject_output(s, wn_channel_dot(s->p, b, wn_reduce(s->p, WN_REDUCE_MEAN, g, 12)));
}

/* ---- weights ---- */

static void weights_are_packed_once_for_all_programs_and_backends(void **state)
{
    (void)state;
    struct subject s;
    struct wn_exe *exe[3];
    struct wn_backend *one = open_onednn(WN_PRECISION_F32, 1), *two = open_onednn(WN_PRECISION_F32, 1);
    subject_init(&s, 1, false);
    subject_output(&s, conv(&s, subject_input(&s, SHAPE(1, 64, 8, 8), true, -1, 1), 64, 256, &same_3x3));
    size_t packed = 256 * 64 * 9 * sizeof(float), empty = bytes_of(one);
    assert_int_equal(one->impl->compile(one, s.p, &exe[0], NULL), WN_OK);
    size_t first = bytes_of(one) - empty;
    assert_true(first >= packed);
    assert_int_equal(one->impl->compile(one, s.p, &exe[1], NULL), WN_OK);
    assert_int_equal(bytes_of(one) - empty, 2 * first - packed);
    assert_int_equal(bytes_of(two), 0); /* what others hold is not counted */
    assert_int_equal(two->impl->compile(two, s.p, &exe[2], NULL), WN_OK);
    assert_int_equal(bytes_of(two) - empty, first);
    for (int i = 0; i < 3; i++) exe[i]->backend->impl->release(exe[i]);
    assert_int_equal(bytes_of(one), empty);
    wn_backend_close(one);
    wn_backend_close(two);
    subject_finish(&s);
}

struct packing {
    struct wn_backend *be;
    struct subject s;
    struct wn_exe *exe;
    atomic_bool done;
};

static void *pack(void *arg)
{
    struct packing *p = arg;
    if (p->be->impl->compile(p->be, p->s.p, &p->exe, NULL) != WN_OK) p->exe = NULL;
    atomic_store(&p->done, true);
    return NULL;
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The longest time that `one` took to say its traits while another packs, as a share of the packing. */
static double longest_wait(struct wn_backend *one, struct packing *p)
{
    pthread_t packer;
    const int64_t begin = now_ns();
    int64_t longest = 0;
    atomic_store(&p->done, false);
    assert_int_equal(pthread_create(&packer, NULL, pack, p), 0);
    while (!atomic_load(&p->done)) {
        const int64_t before = now_ns();
        bytes_of(one);
        const int64_t took = now_ns() - before;
        longest = took > longest ? took : longest;
        sched_yield();
    }
    const int64_t whole = now_ns() - begin;
    pthread_join(packer, NULL);
    assert_non_null(p->exe);
    p->exe->backend->impl->release(p->exe);
    return (double)longest / (double)whole;
}

/* Workers ask while models are loaded. */
static void nobody_waits_for_a_weight_that_another_packs(void **state)
{
    (void)state;
    struct packing p = {.be = open_onednn(WN_PRECISION_F32, 1)};
    struct wn_backend *one = open_onednn(WN_PRECISION_F32, 1);
    double share = 1;
    subject_init(&p.s, 1, false);
    int x = subject_input(&p.s, SHAPE(1, 1024, 4, 4), true, -1, 1);
    subject_output(&p.s, conv(&p.s, x, 1024, 1024, &same_3x3));
    for (int i = 0; i < 5; i++) { /* the least: others have this machine too */
        const double again = longest_wait(one, &p);
        share = again < share ? again : share;
    }
    if (share > 0.4) fail_msg("it waited for %.0f %% of the time", 100 * share);
    wn_backend_close(one);
    wn_backend_close(p.be);
    subject_finish(&p.s);
}

/* The gradient of a product reads the very matrix of the model, the other way round. */
static void a_matrix_of_one_row_products_is_not_copied_at_all(void **state)
{
    (void)state;
    struct subject s;
    struct wn_exe *exe;
    struct wn_backend *be = open_onednn(WN_PRECISION_F32, 1);
    subject_init(&s, 1, false);
    int w = subject_weight(&s, SHAPE(1000, 2048), -1, 1), x = subject_input(&s, SHAPE(1, 2048), true, -1, 1);
    int y = wn_matmul(s.p, x, false, w, true, WN_NONE);
    subject_output(&s, wn_matmul(s.p, y, false, w, false, WN_NONE));
    assert_int_equal(be->impl->compile(be, s.p, &exe, NULL), WN_OK);
    assert_true(bytes_of(be) < 100 * 1024);
    be->impl->release(exe);
    wn_backend_close(be);
    subject_finish(&s);
}

/* ---- run ---- */

static void run_once(struct subject *s, struct wn_exe *exe)
{
    const struct wn_backend_impl *impl = exe->backend->impl;
    for (int i = 0; i < s->n_inputs; i++) impl->write(exe, s->inputs[i].value, s->inputs[i].data, NULL);
    for (int i = 0; i < wn_program_stages(s->p); i++) assert_int_equal(impl->run(exe, i, NULL), WN_OK);
}

static void run_allocates_nothing(void **state)
{
    (void)state;
    for (int precision = WN_PRECISION_F32; precision <= WN_PRECISION_BF16;
         precision += WN_PRECISION_BF16 - WN_PRECISION_F32) {
        struct subject s;
        struct wn_exe *exe;
        struct wn_backend *be;
        struct wn_backend_options how = {.precision = (enum wn_precision)precision};
        if (wn_backend_open("onednn", &how, &be, NULL) != WN_OK) continue; /* no bf16 here */
        subject_init(&s, 1, false);
        small_net(&s);
        assert_int_equal(wn_program_optimize(s.p, NULL), WN_OK);
        assert_int_equal(be->impl->compile(be, s.p, &exe, NULL), WN_OK);
        run_once(&s, exe);
        long before = allocations();
        run_once(&s, exe);
        assert_int_equal(allocations(), before);
        void *volatile seen = malloc(1); /* the counter does count */
        free(seen);
        assert_true(!allocations_counted() || allocations() > before);
        be->impl->release(exe);
        wn_backend_close(be);
        subject_finish(&s);
    }
}

/* ---- engines side by side ---- */

struct side {
    struct subject subject;
    float logits[10], map[256];
    bool failed;
};

/* Compiles anew each time, so that threads meet in the store of weights. Nothing here may end the test: it is not
 * cmocka's thread. */
static void *run_many(void *arg)
{
    struct side *side = arg;
    struct subject *s = &side->subject;
    struct wn_backend *be;
    struct wn_exe *exe;
    if (wn_backend_open("onednn", NULL, &be, NULL) != WN_OK) {
        side->failed = true;
        return NULL;
    }
    const struct wn_backend_impl *impl = be->impl;
    for (int i = 0; i < 20 && !side->failed; i++) {
        side->failed = impl->compile(be, s->p, &exe, NULL) != WN_OK;
        if (side->failed) break;
        for (int k = 0; k < s->n_inputs; k++) impl->write(exe, s->inputs[k].value, s->inputs[k].data, NULL);
        for (int k = 0; k < 2; k++) side->failed |= impl->run(exe, k, NULL) != WN_OK;
        impl->read(exe, s->outputs[0], side->logits, NULL);
        impl->read(exe, s->outputs[1], side->map, NULL);
        impl->release(exe);
    }
    wn_backend_close(be);
    return NULL;
}

static void two_engines_in_two_threads_give_the_same_bytes(void **state)
{
    (void)state;
    struct side sides[3] = {0};
    pthread_t threads[2];
    for (int i = 0; i < 3; i++) {
        subject_init(&sides[i].subject, 7, false);
        small_net(&sides[i].subject);
    }
    run_many(&sides[2]);
    /* Two threads over one program: its weights are packed by whoever comes first. */
    struct subject second = sides[1].subject;
    sides[1].subject = sides[0].subject;
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, run_many, &sides[i]);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    sides[1].subject = second;
    for (int i = 0; i < 3; i++) {
        assert_false(sides[i].failed);
        assert_memory_equal(sides[i].logits, sides[2].logits, sizeof sides[i].logits);
        assert_memory_equal(sides[i].map, sides[2].map, sizeof sides[i].map);
        subject_finish(&sides[i].subject);
    }
}

/* ---- against the oracle ---- */

static void agrees(void (*build)(struct subject *s), enum wn_precision precision, int threads, double limit)
{
    struct subject s;
    struct outcome got, ref;
    struct wn_error err = {0};
    struct wn_backend *oracle, *be = open_onednn(precision, threads);
    assert_int_equal(wn_backend_open("ref", NULL, &oracle, NULL), WN_OK);
    subject_init(&s, 3, precision == WN_PRECISION_BF16);
    build(&s);
    assert_int_equal(subject_run(&s, oracle, &ref, &err), WN_OK);
    assert_int_equal(wn_program_optimize(s.p, &err), WN_OK);
    assert_int_equal(subject_run(&s, be, &got, &err), WN_OK);
    for (int i = 0; i < ref.n; i++) {
        double off = relative_error(got.data[i], ref.data[i], ref.count[i], 0);
        if (off > limit) fail_msg("output %d is off by %g", i, off);
    }
    outcome_finish(&got);
    outcome_finish(&ref);
    subject_finish(&s);
    wn_backend_close(be);
    wn_backend_close(oracle);
}

static void two_threads_agree_with_the_oracle(void **state)
{
    (void)state;
    agrees(small_net, WN_PRECISION_F32, 2, 1e-5);
}

static void bf16_stays_within_two_percent(void **state)
{
    struct wn_backend *be;
    struct wn_backend_options how = {.precision = WN_PRECISION_BF16};
    (void)state;
    if (wn_backend_open("onednn", &how, &be, NULL) != WN_OK) skip();
    wn_backend_close(be);
    agrees(small_net, WN_PRECISION_BF16, 1, 2e-2);
}

/* The sum may not be written over a residual that is read again. */
static void residual_read_twice(struct subject *s)
{
    int x = subject_input(s, SHAPE(1, 16, 9, 9), true, -1, 1);
    int r = wn_relu(s->p, conv(s, x, 16, 16, &same_3x3));
    int y = wn_relu(s->p, wn_add(s->p, conv(s, x, 16, 16, &same_3x3), r));
    subject_output(s, wn_mul(s->p, conv(s, y, 16, 16, &same_3x3), r));
}

/* The input of the convolution is its own residual. */
static void residual_is_the_input(struct subject *s)
{
    int x = wn_relu(s->p, subject_input(s, SHAPE(1, 16, 9, 9), true, -1, 1));
    subject_output(s, wn_relu(s->p, wn_add(s->p, conv(s, x, 16, 16, &same_3x3), x)));
}

/* Rows of the output that lie in the padding altogether: oneDNN 2.6.3 forgets their residual, or crashes. */
static void residual_over_padding(struct subject *s)
{
    int x = subject_input(s, SHAPE(3, 31, 7, 14), true, -1, 1), r = subject_input(s, SHAPE(3, 7, 9, 14), true, -1, 1);
    subject_output(s, wn_relu(s->p, wn_add(s->p, conv(s, x, 31, 7, &row_of_2), r)));
}

/* Written in place along a chain, while an earlier link is an output. */
static void chain_with_an_output_inside(struct subject *s)
{
    int x = wn_linear(s->p, subject_input(s, SHAPE(1, 8, 5, 5), true, -1, 1), 2, 1), y = wn_relu(s->p, x);
    subject_output(s, y);
    subject_output(s, wn_unary(s->p, WN_UNARY_SQUARE, wn_linear(s->p, y, 3, -1), 0, 0));
}

/* A batch-norm in front of a convolution; `kept`: its product is an output too, so that the chain may not swallow it.
 */
static int norm_chain(struct subject *s, bool act, bool kept)
{
    int x = wn_relu(s->p, conv(s, subject_input(s, SHAPE(2, 8, 7, 7), true, -1, 1), 8, 24, &same_3x3));
    int y = wn_mul(s->p, subject_weight(s, SHAPE(24, 1, 1), -1, 1), x);
    if (kept) subject_output(s, y);
    y = wn_add(s->p, y, subject_weight(s, SHAPE(1, 24, 1, 1), -1, 1));
    if (act) y = wn_relu(s->p, y);
    subject_output(s, conv(s, y, 24, 8, &same_3x3));
    return y;
}

static void norm_with_relu(struct subject *s)
{
    norm_chain(s, true, false);
}

static void norm_alone(struct subject *s)
{
    norm_chain(s, false, false);
}

static void norm_with_output_inside(struct subject *s)
{
    norm_chain(s, true, true);
}

/* The shift is read by two. */
static void norm_read_twice(struct subject *s)
{
    int y = norm_chain(s, false, false);
    subject_output(s, wn_mul(s->p, wn_relu(s->p, y), y));
}

static void scale_shift_and_relu_agree_with_the_oracle(void **state)
{
    (void)state;
    void (*const nets[])(struct subject *) = {norm_with_relu, norm_alone, norm_with_output_inside, norm_read_twice};
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) agrees(nets[i], WN_PRECISION_F32, 1, 1e-5);
    struct wn_backend *be;
    if (wn_backend_open("onednn", &(struct wn_backend_options){.precision = WN_PRECISION_BF16}, &be, NULL) != WN_OK)
        return;
    wn_backend_close(be);
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) agrees(nets[i], WN_PRECISION_BF16, 1, 2e-2);
}

static void a_residual_survives_where_it_is_read_again(void **state)
{
    (void)state;
    agrees(residual_read_twice, WN_PRECISION_F32, 1, 1e-5);
    agrees(residual_is_the_input, WN_PRECISION_F32, 1, 1e-5);
}

static void a_residual_is_added_where_no_input_reaches(void **state)
{
    (void)state;
    agrees(residual_over_padding, WN_PRECISION_F32, 1, 1e-5);
}

static void an_output_survives_the_steps_that_follow_it(void **state)
{
    (void)state;
    agrees(chain_with_an_output_inside, WN_PRECISION_F32, 1, 1e-6);
}

/* What a stage has made stays when an earlier one runs again, whose scraps might have lain in the same place. */
static void an_earlier_stage_that_runs_again_leaves_later_results_alone(void **state)
{
    (void)state;
    struct subject s;
    struct wn_exe *exe;
    float before[16 * 9 * 9], after[16 * 9 * 9];
    struct wn_backend *be = open_onednn(WN_PRECISION_F32, 1);
    subject_init(&s, 5, false);
    int x = subject_input(&s, SHAPE(1, 16, 9, 9), true, -1, 1), y = x;
    for (int i = 0; i < 4; i++) y = wn_relu(s.p, conv(&s, y, 16, 16, &same_3x3));
    wn_program_end_stage(s.p);
    subject_output(&s, wn_linear(s.p, y, 2, 1));
    assert_int_equal(be->impl->compile(be, s.p, &exe, NULL), WN_OK);
    run_once(&s, exe);
    be->impl->read(exe, s.outputs[0], before, NULL);
    assert_int_equal(be->impl->run(exe, 0, NULL), WN_OK);
    be->impl->read(exe, s.outputs[0], after, NULL);
    assert_memory_equal(before, after, sizeof before);
    be->impl->release(exe);
    wn_backend_close(be);
    subject_finish(&s);
}

/* Of an empty plane there are slices, too. */
static void slices_of_nothing_are_added(void **state)
{
    (void)state;
    struct subject s;
    struct wn_exe *exe;
    struct wn_error err = {0};
    struct wn_backend *be = open_onednn(WN_PRECISION_F32, 1);
    subject_init(&s, 5, false);
    const int x = wn_relu(s.p, subject_input(&s, SHAPE(2, 4, 0, 3), true, -1, 1));
    subject_output(&s, wn_add(s.p, wn_slice(s.p, x, 1, 0, 2, 1), wn_slice(s.p, x, 1, 2, 2, 1)));
    if (be->impl->compile(be, s.p, &exe, &err) != WN_OK) fail_msg("%s", err.text);
    run_once(&s, exe);
    be->impl->release(exe);
    wn_backend_close(be);
    subject_finish(&s);
}

/* ---- refusals ---- */

static void what_the_processor_lacks_is_refused(void **state)
{
    (void)state;
    struct wn_backend *be;
    struct wn_error err = {0};
    assert_int_equal(wn_backend_open("onednn", &(struct wn_backend_options){.precision = WN_PRECISION_TF32}, &be, &err),
                     WN_UNSUPPORTED);
    assert_non_null(strstr(err.text, "tf32"));
    assert_int_equal(wn_backend_open("onednn", &(struct wn_backend_options){.device = 1}, &be, NULL), WN_UNSUPPORTED);
    assert_int_equal(wn_backend_open("onednn", &(struct wn_backend_options){.threads = -1}, &be, NULL), WN_BAD_REQUEST);
}

static void only_inputs_are_written_and_only_outputs_read(void **state)
{
    (void)state;
    struct subject s;
    struct wn_exe *exe;
    float x[2] = {1, 2};
    struct wn_backend *be = open_onednn(WN_PRECISION_F32, 1);
    subject_init(&s, 1, false);
    int in = subject_input(&s, SHAPE(2), true, -1, 1), mid = wn_relu(s.p, in);
    subject_output(&s, wn_linear(s.p, mid, 2, 0));
    assert_int_equal(be->impl->compile(be, s.p, &exe, NULL), WN_OK);
    assert_int_equal(be->impl->write(exe, mid, x, NULL), WN_INTERNAL);
    assert_int_equal(be->impl->read(exe, mid, x, NULL), WN_INTERNAL);
    assert_int_equal(be->impl->write(exe, -1, x, NULL), WN_INTERNAL);
    assert_int_equal(be->impl->read(exe, 99, x, NULL), WN_INTERNAL);
    assert_int_equal(be->impl->run(exe, 1, NULL), WN_INTERNAL);
    be->impl->release(exe);
    wn_backend_close(be);
    subject_finish(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_are_packed_once_for_all_programs_and_backends),
        cmocka_unit_test(nobody_waits_for_a_weight_that_another_packs),
        cmocka_unit_test(a_matrix_of_one_row_products_is_not_copied_at_all),
        cmocka_unit_test(run_allocates_nothing),
        cmocka_unit_test(two_engines_in_two_threads_give_the_same_bytes),
        cmocka_unit_test(two_threads_agree_with_the_oracle),
        cmocka_unit_test(bf16_stays_within_two_percent),
        cmocka_unit_test(a_residual_survives_where_it_is_read_again),
        cmocka_unit_test(a_residual_is_added_where_no_input_reaches),
        cmocka_unit_test(an_output_survives_the_steps_that_follow_it),
        cmocka_unit_test(scale_shift_and_relu_agree_with_the_oracle),
        cmocka_unit_test(an_earlier_stage_that_runs_again_leaves_later_results_alone),
        cmocka_unit_test(slices_of_nothing_are_added),
        cmocka_unit_test(what_the_processor_lacks_is_refused),
        cmocka_unit_test(only_inputs_are_written_and_only_outputs_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
