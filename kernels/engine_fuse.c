/* One map from the maps of several layers. Each is divided by its largest absolute value, so that none drowns
 * another and its sign stays, enlarged to the finest of them, and averaged (the averaging over layers of
 * pytorch-grad-cam, without its rectification). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <whynot/masking.h>

#include "engine.h"
#include "question.h"

struct one_of_many {
    const struct wn_batch *batch;
    int question;
};

static bool given_up(void *ctx, int question)
{
    const struct one_of_many *o = ctx;
    (void)question;
    return o->batch->given_up(o->batch->ctx, o->question);
}

static void finest(const struct wn_answer *part, int n, int *h, int *w)
{
    *h = *w = 0;
    for (int i = 0; i < n; i++) {
        if (part[i].h > *h) *h = part[i].h;
        if (part[i].w > *w) *w = part[i].w;
    }
}

static enum wn_code add_scaled(const struct wn_answer *part, int n, float *scratch, float *sum, int h, int w,
                               struct wn_error *err)
{
    float most = 0;
    for (int i = 0; i < part->h * part->w; i++)
        if (fabsf(part->map[i]) > most) most = fabsf(part->map[i]);
    if (most == 0) return WN_OK;
    enum wn_code code = wn_enlarge(part->map, part->h, part->w, false, h, w, scratch, err);
    for (int i = 0; i < h * w && code == WN_OK; i++) sum[i] += scratch[i] / most / (float)n;
    return code;
}

static void fuse(const struct wn_answer *part, int n, const float *logits, int classes, struct wn_answer *a)
{
    int h, w;
    finest(part, n, &h, &w);
    size_t cells = (size_t)h * (size_t)w;
    float *sum = calloc(2 * cells, sizeof *sum); /* analyzer: a map has a cell or more */
    a->target = part[0].target;
    a->foil = part[0].foil;
    a->score = part[0].score;
    if (!sum) {
        wn_fail(&a->error, WN_NO_MEMORY, "no memory to fuse %d layers", n);
        return;
    }
    enum wn_code code = WN_OK;
    for (int i = 0; i < n && code == WN_OK; i++) code = add_scaled(&part[i], n, sum + cells, sum, h, w, &a->error);
    if (code == WN_OK) wn_answer_take(a, sum, part[0].layer, h, w, logits, classes);
    free(sum);
}

void wn_engine_fuse(struct wn_engine *e, const struct wn_batch *batch, int question, float *logits, struct wn_answer *a)
{
    const struct wn_question *q = &batch->questions[question];
    struct wn_question parts[WN_MOST_LAYERS];
    struct wn_answer answers[WN_MOST_LAYERS] = {0};
    struct one_of_many one = {batch, question};
    struct wn_batch each = {
        .n_images = 1, .images = &batch->images[q->image], .n_questions = q->n_layers, .questions = parts, .ctx = &one};
    if (batch->given_up) each.given_up = given_up;
    if (batch->pictures) each.pictures = &batch->pictures[q->image];
    for (int i = 0; i < q->n_layers; i++) {
        parts[i] = *q;
        parts[i].image = 0;
        parts[i].layer = q->layers[i];
        parts[i].n_layers = 0;
    }
    struct wn_error err = {0};
    enum wn_code code = wn_engine_explain(e, &each, logits, answers, NULL, &err);
    for (int i = 0; i < q->n_layers && code == WN_OK; i++)
        if (answers[i].error.code != WN_OK) code = wn_fail(&err, answers[i].error.code, "%s", answers[i].error.text);
    if (code == WN_OK)
        fuse(answers, q->n_layers, logits, e->graph->classes, a);
    else
        wn_fail(&a->error, code, "%s", err.text);
    for (int i = 0; i < q->n_layers; i++) wn_answer_finish(&answers[i]);
}
