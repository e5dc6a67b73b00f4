/* Pictures of parts: measuring and scoring; knows files as bytes only. */
#include "parts.h"

#include <math.h>
#include <media/preprocess.h>
#include <stdlib.h>
#include <string.h>
#include <whynot/whynot.h>

#define TAUS 80
#define SPREAD 2 /* pixels by which a unit is grown: a maximum over 5 x 5 */

bool wn_judging_wants_parts(const struct wn_judging *j)
{
    for (int i = 0; i < j->options.n_metrics; i++)
        if (j->options.metrics[i]->needs & WN_NEEDS_PARTS) return true;
    return false;
}

/* ---- one picture ---- */

struct table { /* where everything stands while a picture is measured */
    struct wn_engine *engine;
    const struct wn_judging *judging;
    const struct wn_model *model;
    const struct wn_assembled *a;
    struct wn_full_size size; /* of the picture */
    int h, w, classes;
    float *x, *again, *logits, *logits_again, *map, *mask;
    uint8_t *unit; /* n_units * h*w */
    int64_t passes;
};

static enum wn_code lay(struct table *t, struct wn_error *err)
{
    size_t pixels = (size_t)t->h * (size_t)t->w, floats = pixels * (size_t)wn_graph_channels(t->model->graph);
    t->x = malloc(floats * sizeof(float));
    t->again = malloc(floats * sizeof(float));
    t->logits = malloc((size_t)t->classes * sizeof(float));
    t->logits_again = malloc((size_t)t->classes * sizeof(float));
    t->map = malloc(pixels * sizeof(float));
    t->mask = malloc(pixels * sizeof(float));
    t->unit = calloc(pixels, (size_t)t->a->n_units + 1);
    bool all = t->x && t->again && t->logits && t->logits_again && t->map && t->mask && t->unit;
    return all ? WN_OK : wn_fail(err, WN_NO_MEMORY, "no memory for a picture of parts");
}

static void clear(struct table *t)
{
    free(t->x);
    free(t->again);
    free(t->logits);
    free(t->logits_again);
    free(t->map);
    free(t->mask);
    free(t->unit);
}

static void grow(const float *mask, int h, int w, uint8_t *out)
{
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            if (!(mask[y * w + x] > 0.5f)) continue;
            for (int v = y - SPREAD; v <= y + SPREAD; v++)
                for (int u = x - SPREAD; u <= x + SPREAD; u++)
                    if (v >= 0 && v < h && u >= 0 && u < w) out[v * w + u] = 1;
        }
}

/* Each unit goes the way of the picture, so that its pixels are those that the network sees. */
static enum wn_code read_units(struct table *t, struct wn_error *err)
{
    const struct wn_judging *j = t->judging;
    struct wn_preprocess plain = t->model->manifest.preprocess;
    struct wn_geometry geometry;
    struct wn_image map = {0};
    wn_preprocess_plain(&plain);
    enum wn_code code = wn_image_decode(t->a->map.data, t->a->map.size, &j->limits, 0, &map, err);
    if (code == WN_OK && (map.width != t->size.width || map.height != t->size.height))
        code = wn_fail(err, WN_BAD_REQUEST, "a map of parts of %d x %d goes with a picture of %d x %d", map.width,
                       map.height, t->size.width, t->size.height);
    size_t n = code == WN_OK ? (size_t)map.width * (size_t)map.height : 0;
    uint8_t *values = malloc(n + 1);
    if (code == WN_OK && !values) code = wn_fail(err, WN_NO_MEMORY, "no memory for a map of parts");
    for (size_t i = 0; i < n && values; i++) values[i] = map.rgb[3 * i];
    for (int u = 0; u < t->a->n_units && code == WN_OK; u++) {
        for (size_t i = 0; i < n; i++) memset(map.rgb + 3 * i, values[i] == u + 1 ? 255 : 0, 3);
        code = wn_preprocess_geometry(&plain, map.width, map.height, &geometry, err);
        if (code == WN_OK) code = wn_preprocess_apply(&plain, &map, &geometry, t->mask, err);
        if (code == WN_OK) grow(t->mask, t->h, t->w, t->unit + (size_t)u * (size_t)t->h * (size_t)t->w);
    }
    free(values);
    wn_image_finish(&map);
    return code;
}

static enum wn_code forward(struct table *t, const float *x, float *logits, struct wn_error *err)
{
    t->passes++;
    return wn_engine_explain(t->engine, &(struct wn_batch){1, &x, 0, NULL, NULL, NULL, NULL}, logits, NULL, NULL, err);
}

/* [[units that are gone, most likely class, logits of the label and of both others], ...] */
static enum wn_code write_without(struct table *t, struct wn_text *out, struct wn_error *err)
{
    enum wn_code code = WN_OK;
    wn_json_key(out, "without");
    wn_json_open(out, '[');
    for (int i = 0; i < t->a->n_without && code == WN_OK; i++) {
        const struct wn_without *one = &t->a->without[i];
        code = wn_exhibit_read(t->model, &t->judging->limits, &t->model->manifest.preprocess, &one->image, &t->size,
                               t->again, err);
        if (code == WN_OK) code = forward(t, t->again, t->logits_again, err);
        if (code != WN_OK) break;
        wn_json_open(out, '[');
        wn_json_int(out, (int64_t)one->gone);
        wn_json_int(out, wn_argmax(t->logits_again, t->classes));
        wn_json_number(out, (double)t->logits_again[t->a->label]);
        for (int k = 0; k < 2 && t->a->other[0] >= 0; k++) wn_json_number(out, (double)t->logits_again[t->a->other[k]]);
        wn_json_close(out, ']');
    }
    wn_json_close(out, ']');
    return code;
}

static double importance(const struct table *t, uint64_t units)
{
    double sum = 0;
    size_t pixels = (size_t)t->h * (size_t)t->w;
    for (size_t i = 0; i < pixels; i++) {
        bool inside = false;
        for (int u = 0; u < t->a->n_units; u++) inside |= (units >> u & 1) && t->unit[(size_t)u * pixels + i];
        if (inside) sum += (double)t->map[i];
    }
    return sum;
}

static enum wn_code explain(struct table *t, const struct wn_subject *s, int target, struct wn_error *refused,
                            bool *known, struct wn_error *err)
{
    const float *x = t->x;
    struct wn_question q = {.layer = s->layer, .method = s->method, .contrast = s->contrast, .target = target};
    struct wn_answer answer = {0};
    t->passes++;
    enum wn_code code = wn_engine_explain(t->engine, &(struct wn_batch){1, &x, 1, &q, NULL, NULL, NULL},
                                          t->logits_again, &answer, NULL, err);
    if (code == WN_OK) code = wn_answers_failure(&answer, 1, err);
    if (answer.error.code != WN_OK) wn_fail(refused, answer.error.code, "%s", answer.error.text);
    *known = code == WN_OK && answer.map;
    if (*known) code = wn_enlarge(answer.map, answer.h, answer.w, false, t->h, t->w, t->map, err);
    wn_answer_finish(&answer);
    return code;
}

/* {"sum", "importance": of each unit, "shared": [[of the first's shared parts for either class], [of the second's]]} */
static enum wn_code write_subject(struct table *t, const struct wn_subject *s, struct wn_text *out,
                                  struct wn_error *refused, struct wn_error *err)
{
    bool known;
    double sum = 0, shared[2][2];
    enum wn_code code = explain(t, s, t->a->label, refused, &known, err);
    wn_json_open(out, '{');
    if (code == WN_OK && known) {
        for (int i = 0; i < t->h * t->w; i++) sum += (double)t->map[i];
        wn_json_pair_number(out, "sum", sum);
        wn_json_key(out, "importance");
        wn_json_open(out, '[');
        for (int u = 0; u < t->a->n_units; u++) wn_json_number(out, importance(t, 1ull << u));
        wn_json_close(out, ']');
    }
    for (int k = 0; k < 2 && t->a->other[0] >= 0 && code == WN_OK && known; k++) {
        code = explain(t, s, t->a->other[k], refused, &known, err);
        for (int set = 0; set < 2 && known; set++) shared[set][k] = importance(t, t->a->shared[set]);
    }
    if (code == WN_OK && known && t->a->other[0] >= 0) {
        wn_json_key(out, "shared");
        wn_json_open(out, '[');
        for (int i = 0; i < 4; i++) wn_json_number(out, shared[i / 2][i % 2]);
        wn_json_close(out, ']');
    }
    wn_json_close(out, '}');
    return code;
}

static enum wn_code write_parts(struct table *t, struct wn_text *out, struct wn_error *refused, struct wn_error *err)
{
    const struct wn_assembled *a = t->a;
    wn_json_key(out, "parts");
    wn_json_open(out, '{');
    wn_json_pair_int(out, "n", a->n_parts);
    wn_json_pair_int(out, "units", a->n_units);
    wn_json_pair_int(out, "label", a->label);
    wn_json_pair_int(out, "top", wn_argmax(t->logits, t->classes));
    wn_json_pair_number(out, "logit", (double)t->logits[a->label]);
    wn_json_key(out, "minimal");
    wn_json_open(out, '[');
    for (int i = 0; i < a->n_minimal; i++) wn_json_int(out, (int64_t)a->minimal[i]);
    wn_json_close(out, ']');
    wn_json_key(out, "sets");
    wn_json_open(out, '[');
    for (int k = 0; k < 2 && a->other[0] >= 0; k++) wn_json_int(out, (int64_t)a->shared[k]);
    wn_json_close(out, ']');
    enum wn_code code = write_without(t, out, err);
    wn_json_key(out, "subjects");
    wn_json_open(out, '{');
    for (int s = 0; s < t->judging->options.n_subjects && code == WN_OK; s++) {
        wn_json_key(out, t->judging->subjects[s]);
        code = write_subject(t, &t->judging->options.subjects[s], out, &refused[s], err);
    }
    wn_json_close(out, '}');
    wn_json_close(out, '}');
    return code;
}

static enum wn_code read_all(struct table *t, struct wn_error *err)
{
    const struct wn_assembled *a = t->a;
    if (a->label < 0 || a->label >= t->classes)
        return wn_fail(err, WN_BAD_REQUEST, "a picture of parts needs its class");
    if (a->n_units < 1 || a->n_units > WN_MOST_UNITS)
        return wn_fail(err, WN_BAD_REQUEST, "a picture of parts has 1 to %d of them", WN_MOST_UNITS);
    enum wn_code code = lay(t, err);
    if (code == WN_OK)
        code = wn_exhibit_read(t->model, &t->judging->limits, &t->model->manifest.preprocess, &a->image, &t->size, t->x,
                               err);
    if (code == WN_OK) code = read_units(t, err);
    return code == WN_OK ? forward(t, t->x, t->logits, err) : code;
}

enum wn_code wn_judge_parts(struct wn_engine *e, const struct wn_judging *j, const struct wn_model *m,
                            const struct wn_assembled *a, struct wn_text *line, struct wn_error *err)
{
    struct table t = {.engine = e,
                      .judging = j,
                      .model = m,
                      .a = a,
                      .h = (int)wn_graph_height(m->graph),
                      .w = (int)wn_graph_width(m->graph),
                      .classes = m->classes};
    struct wn_text body = {0};
    struct wn_error why = {0}, *refused = calloc((size_t)j->options.n_subjects, sizeof *refused);
    wn_json_open(&body, '{');
    wn_json_pair(&body, "file", a->name);
    wn_json_pair(&body, "question", j->question);
    enum wn_code code = refused ? read_all(&t, &why) : wn_fail(&why, WN_NO_MEMORY, "no memory for a picture of parts");
    if (code == WN_OK) code = write_parts(&t, &body, refused, &why);
    if (code == WN_OK) {
        wn_json_pair_bool(&body, "right", wn_argmax(t.logits, t.classes) == a->label);
        wn_json_pair_int(&body, "passes", t.passes);
        wn_refused_write(j, refused, &body);
        wn_json_close(&body, '}');
        wn_text_add(line, (char *)body.bytes.data, body.bytes.size);
    }
    clear(&t);
    free(refused);
    bool failed = body.failed || line->failed;
    wn_text_finish(&body);
    if (failed) return wn_fail(err, WN_NO_MEMORY, "no memory for a line");
    if (code == WN_NO_MEMORY || code == WN_DEVICE) return wn_fail(err, code, "%s", why.text);
    return code == WN_OK ? WN_OK : wn_judge_missing(j, a->name, why.text, line, err);
}

/* ---- scores ---- */

static double number(const json_t *v)
{
    return json_is_number(v) ? json_number_value(v) : NAN;
}

static int count(uint64_t set)
{
    return __builtin_popcountll(set);
}

/* The row of the picture without exactly these units; NULL: it was not drawn. */
static const json_t *row_without(const json_t *parts, uint64_t gone)
{
    const json_t *rows = json_object_get(parts, "without");
    for (size_t i = 0; i < json_array_size(rows); i++)
        if ((uint64_t)json_integer_value(json_array_get(json_array_get(rows, i), 0)) == gone)
            return json_array_get(rows, i);
    return NULL;
}

/* 1 where the prediction stays without these parts, 0 where it changes, NaN where nobody drew that. */
static double stays(const json_t *parts, uint64_t gone)
{
    const json_t *row = row_without(parts, gone);
    if (!gone) return 1;
    return row ? json_integer_value(json_array_get(row, 1)) == json_integer_value(json_object_get(parts, "top")) : NAN;
}

static double synthetic_check(const json_t *parts, uint64_t important)
{
    const json_t *minimal = json_object_get(parts, "minimal");
    double best = NAN;
    if (json_integer_value(json_object_get(parts, "top")) != json_integer_value(json_object_get(parts, "label")))
        return NAN;
    for (size_t i = 0; i < json_array_size(minimal); i++) {
        uint64_t set = (uint64_t)json_integer_value(json_array_get(minimal, i));
        if (set) best = fmax(best, (double)count(set & important) / count(set)); /* fmax takes the other for NaN */
    }
    return best;
}

/* How far the label's logit falls without one unit; NaN where it was not drawn. */
static double drop_of(const json_t *parts, int unit)
{
    const json_t *row = row_without(parts, 1ull << unit);
    return row ? number(json_object_get(parts, "logit")) - number(json_array_get(row, 2)) : NAN;
}

/* Those whose leaving out was drawn; *irrelevant: of these, what changes the logit by less than 5 % of it, or raises
 * it. */
static uint64_t drawn_of(const json_t *parts, int n_units, uint64_t *irrelevant)
{
    const double limit = 0.05 * fabs(number(json_object_get(parts, "logit")));
    uint64_t drawn = 0;
    *irrelevant = 0;
    for (int u = 0; u < n_units; u++) {
        const double drop = drop_of(parts, u);
        if (isfinite(drop)) drawn |= 1ull << u;
        if (drop < limit) *irrelevant |= 1ull << u;
    }
    return drawn;
}

static double single_deletion(const json_t *parts, const json_t *importance, int n_parts)
{
    double drops[WN_MOST_UNITS], values[WN_MOST_UNITS], r = NAN;
    int n = 0;
    for (int u = 0; u < n_parts; u++) {
        drops[n] = drop_of(parts, u);
        values[n] = number(json_array_get(importance, (size_t)u));
        n += isfinite(drops[n]) && isfinite(values[n]);
    }
    if (wn_rank_correlation(drops, values, n, &r, NULL) != WN_OK) return NAN;
    return r / 2 + 0.5;
}

static double target_sensitivity(const json_t *parts, const json_t *shared)
{
    const json_t *sets = json_object_get(parts, "sets"), *row[2] = {NULL, NULL};
    for (size_t k = 0; k < 2 && json_array_size(sets) == 2; k++)
        row[k] = row_without(parts, (uint64_t)json_integer_value(json_array_get(sets, k)));
    if (!row[0] || !row[1] || json_array_size(shared) != 4) return NAN;
    bool first = number(json_array_get(row[0], 3)) < number(json_array_get(row[1], 3)),
         second = number(json_array_get(row[1], 4)) < number(json_array_get(row[0], 4));
    if (!first || !second) return NAN; /* the network itself does not look at those parts */
    const double in_a = number(json_array_get(shared, 0)), in_a_for_b = number(json_array_get(shared, 1));
    const double in_b_for_a = number(json_array_get(shared, 2)), in_b = number(json_array_get(shared, 3));
    return ((in_a > in_a_for_b) + (in_b > in_b_for_a)) / 2.0;
}

void wn_parts_score(const json_t *parts, const char *subject, double tau, double *scores)
{
    const json_t *of = json_object_get(json_object_get(parts, "subjects"), subject),
                 *values = json_object_get(of, "importance");
    int n_parts = (int)json_integer_value(json_object_get(parts, "n")),
        n_units = (int)json_integer_value(json_object_get(parts, "units"));
    double sum = number(json_object_get(of, "sum"));
    uint64_t important = 0;
    for (int i = 0; i < WN_PARTS_SCORES; i++) scores[i] = NAN;
    if (n_parts < 0 || n_units > WN_MOST_UNITS || n_parts > n_units || json_array_size(values) != (size_t)n_units ||
        !isfinite(sum))
        return;
    for (int u = 0; u < n_units; u++)
        if (number(json_array_get(values, (size_t)u)) > tau * sum) important |= 1ull << u;
    const uint64_t all = (1ull << n_parts) - 1;
    uint64_t irrelevant, behind = drawn_of(parts, n_units, &irrelevant) & ~all;
    scores[WN_PARTS_CSDC] = synthetic_check(parts, important);
    scores[WN_PARTS_PC] = stays(parts, all & ~important);
    scores[WN_PARTS_DC] = 1 - stays(parts, all & important);
    if (irrelevant) scores[WN_PARTS_D] = 1 - (double)count(important & irrelevant) / count(irrelevant);
    if (behind) scores[WN_PARTS_BI] = (double)count(behind & irrelevant) / count(behind);
    scores[WN_PARTS_SD] = single_deletion(parts, values, n_parts);
    scores[WN_PARTS_TS] = target_sensitivity(parts, json_object_get(of, "shared"));
    scores[WN_PARTS_TAU] = tau;
}

/* ---- all pictures ---- */

static double goodness(const struct wn_tally *t, const char *subject, double tau)
{
    double sum[4] = {0}, scores[WN_PARTS_SCORES];
    int n[4] = {0};
    for (int i = 0; i < t->n; i++) {
        wn_parts_score(json_array_get(t->parts, (size_t)i), subject, tau, scores);
        for (int k = 0; k < 4; k++)
            if (isfinite(scores[k])) sum[k] += scores[k], n[k]++;
    }
    for (int k = 0; k < 4; k++) sum[k] = n[k] ? sum[k] / n[k] : 0;
    return (sum[WN_PARTS_CSDC] + sum[WN_PARTS_PC] + sum[WN_PARTS_DC]) / 3 + sum[WN_PARTS_D];
}

enum wn_code wn_parts_settle(struct wn_tally *t, struct wn_error *err)
{
    const struct wn_judging *j = t->judging;
    int metric = 0;
    while (metric < j->options.n_metrics && !(j->options.metrics[metric]->needs & WN_NEEDS_PARTS)) metric++;
    if (metric == j->options.n_metrics) return WN_OK;
    if (j->options.metrics[metric]->n_columns != WN_PARTS_SCORES || json_array_size(t->parts) != (size_t)t->n)
        return wn_fail(err, WN_BAD_REQUEST, "the lines of this evaluation are not about pictures of parts");
    for (int s = 0; s < j->options.n_subjects; s++) {
        double best = -INFINITY, chosen = 0.01, scores[WN_PARTS_SCORES];
        for (int i = 0; i < TAUS; i++) {
            double tau = 0.01 + 0.49 * i / (TAUS - 1), good = goodness(t, j->subjects[s], tau);
            if (good > best) best = good, chosen = tau;
        }
        for (int i = 0; i < t->n; i++) {
            wn_parts_score(json_array_get(t->parts, (size_t)i), j->subjects[s], chosen, scores);
            for (int c = 0; c < WN_PARTS_SCORES; c++) t->columns[wn_tally_index(j, metric, s, c)][i] = scores[c];
        }
    }
    return WN_OK;
}
