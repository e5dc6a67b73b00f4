/* The reply to a question: which form the client reads, and what of the job goes into it. Knows no threads. */
#include "answer.h"

#include "draw.h"
#include "questions.h"

#include <math.h>
#include <media/npy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- what the client reads ---- */

/* The quality of one range of an Accept header: "image/png;q=0.5" -> 0.5. */
static double quality(const char *s, size_t n)
{
    for (size_t i = 0; i + 3 < n; i++)
        if (s[i] == ';' && strncasecmp(s + i + 1 + strspn(s + i + 1, " "), "q=", 2) == 0)
            return strtod(s + i + 3 + strspn(s + i + 1, " "), NULL);
    return 1;
}

enum wn_answer_type wn_answer_type(const char *accept)
{
    static const char *const names[] = {"application/json", "image/png", "application/x-npy", "*/*",
                                        "application/*",    "image/*"};
    static const enum wn_answer_type types[] = {WN_ANSWER_JSON, WN_ANSWER_PNG,  WN_ANSWER_NPY,
                                                WN_ANSWER_JSON, WN_ANSWER_JSON, WN_ANSWER_PNG};
    enum wn_answer_type best = WN_ANSWER_JSON;
    double most = 0;
    for (const char *end; accept && *accept; accept = *end ? end + 1 : end) {
        accept += strspn(accept, " \t");
        end = accept + strcspn(accept, ",");
        size_t name = strcspn(accept, ",; \t");
        double q = quality(accept, (size_t)(end - accept));
        for (int i = 0; i < 6; i++)
            if (strlen(names[i]) == name && strncasecmp(accept, names[i], name) == 0 && q > most)
                most = q, best = types[i];
    }
    return best;
}

/* ---- one slot ---- */

/* A slot's answer fails with the first of its questions that has none. */
static void collect_failure(struct wn_slot *slot)
{
    if (slot->problem.error.code == WN_OK && slot->item->problem.error.code != WN_OK) {
        char pointer[96];
        const char *field = slot->item->too_many ? wn_slot_costly_field(slot) : NULL;
        if (field || !slot->picture)
            snprintf(pointer, sizeof pointer, "%s/%s", slot->pointer, field ? field : "image");
        else
            snprintf(pointer, sizeof pointer, "%s", slot->picture);
        wn_problem_set(&slot->problem, pointer, slot->item->problem.error.code, "%s", slot->item->problem.error.text);
    }
    for (int i = slot->first; slot->problem.error.code == WN_OK && i < slot->first + slot->n; i++) {
        const struct wn_error *e = &slot->item->answers[i].error;
        if (e->code != WN_OK) wn_problem_set(&slot->problem, NULL, e->code, "%s", e->text);
    }
}

void wn_answer_slot(struct wn_request *r, struct wn_slot *slot)
{
    struct wn_text *out = &r->reply.body;
    size_t begin = out->bytes.size;
    struct wn_error err = {0};
    if (slot->problem.error.code == WN_OK && wn_answer_write(out, r, slot, &err) != WN_OK) {
        out->bytes.size = begin;
        wn_problem_set(&slot->problem, NULL, err.code, "%s", err.text);
    }
    if (slot->problem.error.code != WN_OK) wn_problem_write(&slot->problem, r->id, out);
}

/* ---- the reply ---- */

static void answer_batch(struct wn_request *r)
{
    struct wn_text *out = &r->reply.body;
    wn_json_open(out, '{');
    wn_json_key(out, "explanations");
    wn_json_open(out, '[');
    for (int i = 0; i < r->job->n_slots; i++) wn_answer_slot(r, &r->job->slots[i]);
    wn_json_close(out, ']');
    wn_json_close(out, '}');
}

static enum wn_code answer_png(struct wn_request *r, struct wn_slot *slot, struct wn_error *err)
{
    struct wn_drawing d;
    struct wn_buffer *out = &r->reply.body.bytes;
    bool overlay = !(slot->ask.outputs & WN_OUT_HEATMAP) && slot->ask.outputs & WN_OUT_OVERLAY;
    r->reply.type = "image/png";
    enum wn_code code = wn_draw_plan(slot, &d, err);
    if (code != WN_OK) return code;
    d = wn_draw_adapt(slot, slot->first, &d);
    return wn_draw(slot, &slot->item->answers[slot->first], &d, overlay ? NULL : out, overlay ? out : NULL, NULL, err);
}

/* One map: (h, w); several: (n, h, w). */
static enum wn_code answer_npy(struct wn_request *r, struct wn_slot *slot, struct wn_error *err)
{
    const struct wn_answer *a = &slot->item->answers[slot->first];
    size_t each = (size_t)a->h * (size_t)a->w;
    for (int i = 1; i < slot->n; i++)
        if (a[i].h != a->h || a[i].w != a->w)
            return wn_fail(err, WN_BAD_REQUEST,
                           "the maps of this question have several sizes and do not go into one array: ask for JSON");
    int shape[3] = {slot->n, a->h, a->w};
    float *all = calloc(each * (size_t)slot->n, sizeof *all);
    if (!all) return wn_fail(err, WN_NO_MEMORY, "no memory for the array");
    for (int i = 0; i < slot->n; i++) memcpy(all + each * (size_t)i, a[i].map, each * sizeof *all);
    r->reply.type = "application/x-npy";
    enum wn_code code =
        wn_npy_write(all, slot->n > 1 ? shape : shape + 1, slot->n > 1 ? 3 : 2, &r->reply.body.bytes, err);
    free(all);
    return code;
}

void wn_answer_timing(struct wn_request *r)
{
    double decode = 0, queue = 0, forward = 0, backward = 0, cam = 0, evidence = 0;
    for (int i = 0; i < r->job->n_items; i++) {
        const struct wn_item *item = &r->job->items[i];
        decode += item->decode_ms;
        queue = item->queue_ms > queue ? item->queue_ms : queue;
        forward += item->forward_ms;
        backward += item->backward_ms;
        cam += item->cam_ms;
        evidence += item->evidence_ms;
    }
    snprintf(r->reply.timing, sizeof r->reply.timing,
             "decode;dur=%.2f, queue;dur=%.2f, forward;dur=%.2f, backward;dur=%.2f, cam;dur=%.2f, evidence;dur=%.2f, "
             "total;dur=%.2f",
             decode, queue, forward, backward, cam, evidence, (double)(wn_now_ns() - r->begin_ns) * 1e-6);
}

static void answer_one(struct wn_request *r, enum wn_answer_type type)
{
    struct wn_slot *slot = &r->job->slots[0];
    struct wn_error err = {0};
    enum wn_code code = WN_OK;
    if (slot->problem.error.code == WN_OK) {
        if (type == WN_ANSWER_JSON) code = wn_answer_write(&r->reply.body, r, slot, &err);
        if (type == WN_ANSWER_PNG) code = answer_png(r, slot, &err);
        if (type == WN_ANSWER_NPY) code = answer_npy(r, slot, &err);
        if (code != WN_OK) wn_problem_set(&slot->problem, NULL, code, "%s", err.text);
    }
    if (slot->problem.error.code != WN_OK) r->problem = slot->problem;
}

/* With maps the engine has seen to this. */
static void check_logits(struct wn_slot *slot)
{
    for (int i = 0; i < slot->model->classes && slot->problem.error.code == WN_OK; i++)
        if (!isfinite(slot->item->logits[i]))
            wn_problem_set(&slot->problem, NULL, WN_BAD_NUMBERS, "the network's logits are not finite");
}

void wn_answer_collect(struct wn_request *r)
{
    for (int i = 0; i < r->job->n_slots; i++) {
        struct wn_slot *slot = &r->job->slots[i];
        if (slot->item) collect_failure(slot);
        if (slot->item && !slot->n) check_logits(slot);
        if (slot->model) r->model_name = slot->model->name;
    }
}

/* A pixel of a heatmap, of an overlay, a number in JSON; ns, and generously: what is cheaper in one form is not told
 * apart. */
enum { HEATMAP_NS = 10, OVERLAY_NS = 60, NUMBER_NS = 300 };

static double cost_of_slot(const struct wn_slot *slot)
{
    const struct wn_geometry *g = &slot->item->geometry;
    bool own = slot->ask.size == WN_SIZE_IMAGE;
    double pixels = (double)(own ? g->image_w : g->crop_w) * (own ? g->image_h : g->crop_h), cells = 0;
    for (int i = 0; i < slot->n; i++)
        cells += (double)slot->item->answers[slot->first + i].h * slot->item->answers[slot->first + i].w;
    double map = slot->ask.outputs & WN_OUT_OVERLAY ? OVERLAY_NS + HEATMAP_NS
                 : slot->ask.outputs & WN_OUT_DRAWN ? HEATMAP_NS
                                                    : 0;
    return slot->n * pixels * map + (slot->ask.outputs & ~(unsigned)WN_OUT_DRAWN ? cells * NUMBER_NS : 0);
}

int64_t wn_answer_cost(const struct wn_request *r)
{
    double ns = 0;
    for (int i = 0; i < r->job->n_slots; i++) {
        const struct wn_slot *slot = &r->job->slots[i];
        if (slot->item && slot->problem.error.code == WN_OK) ns += cost_of_slot(slot);
    }
    return (int64_t)ns;
}

void wn_answer(struct wn_request *r)
{
    if (r->job->is_batch)
        answer_batch(r);
    else
        answer_one(r, wn_answer_type(wn_request_header(r, "Accept")));
}
