/* Copies, reshapes, concatenation, tap tables, gathering. */
#include "cases.h"

static struct wn_shape box(struct subject *s)
{
    return SHAPE(PICK(s, 1, 2), PICK(s, 1, 3, 33), PICK(s, 4, 7, 13), PICK(s, 4, 7, 13));
}

static int input(struct subject *s, struct wn_shape shape)
{
    return subject_input(s, shape, true, -1, 1);
}

static void transpose(struct subject *s, int unused)
{
    (void)unused;
    static const int perms[][4] = {{0, 2, 3, 1}, {0, 3, 1, 2}, {3, 2, 1, 0}, {1, 0, 2, 3}, {0, 1, 3, 2}};
    subject_exact_output(s, wn_transpose(s->p, input(s, box(s)), perms[rng_below(&s->rng, 5)]));
}

static void slice(struct subject *s, int step)
{
    struct wn_shape x = box(s);
    int axis = (int)rng_below(&s->rng, 4);
    int64_t n = x.dim[axis], stride = step < 0 ? -step : step, count = 1 + rng_below(&s->rng, (n - 1) / stride + 1);
    int64_t room = n - 1 - (count - 1) * stride, start = room ? rng_below(&s->rng, room + 1) : 0;
    subject_exact_output(s, wn_slice(s->p, input(s, x), axis, step < 0 ? n - 1 - start : start, count, step));
}

static void pad(struct subject *s, int crop)
{
    int64_t lo[4], hi[4];
    for (int i = 0; i < 4; i++)
        lo[i] = rng_below(&s->rng, 3) - (crop && i > 1), hi[i] = rng_below(&s->rng, 3) - (crop && i > 1);
    subject_exact_output(s, wn_pad(s->p, input(s, box(s)), lo, hi, 0.5f));
}

static void expand(struct subject *s, int rank)
{
    struct wn_shape y = box(s), x = y;
    for (int i = 0; i < 4; i++)
        if (rng_below(&s->rng, 2)) x.dim[i] = 1;
    for (int i = 0; i < rank; i++) x.dim[i] = x.dim[4 - rank + i];
    x.rank = rank;
    subject_exact_output(s, wn_expand(s->p, input(s, x), &y));
}

/* The gradient of a strided slice: elements put back between zeros. */
static void scatter(struct subject *s, int unused)
{
    (void)unused;
    int64_t c = PICK(s, 1, 3, 33), w = PICK(s, 3, 7);
    struct wn_shape y = SHAPE(c, 2 * w + 1);
    struct wn_copy copy = {.rank = 2,
                           .extent = {c, w},
                           .x_offset = w - 1,
                           .x_stride = {w, -1},
                           .y_offset = 1,
                           .y_stride = {2 * w + 1, 2},
                           .fill = -0.25f};
    subject_exact_output(s, wn_copy(s->p, input(s, SHAPE(c, w)), &y, &copy));
}

static void reshape(struct subject *s, int unused)
{
    (void)unused;
    struct wn_shape x = box(s), y = SHAPE(x.dim[0], x.dim[1] * x.dim[2] * x.dim[3]);
    int flat = wn_reshape(s->p, input(s, x), &y);
    subject_exact_output(s, flat);
    subject_output(s, wn_linear(s->p, wn_reshape(s->p, wn_relu(s->p, flat), &x), 2, 0));
}

static void concat(struct subject *s, int axis)
{
    int x[4], n = 1 + (int)rng_below(&s->rng, 4);
    struct wn_shape shape = box(s);
    for (int i = 0; i < n; i++) {
        shape.dim[axis] = PICK(s, 1, 3, 8, 31);
        x[i] = input(s, shape);
    }
    if (n > 1 && rng_below(&s->rng, 3) == 0 && wn_shape_equal(&wn_program_value(s->p, x[0])->shape, &shape))
        x[n - 1] = x[0];
    subject_exact_output(s, wn_concat(s->p, x, n, axis));
}

static void axis_map(struct subject *s, int unused)
{
    (void)unused;
    int32_t index[64];
    float weight[64];
    struct wn_shape x = box(s);
    int axis = (int)rng_below(&s->rng, 4), taps = (int)PICK(s, 1, 2, 4);
    struct wn_taps t = {.in = x.dim[axis], .out = PICK(s, 1, 5, 14), .taps = taps, .index = index, .weight = weight};
    for (int i = 0; i < t.out * taps; i++) {
        index[i] = (int32_t)rng_below(&s->rng, t.in + 1) - 1;
        weight[i] = (float)(rng_below(&s->rng, 65) - 32) / 16;
    }
    subject_output(s, wn_axis_map(s->p, input(s, x), axis, &t));
}

static void gather(struct subject *s, int unused)
{
    (void)unused;
    struct wn_shape x = box(s);
    x.dim[0] = PICK(s, 1, 2, 4);
    int value = input(s, x);
    subject_exact_output(s, wn_gather(s->p, value, subject_rows(s, PICK(s, 1, 3, 8), x.dim[0])));
}

const struct prim_case move_cases[] = {
    {"transpose", transpose, 0},
    {"slice", slice, 1},
    {"slice_every_second", slice, 2},
    {"slice_backwards", slice, -1},
    {"slice_backwards_every_third", slice, -3},
    {"pad", pad, 0},
    {"pad_and_crop", pad, 1},
    {"expand", expand, 4},
    {"expand_low_rank", expand, 2},
    {"scatter_with_fill", scatter, 0},
    {"reshape", reshape, 0},
    {"concat_batch", concat, 0},
    {"concat_channels", concat, 1},
    {"concat_last", concat, 3},
    {"axis_map", axis_map, 0},
    {"gather", gather, 0},
    {0},
};
