/* Numbers that look random and are the same for the same seed on every machine. Private to kernels/. */
#ifndef WN_KERNELS_RANDOM_H
#define WN_KERNELS_RANDOM_H

#include <stdint.h>

struct wn_random {
    uint64_t state;
};

struct wn_random wn_random_of(uint64_t seed);
uint64_t wn_random_bits(struct wn_random *r);
uint64_t wn_random_below(struct wn_random *r, uint64_t n); /* 0 to n-1, n >= 1, each equally often */
double wn_random_unit(struct wn_random *r);                /* in [0,1) */
double wn_random_normal(struct wn_random *r);              /* mean 0, variance 1 */
/* The n-th of a seed's normal numbers, n from 0: any of them is made alone. Other ones than wn_random_normal gives in
 * turn. */
double wn_random_normal_at(uint64_t seed, uint64_t n);

#endif
