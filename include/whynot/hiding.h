/* The arithmetic of enlarging a map, of blurring and of hiding pixels, inline for processor and GPU alike. Knows no
 * loop and no device. */
#ifndef WHYNOT_HIDING_H
#define WHYNOT_HIDING_H

#include <whynot/masking.h>
#include <whynot/pixels.h>

/* Where cell i of a line of `to` lies in one of `from`; see wn_enlarge. */
WN_PIXEL struct wn_between wn_enlarge_at(int i, int from, int to, bool align_corners)
{
    struct wn_between t;
    double at = !align_corners ? (i + 0.5) * from / to - 0.5 : to > 1 ? (double)i * (from - 1) / (to - 1) : 0;
    if (!(at > 0)) at = 0;
    t.a = (int)at;
    if (t.a > from - 1) t.a = from - 1;
    if (at > from - 1) at = from - 1;
    t.b = t.a + 1 < from ? t.a + 1 : t.a;
    t.t = (float)(at - t.a);
    return t;
}

/* One value and a share of the way to another: of two equal ones exactly that one. */
WN_PIXEL float wn_enlarge_between(float a, float b, float share)
{
    return a + wn_times(share, b - a);
}

/* The cell that stands at `at`, which may lie outside 0..n-1 by less than n; -1: a zero. */
WN_PIXEL int wn_reflected(int at, int n, enum wn_border border)
{
    if (at >= 0 && at < n) return at;
    if (border == WN_BORDER_ZERO) return -1;
    return at < 0 ? -at : 2 * (n - 1) - at;
}

WN_PIXEL bool wn_is_against(float v, enum wn_keep keep)
{
    return keep == WN_KEEP_POSITIVE ? v < 0 : v > 0;
}

#endif
