/* Whether a backend computes: a convolution with activation and a product, against loops on the host. Knows no
 * network and no option. */
#ifndef WN_CLIENT_SELFTEST_H
#define WN_CLIENT_SELFTEST_H

#include <whynot/backend.h>

struct cli_selftest {
    double error;      /* the largest, by the largest number there is; NaN where there is none */
    int plain;         /* of the two, what no library did: see struct wn_backend_traits */
    char refused[128]; /* why */
};
#define CLI_SELFTEST_WRONG 0.01 /* an error from here on is no rounding: the numbers are small and whole */

/* Errors: those of compiling and running. */
enum wn_code cli_selftest(struct wn_backend *be, struct cli_selftest *out, struct wn_error *err);

#endif
