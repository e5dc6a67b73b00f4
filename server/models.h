/* The models that the daemon serves: read once at the start, then only looked at. */
#ifndef WN_SERVER_MODELS_H
#define WN_SERVER_MODELS_H

#include "manifest.h"

#include <stdatomic.h>
#include <whynot/graph.h>

enum wn_model_state { WN_MODEL_LOADING, WN_MODEL_READY, WN_MODEL_FAILED };

struct wn_model {
    char name[65];
    char folder[256]; /* under the folder of models */
    struct wn_manifest manifest;
    struct wn_graph *graph; /* NULL where it could not be read */
    const char **labels;    /* one a class, in the manifest's pool */
    int classes;
    int layer; /* the layer that "auto" means in this model: the manifest's; -1 where there is none */
    char preprocess_hash[65];
    /* Written by the first worker before `state` leaves LOADING, read by anyone after. */
    struct wn_error why; /* why it is not ready */
    char device[128], backend[32];
    const char *precision; /* what it computes in; NULL until a worker has opened it */
    size_t device_bytes;
    double warmup_ms;
    _Atomic int state; /* enum wn_model_state */
};

struct wn_models {
    struct wn_model *list;
    int n;
};

/* Loads every subfolder of `folder` that has a manifest.json, sorted by name. A model that cannot be read is listed as
 * FAILED with its reason; WN_NOT_FOUND where there is no folder or no model in it at all. */
enum wn_code wn_models_load(const char *folder, struct wn_models *models, struct wn_error *err);
void wn_models_finish(struct wn_models *models); /* no engine may be alive */

struct wn_model *wn_models_find(const struct wn_models *models, const char *name); /* NULL if there is none */
int wn_models_ready(const struct wn_models *models);                               /* how many answer */
/* The class with this label, whatever its case; -1 if there is none. */
int wn_model_class(const struct wn_model *m, const char *label);

/* The automatic layer, or NULL where there is none. */
const struct wn_layer *wn_model_layer(const struct wn_model *m);

#endif
