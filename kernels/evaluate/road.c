/* ROAD: pixels removed by noisy linear imputation, most and least important ones first. */
#include "trial.h"

#define NOISE 0.01
static const int percent[] = {20, 40, 60, 80};
#define LEVELS ((int)(sizeof percent / sizeof *percent))

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
                     t->picture->seed + (uint64_t)slot, wn_trial_picture(t, slot), err);
}

static enum wn_code judge(struct wn_trial *t, int subject, double *values, void *context, struct wn_error *err)
{
    (void)subject, (void)context;
    double before = wn_trial_probability(t, t->logits, t->chosen);
    enum wn_code code = wn_saliency_order(t->map, t->pixels, t->order, err);
    for (int i = 0; i < 2 * LEVELS && code == WN_OK; i++)
        code = remove_share(t, i < LEVELS, percent[i % LEVELS], i, err);
    if (code == WN_OK) code = wn_trial_forward(t, 2 * LEVELS, err);
    if (code != WN_OK) return code;
    double change[2] = {0, 0};
    for (int i = 0; i < 2 * LEVELS; i++)
        change[i / LEVELS] +=
            (wn_trial_probability(t, t->batch_logits + (size_t)i * (size_t)t->classes, t->chosen) - before) / LEVELS;
    values[MOST] = change[0];
    values[LEAST] = change[1];
    values[COMBINED] = (change[1] - change[0]) / 2;
    return WN_OK;
}

static enum wn_code run(struct wn_trial *t, double *values, struct wn_error *err)
{
    return wn_trial_each(t, WN_MAP_CHOSEN, WN_FORM_AREAS, COLUMNS, values, judge, NULL, err);
}

const struct wn_evaluation_metric wn_evaluation_metric_road = {
    .name = "road",
    .summary = "Does removing important pixels, without a trace of a mask, cost more than removing unimportant ones?",
    .source = "Rong et al. 2022 (ROAD)",
    .maps = 1u << WN_MAP_CHOSEN,
    .columns = columns,
    .n_columns = COLUMNS,
    .run = run,
};
