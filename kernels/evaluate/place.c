/* Where a map lies, against pixels that are known to matter: content heatmap and pointing game. */
#include <math.h>

#include "trial.h"

static const struct wn_evaluation_column content_columns[] = {
    {"inside", "share of the positive mass inside the object", 1},
    {"area", "share of the picture that the object takes: what a uniform map scores", 0},
};
static const struct wn_evaluation_column pointing_columns[] = {
    {"hit", "share of pictures whose peak lies within 15 pixels (of 224) of the object", 1},
    {"exact", "the same without any slack", 1},
};

static double area(const struct wn_trial *t)
{
    int n = 0;
    for (int i = 0; i < t->pixels; i++) n += t->picture->truth[i] != 0;
    return (double)n / t->pixels;
}

static enum wn_code run_content(struct wn_trial *t, double *values, struct wn_error *err)
{
    for (int s = 0; s < t->options->n_subjects; s++) {
        if (!wn_trial_positive(t, s, WN_MAP_CHOSEN, t->map, err)) continue;
        values[2 * s] = wn_mass_inside(t->map, t->picture->truth, t->pixels);
        values[2 * s + 1] = area(t);
    }
    return WN_OK;
}

static enum wn_code run_pointing(struct wn_trial *t, double *values, struct wn_error *err)
{
    double radius = 15.0 * (t->width > t->height ? t->width : t->height) / 224;
    for (int s = 0; s < t->options->n_subjects; s++) {
        if (!wn_trial_map(t, s, WN_MAP_CHOSEN, false, t->map, err)) continue;
        values[2 * s] = wn_pointing_hit(t->map, t->picture->truth, t->height, t->width, radius);
        values[2 * s + 1] = wn_pointing_hit(t->map, t->picture->truth, t->height, t->width, 0);
    }
    return WN_OK;
}

const struct wn_evaluation_metric wn_evaluation_metric_content = {
    .name = "content",
    .summary = "How much of the map lies on the object?",
    .source = "Pillai et al. 2022 (content heatmap)",
    .needs = WN_NEEDS_TRUTH,
    .maps = 1u << WN_MAP_CHOSEN,
    .columns = content_columns,
    .n_columns = 2,
    .run = run_content,
};

const struct wn_evaluation_metric wn_evaluation_metric_pointing = {
    .name = "pointing",
    .summary = "Does the peak of the map lie on the object?",
    .source = "Zhang et al. 2018 (pointing game), as TorchRay counts it",
    .needs = WN_NEEDS_TRUTH,
    .maps = 1u << WN_MAP_CHOSEN,
    .columns = pointing_columns,
    .n_columns = 2,
    .run = run_pointing,
};
