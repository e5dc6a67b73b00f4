/* Lets a test program that was written for a real backend run on the emulation: the order of the threads and whether
 * the vendor's libraries can do anything come from the environment. Linked into the program beside its own main. */
#include <stdlib.h>
#include <string.h>

#include "emulation_control.h"
#include "fake_runtime.h"

__attribute__((constructor)) static void choose(void)
{
    const char *order = getenv("WN_EMULATED_ORDER"), *libraries = getenv("WN_EMULATED_LIBRARIES");
    const char *barriers = getenv("WN_EMULATED_BARRIERS");
    if (order) wn_emulated_order = atoi(order);
    if (libraries) fake_libraries_can = strcmp(libraries, "none") != 0;
    if (barriers) wn_emulated_no_barriers = strcmp(barriers, "none") == 0;
}
