/* Topological order of nodes by depth-first search on a stack of its own; knows nothing of what operators do. */
#include "order.h"

#include <stdlib.h>
#include <string.h>

enum state { UNSEEN, OPEN, DONE };

struct order {
    const struct wn_node *nodes;
    int *maker;        /* [values]: node that makes it, -1 */
    unsigned char *at; /* [nodes]: enum state */
    struct visit {
        int node, next; /* input to look at next */
    } * stack;
    int depth, n_done;
    struct wn_node *done;
};

static bool push(struct order *o, int node)
{
    if (o->at[node] == DONE) return true;
    if (o->at[node] == OPEN) return false;
    o->at[node] = OPEN;
    o->stack[o->depth++] = (struct visit){.node = node};
    return true;
}

/* Emits `root` after everything that it needs. False, with *culprit on the way round, if it needs itself. */
static bool visit(struct order *o, int root, int *culprit)
{
    if (!push(o, root)) return false;
    while (o->depth > 0) {
        struct visit *top = &o->stack[o->depth - 1];
        const struct wn_node *node = &o->nodes[top->node];
        if (top->next == node->n_in) {
            o->at[top->node] = DONE;
            o->done[o->n_done++] = *node;
            o->depth--;
            continue;
        }
        int value = node->in[top->next++], maker = value < 0 ? -1 : o->maker[value];
        *culprit = maker;
        if (maker >= 0 && !push(o, maker)) return false;
    }
    return true;
}

static bool order_all(struct order *o, struct wn_node *nodes, int n_nodes, struct wn_error *err)
{
    int culprit = -1;
    for (int i = 0; i < n_nodes; i++) {
        if (visit(o, i, &culprit)) continue;
        wn_fail(err, WN_BAD_MODEL, "the graph has a cycle through the node '%s' (%s)",
                wn_show(nodes[culprit].name).text, wn_show(nodes[culprit].op).text);
        return false;
    }
    for (int i = 0; i < n_nodes; i++) nodes[i] = o->done[i];
    return true;
}

int *wn_makers(const struct wn_node *nodes, int n_nodes, int n_values)
{
    int *maker = malloc(((size_t)n_values + 1) * sizeof *maker);
    if (!maker) return NULL;
    for (int v = 0; v < n_values; v++) maker[v] = -1;
    for (int i = 0; i < n_nodes; i++)
        for (int k = 0; k < nodes[i].n_out; k++)
            if (nodes[i].out[k] >= 0) maker[nodes[i].out[k]] = i;
    return maker;
}

bool wn_node_is(const struct wn_node *node, const char *const *ops)
{
    for (int i = 0; ops[i]; i++)
        if (strcmp(node->op, ops[i]) == 0) return !*node->domain;
    return false;
}

bool wn_order_nodes(struct wn_node *nodes, int n_nodes, int n_values, struct wn_error *err)
{
    size_t n = (size_t)n_nodes + 1;
    struct order o = {.nodes = nodes, .maker = wn_makers(nodes, n_nodes, n_values), .at = calloc(n, 1)};
    o.stack = malloc(n * sizeof *o.stack);
    o.done = malloc(n * sizeof *o.done);
    bool ok = o.maker && o.at && o.stack && o.done;
    if (ok)
        ok = order_all(&o, nodes, n_nodes, err);
    else
        wn_fail(err, WN_NO_MEMORY, "no memory to order %d nodes", n_nodes);
    free(o.maker);
    free(o.at);
    free(o.stack);
    free(o.done);
    return ok;
}
