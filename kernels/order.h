/* Who makes what, and in which order. Private to kernels/. */
#ifndef WN_KERNELS_ORDER_H
#define WN_KERNELS_ORDER_H

#include "graph.h"

/* Puts each node behind those that make its inputs, otherwise as the file has them. False with WN_BAD_MODEL for a
 * cycle. */
bool wn_order_nodes(struct wn_node *nodes, int n_nodes, int n_values, struct wn_error *err);

/* The node that makes each value, -1 where none does: [n_values], malloc'd, the caller's. NULL: no memory. */
int *wn_makers(const struct wn_node *nodes, int n_nodes, int n_values);
/* Whether the node's operator is one of the default domain's in `ops`, which ends with NULL. */
bool wn_node_is(const struct wn_node *node, const char *const *ops);

#endif
