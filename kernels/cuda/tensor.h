/* Where the elements of a value lie in device memory, and the loops that walk several values at once. Plain C over
 * shapes and strides: knows neither CUDA nor programs, so all of it is tested on any machine.
 *
 * One rule lays out everything: a value with channels and at least two spatial axes (rank 4 and more) lies channels
 * last, which is what the tensor cores want, and so do weights of that rank; everything else lies row-major. Values
 * of rank 3 follow the program: channels last where it has one-dimensional windows. What lies channels last may be
 * padded: its pixels take more channels than it has, and the rest are zero. Only layout.c and make_window.c pad
 * anything. */
#ifndef WN_CUDA_TENSOR_H
#define WN_CUDA_TENSOR_H

#include "kernels.h"

struct wn_cuda_tensor {
    struct wn_shape shape;
    enum wn_cuda_type type;
    bool channels_last;
    int64_t stride[WN_MAX_RANK]; /* elements between neighbours on each logical axis */
    void *data;                  /* device memory, not owned */
};

size_t wn_cuda_type_size(enum wn_cuda_type type);
struct wn_cuda_tensor wn_cuda_tensor_of(const struct wn_shape *shape, enum wn_cuda_type type, bool channels_last);
/* Channels last, `pitch` channels a pixel: at least those of the shape, whose rank is 3 or more. */
struct wn_cuda_tensor wn_cuda_tensor_padded(const struct wn_shape *shape, enum wn_cuda_type type, int64_t pitch);
/* Channels that a pixel of a tensor that lies channels last takes. */
int64_t wn_cuda_tensor_pitch(const struct wn_cuda_tensor *t);
bool wn_cuda_tensor_is_padded(const struct wn_cuda_tensor *t);
/* The same memory, what pads it now channels like the others. */
struct wn_cuda_tensor wn_cuda_tensor_whole(const struct wn_cuda_tensor *t);
/* Channels a pixel for the picture that a convolution reads, `channels` where padding would gain nothing. exact:
 * computed by f32 units only. */
int64_t wn_cuda_pixel_pitch(int64_t channels, enum wn_cuda_type type, bool exact);
size_t wn_cuda_tensor_bytes(const struct wn_cuda_tensor *t);
/* Logical axes in the order in which they lie in memory, outermost first. */
void wn_cuda_tensor_order(const struct wn_cuda_tensor *t, int order[WN_MAX_RANK]);
/* The elements lie in row-major order of the shape, whatever the layout is called. */
bool wn_cuda_tensor_is_flat(const struct wn_cuda_tensor *t);
/* One is the other's memory under a new shape. */
bool wn_cuda_tensor_same_memory(const struct wn_cuda_tensor *a, const struct wn_cuda_tensor *b);
/* (N, C, everything else) of a value of rank 2 or more; lower ranks give (1, 1, count) or (n, 1, 1). */
void wn_cuda_tensor_planes(const struct wn_cuda_tensor *t, int *n, int *c, int *spatial);

/* Rounds to nearest even, as the device does. */
uint16_t wn_cuda_narrow(float value, enum wn_cuda_type type);

#define WN_CUDA_OPERANDS 5

/* A walk over the axes of y in memory order, where every other operand broadcasts to y as numpy does. args[i]
 * belongs to t[i]; t[n-1] is y; a NULL t[i] is an operand left out, whose arg is all zero. Neighbouring axes that
 * all operands can walk as one are merged, and the vector path is offered where every operand allows 16-byte
 * accesses. */
void wn_cuda_walk(const struct wn_cuda_tensor *const *t, int n, struct wn_cuda_loop *loop, struct wn_cuda_arg *args);

/* The same over explicit strides: extent[rank], outermost first; args come with data and type set and strides[i][d]. */
void wn_cuda_walk_strided(int rank, const int64_t *extent, int n, const int64_t (*strides)[WN_MAX_RANK],
                          struct wn_cuda_loop *loop, struct wn_cuda_arg *args);

#endif
