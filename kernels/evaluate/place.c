/* Where a map lies, against pixels that are known to matter: content heatmap and pointing game. */
#include "trial.h"

static const struct wn_evaluation_column content_columns[] = {
    {"inside", "share of the positive mass inside the object", 1},
    {"area", "share of the picture that the object takes: what a uniform map scores", 0},
};
static const struct wn_evaluation_column pointing_columns[] = {
    {"hit", "share of a class's pictures whose peak lies within 15 pixels (of 224) of the object, mean over classes",
     1},
    {"exact", "the same without any slack", 1},
};

static enum wn_code judge_content(struct wn_trial *t, int subject, double *values, void *context, struct wn_error *err)
{
    (void)subject, (void)context, (void)err;
    values[0] = wn_mass_inside(t->map, t->picture->truth, t->pixels);
    values[1] = (double)wn_trial_true_pixels(t) / t->pixels;
    return WN_OK;
}

static enum wn_code run_content(struct wn_trial *t, double *values, struct wn_error *err)
{
    return wn_trial_each(t, WN_MAP_CHOSEN, WN_FORM_POSITIVE, 2, values, judge_content, NULL, err);
}

static enum wn_code judge_peak(struct wn_trial *t, int subject, double *values, void *context, struct wn_error *err)
{
    (void)subject, (void)context, (void)err;
    values[0] = wn_pointing_hit(t->map, t->picture->truth, t->height, t->width, wn_trial_slack(t));
    values[1] = wn_pointing_hit(t->map, t->picture->truth, t->height, t->width, 0);
    return WN_OK;
}

static enum wn_code run_pointing(struct wn_trial *t, double *values, struct wn_error *err)
{
    return wn_trial_each(t, WN_MAP_CHOSEN, WN_FORM_AREAS, 2, values, judge_peak, NULL, err);
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
    .per_class = true,
    .run = run_pointing,
};
