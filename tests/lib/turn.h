/* The n-th call from now, for what fails on demand; knows nothing of what is called, nor of how it fails. */
#ifndef WN_TESTS_TURN_H
#define WN_TESTS_TURN_H

#include <stdatomic.h>
#include <stdbool.h>

struct turn {
    atomic_long left; /* 0 or less: nothing is waited for */
    atomic_bool came;
};

/* The n-th call from now is meant (the first is 1). */
static inline void turn_arm(struct turn *t, long n)
{
    t->came = false;
    t->left = n;
}

/* No call is meant any more. True if one was. */
static inline bool turn_disarm(struct turn *t)
{
    t->left = 0;
    return t->came;
}

/* To be asked at each call, by any thread: whether this one is meant. */
static inline bool turn_comes(struct turn *t)
{
    if (t->left <= 0 || atomic_fetch_sub(&t->left, 1) != 1) return false;
    t->came = true;
    return true;
}

#endif
