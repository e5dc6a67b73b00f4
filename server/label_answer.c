/* Answers to Label Studio's predictions: the class as a choice, the evidence as brush or polygon regions. Knows
 * nothing of how they came about. */
#include "answer.h"
#include "label.h"

#include <math.h>
#include <media/brush.h>
#include <media/outline.h>
#include <media/render.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <whynot/evidence.h>

/* Regions are drawn at most so large and then stretched: the map has a few dozen cells a side, so more pixels say
 * nothing more. */
enum { BRUSH_SIDE = 1024, POLYGON_SIDE = 256, PIXEL_NS = 15 };

/* One task's prediction while it is written. */
struct writing {
    struct wn_request *r;
    struct wn_text *out;
    const struct wn_slot *slot;
    struct wn_label_task *task;
    const float *p; /* probabilities */
    int predicted, regions;
};

/* One side of a map, and what it says. */
struct side {
    int class;
    bool annotators;   /* the class is the annotation's */
    bool against;      /* the negative side of the map */
    const char *words; /* beside the region */
};

/* ---- parts of the JSON ---- */

static void strings(struct wn_text *out, const char *key, const char *const *list, int n)
{
    wn_json_key(out, key);
    wn_json_open(out, '[');
    for (int i = 0; i < n; i++) wn_json_string(out, list[i]);
    wn_json_close(out, ']');
}

static void begin_result(struct writing *w, const struct wn_label_tag *tag, const char *type, double score)
{
    const struct wn_label_config *c = &w->r->labeling->config;
    char id[24];
    snprintf(id, sizeof id, "wn%08x%02d", (unsigned)(w->slot->item->picture & 0xffffffff), w->regions++ % 100);
    wn_json_open(w->out, '{');
    wn_json_pair(w->out, "id", id);
    wn_json_pair(w->out, "from_name", tag->name);
    wn_json_pair(w->out, "to_name", c->image);
    wn_json_pair(w->out, "type", type);
    wn_json_pair(w->out, "origin", "prediction");
    wn_json_pair_number(w->out, "score", score);
}

static void write_size(struct wn_text *out, const struct wn_geometry *g)
{
    wn_json_pair_int(out, "original_width", g->image_w);
    wn_json_pair_int(out, "original_height", g->image_h);
    wn_json_pair_int(out, "image_rotation", 0);
}

/* ---- regions ---- */

struct mask {
    uint8_t *pixels;
    int w, h;
    size_t inside;
    double share; /* of all the map's evidence that is on this side */
};

/* The view of the whole picture, no side of it longer than `side`. */
static struct wn_view small_view(const struct wn_geometry *g, int side)
{
    struct wn_view v = wn_view_picture(g);
    int longer = v.w > v.h ? v.w : v.h, w = v.w, h = v.h;
    if (longer <= side) return v;
    v.w = (int)((int64_t)w * side / longer), v.h = (int)((int64_t)h * side / longer);
    if (v.w < 1) v.w = 1;
    if (v.h < 1) v.h = 1;
    v.x0 = v.x0 * v.w / w, v.x1 = v.x1 * v.w / w;
    v.y0 = v.y0 * v.h / h, v.y1 = v.y1 * v.h / h;
    return v;
}

static enum wn_code draw(const struct wn_slot *slot, bool against, int side, struct mask *out, struct wn_error *err)
{
    const struct wn_answer *a = &slot->item->answers[slot->first];
    const struct wn_render render = {.normalize = WN_NORMALIZE_SYMMETRIC};
    struct wn_view view = small_view(&slot->item->geometry, side);
    size_t cells = (size_t)a->h * (size_t)a->w;
    float *map = malloc(cells * sizeof *map);
    double all = 0, here = 0;
    *out = (struct mask){malloc((size_t)view.w * (size_t)view.h), view.w, view.h, 0, 0};
    enum wn_code code = map && out->pixels ? WN_OK : wn_fail(err, WN_NO_MEMORY, "no memory for a region");
    for (size_t i = 0; i < cells && code == WN_OK; i++) {
        map[i] = against /* analyzer: without memory code says so */ ? -a->map[i] : a->map[i];
        all += fabs((double)map[i]);
        here += map[i] > 0 ? (double)map[i] : 0;
    }
    out->share = all > 0 ? here / all : 0;
    if (code == WN_OK) code = wn_strong_mask(map, a->h, a->w, &view, &render, out->pixels, &out->inside, err);
    free(map);
    return code;
}

/* The label that regions of this side get: the class's own, or that of the role. NULL: there is none. */
static const struct wn_label *label_of(const struct wn_labeling *l, const struct side *s)
{
    const struct wn_label_tag *tag = &l->config.regions;
    if (l->by_class) return wn_label_find(tag, l->model, s->class);
    return &tag->labels[!s->annotators && tag->n > 1];
}

/* A side that hardly anything speaks for has a strongest fifth, too: so the words say how much it is. */
static void end_region(struct writing *w, const struct side *s, const char *key, const struct wn_label *label,
                       const struct mask *m)
{
    char text[480];
    const char *word = wn_label_word(label), *words = text;
    if (m->share < 0.01)
        snprintf(text, sizeof text, "%s: less than 1 %% of the evidence", s->words);
    else
        snprintf(text, sizeof text, "%s: %.0f %% of the evidence", s->words, 100 * m->share);
    strings(w->out, key, &word, 1);
    wn_json_close(w->out, '}');
    wn_json_key(w->out, "meta");
    wn_json_open(w->out, '{');
    strings(w->out, "text", &words, 1);
    wn_json_close(w->out, '}');
    wn_json_close(w->out, '}');
}

static enum wn_code write_brush(struct writing *w, const struct side *s, const struct wn_label *label,
                                const struct mask *m, struct wn_error *err)
{
    const struct wn_geometry *g = &w->slot->item->geometry;
    const struct wn_brush brush = {m->pixels, m->w, m->h, g->image_w, g->image_h};
    struct wn_buffer rle = {0};
    enum wn_code code = wn_brush_encode(&brush, &rle, err);
    if (code == WN_OK) {
        begin_result(w, &w->r->labeling->config.regions, "brushlabels", w->p[s->class]);
        write_size(w->out, g);
        wn_json_key(w->out, "value");
        wn_json_open(w->out, '{');
        wn_json_pair(w->out, "format", "rle");
        wn_json_key(w->out, "rle");
        wn_json_open(w->out, '[');
        for (size_t i = 0; i < rle.size; i++) wn_json_int(w->out, rle.data[i]);
        wn_json_close(w->out, ']');
        end_region(w, s, "brushlabels", label, m);
    }
    wn_buffer_finish(&rle);
    return code;
}

/* Points are hundredths of the picture's sides. */
static enum wn_code write_polygons(struct writing *w, const struct side *s, const struct wn_label *label,
                                   const struct mask *m, struct wn_error *err)
{
    struct wn_outline list[WN_MOST_OUTLINES];
    int n;
    enum wn_code code = wn_outlines(m->pixels, m->h, m->w, list, &n, err);
    for (int i = 0; i < n && code == WN_OK; i++) {
        begin_result(w, &w->r->labeling->config.regions, "polygonlabels", w->p[s->class]);
        write_size(w->out, &w->slot->item->geometry);
        wn_json_key(w->out, "value");
        wn_json_open(w->out, '{');
        wn_json_key(w->out, "points");
        wn_json_open(w->out, '[');
        for (int k = 0; k < list[i].n; k++) {
            wn_json_open(w->out, '[');
            wn_json_number(w->out, 100.0 * (double)list[i].points[2 * k] / m->w);
            wn_json_number(w->out, 100.0 * (double)list[i].points[2 * k + 1] / m->h);
            wn_json_close(w->out, ']');
        }
        wn_json_close(w->out, ']');
        wn_json_pair_bool(w->out, "closed", true);
        end_region(w, s, "polygonlabels", label, m);
    }
    wn_outlines_finish(list, n);
    return code;
}

static enum wn_code write_side(struct writing *w, const struct side *s, struct wn_error *err)
{
    const struct wn_labeling *l = w->r->labeling;
    const struct wn_label *label = label_of(l, s);
    struct mask m;
    if (!label) {
        wn_label_note(&w->r->pool, &w->task->notes,
                      "no label of the regions means '%.128s': what speaks for it is not drawn",
                      l->model->labels[s->class]);
        return WN_OK;
    }
    enum wn_code code = draw(w->slot, s->against, l->config.polygons ? POLYGON_SIDE : BRUSH_SIDE, &m, err);
    if (code == WN_OK && !m.inside)
        wn_label_note(&w->r->pool, &w->task->notes, "nothing in the picture %s", s->words);
    else if (code == WN_OK)
        code = (l->config.polygons ? write_polygons : write_brush)(w, s, label, &m, err);
    free(m.pixels);
    return code;
}

/* What the map says: why the prediction; why it and not the runner-up, where the annotation agrees; else either side
 * of the disagreement. */
static enum wn_code write_regions(struct writing *w, struct wn_error *err)
{
    const char *const *labels = w->slot->model->labels, *mine = labels[w->predicted];
    const struct wn_answer *a = &w->slot->item->answers[w->slot->first];
    int label = w->task->label;
    char words[2][420];
    if (!w->r->labeling->config.regions.n) return WN_OK;
    if (label < 0 || label == w->predicted) {
        snprintf(words[0], sizeof words[0], "speaks for %.128s, the prediction%s%.128s", mine,
                 label < 0 ? "" : ", rather than ", label < 0 || a->foil < 0 ? "" : labels[a->foil]);
        return write_side(w, &(struct side){w->predicted, false, false, words[0]}, err);
    }
    snprintf(words[0], sizeof words[0], "speaks for %.128s, the annotation, rather than %.128s, the prediction",
             labels[label], mine);
    snprintf(words[1], sizeof words[1], "speaks for %.128s, the prediction, rather than %.128s, the annotation", mine,
             labels[label]);
    enum wn_code code = write_side(w, &(struct side){label, true, false, words[0]}, err);
    return code == WN_OK ? write_side(w, &(struct side){w->predicted, false, true, words[1]}, err) : code;
}

/* ---- a task ---- */

static void write_choice(struct writing *w)
{
    const struct wn_labeling *l = w->r->labeling;
    if (!l->config.choices.name) return;
    const struct wn_label *label = wn_label_find(&l->config.choices, l->model, w->predicted);
    if (!label) {
        wn_label_note(&w->r->pool, &w->task->notes,
                      "the labeling configuration has no choice '%.128s', which is the prediction",
                      l->model->labels[w->predicted]);
        return;
    }
    const char *word = wn_label_word(label);
    begin_result(w, &l->config.choices, "choices", w->p[w->predicted]);
    wn_json_key(w->out, "value");
    wn_json_open(w->out, '{');
    strings(w->out, "choices", &word, 1);
    wn_json_close(w->out, '}');
    wn_json_close(w->out, '}');
}

static enum wn_code write_task(struct wn_request *r, const struct wn_slot *slot, struct wn_label_task *task,
                               struct wn_error *err)
{
    const struct wn_item *item = slot->item;
    float *p = wn_pool_array(&r->pool, (size_t)slot->model->classes, sizeof *p);
    if (!p) return wn_fail(err, WN_NO_MEMORY, "no memory for the answer");
    wn_softmax(item->logits, slot->model->classes, p);
    struct writing w = {r, &r->reply.body, slot, task, p, wn_argmax(item->logits, slot->model->classes), 0};
    wn_json_open(w.out, '{');
    wn_json_key(w.out, "result");
    wn_json_open(w.out, '[');
    write_choice(&w);
    enum wn_code code = write_regions(&w, err);
    wn_json_close(w.out, ']');
    wn_json_pair_number(w.out, "score", p[w.predicted]);
    wn_json_pair(w.out, "model_version", r->labeling->version);
    strings(w.out, "notes", task->notes.list, task->notes.n);
    wn_json_close(w.out, '}');
    return code;
}

/* In the place of a prediction, in its shape. The version is another one, so that Label Studio asks again about the
 * task. */
static void write_failure(struct wn_request *r, const struct wn_slot *slot, const struct wn_label_task *task)
{
    struct wn_text *out = &r->reply.body;
    char version[sizeof r->labeling->version + 16];
    snprintf(version, sizeof version, "%s failed", r->labeling->version);
    wn_json_open(out, '{');
    strings(out, "result", NULL, 0);
    wn_json_key(out, "score");
    wn_json_null(out);
    wn_json_pair(out, "model_version", version);
    strings(out, "notes", task->notes.list, task->notes.n);
    wn_json_key(out, "problem");
    wn_json_value(out);
    wn_problem_write(&slot->problem, r->id, out);
    wn_json_close(out, '}');
}

void wn_label_answer(struct wn_request *r)
{
    struct wn_text *out = &r->reply.body;
    wn_json_open(out, '{');
    wn_json_key(out, "results");
    wn_json_open(out, '[');
    for (int i = 0; i < r->job->n_slots; i++) {
        struct wn_slot *slot = &r->job->slots[i];
        size_t begin = out->bytes.size;
        struct wn_error err = {0};
        if (slot->problem.error.code == WN_OK && write_task(r, slot, &r->labeling->tasks[i], &err) != WN_OK) {
            out->bytes.size = begin;
            wn_problem_set(&slot->problem, NULL, err.code, "%s", err.text);
        }
        if (slot->problem.error.code != WN_OK) write_failure(r, slot, &r->labeling->tasks[i]);
    }
    wn_json_close(out, ']');
    wn_json_pair(out, "model_version", r->labeling->version);
    wn_json_close(out, '}');
}

int64_t wn_label_cost(const struct wn_request *r)
{
    int side = r->labeling->config.polygons ? POLYGON_SIDE : BRUSH_SIDE;
    int64_t pixels = 0;
    for (int i = 0; i < r->job->n_slots; i++) {
        const struct wn_slot *slot = &r->job->slots[i];
        if (!slot->item || slot->problem.error.code != WN_OK) continue;
        struct wn_view v = small_view(&slot->item->geometry, side);
        pixels += (int64_t)v.w * v.h * (r->labeling->tasks[i].label < 0 ? 1 : 2);
    }
    return pixels * PIXEL_NS;
}
