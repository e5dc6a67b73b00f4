/* Options from flags, environment and file, all through one table; knows no meaning of any option. */
#include "config.h"

#include "exits.h"
#include "jsonload.h"
#include "nearest.h"

#include <ctype.h>
#include <media/image.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES 65536
#define NAME_BYTES 64

enum kind { KIND_TEXT, KIND_COUNT, KIND_SWITCH };

static const struct option {
    const char *name;
    enum kind kind;
    size_t offset;
    const char *standard;
    int64_t least, most;
    const char *summary;
} options[] = {
#define TEXT(name, def, summary) {#name, KIND_TEXT, offsetof(struct wn_config, name), def, 0, 0, summary},
#define COUNT(name, def, least, most, summary)                                                                         \
    {#name, KIND_COUNT, offsetof(struct wn_config, name), #def, least, most, summary},
#define SWITCH(name, def, summary) {#name, KIND_SWITCH, offsetof(struct wn_config, name), #def, 0, 0, summary},
#include "options.def"
#undef TEXT
#undef COUNT
#undef SWITCH
};
#define OPTIONS ((int)(sizeof options / sizeof *options))

/* "max-body-bytes" and "MAX_BODY_BYTES" are both "max_body_bytes". */
static void canonical(const char *name, size_t n, char out[NAME_BYTES])
{
    if (n >= NAME_BYTES) n = NAME_BYTES - 1;
    for (size_t i = 0; i < n; i++) out[i] = name[i] == '-' ? '_' : (char)tolower((unsigned char)name[i]);
    out[n] = 0;
}

static const struct option *find(const char *name, const char *where, struct wn_error *err)
{
    const char *names[OPTIONS], *best[1];
    for (int i = 0; i < OPTIONS; i++) {
        names[i] = options[i].name;
        if (strcmp(name, options[i].name) == 0) return &options[i];
    }
    if (wn_nearest_names(name, names, OPTIONS, best, 1))
        wn_fail(err, WN_BAD_REQUEST, "%s: there is no option '%s'; did you mean '%s'?", where, name, best[0]);
    else
        wn_fail(err, WN_BAD_REQUEST, "%s: there is no option '%s'; --help lists them", where, name);
    return NULL;
}

static enum wn_code set_count(int64_t *out, const struct option *o, int64_t v, const char *where, struct wn_error *err)
{
    if (v < o->least || v > o->most)
        return wn_fail(err, WN_BAD_REQUEST, "%s: %s must lie between %lld and %lld", where, o->name,
                       (long long)o->least, (long long)o->most);
    *out = v;
    return WN_OK;
}

static enum wn_code set_text(struct wn_config *config, const struct option *o, const char *v, const char *where,
                             struct wn_error *err)
{
    void *field = (char *)config + o->offset;
    if (o->kind == KIND_TEXT) {
        if (strlen(v) >= sizeof config->host) return wn_fail(err, WN_BAD_REQUEST, "%s: %s is too long", where, o->name);
        strcpy(field, v);
        return WN_OK;
    }
    if (o->kind == KIND_COUNT) {
        char *end;
        long long n = strtoll(v, &end, 10);
        if (end == v || *end) return wn_fail(err, WN_BAD_REQUEST, "%s: %s takes a whole number", where, o->name);
        return set_count(field, o, n, where, err);
    }
    bool yes = strcmp(v, "true") == 0 || strcmp(v, "1") == 0, no = strcmp(v, "false") == 0 || strcmp(v, "0") == 0;
    if (!yes && !no) return wn_fail(err, WN_BAD_REQUEST, "%s: %s takes true or false", where, o->name);
    *(bool *)field = yes;
    return WN_OK;
}

static enum wn_code set_json(struct wn_config *config, const struct option *o, const json_t *v, const char *where,
                             struct wn_error *err)
{
    void *field = (char *)config + o->offset;
    if (o->kind == KIND_TEXT && json_is_string(v)) return set_text(config, o, json_string_value(v), where, err);
    if (o->kind == KIND_COUNT && json_is_integer(v)) return set_count(field, o, json_integer_value(v), where, err);
    if (o->kind == KIND_SWITCH && json_is_boolean(v)) {
        *(bool *)field = json_is_true(v);
        return WN_OK;
    }
    static const char *const wanted[] = {"a string", "a whole number", "true or false"};
    return wn_fail(err, WN_BAD_REQUEST, "%s: %s must be %s", where, o->name, wanted[o->kind]);
}

/* A line whose first characters are // is a comment; it becomes blank, so that error positions stay true. */
static void blank_comments(char *text)
{
    for (char *line = text; *line;) {
        char *end = line + strcspn(line, "\n"), *first = line + strspn(line, " \t");
        if (first[0] == '/' && first[1] == '/') memset(line, ' ', (size_t)(end - line));
        line = *end ? end + 1 : end;
    }
}

static enum wn_code read_text(const char *path, char *text, struct wn_error *err)
{
    FILE *f = fopen(path, "r");
    if (!f) return wn_fail(err, WN_BAD_REQUEST, "the configuration file %s cannot be opened", path);
    size_t n = fread(text, 1, FILE_BYTES, f);
    bool whole = !ferror(f);
    fclose(f);
    if (!whole) return wn_fail(err, WN_BAD_REQUEST, "the configuration file %s cannot be read", path);
    if (n == FILE_BYTES) return wn_fail(err, WN_BAD_REQUEST, "%s is longer than %d bytes", path, FILE_BYTES);
    text[n] = 0;
    if (strlen(text) != n) return wn_fail(err, WN_BAD_REQUEST, "%s holds a zero byte", path);
    return WN_OK;
}

static enum wn_code load_file(const char *path, struct wn_config *config, struct wn_error *err)
{
    json_error_t why;
    bool starved;
    json_t *root = NULL;
    char *text = malloc(FILE_BYTES + 1);
    if (!text) return wn_fail(err, WN_NO_MEMORY, "no memory to read %s", path);
    enum wn_code code = read_text(path, text, err);
    if (code != WN_OK) goto free_text;
    blank_comments(text);
    root = wn_json_load(text, strlen(text), &why, &starved);
    if (starved) {
        code = wn_fail(err, WN_NO_MEMORY, "no memory to read %s", path);
        goto free_text;
    }
    if (!json_is_object(root)) {
        code = wn_fail(err, WN_BAD_REQUEST, "%s, line %d: %s", path, root ? 1 : why.line,
                       root ? "an object { } is wanted" : why.text);
        goto free_json;
    }
    const char *key;
    json_t *value;
    json_object_foreach (root, key, value) {
        const struct option *o = find(key, path, err);
        code = o ? set_json(config, o, value, path, err) : WN_BAD_REQUEST;
        if (code != WN_OK) break;
        config->source[o - options] = WN_SOURCE_FILE;
    }
free_json:
    json_decref(root);
free_text:
    free(text);
    return code;
}

static enum wn_code load_environment(struct wn_config *config, struct wn_error *err)
{
    for (int i = 0; i < OPTIONS; i++) {
        char name[NAME_BYTES + 8] = "WHYNOT_";
        for (size_t k = 0; options[i].name[k]; k++) name[7 + k] = (char)toupper((unsigned char)options[i].name[k]);
        const char *value = getenv(name);
        if (value && set_text(config, &options[i], value, name, err) != WN_OK) return WN_BAD_REQUEST;
        if (value) config->source[i] = WN_SOURCE_ENVIRONMENT;
    }
    return WN_OK;
}

static bool is_switched(const char *word)
{
    return word && (strcmp(word, "true") == 0 || strcmp(word, "false") == 0);
}

/* One flag: "--name=value", "--name value", or "--name" alone for a switch, which takes the next word only if it is
 * true or false. *i steps over what was taken. */
static enum wn_code take_flag(int argc, char **argv, int *i, struct wn_config *config, struct wn_error *err)
{
    const char *arg = argv[*i];
    size_t n = strcspn(arg, "=");
    char name[NAME_BYTES];
    canonical(arg + 2, n - 2, name);
    bool is_file = strcmp(name, "config") == 0;
    const struct option *o = is_file ? NULL : find(name, "command line", err);
    if (!o && !is_file) return WN_BAD_REQUEST;
    const char *value = arg[n] ? arg + n + 1 : NULL;
    if (!value && o && o->kind == KIND_SWITCH && !(*i + 1 < argc && is_switched(argv[*i + 1]))) value = "true";
    if (!value && ++*i < argc) value = argv[*i];
    if (!value) return wn_fail(err, WN_BAD_REQUEST, "command line: --%s wants a value", name);
    if (o) config->source[o - options] = WN_SOURCE_FLAG;
    return o ? set_text(config, o, value, "command line", err) : WN_OK;
}

static enum wn_code load_flags(int argc, char **argv, struct wn_config *config, struct wn_error *err)
{
    bool have_folder = false;
    for (int i = 1; i < argc; i++) {
        enum wn_code code;
        if (strncmp(argv[i], "--", 2) == 0 && argv[i][2])
            code = take_flag(argc, argv, &i, config, err);
        else if (argv[i][0] == '-' || have_folder)
            code = wn_fail(err, WN_BAD_REQUEST, "command line: '%.64s' is not understood; --help lists the options",
                           argv[i]);
        else
            code = (have_folder = true, set_text(config, &options[WN_OPTION_models], argv[i], "command line", err));
        if (code != WN_OK) return code;
    }
    if (have_folder) config->source[WN_OPTION_models] = WN_SOURCE_FLAG;
    return WN_OK;
}

static const char *file_flag(int argc, char **argv)
{
    const char *path = getenv("WHYNOT_CONFIG");
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--config=", 9) == 0) path = argv[i] + 9;
        if (strcmp(argv[i], "--config") == 0 && i + 1 < argc) path = argv[i + 1];
    }
    return path;
}

enum wn_code wn_config_load(int argc, char **argv, struct wn_config *config, enum wn_config_wish *wish,
                            struct wn_error *err)
{
    *wish = WN_CONFIG_RUN;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) *wish = WN_CONFIG_HELP;
        if (strcmp(argv[i], "--version") == 0) *wish = WN_CONFIG_VERSION;
    }
    if (*wish != WN_CONFIG_RUN) return WN_OK;
    memset(config, 0, sizeof *config);
    for (int i = 0; i < OPTIONS; i++) set_text(config, &options[i], options[i].standard, "default", err);
    const char *path = file_flag(argc, argv);
    enum wn_code code = path ? load_file(path, config, err) : WN_OK;
    if (code != WN_OK) return code;
    if (load_environment(config, err) != WN_OK) return WN_BAD_REQUEST;
    return load_flags(argc, argv, config, err);
}

void wn_config_help(FILE *out)
{
    fputs(
        "usage: whynotd [MODELS] [--option value]...\n\n"
        "Keeps networks resident and answers over HTTP why they said P, rather than Q.\n\n"
        "Each option may be a flag (--max-body-bytes 1000), an environment variable (WHYNOT_MAX_BODY_BYTES) or a key\n"
        "of the JSON file named by --config (\"max_body_bytes\"); a flag wins over the environment, that over the "
        "file. A switch (default true or false) may stand alone, for true.\n\n"
        "  --config FILE (also WHYNOT_CONFIG)\n      JSON; lines that start with // are comments\n"
        "  --help, --version\n",
        out);
    for (int i = 0; i < OPTIONS; i++) {
        char flag[NAME_BYTES];
        size_t k = 0;
        for (; options[i].name[k]; k++) flag[k] = options[i].name[k] == '_' ? '-' : options[i].name[k];
        flag[k] = 0;
        fprintf(out, "  --%s (default %s)\n      %s\n", flag, options[i].standard, options[i].summary);
    }
    fputs("\nexit codes:\n", out);
#define X(name, number, words) fprintf(out, "  %-4d%s\n", number, words);
    WN_EXITS(X)
#undef X
}

struct wn_image_limits wn_config_image_limits(const struct wn_config *config)
{
    struct wn_image_limits limits = wn_image_limits_default;
    limits.max_pixels = config->max_pixels;
    limits.max_side = (int)config->max_side;
    return limits;
}

const struct wn_config_row *wn_config_row(int i)
{
    static const struct wn_config_row rows[] = {
#define TEXT(name, def, summary) {#name, def, summary, WN_ROW_TEXT},
#define COUNT(name, def, least, most, summary) {#name, #def, summary, WN_ROW_COUNT},
#define SWITCH(name, def, summary) {#name, #def, summary, WN_ROW_SWITCH},
#include "options.def"
#undef TEXT
#undef COUNT
#undef SWITCH
    };
    return i >= 0 && i < OPTIONS ? &rows[i] : NULL;
}

void wn_config_value(const struct wn_config *config, int i, char *out, size_t size)
{
    const struct option *o = &options[i];
    const void *field = (const char *)config + o->offset;
    if (o->kind == KIND_TEXT) snprintf(out, size, "%s", (const char *)field);
    if (o->kind == KIND_COUNT) snprintf(out, size, "%lld", (long long)*(const int64_t *)field);
    if (o->kind == KIND_SWITCH) snprintf(out, size, "%s", *(const bool *)field ? "true" : "false");
}
