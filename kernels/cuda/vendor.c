/* Finds cuDNN and cuBLASLt; see vendor.h. */
#define WN_CUDA_VENDOR_PLAIN
#include "vendor.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct wn_cuda_vendor wn_cuda_vendor;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char why[256];

/* By the loader's own rules first, then where the build found it. */
static void *open_library(const char *name, const char *path)
{
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!library) library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) snprintf(why, sizeof why, "%s was not found", name);
    return library;
}

static void load(void)
{
    char blas_name[32];
    snprintf(blas_name, sizeof blas_name, "libcublasLt.so.%d", CUBLAS_VER_MAJOR);
    void *dnn = open_library("libcudnn.so.9", WHYNOT_CUDNN_PATH), *blas = open_library(blas_name, WHYNOT_CUBLASLT_PATH);
    if (!dnn || !blas) return;
#define X(library, name)                                                                                               \
    *(void **)&wn_cuda_vendor.name##_ = dlsym(library, #name);                                                         \
    if (!wn_cuda_vendor.name##_) snprintf(why, sizeof why, "%s is missing in its library", #name);
#include "vendor.def"
#undef X
}

enum wn_code wn_cuda_vendor_load(struct wn_error *err)
{
    pthread_once(&once, load);
    if (!why[0]) return WN_OK;
    return wn_fail(err, WN_DEVICE, "%s; install cuDNN 9 and cuBLAS of CUDA %d or use a CPU backend", why,
                   CUBLAS_VER_MAJOR);
}
