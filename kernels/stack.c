/* The maps of every class from one forward pass, of one image or of several: forward mode where there is a rule for
 * the tail, else as many backward passes as there are classes. Also what a stack answers by itself. Knows no
 * question and no picture. */
#include "stack.h"

#include <assert.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "methods/method.h"
#include "question.h"

/* Backward passes of one run, and floats that each value of theirs may take at the layer. */
#define MOST_ROWS 16
#define MOST_FLOATS (INT64_C(1) << 22)

/* ---- building ---- */

static const struct wn_weight *graph_weight(void *graph, const char *key, const struct wn_shape *shape,
                                            void (*make)(float *dst, const void *arg), const void *arg,
                                            struct wn_error *err)
{
    return wn_graph_weight(graph, key, shape, make, arg, err);
}

static bool append_forward_mode(struct wn_stack_plan *plan, int layer_value, int classes)
{
    struct wn_program *p = plan->program;
    struct wn_mark before = wn_program_mark(p);
    struct wn_error why = {0};
    if (!plan->method->build_all) return false;
    int maps = plan->method->build_all(p, layer_value, plan->logits, classes);
    plan->maps = wn_program_output(p, maps);
    plan->stage = wn_program_end_stage(p);
    if (p->error.code != WN_UNSUPPORTED) return true;
    wn_program_rewind(p, before, &why);
    return false;
}

/* R questions about the one image, a seed each. */
static void append_backward(struct wn_stack_plan *plan, int layer_value, int classes, int64_t rows)
{
    struct wn_program *p = plan->program;
    plan->rows = rows;
    plan->seed = wn_program_input(p, wn_shape_of(2, (int64_t[]){rows, classes}), true);
    plan->row = rows == 1 ? WN_NONE : wn_program_input(p, wn_shape_of(1, &rows), false);
    struct wn_method_in in = {
        .layer = layer_value, .logits = plan->logits, .seed = plan->seed, .rows = {plan->row, rows}};
    in.gradient = wn_backward(p, in.logits, in.seed, in.layer, in.rows);
    in.activation = wn_rows_of(p, layer_value, in.rows);
    plan->maps = wn_program_output(p, wn_method_build(plan->method, p, &in));
    plan->stage = wn_program_end_stage(p);
}

static int64_t rows_of(const struct wn_stack_plan *plan, int layer_value, int classes)
{
    int64_t fit = MOST_FLOATS / wn_shape_count(&plan->program->values[layer_value].shape);
    int64_t rows = classes < MOST_ROWS ? classes : MOST_ROWS;
    return fit < 1 ? 1 : fit < rows ? fit : rows;
}

/* A network that does not keep the batch apart is asked one question at a time. */
static void append_maps(struct wn_stack_plan *plan, int layer_value, int classes)
{
    struct wn_program *p = plan->program;
    struct wn_error why = {0};
    if (append_forward_mode(plan, layer_value, classes)) return;
    if (plan->images > 1) {
        wn_program_fail(p, WN_UNSUPPORTED, "forward mode has no rule for %d images at a time", plan->images);
        return;
    }
    struct wn_mark before = wn_program_mark(p);
    append_backward(plan, layer_value, classes, rows_of(plan, layer_value, classes));
    if (p->error.code != WN_UNSUPPORTED || plan->rows == 1) return;
    wn_program_rewind(p, before, &why);
    append_backward(plan, layer_value, classes, 1);
}

static enum wn_code build(struct wn_stack_plan *plan, struct wn_graph *g, struct wn_error *err)
{
    struct wn_program *p = plan->program;
    struct wn_forward forward = {0};
    int onnx_value = g->layer_values[plan->layer];
    wn_program_use_weights(p, (struct wn_weight_source){graph_weight, g});
    enum wn_code code = wn_graph_lower(g, p, plan->images, &onnx_value, 1, &forward, err);
    if (code != WN_OK) return code;
    plan->input = forward.input;
    plan->logits = forward.logits;
    int layer_value = forward.values[onnx_value];
    wn_forward_finish(&forward);
    if (layer_value < 0)
        return wn_fail(err, WN_NO_SUCH_LAYER, "layer '%.64s' is a constant", g->layers[plan->layer].name);
    wn_program_output(p, plan->logits);
    wn_program_end_stage(p);
    append_maps(plan, layer_value, g->classes);
    if (wn_program_error(p, err) != WN_OK) return p->error.code;
    plan->h = p->values[plan->maps].shape.dim[2];
    plan->w = p->values[plan->maps].shape.dim[3];
    return wn_program_optimize(p, err);
}

static enum wn_code reserve(struct wn_stack_plan *plan, int classes, struct wn_error *err)
{
    size_t area = (size_t)(plan->h * plan->w), rows = (size_t)plan->rows, k = (size_t)classes, n = (size_t)plan->images;
    assert(area && k && n);
    if (!rows && n == 1) return WN_OK;
    if (rows) plan->seeds = calloc(rows * k, sizeof *plan->seeds);
    plan->staged = calloc(rows ? rows * area : n * k * (1 + area), sizeof *plan->staged);
    if ((plan->seeds || !rows) && plan->staged) return WN_OK;
    return wn_fail(err, WN_NO_MEMORY, "no memory for the seeds and maps of %d classes", classes);
}

enum wn_code wn_stack_plan_create(struct wn_graph *g, struct wn_backend *be, int layer, const struct wn_method *method,
                                  int images, struct wn_stack_plan **out, struct wn_error *err)
{
    if (!(method->flags & WN_METHOD_LINEAR))
        return wn_fail(err, WN_UNSUPPORTED,
                       "the maps of method '%s' do not add up over classes; ask one question at a time", method->name);
    struct wn_stack_plan *plan = calloc(1, sizeof *plan);
    if (!plan) return wn_fail(err, WN_NO_MEMORY, "no memory for a plan");
    plan->layer = layer;
    plan->method = method;
    plan->images = images;
    enum wn_code code = wn_program_create(&plan->program, err);
    if (code == WN_OK) code = build(plan, g, err);
    if (code == WN_OK) code = reserve(plan, g->classes, err);
    if (code == WN_OK) code = be->impl->compile(be, plan->program, &plan->exe, err);
    if (code != WN_OK) {
        wn_stack_plan_destroy(plan);
        return code;
    }
    *out = plan;
    return WN_OK;
}

void wn_stack_plan_destroy(struct wn_stack_plan *plan)
{
    if (!plan) return;
    if (plan->exe) plan->exe->backend->impl->release(plan->exe);
    wn_program_destroy(plan->program);
    free(plan->seeds);
    free(plan->staged);
    free(plan);
}

/* ---- running ---- */

/* Maps of classes [first, first + n). The seeds were 0 before and are 0 again after. */
static enum wn_code run_rows(struct wn_stack_plan *plan, int classes, int first, int n, float *maps,
                             struct wn_error *err)
{
    const struct wn_backend_impl *impl = plan->exe->backend->impl;
    for (int i = 0; i < n; i++) plan->seeds[(size_t)i * (size_t)classes + (size_t)(first + i)] = 1;
    enum wn_code code = impl->write(plan->exe, plan->seed, plan->seeds, err);
    if (code == WN_OK) code = impl->run(plan->exe, plan->stage, err);
    if (code == WN_OK) code = impl->read(plan->exe, plan->maps, plan->staged, err);
    for (int i = 0; i < n; i++) plan->seeds[(size_t)i * (size_t)classes + (size_t)(first + i)] = 0;
    size_t area = (size_t)(plan->h * plan->w);
    memcpy(maps + (size_t)first * area, plan->staged, (size_t)n * area * sizeof *maps);
    return code;
}

static enum wn_code run_backward(struct wn_stack_plan *plan, int classes, float *maps, struct wn_error *err)
{
    enum wn_code code = WN_OK;
    float zeros[MOST_ROWS] = {0}; /* every row asks about the one image */
    if (plan->row != WN_NONE) code = plan->exe->backend->impl->write(plan->exe, plan->row, zeros, err);
    for (int i = 0; i < classes && code == WN_OK; i += (int)plan->rows) {
        int left = classes - i;
        code = run_rows(plan, classes, i, left < plan->rows ? left : (int)plan->rows, maps, err);
    }
    return code;
}

static bool all_finite(const float *x, size_t n)
{
    uint32_t most = 0, bits;
    for (size_t i = 0; i < n; i++) {
        memcpy(&bits, &x[i], sizeof bits);
        bits &= 0x7f800000; /* the exponent: all ones for NaN and infinity alone */
        most = bits > most ? bits : most;
    }
    return most < 0x7f800000;
}

/* Both stages are under way before anybody waits for the first. */
static enum wn_code run_forward_mode(struct wn_stack_plan *plan, float *logits, float *maps, struct wn_error *err)
{
    const struct wn_backend_impl *impl = plan->exe->backend->impl;
    enum wn_code code = impl->run(plan->exe, 0, err);
    if (code == WN_OK) code = impl->run(plan->exe, plan->stage, err);
    if (code == WN_OK) code = impl->read(plan->exe, plan->logits, logits, err);
    return code == WN_OK ? impl->read(plan->exe, plan->maps, maps, err) : code;
}

/* Hundreds of backward passes are not begun for logits that fail anyway. */
static enum wn_code run_both_ways(struct wn_stack_plan *plan, int classes, float *logits, float *maps,
                                  struct wn_error *err)
{
    const struct wn_backend_impl *impl = plan->exe->backend->impl;
    enum wn_code code = impl->run(plan->exe, 0, err);
    if (code == WN_OK) code = impl->read(plan->exe, plan->logits, logits, err);
    return code == WN_OK && all_finite(logits, (size_t)classes) ? run_backward(plan, classes, maps, err) : code;
}

static void judge(const struct wn_stack *s, const float *logits, struct wn_error *err)
{
    if (!all_finite(logits, (size_t)s->classes))
        wn_fail(err, WN_BAD_NUMBERS, "the network's logits for this image are not finite");
    else if (!all_finite(s->maps, (size_t)s->classes * (size_t)s->h * (size_t)s->w))
        wn_fail(err, WN_BAD_NUMBERS, "the maps have values that are not finite");
}

enum wn_code wn_stack_plan_run(struct wn_stack_plan *plan, const float *images, int n, float *logits,
                               struct wn_stack *stacks, struct wn_error *errors, struct wn_error *err)
{
    static atomic_ullong runs;
    const bool staged = plan->images > 1;
    const size_t k = (size_t)stacks[0].classes, each = k * (size_t)(plan->h * plan->w);
    float *y = staged ? plan->staged : logits, *maps = staged ? y + (size_t)plan->images * k : stacks[0].maps;
    enum wn_code code = images ? plan->exe->backend->impl->write(plan->exe, plan->input, images, err) : WN_OK;
    plan->made = 0;
    plan->sent = true;
    if (code == WN_OK)
        code = plan->rows ? run_both_ways(plan, (int)k, y, maps, err) : run_forward_mode(plan, y, maps, err);
    if (code != WN_OK) return code;
    plan->made = atomic_fetch_add(&runs, 1) + 1;
    if (staged) memcpy(logits, y, (size_t)n * k * sizeof *logits);
    for (int i = 0; i < n; i++) {
        if (staged) memcpy(stacks[i].maps, maps + (size_t)i * each, each * sizeof *maps);
        stacks[i].made = plan->made;
        stacks[i].place = i;
        judge(&stacks[i], logits + (size_t)i * k, &errors[i]);
    }
    return WN_OK;
}

/* ---- what a stack answers by itself ---- */

void wn_stack_finish(struct wn_stack *s)
{
    free(s->maps);
    s->maps = NULL;
}

/* The next class from `at` with a seed, or K. Most seeds have two; many zeros are passed at a time, by their bits. */
static int next_class(const float *seed, int at, int classes)
{
    enum { GROUP = 64 };
    uint32_t bits[GROUP];
    for (; at + GROUP <= classes; at += GROUP) {
        uint32_t any = 0;
        memcpy(bits, seed + at, sizeof bits);
        for (int i = 0; i < GROUP; i++) any |= bits[i];
        if (any) break;
    }
    while (at < classes && seed[at] == 0) at++;
    return at;
}

/* In double precision, a strip of cells at a time, so that a seed over a thousand classes loses nothing. */
void wn_stack_contrast(const struct wn_stack *s, const float *seed, float *map)
{
    enum { STRIP = 256 };
    size_t area = (size_t)s->h * (size_t)s->w;
    for (size_t from = 0; from < area; from += STRIP) {
        size_t n = area - from < STRIP ? area - from : STRIP;
        double sum[STRIP] = {0};
        for (int k = 0; (k = next_class(seed, k, s->classes)) < s->classes; k++) {
            const float *m = s->maps + (size_t)k * area + from;
            double v = seed[k];
            for (size_t i = 0; i < n; i++) sum[i] += v * m[i];
        }
        for (size_t i = 0; i < n; i++) map[from + i] = (float)sum[i];
    }
}

/* A difference of two floats, rounded once, is what double precision makes of it. */
void wn_stack_pair(const struct wn_stack *s, int target, int foil, float *map)
{
    size_t area = (size_t)s->h * (size_t)s->w;
    const float *p = s->maps + (size_t)target * area, *q = s->maps + (size_t)foil * area;
    for (size_t i = 0; i < area; i++) map[i] = p[i] - q[i];
}

/* One allocation: the seed, and behind it the map before it is copied into the answer. */
enum wn_code wn_stack_explain(const struct wn_stack *s, const float *logits, const struct wn_question *q,
                              struct wn_answer *a)
{
    size_t k = (size_t)s->classes, area = (size_t)s->h * (size_t)s->w;
    *a = (struct wn_answer){.target = -1, .foil = -1, .layer = -1};
    if (!q->contrast || q->target < WN_TARGET_PREDICTED || q->target >= (s->classes > 1 ? s->classes : 2))
        return wn_fail(&a->error, WN_NO_SUCH_CLASS, "target %d is not a class: the stack has classes 0 to %d",
                       q->target, s->classes - 1);
    float *seed = calloc(k + area, sizeof *seed);
    if (!seed) return wn_fail(&a->error, WN_NO_MEMORY, "no memory for a question");
    if (wn_question_seed(q, logits, s->classes, seed, a) == WN_OK) {
        wn_stack_contrast(s, seed, seed + k);
        wn_answer_take(a, seed + k, s->layer, s->h, s->w, logits, s->classes);
    }
    free(seed);
    return a->error.code;
}
