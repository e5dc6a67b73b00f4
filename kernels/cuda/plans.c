/* The plans of a backend's convolutions, each made once: a network repeats its shapes, and so do its programs for
 * other layers, methods and numbers of questions. Knows cuDNN's plans only by what they are for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conv_graph.h"
#include "exe.h"
#include "switches.h"

struct wn_cuda_shared_plan {
    char key[512];
    struct wn_cuda_plan *plan;
    int users;          /* jobs that run it */
    unsigned long used; /* when it was last taken */
};

int wn_cuda_conv_key(const struct wn_cuda_conv_shape *c, char *dst, size_t size)
{
    int at = snprintf(dst, size, "%s%s%s%s", c->backward ? "bwd" : "fwd", c->residual ? "+res" : "",
                      c->bias ? "+bias" : "", c->relu ? "+relu" : "");
    if (c->derivative) at += snprintf(dst + at, size - (size_t)at, "+units%d", (int)c->units_type);
    at += snprintf(dst + at, size - (size_t)at, "%s-t%d-g%lld", c->exact ? "-exact" : "", (int)c->type,
                   (long long)c->groups);
    const struct wn_shape *shapes[3] = {&c->x, &c->w, &c->y};
    for (int i = 0; i < 3; i++) {
        const int64_t *dim = shapes[i]->dim;
        for (int d = 0; d < shapes[i]->rank && (size_t)at < size; d++)
            at += snprintf(dst + at, size - (size_t)at, "%c%lld", d ? 'x' : "XWY"[i], (long long)dim[d]);
    }
    for (int d = 0; d < c->win.rank && (size_t)at < size; d++)
        at += snprintf(dst + at, size - (size_t)at, "-s%lldd%lldp%lld.%lld", (long long)c->win.stride[d],
                       (long long)c->win.dilation[d], (long long)c->win.pad_lo[d], (long long)c->win.pad_hi[d]);
    return at;
}

static struct wn_cuda_shared_plan *find(const struct wn_cuda_backend *be, const char *key)
{
    for (int i = 0; i < be->n_plans; i++)
        if (strcmp(be->plans[i]->key, key) == 0) return be->plans[i];
    return NULL;
}

static void destroy(struct wn_cuda_shared_plan *p)
{
    wn_cuda_plan_destroy(p->plan);
    free(p);
}

/* Of those that nobody uses, the one that was taken longest ago; -1: there is none. */
static int oldest_idle(const struct wn_cuda_backend *be)
{
    int oldest = -1;
    for (int i = 0; i < be->n_plans; i++)
        if (!be->plans[i]->users && (oldest < 0 || be->plans[i]->used < be->plans[oldest]->used)) oldest = i;
    return oldest;
}

static void make_room(struct wn_cuda_backend *be)
{
    const int idle = be->n_plans >= WN_CUDA_MOST_PLANS ? oldest_idle(be) : -1;
    if (idle < 0) return;
    destroy(be->plans[idle]);
    be->plans[idle] = be->plans[--be->n_plans];
}

static enum wn_code make(struct wn_cuda_exe *exe, const struct wn_cuda_conv_shape *shape, const char *key,
                         const struct wn_cuda_job *job, struct wn_cuda_shared_plan **out, struct wn_error *err)
{
    struct wn_cuda_backend *be = exe->be;
    make_room(be);
    struct wn_cuda_shared_plan *p = calloc(1, sizeof *p);
    if (!p || !wn_cuda_grow(&be->plans, be->n_plans, &be->cap_plans, sizeof *be->plans)) {
        free(p);
        return wn_fail(err, WN_NO_MEMORY, "no memory for a plan");
    }
    enum wn_code code = wn_cuda_plan_make(exe, shape, job, &p->plan, err);
    if (code != WN_OK) return free(p), code;
    snprintf(p->key, sizeof p->key, "%s", key);
    *out = be->plans[be->n_plans++] = p;
    return WN_OK;
}

enum wn_code wn_cuda_plan_job(struct wn_cuda_exe *exe, const struct wn_cuda_conv_shape *shape, struct wn_cuda_job *job,
                              struct wn_error *err)
{
    struct wn_cuda_shared_plan *p;
    char key[sizeof p->key];
    enum wn_code code = WN_OK;
    if (wn_cuda_plain() || (size_t)wn_cuda_conv_key(shape, key, sizeof key) >= sizeof key) return WN_UNSUPPORTED;
    if (!wn_cuda_grow(&exe->plans, exe->n_plans, &exe->cap_plans, sizeof *exe->plans))
        return wn_fail(err, WN_NO_MEMORY, "no memory for the plans of a program");
    if (!(p = find(exe->be, key))) code = make(exe, shape, key, job, &p, err);
    if (code != WN_OK) return code;
    p->users++;
    p->used = ++exe->be->plans_taken;
    exe->plans[exe->n_plans++] = p;
    job->run = wn_cuda_run_plan;
    job->u.conv.plan = p->plan;
    wn_cuda_workspace(exe, (size_t)wn_cuda_plan_facts(p->plan).workspace_bytes);
    return WN_OK;
}

void wn_cuda_plans_give(struct wn_cuda_exe *exe)
{
    for (int i = 0; i < exe->n_plans; i++) exe->plans[i]->users--;
    free(exe->plans);
}

void wn_cuda_plans_close(struct wn_cuda_backend *be)
{
    for (int i = 0; i < be->n_plans; i++) destroy(be->plans[i]);
    free(be->plans);
}
