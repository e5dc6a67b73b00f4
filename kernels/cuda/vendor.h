/* cuDNN and cuBLASLt, found when a GPU is opened instead of when the program starts: a program that was built with
 * them starts as quickly as one without, and also where they are not installed. Calls are written as ever; the names
 * below lead them through a table of pointers, one of each type that the vendor's own header declares. */
#ifndef WN_CUDA_VENDOR_H
#define WN_CUDA_VENDOR_H

#include <cublasLt.h>
#include <cudnn.h>
#include <cudnn_backend.h>

#include <whynot/error.h>

/* Planning for a card that is only described came with cuDNN 9.8, and no card needs it: built with an older one, its
 * names are here and nothing of it works. */
#if CUDNN_VERSION < 90800
#define CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR ((cudnnBackendDescriptorType_t)38)
#define CUDNN_ATTR_ENGINEHEUR_DEVICEPROP ((cudnnBackendAttributeName_t)204)
#define CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP ((cudnnBackendAttributeName_t)407)
#define CUDNN_ATTR_DEVICEPROP_HANDLE ((cudnnBackendAttributeName_t)2701)
#define CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION ((cudnnBackendAttributeName_t)2702)
#endif

extern struct wn_cuda_vendor {
#define X(library, name) __typeof__(&name) name##_;
#include "vendor.def"
#undef X
} wn_cuda_vendor;

/* Loads both libraries, once for the process; WN_DEVICE with the loader's words where one is missing. Thread-safe. */
enum wn_code wn_cuda_vendor_load(struct wn_error *err);

#ifndef WN_CUDA_VENDOR_PLAIN
#define cudnnCreate wn_cuda_vendor.cudnnCreate_
#define cudnnDestroy wn_cuda_vendor.cudnnDestroy_
#define cudnnSetStream wn_cuda_vendor.cudnnSetStream_
#define cudnnGetVersion wn_cuda_vendor.cudnnGetVersion_
#define cudnnGetErrorString wn_cuda_vendor.cudnnGetErrorString_
#define cudnnGetLastErrorString wn_cuda_vendor.cudnnGetLastErrorString_
#define cudnnBackendCreateDescriptor wn_cuda_vendor.cudnnBackendCreateDescriptor_
#define cudnnBackendDestroyDescriptor wn_cuda_vendor.cudnnBackendDestroyDescriptor_
#define cudnnBackendSetAttribute wn_cuda_vendor.cudnnBackendSetAttribute_
#define cudnnBackendGetAttribute wn_cuda_vendor.cudnnBackendGetAttribute_
#define cudnnBackendFinalize wn_cuda_vendor.cudnnBackendFinalize_
#define cudnnBackendExecute wn_cuda_vendor.cudnnBackendExecute_
#define cublasLtCreate wn_cuda_vendor.cublasLtCreate_
#define cublasLtDestroy wn_cuda_vendor.cublasLtDestroy_
#define cublasLtGetStatusString wn_cuda_vendor.cublasLtGetStatusString_
#define cublasLtGetVersion wn_cuda_vendor.cublasLtGetVersion_
#define cublasLtMatmul wn_cuda_vendor.cublasLtMatmul_
#define cublasLtMatmulAlgoCheck wn_cuda_vendor.cublasLtMatmulAlgoCheck_
#define cublasLtMatmulAlgoGetHeuristic wn_cuda_vendor.cublasLtMatmulAlgoGetHeuristic_
#define cublasLtMatmulDescCreate wn_cuda_vendor.cublasLtMatmulDescCreate_
#define cublasLtMatmulDescDestroy wn_cuda_vendor.cublasLtMatmulDescDestroy_
#define cublasLtMatmulDescSetAttribute wn_cuda_vendor.cublasLtMatmulDescSetAttribute_
#define cublasLtMatmulPreferenceCreate wn_cuda_vendor.cublasLtMatmulPreferenceCreate_
#define cublasLtMatmulPreferenceDestroy wn_cuda_vendor.cublasLtMatmulPreferenceDestroy_
#define cublasLtMatmulPreferenceSetAttribute wn_cuda_vendor.cublasLtMatmulPreferenceSetAttribute_
#define cublasLtMatrixLayoutCreate wn_cuda_vendor.cublasLtMatrixLayoutCreate_
#define cublasLtMatrixLayoutDestroy wn_cuda_vendor.cublasLtMatrixLayoutDestroy_
#define cublasLtMatrixLayoutSetAttribute wn_cuda_vendor.cublasLtMatrixLayoutSetAttribute_
#endif

#endif
