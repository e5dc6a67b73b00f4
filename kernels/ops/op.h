/* What an ONNX operator's file sees: its node, its operands, and the builders of program.h.
 *
 * One file an operator (or a family that shares its arithmetic), one row in ops.def. An operator lowers its forward
 * pass into primitives; the backward pass is made from the primitives (backward.c), so an operator has nothing to
 * say about it.
 *
 * Each ONNX value has become a *slot*: a constant tensor on the host, or a value of the program. The wn_slot_
 * functions take either: constants are computed here and now, values by appended primitives, so a formula is written
 * once and an exporter's shape arithmetic folds away by itself. A failed function gives a slot that is neither,
 * every function passes it on, and wn_op_set reports it, so a formula reads as a formula. */
#ifndef WN_KERNELS_OP_H
#define WN_KERNELS_OP_H

#include "../fold.h"
#include "../graph.h"
#include "../program.h"

struct wn_slot {
    const struct wn_tensor *tensor; /* constant: its elements; else NULL */
    const char *key; /* constant that is the graph's own: unique in the graph; NULL: made while lowering */
    int value;       /* value of the program, or WN_NONE */
};
#define WN_NO_SLOT ((struct wn_slot){.value = WN_NONE})

/* One lowering under way. Operators read `graph->opset` and leave the rest to the functions below. */
struct wn_lower {
    struct wn_graph *graph;
    struct wn_program *program;
    struct wn_error *err;
    int64_t images;             /* N; 0 where values have no batch axis */
    const struct wn_node *node; /* being lowered; NULL between nodes */
    struct wn_slot *slots;      /* by value number */
    int n_slots, cap_slots;
    struct wn_node *nodes;   /* the graph's, as rewritten by the plan; op NULL: nothing left to do */
    int *operands;           /* operand lists of rewritten nodes */
    struct wn_tensor **made; /* tensors made while lowering; owned */
    int n_made, cap_made;
    int64_t host_elements; /* of all of them, bounded by the limits */
};

struct wn_op {
    const char *name;
    /* Reads operands, appends primitives, sets outputs. Failures through wn_op_fail. Returns false on failure. */
    bool (*lower)(struct wn_lower *lo, const struct wn_node *node);
};

/* The operator table (ops.def); NULL if there is none of that name. */
const struct wn_op *wn_op_find(const char *name);
const struct wn_op *wn_op_at(int i); /* NULL past the end */

/* ---- failures ---- */

/* What a node is called in words: its own name, else that of its first output. NULL: it has neither. */
const char *wn_node_name(const struct wn_graph *g, const struct wn_node *node);
/* "node 'name' (Op): ...". Always false. */
bool wn_op_fail(struct wn_lower *lo, enum wn_code code, const char *fmt, ...) WN_PRINTF(3, 4);
/* The same where a slot is to be returned. */
struct wn_slot wn_slot_fail(struct wn_lower *lo, enum wn_code code, const char *fmt, ...) WN_PRINTF(3, 4);

/* ---- operands ---- */

bool wn_op_has(const struct wn_lower *lo, int i);
/* Input i; fails if it was left out. */
struct wn_slot wn_op_in(struct wn_lower *lo, int i);
/* Input i as a value of the program: a float constant becomes a constant of the program. WN_NONE on failure. */
int wn_op_value(struct wn_lower *lo, int i);
/* Input i as a constant; NULL on failure ("'what' must be a constant"). */
const struct wn_tensor *wn_op_constant(struct wn_lower *lo, int i, const char *what);
/* Input i as a list of whole numbers: at most `max`, written to dst. False on failure. */
bool wn_op_whole(struct wn_lower *lo, int i, const char *what, int64_t *dst, int max, int *n);

/* ---- attributes ---- */

const struct wn_attr *wn_op_attr(const struct wn_lower *lo, const char *name); /* NULL if it is not there */
int64_t wn_op_int(const struct wn_lower *lo, const char *name, int64_t otherwise);
float wn_op_float(const struct wn_lower *lo, const char *name, float otherwise);
const char *wn_op_string(const struct wn_lower *lo, const char *name, const char *otherwise);
/* A list of at most `max` (fails if longer); *n = -1 if the attribute is not there. */
bool wn_op_ints(struct wn_lower *lo, const char *name, int64_t *dst, int max, int *n);
/* A list of whole numbers: an attribute before opset `since`, input i from then on; *n = -1 where left out. */
bool wn_op_list(struct wn_lower *lo, const char *name, int since, int i, int64_t *dst, int max, int *n);
/* *axis from -rank..rank-1 to 0..rank-1; fails outside. */
bool wn_op_axis(struct wn_lower *lo, int64_t axis, int rank, int *out);
/* Axes as a bit mask; fails on an axis that is not there or comes twice. */
bool wn_op_axes(struct wn_lower *lo, const int64_t *axes, int n, int rank, unsigned *mask);
/* The node's output i is asked for. */
bool wn_op_wants(const struct wn_lower *lo, int i);

/* ---- results ---- */

/* Output i. Checks the value against the limits; an output that was left out is fine. */
bool wn_op_set(struct wn_lower *lo, int i, struct wn_slot s);
bool wn_op_set_value(struct wn_lower *lo, int i, int value);

/* ---- slots ---- */

bool wn_slot_ok(struct wn_slot s);
bool wn_slot_whole(struct wn_slot s); /* a constant of whole numbers or booleans */
struct wn_shape wn_slot_shape(const struct wn_lower *lo, struct wn_slot s);
bool wn_slot_batched(const struct wn_lower *lo, struct wn_slot s); /* axis 0 is the batch and must stay so */
int wn_slot_value(struct wn_lower *lo, struct wn_slot s);          /* see wn_op_value */
/* From a value; one without elements becomes an empty constant. */
struct wn_slot wn_slot_of(struct wn_lower *lo, int value);
/* From a tensor; the lowering owns it from here on, NULL is "no memory". */
struct wn_slot wn_slot_own(struct wn_lower *lo, struct wn_tensor *t);
struct wn_slot wn_slot_scalar(struct wn_lower *lo, float v);
/* Counts host elements that are about to be made against the limits. */
bool wn_slot_afford(struct wn_lower *lo, const struct wn_shape *shape);

struct wn_slot wn_slot_reshape(struct wn_lower *lo, struct wn_slot x, const struct wn_shape *shape);
struct wn_slot wn_slot_transpose(struct wn_lower *lo, struct wn_slot x, const int *perm);
struct wn_slot wn_slot_slice(struct wn_lower *lo, struct wn_slot x, int axis, int64_t start, int64_t count,
                             int64_t step);
struct wn_slot wn_slot_pad(struct wn_lower *lo, struct wn_slot x, const int64_t *lo_pad, const int64_t *hi_pad,
                           float fill);
struct wn_slot wn_slot_expand(struct wn_lower *lo, struct wn_slot x, const struct wn_shape *shape);
struct wn_slot wn_slot_concat(struct wn_lower *lo, const struct wn_slot *x, int n, int axis);
/* y[.., j, ..] = x[.., index[j], ..]; indices from 0, checked. */
struct wn_slot wn_slot_take(struct wn_lower *lo, struct wn_slot x, int axis, const int64_t *index, int64_t n);
/* A tap table along one axis; only for values of the program and float constants. */
struct wn_slot wn_slot_map(struct wn_lower *lo, struct wn_slot x, int axis, const struct wn_taps *taps);
struct wn_slot wn_slot_unary(struct wn_lower *lo, enum wn_unary kind, struct wn_slot x, float alpha, float beta);
struct wn_slot wn_slot_linear(struct wn_lower *lo, struct wn_slot x, float scale, float shift);
/* Kinds past the primitives' own only take constants. */
struct wn_slot wn_slot_binary(struct wn_lower *lo, enum wn_fold kind, struct wn_slot a, struct wn_slot b);
/* Axes are kept with length 1. WN_REDUCE_MAX is what a softmax subtracts: it has no gradient of its own; see
 * wn_slot_largest. */
struct wn_slot wn_slot_reduce(struct wn_lower *lo, enum wn_reduce kind, struct wn_slot x, unsigned axes);
/* The maximum over axes, with the gradient at the winner. */
struct wn_slot wn_slot_largest(struct wn_lower *lo, struct wn_slot x, unsigned axes);
/* (C) -> (C,1,..) with `spatial` ones, to broadcast against (N,C,..). */
struct wn_slot wn_slot_per_channel(struct wn_lower *lo, struct wn_slot x, int spatial);

/* ---- sliding windows (window.c) ---- */

/* kernel_shape (or `kernel`, the filter's, where not NULL), strides, dilations, pads, auto_pad and ceil_mode of the
 * node for the input `x` (N,C,s..). over: how much of pad_hi was added by ceil_mode alone. False on failure. */
bool wn_op_window(struct wn_lower *lo, const struct wn_shape *x, const int64_t *kernel, struct wn_window *win,
                  int64_t *over);
/* kernel, stride, dilation and a rank of 1 to 3 alone, checked. */
bool wn_op_window_sizes(struct wn_lower *lo, const struct wn_shape *x, const int64_t *kernel, struct wn_window *win);

#endif
