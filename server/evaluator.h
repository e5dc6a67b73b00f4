/* Evaluations as jobs: pictures judged one after the other by a thread that steps back before everything else, and
 * results that are kept for whoever asked. Knows no HTTP. */
#ifndef WN_SERVER_EVALUATOR_H
#define WN_SERVER_EVALUATOR_H

#include "config.h"
#include "evaluation.h"
#include "job.h"
#include "keys.h"

#define WN_EVALUATION_ID 32 /* hexadecimal digits; nobody guesses them */

#define WN_ASSESSMENT_STATES(X)                                                                                        \
    X(WAITING, "waiting") X(RUNNING, "running") X(DONE, "done") X(CANCELLED, "cancelled") X(FAILED, "failed")
enum wn_assessment_state {
#define X(id, name) WN_ASSESSMENT_##id,
    WN_ASSESSMENT_STATES(X)
#undef X
};

enum wn_exhibit_part { WN_PART_IMAGE, WN_PART_TRUTH, WN_PART_COUNTERFACTUAL, WN_PART_ELSEWHERE, WN_PARTS };

struct wn_instance {
    struct wn_exhibit exhibit;             /* without its bytes */
    const struct wn_slice *part[WN_PARTS]; /* base64 within the body; NULL: there is none */
};

/* One evaluation. What it judges belongs to the thread from wn_evaluator_add on, what came of it is guarded by the
 * evaluator's lock. */
struct wn_assessment {
    char id[WN_EVALUATION_ID + 1];
    int key; /* whose it is, see wn_job */
    char key_name[WN_KEY_NAME + 1];
    struct wn_model *model; /* held until the end */
    char model_name[65], version[65], sha256[65];
    struct wn_judging judging;
    struct wn_pool pool; /* of the instances */
    char *body;          /* malloc'd: what the instances' parts point into */
    struct wn_instance *instances;
    int of;
    atomic_bool cancel;
    /* that it counts for: what it holds while it waits or runs and may come to hold, then what it holds */
    size_t bytes;
    enum wn_assessment_state state;
    int done, failed;            /* pictures, and those of them without an answer */
    int64_t begin_ns, end_ns;    /* of the run; 0: not yet */
    struct wn_text lines, table; /* JSON objects with commas between, and one */
    struct wn_error error;
    struct wn_assessment *next; /* younger */
};

struct wn_evaluator {
    const struct wn_config *config;
    pthread_mutex_t lock;
    pthread_cond_t work;
    pthread_t thread;
    bool started, closed;
    struct wn_assessment *first;
    int n;
    size_t bytes;
    uint64_t clock, served[WN_MOST_KEYS + 1]; /* when a key's last evaluation began: whose turn it is */
};

void wn_assessment_free(struct wn_assessment *job); /* NULL is fine */
const char *wn_assessment_state_name(int i);        /* NULL past the end */

enum wn_code wn_evaluator_start(struct wn_evaluator *e, const struct wn_config *config, struct wn_error *err);
/* Ends what runs before its next forward pass, takes no more; results can still be read. */
void wn_evaluator_close(struct wn_evaluator *e);
/* Ends the thread and frees everything. A zero-initialised evaluator is fine. */
void wn_evaluator_finish(struct wn_evaluator *e);

/* Hands in a job, whose owner is the evaluator from now on, also after a failure; id (WN_EVALUATION_ID + 1) is
 * filled. The oldest results make room, those of the same key first; a job that is refused costs nobody a result.
 * Errors: WN_TOO_LARGE for more bytes than all may hold, WN_QUEUE_FULL, WN_NOT_READY while stopping. */
enum wn_code wn_evaluator_add(struct wn_evaluator *e, struct wn_assessment *job, char *id, struct wn_error *err);
/* The job with this id, locked until wn_evaluator_unlock; NULL: there is none, and nothing is locked. */
struct wn_assessment *wn_evaluator_lock(struct wn_evaluator *e, const char *id);
void wn_evaluator_unlock(struct wn_evaluator *e);
/* Within the lock. What is over already stays as it is; why: for whoever asks about it. */
void wn_evaluator_cancel(struct wn_evaluator *e, struct wn_assessment *job, const char *why);
int wn_evaluator_waiting(struct wn_evaluator *e);

#endif
