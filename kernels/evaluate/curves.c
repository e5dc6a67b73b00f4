/* Insertion and deletion (Petsiuk et al. 2018): the probability of a class while pixels appear or vanish in the
 * order of a map. */
#include <stdlib.h>
#include <string.h>

#include "trial.h"

static const struct wn_evaluation_column inserted[] = {
    {"auc", "area under p(class) while the picture appears out of a blur", 1}};
static const struct wn_evaluation_column deleted[] = {
    {"auc", "area under p(class) while the picture vanishes into the mean colour", -1}};

enum wn_code wn_trial_curve(struct wn_trial *t, int points, double *scores, struct wn_error *err)
{
    enum wn_code code = WN_OK;
    for (int done = 0, n; done < points && code == WN_OK; done += n) {
        struct wn_hidden rows[WN_TRIAL_BATCH];
        n = points - done < WN_TRIAL_BATCH ? points - done : WN_TRIAL_BATCH;
        for (int i = 0; i < n; i++)
            rows[i] = (struct wn_hidden){0, (done + i) * t->options->curve_step, WN_KEEP_POSITIVE};
        code = wn_trial_hidden(t, rows, n, err);
        for (int i = 0; i < n && code == WN_OK; i++)
            scores[done + i] = wn_trial_probability(t, t->batch_logits + (size_t)i * (size_t)t->classes, t->chosen);
    }
    return code;
}

/* In such a map the order would be that of reading, whatever the picture shows. */
static bool is_constant(const struct wn_answer *a)
{
    for (int i = 1; i < a->h * a->w; i++)
        if (a->map[i] != a->map[0]) return false;
    return true;
}

/* The map turned round: the highest pixels go first, of equal ones the first. */
static enum wn_code area_of(struct wn_trial *t, const struct wn_answer *a, int points, double *scores, double *value,
                            struct wn_error *err)
{
    const size_t cells = (size_t)a->h * (size_t)a->w;
    float *turned = malloc(cells * sizeof *turned);
    if (!turned) return wn_fail(err, WN_NO_MEMORY, "no memory for a map");
    for (size_t i = 0; i < cells; i++) turned[i] = -a->map[i];
    const float *map = turned;
    wn_hider_maps(&t->hider, &map, 1, a->h, a->w, false);
    enum wn_code code = wn_trial_curve(t, points, scores, err);
    if (code == WN_OK) *value = wn_area_under(scores, points);
    free(turned);
    return code;
}

/* The area under the curve of every subject whose map puts pixels into an order, under the cover that the hider shows.
 */
static enum wn_code areas(struct wn_trial *t, double *values, struct wn_error *err)
{
    int points = wn_curve_points(t->pixels, t->options->curve_step);
    double *scores = malloc((size_t)points * sizeof *scores);
    enum wn_code code = WN_OK;
    if (!scores) return wn_fail(err, WN_NO_MEMORY, "no memory for a curve");
    for (int s = 0; s < t->options->n_subjects && code == WN_OK; s++) {
        const struct wn_answer *a = wn_trial_answer(t, s, WN_MAP_CHOSEN);
        if (!a || is_constant(a)) continue;
        code = area_of(t, a, points, scores, &values[s], err);
    }
    free(scores);
    return code;
}

static enum wn_code insert(struct wn_trial *t, double *values, struct wn_error *err)
{
    struct wn_cover cover = {.kind = WN_COVER_BLUR, .radius = 5, .border = WN_BORDER_ZERO};
    memcpy(cover.taps, wn_rise_taps, sizeof wn_rise_taps);
    wn_hider_show(&t->hider, t->picture->image, &cover, true);
    return areas(t, values, err);
}

static enum wn_code delete (struct wn_trial *t, double *values, struct wn_error *err) {
    wn_hider_show(&t->hider, t->picture->image, &(struct wn_cover){.kind = WN_COVER_COLOUR}, false);
    return areas(t, values, err);
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
