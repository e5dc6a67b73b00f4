/* Forward mode's tangents, for forward_mode.c, forward_conv.c and forward_images.c. Private to them. */
#ifndef WN_KERNELS_FORWARD_MODE_H
#define WN_KERNELS_FORWARD_MODE_H

#include "program.h"

/* How a value of N images moves in each of T directions of each image. An image's elements, row-major, are
 * blocks*cells; element (n, b, c) moves by m[b,n,t] * f[n,b,c] in direction t of image n, and in no direction of
 * another image. cells == 1 can say anything; whole planes that move alike need no more than their m. A product with
 * a constant so is one product for all images, whose columns stand side by side. Elements are of one image after the
 * other whatever the axes, so a first axis of length N is the images' own. */
struct wn_tangent {
    int m;                 /* (blocks, N*T); WN_NONE: the value does not move */
    int f;                 /* (N*blocks or N, cells), or WN_NONE: 1 everywhere */
    int64_t blocks, cells; /* of one image */
    /* Direction t moves cell t of each block and no other; there is no f. The cells of directions lie inside lo and
     * hi more, which never move. */
    bool diagonal;
    int64_t lo[WN_MAX_SPATIAL], hi[WN_MAX_SPATIAL];
};

struct wn_forward_pass {
    struct wn_program *p;
    struct wn_tangent *of; /* [values at the start] */
    int layer;
    float step;                                  /* how far the layer moves in each direction, in units of itself */
    int64_t images, directions, most_directions; /* directions: T, of one image */
};

static const struct wn_tangent wn_still = {.m = WN_NONE, .f = WN_NONE};

/* ---- short words ---- */

static inline struct wn_shape shape_of(const struct wn_forward_pass *b, int v)
{
    return b->p->values[v].shape;
}

static inline int as(struct wn_program *p, int v, int64_t rows, int64_t columns)
{
    struct wn_shape s = wn_shape_of(2, (int64_t[]){rows, columns});
    return wn_reshape(p, v, &s);
}

static inline bool moves(const struct wn_forward_pass *b, int v)
{
    return v != WN_NONE && b->of[v].m != WN_NONE;
}

static inline int64_t plane(const struct wn_shape *s)
{
    int64_t n = 1;
    for (int i = 2; i < s->rank; i++) n *= s->dim[i];
    return n;
}

static inline bool has_padding(const struct wn_window *win)
{
    for (int i = 0; i < win->rank; i++)
        if (win->pad_lo[i] || win->pad_hi[i]) return true;
    return false;
}

/* All cells of a block move alike, up to f; with one cell there is nothing else. */
static inline struct wn_tangent alike(int m, int f, int64_t blocks, int64_t cells)
{
    return (struct wn_tangent){.m = m, .f = f, .blocks = blocks, .cells = cells};
}

/* The blocks are the channels, and the cells their planes. */
static inline bool by_plane(const struct wn_forward_pass *b, int v, struct wn_tangent t)
{
    const struct wn_shape *s = &b->p->values[v].shape;
    return s->rank >= 2 && s->dim[0] == b->images && t.blocks == s->dim[1] && t.cells == plane(s);
}

static inline struct wn_shape batch_shape(const struct wn_forward_pass *b, int v)
{
    struct wn_shape s = shape_of(b, v);
    if (s.rank > 0) s.dim[0] = b->images * b->directions;
    return s;
}

/* ---- forward_mode.c ---- */

struct wn_tangent wn_tangent_refuse(struct wn_forward_pass *b, const char *why);
/* A field over a single cell is a factor of the block. */
struct wn_tangent wn_tangent_tidy(struct wn_forward_pass *b, struct wn_tangent t);
/* (N*T, ...) in place of (N, ...): for steps that are linear and have a primitive of their own. -1 after a refusal. */
int wn_tangent_batch(struct wn_forward_pass *b, int v);
struct wn_tangent wn_tangent_unbatch(struct wn_forward_pass *b, int v);

/* ---- forward_images.c: with one image, nothing there appends more than its arithmetic ---- */

/* A value (N, rows, columns) as (rows, N*columns). */
int wn_forward_columns(struct wn_forward_pass *b, int v, int64_t rows, int64_t columns);
/* m (blocks, N*T) times what each image has of its own, z: N*rows numbers, rows: blocks or 1. */
int wn_forward_scale(struct wn_forward_pass *b, int m, int64_t blocks, int z, int64_t rows);
/* m and f of a tangent that is not diagonal multiplied out: (blocks*cells, N*T). */
int wn_forward_product(struct wn_forward_pass *b, struct wn_tangent t);
/* Two fields multiplied, either of one row an image or of one a block; over so many blocks and cells. */
int wn_forward_fields(struct wn_forward_pass *b, int f, int g, int64_t blocks, int64_t cells);
/* (K, N*T) as (N, K, ...), of that shape. */
int wn_forward_result(struct wn_forward_pass *b, int m, const struct wn_shape *shape);
/* A walk over N images made one over N*T of them. False: it does not go image by image. */
bool wn_forward_walk(const struct wn_forward_pass *b, struct wn_copy *c, int64_t x_count, int64_t y_count);

/* ---- forward_conv.c ---- */

struct wn_tangent wn_forward_conv(struct wn_forward_pass *b, const struct wn_step *s);

#endif
