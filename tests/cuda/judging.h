/* What the tests of the emulated backend share: programs of a few steps, and the oracle's word on them. Everything
 * here fails the test where it fails. */
#ifndef WN_CUDA_JUDGING_H
#define WN_CUDA_JUDGING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "emulation_control.h"
#include "fake_runtime.h"
#include "subject.h"

typedef void build_function(struct subject *s);

/* The outputs are the oracle's, relative to their largest value; in f32 with the threads in every order. */
void judge(build_function *build, enum wn_precision precision, double tolerance);
/* In each type, with what it allows. */
void judge_all(build_function *build);

int input(struct subject *s, struct wn_shape shape);
int weight(struct subject *s, struct wn_shape shape);

void three_steps(struct subject *s); /* a scale, a shift, an activation: one launch */

#endif
