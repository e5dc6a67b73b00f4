/* A program under test together with its data: random inputs and weights, and the outputs that are looked at.
 *
 * The same seed builds the same subject, so it can be built once for the oracle and again for whoever is judged.
 * Failures of the test's own making (a builder that refuses, no memory) end the test through cmocka's fail_msg. */
#ifndef WN_TESTS_SUBJECT_H
#define WN_TESTS_SUBJECT_H

#include <whynot/backend.h>

#include "rng.h"

#define SUBJECT_MAX 64

struct subject_input {
    int value;
    float *data;
    bool fixed; /* holds numbers that are not for shaking: rows, indices */
};

struct subject {
    struct rng rng;
    bool coarse; /* data on a grid of 1/64 within [-4, 4]: exact in bf16, so that no kink and no maximum moves */
    struct wn_program *p;
    struct subject_input inputs[SUBJECT_MAX];
    struct wn_weight *weights[SUBJECT_MAX]; /* a block each: an address is an identity, also after a test failed */
    int outputs[SUBJECT_MAX];
    bool exact[SUBJECT_MAX]; /* output i has to agree to the bit */
    int n_inputs, n_weights, n_outputs;
};

/* What a run left in the outputs. */
struct outcome {
    int n;
    int64_t count[SUBJECT_MAX];
    float *data[SUBJECT_MAX];
};

#define SHAPE(...) wn_shape_of((int)(sizeof(int64_t[]){__VA_ARGS__} / sizeof(int64_t)), (int64_t[]){__VA_ARGS__})
/* One of the numbers, at random. */
#define PICK(s, ...)                                                                                                   \
    (((int64_t[]){__VA_ARGS__})[rng_below(&(s)->rng, (int64_t)(sizeof(int64_t[]){__VA_ARGS__} / sizeof(int64_t)))])

void subject_init(struct subject *s, uint64_t seed, bool coarse);
void subject_finish(struct subject *s);

/* Values filled with uniform numbers in [lo, hi). */
int subject_input(struct subject *s, struct wn_shape shape, bool batched, double lo, double hi);
int subject_weight(struct subject *s, struct wn_shape shape, double lo, double hi);
/* A value (R) of rows, each naming one of n images; the first row names the last image. */
int subject_rows(struct subject *s, int64_t r, int64_t n);
/* An input that holds exactly these numbers, and a weight likewise. */
int subject_given(struct subject *s, struct wn_shape shape, const float *data);
int subject_given_weight(struct subject *s, struct wn_shape shape, const float *data);
void subject_output(struct subject *s, int value);
void subject_exact_output(struct subject *s, int value);

/* Compiles the subject's program on the backend and runs every stage twice, first with other and larger inputs, so
 * that what an earlier run leaves behind is seen; the second run may not allocate. WN_UNSUPPORTED is returned; other
 * failures end the test. */
enum wn_code subject_run(struct subject *s, struct wn_backend *be, struct outcome *out, struct wn_error *err);
void outcome_finish(struct outcome *o);

/* max|got - ref| / max|ref|, the latter at least `floor`; infinite where got holds NaN. */
double relative_error(const float *got, const float *ref, int64_t n, double floor);

#endif
