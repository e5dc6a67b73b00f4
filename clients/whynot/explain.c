/* `whynot explain`: why P, rather than Q, for one picture or a hundred thousand. */
#include "answer_text.h"
#include "job.h"
#include "lines.h"
#include "listing.h"
#include "pictures.h"

#include <jsonload.h>
#include <query.h>
#include <question.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <text.h>
#include <unistd.h>

#define MOST_DRAWN 8 /* pictures; more would scroll by */
#define MOST_JOBS 256

enum form { FORM_WORDS, FORM_JSON, FORM_LINES };

struct asking {
    const struct cli *c;
    struct cli_peer *peer;
    struct cli_pictures pictures;
    int *todo, n_todo; /* pictures that have no line yet */
    enum form form;
    enum cli_screen screen;
    const char *folder; /* for pictures; NULL: none are written */
    char *uri, *question;
    char model[65];
    struct cli_identity asked; /* of what is asked, where lines go to a file */
    struct cli_one_network network;
    struct cli_lines lines;
    struct cli_progress progress;
    int failed;
};

/* ---- options ---- */

static const struct cli_option options[] = {
    CLI_MODEL_OPTION,
    CLI_JSON_OPTION,
    {"lines", 'l', NULL, NULL,
     "Print a JSON line for each picture: its file, status and answer. What standard output gets when it is no "
     "terminal.",
     NULL},
    {"text", 't', NULL, NULL, "Print words for people. What a terminal gets.", NULL},
    {"draw", 'd', "HOW", "auto",
     "Draw the picture and its maps among the words: never, as half blocks, or in the graphics that the terminal has. "
     "auto draws on a terminal with colours, for few pictures.",
     CLI_SCREENS},
    {"png", 'p', "FOLDER", NULL, "Write heatmaps and overlays there, under the names of the pictures.", "folder"},
    {"output", 'o', "FILE", NULL, "Write the JSON lines to this file.", "file"},
    {"resume", 'r', NULL, NULL, "Go on with the file of --output: pictures that have a line are left out.", NULL},
    {"force", 'f', NULL, NULL, "Write the file of --output anew where it is there already.", NULL},
    {"from", 0, "FILE", NULL, "Read more names of pictures from a file, one a line; - is standard input.", "file"},
    {"jobs", 'J', "N", "8 with a daemon, else one more than there are cores",
     "Pictures that are worked on at the same time.", NULL},
    CLI_ASK_OPTIONS,
    CLI_OPTIONS_END,
};

/* The fields of a question are options too; those that mean something else here are left out. */
static bool is_option(const struct wn_field *f)
{
    return strcmp(f->name, "image") != 0 && strcmp(f->name, "id") != 0 && strcmp(f->name, "model") != 0;
}

static const char *completion(const struct wn_field *f)
{
    static const struct {
        const char *kind, *complete;
    } rows[] = {{"METHOD", "method"},
                {"CONTRAST", "contrast"},
                {"COLORMAP", "colormap"},
                {"NORMALIZE", "none minmax shared symmetric"},
                {"SIZE", "image input"},
                {"MAPS", "contrast target rival"},
                {"OUTPUTS", "heatmap overlay raw bbox"},
                {"CLASSES", "label"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].kind, f->kind) == 0) return rows[i].complete;
    return NULL;
}

static const struct cli_option *question_option(int i)
{
    enum { MOST = 64 };
    static struct cli_option rows[MOST];
    static char names[MOST][32];
    const struct wn_field *f;
    int n = 0;
    for (int k = 0; (f = wn_ask_field(k)) && n < MOST; k++) {
        if (!is_option(f)) continue;
        if (n == i) {
            bool is_switch = strcmp(f->kind, "FLAG") == 0;
            snprintf(names[n], sizeof names[n], "%s", f->name);
            for (char *c = names[n]; *c; c++)
                if (*c == '_') *c = '-';
            rows[n] = (struct cli_option){names[n],
                                          0,
                                          is_switch ? NULL : f->kind,
                                          is_switch || !f->standard[0] ? NULL : f->standard,
                                          f->words,
                                          completion(f)};
            if (strcmp(f->name, "why_not") == 0) rows[n].letter = 'q';
            if (strcmp(f->name, "target") == 0) rows[n].letter = 'w';
            return &rows[n];
        }
        n++;
    }
    return NULL;
}

/* ---- the question ---- */

static enum wn_code add_parameter(struct wn_buffer *out, const char *name, const char *value, struct wn_error *err)
{
    enum wn_code code = wn_buffer_printf(out, err, "%s%s=", out->size ? "&" : "", name);
    return code == WN_OK ? cli_escape(out, value, err) : code;
}

/* What of the answer is looked at decides what is asked for, unless --outputs says it. */
static const char *wanted_outputs(const struct asking *a)
{
    if (a->folder) return "heatmap,overlay,bbox";
    if (a->screen != CLI_SCREEN_NONE) return "overlay,bbox";
    return a->form == FORM_JSON ? NULL : "bbox";
}

/* Said once and here: what the daemon says of it names no field, as if a picture were at fault. */
static enum cli_exit check_query(struct wn_buffer *query)
{
    struct wn_pool pool = {0};
    struct wn_parameters all;
    if (wn_buffer_append(query, "", 1, NULL) != WN_OK) return cli_fail(CLI_FAILED, "no memory for the question");
    query->size--;
    bool good = wn_query_parse(&pool, (const char *)query->data, &all);
    wn_pool_finish(&pool);
    if (good) return CLI_OK;
    if (!all.list) return cli_fail(CLI_FAILED, "no memory for the question");
    if (all.too_many) return cli_fail(CLI_USAGE, "a question has at most %d parts", WN_MOST_PARAMETERS);
    return cli_fail(CLI_USAGE, "the options of a question are UTF-8 without control characters");
}

static enum cli_exit make_question(struct asking *a, const char *model)
{
    struct wn_buffer query = {0}, uri = {0};
    struct wn_error err = {0};
    for (int i = 0; i < a->c->n_given; i++) {
        char field[32];
        snprintf(field, sizeof field, "%s", a->c->given[i].name);
        for (char *s = field; *s; s++)
            if (*s == '-') *s = '_';
        if (!wn_ask_knows(field) || strcmp(field, "model") == 0) continue;
        const char *value = a->c->given[i].value;
        add_parameter(&query, field, *value ? value : "true", &err);
    }
    if (!cli_has(a->c, "outputs") && wanted_outputs(a)) add_parameter(&query, "outputs", wanted_outputs(a), &err);
    if (a->screen != CLI_SCREEN_NONE && !cli_has(a->c, "overlay")) add_parameter(&query, "overlay", "0.8", &err);
    wn_buffer_printf(&uri, &err, "/v1/models/");
    cli_escape(&uri, model, &err);
    wn_buffer_printf(&uri, &err, query.size ? "/explain?" : "/explain");
    if (query.size) wn_buffer_append(&uri, query.data, query.size, &err);
    wn_buffer_append(&uri, "", 1, &err);
    a->uri = (char *)uri.data;
    a->question = a->uri ? a->uri + strlen("/v1/models/") : NULL;
    enum cli_exit code = err.code == WN_OK ? check_query(&query) : cli_fail_error(&err);
    wn_buffer_finish(&query);
    return code;
}

/* ---- one picture ---- */

/* {"file": ..., "question": ..., "model": ..., "status": ..., "png": [...], "answer": the reply}, on one line. */
static enum wn_code put_line(const struct asking *a, const struct cli_picture *p, const struct cli_reply *reply,
                             const json_t *answer, const json_t *paths, struct wn_buffer *out, struct wn_error *err)
{
    struct cli_identity own;
    struct wn_text line = {.bytes = *out};
    struct wn_buffer stripped = {0};
    enum wn_code code = WN_OK;
    wn_json_open(&line, '{');
    wn_json_key(&line, "file");
    wn_json_string(&line, p->name);
    wn_json_key(&line, "question");
    wn_json_string(&line, a->question);
    cli_identity_write(cli_identity_of_answer(answer, &own) ? &own : &a->asked, a->model, &line);
    wn_json_key(&line, "status");
    wn_json_int(&line, reply->status);
    if (json_array_size(paths)) {
        wn_json_key(&line, "png");
        wn_json_open(&line, '[');
        for (size_t i = 0; i < json_array_size(paths); i++)
            wn_json_string(&line, json_string_value(json_array_get(paths, i)));
        wn_json_close(&line, ']');
        code = cli_answer_strip(&reply->body, &stripped, err);
    }
    const struct wn_buffer *body = stripped.size ? &stripped : &reply->body;
    wn_json_key(&line, "answer");
    wn_json_value(&line);
    wn_text_add(&line, (char *)body->data, body->size);
    wn_json_close(&line, '}');
    *out = line.bytes;
    wn_buffer_finish(&stripped);
    if (line.failed && code == WN_OK) code = wn_fail(err, WN_NO_MEMORY, "no memory for a line");
    return code;
}

static enum wn_code put_words(const struct asking *a, const struct cli_picture *p, const struct cli_reply *reply,
                              const json_t *answer, const struct wn_buffer *picture, struct wn_buffer *out,
                              struct wn_error *err)
{
    char text[WN_ERROR_TEXT], *name = cli_plain(p->name, ""), *why = NULL;
    enum wn_code code = name ? WN_OK : WN_NO_MEMORY;
    if (reply->status != 200) {
        cli_problem_text(reply, text, sizeof text);
        why = cli_plain(text, "\n");
    }
    if (code == WN_OK && reply->status == 200)
        code = cli_answer_words(answer, name, picture, a->screen, out, err);
    else if (code == WN_OK)
        code = wn_buffer_printf(out, err, "%s: no answer: %s\n", name, why ? why : "");
    free(name);
    free(why);
    return code == WN_OK ? WN_OK : wn_fail(err, code, "no memory for words");
}

/* A file that cannot be read is that picture's failure, said in the form that a daemon would. */
static enum wn_code no_file(const struct wn_error *why, struct cli_reply *reply, struct wn_error *err)
{
    struct wn_text body = {0};
    reply->status = wn_code_http_status(why->code);
    wn_problem_write(&(struct wn_problem){.error = *why}, "", &body);
    wn_text_string(&body);
    reply->body = body.bytes;
    return body.failed ? wn_fail(err, WN_NO_MEMORY, "no memory") : WN_OK;
}

static enum cli_exit refused(const struct asking *a, const struct cli_reply *reply)
{
    char text[WN_ERROR_TEXT];
    if (a->form == FORM_JSON && a->n_todo == 1) printf("%s\n", (char *)reply->body.data);
    cli_problem_text(reply, text, sizeof text);
    return cli_fail(cli_problem_exit(reply), "%s", text);
}

/* A gateway's page, or half an answer, is no answer of a daemon; whoever reads what is printed reads the rest. */
static enum wn_code check_object(const struct wn_buffer *body, struct wn_error *err)
{
    size_t n = body->size;
    while (n && strchr(" \r\n", body->data[n - 1])) n--;
    bool object = n > 1 && body->data[0] == '{' && body->data[n - 1] == '}';
    return object ? WN_OK : wn_fail(err, WN_NOT_READY, "the answer is no JSON object, as a daemon of ours would give");
}

static enum wn_code read_answer(struct asking *a, const struct wn_buffer *body, json_t **answer, struct wn_error *err)
{
    struct wn_error wrong = {0};
    enum wn_code code = wn_json_parse(body->data, body->size, answer, &wrong);
    if (code == WN_NO_MEMORY) return wn_fail(err, code, "no memory to read the answer");
    if (code != WN_OK) return wn_fail(err, WN_NOT_READY, "the answer is no JSON: %.200s", wrong.text);
    if (!cli_one_network_check(&a->network, *answer)) return wn_fail(err, WN_BAD_MODEL, "another network answers");
    /* What is put into words or files; else they would say numbers that nobody said. */
    if (a->form == FORM_LINES && !a->folder) return WN_OK;
    if (json_is_array(json_object_get(*answer, "predictions")) && json_is_array(json_object_get(*answer, "maps")))
        return WN_OK;
    return wn_fail(err, WN_NOT_READY, "the answer lacks predictions or maps, which a daemon of ours would give");
}

static enum cli_exit ask(void *arg, int i, struct cli_result *out)
{
    struct asking *a = arg;
    const struct cli_picture *p = &a->pictures.list[a->todo[i]];
    struct wn_buffer picture = {0};
    struct cli_reply reply = {0};
    struct wn_error err = {0}, why = {0};
    json_t *answer = NULL, *paths = json_array();
    enum cli_exit result = CLI_OK;
    enum wn_code code = cli_read_file(p->path, &picture, &why);
    if (code != WN_OK)
        code = no_file(&why, &reply, &err);
    else
        code = cli_peer_call(a->peer, "POST", a->uri, picture.size ? (void *)picture.data : "", picture.size, &reply,
                             &err);
    out->good = code == WN_OK && reply.status == 200;
    if (code == WN_OK && !out->good && why.code == WN_OK && cli_problem_is_for_all(&reply)) {
        result = refused(a, &reply);
        goto finish;
    }
    if (out->good) code = check_object(&reply.body, &err);
    if (code == WN_OK && out->good && (a->form != FORM_JSON || a->folder))
        code = read_answer(a, &reply.body, &answer, &err);
    if (out->good && a->folder && code == WN_OK) code = cli_answer_files(answer, a->folder, p->stem, paths, &err);
    if (code == WN_OK && a->form == FORM_WORDS) code = put_words(a, p, &reply, answer, &picture, &out->text, &err);
    if (code == WN_OK && a->form == FORM_LINES) code = put_line(a, p, &reply, answer, paths, &out->text, &err);
    if (code == WN_OK && a->form == FORM_JSON)
        code = wn_buffer_append(&out->text, reply.body.data, reply.body.size, &err);
    if (code != WN_OK) /* a change of networks is said once, at the job's end */
        result = code == WN_BAD_MODEL ? CLI_FAILED : cli_fail_error(&err);
finish:
    json_decref(answer);
    json_decref(paths);
    wn_buffer_finish(&picture);
    wn_buffer_finish(&reply.body);
    return result;
}

static enum cli_exit deliver(void *arg, int i, const struct cli_result *result)
{
    struct asking *a = arg;
    enum cli_exit code = CLI_OK;
    (void)i;
    a->failed += !result->good;
    cli_progress_clear(&a->progress);
    if (a->form == FORM_WORDS) {
        fwrite(result->text.data, 1, result->text.size, stdout);
        code = cli_flush(CLI_OK);
    } else {
        code = cli_lines_write(&a->lines, &result->text);
    }
    cli_progress_step(&a->progress);
    return code;
}

/* ---- the command ---- */

static enum cli_exit choose_form(struct asking *a)
{
    const struct cli *c = a->c;
    bool json = cli_has(c, "json"), lines = cli_has(c, "lines") || cli_has(c, "output"), text = cli_has(c, "text");
    const char *draw = cli_get(c, "draw", "auto");
    if (json + lines + text > 1)
        return cli_fail(CLI_USAGE, "--json, --text and --lines (or --output) exclude each other");
    if ((cli_has(c, "resume") || cli_has(c, "force")) && !cli_has(c, "output"))
        return cli_fail(CLI_USAGE, "--resume and --force are about the file of --output");
    if (cli_has(c, "resume") && cli_has(c, "force"))
        return cli_fail(CLI_USAGE, "--resume and --force exclude each other");
    bool drawn = strcmp(draw, "auto") != 0 && strcmp(draw, "never") != 0;
    a->form = json ? FORM_JSON : lines ? FORM_LINES : text || drawn || isatty(STDOUT_FILENO) ? FORM_WORDS : FORM_LINES;
    if (drawn && a->form != FORM_WORDS) return cli_fail(CLI_USAGE, "--draw goes with words, not with JSON");
    if (a->form != FORM_WORDS || (!drawn && a->pictures.n > MOST_DRAWN)) draw = "never";
    if (!cli_screen_choose(draw, &a->screen)) return cli_fail(CLI_USAGE, "--draw takes one of: " CLI_SCREENS);
    a->folder = cli_get(c, "png", NULL);
    return a->folder && !cli_pictures_stems_differ(&a->pictures) ? CLI_USAGE : CLI_OK;
}

static enum cli_exit find_todo(struct asking *a)
{
    a->todo = calloc((size_t)a->pictures.n, sizeof *a->todo);
    if (!a->todo) return cli_fail(CLI_FAILED, "no memory for so many pictures");
    for (int i = 0; i < a->pictures.n; i++)
        if (!cli_lines_has(&a->lines, a->pictures.list[i].name)) a->todo[a->n_todo++] = i;
    return CLI_OK;
}

static enum cli_exit answer_all(struct asking *a)
{
    long jobs = cli_peer_is_remote(a->peer) ? 8 : sysconf(_SC_NPROCESSORS_ONLN) + 1;
    if (!cli_count(a->c, "jobs", 1, MOST_JOBS, &jobs)) return CLI_USAGE;
    if (!a->n_todo) return CLI_OK;
    enum cli_exit code = cli_peer_warm(a->peer);
    if (code != CLI_OK) return code;
    struct cli_job job = {a->n_todo, (int)jobs, ask, deliver, a};
    bool to_terminal = a->lines.fd < 0 && isatty(STDOUT_FILENO);
    cli_progress_begin(&a->progress, a->pictures.n - a->n_todo, a->pictures.n,
                       !to_terminal || a->screen == CLI_SCREEN_NONE);
    code = cli_job_run(&job);
    cli_progress_clear(&a->progress);
    code = cli_one_network_end(&a->network, code, a->model, a->progress.before + a->progress.done, a->pictures.n,
                               cli_get(a->c, "output", NULL));
    if (code == CLI_OK && a->failed)
        code = a->pictures.n == 1 && a->form == FORM_WORDS
                   ? CLI_SOME_FAILED
                   : cli_fail(CLI_SOME_FAILED, "%d of %d pictures have no answer", a->failed, a->n_todo);
    return code;
}

static enum cli_exit run(const struct cli *c)
{
    struct asking a = {.c = c, .network = {.lock = PTHREAD_MUTEX_INITIALIZER}, .lines = {.fd = -1}};
    enum cli_exit code = cli_pictures_find(c->operands, c->n_operands, cli_get(c, "from", NULL), &a.pictures);
    if (code == CLI_OK) code = choose_form(&a);
    if (code == CLI_OK) code = cli_peer_open(c, cli_get(c, "model", NULL), &a.peer);
    if (code == CLI_OK) code = cli_only_model(c, a.peer, a.model);
    if (code == CLI_OK) code = make_question(&a, a.model);
    if (code == CLI_OK && cli_has(c, "output"))
        code = cli_identity_ask(a.peer, a.model, cli_get(c, "version", NULL), &a.asked);
    if (code == CLI_OK)
        code = cli_lines_open(&a.lines, cli_get(c, "output", NULL), cli_has(c, "resume"), cli_has(c, "force"),
                              a.question, &a.asked);
    a.network.first = a.asked;
    if (code == CLI_OK) code = find_todo(&a);
    if (code == CLI_OK) code = answer_all(&a);
    enum cli_exit closed = cli_lines_close(&a.lines);
    cli_peer_close(a.peer);
    cli_pictures_finish(&a.pictures);
    free(a.todo);
    free(a.uri);
    return code == CLI_OK ? closed : code;
}

const struct cli_command cli_explain = {
    .name = "explain",
    .operands = "PICTURE...",
    .summary = "Say why a network said P, rather than Q: in words, drawn, as pictures, as JSON.",
    .text = "A PICTURE is a PNG or JPEG file, a folder (every picture below it), a quoted pattern, or - for standard "
            "input. With --server "
            "a daemon is asked, else the network is read and run by this command; the answers are the same.\n\n"
            "On a terminal the answer is words and a drawing. Elsewhere each picture gets one JSON line, {\"file\", "
            "\"question\", \"model\", \"status\", "
            "\"answer\"}, in the order of the pictures; answer is what the daemon would have said, and with --png its "
            "pictures are in files "
            "and not in the line. A job whose lines go to a file by --output can be stopped at any moment: with "
            "--resume it goes on "
            "where it stopped, no line is missing and none is there twice. A file whose lines another network "
            "answered, which "
            "model says, is not gone on with.\n\n"
            "A class is an index or a label. Digits are an index, also where a label is spelled so: -w 5 is the class "
            "of index 5, and -w '5 (2)', the label with its number, is the one that is called 5 where that has index "
            "2 (`whynot labels` has the numbers). Where pictures are labelled, as for `whynot audit`, digits are a "
            "label first. A comma may be part of a label, so several classes are said one by one, -q stop -q yield; "
            "only indices may be listed, -q 0,8.",
    .example = "  whynot explain sign.png --model signs-resnet --why-not 'no left turn'\n"
               "  whynot explain sign.png --model signs-resnet -q 'no left turn' -q 'no entry'\n"
               "  whynot explain photos --why-not auto:1 --output answers.jsonl --png maps\n"
               "  whynot explain photos --why-not auto:1 --output answers.jsonl --png maps --resume",
    .options = options,
    .more = question_option,
    .run = run,
};
