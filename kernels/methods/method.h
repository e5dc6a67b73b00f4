/* What a method's formula is written over. Private to kernels/. */
#ifndef WN_KERNELS_METHOD_H
#define WN_KERNELS_METHOD_H

#include <whynot/explain.h>

#include "../program.h"

struct wn_method_in {
    int activation; /* (R,C,h,w): the layer, one for each row; the input itself for methods with WN_METHOD_INPUT */
    int gradient;   /* (R,C,h,w): of the seeded scalar v.y at the layer; costs nothing where the formula leaves it out */
    /* For methods that run a backward pass of their own. */
    int layer, logits; /* values of the forward pass, (N,C,h,w) and (N,K) */
    int seed;          /* (R,K) */
    struct wn_rows rows;
    /* Only for methods with WN_METHOD_REFERENCE: wn_rows_of(p, value, in->reference) is a forward value as each row's baseline
     * image makes it, beside wn_rows_of(p, value, in->rows) for its image. The forward pass then runs over (2N,..). */
    struct wn_rows reference;
    const float *low, *high; /* C each: the least and the largest value of the input's channels; NULL: nobody knows */
};

#endif
