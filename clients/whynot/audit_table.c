/* An audit as a table, as lines and as words; opens no picture. */
#include "answer_text.h"
#include "audit.h"

#include <jsonload.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *label_at(const json_t *line, const char *key)
{
    const char *s = json_string_value(json_object_get(json_object_get(line, key), "label"));
    return s ? s : "";
}

static double number_at(const json_t *line, const char *object, const char *key)
{
    return json_number_value(json_object_get(json_object_get(line, object), key));
}

void cli_audit_evidence(const json_t *answer, const json_t *map, char out[96])
{
    double plus = json_number_value(json_object_get(map, "mass_positive")),
           minus = json_number_value(json_object_get(map, "mass_negative"));
    const json_t *box = json_object_get(map, "bbox");
    bool nothing = !(plus > 0) || !(json_number_value(json_array_get(box, 2)) > 0);
    if (!map)
        out[0] = 0;
    else if (nothing)
        snprintf(out, 96, "nothing");
    else if (!(minus > 0)) /* of one sign, which some methods' maps always are */
        snprintf(out, 96, "%s", cli_answer_place(json_object_get(answer, "image"), box));
    else
        snprintf(out, 96, "%s, %.0f %% of the evidence", cli_answer_place(json_object_get(answer, "image"), box),
                 100 * plus / (plus + minus));
}

/* ---- for spreadsheets ---- */

/* RFC 4180: quoted where it must be. */
static void put_cell(struct wn_text *out, const char *s)
{
    bool quoted = strpbrk(s, ",\"\r\n") != NULL;
    if (quoted) wn_text_add(out, "\"", 1);
    for (; *s; s++) wn_text_add(out, *s == '"' ? "\"\"" : s, *s == '"' ? 2 : 1);
    if (quoted) wn_text_add(out, "\"", 1);
}

static void put_row(const struct cli_verdict *v, int rank, struct wn_text *out)
{
    json_t *line;
    wn_json_parse(v->line, strlen(v->line), &line, NULL);
    const json_t *answer = json_object_get(line, "answer"), *maps = json_object_get(answer, "maps");
    const char *error = json_string_value(json_object_get(line, "error"));
    char evidence[96];
    if (!line) {
        out->failed = true;
        return;
    }
    if (error)
        wn_text_puts(out, ",no,");
    else
        wn_text_printf(out, "%d,%s,", rank, cli_verdict_is_suspect(v) ? "yes" : "no");
    put_cell(out, json_string_value(json_object_get(line, "file")));
    wn_text_puts(out, ",");
    put_cell(out, label_at(line, "label"));
    wn_text_puts(out, ",");
    put_cell(out, label_at(line, "rival"));
    if (error) {
        wn_text_puts(out, ",,,,,,,");
    } else {
        wn_text_printf(out, ",%.6g,%.9g,%.6g,%.6g", v->gap,
                       json_number_value(json_object_get(line, "relative_probability")),
                       number_at(line, "label", "probability"), number_at(line, "rival", "probability"));
        for (size_t i = 0; i < 2; i++) {
            cli_audit_evidence(answer, json_array_get(maps, i), evidence);
            wn_text_puts(out, ",");
            put_cell(out, evidence);
        }
        wn_text_puts(out, ",");
    }
    put_cell(out, error ? error : "");
    wn_text_puts(out, "\r\n");
    json_decref(line);
}

void cli_audit_csv(const struct cli_audit *a, struct wn_text *out)
{
    wn_text_puts(out, "rank,suspect,file,label,rival,logit_gap,relative_probability,label_probability,rival_"
                      "probability,evidence_for_rival,evidence_for_label,error\r\n");
    for (int i = 0; i < a->data.n; i++) put_row(&a->list[i], i + 1, out);
}

/* ---- for programs ---- */

void cli_audit_lines(const struct cli_audit *a, struct wn_text *out)
{
    for (int i = 0; i < a->data.n; i++) {
        const struct cli_verdict *v = &a->list[i];
        if (v->label < 0)
            wn_text_puts(out, "{\"rank\":null,");
        else
            wn_text_printf(out, "{\"rank\":%d,", i + 1);
        wn_text_puts(out, v->line + 1); /* behind its own bracket */
        wn_text_puts(out, "\n");
    }
}

/* ---- for terminals ---- */

void cli_audit_words(const struct cli_audit *a, struct wn_text *out)
{
    int shown = a->suspects < a->shown ? a->suspects : a->shown;
    wn_text_printf(out, "%d pictures; %s says something else than the label in %d of them", a->data.n, a->classes.model,
                   a->suspects);
    if (a->failed) wn_text_printf(out, "; %d have no answer", a->failed);
    wn_text_puts(out, "\n");
    for (int i = 0; i < shown; i++) {
        json_t *line;
        wn_json_parse(a->list[i].line, strlen(a->list[i].line), &line, NULL);
        const char *name = json_string_value(json_object_get(line, "file"));
        char share[16], *file = cli_plain(name ? name : "", "");
        if (!line || !file) out->failed = true;
        cli_percent(json_number_value(json_object_get(line, "relative_probability")), share);
        wn_text_printf(out, "%4d. %s: labelled '%s', looks like '%s' (gap %.2f, %s of the two)\n", i + 1,
                       file ? file : "", label_at(line, "label"), label_at(line, "rival"), a->list[i].gap, share);
        free(file);
        json_decref(line);
    }
    if (shown < a->suspects)
        wn_text_printf(out, "and %d more; --top shows more of them, --report FILE.html their pictures\n",
                       a->suspects - shown);
}
