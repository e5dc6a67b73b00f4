/* Turns a graph into the forward pass of a program: node by node, each through its row of ops.def. */
#include "lower.h"

#include <stdlib.h>
#include <string.h>

/* ---- the nodes and slots of one lowering ---- */

static bool take_memory(struct wn_lower *lo)
{
    const struct wn_graph *g = lo->graph;
    lo->cap_slots = g->n_values + WN_PLAN_SLOTS * g->n_nodes;
    lo->n_slots = g->n_values;
    lo->slots = malloc(((size_t)lo->cap_slots + 1) * sizeof *lo->slots);
    lo->nodes = malloc(((size_t)g->n_nodes + 1) * sizeof *lo->nodes);
    lo->operands = malloc(((size_t)g->n_nodes * WN_PLAN_OPERANDS + 1) * sizeof *lo->operands);
    if (!lo->slots || !lo->nodes || !lo->operands)
        return wn_op_fail(lo, WN_NO_MEMORY, "no memory to lower %d nodes", g->n_nodes);
    for (int i = 0; i < lo->cap_slots; i++) lo->slots[i] = WN_NO_SLOT;
    if (g->n_nodes) memcpy(lo->nodes, g->nodes, (size_t)g->n_nodes * sizeof *lo->nodes);
    for (int v = 0; v < g->n_values; v++)
        if (g->constants[v])
            lo->slots[v] = (struct wn_slot){.tensor = g->constants[v], .key = g->value_names[v], .value = WN_NONE};
    return true;
}

static void give_memory(struct wn_lower *lo)
{
    for (int i = 0; i < lo->n_made; i++) wn_folded_destroy(lo->made[i]);
    free(lo->made);
    free(lo->slots);
    free(lo->nodes);
    free(lo->operands);
}

static bool lower_node(struct wn_lower *lo, const struct wn_node *node)
{
    lo->node = node;
    const struct wn_op *op = !node->domain || !*node->domain ? wn_op_find(node->op) : NULL;
    if (!op) return wn_op_fail(lo, WN_UNSUPPORTED, "this operator is not supported");
    lo->program->origin = (struct wn_origin){wn_node_name(lo->graph, node), node->op};
    bool ok = op->lower(lo, node);
    lo->program->origin = (struct wn_origin){NULL, NULL};
    if (ok) return true;
    struct wn_error built = {0};
    wn_program_error(lo->program, &built);
    return wn_op_fail(lo, built.code ? built.code : WN_INTERNAL, "%s",
                      built.code ? built.text : "it could not be lowered");
}

static bool lower_nodes(struct wn_lower *lo)
{
    for (int i = 0; i < lo->graph->n_nodes; i++)
        if (lo->nodes[i].op && !lower_node(lo, &lo->nodes[i])) return false;
    lo->node = NULL;
    return true;
}

/* ---- a picture in, logits out ---- */

static bool bind_picture(struct wn_lower *lo, struct wn_forward *out)
{
    const struct wn_graph *g = lo->graph;
    struct wn_shape shape = wn_shape_of(g->input_rank, g->input_shape);
    shape.dim[0] = lo->images;
    out->input = wn_program_input(lo->program, shape, true);
    lo->slots[g->input] = wn_slot_of(lo, out->input);
    return wn_slot_ok(lo->slots[g->input]);
}

/* (N,K,1,1) is as good as (N,K). */
static bool find_logits(struct wn_lower *lo, struct wn_forward *out)
{
    struct wn_slot y = lo->slots[lo->graph->logits];
    const char *name = lo->graph->value_names[lo->graph->logits];
    struct wn_shape s = wn_slot_shape(lo, y);
    bool flat = s.rank > 2;
    if (!wn_slot_batched(lo, y))
        return wn_op_fail(lo, WN_BAD_MODEL, "the output '%s' does not depend on the picture", wn_show(name).text);
    for (int d = 2; d < s.rank; d++) flat = flat && s.dim[d] == 1;
    if (flat) s.rank = 2;
    if (flat) y = wn_slot_reshape(lo, y, &s);
    out->logits = y.value;
    return wn_slot_ok(y);
}

static bool list_values(struct wn_lower *lo, struct wn_forward *out)
{
    out->values = malloc(((size_t)lo->graph->n_values + 1) * sizeof *out->values);
    if (!out->values) return wn_op_fail(lo, WN_NO_MEMORY, "no memory for %d values", lo->graph->n_values);
    for (int v = 0; v < lo->graph->n_values; v++) out->values[v] = lo->slots[v].tensor ? WN_NONE : lo->slots[v].value;
    return true;
}

enum wn_code wn_graph_lower(struct wn_graph *g, struct wn_program *p, int64_t n, const int *keep, int n_keep,
                            struct wn_forward *out, struct wn_error *err)
{
    struct wn_error why = {0};
    struct wn_lower lo = {.graph = g, .program = p, .images = n, .err = &why};
    *out = (struct wn_forward){.input = WN_NONE, .logits = WN_NONE};
    bool ok = take_memory(&lo) && wn_plan_norms(&lo, keep, n_keep, &g->logits, 1) && bind_picture(&lo, out) &&
              lower_nodes(&lo) && find_logits(&lo, out) && list_values(&lo, out);
    give_memory(&lo);
    if (!ok) wn_forward_finish(out);
    return ok ? WN_OK : wn_fail(err, why.code, "%s", why.text);
}

void wn_forward_finish(struct wn_forward *f)
{
    free(f->values);
    f->values = NULL;
}

/* ---- any inputs, any outputs ---- */

static bool bind_inputs(struct wn_lower *lo, struct wn_binding *in)
{
    for (int i = 0; i < lo->graph->n_inputs; i++) {
        int v = lo->graph->inputs[i].value;
        in[i].value = WN_NONE;
        if (in[i].constant) {
            lo->slots[v] = (struct wn_slot){.tensor = in[i].constant, .value = WN_NONE};
            continue;
        }
        in[i].value = wn_program_input(lo->program, in[i].shape, false);
        lo->slots[v] = wn_slot_of(lo, in[i].value);
        if (!wn_slot_ok(lo->slots[v])) return false;
    }
    return true;
}

static bool collect(struct wn_lower *lo, struct wn_outcome *out)
{
    for (int i = 0; i < lo->graph->n_outputs; i++) {
        struct wn_slot s = lo->slots[lo->graph->outputs[i]];
        if (!wn_slot_ok(s)) return wn_op_fail(lo, WN_BAD_MODEL, "output %d is made by no node", i + 1);
        out[i].value = s.tensor ? WN_NONE : wn_program_output(lo->program, s.value);
        if (s.tensor && !(out[i].constant = wn_fold_clone(s.tensor, &s.tensor->shape)))
            return wn_op_fail(lo, WN_NO_MEMORY, "no memory for output %d", i + 1);
    }
    return true;
}

enum wn_code wn_graph_lower_all(struct wn_graph *g, struct wn_program *p, struct wn_binding *in, struct wn_outcome *out,
                                struct wn_error *err)
{
    struct wn_error why = {0};
    struct wn_lower lo = {.graph = g, .program = p, .err = &why};
    for (int i = 0; i < g->n_outputs; i++) out[i] = (struct wn_outcome){.value = WN_NONE};
    bool ok = take_memory(&lo) && wn_plan_norms(&lo, NULL, 0, g->outputs, g->n_outputs) && bind_inputs(&lo, in) &&
              lower_nodes(&lo) && collect(&lo, out);
    give_memory(&lo);
    for (int i = 0; !ok && i < g->n_outputs; i++) wn_outcome_finish(&out[i]);
    return ok ? WN_OK : wn_fail(err, why.code, "%s", why.text);
}

void wn_outcome_finish(struct wn_outcome *o)
{
    wn_folded_destroy(o->constant);
    o->constant = NULL;
}
