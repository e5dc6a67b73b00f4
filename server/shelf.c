/* Snapshots of the models, and who still holds what; knows neither folders nor engines. */
#include "models.h"

#include <stdlib.h>
#include <string.h>

void wn_shelf_init(struct wn_shelf *shelf)
{
    *shelf = (struct wn_shelf){0};
    pthread_mutex_init(&shelf->lock, NULL);
    pthread_cond_init(&shelf->work, NULL);
}

/* ---- holding ---- */

/* The last hold on a model is let go: whoever did that may be in a hurry, so the keeper frees it. */
static void bury(struct wn_model *m)
{
    struct wn_shelf *shelf = m->shelf;
    pthread_mutex_lock(&shelf->lock);
    m->next_dead = shelf->dead;
    shelf->dead = m;
    pthread_cond_signal(&shelf->work);
    pthread_mutex_unlock(&shelf->lock);
}

struct wn_models *wn_models_hold(struct wn_models *models)
{
    if (models) atomic_fetch_add(&models->refs, 1);
    return models;
}

struct wn_model *wn_model_hold(struct wn_model *m)
{
    atomic_fetch_add(&m->refs, 1);
    return m;
}

void wn_model_release(struct wn_model *m)
{
    if (m && atomic_fetch_sub(&m->refs, 1) == 1) bury(m);
}

static void forget(struct wn_models *models)
{
    free(models->list);
    free(models->notes);
    free(models);
}

void wn_models_release(struct wn_models *models)
{
    if (!models || atomic_fetch_sub(&models->refs, 1) > 1) return;
    for (int i = 0; i < models->n; i++) wn_model_release(models->list[i]);
    forget(models);
}

struct wn_models *wn_shelf_take(struct wn_shelf *shelf)
{
    pthread_mutex_lock(&shelf->lock);
    struct wn_models *models = wn_models_hold(shelf->current);
    pthread_mutex_unlock(&shelf->lock);
    return models;
}

void wn_shelf_sweep(struct wn_shelf *shelf)
{
    pthread_mutex_lock(&shelf->lock);
    struct wn_model *dead = shelf->dead;
    shelf->dead = NULL;
    pthread_mutex_unlock(&shelf->lock);
    while (dead) {
        struct wn_model *next = dead->next_dead;
        atomic_fetch_sub(&shelf->bytes, dead->bytes);
        wn_model_destroy(dead);
        dead = next;
    }
}

void wn_shelf_finish(struct wn_shelf *shelf)
{
    wn_models_release(shelf->current);
    shelf->current = NULL;
    wn_shelf_sweep(shelf);
    pthread_mutex_destroy(&shelf->lock);
    pthread_cond_destroy(&shelf->work);
}

/* ---- changing ---- */

/* By name, then version: "9" before "10". */
static bool before(const struct wn_model *a, const struct wn_model *b)
{
    int order = strcmp(a->name, b->name);
    return order ? order < 0 : strverscmp(a->version, b->version) < 0;
}

static struct wn_models *make(struct wn_shelf *shelf, int room)
{
    struct wn_models *models = calloc(1, sizeof *models);
    if (!models) return NULL;
    models->list = calloc((size_t)room + 1, sizeof(struct wn_model *));
    models->notes = calloc((size_t)room + 1, sizeof *models->notes);
    models->refs = 1;
    models->shelf = shelf;
    if (models->list && models->notes) return models;
    forget(models);
    return NULL;
}

static void add(struct wn_models *models, struct wn_model *m, const struct wn_error *note)
{
    atomic_fetch_add(&m->refs, 1);
    m->shelf = models->shelf;
    models->notes[models->n] = *note;
    models->list[models->n++] = m;
}

static void publish(struct wn_shelf *shelf, struct wn_models *models)
{
    pthread_mutex_lock(&shelf->lock);
    struct wn_models *old = shelf->current;
    shelf->current = models;
    pthread_mutex_unlock(&shelf->lock);
    wn_models_release(old);
}

enum wn_code wn_shelf_replace(struct wn_shelf *shelf, struct wn_model *gone, struct wn_model *fresh,
                              struct wn_error *err)
{
    static const struct wn_error nothing;
    const struct wn_models *old = shelf->current; /* only this thread changes it */
    struct wn_models *models = make(shelf, (old ? old->n : 0) + 1);
    struct wn_model *left = fresh;
    if (!models) {
        wn_model_destroy(fresh);
        return wn_fail(err, WN_NO_MEMORY, "no memory for the list of models");
    }
    for (int i = 0; old && i < old->n; i++) {
        if (left && before(left, old->list[i])) add(models, left, &nothing), left = NULL;
        if (old->list[i] != gone) add(models, old->list[i], &old->notes[i]);
    }
    if (left) add(models, left, &nothing);
    if (fresh) atomic_fetch_add(&shelf->bytes, fresh->bytes);
    publish(shelf, models);
    return WN_OK;
}

enum wn_code wn_shelf_note(struct wn_shelf *shelf, const struct wn_model *m, const struct wn_error *why)
{
    static const struct wn_error nothing;
    const struct wn_models *old = shelf->current;
    struct wn_models *models = make(shelf, old->n);
    if (!models) return WN_NO_MEMORY;
    for (int i = 0; i < old->n; i++)
        add(models, old->list[i], old->list[i] != m ? &old->notes[i] : why ? why : &nothing);
    publish(shelf, models);
    return WN_OK;
}

/* ---- looking ---- */

struct wn_model *wn_models_find(const struct wn_models *models, const char *name, const char *version)
{
    struct wn_model *best = NULL;
    for (int i = 0; i < models->n; i++) {
        struct wn_model *m = models->list[i];
        if (strcmp(m->name, name) != 0 || atomic_load(&m->state) == WN_MODEL_UNLOADED) continue;
        if (version && strcmp(m->version, version) != 0) continue;
        if (!best || wn_model_is_ready(m) || !wn_model_is_ready(best)) best = m;
    }
    return best;
}

struct wn_model *wn_models_in(const struct wn_models *models, const char *folder)
{
    for (int i = 0; i < models->n; i++)
        if (strcmp(models->list[i]->folder, folder) == 0) return models->list[i];
    return NULL;
}

enum wn_code wn_models_check_twin(const struct wn_models *models, const struct wn_model *m, struct wn_error *err)
{
    for (int i = 0; i < models->n; i++) {
        const struct wn_model *other = models->list[i];
        if (strcmp(other->folder, m->folder) != 0 && wn_model_is_ready(other) && strcmp(other->name, m->name) == 0 &&
            strcmp(other->version, m->version) == 0)
            return wn_fail(err, WN_BAD_MODEL, "the folder %.255s has a model of the same name and version",
                           other->folder);
    }
    return WN_OK;
}

int wn_models_ready(const struct wn_models *models)
{
    int ready = 0;
    for (int i = 0; models && i < models->n; i++) ready += wn_model_is_ready(models->list[i]);
    return ready;
}

size_t wn_models_device_bytes(const struct wn_models *models, int engines)
{
    size_t bytes = 0;
    for (int i = 0; i < models->n; i++)
        if (wn_model_is_ready(models->list[i]))
            bytes += models->list[i]->bytes_shared + models->list[i]->bytes_each * (size_t)engines;
    return bytes;
}
