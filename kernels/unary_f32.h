/* The words of unary.def in single precision, but for WN_MAX and WN_MIN, which are the loop's own to choose. */
#ifndef WN_KERNELS_UNARY_F32_H
#define WN_KERNELS_UNARY_F32_H

#define R(v) ((float)(v))
#define WN_EXP expf
#define WN_LOG logf
#define WN_SQRT sqrtf
#define WN_TANH tanhf
#define WN_POW powf
#define WN_ABS fabsf

#endif
