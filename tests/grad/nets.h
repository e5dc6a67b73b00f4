/* Differentiable programs for the gradient tests: one around each primitive, and random small networks. */
#ifndef WN_TESTS_NETS_H
#define WN_TESTS_NETS_H

#include "program.h"
#include "subject.h"

/* A path through a program along which a gradient is asked for. */
struct path {
    int shaken; /* input that a difference quotient shakes: `to` moves exactly as it does */
    int to, from;
};

struct grad_case {
    const char *name;
    struct path (*build)(struct subject *s, int arg);
    int arg;
    bool crosses_batch; /* mixes images, so that rows in place of images make no sense */
};

/* Ends with a row without a name. */
extern const struct grad_case primitive_cases[];

/* A few random layers with skips, branches, gates and pools, then one of the usual heads; `to` is a random value. */
struct path random_net(struct subject *s, int unused);

#endif
