/* What holds of an engine over time: 64 pictures at once are 64 by themselves, ten runs give the same bytes, and 1000
 * explanations and the network loaded 20 times anew leave the device's memory as it was. Exits 77 where the backend
 * does not open. leaks: the last of these alone, and few of each, for a tool that looks for what is not given back.
 *
 *     steady_test BACKEND NETWORK.onnx [leaks] */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <whynot/whynot.h>

#ifdef WN_EMULATED
#include "fake_runtime.h"
#elif defined WN_HAVE_CUDA
#include <cuda_runtime_api.h>
#endif

enum { IMAGES = 64, RUNS = 10, SETTLED = 2 };

/* Other shapes have other plans, which sum in another order; the default of a card rounds what they sum. */
static const struct rule {
    enum wn_precision precision;
    double tolerance; /* of the largest value */
    int ties;         /* pictures of two classes as good as equal, of which either may be predicted */
} rules[] = {{WN_PRECISION_DEFAULT, 1e-2, IMAGES / 8}, {WN_PRECISION_F32, 1e-4, IMAGES / 32}};

static const char *backend, *path;
static int explanations = 1000, reloads = 20;
static struct wn_graph *graph;
static size_t pixels, classes;
static float *pictures;
static const float *image[IMAGES];

/* The emulation knows to the byte what is held. A card's driver hands memory out in larger pieces, one of which may
 * be begun meanwhile. */
#ifdef WN_EMULATED
static const size_t piece = 0;

static size_t device_bytes_in_use(void)
{
    return (size_t)fake_runtime.held_bytes;
}
#else
static const size_t piece = 2 << 20;

static size_t device_bytes_in_use(void)
{
    size_t left = 0, all = 0;
#ifdef WN_HAVE_CUDA
    if (strcmp(backend, "cuda") == 0) assert_int_equal(cudaMemGetInfo(&left, &all), cudaSuccess);
#endif
    return all - left;
}
#endif

static struct wn_engine *create(struct wn_graph *of, enum wn_precision precision)
{
    struct wn_engine *e;
    struct wn_error err = {0};
    const struct wn_engine_options options = {
        .backend = backend, .device.precision = precision, .max_images = IMAGES, .max_rows = IMAGES};
    if (wn_engine_create(of, &options, &e, &err) != WN_OK) fail_msg("%s", err.text);
    return e;
}

static size_t device_bytes_of(const struct wn_engine *e)
{
    struct wn_backend_traits traits;
    wn_engine_traits(e, &traits);
    return traits.device_bytes;
}

/* Pictures [first, first + n), one question each; logits: n*K; answers: to be finished. */
static void explain(struct wn_engine *e, int first, int n, float *logits, struct wn_answer *answers)
{
    struct wn_question q[IMAGES];
    struct wn_error err = {0};
    for (int i = 0; i < n; i++)
        q[i] = (struct wn_question){.image = i,
                                    .layer = WN_LAYER_AUTO,
                                    .method = wn_method_find("gradcam"),
                                    .contrast = wn_contrast_find("weighted"),
                                    .target = WN_TARGET_PREDICTED};
    const struct wn_batch batch = {n, image + first, n, q, NULL, NULL, NULL};
    if (wn_engine_explain(e, &batch, logits, answers, NULL, &err) != WN_OK) fail_msg("%s", err.text);
    for (int i = 0; i < n; i++)
        if (answers[i].error.code != WN_OK) fail_msg("%s", answers[i].error.text);
}

static void finish(struct wn_answer *answers, int n)
{
    for (int i = 0; i < n; i++) wn_answer_finish(&answers[i]);
}

static double off_by(const float *got, const float *want, size_t n)
{
    double most = 0, worst = 0;
    for (size_t i = 0; i < n; i++) {
        if (fabs((double)want[i]) > most) most = fabs((double)want[i]);
        if (fabs((double)got[i] - want[i]) > worst) worst = fabs((double)got[i] - want[i]);
    }
    return most > 0 ? worst / most : worst;
}

/* The pictures are noise: now and then two classes are as good as equal, and rounding says which is predicted. */
static bool nearly_equal(const float *logits, int a, int b, double tolerance)
{
    double most = 0;
    for (size_t i = 0; i < classes; i++) most = fmax(most, fabs((double)logits[i]));
    return fabs((double)logits[a] - logits[b]) <= tolerance * most;
}

/* Whether picture i is another class by itself than among others; *worst: how far its numbers are off, if more. */
static bool differs(struct wn_engine *e, int i, const float *logits, const struct wn_answer *among, double tolerance,
                    double *worst)
{
    struct wn_answer one;
    float *alone = malloc(classes * sizeof *alone);
    explain(e, i, 1, alone, &one);
    *worst = fmax(*worst, off_by(logits, alone, classes));
    const bool other = one.target != among->target;
    if (!other)
        *worst = fmax(*worst, off_by(among->map, one.map, (size_t)(one.h * one.w)));
    else if (!nearly_equal(alone, one.target, among->target, tolerance)) /* else maps of two classes */
        fail_msg("picture %d is class %d by itself and %d among others", i, one.target, among->target);
    wn_answer_finish(&one);
    free(alone);
    return other;
}

static void a_batch_of_64_is_64_by_themselves(void **state)
{
    const struct rule *rule = *state;
    struct wn_engine *e = create(graph, rule->precision);
    struct wn_backend_traits traits;
    struct wn_answer all[IMAGES];
    float *logits = malloc(IMAGES * classes * sizeof *logits);
    double worst = 0;
    int tied = 0;
    wn_engine_traits(e, &traits);
    assert_int_equal(traits.images, IMAGES); /* of one run */
    explain(e, 0, IMAGES, logits, all);
    for (int i = 0; i < IMAGES; i++)
        tied += differs(e, i, logits + (size_t)i * classes, &all[i], rule->tolerance, &worst);
    printf("| 64 at once against 64 by themselves, %s: off by %.1e; %d with another of two classes that are as good "
           "as equal\n",
           traits.precision, worst, tied);
    assert_true(worst <= rule->tolerance);
    assert_true(tied <= rule->ties);
    finish(all, IMAGES);
    free(logits);
    wn_engine_destroy(e);
}

static void ten_runs_give_the_same_bytes(void **state)
{
    struct wn_engine *e = *state;
    struct wn_answer first[IMAGES], again[IMAGES];
    const size_t bytes = IMAGES * classes * sizeof(float);
    float *logits = malloc(bytes), *same = malloc(bytes);
    explain(e, 0, IMAGES, logits, first);
    for (int run = 1; run < RUNS; run++) {
        explain(e, 0, IMAGES, same, again);
        assert_memory_equal(logits, same, bytes);
        for (int i = 0; i < IMAGES; i++)
            assert_memory_equal(first[i].map, again[i].map, (size_t)(first[i].h * first[i].w) * sizeof(float));
        finish(again, IMAGES);
    }
    finish(first, IMAGES);
    free(logits), free(same);
}

static void a_thousand_explanations_take_no_memory(void **state)
{
    struct wn_engine *e = *state;
    struct wn_answer answers[8];
    float *logits = malloc(8 * classes * sizeof *logits);
    explain(e, 0, 8, logits, answers), finish(answers, 8);
    const size_t used = device_bytes_in_use(), own = device_bytes_of(e);
    for (int i = 0; i < explanations; i += 8) explain(e, i % IMAGES, 8, logits, answers), finish(answers, 8);
    assert_int_equal(device_bytes_of(e), own);
    printf("| the device's memory after %d explanations: %+lld bytes\n", explanations,
           (long long)device_bytes_in_use() - (long long)used);
    assert_true(device_bytes_in_use() <= used + piece);
    free(logits);
}

static struct wn_graph *loaded(void)
{
    struct wn_graph *g;
    struct wn_error err = {0};
    if (wn_graph_load(path, NULL, &g, &err) != WN_OK) fprintf(stderr, "%s\n", err.text), exit(1);
    return g;
}

/* The device bytes of one that is loaded, asked and given back, with its engine. */
static size_t reload(float *logits)
{
    struct wn_answer answer;
    struct wn_graph *g = loaded();
    struct wn_engine *e = create(g, WN_PRECISION_DEFAULT);
    explain(e, 0, 1, logits, &answer);
    const size_t bytes = device_bytes_of(e);
    wn_answer_finish(&answer);
    wn_engine_destroy(e);
    wn_graph_destroy(g);
    return bytes;
}

/* The first few load what the driver and the libraries keep; all that follow find it. */
static void twenty_reloads_leave_the_memory_as_it_was(void **state)
{
    float *logits = malloc(classes * sizeof *logits);
    size_t own = 0;
    (void)state;
    for (int i = 0; i < SETTLED; i++) own = reload(logits);
    const size_t used = device_bytes_in_use();
    for (int i = 0; i < reloads; i++) assert_int_equal(reload(logits), own);
    printf("| the device's memory after %d more reloads: %+lld bytes\n", reloads,
           (long long)device_bytes_in_use() - (long long)used);
    assert_true(device_bytes_in_use() <= used + piece);
    free(logits);
}

static void load(void)
{
    uint64_t x = 88172645463325252u;
    graph = loaded();
    pixels = (size_t)(wn_graph_channels(graph) * wn_graph_height(graph) * wn_graph_width(graph));
    classes = (size_t)wn_graph_classes(graph);
    pictures = malloc(IMAGES * pixels * sizeof *pictures);
    for (size_t i = 0; i < IMAGES * pixels; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        pictures[i] = (float)(int32_t)(x >> 32) * (2.0f / 2147483648.0f);
    }
    for (int i = 0; i < IMAGES; i++) image[i] = pictures + (size_t)i * pixels;
}

static int open_engine(void **state)
{
    *state = create(graph, WN_PRECISION_DEFAULT);
    return 0;
}

static int close_engine(void **state)
{
    wn_engine_destroy(*state);
    return 0;
}

static int run(bool leaks)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test_prestate(a_batch_of_64_is_64_by_themselves, (void *)&rules[0]),
        cmocka_unit_test_prestate(a_batch_of_64_is_64_by_themselves, (void *)&rules[1]),
        cmocka_unit_test_setup_teardown(ten_runs_give_the_same_bytes, open_engine, close_engine),
        cmocka_unit_test_setup_teardown(a_thousand_explanations_take_no_memory, open_engine, close_engine),
        cmocka_unit_test(twenty_reloads_leave_the_memory_as_it_was),
    };
    const struct CMUnitTest few[] = {
        cmocka_unit_test_setup_teardown(a_thousand_explanations_take_no_memory, open_engine, close_engine),
        cmocka_unit_test(twenty_reloads_leave_the_memory_as_it_was),
    };
    if (!leaks) return cmocka_run_group_tests(all, NULL, NULL);
    explanations = 24, reloads = 3;
    return cmocka_run_group_tests(few, NULL, NULL);
}

int main(int argc, char **argv)
{
    struct wn_backend *be;
    struct wn_error err = {0};
    const bool leaks = argc == 4 && strcmp(argv[3], "leaks") == 0;
    if (argc != 3 && !leaks) return fprintf(stderr, "usage: steady_test BACKEND NETWORK.onnx [leaks]\n"), 2;
    backend = argv[1], path = argv[2];
    if (wn_backend_open(backend, NULL, &be, &err) != WN_OK) return printf("skipped: %s\n", err.text), 77;
    wn_backend_close(be);
    load();
    const int failed = run(leaks);
    free(pictures);
    wn_graph_destroy(graph);
#if defined WN_HAVE_CUDA && !defined WN_EMULATED
    if (strcmp(backend, "cuda") == 0) cudaDeviceReset(); /* what is still held now is a leak */
#endif
    return failed;
}
