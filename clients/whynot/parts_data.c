/* Data sets of parts; knows names and paths, and nothing of pictures. */
#include "parts_data.h"

#include <errno.h>
#include <jsonload.h>
#include <spelling.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct reading {
    const char *file, *folder;
    int line;
    const struct cli_classes *classes;
    struct cli_parts *out;
    const json_t *parts, *background; /* the names of the units */
};

static enum cli_exit wrong(const struct reading *in, const char *what)
{
    return cli_fail(CLI_USAGE, "%s, line %d: %s", in->file, in->line, what);
}

static enum cli_exit check_keys(const struct reading *in, const json_t *line)
{
    static const char *const names[] = {"image",      "id",      "label",   "map",   "parts",
                                        "background", "without", "minimal", "shared"};
    return cli_dataset_keys(in->file, in->line, line, names, sizeof names / sizeof *names);
}

static char *path_of(const struct reading *in, const json_t *name)
{
    const char *text = json_string_value(name);
    size_t size = text ? strlen(in->folder) + strlen(text) + 2 : 0;
    char *path = text ? wn_pool_alloc(&in->out->pool, size) : NULL;
    if (path)
        snprintf(path, size, "%s%s%s", *text == '/' ? "" : in->folder, *text == '/' || !*in->folder ? "" : "/", text);
    return path;
}

static int unit_of(const struct reading *in, const char *name)
{
    size_t parts = json_array_size(in->parts);
    for (size_t i = 0; i < parts + json_array_size(in->background); i++) {
        const char *unit =
            json_string_value(i < parts ? json_array_get(in->parts, i) : json_array_get(in->background, i - parts));
        if (unit && strcmp(unit, name) == 0) return (int)i;
    }
    return -1;
}

/* A list of names of units as a set. */
static enum cli_exit read_set(const struct reading *in, const json_t *list, uint64_t *out)
{
    *out = 0;
    if (!json_is_array(list)) return wrong(in, "units are a list of names");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        int unit = name ? unit_of(in, name) : -1;
        if (unit < 0) return wrong(in, "a unit is none of 'parts' and 'background'");
        *out |= 1ull << unit;
    }
    return CLI_OK;
}

static enum cli_exit read_without(const struct reading *in, const json_t *list, struct cli_assembled *a)
{
    size_t n = json_array_size(list);
    struct wn_without *rows = wn_pool_array(&in->out->pool, n + 1, sizeof *rows);
    a->without = wn_pool_array(&in->out->pool, n + 1, sizeof(char *));
    if (!rows || !a->without) return wrong(in, "no memory for so many pictures");
    for (size_t i = 0; i < n; i++) {
        static const char *const names[] = {"gone", "image"};
        const json_t *one = json_array_get(list, i);
        enum cli_exit code = cli_dataset_keys(in->file, in->line, one, names, 2);
        if (code == CLI_OK) code = read_set(in, json_object_get(one, "gone"), &rows[i].gone);
        if (code != CLI_OK) return code;
        a->without[i] = path_of(in, json_object_get(one, "image"));
        if (!a->without[i]) return wrong(in, "a picture of 'without' has no 'image'");
    }
    a->what.without = rows;
    a->what.n_without = (int)n;
    return CLI_OK;
}

static enum cli_exit read_minimal(const struct reading *in, const json_t *list, struct cli_assembled *a)
{
    size_t n = json_array_size(list);
    uint64_t *sets = wn_pool_array(&in->out->pool, n + 1, sizeof *sets);
    if (!sets) return wrong(in, "no memory for so many sets");
    for (size_t i = 0; i < n; i++) {
        enum cli_exit code = read_set(in, json_array_get(list, i), &sets[i]);
        if (code != CLI_OK) return code;
    }
    a->what.minimal = sets;
    a->what.n_minimal = (int)n;
    return CLI_OK;
}

static enum cli_exit read_shared(const struct reading *in, const json_t *list, struct cli_assembled *a)
{
    a->what.other[0] = a->what.other[1] = -1;
    if (json_array_size(list) != 2)
        return list && json_array_size(list) ? wrong(in, "'shared' is about two classes") : CLI_OK;
    for (size_t k = 0; k < 2; k++) {
        static const char *const names[] = {"class", "parts"};
        const json_t *one = json_array_get(list, k);
        enum cli_exit code = cli_dataset_keys(in->file, in->line, one, names, 2);
        if (code == CLI_OK) code = read_set(in, json_object_get(one, "parts"), &a->what.shared[k]);
        if (code != CLI_OK) return code;
        a->what.other[k] = cli_dataset_class(in->classes, json_object_get(one, "class"));
        if (a->what.other[k] == WN_SPELLED_TWICE)
            return wrong(in, "a class of 'shared' is called as several are: say the number");
        if (a->what.other[k] < 0) return wrong(in, "a class of 'shared' is no class of the model");
    }
    return a->what.shared[0] & a->what.shared[1] ? wrong(in, "both classes of 'shared' have a part in common") : CLI_OK;
}

static enum cli_exit read_line(struct reading *in, const json_t *line, struct cli_assembled *a, struct cli_exhibit *e)
{
    const char *image = json_string_value(json_object_get(line, "image")),
               *id = json_string_value(json_object_get(line, "id"));
    const json_t *label = json_object_get(line, "label");
    in->parts = json_object_get(line, "parts");
    in->background = json_object_get(line, "background");
    size_t n_parts = json_array_size(in->parts), n = n_parts + json_array_size(in->background);
    const char *path = path_of(in, json_object_get(line, "image"));
    a->map = path_of(in, json_object_get(line, "map"));
    if (!image || !label || !a->map || !path || !n_parts)
        return wrong(in, "a line has 'image', 'label', 'map' and 'parts'");
    if (n > WN_MOST_UNITS) return wrong(in, "a picture has more than 32 parts and things behind it");
    e->name = strdup(id ? id : image);
    e->image = strdup(path);
    e->rival = -1;
    if (!e->name || !e->image) return wrong(in, "no memory for its names");
    e->label = cli_dataset_class(in->classes, label);
    if (e->label == WN_SPELLED_TWICE) return wrong(in, "several classes are called as the label is: say the number");
    if (e->label < 0) return wrong(in, "the label is no class of the model");
    a->what.label = e->label;
    a->what.n_parts = (int)n_parts;
    a->what.n_units = (int)n;
    enum cli_exit code = read_without(in, json_object_get(line, "without"), a);
    if (code == CLI_OK) code = read_minimal(in, json_object_get(line, "minimal"), a);
    return code == CLI_OK ? read_shared(in, json_object_get(line, "shared"), a) : code;
}

static enum cli_exit grow(struct cli_parts *out, struct cli_dataset *data)
{
    int room = data->room ? 2 * data->room : 64;
    struct cli_exhibit *list = realloc(data->list, (size_t)room * sizeof *list);
    if (list) data->list = list;
    struct cli_assembled *more = list ? realloc(out->list, (size_t)room * sizeof *more) : NULL;
    if (!more) return cli_fail(CLI_FAILED, "no memory for so many pictures");
    out->list = more;
    data->room = room;
    return CLI_OK;
}

static enum cli_exit read_all(struct reading *in, FILE *f, long limit, struct cli_dataset *data)
{
    char *text = NULL;
    size_t room = 0;
    enum cli_exit code = CLI_OK;
    while (code == CLI_OK && data->n < limit) {
        if (getline(&text, &room, f) <= 0) {
            if (!feof(f)) code = wrong(in, "the rest cannot be read");
            break;
        }
        in->line++;
        if (!text[strspn(text, " \r\n")]) continue;
        if (data->n == data->room && (code = grow(in->out, data)) != CLI_OK) break;
        json_t *line;
        if (wn_json_parse(text, strlen(text), &line, NULL) == WN_NO_MEMORY) {
            code = cli_fail(CLI_FAILED, "no memory for line %d", in->line);
            break;
        }
        data->list[data->n] = (struct cli_exhibit){.label = -1, .rival = -1};
        in->out->list[data->n] = (struct cli_assembled){0};
        code = json_is_object(line) ? check_keys(in, line) : wrong(in, "no JSON object");
        if (code == CLI_OK) code = read_line(in, line, &in->out->list[data->n], &data->list[data->n]);
        data->n++;
        in->out->n = data->n;
        json_decref(line);
    }
    free(text);
    return code;
}

enum cli_exit cli_parts_read(const char *path, const struct cli_classes *classes, long limit, struct cli_parts *out,
                             struct cli_dataset *data)
{
    char file[4096];
    struct stat st;
    *out = (struct cli_parts){0};
    *data = (struct cli_dataset){0};
    bool folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    snprintf(file, sizeof file, "%s%s", path, folder ? "/parts.jsonl" : "");
    const char *slash = strrchr(file, '/');
    char *dir = strndup(file, slash ? (size_t)(slash - file) : 0);
    FILE *f = dir ? fopen(file, "r") : NULL;
    if (!f) {
        free(dir);
        return cli_fail(CLI_USAGE, "there are no pictures of parts: %s cannot be read: %s", file, strerror(errno));
    }
    struct reading in = {.file = file, .folder = dir, .classes = classes, .out = out};
    enum cli_exit code = read_all(&in, f, limit, data);
    fclose(f);
    free(dir);
    return code == CLI_OK && !data->n ? cli_fail(CLI_USAGE, "the data set '%s' has no pictures", path) : code;
}

void cli_parts_finish(struct cli_parts *p)
{
    free(p->list);
    wn_pool_finish(&p->pool);
    *p = (struct cli_parts){0};
}
