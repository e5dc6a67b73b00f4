/* Every method x contrast x network: nway_test BACKEND MODEL.onnx..., or without models all of $WHYNOT_ASSETS. Walks
 * the tables, so new rows join by themselves. Each combination is answered, or refused in words that name the method
 * or the contrast. An answer has the shape, flags, target and score that the question means; is the same bytes in
 * the company of all others and alone; for methods whose maps add up, is the sum that its seed says; and depends on the
 * class, where the method does not say that it looks at none. Where that is much work (a thousand classes, maps as
 * large as the picture) the seeds of a few classes stand for all. */
#include <whynot/whynot.h>

#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rng.h"

enum { MOST = 64, FEW = 24 };
static const double tolerance = 2e-5;
static int answered, refused, summed, failures;
/* of each method: networks on which two classes were asked about, and those that got two maps */
static int compared[MOST], differed[MOST];

struct subject {
    const char *name;
    struct wn_graph *graph;
    struct wn_engine *engine;
    int classes; /* at least 2: of one output, classes 0 and 1 */
    float *image, *logits;
    bool large;
    int target, foil[2];
};

static void wrong(const struct subject *s, const char *method, const char *contrast, const char *what)
{
    printf("WRONG %s, %s x %s: %s\n", s->name, method, contrast, what);
    failures++;
}

/* ---- one network ---- */

/* Smooth, so that neighbouring pixels go together as in a photograph. */
static float *make_image(const struct wn_graph *g)
{
    int c = (int)wn_graph_channels(g), h = (int)wn_graph_height(g), w = (int)wn_graph_width(g);
    float *image = malloc((size_t)(c * h * w) * sizeof *image), small[64];
    struct rng rng = {7};
    for (int k = 0; k < c; k++) {
        for (int i = 0; i < 64; i++) small[i] = (float)rng_uniform(&rng, -2, 2);
        wn_enlarge(small, 8, 8, false, h, w, image + k * h * w, NULL);
    }
    return image;
}

static bool subject_open(struct subject *s, const char *backend, const char *path)
{
    struct wn_error err = {0};
    const char *slash = strrchr(path, '/');
    *s = (struct subject){.name = slash ? slash + 1 : path};
    if (wn_graph_load(path, &(struct wn_graph_options){0}, &s->graph, &err) != WN_OK) {
        struct wn_error again = {0};
        if (wn_graph_load(path, &(struct wn_graph_options){.height = 224, .width = 224}, &s->graph, &again) != WN_OK) {
            printf("%s is no network for this: %s\n", s->name, err.text);
            return false;
        }
    }
    if (wn_engine_create(s->graph, &(struct wn_engine_options){.backend = backend}, &s->engine, &err) != WN_OK) {
        printf("WRONG %s: %s\n", s->name, err.text);
        failures++;
        return false;
    }
    int k = wn_graph_classes(s->graph), top[3];
    s->classes = k > 1 ? k : 2;
    s->large = wn_graph_height(s->graph) * wn_graph_width(s->graph) > 128 * 128;
    s->image = make_image(s->graph);
    s->logits = calloc((size_t)s->classes, sizeof *s->logits);
    const float *images[1] = {s->image};
    wn_engine_explain(s->engine, &(struct wn_batch){1, images, 0, NULL, NULL, NULL, NULL}, s->logits + (k == 1), NULL,
                      NULL, NULL);
    int n = wn_top(s->logits, s->classes, 3, top);
    s->target = top[0];
    s->foil[0] = top[1];
    s->foil[1] = top[n - 1];
    return true;
}

static void subject_close(struct subject *s)
{
    free(s->image);
    free(s->logits);
    wn_engine_destroy(s->engine);
    wn_graph_destroy(s->graph);
}

/* Nothing that is looked at here depends on how many runs a method takes, and its usual number is minutes. */
static void take_few_runs(const struct wn_method *m, struct wn_settings *settings)
{
    static const struct {
        enum wn_setting which;
        const char *text;
    } few[] = {{WN_SETTING_STEPS, "6"},  {WN_SETTING_SAMPLES, "3"},    {WN_SETTING_CHANNELS, "12"},
               {WN_SETTING_ROUNDS, "2"}, {WN_SETTING_ITERATIONS, "8"}, {WN_SETTING_PERTURBATIONS, "40"}};
    for (size_t i = 0; i < sizeof few / sizeof *few; i++)
        if (m->settings & 1u << few[i].which) wn_setting_set(settings, few[i].which, few[i].text, NULL);
}

/* The question with what the contrast's row says that it needs. */
static struct wn_question question_of(const struct subject *s, const struct wn_method *m, const struct wn_contrast *c)
{
    struct wn_question q = {.layer = WN_LAYER_AUTO, .method = m, .contrast = c, .target = s->target};
    take_few_runs(m, &q.settings);
    if (c->flags & WN_CONTRAST_FOIL) q.n_foils = 1;
    if (c->flags & WN_CONTRAST_FOIL_SET) q.n_foils = s->classes > 2 ? 2 : 1;
    if (q.n_foils) q.foils = s->foil;
    if (c->flags & WN_CONTRAST_VALUE) {
        q.value = 0.5f * s->logits[s->target] - 1; /* far from the logit: their difference keeps its digits */
        q.has_value = true;
    }
    return q;
}

/* ---- the sum that a seed says ---- */

static double largest(const float *x, int n)
{
    double most = 0;
    for (int i = 0; i < n; i++) most = fmax(most, fabs((double)x[i]));
    return most;
}

/* Maps of single classes, made when a sum first needs them: one a class, for one method. */
struct singles {
    struct wn_answer *of; /* classes of them; map NULL: not made yet */
};

static const float *single(struct subject *s, struct singles *t, const struct wn_method *m, int k)
{
    struct wn_question q = {.layer = WN_LAYER_AUTO, .method = m, .contrast = wn_contrast_find("logit"), .target = k};
    take_few_runs(m, &q.settings);
    const float *images[1] = {s->image};
    float *logits = malloc((size_t)s->classes * sizeof *logits);
    if (!t->of[k].map)
        wn_engine_explain(s->engine, &(struct wn_batch){1, images, 1, &q, NULL, NULL, NULL}, logits, &t->of[k], NULL,
                          NULL);
    free(logits);
    return t->of[k].map;
}

static void check_sum(struct subject *s, struct singles *t, const struct wn_question *q, const struct wn_answer *a)
{
    int n = a->h * a->w, foil, busy = 0;
    float *seed = calloc((size_t)s->classes, sizeof *seed);
    double *sum = calloc((size_t)n, sizeof *sum), size = 0, most = 0;
    struct wn_contrast_in in = {.logits = s->logits,
                                .classes = s->classes,
                                .target = s->target,
                                .targets = &s->target,
                                .n_targets = 1,
                                .foils = q->foils,
                                .n_foils = q->n_foils,
                                .value = q->value,
                                .has_value = q->has_value};
    wn_contrast_seed(q->contrast, &in, seed, &foil, NULL);
    if (wn_graph_classes(s->graph) == 1) { /* the 0 that stands for the first class depends on nothing */
        if (seed[1] == 0) seed[1] = -seed[0];
        seed[0] = 0;
    }
    for (int k = 0; k < s->classes; k++) busy += seed[k] != 0;
    if (busy <= (s->large ? 3 : FEW)) {
        for (int k = 0; k < s->classes; k++) {
            const float *map = seed[k] != 0 ? single(s, t, q->method, k) : NULL;
            for (int i = 0; map && i < n; i++) sum[i] += (double)seed[k] * map[i];
            if (map) size = fmax(size, fabs(seed[k]) * largest(map, n));
        }
        for (int i = 0; i < n; i++) most = fmax(most, fabs(sum[i] - a->map[i]));
        if (!(most <= tolerance * size)) {
            printf("      off by %.2g of the largest term\n", most / size);
            wrong(s, q->method->name, q->contrast->name, "not the sum that its seed says");
        }
        summed++;
    }
    free(seed);
    free(sum);
}

/* ---- one combination ---- */

static void check_refusal(const struct subject *s, const struct wn_question *q, const struct wn_answer *a)
{
    bool named = strstr(a->error.text, q->method->name) || strstr(a->error.text, q->contrast->name);
    refused++;
    printf("      %s x %s refused: %s\n", q->method->name, q->contrast->name, a->error.text);
    if (!named && a->error.code != WN_NO_SUCH_LAYER)
        wrong(s, q->method->name, q->contrast->name, "the refusal names neither");
    if (a->error.code != WN_UNSUPPORTED && a->error.code != WN_BAD_REQUEST && a->error.code != WN_NO_SUCH_LAYER)
        wrong(s, q->method->name, q->contrast->name, "not refused as something that cannot be");
    if (a->map) wrong(s, q->method->name, q->contrast->name, "refused, and a map all the same");
}

static void check_answer(struct subject *s, struct singles *t, const struct wn_question *q, const struct wn_answer *a)
{
    const char *m = q->method->name, *c = q->contrast->name;
    bool on_input = wn_method_flags(q->method, &q->settings) & WN_METHOD_INPUT;
    int layer = wn_graph_find_layer(s->graph, "auto");
    const struct wn_layer *l = layer >= 0 ? wn_graph_layer(s->graph, layer) : NULL;
    int h = on_input ? (int)wn_graph_height(s->graph) : (int)l->height,
        w = on_input ? (int)wn_graph_width(s->graph) : (int)l->width;
    float lo = INFINITY, hi = -INFINITY;
    answered++;
    if (a->h != h || a->w != w || a->layer != (on_input ? WN_LAYER_INPUT : layer)) {
        wrong(s, m, c, "a map of another layer or size");
        return;
    }
    for (int i = 0; i < h * w; i++) {
        if (!isfinite(a->map[i]))
            wrong(s, m, c, "not finite"), i = h * w;
        else
            lo = fminf(lo, a->map[i]), hi = fmaxf(hi, a->map[i]);
    }
    if (!(a->flags & WN_ANSWER_FLAT) != (lo != hi) || !(a->flags & WN_ANSWER_EMPTY) != (hi > 0))
        wrong(s, m, c, "flags that do not fit the map");
    if (a->target != s->target) wrong(s, m, c, "another target");
    if (q->contrast->flags & WN_CONTRAST_FOIL && a->foil != s->foil[0]) wrong(s, m, c, "another foil");
    if (!isfinite(a->score)) wrong(s, m, c, "a score that is not finite");
    /* two passes are brought to totals of one size */
    if (q->method->flags & WN_METHOD_LINEAR && !q->contrast->less) check_sum(s, t, q, a);
}

/* ---- all of one network ---- */

static void check_alone(struct subject *s, const struct wn_question *q, const struct wn_answer *together)
{
    const float *images[1] = {s->image};
    float *logits = malloc((size_t)s->classes * sizeof *logits);
    struct wn_answer alone;
    wn_engine_explain(s->engine, &(struct wn_batch){1, images, 1, q, NULL, NULL, NULL}, logits, &alone, NULL, NULL);
    if (alone.error.code != together->error.code || strcmp(alone.error.text, together->error.text) != 0)
        wrong(s, q->method->name, q->contrast->name, "alone it is refused otherwise");
    else if (alone.map && (alone.h != together->h || alone.w != together->w ||
                           memcmp(alone.map, together->map, (size_t)(alone.h * alone.w) * sizeof *alone.map) != 0))
        wrong(s, q->method->name, q->contrast->name, "alone it is another map");
    wn_answer_finish(&alone);
    free(logits);
}

/* The same question about two classes. One network may well have one map for both, a method that looks at the class
 * has not in all of them. */
static void check_two_classes(struct subject *s, int number, const struct wn_method *m)
{
    const float *images[1] = {s->image};
    struct wn_question q[2];
    struct wn_answer a[2];
    float *logits = malloc((size_t)s->classes * sizeof *logits);
    for (int i = 0; i < 2; i++) {
        q[i] = question_of(s, m, wn_contrast_find("logit"));
        if (i) q[i].target = s->foil[0];
    }
    wn_engine_explain(s->engine, &(struct wn_batch){1, images, 2, q, NULL, NULL, NULL}, logits, a, NULL, NULL);
    if (a[0].error.code == WN_OK && a[1].error.code == WN_OK) {
        const bool same = memcmp(a[0].map, a[1].map, (size_t)(a[0].h * a[0].w) * sizeof *a[0].map) == 0;
        compared[number]++, differed[number] += !same;
        if (!same && m->flags & WN_METHOD_CLASSLESS)
            wrong(s, m->name, "logit", "it looks at no class, but two classes have two maps");
    }
    for (int i = 0; i < 2; i++) wn_answer_finish(&a[i]);
    free(logits);
}

static void check_dependence(void)
{
    for (int i = 0; wn_method_at(i); i++)
        if (compared[i] && !differed[i] && !(wn_method_at(i)->flags & WN_METHOD_CLASSLESS)) {
            printf("WRONG method %s: its map is the same for two classes on all of %d networks; say so "
                   "(WN_METHOD_CLASSLESS), or use the gradient\n",
                   wn_method_at(i)->name, compared[i]);
            failures++;
        }
}

static void check_method(struct subject *s, const struct wn_method *m)
{
    struct wn_question questions[MOST];
    struct wn_answer answers[MOST];
    struct singles t = {calloc((size_t)s->classes, sizeof *t.of)};
    const float *images[1] = {s->image};
    float *logits = malloc((size_t)s->classes * sizeof *logits);
    int n = 0;
    for (int i = 0; wn_contrast_at(i) && n < MOST; i++) questions[n++] = question_of(s, m, wn_contrast_at(i));
    wn_engine_explain(s->engine, &(struct wn_batch){1, images, n, questions, NULL, NULL, NULL}, logits, answers, NULL,
                      NULL);
    for (int i = 0; i < n; i++) {
        if (answers[i].error.code != WN_OK)
            check_refusal(s, &questions[i], &answers[i]);
        else
            check_answer(s, &t, &questions[i], &answers[i]);
        if (!s->large || i < 2) check_alone(s, &questions[i], &answers[i]);
        wn_answer_finish(&answers[i]);
    }
    for (int k = 0; k < s->classes; k++) wn_answer_finish(&t.of[k]);
    free(t.of);
    free(logits);
}

static void check_network(const char *backend, const char *path)
{
    struct subject s;
    int before[3] = {answered, refused, summed};
    if (!subject_open(&s, backend, path)) return;
    for (int i = 0; wn_method_at(i); i++) {
        check_method(&s, wn_method_at(i));
        check_two_classes(&s, i, wn_method_at(i));
    }
    printf("%s: %d answered (%d against their sums), %d refused by name\n", s.name, answered - before[0],
           summed - before[2], refused - before[1]);
    fflush(stdout);
    subject_close(&s);
}

/* Networks for large pictures take minutes here: WHYNOT_ALL_NETWORKS asks for them. */
static bool is_small(const char *path)
{
    struct wn_graph *g = NULL;
    bool small = wn_graph_load(path, NULL, &g, NULL) != WN_OK || wn_graph_width(g) <= 64;
    wn_graph_destroy(g);
    return small;
}

int main(int argc, char **argv)
{
    const char *assets = getenv("WHYNOT_ASSETS");
    struct wn_backend *be;
    struct wn_error err = {0};
    char pattern[1024];
    glob_t found = {0};
    if (argc < 2) return 2;
    if (wn_backend_open(argv[1], &(struct wn_backend_options){0}, &be, &err) != WN_OK) {
        printf("skipped: %s\n", err.text);
        return 77;
    }
    wn_backend_close(be);
    for (int i = 2; i < argc; i++) check_network(argv[1], argv[i]);
    if (argc == 2) {
        if (!assets || !assets[0]) {
            printf("skipped: WHYNOT_ASSETS is not set\n");
            return 77;
        }
        snprintf(pattern, sizeof pattern, "%s/models/*.onnx", assets);
        glob(pattern, 0, NULL, &found);
        for (size_t i = 0; i < found.gl_pathc; i++)
            if (getenv("WHYNOT_ALL_NETWORKS") || is_small(found.gl_pathv[i])) check_network(argv[1], found.gl_pathv[i]);
        globfree(&found);
    }
    check_dependence();
    if (!answered) printf("WRONG nothing was answered\n"), failures++;
    return failures != 0;
}
