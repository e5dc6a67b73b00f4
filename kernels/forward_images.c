/* Where the images of a batch stay apart in forward mode: columns are images times directions, and each image scales
 * its own. Knows no primitive's rule. */
#include "forward_mode.h"

#include <string.h>

static int shaped(struct wn_program *p, int v, int rank, const int64_t *dim)
{
    struct wn_shape s = wn_shape_of(rank, dim);
    return wn_reshape(p, v, &s);
}

int wn_forward_columns(struct wn_forward_pass *b, int v, int64_t rows, int64_t columns)
{
    if (b->images > 1)
        v = wn_transpose(b->p, shaped(b->p, v, 3, (int64_t[]){b->images, rows, columns}), (int[]){1, 0, 2});
    return as(b->p, v, rows, b->images * columns);
}

int wn_forward_scale(struct wn_forward_pass *b, int m, int64_t blocks, int z, int64_t rows)
{
    struct wn_program *p = b->p;
    z = wn_forward_columns(b, z, rows, 1);
    if (b->images == 1) return wn_mul(p, m, z);
    m = shaped(p, m, 3, (int64_t[]){blocks, b->images, b->directions});
    return as(p, wn_mul(p, m, shaped(p, z, 3, (int64_t[]){rows, b->images, 1})), blocks, b->images * b->directions);
}

/* (rows, cells, N, columns); the images have no axis where there is one of them. */
static struct wn_shape over_cells(const struct wn_forward_pass *b, int64_t rows, int64_t cells, int64_t columns)
{
    if (b->images == 1) return wn_shape_of(3, (int64_t[]){rows, cells, columns});
    return wn_shape_of(4, (int64_t[]){rows, cells, b->images, columns});
}

int wn_forward_product(struct wn_forward_pass *b, struct wn_tangent t)
{
    struct wn_program *p = b->p;
    struct wn_shape thin = over_cells(b, t.blocks, 1, b->directions),
                    whole = over_cells(b, t.blocks, t.cells, b->directions);
    int m = wn_reshape(p, t.m, &thin);
    if (t.f == WN_NONE) {
        m = wn_expand(p, m, &whole);
    } else {
        int64_t rows = shape_of(b, t.f).dim[0] / b->images;
        struct wn_shape field = over_cells(b, rows, t.cells, 1);
        int f = b->images == 1 ? t.f : wn_forward_columns(b, t.f, rows * t.cells, 1);
        m = wn_mul(p, m, wn_reshape(p, f, &field));
    }
    return as(p, m, t.blocks * t.cells, b->images * b->directions);
}

int wn_forward_fields(struct wn_forward_pass *b, int f, int g, int64_t blocks, int64_t cells)
{
    struct wn_program *p = b->p;
    if (p->error.code) return -1;
    struct wn_shape x = shape_of(b, f), y = shape_of(b, g);
    if (b->images == 1 || wn_shape_equal(&x, &y)) return wn_mul(p, f, g);
    f = shaped(p, f, 3, (int64_t[]){b->images, x.dim[0] / b->images, cells});
    g = shaped(p, g, 3, (int64_t[]){b->images, y.dim[0] / b->images, cells});
    return as(p, wn_mul(p, f, g), b->images * blocks, cells);
}

int wn_forward_result(struct wn_forward_pass *b, int m, const struct wn_shape *shape)
{
    if (b->images > 1)
        m = wn_transpose(b->p, shaped(b->p, m, 3, (int64_t[]){shape->dim[1], b->images, b->directions}),
                         (int[]){1, 0, 2});
    return wn_reshape(b->p, m, shape);
}

/* An axis that goes from image to image in x and in y; a walk visits nothing twice, so all others stay inside one. */
static int image_axis(const struct wn_copy *c, int64_t images, int64_t x_image, int64_t y_image)
{
    for (int i = 0; i < c->rank; i++)
        if (c->extent[i] == images && c->x_stride[i] == x_image && c->y_stride[i] == y_image) return i;
    return -1;
}

/* One image has no axis of its own: the directions get one, in front. */
bool wn_forward_walk(const struct wn_forward_pass *b, struct wn_copy *c, int64_t x_count, int64_t y_count)
{
    int axis = image_axis(c, b->images, x_count / b->images, y_count / b->images);
    if (b->images > 1) {
        if (axis >= 0) c->extent[axis] *= b->directions;
        return axis >= 0;
    }
    if (c->rank == WN_MAX_RANK) return false;
    memmove(c->extent + 1, c->extent, (size_t)c->rank * sizeof *c->extent);
    memmove(c->x_stride + 1, c->x_stride, (size_t)c->rank * sizeof *c->x_stride);
    memmove(c->y_stride + 1, c->y_stride, (size_t)c->rank * sizeof *c->y_stride);
    c->rank++;
    c->extent[0] = b->directions;
    c->x_stride[0] = x_count;
    c->y_stride[0] = y_count;
    return true;
}
