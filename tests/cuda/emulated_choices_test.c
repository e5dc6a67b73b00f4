/* Plans of cuDNN and algorithms of cuBLASLt that are run, timed, kept in a folder and given up, over fakes of the
 * vendor's functions. */
#include "calls.h"

#include <pthread.h>
#include <sys/stat.h>

#include "vendor.h"

/* ---- plans ---- */

static void plans_are_timed_once_and_taken_from_the_folder_after_that(void **state)
{
    (void)state;
    struct subject s;
    char folder[sizeof FOLDER], path[1024];
    keep_in(folder);
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
    keep_no_longer(folder);
    assert_int_equal(fake_vendor.held, before.held);
}

/* Where each plan is written aside before it gets its name, another worker of this process is at work on the same
 * one: under the same name it would write into this one's file. A folder of that name stands for it. */
static void workers_that_keep_the_same_choice_do_not_share_a_file(void **state)
{
    (void)state;
    struct subject s;
    char folder[sizeof FOLDER], paths[KEPT][1024], other[KEPT][1064];
    keep_in(folder);
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
    keep_no_longer(folder);
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
    char folder[sizeof FOLDER];
    keep_in(folder);
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
    keep_no_longer(folder);
}

/* Which of two computes when both were timed. */
static bool the_first_is_chosen(struct fake_engine *one, struct fake_engine *other, long cost, long other_cost)
{
    struct subject s;
    char folder[sizeof FOLDER];
    keep_in(folder);
    network(&s);
    one->cost = cost, other->cost = other_cost;
    assert_int_equal(compute(&s, first, NULL), WN_OK);
    one->ran = 0, other->ran = 0;
    assert_int_equal(compute(&s, again, NULL), WN_OK); /* with what was kept */
    const bool chosen = one->ran > other->ran;
    one->cost = other->cost = 0;
    subject_finish(&s);
    keep_no_longer(folder);
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
    char folder[sizeof FOLDER];
    network(&s);
    assert_int_equal(compute(&s, first, NULL), WN_OK);
    const long held = fake_vendor.held, blocks = fake_runtime.held_blocks;
    fake_vendor.tensor_cores.workspace = fake_vendor.algorithms[0].workspace = fake_runtime.too_large = LARGE;
    for (int kept = 0; kept < 2; kept++) {
        if (kept) keep_in(folder);
        fake_vendor.tensor_cores.ran = fake_vendor.algorithms[0].ran = 0;
        assert_int_equal(compute(&s, again, NULL), WN_OK);
        assert_int_equal(seen.plain, 0);
        assert_true(fake_vendor.tensor_cores.ran == 0 && fake_vendor.algorithms[0].ran == 0);
        must_be_close(first, again, 0);
    }
    fake_runtime.too_large = 0; /* and where there is, they are timed with the others, all in one workspace */
    forget_all(folder);
    assert_int_equal(compute(&s, again, NULL), WN_OK);
    assert_true(fake_vendor.tensor_cores.ran > 0 && fake_vendor.algorithms[0].ran > 0);
    must_be_close(first, again, 0);
    fake_vendor.tensor_cores.workspace = fake_vendor.algorithms[0].workspace = 0;
    assert_true(fake_vendor.held == held && fake_runtime.held_blocks == blocks);
    subject_finish(&s);
    keep_no_longer(folder);
}

/* A shape that a library does not do, and a library that fails on a device that is well: kernels of ours do it, and it
 * is said. Short memory is no reason for slow kernels: a smaller batch may have room. */
static void why_a_library_offers_nothing_decides_what_becomes_of_it(void **state)
{
    static const struct {
        int plans, offers;
        enum wn_code code;
        int plain;
    } rows[] = {{CUDNN_STATUS_NOT_SUPPORTED_SHAPE, 0, WN_OK, 4},
                {CUDNN_STATUS_INTERNAL_ERROR, 0, WN_OK, 4},
                {CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED, 0, WN_NO_MEMORY, 0},
                {CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED, 0, WN_NO_MEMORY, 0},
                {0, CUBLAS_STATUS_NOT_SUPPORTED, WN_OK, PRODUCTS},
                {0, CUBLAS_STATUS_INTERNAL_ERROR, WN_OK, PRODUCTS},
                {0, CUBLAS_STATUS_ALLOC_FAILED, WN_NO_MEMORY, 0}};
    (void)state;
    struct subject s;
    network(&s);
    assert_int_equal(compute(&s, first, NULL), WN_OK);
    const long held = fake_vendor.held, blocks = fake_runtime.held_blocks;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct wn_error err = {0};
        fake_vendor.plans_fail = rows[i].plans, fake_vendor.offers_fail = rows[i].offers;
        const enum wn_code code = compute(&s, again, &err);
        if (code != rows[i].code) fail_msg("row %zu: %s %s", i, wn_code_name(code), err.text);
        assert_true(fake_vendor.held == held && fake_runtime.held_blocks == blocks);
        if (code != WN_OK) continue;
        must_be_close(first, again, 0);
        assert_int_equal(seen.plain, rows[i].plain);
    }
    fake_vendor.plans_fail = fake_vendor.offers_fail = 0;
    subject_finish(&s);
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
    char folder[sizeof FOLDER];
    pthread_t other;
    void *done;
    keep_in(folder);
    network(&s);
    struct fake_vendor before = fake_vendor;
    assert_int_equal(compute(&s, first, NULL), WN_OK);
    const long alone = fake_vendor.planned - before.planned, asked = fake_vendor.asked - before.asked;
    forget_all(folder);
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
    keep_no_longer(folder);
}

static void an_algorithm_is_kept_until_it_no_longer_runs(void **state)
{
    (void)state;
    struct subject s;
    char folder[sizeof FOLDER], path[1024];
    keep_in(folder);
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
    keep_no_longer(folder);
    assert_int_equal(fake_vendor.held, before.held);
}

/* ---- the folder ---- */

static void a_folder_is_made_and_what_the_options_say_goes_before_the_environment(void **state)
{
    (void)state;
    struct subject s;
    char folder[sizeof FOLDER], above[64], wanted[80], path[1024];
    keep_in(folder);
    snprintf(above, sizeof above, "%s/caches", folder);
    snprintf(wanted, sizeof wanted, "%s/whynot", above);
    network(&s);
    assert_int_equal(compute_with(&(struct wn_backend_options){.plan_cache = wanted}, &s, first, NULL), WN_OK);
    assert_int_equal(files_of(wanted, "", path, sizeof path), KEPT);
    assert_int_equal(files_of(folder, "", path, sizeof path), 1); /* the folder above it */
    forget_all(wanted);
    assert_int_equal(rmdir(wanted) | rmdir(above), 0);
    subject_finish(&s);
    keep_no_longer(folder);
}

static void without_a_folder_nothing_is_timed_and_nothing_is_kept(void **state)
{
    (void)state;
    struct subject s;
    char folder[sizeof FOLDER], file[64], path[1024];
    keep_in(folder);
    snprintf(file, sizeof file, "%s/file", folder);
    FILE *f = fopen(file, "wb");
    assert_true(f && fclose(f) == 0);
    network(&s);
    const char *const none[] = {"", "none", "auto", file, "/proc/nowhere/whynot"};
    for (int i = 0; i < 5; i++) {
        const long planned = fake_vendor.planned;
        assert_int_equal(compute_with(&(struct wn_backend_options){.plan_cache = none[i]}, &s, first, NULL), WN_OK);
        assert_true(fake_vendor.planned - planned <= PLANS); /* the first that runs */
        assert_int_equal(files_of(folder, "", path, sizeof path), 1);
    }
    subject_finish(&s);
    keep_no_longer(folder);
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
        cmocka_unit_test(why_a_library_offers_nothing_decides_what_becomes_of_it),
        cmocka_unit_test(workers_that_start_together_choose_once),
        cmocka_unit_test(an_algorithm_is_kept_until_it_no_longer_runs),
        cmocka_unit_test(a_folder_is_made_and_what_the_options_say_goes_before_the_environment),
        cmocka_unit_test(without_a_folder_nothing_is_timed_and_nothing_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
