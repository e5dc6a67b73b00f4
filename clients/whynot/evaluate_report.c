/* An evaluation as a page for people; measures nothing. */
#include "evaluate_report.h"

#include "page.h"
#include "pictures.h"

#include <jsonload.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <whynot/whynot.h>

#define SHOWN 10 /* of the best, and of the worst */

struct report {
    struct wn_text out;
    struct cli_peer *peer;
    const struct wn_model *model;
    const struct cli_dataset *data;
    const struct wn_tally *tally;
};

static const struct wn_evaluation_metric *metric_of(const struct report *r, int k)
{
    return r->tally->judging->options.metrics[k];
}

/* ---- head ---- */

static const char style[] = "td.best{font-weight:700}.scroll{overflow-x:auto}svg{display:block;max-width:100%;height:"
                            "auto}svg text{fill:var(--ink);font-size:12px}"
                            ".grid{display:flex;flex-wrap:wrap;gap:1rem}figure{margin:0;width:210px}figure "
                            "img{width:100px;height:100px;object-fit:contain;"
                            "image-rendering:auto}";

static void put_refused(struct report *r)
{
    const struct wn_tally *t = r->tally;
    for (int s = 0; s < t->judging->options.n_subjects; s++) {
        if (!t->refused[s].n) continue;
        wn_text_puts(&r->out, "<p>");
        cli_page_text(&r->out, t->judging->subjects[s]);
        wn_text_printf(&r->out, " is refused for %d of %d pictures: ", t->refused[s].n, t->n);
        cli_page_text(&r->out, t->refused[s].why);
        wn_text_puts(&r->out, "</p>");
    }
}

static void put_head(struct report *r, const struct cli *c)
{
    struct wn_text *out = &r->out;
    const struct wn_tally *t = r->tally;
    char title[100];
    snprintf(title, sizeof title, "whynot evaluate: %s", r->model->name);
    cli_page_head(out, title, style);
    wn_text_puts(out, "<h1>Are the explanations right? ");
    cli_page_text(out, r->model->name);
    wn_text_printf(out, "</h1><p>%d pictures", t->n);
    if (t->failed) wn_text_printf(out, ", %d more without an answer", t->failed);
    if (t->labelled)
        wn_text_printf(out, "; %.1f %% of %d labelled ones are classified right", 100.0 * t->right / t->labelled,
                       t->labelled);
    wn_text_printf(out,
                   ". Brackets and bars are 95 %% intervals of the mean over resampled pictures.</p><p "
                   "class=\"soft\">whynot %s, network %.16s, "
                   "seed %llu, %lld forward passes<br><code>",
                   wn_version(), wn_graph_sha256(r->model->graph), (unsigned long long)t->judging->seed,
                   (long long)t->passes);
    cli_page_command(out, c);
    wn_text_puts(out, "</code></p>");
    put_refused(r);
}

/* ---- tables and plots ---- */

static int best_subject(const struct wn_cell *cells, int n, int better)
{
    int best = -1;
    for (int s = 0; s < n && better; s++)
        if (cells[s].value.n && (best < 0 || better * (cells[s].value.mean - cells[best].value.mean) > 0)) best = s;
    return best;
}

#define NAMES 190
#define WIDE 640
#define ROW 20

/* A dot and a bar for each subject; the first is the one that the others are compared with, drawn grey. */
static void put_plot(struct report *r, const struct wn_cell *cells, int n, const char *title)
{
    struct wn_text *out = &r->out;
    double low = INFINITY, high = -INFINITY;
    for (int s = 0; s < n; s++) {
        if (!cells[s].value.n) continue;
        low = fmin(low, isfinite(cells[s].value.low) ? cells[s].value.low : cells[s].value.mean);
        high = fmax(high, isfinite(cells[s].value.high) ? cells[s].value.high : cells[s].value.mean);
    }
    if (!(high >= low)) return;
    if (high - low < 1e-9) low -= 0.5, high += 0.5;
    double span = (high - low) * 1.1, begin = low - (high - low) * 0.05;
    wn_text_printf(out, "<svg role=\"img\" viewBox=\"0 0 %d %d\" width=\"%d\"><title>", NAMES + WIDE + 20,
                   (n + 1) * ROW + 8, NAMES + WIDE + 20);
    cli_page_text(out, title);
    wn_text_puts(out, "</title>");
    for (int i = 0; i <= 4; i++) {
        double x = NAMES + WIDE * i / 4.0;
        wn_text_printf(out,
                       "<line x1=\"%.1f\" y1=\"4\" x2=\"%.1f\" y2=\"%d\" stroke=\"var(--line)\"/><text x=\"%.1f\" "
                       "y=\"%d\" text-anchor=\"middle\">%.3g</text>",
                       x, x, n * ROW + 4, x, n * ROW + 20, begin + span * i / 4);
    }
    for (int s = 0; s < n; s++) {
        const struct wn_estimate *e = &cells[s].value;
        double y = s * ROW + ROW / 2.0 + 4;
        wn_text_printf(out, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">", NAMES - 8, y + 4);
        cli_page_text(out, r->tally->judging->subjects[s]);
        wn_text_puts(out, "</text>");
        if (!e->n) continue;
        const char *colour = s ? "var(--mark)" : "var(--first)";
        if (isfinite(e->low))
            wn_text_printf(
                out, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" stroke-width=\"3\"/>",
                NAMES + WIDE * (e->low - begin) / span, y, NAMES + WIDE * (e->high - begin) / span, y, colour);
        wn_text_printf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"5\" fill=\"%s\"/>",
                       NAMES + WIDE * (e->mean - begin) / span, y, colour);
    }
    wn_text_puts(out, "</svg>");
}

/* Of one picture no interval can be given. */
static void put_range(struct wn_text *out, double low, double high, bool with_sign)
{
    if (isfinite(low) && isfinite(high))
        wn_text_printf(out, with_sign ? "%+.4f to %+.4f" : "%.4f to %.4f", low, high);
    else
        wn_text_puts(out, "-");
}

static void put_cell(struct wn_text *out, const struct wn_cell *c, bool best)
{
    wn_text_printf(out, "<td%s>%.4f<td class=\"soft\">", best ? " class=\"best\"" : "", c->value.mean);
    put_range(out, c->value.low, c->value.high, false);
    wn_text_printf(out, "<td class=\"soft\">%d", c->value.n);
    if (!c->difference.n) {
        wn_text_puts(out, "<td><td><td></tr>");
        return;
    }
    wn_text_printf(out, "<td>%+.4f<td class=\"soft\">", c->difference.mean);
    put_range(out, c->difference.low, c->difference.high, true);
    if (isfinite(c->p))
        wn_text_printf(out, "<td>%.2g</tr>", c->p);
    else
        wn_text_puts(out, "<td>-</tr>");
}

static void put_rows(struct report *r, const struct wn_cell *cells, int n, int better)
{
    struct wn_text *out = &r->out;
    int best = best_subject(cells, n, better);
    wn_text_puts(out, "<div class=\"scroll\"><table><tr><th>method/contrast<th>mean<th>95 %<th>pictures<th>against the "
                      "first<th>95 %<th>p</tr>");
    for (int s = 0; s < n; s++) {
        const struct wn_cell *c = &cells[s];
        wn_text_puts(out, "<tr><td>");
        cli_page_text(out, r->tally->judging->subjects[s]);
        if (!c->value.n) {
            const struct wn_refusal *refused = &r->tally->refused[s];
            wn_text_printf(out, "<td colspan=\"6\" class=\"soft\">%s", refused->n ? "refused: " : "nothing to say");
            cli_page_text(out, refused->n ? refused->why : "");
            wn_text_puts(out, "</tr>");
            continue;
        }
        put_cell(out, c, s == best);
    }
    wn_text_puts(out, "</table></div>");
}

static void put_left_out(struct report *r, int metric)
{
    char needs[WN_NEEDS_TEXT];
    if (!r->tally->left_out[metric]) return;
    wn_tally_needs(r->tally, metric, needs, sizeof needs);
    wn_text_printf(&r->out, "<p>It has no number for %d of %d pictures%s", r->tally->left_out[metric], r->tally->n,
                   needs[0] ? ": it needs a map that says something, and " : "");
    cli_page_text(&r->out, needs);
    wn_text_puts(&r->out, ".</p>");
}

static enum wn_code put_metrics(struct report *r, struct wn_error *err)
{
    const struct wn_judging *j = r->tally->judging;
    int n = j->options.n_subjects;
    struct wn_cell *cells = calloc((size_t)n, sizeof *cells);
    enum wn_code code = cells ? WN_OK : wn_fail(err, WN_NO_MEMORY, "no memory for a report");
    for (int k = 0; k < j->options.n_metrics && code == WN_OK; k++) {
        const struct wn_evaluation_metric *m = metric_of(r, k);
        wn_text_printf(&r->out, "<h2>%s</h2><p>%s <span class=\"soft\">(%s)</span></p>", m->name, m->summary,
                       m->source);
        put_left_out(r, k);
        for (int c = 0; c < m->n_columns && code == WN_OK; c++) {
            for (int s = 0; s < n && code == WN_OK; s++) code = wn_tally_cell(r->tally, k, s, c, &cells[s], err);
            wn_text_printf(&r->out, "<h3>%s</h3><p class=\"soft\">%s%s</p>", m->columns[c].name, m->columns[c].words,
                           m->columns[c].better > 0   ? "; more is better"
                           : m->columns[c].better < 0 ? "; less is better"
                                                      : "");
            if (m->columns[c].better) put_plot(r, cells, n, m->columns[c].name);
            put_rows(r, cells, n, m->columns[c].better);
        }
    }
    free(cells);
    return code;
}

/* ---- pictures ---- */

struct scored {
    double score;
    int picture;
};

static int best_first(const void *a, const void *b)
{
    const struct scored *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? 1 : -1;
    return x->picture - y->picture;
}

static const struct cli_exhibit *exhibit_of(const struct report *r, const char *name)
{
    for (int i = 0; i < r->data->n; i++)
        if (strcmp(r->data->list[i].name, name) == 0) return &r->data->list[i];
    return NULL;
}

/* The subject's overlay, asked of the model as anybody would ask; nothing where there is no answer. */
static enum wn_code put_overlay(struct report *r, const struct cli_exhibit *x, const struct wn_buffer *file,
                                int subject, struct wn_error *err)
{
    const struct wn_subject *s = &r->tally->judging->options.subjects[subject];
    struct wn_buffer uri = {0};
    struct cli_reply reply = {0};
    bool pair = x->label >= 0 && x->rival >= 0 && s->contrast->flags & (WN_CONTRAST_FOIL | WN_CONTRAST_FOIL_SET);
    enum wn_code code =
        wn_buffer_printf(&uri, err, "/v1/models/%s/explain?outputs=overlay&size=input&method=%s&contrast=%s",
                         r->model->name, s->method->name, s->contrast->name);
    if (code == WN_OK && x->label >= 0) code = wn_buffer_printf(&uri, err, "&target=%d", x->label);
    if (code == WN_OK && pair) code = wn_buffer_printf(&uri, err, "&why_not=%d", x->rival);
    if (code == WN_OK) code = wn_buffer_append(&uri, "", 1, err);
    if (code == WN_OK) code = cli_peer_call(r->peer, "POST", (char *)uri.data, file->data, file->size, &reply, err);
    json_t *answer = NULL;
    if (code == WN_OK && reply.status == 200) wn_json_parse(reply.body.data, reply.body.size, &answer, NULL);
    if (code == WN_OK && reply.status >= 500 && reply.status != 501) { /* which is no word about the question */
        char text[WN_ERROR_TEXT];
        cli_problem_text(&reply, text, sizeof text);
        code = wn_fail(err, WN_INTERNAL, "no overlay for the report: %.400s", text);
    }
    const char *overlay =
        json_string_value(json_object_get(json_array_get(json_object_get(answer, "maps"), 0), "overlay"));
    if (code == WN_OK && reply.status == 200 && !answer) r->out.failed = true;
    if (overlay) {
        wn_text_printf(&r->out, "<img alt=\"%s\" title=\"%s\" src=\"data:image/png;base64,%s\">",
                       r->tally->judging->subjects[subject], r->tally->judging->subjects[subject], overlay);
    }
    json_decref(answer);
    wn_buffer_finish(&uri);
    wn_buffer_finish(&reply.body);
    return code;
}

static const char *label_of(const struct wn_model *m, int index)
{
    return index >= 0 && m->labels ? m->labels[index] : "";
}

static enum wn_code put_figure(struct report *r, const char *name, double score, int subject, struct wn_error *err)
{
    const struct cli_exhibit *x = exhibit_of(r, name);
    struct wn_buffer file = {0};
    if (!x) return WN_OK; /* of an earlier run with more pictures */
    enum wn_code code = cli_read_file(x->image, &file, err);
    bool png = file.size > 4 && memcmp(file.data, "\x89PNG", 4) == 0;
    wn_text_puts(&r->out, "<figure>");
    if (code == WN_OK)
        code = cli_page_image(&r->out, file.data, file.size, png ? "image/png" : "image/jpeg", name, err);
    if (code == WN_OK) code = put_overlay(r, x, &file, subject, err);
    wn_text_printf(&r->out, "<figcaption>%.3f ", score);
    cli_page_text(&r->out, label_of(r->model, x->label));
    if (x->rival >= 0) wn_text_puts(&r->out, " rather than ");
    cli_page_text(&r->out, label_of(r->model, x->rival));
    wn_text_puts(&r->out, "<br>");
    cli_page_text(&r->out, name);
    wn_text_puts(&r->out, "</figcaption></figure>");
    wn_buffer_finish(&file);
    return code;
}

/* The first number that can be good or bad, and the subject that is best at it. */
static enum wn_code choose(const struct report *r, bool *found, int *metric, int *column, int *subject,
                           struct wn_error *err)
{
    const struct wn_judging *j = r->tally->judging;
    for (int k = 0; k < j->options.n_metrics; k++)
        for (int c = 0; c < metric_of(r, k)->n_columns; c++) {
            int better = metric_of(r, k)->columns[c].better;
            double most = -INFINITY;
            for (int s = 0; s < j->options.n_subjects && better; s++) {
                struct wn_cell cell;
                enum wn_code code = wn_tally_cell(r->tally, k, s, c, &cell, err);
                if (code != WN_OK) return code;
                if (!cell.value.n || better * cell.value.mean <= most) continue;
                most = better * cell.value.mean;
                *metric = k;
                *column = c;
                *subject = s;
            }
            *found = most > -INFINITY;
            if (*found) return WN_OK;
        }
    return WN_OK;
}

static enum wn_code put_pictures(struct report *r, struct wn_error *err)
{
    const struct wn_tally *t = r->tally;
    int metric = 0, column = 0, subject = 0, n = 0;
    bool found = false;
    enum wn_code code = choose(r, &found, &metric, &column, &subject, err);
    if (code != WN_OK || !found) return code;
    struct scored *scored = calloc((size_t)t->n, sizeof *scored);
    if (!scored) return wn_fail(err, WN_NO_MEMORY, "no memory for a report");
    const double *values = t->columns[wn_tally_index(t->judging, metric, subject, column)];
    int better = metric_of(r, metric)->columns[column].better;
    for (int i = 0; i < t->n; i++)
        if (isfinite(values[i])) scored[n++] = (struct scored){better * values[i], i};
    qsort(scored, (size_t)n, sizeof *scored, best_first);
    for (int worst = 0; worst < 2 && code == WN_OK; worst++) {
        int shown = n < SHOWN ? n : SHOWN;
        wn_text_printf(&r->out,
                       "<h2>The %s pictures</h2><p class=\"soft\">by %s %s of %s, with its map</p><div class=\"grid\">",
                       worst ? "worst" : "best", metric_of(r, metric)->name, metric_of(r, metric)->columns[column].name,
                       t->judging->subjects[subject]);
        for (int i = 0; i < shown && code == WN_OK; i++) {
            const struct scored *s = &scored[worst ? n - 1 - i : i];
            code = put_figure(r, t->names[s->picture], values[s->picture], subject, err);
        }
        wn_text_puts(&r->out, "</div>");
    }
    free(scored);
    return code;
}

enum cli_exit cli_evaluate_report(const char *path, const struct cli *c, struct cli_peer *peer,
                                  const struct wn_model *m, const struct cli_dataset *data, const struct wn_tally *t)
{
    struct report r = {.peer = peer, .model = m, .data = data, .tally = t};
    struct wn_error err = {0};
    enum cli_exit code = cli_peer_warm(peer);
    if (code != CLI_OK) return code;
    put_head(&r, c);
    if (put_metrics(&r, &err) != WN_OK || put_pictures(&r, &err) != WN_OK) code = cli_fail_error(&err);
    wn_text_puts(&r.out, "</html>\n");
    if (code == CLI_OK) code = cli_page_write(path, &r.out);
    wn_text_finish(&r.out);
    return code;
}
