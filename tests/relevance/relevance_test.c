/* Relevance as the library computes it, a bent gradient, against the recursion of the papers written out over single
 * links, in double precision on the oracle; and what relevance conserves. */
#include "bench.h"
#include "links.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "methods/lrp.h"

enum { NETS = 150 };
/* Of the largest element. Epsilon, alpha and beta are f32 constants of the program. */
static const double tolerance = 1e-6;

static int lrp(struct wn_program *p, const struct wn_method_in *in, const void *rule)
{
    return wn_lrp_map(p, in, rule);
}

/* ---- the recursion ---- */

struct recursion {
    const struct wn_program *p;
    const struct wn_step *s;
    const struct wn_lrp *rule;
    double **value, **relevance; /* of every value of the forward pass */
    double *up, *down;           /* of the step at hand: Z+ and Z- */
    int pixels;                  /* value: the net's input */
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
    r->relevance[r->s->in[operand]][i] +=
        r->value[r->s->in[operand]][i] * w * r->relevance[r->s->out[0]][j] / (z + (z < 0 ? -eps : eps));
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

/* x w - l w^+ - h w^-, each at least 0 for pixels within their bounds. */
static double boxed(const struct recursion *r, int64_t i, double w)
{
    return r->value[r->s->in[0]][i] * w - (w > 0 ? lab_low[0] : lab_high[0]) * w;
}

static void sum_boxed(void *ctx, int operand, int64_t i, int64_t j, double w)
{
    struct recursion *r = ctx;
    (void)operand;
    r->up[j] += boxed(r, i, w);
}

static void share_boxed(void *ctx, int operand, int64_t i, int64_t j, double w)
{
    struct recursion *r = ctx;
    r->relevance[r->s->in[operand]][i] +=
        boxed(r, i, w) * r->relevance[r->s->out[0]][j] / (r->up[j] + r->rule->epsilon);
}

static void box(struct recursion *r)
{
    r->up = calloc((size_t)wn_shape_count(&r->p->values[r->s->out[0]].shape), sizeof *r->up);
    each_link(r->p, r->s, r->value, sum_boxed, r);
    each_link(r->p, r->s, r->value, share_boxed, r);
    free(r->up);
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

/* The nets' only products of two activations are squeeze-and-excite gates: the one with a single cell a plane gates. */
static int signal_of_product(const struct wn_program *p, const struct wn_step *s)
{
    for (int k = 0; k < 2; k++)
        if (lab_is_const(p, s->in[k])) return 1 - k;
    const struct wn_shape *a = &p->values[s->in[0]].shape;
    const struct wn_step *first =
        p->values[s->in[0]].kind == WN_VALUE_STEP ? &p->steps[p->values[s->in[0]].step] : NULL;
    return a->dim[2] * a->dim[3] == 1 && first && first->prim == WN_PRIM_UNARY ? 1 : 0;
}

static void step_back(struct recursion *r)
{
    const struct wn_step *s = r->s;
    r->only = -1;
    switch (s->prim) {
    case WN_PRIM_CONV:
    case WN_PRIM_CONV_BWD:
        if (r->rule->boxed && s->in[0] == r->pixels)
            box(r);
        else if (r->rule->split)
            split(r);
        else
            each_link(r->p, s, r->value, share_by_epsilon, r);
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
    if (!each_link(r->p, s, r->value, share_by_epsilon, r))
        fail_msg("the test has no rule for '%s'", wn_prim_name(s->prim));
}

/* Relevance at `to` for one seed per image, (N,K). */
static double *recursion(struct lab *t, const struct wn_lrp *rule, const double *seed)
{
    const struct wn_program *p = t->s.p;
    struct recursion r = {.p = p,
                          .rule = rule,
                          .pixels = t->path.to,
                          .value = calloc((size_t)t->n_values, sizeof *r.value),
                          .relevance = calloc((size_t)t->n_values, sizeof *r.relevance)};
    for (int v = 0; v < t->n_values; v++) {
        r.value[v] = lab_read(t, v);
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
    const float *seeds = lab_data(t, t->seed), *row = t->row == WN_NONE ? NULL : lab_data(t, t->row);
    int64_t rows = row ? LAB_ROWS : x.dim[0], k = y.dim[1], area = x.dim[2] * x.dim[3];
    double *map = lab_read(t, t->map), *seed = calloc((size_t)(y.dim[0] * k), sizeof *seed), worst = 0, most = 1e-12;
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
            lab_build(&t, random_net, number, lrp, rule, gathered ? LAB_GATHERED : 0);
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
    if (answered < (rule->boxed ? 20 : NETS))
        fail_msg("only %d of %d nets had a rule for everything", answered, 2 * NETS);
}

/* Sum of image n's relevance against v.y. */
static void sums_to_the_score(struct lab *t, double limit)
{
    double *map = lab_read(t, t->map), *y = lab_read(t, t->path.from);
    const float *seed = lab_data(t, t->seed);
    for (int64_t n = 0; n < 2; n++) {
        double sum = 0, score = 0;
        for (int64_t i = 0; i < 144; i++) sum += map[n * 144 + i];
        for (int64_t i = 0; i < 7; i++) score += seed[n * 7 + i] * y[n * 7 + i];
        if (!(fabs(sum - score) <= limit * fabs(score)))
            fail_msg("relevance sums to %.9g, the score is %.9g (limit %g)", sum, score, limit);
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
                                          {.epsilon = 1e-9f, .split = true, .alpha = 1.5f, .beta = 0.5f},
                                          {.epsilon = 1e-9f, .split = true, .alpha = 1, .boxed = true}};
    for (uint64_t number = 1; number <= 5; number++)
        for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
            struct lab t;
            lab_build(&t, net_without_biases, number, lrp, &rules[i], 0);
            lab_run(&t);
            sums_to_the_score(&t, 1e-5);
            lab_finish(&t);
        }
}

static void vanishing_epsilon_is_input_times_gradient(void **state)
{
    (void)state;
    for (uint64_t number = 1; number <= 5; number++) {
        struct lab t;
        lab_build(&t, relu_net, number, lrp, &(struct wn_lrp){.epsilon = 1e-9f}, 0);
        struct wn_program *p = t.s.p;
        struct wn_rows rows = {WN_NONE, 2};
        int plain =
            wn_program_output(p, wn_channel_dot(p, t.path.to, wn_backward(p, t.path.from, t.seed, t.path.to, rows)));
        lab_run(&t);
        double *a = lab_read(&t, t.map), *b = lab_read(&t, plain), worst = 0, most = 0;
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
static struct path sigmoid(struct subject *s, int unused)
{
    return (void)unused, with(s, 0);
}
static struct path square(struct subject *s, int unused)
{
    return (void)unused, with(s, 1);
}
static struct path exponential(struct subject *s, int unused)
{
    return (void)unused, with(s, 2);
}

static void what_has_no_rule_is_named(void **state)
{
    (void)state;
    struct {
        struct path (*net)(struct subject *, int);
        const char *name;
    } cases[] = {{sigmoid, "'sigmoid'"}, {square, "product of two activations"}, {exponential, "'exp'"}};
    for (int i = 0; i < 3; i++) {
        struct lab t;
        lab_build(&t, cases[i].net, 1, lrp, &(struct wn_lrp){.epsilon = 1e-6f}, 0);
        assert_int_equal(t.code, WN_UNSUPPORTED);
        assert_non_null(strstr(t.s.p->error.text, cases[i].name));
        lab_finish(&t);
    }
}

int main(void)
{
    static struct wn_lrp epsilon = {.epsilon = 0.05f}, tiny = {.epsilon = 1e-6f},
                         plus = {.epsilon = 0.05f, .split = true, .alpha = 1},
                         composite = {.epsilon = 0.05f, .split = true, .alpha = 1, .boxed = true},
                         two_one = {.epsilon = 0.05f, .split = true, .alpha = 2, .beta = 1};
    const struct CMUnitTest tests[] = {
        {"epsilon 0.05: the bent gradient is the recursion", bent_gradient_is_the_recursion, NULL, NULL, &epsilon},
        {"epsilon 1e-6: the bent gradient is the recursion", bent_gradient_is_the_recursion, NULL, NULL, &tiny},
        {"z+: the bent gradient is the recursion", bent_gradient_is_the_recursion, NULL, NULL, &plus},
        {"alpha 2, beta 1: the bent gradient is the recursion", bent_gradient_is_the_recursion, NULL, NULL, &two_one},
        {"zB and z+: the bent gradient is the recursion", bent_gradient_is_the_recursion, NULL, NULL, &composite},
        cmocka_unit_test(relevance_is_conserved_where_there_are_no_biases),
        cmocka_unit_test(vanishing_epsilon_is_input_times_gradient),
        cmocka_unit_test(what_has_no_rule_is_named),
    };
    return cmocka_run_group_tests(tests, lab_open_oracle, lab_close_oracle);
}
