/* What holds of an engine over time: 64 pictures at once are 64 by themselves, ten runs give the same bytes, and 1000
 * explanations and 20 engines one after another leave the device's memory as it was. Exits 77 where the backend does
 * not open.
 *
 *     steady_test BACKEND NETWORK.onnx */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <whynot/whynot.h>

#ifdef WN_HAVE_CUDA
#include <cuda_runtime_api.h>
#endif

enum { IMAGES = 64, RUNS = 10, EXPLANATIONS = 1000, ENGINES = 20 };
/* of the largest value: other shapes have other plans, and tf32 rounds what they sum */
static const double tolerance = 1e-2;
static const size_t drivers = 4 << 20; /* bytes that the driver may take or give back meanwhile, in all */

static const char *backend;
static struct wn_graph *graph;
static size_t pixels, classes;
static float *pictures;
static const float *image[IMAGES];

static size_t device_bytes_in_use(void)
{
    size_t left = 0, all = 0;
#ifdef WN_HAVE_CUDA
    if (strcmp(backend, "cuda") == 0) assert_int_equal(cudaMemGetInfo(&left, &all), cudaSuccess);
#endif
    return all - left;
}

static struct wn_engine *create(void)
{
    struct wn_engine *e;
    struct wn_error err = {0};
    const struct wn_engine_options options = {.backend = backend};
    if (wn_engine_create(graph, &options, &e, &err) != WN_OK) fail_msg("%s", err.text);
    return e;
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
static bool nearly_equal(const float *logits, int a, int b)
{
    double most = 0;
    for (size_t i = 0; i < classes; i++) most = fmax(most, fabs((double)logits[i]));
    return fabs((double)logits[a] - logits[b]) <= tolerance * most;
}

static void a_batch_of_64_is_64_by_themselves(void **state)
{
    struct wn_engine *e = *state;
    struct wn_answer all[IMAGES], one;
    float *logits = malloc(IMAGES * classes * sizeof *logits), *alone = malloc(classes * sizeof *alone);
    double worst = 0;
    int tied = 0;
    explain(e, 0, IMAGES, logits, all);
    for (int i = 0; i < IMAGES; i++) {
        explain(e, i, 1, alone, &one);
        worst = fmax(worst, off_by(logits + (size_t)i * classes, alone, classes));
        if (one.target == all[i].target)
            worst = fmax(worst, off_by(all[i].map, one.map, (size_t)(one.h * one.w)));
        else if (nearly_equal(alone, one.target, all[i].target))
            tied++; /* maps of two classes */
        else
            fail_msg("picture %d is class %d by itself and %d among others", i, one.target, all[i].target);
        wn_answer_finish(&one);
    }
    printf("| 64 at once against 64 by themselves: off by %.1e; %d with another of two classes that are as good as "
           "equal\n",
           worst, tied);
    assert_true(worst <= tolerance);
    assert_true(tied <= IMAGES / 8);
    finish(all, IMAGES);
    free(logits), free(alone);
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
    struct wn_backend_traits before, after;
    explain(e, 0, 8, logits, answers), finish(answers, 8);
    wn_engine_traits(e, &before);
    const size_t used = device_bytes_in_use();
    for (int i = 0; i < EXPLANATIONS; i += 8) explain(e, i % IMAGES, 8, logits, answers), finish(answers, 8);
    wn_engine_traits(e, &after);
    assert_int_equal(after.device_bytes, before.device_bytes);
    assert_true(device_bytes_in_use() <= used + drivers);
    free(logits);
}

/* The first of them loads what the driver keeps; all that follow find it. */
static void twenty_engines_leave_the_memory_as_it_was(void **state)
{
    struct wn_answer answer;
    float *logits = malloc(classes * sizeof *logits);
    size_t used = 0;
    (void)state;
    for (int i = 0; i <= ENGINES; i++) {
        struct wn_engine *e = create();
        explain(e, 0, 1, logits, &answer);
        wn_answer_finish(&answer);
        wn_engine_destroy(e);
        if (i == 0) used = device_bytes_in_use();
    }
    printf("| the device's memory after %d more engines: %+lld bytes\n", ENGINES,
           (long long)device_bytes_in_use() - (long long)used);
    assert_true(device_bytes_in_use() <= used + drivers);
    free(logits);
}

static void load(const char *path)
{
    struct wn_error err = {0};
    uint64_t x = 88172645463325252u;
    if (wn_graph_load(path, NULL, &graph, &err) != WN_OK) fprintf(stderr, "%s\n", err.text), exit(1);
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
    *state = create();
    return 0;
}

static int close_engine(void **state)
{
    wn_engine_destroy(*state);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_batch_of_64_is_64_by_themselves, open_engine, close_engine),
        cmocka_unit_test_setup_teardown(ten_runs_give_the_same_bytes, open_engine, close_engine),
        cmocka_unit_test_setup_teardown(a_thousand_explanations_take_no_memory, open_engine, close_engine),
        cmocka_unit_test(twenty_engines_leave_the_memory_as_it_was),
    };
    struct wn_backend *be;
    struct wn_error err = {0};
    if (argc != 3) return fprintf(stderr, "usage: steady_test BACKEND NETWORK.onnx\n"), 2;
    backend = argv[1];
    if (wn_backend_open(backend, NULL, &be, &err) != WN_OK) return printf("skipped: %s\n", err.text), 77;
    wn_backend_close(be);
    load(argv[2]);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(pictures);
    wn_graph_destroy(graph);
    return failed;
}
