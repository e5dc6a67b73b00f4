/* Items to one batch of an engine, and its answers back to the items; knows no threads and no queue. */
#include "batch.h"

#include "questions.h"
#include "stacked.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct run {
    struct wn_item **items;
    int n, n_images, n_questions;
    int *image, *first; /* by item: which image of the batch, where its questions begin */
    const float **images;
    const struct wn_picture **pictures; /* of images without numbers */
    float *logits;
    struct wn_question *questions;
    struct wn_answer *answers;
};

/* Of one model: the same pixels from the same place. */
static bool same_order(const struct wn_picture *a, const struct wn_picture *b)
{
    return a->src_w == b->src_w && a->src_h == b->src_h && a->part_x == b->part_x && a->part_y == b->part_y &&
           a->part_w == b->part_w && a->part_h == b->part_h && a->box_w == b->box_w && a->box_h == b->box_h &&
           memcmp(a->rgb, b->rgb, (size_t)a->part_w * (size_t)a->part_h * 3) == 0;
}

bool wn_items_share(const struct wn_item *a, const struct wn_item *b)
{
    const struct wn_graph *g = a->model->graph;
    size_t pixels = (size_t)(wn_graph_channels(g) * wn_graph_height(g) * wn_graph_width(g));
    if (a->model == b->model && a->order.rgb && b->order.rgb)
        return a->picture == b->picture && same_order(&a->order, &b->order);
    return a->model == b->model && a->input && b->input && a->picture == b->picture &&
           memcmp(a->input, b->input, pixels * sizeof *a->input) == 0;
}

static void copy_questions(struct run *r, int item)
{
    const struct wn_item *from = r->items[item];
    for (int q = 0; q < from->n_questions; q++) {
        struct wn_question *to = &r->questions[r->first[item] + q];
        *to = from->questions[q];
        to->image = r->image[item];
    }
}

/* Rivals that only the network can name are named here; how many there are was known before. */
static void settle(void *context, int image, const float *logits)
{
    struct run *r = context;
    for (int i = 0; i < r->n; i++) {
        struct wn_item *item = r->items[i];
        if (r->image[i] != image || !item->needs_logits) continue;
        wn_item_keep_logits(item, logits);
        item->n_questions = 0;
        wn_item_plan(item, item->logits);
        int room = i + 1 < r->n ? r->first[i + 1] : r->n_questions;
        assert(item->n_questions == room - r->first[i]); /* how many depends on no logit */
        (void)room;
        copy_questions(r, i);
    }
}

/* Whether somebody's rivals are among those: else a device need not wait for us between its two passes. */
static bool waits(const struct run *r)
{
    for (int i = 0; i < r->n; i++)
        if (r->items[i]->needs_logits) return true;
    return false;
}

static void place_pictures(struct run *r)
{
    for (int i = 0; i < r->n; i++) {
        int k = 0;
        while (k < i && !wn_items_share(r->items[k], r->items[i])) k++;
        r->image[i] = k < i ? r->image[k] : r->n_images++;
        r->images[r->image[i]] = r->items[i]->input;
        r->pictures[r->image[i]] = r->items[i]->input ? NULL : &r->items[i]->order;
    }
}

/* Any logits will do to know how many questions there will be, and of what kind. Rivals found so are forgotten
 * again. */
static void plan_for_now(struct wn_item *item)
{
    struct wn_job *job = item->job;
    item->n_questions = 0;
    wn_item_plan(item, item->logits);
    for (int i = 0; i < job->n_slots; i++) {
        struct wn_slot *slot = &job->slots[i];
        if (slot->item == item && (slot->all || !slot->ask.why_not.n)) slot->n_foils = 0;
    }
}

static void place_questions(struct run *r)
{
    for (int i = 0; i < r->n; i++) {
        struct wn_item *item = r->items[i];
        if (item->needs_logits) plan_for_now(item);
        r->first[i] = r->n_questions;
        r->n_questions += item->n_questions;
    }
}

static bool make(struct run *r)
{
    size_t n = (size_t)r->n, k = (size_t)wn_graph_classes(r->items[0]->model->graph);
    r->image = calloc(n, sizeof *r->image);
    r->first = calloc(n, sizeof *r->first);
    r->images = calloc(n, sizeof *r->images);
    r->logits = calloc(n * k, sizeof *r->logits);
    r->pictures = calloc(n, sizeof *r->pictures);
    if (!r->image || !r->first || !r->images || !r->pictures || !r->logits) return false;
    place_pictures(r);
    place_questions(r);
    r->questions = calloc((size_t)r->n_questions + 1, sizeof *r->questions);
    r->answers = calloc((size_t)r->n_questions + 1, sizeof *r->answers);
    if (!r->questions || !r->answers) return false;
    for (int i = 0; i < r->n; i++) copy_questions(r, i);
    return true;
}

static void hand_out(struct run *r, const struct wn_engine_times *times)
{
    size_t k = (size_t)wn_graph_classes(r->items[0]->model->graph);
    for (int i = 0; i < r->n; i++) {
        struct wn_item *item = r->items[i];
        wn_item_keep_logits(item, r->logits + (size_t)r->image[i] * k);
        item->forward_ms += times->forward_ms / r->n_images;
        item->backward_ms += times->backward_ms / r->n;
        memcpy(item->answers, r->answers + r->first[i], (size_t)item->n_questions * sizeof *item->answers);
    }
}

/* Whether nobody waits for that question's answer any more: its client has gone, or its time is up. The deadline is
 * fixed before the job is pushed, so no lock is needed. */
static bool given_up(void *ctx, int question)
{
    const struct run *r = ctx;
    int i = r->n - 1;
    while (i > 0 && r->first[i] > question) i--;
    return atomic_load(&r->items[i]->job->finished) || wn_now_ns() > r->items[i]->job->deadline_ns;
}

enum wn_code wn_batch_run(struct wn_engine *engine, struct wn_item **items, int n, struct wn_error *err)
{
    struct run r = {.items = items, .n = n};
    struct wn_engine_times times = {0};
    enum wn_code code = WN_NO_MEMORY;
    if (make(&r)) {
        struct wn_batch batch = {r.n_images, r.images, r.n_questions, r.questions, given_up, &r, r.pictures};
        code = wn_engine_explain_late(engine, &batch, waits(&r) ? settle : NULL, &r, r.logits, r.answers, &times, err);
        if (code == WN_OK)
            hand_out(&r, &times);
        else
            for (int i = 0; i < r.n_questions; i++) wn_answer_finish(&r.answers[i]);
    } else {
        wn_fail(err, code, "no memory for a batch of %d", n);
    }
    free(r.image);
    free(r.first);
    free(r.images);
    free(r.pictures);
    free(r.logits);
    free(r.questions);
    free(r.answers);
    return code;
}
