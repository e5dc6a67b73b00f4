/* `whynot export`: an audit's or an explain job's lines as files that other labelling tools read. Asks no network
 * and opens no picture. */
#include "export.h"

#include <errno.h>
#include <jsonload.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME(name, where, words) " " #name
#define WORDS(name, where, words) " " #name ", " words ";"
#define PLACE(name, where, words) " " where " for " #name ";"

static const struct cli_option options[] = {
    {"as", 'a', "FORMAT", NULL, "One of:" CLI_EXPORTS(WORDS), &(CLI_EXPORTS(NAME))[1]},
    {"to", 'o', "PATH", NULL, "What to write:" CLI_EXPORTS(PLACE) " folders are made where they are missing.", "file"},
    CLI_OPTIONS_END,
};

/* ---- lines ---- */

static const char *text_of(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s ? s : "";
}

static enum cli_exit add(struct cli_export *e, json_t *line)
{
    const json_t *status = json_object_get(line, "status"), *answer = json_object_get(line, "answer"),
                 *path = json_object_get(line, "path");
    if (json_object_get(line, "error") || (status && json_integer_value(status) != 200)) {
        e->left_out++;
        json_decref(line);
        return CLI_OK;
    }
    if (e->n == e->room) {
        int room = e->room ? 2 * e->room : 256;
        struct cli_exported *list = realloc(e->list, (size_t)room * sizeof *list);
        if (!list) return json_decref(line), cli_fail(CLI_FAILED, "no memory for so many lines");
        e->list = list;
        e->room = room;
    }
    const char *file = text_of(line, "file");
    e->list[e->n++] = (struct cli_exported){line,
                                            file,
                                            json_is_string(path) ? json_string_value(path) : file,
                                            answer,
                                            json_object_get(answer, "image"),
                                            json_object_get(answer, "maps")};
    return CLI_OK;
}

/* What follows the last line break was being written when the job ended. */
static enum cli_exit read_lines(struct cli_export *e, FILE *f, const char *name)
{
    char *text = NULL;
    size_t room = 0;
    ssize_t n;
    enum cli_exit code = CLI_OK;
    for (int at = 1; code == CLI_OK && (n = getline(&text, &room, f)) > 0; at++) {
        json_t *line;
        if (wn_json_parse(text, (size_t)n, &line, NULL) == WN_NO_MEMORY) {
            code = cli_fail(CLI_FAILED, "no memory for line %d of %s", at, name);
            break;
        }
        bool good = json_is_string(json_object_get(line, "file")) &&
                    (json_is_object(json_object_get(line, "answer")) || json_object_get(line, "error"));
        if (good)
            code = add(e, line);
        else
            json_decref(line);
        if (!good && text[n - 1] != '\n') break;
        if (!good) code = cli_fail(CLI_USAGE, "%s, line %d is none that audit or explain wrote", name, at);
    }
    if (code == CLI_OK && !feof(f)) code = cli_fail(CLI_FAILED, "%s cannot be read to its end", name);
    free(text);
    return code;
}

static int by_file(const void *a, const void *b)
{
    return strcmp(((const struct cli_exported *)a)->file, ((const struct cli_exported *)b)->file);
}

static enum cli_exit read_job(struct cli_export *e, const char *name)
{
    FILE *f = strcmp(name, "-") == 0 ? stdin : fopen(name, "r");
    if (!f) return cli_fail(CLI_USAGE, "%s cannot be read: %s", name, strerror(errno));
    enum cli_exit code = read_lines(e, f, name);
    if (f != stdin) fclose(f);
    if (e->n) qsort(e->list, (size_t)e->n, sizeof *e->list, by_file);
    for (int i = 1; i < e->n && code == CLI_OK; i++)
        if (strcmp(e->list[i].file, e->list[i - 1].file) == 0)
            code = cli_fail(CLI_USAGE, "%s has two lines about '%s'", name, e->list[i].file);
    return code == CLI_OK && !e->n ? cli_fail(CLI_USAGE, "%s has no line with an answer", name) : code;
}

/* ---- what formats ask ---- */

const char *cli_export_class(const json_t *map, const char *key)
{
    return text_of(json_object_get(map, key), "label");
}

struct cli_side cli_export_side(const json_t *map)
{
    const char *means = text_of(map, "positive_means"), *class = cli_export_class(map, "class"),
               *rival = cli_export_class(map, "rival");
    if (strcmp(means, "against the class") == 0) return (struct cli_side){"against ", class};
    if (strcmp(means, "against the rival") == 0) return (struct cli_side){"against ", *rival ? rival : "the others"};
    return (struct cli_side){"", class};
}

/* The probability of a class that the answer names; below 0: it names none such. */
static double probability_of(const struct cli_exported *x, json_int_t index)
{
    const json_t *lists[] = {json_object_get(x->answer, "targets"), json_object_get(x->answer, "why_not"),
                             json_object_get(x->answer, "predictions")};
    const json_t *ones[] = {json_object_get(x->line, "label"), json_object_get(x->line, "rival"),
                            json_object_get(x->answer, "target")};
    for (size_t i = 0; i < 3; i++)
        if (ones[i] && json_integer_value(json_object_get(ones[i], "index")) == index)
            return json_number_value(json_object_get(ones[i], "probability"));
    for (size_t k = 0; k < 3; k++)
        for (size_t i = 0; i < json_array_size(lists[k]); i++) {
            const json_t *one = json_array_get(lists[k], i);
            if (json_integer_value(json_object_get(one, "index")) == index)
                return json_number_value(json_object_get(one, "probability"));
        }
    return -1;
}

double cli_export_score(const struct cli_exported *x, const json_t *map)
{
    const json_t *class = json_object_get(map, "class"), *rival = json_object_get(map, "rival");
    const json_int_t mine = json_integer_value(json_object_get(class, "index")),
                     theirs = json_is_object(rival) ? json_integer_value(json_object_get(rival, "index")) : mine;
    double p = probability_of(x, mine), q = theirs != mine ? probability_of(x, theirs) : -1;
    double score = q >= 0 && p + q > 0 ? p / (p + q) : p;
    if (p >= 0 && strcmp(text_of(map, "positive_means"), "against the class") == 0) score = 1 - score;
    return score >= 0 && score <= 1 ? score : 0;
}

/* ---- the command ---- */

static enum cli_exit run(const struct cli *c)
{
    struct cli_export e = {0};
    const char *as = cli_get(c, "as", NULL), *to = cli_get(c, "to", NULL);
    enum cli_exit (*write)(const struct cli_export *, const char *) = NULL;
#define X(name, where, words)                                                                                          \
    if (as && strcmp(as, #name) == 0) write = cli_export_##name;
    CLI_EXPORTS(X)
#undef X
    if (c->n_operands != 1)
        return cli_fail(CLI_USAGE, "name the JSON lines of one audit or explain job, or - for standard input");
    if (!write) return cli_fail(CLI_USAGE, "--as takes one of:" CLI_EXPORTS(NAME));
    if (!to || !*to) return cli_fail(CLI_USAGE, "--to says where to write");
    enum cli_exit code = read_job(&e, c->operands[0]);
    if (code == CLI_OK) code = write(&e, to);
    if (code == CLI_OK && e.left_out)
        code = cli_fail(CLI_SOME_FAILED, "%d of %d pictures have no answer and are left out", e.left_out,
                        e.left_out + e.n);
    for (int i = 0; i < e.n; i++) json_decref(e.list[i].line);
    free(e.list);
    return code;
}

const struct cli_command cli_export = {
    .name = "export",
    .operands = "LINES.jsonl",
    .summary = "Turn the JSON lines of an audit or explain job into files for FiftyOne or CVAT.",
    .text = "LINES.jsonl is what `whynot audit` printed or wrote to its --output, or what `whynot explain --outputs "
            "raw,rle,bbox` did; - is standard input.\n\n"
            "fiftyone: a folder that fiftyone.Dataset.from_dir reads as a FiftyOneDataset. Maps are Heatmap fields "
            "with numbers as the network has them and "
            "their range; an audit's pictures have ground_truth, prediction, rank, logit_gap, relative_probability, "
            "and suspects that tag.\n\n"
            "cvat: annotations in \"CVAT for images 1.1\". Each map that speaks for or against a class is a mask of "
            "the strongest fifth of its evidence, labelled with that class (or \"against\" and it), with the "
            "attributes score (how sure the model is of that), evidence (how much of all the "
            "map's evidence speaks so), question and, of a "
            "ranked audit, rank; an audit's label is a tag. Images are named as the data set calls them.",
    .example = "  whynot audit signs --model signs-resnet > audit.jsonl\n"
               "  whynot export audit.jsonl --as fiftyone --to audit-fiftyone\n"
               "  whynot export audit.jsonl --as cvat --to annotations.xml",
    .options = options,
    .run = run,
};
