/* Judges one backend against the oracle: prims_test --backend NAME [--precision P] [--repeats N] [--seed S] [--case
 * TEXT] [--complete].
 *
 * Every case is built several times from seeds; the backend runs it as built and again after wn_program_optimize, the
 * oracle as built. A case with a primitive that the backend lacks is skipped, or fails with --complete. Exits 77 where
 * the backend does not open on this machine. */
#include "cases.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct {
    const char *backend, *only;
    enum wn_precision precision;
    int repeats;
    uint64_t seed;
    bool complete;
} options = {.backend = "ref", .repeats = 6, .seed = 1};

static struct wn_backend *judged, *oracle;

/* Relative to max|ref|. */
static double tolerance(void)
{
    switch (options.precision) {
    case WN_PRECISION_BF16: return 1e-2;
    case WN_PRECISION_F16: return 4e-3;
    case WN_PRECISION_TF32: return 2e-3;
    default: return 1e-5;
    }
}

static bool narrow(void)
{
    return tolerance() > 1e-5;
}

static void compare(const struct subject *s, const struct outcome *got, const struct outcome *ref, const char *how)
{
    for (int i = 0; i < ref->n; i++) {
        /* Data are of size 1: what is much smaller has lost digits to cancellation. */
        double off = relative_error(got->data[i], ref->data[i], ref->count[i], narrow() ? 0.25 : 0.02);
        double limit = s->exact[i] ? 0 : tolerance();
        if (off <= limit) continue;
        char *text = wn_program_text(s->p);
        print_error("%s", text ? text : "");
        free(text);
        fail_msg("output %d %s is off by %g of the largest value; at most %g is allowed", i, how, off, limit);
    }
}

/* WN_UNSUPPORTED where the backend lacks a primitive. */
static enum wn_code judge_once(const struct prim_case *c, uint64_t seed, bool optimized, const struct outcome *ref)
{
    struct subject s;
    struct outcome got;
    struct wn_error err = {0};
    subject_init(&s, seed, narrow());
    c->build(&s, c->arg);
    if (optimized && wn_program_optimize(s.p, &err) != WN_OK) fail_msg("optimize: %s", err.text);
    enum wn_code code = subject_run(&s, judged, &got, &err);
    if (code == WN_OK) compare(&s, &got, ref, optimized ? "after optimizing" : "as built");
    if (code != WN_OK && options.complete) fail_msg("%s", err.text);
    outcome_finish(&got);
    subject_finish(&s);
    return code;
}

static enum wn_code judge(const struct prim_case *c, uint64_t seed)
{
    struct subject s;
    struct outcome ref;
    struct wn_error err = {0};
    subject_init(&s, seed, narrow());
    c->build(&s, c->arg);
    if (subject_run(&s, oracle, &ref, &err) != WN_OK) fail_msg("the oracle: %s", err.text);
    enum wn_code code = judge_once(c, seed, false, &ref);
    if (code == WN_OK) code = judge_once(c, seed, true, &ref);
    outcome_finish(&ref);
    subject_finish(&s);
    return code;
}

static void case_agrees_with_the_oracle(void **state)
{
    const struct prim_case *c = *state;
    for (int i = 0; i < options.repeats; i++) {
        uint64_t seed = options.seed + (uint64_t)i;
        if (judge(c, seed) != WN_OK) skip();
    }
}

static int open_both(void)
{
    struct wn_error err = {0};
    struct wn_backend_options how = {.precision = options.precision};
    if (!wn_backend_find(options.backend))
        return fprintf(stderr, "there is no backend '%s' in this build\n", options.backend), 2;
    if (wn_backend_open("ref", NULL, &oracle, &err) != WN_OK) return fprintf(stderr, "%s\n", err.text), 2;
    if (wn_backend_open(options.backend, &how, &judged, &err) == WN_OK) return 0;
    fprintf(stderr, "skipped: %s\n", err.text);
    wn_backend_close(oracle);
    return 77;
}

static int run_all(void)
{
    static const struct prim_case *const tables[] = {conv_cases, pool_cases, math_cases, move_cases, net_cases};
    static struct CMUnitTest tests[256];
    size_t n = 0;
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const struct prim_case *c = tables[t]; c->name; c++)
            if (n < 256 && (!options.only || strstr(c->name, options.only)))
                tests[n++] = (struct CMUnitTest){c->name, case_agrees_with_the_oracle, NULL, NULL, (void *)c};
    return _cmocka_run_group_tests(options.backend, tests, n, NULL, NULL) ? 1 : 0;
}

static int usage(void)
{
    fprintf(stderr,
            "usage: prims_test [--backend NAME] [--precision P] [--repeats N] [--seed S] [--case TEXT] [--complete]\n");
    return 2;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--complete") == 0) {
            options.complete = true;
            continue;
        }
        if (!value) return usage();
        if (strcmp(argv[i], "--backend") == 0)
            options.backend = value;
        else if (strcmp(argv[i], "--precision") == 0)
            options.precision = wn_precision_find(value);
        else if (strcmp(argv[i], "--repeats") == 0)
            options.repeats = atoi(value);
        else if (strcmp(argv[i], "--seed") == 0)
            options.seed = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--case") == 0)
            options.only = value;
        else
            return usage();
        i++;
    }
    int status = open_both();
    if (status) return status;
    status = run_all();
    wn_backend_close(judged);
    wn_backend_close(oracle);
    return status;
}
