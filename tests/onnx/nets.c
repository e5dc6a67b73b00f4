/* The networks of nets.h. */
#include "nets.h"

#include <stdio.h>
#include <stdlib.h>

static uint64_t random_state = 1;

static float next_weight(void)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (float)(random_state >> 40) / (float)(1 << 24) - 0.5f;
}

static void weight(struct wire *graph, const char *name, int rank, const int64_t *dims, float at_least)
{
    size_t n = 1;
    for (int d = 0; d < rank; d++) n *= (size_t)dims[d];
    float *w = malloc(n * sizeof *w);
    if (!w) abort();
    for (size_t i = 0; i < n; i++) w[i] = at_least > 0 ? at_least + next_weight() : next_weight();
    wire_graph_initializer(graph, wire_tensor_raw(name, WIRE_F32, rank, dims, w, n * sizeof *w));
    free(w);
}

static const char *join(char *buffer, const char *a, const char *b)
{
    snprintf(buffer, 64, "%s%s", a, b);
    return buffer;
}

/* A square convolution that keeps the size for stride 1; the node's name is `out` with "_node" behind it. */
static void conv(struct wire *graph, const char *in, const char *out, int64_t o, int64_t i, int64_t k, int64_t group)
{
    char w[64], b[64], name[64], inputs[200];
    weight(graph, join(w, out, ".w"), 4, DIMS(o, i / group, k, k), 0);
    weight(graph, join(b, out, ".b"), 1, DIMS(o), 0);
    snprintf(inputs, sizeof inputs, "%s,%s,%s", in, w, b);
    struct wire node = wire_node("Conv", join(name, out, "_node"), inputs, out);
    wire_attr_ints(&node, "kernel_shape", 2, DIMS(k, k));
    wire_attr_ints(&node, "pads", 4, DIMS(k / 2, k / 2, k / 2, k / 2));
    wire_attr_int(&node, "group", group);
    wire_graph_node(graph, node);
}

static void norm(struct wire *graph, const char *in, const char *out, int64_t channels)
{
    static const char *const parts[] = {".scale", ".shift", ".mean", ".var"};
    char inputs[300], name[64];
    int n = snprintf(inputs, sizeof inputs, "%s", in);
    for (int i = 0; i < 4; i++) {
        weight(graph, join(name, out, parts[i]), 1, DIMS(channels), 1);
        n += snprintf(inputs + n, sizeof inputs - (size_t)n, ",%s", name);
    }
    wire_graph_node(graph, wire_node("BatchNormalization", join(name, out, "_node"), inputs, out));
}

static void plain(struct wire *graph, const char *op, const char *in, const char *out)
{
    char name[64];
    wire_graph_node(graph, wire_node(op, join(name, out, "_node"), in, out));
}

static void halve(struct wire *graph, const char *in, const char *out)
{
    char name[64];
    struct wire node = wire_node("MaxPool", join(name, out, "_node"), in, out);
    wire_attr_ints(&node, "kernel_shape", 2, DIMS(2, 2));
    wire_attr_ints(&node, "strides", 2, DIMS(2, 2));
    wire_graph_node(graph, node);
}

static void gemm(struct wire *graph, const char *in, const char *out, int64_t from, int64_t to)
{
    char w[64], b[64], name[64], inputs[200];
    weight(graph, join(w, out, ".w"), 2, DIMS(to, from), 0);
    weight(graph, join(b, out, ".b"), 1, DIMS(to), 0);
    snprintf(inputs, sizeof inputs, "%s,%s,%s", in, w, b);
    struct wire node = wire_node("Gemm", join(name, out, "_node"), inputs, out);
    wire_attr_int(&node, "transB", 1);
    wire_graph_node(graph, node);
}

static struct wire begin(void)
{
    struct wire graph = {0};
    random_state = 1;
    wire_graph_input(&graph, "x", 4, DIMS(0, 3, 16, 16));
    return graph;
}

static struct wire end(struct wire graph, const char *output)
{
    wire_graph_output(&graph, output);
    return wire_model(13, graph);
}

static struct wire residual(void)
{
    struct wire g = begin();
    conv(&g, "x", "c1", 8, 3, 3, 1);
    norm(&g, "c1", "n1", 8);
    plain(&g, "Relu", "n1", "r1");
    halve(&g, "r1", "p1");
    conv(&g, "p1", "c2", 8, 8, 3, 1);
    norm(&g, "c2", "n2", 8);
    plain(&g, "Add", "n2,p1", "sum");
    plain(&g, "Relu", "sum", "r2");
    plain(&g, "GlobalAveragePool", "r2", "gap");
    plain(&g, "Flatten", "gap", "flat");
    gemm(&g, "flat", "logits", 8, NET_CLASSES);
    return end(g, "logits");
}

/* Three linear layers, dropout, and the softmax left on. */
static struct wire stacked(void)
{
    struct wire g = begin();
    conv(&g, "x", "c1", 4, 3, 3, 1);
    plain(&g, "Relu", "c1", "r1");
    halve(&g, "r1", "p1");
    conv(&g, "p1", "c2", 6, 4, 3, 1);
    plain(&g, "Relu", "c2", "r2");
    halve(&g, "r2", "p2");
    plain(&g, "Flatten", "p2", "flat");
    gemm(&g, "flat", "f1", 96, 12);
    plain(&g, "Relu", "f1", "fr1");
    plain(&g, "Dropout", "fr1", "fd1");
    gemm(&g, "fd1", "f2", 12, NET_CLASSES);
    plain(&g, "Softmax", "f2", "prob");
    return end(g, "prob");
}

/* The classifier is a 1x1 convolution with an activation behind it; softmax, then a flatten. */
static struct wire squeezed(void)
{
    struct wire g = begin();
    conv(&g, "x", "c1", 4, 3, 3, 1);
    plain(&g, "Relu", "c1", "r1");
    halve(&g, "r1", "p1");
    conv(&g, "p1", "e1", 4, 4, 1, 1);
    plain(&g, "Relu", "e1", "er1");
    conv(&g, "p1", "e3", 4, 4, 3, 1);
    plain(&g, "Relu", "e3", "er3");
    struct wire concat = wire_node("Concat", "fire", "er1,er3", "fire");
    wire_attr_int(&concat, "axis", 1);
    wire_graph_node(&g, concat);
    plain(&g, "Dropout", "fire", "drop");
    conv(&g, "drop", "c10", NET_CLASSES, 8, 1, 1);
    plain(&g, "Relu", "c10", "r10");
    plain(&g, "GlobalAveragePool", "r10", "gap");
    struct wire softmax = wire_node("Softmax", "softmax", "gap", "soft");
    wire_attr_int(&softmax, "axis", 1);
    wire_graph_node(&g, softmax);
    plain(&g, "Flatten", "soft", "prob");
    return end(g, "prob");
}

/* Normalisation behind each pool, where no convolution can take it in. */
static struct wire pooled_then_normed(void)
{
    struct wire g = begin();
    conv(&g, "x", "c1", 4, 3, 3, 1);
    plain(&g, "LeakyRelu", "c1", "r1");
    halve(&g, "r1", "p1");
    norm(&g, "p1", "n1", 4);
    conv(&g, "n1", "c2", 6, 4, 3, 1);
    plain(&g, "LeakyRelu", "c2", "r2");
    halve(&g, "r2", "p2");
    norm(&g, "p2", "n2", 6);
    plain(&g, "Flatten", "n2", "flat");
    gemm(&g, "flat", "logits", 96, NET_CLASSES);
    return end(g, "logits");
}

/* As many channels as classes before the mean: the last stage is no classifier, because a product follows. */
static struct wire as_many_channels_as_classes(void)
{
    struct wire g = begin();
    conv(&g, "x", "c1", 6, 3, 3, 1);
    plain(&g, "Relu", "c1", "r1");
    conv(&g, "r1", "dw", 6, 6, 3, 6);
    plain(&g, "Relu", "dw", "dr");
    conv(&g, "dr", "c2", NET_CLASSES, 6, 1, 1);
    plain(&g, "Relu", "c2", "r2");
    struct wire mean = wire_node("ReduceMean", "mean", "r2", "mean");
    wire_attr_ints(&mean, "axes", 2, DIMS(2, 3));
    wire_attr_int(&mean, "keepdims", 0);
    wire_graph_node(&g, mean);
    gemm(&g, "mean", "logits", NET_CLASSES, NET_CLASSES);
    return end(g, "logits");
}

static struct wire dense(void)
{
    struct wire g = begin();
    conv(&g, "x", "c1", 4, 3, 3, 1);
    conv(&g, "c1", "c2", 4, 4, 3, 1);
    struct wire concat = wire_node("Concat", "cat", "c1,c2", "cat");
    wire_attr_int(&concat, "axis", 1);
    wire_graph_node(&g, concat);
    norm(&g, "cat", "n", 8);
    plain(&g, "Relu", "n", "r");
    plain(&g, "GlobalAveragePool", "r", "gap");
    plain(&g, "Flatten", "gap", "flat");
    gemm(&g, "flat", "logits", 8, NET_CLASSES);
    return end(g, "logits");
}

/* A linear last stage (no activation), and a classifier that is a convolution of one pixel. */
static struct wire pixel_classifier(void)
{
    struct wire g = begin();
    conv(&g, "x", "c1", 6, 3, 3, 1);
    norm(&g, "c1", "n1", 6);
    plain(&g, "GlobalAveragePool", "n1", "gap");
    conv(&g, "gap", "c2", NET_CLASSES, 6, 1, 1);
    plain(&g, "Flatten", "c2", "logits");
    return end(g, "logits");
}

static struct wire perceptron(void)
{
    struct wire g = begin();
    plain(&g, "Flatten", "x", "flat");
    gemm(&g, "flat", "logits", 768, NET_CLASSES);
    return end(g, "logits");
}

const struct net nets[] = {
    {"residual", residual, "r2", 8, 8, "logits"},
    {"stacked", stacked, "r2", 6, 8, "f2"},
    {"squeezed", squeezed, "fire", 8, 8, "prob"},
    {"pooled_then_normed", pooled_then_normed, "r2", 6, 8, "logits"},
    {"as_many_channels_as_classes", as_many_channels_as_classes, "r2", NET_CLASSES, 16, "logits"},
    {"dense", dense, "r", 8, 16, "logits"},
    {"pixel_classifier", pixel_classifier, "n1", 6, 16, "logits"},
    {"perceptron", perceptron, NULL, 0, 0, "logits"},
};
const int n_nets = sizeof nets / sizeof *nets;
