/* A network read from an ONNX file: checked, ordered, its constants folded; knows no device.
 *
 * One graph serves every engine of a model. It is immutable after loading, except for its store of derived weights
 * (folded batch-norms, pre-summed matrices), which locks itself. */
#ifndef WHYNOT_GRAPH_H
#define WHYNOT_GRAPH_H

#include <whynot/program.h>

#ifdef __cplusplus
extern "C" {
#endif

struct wn_graph;

/* Limits on what a model file may ask for; wn_graph_limits_default fills in the ones that the daemon ships with. */
struct wn_graph_limits {
    int64_t file_bytes;      /* 1 GiB */
    int64_t nodes;           /* 10,000 */
    int64_t tensor_elements; /* 2^31 */
    int64_t value_elements;  /* elements of one activation, one image: 2^28 */
    int depth;               /* nesting of protobuf messages: 8 */
};
WN_API struct wn_graph_limits wn_graph_limits_default(void);

/* What the caller knows better than the file. All optional; zero-initialise. */
struct wn_graph_options {
    const char *input; /* the picture input; NULL: the first input that is not an initializer */
    /* the logits, or what a Softmax, a LogSoftmax or, of one class, a Sigmoid makes of them, which is taken off; NULL:
     * the first output */
    const char *output;
    int64_t height, width;                /* for inputs with free spatial axes; 0: as the file says */
    const struct wn_graph_limits *limits; /* NULL: the defaults */
    /* The least and the largest value that a picture can give each channel of the input, one a channel, copied;
     * NULL: nobody knows. Of more channels than n_bounds nothing is known either. */
    const float *low, *high;
    int n_bounds;
    bool bgr; /* of three channels the first is blue and the last is red: what finds areas by colour has to know */
    /* Not 0: the weights of convolutions and products are shuffled, each tensor within itself, as this seed says: a
     * network of the same shape and the same weights that has learnt nothing, for sanity checks of explanations
     * (Adebayo et al. 2018). */
    uint64_t shuffle_seed;
};

/* A value under the logits that can be explained. */
struct wn_layer {
    const char *name; /* the ONNX value's name */
    const char *op;   /* operator that makes it */
    int64_t channels, height, width;
    /* Other tensors of the same stage, as numbers of layers; -1 where there is none. */
    int before_activation; /* what the activation reads, where an activation makes this layer */
    /* the convolution's own output, before batch-norm and activation: this layer itself where a convolution makes it */
    int raw_convolution;
};

/* Reads and checks the model. Errors: WN_BAD_MODEL (malformed, cyclic, outside the limits, external data),
 * WN_DYNAMIC_SIZE (height or width is free in the file and not in the options), WN_UNSUPPORTED (an operator or
 * attribute that is not here: names operator and node), WN_NOT_FOUND (no such file), WN_NO_MEMORY. Nothing is read but
 * this one file. */
WN_API enum wn_code wn_graph_load(const char *path, const struct wn_graph_options *options, struct wn_graph **out,
                                  struct wn_error *err);
WN_API enum wn_code wn_graph_parse(const void *data, size_t size, const struct wn_graph_options *options,
                                   struct wn_graph **out, struct wn_error *err);
WN_API void wn_graph_destroy(struct wn_graph *g); /* NULL is fine; no engine of it may be alive */

WN_API int64_t wn_graph_channels(const struct wn_graph *g); /* of the picture input */
WN_API int64_t wn_graph_height(const struct wn_graph *g);
WN_API int64_t wn_graph_width(const struct wn_graph *g);
WN_API int wn_graph_classes(const struct wn_graph *g); /* K: number of logits */
WN_API int64_t wn_graph_weight_bytes(const struct wn_graph *g);
WN_API const char *wn_graph_sha256(const struct wn_graph *g); /* of the file's bytes, 64 hex digits */
WN_API int wn_graph_layers(const struct wn_graph *g);         /* in the order of the forward pass */
WN_API const struct wn_layer *wn_graph_layer(const struct wn_graph *g, int layer);
/* "auto" (or NULL): the output of the last convolutional stage after its activation, before the last pool. A
 * value's name or, failing that, the name of the node that makes it. -1 if there is none. */
WN_API int wn_graph_find_layer(const struct wn_graph *g, const char *name);

#ifdef __cplusplus
}
#endif
#endif
