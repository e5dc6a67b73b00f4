/* The handles of the vendor's two libraries, for the files that call them. */
#ifndef WN_CUDA_LIBRARIES_H
#define WN_CUDA_LIBRARIES_H

#include <math.h>

#include "vendor.h"

struct wn_cuda_libraries {
    cudnnHandle_t dnn;
    cublasLtHandle_t blas;
};

#endif
