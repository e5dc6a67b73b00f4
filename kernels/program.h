/* The program inside, for the builder, the backward pass and the optimiser. Private to kernels/. */
#ifndef WN_KERNELS_PROGRAM_H
#define WN_KERNELS_PROGRAM_H

#include <whynot/program.h>

/* Where weights derived while a program is built come from: wn_graph_weight, so that they are made once per model.
 * Without one the program makes and owns them. make: fills count(shape) floats from arg. */
struct wn_weight_source {
    const struct wn_weight *(*get)(void *ctx, const char *key, const struct wn_shape *shape,
                                   void (*make)(float *dst, const void *arg), const void *arg, struct wn_error *err);
    void *ctx;
};

/* Which node of a file a step stands for: strings that outlive the program. Both NULL: none. */
struct wn_origin {
    const char *name, *op;
};

struct wn_program {
    struct wn_error error;     /* sticky */
    struct wn_origin origin;   /* of the steps that are appended from now on */
    struct wn_origin about;    /* whose step is looked at: what is refused now is refused in its name */
    struct wn_origin *origins; /* [n_steps], until the program is optimised */
    int cap_origins;
    struct wn_weight_source weights;
    struct wn_value *values;
    int n_values, cap_values;
    struct wn_step *steps;
    int n_steps, cap_steps;
    struct wn_stage *stages;
    int n_stages;
    void **blocks; /* operand lists and tap tables: freed in one place */
    int n_blocks, cap_blocks;
};

/* ---- program.c: storage. Appending moves the arrays: copy a step before. ---- */

bool wn_shape_fits(const struct wn_shape *s); /* in memory and in the 32-bit indices of a device */
/* Numpy broadcasting of two shapes; false if they do not fit. */
bool wn_shape_broadcast(const struct wn_shape *a, const struct wn_shape *b, struct wn_shape *y);
/* Whether a value of that number exists; else the failure is set. */
bool wn_program_has(struct wn_program *p, int value);
/* A copy of `bytes` that lives as long as the program; NULL with the failure set. */
void *wn_program_block(struct wn_program *p, const void *src, size_t bytes);
int wn_program_add_value(struct wn_program *p, struct wn_value v);
/* Appends a step with one result of shape y (and room for a second); the step's attributes are in `proto`. Returns
 * the result. */
int wn_program_add_step(struct wn_program *p, struct wn_step proto, const int *in, int n_in, const struct wn_shape *y);

void wn_program_use_weights(struct wn_program *p, struct wn_weight_source source);
/* The value of a derived weight, or -1. key names what it is made from. */
int wn_program_derive(struct wn_program *p, const char *key, const struct wn_shape *shape,
                      void (*make)(float *dst, const void *arg), const void *arg);
/* turn.c: makes the step, where it is a gradient of a convolution with stride 1, a constant filter, more input
 * channels than a picture has and even padding that lies within the kernel, the convolution that it is. False: it
 * stays what it was, and the failure, if there was one, is set. */
bool wn_program_turn(struct wn_program *p, int step);
/* Where a program stood, so that a formula that failed can be taken back: nothing but what was appended since is
 * lost. */
struct wn_mark {
    int values, steps, stages;
};
struct wn_mark wn_program_mark(const struct wn_program *p);
/* Takes back everything since the mark and moves the failure, if there is one, to *why. */
void wn_program_rewind(struct wn_program *p, struct wn_mark mark, struct wn_error *why);
/* First step of the stage that is open. */
int wn_program_open_stage(const struct wn_program *p);

/* ---- backward.c: reverse mode over the primitives ---- */

/* How rows (questions) find their image. With row == WN_NONE row r asks about image r and R == N: nothing is
 * gathered. */
struct wn_rows {
    int row;       /* value (R): image of each row, or WN_NONE */
    int64_t count; /* R */
};

/* Appends the gradient of sum(seed * from) with respect to `to`. seed has `from`'s shape with R in place of N; the
 * result has `to`'s shape with R in place of N. Fails with WN_UNSUPPORTED naming a primitive without a derivative,
 * and with WN_NO_SUCH_LAYER where `from` does not depend on `to`. */
int wn_backward(struct wn_program *p, int from, int seed, int to, struct wn_rows rows);
/* A backward pass with rules of its own (relevance, multipliers): one step as such a rule sees it. */
struct wn_bent {
    struct wn_program *p;
    const struct wn_step *step; /* of the forward pass */
    int dy;                     /* signal at the step's first result, (R,..) */
    struct wn_rows rows;
    void *rule;        /* what was handed to wn_backward_bent */
    struct pass *pass; /* backward.c's own */
};
/* Asked for every step on the way, the last one first. Returns the signal at the step's result that its plain
 * derivative goes on with, dy itself where the rule has nothing to say; or WN_NONE, after the rule has given each
 * operand its signal, or after a failure. */
typedef int wn_bend(const struct wn_bent *at);
int wn_backward_bent(struct wn_program *p, int from, int seed, int to, struct wn_rows rows, wn_bend *bend, void *rule);
/* Whether a signal is wanted at an operand: the way to `to` leads through it. */
bool wn_bent_wants(const struct wn_bent *at, int value);
/* Adds to the signal at an operand; of its shape as the rows see it, which is this. */
void wn_bent_give(const struct wn_bent *at, int value, int signal);
struct wn_shape wn_bent_shape(const struct wn_bent *at, int value);
/* A forward value as the rows see it: gathered to (R,...) where it is batched and rows.row says so. */
int wn_rows_of(struct wn_program *p, int value, struct wn_rows rows);
/* (R,C,s..) -> (R,C,1..): mean over the spatial axes of a gradient. Pushed through the steps that made the gradient
 * wherever the sum is known without it (broadcasts, pools, reshaped products with a weight summed in advance, 1x1
 * convolutions), so that the gradient itself is often never made: the closed forms of CAM and of VGG's head come out
 * of this one rule. */
/* formula.c: a value without lo and hi cells of each of its plane's `rank` axes; itself where that is none. */
int wn_crop(struct wn_program *p, int v, const int64_t *lo, const int64_t *hi, int rank);
int wn_channel_mean(struct wn_program *p, int gradient);
/* A constant of rank 2 or more, (K, channels*area) row-major or transposed (channels*area, K), summed over the area
 * once per model: (K, channels). With an area of 1 the weight as a matrix. */
int wn_summed_weight(struct wn_program *p, int weight, bool transposed, int64_t channels, int64_t area);
const char *wn_unary_name(enum wn_unary kind);
/* Whether the derivative is written in terms of the output (so that a fused activation keeps no input). */
bool wn_unary_from_output(enum wn_unary kind);

/* ---- forward_mode.c: forward mode over the primitives ---- */

/* Appends the Grad-CAM maps of every logit at a layer (N,C,h,w): (N,K,h,w). Map s at cell t is how logit s moves
 * when each channel's whole plane moves by its activation at t, over h*w; so h*w directions an image are pushed
 * through the tail at once, most of the way as one number a plane. Fails with WN_UNSUPPORTED where a step has no
 * rule or does not keep the images apart, or where planes would have to be spread over their cells for more than
 * most_directions directions of an image, or for more of all images than memory is meant for (fewer images may go);
 * WN_NO_SUCH_LAYER where the logits do not depend on the layer. */
int wn_forward_stack(struct wn_program *p, int layer, int logits, int64_t most_directions);
/* The same for the linear approximation: in direction t all channels move by themselves at cell t, and nowhere else.
 * Such directions stay apart until a mean over space, so there are rules for pooled heads only. */
int wn_forward_stack_of_cells(struct wn_program *p, int layer, int logits, int64_t most_directions);

#endif
