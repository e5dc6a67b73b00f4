/* Engines for judging; knows no pictures and no clients. */
#include "seat.h"

#include "guard.h"
#include "plan_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* As the model's own was read: beneath the folder of models, through no link. */
static enum wn_code read_network(const struct wn_config *config, const struct wn_model *m, struct wn_buffer *out,
                                 struct wn_error *err)
{
    const size_t most = (size_t)wn_graph_limits_default().file_bytes;
    int parent = open(config->models, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int folder = parent < 0 ? -1 : wn_open_folder(parent, m->folder);
    enum wn_code code = folder < 0 ? wn_fail(err, WN_BAD_MODEL, "the folder of the model %s cannot be opened: %s",
                                             m->name, strerror(errno))
                                   : wn_read_beneath(folder, m->manifest.model, most, out, NULL, err);
    if (folder >= 0) close(folder);
    if (parent >= 0) close(parent);
    return code;
}

enum wn_code wn_shuffled_load(const struct wn_judging *j, const struct wn_model *m, const struct wn_config *config,
                              struct wn_graph **out, struct wn_error *err)
{
    const struct wn_manifest *manifest = &m->manifest;
    struct wn_graph_options how = {.input = manifest->input,
                                   .output = manifest->output,
                                   .height = manifest->height,
                                   .width = manifest->width,
                                   .shuffle_seed = j->seed + 1};
    struct wn_buffer file = {0};
    bool wanted = false;
    *out = NULL;
    for (int i = 0; i < j->options.n_metrics; i++) wanted |= (j->options.metrics[i]->needs & WN_NEEDS_SHUFFLED) != 0;
    if (!wanted) return WN_OK;
    enum wn_code code = read_network(config, m, &file, err);
    if (code == WN_OK) code = wn_graph_parse(file.data, file.size, &how, out, err);
    wn_buffer_finish(&file);
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
