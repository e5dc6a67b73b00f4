/* Which batch-norms ride on the convolution in front of them: gain*(Wx + b) + shift = (gain*W)x + (gain*b + shift).
 * Decided for the whole graph before anything is lowered, so that no operator knows of it; the new weights are made
 * once a model. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lower.h"

struct plan {
    struct wn_lower *lo;
    int *maker;     /* [values]: node that makes it, -1 */
    int *consumers; /* [values]: nodes that read it; kept values count as read once more */
    int operands;   /* used of lo->operands */
};

/* A convolution with constant weights and the norm behind it. */
struct pair {
    const struct wn_tensor *weight, *bias; /* bias may be NULL */
    const struct wn_tensor *scale, *shift, *mean, *var;
    float epsilon;
    bool transposed; /* a transposed convolution's filter is (C, O/groups, k..) */
    int64_t groups, channels;
};

static bool is_op(const struct wn_node *node, const char *op)
{
    return node->op && strcmp(node->op, op) == 0 && (!node->domain || !*node->domain);
}

static const struct wn_attr *attr(const struct wn_node *node, const char *name)
{
    for (int i = 0; i < node->n_attrs; i++)
        if (strcmp(node->attrs[i].name, name) == 0) return &node->attrs[i];
    return NULL;
}

/* Input k as a float constant that the file itself holds: an initializer, also behind Identity nodes, by which
 * exporters let several nodes share one. */
static const struct wn_tensor *constant(const struct plan *p, const struct wn_node *node, int k)
{
    const struct wn_graph *g = p->lo->graph;
    int v = k < node->n_in ? node->in[k] : -1;
    while (v >= 0 && !g->constants[v]) {
        const struct wn_node *made = p->maker[v] >= 0 ? &g->nodes[p->maker[v]] : NULL;
        v = made && is_op(made, "Identity") && made->n_in == 1 ? made->in[0] : -1;
    }
    return v >= 0 && g->constants[v]->f ? g->constants[v] : NULL;
}

static bool count_uses(struct plan *p, const int *keep, int n_keep, const int *outputs, int n_outputs)
{
    const struct wn_graph *g = p->lo->graph;
    p->maker = malloc(((size_t)g->n_values + 1) * sizeof *p->maker);
    p->consumers = calloc((size_t)g->n_values + 1, sizeof *p->consumers);
    if (!p->maker || !p->consumers)
        return wn_op_fail(p->lo, WN_NO_MEMORY, "no memory for a plan of %d nodes", g->n_nodes);
    for (int v = 0; v < g->n_values; v++) p->maker[v] = -1;
    for (int i = 0; i < g->n_nodes; i++) {
        for (int k = 0; k < g->nodes[i].n_out; k++)
            if (g->nodes[i].out[k] >= 0) p->maker[g->nodes[i].out[k]] = i;
        for (int k = 0; k < g->nodes[i].n_in; k++)
            if (g->nodes[i].in[k] >= 0) p->consumers[g->nodes[i].in[k]]++;
    }
    for (int i = 0; i < n_keep; i++) p->consumers[keep[i]] += 2;
    for (int i = 0; i < n_outputs; i++) p->consumers[outputs[i]] += 2;
    return true;
}

/* ---- the decision ---- */

static bool list_of(const struct wn_tensor *t, int64_t n)
{
    return t && t->shape.rank == 1 && t->shape.dim[0] == n;
}

static bool read_pair(const struct plan *p, const struct wn_node *conv, const struct wn_node *norm, struct pair *r)
{
    const struct wn_attr *group = attr(conv, "group"), *epsilon = attr(norm, "epsilon");
    *r = (struct pair){.weight = constant(p, conv, 1),
                       .bias = constant(p, conv, 2),
                       .scale = constant(p, norm, 1),
                       .shift = constant(p, norm, 2),
                       .mean = constant(p, norm, 3),
                       .var = constant(p, norm, 4),
                       .epsilon = epsilon ? epsilon->f : 1e-5f,
                       .groups = group ? group->i : 1,
                       .transposed = is_op(conv, "ConvTranspose")};
    if (!r->weight || r->weight->shape.rank < 3 || r->groups < 1) return false;
    const int64_t *dim = r->weight->shape.dim;
    if (r->transposed ? dim[0] % r->groups || __builtin_mul_overflow(dim[1], r->groups, &r->channels) : false)
        return false;
    if (!r->transposed) r->channels = dim[0];
    if (conv->n_in > 2 && conv->in[2] >= 0 && !list_of(r->bias, r->channels)) return false;
    return list_of(r->scale, r->channels) && list_of(r->shift, r->channels) && list_of(r->mean, r->channels) &&
           list_of(r->var, r->channels);
}

/* The convolution that `norm` can ride on, or -1. */
static int partner(const struct plan *p, const struct wn_node *norm, struct pair *r)
{
    const struct wn_attr *training = attr(norm, "training_mode");
    if (!is_op(norm, "BatchNormalization") || norm->n_in != 5 || norm->in[0] < 0 || norm->n_out < 1 || norm->out[0] < 0)
        return -1;
    for (int k = 1; k < norm->n_out; k++)
        if (norm->out[k] >= 0) return -1;
    int i = p->maker[norm->in[0]];
    if ((training && training->i) || i < 0 || p->consumers[norm->in[0]] != 1) return -1;
    const struct wn_node *conv = &p->lo->nodes[i];
    if (!is_op(conv, "Conv") && !is_op(conv, "ConvTranspose")) return -1;
    return conv->n_in >= 2 && conv->n_in <= 3 && conv->out[0] == norm->in[0] && read_pair(p, conv, norm, r) ? i : -1;
}

/* ---- the weights ---- */

static double gain(const struct pair *r, int64_t c)
{
    return (double)r->scale->f[c] / sqrt((double)r->var->f[c] + (double)r->epsilon);
}

static void make_weight(float *dst, const void *arg)
{
    const struct pair *r = arg;
    const struct wn_shape *s = &r->weight->shape;
    int64_t count = wn_shape_count(s), cell = 1;
    for (int d = r->transposed ? 2 : 1; d < s->rank; d++) cell *= s->dim[d];
    for (int64_t i = 0; i < count; i++) {
        int64_t c = i / cell;
        if (r->transposed) /* (input channel, channel of the group): which group the input channel is in */
            c = c / s->dim[1] / (s->dim[0] / r->groups) * s->dim[1] + c % s->dim[1];
        dst[i] = (float)(gain(r, c) * (double)r->weight->f[i]);
    }
}

static void make_bias(float *dst, const void *arg)
{
    const struct pair *r = arg;
    for (int64_t c = 0; c < r->channels; c++) {
        double b = r->bias ? (double)r->bias->f[c] : 0;
        dst[c] = (float)(gain(r, c) * (b - (double)r->mean->f[c]) + (double)r->shift->f[c]);
    }
}

/* A new constant of the lowering; its number, or -1. What it is made from is in the key: the two outputs name both
 * nodes. */
static int derive(struct plan *p, const struct pair *r, const struct wn_node *conv, const struct wn_node *norm,
                  const char *what, const struct wn_shape *shape, void (*make)(float *, const void *))
{
    struct wn_lower *lo = p->lo;
    const char *const *names = lo->graph->value_names;
    size_t size = strlen(names[conv->out[0]]) + strlen(names[norm->out[0]]) + strlen(what) + 16;
    char *key = malloc(size);
    const struct wn_weight *w = NULL;
    struct wn_error why = {0};
    if (key) {
        snprintf(key, size, "%s|%s|folded %s", names[conv->out[0]], names[norm->out[0]], what);
        w = wn_graph_weight(lo->graph, key, shape, make, r, &why);
        if (w && wn_weight_has_infinity(w)) {
            wn_fail(&why, WN_BAD_MODEL,
                    "a convolution and the batch-norm behind it make a weight of infinite elements: export the network "
                    "again");
            w = NULL;
        }
    }
    free(key);
    if (!w) {
        wn_op_fail(lo, why.code ? why.code : WN_NO_MEMORY, "%s",
                   why.code ? why.text : "no memory for a folded batch-norm");
        return -1;
    }
    lo->slots[lo->n_slots] = (struct wn_slot){.value = wn_program_const(lo->program, w)};
    return lo->n_slots++;
}

static bool ride(struct plan *p, int conv_at, int norm_at, const struct pair *r)
{
    struct wn_node *conv = &p->lo->nodes[conv_at], *norm = &p->lo->nodes[norm_at];
    struct wn_shape list = {.rank = 1, .dim = {r->channels}};
    int weight = derive(p, r, conv, norm, "weight", &r->weight->shape, make_weight);
    int bias = derive(p, r, conv, norm, "bias", &list, make_bias);
    if (weight < 0 || bias < 0) return false;
    int *in = p->lo->operands + p->operands;
    in[0] = conv->in[0];
    in[1] = weight;
    in[2] = bias;
    p->operands += WN_PLAN_OPERANDS;
    conv->in = in;
    conv->n_in = WN_PLAN_OPERANDS;
    conv->out = norm->out;
    conv->n_out = 1;
    norm->op = NULL;
    return true;
}

bool wn_plan_norms(struct wn_lower *lo, const int *keep, int n_keep, const int *outputs, int n_outputs)
{
    struct plan p = {.lo = lo};
    struct pair r;
    bool ok = count_uses(&p, keep, n_keep, outputs, n_outputs);
    for (int i = 0; ok && i < lo->graph->n_nodes; i++) {
        int conv = partner(&p, &lo->nodes[i], &r);
        if (conv >= 0) ok = ride(&p, conv, i, &r);
    }
    free(p.maker);
    free(p.consumers);
    return ok;
}
