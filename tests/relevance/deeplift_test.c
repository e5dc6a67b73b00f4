/* DeepLIFT as the library computes it against its definition, result by result, in double precision on the oracle;
 * and that its contributions sum to what they are said to. */
#include "bench.h"
#include "links.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NETS = 150 };
/* Of the largest element; scales of means are rounded to f32. */
static const double tolerance = 1e-6;

static int deeplift(struct wn_program *p, const struct wn_method_in *in, const void *rule)
{
    (void)rule;
    return wn_method_find("deeplift")->build(p, in);
}

/* ---- the definition ---- */

struct recursion {
    const struct wn_program *p;
    const struct wn_step *s;
    double **value, **multiplier;
    int64_t images, image, baseline;
};

/* The baseline's element beside an element of the image. */
static double then(const struct recursion *r, int v, int64_t i)
{
    if (lab_is_const(r->p, v)) return r->value[v][i];
    int64_t one = wn_shape_count(&r->p->values[v].shape) / r->images;
    return r->value[v][i + (r->baseline - r->image) * one];
}

static double now(const struct recursion *r, int v, int64_t i)
{
    return r->value[v][i];
}

static bool ours(const struct recursion *r, int64_t j)
{
    int64_t one = wn_shape_count(&r->p->values[r->s->out[0]].shape) / r->images;
    return j / one == r->image;
}

static void chain(void *ctx, int operand, int64_t i, int64_t j, double w)
{
    struct recursion *r = ctx;
    if (ours(r, j)) r->multiplier[r->s->in[operand]][i] += w * r->multiplier[r->s->out[0]][j];
}

/* A winner now: what the result has risen by, over what the cell has. */
static void risen(void *ctx, int operand, int64_t i, int64_t j, double w)
{
    struct recursion *r = ctx;
    int x = r->s->in[operand], y = r->s->out[0];
    (void)w;
    if (!ours(r, j)) return;
    double rise = now(r, y, j) - then(r, y, j), d = now(r, x, i) - then(r, x, i);
    if (rise >= 0 && d != 0) r->multiplier[x][i] += r->multiplier[y][j] * rise / d;
}

/* A winner of the baseline: cells and results come with the baseline's numbers. */
static void fallen(void *ctx, int operand, int64_t i, int64_t j, double w)
{
    struct recursion *r = ctx;
    int x = r->s->in[operand], y = r->s->out[0];
    int64_t by_x = (r->image - r->baseline) * (wn_shape_count(&r->p->values[x].shape) / r->images);
    int64_t by_y = (r->image - r->baseline) * (wn_shape_count(&r->p->values[y].shape) / r->images), k = j + by_y;
    (void)w;
    if (k < 0 || k >= wn_shape_count(&r->p->values[y].shape) || !ours(r, k)) return;
    double rise = now(r, y, k) - then(r, y, k), d = now(r, x, i + by_x) - then(r, x, i + by_x);
    if (rise < 0 && d != 0) r->multiplier[x][i + by_x] += r->multiplier[y][k] * rise / d;
}

static void rescale(struct recursion *r)
{
    int x = r->s->in[0], y = r->s->out[0];
    for (int64_t i = 0; i < wn_shape_count(&r->p->values[y].shape); i++) {
        double dy, dx;
        if (!ours(r, i)) continue;
        dx = now(r, x, i) - then(r, x, i);
        dy = now(r, y, i) - then(r, y, i);
        if (fabs(dx) > 1e-7)
            r->multiplier[x][i] += r->multiplier[y][i] * dy / dx;
        else if (r->s->u.unary.kind == WN_UNARY_RELU)
            r->multiplier[x][i] += r->multiplier[y][i] * (now(r, x, i) > 0);
        /* Other activations stand still only behind a ReLU that does, which lets nothing of this through. */
    }
}

static void product(struct recursion *r)
{
    const struct wn_shape *y = &r->p->values[r->s->out[0]].shape;
    for (int64_t j = 0; j < wn_shape_count(y); j++)
        for (int k = 0; ours(r, j) && k < 2; k++) {
            int a = r->s->in[k], b = r->s->in[1 - k];
            int64_t i = broadcast_index(&r->p->values[a].shape, y, j),
                    other = broadcast_index(&r->p->values[b].shape, y, j);
            if (!lab_is_const(r->p, a))
                r->multiplier[a][i] += r->multiplier[r->s->out[0]][j] * (now(r, b, other) + then(r, b, other)) / 2;
        }
}

static void step_back(struct recursion *r)
{
    const struct wn_step *s = r->s;
    if (s->prim == WN_PRIM_MAXPOOL) {
        each_winner(r->p, s, r->value[s->in[0]], risen, r);
        each_winner(r->p, s, r->value[s->in[0]], fallen, r);
    } else if (s->prim == WN_PRIM_UNARY && s->u.unary.kind != WN_UNARY_LINEAR) {
        rescale(r);
    } else if (s->prim == WN_PRIM_BINARY && s->u.binary == WN_BINARY_MUL) {
        product(r);
    } else if (!each_link(r->p, s, r->value, chain, r)) {
        fail_msg("the test has no rule for '%s'", wn_prim_name(s->prim));
    }
}

/* Multipliers at `to` of one row's image against its baseline. */
static double *definition(struct lab *t, int64_t image, int64_t baseline, const float *seed)
{
    const struct wn_program *p = t->s.p;
    const struct wn_shape y = p->values[t->path.from].shape;
    struct recursion r = {.p = p,
                          .images = y.dim[0],
                          .image = image,
                          .baseline = baseline,
                          .value = calloc((size_t)t->n_values, sizeof *r.value),
                          .multiplier = calloc((size_t)t->n_values, sizeof *r.multiplier)};
    for (int v = 0; v < t->n_values; v++) {
        r.value[v] = lab_read(t, v);
        r.multiplier[v] = calloc((size_t)wn_shape_count(&p->values[v].shape) + 1, sizeof **r.multiplier);
    }
    for (int64_t i = 0; i < y.dim[1]; i++) r.multiplier[t->path.from][image * y.dim[1] + i] = seed[i];
    for (int i = t->last - 1; i > p->values[t->path.to].step; i--) {
        r.s = &p->steps[i];
        step_back(&r);
    }
    double *result = r.multiplier[t->path.to];
    r.multiplier[t->path.to] = NULL;
    for (int v = 0; v < t->n_values; v++) {
        free(r.value[v]);
        free(r.multiplier[v]);
    }
    free(r.value);
    free(r.multiplier);
    return result;
}

/* ---- tests ---- */

static void check_row(struct lab *t, int number, int64_t row, const double *x, const double *map)
{
    const struct wn_program *p = t->s.p;
    const struct wn_shape s = p->values[t->path.to].shape;
    int64_t image = (int64_t)lab_data(t, t->row)[row], baseline = (int64_t)lab_data(t, t->reference)[row],
            k = p->values[t->path.from].shape.dim[1];
    int64_t area = s.dim[2] * s.dim[3];
    const float *seed = lab_data(t, t->seed) + row * k;
    for (int64_t i = 0; image == baseline && i < area; i++)
        if (map[row * area + i] != 0) fail_msg("net %d: an image differs from itself", number);
    if (image == baseline) return;
    double *m = definition(t, image, baseline, seed), *y = lab_read(t, t->path.from), worst = 0, most = 1e-12, sum = 0,
           score = 0;
    for (int64_t i = 0; i < area; i++) {
        double want = 0, got = map[row * area + i];
        for (int64_t c = 0; c < s.dim[1]; c++) {
            int64_t at = (image * s.dim[1] + c) * area + i, beside = (baseline * s.dim[1] + c) * area + i;
            want += (x[at] - x[beside]) * m[at];
        }
        if (!(fabs(got - want) <= worst)) worst = isnan(got) ? INFINITY : fabs(got - want);
        most = fmax(most, fabs(want));
        sum += got;
    }
    for (int64_t i = 0; i < k; i++) score += seed[i] * (y[image * k + i] - y[baseline * k + i]);
    if (worst > tolerance * most)
        fail_msg("net %d, row %d is off by %g of the largest", number, (int)row, worst / most);
    if (fabs(sum - score) > tolerance * (most + fabs(score)))
        fail_msg("net %d: contributions sum to %g, the scalar changes by %g", number, sum, score);
    free(m);
    free(y);
}

static void multipliers_are_those_of_the_definition_and_sum_up(void **state)
{
    lab_net *net = *state;
    int same = 0, different = 0;
    for (int number = 1; number <= (net == random_net ? NETS : 10); number++) {
        struct lab t;
        lab_build(&t, net, (uint64_t)number, deeplift, NULL, LAB_REFERENCE);
        if (t.code != WN_OK) fail_msg("net %d: %s", number, t.s.p->error.text);
        lab_run(&t);
        double *x = lab_read(&t, t.path.to), *map = lab_read(&t, t.map);
        for (int64_t row = 0; row < LAB_ROWS; row++) {
            check_row(&t, number, row, x, map);
            *(lab_data(&t, t.row)[row] == lab_data(&t, t.reference)[row] ? &same : &different) += 1;
        }
        free(x);
        free(map);
        lab_finish(&t);
    }
    assert_true(same > 3 && different > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"random nets: multipliers are the definition's, contributions sum to the change",
         multipliers_are_those_of_the_definition_and_sum_up, NULL, NULL, random_net},
        {"a ReLU network: multipliers are the definition's, contributions sum to the change",
         multipliers_are_those_of_the_definition_and_sum_up, NULL, NULL, relu_net},
    };
    return cmocka_run_group_tests(tests, lab_open_oracle, lab_close_oracle);
}
