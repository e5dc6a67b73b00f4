/* Models in memory: one struct for each version of each network, and the snapshots that requests see them through.
 *
 * A model never changes once it is in a snapshot. Loading makes a new model and a new snapshot; the old model is freed
 * when the last snapshot that has it is let go. So a request that holds its snapshot has one version from its first
 * look to its last byte. */
#ifndef WN_SERVER_MODELS_H
#define WN_SERVER_MODELS_H

#include "files.h"
#include "manifest.h"

#include <pthread.h>
#include <stdatomic.h>
#include <whynot/engine.h>
#include <whynot/graph.h>

#define WN_MODEL_SIZES 11 /* 1, 2, 4, ... 1024 images of one run */

enum wn_model_state { WN_MODEL_LOADING, WN_MODEL_READY, WN_MODEL_FAILED, WN_MODEL_UNLOADED };

struct wn_shelf;

struct wn_model {
    char name[65], version[65]; /* version: "" until the manifest is read */
    char folder[384];           /* under the folder of models: "signs", or "signs/2" */
    uint64_t serial;            /* never given twice in a process: what caches know a model by, not its address */
    struct wn_manifest manifest;
    struct wn_graph *graph; /* NULL where it could not be read */
    const char **labels;    /* one a class, in the manifest's pool */
    int classes;
    int layer; /* the layer that "auto" means in this model: the manifest's; -1 where there is none */
    char preprocess_hash[65];
    unsigned long long shared_manifest;     /* inode of the manifest that all versions share, 0 where there is none */
    struct wn_stamp stamps[WN_MODEL_FILES]; /* of the manifest, the network and the labels, as they were read */
    struct wn_error why;                    /* why it is not ready */
    struct wn_engine **engines;             /* one a worker, which alone may call it */
    int n_engines;
    int most_images;                /* of one run */
    int preferred;                  /* images of one run that are worth waiting for */
    int64_t run_us[WN_MODEL_SIZES]; /* measured time of a run of 1, 2, 4, ... images; 0: not measured */
    _Atomic int64_t image_us; /* what one unit of wn_item.work takes a worker just now; the queue's; 0: not known */
    char device[512];         /* of its engines: different names with "; " between */
    /* of the engines' backend: wn_picture_bytes of the largest picture that it prepares; 0: none */
    size_t prepares;
    int draws;             /* of that backend too: pixels of the largest heatmap that it draws; 0: none */
    _Atomic int plain;     /* convolutions and products by plain kernels, as many as the log was told of */
    const char *precision; /* what it computes in; NULL until an engine was opened */
    /* weights once, what engines share once a device, what each has for itself as often as there are workers */
    size_t bytes;
    size_t bytes_each;   /* of those, one worker's own */
    size_t bytes_shared; /* of those, what the engines of one device share there */
    double warmup_ms;    /* engines made and asked once */
    _Atomic int state;   /* enum wn_model_state */
    /* The shelf's. */
    _Atomic int refs;
    struct wn_shelf *shelf;
    struct wn_model *next_dead;
};

/* A snapshot: sorted by name, then version, the newest last. */
struct wn_models {
    struct wn_model **list;
    struct wn_error *notes; /* one a model: why the last try to load it anew failed, if it did */
    int n;
    _Atomic int refs;
    struct wn_shelf *shelf;
};

/* Where the current snapshot stands. */
struct wn_shelf {
    pthread_mutex_t lock; /* guards current and dead */
    pthread_cond_t work;  /* dead models wait to be freed, or the keeper is asked for something */
    struct wn_models *current;
    struct wn_model *dead;
    _Atomic size_t bytes; /* of all models that are not freed yet */
};

int64_t wn_now_ns(void); /* CLOCK_MONOTONIC */

/* ---- one model (models.c) ---- */

/* Reads manifest, network and labels of one folder ("signs", or "signs/2" where 2 is the version). Never NULL but
 * where memory is short; a failure stands in the model's `why`, and its state is FAILED. most_bytes: refuse networks
 * larger than that. */
struct wn_model *wn_model_read(int parent, const char *folder, size_t most_bytes);
/* A model that only has a name and a state; from: copies name, version and folder. */
struct wn_model *wn_model_placeholder(const char *folder, const char *name, const char *version,
                                      enum wn_model_state state);
/* Whether its files are still those that were read. */
bool wn_model_is_current(const struct wn_model *m, int parent);
void wn_model_destroy(struct wn_model *m); /* its engines too; NULL is fine */

/* The class that a label means, as in spelling.h; negative where none does, or several do. */
int wn_model_class(const struct wn_model *m, const char *label);
/* The automatic layer, or NULL where there is none. */
const struct wn_layer *wn_model_layer(const struct wn_model *m);
const char *wn_model_state_name(const struct wn_model *m); /* "ready" */
bool wn_model_is_ready(const struct wn_model *m);

/* How many of so many waiting pictures to run at once: what costs least a picture, by what was measured. */
int wn_model_run_size(const struct wn_model *m, int waiting);

/* ---- snapshots (shelf.c) ---- */

void wn_shelf_init(struct wn_shelf *shelf);
void wn_shelf_finish(struct wn_shelf *shelf);            /* no snapshot may be held any more */
struct wn_models *wn_shelf_take(struct wn_shelf *shelf); /* the current one, held for the caller */
struct wn_models *wn_models_hold(struct wn_models *models);
void wn_models_release(struct wn_models *models); /* NULL is fine */
/* The same for one model alone: what is held for long should not keep the others. hold: while its snapshot is held. */
struct wn_model *wn_model_hold(struct wn_model *m);
void wn_model_release(struct wn_model *m); /* NULL is fine */
/* Frees models that nobody holds. */
void wn_shelf_sweep(struct wn_shelf *shelf);

/* A new snapshot: the current one without `gone` (NULL: nothing) and with `fresh` (NULL: nothing; its owner is the
 * shelf from now on). Only one thread calls this. WN_NO_MEMORY: nothing has changed, and fresh is destroyed. */
enum wn_code wn_shelf_replace(struct wn_shelf *shelf, struct wn_model *gone, struct wn_model *fresh,
                              struct wn_error *err);
/* Notes beside a model why its newer self could not be loaded; NULL: it could. */
enum wn_code wn_shelf_note(struct wn_shelf *shelf, const struct wn_model *m, const struct wn_error *why);

/* The version of that name, or without one (NULL) the newest that is ready, or else the newest. NULL if there is
 * none. Models that were unloaded are not found. */
struct wn_model *wn_models_find(const struct wn_models *models, const char *name, const char *version);
/* What is in that folder, whatever its state. */
struct wn_model *wn_models_in(const struct wn_models *models, const char *folder);
/* Fails where another folder has a model of the same name and version that answers. */
enum wn_code wn_models_check_twin(const struct wn_models *models, const struct wn_model *m, struct wn_error *err);
int wn_models_ready(const struct wn_models *models); /* how many answer */
/* What the engines of those hold on a device that has so many of each. */
size_t wn_models_device_bytes(const struct wn_models *models, int engines);

#endif
