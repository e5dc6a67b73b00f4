/* wn_channel_mean on the heads of real networks: the same number as the mean of the gradient, and without making the
 * gradient wherever a closed form is known. */
#include "nets.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ref/ref.h"

enum { N = 2, R = 3, C = 6, H = 4, W = 6, K = 5 };

struct head {
    const char *name;
    int (*build)(struct subject *s, int a); /* (N,C,H,W) -> (N,K) */
    bool closed;                            /* the gradient is never made */
};

/* ---- heads ---- */

static int flat(struct subject *s, int x)
{
    struct wn_shape shape = wn_program_value(s->p, x)->shape,
                    f = SHAPE(shape.dim[0], wn_shape_count(&shape) / shape.dim[0]);
    return wn_reshape(s->p, x, &f);
}

static int linear(struct subject *s, int x, int64_t out, bool trans)
{
    int64_t in = wn_program_value(s->p, x)->shape.dim[1];
    int w = subject_weight(s, trans ? SHAPE(out, in) : SHAPE(in, out), -1, 1);
    return wn_matmul(s->p, x, false, w, trans, subject_weight(s, SHAPE(out), -1, 1));
}

static int conv(struct subject *s, int x, int64_t out, int64_t kernel, int64_t pad)
{
    struct wn_window win = {2, {kernel, kernel}, {1, 1}, {1, 1}, {pad, pad}, {pad, pad}};
    int w = subject_weight(s, SHAPE(out, wn_program_value(s->p, x)->shape.dim[1], kernel, kernel), -1, 1);
    return wn_conv(s->p, x, w, subject_weight(s, SHAPE(out), 0.5, 1), &win, 1);
}

static int mean(struct subject *s, int x)
{
    return wn_reduce(s->p, WN_REDUCE_MEAN, x, 12);
}

static int cam(struct subject *s, int a)
{
    return linear(s, flat(s, mean(s, a)), K, true);
}

static int cam_through_a_pool(struct subject *s, int a)
{
    struct wn_window all = {2, {H, W}, {1, 1}, {1, 1}, {0}, {0}};
    return linear(s, flat(s, wn_avgpool(s->p, a, &all, true)), K, false);
}

static int vgg(struct subject *s, int a)
{
    struct wn_window half = {2, {2, 2}, {2, 2}, {1, 1}, {0}, {0}};
    int x = flat(s, wn_maxpool(s->p, a, &half, NULL));
    return linear(s, wn_relu(s->p, linear(s, x, 8, true)), K, true);
}

static int vgg_untransposed(struct subject *s, int a)
{
    return linear(s, wn_relu(s->p, linear(s, flat(s, a), 8, false)), K, false);
}

static int squeezenet(struct subject *s, int a)
{
    return flat(s, mean(s, wn_relu(s->p, conv(s, a, K, 1, 0))));
}

static int squeezenet_padded(struct subject *s, int a)
{
    return flat(s, mean(s, wn_relu(s->p, conv(s, a, K, 1, 1))));
}

static int averaged_cells(struct subject *s, int a)
{
    struct wn_window win = {2, {3, 3}, {2, 2}, {1, 1}, {1, 1}, {0, 1}};
    return linear(s, flat(s, wn_avgpool(s->p, a, &win, false)), K, true);
}

/* Part of each gradient falls on padding: no closed form, and none may be taken. */
static int averaged_cells_count_pad(struct subject *s, int a)
{
    struct wn_window win = {2, {3, 3}, {2, 2}, {1, 1}, {1, 1}, {0, 1}};
    return linear(s, flat(s, wn_avgpool(s->p, a, &win, true)), K, true);
}

static int scaled(struct subject *s, int a)
{
    return cam(s, wn_linear(s->p, a, -2, 3));
}

static int expanded(struct subject *s, int a)
{
    struct wn_shape wide = SHAPE(N, C, H, W);
    return cam(s, wn_mul(s->p, a, wn_expand(s->p, mean(s, a), &wide)));
}

static int convolved(struct subject *s, int a)
{
    return cam(s, wn_relu(s->p, conv(s, a, 4, 3, 1)));
}

static int two_branches(struct subject *s, int a)
{
    return wn_add(s->p, cam(s, a), vgg(s, a));
}

static const struct head heads[] = {
    {"pooled_features_and_a_linear_layer", cam, true},
    {"pooled_by_a_pool_and_a_linear_layer", cam_through_a_pool, true},
    {"max_pool_and_two_linear_layers", vgg, true},
    {"two_linear_layers_untransposed", vgg_untransposed, true},
    {"pointwise_classifier_then_pooled", squeezenet, true},
    {"padded_pointwise_classifier_then_pooled", squeezenet_padded, true},
    {"averaged_cells", averaged_cells, true},
    {"averaged_cells_counting_padding", averaged_cells_count_pad, false},
    {"scaled", scaled, true},
    {"expanded", expanded, false},
    {"convolved", convolved, false},
    {"two_branches", two_branches, false},
};

/* ---- judging ---- */

struct run {
    struct subject s;
    int result, layer;
    double *mean; /* R*C */
};

enum { BY_MEAN = 1, GATHERED = 2 };

/* Forward as stage 0, the question as stage 1, as an engine has it. */
static void run_head(struct run *t, const struct head *head, struct wn_backend *ref, int flags)
{
    struct wn_exe *exe;
    struct wn_error err = {0};
    int64_t rows = flags & GATHERED ? R : N;
    subject_init(&t->s, 7, false);
    struct wn_program *p = t->s.p;
    t->layer = wn_relu(p, conv(&t->s, subject_input(&t->s, SHAPE(N, 2, H, W), true, -1, 1), C, 3, 1));
    int logits = head->build(&t->s, t->layer);
    wn_program_output(p, logits);
    wn_program_end_stage(p);
    int row = flags & GATHERED ? subject_rows(&t->s, R, N) : WN_NONE;
    int seed = subject_input(&t->s, SHAPE(rows, K), true, -1, 1);
    int g = wn_backward(p, logits, seed, t->layer, (struct wn_rows){row, rows});
    t->result = wn_program_output(p, flags & BY_MEAN ? wn_channel_mean(p, g) : wn_reduce(p, WN_REDUCE_MEAN, g, 12));
    if (wn_program_error(p, &err) || wn_program_optimize(p, &err) || ref->impl->compile(ref, p, &exe, &err))
        fail_msg("%s", err.text);
    for (int i = 0; i < t->s.n_inputs; i++) ref->impl->write(exe, t->s.inputs[i].value, t->s.inputs[i].data, NULL);
    assert_int_equal(ref->impl->run(exe, 0, NULL), WN_OK);
    assert_int_equal(ref->impl->run(exe, 1, NULL), WN_OK);
    t->mean = calloc((size_t)(rows * C), sizeof *t->mean);
    assert_int_equal(wn_ref_read_double(exe, t->result, t->mean, NULL), WN_OK);
    ref->impl->release(exe);
}

static void run_finish(struct run *t)
{
    free(t->mean);
    subject_finish(&t->s);
}

/* Whether a step of the question's stage makes a value as large as the layer. */
static bool makes_planes(const struct run *t)
{
    struct wn_stage question = wn_program_stage(t->s.p, 1);
    for (int i = question.begin; i < question.end; i++) {
        const struct wn_shape *y = &wn_program_value(t->s.p, wn_program_step(t->s.p, i)->out[0])->shape;
        if (y->rank == 4 && y->dim[1] == C && y->dim[2] * y->dim[3] == H * W) return true;
    }
    return false;
}

static void judge(const struct head *head, struct wn_backend *ref, int flags)
{
    struct run by_mean, plain;
    double off = 0, largest = 0;
    run_head(&by_mean, head, ref, flags | BY_MEAN);
    run_head(&plain, head, ref, flags);
    for (int i = 0; i < (flags & GATHERED ? R : N) * C; i++) {
        off = fmax(off, fabs(by_mean.mean[i] - plain.mean[i]));
        largest = fmax(largest, fabs(plain.mean[i]));
    }
    if (!(off <= 1e-6 * largest) || largest == 0) fail_msg("off by %g of %g", off, largest);
    if (makes_planes(&by_mean) == head->closed) {
        char *text = wn_program_text(by_mean.s.p);
        print_error("%s", text ? text : "");
        free(text);
        fail_msg("%s", head->closed ? "the gradient is made though its mean is known without it"
                                    : "a closed form is new here");
    }
    assert_true(makes_planes(&plain) || head->closed);
    run_finish(&by_mean);
    run_finish(&plain);
}

static void mean_is_the_mean_of_the_gradient(void **state)
{
    struct wn_backend *ref;
    assert_int_equal(wn_backend_open("ref", NULL, &ref, NULL), WN_OK);
    judge(*state, ref, 0);
    judge(*state, ref, GATHERED);
    wn_backend_close(ref);
}

static void a_layer_without_planes_has_no_channel_mean(void **state)
{
    (void)state;
    struct subject s;
    subject_init(&s, 1, false);
    assert_int_equal(wn_channel_mean(s.p, subject_input(&s, SHAPE(2, 3), true, -1, 1)), -1);
    assert_int_equal(wn_program_error(s.p, NULL), WN_UNSUPPORTED);
    subject_finish(&s);
}

int main(void)
{
    enum { HEADS = sizeof heads / sizeof *heads };
    struct CMUnitTest tests[HEADS + 1] = {[HEADS] = cmocka_unit_test(a_layer_without_planes_has_no_channel_mean)};
    for (int i = 0; i < HEADS; i++)
        tests[i] = (struct CMUnitTest){heads[i].name, mean_is_the_mean_of_the_gradient, NULL, NULL, (void *)&heads[i]};
    return _cmocka_run_group_tests("channel mean", tests, HEADS + 1, NULL, NULL);
}
