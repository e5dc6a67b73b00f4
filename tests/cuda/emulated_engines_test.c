/* A model is warm before anyone asks it: each worker's engine has compiled a program for each size of a run, and what
 * comes then compiles none. On the emulation, whose backend gains from batches.
 *
 *     emulated_engines_test cuda FOLDER     FOLDER holds the networks of make_goldens.py */
#include "small.h"

#include <stdlib.h>
#include <string.h>

#include <engines.h>

#include "engine.h"

enum { MOST = 8, SIZES = 4, WORKERS = 2 }; /* 1, 2, 4, 8 images */

static int kept(const struct wn_engine *e)
{
    int n = 0;
    for (int i = 0; i < MAX_PLANS; i++) n += e->plans[i] != NULL;
    return n;
}

/* n pictures with a question each, as a batch of requests brings them. */
static void ask(struct wn_engine *e, int n)
{
    const float *images[MOST];
    struct wn_question q[MOST];
    struct wn_answer a[MOST] = {0};
    float *logits = calloc((size_t)(MOST * e->graph->classes), sizeof *logits);
    assert_non_null(logits);
    for (int i = 0; i < n; i++)
        images[i] = pictures[i % IMAGES], q[i] = question(i, "gradcam", "weighted", WN_TARGET_PREDICTED);
    assert_int_equal(wn_engine_explain(e, &(struct wn_batch){n, images, n, q, NULL, NULL, NULL}, logits, a, NULL, NULL),
                     WN_OK);
    for (int i = 0; i < n; i++) assert_int_equal(a[i].error.code, WN_OK), wn_answer_finish(&a[i]);
    free(logits);
}

static void every_workers_engine_has_compiled_what_batches_run(void **state)
{
    (void)state;
    char *const arguments[] = {"whynotd", "--backend", "cuda", "--workers", "2", "--max-batch-size", "8", NULL};
    struct wn_config config;
    enum wn_config_wish wish;
    struct wn_error err = {0};
    struct wn_crew crew = {0};
    struct wn_model *m = calloc(1, sizeof *m);
    assert_non_null(m);
    if (wn_config_load(7, (char **)arguments, &config, &wish, &err) != WN_OK) fail_msg("%s", err.text);
    m->graph = small_load("residual");
    m->classes = wn_graph_classes(m->graph);
    m->layer = m->graph->auto_layer;
    for (int i = 0; i < 3; i++) m->manifest.preprocess.std[i] = 1;
    if (wn_engines_first(m, &config, &crew, &err) != WN_OK || wn_engines_rest(m, &config, &crew, true, &err) != WN_OK)
        fail_msg("%s", err.text);
    assert_int_equal(m->n_engines, WORKERS);
    assert_int_equal(m->most_images, MOST);
    for (int i = 0; i < SIZES; i++) assert_true(m->run_us[i] > 0);
    for (int w = 0; w < WORKERS; w++) {
        assert_int_equal(kept(m->engines[w]), SIZES);
        for (int n = 1; n <= MOST; n++) ask(m->engines[w], n);
        assert_int_equal(kept(m->engines[w]), SIZES);
    }
    wn_model_destroy(m);
}

int main(int argc, char **argv)
{
    const int status = small_begin(argc, argv);
    if (status) return status;
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_workers_engine_has_compiled_what_batches_run)};
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
