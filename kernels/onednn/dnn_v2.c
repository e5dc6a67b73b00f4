/* Primitives of oneDNN 2: descriptions are plain structs, and each primitive has an operation descriptor. */
#include "dnn_terms.h"

#include <stdlib.h>
#include <string.h>

struct wn_dnn_layout {
    dnnl_memory_desc_t desc;
};

/* ---- descriptions ---- */

static dnnl_memory_desc_t describe(const struct wn_dnn_tensor *t)
{
    dnnl_memory_desc_t d;
    dnnl_dims_t dims = {1}, strides = {1};
    int rank = t->rank > 0 ? t->rank : 1;
    for (int i = 0; i < t->rank; i++) dims[i] = t->dim[i], strides[i] = t->stride[i];
    if (dnnl_memory_desc_init_by_strides(&d, rank, dims, wn_dnn_data_type(t->type), strides) != dnnl_success)
        memset(&d, 0, sizeof d);
    return d;
}

static dnnl_memory_desc_t describe_any(int rank, const dnnl_dims_t dims, dnnl_data_type_t type)
{
    dnnl_memory_desc_t d;
    if (dnnl_memory_desc_init_by_tag(&d, rank, dims, type, dnnl_format_tag_any) != dnnl_success)
        memset(&d, 0, sizeof d);
    return d;
}

static struct wn_dnn_layout *layout_of(const dnnl_memory_desc_t *d)
{
    struct wn_dnn_layout *l = malloc(sizeof *l);
    if (l) l->desc = *d;
    return l;
}

struct wn_dnn_layout *wn_dnn_layout_plain(const struct wn_dnn_tensor *t)
{
    dnnl_memory_desc_t d = describe(t);
    return layout_of(&d);
}

struct wn_dnn_layout *wn_dnn_layout_copy(const struct wn_dnn_layout *l)
{
    return layout_of(&l->desc);
}

bool wn_dnn_layout_equal(const struct wn_dnn_layout *a, const struct wn_dnn_layout *b)
{
    return dnnl_memory_desc_equal(&a->desc, &b->desc);
}

size_t wn_dnn_layout_bytes(const struct wn_dnn_layout *l)
{
    return dnnl_memory_desc_get_size(&l->desc);
}

void wn_dnn_layout_destroy(struct wn_dnn_layout *l)
{
    free(l);
}

dnnl_status_t wn_dnn_memory_of(dnnl_engine_t engine, const struct wn_dnn_tensor *t, dnnl_memory_t *out)
{
    dnnl_memory_desc_t d = describe(t);
    return dnnl_memory_create(out, &d, engine, DNNL_MEMORY_NONE);
}

dnnl_status_t wn_dnn_memory_in(dnnl_engine_t engine, const struct wn_dnn_layout *l, dnnl_memory_t *out)
{
    return dnnl_memory_create(out, &l->desc, engine, DNNL_MEMORY_NONE);
}

dnnl_status_t wn_dnn_memory_scratch(dnnl_engine_t engine, size_t bytes, dnnl_memory_t *out)
{
    dnnl_memory_desc_t d;
    dnnl_dims_t dims = {(dnnl_dim_t)bytes};
    dnnl_status_t status = dnnl_memory_desc_init_by_tag(&d, 1, dims, dnnl_u8, dnnl_a);
    return status != dnnl_success ? status : dnnl_memory_create(out, &d, engine, DNNL_MEMORY_NONE);
}

/* ---- activations ---- */

static dnnl_status_t append_act(dnnl_post_ops_t ops, const struct wn_act *act)
{
    dnnl_alg_kind_t alg;
    float alpha, beta;
    if (!act || act->kind == WN_UNARY_COUNT) return dnnl_success;
    if (act->kind == WN_UNARY_HARDSIGMOID) {
        dnnl_status_t status = dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_linear, act->alpha, act->beta);
        return status != dnnl_success ? status : dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_clip, 0, 1);
    }
    if (!wn_dnn_eltwise_of(act, &alg, &alpha, &beta)) return dnnl_unimplemented;
    return dnnl_post_ops_append_eltwise(ops, 1, alg, alpha, beta);
}

/* Attributes every primitive of ours has: the scratchpad is the caller's; sum and activation follow. */
static dnnl_status_t attributes(bool sum, const struct wn_act *act, dnnl_primitive_attr_t *out)
{
    dnnl_post_ops_t ops = NULL;
    dnnl_status_t status = dnnl_primitive_attr_create(out);
    if (status != dnnl_success) return status;
    status = dnnl_primitive_attr_set_scratchpad_mode(*out, dnnl_scratchpad_mode_user);
    if (status == dnnl_success) status = dnnl_post_ops_create(&ops);
    if (status == dnnl_success && sum) status = dnnl_post_ops_append_sum(ops, 1);
    if (status == dnnl_success) status = append_act(ops, act);
    if (status == dnnl_success) status = dnnl_primitive_attr_set_post_ops(*out, ops);
    dnnl_post_ops_destroy(ops);
    if (status != dnnl_success) {
        dnnl_primitive_attr_destroy(*out);
        *out = NULL;
    }
    return status;
}

/* ---- from a description to a primitive ---- */

/* Takes over pd. */
static dnnl_status_t finish(dnnl_primitive_desc_t pd, struct wn_dnn_prim *out)
{
    const dnnl_memory_desc_t *scratch = dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
    memset(out, 0, sizeof *out);
    out->slow = wn_dnn_is_reference(pd);
    out->scratch_bytes = scratch ? dnnl_memory_desc_get_size(scratch) : 0;
    dnnl_status_t status = dnnl_success;
    if (wn_dnn_is_convolution(pd)) {
        out->weights = layout_of(dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0));
        if (!out->weights) status = dnnl_out_of_memory;
    }
    if (status == dnnl_success) status = dnnl_primitive_create(&out->handle, pd);
    dnnl_primitive_desc_destroy(pd);
    if (status != dnnl_success) wn_dnn_prim_finish(out);
    return status;
}

static dnnl_status_t build(dnnl_engine_t engine, const_dnnl_op_desc_t desc, bool sum, const struct wn_act *act,
                           const_dnnl_primitive_desc_t hint, struct wn_dnn_prim *out)
{
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    memset(out, 0, sizeof *out);
    dnnl_status_t status = attributes(sum, act, &attr);
    if (status == dnnl_success) status = dnnl_primitive_desc_create(&pd, desc, attr, engine, hint);
    if (attr) dnnl_primitive_attr_destroy(attr);
    return status != dnnl_success ? status : finish(pd, out);
}

void wn_dnn_prim_finish(struct wn_dnn_prim *p)
{
    if (p->handle) dnnl_primitive_destroy(p->handle);
    wn_dnn_layout_destroy(p->weights);
    memset(p, 0, sizeof *p);
}

/* ---- convolutions ---- */

static dnnl_memory_desc_t describe_weights(const struct wn_dnn_conv *c, dnnl_data_type_t type)
{
    dnnl_dims_t dims = {0};
    int rank = wn_dnn_filter_dims(c, dims);
    return describe_any(rank, dims, type);
}

static dnnl_status_t conv_forward_desc(const struct wn_dnn_conv *c, dnnl_prop_kind_t prop, dnnl_convolution_desc_t *out)
{
    dnnl_memory_desc_t x = describe(c->x), y = describe(c->y), w = describe_weights(c, wn_dnn_data_type(c->x->type)),
                       bias;
    dnnl_dims_t bias_dims = {c->w->dim[0]};
    struct wn_dnn_window win = wn_dnn_window_of(c->win);
    dnnl_memory_desc_init_by_tag(&bias, 1, bias_dims, dnnl_f32, dnnl_a);
    return dnnl_dilated_convolution_forward_desc_init(out, prop, dnnl_convolution_direct, &x, &w,
                                                      c->bias ? &bias : NULL, &y, win.stride, win.dilation, win.lo,
                                                      win.hi);
}

static dnnl_status_t conv_backward(dnnl_engine_t engine, const struct wn_dnn_conv *c, struct wn_dnn_prim *out)
{
    struct wn_dnn_conv twin = *c;
    struct wn_dnn_tensor x = *c->x;
    dnnl_convolution_desc_t forward, backward;
    dnnl_primitive_desc_t hint;
    x.type = c->y->type; /* the hint has one type; only the gradient that comes out may be wider */
    twin.x = &x;
    twin.bias = twin.residual = false;
    dnnl_memory_desc_t dx = describe(c->x), dy = describe(c->y), w = describe_weights(c, wn_dnn_data_type(c->y->type));
    struct wn_dnn_window win = wn_dnn_window_of(c->win);
    dnnl_status_t status = conv_forward_desc(&twin, dnnl_forward_training, &forward);
    if (status == dnnl_success) status = dnnl_primitive_desc_create(&hint, &forward, NULL, engine, NULL);
    if (status != dnnl_success) return status;
    status = dnnl_dilated_convolution_backward_data_desc_init(&backward, dnnl_convolution_direct, &dx, &w, &dy,
                                                              win.stride, win.dilation, win.lo, win.hi);
    if (status == dnnl_success) status = build(engine, &backward, false, NULL, hint, out);
    dnnl_primitive_desc_destroy(hint);
    return status;
}

dnnl_status_t wn_dnn_make_conv(dnnl_engine_t engine, const struct wn_dnn_conv *c, struct wn_dnn_prim *out)
{
    dnnl_convolution_desc_t desc;
    memset(out, 0, sizeof *out);
    if (c->backward) return conv_backward(engine, c, out);
    dnnl_status_t status = conv_forward_desc(c, dnnl_forward_inference, &desc);
    return status != dnnl_success ? status : build(engine, &desc, c->residual, &c->act, NULL, out);
}

/* ---- the others ---- */

dnnl_status_t wn_dnn_make_pool(dnnl_engine_t engine, const struct wn_dnn_tensor *x, const struct wn_dnn_tensor *y,
                               const struct wn_window *win, bool max, bool count_pad, struct wn_dnn_prim *out)
{
    dnnl_pooling_desc_t desc;
    dnnl_memory_desc_t dx = describe(x), dy = describe(y);
    dnnl_alg_kind_t average = count_pad ? dnnl_pooling_avg_include_padding : dnnl_pooling_avg_exclude_padding;
    memset(out, 0, sizeof *out);
    struct wn_dnn_window w = wn_dnn_window_of(win);
    for (int d = 0; d < win->rank; d++)
        if (w.dilation[d] != 0) return dnnl_unimplemented;
    dnnl_status_t status = dnnl_pooling_forward_desc_init(
        &desc, dnnl_forward_inference, max ? dnnl_pooling_max : average, &dx, &dy, w.stride, w.kernel, w.lo, w.hi);
    return status != dnnl_success ? status : build(engine, &desc, false, NULL, NULL, out);
}

dnnl_status_t wn_dnn_make_matmul(dnnl_engine_t engine, const struct wn_dnn_tensor *a, const struct wn_dnn_tensor *b,
                                 const struct wn_dnn_tensor *bias, const struct wn_dnn_tensor *y,
                                 const struct wn_act *act, struct wn_dnn_prim *out)
{
    dnnl_matmul_desc_t desc;
    dnnl_memory_desc_t da = describe(a), db = describe(b), dy = describe(y), dbias;
    memset(out, 0, sizeof *out);
    if (bias) dbias = describe(bias);
    dnnl_status_t status = dnnl_matmul_desc_init(&desc, &da, &db, bias ? &dbias : NULL, &dy);
    return status != dnnl_success ? status : build(engine, &desc, false, act, NULL, out);
}

dnnl_status_t wn_dnn_make_unary(dnnl_engine_t engine, int64_t count, enum wn_dnn_type type, const struct wn_act *act,
                                struct wn_dnn_prim *out)
{
    dnnl_eltwise_desc_t desc;
    dnnl_memory_desc_t d;
    dnnl_dims_t dims = {count};
    dnnl_alg_kind_t alg;
    float alpha, beta;
    memset(out, 0, sizeof *out);
    if (!wn_dnn_eltwise_of(act, &alg, &alpha, &beta)) return dnnl_unimplemented;
    dnnl_status_t status = dnnl_memory_desc_init_by_tag(&d, 1, dims, wn_dnn_data_type(type), dnnl_a);
    if (status == dnnl_success)
        status = dnnl_eltwise_forward_desc_init(&desc, dnnl_forward_inference, alg, &d, alpha, beta);
    return status != dnnl_success ? status : build(engine, &desc, false, NULL, NULL, out);
}

dnnl_status_t wn_dnn_make_binary(dnnl_engine_t engine, enum wn_binary kind, const struct wn_dnn_tensor *a,
                                 const struct wn_dnn_tensor *b, const struct wn_dnn_tensor *y, struct wn_dnn_prim *out)
{
    dnnl_binary_desc_t desc;
    dnnl_memory_desc_t da = describe(a), db = describe(b), dy = describe(y);
    dnnl_alg_kind_t alg;
    memset(out, 0, sizeof *out);
    if (!wn_dnn_binary_of(kind, &alg)) return dnnl_unimplemented;
    dnnl_status_t status = dnnl_binary_desc_init(&desc, alg, &da, &db, &dy);
    return status != dnnl_success ? status : build(engine, &desc, false, NULL, NULL, out);
}

dnnl_status_t wn_dnn_make_reorder(dnnl_engine_t engine, const struct wn_dnn_tensor *x, const struct wn_dnn_tensor *y,
                                  const struct wn_dnn_layout *layout, struct wn_dnn_prim *out)
{
    dnnl_memory_desc_t from = describe(x), to = layout ? layout->desc : describe(y);
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    memset(out, 0, sizeof *out);
    dnnl_status_t status = attributes(false, NULL, &attr);
    if (status == dnnl_success) status = dnnl_reorder_primitive_desc_create(&pd, &from, engine, &to, engine, attr);
    if (attr) dnnl_primitive_attr_destroy(attr);
    return status != dnnl_success ? status : finish(pd, out);
}
