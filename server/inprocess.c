/* Requests that no connection carries; knows the routes, and nothing of HTTP. */
#include "inprocess.h"

#include "engines.h"
#include "gate.h"

#include <limits.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- models and engines ---- */

/* The path of a model folder is its name in the folder above it. name: PATH_MAX bytes. */
static void split_path(struct wn_server *s, const char *model, char *name)
{
    char manifest[PATH_MAX + 16], whole[PATH_MAX];
    snprintf(name, PATH_MAX, "%s", model);
    snprintf(manifest, sizeof manifest, "%s/manifest.json", model);
    if (access(manifest, F_OK) != 0 || !realpath(model, whole)) return;
    char *slash = strrchr(whole, '/');
    if ((size_t)(slash - whole) >= sizeof s->config.models) return;
    snprintf(name, PATH_MAX, "%s", slash + 1);
    *slash = 0;
    memcpy(s->config.models, *whole ? whole : "/", strlen(*whole ? whole : "/") + 1);
}

/* Reads the models that are named so, by their folder or by their manifest; drops the others. */
static enum wn_code read_models(struct wn_server *s, const char *name, bool by_folder, struct wn_error *err)
{
    struct wn_models *all = wn_shelf_take(&s->keeper.shelf);
    enum wn_code code = WN_OK;
    for (int i = 0; i < all->n && code == WN_OK; i++) {
        const char *folder = all->list[i]->folder;
        size_t top = strcspn(folder, "/");
        bool fits = !name || !by_folder || (strlen(name) == top && strncmp(name, folder, top) == 0);
        struct wn_model *m = fits ? wn_model_read(s->keeper.parent, folder, SIZE_MAX) : NULL;
        if (m && name && !by_folder && strcmp(m->name, name) != 0) wn_model_destroy(m), m = NULL;
        if (m && m->why.code == WN_OK) wn_models_check_twin(s->keeper.shelf.current, m, &m->why);
        if (m) atomic_store(&m->state, m->why.code == WN_OK ? WN_MODEL_READY : WN_MODEL_FAILED); /* ready: when asked */
        code = wn_shelf_replace(&s->keeper.shelf, all->list[i], m, err);
    }
    wn_models_release(all);
    return code;
}

static enum wn_code open_models(struct wn_server *s, const char *name, bool by_folder, struct wn_error *err)
{
    enum wn_code code = wn_keeper_open(&s->keeper, &s->config, err);
    return code == WN_OK ? read_models(s, name, by_folder, err) : code;
}

static enum wn_code load(struct wn_server *s, const char *model, struct wn_error *err)
{
    char name[PATH_MAX];
    const char *only = model ? name : NULL;
    if (model) split_path(s, model, name);
    enum wn_code code = open_models(s, only, true, err);
    if (code == WN_OK && only && !s->keeper.shelf.current->n) {
        wn_keeper_finish(&s->keeper);
        code = open_models(s, only, false, err);
    }
    const struct wn_models *found = s->keeper.shelf.current;
    if (code != WN_OK || !only) return code;
    if (!found->n)
        return wn_fail(err, WN_NO_SUCH_MODEL, "there is no model '%.64s' in the folder '%.300s'", name,
                       s->config.models);
    const struct wn_model *newest = found->list[found->n - 1];
    if (wn_models_ready(found)) return WN_OK;
    return wn_fail(err, newest->why.code, "the model %s cannot be used: %s", newest->name, newest->why.text);
}

enum wn_code wn_inprocess_open(const struct wn_config *config, const char *model, struct wn_server **out,
                               struct wn_error *err)
{
    struct wn_server *s = calloc(1, sizeof *s);
    if (!s) return wn_fail(err, WN_NO_MEMORY, "no memory to start");
    s->config = *config;
    s->keeper.parent = s->pictures = -1;
    wn_shelf_init(&s->keeper.shelf);
    enum wn_code code = model && !*model ? wn_shelf_replace(&s->keeper.shelf, NULL, NULL, err) : load(s, model, err);
    if (code == WN_OK)
        code = wn_queue_init(&s->queue, (int)s->config.max_queue_size, 0, err); /* whoever asks here may wait */
    if (code != WN_OK) {
        wn_keeper_finish(&s->keeper);
        free(s);
        return code;
    }
    *out = s;
    return WN_OK;
}

enum wn_code wn_inprocess_warm(struct wn_server *s, struct wn_error *err)
{
    const struct wn_models *all = s->keeper.shelf.current;
    struct wn_crew *crew = &s->keeper.crew;
    for (int i = 0; i < all->n; i++) {
        struct wn_model *m = all->list[i];
        if (!wn_model_is_ready(m)) continue;
        enum wn_code code = wn_engines_first(m, &s->config, crew, err);
        if (code == WN_OK) code = wn_engines_rest(m, &s->config, crew, true, err);
        if (code != WN_OK) return code;
    }
    if (!crew->n) return wn_fail(err, WN_NOT_READY, "no model can be used");
    atomic_store(&s->ready, true);
    return wn_workers_start(&s->workers, &s->config, &s->queue, crew, err);
}

void wn_inprocess_close(struct wn_server *s)
{
    if (!s) return;
    wn_queue_close(&s->queue);
    if (s->workers.list) wn_workers_stop(&s->workers);
    wn_queue_finish(&s->queue);
    wn_keeper_finish(&s->keeper);
    free(s);
}

/* ---- a request ---- */

static void wake(void *waiter)
{
    sem_post(waiter);
}

void wn_inprocess_wait(struct wn_request *r)
{
    struct wn_error err = {0};
    sem_t done;
    sem_init(&done, 0, 0);
    r->job->wake = wake;
    r->job->waiter = &done;
    enum wn_code code = wn_queue_push(&r->server->queue, r->job, NULL, NULL, &err);
    if (code != WN_OK)
        wn_problem_set(&r->problem, NULL, code, "%s", err.text);
    else
        while (sem_wait(&done) != 0) {
        }
    sem_destroy(&done);
}

static enum wn_code begin(struct wn_request *r, const char *method, const char *uri, const void *body, size_t size)
{
    size_t path = strcspn(uri, "?");
    r->begin_ns = wn_now_ns();
    r->reply.type = "application/json";
    r->reply.status = 200;
    snprintf(r->method, sizeof r->method, "%s", method);
    r->uri = wn_pool_text(&r->pool, uri, path);
    if (uri[path]) r->query = wn_pool_text(&r->pool, uri + path + 1, strlen(uri + path + 1));
    if (!r->uri || (uri[path] && !r->query)) return wn_problem_set(&r->problem, NULL, WN_NO_MEMORY, "no memory");
    if (size && !(r->body = malloc(size))) return wn_problem_set(&r->problem, NULL, WN_NO_MEMORY, "no memory");
    if (size) memcpy(r->body, body, size);
    r->body_size = size;
    return wn_gate_address(r);
}

enum wn_code wn_inprocess_call(struct wn_server *s, const char *method, const char *uri, const void *body, size_t size,
                               struct wn_inprocess_reply *out, struct wn_error *err)
{
    struct wn_request *r = calloc(1, sizeof *r);
    *out = (struct wn_inprocess_reply){0};
    if (!r) return wn_fail(err, WN_NO_MEMORY, "no memory for a question");
    r->server = s;
    if (begin(r, method, uri, body, size) == WN_OK)
        while (r->problem.error.code == WN_OK && !r->route->handle(r)) {
        }
    if (r->reply.body.failed) wn_problem_set(&r->problem, NULL, WN_NO_MEMORY, "no memory for the answer");
    if (r->problem.error.code != WN_OK) {
        wn_text_finish(&r->reply.body);
        r->reply.status = wn_code_http_status(r->problem.error.code);
        r->reply.type = "application/problem+json";
        wn_problem_write(&r->problem, r->id, &r->reply.body);
    }
    *out = (struct wn_inprocess_reply){r->reply.status, r->reply.type, r->reply.body.bytes};
    r->reply.body.bytes = (struct wn_buffer){0};
    wn_queue_release(&s->queue, r->job);
    wn_models_release(r->models);
    free(r->body);
    wn_pool_finish(&r->pool);
    free(r);
    return WN_OK;
}
