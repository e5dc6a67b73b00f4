/* An engine uses what its backend can do besides running programs: decoded pictures become the network's input there,
 * to the bit what the host makes of them, and seeds are made where the logits lie, so that the backward pass waits for
 * no host. On the emulation, beside the same engine with a backend that cannot.
 *
 *     emulated_services_test cuda FOLDER     FOLDER holds the networks of make_goldens.py */
#include "small.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <media/preprocess.h>

#include "engine.h"
#include "fake_runtime.h"

/* The backend as it is, but that its calls are counted; without a service where a test wants it gone. */
static struct wn_backend_impl spied;
static const struct wn_backend_impl *plain;
static struct {
    int seeds, seeded_rows, later_stages, prepared;
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

static enum wn_code spy_seed(struct wn_exe *exe, int logits, int seed, const struct wn_seed_row *rows, int n,
                             struct wn_error *err)
{
    const enum wn_code code = plain->seed(exe, logits, seed, rows, n, err);
    if (code == WN_OK) seen.seeds++, seen.seeded_rows += n;
    return code;
}

enum { MOST_IMAGES = 8 };
static const float *expected[2 * MOST_IMAGES]; /* numbers of each image that is prepared, as the host makes them */

/* Reads back what was prepared: the very bits. */
static enum wn_code spy_prepare(struct wn_exe *exe, int value, const float *const *numbers,
                                const struct wn_picture *const *pictures, int n, struct wn_error *err)
{
    static float seen_there[2 * MOST_IMAGES][PIXELS];
    enum wn_code code = plain->prepare(exe, value, numbers, pictures, n, err);
    if (code == WN_OK) code = plain->read(exe, value, seen_there[0], err);
    for (int i = 0; i < n && code == WN_OK; i++) {
        if (numbers[i]) assert_memory_equal(seen_there[i], numbers[i], sizeof seen_there[i]);
        if (numbers[i] || !pictures[i]) continue;
        assert_memory_equal(seen_there[i], expected[i], sizeof seen_there[i]);
        seen.prepared++;
    }
    return code;
}

static struct wn_engine *engine_of(struct wn_graph *g, enum wn_precision precision, int images, int rows, bool services)
{
    const float black[3] = {-1, -2, -3};
    const struct wn_engine_options options = {
        .backend = "cuda", .device.precision = precision, .max_images = images, .max_rows = rows, .black = black};
    struct wn_engine *e;
    assert_int_equal(wn_engine_create(g, &options, &e, NULL), WN_OK);
    plain = e->backend->impl;
    spied = *plain;
    spied.run = spy_run;
    spied.seed = services ? spy_seed : NULL;
    spied.prepare = services ? spy_prepare : NULL;
    e->backend->impl = &spied;
    memset(&seen, 0, sizeof seen);
    return e;
}

static struct wn_engine *spied_engine(struct wn_graph *g, int images, int rows, bool services)
{
    return engine_of(g, WN_PRECISION_F32, images, rows, services);
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
        if ((c->flags & (WN_CONTRAST_FOIL | WN_CONTRAST_FOIL_SET) && i % 4 == 1 && i % 3) ||
            c->flags & WN_CONTRAST_SAME_OK)
            q[n].foils = &foils[n], q[n].n_foils = 1;
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
            assert_true(a[i].target == b[i].target && a[i].foil == b[i].foil && a[i].flags == b[i].flags &&
                        a[i].score == b[i].score);
            /* of two passes no more than rounding may be left */
            const double far = largest(&b[i]) > 1e-6 ? off(&a[i], &b[i], 1) : 0;
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
    struct wn_question q[] = {question(0, "gradcam", "pair", WN_TARGET_PREDICTED), question(1, "gradcam", "pair", 1)},
                       sure = question(1, "gradcam", "pair", 2);
    struct wn_answer a[2], b;
    float *y = calloc(2 * (size_t)wn_graph_classes(g), sizeof *y);
    const struct wn_batch late = {.n_images = 2, .images = images, .n_questions = 2, .questions = q},
                          at_once = {.n_images = 2, .images = images, .n_questions = 1, .questions = &sure};
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

/* What the host would refuse it refuses after the device has worked, and the question's neighbours have their
 * answers. */
static void a_question_that_is_wrong_fails_alone(void **state)
{
    (void)state;
    struct wn_graph *g = small_load("vgg_head");
    struct wn_engine *e = spied_engine(g, IMAGES, 8, true);
    struct wn_question q[] = {question(0, "gradcam", "pair", 1), question(0, "gradcam", "pair", 1),
                              question(0, "gradcam", "pair", 1)};
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

/* ---- pictures ---- */

static const struct wn_preprocess hows[] = {{.resize = WN_RESIZE_SQUASH,
                                             .resize_w = SIDE,
                                             .resize_h = SIDE,
                                             .antialias = true,
                                             .scale = 1 / 255.f,
                                             .mean = {0.4f, 0.5f, 0.6f},
                                             .std = {0.2f, 0.3f, 0.25f}},
                                            {.resize = WN_RESIZE_SHORT_SIDE,
                                             .resize_w = 2 * SIDE,
                                             .crop_w = SIDE,
                                             .crop_h = SIDE,
                                             .antialias = true,
                                             .order = WN_CHANNELS_BGR,
                                             .scale = 1,
                                             .std = {1, 1, 1}},
                                            {.resize = WN_RESIZE_SQUASH,
                                             .resize_w = SIDE + 3,
                                             .resize_h = SIDE + 5,
                                             .crop_w = SIDE,
                                             .crop_h = SIDE,
                                             .scale = 1 / 128.f,
                                             .mean = {1, 1, 1},
                                             .std = {1, 1, 1}}};

/* What a server holds of a picture, and what it would make of it by itself. */
struct shot {
    struct wn_image image;
    struct wn_picture picture;
    float numbers[PIXELS];
};

static struct shot shot_of(int i, int w, int h)
{
    struct shot s = {
        .image = {.width = w, .height = h, .full_width = w, .full_height = h, .reduction = 1, .orientation = 1}};
    const struct wn_preprocess *how = &hows[i % 3];
    struct wn_geometry geometry;
    s.image.rgb = malloc((size_t)w * (size_t)h * 3);
    for (int k = 0; k < w * h * 3; k++) s.image.rgb[k] = (uint8_t)((k * 2654435761u + (unsigned)i * 40503u) >> 24);
    assert_int_equal(wn_preprocess_geometry(how, w, h, &geometry, NULL), WN_OK);
    assert_int_equal(wn_preprocess_apply(how, &s.image, &geometry, s.numbers, NULL), WN_OK);
    s.picture = wn_preprocess_picture_of(how, &s.image, &geometry);
    return s;
}

enum { LOGITS = 1000 };

static void explain_shots(struct wn_engine *e, const struct shot *shots, unsigned as_pictures, struct wn_question *q,
                          struct wn_answer *a, int n, float *logits)
{
    const float *images[IMAGES];
    const struct wn_picture *orders[IMAGES];
    struct wn_error err = {0};
    for (int i = 0; i < IMAGES; i++) {
        images[i] = as_pictures >> i & 1 ? NULL : shots[i].numbers;
        orders[i] = &shots[i].picture;
    }
    const struct wn_batch batch = {
        .n_images = IMAGES, .images = images, .pictures = orders, .n_questions = n, .questions = q};
    if (wn_engine_explain(e, &batch, logits, a, NULL, &err) != WN_OK) fail_msg("%s", err.text);
}

/* Pictures of many sizes, more than fit into one launch, and numbers between them: the same bits come out, in the
 * order of the batch. */
static void judge_pictures(enum wn_precision precision, int most_images, const struct shot *shots, struct wn_graph *g)
{
    static const char *const methods[] = {"gradcam", "la", "gradient", "deeplift"};
    static float want[IMAGES * LOGITS], got[IMAGES * LOGITS];
    struct wn_question q[4];
    struct wn_answer a[4], b[4];
    struct wn_engine *e = engine_of(g, precision, most_images, 4, true);
    const unsigned pictures = 1 | 2 | 4 | 16; /* the fourth comes as numbers, for DeepLIFT */
    for (int i = 0; i < 4; i++) q[i] = question(i, methods[i], "weighted", WN_TARGET_PREDICTED);
    explain_shots(e, shots, 0, q, b, 4, want);
    assert_int_equal(seen.prepared, 0);
    explain_shots(e, shots, pictures, q, a, 4, got);
    assert_true(seen.prepared >= 4);
    assert_memory_equal(got, want, (size_t)(IMAGES * wn_graph_classes(g)) * sizeof *got);
    for (int i = 0; i < 4; i++) {
        if (a[i].error.code != WN_OK) fail_msg("%s", a[i].error.text);
        assert_memory_equal(a[i].map, b[i].map, (size_t)(a[i].h * a[i].w) * sizeof *a[i].map);
        wn_answer_finish(&a[i]), wn_answer_finish(&b[i]);
    }
    finish(e);
}

static void pictures_prepared_by_the_device_are_the_hosts_to_the_bit(void **state)
{
    (void)state;
    static const int sizes[IMAGES][2] = {{40, 30}, {19, 57}, {33, 21}, {50, 40}, {23, 29}};
    struct wn_graph *g = small_load("vgg_head");
    static struct shot shots[IMAGES];
    for (int i = 0; i < IMAGES; i++) shots[i] = shot_of(i, sizes[i][0], sizes[i][1]), expected[i] = shots[i].numbers;
    assert_true(IMAGES * wn_graph_classes(g) <= IMAGES * LOGITS);
    judge_pictures(WN_PRECISION_F32, IMAGES, shots, g);
    judge_pictures(WN_PRECISION_BF16, MOST_IMAGES, shots, g); /* places are left over */
    for (int i = 0; i < IMAGES; i++) free(shots[i].image.rgb);
    wn_graph_destroy(g);
}

static void what_cannot_be_prepared_is_refused(void **state)
{
    (void)state;
    struct wn_graph *g = small_load("vgg_head");
    struct shot small = shot_of(0, 20, 20), large = shot_of(0, 60, 60);
    const float *none = NULL;
    const struct wn_picture *order = &small.picture;
    struct wn_question q = question(0, "ig", "logit", 0);
    struct wn_answer a;
    float y[LOGITS];
    struct wn_batch batch = {.n_images = 1, .images = &none, .pictures = &order, .n_questions = 1, .questions = &q};
    expected[0] = small.numbers;
    for (int services = 0; services < 2; services++) {
        struct wn_engine *e = spied_engine(g, 1, 1, services);
        assert_int_equal(wn_engine_explain(e, &batch, y, &a, NULL, NULL), services ? WN_OK : WN_BAD_REQUEST);
        if (services) assert_int_equal(a.error.code, WN_UNSUPPORTED); /* a method of several runs wants the numbers */
        struct wn_picture wrong = small.picture;
        order = &wrong;
        wrong.part_w--; /* the window reads a column that is not there */
        assert_int_equal(wn_engine_explain(e, &batch, y, &a, NULL, NULL), WN_BAD_REQUEST);
        order = &large.picture;
        assert_int_equal(wn_engine_explain(e, &batch, y, &a, NULL, NULL), WN_BAD_REQUEST);
        order = &small.picture;
        finish(e);
    }
    free(small.image.rgb), free(large.image.rgb);
    wn_graph_destroy(g);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seeds_of_the_device_give_the_maps_that_seeds_of_the_host_give),
        cmocka_unit_test(the_backward_pass_waits_for_no_host),
        cmocka_unit_test(what_is_settled_late_is_what_is_seeded),
        cmocka_unit_test(a_question_that_is_wrong_fails_alone),
        cmocka_unit_test(pictures_prepared_by_the_device_are_the_hosts_to_the_bit),
        cmocka_unit_test(what_cannot_be_prepared_is_refused),
    };
    const int code = small_begin(argc, argv);
    return code ? code : cmocka_run_group_tests(tests, NULL, NULL);
}
