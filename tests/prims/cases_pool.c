/* Pools and their gradients. */
#include "cases.h"

enum { COUNT_PAD = 8, TIES = 16, GLOBAL = 32, OVERHANG = 64 };

struct pool {
    struct wn_window win;
    struct wn_shape x;
};

/* Pads stay below the kernel and sides are as long as the dilation, so that every window holds a cell. */
static struct pool random_pool(struct subject *s, int flags)
{
    int rank = flags & 7;
    struct pool p;
    int64_t kernel = PICK(s, 2, 3, 3, 5), dilation = PICK(s, 1, 1, 1, 2);
    p.win = random_window(s, rank, kernel, PICK(s, 1, 2, 2, 3), flags & (OVERHANG | GLOBAL) ? 1 : dilation, 1);
    p.x = plane_shape(s, PICK(s, 1, 2), PICK(s, 1, 3, 31), &p.win);
    for (int i = 0; i < rank; i++)
        if (p.x.dim[2 + i] < p.win.dilation[i]) p.x.dim[2 + i] = p.win.dilation[i];
    if (flags & OVERHANG) /* as ceil_mode lowers */
        for (int i = 0; i < rank; i++) p.win.pad_hi[i] += kernel > 2;
    for (int i = 0; flags & GLOBAL && i < rank; i++) {
        p.win.kernel[i] = p.x.dim[2 + i];
        p.win.pad_lo[i] = p.win.pad_hi[i] = 0;
    }
    return p;
}

/* With ties: whole numbers between -2 and 2, so that the first of several winners counts. */
static int pool_input(struct subject *s, struct wn_shape shape, int flags)
{
    int x = subject_input(s, shape, true, -2, 2);
    float *data = s->inputs[s->n_inputs - 1].data;
    for (int64_t i = 0; flags & TIES && i < wn_shape_count(&shape); i++) data[i] = (float)(int)data[i];
    return x;
}

static void maxpool(struct subject *s, int flags)
{
    struct pool p = random_pool(s, flags);
    subject_exact_output(s, wn_maxpool(s->p, pool_input(s, p.x, flags), &p.win, NULL));
}

static void maxpool_index(struct subject *s, int flags)
{
    struct pool p = random_pool(s, flags);
    int index, y = wn_maxpool(s->p, pool_input(s, p.x, flags), &p.win, &index);
    subject_exact_output(s, y);
    subject_exact_output(s, index);
}

static void maxpool_bwd(struct subject *s, int flags)
{
    struct pool p = random_pool(s, flags);
    int index, y = wn_maxpool(s->p, pool_input(s, p.x, flags), &p.win, &index);
    int dy = subject_input(s, wn_program_value(s->p, y)->shape, true, -1, 1);
    subject_output(s, wn_maxpool_bwd(s->p, dy, index, &p.win, &p.x));
}

/* More rows than images: the index is gathered, too. */
static void maxpool_bwd_rows(struct subject *s, int flags)
{
    struct pool p = random_pool(s, flags);
    int index, y = wn_maxpool(s->p, pool_input(s, p.x, flags), &p.win, &index);
    struct wn_shape dy_shape = wn_program_value(s->p, y)->shape;
    int64_t n = dy_shape.dim[0];
    dy_shape.dim[0] = n + 3;
    wn_program_end_stage(s->p);
    int rows = subject_rows(s, n + 3, n), dy = subject_input(s, dy_shape, true, -1, 1);
    subject_output(s, wn_maxpool_bwd(s->p, dy, wn_gather(s->p, index, rows), &p.win, &p.x));
}

static void avgpool(struct subject *s, int flags)
{
    struct pool p = random_pool(s, flags);
    subject_output(s, wn_avgpool(s->p, subject_input(s, p.x, true, -1, 1), &p.win, flags & COUNT_PAD));
}

static void avgpool_bwd(struct subject *s, int flags)
{
    struct pool p = random_pool(s, flags);
    int y = wn_avgpool(s->p, subject_input(s, p.x, true, -1, 1), &p.win, flags & COUNT_PAD);
    int dy = subject_input(s, wn_program_value(s->p, y)->shape, true, -1, 1);
    subject_output(s, wn_avgpool_bwd(s->p, dy, &p.win, flags & COUNT_PAD, &p.x));
}

const struct prim_case pool_cases[] = {
    {"maxpool_1d", maxpool, 1},
    {"maxpool_2d", maxpool, 2},
    {"maxpool_3d", maxpool, 3},
    {"maxpool_overhang", maxpool, 2 | OVERHANG},
    {"maxpool_index_2d", maxpool_index, 2},
    {"maxpool_index_of_ties_is_the_first", maxpool_index, 2 | TIES},
    {"maxpool_bwd_1d", maxpool_bwd, 1},
    {"maxpool_bwd_2d", maxpool_bwd, 2},
    {"maxpool_bwd_3d", maxpool_bwd, 3},
    {"maxpool_bwd_ties_go_to_the_first", maxpool_bwd, 2 | TIES},
    {"maxpool_bwd_more_rows_than_images", maxpool_bwd_rows, 2},
    {"avgpool_1d", avgpool, 1},
    {"avgpool_2d", avgpool, 2},
    {"avgpool_3d", avgpool, 3},
    {"avgpool_1d_count_pad", avgpool, 1 | COUNT_PAD},
    {"avgpool_2d_count_pad", avgpool, 2 | COUNT_PAD},
    {"avgpool_3d_count_pad", avgpool, 3 | COUNT_PAD},
    {"avgpool_overhang", avgpool, 2 | OVERHANG},
    {"avgpool_global", avgpool, 2 | GLOBAL},
    {"avgpool_bwd_1d", avgpool_bwd, 1},
    {"avgpool_bwd_2d", avgpool_bwd, 2},
    {"avgpool_bwd_3d", avgpool_bwd, 3},
    {"avgpool_bwd_2d_count_pad", avgpool_bwd, 2 | COUNT_PAD},
    {"avgpool_bwd_overhang", avgpool_bwd, 2 | OVERHANG},
    {"avgpool_bwd_global", avgpool_bwd, 2 | GLOBAL},
    {0},
};
