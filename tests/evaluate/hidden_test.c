/* Metrics that hide pixels of the picture, by maps whose score is known beforehand and against slow second
 * implementations. hidden_test MODEL.onnx */
#include "desk.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"

static void masking_nothing_changes_nothing_and_masking_all_leaves_the_fill(void **state)
{
    const struct desk *d = *state;
    struct bench b;
    double values[32];
    float *logits = calloc((size_t)d->classes, sizeof *logits), *zeros = calloc(d->floats, sizeof *zeros);
    bench_open(&b, d, 1);
    for (int i = 0; i < d->pixels; i++) {
        map_of(&b, 0, WN_MAP_FIRST)[i] = 1;
        map_of(&b, 0, WN_MAP_SECOND)[i] = -1;
    }
    const struct wn_evaluation_metric *m = run(&b, "masking", values);
    double as_is = sigmoid(d->logits, d->top[0], d->top[1]);
    near(value_of(m, values, 0, "p.1"), as_is, 1e-9);
    near(value_of(m, values, 0, "p.1") + value_of(m, values, 0, "p.2"), 1, 1e-12);
    near(value_of(m, values, 0, "blur.positive.1"), as_is, 1e-6);
    near(value_of(m, values, 0, "mean.positive.1"), as_is, 1e-6);
    near(value_of(m, values, 0, "zero.negative.2"), 1 - as_is, 1e-6);
    desk_forward(d, zeros, logits);
    near(value_of(m, values, 0, "zero.negative.1"), sigmoid(logits, d->top[0], d->top[1]), 1e-6);
    near(value_of(m, values, 0, "zero.positive.2"), sigmoid(logits, d->top[1], d->top[0]), 1e-6);
    bench_close(&b);
    free(logits);
    free(zeros);
}

static void masking_hides_exactly_the_other_sign(void **state)
{
    const struct desk *d = *state;
    struct bench b;
    struct wn_random random = wn_random_of(5);
    double values[32];
    float *x = malloc(d->floats * sizeof *x), *logits = calloc((size_t)d->classes, sizeof *logits);
    bench_open(&b, d, 1);
    float *map = map_of(&b, 0, WN_MAP_FIRST);
    for (int i = 0; i < d->pixels; i++) map[i] = i % 7 ? (float)wn_random_normal(&random) : 0;
    const struct wn_evaluation_metric *m = run(&b, "masking", values);
    for (int keep = 0; keep < 2; keep++) {
        for (int c = 0; c < d->channels; c++) {
            double mean = 0;
            for (int i = 0; i < d->pixels; i++) mean += d->image[c * d->pixels + i] / (double)d->pixels;
            for (int i = 0; i < d->pixels; i++) {
                bool hide = keep ? map[i] > 0 : map[i] < 0;
                x[c * d->pixels + i] = hide ? (float)mean : d->image[c * d->pixels + i];
            }
        }
        desk_forward(d, x, logits);
        near(value_of(m, values, 0, keep ? "mean.negative.1" : "mean.positive.1"),
             sigmoid(logits, d->top[0], d->top[1]), 1e-5);
    }
    assert_true(isnan(value_of(m, values, 0, "mean.positive.2"))); /* no such map */
    bench_close(&b);
    free(x);
    free(logits);
}

static void pictures_with_an_unlikely_second_class_are_left_out(void **state)
{
    const struct desk *d = *state;
    struct bench b;
    double values[32];
    bench_open(&b, d, 1);
    b.options.least_second = 0.999;
    map_of(&b, 0, WN_MAP_FIRST)[0] = 1;
    const struct wn_evaluation_metric *m = run(&b, "masking", values);
    for (int c = 0; c < m->n_columns; c++) assert_true(isnan(values[c]));
    bench_close(&b);
}

/* How many pixels each rule hides, read off a picture in which hiding is all that changes the logits: recomputed by
 * hand. */
static void equal_area_hides_as_many_pixels_for_every_method(void **state)
{
    const struct desk *d = *state;
    struct bench b;
    double values[64];
    float *x = malloc(d->floats * sizeof *x), *logits = calloc((size_t)d->classes, sizeof *logits);
    bench_open(&b, d, 2);
    float *few = map_of(&b, 0, WN_MAP_FIRST), *many = map_of(&b, 1, WN_MAP_FIRST);
    /* 10 and 30 negative, 20 and 50 positive, all different; the rest 0, of which the last count as the highest */
    for (int i = 0; i < d->pixels; i++) {
        few[i] = i < 10 ? -1 - i : i >= 100 && i < 120 ? i : 0;
        many[i] = i < 30 ? -1 - i : i >= 200 && i < 250 ? i : 0;
    }
    const struct {
        const char *metric, *column;
        bool lowest;
        int count;
    } cases[] = {
        {"masking-equal", "zero.positive.1", true, 30},
        {"masking-equal", "zero.negative.1", false, 20},
        {"masking-equal-code", "zero.positive.1", true, 20},
        {"masking-equal-code", "zero.negative.1", false, 29},
    };
    for (int i = 0; i < 4; i++)
        for (int s = 0; s < 2; s++) {
            const float *map = s ? many : few;
            const struct wn_evaluation_metric *m = run(&b, cases[i].metric, values);
            memcpy(x, d->image, d->floats * sizeof *x);
            bool *gone = calloc((size_t)d->pixels, sizeof *gone);
            for (int n = 0; n < cases[i].count; n++) {
                int at = -1;
                for (int k = 0; k < d->pixels; k++)
                    if (!gone[k] && (at < 0 || (cases[i].lowest ? map[k] < map[at] : map[k] >= map[at]))) at = k;
                gone[at] = true;
                for (int c = 0; c < d->channels; c++) x[c * d->pixels + at] = 0;
            }
            free(gone);
            desk_forward(d, x, logits);
            near(value_of(m, values, s, cases[i].column), sigmoid(logits, d->top[0], d->top[1]), 1e-6);
        }
    bench_close(&b);
    free(x);
    free(logits);
}

static void curves_end_where_the_picture_is_and_agree_with_slow_ones(void **state)
{
    const struct desk *d = *state;
    struct bench b;
    struct wn_random random = wn_random_of(6);
    float *x = malloc(d->floats * sizeof *x), *logits = calloc((size_t)d->classes, sizeof *logits);
    bench_open(&b, d, 1);
    float *map = map_of(&b, 0, WN_MAP_CHOSEN);
    for (int i = 0; i < d->pixels; i++) map[i] = (float)wn_random_normal(&random);
    double deletion, insertion;
    run(&b, "deletion", &deletion);
    double sum = 0, score = 0;
    int points = (d->pixels + 699) / 700 + 1;
    for (int k = 0; k < points; k++) {
        for (int i = 0; i < d->pixels; i++) {
            int rank = 0;
            for (int j = 0; j < d->pixels; j++) rank += map[j] > map[i];
            for (int c = 0; c < d->channels; c++)
                x[c * d->pixels + i] = rank < k * 700 ? 0 : d->image[c * d->pixels + i];
        }
        desk_forward(d, x, logits);
        score = probability(d, logits, d->top[0]);
        sum += k == 0 || k == points - 1 ? score / 2 : score;
        if (k == 0) near(score, probability(d, d->logits, d->top[0]), 1e-6);
    }
    near(deletion, sum / (points - 1), 1e-5);
    /* One step: from the blur straight to the picture. */
    b.options.curve_step = d->pixels;
    run(&b, "insertion", &insertion);
    assert_int_equal(wn_blur(d->image, d->channels, d->h, d->w, wn_rise_taps, 5, WN_BORDER_ZERO, x, NULL), WN_OK);
    desk_forward(d, x, logits);
    near(insertion, (probability(d, logits, d->top[0]) + probability(d, d->logits, d->top[0])) / 2, 1e-6);
    bench_close(&b);
    free(x);
    free(logits);
}

static void a_map_that_is_the_same_everywhere_has_no_curve(void **state)
{
    const struct desk *d = *state;
    struct bench b;
    double insertion[2] = {0}, deletion[2] = {0};
    bench_open(&b, d, 2);
    for (int i = 0; i < d->pixels; i++) map_of(&b, 0, WN_MAP_CHOSEN)[i] = 0.25f;
    map_of(&b, 1, WN_MAP_CHOSEN)[d->pixels - 1] = 1; /* one pixel before all others */
    run(&b, "insertion", insertion);
    run(&b, "deletion", deletion);
    assert_true(isnan(insertion[0]) && isnan(deletion[0]));
    assert_true(isfinite(insertion[1]) && isfinite(deletion[1]));
    bench_close(&b);
}

static void insertion_is_deletion_in_reversed_order(void **state)
{
    const struct desk *d = *state;
    struct bench b;
    struct wn_random random = wn_random_of(8);
    const struct wn_cover black = {.kind = WN_COVER_COLOUR};
    double there[13], back[13];
    bench_open(&b, d, 1);
    b.options.curve_step = d->pixels / 12;
    assert_int_equal(d->pixels % 12, 0);
    float *map = map_of(&b, 0, WN_MAP_CHOSEN);
    const float *one = map;
    for (int i = 0; i < d->pixels; i++) map[i] = (float)wn_random_normal(&random);
    wn_hider_show(&b.trial.hider, d->image, &black, false);
    wn_hider_maps(&b.trial.hider, &one, 1, d->h, d->w, false);
    assert_int_equal(wn_trial_curve(&b.trial, 13, there, NULL), WN_OK);
    for (int i = 0; i < d->pixels; i++) map[i] = -map[i];
    wn_hider_show(&b.trial.hider, d->image, &black, true);
    wn_hider_maps(&b.trial.hider, &one, 1, d->h, d->w, false);
    assert_int_equal(wn_trial_curve(&b.trial, 13, back, NULL), WN_OK);
    near(there[0], probability(d, d->logits, d->top[0]), 1e-6);
    near(back[12], there[0], 1e-6);
    double widest = 0;
    for (int k = 0; k < 13; k++) {
        near(there[k], back[12 - k], 1e-6);
        widest = fmax(widest, fabs(there[k] - there[0]));
    }
    assert_true(widest > 1e-3); /* else the curves would agree whatever they are */
    bench_close(&b);
}

static void confidence_keeps_all_of_a_map_that_shows_all(void **state)
{
    const struct desk *d = *state;
    struct bench b;
    double values[4];
    float *zeros = calloc(d->floats, sizeof *zeros), *logits = calloc((size_t)d->classes, sizeof *logits);
    bench_open(&b, d, 1);
    float *map = map_of(&b, 0, WN_MAP_CHOSEN);
    for (int i = 0; i < d->pixels; i++) map[i] = -3; /* shows nothing */
    const struct wn_evaluation_metric *m = run(&b, "confidence", values);
    desk_forward(d, zeros, logits);
    double before = probability(d, d->logits, d->top[0]), after = probability(d, logits, d->top[0]);
    near(value_of(m, values, 0, "drop"), before > after ? before - after : 0, 1e-6);
    near(value_of(m, values, 0, "increase"), after > before, 0);
    for (int i = 0; i < d->pixels; i++) map[i] = i % 3 ? 4 : i % 2 ? -4 : 2;
    run(&b, "confidence", values);
    for (size_t i = 0; i < d->floats; i++) {
        float shown = map[i % (size_t)d->pixels] / 4;
        zeros[i] = d->image[i] * (shown > 0 ? shown : 0);
    }
    desk_forward(d, zeros, logits);
    after = probability(d, logits, d->top[0]);
    near(value_of(m, values, 0, "drop"), before > after ? before - after : 0, 1e-6);
    near(value_of(m, values, 0, "increase"), after > before, 0);
    bench_close(&b);
    free(zeros);
    free(logits);
}

static void road_removes_nine_shares_of_both_ends_of_the_order(void **state)
{
    const struct desk *d = *state;
    struct bench b;
    double values[3], change[2] = {0, 0};
    float *x = malloc(d->floats * sizeof *x), *logits = calloc((size_t)d->classes, sizeof *logits);
    bool *hidden = calloc((size_t)d->pixels, sizeof *hidden);
    bench_open(&b, d, 1);
    /* each value once */
    for (int i = 0; i < d->pixels; i++) map_of(&b, 0, WN_MAP_CHOSEN)[i] = (float)(i * 7919 % d->pixels);
    const struct wn_evaluation_metric *m = run(&b, "road", values);
    for (int k = 0; k < 18; k++) {
        int n = d->pixels * (k % 9 + 1) / 10;
        for (int i = 0; i < d->pixels; i++) {
            int value = i * 7919 % d->pixels;
            hidden[i] = k < 9 ? value >= d->pixels - n : value < n;
        }
        assert_int_equal(wn_impute(d->image, d->channels, d->h, d->w, hidden, 0.01, 7 + (uint64_t)k, x, NULL), WN_OK);
        desk_forward(d, x, logits);
        change[k / 9] += (probability(d, logits, d->top[0]) - probability(d, d->logits, d->top[0])) / 9;
    }
    near(value_of(m, values, 0, "most"), change[0], 1e-6);
    near(value_of(m, values, 0, "least"), change[1], 1e-6);
    near(value_of(m, values, 0, "combined"), (change[1] - change[0]) / 2, 1e-6);
    bench_close(&b);
    free(x);
    free(logits);
    free(hidden);
}

int main(int argc, char **argv)
{
    if (argc != 2) return 2;
    desk_model = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masking_nothing_changes_nothing_and_masking_all_leaves_the_fill),
        cmocka_unit_test(masking_hides_exactly_the_other_sign),
        cmocka_unit_test(pictures_with_an_unlikely_second_class_are_left_out),
        cmocka_unit_test(equal_area_hides_as_many_pixels_for_every_method),
        cmocka_unit_test(curves_end_where_the_picture_is_and_agree_with_slow_ones),
        cmocka_unit_test(a_map_that_is_the_same_everywhere_has_no_curve),
        cmocka_unit_test(insertion_is_deletion_in_reversed_order),
        cmocka_unit_test(confidence_keeps_all_of_a_map_that_shows_all),
        cmocka_unit_test(road_removes_nine_shares_of_both_ends_of_the_order),
    };
    return cmocka_run_group_tests(tests, desk_set_up, desk_tear_down);
}
