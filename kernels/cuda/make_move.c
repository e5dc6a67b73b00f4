/* Makers of the primitives that move numbers without changing them, and of the conversions between layouts and
 * types. */
#include "exe.h"

static enum wn_code run_copy(struct wn_cuda_exe *exe, const struct wn_cuda_job *j, struct wn_error *err)
{
    wn_cuda_launch_copy(&j->u.map.loop, &j->u.map.a, &j->u.map.y, exe->stream);
    return wn_cuda_launched(j->name, err);
}

static enum wn_code run_mapped(struct wn_cuda_exe *exe, const struct wn_cuda_job *j, struct wn_error *err)
{
    wn_cuda_launch_copy_mapped(&j->u.mapped.loop, &j->u.mapped.x, &j->u.mapped.y, exe->stream);
    return wn_cuda_launched(j->name, err);
}

static enum wn_code run_fill(struct wn_cuda_exe *exe, const struct wn_cuda_job *j, struct wn_error *err)
{
    wn_cuda_launch_fill(j->u.fill.data, j->u.fill.type, j->u.fill.count, j->u.fill.value, exe->stream);
    return wn_cuda_launched(j->name, err);
}

static enum wn_code run_transpose(struct wn_cuda_exe *exe, const struct wn_cuda_job *j, struct wn_error *err)
{
    wn_cuda_launch_transpose(j->u.transpose.x, j->u.transpose.x_type, j->u.transpose.y, j->u.transpose.y_type,
                             j->u.transpose.n, j->u.transpose.rows, j->u.transpose.cols, exe->stream);
    return wn_cuda_launched(j->name, err);
}

static enum wn_code run_pixels(struct wn_cuda_exe *exe, const struct wn_cuda_job *j, struct wn_error *err)
{
    wn_cuda_launch_pixels(j->u.pixels.x, j->u.pixels.n, j->u.pixels.channels, j->u.pixels.plane, j->u.pixels.y,
                          j->u.pixels.type, j->u.pixels.pitch, exe->stream);
    return wn_cuda_launched(j->name, err);
}

static enum wn_code run_gather(struct wn_cuda_exe *exe, const struct wn_cuda_job *j, struct wn_error *err)
{
    wn_cuda_launch_gather(j->u.gather.x, j->u.gather.type, j->u.gather.n, j->u.gather.row, j->u.gather.rows,
                          j->u.gather.inner, j->u.gather.y, exe->stream);
    return wn_cuda_launched(j->name, err);
}

static enum wn_code run_concat(struct wn_cuda_exe *exe, const struct wn_cuda_job *j, struct wn_error *err)
{
    wn_cuda_launch_concat(&j->u.concat, exe->stream);
    return wn_cuda_launched(j->name, err);
}

static enum wn_code run_axis_map(struct wn_cuda_exe *exe, const struct wn_cuda_job *j, struct wn_error *err)
{
    wn_cuda_launch_axis_map(&j->u.axis_map, exe->stream);
    return wn_cuda_launched(j->name, err);
}

static enum wn_code job_copy(struct wn_cuda_exe *exe, const struct wn_cuda_loop *loop, const struct wn_cuda_arg *args,
                             const char *name, struct wn_error *err)
{
    struct wn_cuda_job *j = wn_cuda_job_new(exe, name, run_copy, err);
    if (!j) return WN_NO_MEMORY;
    j->u.map.loop = *loop, j->u.map.a = args[0], j->u.map.y = args[1];
    return WN_OK;
}

static enum wn_code job_transpose(struct wn_cuda_exe *exe, const struct wn_cuda_tensor *x,
                                  const struct wn_cuda_tensor *y, int n, int rows, int cols, struct wn_error *err)
{
    struct wn_cuda_job *j = wn_cuda_job_new(exe, "transpose", run_transpose, err);
    if (!j) return WN_NO_MEMORY;
    j->u.transpose.x = x->data, j->u.transpose.x_type = x->type;
    j->u.transpose.y = y->data, j->u.transpose.y_type = y->type;
    j->u.transpose.n = n, j->u.transpose.rows = rows, j->u.transpose.cols = cols;
    return WN_OK;
}

/* What the host wrote, to pictures that are padded. */
static enum wn_code job_pixels(struct wn_cuda_exe *exe, const struct wn_cuda_tensor *x, const struct wn_cuda_tensor *y,
                               struct wn_error *err)
{
    struct wn_cuda_job *j = wn_cuda_job_new(exe, "pixels", run_pixels, err);
    if (!j) return WN_NO_MEMORY;
    wn_cuda_tensor_planes(x, &j->u.pixels.n, &j->u.pixels.channels, &j->u.pixels.plane);
    j->u.pixels.x = x->data, j->u.pixels.y = y->data;
    j->u.pixels.type = y->type, j->u.pixels.pitch = (int)wn_cuda_tensor_pitch(y);
    return WN_OK;
}

/* Whole pixels of 16 bytes or two times that. */
static bool is_pixels(const struct wn_cuda_tensor *x, const struct wn_cuda_tensor *y)
{
    const int64_t pitch = wn_cuda_tensor_pitch(y);
    return wn_cuda_tensor_is_padded(y) && x->type == WN_CUDA_F32 && wn_cuda_tensor_is_flat(x) &&
           !wn_cuda_tensor_is_padded(x) && (pitch == WN_CUDA_WIDTH || (pitch == 4 && y->type == WN_CUDA_F32));
}

enum { TRANSPOSE_FROM = 8 }; /* channels: below it a plain copy fills its cache lines as well */

enum wn_code wn_cuda_job_convert(struct wn_cuda_exe *exe, const struct wn_cuda_tensor *x,
                                 const struct wn_cuda_tensor *y, struct wn_error *err)
{
    int n, c, spatial;
    if (is_pixels(x, y)) return job_pixels(exe, x, y, err);
    wn_cuda_tensor_planes(x, &n, &c, &spatial);
    const bool dense = !wn_cuda_tensor_is_padded(x) && !wn_cuda_tensor_is_padded(y);
    if (dense && x->channels_last != y->channels_last && c >= TRANSPOSE_FROM && spatial >= TRANSPOSE_FROM)
        return x->channels_last ? job_transpose(exe, x, y, n, spatial, c, err)
                                : job_transpose(exe, x, y, n, c, spatial, err);
    const struct wn_cuda_tensor *list[2] = {x, y};
    struct wn_cuda_loop loop;
    struct wn_cuda_arg args[2];
    wn_cuda_walk(list, 2, &loop, args);
    return job_copy(exe, &loop, args, "convert", err);
}

/* ---- strided copies ---- */

/* A copy speaks of row-major offsets. Where the first element and every step are whole steps along the axes of `t`
 * that stay inside it, the same walk exists in t's own strides. */
static bool restride(const struct wn_cuda_tensor *t, int rank, const int64_t *extent, int64_t offset,
                     const int64_t *stride, int64_t *at, int64_t *own)
{
    int64_t row[WN_MAX_RANK], step = 1, lo[WN_MAX_RANK], hi[WN_MAX_RANK];
    for (int d = t->shape.rank - 1; d >= 0; d--) row[d] = step, step *= t->shape.dim[d];
    *at = 0;
    for (int d = 0; d < t->shape.rank; d++) {
        lo[d] = hi[d] = offset / row[d];
        *at += lo[d] * t->stride[d];
        offset %= row[d];
    }
    for (int k = 0; k < rank; k++) {
        own[k] = 0;
        if (extent[k] == 1 || stride[k] == 0) continue;
        int d = 0;
        while (d < t->shape.rank && (t->shape.dim[d] == 1 || stride[k] % row[d])) d++;
        if (d == t->shape.rank) return false;
        const int64_t by = stride[k] / row[d], reach = by * (extent[k] - 1);
        own[k] = by * t->stride[d];
        if (reach < 0)
            lo[d] += reach;
        else
            hi[d] += reach;
        if (lo[d] < 0 || hi[d] >= t->shape.dim[d]) return false;
    }
    return true;
}

static struct wn_cuda_mapped mapped_of(const struct wn_cuda_tensor *t, int64_t offset, const struct wn_cuda_arg *arg)
{
    struct wn_cuda_mapped m = {.data = t->data, .type = t->type, .channels = 1, .spatial = 1, .offset = (int)offset};
    int n;
    if (t->channels_last) wn_cuda_tensor_planes(t, &n, &m.channels, &m.spatial);
    for (int d = 0; d < WN_CUDA_AXES; d++) m.stride[d] = arg->stride[d];
    return m;
}

static enum wn_code job_mapped(struct wn_cuda_exe *exe, const struct wn_copy *c, const struct wn_cuda_tensor *x,
                               const struct wn_cuda_tensor *y, struct wn_error *err)
{
    struct wn_cuda_job *j = wn_cuda_job_new(exe, "copy", run_mapped, err);
    if (!j) return WN_NO_MEMORY;
    int64_t strides[2][WN_MAX_RANK];
    struct wn_cuda_arg args[2] = {{0}, {0}};
    for (int d = 0; d < c->rank; d++) strides[0][d] = c->x_stride[d], strides[1][d] = c->y_stride[d];
    wn_cuda_walk_strided(c->rank, c->extent, 2, (const int64_t(*)[WN_MAX_RANK])strides, &j->u.mapped.loop, args);
    j->u.mapped.x = mapped_of(x, c->x_offset, &args[0]);
    j->u.mapped.y = mapped_of(y, c->y_offset, &args[1]);
    return WN_OK;
}

static int64_t magnitude(int64_t x)
{
    return x < 0 ? -x : x;
}

/* Axes in falling order of y's strides, so that neighbouring threads write neighbouring elements. */
static void sort_axes(int rank, int64_t *extent, int64_t (*strides)[WN_MAX_RANK])
{
    for (int i = 1; i < rank; i++)
        for (int k = i; k > 0 && magnitude(strides[1][k]) > magnitude(strides[1][k - 1]); k--) {
            const int64_t e = extent[k], x = strides[0][k], y = strides[1][k];
            extent[k] = extent[k - 1], strides[0][k] = strides[0][k - 1], strides[1][k] = strides[1][k - 1];
            extent[k - 1] = e, strides[0][k - 1] = x, strides[1][k - 1] = y;
        }
}

static void *element(const struct wn_cuda_tensor *t, int64_t at)
{
    return (char *)t->data + at * (int64_t)wn_cuda_type_size(t->type);
}

static enum wn_code job_copied(struct wn_cuda_exe *exe, const struct wn_copy *c, const struct wn_cuda_tensor *x,
                               const struct wn_cuda_tensor *y, struct wn_error *err)
{
    int64_t from, to, strides[2][WN_MAX_RANK], extent[WN_MAX_RANK];
    for (int d = 0; d < c->rank; d++) extent[d] = c->extent[d];
    if (!restride(x, c->rank, extent, c->x_offset, c->x_stride, &from, strides[0]) ||
        !restride(y, c->rank, extent, c->y_offset, c->y_stride, &to, strides[1]))
        return job_mapped(exe, c, x, y, err);
    struct wn_cuda_arg args[2] = {{element(x, from), x->type, {0}}, {element(y, to), y->type, {0}}};
    struct wn_cuda_loop loop;
    sort_axes(c->rank, extent, strides);
    wn_cuda_walk_strided(c->rank, extent, 2, (const int64_t(*)[WN_MAX_RANK])strides, &loop, args);
    return job_copy(exe, &loop, args, "copy", err);
}

static enum wn_code job_fill(struct wn_cuda_exe *exe, const struct wn_cuda_tensor *y, float value, struct wn_error *err)
{
    struct wn_cuda_job *j = wn_cuda_job_new(exe, "fill", run_fill, err);
    if (!j) return WN_NO_MEMORY;
    j->u.fill.data = y->data, j->u.fill.type = y->type, j->u.fill.value = value;
    j->u.fill.count = (int)wn_shape_count(&y->shape);
    return WN_OK;
}

enum wn_code wn_cuda_make_copy(struct wn_cuda_exe *exe, int step, struct wn_error *err)
{
    const struct wn_step *s = wn_program_step(exe->prog, step);
    const struct wn_copy *c = &s->u.copy;
    struct wn_cuda_tensor x, y = exe->values[s->out[0]];
    int64_t moved = 1;
    enum wn_code code = wn_cuda_value(exe, s->in[0], &x, err);
    for (int d = 0; d < c->rank; d++) moved *= c->extent[d];
    if (exe->home[s->out[0]] < 0) return WN_OK; /* swallowed by the sum that reads it */
    if (code == WN_OK && moved < wn_shape_count(&y.shape)) code = job_fill(exe, &y, c->fill, err);
    return code == WN_OK && moved ? job_copied(exe, c, &x, &y, err) : code;
}

/* Both sides row-major, one of them lying channels last: a change of layout after all. */
enum wn_code wn_cuda_make_reshape(struct wn_cuda_exe *exe, int step, struct wn_error *err)
{
    const struct wn_step *s = wn_program_step(exe->prog, step);
    if (exe->home[s->out[0]] >= 0 && exe->home[s->out[0]] != s->out[0]) return WN_OK;
    struct wn_cuda_tensor x, y = exe->values[s->out[0]];
    enum wn_code code = wn_cuda_value(exe, s->in[0], &x, err);
    if (code != WN_OK) return code;
    const bool x_flat = wn_cuda_tensor_is_flat(&x), y_flat = wn_cuda_tensor_is_flat(&y);
    if (!x_flat && y_flat) y = wn_cuda_tensor_of(&x.shape, y.type, false), y.data = exe->values[s->out[0]].data;
    if (x_flat) {
        const void *data = x.data;
        x = wn_cuda_tensor_of(&y.shape, x.type, false);
        x.data = (void *)data;
    }
    if (x_flat || y_flat) return wn_cuda_job_convert(exe, &x, &y, err);
    const int64_t count = wn_shape_count(&x.shape);
    const struct wn_copy all = {.rank = 1, .extent = {count}, .x_stride = {1}, .y_stride = {1}};
    return job_mapped(exe, &all, &x, &y, err);
}

/* ---- along one axis ---- */

/* Elements in memory outside and inside one logical axis. */
static void around(const struct wn_cuda_tensor *t, int axis, int *outer, int *inner)
{
    int order[WN_MAX_RANK], i = 0;
    *outer = *inner = 1;
    wn_cuda_tensor_order(t, order);
    for (; order[i] != axis; i++) *outer *= (int)t->shape.dim[order[i]];
    for (i++; i < t->shape.rank; i++) *inner *= (int)t->shape.dim[order[i]];
}

static enum wn_code factor(struct wn_cuda_exe *exe, int value, struct wn_cuda_factor *out, struct wn_error *err)
{
    struct wn_cuda_tensor t;
    if (value == WN_NONE) return WN_OK;
    enum wn_code code = wn_cuda_value(exe, value, &t, err);
    if (code == WN_OK) *out = (struct wn_cuda_factor){t.data, wn_shape_count(&t.shape) > 1};
    return code;
}

enum wn_code wn_cuda_job_concat(struct wn_cuda_exe *exe, const struct wn_step *concat, const struct wn_cuda_affine *f,
                                const struct wn_cuda_tensor *y, struct wn_error *err)
{
    struct wn_cuda_concat c = {.y = y->data, .y_type = y->type, .act = f->act};
    enum wn_code code = factor(exe, f->scale, &c.scale, err);
    if (code == WN_OK) code = factor(exe, f->shift, &c.shift, err);
    const int axis = concat->u.concat.axis;
    int inner, first = 0;
    around(y, axis, &c.outer, &inner);
    c.pitch = (int)y->shape.dim[axis] * inner;
    for (int i = 0; code == WN_OK && i < concat->n_in; i += c.n) {
        for (c.n = 0; c.n < WN_CUDA_PARTS && i + c.n < concat->n_in; c.n++) {
            struct wn_cuda_tensor x;
            if ((code = wn_cuda_value(exe, concat->in[i + c.n], &x, err)) != WN_OK) return code;
            c.x[c.n] = x.data, c.x_type[c.n] = x.type, c.first[c.n] = first;
            first += c.length[c.n] = (int)x.shape.dim[axis] * inner;
        }
        struct wn_cuda_job *j = wn_cuda_job_new(exe, wn_prim_name(concat->prim), run_concat, err);
        if (!j) return WN_NO_MEMORY;
        j->u.concat = c;
    }
    return code;
}

enum wn_code wn_cuda_make_concat(struct wn_cuda_exe *exe, int step, struct wn_error *err)
{
    const struct wn_step *s = wn_program_step(exe->prog, step);
    const struct wn_cuda_affine none = {.scale = WN_NONE, .shift = WN_NONE, .act.kind = WN_UNARY_COUNT};
    if (exe->home[s->out[0]] < 0) return WN_OK; /* swallowed by what reads it */
    return wn_cuda_job_concat(exe, s, &none, &exe->values[s->out[0]], err);
}

enum wn_code wn_cuda_make_axis_map(struct wn_cuda_exe *exe, int step, struct wn_error *err)
{
    const struct wn_step *s = wn_program_step(exe->prog, step);
    const struct wn_taps *t = &s->u.map.taps;
    const size_t entries = (size_t)t->out * (size_t)t->taps;
    struct wn_cuda_tensor x, y = exe->values[s->out[0]];
    void *index, *weight;
    enum wn_code code = wn_cuda_value(exe, s->in[0], &x, err);
    if (code == WN_OK) code = wn_cuda_table(exe, t->index, entries * sizeof *t->index, &index, err);
    if (code == WN_OK) code = wn_cuda_table(exe, t->weight, entries * sizeof *t->weight, &weight, err);
    if (code != WN_OK) return code;
    struct wn_cuda_job *j = wn_cuda_job_new(exe, wn_prim_name(s->prim), run_axis_map, err);
    if (!j) return WN_NO_MEMORY;
    struct wn_cuda_axis_map *m = &j->u.axis_map;
    *m = (struct wn_cuda_axis_map){.x = x.data,
                                   .y = y.data,
                                   .x_type = x.type,
                                   .y_type = y.type,
                                   .in = (int)t->in,
                                   .out = (int)t->out,
                                   .taps = t->taps,
                                   .index = index,
                                   .weight = weight};
    around(&y, s->u.map.axis, &m->outer, &m->inner);
    return WN_OK;
}

enum wn_code wn_cuda_make_gather(struct wn_cuda_exe *exe, int step, struct wn_error *err)
{
    const struct wn_step *s = wn_program_step(exe->prog, step);
    if (exe->home[s->out[0]] < 0) return WN_OK;
    struct wn_cuda_tensor x, row, y = exe->values[s->out[0]];
    enum wn_code code = wn_cuda_value(exe, s->in[0], &x, err);
    if (code == WN_OK) code = wn_cuda_value(exe, s->in[1], &row, err);
    if (code != WN_OK) return code;
    struct wn_cuda_job *j = wn_cuda_job_new(exe, wn_prim_name(s->prim), run_gather, err);
    if (!j) return WN_NO_MEMORY;
    const int n = (int)x.shape.dim[0]; /* what pads a picture goes with it: both lie alike */
    j->u.gather.x = x.data, j->u.gather.row = row.data, j->u.gather.y = y.data, j->u.gather.type = x.type;
    j->u.gather.n = n, j->u.gather.rows = (int)y.shape.dim[0], j->u.gather.inner = (int)x.stride[0];
    return WN_OK;
}
