/* Counts every allocation of the process, those of oneDNN and OpenMP included. */
#ifndef WN_TESTS_ALLOCATIONS_H
#define WN_TESTS_ALLOCATIONS_H

#include <stdbool.h>

long allocations(void);
bool allocations_counted(void); /* false in a sanitizer's build, which has an allocator of its own */

#endif
