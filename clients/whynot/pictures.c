/* Words of a command line to a list of pictures; knows no networks and opens no picture before it is asked for. */
#include "pictures.h"

#include <dirent.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <text.h>

#define MOST_BYTES ((size_t)1 << 30)
#define MOST_DEPTH 64

/* ---- one picture ---- */

char *cli_picture_name(const char *path)
{
    struct wn_buffer out = {0};
    struct wn_error err = {0};
    size_t n = strlen(path);
    for (size_t i = 0; i < n && err.code == WN_OK;) {
        int length = wn_utf8_length(path + i, n - i);
        if (length)
            wn_buffer_append(&out, path + i, (size_t)length, &err);
        else
            wn_buffer_printf(&out, &err, "\\x%02x", (unsigned char)path[i]);
        i += length ? (size_t)length : 1;
    }
    wn_buffer_append(&out, "", 1, &err);
    if (err.code != WN_OK) wn_buffer_finish(&out);
    return (char *)out.data;
}

/* Inside any output folder: the path as it is where it leads downwards, else its last part. */
static const char *stem_of(const char *path, size_t root)
{
    const char *below = path + root;
    while (*below == '/') below++;
    while (strncmp(below, "./", 2) == 0) below += 2;
    bool leaves = path[0] == '/' || strstr(below, "..");
    const char *last = strrchr(below, '/');
    if (strcmp(path, "-") == 0) return "stdin";
    return root || !leaves ? below : last ? last + 1 : below;
}

/* root: length of the folder that was named, 0 for a file. */
static enum cli_exit add(struct cli_pictures *all, const char *path, size_t root)
{
    if (all->n == all->room) {
        int room = all->room ? 2 * all->room : 64;
        struct cli_picture *list = realloc(all->list, (size_t)room * sizeof *list);
        if (!list) return cli_fail(CLI_FAILED, "no memory for so many pictures");
        all->list = list;
        all->room = room;
    }
    struct cli_picture p = {strdup(path), cli_picture_name(path), strdup(stem_of(path, root))};
    all->list[all->n++] = p;
    return p.path && p.name && p.stem ? CLI_OK : cli_fail(CLI_FAILED, "no memory for so many pictures");
}

/* ---- folders, patterns, lists ---- */

static bool ends_as_one_of(const char *name, const char *const *endings)
{
    const char *dot = strrchr(name, '.');
    for (; dot && *endings; endings++)
        if (strcasecmp(dot, *endings) == 0) return true;
    return false;
}

static const char *const taken[] = {".png", ".jpg", ".jpeg", NULL};
/* Pictures too, which whoever names a folder of them must not take for answered. */
static const char *const not_taken[] = {".webp", ".bmp",  ".gif", ".tif", ".tiff", ".heic",
                                        ".heif", ".avif", ".jxl", ".jp2", ".ppm",  NULL};

static enum cli_exit pass_over(struct cli_pictures *all, const char *path)
{
    if (all->passed_over++) return CLI_OK;
    all->first_passed_over = cli_picture_name(path);
    return all->first_passed_over ? CLI_OK : cli_fail(CLI_FAILED, "no memory for so many pictures");
}

/* Whoever finds a pipe would wait for what nobody writes. What a link leads to counts; where it leads nowhere, reading
 * says so. */
static bool is_file(const char *path)
{
    struct stat info;
    return stat(path, &info) != 0 || S_ISREG(info.st_mode);
}

static enum cli_exit walk(struct cli_pictures *all, const char *folder, size_t root, int depth)
{
    struct dirent **entries;
    enum cli_exit code = CLI_OK;
    int n = depth < MOST_DEPTH ? scandir(folder, &entries, NULL, alphasort) : -1;
    if (n < 0) return cli_fail(CLI_FAILED, "the folder '%s' cannot be read", folder);
    for (int i = 0; i < n; i++) {
        struct stat info;
        struct wn_buffer path = {0};
        const char *name = entries[i]->d_name, *slash = folder[strlen(folder) - 1] == '/' ? "" : "/";
        if (code == CLI_OK && name[0] != '.' && wn_buffer_printf(&path, NULL, "%s%s%s", folder, slash, name) != WN_OK)
            code = cli_fail(CLI_FAILED, "no memory for so many pictures");
        if (code == CLI_OK && name[0] != '.' && lstat((char *)path.data, &info) == 0) {
            if (S_ISDIR(info.st_mode))
                code = walk(all, (char *)path.data, root, depth + 1);
            else if (ends_as_one_of(name, taken) && is_file((char *)path.data))
                code = add(all, (char *)path.data, root);
            else if (ends_as_one_of(name, not_taken))
                code = pass_over(all, (char *)path.data);
        }
        wn_buffer_finish(&path);
        free(entries[i]);
    }
    free(entries);
    return code;
}

static enum cli_exit add_word(struct cli_pictures *all, const char *word);

static enum cli_exit add_pattern(struct cli_pictures *all, const char *word)
{
    glob_t found;
    enum cli_exit code = CLI_OK;
    int result = glob(word, 0, NULL, &found);
    if (result != 0) {
        globfree(&found);
        return cli_fail(CLI_USAGE,
                        result == GLOB_NOMATCH ? "no file is named '%s', and none fits it as a pattern"
                                               : "'%s' cannot be expanded",
                        word);
    }
    for (size_t i = 0; i < found.gl_pathc && code == CLI_OK; i++) code = add_word(all, found.gl_pathv[i]);
    globfree(&found);
    return code;
}

static enum cli_exit add_word(struct cli_pictures *all, const char *word)
{
    struct stat info;
    if (strcmp(word, "-") == 0) return add(all, word, 0);
    if (stat(word, &info) == 0) return S_ISDIR(info.st_mode) ? walk(all, word, strlen(word), 0) : add(all, word, 0);
    if (strpbrk(word, "*?[")) return add_pattern(all, word);
    return cli_fail(CLI_USAGE, "there is no file '%s'", word);
}

static enum cli_exit add_list(struct cli_pictures *all, const char *from)
{
    char *line = NULL;
    size_t room = 0;
    enum cli_exit code = CLI_OK;
    FILE *f = strcmp(from, "-") == 0 ? stdin : fopen(from, "r");
    if (!f) return cli_fail(CLI_USAGE, "the list '%s' cannot be read", from);
    while (code == CLI_OK && getline(&line, &room, f) >= 0) {
        line[strcspn(line, "\r\n")] = 0; /* lists are also made on Windows */
        if (*line) code = add_word(all, line);
    }
    if (code == CLI_OK && !feof(f)) code = cli_fail(CLI_FAILED, "the list '%s' cannot be read to its end", from);
    free(line);
    if (f != stdin) fclose(f);
    return code;
}

/* ---- all of them ---- */

static int by_name(const void *a, const void *b)
{
    const struct cli_picture *x = *(const struct cli_picture *const *)a, *y = *(const struct cli_picture *const *)b;
    int order = strcmp(x->path, y->path);
    return order ? order : x < y ? -1 : x > y;
}

static int by_stem(const void *a, const void *b)
{
    return strcmp((*(const struct cli_picture *const *)a)->stem, (*(const struct cli_picture *const *)b)->stem);
}

static struct cli_picture **sorted(const struct cli_pictures *p, int (*order)(const void *, const void *))
{
    struct cli_picture **all = calloc((size_t)p->n + 1, sizeof *all);
    for (int i = 0; all && i < p->n; i++) all[i] = &p->list[i];
    if (all) qsort(all, (size_t)p->n, sizeof *all, order);
    return all;
}

static void forget(struct cli_picture *p)
{
    free(p->path);
    free(p->name);
    free(p->stem);
    *p = (struct cli_picture){0};
}

/* A path that was named twice is asked about once, at its first place. */
static enum cli_exit drop_repeats(struct cli_pictures *p)
{
    struct cli_picture **all = sorted(p, by_name);
    int kept = 0;
    if (!all) return cli_fail(CLI_FAILED, "no memory for so many pictures");
    for (int i = 1, first = 0; i < p->n; i++) {
        bool repeated = strcmp(all[i]->path, all[first]->path) == 0;
        if (repeated)
            all[i]->stem[0] = 0; /* marks it; no stem is empty */
        else
            first = i;
    }
    free(all);
    for (int i = 0; i < p->n; i++)
        if (p->list[i].stem[0])
            p->list[kept++] = p->list[i];
        else
            forget(&p->list[i]);
    p->n = kept;
    return CLI_OK;
}

enum cli_exit cli_pictures_find(char **words, int n, const char *from, struct cli_pictures *out)
{
    enum cli_exit code = CLI_OK;
    *out = (struct cli_pictures){0};
    for (int i = 0; i < n && code == CLI_OK; i++) code = add_word(out, words[i]);
    if (code == CLI_OK && from) code = add_list(out, from);
    if (code == CLI_OK && out->n) code = drop_repeats(out);
    if (code == CLI_OK && out->passed_over)
        fprintf(
            stderr,
            "note: %d picture%s passed over that %s neither PNG nor JPEG, '%s' first; convert them to ask about them\n",
            out->passed_over, out->passed_over == 1 ? "" : "s", out->passed_over == 1 ? "is" : "are",
            out->first_passed_over);
    if (code == CLI_OK && !out->n)
        code = cli_fail(CLI_USAGE, n || from ? "there is no .png, .jpg or .jpeg file there"
                                             : "name a picture, a folder, a pattern, or - for standard input");
    if (code != CLI_OK) cli_pictures_finish(out);
    return code;
}

void cli_pictures_finish(struct cli_pictures *p)
{
    for (int i = 0; i < p->n; i++) forget(&p->list[i]);
    free(p->list);
    free(p->first_passed_over);
    *p = (struct cli_pictures){0};
}

bool cli_pictures_stems_differ(const struct cli_pictures *p)
{
    struct cli_picture **all = sorted(p, by_stem);
    bool differ = all != NULL;
    if (!all) cli_fail(CLI_FAILED, "no memory for so many pictures");
    for (int i = 1; differ && i < p->n; i++)
        if (strcmp(all[i]->stem, all[i - 1]->stem) == 0) {
            cli_fail(CLI_USAGE, "'%s' and '%s' would be written to the same file; name the folder above both",
                     all[i - 1]->path, all[i]->path);
            differ = false;
        }
    free(all);
    return differ;
}

enum wn_code cli_read_file(const char *path, struct wn_buffer *out, struct wn_error *err)
{
    char chunk[8192];
    size_t n;
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    struct wn_error why = {0};
    if (!f) return wn_fail(err, WN_NOT_FOUND, "the file '%.300s' cannot be read", path);
    while (why.code == WN_OK && (n = fread(chunk, 1, sizeof chunk, f)) > 0) {
        if (out->size + n > MOST_BYTES)
            wn_fail(&why, WN_TOO_LARGE, "'%.300s' is larger than %zu MiB", path, MOST_BYTES >> 20);
        else
            wn_buffer_append(out, chunk, n, &why);
    }
    if (ferror(f)) wn_fail(&why, WN_NOT_FOUND, "the file '%.300s' cannot be read", path);
    if (f != stdin) fclose(f); /* analyzer: the standard input stays open */
    return why.code == WN_OK ? WN_OK : wn_fail(err, why.code, "%s", why.text);
}
