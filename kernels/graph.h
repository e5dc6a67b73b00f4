/* The graph inside: nodes in topological order, constants, and the store of derived weights. Private to kernels/. */
#ifndef WN_KERNELS_GRAPH_H
#define WN_KERNELS_GRAPH_H

#include <pthread.h>

#include <whynot/graph.h>

#include "names.h"

enum wn_dtype { WN_F32, WN_F64, WN_I64, WN_I32, WN_BOOL, WN_U8 };

/* A constant tensor. Integers and booleans are held as int64, f64 is narrowed to f32 (dtype says what the file had). */
struct wn_tensor {
    enum wn_dtype dtype;
    struct wn_shape shape;
    float *f;   /* float kinds: elements; owned */
    int64_t *i; /* integer kinds; owned */
};

enum wn_attr_kind { WN_ATTR_INT, WN_ATTR_FLOAT, WN_ATTR_STRING, WN_ATTR_INTS, WN_ATTR_FLOATS, WN_ATTR_TENSOR };
struct wn_attr {
    const char *name;
    enum wn_attr_kind kind;
    int64_t i;
    float f;
    const char *s;
    int n; /* of ints, floats */
    const int64_t *ints;
    const float *floats;
    const struct wn_tensor *tensor;
};

/* Names of values are interned: a value is its number in graph->value_names; -1 is an input or output left out. */
struct wn_node {
    const char *op, *domain, *name;
    int n_in, n_out, n_attrs;
    const int *in, *out;
    const struct wn_attr *attrs;
};

/* Derived weights, made once per model and shared by every program of it. A key says what it is made from:
 * "conv1.weight|bn1.gamma|folded". */
struct wn_weight_store {
    pthread_mutex_t lock; /* guards rows and n */
    struct wn_stored_weight {
        char *key;
        struct wn_weight weight;
        float *data;
        bool has_infinity;
    } * *rows;
    int n, cap;
};

/* An input of the file. A free axis has length -1; rank -1: the file does not say. */
struct wn_port {
    int value;
    bool is_float;
    int element; /* the standard's number of its element type; 0: no tensor */
    int rank;
    int64_t dim[WN_MAX_RANK];
};

struct wn_arena;

/* Of files that are read, and of models. */
enum { WN_NEWEST_OPSET = 28 };

struct wn_graph {
    int opset;
    int n_values, n_nodes;
    const char **value_names;
    struct wn_tensor **constants; /* [n_values]: initializers; NULL where the value is no constant */
    const struct wn_node *nodes;  /* topological order */
    int input, logits;            /* value numbers */
    int64_t input_shape[WN_MAX_RANK];
    int input_rank; /* input_shape[0] is the batch and is ignored */
    bool sigmoid;   /* was taken off the logits */
    int classes;
    const float *low, *high; /* C each, or NULL: the range of the input's values */
    bool bgr;                /* three channels are blue, green and red, in this order */
    int n_layers, auto_layer;
    struct wn_layer *layers;
    int *layer_values; /* [n_layers]: value numbers */
    int64_t weight_bytes;
    char sha256[65];
    struct wn_graph_limits limits;
    struct wn_weight_store store;
    struct wn_arena *arena;  /* owner of names, nodes, attributes, constants: freed in one place */
    int n_inputs, n_outputs; /* as the file lists them, inputs that are initializers left out */
    const struct wn_port *inputs;
    const int *outputs; /* value numbers */
};

/* Finds the weight of that key, or makes it: `make` fills count(shape) floats from `arg`; with `make` NULL the
 * floats at `arg` themselves are taken, which must live as long as the graph (a constant's `f`). NULL and a filled
 * err on failure: WN_NO_MEMORY, WN_BAD_MODEL where an element is no number (an activation would hide that: the
 * larger of 0 and NaN is 0). Thread-safe, and the store stays locked while `make` runs, so it must not ask for
 * weights. Lives as long as the graph. */
const struct wn_weight *wn_graph_weight(struct wn_graph *g, const char *key, const struct wn_shape *shape,
                                        void (*make)(float *dst, const void *arg), const void *arg,
                                        struct wn_error *err);

/* Whether a weight of wn_graph_weight has an infinite element: a mask may, a factor may not. */
bool wn_weight_has_infinity(const struct wn_weight *w);

void wn_weight_store_finish(struct wn_weight_store *store);

/* ---- steps of loading, in order (wn_graph_parse does all three) ---- */

/* onnx.c: the file as it stands, in topological order, no input or output chosen, no operator looked up. limits:
 * never NULL. */
enum wn_code wn_graph_read(const void *data, size_t size, const struct wn_graph_limits *limits, struct wn_graph **out,
                           struct wn_error *err);
/* select.c: chooses input and logits, drops what the logits do not need, refuses operators that are not in ops.def. */
enum wn_code wn_graph_select(struct wn_graph *g, const struct wn_graph_options *options, struct wn_error *err);
/* layers.c: lowers once for shapes; fills classes, layers and auto_layer. */
enum wn_code wn_graph_find_layers(struct wn_graph *g, struct wn_error *err);

/* Reads one serialised TensorProto, as the standard's test cases hold them. Freed with wn_tensor_destroy. */
enum wn_code wn_tensor_parse(const void *data, size_t size, const struct wn_graph_limits *limits,
                             struct wn_tensor **out, struct wn_error *err);
void wn_tensor_destroy(struct wn_tensor *t); /* only for tensors of wn_tensor_parse; NULL is fine */

/* ---- lowering (lower.c) ---- */

/* The forward pass of a graph inside a program. */
struct wn_forward {
    int input;  /* value: (N,C,H,W) */
    int logits; /* value: (N,K) */
    /* [graph->n_values]: program value of each ONNX value, -1 where it is constant or was folded away; owned */
    int *values;
};

/* Appends the forward pass for a batch of n images. `keep` lists ONNX values (n_keep of them) that must exist as
 * values of their own (explained layers), so they are not folded into a neighbour. Freed with wn_forward_finish. */
enum wn_code wn_graph_lower(struct wn_graph *g, struct wn_program *p, int64_t n, const int *keep, int n_keep,
                            struct wn_forward *out, struct wn_error *err);
void wn_forward_finish(struct wn_forward *f);

/* ---- any graph, for the standard's own cases: no picture and no logits are assumed ---- */

/* One input as wn_graph_lower_all is given it. */
struct wn_binding {
    const struct wn_tensor *constant; /* bound while lowering; NULL: becomes a program input of `shape` */
    struct wn_shape shape;
    int value; /* set by wn_graph_lower_all: the program input, or WN_NONE */
};
/* One output as wn_graph_lower_all leaves it: a program value, or a constant (owned; see wn_outcome_finish). */
struct wn_outcome {
    int value;
    struct wn_tensor *constant;
};
/* in: one for each input of the file, out: one for each output, the caller's. Values are not batched: an operator
 * may do to axis 0 what it likes. */
enum wn_code wn_graph_lower_all(struct wn_graph *g, struct wn_program *p, struct wn_binding *in, struct wn_outcome *out,
                                struct wn_error *err);
void wn_outcome_finish(struct wn_outcome *o);

#endif
