/* The oracle inside: what the files of this backend share, and two doors for tests. Knows no other backend. */
#ifndef WN_KERNELS_REF_H
#define WN_KERNELS_REF_H

#include <whynot/backend.h>

extern const struct wn_backend_impl wn_backend_ref;

/* An operand of a step; data is NULL where the operand is left out. */
struct wn_ref_tensor {
    double *data; /* row-major, wn_shape_count(&shape) elements */
    struct wn_shape shape;
};

/* Runs one step: the operands are the step's own, in its order, and every output is written in full.
 * Allocates nothing. Fails only for what a value holds (a row that names no image), never for a shape. */
typedef enum wn_code wn_ref_runner(const struct wn_step *step, const struct wn_ref_tensor *in,
                                   const struct wn_ref_tensor *out, struct wn_error *err);

wn_ref_runner wn_ref_conv, wn_ref_conv_bwd;                                                /* conv.c */
wn_ref_runner wn_ref_maxpool, wn_ref_maxpool_bwd, wn_ref_avgpool, wn_ref_avgpool_bwd;      /* pool.c */
wn_ref_runner wn_ref_matmul, wn_ref_channel_dot;                                           /* matmul.c */
wn_ref_runner wn_ref_unary, wn_ref_unary_bwd, wn_ref_secant, wn_ref_binary, wn_ref_reduce; /* elementwise.c */
wn_ref_runner wn_ref_copy, wn_ref_reshape, wn_ref_concat, wn_ref_axis_map, wn_ref_gather;  /* move.c */

/* Applies a fused activation (kind WN_UNARY_COUNT: none) in place. */
void wn_ref_activate(const struct wn_act *act, double *x, int64_t n);

/* ---- a sliding window over planes, one to three spatial axes seen as three (window.c) ---- */

/* One spatial axis; an axis that is not there has length, kernel and stride 1. */
struct wn_ref_axis {
    int64_t in, out; /* cells of the wide side (x) and of the narrow side (y) */
    int64_t kernel, stride, dilation, pad;
};
struct wn_ref_window {
    struct wn_ref_axis axis[WN_MAX_SPATIAL];
    int64_t in_plane, out_plane, taps; /* cells of a plane of x, of y, and of the kernel */
};
struct wn_ref_window wn_ref_window_of(const struct wn_window *win, const struct wn_shape *x, const struct wn_shape *y);
/* Tap k reads x cell p*stride + *shift from output p; [*begin, *end) are the outputs for which that cell exists. */
void wn_ref_axis_reach(const struct wn_ref_axis *axis, int64_t k, int64_t *shift, int64_t *begin, int64_t *end);

/* ---- for tests of gradients: the values as they are held ---- */

/* Sets any value that is not a constant; the next run of the step that makes a value overwrites it. */
enum wn_code wn_ref_write_double(struct wn_exe *exe, int value, const double *src, struct wn_error *err);
/* Reads any value that a step of the program makes or reads. */
enum wn_code wn_ref_read_double(struct wn_exe *exe, int value, double *dst, struct wn_error *err);

#endif
