/* From the lines of all pictures to one table; knows no network. */
#include "evaluation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <whynot/whynot.h>

enum wn_code wn_tally_create(const struct wn_judging *j, struct wn_tally *out, struct wn_error *err)
{
    *out = (struct wn_tally){.judging = j};
    for (int k = 0; k < j->options.n_metrics; k++)
        out->n_values += j->options.metrics[k]->n_columns * j->options.n_subjects;
    out->columns = calloc((size_t)out->n_values, sizeof(double *));
    out->labels = json_object();
    out->refused = calloc((size_t)j->options.n_subjects, sizeof *out->refused);
    out->left_out = calloc((size_t)j->options.n_metrics, sizeof *out->left_out);
    return out->columns && out->labels && out->refused && out->left_out
               ? WN_OK
               : wn_fail(err, WN_NO_MEMORY, "no memory for a table");
}

void wn_tally_finish(struct wn_tally *t)
{
    for (int i = 0; t->columns && i < t->n_values; i++) free(t->columns[i]);
    for (int i = 0; i < t->n; i++) free(t->names[i]);
    for (int s = 0; t->refused && s < t->judging->options.n_subjects; s++) free(t->refused[s].why);
    json_decref(t->parts);
    json_decref(t->labels);
    free(t->refused);
    free(t->left_out);
    free(t->columns);
    free(t->classes);
    free(t->names);
    *t = (struct wn_tally){0};
}

int wn_tally_index(const struct wn_judging *j, int metric, int subject, int column)
{
    int at = 0;
    for (int k = 0; k < metric; k++) at += j->options.metrics[k]->n_columns * j->options.n_subjects;
    return at + subject * j->options.metrics[metric]->n_columns + column;
}

static enum wn_code grow(struct wn_tally *t, struct wn_error *err)
{
    int room = t->room ? 2 * t->room : 256;
    char **names = realloc(t->names, (size_t)room * sizeof(char *));
    if (names) t->names = names;
    int *classes = realloc(t->classes, (size_t)room * sizeof *classes);
    if (classes) t->classes = classes;
    for (int i = 0; names && classes && i < t->n_values; i++) {
        double *column = realloc(t->columns[i], (size_t)room * sizeof *column);
        if (!column) return wn_fail(err, WN_NO_MEMORY, "no memory for the numbers of %d pictures", room);
        t->columns[i] = column;
    }
    if (!names || !classes) return wn_fail(err, WN_NO_MEMORY, "no memory for the names of %d pictures", room);
    t->room = room;
    return WN_OK;
}

/* The number of a line's label: an index where the network's classes have no names. */
static enum wn_code class_of(struct wn_tally *t, const json_t *label, int *out, struct wn_error *err)
{
    char index[24] = "";
    if (json_is_integer(label)) snprintf(index, sizeof index, "%lld", (long long)json_integer_value(label));
    const char *key = json_is_string(label) ? json_string_value(label) : index;
    const json_t *known = json_object_get(t->labels, key);
    *out = known ? (int)json_integer_value(known) : (int)json_object_size(t->labels);
    if (known || json_object_set_new(t->labels, key, json_integer(*out)) == 0) return WN_OK;
    return wn_fail(err, WN_NO_MEMORY, "no memory for a label");
}

/* all: whether no subject has an answer to this picture. */
static enum wn_code add_refused(struct wn_tally *t, const json_t *refused, bool *all, struct wn_error *err)
{
    const struct wn_judging *j = t->judging;
    *all = true;
    for (int s = 0; s < j->options.n_subjects; s++) {
        const char *why = json_string_value(json_object_get(refused, j->subjects[s]));
        *all &= why != NULL;
        if (!why) continue;
        if (!t->refused[s].why && !(t->refused[s].why = strdup(why)))
            return wn_fail(err, WN_NO_MEMORY, "no memory for why a question was refused");
        t->refused[s].n++;
    }
    return WN_OK;
}

/* The numbers of one metric, from `at` on among a picture's. */
static void add_values(struct wn_tally *t, int metric, int at, const json_t *of_metric, bool refused)
{
    const struct wn_judging *j = t->judging;
    const struct wn_evaluation_metric *m = j->options.metrics[metric];
    bool any = false;
    for (int s = 0; s < j->options.n_subjects; s++) {
        const json_t *of_subject = json_object_get(of_metric, j->subjects[s]);
        for (int c = 0; c < m->n_columns; c++, at++) {
            const json_t *number = json_object_get(of_subject, m->columns[c].name);
            t->columns[at][t->n] = json_is_number(number) ? json_number_value(number) : NAN;
            any |= json_is_number(number);
        }
    }
    t->left_out[metric] += !any && !refused && !(m->needs & WN_NEEDS_PARTS); /* those have numbers in the end */
}

enum wn_code wn_tally_add(struct wn_tally *t, const json_t *line, struct wn_error *err)
{
    const struct wn_judging *j = t->judging;
    const char *name = json_string_value(json_object_get(line, "file"));
    const json_t *values = json_object_get(line, "values"), *right = json_object_get(line, "right");
    if (!name) return wn_fail(err, WN_BAD_REQUEST, "a line of an evaluation has no 'file'");
    if (json_object_get(line, "error")) {
        t->failed++;
        return WN_OK;
    }
    json_t *parts = json_object_get(line, "parts");
    if (json_is_object(parts)) {
        if (!t->parts) t->parts = json_array();
        if (json_array_append(t->parts, parts) != 0)
            return wn_fail(err, WN_NO_MEMORY, "no memory for the parts of a picture");
    } else if (!json_is_object(values))
        return wn_fail(err, WN_BAD_REQUEST, "the line of '%.200s' has no values", name);
    if (t->n == t->room && grow(t, err) != WN_OK) return WN_NO_MEMORY;
    if (class_of(t, json_object_get(line, "label"), &t->classes[t->n], err) != WN_OK) return WN_NO_MEMORY;
    bool refused;
    if (add_refused(t, json_object_get(line, "refused"), &refused, err) != WN_OK) return WN_NO_MEMORY;
    char *copy = strdup(name);
    if (!copy) return wn_fail(err, WN_NO_MEMORY, "no memory for a name");
    t->names[t->n] = copy;
    for (int k = 0; k < j->options.n_metrics; k++)
        add_values(t, k, wn_tally_index(j, k, 0, 0), json_object_get(values, j->options.metrics[k]->name), refused);
    t->n++;
    t->labelled += json_is_boolean(right);
    t->right += json_is_true(right);
    t->passes += json_integer_value(json_object_get(line, "passes"));
    return WN_OK;
}

enum wn_code wn_tally_cell(const struct wn_tally *t, int metric, int subject, int column, struct wn_cell *out,
                           struct wn_error *err)
{
    const double *mine = t->columns[wn_tally_index(t->judging, metric, subject, column)];
    const double *first = t->columns[wn_tally_index(t->judging, metric, 0, column)];
    const int *classes = t->judging->options.metrics[metric]->per_class ? t->classes : NULL;
    *out = (struct wn_cell){.difference = {0, NAN, NAN, NAN}, .p = NAN};
    enum wn_code code = wn_estimate_mean(mine, classes, t->n, t->judging->seed, &out->value, err);
    if (code != WN_OK || subject == 0) return code;
    return wn_estimate_difference(mine, first, classes, t->n, t->judging->seed, &out->difference, &out->p, err);
}

void wn_tally_needs(const struct wn_tally *t, int metric, char *out, size_t size)
{
    static const struct {
        unsigned need;
        const char *words;
    } rows[] = {{WN_NEEDS_LABEL, "the true class"},
                {WN_NEEDS_RIVAL, "a rival"},
                {WN_NEEDS_TRUTH, "a truth or boxes"},
                {WN_NEEDS_COUNTERFACTUAL, "a counterfactual and an elsewhere"}};
    unsigned needs = t->judging->options.metrics[metric]->needs;
    size_t used = 0;
    out[0] = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows && used < size; i++)
        if (needs & rows[i].need)
            used += (size_t)snprintf(out + used, size - used, "%s%s", used ? ", " : "", rows[i].words);
    if (needs & WN_NEEDS_SECOND && used < size)
        snprintf(out + used, size - used, "%sa second class that is likelier than %g (least-second)", used ? ", " : "",
                 t->judging->options.least_second);
}

int wn_tally_refused(const struct wn_tally *t, int *none)
{
    int some = 0;
    *none = 0;
    for (int s = 0; s < t->judging->options.n_subjects; s++) {
        some += t->refused[s].n > 0;
        *none += t->n && t->refused[s].n == t->n;
    }
    return some;
}

/* ---- written down ---- */

static void write_estimate(struct wn_text *out, const struct wn_estimate *e)
{
    wn_json_pair_int(out, "n", e->n);
    wn_json_pair_number(out, "mean", e->mean);
    wn_json_pair_number(out, "low", e->low);
    wn_json_pair_number(out, "high", e->high);
}

static void write_cell(struct wn_text *out, const struct wn_tally *t, int subject, const struct wn_cell *cell)
{
    wn_json_open(out, '{');
    wn_json_pair(out, "subject", t->judging->subjects[subject]);
    write_estimate(out, &cell->value);
    if (subject) {
        wn_json_key(out, "against_first");
        wn_json_open(out, '{');
        write_estimate(out, &cell->difference);
        wn_json_pair_number(out, "p", cell->p);
        wn_json_close(out, '}');
    }
    wn_json_close(out, '}');
}

static enum wn_code write_column(struct wn_text *out, const struct wn_tally *t, int metric, int column,
                                 struct wn_error *err)
{
    const struct wn_evaluation_column *c = &t->judging->options.metrics[metric]->columns[column];
    wn_json_open(out, '{');
    wn_json_pair(out, "column", c->name);
    wn_json_pair(out, "words", c->words);
    wn_json_pair(out, "better", c->better > 0 ? "more" : c->better < 0 ? "less" : "neither");
    wn_json_key(out, "subjects");
    wn_json_open(out, '[');
    for (int s = 0; s < t->judging->options.n_subjects; s++) {
        struct wn_cell cell;
        enum wn_code code = wn_tally_cell(t, metric, s, column, &cell, err);
        if (code != WN_OK) return code;
        write_cell(out, t, s, &cell);
    }
    wn_json_close(out, ']');
    wn_json_close(out, '}');
    return WN_OK;
}

static void write_model(struct wn_text *out, const struct wn_model *m)
{
    wn_json_key(out, "model");
    wn_json_open(out, '{');
    wn_json_pair(out, "name", m->name);
    wn_json_pair(out, "version", m->version);
    wn_json_pair(out, "sha256", wn_graph_sha256(m->graph));
    wn_json_pair(out, "preprocess_hash", m->preprocess_hash);
    wn_json_close(out, '}');
}

static void write_refused(struct wn_text *out, const struct wn_tally *t)
{
    wn_json_key(out, "refused");
    wn_json_open(out, '[');
    for (int s = 0; s < t->judging->options.n_subjects; s++) {
        if (!t->refused[s].n) continue;
        wn_json_open(out, '{');
        wn_json_pair(out, "subject", t->judging->subjects[s]);
        wn_json_pair_int(out, "pictures", t->refused[s].n);
        wn_json_pair(out, "reason", t->refused[s].why);
        wn_json_close(out, '}');
    }
    wn_json_close(out, ']');
}

static void write_left_out(struct wn_text *out, const struct wn_tally *t, int metric)
{
    char needs[WN_NEEDS_TEXT];
    wn_tally_needs(t, metric, needs, sizeof needs);
    wn_json_pair_int(out, "left_out", t->left_out[metric]);
    if (needs[0]) wn_json_pair(out, "needs", needs);
}

static void write_head(struct wn_text *out, const struct wn_tally *t, const struct wn_model *m)
{
    wn_json_pair(out, "whynot_version", wn_version());
    write_model(out, m);
    wn_json_pair(out, "question", t->judging->question);
    wn_json_pair_int(out, "seed", (int64_t)t->judging->seed);
    wn_json_pair_int(out, "pictures", t->n);
    wn_json_pair_int(out, "without_answer", t->failed);
    wn_json_pair_number(out, "accuracy", t->labelled ? (double)t->right / t->labelled : NAN);
    wn_json_pair_int(out, "forward_passes", t->passes);
    write_refused(out, t);
}

enum wn_code wn_tally_json(const struct wn_tally *t, const struct wn_model *m, struct wn_text *out,
                           struct wn_error *err)
{
    enum wn_code code = WN_OK;
    wn_json_open(out, '{');
    write_head(out, t, m);
    wn_json_key(out, "metrics");
    wn_json_open(out, '[');
    for (int k = 0; k < t->judging->options.n_metrics && code == WN_OK; k++) {
        const struct wn_evaluation_metric *metric = t->judging->options.metrics[k];
        wn_json_open(out, '{');
        wn_json_pair(out, "metric", metric->name);
        wn_json_pair(out, "summary", metric->summary);
        wn_json_pair(out, "source", metric->source);
        write_left_out(out, t, k);
        wn_json_key(out, "columns");
        wn_json_open(out, '[');
        for (int c = 0; c < metric->n_columns && code == WN_OK; c++) code = write_column(out, t, k, c, err);
        wn_json_close(out, ']');
        wn_json_close(out, '}');
    }
    wn_json_close(out, ']');
    wn_json_close(out, '}');
    if (code == WN_OK && out->failed) return wn_fail(err, WN_NO_MEMORY, "no memory for the table");
    return code;
}

static void number(struct wn_text *out, double v)
{
    if (isfinite(v))
        wn_text_printf(out, ",%.6g", v);
    else
        wn_text_puts(out, ",");
}

/* RFC 4180: reasons have commas and quotation marks. */
static void quoted(struct wn_text *out, const char *s)
{
    wn_text_puts(out, ",\"");
    for (; *s; s++) wn_text_add(out, *s == '"' ? "\"\"" : s, *s == '"' ? 2 : 1);
    wn_text_puts(out, "\"");
}

/* Why some pictures count for nothing in a row: pictures that the subject has no answer to and why, pictures that the
 * metric leaves out. */
static void write_absent(struct wn_text *out, const struct wn_tally *t, int metric, int subject)
{
    const struct wn_refusal *refused = &t->refused[subject];
    wn_text_printf(out, ",%d,%d", t->left_out[metric], refused->n);
    if (refused->n)
        quoted(out, refused->why);
    else
        wn_text_puts(out, ",");
}

enum wn_code wn_tally_csv(const struct wn_tally *t, struct wn_text *out, struct wn_error *err)
{
    const struct wn_judging *j = t->judging;
    wn_text_puts(out, "metric,column,better,subject,n,mean,low,high,against_first,against_low,against_high,p,"
                      "left_out,refused,reason\n");
    for (int k = 0; k < j->options.n_metrics; k++)
        for (int c = 0; c < j->options.metrics[k]->n_columns; c++)
            for (int s = 0; s < j->options.n_subjects; s++) {
                struct wn_cell cell;
                enum wn_code code = wn_tally_cell(t, k, s, c, &cell, err);
                if (code != WN_OK) return code;
                wn_text_printf(out, "%s,%s,%d,%s,%d", j->options.metrics[k]->name,
                               j->options.metrics[k]->columns[c].name, j->options.metrics[k]->columns[c].better,
                               j->subjects[s], cell.value.n);
                const double row[] = {cell.value.mean,     cell.value.low,       cell.value.high, cell.difference.mean,
                                      cell.difference.low, cell.difference.high, cell.p};
                for (size_t i = 0; i < sizeof row / sizeof *row; i++) number(out, row[i]);
                write_absent(out, t, k, s);
                wn_text_puts(out, "\n");
            }
    return out->failed ? wn_fail(err, WN_NO_MEMORY, "no memory for the table") : WN_OK;
}
