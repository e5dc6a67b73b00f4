/* The pages of docs/methods and docs/contrasts from the rows of the tables: make_pages DOCS writes them, make_pages
 * --check DOCS says which are not current, or stand there without a row. Knows nothing that is not in the rows. */
#include <whynot/whynot.h>

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool checks;
static int stale;

/* ---- words ---- */

static const char *or_else(const char *words, const char *standard)
{
    return words ? words : standard;
}

/* "|" would end a cell of the table. */
static void cell(FILE *out, const char *name, const char *words)
{
    fprintf(out, "| **%s** | ", name);
    for (; *words; words++) {
        if (*words == '|') fputc('\\', out);
        fputc(*words, out);
    }
    fprintf(out, " |\n");
}

static void formula(FILE *out, const char *words)
{
    fprintf(out, "```text\n%s\n```\n\n", words);
}

/* The settings that the method takes: rows of include/whynot/method_options.def. */
static void write_settings(FILE *out, const struct wn_method *m)
{
    if (!m->settings) return;
    fprintf(out, "\n| setting | default | |\n|---|---|---|\n");
    for (int i = 0; wn_setting_at(i); i++)
        if (m->settings >> i & 1) {
            const struct wn_setting_row *s = wn_setting_at(i);
            fprintf(out, "| `%s` | %s | %s%s%s |\n", s->name, s->standard, s->words, s->choices[0] ? " One of: " : "",
                    s->choices);
        }
}

static void write_method(FILE *out, const struct wn_method *m)
{
    bool input = m->flags & WN_METHOD_INPUT, linear = m->flags & WN_METHOD_LINEAR;
    fprintf(out, "# Method `%s`\n\n%s\n\n", m->name, m->summary);
    formula(out, m->formula);
    fprintf(out, "a: activations of the layer, or the input x; g: gradient of the explained scalar v.y there; v: the "
                 "contrast's seed, y: the logits.\n\n");
    fprintf(out, "| | |\n|---|---|\n");
    bool wraps = m->settings >> WN_SETTING_BASE_METHOD & 1;
    cell(out, "explains",
         wraps   ? "what `base_method` explains: the pixels, or the layer that `layer` names"
         : input ? "the pixels of the network's input"
                 : "a layer: the last convolutional stage, or the one that `layer` names");
    cell(out, "costs, beside one forward pass", or_else(m->cost, "as its formula says"));
    cell(out, "can mislead", or_else(m->misleads, "?"));
    if (m->flags & WN_METHOD_CLASSLESS)
        cell(out, "contrasts", "`logit` alone, with the same map whatever the target is: it looks at no class");
    cell(out, "of a sum of seeds", linear ? "the sum of the maps" : "not the sum of the maps");
    cell(out, "`why_not=all`, `reuse=true`", linear && !input ? "yes" : "no");
    cell(out, "from", m->source);
    write_settings(out, m);
    fprintf(out,
            "\n```sh\ncurl --data-binary @photo.jpg "
            "'http://127.0.0.1:8420/v1/models/signs-resnet/explain?%smethod=%s'\n```\n\n",
            m->flags & WN_METHOD_CLASSLESS ? "" : "why_not=auto:1&", m->name);
}

static const char *rivals(const struct wn_contrast *c)
{
    if (c->flags & WN_CONTRAST_VALUE) return "none; `value`, the number that the output might have been";
    if (c->flags & WN_CONTRAST_FOIL)
        return "one, the runner-up if none is named; each of a list gives a map of its own";
    if (c->flags & WN_CONTRAST_NEAREST) return "a set, the three classes nearest in score if none is named";
    return c->flags & WN_CONTRAST_FOIL_SET ? "a set, all other classes if none is named" : "none";
}

/* Contrasts made of passes of relevance go with methods that hand relevance down. */
static void write_methods_of(FILE *out, const struct wn_contrast *c)
{
    char names[512] = "";
    if (!(c->flags & WN_CONTRAST_RELEVANCE)) return;
    for (int i = 0; wn_method_at(i); i++)
        if (wn_method_at(i)->flags & WN_METHOD_RELEVANCE && strlen(names) < 400)
            snprintf(names + strlen(names), sizeof names - strlen(names), "%s`%s`", names[0] ? ", " : "",
                     wn_method_at(i)->name);
    cell(out, "with these methods alone", names);
}

static void write_contrast(FILE *out, const struct wn_contrast *c)
{
    fprintf(out, "# Contrast `%s`\n\n%s\n\n", c->name, c->summary);
    formula(out, c->formula);
    fprintf(out, "%s e_s: 1 at class s; p: the softmax; t or P: the target; Q or s: a rival.\n\n",
            c->less ? "R(r): what a method hands down of the relevance r that starts at the logits y. Two passes are "
                      "computed, each with its own start, and there is no one scalar that the map explains."
                    : "The explained scalar is v.y: y the logits, v the seed above, held fixed.");
    fprintf(out, "| | |\n|---|---|\n");
    cell(out, "`why_not`", rivals(c));
    cell(out, "several targets", c->flags & WN_CONTRAST_TARGET_SET ? "yes" : "no");
    cell(out, "the target as its own rival", c->flags & WN_CONTRAST_SAME_OK ? "has a meaning" : "refused");
    write_methods_of(out, c);
    cell(out, "positive means", wn_positive_words((int)c->positive));
    cell(out, "what all classes share",
         !(c->flags & WN_CONTRAST_UNBALANCED) ? "drops out: the seed sums to 0"
         : c->less                            ? "is seen too: neither pass's seed sums to 0"
                                              : "is seen too");
    cell(out, "costs, beside the method",
         or_else(c->cost, "nothing: a seed is a vector of as many numbers as there are classes"));
    cell(out, "can mislead", or_else(c->misleads, "?"));
    cell(out, "from", c->source);
    fprintf(out,
            "\n```sh\ncurl --data-binary @photo.jpg "
            "'http://127.0.0.1:8420/v1/models/signs-resnet/explain?contrast=%s%s'\n```\n\n",
            c->name,
            c->flags & WN_CONTRAST_RELEVANCE ? "&method=lrp-zplus"
            : c->flags & WN_CONTRAST_VALUE   ? "&value=2.5"
                                             : "");
}

static void sign(FILE *out)
{
    fprintf(out, "*Made by `docs/make_pages.c` from the row in the code.* [All of them](README.md)\n");
}

/* ---- files ---- */

static bool same_text(const char *path, const char *text, size_t size)
{
    FILE *f = fopen(path, "rb");
    char *have = malloc(size + 1);
    bool same = f && have && fread(have, 1, size + 1, f) == size && memcmp(have, text, size) == 0;
    if (f) fclose(f);
    free(have);
    return same;
}

static void put(const char *path, const char *text, size_t size)
{
    if (same_text(path, text, size)) return;
    if (checks) {
        printf("not current: %s\n", path);
        stale++;
        return;
    }
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(text, 1, size, f) != size) {
        fprintf(stderr, "cannot write %s\n", path);
        exit(1);
    }
    fclose(f);
}

/* The i-th row's name, or NULL past the end; *page: its page is written there. */
typedef const char *row_at(int i, FILE *page);

static const char *method_row(int i, FILE *page)
{
    const struct wn_method *m = wn_method_at(i);
    if (m && page) write_method(page, m);
    return m ? m->name : NULL;
}

static const char *contrast_row(int i, FILE *page)
{
    const struct wn_contrast *c = wn_contrast_at(i);
    if (c && page) write_contrast(page, c);
    return c ? c->name : NULL;
}

/* Pages whose rows are gone. */
static void sweep(const char *folder, row_at *row)
{
    DIR *d = opendir(folder);
    char path[1024];
    for (struct dirent *e; d && (e = readdir(d));) {
        size_t n = strlen(e->d_name);
        bool wanted = e->d_name[0] == '.' || strcmp(e->d_name, "README.md") == 0;
        for (int i = 0; row(i, NULL); i++)
            wanted = wanted || (n == strlen(row(i, NULL)) + 3 && strncmp(e->d_name, row(i, NULL), n - 3) == 0);
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (wanted) continue;
        if (checks)
            printf("no row: %s\n", path), stale++;
        else
            remove(path);
    }
    if (d) closedir(d);
}

static void write_folder(const char *docs, const char *name, const char *opening, row_at *row,
                         const char *(*summary)(int))
{
    char folder[512], path[1024], *text, *index;
    size_t size, index_size;
    FILE *list = open_memstream(&index, &index_size);
    snprintf(folder, sizeof folder, "%s/%s", docs, name);
    if (!checks) mkdir(folder, 0777);
    fprintf(list, "%s| | |\n|---|---|\n", opening);
    for (int i = 0; row(i, NULL); i++) {
        FILE *page = open_memstream(&text, &size);
        row(i, page);
        sign(page);
        fclose(page);
        snprintf(path, sizeof path, "%s/%s.md", folder, row(i, NULL));
        put(path, text, size);
        free(text);
        fprintf(list, "| [`%s`](%s.md) | %s |\n", row(i, NULL), row(i, NULL), summary(i));
    }
    fprintf(list, "\n![one picture, \"no right turn\" rather than \"no left turn\": rows are methods, columns "
                  "contrasts](../pictures/gallery.jpg)\n\n"
                  "The gallery is drawn by `docs/make_gallery.py`; this page is made by `docs/make_pages.c` from the "
                  "rows in the code.\n");
    fclose(list);
    snprintf(path, sizeof path, "%s/README.md", folder);
    put(path, index, index_size);
    free(index);
    sweep(folder, row);
}

static const char *method_summary(int i)
{
    return wn_method_at(i)->summary;
}

static const char *contrast_summary(int i)
{
    return wn_contrast_at(i)->summary;
}

/* A row that does not say what it costs and where it misleads has no page. */
static void demand(const char *kind, const char *name, const char *field, const char *words)
{
    if (words && words[0]) return;
    printf("the %s %s has no '%s'\n", kind, name, field);
    stale++;
}

int main(int argc, char **argv)
{
    checks = argc == 3 && strcmp(argv[1], "--check") == 0;
    if (argc != 2 && !checks) return fprintf(stderr, "usage: make_pages [--check] DOCS\n"), 2;
    for (int i = 0; wn_method_at(i); i++) {
        demand("method", wn_method_at(i)->name, "cost", wn_method_at(i)->cost);
        demand("method", wn_method_at(i)->name, "misleads", wn_method_at(i)->misleads);
    }
    for (int i = 0; wn_contrast_at(i); i++)
        demand("contrast", wn_contrast_at(i)->name, "misleads", wn_contrast_at(i)->misleads);
    write_folder(argv[argc - 1], "methods",
                 "# Methods: how a question becomes a map\n\nAny method goes with any "
                 "[contrast](../contrasts/README.md), but for those whose page says otherwise.\n\n",
                 method_row, method_summary);
    write_folder(argv[argc - 1], "contrasts",
                 "# Contrasts: what is compared with what\n\nAny contrast goes with any "
                 "[method](../methods/README.md), but for those whose page says otherwise.\n\n",
                 contrast_row, contrast_summary);
    return stale != 0;
}
