/* Methods that take several runs, and maps of several layers: what they equal on special networks, in any batch, and
 * how they end early.
 *
 *     runs_test BACKEND FOLDER     FOLDER holds the networks of make_goldens.py */
#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <whynot/masking.h>

#include "rng.h"

#include "methods/principal.h"

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
    for (int i = 0; i < MANY; i++)
        q[i] = question(i * 2 % IMAGES, i % 2 ? others[i % 3] : drivers[i / 2 % 4], "weighted", i % 4 - 1);
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
    struct wn_batch batch = {
        .n_images = 1, .images = images, .n_questions = 2, .questions = q, .given_up = after_ten, .ctx = &polls};
    assert_int_equal(wn_engine_explain(b.engine, &batch, y, a, NULL, &err), WN_OK);
    assert_int_equal(a[0].error.code, WN_DEADLINE);
    assert_int_equal(polls, 11);
    assert_int_equal(a[1].error.code, WN_OK);
    wn_answer_finish(&a[1]);
    close_bench(&b);
}

struct asked {
    int most; /* the largest number that was asked about */
    int gone; /* whose client has gone */
};

static bool is_gone(void *ctx, int question)
{
    struct asked *k = ctx;
    if (question > k->most) k->most = question;
    return question == k->gone;
}

/* A contrast of two passes is one question to whoever asks it: both passes end with it, and no other does. */
static void both_passes_of_a_question_are_its_own_to_give_up(void **state)
{
    (void)state;
    struct bench b = open_bench("vgg_head", 1);
    struct wn_question q[3] = {question(0, "gradcam", "pair", 1), question(0, "smoothgrad", "clrp", 1),
                               question(0, "smoothgrad", "sglrp", 1)};
    struct wn_answer a[3];
    const float *images[1] = {pictures[0]};
    float y[16];
    for (int i = 1; i < 3; i++) {
        set(&q[i], WN_SETTING_BASE_METHOD, "lrp-zplus");
        set(&q[i], WN_SETTING_SAMPLES, "3");
    }
    for (int gone = -1; gone < 3; gone++) {
        struct asked k = {.gone = gone};
        struct wn_batch batch = {
            .n_images = 1, .images = images, .n_questions = 3, .questions = q, .given_up = is_gone, .ctx = &k};
        assert_int_equal(wn_engine_explain(b.engine, &batch, y, a, NULL, NULL), WN_OK);
        assert_int_equal(k.most, 2);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(a[i].error.code, i > 0 && i == gone ? WN_DEADLINE : WN_OK);
            wn_answer_finish(&a[i]);
        }
    }
    close_bench(&b);
}

static void without_noise_smoothgrad_is_its_base_method(void **state)
{
    (void)state;
    struct bench b = open_bench("batch_norm_folded", 1);
    for (int i = 0; wn_method_at(i); i++) {
        const char *name = wn_method_at(i)->name;
        unsigned flags = wn_method_at(i)->flags;
        /* nobody said these pixels' range */
        if (strcmp(name, "smoothgrad") == 0 || strcmp(name, "lrp-composite") == 0) continue;
        /* areas of a noisy picture are others; what suffices is asked about the answer alone */
        if (flags & WN_METHOD_AREAS) continue;
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

/* Made here from the sequence in turn: whoever was given a map gets the same one from the same seed for ever. */
static void the_noise_of_smoothgrad_is_that_of_its_seed(void **state)
{
    (void)state;
    enum { SAMPLES = 2 };
    struct bench b = open_bench("residual", 1);
    struct wn_question q = question(0, "smoothgrad", "logit", 1);
    struct wn_answer noisy[SAMPLES];
    struct rng rng = {7};
    float kept[PIXELS], lo = INFINITY, hi = -INFINITY;
    for (int i = 0; i < PIXELS; i++) {
        lo = fminf(lo, pictures[0][i]);
        hi = fmaxf(hi, pictures[0][i]);
    }
    set(&q, WN_SETTING_BASE_METHOD, "gradcam");
    set(&q, WN_SETTING_NOISE, "0.3");
    set(&q, WN_SETTING_NOISE_SEED, "7");
    set(&q, WN_SETTING_SAMPLES, "2");
    struct wn_answer got = one(&b, q);
    memcpy(kept, pictures[0], sizeof kept);
    for (int k = 0; k < SAMPLES; k++) {
        for (int i = 0; i < PIXELS; i++) {
            const double u = ((double)(rng_next(&rng) >> 11) + 0.5) * 0x1p-53;
            const double v = ((double)(rng_next(&rng) >> 11) + 0.5) * 0x1p-53;
            pictures[0][i] = (float)(kept[i] + 0.3 * ((double)hi - lo) * sqrt(-2 * log(u)) * cos(2 * M_PI * v));
        }
        noisy[k] = one(&b, question(0, "gradcam", "logit", 1));
    }
    memcpy(pictures[0], kept, sizeof kept);
    for (int i = 0; i < got.h * got.w; i++) noisy[0].map[i] = (noisy[0].map[i] + noisy[1].map[i]) / SAMPLES;
    assert_true(off(&got, &noisy[0], 1) < 1e-5);
    wn_answer_finish(&got);
    for (int k = 0; k < SAMPLES; k++) wn_answer_finish(&noisy[k]);
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

int main(int argc, char **argv)
{
    int status = small_begin(argc, argv);
    if (status) return status;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_gathered_in_a_batch_give_the_same_map),
        cmocka_unit_test(the_same_question_gives_the_same_bytes_in_any_batch),
        cmocka_unit_test(a_long_method_ends_when_nobody_waits_and_takes_no_other_with_it),
        cmocka_unit_test(both_passes_of_a_question_are_its_own_to_give_up),
        cmocka_unit_test(without_noise_smoothgrad_is_its_base_method),
        cmocka_unit_test(the_noise_of_smoothgrad_is_that_of_its_seed),
        cmocka_unit_test(averaged_methods_of_several_runs_give_the_same_map_in_any_batch),
        cmocka_unit_test(score_cam_is_linear_in_the_seed),
        cmocka_unit_test(the_principal_component_of_one_pattern_is_that_pattern),
        cmocka_unit_test(layers_are_scaled_enlarged_and_averaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
