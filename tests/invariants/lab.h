/* A network on a bench: whatever an invariant needs to know of it, computed through the library or, where the
 * invariant is about a short cut, the long way round. */
#ifndef WN_TESTS_LAB_H
#define WN_TESTS_LAB_H

#include <whynot/whynot.h>

#include "graph.h"
#include "program.h"

struct lab {
    const char *backend;
    struct wn_graph *graph;
    struct wn_engine *engine;
    int layer, classes, n_images;
    int64_t pixels;
    float *images; /* n_images * C*H*W */
    int h, w, channels;
};

/* input: a .golden of make_goldens.py (record "input") or a .npy of float32 (N,C,H,W). Prints and returns false on
 * failure. */
bool lab_open(struct lab *lab, const char *backend, const char *model, const char *input);
void lab_close(struct lab *lab);
/* Runs with more images or more rows have other plans there, which sum in another order: what is the same bytes
 * elsewhere, or nearly, is within `lab_of_plans` of the largest value. Not on the emulated card, whose sums have one
 * order. */
bool lab_on_a_card(const struct lab *lab);
extern const double lab_of_plans;
/* A second engine on the same graph, after the test has changed its constants. */
bool lab_reopen(struct lab *lab);

/* Cells of a method's map: the layer's, or the input's for methods that explain the pixels. */
int lab_area(const struct lab *lab, const char *method);
/* False where the method has no rule for something in this graph, which it says by name. */
bool lab_can(struct lab *lab, const char *method);
/* lab_area floats; dies on failure, naming the question. foils: n_foils of them. */
float *lab_map(struct lab *lab, int image, const char *method, const char *contrast, int target, const int *foils,
               int n_foils);
/* The maps of every class as the target, K*lab_area floats, one forward pass. */
float *lab_all_maps(struct lab *lab, int image, const char *method, const char *contrast);
/* The map of the contrast "regression" for this value, and the answer's flags. */
float *lab_value_map(struct lab *lab, int image, const char *method, int target, float value, unsigned *flags);
float *lab_logits(struct lab *lab, int image); /* K floats */

/* What a hand-made program gives: activation (C,h,w) at a value, and the gradient there of seed.logits, or of
 * seed.softmax(logits). */
struct lab_gradient {
    float *activation, *gradient, *logits;
    int64_t channels, area;
};
enum lab_scalar { LAB_LOGITS, LAB_SOFTMAX };
enum lab_folding { LAB_FOLD, LAB_KEEP_ALL };
void lab_gradient(struct lab *lab, int image, int onnx_value, const float *seed, enum lab_scalar scalar,
                  enum lab_folding folding, struct lab_gradient *out);
void lab_gradient_free(struct lab_gradient *g);

/* The last linear layer, where the network ends in one with constant weights: weight (K,D) and bias (K, may be
 * NULL). */
bool lab_last_linear(struct lab *lab, float **weight, float **bias, int *features, bool *transposed);

double lab_most(const float *x, int64_t n); /* max |x| */
#endif
