/* The bare stack that the backend is measured against: walks a network's forward steps once, makes a oneDNN primitive
 * of each, and runs them in a row. It shares nothing with the backend but the list of steps. */
#include "bare.h"

#include <dnnl.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../kernels/graph.h"
#include "../../kernels/program.h"

struct value {
    dnnl_memory_desc_t desc;
    dnnl_memory_t memory; /* NULL: not made yet */
};

struct call {
    dnnl_primitive_t prim;
    dnnl_exec_arg_t *args;
    int n;
};

struct bare {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    struct wn_program *program;
    struct value *values;
    struct call *calls;
    int n_calls, threads;
    bool any, failed;
    dnnl_data_type_t type;
};

static bool ok(struct bare *b, dnnl_status_t status, const char *what)
{
    if (status != dnnl_success && !b->failed) {
        fprintf(stderr, "bare stack: no %s (status %d)\n", what, (int)status);
        b->failed = true;
    }
    return status == dnnl_success;
}

/* ---- memory ---- */

static dnnl_memory_desc_t describe(int rank, const int64_t *dim, dnnl_data_type_t type, dnnl_format_tag_t tag)
{
    dnnl_memory_desc_t d;
    dnnl_dims_t dims = {0};
    memcpy(dims, dim, (size_t)rank * sizeof *dim);
    if (dnnl_memory_desc_init_by_tag(&d, rank, dims, type, tag) != dnnl_success) memset(&d, 0, sizeof d);
    return d;
}

static dnnl_format_tag_t plain_tag(int rank)
{
    static const dnnl_format_tag_t tags[] = {dnnl_a, dnnl_a, dnnl_ab, dnnl_acb, dnnl_acdb, dnnl_acdeb};
    return tags[rank];
}

/* How a step's result or operand is asked for. */
static dnnl_memory_desc_t wanted(const struct bare *b, const struct wn_shape *s)
{
    return describe(s->rank, s->dim, b->type, b->any && s->rank > 2 ? dnnl_format_tag_any : plain_tag(s->rank));
}

static dnnl_memory_t fresh(struct bare *b, const dnnl_memory_desc_t *d)
{
    size_t bytes = dnnl_memory_desc_get_size(d);
    dnnl_memory_t m = NULL;
    char *data = aligned_alloc(64, (bytes + 127) / 64 * 64);
    if (!data || !ok(b, dnnl_memory_create(&m, d, b->engine, data), "memory")) return NULL;
    /* About 0.01 with either sign, in f32 and in bf16 alike: nothing overflows, nothing is denormal. */
    for (size_t i = 0; i + 1 < bytes; i += 2) {
        uint16_t bits = (uint16_t)(0x3c23 | (i * 2654435761u >> 16 & 0x8000));
        memcpy(data + i, &bits, sizeof bits);
    }
    return m;
}

/* ---- calls ---- */

static void add_call(struct bare *b, dnnl_primitive_desc_t pd, int n, const dnnl_exec_arg_t *args)
{
    struct call *c = &b->calls[b->n_calls];
    c->args = calloc((size_t)n + 1, sizeof *args);
    if (!c->args || !ok(b, dnnl_primitive_create(&c->prim, pd), "primitive")) return;
    memcpy(c->args, args, (size_t)n * sizeof *args);
    c->n = n;
    b->n_calls++;
    dnnl_primitive_desc_destroy(pd);
}

/* The value in the layout asked for: itself, or a reorder. */
static dnnl_memory_t in_layout(struct bare *b, int value, const dnnl_memory_desc_t *d)
{
    struct value *v = &b->values[value];
    dnnl_primitive_desc_t pd;
    if (!v->memory) {
        v->desc = *d;
        return v->memory = fresh(b, d);
    }
    if (dnnl_memory_desc_equal(&v->desc, d)) return v->memory;
    dnnl_memory_t m = fresh(b, d);
    if (!ok(b, dnnl_reorder_primitive_desc_create(&pd, &v->desc, b->engine, d, b->engine, NULL), "reorder"))
        return NULL;
    dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, v->memory}, {DNNL_ARG_TO, m}};
    add_call(b, pd, 2, args);
    return m;
}

static dnnl_memory_t result(struct bare *b, int value, const dnnl_memory_desc_t *d)
{
    b->values[value].desc = *d;
    return b->values[value].memory = fresh(b, d);
}

static const struct wn_shape *shape(const struct bare *b, int value)
{
    return &wn_program_value(b->program, value)->shape;
}

static const dnnl_memory_desc_t *asked(const_dnnl_primitive_desc_t pd, dnnl_query_t what)
{
    return dnnl_primitive_desc_query_md(pd, what, 0);
}

/* ---- steps ---- */

static dnnl_alg_kind_t eltwise(const struct wn_act *a, float *alpha, float *beta)
{
    *alpha = a->alpha, *beta = a->beta;
    switch (a->kind) {
    case WN_UNARY_CLIP: return dnnl_eltwise_clip;
    case WN_UNARY_SIGMOID: return dnnl_eltwise_logistic;
    case WN_UNARY_HARDSWISH: return dnnl_eltwise_hardswish;
    case WN_UNARY_LINEAR: return dnnl_eltwise_linear;
    default: *alpha = 0; return dnnl_eltwise_relu;
    }
}

static dnnl_primitive_attr_t attributes(bool sum, const struct wn_act *act)
{
    dnnl_primitive_attr_t attr;
    dnnl_post_ops_t ops;
    float alpha, beta;
    if (dnnl_primitive_attr_create(&attr) != dnnl_success || dnnl_post_ops_create(&ops) != dnnl_success) return NULL;
    if (sum) dnnl_post_ops_append_sum(ops, 1);
    if (act && act->kind != WN_UNARY_COUNT) {
        dnnl_alg_kind_t alg = eltwise(act, &alpha, &beta);
        dnnl_post_ops_append_eltwise(ops, 1, alg, alpha, beta);
    }
    dnnl_primitive_attr_set_post_ops(attr, ops);
    dnnl_post_ops_destroy(ops);
    return attr;
}

struct window {
    dnnl_dims_t kernel, stride, dilation, lo, hi;
};

static struct window window_of(const struct wn_window *win)
{
    struct window w = {0};
    for (int d = 0; d < win->rank; d++) {
        w.kernel[d] = win->kernel[d], w.stride[d] = win->stride[d], w.dilation[d] = win->dilation[d] - 1;
        w.lo[d] = win->pad_lo[d], w.hi[d] = win->pad_hi[d];
    }
    return w;
}

static void convolution(struct bare *b, const struct wn_step *s)
{
    const struct wn_shape *w = shape(b, s->in[1]), *y = shape(b, s->out[0]);
    int64_t g = s->u.conv.groups, dims[WN_MAX_RANK + 1] = {g, w->dim[0] / g};
    memcpy(dims + 2, w->dim + 1, (size_t)(w->rank - 1) * sizeof *dims);
    dnnl_memory_desc_t dx = wanted(b, shape(b, s->in[0])), dy = wanted(b, y),
                       db = describe(1, &y->dim[1], dnnl_f32, dnnl_a);
    dnnl_memory_desc_t dw = describe(w->rank + (g > 1), g > 1 ? dims : dims + 1, b->type, dnnl_format_tag_any);
    struct window win = window_of(&s->u.conv.win);
    dnnl_convolution_desc_t desc;
    dnnl_primitive_desc_t pd;
    bool bias = s->in[2] != WN_NONE, sum = s->in[3] != WN_NONE;
    dnnl_primitive_attr_t attr = attributes(sum, &s->u.conv.act);
    if (!ok(b,
            dnnl_dilated_convolution_forward_desc_init(&desc, dnnl_forward_inference, dnnl_convolution_direct, &dx, &dw,
                                                       bias ? &db : NULL, &dy, win.stride, win.dilation, win.lo,
                                                       win.hi),
            "convolution") ||
        !ok(b, dnnl_primitive_desc_create(&pd, &desc, attr, b->engine, NULL), "convolution"))
        return;
    dnnl_primitive_attr_destroy(attr);
    dnnl_memory_t x = in_layout(b, s->in[0], asked(pd, dnnl_query_src_md)),
                  weight = fresh(b, asked(pd, dnnl_query_weights_md));
    dnnl_memory_t to =
        sum ? in_layout(b, s->in[3], asked(pd, dnnl_query_dst_md)) : fresh(b, asked(pd, dnnl_query_dst_md));
    b->values[s->out[0]] = (struct value){*asked(pd, dnnl_query_dst_md), to};
    dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, weight}, {DNNL_ARG_DST, to}, {DNNL_ARG_BIAS, NULL}};
    if (bias) args[3].memory = fresh(b, &db);
    add_call(b, pd, bias ? 4 : 3, args);
}

/* Also the mean over all pixels: a pool as large as the plane. */
static void pool(struct bare *b, int x_value, int y_value, const struct wn_shape *y_shape, const struct wn_window *win,
                 dnnl_alg_kind_t alg)
{
    dnnl_memory_desc_t dx = b->values[x_value].desc;
    dnnl_memory_desc_t dy =
        describe(y_shape->rank, y_shape->dim, b->type, b->any ? dnnl_format_tag_any : plain_tag(y_shape->rank));
    struct window w = window_of(win);
    dnnl_pooling_desc_t desc;
    dnnl_primitive_desc_t pd;
    if (!ok(b,
            dnnl_pooling_forward_desc_init(&desc, dnnl_forward_inference, alg, &dx, &dy, w.stride, w.kernel, w.lo,
                                           w.hi),
            "pool") ||
        !ok(b, dnnl_primitive_desc_create(&pd, &desc, NULL, b->engine, NULL), "pool"))
        return;
    dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, b->values[x_value].memory},
                              {DNNL_ARG_DST, result(b, y_value, asked(pd, dnnl_query_dst_md))}};
    add_call(b, pd, 2, args);
}

static void reduce(struct bare *b, const struct wn_step *s)
{
    const struct wn_shape *x = shape(b, s->in[0]);
    struct wn_window win = {.rank = x->rank - 2};
    struct wn_shape y = *x;
    for (int d = 2; d < x->rank; d++) {
        win.kernel[d - 2] = x->dim[d];
        win.stride[d - 2] = win.dilation[d - 2] = y.dim[d] = 1;
    }
    pool(b, s->in[0], s->out[0], &y, &win, dnnl_pooling_avg_include_padding);
}

static void product(struct bare *b, const struct wn_step *s)
{
    const struct wn_shape *x = shape(b, s->in[0]), *y = shape(b, s->out[0]);
    int64_t wdims[] = {y->dim[1], x->dim[1]};
    dnnl_memory_desc_t dx = describe(2, x->dim, b->type, dnnl_ab),
                       dw = describe(2, wdims, b->type, dnnl_format_tag_any);
    dnnl_memory_desc_t dy = describe(2, y->dim, b->type, dnnl_ab), db = describe(1, &y->dim[1], dnnl_f32, dnnl_a);
    dnnl_inner_product_desc_t desc;
    dnnl_primitive_desc_t pd;
    dnnl_primitive_attr_t attr = attributes(false, &s->u.matmul.act);
    if (!ok(b, dnnl_inner_product_forward_desc_init(&desc, dnnl_forward_inference, &dx, &dw, &db, &dy),
            "inner product") ||
        !ok(b, dnnl_primitive_desc_create(&pd, &desc, attr, b->engine, NULL), "inner product"))
        return;
    dnnl_primitive_attr_destroy(attr);
    dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, in_layout(b, s->in[0], &dx)},
                              {DNNL_ARG_WEIGHTS, fresh(b, asked(pd, dnnl_query_weights_md))},
                              {DNNL_ARG_BIAS, fresh(b, &db)},
                              {DNNL_ARG_DST, result(b, s->out[0], &dy)}};
    add_call(b, pd, 4, args);
}

static void unary(struct bare *b, const struct wn_step *s)
{
    struct value *x = &b->values[s->in[0]];
    float alpha, beta;
    dnnl_eltwise_desc_t desc;
    dnnl_primitive_desc_t pd;
    dnnl_alg_kind_t alg = eltwise(&s->u.unary, &alpha, &beta);
    if (!ok(b, dnnl_eltwise_forward_desc_init(&desc, dnnl_forward_inference, alg, &x->desc, alpha, beta), "eltwise") ||
        !ok(b, dnnl_primitive_desc_create(&pd, &desc, NULL, b->engine, NULL), "eltwise"))
        return;
    b->values[s->out[0]] = *x; /* in place */
    dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, x->memory}, {DNNL_ARG_DST, x->memory}};
    add_call(b, pd, 2, args);
}

static void binary(struct bare *b, const struct wn_step *s)
{
    struct value *a = &b->values[s->in[0]];
    struct wn_shape small = *shape(b, s->in[0]);
    const struct wn_shape *other = shape(b, s->in[1]);
    dnnl_binary_desc_t desc;
    dnnl_primitive_desc_t pd;
    for (int d = 0; d < small.rank; d++) {
        int from = d - (small.rank - other->rank);
        small.dim[d] = from < 0 ? 1 : other->dim[from];
    }
    dnnl_memory_desc_t d1 = describe(small.rank, small.dim, dnnl_f32, plain_tag(small.rank));
    bool same = wn_shape_equal(&small, shape(b, s->in[0]));
    dnnl_memory_t m1 = same ? in_layout(b, s->in[1], &a->desc) : fresh(b, &d1);
    if (same) d1 = a->desc;
    dnnl_alg_kind_t alg = s->u.binary == WN_BINARY_MUL ? dnnl_binary_mul : dnnl_binary_add;
    if (!ok(b, dnnl_binary_desc_init(&desc, alg, &a->desc, &d1, &a->desc), "binary") ||
        !ok(b, dnnl_primitive_desc_create(&pd, &desc, NULL, b->engine, NULL), "binary"))
        return;
    dnnl_exec_arg_t args[] = {
        {DNNL_ARG_SRC_0, a->memory}, {DNNL_ARG_SRC_1, m1}, {DNNL_ARG_DST, result(b, s->out[0], &a->desc)}};
    add_call(b, pd, 3, args);
}

static void concat(struct bare *b, const struct wn_step *s)
{
    dnnl_memory_desc_t *d = calloc((size_t)s->n_in, sizeof *d);
    dnnl_exec_arg_t *args = calloc((size_t)s->n_in + 1, sizeof *args);
    dnnl_primitive_desc_t pd;
    for (int i = 0; d && args && i < s->n_in; i++) {
        d[i] = b->values[s->in[i]].desc;
        args[i] = (dnnl_exec_arg_t){DNNL_ARG_MULTIPLE_SRC + i, b->values[s->in[i]].memory};
    }
    if (d && args &&
        ok(b, dnnl_concat_primitive_desc_create(&pd, NULL, s->n_in, s->u.concat.axis, d, NULL, b->engine), "concat")) {
        args[s->n_in] = (dnnl_exec_arg_t){DNNL_ARG_DST, result(b, s->out[0], asked(pd, dnnl_query_dst_md))};
        add_call(b, pd, s->n_in + 1, args);
    }
    free(args);
    free(d);
}

/* Moves nothing: the time of a reshape is not held against anyone. */
static void reshape(struct bare *b, const struct wn_step *s)
{
    const struct wn_shape *y = shape(b, s->out[0]);
    dnnl_memory_desc_t d = describe(y->rank, y->dim, b->type, plain_tag(y->rank));
    result(b, s->out[0], &d);
}

static void add_step(struct bare *b, const struct wn_step *s)
{
    const struct wn_shape *y = shape(b, s->out[0]);
    dnnl_alg_kind_t average = s->u.pool.count_pad ? dnnl_pooling_avg_include_padding : dnnl_pooling_avg_exclude_padding;
    switch (s->prim) {
    case WN_PRIM_CONV: convolution(b, s); break;
    case WN_PRIM_MAXPOOL: pool(b, s->in[0], s->out[0], y, &s->u.pool.win, dnnl_pooling_max); break;
    case WN_PRIM_AVGPOOL: pool(b, s->in[0], s->out[0], y, &s->u.pool.win, average); break;
    case WN_PRIM_REDUCE: reduce(b, s); break;
    case WN_PRIM_MATMUL: product(b, s); break;
    case WN_PRIM_UNARY: unary(b, s); break;
    case WN_PRIM_BINARY: binary(b, s); break;
    case WN_PRIM_CONCAT: concat(b, s); break;
    case WN_PRIM_RESHAPE: reshape(b, s); break;
    default: ok(b, dnnl_unimplemented, wn_prim_name(s->prim));
    }
}

/* ---- the whole ---- */

static struct wn_program *forward_program(struct wn_graph *graph, int *input)
{
    struct wn_program *p = NULL;
    struct wn_forward forward;
    struct wn_error err = {0};
    if (wn_program_create(&p, &err) == WN_OK && wn_graph_lower(graph, p, 1, NULL, 0, &forward, &err) == WN_OK) {
        wn_program_output(p, forward.logits);
        *input = forward.input;
        wn_forward_finish(&forward);
        if (wn_program_optimize(p, &err) == WN_OK) return p;
    }
    fprintf(stderr, "bare stack: %s\n", err.text);
    wn_program_destroy(p);
    return NULL;
}

struct bare *bare_create(struct wn_graph *graph, bool any, bool bf16, int threads)
{
    struct bare *b = calloc(1, sizeof *b);
    int input = 0;
    if (!b) return NULL;
    *b = (struct bare){.any = any, .type = bf16 ? dnnl_bf16 : dnnl_f32, .threads = threads};
    omp_set_num_threads(threads);
    b->program = forward_program(graph, &input);
    if (!b->program || !ok(b, dnnl_engine_create(&b->engine, dnnl_cpu, 0), "engine") ||
        !ok(b, dnnl_stream_create(&b->stream, b->engine, dnnl_stream_default_flags), "stream")) {
        bare_destroy(b);
        return NULL;
    }
    int n = wn_program_steps(b->program);
    b->values = calloc((size_t)wn_program_values(b->program), sizeof *b->values);
    b->calls = calloc((size_t)n * 4 + 4, sizeof *b->calls);
    dnnl_memory_desc_t picture = describe(4, shape(b, input)->dim, b->type, dnnl_acdb);
    result(b, input, &picture);
    for (int i = 0; i < n && !b->failed; i++) add_step(b, wn_program_step(b->program, i));
    if (!b->failed) return b;
    bare_destroy(b);
    return NULL;
}

void bare_run(struct bare *b)
{
    omp_set_num_threads(b->threads);
    for (int i = 0; i < b->n_calls; i++)
        dnnl_primitive_execute(b->calls[i].prim, b->stream, b->calls[i].n, b->calls[i].args);
    dnnl_stream_wait(b->stream);
}

/* Memories are left to the end of the process: the bench is short. */
void bare_destroy(struct bare *b)
{
    if (!b) return;
    for (int i = 0; i < b->n_calls; i++) {
        dnnl_primitive_destroy(b->calls[i].prim);
        free(b->calls[i].args);
    }
    free(b->calls);
    free(b->values);
    wn_program_destroy(b->program);
    if (b->stream) dnnl_stream_destroy(b->stream);
    if (b->engine) dnnl_engine_destroy(b->engine);
    free(b);
}
