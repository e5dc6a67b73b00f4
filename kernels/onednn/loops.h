/* Loops of our own over buffers in memory, for what oneDNN lacks or does slowly; they know strides, no programs.
 *
 * Every loop is called as loop(spec, p): spec is the struct that the loop's comment names, p the buffers in the order
 * it names. Strides are in elements, axes in logical order unless said. None allocates. */
#ifndef WN_ONEDNN_LOOPS_H
#define WN_ONEDNN_LOOPS_H

#include <whynot/program.h>

enum wn_dnn_type { WN_DNN_F32, WN_DNN_BF16 };

/* A tensor as it lies in memory: logical axes with their physical strides. */
struct wn_dnn_tensor {
    enum wn_dnn_type type;
    int rank;
    bool channels_last;
    int64_t dim[WN_MAX_RANK], stride[WN_MAX_RANK];
};

size_t wn_dnn_tensor_bytes(const struct wn_dnn_tensor *t);
int64_t wn_dnn_tensor_count(const struct wn_dnn_tensor *t);
size_t wn_dnn_type_bytes(enum wn_dnn_type type);

typedef void wn_dnn_loop(const void *spec, void *const *p);

/* A nest of loops over up to three operands, operand 0 the one written. */
#define WN_DNN_NEST_MAX (WN_MAX_RANK + 2)
struct wn_dnn_nest {
    int rank;
    int64_t extent[WN_DNN_NEST_MAX], stride[3][WN_DNN_NEST_MAX], offset[3];
};
/* Sorts axes by the written operand's stride, drops those of length 1, merges what is contiguous; at least rank 1. */
void wn_dnn_nest_tidy(struct wn_dnn_nest *n);

/* y, x: y[..] = x[..] over the nest, y filled before where it is not covered. */
struct wn_dnn_copy {
    struct wn_dnn_nest nest;
    enum wn_dnn_type x, y;
    bool fills;
    float fill;
    int64_t y_count;
};
wn_dnn_loop wn_dnn_loop_copy;

/* y, a, b */
struct wn_dnn_binary {
    struct wn_dnn_nest nest;
    enum wn_binary kind;
};
wn_dnn_loop wn_dnn_loop_binary;

/* y, a, b: y[r,c] = a[r*step[0] + from[0] + c] + b[r*step[1] + from[1] + c], rows of C channels; y dense, all of one
 * type */
struct wn_dnn_sum {
    int64_t rows, channels, from[2], step[2];
    enum wn_dnn_type type;
};
wn_dnn_loop wn_dnn_loop_sum;

/* unary: y, x, f32; backward: dx, dy, z, f32 or bf16; all dense. */
struct wn_dnn_unary {
    struct wn_act act;
    int64_t count;
    bool bf16; /* backward alone */
};
wn_dnn_loop wn_dnn_loop_unary, wn_dnn_loop_unary_bwd, wn_dnn_loop_relu_bwd_bf16, wn_dnn_loop_secant;

/* y, x: y[c] = act(x[c] * scale[c] + shift[c]) for rows of C channels; p: y, x, scale, shift */
struct wn_dnn_affine {
    int64_t rows, channels;
    enum wn_dnn_type type;
    bool relu;
};
wn_dnn_loop wn_dnn_loop_affine;

/* y, x: the nest runs over kept axes (operand 0 y, 1 x), `over` over the reduced ones (operand 1 x). */
struct wn_dnn_reduce {
    struct wn_dnn_nest nest, over;
    enum wn_reduce kind;
    int64_t count;
};
wn_dnn_loop wn_dnn_loop_reduce;

/* y, x0, x1, ...: blocks of bytes in turn, `outer` times. */
struct wn_dnn_concat {
    int n;
    int64_t outer;
    size_t y_bytes;
    size_t block[]; /* n */
};
wn_dnn_loop wn_dnn_loop_concat;

/* y, x: taps along one axis; the nest runs over the other axes. */
struct wn_dnn_axis_map {
    struct wn_dnn_nest nest;
    struct wn_taps taps;
    int64_t x_stride, y_stride;
};
wn_dnn_loop wn_dnn_loop_axis_map;

/* y, x, row: y[r] = x[row[r]], blocks of bytes. */
struct wn_dnn_gather {
    int64_t images, rows;
    size_t block;
};
wn_dnn_loop wn_dnn_loop_gather;

/* y, a, g: sums over channels. */
struct wn_dnn_dot {
    enum wn_dnn_type a_type;
    int64_t rows, channels, pixels;
    int64_t a[3], g[3], y[2]; /* strides of (R, C, pixel), (R, pixel) */
};
wn_dnn_loop wn_dnn_loop_dot;

/* Windows: channels-last, three spatial axes (leading ones of length 1). Max forward: y, index (or NULL), x. Max
 * backward: dx, dy, index. Average: y, x; backward dx, dy. */
struct wn_dnn_pool {
    int64_t n, c, in[3], out[3], kernel[3], stride[3], dilation[3], pad[3];
    bool count_pad, bf16_x; /* max forward: both x and y are, and there is an index */
};
wn_dnn_loop wn_dnn_loop_maxpool, wn_dnn_loop_maxpool_bwd, wn_dnn_loop_avgpool, wn_dnn_loop_avgpool_bwd;

/* The gradient of a convolution at its input of few channels; p: dx, dy, filter, scratch. dx, dy channels-last, no
 * groups, no dilation; w: the filter's strides of (O, C, kh, kw). */
struct wn_dnn_picture {
    int64_t n, c, o, in[2], out[2], kernel[2], stride[2], pad[2], w[4];
};
wn_dnn_loop wn_dnn_loop_picture;
size_t wn_dnn_picture_scratch(const struct wn_dnn_picture *q); /* bytes */

/* y(m,n) = mask(m) w(m,k) b(k,n), all dense, n >= 16; rows of w whose mask is 0 and rows of b that are all 0 are
 * left out. p: y, w, b, mask or NULL, scratch. */
struct wn_dnn_product {
    int64_t m, k, n;
};
wn_dnn_loop wn_dnn_loop_product;
size_t wn_dnn_product_scratch(const struct wn_dnn_product *q); /* bytes */

/* y, a, b, bias (or NULL): y[j] = act(sum_k a[k] b[k,j] + bias[j]); columns: b lies (k, j), else (j, k). */
struct wn_dnn_gemv {
    int64_t k, n, ldb;
    bool columns, has_bias;
    enum wn_dnn_type b_type;
    struct wn_act act;
};
wn_dnn_loop wn_dnn_loop_gemv;
/* body(spec, p, i) for all i below n; side by side where that is worth it. One thread alone does not enter OpenMP,
 * whose library ends the process when it gets no memory for a team. */
void wn_dnn_for(int64_t n, bool worth, void (*body)(const void *spec, void *const *p, int64_t i), const void *spec,
                void *const *p);

/* bf16 from and to f32, round to nearest even. */
void wn_dnn_widen(float *y, const uint16_t *x, int64_t n);
void wn_dnn_narrow(uint16_t *y, const float *x, int64_t n);
void wn_dnn_apply(const struct wn_act *act, float *y, const float *x, int64_t n);

#endif
