/* Small networks and random pictures; knows no test. */
#include "small.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *backend, *folder;
float pictures[IMAGES][PIXELS];

int small_begin(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s BACKEND FOLDER\n", argv[0]);
        return 2;
    }
    backend = argv[1];
    folder = argv[2];
    if (!wn_backend_find(backend)) {
        printf("skipped: this build has no backend '%s'\n", backend);
        return 77;
    }
    unsigned seed = 1;
    for (int i = 0; i < IMAGES * PIXELS; i++) {
        seed = seed * 1664525u + 1013904223u;
        pictures[i / PIXELS][i % PIXELS] = (float)(seed >> 8) / (1 << 23) - 1;
    }
    return 0;
}

struct wn_graph *small_load(const char *network)
{
    char path[512];
    struct wn_error err = {0};
    struct wn_graph *g = NULL;
    struct wn_graph_options options = {.height = SIDE, .width = SIDE};
    snprintf(path, sizeof path, "%s/%s.onnx", folder, network);
    if (wn_graph_load(path, &options, &g, &err) != WN_OK) fail_msg("%s: %s", network, err.text);
    return g;
}

const char *small_backend(void)
{
    return backend;
}

bool small_on_a_card(void)
{
#ifdef WN_EMULATED
    return false;
#else
    return strcmp(backend, "cuda") == 0;
#endif
}

struct wn_engine *small_engine(struct wn_graph *g, int max_images, int max_rows, const float *black)
{
    struct wn_error err = {0};
    struct wn_engine *e = NULL;
    struct wn_engine_options options = {.backend = backend,
                                        .device.precision = WN_PRECISION_F32,
                                        .max_images = max_images,
                                        .max_rows = max_rows,
                                        .black = black};
    if (wn_engine_create(g, &options, &e, &err) != WN_OK) fail_msg("%s", err.text);
    return e;
}

struct wn_question question(int image, const char *method, const char *contrast, int target)
{
    return (struct wn_question){.image = image,
                                .layer = WN_LAYER_AUTO,
                                .method = wn_method_find(method),
                                .contrast = wn_contrast_find(contrast),
                                .target = target};
}

double off(const struct wn_answer *a, const struct wn_answer *b, double sign)
{
    double most = 0, diff = 0;
    assert_int_equal(a->h, b->h);
    assert_int_equal(a->w, b->w);
    for (int i = 0; i < a->h * a->w; i++) {
        most = fmax(most, fabs(b->map[i]));
        diff = fmax(diff, fabs(a->map[i] - sign * b->map[i]));
    }
    return most > 0 ? diff / most : diff;
}
