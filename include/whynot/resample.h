/* The arithmetic of a picture's way to numbers, one position or value at a time and inline, for processor and GPU
 * alike: Pillow's antialiased bilinear resize to the bit, the plain one, grey, and normalisation. Knows no loop, no
 * memory and no device. */
#ifndef WHYNOT_RESAMPLE_H
#define WHYNOT_RESAMPLE_H

#include <whynot/pixels.h>

WN_PIXEL double wn_times_double(double a, double b)
{
#ifdef __CUDA_ARCH__
    return __dmul_rn(a, b);
#else
    return a * b;
#endif
}

/* ---- antialiased: a triangle whose support grows with the shrinking ---- */

enum { WN_WEIGHT_BITS = 22, WN_WEIGHT_HALF = 1 << (WN_WEIGHT_BITS - 1) };

/* The cells of a line that one position is made of. */
struct wn_support {
    int first, count;
    double center, inverse;
};

WN_PIXEL double wn_support_spread(double scale)
{
    return scale < 1.0 ? 1.0 : scale;
}

/* Weights that a position has at most. */
WN_PIXEL int wn_support_width(double scale)
{
    return (int)ceil(wn_support_spread(scale)) * 2 + 1;
}

/* Position i of a line of n cells; scale: cells a position. */
WN_PIXEL struct wn_support wn_support_at(int i, double scale, int n)
{
    struct wn_support s;
    const double spread = wn_support_spread(scale);
    s.center = wn_times_double(i + 0.5, scale);
    s.inverse = 1.0 / spread;
    int end = (int)(s.center + spread + 0.5);
    s.first = (int)(s.center - spread + 0.5);
    if (s.first < 0) s.first = 0;
    if (end > n) end = n;
    s.count = end - s.first;
    return s;
}

/* Before the weights of a position are made to sum to 1. The order of the operations matters for bit equality. */
WN_PIXEL double wn_support_share(struct wn_support s, int k)
{
    const double distance = fabs(wn_times_double(k + s.first - s.center + 0.5, s.inverse));
    return distance < 1.0 ? 1.0 - distance : 0.0;
}

WN_PIXEL int32_t wn_support_weight(double share, double sum)
{
    return (int32_t)(0.5 + wn_times_double(sum != 0.0 ? share / sum : share, 1 << WN_WEIGHT_BITS));
}

/* sum: of bytes times weights, and WN_WEIGHT_HALF. Rounded weights can lift 255 by a hair. */
WN_PIXEL uint8_t wn_weighted_byte(int32_t sum)
{
    const int32_t v = sum >> WN_WEIGHT_BITS;
    return (uint8_t)(v > 255 ? 255 : v);
}

/* ---- plain ---- */

/* Position i of `to` in a line of n cells of which the first `box` become all of it. */
WN_PIXEL struct wn_between wn_plain_between(int i, double box, int n, int to)
{
    struct wn_between t;
    double at = (i + 0.5) * box / to - 0.5;
    if (at < 0) at = 0;
    t.a = (int)at;
    if (t.a > n - 1) t.a = n - 1;
    t.b = t.a + 1 < n ? t.a + 1 : t.a;
    t.t = (float)(at - t.a);
    return t;
}

/* ---- values ---- */

/* Pillow's "L": ITU-R 601 luma in 16 bits, rounded. */
WN_PIXEL uint8_t wn_luma(uint8_t r, uint8_t g, uint8_t b)
{
    return (uint8_t)((r * 19595u + g * 38470u + b * 7471u + 0x8000) >> 16);
}

WN_PIXEL float wn_normalised(float v, float scale, float mean, float std)
{
    return (wn_times(v, scale) - mean) / std;
}

#endif
