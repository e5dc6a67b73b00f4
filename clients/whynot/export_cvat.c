/* A job as annotations in "CVAT for images 1.1": each map's strongest evidence as a mask. */
#include "export.h"
#include "page.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MOST_PIXELS ((json_int_t)1 << 28)

/* ---- runs: from columns of the whole picture to rows of a box ---- */

struct mask {
    int w, h, x0, y0, x1, y1; /* x1, y1: behind the last */
    uint8_t *inside;          /* h*w */
};

/* COCO's order: column after column, first how many are outside. False: these are no such runs. */
static bool fill(struct mask *m, const json_t *counts)
{
    int64_t at = 0, all = (int64_t)m->w * m->h;
    for (size_t i = 0; i < json_array_size(counts); i++) {
        const json_t *count = json_array_get(counts, i);
        int64_t n = json_is_integer(count) ? json_integer_value(count) : -1;
        if (n < 0 || n > all - at) return false;
        for (int64_t k = at; i % 2 && k < at + n; k++) {
            int x = (int)(k / m->h), y = (int)(k % m->h);
            m->inside[(size_t)y * (size_t)m->w + (size_t)x] = 1;
            if (x < m->x0) m->x0 = x;
            if (x >= m->x1) m->x1 = x + 1;
            if (y < m->y0) m->y0 = y;
            if (y >= m->y1) m->y1 = y + 1;
        }
        at += n;
    }
    return at == all;
}

static void put_runs(struct wn_text *out, const struct mask *m)
{
    int run = 0;
    uint8_t value = 0;
    const char *comma = "";
    for (int y = m->y0; y < m->y1; y++)
        for (int x = m->x0; x < m->x1; x++) {
            uint8_t here = m->inside[(size_t)y * (size_t)m->w + (size_t)x];
            if (here != value) {
                wn_text_printf(out, "%s%d", comma, run);
                comma = ", ";
                value = here;
                run = 0;
            }
            run++;
        }
    wn_text_printf(out, "%s%d", comma, run);
}

/* ---- one picture ---- */

static bool has_kind(const json_t *map, const char *kind)
{
    const char *s = json_string_value(json_object_get(map, "kind"));
    return s && strcmp(s, kind) == 0;
}

/* A variance says where maps differ, and some methods look at no class: a mask needs one for its label. */
static bool is_drawn(const json_t *map)
{
    const char *means = json_string_value(json_object_get(map, "positive_means"));
    return !has_kind(map, "variance") && !(means && strcmp(means, "for no class in particular") == 0);
}

static void put_attribute(struct wn_text *out, const char *name, const char *value)
{
    wn_text_printf(out, "      <attribute name=\"%s\">", name);
    cli_page_xml(out, value);
    wn_text_puts(out, "</attribute>\n");
}

/* "A", "A or B", "A, B or C". */
static void put_names(struct wn_text *out, const json_t *classes)
{
    const size_t n = json_array_size(classes);
    for (size_t i = 0; i < n; i++) {
        const char *label = json_string_value(json_object_get(json_array_get(classes, i), "label"));
        wn_text_puts(out, !i ? "" : i + 1 < n ? ", " : " or ");
        wn_text_puts(out, label ? label : "");
    }
}

/* Target and rival maps are each of one class, whatever else was asked; a contrast map with a rival is of these two. */
static void put_question(struct wn_text *out, const struct cli_exported *x, const json_t *map)
{
    const bool whole = has_kind(map, "contrast"), over_all = has_kind(map, "mean");
    const char *class = cli_export_class(map, "class"), *rival = cli_export_class(map, "rival");
    const json_t *value = json_object_get(x->answer, "value"), *targets = json_object_get(x->answer, "targets"),
                 *rivals = json_object_get(x->answer, "why_not"), *target = json_object_get(x->answer, "target");
    if (whole && json_is_number(value)) {
        wn_text_printf(out, "why does %s score %.4g, rather than %.4g?", class,
                       json_number_value(json_object_get(target, "logit")), json_number_value(value));
        return;
    }
    wn_text_puts(out, "why ");
    if (whole && json_array_size(targets) > 1)
        put_names(out, targets);
    else
        wn_text_puts(out, class);
    if (*rival || over_all || (whole && json_array_size(rivals))) wn_text_puts(out, ", rather than ");
    if (*rival)
        wn_text_puts(out, rival);
    else if (over_all)
        wn_text_puts(out, "all others");
    else if (whole)
        put_names(out, rivals);
    wn_text_puts(out, "?");
}

static void put_attributes(struct wn_text *out, const struct cli_exported *x, const json_t *map)
{
    char number[40];
    struct wn_text question = {0};
    const json_t *rank = json_object_get(x->line, "rank");
    snprintf(number, sizeof number, "%.3f", cli_export_score(x, map));
    put_attribute(out, "score", number);
    snprintf(number, sizeof number, "%.3f", json_number_value(json_object_get(map, "share_positive")));
    put_attribute(out, "evidence", number);
    put_question(&question, x, map);
    put_attribute(out, "question", wn_text_string(&question));
    out->failed |= question.failed;
    wn_text_finish(&question);
    if (json_is_integer(rank))
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(rank)),
            put_attribute(out, "rank", number);
}

static enum cli_exit put_mask(struct wn_text *out, const struct cli_exported *x, const json_t *map, json_int_t w,
                              json_int_t h)
{
    const json_t *rle = json_object_get(map, "rle"), *size = json_object_get(rle, "size");
    if (!rle) return cli_fail(CLI_USAGE, "%s: the map holds no 'rle': ask with --outputs raw,rle,bbox", x->file);
    if (json_integer_value(json_array_get(size, 0)) != h || json_integer_value(json_array_get(size, 1)) != w)
        return cli_fail(CLI_USAGE, "%s: the map's 'rle' is not of the picture's size: ask with --size image", x->file);
    struct mask m = {.w = (int)w, .h = (int)h, .x0 = (int)w, .y0 = (int)h, .inside = calloc((size_t)w * (size_t)h, 1)};
    if (!m.inside) return cli_fail(CLI_FAILED, "no memory for a mask");
    bool good = fill(&m, json_object_get(rle, "counts"));
    if (good && m.x1 > m.x0) {
        const struct cli_side side = cli_export_side(map);
        wn_text_printf(out, "    <mask label=\"%s", side.against);
        cli_page_xml(out, side.label);
        wn_text_puts(out, "\" source=\"auto\" occluded=\"0\" rle=\"");
        put_runs(out, &m);
        wn_text_printf(out, "\" left=\"%d\" top=\"%d\" width=\"%d\" height=\"%d\" z_order=\"0\">\n", m.x0, m.y0,
                       m.x1 - m.x0, m.y1 - m.y0);
        put_attributes(out, x, map);
        wn_text_puts(out, "    </mask>\n");
    }
    free(m.inside);
    return good ? CLI_OK : cli_fail(CLI_USAGE, "%s: the runs of 'rle' do not add up to the picture", x->file);
}

static enum cli_exit put_image(struct wn_text *out, const struct cli_exported *x, int id)
{
    json_int_t w = json_integer_value(json_object_get(x->image, "width")),
               h = json_integer_value(json_object_get(x->image, "height"));
    const json_t *map;
    size_t i;
    enum cli_exit code = CLI_OK;
    if (w < 1 || h < 1 || w > 65536 || h > 65536 || w * h > MOST_PIXELS)
        return cli_fail(CLI_USAGE, "%s: the answer does not say how large the picture is", x->file);
    wn_text_printf(out, "  <image id=\"%d\" name=\"", id);
    cli_page_xml(out, x->file);
    wn_text_printf(out, "\" width=\"%d\" height=\"%d\">\n", (int)w, (int)h);
    json_array_foreach (x->maps, i, map)
        if (code == CLI_OK && is_drawn(map)) code = put_mask(out, x, map, w, h);
    const char *label = json_string_value(json_object_get(json_object_get(x->line, "label"), "label"));
    if (label) {
        wn_text_puts(out, "    <tag label=\"");
        cli_page_xml(out, label);
        wn_text_puts(out, "\" source=\"manual\"></tag>\n");
    }
    wn_text_puts(out, "  </image>\n");
    return code;
}

/* ---- labels ---- */

static int by_text(const void *a, const void *b)
{
    const struct cli_side *x = a, *y = b;
    const int order = strcmp(x->against, y->against);
    return order ? order : strcmp(x->label, y->label);
}

static void put_attribute_words(struct wn_text *out, const char *name, const char *type, const char *standard,
                                const char *values)
{
    wn_text_printf(out,
                   "        "
                   "<attribute><name>%s</name><mutable>False</mutable><input_type>%s</input_type><default_value>%s</"
                   "default_value><values>%s</values></attribute>\n",
                   name, type, standard, values);
}

static void put_label(struct wn_text *out, const struct cli_side *name)
{
    wn_text_printf(out, "      <label><name>%s", name->against);
    cli_page_xml(out, name->label);
    wn_text_puts(out, "</name><type>any</type><attributes>\n");
    put_attribute_words(out, "score", "number", "0", "0\n1\n0.001");
    put_attribute_words(out, "evidence", "number", "0", "0\n1\n0.001");
    put_attribute_words(out, "question", "text", "", "");
    put_attribute_words(out, "rank", "number", "0", "0\n1000000000\n1");
    wn_text_puts(out, "      </attributes></label>\n");
}

/* Every label that is used, once. */
static enum cli_exit put_labels(struct wn_text *out, const struct cli_export *e)
{
    const json_t *map;
    size_t most = 0, n = 0, k;
    for (int i = 0; i < e->n; i++) most += json_array_size(e->list[i].maps) + 1;
    struct cli_side *names = calloc(most + 1, sizeof *names);
    if (!names) return cli_fail(CLI_FAILED, "no memory for labels");
    for (int i = 0; i < e->n; i++) {
        const char *label = json_string_value(json_object_get(json_object_get(e->list[i].line, "label"), "label"));
        if (label) names[n++] = (struct cli_side){"", label};
        json_array_foreach (e->list[i].maps, k, map)
            if (is_drawn(map)) names[n++] = cli_export_side(map);
    }
    qsort(names, n, sizeof *names, by_text);
    for (size_t i = 0; i < n; i++)
        if (!i || by_text(&names[i], &names[i - 1]) != 0) put_label(out, &names[i]);
    free(names);
    return CLI_OK;
}

enum cli_exit cli_export_cvat(const struct cli_export *e, const char *to)
{
    struct wn_text out = {0};
    wn_text_printf(&out,
                   "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<annotations>\n  <version>1.1</version>\n  <meta>\n    "
                   "<task>\n      <name>whynot</name>\n"
                   "      <size>%d</size>\n      <mode>annotation</mode>\n      <labels>\n",
                   e->n);
    enum cli_exit code = put_labels(&out, e);
    wn_text_puts(&out, "      </labels>\n    </task>\n  </meta>\n");
    for (int i = 0; i < e->n && code == CLI_OK; i++) code = put_image(&out, &e->list[i], i);
    wn_text_puts(&out, "</annotations>\n");
    if (code == CLI_OK) code = cli_page_write(to, &out);
    wn_text_finish(&out);
    return code;
}
