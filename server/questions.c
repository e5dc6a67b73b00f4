/* Slots to engine questions: one map for each class that is contrasted with; knows no threads and no pictures. */
#include "questions.h"

#include <assert.h>

static int rivals(const struct wn_slot *s)
{
    return s->nearest ? s->nearest : s->n_foils ? s->n_foils : 1;
}

bool wn_slot_has_statistics(const struct wn_slot *s)
{
    return s->all && s->contrast->flags & WN_CONTRAST_FOIL;
}

bool wn_slot_is_stacked(const struct wn_slot *s)
{
    return s->ask.reuse || wn_slot_has_statistics(s);
}

int wn_slot_most(const struct wn_slot *s)
{
    int n = 0;
    if (wn_slot_has_statistics(s))
        n += 2; /* mean and variance */
    else if (s->ask.maps & WN_MAPS_CONTRAST)
        n += s->contrast->flags & WN_CONTRAST_FOIL ? rivals(s) : 1;
    if (s->ask.maps & WN_MAPS_TARGET) n += s->n_targets > 1 ? s->n_targets : 1;
    if (s->ask.maps & WN_MAPS_RIVAL) n += rivals(s);
    return n;
}

const char *wn_slot_costly_field(const struct wn_slot *s)
{
    if (rivals(s) > 1 && !wn_slot_has_statistics(s)) return "why_not";
    if (s->ask.maps & (WN_MAPS_TARGET | WN_MAPS_RIVAL)) return "maps";
    return s->ask.evidence == WN_EVIDENCE_MASK ? "evidence" : NULL;
}

bool wn_slot_needs_logits(const struct wn_slot *s)
{
    if (s->all) return !s->n_targets;
    bool runner_up = !s->n_foils && s->nearest <= 1 && s->contrast->flags & WN_CONTRAST_FOIL;
    bool named = s->n_foils || (!s->nearest && !(s->ask.maps & WN_MAPS_RIVAL));
    return !named && !(runner_up && !(s->ask.maps & WN_MAPS_RIVAL)); /* the engine knows the runner-up by itself */
}

/* Whether the class is asked about: it is a target, or the prediction where none is named. */
static bool is_target(const struct wn_slot *s, int class, int predicted)
{
    for (int i = 0; i < s->n_targets; i++)
        if (s->targets[i] == class) return true;
    return !s->n_targets && class == predicted;
}

/* The nearest rivals of the targets, best first, into slot->foils. */
static void find_rivals(struct wn_slot *s, const float *logits)
{
    const int classes = s->model->classes, wanted = rivals(s), predicted = wn_argmax(logits, classes);
    int best[2 * WN_MOST_CLASSES]; /* so many rivals, whichever of the targets are among the nearest */
    const int n = wn_top(logits, classes, wanted + (s->n_targets ? s->n_targets : 1), best);
    s->n_foils = 0;
    for (int i = 0; i < n && s->n_foils < wanted; i++)
        if (!is_target(s, best[i], predicted)) s->foils[s->n_foils++] = best[i];
}

/* Every class but the targets, for which alone nobody has to wait for logits. */
static void find_others(struct wn_slot *s, const float *logits)
{
    const int predicted = s->n_targets ? -1 : wn_argmax(logits, s->model->classes);
    s->n_foils = 0;
    for (int k = 0; k < s->model->classes; k++)
        if (!is_target(s, k, predicted)) s->foils[s->n_foils++] = k;
}

static void add(struct wn_item *item, const struct wn_slot *s, enum wn_map_kind kind,
                const struct wn_contrast *contrast, const int *foils, int n_foils)
{
    assert(item->n_questions < item->most_questions);
    struct wn_question *q = &item->questions[item->n_questions];
    *q = (struct wn_question){.layer = s->layer,
                              .method = s->ask.method,
                              .contrast = contrast,
                              .foils = foils,
                              .n_foils = n_foils,
                              .settings = s->ask.settings};
    q->target = s->n_targets ? s->targets[0] : WN_TARGET_PREDICTED;
    if (s->n_layers) {
        q->layers = s->layers;
        q->n_layers = s->n_layers;
    }
    q->has_value = contrast->flags & WN_CONTRAST_VALUE;
    if (q->has_value) q->value = s->ask.value;
    if (s->n_targets > 1) {
        q->targets = s->targets;
        q->n_targets = s->n_targets;
    }
    item->kinds[item->n_questions++] = kind;
}

/* The map of one class by itself, which is none of the slot's questions. */
static void add_class(struct wn_item *item, const struct wn_slot *s, enum wn_map_kind kind, int class)
{
    add(item, s, kind, wn_contrast_find("logit"), NULL, 0);
    struct wn_question *q = &item->questions[item->n_questions - 1];
    q->target = class;
    q->targets = NULL;
    q->n_targets = 0;
}

static void plan_contrast(struct wn_item *item, const struct wn_slot *s)
{
    enum wn_map_kind kind = s->contrast == wn_contrast_find("logit") ? WN_MAP_TARGET : WN_MAP_CONTRAST;
    bool takes_rivals = s->contrast->flags & (WN_CONTRAST_FOIL | WN_CONTRAST_FOIL_SET);
    if (s->contrast->flags & WN_CONTRAST_FOIL && s->n_foils)
        for (int i = 0; i < s->n_foils; i++) add(item, s, kind, s->contrast, &s->foils[i], 1);
    else
        add(item, s, kind, s->contrast, s->foils, takes_rivals ? s->n_foils : 0);
}

static void plan_slot(struct wn_item *item, struct wn_slot *s, const float *logits)
{
    const struct wn_contrast *logit = wn_contrast_find("logit");
    if (s->all)
        find_others(s, logits);
    else if (wn_slot_needs_logits(s))
        find_rivals(s, logits);
    s->first = item->n_questions;
    if (wn_slot_has_statistics(s)) {
        add(item, s, WN_MAP_MEAN, s->contrast, NULL, 0);
        add(item, s, WN_MAP_VARIANCE, s->contrast, NULL, 0);
    } else if (s->ask.maps & WN_MAPS_CONTRAST) {
        plan_contrast(item, s);
    }
    if (s->ask.maps & WN_MAPS_TARGET && s->n_targets < 2) add(item, s, WN_MAP_TARGET, logit, NULL, 0);
    for (int i = 0; s->ask.maps & WN_MAPS_TARGET && s->n_targets > 1 && i < s->n_targets; i++)
        add_class(item, s, WN_MAP_TARGET, s->targets[i]);
    for (int i = 0; s->ask.maps & WN_MAPS_RIVAL && i < s->n_foils; i++) add_class(item, s, WN_MAP_RIVAL, s->foils[i]);
    s->n = item->n_questions - s->first;
}

void wn_item_plan(struct wn_item *item, const float *logits)
{
    struct wn_job *job = item->job;
    for (int i = 0; i < job->n_slots; i++)
        if (job->slots[i].item == item && job->slots[i].problem.error.code == WN_OK)
            plan_slot(item, &job->slots[i], logits);
}
