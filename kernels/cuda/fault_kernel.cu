/* A real illegal access, for test builds only; see fault.h. */
#include "launch.h"

__global__ static void wild_read_kernel(const float *wild, float *sink)
{
    *sink = *wild;
}

/* ------------------------------------------------------------------------------------------------------------- */

extern "C" void wn_cuda_launch_wild_read(void *stream)
{
    WN_LAUNCH(wild_read_kernel, 1, 1, 0, stream, reinterpret_cast<const float *>(8), reinterpret_cast<float *>(16));
}
