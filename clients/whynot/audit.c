/* `whynot audit`: which labels are likely wrong? A data set's labels against a model, ranked, with what speaks for
 * either. */
#include "audit.h"

#include "files.h"
#include "identity.h"
#include "job.h"
#include "lines.h"
#include "listing.h"
#include "page.h"
#include "pictures.h"

#include <jsonload.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_JOBS 256
#define ON_A_TERMINAL 20

#define NAME(name, words) " " #name
#define WORDS(name, words) " " #name ", " words ";"

static const struct cli_option options[] = {
    CLI_MODEL_OPTION,
    {"report", 0, "FILE.html", NULL,
     "Write a page there for people: each suspect's picture, what speaks for the model's class and what for the label; "
     "one file.",
     "file"},
    {"csv", 0, "FILE", NULL, "Write the ranked list there as a table.", "file"},
    {"lines", 'l', NULL, NULL, "Print the ranked list as JSON lines. What standard output gets when it is no terminal.",
     NULL},
    {"text", 't', NULL, NULL, "Print words for people. What a terminal gets.", NULL},
    {"rank", 0, "HOW", "gap",
     "How suspects are ordered:" CLI_RANKS(WORDS) " those about which model and label agree come behind them.",
     &(CLI_RANKS(NAME))[1]},
    {"top", 'n', "N", "100, on a terminal 20",
     "Show the first N suspects in the report and on a terminal. CSV and JSON lines have every picture.", NULL},
    {"method", 0, "NAME", "gradcam", "Method of the maps.", "method"},
    {"layer", 0, "NAME", "auto", "Layer of the maps.", NULL},
    {"limit", 0, "N", NULL, "Take only the first N pictures.", NULL},
    {"output", 'o', "FILE", NULL,
     "Write a JSON line for each picture there as the job goes, in the order of the pictures.", "file"},
    {"resume", 'r', NULL, NULL, "Go on with the file of --output: pictures that have a line are left out.", NULL},
    {"force", 'f', NULL, NULL, "Write the file of --output anew where it is there already.", NULL},
    {"jobs", 'J', "N", "8 with a daemon, else one more than there are cores",
     "Pictures that are worked on at the same time.", NULL},
    CLI_ASK_OPTIONS,
    CLI_OPTIONS_END,
};

struct auditing {
    struct cli_audit audit;
    struct cli_peer *peer;
    json_t *labels; /* of GET labels; the classes point into it */
    struct wn_buffer uri, question;
    struct cli_one_network network;
    int *by_name, *todo, n_todo;
    struct cli_lines lines;
    struct cli_progress progress;
    bool in_words;
    enum cli_rank rank;
};

/* ---- what is asked ---- */

static enum cli_exit read_classes(struct auditing *a, const char *model)
{
    char uri[120];
    enum cli_exit code;
    snprintf(uri, sizeof uri, "/v1/models/%s/labels", model);
    a->labels = cli_peer_get(a->peer, uri, false, &code);
    if (code != CLI_OK) return code;
    const json_t *list = json_object_get(a->labels, "labels");
    size_t n = json_array_size(list);
    const char **labels = calloc(n + 1, sizeof *labels);
    if (!labels) return cli_fail(CLI_FAILED, "no memory for labels");
    a->audit.classes = (struct cli_classes){model, labels, (int)n};
    for (size_t i = 0; i < n; i++) {
        labels[i] = json_string_value(json_object_get(json_array_get(list, i), "label"));
        if (!labels[i]) return cli_fail(CLI_FAILED, "the model's list of labels cannot be read");
    }
    return n > 1 ? CLI_OK : cli_fail(CLI_USAGE, "'%s' has no classes to tell apart", model);
}

static enum cli_exit make_question(struct auditing *a, const char *model)
{
    static const char *const passed[] = {"method", "layer"};
    struct wn_error err = {0};
    wn_buffer_printf(&a->uri, &err, "/v1/models/");
    cli_escape(&a->uri, model, &err);
    wn_buffer_printf(&a->uri, &err, "/explain?contrast=pair&top_k=0");
    wn_buffer_printf(&a->question, &err, "%s/audit?contrast=pair", model);
    for (size_t i = 0; i < sizeof passed / sizeof *passed; i++) {
        const char *value = cli_get(a->audit.c, passed[i], NULL);
        if (!value) continue;
        wn_buffer_printf(&a->uri, &err, "&%s=", passed[i]);
        cli_escape(&a->uri, value, &err);
        wn_buffer_printf(&a->question, &err, "&%s=%s", passed[i], value);
    }
    wn_buffer_append(&a->uri, "", 1, &err);
    wn_buffer_append(&a->question, "", 1, &err);
    a->audit.question = (const char *)a->question.data;
    return err.code == WN_OK ? CLI_OK : cli_fail_error(&err);
}

/* ---- the data set ---- */

static int by_name(const void *x, const void *y, void *data)
{
    const struct cli_exhibit *list = ((const struct cli_dataset *)data)->list;
    int i = *(const int *)x, k = *(const int *)y, order = strcmp(list[i].name, list[k].name);
    return order ? order : i - k;
}

static enum cli_exit sort_names(struct auditing *a)
{
    struct cli_dataset *d = &a->audit.data;
    a->by_name = calloc((size_t)d->n, sizeof *a->by_name);
    a->audit.list = calloc((size_t)d->n, sizeof *a->audit.list);
    if (!a->by_name || !a->audit.list) return cli_fail(CLI_FAILED, "no memory for so many pictures");
    for (int i = 0; i < d->n; i++) a->by_name[i] = i, a->audit.list[i] = (struct cli_verdict){.place = i, .label = -1};
    qsort_r(a->by_name, (size_t)d->n, sizeof *a->by_name, by_name, d);
    for (int i = 1; i < d->n; i++) {
        const char *name = d->list[a->by_name[i]].name;
        if (strcmp(name, d->list[a->by_name[i - 1]].name) == 0)
            return cli_fail(CLI_USAGE, "the data set names '%s' twice; one picture has one label", name);
    }
    return CLI_OK;
}

static int find_name(const struct auditing *a, const char *name)
{
    int low = 0, high = a->audit.data.n - 1;
    while (low <= high) {
        int middle = low + (high - low) / 2, order = strcmp(name, a->audit.data.list[a->by_name[middle]].name);
        if (!order) return a->by_name[middle];
        if (order < 0)
            high = middle - 1;
        else
            low = middle + 1;
    }
    return -1;
}

static enum cli_exit no_labels(const struct auditing *a)
{
    const char *named = a->audit.c->operands[0], *model = a->audit.classes.model,
               *stranger = a->audit.data.list[0].stranger;
    struct stat info;
    if (stat(named, &info) == 0 && !S_ISDIR(info.st_mode))
        return cli_fail(CLI_USAGE,
                        "no picture of '%s' has a label of %s: a CSV file has the columns image and label, with a "
                        "comma between, and a line of a .jsonl file has \"image\" and \"label\"; "
                        "`whynot labels -m %s` lists the classes",
                        named, model, model);
    return cli_fail(CLI_USAGE,
                    "no picture of '%s' has a label of %s%s%s%s: its folders must be called like the classes, or name "
                    "a CSV file of pictures and labels; "
                    "`whynot labels -m %s` lists the classes",
                    named, model, stranger ? " (its folder '" : "", stranger ? stranger : "",
                    stranger ? "' is no class)" : "", model);
}

static enum cli_exit read_data(struct auditing *a)
{
    long limit = 1000000000;
    struct cli_dataset *d = &a->audit.data;
    if (!cli_count(a->audit.c, "limit", 1, limit, &limit)) return CLI_USAGE;
    enum cli_exit code = cli_dataset_read(a->audit.c->operands[0], &a->audit.classes, limit, d);
    if (code == CLI_OK) code = sort_names(a);
    for (int i = 0; i < d->n && code == CLI_OK; i++)
        if (d->list[i].label >= 0) return CLI_OK;
    return code == CLI_OK ? no_labels(a) : code;
}

/* ---- one picture ---- */

/* One question about the picture; *answer: what was answered, or NULL with the reason in why. */
static enum wn_code ask(struct auditing *a, const struct wn_buffer *file, const char *question, json_t **answer,
                        struct cli_reply *reply, char why[WN_ERROR_TEXT], struct wn_error *err)
{
    struct wn_buffer uri = {0};
    *answer = NULL;
    wn_buffer_finish(&reply->body);
    enum wn_code code = wn_buffer_printf(&uri, err, "%s%s", (const char *)a->uri.data, question);
    if (code == WN_OK) code = wn_buffer_append(&uri, "", 1, err);
    if (code == WN_OK)
        code = cli_peer_call(a->peer, "POST", (char *)uri.data, file->size ? (void *)file->data : "", file->size, reply,
                             err);
    if (code == WN_OK && reply->status == 200) {
        struct wn_error wrong = {0};
        code = wn_json_parse(reply->body.data, reply->body.size, answer, &wrong);
        if (code == WN_NO_MEMORY)
            wn_fail(err, code, "no memory to read the answer");
        else if (code != WN_OK)
            snprintf(why, WN_ERROR_TEXT, "the answer is no JSON: %.200s", wrong.text), code = WN_OK;
        else if (!cli_one_network_check(&a->network, *answer))
            code = wn_fail(err, WN_BAD_MODEL, "another network answers");
    } else if (code == WN_OK) {
        cli_problem_text(reply, why, WN_ERROR_TEXT);
    }
    wn_buffer_finish(&uri);
    return code;
}

static void put_json(struct wn_text *line, const char *key, const json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
    wn_json_key(line, key);
    wn_json_value(line);
    if (text)
        wn_text_puts(line, text);
    else
        line->failed = true;
    free(text);
}

static void begin_line(struct auditing *a, const struct cli_exhibit *x, struct wn_text *line)
{
    struct cli_identity answering = cli_one_network_first(&a->network);
    char *path = cli_picture_name(x->image);
    wn_json_open(line, '{');
    wn_json_key(line, "file");
    wn_json_string(line, x->name);
    wn_json_key(line, "question");
    wn_json_string(line, a->audit.question);
    cli_identity_write(&answering, a->audit.classes.model, line);
    wn_json_key(line, "path");
    wn_json_string(line, path);
    line->failed |= !path;
    free(path);
}

static void put_error(struct auditing *a, const struct cli_exhibit *x, const char *why, struct wn_text *line)
{
    begin_line(a, x, line);
    if (x->label >= 0) {
        wn_json_key(line, "label");
        wn_json_open(line, '{');
        wn_json_key(line, "index");
        wn_json_int(line, x->label);
        wn_json_key(line, "label");
        wn_json_string(line, a->audit.classes.labels[x->label]);
        wn_json_close(line, '}');
    }
    wn_json_key(line, "error");
    wn_json_string(line, why);
    wn_json_close(line, '}');
}

/* first: the label's answer, whose rival is the strongest other class; maps: of a suspect, the two questions that a
 * person wants answered. */
static void put_verdict(struct auditing *a, const struct cli_exhibit *x, const json_t *first, json_t *const maps[2],
                        struct wn_text *line)
{
    const json_t *label = json_object_get(first, "target"),
                 *rival = json_array_get(json_object_get(first, "why_not"), 0);
    double gap =
        json_number_value(json_object_get(rival, "logit")) - json_number_value(json_object_get(label, "logit"));
    begin_line(a, x, line);
    wn_json_key(line, "suspect");
    wn_json_bool(line, maps[0] != NULL);
    put_json(line, "label", label);
    put_json(line, "rival", rival);
    wn_json_key(line, "logit_gap");
    wn_json_number(line, gap);
    wn_json_key(line, "relative_probability"); /* of the rival, were the two the only classes */
    wn_json_number(line, 1 / (1 + exp(-gap)));
    wn_json_key(line, "answer");
    wn_json_open(line, '{');
    put_json(line, "image", json_object_get(first, "image"));
    if (maps[0]) {
        wn_json_key(line, "maps");
        wn_json_open(line, '[');
        for (int i = 0; i < 2; i++) {
            char *text =
                json_dumps(json_array_get(json_object_get(maps[i], "maps"), 0), JSON_COMPACT | JSON_REAL_PRECISION(9));
            wn_json_value(line);
            if (text)
                wn_text_puts(line, text);
            else
                line->failed = true;
            free(text);
        }
        wn_json_close(line, ']');
    }
    wn_json_close(line, '}');
    wn_json_close(line, '}');
}

/* "Why the label?" tells how far the strongest other class is ahead of it; where it is, the question is put both
 * ways with maps. */
static enum wn_code judge_file(struct auditing *a, const struct cli_exhibit *x, const struct wn_buffer *file,
                               struct cli_reply *reply, struct wn_text *line, struct wn_error *err)
{
    char question[120], why[WN_ERROR_TEXT] = "";
    json_t *first, *maps[2] = {NULL, NULL};
    snprintf(question, sizeof question, "&outputs=raw&target=%d&why_not=auto:1", x->label);
    enum wn_code code = ask(a, file, question, &first, reply, why, err);
    const json_t *label = json_object_get(first, "target"),
                 *rival = json_array_get(json_object_get(first, "why_not"), 0);
    bool suspect =
        json_number_value(json_object_get(rival, "logit")) > json_number_value(json_object_get(label, "logit"));
    int other = (int)json_integer_value(json_object_get(rival, "index"));
    for (int i = 0; i < 2 && first && suspect && code == WN_OK && !*why; i++) {
        snprintf(question, sizeof question, "&outputs=raw,rle,bbox&target=%d&why_not=%d", i ? x->label : other,
                 i ? other : x->label);
        code = ask(a, file, question, &maps[i], reply, why, err);
    }
    if (code == WN_OK && first && !rival && !*why) snprintf(why, sizeof why, "the answer names no rival");
    if (code == WN_OK && *why)
        put_error(a, x, why, line);
    else if (code == WN_OK)
        put_verdict(a, x, first, maps, line);
    json_decref(first);
    for (int i = 0; i < 2; i++) json_decref(maps[i]);
    return code;
}

static enum cli_exit judge(void *arg, int i, struct cli_result *out)
{
    struct auditing *a = arg;
    const struct cli_exhibit *x = &a->audit.data.list[a->todo[i]];
    struct wn_buffer file = {0};
    struct cli_reply reply = {0};
    struct wn_text line = {0};
    struct wn_error err = {0}, unread = {0};
    enum wn_code code = WN_OK;
    enum cli_exit result = CLI_OK;
    char no_label[400] = "it has no label that the model knows";
    if (x->stranger)
        snprintf(no_label, sizeof no_label, "its folder '%.255s' is no class of %.64s", x->stranger,
                 a->audit.classes.model);
    if (x->label < 0)
        put_error(a, x, no_label, &line);
    else if (cli_read_file(x->image, &file, &unread) != WN_OK)
        put_error(a, x, unread.text, &line);
    else
        code = judge_file(a, x, &file, &reply, &line, &err);
    if (code == WN_OK && reply.status && reply.status != 200 && cli_problem_is_for_all(&reply)) {
        char text[WN_ERROR_TEXT];
        cli_problem_text(&reply, text, sizeof text);
        result = cli_fail(cli_problem_exit(&reply), "%s", text);
    }
    if (code == WN_OK && line.failed) code = wn_fail(&err, WN_NO_MEMORY, "no memory for a line");
    out->text = line.bytes;
    wn_buffer_finish(&file);
    wn_buffer_finish(&reply.body);
    if (code == WN_BAD_MODEL) return CLI_FAILED; /* said once, at the job's end */
    return code == WN_OK ? result : cli_fail_error(&err);
}

/* ---- all pictures ---- */

static enum cli_exit take_line(struct auditing *a, int place, const char *text, size_t size)
{
    struct cli_verdict *v = &a->audit.list[place];
    struct wn_error err = {0};
    enum wn_code code = cli_verdict_read(text, size, v, &err);
    v->place = place;
    if (code != WN_OK) return cli_fail_error(&err);
    if (v->label >= a->audit.classes.n || v->rival >= a->audit.classes.n)
        return cli_fail(CLI_USAGE, "a line names a class that the model does not have");
    return CLI_OK;
}

static enum cli_exit deliver(void *arg, int i, const struct cli_result *result)
{
    struct auditing *a = arg;
    int place = a->todo[i];
    enum cli_exit code = take_line(a, place, (char *)result->text.data, result->text.size);
    if (code == CLI_OK && a->lines.fd >= 0) code = cli_lines_write(&a->lines, &result->text);
    if (code == CLI_OK && a->audit.list[place].label < 0) {
        json_t *line;
        wn_json_parse(a->audit.list[place].line, strlen(a->audit.list[place].line), &line, NULL);
        const char *why = json_string_value(json_object_get(line, "error"));
        cli_progress_clear(&a->progress);
        cli_fail(CLI_SOME_FAILED, "%s: %s", a->audit.data.list[place].name, why ? why : "no answer");
        json_decref(line);
    }
    cli_progress_step(&a->progress);
    return code;
}

/* A line of an earlier run; lines of pictures that are not in the data set any more are left alone. */
static enum cli_exit take_earlier(void *arg, const char *text, size_t size)
{
    struct auditing *a = arg;
    json_t *line;
    if (wn_json_parse(text, size, &line, NULL) == WN_NO_MEMORY)
        return cli_fail(CLI_FAILED, "no memory for a line of the earlier run");
    const char *file = json_string_value(json_object_get(line, "file"));
    const json_t *label = json_object_get(json_object_get(line, "label"), "index");
    int place = file ? find_name(a, file) : -1;
    enum cli_exit code = CLI_OK;
    bool changed =
        place >= 0 && (json_is_integer(label) ? json_integer_value(label) : -1) != a->audit.data.list[place].label;
    if (changed)
        code = cli_fail(
            CLI_USAGE, "'%s' has another label now than when its line was written; --force writes the file anew", file);
    if (!changed && place >= 0) cli_verdict_finish(&a->audit.list[place]), code = take_line(a, place, text, size);
    json_decref(line);
    return code;
}

static enum cli_exit read_earlier(struct auditing *a)
{
    const char *path = cli_get(a->audit.c, "output", NULL);
    return path && cli_has(a->audit.c, "resume") ? cli_lines_each(path, take_earlier, a) : CLI_OK;
}

static enum cli_exit judge_all(struct auditing *a)
{
    const struct cli_dataset *d = &a->audit.data;
    long jobs = cli_peer_is_remote(a->peer) ? 8 : sysconf(_SC_NPROCESSORS_ONLN) + 1;
    if (!cli_count(a->audit.c, "jobs", 1, MOST_JOBS, &jobs)) return CLI_USAGE;
    a->todo = calloc((size_t)d->n, sizeof *a->todo);
    if (!a->todo) return cli_fail(CLI_FAILED, "no memory for so many pictures");
    for (int i = 0; i < d->n; i++)
        if (!cli_lines_has(&a->lines, d->list[i].name)) a->todo[a->n_todo++] = i;
    if (!a->n_todo) return CLI_OK;
    enum cli_exit code = cli_peer_warm(a->peer);
    struct cli_job job = {a->n_todo, (int)jobs, judge, deliver, a};
    cli_progress_begin(&a->progress, d->n - a->n_todo, d->n, true);
    if (code != CLI_OK) return code;
    code = cli_job_run(&job);
    cli_progress_clear(&a->progress);
    return cli_one_network_end(&a->network, code, a->audit.classes.model, a->progress.before + a->progress.done, d->n,
                               cli_get(a->audit.c, "output", NULL));
}

/* ---- what comes of it ---- */

static enum cli_exit rank(struct auditing *a)
{
    struct wn_error err = {0};
    struct cli_audit *made = &a->audit;
    for (int i = 0; i < made->data.n; i++) {
        made->suspects += cli_verdict_is_suspect(&made->list[i]);
        made->failed += made->list[i].label < 0;
    }
    return cli_verdicts_rank(made->list, made->data.n, made->classes.n, a->rank, &err) == WN_OK ? CLI_OK
                                                                                                : cli_fail_error(&err);
}

static enum cli_exit put_out(struct auditing *a)
{
    const char *csv = cli_get(a->audit.c, "csv", NULL), *report = cli_get(a->audit.c, "report", NULL);
    struct wn_text text = {0};
    enum cli_exit code = CLI_OK;
    if (csv) {
        cli_audit_csv(&a->audit, &text);
        code = cli_page_write(csv, &text);
        wn_text_finish(&text);
    }
    if (report) code = cli_audit_report(&a->audit, report) == CLI_OK ? code : CLI_FAILED;
    if (a->in_words) /* also where a file cannot be written: the work is done */
        cli_audit_words(&a->audit, &text);
    else
        cli_audit_lines(&a->audit, &text);
    if (text.failed)
        code = cli_fail(CLI_FAILED, "no memory for the list");
    else if (fwrite(text.bytes.data, 1, text.bytes.size, stdout) != text.bytes.size)
        code = cli_fail(CLI_FAILED, "the output cannot be written");
    wn_text_finish(&text);
    return code;
}

static enum cli_exit check_usage(struct auditing *a)
{
    static const char *const orders[] = {
#define X(name, words) words,
        CLI_RANKS(X)
#undef X
    };
    const struct cli *c = a->audit.c;
    struct wn_error err = {0};
    bool lines = cli_has(c, "lines"), text = cli_has(c, "text");
    a->in_words = text || (!lines && isatty(STDOUT_FILENO));
    long top = a->in_words && !cli_has(c, "report") ? ON_A_TERMINAL : 100;
    if (c->n_operands != 1)
        return cli_fail(
            CLI_USAGE, "name one data set: a folder whose subfolders are called like classes, a .csv or a .jsonl file");
    if (lines && text) return cli_fail(CLI_USAGE, "--lines and --text exclude each other");
    if ((cli_has(c, "resume") || cli_has(c, "force")) && !cli_has(c, "output"))
        return cli_fail(CLI_USAGE, "--resume and --force are about the file of --output");
    if (cli_has(c, "resume") && cli_has(c, "force"))
        return cli_fail(CLI_USAGE, "--resume and --force exclude each other");
    if (!cli_rank_find(cli_get(c, "rank", "gap"), &a->rank))
        return cli_fail(CLI_USAGE, "--rank takes one of:" CLI_RANKS(NAME));
    if (!cli_count(c, "top", 1, 100000, &top)) return CLI_USAGE;
    if (cli_may_write(cli_get(c, "csv", NULL), &err) != WN_OK ||
        cli_may_write(cli_get(c, "report", NULL), &err) != WN_OK)
        return cli_fail_error(&err);
    a->audit.shown = (int)top;
    a->audit.order = orders[a->rank];
    return CLI_OK;
}

static void finish(struct auditing *a)
{
    for (int i = 0; a->audit.list && i < a->audit.data.n; i++) cli_verdict_finish(&a->audit.list[i]);
    free(a->audit.list);
    cli_dataset_finish(&a->audit.data);
    free((void *)a->audit.classes.labels);
    json_decref(a->labels);
    cli_peer_close(a->peer);
    wn_buffer_finish(&a->uri);
    wn_buffer_finish(&a->question);
    free(a->by_name);
    free(a->todo);
}

static enum cli_exit run(const struct cli *c)
{
    struct auditing a = {.audit = {.c = c}, .network = {.lock = PTHREAD_MUTEX_INITIALIZER}, .lines = {.fd = -1}};
    char model[65];
    enum cli_exit code = check_usage(&a);
    if (code == CLI_OK) code = cli_peer_open(c, cli_get(c, "model", NULL), &a.peer);
    if (code == CLI_OK) code = cli_only_model(c, a.peer, model);
    if (code == CLI_OK)
        code = cli_identity_ask(a.peer, model, NULL, &a.network.first); /* before anything of it is looked at */
    if (code == CLI_OK) code = read_classes(&a, model);
    if (code == CLI_OK) code = make_question(&a, model);
    if (code == CLI_OK) code = read_data(&a);
    if (code == CLI_OK)
        code = cli_lines_open(&a.lines, cli_get(c, "output", NULL), cli_has(c, "resume"), cli_has(c, "force"),
                              a.audit.question, &a.network.first);
    if (code == CLI_OK) code = read_earlier(&a);
    if (code == CLI_OK) code = judge_all(&a);
    enum cli_exit closed = cli_lines_close(&a.lines);
    if (code == CLI_OK) code = closed;
    if (code == CLI_OK) code = rank(&a);
    if (code == CLI_OK) code = put_out(&a);
    if (code == CLI_OK && a.audit.failed)
        code = cli_fail(CLI_SOME_FAILED, "%d of %d pictures have no answer", a.audit.failed, a.audit.data.n);
    finish(&a);
    return code;
}

const struct cli_command cli_audit = {
    .name = "audit",
    .operands = "DATA",
    .summary = "Find labels that are likely wrong: a ranked list, with what speaks for the model's class and what for "
               "the label.",
    .text = "DATA is a folder of pictures (the subfolder that a picture lies in is its label), a folder with "
            "labels.csv (image,label) or pictures.jsonl, or such a "
            "file. A label is a class of the model, by name or by number.\n\n"
            "A picture is suspect where the model prefers another class to its label. Suspects come first, those with "
            "the widest gap between the "
            "two logits at the head; pictures about which model and label agree come last. Each suspect is asked about "
            "twice: why the model's class rather than "
            "the label, and why the label rather than the model's class.\n\n"
            "On a terminal the list is words. Elsewhere each picture gets one JSON line, {\"rank\", \"file\", "
            "\"question\", \"model\", \"path\", \"suspect\", \"label\", "
            "\"rival\", \"logit_gap\", \"relative_probability\", \"answer\"}, where rival is the strongest class "
            "beside the label, both numbers are for it and against "
            "the label, and answer holds a suspect's two maps. A job whose lines go to a file by --output can be "
            "stopped at any moment: with --resume it goes "
            "on where it stopped, if the network is still the one that model names in the lines. `whynot export` makes "
            "files for FiftyOne and CVAT of either.",
    .example = "  whynot audit photos --model resnet18 --report audit.html --csv audit.csv\n"
               "  whynot audit labels.csv --model resnet18 --output audit.jsonl\n"
               "  whynot audit labels.csv --model resnet18 --output audit.jsonl --resume",
    .options = options,
    .run = run,
};
