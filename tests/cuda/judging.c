/* A program on the emulated backend beside the oracle; knows no kernel. */
#include "judging.h"

void judge(build_function *build, enum wn_precision precision, double tolerance)
{
    struct wn_backend *judged, *oracle;
    const struct wn_backend_options options = {.precision = precision};
    struct wn_error err = {0};
    assert_int_equal(wn_backend_open("cuda", &options, &judged, &err), WN_OK);
    assert_int_equal(wn_backend_open("ref", NULL, &oracle, &err), WN_OK);
    const int orders = precision == WN_PRECISION_F32 ? 3 : 1; /* the type changes nothing about barriers */
    for (wn_emulated_order = 3 - orders; wn_emulated_order < 3; wn_emulated_order++) {
        struct subject s;
        struct outcome got, ref;
        subject_init(&s, 7, true);
        build(&s);
        if (subject_run(&s, judged, &got, &err) != WN_OK || subject_run(&s, oracle, &ref, &err) != WN_OK)
            fail_msg("%s", err.text);
        for (int i = 0; i < ref.n; i++)
            if (!(relative_error(got.data[i], ref.data[i], ref.count[i], 0) <= tolerance))
                fail_msg("output %d is off by %g", i, relative_error(got.data[i], ref.data[i], ref.count[i], 0));
        outcome_finish(&got), outcome_finish(&ref), subject_finish(&s);
    }
    wn_backend_close(judged), wn_backend_close(oracle);
}

void judge_all(build_function *build)
{
    judge(build, WN_PRECISION_F32, 1e-5);
    judge(build, WN_PRECISION_BF16, 2e-2);
    judge(build, WN_PRECISION_F16, 4e-3);
}

int input(struct subject *s, struct wn_shape shape)
{
    return subject_input(s, shape, true, -1, 1);
}

int weight(struct subject *s, struct wn_shape shape)
{
    return subject_weight(s, shape, -2, 2);
}

void three_steps(struct subject *s)
{
    int x = input(s, SHAPE(1, 8, 2, 2));
    subject_output(
        s, wn_relu(s->p, wn_add(s->p, wn_mul(s->p, x, weight(s, SHAPE(1, 8, 1, 1))), weight(s, SHAPE(1, 8, 1, 1)))));
}
