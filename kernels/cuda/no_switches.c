/* Ordinary builds have one arena, and leave to the libraries what they take; see switches.h. */
#include "switches.h"

bool wn_cuda_apart(void)
{
    return false;
}

bool wn_cuda_plain(void)
{
    return false;
}
