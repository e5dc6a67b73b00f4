/* For test builds only; see switches.h. */
#include "switches.h"

#include <stdlib.h>
#include <string.h>

static bool is_on(const char *name)
{
    const char *value = getenv(name);
    return value && strcmp(value, "1") == 0;
}

bool wn_cuda_apart(void)
{
    return is_on("WHYNOT_APART");
}

bool wn_cuda_plain(void)
{
    return is_on("WHYNOT_PLAIN");
}
