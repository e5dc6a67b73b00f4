/* Which heatmaps of a batch the device is asked to draw; knows neither how a map is drawn nor how a picture is
 * written. */
#include "predraw.h"

#include "draw.h"

#include <stdlib.h>

/* Somebody wants to see pixels, and there is a map for each of the slot's answers. */
static bool wants_pixels(const struct wn_slot *slot, const struct wn_item *item)
{
    if (slot->item != item || slot->problem.error.code != WN_OK ||
        !(slot->ask.outputs & (WN_OUT_HEATMAP | WN_OUT_OVERLAY | WN_OUT_BBOX)))
        return false;
    for (int i = slot->first; i < slot->first + slot->n; i++)
        if (item->answers[i].error.code != WN_OK || !item->answers[i].map) return false;
    return true;
}

static void plan_slot(const struct wn_slot *slot, int most_pixels)
{
    struct wn_drawing shared;
    if (wn_draw_plan(slot, &shared, NULL) != WN_OK) return; /* says so again when the answer is written */
    for (int i = slot->first; i < slot->first + slot->n; i++) {
        const struct wn_drawing d = wn_draw_adapt(slot, i, &shared);
        const struct wn_answer *a = &slot->item->answers[i];
        struct wn_heatmap *h = &slot->item->heatmaps[i];
        const int64_t pixels = (int64_t)d.view.w * d.view.h;
        if (h->index || pixels > most_pixels) continue;
        *h = (struct wn_heatmap){
            .map = a->map, .h = a->h, .w = a->w, .view = d.view, .how = d.render, .index = malloc((size_t)pixels)};
    }
}

/* How many of the item's answers there are to draw. */
static int plan_item(struct wn_item *item, int most_pixels)
{
    const struct wn_job *job = item->job;
    int n = 0;
    if (item->problem.error.code != WN_OK || atomic_load(&job->finished)) return 0;
    item->heatmaps = calloc((size_t)item->most_questions + 1, sizeof *item->heatmaps);
    if (!item->heatmaps) return 0;
    for (int i = 0; i < job->n_slots; i++)
        if (wants_pixels(&job->slots[i], item)) plan_slot(&job->slots[i], most_pixels);
    for (int i = 0; i < item->n_questions; i++) n += item->heatmaps[i].index != NULL;
    return n;
}

void wn_predraw(struct wn_engine *engine, struct wn_item *const *items, int n)
{
    const int most_pixels = items[0]->model->draws;
    int total = 0, filled = 0;
    if (!most_pixels || wn_backend_lost()) return;
    for (int i = 0; i < n; i++) total += plan_item(items[i], most_pixels);
    struct wn_heatmap **all = total ? malloc((size_t)total * sizeof *all) : NULL;
    for (int i = 0; all && i < n; i++)
        for (int k = 0; items[i]->heatmaps && k < items[i]->n_questions; k++)
            if (items[i]->heatmaps[k].index) all[filled++] = &items[i]->heatmaps[k];
    if (filled) wn_engine_draw(engine, all, filled, NULL); /* a device that is lost is seen after the batch */
    free(all);
}
