/* An engine: one graph on one backend, owned by one thread. Images and questions in, logits and maps out. */
#ifndef WHYNOT_ENGINE_H
#define WHYNOT_ENGINE_H

#include <whynot/backend.h>
#include <whynot/explain.h>
#include <whynot/graph.h>
#include <whynot/stack.h>

#ifdef __cplusplus
extern "C" {
#endif

struct wn_engine;

struct wn_engine_options {
    const char *backend; /* row name or "auto" / NULL */
    struct wn_backend_options device;
    int max_images, max_rows; /* of one run; 0: as many as the backend says are worth gathering */
    const float *black; /* C values, the caller's, copied: a black pixel in the network's units; NULL: nobody knows */
    /* for measuring: each of its programs is sent the images of its first run, and computes with these ever after */
    bool resident;
};

/* Opens the backend and compiles the program of the graph's automatic layer. */
WN_API enum wn_code wn_engine_create(struct wn_graph *graph, const struct wn_engine_options *options,
                                     struct wn_engine **out, struct wn_error *err);
WN_API void wn_engine_destroy(struct wn_engine *e); /* NULL is fine */
WN_API void wn_engine_traits(const struct wn_engine *e, struct wn_backend_traits *out);

/* Time spent in the parts of the last call, milliseconds. */
struct wn_engine_times {
    double forward_ms, backward_ms; /* backward: seed, backward pass and map together */
};

/* The device's own clock, for measuring. ms NULL: it starts with the engine's next run. Else *ms: from where the
 * device began the first run since then to where it ended the last, copies before and behind them left out; waits.
 * Errors: WN_UNSUPPORTED where the backend has no clock of its own, WN_BAD_REQUEST where nothing ran since it was
 * started, WN_DEVICE. */
WN_API enum wn_code wn_engine_lap(struct wn_engine *e, double *ms, struct wn_error *err);

/* For measuring: from now on (profiler NULL: no more) every run of the engine goes step by step, and profiler->say
 * is told of each step. Copies the profiler. Errors: WN_UNSUPPORTED where the backend does not time its steps;
 * WN_NO_MEMORY. */
WN_API enum wn_code wn_engine_profile(struct wn_engine *e, const struct wn_profiler *profiler, struct wn_error *err);

struct wn_batch {
    int n_images;
    /* n_images pointers to C*H*W preprocessed floats, caller's; NULL where the picture below is given */
    const float *const *images;
    int n_questions;
    const struct wn_question *questions;
    /* May be NULL. Asked between the runs of methods that take many: whether nobody waits for that question's answer
     * any more. It then fails with WN_DEADLINE, alone. */
    bool (*given_up)(void *ctx, int question);
    void *ctx;
    /* May be NULL; else n_images pointers, the caller's: what an image is to be made of whose numbers are not given.
     * Only pictures that the traits' `prepares` allows, of the network's own size and channels. Questions by methods
     * of several runs, or with a baseline, want numbers: they fail without, alone, with WN_UNSUPPORTED. */
    const struct wn_picture *const *pictures;
};

/* logits: n_images*K floats, caller's. answers: n_questions, caller's, finished with wn_answer_finish each.
 * Any batch size; with max_images and max_rows at 1, as CPU backends ask for, the same image and question give the
 * same bytes in every batch. A question that cannot be answered
 * fails alone, in its answer's error. Where the returned code is not WN_OK the call ended early: every answer that has
 * no map then has an error, the call's own where it was not reached; all are to be finished then, too. */
WN_API enum wn_code wn_engine_explain(struct wn_engine *e, const struct wn_batch *batch, float *logits,
                                      struct wn_answer *answers, struct wn_engine_times *times, struct wn_error *err);

/* The same for questions that depend on what the network says of their image, in one forward pass. settle (NULL:
 * nothing to do) is called once for each image as soon as its logits (K floats) are known, before any question about
 * it is looked at: may change target, targets and foils of the batch's questions about it (which are the caller's
 * own array), and nothing else of them. */
WN_API enum wn_code wn_engine_explain_late(struct wn_engine *e, const struct wn_batch *batch,
                                           void (*settle)(void *context, int image, const float *logits), void *context,
                                           float *logits, struct wn_answer *answers, struct wn_engine_times *times,
                                           struct wn_error *err);

/* The gradient of a question's scalar v.y at the image itself, v held: what perturbs a picture. image, gradient:
 * C*H*W floats, the caller's; logits: K floats, the caller's. The question's method and layer are not looked at.
 * Errors: WN_UNSUPPORTED for contrasts of two passes, and those of the question. */
WN_API enum wn_code wn_engine_gradient(struct wn_engine *e, const float *image, const struct wn_question *question,
                                       float *logits, float *gradient, struct wn_error *err);

/* The maps of every class for n images (pointers to C*H*W preprocessed floats, all the caller's): one forward pass,
 * and then one more of the tail in forward mode where there is a rule for it, else a backward pass a class. As many
 * images go together as max_images allows and forward mode has a rule for; by backward passes they go one by one. A
 * program is compiled when a layer, a method and a size of a batch are first asked for. layer: number, or
 * WN_LAYER_AUTO. logits: n*K floats, the caller's. stacks: n, each all zeros or of an earlier call, whose memory is
 * then used again where it is of the same size: new memory costs a page fault for every four kilobytes, which beside
 * a quick device is much. Finished with wn_stack_finish, also after a failure. errors: n, the caller's, filled: an
 * image whose numbers are not finite fails alone, with WN_BAD_NUMBERS, and has no maps. Any other failure is the
 * call's, and leaves no maps at all: WN_UNSUPPORTED for methods whose maps do not add up or are as large as the
 * picture, WN_NO_SUCH_LAYER, WN_NO_MEMORY, WN_DEVICE. */
WN_API enum wn_code wn_engine_stacks(struct wn_engine *e, const float *const *images, int n, int layer,
                                     const struct wn_method *method, float *logits, struct wn_stack *stacks,
                                     struct wn_error *errors, struct wn_error *err);
/* The same for one image, whose failure is the call's. */
WN_API enum wn_code wn_engine_stack(struct wn_engine *e, const float *image, int layer, const struct wn_method *method,
                                    float *logits, struct wn_stack *out, struct wn_error *err);

/* Draws, on the device, those of the heatmaps that it can: their `done` says which. The rest is the caller's to
 * draw, and so are all where the traits' `draws` is 0. Errors: WN_DEVICE. */
WN_API enum wn_code wn_engine_draw(struct wn_engine *e, struct wn_heatmap *const *heatmaps, int n,
                                   struct wn_error *err);

/* wn_stack_statistics, by the engine's device where it does that; from the maps as they lie there where this engine
 * made that stack last. */
WN_API enum wn_code wn_engine_statistics(struct wn_engine *e, const struct wn_stack *s, const float *logits, int target,
                                         const struct wn_contrast *contrast, enum wn_statistics_kind kind, int height,
                                         int width, struct wn_statistics *out, struct wn_error *err);

#ifdef __cplusplus
}
#endif
#endif
