/* A network as oneDNN alone would run it: the same primitives in the same order, no executor of ours. */
#ifndef WN_TESTS_BARE_H
#define WN_TESTS_BARE_H

#include <whynot/graph.h>

struct bare;

/* any: every layout is left to oneDNN, with reorders where neighbours differ; else channels-last throughout.
 * NULL (and a line on stderr) where something in the network has no primitive. Only times mean something: buffers are
 * not shared out with care, and weights hold a pattern. */
struct bare *bare_create(struct wn_graph *graph, bool any, bool bf16, int threads);
void bare_run(struct bare *b);
void bare_destroy(struct bare *b);

#endif
