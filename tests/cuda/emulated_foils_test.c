/* Masks of all foils by the kernels are those of the processor: odd numbers of classes, maps in either layout, exact
 * ends of every buffer; and through the engine, from the maps as they lie on the device. On the emulation.
 *
 *     emulated_foils_test NETWORK.onnx */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <whynot/whynot.h>

#include "emulation_control.h"
#include "enlarge.h"
#include "kernels.h"
#include "rng.h"
#include "stack.h"

static const char *network;

static struct wn_stack stack_of(int classes, int h, int w, uint64_t seed)
{
    struct rng rng = {seed};
    struct wn_stack s = {.classes = classes, .h = h, .w = w, .maps = malloc((size_t)(classes * h * w) * sizeof(float))};
    for (int i = 0; i < classes * h * w; i++) s.maps[i] = (float)rng_uniform(&rng, -1, 1);
    return s;
}

static float *logits_of(int classes, uint64_t seed)
{
    struct rng rng = {seed};
    float *y = malloc((size_t)classes * sizeof *y);
    for (int i = 0; i < classes; i++) y[i] = (float)rng_uniform(&rng, -2, 2);
    return y;
}

static double off_by(const float *got, const float *want, int n)
{
    double most = 0, worst = 0;
    for (int i = 0; i < n; i++) {
        most = fmax(most, fabs((double)want[i]));
        worst = fmax(worst, fabs((double)got[i] - want[i]));
        if (!isfinite(got[i])) return INFINITY;
    }
    return most > 0 ? worst / most : worst;
}

/* ---- the launcher alone: every buffer by itself, so that the sanitizer watches its end ---- */

static void fill_taps(int from, int to, int32_t *index, float *share)
{
    struct wn_tap *taps = malloc((size_t)to * sizeof *taps);
    wn_fill_taps(taps, from, to, false);
    for (int i = 0; i < to; i++)
        index[2 * i] = taps[i].low, index[2 * i + 1] = taps[i].high, share[2 * i] = NAN,
                  share[2 * i + 1] = taps[i].share;
    free(taps);
}

static void *floats(int n)
{
    float *p = malloc((size_t)n * sizeof *p);
    for (int i = 0; i < n; i++) p[i] = NAN;
    return p;
}

/* The shared part of the cross-entropy contrasts, sum of p_s M_s. */
static void fill_base(const struct wn_stack *s, const float *logits, float *base)
{
    double total = 0;
    for (int k = 0; k < s->classes; k++) total += exp((double)logits[k]);
    for (int i = 0; i < s->h * s->w; i++) {
        double sum = 0;
        for (int k = 0; k < s->classes; k++) sum += exp((double)logits[k]) / total * s->maps[k * s->h * s->w + i];
        base[i] = (float)sum;
    }
}

static void judge(int classes, int h, int w, int height, int width, bool channels_last)
{
    const int area = h * w, target = classes / 2;
    struct wn_stack s = stack_of(classes, h, w, (uint64_t)(classes + area));
    float *logits = logits_of(classes, 5), *maps = floats(classes * area);
    struct wn_statistics want;
    assert_int_equal(wn_stack_statistics(&s, logits, target, wn_contrast_find("cross-entropy"), WN_STATISTICS_MASKS,
                                         height, width, &want, NULL),
                     WN_OK);
    for (int k = 0; k < classes; k++)
        for (int i = 0; i < area; i++) maps[channels_last ? i * classes + k : k * area + i] = s.maps[k * area + i];
    struct wn_cuda_foils f = {.classes = classes,
                              .target = target,
                              .heavy = -1,
                              .h = h,
                              .w = w,
                              .height = height,
                              .width = width,
                              .maps = maps};
    f.map_class = channels_last ? 1 : area, f.map_position = channels_last ? classes : 1;
    float *base = floats(area), *down = floats(2 * height), *across = floats(2 * width);
    int32_t *down_index = malloc(2 * (size_t)height * sizeof *down_index),
            *across_index = malloc(2 * (size_t)width * sizeof *across_index);
    fill_taps(h, height, down_index, down), fill_taps(w, width, across_index, across);
    fill_base(&s, logits, base);
    f.base = base, f.down_index = down_index, f.across_index = across_index, f.down_share = down,
    f.across_share = across;
    for (wn_emulated_order = 0; wn_emulated_order < 3; wn_emulated_order++) {
        f.foil = floats(classes * area), f.low = floats(classes), f.scale = malloc((size_t)classes * sizeof *f.scale);
        f.mean = floats(height * width), f.variance = floats(height * width), f.empty = malloc(sizeof *f.empty);
        wn_cuda_launch_foils(&f, NULL);
        if (!(off_by(f.mean, want.mean, height * width) <= 1e-5) ||
            !(off_by(f.variance, want.variance, height * width) <= 1e-5))
            fail_msg("%d classes of %d x %d to %d x %d: mean off by %g, variance by %g", classes, h, w, height, width,
                     off_by(f.mean, want.mean, height * width), off_by(f.variance, want.variance, height * width));
        assert_int_equal(*f.empty, want.empty);
        free(f.foil), free(f.low), free(f.scale), free(f.mean), free(f.variance), free(f.empty);
    }
    wn_statistics_finish(&want), wn_stack_finish(&s);
    free(logits), free(maps), free(base), free(down), free(across), free(down_index), free(across_index);
}

static void masks_of_odd_numbers_of_classes_are_those_of_the_processor(void **state)
{
    (void)state;
    judge(2, 7, 7, 20, 17, true);
    judge(3, 1, 1, 4, 5, true);
    judge(3, 5, 1, 13, 3, false);
    judge(31, 7, 7, 14, 14, true);
    judge(33, 4, 9, 15, 11, false);
    judge(1000, 2, 3, 5, 7, true);
}

/* ---- through the backend ---- */

static void by_the_backend(const char *contrast, int classes, float most_logit, enum wn_statistics_kind kind)
{
    struct wn_backend *be;
    struct wn_statistics got, want;
    struct wn_error err = {0};
    assert_int_equal(wn_backend_open("cuda", NULL, &be, NULL), WN_OK);
    const struct wn_masker device = {.backend = be};
    struct wn_stack s = stack_of(classes, 3, 5, 7);
    float *logits = logits_of(classes, 9);
    logits[classes - 1] = most_logit; /* where it is large that foil makes up all that the others share */
    const long before = wn_emulated_launches;
    if (wn_statistics_on(&device, &s, logits, 0, wn_contrast_find(contrast), kind, 11, 9, &got, &err) != WN_OK)
        fail_msg("%s", err.text);
    assert_int_equal(wn_emulated_launches - before, kind == WN_STATISTICS_MASKS ? 3 : 0);
    assert_int_equal(wn_stack_statistics(&s, logits, 0, wn_contrast_find(contrast), kind, 11, 9, &want, NULL), WN_OK);
    assert_true(off_by(got.mean, want.mean, got.h * got.w) <= 1e-5);
    assert_true(off_by(got.variance, want.variance, got.h * got.w) <= 1e-5);
    assert_int_equal(got.empty, want.empty);
    assert_true(fabs(got.voice_snr - want.voice_snr) <= 1e-4 * fabs(want.voice_snr));
    wn_statistics_finish(&got), wn_statistics_finish(&want), wn_stack_finish(&s);
    free(logits);
    wn_backend_close(be);
}

static void the_backend_gives_what_the_host_gives(void **state)
{
    (void)state;
    by_the_backend("cross-entropy", 31, 0, WN_STATISTICS_MASKS);
    by_the_backend("cross-entropy", 31, 40, WN_STATISTICS_MASKS);
    by_the_backend("pair", 33, 0, WN_STATISTICS_MASKS);
    by_the_backend("pair", 2, 0, WN_STATISTICS_MASKS);
    by_the_backend("pair", 3, 0, WN_STATISTICS_RAW);
}

/* A flat stack has no mask at all. */
static void maps_that_say_nothing_have_no_masks(void **state)
{
    (void)state;
    struct wn_backend *be;
    struct wn_statistics got;
    assert_int_equal(wn_backend_open("cuda", NULL, &be, NULL), WN_OK);
    const struct wn_masker device = {.backend = be};
    struct wn_stack s = stack_of(5, 2, 2, 1);
    const float logits[5] = {1, 2, 3, 4, 5};
    for (int i = 0; i < 20; i++) s.maps[i] = 3;
    assert_int_equal(
        wn_statistics_on(&device, &s, logits, 0, wn_contrast_find("pair"), WN_STATISTICS_MASKS, 6, 6, &got, NULL),
        WN_OK);
    assert_int_equal(got.empty, 4);
    for (int i = 0; i < 36; i++) assert_true(got.mean[i] == 0 && got.variance[i] == 0);
    wn_statistics_finish(&got), wn_stack_finish(&s);
    wn_backend_close(be);
}

/* ---- through the engine ---- */

static void statistics(struct wn_engine *e, const struct wn_stack *s, const float *logits, struct wn_statistics *out)
{
    struct wn_error err = {0};
    if (wn_engine_statistics(e, s, logits, 0, wn_contrast_find("pair"), WN_STATISTICS_MASKS, 13, 10, out, &err) !=
        WN_OK)
        fail_msg("%s", err.text);
}

/* The host's copy is spoiled: the answer does not change while the maps lie on the device, and does as soon as
 * others lie there. */
static void the_engine_takes_the_maps_where_they_lie(void **state)
{
    (void)state;
    struct wn_graph *g;
    struct wn_engine *e;
    struct wn_error err = {0};
    struct wn_stack s, other;
    struct wn_statistics before, spoiled, after;
    const struct wn_graph_options how = {.height = 9, .width = 9};
    const struct wn_engine_options options = {.backend = "cuda"};
    if (wn_graph_load(network, &how, &g, &err) != WN_OK || wn_engine_create(g, &options, &e, &err) != WN_OK)
        fail_msg("%s", err.text);
    const int pixels = (int)(wn_graph_channels(g) * 81), classes = wn_graph_classes(g);
    float *picture = malloc((size_t)pixels * sizeof *picture), *logits = malloc((size_t)classes * sizeof *logits);
    struct rng rng = {3};
    for (int i = 0; i < pixels; i++) picture[i] = (float)rng_uniform(&rng, -1, 1);
    const struct wn_method *method = wn_method_find("gradcam");
    assert_int_equal(wn_engine_stack(e, picture, WN_LAYER_AUTO, method, logits, &s, &err), WN_OK);
    assert_true(s.forward_mode && s.made);
    assert_int_equal(
        wn_stack_statistics(&s, logits, 0, wn_contrast_find("pair"), WN_STATISTICS_MASKS, 13, 10, &before, NULL),
        WN_OK);
    for (int i = s.h * s.w; i < 2 * s.h * s.w; i++) s.maps[i] = -3 * s.maps[i] + (float)(i % 3);
    statistics(e, &s, logits, &spoiled);
    assert_true(off_by(spoiled.mean, before.mean, 130) <= 1e-5);
    assert_true(off_by(spoiled.variance, before.variance, 130) <= 1e-4);
    picture[0] += 1;
    assert_int_equal(wn_engine_stack(e, picture, WN_LAYER_AUTO, method, logits, &other, &err), WN_OK);
    statistics(e, &s, logits, &after);
    assert_false(off_by(after.mean, before.mean, 130) <= 1e-3);
    wn_statistics_finish(&before), wn_statistics_finish(&spoiled), wn_statistics_finish(&after);
    wn_stack_finish(&s), wn_stack_finish(&other);
    free(picture), free(logits);
    wn_engine_destroy(e);
    wn_graph_destroy(g);
}

/* Each of a batch from its own place, though the host's copies are spoiled. */
static void each_image_of_a_batch_has_its_own_maps_there(void **state)
{
    enum { IMAGES = 3 };
    (void)state;
    struct wn_graph *g;
    struct wn_engine *e;
    struct wn_error err = {0}, errors[IMAGES];
    struct wn_stack s[IMAGES] = {0};
    struct wn_statistics before, spoiled;
    const struct wn_graph_options how = {.height = 9, .width = 9};
    const struct wn_engine_options options = {.backend = "cuda"};
    if (wn_graph_load(network, &how, &g, &err) != WN_OK || wn_engine_create(g, &options, &e, &err) != WN_OK)
        fail_msg("%s", err.text);
    const int pixels = (int)(wn_graph_channels(g) * 81), classes = wn_graph_classes(g);
    float *pictures = malloc((size_t)(IMAGES * pixels) * sizeof *pictures),
          *logits = malloc((size_t)(IMAGES * classes) * sizeof *logits);
    const float *images[IMAGES];
    struct rng rng = {3};
    for (int i = 0; i < IMAGES * pixels; i++) pictures[i] = (float)rng_uniform(&rng, -1, 1);
    for (int i = 0; i < IMAGES; i++) images[i] = pictures + i * pixels;
    if (wn_engine_stacks(e, images, IMAGES, WN_LAYER_AUTO, wn_method_find("gradcam"), logits, s, errors, &err) != WN_OK)
        fail_msg("%s", err.text);
    for (int i = 0; i < IMAGES; i++) {
        assert_int_equal(s[i].place, i);
        assert_int_equal(s[i].made, s[0].made);
        assert_int_equal(
            wn_stack_statistics(&s[i], logits, 0, wn_contrast_find("pair"), WN_STATISTICS_MASKS, 13, 10, &before, NULL),
            WN_OK);
        for (int j = s[i].h * s[i].w; j < 2 * s[i].h * s[i].w; j++) s[i].maps[j] = -3 * s[i].maps[j] + (float)(j % 3);
        statistics(e, &s[i], logits, &spoiled);
        assert_true(off_by(spoiled.mean, before.mean, 130) <= 1e-5);
        assert_true(off_by(spoiled.variance, before.variance, 130) <= 1e-4);
        wn_statistics_finish(&before), wn_statistics_finish(&spoiled);
        wn_stack_finish(&s[i]);
    }
    free(pictures), free(logits);
    wn_engine_destroy(e);
    wn_graph_destroy(g);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_of_odd_numbers_of_classes_are_those_of_the_processor),
        cmocka_unit_test(the_backend_gives_what_the_host_gives),
        cmocka_unit_test(maps_that_say_nothing_have_no_masks),
        cmocka_unit_test(the_engine_takes_the_maps_where_they_lie),
        cmocka_unit_test(each_image_of_a_batch_has_its_own_maps_there),
    };
    if (argc != 2) return fprintf(stderr, "usage: emulated_foils_test NETWORK.onnx\n"), 2;
    network = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
