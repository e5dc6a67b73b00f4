/* Ordinary builds have one arena; see apart.h. */
#include "apart.h"

bool wn_cuda_apart(void)
{
    return false;
}
