/* Contrasts whose answer is known: the pixels in which P and Q, drawn under the same conditions, differ. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "trial.h"

enum { MASS, AREA, PEAK, NEAR, RANK, REVERSED_MASS, REVERSED_PEAK, OPPOSITE, PASTE_TURNS, PASTE_LEFT, COLUMNS };
static const struct wn_evaluation_column columns[] = {
    {"mass", "why P, rather than Q: share of the positive mass inside the pixels that differ", 1},
    {"area", "share of the picture that differs: what a uniform map scores", 0},
    {"peak", "share of pictures whose peak lies on a pixel that differs", 1},
    {"near", "the same with 15 pixels (of 224) of slack", 1},
    {"rank", "rank correlation of the map with the difference", 1},
    {"reversed.mass", "why Q, rather than P, asked of P's picture: share of the negative mass inside the difference",
     1},
    {"reversed.peak", "the same for the lowest point", 1},
    {"opposite", "share of the pixels that differ where asking the other way round turns the sign", 1},
    {"paste.turns", "share of pictures decided for Q once Q's pixels stand where the map is highest, as many as differ",
     1},
    {"paste.left", "p(P of the two) that is left after that", -1},
};
static const struct wn_evaluation_column network_columns[] = {
    {"turns", "share of pictures decided for Q once Q's pixels are pasted", 1},
    {"stays", "share of pictures decided as before once as many pixels are changed elsewhere", 1},
};

static enum wn_code rank_with_truth(const struct wn_trial *t, double *r, struct wn_error *err)
{
    double *both = malloc((size_t)t->pixels * 2 * sizeof *both);
    if (!both) return wn_fail(err, WN_NO_MEMORY, "no memory to rank a map");
    for (int i = 0; i < t->pixels; i++) {
        both[i] = (double)t->map[i];
        both[t->pixels + i] = t->picture->truth[i] != 0;
    }
    enum wn_code code = wn_rank_correlation(both, both + t->pixels, t->pixels, r, err);
    free(both);
    return code;
}

/* Q's pixels where the map is highest. */
static enum wn_code paste(struct wn_trial *t, int n, double *values, struct wn_error *err)
{
    enum wn_code code = wn_saliency_order(t->map, t->pixels, t->order, err);
    if (code != WN_OK || !t->picture->counterfactual) return code;
    memcpy(wn_trial_picture(t, 0), t->picture->image, (size_t)t->channels * (size_t)t->pixels * sizeof(float));
    wn_curve_advance(wn_trial_picture(t, 0), t->picture->counterfactual, t->channels, t->pixels, t->order, 0, n);
    code = wn_trial_forward(t, 1, err);
    if (code != WN_OK) return code;
    values[PASTE_TURNS] = wn_trial_top(t, t->batch_logits) == t->picture->rival;
    values[PASTE_LEFT] = wn_trial_relative(t, t->batch_logits, t->picture->label, t->picture->rival);
    return WN_OK;
}

/* map: why Q, rather than P; t->map: why P, rather than Q. */
static double opposite(const struct wn_trial *t, const float *map, int n)
{
    int turned = 0;
    for (int i = 0; i < t->pixels; i++) turned += t->picture->truth[i] && (double)t->map[i] * (double)map[i] < 0;
    return (double)turned / n;
}

static void reverse(struct wn_trial *t, int n, float *map, double *values)
{
    values[OPPOSITE] = opposite(t, map, n);
    for (int i = 0; i < t->pixels; i++) map[i] = -map[i];
    values[REVERSED_MASS] = wn_mass_inside(map, t->picture->truth, t->pixels);
    values[REVERSED_PEAK] = wn_pointing_hit(map, t->picture->truth, t->height, t->width, 0);
}

static enum wn_code judge(struct wn_trial *t, int subject, double *values, void *context, struct wn_error *err)
{
    float *reversed = t->fill;
    int n = *(const int *)context;
    bool has;
    values[MASS] = wn_mass_inside(t->map, t->picture->truth, t->pixels);
    values[AREA] = (double)n / t->pixels;
    values[PEAK] = wn_pointing_hit(t->map, t->picture->truth, t->height, t->width, 0);
    values[NEAR] = wn_pointing_hit(t->map, t->picture->truth, t->height, t->width, wn_trial_slack(t));
    enum wn_code code = wn_trial_map(t, subject, WN_MAP_REVERSED, WN_FORM_AREAS, reversed, &has, err);
    if (code == WN_OK && has) reverse(t, n, reversed, values);
    if (code == WN_OK) code = rank_with_truth(t, &values[RANK], err);
    return code == WN_OK ? paste(t, n, values, err) : code;
}

static enum wn_code run(struct wn_trial *t, double *values, struct wn_error *err)
{
    int n = wn_trial_true_pixels(t);
    return n ? wn_trial_each(t, WN_MAP_PAIR, WN_FORM_AREAS, COLUMNS, values, judge, &n, err) : WN_OK;
}

/* Says of the network whether the truth is its truth, too: the same for every subject. */
static enum wn_code run_network(struct wn_trial *t, double *values, struct wn_error *err)
{
    size_t bytes = (size_t)t->channels * (size_t)t->pixels * sizeof(float);
    memcpy(wn_trial_picture(t, 0), t->picture->counterfactual, bytes);
    memcpy(wn_trial_picture(t, 1), t->picture->elsewhere, bytes);
    enum wn_code code = wn_trial_forward(t, 2, err);
    for (int s = 0; s < t->options->n_subjects && code == WN_OK; s++) {
        values[2 * s] = wn_trial_top(t, t->batch_logits) == t->picture->rival;
        values[2 * s + 1] = wn_trial_top(t, t->batch_logits + t->classes) == t->first;
    }
    return code;
}

const struct wn_evaluation_metric wn_evaluation_metric_contrast_truth = {
    .name = "contrast-truth",
    .summary = "Why P, rather than Q, where the pixels that tell them apart are known: does the map find them?",
    .source = "this project",
    .needs = WN_NEEDS_LABEL | WN_NEEDS_RIVAL | WN_NEEDS_TRUTH,
    .maps = 1u << WN_MAP_PAIR | 1u << WN_MAP_REVERSED,
    .columns = columns,
    .n_columns = COLUMNS,
    .run = run,
};

const struct wn_evaluation_metric wn_evaluation_metric_counterfactual = {
    .name = "counterfactual",
    .summary = "Is the known answer the network's own: does the decision follow the pixels that differ?",
    .source = "this project",
    .needs = WN_NEEDS_LABEL | WN_NEEDS_RIVAL | WN_NEEDS_COUNTERFACTUAL,
    .columns = network_columns,
    .n_columns = 2,
    .run = run_network,
};
