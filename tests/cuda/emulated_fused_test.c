/* Steps that the backend makes one launch of, or none: what comes out is what each would make by itself, wherever
 * one of them is read besides, or stretched. On the emulation; emulated_stages_test.c asks the same of two stages. */
#include "judging.h"

/* ---- a scale, a shift and an activation in a row ---- */

static void affine(struct subject *s)
{
    int x = input(s, SHAPE(2, 24, 3, 5));
    int a = wn_mul(s->p, x, weight(s, SHAPE(1, 24, 1, 1))), b = wn_add(s->p, weight(s, SHAPE(24, 1, 1)), a);
    subject_output(s, wn_relu(s->p, b));                                                           /* all three */
    subject_output(s, wn_add(s->p, wn_mul(s->p, weight(s, SHAPE(1)), x), weight(s, SHAPE(3, 5)))); /* scale and shift */
    /* shift, activation */
    subject_output(s, wn_relu(s->p, wn_add(s->p, x, weight(s, SHAPE(2, 24, 3, 5)))));
    int read = wn_add(s->p, wn_mul(s->p, x, weight(s, SHAPE(24, 3, 5))), weight(s, SHAPE(5)));
    subject_output(s, read); /* is read, and so has to exist */
    subject_output(s, wn_relu(s->p, read));
    int twice = wn_mul(s->p, x, weight(s, SHAPE(1))); /* has two readers */
    subject_output(s, wn_add(s->p, wn_add(s->p, twice, weight(s, SHAPE(1))), twice));
    int thin = input(s, SHAPE(2, 24, 1, 1)); /* is stretched by its scale */
    subject_output(s,
                   wn_relu(s->p, wn_add(s->p, wn_mul(s->p, thin, weight(s, SHAPE(1, 24, 3, 5))), weight(s, SHAPE(1)))));
}

static void an_affine_chain_is_one_launch(void **state)
{
    (void)state;
    judge_all(affine);
}

/* Parts of any width and type, read by a batch-norm alone; and all that keeps a concatenation from being swallowed. */
static void joined(struct subject *s)
{
    int x[4], flat[2], both, read;
    for (int i = 0; i < 4; i++) x[i] = input(s, SHAPE(2, (int[]){8, 1, 3, 16}[i], 3, 5));
    for (int i = 0; i < 2; i++) flat[i] = input(s, SHAPE(3, 8 + i));
    int relu = wn_relu(s->p, x[0]), wide = input(s, SHAPE(2, 24, 3, 5));
#define JOIN(...) wn_concat(s->p, (int[]){__VA_ARGS__}, (int)(sizeof((int[]){__VA_ARGS__}) / sizeof(int)), 1)
#define C(...) weight(s, SHAPE(__VA_ARGS__))
    subject_output(
        s, wn_relu(s->p, wn_add(s->p, C(1, 28, 1, 1), wn_mul(s->p, JOIN(x[0], x[1], x[2], x[3]), C(28, 1, 1)))));
    /* in 16 bytes */
    subject_output(s, wn_unary(s->p, WN_UNARY_SIGMOID,
                               wn_add(s->p, wn_mul(s->p, C(1, 24, 1, 1), JOIN(relu, x[3])), C(1, 1)), 0, 0));
    subject_output(s, wn_add(s->p, JOIN(x[3], relu, wide, relu), C(56, 1, 1)));
    /* no plane */
    subject_output(s, wn_relu(s->p, wn_add(s->p, wn_mul(s->p, JOIN(flat[0], flat[1], flat[0]), C(25)), C(1, 25))));
    /* a number a pixel */
    subject_output(s, wn_relu(s->p, wn_add(s->p, wn_mul(s->p, JOIN(x[0], x[3]), C(24, 3, 5)), C(24, 1, 1))));
    subject_output(s, wn_add(s->p, wn_mul(s->p, JOIN(x[0], x[3]), C(5)), C(1)));
    /* rows */
    subject_output(s, wn_add(s->p, wn_mul(s->p, wn_concat(s->p, (int[]){x[0], relu}, 2, 2), C(8, 1, 1)), C(8, 1, 1)));
    /* images */
    subject_output(s, wn_add(s->p, wn_mul(s->p, wn_concat(s->p, (int[]){x[0], relu}, 2, 0), C(8, 1, 1)), C(8, 1, 1)));
    both = JOIN(x[0], x[3]); /* has two readers */
    subject_output(s, wn_add(s->p, wn_relu(s->p, wn_add(s->p, both, C(24, 1, 1))), both));
    read = JOIN(x[3], x[0]);
    subject_output(s, read); /* is read, and so has to exist */
    subject_output(s, wn_relu(s->p, wn_add(s->p, wn_mul(s->p, read, C(24, 1, 1)), C(24, 1, 1))));
    wn_program_end_stage(s->p);
    /* of parts that an earlier stage made */
    subject_output(s, wn_relu(s->p, wn_add(s->p, JOIN(x[0], wide), C(32, 1, 1))));
#undef C
#undef JOIN
}

/* Parts of one, two and three times so many channels; more of them than one launch takes. */
static void forty_joined(struct subject *s, int channels)
{
    int x[40], all = 0;
    for (int i = 0; i < 40; i++) x[i] = input(s, SHAPE(2, channels * (1 + i % 3), 2, 1)), all += channels * (1 + i % 3);
    subject_output(s, wn_relu(s->p, wn_add(s->p, wn_mul(s->p, wn_concat(s->p, x, 40, 1), weight(s, SHAPE(all, 1, 1))),
                                           weight(s, SHAPE(all, 1, 1)))));
}
static void forty_joined_wide(struct subject *s)
{
    forty_joined(s, 8);
}
static void forty_joined_thin(struct subject *s)
{
    forty_joined(s, 1);
}

/* Three launches; the parts of the second are wide ones, and its first does not begin on 16 bytes. */
static void sixty_five_joined(struct subject *s)
{
    int x[65], wide = input(s, SHAPE(1, 8, 2, 1)), thin = input(s, SHAPE(1, 1, 2, 1));
    for (int i = 0; i < 65; i++) x[i] = i < 31 || i == 64 ? thin : wide;
    subject_output(s, wn_add(s->p, wn_concat(s->p, x, 65, 1), weight(s, SHAPE(32 + 33 * 8, 1, 1))));
}

static void parts_go_through_the_chain_that_alone_reads_them(void **state)
{
    (void)state;
    judge_all(joined);
    judge_all(forty_joined_wide);
    judge_all(forty_joined_thin);
    judge_all(sixty_five_joined);
}

/* ---- two gradients that meet behind an activation ---- */

static void meeting(struct subject *s)
{
    int a = input(s, SHAPE(2, 24, 3, 5)), b = input(s, SHAPE(2, 24, 3, 5)), z = input(s, SHAPE(2, 24, 3, 5)),
        thin = input(s, SHAPE(2, 24, 1, 1)), sum, twice;
    int odd[3];
    for (int i = 0; i < 3; i++) odd[i] = input(s, SHAPE(2, 3, 5, 1));
    subject_output(s, wn_unary_bwd(s->p, WN_UNARY_RELU, wn_add(s->p, a, b), z, 0, 0));
    subject_output(s, wn_unary_bwd(s->p, WN_UNARY_LEAKY, wn_add(s->p, odd[0], odd[1]), odd[2], 0.25f, 0));
    subject_output(s, wn_unary_bwd(s->p, WN_UNARY_CLIP, wn_add(s->p, thin, a), z, -0.5f, 0.5f)); /* stretched */
    subject_output(s, wn_unary_bwd(s->p, WN_UNARY_RELU, wn_add(s->p, a, a), z, 0, 0));
    subject_output(s, wn_unary_bwd(s->p, WN_UNARY_RELU, wn_add(s->p, wn_add(s->p, a, b), z), b, 0, 0));
    subject_output(s, wn_unary_bwd(s->p, WN_UNARY_RELU, wn_add(s->p, a, weight(s, SHAPE(24, 1, 1))), z, 0, 0));
    subject_output(s, wn_unary_bwd(s->p, WN_UNARY_RELU, wn_mul(s->p, a, b), z, 0, 0)); /* no sum */
    subject_output(s, wn_unary_bwd(s->p, WN_UNARY_RELU, wn_relu(s->p, a), z, 0, 0));
    sum = wn_add(s->p, b, z);
    subject_output(s, sum); /* is read, and so has to exist */
    subject_output(s, wn_unary_bwd(s->p, WN_UNARY_RELU, sum, a, 0, 0));
    twice = wn_add(s->p, a, z); /* has two readers, once as the unit itself */
    subject_output(s, wn_unary_bwd(s->p, WN_UNARY_RELU, twice, twice, 0, 0));
    sum = wn_add(s->p, a, b);
    wn_program_end_stage(s->p);
    subject_output(s, wn_unary_bwd(s->p, WN_UNARY_RELU, sum, z, 0, 0)); /* of an earlier stage */
}

static void an_activations_derivative_adds_up_what_meets_there(void **state)
{
    (void)state;
    judge_all(meeting);
}

/* Units of three images, looked up by seven rows; and what keeps a gather from being looked through. */
static void units(struct subject *s, struct wn_shape unit, struct wn_shape gradient)
{
    const int z = wn_relu(s->p, input(s, unit));
    subject_output(s, z);
    wn_program_end_stage(s->p);
    const int rows = subject_rows(s, 7, 3), g = input(s, gradient), more = input(s, gradient);
    int of = wn_gather(s->p, z, rows);
    subject_output(s, wn_unary_bwd(s->p, WN_UNARY_RELU, g, of, 0, 0));
    subject_output(s, wn_unary_bwd(s->p, WN_UNARY_LEAKY, wn_add(s->p, g, more), of, 0.25f, 0));
    /* one row for all */
    subject_output(
        s, wn_unary_bwd(s->p, WN_UNARY_RELU, wn_add(s->p, g, wn_reduce(s->p, WN_REDUCE_MEAN, more, 1)), of, 0, 0));
    const struct wn_shape last = SHAPE(gradient.dim[gradient.rank - 1]);
    /* one line for all */
    subject_output(s, wn_unary_bwd(s->p, WN_UNARY_RELU, wn_add(s->p, g, input(s, last)), of, 0, 0));
    of = wn_gather(s->p, z, rows); /* is read plainly as well */
    subject_output(s, wn_unary_bwd(s->p, WN_UNARY_RELU, g, of, 0, 0));
    subject_output(s, wn_linear(s->p, of, 2, 1));
    of = wn_gather(s->p, z, rows); /* as a gradient, not as a unit */
    subject_output(s, wn_unary_bwd(s->p, WN_UNARY_RELU, of, g, 0, 0));
}

static void wide_units(struct subject *s)
{
    units(s, SHAPE(3, 16, 3, 2), SHAPE(7, 16, 3, 2));
}
static void odd_units(struct subject *s)
{
    units(s, SHAPE(3, 3, 5, 3), SHAPE(7, 3, 5, 3));
}
static void flat_units(struct subject *s)
{
    units(s, SHAPE(3, 24), SHAPE(7, 24));
}
static void units_that_share_16_bytes(struct subject *s)
{
    units(s, SHAPE(3, 12), SHAPE(7, 12));
}

static void rows_look_the_units_of_their_images_up(void **state)
{
    (void)state;
    judge_all(wide_units);
    judge_all(odd_units);
    judge_all(flat_units);
    judge_all(units_that_share_16_bytes);
}

/* ---- a relu's derivative behind the convolution that makes its gradient ---- */

static int convolved(struct subject *s, int x, int64_t to, int64_t kernel)
{
    const struct wn_window win = {2,      {kernel, kernel},         {1, 1},
                                  {1, 1}, {kernel / 2, kernel / 2}, {kernel / 2, kernel / 2}};
    const int64_t from = wn_program_value(s->p, x)->shape.dim[1];
    return wn_conv(s->p, x, weight(s, SHAPE(to, from, kernel, kernel)), WN_NONE, &win, 1);
}

static int relu_back(struct subject *s, int dy, int z)
{
    return wn_unary_bwd(s->p, WN_UNARY_RELU, dy, z, 0, 0);
}

/* On channels that are walked in 16 bytes and on others; a way back of several, as networks have it; and all that
 * keeps a derivative from being taken. */
static void differentiated(struct subject *s, int64_t wide)
{
    const int x = input(s, SHAPE(2, 6, 5, 4)), skip = input(s, SHAPE(2, wide, 5, 4)),
              one = input(s, SHAPE(1, wide, 5, 4));
    const int z = wn_relu(s->p, skip), small = wn_relu(s->p, input(s, SHAPE(1, wide, 1, 1)));
    subject_output(s, z);
    wn_program_end_stage(s->p);
    subject_output(s, relu_back(s, convolved(s, x, wide, 3), z));
    subject_output(s, relu_back(s, wn_add(s->p, skip, convolved(s, x, wide, 1)), z));
    const int back = relu_back(s, convolved(s, relu_back(s, convolved(s, x, wide, 1), z), wide, 3), z);
    subject_output(s, wn_add(s->p, back, skip));
    subject_output(s, wn_reshape(s->p, back, &(struct wn_shape){2, {2, wide * 20}}));
    int g = convolved(s, x, wide, 1);
    subject_output(s, g); /* is read, and so has to exist */
    subject_output(s, relu_back(s, g, z));
    g = convolved(s, x, wide, 1); /* has two readers */
    subject_output(s, wn_add(s->p, relu_back(s, g, z), g));
    g = convolved(s, x, wide, 1); /* is the unit itself */
    subject_output(s, relu_back(s, g, g));
    subject_output(s, relu_back(s, skip, convolved(s, x, wide, 1))); /* is the unit only */
    subject_output(s, wn_unary_bwd(s->p, WN_UNARY_LEAKY, convolved(s, x, wide, 1), z, 0.25f, 0));
    subject_output(s, wn_mul(s->p, relu_back(s, convolved(s, x, wide, 1), z), weight(s, SHAPE(wide, 1, 1))));
    subject_output(s, relu_back(s, convolved(s, x, wide, 1), wn_gather(s->p, one, subject_rows(s, 2, 1))));
    subject_output(s, relu_back(s, convolved(s, x, wide, 1), weight(s, SHAPE(2, wide, 5, 4))));
    subject_output(s, relu_back(s, wn_relu(s->p, convolved(s, x, wide, 1)), z));
    subject_output(s, relu_back(s, wn_add(s->p, convolved(s, x, wide, 1), weight(s, SHAPE(wide, 1, 1))), z));
    /* too little of it, and held in f32 */
    subject_output(s, relu_back(s, convolved(s, input(s, SHAPE(1, 6, 1, 1)), wide, 1), small));
    subject_output(s, relu_back(s,
                                wn_conv(s->p, x, weight(s, SHAPE(wide, 6, 1, 1)), weight(s, SHAPE(wide)),
                                        &(struct wn_window){2, {1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}}, 1),
                                z));
    g = convolved(s, x, wide, 3);
    wn_program_end_stage(s->p);
    subject_output(s, relu_back(s, g, z)); /* of an earlier stage */
}

static void wide_differentiated(struct subject *s)
{
    differentiated(s, 16);
}
static void odd_differentiated(struct subject *s)
{
    differentiated(s, 7);
}
static void optimized(struct subject *s) /* what is added is the convolution's residual, or its bias */
{
    differentiated(s, 16);
    if (wn_program_optimize(s->p, NULL) != WN_OK) fail();
}

/* Fused by the library, refused by it, and where plans are not kept. */
static void a_derivative_goes_with_the_convolution_before_it(void **state)
{
    (void)state;
    for (int way = 0; way < 3; way++) {
        fake_libraries_can = way != 1, fake_libraries_keep = way != 2;
        build_function *const all[] = {wide_differentiated, odd_differentiated, optimized};
        for (int i = 0; i < 3; i++) {
            judge(all[i], WN_PRECISION_F32, 1e-5);
            judge(all[i], WN_PRECISION_BF16, 2e-2);
            judge(all[i], WN_PRECISION_F16, 2e-2); /* whose gradients are bf16 */
        }
    }
    fake_libraries_can = fake_libraries_keep = true;
}

/* ---- sums of many terms, and of slices ---- */

static int added(struct subject *s, const int *x, int n)
{
    int sum = x[0];
    for (int i = 1; i < n; i++) sum = wn_add(s->p, sum, x[i]);
    return sum;
}

/* A part that concatenations of `wide` channels and more give back, and a plain term between. */
static void given_back(struct subject *s, int64_t part, int64_t wide)
{
    int x[6];
    for (int i = 0; i < 6; i++) x[i] = input(s, SHAPE(2, i == 3 ? part : wide + part * i, 3, 2));
    for (int i = 0; i < 6; i++)
        if (i != 3) x[i] = wn_slice(s->p, x[i], 1, i * part, part, 1);
    subject_output(s, added(s, x, 6));
}
static void given_back_wide(struct subject *s)
{
    given_back(s, 16, 24);
}
static void given_back_odd(struct subject *s)
{
    given_back(s, 3, 4);
}
static void given_back_to_thirds(struct subject *s)
{
    given_back(s, 8, 12); /* slices that do not begin on 16 bytes */
}

/* What is not a slice of channels, or has another reader, or another shape. */
static void not_given_back(struct subject *s)
{
    const struct wn_shape pixels = SHAPE(2, 8, 3, 2);
    int x = input(s, SHAPE(2, 16, 3, 2)), y = input(s, SHAPE(2, 8, 3, 2)), tall = input(s, SHAPE(2, 8, 5, 2)),
        thin = input(s, SHAPE(2, 8, 1, 1));
    int flat = input(s, SHAPE(3, 40)), two = input(s, SHAPE(4, 8, 3, 2)), line = input(s, SHAPE(2, 12, 9));
    subject_output(s, wn_add(s->p, wn_slice(s->p, tall, 2, 1, 3, 1), y)); /* rows */
    subject_output(s, wn_add(s->p, wn_slice(s->p, two, 0, 1, 2, 1), y));  /* images */
    subject_output(s, wn_add(s->p, wn_slice(s->p, tall, 2, 0, 3, 1), y));
    subject_output(s, wn_add(s->p, wn_slice(s->p, two, 0, 0, 2, 1), y));
    subject_output(s, wn_add(s->p, wn_slice(s->p, x, 1, 1, 8, 2), y));    /* every other channel */
    subject_output(s, wn_add(s->p, wn_slice(s->p, x, 1, 15, 8, -1), y));  /* backwards */
    subject_output(s, wn_add(s->p, wn_slice(s->p, x, 1, 8, 8, 1), thin)); /* stretched */
    subject_output(s, wn_add(s->p, wn_slice(s->p, x, 1, 8, 8, 1), weight(s, SHAPE(1, 8, 3, 2))));
    subject_output(s, wn_add(s->p, wn_slice(s->p, flat, 1, 8, 16, 1), wn_slice(s->p, flat, 1, 23, 16, 1)));
    subject_output(s, wn_add(s->p, wn_slice(s->p, line, 1, 2, 8, 1), wn_slice(s->p, line, 1, 3, 8, 1)));
    int read = wn_slice(s->p, x, 1, 3, 8, 1), twice = wn_slice(s->p, x, 1, 4, 8, 1), inner = wn_add(s->p, y, read);
    subject_output(s, read);
    subject_output(s, wn_add(s->p, inner, twice));
    subject_output(s, wn_add(s->p, wn_add(s->p, twice, twice), inner));
    subject_output(
        s, wn_unary_bwd(s->p, WN_UNARY_RELU,
                        wn_add(s->p, wn_add(s->p, wn_slice(s->p, x, 1, 8, 8, 1), y), wn_slice(s->p, x, 1, 5, 8, 1)), y,
                        0, 0));
    const struct wn_copy few = {
        .rank = 4, .extent = {2, 8, 2, 2}, .x_stride = {96, 6, 2, 1}, .y_stride = {48, 6, 2, 1}, .fill = 3};
    subject_output(s, wn_add(s->p, wn_copy(s->p, x, &pixels, &few), y)); /* what it leaves out is filled */
    const struct wn_copy shifted = {
        .rank = 4, .extent = {2, 8, 3, 2}, .x_offset = 7, .x_stride = {96, 6, 2, 1}, .y_stride = {48, 6, 2, 1}};
    subject_output(s, wn_add(s->p, wn_copy(s->p, x, &pixels, &shifted), y)); /* channels and a pixel */
    subject_output(s, wn_add(s->p, wn_add(s->p, wn_slice(s->p, x, 1, 6, 8, 1), y), weight(s, pixels)));
}

/* Nothing is added to nothing, cut out of what has something and of what has not. */
static void nothing_given_back(struct subject *s)
{
    int none[3], x = input(s, SHAPE(2, 8, 3, 3)), flat = input(s, SHAPE(2, 8, 0, 3)), y = input(s, SHAPE(2, 8, 3, 3));
    for (int i = 0; i < 3; i++) none[i] = input(s, SHAPE(2, 0, 3, 3));
    subject_output(s, added(s, none, 3));
    subject_output(s, wn_add(s->p, wn_slice(s->p, x, 1, 0, 0, 1), wn_slice(s->p, x, 1, 4, 0, 1)));
    subject_output(s, wn_add(s->p, wn_slice(s->p, flat, 1, 0, 4, 1), wn_slice(s->p, flat, 1, 4, 4, 1)));
    subject_output(s, wn_add(s->p, x, y));
}

static void forty_terms(struct subject *s)
{
    int x[40];
    for (int i = 0; i < 40; i++)
        x[i] = i % 2 ? wn_slice(s->p, input(s, SHAPE(1, 24, 2, 1)), 1, 8 * (i % 3), 8, 1) : input(s, SHAPE(1, 8, 2, 1));
    subject_output(s, added(s, x, 40));
}

/* More sums in one another than are swallowed at once. */
static void three_hundred_terms(struct subject *s)
{
    int x[300], two[2] = {input(s, SHAPE(1, 3, 2, 1)), input(s, SHAPE(1, 3, 2, 1))};
    for (int i = 0; i < 300; i++) x[i] = two[i % 2];
    subject_output(s, wn_linear(s->p, added(s, x, 300), 1 / 64.0f, 0));
}

static void what_many_concatenations_give_back_is_added_up_where_it_lies(void **state)
{
    (void)state;
    judge_all(given_back_wide);
    judge_all(given_back_odd);
    judge_all(given_back_to_thirds);
    judge_all(not_given_back);
    judge_all(nothing_given_back);
    judge_all(forty_terms);
    judge_all(three_hundred_terms);
}

static void winners(struct subject *s, int64_t channels)
{
    const struct wn_window win = {2, {3, 2}, {2, 1}, {1, 1}, {1, 0}, {0, 1}};
    const struct wn_shape shape = SHAPE(7, channels, 5, 4);
    int index;
    const int y = wn_maxpool(s->p, input(s, SHAPE(3, channels, 5, 4)), &win, &index);
    subject_output(s, y);
    wn_program_end_stage(s->p);
    struct wn_shape above = wn_program_value(s->p, y)->shape;
    above.dim[0] = 7;
    const int rows = subject_rows(s, 7, 3), g = input(s, above);
    subject_output(s, wn_maxpool_bwd(s->p, g, wn_gather(s->p, index, rows), &win, &shape));
    const int of = wn_gather(s->p, index, rows); /* is read as well, and so has to exist */
    subject_output(s, wn_maxpool_bwd(s->p, g, of, &win, &shape));
    subject_output(s, of);
}

static void wide_winners(struct subject *s)
{
    winners(s, 16);
}
static void odd_winners(struct subject *s)
{
    winners(s, 3);
}

static void rows_look_the_winners_of_their_images_up(void **state)
{
    (void)state;
    judge_all(wide_winners);
    judge_all(odd_winners);
}

static void look_winners_up_once(struct subject *s)
{
    const struct wn_window win = {2, {2, 2}, {2, 2}, {1, 1}, {0, 0}, {0, 0}};
    const struct wn_shape shape = SHAPE(7, 8, 4, 4);
    const int index = input(s, SHAPE(3, 8, 2, 2)), rows = subject_rows(s, 7, 3), g = input(s, SHAPE(7, 8, 2, 2));
    subject_output(s, wn_maxpool_bwd(s->p, g, wn_gather(s->p, index, rows), &win, &shape));
}

static void look_up_once(struct subject *s)
{
    const int z = input(s, SHAPE(3, 8, 2, 2)), rows = subject_rows(s, 7, 3), g = input(s, SHAPE(7, 8, 2, 2));
    subject_output(s, wn_unary_bwd(s->p, WN_UNARY_RELU, g, wn_gather(s->p, z, rows), 0, 0));
}

/* A picture's unit, its baseline's, and two ways back that meet. */
static void change_once(struct subject *s)
{
    const int z = input(s, SHAPE(3, 8, 2, 2)), now = wn_gather(s->p, z, subject_rows(s, 7, 3)),
              then = wn_gather(s->p, z, subject_rows(s, 7, 3)),
              dy = wn_add(s->p, input(s, SHAPE(7, 8, 2, 2)), input(s, SHAPE(7, 8, 2, 2)));
    subject_output(s, wn_secant(s->p, WN_UNARY_LEAKY, dy, now, then, 0.5f, 0));
}

/* The way back through a batch-norm in front of an activation. */
static void scaled(struct subject *s)
{
    const int z = wn_relu(s->p, input(s, SHAPE(3, 16, 3, 2))), odd = wn_relu(s->p, input(s, SHAPE(3, 5, 3)));
    subject_output(s, z);
    subject_output(s, odd);
    wn_program_end_stage(s->p);
    const int rows = subject_rows(s, 7, 3), of = wn_gather(s->p, z, rows), g = input(s, SHAPE(7, 16, 3, 2)),
              more = input(s, SHAPE(7, 16, 3, 2));
    const int h = input(s, SHAPE(3, 5, 3));
#define C(...) weight(s, SHAPE(__VA_ARGS__))
#define BACK(dy, unit) wn_unary_bwd(s->p, WN_UNARY_RELU, dy, unit, 0, 0)
    subject_output(s, wn_mul(s->p, C(16, 1, 1), BACK(g, of)));
    subject_output(s, wn_mul(s->p, BACK(wn_add(s->p, g, more), of), C(1)));
    subject_output(s, wn_mul(s->p, BACK(h, odd), C(1, 5, 1)));
    subject_output(s, wn_mul(s->p, BACK(g, of), C(16, 3, 2)));    /* a number a pixel */
    subject_output(s, wn_mul(s->p, BACK(g, of), C(7, 16, 3, 2))); /* and a row */
    subject_output(s, wn_mul(s->p, BACK(g, of), more));
    subject_output(s, wn_binary(s->p, WN_BINARY_DIV, BACK(g, of), C(16, 1, 1)));
    /* whose scale goes with the shift */
    subject_output(s, wn_add(s->p, wn_mul(s->p, BACK(g, of), C(16, 1, 1)), C(16, 1, 1)));
    const int read = BACK(g, of);
    subject_output(s, read); /* is read, and so has to exist */
    subject_output(s, wn_mul(s->p, read, C(16, 1, 1)));
#undef BACK
#undef C
}

static void a_batch_norms_way_back_is_the_derivatives_too(void **state)
{
    (void)state;
    judge_all(scaled);
}

static void scale_once(struct subject *s)
{
    int a = input(s, SHAPE(1, 8, 2, 2)), b = input(s, SHAPE(1, 8, 2, 2)), z = input(s, SHAPE(1, 8, 2, 2));
    subject_output(
        s, wn_mul(s->p, wn_unary_bwd(s->p, WN_UNARY_RELU, wn_add(s->p, a, b), z, 0, 0), weight(s, SHAPE(8, 1, 1))));
}

static void convolve_back_once(struct subject *s)
{
    const int x = input(s, SHAPE(1, 8, 4, 4)), z = input(s, SHAPE(1, 16, 4, 4));
    subject_output(s, relu_back(s, wn_add(s->p, convolved(s, x, 16, 1), input(s, SHAPE(1, 16, 4, 4))), z));
    if (wn_program_optimize(s->p, NULL) != WN_OK) fail();
}

static void meet_once(struct subject *s)
{
    int a = input(s, SHAPE(1, 8, 2, 2)), b = input(s, SHAPE(1, 8, 2, 2)), z = input(s, SHAPE(1, 8, 2, 2));
    subject_output(s, wn_unary_bwd(s->p, WN_UNARY_RELU, wn_add(s->p, a, b), z, 0, 0));
}

/* Parts of 8 channels, then a batch-norm and a ReLU. */
static void join_and_scale(struct subject *s, int parts, bool also_read)
{
    int x[40];
    for (int i = 0; i < parts; i++) x[i] = input(s, SHAPE(1, 8, 2, 2));
    int y = wn_concat(s->p, x, parts, 1);
    if (also_read) subject_output(s, y);
    y = wn_add(s->p, wn_mul(s->p, y, weight(s, SHAPE(8 * parts, 1, 1))), weight(s, SHAPE(8 * parts, 1, 1)));
    subject_output(s, wn_relu(s->p, y));
}

static void three_parts(struct subject *s)
{
    join_and_scale(s, 3, false);
}
static void three_parts_read(struct subject *s)
{
    join_and_scale(s, 3, true);
}
static void forty_parts_scaled(struct subject *s)
{
    join_and_scale(s, 40, false);
}

/* ---- launches ---- */

static long launches_of(build_function *build)
{
    struct subject s;
    struct wn_backend *be;
    struct wn_exe *exe;
    subject_init(&s, 1, false);
    build(&s);
    assert_int_equal(wn_backend_open("cuda", NULL, &be, NULL), WN_OK);
    assert_int_equal(be->impl->compile(be, s.p, &exe, NULL), WN_OK);
    const long before = wn_emulated_launches;
    assert_int_equal(be->impl->run(exe, 0, NULL), WN_OK);
    be->impl->release(exe);
    wn_backend_close(be);
    subject_finish(&s);
    return wn_emulated_launches - before;
}

static void what_belongs_together_launches_once(void **state)
{
    (void)state;
    assert_int_equal(launches_of(three_steps), 1);
    assert_int_equal(launches_of(three_parts), 1);
    assert_int_equal(launches_of(three_parts_read), 2);
    assert_int_equal(launches_of(forty_parts_scaled), 2); /* 32 and 8 */
    assert_int_equal(launches_of(meet_once), 1);
    assert_int_equal(launches_of(scale_once), 1);
    assert_int_equal(launches_of(look_up_once), 1);
    assert_int_equal(launches_of(look_winners_up_once), 1);
    assert_int_equal(launches_of(change_once), 1);
    assert_int_equal(launches_of(convolve_back_once), 0); /* the library's call is none of ours */
    fake_libraries_keep = false;
    assert_int_equal(launches_of(convolve_back_once), 1);
    fake_libraries_keep = true;
    assert_int_equal(launches_of(given_back_wide), 1);
    assert_int_equal(launches_of(forty_terms), 2); /* 32, and those with 8 more */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_affine_chain_is_one_launch),
        cmocka_unit_test(parts_go_through_the_chain_that_alone_reads_them),
        cmocka_unit_test(an_activations_derivative_adds_up_what_meets_there),
        cmocka_unit_test(rows_look_the_units_of_their_images_up),
        cmocka_unit_test(rows_look_the_winners_of_their_images_up),
        cmocka_unit_test(a_derivative_goes_with_the_convolution_before_it),
        cmocka_unit_test(what_many_concatenations_give_back_is_added_up_where_it_lies),
        cmocka_unit_test(a_batch_norms_way_back_is_the_derivatives_too),
        cmocka_unit_test(what_belongs_together_launches_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
