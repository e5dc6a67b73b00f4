/* A driver's library for machines that have none: cuDNN compiles kernels while it plans only where it can load one.
 * This one takes them without a look, says that there is no device, and runs nothing. So a plan of such an engine
 * shows that the compiler took it for the card that was described, and no more. */
#include <stdint.h>

enum { SUCCESS = 0, STUB = 34 };

typedef int result;

/* Declared where they are defined: nobody includes this. */
#define FUNCTION __attribute__((visibility("default"))) result
#define TAKES(name, handle)                                                                                            \
    FUNCTION name(void **out);                                                                                         \
    FUNCTION name(void **out)                                                                                          \
    {                                                                                                                  \
        *out = (void *)(uintptr_t)(handle);                                                                            \
        return SUCCESS;                                                                                                \
    }
#define ANSWERS(name, type, value)                                                                                     \
    FUNCTION name(type *out);                                                                                          \
    FUNCTION name(type *out)                                                                                           \
    {                                                                                                                  \
        *out = (value);                                                                                                \
        return SUCCESS;                                                                                                \
    }
#define WORDS(name)                                                                                                    \
    FUNCTION name(int code, const char **out);                                                                         \
    FUNCTION name(int code, const char **out)                                                                          \
    {                                                                                                                  \
        (void)code;                                                                                                    \
        *out = "there is no driver";                                                                                   \
        return SUCCESS;                                                                                                \
    }
#define IGNORES(name)                                                                                                  \
    FUNCTION name(void);                                                                                               \
    FUNCTION name(void)                                                                                                \
    {                                                                                                                  \
        return SUCCESS;                                                                                                \
    }
#define REFUSES(name)                                                                                                  \
    FUNCTION name(void);                                                                                               \
    FUNCTION name(void)                                                                                                \
    {                                                                                                                  \
        return STUB;                                                                                                   \
    }

ANSWERS(cuDriverGetVersion, int, 13000)
WORDS(cuGetErrorString)
WORDS(cuGetErrorName)

/* What was compiled is loaded, its kernels are found, their properties asked and set. */
TAKES(cuLibraryLoadData, 16)
TAKES(cuLibraryGetKernel, 32)
TAKES(cuKernelGetFunction, 32)
TAKES(cuModuleLoadData, 16)
TAKES(cuModuleLoadDataEx, 16)
TAKES(cuModuleGetFunction, 32)
ANSWERS(cuKernelGetAttribute, int, 0)
ANSWERS(cuFuncGetAttribute, int, 0)
IGNORES(cuKernelSetAttribute)
IGNORES(cuFuncSetAttribute)
IGNORES(cuLibraryUnload)
IGNORES(cuModuleUnload)

/* clang-format off */
#define EACH(X)                                                                                                        \
    X(cuInit) X(cuGetProcAddress) X(cuGetProcAddress_v2) X(cuLibraryLoadFromFile) X(cuModuleLoadFatBinary)             \
    X(cuModuleGetGlobal_v2) X(cuLaunchKernel) X(cuLaunchKernel_ptsz) X(cuLaunchKernelEx) X(cuLaunchKernelEx_ptsz)      \
    X(cuLaunchCooperativeKernel) X(cuLaunchCooperativeKernel_ptsz) X(cuLinkCreate) X(cuLinkCreate_v2)                  \
    X(cuLinkAddData) X(cuLinkAddData_v2) X(cuLinkAddFile_v2) X(cuLinkComplete) X(cuLinkDestroy) X(cuDeviceGet)         \
    X(cuDeviceGetCount) X(cuDeviceGetAttribute) X(cuDevicePrimaryCtxRetain) X(cuDevicePrimaryCtxRelease)               \
    X(cuDevicePrimaryCtxRelease_v2) X(cuDevicePrimaryCtxReset) X(cuDevicePrimaryCtxReset_v2) X(cuCtxGetCurrent)        \
    X(cuCtxGetDevice) X(cuCtxGetLimit) X(cuCtxPushCurrent) X(cuCtxPushCurrent_v2) X(cuCtxPopCurrent)                   \
    X(cuCtxPopCurrent_v2) X(cuStreamGetCtx) X(cuStreamGetCtx_ptsz) X(cuStreamSynchronize)                              \
    X(cuStreamSynchronize_ptsz) X(cuMemcpyDtoH_v2) X(cuTensorMapEncodeTiled) X(cuTensorMapEncodeIm2col)                \
    X(cuOccupancyMaxPotentialClusterSize) X(cuOccupancyMaxActiveBlocksPerMultiprocessor)
/* clang-format on */
EACH(REFUSES)
