/* The vendor's two libraries by what their manuals say, on the emulated device: for the backend's own files that
 * call them. Private to fake_vendor.c, fake_dnn.c and fake_blas.c, but for the counters. */
#ifndef WN_FAKE_VENDOR_H
#define WN_FAKE_VENDOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fake_vendor {
    long calls, fail_at; /* the fail_at'th call fails (0: none) */
    long held;           /* handles and descriptors alive */
    /* so many engines whose answers vary come before the others, and all are reported whatever was asked for */
    long refused;
    int plans_fail, offers_fail; /* the status of every plan that is made, and of every question for algorithms; or 0 */
    long planned, loaded;        /* plans chosen by heuristics, plans taken from text */
    struct fake_engine {
        bool broken;                      /* its plans are made, but do not run */
        long cost;                        /* the milliseconds that one of its runs takes longer than a launch */
        long ran;                         /* so often, not counting what did not */
        size_t workspace;                 /* bytes that it wants; 0: what it always does */
    } tensor_cores, plain, algorithms[2]; /* engines of convolutions; of products, the heuristics' first and second */
    long asked, checked;                  /* heuristics of products; algorithms that were kept */
};
extern struct fake_vendor fake_vendor;

bool fake_vendor_fails(void); /* counts a call */
/* Queues what the engine computes, after the time that it takes; arg is freed. */
void fake_engine_run(struct fake_engine *engine, void *stream, void (*run)(void *arg), void *arg);
void fake_dnn_fill(void);
void fake_blas_fill(void);

/* Element i of data of one of the types. */
double fake_load(const void *data, int type, int64_t i);
void fake_store(void *data, int type, int64_t i, double value);
enum { FAKE_F32, FAKE_F16, FAKE_BF16 };
/* What tensor cores read of an f32: ten bits behind the point. */
double fake_tf32(double value);

#endif
