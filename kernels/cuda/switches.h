/* Switches of test builds, in the environment, so that tools see what they else cannot; ordinary builds have none. */
#ifndef WN_CUDA_SWITCHES_H
#define WN_CUDA_SWITCHES_H

#include <stdbool.h>

/* WHYNOT_APART=1: every value of a program has a block of device memory of its own, of just its size, of which nothing
 * is written but what has to be zero. A tool that knows blocks, be it the address sanitizer on the emulation or
 * compute-sanitizer on a card, then sees who goes past the end of a value or reads what nobody has written. */
bool wn_cuda_apart(void);
/* WHYNOT_PLAIN=1: no library takes a convolution or a product, so that only kernels of ours run, and all of them. */
bool wn_cuda_plain(void);

#endif
