/* Our words for windows and functions put into oneDNN's, for whichever version makes the primitives. */
#include "dnn_terms.h"

#include <string.h>

struct wn_dnn_window wn_dnn_window_of(const struct wn_window *win)
{
    struct wn_dnn_window w = {0};
    for (int d = 0; d < win->rank; d++) {
        w.kernel[d] = win->kernel[d];
        w.stride[d] = win->stride[d];
        w.dilation[d] = win->dilation[d] - 1;
        w.lo[d] = win->pad_lo[d];
        w.hi[d] = win->pad_hi[d];
    }
    return w;
}

dnnl_data_type_t wn_dnn_data_type(enum wn_dnn_type type)
{
    return type == WN_DNN_F32 ? dnnl_f32 : dnnl_bf16;
}

bool wn_dnn_eltwise_of(const struct wn_act *act, dnnl_alg_kind_t *alg, float *alpha, float *beta)
{
    *alpha = act->alpha, *beta = act->beta;
    switch (act->kind) {
    case WN_UNARY_RELU: *alg = dnnl_eltwise_relu, *alpha = 0; return true;
    case WN_UNARY_LEAKY: *alg = dnnl_eltwise_relu; return true;
    case WN_UNARY_ELU: *alg = dnnl_eltwise_elu; return true;
    case WN_UNARY_SIGMOID: *alg = dnnl_eltwise_logistic; return true;
    case WN_UNARY_TANH: *alg = dnnl_eltwise_tanh; return true;
    case WN_UNARY_EXP: *alg = dnnl_eltwise_exp; return true;
    case WN_UNARY_ABS: *alg = dnnl_eltwise_abs; return true;
    case WN_UNARY_CLIP: *alg = dnnl_eltwise_clip; return act->alpha <= act->beta;
    case WN_UNARY_HARDSWISH: *alg = dnnl_eltwise_hardswish, *alpha = 1.0f / 6, *beta = 0.5f; return true;
    case WN_UNARY_LINEAR: *alg = dnnl_eltwise_linear; return true;
    case WN_UNARY_SQUARE: *alg = dnnl_eltwise_square; return true;
    default: return false;
    }
}

bool wn_dnn_has_act(const struct wn_act *act)
{
    dnnl_alg_kind_t alg;
    float alpha, beta;
    return act->kind == WN_UNARY_COUNT || act->kind == WN_UNARY_HARDSIGMOID ||
           wn_dnn_eltwise_of(act, &alg, &alpha, &beta);
}

bool wn_dnn_binary_of(enum wn_binary kind, dnnl_alg_kind_t *alg)
{
    switch (kind) {
    case WN_BINARY_ADD: *alg = dnnl_binary_add; return true;
    case WN_BINARY_SUB: *alg = dnnl_binary_sub; return true;
    case WN_BINARY_MUL: *alg = dnnl_binary_mul; return true;
    case WN_BINARY_DIV: *alg = dnnl_binary_div; return true;
    case WN_BINARY_MAX: *alg = dnnl_binary_max; return true;
    case WN_BINARY_MIN: *alg = dnnl_binary_min; return true;
    default: return false;
    }
}

int wn_dnn_filter_dims(const struct wn_dnn_conv *c, dnnl_dims_t dims)
{
    int rank = 0;
    if (c->groups > 1) dims[rank++] = c->groups;
    dims[rank++] = c->w->dim[0] / c->groups;
    for (int d = 1; d < c->w->rank; d++) dims[rank++] = c->w->dim[d];
    return rank;
}

bool wn_dnn_is_reference(const_dnnl_primitive_desc_t pd)
{
    const char *impl = "";
    dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, (void *)&impl);
    return strncmp(impl, "ref", 3) == 0;
}

bool wn_dnn_is_convolution(const_dnnl_primitive_desc_t pd)
{
    dnnl_primitive_kind_t kind;
    return dnnl_primitive_desc_query(pd, dnnl_query_primitive_kind, 0, &kind) == dnnl_success &&
           kind == dnnl_convolution;
}
