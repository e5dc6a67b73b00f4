/* Stands in for the bare oneDNN stack in a build without oneDNN. */
#include "bare.h"

#include <stddef.h>

struct bare *bare_create(struct wn_graph *graph, bool any, bool bf16, int threads)
{
    (void)graph, (void)any, (void)bf16, (void)threads;
    return NULL;
}

void bare_run(struct bare *b)
{
    (void)b;
}

void bare_destroy(struct bare *b)
{
    (void)b;
}
