/* `whynot evaluate`: are the explanations right? Methods and contrasts judged on pictures, with intervals. */
#include "dataset.h"
#include "evaluate_report.h"
#include "files.h"
#include "job.h"
#include "lines.h"
#include "listing.h"
#include "page.h"
#include "parts_data.h"
#include "pictures.h"

#include <inprocess.h>
#include <jsonload.h>
#include <math.h>
#include <pthread.h>
#include <seat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_JOBS 256

static const struct cli_option options[] = {
    CLI_MODEL_OPTION,
    {"suite", 's', "NAME", "table1",
     "Methods, contrasts and metrics that belong together; --list shows them. The next three options replace its "
     "parts.",
     NULL},
    {"method", 0, "A,B,...", NULL, "Methods to judge.", "method"},
    {"contrast", 0, "A,B,...", NULL, "Contrasts to judge; every method with every contrast.", "contrast"},
    {"metric", 0, "A,B,...", NULL, "Metrics to judge by; --list shows them.", NULL},
    {"list", 'l', NULL, NULL, "Show suites and metrics with what each number means, and end.", NULL},
    {"layer", 0, "NAME", "auto", "Layer of the maps.", NULL},
    {"explain", 0, "CLASS", "the suite's",
     "Which class is explained: prediction, or label (the true one, where the data set knows it).", "prediction label"},
    {"least-second", 0, "P", "0.1", "Masking leaves out pictures whose second class is less likely.", NULL},
    {"limit", 'n', "N", NULL, "Take only the first N pictures.", NULL},
    {"seed", 0, "N", "0", "Of everything that is drawn by chance: intervals, views, noise.", NULL},
    {"output", 'o', "FILE", NULL, "Write a JSON line for each picture there.", "file"},
    {"resume", 'r', NULL, NULL, "Go on with the file of --output: pictures that have a line are left out.", NULL},
    {"force", 'f', NULL, NULL, "Write the file of --output anew where it is there already.", NULL},
    {"report", 0, "FILE.html", NULL,
     "Write the report there: tables, plots, the best and the worst pictures; one file.", "file"},
    {"csv", 0, "FILE", NULL, "Write the table there.", "file"},
    CLI_JSON_OPTION,
    {"jobs", 'J', "N", "as many as there are cores", "Pictures that are worked on at the same time.", NULL},
    {"models", 'M', "FOLDER", "models", "Folder whose subfolders are models (also WHYNOT_MODELS).", "folder"},
    {"set", 0, "NAME=VALUE", NULL,
     "An option of whynotd for this command's engines, such as precision=bf16. May be repeated.", NULL},
    CLI_OPTIONS_END,
};

struct evaluating {
    const struct cli *c;
    struct cli_peer *peer;
    struct wn_server *server;
    struct wn_model *model;
    struct wn_graph *shuffled; /* the network with shuffled weights, where a metric needs it */
    struct wn_judging judging;
    struct cli_dataset data;
    bool of_parts;          /* the pictures are of named parts: */
    struct cli_parts parts; /* one for each of `data` */
    int *todo, n_todo, failed;
    struct cli_lines lines;
    struct cli_progress progress;
    struct wn_tally tally;
    pthread_mutex_t lock;  /* of the seats */
    struct wn_seat *seats; /* those that are not in use come first */
    int n_seats, n_free;
};

/* ---- --list ---- */

static enum cli_exit list(void)
{
    printf("suites (every method with every contrast):\n");
    for (int i = 0; wn_suite_at(i); i++) {
        const struct wn_suite *s = wn_suite_at(i);
        printf("  %-16s %s\n%19smethods %s; contrasts %s; metrics %s; explain %s\n", s->name, s->summary, "",
               s->methods, s->contrasts, s->metrics, s->explain_label ? "label" : "prediction");
    }
    printf("\nmetrics (+ more is better, - less is better):\n");
    for (int i = 0; wn_evaluation_metric_at(i); i++) {
        const struct wn_evaluation_metric *m = wn_evaluation_metric_at(i);
        printf("  %-18s %s (%s)\n", m->name, m->summary, m->source);
        for (int k = 0; k < m->n_columns; k++)
            printf("      %c %-18s %s\n",
                   m->columns[k].better > 0   ? '+'
                   : m->columns[k].better < 0 ? '-'
                                              : ' ',
                   m->columns[k].name, m->columns[k].words);
    }
    return CLI_OK;
}

/* ---- opening ---- */

static enum cli_exit open_model(struct evaluating *e)
{
    char name[65];
    enum cli_exit code = cli_peer_open(e->c, cli_get(e->c, "model", NULL), &e->peer);
    if (code == CLI_OK) code = cli_only_model(e->c, e->peer, name);
    if (code != CLI_OK) return code;
    e->server = cli_peer_local(e->peer);
    if (!e->server)
        return cli_fail(CLI_USAGE, "evaluate runs the network itself; a daemon has POST /v1/models/{model}/evaluate");
    e->model = wn_models_find(e->server->keeper.shelf.current, name, NULL);
    return e->model ? CLI_OK : cli_fail(CLI_NO_MODEL, "there is no model '%s'", name);
}

static enum cli_exit read_judging(struct evaluating *e)
{
    const struct cli *c = e->c;
    struct wn_judging_words words = {.suite = cli_get(c, "suite", NULL),
                                     .methods = cli_get(c, "method", NULL),
                                     .contrasts = cli_get(c, "contrast", NULL),
                                     .metrics = cli_get(c, "metric", NULL),
                                     .layer = cli_get(c, "layer", NULL)};
    const char *least = cli_get(c, "least-second", "0.1");
    struct wn_error err = {0};
    long seed = 0;
    char *end;
    if (!wn_explained_read(cli_get(c, "explain", NULL), &words.explained))
        return cli_fail(CLI_USAGE, "--explain takes prediction or label");
    if (words.layer && strcmp(words.layer, "auto") == 0) words.layer = NULL;
    words.least_second = strtod(least, &end);
    if (*end || end == least || !(words.least_second >= 0 && words.least_second <= 1))
        return cli_fail(CLI_USAGE, "--least-second takes a probability");
    if (!cli_count(c, "seed", 0, 1000000000, &seed)) return CLI_USAGE;
    words.seed = (uint64_t)seed;
    return wn_judging_read(&words, e->model, &e->server->config, &e->judging, &err) == WN_OK ? CLI_OK
                                                                                             : cli_fail_error(&err);
}

static enum cli_exit open_seats(struct evaluating *e)
{
    const struct wn_config *config = &e->server->config;
    struct wn_error err = {0};
    long jobs = sysconf(_SC_NPROCESSORS_ONLN);
    if (!cli_count(e->c, "jobs", 1, MOST_JOBS, &jobs)) return CLI_USAGE;
    if (jobs > e->n_todo) jobs = e->n_todo;
    e->seats = calloc((size_t)jobs + 1, sizeof *e->seats);
    if (!e->seats) return cli_fail(CLI_FAILED, "no memory for engines");
    if (wn_shuffled_load(&e->judging, e->model, config, &e->shuffled, &err) != WN_OK) return cli_fail_error(&err);
    while (e->n_seats < jobs) {
        enum wn_code code = wn_seat_open(&e->judging, e->model, config, e->shuffled, &e->seats[e->n_seats++], &err);
        if (code != WN_OK) return cli_fail_error(&err);
    }
    e->n_free = e->n_seats;
    return CLI_OK;
}

static void close_seats(struct evaluating *e)
{
    for (int i = 0; i < e->n_seats; i++) wn_seat_close(&e->seats[i]);
    free(e->seats);
    wn_graph_destroy(e->shuffled);
}

static struct wn_seat take_seat(struct evaluating *e)
{
    pthread_mutex_lock(&e->lock); /* there are as many seats as threads */
    struct wn_seat s = e->seats[--e->n_free];
    pthread_mutex_unlock(&e->lock);
    return s;
}

static void leave_seat(struct evaluating *e, struct wn_seat s)
{
    pthread_mutex_lock(&e->lock);
    e->seats[e->n_free++] = s;
    pthread_mutex_unlock(&e->lock);
}

/* ---- one picture ---- */

static enum wn_code read_part(const char *path, struct wn_buffer *file, struct wn_bytes *out, struct wn_error *err)
{
    if (!path) return WN_OK;
    enum wn_code code = cli_read_file(path, file, err);
    *out = (struct wn_bytes){file->size ? (void *)file->data : "", file->size};
    return code;
}

static enum wn_code read_without(const struct cli_assembled *x, struct wn_without *to, struct wn_buffer *files,
                                 struct wn_error *err)
{
    enum wn_code code = WN_OK;
    for (int i = 0; i < x->what.n_without && code == WN_OK; i++) {
        /* analyzer: not called without room */
        to[i].gone = x->what.without[i].gone;
        code = read_part(x->without[i], &files[i], &to[i].image, err);
    }
    return code;
}

static enum cli_exit judge_parts(struct evaluating *e, const struct cli_exhibit *x, const struct cli_assembled *parts,
                                 struct cli_result *out)
{
    struct wn_assembled a = parts->what;
    struct wn_buffer *files = calloc((size_t)a.n_without + 2, sizeof *files);
    struct wn_without *without = calloc((size_t)a.n_without + 1, sizeof *without);
    struct wn_text line = {0};
    struct wn_error err = {0};
    enum wn_code code = files && without ? WN_OK : wn_fail(&err, WN_NO_MEMORY, "no memory for a picture of parts");
    a.name = x->name;
    a.without = without;
    if (code == WN_OK) code = read_part(x->image, &files[a.n_without], &a.image, &err);
    if (code == WN_OK) code = read_part(parts->map, &files[a.n_without + 1], &a.map, &err);
    if (code == WN_OK) code = read_without(parts, without, files, &err);
    if (code == WN_OK) {
        struct wn_seat s = take_seat(e);
        code = wn_judge_parts(s.engine, &e->judging, e->model, &a, &line, &err);
        leave_seat(e, s);
    } else if (files && without) {
        code = wn_judge_missing(&e->judging, x->name, err.text, &line, &err);
    }
    for (int k = 0; files && k < a.n_without + 2; k++) wn_buffer_finish(&files[k]);
    free(files);
    free(without);
    out->text = line.bytes;
    return code == WN_OK ? CLI_OK : cli_fail_error(&err);
}

static enum cli_exit judge(void *arg, int i, struct cli_result *out)
{
    struct evaluating *e = arg;
    const struct cli_exhibit *x = &e->data.list[e->todo[i]];
    if (e->of_parts) return judge_parts(e, x, &e->parts.list[e->todo[i]], out);
    struct wn_exhibit exhibit = {
        .name = x->name, .boxes = x->boxes, .n_boxes = x->n_boxes, .label = x->label, .rival = x->rival};
    struct wn_buffer files[4] = {{0}};
    struct wn_text line = {0};
    struct wn_error err = {0};
    enum wn_code code = read_part(x->image, &files[0], &exhibit.image, &err);
    if (code == WN_OK) code = read_part(x->truth, &files[1], &exhibit.truth, &err);
    if (code == WN_OK) code = read_part(x->counterfactual, &files[2], &exhibit.counterfactual, &err);
    if (code == WN_OK) code = read_part(x->elsewhere, &files[3], &exhibit.elsewhere, &err);
    if (code == WN_OK) {
        struct wn_seat s = take_seat(e);
        code = wn_judge(s.evaluation, &e->judging, e->model, &exhibit, &line, &err);
        leave_seat(e, s);
    } else {
        code = wn_judge_missing(&e->judging, x->name, err.text, &line, &err);
    }
    for (int k = 0; k < 4; k++) wn_buffer_finish(&files[k]);
    out->text = line.bytes;
    return code == WN_OK ? CLI_OK : cli_fail_error(&err);
}

static enum cli_exit count_line(void *arg, const char *text, size_t size)
{
    struct evaluating *e = arg;
    struct wn_error err = {0};
    json_t *line;
    enum wn_code code = wn_json_parse(text, size, &line, NULL);
    if (code == WN_OK)
        code = wn_tally_add(&e->tally, line, &err);
    else
        wn_fail(&err, code,
                code == WN_NO_MEMORY ? "no memory for a line of the evaluation"
                                     : "a line of the evaluation is no JSON");
    const char *why = json_string_value(json_object_get(line, "error"));
    if (why && !e->progress.wanted)
        cli_fail(CLI_SOME_FAILED, "%s: %s", json_string_value(json_object_get(line, "file")), why);
    json_decref(line);
    return code == WN_OK ? CLI_OK : cli_fail_error(&err);
}

static enum cli_exit deliver(void *arg, int i, const struct cli_result *result)
{
    struct evaluating *e = arg;
    (void)i;
    enum cli_exit code = count_line(e, (char *)result->text.data, result->text.size);
    if (code == CLI_OK && e->lines.fd >= 0) code = cli_lines_write(&e->lines, &result->text);
    cli_progress_step(&e->progress);
    return code;
}

/* ---- the command ---- */

struct earlier {
    struct evaluating *e;
    const struct cli_exhibit **by_name;
};

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct cli_exhibit *const *)a)->name, (*(const struct cli_exhibit *const *)b)->name);
}

/* Whether the line's picture is in the data set, but with no such label. */
static bool has_another_label(const struct earlier *before, const json_t *line)
{
    const struct evaluating *e = before->e;
    const json_t *was = json_object_get(e->of_parts ? json_object_get(line, "parts") : line, "label");
    const char *file = json_string_value(json_object_get(line, "file")), *text = json_string_value(was);
    bool found = false;
    int low = 0;
    if (!file || (!was && json_object_get(line, "error"))) return false; /* nobody looked at its label */
    for (int high = e->data.n; low < high;) {
        int middle = low + (high - low) / 2;
        if (strcmp(before->by_name[middle]->name, file) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < e->data.n && strcmp(before->by_name[low]->name, file) == 0; low++) {
        int label = before->by_name[low]->label;
        if (text ? label >= 0 && strcmp(e->model->labels[label], text) == 0
                 : label == (was ? json_integer_value(was) : -1))
            return false;
        found = true;
    }
    return found;
}

static enum cli_exit take_earlier(void *arg, const char *text, size_t size)
{
    const struct earlier *before = arg;
    json_t *line;
    enum cli_exit code = CLI_OK;
    if (wn_json_parse(text, size, &line, NULL) == WN_NO_MEMORY)
        return cli_fail(CLI_FAILED, "no memory for a line of the earlier run");
    if (has_another_label(before, line))
        code = cli_fail(CLI_USAGE,
                        "'%s' has another label now than when its line was written; --force writes the file anew",
                        json_string_value(json_object_get(line, "file")));
    json_decref(line);
    return code == CLI_OK ? count_line(before->e, text, size) : code;
}

/* Lines of an earlier run, so that the numbers are those of one run. */
static enum cli_exit count_before(struct evaluating *e)
{
    const char *path = cli_get(e->c, "output", NULL);
    if (!path || !cli_has(e->c, "resume")) return CLI_OK;
    struct earlier before = {e, calloc((size_t)e->data.n + 1, sizeof *before.by_name)};
    if (!before.by_name) return cli_fail(CLI_FAILED, "no memory for so many pictures");
    for (int i = 0; i < e->data.n; i++) before.by_name[i] = &e->data.list[i];
    qsort(before.by_name, (size_t)e->data.n, sizeof *before.by_name, by_name);
    enum cli_exit code = cli_lines_each(path, take_earlier, &before);
    free(before.by_name);
    return code;
}

static enum cli_exit find_todo(struct evaluating *e)
{
    e->todo = calloc((size_t)e->data.n, sizeof *e->todo);
    if (!e->todo) return cli_fail(CLI_FAILED, "no memory for so many pictures");
    for (int i = 0; i < e->data.n; i++)
        if (!cli_lines_has(&e->lines, e->data.list[i].name)) e->todo[e->n_todo++] = i;
    return CLI_OK;
}

static enum cli_exit judge_all(struct evaluating *e)
{
    if (!e->n_todo) return CLI_OK;
    enum cli_exit code = open_seats(e);
    struct cli_job job = {e->n_todo, e->n_seats, judge, deliver, e};
    cli_progress_begin(&e->progress, e->data.n - e->n_todo, e->data.n, true);
    return code == CLI_OK ? cli_job_run(&job) : code;
}

/* " [low, high]"; what is no number has not been measured. */
static void print_range(double low, double high, bool with_sign)
{
    if (isfinite(low) && isfinite(high))
        printf(with_sign ? " [%+.4f, %+.4f]" : " [%.4f, %.4f]", low, high);
    else
        printf(" [-, -]");
}

static void print_cell(const char *subject, const struct wn_cell *cell, bool refused)
{
    const struct wn_estimate *v = &cell->value, *d = &cell->difference;
    printf("  %-28s ", subject);
    if (!v->n) {
        printf("%s\n", refused ? "refused, as is said above" : "nothing to say");
        return;
    }
    printf("%.4f ", v->mean);
    print_range(v->low, v->high, false);
    printf("  n=%d", v->n);
    if (d->n) {
        printf("  against the first %+.4f", d->mean);
        print_range(d->low, d->high, true);
        if (isfinite(cell->p)) printf(" p=%.2g", cell->p);
    }
    printf("\n");
}

static void print_refused(const struct wn_tally *t)
{
    for (int s = 0; s < t->judging->options.n_subjects; s++)
        if (t->refused[s].n)
            printf("%s is refused for %d of %d pictures: %s\n", t->judging->subjects[s], t->refused[s].n, t->n,
                   t->refused[s].why);
}

static void print_left_out(const struct wn_tally *t, int metric)
{
    char needs[WN_NEEDS_TEXT];
    if (!t->left_out[metric]) return;
    wn_tally_needs(t, metric, needs, sizeof needs);
    printf("\n%s has no number for %d of %d pictures%s%s\n", t->judging->options.metrics[metric]->name,
           t->left_out[metric], t->n, needs[0] ? ": it needs a map that says something, and " : "", needs);
}

static enum cli_exit print_table(const struct evaluating *e)
{
    struct wn_error err = {0};
    const struct wn_judging *j = &e->judging;
    const struct wn_tally *t = &e->tally;
    printf("%d pictures, %d without an answer; %s\n", t->n, t->failed, j->question);
    if (t->labelled)
        printf("%.1f %% of %d labelled pictures are classified right\n", 100.0 * t->right / t->labelled, t->labelled);
    print_refused(t);
    for (int k = 0; k < j->options.n_metrics; k++) {
        print_left_out(t, k);
        for (int c = 0; c < j->options.metrics[k]->n_columns; c++) {
            const struct wn_evaluation_column *column = &j->options.metrics[k]->columns[c];
            printf("\n%s %s: %s%s\n", j->options.metrics[k]->name, column->name, column->words,
                   column->better > 0   ? " (more is better)"
                   : column->better < 0 ? " (less is better)"
                                        : "");
            for (int s = 0; s < j->options.n_subjects; s++) {
                struct wn_cell cell;
                if (wn_tally_cell(t, k, s, c, &cell, &err) != WN_OK) return cli_fail_error(&err);
                print_cell(j->subjects[s], &cell, t->refused[s].n > 0);
            }
        }
    }
    return CLI_OK;
}

static enum cli_exit put_out(struct evaluating *e)
{
    const char *csv = cli_get(e->c, "csv", NULL), *report = cli_get(e->c, "report", NULL);
    struct wn_text text = {0};
    struct wn_error err = {0};
    enum cli_exit code = CLI_OK;
    if (csv) {
        code = wn_tally_csv(&e->tally, &text, &err) == WN_OK ? cli_page_write(csv, &text) : cli_fail_error(&err);
        wn_text_finish(&text);
    }
    if (report && cli_evaluate_report(report, e->c, e->peer, e->model, &e->data, &e->tally) != CLI_OK)
        code = CLI_FAILED;
    enum cli_exit printed = CLI_OK; /* also where a file cannot be written: the work is done */
    if (!cli_has(e->c, "json"))
        printed = print_table(e);
    else if (wn_tally_json(&e->tally, e->model, &text, &err) == WN_OK)
        printf("%s\n", wn_text_string(&text));
    else
        printed = cli_fail_error(&err);
    wn_text_finish(&text);
    return code == CLI_OK ? printed : code;
}

/* Numbers that are missing are no success, whichever of the outputs is read. */
static enum cli_exit say_missing(const struct wn_tally *t)
{
    int none, some = wn_tally_refused(t, &none), of = t->judging->options.n_subjects, s = 0;
    enum cli_exit code = CLI_OK;
    while (some && !t->refused[s].n) s++;
    if (some)
        code = cli_fail(none == of ? CLI_USAGE : CLI_SOME_FAILED,
                        "%d of %d combinations of a method and a contrast are refused; %s for %d of %d pictures: %s",
                        some, of, t->judging->subjects[s], t->refused[s].n, t->n, t->refused[s].why);
    if (t->failed) code = cli_fail(CLI_SOME_FAILED, "%d of %d pictures have no answer", t->failed, t->failed + t->n);
    return code;
}

static enum cli_exit check_usage(const struct cli *c)
{
    struct wn_error err = {0};
    if (c->n_operands != 1) return cli_fail(CLI_USAGE, "name one data set: a folder, a .csv or a .jsonl file");
    if ((cli_has(c, "resume") || cli_has(c, "force")) && !cli_has(c, "output"))
        return cli_fail(CLI_USAGE, "--resume and --force are about the file of --output");
    if (cli_has(c, "resume") && cli_has(c, "force"))
        return cli_fail(CLI_USAGE, "--resume and --force exclude each other");
    bool good = cli_may_write(cli_get(c, "csv", NULL), &err) == WN_OK &&
                cli_may_write(cli_get(c, "report", NULL), &err) == WN_OK;
    return good ? CLI_OK : cli_fail_error(&err);
}

static enum cli_exit read_data(struct evaluating *e, long limit)
{
    struct cli_classes classes = {e->model->name, e->model->labels, e->model->classes};
    e->of_parts = wn_judging_wants_parts(&e->judging);
    if (!e->of_parts) return cli_dataset_read(e->c->operands[0], &classes, limit, &e->data);
    if (e->judging.options.n_metrics > 1)
        return cli_fail(CLI_USAGE, "the metric 'parts' is judged by itself: its pictures are of another kind");
    return cli_parts_read(e->c->operands[0], &classes, limit, &e->parts, &e->data);
}

static enum cli_exit run(const struct cli *c)
{
    struct evaluating e = {.c = c, .lines = {.fd = -1}, .lock = PTHREAD_MUTEX_INITIALIZER};
    struct wn_error err = {0};
    long limit = 1000000000;
    if (cli_has(c, "list")) return list();
    enum cli_exit code = check_usage(c);
    if (code == CLI_OK) code = cli_count(c, "limit", 1, limit, &limit) ? CLI_OK : CLI_USAGE;
    if (code == CLI_OK) code = open_model(&e);
    if (code == CLI_OK) code = read_judging(&e);
    if (code == CLI_OK) code = read_data(&e, limit);
    if (code == CLI_OK && wn_tally_create(&e.judging, &e.tally, &err) != WN_OK) code = cli_fail_error(&err);
    if (code == CLI_OK)
        code = cli_lines_open(&e.lines, cli_get(c, "output", NULL), cli_has(c, "resume"), cli_has(c, "force"),
                              e.judging.question, NULL);
    if (code == CLI_OK) code = count_before(&e);
    if (code == CLI_OK) code = find_todo(&e);
    if (code == CLI_OK) code = judge_all(&e);
    enum cli_exit closed = cli_lines_close(&e.lines);
    if (code == CLI_OK) code = closed;
    if (code == CLI_OK && e.of_parts && wn_parts_settle(&e.tally, &err) != WN_OK) code = cli_fail_error(&err);
    if (code == CLI_OK) code = put_out(&e);
    if (code == CLI_OK) code = say_missing(&e.tally);
    close_seats(&e);
    wn_tally_finish(&e.tally);
    cli_dataset_finish(&e.data);
    cli_parts_finish(&e.parts);
    wn_judging_finish(&e.judging);
    cli_peer_close(e.peer);
    free(e.todo);
    return code;
}

const struct cli_command cli_evaluate = {
    .name = "evaluate",
    .operands = "DATA",
    .summary =
        "Judge explanations on pictures: masking, insertion and deletion, pointing, known contrasts; with intervals.",
    .text =
        "DATA is a folder of pictures (those in a folder called like a class have that label), a folder with "
        "labels.csv (image,label[,rival]) or "
        "pictures.jsonl, or such a file. A line of pictures.jsonl is {\"image\", \"id\", \"label\", \"rival\", "
        "\"truth\", "
        "\"boxes\", \"counterfactual\", "
        "\"elsewhere\"}; only the image must be there. truth is a mask as large as the picture, boxes are [x0, y0, "
        "x1, y1]. Another key is refused; columns of labels.csv that are not read are left alone, and said where one "
        "is spelled almost like one that is.\n\n"
        "The suite parts reads parts.jsonl: {\"image\", \"label\", \"map\" (a grey picture: 1 where the first part "
        "is seen, and so on, then the "
        "background's things), \"parts\": [names], \"background\": [names], \"without\": [{\"gone\": [names], "
        "\"image\"}], \"minimal\": [[names that "
        "are enough]], \"shared\": [{\"class\", \"parts\"}, {...}]}; models/signs/parts.py draws such pictures.\n\n"
        "Numbers are means over pictures, those of the pointing game over classes of their pictures' means. "
        "Intervals are 95 % of resampled pictures; differences are against the first method and contrast, picture "
        "by picture, with the p of "
        "a permutation test. The same seed gives the same numbers, also when a run was interrupted and went on "
        "with --resume.",
    .example =
        "  whynot evaluate photos --model resnet18 --suite table1 --report table1.html\n"
        "  whynot evaluate signs --model signs-resnet --suite contrast-truth --output lines.jsonl --csv table.csv",
    .options = options,
    .run = run,
};
