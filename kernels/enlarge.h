/* Where the values of an enlarged line come from. Private to kernels/. */
#ifndef WN_KERNELS_ENLARGE_H
#define WN_KERNELS_ENLARGE_H

#include <stdbool.h>

struct wn_tap {
    int low, high;
    float share; /* of high */
};

/* taps: `to` of them, the caller's; a line of `from` cells becomes one of `to`. See wn_enlarge. */
void wn_fill_taps(struct wn_tap *taps, int from, int to, bool align_corners);

#endif
