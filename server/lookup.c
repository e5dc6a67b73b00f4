/* Finding models for clients; knows no requests. */
#include "lookup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* name NULL: the names of all models, each once; else the versions of that one. Returns how many. */
static int choices(const struct wn_models *models, const char *name, const char **out)
{
    int n = 0;
    for (int i = 0; i < models->n; i++) {
        const struct wn_model *m = models->list[i];
        if (atomic_load(&m->state) == WN_MODEL_UNLOADED || (name && strcmp(m->name, name) != 0)) continue;
        const char *choice = name ? m->version : m->name;
        if (!n || strcmp(out[n - 1], choice) != 0) out[n++] = choice;
    }
    return n;
}

struct wn_model *wn_lookup(const struct wn_models *models, const char *name, const char *version, const char *prefix,
                           struct wn_problem *problem)
{
    struct wn_model *m = wn_models_find(models, name, version);
    char pointer[96];
    if (m) return m;
    bool only_version = version && wn_models_find(models, name, NULL);
    snprintf(pointer, sizeof pointer, "%s/%s", prefix, only_version ? "version" : "model");
    if (only_version)
        wn_problem_set(problem, pointer, WN_NO_SUCH_MODEL,
                       "there is no version '%.64s' of the model %s; /v1/models lists them", version, name);
    else
        wn_problem_set(problem, pointer, WN_NO_SUCH_MODEL, "there is no model '%.64s'; /v1/models lists them", name);
    const char **names = calloc((size_t)models->n + 1, sizeof *names);
    if (names)
        wn_problem_similar(problem, only_version ? version : name, names,
                           choices(models, only_version ? name : NULL, names));
    free(names);
    return NULL;
}

const char *wn_lookup_only(const struct wn_models *models)
{
    for (int i = 1; i < models->n; i++)
        if (strcmp(models->list[i]->name, models->list[0]->name) != 0) return NULL;
    return models->n ? models->list[0]->name : NULL;
}
