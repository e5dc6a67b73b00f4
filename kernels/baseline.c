/* Baseline pictures: the mean colour (0 in the network's units), black, and the picture blurred. Knows no method. */
#include "baseline.h"

#include <whynot/masking.h>

enum wn_code wn_baseline(const struct wn_engine *e, enum wn_baseline kind, const float *image, float *out,
                         struct wn_error *err)
{
    static const enum wn_fill fills[] = {
        [WN_BASELINE_ZERO] = WN_FILL_ZERO, [WN_BASELINE_BLACK] = WN_FILL_BLACK, [WN_BASELINE_BLURRED] = WN_FILL_BLUR};
    if (kind == WN_BASELINE_BLACK && !e->black)
        return wn_fail(err, WN_UNSUPPORTED,
                       "nobody said what black is in this network's units; take the baseline 'zero' or 'blurred'");
    return wn_fill_make(fills[kind], image, (int)wn_graph_channels(e->graph), (int)wn_graph_height(e->graph),
                        (int)wn_graph_width(e->graph), e->black, out, NULL, err);
}
