/* Insertion and deletion (Petsiuk et al. 2018): the probability of a class while pixels appear or vanish in the order of a map. */
#include <stdlib.h>
#include <string.h>

#include "trial.h"

static const struct wn_evaluation_column inserted[] = {{"auc", "area under p(class) while the picture appears out of a blur", 1}};
static const struct wn_evaluation_column deleted[] = {{"auc", "area under p(class) while the picture vanishes into the mean colour", -1}};

enum wn_code wn_trial_curve(struct wn_trial *t, const float *from, const float *to, int points, double *scores, struct wn_error *err)
{
    size_t bytes = (size_t)t->channels * (size_t)t->pixels * sizeof(float);
    int step = t->options->curve_step, done = 0;
    enum wn_code code = WN_OK;
    const float *before = from;
    while (done < points && code == WN_OK) {
        int n = points - done < WN_TRIAL_BATCH ? points - done : WN_TRIAL_BATCH;
        for (int i = 0; i < n; i++) {
            float *picture = wn_trial_picture(t, i);
            if (picture != before) memmove(picture, before, bytes);
            if (done + i > 0) wn_curve_advance(picture, to, t->channels, t->pixels, t->order, (done + i - 1) * step, (done + i) * step);
            before = picture;
        }
        code = wn_trial_forward(t, n, err);
        for (int i = 0; i < n && code == WN_OK; i++)
            scores[done + i] = wn_trial_probability(t, t->batch_logits + (size_t)i * (size_t)t->classes, t->chosen);
        done += n;
    }
    return code;
}

/* from, to: the picture and what stands in its place, in the order of the curve. */
struct curve {
    const float *from, *to;
    int points;
    double *scores;
};

static enum wn_code judge(struct wn_trial *t, int subject, double *values, void *context, struct wn_error *err)
{
    const struct curve *c = context;
    (void)subject;
    enum wn_code code = wn_saliency_order(t->map, t->pixels, t->order, err);
    if (code == WN_OK) code = wn_trial_curve(t, c->from, c->to, c->points, c->scores, err);
    if (code == WN_OK) *values = wn_area_under(c->scores, c->points);
    return code;
}

static enum wn_code areas(struct wn_trial *t, const float *from, const float *to, double *values, struct wn_error *err)
{
    struct curve c = {from, to, wn_curve_points(t->pixels, t->options->curve_step), NULL};
    c.scores = malloc((size_t)c.points * sizeof *c.scores);
    if (!c.scores) return wn_fail(err, WN_NO_MEMORY, "no memory for a curve");
    enum wn_code code = wn_trial_each(t, WN_MAP_CHOSEN, WN_FORM_AREAS, 1, values, judge, &c, err);
    free(c.scores);
    return code;
}

static enum wn_code insert(struct wn_trial *t, double *values, struct wn_error *err)
{
    enum wn_code code = wn_blur(t->picture->image, t->channels, t->height, t->width, wn_rise_taps, 5, WN_BORDER_ZERO, t->fill, err);
    return code == WN_OK ? areas(t, t->fill, t->picture->image, values, err) : code;
}

static enum wn_code delete(struct wn_trial *t, double *values, struct wn_error *err)
{
    memset(t->fill, 0, (size_t)t->channels * (size_t)t->pixels * sizeof *t->fill);
    return areas(t, t->picture->image, t->fill, values, err);
}

const struct wn_evaluation_metric wn_evaluation_metric_insertion = {
    .name = "insertion",
    .summary = "How early does the class come back when the picture appears, most important pixels first?",
    .source = "Petsiuk et al. 2018 (RISE); Pillai et al. 2022",
    .maps = 1u << WN_MAP_CHOSEN,
    .columns = inserted,
    .n_columns = 1,
    .run = insert,
};

const struct wn_evaluation_metric wn_evaluation_metric_deletion = {
    .name = "deletion",
    .summary = "How early does the class go when the picture vanishes, most important pixels first?",
    .source = "Petsiuk et al. 2018 (RISE)",
    .maps = 1u << WN_MAP_CHOSEN,
    .columns = deleted,
    .n_columns = 1,
    .run = delete,
};
