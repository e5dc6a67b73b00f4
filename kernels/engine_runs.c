/* The driver of methods that take several runs: gives them forward passes, gradients and baselines, and ends them
 * when nobody waits any more. Knows no method by name. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "baseline.h"
#include "engine.h"
#include "methods/method.h"
#include "question.h"
#include "superpixels.h"

struct wn_runner {
    struct wn_engine *e;
    const struct wn_batch *batch;
    int question;
    struct wn_plan *plan; /* of the runs that follow */
    int method;           /* whose stage in it, or -1 */
};

static enum wn_code check_wanted(const struct wn_runner *r, struct wn_error *err)
{
    if (!r->batch->given_up || !r->batch->given_up(r->batch->ctx, r->question)) return WN_OK;
    return wn_fail(err, WN_DEADLINE, "nobody waits for this answer any more: it was ended between two runs");
}

/* ---- which program runs ---- */

int wn_run_room(const struct wn_run *r)
{
    const struct wn_engine *e = r->runner->e;
    return e->max_images < e->max_rows ? e->max_images : e->max_rows;
}

/* Points the runner at a method's own stage; a method that has none has its logits from the program of the one that
 * it drives. */
static enum wn_code open_plan(struct wn_run *r, const struct wn_method *m, struct wn_error *err)
{
    struct wn_runner *runner = r->runner;
    const struct wn_settings *s = &r->question->settings;
    bool wraps = !m->build && m->settings & 1u << WN_SETTING_BASE_METHOD;
    struct wn_plan_key key =
        wn_engine_key(wraps ? wn_method_at((int)wn_setting(s, WN_SETTING_BASE_METHOD)) : m, s, r->layer);
    key.images = key.rows = wn_run_room(r);
    key.in_order = wn_plan_wants_order(&key);
    enum wn_code code = wn_engine_plan(runner->e, &key, &runner->plan, err);
    if (code != WN_OK) return code;
    runner->method = m->build ? wn_plan_method(m) : -1;
    if (runner->method < 0) return WN_OK;
    const struct wn_plan_method *stage = &runner->plan->method[runner->method];
    if (stage->error.code != WN_OK)
        return wn_fail(err, stage->error.code, "method '%s': %s", m->name, stage->error.text);
    return WN_OK;
}

/* ---- runs ---- */

float *wn_run_image(struct wn_run *r, int i)
{
    return r->runner->e->images + (size_t)i * wn_engine_pixels(r->runner->e);
}

enum wn_code wn_run_baseline(const struct wn_run *r, float *out, struct wn_error *err)
{
    return wn_baseline(r->runner->e, (enum wn_baseline)wn_setting(&r->question->settings, WN_SETTING_BASELINE),
                       r->image, out, err);
}

/* Places past the last image repeat it; behind the images lie their baselines, where the plan wants any. */
static enum wn_code fill_images(struct wn_run *r, int n, struct wn_error *err)
{
    const struct wn_plan *plan = r->runner->plan;
    size_t pixels = wn_engine_pixels(r->runner->e);
    enum wn_baseline kind = (enum wn_baseline)wn_setting(&r->question->settings, WN_SETTING_BASELINE);
    enum wn_code code = WN_OK;
    for (int i = n; i < plan->key.images; i++)
        memcpy(wn_run_image(r, i), wn_run_image(r, n - 1), pixels * sizeof(float));
    for (int i = 0; wn_plan_has_reference(&plan->key) && i < plan->key.images && code == WN_OK; i++)
        code = wn_baseline(r->runner->e, kind, wn_run_image(r, i), wn_run_image(r, i + (int)plan->key.images), err);
    return code;
}

enum wn_code wn_run_forward(struct wn_run *r, int n, float *logits, struct wn_error *err)
{
    struct wn_engine *e = r->runner->e;
    struct wn_plan *plan = r->runner->plan;
    const struct wn_backend_impl *impl = e->backend->impl;
    size_t numbers = (size_t)n * (size_t)r->classes;
    enum wn_code code = check_wanted(r->runner, err);
    if (code == WN_OK) code = fill_images(r, n, err);
    if (code == WN_OK) code = impl->write(plan->exe, plan->input, e->images, err);
    if (code == WN_OK) code = impl->run(plan->exe, 0, err);
    if (code == WN_OK) code = impl->read(plan->exe, plan->logits, e->logits, err);
    for (size_t i = 0; i < numbers && code == WN_OK; i++)
        if (!isfinite(e->logits[i]))
            code = wn_fail(err, WN_BAD_NUMBERS, "the network's logits are not finite for a picture that '%s' tried",
                           r->method->name);
    if (code == WN_OK && logits) memcpy(logits, e->logits, numbers * sizeof *logits);
    return code;
}

static enum wn_code write_rows(struct wn_runner *r, int n, const float *seeds, struct wn_error *err)
{
    struct wn_engine *e = r->e;
    const struct wn_plan *plan = r->plan;
    const struct wn_backend_impl *impl = e->backend->impl;
    size_t k = (size_t)e->graph->classes;
    memset(e->seeds, 0, (size_t)plan->key.rows * k * sizeof *e->seeds);
    memcpy(e->seeds, seeds, (size_t)n * k * sizeof *seeds);
    for (int i = 0; i < plan->key.rows; i++) e->rows[i] = (float)(i < n ? i : 0);
    enum wn_code code = impl->write(plan->exe, plan->seed, e->seeds, err);
    if (code == WN_OK && plan->row != WN_NONE) code = impl->write(plan->exe, plan->row, e->rows, err);
    if (code != WN_OK || !wn_plan_has_reference(&plan->key)) return code;
    for (int i = 0; i < plan->key.rows; i++) e->rows[i] += (float)plan->key.images;
    return impl->write(plan->exe, plan->reference_row, e->rows, err);
}

enum wn_code wn_run_backward(struct wn_run *r, int n, const float *seeds, float *out, struct wn_error *err)
{
    struct wn_runner *runner = r->runner;
    const struct wn_plan_method *m = &runner->plan->method[runner->method];
    const struct wn_backend_impl *impl = runner->e->backend->impl;
    enum wn_code code = write_rows(runner, n, seeds, err);
    if (code == WN_OK) code = impl->run(runner->plan->exe, m->stage, err);
    if (code == WN_OK) code = impl->read(runner->plan->exe, m->map, runner->e->maps, err);
    if (code == WN_OK) memcpy(out, runner->e->maps, (size_t)(n * m->channels * m->h * m->w) * sizeof *out);
    return code;
}

bool wn_run_sides(const struct wn_run *r, signed char *sides)
{
    return wn_question_sides(r->question, r->logits, r->classes, r->question->contrast->odds, sides);
}

bool wn_run_rivals(const struct wn_run *r, signed char *sides)
{
    const struct wn_contrast *c = r->question->contrast;
    const enum wn_odds plain =
        c->flags & (WN_CONTRAST_FOIL | WN_CONTRAST_FOIL_SET) ? WN_ODDS_TARGETS_FOILS : WN_ODDS_TARGET_OTHERS;
    return wn_question_sides(r->question, r->logits, r->classes, c->odds == WN_ODDS_NONE ? plain : c->odds, sides);
}

enum wn_code wn_run_superpixels(const struct wn_run *r, int wanted, int *of, int *n, struct wn_error *err)
{
    const struct wn_graph *g = r->runner->e->graph;
    const size_t plane = (size_t)(r->height * r->width), pixels = plane * (size_t)r->channels;
    float *x = malloc(pixels * sizeof *x), least = INFINITY, most = -INFINITY;
    if (!x) return wn_fail(err, WN_NO_MEMORY, "no memory for the areas of a picture");
    for (size_t i = 0; i < pixels; i++) {
        least = fminf(least, r->image[i]);
        most = fmaxf(most, r->image[i]);
    }
    for (size_t i = 0; i < pixels; i++) {
        const size_t c = i / plane, seen = g->bgr && r->channels == 3 ? 2 - c : c; /* as red, green and blue */
        const float low = g->low ? g->low[c] : least, high = g->high ? g->high[c] : most;
        x[seen * plane + i % plane] = high > low ? (r->image[i] - low) / (high - low) : 0;
    }
    enum wn_code code = wn_superpixels(x, (int)r->channels, (int)r->height, (int)r->width, wanted, of, n, err);
    free(x);
    if (code == WN_OK && *n < 2)
        return wn_fail(err, WN_BAD_REQUEST,
                       "the picture is one single area, which cannot be told from others: ask for more `superpixels`");
    return code;
}

enum wn_code wn_run_paint(struct wn_run *r, const int *of, const double *values, struct wn_error *err)
{
    const size_t plane = (size_t)(r->height * r->width);
    r->h = (int)r->height;
    r->w = (int)r->width;
    r->map = malloc(plane * sizeof *r->map);
    if (!r->map) return wn_fail(err, WN_NO_MEMORY, "no memory for a map");
    for (size_t i = 0; i < plane; i++) r->map[i] = (float)values[of[i]];
    return WN_OK;
}

/* ---- a method, from its image to its map ---- */

/* Fills run->logits (K, the caller's) and, where the caller has none, run->seed through `a`; then lets the method
 * drive. */
static enum wn_code drive(struct wn_run *run, float *logits, float *seed, struct wn_answer *a, struct wn_error *err)
{
    struct wn_runner *runner = run->runner;
    enum wn_code code = open_plan(run, run->method, err);
    if (code == WN_OK) code = wn_engine_room(runner->e, err);
    if (code != WN_OK) return code;
    if (runner->method >= 0) {
        const struct wn_plan_method *m = &runner->plan->method[runner->method];
        run->at_channels = (int)m->channels;
        run->at_h = (int)m->h;
        run->at_w = (int)m->w;
    }
    memcpy(wn_run_image(run, 0), run->image, wn_engine_pixels(runner->e) * sizeof(float));
    code = wn_run_forward(run, 1, logits, err);
    if (code == WN_OK && a && wn_question_seed(run->question, logits, run->classes, seed, a) != WN_OK)
        code = wn_fail(err, a->error.code, "%s", a->error.text);
    run->logits = logits;
    run->seed = seed;
    return code == WN_OK ? run->method->run(run, err) : code;
}

void wn_run_size(const struct wn_run *r, const struct wn_method *other, int *h, int *w)
{
    const struct wn_graph *g = r->runner->e->graph;
    bool input = other->flags & WN_METHOD_INPUT;
    *h = (int)(input ? wn_graph_height(g) : wn_graph_layer(g, r->layer)->height);
    *w = (int)(input ? wn_graph_width(g) : wn_graph_layer(g, r->layer)->width);
}

/* scratch: 2*K. */
static enum wn_code drive_other(struct wn_run *r, const struct wn_method *other, const float *image, float *scratch,
                                float *map, struct wn_error *err)
{
    size_t k = (size_t)r->classes;
    struct wn_run run = *r;
    run.method = other;
    run.image = image;
    run.map = NULL;
    memcpy(scratch + k, r->seed, k * sizeof *scratch);
    enum wn_code code = drive(&run, scratch, scratch + k, NULL, err);
    if (code == WN_OK) memcpy(map, run.map, (size_t)run.h * (size_t)run.w * sizeof *map);
    free(run.map);
    return code;
}

/* The images are copied first: the other method's own runs write where they stand. */
static enum wn_code drive_others(struct wn_run *r, const struct wn_method *other, int n, size_t cells, float *maps,
                                 struct wn_error *err)
{
    size_t pixels = wn_engine_pixels(r->runner->e), all = (size_t)n * pixels;
    float *copies = malloc((all + 2 * (size_t)r->classes) * sizeof *copies);
    enum wn_code code = copies ? WN_OK : wn_fail(err, WN_NO_MEMORY, "no memory for %d pictures", n);
    if (copies) memcpy(copies, wn_run_image(r, 0), all * sizeof *copies);
    for (int i = 0; i < n && code == WN_OK; i++)
        code = drive_other(r, other, copies + (size_t)i * pixels, copies + all, maps + (size_t)i * cells, err);
    free(copies);
    return code;
}

enum wn_code wn_run_other(struct wn_run *r, const struct wn_method *other, int n, float *maps, struct wn_error *err)
{
    int h, w;
    size_t k = (size_t)r->classes;
    enum wn_code code = WN_OK;
    wn_run_size(r, other, &h, &w);
    if (other->run) return drive_others(r, other, n, (size_t)h * (size_t)w, maps, err);
    float *seeds = malloc((size_t)n * k * sizeof *seeds);
    if (!seeds) return wn_fail(err, WN_NO_MEMORY, "no memory for seeds");
    for (int i = 0; i < n; i++) memcpy(seeds + (size_t)i * k, r->seed, k * sizeof *seeds);
    code = open_plan(r, other, err);
    if (code == WN_OK) code = wn_run_forward(r, n, NULL, err);
    if (code == WN_OK) code = wn_run_backward(r, n, seeds, maps, err);
    free(seeds);
    return code;
}

void wn_engine_run(struct wn_engine *e, const struct wn_batch *batch, int question, float *logits, struct wn_answer *a)
{
    const struct wn_question *q = &batch->questions[question];
    struct wn_runner runner = {.e = e, .batch = batch, .question = question, .method = -1};
    struct wn_run run = {.runner = &runner, .question = q, .method = q->method, .image = batch->images[q->image]};
    run.channels = wn_graph_channels(e->graph);
    run.height = wn_graph_height(e->graph);
    run.width = wn_graph_width(e->graph);
    run.classes = e->graph->classes;
    run.layer = wn_engine_layer(e, q);
    float *seed = calloc((size_t)run.classes, sizeof *seed);
    struct wn_error err = {0};
    enum wn_code code = seed ? drive(&run, logits, seed, a, &err) : wn_fail(&err, WN_NO_MEMORY, "no memory for a seed");
    if (code == WN_OK) {
        a->completeness = run.completeness;
        a->shortfall = run.shortfall;
        wn_answer_take(a, run.map, run.layer, run.h, run.w, logits, run.classes);
    } else {
        wn_fail(&a->error, code, "%s", err.text);
    }
    free(run.map);
    free(seed);
}

/* ---- the gradient at the picture ---- */

extern const struct wn_method wn_method_integrated_gradients; /* whose stage is the gradient as it is */

static enum wn_code whole_gradient(struct wn_run *run, float *logits, float *seed, float *gradient,
                                   struct wn_error *err)
{
    struct wn_answer a = {.target = -1};
    enum wn_code code = open_plan(run, run->method, err);
    if (code == WN_OK) code = wn_engine_room(run->runner->e, err);
    if (code != WN_OK) return code;
    memcpy(wn_run_image(run, 0), run->image, wn_engine_pixels(run->runner->e) * sizeof(float));
    code = wn_run_forward(run, 1, logits, err);
    if (code == WN_OK && wn_question_seed(run->question, logits, run->classes, seed, &a) != WN_OK)
        code = wn_fail(err, a.error.code, "%s", a.error.text);
    return code == WN_OK ? wn_run_backward(run, 1, seed, gradient, err) : code;
}

enum wn_code wn_engine_gradient(struct wn_engine *e, const float *image, const struct wn_question *question,
                                float *logits, float *gradient, struct wn_error *err)
{
    struct wn_batch none = {.n_images = 1, .images = &image};
    struct wn_runner runner = {.e = e, .batch = &none, .method = -1};
    struct wn_run run = {.runner = &runner,
                         .question = question,
                         .method = &wn_method_integrated_gradients,
                         .image = image,
                         .layer = WN_LAYER_INPUT};
    run.classes = e->graph->classes;
    if (question->contrast->less)
        return wn_fail(err, WN_UNSUPPORTED, "contrast '%s' is a difference of two passes and has no one gradient",
                       question->contrast->name);
    float *seed = calloc((size_t)run.classes, sizeof *seed);
    if (!seed) return wn_fail(err, WN_NO_MEMORY, "no memory for a seed");
    enum wn_code code = whole_gradient(&run, logits, seed, gradient, err);
    free(seed);
    return code;
}

double wn_completeness_residual(const struct wn_completeness *c)
{
    double gap = fabs(c->sum - c->expected);
    if (gap == 0) return 0;
    return c->expected != 0 ? gap / fabs(c->expected) : 1;
}
