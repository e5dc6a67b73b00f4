/* The work of one request: its questions (slots), and the pictures they are about (items). A job is made by an HTTP
 * thread, handed to the queue, and read by an HTTP thread again; at any time one side owns each item. */
#ifndef WN_SERVER_JOB_H
#define WN_SERVER_JOB_H

#include "kept.h"
#include "models.h"
#include "question.h"

#include <media/image.h>
#include <stdatomic.h>
#include <whynot/evidence.h>
#include <whynot/preparing.h>

enum wn_map_kind { WN_MAP_CONTRAST, WN_MAP_TARGET, WN_MAP_RIVAL, WN_MAP_MEAN, WN_MAP_VARIANCE };

#define WN_MOST_KEYS 255 /* numbers of keys are small, so that tables can be kept over them */

enum wn_priority { WN_PRIORITY_LOW, WN_PRIORITY_NORMAL, WN_PRIORITY_HIGH, WN_PRIORITIES };

struct wn_job;
struct wn_lane;

/* One picture for one model, and everything asked about it: one forward pass. What is answered from the maps of
 * every class is an item of its own for each layer and method. */
struct wn_item {
    struct wn_job *job;
    struct wn_item *next, *previous; /* in the queue; the queue's, like the next three */
    struct wn_lane *lane;            /* where it waits, or NULL */
    int64_t taken_ns;
    int together; /* pictures of the run that it was taken for */
    /* known before anything is computed, in questions of one run (a forward and a backward pass); 0 counts as 1 */
    int64_t work;
    bool is_long;     /* the queue's: others should not find all workers at such work */
    int64_t run_work; /* of the first item of a run: all that the run takes */
    struct wn_model *model;
    const struct wn_slice *source;
    struct wn_problem problem; /* why this picture has no answers */
    bool too_many;             /* because more is asked about it than may be: nothing is wrong with the picture */
    struct wn_image image;     /* kept for overlays, else finished after preprocessing */
    struct wn_geometry geometry;
    float *input;                    /* C*H*W; malloc'd; NULL where the device makes it of `order` */
    struct wn_picture order;         /* with no input: what the network is to see of `image`, which stays until then */
    uint64_t picture;                /* of its bytes as they came: pictures that differ here differ */
    float *logits;                   /* the model's classes; in the job's pool */
    int n_questions, most_questions; /* most: what the arrays have room for */
    struct wn_question *questions;
    struct wn_answer *answers;
    enum wn_map_kind *kinds;
    /* by answer, drawn by the device where `done`; malloc'd, as are their indices; NULL: none is */
    struct wn_heatmap *heatmaps;
    /* its methods go back to the picture: it costs more than the forward pass that others could share with it */
    bool heavy;
    bool keep_pixels, needs_logits; /* needs_logits: some rivals are only known after the forward pass */
    /* stacked: answered from `kept`; needs_input: even so somebody wants the picture's numbers */
    bool stacked, needs_input;
    struct wn_kept_key key; /* of a stacked item */
    struct wn_kept *kept;   /* held; NULL: to be made */
    struct wn_kept_list *kept_list;
    int most_passes; /* forward passes for evidence that its slots ask for, at most */
    int64_t queued_ns;
    double decode_ms, queue_ms, forward_ms, backward_ms, cam_ms, evidence_ms;
};

/* One question of the client with its resolved names, and where its maps are among the item's answers. */
struct wn_slot {
    struct wn_ask ask;
    struct wn_problem problem;
    char pointer[32];    /* where its fields stand: "" or "/instances/3" */
    const char *picture; /* where its picture stands, if not beside them under the name image */
    struct wn_model *model;
    struct wn_item *item;
    const struct wn_contrast *contrast;
    int layer;
    int layers[WN_MOST_LAYERS], n_layers; /* to be fused; n_layers 0: `layer` alone */
    int *targets, n_targets;              /* n_targets 0: the prediction */
    int *foils, n_foils;                  /* resolved after the forward pass where `nearest` */
    int nearest;
    int first, n;                    /* answers item->answers[first .. first + n) */
    bool all;                        /* why_not=all */
    struct wn_statistics statistics; /* of a slot over all foils: its numbers; the maps are among the answers */
    struct wn_strip {
        int *classes, n, h, w;
        float *maps; /* n*h*w: the contrast with each of these rivals, nearest first; malloc'd */
    } strip;
    struct wn_masking *masking; /* one an answer of this slot, where evidence=mask; in the job's pool */
};

struct wn_job {
    struct wn_pool pool;
    struct wn_models *models; /* held: all that is resolved here is of this snapshot */
    struct wn_slot *slots;
    int n_slots;
    bool is_batch; /* the client sent a list, and gets one */
    struct wn_item *items;
    int n_items;
    int key; /* whose it is: the number of a key, 1 to WN_MOST_KEYS; 0 where no keys are in use */
    enum wn_priority priority;
    int64_t deadline_ns; /* CLOCK_MONOTONIC */
    /* Guarded by the queue's lock from wn_queue_push on. */
    int refs, pending;     /* pending: items that wait or run */
    bool pushed;           /* the queue has or had it */
    atomic_bool abandoned; /* its client went before that */
    /* the waiter was woken, or is about to be; a worker looks without the lock whether anybody still waits */
    atomic_bool finished;
    struct wn_error late;           /* why it was woken before everything was done */
    struct wn_job *next, *previous; /* among the jobs whose waiter was not woken */
    /* Called once, from another thread, when the job is finished. */
    void (*wake)(void *waiter);
    void *waiter;
};

bool wn_priority_find(const char *name, enum wn_priority *out); /* "low", "normal", "high" */

struct wn_job *wn_job_create(void);      /* NULL when memory is short */
void wn_job_destroy(struct wn_job *job); /* NULL is fine */
/* frees what its answers were made of: pictures, numbers, maps; nobody may work on it any more */
void wn_job_shed(struct wn_job *job);

#endif
