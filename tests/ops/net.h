/* A small graph under test: written as an ONNX file, read, lowered and run on the oracle. A failure of the test's own
 * making ends the test. */
#ifndef WN_TESTS_NET_H
#define WN_TESTS_NET_H

#include "graph.h"
#include "wire.h"

enum { NET_INPUTS = 4 };

struct net {
    int64_t opset;
    struct wire graph;
    int n_inputs;
    struct wn_shape shapes[NET_INPUTS];
    const float *data[NET_INPUTS]; /* the test's */
};

#define SHAPE(...) wn_shape_of((int)(sizeof(int64_t[]){__VA_ARGS__} / sizeof(int64_t)), (int64_t[]){__VA_ARGS__})
#define FLOATS(...)                                                                                                    \
    (const float[])                                                                                                    \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }
#define INTS(...)                                                                                                      \
    (int)(sizeof(int64_t[]){__VA_ARGS__} / sizeof(int64_t)), (const int64_t[])                                         \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }

extern const float net_count[32]; /* 1, 2, 3 ... 32 */

struct net net_begin(int64_t opset);
/* *net with the input "x", which counts from 1, and a node of it with the output "y", for net_gives_node; more
 * inputs by name. */
struct wire net_of_node(struct net *net, int64_t opset, const char *op, const char *in, struct wn_shape x);
void net_input(struct net *net, const char *name, struct wn_shape shape, const float *data);
void net_floats(struct net *net, const char *name, struct wn_shape shape, const float *data); /* initializer */
void net_ints(struct net *net, const char *name, int n, const int64_t *data); /* initializer of rank 1 */

/* The output "y" must have this shape and, within 1e-6 of the largest, these values; and lowering must survive every
 * allocation that fails. Frees the net. */
void net_gives(struct net *net, struct wn_shape shape, const float *want);
/* The same with this node put behind what is there. */
void net_gives_node(struct net *net, struct wire node, struct wn_shape shape, const float *want);
/* Lowering must fail like this, with `about` in the text. Frees the net. */
void net_refused(struct net *net, enum wn_code code, const char *about);
/* The same for a network: reading it as a picture model, or lowering it for two pictures, must fail. */
void net_refused_for_pictures(struct net *net, enum wn_code code, const char *about);

/* The net as a picture model, lowered for n pictures and run; the first input's data is n pictures. Logits: malloc'd.
 * *steps, *weights: steps of the program before optimising, rows of the store; may be NULL. Does not free the net. */
float *net_logits(const struct net *net, int64_t n, const char *const *keep, int n_keep, int *steps, int *weights);
void net_finish(struct net *net);

#endif
