/* Primitives of oneDNN 3: descriptions are objects of the library, and there are no operation descriptors. */
#include "dnn_terms.h"

#include <stdlib.h>
#include <string.h>

struct wn_dnn_layout {
    dnnl_memory_desc_t desc; /* owned */
};

/* ---- descriptions: NULL where there is no memory for one, which the primitive then refuses ---- */

static dnnl_memory_desc_t describe(const struct wn_dnn_tensor *t)
{
    dnnl_memory_desc_t d = NULL;
    dnnl_dims_t dims = {1}, strides = {1};
    int rank = t->rank > 0 ? t->rank : 1;
    for (int i = 0; i < t->rank; i++) dims[i] = t->dim[i], strides[i] = t->stride[i];
    dnnl_memory_desc_create_with_strides(&d, rank, dims, wn_dnn_data_type(t->type), strides);
    return d;
}

static dnnl_memory_desc_t describe_tag(int rank, const dnnl_dims_t dims, dnnl_data_type_t type, dnnl_format_tag_t tag)
{
    dnnl_memory_desc_t d = NULL;
    dnnl_memory_desc_create_with_tag(&d, rank, dims, type, tag);
    return d;
}

static void forget(dnnl_memory_desc_t d)
{
    if (d) dnnl_memory_desc_destroy(d);
}

/* Takes over d. */
static struct wn_dnn_layout *layout_of(dnnl_memory_desc_t d)
{
    struct wn_dnn_layout *l = d ? malloc(sizeof *l) : NULL;
    if (l)
        l->desc = d;
    else
        forget(d);
    return l;
}

struct wn_dnn_layout *wn_dnn_layout_plain(const struct wn_dnn_tensor *t)
{
    return layout_of(describe(t));
}

static struct wn_dnn_layout *layout_clone(const_dnnl_memory_desc_t d)
{
    dnnl_memory_desc_t own = NULL;
    if (dnnl_memory_desc_clone(&own, d) != dnnl_success) return NULL;
    return layout_of(own);
}

struct wn_dnn_layout *wn_dnn_layout_copy(const struct wn_dnn_layout *l)
{
    return layout_clone(l->desc);
}

bool wn_dnn_layout_equal(const struct wn_dnn_layout *a, const struct wn_dnn_layout *b)
{
    return dnnl_memory_desc_equal(a->desc, b->desc);
}

size_t wn_dnn_layout_bytes(const struct wn_dnn_layout *l)
{
    return dnnl_memory_desc_get_size(l->desc);
}

void wn_dnn_layout_destroy(struct wn_dnn_layout *l)
{
    if (!l) return;
    forget(l->desc);
    free(l);
}

dnnl_status_t wn_dnn_memory_of(dnnl_engine_t engine, const struct wn_dnn_tensor *t, dnnl_memory_t *out)
{
    dnnl_memory_desc_t d = describe(t);
    dnnl_status_t status = d ? dnnl_memory_create(out, d, engine, DNNL_MEMORY_NONE) : dnnl_out_of_memory;
    forget(d);
    return status;
}

dnnl_status_t wn_dnn_memory_in(dnnl_engine_t engine, const struct wn_dnn_layout *l, dnnl_memory_t *out)
{
    return dnnl_memory_create(out, l->desc, engine, DNNL_MEMORY_NONE);
}

dnnl_status_t wn_dnn_memory_scratch(dnnl_engine_t engine, size_t bytes, dnnl_memory_t *out)
{
    dnnl_dims_t dims = {(dnnl_dim_t)bytes};
    dnnl_memory_desc_t d = describe_tag(1, dims, dnnl_u8, dnnl_a);
    dnnl_status_t status = d ? dnnl_memory_create(out, d, engine, DNNL_MEMORY_NONE) : dnnl_out_of_memory;
    forget(d);
    return status;
}

/* ---- attributes ---- */

static dnnl_status_t append_act(dnnl_post_ops_t ops, const struct wn_act *act)
{
    dnnl_alg_kind_t alg;
    float alpha, beta;
    if (!act || act->kind == WN_UNARY_COUNT) return dnnl_success;
    if (act->kind == WN_UNARY_HARDSIGMOID) {
        dnnl_status_t status = dnnl_post_ops_append_eltwise(ops, dnnl_eltwise_linear, act->alpha, act->beta);
        return status != dnnl_success ? status : dnnl_post_ops_append_eltwise(ops, dnnl_eltwise_clip, 0, 1);
    }
    if (!wn_dnn_eltwise_of(act, &alg, &alpha, &beta)) return dnnl_unimplemented;
    return dnnl_post_ops_append_eltwise(ops, alg, alpha, beta);
}

/* What every primitive of ours has: the scratchpad is the caller's; sum and activation follow. */
static dnnl_status_t attributes(bool sum, const struct wn_act *act, dnnl_primitive_attr_t *out)
{
    dnnl_post_ops_t ops = NULL;
    dnnl_status_t status = dnnl_primitive_attr_create(out);
    if (status != dnnl_success) return status;
    status = dnnl_primitive_attr_set_scratchpad_mode(*out, dnnl_scratchpad_mode_user);
    if (status == dnnl_success) status = dnnl_post_ops_create(&ops);
    if (status == dnnl_success && sum) status = dnnl_post_ops_append_sum(ops, 1, 0, dnnl_data_type_undef);
    if (status == dnnl_success) status = append_act(ops, act);
    if (status == dnnl_success) status = dnnl_primitive_attr_set_post_ops(*out, ops);
    if (ops) dnnl_post_ops_destroy(ops);
    if (status != dnnl_success) {
        dnnl_primitive_attr_destroy(*out);
        *out = NULL;
    }
    return status;
}

/* ---- from a description to a primitive ---- */

/* Takes over pd, which is NULL where status is a failure. */
static dnnl_status_t finish(dnnl_status_t status, dnnl_primitive_desc_t pd, struct wn_dnn_prim *out)
{
    memset(out, 0, sizeof *out);
    if (status != dnnl_success) return status;
    const_dnnl_memory_desc_t scratch = dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
    out->slow = wn_dnn_is_reference(pd);
    out->scratch_bytes = scratch ? dnnl_memory_desc_get_size(scratch) : 0;
    if (wn_dnn_is_convolution(pd)) {
        out->weights = layout_clone(dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0));
        if (!out->weights) status = dnnl_out_of_memory;
    }
    if (status == dnnl_success) status = dnnl_primitive_create(&out->handle, pd);
    dnnl_primitive_desc_destroy(pd);
    if (status != dnnl_success) wn_dnn_prim_finish(out);
    return status;
}

void wn_dnn_prim_finish(struct wn_dnn_prim *p)
{
    if (p->handle) dnnl_primitive_destroy(p->handle);
    wn_dnn_layout_destroy(p->weights);
    memset(p, 0, sizeof *p);
}

/* ---- convolutions ---- */

struct conv_descs {
    dnnl_memory_desc_t x, w, bias, y;
};

static struct conv_descs conv_descs(const struct wn_dnn_conv *c, enum wn_dnn_type filter)
{
    dnnl_dims_t dims = {0}, bias = {c->w->dim[0]};
    int rank = wn_dnn_filter_dims(c, dims);
    return (struct conv_descs){.x = describe(c->x),
                               .y = describe(c->y),
                               .w = describe_tag(rank, dims, wn_dnn_data_type(filter), dnnl_format_tag_any),
                               .bias = c->bias ? describe_tag(1, bias, dnnl_f32, dnnl_a) : NULL};
}

static void forget_all(struct conv_descs *d)
{
    forget(d->x);
    forget(d->w);
    forget(d->bias);
    forget(d->y);
}

static dnnl_status_t conv_forward(dnnl_engine_t engine, const struct wn_dnn_conv *c, dnnl_prop_kind_t prop,
                                  dnnl_primitive_attr_t attr, dnnl_primitive_desc_t *pd)
{
    struct conv_descs d = conv_descs(c, c->x->type);
    struct wn_dnn_window win = wn_dnn_window_of(c->win);
    dnnl_status_t status = dnnl_out_of_memory;
    if (d.x && d.w && d.y && (d.bias || !c->bias))
        status =
            dnnl_convolution_forward_primitive_desc_create(pd, engine, prop, dnnl_convolution_direct, d.x, d.w, d.bias,
                                                           d.y, win.stride, win.dilation, win.lo, win.hi, attr);
    forget_all(&d);
    return status;
}

static dnnl_status_t conv_backward(dnnl_engine_t engine, const struct wn_dnn_conv *c, dnnl_primitive_attr_t attr,
                                   dnnl_primitive_desc_t *pd)
{
    struct wn_dnn_conv twin = *c;
    struct wn_dnn_tensor x = *c->x;
    dnnl_primitive_desc_t hint = NULL;
    x.type = c->y->type; /* the hint has one type; only the gradient that comes out may be wider */
    twin.x = &x;
    twin.bias = twin.residual = false;
    dnnl_status_t status = conv_forward(engine, &twin, dnnl_forward_training, NULL, &hint);
    if (status != dnnl_success) return status;
    struct conv_descs d = conv_descs(c, c->y->type);
    struct wn_dnn_window win = wn_dnn_window_of(c->win);
    status = dnnl_out_of_memory;
    if (d.x && d.w && d.y)
        status = dnnl_convolution_backward_data_primitive_desc_create(
            pd, engine, dnnl_convolution_direct, d.x, d.w, d.y, win.stride, win.dilation, win.lo, win.hi, hint, attr);
    forget_all(&d);
    dnnl_primitive_desc_destroy(hint);
    return status;
}

dnnl_status_t wn_dnn_make_conv(dnnl_engine_t engine, const struct wn_dnn_conv *c, struct wn_dnn_prim *out)
{
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t status = attributes(c->residual, c->backward ? NULL : &c->act, &attr);
    if (status == dnnl_success)
        status = c->backward ? conv_backward(engine, c, attr, &pd)
                             : conv_forward(engine, c, dnnl_forward_inference, attr, &pd);
    if (attr) dnnl_primitive_attr_destroy(attr);
    return finish(status, pd, out);
}

/* ---- the others ---- */

dnnl_status_t wn_dnn_make_pool(dnnl_engine_t engine, const struct wn_dnn_tensor *x, const struct wn_dnn_tensor *y,
                               const struct wn_window *win, bool max, bool count_pad, struct wn_dnn_prim *out)
{
    dnnl_alg_kind_t average = count_pad ? dnnl_pooling_avg_include_padding : dnnl_pooling_avg_exclude_padding;
    struct wn_dnn_window w = wn_dnn_window_of(win);
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_memory_desc_t dx = describe(x), dy = describe(y);
    dnnl_status_t status = dx && dy ? attributes(false, NULL, &attr) : dnnl_out_of_memory;
    if (status == dnnl_success)
        status = dnnl_pooling_forward_primitive_desc_create(&pd, engine, dnnl_forward_inference,
                                                            max ? dnnl_pooling_max : average, dx, dy, w.stride,
                                                            w.kernel, w.dilation, w.lo, w.hi, attr);
    if (attr) dnnl_primitive_attr_destroy(attr);
    forget(dx);
    forget(dy);
    return finish(status, pd, out);
}

dnnl_status_t wn_dnn_make_matmul(dnnl_engine_t engine, const struct wn_dnn_tensor *a, const struct wn_dnn_tensor *b,
                                 const struct wn_dnn_tensor *bias, const struct wn_dnn_tensor *y,
                                 const struct wn_act *act, struct wn_dnn_prim *out)
{
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_memory_desc_t da = describe(a), db = describe(b), dy = describe(y), dbias = bias ? describe(bias) : NULL;
    bool described = da && db && dy && (dbias || !bias);
    dnnl_status_t status = described ? attributes(false, act, &attr) : dnnl_out_of_memory;
    if (status == dnnl_success) status = dnnl_matmul_primitive_desc_create(&pd, engine, da, db, dbias, dy, attr);
    if (attr) dnnl_primitive_attr_destroy(attr);
    forget(da);
    forget(db);
    forget(dy);
    forget(dbias);
    return finish(status, pd, out);
}

dnnl_status_t wn_dnn_make_unary(dnnl_engine_t engine, int64_t count, enum wn_dnn_type type, const struct wn_act *act,
                                struct wn_dnn_prim *out)
{
    dnnl_dims_t dims = {count};
    dnnl_alg_kind_t alg;
    float alpha, beta;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    if (!wn_dnn_eltwise_of(act, &alg, &alpha, &beta)) return finish(dnnl_unimplemented, NULL, out);
    dnnl_memory_desc_t d = describe_tag(1, dims, wn_dnn_data_type(type), dnnl_a);
    dnnl_status_t status = d ? attributes(false, NULL, &attr) : dnnl_out_of_memory;
    if (status == dnnl_success)
        status = dnnl_eltwise_forward_primitive_desc_create(&pd, engine, dnnl_forward_inference, alg, d, d, alpha, beta,
                                                            attr);
    if (attr) dnnl_primitive_attr_destroy(attr);
    forget(d);
    return finish(status, pd, out);
}

dnnl_status_t wn_dnn_make_binary(dnnl_engine_t engine, enum wn_binary kind, const struct wn_dnn_tensor *a,
                                 const struct wn_dnn_tensor *b, const struct wn_dnn_tensor *y, struct wn_dnn_prim *out)
{
    dnnl_alg_kind_t alg;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    if (!wn_dnn_binary_of(kind, &alg)) return finish(dnnl_unimplemented, NULL, out);
    dnnl_memory_desc_t da = describe(a), db = describe(b), dy = describe(y);
    dnnl_status_t status = da && db && dy ? attributes(false, NULL, &attr) : dnnl_out_of_memory;
    if (status == dnnl_success) status = dnnl_binary_primitive_desc_create(&pd, engine, alg, da, db, dy, attr);
    if (attr) dnnl_primitive_attr_destroy(attr);
    forget(da);
    forget(db);
    forget(dy);
    return finish(status, pd, out);
}

dnnl_status_t wn_dnn_make_reorder(dnnl_engine_t engine, const struct wn_dnn_tensor *x, const struct wn_dnn_tensor *y,
                                  const struct wn_dnn_layout *layout, struct wn_dnn_prim *out)
{
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_memory_desc_t from = describe(x), plain = layout ? NULL : describe(y), to = layout ? layout->desc : plain;
    dnnl_status_t status = from && to ? attributes(false, NULL, &attr) : dnnl_out_of_memory;
    if (status == dnnl_success) status = dnnl_reorder_primitive_desc_create(&pd, from, engine, to, engine, attr);
    if (attr) dnnl_primitive_attr_destroy(attr);
    forget(from);
    forget(plain);
    return finish(status, pd, out);
}
