/* See net.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <whynot/backend.h>

#include "net.h"
#include "oom.h"

const float net_count[32] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16,
                             17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32};

struct net net_begin(int64_t opset)
{
    struct net net = {.opset = opset};
    wire_graph_output(&net.graph, "y");
    return net;
}

void net_input(struct net *net, const char *name, struct wn_shape shape, const float *data)
{
    wire_graph_input(&net->graph, name, shape.rank, shape.dim);
    net->shapes[net->n_inputs] = shape;
    net->data[net->n_inputs++] = data;
}

struct wire net_of_node(struct net *net, int64_t opset, const char *op, const char *in, struct wn_shape x)
{
    *net = net_begin(opset);
    net_input(net, "x", x, net_count);
    return wire_node(op, "n", in, "y");
}

void net_floats(struct net *net, const char *name, struct wn_shape shape, const float *data)
{
    size_t bytes = (size_t)wn_shape_count(&shape) * sizeof *data;
    wire_graph_initializer(&net->graph, wire_tensor_raw(name, WIRE_F32, shape.rank, shape.dim, data, bytes));
}

void net_ints(struct net *net, const char *name, int n, const int64_t *data)
{
    wire_graph_initializer(&net->graph, wire_tensor_raw(name, WIRE_I64, 1, DIMS(n), data, (size_t)n * sizeof *data));
}

void net_finish(struct net *net)
{
    wire_free(&net->graph);
}

static struct wire model_of(const struct net *net)
{
    struct wire graph = {0};
    wire_raw(&graph, net->graph.data, net->graph.n);
    return wire_model(net->opset, graph);
}

static struct wn_graph *read_net(const struct net *net)
{
    struct wn_graph_limits limits = wn_graph_limits_default();
    struct wn_error err = {0};
    struct wn_graph *g;
    struct wire model = model_of(net);
    if (wn_graph_read(model.data, model.n, &limits, &g, &err) != WN_OK) fail_msg("%s", err.text);
    wire_free(&model);
    return g;
}

/* ---- memory that runs out ---- */

static enum wn_code lower_once(const struct net *net, const struct wire *model, struct wn_error *err)
{
    struct wn_graph_limits limits = wn_graph_limits_default();
    struct wn_binding in[NET_INPUTS] = {0};
    struct wn_outcome out = {0};
    struct wn_program *p = NULL;
    struct wn_graph *g = NULL;
    for (int i = 0; i < net->n_inputs; i++) in[i].shape = net->shapes[i];
    enum wn_code code = wn_graph_read(model->data, model->n, &limits, &g, err);
    if (code == WN_OK) code = wn_program_create(&p, err);
    if (code == WN_OK) code = wn_graph_lower_all(g, p, in, &out, err);
    wn_outcome_finish(&out);
    if (p) wn_program_destroy(p);
    wn_graph_destroy(g);
    return code;
}

/* The n-th allocation fails, for every n, once or from then on: lowering says so, and works when none is left to
 * fail. */
static void survives(const struct net *net)
{
    struct wire model = model_of(net);
    bool failed = true;
    for (long n = 1; failed; n++) {
        struct wn_error err = {0};
        oom_arm(n, n % 2 ? OOM_ONCE : OOM_FROM_THEN_ON);
        enum wn_code code = lower_once(net, &model, &err);
        failed = oom_disarm();
        if (code != (failed ? WN_NO_MEMORY : WN_OK))
            fail_msg("allocation %ld: %s: %s", n, wn_code_name(code), err.text);
        assert_true(code == WN_OK || err.text[0]);
    }
    wire_free(&model);
}

/* ---- running ---- */

static float *run_program(struct wn_program *p, const int *inputs, const float *const *data, int n, int output)
{
    struct wn_backend_options options = {0};
    struct wn_error err = {0};
    struct wn_backend *be;
    struct wn_exe *exe;
    const struct wn_shape shape = wn_program_value(p, output)->shape;
    float *y = malloc(((size_t)wn_shape_count(&shape) + 1) * sizeof *y);
    wn_program_output(p, output);
    if (wn_program_optimize(p, &err) != WN_OK || wn_backend_open("ref", &options, &be, &err) != WN_OK ||
        be->impl->compile(be, p, &exe, &err) != WN_OK)
        fail_msg("%s", err.text);
    for (int i = 0; i < n; i++)
        if (be->impl->write(exe, inputs[i], data[i], &err) != WN_OK) fail_msg("%s", err.text);
    if (be->impl->run(exe, 0, &err) != WN_OK || be->impl->read(exe, output, y, &err) != WN_OK) fail_msg("%s", err.text);
    be->impl->release(exe);
    wn_backend_close(be);
    return y;
}

static void compare(const struct wn_shape *shape, const float *got, const struct wn_shape *want_shape,
                    const float *want)
{
    int64_t n = wn_shape_count(want_shape);
    float most = 0;
    assert_int_equal(shape->rank, want_shape->rank);
    for (int d = 0; d < shape->rank; d++) assert_int_equal(shape->dim[d], want_shape->dim[d]);
    for (int64_t i = 0; i < n; i++)
        if (isfinite(want[i])) most = fmaxf(most, fabsf(want[i]));
    for (int64_t i = 0; i < n; i++)
        if (got[i] != want[i] && !(fabsf(got[i] - want[i]) <= 1e-6f * most))
            fail_msg("element %lld is %.8g, not %.8g", (long long)i, (double)got[i], (double)want[i]);
}

void net_gives(struct net *net, struct wn_shape shape, const float *want)
{
    struct wn_graph *g = read_net(net);
    struct wn_binding in[NET_INPUTS] = {0};
    struct wn_outcome out;
    struct wn_error err = {0};
    struct wn_program *p;
    int values[NET_INPUTS];
    survives(net);
    for (int i = 0; i < net->n_inputs; i++) in[i].shape = net->shapes[i];
    assert_int_equal(wn_program_create(&p, &err), WN_OK);
    if (wn_graph_lower_all(g, p, in, &out, &err) != WN_OK) fail_msg("%s", err.text);
    for (int i = 0; i < net->n_inputs; i++) values[i] = in[i].value;
    if (out.constant) {
        compare(&out.constant->shape, out.constant->f, &shape, want);
    } else {
        struct wn_shape got = wn_program_value(p, out.value)->shape;
        float *y = run_program(p, values, net->data, net->n_inputs, out.value);
        compare(&got, y, &shape, want);
        free(y);
    }
    wn_outcome_finish(&out);
    wn_program_destroy(p);
    wn_graph_destroy(g);
    net_finish(net);
}

void net_gives_node(struct net *net, struct wire node, struct wn_shape shape, const float *want)
{
    wire_graph_node(&net->graph, node);
    net_gives(net, shape, want);
}

/* ---- refusing ---- */

static void check_refusal(enum wn_code got, const struct wn_error *err, enum wn_code code, const char *about)
{
    if (got != code || !strstr(err->text, about))
        fail_msg("wanted %s about '%s', got %s: %s", wn_code_name(code), about, wn_code_name(got), err->text);
}

void net_refused(struct net *net, enum wn_code code, const char *about)
{
    struct wn_graph *g = read_net(net);
    struct wn_binding in[NET_INPUTS] = {0};
    struct wn_outcome out;
    struct wn_error err = {0};
    struct wn_program *p;
    for (int i = 0; i < net->n_inputs; i++) in[i].shape = net->shapes[i];
    assert_int_equal(wn_program_create(&p, &err), WN_OK);
    enum wn_code got = wn_graph_lower_all(g, p, in, &out, &err);
    check_refusal(got, &err, code, about);
    wn_program_destroy(p);
    wn_graph_destroy(g);
    net_finish(net);
}

void net_refused_for_pictures(struct net *net, enum wn_code code, const char *about)
{
    struct wire model = model_of(net);
    struct wn_error err = {0};
    struct wn_graph *g = NULL;
    struct wn_forward f = {0};
    struct wn_program *p;
    assert_int_equal(wn_program_create(&p, &err), WN_OK);
    enum wn_code got = wn_graph_parse(model.data, model.n, NULL, &g, &err);
    if (got == WN_OK) got = wn_graph_lower(g, p, 2, NULL, 0, &f, &err);
    check_refusal(got, &err, code, about);
    wn_forward_finish(&f);
    wn_program_destroy(p);
    wn_graph_destroy(g);
    wire_free(&model);
    net_finish(net);
}

/* ---- networks ---- */

static int value_named(const struct wn_graph *g, const char *name)
{
    for (int v = 0; v < g->n_values; v++)
        if (strcmp(g->value_names[v], name) == 0) return v;
    fail_msg("there is no value '%s'", name);
    return -1;
}

float *net_logits(const struct net *net, int64_t n, const char *const *keep, int n_keep, int *steps, int *weights)
{
    struct wire model = model_of(net);
    struct wn_error err = {0};
    struct wn_graph *g;
    struct wn_forward f;
    struct wn_program *p;
    int values[NET_INPUTS];
    assert_int_equal(wn_program_create(&p, &err), WN_OK);
    if (wn_graph_parse(model.data, model.n, NULL, &g, &err) != WN_OK) fail_msg("%s", err.text);
    for (int i = 0; i < n_keep; i++) values[i] = value_named(g, keep[i]);
    if (wn_graph_lower(g, p, n, values, n_keep, &f, &err) != WN_OK) fail_msg("%s", err.text);
    for (int i = 0; i < n_keep; i++) assert_true(f.values[values[i]] >= 0);
    if (steps) *steps = wn_program_steps(p);
    if (weights) {
        struct wn_program *again;
        struct wn_forward f2;
        int before = g->store.n;
        assert_int_equal(wn_program_create(&again, &err), WN_OK);
        if (wn_graph_lower(g, again, n + 1, values, n_keep, &f2, &err) != WN_OK) fail_msg("%s", err.text);
        *weights = g->store.n - before;
        wn_forward_finish(&f2);
        wn_program_destroy(again);
    }
    float *y = run_program(p, &f.input, net->data, 1, f.logits);
    wn_forward_finish(&f);
    wn_program_destroy(p);
    wn_graph_destroy(g);
    wire_free(&model);
    return y;
}
