/* What was found out beside the maps: gaps, probabilities, what masking showed, and the small maps of rivals. Knows
 * no threads and no HTTP. */
#include "answer.h"

#include "questions.h"
#include "stacked.h"

#include <math.h>
#include <media/base64.h>

/* ---- who is compared with whom ---- */

int wn_slot_target(const struct wn_slot *slot)
{
    bool value = slot->contrast->flags & WN_CONTRAST_VALUE && wn_graph_classes(slot->model->graph) == 1;
    if (value) return 1; /* the one output is what has a value */
    return slot->n_targets ? slot->targets[0] : wn_argmax(slot->item->logits, slot->model->classes);
}

int wn_slot_foils(const struct wn_slot *slot, const int **foils)
{
    const struct wn_answer *first = &slot->item->answers[slot->first];
    *foils = slot->n_foils ? slot->foils : &first->foil;
    if (slot->all) return 0;
    return slot->n_foils ? slot->n_foils : slot->contrast->flags & WN_CONTRAST_FOIL && slot->n && first->foil >= 0;
}

static void name_class(struct wn_text *out, const struct wn_slot *slot, int c)
{
    wn_json_pair_int(out, "index", c);
    wn_json_pair(out, "label", slot->model->labels[c]);
}

/* ---- against one rival, or several ---- */

/* Of the target, were it and the rival the only classes. */
static void write_gap(struct wn_text *out, const struct wn_slot *slot, int rival)
{
    double gap = (double)slot->item->logits[wn_slot_target(slot)] - slot->item->logits[rival];
    wn_json_pair_number(out, "logit_gap", gap);
    wn_json_pair_number(out, "relative_probability", 1 / (1 + exp(-gap)));
}

static void write_rivals(struct wn_text *out, const struct wn_slot *slot, const int *foils, int n)
{
    wn_json_key(out, "rivals");
    wn_json_open(out, '[');
    for (int i = 0; i < n; i++) {
        wn_json_open(out, '{');
        name_class(out, slot, foils[i]);
        write_gap(out, slot, foils[i]);
        wn_json_close(out, '}');
    }
    wn_json_close(out, ']');
}

/* Without a rival in the question: the runner-up, and its name. */
static void write_against(struct wn_text *out, const struct wn_slot *slot)
{
    const int *foils;
    int runner_up, n = wn_slot_foils(slot, &foils);
    bool one = n && foils[0] != wn_slot_target(slot);
    if (!slot->n || (!one && !wn_slot_rivals(slot, 0, &runner_up, &foils))) return;
    wn_json_key(out, "rival");
    wn_json_open(out, '{');
    name_class(out, slot, foils[0]);
    wn_json_close(out, '}');
    write_gap(out, slot, foils[0]);
    if (n > 1) write_rivals(out, slot, foils, n);
    if (slot->n_targets > 1 && n)
        wn_json_pair_number(out, "relative_probability_of_sets",
                            wn_relative_probability(slot->item->logits, slot->model->classes, slot->targets,
                                                    slot->n_targets, foils, n));
}

/* ---- over all foils ---- */

static void write_statistics(struct wn_text *out, const struct wn_slot *slot)
{
    const struct wn_statistics *s = &slot->statistics;
    wn_json_pair_int(out, "foils", s->foils);
    wn_json_pair_bool(out, "single_foil", s->single_foil);
    if (slot->ask.statistics != WN_STATISTICS_MASKS) return;
    wn_json_pair_int(out, "empty_masks", s->empty);
    wn_json_key(out, "voice"); /* of the variance map, and the explanation of the target by itself */
    wn_json_open(out, '{');
    wn_json_pair_number(out, "overlap", s->voice_iou);
    wn_json_pair_number(out, "signal_to_noise", s->flat ? NAN : s->voice_snr);
    wn_json_pair_number(out, "log_likelihood", slot->item->logits[wn_slot_target(slot)]);
    wn_json_pair_bool(out, "flat", s->flat);
    wn_json_close(out, '}');
}

/* The contrasts with the nearest rivals, small: (n,h,w). */
static void write_strip(struct wn_text *out, const struct wn_slot *slot, const float *p)
{
    const struct wn_strip *strip = &slot->strip;
    size_t n = (size_t)strip->n * (size_t)strip->h * (size_t)strip->w;
    const int shape[3] = {strip->n, strip->h, strip->w};
    wn_json_key(out, "rivals");
    wn_json_open(out, '{');
    wn_json_pair(out, "contrast", slot->contrast->name);
    wn_json_pair(out, "dtype", "float32");
    wn_json_key(out, "shape");
    wn_json_open(out, '[');
    for (int i = 0; i < 3; i++) wn_json_int(out, shape[i]);
    wn_json_close(out, ']');
    wn_json_key(out, "data");
    wn_text_add(out, "\"", 1);
    if (!out->failed && wn_base64_encode(strip->maps, n * sizeof *strip->maps, &out->bytes, NULL) != WN_OK)
        out->failed = true;
    wn_text_add(out, "\"", 1);
    wn_json_key(out, "classes");
    wn_json_open(out, '[');
    for (int i = 0; i < strip->n; i++) wn_answer_scored(out, slot->item, p, strip->classes[i]);
    wn_json_close(out, ']');
    wn_json_close(out, '}');
}

/* ---- masked pictures ---- */

/* "stop", "stop or yield", "stop, yield or 5 others". */
static void put_names(struct wn_text *out, const struct wn_slot *slot, const int *classes, int n)
{
    enum { MOST = 3 };
    const int named = n > MOST ? MOST - 1 : n;
    for (int i = 0; i < named; i++)
        wn_text_printf(out, "%s%.100s", !i ? "" : i == n - 1 ? " or " : ", ", slot->model->labels[classes[i]]);
    if (n > named) wn_text_printf(out, " or %d others", n - named);
}

/* Kept is what speaks for the targets: the positive side, unless the map's positive numbers speak against them. A map
 * against the rival need not hold the target at all, and so its sides are named after the rival; one that looks at no
 * class has a side that it marks. Where the rivals win, it is the other side that must be hidden for the decision to
 * turn. */
static void write_words(struct wn_text *out, const struct wn_masking *m, enum wn_positive positive,
                        struct wn_text *targets, struct wn_text *rivals, bool several)
{
    struct wn_text words = {0};
    const bool won = m->before > 0.5, reversed = positive == WN_POSITIVE_AGAINST_CLASS,
               of_rival = positive == WN_POSITIVE_AGAINST_RIVAL;
    const char *p = wn_text_string(targets), *q = wn_text_string(rivals), *side = of_rival ? q : p;
    if (positive == WN_POSITIVE_NO_CLASS)
        wn_text_puts(&words, "keeping only what the map marks");
    else
        wn_text_printf(&words, "keeping only what speaks %s %s", of_rival ? "against" : "for", side);
    wn_text_printf(&words, " (%.0f %% of the input): p(%s | %s or %s) %.2f -> %.2f; hiding that: %.2f - ",
                   100 * (reversed ? m->negative : m->positive), p, several ? "these" : "it", q, m->before,
                   reversed ? m->keep_negative : m->keep_positive, reversed ? m->keep_positive : m->keep_negative);
    wn_text_puts(&words, m->turns ? "the decision turns" : "the decision stays");
    if (!won && positive == WN_POSITIVE_NO_CLASS)
        wn_text_printf(&words, " %sonce the rest is hidden", m->turns ? "" : "even ");
    else if (!won)
        wn_text_printf(&words, " %sonce what speaks %s %s is hidden", m->turns ? "" : "even ",
                       of_rival ? "for" : "against", side);
    wn_json_pair(out, "words", wn_text_string(&words));
    if (words.failed || targets->failed || rivals->failed) out->failed = true;
    wn_text_finish(&words);
}

static void write_masking(struct wn_text *out, const struct wn_slot *slot, int i)
{
    const struct wn_masking *m = &slot->masking[i];
    const struct wn_answer *a = &slot->item->answers[slot->first + i];
    const int *rivals, *targets = slot->n_targets > 1 ? slot->targets : &a->target;
    const int n_targets = slot->n_targets > 1 ? slot->n_targets : 1;
    struct wn_text for_whom = {0}, against = {0};
    int runner_up, n_rivals = wn_slot_rivals(slot, i, &runner_up, &rivals);
    if (!n_rivals) return;
    wn_json_open(out, '{');
    wn_json_key(out, "map"); /* number among maps */
    wn_json_int(out, i);
    wn_json_key(out, "rival");
    wn_json_open(out, '{');
    name_class(out, slot, rivals[0]);
    wn_json_close(out, '}');
    wn_json_pair(out, "fill", wn_fill_name(slot->ask.fill));
    if (m->radius) {
        wn_json_pair_int(out, "blur_radius", m->radius);
    }
    wn_json_pair_number(out, "relative_probability", m->before);
    wn_json_pair_number(out, "keep_positive", m->keep_positive);
    wn_json_pair_number(out, "keep_negative", m->keep_negative);
    wn_json_pair_number(out, "area_positive", m->positive);
    wn_json_pair_number(out, "area_negative", m->negative);
    wn_json_pair_bool(out, "turns", m->turns);
    put_names(&for_whom, slot, targets, n_targets);
    put_names(&against, slot, rivals, n_rivals);
    write_words(out, m, wn_slot_positive(slot, i), &for_whom, &against, n_targets > 1);
    wn_text_finish(&for_whom);
    wn_text_finish(&against);
    wn_json_close(out, '}');
}

static void write_maskings(struct wn_text *out, const struct wn_slot *slot)
{
    wn_json_key(out, "masking");
    wn_json_open(out, '[');
    for (int i = 0; i < slot->n; i++) {
        enum wn_map_kind kind = slot->item->kinds[slot->first + i];
        if (kind == WN_MAP_CONTRAST || kind == WN_MAP_TARGET) write_masking(out, slot, i);
    }
    wn_json_close(out, ']');
}

/* ---- the whole ---- */

void wn_answer_evidence(struct wn_text *out, const struct wn_slot *slot, const float *p)
{
    if (slot->strip.n) write_strip(out, slot, p);
    wn_json_key(out, "evidence");
    wn_json_open(out, '{');
    wn_json_pair_number(out, "probability", p[wn_slot_target(slot)]);
    write_against(out, slot);
    if (slot->n && wn_slot_has_statistics(slot)) write_statistics(out, slot);
    if (slot->masking) write_maskings(out, slot);
    wn_json_close(out, '}');
}
