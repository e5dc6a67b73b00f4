/* Turns a graph, a layer and the method table into one compiled program; knows no question and no picture. */
#include "plan.h"

#include <stdlib.h>
#include <string.h>

#include "methods/method.h"

int wn_plan_method(const struct wn_method *method)
{
    for (int i = 0; i < WN_MAX_METHODS && wn_method_at(i); i++)
        if (wn_method_at(i) == method) return i;
    return -1;
}

static bool belongs(const struct wn_plan *plan, const struct wn_method *method)
{
    bool shares = !method->run && !(method->flags & WN_METHOD_INPUT);
    return plan->key.alone ? plan->key.alone == method : shares && plan->key.layer != WN_LAYER_INPUT;
}

bool wn_plan_has_reference(const struct wn_plan_key *key)
{
    return key->alone && key->alone->flags & WN_METHOD_REFERENCE;
}

bool wn_plan_wants_order(const struct wn_plan_key *key)
{
    return key->images == key->rows && !wn_plan_has_reference(key) && (key->alone || key->rows == 1);
}

bool wn_plan_same_key(const struct wn_plan_key *a, const struct wn_plan_key *b)
{
    return a->layer == b->layer && a->alone == b->alone && a->epsilon == b->epsilon && a->alpha == b->alpha &&
           a->images == b->images && a->rows == b->rows && a->in_order == b->in_order;
}

/* Each method has a stage of its own, from the seed to its map, so that a run pays only for the method asked for:
 * Grad-CAM's pooled gradient often needs no gradient at all, the linear approximation needs all of it. A method that
 * this graph rules out leaves its reason and no steps. */
static void append_method(struct wn_plan *plan, struct wn_program *p, int i, int layer_value)
{
    struct wn_plan_method *m = &plan->method[i];
    struct wn_mark before = wn_program_mark(p);
    struct wn_method_in in = {.layer = layer_value, .logits = plan->logits, .seed = plan->seed};
    in.epsilon = (float)plan->key.epsilon;
    in.alpha = (float)plan->key.alpha;
    in.low = plan->low;
    in.high = plan->high;
    in.rows = (struct wn_rows){plan->row, plan->key.rows};
    in.reference = (struct wn_rows){plan->reference_row, plan->key.rows};
    in.gradient = wn_backward(p, in.logits, in.seed, in.layer, in.rows);
    in.activation = wn_rows_of(p, layer_value, in.rows);
    m->map = wn_program_output(p, wn_method_build(wn_method_at(i), p, &in));
    m->stage = wn_program_end_stage(p);
    if (p->error.code == WN_UNSUPPORTED) {
        wn_program_rewind(p, before, &m->error);
    } else if (p->error.code == WN_OK) {
        m->channels = wn_program_value(p, m->map)->shape.dim[1];
        m->h = wn_program_value(p, m->map)->shape.dim[2];
        m->w = wn_program_value(p, m->map)->shape.dim[3];
    }
}

static void append_stages(struct wn_plan *plan, struct wn_program *p, int classes, int layer_value)
{
    wn_program_output(p, plan->logits);
    wn_program_end_stage(p);
    plan->seed = wn_program_input(p, wn_shape_of(2, (int64_t[]){plan->key.rows, classes}), true);
    struct wn_shape rows = wn_shape_of(1, &plan->key.rows);
    plan->row = plan->key.in_order ? WN_NONE : wn_program_input(p, rows, false);
    plan->reference_row = wn_plan_has_reference(&plan->key) ? wn_program_input(p, rows, false) : WN_NONE;
    for (int i = 0; i < WN_MAX_METHODS && wn_method_at(i); i++)
        if (belongs(plan, wn_method_at(i))) append_method(plan, p, i, layer_value);
}

static const struct wn_weight *graph_weight(void *graph, const char *key, const struct wn_shape *shape,
                                            void (*make)(float *dst, const void *arg), const void *arg,
                                            struct wn_error *err)
{
    return wn_graph_weight(graph, key, shape, make, arg, err);
}

static enum wn_code build(struct wn_plan *plan, struct wn_graph *g, struct wn_error *err)
{
    struct wn_program *p = plan->program;
    struct wn_forward forward = {0};
    bool input = plan->key.layer == WN_LAYER_INPUT;
    int onnx_value = input ? g->input : g->layer_values[plan->key.layer];
    wn_program_use_weights(p, (struct wn_weight_source){graph_weight, g});
    int64_t images = wn_plan_has_reference(&plan->key) ? 2 * plan->key.images : plan->key.images;
    enum wn_code code = wn_graph_lower(g, p, images, &onnx_value, !input, &forward, err);
    if (code != WN_OK) return code;
    plan->low = g->low;
    plan->high = g->high;
    plan->input = forward.input;
    plan->logits = forward.logits;
    int layer_value = input ? forward.input : forward.values[onnx_value];
    wn_forward_finish(&forward);
    if (layer_value < 0)
        return wn_fail(err, WN_NO_SUCH_LAYER, "layer '%.64s' is a constant", g->layers[plan->key.layer].name);
    append_stages(plan, p, g->classes, layer_value);
    if (wn_program_error(p, err) != WN_OK) return p->error.code;
    return wn_program_optimize(p, err);
}

enum wn_code wn_plan_create(struct wn_graph *g, struct wn_backend *be, const struct wn_plan_key *key,
                            struct wn_plan **out, struct wn_error *err)
{
    struct wn_plan *plan = calloc(1, sizeof *plan);
    if (!plan) return wn_fail(err, WN_NO_MEMORY, "no memory for a plan");
    plan->key = *key;
    enum wn_code code = wn_program_create(&plan->program, err);
    if (code == WN_OK) code = build(plan, g, err);
    if (code == WN_OK) code = be->impl->compile(be, plan->program, &plan->exe, err);
    if (code != WN_OK) {
        wn_plan_destroy(plan);
        return code;
    }
    *out = plan;
    return WN_OK;
}

void wn_plan_destroy(struct wn_plan *plan)
{
    if (!plan) return;
    if (plan->exe) plan->exe->backend->impl->release(plan->exe);
    wn_program_destroy(plan->program);
    free(plan);
}
