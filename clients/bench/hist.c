/* Times in cells that grow with the value; knows no unit. */
#include "hist.h"

#include <math.h>

#define HALF (1 << WN_HIST_BITS)

/* Below 2 * HALF a value has its own cell; above, each doubling is cut into HALF cells. */
static int cell_of(int64_t v)
{
    if (v < 2 * HALF) return (int)v;
    int shift = 63 - __builtin_clzll((unsigned long long)v) - WN_HIST_BITS;
    return (int)((v >> shift) + (int64_t)shift * HALF);
}

static int64_t end_of(int cell)
{
    if (cell < 2 * HALF) return cell;
    int shift = cell / HALF - 1;
    return ((int64_t)(cell - shift * HALF + 1) << shift) - 1;
}

void wn_hist_add(struct wn_hist *h, int64_t value)
{
    const int64_t limit = ((int64_t)1 << 39) - 1;
    if (value < 0) value = 0;
    if (value > limit) value = limit;
    if (!h->n || value < h->least) h->least = value;
    if (value > h->most) h->most = value;
    h->n++;
    h->sum += (double)value;
    h->cell[cell_of(value)]++;
}

int64_t wn_hist_at(const struct wn_hist *h, double q)
{
    uint64_t need = (uint64_t)ceil(q * (double)h->n), seen = 0;
    if (!h->n) return 0;
    if (need < 1) need = 1;
    for (int i = 0; i < WN_HIST_CELLS; i++)
        if ((seen += h->cell[i]) >= need) return end_of(i) < h->most ? end_of(i) : h->most;
    return h->most;
}

void wn_hist_merge(struct wn_hist *into, const struct wn_hist *from)
{
    if (!from->n) return;
    if (!into->n || from->least < into->least) into->least = from->least;
    if (from->most > into->most) into->most = from->most;
    into->n += from->n;
    into->sum += from->sum;
    for (int i = 0; i < WN_HIST_CELLS; i++) into->cell[i] += from->cell[i];
}
