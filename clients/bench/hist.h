/* A histogram of times with the same relative precision everywhere, as HdrHistogram has it. */
#ifndef WN_BENCH_HIST_H
#define WN_BENCH_HIST_H

#include <stdint.h>

#define WN_HIST_BITS 10 /* values are kept to 1 part in 1024 */
#define WN_HIST_CELLS ((40 - WN_HIST_BITS + 1) << WN_HIST_BITS)

struct wn_hist { /* zero-initialise */
    uint64_t n, cell[WN_HIST_CELLS];
    int64_t least, most;
    double sum;
};

void wn_hist_add(struct wn_hist *h, int64_t value); /* negative counts as 0, beyond 2^39 as that */
/* The smallest value that at least the share q of all values does not exceed, rounded up to its cell's end; 0 where
 * there is none. */
int64_t wn_hist_at(const struct wn_hist *h, double q);
void wn_hist_merge(struct wn_hist *into, const struct wn_hist *from);

#endif
