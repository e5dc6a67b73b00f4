/* Convolutions as cuDNN operation graphs: what one is, whatever device plans it. The same code plans for the card in
 * the machine (a handle) and, in the tests, for a card that is only described. */
#ifndef WN_CUDA_CONV_GRAPH_H
#define WN_CUDA_CONV_GRAPH_H

#include <whynot/program.h>

#include "kernels.h"

/* y = relu(conv(x, w) + residual + bias), each part as asked for; backward: x = gradient of y with respect to x.
 * derivative: y = conv(x, w) + residual where units, of y's shape and in units_type, are above 0, and else 0: what a
 * relu makes of the gradient that the convolution is. Nothing else goes with it. Shapes are logical (N, C,
 * spatial...) and (O, C/groups, spatial...); memory is channels last. The bias has the type of x too: cuDNN has no
 * plan for an f32 bias beside 16-bit data. */
struct wn_cuda_conv_shape {
    bool backward, bias, residual, relu, derivative;
    bool exact; /* f32 by f32 units only: no tf32, no Winograd */
    enum wn_cuda_type type, units_type;
    struct wn_shape x, w, y;
    struct wn_window win;
    int64_t groups;
};

/* plans.c: a name for the shape that is the same wherever it is the same, in a process and in a folder. Returns its
 * length. */
int wn_cuda_conv_key(const struct wn_cuda_conv_shape *shape, char *dst, size_t size);

/* Who plans: exactly one of the two is set; both are cuDNN's and opaque here. */
struct wn_cuda_planner {
    void *handle;      /* cudnnHandle_t */
    void *description; /* a finalised device property descriptor */
};

/* A device property descriptor made from cuDNN's JSON for a card; NULL with err filled. */
void *wn_cuda_describe_device(const char *json, struct wn_error *err);
void wn_cuda_describe_done(void *description); /* NULL is fine */

struct wn_cuda_plan;
struct wn_cuda_plan_facts {
    int64_t workspace_bytes;
    int64_t engine;    /* cuDNN's number of it; -1 for a plan that was text */
    bool tensor_cores; /* as cuDNN notes it; false for a plan that was text */
    bool compiled;     /* its kernel was compiled while it was planned, which takes its time; likewise */
};

/* Up to `most` plans, at least 1: as the heuristics prefer them, but first of all the best on tensor cores, in tf32 of
 * those that copy nothing, and no third of an engine before two of each. Where there is none, the gravest of the
 * reasons with cuDNN's words: WN_NO_MEMORY, WN_DEVICE, else WN_UNSUPPORTED. */
enum wn_code wn_cuda_plans(const struct wn_cuda_planner *planner, const struct wn_cuda_conv_shape *shape, int most,
                           struct wn_cuda_plan **out, int *n, struct wn_error *err);
struct wn_cuda_plan_facts wn_cuda_plan_facts(const struct wn_cuda_plan *plan);
void wn_cuda_plan_destroy(struct wn_cuda_plan *plan); /* NULL is fine */

/* A plan as text, and back: malloc'd, caller's; NULL with err filled. */
char *wn_cuda_plan_save(const struct wn_cuda_plan *plan, struct wn_error *err);
enum wn_code wn_cuda_plan_load(const struct wn_cuda_planner *planner, const char *text, struct wn_cuda_plan **out,
                               struct wn_error *err);

#endif
