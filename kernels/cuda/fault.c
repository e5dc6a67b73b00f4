/* Faults on request, for test builds only; see fault.h. */
#include "fault.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

/* fault_kernel.cu */
void wn_cuda_launch_wild_read(void *stream);

struct wish {
    char library[8];
    int status; /* 0: a real illegal access */
    char unit[8];
    long at;
};

/* "cuda:700@call=100" */
static bool wished(struct wish *w)
{
    char kind[16], at[16];
    const char *text = getenv("WHYNOT_FAULT");
    if (!text || sscanf(text, "%7[a-z]:%15[a-z0-9]@%7[a-z]=%15[0-9]", w->library, kind, w->unit, at) != 4) return false;
    w->status = (int)strtol(kind, NULL, 10);
    w->at = strtol(at, NULL, 10);
    return true;
}

/* Of all backends together, each with its thread. */
static atomic_long calls, runs;
static atomic_int stuck;

/* Codes of the CUDA runtime of which the manual says that the process must be launched again; by number, for some
 * are younger than CUDA 12.4. */
static bool stays(int status)
{
    return status == 214 || status == 220 || status == 226 || status == 700 || status == 702 || status == 710 ||
           (status >= 714 && status <= 719) || status == 721 || status == 810 || status == 911 || status == 999;
}

int wn_cuda_inject(const char *library, int status)
{
    struct wish w;
    if (!wished(&w) || strcmp(w.library, library) != 0 || !w.status) return status;
    if (stuck) return stuck;
    long run = w.at;
    /* this run only */
    const bool now = strcmp(w.unit, "run") == 0 ? atomic_compare_exchange_strong(&runs, &run, run + 1)
                                                : atomic_fetch_add(&calls, 1) + 1 == w.at;
    if (!now) return status;
    if (strcmp(library, "cuda") == 0 && stays(w.status)) stuck = w.status;
    return w.status;
}

void wn_cuda_fault_run(void *stream)
{
    struct wish w;
    const long run = atomic_fetch_add(&runs, 1) + 1;
    if (wished(&w) && !w.status && strcmp(w.unit, "run") == 0 && run == w.at) wn_cuda_launch_wild_read(stream);
}
