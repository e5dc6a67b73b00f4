/* The backend's calls of cuDNN and cuBLASLt, over fakes of the vendor's functions: their streams and captures, every
 * call that fails once, and what the doctor says of it. */
#include "calls.h"

#include <pthread.h>

#include "check.h"
#include "selftest.h"
#include "vendor.h"

/* ---- streams ---- */

/* The handle was last used on the stream of a program that has ended when plans of the next one are asked for, and
 * when it is closed. The fake ends the process where it is used with a stream that is gone. */
static void programs_of_one_backend_follow_each_other(void **state)
{
    (void)state;
    struct wn_backend *be;
    assert_int_equal(wn_backend_open("cuda", NULL, &be, NULL), WN_OK);
    for (int64_t side = 4; side < 7; side++) { /* other shapes, so that each is planned */
        const struct wn_window win = {2, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}};
        struct subject s;
        struct wn_exe *exe;
        struct wn_error err = {0};
        const long planned = fake_vendor.planned;
        subject_init(&s, 1, false);
        subject_output(
            &s, wn_conv(s.p, input(&s, SHAPE(1, 4, side, side)), weight(&s, SHAPE(4, 4, 3, 3)), WN_NONE, &win, 1));
        if (be->impl->compile(be, s.p, &exe, &err) != WN_OK) fail_msg("%s", err.text);
        assert_true(fake_vendor.planned > planned);
        assert_int_equal(be->impl->run(exe, 0, NULL), WN_OK);
        be->impl->release(exe);
        subject_finish(&s);
    }
    wn_backend_close(be);
}

/* ---- captures ---- */

static pthread_t visitor;
static struct wn_backend *guest;

static void *opens(void *unused)
{
    if (wn_backend_open("cuda", NULL, &guest, NULL) != WN_OK) abort();
    return unused;
}

static void *plans(void *network)
{
    const struct subject *s = network;
    struct wn_exe *exe;
    if (guest->impl->compile(guest, s->p, &exe, NULL) != WN_OK) abort();
    guest->impl->release(exe);
    return NULL;
}

static void *closes(void *unused)
{
    wn_backend_close(guest);
    return unused;
}

static void *(*const visits[])(void *) = {opens, plans, closes};
static int visit;
static struct subject guests;

/* Long enough for the other thread to be done where nothing keeps it from that. */
static enum wn_code be_visited(struct wn_cuda_exe *exe, const struct wn_cuda_job *job, struct wn_error *err)
{
    (void)exe, (void)job, (void)err;
    assert_int_equal(pthread_create(&visitor, NULL, visits[visit], &guests), 0);
    usleep(200000);
    return WN_OK;
}

/* The fakes end the process where that is done while any stream is captured. */
static void nothing_is_planned_nor_a_handle_made_or_closed_while_another_thread_captures(void **state)
{
    (void)state;
    struct subject s;
    struct wn_backend *be;
    struct wn_exe *base;
    network(&s);
    network(&guests);
    assert_int_equal(wn_backend_open("cuda", NULL, &be, NULL), WN_OK);
    assert_int_equal(be->impl->compile(be, s.p, &base, NULL), WN_OK);
    struct wn_cuda_exe *exe = (struct wn_cuda_exe *)base;
    struct wn_cuda_job *job = &exe->jobs[exe->stages[0].begin], kept = *job;
    job->run = be_visited;
    for (visit = 0; visit < 3; visit++) {
        struct wn_cuda_stage again = {.begin = exe->stages[0].begin, .end = exe->stages[0].begin + 1};
        assert_int_equal(wn_cuda_capture(exe, &again, NULL), WN_OK);
        assert_int_equal(pthread_join(visitor, NULL), 0);
        assert_non_null(again.graph);
        wn_cuda_graph_destroy(&again);
    }
    *job = kept;
    be->impl->release(base);
    wn_backend_close(be);
    subject_finish(&guests);
    subject_finish(&s);
}

/* ---- faults ---- */

static void every_call_fails_once_and_all_is_given_back(const char *folder)
{
    struct subject s;
    network(&s);
    const long held = fake_vendor.held, blocks = fake_runtime.held_blocks;
    fake_vendor.calls = 0;
    assert_int_equal(compute(&s, first, NULL), WN_OK);
    const long calls = fake_vendor.calls;
    long failed = 0;
    assert_true(calls > 100);
    for (long n = 1; n <= calls; n++) {
        struct wn_error err = {0};
        if (folder) forget_all(folder);
        fake_vendor.calls = 0, fake_vendor.fail_at = n;
        const enum wn_code code = compute(&s, again, &err);
        fake_vendor.fail_at = 0;
        if (code == WN_OK)
            must_be_close(first, again, n); /* another plan, or a kernel of ours, did it */
        else
            failed++, assert_true(err.text[0] && code == err.code);
        if (fake_vendor.held != held || fake_runtime.held_blocks != blocks)
            fail_msg("call %ld of %ld: something is not given back", n, calls);
    }
    assert_true(failed > 10);
    assert_int_equal(compute(&s, again, NULL), WN_OK);
    must_be_close(first, again, 0);
    subject_finish(&s);
}

/* What a caller does about it hangs on the code: a smaller batch, a kernel of ours, or none of both. */
static void a_librarys_status_says_whose_fault_it_is(void **state)
{
    static const struct {
        int status;
        enum wn_code code;
    } dnn[] = {{CUDNN_STATUS_SUCCESS, WN_OK},
               {CUDNN_STATUS_NOT_INITIALIZED, WN_DEVICE},
               {CUDNN_STATUS_BAD_PARAM, WN_DEVICE},
               {CUDNN_STATUS_NOT_SUPPORTED, WN_UNSUPPORTED},
               {CUDNN_STATUS_NOT_SUPPORTED_SHAPE, WN_UNSUPPORTED},
               {CUDNN_STATUS_INTERNAL_ERROR, WN_DEVICE},
               {CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED, WN_NO_MEMORY},
               {CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED, WN_NO_MEMORY},
               {CUDNN_STATUS_EXECUTION_FAILED, WN_DEVICE}},
      blas[] = {{CUBLAS_STATUS_SUCCESS, WN_OK},
                {CUBLAS_STATUS_ALLOC_FAILED, WN_NO_MEMORY},
                {CUBLAS_STATUS_NOT_SUPPORTED, WN_UNSUPPORTED},
                {CUBLAS_STATUS_EXECUTION_FAILED, WN_DEVICE}};
    (void)state;
    assert_int_equal(wn_cuda_vendor_load(NULL), WN_OK);
    for (size_t i = 0; i < sizeof dnn / sizeof *dnn; i++)
        assert_int_equal(wn_cuda_check_dnn(dnn[i].status, "cudnnCreate(&l->dnn)", NULL), dnn[i].code);
    for (size_t i = 0; i < sizeof blas / sizeof *blas; i++)
        assert_int_equal(wn_cuda_check_blas(blas[i].status, "cublasLtCreate(&l->blas)", NULL), blas[i].code);
}

static void a_failing_call_gives_everything_back(void **state)
{
    (void)state;
    every_call_fails_once_and_all_is_given_back(NULL);
}

static void a_failing_call_while_plans_are_timed_gives_everything_back(void **state)
{
    (void)state;
    char folder[sizeof FOLDER];
    keep_in(folder);
    every_call_fails_once_and_all_is_given_back(folder);
    keep_no_longer(folder);
}

/* ---- `whynot doctor` ---- */

static enum wn_code (*honest)(struct wn_exe *exe, int value, float *dst, struct wn_error *err);

static enum wn_code lies(struct wn_exe *exe, int value, float *dst, struct wn_error *err)
{
    enum wn_code code = honest(exe, value, dst, err);
    dst[3] *= 1.5f;
    return code;
}

static enum wn_code knows_nothing(struct wn_exe *exe, int value, float *dst, struct wn_error *err)
{
    enum wn_code code = honest(exe, value, dst, err);
    dst[3] = NAN;
    return code;
}

static void the_doctor_sees_whether_a_backend_computes(void **state)
{
    struct wn_backend *be;
    struct cli_selftest seen_by_it;
    (void)state;
    for (int p = WN_PRECISION_F32; p <= WN_PRECISION_F16; p++) {
        const struct wn_backend_options options = {.precision = p};
        assert_int_equal(wn_backend_open("cuda", &options, &be, NULL), WN_OK);
        assert_int_equal(cli_selftest(be, &seen_by_it, NULL), WN_OK);
        assert_true(seen_by_it.error < CLI_SELFTEST_WRONG / 2);
        assert_int_equal(seen_by_it.plain, 0);
        wn_backend_close(be);
    }
    assert_int_equal(wn_backend_open("cuda", NULL, &be, NULL), WN_OK);
    struct wn_backend_impl altered = *be->impl;
    be->impl = &altered;
    honest = altered.read;
    altered.read = lies;
    assert_int_equal(cli_selftest(be, &seen_by_it, NULL), WN_OK);
    assert_true(seen_by_it.error > CLI_SELFTEST_WRONG);
    altered.read = knows_nothing;
    assert_int_equal(cli_selftest(be, &seen_by_it, NULL), WN_OK);
    assert_false(seen_by_it.error < CLI_SELFTEST_WRONG);
    altered.read = honest;
    fake_vendor.tensor_cores.broken = fake_vendor.plain.broken = true;
    wn_backend_close(be); /* whose plan is kept */
    assert_int_equal(wn_backend_open("cuda", NULL, &be, NULL), WN_OK);
    assert_int_equal(cli_selftest(be, &seen_by_it, NULL), WN_OK);
    assert_true(seen_by_it.error < CLI_SELFTEST_WRONG && seen_by_it.plain == 1 &&
                strstr(seen_by_it.refused, "does not run"));
    fake_vendor.tensor_cores.broken = fake_vendor.plain.broken = false;
    wn_backend_close(be);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_of_one_backend_follow_each_other),
        cmocka_unit_test(nothing_is_planned_nor_a_handle_made_or_closed_while_another_thread_captures),
        cmocka_unit_test(a_librarys_status_says_whose_fault_it_is),
        cmocka_unit_test(the_doctor_sees_whether_a_backend_computes),
        cmocka_unit_test(a_failing_call_gives_everything_back),
        cmocka_unit_test(a_failing_call_while_plans_are_timed_gives_everything_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
