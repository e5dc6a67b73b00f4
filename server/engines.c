/* Engines made and warmed up; knows no folders and no requests. */
#include "engines.h"

#include "guard.h"
#include "log.h"
#include "plan_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_IMAGES 1024

/* Grey pictures with a question each: what a run of a size is compiled and timed with. */
struct greys {
    const float **images;
    float *input, *logits;
    struct wn_question *questions;
    struct wn_answer *answers;
};

static void greys_finish(struct greys *g)
{
    free(g->images);
    free(g->input);
    free(g->logits);
    free(g->questions);
    free(g->answers);
}

static enum wn_code greys_make(struct greys *g, const struct wn_model *m, int n, struct wn_error *err)
{
    const struct wn_graph *of = m->graph;
    const size_t pixels = (size_t)(wn_graph_channels(of) * wn_graph_height(of) * wn_graph_width(of)), many = (size_t)n;
    *g = (struct greys){calloc(many, sizeof *g->images), calloc(pixels, sizeof *g->input),
                        calloc(many * (size_t)m->classes, sizeof *g->logits), calloc(many, sizeof *g->questions),
                        calloc(many, sizeof *g->answers)};
    if (!g->images || !g->input || !g->logits || !g->questions || !g->answers) {
        greys_finish(g);
        return wn_fail(err, WN_NO_MEMORY, "no memory to warm up");
    }
    for (int i = 0; i < n; i++) {
        g->images[i] = g->input;
        g->questions[i] = (struct wn_question){.image = i,
                                               .layer = m->layer,
                                               .method = wn_method_at(0),
                                               .contrast = wn_contrast_find("logit"),
                                               .target = 0};
    }
    return WN_OK;
}

static enum wn_code greys_run(struct greys *g, struct wn_engine *engine, int n, struct wn_error *err)
{
    const struct wn_batch batch = {n, g->images, n, g->questions, NULL, NULL, NULL};
    enum wn_code code = wn_engine_explain(engine, &batch, g->logits, g->answers, NULL, err);
    for (int i = 0; i < n; i++) {
        const struct wn_error *why = &g->answers[i].error;
        /* of a grey picture, of this method */
        const bool harmless = why->code == WN_BAD_NUMBERS || why->code == WN_NO_SUCH_LAYER;
        if (code == WN_OK && why->code != WN_OK && !harmless) code = wn_fail(err, why->code, "%s", why->text);
        wn_answer_finish(&g->answers[i]);
        g->answers[i] = (struct wn_answer){0};
    }
    return code;
}

/* The i-th size of a run, and how many sizes there are. */
static int size_at(int i, int most)
{
    return 1 << i < most ? 1 << i : most;
}

static int count_sizes(int most)
{
    int n = 1;
    while (n < WN_MODEL_SIZES && 1 << (n - 1) < most) n++;
    return n;
}

static int most_images(const struct wn_engine *e)
{
    struct wn_backend_traits traits;
    wn_engine_traits(e, &traits);
    return traits.images < 1 ? 1 : traits.images > MOST_IMAGES ? MOST_IMAGES : traits.images;
}

/* The first run of each size pays for its program and for what backends put off: let it be asked by nobody. */
static enum wn_code warm_up(struct wn_engine *engine, const struct wn_model *m, struct wn_error *err)
{
    const int most = most_images(engine);
    struct greys g;
    enum wn_code code = greys_make(&g, m, most, err);
    if (code != WN_OK) return code;
    for (int i = 0; i < count_sizes(most) && code == WN_OK; i++) code = greys_run(&g, engine, size_at(i, most), err);
    greys_finish(&g);
    return code;
}

/* The engine of that worker; before there is a crew, of the first one. */
static enum wn_code make_one(const struct wn_model *m, const struct wn_config *c, const struct wn_crew *crew,
                             int worker, struct wn_engine **out, struct wn_error *err)
{
    struct wn_engine_options options = {.backend = crew->n ? crew->backend : c->backend,
                                        .max_images = (int)c->max_batch_size};
    char plan_cache[WN_PLAN_CACHE_BYTES];
    options.device = wn_first_device(c, plan_cache);
    if (crew->n) {
        options.device.device = crew->device[wn_crew_device(crew, worker)];
        options.device.precision = wn_precision_find(crew->precision);
    }
    float black[3];
    const struct wn_preprocess *p = &m->manifest.preprocess;
    wn_preprocess_level(p, 0, black);
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

/* How long runs of 1, 2, 4, ... images take, and from which size on a larger one gains little. */
static enum wn_code measure_runs(struct wn_model *m, const struct wn_config *c, struct wn_error *err)
{
    struct greys g;
    double best = 0;
    enum wn_code code = greys_make(&g, m, m->most_images, err);
    if (code != WN_OK) return code;
    for (int i = 0; i < count_sizes(m->most_images) && code == WN_OK; i++) {
        const int n = size_at(i, m->most_images);
        for (int k = 0; k < (m->most_images > 1 ? 2 : 1) && code == WN_OK; k++) {
            int64_t begin = wn_now_ns();
            code = greys_run(&g, m->engines[0], n, err);
            int64_t us = (wn_now_ns() - begin) / 1000 + 1;
            if (!m->run_us[i] || us < m->run_us[i]) m->run_us[i] = us;
        }
        double rate = (double)n / (double)m->run_us[i];
        if (rate > 1.1 * best) m->preferred = n, best = rate;
    }
    if (best > 0) atomic_store(&m->image_us, (int64_t)(1 / best) + 1); /* until others were timed */
    greys_finish(&g);
    wn_guard_look();
    if (c->preferred_batch_size) { /* the operator knows better */
        memset(m->run_us, 0, sizeof m->run_us);
        m->preferred = c->preferred_batch_size < m->most_images ? (int)c->preferred_batch_size : m->most_images;
    }
    return code;
}

/* Nothing fails for it, and nothing else would say why the model is slow. */
static void warn_of_plain(struct wn_model *m, const struct wn_backend_traits *traits)
{
    int told = atomic_load(&m->plain);
    while (traits->plain > told && !atomic_compare_exchange_weak(&m->plain, &told, traits->plain)) continue;
    if (traits->plain > told)
        wn_log("warning",
               "model %s: plain kernels, which are slow, do %d convolutions and products that the device's libraries "
               "did not take: %s; `whynot doctor` looks at them",
               m->name, traits->plain, traits->refused);
}

void wn_engines_look(struct wn_model *m, const struct wn_engine *engine)
{
    struct wn_backend_traits traits;
    if (!m->draws) return; /* a processor has no such kernels, and asking it waits for who packs weights */
    wn_engine_traits(engine, &traits);
    warn_of_plain(m, &traits);
}

enum wn_code wn_engines_first(struct wn_model *m, const struct wn_config *config, struct wn_crew *crew,
                              struct wn_error *err)
{
    struct wn_backend_traits traits;
    m->engines = calloc(1, sizeof(struct wn_engine *));
    if (!m->engines) return wn_fail(err, WN_NO_MEMORY, "no memory for engines");
    enum wn_code code = make_one(m, config, crew, 0, &m->engines[0], err);
    if (code != WN_OK) return code;
    m->n_engines = 1;
    wn_engine_traits(m->engines[0], &traits);
    m->most_images = most_images(m->engines[0]);
    if ((code = measure_runs(m, config, err)) != WN_OK) return code;
    wn_engine_traits(m->engines[0], &traits); /* with what runs of every size have reserved */
    warn_of_plain(m, &traits);
    m->precision = traits.precision;
    m->prepares = traits.prepares;
    m->draws = traits.draws;
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
        /* from then on others read it */
        if (!crew->device_name[d][0])
            snprintf(crew->device_name[d], sizeof crew->device_name[d], "%s", traits.device_name);
        size_t used = strlen(m->device);
        if (!strstr(m->device, traits.device_name))
            snprintf(m->device + used, sizeof m->device - used, "%s%s", used ? "; " : "", traits.device_name);
    }
}

enum wn_code wn_engines_rest(struct wn_model *m, const struct wn_config *config, struct wn_crew *crew,
                             bool side_by_side, struct wn_error *err)
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
