/* Data sets from files; opens no picture. */
#include "dataset.h"

#include "pictures.h"

#include <ctype.h>
#include <errno.h>
#include <jsonload.h>
#include <limits.h>
#include <nearest.h>
#include <spelling.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

static void forget(struct cli_exhibit *e)
{
    free(e->name);
    free(e->stranger);
    free(e->image);
    free(e->truth);
    free(e->counterfactual);
    free(e->elsewhere);
    free(e->boxes);
}

/* Takes what e owns, whatever becomes of it. */
static enum cli_exit add(struct cli_dataset *d, struct cli_exhibit *e)
{
    if (d->n == d->room) {
        int room = d->room ? 2 * d->room : 128;
        struct cli_exhibit *list = realloc(d->list, (size_t)room * sizeof *list);
        if (!list) {
            forget(e);
            return cli_fail(CLI_FAILED, "no memory for so many pictures");
        }
        d->list = list;
        d->room = room;
    }
    d->list[d->n++] = *e;
    return e->name && e->image ? CLI_OK : cli_fail(CLI_FAILED, "no memory for so many pictures");
}

void cli_dataset_finish(struct cli_dataset *d)
{
    for (int i = 0; i < d->n; i++) forget(&d->list[i]);
    free(d->list);
    *d = (struct cli_dataset){0};
}

/* ---- classes ---- */

static int plain(char c)
{
    return c == '_' || c == '-' ? ' ' : tolower((unsigned char)c);
}

/* As people name folders: of a label with synonyms the first is enough, and a space may be a line. */
static bool is_nearly(const char *label, const char *text)
{
    for (; *text && *label && plain(*label) == plain(*text); label++) text++;
    return !*text && (!*label || *label == ',');
}

static int class_named(const struct cli_classes *classes, const char *text)
{
    int spelled = wn_spelled(classes->labels, classes->n, text), found = -1;
    if (spelled != WN_SPELLED_NOWHERE) return spelled;
    for (int i = 0; i < classes->n; i++)
        if (is_nearly(classes->labels[i], text)) found = found == -1 ? i : -2;
    return found < 0 ? WN_SPELLED_NOWHERE : found;
}

/* A label's class, or a number of one; WN_SPELLED_NOWHERE where it is neither. */
static int class_of(const struct cli_classes *classes, const char *text)
{
    char *end;
    int found = class_named(classes, text);
    if (found != WN_SPELLED_NOWHERE) return found;
    long v = strtol(text, &end, 10);
    return end != text && !*end && v >= 0 && v < classes->n ? (int)v : -1;
}

int cli_dataset_class(const struct cli_classes *classes, const json_t *value)
{
    if (json_is_string(value)) return class_of(classes, json_string_value(value));
    json_int_t v = json_is_integer(value) ? json_integer_value(value) : -1;
    return v >= 0 && v < classes->n ? (int)v : -1;
}

struct place { /* for words about what is wrong */
    const char *file;
    int line;
    const struct cli_classes *classes;
    bool csv;
};

static enum cli_exit read_class(const struct place *at, const char *what, const char *text, int *out)
{
    *out = class_of(at->classes, text);
    if (*out >= 0) return CLI_OK;
    if (*out == WN_SPELLED_TWICE) {
        char where[80];
        wn_spelled_where(at->classes->labels, at->classes->n, text, where, sizeof where);
        return cli_fail(CLI_USAGE, "%s, line %d: %s '%s' is that of the classes %s of %s: say the number", at->file,
                        at->line, what, text, where, at->classes->model);
    }
    return cli_fail(CLI_USAGE, "%s, line %d: %s '%s' is no class of %s%s", at->file, at->line, what, text,
                    at->classes->model,
                    at->csv && at->line == 1 ? "; if this line is the header, it has no column 'image'" : "");
}

/* ---- JSON lines ---- */

/* A path as the data set says it is beneath the data set's own folder. */
static char *beneath(const char *folder, const char *name)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = malloc(size);
    if (path) snprintf(path, size, "%s%s%s", *name == '/' ? "" : folder, *name == '/' || !*folder ? "" : "/", name);
    return path;
}

static enum cli_exit json_class(const struct place *at, const json_t *line, const char *key, int *out)
{
    const json_t *v = json_object_get(line, key);
    char number[32];
    *out = -1;
    if (!v || json_is_null(v)) return CLI_OK;
    if (json_is_integer(v))
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(v));
    else if (!json_is_string(v))
        return cli_fail(CLI_USAGE, "%s, line %d: '%s' is neither a label nor a number", at->file, at->line, key);
    return read_class(at, key, json_is_integer(v) ? number : json_string_value(v), out);
}

static enum cli_exit json_path(const struct place *at, const char *folder, const json_t *line, const char *key,
                               char **out)
{
    const json_t *v = json_object_get(line, key);
    if (!v || json_is_null(v)) return CLI_OK;
    if (!json_is_string(v))
        return cli_fail(CLI_USAGE, "%s, line %d: '%s' is not the name of a file", at->file, at->line, key);
    *out = beneath(folder, json_string_value(v));
    return *out ? CLI_OK : cli_fail(CLI_FAILED, "no memory for a name");
}

static enum cli_exit json_boxes(const struct place *at, const json_t *line, struct cli_exhibit *e)
{
    const json_t *boxes = json_object_get(line, "boxes");
    size_t n = json_array_size(boxes);
    if (!boxes) return CLI_OK;
    e->boxes = calloc(n + 1, sizeof *e->boxes);
    if (!e->boxes) return cli_fail(CLI_FAILED, "no memory for boxes");
    for (size_t i = 0; i < n; i++, e->n_boxes++) {
        const json_t *box = json_array_get(boxes, i);
        int v[4];
        for (size_t k = 0; k < 4; k++) {
            const json_t *number = json_array_get(box, k);
            if (!json_is_number(number) || json_array_size(box) != 4)
                return cli_fail(CLI_USAGE, "%s, line %d: a box is [x0, y0, x1, y1]", at->file, at->line);
            double pixel = json_number_value(number);
            v[k] = pixel < -1e6 ? -1000000 : pixel > 1e6 ? 1000000 : (int)pixel;
        }
        if (v[0] > v[2] || v[1] > v[3] || v[2] < 0 || v[3] < 0)
            return cli_fail(CLI_USAGE,
                            "%s, line %d: a box is [x0, y0, x1, y1]: its second corner lies in the picture, not left "
                            "of the first and not above it",
                            at->file, at->line);
        e->boxes[i] = (struct wn_box){v[0], v[1], v[2], v[3]};
    }
    return CLI_OK;
}

enum cli_exit cli_dataset_keys(const char *file, int line, const json_t *object, const char *const *names, int n)
{
    char all[256] = "";
    void *member = json_object_iter((json_t *)object);
    for (; member; member = json_object_iter_next((json_t *)object, member)) {
        const char *key = json_object_iter_key(member), *nearest;
        int i = 0;
        while (i < n && strcmp(names[i], key) != 0) i++;
        if (i < n) continue;
        if (wn_nearest_names(key, names, n, &nearest, 1))
            return cli_fail(CLI_USAGE, "%s, line %d: there is no key '%.64s'; did you mean '%s'?", file, line, key,
                            nearest);
        for (i = 0; i < n; i++) {
            size_t used = strlen(all);
            snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", names[i]);
        }
        return cli_fail(CLI_USAGE, "%s, line %d: there is no key '%.64s'; there are: %s", file, line, key, all);
    }
    return CLI_OK;
}

static enum cli_exit check_keys(const struct place *at, const json_t *line)
{
    static const char *const names[] = {"image", "id",    "label",          "rival",
                                        "truth", "boxes", "counterfactual", "elsewhere"};
    return cli_dataset_keys(at->file, at->line, line, names, sizeof names / sizeof *names);
}

static enum cli_exit read_json(const struct place *at, const char *folder, const char *text, struct cli_dataset *out)
{
    struct wn_error wrong = {0};
    json_t *line;
    enum wn_code read = wn_json_parse(text, strlen(text), &line, &wrong);
    const char *image = json_string_value(json_object_get(line, "image")),
               *id = json_string_value(json_object_get(line, "id"));
    struct cli_exhibit e = {.label = -1, .rival = -1};
    enum cli_exit code = CLI_OK;
    if (read == WN_NO_MEMORY)
        code = cli_fail(CLI_FAILED, "no memory for line %d of %s", at->line, at->file);
    else if (!line)
        code = cli_fail(CLI_USAGE, "%s, line %d: no JSON: %s", at->file, at->line, wrong.text);
    else if ((code = check_keys(at, line)) == CLI_OK && !image)
        code = cli_fail(CLI_USAGE, "%s, line %d has no 'image'", at->file, at->line);
    if (code == CLI_OK) {
        e.name = strdup(id ? id : image);
        e.image = beneath(folder, image);
    }
    if (code == CLI_OK) code = json_class(at, line, "label", &e.label);
    if (code == CLI_OK) code = json_class(at, line, "rival", &e.rival);
    if (code == CLI_OK) code = json_path(at, folder, line, "truth", &e.truth);
    if (code == CLI_OK) code = json_path(at, folder, line, "counterfactual", &e.counterfactual);
    if (code == CLI_OK) code = json_path(at, folder, line, "elsewhere", &e.elsewhere);
    if (code == CLI_OK) code = json_boxes(at, line, &e);
    json_decref(line);
    if (code == CLI_OK) return add(out, &e);
    forget(&e);
    return code;
}

/* ---- CSV ---- */

/* Whether a cell in quotation marks is still open behind text, at whose begin one is (open) or a cell begins. */
static bool is_open(const char *text, bool open)
{
    bool begins = !open;
    for (; *text; text++) {
        if (open && *text == '"' && text[1] == '"')
            text++;
        else if (*text == '"' && (open || begins))
            open = !open;
        begins = !open && (*text == ',' || (begins && strchr(" \t", *text)));
    }
    return open;
}

/* The next cell of a line, quotes or the white space around it taken off in place; *rest: behind it. */
static char *next_cell(char **rest)
{
    char *from = *rest + strspn(*rest, " \t"), *to = from, *begin = from, *kept = from;
    bool quoted = *from == '"';
    if (quoted) from++;
    while (*from && (quoted || *from != ',')) {
        if (quoted && *from == '"' && from[1] != '"') {
            quoted = false;
            kept = to;
            from++;
            continue;
        }
        from += quoted && *from == '"';
        *to++ = *from++;
    }
    *rest = *from ? from + 1 : from;
    *to = 0;
    while (to > kept && strchr(" \t", to[-1])) *--to = 0;
    return begin;
}

/* Which cell holds what; -1: none does. */
struct columns {
    int image, label, rival;
};

static bool is_one_of(const char *cell, const char *const *names)
{
    while (*names && strcasecmp(cell, *names) != 0) names++;
    return *names != NULL;
}

/* A table may have columns for others, so one that is not read is no failure; it is said where it is spelled almost
 * like one that the table lacks. */
static void warn_of_column(const char *file, const char *cell, const struct columns *found)
{
    static const char *const names[] = {"rival", "label", "class", "class_index"};
    const char *nearest;
    int first = found->rival < 0 ? 0 : 1, n = found->label < 0 ? 4 : 1;
    if (*cell && n > first && wn_nearest_names(cell, names + first, n - first, &nearest, 1))
        cli_fail(CLI_OK, "warning: %s: the column '%.64s' is not read; did you mean '%s'?", file, cell, nearest);
}

enum { MOST_COLUMNS = 64 };

/* *named: the first line names the columns; else it is a picture. */
static enum cli_exit name_columns(const char *file, const char *line, bool *named, struct columns *out)
{
    static const char *const images[] = {"image", "file", "filename", "path", NULL}, *const labels[] = {"label",
                                                                                                        "class", NULL};
    char *copy = strdup(line), *rest = copy;
    const char *others[MOST_COLUMNS];
    int n_others = 0;
    struct columns found = {-1, -1, -1};
    for (int i = 0; rest && *rest && i < MOST_COLUMNS; i++) {
        const char *cell = next_cell(&rest);
        if (found.image < 0 && is_one_of(cell, images))
            found.image = i;
        else if (strcasecmp(cell, "class_index") == 0 || (found.label < 0 && is_one_of(cell, labels)))
            found.label = i;
        else if (strcasecmp(cell, "rival") == 0)
            found.rival = i;
        else
            others[n_others++] = cell;
    }
    *named = found.image >= 0;
    for (int i = 0; *named && i < n_others; i++) warn_of_column(file, others[i], &found);
    if (*named) *out = found;
    enum cli_exit code = copy ? CLI_OK : cli_fail(CLI_FAILED, "no memory for the first line");
    free(copy);
    return code;
}

/* As some spreadsheets write tables; unless it is one picture whose name has such a letter. */
static bool has_another_separator(const char *folder, const char *line)
{
    struct stat info;
    if (strchr(line, ',') || !strpbrk(line, ";\t")) return false;
    char *path = beneath(folder, line);
    bool is_picture = path && stat(path, &info) == 0;
    free(path);
    return !is_picture;
}

static enum cli_exit read_csv(const struct place *at, const char *folder, struct columns *columns, char *text,
                              struct cli_dataset *out)
{
    const char *image = "", *label = "", *rival = "";
    struct cli_exhibit e = {.label = -1, .rival = -1};
    bool named = false;
    enum cli_exit code = at->line == 1 ? name_columns(at->file, text, &named, columns) : CLI_OK;
    if (code != CLI_OK || named) return code;
    if (at->line == 1 && has_another_separator(folder, text))
        return cli_fail(CLI_USAGE, "%s, line 1: the separator of a CSV file must be a comma here, not '%s'", at->file,
                        strchr(text, ';') ? ";" : "\\t");
    for (int i = 0; *text && i < MOST_COLUMNS; i++) {
        const char *cell = next_cell(&text);
        if (i == columns->image) image = cell;
        if (i == columns->label) label = cell;
        if (i == columns->rival) rival = cell;
    }
    if (!*image) return cli_fail(CLI_USAGE, "%s, line %d names no picture", at->file, at->line);
    code = *label ? read_class(at, "the label", label, &e.label) : CLI_OK;
    if (code == CLI_OK && *rival) code = read_class(at, "the rival", rival, &e.rival);
    if (code != CLI_OK) return code;
    e.name = cli_picture_name(image);
    e.image = beneath(folder, image);
    return add(out, &e);
}

/* ---- files and folders ---- */

enum { UNCLOSED = -1, UNREAD = -2 };

/* A line without its end; in CSV a quoted cell may hold line breaks. Returns how many lines were read, UNCLOSED
 * where a closing quotation mark is missing, UNREAD where memory is, or the file cannot be read on. */
static int read_record(FILE *f, bool csv, struct wn_buffer *record)
{
    char *line = NULL;
    size_t room = 0;
    int lines = 0;
    bool open = false;
    ssize_t n;
    record->size = 0;
    while (lines >= 0 && (!lines || open) && (n = getline(&line, &room, f)) > 0) {
        open = csv && is_open(line, open);
        lines = wn_buffer_append(record, line, (size_t)n, NULL) == WN_OK ? lines + 1 : UNREAD;
    }
    if (lines >= 0 && (!lines || open) && !feof(f)) lines = UNREAD;
    free(line);
    while (record->size && strchr("\r\n", record->data[record->size - 1])) record->size--;
    if (lines == UNREAD || wn_buffer_append(record, "", 1, NULL) != WN_OK) return UNREAD;
    return open ? UNCLOSED : lines;
}

/* Behind a byte order mark, as spreadsheets write it. */
static FILE *open_text(const char *path)
{
    char mark[3];
    FILE *f = fopen(path, "r");
    if (f && (fread(mark, 1, sizeof mark, f) != sizeof mark || memcmp(mark, "\xef\xbb\xbf", sizeof mark) != 0))
        rewind(f);
    return f;
}

static enum cli_exit read_lines(const char *path, const struct cli_classes *classes, long limit,
                                struct cli_dataset *out)
{
    const char *slash = strrchr(path, '/');
    size_t dir = slash ? (size_t)(slash - path) : 0, length = strlen(path);
    bool csv = length > 4 && strcmp(path + length - 4, ".csv") == 0;
    char *folder = strndup(path, slash && !dir ? 1 : dir);
    struct place at = {path, 1, classes, csv};
    struct wn_buffer record = {0};
    struct columns columns = {0, 1, 2};
    enum cli_exit code = CLI_OK;
    FILE *f = open_text(path);
    if (!f || !folder) code = cli_fail(CLI_USAGE, "%s cannot be read: %s", path, strerror(errno));
    for (int lines; code == CLI_OK && out->n < limit && (lines = read_record(f, csv, &record)) != 0; at.line += lines) {
        char *text = (char *)record.data;
        if (lines == UNREAD)
            code =
                cli_fail(CLI_FAILED, "%s cannot be read on from line %d, or there is no memory for it", path, at.line);
        else if (lines == UNCLOSED)
            code = cli_fail(CLI_USAGE, "%s, line %d: the quotation mark that opens a cell has none that closes it",
                            path, at.line);
        else if (*text)
            code = csv ? read_csv(&at, folder, &columns, text, out) : read_json(&at, folder, text, out);
    }
    if (f) fclose(f);
    wn_buffer_finish(&record);
    free(folder);
    return code;
}

static enum cli_exit several_classes(const struct cli_classes *classes, const char *folder)
{
    char where[80];
    int first = 0;
    wn_spelled_where(classes->labels, classes->n, folder, where, sizeof where);
    while (strcasecmp(classes->labels[first], folder) != 0) first++;
    return cli_fail(CLI_USAGE, "the folder '%s' is called like the classes %s of %s: add the number, as in '%s (%d)'",
                    folder, where, classes->model, folder, first);
}

/* Pictures of a folder; one that lies in a folder called like a class is of that class. */
static enum cli_exit read_folder(char *path, const struct cli_classes *classes, long limit, struct cli_dataset *out)
{
    struct cli_pictures found = {0};
    enum cli_exit code = cli_pictures_find(&path, 1, NULL, &found);
    for (int i = 0; i < found.n && out->n < limit && code == CLI_OK; i++) {
        struct cli_exhibit e = {.name = cli_picture_name(found.list[i].stem),
                                .image = strdup(found.list[i].path),
                                .label = -1,
                                .rival = -1};
        char *parent = strdup(found.list[i].path), *slash = parent ? strrchr(parent, '/') : NULL;
        bool unlabelled = !parent; /* for want of memory, which is no label's absence */
        if (slash) {
            *slash = 0;
            const char *last = strrchr(parent, '/');
            e.label = class_named(classes, last ? last + 1 : parent);
            if (e.label == WN_SPELLED_NOWHERE) e.stranger = cli_picture_name(last ? last + 1 : parent);
            if (e.label == WN_SPELLED_TWICE) code = several_classes(classes, last ? last + 1 : parent);
        }
        free(parent);
        enum cli_exit added = add(out, &e);
        if (code == CLI_OK) code = added;
        if (code == CLI_OK && unlabelled) code = cli_fail(CLI_FAILED, "no memory for a picture's label");
    }
    cli_pictures_finish(&found);
    return code;
}

enum cli_exit cli_dataset_read(const char *path, const struct cli_classes *classes, long limit, struct cli_dataset *out)
{
    static const char *const indexes[] = {"pictures.jsonl", "labels.csv"};
    struct stat st;
    *out = (struct cli_dataset){0};
    if (stat(path, &st) != 0) return cli_fail(CLI_USAGE, "there is no data set '%s': %s", path, strerror(errno));
    enum cli_exit code = CLI_OK;
    bool done = !S_ISDIR(st.st_mode);
    if (done) code = read_lines(path, classes, limit, out);
    for (size_t i = 0; i < sizeof indexes / sizeof *indexes && !done; i++) {
        char index[PATH_MAX];
        snprintf(index, sizeof index, "%s/%s", path, indexes[i]);
        done = stat(index, &st) == 0;
        if (done) code = read_lines(index, classes, limit, out);
    }
    if (!done) code = read_folder((char *)path, classes, limit, out);
    return code == CLI_OK && !out->n ? cli_fail(CLI_USAGE, "the data set '%s' has no pictures", path) : code;
}
