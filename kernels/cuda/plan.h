/* A finished plan, for the two files that make and run them. */
#ifndef WN_CUDA_PLAN_H
#define WN_CUDA_PLAN_H

#include <stdint.h>

#include <cudnn_backend.h>

#include "conv_graph.h"

/* Which tensor of a graph is which. */
enum { WN_PLAN_X = 1, WN_PLAN_W, WN_PLAN_BIAS, WN_PLAN_RESIDUAL, WN_PLAN_UNITS, WN_PLAN_Y, WN_PLAN_BETWEEN };

struct wn_cuda_plan {
    cudnnBackendDescriptor_t descriptor;
    struct wn_cuda_plan_facts facts;
};

#endif
