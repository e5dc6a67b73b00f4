/* From bytes of pictures to numbers for the network; knows no HTTP and no engine. */
#include "prepare.h"

#include "files.h"
#include "metrics.h"
#include "questions.h"

#include <math.h>
#include <media/base64.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_good(const struct wn_slot *slot)
{
    return slot->problem.error.code == WN_OK;
}

/* ---- items ---- */

static int number_of(const struct wn_method *method)
{
    int i = 0;
    while (wn_method_at(i) != method) i++;
    return i;
}

static struct wn_item *item_of(struct wn_job *job, struct wn_slot *slot)
{
    bool stacked = wn_slot_is_stacked(slot);
    int method = number_of(slot->ask.method);
    for (int i = 0; i < job->n_items; i++)
        if (job->items[i].source == slot->ask.image && job->items[i].model == slot->model &&
            job->items[i].stacked == stacked &&
            (!stacked || (job->items[i].key.layer == slot->layer && job->items[i].key.method == method)))
            return &job->items[i];
    struct wn_item *item = &job->items[job->n_items++];
    item->job = job;
    item->source = slot->ask.image;
    item->model = slot->model;
    item->stacked = stacked;
    item->key = (struct wn_kept_key){.model = slot->model->serial, .layer = slot->layer, .method = method};
    return item;
}

static enum wn_code make_arrays(struct wn_item *item, int most_questions, struct wn_problem *p)
{
    size_t n = (size_t)item->most_questions;
    struct wn_pool *pool = &item->job->pool;
    item->too_many = item->most_questions + item->most_passes > most_questions;
    if (item->too_many)
        return wn_problem_set(
            p, NULL, WN_BAD_REQUEST,
            "%d maps and passes with masked pictures are asked for about one picture and %d are allowed",
            item->most_questions + item->most_passes, most_questions);
    item->questions = wn_pool_array(pool, n, sizeof *item->questions);
    item->answers = wn_pool_array(pool, n, sizeof *item->answers);
    item->kinds = wn_pool_array(pool, n, sizeof *item->kinds);
    item->logits = wn_pool_array(pool, (size_t)item->model->classes, sizeof *item->logits);
    if (item->questions && item->answers && item->kinds && item->logits) return WN_OK;
    return wn_problem_set(p, NULL, WN_NO_MEMORY, "no memory for the questions");
}

/* What the slot's maps cost, in questions of one run: maps of one run share a forward pass, runs of other methods share
 * nothing. The maps of every class are taken for one. */
static int64_t work_of(const struct wn_slot *slot)
{
    const struct wn_question q = {.method = slot->ask.method,
                                  .contrast = slot->contrast,
                                  .n_layers = slot->n_layers,
                                  .settings = slot->ask.settings};
    const int64_t one = wn_question_passes(&q), maps = wn_slot_most(slot);
    const bool shares = !slot->ask.method->run && slot->n_layers < 2;
    int64_t passes = slot->item->stacked ? one : shares ? 1 + maps * (one - 1) : maps * one;
    if (slot->masking) passes += 2 * maps;
    return (passes + 1) / 2;
}

static enum wn_code make_items(const struct wn_server *s, struct wn_job *job, struct wn_problem *p)
{
    job->items = wn_pool_array(&job->pool, (size_t)job->n_slots, sizeof *job->items);
    if (!job->items) return wn_problem_set(p, NULL, WN_NO_MEMORY, "no memory for the request");
    for (int i = 0; i < job->n_slots; i++) {
        struct wn_slot *slot = &job->slots[i];
        if (!is_good(slot)) continue;
        slot->item = item_of(job, slot);
        slot->item->most_questions += wn_slot_most(slot);
        slot->item->needs_logits |= wn_slot_needs_logits(slot) || slot->item->stacked;
        if (slot->ask.evidence == WN_EVIDENCE_MASK) {
            slot->item->needs_input = true;
            slot->item->most_passes += 2 * wn_slot_most(slot);
            slot->masking = wn_pool_array(&job->pool, (size_t)wn_slot_most(slot), sizeof *slot->masking);
            if (!slot->masking) return wn_problem_set(p, NULL, WN_NO_MEMORY, "no memory for the request");
        }
        slot->item->heavy |= (wn_method_flags(slot->ask.method, &slot->ask.settings) & WN_METHOD_INPUT) ||
                             slot->ask.method->run || slot->item->stacked || slot->item->most_passes;
        slot->item->work += work_of(slot);
        slot->item->keep_pixels |= (slot->ask.outputs & WN_OUT_OVERLAY) != 0;
    }
    for (int i = 0; i < job->n_items; i++)
        make_arrays(&job->items[i], (int)s->config.max_questions, &job->items[i].problem);
    return WN_OK;
}

/* ---- pictures ---- */

/* Eight bytes a step. Equal numbers prove nothing: whoever shares work by them compares the pictures as well. */
static uint64_t sum_of(const void *data, size_t size)
{
    const uint64_t odd = 0x9e3779b97f4a7c15u;
    const unsigned char *bytes = data;
    uint64_t sum = size * odd;
    for (; size >= 8; size -= 8, bytes += 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        sum = (sum ^ word) * odd;
        sum ^= sum >> 29;
    }
    for (; size; size--) sum = (sum ^ *bytes++) * odd;
    return sum ^ sum >> 32;
}

static int hint_of(const struct wn_item *item)
{
    return item->keep_pixels ? 0 : wn_preprocess_hint(&item->model->manifest.preprocess);
}

/* The maps of every class may be there already. A JPEG that is decoded at another size is another picture. */
static void look_up(struct wn_item *item, const void *data, size_t size)
{
    char hex[65];
    bool scales = size && *(const unsigned char *)data == 0xff;
    wn_sha256_hex(data, size, hex);
    snprintf(item->key.picture, sizeof item->key.picture, "%s/%s%d", hex, item->source->tensor ? "numbers" : "",
             scales ? hint_of(item) : 0);
    item->kept = wn_kept_find(item->kept_list, &item->key);
    wn_metric_add(WN_METRIC_KEPT, item->kept ? WN_KEPT_HIT : WN_KEPT_MISS, 0, 1);
    if (item->kept) item->geometry = item->kept->geometry;
}

/* What wn_read_beneath says of models holds for pictures: the client named a file that it may not have. */
static enum wn_code read_file(const struct wn_server *s, const struct wn_slice *source, struct wn_buffer *out,
                              struct wn_error *err)
{
    struct wn_error why = {0};
    if (s->pictures < 0)
        return wn_fail(err, WN_BAD_REQUEST, "there is no folder of pictures here: --labeling-folder names one");
    enum wn_code code = wn_read_beneath(s->pictures, source->data, (size_t)s->config.max_body_bytes, out, NULL, &why);
    return code == WN_OK ? code : wn_fail(err, code == WN_BAD_MODEL ? WN_BAD_REQUEST : code, "%s", why.text);
}

static enum wn_code decode(const struct wn_server *s, struct wn_item *item, struct wn_error *err)
{
    struct wn_image_limits limits = wn_config_image_limits(&s->config);
    struct wn_buffer bytes = {0};
    const void *data = item->source->data;
    size_t size = item->source->size;
    enum wn_code code = WN_OK;
    if (item->source->base64 || item->source->path) {
        code = item->source->path ? read_file(s, item->source, &bytes, err) : wn_base64_decode(data, size, &bytes, err);
        data = bytes.data;
        size = bytes.size;
    }
    item->picture = sum_of(data, size);
    if (code == WN_OK && item->stacked) look_up(item, data, size);
    bool wanted = !item->kept || item->keep_pixels || item->needs_input;
    const struct wn_image_use all = {0}, use = wn_preprocess_use(&item->model->manifest.preprocess);
    if (code == WN_OK && wanted)
        code = wn_image_decode_for(item->keep_pixels ? &all : &use, data, size, &limits, &item->image, err);
    wn_buffer_finish(&bytes);
    return code;
}

/* Whether the engine's device makes the network's input: where nobody else looks at its numbers, and the picture is
 * not too large for it. */
static bool leave_to_device(struct wn_item *item)
{
    if (!item->model->prepares || item->heavy || item->stacked || item->needs_input) return false;
    item->order = wn_preprocess_picture_of(&item->model->manifest.preprocess, &item->image, &item->geometry);
    if (wn_picture_bytes(&item->order) > item->model->prepares) item->order = (struct wn_picture){0};
    return item->order.rgb != NULL;
}

static enum wn_code preprocess(struct wn_item *item, struct wn_error *err)
{
    const struct wn_preprocess *p = &item->model->manifest.preprocess;
    const struct wn_graph *g = item->model->graph;
    int w = (int)wn_graph_width(g), h = (int)wn_graph_height(g);
    enum wn_code code =
        wn_preprocess_geometry(p, item->image.full_width, item->image.full_height, &item->geometry, err);
    if (code != WN_OK) return code;
    if (item->geometry.crop_w != w || item->geometry.crop_h != h)
        return wn_fail(err, WN_BAD_REQUEST, "the model %s takes pictures of %d x %d pixels and this one makes %d x %d",
                       item->model->name, w, h, item->geometry.crop_w, item->geometry.crop_h);
    const bool device = wn_preprocess_channels(p) == wn_graph_channels(g) && leave_to_device(item);
    wn_metric_add(WN_METRIC_PREPARED, device ? WN_PREPARED_DEVICE : WN_PREPARED_HOST, 0, 1);
    if (device) return WN_OK;
    item->input = malloc((size_t)wn_preprocess_channels(p) * (size_t)w * (size_t)h * sizeof *item->input);
    if (!item->input) return wn_fail(err, WN_NO_MEMORY, "no memory for the picture");
    return wn_preprocess_apply(p, &item->image, &item->geometry, item->input, err);
}

/* Numbers that are what the network reads: no picture, and no geometry but their own. */
static enum wn_code take_tensor(struct wn_item *item, struct wn_error *err)
{
    const struct wn_graph *g = item->model->graph;
    int w = (int)wn_graph_width(g), h = (int)wn_graph_height(g);
    size_t size = (size_t)wn_graph_channels(g) * (size_t)w * (size_t)h * sizeof *item->input;
    if (item->keep_pixels)
        return wn_fail(err, WN_BAD_REQUEST, "there is no picture to draw an overlay on: outputs=heatmap or raw");
    if (item->source->size != size)
        return wn_fail(err, WN_BAD_REQUEST, "an image of the model %s is %lld x %d x %d numbers", item->model->name,
                       (long long)wn_graph_channels(g), h, w);
    item->input = malloc(size);
    if (!item->input) return wn_fail(err, WN_NO_MEMORY, "no memory for the picture");
    memcpy(item->input, item->source->data, size);
    if (item->stacked) look_up(item, item->input, size);
    for (size_t i = 0; i < size / sizeof *item->input; i++)
        if (!isfinite(item->input[i])) return wn_fail(err, WN_BAD_REQUEST, "number %zu of the tensor is not finite", i);
    item->geometry =
        (struct wn_geometry){.image_w = w, .image_h = h, .resized_w = w, .resized_h = h, .crop_w = w, .crop_h = h};
    return WN_OK;
}

static void read_picture(const struct wn_server *s, struct wn_item *item)
{
    int64_t begin = wn_now_ns();
    struct wn_error err = {0};
    item->kept_list = s->kept;
    enum wn_code code = item->source->tensor ? take_tensor(item, &err) : decode(s, item, &err);
    if (code == WN_OK && !item->source->tensor && (!item->kept || item->needs_input)) code = preprocess(item, &err);
    if (code != WN_OK) wn_problem_set(&item->problem, NULL, code, "%s", err.text);
    if (code != WN_OK || (!item->keep_pixels && !item->order.rgb)) wn_image_finish(&item->image);
    item->decode_ms = (double)(wn_now_ns() - begin) * 1e-6;
    wn_metric_observe(WN_METRIC_STAGE, WN_TIME_DECODE, 0, item->decode_ms * 1e-3);
}

/* Pixels that stay in memory for overlays, over all pictures of the job. */
static enum wn_code check_kept(const struct wn_server *s, const struct wn_job *job, struct wn_problem *p)
{
    int64_t kept = 0;
    for (int i = 0; i < job->n_items; i++)
        if (job->items[i].keep_pixels) kept += (int64_t)job->items[i].image.width * job->items[i].image.height;
    if (kept <= s->config.max_pixels) return WN_OK;
    return wn_problem_set(p, NULL, WN_TOO_LARGE,
                          "the pictures of this request are too large together to draw overlays on them");
}

/* Pixels that will be drawn, over all maps of the job: an answer must not cost more than four of the largest pictures.
 */
static enum wn_code check_drawn(const struct wn_server *s, const struct wn_job *job, struct wn_problem *p)
{
    double drawn = 0;
    for (int i = 0; i < job->n_slots; i++) {
        const struct wn_slot *slot = &job->slots[i];
        if (!is_good(slot) || !(slot->ask.outputs & WN_OUT_DRAWN)) continue;
        const struct wn_geometry *g = &slot->item->geometry;
        bool own = slot->ask.size == WN_SIZE_IMAGE;
        drawn += (double)wn_slot_most(slot) * (own ? g->image_w : g->crop_w) * (own ? g->image_h : g->crop_h);
    }
    if (drawn <= 4.0 * (double)s->config.max_pixels) return WN_OK;
    return wn_problem_set(
        p, NULL, WN_TOO_LARGE,
        "the heatmaps of this request are too large together; size=input or outputs=raw asks for less");
}

enum { LOOK = 3 * 21846 }; /* bytes of a picture: a camera's own notes fit in front of its size */

static int64_t cost_of_file(const struct wn_server *s, const char *path, const struct wn_image_limits *limits)
{
    size_t whole;
    unsigned char *start = malloc(LOOK);
    size_t size = start ? wn_peek_beneath(s->pictures, path, start, LOOK, &whole) : 0;
    int64_t cost = size ? wn_image_cost_ns(start, size, whole, limits) : 0; /* else it is refused */
    free(start);
    return cost;
}

static int64_t cost_of(const struct wn_server *s, const struct wn_slice *source, const struct wn_image_limits *limits)
{
    struct wn_buffer start = {0};
    size_t look = source->size < LOOK / 3 * 4 ? source->size : LOOK / 3 * 4;
    if (source->tensor) return 0;
    if (source->path) return cost_of_file(s, source->data, limits);
    if (!source->base64) return wn_image_cost_ns(source->data, source->size, source->size, limits);
    bool good = wn_base64_decode(source->data, look, &start, NULL) == WN_OK;
    /* else it is refused */
    int64_t cost = good ? wn_image_cost_ns(start.data, start.size, source->size / 4 * 3, limits) : 0;
    wn_buffer_finish(&start);
    return cost;
}

int64_t wn_prepare_cost_ns(const struct wn_server *s, const struct wn_job *job)
{
    const struct wn_image_limits limits = wn_config_image_limits(&s->config);
    int64_t cost = 0;
    for (int i = 0; i < job->n_slots; i++)
        if (is_good(&job->slots[i]) && job->slots[i].ask.image) cost += cost_of(s, job->slots[i].ask.image, &limits);
    return cost;
}

/* A picture may have waited for its turn to be decoded. */
static enum wn_code check_wanted(struct wn_server *s, const struct wn_job *job, struct wn_problem *p)
{
    if (atomic_load(&job->abandoned))
        return wn_problem_set(p, NULL, WN_TIMEOUT, "the client closed the connection before its picture was read");
    if (wn_queue_is_closed(&s->queue))
        return wn_problem_set(p, NULL, WN_NOT_READY, "the server stopped before the picture was read");
    if (wn_now_ns() < job->deadline_ns) return WN_OK;
    wn_metric_add(WN_METRIC_REJECTED, WN_REJECT_DEADLINE, 0, 1);
    return wn_problem_set(p, NULL, WN_DEADLINE, "the deadline passed before the picture was read");
}

enum wn_code wn_prepare(struct wn_server *s, struct wn_job *job, struct wn_problem *problem)
{
    int good = 0;
    enum wn_code code = make_items(s, job, problem);
    for (int i = 0; i < job->n_items && code == WN_OK; i++) {
        struct wn_item *item = &job->items[i];
        if ((code = check_wanted(s, job, problem)) != WN_OK) break;
        if (item->problem.error.code == WN_OK) read_picture(s, item);
        if (item->problem.error.code == WN_OK && !item->needs_logits) wn_item_plan(item, NULL);
        good += item->problem.error.code == WN_OK;
        if (item->keep_pixels) code = check_kept(s, job, problem);
    }
    if (code == WN_OK) code = check_drawn(s, job, problem);
    return code != WN_OK ? code : good ? WN_OK : WN_NOT_FOUND;
}
