/* Labels and classes: which means which, and what to say where none does. Knows no pictures. */
#include "label.h"

#include "lookup.h"
#include "nearest.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_COMPARED 4000000 /* pairs of a label and a class that one look over a configuration may take */

/* ---- notes ---- */

void wn_label_note(struct wn_pool *pool, struct wn_label_notes *notes, const char *fmt, ...)
{
    char text[640];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    const char *copy = notes->n < WN_MOST_NOTES ? wn_pool_text(pool, text, strlen(text)) : NULL;
    if (copy) notes->list[notes->n++] = copy;
}

void wn_label_note_unknown(struct wn_pool *pool, struct wn_label_notes *notes, const struct wn_model *m,
                           const char *what, const char *word)
{
    const char *near[3];
    char meant[260] = "";
    int n = notes->n < WN_MOST_NOTES ? wn_nearest_names(word, m->labels, m->classes, near, 3) : 0;
    for (int i = 0; i < n; i++)
        snprintf(meant + strlen(meant), sizeof meant - strlen(meant), "%s'%.64s'", i ? " or " : "; did you mean ",
                 near[i]);
    wn_label_note(pool, notes, "%s '%.128s' is no class of the model %s%s%s", what, word, m->name, meant, n ? "?" : "");
}

/* ---- names ---- */

static bool is_gap(char c)
{
    return c == '_' || c == '-' || c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The next byte that counts: a gap of any length is one space, and none at either end. */
static int next_byte(const char **s, bool *begun)
{
    const char *gap = *s;
    while (is_gap(**s)) ++*s;
    if (*s > gap && *begun && **s) return ' ';
    *begun = true;
    return **s ? tolower((unsigned char)*(*s)++) : 0;
}

static bool is_like(const char *a, const char *b)
{
    bool begun_a = false, begun_b = false;
    for (;;) {
        int x = next_byte(&a, &begun_a), y = next_byte(&b, &begun_b);
        if (x != y) return false;
        if (!x) return true;
    }
}

int wn_label_class(const struct wn_model *m, const char *word)
{
    for (int c = 0; c < m->classes; c++)
        if (strcmp(m->labels[c], word) == 0) return c;
    for (int c = 0; c < m->classes; c++)
        if (is_like(m->labels[c], word)) return c;
    return -1;
}

int wn_label_class_of(const struct wn_model *m, const struct wn_label *l)
{
    int c = wn_label_class(m, l->value);
    return c < 0 && l->alias && l->alias[0] ? wn_label_class(m, l->alias) : c;
}

const struct wn_label *wn_label_find(const struct wn_label_tag *tag, const struct wn_model *m, int class)
{
    const char *name = m->labels[class];
    for (int i = 0; i < tag->n; i++)
        if (strcmp(tag->labels[i].value, name) == 0) return &tag->labels[i];
    for (int i = 0; i < tag->n; i++)
        if (is_like(tag->labels[i].value, name)) return &tag->labels[i];
    for (int i = 0; i < tag->n; i++)
        if (tag->labels[i].alias && is_like(tag->labels[i].alias, name)) return &tag->labels[i];
    return NULL;
}

/* ---- the configuration against the model ---- */

static int affordable(const struct wn_model *m, int labels)
{
    int most = MOST_COMPARED / m->classes;
    return labels < most ? labels : most;
}

static void review_choices(const struct wn_labeling *l, struct wn_pool *pool, struct wn_label_notes *notes)
{
    const struct wn_label_tag *choices = &l->config.choices;
    const struct wn_model *m = l->model;
    int unknown = 0, silent = 0, first = -1;
    for (int i = 0; i < affordable(m, choices->n); i++)
        if (wn_label_class_of(m, &choices->labels[i]) < 0 && ++unknown <= 3)
            wn_label_note_unknown(pool, notes, m, "the choice", choices->labels[i].value);
    if (unknown > 3) wn_label_note(pool, notes, "%d more choices are no classes of the model %s", unknown - 3, m->name);
    for (int c = 0; c < m->classes && affordable(m, choices->n) == choices->n; c++)
        if (!wn_label_find(choices, m, c) && !silent++) first = c;
    if (silent)
        wn_label_note(
            pool, notes,
            "%d classes of the model %s have no choice (the first is '%.128s'): predictions of them cannot be shown",
            silent, m->name, m->labels[first]);
}

void wn_label_review(const struct wn_labeling *l, struct wn_pool *pool, struct wn_label_notes *notes)
{
    const struct wn_label_config *c = &l->config;
    if (!c->key)
        wn_label_note(pool, notes,
                      "there is no <Image> with a name and a value such as \"$image\": no picture is found");
    if (c->choices.name)
        review_choices(l, pool, notes);
    else
        wn_label_note(pool, notes,
                      "there is no <Choices> with a name: predictions and annotations of classes cannot be told");
    if (!c->regions.n)
        wn_label_note(pool, notes,
                      "there are no <BrushLabels> or <PolygonLabels> with labels: the evidence cannot be drawn");
}

/* ---- a request ---- */

static enum wn_code find_model(struct wn_request *r)
{
    const char *named = r->server->config.labeling_model;
    if (!r->model) r->model = named[0] ? named : wn_lookup_only(wn_request_models(r));
    if (!r->model)
        return wn_problem_set(
            &r->problem, NULL, WN_BAD_REQUEST,
            "there are several models: start whynotd with --labeling-model NAME, or give Label Studio the address "
            "/v1/models/NAME/label-studio of this server");
    struct wn_model *m = r->labeling->model = wn_request_model(r);
    if (!m) return r->problem.error.code;
    if (wn_model_is_ready(m)) return WN_OK;
    r->problem.retry_after_s = atomic_load(&m->state) == WN_MODEL_LOADING;
    return wn_problem_set(&r->problem, NULL, WN_NOT_READY, "the model %s is not ready: %s", m->name, m->why.text);
}

static bool is_of_classes(const struct wn_labeling *l)
{
    for (int i = 0; i < affordable(l->model, l->config.regions.n); i++)
        if (wn_label_class_of(l->model, &l->config.regions.labels[i]) >= 0) return true;
    return false;
}

enum wn_code wn_label_begin(struct wn_request *r, const char *xml, size_t size)
{
    struct wn_labeling *l = r->labeling = wn_pool_alloc(&r->pool, sizeof *l);
    if (!l) return wn_problem_set(&r->problem, NULL, WN_NO_MEMORY, "no memory for the request");
    enum wn_code code = find_model(r);
    if (code == WN_OK) code = wn_label_config_read(xml, size, &r->pool, &l->config, &r->problem.error);
    if (code != WN_OK) return code;
    l->by_class = is_of_classes(l);
    snprintf(l->version, sizeof l->version, "%s-%s-%.8s-%.8s", l->model->name, l->model->manifest.version,
             wn_graph_sha256(l->model->graph), l->model->preprocess_hash);
    return WN_OK;
}
