/* The small networks of make_goldens.py, engines on them and questions about random pictures: what tests of the
 * engine share. */
#ifndef WN_TESTS_SMALL_H
#define WN_TESTS_SMALL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <whynot/whynot.h>

enum { SIDE = 9, PIXELS = 3 * SIDE * SIDE, IMAGES = 5 };

extern float pictures[IMAGES][PIXELS];

/* PROGRAM BACKEND FOLDER: 0, or the status to end with where the build has no such backend. FOLDER holds the
 * networks. */
int small_begin(int argc, char **argv);

const char *small_backend(void); /* its BACKEND */
/* Programs of other sizes or for other questions sum in another order there: not on the emulated card. */
bool small_on_a_card(void);
/* They fail the test where they fail. black: of the engine's options. */
struct wn_graph *small_load(const char *network);
struct wn_engine *small_engine(struct wn_graph *g, int max_images, int max_rows, const float *black);
struct wn_question question(int image, const char *method, const char *contrast, int target);
/* Largest |a - sign*b| of two maps of one size, relative to the largest |b|. */
double off(const struct wn_answer *a, const struct wn_answer *b, double sign);

#endif
