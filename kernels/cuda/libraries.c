/* cuDNN on the card in the machine: its handle, the choice among plans, and running one. What a convolution is stands
 * in conv_graph.c; knows no program.
 *
 * Where choices are not kept (kept.c) the first plan that runs is taken of those that the heuristics prefer: the same
 * one in every process. Where they are, the first few are timed and the quickest is kept. */
#include "libraries.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "conv_graph.h"
#include "exe.h"
#include "plan.h"

enum { MOST_PLANS = 4 };

/* ---- handles ---- */

enum wn_code wn_cuda_libraries_open(struct wn_cuda_backend *be, struct wn_error *err)
{
    struct wn_cuda_libraries *l = calloc(1, sizeof *l);
    if (!l) return wn_fail(err, WN_NO_MEMORY, "no memory for the handles of cuDNN and cuBLASLt");
    be->libraries = l;
    enum wn_code code = wn_cuda_vendor_load(err);
    wn_cuda_disturb_begin();
    if (code == WN_OK) code = WN_CALL(dnn, cudnnCreate(&l->dnn), err);
    if (code == WN_OK) code = WN_CALL(blas, cublasLtCreate(&l->blas), err);
    wn_cuda_disturb_end();
    return code == WN_OK ? WN_CALL(dnn, cudnnSetStream(l->dnn, be->stream), err) : code;
}

void wn_cuda_libraries_close(struct wn_cuda_backend *be)
{
    struct wn_cuda_libraries *l = be->libraries;
    if (!l) return;
    wn_cuda_disturb_begin();
    if (l->dnn) cudnnDestroy(l->dnn);
    if (l->blas) cublasLtDestroy(l->blas);
    wn_cuda_disturb_end();
    free(l);
}

/* Plans are asked for with the handle, and where its stream is gone already that is what is looked at. */
void wn_cuda_libraries_leave(struct wn_cuda_backend *be)
{
    if (be->libraries && be->libraries->dnn) cudnnSetStream(be->libraries->dnn, be->stream);
}

/* ---- running ---- */

enum wn_code wn_cuda_plan_bind(struct wn_cuda_exe *exe, struct wn_cuda_job *job, struct wn_error *err)
{
    enum { TENSORS = 6 };
    const int64_t ids[TENSORS] = {WN_PLAN_X, WN_PLAN_W, WN_PLAN_Y, WN_PLAN_BIAS, WN_PLAN_RESIDUAL, WN_PLAN_UNITS};
    void *const all[TENSORS] = {job->u.conv.x,    job->u.conv.w,        job->u.conv.y,
                                job->u.conv.bias, job->u.conv.residual, job->u.conv.units};
    int64_t used[TENSORS];
    void *pointers[TENSORS];
    int n = 0;
    for (int i = 0; i < TENSORS; i++)
        if (all[i]) used[n] = ids[i], pointers[n++] = all[i];
    cudnnBackendDescriptor_t v;
    enum wn_code code = WN_CALL(dnn, cudnnBackendCreateDescriptor(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &v), err);
    if (code != WN_OK) return code;
    job->u.conv.bound = v;
    code =
        WN_CALL(dnn, cudnnBackendSetAttribute(v, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, n, used), err);
    if (code == WN_OK)
        code = WN_CALL(
            dnn, cudnnBackendSetAttribute(v, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, n, pointers),
            err);
    if (code == WN_OK)
        code = WN_CALL(
            dnn,
            cudnnBackendSetAttribute(v, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &exe->workspace),
            err);
    return code == WN_OK ? WN_CALL(dnn, cudnnBackendFinalize(v), err) : code;
}

void wn_cuda_plan_unbind(struct wn_cuda_job *job)
{
    if (job->u.conv.bound) cudnnBackendDestroyDescriptor(job->u.conv.bound);
    job->u.conv.bound = NULL;
}

enum wn_code wn_cuda_run_plan(struct wn_cuda_exe *exe, const struct wn_cuda_job *job, struct wn_error *err)
{
    cudnnHandle_t dnn = exe->be->libraries->dnn;
    enum wn_code code = WN_CALL(dnn, cudnnSetStream(dnn, exe->stream), err);
    return code == WN_OK ? WN_CALL(dnn, cudnnBackendExecute(dnn, job->u.conv.plan->descriptor, job->u.conv.bound), err)
                         : code;
}

/* ---- a plan ---- */

/* Of n plans one that runs, the quickest or, where time is no matter, the first. The others are destroyed. */
static enum wn_code choose(struct wn_cuda_exe *exe, struct wn_cuda_plan **plans, int n, const struct wn_cuda_job *like,
                           bool by_time, struct wn_cuda_plan **out, struct wn_error *err)
{
    struct wn_cuda_candidate c[WN_CUDA_MOST_CANDIDATES] = {0};
    int best = -1;
    for (int i = 0; i < n; i++) {
        c[i] = (struct wn_cuda_candidate){.job = *like,
                                          .workspace_bytes = (size_t)plans[i]->facts.workspace_bytes,
                                          .name = "a plan of cuDNN's",
                                          .what = "the workspace of a convolution"};
        c[i].job.run = wn_cuda_run_plan;
        c[i].job.u.conv.plan = plans[i];
    }
    enum wn_code code = wn_cuda_trial(exe, c, n, by_time, &best, err);
    for (int i = 0; i < n; i++)
        if (i != best) wn_cuda_plan_destroy(plans[i]);
    if (code == WN_OK) *out = plans[best];
    return code;
}

static bool path_of(const struct wn_cuda_exe *exe, const struct wn_cuda_conv_shape *shape, char *path, size_t size)
{
    char key[512];
    const size_t n = (size_t)wn_cuda_conv_key(shape, key, sizeof key);
    if (n + sizeof ".json" > sizeof key) return false;
    memcpy(key + n, ".json", sizeof ".json");
    return wn_cuda_kept_path(exe->be, cudnnGetVersion(), key, path, size);
}

/* The kept plan of that name where it still runs, or NULL. */
static struct wn_cuda_plan *recall(struct wn_cuda_exe *exe, const char *path, const struct wn_cuda_job *job)
{
    const struct wn_cuda_planner planner = {.handle = exe->be->libraries->dnn};
    struct wn_cuda_plan *kept, *plan = NULL;
    struct wn_error why = {0};
    char *text = wn_cuda_kept_get(path);
    if (text && wn_cuda_plan_load(&planner, text, &kept, NULL) == WN_OK) choose(exe, &kept, 1, job, false, &plan, &why);
    free(text);
    return plan;
}

static void keep(const struct wn_cuda_exe *exe, const struct wn_cuda_plan *plan, const char *path)
{
    char *text = wn_cuda_plan_save(plan, NULL);
    if (text) wn_cuda_kept_put(exe->be, path, text);
    free(text);
}

/* The best of `most` plans at the most. */
static enum wn_code plan_anew(struct wn_cuda_exe *exe, const struct wn_cuda_conv_shape *shape, int most, bool by_time,
                              const struct wn_cuda_job *job, struct wn_cuda_plan **out, int *n, struct wn_error *err)
{
    const struct wn_cuda_planner planner = {.handle = exe->be->libraries->dnn};
    struct wn_cuda_plan *plans[MOST_PLANS];
    enum wn_code code = wn_cuda_plans(&planner, shape, most, plans, n, err);
    return code == WN_OK ? choose(exe, plans, *n, job, by_time, out, err) : wn_cuda_outlive(code);
}

/* path: of the kept plan, or NULL. */
static enum wn_code take_plan(struct wn_cuda_exe *exe, const struct wn_cuda_conv_shape *shape, const char *path,
                              const struct wn_cuda_job *job, struct wn_cuda_plan **out, struct wn_error *err)
{
    struct wn_error why = {0};
    int n = 0;
    if (path && (*out = recall(exe, path, job))) return WN_OK;
    /* those of a derivative are compiled, which takes a second each */
    const bool by_time = path && !shape->derivative;
    enum wn_code code = plan_anew(exe, shape, by_time ? MOST_PLANS : 1, by_time, job, out, &n, &why);
    /* the first does not run, or not with the memory that there is */
    if ((code == WN_UNSUPPORTED || code == WN_NO_MEMORY) && n == 1) {
        why = (struct wn_error){0};
        code = plan_anew(exe, shape, MOST_PLANS, false, job, out, &n, &why);
    }
    if (code != WN_OK) return wn_fail(err, code, "%s", why.text);
    if (path) keep(exe, *out, path);
    return WN_OK;
}

enum wn_code wn_cuda_plan_make(struct wn_cuda_exe *exe, const struct wn_cuda_conv_shape *shape,
                               const struct wn_cuda_job *job, struct wn_cuda_plan **out, struct wn_error *err)
{
    struct wn_error why = {0};
    char path[WN_CUDA_KEPT_PATH];
    const bool kept = path_of(exe, shape, path, sizeof path);
    if (kept) wn_cuda_kept_begin();
    wn_cuda_disturb_begin();
    enum wn_code code = take_plan(exe, shape, kept ? path : NULL, job, out, &why);
    wn_cuda_disturb_end();
    if (kept) wn_cuda_kept_end();
    if (code == WN_OK) return WN_OK;
    if (code != WN_UNSUPPORTED) return wn_fail(err, code, "%s", why.text);
    snprintf(exe->be->refused, sizeof exe->be->refused, "%.127s", why.text); /* no failure: somebody else will do it */
    return code;
}

/* ---- for people ---- */

void wn_cuda_libraries_diagnose(void (*say)(void *arg, const struct wn_finding *finding), void *arg)
{
    struct wn_error why = {0};
    char text[32];
    if (wn_cuda_vendor_load(&why) != WN_OK) {
        say(arg, &(struct wn_finding){"cuDNN and cuBLASLt", "not loaded", why.text});
        return;
    }
    const size_t v = cudnnGetVersion();
    snprintf(text, sizeof text, "%zu.%zu.%zu", v / 10000, v % 10000 / 100, v % 100);
    say(arg,
        &(struct wn_finding){"cuDNN", text, v / 10000 == 9 ? NULL : "this build is for cuDNN 9: install libcudnn9"});
}
