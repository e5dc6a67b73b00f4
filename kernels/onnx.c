/* An ONNX file made into a graph: names resolved to numbers, constants read, nodes in topological order. Refuses
 * what is malformed; knows no operator but Constant, and nothing of pictures or logits. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"
#include "onnx_read.h"
#include "order.h"
#include "prescan.h"

enum { OLDEST_OPSET = 1 }; /* of files; see select.c for models */

/* Where a value comes from. A value is defined once, except that old files list initializers among the inputs too. */
enum origin { FROM_INPUT, FROM_INITIALIZER, FROM_NODE };

struct definition {
    const char *name; /* the message's */
    enum origin origin;
    int value, first; /* number; order of definition */
};

struct builder {
    struct wn_reader r;
    const Onnx__GraphProto *proto;
    struct wn_graph *g;
    struct definition *sorted; /* by name, one row a value */
    int n_sorted;
    struct wn_node *nodes;
};

/* ---- the reader's tools ---- */

void *wn_reader_take(struct wn_reader *r, size_t n, size_t size)
{
    void *p = wn_arena_take(r->arena, n, size);
    if (!p) wn_fail(r->err, WN_NO_MEMORY, "no memory for %zu elements of a model", n);
    return p;
}

char *wn_reader_string(struct wn_reader *r, const char *s)
{
    char *copy = wn_arena_string(r->arena, s);
    if (!copy) wn_fail(r->err, WN_NO_MEMORY, "no memory for a name of a model");
    return copy;
}

bool wn_reader_bad(struct wn_reader *r, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    wn_vfail(r->err, WN_BAD_MODEL, fmt, args);
    va_end(args);
    return false;
}

static void *counted_alloc(void *failed, size_t size)
{
    void *p = malloc(size ? size : 1);
    if (!p) *(bool *)failed = true;
    return p;
}

static void counted_free(void *failed, void *p)
{
    (void)failed;
    free(p);
}

ProtobufCMessage *wn_unpack(const ProtobufCMessageDescriptor *type, const void *data, size_t size, struct wn_error *err)
{
    bool failed = false;
    ProtobufCAllocator allocator = {counted_alloc, counted_free, &failed};
    ProtobufCMessage *message = protobuf_c_message_unpack(type, &allocator, size, data);
    if (failed)
        wn_fail(err, WN_NO_MEMORY, "no memory to unpack a model of %zu bytes", size);
    else if (!message)
        wn_fail(err, WN_BAD_MODEL,
                "this is no ONNX file, or a damaged one: its fields do not fit the standard's types");
    return message;
}

/* ---- names ---- */

static int by_name(const void *a, const void *b)
{
    const struct definition *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : x->first - y->first;
}

static bool define(struct builder *b, const char *name, enum origin origin)
{
    if (!name || !wn_name_usable(name))
        return wn_reader_bad(&b->r, "a value's name '%s' is empty, longer than %d bytes or not plain UTF-8",
                             wn_show(name).text, WN_NAME_BYTES);
    int first = b->n_sorted++;
    b->sorted[first] = (struct definition){.name = name, .origin = origin, .first = first};
    return true;
}

static bool define_all(struct builder *b)
{
    const Onnx__GraphProto *proto = b->proto;
    size_t n = proto->n_input + proto->n_initializer;
    for (size_t i = 0; i < proto->n_node; i++) n += proto->node[i]->n_output;
    if (n > INT_MAX / 2) return wn_reader_bad(&b->r, "the model has too many values");
    if (!(b->sorted = calloc(n ? n : 1, sizeof *b->sorted)))
        return wn_fail(b->r.err, WN_NO_MEMORY, "no memory for names"), false;
    for (size_t i = 0; i < proto->n_input; i++)
        if (!define(b, proto->input[i]->name, FROM_INPUT)) return false;
    for (size_t i = 0; i < proto->n_initializer; i++)
        if (!define(b, proto->initializer[i]->name, FROM_INITIALIZER)) return false;
    for (size_t i = 0; i < proto->n_node; i++)
        for (size_t k = 0; k < proto->node[i]->n_output; k++)
            if (*proto->node[i]->output[k] && !define(b, proto->node[i]->output[k], FROM_NODE)) return false;
    return true;
}

/* Sorting finds duplicates and makes look-up logarithmic whatever the names are; a hash table could be flooded. */
static bool unite_names(struct builder *b)
{
    int n = 0;
    qsort(b->sorted, (size_t)b->n_sorted, sizeof *b->sorted, by_name);
    for (int i = 0; i < b->n_sorted; i++) {
        struct definition *last = n ? &b->sorted[n - 1] : NULL;
        if (!last || strcmp(last->name, b->sorted[i].name) != 0) {
            b->sorted[n++] = b->sorted[i];
            continue;
        }
        if (last->origin != FROM_INPUT || b->sorted[i].origin != FROM_INITIALIZER)
            return wn_reader_bad(&b->r, "the value '%s' is defined twice", wn_show(last->name).text);
        last->origin = FROM_INITIALIZER;
    }
    b->n_sorted = n;
    return true;
}

static int by_first(const void *a, const void *b)
{
    const struct definition *const *x = a, *const *y = b;
    return (*x)->first - (*y)->first;
}

/* Numbers run in the order of definition, so they do not depend on what values are called. */
static bool number_values(struct builder *b)
{
    size_t n = (size_t)b->n_sorted;
    struct wn_graph *g = b->g;
    struct definition **order = calloc(n ? n : 1, sizeof *order);
    if (!order) return wn_fail(b->r.err, WN_NO_MEMORY, "no memory for %zu names", n), false;
    for (size_t i = 0; i < n; i++) order[i] = &b->sorted[i];
    qsort(order, n, sizeof *order, by_first);
    g->n_values = (int)n;
    g->value_names = wn_reader_take(&b->r, n, sizeof *g->value_names);
    g->constants = wn_reader_take(&b->r, n, sizeof *g->constants);
    bool ok = g->value_names && g->constants;
    for (size_t i = 0; ok && i < n; i++) {
        order[i]->value = (int)i;
        ok = (g->value_names[i] = wn_reader_string(&b->r, order[i]->name));
    }
    free(order);
    return ok;
}

static const struct definition *find_value(const struct builder *b, const char *name)
{
    struct definition key = {.name = name};
    int low = 0, high = b->n_sorted;
    while (low < high) {
        int middle = low + (high - low) / 2, order = strcmp(key.name, b->sorted[middle].name);
        if (order == 0) return &b->sorted[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* ---- constants, inputs, outputs ---- */

/* Each initializer's bytes are given back as soon as they are copied, so that a model is never held three times. */
static bool read_initializers(struct builder *b)
{
    for (size_t i = 0; i < b->proto->n_initializer; i++) {
        Onnx__TensorProto *t = b->proto->initializer[i];
        struct wn_tensor *tensor = wn_reader_tensor(&b->r, t);
        if (!tensor) return false;
        b->g->constants[find_value(b, t->name)->value] = tensor;
        free(t->raw_data.data);
        t->raw_data = (ProtobufCBinaryData){0};
    }
    return true;
}

static void read_axes(const Onnx__TensorShapeProto *shape, struct wn_port *port)
{
    if (!shape || shape->n_dim > WN_MAX_RANK) return;
    port->rank = (int)shape->n_dim;
    for (int d = 0; d < port->rank; d++) {
        const Onnx__TensorShapeProto__Dimension *dim = shape->dim[d];
        bool fixed = dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE && dim->dim_value > 0;
        port->dim[d] = fixed ? dim->dim_value : -1;
    }
}

static void read_type(const Onnx__TypeProto *type, struct wn_port *port)
{
    port->rank = -1;
    if (!type || type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE || !type->tensor_type) return;
    port->element = type->tensor_type->elem_type;
    port->is_float = type->tensor_type->elem_type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    read_axes(type->tensor_type->shape, port);
}

static bool read_inputs(struct builder *b)
{
    struct wn_port *ports = wn_reader_take(&b->r, b->proto->n_input, sizeof *ports);
    if (!ports) return false;
    b->g->inputs = ports;
    for (size_t i = 0; i < b->proto->n_input; i++) {
        const struct definition *d = find_value(b, b->proto->input[i]->name);
        if (d->origin != FROM_INPUT) continue;
        struct wn_port *port = &ports[b->g->n_inputs++];
        port->value = d->value;
        read_type(b->proto->input[i]->type, port);
    }
    return true;
}

static bool read_outputs(struct builder *b)
{
    int *outputs = wn_reader_take(&b->r, b->proto->n_output, sizeof *outputs);
    if (!outputs) return false;
    b->g->outputs = outputs;
    for (size_t i = 0; i < b->proto->n_output; i++) {
        const char *name = b->proto->output[i]->name;
        const struct definition *d = name ? find_value(b, name) : NULL;
        if (!d) return wn_reader_bad(&b->r, "nothing makes the output '%s'", wn_show(name).text);
        outputs[b->g->n_outputs++] = d->value;
    }
    return true;
}

/* ---- nodes ---- */

static bool resolve(struct builder *b, const struct wn_node *node, char **names, size_t n, const int **values,
                    int *count)
{
    int *list = wn_reader_take(&b->r, n, sizeof *list);
    if (!list) return false;
    for (size_t i = 0; i < n; i++) {
        const struct definition *d = *names[i] ? find_value(b, names[i]) : NULL;
        if (!d && *names[i])
            return wn_reader_bad(&b->r, "the node '%s' (%s) uses '%s', which nothing makes", wn_show(node->name).text,
                                 wn_show(node->op).text, wn_show(names[i]).text);
        list[i] = d ? d->value : -1;
    }
    *values = list;
    *count = (int)n; /* the pre-scan and define_all bound it */
    return true;
}

/* A node without a name is known by its first output. */
static const char *node_name(const Onnx__NodeProto *proto)
{
    if (proto->name && *proto->name) return proto->name;
    return proto->n_output > 0 ? proto->output[0] : "";
}

static bool read_node(struct builder *b, const Onnx__NodeProto *proto, struct wn_node *node)
{
    const char *domain = proto->domain && strcmp(proto->domain, "ai.onnx") != 0 ? proto->domain : "";
    if (!proto->op_type || !*proto->op_type)
        return wn_reader_bad(&b->r, "the node '%s' has no operator", wn_show(node_name(proto)).text);
    node->name = wn_reader_string(&b->r, node_name(proto));
    node->op = wn_reader_string(&b->r, proto->op_type);
    node->domain = wn_reader_string(&b->r, domain);
    return node->name && node->op && node->domain &&
           resolve(b, node, proto->input, proto->n_input, &node->in, &node->n_in) &&
           resolve(b, node, proto->output, proto->n_output, &node->out, &node->n_out) &&
           wn_reader_attributes(&b->r, proto, node);
}

static bool is_constant(const struct wn_node *node)
{
    return strcmp(node->op, "Constant") == 0 && !*node->domain && node->n_out == 1 && node->out[0] >= 0;
}

static bool read_nodes(struct builder *b)
{
    struct wn_graph *g = b->g;
    if (!(b->nodes = wn_reader_take(&b->r, b->proto->n_node, sizeof *b->nodes))) return false;
    for (size_t i = 0; i < b->proto->n_node; i++) {
        struct wn_node *node = &b->nodes[g->n_nodes];
        if (!read_node(b, b->proto->node[i], node)) return false;
        if (!is_constant(node)) {
            g->n_nodes++;
            continue;
        }
        struct wn_tensor *tensor = wn_reader_constant(&b->r, node);
        if (!tensor) return false;
        g->constants[node->out[0]] = tensor;
        *node = (struct wn_node){0};
    }
    g->nodes = b->nodes;
    return true;
}

/* ---- the model ---- */

static bool read_opset(struct builder *b, const Onnx__ModelProto *model)
{
    int64_t opset = 0;
    for (size_t i = 0; i < model->n_opset_import; i++) {
        const Onnx__OperatorSetIdProto *id = model->opset_import[i];
        if (!id->domain || !*id->domain || strcmp(id->domain, "ai.onnx") == 0) opset = id->version;
    }
    if (opset < OLDEST_OPSET || opset > WN_NEWEST_OPSET)
        return wn_reader_bad(&b->r, "the model uses ONNX opset %lld; opsets %d to %d are read here: convert it",
                             (long long)opset, OLDEST_OPSET, WN_NEWEST_OPSET);
    b->g->opset = (int)opset;
    return true;
}

static bool build(struct builder *b, const Onnx__ModelProto *model)
{
    if (!model->graph) return wn_reader_bad(&b->r, "this is no ONNX file: it holds no graph");
    b->proto = model->graph;
    return read_opset(b, model) && define_all(b) && unite_names(b) && number_values(b) && read_initializers(b) &&
           read_inputs(b) && read_outputs(b) && read_nodes(b) &&
           wn_order_nodes(b->nodes, b->g->n_nodes, b->g->n_values, b->r.err);
}

static struct wn_graph *new_graph(const struct wn_graph_limits *limits)
{
    struct wn_graph *g = calloc(1, sizeof *g);
    if (!g || !(g->arena = wn_arena_create())) {
        free(g);
        return NULL;
    }
    pthread_mutex_init(&g->store.lock, NULL);
    g->limits = *limits;
    g->input = g->logits = g->auto_layer = -1;
    return g;
}

enum wn_code wn_graph_read(const void *data, size_t size, const struct wn_graph_limits *limits, struct wn_graph **out,
                           struct wn_error *err)
{
    struct wn_error why = {0};
    struct builder b = {.r = {.limits = limits, .err = &why}};
    if ((int64_t)size > limits->file_bytes || size > INT64_MAX)
        return wn_fail(err, WN_BAD_MODEL, "the model has %zu bytes; the limit is %lld", size,
                       (long long)limits->file_bytes);
    if (wn_prescan(data, size, &onnx__model_proto__descriptor, limits, &why) != WN_OK) goto fail;
    Onnx__ModelProto *model = (Onnx__ModelProto *)wn_unpack(&onnx__model_proto__descriptor, data, size, &why);
    if (!model) goto fail;
    if ((b.g = new_graph(limits))) {
        b.r.arena = b.g->arena;
        build(&b, model);
    } else {
        wn_fail(&why, WN_NO_MEMORY, "no memory for a graph");
    }
    free(b.sorted);
    onnx__model_proto__free_unpacked(model, NULL);
    if (why.code != WN_OK) goto destroy_graph;
    *out = b.g;
    return WN_OK;
destroy_graph:
    wn_graph_destroy(b.g);
fail:
    return wn_fail(err, why.code, "%s", why.text);
}
