/* Makers of convolutions and pools: whatever slides a window. A convolution is asked of cuDNN in its most fused form
 * first, then alone, and falls to a kernel of ours where cuDNN has no plan. */
#include "conv_graph.h"
#include "exe.h"

static enum wn_code run_maxpool(struct wn_cuda_exe *exe, const struct wn_cuda_job *j, struct wn_error *err)
{
    wn_cuda_launch_maxpool(&j->u.pool, exe->stream);
    return wn_cuda_launched(j->name, err);
}

static enum wn_code run_maxpool_bwd(struct wn_cuda_exe *exe, const struct wn_cuda_job *j, struct wn_error *err)
{
    wn_cuda_launch_maxpool_bwd(&j->u.pool, exe->stream);
    return wn_cuda_launched(j->name, err);
}

static enum wn_code run_avgpool(struct wn_cuda_exe *exe, const struct wn_cuda_job *j, struct wn_error *err)
{
    wn_cuda_launch_avgpool(&j->u.pool, exe->stream);
    return wn_cuda_launched(j->name, err);
}

static enum wn_code run_avgpool_bwd(struct wn_cuda_exe *exe, const struct wn_cuda_job *j, struct wn_error *err)
{
    wn_cuda_launch_avgpool_bwd(&j->u.pool, exe->stream);
    return wn_cuda_launched(j->name, err);
}

static enum wn_code run_direct(struct wn_cuda_exe *exe, const struct wn_cuda_job *j, struct wn_error *err)
{
    wn_cuda_launch_conv(&j->u.direct, exe->stream);
    return wn_cuda_launched(j->name, err);
}

static enum wn_code run_direct_bwd(struct wn_cuda_exe *exe, const struct wn_cuda_job *j, struct wn_error *err)
{
    wn_cuda_launch_conv_bwd(&j->u.direct, exe->stream);
    return wn_cuda_launched(j->name, err);
}

/* The last axes of the three, the leading ones of length 1. */
struct wn_cuda_window wn_cuda_window_of(const struct wn_window *win, const struct wn_cuda_tensor *x,
                                        const struct wn_cuda_tensor *y)
{
    struct wn_cuda_window w;
    for (int i = 0; i < 3; i++) {
        const int d = i - (3 - win->rank);
        w.kernel[i] = d < 0 ? 1 : (int)win->kernel[d];
        w.stride[i] = d < 0 ? 1 : (int)win->stride[d];
        w.dilation[i] = d < 0 ? 1 : (int)win->dilation[d];
        w.pad[i] = d < 0 ? 0 : (int)win->pad_lo[d];
        w.x[i] = d < 0 ? 1 : (int)x->shape.dim[2 + d];
        w.y[i] = d < 0 ? 1 : (int)y->shape.dim[2 + d];
    }
    return w;
}

/* ---- pools ---- */

static enum wn_code make_pool(struct wn_cuda_exe *exe, int step, typeof(run_maxpool) *run, bool backward,
                              struct wn_error *err)
{
    const struct wn_step *s = wn_program_step(exe->prog, step);
    const struct wn_cuda_tensor dst = exe->values[s->out[0]];
    struct wn_cuda_tensor src, index = {0}, row = {0};
    enum wn_code code = wn_cuda_value(exe, s->in[0], &src, err);
    if (code == WN_OK && s->prim == WN_PRIM_MAXPOOL_BWD) {
        const struct wn_step *gather = wn_cuda_swallowed(exe, s->in[1], WN_PRIM_GATHER);
        code = wn_cuda_value(exe, gather ? gather->in[0] : s->in[1], &index, err);
        if (code == WN_OK && gather) code = wn_cuda_value(exe, gather->in[1], &row, err);
    }
    if (code != WN_OK) return code;
    if (s->prim == WN_PRIM_MAXPOOL && s->n_out > 1 && s->out[1] != WN_NONE) index = exe->values[s->out[1]];
    struct wn_cuda_job *j = wn_cuda_job_new(exe, wn_prim_name(s->prim), run, err);
    if (!j) return WN_NO_MEMORY;
    struct wn_cuda_pool *p = &j->u.pool;
    *p = (struct wn_cuda_pool){.n = (int)dst.shape.dim[0],
                               .channels = (int)dst.shape.dim[1],
                               .src = src.data,
                               .src_type = src.type,
                               .dst = dst.data,
                               .dst_type = dst.type,
                               .count_pad = s->u.pool.count_pad,
                               .index = index.data,
                               .index_in = index.data,
                               .row = row.data,
                               .images = (int)index.shape.dim[0]};
    p->win = backward ? wn_cuda_window_of(&s->u.pool.win, &dst, &src) : wn_cuda_window_of(&s->u.pool.win, &src, &dst);
    return WN_OK;
}

enum wn_code wn_cuda_make_maxpool(struct wn_cuda_exe *exe, int step, struct wn_error *err)
{
    return make_pool(exe, step, run_maxpool, false, err);
}

enum wn_code wn_cuda_make_maxpool_bwd(struct wn_cuda_exe *exe, int step, struct wn_error *err)
{
    return make_pool(exe, step, run_maxpool_bwd, true, err);
}

enum wn_code wn_cuda_make_avgpool(struct wn_cuda_exe *exe, int step, struct wn_error *err)
{
    return make_pool(exe, step, run_avgpool, false, err);
}

enum wn_code wn_cuda_make_avgpool_bwd(struct wn_cuda_exe *exe, int step, struct wn_error *err)
{
    return make_pool(exe, step, run_avgpool_bwd, true, err);
}

/* ---- convolutions ---- */

/* Everything that a convolution reads and writes, in the type that it is computed in. */
struct convolution {
    struct wn_cuda_conv_shape shape;
    struct wn_cuda_tensor src, w, bias, residual, units, dst; /* data NULL: left out */
    struct wn_cuda_tensor own_bias; /* the bias in the convolution's type, as cuDNN wants it */
    struct wn_act act, derivative;  /* derivative: at the units */
};

/* A vector over channels as a tensor that broadcasts to y. */
static struct wn_cuda_tensor over_channels(const struct wn_cuda_tensor *v, const struct wn_cuda_tensor *y)
{
    struct wn_shape shape = {.rank = y->shape.rank};
    for (int d = 0; d < shape.rank; d++) shape.dim[d] = 1;
    shape.dim[1] = wn_shape_count(&v->shape);
    struct wn_cuda_tensor t = wn_cuda_tensor_of(&shape, v->type, y->channels_last);
    t.data = v->data;
    return t;
}

/* cuDNN wants a bias before it fuses an activation or an addition. */
static enum wn_code zero_bias(struct wn_cuda_exe *exe, struct convolution *c, struct wn_error *err)
{
    const struct wn_shape shape = wn_shape_of(1, &c->dst.shape.dim[1]);
    c->own_bias = wn_cuda_tensor_of(&shape, c->src.type, false);
    return wn_cuda_zeros(exe, wn_cuda_tensor_bytes(&c->own_bias), &c->own_bias.data, err);
}

/* Convolution, residual and bias in one plan, and the activation too where it is the one that cuDNN fuses. */
static enum wn_code make_fused(struct wn_cuda_exe *exe, struct convolution *c, struct wn_error *err)
{
    if (c->shape.backward) return WN_UNSUPPORTED;
    if (c->residual.data && c->residual.type != c->src.type) return WN_UNSUPPORTED;
    if (c->bias.data && !c->own_bias.data) return WN_UNSUPPORTED;
    enum wn_code code = c->bias.data ? WN_OK : zero_bias(exe, c, err);
    if (code != WN_OK) return code;
    struct wn_cuda_conv_shape shape = c->shape;
    struct wn_cuda_job job = {.name = "conv"};
    shape.bias = true, shape.residual = c->residual.data, shape.relu = c->act.kind == WN_UNARY_RELU;
    job.u.conv.x = c->src.data, job.u.conv.w = c->w.data, job.u.conv.bias = c->own_bias.data;
    job.u.conv.residual = c->residual.data, job.u.conv.y = c->dst.data;
    code = wn_cuda_plan_job(exe, &shape, &job, err);
    if (code == WN_OK) code = wn_cuda_job_add(exe, &job, err);
    if (code != WN_OK) return code;
    c->bias.data = c->residual.data = NULL;
    if (shape.relu) c->act.kind = WN_UNARY_COUNT;
    return WN_OK;
}

/* Convolution, residual and the derivative of a relu in one plan. */
static enum wn_code make_differentiated(struct wn_cuda_exe *exe, struct convolution *c, struct wn_error *err)
{
    if (c->residual.data && c->residual.type != c->src.type) return WN_UNSUPPORTED;
    struct wn_cuda_conv_shape shape = c->shape;
    struct wn_cuda_job job = {.name = "conv"};
    shape.derivative = true, shape.residual = c->residual.data, shape.units_type = c->units.type;
    job.u.conv.x = c->src.data, job.u.conv.w = c->w.data, job.u.conv.residual = c->residual.data;
    job.u.conv.units = c->units.data, job.u.conv.y = c->dst.data;
    enum wn_code code = wn_cuda_plan_job(exe, &shape, &job, err);
    return code == WN_OK ? wn_cuda_job_add(exe, &job, err) : code;
}

/* By ourselves; the bias is added before the sum is rounded. */
static enum wn_code make_direct(struct wn_cuda_exe *exe, struct convolution *c, struct wn_error *err)
{
    const struct wn_cuda_tensor *x = c->shape.backward ? &c->dst : &c->src, *y = c->shape.backward ? &c->src : &c->dst;
    struct wn_cuda_job job = {.name = "conv (direct)", .run = c->shape.backward ? run_direct_bwd : run_direct};
    job.u.direct = (struct wn_cuda_direct_conv){.win = wn_cuda_window_of(&c->shape.win, x, y),
                                                .n = (int)x->shape.dim[0],
                                                .c = (int)x->shape.dim[1],
                                                .o = (int)y->shape.dim[1],
                                                .groups = (int)c->shape.groups,
                                                .src = c->src.data,
                                                .w = c->w.data,
                                                .bias = c->bias.data,
                                                .dst = c->dst.data,
                                                .src_type = c->src.type,
                                                .w_type = c->w.type,
                                                .bias_type = c->bias.type,
                                                .dst_type = c->dst.type};
    c->bias.data = NULL;
    exe->be->plain++;
    return wn_cuda_job_add(exe, &job, err);
}

/* The bare convolution. */
static enum wn_code make_bare(struct wn_cuda_exe *exe, const struct convolution *c, struct wn_error *err)
{
    struct wn_cuda_job job = {.name = c->shape.backward ? "conv_bwd" : "conv"};
    job.u.conv.x = c->src.data, job.u.conv.w = c->w.data, job.u.conv.y = c->dst.data;
    enum wn_code code = wn_cuda_plan_job(exe, &c->shape, &job, err);
    return code == WN_OK ? wn_cuda_job_add(exe, &job, err) : code;
}

/* Each way takes off c what it has done; the rest is an epilogue's. */
static enum wn_code make_convolution(struct wn_cuda_exe *exe, struct convolution *c, const struct wn_cuda_tensor *y,
                                     struct wn_error *err)
{
    /* Of groups without a bias cuDNN compiles its kernels, for seconds in the first question that goes back through
     * such layers; with one it brings them along. */
    const bool compiled = c->shape.groups > 1 && !wn_cuda_plans_are_kept(exe->be);
    const bool tail = c->bias.data || c->residual.data || c->act.kind == WN_UNARY_RELU || compiled;
    enum wn_code code = tail ? make_fused(exe, c, err) : WN_UNSUPPORTED;
    if (code == WN_UNSUPPORTED) code = make_bare(exe, c, err);
    if (code == WN_UNSUPPORTED) code = make_direct(exe, c, err);
    const bool done = !c->bias.data && !c->residual.data && c->act.kind == WN_UNARY_COUNT && y->data == c->dst.data;
    if (code != WN_OK || done) return code;
    const struct wn_cuda_tensor bias = over_channels(&c->bias, y);
    return wn_cuda_job_epilogue(exe, &c->dst, NULL, c->bias.data ? &bias : NULL, c->residual.data ? &c->residual : NULL,
                                &c->act, y, err);
}

/* A derivative that no plan takes is a launch of ours where the gradient lies. */
static enum wn_code make_gradient(struct wn_cuda_exe *exe, struct convolution *c, struct wn_error *err)
{
    enum wn_code code = make_differentiated(exe, c, err);
    if (code != WN_UNSUPPORTED) return code;
    code = make_convolution(exe, c, &c->dst, err);
    return code == WN_OK ? wn_cuda_job_derivative(exe, &c->derivative, &c->dst, &c->units, &c->dst, err) : code;
}

static enum wn_code make_either(struct wn_cuda_exe *exe, int step, bool backward, struct wn_error *err)
{
    const struct wn_step *s = wn_program_step(exe->prog, step);
    const struct wn_cuda_tensor y = exe->values[s->out[0]];
    const enum wn_cuda_type type = wn_cuda_step_type(exe, step);
    struct convolution c = {.act.kind = WN_UNARY_COUNT};
    if (!backward) c.act = s->u.conv.act;
    enum wn_code code = wn_cuda_operand(exe, s->in[0], type, &c.src, err);
    const bool padded = code == WN_OK && wn_cuda_tensor_is_padded(&c.src);
    if (padded) c.src = wn_cuda_tensor_whole(&c.src);
    if (code == WN_OK)
        code = padded ? wn_cuda_filter(exe, s->in[1], type, c.src.shape.dim[1], &c.w, err)
                      : wn_cuda_operand(exe, s->in[1], type, &c.w, err);
    if (code == WN_OK && s->in[2] != WN_NONE) code = wn_cuda_value(exe, s->in[2], &c.bias, err);
    if (code == WN_OK && c.bias.data && wn_program_value(exe->prog, s->in[2])->kind == WN_VALUE_CONST)
        code = wn_cuda_operand(exe, s->in[2], type, &c.own_bias, err);
    if (code == WN_OK && !backward && s->in[3] != WN_NONE) code = wn_cuda_value(exe, s->in[3], &c.residual, err);
    const struct wn_step *derivative = backward ? NULL : wn_cuda_derivative_behind(exe, s);
    if (code == WN_OK && derivative) code = wn_cuda_value(exe, derivative->in[1], &c.units, err);
    c.dst = y;
    if (code == WN_OK && y.type != type) code = wn_cuda_scratch(exe, &y, type, &c.dst, err);
    if (code != WN_OK) return code;
    c.shape = (struct wn_cuda_conv_shape){.backward = backward,
                                          .type = type,
                                          .win = s->u.conv.win,
                                          .groups = s->u.conv.groups,
                                          .exact = exe->be->precision == WN_PRECISION_F32};
    c.shape.x = backward ? c.dst.shape : c.src.shape;
    c.shape.y = backward ? c.src.shape : c.dst.shape;
    c.shape.w = c.w.shape;
    if (!derivative) return make_convolution(exe, &c, &y, err);
    c.derivative = derivative->u.unary;
    return make_gradient(exe, &c, err);
}

enum wn_code wn_cuda_make_conv(struct wn_cuda_exe *exe, int step, struct wn_error *err)
{
    return make_either(exe, step, false, err);
}

enum wn_code wn_cuda_make_conv_bwd(struct wn_cuda_exe *exe, int step, struct wn_error *err)
{
    return make_either(exe, step, true, err);
}
