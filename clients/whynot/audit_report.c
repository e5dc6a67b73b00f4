/* An audit as a page for labellers: each suspect's picture, what speaks for the model's class, what for the label.
 * Asks no network. */
#include "answer_text.h"
#include "audit.h"
#include "heat.h"
#include "page.h"
#include "pictures.h"

#include <jsonload.h>
#include <math.h>
#include <media/encode.h>
#include <media/resize.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <whynot/whynot.h>

#define SIDE 300 /* pixels of the longer side of a picture in the page */
#define QUALITY 82
#define MOST_PAIRS 12
#define LITTLE 10.0 /* per cent of the evidence: where it lies is not worth a look */

/* What the model says is orange, what the label says is blue; colour-blind people can tell these two apart. */
static const uint8_t tints[2][3] = {{255, 122, 0}, {26, 128, 255}};

static const char style[] =
    ":root{--rival:#b34a00;--label:#0a58a8}@media(prefers-color-scheme:dark){:root{--rival:#ff9c4a;--label:#7fb6ff}}"
    "h2{font-size:1.15rem;margin:0 0 .2rem;border:0}.card{border:1px solid var(--line);border-radius:10px;padding:1rem "
    "1.2rem;margin:1.2rem 0;break-inside:avoid}"
    ".three{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:1rem;margin:.8rem 0 "
    ".4rem}@media(max-width:560px){.three{grid-template-columns:1fr}}"
    "figure{margin:0}figure "
    "img{width:100%;max-width:320px;display:block;border-radius:6px}figcaption{font-size:.9rem;margin-top:.35rem}"
    "figcaption b{color:var(--ink)}"
    ".rival{color:var(--rival)}.label{color:var(--label)}figcaption .rival,figcaption .label,h2 .rival,h2 "
    ".label{font-weight:600}"
    ".soft{color:var(--soft)}.rank{color:var(--soft);font-weight:400;margin-right:.4rem}.file{overflow-wrap:anywhere}p{"
    "margin:.3rem 0}"
    ".key{display:inline-block;width:.8em;height:.8em;border-radius:2px;vertical-align:-.05em;margin-right:.3em}th,td{"
    "text-align:left}td.n{text-align:right}";

struct suspect {
    json_t *line;
    const json_t *answer, *maps;
    const char *file, *path, *label, *rival;
    char short_label[80], short_rival[80]; /* without synonyms */
    double gap, relative;
};

static const char *text_of(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s ? s : "";
}

static bool read_suspect(const struct cli_audit *a, const struct cli_verdict *v, struct suspect *out)
{
    json_t *line;
    wn_json_parse(v->line, strlen(v->line), &line, NULL);
    const json_t *answer = json_object_get(line, "answer");
    const char *label = text_of(json_object_get(line, "label"), "label"),
               *rival = text_of(json_object_get(line, "rival"), "label");
    *out = (struct suspect){.line = line,
                            .answer = answer,
                            .maps = json_object_get(answer, "maps"),
                            .file = text_of(line, "file"),
                            .path = a->data.list[v->place].image,
                            .label = label,
                            .rival = rival,
                            .gap = v->gap,
                            .relative = json_number_value(json_object_get(line, "relative_probability"))};
    size_t n = strcspn(label, ","), m = strcspn(rival, ",");
    bool twins = n == m && strncmp(label, rival, n) == 0;
    snprintf(out->short_label, sizeof out->short_label, "%.*s", twins ? 79 : (int)n, label);
    snprintf(out->short_rival, sizeof out->short_rival, "%.*s", twins ? 79 : (int)m, rival);
    return line != NULL;
}

/* ---- pictures ---- */

struct shown {
    int w, h;
    uint8_t *rgb, *tinted; /* h*w*3 */
    float *heat;           /* h*w */
};

static void finish_shown(struct shown *s)
{
    free(s->rgb);
    free(s->tinted);
    free(s->heat);
}

/* The picture, no larger and no smaller than the page shows it. */
static enum wn_code read_shown(const char *path, struct shown *out, struct wn_error *err)
{
    struct wn_buffer file = {0};
    struct wn_image image = {0};
    enum wn_code code = cli_read_file(path, &file, err);
    if (code == WN_OK) code = wn_image_decode(file.data, file.size, &wn_image_limits_default, SIDE, &image, err);
    if (code == WN_OK) {
        double scale = (double)SIDE / (image.width > image.height ? image.width : image.height);
        out->w = (int)fmax(1, round(image.width * scale));
        out->h = (int)fmax(1, round(image.height * scale));
        size_t pixels = (size_t)out->w * (size_t)out->h;
        out->rgb = malloc(pixels * 3);
        out->tinted = malloc(pixels * 3);
        out->heat = malloc(pixels * sizeof(float));
        if (!out->rgb || !out->tinted || !out->heat) code = wn_fail(err, WN_NO_MEMORY, "no memory for a picture");
    }
    struct wn_resize r = {.src_w = image.width,
                          .src_h = image.height,
                          .channels = 3,
                          .dst_w = out->w,
                          .dst_h = out->h,
                          .w = out->w,
                          .h = out->h};
    if (code == WN_OK) code = wn_resize_antialias(&r, image.rgb, out->rgb, err);
    wn_image_finish(&image);
    wn_buffer_finish(&file);
    return code;
}

static int grey_of(const uint8_t *rgb)
{
    return (299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2]) / 1000;
}

/* Between these two greys lies all but the darkest and the brightest hundredth of the picture. */
static void find_greys(const struct shown *s, int *dark, int *bright)
{
    int counts[256] = {0}, few = s->w * s->h / 100;
    for (int i = 0; i < s->w * s->h; i++) counts[grey_of(&s->rgb[3 * i])]++;
    *dark = 0;
    *bright = 255;
    for (int n = counts[0]; n <= few && *dark < 254; n += counts[*dark]) ++*dark;
    for (int n = counts[255]; n <= few && *bright > *dark + 1; n += counts[*bright]) --*bright;
}

/* A grey picture, neither dark nor dull, coloured where there is evidence: a tint shows on a thing of any colour,
 * and leaves its lines to be seen. What the network did not see is darker. */
static void tint(struct shown *s, const struct cli_heat *heat, const uint8_t colour[3], float strongest)
{
    int dark, bright, x0, y0, x1, y1;
    find_greys(s, &dark, &bright);
    cli_heat_box(heat, s->w, s->h, &x0, &y0, &x1, &y1);
    for (int i = 0; i < s->w * s->h; i++) {
        bool seen = i % s->w >= x0 && i % s->w < x1 && i / s->w >= y0 && i / s->w < y1;
        double grey = fmax(0, fmin(255, 255.0 * (grey_of(&s->rgb[3 * i]) - dark) / (bright - dark))) * (seen ? 1 : 0.5);
        double share = strongest > 0 && s->heat[i] > 0 ? 0.9 * pow(fmin(1, s->heat[i] / strongest), 0.7) : 0;
        for (int c = 0; c < 3; c++) {
            double lit = colour[c] * (0.45 + 0.55 * grey / 255) + 40 * grey / 255;
            s->tinted[3 * i + c] = (uint8_t)fmin(255, (1 - share) * (0.72 * grey + 30) + share * lit);
        }
    }
}

static float highest(const struct cli_heat *heat)
{
    float most = 0;
    for (int i = 0; heat->values && i < heat->h * heat->w; i++) most = fmaxf(most, heat->values[i]);
    return most;
}

static enum wn_code put_jpeg(struct wn_text *out, const struct shown *s, const uint8_t *rgb, const char *alt,
                             struct wn_error *err)
{
    struct wn_buffer jpeg = {0};
    enum wn_code code = wn_jpeg_write_rgb(rgb, s->w, s->h, QUALITY, &jpeg, err);
    if (code == WN_OK) code = cli_page_image(out, jpeg.data, jpeg.size, "image/jpeg", alt, err);
    wn_buffer_finish(&jpeg);
    return code;
}

/* ---- words ---- */

static void put_name(struct wn_text *out, const char *class, const char *name)
{
    wn_text_printf(out, "<span class=\"%s\">", class);
    cli_page_text(out, name);
    wn_text_puts(out, "</span>");
}

/* Numbers as people say them. */
static void put_odds(struct wn_text *out, const struct suspect *s)
{
    wn_text_puts(out, "<p>Asked to choose between the two, the model says ");
    put_name(out, "rival", s->short_rival);
    if (s->relative >= 0.9995)
        wn_text_puts(out, " more than 999 times in 1000");
    else if (s->relative >= 0.99)
        wn_text_printf(out, " %.0f times in 1000", 1000 * s->relative);
    else
        wn_text_printf(out, " %.0f times in 100", 100 * s->relative);
    wn_text_puts(out, ". <span class=\"soft\">(relative probability ");
    if (s->relative >= 0.9995)
        wn_text_puts(out, "above 99.9 %");
    else
        wn_text_printf(out, "%.1f %%", 100 * s->relative);
    wn_text_printf(out, ", logit gap %.2f)</span></p>", s->gap);
}

static void put_caption(struct wn_text *out, const struct suspect *s, const json_t *map, bool for_label)
{
    const char *mine = for_label ? s->short_label : s->short_rival,
               *other = for_label ? s->short_rival : s->short_label;
    double plus = json_number_value(json_object_get(map, "mass_positive")),
           minus = json_number_value(json_object_get(map, "mass_negative"));
    const json_t *box = json_object_get(map, "bbox");
    double share = plus > 0 ? 100 * plus / (plus + minus) : 0;
    wn_text_printf(out, "<figcaption>Why %s", for_label ? "your label, " : "the model's ");
    put_name(out, for_label ? "label" : "rival", mine);
    wn_text_puts(out, ", rather than ");
    put_name(out, for_label ? "rival" : "label", other);
    if (share < LITTLE || !(json_number_value(json_array_get(box, 2)) > 0)) {
        wn_text_printf(out, "? <b>%s</b> in the picture says so.</figcaption>",
                       share < LITTLE / 10 ? "Nothing" : "Hardly anything");
        return;
    }
    wn_text_printf(out, "? Look at <b>%s</b>. %.0f %% of the evidence says so.</figcaption>",
                   cli_answer_place(json_object_get(s->answer, "image"), box), share);
}

/* ---- one suspect ---- */

static enum wn_code put_map(struct wn_text *out, const struct suspect *s, struct shown *shown,
                            const struct cli_heat *heat, bool for_label, float strongest, struct wn_error *err)
{
    char alt[300];
    enum wn_code code = cli_heat_spread(heat, shown->w, shown->h, shown->heat, err);
    if (code != WN_OK) return code;
    tint(shown, heat, tints[for_label], strongest);
    snprintf(alt, sizeof alt, "what speaks for %.100s rather than %.100s", for_label ? s->short_label : s->short_rival,
             for_label ? s->short_rival : s->short_label);
    wn_text_puts(out, "<figure>");
    code = put_jpeg(out, shown, shown->tinted, alt, err);
    put_caption(out, s, json_array_get(s->maps, for_label), for_label);
    wn_text_puts(out, "</figure>");
    return code;
}

/* Both maps on one scale, so that weak evidence looks weak. */
static enum wn_code put_three(struct wn_text *out, const struct suspect *s, struct wn_error *err)
{
    struct shown shown = {0};
    struct cli_heat heats[2] = {{0}, {0}};
    enum wn_code code = read_shown(s->path, &shown, err);
    const json_t *image = json_object_get(s->answer, "image");
    for (size_t i = 0; i < 2 && code == WN_OK; i++)
        code = cli_heat_read(json_array_get(s->maps, i), image, &heats[i], err);
    float strongest = fmaxf(highest(&heats[0]), highest(&heats[1]));
    if (code == WN_OK) {
        wn_text_puts(out, "<div class=\"three\"><figure>");
        code = put_jpeg(out, &shown, shown.rgb, s->file, err);
        wn_text_puts(out, "<figcaption class=\"file\">");
        cli_page_text(out, s->file);
        wn_text_puts(out, "</figcaption></figure>");
    }
    for (int i = 0; i < 2 && code == WN_OK; i++) code = put_map(out, s, &shown, &heats[i], i == 1, strongest, err);
    if (code == WN_OK) wn_text_puts(out, "</div>");
    if (code == WN_OK && !cli_heat_covers(&heats[0]))
        wn_text_puts(out, "<p class=\"soft\">The model did not see the dark rim.</p>");
    for (int i = 0; i < 2; i++) cli_heat_finish(&heats[i]);
    finish_shown(&shown);
    return code;
}

/* A picture that cannot be read any more leaves a card in words. */
static enum wn_code put_card(struct wn_text *out, const struct cli_audit *a, const struct cli_verdict *v, int rank,
                             struct wn_error *err)
{
    struct suspect s;
    struct wn_error why = {0};
    if (!read_suspect(a, v, &s)) return wn_fail(err, WN_NO_MEMORY, "no memory for a suspect");
    wn_text_printf(out, "<section class=\"card\" id=\"n%d\"><h2><span class=\"rank\">%d.</span>Labelled ", rank, rank);
    put_name(out, "label", s.label);
    wn_text_puts(out, ", looks like ");
    put_name(out, "rival", s.rival);
    wn_text_puts(out, "</h2>");
    put_odds(out, &s);
    enum wn_code code = put_three(out, &s, &why);
    if (code != WN_OK) {
        cli_fail(CLI_SOME_FAILED, "the page lacks a picture: %s", why.text);
        wn_text_puts(out, "<p class=\"soft\">");
        cli_page_text(out, s.file);
        wn_text_puts(out, ": ");
        cli_page_text(out, why.text);
        wn_text_puts(out, "</p>");
    }
    wn_text_puts(out, "</section>");
    json_decref(s.line);
    return code == WN_NO_MEMORY ? wn_fail(err, code, "%s", why.text) : WN_OK;
}

/* ---- what is often confused ---- */

struct pair {
    int label, rival, count, first; /* first: rank of its first suspect */
};

static int commonest_first(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    return x->count != y->count ? y->count - x->count : x->first - y->first;
}

static int by_classes(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    if (x->label != y->label) return x->label - y->label;
    return x->rival != y->rival ? x->rival - y->rival : x->first - y->first;
}

static int count_pairs(const struct cli_audit *a, struct pair *pairs)
{
    int n = 0;
    for (int i = 0; i < a->suspects; i++) pairs[i] = (struct pair){a->list[i].label, a->list[i].rival, 1, i + 1};
    qsort(pairs, (size_t)a->suspects, sizeof *pairs, by_classes);
    for (int i = 0; i < a->suspects; i++) {
        bool same = n && pairs[n - 1].label == pairs[i].label && pairs[n - 1].rival == pairs[i].rival;
        if (same)
            pairs[n - 1].count++;
        else
            pairs[n++] = pairs[i];
    }
    qsort(pairs, (size_t)n, sizeof *pairs, commonest_first);
    return n;
}

static void put_pairs(const struct cli_audit *a, struct wn_text *out)
{
    struct pair *pairs = calloc((size_t)a->suspects + 1, sizeof *pairs);
    int n = pairs ? count_pairs(a, pairs) : 0;
    if (!pairs) out->failed = true;
    if (n > 1 && pairs[0].count > 1) {
        wn_text_puts(out, "<details><summary>What is confused most often</summary><table><tr><th>labelled<th>looks "
                          "like<th>pictures<th>first</tr>");
        for (int i = 0; i < n && i < MOST_PAIRS; i++) {
            wn_text_puts(out, "<tr><td>");
            cli_page_text(out, a->classes.labels[pairs[i].label]);
            wn_text_puts(out, "<td>");
            cli_page_text(out, a->classes.labels[pairs[i].rival]);
            wn_text_printf(out, "<td class=\"n\">%d<td class=\"n\">", pairs[i].count);
            if (pairs[i].first <= a->shown)
                wn_text_printf(out, "<a href=\"#n%d\">%d</a></tr>", pairs[i].first, pairs[i].first);
            else
                wn_text_printf(out, "%d</tr>", pairs[i].first);
        }
        wn_text_puts(out, "</table></details>");
    }
    free(pairs);
}

/* ---- the page ---- */

static void put_head(const struct cli_audit *a, struct wn_text *out)
{
    int shown = a->suspects < a->shown ? a->suspects : a->shown;
    cli_page_head(out, "Which labels are likely wrong?", style);
    wn_text_puts(out, "<h1>Which labels are likely wrong?</h1>");
    if (a->suspects)
        wn_text_printf(out,
                       "<p>Of %d pictures, the model would label <b>%d</b> differently. %s%d of them below, the "
                       "likeliest errors first. The model can be wrong, "
                       "too: look, then decide.</p>",
                       a->data.n, a->suspects, shown < a->suspects ? "The first " : "All ", shown);
    else
        wn_text_printf(out, "<p>The model agrees with the labels of all %d pictures that it could read.</p>",
                       a->data.n - a->failed);
    if (a->failed)
        wn_text_printf(out, "<p>%d pictures have no answer; the list in CSV or JSON lines says why.</p>", a->failed);
    if (a->suspects)
        wn_text_puts(out, "<p><span class=\"key\" style=\"background:rgb(255,122,0)\"></span>Orange marks what in the "
                          "picture speaks for <span class=\"rival\">the model's "
                          "class</span>, <span class=\"key\" style=\"background:rgb(26,128,255)\"></span>blue what "
                          "speaks for <span class=\"label\">your label</span>. The stronger "
                          "the colour, the more it counts; both are on one scale.</p>");
    wn_text_printf(out, "<p class=\"soft\">whynot %s, model ", wn_version());
    cli_page_text(out, a->classes.model);
    wn_text_printf(out, "; ranked %s.<br><code>", a->order);
    cli_page_command(out, a->c);
    wn_text_puts(out, "</code></p>");
    put_pairs(a, out);
}

enum cli_exit cli_audit_report(const struct cli_audit *a, const char *path)
{
    struct wn_text out = {0};
    struct wn_error err = {0};
    enum wn_code code = WN_OK;
    put_head(a, &out);
    for (int i = 0; i < a->suspects && i < a->shown && code == WN_OK; i++)
        code = put_card(&out, a, &a->list[i], i + 1, &err);
    wn_text_puts(&out, "</html>\n");
    enum cli_exit result = code == WN_OK ? cli_page_write(path, &out) : cli_fail_error(&err);
    wn_text_finish(&out);
    return result;
}
