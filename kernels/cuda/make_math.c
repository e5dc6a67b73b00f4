/* Makers of the elementwise primitives, reductions and the weighted sum over channels. */
#include "exe.h"

static enum wn_code run_unary(struct wn_cuda_exe *exe, const struct wn_cuda_job *j, struct wn_error *err)
{
    wn_cuda_launch_unary(&j->u.map.loop, &j->u.map.act, &j->u.map.a, &j->u.map.y, exe->stream);
    return wn_cuda_launched(j->name, err);
}

static enum wn_code run_unary_bwd(struct wn_cuda_exe *exe, const struct wn_cuda_job *j, struct wn_error *err)
{
    wn_cuda_launch_unary_bwd(&j->u.unary_bwd.loop, &j->u.unary_bwd.b, exe->stream);
    return wn_cuda_launched(j->name, err);
}

static enum wn_code run_secant(struct wn_cuda_exe *exe, const struct wn_cuda_job *j, struct wn_error *err)
{
    wn_cuda_launch_secant(&j->u.secant.loop, &j->u.secant.s, exe->stream);
    return wn_cuda_launched(j->name, err);
}

static enum wn_code run_binary(struct wn_cuda_exe *exe, const struct wn_cuda_job *j, struct wn_error *err)
{
    wn_cuda_launch_binary(&j->u.map.loop, j->u.map.kind, &j->u.map.a, &j->u.map.b, &j->u.map.y, exe->stream);
    return wn_cuda_launched(j->name, err);
}

static enum wn_code run_epilogue(struct wn_cuda_exe *exe, const struct wn_cuda_job *j, struct wn_error *err)
{
    wn_cuda_launch_epilogue(&j->u.epilogue.loop, &j->u.epilogue.e, exe->stream);
    return wn_cuda_launched(j->name, err);
}

static enum wn_code run_reduce(struct wn_cuda_exe *exe, const struct wn_cuda_job *j, struct wn_error *err)
{
    wn_cuda_launch_reduce(&j->u.reduce, exe->stream);
    return wn_cuda_launched(j->name, err);
}

static enum wn_code run_channel_dot(struct wn_cuda_exe *exe, const struct wn_cuda_job *j, struct wn_error *err)
{
    wn_cuda_launch_channel_dot(&j->u.channel_dot, exe->stream);
    return wn_cuda_launched(j->name, err);
}

static enum wn_code run_sum(struct wn_cuda_exe *exe, const struct wn_cuda_job *j, struct wn_error *err)
{
    wn_cuda_launch_sum(&j->u.sum, exe->stream);
    return wn_cuda_launched(j->name, err);
}

/* One walk over one or two operands and a result. */
static enum wn_code make_map(struct wn_cuda_exe *exe, int step, typeof(run_unary) *run, int operands,
                             struct wn_error *err)
{
    const struct wn_step *s = wn_program_step(exe->prog, step);
    struct wn_cuda_tensor t[3];
    enum wn_code code;
    for (int i = 0; i < operands; i++)
        if ((code = wn_cuda_value(exe, s->in[i], &t[i], err)) != WN_OK) return code;
    t[operands] = exe->values[s->out[0]];
    struct wn_cuda_job *j = wn_cuda_job_new(exe, wn_prim_name(s->prim), run, err);
    if (!j) return WN_NO_MEMORY;
    const struct wn_cuda_tensor *list[3] = {&t[0], &t[1], &t[2]};
    struct wn_cuda_arg args[3];
    wn_cuda_walk(list, operands + 1, &j->u.map.loop, args);
    j->u.map.a = args[0], j->u.map.b = args[1], j->u.map.y = args[operands];
    if (s->prim == WN_PRIM_BINARY)
        j->u.map.kind = s->u.binary;
    else
        j->u.map.act = s->u.unary;
    return WN_OK;
}

static enum wn_code make_affine(struct wn_cuda_exe *exe, int step, const struct wn_cuda_affine *f, struct wn_error *err)
{
    struct wn_cuda_tensor x, scale = {0}, shift = {0}, y = exe->values[wn_program_step(exe->prog, step)->out[0]];
    const struct wn_step *concat = wn_cuda_swallowed(exe, f->x, WN_PRIM_CONCAT);
    if (concat) return wn_cuda_job_concat(exe, concat, f, &y, err);
    enum wn_code code = wn_cuda_value(exe, f->x, &x, err);
    if (code == WN_OK && f->scale != WN_NONE) code = wn_cuda_value(exe, f->scale, &scale, err);
    if (code == WN_OK) code = wn_cuda_value(exe, f->shift, &shift, err);
    if (code != WN_OK) return code;
    return wn_cuda_job_epilogue(exe, &x, scale.data ? &scale : NULL, &shift, NULL, &f->act, &y, err);
}

enum wn_code wn_cuda_make_unary(struct wn_cuda_exe *exe, int step, struct wn_error *err)
{
    struct wn_cuda_affine f;
    return wn_cuda_affine_of(exe, step, &f) ? make_affine(exe, step, &f, err) : make_map(exe, step, run_unary, 1, err);
}

/* One image of a tensor whose first of `rank` axes, if it has so many, is that of images; and how far the next one
 * lies, 0 where all rows share it. */
static int first_image(struct wn_cuda_tensor *t, int rank)
{
    if (t->shape.rank < rank) return 0;
    const int pitch = t->shape.dim[0] == 1 ? 0 : (int)t->stride[0];
    t->shape.dim[0] = 1;
    return pitch;
}

/* Row by row, where each looks its image's unit up. What is walked in 16 bytes has rows of as many. */
static void walk_rows(struct wn_cuda_unary_bwd *b, struct wn_cuda_tensor *t, bool more)
{
    const int rank = t[4].shape.rank;
    b->rows = (int)t[4].shape.dim[0], b->images = (int)t[2].shape.dim[0];
    b->dy_pitch = first_image(&t[0], rank), b->more_pitch = more ? first_image(&t[1], rank) : 0;
    b->z_pitch = first_image(&t[2], rank), b->dx_pitch = first_image(&t[4], rank);
}

/* The operand as it lies, or what the gather that was to make it reads, and by which rows. */
static enum wn_code looked_up(struct wn_cuda_exe *exe, int value, struct wn_cuda_tensor *t, const float **row,
                              struct wn_error *err)
{
    const struct wn_step *gather = wn_cuda_swallowed(exe, value, WN_PRIM_GATHER);
    struct wn_cuda_tensor rows = {0};
    enum wn_code code = wn_cuda_value(exe, gather ? gather->in[0] : value, t, err);
    if (code == WN_OK && gather) code = wn_cuda_value(exe, gather->in[1], &rows, err);
    *row = rows.data;
    return code;
}

/* scale: WN_NONE, or a constant that what goes to `out` is multiplied by. */
static enum wn_code make_derivative(struct wn_cuda_exe *exe, const struct wn_step *s, int scale, int out,
                                    struct wn_error *err)
{
    const struct wn_step *sum = wn_cuda_swallowed(exe, s->in[0], WN_PRIM_BINARY);
    struct wn_cuda_tensor t[5] = {[4] = exe->values[out]}; /* dy, more, z, scale, dx */
    struct wn_cuda_unary_bwd b = {.act = s->u.unary, .rows = 1};
    enum wn_code code = wn_cuda_value(exe, sum ? sum->in[0] : s->in[0], &t[0], err);
    if (code == WN_OK && sum) code = wn_cuda_value(exe, sum->in[1], &t[1], err);
    if (code == WN_OK) code = looked_up(exe, s->in[1], &t[2], &b.row, err);
    if (code == WN_OK && scale != WN_NONE) code = wn_cuda_value(exe, scale, &t[3], err);
    if (code != WN_OK) return code;
    struct wn_cuda_job *j = wn_cuda_job_new(exe, wn_prim_name(s->prim), run_unary_bwd, err);
    if (!j) return WN_NO_MEMORY;
    if (b.row) walk_rows(&b, t, sum != NULL);
    const struct wn_cuda_tensor *list[5] = {&t[0], sum ? &t[1] : NULL, &t[2], scale != WN_NONE ? &t[3] : NULL, &t[4]};
    struct wn_cuda_arg args[5];
    wn_cuda_walk(list, 5, &j->u.unary_bwd.loop, args);
    b.dy = args[0], b.more = args[1], b.z = args[2], b.scale = args[3], b.dx = args[4];
    j->u.unary_bwd.b = b;
    return WN_OK;
}

enum wn_code wn_cuda_make_unary_bwd(struct wn_cuda_exe *exe, int step, struct wn_error *err)
{
    const struct wn_step *s = wn_program_step(exe->prog, step);
    const int home = exe->home[s->out[0]];
    /* of what scales it, or of the convolution before it */
    return home < 0 || home == s->in[0] ? WN_OK : make_derivative(exe, s, WN_NONE, s->out[0], err);
}

enum wn_code wn_cuda_job_derivative(struct wn_cuda_exe *exe, const struct wn_act *act, const struct wn_cuda_tensor *dy,
                                    const struct wn_cuda_tensor *z, const struct wn_cuda_tensor *dst,
                                    struct wn_error *err)
{
    struct wn_cuda_job *j = wn_cuda_job_new(exe, wn_prim_name(WN_PRIM_UNARY_BWD), run_unary_bwd, err);
    if (!j) return WN_NO_MEMORY;
    struct wn_cuda_unary_bwd *b = &j->u.unary_bwd.b;
    const struct wn_cuda_tensor *list[3] = {dy, z, dst};
    struct wn_cuda_arg args[3];
    wn_cuda_walk(list, 3, &j->u.unary_bwd.loop, args);
    *b = (struct wn_cuda_unary_bwd){.act = *act, .rows = 1, .dy = args[0], .z = args[1], .dx = args[2]};
    return WN_OK;
}

enum wn_code wn_cuda_make_secant(struct wn_cuda_exe *exe, int step, struct wn_error *err)
{
    const struct wn_step *s = wn_program_step(exe->prog, step), *sum = wn_cuda_swallowed(exe, s->in[0], WN_PRIM_BINARY);
    struct wn_cuda_secant q = {.act = s->u.unary, .rows = 1};
    struct wn_cuda_tensor t[5] = {[4] = exe->values[s->out[0]]}; /* dy, more, x, x0, dx */
    enum wn_code code = wn_cuda_value(exe, sum ? sum->in[0] : s->in[0], &t[0], err);
    if (code == WN_OK && sum) code = wn_cuda_value(exe, sum->in[1], &t[1], err);
    if (code == WN_OK) code = looked_up(exe, s->in[1], &t[2], &q.row, err);
    if (code == WN_OK) code = looked_up(exe, s->in[2], &t[3], &q.row0, err);
    if (code != WN_OK) return code;
    struct wn_cuda_job *j = wn_cuda_job_new(exe, wn_prim_name(s->prim), run_secant, err);
    if (!j) return WN_NO_MEMORY;
    if (q.row || q.row0) {
        const int rank = t[4].shape.rank;
        q.rows = (int)t[4].shape.dim[0], q.images = (int)t[2].shape.dim[0], q.images0 = (int)t[3].shape.dim[0];
        q.dy_pitch = first_image(&t[0], rank), q.more_pitch = sum ? first_image(&t[1], rank) : 0;
        q.x_pitch = first_image(&t[2], rank), q.x0_pitch = first_image(&t[3], rank);
        q.dx_pitch = first_image(&t[4], rank);
    }
    const struct wn_cuda_tensor *list[5] = {&t[0], sum ? &t[1] : NULL, &t[2], &t[3], &t[4]};
    struct wn_cuda_arg args[5];
    wn_cuda_walk(list, 5, &j->u.secant.loop, args);
    q.dy = args[0], q.more = args[1], q.x = args[2], q.x0 = args[3], q.dx = args[4];
    j->u.secant.s = q;
    return WN_OK;
}

/* ---- sums of many terms ---- */

static enum wn_code end_sum(struct wn_cuda_exe *exe, const struct wn_cuda_sum *sum, struct wn_error *err)
{
    struct wn_cuda_job *j = wn_cuda_job_new(exe, "sum", run_sum, err);
    if (!j) return WN_NO_MEMORY;
    j->u.sum = *sum;
    return WN_OK;
}

static void add_term(struct wn_cuda_sum *sum, const struct wn_cuda_tensor *x, int64_t first)
{
    const int64_t pitch = x->channels_last ? wn_cuda_tensor_pitch(x) : x->shape.dim[1];
    sum->x[sum->n] = (const char *)x->data + first * (int64_t)wn_cuda_type_size(x->type);
    sum->x_type[sum->n] = x->type;
    sum->pitch[sum->n++] = (int)pitch;
}

/* The value as one term, or the terms that it comes to; what is full goes into y, which is then a term of what
 * follows. */
static enum wn_code add_terms(struct wn_cuda_exe *exe, int value, struct wn_cuda_sum *sum,
                              const struct wn_cuda_tensor *y, struct wn_error *err)
{
    const struct wn_step *inner = wn_cuda_swallowed(exe, value, WN_PRIM_BINARY),
                         *slice = wn_cuda_swallowed(exe, value, WN_PRIM_COPY);
    struct wn_cuda_tensor x;
    int64_t first = 0;
    enum wn_code code = WN_OK;
    if (inner) {
        code = add_terms(exe, inner->in[0], sum, y, err);
        return code == WN_OK ? add_terms(exe, inner->in[1], sum, y, err) : code;
    }
    if (slice) wn_cuda_slice_of(exe, slice, &first);
    if (sum->n == WN_CUDA_TERMS) {
        code = end_sum(exe, sum, err);
        sum->n = 0;
        add_term(sum, y, 0);
    }
    if (code == WN_OK) code = wn_cuda_value(exe, slice ? slice->in[0] : value, &x, err);
    if (code == WN_OK) add_term(sum, &x, first);
    return code;
}

static bool swallows_terms(const struct wn_cuda_exe *exe, const struct wn_step *s)
{
    return s->u.binary == WN_BINARY_ADD && (exe->home[s->in[0]] < 0 || exe->home[s->in[1]] < 0);
}

static enum wn_code make_sum(struct wn_cuda_exe *exe, const struct wn_step *s, struct wn_error *err)
{
    const struct wn_cuda_tensor y = exe->values[s->out[0]];
    struct wn_cuda_sum sum = {.length = (int)y.shape.dim[1], .y = y.data, .y_type = y.type};
    sum.outer = (int)(wn_shape_count(&y.shape) / y.shape.dim[1]);
    enum wn_code code = add_terms(exe, s->in[0], &sum, &y, err);
    if (code == WN_OK) code = add_terms(exe, s->in[1], &sum, &y, err);
    return code == WN_OK ? end_sum(exe, &sum, err) : code;
}

enum wn_code wn_cuda_make_binary(struct wn_cuda_exe *exe, int step, struct wn_error *err)
{
    struct wn_cuda_affine f;
    if (exe->home[wn_program_step(exe->prog, step)->out[0]] < 0) return WN_OK; /* swallowed by the step that reads it */
    if (wn_cuda_affine_of(exe, step, &f)) return make_affine(exe, step, &f, err);
    const struct wn_step *s = wn_program_step(exe->prog, step);
    for (int k = 0; k < 2; k++) {
        /* of which this is the scale */
        const struct wn_step *derivative = wn_cuda_swallowed(exe, s->in[k], WN_PRIM_UNARY_BWD);
        if (derivative) return make_derivative(exe, derivative, s->in[!k], s->out[0], err);
    }
    return swallows_terms(exe, s) ? make_sum(exe, s, err) : make_map(exe, step, run_binary, 2, err);
}

enum wn_code wn_cuda_job_epilogue(struct wn_cuda_exe *exe, const struct wn_cuda_tensor *x,
                                  const struct wn_cuda_tensor *scale, const struct wn_cuda_tensor *bias,
                                  const struct wn_cuda_tensor *residual, const struct wn_act *act,
                                  const struct wn_cuda_tensor *y, struct wn_error *err)
{
    struct wn_cuda_job *j = wn_cuda_job_new(exe, "epilogue", run_epilogue, err);
    if (!j) return WN_NO_MEMORY;
    const struct wn_cuda_tensor *list[5] = {x, scale, bias, residual, y};
    struct wn_cuda_arg args[5];
    struct wn_cuda_epilogue *e = &j->u.epilogue.e;
    wn_cuda_walk(list, 5, &j->u.epilogue.loop, args);
    e->x = args[0], e->scale = args[1], e->bias = args[2], e->residual = args[3], e->y = args[4], e->act = *act;
    return WN_OK;
}

enum wn_code wn_cuda_make_reduce(struct wn_cuda_exe *exe, int step, struct wn_error *err)
{
    const struct wn_step *s = wn_program_step(exe->prog, step);
    struct wn_cuda_tensor x, y = exe->values[s->out[0]];
    enum wn_code code = wn_cuda_value(exe, s->in[0], &x, err);
    if (code != WN_OK) return code;
    int order[WN_MAX_RANK], kept = 0, gone = 0;
    int64_t kept_dim[WN_MAX_RANK], gone_dim[WN_MAX_RANK], kept_stride[2][WN_MAX_RANK], gone_stride[1][WN_MAX_RANK];
    wn_cuda_tensor_order(&x, order);
    for (int i = 0; i < x.shape.rank; i++) {
        const int d = order[i];
        if (s->u.reduce.axes >> d & 1u)
            gone_dim[gone] = x.shape.dim[d], gone_stride[0][gone++] = x.stride[d];
        else
            kept_dim[kept] = x.shape.dim[d], kept_stride[0][kept] = x.stride[d], kept_stride[1][kept++] = y.stride[d];
    }
    struct wn_cuda_job *j = wn_cuda_job_new(exe, wn_prim_name(s->prim), run_reduce, err);
    if (!j) return WN_NO_MEMORY;
    struct wn_cuda_reduce *r = &j->u.reduce;
    struct wn_cuda_arg outer[2] = {{x.data, x.type, {0}}, {y.data, y.type, {0}}}, inner = {x.data, x.type, {0}};
    *r =
        (struct wn_cuda_reduce){.kind = s->u.reduce.kind, .x = x.data, .x_type = x.type, .y = y.data, .y_type = y.type};
    wn_cuda_walk_strided(kept, kept_dim, 2, (const int64_t(*)[WN_MAX_RANK])kept_stride, &r->outer, outer);
    wn_cuda_walk_strided(gone, gone_dim, 1, (const int64_t(*)[WN_MAX_RANK])gone_stride, &r->inner, &inner);
    for (int d = 0; d < WN_CUDA_AXES; d++) {
        r->outer_stride[d] = outer[0].stride[d], r->y_stride[d] = outer[1].stride[d];
        r->inner_stride[d] = inner.stride[d];
    }
    return WN_OK;
}

/* Strides of (n, c, position) of a tensor that is read as (N, C, everything else). */
static void plane_strides(const struct wn_cuda_tensor *t, int positions, int *n, int *c, int *s)
{
    int images, channels, spatial;
    wn_cuda_tensor_planes(t, &images, &channels, &spatial);
    *n = (int)t->stride[0];
    *c = t->channels_last ? 1 : spatial;
    *s = spatial == 1 && positions > 1 ? 0 : t->channels_last ? (int)wn_cuda_tensor_pitch(t) : 1;
}

enum wn_code wn_cuda_make_channel_dot(struct wn_cuda_exe *exe, int step, struct wn_error *err)
{
    const struct wn_step *s = wn_program_step(exe->prog, step);
    const struct wn_step *gather = wn_cuda_swallowed(exe, s->in[0], WN_PRIM_GATHER);
    struct wn_cuda_tensor a, g, row = {0}, y = exe->values[s->out[0]];
    enum wn_code code = wn_cuda_value(exe, gather ? gather->in[0] : s->in[0], &a, err);
    if (code == WN_OK && gather) code = wn_cuda_value(exe, gather->in[1], &row, err);
    if (code == WN_OK) code = wn_cuda_value(exe, s->in[1], &g, err);
    if (code != WN_OK) return code;
    struct wn_cuda_job *j = wn_cuda_job_new(exe, wn_prim_name(s->prim), run_channel_dot, err);
    if (!j) return WN_NO_MEMORY;
    struct wn_cuda_channel_dot *d = &j->u.channel_dot;
    *d = (struct wn_cuda_channel_dot){.a = a.data,
                                      .g = g.data,
                                      .a_type = a.type,
                                      .g_type = g.type,
                                      .y_type = y.type,
                                      .row = row.data,
                                      .rows = (int)y.shape.dim[0],
                                      .y = y.data};
    wn_cuda_tensor_planes(&a, &d->images, &d->channels, &d->positions);
    plane_strides(&a, d->positions, &d->a_n, &d->a_c, &d->a_s);
    plane_strides(&g, d->positions, &d->g_n, &d->g_c, &d->g_s);
    return WN_OK;
}
