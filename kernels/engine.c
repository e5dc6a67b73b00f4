/* An engine and what it keeps: the backend, plans compiled for it, room for images. Knows no question. */
#include <whynot/engine.h>

#include <stdlib.h>
#include <string.h>

#include "engine.h"

/* ---- creation ---- */

static enum wn_code reserve(struct wn_engine *e, struct wn_error *err)
{
    size_t n = (size_t)e->max_images, r = (size_t)e->max_rows, k = (size_t)e->graph->classes;
    e->logits = calloc(2 * n * k, sizeof *e->logits);
    e->seeds = calloc(r * k, sizeof *e->seeds);
    e->rows = calloc(r, sizeof *e->rows);
    e->seed_rows = calloc(r, sizeof *e->seed_rows);
    e->sources = calloc(2 * n, sizeof *e->sources);
    e->pictures = calloc(2 * n, sizeof *e->pictures);
    if (!e->logits || !e->seeds || !e->rows || !e->seed_rows || !e->sources || !e->pictures)
        return wn_fail(err, WN_NO_MEMORY, "no memory for the engine's staging of %zu images", n);
    return WN_OK;
}

static enum wn_code keep_black(struct wn_engine *e, const float *black, struct wn_error *err)
{
    size_t bytes = (size_t)wn_graph_channels(e->graph) * sizeof *black;
    if (!black) return WN_OK;
    e->black = malloc(bytes);
    if (!e->black) return wn_fail(err, WN_NO_MEMORY, "no memory for an engine");
    memcpy(e->black, black, bytes);
    return WN_OK;
}

int wn_engine_default_layer(const struct wn_graph *g)
{
    return g->auto_layer >= 0 ? g->auto_layer : WN_LAYER_INPUT;
}

enum wn_code wn_engine_create(struct wn_graph *graph, const struct wn_engine_options *options, struct wn_engine **out,
                              struct wn_error *err)
{
    struct wn_engine *e = calloc(1, sizeof *e);
    struct wn_backend_traits traits = {0};
    struct wn_plan *first;
    if (!e) return wn_fail(err, WN_NO_MEMORY, "no memory for an engine");
    e->graph = graph;
    const struct wn_plan_key key = {.layer = wn_engine_default_layer(graph), .images = 1, .rows = 1, .in_order = true};
    enum wn_code code = wn_backend_open(options->backend, &options->device, &e->backend, err);
    if (code != WN_OK) goto fail;
    e->backend->impl->traits(e->backend, &traits);
    e->max_images = options->max_images > 0 ? options->max_images : traits.images;
    e->resident = options->resident;
    e->max_rows = options->max_rows > 0 ? options->max_rows : traits.rows;
    e->plan_bytes = PLAN_BYTES * (size_t)e->max_images;
    if ((code = reserve(e, err)) != WN_OK || (code = keep_black(e, options->black, err)) != WN_OK) goto fail;
    if ((code = wn_engine_plan(e, &key, &first, err)) != WN_OK) goto fail;
    *out = e;
    return WN_OK;
fail:
    wn_engine_destroy(e);
    return code;
}

void wn_engine_destroy(struct wn_engine *e)
{
    if (!e) return;
    for (int i = 0; i < MAX_PLANS; i++) wn_plan_destroy(e->plans[i]);
    for (int i = 0; i < MAX_STACK_PLANS; i++) wn_stack_plan_destroy(e->stacks[i]);
    wn_engine_profile(e, NULL, NULL);
    wn_backend_close(e->backend);
    free(e->images);
    free(e->black);
    free(e->logits);
    free(e->seeds);
    free(e->maps);
    free(e->rows);
    free(e->seed_rows);
    free(e->sources);
    free(e->pictures);
    free(e);
}

void wn_engine_traits(const struct wn_engine *e, struct wn_backend_traits *out)
{
    memset(out, 0, sizeof *out);
    e->backend->impl->traits(e->backend, out);
    out->backend = e->backend->impl->name;
    out->images = e->max_images;
    out->rows = e->max_rows;
}

enum wn_code wn_engine_draw(struct wn_engine *e, struct wn_heatmap *const *heatmaps, int n, struct wn_error *err)
{
    const struct wn_backend_impl *impl = e->backend->impl;
    for (int i = 0; i < n; i++) heatmaps[i]->done = false;
    return impl->draw && n ? impl->draw(e->backend, heatmaps, n, err) : WN_OK;
}

enum wn_code wn_engine_lap(struct wn_engine *e, double *ms, struct wn_error *err)
{
    const struct wn_backend_impl *impl = e->backend->impl;
    return impl->lap ? impl->lap(e->backend, ms, err)
                     : wn_fail(err, WN_UNSUPPORTED, "the backend '%s' has no clock of its own", impl->name);
}

void wn_answer_finish(struct wn_answer *a)
{
    free(a->map);
    a->map = NULL;
}

/* What a network rules out, it rules out every time; these might have gone well. */
static bool is_failure(enum wn_code code)
{
    return code == WN_NO_MEMORY || code == WN_DEVICE || code == WN_DEADLINE || code == WN_INTERNAL;
}

enum wn_code wn_answers_failure(const struct wn_answer *answers, int n, struct wn_error *err)
{
    for (int i = 0; i < n; i++)
        if (is_failure(answers[i].error.code)) return wn_fail(err, answers[i].error.code, "%s", answers[i].error.text);
    return WN_OK;
}

/* ---- room for images ---- */

size_t wn_engine_pixels(const struct wn_engine *e)
{
    return (size_t)(wn_graph_channels(e->graph) * wn_graph_height(e->graph) * wn_graph_width(e->graph));
}

enum wn_code wn_engine_room(struct wn_engine *e, struct wn_error *err)
{
    if (!e->images) e->images = malloc(2 * (size_t)e->max_images * wn_engine_pixels(e) * sizeof *e->images);
    return e->images ? WN_OK : wn_fail(err, WN_NO_MEMORY, "no memory for a batch of %d images", e->max_images);
}

/* ---- plans ---- */

/* Of those that there are; the first place where there is none. */
static int oldest_plan(const struct wn_engine *e)
{
    int oldest = 0;
    for (int i = 0; i < MAX_PLANS; i++)
        if (e->plans[i] && (!e->plans[oldest] || e->used[i] < e->used[oldest])) oldest = i;
    return oldest;
}

static int plan_slot(const struct wn_engine *e)
{
    for (int i = 0; i < MAX_PLANS; i++)
        if (!e->plans[i]) return i;
    return oldest_plan(e);
}

/* Weights are everybody's and stay; the rest is this engine's plans. */
static bool is_over_budget(const struct wn_engine *e)
{
    struct wn_backend_traits t = {0};
    e->backend->impl->traits(e->backend, &t);
    return t.device_bytes - t.shared_bytes > e->plan_bytes;
}

static int count_plans(const struct wn_engine *e)
{
    int n = 0;
    for (int i = 0; i < MAX_PLANS; i++) n += e->plans[i] != NULL;
    return n;
}

void wn_engine_let_old_plans_go(struct wn_engine *e)
{
    while (is_over_budget(e)) {
        const int plan = count_plans(e) > MIN_PLANS ? oldest_plan(e) : WN_NONE, stack = wn_engine_spare_stack(e);
        if (plan == WN_NONE && stack == WN_NONE) return;
        if (stack == WN_NONE || (plan != WN_NONE && e->used[plan] < e->stack_used[stack])) {
            wn_plan_destroy(e->plans[plan]);
            e->plans[plan] = NULL;
        } else {
            wn_stack_plan_destroy(e->stacks[stack]);
            e->stacks[stack] = NULL;
        }
    }
}

static enum wn_code grow_maps(struct wn_engine *e, const struct wn_plan *plan, struct wn_error *err)
{
    size_t need = 0;
    for (int i = 0; i < WN_MAX_METHODS; i++) {
        size_t size = (size_t)(plan->key.rows * plan->method[i].channels * plan->method[i].h * plan->method[i].w);
        if (size > need) need = size;
    }
    if (need <= e->map_floats) return WN_OK;
    float *bigger = realloc(e->maps, need * sizeof *bigger);
    if (!bigger) return wn_fail(err, WN_NO_MEMORY, "no memory for maps of %zu cells", need);
    e->maps = bigger;
    e->map_floats = need;
    return WN_OK;
}

static double compiled(const struct wn_method *m, const struct wn_settings *s, enum wn_setting which)
{
    return m->settings & 1u << which ? wn_setting(s, which) : 0;
}

struct wn_plan_key wn_engine_key(const struct wn_method *m, const struct wn_settings *s, int layer)
{
    struct wn_plan_key key = {.layer = layer};
    if (!m->build || !(m->run || m->flags & WN_METHOD_INPUT)) return key;
    key.alone = m;
    key.epsilon = compiled(m, s, WN_SETTING_EPSILON);
    key.alpha = compiled(m, s, WN_SETTING_ALPHA);
    return key;
}

enum wn_code wn_engine_plan(struct wn_engine *e, const struct wn_plan_key *key, struct wn_plan **out,
                            struct wn_error *err)
{
    int slot = -1;
    for (int i = 0; i < MAX_PLANS && slot < 0; i++)
        if (e->plans[i] && wn_plan_same_key(&e->plans[i]->key, key)) slot = i;
    if (slot < 0) {
        struct wn_plan *made;
        enum wn_code code = wn_plan_create(e->graph, e->backend, key, &made, err);
        if (code == WN_OK && (code = grow_maps(e, made, err)) != WN_OK) wn_plan_destroy(made);
        if (code != WN_OK) return code;
        slot = plan_slot(e);
        wn_plan_destroy(e->plans[slot]);
        e->plans[slot] = made;
        e->used[slot] = ++e->clock;
        wn_engine_let_old_plans_go(e);
    }
    e->used[slot] = ++e->clock;
    *out = e->plans[slot];
    return WN_OK;
}

int64_t wn_engine_bucket(int n, int most)
{
    int64_t size = 1;
    while (size < n && size < most) size *= 2;
    return size < most ? size : most;
}

int64_t wn_engine_rows(int n, int64_t images, int most)
{
    int64_t size = images;
    while (size < n && size < most) size *= 4;
    return size < most ? size : most;
}

enum wn_code wn_engine_forward_plan(struct wn_engine *e, int n, struct wn_plan **out, struct wn_error *err)
{
    struct wn_plan_key key = {.layer = wn_engine_default_layer(e->graph), .images = wn_engine_bucket(n, e->max_images)};
    key.rows = wn_engine_rows(0, key.images, e->max_rows);
    key.in_order = wn_plan_wants_order(&key);
    return wn_engine_plan(e, &key, out, err);
}
