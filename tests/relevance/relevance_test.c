/* Relevance as the library computes it, a bent gradient, against the recursion of the papers written out over single links, in double
 * precision on the oracle; and what relevance conserves. */
#include "links.h"
#include "nets.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "methods/lrp.h"
#include "ref/ref.h"

enum { NETS = 150, ROWS = 4 };
/* Of the largest element. Epsilon, alpha and beta are f32 constants of the program. */
static const double tolerance = 1e-6;

static struct wn_backend *ref;

/* ---- the recursion ---- */

struct recursion {
    const struct wn_program *p;
    const struct wn_step *s;
    const struct wn_lrp *rule;
    double **value, **relevance; /* of every value of the forward pass */
    double *up, *down;           /* of the step at hand: Z+ and Z- */
    int only;                    /* operand that gets everything, or -1 */
};

static void hand_on(void *ctx, int operand, int64_t i, int64_t j, double w)
{
    struct recursion *r = ctx;
    (void)w;
    if (r->only >= 0 && operand != r->only) return;
    r->relevance[r->s->in[operand]][i] += r->relevance[r->s->out[0]][j];
}

static void share_by_epsilon(void *ctx, int operand, int64_t i, int64_t j, double w)
{
    struct recursion *r = ctx;
    double z = r->value[r->s->out[0]][j], eps = r->rule->epsilon;
    r->relevance[r->s->in[operand]][i] += r->value[r->s->in[operand]][i] * w * r->relevance[r->s->out[0]][j] / (z + (z < 0 ? -eps : eps));
}

static void sum_parts(void *ctx, int operand, int64_t i, int64_t j, double w)
{
    struct recursion *r = ctx;
    double part = r->value[r->s->in[operand]][i] * w;
    *(part > 0 ? &r->up[j] : &r->down[j]) += part;
}

static void share_by_parts(void *ctx, int operand, int64_t i, int64_t j, double w)
{
    struct recursion *r = ctx;
    double part = r->value[r->s->in[operand]][i] * w, eps = r->rule->epsilon, all = r->relevance[r->s->out[0]][j];
    double share = part > 0 ? r->rule->alpha * part / (r->up[j] + eps) : -r->rule->beta * part / (r->down[j] - eps);
    r->relevance[r->s->in[operand]][i] += share * all;
}

static void split(struct recursion *r)
{
    int64_t n = wn_shape_count(&r->p->values[r->s->out[0]].shape);
    r->up = calloc((size_t)n, sizeof *r->up);
    r->down = calloc((size_t)n, sizeof *r->down);
    for (int64_t j = 0; j < n; j++) {
        double b = bias_of(r->p, r->s, r->value, j);
        *(b > 0 ? &r->up[j] : &r->down[j]) += b;
    }
    each_link(r->p, r->s, r->value, sum_parts, r);
    each_link(r->p, r->s, r->value, share_by_parts, r);
    free(r->up);
    free(r->down);
}

static bool is_const(const struct wn_program *p, int v)
{
    return v >= 0 && p->values[v].kind == WN_VALUE_CONST;
}

/* The nets' only products of two activations are squeeze-and-excite gates: the one with a single cell a plane gates. */
static int signal_of_product(const struct wn_program *p, const struct wn_step *s)
{
    for (int k = 0; k < 2; k++)
        if (is_const(p, s->in[k])) return 1 - k;
    const struct wn_shape *a = &p->values[s->in[0]].shape;
    const struct wn_step *first = p->values[s->in[0]].kind == WN_VALUE_STEP ? &p->steps[p->values[s->in[0]].step] : NULL;
    return a->dim[2] * a->dim[3] == 1 && first && first->prim == WN_PRIM_UNARY ? 1 : 0;
}

static void step_back(struct recursion *r)
{
    const struct wn_step *s = r->s;
    r->only = -1;
    switch (s->prim) {
    case WN_PRIM_CONV:
    case WN_PRIM_CONV_BWD:
        if (r->rule->split) split(r);
        else each_link(r->p, s, r->value, share_by_epsilon, r);
        return;
    case WN_PRIM_MAXPOOL: each_winner(r->p, s, r->value[s->in[0]], hand_on, r); return;
    case WN_PRIM_COPY:
    case WN_PRIM_RESHAPE:
    case WN_PRIM_CONCAT: each_link(r->p, s, r->value, hand_on, r); return;
    case WN_PRIM_BINARY:
        if (s->u.binary == WN_BINARY_MUL) {
            r->only = signal_of_product(r->p, s);
            each_link(r->p, s, r->value, hand_on, r);
            return;
        }
        break;
    case WN_PRIM_UNARY:
        if (s->u.unary.kind == WN_UNARY_LINEAR && s->u.unary.beta != 0) break;
        for (int64_t i = 0; i < wn_shape_count(&r->p->values[s->out[0]].shape); i++) hand_on(r, 0, i, i, 1);
        return;
    default: break;
    }
    if (!each_link(r->p, s, r->value, share_by_epsilon, r)) fail_msg("the test has no rule for '%s'", wn_prim_name(s->prim));
}

/* ---- a network under test ---- */

struct lab {
    struct subject s;
    struct path path;
    int seed, row, map, n_values, last; /* n_values, last: of the forward pass */
    struct wn_exe *exe;
    enum wn_code code;
};

static void lab_build(struct lab *t, struct path (*net)(struct subject *, int), uint64_t number, const struct wn_lrp *rule, bool gathered)
{
    *t = (struct lab){.row = WN_NONE};
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
    if (gathered) {
        t->row = subject_rows(&t->s, ROWS, shape.dim[0]);
        shape.dim[0] = ROWS;
    }
    t->seed = subject_input(&t->s, shape, true, -1, 1);
    struct wn_method_in in = {.layer = t->path.to, .logits = t->path.from, .seed = t->seed, .rows = {t->row, shape.dim[0]}};
    t->map = wn_program_output(p, wn_lrp_map(p, &in, rule));
    t->code = p->error.code;
}

static void lab_run(struct lab *t)
{
    struct wn_error err = {0};
    if (ref->impl->compile(ref, t->s.p, &t->exe, &err) != WN_OK) fail_msg("%s", err.text);
    for (int i = 0; i < t->s.n_inputs; i++) ref->impl->write(t->exe, t->s.inputs[i].value, t->s.inputs[i].data, NULL);
    for (int i = 0; i < 2; i++)
        if (ref->impl->run(t->exe, i, &err) != WN_OK) fail_msg("%s", err.text);
}

static void lab_finish(struct lab *t)
{
    if (t->exe) ref->impl->release(t->exe);
    subject_finish(&t->s);
}

static double *read_value(struct lab *t, int v)
{
    int64_t n = wn_shape_count(&t->s.p->values[v].shape);
    double *d = calloc((size_t)n + 1, sizeof *d);
    if (is_const(t->s.p, v))
        for (int64_t i = 0; i < n; i++) d[i] = t->s.p->values[v].weight->data[i];
    else if (wn_ref_read_double(t->exe, v, d, NULL) != WN_OK) fail_msg("value %d cannot be read", v);
    return d;
}

static const float *data_of(const struct lab *t, int value)
{
    for (int i = 0; i < t->s.n_inputs; i++)
        if (t->s.inputs[i].value == value) return t->s.inputs[i].data;
    fail_msg("value %d is no input", value);
    return NULL;
}

/* Relevance at `to` for one seed per image, (N,K). */
static double *recursion(struct lab *t, const struct wn_lrp *rule, const double *seed)
{
    const struct wn_program *p = t->s.p;
    struct recursion r = {.p = p, .rule = rule, .value = calloc((size_t)t->n_values, sizeof *r.value),
                          .relevance = calloc((size_t)t->n_values, sizeof *r.relevance)};
    for (int v = 0; v < t->n_values; v++) {
        r.value[v] = read_value(t, v);
        r.relevance[v] = calloc((size_t)wn_shape_count(&p->values[v].shape) + 1, sizeof **r.relevance);
    }
    for (int64_t i = 0; i < wn_shape_count(&p->values[t->path.from].shape); i++)
        r.relevance[t->path.from][i] = seed[i] * r.value[t->path.from][i];
    for (int i = t->last - 1; i > p->values[t->path.to].step; i--) {
        r.s = &p->steps[i];
        bool reached = false;
        for (int64_t j = 0; j < wn_shape_count(&p->values[r.s->out[0]].shape); j++)
            reached = reached || r.relevance[r.s->out[0]][j] != 0;
        if (reached) step_back(&r);
    }
    double *result = r.relevance[t->path.to];
    r.relevance[t->path.to] = NULL;
    for (int v = 0; v < t->n_values; v++) {
        free(r.value[v]);
        free(r.relevance[v]);
    }
    free(r.value);
    free(r.relevance);
    return result;
}

/* max |map - sum over channels of relevance| over the rows, of the largest. */
static double difference(struct lab *t, const struct wn_lrp *rule)
{
    const struct wn_program *p = t->s.p;
    const struct wn_shape x = p->values[t->path.to].shape, y = p->values[t->path.from].shape;
    const float *seeds = data_of(t, t->seed), *row = t->row == WN_NONE ? NULL : data_of(t, t->row);
    int64_t rows = row ? ROWS : x.dim[0], k = y.dim[1], area = x.dim[2] * x.dim[3];
    double *map = read_value(t, t->map), *seed = calloc((size_t)(y.dim[0] * k), sizeof *seed), worst = 0, most = 1e-12;
    for (int64_t r = 0; r < rows; r++) {
        int64_t image = row ? (int64_t)row[r] : r;
        memset(seed, 0, (size_t)(y.dim[0] * k) * sizeof *seed);
        for (int64_t i = 0; i < k; i++) seed[image * k + i] = seeds[r * k + i];
        double *want = recursion(t, rule, seed);
        for (int64_t i = 0; i < area; i++) {
            double sum = 0;
            for (int64_t c = 0; c < x.dim[1]; c++) sum += want[(image * x.dim[1] + c) * area + i];
            double off = fabs(sum - map[r * area + i]);
            if (!(off <= worst)) worst = isnan(off) ? INFINITY : off;
            if (fabs(sum) > most) most = fabs(sum);
        }
        free(want);
    }
    free(map);
    free(seed);
    return worst / most;
}

/* ---- tests ---- */

static void bent_gradient_is_the_recursion(void **state)
{
    const struct wn_lrp *rule = *state;
    int answered = 0;
    for (uint64_t number = 1; number <= NETS; number++)
        for (int gathered = 0; gathered < 2; gathered++) {
            struct lab t;
            lab_build(&t, random_net, number, rule, gathered);
            if (t.code == WN_OK) {
                lab_run(&t);
                double off = difference(&t, rule);
                if (off > tolerance) {
                    char *text = wn_program_text(t.s.p);
                    print_error("%s", text);
                    free(text);
                    fail_msg("net %d%s is off by %g", (int)number, gathered ? ", gathered" : "", off);
                }
                answered++;
            } else if (t.code != WN_UNSUPPORTED) {
                fail_msg("net %d: %s", (int)number, t.s.p->error.text);
            }
            lab_finish(&t);
        }
    if (answered < NETS) fail_msg("only %d of %d nets had a rule for everything", answered, 2 * NETS);
}

static int conv(struct subject *s, int x, int64_t in, int64_t out, int64_t kernel, int64_t stride)
{
    double a = sqrt(3.0 / (double)(in * kernel * kernel));
    struct wn_window win = {2, {kernel, kernel}, {stride, stride}, {1, 1}, {kernel / 2, kernel / 2}, {kernel / 2, kernel / 2}};
    return wn_conv(s->p, x, subject_weight(s, SHAPE(out, in, kernel, kernel), -a, a), WN_NONE, &win, 1);
}

/* Convolutions, both pools, a residual sum and two dense layers, none with a bias; wide enough that no cell is only excited or only
 * inhibited, whose relevance the alpha-beta rule does not keep. */
static struct path net_without_biases(struct subject *s, int unused)
{
    (void)unused;
    struct wn_program *p = s->p;
    struct wn_window pool = {2, {2, 2}, {2, 2}, {1, 1}, {0, 0}, {0, 0}};
    int x = wn_linear(p, subject_input(s, SHAPE(2, 3, 12, 12), true, -1, 1), 2, 0);
    int a = wn_maxpool(p, wn_relu(p, conv(s, x, 3, 20, 5, 1)), &pool, NULL);
    int b = wn_relu(p, wn_add(p, conv(s, wn_relu(p, conv(s, a, 20, 20, 3, 1)), 20, 20, 3, 1), a));
    int c = wn_avgpool(p, wn_relu(p, conv(s, b, 20, 10, 3, 1)), &pool, false);
    struct wn_shape flat = SHAPE(2, 90);
    int d = wn_relu(p, wn_matmul(p, wn_reshape(p, c, &flat), false, subject_weight(s, SHAPE(90, 20), -0.3, 0.3), false, WN_NONE));
    int y = wn_matmul(p, d, false, subject_weight(s, SHAPE(7, 20), -0.5, 0.5), true, WN_NONE);
    return (struct path){WN_NONE, x, y};
}

/* Sum of image n's relevance against v.y. */
static void sums_to_the_score(struct lab *t, double limit)
{
    double *map = read_value(t, t->map), *y = read_value(t, t->path.from);
    const float *seed = data_of(t, t->seed);
    for (int64_t n = 0; n < 2; n++) {
        double sum = 0, score = 0;
        for (int64_t i = 0; i < 144; i++) sum += map[n * 144 + i];
        for (int64_t i = 0; i < 7; i++) score += seed[n * 7 + i] * y[n * 7 + i];
        if (!(fabs(sum - score) <= limit * fabs(score))) fail_msg("relevance sums to %.9g, the score is %.9g (limit %g)", sum, score, limit);
    }
    free(map);
    free(y);
}

static void relevance_is_conserved_where_there_are_no_biases(void **state)
{
    (void)state;
    static const struct wn_lrp rules[] = {{.epsilon = 1e-9f},
                                          {.epsilon = 1e-9f, .split = true, .alpha = 1},
                                          {.epsilon = 1e-9f, .split = true, .alpha = 2, .beta = 1},
                                          {.epsilon = 1e-9f, .split = true, .alpha = 1.5f, .beta = 0.5f}};
    for (uint64_t number = 1; number <= 5; number++)
        for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
            struct lab t;
            lab_build(&t, net_without_biases, number, &rules[i], false);
            lab_run(&t);
            sums_to_the_score(&t, 1e-5);
            lab_finish(&t);
        }
}

/* A network of ReLUs with biases: epsilon 1e-9 is the input times the gradient. */
static struct path relu_net(struct subject *s, int unused)
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

static void vanishing_epsilon_is_input_times_gradient(void **state)
{
    (void)state;
    for (uint64_t number = 1; number <= 5; number++) {
        struct lab t;
        lab_build(&t, relu_net, number, &(struct wn_lrp){.epsilon = 1e-9f}, false);
        struct wn_program *p = t.s.p;
        struct wn_rows rows = {WN_NONE, 2};
        int plain = wn_program_output(p, wn_channel_dot(p, t.path.to, wn_backward(p, t.path.from, t.seed, t.path.to, rows)));
        lab_run(&t);
        double *a = read_value(&t, t.map), *b = read_value(&t, plain), worst = 0, most = 0;
        for (int i = 0; i < 288; i++) {
            worst = fmax(worst, fabs(a[i] - b[i]));
            most = fmax(most, fabs(b[i]));
        }
        if (!(worst <= 1e-5 * most)) fail_msg("off by %g of the largest", worst / most);
        free(a);
        free(b);
        lab_finish(&t);
    }
}

/* ---- refusals ---- */

static struct path with(struct subject *s, int how)
{
    int x = wn_linear(s->p, subject_input(s, SHAPE(1, 2, 4, 4), true, 0.5, 1), 1.5f, 0), y = x;
    if (how == 0) y = wn_unary(s->p, WN_UNARY_SIGMOID, x, 0, 0);
    if (how == 1) y = wn_mul(s->p, x, x);
    if (how == 2) y = wn_unary(s->p, WN_UNARY_EXP, x, 0, 0);
    struct wn_shape flat = SHAPE(1, 32);
    return (struct path){WN_NONE, x, wn_reshape(s->p, y, &flat)};
}
static struct path sigmoid(struct subject *s, int unused) { return (void)unused, with(s, 0); }
static struct path square(struct subject *s, int unused) { return (void)unused, with(s, 1); }
static struct path exponential(struct subject *s, int unused) { return (void)unused, with(s, 2); }

static void what_has_no_rule_is_named(void **state)
{
    (void)state;
    struct {
        struct path (*net)(struct subject *, int);
        const char *name;
    } cases[] = {{sigmoid, "'sigmoid'"}, {square, "product of two activations"}, {exponential, "'exp'"}};
    for (int i = 0; i < 3; i++) {
        struct lab t;
        lab_build(&t, cases[i].net, 1, &(struct wn_lrp){.epsilon = 1e-6f}, false);
        assert_int_equal(t.code, WN_UNSUPPORTED);
        assert_non_null(strstr(t.s.p->error.text, cases[i].name));
        lab_finish(&t);
    }
}

int main(void)
{
    static struct wn_lrp epsilon = {.epsilon = 0.05f}, tiny = {.epsilon = 1e-6f}, plus = {.epsilon = 0.05f, .split = true, .alpha = 1},
                         two_one = {.epsilon = 0.05f, .split = true, .alpha = 2, .beta = 1};
    const struct CMUnitTest tests[] = {
        {"epsilon 0.05: the bent gradient is the recursion", bent_gradient_is_the_recursion, NULL, NULL, &epsilon},
        {"epsilon 1e-6: the bent gradient is the recursion", bent_gradient_is_the_recursion, NULL, NULL, &tiny},
        {"z+: the bent gradient is the recursion", bent_gradient_is_the_recursion, NULL, NULL, &plus},
        {"alpha 2, beta 1: the bent gradient is the recursion", bent_gradient_is_the_recursion, NULL, NULL, &two_one},
        cmocka_unit_test(relevance_is_conserved_where_there_are_no_biases),
        cmocka_unit_test(vanishing_epsilon_is_input_times_gradient),
        cmocka_unit_test(what_has_no_rule_is_named),
    };
    struct wn_error err = {0};
    if (wn_backend_open("ref", NULL, &ref, &err) != WN_OK) return print_error("%s\n", err.text), 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    wn_backend_close(ref);
    return failed;
}
