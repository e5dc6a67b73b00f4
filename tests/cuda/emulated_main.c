/* Lets a test program that was written for a real backend run on the emulation: the order of the threads and whether
 * the vendor's libraries can do anything come from the environment. A program that forks once CUDA is in it is ended.
 * Linked into the program beside its own main. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emulation_control.h"
#include "fake_runtime.h"

/* Its context is of no use to the child, and pages that are shared until somebody writes are taken from under it. */
static void refuse_to_fork(void)
{
    if (!fake_runtime.calls || fake_runtime.forks_expected) return;
    fprintf(stderr, "fake runtime: a process forks that has called CUDA\n");
    abort();
}

__attribute__((constructor)) static void choose(void)
{
    pthread_atfork(refuse_to_fork, NULL, NULL);
    const char *order = getenv("WN_EMULATED_ORDER"), *libraries = getenv("WN_EMULATED_LIBRARIES");
    const char *barriers = getenv("WN_EMULATED_BARRIERS");
    if (order) wn_emulated_order = atoi(order);
    if (libraries) fake_libraries_can = strcmp(libraries, "none") != 0;
    if (barriers) wn_emulated_no_barriers = strcmp(barriers, "none") == 0;
}
