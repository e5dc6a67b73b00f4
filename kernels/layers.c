/* Which values of a graph can be explained, and which one is meant by "auto"; knows operators by name and shape
 * only.
 *
 * "auto" is the output of the last convolutional stage after its activation and before the last pool (Selvaraju 2017
 * hooks the same place in VGG, ResNet and the like). It is found by walking back from the logits. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "graph.h"
#include "order.h"

struct walk {
    struct wn_graph *g;
    int *maker;    /* [values]: node, -1 */
    int *layer_of; /* [values]: layer number, -1 */
    struct wn_program *p;
    struct wn_forward forward;
};

static const char *const shape_ops[] = {"Identity",  "Dropout",   "Flatten", "Reshape", "Squeeze",
                                        "Unsqueeze", "Transpose", "Cast",    "Pad",     NULL};
static const char *const pools[] = {"MaxPool",   "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "ReduceMean",
                                    "ReduceMax", NULL};
static const char *const norms[] = {"BatchNormalization", "LRN", "InstanceNormalization", NULL};
static const char *const activations[] = {"Relu",        "LeakyRelu", "PRelu", "Clip",     "Sigmoid", "Tanh",
                                          "HardSigmoid", "HardSwish", "Elu",   "Softplus", NULL};
static const char *const products[] = {"Gemm", "MatMul", "Conv", NULL};

/* The program value of an ONNX value that depends on the picture; NULL for constants. */
static const struct wn_value *dynamic(const struct walk *w, int value)
{
    int v = value < 0 ? -1 : w->forward.values[value];
    const struct wn_value *row = v < 0 ? NULL : wn_program_value(w->p, v);
    return row && row->batched ? row : NULL;
}

/* ---- shapes ---- */

/* Every value is kept as it stands in the file, so that each has a shape; nothing is computed and no backend is
 * asked. */
static bool lower(struct walk *w, struct wn_error *err)
{
    int n = 0, total = 0;
    for (int i = 0; i < w->g->n_nodes; i++) total += w->g->nodes[i].n_out;
    int *keep = malloc(((size_t)total + 1) * sizeof *keep);
    if (!keep) return wn_fail(err, WN_NO_MEMORY, "no memory for the layers of a model"), false;
    for (int i = 0; i < w->g->n_nodes; i++)
        for (int k = 0; k < w->g->nodes[i].n_out; k++)
            if (w->g->nodes[i].out[k] >= 0) keep[n++] = w->g->nodes[i].out[k];
    enum wn_code code = wn_graph_lower(w->g, w->p, 1, keep, n, &w->forward, err);
    free(keep);
    return code == WN_OK;
}

static bool check_sizes(const struct walk *w, struct wn_error *err)
{
    for (int v = 0; v < wn_program_values(w->p); v++) {
        const struct wn_value *row = wn_program_value(w->p, v);
        int64_t count = 1;
        for (int d = 0; d < row->shape.rank; d++)
            if (__builtin_mul_overflow(count, row->shape.dim[d], &count)) count = INT64_MAX;
        if (row->kind == WN_VALUE_CONST || count <= w->g->limits.value_elements) continue;
        wn_fail(err, WN_BAD_MODEL, "an activation of the network would have %lld elements; the limit is %lld",
                (long long)count, (long long)w->g->limits.value_elements);
        return false;
    }
    return true;
}

static bool find_classes(struct walk *w, struct wn_error *err)
{
    const struct wn_value *logits = wn_program_value(w->p, w->forward.logits);
    if (logits->shape.rank == 2 && logits->shape.dim[1] > 0 && logits->shape.dim[1] <= INT_MAX) {
        w->g->classes = (int)logits->shape.dim[1];
        if (!w->g->sigmoid || w->g->classes == 1) return true;
        wn_fail(err, WN_UNSUPPORTED,
                "the output gives each of %d classes a sigmoid of its own, and what is answered here are probabilities "
                "that add up to 1: name '%s', which the sigmoid reads, as the output to have these logits explained",
                w->g->classes, wn_show(w->g->value_names[w->g->logits]).text);
        return false;
    }
    wn_fail(err, WN_BAD_MODEL, "the output '%s' is not a list of classes, (N, K)",
            wn_show(w->g->value_names[w->g->logits]).text);
    return false;
}

/* ---- the list ---- */

static void add_layer(struct walk *w, int value, const char *op)
{
    struct wn_graph *g = w->g;
    const struct wn_value *row = dynamic(w, value);
    if (!row || row->shape.rank != 4 || w->layer_of[value] >= 0) return;
    const int64_t *dim = row->shape.dim;
    if (dim[2] * dim[3] <= 1) return;
    w->layer_of[value] = g->n_layers;
    g->layer_values[g->n_layers] = value;
    g->layers[g->n_layers++] = (struct wn_layer){g->value_names[value], op, dim[1], dim[2], dim[3], -1, -1};
}

static bool list_layers(struct walk *w, struct wn_error *err)
{
    struct wn_graph *g = w->g;
    size_t n = (size_t)g->n_values;
    g->layers = wn_arena_take(g->arena, n, sizeof *g->layers);
    g->layer_values = wn_arena_take(g->arena, n, sizeof *g->layer_values);
    if (!g->layers || !g->layer_values) return wn_fail(err, WN_NO_MEMORY, "no memory for the layers of a model"), false;
    add_layer(w, g->input, "Input");
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->nodes[i].n_out; k++)
            if (g->nodes[i].out[k] >= 0) add_layer(w, g->nodes[i].out[k], g->nodes[i].op);
    return true;
}

/* ---- the automatic layer ---- */

static const struct wn_node *maker(const struct walk *w, int value)
{
    int i = value < 0 ? -1 : w->maker[value];
    return i < 0 ? NULL : &w->g->nodes[i];
}

/* The operand that carries the picture; -1 if there is none. */
static int main_input(const struct walk *w, const struct wn_node *node)
{
    for (int k = 0; k < node->n_in; k++)
        if (dynamic(w, node->in[k])) return node->in[k];
    return -1;
}

/* A normalisation behind a pool or an activation belongs to what follows; one behind a convolution is part of its
 * stage. */
static bool norm_of_next_stage(const struct walk *w, const struct wn_node *norm)
{
    static const char *const nothing[] = {"Identity", "Dropout", NULL};
    const struct wn_node *before = maker(w, main_input(w, norm));
    while (before && wn_node_is(before, nothing)) before = maker(w, main_input(w, before));
    return before && (wn_node_is(before, pools) || wn_node_is(before, activations));
}

/* The 1x1 convolution with one channel a class that makes `value`, directly or through an activation; NULL if it is
 * not so made. */
static const struct wn_node *class_convolution(const struct walk *w, int value)
{
    static const char *const conv[] = {"Conv", NULL};
    const struct wn_node *node = maker(w, value);
    if (node && wn_node_is(node, activations)) node = maker(w, main_input(w, node));
    if (!node || !wn_node_is(node, conv) || node->n_in < 2 || node->in[1] < 0) return NULL;
    const struct wn_tensor *kernel = w->g->constants[node->in[1]];
    bool one = kernel && kernel->shape.rank == 4 && kernel->shape.dim[2] == 1 && kernel->shape.dim[3] == 1;
    return one && kernel->shape.dim[0] == w->g->classes ? node : NULL;
}

/* Steps back from `value`; *product: a matrix product or a convolution has been passed, so the classes are made. -1:
 * this is it. */
static int step_back(const struct walk *w, int value, bool *product)
{
    const struct wn_node *node = maker(w, value), *conv;
    int from = main_input(w, node);
    if (w->layer_of[value] < 0) {
        *product = *product || wn_node_is(node, products);
        return from;
    }
    if (wn_node_is(node, shape_ops) || wn_node_is(node, pools)) return from;
    if (wn_node_is(node, norms) && norm_of_next_stage(w, node)) return from;
    if (*product || !(conv = class_convolution(w, value))) return -1;
    *product = true;
    return conv->in[0];
}

/* A classifier with nothing but the picture under it is itself the only stage. */
static int find_auto(const struct walk *w)
{
    bool product = false;
    int classifier = -1;
    for (int value = w->g->logits, next; value >= 0 && maker(w, value); value = next) {
        bool before = product;
        next = step_back(w, value, &product);
        if (next < 0) return w->layer_of[value];
        if (product && !before) classifier = w->layer_of[value]; /* -1 for a product of another kind */
    }
    return classifier;
}

/* ---- what stands behind a layer within its stage ---- */

/* Back over the nodes of these operators; the value that another node makes. */
static int behind(const struct walk *w, int value, const char *const *ops)
{
    const struct wn_node *node;
    while ((node = maker(w, value)) != NULL && wn_node_is(node, ops)) value = main_input(w, node);
    return value;
}

static void find_variants(struct walk *w)
{
    static const char *const nothing[] = {"Identity", "Dropout", NULL}, *const conv[] = {"Conv", "ConvTranspose", NULL};
    for (int i = 0; i < w->g->n_layers; i++) {
        struct wn_layer *layer = &w->g->layers[i];
        int own = behind(w, w->g->layer_values[i], nothing), value = own;
        const struct wn_node *node = maker(w, own);
        if (node && wn_node_is(node, activations)) value = behind(w, main_input(w, node), nothing);
        if (value != own && value >= 0) layer->before_activation = w->layer_of[value];
        node = maker(w, value);
        if (node && strcmp(node->op, "BatchNormalization") == 0) value = behind(w, main_input(w, node), nothing);
        node = maker(w, value);
        if (node && wn_node_is(node, conv)) layer->raw_convolution = w->layer_of[value];
    }
}

static bool analyse(struct walk *w, struct wn_error *err)
{
    size_t n = (size_t)w->g->n_values + 1;
    w->maker = wn_makers(w->g->nodes, w->g->n_nodes, w->g->n_values);
    w->layer_of = malloc(n * sizeof *w->layer_of);
    if (!w->maker || !w->layer_of) return wn_fail(err, WN_NO_MEMORY, "no memory for the layers of a model"), false;
    memset(w->layer_of, 0xff, n * sizeof *w->layer_of); /* -1 */
    if (!lower(w, err) || !check_sizes(w, err) || !find_classes(w, err) || !list_layers(w, err)) return false;
    w->g->auto_layer = find_auto(w);
    find_variants(w);
    return true;
}

enum wn_code wn_graph_find_layers(struct wn_graph *g, struct wn_error *err)
{
    struct walk w = {.g = g};
    struct wn_error why = {0};
    if (wn_program_create(&w.p, &why) != WN_OK) return wn_fail(err, why.code, "%s", why.text);
    analyse(&w, &why);
    wn_forward_finish(&w.forward);
    wn_program_destroy(w.p);
    free(w.maker);
    free(w.layer_of);
    return why.code == WN_OK ? WN_OK : wn_fail(err, why.code, "%s", why.text);
}
