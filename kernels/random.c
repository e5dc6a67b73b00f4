/* SplitMix64 (Steele, Lea and Flood 2014): one word of state, every seed a good one. Not for secrets. The state only
 * counts, in steps of STEP, and is mixed on its way out: so the n-th number needs none of those before it. */
#include "random.h"

#include <math.h>

#define STEP UINT64_C(0x9e3779b97f4a7c15)

struct wn_random wn_random_of(uint64_t seed)
{
    return (struct wn_random){seed};
}

uint64_t wn_random_bits(struct wn_random *r)
{
    uint64_t z = r->state += STEP;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t wn_random_below(struct wn_random *r, uint64_t n)
{
    uint64_t uneven = -n % n; /* 2^64 mod n: as many of the lowest values come once too often */
    for (;;) {
        uint64_t bits = wn_random_bits(r);
        if (bits >= uneven) return bits % n;
    }
}

double wn_random_unit(struct wn_random *r)
{
    return (double)(wn_random_bits(r) >> 11) * 0x1p-53;
}

/* Box and Muller 1958. u: in (0,1], v: in [0,1). */
static double normal_of(double u, double v)
{
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

double wn_random_normal(struct wn_random *r)
{
    double u = 1 - wn_random_unit(r);
    return normal_of(u, wn_random_unit(r));
}

/* Of the n-th bits of the seed; in (0,1]. */
static double unit_at(uint64_t seed, uint64_t n)
{
    struct wn_random r = wn_random_of(seed + n * STEP);
    return ((double)(wn_random_bits(&r) >> 11) + 0.5) * 0x1p-53;
}

double wn_random_normal_at(uint64_t seed, uint64_t n)
{
    return normal_of(unit_at(seed, 2 * n), unit_at(seed, 2 * n + 1));
}
