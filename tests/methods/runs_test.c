/* Methods that take several runs: what their maps must sum to, what they equal on special networks, and how they end early.
 *
 *     runs_test BACKEND FOLDER     FOLDER holds the networks of make_goldens.py */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <whynot/masking.h>
#include <whynot/whynot.h>

#include "graph.h"
#include "methods/principal.h"

enum { SIDE = 9, PIXELS = 3 * SIDE * SIDE, IMAGES = 3 };

static const char *backend, *folder;
static float pictures[IMAGES][PIXELS];

struct bench {
    struct wn_graph *graph;
    struct wn_engine *engine;
};

static void load(struct bench *b, const char *network)
{
    char path[512];
    struct wn_error err = {0};
    struct wn_graph_options options = {.height = SIDE, .width = SIDE};
    snprintf(path, sizeof path, "%s/%s.onnx", folder, network);
    if (wn_graph_load(path, &options, &b->graph, &err) != WN_OK) fail_msg("%s: %s", network, err.text);
}

static void start(struct bench *b, int room, const float *black)
{
    struct wn_error err = {0};
    struct wn_engine_options options = {.backend = backend, .max_images = room, .max_rows = room, .black = black};
    if (wn_engine_create(b->graph, &options, &b->engine, &err) != WN_OK) fail_msg("%s", err.text);
}

/* Keeps the first ReLU open, so that what lies behind it decides how smooth the network is. */
static void lift_the_stem(struct wn_graph *g)
{
    for (int i = 0; i < g->n_values; i++) {
        struct wn_tensor *t = g->constants[i];
        if (t && t->f && strcmp(g->value_names[i], "conv.bias") == 0)
            for (int64_t k = 0; k < t->shape.dim[0]; k++) t->f[k] += 2.5f;
    }
}

static struct bench open_smooth(const char *network)
{
    struct bench b;
    load(&b, network);
    lift_the_stem(b.graph);
    start(&b, 1, NULL);
    return b;
}

static struct bench open_bench(const char *network, int room)
{
    struct bench b;
    load(&b, network);
    start(&b, room, NULL);
    return b;
}

static void close_bench(struct bench *b)
{
    wn_engine_destroy(b->engine);
    wn_graph_destroy(b->graph);
}

static struct wn_question question(int image, const char *method, const char *contrast, int target)
{
    return (struct wn_question){.image = image, .layer = WN_LAYER_AUTO, .method = wn_method_find(method),
                                .contrast = wn_contrast_find(contrast), .target = target};
}

static void set(struct wn_question *q, enum wn_setting which, const char *text)
{
    struct wn_error err = {0};
    if (wn_setting_set(&q->settings, which, text, &err) != WN_OK) fail_msg("%s", err.text);
}

static void ask(struct bench *b, struct wn_question *q, int n, struct wn_answer *a)
{
    const float *images[IMAGES];
    struct wn_error err = {0};
    float *y = calloc((size_t)(IMAGES * wn_graph_classes(b->graph)), sizeof *y);
    for (int i = 0; i < IMAGES; i++) images[i] = pictures[i];
    struct wn_batch batch = {.n_images = IMAGES, .images = images, .n_questions = n, .questions = q};
    if (wn_engine_explain(b->engine, &batch, y, a, NULL, &err) != WN_OK) fail_msg("%s", err.text);
    free(y);
}

static struct wn_answer one(struct bench *b, struct wn_question q)
{
    struct wn_answer a;
    ask(b, &q, 1, &a);
    if (a.error.code != WN_OK) fail_msg("%s with %s: %s", q.method->name, q.contrast->name, a.error.text);
    return a;
}

/* a against sign times b, relative to the largest value of b. */
static double off(const struct wn_answer *a, const struct wn_answer *b, double sign)
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

static const char *const smooth[] = {"tanh", "sigmoid", "sqrt", "softmax"};
static const char *const kinked[] = {"residual", "vgg_head", "batch_norm_folded", "max_pool"};

/* A difference near 0 has no more digits than the logits that it is made of. */
static double residual_of(const struct wn_answer *a)
{
    return fabs(a->completeness.sum - a->completeness.expected) / fmax(fabs(a->completeness.expected), 0.1);
}

static void check_completeness(const char *network, const char *contrast, const char *target, const char *baseline, double bound)
{
    struct bench b = bound < 1e-3 ? open_smooth(network) : open_bench(network, 1);
    struct wn_question q = question(1, "ig", contrast, 2);
    set(&q, WN_SETTING_PATH_TARGET, target);
    set(&q, WN_SETTING_BASELINE, baseline);
    set(&q, WN_SETTING_STEPS, bound < 1e-3 ? "50" : "200");
    struct wn_answer a = one(&b, q);
    double sum = 0, residual = residual_of(&a);
    for (int i = 0; i < a.h * a.w; i++) sum += a.map[i];
    assert_true(a.completeness.known);
    assert_true(fabs(sum - a.completeness.sum) <= 1e-5 * (fabs(sum) + 1e-3));
    if (!(residual < bound)) fail_msg("%s, %s, %s, %s: sum %g, expected %g", network, contrast, target, baseline, a.completeness.sum, a.completeness.expected);
    wn_answer_finish(&a);
    close_bench(&b);
}

static void integrated_gradients_sum_to_what_their_scalar_gains(void **state)
{
    (void)state;
    const char *const targets[] = {"frozen", "probability", "log-odds"};
    const char *const contrasts[] = {"weighted", "probability", "pair", "cross-entropy", "subset"};
    for (int t = 0; t < 3; t++)
        for (int c = 0; c < 5; c++) {
            check_completeness(smooth[(t + c) % 4], contrasts[c], targets[t], c % 2 ? "zero" : "blurred", 1e-4);
            check_completeness(kinked[(t + c) % 4], contrasts[c], targets[t], "zero", 1e-2);
        }
    check_completeness("tanh", "logit", "auto", "zero", 1e-4);
    check_completeness("tanh", "mean", "auto", "zero", 1e-4);
    check_completeness("tanh", "finer", "auto", "zero", 1e-4);
}

static void zero_the_biases(struct wn_graph *g)
{
    for (int i = 0; i < g->n_values; i++) {
        struct wn_tensor *t = g->constants[i];
        if (t && t->f && t->shape.rank == 1) memset(t->f, 0, (size_t)t->shape.dim[0] * sizeof *t->f);
    }
}

static void without_biases_the_path_method_is_input_times_gradient(void **state)
{
    (void)state;
    struct bench b;
    load(&b, "vgg_head");
    zero_the_biases(b.graph);
    start(&b, 1, NULL);
    struct wn_question q = question(0, "ig", "weighted", 1), x = question(0, "ixg", "weighted", 1);
    set(&q, WN_SETTING_PATH_TARGET, "frozen");
    set(&q, WN_SETTING_STEPS, "8");
    struct wn_answer ig = one(&b, q), ixg = one(&b, x);
    assert_true(off(&ig, &ixg, 1) < 1e-5);
    wn_answer_finish(&ig);
    wn_answer_finish(&ixg);
    close_bench(&b);
}

static void both_quadratures_agree_on_a_smooth_network(void **state)
{
    (void)state;
    struct bench b = open_smooth("tanh");
    struct wn_question q = question(0, "ig", "weighted", 1), m = q;
    set(&m, WN_SETTING_QUADRATURE, "midpoint");
    set(&m, WN_SETTING_STEPS, "256");
    struct wn_answer gauss = one(&b, q), midpoint = one(&b, m);
    double difference = off(&gauss, &midpoint, 1);
    assert_true(difference < 1e-4 && difference > 0);
    wn_answer_finish(&gauss);
    wn_answer_finish(&midpoint);
    close_bench(&b);
}

static const char *const drivers[] = {"ig", "smoothgrad", "scorecam", "eigengradcam"};

static void nodes_gathered_in_a_batch_give_the_same_map(void **state)
{
    (void)state;
    struct bench alone = open_bench("residual", 1), together = open_bench("residual", 8);
    for (int i = 0; i < 4; i++) {
        struct wn_question q = question(1, drivers[i], "pair", 2);
        struct wn_answer a = one(&alone, q), b = one(&together, q);
        assert_true(off(&b, &a, 1) < 2e-5);
        wn_answer_finish(&a);
        wn_answer_finish(&b);
    }
    close_bench(&alone);
    close_bench(&together);
}

static void the_same_question_gives_the_same_bytes_in_any_batch(void **state)
{
    (void)state;
    enum { MANY = 12 };
    struct bench b = open_bench("vgg_head", 1);
    struct wn_question q[MANY];
    struct wn_answer a[MANY];
    const char *const others[] = {"gradcam", "ixg", "la"};
    for (int i = 0; i < MANY; i++) q[i] = question(i * 2 % IMAGES, i % 2 ? others[i % 3] : drivers[i / 2 % 4], "weighted", i % 4 - 1);
    ask(&b, q, MANY, a);
    for (int i = 0; i < MANY; i++) {
        struct wn_answer again = one(&b, q[i]);
        assert_int_equal(a[i].error.code, WN_OK);
        assert_memory_equal(a[i].map, again.map, (size_t)(again.h * again.w) * sizeof(float));
        wn_answer_finish(&a[i]);
        wn_answer_finish(&again);
    }
    close_bench(&b);
}

static bool after_ten(void *ctx, int question)
{
    int *polls = ctx;
    return question == 0 && ++*polls > 10;
}

static void a_long_method_ends_when_nobody_waits_and_takes_no_other_with_it(void **state)
{
    (void)state;
    struct bench b = open_bench("residual", 1);
    struct wn_question q[2] = {question(0, "ig", "weighted", 1), question(0, "ig", "weighted", 1)};
    struct wn_answer a[2];
    struct wn_error err = {0};
    const float *images[1] = {pictures[0]};
    float y[16];
    int polls = 0;
    struct wn_batch batch = {.n_images = 1, .images = images, .n_questions = 2, .questions = q, .given_up = after_ten, .ctx = &polls};
    assert_int_equal(wn_engine_explain(b.engine, &batch, y, a, NULL, &err), WN_OK);
    assert_int_equal(a[0].error.code, WN_DEADLINE);
    assert_int_equal(polls, 11);
    assert_int_equal(a[1].error.code, WN_OK);
    wn_answer_finish(&a[1]);
    close_bench(&b);
}

static void without_noise_smoothgrad_is_its_base_method(void **state)
{
    (void)state;
    struct bench b = open_bench("batch_norm_folded", 1);
    for (int i = 0; wn_method_at(i); i++) {
        const char *name = wn_method_at(i)->name;
        unsigned flags = wn_method_at(i)->flags;
        if (strcmp(name, "smoothgrad") == 0 || strcmp(name, "lrp-composite") == 0) continue; /* nobody said these pixels' range */
        const char *contrast = flags & WN_METHOD_CLASSLESS ? "logit" : flags & WN_METHOD_RELEVANCE ? "clrp" : "pair";
        struct wn_question q = question(0, "smoothgrad", contrast, 1), base = question(0, name, contrast, 1);
        set(&q, WN_SETTING_BASE_METHOD, name);
        set(&q, WN_SETTING_NOISE, "0");
        set(&q, WN_SETTING_SAMPLES, "3");
        struct wn_answer s = one(&b, q), m = one(&b, base);
        assert_true(off(&s, &m, 1) < 1e-6);
        assert_int_equal(s.layer, m.layer);
        set(&q, WN_SETTING_NOISE, "0.3");
        struct wn_answer noisy = one(&b, q);
        assert_true(off(&noisy, &m, 1) > 1e-3);
        wn_answer_finish(&s);
        wn_answer_finish(&m);
        wn_answer_finish(&noisy);
    }
    close_bench(&b);
}

/* The images of a batch stay what they are while each is walked by itself. */
static void averaged_methods_of_several_runs_give_the_same_map_in_any_batch(void **state)
{
    (void)state;
    const char *const bases[] = {"ig", "scorecam", "gradcam"};
    struct bench narrow = open_bench("residual", 1), wide = open_bench("residual", 4);
    for (int i = 0; i < 3; i++) {
        struct wn_question q = question(0, "smoothgrad", "pair", 1);
        set(&q, WN_SETTING_BASE_METHOD, bases[i]);
        set(&q, WN_SETTING_SAMPLES, "6");
        if (i == 0) set(&q, WN_SETTING_STEPS, "5");
        struct wn_answer a = one(&narrow, q), c = one(&wide, q);
        assert_true(off(&c, &a, 1) < 1e-5);
        wn_answer_finish(&a);
        wn_answer_finish(&c);
    }
    close_bench(&narrow);
    close_bench(&wide);
}

static struct wn_answer with(struct bench *b, const char *method, enum wn_setting which, const char *value)
{
    struct wn_question q = question(0, method, "pair", 1);
    if (value) set(&q, which, value);
    return one(b, q);
}

static void settings_that_are_compiled_in_decide_the_map(void **state)
{
    (void)state;
    struct bench b = open_bench("residual", 1);
    struct wn_answer lrp = with(&b, "lrp", WN_SETTING_EPSILON, NULL), same = with(&b, "lrp", WN_SETTING_EPSILON, "1e-6");
    struct wn_answer plus = with(&b, "lrp-zplus", WN_SETTING_EPSILON, NULL), one_sided = with(&b, "lrp-alpha-beta", WN_SETTING_ALPHA, "1");
    struct wn_answer ab = with(&b, "lrp-alpha-beta", WN_SETTING_ALPHA, NULL), steep = with(&b, "lrp-alpha-beta", WN_SETTING_ALPHA, "3");
    struct wn_answer damped = with(&b, "lrp", WN_SETTING_EPSILON, "1");
    double size = 0, left = 0;
    assert_true(off(&same, &lrp, 1) == 0);
    assert_true(off(&one_sided, &plus, 1) < 1e-6);
    assert_true(off(&ab, &plus, 1) > 1e-2 && off(&steep, &ab, 1) > 1e-2);
    for (int i = 0; i < lrp.h * lrp.w; i++) size += fabs(lrp.map[i]), left += fabs(damped.map[i]);
    assert_true(left < 0.9 * size);
    struct wn_question both[2] = {question(0, "lrp", "pair", 1), question(0, "lrp", "pair", 1)};
    set(&both[1], WN_SETTING_EPSILON, "1");
    struct wn_answer a[2], *all[] = {&lrp, &same, &plus, &one_sided, &ab, &steep, &damped, &a[0], &a[1]};
    ask(&b, both, 2, a);
    assert_true(off(&a[0], &lrp, 1) == 0 && off(&a[1], &damped, 1) == 0); /* side by side, each its own */
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) wn_answer_finish(all[i]);
    close_bench(&b);
}

/* More values than an engine keeps programs for. */
static void any_number_of_values_leaves_the_answers_as_they_are(void **state)
{
    (void)state;
    struct bench b = open_bench("residual", 1);
    struct wn_answer before = with(&b, "lrp", WN_SETTING_EPSILON, "0.5");
    for (int i = 1; i <= 40; i++) {
        char text[16];
        snprintf(text, sizeof text, "0.%02d", i);
        struct wn_answer a = with(&b, "lrp", WN_SETTING_EPSILON, text);
        wn_answer_finish(&a);
    }
    struct wn_answer after = with(&b, "lrp", WN_SETTING_EPSILON, "0.5");
    assert_true(off(&after, &before, 1) == 0);
    wn_answer_finish(&before);
    wn_answer_finish(&after);
    close_bench(&b);
}

static void score_cam_is_linear_in_the_seed(void **state)
{
    (void)state;
    struct bench b = open_bench("residual", 1);
    struct wn_question pair = question(0, "scorecam", "pair", 1), back = question(0, "scorecam", "pair", 3);
    struct wn_question p = question(0, "scorecam", "logit", 1), q = question(0, "scorecam", "logit", 3);
    int one_foil = 1, three = 3;
    pair.foils = &three;
    back.foils = &one_foil;
    pair.n_foils = back.n_foils = 1;
    struct wn_answer a = one(&b, pair), c = one(&b, back), mp = one(&b, p), mq = one(&b, q);
    assert_true(off(&a, &c, -1) < 1e-5);
    for (int i = 0; i < mp.h * mp.w; i++) mp.map[i] -= mq.map[i];
    assert_true(off(&a, &mp, 1) < 1e-5);
    wn_answer_finish(&a);
    wn_answer_finish(&c);
    wn_answer_finish(&mp);
    wn_answer_finish(&mq);
    close_bench(&b);
}

static void the_principal_component_of_one_pattern_is_that_pattern(void **state)
{
    (void)state;
    enum { C = 5, CELLS = 7 };
    float a[C * CELLS], t[C * CELLS], map[CELLS], other[C];
    double length = 0, pattern = 0;
    for (int k = 0; k < C; k++) {
        length += (k - 1.0) * (k - 1.0);
        for (int i = 0; i < CELLS; i++) a[k * CELLS + i] = t[i * C + k] = (float)((k - 1.0) * (i - 2.5));
    }
    for (int i = 0; i < CELLS; i++) pattern += (i - 2.5) * (i - 2.5);
    assert_int_equal(wn_principal(a, C, CELLS, map, NULL), WN_OK); /* more cells than channels */
    for (int i = 0; i < CELLS; i++) assert_true(fabs(map[i] - sqrt(length) * (i - 2.5)) < 1e-5);
    assert_int_equal(wn_principal(t, CELLS, C, other, NULL), WN_OK); /* fewer */
    for (int k = 0; k < C; k++) assert_true(fabs(other[k] - sqrt(pattern) * (k - 1.0)) < 1e-5);
    memset(a, 0, sizeof a);
    assert_int_equal(wn_principal(a, C, CELLS, map, NULL), WN_OK);
    for (int i = 0; i < CELLS; i++) assert_true(map[i] == 0);
    a[3] = NAN;
    assert_int_equal(wn_principal(a, C, CELLS, map, NULL), WN_BAD_NUMBERS);
}

static void layers_are_scaled_enlarged_and_averaged(void **state)
{
    (void)state;
    struct bench b = open_bench("max_pool", 1);
    int n = wn_graph_layers(b.graph);
    int layers[2] = {0, n - 1};
    struct wn_question q = question(0, "layercam", "pair", 1), first = q, second = q;
    q.layers = layers;
    q.n_layers = 2;
    first.layer = layers[0];
    second.layer = layers[1];
    struct wn_answer f = one(&b, q), x = one(&b, first), y = one(&b, second);
    int h = x.h > y.h ? x.h : y.h, w = x.w > y.w ? x.w : y.w;
    assert_int_equal(f.h, h);
    assert_int_equal(f.w, w);
    float *want = calloc((size_t)(h * w), sizeof *want), *big = calloc((size_t)(h * w), sizeof *big), worst = 0;
    for (int i = 0; i < 2; i++) {
        const struct wn_answer *a = i ? &y : &x;
        float most = 0;
        for (int k = 0; k < a->h * a->w; k++) most = fmaxf(most, fabsf(a->map[k]));
        assert_int_equal(wn_enlarge(a->map, a->h, a->w, false, h, w, big, NULL), WN_OK);
        for (int k = 0; k < h * w && most > 0; k++) want[k] += big[k] / (2 * most);
    }
    for (int k = 0; k < h * w; k++) worst = fmaxf(worst, fabsf(want[k] - f.map[k]));
    assert_true(worst < 1e-5f);
    free(want);
    free(big);
    wn_answer_finish(&f);
    wn_answer_finish(&x);
    wn_answer_finish(&y);
    close_bench(&b);
}

static void expect(struct bench *b, struct wn_question q, enum wn_code code, const char *word)
{
    struct wn_answer a;
    ask(b, &q, 1, &a);
    if (a.error.code != code) fail_msg("wanted %s, got %s: %s", wn_code_name(code), wn_code_name(a.error.code), a.error.text);
    if (!strstr(a.error.text, word)) fail_msg("'%s' does not say '%s'", a.error.text, word);
    wn_answer_finish(&a);
}

static void what_has_no_meaning_is_refused_by_name(void **state)
{
    (void)state;
    struct bench b = open_bench("residual", 1);
    struct wn_question q = question(0, "ig", "finer", 1);
    set(&q, WN_SETTING_PATH_TARGET, "log-odds");
    expect(&b, q, WN_BAD_REQUEST, "finer");
    q = question(0, "ig", "weighted", 1);
    set(&q, WN_SETTING_BASELINE, "black");
    expect(&b, q, WN_UNSUPPORTED, "black");
    expect(&b, question(0, "eigencam", "weighted", 1), WN_BAD_REQUEST, "eigencam");
    q = question(0, "gradcam", "weighted", 1);
    set(&q, WN_SETTING_STEPS, "3");
    expect(&b, q, WN_BAD_REQUEST, "steps");
    q = question(0, "smoothgrad", "weighted", 1);
    set(&q, WN_SETTING_BASE_METHOD, "smoothgrad");
    expect(&b, q, WN_BAD_REQUEST, "smoothgrad");
    set(&q, WN_SETTING_BASE_METHOD, "eigencam");
    expect(&b, q, WN_BAD_REQUEST, "logit");
    q = question(0, "lrp", "weighted", 1);
    set(&q, WN_SETTING_ALPHA, "2");
    expect(&b, q, WN_BAD_REQUEST, "alpha");
    q = question(0, "ixg", "weighted", 1);
    set(&q, WN_SETTING_EPSILON, "0.1");
    expect(&b, q, WN_BAD_REQUEST, "epsilon");
    q = question(0, "smoothgrad", "clrp", 1);
    expect(&b, q, WN_BAD_REQUEST, "relevance");
    q = question(0, "ig", "weighted", 1);
    q.layers = (int[]){0, 1};
    q.n_layers = 2;
    expect(&b, q, WN_BAD_REQUEST, "ig");
    q = question(0, "gradcam", "weighted", 1);
    q.layers = (int[]){0, 1000};
    q.n_layers = 2;
    expect(&b, q, WN_NO_SUCH_LAYER, "1000");
    close_bench(&b);
}

static void settings_refuse_what_lies_outside_their_bounds(void **state)
{
    (void)state;
    struct wn_settings s = {0};
    const char *const bad[] = {"", "0", "257", "1.5", "nan", "inf", "0x10", "1e99", "-1", "3 ", "fifty"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct wn_error err = {0};
        assert_int_equal(wn_setting_set(&s, WN_SETTING_STEPS, bad[i], &err), WN_BAD_REQUEST);
        assert_non_null(strstr(err.text, "steps"));
    }
    assert_int_equal(s.given, 0);
    assert_true(wn_setting(&s, WN_SETTING_STEPS) == 50 && wn_setting(&s, WN_SETTING_NOISE) == 0.15);
    assert_int_equal(wn_setting_set(&s, WN_SETTING_QUADRATURE, "mid", NULL), WN_BAD_REQUEST);
    assert_int_equal(wn_setting_set(&s, WN_SETTING_QUADRATURE, "midpoint", NULL), WN_OK);
    assert_true(wn_setting(&s, WN_SETTING_QUADRATURE) == 1);
    for (int i = 0; wn_setting_at(i); i++) { /* every default can be read */
        struct wn_settings d = {0};
        assert_int_equal(wn_setting_set(&d, (enum wn_setting)i, wn_setting_at(i)->standard, NULL), WN_OK);
    }
}

/* A picture that is its own baseline has nothing to explain. */
static void a_picture_like_its_baseline_gives_zeros_and_says_so(void **state)
{
    (void)state;
    const float grey[3] = {0.25f, 0.25f, 0.25f};
    float kept[PIXELS];
    struct bench b;
    load(&b, "residual");
    start(&b, 1, grey);
    memcpy(kept, pictures[0], sizeof kept);
    for (int i = 0; i < PIXELS; i++) pictures[0][i] = 0.25f;
    const char *const methods[] = {"ig", "deeplift"}, *const baselines[] = {"black", "blurred"};
    for (int i = 0; i < 4; i++) {
        struct wn_question q = question(0, methods[i % 2], "weighted", 1);
        set(&q, WN_SETTING_BASELINE, baselines[i / 2]);
        struct wn_answer a = one(&b, q);
        for (int k = 0; k < a.h * a.w; k++) assert_true(fabsf(a.map[k]) < 1e-6f);
        assert_true(a.completeness.known && fabs(a.completeness.expected) < 1e-5);
        if (i < 2) assert_true(a.flags & WN_ANSWER_FLAT && a.flags & WN_ANSWER_EMPTY);
        wn_answer_finish(&a);
    }
    memcpy(pictures[0], kept, sizeof kept);
    close_bench(&b);
}

static void one_logit_is_walked_like_two(void **state)
{
    (void)state;
    struct bench b = open_smooth("one_logit");
    for (int t = 0; t < 2; t++) {
        struct wn_question q = question(0, "ig", "weighted", t);
        struct wn_answer a = one(&b, q);
        assert_true(residual_of(&a) < 1e-4 && wn_completeness_residual(&a.completeness) < 1e-2);
        assert_true(strcmp(a.completeness.scalar, "log-odds") == 0);
        wn_answer_finish(&a);
    }
    close_bench(&b);
}

int main(int argc, char **argv)
{
    if (argc != 3) return 2;
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integrated_gradients_sum_to_what_their_scalar_gains),
        cmocka_unit_test(without_biases_the_path_method_is_input_times_gradient),
        cmocka_unit_test(both_quadratures_agree_on_a_smooth_network),
        cmocka_unit_test(nodes_gathered_in_a_batch_give_the_same_map),
        cmocka_unit_test(the_same_question_gives_the_same_bytes_in_any_batch),
        cmocka_unit_test(a_long_method_ends_when_nobody_waits_and_takes_no_other_with_it),
        cmocka_unit_test(without_noise_smoothgrad_is_its_base_method),
        cmocka_unit_test(averaged_methods_of_several_runs_give_the_same_map_in_any_batch),
        cmocka_unit_test(settings_that_are_compiled_in_decide_the_map),
        cmocka_unit_test(any_number_of_values_leaves_the_answers_as_they_are),
        cmocka_unit_test(score_cam_is_linear_in_the_seed),
        cmocka_unit_test(the_principal_component_of_one_pattern_is_that_pattern),
        cmocka_unit_test(layers_are_scaled_enlarged_and_averaged),
        cmocka_unit_test(what_has_no_meaning_is_refused_by_name),
        cmocka_unit_test(settings_refuse_what_lies_outside_their_bounds),
        cmocka_unit_test(a_picture_like_its_baseline_gives_zeros_and_says_so),
        cmocka_unit_test(one_logit_is_walked_like_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
