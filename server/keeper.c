/* Loading, unloading and freeing of models, one thing after another; knows no HTTP. */
#include "keeper.h"

#include "engines.h"
#include "log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST_FOLDERS 512

/* ---- the folders ---- */

struct folders {
    char (*name)[384];
    int n;
    int why; /* errno of a look that failed: what is not in the list may be there all the same; 0: none did */
};

/* What a look says of a file that is no model, or of a folder that is none of ours; anything else says nothing. */
static bool is_absence(int why)
{
    return why == ENOENT || why == ENOTDIR || why == ELOOP || why == EACCES;
}

static bool has(struct folders *all, int parent, const char *folder, const char *file)
{
    char path[700];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    if (faccessat(parent, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0) return true;
    if (!is_absence(errno)) all->why = errno;
    return false;
}

static void add_folder(struct folders *all, const char *top, const char *version)
{
    if (all->n < MOST_FOLDERS)
        snprintf(all->name[all->n++], sizeof all->name[0], version ? "%s/%s" : "%s", top, version);
}

/* The newest first: where memory is short, it is the old ones that stay out. A version's folder has a digit in front
 * and a network or a manifest in it: samples/ is none. */
static int add_versions(struct folders *all, int parent, const char *top)
{
    struct dirent **entries = NULL;
    int found = 0, n = scandirat(parent, top, &entries, NULL, versionsort);
    if (n < 0 && !is_absence(errno)) all->why = errno;
    for (int i = n - 1; i >= 0; i--) {
        char path[600];
        const char *name = entries[i]->d_name;
        snprintf(path, sizeof path, "%s/%s", top, name);
        if (name[0] >= '0' && name[0] <= '9' && wn_is_model_name(name) &&
            (has(all, parent, path, "manifest.json") || has(all, parent, path, "model.onnx"))) {
            add_folder(all, top, name);
            found++;
        }
        free(entries[i]);
    }
    free(entries);
    return found;
}

static void add_top(struct folders *all, int parent, const char *top)
{
    int versions = add_versions(all, parent, top);
    if (has(all, parent, top, "manifest.json") && (!versions || has(all, parent, top, "model.onnx")))
        add_folder(all, top, NULL);
}

/* only: one folder, or NULL for all. Names are taken from the folder's own list, never from a client. */
static enum wn_code find_folders(int parent, const char *only, struct folders *all, struct wn_error *err)
{
    struct dirent **entries = NULL;
    *all = (struct folders){.name = calloc(MOST_FOLDERS, sizeof all->name[0])};
    int n = all->name ? scandirat(parent, ".", &entries, NULL, alphasort) : -1;
    if (n < 0) all->why = errno;
    for (int i = 0; i < n; i++) {
        const char *name = entries[i]->d_name;
        if (name[0] != '.' && strlen(name) < 256 && (!only || strcmp(name, only) == 0)) add_top(all, parent, name);
        free(entries[i]);
    }
    free(entries);
    return all->why ? wn_fail(err, WN_NO_MEMORY, "the folder of models cannot be read: %s", strerror(all->why)) : WN_OK;
}

static bool is_in(const struct folders *all, const char *folder)
{
    for (int i = 0; i < all->n; i++)
        if (strcmp(all->name[i], folder) == 0) return true;
    return false;
}

/* ---- memory ---- */

static size_t room(const struct wn_keeper *k)
{
    size_t most = (size_t)k->config->model_memory_mb * 1000000, used = atomic_load(&k->shelf.bytes);
    if (!most) return SIZE_MAX;
    return used < most ? most - used : 0;
}

static enum wn_code check_room(const struct wn_keeper *k, const struct wn_model *m, size_t need, struct wn_error *err)
{
    size_t free_bytes = room(k);
    const struct wn_model *old = wn_models_in(k->shelf.current, m->folder);
    if (need <= free_bytes) return WN_OK;
    return wn_fail(
        err, WN_NO_MEMORY,
        "it needs %.1f MB and %.1f MB of the %lld MB of model_memory_mb are free%s: unload a model, or allow more",
        (double)need / 1e6, (double)free_bytes / 1e6, (long long)k->config->model_memory_mb,
        old && wn_model_is_ready(old) ? " (while it is loaded anew, the old one counts too)" : "");
}

/* ---- loading ---- */

static enum wn_code make_ready(struct wn_keeper *k, struct wn_model *m)
{
    size_t weights = (size_t)wn_graph_weight_bytes(m->graph);
    int64_t begin = wn_now_ns();
    enum wn_code code = check_room(k, m, weights, &m->why);
    if (code == WN_OK) code = wn_engines_first(m, k->config, &k->crew, &m->why);
    if (code != WN_OK) return code;
    m->bytes = weights + m->bytes_shared * (size_t)k->crew.n_devices + m->bytes_each * (size_t)k->crew.n;
    code = check_room(k, m, m->bytes, &m->why);
    if (code == WN_OK) code = wn_engines_rest(m, k->config, &k->crew, !atomic_load(&k->settled), &m->why);
    if (code == WN_OK) atomic_store(&k->workers, k->crew.n);
    m->warmup_ms = (double)(wn_now_ns() - begin) * 1e-6;
    return code;
}

static struct wn_model *load(struct wn_keeper *k, const char *folder)
{
    struct wn_model *m = wn_model_read(k->parent, folder, room(k));
    if (!m || m->why.code != WN_OK) return m;
    if (wn_models_check_twin(k->shelf.current, m, &m->why) == WN_OK) make_ready(k, m);
    if (m->why.code != WN_OK) m->bytes = 0;
    atomic_store(&m->state, m->why.code == WN_OK ? WN_MODEL_READY : WN_MODEL_FAILED);
    return m;
}

/* Loads what is in the folder in place of what was. A model that answers is only ever replaced by one that does. */
static enum wn_code bring(struct wn_keeper *k, const char *folder, struct wn_error *err)
{
    struct wn_model *old = wn_models_in(k->shelf.current, folder);
    if (old && wn_model_is_ready(old) && wn_model_is_current(old, k->parent))
        return wn_shelf_note(&k->shelf, old, NULL);
    struct wn_model *m = load(k, folder);
    if (!m) return wn_fail(err, WN_NO_MEMORY, "no memory for a model");
    struct wn_error why = m->why;
    if (why.code == WN_OK) {
        wn_log("info", "model %s, version %s: ready, %.12s", m->name, m->version, wn_graph_sha256(m->graph));
        return wn_shelf_replace(&k->shelf, old, m, err);
    }
    bool keep = old && wn_model_is_ready(old);
    wn_log("error", "model %s: %s%s", m->name, why.text, keep ? "; the one that was there goes on" : "");
    if (keep) {
        wn_shelf_note(&k->shelf, old, &why);
        wn_model_destroy(m);
    } else {
        wn_shelf_replace(&k->shelf, old, m, err);
    }
    return wn_fail(err, why.code, "%.128s: %.300s%s", folder, why.text, keep ? "; the one that was there goes on" : "");
}

/* ---- errands ---- */

static enum wn_code drop_missing(struct wn_keeper *k, const struct folders *found, struct wn_error *err)
{
    struct wn_models *now = wn_shelf_take(&k->shelf);
    enum wn_code code = WN_OK;
    for (int i = 0; i < now->n && code == WN_OK; i++)
        if (!is_in(found, now->list[i]->folder)) {
            wn_log("info", "model %s, version %s: its folder is gone", now->list[i]->name, now->list[i]->version);
            code = wn_shelf_replace(&k->shelf, now->list[i], NULL, err);
        }
    wn_models_release(now);
    return code;
}

static enum wn_code announce(struct wn_keeper *k, const struct folders *found, struct wn_error *err)
{
    enum wn_code code = WN_OK;
    for (int i = 0; i < found->n && code == WN_OK; i++) {
        if (wn_models_in(k->shelf.current, found->name[i])) continue;
        const char *slash = strchr(found->name[i], '/');
        struct wn_model *m = wn_model_placeholder(found->name[i], NULL, slash ? slash + 1 : "", WN_MODEL_LOADING);
        code = m ? wn_shelf_replace(&k->shelf, NULL, m, err) : wn_fail(err, WN_NO_MEMORY, "no memory for a model");
    }
    return code;
}

static void bring_all(struct wn_keeper *k, const struct folders *found, struct wn_error *err)
{
    for (int i = 0; i < found->n && !atomic_load(&k->hurry); i++) {
        struct wn_error one = {0};
        if (bring(k, found->name[i], &one) != WN_OK) wn_fail(err, one.code, "%s", one.text);
        wn_shelf_sweep(&k->shelf);
    }
}

static void rescan(struct wn_keeper *k, struct wn_error *err)
{
    struct folders found;
    if (find_folders(k->parent, NULL, &found, err) == WN_OK && drop_missing(k, &found, err) == WN_OK &&
        announce(k, &found, err) == WN_OK)
        bring_all(k, &found, err);
    free(found.name);
}

/* The top folder of the model with that name, or the name itself: a folder that nobody has read yet. */
static void folder_of(const struct wn_keeper *k, const char *name, char top[256])
{
    snprintf(top, 256, "%s", name);
    for (int i = 0; i < k->shelf.current->n; i++) {
        const struct wn_model *m = k->shelf.current->list[i];
        if (strcmp(m->name, name) == 0) snprintf(top, 256, "%.*s", (int)strcspn(m->folder, "/"), m->folder);
    }
}

/* Those of the found folders that hold the version asked for. */
static void keep_version(const struct wn_keeper *k, const char *version, struct folders *found)
{
    int n = 0;
    for (int i = 0; i < found->n; i++) {
        const char *slash = strchr(found->name[i], '/');
        const struct wn_model *m = wn_models_in(k->shelf.current, found->name[i]);
        if (slash ? strcmp(slash + 1, version) == 0 : m && strcmp(m->version, version) == 0)
            memmove(found->name[n++], found->name[i], sizeof found->name[0]);
    }
    found->n = n;
}

static void load_named(struct wn_keeper *k, const struct wn_task *t, struct wn_error *err)
{
    struct folders found;
    char top[256];
    folder_of(k, t->name, top);
    if (find_folders(k->parent, top, &found, err) == WN_OK) {
        if (t->version[0]) keep_version(k, t->version, &found);
        if (!found.n)
            wn_fail(err, WN_NO_SUCH_MODEL, "the folder of models has no model '%.64s'%s%.64s", t->name,
                    t->version[0] ? " of version " : "", t->version);
        bring_all(k, &found, err);
    }
    free(found.name);
}

static void unload_named(struct wn_keeper *k, const struct wn_task *t, struct wn_error *err)
{
    struct wn_models *now = wn_shelf_take(&k->shelf);
    int found = 0;
    for (int i = 0; i < now->n; i++) {
        struct wn_model *m = now->list[i];
        if (strcmp(m->name, t->name) != 0 || (t->version[0] && strcmp(m->version, t->version) != 0)) continue;
        found++;
        struct wn_model *left = wn_model_placeholder(m->folder, m->name, m->version, WN_MODEL_UNLOADED);
        if (!left)
            wn_fail(err, WN_NO_MEMORY, "no memory to unload a model");
        else if (wn_shelf_replace(&k->shelf, m, left, err) == WN_OK)
            wn_log("info", "model %s, version %s: unloaded", m->name, m->version);
    }
    wn_models_release(now);
    if (!found) wn_fail(err, WN_NO_SUCH_MODEL, "there is no model '%.64s' of that version", t->name);
}

static void run(struct wn_keeper *k, struct wn_task *t)
{
    if (t->errand == WN_ERRAND_RESCAN) rescan(k, &t->error);
    if (t->errand == WN_ERRAND_LOAD) load_named(k, t, &t->error);
    if (t->errand == WN_ERRAND_UNLOAD) unload_named(k, t, &t->error);
}

/* After `done` the task is the waiter's. */
static void finish(struct wn_task *t)
{
    void (*wake)(void *) = t->wake;
    void *waiter = t->waiter;
    if (!wake) {
        if (t->told) t->told(waiter);
        free(t);
        return;
    }
    atomic_store(&t->done, true);
    wake(waiter);
}

/* ---- the thread ---- */

static struct wn_task *next_task(struct wn_keeper *k)
{
    struct wn_shelf *s = &k->shelf;
    pthread_mutex_lock(&s->lock);
    while (!k->first && !k->closed && !s->dead) pthread_cond_wait(&s->work, &s->lock);
    struct wn_task *t = k->closed ? NULL : k->first;
    if (t) k->first = t->next;
    if (!k->first) k->last = NULL;
    pthread_mutex_unlock(&s->lock);
    return t;
}

static bool is_closed(struct wn_keeper *k)
{
    pthread_mutex_lock(&k->shelf.lock);
    bool closed = k->closed;
    pthread_mutex_unlock(&k->shelf.lock);
    return closed;
}

static void *keep(void *arg)
{
    struct wn_keeper *k = arg;
    struct wn_error err = {0};
    rescan(k, &err); /* what failed stands beside each model */
    atomic_store(&k->settled, true);
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 10); /* from now on there are requests to be answered first */
    while (!is_closed(k)) {
        struct wn_task *t = next_task(k);
        wn_shelf_sweep(&k->shelf);
        if (!t) continue;
        run(k, t);
        finish(t);
        wn_shelf_sweep(&k->shelf);
    }
    return NULL;
}

void wn_keeper_ask(struct wn_keeper *k, struct wn_task *task)
{
    task->next = NULL;
    pthread_mutex_lock(&k->shelf.lock);
    bool closed = k->closed;
    if (!closed) {
        if (k->last)
            k->last->next = task;
        else
            k->first = task;
        k->last = task;
        pthread_cond_signal(&k->shelf.work);
    }
    pthread_mutex_unlock(&k->shelf.lock);
    if (!closed) return;
    wn_fail(&task->error, WN_NOT_READY, "the server is stopping");
    finish(task);
}

void wn_keeper_rescan(struct wn_keeper *k, void (*done)(void *context), void *context)
{
    struct wn_task *t = calloc(1, sizeof *t);
    if (!t) return;
    t->errand = WN_ERRAND_RESCAN;
    t->told = done;
    t->waiter = context;
    wn_keeper_ask(k, t);
}

/* ---- life ---- */

enum wn_code wn_keeper_open(struct wn_keeper *k, const struct wn_config *config, struct wn_error *err)
{
    struct folders found = {0};
    k->config = config;
    wn_shelf_init(&k->shelf);
    k->parent = open(config->models, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (k->parent < 0)
        return wn_fail(err, WN_NOT_FOUND, "there is no folder '%s' of models; --models names it", config->models);
    enum wn_code code = wn_shelf_replace(&k->shelf, NULL, NULL, err); /* an empty one: there is always one */
    if (code == WN_OK) code = find_folders(k->parent, NULL, &found, err);
    if (code == WN_OK && !found.n)
        code =
            wn_fail(err, WN_NOT_FOUND, "no subfolder of '%s' has a manifest.json; see docs/models.md", config->models);
    if (code == WN_OK) code = announce(k, &found, err);
    free(found.name);
    return code;
}

enum wn_code wn_keeper_start(struct wn_keeper *k, struct wn_error *err)
{
    if (pthread_create(&k->thread, NULL, keep, k) != 0) return wn_fail(err, WN_NO_MEMORY, "a thread cannot be started");
    return WN_OK;
}

void wn_keeper_close(struct wn_keeper *k)
{
    atomic_store(&k->hurry, true);
    pthread_mutex_lock(&k->shelf.lock);
    k->closed = true;
    pthread_cond_broadcast(&k->shelf.work);
    pthread_mutex_unlock(&k->shelf.lock);
    pthread_join(k->thread, NULL);
    for (struct wn_task *t = k->first, *next; t; t = next) {
        next = t->next;
        wn_fail(&t->error, WN_NOT_READY, "the server is stopping");
        finish(t);
    }
    k->first = k->last = NULL;
}

void wn_keeper_finish(struct wn_keeper *k)
{
    wn_shelf_finish(&k->shelf);
    if (k->parent >= 0) close(k->parent);
}
