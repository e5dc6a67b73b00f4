/* The slope of a function between two of its inputs, in single precision; for loops and kernels alike. */
#ifndef WN_KERNELS_SECANT_F32_H
#define WN_KERNELS_SECANT_F32_H

#include <whynot/program.h>

#include <float.h>
#include <math.h>

#ifdef __CUDACC__
#define WN_SECANT_WORDS __device__ static inline
#else
#define WN_SECANT_WORDS static inline __attribute__((always_inline))
#endif

/* One end: the input, the function's result and its derivative there. */
struct wn_secant_end {
    float x, y, slope;
};

/* The quotient of two differences has the error of their roundings over the distance, which is all that is left of it
 * where the ends lie close by. There the mean of both derivatives is the better number: its error shrinks with the
 * square of the distance. It is taken where it tells the rise of the function from end to end as well as rounded
 * results can, so contributions still sum up, and between the sides of a kink the quotient stays. */
WN_SECANT_WORDS float wn_secant_slope(struct wn_secant_end now, struct wn_secant_end then)
{
    const float apart = now.x - then.x, rise = now.y - then.y, mean = 0.5f * (now.slope + then.slope);
    const float rounding =
        2 * FLT_EPSILON * (fabsf(now.y) + fabsf(then.y) + fabsf(mean) * (fabsf(now.x) + fabsf(then.x)));
    const bool far = fabsf(apart) > (float)WN_SECANT_APART;
    const float quotient = rise / (far ? apart : 1);
    return !far ? now.slope : fabsf(rise - mean * apart) <= rounding ? mean : quotient;
}

#undef WN_SECANT_WORDS

#endif
