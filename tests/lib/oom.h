/* Allocations that fail on demand, in the code under test and in the test alike, and a count of them. */
#ifndef WN_TESTS_OOM_H
#define WN_TESTS_OOM_H

#include <stdbool.h>

enum oom_mode { OOM_ONCE, OOM_FROM_THEN_ON };

/* The n-th allocation from now fails (the first is 1), and with OOM_FROM_THEN_ON every later one. */
void oom_arm(long n, enum oom_mode mode);
/* Allocations succeed again. True if one was refused. */
bool oom_disarm(void);
/* Allocations that were asked for since the program began. */
long oom_asked(void);
/* For whoever stands in front of an allocator, at each allocation: whether it fails, with errno as malloc sets it. */
bool oom_refuses(void);

#endif
