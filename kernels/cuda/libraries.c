/* cuDNN on the card in the machine: its handle, the choice among plans, the cache of that choice, and running one.
 * What a convolution is stands in conv_graph.c; knows no program.
 *
 * Without a cache the first plan that runs is taken of those that the heuristics prefer: the same one in every
 * process. With WHYNOT_PLAN_CACHE naming a folder, the first few are timed where they will run and the quickest is
 * kept there as a file, named by card, library version and shape, so that later starts take it as it is. */
#include "libraries.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cuda_runtime_api.h>

#include "check.h"
#include "conv_graph.h"
#include "exe.h"
#include "plan.h"

enum { MOST_PLANS = 4, TIMED_ROUNDS = 3, TIMED_RUNS = 4, PATH_BYTES = 1024, PLAN_TEXT_BYTES = 1 << 20 };

/* ---- handles ---- */

enum wn_code wn_cuda_libraries_open(struct wn_cuda_backend *be, struct wn_error *err)
{
    struct wn_cuda_libraries *l = calloc(1, sizeof *l);
    if (!l) return wn_fail(err, WN_NO_MEMORY, "no memory for the handles of cuDNN and cuBLASLt");
    be->libraries = l;
    enum wn_code code = wn_cuda_vendor_load(err);
    wn_cuda_handles_begin();
    if (code == WN_OK) code = WN_CALL(dnn, cudnnCreate(&l->dnn), err);
    if (code == WN_OK) code = WN_CALL(blas, cublasLtCreate(&l->blas), err);
    wn_cuda_handles_end();
    return code == WN_OK ? WN_CALL(dnn, cudnnSetStream(l->dnn, be->stream), err) : code;
}

void wn_cuda_libraries_close(struct wn_cuda_backend *be)
{
    struct wn_cuda_libraries *l = be->libraries;
    if (!l) return;
    wn_cuda_handles_begin();
    if (l->dnn) cudnnDestroy(l->dnn);
    if (l->blas) cublasLtDestroy(l->blas);
    wn_cuda_handles_end();
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

/* ---- choosing by running ---- */

/* A plan that has run once, bound to a workspace of its own. */
struct candidate {
    struct wn_cuda_plan *plan;
    struct wn_cuda_job job;
    void *workspace;
    float ms; /* of the quickest measurement */
};

static size_t workspace_bytes(const struct wn_cuda_plan *plan)
{
    return (size_t)plan->facts.workspace_bytes;
}

/* Its plan is the caller's. */
static void candidate_finish(struct wn_cuda_exe *exe, struct candidate *c)
{
    wn_cuda_plan_unbind(&c->job);
    wn_cuda_free(exe->be, c->workspace, workspace_bytes(c->plan));
}

static enum wn_code first_run(struct wn_cuda_exe *exe, struct candidate *c, struct wn_error *err)
{
    exe->workspace = c->workspace;
    enum wn_code code = wn_cuda_plan_bind(exe, &c->job, err);
    exe->workspace = NULL;
    if (code == WN_OK) code = wn_cuda_run_plan(exe, &c->job, err);
    return code == WN_OK ? wn_cuda_wait(exe, err) : code;
}

/* Runs the plan once, for one that can be made need not run. WN_UNSUPPORTED: it does not, and the device is well.
 * Finish c in any case. */
static enum wn_code candidate_init(struct wn_cuda_exe *exe, struct wn_cuda_plan *plan, const struct wn_cuda_job *like,
                                   struct candidate *c, struct wn_error *err)
{
    struct wn_error why = {0};
    enum wn_code code = WN_OK;
    *c = (struct candidate){.plan = plan, .job = *like, .ms = HUGE_VALF};
    c->job.u.conv.plan = plan;
    if (workspace_bytes(plan))
        code = wn_cuda_alloc(exe->be, workspace_bytes(plan), "the workspace of a convolution", &c->workspace, err);
    if (code != WN_OK) return code;
    code = first_run(exe, c, &why);
    if (code == WN_DEVICE) wn_cuda_probe();
    if (code == WN_DEVICE && !wn_cuda_lost()) code = WN_UNSUPPORTED;
    return code == WN_OK ? code : wn_fail(err, code, "a plan of cuDNN's does not run: %s", why.text);
}

/* Several runs between two events: a single short one is mostly what the events themselves take. */
static bool measure(struct wn_cuda_exe *exe, struct candidate *c, cudaEvent_t begin, cudaEvent_t end)
{
    float ms = 0;
    bool good = cudaEventRecord(begin, exe->stream) == cudaSuccess;
    for (int i = 0; good && i < TIMED_RUNS; i++) good = wn_cuda_run_plan(exe, &c->job, NULL) == WN_OK;
    good = good && cudaEventRecord(end, exe->stream) == cudaSuccess && cudaEventSynchronize(end) == cudaSuccess &&
           cudaEventElapsedTime(&ms, begin, end) == cudaSuccess;
    if (good && ms < c->ms) c->ms = ms;
    return good;
}

/* In turns, so that a card that is still speeding up favours none of them; and not the heuristics' first for a
 * difference that is noise. */
static int quickest(struct wn_cuda_exe *exe, struct candidate *c, int n)
{
    const float clearly = 0.97f;
    cudaEvent_t begin = NULL, end = NULL;
    bool good = cudaEventCreate(&begin) == cudaSuccess && cudaEventCreate(&end) == cudaSuccess;
    int best = 0;
    for (int i = 0; good && i < TIMED_ROUNDS * n; i++) good = measure(exe, &c[i % n], begin, end);
    if (begin) cudaEventDestroy(begin);
    if (end) cudaEventDestroy(end);
    for (int i = 1; i < n; i++)
        if (c[i].ms < clearly * c[best].ms) best = i;
    return best;
}

/* Of those that run, the quickest or, where time is no matter, the first. The others are destroyed. */
static enum wn_code choose(struct wn_cuda_exe *exe, struct wn_cuda_plan **plans, int n, const struct wn_cuda_job *like,
                           bool by_time, struct wn_cuda_plan **out, struct wn_error *err)
{
    struct candidate c[MOST_PLANS];
    int running = 0, best = -1;
    enum wn_code code = WN_UNSUPPORTED;
    for (int i = 0; i < n; i++) {
        if ((running == 0 || by_time) && code != WN_DEVICE) {
            code = candidate_init(exe, plans[i], like, &c[running], err);
            if (code == WN_OK) {
                running++;
                continue;
            }
            candidate_finish(exe, &c[running]);
        }
        wn_cuda_plan_destroy(plans[i]);
    }
    if (running) best = by_time ? quickest(exe, c, running) : 0;
    for (int i = 0; i < running; i++) {
        candidate_finish(exe, &c[i]);
        if (i != best) wn_cuda_plan_destroy(c[i].plan);
    }
    if (running) *out = c[best].plan;
    return running ? WN_OK : code;
}

/* ---- the cache ---- */

static const char *cache_folder(void)
{
    const char *folder = getenv("WHYNOT_PLAN_CACHE");
    return folder && *folder ? folder : NULL;
}

bool wn_cuda_plans_are_kept(void)
{
    return cache_folder();
}

static bool cache_path(const struct wn_cuda_exe *exe, const struct wn_cuda_conv_shape *shape, char *path, size_t size)
{
    const char *folder = cache_folder();
    char key[512];
    if (!folder) return false;
    if ((size_t)wn_cuda_conv_key(shape, key, sizeof key) >= sizeof key) return false;
    int n = snprintf(path, size, "%s/%zu-%s-%s.json", folder, cudnnGetVersion(), exe->be->device_name, key);
    if (n < 0 || (size_t)n >= size) return false;
    for (char *p = path + strlen(folder) + 1; *p; p++)
        if (*p == ' ' || *p == '/' || *p == ',') *p = '_';
    return true;
}

static struct wn_cuda_plan *cache_get(const struct wn_cuda_planner *planner, const char *path)
{
    struct wn_cuda_plan *plan = NULL;
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    char *text = calloc(PLAN_TEXT_BYTES, 1);
    if (text && fread(text, 1, PLAN_TEXT_BYTES - 1, f) > 0 && wn_cuda_plan_load(planner, text, &plan, NULL) != WN_OK)
        plan = NULL;
    free(text);
    fclose(f);
    return plan;
}

/* Written aside and renamed, so that nobody reads half a plan; under a name of this process and this backend, for
 * other workers may write the same one now. A cache that cannot be written is none. */
static void cache_put(const struct wn_cuda_backend *be, const struct wn_cuda_plan *plan, const char *path)
{
    char aside[PATH_BYTES + 64];
    char *text = wn_cuda_plan_save(plan, NULL);
    snprintf(aside, sizeof aside, "%s.%ld-%p", path, (long)getpid(), (const void *)be);
    FILE *f = text ? fopen(aside, "wb") : NULL;
    if (f) {
        const bool good = fwrite(text, 1, strlen(text), f) == strlen(text);
        if (fclose(f) != 0 || !good || rename(aside, path) != 0) unlink(aside);
    }
    free(text);
}

/* ---- a plan ---- */

/* The best of `most` plans at the most. */
static enum wn_code plan_anew(struct wn_cuda_exe *exe, const struct wn_cuda_conv_shape *shape, int most, bool by_time,
                              const struct wn_cuda_job *job, struct wn_cuda_plan **out, int *n, struct wn_error *err)
{
    const struct wn_cuda_planner planner = {.handle = exe->be->libraries->dnn};
    struct wn_cuda_plan *plans[MOST_PLANS];
    enum wn_code code = wn_cuda_plans(&planner, shape, most, plans, n, err);
    return code == WN_OK ? choose(exe, plans, *n, job, by_time, out, err) : code;
}

enum wn_code wn_cuda_plan_make(struct wn_cuda_exe *exe, const struct wn_cuda_conv_shape *shape,
                               const struct wn_cuda_job *job, struct wn_cuda_plan **out, struct wn_error *err)
{
    const struct wn_cuda_planner planner = {.handle = exe->be->libraries->dnn};
    struct wn_cuda_plan *kept;
    struct wn_error why = {0};
    char path[PATH_BYTES];
    int n = 0;
    const bool cached = cache_path(exe, shape, path, sizeof path);
    if (cached && (kept = cache_get(&planner, path)) && choose(exe, &kept, 1, job, false, out, &why) == WN_OK)
        return WN_OK;
    /* those of a derivative are compiled, which takes a second each */
    const bool by_time = cached && !shape->derivative;
    enum wn_code code = plan_anew(exe, shape, by_time ? MOST_PLANS : 1, by_time, job, out, &n, &why);
    /* the first does not run */
    if (code == WN_UNSUPPORTED && n == 1) code = plan_anew(exe, shape, MOST_PLANS, false, job, out, &n, &why);
    if (code == WN_UNSUPPORTED) { /* no failure: somebody else will do it */
        snprintf(exe->be->refused, sizeof exe->be->refused, "%.127s", why.text);
        return code;
    }
    if (code != WN_OK) return wn_fail(err, code, "%s", why.text);
    if (cached) cache_put(exe->be, *out, path);
    return WN_OK;
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
