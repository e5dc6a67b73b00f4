/* One call of an engine: a batch's images in chunks, the questions about them gathered to plans; forward, seed,
 * backward, map. Knows no HTTP and no device. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "baseline.h"
#include "engine.h"
#include "question.h"
#include "twofold.h"

/* The part of a call that one run of the forward pass serves: images [begin, begin + n). */
struct chunk {
    struct wn_engine *e;
    const struct wn_batch *batch;
    struct wn_answer *answers;
    /* n*K of this chunk, the caller's; what a stage is seeded from is what its own plan computed, in e->logits */
    float *logits;
    int begin, n;
    float *scratch;   /* K */
    bool have_logits; /* the caller's */
    bool unread;      /* the plan's forward pass is under way, and e->logits are not yet its own */
    void (*settle)(void *context, int image, const float *logits);
    void *context;
    struct wn_engine_times times;
};

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

int wn_engine_layer(const struct wn_engine *e, const struct wn_question *q)
{
    if (wn_method_flags(q->method, &q->settings) & WN_METHOD_INPUT) return WN_LAYER_INPUT;
    return q->layer == WN_LAYER_AUTO ? e->graph->auto_layer : q->layer;
}

enum wn_code wn_engine_check_layer(const struct wn_engine *e, int layer, struct wn_error *err)
{
    if (layer == WN_LAYER_AUTO && e->graph->auto_layer < 0)
        return wn_fail(err, WN_NO_SUCH_LAYER, "this network has no layer that 'auto' could mean: name one");
    if (layer == WN_LAYER_AUTO || (layer >= 0 && layer < e->graph->n_layers)) return WN_OK;
    return wn_fail(err, WN_NO_SUCH_LAYER, "there is no layer %d", layer);
}

/* Questions that one plan answers. */
struct place {
    struct wn_plan_key key; /* but for images, rows and their order */
    int baseline;           /* with a reference */
};

static struct place place_of(const struct wn_engine *e, const struct wn_question *q)
{
    struct place at = {.key = wn_engine_key(q->method, &q->settings, wn_engine_layer(e, q))};
    if (wn_plan_has_reference(&at.key)) at.baseline = (int)wn_setting(&q->settings, WN_SETTING_BASELINE);
    return at;
}

static bool same_place(struct place a, struct place b)
{
    return wn_plan_same_key(&a.key, &b.key) && a.baseline == b.baseline;
}

static bool is_here(const struct chunk *c, int question)
{
    int image = c->batch->questions[question].image;
    return image >= c->begin && image < c->begin + c->n && c->answers[question].error.code == WN_OK;
}

/* Questions that no single run answers. */
static bool stands_alone(const struct wn_question *q)
{
    return q->method->run || q->n_layers > 1;
}

static bool asks_here(const struct chunk *c, int question)
{
    return is_here(c, question) && !stands_alone(&c->batch->questions[question]);
}

/* Whether the questions of that place are one about each image, in their order. */
static bool asked_in_order(const struct chunk *c, struct place at)
{
    int next = c->begin;
    for (int i = 0; i < c->batch->n_questions; i++) {
        const struct wn_question *q = &c->batch->questions[i];
        if (asks_here(c, i) && same_place(place_of(c->e, q), at) && q->image != next++) return false;
    }
    return true;
}

/* Images of this chunk, as many as the plan takes, and behind them their baselines. Places past the end repeat the
 * last image: any numbers will do there, as long as they are finite. */
static enum wn_code stage_images(struct chunk *c, const struct wn_plan *plan, struct place at, struct wn_error *err)
{
    struct wn_engine *e = c->e;
    size_t pixels = wn_engine_pixels(e), n = (size_t)plan->key.images;
    enum wn_code code = wn_engine_room(e, err);
    for (size_t i = 0; i < n && code == WN_OK; i++) {
        const float *image = c->batch->images[c->begin + ((int)i < c->n ? (int)i : c->n - 1)];
        memcpy(e->images + i * pixels, image, pixels * sizeof *image);
        if (wn_plan_has_reference(&at.key))
            code = wn_baseline(e, (enum wn_baseline)at.baseline, image, e->images + (n + i) * pixels, err);
    }
    return code;
}

static bool any_picture(const struct chunk *c)
{
    for (int i = 0; i < c->n; i++)
        if (!c->batch->images[c->begin + i]) return true;
    return false;
}

/* By the backend, from numbers and decoded pictures as they come. Baselines are made for images with numbers: nobody
 * asks for others'. */
static enum wn_code prepare_images(struct chunk *c, const struct wn_plan *plan, struct place at, struct wn_error *err)
{
    struct wn_engine *e = c->e;
    const size_t pixels = wn_engine_pixels(e), n = (size_t)plan->key.images;
    const bool reference = wn_plan_has_reference(&at.key);
    enum wn_code code = reference ? wn_engine_room(e, err) : WN_OK;
    memset(e->sources, 0, 2 * n * sizeof *e->sources);
    memset(e->pictures, 0, 2 * n * sizeof *e->pictures);
    for (int i = 0; i < c->n && code == WN_OK; i++) {
        const float *image = e->sources[i] = c->batch->images[c->begin + i];
        if (!image) e->pictures[i] = c->batch->pictures[c->begin + i];
        if (!image || !reference) continue;
        e->sources[n + (size_t)i] = e->images + (n + (size_t)i) * pixels;
        code = wn_baseline(e, (enum wn_baseline)at.baseline, image, e->images + (n + (size_t)i) * pixels, err);
    }
    if (code != WN_OK) return code;
    return e->backend->impl->prepare(plan->exe, plan->input, e->sources, e->pictures, reference ? 2 * (int)n : c->n,
                                     err);
}

static enum wn_code write_images(struct chunk *c, struct wn_plan *plan, struct place at, struct wn_error *err)
{
    const float *src = c->batch->images[c->begin];
    if (c->e->resident && plan->sent) return WN_OK;
    plan->sent = true;
    if (any_picture(c)) return prepare_images(c, plan, at, err);
    if (plan->key.images > 1 || wn_plan_has_reference(&plan->key)) {
        enum wn_code code = stage_images(c, plan, at, err);
        if (code != WN_OK) return code;
        src = c->e->images;
    }
    return c->e->backend->impl->write(plan->exe, plan->input, src, err);
}

static enum wn_code take_logits(struct chunk *c, const struct wn_plan *plan, struct wn_error *err)
{
    struct wn_engine *e = c->e;
    double start = now_ms();
    if (!c->unread) return WN_OK;
    enum wn_code code = e->backend->impl->read(plan->exe, plan->logits, e->logits, err);
    c->unread = false;
    c->times.forward_ms += now_ms() - start;
    if (code == WN_OK && !c->have_logits) {
        memcpy(c->logits, e->logits, (size_t)c->n * (size_t)e->graph->classes * sizeof *e->logits);
        c->have_logits = true;
        for (int i = 0; i < c->n && c->settle; i++)
            c->settle(c->context, c->begin + i, c->logits + (size_t)i * (size_t)e->graph->classes);
    }
    return code;
}

/* Where questions wait for the logits, they are read before anybody looks at a question; else when somebody needs
 * them. */
static enum wn_code forward(struct chunk *c, struct wn_plan *plan, struct place at, struct wn_error *err)
{
    struct wn_engine *e = c->e;
    const struct wn_backend_impl *impl = e->backend->impl;
    double start = now_ms();
    enum wn_code code = write_images(c, plan, at, err);
    if (code == WN_OK) code = impl->run(plan->exe, 0, err);
    c->unread = code == WN_OK;
    c->times.forward_ms += now_ms() - start;
    return code == WN_OK && c->settle && !c->have_logits ? take_logits(c, plan, err) : code;
}

/* The seed of one question, by the logits of its image. */
static enum wn_code make_seed(struct chunk *c, const struct wn_question *q, struct wn_answer *a, float *seed)
{
    int k = c->e->graph->classes;
    return wn_question_seed(q, c->e->logits + (size_t)(q->image - c->begin) * (size_t)k, k, seed, a);
}

/* Takes one row's map into its answer. */
static void take_map(struct chunk *c, const struct wn_plan *plan, int method, const float *map, const float *seed,
                     const struct wn_question *q, struct wn_answer *a)
{
    const struct wn_plan_method *m = &plan->method[method];
    int k = c->e->graph->classes;
    if (wn_plan_has_reference(&plan->key)) {
        const float *y = c->e->logits + (size_t)(q->image - c->begin) * (size_t)k,
                    *y0 = y + (size_t)plan->key.images * (size_t)k;
        a->completeness.scalar = "v.y";
        for (int i = 0; i < k; i++) a->completeness.expected += (double)seed[i] * ((double)y[i] - y0[i]);
        for (int64_t i = 0; i < m->h * m->w; i++) a->completeness.sum += map[i];
        a->completeness.known = isfinite(a->completeness.sum) && isfinite(a->completeness.expected);
    }
    wn_answer_take(a, map, plan->key.layer, (int)m->h, (int)m->w,
                   c->e->logits + (size_t)(q->image - c->begin) * (size_t)k, k);
}

/* The seeds of the questions listed, one a row; those that have none are told so, and left out where the others may
 * move up. Returns how many stay. */
static int make_seeds(struct chunk *c, int *question, int n, bool move_up)
{
    const size_t k = (size_t)c->e->graph->classes;
    int kept = 0;
    for (int i = 0; i < n; i++) {
        const bool made = make_seed(c, &c->batch->questions[question[i]], &c->answers[question[i]],
                                    c->e->seeds + (size_t)kept * k) == WN_OK;
        if (made || !move_up) question[kept++] = question[i];
    }
    return kept;
}

/* By the device, from the logits that lie there, so that it need not wait for us. False: not by the device. */
static bool seed_there(struct chunk *c, const struct wn_plan *plan, const int *question, int n, enum wn_code *code,
                       struct wn_error *err)
{
    struct wn_engine *e = c->e;
    const struct wn_backend_impl *impl = e->backend->impl;
    struct wn_error why = {0};
    for (int i = 0; i < n; i++) {
        const struct wn_question *q = &c->batch->questions[question[i]];
        if (!impl->seed || !wn_question_row(q, e->graph->classes, &e->seed_rows[i])) return false;
        e->seed_rows[i].image = q->image - c->begin;
    }
    *code = impl->seed(plan->exe, plan->logits, plan->seed, e->seed_rows, n, &why);
    if (*code == WN_UNSUPPORTED) return *code = WN_OK, false;
    if (*code != WN_OK) wn_fail(err, *code, "%s", why.text);
    return true;
}

/* Which image each row is about. */
static enum wn_code write_rows(struct chunk *c, const struct wn_plan *plan, const int *question, int n,
                               struct wn_error *err)
{
    struct wn_engine *e = c->e;
    const struct wn_backend_impl *impl = e->backend->impl;
    enum wn_code code = WN_OK;
    for (int i = 0; i < plan->key.rows; i++)
        e->rows[i] = (float)(i < n ? c->batch->questions[question[i]].image - c->begin : 0);
    if (plan->row != WN_NONE) code = impl->write(plan->exe, plan->row, e->rows, err);
    if (code != WN_OK || !wn_plan_has_reference(&plan->key)) return code;
    for (int i = 0; i < plan->key.rows; i++) e->rows[i] += (float)plan->key.images;
    return impl->write(plan->exe, plan->reference_row, e->rows, err);
}

static void take_rows(struct chunk *c, const struct wn_plan *plan, int method, const int *question, int n,
                      enum wn_code code, const struct wn_error *err)
{
    const struct wn_plan_method *m = &plan->method[method];
    for (int i = 0; i < n; i++) {
        struct wn_answer *a = &c->answers[question[i]];
        if (code != WN_OK)
            wn_fail(&a->error, code, "%s", err ? err->text : "the backend failed");
        else if (a->error.code == WN_OK)
            take_map(c, plan, method, c->e->maps + (size_t)(i * m->h * m->w),
                     c->e->seeds + (size_t)i * (size_t)c->e->graph->classes, &c->batch->questions[question[i]], a);
    }
}

/* Runs one method's stage for the n questions listed. Where the device makes the seeds, it is behind that stage
 * already when the logits are read, and the same seeds are made here for what the answers say beside their maps. */
static enum wn_code run_rows(struct chunk *c, struct wn_plan *plan, int method, int *question, int n,
                             struct wn_error *err)
{
    struct wn_engine *e = c->e;
    const struct wn_backend_impl *impl = e->backend->impl;
    enum wn_code code = WN_OK;
    const bool there = seed_there(c, plan, question, n, &code, err);
    if (!there) {
        if ((code = take_logits(c, plan, err)) != WN_OK) return code;
        n = make_seeds(c, question, n, !plan->key.in_order || plan->key.rows == 1);
        if (!n) return WN_OK;
        code = impl->write(plan->exe, plan->seed, e->seeds, err);
    }
    if (code == WN_OK) code = write_rows(c, plan, question, n, err);
    if (code == WN_OK) code = impl->run(plan->exe, plan->method[method].stage, err);
    if (code == WN_OK) code = take_logits(c, plan, err);
    if (code == WN_OK && there) make_seeds(c, question, n, false);
    if (code == WN_OK) code = impl->read(plan->exe, plan->method[method].map, e->maps, err);
    take_rows(c, plan, method, question, n, code, err);
    return code;
}

/* Gathers this chunk's questions of one layer and one method into rows, and runs them as they fill up. */
static enum wn_code answer_method(struct chunk *c, struct wn_plan *plan, struct place here, int method,
                                  struct wn_error *err)
{
    struct wn_engine *e = c->e;
    int n = 0, question[256];
    int most = plan->key.rows < 256 ? (int)plan->key.rows : 256;
    enum wn_code code = WN_OK;
    memset(e->seeds, 0, (size_t)e->max_rows * (size_t)e->graph->classes * sizeof *e->seeds);
    for (int i = 0; i < c->batch->n_questions && code == WN_OK; i++) {
        const struct wn_question *q = &c->batch->questions[i];
        if (!asks_here(c, i) || !same_place(place_of(e, q), here) || wn_plan_method(q->method) != method) continue;
        const struct wn_error *why = &plan->method[method].error;
        if (why->code != WN_OK) {
            wn_fail(&c->answers[i].error, why->code, "method '%s': %s", q->method->name, why->text);
            continue;
        }
        if (plan->key.in_order && q->image - c->begin != n)
            return wn_fail(err, WN_INTERNAL, "a question is not about the image of its row");
        question[n++] = i;
        if (n < most) continue;
        code = run_rows(c, plan, method, question, n, err);
        n = 0;
    }
    return n && code == WN_OK ? run_rows(c, plan, method, question, n, err) : code;
}

static void fail_place(struct chunk *c, struct place at, const struct wn_error *why)
{
    for (int i = 0; i < c->batch->n_questions; i++)
        if (asks_here(c, i) && same_place(place_of(c->e, &c->batch->questions[i]), at) && !c->answers[i].map)
            wn_fail(&c->answers[i].error, why->code, "%s", why->text);
}

/* Forward once for this place's plan, then every method that is asked of it. */
static enum wn_code answer_place(struct chunk *c, struct place at, int n_questions, struct wn_error *err)
{
    struct wn_engine *e = c->e;
    struct wn_plan *plan;
    struct wn_plan_key key = at.key;
    key.images = wn_engine_bucket(c->n, e->max_images);
    key.rows = wn_engine_rows(n_questions, key.images, e->max_rows);
    key.in_order = wn_plan_wants_order(&key) && (key.rows == 1 || asked_in_order(c, at));
    enum wn_code code = wn_engine_plan(e, &key, &plan, err);
    if (code == WN_OK) code = forward(c, plan, at, err);
    double start = now_ms() - c->times.forward_ms; /* the wait for the logits is the forward pass's */
    for (int m = 0; m < WN_MAX_METHODS && wn_method_at(m) && code == WN_OK; m++)
        code = answer_method(c, plan, at, m, err);
    if (code == WN_OK) code = take_logits(c, plan, err);
    c->times.backward_ms += now_ms() - c->times.forward_ms - start;
    return code;
}

static int questions_of(const struct chunk *c, struct place at)
{
    int n = 0;
    for (int i = 0; i < c->batch->n_questions; i++)
        n += asks_here(c, i) && same_place(place_of(c->e, &c->batch->questions[i]), at);
    return n;
}

static bool any_alone(const struct chunk *c)
{
    for (int i = 0; i < c->batch->n_questions; i++)
        if (is_here(c, i) && stands_alone(&c->batch->questions[i])) return true;
    return false;
}

/* Each by itself. Where the chunk is one image, its logits are known then too; a question that waits for them to be
 * settled has them first. */
static enum wn_code answer_alone(struct chunk *c, struct wn_error *err)
{
    size_t k = (size_t)c->e->graph->classes;
    if (!any_alone(c)) return WN_OK;
    if (c->settle && !c->have_logits) {
        enum wn_code code =
            answer_place(c, (struct place){.key = {.layer = wn_engine_default_layer(c->e->graph)}}, 1, err);
        if (code != WN_OK) return code;
    }
    double start = now_ms();
    for (int i = 0; i < c->batch->n_questions; i++) {
        if (!is_here(c, i) || !stands_alone(&c->batch->questions[i])) continue;
        bool fused = c->batch->questions[i].n_layers > 1;
        (fused ? wn_engine_fuse : wn_engine_run)(c->e, c->batch, i, c->scratch, &c->answers[i]);
        if (c->n != 1 || c->have_logits || c->answers[i].error.code != WN_OK) continue;
        memcpy(c->logits, c->scratch, k * sizeof *c->logits);
        c->have_logits = true;
    }
    c->times.backward_ms += now_ms() - start;
    return WN_OK;
}

/* A layer that fails takes only its own questions with it; images that nobody asks about still get their logits. */
static enum wn_code answer_chunk(struct chunk *c, struct wn_error *err)
{
    for (int i = 0; i < c->batch->n_questions; i++) {
        if (!asks_here(c, i) || c->answers[i].map) continue;
        struct place at = place_of(c->e, &c->batch->questions[i]);
        struct wn_error why = {0};
        if (answer_place(c, at, questions_of(c, at), &why) == WN_OK) continue;
        if (why.code == WN_DEVICE) return wn_fail(err, why.code, "%s", why.text);
        fail_place(c, at, &why);
    }
    enum wn_code code = answer_alone(c, err);
    if (code != WN_OK) return code;
    return c->have_logits
               ? WN_OK
               : answer_place(c, (struct place){.key = {.layer = wn_engine_default_layer(c->e->graph)}}, 1, err);
}

static enum wn_code check_layers(const struct wn_engine *e, const struct wn_question *q, struct wn_error *err)
{
    const bool input = wn_method_flags(q->method, &q->settings) & WN_METHOD_INPUT;
    if (q->n_layers == 0) return input ? WN_OK : wn_engine_check_layer(e, q->layer, err);
    if (input)
        return wn_fail(err, WN_BAD_REQUEST, "method '%s' explains the input: it has no layers to fuse",
                       q->method->name);
    if (q->n_layers < 2) return wn_fail(err, WN_BAD_REQUEST, "two layers or more can be fused: name one by itself");
    if (q->n_layers > WN_MOST_LAYERS)
        return wn_fail(err, WN_BAD_REQUEST, "%d layers are more than %d", q->n_layers, WN_MOST_LAYERS);
    enum wn_code code = WN_OK;
    for (int i = 0; i < q->n_layers && code == WN_OK; i++)
        code = q->layers[i] < 0 ? wn_fail(err, WN_NO_SUCH_LAYER, "there is no layer %d", q->layers[i])
                                : wn_engine_check_layer(e, q->layers[i], err);
    return code;
}

/* What can be said of a question before any number is computed. */
static void check_question(const struct wn_engine *e, const struct wn_batch *batch, const struct wn_question *q,
                           struct wn_answer *a)
{
    int classes = e->graph->classes > 1 ? e->graph->classes : 2;
    if (q->image < 0 || q->image >= batch->n_images)
        wn_fail(&a->error, WN_BAD_REQUEST, "a question is about image %d of a batch of %d", q->image, batch->n_images);
    else if (!q->contrast || !q->method || wn_plan_method(q->method) < 0)
        wn_fail(&a->error, WN_BAD_REQUEST, "a question needs a method and a contrast");
    else if (wn_method_check(q->method, &q->settings, &a->error) != WN_OK || check_layers(e, q, &a->error) != WN_OK)
        return;
    else if (wn_method_flags(q->method, &q->settings) & WN_METHOD_CLASSLESS && q->contrast != wn_contrast_find("logit"))
        wn_fail(&a->error, WN_BAD_REQUEST,
                "method '%s' looks at no class, so it has no answer to '%s'; ask it with the contrast 'logit'",
                q->method->name, q->contrast->name);
    else if (wn_question_check_target(q, classes, &a->error) != WN_OK)
        return;
    else if (!batch->images[q->image] &&
             (q->method->run || wn_method_flags(q->method, &q->settings) & WN_METHOD_REFERENCE))
        wn_fail(&a->error, WN_UNSUPPORTED, "method '%s' wants the numbers of its image, and only a picture was given",
                q->method->name);
}

/* Images without numbers are pictures that the backend makes them of. */
static enum wn_code check_images(const struct wn_engine *e, const struct wn_batch *batch, struct wn_error *err)
{
    struct wn_backend_traits traits = {0};
    const struct wn_graph *g = e->graph;
    for (int i = 0; i < batch->n_images; i++) {
        const struct wn_picture *p = batch->images[i] || !batch->pictures ? NULL : batch->pictures[i];
        if (batch->images[i]) continue;
        if (!traits.images) e->backend->impl->traits(e->backend, &traits);
        if (!p || !e->backend->impl->prepare || p->channels != wn_graph_channels(g) || p->h != wn_graph_height(g) ||
            p->w != wn_graph_width(g) || wn_picture_bytes(p) > traits.prepares)
            return wn_fail(err, WN_BAD_REQUEST,
                           "image %d has no numbers, and no picture that the backend '%s' prepares for this network", i,
                           e->backend->impl->name);
    }
    return WN_OK;
}

enum wn_code wn_engine_explain_single(struct wn_engine *e, const struct wn_batch *batch,
                                      void (*settle)(void *context, int image, const float *logits), void *context,
                                      float *logits, struct wn_answer *answers, struct wn_engine_times *times,
                                      struct wn_error *err)
{
    struct wn_engine_times sum = {0};
    struct wn_error why = {0};
    enum wn_code code = check_images(e, batch, &why);
    for (int i = 0; i < batch->n_questions; i++) {
        answers[i] = (struct wn_answer){.target = -1, .foil = -1, .layer = -1};
        check_question(e, batch, &batch->questions[i], &answers[i]);
    }
    float *scratch = malloc((size_t)e->graph->classes * sizeof *scratch);
    if (!scratch) code = wn_fail(&why, WN_NO_MEMORY, "no memory for the logits of an image");
    for (int i = 0; i < batch->n_images && code == WN_OK; i += e->max_images) {
        int left = batch->n_images - i;
        struct chunk c = {
            .e = e, .batch = batch, .answers = answers, .begin = i, .n = left < e->max_images ? left : e->max_images};
        c.logits = logits + (size_t)i * (size_t)e->graph->classes;
        c.settle = settle;
        c.context = context;
        c.scratch = scratch;
        code = answer_chunk(&c, &why);
        sum.forward_ms += c.times.forward_ms;
        sum.backward_ms += c.times.backward_ms;
    }
    free(scratch);
    if (times) *times = sum;
    if (code == WN_OK) return WN_OK;
    for (int i = 0; i < batch->n_questions; i++)
        if (!answers[i].map) wn_fail(&answers[i].error, why.code, "%s", why.text); /* after one of its own: nothing */
    return wn_fail(err, code, "%s", why.text);
}
