/* `whynot-bench engine --steps N`: where the time of a network goes. Each step of its programs by itself, summed by
 * primitive, and the longest. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One step of one program; of each a round has as many runs as the method takes. */
struct row {
    const struct wn_program *program;
    int number;                /* of the program, from 0 on */
    int stage, step, launches; /* of a round */
    enum wn_prim prim;
    double bytes, macs;      /* of a round; bytes negative: not counted */
    double now, median, *ms; /* of this round; over the rounds; of each */
    char what[128];
};

struct listing {
    struct row *rows;
    int n, cap, at; /* at: where the next one is looked for first */
    int round, rounds;
    bool failed;
};

/* ---- words and sizes ---- */

static const struct wn_shape *shape_of(const struct wn_program *p, int value)
{
    return &wn_program_value(p, value)->shape;
}

/* "64x56x56": axes from `from` on, "1" where there are none. */
static void put_shape(char *text, size_t size, const struct wn_shape *s, int from)
{
    size_t n = (size_t)snprintf(text, size, "%s", s->rank > from ? "" : "1");
    for (int d = from; d < s->rank && n < size; d++)
        n += (size_t)snprintf(text + n, size - n, "%s%lld", d > from ? "x" : "", (long long)s->dim[d]);
}

static const char *kind_of(const struct wn_step *s)
{
    static const char *const unary[] = {
#define X(id, name, from, fwd, bwd) name,
#include <whynot/unary.def>
#undef X
    };
    static const char *const binary[] = {"add", "sub", "mul", "div", "pow", "max", "min"};
    if (s->prim == WN_PRIM_UNARY || s->prim == WN_PRIM_UNARY_BWD || s->prim == WN_PRIM_SECANT)
        return unary[s->u.unary.kind];
    return s->prim == WN_PRIM_BINARY ? binary[s->u.binary] : "";
}

/* Of one image or row: "conv 3x3/2 64x56x56 > 128x28x28". */
static void describe(const struct wn_program *p, const struct wn_step *s, char *text, size_t size)
{
    char from[40], to[40], window[40] = "";
    const bool conv = s->prim == WN_PRIM_CONV || s->prim == WN_PRIM_CONV_BWD;
    put_shape(from, sizeof from, shape_of(p, s->in[0]), s->prim == WN_PRIM_MATMUL ? 0 : 1);
    put_shape(to, sizeof to, shape_of(p, s->out[0]), s->prim == WN_PRIM_MATMUL ? 0 : 1);
    if (conv) {
        const struct wn_window *w = &s->u.conv.win;
        put_shape(window, sizeof window, shape_of(p, s->in[1]), 2);
        const size_t n = strlen(window);
        snprintf(window + n, sizeof window - n, "%s%.0lld", w->stride[0] > 1 ? "/" : "",
                 w->stride[0] > 1 ? (long long)w->stride[0] : 0);
        if (s->u.conv.groups > 1)
            snprintf(window + strlen(window), sizeof window - strlen(window), " in %lld groups",
                     (long long)s->u.conv.groups);
    }
    snprintf(text, size, "%s%s%s%s%s %s > %s", wn_prim_name(s->prim), *kind_of(s) ? " " : "", kind_of(s),
             conv ? " " : "", window, from, to);
}

/* Multiplications of convolutions and products; the others are not worth counting. */
static double macs_of(const struct wn_program *p, const struct wn_step *s)
{
    const struct wn_shape *x = shape_of(p, s->in[0]), *y = shape_of(p, s->out[0]);
    if (s->prim == WN_PRIM_MATMUL)
        return (double)wn_shape_count(y) * (double)x->dim[x->rank - (s->u.matmul.trans_a ? 2 : 1)];
    if (s->prim != WN_PRIM_CONV && s->prim != WN_PRIM_CONV_BWD) return 0;
    const struct wn_shape *w = shape_of(p, s->in[1]);
    return (double)wn_shape_count(s->prim == WN_PRIM_CONV ? y : x) * (double)wn_shape_count(w) / (double)w->dim[0];
}

/* ---- gathering ---- */

static int number_of(const struct listing *l, const struct wn_program *p)
{
    int most = -1;
    for (int i = 0; i < l->n; i++) {
        if (l->rows[i].program == p) return l->rows[i].number;
        if (l->rows[i].number > most) most = l->rows[i].number;
    }
    return most + 1;
}

static struct row *add_row(struct listing *l, const struct wn_step_cost *c)
{
    if (l->n == l->cap) {
        const int cap = l->cap ? 2 * l->cap : 256;
        struct row *rows = realloc(l->rows, (size_t)cap * sizeof *rows);
        if (!rows) return NULL;
        l->rows = rows, l->cap = cap;
    }
    struct row *r = &l->rows[l->n];
    const struct wn_step *s = wn_program_step(c->program, c->step);
    *r = (struct row){.program = c->program,
                      .number = number_of(l, c->program),
                      .stage = c->stage,
                      .step = c->step,
                      .prim = s->prim,
                      .ms = calloc((size_t)l->rounds, sizeof *r->ms)};
    if (!r->ms) return NULL;
    describe(c->program, s, r->what, sizeof r->what);
    l->n++;
    return r;
}

static struct row *find_row(struct listing *l, const struct wn_step_cost *c)
{
    for (int i = 0; i < l->n; i++) {
        struct row *r = &l->rows[(l->at + i) % l->n];
        if (r->program != c->program || r->step != c->step) continue;
        l->at = (l->at + i + 1) % l->n;
        return r;
    }
    return add_row(l, c);
}

static void take(void *arg, const struct wn_step_cost *c)
{
    struct listing *l = arg;
    struct row *r = find_row(l, c);
    if (!r) {
        l->failed = true;
        return;
    }
    r->now += c->ms;
    if (l->round != 0) return;
    r->launches += c->launches;
    r->bytes = c->bytes < 0 ? -1 : r->bytes + c->bytes;
    r->macs += macs_of(c->program, wn_program_step(c->program, c->step));
}

/* Round -1 warms up. */
static void end_round(struct listing *l)
{
    for (int i = 0; i < l->n; i++) {
        if (l->round >= 0) l->rows[i].ms[l->round] = l->rows[i].now;
        l->rows[i].now = 0;
    }
    l->round++;
}

static bool gather(struct listing *l, struct subject *s)
{
    const struct wn_profiler profiler = {take, l};
    struct wn_error err = {0};
    if (wn_engine_profile(bench_engine_of(s), &profiler, &err) != WN_OK)
        return fprintf(stderr, "%s\n", err.text), false;
    for (l->round = -1; l->round < l->rounds && !l->failed; end_round(l))
        if (s->run(s) < 0) return false;
    if (l->failed) return fputs("no memory for the steps of a network\n", stderr), false;
    for (int i = 0; i < l->n; i++) l->rows[i].median = bench_median(l->rows[i].ms, l->rounds);
    return true;
}

/* ---- the table ---- */

/* What is added up of rows, for all images of a round. */
struct sum {
    int steps, launches;
    double ms, bytes, macs;
};

static void add(struct sum *s, const struct row *r)
{
    s->steps++;
    s->launches += r->launches;
    s->ms += r->median;
    s->bytes = s->bytes < 0 || r->bytes < 0 ? -1 : s->bytes + r->bytes;
    s->macs += r->macs;
}

/* A figure, or nothing where there is none. */
static void put(double value, int digits, bool there)
{
    if (there)
        printf(" %9.*f", digits, value);
    else
        printf(" %9s", "");
}

static void put_sum(const struct sum *s, double whole, int batch)
{
    printf(" %8d %9.3f %6.1f%%", s->launches, s->ms, whole > 0 ? 100 * s->ms / whole : 0);
    put(s->bytes * 1e-6 / batch, 2, s->bytes >= 0);
    put(s->bytes * 1e-6 / s->ms, 0, s->bytes >= 0 && s->ms > 0);
    put(s->macs * 1e-6 / batch, 1, s->macs > 0);
    put(s->macs * 2e-9 / s->ms, 2, s->macs > 0 && s->ms > 0);
    printf("  ");
}

static struct sum sum_of(const struct listing *l, const struct row *like, int prim)
{
    struct sum sum = {0};
    for (int i = 0; i < l->n; i++) {
        const struct row *r = &l->rows[i];
        if (r->program == like->program && r->stage == like->stage && (prim < 0 || (int)r->prim == prim)) add(&sum, r);
    }
    return sum;
}

static void put_stage(const struct listing *l, int first, const struct bench_options *o)
{
    const struct row *r = &l->rows[first];
    const struct sum all = sum_of(l, r, -1);
    for (int p = 0; p < WN_PRIM_COUNT; p++) {
        const struct sum sum = sum_of(l, r, p);
        if (!sum.steps) continue;
        printf("  ");
        put_sum(&sum, all.ms, o->batch);
        printf("%s\n", wn_prim_name((enum wn_prim)p));
    }
    printf("  ");
    put_sum(&all, all.ms, o->batch);
    printf("all of stage %d%s", r->stage, r->stage ? "" : ", the forward pass");
    if (r->number) printf(", of program %d", r->number + 1);
    printf("\n");
}

static bool begins_stage(const struct listing *l, int i)
{
    for (int k = 0; k < i; k++)
        if (l->rows[k].program == l->rows[i].program && l->rows[k].stage == l->rows[i].stage) return false;
    return true;
}

static int by_time(const void *a, const void *b)
{
    const struct row *const *x = a, *const *y = b;
    return (*x)->median < (*y)->median ? 1 : (*x)->median > (*y)->median ? -1 : (*x)->step - (*y)->step;
}

static void put_longest(const struct listing *l, const struct bench_options *o)
{
    const struct row **sorted = calloc((size_t)l->n + 1, sizeof(struct row *));
    double whole = 0;
    for (int i = 0; i < l->n && sorted; i++) sorted[i] = &l->rows[i], whole += l->rows[i].median;
    if (sorted) qsort(sorted, (size_t)l->n, sizeof(struct row *), by_time);
    for (int i = 0; i < l->n && i < o->steps && sorted; i++) {
        struct sum sum = {0};
        add(&sum, sorted[i]);
        printf("  ");
        put_sum(&sum, whole, o->batch);
        printf("stage %d step %d: %s\n", sorted[i]->stage, sorted[i]->step, sorted[i]->what);
    }
    free(sorted);
}

static void put_table(const struct listing *l, const char *title, const struct bench_options *o)
{
    printf("\n%s\n  %8s %9s %7s %9s %9s %9s %9s\n", title, "launches", "ms", "share", "MB/image", "GB/s", "MMAC/im.",
           "TFLOP/s");
    for (int i = 0; i < l->n; i++)
        if (begins_stage(l, i)) put_stage(l, i, o);
    printf("  the longest:\n");
    put_longest(l, o);
}

static void put_json(const struct listing *l, const char *model, const char *precision, const struct bench_options *o)
{
    printf("{\"model\": \"%s\", \"precision\": \"%s\", \"method\": \"%s\", \"questions\": %d, \"rounds\": %d, "
           "\"steps\": [",
           model, precision, o->method->name, o->foils[0], l->rounds);
    for (int i = 0; i < l->n; i++) {
        const struct row *r = &l->rows[i];
        printf("%s\n    {\"program\": %d, \"stage\": %d, \"step\": %d, \"primitive\": \"%s\", \"what\": \"%s\", "
               "\"launches\": %d, \"ms\": %.6g, \"macs\": %.15g",
               i ? "," : "", r->number, r->stage, r->step, wn_prim_name(r->prim), r->what, r->launches, r->median,
               r->macs);
        if (r->bytes >= 0) printf(", \"bytes\": %.15g", r->bytes);
        printf("}");
    }
    printf("]}");
}

int bench_steps(struct wn_graph *graph, const char *model, const struct bench_options *o, enum wn_precision precision,
                const char *device, bool first)
{
    struct bench_options one = *o;
    struct listing l = {.rounds = o->rounds};
    struct wn_error err = {0};
    struct bench *b = calloc(1, sizeof *b);
    char name[48], title[256];
    bool done = false, lacks = false;
    if (!b) return 1;
    one.n_foils = 1;
    if (bench_add_engine(b, graph, &one, precision, &err) == WN_OK) {
        snprintf(name, sizeof name, "own %s explain %d", wn_precision_name(precision), o->foils[0]);
        for (int i = 0; i < b->n && !done; i++)
            if (strcmp(b->subjects[i].name, name) == 0) done = gather(&l, &b->subjects[i]);
    } else {
        fprintf(stderr, "%s: without %s: %s\n", model, wn_precision_name(precision), err.text);
        lacks = precision != o->precisions[0];
    }
    if (done) {
        bench_report_begin(o, device, first);
        snprintf(title, sizeof title,
                 "%s, %s, %s, %d question%s about each of %d image%s: medians of %d rounds, each step by itself", model,
                 wn_precision_name(precision), o->method->name, o->foils[0], o->foils[0] == 1 ? "" : "s", o->batch,
                 o->batch == 1 ? "" : "s", l.rounds);
        if (o->json)
            put_json(&l, model, wn_precision_name(precision), o);
        else
            put_table(&l, title, o);
        fflush(stdout);
    }
    for (int i = 0; i < l.n; i++) free(l.rows[i].ms);
    free(l.rows);
    bench_finish(b);
    free(b);
    return !done && !lacks;
}
