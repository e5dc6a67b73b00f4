/* Ordinary builds inject nothing; see fault.h. */
#include "check.h"
#include "fault.h"

int wn_cuda_inject(const char *library, int status)
{
    (void)library;
    return status;
}

void wn_cuda_fault_run(void *stream)
{
    (void)stream;
}
