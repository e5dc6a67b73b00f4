/* A plan: the compiled program of one layer, forward pass and one stage for each method. Private to kernels/. */
#ifndef WN_KERNELS_PLAN_H
#define WN_KERNELS_PLAN_H

#include <whynot/backend.h>
#include <whynot/explain.h>

#include "graph.h"

#define WN_MAX_METHODS 32

/* What is fixed when a plan is compiled. */
struct wn_plan_key {
    /* number among the graph's layers, or WN_LAYER_INPUT for the methods that explain the input */
    int layer;
    /* The one method that it holds: one over the input, whose backward pass is as long as the network, or one of
     * several runs. NULL: all methods of one run over that layer, and over the input none. */
    const struct wn_method *alone;
    double epsilon, alpha; /* settings that are compiled in; 0 where `alone` takes them not */
    /* N, R; with a reference the forward pass is over 2N: image N + i is the baseline of image i */
    int64_t images, rows;
    /* row i asks about image i, and N == R: nothing is looked up by rows. Never with a reference. */
    bool in_order;
};

struct wn_plan {
    struct wn_plan_key key;
    const float *low, *high; /* of the graph */
    struct wn_program *program;
    struct wn_exe *exe;
    bool sent;               /* images, at least once */
    int input, logits, seed; /* values: (N,C,H,W), (N,K), (R,K) */
    int row;                 /* value (R): image of each row; WN_NONE where the rows are in order */
    int reference_row;       /* value (R): N + image of each row; WN_NONE without a reference */
    struct wn_plan_method {
        struct wn_error error; /* why this method cannot be had on this graph; or WN_OK */
        int stage, map;        /* map: value (R,channels,h,w); channels is 1 for methods of one run */
        int64_t channels, h, w;
    } method[WN_MAX_METHODS];
};

/* Whether the baseline of each image goes through the forward pass beside it. */
bool wn_plan_has_reference(const struct wn_plan_key *key);
/* Whether rows in order are worth a program of their own, beside the one that takes them in any order: for passes as
 * long as the network they are, and one row can only be in order. */
bool wn_plan_wants_order(const struct wn_plan_key *key);
bool wn_plan_same_key(const struct wn_plan_key *a, const struct wn_plan_key *b);
/* Builds and compiles. Errors: WN_UNSUPPORTED, WN_NO_SUCH_LAYER, WN_NO_MEMORY, what the backend says. */
enum wn_code wn_plan_create(struct wn_graph *g, struct wn_backend *be, const struct wn_plan_key *key,
                            struct wn_plan **out, struct wn_error *err);
void wn_plan_destroy(struct wn_plan *plan); /* NULL is fine */
/* Number of a row of the method table, or -1. */
int wn_plan_method(const struct wn_method *method);

#endif
