/* Every call of the CUDA runtime fails once: whatever was begun is given back, the process goes on, and the next try
 * succeeds. An error that a process cannot outlive is told from one that it can. On the emulation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <whynot/backend.h>
#include <whynot/explain.h>

#include "check.h"
#include "exe.h"
#include "fake_runtime.h"
#include "oom.h"
#include "subject.h"

enum { CLASSES = 4, ROWS = 3 };
static int input, logits, seed; /* values of the program below */

/* Two stages, a constant, a tap table, a gather, outputs in two layouts, logits and a seed: every kind of thing that
 * is reserved. */
static void build(struct subject *s)
{
    static const int32_t index[] = {0, 2};
    static const float weight[] = {1, 2};
    const struct wn_window win = {2, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}};
    const struct wn_taps taps = {.in = 5, .out = 2, .taps = 1, .index = index, .weight = weight};
    subject_init(s, 1, false);
    int x = input = subject_input(s, SHAPE(2, 3, 4, 5), true, -1, 1);
    int y = wn_relu(s->p, wn_conv(s->p, x, subject_weight(s, SHAPE(4, 3, 3, 3), -1, 1), WN_NONE, &win, 1));
    subject_output(s, y);
    logits =
        wn_reshape(s->p, wn_reduce(s->p, WN_REDUCE_MEAN, y, 1u << 2 | 1u << 3), &(struct wn_shape){2, {2, CLASSES}});
    subject_output(s, logits);
    wn_program_end_stage(s->p);
    subject_output(s, wn_axis_map(s->p, wn_gather(s->p, y, subject_rows(s, ROWS, 2)), 3, &taps));
    seed = subject_input(s, SHAPE(ROWS, CLASSES), true, -1, 1);
    subject_output(s, wn_linear(s->p, seed, 2, 0));
}

static enum wn_code draw(struct wn_backend *be, struct wn_error *err)
{
    static const float map[4] = {1, 2, 3, 4};
    static uint8_t index[12];
    struct wn_heatmap heatmap = {.map = map,
                                 .h = 2,
                                 .w = 2,
                                 .view = {4, 3, 0, 0, 4, 3},
                                 .how = {.normalize = WN_NORMALIZE_MINMAX},
                                 .index = index};
    struct wn_heatmap *const one[] = {&heatmap};
    enum wn_code code = be->impl->draw(be, one, 1, err);
    assert_int_equal(heatmap.done, code == WN_OK);
    return code;
}

/* One image of numbers and one of a picture. */
static enum wn_code prepare(struct wn_backend *be, struct wn_exe *exe, struct wn_error *err)
{
    static const uint8_t rgb[6 * 7 * 3] = {1, 2, 3};
    static const float ready[3 * 4 * 5] = {0.5f};
    const struct wn_picture p = {.rgb = rgb,
                                 .src_w = 7,
                                 .src_h = 6,
                                 .part_w = 7,
                                 .part_h = 6,
                                 .box_w = 7,
                                 .box_h = 6,
                                 .dst_w = 5,
                                 .dst_h = 4,
                                 .w = 5,
                                 .h = 4,
                                 .antialias = true,
                                 .channels = 3,
                                 .scale = 1,
                                 .std = {1, 1, 1}};
    const float *const numbers[] = {ready, NULL};
    const struct wn_picture *const pictures[] = {NULL, &p};
    return be->impl->prepare(exe, input, numbers, pictures, 2, err);
}

static enum wn_code ask(struct wn_backend *be, struct wn_exe *exe, struct wn_error *err)
{
    static const int sets[] = {1, 2};
    const struct wn_seed_row rows[] = {
        {.form = *wn_contrast_find("weighted")->form, .image = 1, .target = -1},
        {.form = *wn_contrast_find("subset")->form, .targets = sets, .n_targets = 1, .foils = sets + 1, .n_foils = 1}};
    return be->impl->seed(exe, logits, seed, rows, 2, err);
}

/* Into the subject's picture; by sign, which is quick. */
static enum wn_code hide(struct wn_exe *exe, int value, const float *picture, struct wn_error *err)
{
    static const float map[4] = {1, -2, 3, -4}, *const maps[] = {map};
    static const struct wn_hidden rows[] = {{0, -1, WN_KEEP_POSITIVE}, {0, -1, WN_KEEP_NEGATIVE}};
    const struct wn_cover cover = {.kind = WN_COVER_MEAN};
    int found[2] = {-1, -1};
    const struct wn_hiding h = {.image = picture,
                                .cover = &cover,
                                .maps = maps,
                                .n_maps = 1,
                                .h = 2,
                                .w = 2,
                                .rows = rows,
                                .n = 2,
                                .found = found};
    enum wn_code code = exe->backend->impl->hide(exe, value, &h, err);
    assert_int_equal(found[0] + found[1] > 0, code == WN_OK);
    return code;
}

static void count(void *arg, const struct wn_step_cost *cost)
{
    *(int *)arg += cost->launches;
}

static enum wn_code profile(struct wn_exe *exe, struct wn_error *err)
{
    int launches = 0;
    enum wn_code code = exe->backend->impl->profile(exe, 1, &(struct wn_profiler){count, &launches}, err);
    assert_true(code != WN_OK || launches > 0);
    return code;
}

/* Everything from open to close; the first failure's code. */
static enum wn_code live(struct subject *s, struct wn_error *err)
{
    static float buffer[4096];
    struct wn_backend *be = NULL;
    struct wn_exe *exe = NULL;
    double ms;
    enum wn_code code = wn_backend_open("cuda", &(struct wn_backend_options){.device = 1}, &be, err);
    if (code != WN_OK) return code;
    code = be->impl->compile(be, s->p, &exe, err);
    if (code != WN_OK) goto close;
    for (int i = 0; code == WN_OK && i < s->n_inputs; i++)
        code = be->impl->write(exe, s->inputs[i].value, s->inputs[i].data, err);
    if (code == WN_OK) code = prepare(be, exe, err);
    if (code == WN_OK) code = hide(exe, s->inputs[0].value, s->inputs[0].data, err);
    if (code == WN_OK) code = be->impl->lap(be, NULL, err);
    if (code == WN_OK) code = be->impl->run(exe, 0, err);
    if (code == WN_OK) code = ask(be, exe, err);
    if (code == WN_OK) code = be->impl->run(exe, 1, err);
    if (code == WN_OK) code = profile(exe, err);
    for (int i = 0; code == WN_OK && i < s->n_outputs; i++) code = be->impl->read(exe, s->outputs[i], buffer, err);
    if (code == WN_OK) code = draw(be, err);
    if (code == WN_OK) code = be->impl->lap(be, &ms, err);
    be->impl->release(exe);
close:
    wn_backend_close(be);
    return code;
}

/* On the second device of two, where a call that is not told so, also one of giving back, ends the test. */
static enum wn_code live_once(struct subject *s, struct wn_error *err)
{
    fake_runtime.devices = 2;
    fake_runtime_enter(0);
    enum wn_code code = live(s, err);
    fake_runtime.devices = 1;
    return code;
}

static long count_calls(struct subject *s)
{
    struct wn_error err = {0};
    fake_runtime.calls = 0, fake_runtime.fail_at = 0;
    if (live_once(s, &err) != WN_OK) fail_msg("%s", err.text);
    return fake_runtime.calls;
}

static void fail_each_call(enum wn_code expected, int status)
{
    struct subject s;
    build(&s);
    const long graphs_before = fake_runtime.calls_of_graphs, calls = count_calls(&s),
               of_graphs = fake_runtime.calls_of_graphs - graphs_before;
    assert_true(calls > 40);
    long reported = 0;
    for (long n = 1; n <= calls; n++) {
        struct wn_error err = {0};
        fake_runtime.calls = 0, fake_runtime.fail_at = n, fake_runtime.fail_with = status;
        const enum wn_code code = live_once(&s, &err);
        if (code != WN_OK) {
            reported++;
            assert_int_equal(code, expected);
            assert_true(strlen(err.text) > 10);
        }
        assert_int_equal(fake_runtime.held_bytes, 0);
        assert_int_equal(fake_runtime.held_blocks, 0);
        assert_false(wn_cuda_lost());
    }
    /* All but those of closing down, which has nobody to tell, also for each event around the steps of stage 1, the
     * clearing of old errors on each of twelve entries, and what capturing says, with its begin, its end and what
     * follows for each of two stages: a stage that cannot be captured is walked. */
    const struct wn_stage timed = wn_program_stage(s.p, 1);
    if (reported < calls - 19 - (timed.end - timed.begin + 1) - of_graphs - 6)
        fail_msg("only %ld of %ld failures were reported", reported, calls);
    count_calls(&s);
    subject_finish(&s);
}

static void running_out_of_memory_anywhere_gives_everything_back(void **state)
{
    (void)state;
    fail_each_call(WN_NO_MEMORY, 2);
}

static void a_passing_failure_anywhere_is_reported_and_forgotten(void **state)
{
    (void)state;
    fail_each_call(WN_DEVICE, 1);
}

/* The host's own memory, for every allocation, once and from then on. */
static void running_out_of_host_memory_anywhere_gives_everything_back(void **state)
{
    (void)state;
    struct subject s;
    bool refused = true;
    build(&s);
    count_calls(&s);
    for (long n = 1; refused; n++)
        for (int mode = OOM_ONCE; mode <= OOM_FROM_THEN_ON; mode++) {
            struct wn_error err = {0};
            fake_runtime.fail_at = 0;
            oom_arm(n, mode);
            const enum wn_code code = live_once(&s, &err);
            refused = oom_disarm();
            if (refused)
                assert_int_equal(code, WN_NO_MEMORY);
            else
                assert_int_equal(code, WN_OK);
            assert_int_equal(fake_runtime.held_blocks, 0);
        }
    subject_finish(&s);
}

/* Not the GPU's, whose memory nobody need make room in then. */
static void memory_that_cannot_be_pinned_is_the_machines(void **state)
{
    (void)state;
    struct subject s;
    struct wn_error err = {0};
    struct wn_backend *be;
    struct wn_exe *exe;
    build(&s);
    fake_runtime.fail_at = 0, fake_runtime.no_pinned = true;
    assert_int_equal(wn_backend_open("cuda", NULL, &be, &err), WN_NO_MEMORY);
    assert_non_null(strstr(err.text, "to pin"));
    fake_runtime.no_pinned = false;
    assert_int_equal(wn_backend_open("cuda", NULL, &be, &err), WN_OK);
    fake_runtime.no_pinned = true, err = (struct wn_error){0};
    assert_int_equal(be->impl->compile(be, s.p, &exe, &err), WN_NO_MEMORY);
    assert_non_null(strstr(err.text, "to pin"));
    fake_runtime.no_pinned = false;
    wn_backend_close(be);
    assert_int_equal(fake_runtime.held_blocks, 0);
    subject_finish(&s);
}

static void no_device_is_an_error_of_the_device(void **state)
{
    (void)state;
    struct wn_error err = {0};
    struct wn_backend *be;
    fake_runtime.fail_at = 0, fake_runtime.devices = 0;
    assert_int_equal(wn_backend_open("cuda", NULL, &be, &err), WN_DEVICE);
    assert_non_null(strstr(err.text, "driver"));
    assert_int_equal(wn_backend_open("auto", NULL, &be, NULL), WN_OK);
    assert_string_not_equal(be->impl->name, "cuda");
    wn_backend_close(be);
    fake_runtime.devices = 1;
    const struct wn_backend_options second = {.device = 1};
    assert_int_equal(wn_backend_open("cuda", &second, &be, NULL), WN_DEVICE);
}

static void an_old_card_refuses_what_it_lacks(void **state)
{
    (void)state;
    struct wn_backend *be;
    fake_runtime.capability = 7;
    const struct wn_backend_options bf16 = {.precision = WN_PRECISION_BF16}, f16 = {.precision = WN_PRECISION_F16};
    assert_int_equal(wn_backend_open("cuda", &bf16, &be, NULL), WN_UNSUPPORTED);
    assert_int_equal(wn_backend_open("cuda", &f16, &be, NULL), WN_OK);
    wn_backend_close(be);
    fake_runtime.capability = 9;
}

/* A device that fails once more when it is asked is lost for good, and so is its backend. */
static void lose(int status)
{
    struct subject s;
    build(&s);
    const long calls = count_calls(&s);
    struct wn_error err = {0};
    struct wn_backend *be;
    struct wn_exe *exe;
    assert_int_equal(wn_backend_open("cuda", NULL, &be, NULL), WN_OK);
    assert_int_equal(be->impl->compile(be, s.p, &exe, NULL), WN_OK);
    assert_null(wn_backend_lost());
    fake_runtime.calls = 0, fake_runtime.fail_at = 2, fake_runtime.fail_with = status, fake_runtime.sticky = true;
    for (long i = 0; i < calls && be->impl->run(exe, 0, &err) == WN_OK; i++) continue;
    assert_int_equal(err.code, WN_DEVICE);
    assert_string_equal(wn_backend_lost(), "cuda");
    assert_int_equal(be->impl->run(exe, 0, NULL), WN_DEVICE);
    be->impl->release(exe);
    wn_backend_close(be);
    assert_int_not_equal(wn_backend_open("cuda", NULL, &be, NULL), WN_OK);
    assert_string_equal(wn_backend_lost(), "cuda"); /* also where there is no backend left to ask */
    subject_finish(&s);
}

static int dies_with; /* what the device fails with from then on; 0: it is well */

static enum wn_code cudnn_fails(struct wn_cuda_exe *exe, const struct wn_cuda_job *job, struct wn_error *err)
{
    (void)exe, (void)job;
    if (dies_with)
        fake_runtime.calls = 0, fake_runtime.fail_at = 1, fake_runtime.fail_with = dies_with,
        fake_runtime.sticky = true;
    return wn_fail(err, WN_DEVICE, "cuDNN failed at cudnnBackendExecute: CUDNN_STATUS_EXECUTION_FAILED");
}

/* Where a library only says that it failed, and the device fails when it is asked why. */
static void lose_in_a_library(int status)
{
    struct subject s;
    build(&s);
    struct wn_backend *be;
    struct wn_exe *base;
    assert_int_equal(wn_backend_open("cuda", NULL, &be, NULL), WN_OK);
    assert_int_equal(be->impl->compile(be, s.p, &base, NULL), WN_OK);
    struct wn_cuda_exe *exe = (struct wn_cuda_exe *)base;
    struct wn_cuda_stage *first = &exe->stages[0];
    void *graph = first->graph;
    first->graph = NULL;
    exe->jobs[first->begin].run = cudnn_fails;
    assert_int_equal(be->impl->run(base, 0, NULL), WN_DEVICE);
    assert_null(wn_backend_lost()); /* the device is well: the library alone failed */
    dies_with = status;
    assert_int_equal(be->impl->run(base, 0, NULL), WN_DEVICE);
    assert_string_equal(wn_backend_lost(), "cuda");
    first->graph = graph;
    be->impl->release(base);
    wn_backend_close(be);
    subject_finish(&s);
}

static bool ends_well(void (*scene)(int), int status)
{
    int how = -1;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        scene(status);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &how, 0), child);
    return WIFEXITED(how) && WEXITSTATUS(how) == 0;
}

/* Each in a process of its own, for a lost device stays lost. The last is one that no CUDA has yet. */
static void every_fault_that_a_process_cannot_outlive_loses_the_device(void **state)
{
    static const int faults[] = {46 /* unavailable */,
                                 214 /* ECC */,
                                 226 /* contained */,
                                 700 /* illegal address */,
                                 702 /* launch timeout */,
                                 709 /* context destroyed */,
                                 710 /* assert */,
                                 714,
                                 715,
                                 716,
                                 717,
                                 718,
                                 719 /* launch failure */,
                                 721 /* tensor memory */,
                                 810 /* MPS */,
                                 911 /* external */,
                                 999 /* unknown */,
                                 998};
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        if (!ends_well(lose, faults[i])) fail_msg("after error %d the device was not lost as it should be", faults[i]);
        if (!ends_well(lose_in_a_library, faults[i]))
            fail_msg("error %d behind a library's failure was not seen", faults[i]);
    }
    assert_null(wn_backend_lost());
}

/* The device says the same when it is asked once more, and then answers again. */
static void come_through(int status)
{
    struct subject s;
    build(&s);
    struct wn_backend *be;
    struct wn_exe *exe;
    assert_int_equal(wn_backend_open("cuda", NULL, &be, NULL), WN_OK);
    assert_int_equal(be->impl->compile(be, s.p, &exe, NULL), WN_OK);
    fake_runtime.calls = 0, fake_runtime.fail_at = 2, fake_runtime.fail_with = status, fake_runtime.sticky = true;
    for (int i = 0; i < 10; i++) be->impl->run(exe, 0, NULL);
    assert_int_equal(fake_runtime.stuck, status);
    assert_null(wn_backend_lost());
    fake_runtime.fail_at = 0, fake_runtime.sticky = false, fake_runtime.stuck = 0;
    assert_int_equal(be->impl->run(exe, 0, NULL), WN_OK);
    be->impl->release(exe);
    wn_backend_close(be);
    subject_finish(&s);
}

static void what_may_pass_loses_no_device_though_it_is_said_twice(void **state)
{
    static const int passing[] = {2 /* memory */, 600 /* not ready */, 900, 901, 906, 908 /* captures */};
    (void)state;
    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++)
        if (!ends_well(come_through, passing[i])) fail_msg("error %d lost the device", passing[i]);
}

/* Another process has it: the processor computes, and nobody takes this one for broken. */
static void find_it_taken(int nth_call)
{
    struct wn_backend *be;
    fake_runtime.calls = 0, fake_runtime.fail_at = nth_call, fake_runtime.fail_with = 46, fake_runtime.sticky = true;
    assert_int_equal(wn_backend_open("cuda", NULL, &be, NULL), WN_DEVICE);
    assert_null(wn_backend_lost());
    assert_int_equal(wn_backend_open("auto", NULL, &be, NULL), WN_OK);
    assert_string_not_equal(be->impl->name, "cuda");
    wn_backend_close(be);
}

static void a_device_that_does_not_open_is_not_lost(void **state)
{
    (void)state;
    for (int n = 1; n <= 4; n++) /* its properties, old errors, choosing it, its first stream */
        if (!ends_well(find_it_taken, n)) fail_msg("call %d", n);
}

/* ---- what the doctor says ---- */

struct heard {
    char text[2000];
    int troubles;
};

static void hear(void *arg, const struct wn_finding *f)
{
    struct heard *h = arg;
    size_t n = strlen(h->text);
    snprintf(h->text + n, sizeof h->text - n, "%s: %s\n", f->topic, f->value);
    h->troubles += f->mending != NULL;
}

static struct heard diagnose(int devices)
{
    struct heard h = {0};
    int before = fake_runtime.devices;
    fake_runtime.devices = devices;
    wn_backend_find("cuda")->diagnose(hear, &h);
    fake_runtime.devices = before;
    return h;
}

static void the_doctor_claims_no_device_that_does_not_answer(void **state)
{
    (void)state;
    fake_runtime.calls = 0, fake_runtime.fail_at = 0;
    struct heard none = diagnose(0);
    assert_null(strstr(none.text, "compute capability"));
    assert_non_null(strstr(none.text, "CUDA version of the driver: none"));
    assert_int_equal(none.troubles, 2);
    struct heard one = diagnose(1);
    assert_non_null(strstr(one.text, "device 0: emulation, compute capability"));
    /* devices unavailable; the first call only asks for old errors */
    fake_runtime.calls = 0, fake_runtime.fail_at = 2, fake_runtime.fail_with = 46;
    struct heard stuck = diagnose(1);
    fake_runtime.fail_at = 0;
    assert_null(strstr(stuck.text, "compute capability"));
    assert_int_equal(stuck.troubles, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(running_out_of_memory_anywhere_gives_everything_back),
        cmocka_unit_test(running_out_of_host_memory_anywhere_gives_everything_back),
        cmocka_unit_test(a_passing_failure_anywhere_is_reported_and_forgotten),
        cmocka_unit_test(memory_that_cannot_be_pinned_is_the_machines),
        cmocka_unit_test(no_device_is_an_error_of_the_device),
        cmocka_unit_test(an_old_card_refuses_what_it_lacks),
        cmocka_unit_test(the_doctor_claims_no_device_that_does_not_answer),
        cmocka_unit_test(every_fault_that_a_process_cannot_outlive_loses_the_device),
        cmocka_unit_test(what_may_pass_loses_no_device_though_it_is_said_twice),
        cmocka_unit_test(a_device_that_does_not_open_is_not_lost),
    };
    fake_runtime.forks_expected = true; /* scenes that end their process */
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
