/* The engine inside, for the files that it is written in: its plans, one call, and the driver of methods that take
 * several runs. */
#ifndef WN_KERNELS_ENGINE_H
#define WN_KERNELS_ENGINE_H

#include <whynot/engine.h>

#include "plan.h"
#include "stack.h"

/* Plans that stay compiled: those asked for last, as many as may lie in so many bytes together for each image of a
 * run. Early layers of large networks make large plans; one call never holds more than MIN_PLANS. */
/* more than the pairs of sizes of a run, so that no load makes the common layer's programs drive each other out */
#define MAX_PLANS 24
#define MIN_PLANS 4
#define PLAN_BYTES ((size_t)512 << 20)
/* Plans for all classes at once, made when they are first asked for: one for each size of a batch, and some for
 * other layers and methods. They share those bytes, and one of them stays. */
#define MAX_STACK_PLANS 8

struct wn_engine {
    struct wn_graph *graph;
    struct wn_backend *backend;
    struct wn_profiled *profiled; /* profile.c; NULL: it runs as it always does */
    int max_images, max_rows;     /* of one run */
    bool resident;                /* images are sent to each plan once */
    struct wn_plan *plans[MAX_PLANS];
    unsigned long used[MAX_PLANS], clock; /* least recently used goes first */
    size_t plan_bytes;                    /* PLAN_BYTES for each image of a run */
    float *black;                         /* C, or NULL */
    /* staging, 2 * max_images * C*H*W: images, then their baselines; NULL until a run needs it */
    float *images;
    float *logits;              /* 2 * max_images * K */
    float *seeds, *maps, *rows; /* max_rows * K, max_rows * h*w of the largest plan, max_rows */
    /* 2 * max_images: numbers of images and of baselines, for a backend that prepares */
    const float **sources;
    const struct wn_picture **pictures; /* the same, where there are none */
    struct wn_seed_row *seed_rows;      /* max_rows: what a device makes seeds of */
    size_t map_floats;
    struct wn_stack_plan *stacks[MAX_STACK_PLANS];
    unsigned long stack_used[MAX_STACK_PLANS];
};

/* ---- engine.c ---- */

/* What of a plan's key a method and its settings decide; layer: as wn_engine_layer says. Still to be said: images,
 * rows, and whether they are in order. */
struct wn_plan_key wn_engine_key(const struct wn_method *m, const struct wn_settings *s, int layer);
/* The compiled plan of that key; it stays until MIN_PLANS others were asked for. */
enum wn_code wn_engine_plan(struct wn_engine *e, const struct wn_plan_key *key, struct wn_plan **out,
                            struct wn_error *err);
/* Of plans of both kinds, those asked for longest ago, until the rest fits. */
void wn_engine_let_old_plans_go(struct wn_engine *e);
/* The plan of a forward pass of n images (at most max_images) about which nobody asks. */
enum wn_code wn_engine_forward_plan(struct wn_engine *e, int n, struct wn_plan **out, struct wn_error *err);
/* Floats of one image, and room for 2*max_images of them in e->images. */
size_t wn_engine_pixels(const struct wn_engine *e);
enum wn_code wn_engine_room(struct wn_engine *e, struct wn_error *err);
/* What is compiled when nobody has named a layer. A network without an automatic one still has an input. */
int wn_engine_default_layer(const struct wn_graph *g);

/* Batches run in sizes that are powers of two, so that few programs serve every batch. */
int64_t wn_engine_bucket(int n, int most);
/* And the rows of n questions about so many images in as many as these, four times as many, sixteen times...: each
 * pair of sizes is a program of its own, compiled when it is first asked for. */
int64_t wn_engine_rows(int n, int64_t images, int most);

/* ---- engine_stack.c: every class at once ---- */

/* The stack plan that was asked for longest ago and may go, or WN_NONE where there is none but the last. */
int wn_engine_spare_stack(const struct wn_engine *e);

/* ---- engine_batch.c: one call ---- */

/* WN_NO_SUCH_LAYER where it is no layer of the network, or WN_LAYER_AUTO and 'auto' means none. */
enum wn_code wn_engine_check_layer(const struct wn_engine *e, int layer, struct wn_error *err);

/* Number of the layer that the question is about, or WN_LAYER_INPUT. */
int wn_engine_layer(const struct wn_engine *e, const struct wn_question *q);

/* ---- engine_runs.c: methods that take several runs ---- */

/* Answers one question of the batch; logits: K floats, the caller's, of its image. A failure stands in the answer. */
void wn_engine_run(struct wn_engine *e, const struct wn_batch *batch, int question, float *logits, struct wn_answer *a);

/* ---- engine_fuse.c: one map from several layers ---- */
void wn_engine_fuse(struct wn_engine *e, const struct wn_batch *batch, int question, float *logits,
                    struct wn_answer *a);

#endif
