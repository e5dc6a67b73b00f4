/* Choosing by running: what a library offers for a job is run where the job will run, for what can be made need not
 * run. Knows no library but the CUDA runtime. */
#include <math.h>

#include <cuda_runtime_api.h>

#include "check.h"
#include "exe.h"

enum { TIMED_ROUNDS = 3, TIMED_RUNS = 4 };

/* A candidate that has run once. */
struct runner {
    struct wn_cuda_job job;
    int of;   /* which candidate */
    float ms; /* of the quickest measurement */
};

/* ---- one workspace for all, for memory that is given back waits for whatever the device is at ---- */

static enum wn_code make_room(struct wn_cuda_exe *exe, size_t bytes, const char *what, struct wn_error *err)
{
    if (bytes <= exe->trial_bytes) return WN_OK;
    wn_cuda_trials_end(exe);
    enum wn_code code = wn_cuda_alloc(exe->be, bytes, what, &exe->trial, err);
    if (code == WN_OK) exe->trial_bytes = bytes;
    return code;
}

void wn_cuda_trials_end(struct wn_cuda_exe *exe)
{
    wn_cuda_free(exe->be, exe->trial, exe->trial_bytes);
    exe->trial = NULL, exe->trial_bytes = 0;
}

/* For all that will be compared, which are bound to it side by side; where there is not so much memory, what fits
 * beside the first that runs is compared. */
static void make_room_for_all(struct wn_cuda_exe *exe, const struct wn_cuda_candidate *c, int n)
{
    size_t most = 0;
    for (int i = 0; i < n; i++)
        if (c[i].workspace_bytes > most) most = c[i].workspace_bytes;
    make_room(exe, most, "", NULL);
}

/* ---- running ---- */

/* The executable has no workspace of its own while its jobs are made, only what it will want. */
static enum wn_code with_workspace(struct wn_cuda_exe *exe, struct runner *r,
                                   enum wn_code (*act)(struct wn_cuda_exe *, struct runner *, struct wn_error *),
                                   struct wn_error *err)
{
    const size_t wanted = exe->workspace_bytes;
    exe->workspace = exe->trial, exe->workspace_bytes = exe->trial_bytes;
    enum wn_code code = act(exe, r, err);
    exe->workspace = NULL, exe->workspace_bytes = wanted;
    return code;
}

static enum wn_code bind(struct wn_cuda_exe *exe, struct runner *r, struct wn_error *err)
{
    return r->job.run == wn_cuda_run_plan ? wn_cuda_plan_bind(exe, &r->job, err) : WN_OK;
}

static enum wn_code run(struct wn_cuda_exe *exe, struct runner *r, struct wn_error *err)
{
    return r->job.run(exe, &r->job, err);
}

static void finish(struct runner *r)
{
    if (r->job.run == wn_cuda_run_plan) wn_cuda_plan_unbind(&r->job);
}

/* Runs the candidate once. WN_UNSUPPORTED: it does not run, and the device is well. Finish r in any case. */
static enum wn_code begin(struct wn_cuda_exe *exe, const struct wn_cuda_candidate *c, struct runner *r,
                          struct wn_error *err)
{
    struct wn_error why = {0};
    enum wn_code code = with_workspace(exe, r, bind, &why);
    if (code == WN_OK) code = with_workspace(exe, r, run, &why);
    if (code == WN_OK) code = wn_cuda_wait(exe, &why);
    code = wn_cuda_outlive(code);
    return code == WN_OK ? code : wn_fail(err, code, "%s does not run: %s", c->name, why.text);
}

/* Several runs between two events: a single short one is mostly what the events themselves take. */
static bool measure(struct wn_cuda_exe *exe, struct runner *r, cudaEvent_t began, cudaEvent_t ended)
{
    float ms = 0;
    bool good = cudaEventRecord(began, exe->stream) == cudaSuccess;
    for (int i = 0; good && i < TIMED_RUNS; i++) good = with_workspace(exe, r, run, NULL) == WN_OK;
    good = good && cudaEventRecord(ended, exe->stream) == cudaSuccess && cudaEventSynchronize(ended) == cudaSuccess &&
           cudaEventElapsedTime(&ms, began, ended) == cudaSuccess;
    if (good && ms < r->ms) r->ms = ms;
    return good;
}

/* In turns, so that a card that is still speeding up favours none of them; and not the heuristics' first for a
 * difference that is noise. */
static int quickest(struct wn_cuda_exe *exe, struct runner *r, int n)
{
    const float clearly = 0.97f;
    cudaEvent_t began = NULL, ended = NULL;
    bool good = cudaEventCreate(&began) == cudaSuccess && cudaEventCreate(&ended) == cudaSuccess;
    int best = 0;
    for (int i = 0; good && i < TIMED_ROUNDS * n; i++) good = measure(exe, &r[i % n], began, ended);
    if (began) cudaEventDestroy(began);
    if (ended) cudaEventDestroy(ended);
    for (int i = 1; i < n; i++)
        if (r[i].ms < clearly * r[best].ms) best = i;
    return best;
}

/* Of those whose workspace there is memory for. */
static enum wn_code try_one(struct wn_cuda_exe *exe, const struct wn_cuda_candidate *c, bool others_bound,
                            struct runner *r, struct wn_error *err)
{
    enum wn_code code = WN_OK;
    if (others_bound && c->workspace_bytes > exe->trial_bytes)
        code = wn_fail(err, WN_NO_MEMORY, "no memory for %s", c->what);
    else
        code = make_room(exe, c->workspace_bytes, c->what, err);
    return code == WN_OK ? begin(exe, c, r, err) : code;
}

enum wn_code wn_cuda_trial(struct wn_cuda_exe *exe, const struct wn_cuda_candidate *c, int n, bool by_time, int *best,
                           struct wn_error *err)
{
    struct runner r[WN_CUDA_MOST_CANDIDATES];
    struct wn_error why = {0};
    int running = 0;
    enum wn_code code = WN_UNSUPPORTED;
    if (by_time) make_room_for_all(exe, c, n);
    for (int i = 0; i < n && (running == 0 || by_time) && code != WN_DEVICE; i++) {
        r[running] = (struct runner){.job = c[i].job, .of = i, .ms = HUGE_VALF};
        why = (struct wn_error){0};
        code = try_one(exe, &c[i], running > 0, &r[running], &why);
        if (code == WN_OK)
            running++;
        else
            finish(&r[running]);
    }
    if (running) *best = r[by_time ? quickest(exe, r, running) : 0].of;
    for (int i = 0; i < running; i++) finish(&r[i]);
    return running ? WN_OK : wn_fail(err, code, "%s", why.text);
}
