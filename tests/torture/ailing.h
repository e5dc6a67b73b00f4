/* A backend that does what another one does, and whose n-th call fails: a row of the backend table of test builds,
 * named "faulty". */
#ifndef WN_TESTS_AILING_H
#define WN_TESTS_AILING_H

#include <whynot/backend.h>

enum ailment { AILS_DEVICE, AILS_MEMORY, AILS_UNSUPPORTED, AILS_NUMBERS /* what is read holds a NaN */ };

/* Whom it asks to do the work: a row's name. */
void ailing_over(const char *backend);
/* The n-th call from now fails (the first is 1); with AILS_NUMBERS the n-th reading. */
void ailing_arm(long n, enum ailment how);
/* Calls succeed again. True if one failed. */
bool ailing_disarm(void);

#endif
