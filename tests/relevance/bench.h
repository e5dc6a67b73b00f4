/* A network on a bench, in double precision on the oracle: forward, one method's map, and every value of the forward
 * pass to look at. */
#ifndef WN_TESTS_RELEVANCE_BENCH_H
#define WN_TESTS_RELEVANCE_BENCH_H

#include "methods/method.h"
#include "nets.h"

enum { LAB_ROWS = 4 };
enum { LAB_GATHERED = 1, LAB_REFERENCE = 2 }; /* with a reference rows are gathered too */

typedef struct path lab_net(struct subject *s, int unused);
typedef int lab_method(struct wn_program *p, const struct wn_method_in *in, const void *rule);

struct lab {
    struct subject s;
    struct path path;
    int seed, row, reference, map; /* values */
    int n_values, last;            /* of the forward pass: values, steps */
    struct wn_exe *exe;
    enum wn_code code; /* of the method */
};

extern const float lab_low[64], lab_high[64]; /* bounds of `to` */

int lab_open_oracle(void **state), lab_close_oracle(void **state); /* group set-up and tear-down */
void lab_build(struct lab *t, lab_net *net, uint64_t number, lab_method *method, const void *rule, int flags);
void lab_run(struct lab *t);
void lab_finish(struct lab *t);
double *lab_read(struct lab *t, int value);            /* constants too; the caller's */
const float *lab_data(const struct lab *t, int value); /* of an input */
bool lab_is_const(const struct wn_program *p, int value);

/* Two images, 3 channels of 12x12, 7 classes: convolutions, both pools, a residual sum and two dense layers, none
 * with a bias; wide enough that no cell is only excited or only inhibited, whose relevance the alpha-beta rule does
 * not keep. */
lab_net net_without_biases;
/* The same with biases. */
lab_net relu_net;

#endif
