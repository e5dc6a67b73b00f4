/* Test builds: whether every value of a program has a block of device memory of its own, of just its size, of which
 * nothing is written but what has to be zero (WHYNOT_APART=1 in the environment). A tool that knows blocks, be it the
 * address sanitizer on the emulation or compute-sanitizer on a card, then sees who goes past the end of a value or
 * reads what nobody has written; in the arena it sees neither. Ordinary builds always use the arena. */
#ifndef WN_CUDA_APART_H
#define WN_CUDA_APART_H

#include <stdbool.h>

bool wn_cuda_apart(void);

#endif
