/* Steps that the backend would make one launch of, were they not of two stages, which are run by themselves. On the
 * emulation. */
#include "judging.h"

/* What the second of two stages could take over from the first, which made it from inputs. */
static void join_before(struct subject *s)
{
    const int y = wn_concat(s->p, (int[]){input(s, SHAPE(2, 8, 3, 2)), input(s, SHAPE(2, 8, 3, 2))}, 2, 1);
    wn_program_end_stage(s->p);
    subject_output(s, wn_add(s->p, wn_mul(s->p, y, weight(s, SHAPE(16, 1, 1))), weight(s, SHAPE(16, 1, 1))));
}
static void scale_before(struct subject *s)
{
    const int y = wn_mul(s->p, input(s, SHAPE(2, 8, 3, 2)), weight(s, SHAPE(8, 1, 1)));
    wn_program_end_stage(s->p);
    subject_output(s, wn_add(s->p, y, weight(s, SHAPE(8, 1, 1))));
}
static void meet_before(struct subject *s)
{
    const int sum = wn_add(s->p, input(s, SHAPE(2, 8, 3, 2)), input(s, SHAPE(2, 8, 3, 2))),
              z = wn_linear(s->p, input(s, SHAPE(2, 8, 3, 2)), 1, 2);
    wn_program_end_stage(s->p);
    subject_output(s, wn_unary_bwd(s->p, WN_UNARY_LEAKY, sum, z, 0.5f, 0));
}
static void look_up_before(struct subject *s)
{
    const int of = wn_gather(s->p, input(s, SHAPE(3, 8, 2, 2)), subject_rows(s, 7, 3)),
              g = wn_linear(s->p, input(s, SHAPE(7, 8, 2, 2)), 1, 2);
    wn_program_end_stage(s->p);
    subject_output(s, wn_unary_bwd(s->p, WN_UNARY_LEAKY, g, of, 0.5f, 0));
}
static void change_before(struct subject *s)
{
    const int now = wn_gather(s->p, input(s, SHAPE(3, 8, 2, 2)), subject_rows(s, 7, 3)),
              dy = wn_add(s->p, input(s, SHAPE(7, 8, 2, 2)), input(s, SHAPE(7, 8, 2, 2))),
              then = wn_linear(s->p, input(s, SHAPE(7, 8, 2, 2)), 1, 2);
    wn_program_end_stage(s->p);
    subject_output(s, wn_secant(s->p, WN_UNARY_SQUARE, dy, now, then, 0, 0));
}
static void cut_before(struct subject *s)
{
    const int part = wn_slice(s->p, input(s, SHAPE(2, 16, 3, 2)), 1, 8, 8, 1),
              y = wn_linear(s->p, input(s, SHAPE(2, 8, 3, 2)), 1, 2);
    wn_program_end_stage(s->p);
    subject_output(s, wn_add(s->p, part, y));
}
static void derive_before(struct subject *s)
{
    const int d = wn_unary_bwd(s->p, WN_UNARY_LEAKY, input(s, SHAPE(2, 8, 3, 2)), input(s, SHAPE(2, 8, 3, 2)), 0.5f, 0);
    wn_program_end_stage(s->p);
    subject_output(s, wn_mul(s->p, d, weight(s, SHAPE(8, 1, 1))));
}

static void write_all(const struct subject *s, struct wn_exe *exe)
{
    for (int k = 0; k < s->n_inputs; k++)
        assert_int_equal(exe->backend->impl->write(exe, s->inputs[k].value, s->inputs[k].data, NULL), WN_OK);
}

/* Rows name the next image, all else changes its sign. */
static void change_all(struct subject *s)
{
    for (int k = 0; k < s->n_inputs; k++) {
        struct subject_input *in = &s->inputs[k];
        const int64_t n = wn_shape_count(&wn_program_value(s->p, in->value)->shape);
        for (int64_t i = 0; i < n; i++) in->data[i] = in->fixed ? (float)(((int)in->data[i] + 1) % 3) : -in->data[i];
    }
}

static void stays(build_function *build)
{
    struct subject s;
    struct wn_backend *be;
    struct wn_exe *exe;
    float made[256] = {0}, kept[256] = {0}, anew[256] = {0};
    subject_init(&s, 1, false);
    build(&s);
    assert_true(wn_shape_count(&wn_program_value(s.p, s.outputs[0])->shape) <= 256);
    assert_int_equal(wn_backend_open("cuda", NULL, &be, NULL), WN_OK);
    assert_int_equal(be->impl->compile(be, s.p, &exe, NULL), WN_OK);
    write_all(&s, exe);
    for (int stage = 0; stage < 2; stage++) assert_int_equal(be->impl->run(exe, stage, NULL), WN_OK);
    assert_int_equal(be->impl->read(exe, s.outputs[0], made, NULL), WN_OK);
    change_all(&s);
    write_all(&s, exe);
    assert_int_equal(be->impl->run(exe, 1, NULL), WN_OK);
    assert_int_equal(be->impl->read(exe, s.outputs[0], kept, NULL), WN_OK);
    for (int stage = 0; stage < 2; stage++) assert_int_equal(be->impl->run(exe, stage, NULL), WN_OK);
    assert_int_equal(be->impl->read(exe, s.outputs[0], anew, NULL), WN_OK);
    assert_memory_equal(made, kept, sizeof made);
    assert_memory_not_equal(made, anew, sizeof made);
    be->impl->release(exe);
    wn_backend_close(be);
    subject_finish(&s);
}

/* A stage reads what an earlier one made when that was run, whatever the host has written since. */
static void what_an_earlier_stage_made_stays_as_it_was(void **state)
{
    (void)state;
    stays(join_before);
    stays(scale_before);
    stays(meet_before);
    stays(look_up_before);
    stays(change_before);
    stays(cut_before);
    stays(derive_before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_an_earlier_stage_made_stays_as_it_was)};
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
