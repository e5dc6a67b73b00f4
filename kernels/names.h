/* Names that come out of a model file. Private to kernels/. */
#ifndef WN_KERNELS_NAMES_H
#define WN_KERNELS_NAMES_H

#include <stdbool.h>

#define WN_NAME_BYTES 1024

/* UTF-8 without control characters, 1 to WN_NAME_BYTES bytes: a name that can be put into an answer as it is. */
bool wn_name_usable(const char *name);

#endif
