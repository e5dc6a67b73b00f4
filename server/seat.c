/* Engines for judging; knows no pictures and no clients. */
#include "seat.h"

#include "guard.h"
#include "plan_cache.h"

#include <stdio.h>
#include <string.h>

enum wn_code wn_shuffled_load(const struct wn_judging *j, const struct wn_model *m, const struct wn_config *config,
                              struct wn_graph **out, struct wn_error *err)
{
    const struct wn_manifest *manifest = &m->manifest;
    struct wn_graph_options how = {.input = manifest->input,
                                   .output = manifest->output,
                                   .height = manifest->height,
                                   .width = manifest->width,
                                   .shuffle_seed = j->seed + 1};
    char path[2048];
    bool wanted = false;
    *out = NULL;
    for (int i = 0; i < j->options.n_metrics; i++) wanted |= (j->options.metrics[i]->needs & WN_NEEDS_SHUFFLED) != 0;
    if (!wanted) return WN_OK;
    snprintf(path, sizeof path, "%s/%s/%s", config->models, m->folder, manifest->model);
    enum wn_code code = wn_graph_load(path, &how, out, err);
    if (code != WN_OK || strcmp(wn_graph_sha256(*out), wn_graph_sha256(m->graph)) == 0) return code;
    wn_graph_destroy(*out);
    *out = NULL;
    return wn_fail(err, WN_BAD_MODEL,
                   "the file of the model %s has changed since it was loaded, and the weights to shuffle are gone",
                   m->name);
}

enum wn_code wn_seat_open(const struct wn_judging *j, const struct wn_model *m, const struct wn_config *config,
                          struct wn_graph *shuffled, struct wn_seat *out, struct wn_error *err)
{
    struct wn_engine_options how = {.backend = config->backend, .max_images = (int)config->max_batch_size};
    struct wn_evaluation_options own = j->options;
    char plan_cache[WN_PLAN_CACHE_BYTES];
    how.device = wn_first_device(config, plan_cache);
    enum wn_code code = wn_engine_create(m->graph, &how, &out->engine, err);
    if (code == WN_OK && shuffled) code = wn_engine_create(shuffled, &how, &out->shuffled, err);
    own.shuffled = out->shuffled;
    wn_guard_look();
    return code == WN_OK ? wn_evaluation_create(out->engine, m->graph, &own, &out->evaluation, err) : code;
}

void wn_seat_close(struct wn_seat *s)
{
    wn_evaluation_destroy(s->evaluation);
    wn_engine_destroy(s->engine);
    wn_engine_destroy(s->shuffled);
    *s = (struct wn_seat){0};
}
