/* ROAD: pixels removed by noisy linear imputation, most and least important ones first. */
#include "trial.h"

#define NOISE 0.01
#define LEVELS 9 /* 10, 20, ..., 90 percent */

enum { MOST, LEAST, COMBINED, COLUMNS };
static const struct wn_evaluation_column columns[] = {
    {"most", "change of p(class) when the most important pixels are imputed", -1},
    {"least", "change of p(class) when the least important pixels are imputed", 1},
    {"combined", "half the difference of the two", 1},
};

/* The first or last `share` percent of the order, gone. */
static enum wn_code remove_share(struct wn_trial *t, bool most, int share, int slot, struct wn_error *err)
{
    int n = (int)((int64_t)t->pixels * share / 100);
    for (int i = 0; i < t->pixels; i++) t->hidden[i] = false;
    for (int i = 0; i < n; i++) t->hidden[t->order[most ? i : t->pixels - 1 - i]] = true;
    return wn_impute(t->picture->image, t->channels, t->height, t->width, t->hidden, NOISE,
                     t->picture->seed + (uint64_t)(most ? slot : LEVELS + slot), wn_trial_picture(t, slot), err);
}

/* Mean over all levels; one run of them all. */
static enum wn_code change_of(struct wn_trial *t, bool most, double before, double *change, struct wn_error *err)
{
    enum wn_code code = WN_OK;
    *change = 0;
    for (int i = 0; i < LEVELS && code == WN_OK; i++) code = remove_share(t, most, 10 * (i + 1), i, err);
    if (code == WN_OK) code = wn_trial_forward(t, LEVELS, err);
    for (int i = 0; i < LEVELS && code == WN_OK; i++)
        *change +=
            (wn_trial_probability(t, t->batch_logits + (size_t)i * (size_t)t->classes, t->chosen) - before) / LEVELS;
    return code;
}

static enum wn_code judge(struct wn_trial *t, int subject, double *values, void *context, struct wn_error *err)
{
    (void)subject, (void)context;
    double before = wn_trial_probability(t, t->logits, t->chosen);
    enum wn_code code = wn_saliency_order(t->map, t->pixels, t->order, err);
    if (code == WN_OK) code = change_of(t, true, before, &values[MOST], err);
    if (code == WN_OK) code = change_of(t, false, before, &values[LEAST], err);
    if (code == WN_OK) values[COMBINED] = (values[LEAST] - values[MOST]) / 2;
    return code;
}

static enum wn_code run(struct wn_trial *t, double *values, struct wn_error *err)
{
    return wn_trial_each(t, WN_MAP_CHOSEN, WN_FORM_AREAS, COLUMNS, values, judge, NULL, err);
}

const struct wn_evaluation_metric wn_evaluation_metric_road = {
    .name = "road",
    .summary = "Does removing important pixels, without a trace of a mask, cost more than removing unimportant ones? "
               "10, 20, ..., 90 percent of them.",
    .source = "Rong et al. 2022 (ROAD)",
    .maps = 1u << WN_MAP_CHOSEN,
    .columns = columns,
    .n_columns = COLUMNS,
    .run = run,
};
