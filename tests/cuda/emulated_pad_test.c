/* Pictures of few channels, which lie padded for the convolutions that read them: every step that may read one,
 * those that may not, and what pads it staying zero. On the emulation. */
#include "judging.h"

#include <string.h>

#include "conv_graph.h"
#include "exe.h"
#include "program.h"

/* The picture of the program that is built now. */
static struct {
    int64_t n, c, h, w;
} at;

static int picture(struct subject *s)
{
    return input(s, SHAPE(at.n, at.c, at.h, at.w));
}

static int convolved(struct subject *s, int x, int64_t outputs, int64_t side, int64_t stride)
{
    const struct wn_window win = {2,      {side, side},         {stride, stride},
                                  {1, 1}, {side / 2, side / 2}, {side / 2, side / 2}};
    return wn_conv(s->p, x, weight(s, SHAPE(outputs, at.c, side, side)), weight(s, SHAPE(outputs)), &win, 1);
}

static void one_convolution(struct subject *s)
{
    subject_output(s, wn_relu(s->p, convolved(s, picture(s), 6, 7, 2)));
}

static void two_convolutions(struct subject *s)
{
    const int x = picture(s);
    subject_output(s, wn_relu(s->p, convolved(s, x, 8, 3, 1)));
    subject_output(s, convolved(s, x, 1, 1, 2));
}

/* Elementwise steps, alone and in a row, sums and maxima over channels, over planes and over all. */
static void elementwise(struct subject *s)
{
    const int x = picture(s), y = wn_mul(s->p, x, weight(s, SHAPE(1, at.c, 1, 1)));
    subject_output(s, convolved(s, x, 4, 3, 1));
    subject_output(s, wn_add(s->p, y, x));
    subject_output(s, wn_relu(s->p, wn_add(s->p, y, weight(s, SHAPE(at.c, 1, 1)))));
    subject_output(s, wn_relu(s->p, wn_add(s->p, wn_mul(s->p, x, weight(s, SHAPE(1))), weight(s, SHAPE(at.h, at.w)))));
    subject_output(s, wn_unary_bwd(s->p, WN_UNARY_RELU, input(s, SHAPE(at.n, at.c, at.h, at.w)), x, 0, 0));
    subject_output(s, wn_reduce(s->p, WN_REDUCE_SUM, x, 2));
    subject_output(s, wn_reduce(s->p, WN_REDUCE_MEAN, x, 12));
    subject_output(s, wn_reduce(s->p, WN_REDUCE_MAX, x, 14));
}

static void read_by_the_host(struct subject *s)
{
    const int x = picture(s);
    subject_output(s, convolved(s, x, 5, 3, 2));
    subject_output(s, x);
}

/* Back to the picture, whose gradient has no padding, for more rows than pictures; what the rows look at lies as the
 * pictures do. */
static void rows_of_pictures(struct subject *s)
{
    const struct wn_window win = {2, {3, 3}, {2, 2}, {1, 1}, {1, 1}, {1, 1}};
    const int64_t rows = at.n + 2;
    const int x = picture(s), w = weight(s, SHAPE(4, at.c, 3, 3)), y = wn_conv(s->p, x, w, WN_NONE, &win, 1);
    const struct wn_shape to = SHAPE(rows, at.c, at.h, at.w), from = SHAPE(rows, 4, (at.h + 1) / 2, (at.w + 1) / 2);
    subject_output(s, wn_relu(s->p, y));
    wn_program_end_stage(s->p);
    const int of = wn_gather(s->p, x, subject_rows(s, rows, at.n)),
              dx = wn_conv_bwd(s->p, input(s, from), w, WN_NONE, &win, 1, &to);
    subject_output(s, wn_channel_dot(s->p, of, dx));
    subject_output(s, wn_mul(s->p, of, dx));
    subject_output(s, of);
    subject_output(s, wn_conv(s->p, of, w, WN_NONE, &win, 1));
}

/* The gather that only a weighted sum reads, which looks its picture up itself. */
static void rows_looked_up(struct subject *s)
{
    const int x = picture(s);
    subject_output(s, convolved(s, x, 3, 3, 1));
    wn_program_end_stage(s->p);
    const int row = subject_rows(s, 4, at.n), g = input(s, SHAPE(4, at.c, 1, 1)),
              full = input(s, SHAPE(4, at.c, at.h, at.w));
    subject_output(s, wn_channel_dot(s->p, wn_gather(s->p, x, row), g));
    subject_output(s, wn_channel_dot(s->p, wn_gather(s->p, x, row), full));
}

static build_function *const padded[] = {one_convolution,  two_convolutions, elementwise,
                                         read_by_the_host, rows_of_pictures, rows_looked_up};

/* ---- steps that want dense pixels ---- */

static void grouped(struct subject *s)
{
    const struct wn_window win = {2, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}};
    const int x = picture(s);
    subject_output(s, convolved(s, x, 4, 3, 1));
    subject_output(s, wn_conv(s->p, x, weight(s, SHAPE(2 * at.c, 1, 3, 3)), WN_NONE, &win, at.c));
}

static void pooled(struct subject *s)
{
    const struct wn_window win = {2, {2, 2}, {2, 2}, {1, 1}, {0, 0}, {0, 0}};
    const int x = picture(s);
    subject_output(s, convolved(s, x, 4, 3, 1));
    subject_output(s, wn_maxpool(s->p, x, &win, NULL));
    subject_output(s, wn_avgpool(s->p, x, &win, true));
}

static void added_to_itself(struct subject *s)
{
    const int x = picture(s);
    subject_output(s, wn_relu(s->p, wn_add(s->p, convolved(s, x, at.c, 3, 1), x)));
    /* one step: a residual, which cuDNN reads as the result lies */
    assert_int_equal(wn_program_optimize(s->p, NULL), WN_OK);
}

static void moved(struct subject *s)
{
    const int x = picture(s);
    subject_output(s, convolved(s, x, 4, 3, 1));
    subject_output(s, wn_concat(s->p, (int[]){x, x}, 2, 1));
    subject_output(s, wn_slice(s->p, x, 1, at.c - 1, 1, 1));
}

static void rows_moved(struct subject *s)
{
    const struct wn_shape other = SHAPE(2, at.h, at.c, at.w);
    const int x = picture(s);
    subject_output(s, convolved(s, x, 4, 3, 1));
    subject_output(s, wn_reshape(s->p, wn_gather(s->p, x, subject_rows(s, 2, at.n)), &other));
}

static void filter_of_the_moment(struct subject *s)
{
    const struct wn_window win = {2, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}};
    const int x = picture(s);
    subject_output(s, wn_conv(s->p, x, input(s, SHAPE(4, at.c, 3, 3)), WN_NONE, &win, 1));
}

static void as_a_gradient(struct subject *s)
{
    const struct wn_window win = {2, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}};
    const int x = picture(s);
    subject_output(s, convolved(s, x, 4, 3, 1));
    const struct wn_shape to = SHAPE(at.n, 2, at.h, at.w);
    subject_output(s, wn_conv_bwd(s->p, x, weight(s, SHAPE(at.c, 2, 3, 3)), WN_NONE, &win, 1, &to));
}

static build_function *const dense[] = {grouped,      pooled, added_to_itself, moved, rows_moved, filter_of_the_moment,
                                        as_a_gradient};

/* ---- tests ---- */

enum { PADDED = sizeof padded / sizeof *padded, DENSE = sizeof dense / sizeof *dense };

/* Our own kernels and the fake cuDNN in turn. */
static void judge_shapes(build_function *const *build, int n)
{
    static const int64_t shapes[][4] = {{1, 3, 5, 7}, {3, 3, 6, 3}, {3, 4, 5, 5}, {1, 5, 3, 4},
                                        {3, 1, 4, 5}, {2, 2, 1, 1}, {1, 7, 8, 2}};
    for (int i = 0; i < (int)(sizeof shapes / sizeof *shapes); i++)
        for (int k = 0; k < n; k++) {
            if (build[k] == pooled && shapes[i][2] < 2) continue;
            memcpy(&at, shapes[i], sizeof at);
            fake_libraries_can = (i + k) % 2;
            judge(build[k], WN_PRECISION_F32, 1e-5);
            judge(build[k], WN_PRECISION_TF32, 1e-5);
            judge(build[k], WN_PRECISION_BF16, 2e-2);
            judge(build[k], WN_PRECISION_F16, 2e-2); /* gradients are bf16 */
        }
}

static void what_reads_a_padded_picture_reads_its_own_channels_alone(void **state)
{
    (void)state;
    judge_shapes(padded, PADDED);
}

static void what_wants_dense_pixels_gets_them(void **state)
{
    (void)state;
    judge_shapes(dense, DENSE);
}

struct compiled {
    struct subject s;
    struct wn_backend *be;
    struct wn_cuda_exe *exe;
};

static struct compiled compile(build_function *build, enum wn_precision precision, int64_t n, int64_t c)
{
    struct compiled out;
    struct wn_exe *exe;
    struct wn_error err = {0};
    at.n = n, at.c = c, at.h = 5, at.w = 7;
    subject_init(&out.s, 7, true);
    build(&out.s);
    assert_int_equal(wn_backend_open("cuda", &(struct wn_backend_options){.precision = precision}, &out.be, &err),
                     WN_OK);
    if (out.be->impl->compile(out.be, out.s.p, &exe, &err) != WN_OK) fail_msg("%s", err.text);
    out.exe = (struct wn_cuda_exe *)exe;
    return out;
}

static void drop(struct compiled *c)
{
    c->be->impl->release(&c->exe->base);
    wn_backend_close(c->be);
    subject_finish(&c->s);
}

static int64_t pitch_of(build_function *build, enum wn_precision precision, int64_t c)
{
    struct compiled one = compile(build, precision, 2, c);
    const int64_t pitch = wn_cuda_tensor_pitch(&one.exe->values[one.s.inputs[0].value]);
    drop(&one);
    return pitch;
}

static void a_pixel_takes_sixteen_bytes_where_that_gains_something(void **state)
{
    (void)state;
    static const struct {
        int64_t c, f32, tf32, half;
    } rows[] = {{1, 1, 1, 1}, {2, 2, 4, 8}, {3, 3, 4, 8}, {4, 4, 4, 8}, {5, 5, 8, 8}, {8, 8, 8, 8}, {9, 9, 9, 9}};
    for (int i = 0; i < (int)(sizeof rows / sizeof *rows); i++) {
        assert_int_equal(pitch_of(one_convolution, WN_PRECISION_F32, rows[i].c), rows[i].f32);
        assert_int_equal(pitch_of(one_convolution, WN_PRECISION_TF32, rows[i].c), rows[i].tf32);
        assert_int_equal(pitch_of(one_convolution, WN_PRECISION_BF16, rows[i].c), rows[i].half);
        assert_int_equal(pitch_of(one_convolution, WN_PRECISION_F16, rows[i].c), rows[i].half);
    }
    for (int k = 0; k < PADDED; k++) assert_int_equal(pitch_of(padded[k], WN_PRECISION_TF32, 3), 4);
    for (int k = 0; k < DENSE; k++) assert_int_equal(pitch_of(dense[k], WN_PRECISION_TF32, 3), 3);
}

/* The picture twice at two pitches, the filter too; the gradient and its filter as they are. */
static void cudnn_is_asked_for_the_padded_shapes(void **state)
{
    (void)state;
    fake_libraries_can = true;
    struct compiled c = compile(rows_of_pictures, WN_PRECISION_BF16, 3, 3);
    static const int64_t channels[3] = {8, 3, 8}; /* forward, back, forward for the rows */
    assert_int_equal(c.exe->n_plans, 3);
    for (int i = 0, job = 0; i < 3; i++, job++) {
        while (c.exe->jobs[job].run != wn_cuda_run_plan) job++;
        const struct wn_cuda_conv_shape *s = fake_libraries_shape(c.exe->jobs[job].u.conv.plan);
        assert_int_equal(s->x.dim[1], channels[i]);
        assert_int_equal(s->w.dim[1], channels[i]);
        assert_int_equal(s->backward, i == 1);
    }
    assert_int_equal(c.exe->n_held, 3);
    assert_ptr_equal(c.exe->held[0], c.exe->held[2]); /* the padded filter, once; the other is not it */
    assert_ptr_not_equal(c.exe->held[0], c.exe->held[1]);
    drop(&c);
}

static void depthwise(struct subject *s)
{
    const struct wn_window win = {2, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}};
    subject_output(s, wn_conv(s->p, picture(s), weight(s, SHAPE(at.c, 1, 3, 3)), WN_NONE, &win, at.c));
}

/* The kernels for a bias, and be it of zeros, are there; the others cuDNN compiles, which is for those who keep them.
 */
static void a_depthwise_convolution_is_given_a_bias_where_plans_are_not_kept(void **state)
{
    (void)state;
    for (int keep = 0; keep < 2; keep++) {
        fake_libraries_keep = keep;
        struct compiled c = compile(depthwise, WN_PRECISION_TF32, 2, 6);
        assert_int_equal(c.exe->n_plans, 1);
        int job = 0;
        while (c.exe->jobs[job].run != wn_cuda_run_plan) job++;
        assert_int_equal(fake_libraries_shape(c.exe->jobs[job].u.conv.plan)->bias, !keep);
        drop(&c);
    }
    fake_libraries_keep = true;
}

static void must_be_padded_with_zeros(const struct wn_cuda_tensor *t)
{
    const unsigned char *bytes = t->data;
    const size_t size = wn_cuda_type_size(t->type);
    const int64_t pitch = wn_cuda_tensor_pitch(t), pixels = (int64_t)(wn_cuda_tensor_bytes(t) / size) / pitch;
    assert_true(pitch > t->shape.dim[1]);
    for (int64_t i = 0; i < pixels * pitch * (int64_t)size; i++)
        if (i / (int64_t)size % pitch >= t->shape.dim[1]) assert_int_equal(bytes[i], 0);
}

/* After writes, runs and reads; the second picture is no number at all. */
static void what_pads_a_picture_stays_zero(void **state)
{
    (void)state;
    static float numbers[3 * 3 * 5 * 7], out[4096];
    for (int precision = WN_PRECISION_TF32; precision <= WN_PRECISION_F16; precision++) {
        struct compiled c = compile(rows_of_pictures, (enum wn_precision)precision, 3, 3);
        const struct wn_backend_impl *impl = c.be->impl;
        for (int round = 0; round < 3; round++) {
            memset(numbers, round == 1 ? 0xff : 0x3f, sizeof numbers);
            assert_int_equal(impl->write(&c.exe->base, c.s.inputs[0].value, numbers, NULL), WN_OK);
            for (int i = 1; i < c.s.n_inputs; i++)
                assert_int_equal(impl->write(&c.exe->base, c.s.inputs[i].value, c.s.inputs[i].data, NULL), WN_OK);
            for (int i = 0; i < 2; i++) assert_int_equal(impl->run(&c.exe->base, i, NULL), WN_OK);
            for (int i = 0; i < c.s.n_outputs; i++)
                assert_int_equal(impl->read(&c.exe->base, c.s.outputs[i], out, NULL), WN_OK);
            must_be_padded_with_zeros(&c.exe->values[c.s.inputs[0].value]);
            must_be_padded_with_zeros(&c.exe->values[c.s.outputs[3]]); /* the rows' pictures */
        }
        drop(&c);
    }
}

/* ---- what the device writes itself: pictures that it prepares, and pictures of which it hides parts ---- */

enum { IMAGE = 3 * 5 * 7 };

static void prepare_pictures(struct compiled *c, int value)
{
    static uint8_t rgb[2][5 * 7 * 3];
    static float numbers[IMAGE];
    struct wn_picture p[2];
    struct wn_error err = {0};
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < 5 * 7 * 3; k++) rgb[i][k] = (uint8_t)(37 * k + 101 * i);
        p[i] = (struct wn_picture){.rgb = rgb[i],
                                   .src_w = 7,
                                   .src_h = 5,
                                   .part_w = 7,
                                   .part_h = 5,
                                   .box_w = 7,
                                   .box_h = 5,
                                   .dst_w = 7,
                                   .dst_h = 5,
                                   .w = 7,
                                   .h = 5,
                                   .channels = 3,
                                   .scale = 1 / 64.f,
                                   .mean = {1, 2, 1.5f},
                                   .std = {1, 0.5f, 2}};
    }
    for (int k = 0; k < IMAGE; k++) numbers[k] = (float)(k % 17) / 8 - 1;
    const struct wn_picture *const pictures[3] = {&p[0], NULL, &p[1]};
    const float *const ready[3] = {NULL, numbers, NULL};
    if (c->be->impl->prepare(&c->exe->base, value, ready, pictures, 3, &err) != WN_OK) fail_msg("%s", err.text);
}

static void hide_parts(struct compiled *c, int value)
{
    static float image[IMAGE];
    static const float map[4] = {1, -2, -3, 4}, colour[3] = {0.5f, -0.25f, 2};
    const float *const maps[1] = {map};
    const struct wn_cover cover = {.kind = WN_COVER_COLOUR, .colour = colour};
    const struct wn_hidden rows[3] = {{0, -1, WN_KEEP_POSITIVE}, {0, 7, WN_KEEP_NEGATIVE}, {0, 0, WN_KEEP_POSITIVE}};
    struct wn_error err = {0};
    for (int k = 0; k < IMAGE; k++) image[k] = (float)(k % 23) / 4 - 3;
    const struct wn_hiding h = {
        .image = image, .cover = &cover, .maps = maps, .n_maps = 1, .h = 2, .w = 2, .rows = rows, .n = 3};
    if (c->be->impl->hide(&c->exe->base, value, &h, &err) != WN_OK) fail_msg("%s", err.text);
}

/* The input says what it holds, and gives the same answer when the host writes that. */
static void must_be_as_written(enum wn_precision precision, void (*fill)(struct compiled *c, int value))
{
    static float held[3 * IMAGE], filled[4096], written[4096];
    struct compiled c = compile(read_by_the_host, precision, 3, 3);
    const struct wn_backend_impl *impl = c.be->impl;
    struct wn_exe *exe = &c.exe->base;
    const int value = c.s.inputs[0].value;
    const size_t bytes = (size_t)wn_shape_count(&c.exe->values[c.s.outputs[0]].shape) * sizeof(float);
    fill(&c, value);
    assert_int_equal(impl->run(exe, 0, NULL), WN_OK);
    assert_int_equal(impl->read(exe, c.s.outputs[0], filled, NULL), WN_OK);
    assert_int_equal(impl->read(exe, value, held, NULL), WN_OK);
    must_be_padded_with_zeros(&c.exe->values[value]);
    drop(&c);
    c = compile(read_by_the_host, precision, 3, 3);
    assert_int_equal(impl->write(&c.exe->base, value, held, NULL), WN_OK);
    assert_int_equal(impl->run(&c.exe->base, 0, NULL), WN_OK);
    assert_int_equal(impl->read(&c.exe->base, c.s.outputs[0], written, NULL), WN_OK);
    assert_memory_equal(filled, written, bytes);
    assert_memory_not_equal(held, held + IMAGE, IMAGE * sizeof *held);
    drop(&c);
}

static void what_the_device_writes_itself_is_padded_as_what_the_host_writes(void **state)
{
    (void)state;
    for (int precision = WN_PRECISION_TF32; precision <= WN_PRECISION_F16; precision++) {
        must_be_as_written((enum wn_precision)precision, prepare_pictures);
        must_be_as_written((enum wn_precision)precision, hide_parts);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_reads_a_padded_picture_reads_its_own_channels_alone),
        cmocka_unit_test(what_wants_dense_pixels_gets_them),
        cmocka_unit_test(a_pixel_takes_sixteen_bytes_where_that_gains_something),
        cmocka_unit_test(cudnn_is_asked_for_the_padded_shapes),
        cmocka_unit_test(a_depthwise_convolution_is_given_a_bias_where_plans_are_not_kept),
        cmocka_unit_test(what_pads_a_picture_stays_zero),
        cmocka_unit_test(what_the_device_writes_itself_is_padded_as_what_the_host_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
