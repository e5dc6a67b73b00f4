/* The fault rules on a real card, in builds with -DWHYNOT_FAULTS=ON: out of memory is outlived, a real illegal
 * access loses the device within 100 ms. Exits 77 where there is no card. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "subject.h"

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static void build(struct subject *s)
{
    subject_init(s, 1, false);
    subject_output(s, wn_relu(s->p, subject_input(s, SHAPE(2, 3, 4, 5), true, -1, 1)));
}

static double ran_ms; /* when a run was begun last */

static enum wn_code live_once(struct subject *s, struct wn_backend *be, struct wn_error *err)
{
    float out[120];
    struct wn_exe *exe;
    enum wn_code code = be->impl->compile(be, s->p, &exe, err);
    if (code != WN_OK) return code;
    code = be->impl->write(exe, s->inputs[0].value, s->inputs[0].data, err);
    ran_ms = now_ms();
    if (code == WN_OK) code = be->impl->run(exe, 0, err);
    if (code == WN_OK) code = be->impl->read(exe, s->outputs[0], out, err);
    be->impl->release(exe);
    return code;
}

static bool lost(const struct wn_backend *be)
{
    return be->impl->lost();
}

static void running_out_of_memory_is_outlived(void **state)
{
    struct wn_backend *be = *state;
    struct subject s;
    struct wn_error err = {0};
    build(&s);
    setenv("WHYNOT_FAULT", "cuda:2@call=3", 1);
    assert_int_equal(live_once(&s, be, &err), WN_NO_MEMORY);
    unsetenv("WHYNOT_FAULT");
    assert_false(lost(be));
    assert_int_equal(live_once(&s, be, NULL), WN_OK);
    subject_finish(&s);
}

/* Last: the process is of no use to CUDA afterwards. */
static void an_illegal_access_loses_the_device(void **state)
{
    struct wn_backend *be = *state;
    struct subject s;
    struct wn_error err = {0};
    build(&s);
    setenv("WHYNOT_FAULT", "cuda:illegal@run=2", 1); /* the first run was that of the test before */
    assert_int_equal(live_once(&s, be, &err), WN_DEVICE);
    const double took_ms = now_ms() - ran_ms;
    assert_true(lost(be));
    if (!(took_ms < 100)) fail_msg("%s, but only after %.1f ms", err.text, took_ms);
    print_message("%s, after %.1f ms\n", err.text, took_ms);
    assert_int_equal(live_once(&s, be, NULL), WN_DEVICE);
    subject_finish(&s);
}

int main(void)
{
    struct wn_error err = {0};
    struct wn_backend *be;
    if (wn_backend_open("cuda", NULL, &be, &err) != WN_OK) return fprintf(stderr, "skipped: %s\n", err.text), 77;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(running_out_of_memory_is_outlived, be),
        cmocka_unit_test_prestate(an_illegal_access_loses_the_device, be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0; /* the backend is not closed: its device may be gone */
}
