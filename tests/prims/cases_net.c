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

const struct prim_case net_cases[] = {
    {"net_residual", residual_net, 0},
    {"net_branches", branches, 0},
    {"net_rows_in_a_second_stage", rows_in_a_second_stage, 0},
    {"net_shared_values", shared_values, 0},
    {0},
};
