/* Answers from the maps of every class, and evidence from masked pictures; knows engines and no HTTP. */
#include "stacked.h"

#include "answer.h"
#include "questions.h"

#include <stdlib.h>
#include <string.h>

/* Small maps of rivals in one answer, bytes. */
#define MOST_STRIP (8 << 20)

static double ms_since(int64_t begin)
{
    return (double)(wn_now_ns() - begin) * 1e-6;
}

void wn_item_keep_logits(struct wn_item *item, const float *logits)
{
    int k = wn_graph_classes(item->model->graph);
    if (k == 1) item->logits[0] = 0;
    memcpy(item->logits + (k == 1), logits, (size_t)k * sizeof *logits);
}

/* ---- answers from the maps of every class ---- */

/* One of the two maps of a slot over all foils, into its answer. */
static void take(struct wn_answer *a, const struct wn_kept *kept, int target, const struct wn_statistics *s,
                 const float *map)
{
    size_t bytes = (size_t)s->h * (size_t)s->w * sizeof *map;
    a->target = target;
    a->foil = -1;
    a->layer = kept->stack.layer;
    a->h = s->h;
    a->w = s->w;
    a->map = malloc(bytes);
    if (a->map)
        memcpy(a->map, map, bytes);
    else
        wn_fail(&a->error, WN_NO_MEMORY, "no memory for a map");
}

static void run_statistics(struct wn_engine *engine, struct wn_slot *slot)
{
    const struct wn_kept *kept = slot->item->kept;
    const struct wn_graph *g = slot->model->graph;
    struct wn_answer *mean = &slot->item->answers[slot->first], *variance = mean + 1;
    struct wn_statistics *s = &slot->statistics;
    int target = wn_slot_target(slot);
    if (wn_engine_statistics(engine, &kept->stack, kept->logits, target, slot->contrast, slot->ask.statistics,
                             (int)wn_graph_height(g), (int)wn_graph_width(g), s, &mean->error) != WN_OK)
        return;
    take(mean, kept, target, s, s->mean);
    take(variance, kept, target, s, s->variance);
    wn_statistics_finish(s); /* its numbers stay */
}

/* The contrast with each of the nearest rivals, small. */
static enum wn_code run_strip(struct wn_slot *slot, struct wn_error *err)
{
    const struct wn_stack *stack = &slot->item->kept->stack;
    struct wn_strip *strip = &slot->strip;
    int most = slot->ask.rivals < stack->classes - 1 ? slot->ask.rivals : stack->classes - 1,
        target = wn_slot_target(slot);
    size_t area = (size_t)stack->h * (size_t)stack->w;
    if (area * (size_t)most * sizeof(float) > MOST_STRIP)
        return wn_fail(err, WN_TOO_LARGE, "the maps of %d rivals are larger than %d bytes: ask for fewer", most,
                       MOST_STRIP);
    strip->classes = malloc(((size_t)most + 1) * sizeof *strip->classes);
    strip->maps = malloc((size_t)most * area * sizeof *strip->maps);
    if (!strip->classes || !strip->maps) return wn_fail(err, WN_NO_MEMORY, "no memory for the maps of %d rivals", most);
    int n = wn_top(slot->item->logits, stack->classes, most + 1, strip->classes);
    strip->h = stack->h;
    strip->w = stack->w;
    for (int i = 0; i < n && strip->n < most; i++) {
        int foil = strip->classes[i];
        struct wn_answer a;
        struct wn_question q = {
            .method = slot->ask.method, .contrast = slot->contrast, .target = target, .foils = &foil, .n_foils = 1};
        if (foil == target) continue;
        if (wn_stack_explain(stack, slot->item->kept->logits, &q, &a) != WN_OK)
            return wn_fail(err, a.error.code, "%s", a.error.text);
        memcpy(strip->maps + (size_t)strip->n * area, a.map, area * sizeof *a.map);
        wn_answer_finish(&a);
        strip->classes[strip->n++] = foil;
    }
    return WN_OK;
}

static void run_slot(struct wn_engine *engine, struct wn_slot *slot)
{
    struct wn_item *item = slot->item;
    const struct wn_kept *kept = item->kept;
    int first = slot->first;
    if (wn_slot_has_statistics(slot)) {
        run_statistics(engine, slot);
        if (slot->ask.rivals && item->answers[first].error.code == WN_OK) run_strip(slot, &item->answers[first].error);
        first += 2;
    }
    for (int i = first; i < slot->first + slot->n; i++)
        wn_stack_explain(&kept->stack, kept->logits, &item->questions[i], &item->answers[i]);
}

void wn_stacked_run(struct wn_engine *engine, struct wn_item *item)
{
    wn_item_keep_logits(item, item->kept->logits);
    wn_item_plan(item, item->logits);
    int64_t begin = wn_now_ns();
    for (int i = 0; i < item->job->n_slots; i++)
        if (item->job->slots[i].item == item && item->job->slots[i].problem.error.code == WN_OK)
            run_slot(engine, &item->job->slots[i]);
    item->cam_ms += ms_since(begin);
}

/* ---- masked pictures ---- */

int wn_slot_rivals(const struct wn_slot *slot, int i, int *runner_up, const int **rivals)
{
    const struct wn_answer *a = &slot->item->answers[slot->first + i];
    const float *y = slot->item->logits;
    bool takes_set = slot->contrast->flags & WN_CONTRAST_FOIL_SET;
    *runner_up = a->foil;
    *rivals = runner_up;
    if (takes_set && slot->n_foils && !slot->all) {
        *rivals = slot->foils;
        return slot->n_foils;
    }
    if (a->foil >= 0 && a->foil != a->target) return 1;
    *runner_up = -1;
    for (int k = 0; k < slot->model->classes; k++) {
        bool ours = k == a->target;
        for (int t = 0; t < slot->n_targets; t++) ours = ours || slot->targets[t] == k;
        if (!ours && (*runner_up < 0 || y[k] > y[*runner_up])) *runner_up = k;
    }
    return *runner_up >= 0;
}

enum wn_positive wn_slot_positive(const struct wn_slot *slot, int i)
{
    const struct wn_item *item = slot->item;
    return wn_positive_of(&item->questions[slot->first + i], &item->answers[slot->first + i], item->logits,
                          slot->model->classes);
}

static void mask_one(struct wn_engine *engine, struct wn_slot *slot, int i)
{
    struct wn_item *item = slot->item;
    struct wn_answer *a = &item->answers[slot->first + i];
    const struct wn_graph *g = slot->model->graph;
    float black[3];
    int runner_up;
    wn_preprocess_level(&slot->model->manifest.preprocess, 0, black);
    struct wn_masking_in in = {.image = item->input,
                               .logits = item->logits + (wn_graph_classes(g) == 1),
                               .map = a->map,
                               .positive = wn_slot_positive(slot, i),
                               .h = a->h,
                               .w = a->w,
                               .align_corners = slot->ask.align_corners,
                               .fill = slot->ask.fill,
                               .black = black,
                               .targets = &a->target,
                               .n_targets = 1};
    if (slot->n_targets > 1) {
        in.targets = slot->targets;
        in.n_targets = slot->n_targets;
    }
    in.n_rivals = wn_slot_rivals(slot, i, &runner_up, &in.rivals);
    wn_engine_masking(engine, g, &in, &slot->masking[i], &a->error);
}

void wn_masked_run(struct wn_engine *engine, struct wn_item *item)
{
    int64_t begin = wn_now_ns();
    for (int s = 0; s < item->job->n_slots; s++) {
        struct wn_slot *slot = &item->job->slots[s];
        if (slot->item != item || !slot->masking || slot->problem.error.code != WN_OK) continue;
        for (int i = 0; i < slot->n; i++) {
            enum wn_map_kind kind = item->kinds[slot->first + i];
            if (item->answers[slot->first + i].error.code == WN_OK &&
                (kind == WN_MAP_CONTRAST || kind == WN_MAP_TARGET))
                mask_one(engine, slot, i);
        }
        item->evidence_ms = ms_since(begin);
    }
}
