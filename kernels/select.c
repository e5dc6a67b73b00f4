/* Chooses the picture and the logits of a graph and drops the rest; knows operators only by whether ops.def has
 * them, and the few names that stand between the logits and what a file calls its output. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "graph.h"
#include "ops/op.h"
#include "order.h"

static int find_value(const struct wn_graph *g, const char *name)
{
    for (int v = 0; v < g->n_values; v++)
        if (strcmp(g->value_names[v], name) == 0) return v;
    return -1;
}

/* ---- the picture ---- */

static const struct wn_port *find_port(const struct wn_graph *g, const char *name)
{
    for (int i = 0; i < g->n_inputs; i++)
        if (!name || strcmp(g->value_names[g->inputs[i].value], name) == 0) return &g->inputs[i];
    return NULL;
}

/* A free axis takes the caller's length; a fixed one must not contradict it. */
static bool choose_axis(struct wn_graph *g, const struct wn_port *port, int axis, int64_t wanted, struct wn_error *err)
{
    struct wn_shown name = wn_show(g->value_names[port->value]);
    int64_t dim = port->dim[axis] > 0 ? port->dim[axis] : wanted;
    g->input_shape[axis] = dim;
    if (dim > 0 && (wanted <= 0 || wanted == dim)) return true;
    if (dim <= 0 && axis > 1)
        wn_fail(err, WN_DYNAMIC_SIZE,
                "the model leaves axis %d of its input '%s' free: give the picture's height and width", axis,
                name.text);
    else if (dim <= 0)
        wn_fail(err, WN_BAD_MODEL,
                "the model leaves axis %d of its input '%s', the channels, free: export it with their number", axis,
                name.text);
    else
        wn_fail(err, WN_BAD_MODEL, "axis %d of the model's input '%s' is %lld long and cannot be %lld", axis, name.text,
                (long long)dim, (long long)wanted);
    return false;
}

static bool choose_input(struct wn_graph *g, const struct wn_graph_options *o, struct wn_error *err)
{
    const struct wn_port *port = find_port(g, o->input);
    int64_t elements = 1;
    if (!port) {
        wn_fail(err, WN_BAD_MODEL, "the model has no input '%s'", wn_show(o->input ? o->input : "").text);
        return false;
    }
    g->input = port->value;
    g->input_rank = port->rank;
    if (port->rank != 4 || !port->is_float) {
        wn_fail(err, WN_UNSUPPORTED, "the input '%s' is no picture: float32 of shape (N, C, H, W) is wanted",
                wn_show(g->value_names[port->value]).text);
        return false;
    }
    g->input_shape[0] = 1;
    for (int d = 1; d < 4; d++) {
        if (!choose_axis(g, port, d, d == 1 ? 0 : d == 2 ? o->height : o->width, err)) return false;
        if (!__builtin_mul_overflow(elements, g->input_shape[d], &elements) && elements <= g->limits.value_elements)
            continue;
        wn_fail(err, WN_BAD_MODEL, "the input '%s' is larger than the limit of %lld elements",
                wn_show(g->value_names[port->value]).text, (long long)g->limits.value_elements);
        return false;
    }
    return true;
}

/* ---- the logits ---- */

/* The node that turns logits into probabilities, if nothing but changes of shape stands between it and `value`; else
 * -1. */
static int find_link(const struct wn_graph *g, const int *maker, int value)
{
    static const char *const links[] = {"Softmax", "LogSoftmax", "Sigmoid", NULL};
    static const char *const shapes[] = {"Identity", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Dropout", NULL};
    for (int i = maker[value]; i >= 0; i = maker[value]) {
        const struct wn_node *node = &g->nodes[i];
        bool through = node->n_in > 0 && node->in[0] >= 0 && node->out[0] == value;
        if (through && wn_node_is(node, links)) return i;
        if (!through || !wn_node_is(node, shapes)) return -1;
        value = node->in[0];
    }
    return -1;
}

/* Takes node `i` out: whoever used what it makes uses what it was made from. */
static bool bypass(struct wn_graph *g, int i, struct wn_error *err)
{
    int gone = g->nodes[i].out[0], kept = g->nodes[i].in[0];
    struct wn_node *nodes = wn_arena_take(g->arena, (size_t)g->n_nodes, sizeof *nodes);
    bool ok = nodes;
    for (int n = 0; ok && n < g->n_nodes; n++) {
        nodes[n] = g->nodes[n];
        int *in = wn_arena_take(g->arena, (size_t)nodes[n].n_in, sizeof *in);
        ok = in;
        for (int k = 0; ok && k < nodes[n].n_in; k++) in[k] = nodes[n].in[k] == gone ? kept : nodes[n].in[k];
        nodes[n].in = in;
    }
    if (!ok) return wn_fail(err, WN_NO_MEMORY, "no memory for the nodes of a model"), false;
    g->nodes = nodes;
    if (g->logits == gone) g->logits = kept;
    return true;
}

static bool choose_logits(struct wn_graph *g, const struct wn_graph_options *o, struct wn_error *err)
{
    g->logits = o->output ? find_value(g, o->output) : g->n_outputs > 0 ? g->outputs[0] : -1;
    if (g->logits < 0) {
        wn_fail(err, WN_BAD_MODEL, "the model has no output '%s'", wn_show(o->output ? o->output : "").text);
        return false;
    }
    static const char *const sigmoid[] = {"Sigmoid", NULL};
    int *maker = wn_makers(g->nodes, g->n_nodes, g->n_values);
    if (!maker) return wn_fail(err, WN_NO_MEMORY, "no memory to order a model"), false;
    int link = find_link(g, maker, g->logits);
    free(maker);
    if (link < 0) return true;
    g->sigmoid = wn_node_is(&g->nodes[link], sigmoid);
    return bypass(g, link, err);
}

/* ---- what the logits need ---- */

/* Marks backwards; nodes are in topological order, so one pass is enough. */
static void mark_needed(const struct wn_graph *g, bool *value, bool *node)
{
    value[g->logits] = true;
    for (int i = g->n_nodes - 1; i >= 0; i--) {
        for (int k = 0; k < g->nodes[i].n_out; k++)
            if (g->nodes[i].out[k] >= 0 && value[g->nodes[i].out[k]]) node[i] = true;
        for (int k = 0; node[i] && k < g->nodes[i].n_in; k++)
            if (g->nodes[i].in[k] >= 0) value[g->nodes[i].in[k]] = true;
    }
}

static bool keep_needed(struct wn_graph *g, const bool *node, struct wn_error *err)
{
    int n = 0;
    struct wn_node *nodes = wn_arena_take(g->arena, (size_t)g->n_nodes, sizeof *nodes);
    if (!nodes) return wn_fail(err, WN_NO_MEMORY, "no memory for the nodes of a model"), false;
    for (int i = 0; i < g->n_nodes; i++)
        if (node[i]) nodes[n++] = g->nodes[i];
    g->nodes = nodes;
    g->n_nodes = n;
    return true;
}

static bool check_inputs(const struct wn_graph *g, const bool *value, struct wn_error *err)
{
    for (int i = 0; i < g->n_inputs; i++) {
        int v = g->inputs[i].value;
        if (v == g->input || !value[v]) continue;
        wn_fail(err, WN_UNSUPPORTED, "the network needs the input '%s' besides the picture",
                wn_show(g->value_names[v]).text);
        return false;
    }
    if (value[g->input]) return true;
    wn_fail(err, WN_BAD_MODEL, "the output '%s' does not depend on the input '%s'",
            wn_show(g->value_names[g->logits]).text, wn_show(g->value_names[g->input]).text);
    return false;
}

static bool is_supported(const struct wn_node *node)
{
    return !*node->domain && wn_op_find(node->op);
}

/* The first node of that operator among those before n. */
static bool was_named(const struct wn_graph *g, int n)
{
    for (int i = 0; i < n; i++)
        if (strcmp(g->nodes[i].op, g->nodes[n].op) == 0 && strcmp(g->nodes[i].domain, g->nodes[n].domain) == 0)
            return true;
    return false;
}

/* All that is missing in one sentence: whoever mends a model wants to know before the second try. */
static bool check_operators(const struct wn_graph *g, struct wn_error *err)
{
    char list[WN_ERROR_TEXT - 100] = "";
    size_t used = 0;
    int kinds = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        const struct wn_node *node = &g->nodes[i];
        if (is_supported(node) || was_named(g, i)) continue;
        kinds++;
        if (used + 120 > sizeof list) continue;
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%.30s%s%.30s (node '%.30s')", used ? ", " : "",
                                 wn_show(node->domain).text, *node->domain ? "." : "", wn_show(node->op).text,
                                 wn_show(node->name).text);
    }
    if (kinds)
        wn_fail(err, WN_UNSUPPORTED,
                "%d operator%s of the model %s not supported: %s; docs/operators.md lists those that are", kinds,
                kinds > 1 ? "s" : "", kinds > 1 ? "are" : "is", list);
    return !kinds;
}

/* Operators changed their meaning much before the oldest opset; what is left of it in a single node is the tests'
 * affair. */
static bool check_opset(const struct wn_graph *g, struct wn_error *err)
{
    enum { OLDEST = 9 };
    if (g->opset >= OLDEST && g->opset <= WN_NEWEST_OPSET) return true;
    wn_fail(err, WN_BAD_MODEL, "the model uses ONNX opset %d; opsets %d to %d are read here: convert it", g->opset,
            OLDEST, WN_NEWEST_OPSET);
    return false;
}

static int64_t count_weight_bytes(const struct wn_graph *g, const bool *value)
{
    int64_t bytes = 0;
    for (int v = 0; v < g->n_values; v++)
        if (value[v] && g->constants[v] && g->constants[v]->f)
            bytes += wn_shape_count(&g->constants[v]->shape) * (int64_t)sizeof(float);
    return bytes;
}

static const float *copy_bounds(struct wn_graph *g, const float *bounds, struct wn_error *err)
{
    size_t n = (size_t)wn_graph_channels(g);
    float *copy = bounds ? wn_arena_take(g->arena, n, sizeof *copy) : NULL;
    if (bounds && !copy) wn_fail(err, WN_NO_MEMORY, "no memory for the range of the input");
    if (copy) memcpy(copy, bounds, n * sizeof *copy);
    return copy;
}

enum wn_code wn_graph_select(struct wn_graph *g, const struct wn_graph_options *options, struct wn_error *err)
{
    struct wn_error why = {0};
    if (!check_opset(g, &why) || !choose_input(g, options, &why) || !choose_logits(g, options, &why)) goto fail;
    bool *value = calloc((size_t)g->n_values + 1, sizeof *value), *node = calloc((size_t)g->n_nodes + 1, sizeof *node);
    if (value && node) {
        mark_needed(g, value, node);
        if (check_inputs(g, value, &why) && keep_needed(g, node, &why) && check_operators(g, &why))
            g->weight_bytes = count_weight_bytes(g, value);
    } else {
        wn_fail(&why, WN_NO_MEMORY, "no memory to order a model");
    }
    free(value);
    free(node);
    g->bgr = options && options->bgr;
    if (options && options->low && options->high && why.code == WN_OK && wn_graph_channels(g) <= options->n_bounds) {
        g->low = copy_bounds(g, options->low, &why);
        g->high = copy_bounds(g, options->high, &why);
    }
    if (why.code == WN_OK) return WN_OK;
fail:
    return wn_fail(err, why.code, "%s", why.text);
}
