/* Pictures that the backend makes with parts hidden say what those say that the host makes: whole evaluations, and
 * evidence for one map. Where the backend has no such service, one of the test's own stands in for it, written straight
 * from what masking.h says.
 *
 *     hide_test BACKEND NETWORK.onnx */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <whynot/whynot.h>

#include "engine.h"
#include "random.h"

enum { IMAGES = 8, POINTS = 6, MOST_VALUES = 512 };

static const char *backend, *network;

/* ---- the service, counted ---- */

static struct wn_backend_impl watched;
static enum wn_code (*real)(struct wn_exe *exe, int value, const struct wn_hiding *h, struct wn_error *err);
static enum wn_code answers; /* what the service says instead, if not WN_OK */
static long rows;
static int shape[3]; /* C, H, W */

static void make_picture(const struct wn_hiding *h, const struct wn_hidden *row, const float *cover, float *out)
{
    const size_t pixels = (size_t)shape[1] * (size_t)shape[2];
    const float *kept = h->appears ? cover : h->image, *put = h->appears ? h->image : cover;
    float *map = malloc(pixels * sizeof *map);
    bool *hidden = malloc(pixels * sizeof *hidden);
    assert_int_equal(wn_enlarge(h->maps[row->map], h->h, h->w, h->align_corners, shape[1], shape[2], map, NULL), WN_OK);
    if (row->count < 0)
        wn_mask_sign(map, pixels, row->keep, hidden);
    else
        assert_int_equal(wn_mask_extreme(map, pixels, row->keep, (size_t)row->count, hidden, NULL), WN_OK);
    for (int i = 0; i < (int)pixels && h->found; i++) h->found[row - h->rows] += hidden[i];
    wn_mask_apply(kept, put, hidden, shape[0], pixels, out);
    free(map), free(hidden);
}

/* The test's own. */
static enum wn_code stand_in(struct wn_exe *exe, int value, const struct wn_hiding *h, struct wn_error *err)
{
    const size_t image = (size_t)(shape[0] * shape[1] * shape[2]);
    float *pictures = malloc((IMAGES + 1) * image * sizeof *pictures), *cover = pictures + IMAGES * image;
    assert_int_equal(wn_cover_make(h->cover, h->image, shape[0], shape[1], shape[2], cover, NULL), WN_OK);
    for (int i = 0; i < h->n && h->found; i++) h->found[i] = 0;
    for (int i = 0; i < h->n; i++) make_picture(h, &h->rows[i], cover, pictures + (size_t)i * image);
    for (int i = h->n; i < IMAGES; i++)
        memcpy(pictures + (size_t)i * image, pictures + (size_t)(h->n - 1) * image, image * sizeof *pictures);
    enum wn_code code = exe->backend->impl->write(exe, value, pictures, err);
    free(pictures);
    return code;
}

static enum wn_code counted(struct wn_exe *exe, int value, const struct wn_hiding *h, struct wn_error *err)
{
    assert_in_range(h->n, 1, IMAGES);
    if (answers != WN_OK) return wn_fail(err, answers, "the service was told to fail");
    rows += h->n;
    return real(exe, value, h, err);
}

static void by_service(struct wn_engine *e, bool yes, enum wn_code says)
{
    e->backend->impl = &watched;
    watched.hide = yes ? counted : NULL;
    answers = says;
    rows = 0;
}

/* ---- an evaluation ---- */

struct stage {
    struct wn_graph *graph;
    struct wn_engine *engine;
    float *image, *other;
    uint8_t *truth;
    int pixels;
};

static float *noise(size_t n, uint64_t seed)
{
    struct wn_random random = wn_random_of(seed);
    float *x = malloc(n * sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = (float)wn_random_normal(&random) + 0.3f * (float)(i % 7);
    return x;
}

static int set_up(void **state)
{
    struct stage *s = calloc(1, sizeof *s);
    struct wn_error err = {0};
    const struct wn_graph_options how = {0};
    const struct wn_engine_options options = {
        .backend = backend, .device.precision = WN_PRECISION_F32, .device.threads = 1, .max_images = IMAGES};
    if (wn_graph_load(network, &how, &s->graph, &err) != WN_OK ||
        wn_engine_create(s->graph, &options, &s->engine, &err) != WN_OK)
        fail_msg("%s", err.text);
    shape[0] = (int)wn_graph_channels(s->graph), shape[1] = (int)wn_graph_height(s->graph),
    shape[2] = (int)wn_graph_width(s->graph);
    s->pixels = shape[1] * shape[2];
    s->image = noise((size_t)(shape[0] * s->pixels), 1), s->other = noise((size_t)(shape[0] * s->pixels), 2);
    s->truth = calloc((size_t)s->pixels, 1);
    for (int i = 0; i < s->pixels / 4; i++) s->truth[i] = 1;
    watched = *s->engine->backend->impl;
    real = watched.hide ? watched.hide : stand_in;
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct stage *s = *state;
    wn_engine_destroy(s->engine);
    wn_graph_destroy(s->graph);
    free(s->image), free(s->other), free(s->truth), free(s);
    return 0;
}

static const char *const names[] = {"masking",    "masking-equal", "masking-equal-code", "insertion", "deletion",
                                    "confidence", "road",          "contrast-truth"};
enum { METRICS = sizeof names / sizeof *names, SUBJECTS = 2 };

static enum wn_code evaluate(const struct stage *s, double *values, struct wn_error *err)
{
    const struct wn_subject subjects[SUBJECTS] = {{wn_method_find("gradcam"), wn_contrast_find("logit"), WN_LAYER_AUTO},
                                                  {wn_method_find("la"), wn_contrast_find("weighted"), WN_LAYER_AUTO}};
    const struct wn_evaluation_metric *metrics[METRICS];
    const struct wn_evaluation_picture p = {s->image, 0, 1, s->truth, s->other, s->image, 7};
    const struct wn_evaluation_options o = {.subjects = subjects,
                                            .n_subjects = SUBJECTS,
                                            .metrics = metrics,
                                            .n_metrics = METRICS,
                                            .curve_step = (s->pixels + POINTS - 2) / (POINTS - 1)};
    struct wn_evaluation *v;
    for (int i = 0; i < METRICS; i++) metrics[i] = wn_evaluation_metric_find(names[i]);
    assert_int_equal(wn_evaluation_create(s->engine, s->graph, &o, &v, err), WN_OK);
    assert_in_range(wn_evaluation_values(v), 1, MOST_VALUES);
    enum wn_code code = wn_evaluation_run(v, &p, values, NULL, NULL, NULL, err);
    wn_evaluation_destroy(v);
    return code;
}

/* Number for number the same. The mean colour, whose sum has another order there, may differ in its last bit, which
 * does not reach these numbers. */
static void compare(const double *got, const double *want)
{
    for (int i = 0; i < METRICS; i++) {
        const struct wn_evaluation_metric *m = wn_evaluation_metric_find(names[i]);
        for (int k = 0; k < SUBJECTS * m->n_columns; k++, got++, want++) {
            const char *column = m->columns[k % m->n_columns].name;
            if (!isfinite(*want)) fail_msg("%s of %s is %g", column, names[i], *want);
            if (*got != *want) fail_msg("%s of %s is %.17g, not %.17g", column, names[i], *got, *want);
        }
    }
}

static void an_evaluation_says_the_same_whoever_hides_the_pixels(void **state)
{
    const struct stage *s = *state;
    static double host[MOST_VALUES], service[MOST_VALUES];
    struct wn_error err = {0};
    by_service(s->engine, false, WN_OK);
    if (evaluate(s, host, &err) != WN_OK) fail_msg("%s", err.text);
    by_service(s->engine, true, WN_OK);
    if (evaluate(s, service, &err) != WN_OK) fail_msg("%s", err.text);
    /* all maskings of both classes, both curves; nothing else can be said in rows */
    assert_int_equal(rows, SUBJECTS * (3 * 3 * 4 + 2 * POINTS));
    compare(service, host);
}

static void what_the_service_cannot_do_is_done_by_the_host(void **state)
{
    const struct stage *s = *state;
    static double host[MOST_VALUES], refused[MOST_VALUES];
    struct wn_error err = {0};
    by_service(s->engine, false, WN_OK);
    if (evaluate(s, host, &err) != WN_OK) fail_msg("%s", err.text);
    by_service(s->engine, true, WN_UNSUPPORTED);
    if (evaluate(s, refused, &err) != WN_OK) fail_msg("%s", err.text);
    assert_int_equal(rows, 0);
    compare(refused, host);
    by_service(s->engine, true, WN_DEVICE);
    assert_int_equal(evaluate(s, refused, &err), WN_DEVICE);
    assert_non_null(strstr(err.text, "told to fail"));
}

/* ---- evidence ---- */

static void evidence_says_the_same_whoever_hides_the_pixels(void **state)
{
    const struct stage *s = *state;
    const int classes[] = {0, 1};
    const float black[3] = {-2, -1, 0.5f};
    float *map = noise(35, 3), *logits = calloc((size_t)wn_graph_classes(s->graph), sizeof *logits);
    for (int i = 0; i < 35; i++) map[i] -= 1;
    for (int fill = 0; wn_fill_name(fill); fill++) {
        const struct wn_masking_in in = {.image = s->image,
                                         .logits = logits,
                                         .map = map,
                                         .h = 5,
                                         .w = 7,
                                         .align_corners = fill % 2,
                                         .fill = (enum wn_fill)fill,
                                         .black = black,
                                         .targets = &classes[0],
                                         .n_targets = 1,
                                         .rivals = &classes[1],
                                         .n_rivals = 1};
        struct wn_masking got, want;
        struct wn_error err = {0};
        by_service(s->engine, false, WN_OK);
        if (wn_engine_masking(s->engine, s->graph, &in, &want, &err) != WN_OK) fail_msg("%s", err.text);
        by_service(s->engine, true, WN_OK);
        if (wn_engine_masking(s->engine, s->graph, &in, &got, &err) != WN_OK) fail_msg("%s", err.text);
        assert_int_equal(rows, 2);
        assert_true(got.positive == want.positive && got.negative == want.negative && got.radius == want.radius);
        assert_true(want.positive > 0.1 && want.negative > 0.1 && want.keep_positive != want.keep_negative);
        assert_true(got.keep_positive == want.keep_positive && got.keep_negative == want.keep_negative);
    }
    free(map), free(logits);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_evaluation_says_the_same_whoever_hides_the_pixels),
        cmocka_unit_test(what_the_service_cannot_do_is_done_by_the_host),
        cmocka_unit_test(evidence_says_the_same_whoever_hides_the_pixels),
    };
    if (argc != 3) return fprintf(stderr, "usage: hide_test BACKEND NETWORK.onnx\n"), 2;
    backend = argv[1], network = argv[2];
    struct wn_backend *be = NULL;
    if (wn_backend_open(backend, NULL, &be, NULL) != WN_OK) return printf("skipped: no %s here\n", backend), 77;
    wn_backend_close(be);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
