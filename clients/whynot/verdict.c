/* Lines of an audit read back and ranked; asks no network. */
#include "verdict.h"

#include <jansson.h>
#include <jsonload.h>
#include <stdlib.h>
#include <string.h>

#define FEW 4

bool cli_rank_find(const char *name, enum cli_rank *out)
{
    static const char *const names[] = {
#define X(name, words) #name,
        CLI_RANKS(X)
#undef X
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i], name) != 0) continue;
        *out = (enum cli_rank)i;
        return true;
    }
    return false;
}

static int class_at(const json_t *line, const char *key)
{
    const json_t *index = json_object_get(json_object_get(line, key), "index");
    json_int_t v = json_is_integer(index) ? json_integer_value(index) : -1;
    return v >= 0 && v < 100000000 ? (int)v : -1;
}

enum wn_code cli_verdict_read(const char *text, size_t size, struct cli_verdict *out, struct wn_error *err)
{
    json_t *line;
    if (wn_json_parse(text, size, &line, NULL) == WN_NO_MEMORY)
        return wn_fail(err, WN_NO_MEMORY, "no memory for a line");
    const json_t *gap = json_object_get(line, "logit_gap");
    enum wn_code code = WN_OK;
    *out = (struct cli_verdict){.label = -1, .rival = -1};
    if (json_is_number(gap)) {
        out->label = class_at(line, "label");
        out->rival = class_at(line, "rival");
        out->gap = json_number_value(gap);
        out->label_probability = json_number_value(json_object_get(json_object_get(line, "label"), "probability"));
    }
    bool good = json_is_object(line) && (json_object_get(line, "error") || (out->label >= 0 && out->rival >= 0));
    if (!good) code = wn_fail(err, WN_BAD_REQUEST, "a line is none of an audit");
    while (size && strchr("\r\n", text[size - 1])) size--;
    out->line = good ? strndup(text, size) : NULL;
    if (good && !out->line) code = wn_fail(err, WN_NO_MEMORY, "no memory for a line");
    json_decref(line);
    return code;
}

void cli_verdict_finish(struct cli_verdict *v)
{
    free(v->line);
    *v = (struct cli_verdict){.label = -1, .rival = -1};
}

bool cli_verdict_is_suspect(const struct cli_verdict *v)
{
    return v->label >= 0 && v->gap > 0;
}

/* ---- order ---- */

struct keyed {
    double key;
    struct cli_verdict verdict;
};

static int group(const struct cli_verdict *v)
{
    return v->label < 0 ? 2 : v->gap > 0 ? 0 : 1;
}

static int worst_first(const void *a, const void *b)
{
    const struct keyed *x = a, *y = b;
    int order = group(&x->verdict) - group(&y->verdict);
    if (order) return order;
    if (x->key != y->key) return x->key < y->key ? 1 : -1;
    return x->verdict.place - y->verdict.place;
}

static int by_class_and_gap(const void *a, const void *b)
{
    const struct cli_verdict *x = a, *y = b;
    if (x->label != y->label) return x->label - y->label;
    return (x->gap > y->gap) - (x->gap < y->gap);
}

static int by_gap(const void *a, const void *b)
{
    const struct cli_verdict *x = a, *y = b;
    return (x->gap > y->gap) - (x->gap < y->gap);
}

static double median(const struct cli_verdict *sorted, int n)
{
    return n ? (sorted[(n - 1) / 2].gap + sorted[n / 2].gap) / 2 : 0;
}

/* The median gap of the pictures of each label, pulled towards that of all pictures as if FEW of those were among
 * them: a class of two pictures has no habits. */
static enum wn_code usual_gaps(const struct cli_verdict *list, int n, int classes, double *usual)
{
    struct cli_verdict *sorted = calloc((size_t)n + 1, sizeof *sorted);
    int answered = 0;
    if (!sorted) return WN_NO_MEMORY;
    for (int i = 0; i < n; i++)
        if (list[i].label >= 0 && list[i].label < classes) sorted[answered++] = list[i];
    qsort(sorted, (size_t)answered, sizeof *sorted, by_gap);
    double of_all = median(sorted, answered);
    qsort(sorted, (size_t)answered, sizeof *sorted, by_class_and_gap);
    for (int begin = 0, end; begin < answered; begin = end) {
        for (end = begin; end < answered && sorted[end].label == sorted[begin].label;) end++;
        int own = end - begin;
        usual[sorted[begin].label] = (own * median(sorted + begin, own) + FEW * of_all) / (own + FEW);
    }
    free(sorted);
    return WN_OK;
}

enum wn_code cli_verdicts_rank(struct cli_verdict *list, int n, int classes, enum cli_rank by, struct wn_error *err)
{
    struct keyed *all = calloc((size_t)n + 1, sizeof *all);
    double *usual = calloc((size_t)classes + 1, sizeof *usual);
    enum wn_code code = all && usual ? WN_OK : WN_NO_MEMORY;
    if (code == WN_OK && by == CLI_RANK_class) code = usual_gaps(list, n, classes, usual);
    for (int i = 0; i < n && code == WN_OK; i++) {
        const struct cli_verdict *v = &list[i];
        double less = v->label >= 0 && v->label < classes ? usual[v->label] : 0;
        all[i] = (struct keyed){by == CLI_RANK_probability ? -v->label_probability : v->gap - less, *v};
    }
    if (code == WN_OK) qsort(all, (size_t)n, sizeof *all, worst_first);
    for (int i = 0; i < n && code == WN_OK; i++) list[i] = all[i].verdict;
    free(all);
    free(usual);
    return code == WN_OK ? WN_OK : wn_fail(err, code, "no memory for the order");
}
