/* What is judged by what, and one picture's line; knows files as bytes only. */
#include "evaluation.h"

#include <math.h>
#include <media/image.h>
#include <media/preprocess.h>
#include <stdlib.h>
#include <string.h>
#include <whynot/whynot.h>

/* ---- suites ---- */

#define FOUR "logit,mean,max,weighted"
static const struct wn_suite suites[] = {
    {"table1", "The masking experiment of Wang & Wang 2022: does keeping a map's features raise the class?",
     "gradcam,la", FOUR, "masking", false},
    {"contrast-truth", "Why P, rather than Q, where the telling pixels are known.", "gradcam,la,layercam,gradient,ixg",
     "logit,probability,finer,finer-lib,mean,weighted,max,pair,cross-entropy", "contrast-truth,counterfactual", false},
    {"curves", "Insertion, deletion, confidence and ROAD.", "gradcam,la,layercam,gradcampp", "logit,weighted",
     "insertion,deletion,confidence,road", false},
    {"place", "Content heatmap and pointing game, for pictures with known objects.", "gradcam,la,layercam,gradcampp",
     "logit,weighted", "content,pointing", false},
    {"stability", "Consistency of views, and whether a map depends on its class.",
     "gradcam,la,layercam,gradcampp,gradient,ixg", "logit,weighted", "consistency,random-logit,random-weights", false},
    {"figure3", "Pixels moved by the sign of the gradient, as Wang & Wang 2022 do.", "gradient", FOUR, "gradient-sign",
     true},
    {"parts", "Pictures of named parts, each of which can be left out.", "gradcam,la,layercam,gradient,ixg",
     "logit,weighted,mean,max", "parts", false},
    {"table3", "The masking experiment with equal areas.", "gradcam", FOUR, "masking-equal,masking-equal-code", false},
};

const struct wn_suite *wn_suite_at(int i)
{
    return i >= 0 && (size_t)i < sizeof suites / sizeof *suites ? &suites[i] : NULL;
}

/* ---- reading words ---- */

bool wn_explained_read(const char *word, enum wn_explained *out)
{
    *out = !word ? WN_EXPLAINED_BY_SUITE : strcmp(word, "label") == 0 ? WN_EXPLAINED_LABEL : WN_EXPLAINED_PREDICTION;
    return !word || *out == WN_EXPLAINED_LABEL || strcmp(word, "prediction") == 0;
}

#define MOST_WORDS 64
#define MOST_PAIRS 256

/* Copies of the words of a list, and how many there are; `what` names them in a failure. */
static enum wn_code split(struct wn_pool *pool, const char *list, const char *what, const char *words[MOST_WORDS],
                          int *n, struct wn_error *err)
{
    *n = 0;
    while (*list) {
        size_t size = strcspn(list, ",");
        if (size) {
            if (*n == MOST_WORDS)
                return wn_fail(err, WN_BAD_REQUEST, "at most %d %s are taken at once", MOST_WORDS, what);
            words[*n] = wn_pool_text(pool, list, size);
            if (!words[(*n)++]) return wn_fail(err, WN_NO_MEMORY, "no memory for the %s", what);
        }
        list += size + (list[size] == ',');
    }
    return WN_OK;
}

static const char *method_name(int i)
{
    const struct wn_method *m = wn_method_at(i);
    return m ? m->name : NULL;
}

static const char *contrast_name(int i)
{
    const struct wn_contrast *c = wn_contrast_at(i);
    return c ? c->name : NULL;
}

static const char *metric_name(int i)
{
    const struct wn_evaluation_metric *m = wn_evaluation_metric_at(i);
    return m ? m->name : NULL;
}

static const char *suite_name(int i)
{
    const struct wn_suite *s = wn_suite_at(i);
    return s ? s->name : NULL;
}

/* Where the word stands in a table; an unknown one is named with what there is. */
static int find(const char *word, const char *what, const char *(*at)(int), struct wn_error *err)
{
    char all[256] = "";
    for (int i = 0; at(i); i++) {
        if (strcmp(at(i), word) == 0) return i;
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", at(i));
    }
    wn_fail(err, WN_BAD_REQUEST, "there is no %s '%.64s'; there are: %s", what, word, all);
    return -1;
}

static enum wn_code read_metrics(struct wn_judging *j, const char *list, struct wn_error *err)
{
    const char *words[MOST_WORDS];
    int n;
    enum wn_code code = split(&j->pool, list, "metrics", words, &n, err);
    if (code != WN_OK) return code;
    const struct wn_evaluation_metric **metrics =
        wn_pool_array(&j->pool, (size_t)n + 1, sizeof(struct wn_evaluation_metric *));
    if (!metrics) return wn_fail(err, WN_NO_MEMORY, "no memory for the metrics");
    for (int i = 0; i < n; i++) {
        int row = find(words[i], "metric", metric_name, err);
        if (row < 0) return WN_BAD_REQUEST;
        metrics[i] = wn_evaluation_metric_at(row);
    }
    j->options.metrics = metrics;
    j->options.n_metrics = n;
    return WN_OK;
}

static enum wn_code read_subjects(struct wn_judging *j, const char *methods, const char *contrasts, int layer,
                                  struct wn_error *err)
{
    const char *method[MOST_WORDS], *contrast[MOST_WORDS];
    int n, k, total = 0;
    j->wrong = "methods";
    enum wn_code code = split(&j->pool, methods, "methods", method, &n, err);
    if (code != WN_OK) return code;
    j->wrong = "contrasts";
    if ((code = split(&j->pool, contrasts, "contrasts", contrast, &k, err)) != WN_OK) return code;
    j->wrong = NULL;
    if (n * k > MOST_PAIRS)
        return wn_fail(err, WN_BAD_REQUEST, "at most %d pairs of a method and a contrast are judged at once",
                       MOST_PAIRS);
    struct wn_subject *subjects = wn_pool_array(&j->pool, (size_t)(n * k) + 1, sizeof *subjects);
    j->subjects = wn_pool_array(&j->pool, (size_t)(n * k) + 1, sizeof *j->subjects);
    if (!subjects || !j->subjects) return wn_fail(err, WN_NO_MEMORY, "no memory for the methods");
    for (int a = 0; a < n; a++)
        for (int b = 0; b < k; b++, total++) {
            char name[160];
            int m = find(method[a], "method", method_name, err),
                c = m < 0 ? -1 : find(contrast[b], "contrast", contrast_name, err);
            if (c < 0) j->wrong = m < 0 ? "methods" : "contrasts";
            if (c < 0) return WN_BAD_REQUEST;
            snprintf(name, sizeof name, "%s/%s", method[a], contrast[b]);
            subjects[total] = (struct wn_subject){wn_method_at(m), wn_contrast_at(c), layer};
            j->subjects[total] = wn_pool_text(&j->pool, name, strlen(name));
            if (!j->subjects[total]) return wn_fail(err, WN_NO_MEMORY, "no memory for the methods");
        }
    j->options.subjects = subjects;
    j->options.n_subjects = total;
    return WN_OK;
}

/* Everything that the numbers depend on. */
static enum wn_code write_question(struct wn_judging *j, const struct wn_judging_words *w, const struct wn_model *m,
                                   struct wn_error *err)
{
    struct wn_text t = {0};
    wn_text_printf(&t, "%s %s %.12s input=%.12s layer=%s explain=%s second=%g seed=%llu:", m->name, m->version,
                   wn_graph_sha256(m->graph), m->preprocess_hash, w->layer ? w->layer : "auto",
                   j->options.explain_label ? "label" : "prediction", w->least_second, (unsigned long long)w->seed);
    for (int i = 0; i < j->options.n_subjects; i++) wn_text_printf(&t, " %s", j->subjects[i]);
    wn_text_puts(&t, ":");
    for (int i = 0; i < j->options.n_metrics; i++) wn_text_printf(&t, " %s", j->options.metrics[i]->name);
    j->question = t.failed ? NULL : wn_pool_text(&j->pool, wn_text_string(&t), t.bytes.size);
    wn_text_finish(&t);
    return j->question ? WN_OK : wn_fail(err, WN_NO_MEMORY, "no memory for the question");
}

enum wn_code wn_judging_read(const struct wn_judging_words *w, const struct wn_model *m, const struct wn_config *config,
                             struct wn_judging *out, struct wn_error *err)
{
    *out = (struct wn_judging){.seed = w->seed, .limits = wn_config_image_limits(config)};
    if (wn_graph_classes(m->graph) < 2)
        return wn_fail(err, WN_BAD_REQUEST,
                       "an evaluation needs a network with two outputs or more, and the model %s has one output",
                       m->name);
    out->wrong = "suite";
    int suite = w->suite ? find(w->suite, "suite", suite_name, err) : 0;
    if (suite < 0) return WN_BAD_REQUEST;
    out->wrong = "layer";
    int layer = w->layer ? wn_graph_find_layer(m->graph, w->layer) : m->layer;
    if (w->layer && layer < 0)
        return wn_fail(err, WN_NO_SUCH_LAYER, "the model %s has no layer '%.64s'", m->name, w->layer);
    out->options.explain_label =
        w->explained == WN_EXPLAINED_BY_SUITE ? suites[suite].explain_label : w->explained == WN_EXPLAINED_LABEL;
    out->options.least_second = w->least_second;
    out->wrong = "metrics";
    enum wn_code code = read_metrics(out, w->metrics ? w->metrics : suites[suite].metrics, err);
    if (code == WN_OK) out->wrong = NULL;
    if (code == WN_OK)
        code = read_subjects(out, w->methods ? w->methods : suites[suite].methods,
                             w->contrasts ? w->contrasts : suites[suite].contrasts, layer < 0 ? WN_LAYER_AUTO : layer,
                             err);
    return code == WN_OK ? write_question(out, w, m, err) : code;
}

void wn_judging_finish(struct wn_judging *j)
{
    wn_pool_finish(&j->pool);
    *j = (struct wn_judging){0};
}

/* ---- one picture ---- */

static enum wn_code check_size(const struct wn_image *image, struct wn_full_size *size, struct wn_error *err)
{
    if (!size->width) *size = (struct wn_full_size){image->full_width, image->full_height};
    if (image->full_width == size->width && image->full_height == size->height) return WN_OK;
    return wn_fail(err, WN_BAD_REQUEST, "a picture of %d x %d goes with one of %d x %d", image->full_width,
                   image->full_height, size->width, size->height);
}

enum wn_code wn_exhibit_read(const struct wn_model *m, const struct wn_image_limits *limits,
                             const struct wn_preprocess *p, const struct wn_bytes *bytes, struct wn_full_size *size,
                             float *to, struct wn_error *err)
{
    struct wn_geometry geometry;
    struct wn_image image = {0};
    enum wn_code code = wn_image_decode(bytes->data, bytes->size, limits, 0, &image, err);
    if (code == WN_OK) code = check_size(&image, size, err);
    if (code == WN_OK) code = wn_preprocess_geometry(p, image.full_width, image.full_height, &geometry, err);
    if (code == WN_OK && (geometry.crop_w != wn_graph_width(m->graph) || geometry.crop_h != wn_graph_height(m->graph)))
        code = wn_fail(err, WN_BAD_REQUEST, "the picture makes an input of %d x %d and the network takes %d x %d",
                       geometry.crop_w, geometry.crop_h, (int)wn_graph_width(m->graph), (int)wn_graph_height(m->graph));
    if (code == WN_OK) code = wn_preprocess_apply(p, &image, &geometry, to, err);
    wn_image_finish(&image);
    return code;
}

/* Pixels of the input that matter, from a mask that went the way of the picture. mask: H*W floats from 0 to 1. */
static void take_truth(const float *mask, int n, uint8_t *truth)
{
    for (int i = 0; i < n; i++) truth[i] = mask[i] > 0.5f;
}

/* A box that were cut at the border would not be what its maker meant: of another picture, or of one that was larger.
 * Width and height are no pixels, but the edge where who counts from edge to edge ends. */
static enum wn_code check_boxes(const struct wn_exhibit *e, int width, int height, struct wn_error *err)
{
    for (int b = 0; b < e->n_boxes; b++) {
        const struct wn_box *box = &e->boxes[b];
        if (box->x0 < 0 || box->y0 < 0 || box->x0 >= width || box->y0 >= height || box->x1 > width || box->y1 > height)
            return wn_fail(err, WN_BAD_REQUEST,
                           "the box [%d, %d, %d, %d] does not lie in the picture, which has %d x %d pixels", box->x0,
                           box->y0, box->x1, box->y1, width, height);
    }
    return WN_OK;
}

/* Row by row, so that boxes over each other cost no more than one. step: width + 1 numbers. */
static void draw_boxes(const struct wn_exhibit *e, struct wn_image *drawn, int *step)
{
    const size_t width = (size_t)drawn->width;
    for (int y = 0; y < drawn->height; y++) {
        uint8_t *row = drawn->rgb + (size_t)y * width * 3;
        int inside = 0;
        memset(step, 0, (width + 1) * sizeof *step);
        for (const struct wn_box *box = e->boxes; box < e->boxes + e->n_boxes; box++) {
            if (y < box->y0 || y > box->y1) continue;
            step[box->x0]++;
            step[box->x1 < drawn->width ? box->x1 + 1 : drawn->width]--;
        }
        for (size_t x = 0; x < width; x++) {
            inside += step[x];
            if (inside) memset(row + x * 3, 255, 3);
        }
    }
}

static enum wn_code read_boxes(const struct wn_exhibit *e, const struct wn_preprocess *p,
                               const struct wn_full_size *size, float *mask, struct wn_error *err)
{
    struct wn_image drawn = {.width = size->width,
                             .height = size->height,
                             .full_width = size->width,
                             .full_height = size->height,
                             .reduction = 1,
                             .orientation = 1};
    struct wn_geometry geometry;
    if (check_boxes(e, drawn.width, drawn.height, err) != WN_OK) return WN_BAD_REQUEST;
    int *step = malloc(((size_t)drawn.width + 1) * sizeof *step);
    drawn.rgb = calloc((size_t)drawn.width * (size_t)drawn.height, 3);
    enum wn_code code = step && drawn.rgb ? WN_OK : wn_fail(err, WN_NO_MEMORY, "no memory for a mask");
    if (code == WN_OK) draw_boxes(e, &drawn, step);
    free(step);
    if (code == WN_OK) code = wn_preprocess_geometry(p, drawn.width, drawn.height, &geometry, err);
    if (code == WN_OK) code = wn_preprocess_apply(p, &drawn, &geometry, mask, err);
    free(drawn.rgb);
    return code;
}

/* Where everything about one picture stands while it is measured. */
struct desk {
    struct wn_evaluation_picture picture;
    float *image, *counterfactual, *elsewhere, *mask;
    uint8_t *truth;
    double *values;
    struct wn_error *refused; /* of each subject */
};

static enum wn_code clear_desk(struct desk *d, size_t floats, int pixels, int n_values, int n_subjects,
                               struct wn_error *err)
{
    d->image = malloc(3 * floats * sizeof(float));
    d->mask = malloc((size_t)pixels * sizeof *d->mask);
    d->truth = malloc((size_t)pixels);
    d->values = malloc((size_t)n_values * sizeof *d->values);
    d->refused = calloc((size_t)n_subjects, sizeof *d->refused);
    if (!d->image || !d->mask || !d->truth || !d->values || !d->refused)
        return wn_fail(err, WN_NO_MEMORY, "no memory for a picture");
    d->counterfactual = d->image + floats;
    d->elsewhere = d->counterfactual + floats;
    return WN_OK;
}

static void put_away(struct desk *d)
{
    free(d->image);
    free(d->mask);
    free(d->truth);
    free(d->values);
    free(d->refused);
}

void wn_preprocess_plain(struct wn_preprocess *p)
{
    p->order = WN_CHANNELS_GRAY;
    p->scale = 1.0f / 255;
    memset(p->mean, 0, sizeof p->mean);
    for (int c = 0; c < 3; c++) p->std[c] = 1;
}

static enum wn_code read_others(const struct wn_model *m, const struct wn_image_limits *limits,
                                const struct wn_exhibit *e, struct wn_full_size *size, struct desk *d,
                                struct wn_error *err)
{
    const struct wn_preprocess *own = &m->manifest.preprocess;
    struct wn_preprocess plain = *own;
    enum wn_code code = WN_OK;
    wn_preprocess_plain(&plain);
    if (e->truth.data)
        code = wn_exhibit_read(m, limits, &plain, &e->truth, size, d->mask, err);
    else if (e->n_boxes)
        code = read_boxes(e, &plain, size, d->mask, err);
    if (code == WN_OK && (e->truth.data || e->n_boxes)) {
        take_truth(d->mask, (int)(wn_graph_height(m->graph) * wn_graph_width(m->graph)), d->truth);
        d->picture.truth = d->truth;
    }
    if (code == WN_OK && e->counterfactual.data) {
        code = wn_exhibit_read(m, limits, own, &e->counterfactual, size, d->counterfactual, err);
        d->picture.counterfactual = d->counterfactual;
    }
    if (code == WN_OK && e->elsewhere.data) {
        code = wn_exhibit_read(m, limits, own, &e->elsewhere, size, d->elsewhere, err);
        d->picture.elsewhere = d->elsewhere;
    }
    return code;
}

/* FNV-1a: pictures of different names draw different numbers, whatever their order. */
static uint64_t seed_of(const char *name, uint64_t seed)
{
    uint64_t hash = 14695981039346656037u ^ seed;
    for (; *name; name++) hash = (hash ^ (unsigned char)*name) * 1099511628211u;
    return hash;
}

static enum wn_code read_exhibit(const struct wn_model *m, const struct wn_judging *j, const struct wn_exhibit *e,
                                 struct desk *d, struct wn_error *err)
{
    struct wn_full_size size = {0};
    enum wn_code code = WN_OK;
    if (e->label >= m->classes || e->rival >= m->classes)
        code = wn_fail(err, WN_NO_SUCH_CLASS, "the model has classes 0 to %d", m->classes - 1);
    if (code == WN_OK) code = wn_exhibit_read(m, &j->limits, &m->manifest.preprocess, &e->image, &size, d->image, err);
    d->picture = (struct wn_evaluation_picture){
        .image = d->image, .label = e->label, .rival = e->rival, .seed = seed_of(e->name, j->seed)};
    return code == WN_OK ? read_others(m, &j->limits, e, &size, d, err) : code;
}

/* Numbers that say nothing (of this picture, or of all) are left out. */
static void write_values(struct wn_text *t, const struct wn_judging *j, const double *values)
{
    wn_json_key(t, "values");
    wn_json_open(t, '{');
    for (int k = 0; k < j->options.n_metrics; k++) {
        const struct wn_evaluation_metric *m = j->options.metrics[k];
        wn_json_key(t, m->name);
        wn_json_open(t, '{');
        for (int s = 0; s < j->options.n_subjects; s++) {
            wn_json_key(t, j->subjects[s]);
            wn_json_open(t, '{');
            for (int c = 0; c < m->n_columns; c++, values++) {
                if (!isfinite(*values)) continue;
                wn_json_pair_number(t, m->columns[c].name, *values);
            }
            wn_json_close(t, '}');
        }
        wn_json_close(t, '}');
    }
    wn_json_close(t, '}');
}

static void write_class(struct wn_text *t, const char *key, const struct wn_model *m, int index)
{
    if (index < 0 || index >= m->classes) return;
    wn_json_key(t, key);
    if (m->labels)
        wn_json_string(t, m->labels[index]);
    else
        wn_json_int(t, index);
}

void wn_refused_write(const struct wn_judging *j, const struct wn_error *refused, struct wn_text *line)
{
    bool any = false;
    for (int s = 0; s < j->options.n_subjects; s++) {
        if (refused[s].code == WN_OK) continue;
        if (!any) wn_json_key(line, "refused"), wn_json_open(line, '{');
        any = true;
        wn_json_pair(line, j->subjects[s], refused[s].text);
    }
    if (any) wn_json_close(line, '}');
}

enum wn_code wn_judge(struct wn_evaluation *v, const struct wn_judging *j, const struct wn_model *m,
                      const struct wn_exhibit *e, struct wn_text *line, struct wn_error *err)
{
    struct desk d = {0};
    struct wn_error why = {0};
    int prediction = -1, pixels = (int)(wn_graph_height(m->graph) * wn_graph_width(m->graph));
    int64_t passes = 0;
    enum wn_code code = clear_desk(&d, (size_t)pixels * (size_t)wn_graph_channels(m->graph), pixels,
                                   wn_evaluation_values(v), j->options.n_subjects, &why);
    if (code == WN_OK) code = read_exhibit(m, j, e, &d, &why);
    if (code == WN_OK) code = wn_evaluation_run(v, &d.picture, d.values, &prediction, &passes, d.refused, &why);
    wn_json_open(line, '{');
    wn_json_pair(line, "file", e->name);
    wn_json_pair(line, "question", j->question);
    write_class(line, "label", m, e->label);
    write_class(line, "prediction", m, prediction);
    if (code == WN_OK) {
        wn_json_key(line, "right");
        if (e->label >= 0)
            wn_json_bool(line, e->label == prediction);
        else
            wn_json_null(line);
        wn_json_pair_int(line, "passes", passes);
        write_values(line, j, d.values);
        wn_refused_write(j, d.refused, line);
    } else {
        wn_json_pair(line, "error", why.text);
    }
    wn_json_close(line, '}');
    put_away(&d);
    if (line->failed) return wn_fail(err, WN_NO_MEMORY, "no memory for a line");
    return code == WN_NO_MEMORY || code == WN_DEVICE || code == WN_DEADLINE ? wn_fail(err, code, "%s", why.text)
                                                                            : WN_OK;
}

enum wn_code wn_judge_missing(const struct wn_judging *j, const char *name, const char *why, struct wn_text *line,
                              struct wn_error *err)
{
    wn_json_open(line, '{');
    wn_json_pair(line, "file", name);
    wn_json_pair(line, "question", j->question);
    wn_json_pair(line, "error", why);
    wn_json_close(line, '}');
    return line->failed ? wn_fail(err, WN_NO_MEMORY, "no memory for a line") : WN_OK;
}
