/* An engine uses what its backend can do besides running programs: seeds are made where the logits lie, so that the backward pass waits for no
 * host. On the emulation, beside the same engine with a backend that cannot.
 *
 *     emulated_services_test cuda FOLDER     FOLDER holds the networks of make_goldens.py */
#include "small.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "fake_runtime.h"

/* The backend as it is, but that its calls are counted; without a service where a test wants it gone. */
static struct wn_backend_impl spied;
static const struct wn_backend_impl *plain;
static struct {
    int seeds, seeded_rows, later_stages;
    long waits; /* between the end of a forward pass and the start of what follows it, all of them together */
    long forward_ended;
} seen;

static enum wn_code spy_run(struct wn_exe *exe, int stage, struct wn_error *err)
{
    if (stage) seen.later_stages++, seen.waits += fake_runtime.waits - seen.forward_ended;
    const enum wn_code code = plain->run(exe, stage, err);
    seen.forward_ended = fake_runtime.waits;
    return code;
}

static enum wn_code spy_seed(struct wn_exe *exe, int logits, int seed, const struct wn_seed_row *rows, int n, struct wn_error *err)
{
    const enum wn_code code = plain->seed(exe, logits, seed, rows, n, err);
    if (code == WN_OK) seen.seeds++, seen.seeded_rows += n;
    return code;
}

static struct wn_engine *spied_engine(struct wn_graph *g, int images, int rows, bool services)
{
    struct wn_engine *e = small_engine(g, images, rows, NULL);
    plain = e->backend->impl;
    spied = *plain;
    spied.run = spy_run;
    spied.seed = services ? spy_seed : NULL;
    e->backend->impl = &spied;
    memset(&seen, 0, sizeof seen);
    return e;
}

static void finish(struct wn_engine *e)
{
    e->backend->impl = plain;
    wn_engine_destroy(e);
}

/* ---- seeds ---- */

enum { MANY = 60 };

/* Every contrast, with and without foils, by methods of a layer, in an order in which nobody would sort them. */
static int fill(struct wn_question *q, int classes)
{
    static const char *const methods[] = {"gradcam", "la", "hirescam", "lrp-zplus"};
    static int foils[MANY];
    int n = 0;
    for (int i = 0; wn_contrast_at(i % 14) && n < MANY; i++) {
        const struct wn_contrast *c = wn_contrast_at((i * 5) % 14);
        const char *method = c->flags & WN_CONTRAST_RELEVANCE ? "lrp-zplus" : methods[i % 4];
        q[n] = question(i % IMAGES, method, c->name, i % 3 ? i % classes : WN_TARGET_PREDICTED);
        foils[n] = (i + 1) % classes;
        if ((c->flags & (WN_CONTRAST_FOIL | WN_CONTRAST_FOIL_SET) && i % 4 == 1 && i % 3) || c->flags & WN_CONTRAST_SAME_OK) q[n].foils = &foils[n], q[n].n_foils = 1;
        if (c->flags & WN_CONTRAST_VALUE) q[n].has_value = true, q[n].value = 0.5f;
        n++;
    }
    return n;
}

static void explain(struct wn_engine *e, struct wn_question *q, struct wn_answer *a, int n)
{
    const float *images[IMAGES];
    struct wn_error err = {0};
    float *y = calloc(IMAGES * (size_t)wn_graph_classes(e->graph), sizeof *y);
    for (int i = 0; i < IMAGES; i++) images[i] = pictures[i];
    const struct wn_batch batch = {.n_images = IMAGES, .images = images, .n_questions = n, .questions = q};
    if (wn_engine_explain(e, &batch, y, a, NULL, &err) != WN_OK) fail_msg("%s", err.text);
    free(y);
}

static double largest(const struct wn_answer *a)
{
    double most = 0;
    for (int i = 0; i < a->h * a->w; i++) most = fmax(most, fabs((double)a->map[i]));
    return most;
}

static void seeds_of_the_device_give_the_maps_that_seeds_of_the_host_give(void **state)
{
    (void)state;
    static const char *const networks[] = {"vgg_head", "residual"};
    for (int k = 0; k < 2; k++) {
        struct wn_graph *g = small_load(networks[k]);
        struct wn_question q[MANY];
        struct wn_answer a[MANY], b[MANY];
        const int n = fill(q, wn_graph_classes(g));
        struct wn_engine *e = spied_engine(g, IMAGES, 8, false);
        explain(e, q, b, n);
        assert_int_equal(seen.seeds, 0);
        finish(e);
        e = spied_engine(g, IMAGES, 8, true);
        explain(e, q, a, n);
        assert_true(seen.seeded_rows >= n); /* a contrast of two passes has two rows */
        finish(e);
        for (int i = 0; i < n; i++) {
            assert_int_equal(a[i].error.code, b[i].error.code);
            if (a[i].error.code != WN_OK) continue;
            assert_true(a[i].target == b[i].target && a[i].foil == b[i].foil && a[i].flags == b[i].flags && a[i].score == b[i].score);
            const double far = largest(&b[i]) > 1e-6 ? off(&a[i], &b[i], 1) : 0; /* of two passes no more than rounding may be left */
            if (!(far < 1e-5)) fail_msg("%s, %s: off by %g", q[i].contrast->name, q[i].method->name, far);
            wn_answer_finish(&a[i]), wn_answer_finish(&b[i]);
        }
        wn_graph_destroy(g);
    }
}

/* One method and one layer, as many rows as fit: what a daemon mostly runs. */
static void ask_alike(struct wn_engine *e, const char *contrast)
{
    struct wn_question q[IMAGES];
    struct wn_answer a[IMAGES];
    for (int i = 0; i < IMAGES; i++) q[i] = question(i, "gradcam", contrast, WN_TARGET_PREDICTED);
    memset(&seen, 0, sizeof seen);
    explain(e, q, a, IMAGES);
    for (int i = 0; i < IMAGES; i++) {
        assert_int_equal(a[i].error.code, WN_OK);
        wn_answer_finish(&a[i]);
    }
    assert_int_equal(seen.later_stages, 1);
}

static void the_backward_pass_waits_for_no_host(void **state)
{
    (void)state;
    struct wn_graph *g = small_load("vgg_head");
    for (int services = 0; services < 2; services++) {
        struct wn_engine *e = spied_engine(g, IMAGES, IMAGES, services);
        for (int i = 0; i < 2; i++) { /* the second finds everything compiled, and staging that was used */
            ask_alike(e, "weighted");
            assert_int_equal(seen.seeds, services);
            assert_int_equal(seen.waits, services ? 0 : 1); /* without: for the logits */
        }
        ask_alike(e, "cross-entropy"); /* its foil is the runner-up of a prediction: the host's to say */
        assert_true(seen.seeds == 0 && seen.waits == 1);
        finish(e);
    }
    wn_graph_destroy(g);
}

static void settle(void *context, int image, const float *logits)
{
    struct wn_question *q = context;
    if (image == 1) q[1].target = logits[0] > 1e30f ? 0 : 2;
}

/* Questions that wait for the logits have them before their seeds are made. */
static void what_is_settled_late_is_what_is_seeded(void **state)
{
    (void)state;
    struct wn_graph *g = small_load("vgg_head");
    struct wn_engine *e = spied_engine(g, 2, 2, true);
    const float *images[] = {pictures[0], pictures[1]};
    struct wn_question q[] = {question(0, "gradcam", "pair", WN_TARGET_PREDICTED), question(1, "gradcam", "pair", 1)}, sure = question(1, "gradcam", "pair", 2);
    struct wn_answer a[2], b;
    float *y = calloc(2 * (size_t)wn_graph_classes(g), sizeof *y);
    const struct wn_batch late = {.n_images = 2, .images = images, .n_questions = 2, .questions = q}, at_once = {.n_images = 2, .images = images, .n_questions = 1, .questions = &sure};
    assert_int_equal(wn_engine_explain_late(e, &late, settle, q, y, a, NULL, NULL), WN_OK);
    assert_int_equal(wn_engine_explain(e, &at_once, y, &b, NULL, NULL), WN_OK);
    assert_int_equal(seen.seeds, 2);
    assert_int_equal(a[1].target, 2);
    assert_true(off(&a[1], &b, 1) < 1e-6);
    wn_answer_finish(&a[0]), wn_answer_finish(&a[1]), wn_answer_finish(&b);
    free(y);
    finish(e);
    wn_graph_destroy(g);
}

/* What the host would refuse it refuses after the device has worked, and the question's neighbours have their answers. */
static void a_question_that_is_wrong_fails_alone(void **state)
{
    (void)state;
    struct wn_graph *g = small_load("vgg_head");
    struct wn_engine *e = spied_engine(g, IMAGES, 8, true);
    struct wn_question q[] = {question(0, "gradcam", "pair", 1), question(0, "gradcam", "pair", 1), question(0, "gradcam", "pair", 1)};
    struct wn_answer a[3];
    const int same = 1, other = 2, none = 1 << 20;
    q[0].foils = &same, q[1].foils = &other, q[2].foils = &none;
    for (int i = 0; i < 3; i++) q[i].n_foils = 1;
    explain(e, q, a, 2); /* both are rows; one is a class against itself, which the host's check says */
    assert_true(seen.seeded_rows == 2 && a[0].error.code == WN_BAD_REQUEST && !a[0].map && a[1].error.code == WN_OK);
    wn_answer_finish(&a[1]);
    explain(e, q, a, 3); /* no class at all: nothing of it goes to the device */
    assert_true(seen.seeded_rows == 2 && a[2].error.code == WN_NO_SUCH_CLASS && a[1].error.code == WN_OK);
    wn_answer_finish(&a[1]);
    finish(e);
    wn_graph_destroy(g);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seeds_of_the_device_give_the_maps_that_seeds_of_the_host_give),
        cmocka_unit_test(the_backward_pass_waits_for_no_host),
        cmocka_unit_test(what_is_settled_late_is_what_is_seeded),
        cmocka_unit_test(a_question_that_is_wrong_fails_alone),
    };
    const int code = small_begin(argc, argv);
    return code ? code : cmocka_run_group_tests(tests, NULL, NULL);
}
