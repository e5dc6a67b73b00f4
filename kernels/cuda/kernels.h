/* Launchers of our own kernels: what the C side of the CUDA backend may ask of the .cu files. Plain C, no CUDA
 * header, so that the same declarations serve nvcc, the C compiler and the emulation on the CPU; knows nothing of
 * programs or values.
 *
 * Every launcher only queues work on `stream`. Pointers are device pointers. Counts and offsets fit an int: the
 * backend refuses a value with more than INT32_MAX elements. Arithmetic is f32 whatever the elements are stored as. */
#ifndef WN_CUDA_KERNELS_H
#define WN_CUDA_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

#include <whynot/drawing.h>
#include <whynot/masking.h>
#include <whynot/program.h>
#include <whynot/seeding.h>

#ifdef __cplusplus
extern "C" {
#endif

struct CUstream_st; /* cudaStream_t without its header */

enum wn_cuda_type { WN_CUDA_F32, WN_CUDA_F16, WN_CUDA_BF16 };

#define WN_CUDA_AXES 6
/* Elements that one thread handles where memory allows: 16 bytes of 16-bit numbers, 32 bytes of f32. */
#define WN_CUDA_WIDTH 8

#define WN_CUDA_INNER (WN_CUDA_AXES - 1)

/* A nest of `rank` loops, held in the last entries of each array: the innermost is always entry WN_CUDA_INNER, so that
 * device code finds it at a fixed place. vector: the innermost may be walked WN_CUDA_WIDTH at a time. */
struct wn_cuda_loop {
    int rank, dim[WN_CUDA_AXES];
    int count; /* product of dim */
    bool vector;
};

/* An operand of a loop: where its first element lies, and how far each axis steps, in elements. */
struct wn_cuda_arg {
    void *data;
    enum wn_cuda_type type;
    int stride[WN_CUDA_AXES];
};

/* ---- elementwise.cu ---- */
void wn_cuda_launch_unary(const struct wn_cuda_loop *loop, const struct wn_act *act, const struct wn_cuda_arg *x,
                          const struct wn_cuda_arg *y, struct CUstream_st *stream);
/* dx = scale * act'(z) * (dy + more); of more and scale, those with a NULL data are left out. z: what the function's
 * row in unary.def says. row NULL: the loop walks all of it, and rows is 1. Else the loop walks one of `rows`, which
 * lie so far apart, and row r takes the z of image row[r], of `images`; the nearest of them where there is none of
 * that number. */
struct wn_cuda_unary_bwd {
    struct wn_cuda_arg dy, more, z, scale, dx; /* scale: the same for all rows */
    struct wn_act act;
    const float *row;
    int rows, images, dy_pitch, more_pitch, z_pitch, dx_pitch;
};
void wn_cuda_launch_unary_bwd(const struct wn_cuda_loop *loop, const struct wn_cuda_unary_bwd *b,
                              struct CUstream_st *stream);
/* secant.cu: dx = (act(x) - act(x0))/(x - x0) * (dy + more), or act'(x) where these are one (program.h); more is left
 * out where its data is NULL. The loop walks one of `rows`, which lie so far apart, and row r takes x of image row[r],
 * of `images`, or where row is NULL its own; and so does x0. */
struct wn_cuda_secant {
    struct wn_cuda_arg dy, more, x, x0, dx;
    struct wn_act act;
    const float *row, *row0;
    int rows, images, images0, dy_pitch, more_pitch, x_pitch, x0_pitch, dx_pitch;
};
void wn_cuda_launch_secant(const struct wn_cuda_loop *loop, const struct wn_cuda_secant *s, struct CUstream_st *stream);
void wn_cuda_launch_binary(const struct wn_cuda_loop *loop, enum wn_binary kind, const struct wn_cuda_arg *a,
                           const struct wn_cuda_arg *b, const struct wn_cuda_arg *y, struct CUstream_st *stream);
/* y = act(x*scale + bias + residual); operands with a NULL data are left out. y may be x. */
struct wn_cuda_epilogue {
    struct wn_cuda_arg x, scale, bias, residual, y;
    struct wn_act act;
};
void wn_cuda_launch_epilogue(const struct wn_cuda_loop *loop, const struct wn_cuda_epilogue *e,
                             struct CUstream_st *stream);

/* ---- move.cu: the same numbers somewhere else ---- */
void wn_cuda_launch_copy(const struct wn_cuda_loop *loop, const struct wn_cuda_arg *x, const struct wn_cuda_arg *y,
                         struct CUstream_st *stream);
void wn_cuda_launch_fill(void *data, enum wn_cuda_type type, int count, float value, struct CUstream_st *stream);
/* (n, rows, cols) -> (n, cols, rows): the change between channels first and channels last. */
void wn_cuda_launch_transpose(const void *x, enum wn_cuda_type x_type, void *y, enum wn_cuda_type y_type, int n,
                              int rows, int cols, struct CUstream_st *stream);
/* Pictures x (n, channels, plane) to pixels y (n, plane, pitch), zero behind the channels. pitch: 8, or 4 of f32,
 * and no less than the channels; y on a multiple of 16 bytes. */
void wn_cuda_launch_pixels(const float *x, int n, int channels, int plane, void *y, enum wn_cuda_type type, int pitch,
                           struct CUstream_st *stream);
/* A strided copy whose offsets are row-major while the memory is not: channels and spatial say where an offset lies
 * (1, 1 for row-major memory). */
struct wn_cuda_mapped {
    void *data;
    enum wn_cuda_type type;
    int channels, spatial, offset, stride[WN_CUDA_AXES];
};
void wn_cuda_launch_copy_mapped(const struct wn_cuda_loop *loop, const struct wn_cuda_mapped *x,
                                const struct wn_cuda_mapped *y, struct CUstream_st *stream);
/* y[r] = x[row[r]], blocks of `inner` elements. A row outside [0, n) reads the nearest image. */
void wn_cuda_launch_gather(const void *x, enum wn_cuda_type type, int n, const float *row, int rows, int inner, void *y,
                           struct CUstream_st *stream);
/* x (outer, in, inner) -> y (outer, out, inner): y[j] = sum over t of weight[j*taps+t] * x[index[j*taps+t]]. */
struct wn_cuda_axis_map {
    const void *x;
    void *y;
    enum wn_cuda_type x_type, y_type;
    int outer, in, out, inner, taps;
    const int32_t *index;
    const float *weight;
};
void wn_cuda_launch_axis_map(const struct wn_cuda_axis_map *m, struct CUstream_st *stream);

/* ---- concat.cu ---- */
#define WN_CUDA_PARTS 32
/* A number for every element of a run, or one for all of them (step 0); without data there is none. */
struct wn_cuda_factor {
    const float *data;
    int step;
};
/* y = act(x*scale + shift): part i has `outer` runs of length[i] elements, which lie from first[i] on in runs of
 * `pitch`. */
struct wn_cuda_concat {
    int n, outer, pitch;
    enum wn_cuda_type y_type;
    void *y;
    const void *x[WN_CUDA_PARTS];
    enum wn_cuda_type x_type[WN_CUDA_PARTS];
    int length[WN_CUDA_PARTS], first[WN_CUDA_PARTS];
    struct wn_cuda_factor scale, shift;
    struct wn_act act; /* of a kind behind the last: none */
};
void wn_cuda_launch_concat(const struct wn_cuda_concat *c, struct CUstream_st *stream);

/* ---- sum.cu ---- */
#define WN_CUDA_TERMS 32
/* y (outer, length) = the sum of n terms, at least one, of which each has its runs of `length` so far apart as its
 * pitch says. y may be a term. */
struct wn_cuda_sum {
    int n, outer, length;
    enum wn_cuda_type y_type;
    void *y;
    const void *x[WN_CUDA_TERMS];
    enum wn_cuda_type x_type[WN_CUDA_TERMS];
    int pitch[WN_CUDA_TERMS];
};
void wn_cuda_launch_sum(const struct wn_cuda_sum *s, struct CUstream_st *stream);

/* ---- reduce.cu ---- */
/* y[i] = reduction of x over `inner` for every i of `outer`; x has a stride for each of both. */
struct wn_cuda_reduce {
    enum wn_reduce kind;
    struct wn_cuda_loop outer, inner;
    const void *x;
    enum wn_cuda_type x_type, y_type;
    int outer_stride[WN_CUDA_AXES], inner_stride[WN_CUDA_AXES], y_stride[WN_CUDA_AXES];
    void *y;
};
void wn_cuda_launch_reduce(const struct wn_cuda_reduce *r, struct CUstream_st *stream);
/* y[r,s] = sum over c of a[image(r),c,s] * g[r,c,s]; image(r) is row[r], or r where row is NULL. Strides in
 * elements: of the image or row, the channel, the position; a position stride of 0 in g broadcasts. The sum over
 * channels of one position is a fixed tree: the same bytes in every run and every batch. */
struct wn_cuda_channel_dot {
    const void *a, *g;
    enum wn_cuda_type a_type, g_type, y_type;
    const float *row;
    int rows, images, channels, positions;
    int a_n, a_c, a_s, g_n, g_c, g_s;
    void *y; /* (rows, positions) */
};
void wn_cuda_launch_channel_dot(const struct wn_cuda_channel_dot *d, struct CUstream_st *stream);

/* ---- pool.cu, conv.cu: channels last, three spatial axes (leading ones have length 1) ---- */
struct wn_cuda_window {
    int kernel[3], stride[3], dilation[3], pad[3]; /* pad: before the first element */
    int x[3], y[3];                                /* spatial lengths: before and after the window */
};
struct wn_cuda_pool {
    struct wn_cuda_window win;
    int n, channels;
    bool count_pad;
    const void *src;
    void *dst;
    enum wn_cuda_type src_type, dst_type;
    float *index; /* max: offset of the winner; written forward (may be NULL), read backward */
    const float *index_in;
    const float *row; /* backward, max: the image whose winners each of the n takes, of `images`; NULL: its own */
    int images;
};
void wn_cuda_launch_maxpool(const struct wn_cuda_pool *p, struct CUstream_st *stream);
void wn_cuda_launch_maxpool_bwd(const struct wn_cuda_pool *p, struct CUstream_st *stream);
void wn_cuda_launch_avgpool(const struct wn_cuda_pool *p, struct CUstream_st *stream);
void wn_cuda_launch_avgpool_bwd(const struct wn_cuda_pool *p, struct CUstream_st *stream);

/* The convolution that cuDNN has no plan for: right for every shape, fast for depthwise ones only.
 * Forward: src = x, dst = y. Backward: src = dy, dst = dx. bias: one number a channel of dst, or NULL. */
struct wn_cuda_direct_conv {
    struct wn_cuda_window win;
    int n, c, o, groups;        /* channels of x and of y */
    const void *src, *w, *bias; /* w: (o, kernel..., c/groups) */
    void *dst;
    enum wn_cuda_type src_type, w_type, bias_type, dst_type;
};
void wn_cuda_launch_conv(const struct wn_cuda_direct_conv *c, struct CUstream_st *stream);
void wn_cuda_launch_conv_bwd(const struct wn_cuda_direct_conv *c, struct CUstream_st *stream);

/* ---- matmul.cu: the product that cuBLASLt has no algorithm for ---- */
/* y (batch, m, n) = a (batch, m, k) b (batch, k, n); steps in elements, a batch step of 0 broadcasts. */
struct wn_cuda_product {
    int batch, m, n, k;
    const void *a, *b;
    void *y;
    enum wn_cuda_type a_type, b_type, y_type;
    int a_batch, a_m, a_k, b_batch, b_k, b_n, y_batch, y_m, y_n;
};
void wn_cuda_launch_matmul(const struct wn_cuda_product *p, struct CUstream_st *stream);

/* ---- draw.cu: maps to palette indices, the bytes that the processor makes ---- */
enum wn_cuda_draw_fault { WN_CUDA_DRAW_FINE, WN_CUDA_DRAW_NOT_FINITE, WN_CUDA_DRAW_TOO_WIDE };
struct wn_cuda_drawn {
    struct wn_rendered drawn;
    enum wn_cuda_draw_fault fault; /* not FINE: the index is not written, and only this says anything */
};
#define WN_CUDA_DRAW_PAD(pixels) (((size_t)(pixels) + 15) / 16 * 16)
/* One map, of whose view only what it covers is made: cover_h rows of cover_w pixels, the first at (x, y). All pointers
 * are the device's, values and index at multiples of 16 bytes. */
struct wn_cuda_drawing {
    const float *map; /* h*w */
    int h, w;
    struct wn_view view;
    int x, y, cover_w, cover_h; /* wn_covered */
    struct wn_render how;
    struct wn_between *taps; /* scratch: cover_w + cover_h */
    float *values;           /* scratch: WN_CUDA_DRAW_PAD(cover_w*cover_h) */
    uint8_t *index;          /* out: cover_h*cover_w, and what pads them */
    struct wn_cuda_drawn *out;
};
/* drawings: n of them on the device, at most 65535, of any sizes; most_pixels: of the largest cover, below 2^30. */
void wn_cuda_launch_draw(const struct wn_cuda_drawing *drawings, int n, int most_pixels, struct CUstream_st *stream);

/* ---- prepare.cu: pictures to the network's input, the numbers that the processor makes ---- */
/* Where one column or row of the input comes from. */
struct wn_cuda_line {
    int first, count; /* plain: count is 1 where the second pixel is the next one, 0 where it is the first again */
    float t;          /* plain: share of the second */
};
/* One picture: pixels part_x.. and part_y.. of a source, RGB without padding, of which box_w x box_h become dst_w x
 * dst_h, of which the window x, y, w, h is the input. The part holds all that the window needs. All pointers are the
 * device's. */
struct wn_cuda_picture {
    const uint8_t *pixels; /* part_h*part_w*3 */
    int src_w, src_h, part_x, part_y, part_w, part_h;
    double box_w, box_h; /* above 0 */
    int dst_w, dst_h, x, y, w, h;
    bool antialias, bgr;
    int channels; /* 3, or 1: grey */
    float scale, mean[3], std[3];
    struct wn_cuda_line *lines; /* scratch: w + h */
    int width_x, width_y;       /* wn_support_width(box_w / dst_w), of box_h / dst_h */
    int32_t *weights;           /* scratch, antialias only: w*width_x + h*width_y */
    float *out;                 /* channels*h*w, at a multiple of 16 bytes */
};
/* pictures: n of them on the device, at most 65535; most_lines: the largest w + h; most_pixels: the largest w*h. */
void wn_cuda_launch_prepare(const struct wn_cuda_picture *pictures, int n, int most_lines, int most_pixels,
                            struct CUstream_st *stream);

/* ---- hide.cu: parts of pictures replaced as maps say, the numbers that the processor makes. f32, at multiples of
 * 16 bytes ---- */
/* wn_enlarge of n maps (n, h, w) -> (n, height, width). */
struct wn_cuda_enlarge {
    const float *map;
    float *out;
    int n, h, w, height, width;
    bool align_corners;
};
void wn_cuda_launch_enlarge(const struct wn_cuda_enlarge *e, struct CUstream_st *stream);
/* wn_blur of planes (planes, h, w); a mirror needs sides longer than the radius. scratch, out: as large as x, none
 * of them the other. */
struct wn_cuda_blur {
    const float *x, *taps; /* 2*radius + 1 */
    float *scratch, *out;
    int planes, h, w, radius;
    enum wn_border border;
};
void wn_cuda_launch_blur(const struct wn_cuda_blur *b, struct CUstream_st *stream);
/* mean[plane], summed in double and a fixed order, which is not the processor's: the last bit may differ. */
void wn_cuda_launch_plane_mean(const float *x, int planes, int pixels, float *mean, struct CUstream_st *stream);
/* Plane i is values[i] everywhere; at most 65535 planes. */
void wn_cuda_launch_fill_planes(const float *values, int planes, int pixels, float *out, struct CUstream_st *stream);
/* Which pixels each of n rows hides: wn_mask_sign, or wn_mask_extreme where count is not negative. */
struct wn_cuda_hidden {
    int map, count; /* number of the row's map; at most `pixels` */
    enum wn_keep keep;
};
struct wn_cuda_choose {
    const float *maps;
    const struct wn_cuda_hidden *rows; /* n, on the device */
    uint8_t *hidden;                   /* out: n*pixels, 0 or 1 */
    int32_t *found;                    /* out: n: how many each hides */
    int n, pixels;
};
void wn_cuda_launch_choose(const struct wn_cuda_choose *c, struct CUstream_st *stream);
/* wn_mask_apply for n rows, at most 65535: out[r] = hidden[r] ? fill[image[r]] : x[image[r]], (channels, pixels)
 * each. */
struct wn_cuda_replace {
    const float *x, *fill;
    const uint8_t *hidden;
    const int32_t *image; /* n, on the device */
    float *out;
    int n, channels, pixels;
};
void wn_cuda_launch_replace(const struct wn_cuda_replace *r, struct CUstream_st *stream);

/* ---- statistics.cu ---- */
/* Mean and unbiased variance of the masks of all foils (see wn_stack_statistics): each foil's contrast is base less
 * its own map, but that of `heavy` (-1: none), which is `exact`. Tables of taps have two entries a cell, and the
 * share of the second. scratch: foil (K,h,w), low (K), scale (K). All sums run in the order of the classes. */
struct wn_cuda_foils {
    int classes, target, heavy, h, w, height, width; /* heavy: -1, or the foil whose contrast is exact */
    const float *maps, *base, *exact;                /* maps: (K,h,w) by the two strides below; base, exact: (h,w) */
    int map_class, map_position;                     /* elements between classes, and between positions */
    const int32_t *down_index, *across_index;        /* (height,2), (width,2) */
    const float *down_share, *across_share;
    float *foil, *low;
    double *scale;
    float *mean, *variance; /* (height,width) */
    int *empty;             /* foils without a mask */
};
void wn_cuda_launch_foils(const struct wn_cuda_foils *f, struct CUstream_st *stream);

/* ---- seeds.cu ---- */
#define WN_CUDA_SHARED_BYTES (48 << 10)
/* struct wn_seed_row as it lies on the device. */
struct wn_cuda_seed {
    struct wn_seed_form form;
    /* sets: where in the list of sets its targets begin, behind them its foils */
    int image, target, sets, n_targets, n_foils;
    float value;
};
struct wn_cuda_seeds {
    const float *logits; /* (N,K) */
    int classes, rows;
    const struct wn_cuda_seed *question; /* R */
    const int *sets;
    float *seed, *score; /* (R,K), (R): v.y */
    int *target, *foil;  /* R: as resolved; foil -1 where there is not one */
};
/* False where the classes are too many for a block's memory: the host's code makes those. */
bool wn_cuda_launch_seeds(const struct wn_cuda_seeds *d, struct CUstream_st *stream);

#ifdef __cplusplus
}
#endif
#endif
