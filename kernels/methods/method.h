/* What a method's formula is written over. Private to kernels/. */
#ifndef WN_KERNELS_METHOD_H
#define WN_KERNELS_METHOD_H

#include <whynot/explain.h>

#include "../program.h"

struct wn_method_in {
    int activation; /* (R,C,h,w): the layer, one for each row; the input itself for methods with WN_METHOD_INPUT */
    /* (R,C,h,w): of the seeded scalar v.y at the layer; costs nothing where the formula leaves it out */
    int gradient;
    /* For methods that run a backward pass of their own. */
    int layer, logits; /* values of the forward pass, (N,C,h,w) and (N,K) */
    int seed;          /* (R,K) */
    struct wn_rows rows;
    /* Only for methods with WN_METHOD_REFERENCE: wn_rows_of(p, value, in->reference) is a forward value as each
     * row's baseline image makes it, beside wn_rows_of(p, value, in->rows) for its image. The forward pass then runs
     * over (2N,..). */
    struct wn_rows reference;
    float epsilon, alpha;    /* settings, for methods that take them */
    const float *low, *high; /* C each: the least and the largest value of the input's channels; NULL: nobody knows */
};

/* Appends the method's formula. A map that is not (R,1,h,w), or where the method goes on with it by itself (`run`)
 * (R,C,h,w), fails the program with WN_INTERNAL: whoever reads it would read past its end. */
int wn_method_build(const struct wn_method *m, struct wn_program *p, const struct wn_method_in *in);

/* ---- methods of several runs ---- */

struct wn_runner;

/* What such a method is given, and fills. One question about one image. */
struct wn_run {
    struct wn_runner *runner;
    const struct wn_question *question; /* with its settings */
    const struct wn_method *method;     /* whose run this is */
    const float *image;                 /* C*H*W */
    int64_t channels, height, width;    /* of the image */
    const float *logits, *seed;         /* K: of the image, and the question's for them */
    int classes;                        /* K */
    int layer;
    int at_channels, at_h, at_w; /* shape of what the method's own build gives for a row; 0 without a build */
    /* To be filled. */
    int h, w;
    float *map; /* malloc'd, h*w; the runner frees it */
    struct wn_completeness completeness;
    struct wn_shortfall shortfall;
};

/* Images of one run: the room in wn_run_image. At least 1. */
int wn_run_room(const struct wn_run *r);
/* Where image i of the next run is written, C*H*W floats. The next forward pass may not keep them: write all of them
 * for every run. */
float *wn_run_image(struct wn_run *r, int i);
/* Forward pass of the n images; logits: n*K floats, the caller's, or NULL. Fails with WN_DEADLINE where nobody waits
 * any more, with WN_BAD_NUMBERS where a logit is not finite. */
enum wn_code wn_run_forward(struct wn_run *r, int n, float *logits, struct wn_error *err);
/* After a forward pass: what the method's build gives for these images and seeds (n*K, the caller's); out: n times
 * at_channels*at_h*at_w floats, the caller's. */
enum wn_code wn_run_backward(struct wn_run *r, int n, const float *seeds, float *out, struct wn_error *err);
/* Maps of another method for the n images that were written with wn_run_image, each for the question's own seed;
 * maps: n*h*w, as wn_run_size says, the caller's. A method of several runs drives them by itself, an image at a
 * time. */
enum wn_code wn_run_other(struct wn_run *r, const struct wn_method *other, int n, float *maps, struct wn_error *err);
/* Size of another method's maps here. */
void wn_run_size(const struct wn_run *r, const struct wn_method *other, int *h, int *w);
/* The baseline that the settings name, C*H*W floats, the caller's. WN_UNSUPPORTED where black is not known. */
enum wn_code wn_run_baseline(const struct wn_run *r, float *out, struct wn_error *err);
/* Which classes the contrast sets against each other: sides[k] is 1 in T, -1 in S, 0 in neither, for max(K, 2)
 * classes, the caller's. False where the contrast has no odds. */
bool wn_run_sides(const struct wn_run *r, signed char *sides);
/* The same for any contrast of classes: where it has no odds, the target against its foils or, where it takes none,
 * against all other classes. */
bool wn_run_rivals(const struct wn_run *r, signed char *sides);
/* About so many areas of the picture, 2 or more; of: H*W, the caller's: the number of each pixel's area, from 0 to
 * *n - 1 (superpixels.h). WN_BAD_REQUEST where the picture does not fall into two. */
enum wn_code wn_run_superpixels(const struct wn_run *r, int wanted, int *of, int *n, struct wn_error *err);
/* The run's map, as large as the picture: each area's value at all its pixels. */
enum wn_code wn_run_paint(struct wn_run *r, const int *of, const double *values, struct wn_error *err);
#endif
