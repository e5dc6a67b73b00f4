/* A program: a flat list of primitive steps over numbered f32 values. The only thing a backend ever sees.
 *
 * ONNX operators lower into it, the backward pass and the attribution methods append to it. Every builder returns
 * the number of the value it made (>= 0) or -1; a failure sticks to the program, a builder given -1 returns -1, and
 * the whole formula is checked once at the end with wn_program_error. So a formula reads as a formula.
 *
 * Values are logically row-major (N, C, spatial...) f32, rank 0 to WN_MAX_RANK; how a backend lays them out, and in
 * which precision, is its own affair. Shape letters: N images, R rows (questions), C channels, H, W, K classes. */
#ifndef WHYNOT_PROGRAM_H
#define WHYNOT_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <whynot/error.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WN_MAX_RANK 6
#define WN_MAX_SPATIAL 3
#define WN_NONE (-1) /* "no value": an operand that is left out */
/* at most; gradients of convolutions at so few stay gradients: a backend may have a way of its own for them */
#define WN_PICTURE_CHANNELS 4

struct wn_shape {
    int rank;
    int64_t dim[WN_MAX_RANK];
};

WN_API struct wn_shape wn_shape_of(int rank, const int64_t *dim);
WN_API int64_t wn_shape_count(const struct wn_shape *s); /* number of elements; 1 for rank 0 */
WN_API bool wn_shape_equal(const struct wn_shape *a, const struct wn_shape *b);

/* A constant: owned by the model's weight store, outlives every program; its address is its identity, so a backend
 * uploads or reorders it once and shares it between programs. */
struct wn_weight {
    struct wn_shape shape;
    const float *data; /* row-major */
    const char *name;
};

/* Kinds of elementwise function: unary.def holds the arithmetic. `z` in the derivative is the output y where the row
 * says FROM_Y (so that a fused activation needs no pre-activation), else the input x. */
enum wn_unary {
#define X(id, name, from, fwd, bwd) WN_UNARY_##id,
#include <whynot/unary.def>
#undef X
    WN_UNARY_COUNT
};

enum wn_binary {
    WN_BINARY_ADD,
    WN_BINARY_SUB,
    WN_BINARY_MUL,
    WN_BINARY_DIV,
    WN_BINARY_POW,
    WN_BINARY_MAX,
    WN_BINARY_MIN
};
enum wn_reduce { WN_REDUCE_SUM, WN_REDUCE_MEAN, WN_REDUCE_MAX };

/* Sliding window of convolutions and pools. Only the first `rank` entries of each array count.
 *
 * Output length: floor((in + pad_lo + pad_hi - dilation*(kernel-1) - 1) / stride) + 1, so that no window reaches
 * beyond the padded input. ONNX's ceil_mode is a larger pad_hi. An average pool divides by the cells of the window
 * inside the input, or with count_pad by all of them, padding included: the case in which ONNX counts the padding
 * but not what ceil_mode adds to it is for the operator to express (a sum pool times constants). A window of nothing
 * but padding gives an average of 0 and a maximum of -infinity, whose index is -1 and whose gradient goes nowhere. */
struct wn_window {
    int rank; /* spatial axes: 1 to 3 */
    int64_t kernel[WN_MAX_SPATIAL], stride[WN_MAX_SPATIAL], dilation[WN_MAX_SPATIAL];
    int64_t pad_lo[WN_MAX_SPATIAL], pad_hi[WN_MAX_SPATIAL];
};

/* One tap table of an axis map: output j of the axis is sum over t < taps of weight[j*taps+t] *
 * input[index[j*taps+t]]. An index of -1 contributes nothing. Owned by the program. */
struct wn_taps {
    int64_t in, out; /* length of the axis before and after */
    int taps;
    const int32_t *index; /* out*taps */
    const float *weight;  /* out*taps */
};

/* Strided copy, for walks over x that visit no element twice except by a stride of 0: y is filled with `fill`, then
 * for every multi-index i < extent
 *     y[y_offset + sum i_d*y_stride_d] = x[x_offset + sum i_d*x_stride_d]
 * in elements of the row-major values. Carries transpose, slice, split, padding with a constant, broadcast, and the
 * gradients of all of these. No two i may meet in one y. */
struct wn_copy {
    int rank;
    int64_t extent[WN_MAX_RANK];
    int64_t x_offset, x_stride[WN_MAX_RANK]; /* a stride may be 0 or negative */
    int64_t y_offset, y_stride[WN_MAX_RANK];
    float fill;
};

/* Two inputs of an activation that lie no further apart are one: between them a quotient would be of roundings. In
 * single precision that is so between inputs that lie somewhat further apart, too: kernels/secant_f32.h. */
#define WN_SECANT_APART 1e-7

/* The primitives: identifier, name, what in[] and out[] hold. */
#define WN_PRIMS(X)                                                                                                    \
    X(CONV, "conv",                                                                                                    \
      "x, w (O,C/g,k..), bias (O) or none, residual (y's shape) or none -> y: act(conv(x,w)+bias+residual)")           \
    X(CONV_BWD, "conv_bwd", "dy, w (O,C/g,k..), bias (C) or none -> dx; also a transposed convolution's forward")      \
    X(MAXPOOL, "maxpool", "x -> y, index; index: offset of the winner in its (N,C) plane, first one on a tie")         \
    X(MAXPOOL_BWD, "maxpool_bwd", "dy, index -> dx")                                                                   \
    X(AVGPOOL, "avgpool", "x -> y")                                                                                    \
    X(AVGPOOL_BWD, "avgpool_bwd", "dy -> dx")                                                                          \
    X(MATMUL, "matmul", "a, b, bias (last axis of y) or none -> y: act(op(a) op(b) + bias), ranks 2 or 3")             \
    X(UNARY, "unary", "x -> y")                                                                                        \
    X(UNARY_BWD, "unary_bwd", "dy, z -> dx; z is y or x as unary.def says")                                            \
    X(SECANT, "secant", "dy, x, x0 -> dx: dy (f(x) - f(x0))/(x - x0); f'(x) where these are not WN_SECANT_APART")      \
    X(BINARY, "binary", "a, b -> y, with numpy broadcasting")                                                          \
    X(REDUCE, "reduce", "x -> y, the axes in the mask kept with length 1")                                             \
    X(COPY, "copy", "x -> y, strided")                                                                                 \
    X(RESHAPE, "reshape", "x -> y, same elements in row-major order")                                                  \
    X(CONCAT, "concat", "x0, x1, ... -> y along one axis")                                                             \
    X(AXIS_MAP, "axis_map", "x -> y, a table of taps along one axis")                                                  \
    X(GATHER, "gather", "x (N,..), row (R) -> y (R,..): y[r] = x[row[r]], row holds whole numbers")                    \
    X(CHANNEL_DOT, "channel_dot", "a (R,C,s..), g (R,C,s.. or R,C,1..) -> y (R,1,s..): sum over channels of a*g")

enum wn_prim {
#define X(id, name, doc) WN_PRIM_##id,
    WN_PRIMS(X) WN_PRIM_COUNT
#undef X
};

/* Activation fused behind a convolution or a product; kind WN_UNARY_COUNT means none. */
struct wn_act {
    enum wn_unary kind;
    float alpha, beta;
};

struct wn_step {
    enum wn_prim prim;
    int n_in;
    int *in; /* value numbers, WN_NONE where an operand is left out */
    int n_out;
    int out[2];
    union {
        struct {
            struct wn_window win;
            int64_t groups;
            struct wn_act act;
        } conv; /* CONV, CONV_BWD (there act is none) */
        struct {
            struct wn_window win;
            bool count_pad; /* average pools: divide by the whole window, padding included */
        } pool;
        struct {
            bool trans_a, trans_b;
            struct wn_act act;
        } matmul;
        struct wn_act unary; /* UNARY, UNARY_BWD, SECANT: kind, alpha, beta */
        enum wn_binary binary;
        struct {
            enum wn_reduce kind;
            unsigned axes; /* bit d: axis d is reduced */
        } reduce;
        struct wn_copy copy;
        struct {
            int axis;
        } concat;
        struct {
            int axis;
            struct wn_taps taps;
        } map;
    } u;
};

enum wn_value_kind { WN_VALUE_INPUT, WN_VALUE_CONST, WN_VALUE_STEP };

struct wn_value {
    enum wn_value_kind kind;
    struct wn_shape shape;
    const struct wn_weight *weight; /* WN_VALUE_CONST */
    int step;                       /* WN_VALUE_STEP: the step that makes it, -1 once the optimiser has removed it */
    bool batched;                   /* axis 0 is the batch: depends on a batched input */
    bool readable;                  /* wn_program_output was called on it */
};

/* A stage is a range of steps that is run as a whole; stage 0 is the forward pass. Values used in a later stage than
 * the one that makes them, inputs and readable values stay until they are overwritten by the next run of their own
 * stage. */
struct wn_stage {
    int begin, end; /* steps [begin, end) */
};

struct wn_program; /* opaque to users of the library; backends read it through the functions below */

WN_API enum wn_code wn_program_create(struct wn_program **out, struct wn_error *err);
WN_API void wn_program_destroy(struct wn_program *p); /* NULL is fine */
/* WN_OK, or the first failure of any builder, copied to err. */
WN_API enum wn_code wn_program_error(const struct wn_program *p, struct wn_error *err);
/* A failure found by whoever builds (a method, an operator): sticks like a builder's own. Returns -1. */
WN_API int wn_program_fail(struct wn_program *p, enum wn_code code, const char *fmt, ...) WN_PRINTF(3, 4);

WN_API int wn_program_values(const struct wn_program *p);
WN_API const struct wn_value *wn_program_value(const struct wn_program *p, int value);
WN_API int wn_program_steps(const struct wn_program *p);
WN_API const struct wn_step *wn_program_step(const struct wn_program *p, int step);
WN_API int wn_program_stages(const struct wn_program *p);
WN_API struct wn_stage wn_program_stage(const struct wn_program *p, int stage);
WN_API const char *wn_prim_name(enum wn_prim prim);
/* Prints one line a step, for people: shapes, attributes, stages. Returns malloc'd text (caller's) or NULL. */
WN_API char *wn_program_text(const struct wn_program *p);

/* Closes the current stage and opens the next; returns the number of the stage that was closed. */
WN_API int wn_program_end_stage(struct wn_program *p);
/* Marks a value that the host reads after a run. Returns the value. */
WN_API int wn_program_output(struct wn_program *p, int value);

/* ---- leaves ---- */
WN_API int wn_program_input(struct wn_program *p, struct wn_shape shape, bool batched);
WN_API int wn_program_const(struct wn_program *p, const struct wn_weight *w); /* the same weight gives the same value */

/* ---- primitives; shapes are inferred and checked ---- */
WN_API int wn_conv(struct wn_program *p, int x, int w, int bias, const struct wn_window *win, int64_t groups);
/* x_shape: shape of the result (N taken from dy). */
WN_API int wn_conv_bwd(struct wn_program *p, int dy, int w, int bias, const struct wn_window *win, int64_t groups,
                       const struct wn_shape *x_shape);
/* index: NULL or its value */
WN_API int wn_maxpool(struct wn_program *p, int x, const struct wn_window *win, int *index);
WN_API int wn_maxpool_bwd(struct wn_program *p, int dy, int index, const struct wn_window *win,
                          const struct wn_shape *x_shape);
WN_API int wn_avgpool(struct wn_program *p, int x, const struct wn_window *win, bool count_pad);
WN_API int wn_avgpool_bwd(struct wn_program *p, int dy, const struct wn_window *win, bool count_pad,
                          const struct wn_shape *x_shape);
/* Ranks 2 or 3; a batch axis of length 1 is broadcast. bias: (n) or WN_NONE. */
WN_API int wn_matmul(struct wn_program *p, int a, bool trans_a, int b, bool trans_b, int bias);
WN_API int wn_unary(struct wn_program *p, enum wn_unary kind, int x, float alpha, float beta);
WN_API int wn_unary_bwd(struct wn_program *p, enum wn_unary kind, int dy, int z, float alpha, float beta);
/* The slope of an activation between two of its inputs, all of one shape: what chains like a derivative where a change
 * is explained and not a point (Shrikumar et al. 2017, rescale rule). */
WN_API int wn_secant(struct wn_program *p, enum wn_unary kind, int dy, int x, int x0, float alpha, float beta);
WN_API int wn_binary(struct wn_program *p, enum wn_binary kind, int a, int b);
WN_API int wn_reduce(struct wn_program *p, enum wn_reduce kind, int x, unsigned axes);
WN_API int wn_copy(struct wn_program *p, int x, const struct wn_shape *y_shape, const struct wn_copy *copy);
WN_API int wn_reshape(struct wn_program *p, int x, const struct wn_shape *shape);
WN_API int wn_concat(struct wn_program *p, const int *x, int n, int axis);
/* Copies the table. */
WN_API int wn_axis_map(struct wn_program *p, int x, int axis, const struct wn_taps *taps);
WN_API int wn_gather(struct wn_program *p, int x, int row);
WN_API int wn_channel_dot(struct wn_program *p, int a, int g);

/* ---- short formulas over the primitives ---- */
WN_API int wn_relu(struct wn_program *p, int x);
WN_API int wn_add(struct wn_program *p, int a, int b);
WN_API int wn_mul(struct wn_program *p, int a, int b);
WN_API int wn_linear(struct wn_program *p, int x, float scale, float shift); /* scale*x + shift */
WN_API int wn_transpose(struct wn_program *p, int x, const int *perm);
/* y = x[start : ... : step] on one axis, `count` elements; step may be negative. */
WN_API int wn_slice(struct wn_program *p, int x, int axis, int64_t start, int64_t count, int64_t step);
WN_API int wn_pad(struct wn_program *p, int x, const int64_t *lo, const int64_t *hi, float fill); /* negative crops */
WN_API int wn_expand(struct wn_program *p, int x, const struct wn_shape *shape); /* numpy broadcast to shape */
/* Sum of the gradient over the axes that broadcasting `shape` -> x's shape added or stretched. */
WN_API int wn_reduce_to(struct wn_program *p, int x, const struct wn_shape *shape);

/* ---- programs as a whole ---- */
/* Removes steps that no output needs, makes gradients of convolutions with stride 1 convolutions, fuses conv/matmul
 * + bias + addition + activation. Value numbers stay valid for inputs, constants and outputs; a value that is gone
 * has step -1. Call once, after everything is appended. */
WN_API enum wn_code wn_program_optimize(struct wn_program *p, struct wn_error *err);

#ifdef __cplusplus
}
#endif
#endif
