/* From a question and an image's logits to a seed, and from a map to an answer. Knows no engine, no stack and no
 * device. */
#include "question.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "logits.h"

/* A network with one output says "yes" with it: two logits, 0 for class 0 and y for class 1. What asks for class 0
 * alone means what speaks for "no": the output with its sign turned, for the 0 depends on nothing. */
static enum wn_code seed_of_one(const struct wn_question *q, const struct wn_contrast_in *in, float *seed, int *foil,
                                struct wn_error *err)
{
    float v[2];
    enum wn_code code = wn_contrast_seed(q->contrast, in, v, foil, err);
    if (code == WN_OK) seed[0] = v[1] != 0 ? v[1] : -v[0];
    return code;
}

/* Target and foils as the question means them for this image's logits. others: K ints of scratch for "all the
 * others". */
static void resolve(const struct wn_question *q, const float *logits, int classes, struct wn_contrast_in *in,
                    int *others, int *target)
{
    *target = q->target == WN_TARGET_PREDICTED ? wn_argmax(logits, classes) : q->target;
    if (q->n_targets > 0) *target = q->targets[0];
    *in = (struct wn_contrast_in){logits, classes, *target, target, 1, q->foils, q->n_foils, q->value, q->has_value};
    if (q->n_targets > 0) {
        in->targets = q->targets;
        in->n_targets = q->n_targets;
    }
    if (q->n_foils > 0 || !(q->contrast->flags & (WN_CONTRAST_FOIL | WN_CONTRAST_FOIL_SET))) return;
    in->foils = others;
    in->n_foils = 1;
    if (q->contrast->flags & WN_CONTRAST_FOIL) {
        others[0] = wn_argmax_except(logits, classes, *target);
        return;
    }
    if (q->contrast->flags & WN_CONTRAST_NEAREST) {
        in->n_foils = wn_nearest(logits, classes, *target, 3, others);
        return;
    }
    in->n_foils = 0;
    for (int i = 0; i < classes; i++) {
        bool ours = false;
        for (int k = 0; k < in->n_targets; k++) ours = ours || in->targets[k] == i;
        if (!ours) others[in->n_foils++] = i;
    }
}

enum wn_code wn_question_check_target(const struct wn_question *q, int classes, struct wn_error *err)
{
    const int target = q->n_targets > 0 ? q->targets[0] : q->target;
    if (q->n_targets <= 0 && target == WN_TARGET_PREDICTED) return WN_OK;
    if (target >= 0 && target < classes) return WN_OK;
    return wn_fail(err, WN_NO_SUCH_CLASS, "target %d is not a class: the model has classes 0 to %d", target,
                   classes - 1);
}

enum wn_code wn_question_seed(const struct wn_question *q, const float *logits, int real, float *seed,
                              struct wn_answer *a)
{
    int classes = real > 1 ? real : 2;
    const float two[2] = {0, logits[0]}, *y = real > 1 ? logits : two;
    int *others = malloc((size_t)classes * sizeof *others);
    struct wn_contrast_in in;
    if (!others) return wn_fail(&a->error, WN_NO_MEMORY, "no memory for a question");
    for (int i = 0; i < real; i++)
        if (!isfinite(logits[i]))
            wn_fail(&a->error, WN_BAD_NUMBERS, "the network's logit %d for this image is not finite", i);
    if ((q->contrast->flags & WN_CONTRAST_RELEVANCE) &&
        !(wn_method_flags(q->method, &q->settings) & WN_METHOD_RELEVANCE))
        wn_fail(&a->error, WN_BAD_REQUEST,
                "contrast '%s' is made of passes of relevance: ask with method 'lrp-zplus' or another lrp, not '%s'",
                q->contrast->name, q->method->name);
    /* the nearest rivals are looked for from there; what else is named is checked with the seed */
    wn_question_check_target(q, classes, &a->error);
    if (a->error.code == WN_OK) {
        resolve(q, y, classes, &in, others, &a->target);
        /* the one output is what has a value */
        if (real == 1 && (q->contrast->flags & WN_CONTRAST_VALUE)) in.target = a->target = 1;
        if (real == 1)
            seed_of_one(q, &in, seed, &a->foil, &a->error);
        else
            wn_contrast_seed(q->contrast, &in, seed, &a->foil, &a->error);
    }
    free(others);
    if (a->error.code != WN_OK) return a->error.code;
    double score = 0;
    for (int i = 0; i < real; i++) score += (double)seed[i] * logits[i];
    a->score = (float)score;
    return WN_OK;
}

/* ---- the seed as a device makes it ---- */

static bool in_range(const int *set, int n, int classes)
{
    for (int i = 0; i < n; i++)
        if (set[i] < 0 || set[i] >= classes) return false;
    return n == 0 || set;
}

/* What the form says of the classes against them, where the question names foils. */
static bool place_foils(const struct wn_question *q, struct wn_seed_row *row)
{
    const unsigned flags = q->contrast->flags;
    if (row->form.swap) { /* the foil is the one class that stands alone; without one it depends on the prediction */
        row->target = q->n_foils == 1 ? q->foils[0] : -1;
        row->n_targets = 0;
        return q->n_foils == 1;
    }
    if (!q->n_foils) return true;
    row->form.against = WN_AGAINST_SET;
    row->foils = q->foils;
    row->n_foils = q->n_foils;
    return flags & WN_CONTRAST_FOIL_SET || (flags & WN_CONTRAST_FOIL && q->n_foils == 1);
}

bool wn_question_row(const struct wn_question *q, int classes, struct wn_seed_row *row)
{
    const unsigned flags = q->contrast->flags;
    if (!q->contrast->form || classes < 2 || !in_range(q->targets, q->n_targets, classes) ||
        !in_range(q->foils, q->n_foils, classes))
        return false;
    if (q->target != WN_TARGET_PREDICTED && !in_range(&q->target, 1, classes)) return false;
    if (q->n_targets > 1 && !(flags & WN_CONTRAST_TARGET_SET)) return false;
    if (q->has_value != ((flags & WN_CONTRAST_VALUE) != 0)) return false;
    *row = (struct wn_seed_row){.form = *q->contrast->form, .image = q->image, .target = q->target, .value = q->value};
    if (q->n_targets) row->targets = q->targets, row->n_targets = q->n_targets;
    return place_foils(q, row);
}

/* ---- sides ---- */

static void set_sides(const struct wn_contrast_in *in, enum wn_odds odds, const float *y, signed char *sides)
{
    bool others = odds == WN_ODDS_TARGET_OTHERS, against = odds == WN_ODDS_OTHERS_FOIL;
    memset(sides, others ? -1 : against ? 1 : 0, (size_t)in->classes);
    for (int i = 0; i < in->n_targets && !against; i++) sides[in->targets[i]] = 1;
    for (int i = 0; i < in->n_foils && !others; i++) sides[in->foils[i]] = -1;
    /* a contrast that finds its rival by itself */
    if (!in->n_foils && !others) sides[wn_argmax_except(y, in->classes, in->target)] = -1;
}

bool wn_question_sides(const struct wn_question *q, const float *logits, int real, enum wn_odds odds,
                       signed char *sides)
{
    int classes = real > 1 ? real : 2, target;
    const float two[2] = {0, logits[0]}, *y = real > 1 ? logits : two;
    int *others = odds == WN_ODDS_NONE ? NULL : malloc((size_t)classes * sizeof *others);
    struct wn_contrast_in in;
    if (!others) return false;
    resolve(q, y, classes, &in, others, &target);
    set_sides(&in, odds, y, sides);
    free(others);
    return true;
}

/* The seed's own sign: 2 (P - value) at the target, and at a foil minus what all others believe. */
enum wn_positive wn_positive_of(const struct wn_question *q, const struct wn_answer *a, const float *logits,
                                int classes)
{
    const float two[2] = {0, logits[0]}, *y = classes > 1 ? logits : two;
    if (q->method && wn_method_flags(q->method, &q->settings) & WN_METHOD_CLASSLESS) return WN_POSITIVE_NO_CLASS;
    switch (q->contrast->positive) {
    case WN_POSITIVE_BY_VALUE: return y[a->target] < q->value ? WN_POSITIVE_AGAINST_CLASS : WN_POSITIVE_FOR_CLASS;
    case WN_POSITIVE_AGAINST_RIVAL: return a->foil == a->target ? WN_POSITIVE_AGAINST_CLASS : WN_POSITIVE_AGAINST_RIVAL;
    default: return q->contrast->positive;
    }
}

static bool is_saturated(const float *logits, int classes, int target)
{
    const float two[2] = {0, logits[0]};
    const float *y = classes > 1 ? logits : two;
    double others = 0;
    for (int i = 0; i < classes || i < 2; i++)
        if (i != target) others += exp((double)y[i] - y[target]);
    return (float)(1 / (1 + others)) == 1.0f;
}

void wn_answer_take(struct wn_answer *a, const float *map, int layer, int h, int w, const float *logits, int classes)
{
    size_t n = (size_t)h * (size_t)w;
    float lo = INFINITY, hi = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(map[i])) {
            wn_fail(&a->error, WN_BAD_NUMBERS, "the map has values that are not finite");
            return;
        }
        if (map[i] < lo) lo = map[i];
        if (map[i] > hi) hi = map[i];
    }
    a->map = malloc(n * sizeof *a->map); /* analyzer: a map has a cell or more */
    if (!a->map) {
        wn_fail(&a->error, WN_NO_MEMORY, "no memory for a map");
        return;
    }
    memcpy(a->map, map, n * sizeof *a->map);
    a->layer = layer;
    a->h = h;
    a->w = w;
    a->flags = (lo == hi ? WN_ANSWER_FLAT : 0u) | (hi <= 0 ? WN_ANSWER_EMPTY : 0u);
    if (is_saturated(logits, classes, a->target)) a->flags |= WN_ANSWER_SATURATED;
}
