/* The illegal access of fault_kernel.cu as the emulation has it: when the device comes to it, every later call
 * fails. */
#include <cuda_runtime_api.h>

#include "fake_runtime.h"

void wn_cuda_launch_wild_read(void *stream);

static void read_wildly(void *arg)
{
    (void)arg;
    fake_runtime.stuck = cudaErrorIllegalAddress;
}

static void keep(void *arg)
{
    (void)arg;
}

void wn_cuda_launch_wild_read(void *stream)
{
    fake_runtime_launch(stream, read_wildly, keep, NULL);
}
