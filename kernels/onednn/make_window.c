/* Makers of convolutions and pools: oneDNN where it has a fast primitive, our loops where it has none. */
#include "dnn.h"

#include <string.h>

/* ---- convolutions ---- */

/* The weight (O, C/g, k..) as oneDNN names it, (g, O/g, C/g, k..), from where its elements lie. */
static struct wn_dnn_tensor filter_view(const struct wn_dnn_exe *e, int w, int64_t groups)
{
    const struct wn_shape *shape = &wn_program_value(e->prog, w)->shape;
    struct wn_dnn_tensor lies =
        wn_dnn_is_const(e, w) ? wn_dnn_lay_out(shape, false) : wn_dnn_tensor_of(e, w, WN_DNN_F32);
    struct wn_dnn_tensor t = {.type = WN_DNN_F32};
    if (groups > 1) {
        t.dim[0] = groups;
        t.stride[0] = lies.stride[0] * (lies.dim[0] / groups);
        t.rank = 1;
    }
    for (int d = 0; d < lies.rank; d++, t.rank++) {
        t.dim[t.rank] = d ? lies.dim[d] : lies.dim[0] / groups;
        t.stride[t.rank] = lies.stride[d];
    }
    return t;
}

/* A filter that some step computes: packed anew by every run. */
static int pack_filter(struct wn_dnn_exe *e, int w, const struct wn_dnn_tensor *source,
                       const struct wn_dnn_layout *layout)
{
    struct wn_dnn_prim prim;
    int from = wn_dnn_want(e, w, WN_DNN_F32), to = wn_dnn_buffer(e, wn_dnn_layout_bytes(layout));
    wn_dnn_fail(e, wn_dnn_make_reorder(e->be->engine, source, NULL, layout, &prim), "packing a filter");
    if (e->err.code) return WN_DNN_FAILED;
    struct wn_dnn_operand operands[] = {{DNNL_ARG_FROM, from, source, NULL}, {DNNL_ARG_TO, to, NULL, layout}};
    wn_dnn_emit_prim(e, &prim, 2, operands);
    return to;
}

static int filter(struct wn_dnn_exe *e, int w, int64_t groups, const struct wn_dnn_layout *layout)
{
    struct wn_dnn_tensor source = filter_view(e, w, groups);
    return wn_dnn_is_const(e, w) ? wn_dnn_packed_weight(e, w, &source, layout) : pack_filter(e, w, &source, layout);
}

/* True where some output of an axis sees padding only: kernel 1 with a pad, or a pad beyond the kernel. */
static bool sees_padding_only(int64_t in, int64_t out, const struct wn_window *win, int d)
{
    for (int64_t o = 0; o < out; o++) {
        bool inside = false;
        for (int64_t k = 0; k < win->kernel[d] && !inside; k++) {
            int64_t at = o * win->stride[d] - win->pad_lo[d] + k * win->dilation[d];
            inside = at >= 0 && at < in;
        }
        if (!inside) return true;
    }
    return false;
}

/* oneDNN 2.6.3 is wrong or crashes where it has to add a residual to an output that no input reaches. */
static bool can_fuse_sum(const struct wn_dnn_conv *c)
{
    for (int d = 0; d < c->win->rank; d++)
        if (sees_padding_only(c->x->dim[2 + d], c->y->dim[2 + d], c->win, d)) return false;
    return true;
}

/* The sum lands on the residual itself where nothing else reads that, else on a copy. */
static int place_of_sum(struct wn_dnn_exe *e, int y, int x, int residual, enum wn_dnn_type type)
{
    int buffer = WN_DNN_FAILED;
    if (e->values[residual].root != e->values[x].root) buffer = wn_dnn_give_over(e, y, residual, type);
    if (buffer >= 0 || e->err.code) return buffer;
    enum wn_dnn_type have = wn_dnn_type_of(e, residual);
    struct wn_dnn_tensor from = wn_dnn_tensor_of(e, residual, have), to = wn_dnn_tensor_of(e, y, type);
    int source = wn_dnn_want(e, residual, have);
    buffer = wn_dnn_give(e, y, type);
    if (!e->err.code) wn_dnn_emit_convert(e, &from, source, &to, buffer);
    return buffer;
}

/* The primitive in bf16 where the backend computes in it and oneDNN is fast at it, else in f32. */
static dnnl_status_t conv_primitive(struct wn_dnn_exe *e, struct wn_dnn_conv *c, struct wn_dnn_tensor *x,
                                    struct wn_dnn_tensor *y, struct wn_dnn_tensor *narrow_out, struct wn_dnn_prim *prim)
{
    if (e->be->bf16) {
        x->type = y->type = WN_DNN_BF16;
        if (narrow_out) narrow_out->type = WN_DNN_F32;
        dnnl_status_t status = wn_dnn_make_conv(e->be->engine, c, prim);
        if (status == dnnl_success && !prim->slow) return status;
        if (status == dnnl_success) wn_dnn_prim_finish(prim);
    }
    x->type = y->type = WN_DNN_F32;
    return wn_dnn_make_conv(e->be->engine, c, prim);
}

/* y += x, in place, f32, same shape. */
static void add_in_place(struct wn_dnn_exe *e, int y, int x)
{
    int64_t count = wn_dnn_tensor_count(&e->values[y].t);
    struct wn_dnn_binary b = {.nest = {.rank = 1, .extent = {count}, .stride = {{1}, {1}, {1}}}, .kind = WN_BINARY_ADD};
    int by = e->values[y].buffer[WN_DNN_F32], bx = wn_dnn_want(e, x, WN_DNN_F32);
    wn_dnn_emit_loop(e, wn_dnn_loop_binary, &b, sizeof b, 3, (int[]){by, by, bx});
}

/* What of residual and activation the primitive does itself. */
static void choose_fusion(struct wn_dnn_conv *c, int residual, const struct wn_act *act)
{
    c->residual = residual != WN_NONE && can_fuse_sum(c);
    c->act = *act;
    if ((residual != WN_NONE && !c->residual) || !wn_dnn_has_act(act)) c->act.kind = WN_UNARY_COUNT;
}

void wn_dnn_conv(struct wn_dnn_exe *e, const struct wn_step *s)
{
    int x = s->in[0], w = s->in[1], bias = s->in[2], residual = s->in[3], y = s->out[0];
    struct wn_dnn_tensor tx = e->values[x].t, ty = e->values[y].t, tb;
    struct wn_dnn_conv c = {.x = &tx,
                            .y = &ty,
                            .w = &wn_program_value(e->prog, w)->shape,
                            .win = &s->u.conv.win,
                            .groups = s->u.conv.groups,
                            .bias = bias != WN_NONE};
    struct wn_dnn_prim prim;
    choose_fusion(&c, residual, &s->u.conv.act);
    bool act_after = c.act.kind != s->u.conv.act.kind, add_after = residual != WN_NONE && !c.residual;
    wn_dnn_fail(e, conv_primitive(e, &c, &tx, &ty, act_after || add_after ? &ty : NULL, &prim), "a convolution");
    if (e->err.code) return;
    int bx = wn_dnn_want(e, x, tx.type), bw = filter(e, w, c.groups, prim.weights);
    int bb = c.bias ? wn_dnn_want(e, bias, WN_DNN_F32) : WN_DNN_FAILED;
    int by = c.residual ? place_of_sum(e, y, x, residual, ty.type) : wn_dnn_give(e, y, ty.type);
    if (c.bias) tb = wn_dnn_tensor_of(e, bias, WN_DNN_F32);
    struct wn_dnn_operand operands[] = {{DNNL_ARG_SRC, bx, &tx, NULL},
                                        {DNNL_ARG_WEIGHTS, bw, NULL, prim.weights},
                                        {DNNL_ARG_DST, by, &ty, NULL},
                                        {DNNL_ARG_BIAS, bb, &tb, NULL}};
    wn_dnn_emit_prim(e, &prim, c.bias ? 4 : 3, operands);
    if (add_after) add_in_place(e, y, residual);
    if (act_after) wn_dnn_emit_act(e, &s->u.conv.act, y);
}

/* y[n,c,..] += bias[c], in place, f32. */
static void add_bias(struct wn_dnn_exe *e, int y, int bias)
{
    struct wn_dnn_tensor t = wn_dnn_tensor_of(e, y, WN_DNN_F32);
    struct wn_dnn_binary b = {.nest.rank = t.rank, .kind = WN_BINARY_ADD};
    memcpy(b.nest.extent, t.dim, sizeof t.dim);
    memcpy(b.nest.stride[0], t.stride, sizeof t.stride);
    memcpy(b.nest.stride[1], t.stride, sizeof t.stride);
    b.nest.stride[2][1] = 1;
    wn_dnn_nest_tidy(&b.nest);
    int by = e->values[y].buffer[WN_DNN_F32], bb = wn_dnn_want(e, bias, WN_DNN_F32);
    wn_dnn_emit_loop(e, wn_dnn_loop_binary, &b, sizeof b, 3, (int[]){by, by, bb});
}

/* A vector of oneDNN's input channels is 16, a picture has 3. */
static bool is_picture(const struct wn_dnn_tensor *x, const struct wn_dnn_tensor *y, const struct wn_step *s)
{
    const struct wn_window *win = &s->u.conv.win;
    return win->rank == 2 && s->u.conv.groups == 1 && x->dim[1] <= WN_PICTURE_CHANNELS && win->dilation[0] == 1 &&
           win->dilation[1] == 1 && win->kernel[0] * win->kernel[1] <= 1024 && x->channels_last && y->channels_last;
}

static void gradient_at_picture(struct wn_dnn_exe *e, const struct wn_step *s)
{
    int dy = s->in[0], w = s->in[1], dx = s->out[0];
    const struct wn_dnn_tensor *x = &e->values[dx].t, *y = &e->values[dy].t;
    const struct wn_window *win = &s->u.conv.win;
    struct wn_dnn_tensor filters = wn_dnn_tensor_of(e, w, WN_DNN_F32);
    struct wn_dnn_picture q = {.n = x->dim[0], .c = x->dim[1], .o = y->dim[1]};
    for (int d = 0; d < 2; d++) {
        q.in[d] = x->dim[2 + d];
        q.out[d] = y->dim[2 + d];
        q.kernel[d] = win->kernel[d];
        q.stride[d] = win->stride[d];
        q.pad[d] = win->pad_lo[d];
    }
    memcpy(q.w, filters.stride, sizeof q.w);
    int by = wn_dnn_want(e, dy, WN_DNN_F32), bw = wn_dnn_want(e, w, WN_DNN_F32),
        scratch = wn_dnn_buffer(e, wn_dnn_picture_scratch(&q));
    int bx = wn_dnn_give(e, dx, WN_DNN_F32);
    wn_dnn_emit_loop(e, wn_dnn_loop_picture, &q, sizeof q, 4, (int[]){bx, by, bw, scratch});
    if (s->in[2] != WN_NONE) add_bias(e, dx, s->in[2]);
}

void wn_dnn_conv_bwd(struct wn_dnn_exe *e, const struct wn_step *s)
{
    if (is_picture(&e->values[s->out[0]].t, &e->values[s->in[0]].t, s)) {
        gradient_at_picture(e, s);
        return;
    }
    int dy = s->in[0], w = s->in[1], bias = s->in[2], dx = s->out[0];
    struct wn_dnn_tensor tx = e->values[dx].t, ty = e->values[dy].t;
    struct wn_dnn_conv c = {.x = &tx,
                            .y = &ty,
                            .w = &wn_program_value(e->prog, w)->shape,
                            .win = &s->u.conv.win,
                            .groups = s->u.conv.groups,
                            .act.kind = WN_UNARY_COUNT,
                            .backward = true};
    struct wn_dnn_prim prim;
    wn_dnn_fail(e, conv_primitive(e, &c, &tx, &ty, bias != WN_NONE ? &tx : NULL, &prim), "a convolution's gradient");
    if (e->err.code) return;
    int by = wn_dnn_want(e, dy, ty.type), bw = filter(e, w, c.groups, prim.weights), bx = wn_dnn_give(e, dx, tx.type);
    struct wn_dnn_operand operands[] = {{DNNL_ARG_DIFF_DST, by, &ty, NULL},
                                        {DNNL_ARG_WEIGHTS, bw, NULL, prim.weights},
                                        {DNNL_ARG_DIFF_SRC, bx, &tx, NULL}};
    wn_dnn_emit_prim(e, &prim, 3, operands);
    if (bias != WN_NONE) add_bias(e, dx, bias);
}

/* ---- pools ---- */

/* Spatial axes moved to the back of three. */
static struct wn_dnn_pool pool_spec(const struct wn_dnn_tensor *x, const struct wn_dnn_tensor *y,
                                    const struct wn_window *win)
{
    struct wn_dnn_pool q = {.n = x->dim[0], .c = x->dim[1]};
    for (int d = 0; d < 3; d++) {
        q.in[d] = q.out[d] = q.kernel[d] = q.stride[d] = q.dilation[d] = 1;
        int from = d - (3 - win->rank);
        if (from < 0) continue;
        q.in[d] = x->dim[2 + from];
        q.out[d] = y->dim[2 + from];
        q.kernel[d] = win->kernel[from];
        q.stride[d] = win->stride[from];
        q.dilation[d] = win->dilation[from];
        q.pad[d] = win->pad_lo[from];
    }
    return q;
}

/* oneDNN's pool without an index, in the type that x has; false where it has no fast one. Its fast maxima drop NaN,
 * which our loops keep. */
static bool plain_pool(struct wn_dnn_exe *e, const struct wn_step *s, bool max)
{
    int x = s->in[0], y = s->out[0];
    enum wn_dnn_type type = wn_dnn_type_of(e, x);
    struct wn_dnn_tensor tx = wn_dnn_tensor_of(e, x, type), ty = wn_dnn_tensor_of(e, y, type);
    struct wn_dnn_prim prim;
    if (wn_dnn_make_pool(e->be->engine, &tx, &ty, &s->u.pool.win, max, s->u.pool.count_pad, &prim) != dnnl_success)
        return false;
    if (prim.slow) {
        wn_dnn_prim_finish(&prim);
        return false;
    }
    int bx = wn_dnn_want(e, x, type), by = wn_dnn_give(e, y, type);
    struct wn_dnn_operand operands[] = {{DNNL_ARG_SRC, bx, &tx, NULL}, {DNNL_ARG_DST, by, &ty, NULL}};
    wn_dnn_emit_prim(e, &prim, 2, operands);
    return true;
}

void wn_dnn_maxpool(struct wn_dnn_exe *e, const struct wn_step *s)
{
    bool index = s->out[1] != WN_NONE && wn_dnn_is_read(e, s->out[1]);
    if (!index && plain_pool(e, s, true)) return;
    struct wn_dnn_pool q = pool_spec(&e->values[s->in[0]].t, &e->values[s->out[0]].t, &s->u.pool.win);
    const enum wn_dnn_type type = index ? wn_dnn_type_of(e, s->in[0]) : WN_DNN_F32;
    q.bf16_x = type == WN_DNN_BF16;
    int x = wn_dnn_want(e, s->in[0], type), y = wn_dnn_give(e, s->out[0], type);
    int which = index ? wn_dnn_give(e, s->out[1], WN_DNN_F32) : WN_DNN_FAILED;
    wn_dnn_emit_loop(e, wn_dnn_loop_maxpool, &q, sizeof q, 3, (int[]){y, which, x});
}

void wn_dnn_maxpool_bwd(struct wn_dnn_exe *e, const struct wn_step *s)
{
    struct wn_dnn_pool q = pool_spec(&e->values[s->out[0]].t, &e->values[s->in[0]].t, &s->u.pool.win);
    int dy = wn_dnn_want(e, s->in[0], WN_DNN_F32), index = wn_dnn_want(e, s->in[1], WN_DNN_F32);
    int dx = wn_dnn_give(e, s->out[0], WN_DNN_F32);
    wn_dnn_emit_loop(e, wn_dnn_loop_maxpool_bwd, &q, sizeof q, 3, (int[]){dx, dy, index});
}

/* A mean over the whole plane goes straight to f32: it is small, and what follows it is a product. */
void wn_dnn_avgpool(struct wn_dnn_exe *e, const struct wn_step *s)
{
    struct wn_dnn_pool q = pool_spec(&e->values[s->in[0]].t, &e->values[s->out[0]].t, &s->u.pool.win);
    bool global = q.out[0] * q.out[1] * q.out[2] == 1;
    if (!global && plain_pool(e, s, false)) return;
    q.count_pad = s->u.pool.count_pad;
    q.bf16_x = wn_dnn_type_of(e, s->in[0]) == WN_DNN_BF16;
    int x = wn_dnn_want(e, s->in[0], q.bf16_x ? WN_DNN_BF16 : WN_DNN_F32), y = wn_dnn_give(e, s->out[0], WN_DNN_F32);
    wn_dnn_emit_loop(e, wn_dnn_loop_avgpool, &q, sizeof q, 2, (int[]){y, x});
}

void wn_dnn_avgpool_bwd(struct wn_dnn_exe *e, const struct wn_step *s)
{
    struct wn_dnn_pool q = pool_spec(&e->values[s->out[0]].t, &e->values[s->in[0]].t, &s->u.pool.win);
    q.count_pad = s->u.pool.count_pad;
    int dy = wn_dnn_want(e, s->in[0], WN_DNN_F32), dx = wn_dnn_give(e, s->out[0], WN_DNN_F32);
    wn_dnn_emit_loop(e, wn_dnn_loop_avgpool_bwd, &q, sizeof q, 2, (int[]){dx, dy});
}
