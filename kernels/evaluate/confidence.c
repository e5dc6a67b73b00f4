/* Drop and increase in confidence: the probability of a class when the picture is dimmed as its map says. */
#include "trial.h"

enum { DROP, INCREASE, COLUMNS };
static const struct wn_evaluation_column columns[] = {
    {"drop", "probability lost when only what the map shows is left", -1},
    {"increase", "share of pictures whose class becomes more likely", 1},
};

/* A map without negative values, stretched to [0,1]; one that is the same everywhere dims everything. */
static void stretch(float *map, int n)
{
    float most = 0, least = 0;
    for (int i = 0; i < n; i++) {
        if (!i || map[i] < least) least = map[i];
        if (map[i] > most) most = map[i];
    }
    for (int i = 0; i < n; i++) map[i] = most > least ? (map[i] - least) / (most - least) : 0;
}

static enum wn_code judge(struct wn_trial *t, int subject, double *values, void *context, struct wn_error *err)
{
    (void)subject, (void)context;
    stretch(t->map, t->pixels);
    for (int c = 0; c < t->channels; c++)
        for (int i = 0; i < t->pixels; i++)
            wn_trial_picture(t, 0)[c * t->pixels + i] = t->picture->image[c * t->pixels + i] * t->map[i];
    enum wn_code code = wn_trial_forward(t, 1, err);
    if (code != WN_OK) return code;
    double before = wn_trial_probability(t, t->logits, t->chosen),
           after = wn_trial_probability(t, t->batch_logits, t->chosen);
    values[DROP] = wn_confidence_drop(before, after);
    values[INCREASE] = wn_confidence_increase(before, after);
    return WN_OK;
}

static enum wn_code run(struct wn_trial *t, double *values, struct wn_error *err)
{
    return wn_trial_each(t, WN_MAP_CHOSEN, WN_FORM_POSITIVE, COLUMNS, values, judge, NULL, err);
}

const struct wn_evaluation_metric wn_evaluation_metric_confidence = {
    .name = "confidence",
    .summary = "Is what the map shows enough for the class?",
    .source = "Chattopadhay et al. 2018 (Grad-CAM++)",
    .maps = 1u << WN_MAP_CHOSEN,
    .columns = columns,
    .n_columns = COLUMNS,
    .run = run,
};
