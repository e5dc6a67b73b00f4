/* The host is ahead of the device: what is queued, what is waited for, and what is captured and replayed. On the
 * emulation, whose streams do their work as late as CUDA allows. */
#include "judging.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cuda_runtime_api.h>

#include "exe.h"

#include <whynot/explain.h>

static void a_stage_is_replayed(void **state)
{
    (void)state;
    struct subject s;
    struct wn_backend *be;
    struct wn_exe *exe;
    static float first[4096], again[4096];
    subject_init(&s, 1, false);
    three_steps(&s);
    assert_int_equal(wn_backend_open("cuda", NULL, &be, NULL), WN_OK);
    assert_int_equal(be->impl->compile(be, s.p, &exe, NULL), WN_OK);
    struct wn_backend_traits traits;
    be->impl->traits(be, &traits);
    assert_true(traits.stages == 1 && traits.captured == 1);
    const long before = fake_runtime.replays;
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < s.n_inputs; i++)
            assert_int_equal(be->impl->write(exe, s.inputs[i].value, s.inputs[i].data, NULL), WN_OK);
        assert_int_equal(be->impl->run(exe, 0, NULL), WN_OK);
        assert_int_equal(be->impl->read(exe, s.outputs[0], k ? again : first, NULL), WN_OK);
    }
    assert_int_equal(fake_runtime.replays - before, 2);
    assert_memory_equal(first, again, sizeof first);
    be->impl->release(exe);
    be->impl->traits(be, &traits);
    assert_true(traits.stages == 0 && traits.captured == 0);
    wn_backend_close(be);
    subject_finish(&s);
}

/* One stream of each backend, and none of its programs'. */
static void what_somebody_waits_for_goes_before_programs(void **state)
{
    (void)state;
    struct subject s;
    struct wn_backend *be;
    struct wn_exe *exe;
    const long before = fake_runtime.urgent;
    subject_init(&s, 1, false);
    three_steps(&s);
    assert_int_equal(wn_backend_open("cuda", NULL, &be, NULL), WN_OK);
    assert_int_equal(fake_runtime.urgent - before, 1);
    assert_int_equal(be->impl->compile(be, s.p, &exe, NULL), WN_OK);
    assert_int_equal(fake_runtime.urgent - before, 1);
    be->impl->release(exe);
    wn_backend_close(be);
    subject_finish(&s);
}

static void a_disturbed_capture_is_tried_again(void **state)
{
    (void)state;
    struct wn_backend *be;
    struct subject s;
    struct wn_exe *exe;
    struct wn_backend_traits traits;
    subject_init(&s, 3, false);
    three_steps(&s);
    assert_int_equal(wn_backend_open("cuda", NULL, &be, NULL), WN_OK);
    for (int times = 1; times <= 5; times++) {
        fake_runtime.disturbed = times;
        assert_int_equal(be->impl->compile(be, s.p, &exe, NULL), WN_OK);
        be->impl->traits(be, &traits);
        assert_int_equal(traits.stages, 1);
        assert_int_equal(traits.captured, times < 3); /* that often nobody else is at work by chance */
        assert_int_equal(be->impl->run(exe, 0, NULL), WN_OK);
        be->impl->release(exe);
    }
    assert_non_null(strstr(traits.walked, "cudaStreamEndCapture"));
    fake_runtime.disturbed = 0;
    wn_backend_close(be);
    subject_finish(&s);
}

static void a_stage_that_cannot_be_captured_is_walked_and_says_why(void **state)
{
    (void)state;
    struct subject s;
    struct wn_backend *be;
    struct wn_exe *exe;
    struct wn_backend_traits traits;
    fake_runtime.no_graphs = true;
    judge(three_steps, WN_PRECISION_F32, 1e-5);
    subject_init(&s, 1, false);
    three_steps(&s);
    assert_int_equal(wn_backend_open("cuda", NULL, &be, NULL), WN_OK);
    assert_int_equal(be->impl->compile(be, s.p, &exe, NULL), WN_OK);
    be->impl->traits(be, &traits);
    assert_true(traits.stages == 1 && traits.captured == 0);
    assert_non_null(strstr(traits.walked, "cudaStreamBeginCapture"));
    be->impl->release(exe);
    wn_backend_close(be);
    subject_finish(&s);
    fake_runtime.no_graphs = false;
}

/* The host is ahead of the device: what it writes next must not reach what is queued. */
static void a_write_may_follow_a_run_at_once(void **state)
{
    (void)state;
    struct subject s;
    struct wn_backend *be;
    struct wn_exe *exe;
    static float numbers[2][64], out[64];
    subject_init(&s, 1, false);
    const int x = input(&s, SHAPE(1, 64)), y = wn_linear(s.p, x, 2, 0);
    subject_output(&s, y);
    for (int i = 0; i < 64; i++) numbers[0][i] = (float)(i + 1), numbers[1][i] = (float)-i;
    assert_int_equal(wn_backend_open("cuda", NULL, &be, NULL), WN_OK);
    assert_int_equal(be->impl->compile(be, s.p, &exe, NULL), WN_OK);
    for (int k = 0; k < 2; k++) {
        assert_int_equal(be->impl->write(exe, x, numbers[k], NULL), WN_OK);
        if (!k) assert_int_equal(be->impl->run(exe, 0, NULL), WN_OK);
    }
    assert_int_equal(be->impl->read(exe, y, out, NULL), WN_OK);
    for (int i = 0; i < 64; i++) assert_true(out[i] == 2 * numbers[0][i]);
    be->impl->release(exe);
    wn_backend_close(be);
    subject_finish(&s);
}

/* Also by what the device makes seeds of. */
static void questions_may_follow_questions_at_once(void **state)
{
    enum { CLASSES = 4 };
    (void)state;
    struct subject s;
    struct wn_backend *be;
    struct wn_exe *exe;
    float out[CLASSES];
    const float numbers[CLASSES] = {1, 2, 3, 4};
    subject_init(&s, 1, false);
    const int x = input(&s, SHAPE(1, CLASSES)), logits = wn_linear(s.p, x, 1, 0);
    subject_output(&s, logits);
    wn_program_end_stage(s.p);
    const int seed = input(&s, SHAPE(1, CLASSES)), y = wn_linear(s.p, seed, 2, 0);
    subject_output(&s, y);
    assert_int_equal(wn_backend_open("cuda", NULL, &be, NULL), WN_OK);
    assert_int_equal(be->impl->compile(be, s.p, &exe, NULL), WN_OK);
    assert_int_equal(be->impl->write(exe, x, numbers, NULL), WN_OK);
    assert_int_equal(be->impl->run(exe, 0, NULL), WN_OK);
    for (int k = 0; k < 2; k++) {
        const struct wn_seed_row row = {.form = *wn_contrast_find("logit")->form, .target = k};
        assert_int_equal(be->impl->seed(exe, logits, seed, &row, 1, NULL), WN_OK);
        if (!k) assert_int_equal(be->impl->run(exe, 1, NULL), WN_OK);
    }
    assert_int_equal(be->impl->read(exe, y, out, NULL), WN_OK);
    for (int i = 0; i < CLASSES; i++) assert_true(out[i] == (i == 0 ? 2 : 0));
    be->impl->release(exe);
    wn_backend_close(be);
    subject_finish(&s);
}

/* That the fake runtime would have noticed: what a copy brings is there when it was waited for, and not before. */
static void a_copy_is_done_when_it_is_waited_for(void **state)
{
    (void)state;
    struct wn_backend *base;
    assert_int_equal(wn_backend_open("cuda", NULL, &base, NULL), WN_OK);
    const struct wn_cuda_backend *be = (struct wn_cuda_backend *)base;
    const struct wn_cuda_staging *c = &be->drawing;
    c->pinned[0] = 1;
    assert_int_equal(wn_cuda_staging_send(c, be->stream, 1, NULL), WN_OK);
    assert_int_not_equal(c->device[0], 1);
    c->pinned[0] = 2; /* too early: this goes there */
    assert_int_equal(wn_cuda_staging_fetch(c, be->stream, 0, 1, NULL), WN_OK);
    assert_int_equal(c->device[0], 2);
    wn_backend_close(base);
}

/* Milliseconds of the fake device are things done. The host's waits and copies between two runs, and what comes
 * behind the last, are not runs', but what lies between two runs on their stream is part of the span. */
static void the_devices_clock_spans_the_runs_and_nothing_else(void **state)
{
    (void)state;
    struct subject s;
    struct wn_backend *be;
    struct wn_exe *exe;
    static float out[4096];
    double ms = -1;
    for (int graphs = 0; graphs < 2; graphs++) {
        fake_runtime.no_graphs = !graphs;
        subject_init(&s, 1, false);
        const int x = input(&s, SHAPE(1, 64)), y = wn_concat(s.p, (int[]){wn_linear(s.p, x, 2, 0), x}, 2, 1);
        subject_output(&s, y);
        assert_int_equal(wn_backend_open("cuda", NULL, &be, NULL), WN_OK);
        assert_int_equal(be->impl->compile(be, s.p, &exe, NULL), WN_OK);
        const int jobs = ((struct wn_cuda_exe *)exe)->stages[0].end;
        assert_true(jobs > 1);
        assert_int_equal(be->impl->lap(be, &ms, NULL), WN_BAD_REQUEST);
        assert_int_equal(be->impl->run(exe, 0, NULL), WN_OK);
        assert_int_equal(be->impl->lap(be, &ms, NULL), WN_BAD_REQUEST); /* a run before it was started */
        assert_int_equal(be->impl->lap(be, NULL, NULL), WN_OK);
        assert_int_equal(be->impl->lap(be, &ms, NULL), WN_BAD_REQUEST);
        for (int runs = 1; runs < 4; runs++) {
            assert_int_equal(be->impl->lap(be, NULL, NULL), WN_OK);
            assert_int_equal(be->impl->write(exe, x, out, NULL), WN_OK);
            for (int i = 0; i < runs; i++) assert_int_equal(be->impl->run(exe, 0, NULL), WN_OK);
            assert_int_equal(be->impl->read(exe, y, out, NULL), WN_OK);
            assert_int_equal(be->impl->lap(be, &ms, NULL), WN_OK);
            assert_int_equal(ms, runs * (jobs + 1)); /* each event that is passed is a thing done, but the last */
        }
        be->impl->release(exe);
        wn_backend_close(be);
        subject_finish(&s);
    }
    assert_int_equal(fake_runtime.held_blocks, 0);
}

static void allocate_while_capturing(void)
{
    struct CUstream_st *stream;
    void *memory;
    cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
    cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
    cudaMalloc(&memory, 1);
}

static void wait_while_capturing(void)
{
    struct CUstream_st *stream;
    cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
    cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
    cudaStreamSynchronize(stream);
}

static void what_a_card_refuses_while_it_captures_ends_the_process(void **state)
{
    void (*const scenes[])(void) = {allocate_while_capturing, wait_while_capturing};
    (void)state;
    for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++) {
        int how = 0;
        const pid_t child = fork();
        assert_true(child >= 0);
        if (!child) {
            fclose(stderr);
            scenes[i]();
            _exit(0);
        }
        assert_int_equal(waitpid(child, &how, 0), child);
        assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGABRT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stage_is_replayed),
        cmocka_unit_test(what_somebody_waits_for_goes_before_programs),
        cmocka_unit_test(a_disturbed_capture_is_tried_again),
        cmocka_unit_test(a_stage_that_cannot_be_captured_is_walked_and_says_why),
        cmocka_unit_test(a_write_may_follow_a_run_at_once),
        cmocka_unit_test(questions_may_follow_questions_at_once),
        cmocka_unit_test(the_devices_clock_spans_the_runs_and_nothing_else),
        cmocka_unit_test(a_copy_is_done_when_it_is_waited_for),
        cmocka_unit_test(what_a_card_refuses_while_it_captures_ends_the_process),
    };
    fake_runtime.forks_expected = true; /* scenes that end their process */
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
