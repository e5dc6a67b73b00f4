/* The words of cuDNN and cuBLASLt for a failed call; see check.h. Apart from check.c, because planning needs cuDNN
 * and no GPU. */
#include "check.h"

#include <string.h>

#include "vendor.h"

enum wn_code wn_cuda_check_dnn(int status, const char *call, struct wn_error *err)
{
    char words[256] = "";
    status = wn_cuda_inject("dnn", status);
    if (status == CUDNN_STATUS_SUCCESS) return WN_OK;
    cudnnGetLastErrorString(words, sizeof words);
    const int name = (int)strcspn(call, "( ");
    const bool unsupported = status / 1000 == CUDNN_STATUS_NOT_SUPPORTED / 1000;
    if (unsupported) return wn_fail(err, WN_UNSUPPORTED, "%.*s: %.200s", name, call, words);
    const bool memory = status == CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED ||
                        status == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED;
    return wn_fail(err, memory ? WN_NO_MEMORY : WN_DEVICE, "cuDNN failed at %.*s: %s %.200s", name, call,
                   cudnnGetErrorString((cudnnStatus_t)status), words);
}

enum wn_code wn_cuda_check_blas(int status, const char *call, struct wn_error *err)
{
    status = wn_cuda_inject("blas", status);
    if (status == CUBLAS_STATUS_SUCCESS) return WN_OK;
    const enum wn_code code = status == CUBLAS_STATUS_NOT_SUPPORTED  ? WN_UNSUPPORTED
                              : status == CUBLAS_STATUS_ALLOC_FAILED ? WN_NO_MEMORY
                                                                     : WN_DEVICE;
    return wn_fail(err, code, "cuBLASLt failed at %.*s: %s", (int)strcspn(call, "( "), call,
                   cublasLtGetStatusString((cublasStatus_t)status));
}
