/* wn_backward against central differences in double precision, for rows that are the images and for rows gathered over
 * them; wn_channel_mean against the mean of the gradient; the optimised program against the program as built. */
#include "nets.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ref/ref.h"

enum { NETS = 150, ROWS = 5 };
static const double step = 1e-6;
/* Of the largest element. Differences are good to 1e-9; scales of means are rounded to f32. */
static const double tolerance = 1e-6;

static struct wn_backend *ref;

/* A gradient under test, ready to run. */
struct trial {
    struct subject s;
    struct path path;
    int seed, row, gradient, mean; /* values; row: WN_NONE where row r is image r */
    struct wn_exe *exe;
};

static double *doubles(int64_t n)
{
    double *d = calloc((size_t)n + 1, sizeof *d);
    if (!d) fail_msg("no memory for the test itself");
    return d;
}

static int64_t count_of(const struct trial *t, int value)
{
    return wn_shape_count(&wn_program_value(t->s.p, value)->shape);
}

static const struct subject_input *data_of(const struct trial *t, int value)
{
    for (int i = 0; i < t->s.n_inputs; i++)
        if (t->s.inputs[i].value == value) return &t->s.inputs[i];
    fail_msg("value %d is no input", value);
    return NULL;
}

/* ---- making a trial ---- */

enum { GATHERED = 1, OPTIMIZED = 2, WITH_MEAN = 4 };

/* Builds the case and asks for its gradient; the program's error, if there is one, is left for the caller. */
static void trial_build(struct trial *t, const struct grad_case *c, uint64_t seed, int flags)
{
    struct wn_program *p;
    *t = (struct trial){.row = WN_NONE, .mean = WN_NONE};
    subject_init(&t->s, seed, false);
    p = t->s.p;
    t->path = c->build(&t->s, c->arg);
    wn_program_output(p, t->path.from);
    if (wn_program_error(p, NULL) != WN_OK) fail_msg("%s: %s", c->name, p->error.text);
    struct wn_shape shape = wn_program_value(p, t->path.from)->shape;
    int64_t n = shape.dim[0];
    if (flags & GATHERED) {
        wn_program_end_stage(p);
        t->row = subject_rows(&t->s, ROWS, n);
        shape.dim[0] = ROWS;
    }
    t->seed = subject_input(&t->s, shape, true, -1, 1);
    struct wn_rows rows = {.row = t->row, .count = flags & GATHERED ? ROWS : n};
    t->gradient = wn_backward(p, t->path.from, t->seed, t->path.to, rows);
    if (flags & WITH_MEAN)
        t->mean = wn_program_output(p, wn_channel_mean(p, t->gradient));
    else
        wn_program_output(p, t->gradient);
}

static void trial_compile(struct trial *t, bool optimized)
{
    struct wn_error err = {0};
    if (wn_program_error(t->s.p, &err) != WN_OK) fail_msg("%s", err.text);
    if (optimized && wn_program_optimize(t->s.p, &err) != WN_OK) fail_msg("%s", err.text);
    if (ref->impl->compile(ref, t->s.p, &t->exe, &err) != WN_OK) fail_msg("%s", err.text);
    for (int i = 0; i < t->s.n_inputs; i++) ref->impl->write(t->exe, t->s.inputs[i].value, t->s.inputs[i].data, NULL);
}

static void trial_run(struct trial *t, int stages)
{
    struct wn_error err = {0};
    for (int i = 0; i < stages; i++)
        if (ref->impl->run(t->exe, i, &err) != WN_OK) fail_msg("%s", err.text);
}

static double *trial_read(struct trial *t, int value)
{
    double *d = doubles(count_of(t, value));
    if (wn_ref_read_double(t->exe, value, d, NULL) != WN_OK) fail_msg("value %d cannot be read", value);
    return d;
}

static void trial_finish(struct trial *t)
{
    if (t->exe) ref->impl->release(t->exe);
    subject_finish(&t->s);
}

/* ---- difference quotients ---- */

/* `from` with element i of the shaken input moved by `by`. */
static double *shaken(struct trial *t, double *x, int64_t i, double by)
{
    double was = x[i];
    x[i] += by;
    wn_ref_write_double(t->exe, t->path.shaken, x, NULL);
    x[i] = was;
    trial_run(t, 1);
    return trial_read(t, t->path.from);
}

/* d(sum over [begin, end) of seed*from)/dx from the two runs around x. */
static double quotient(const double *hi, const double *lo, const float *seed, int64_t begin, int64_t n)
{
    double sum = 0;
    for (int64_t k = 0; k < n; k++) sum += (double)seed[k] * (hi[begin + k] - lo[begin + k]);
    return sum / (2 * step);
}

/* The gradient by differences, laid out as wn_backward lays it out. A row looks at its own image only. */
static double *numeric_gradient(struct trial *t)
{
    const struct subject_input *shaken_input = data_of(t, t->path.shaken);
    const float *seed = data_of(t, t->seed)->data, *row = t->row == WN_NONE ? NULL : data_of(t, t->row)->data;
    int64_t n_to = count_of(t, t->path.to), n_from = count_of(t, t->path.from);
    int64_t images = wn_program_value(t->s.p, t->path.to)->shape.dim[0], block = n_to / images;
    double *x = doubles(n_to), *g = doubles(row ? ROWS * block : n_to);
    for (int64_t i = 0; i < n_to; i++) x[i] = shaken_input->data[i];
    for (int64_t i = 0; i < n_to; i++) {
        double *hi = shaken(t, x, i, step), *lo = shaken(t, x, i, -step);
        int64_t per_image = n_from / images;
        if (!row) g[i] = quotient(hi, lo, seed, 0, n_from);
        for (int64_t r = 0; row && r < ROWS; r++)
            if ((int64_t)row[r] == i / block)
                g[r * block + i % block] = quotient(hi, lo, seed + r * per_image, i / block * per_image, per_image);
        free(hi);
        free(lo);
    }
    free(x);
    return g;
}

/* max|a-b| / max|b|, where b is at least `floor` somewhere. */
static double worst(const double *a, const double *b, int64_t n)
{
    double off = 0, largest = 1e-12;
    for (int64_t i = 0; i < n; i++) {
        if (!(fabs(a[i] - b[i]) <= off)) off = isnan(a[i]) ? INFINITY : fabs(a[i] - b[i]);
        if (fabs(b[i]) > largest) largest = fabs(b[i]);
    }
    return off / largest;
}

static void agree(struct trial *t, const double *got, const double *want, int64_t n, double limit, const char *what)
{
    double off = worst(got, want, n);
    if (off <= limit) return;
    char *text = wn_program_text(t->s.p);
    print_error("%s", text ? text : "");
    free(text);
    fail_msg("%s is off by %g of its largest value; %g is allowed", what, off, limit);
}

static void check_gradient(const struct grad_case *c, uint64_t seed, int flags)
{
    struct trial t;
    trial_build(&t, c, seed, flags);
    trial_compile(&t, flags & OPTIMIZED);
    trial_run(&t, wn_program_stages(t.s.p));
    double *got = trial_read(&t, t.gradient), *want = numeric_gradient(&t);
    agree(&t, got, want, count_of(&t, t.gradient), tolerance,
          flags & GATHERED ? "the gradient by rows" : "the gradient");
    free(got);
    free(want);
    trial_finish(&t);
}

/* ---- tests ---- */

static void gradient_is_the_limit_of_differences(void **state)
{
    const struct grad_case *c = *state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        check_gradient(c, seed, 0);
        if (!c->crosses_batch) check_gradient(c, seed, GATHERED);
    }
}

/* Where images meet, rows in place of images have no meaning, and saying so is the only right answer. */
static void rows_are_refused_where_images_meet(void **state)
{
    (void)state;
    for (const struct grad_case *c = primitive_cases; c->name; c++) {
        struct trial t;
        if (!c->crosses_batch) continue;
        trial_build(&t, c, 1, GATHERED);
        if (wn_program_error(t.s.p, NULL) == WN_OK) fail_msg("%s was differentiated by rows", c->name);
        trial_finish(&t);
    }
}

static const struct grad_case net_case = {"random net", random_net, 0, false};

static void random_nets_have_the_gradient_of_differences(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= NETS; seed++) check_gradient(&net_case, seed, seed % 2 ? GATHERED : 0);
}

static void optimised_nets_have_the_gradient_of_differences(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= NETS; seed += 3)
        check_gradient(&net_case, seed, OPTIMIZED | (seed % 2 ? GATHERED : 0));
}

static void optimising_keeps_the_numbers_and_saves_steps(void **state)
{
    (void)state;
    int before = 0, after = 0;
    for (uint64_t seed = 1; seed <= NETS; seed++) {
        struct trial a, b;
        trial_build(&a, &net_case, seed, GATHERED);
        trial_build(&b, &net_case, seed, GATHERED);
        trial_compile(&a, false);
        trial_compile(&b, true);
        trial_run(&a, 2);
        trial_run(&b, 2);
        const int values[] = {a.path.from, a.gradient};
        for (int i = 0; i < 2; i++) {
            double *x = trial_read(&a, values[i]), *y = trial_read(&b, values[i]);
            agree(&b, y, x, count_of(&a, values[i]), 1e-13, "an optimised value");
            free(x);
            free(y);
        }
        before += wn_program_steps(a.s.p);
        after += wn_program_steps(b.s.p);
        if (wn_program_steps(b.s.p) > wn_program_steps(a.s.p)) fail_msg("net %d grew", (int)seed);
        trial_finish(&a);
        trial_finish(&b);
    }
    assert_true(after < before * 19 / 20);
}

enum readers { POOL, POOL_AND_SUM, POOL_OF_A_SUM };

static int64_t units_of(struct wn_program *p)
{
    int64_t units = 0;
    assert_int_equal(wn_program_optimize(p, NULL), WN_OK);
    for (int i = 0; i < wn_program_steps(p); i++) {
        const struct wn_step *s = wn_program_step(p, i);
        if (s->prim == WN_PRIM_UNARY_BWD) units += wn_shape_count(&wn_program_value(p, s->out[0])->shape);
    }
    return units;
}

/* How many units a gradient through a ReLU and a max-pool asks whether they are on. */
static int64_t units_asked(enum readers readers, int flags)
{
    struct subject s;
    const struct wn_window win = {2, {2, 2}, {2, 2}, {1, 1}, {0, 0}, {0, 0}};
    const struct wn_shape shape = {4, {3, 2, 4, 6}};
    int index, row = WN_NONE;
    subject_init(&s, 1, false);
    const int x = subject_input(&s, shape, true, -1, 1), relu = wn_relu(s.p, x);
    const int read = readers == POOL_OF_A_SUM ? wn_add(s.p, relu, subject_input(&s, shape, true, -1, 1)) : relu;
    const int pooled = wn_maxpool(s.p, read, &win, &index);
    const int y = readers == POOL_AND_SUM
                      ? wn_add(s.p, wn_reduce(s.p, WN_REDUCE_SUM, relu, 12), wn_reduce(s.p, WN_REDUCE_SUM, pooled, 12))
                      : pooled;
    wn_program_output(s.p, y);
    struct wn_shape seed = wn_program_value(s.p, y)->shape;
    if (flags & GATHERED) {
        wn_program_end_stage(s.p);
        row = subject_rows(&s, ROWS, 3);
        seed.dim[0] = ROWS;
    }
    wn_program_output(s.p,
                      wn_backward(s.p, y, subject_input(&s, seed, true, -1, 1), x, (struct wn_rows){row, seed.dim[0]}));
    const int64_t asked = units_of(s.p);
    subject_finish(&s);
    return asked;
}

/* The same where what comes back has passed the winners of other rows than those that ask. */
static int64_t units_asked_by_others(void)
{
    struct subject s;
    const struct wn_window win = {2, {2, 2}, {2, 2}, {1, 1}, {0, 0}, {0, 0}};
    const struct wn_shape shape = {4, {3, 2, 4, 6}}, above = {4, {ROWS, 2, 2, 3}}, below = {4, {ROWS, 2, 4, 6}};
    int index;
    subject_init(&s, 1, false);
    const int x = subject_input(&s, shape, true, -1, 1), relu = wn_relu(s.p, x);
    wn_program_output(s.p, wn_maxpool(s.p, relu, &win, &index));
    wn_program_end_stage(s.p);
    const int own = subject_rows(&s, ROWS, 3), others = subject_rows(&s, ROWS, 3);
    const int seed =
        wn_maxpool_bwd(s.p, subject_input(&s, above, true, -1, 1), wn_gather(s.p, index, others), &win, &below);
    wn_program_output(s.p, wn_backward(s.p, relu, seed, x, (struct wn_rows){own, ROWS}));
    const int64_t asked = units_of(s.p);
    subject_finish(&s);
    return asked;
}

static void a_relu_before_a_maxpool_is_undone_behind_it(void **state)
{
    (void)state;
    assert_int_equal(units_asked(POOL, 0), 3 * 2 * 2 * 3);
    assert_int_equal(units_asked(POOL, GATHERED), ROWS * 2 * 2 * 3);
    assert_int_equal(units_asked(POOL_AND_SUM, 0), 3 * 2 * 4 * 6);
    assert_int_equal(units_asked(POOL_OF_A_SUM, 0), 3 * 2 * 4 * 6);
    assert_int_equal(units_asked_by_others(), ROWS * 2 * 4 * 6);
}

static void channel_mean_is_the_mean_of_the_gradient_on_random_nets(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= NETS; seed++) {
        struct trial t;
        trial_build(&t, &net_case, seed, WITH_MEAN | (seed % 2 ? GATHERED : 0));
        int plain = wn_program_output(t.s.p, wn_reduce(t.s.p, WN_REDUCE_MEAN, t.gradient, 12));
        trial_compile(&t, false);
        trial_run(&t, wn_program_stages(t.s.p));
        double *got = trial_read(&t, t.mean), *want = trial_read(&t, plain);
        agree(&t, got, want, count_of(&t, plain), tolerance, "the channel mean");
        free(got);
        free(want);
        trial_finish(&t);
    }
}

/* ---- refusals ---- */

static enum wn_code code_of(struct subject *s, int from, int to)
{
    wn_backward(s->p, from, subject_input(s, wn_program_value(s->p, from)->shape, true, -1, 1), to,
                (struct wn_rows){.row = WN_NONE, .count = 2});
    return wn_program_error(s->p, NULL);
}

static void a_layer_that_the_logits_do_not_see_is_refused(void **state)
{
    (void)state;
    struct subject s;
    subject_init(&s, 1, false);
    int x = subject_input(&s, SHAPE(2, 3), true, -1, 1), aside = wn_relu(s.p, x), y = wn_linear(s.p, x, 2, 0);
    assert_int_equal(code_of(&s, y, aside), WN_NO_SUCH_LAYER);
    subject_finish(&s);
}

static void a_primitive_without_a_derivative_is_named(void **state)
{
    (void)state;
    struct subject s;
    struct wn_error err = {0};
    subject_init(&s, 1, false);
    int x = subject_input(&s, SHAPE(2, 3, 4), true, -1, 1), y = wn_channel_dot(s.p, x, x);
    assert_int_equal(code_of(&s, y, x), WN_UNSUPPORTED);
    wn_program_error(s.p, &err);
    assert_non_null(strstr(err.text, "channel_dot"));
    subject_finish(&s);
}

static void a_maximum_over_an_axis_alone_is_refused_and_not_taken_for_zero(void **state)
{
    (void)state;
    struct subject s;
    subject_init(&s, 1, false);
    int x = subject_input(&s, SHAPE(2, 3, 4), true, -1, 1);
    assert_int_equal(code_of(&s, wn_reduce(s.p, WN_REDUCE_MAX, x, 4), x), WN_UNSUPPORTED);
    subject_finish(&s);
}

static void the_gradient_of_a_value_by_itself_is_its_seed(void **state)
{
    (void)state;
    struct subject s;
    subject_init(&s, 1, false);
    int x = subject_input(&s, SHAPE(2, 3), true, -1, 1), seed = subject_input(&s, SHAPE(2, 3), true, -1, 1);
    assert_int_equal(wn_backward(s.p, x, seed, x, (struct wn_rows){WN_NONE, 2}), seed);
    subject_finish(&s);
}

static int open_ref(void **state)
{
    (void)state;
    return wn_backend_open("ref", NULL, &ref, NULL);
}

static int close_ref(void **state)
{
    (void)state;
    wn_backend_close(ref);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_refused_where_images_meet),
        cmocka_unit_test(random_nets_have_the_gradient_of_differences),
        cmocka_unit_test(optimised_nets_have_the_gradient_of_differences),
        cmocka_unit_test(a_relu_before_a_maxpool_is_undone_behind_it),
        cmocka_unit_test(optimising_keeps_the_numbers_and_saves_steps),
        cmocka_unit_test(channel_mean_is_the_mean_of_the_gradient_on_random_nets),
        cmocka_unit_test(a_layer_that_the_logits_do_not_see_is_refused),
        cmocka_unit_test(a_primitive_without_a_derivative_is_named),
        cmocka_unit_test(a_maximum_over_an_axis_alone_is_refused_and_not_taken_for_zero),
        cmocka_unit_test(the_gradient_of_a_value_by_itself_is_its_seed),
    };
    static struct CMUnitTest primitives[128];
    size_t n = 0;
    for (const struct grad_case *c = primitive_cases; c->name; c++)
        primitives[n++] = (struct CMUnitTest){c->name, gradient_is_the_limit_of_differences, NULL, NULL, (void *)c};
    int failed = _cmocka_run_group_tests("gradient_is_the_limit_of_differences", primitives, n, open_ref, close_ref);
    return cmocka_run_group_tests(tests, open_ref, close_ref) || failed;
}
