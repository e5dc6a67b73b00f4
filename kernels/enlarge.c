/* Bilinear enlarging of one map. Knows nothing of what a map means. */
#include "enlarge.h"

#include <stdlib.h>

#include <whynot/hiding.h>

void wn_fill_taps(struct wn_tap *taps, int from, int to, bool align_corners)
{
    for (int i = 0; i < to; i++) {
        const struct wn_between t = wn_enlarge_at(i, from, to, align_corners);
        taps[i] = (struct wn_tap){t.a, t.b, t.t};
    }
}

static float between(const float *row, struct wn_tap t)
{
    return wn_enlarge_between(row[t.low], row[t.high], t.share);
}

enum wn_code wn_enlarge(const float *map, int h, int w, bool align_corners, int height, int width, float *out,
                        struct wn_error *err)
{
    struct wn_tap *taps = malloc(((size_t)height + (size_t)width) * sizeof *taps),
                  *across = taps ? taps + height : NULL;
    if (!taps) return wn_fail(err, WN_NO_MEMORY, "no memory to enlarge a map to %d by %d", height, width);
    wn_fill_taps(taps, h, height, align_corners);
    wn_fill_taps(across, w, width, align_corners);
    for (int y = 0; y < height; y++) {
        const float *above = map + (size_t)taps[y].low * (size_t)w, *below = map + (size_t)taps[y].high * (size_t)w;
        float *row = out + (size_t)y * (size_t)width;
        for (int x = 0; x < width; x++) {
            float upper = between(above, across[x]), lower = between(below, across[x]);
            row[x] = wn_enlarge_between(upper, lower, taps[y].share);
        }
    }
    free(taps);
    return WN_OK;
}
