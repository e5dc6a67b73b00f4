/* cuDNN and cuBLASLt as the emulation needs them: plain loops behind the same two seams, so that what the backend
 * hands to a fused plan (which operands, in which type, in which place) is judged too. They can do everything or, on
 * request, nothing. */
#include <stdlib.h>
#include <string.h>

#include "conv_graph.h"
#include "exe.h"
#include "fake_runtime.h"

bool fake_libraries_can = true, fake_libraries_keep = true;
int fake_plans;

struct wn_cuda_plan {
    struct wn_cuda_conv_shape shape;
    double *sum; /* one for each result; behind them the weight and the source, widened */
};

struct wn_cuda_gemm {
    struct wn_cuda_gemm_shape shape;
};

enum wn_code wn_cuda_libraries_open(struct wn_cuda_backend *be, struct wn_error *err)
{
    (void)be, (void)err;
    return WN_OK;
}

void wn_cuda_libraries_close(struct wn_cuda_backend *be)
{
    (void)be;
}

void wn_cuda_libraries_leave(struct wn_cuda_backend *be)
{
    (void)be;
}

static double load(const void *data, enum wn_cuda_type type, int64_t i)
{
    if (type == WN_CUDA_F32) return ((const float *)data)[i];
    const uint16_t bits = ((const uint16_t *)data)[i];
    union {
        uint32_t u;
        float f;
    } wide = {(uint32_t)bits << 16};
    return type == WN_CUDA_BF16 ? wide.f : fake_half(bits);
}

static void store(void *data, enum wn_cuda_type type, int64_t i, double value)
{
    if (type == WN_CUDA_F32)
        ((float *)data)[i] = (float)value;
    else
        ((uint16_t *)data)[i] = wn_cuda_narrow((float)value, type);
}

/* ---- convolutions, channels last ---- */

struct places {
    struct wn_cuda_window w;
    int64_t n, c, o, groups, x_size, y_size, taps;
};

static struct places places_of(const struct wn_cuda_conv_shape *s)
{
    const struct wn_cuda_tensor x = {.shape = s->x}, y = {.shape = s->y};
    struct places p = {.w = wn_cuda_window_of(&s->win, &x, &y),
                       .n = s->x.dim[0],
                       .c = s->x.dim[1],
                       .o = s->y.dim[1],
                       .groups = s->groups,
                       .x_size = 1,
                       .y_size = 1,
                       .taps = 1};
    for (int i = 0; i < 3; i++) p.x_size *= p.w.x[i], p.y_size *= p.w.y[i], p.taps *= p.w.kernel[i];
    return p;
}

/* The cell of x under tap t of output cell o, or -1. */
static int64_t under(const struct places *p, int64_t o, int64_t t)
{
    int64_t at[3], i = 0;
    for (int d = 2; d >= 0; d--) {
        at[d] = o % p->w.y[d] * p->w.stride[d] - p->w.pad[d] + t % p->w.kernel[d] * p->w.dilation[d];
        if (at[d] < 0 || at[d] >= p->w.x[d]) return -1;
        o /= p->w.y[d], t /= p->w.kernel[d];
    }
    for (int d = 0; d < 3; d++) i = i * p->w.x[d] + at[d];
    return i;
}

/* Every pair (element of x, element of y) that a weight joins; sum goes one way or the other. */
static void join(const struct wn_cuda_conv_shape *s, const double *src, const double *w, double *sum)
{
    const struct places p = places_of(s);
    const int64_t depth = p.c / p.groups, per_group = p.o / p.groups;
    for (int64_t n = 0; n < p.n; n++)
        for (int64_t o = 0; o < p.y_size; o++)
            for (int64_t t = 0; t < p.taps; t++) {
                const int64_t i = under(&p, o, t);
                for (int64_t oc = 0; i >= 0 && oc < p.o; oc++) {
                    const int64_t y = (n * p.y_size + o) * p.o + oc,
                                  x = (n * p.x_size + i) * p.c + oc / per_group * depth;
                    const double *from = w + (oc * p.taps + t) * depth;
                    if (s->backward)
                        for (int64_t c = 0; c < depth; c++) sum[x + c] += from[c] * src[y];
                    else
                        for (int64_t c = 0; c < depth; c++) sum[y] += from[c] * src[x + c];
                }
            }
}

static void widen(const void *src, enum wn_cuda_type type, int64_t n, double *dst)
{
    for (int64_t i = 0; i < n; i++) dst[i] = load(src, type, i);
}

/* ---- calls, queued as the real ones are ---- */

/* The workspace is bound when the call is made, and spoilt from end to end when it is done. */
struct call {
    struct wn_cuda_job job;
    void *workspace;
    size_t workspace_bytes;
};

static void drop_call(void *call)
{
    free(call);
}

static void spoil_workspace(const struct call *c)
{
    if (c->workspace_bytes) memset(c->workspace, 0xff, c->workspace_bytes);
}

static enum wn_code queue(const struct wn_cuda_exe *exe, const struct wn_cuda_job *job, size_t workspace_bytes,
                          void (*run)(void *call))
{
    struct call *kept = aligned_alloc(64, (sizeof *kept + 63) / 64 * 64); /* not malloc, which tests let fail */
    *kept = (struct call){*job, exe->workspace, workspace_bytes};
    fake_runtime_launch(exe->stream, run, drop_call, kept);
    return WN_OK;
}

static void compute_plan(void *arg)
{
    const struct wn_cuda_job *job = &((const struct call *)arg)->job;
    const struct wn_cuda_conv_shape *s = &job->u.conv.plan->shape;
    const struct wn_shape *to = s->backward ? &s->x : &s->y;
    const int64_t count = wn_shape_count(to);
    double *sum = job->u.conv.plan->sum, *w = sum + count, *src = w + wn_shape_count(&s->w);
    spoil_workspace(arg);
    memset(sum, 0, (size_t)count * sizeof *sum);
    widen(job->u.conv.w, s->type, wn_shape_count(&s->w), w);
    widen(job->u.conv.x, s->type, wn_shape_count(s->backward ? &s->y : &s->x), src);
    join(s, src, w, sum);
    for (int64_t i = 0; i < count; i++) {
        if (s->residual) sum[i] += load(job->u.conv.residual, s->type, i);
        if (s->bias) sum[i] += load(job->u.conv.bias, s->type, i % to->dim[1]);
        if (s->relu && !(sum[i] > 0)) sum[i] = 0;
        if (s->derivative && !(load(job->u.conv.units, s->units_type, i) > 0)) sum[i] = 0;
        store(job->u.conv.y, s->type, i, sum[i]);
    }
}

/* One for each filter, so that convolutions want different ones; none for the smallest. */
static size_t workspace_of(const struct wn_cuda_conv_shape *s)
{
    return s->w.dim[0] > 2 ? (size_t)s->w.dim[0] * 1000 : 0;
}

enum wn_code wn_cuda_run_plan(struct wn_cuda_exe *exe, const struct wn_cuda_job *job, struct wn_error *err)
{
    void *const *bound = job->u.conv.bound;
    if (!bound || bound[0] != job->u.conv.x || bound[1] != exe->workspace)
        return wn_fail(err, WN_INTERNAL, "a plan runs whose pointers were not bound, or have changed");
    return queue(exe, job, workspace_of(&job->u.conv.plan->shape), compute_plan);
}

/* Channels that do not fit each other, which the real one refuses, would be read past their end here. */
static bool channels_fit(const struct wn_cuda_conv_shape *s)
{
    return s->x.dim[1] == s->w.dim[1] * s->groups && s->y.dim[1] == s->w.dim[0];
}

const struct wn_cuda_conv_shape *fake_libraries_shape(const struct wn_cuda_plan *plan)
{
    return &plan->shape;
}

void wn_cuda_kept_open(struct wn_cuda_backend *be, const struct wn_backend_options *options)
{
    (void)be, (void)options;
}

bool wn_cuda_plans_are_kept(const struct wn_cuda_backend *be)
{
    (void)be;
    return fake_libraries_keep;
}

enum wn_code wn_cuda_plan_make(struct wn_cuda_exe *exe, const struct wn_cuda_conv_shape *shape,
                               const struct wn_cuda_job *job, struct wn_cuda_plan **out, struct wn_error *err)
{
    (void)exe, (void)job;
    /* As the real one: neither an addition nor an activation without a bias, and a derivative only without one. */
    if (!fake_libraries_can || (!shape->bias && !shape->derivative && (shape->relu || shape->residual)))
        return WN_UNSUPPORTED;
    if (shape->derivative && (shape->bias || shape->relu || shape->backward)) return WN_UNSUPPORTED;
    if (!channels_fit(shape)) return wn_fail(err, WN_INTERNAL, "a convolution's picture and filter differ in channels");
    const size_t count = (size_t)(wn_shape_count(&shape->x) + wn_shape_count(&shape->y) + wn_shape_count(&shape->w));
    struct wn_cuda_plan *plan = calloc(1, sizeof *plan);
    if (plan) fake_plans++, plan->sum = calloc(count, sizeof *plan->sum);
    if (!plan || !plan->sum) {
        wn_cuda_plan_destroy(plan);
        return wn_fail(err, WN_NO_MEMORY, "no memory for the fake plan");
    }
    plan->shape = *shape;
    *out = plan;
    return WN_OK;
}

struct wn_cuda_plan_facts wn_cuda_plan_facts(const struct wn_cuda_plan *plan)
{
    return (struct wn_cuda_plan_facts){.workspace_bytes = (int64_t)workspace_of(&plan->shape)};
}

/* As the real one, only what is bound runs, and no pointer may change after that. */
enum wn_code wn_cuda_plan_bind(struct wn_cuda_exe *exe, struct wn_cuda_job *job, struct wn_error *err)
{
    void **bound = calloc(2, sizeof *bound);
    if (!bound) return wn_fail(err, WN_NO_MEMORY, "no memory for what a fake plan reads");
    bound[0] = job->u.conv.x, bound[1] = exe->workspace;
    job->u.conv.bound = bound;
    return WN_OK;
}

void wn_cuda_plan_unbind(struct wn_cuda_job *job)
{
    free(job->u.conv.bound);
    job->u.conv.bound = NULL;
}

void wn_cuda_plan_destroy(struct wn_cuda_plan *plan)
{
    if (plan) free(plan->sum), fake_plans--;
    free(plan);
}

/* ---- products ---- */

static void compute_gemm(void *arg)
{
    const struct wn_cuda_job *job = &((const struct call *)arg)->job;
    const struct wn_cuda_gemm_shape *s = &job->u.gemm.gemm->shape;
    const struct wn_cuda_product *p = &s->product;
    for (int64_t i = 0; i < (int64_t)p->batch * p->m * p->n; i++) {
        const int64_t b = i / p->n / p->m, m = i / p->n % p->m, n = i % p->n;
        double sum = s->bias ? ((const float *)s->bias)[n] : 0;
        for (int64_t k = 0; k < p->k; k++)
            sum += load(job->u.gemm.a, p->a_type, b * p->a_batch + m * p->a_m + k * p->a_k) *
                   load(job->u.gemm.b, p->b_type, b * p->b_batch + k * p->b_k + n * p->b_n);
        if (s->relu && !(sum > 0)) sum = 0;
        store(job->u.gemm.y, p->y_type, b * p->y_batch + m * p->y_m + n * p->y_n, sum);
    }
}

enum wn_code wn_cuda_run_gemm(struct wn_cuda_exe *exe, const struct wn_cuda_job *job, struct wn_error *err)
{
    (void)err;
    return queue(exe, job, 0, compute_gemm);
}

enum wn_code wn_cuda_gemm_job(struct wn_cuda_exe *exe, const struct wn_cuda_gemm_shape *shape, struct wn_cuda_job *job,
                              struct wn_error *err)
{
    if (!fake_libraries_can) return WN_UNSUPPORTED;
    struct wn_cuda_gemm *g = calloc(1, sizeof *g);
    if (!g || !wn_cuda_grow(&exe->gemms, exe->n_gemms, &exe->cap_gemms, sizeof *exe->gemms)) {
        free(g);
        return wn_fail(err, WN_NO_MEMORY, "no memory for the fake product");
    }
    g->shape = *shape;
    exe->gemms[exe->n_gemms++] = g;
    job->run = wn_cuda_run_gemm;
    job->u.gemm.gemm = g;
    return WN_OK;
}

void wn_cuda_gemm_destroy(struct wn_cuda_gemm *gemm)
{
    free(gemm);
}

void wn_cuda_libraries_diagnose(void (*say)(void *arg, const struct wn_finding *finding), void *arg)
{
    say(arg, &(struct wn_finding){"cuDNN", "emulation", NULL});
}
