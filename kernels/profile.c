/* Runs step by step: the engine's backend gets another `run`, so that nobody who calls it has to know. */
#include <stdlib.h>

#include "engine.h"

struct wn_profiled {
    struct wn_backend_impl impl; /* the backend's own but for `run`; first member: what its `impl` points to */
    const struct wn_backend_impl *own;
    struct wn_profiler profiler;
};

static enum wn_code run_profiled(struct wn_exe *exe, int stage, struct wn_error *err)
{
    const struct wn_profiled *p = (const struct wn_profiled *)exe->backend->impl;
    return p->own->profile(exe, stage, &p->profiler, err);
}

enum wn_code wn_engine_profile(struct wn_engine *e, const struct wn_profiler *profiler, struct wn_error *err)
{
    if (e->profiled) e->backend->impl = e->profiled->own;
    free(e->profiled);
    e->profiled = NULL;
    if (!profiler) return WN_OK;
    const struct wn_backend_impl *own = e->backend->impl;
    if (!own->profile) return wn_fail(err, WN_UNSUPPORTED, "the backend '%s' does not time its steps", own->name);
    e->profiled = malloc(sizeof *e->profiled);
    if (!e->profiled) return wn_fail(err, WN_NO_MEMORY, "no memory to time steps");
    *e->profiled = (struct wn_profiled){.impl = *own, .own = own, .profiler = *profiler};
    e->profiled->impl.run = run_profiled;
    e->backend->impl = &e->profiled->impl;
    return WN_OK;
}
