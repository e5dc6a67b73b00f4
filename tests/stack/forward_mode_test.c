/* wn_forward_stack against one backward pass a class, in double precision on the oracle: the heads of real networks,
 * and random small networks. */
#include "nets.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ref/ref.h"

enum { C = 6, H = 4, W = 6, K = 5, IMAGES = 3, NETS = 600 };
static const double tolerance = 1e-6; /* summed weights and scales are rounded to f32 */

/* ---- heads: (N,C,H,W) -> (N,K) ---- */

enum expected { MATRICES, SPREADS, REFUSED }; /* SPREADS: has to make a number for each cell and direction */

struct head {
    const char *name;
    int (*build)(struct subject *s, int a);
    enum expected expected;
    bool cells; /* the linear approximation has a rule too */
};

static struct wn_shape shape_of(const struct subject *s, int v)
{
    return v < 0 ? (struct wn_shape){0} : wn_program_value(s->p, v)->shape;
}

static int flat(struct subject *s, int x)
{
    struct wn_shape shape = shape_of(s, x), f = SHAPE(shape.dim[0], wn_shape_count(&shape) / shape.dim[0]);
    return wn_reshape(s->p, x, &f);
}

static int linear(struct subject *s, int x, int64_t out, bool trans)
{
    int64_t in = shape_of(s, x).dim[1];
    int w = subject_weight(s, trans ? SHAPE(out, in) : SHAPE(in, out), -1, 1);
    return wn_matmul(s->p, x, false, w, trans, subject_weight(s, SHAPE(out), -1, 1));
}

static int conv_with(struct subject *s, int x, int64_t out, struct wn_window win, int64_t groups)
{
    int w = subject_weight(s, SHAPE(out, shape_of(s, x).dim[1] / groups, win.kernel[0], win.kernel[1]), -1, 1);
    return wn_conv(s->p, x, w, subject_weight(s, SHAPE(out), -0.5, 0.5), &win, groups);
}

static int conv(struct subject *s, int x, int64_t out, int64_t kernel, int64_t pad)
{
    return conv_with(s, x, out, (struct wn_window){2, {kernel, kernel}, {1, 1}, {1, 1}, {pad, pad}, {pad, pad}}, 1);
}

static int mean(struct subject *s, int x)
{
    return wn_reduce(s->p, WN_REDUCE_MEAN, x, 12);
}

static int cam(struct subject *s, int a)
{
    return linear(s, flat(s, mean(s, a)), K, true);
}

static int summed(struct subject *s, int a)
{
    return linear(s, flat(s, wn_reduce(s->p, WN_REDUCE_SUM, a, 12)), K, false);
}

static int cam_through_a_pool(struct subject *s, int a)
{
    struct wn_window all = {2, {H, W}, {1, 1}, {1, 1}, {0}, {0}};
    return linear(s, flat(s, wn_avgpool(s->p, a, &all, true)), K, false);
}

static const struct wn_window half = {2, {2, 2}, {2, 2}, {1, 1}, {0}, {0}},
                              overlapping = {2, {3, 3}, {2, 2}, {1, 1}, {1, 1}, {0, 1}};

static int vgg(struct subject *s, int a)
{
    int x = flat(s, wn_maxpool(s->p, a, &half, NULL));
    return linear(s, wn_relu(s->p, linear(s, wn_relu(s->p, linear(s, x, 8, true)), 7, true)), K, true);
}

static int vgg_untransposed(struct subject *s, int a)
{
    int x = flat(s, wn_maxpool(s->p, a, &overlapping, NULL));
    return linear(s, wn_unary(s->p, WN_UNARY_LEAKY, linear(s, x, 8, false), 0.1f, 0), K, false);
}

/* The same head as convolutions, as in a network for pictures of any size. */
static int vgg_of_convolutions(struct subject *s, int a)
{
    int x = wn_relu(s->p, conv_with(s, a, 8, (struct wn_window){2, {H, W}, {1, 1}, {1, 1}, {0}, {0}}, 1));
    return flat(s, conv(s, x, K, 1, 0));
}

static int squeezenet(struct subject *s, int a)
{
    return flat(s, mean(s, wn_relu(s->p, conv(s, a, K, 1, 0))));
}

static int squeezenet_padded(struct subject *s, int a)
{
    struct wn_window all = {2, {H + 2, W + 2}, {1, 1}, {1, 1}, {0}, {0}};
    return flat(s, wn_avgpool(s->p, wn_relu(s->p, conv(s, a, K, 1, 1)), &all, false));
}

static int strided_and_padded(struct subject *s, int a)
{
    struct wn_window win = {2, {1, 1}, {2, 2}, {1, 1}, {1, 0}, {1, 2}};
    return cam(s, wn_relu(s->p, conv_with(s, a, 4, win, 1)));
}

static int valid_convolution(struct subject *s, int a)
{
    return cam(s, wn_unary(s->p, WN_UNARY_HARDSWISH, conv(s, a, 4, 3, 0), 0, 0));
}

static int averaged_cells(struct subject *s, int a)
{
    return linear(s, flat(s, wn_avgpool(s->p, a, &overlapping, false)), K, true);
}

static int averaged_cells_count_pad(struct subject *s, int a)
{
    return linear(s, flat(s, wn_avgpool(s->p, a, &overlapping, true)), K, true);
}

static int normalised(struct subject *s, int a)
{
    int x = wn_mul(s->p, subject_weight(s, SHAPE(C, 1, 1), 0.5, 1.5), a);
    x = wn_binary(s->p, WN_BINARY_SUB, subject_weight(s, SHAPE(1, C, 1, 1), -1, 1), wn_linear(s->p, x, -2, 3));
    return cam(s, wn_relu(s->p, x));
}

static int convolved(struct subject *s, int a)
{
    return cam(s, wn_relu(s->p, conv(s, a, 4, 3, 1)));
}

static int depthwise(struct subject *s, int a)
{
    return cam(s, conv_with(s, a, C, (struct wn_window){2, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}}, C));
}

static int gated(struct subject *s, int a)
{
    return cam(s, wn_mul(s->p, a, wn_unary(s->p, WN_UNARY_SIGMOID, conv(s, mean(s, a), C, 1, 0), 0, 0)));
}

/* Cells pooled by a softmax of their own. */
static int softmax_pooled(struct subject *s, int a)
{
    int e =
        wn_unary(s->p, WN_UNARY_EXP, wn_binary(s->p, WN_BINARY_SUB, a, wn_reduce(s->p, WN_REDUCE_MAX, a, 12)), 0, 0);
    int share = wn_binary(s->p, WN_BINARY_DIV, e, wn_reduce(s->p, WN_REDUCE_SUM, e, 12));
    return linear(s, flat(s, wn_reduce(s->p, WN_REDUCE_SUM, wn_mul(s->p, a, share), 12)), K, true);
}

static int added_before_the_mean(struct subject *s, int a)
{
    int x = wn_relu(s->p, conv(s, a, 4, 1, 1)), y = wn_unary(s->p, WN_UNARY_TANH, conv(s, a, 4, 1, 1), 0, 0);
    int z = wn_mul(s->p, wn_add(s->p, x, y), subject_weight(s, SHAPE(1, 1, H + 2, W + 2), 0.5, 1));
    return wn_add(s->p, cam(s, conv(s, z, 3, 1, 0)), cam(s, a));
}

static int shifted_against_each_other(struct subject *s, int a)
{
    struct wn_window shifted = {2, {1, 1}, {1, 1}, {1, 1}, {0, 2}, {2, 0}};
    return cam(s, wn_relu(s->p, wn_add(s->p, conv(s, a, 4, 1, 1), conv_with(s, a, 4, shifted, 1))));
}

static int two_branches(struct subject *s, int a)
{
    return wn_add(s->p, cam(s, a), vgg(s, a));
}

static int two_poolings(struct subject *s, int a)
{
    struct wn_window all = {2, {H, W}, {1, 1}, {1, 1}, {0}, {0}};
    return linear(s, flat(s, wn_concat(s->p, (int[]){mean(s, a), wn_maxpool(s->p, a, &all, NULL)}, 2, 1)), K, true);
}

static int pooled_after_a_gate(struct subject *s, int a)
{
    return linear(s, flat(s, wn_maxpool(s->p, wn_unary(s->p, WN_UNARY_TANH, a, 0, 0), &half, NULL)), K, true);
}

static const struct head heads[] = {
    {"pooled_features_and_a_linear_layer", cam, MATRICES, true},
    {"summed_features_and_a_linear_layer", summed, MATRICES, true},
    {"pooled_by_a_pool_and_a_linear_layer", cam_through_a_pool, MATRICES, true},
    {"max_pool_and_three_linear_layers", vgg, MATRICES, false},
    {"overlapping_max_pool_and_linear_layers_untransposed", vgg_untransposed, MATRICES, false},
    {"linear_layers_as_convolutions", vgg_of_convolutions, MATRICES, false},
    {"pointwise_classifier_then_pooled", squeezenet, MATRICES, true},
    {"padded_pointwise_classifier_then_pooled", squeezenet_padded, MATRICES, true},
    {"strided_and_padded_pointwise", strided_and_padded, MATRICES, false},
    {"valid_convolution_activated_and_pooled", valid_convolution, MATRICES, false},
    {"averaged_cells", averaged_cells, MATRICES, false},
    {"averaged_cells_counting_padding", averaged_cells_count_pad, SPREADS, false},
    {"normalised_and_activated", normalised, MATRICES, true},
    {"convolved", convolved, SPREADS, false},
    {"depthwise", depthwise, SPREADS, false},
    {"gated", gated, SPREADS, false},
    {"softmax_over_cells", softmax_pooled, SPREADS, false},
    {"two_branches_added_before_the_mean", added_before_the_mean, SPREADS, true},
    {"two_branches_shifted_against_each_other", shifted_against_each_other, SPREADS, false},
    {"two_branches", two_branches, MATRICES, false},
    {"mean_and_maximum", two_poolings, MATRICES, false},
    {"max_pool_of_what_moves_differently", pooled_after_a_gate, REFUSED, false},
};

/* ---- judging ---- */

/* A tail with a stack made both ways; one of the two values is -1 where it was not asked for. */
struct trial {
    struct subject s;
    int layer, logits, stack, gradient;
};

enum way { FORWARD, FORWARD_CELLS, BACKWARD };

static int64_t classes(const struct trial *t)
{
    return wn_program_value(t->s.p, t->logits)->shape.dim[1];
}

static int64_t images(const struct trial *t)
{
    return wn_program_value(t->s.p, t->logits)->shape.dim[0];
}

/* The tail is there already; `most` as in wn_forward_stack. */
static void append_stack(struct trial *t, enum way way, int64_t most)
{
    struct wn_program *p = t->s.p;
    wn_program_output(p, t->logits);
    wn_program_output(p, t->layer);
    wn_program_end_stage(p);
    t->stack = t->gradient = WN_NONE;
    if (way != BACKWARD) {
        int stack = way == FORWARD ? wn_forward_stack(p, t->layer, t->logits, most)
                                   : wn_forward_stack_of_cells(p, t->layer, t->logits, most);
        t->stack = wn_program_output(p, stack);
        return;
    }
    int64_t k = classes(t), r = images(t) * k;
    float *one_hot = calloc((size_t)(r * k), sizeof *one_hot), *image = calloc((size_t)r, sizeof *image);
    for (int64_t i = 0; i < r; i++) {
        one_hot[i * k + i % k] = 1;
        image[i] = (float)(i / k);
    }
    int row = subject_given(&t->s, SHAPE(r), image), seed = subject_given(&t->s, SHAPE(r, k), one_hot);
    t->gradient = wn_program_output(p, wn_backward(p, t->logits, seed, t->layer, (struct wn_rows){row, r}));
    free(one_hot);
    free(image);
}

static double *read_value(struct wn_exe *exe, const struct trial *t, int value)
{
    double *d = calloc((size_t)wn_shape_count(&wn_program_value(t->s.p, value)->shape), sizeof *d);
    assert_int_equal(wn_ref_read_double(exe, value, d, NULL), WN_OK);
    return d;
}

/* sum_k mean(g_sk) a_k, or sum_k g_sk a_k, by its definition. */
static double *maps_of_gradient(const struct trial *t, const double *gradient, const double *activation, bool cells)
{
    const struct wn_shape *a = &wn_program_value(t->s.p, t->layer)->shape;
    int64_t area = a->dim[2] * a->dim[3], k = classes(t), channels = a->dim[1], rows = images(t) * k;
    double *maps = calloc((size_t)(rows * area), sizeof *maps);
    for (int64_t s = 0; s < rows; s++)
        for (int64_t c = 0; c < channels; c++) {
            const double *g = gradient + (s * channels + c) * area;
            double sum = 0;
            for (int64_t i = 0; i < area; i++) sum += g[i];
            for (int64_t i = 0; i < area; i++)
                maps[s * area + i] +=
                    (cells ? g[i] : sum / (double)area) * activation[(s / k * channels + c) * area + i];
        }
    return maps;
}

/* N*K*h*w doubles, or NULL where the stack was refused. cells: which maps are made of a gradient. */
static double *run(struct trial *t, struct wn_backend *ref, bool cells)
{
    struct wn_error err = {0};
    struct wn_exe *exe;
    if (wn_program_error(t->s.p, &err) == WN_UNSUPPORTED) return NULL;
    if (err.code || wn_program_optimize(t->s.p, &err) || ref->impl->compile(ref, t->s.p, &exe, &err))
        fail_msg("%s", err.text);
    for (int i = 0; i < t->s.n_inputs; i++) ref->impl->write(exe, t->s.inputs[i].value, t->s.inputs[i].data, NULL);
    for (int i = 0; i < wn_program_stages(t->s.p); i++) assert_int_equal(ref->impl->run(exe, i, NULL), WN_OK);
    double *stack;
    if (t->stack != WN_NONE) {
        stack = read_value(exe, t, t->stack);
    } else {
        double *gradient = read_value(exe, t, t->gradient), *activation = read_value(exe, t, t->layer);
        stack = maps_of_gradient(t, gradient, activation, cells);
        free(gradient);
        free(activation);
    }
    ref->impl->release(exe);
    return stack;
}

/* The largest number of `want`. */
static double compare(const struct trial *t, const double *got, const double *want)
{
    const struct wn_shape *a = &wn_program_value(t->s.p, t->layer)->shape;
    double off = 0, largest = 0;
    for (int64_t i = 0; i < images(t) * classes(t) * a->dim[2] * a->dim[3]; i++) {
        if (!(fabs(got[i] - want[i]) <= off)) off = fabs(got[i] - want[i]);
        largest = fmax(largest, fabs(want[i]));
    }
    if (largest < 1e-12) largest = 1e-12; /* a random network that lets nothing through */
    if (!(off <= tolerance * largest)) fail_msg("off by %g of %g", off, largest);
    return largest;
}

/* Whether a step makes a number for each cell of a plane and each direction. */
static bool spreads(const struct trial *t)
{
    const struct wn_shape *a = &wn_program_value(t->s.p, t->layer)->shape;
    struct wn_stage stage = wn_program_stage(t->s.p, 1);
    int64_t most = 16 * a->dim[0] * a->dim[2] * a->dim[3]; /* no more than 16 blocks anywhere in these heads */
    for (int i = stage.begin; i < stage.end; i++)
        if (wn_shape_count(&wn_program_value(t->s.p, wn_program_step(t->s.p, i)->out[0])->shape) > most) return true;
    return false;
}

static void build_head(struct trial *t, const struct head *head, int64_t n)
{
    subject_init(&t->s, 7, false);
    t->layer = wn_relu(t->s.p, conv(&t->s, subject_input(&t->s, SHAPE(n, 2, H, W), true, -1, 1), C, 3, 1));
    t->logits = head->build(&t->s, t->layer);
}

static void judge(const struct head *head, struct wn_backend *ref, bool cells, int64_t n)
{
    struct trial forward, backward;
    bool expected = cells ? head->cells : head->expected != REFUSED;
    build_head(&forward, head, n);
    append_stack(&forward, cells ? FORWARD_CELLS : FORWARD, INT64_MAX);
    double *got = run(&forward, ref, cells);
    if (!got == expected) fail_msg("%s", got ? "a rule is new here" : "there should be a rule for this");
    if (got) {
        bool spread = !cells && head->expected == SPREADS;
        if (spreads(&forward) != spread) fail_msg("matrices should %sdo", spread ? "not " : "");
        build_head(&backward, head, n);
        append_stack(&backward, BACKWARD, 0);
        double *want = run(&backward, ref, cells);
        if (compare(&forward, got, want) < 1e-3) fail_msg("the head lets nothing through");
        free(want);
        subject_finish(&backward.s);
    }
    free(got);
    subject_finish(&forward.s);
}

static void stack_is_one_backward_pass_a_class(void **state)
{
    struct wn_backend *ref;
    assert_int_equal(wn_backend_open("ref", NULL, &ref, NULL), WN_OK);
    for (int64_t n = 1; n <= IMAGES; n += IMAGES - 1) {
        judge(*state, ref, false, n);
        judge(*state, ref, true, n);
    }
    wn_backend_close(ref);
}

static void planes_are_not_spread_for_more_directions_than_asked(void **state)
{
    (void)state;
    struct trial t;
    build_head(&t, &(struct head){"", convolved, SPREADS, false}, IMAGES);
    append_stack(&t, FORWARD, H * W - 1);
    assert_int_equal(wn_program_error(t.s.p, NULL), WN_UNSUPPORTED);
    subject_finish(&t.s);
    build_head(&t, &(struct head){"", convolved, SPREADS, false}, IMAGES);
    append_stack(&t, FORWARD, H * W);
    assert_int_equal(wn_program_error(t.s.p, NULL), WN_OK);
    subject_finish(&t.s);
}

/* One image of this head is 3*16*16*256 numbers of a spread tangent: so many fit into the memory that is meant for
 * it. */
static void more_images_than_their_spread_planes_have_memory_for_are_refused(void **state)
{
    enum { FIT = (1 << 25) / (3 * 16 * 16 * 256) };
    (void)state;
    for (int64_t n = FIT; n <= FIT + 1; n++) {
        struct subject s;
        subject_init(&s, 1, false);
        int x = subject_input(&s, SHAPE(n, 3, 16, 16), true, -1, 1);
        int stack =
            wn_forward_stack(s.p, x, flat(&s, mean(&s, wn_relu(s.p, conv(&s, wn_relu(s.p, x), 3, 3, 1)))), INT64_MAX);
        assert_int_equal(wn_program_error(s.p, NULL), n == FIT ? WN_OK : WN_UNSUPPORTED);
        assert_int_equal(stack >= 0, n == FIT);
        subject_finish(&s);
    }
}

/* ... that mix the images, one way or another, of as many images as the layer has channels and rows. */
static int transposed(struct subject *s, int x)
{
    return wn_transpose(s->p, flat(s, mean(s, wn_transpose(s->p, x, (int[]){1, 0, 2, 3}))), (int[]){1, 0});
}

static int turned_around(struct subject *s, int x)
{
    struct wn_shape turned = SHAPE(3, 3, 3, 3);
    return flat(s, mean(s, wn_reshape(s->p, wn_transpose(s->p, x, (int[]){1, 0, 2, 3}), &turned)));
}

static int backwards(struct subject *s, int x)
{
    return flat(s, mean(s, wn_slice(s->p, x, 0, 2, 3, -1)));
}

static int shifted(struct subject *s, int x)
{
    return flat(s, mean(s, wn_pad(s->p, x, (int64_t[]){1, 0, 0, 0}, (int64_t[]){-1, 0, 0, 0}, 0)));
}

static int less_their_mean(struct subject *s, int x)
{
    return flat(s, mean(s, wn_binary(s->p, WN_BINARY_SUB, x, wn_reduce(s->p, WN_REDUCE_MEAN, x, 1))));
}

static int times_the_batch(struct subject *s, int x)
{
    int64_t n = 3;
    return wn_matmul(s->p, flat(s, mean(s, x)), false,
                     flat(s, wn_reduce(s->p, WN_REDUCE_MAX, subject_input(s, SHAPE(n, 3, 3, 3), true, -1, 1), 12)),
                     false, WN_NONE);
}

static void a_step_that_mixes_images_is_refused(void **state)
{
    static int (*const heads_of[])(struct subject * s, int x) = {transposed, turned_around,   backwards,
                                                                 shifted,    less_their_mean, times_the_batch};
    (void)state;
    for (size_t i = 0; i < sizeof heads_of / sizeof *heads_of; i++) {
        struct subject s;
        subject_init(&s, 1, false);
        int x = subject_input(&s, SHAPE(3, 3, 3, 3), true, -1, 1), y = heads_of[i](&s, x);
        assert_int_equal(wn_program_error(s.p, NULL), WN_OK);
        int stack = wn_forward_stack(s.p, x, y, 100);
        if (stack != -1 || wn_program_error(s.p, NULL) != WN_UNSUPPORTED) fail_msg("head %zu is not refused", i);
        subject_finish(&s);
    }
}

static void a_layer_or_logits_without_an_image_each_are_refused(void **state)
{
    (void)state;
    for (int turn = 0; turn < 2; turn++) {
        struct subject s;
        subject_init(&s, 1, false);
        int x = subject_input(&s, SHAPE(2, 3, 4, 4), true, -1, 1), y = wn_reduce(s.p, WN_REDUCE_MEAN, x, 12);
        struct wn_shape one = SHAPE(1, 6);
        assert_int_equal(wn_forward_stack(s.p, x, turn ? wn_reshape(s.p, y, &one) : y, 100), -1);
        assert_int_equal(wn_program_error(s.p, NULL), WN_UNSUPPORTED);
        subject_finish(&s);
    }
}

static void logits_that_do_not_depend_on_the_layer_are_refused(void **state)
{
    (void)state;
    struct subject s;
    subject_init(&s, 1, false);
    int x = subject_input(&s, SHAPE(1, 3, 4, 4), true, -1, 1), y = subject_input(&s, SHAPE(1, 5), true, -1, 1);
    assert_int_equal(wn_forward_stack(s.p, wn_relu(s.p, x), wn_relu(s.p, y), 100), -1);
    assert_int_equal(wn_program_error(s.p, NULL), WN_NO_SUCH_LAYER);
    subject_finish(&s);
}

/* ---- random networks ---- */

static bool build_random(struct trial *t, uint64_t seed)
{
    subject_init(&t->s, seed, false);
    struct path path = random_net(&t->s, 0);
    t->layer = path.to;
    t->logits = path.from;
    bool built = wn_program_error(t->s.p, NULL) == WN_OK;
    if (!built) subject_finish(&t->s);
    return built;
}

/* Adds to agreed or refused, of one image and of several. */
static void judge_random(uint64_t seed, struct wn_backend *ref, bool cells, int *agreed, int *refused)
{
    struct trial forward, backward;
    if (!build_random(&forward, seed)) return;
    append_stack(&forward, cells ? FORWARD_CELLS : FORWARD, INT64_MAX);
    double *got = run(&forward, ref, cells);
    if (got) {
        build_random(&backward, seed);
        append_stack(&backward, BACKWARD, 0);
        double *want = run(&backward, ref, cells);
        compare(&forward, got, want);
        free(want);
        subject_finish(&backward.s);
    }
    (got ? agreed : refused)[images(&forward) > 1] += 1;
    free(got);
    subject_finish(&forward.s);
}

static void random_networks_agree_or_are_refused(void **state)
{
    (void)state;
    struct wn_backend *ref;
    int agreed[2] = {0}, refused[2] = {0}, cells_agreed[2] = {0}, cells_refused[2] = {0};
    assert_int_equal(wn_backend_open("ref", NULL, &ref, NULL), WN_OK);
    for (uint64_t seed = 1; seed <= NETS; seed++) {
        judge_random(seed, ref, false, agreed, refused);
        judge_random(seed, ref, true, cells_agreed, cells_refused);
    }
    for (int i = 0; i < 2; i++) {
        print_message("%s: %d random networks agreed, %d had no rule; cell by cell %d and %d\n",
                      i ? "several images" : "one image", agreed[i], refused[i], cells_agreed[i], cells_refused[i]);
        assert_true(agreed[i] > 3 * refused[i] && cells_agreed[i] > 20);
    }
    wn_backend_close(ref);
}

int main(void)
{
    enum { HEADS = sizeof heads / sizeof *heads, MORE = 6 };
    struct CMUnitTest tests[HEADS + MORE] = {
        [HEADS] = cmocka_unit_test(planes_are_not_spread_for_more_directions_than_asked),
        [HEADS + 1] = cmocka_unit_test(a_layer_or_logits_without_an_image_each_are_refused),
        [HEADS + 2] = cmocka_unit_test(logits_that_do_not_depend_on_the_layer_are_refused),
        [HEADS + 3] = cmocka_unit_test(random_networks_agree_or_are_refused),
        [HEADS + 4] = cmocka_unit_test(more_images_than_their_spread_planes_have_memory_for_are_refused),
        [HEADS + 5] = cmocka_unit_test(a_step_that_mixes_images_is_refused),
    };
    for (int i = 0; i < HEADS; i++)
        tests[i] =
            (struct CMUnitTest){heads[i].name, stack_is_one_backward_pass_a_class, NULL, NULL, (void *)&heads[i]};
    return _cmocka_run_group_tests("forward mode", tests, HEADS + MORE, NULL, NULL);
}
