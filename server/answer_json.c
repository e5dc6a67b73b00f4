/* One answer as JSON, written by hand straight into the reply: the pictures in it are most of it. Knows no threads and
 * no HTTP. */
#include "answer.h"

#include "draw.h"
#include "metrics.h"
#include "stacked.h"

#include <math.h>
#include <media/base64.h>
#include <stdlib.h>
#include <string.h>
#include <whynot/whynot.h>

/* ---- parts of the JSON ---- */

static void pair_of_ints(struct wn_text *out, const char *key, int a, int b)
{
    wn_json_key(out, key);
    wn_json_open(out, '[');
    wn_json_int(out, a);
    wn_json_int(out, b);
    wn_json_close(out, ']');
}

static void box(struct wn_text *out, const char *key, int x, int y, int w, int h)
{
    wn_json_key(out, key);
    wn_json_open(out, '[');
    wn_json_int(out, x);
    wn_json_int(out, y);
    wn_json_int(out, w);
    wn_json_int(out, h);
    wn_json_close(out, ']');
}

static void write_range(struct wn_text *out, double lo, double hi)
{
    wn_json_key(out, "range");
    wn_json_open(out, '[');
    wn_json_number(out, lo);
    wn_json_number(out, hi);
    wn_json_close(out, ']');
}

static void write_class(struct wn_text *out, const struct wn_model *m, int c)
{
    wn_json_open(out, '{');
    wn_json_pair_int(out, "index", c);
    wn_json_pair(out, "label", m->labels[c]);
    wn_json_close(out, '}');
}

void wn_answer_scored(struct wn_text *out, const struct wn_item *item, const float *p, int c)
{
    wn_json_open(out, '{');
    wn_json_pair_int(out, "index", c);
    wn_json_pair(out, "label", item->model->labels[c]);
    wn_json_pair_number(out, "logit", item->logits[c]);
    wn_json_pair_number(out, "probability", p[c]);
    wn_json_close(out, '}');
}

static void write_model(struct wn_text *out, const struct wn_model *m)
{
    wn_json_key(out, "model");
    wn_json_open(out, '{');
    wn_json_pair(out, "name", m->name);
    wn_json_pair(out, "version", m->manifest.version);
    wn_json_pair(out, "sha256", wn_graph_sha256(m->graph));
    wn_json_close(out, '}');
}

static void write_image(struct wn_text *out, const struct wn_geometry *g)
{
    wn_json_key(out, "image");
    wn_json_open(out, '{');
    wn_json_pair_int(out, "width", g->image_w);
    wn_json_pair_int(out, "height", g->image_h);
    pair_of_ints(out, "resized", g->resized_w, g->resized_h);
    box(out, "crop", g->crop_x, g->crop_y, g->crop_w, g->crop_h);
    wn_json_close(out, '}');
}

static void write_predictions(struct wn_text *out, const struct wn_slot *slot, const float *p)
{
    int best[1000];
    int n = wn_top(slot->item->logits, slot->model->classes, slot->ask.top_k, best);
    wn_json_key(out, "predictions");
    wn_json_open(out, '[');
    for (int i = 0; i < n; i++) wn_answer_scored(out, slot->item, p, best[i]);
    wn_json_close(out, ']');
}

/* ---- the maps ---- */

static void write_base64(struct wn_text *out, const char *key, const void *data, size_t size)
{
    wn_json_key(out, key);
    wn_text_add(out, "\"", 1);
    if (!out->failed && wn_base64_encode(data, size, &out->bytes, NULL) != WN_OK) out->failed = true;
    wn_text_add(out, "\"", 1);
}

static void write_raw(struct wn_text *out, const struct wn_answer *a)
{
    wn_json_key(out, "raw");
    wn_json_open(out, '{');
    wn_json_key(out, "dtype");
    wn_json_string(out, "float32"); /* little-endian, as on every machine that this is built for */
    pair_of_ints(out, "shape", a->h, a->w);
    write_base64(out, "data", a->map, (size_t)a->h * (size_t)a->w * sizeof *a->map);
    wn_json_close(out, '}');
}

/* The strongest fifth as COCO writes masks: run lengths, column after column, of [height, width]. */
static enum wn_code write_rle(struct wn_text *out, const struct wn_answer *a, const struct wn_drawing *d,
                              struct wn_error *err)
{
    size_t n = 0;
    uint32_t *runs = malloc(((size_t)d->view.w * (size_t)d->view.h + 1) * sizeof *runs);
    if (!runs) return wn_fail(err, WN_NO_MEMORY, "no memory for a mask");
    enum wn_code code = wn_strong_runs(a->map, a->h, a->w, &d->view, &d->render, runs, &n, err);
    wn_json_key(out, "rle");
    wn_json_open(out, '{');
    pair_of_ints(out, "size", d->view.h, d->view.w);
    wn_json_key(out, "counts");
    wn_json_open(out, '[');
    for (size_t i = 0; i < n; i++) wn_json_int(out, runs[i]);
    wn_json_close(out, ']');
    wn_json_close(out, '}');
    free(runs);
    return code;
}

/* Nothing is drawn: size, range and peak are those of the map's own cells. */
static enum wn_code write_undrawn(struct wn_text *out, const struct wn_answer *a, const struct wn_drawing *d,
                                  const struct wn_map_stats *stats, struct wn_error *err)
{
    struct wn_range range;
    enum wn_code code = wn_map_range(a->map, a->h, a->w, &d->render, &range, err);
    if (code != WN_OK) return code;
    pair_of_ints(out, "size", a->w, a->h);
    write_range(out, range.lo, range.hi);
    pair_of_ints(out, "peak", stats->peak_x, stats->peak_y);
    return WN_OK;
}

static enum wn_code write_drawn(struct wn_text *out, const struct wn_slot *slot, const struct wn_answer *a,
                                const struct wn_drawing *d, struct wn_error *err)
{
    unsigned outputs = slot->ask.outputs;
    struct wn_buffer heatmap = {0}, overlay = {0};
    struct wn_rendered drawn;
    enum wn_code code = wn_draw(slot, a, d, outputs & WN_OUT_HEATMAP ? &heatmap : NULL,
                                outputs & WN_OUT_OVERLAY ? &overlay : NULL, &drawn, err);
    if (code == WN_OK) {
        pair_of_ints(out, "size", d->view.w, d->view.h);
        wn_json_pair(out, "colormap", d->colormap->name);
        write_range(out, drawn.range.lo, drawn.range.hi);
        pair_of_ints(out, "peak", drawn.peak_x, drawn.peak_y);
        if (outputs & WN_OUT_BBOX && drawn.box_w) box(out, "bbox", drawn.box_x, drawn.box_y, drawn.box_w, drawn.box_h);
        if (outputs & (WN_OUT_HEATMAP | WN_OUT_OVERLAY)) {
            wn_json_pair(out, "encoding", "png;base64");
        }
        if (outputs & WN_OUT_HEATMAP) write_base64(out, "data", heatmap.data, heatmap.size);
        if (outputs & WN_OUT_OVERLAY) write_base64(out, "overlay", overlay.data, overlay.size);
    }
    wn_buffer_finish(&heatmap);
    wn_buffer_finish(&overlay);
    return code == WN_OK && outputs & WN_OUT_RLE ? write_rle(out, a, d, err) : code;
}

/* One name for people; and for programs a list, where the map is of several layers. */
static void write_layer(struct wn_text *out, const struct wn_slot *slot, const struct wn_answer *a,
                        const struct wn_question *q)
{
    const struct wn_graph *g = slot->model->graph;
    struct wn_text all = {0};
    for (int i = 0; i < q->n_layers; i++)
        wn_text_printf(&all, "%s%s", i ? ", " : "", wn_graph_layer(g, q->layers[i])->name);
    wn_json_pair(out, "layer",
                 q->n_layers                  ? wn_text_string(&all)
                 : a->layer == WN_LAYER_INPUT ? "input"
                                              : wn_graph_layer(g, a->layer)->name);
    wn_text_finish(&all);
    if (!q->n_layers) return;
    wn_json_key(out, "layers");
    wn_json_open(out, '[');
    for (int i = 0; i < q->n_layers; i++) wn_json_string(out, wn_graph_layer(g, q->layers[i])->name);
    wn_json_close(out, ']');
}

static void write_words(struct wn_text *out, const struct wn_slot *slot, int i)
{
    static const char *const kinds[] = {"contrast", "target", "rival", "mean", "variance"};
    const struct wn_answer *a = &slot->item->answers[i];
    const struct wn_question *q = &slot->item->questions[i];
    wn_json_pair(out, "kind", kinds[slot->item->kinds[i]]);
    wn_json_key(out, "class");
    write_class(out, slot->model, a->target);
    wn_json_key(out, "rival");
    if (a->foil >= 0)
        write_class(out, slot->model, a->foil);
    else
        wn_json_null(out);
    wn_json_pair(out, "method", q->method->name);
    wn_json_pair(out, "contrast", q->contrast->name);
    wn_json_pair(out, "positive_means", wn_positive_words((int)wn_slot_positive(slot, i - slot->first)));
    write_layer(out, slot, a, q);
    /* no one scalar was explained */
    if (slot->item->kinds[i] == WN_MAP_MEAN || slot->item->kinds[i] == WN_MAP_VARIANCE) return;
    wn_json_pair_number(out, "score", a->score);
    if (a->shortfall.known) {
        wn_json_key(out, "not_found"); /* what would have sufficed */
        wn_json_open(out, '{');
        wn_json_pair_number(out, "margin", a->shortfall.margin);
        wn_json_close(out, '}');
    }
    if (!a->completeness.known) return;
    wn_json_key(out, "completeness"); /* the map's sum against what it must sum to */
    wn_json_open(out, '{');
    wn_json_pair(out, "scalar", a->completeness.scalar);
    wn_json_pair_number(out, "sum", a->completeness.sum);
    wn_json_pair_number(out, "expected", a->completeness.expected);
    wn_json_pair_number(out, "residual", wn_completeness_residual(&a->completeness));
    wn_json_close(out, '}');
}

static enum wn_code write_map(struct wn_text *out, const struct wn_slot *slot, int i, const struct wn_drawing *plan,
                              struct wn_error *err)
{
    struct wn_drawing own = wn_draw_adapt(slot, i, plan), *d = &own;
    const struct wn_answer *a = &slot->item->answers[i];
    struct wn_map_stats stats;
    enum wn_code code = wn_map_stats(a->map, a->h, a->w, &stats, err);
    if (code != WN_OK) return code;
    wn_json_open(out, '{');
    write_words(out, slot, i);
    code = slot->ask.outputs & WN_OUT_DRAWN ? write_drawn(out, slot, a, d, err) : write_undrawn(out, a, d, &stats, err);
    if (slot->ask.outputs & WN_OUT_RAW) write_raw(out, a);
    wn_json_pair_number(out, "mass_positive", stats.mass_positive);
    wn_json_pair_number(out, "mass_negative", stats.mass_negative);
    double mass = stats.mass_positive + stats.mass_negative;
    wn_json_key(out, "share_positive"); /* null where there is no mass to share */
    wn_json_number(out, mass > 0 ? stats.mass_positive / mass : NAN);
    wn_json_pair_bool(out, "flat", stats.flat);
    wn_json_pair_bool(out, "empty", stats.empty);
    wn_json_close(out, '}');
    return code;
}

static enum wn_code write_maps(struct wn_text *out, const struct wn_slot *slot, struct wn_error *err)
{
    struct wn_drawing d;
    enum wn_code code = wn_draw_plan(slot, &d, err);
    wn_json_key(out, "maps");
    wn_json_open(out, '[');
    for (int i = slot->first; i < slot->first + slot->n && code == WN_OK; i++) code = write_map(out, slot, i, &d, err);
    wn_json_close(out, ']');
    return code;
}

/* ---- the question as it was understood ---- */

static void write_question(struct wn_text *out, const struct wn_slot *slot, const float *p)
{
    const int *foils;
    int n = wn_slot_foils(slot, &foils);
    wn_json_key(out, "target");
    wn_answer_scored(out, slot->item, p, wn_slot_target(slot));
    if (slot->n_targets > 1) {
        wn_json_key(out, "targets");
        wn_json_open(out, '[');
        for (int i = 0; i < slot->n_targets; i++) wn_answer_scored(out, slot->item, p, slot->targets[i]);
        wn_json_close(out, ']');
    }
    if (slot->contrast->flags & WN_CONTRAST_VALUE) {
        wn_json_pair_number(out, "value", slot->ask.value);
    }
    wn_json_key(out, "why_not");
    wn_json_open(out, '[');
    for (int i = 0; i < n; i++) wn_answer_scored(out, slot->item, p, foils[i]);
    wn_json_close(out, ']');
}

static void write_timings(struct wn_text *out, const struct wn_request *r, const struct wn_item *item, double encode_ms)
{
    const struct {
        const char *name;
        double ms;
    } rows[] = {{"decode", item->decode_ms},   {"queue", item->queue_ms},
                {"forward", item->forward_ms}, {"backward", item->backward_ms},
                {"cam", item->cam_ms},         {"evidence", item->evidence_ms},
                {"encode", encode_ms},         {"total", (double)(wn_now_ns() - r->begin_ns) * 1e-6}};
    wn_json_key(out, "timings_ms");
    wn_json_open(out, '{');
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(rows[i].name, "evidence") == 0 && item->evidence_ms == 0) continue; /* nobody asked */
        wn_json_key(out, rows[i].name);
        wn_json_value(out);
        wn_text_printf(out, "%.3f", rows[i].ms);
    }
    wn_json_close(out, '}');
}

static void write_provenance(struct wn_text *out, const struct wn_request *r, const struct wn_slot *slot)
{
    wn_json_key(out, "provenance");
    wn_json_open(out, '{');
    wn_json_pair(out, "method", slot->ask.method->name);
    wn_json_pair(out, "preprocess_hash", slot->model->preprocess_hash);
    wn_json_pair(out, "precision", slot->model->precision ? slot->model->precision : r->server->config.precision);
    wn_json_pair(out, "device", slot->model->device);
    wn_json_pair(out, "whynot_version", wn_version());
    wn_json_close(out, '}');
}

static void write_empty(struct wn_text *out, const char *means)
{
    struct wn_text words = {0};
    wn_text_printf(&words, "a map has no positive value: nothing speaks %s asked about", means);
    wn_json_string(out, wn_text_string(&words));
    if (words.failed) out->failed = true;
    wn_text_finish(&words);
}

/* Digits are an index, though a label may be spelled so: who meant the label gets an answer that looks right. */
static void write_misread(struct wn_text *out, const struct wn_model *m, const struct wn_class_refs *refs)
{
    enum { MOST = 8 }; /* each is looked for among all labels */
    for (int i = 0; i < refs->n && i < MOST; i++) {
        const struct wn_class_ref *ref = &refs->list[i];
        int called = ref->digits ? wn_model_class(m, ref->digits) : -1;
        if (called < 0 || called == ref->index) continue;
        struct wn_text words = {0};
        wn_text_printf(&words, "%s is an index here, the class '%s'; the one that is called %s is '%s (%d)'",
                       ref->digits, m->labels[ref->index], ref->digits, ref->digits, called);
        wn_json_string(out, wn_text_string(&words));
        if (words.failed) out->failed = true;
        wn_text_finish(&words);
    }
}

static void write_warnings(struct wn_text *out, const struct wn_slot *slot)
{
    unsigned flags = 0, empty = 0; /* bit p: a map whose positive numbers would speak for p has none */
    double worst = 0, behind = -1;
    for (int i = slot->first; i < slot->first + slot->n; i++) {
        const struct wn_completeness *c = &slot->item->answers[i].completeness;
        const struct wn_shortfall *f = &slot->item->answers[i].shortfall;
        /* that its map is empty says no more */
        const unsigned own = slot->item->answers[i].flags & ~(f->known ? WN_ANSWER_FLAT | WN_ANSWER_EMPTY : 0u);
        flags |= own;
        if (own & WN_ANSWER_EMPTY) empty |= 1u << wn_slot_positive(slot, i - slot->first);
        if (f->known && -f->margin > behind) behind = -f->margin;
        if (c->known && wn_completeness_residual(c) > worst) worst = wn_completeness_residual(c);
    }
    bool named = strcmp(slot->ask.layer, "auto") != 0 &&
                 strcmp(wn_graph_layer(slot->model->graph, slot->layer)->op, "Input") != 0;
    wn_json_key(out, "warnings");
    wn_json_open(out, '[');
    if (named && wn_method_flags(slot->ask.method, &slot->ask.settings) & WN_METHOD_INPUT)
        wn_json_string(out, "the method explains the input: the layer that was named is not used");
    if (wn_method_flags(slot->ask.method, &slot->ask.settings) & WN_METHOD_CLASSLESS)
        wn_json_string(out, "the method looks at no class: its map is the same whichever is asked about");
    write_misread(out, slot->model, &slot->ask.target);
    write_misread(out, slot->model, &slot->ask.why_not);
    if (flags & WN_ANSWER_FLAT)
        wn_json_string(out, "a map is constant: the network found nothing to tell apart at this layer");
    for (int p = 0; wn_positive_words(p); p++)
        if (empty >> p & 1 && p != WN_POSITIVE_NO_CLASS) write_empty(out, wn_positive_words(p));
    if (behind >= 0) {
        char text[160];
        snprintf(text, sizeof text,
                 "not found: no part of the picture is enough, for even in the whole picture the class is behind a "
                 "rival's logit by %.4g",
                 behind);
        wn_json_string(out, text);
    }
    if (slot->statistics.single_foil) wn_json_string(out, "the model has two classes: one foil has no variance");
    if (slot->statistics.empty)
        wn_json_string(out, "the contrasts with some foils have no positive value: their masks count as zeros");
    if (worst > 0.01)
        wn_json_string(out, "a map does not sum to what it must within a hundredth (completeness): ask for more steps, "
                            "or for another baseline");
    if (flags & WN_ANSWER_SATURATED) wn_json_string(out, "the probability of the target is 1 in floating point");
    wn_json_close(out, ']');
}

/* ---- a prediction alone ---- */

enum wn_code wn_answer_prediction(struct wn_text *out, const struct wn_slot *slot, struct wn_error *err)
{
    const struct wn_item *item = slot->item;
    int best[1000], c = wn_argmax(item->logits, slot->model->classes);
    float *p = calloc((size_t)slot->model->classes, sizeof *p);
    if (!p) return wn_fail(err, WN_NO_MEMORY, "no memory for the answer");
    wn_softmax(item->logits, slot->model->classes, p);
    int n = wn_top(item->logits, slot->model->classes, slot->ask.top_k, best);
    wn_json_open(out, '{');
    wn_json_pair_int(out, "index", c);
    wn_json_pair(out, "label", slot->model->labels[c]);
    wn_json_pair_number(out, "logit", item->logits[c]);
    wn_json_pair_number(out, "probability", p[c]);
    wn_json_key(out, "classes");
    wn_json_open(out, '[');
    for (int i = 0; i < n; i++) wn_answer_scored(out, item, p, best[i]);
    wn_json_close(out, ']');
    write_model(out, slot->model);
    wn_json_close(out, '}');
    free(p);
    return WN_OK;
}

/* ---- the whole ---- */

enum wn_code wn_answer_write(struct wn_text *out, const struct wn_request *r, const struct wn_slot *slot,
                             struct wn_error *err)
{
    int64_t begin = wn_now_ns();
    float *p = calloc((size_t)slot->model->classes, sizeof *p);
    if (!p) return wn_fail(err, WN_NO_MEMORY, "no memory for the answer");
    wn_softmax(slot->item->logits, slot->model->classes, p);
    wn_json_open(out, '{');
    if (slot->ask.id) {
        wn_json_pair(out, "id", slot->ask.id);
    }
    write_model(out, slot->model);
    write_image(out, &slot->item->geometry);
    write_predictions(out, slot, p);
    write_question(out, slot, p);
    enum wn_code code = write_maps(out, slot, err);
    wn_answer_evidence(out, slot, p);
    double encode_ms = (double)(wn_now_ns() - begin) * 1e-6;
    wn_metric_observe(WN_METRIC_STAGE, WN_TIME_ENCODE, 0, encode_ms * 1e-3);
    write_timings(out, r, slot->item, encode_ms);
    write_provenance(out, r, slot);
    write_warnings(out, slot);
    wn_json_close(out, '}');
    free(p);
    return code;
}
