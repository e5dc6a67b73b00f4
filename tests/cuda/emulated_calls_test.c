/* The backend's calls of cuDNN and cuBLASLt, over fakes of the vendor's functions: plans that are timed and kept in
 * a folder, and every call that fails once. */
#include "judging.h"

#include <dirent.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "exe.h"
#include "fake_vendor.h"
#include "selftest.h"
#include "vendor.h"

/* two ways forward, one back, and one with a derivative; and one product */
enum { CLASSES = 5, PLANS = 4, PRODUCTS = 1, KEPT = PLANS + PRODUCTS };

/* Convolutions of two shapes, one of them fused with all that there is, its gradient, one with a derivative behind
 * it, and a product with bias and activation. */
static void network(struct subject *s)
{
    const struct wn_window win = {2, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}};
    subject_init(s, 1, false);
    const int x = input(s, SHAPE(2, 4, 5, 6)), w = weight(s, SHAPE(4, 4, 3, 3)), bias = weight(s, SHAPE(4));
    int y = wn_relu(s->p, wn_conv(s->p, x, w, bias, &win, 1));
    y = wn_relu(s->p, wn_add(s->p, wn_conv(s->p, y, w, bias, &win, 1), x));
    const int pooled =
        wn_reshape(s->p, wn_reduce(s->p, WN_REDUCE_MEAN, y, 1u << 2 | 1u << 3), &(struct wn_shape){2, {2, 4}});
    subject_output(s, wn_relu(s->p, wn_matmul(s->p, pooled, false, weight(s, SHAPE(4, CLASSES)), false,
                                              weight(s, SHAPE(CLASSES)))));
    subject_output(s, wn_conv_bwd(s->p, y, w, WN_NONE, &win, 1, &(struct wn_shape){4, {2, 4, 5, 6}}));
    subject_output(s,
                   wn_unary_bwd(s->p, WN_UNARY_RELU, wn_add(s->p, wn_conv(s->p, y, w, WN_NONE, &win, 1), x), y, 0, 0));
    if (wn_program_optimize(s->p, NULL) != WN_OK) fail();
}

static struct wn_backend_traits seen; /* of the backend that computed last */

static enum wn_code compute(struct subject *s, float *out, struct wn_error *err)
{
    struct wn_backend *be = NULL;
    struct wn_exe *exe = NULL;
    enum wn_code code = wn_backend_open("cuda", NULL, &be, err);
    if (code != WN_OK) return code;
    code = be->impl->compile(be, s->p, &exe, err);
    if (code != WN_OK) goto close;
    for (int i = 0; code == WN_OK && i < s->n_inputs; i++)
        code = be->impl->write(exe, s->inputs[i].value, s->inputs[i].data, err);
    if (code == WN_OK) code = be->impl->run(exe, 0, err);
    for (int i = 0; code == WN_OK && i < s->n_outputs; i++)
        code = be->impl->read(exe, s->outputs[i], out + i * 1024, err);
    be->impl->traits(be, &seen);
    be->impl->release(exe);
close:
    wn_backend_close(be);
    return code;
}

enum { OUTPUTS = 3, FLOATS = OUTPUTS * 1024 };
static float first[FLOATS], again[FLOATS];

/* As another precision computes them: they are as large as 60. call: which one failed. */
static void must_be_close(const float *a, const float *b, long call)
{
    for (int i = 0; i < FLOATS; i++)
        if (!(fabsf(a[i] - b[i]) < 0.2f))
            fail_msg("call %ld: number %d is %g and not %g", call, i, (double)b[i], (double)a[i]);
}

/* ---- plans in a folder ---- */

/* How many choices of a kind are kept, and the path of one. */
static int files_of(const char *folder, const char *ending, char *path, size_t size)
{
    DIR *d = opendir(folder);
    int n = 0;
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        const size_t length = strlen(e->d_name), tail = strlen(ending);
        if (e->d_name[0] == '.' || length < tail || strcmp(e->d_name + length - tail, ending) != 0) continue;
        snprintf(path, size, "%s/%s", folder, e->d_name), n++;
    }
    closedir(d);
    return n;
}

static void remove_all(const char *folder)
{
    char path[1024];
    while (files_of(folder, "", path, sizeof path)) unlink(path);
    assert_int_equal(rmdir(folder), 0);
}

static void plans_are_timed_once_and_taken_from_the_folder_after_that(void **state)
{
    (void)state;
    struct subject s;
    char folder[] = "/tmp/whynot-plans-XXXXXX", path[1024];
    assert_non_null(mkdtemp(folder));
    setenv("WHYNOT_PLAN_CACHE", folder, 1);
    network(&s);
    const struct fake_vendor before = fake_vendor;
    assert_int_equal(compute(&s, first, NULL), WN_OK);
    assert_int_equal(files_of(folder, ".json", path, sizeof path), PLANS);
    assert_true(fake_vendor.planned - before.planned > PLANS); /* of which the quickest was kept */
    assert_int_equal(fake_vendor.loaded, before.loaded);
    const long planned = fake_vendor.planned;
    assert_int_equal(compute(&s, again, NULL), WN_OK);
    assert_int_equal(fake_vendor.planned, planned);
    assert_int_equal(fake_vendor.loaded - before.loaded, PLANS);
    assert_memory_equal(first, again, sizeof first);
    FILE *f = fopen(path, "wb"); /* cut short by whatever */
    assert_true(f && fputs("{}", f) >= 0 && fclose(f) == 0);
    assert_int_equal(compute(&s, again, NULL), WN_OK);
    assert_true(fake_vendor.planned > planned);
    assert_memory_equal(first, again, sizeof first);
    subject_finish(&s);
    remove_all(folder);
    unsetenv("WHYNOT_PLAN_CACHE");
    assert_int_equal(fake_vendor.held, before.held);
}

/* Where each plan is written aside before it gets its name, another worker of this process is at work on the same
 * one: under the same name it would write into this one's file. A folder of that name stands for it. */
static void workers_that_keep_the_same_choice_do_not_share_a_file(void **state)
{
    (void)state;
    struct subject s;
    char folder[] = "/tmp/whynot-plans-XXXXXX", paths[KEPT][1024], other[KEPT][1064];
    assert_non_null(mkdtemp(folder));
    setenv("WHYNOT_PLAN_CACHE", folder, 1);
    network(&s);
    assert_int_equal(compute(&s, first, NULL), WN_OK);
    for (int i = 0; i < KEPT; i++) {
        assert_int_equal(files_of(folder, "", paths[i], sizeof paths[i]), KEPT - i);
        assert_int_equal(unlink(paths[i]), 0);
    }
    for (int i = 0; i < KEPT; i++) {
        snprintf(other[i], sizeof other[i], "%s.%ld", paths[i], (long)getpid());
        assert_int_equal(mkdir(other[i], 0700), 0);
    }
    assert_int_equal(compute(&s, again, NULL), WN_OK);
    for (int i = 0; i < KEPT; i++) {
        assert_int_equal(access(paths[i], R_OK), 0);
        assert_int_equal(rmdir(other[i]), 0);
    }
    subject_finish(&s);
    remove_all(folder);
    unsetenv("WHYNOT_PLAN_CACHE");
}

static void an_engine_is_chosen_behind_many_that_nobody_may_choose(void **state)
{
    (void)state;
    struct subject s;
    network(&s);
    assert_int_equal(compute(&s, first, NULL), WN_OK);
    /* 100: more than are looked at, and kernels of ours do it */
    for (fake_vendor.refused = 40; fake_vendor.refused <= 100; fake_vendor.refused += 60) {
        const long planned = fake_vendor.planned;
        assert_int_equal(compute(&s, again, NULL), WN_OK);
        assert_int_equal(fake_vendor.planned > planned, fake_vendor.refused == 40);
        assert_int_equal(seen.plain, fake_vendor.refused == 40 ? 0 : 4); /* all of the convolutions, which is said */
        assert_true(fake_vendor.refused == 40 ? !seen.refused[0] : strstr(seen.refused, "cuDNN has no plan") != NULL);
        must_be_close(first, again, 0);
    }
    fake_vendor.refused = 0;
    subject_finish(&s);
}

/* ---- plans that do not run, and plans that are slow ---- */

static void a_plan_that_does_not_run_gives_way_to_the_next(void **state)
{
    (void)state;
    struct subject s;
    network(&s);
    assert_int_equal(compute(&s, first, NULL), WN_OK);
    const long held = fake_vendor.held, blocks = fake_runtime.held_blocks;
    fake_vendor.plain.ran = 0, fake_vendor.tensor_cores.broken = true;
    assert_int_equal(compute(&s, again, NULL), WN_OK);
    assert_true(fake_vendor.plain.ran > 0);
    assert_int_equal(seen.plain, 0);
    must_be_close(first, again, 0);
    fake_vendor.plain.broken = true; /* and where none runs, kernels of ours do it, which is said */
    assert_int_equal(compute(&s, again, NULL), WN_OK);
    assert_int_equal(seen.plain, 4);
    assert_non_null(strstr(seen.refused, "does not run"));
    must_be_close(first, again, 0);
    fake_vendor.tensor_cores.broken = fake_vendor.plain.broken = false;
    assert_true(fake_vendor.held == held && fake_runtime.held_blocks == blocks);
    subject_finish(&s);
}

static void a_kept_plan_that_no_longer_runs_is_replaced(void **state)
{
    (void)state;
    struct subject s;
    char folder[] = "/tmp/whynot-plans-XXXXXX";
    assert_non_null(mkdtemp(folder));
    setenv("WHYNOT_PLAN_CACHE", folder, 1);
    network(&s);
    fake_vendor.plain.broken = true;
    assert_int_equal(compute(&s, first, NULL), WN_OK);
    fake_vendor.plain.broken = false, fake_vendor.tensor_cores.broken = true;
    assert_int_equal(compute(&s, again, NULL), WN_OK);
    assert_int_equal(seen.plain, 0);
    must_be_close(first, again, 0);
    const long planned = fake_vendor.planned;
    assert_int_equal(compute(&s, again, NULL), WN_OK); /* what took its place was kept */
    assert_int_equal(fake_vendor.planned, planned);
    fake_vendor.tensor_cores.broken = false;
    subject_finish(&s);
    remove_all(folder);
    unsetenv("WHYNOT_PLAN_CACHE");
}

/* Which of two computes when both were timed. */
static bool the_first_is_chosen(struct fake_engine *one, struct fake_engine *other, long cost, long other_cost)
{
    struct subject s;
    char folder[] = "/tmp/whynot-plans-XXXXXX";
    assert_non_null(mkdtemp(folder));
    setenv("WHYNOT_PLAN_CACHE", folder, 1);
    network(&s);
    one->cost = cost, other->cost = other_cost;
    assert_int_equal(compute(&s, first, NULL), WN_OK);
    one->ran = 0, other->ran = 0;
    assert_int_equal(compute(&s, again, NULL), WN_OK); /* with what was kept */
    const bool chosen = one->ran > other->ran;
    one->cost = other->cost = 0;
    subject_finish(&s);
    remove_all(folder);
    unsetenv("WHYNOT_PLAN_CACHE");
    return chosen;
}

static void another_than_the_heuristics_first_is_chosen_where_it_is_clearly_quicker(void **state)
{
    struct fake_engine *const pairs[][2] = {{&fake_vendor.tensor_cores, &fake_vendor.plain},
                                            {&fake_vendor.algorithms[0], &fake_vendor.algorithms[1]}};
    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_true(the_first_is_chosen(pairs[i][0], pairs[i][1], 10, 10));
        assert_true(the_first_is_chosen(pairs[i][0], pairs[i][1], 10, 20));
        assert_true(the_first_is_chosen(pairs[i][0], pairs[i][1], 100, 99)); /* which may be noise */
        assert_false(the_first_is_chosen(pairs[i][0], pairs[i][1], 100, 90));
    }
}

/* ---- algorithms of products ---- */

static void an_algorithm_that_does_not_run_gives_way_to_the_next(void **state)
{
    (void)state;
    struct subject s;
    network(&s);
    assert_int_equal(compute(&s, first, NULL), WN_OK);
    const long held = fake_vendor.held, blocks = fake_runtime.held_blocks;
    fake_vendor.algorithms[0].broken = true, fake_vendor.algorithms[1].ran = 0;
    assert_int_equal(compute(&s, again, NULL), WN_OK);
    assert_true(fake_vendor.algorithms[1].ran > 0);
    assert_int_equal(seen.plain, 0);
    must_be_close(first, again, 0);
    fake_vendor.algorithms[1].broken = true; /* and where none runs, a kernel of ours does it, which is said */
    assert_int_equal(compute(&s, again, NULL), WN_OK);
    assert_int_equal(seen.plain, PRODUCTS);
    assert_non_null(strstr(seen.refused, "cuBLASLt's does not run"));
    must_be_close(first, again, 0);
    fake_vendor.algorithms[0].broken = fake_vendor.algorithms[1].broken = false;
    assert_true(fake_vendor.held == held && fake_runtime.held_blocks == blocks);
    subject_finish(&s);
}

/* The first of the convolutions' plans and of the products' algorithms want more memory than there is. */
static void what_has_no_memory_for_its_workspace_gives_way(void **state)
{
    enum { LARGE = 8 << 20 };
    (void)state;
    struct subject s;
    char folder[] = "/tmp/whynot-plans-XXXXXX";
    assert_non_null(mkdtemp(folder));
    network(&s);
    assert_int_equal(compute(&s, first, NULL), WN_OK);
    const long held = fake_vendor.held, blocks = fake_runtime.held_blocks;
    fake_vendor.tensor_cores.workspace = fake_vendor.algorithms[0].workspace = fake_runtime.too_large = LARGE;
    for (int kept = 0; kept < 2; kept++) {
        if (kept) setenv("WHYNOT_PLAN_CACHE", folder, 1);
        fake_vendor.tensor_cores.ran = fake_vendor.algorithms[0].ran = 0;
        assert_int_equal(compute(&s, again, NULL), WN_OK);
        assert_int_equal(seen.plain, 0);
        assert_true(fake_vendor.tensor_cores.ran == 0 && fake_vendor.algorithms[0].ran == 0);
        must_be_close(first, again, 0);
    }
    fake_runtime.too_large = 0; /* and where there is, they are timed with the others, all in one workspace */
    remove_all(folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(compute(&s, again, NULL), WN_OK);
    assert_true(fake_vendor.tensor_cores.ran > 0 && fake_vendor.algorithms[0].ran > 0);
    must_be_close(first, again, 0);
    fake_vendor.tensor_cores.workspace = fake_vendor.algorithms[0].workspace = 0;
    assert_true(fake_vendor.held == held && fake_runtime.held_blocks == blocks);
    subject_finish(&s);
    remove_all(folder);
    unsetenv("WHYNOT_PLAN_CACHE");
}

static void *compute_as_well(void *out)
{
    struct subject s;
    network(&s);
    const enum wn_code code = compute(&s, out, NULL);
    subject_finish(&s);
    return code == WN_OK ? out : NULL;
}

/* What one worker is choosing the other waits for: timed beside each other both would choose by noise, and apart. */
static void workers_that_start_together_choose_once(void **state)
{
    (void)state;
    struct subject s;
    char folder[] = "/tmp/whynot-plans-XXXXXX", path[1024];
    pthread_t other;
    void *done;
    assert_non_null(mkdtemp(folder));
    setenv("WHYNOT_PLAN_CACHE", folder, 1);
    network(&s);
    struct fake_vendor before = fake_vendor;
    assert_int_equal(compute(&s, first, NULL), WN_OK);
    const long alone = fake_vendor.planned - before.planned, asked = fake_vendor.asked - before.asked;
    while (files_of(folder, "", path, sizeof path)) unlink(path);
    fake_vendor.tensor_cores.cost = fake_vendor.algorithms[0].cost = 2; /* long enough to meet */
    before = fake_vendor;
    assert_int_equal(pthread_create(&other, NULL, compute_as_well, again), 0);
    assert_int_equal(compute(&s, first, NULL), WN_OK);
    assert_int_equal(pthread_join(other, &done), 0);
    assert_non_null(done);
    assert_int_equal(fake_vendor.planned - before.planned, alone);
    assert_int_equal(fake_vendor.asked - before.asked, asked);
    assert_memory_equal(first, again, sizeof first);
    fake_vendor.tensor_cores.cost = fake_vendor.algorithms[0].cost = 0;
    subject_finish(&s);
    remove_all(folder);
    unsetenv("WHYNOT_PLAN_CACHE");
}

static void an_algorithm_is_kept_until_it_no_longer_runs(void **state)
{
    (void)state;
    struct subject s;
    char folder[] = "/tmp/whynot-plans-XXXXXX", path[1024];
    assert_non_null(mkdtemp(folder));
    setenv("WHYNOT_PLAN_CACHE", folder, 1);
    network(&s);
    const struct fake_vendor before = fake_vendor;
    assert_int_equal(compute(&s, first, NULL), WN_OK);
    assert_int_equal(files_of(folder, ".algo", path, sizeof path), PRODUCTS);
    assert_true(fake_vendor.asked - before.asked == PRODUCTS && fake_vendor.checked == before.checked);
    assert_true(fake_vendor.algorithms[1].ran > before.algorithms[1].ran); /* in turns with the first */
    assert_int_equal(compute(&s, again, NULL), WN_OK);
    assert_true(fake_vendor.asked - before.asked == PRODUCTS && fake_vendor.checked - before.checked == PRODUCTS);
    assert_memory_equal(first, again, sizeof first);
    fake_vendor.algorithms[0].broken = true;
    const long second = fake_vendor.algorithms[1].ran;
    assert_int_equal(compute(&s, again, NULL), WN_OK);
    assert_int_equal(fake_vendor.asked - before.asked, 2 * PRODUCTS);
    assert_true(fake_vendor.algorithms[1].ran > second);
    assert_int_equal(compute(&s, again, NULL), WN_OK); /* what took its place was kept */
    assert_int_equal(fake_vendor.asked - before.asked, 2 * PRODUCTS);
    fake_vendor.algorithms[0].broken = false;
    static const char *const spoilt[] = {"77 0 0 0", "0 0 0 0 0 0 0 0", "none"}; /* cut short, another's, no numbers */
    for (int i = 0; i < 3; i++) {
        FILE *f = fopen(path, "wb");
        assert_true(f && fputs(spoilt[i], f) >= 0 && fclose(f) == 0);
        assert_int_equal(compute(&s, again, NULL), WN_OK);
        assert_int_equal(fake_vendor.asked - before.asked, (3 + i) * PRODUCTS);
        assert_memory_equal(first, again, sizeof first);
    }
    subject_finish(&s);
    remove_all(folder);
    unsetenv("WHYNOT_PLAN_CACHE");
    assert_int_equal(fake_vendor.held, before.held);
}

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
        char path[1024];
        struct wn_error err = {0};
        while (folder && files_of(folder, "", path, sizeof path)) unlink(path);
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
    char folder[] = "/tmp/whynot-plans-XXXXXX";
    assert_non_null(mkdtemp(folder));
    setenv("WHYNOT_PLAN_CACHE", folder, 1);
    every_call_fails_once_and_all_is_given_back(folder);
    remove_all(folder);
    unsetenv("WHYNOT_PLAN_CACHE");
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
        cmocka_unit_test(plans_are_timed_once_and_taken_from_the_folder_after_that),
        cmocka_unit_test(workers_that_keep_the_same_choice_do_not_share_a_file),
        cmocka_unit_test(an_engine_is_chosen_behind_many_that_nobody_may_choose),
        cmocka_unit_test(a_plan_that_does_not_run_gives_way_to_the_next),
        cmocka_unit_test(a_kept_plan_that_no_longer_runs_is_replaced),
        cmocka_unit_test(another_than_the_heuristics_first_is_chosen_where_it_is_clearly_quicker),
        cmocka_unit_test(an_algorithm_that_does_not_run_gives_way_to_the_next),
        cmocka_unit_test(what_has_no_memory_for_its_workspace_gives_way),
        cmocka_unit_test(workers_that_start_together_choose_once),
        cmocka_unit_test(an_algorithm_is_kept_until_it_no_longer_runs),
        cmocka_unit_test(programs_of_one_backend_follow_each_other),
        cmocka_unit_test(nothing_is_planned_nor_a_handle_made_or_closed_while_another_thread_captures),
        cmocka_unit_test(a_librarys_status_says_whose_fault_it_is),
        cmocka_unit_test(the_doctor_sees_whether_a_backend_computes),
        cmocka_unit_test(a_failing_call_gives_everything_back),
        cmocka_unit_test(a_failing_call_while_plans_are_timed_gives_everything_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
