/* Counters and histograms in fixed tables, one more for each model; knows the names of labels and nothing of how the
 * daemon works. */
#include "metrics.h"

#include "evaluator.h"
#include "route.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <whynot/explain.h>

#define ROWS 64
#define COLUMNS 32
#define BUCKETS 13
#define MOST_MODELS 64 /* whoever loads models of ever new names gets no new tables */
#define NAME_BYTES 65  /* wn_is_model_name */

enum kind { COUNTER, HISTOGRAM, BY_MODEL, SIZES }; /* BY_MODEL: a histogram with a label "model" besides */

static const double seconds[BUCKETS] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
static const double sizes[BUCKETS] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 256};
static const int statuses[] = {200, 202, 204, 304, 400, 401, 403, 404, 405, 408, 413,
                               415, 421, 422, 429, 431, 500, 501, 503, 504, 0};

static const char *status_label(int i)
{
    static const char *const names[] = {"200", "202", "204", "304", "400", "401", "403", "404", "405", "408",  "413",
                                        "415", "421", "422", "429", "431", "500", "501", "503", "504", "other"};
    return i < (int)(sizeof names / sizeof *names) ? names[i] : NULL;
}

static const char *wn_stage_label(int i)
{
    static const char *const names[] = {"decode", "forward", "backward", "encode"};
    return i < 4 ? names[i] : NULL;
}

static const char *wn_reject_label(int i)
{
    static const char *const names[] = {"queue_full", "bytes_in_flight", "draining",
                                        "deadline",   "client_gone",     "head_timeout"};
    return i < 6 ? names[i] : NULL;
}

static const char *prepared_label(int i)
{
    static const char *const names[] = {"device", "host"};
    return i >= 0 && (size_t)i < sizeof names / sizeof *names ? names[i] : NULL;
}

static const char *kept_label(int i)
{
    static const char *const names[] = {"hit", "miss"};
    return i < 2 ? names[i] : NULL;
}

static const char *method_label(int i)
{
    return wn_method_at(i) ? wn_method_at(i)->name : NULL;
}

static const char *contrast_label(int i)
{
    return wn_contrast_at(i) ? wn_contrast_at(i)->name : NULL;
}

static const struct family {
    enum kind kind;
    const char *name, *help;
    const char *label[2];
    const char *(*values[2])(int i);
} families[] = {
#define X(id, kind, name, help, label, values, label2, values2) {kind, name, help, {label, label2}, {values, values2}},
#include "metrics.def"
#undef X
};

static struct cell {
    _Atomic uint64_t count, micros; /* micros: the sum, in millionths */
    _Atomic uint64_t bucket[BUCKETS];
} cells[WN_METRIC_COUNT][ROWS][COLUMNS];

static bool is_cell(int row, int column)
{
    return row >= 0 && row < ROWS && column >= 0 && column < COLUMNS;
}

static struct cell *cell_at(enum wn_metric m, int row, int column)
{
    return is_cell(row, column) ? &cells[m][row][column] : NULL;
}

/* What is counted for one model; made at its first request and never freed. */
struct of_model {
    char name[NAME_BYTES];
    struct cell cells[ROWS][COLUMNS];
};
static _Atomic(struct of_model *) models[MOST_MODELS + 1]; /* the last: all others together */

/* Where the table of that name is, or would be; the last place is everybody's. *found: what is there. */
static _Atomic(struct of_model *) *place_of(const char *name, struct of_model **found)
{
    int i = 0;
    while ((*found = atomic_load(&models[i])) && i < MOST_MODELS && strcmp((*found)->name, name) != 0) i++;
    return &models[i];
}

/* NULL: no memory. */
static struct of_model *model_of(const char *name)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct of_model *found;
    place_of(name, &found);
    if (found) return found;
    pthread_mutex_lock(&lock);
    _Atomic(struct of_model *) *place = place_of(name, &found);
    if (!found && (found = calloc(1, sizeof *found))) {
        snprintf(found->name, sizeof found->name, "%s", place < &models[MOST_MODELS] ? name : "other");
        atomic_store(place, found);
    }
    pthread_mutex_unlock(&lock);
    return found;
}

int wn_metric_status(int http_status)
{
    int i = 0;
    while (statuses[i] && statuses[i] != http_status) i++;
    return i;
}

void wn_metric_add(enum wn_metric m, int row, int column, uint64_t n)
{
    struct cell *c = cell_at(m, row, column);
    if (c) atomic_fetch_add_explicit(&c->count, n, memory_order_relaxed);
}

static void observe(struct cell *c, const double *bounds, double value)
{
    int i = 0;
    while (i < BUCKETS && value > bounds[i]) i++;
    if (i < BUCKETS) atomic_fetch_add_explicit(&c->bucket[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->micros, (uint64_t)(value * 1e6), memory_order_relaxed);
    atomic_fetch_add_explicit(&c->count, 1, memory_order_relaxed);
}

void wn_metric_observe(enum wn_metric m, int row, int column, double value)
{
    struct cell *c = cell_at(m, row, column);
    if (c) observe(c, families[m].kind == SIZES ? sizes : seconds, value);
}

void wn_metric_observe_request(const char *model, int route, int status, double value)
{
    struct of_model *m = is_cell(route, status) ? model_of(model ? model : "") : NULL;
    if (m) observe(&m->cells[route][status], seconds, value);
}

/* {route="/livez",code="200",model="",le="0.1"}: what there is of it. */
static void write_labels(const struct family *f, int row, int column, const char *model, const char *le,
                         struct wn_text *out)
{
    const int at[2] = {row, column};
    const char *separator = "{";
    for (int k = 0; k < 2; k++) {
        if (!f->label[k]) continue;
        wn_text_printf(out, "%s%s=\"%s\"", separator, f->label[k], f->values[k](at[k]));
        separator = ",";
    }
    if (model) wn_text_printf(out, ",model=\"%s\"", model); /* a name needs no escape */
    if (le) wn_text_printf(out, "%sle=\"%s\"", separator, le);
    if (le || f->label[0]) wn_text_puts(out, "}");
}

static void write_histogram(const struct family *f, struct cell *c, int row, int column, const char *model,
                            struct wn_text *out)
{
    const double *bounds = f->kind == SIZES ? sizes : seconds;
    uint64_t sum = 0;
    for (int i = 0; i < BUCKETS; i++) {
        char le[32];
        snprintf(le, sizeof le, "%g", bounds[i]);
        sum += atomic_load(&c->bucket[i]);
        wn_text_printf(out, "%s_bucket", f->name);
        write_labels(f, row, column, model, le, out);
        wn_text_printf(out, " %llu\n", (unsigned long long)sum);
    }
    uint64_t count = atomic_load(&c->count);
    if (count < sum) count = sum; /* an observation may be half counted just now */
    wn_text_printf(out, "%s_bucket", f->name);
    write_labels(f, row, column, model, "+Inf", out);
    wn_text_printf(out, " %llu\n%s_sum", (unsigned long long)count, f->name);
    write_labels(f, row, column, model, NULL, out);
    wn_text_printf(out, " %.6f\n%s_count", (double)atomic_load(&c->micros) / 1e6, f->name);
    write_labels(f, row, column, model, NULL, out);
    wn_text_printf(out, " %llu\n", (unsigned long long)count);
}

static void write_cell(const struct family *f, struct cell *c, int row, int column, struct wn_text *out)
{
    bool always = !f->label[0] || (f->kind == COUNTER && !f->label[1]); /* few cells: show them at zero too */
    if (!always && !atomic_load(&c->count)) return;
    if (f->kind != COUNTER) {
        write_histogram(f, c, row, column, NULL, out);
        return;
    }
    wn_text_puts(out, f->name);
    write_labels(f, row, column, NULL, NULL, out);
    wn_text_printf(out, " %llu\n", (unsigned long long)atomic_load(&c->count));
}

static void write_models(const struct family *f, struct wn_text *out)
{
    for (int i = 0; i <= MOST_MODELS; i++) {
        struct of_model *m = atomic_load(&models[i]);
        for (int row = 0; m && row < ROWS && f->values[0](row); row++)
            for (int column = 0; column < COLUMNS && f->values[1](column); column++)
                if (atomic_load(&m->cells[row][column].count))
                    write_histogram(f, &m->cells[row][column], row, column, m->name, out);
    }
}

void wn_metrics_write(struct wn_text *out)
{
    for (int m = 0; m < WN_METRIC_COUNT; m++) {
        const struct family *f = &families[m];
        wn_text_printf(out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name,
                       f->kind == COUNTER ? "counter" : "histogram");
        if (f->kind == BY_MODEL) {
            write_models(f, out);
            continue;
        }
        for (int row = 0; row < ROWS && (row == 0 || (f->values[0] && f->values[0](row))); row++)
            for (int column = 0; column < COLUMNS && (column == 0 || (f->values[1] && f->values[1](column))); column++)
                write_cell(f, &cells[m][row][column], row, column, out);
    }
}
