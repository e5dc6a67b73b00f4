/* manifest.json: what a model folder says about its network. */
#ifndef WN_SERVER_MANIFEST_H
#define WN_SERVER_MANIFEST_H

#include "pool.h"

#include <media/preprocess.h>

struct wn_sample {
    const char *file, *label, *why_not; /* a picture of the folder, its class, and the rival worth asking about */
};

struct wn_manifest {
    const char *name; /* NULL: as the folder */
    const char *version, *description, *license;
    bool has_version;           /* false: "1", because it said nothing */
    const char *model, *labels; /* files: "model.onnx", "labels.txt" unless said otherwise */
    const char *input, *output; /* names in the graph, or NULL */
    const char *layer;          /* "auto" unless said otherwise */
    int height, width;          /* the network's input where the profile fixes it, else 0 */
    struct wn_preprocess preprocess;
    struct wn_sample *samples;
    int n_samples;
    struct wn_pool pool; /* holds all of the above */
};

/* json: n bytes. Unknown keys are refused by name. Finish the manifest whatever the result is. */
enum wn_code wn_manifest_parse(const char *json, size_t n, struct wn_manifest *m, struct wn_error *err);
void wn_manifest_finish(struct wn_manifest *m);
/* ^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$ */
int wn_is_model_name(const char *name);

#endif
