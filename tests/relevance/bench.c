/* See bench.h. */
#include "bench.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ref/ref.h"

static struct wn_backend *ref;

/* More than any net has channels. */
const float lab_low[64] = {[0 ... 63] = -2.5f}, lab_high[64] = {[0 ... 63] = 2.25f};

int lab_open_oracle(void **state)
{
    (void)state;
    return wn_backend_open("ref", NULL, &ref, NULL) != WN_OK;
}

int lab_close_oracle(void **state)
{
    (void)state;
    wn_backend_close(ref);
    return 0;
}

bool lab_is_const(const struct wn_program *p, int v)
{
    return v >= 0 && p->values[v].kind == WN_VALUE_CONST;
}

void lab_build(struct lab *t, lab_net *net, uint64_t number, lab_method *method, const void *rule, int flags)
{
    *t = (struct lab){.row = WN_NONE, .reference = WN_NONE};
    subject_init(&t->s, number, false);
    struct wn_program *p = t->s.p;
    t->path = net(&t->s, 0);
    t->n_values = p->n_values;
    t->last = p->n_steps;
    wn_program_output(p, t->path.from);
    wn_program_output(p, t->path.to);
    wn_program_end_stage(p);
    if (wn_program_error(p, NULL) != WN_OK) fail_msg("net %d: %s", (int)number, p->error.text);
    struct wn_shape shape = p->values[t->path.from].shape;
    int64_t images = shape.dim[0];
    if (flags) {
        t->row = subject_rows(&t->s, LAB_ROWS, images);
        shape.dim[0] = LAB_ROWS;
    }
    if (flags & LAB_REFERENCE) t->reference = subject_rows(&t->s, LAB_ROWS, images);
    t->seed = subject_input(&t->s, shape, true, -1, 1);
    struct wn_method_in in = {.layer = t->path.to,
                              .logits = t->path.from,
                              .seed = t->seed,
                              .rows = {t->row, shape.dim[0]},
                              .reference = {t->reference, shape.dim[0]},
                              .low = lab_low,
                              .high = lab_high};
    t->map = wn_program_output(p, method(p, &in, rule));
    t->code = p->error.code;
}

void lab_run(struct lab *t)
{
    struct wn_error err = {0};
    if (ref->impl->compile(ref, t->s.p, &t->exe, &err) != WN_OK) fail_msg("%s", err.text);
    for (int i = 0; i < t->s.n_inputs; i++) ref->impl->write(t->exe, t->s.inputs[i].value, t->s.inputs[i].data, NULL);
    for (int i = 0; i < 2; i++)
        if (ref->impl->run(t->exe, i, &err) != WN_OK) fail_msg("%s", err.text);
}

void lab_finish(struct lab *t)
{
    if (t->exe) ref->impl->release(t->exe);
    subject_finish(&t->s);
}

double *lab_read(struct lab *t, int v)
{
    int64_t n = wn_shape_count(&t->s.p->values[v].shape);
    double *d = calloc((size_t)n + 1, sizeof *d);
    if (lab_is_const(t->s.p, v))
        for (int64_t i = 0; i < n; i++) d[i] = t->s.p->values[v].weight->data[i];
    else if (wn_ref_read_double(t->exe, v, d, NULL) != WN_OK)
        fail_msg("value %d cannot be read", v);
    return d;
}

const float *lab_data(const struct lab *t, int value)
{
    for (int i = 0; i < t->s.n_inputs; i++)
        if (t->s.inputs[i].value == value) return t->s.inputs[i].data;
    fail_msg("value %d is no input", value);
    return NULL;
}

static int conv(struct subject *s, int x, int64_t in, int64_t out, int64_t kernel, int64_t stride)
{
    double a = sqrt(3.0 / (double)(in * kernel * kernel));
    struct wn_window win = {2,      {kernel, kernel},         {stride, stride},
                            {1, 1}, {kernel / 2, kernel / 2}, {kernel / 2, kernel / 2}};
    return wn_conv(s->p, x, subject_weight(s, SHAPE(out, in, kernel, kernel), -a, a), WN_NONE, &win, 1);
}

struct path net_without_biases(struct subject *s, int unused)
{
    (void)unused;
    struct wn_program *p = s->p;
    struct wn_window pool = {2, {2, 2}, {2, 2}, {1, 1}, {0, 0}, {0, 0}};
    int x = wn_linear(p, subject_input(s, SHAPE(2, 3, 12, 12), true, -1, 1), 2, 0);
    int a = wn_maxpool(p, wn_relu(p, conv(s, x, 3, 20, 5, 1)), &pool, NULL);
    int b = wn_relu(p, wn_add(p, conv(s, wn_relu(p, conv(s, a, 20, 20, 3, 1)), 20, 20, 3, 1), a));
    int c = wn_avgpool(p, wn_relu(p, conv(s, b, 20, 10, 3, 1)), &pool, false);
    struct wn_shape flat = SHAPE(2, 90);
    int d = wn_relu(
        p, wn_matmul(p, wn_reshape(p, c, &flat), false, subject_weight(s, SHAPE(90, 20), -0.3, 0.3), false, WN_NONE));
    int y = wn_matmul(p, d, false, subject_weight(s, SHAPE(7, 20), -0.5, 0.5), true, WN_NONE);
    return (struct path){WN_NONE, x, y};
}

struct path relu_net(struct subject *s, int unused)
{
    struct path path = net_without_biases(s, unused);
    for (int i = 0; i < s->p->n_steps; i++) {
        struct wn_step *step = &s->p->steps[i];
        if (step->prim != WN_PRIM_CONV && step->prim != WN_PRIM_MATMUL) continue;
        int64_t n = s->p->values[step->out[0]].shape.dim[1];
        step->in[2] = subject_weight(s, SHAPE(n), -0.3, 0.3);
    }
    return path;
}
