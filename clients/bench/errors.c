/* How far the maps of each precision are from those of f32 on the same backend: the same questions about the same
 * pictures, the worst of all. Times nothing. */
#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PICTURES = 4 };

/* The last is replaced by the one that is measured. */
static const char *const contrasts[] = {"logit", "pair", "weighted"};
enum { CONTRASTS = sizeof contrasts / sizeof *contrasts, MAPS = PICTURES * CONTRASTS };

struct asked {
    float *pixels;
    const float *images[PICTURES];
    int foils[MAPS];
    struct wn_question questions[MAPS];
    struct wn_answer exact[MAPS], other[MAPS];
    float *logits;
};

/* Noise, and noise of ever larger blocks: a picture has areas. */
static bool make_pictures(struct asked *a, const struct wn_graph *g)
{
    const int c = (int)wn_graph_channels(g), h = (int)wn_graph_height(g), w = (int)wn_graph_width(g);
    float *to = a->pixels = malloc((size_t)c * (size_t)h * (size_t)w * PICTURES * sizeof *to);
    for (int i = 0; to && i < PICTURES; i++) {
        const int block = 1 << 2 * i;
        a->images[i] = to;
        for (int p = 0; p < c * h * w; p++) {
            const int x = p % w / block, y = p / w % h / block, channel = p / w / h;
            uint64_t seed = (uint64_t)(((channel * 4096 + y) * 4096 + x) * PICTURES + i + 1) * 0x9e3779b97f4a7c15u;
            seed ^= seed >> 29, seed *= 0xbf58476d1ce4e5b9u, seed ^= seed >> 32;
            *to++ = (float)(int32_t)(uint32_t)seed * (2.0f / 2147483648.0f);
        }
    }
    return to != NULL;
}

static void make_questions(struct asked *a, const struct bench_options *o)
{
    for (int i = 0; i < MAPS; i++) {
        const bool own = o->contrast && i % CONTRASTS == CONTRASTS - 1;
        a->questions[i] =
            (struct wn_question){.image = i / CONTRASTS,
                                 .layer = WN_LAYER_AUTO,
                                 .method = o->method,
                                 .contrast = own ? o->contrast : wn_contrast_find(contrasts[i % CONTRASTS]),
                                 .target = WN_TARGET_PREDICTED};
    }
}

/* Near a tie a precision may predict another class: it is asked about those that f32 named. */
static void ask_the_same(struct asked *a)
{
    for (int i = 0; i < MAPS; i++) {
        if (a->exact[i].error.code != WN_OK) continue;
        a->questions[i].target = a->exact[i].target;
        a->foils[i] = a->exact[i].foil;
        if (a->foils[i] >= 0) a->questions[i].foils = &a->foils[i], a->questions[i].n_foils = 1;
    }
}

static void finish_answers(struct wn_answer *answers)
{
    for (int i = 0; i < MAPS; i++) wn_answer_finish(&answers[i]);
    memset(answers, 0, MAPS * sizeof *answers);
}

static enum wn_code answer(struct asked *a, struct wn_graph *graph, const struct bench_options *o,
                           enum wn_precision precision, struct wn_answer *out, struct wn_error *err)
{
    const struct wn_engine_options how = {.backend = o->backend,
                                          .device = {.precision = precision, .threads = o->threads}};
    const struct wn_batch batch = {PICTURES, a->images, MAPS, a->questions, NULL, NULL, NULL};
    struct wn_engine *e;
    enum wn_code code = wn_engine_create(graph, &how, &e, err);
    if (code != WN_OK) return code;
    code = wn_engine_explain(e, &batch, a->logits, out, NULL, err);
    wn_engine_destroy(e);
    return code;
}

/* Relative to the largest value of the f32 map; maps that are nothing there say nothing. */
static double worst_of(const struct asked *a, int *maps)
{
    double worst = 0;
    *maps = 0;
    for (int i = 0; i < MAPS; i++) {
        const struct wn_answer *x = &a->exact[i], *y = &a->other[i];
        double most = 0, apart = 0;
        if (x->error.code != WN_OK || y->error.code != WN_OK || x->h != y->h || x->w != y->w) continue;
        for (int k = 0; k < x->h * x->w; k++) {
            most = fmax(most, fabs(x->map[k]));
            apart = fmax(apart, fabs((double)x->map[k] - y->map[k]));
        }
        if (most == 0) continue;
        worst = fmax(worst, apart / most);
        ++*maps;
    }
    return worst;
}

void bench_map_errors(struct bench *b, struct wn_graph *graph, const struct bench_options *o)
{
    struct wn_error err = {0};
    bool wanted = false;
    for (int i = 0; i < o->n_precisions; i++) wanted |= o->precisions[i] != WN_PRECISION_F32;
    if (!wanted) return;
    struct asked *a = calloc(1, sizeof *a);
    if (!a || !make_pictures(a, graph) ||
        !(a->logits = malloc((size_t)wn_graph_classes(graph) * PICTURES * sizeof *a->logits))) {
        wn_fail(&err, WN_NO_MEMORY, "no memory for the pictures");
        goto say;
    }
    make_questions(a, o);
    if (answer(a, graph, o, WN_PRECISION_F32, a->exact, &err) != WN_OK) goto say;
    ask_the_same(a);
    for (int i = 0; i < o->n_precisions && err.code == WN_OK; i++) {
        struct wn_error lacking = {0}; /* said already where its times are missing */
        if (o->precisions[i] != WN_PRECISION_F32 && answer(a, graph, o, o->precisions[i], a->other, &lacking) == WN_OK)
            b->map_error[i] = worst_of(a, &b->maps[i]);
        if (lacking.code == WN_NO_MEMORY)
            fprintf(stderr, "%s: no %s maps to compare: %s\n", b->model, wn_precision_name(o->precisions[i]),
                    lacking.text);
        finish_answers(a->other);
    }
say:
    if (err.code != WN_OK) fprintf(stderr, "%s: no f32 maps to compare with: %s\n", b->model, err.text);
    if (!a) return;
    finish_answers(a->exact);
    free(a->pixels);
    free(a->logits);
    free(a);
}
