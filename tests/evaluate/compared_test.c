/* Metrics that hold a map against what is known, or against another map; and steps along a gradient.
 * compared_test MODEL.onnx SMALL.onnx */
#include "desk.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"

static const char *small_model; /* file of a network of few layers */

static void explain(const struct desk *d, const float *x, int target, float *map)
{
    struct wn_question q = {.layer = WN_LAYER_AUTO,
                            .method = wn_method_find("gradcam"),
                            .contrast = wn_contrast_find("logit"),
                            .target = target};
    struct wn_answer a;
    float *logits = calloc((size_t)d->classes, sizeof *logits);
    assert_int_equal(
        wn_engine_explain(d->engine, &(struct wn_batch){1, &x, 1, &q, NULL, NULL, NULL}, logits, &a, NULL, NULL),
        WN_OK);
    for (int i = 0; i < a.h * a.w; i++) a.map[i] = a.map[i] > 0 ? a.map[i] : 0;
    assert_int_equal(wn_enlarge(a.map, a.h, a.w, false, d->h, d->w, map, NULL), WN_OK);
    wn_answer_finish(&a);
    free(logits);
}

static void rectify(float *map, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += map[i] > 0 ? (double)map[i] : 0;
    for (int i = 0; i < n; i++) map[i] = (float)((map[i] > 0 ? (double)map[i] : 0) / (sum + 1e-8) + 1e-8);
}

static void consistency_compares_the_view_of_the_map_with_the_map_of_the_view(void **state)
{
    const struct desk *d = *state;
    bool mirrored[2] = {false, false};
    size_t bytes = (size_t)d->pixels * sizeof(float);
    float *x = malloc(d->floats * sizeof *x), *map = malloc(bytes), *moved = malloc(bytes), *seen = malloc(bytes);
    for (uint64_t seed = 1; seed < 7; seed++) {
        struct bench b;
        double value, uv = 0, uu = 0, vv = 0;
        bench_open(&b, d, 1);
        b.picture.seed = seed;
        explain(d, d->image, d->top[0], map);
        memcpy(map_of(&b, 0, WN_MAP_CHOSEN), map, bytes);
        run(&b, "consistency", &value);
        struct wn_glimpse view = wn_glimpse_draw(seed, d->h, d->w);
        mirrored[view.flip] = true;
        for (int c = 0; c < d->channels; c++)
            wn_map_view(d->image + c * d->pixels, d->h, d->w, view.y, view.x, view.height, view.width, view.flip,
                        x + c * d->pixels, NULL);
        explain(d, x, d->top[0], seen);
        rectify(map, d->pixels);
        rectify(seen, d->pixels);
        wn_map_view(map, d->h, d->w, view.y, view.x, view.height, view.width, view.flip, moved, NULL);
        for (int i = 0; i < d->pixels; i++)
            uv += (double)seen[i] * moved[i], uu += (double)seen[i] * seen[i], vv += (double)moved[i] * moved[i];
        near(value, uv / sqrt(uu * vv), 1e-6);
        assert_true(value > 0 && value < 1);
        bench_close(&b);
    }
    assert_true(mirrored[0] && mirrored[1]);
    free(x);
    free(map);
    free(moved);
    free(seen);
}

static void a_view_of_the_whole_picture_agrees_wholly(void **state)
{
    const struct desk *d = *state;
    struct bench b;
    double value;
    bench_open(&b, d, 1);
    for (b.picture.seed = 1; b.picture.seed < 10000000; b.picture.seed++) { /* until the view is the picture itself */
        struct wn_glimpse v = wn_glimpse_draw(b.picture.seed, d->h, d->w);
        if (v.height == d->h && v.width == d->w && !v.flip) break;
    }
    assert_true(b.picture.seed < 10000000);
    explain(d, d->image, d->top[0], map_of(&b, 0, WN_MAP_CHOSEN));
    run(&b, "consistency", &value);
    near(value, 1, 1e-6);
    bench_close(&b);
}

/* Nothing suffices for a class that is behind in the whole view: that map has no positive value. */
static void two_maps_that_say_nothing_do_not_agree(void **state)
{
    const struct desk *d = *state;
    struct bench b;
    double value;
    bench_open(&b, d, 1);
    b.subjects[0].method = wn_method_find("pertinent-positive");
    for (int i = 0; i < d->classes; i++)
        if (d->logits[i] < d->logits[b.trial.chosen]) b.trial.chosen = i;
    float *map = map_of(&b, 0, WN_MAP_CHOSEN);
    for (int i = 0; i < d->pixels; i++) map[i] = -1;
    run(&b, "consistency", &value);
    assert_true(isnan(value));
    for (int i = 0; i < d->pixels; i++) map[i] = (float)i; /* the one says something */
    run(&b, "consistency", &value);
    assert_true(value > 0 && value < 0.9999);
    bench_close(&b);
}

/* Filters that are their own mirror images. */
static void make_filters_symmetric(struct wn_graph *g)
{
    for (int v = 0; v < g->n_values; v++) {
        struct wn_tensor *t = g->constants[v];
        if (!t || !t->f || t->shape.rank != 4) continue;
        const int64_t w = t->shape.dim[3], rows = wn_shape_count(&t->shape) / w;
        for (int64_t r = 0; r < rows; r++)
            for (int64_t a = 0, b = w - 1; a < b; a++, b--)
                t->f[r * w + a] = t->f[r * w + b] = (t->f[r * w + a] + t->f[r * w + b]) / 2;
    }
}

static uint64_t seed_of_the_mirror(int h, int w)
{
    for (uint64_t seed = 1; seed < 10000000; seed++) {
        struct wn_glimpse v = wn_glimpse_draw(seed, h, w);
        if (v.height == h && v.width == w && v.flip) return seed;
    }
    fail_msg("no seed draws the whole picture, mirrored");
    return 0;
}

/* Of a symmetric picture the mirrored view is the picture itself, so its map must be its own mirror image: as it is
 * where nothing in the network knows left from right. */
static void a_mirrored_view_agrees_wholly_where_the_network_does_not_know_left_from_right(void **state)
{
    (void)state;
    double agreement[2][3];
    for (int symmetric = 0; symmetric < 2; symmetric++) {
        struct wn_graph *g;
        struct wn_engine *e;
        struct wn_evaluation *v;
        const struct wn_evaluation_metric *metric = wn_evaluation_metric_find("consistency");
        struct wn_subject subjects[3];
        const char *const methods[] = {"gradcam", "la", "gradient"};
        for (int i = 0; i < 3; i++)
            subjects[i] = (struct wn_subject){wn_method_find(methods[i]), wn_contrast_find("weighted"), WN_LAYER_AUTO};
        assert_int_equal(wn_graph_load(small_model, NULL, &g, NULL), WN_OK);
        if (symmetric) make_filters_symmetric(g);
        assert_int_equal(wn_engine_create(g, &(struct wn_engine_options){.backend = "auto"}, &e, NULL), WN_OK);
        const struct wn_evaluation_options o = {
            .subjects = subjects, .n_subjects = 3, .metrics = &metric, .n_metrics = 1};
        assert_int_equal(wn_evaluation_create(e, g, &o, &v, NULL), WN_OK);
        const int h = (int)wn_graph_height(g), w = (int)wn_graph_width(g), rows = (int)wn_graph_channels(g) * h;
        float *x = malloc((size_t)(rows * w) * sizeof *x);
        struct wn_random random = wn_random_of(8);
        for (int r = 0; r < rows; r++)
            for (int a = 0, b = w - 1; a <= b; a++, b--) x[r * w + a] = x[r * w + b] = (float)wn_random_normal(&random);
        const struct wn_evaluation_picture p = {.image = x, .label = -1, .rival = -1, .seed = seed_of_the_mirror(h, w)};
        assert_int_equal(wn_evaluation_run(v, &p, agreement[symmetric], NULL, NULL, NULL, NULL), WN_OK);
        wn_evaluation_destroy(v);
        wn_engine_destroy(e);
        wn_graph_destroy(g);
        free(x);
    }
    for (int i = 0; i < 3; i++) {
        near(agreement[1][i], 1, 1e-6);
        assert_true(agreement[0][i] < 0.999);
    }
}

static void random_logit_asks_about_another_class(void **state)
{
    const struct desk *d = *state;
    for (uint64_t seed = 1; seed < 40; seed++) {
        struct bench b;
        double value;
        bench_open(&b, d, 1);
        b.picture.seed = seed;
        struct wn_answer *a = &b.trial.answers[WN_MAP_CHOSEN];
        struct wn_question q = {.layer = WN_LAYER_AUTO,
                                .method = b.subjects[0].method,
                                .contrast = b.subjects[0].contrast,
                                .target = d->top[0]};
        float *logits = calloc((size_t)d->classes, sizeof *logits);
        const float *image = d->image;
        assert_int_equal(
            wn_engine_explain(d->engine, &(struct wn_batch){1, &image, 1, &q, NULL, NULL, NULL}, logits, a, NULL, NULL),
            WN_OK);
        run(&b, "random-logit", &value);
        assert_true(value < 0.9999 && value >= -1);
        free(logits);
        bench_close(&b);
    }
}

/* By differences in double steps would drown in single precision: compared with ixg's and gradient's maps instead. */
static void the_gradient_at_the_picture_is_that_of_the_maps(void **state)
{
    const struct desk *d = *state;
    struct wn_question q = {.layer = WN_LAYER_AUTO,
                            .method = wn_method_find("gradient"),
                            .contrast = wn_contrast_find("weighted"),
                            .target = d->top[1]};
    struct wn_answer a;
    const float *image = d->image;
    float *gradient = malloc(d->floats * sizeof *gradient), *logits = calloc((size_t)d->classes, sizeof *logits),
          largest = 0;
    assert_int_equal(
        wn_engine_explain(d->engine,
                          &(struct wn_batch){.n_images = 1, .images = &image, .n_questions = 1, .questions = &q},
                          logits, &a, NULL, NULL),
        WN_OK);
    assert_int_equal(wn_engine_gradient(d->engine, image, &q, logits, gradient, NULL), WN_OK);
    for (int i = 0; i < d->pixels; i++) largest = fmaxf(largest, fabsf(a.map[i]));
    for (int i = 0; i < d->pixels; i++) {
        double sum = 0;
        for (int c = 0; c < d->channels; c++) sum += gradient[c * d->pixels + i];
        near(sum, a.map[i], 1e-5 * largest);
    }
    wn_answer_finish(&a);
    free(gradient);
    free(logits);
}

static void one_sign_step_is_a_step_of_eps_along_the_sign(void **state)
{
    const struct desk *d = *state;
    struct bench b;
    double values[32];
    float *gradient = malloc(d->floats * sizeof *gradient), *x = malloc(d->floats * sizeof *x),
          *logits = calloc((size_t)d->classes, sizeof *logits);
    bench_open(&b, d, 2);
    b.subjects[0] = (struct wn_subject){wn_method_find("gradient"), wn_contrast_find("weighted"), WN_LAYER_AUTO};
    const struct wn_evaluation_metric *m = run(&b, "gradient-sign", values);
    struct wn_question q = {.layer = WN_LAYER_AUTO,
                            .method = b.subjects[0].method,
                            .contrast = b.subjects[0].contrast,
                            .target = d->top[0]};
    assert_int_equal(wn_engine_gradient(d->engine, d->image, &q, logits, gradient, NULL), WN_OK);
    for (size_t i = 0; i < d->floats; i++) {
        int c = (int)(i / (size_t)d->pixels);
        double low = d->graph->low[c], span = (double)d->graph->high[c] - low, p = (d->image[i] - low) / span;
        double moved = p + 1e-3 * ((gradient[i] > 0) - (gradient[i] < 0)), least = fmax(p - 1e-3, 0),
               most = fmin(p + 1e-3, 1);
        x[i] = (float)(low + span * fmin(fmax(moved, least), most));
    }
    desk_forward(d, x, logits);
    near(value_of(m, values, 0, "logit.1"), (double)logits[d->top[0]] - d->logits[d->top[0]], 2e-3);
    near(value_of(m, values, 0, "probability.1"),
         probability(d, logits, d->top[0]) - probability(d, d->logits, d->top[0]), 2e-4);
    assert_true(value_of(m, values, 0, "probability.10") >= value_of(m, values, 0, "probability.1") - 1e-4);
    assert_true(isnan(value_of(m, values, 1, "logit.1"))); /* Grad-CAM says nothing of single pixels */
    bench_close(&b);
    free(gradient);
    free(x);
    free(logits);
}

static void ten_sign_steps_stay_within_eps_and_a_pixels_range(void **state)
{
    const struct desk *d = *state;
    struct bench b;
    double values[16];
    bench_open(&b, d, 1);
    b.subjects[0] = (struct wn_subject){wn_method_find("gradient"), wn_contrast_find("logit"), WN_LAYER_AUTO};
    run(&b, "gradient-sign", values); /* the last of its runs takes ten steps */
    const float *before = wn_trial_picture(&b.trial, 1), *after = wn_trial_picture(&b.trial, 2);
    double furthest = 0;
    for (size_t i = 0; i < d->floats; i++) {
        if (!(before[i] >= 0 && before[i] <= 1)) continue; /* no pixel of a picture, only noise of this one */
        furthest = fmax(furthest, fabs((double)after[i] - before[i]));
        assert_true(after[i] >= 0 && after[i] <= 1);
    }
    assert_true(furthest <= 1e-3 + 1e-7 && furthest > 0.9e-3);
    bench_close(&b);
}

static void weighted_and_cross_entropy_signs_make_the_same_picture(void **state)
{
    const struct desk *d = *state;
    float *a = malloc(d->floats * sizeof *a), *b = malloc(d->floats * sizeof *b),
          *logits = calloc((size_t)d->classes, sizeof *logits);
    const int foil = d->top[0];
    struct wn_question weighted = {
        .method = wn_method_find("gradient"), .contrast = wn_contrast_find("weighted"), .target = d->top[0]};
    struct wn_question crossed = {.method = wn_method_find("gradient"),
                                  .contrast = wn_contrast_find("cross-entropy"),
                                  .target = d->top[0],
                                  .foils = &foil,
                                  .n_foils = 1};
    assert_int_equal(wn_engine_gradient(d->engine, d->image, &weighted, logits, a, NULL), WN_OK);
    assert_int_equal(wn_engine_gradient(d->engine, d->image, &crossed, logits, b, NULL), WN_OK);
    int differ = 0;
    for (size_t i = 0; i < d->floats; i++) differ += (a[i] > 0) - (a[i] < 0) != (b[i] < 0) - (b[i] > 0);
    assert_true(differ <= (int)(d->floats / 1000)); /* gradients that are 0 but for rounding */
    free(a);
    free(b);
    free(logits);
}

static void a_perfect_map_lies_on_the_object_and_a_uniform_one_on_its_area(void **state)
{
    const struct desk *d = *state;
    struct bench b;
    double values[8];
    bench_open(&b, d, 2);
    for (int i = 0; i < d->pixels; i++) {
        map_of(&b, 0, WN_MAP_CHOSEN)[i] = d->truth[i] ? 2 : -1;
        map_of(&b, 1, WN_MAP_CHOSEN)[i] = 1;
    }
    const struct wn_evaluation_metric *m = run(&b, "content", values);
    near(value_of(m, values, 0, "inside"), 1, 1e-9);
    near(value_of(m, values, 1, "inside"), 600.0 / d->pixels, 1e-9);
    near(value_of(m, values, 1, "area"), 600.0 / d->pixels, 1e-9);
    m = run(&b, "pointing", values);
    near(value_of(m, values, 0, "hit"), 1, 0);
    near(value_of(m, values, 0, "exact"), 1, 0);
    near(value_of(m, values, 1, "hit"), 0, 0); /* the first pixel of all, far away */
    bench_close(&b);
}

static void contrast_truth_is_perfect_for_the_truth_and_empty_for_its_reverse(void **state)
{
    const struct desk *d = *state;
    struct bench b;
    double values[32];
    float *x = malloc(d->floats * sizeof *x), *logits = calloc((size_t)d->classes, sizeof *logits);
    bench_open(&b, d, 2);
    for (int i = 0; i < d->pixels; i++) {
        float right = d->truth[i] ? 1 : -1e-6f;
        map_of(&b, 0, WN_MAP_PAIR)[i] = right;
        map_of(&b, 0, WN_MAP_REVERSED)[i] = -right;
        map_of(&b, 1, WN_MAP_PAIR)[i] = -right;
        map_of(&b, 1, WN_MAP_REVERSED)[i] = -right;
    }
    const struct wn_evaluation_metric *m = run(&b, "contrast-truth", values);
    const char *perfect[] = {"mass", "peak", "near", "rank", "reversed.mass", "reversed.peak", "opposite"};
    for (int i = 0; i < 7; i++) near(value_of(m, values, 0, perfect[i]), 1, 1e-9);
    near(value_of(m, values, 1, "mass"), 0, 1e-9);
    near(value_of(m, values, 1, "rank"), -1, 1e-9);
    near(value_of(m, values, 1, "opposite"), 0, 0);
    near(value_of(m, values, 1, "area"), 600.0 / d->pixels, 1e-9);
    for (size_t i = 0; i < d->floats; i++) x[i] = d->truth[i % (size_t)d->pixels] ? d->rival_image[i] : d->image[i];
    desk_forward(d, x, logits);
    near(value_of(m, values, 0, "paste.left"), sigmoid(logits, d->top[0], d->top[1]), 1e-6);
    near(value_of(m, values, 0, "paste.turns"), wn_argmax(logits, d->classes) == d->top[1], 0);
    m = run(&b, "counterfactual", values);
    desk_forward(d, d->rival_image, logits);
    near(value_of(m, values, 0, "turns"), wn_argmax(logits, d->classes) == d->top[1], 0);
    desk_forward(d, d->elsewhere, logits);
    near(value_of(m, values, 1, "stays"), wn_argmax(logits, d->classes) == d->top[0], 0);
    bench_close(&b);
    free(x);
    free(logits);
}

int main(int argc, char **argv)
{
    if (argc != 3) return 2;
    desk_model = argv[1];
    small_model = argv[2];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(consistency_compares_the_view_of_the_map_with_the_map_of_the_view),
        cmocka_unit_test(a_view_of_the_whole_picture_agrees_wholly),
        cmocka_unit_test(two_maps_that_say_nothing_do_not_agree),
        cmocka_unit_test(a_mirrored_view_agrees_wholly_where_the_network_does_not_know_left_from_right),
        cmocka_unit_test(random_logit_asks_about_another_class),
        cmocka_unit_test(the_gradient_at_the_picture_is_that_of_the_maps),
        cmocka_unit_test(one_sign_step_is_a_step_of_eps_along_the_sign),
        cmocka_unit_test(ten_sign_steps_stay_within_eps_and_a_pixels_range),
        cmocka_unit_test(weighted_and_cross_entropy_signs_make_the_same_picture),
        cmocka_unit_test(a_perfect_map_lies_on_the_object_and_a_uniform_one_on_its_area),
        cmocka_unit_test(contrast_truth_is_perfect_for_the_truth_and_empty_for_its_reverse),
    };
    return cmocka_run_group_tests(tests, desk_set_up, desk_tear_down);
}
