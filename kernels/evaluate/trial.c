/* Measures one picture: asks every subject's questions in one go, then lets each metric work; knows no metric in
 * particular. */
#include "../graph.h"
#include "trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define X(symbol) extern const struct wn_evaluation_metric symbol;
#include "metrics.def"
#undef X

static const struct wn_evaluation_metric *const rows[] = {
#define X(symbol) &symbol,
#include "metrics.def"
#undef X
};

const struct wn_evaluation_metric *wn_evaluation_metric_at(int i)
{
    return i >= 0 && (size_t)i < sizeof rows / sizeof *rows ? rows[i] : NULL;
}

const struct wn_evaluation_metric *wn_evaluation_metric_find(const char *name)
{
    for (int i = 0; wn_evaluation_metric_at(i); i++)
        if (strcmp(rows[i]->name, name) == 0) return rows[i];
    return NULL;
}

/* ---- creation ---- */

struct wn_evaluation {
    struct wn_trial trial;
    struct wn_evaluation_options options;
    unsigned maps; /* that some metric wants */
    float *logits;
    struct wn_question *questions;
    int n_questions; /* of this picture */
    int *slots;      /* of each question: where its answer belongs */
    struct wn_answer *given;
};

static enum wn_code check(const struct wn_evaluation_options *o, int classes, struct wn_error *err)
{
    if (o->n_subjects < 1) return wn_fail(err, WN_BAD_REQUEST, "an evaluation needs a method and a contrast to judge");
    if (o->n_metrics < 1) return wn_fail(err, WN_BAD_REQUEST, "an evaluation needs a metric to judge by");
    if (classes < 2) return wn_fail(err, WN_BAD_REQUEST, "an evaluation needs a network with two outputs or more");
    for (int i = 0; i < o->n_metrics; i++)
        if (o->n_subjects < 2 && o->metrics[i]->needs & WN_NEEDS_SEVERAL)
            return wn_fail(err, WN_BAD_REQUEST, "metric '%s' compares: give it two methods or contrasts",
                           o->metrics[i]->name);
    return WN_OK;
}

enum wn_code wn_trial_open(struct wn_trial *t, struct wn_engine *e, const struct wn_graph *graph,
                           const struct wn_evaluation_options *options, struct wn_error *err)
{
    const int channels = (int)wn_graph_channels(graph), height = (int)wn_graph_height(graph),
              width = (int)wn_graph_width(graph);
    *t = (struct wn_trial){.engine = e,
                           .low = graph->low,
                           .high = graph->high,
                           .options = options,
                           .classes = wn_graph_classes(graph),
                           .channels = channels,
                           .height = height,
                           .width = width,
                           .pixels = height * width};
    size_t pixels = (size_t)t->pixels, image = (size_t)channels * pixels;
    t->answers = calloc((size_t)options->n_subjects * WN_MAP_COUNT, sizeof *t->answers);
    t->batch = calloc(WN_TRIAL_BATCH * image, sizeof *t->batch);
    t->batch_logits = calloc(WN_TRIAL_BATCH * (size_t)t->classes, sizeof *t->batch_logits);
    t->fill = calloc(image, sizeof *t->fill);
    t->map = calloc(pixels, sizeof *t->map);
    t->hidden = calloc(pixels, sizeof *t->hidden);
    t->order = calloc(pixels, sizeof *t->order);
    t->hider = (struct wn_hider){.engine = e, .room = {t->batch, t->fill, t->map, t->hidden, t->order}};
    if (t->answers && t->batch && t->batch_logits && t->fill && t->map && t->hidden && t->order) return WN_OK;
    return wn_fail(err, WN_NO_MEMORY, "no memory to evaluate pictures of %d x %d", width, height);
}

void wn_trial_close(struct wn_trial *t)
{
    free(t->answers);
    free(t->batch);
    free(t->batch_logits);
    free(t->fill);
    free(t->map);
    free(t->hidden);
    free(t->order);
}

/* What an evaluation keeps beside its trial. */
static enum wn_code reserve(struct wn_evaluation *v, struct wn_error *err)
{
    size_t asked = (size_t)v->options.n_subjects * WN_MAP_COUNT;
    v->logits = calloc((size_t)v->trial.classes, sizeof *v->logits);
    v->questions = calloc(asked, sizeof *v->questions);
    v->slots = calloc(asked, sizeof *v->slots);
    v->given = calloc(asked, sizeof *v->given);
    v->trial.logits = v->logits;
    return v->logits && v->questions && v->slots && v->given
               ? WN_OK
               : wn_fail(err, WN_NO_MEMORY, "no memory for an evaluation's questions");
}

enum wn_code wn_evaluation_create(struct wn_engine *e, const struct wn_graph *graph,
                                  const struct wn_evaluation_options *options, struct wn_evaluation **out,
                                  struct wn_error *err)
{
    enum wn_code code = check(options, wn_graph_classes(graph), err);
    if (code != WN_OK) return code;
    struct wn_evaluation *v = calloc(1, sizeof *v);
    if (!v) return wn_fail(err, WN_NO_MEMORY, "no memory for an evaluation");
    v->options = *options;
    code = wn_trial_open(&v->trial, e, graph, &v->options, err);
    if (v->options.curve_step < 1) v->options.curve_step = (v->trial.pixels + 27) / 28;
    for (int i = 0; i < options->n_metrics; i++) v->maps |= options->metrics[i]->maps;
    if (code == WN_OK) code = reserve(v, err);
    if (code != WN_OK) {
        wn_evaluation_destroy(v);
        return code;
    }
    *out = v;
    return WN_OK;
}

void wn_evaluation_destroy(struct wn_evaluation *v)
{
    if (!v) return;
    free(v->logits);
    free(v->questions);
    free(v->slots);
    free(v->given);
    wn_trial_close(&v->trial);
    free(v);
}

int wn_evaluation_values(const struct wn_evaluation *v)
{
    int columns = 0;
    for (int i = 0; i < v->options.n_metrics; i++) columns += v->options.metrics[i]->n_columns;
    return columns * v->options.n_subjects;
}

/* ---- what metrics may ask ---- */

float *wn_trial_picture(struct wn_trial *t, int i)
{
    return t->batch + (size_t)i * (size_t)t->channels * (size_t)t->pixels;
}

static bool is_given_up(const struct wn_evaluation_options *o)
{
    return o->given_up && o->given_up(o->context);
}

/* Before n forward passes. */
static enum wn_code begin_passes(struct wn_trial *t, int n, struct wn_error *err)
{
    if (is_given_up(t->options)) return wn_fail(err, WN_DEADLINE, "the evaluation was given up");
    t->passes += n;
    return WN_OK;
}

enum wn_code wn_trial_hidden(struct wn_trial *t, const struct wn_hidden *variants, int n, struct wn_error *err)
{
    enum wn_code code = begin_passes(t, n, err);
    return code == WN_OK ? wn_hider_ask(&t->hider, variants, n, t->batch_logits, NULL, err) : code;
}

enum wn_code wn_trial_forward(struct wn_trial *t, int n, struct wn_error *err)
{
    const float *images[WN_TRIAL_BATCH];
    for (int i = 0; i < n; i++) images[i] = wn_trial_picture(t, i);
    enum wn_code code = begin_passes(t, n, err);
    if (code != WN_OK) return code;
    return wn_engine_explain(t->engine, &(struct wn_batch){n, images, 0, NULL, NULL, NULL, NULL}, t->batch_logits, NULL,
                             NULL, err);
}

enum wn_code wn_answer_positive(const struct wn_answer *a, int height, int width, float *out, struct wn_error *err)
{
    int n = a->h * a->w;
    float *positive = malloc((size_t)n * sizeof *positive);
    if (!positive) return wn_fail(err, WN_NO_MEMORY, "no memory for a map");
    for (int i = 0; i < n; i++) positive[i] = a->map[i] > 0 ? a->map[i] : 0;
    enum wn_code code = wn_enlarge(positive, a->h, a->w, false, height, width, out, err);
    free(positive);
    return code;
}

const struct wn_answer *wn_trial_answer(const struct wn_trial *t, int subject, enum wn_evaluation_map which)
{
    const struct wn_answer *a = &t->answers[subject * WN_MAP_COUNT + (int)which];
    return a->map ? a : NULL;
}

enum wn_code wn_trial_map(struct wn_trial *t, int subject, enum wn_evaluation_map which, enum wn_trial_form form,
                          float *out, bool *has, struct wn_error *err)
{
    const struct wn_answer *a = wn_trial_answer(t, subject, which);
    *has = a;
    if (!a) return WN_OK;
    if (form == WN_FORM_POSITIVE) return wn_answer_positive(a, t->height, t->width, out, err);
    return wn_enlarge(a->map, a->h, a->w, form == WN_FORM_CORNERS, t->height, t->width, out, err);
}

enum wn_code wn_trial_each(struct wn_trial *t, enum wn_evaluation_map which, enum wn_trial_form form, int columns,
                           double *values, wn_trial_judge *judge, void *context, struct wn_error *err)
{
    enum wn_code code = WN_OK;
    for (int s = 0; s < t->options->n_subjects && code == WN_OK; s++) {
        bool has;
        code = wn_trial_map(t, s, which, form, t->map, &has, err);
        if (code == WN_OK && has) code = judge(t, s, values ? values + s * columns : NULL, context, err);
    }
    return code;
}

double wn_trial_relative(const struct wn_trial *t, const float *logits, int a, int b)
{
    (void)t;
    return 1 / (1 + exp((double)logits[b] - logits[a]));
}

double wn_trial_probability(const struct wn_trial *t, const float *logits, int class_index)
{
    double sum = 0;
    for (int i = 0; i < t->classes; i++) sum += exp((double)logits[i] - logits[class_index]);
    return 1 / sum;
}

int wn_trial_top(const struct wn_trial *t, const float *logits)
{
    return wn_argmax(logits, t->classes);
}

int wn_trial_true_pixels(const struct wn_trial *t)
{
    int n = 0;
    for (int i = 0; i < t->pixels; i++) n += t->picture->truth[i] != 0;
    return n;
}

double wn_trial_slack(const struct wn_trial *t)
{
    return 15.0 * (t->width > t->height ? t->width : t->height) / 224;
}

/* ---- one picture ---- */

static int class_of(const struct wn_evaluation *v, enum wn_evaluation_map which)
{
    const struct wn_trial *t = &v->trial;
    switch (which) {
    case WN_MAP_FIRST: return t->first;
    case WN_MAP_SECOND: return t->second;
    case WN_MAP_PAIR: return t->picture->label;
    case WN_MAP_REVERSED: return t->picture->rival;
    default: return t->chosen;
    }
}

/* Which class a question is about may depend on what the network says: that is settled later. */
static void ask(struct wn_evaluation *v, int *n, int subject, enum wn_evaluation_map which, const int *foil)
{
    const struct wn_subject *s = &v->options.subjects[subject];
    bool takes_foil = s->contrast->flags & (WN_CONTRAST_FOIL | WN_CONTRAST_FOIL_SET);
    v->questions[*n] = (struct wn_question){
        .layer = s->layer, .method = s->method, .contrast = s->contrast, .target = WN_TARGET_PREDICTED};
    if (foil && takes_foil) {
        v->questions[*n].foils = foil;
        v->questions[*n].n_foils = 1;
    }
    v->slots[(*n)++] = subject * WN_MAP_COUNT + (int)which;
}

static int ask_all(struct wn_evaluation *v, const struct wn_evaluation_picture *p)
{
    bool pair = p->label >= 0 && p->rival >= 0;
    int n = 0;
    for (int s = 0; s < v->options.n_subjects; s++)
        for (int which = 0; which < WN_MAP_COUNT; which++) {
            bool of_pair = which == WN_MAP_PAIR || which == WN_MAP_REVERSED;
            if (!(v->maps & 1u << which) || (of_pair && !pair)) continue;
            ask(v, &n, s, (enum wn_evaluation_map)which, of_pair ? which == WN_MAP_PAIR ? &p->rival : &p->label : NULL);
        }
    return n;
}

static void settle(void *context, int image, const float *logits)
{
    struct wn_evaluation *v = context;
    struct wn_trial *t = &v->trial;
    int top[2];
    (void)image;
    wn_top(logits, t->classes, 2, top);
    t->first = top[0];
    t->second = top[1];
    t->chosen = v->options.explain_label && t->picture->label >= 0 ? t->picture->label : t->first;
    for (int i = 0; i < v->n_questions; i++)
        v->questions[i].target = class_of(v, (enum wn_evaluation_map)(v->slots[i] % WN_MAP_COUNT));
}

/* One forward pass for the logits and for every subject's questions, also those about classes that it names. */
static enum wn_code explain(struct wn_evaluation *v, const struct wn_evaluation_picture *p, struct wn_error *refused,
                            struct wn_error *err)
{
    struct wn_trial *t = &v->trial;
    for (int s = 0; s < v->options.n_subjects && refused; s++) refused[s] = (struct wn_error){.code = WN_OK};
    t->picture = p;
    t->chosen = t->first = t->second = -1;
    t->passes++;
    v->n_questions = ask_all(v, p);
    struct wn_batch batch = {1, &p->image, v->n_questions, v->questions, NULL, NULL, NULL};
    enum wn_code code = wn_engine_explain_late(t->engine, &batch, settle, v, v->logits, v->given, NULL, err);
    for (int i = 0; i < v->n_questions; i++) {
        int subject = v->slots[i] / WN_MAP_COUNT;
        if (refused && refused[subject].code == WN_OK) refused[subject] = v->given[i].error;
        t->answers[v->slots[i]] = v->given[i];
    }
    if (code == WN_OK) code = wn_answers_failure(v->given, v->n_questions, err);
    for (int i = 0; i < t->classes && code == WN_OK; i++)
        if (!isfinite(v->logits[i]))
            code = wn_fail(err, WN_BAD_NUMBERS, "the network's logit %d for this picture is not finite", i);
    return code;
}

static bool can_run(const struct wn_evaluation_metric *m, const struct wn_evaluation_picture *p,
                    const struct wn_evaluation_options *o, int classes)
{
    if (m->needs & WN_NEEDS_PARTS) return false;
    if (m->needs & WN_NEEDS_SHUFFLED && !o->shuffled) return false;
    if (m->needs & WN_NEEDS_LABEL && (p->label < 0 || p->label >= classes)) return false;
    if (m->needs & WN_NEEDS_RIVAL && (p->rival < 0 || p->rival >= classes)) return false;
    if (m->needs & WN_NEEDS_TRUTH && !p->truth) return false;
    return !(m->needs & WN_NEEDS_COUNTERFACTUAL) || (p->counterfactual && p->elsewhere);
}

static enum wn_code measure(struct wn_evaluation *v, double *values, struct wn_error *err)
{
    enum wn_code code = WN_OK;
    for (int i = 0; i < v->options.n_metrics && code == WN_OK; i++) {
        const struct wn_evaluation_metric *m = v->options.metrics[i];
        int n = m->n_columns * v->options.n_subjects;
        for (int k = 0; k < n; k++) values[k] = NAN;
        if (is_given_up(&v->options)) return wn_fail(err, WN_DEADLINE, "the evaluation was given up");
        if (can_run(m, v->trial.picture, &v->options, v->trial.classes)) code = m->run(&v->trial, values, err);
        values += n;
    }
    return code;
}

enum wn_code wn_evaluation_run(struct wn_evaluation *v, const struct wn_evaluation_picture *picture, double *values,
                               int *prediction, int64_t *passes, struct wn_error *refused, struct wn_error *err)
{
    struct wn_trial *t = &v->trial;
    t->passes = 0;
    enum wn_code code = explain(v, picture, refused, err);
    if (code == WN_OK) code = measure(v, values, err);
    if (prediction) *prediction = t->first;
    if (passes) *passes = t->passes;
    for (int i = 0; i < v->options.n_subjects * WN_MAP_COUNT; i++) {
        wn_answer_finish(&t->answers[i]);
        t->answers[i] = (struct wn_answer){.target = -1};
    }
    return code;
}
