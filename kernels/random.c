/* SplitMix64 (Steele, Lea and Flood 2014): one word of state, every seed a good one. Not for secrets. */
#include "random.h"

#include <math.h>

struct wn_random wn_random_of(uint64_t seed)
{
    return (struct wn_random){seed};
}

uint64_t wn_random_bits(struct wn_random *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;
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

double wn_random_normal(struct wn_random *r)
{
    double radius = sqrt(-2 * log(1 - wn_random_unit(r))); /* Box and Muller 1958 */
    return radius * cos(6.283185307179586 * wn_random_unit(r));
}
