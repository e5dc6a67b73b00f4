/* A stack plan: the compiled program that makes the maps of every class of one image, or of several. Private to
 * kernels/. */
#ifndef WN_KERNELS_STACK_H
#define WN_KERNELS_STACK_H

#include <whynot/backend.h>
#include <whynot/stack.h>

#include "graph.h"

struct wn_stack_plan {
    int layer; /* number among the graph's layers */
    const struct wn_method *method;
    int images;  /* N of one run; 1 where it is not forward mode */
    int refused; /* forward mode has no rule for so many images, or has none for more than one; 0: nobody has asked */
    bool sent;   /* has had images */
    struct wn_program *program;
    struct wn_exe *exe;
    int input, logits, maps; /* values: (N,C,H,W), (N,K), (N,K,h,w) in forward mode, else (R,1,h,w) */
    int64_t rows, h, w;      /* rows: R, or 0 in forward mode */
    int seed, row, stage;    /* not in forward mode: seed (R,K); row (R) or WN_NONE; the stage from seed to maps */
    uint64_t made;           /* the run whose maps lie in the executable; 0: none */
    float *seeds;            /* not in forward mode: R*K */
    float *staged;           /* of several images: N*K logits and N*K*h*w; not in forward mode: R*h*w */
};

/* Forward mode where there is a rule for it, else, for one image, R backward passes at a time. Errors:
 * WN_UNSUPPORTED where the maps of the method do not add up, or the method has no rule here, or forward mode has
 * none for so many images; WN_NO_SUCH_LAYER, WN_NO_MEMORY, what the backend says. */
enum wn_code wn_stack_plan_create(struct wn_graph *g, struct wn_backend *be, int layer, const struct wn_method *method,
                                  int images, struct wn_stack_plan **out, struct wn_error *err);
void wn_stack_plan_destroy(struct wn_stack_plan *plan); /* NULL is fine */
/* images: N*C*H*W floats, or NULL: those of the run before. Of the first n of them: logits, n*K floats, the
 * caller's; stacks, with maps of K*h*w floats to be filled, and what became of each in errors (n): WN_BAD_NUMBERS
 * where its numbers are not finite. */
enum wn_code wn_stack_plan_run(struct wn_stack_plan *plan, const float *images, int n, float *logits,
                               struct wn_stack *stacks, struct wn_error *errors, struct wn_error *err);

/* wn_stack_statistics on a device that does that. exe: NULL, or where in its value the stack's maps still lie, as
 * those of which image. */
struct wn_masker {
    struct wn_backend *backend;
    struct wn_exe *exe;
    int value, image;
};
/* device: NULL, or who is asked for the masks first. */
enum wn_code wn_statistics_on(const struct wn_masker *device, const struct wn_stack *s, const float *logits, int target,
                              const struct wn_contrast *contrast, enum wn_statistics_kind kind, int height, int width,
                              struct wn_statistics *out, struct wn_error *err);

#endif
