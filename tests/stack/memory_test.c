/* The n-th allocation fails, for every n, while a stack and its statistics are made: the right code, nothing left
 * behind, and the engine answers the next call as if nothing had been: memory_test MODEL.onnx
 *
 * The model: a head with a rule in forward mode for Grad-CAM and none for the linear approximation, so that both ways
 * are walked. */
#include "oom.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <whynot/whynot.h>

static const char *model;
enum { IMAGES = 3 };
static float picture[3 * 256 * 256], logits[IMAGES * 1024];

/* Two in one run and one behind them: of a failed call nothing is left, of the others each has what the image has
 * alone. */
static enum wn_code several(struct wn_engine *e, const char *method, const struct wn_stack *alone, struct wn_error *err)
{
    const float *images[IMAGES] = {picture, picture, picture};
    struct wn_stack stacks[IMAGES] = {0};
    struct wn_error errors[IMAGES];
    enum wn_code code =
        wn_engine_stacks(e, images, IMAGES, WN_LAYER_AUTO, wn_method_find(method), logits, stacks, errors, err);
    for (int i = 0; i < IMAGES; i++) {
        if (code != WN_OK) {
            assert_null(stacks[i].maps);
            continue;
        }
        assert_int_equal(errors[i].code, WN_OK);
        for (int j = 0; j < alone->classes * alone->h * alone->w; j++)
            assert_true(fabsf(stacks[i].maps[j] - alone->maps[j]) <= 1e-4f * fabsf(alone->maps[j]) + 1e-6f);
        wn_stack_finish(&stacks[i]);
    }
    return code;
}

static enum wn_code everything(struct wn_engine *e, const char *method, struct wn_stack *stack, struct wn_error *err)
{
    struct wn_statistics all;
    enum wn_code code = wn_engine_stack(e, picture, WN_LAYER_AUTO, wn_method_find(method), logits, stack, err);
    if (code != WN_OK) {
        assert_null(stack->maps);
        return code;
    }
    code = wn_stack_statistics(stack, logits, WN_TARGET_PREDICTED, wn_contrast_find("cross-entropy"),
                               WN_STATISTICS_MASKS, 20, 30, &all, err);
    if (code != WN_OK) assert_null(all.mean);
    wn_statistics_finish(&all);
    if (code == WN_OK) code = several(e, method, stack, err);
    if (code != WN_OK) wn_stack_finish(stack);
    return code;
}

static void survive(const char *backend, const char *method)
{
    struct wn_graph *graph;
    struct wn_engine *e;
    struct wn_stack stack, again;
    struct wn_error err = {0};
    bool refused = true;
    int failures = 0;
    if (wn_graph_load(model, NULL, &graph, &err) != WN_OK) fail_msg("%s", err.text);
    for (long n = 1; refused; n++) {
        memset(&err, 0, sizeof err);
        if (wn_engine_create(graph, &(struct wn_engine_options){.backend = backend, .max_images = 2}, &e, &err) !=
            WN_OK)
            fail_msg("%s", err.text);
        oom_arm(n, n % 2 ? OOM_ONCE : OOM_FROM_THEN_ON);
        enum wn_code code = everything(e, method, &stack, &err);
        refused = oom_disarm();
        if (code != WN_OK && code != WN_NO_MEMORY && code != WN_DEVICE) fail_msg("allocation %ld: %s", n, err.text);
        failures += code != WN_OK;
        if (everything(e, method, &again, NULL) != WN_OK)
            fail_msg("after allocation %ld the engine does not recover", n);
        if (code == WN_OK)
            assert_memory_equal(stack.maps, again.maps, (size_t)(stack.classes * stack.h * stack.w) * sizeof(float));
        wn_stack_finish(&stack);
        wn_stack_finish(&again);
        wn_engine_destroy(e);
    }
    assert_true(failures > 20);
    wn_graph_destroy(graph);
}

static void a_stack_survives_every_failed_allocation(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof picture / sizeof *picture; i++) picture[i] = (float)(i * 7 % 13) - 6;
    const char *const backends[] = {"ref", "onednn"};
    for (int i = 0; i < 2; i++) {
        if (!wn_backend_find(backends[i])) continue;
        survive(backends[i], "gradcam");
        survive(backends[i], "la");
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_stack_survives_every_failed_allocation)};
    if (argc != 2) return 2;
    model = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
