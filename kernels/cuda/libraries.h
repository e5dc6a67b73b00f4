/* The handles of the vendor's two libraries, for the files that call them. */
#ifndef WN_CUDA_LIBRARIES_H
#define WN_CUDA_LIBRARIES_H

#include <math.h>

#include <whynot/backend.h>

#include "vendor.h"

struct wn_cuda_libraries {
    cudnnHandle_t dnn;
    cublasLtHandle_t blas;
};

/* Says which cuDNN was loaded, or why none was. */
void wn_cuda_libraries_diagnose(void (*say)(void *arg, const struct wn_finding *finding), void *arg);

#endif
