/* The n-th allocation fails, for every n, while a picture is measured by every metric: either nothing was lost, and
 * the numbers are those of a quiet run to the last bit, or the caller is told; nothing is left behind, and the next
 * picture is measured as if nothing had been. memory_test MODEL.onnx */
#include "oom.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <whynot/whynot.h>

#include "random.h"

#define MOST_PIXELS (64 * 64)
#define MOST_VALUES 512
#define MOST_SUBJECTS 4

static const char *model;

/* Two engines of one network, with and without its weights, and a picture of which everything is known. */
struct hall {
    struct wn_graph *graph, *shuffled_graph;
    struct wn_engine *engine, *shuffled;
    struct wn_subject subjects[MOST_SUBJECTS];
    const struct wn_evaluation_metric *metrics[64];
    struct wn_evaluation_options options;
    float image[3 * MOST_PIXELS], rival[3 * MOST_PIXELS], elsewhere[3 * MOST_PIXELS];
    uint8_t truth[MOST_PIXELS];
    struct wn_evaluation_picture picture;
};

static void open_engines(struct hall *h, const char *backend)
{
    struct wn_error err = {0};
    const struct wn_engine_options how = {.backend = backend};
    if (wn_engine_create(h->graph, &how, &h->engine, &err) != WN_OK) fail_msg("%s", err.text);
    if (wn_engine_create(h->shuffled_graph, &how, &h->shuffled, &err) != WN_OK) fail_msg("%s", err.text);
    h->options.shuffled = h->shuffled;
}

static void close_engines(struct hall *h)
{
    wn_engine_destroy(h->engine);
    wn_engine_destroy(h->shuffled);
}

static void open_hall(struct hall *h)
{
    const float low[] = {-2, -2, -2}, high[] = {2, 2, 2};
    const struct wn_graph_options as_is = {.low = low, .high = high, .n_bounds = 3}, shuffled = {.shuffle_seed = 3};
    struct wn_error err = {0};
    struct wn_random random = wn_random_of(1);
    if (wn_graph_load(model, &as_is, &h->graph, &err) != WN_OK) fail_msg("%s", err.text);
    if (wn_graph_load(model, &shuffled, &h->shuffled_graph, &err) != WN_OK) fail_msg("%s", err.text);
    assert_int_equal(wn_graph_channels(h->graph), 3);
    assert_true(wn_graph_height(h->graph) * wn_graph_width(h->graph) <= MOST_PIXELS);
    for (int i = 0; i < 3 * MOST_PIXELS; i++) {
        h->image[i] = (float)wn_random_normal(&random);
        h->rival[i] = (float)wn_random_normal(&random);
        h->elsewhere[i] = (float)wn_random_normal(&random);
    }
    for (int i = 0; i < MOST_PIXELS; i++) h->truth[i] = i % 3 == 0;
    h->picture = (struct wn_evaluation_picture){h->image, 0, 1, h->truth, h->rival, h->elsewhere, 7};
    h->subjects[0] = (struct wn_subject){wn_method_find("gradcam"), wn_contrast_find("weighted"), WN_LAYER_AUTO};
    h->subjects[1] = (struct wn_subject){wn_method_find("gradient"), wn_contrast_find("pair"), WN_LAYER_AUTO};
    /* two passes */
    h->subjects[2] = (struct wn_subject){wn_method_find("lrp-zplus"), wn_contrast_find("sglrp"), WN_LAYER_AUTO};
    /* passes of its own */
    h->subjects[3] = (struct wn_subject){wn_method_find("scorecam"), wn_contrast_find("logit"), WN_LAYER_AUTO};
    h->options =
        (struct wn_evaluation_options){.subjects = h->subjects, .n_subjects = MOST_SUBJECTS, .metrics = h->metrics};
    for (int i = 0; wn_evaluation_metric_at(i); i++) h->metrics[h->options.n_metrics++] = wn_evaluation_metric_at(i);
}

static void close_hall(struct hall *h)
{
    wn_graph_destroy(h->graph);
    wn_graph_destroy(h->shuffled_graph);
}

/* refused: the last subject's that was; WN_OK where none was. */
static enum wn_code measure(struct hall *h, struct wn_evaluation *v, double *values, struct wn_error *refused,
                            struct wn_error *err)
{
    struct wn_error of_each[MOST_SUBJECTS];
    *refused = *err = (struct wn_error){0};
    enum wn_code code = wn_evaluation_run(v, &h->picture, values, NULL, NULL, of_each, err);
    for (int s = 0; s < h->options.n_subjects; s++)
        if (of_each[s].code != WN_OK) *refused = of_each[s];
    return code;
}

static struct wn_evaluation *evaluation_of(struct hall *h)
{
    struct wn_evaluation *v;
    struct wn_error err = {0};
    if (wn_evaluation_create(h->engine, h->graph, &h->options, &v, &err) != WN_OK) fail_msg("%s", err.text);
    assert_true(wn_evaluation_values(v) <= MOST_VALUES);
    return v;
}

/* Fails the n-th allocation of one measuring. True while there was an n-th. */
static bool disturb(struct hall *h, struct wn_evaluation *v, long n, enum oom_mode mode, const double *quiet,
                    int *failures)
{
    static double values[MOST_VALUES];
    size_t bytes = (size_t)wn_evaluation_values(v) * sizeof *values;
    struct wn_error err, refused;
    oom_arm(n, mode);
    enum wn_code code = measure(h, v, values, &refused, &err);
    bool refused_one = oom_disarm();
    if (code != WN_OK && code != WN_NO_MEMORY && code != WN_DEVICE) fail_msg("allocation %ld: %s", n, err.text);
    if (code != WN_OK && !err.text[0]) fail_msg("allocation %ld failed without a word", n);
    if (code == WN_OK && refused.code != WN_OK)
        fail_msg("allocation %ld: a failure passes for a refusal: %s", n, refused.text);
    if (code == WN_OK && memcmp(values, quiet, bytes) != 0)
        fail_msg("allocation %ld was lost without a word, and numbers with it", n);
    *failures += code != WN_OK;
    code = measure(h, v, values, &refused, &err);
    if (code != WN_OK) fail_msg("after allocation %ld the evaluation does not recover: %s", n, err.text);
    assert_memory_equal(values, quiet, bytes);
    return refused_one;
}

/* Of the subjects the first n_subjects, every step-th allocation. warm: the programs are compiled already, and one
 * evaluation goes through it all. */
static void survive(const char *backend, int n_subjects, long step, bool warm)
{
    static struct hall hall;
    static double quiet[MOST_VALUES];
    struct wn_error err, refused;
    int failures = 0;
    hall = (struct hall){0};
    open_hall(&hall);
    hall.options.n_subjects = n_subjects;
    open_engines(&hall, backend);
    struct wn_evaluation *v = evaluation_of(&hall);
    if (measure(&hall, v, quiet, &refused, &err) != WN_OK || refused.code != WN_OK)
        fail_msg("%s%s", err.text, refused.text);
    for (long n = 1; disturb(&hall, v, n, n % 2 ? OOM_ONCE : OOM_FROM_THEN_ON, quiet, &failures); n += step) {
        if (warm) continue;
        wn_evaluation_destroy(v);
        close_engines(&hall);
        open_engines(&hall, backend);
        v = evaluation_of(&hall);
    }
    assert_true(failures > 30);
    wn_evaluation_destroy(v);
    close_engines(&hall);
    close_hall(&hall);
}

static void no_failed_allocation_passes_for_a_number_that_a_picture_does_not_say(void **state)
{
    (void)state;
    survive("auto", 2, 1, true);
}

static void neither_does_one_where_questions_take_several_passes(void **state)
{
    (void)state;
    survive("auto", 4, 3, true);
}

static void neither_does_one_while_programs_are_compiled(void **state)
{
    (void)state;
    survive("ref", 4, 29, false);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_failed_allocation_passes_for_a_number_that_a_picture_does_not_say),
        cmocka_unit_test(neither_does_one_where_questions_take_several_passes),
        cmocka_unit_test(neither_does_one_while_programs_are_compiled),
    };
    if (argc != 2) return 2;
    model = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
