/* What a C test sets of the emulation. */
#ifndef WN_EMULATION_CONTROL_H
#define WN_EMULATION_CONTROL_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The order in which the threads of a block get their turn: 0 forward, 1 backward, 2 shuffled. */
extern int wn_emulated_order;
/* Barriers let everyone pass: a test that stays green then proves nothing about barriers. */
extern bool wn_emulated_no_barriers;
extern long wn_emulated_launches; /* done, not only queued */

#ifdef __cplusplus
}
#endif
#endif
