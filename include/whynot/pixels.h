/* The arithmetic of drawing, one pixel at a time and inline: processor and GPU compile the same lines and so make
 * the same bytes. Knows no loop, no memory and no device. */
#ifndef WHYNOT_PIXELS_H
#define WHYNOT_PIXELS_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include <whynot/drawing.h>

#ifdef __CUDACC__
#define WN_PIXEL static __host__ __device__ __forceinline__
#else
#define WN_PIXEL static inline
#endif

/* A product that is rounded by itself, also where a sum follows: compilers for GPUs would make one operation of
 * both. */
WN_PIXEL float wn_times(float a, float b)
{
#ifdef __CUDA_ARCH__
    return __fmul_rn(a, b);
#else
    return a * b;
#endif
}

/* ---- upsampling ---- */

/* A position between two cells of a line: (1 - t) * [a] + t * [b]. */
struct wn_between {
    int a, b;
    float t;
};

WN_PIXEL float wn_blend(float a, float b, float t)
{
    return wn_times(1 - t, a) + wn_times(t, b);
}

/* Where pixel `pixel` lies in a line of n cells that covers from..to: src = (dst + 0.5) n / N - 0.5 or, corners
 * aligned, src = dst (n - 1) / (N - 1), held within the line. */
WN_PIXEL struct wn_between wn_between_at(int pixel, double from, double to, int n, bool align_corners)
{
    struct wn_between at;
    const double size = to - from, middle = pixel + 0.5 - from;
    double src = !align_corners ? middle * n / size - 0.5 : size > 1 ? (middle - 0.5) * (n - 1) / (size - 1) : 0;
    if (!(src > 0)) src = 0;
    if (src > n - 1) src = n - 1;
    at.a = (int)src;
    at.b = at.a + 1 < n ? at.a + 1 : at.a;
    at.t = (float)(src - at.a);
    return at;
}

/* The pixels begin..end of n that from..to covers: those whose centre it covers; what is thinner than a pixel still
 * gets one. */
WN_PIXEL void wn_covered(double from, double to, int n, int *begin, int *end)
{
    const double first = ceil(from - 0.5), behind = ceil(to - 0.5);
    *begin = first < 0 ? 0 : first > n - 1 ? n - 1 : (int)first;
    *end = behind < *begin + 1 ? *begin + 1 : behind > n ? n : (int)behind;
}

/* ---- ranges ---- */

/* Which of n values in ascending order (from 0) is the limit that at least `percentile` percent of them do not
 * exceed. */
WN_PIXEL uint64_t wn_percentile_rank(float percentile, uint64_t n)
{
    const double rank = ceil((double)percentile / 100 * (double)n);
    return rank < 1 ? 0 : rank > (double)n ? n - 1 : (uint64_t)rank - 1;
}

WN_PIXEL bool wn_render_clips(const struct wn_render *r)
{
    return r->normalize == WN_NORMALIZE_SYMMETRIC && r->percentile > 0 && r->percentile < 100;
}

/* The range of values lo..hi. clipped: the limit at r->percentile where wn_render_clips, else 0. A zero in it has no
 * sign. */
WN_PIXEL struct wn_range wn_range_choose(const struct wn_render *r, float lo, float hi, float clipped)
{
    struct wn_range range = r->range;
    if (r->normalize == WN_NORMALIZE_NONE) range.lo = 0, range.hi = 1;
    if (r->normalize == WN_NORMALIZE_MINMAX) range.lo = lo + 0.f, range.hi = hi + 0.f;
    if (r->normalize == WN_NORMALIZE_SYMMETRIC) {
        const float most = (-lo > hi ? -lo : hi) + 0.f;
        range.hi = clipped > 0 ? clipped : most; /* a map that is almost all zero keeps its maximum */
        range.lo = -range.hi + 0.f;
    }
    return range;
}

/* ---- indices ---- */

/* All pixels get one index: the map is constant and its range follows it, or the range is empty. */
WN_PIXEL bool wn_index_is_flat(const struct wn_render *r, struct wn_range range, bool flat)
{
    const bool follows = r->normalize == WN_NORMALIZE_SYMMETRIC || r->normalize == WN_NORMALIZE_MINMAX;
    return (flat && follows) || !(range.hi > range.lo);
}

WN_PIXEL uint8_t wn_index_flat(const struct wn_render *r)
{
    return r->normalize == WN_NORMALIZE_SYMMETRIC ? 128 : 0;
}

/* Clamping before the conversion keeps it defined for every float; a division, so that the highest value comes out
 * as 1 exactly. */
WN_PIXEL uint8_t wn_index_between(float v, float lo, float span)
{
    float t = (v - lo) / span;
    t = t > 0 ? t : 0;
    t = t < 1 ? t : 1;
    return (uint8_t)(int)(255 * t);
}

WN_PIXEL uint8_t wn_index_symmetric(float v, float limit)
{
    float t = v / limit;
    t = t > -1 ? t : -1;
    t = t < 1 ? t : 1;
    return (uint8_t)(128 + (int)(wn_times(127, t) + copysignf(0.5f, t)));
}

/* Of the pixels that the map does not cover: they show a zero and count for nothing. */
WN_PIXEL uint8_t wn_index_outside(const struct wn_render *r, struct wn_range range, bool flat)
{
    if (wn_index_is_flat(r, range, flat)) return wn_index_flat(r);
    return r->normalize == WN_NORMALIZE_SYMMETRIC ? wn_index_symmetric(0, range.hi)
                                                  : wn_index_between(0, range.lo, range.hi - range.lo);
}

/* ---- the strongest fifth of the positive mass, from samples ---- */

/* Mass is counted in whole parts of the highest value, so that its sums are exact in any order. */
enum { WN_STRONG_SAMPLES = 128, WN_STRONG_BINS = 1024, WN_STRONG_PARTS = 1 << 24 };

/* Each how many pixels of a line of n is a sample, so that there are at most WN_STRONG_SAMPLES. */
WN_PIXEL int wn_strong_step(int n)
{
    return n / WN_STRONG_SAMPLES + 1;
}

/* highest > 0. */
WN_PIXEL uint32_t wn_strong_mass(float v, float highest)
{
    return v > 0 ? (uint32_t)(v / highest * WN_STRONG_PARTS) : 0;
}

WN_PIXEL int wn_strong_bin(uint32_t mass)
{
    const int bin = (int)(mass / (WN_STRONG_PARTS / WN_STRONG_BINS));
    return bin < WN_STRONG_BINS ? bin : WN_STRONG_BINS - 1;
}

/* The mass in the bins from this one on is a fifth of the total; the highest such bin is the strong value's. */
WN_PIXEL bool wn_strong_enough(uint64_t mass, uint64_t total)
{
    return 5 * mass >= total;
}

WN_PIXEL float wn_strong_value(int bin, float highest)
{
    return highest * ((float)bin / WN_STRONG_BINS);
}

/* A pixel that belongs to the strongest. */
WN_PIXEL bool wn_is_strong(float v, float strong)
{
    return v >= strong && v > 0;
}

#endif
