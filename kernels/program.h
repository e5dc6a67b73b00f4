/* The program inside, for the builder, the backward pass and the optimiser. Private to kernels/. */
#ifndef WN_KERNELS_PROGRAM_H
#define WN_KERNELS_PROGRAM_H

#include <whynot/program.h>

struct wn_program {
    struct wn_error error; /* sticky */
    struct wn_value *values;
    int n_values, cap_values;
    struct wn_step *steps;
    int n_steps, cap_steps;
    struct wn_stage *stages;
    int n_stages;
    void **blocks; /* operand lists and tap tables: freed in one place */
    int n_blocks, cap_blocks;
};

/* ---- backward.c: reverse mode over the primitives ---- */

/* How rows (questions) find their image. With row == WN_NONE row r asks about image r and R == N: nothing is gathered. */
struct wn_rows {
    int row;       /* value (R): image of each row, or WN_NONE */
    int64_t count; /* R */
};

/* Appends the gradient of sum(seed * from) with respect to `to`. seed has `from`'s shape with R in place of N; the
 * result has `to`'s shape with R in place of N. Fails with WN_UNSUPPORTED naming a primitive without a derivative, and with
 * WN_NO_SUCH_LAYER where `from` does not depend on `to`. */
int wn_backward(struct wn_program *p, int from, int seed, int to, struct wn_rows rows);
/* A forward value as the rows see it: gathered to (R,...) where it is batched and rows.row says so. */
int wn_rows_of(struct wn_program *p, int value, struct wn_rows rows);
/* (R,C,s..) -> (R,C,1..): mean over the spatial axes of a gradient. Pushed through the steps that made the gradient wherever
 * the sum is known without it (broadcasts, pools, reshaped products with a weight summed in advance, 1x1 convolutions), so that the
 * gradient itself is often never made: the closed forms of CAM and of VGG's head come out of this one rule. */
int wn_channel_mean(struct wn_program *p, int gradient);

#endif
