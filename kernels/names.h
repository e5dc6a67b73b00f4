/* Names that come out of a model file. Private to kernels/. */
#ifndef WN_KERNELS_NAMES_H
#define WN_KERNELS_NAMES_H

#include <stdbool.h>

#define WN_NAME_BYTES 1024

/* UTF-8 without control characters, 1 to WN_NAME_BYTES bytes: a name that can be put into an answer as it is. */
bool wn_name_usable(const char *name);

/* For error texts: printable ASCII, at most 64 bytes. */
struct wn_shown {
    char text[68];
};
struct wn_shown wn_show(const char *name); /* wn_fail(err, code, "node '%s'", wn_show(name).text); NULL is fine */

#endif
