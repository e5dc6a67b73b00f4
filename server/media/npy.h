/* NumPy's .npy: a float array with its shape. */
#ifndef WN_MEDIA_NPY_H
#define WN_MEDIA_NPY_H

#include <media/buffer.h>

/* Appends a version 1.0 file: '<f4', C order. shape: n_dims sizes (0..8), the last varies fastest; data: their product
 * of floats. */
enum wn_code wn_npy_write(const float *data, const int *shape, int n_dims, struct wn_buffer *out, struct wn_error *err);

#endif
