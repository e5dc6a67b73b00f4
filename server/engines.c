/* Engines made and warmed up; knows no folders and no requests. */
#include "engines.h"

#include "guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_IMAGES 1024

/* The first answer of an engine pays for what backends put off: let it be asked by nobody. */
static enum wn_code warm_up(struct wn_engine *engine, const struct wn_model *m, struct wn_error *err)
{
    const struct wn_graph *g = m->graph;
    size_t pixels = (size_t)(wn_graph_channels(g) * wn_graph_height(g) * wn_graph_width(g));
    float *input = calloc(pixels, sizeof *input), *logits = calloc((size_t)m->classes, sizeof *logits);
    enum wn_code code = WN_NO_MEMORY;
    struct wn_question q = {
        .layer = m->layer, .method = wn_method_at(0), .contrast = wn_contrast_find("logit"), .target = 0};
    struct wn_answer a = {0};
    const float *images[1] = {input};
    struct wn_batch batch = {1, images, 1, &q, NULL, NULL, NULL};
    if (input && logits)
        code = wn_engine_explain(engine, &batch, logits, &a, NULL, err);
    else
        wn_fail(err, code, "no memory to warm up");
    bool harmless =
        a.error.code == WN_BAD_NUMBERS || a.error.code == WN_NO_SUCH_LAYER; /* of a grey picture, of this method */
    if (code == WN_OK && a.error.code != WN_OK && !harmless) code = wn_fail(err, a.error.code, "%s", a.error.text);
    wn_answer_finish(&a);
    free(input);
    free(logits);
    return code;
}

/* The engine of that worker; before there is a crew, of the first one. */
static enum wn_code make_one(const struct wn_model *m, const struct wn_config *c, const struct wn_crew *crew, int worker, struct wn_engine **out,
                             struct wn_error *err)
{
    struct wn_engine_options options = {.backend = crew->n ? crew->backend : c->backend, .max_images = (int)c->max_batch_size};
    const int device = crew->n ? crew->device[wn_crew_device(crew, worker)] : wn_devices_first(c);
    options.device = (struct wn_backend_options){device, wn_precision_find(crew->n ? crew->precision : c->precision), (int)c->threads};
    float black[3];
    const struct wn_preprocess *p = &m->manifest.preprocess;
    for (int i = 0; i < 3; i++) black[i] = -p->mean[i] / p->std[i];
    if (wn_preprocess_channels(p) == wn_graph_channels(m->graph)) options.black = black;
    struct wn_engine *e = NULL;
    enum wn_code code = wn_engine_create(m->graph, &options, &e, err);
    if (code == WN_OK) code = warm_up(e, m, err);
    wn_guard_look();
    if (code != WN_OK) {
        wn_engine_destroy(e);
        e = NULL;
    }
    *out = e;
    return code;
}

/* How long runs of 1, 2, 4, ... images take on a backend that takes several, and from which size on a larger one gains little. */
static enum wn_code measure_runs(struct wn_model *m, const struct wn_config *c, struct wn_error *err)
{
    const struct wn_graph *g = m->graph;
    size_t pixels = (size_t)(wn_graph_channels(g) * wn_graph_height(g) * wn_graph_width(g)), most = (size_t)m->most_images;
    const float **images = calloc(most, sizeof *images);
    float *input = calloc(pixels, sizeof *input), *logits = calloc(most * (size_t)wn_graph_classes(g), sizeof *logits);
    enum wn_code code = images && input && logits ? WN_OK : wn_fail(err, WN_NO_MEMORY, "no memory to measure batches");
    double best = 0;
    for (size_t i = 0; i < most && images; i++) images[i] = input;
    for (int i = 0; i < WN_MODEL_SIZES && (i == 0 || 1 << (i - 1) < m->most_images) && code == WN_OK; i++) {
        int n = 1 << i < m->most_images ? 1 << i : m->most_images;
        struct wn_batch batch = {n, images, 0, NULL, NULL, NULL, NULL};
        for (int k = 0; k < 3 && code == WN_OK; k++) { /* the first one compiles */
            int64_t begin = wn_now_ns();
            code = wn_engine_explain(m->engines[0], &batch, logits, NULL, NULL, err);
            int64_t us = (wn_now_ns() - begin) / 1000 + 1;
            if (k > 0 && (!m->run_us[i] || us < m->run_us[i])) m->run_us[i] = us;
        }
        if (code != WN_OK) break;
        double rate = (double)n / (double)m->run_us[i];
        if (rate > 1.1 * best) m->preferred = n, best = rate;
    }
    wn_guard_look();
    if (c->preferred_batch_size) { /* the operator knows better */
        memset(m->run_us, 0, sizeof m->run_us);
        m->preferred = c->preferred_batch_size < m->most_images ? (int)c->preferred_batch_size : m->most_images;
    }
    free(images);
    free(input);
    free(logits);
    return code;
}

enum wn_code wn_engines_first(struct wn_model *m, const struct wn_config *config, struct wn_crew *crew, struct wn_error *err)
{
    struct wn_backend_traits traits;
    m->engines = calloc(1, sizeof(struct wn_engine *));
    if (!m->engines) return wn_fail(err, WN_NO_MEMORY, "no memory for engines");
    enum wn_code code = make_one(m, config, crew, 0, &m->engines[0], err);
    if (code != WN_OK) return code;
    m->n_engines = 1;
    wn_engine_traits(m->engines[0], &traits);
    m->most_images = traits.images < 1 ? 1 : traits.images > MOST_IMAGES ? MOST_IMAGES : traits.images;
    if (m->most_images > 1 && (code = measure_runs(m, config, err)) != WN_OK) return code;
    wn_engine_traits(m->engines[0], &traits); /* with what runs of every size have reserved */
    m->precision = traits.precision;
    m->prepares = traits.prepares;
    snprintf(m->device, sizeof m->device, "%s", traits.device_name);
    m->bytes_shared = traits.shared_bytes;
    m->bytes_each = traits.device_bytes - traits.shared_bytes;
    return crew->n ? WN_OK : wn_crew_choose(config, &traits, crew, err);
}

/* ---- the others ---- */

struct making {
    const struct wn_model *model;
    const struct wn_config *config;
    const struct wn_crew *crew;
    int worker;
    struct wn_engine **out;
    struct wn_error err;
    pthread_t thread;
    bool started;
};

static void *make_beside(void *arg)
{
    struct making *m = arg;
    make_one(m->model, m->config, m->crew, m->worker, m->out, &m->err);
    return NULL;
}

/* Engines on different cards are told apart in whatever names the device that answered. */
static void name_devices(struct wn_model *m, struct wn_crew *crew)
{
    struct wn_backend_traits traits;
    m->device[0] = 0;
    for (int d = 0; d < crew->n_devices; d++) {
        wn_engine_traits(m->engines[d], &traits);
        if (!crew->device_name[d][0]) snprintf(crew->device_name[d], sizeof crew->device_name[d], "%s", traits.device_name); /* from then on others read it */
        size_t used = strlen(m->device);
        if (!strstr(m->device, traits.device_name)) snprintf(m->device + used, sizeof m->device - used, "%s%s", used ? "; " : "", traits.device_name);
    }
}

enum wn_code wn_engines_rest(struct wn_model *m, const struct wn_config *config, struct wn_crew *crew, bool side_by_side, struct wn_error *err)
{
    enum wn_code code = WN_OK;
    const int n = crew->n;
    struct making *all = calloc((size_t)n, sizeof *all);
    struct wn_engine **engines = calloc((size_t)n, sizeof(struct wn_engine *));
    if (!all || !engines) {
        free(all);
        free(engines);
        return wn_fail(err, WN_NO_MEMORY, "no memory for engines");
    }
    engines[0] = m->engines[0];
    free(m->engines);
    m->engines = engines;
    m->n_engines = n; /* those that fail stay NULL, and the model is not used */
    for (int i = 1; i < n; i++) {
        all[i] = (struct making){.model = m, .config = config, .crew = crew, .worker = i, .out = &engines[i]};
        all[i].started = side_by_side && pthread_create(&all[i].thread, NULL, make_beside, &all[i]) == 0;
        if (!all[i].started) make_beside(&all[i]);
    }
    for (int i = 1; i < n; i++) {
        if (all[i].started) pthread_join(all[i].thread, NULL);
        if (all[i].err.code != WN_OK) code = wn_fail(err, all[i].err.code, "%s", all[i].err.text);
    }
    free(all);
    if (code == WN_OK) name_devices(m, crew);
    return code;
}
