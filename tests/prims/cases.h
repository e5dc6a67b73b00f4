/* The cases that every backend has to pass: each builds a random program around one primitive or one fused pattern. */
#ifndef WN_TESTS_CASES_H
#define WN_TESTS_CASES_H

#include "subject.h"

struct prim_case {
    const char *name;
    void (*build)(struct subject *s, int arg);
    int arg;
};

/* Tables end with a row without a name. */
extern const struct prim_case conv_cases[], pool_cases[], math_cases[], move_cases[], net_cases[];

/* A window over `rank` axes: kernel, stride and dilation the same on each axis, pads random up to `pad`. */
struct wn_window random_window(struct subject *s, int rank, int64_t kernel, int64_t stride, int64_t dilation,
                               int64_t pad);
/* (n, c, spatial...) large enough for the window. */
struct wn_shape plane_shape(struct subject *s, int64_t n, int64_t c, const struct wn_window *win);

#endif
