/* Several steps at once, where layouts meet and values outlive a stage. */
#include "cases.h"

static const struct wn_window same_3x3 = {2, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}};
static const struct wn_window half_3x3 = {2, {3, 3}, {2, 2}, {1, 1}, {1, 1}, {1, 1}};
static const struct wn_window point = {2, {1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}};

static int conv(struct subject *s, int x, int64_t in, int64_t out, const struct wn_window *win)
{
    double a = 1.5 / (double)(in * win->kernel[0]);
    int w = subject_weight(s, SHAPE(out, in, win->kernel[0], win->kernel[1]), -a, a);
    return wn_conv(s->p, x, w, subject_weight(s, SHAPE(out), -a, a), win, 1);
}

/* Stem, pool, a block with a skip, pooled features and a classifier. */
static void residual_net(struct subject *s, int unused)
{
    (void)unused;
    int64_t c = PICK(s, 3, 8, 31), n = PICK(s, 1, 2), k = 10;
    int x = subject_input(s, SHAPE(n, 3, 17, 19), true, -1, 1);
    int stem = wn_maxpool(s->p, wn_relu(s->p, conv(s, x, 3, c, &same_3x3)), &half_3x3, NULL);
    int inner = conv(s, wn_relu(s->p, conv(s, stem, c, c, &same_3x3)), c, c, &same_3x3);
    int block = wn_relu(s->p, wn_add(s->p, inner, stem));
    int pooled = wn_reduce(s->p, WN_REDUCE_MEAN, block, 12);
    struct wn_shape features = SHAPE(n, c);
    int flat = wn_reshape(s->p, pooled, &features);
    int w = subject_weight(s, SHAPE(k, c), -1, 1);
    subject_output(s, block);
    subject_output(s, wn_matmul(s->p, flat, false, w, true, subject_weight(s, SHAPE(k), -1, 1)));
}

/* Two branches side by side, as in SqueezeNet, with an average pool behind. */
static void branches(struct subject *s, int unused)
{
    (void)unused;
    int64_t c = PICK(s, 3, 16);
    int x = subject_input(s, SHAPE(1, c, 13, 13), true, -1, 1);
    int squeezed = wn_relu(s->p, conv(s, x, c, 5, &point));
    int parts[] = {wn_relu(s->p, conv(s, squeezed, 5, 7, &point)), wn_relu(s->p, conv(s, squeezed, 5, 9, &same_3x3))};
    int both = wn_concat(s->p, parts, 2, 1);
    subject_output(s, wn_avgpool(s->p, both, &half_3x3, false));
    subject_output(s, wn_reduce(s->p, WN_REDUCE_MEAN, conv(s, both, 16, 10, &point), 12));
}

/* A forward stage, and a second one that asks about its images by row: the weighted sum over channels of a heatmap. */
static void rows_in_a_second_stage(struct subject *s, int unused)
{
    (void)unused;
    int64_t n = PICK(s, 1, 2, 3), r = PICK(s, 1, 4, 7), c = PICK(s, 3, 33);
    int x = subject_input(s, SHAPE(n, 3, 9, 7), true, -1, 1);
    int a = wn_relu(s->p, conv(s, x, 3, c, &same_3x3));
    subject_output(s, wn_reduce(s->p, WN_REDUCE_MEAN, a, 12));
    wn_program_end_stage(s->p);
    int rows = subject_rows(s, r, n), g = subject_input(s, SHAPE(r, c, 9, 7), true, -1, 1);
    int seen = wn_gather(s->p, a, rows);
    int weight = wn_reduce(s->p, WN_REDUCE_MEAN, wn_unary_bwd(s->p, WN_UNARY_RELU, g, seen, 0, 0), 12);
    wn_program_end_stage(s->p);
    subject_output(s, wn_channel_dot(s->p, seen, weight));
}

/* The same about two images a row, as a change from one to the other is explained: one, the other or both are looked
 * up by row, each among images of its own, and two ways back meet. */
static void changes_in_a_second_stage(struct subject *s, int lookups)
{
    int64_t n = PICK(s, 2, 3), r = lookups ? PICK(s, 1, 4, 7) : n, c = PICK(s, 3, 8, 33);
    int64_t many = lookups & 1 ? n : r, more = lookups & 2 ? PICK(s, 1, 5) : r;
    int a = conv(s, subject_input(s, SHAPE(many, 3, 9, 7), true, -1, 1), 3, c, &same_3x3);
    int b = subject_input(s, SHAPE(more, c, 9, 7), true, -9, -8); /* what no rounding brings near */
    subject_output(s, wn_reduce(s->p, WN_REDUCE_MEAN, a, 12));
    wn_program_end_stage(s->p);
    int dy = subject_input(s, SHAPE(r, c, 9, 7), true, -1, 1), other = subject_input(s, SHAPE(r, c, 9, 7), true, -1, 1);
    int now = lookups & 1 ? wn_gather(s->p, a, subject_rows(s, r, many)) : a;
    int then = lookups & 2 ? wn_gather(s->p, b, subject_rows(s, r, more)) : b;
    subject_output(s, wn_secant(s->p, WN_UNARY_LEAKY, wn_add(s->p, dy, other), now, then, 0.25f, 0));
}

/* Outputs that are inputs of each other, and one value used by three steps. */
static void shared_values(struct subject *s, int unused)
{
    (void)unused;
    int x = subject_input(s, SHAPE(2, 7, 5, 5), true, -1, 1);
    int y = wn_relu(s->p, x);
    int z = wn_add(s->p, y, x);
    subject_output(s, y);
    subject_output(s, z);
    subject_output(s, wn_mul(s->p, z, y));
}

/* Slices, sums and concatenations in any order: a slice that is only added is read where it lies, whatever happens
 * to that in between. Behind a ReLU nothing cancels out. */
static void slices_and_sums_once(struct subject *s)
{
    enum { STEPS = 12 };
    const int64_t c = PICK(s, 1, 4, 33), n = PICK(s, 1, 2);
    int wide[STEPS + 1], narrow[STEPS + 2], n_wide = 1, n_narrow = 2;
    wide[0] = wn_relu(s->p, conv(s, subject_input(s, SHAPE(n, 3 * c, 5, 6), true, -1, 1), 3 * c, 3 * c, &point));
    narrow[0] = wn_slice(s->p, wide[0], 1, c, c, 1);
    /* of cells: one that is made */
    narrow[1] = wn_slice(s->p, wn_relu(s->p, subject_input(s, SHAPE(n, c, 7, 6), true, -1, 1)), 2, 0, 5, 1);
    for (int i = 0; i < STEPS; i++) {
        const int a = narrow[rng_below(&s->rng, n_narrow)], b = narrow[n_narrow - 1],
                  from = wide[rng_below(&s->rng, n_wide)];
        switch (rng_below(&s->rng, 8)) {
        case 0: wide[n_wide++] = wn_concat(s->p, (int[]){a, b, a}, 3, 1); break;
        case 1: narrow[n_narrow++] = wn_binary(s->p, WN_BINARY_MAX, a, b); break;
        case 2:
            wide[n_wide] = wn_linear(s->p, wide[n_wide - 1], 0.5f, 0.25f), n_wide++;
            break; /* perhaps in its place */
        case 3:
        case 4: narrow[n_narrow++] = wn_slice(s->p, from, 1, rng_below(&s->rng, 3) * c, c, 1); break;
        default: narrow[n_narrow++] = wn_add(s->p, b, a); break;
        }
    }
    subject_output(s, narrow[n_narrow - 1]);
    subject_output(s, narrow[n_narrow / 2]);
    subject_output(s, wide[n_wide - 1]);
}

static void slices_and_sums(struct subject *s, int times)
{
    while (times--) slices_and_sums_once(s);
}

const struct prim_case net_cases[] = {
    {"net_residual", residual_net, 0},
    {"net_branches", branches, 0},
    {"net_rows_in_a_second_stage", rows_in_a_second_stage, 0},
    {"net_changes_in_a_second_stage_0", changes_in_a_second_stage, 0},
    {"net_changes_in_a_second_stage_1", changes_in_a_second_stage, 1},
    {"net_changes_in_a_second_stage_2", changes_in_a_second_stage, 2},
    {"net_changes_in_a_second_stage_3", changes_in_a_second_stage, 3},
    {"net_shared_values", shared_values, 0},
    {"net_slices_and_sums", slices_and_sums, 5},
    {0},
};
