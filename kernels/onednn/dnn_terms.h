/* What both versions of oneDNN call the same: windows and elementwise functions in its words. */
#ifndef WN_ONEDNN_DNN_TERMS_H
#define WN_ONEDNN_DNN_TERMS_H

#include "dnn.h"

/* Its dilation counts the cells skipped. */
struct wn_dnn_window {
    dnnl_dims_t kernel, stride, dilation, lo, hi;
};
struct wn_dnn_window wn_dnn_window_of(const struct wn_window *win);

dnnl_data_type_t wn_dnn_data_type(enum wn_dnn_type type);

/* One of our functions as one of oneDNN's with its alpha and beta (a hard-swish with those of version 3, which version
 * 2 ignores); false where it has none. */
bool wn_dnn_eltwise_of(const struct wn_act *act, dnnl_alg_kind_t *alg, float *alpha, float *beta);
bool wn_dnn_binary_of(enum wn_binary kind, dnnl_alg_kind_t *alg);

/* (g, O/g, C/g, k..) or, with one group, (O, C, k..); returns the rank. */
int wn_dnn_filter_dims(const struct wn_dnn_conv *c, dnnl_dims_t dims);
bool wn_dnn_is_reference(const_dnnl_primitive_desc_t pd);
bool wn_dnn_is_convolution(const_dnnl_primitive_desc_t pd);

#endif
