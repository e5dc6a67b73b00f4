/* What an ONNX operator's file sees: its node, its operands, and the builders of program.h.
 *
 * One file an operator (or a family that shares its arithmetic), one row in ops.def. An operator lowers its forward pass into
 * primitives; the backward pass is made from the primitives (backward.c), so an operator has nothing to say about it. */
#ifndef WN_KERNELS_OP_H
#define WN_KERNELS_OP_H

#include "../graph.h"
#include "../program.h"

struct wn_lower; /* lower.c */

struct wn_op {
    const char *name;
    /* Reads operands, appends primitives, sets outputs. Failures through wn_op_fail. Returns false on failure. */
    bool (*lower)(struct wn_lower *lo, const struct wn_node *node);
};

/* The operator table (ops.def); NULL if there is none of that name. */
const struct wn_op *wn_op_find(const char *name);

#endif
