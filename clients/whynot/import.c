/* `whynot import`: an ONNX file to a model folder: what it needs is looked for, asked for, tried, and only then
 * written. */
#include "pictures.h"
#include "preprocessor.h"

#include <errno.h>
#include <inprocess.h>
#include <jsonload.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <whynot/whynot.h>

struct importing {
    const struct cli *c;
    const char *path;
    char folder[PATH_MAX], name[65], target[PATH_MAX];
    char config[PATH_MAX]; /* the preprocessor's, where one was read */
    struct cli_input input;
    struct wn_graph *graph;
    struct wn_buffer labels; /* a line each */
    int n_labels;
    bool made_up; /* labels that nobody gave */
    size_t bytes; /* an engine's */
    char device[128], warning[WN_ERROR_TEXT];
};

/* ---- what lies beside the network ---- */

static json_t *beside(const struct importing *m, const char *given, const char *name, char *path, enum cli_exit *code)
{
    struct wn_buffer text = {0};
    struct wn_error err = {0};
    json_t *root = NULL;
    *code = CLI_OK;
    if (given && strcmp(given, "none") == 0) return NULL;
    snprintf(path, PATH_MAX, "%.4000s/%.60s", m->folder, name);
    if (given) snprintf(path, PATH_MAX, "%s", given);
    if (access(path, F_OK) != 0) {
        if (given) *code = cli_fail(CLI_USAGE, "there is no file '%s'", given);
        return NULL;
    }
    if (cli_read_file(path, &text, &err) != WN_OK) {
        *code = cli_fail_error(&err);
    } else if (wn_json_parse(text.data, text.size, &root, &err) != WN_OK) {
        *code = cli_fail(err.code == WN_NO_MEMORY ? CLI_FAILED : CLI_USAGE, "%s, %s", path, err.text);
    }
    wn_buffer_finish(&text);
    return root;
}

static enum cli_exit read_preprocessor(struct importing *m)
{
    char path[PATH_MAX];
    enum cli_exit code;
    struct wn_error err = {0};
    json_t *root = beside(m, cli_get(m->c, "preprocessor", NULL), "preprocessor_config.json", path, &code);
    if (root && cli_input_from_config(root, &m->input, &err) != WN_OK)
        code = cli_fail(CLI_USAGE, "%s: %s", path, err.text);
    if (root && code == CLI_OK) {
        memcpy(m->config, path, sizeof m->config);
        fprintf(stderr, "preprocessing from %s\n", path);
    }
    json_decref(root);
    return code;
}

static bool pair_of(const char *text, int out[2])
{
    char *end;
    long first = strtol(text, &end, 10), second = *end == 'x' ? strtol(end + 1, &end, 10) : first;
    if (*end || first < 1 || second < 1 || first > 8192 || second > 8192) return false;
    out[0] = (int)first;
    out[1] = (int)second;
    return true;
}

/* A word of an option that takes one of few; the option's own row lists them. */
static enum cli_exit take_word(const struct cli *c, const char *name, char *out, size_t size)
{
    const struct cli_option *o = NULL;
    const char *value = cli_get(c, name, NULL);
    if (!value) return CLI_OK;
    for (int i = 0; (o = cli_option_at(c->command, i)) && strcmp(o->name, name) != 0;) i++;
    size_t n = strlen(value);
    for (const char *at = o->complete; n && at && *at; at += strcspn(at, " "), at += *at == ' ')
        if (strncmp(at, value, n) == 0 && (at[n] == ' ' || !at[n])) return snprintf(out, size, "%s", value), CLI_OK;
    return cli_fail(CLI_USAGE, "--%s takes one of: %s", name, o->complete);
}

/* What is said on the command line wins over what lies beside the network. */
static enum cli_exit read_flags(struct importing *m)
{
    struct cli_input *in = &m->input;
    const char *size = cli_get(m->c, "size", NULL), *crop = cli_get(m->c, "crop", NULL);
    const char *mean = cli_get(m->c, "mean", NULL), *std = cli_get(m->c, "std", NULL),
               *scale = cli_get(m->c, "scale", NULL);
    double one[3];
    long side = in->short_side;
    if (size && !pair_of(size, in->size)) return cli_fail(CLI_USAGE, "--size takes HEIGHTxWIDTH, such as 224x224");
    if (crop && !pair_of(crop, in->crop)) return cli_fail(CLI_USAGE, "--crop takes HEIGHTxWIDTH, such as 224x224");
    if (mean && !(in->n_mean = cli_numbers(mean, in->mean)))
        return cli_fail(CLI_USAGE, "--mean takes one number or three with commas between");
    if (std && !(in->n_std = cli_numbers(std, in->std)))
        return cli_fail(CLI_USAGE, "--std takes one number or three with commas between");
    if (scale && cli_numbers(scale, one) != 1) return cli_fail(CLI_USAGE, "--scale takes one number");
    if (scale) in->scale = one[0];
    if (!cli_count(m->c, "short-side", 1, 8192, &side)) return CLI_USAGE;
    in->short_side = (int)side;
    enum cli_exit code = take_word(m->c, "resize", in->resize, sizeof in->resize);
    return code == CLI_OK ? take_word(m->c, "channels", in->channels, sizeof in->channels) : code;
}

/* ---- the network ---- */

static bool ask_size(struct importing *m)
{
    char line[64];
    if (!isatty(STDIN_FILENO)) return false;
    fprintf(stderr, "the network takes pictures of any size; which should it get? (224x224) ");
    if (!fgets(line, sizeof line, stdin)) return false;
    line[strcspn(line, "\n")] = 0;
    return pair_of(line[0] ? line : "224x224", m->input.size);
}

static enum wn_code load(struct importing *m, const int *size, struct wn_error *err)
{
    struct wn_graph_options options = {.input = cli_get(m->c, "input", NULL),
                                       .output = cli_get(m->c, "output-name", NULL),
                                       .height = size ? size[0] : 0,
                                       .width = size ? size[1] : 0};
    return wn_graph_load(m->path, &options, &m->graph, err);
}

static enum cli_exit load_graph(struct importing *m)
{
    struct wn_error err = {0};
    const int *size = m->input.crop[0] ? m->input.crop : m->input.size[0] ? m->input.size : NULL;
    enum wn_code code = load(m, size, &err);
    if (code != WN_OK) {
        if (code != WN_DYNAMIC_SIZE) return cli_fail(CLI_NO_MODEL, "%s: %s", m->path, err.text);
        if (!ask_size(m))
            return cli_fail(
                CLI_USAGE,
                "the network takes pictures of any size: --size says which it should get, such as --size 224x224");
        err = (struct wn_error){0};
        if (load(m, m->input.size, &err) != WN_OK) return cli_fail(CLI_NO_MODEL, "%s: %s", m->path, err.text);
    }
    long long c = wn_graph_channels(m->graph), w = wn_graph_width(m->graph), h = wn_graph_height(m->graph);
    if (c != 1 && c != 3 && (w == 1 || w == 3))
        return cli_fail(CLI_NO_MODEL,
                        "%s takes its pictures as (N, H, W, C), %lld x %lld x %lld: export it with channels first "
                        "(tf2onnx: --inputs-as-nchw)",
                        m->path, c, h, w);
    if (c != 1 && c != 3) return cli_fail(CLI_NO_MODEL, "%s takes %lld channels; pictures have 1 or 3", m->path, c);
    if (!m->input.channels[0]) strcpy(m->input.channels, c == 1 ? "GRAY" : "RGB");
    return CLI_OK;
}

/* ---- preprocessing that nobody has said ---- */

static void list_profiles(void)
{
    const struct wn_preprocess_profile *p;
    for (int i = 0; (p = wn_preprocess_profile_at(i)); i++) fprintf(stderr, "  %-12s %s\n", p->name, p->summary);
}

static const struct wn_preprocess_profile *ask_profile(void)
{
    char line[64];
    fprintf(stderr, "how were pictures made into input when the network was trained?\n");
    list_profiles();
    fprintf(stderr, "(center-crop) ");
    if (!fgets(line, sizeof line, stdin)) return NULL;
    line[strcspn(line, "\n")] = 0;
    return wn_preprocess_profile_find(line[0] ? line : "center-crop");
}

/* What was read and what it lacks: a file that is there is not called missing. */
static void say_what_is_unknown(const struct importing *m)
{
    bool no_mean = !m->input.n_mean, no_std = !m->input.n_std;
    const char *lacking = no_mean && no_std ? "image_mean and no image_std"
                          : no_mean         ? "image_mean"
                                            : "image_std",
               *flags = no_mean && no_std ? "--mean and --std"
                        : no_mean         ? "--mean"
                                          : "--std";
    if (m->config[0])
        cli_fail(CLI_USAGE,
                 "nothing says how pictures become input: %.200s has no %s, and there is no %s; or name a "
                 "--profile:",
                 m->config, lacking, flags);
    else
        cli_fail(CLI_USAGE, "nothing says how pictures become input: %s, no %s; or name a --profile:",
                 cli_has(m->c, "preprocessor") ? "no preprocessor's file was read"
                                               : "no preprocessor_config.json beside the network",
                 flags);
}

static enum cli_exit complete_input(struct importing *m)
{
    struct cli_input *in = &m->input, from = {0};
    int h = (int)wn_graph_height(m->graph), w = (int)wn_graph_width(m->graph);
    const char *name = cli_get(m->c, "profile", NULL);
    const struct wn_preprocess_profile *p = name ? wn_preprocess_profile_find(name) : NULL;
    bool known = in->n_mean && in->n_std;
    if (!name && !known && isatty(STDIN_FILENO)) p = ask_profile();
    if (!p && (name || !known)) {
        if (name)
            cli_fail(CLI_USAGE, "there is no profile '%s'; these are there:", name);
        else
            say_what_is_unknown(m);
        list_profiles();
        return CLI_USAGE;
    }
    cli_input_from_profile(p ? &p->preprocess : &wn_preprocess_profile_find("squash")->preprocess, h, w, &from);
    for (int i = 0; i < from.n_mean && !in->n_mean; i++) in->mean[i] = from.mean[i] + in->offset;
    if (!in->n_mean) in->n_mean = from.n_mean;
    for (int i = 0; i < from.n_std && !in->n_std; i++) in->std[i] = from.std[i] * (in->twice ? from.std[i] : 1);
    if (!in->n_std) in->n_std = from.n_std;
    if (in->scale == 0) in->scale = from.scale;
    if (!in->resize[0]) snprintf(in->resize, sizeof in->resize, "%s", from.resize);
    bool short_side = strcmp(in->resize, "short-side") == 0;
    if (short_side && !in->short_side) in->short_side = from.short_side ? from.short_side : h < w ? h : w;
    if (short_side && !in->crop[0]) in->crop[0] = h, in->crop[1] = w;
    if (!short_side && !in->size[0]) in->size[0] = h, in->size[1] = w;
    if (strcmp(in->channels, "GRAY") == 0 && (in->n_mean == 3 || in->n_std == 3))
        return cli_fail(CLI_USAGE, "the network takes grey pictures: give one number each with --mean and --std");
    return CLI_OK;
}

/* ---- labels ---- */

static enum cli_exit count_labels(struct importing *m, const char *path)
{
    for (size_t i = 0; i < m->labels.size; i++) m->n_labels += m->labels.data[i] == '\n';
    if (m->labels.size && m->labels.data[m->labels.size - 1] != '\n')
        m->n_labels++, wn_buffer_append(&m->labels, "\n", 1, NULL);
    int classes = wn_graph_classes(m->graph), wanted = classes == 1 ? 2 : classes;
    if (m->n_labels == wanted) return CLI_OK;
    return cli_fail(CLI_USAGE, "%s has %d labels and the network %d classes", path, m->n_labels, wanted);
}

/* A list of labels, or {"0": "tench", ...}. */
static enum cli_exit labels_of_json(struct importing *m, const json_t *names, const char *path)
{
    char key[24];
    size_t n = json_is_array(names) ? json_array_size(names) : json_object_size(names);
    for (size_t i = 0; i < n; i++) {
        snprintf(key, sizeof key, "%zu", i);
        const char *label =
            json_string_value(json_is_array(names) ? json_array_get(names, i) : json_object_get(names, key));
        if (!label || strchr(label, '\n')) return cli_fail(CLI_USAGE, "%s has no label for class %zu", path, i);
        wn_buffer_printf(&m->labels, NULL, "%s\n", label);
    }
    return m->labels.size ? count_labels(m, path) : CLI_OK;
}

/* "id2label" of a Hugging Face config.json. */
static enum cli_exit labels_of_config(struct importing *m)
{
    char path[PATH_MAX];
    enum cli_exit code;
    json_t *root = beside(m, NULL, "config.json", path, &code);
    if (code == CLI_OK) code = labels_of_json(m, json_object_get(root, "id2label"), path);
    json_decref(root);
    return code;
}

static enum cli_exit read_labels(struct importing *m)
{
    char path[PATH_MAX];
    struct wn_error err = {0};
    const char *given = cli_get(m->c, "labels", NULL);
    snprintf(path, sizeof path, "%.4000s/labels.txt", m->folder);
    if (given) snprintf(path, sizeof path, "%s", given);
    const char *dot = strrchr(path, '.');
    if (given && dot && strcmp(dot, ".json") == 0) {
        enum cli_exit code;
        json_t *root = beside(m, given, "", path, &code);
        if (code == CLI_OK) code = labels_of_json(m, root, path);
        if (code == CLI_OK && !m->labels.size)
            code = cli_fail(CLI_USAGE, "%s holds no labels: a list is wanted, or {\"0\": ...}", path);
        json_decref(root);
        return code;
    }
    if (given || access(path, F_OK) == 0) {
        if (cli_read_file(path, &m->labels, &err) != WN_OK) return cli_fail(CLI_USAGE, "%s", err.text);
        return count_labels(m, path);
    }
    enum cli_exit code = labels_of_config(m);
    if (code != CLI_OK || m->labels.size) return code;
    int classes = wn_graph_classes(m->graph);
    for (int i = 0; i < (classes == 1 ? 2 : classes); i++)
        if (wn_buffer_printf(&m->labels, &err, "class %d\n", i) != WN_OK) return cli_fail_error(&err);
    m->made_up = true;
    return CLI_OK;
}

/* ---- trying it ---- */

static enum cli_exit try_engine(struct importing *m)
{
    struct wn_engine *engine = NULL;
    struct wn_engine_options options = {.backend = "auto"};
    struct wn_backend_traits traits;
    struct wn_error err = {0};
    const char *layer = cli_get(m->c, "layer", "auto");
    if (wn_graph_find_layer(m->graph, layer) < 0 && strcmp(layer, "auto") != 0)
        return cli_fail(CLI_USAGE, "the network has no layer '%s' that can be explained", layer);
    if (wn_engine_create(m->graph, &options, &engine, &err) != WN_OK)
        return cli_fail(CLI_NO_MODEL, "%s: %s", m->path, err.text);
    wn_engine_traits(engine, &traits);
    m->bytes = traits.device_bytes;
    snprintf(m->device, sizeof m->device, "%s", traits.device_name);
    wn_engine_destroy(engine);
    return CLI_OK;
}

/* ---- writing ---- */

/* NULL: no memory. */
static json_t *manifest(const struct importing *m)
{
    json_t *root = json_pack("{ssssssss}", "name", m->name, "version", cli_get(m->c, "version", "1"), "model",
                             "model.onnx", "labels", "labels.txt");
    json_t *input = cli_input_manifest(&m->input);
    int lacking = 0;
    if (cli_has(m->c, "input")) lacking |= json_object_set_new(input, "name", json_string(cli_get(m->c, "input", "")));
    lacking |= json_object_set_new(root, "input", input);
    if (cli_has(m->c, "output-name"))
        lacking |= json_object_set_new(root, "output", json_pack("{ss}", "name", cli_get(m->c, "output-name", "")));
    lacking |= json_object_set_new(root, "layer", json_string(cli_get(m->c, "layer", "auto")));
    if (cli_has(m->c, "description"))
        lacking |= json_object_set_new(root, "description", json_string(cli_get(m->c, "description", "")));
    if (!lacking) return root;
    json_decref(root);
    return NULL;
}

static enum cli_exit write_file(const char *folder, const char *name, const void *data, size_t size)
{
    char path[PATH_MAX + 128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    bool good = f && fwrite(data, 1, size, f) == size;
    if (f && fclose(f) != 0) good = false;
    return good ? CLI_OK : cli_fail(CLI_FAILED, "'%s' cannot be written: %s", path, strerror(errno));
}

static enum cli_exit write_folder(const struct importing *m, const char *folder, const char *text)
{
    struct wn_buffer onnx = {0};
    struct wn_error err = {0};
    enum cli_exit code = write_file(folder, "manifest.json", text, strlen(text));
    if (code == CLI_OK) code = write_file(folder, "labels.txt", m->labels.data, m->labels.size);
    if (code == CLI_OK && cli_read_file(m->path, &onnx, &err) != WN_OK) code = cli_fail(CLI_FAILED, "%s", err.text);
    if (code == CLI_OK) code = write_file(folder, "model.onnx", onnx.data, onnx.size);
    wn_buffer_finish(&onnx);
    return code;
}

/* Read by the daemon's own reader before it gets its name. */
static enum cli_exit check_folder(const char *folder)
{
    struct wn_config config = {.max_queue_size = 1};
    struct wn_server *s = NULL;
    struct wn_error err = {0};
    enum wn_code code = wn_inprocess_open(&config, folder, &s, &err);
    wn_inprocess_close(s);
    return code == WN_OK ? CLI_OK : cli_fail(CLI_NO_MODEL, "%s", err.text);
}

static void remove_folder(const char *folder)
{
    static const char *const names[] = {"manifest.json", "labels.txt", "model.onnx"};
    char path[PATH_MAX + 128];
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

/* In a hidden folder first, so that a daemon that looks never sees half a model. */
static enum cli_exit write_model(const struct importing *m, const char *text)
{
    static char hidden[PATH_MAX], part[PATH_MAX + 80]; /* too large for a stack together */
    const char *to = cli_get(m->c, "to", "models");
    snprintf(hidden, sizeof hidden, "%.3900s/.importing-%ld", to, (long)getpid());
    snprintf(part, sizeof part, "%s/%s", hidden, m->name);
    if (mkdir(to, 0777) != 0 && errno != EEXIST)
        return cli_fail(CLI_FAILED, "the folder '%s' cannot be made: %s", to, strerror(errno));
    if (mkdir(hidden, 0777) != 0 || mkdir(part, 0777) != 0)
        return cli_fail(CLI_FAILED, "the folder '%s' cannot be made: %s", part, strerror(errno));
    enum cli_exit code = write_folder(m, part, text);
    if (code == CLI_OK) code = check_folder(part);
    if (code == CLI_OK && rename(part, m->target) != 0)
        code = cli_fail(CLI_FAILED, "'%s' cannot be made: %s", m->target, strerror(errno));
    if (code != CLI_OK) remove_folder(part);
    rmdir(hidden);
    return code;
}

/* ---- the command ---- */

static void say_what_was_found(const struct importing *m)
{
    int layer = wn_graph_find_layer(m->graph, cli_get(m->c, "layer", "auto"));
    const struct wn_layer *l = layer >= 0 ? wn_graph_layer(m->graph, layer) : NULL;
    fprintf(stderr, "input      %lld x %lld x %lld (channels, height, width), %s\n",
            (long long)wn_graph_channels(m->graph), (long long)wn_graph_height(m->graph),
            (long long)wn_graph_width(m->graph), m->input.channels);
    fprintf(stderr, "classes    %d%s\n", wn_graph_classes(m->graph),
            m->made_up ? "; no labels were found, they are called 'class 0' and so on: write labels.txt" : "");
    if (l)
        fprintf(stderr, "layer      %s (%s, %lld x %lld x %lld) of %d\n", l->name, l->op, (long long)l->channels,
                (long long)l->height, (long long)l->width, wn_graph_layers(m->graph));
    else
        fprintf(stderr,
                "layer      none by itself: ask for one of `whynot layers`, or for a method that explains the input\n");
    fprintf(stderr, "memory     %.1f MB of weights, %.1f MB for each engine on %s\n",
            (double)wn_graph_weight_bytes(m->graph) / 1e6, (double)m->bytes / 1e6, m->device);
    for (const char *at = m->input.notes; *at; at += strcspn(at, "\n"), at += *at == '\n')
        fprintf(stderr, "note       %.*s\n", (int)strcspn(at, "\n"), at);
}

static enum cli_exit choose_names(struct importing *m)
{
    char copy[PATH_MAX], base[256];
    if (m->c->n_operands != 1) return cli_fail(CLI_USAGE, "name one ONNX file");
    m->path = m->c->operands[0];
    snprintf(copy, sizeof copy, "%s", m->path);
    snprintf(m->folder, sizeof m->folder, "%s", dirname(copy));
    const char *slash = strrchr(m->path, '/');
    snprintf(base, sizeof base, "%s", slash ? slash + 1 : m->path);
    char *name = base, *dot = strrchr(name, '.');
    if (dot && dot != name) *dot = 0;
    if (strcmp(name, "model") == 0 && realpath(m->folder, copy)) name = basename(copy);
    snprintf(m->name, sizeof m->name, "%.64s", cli_get(m->c, "name", name));
    if (!wn_is_model_name(m->name))
        return cli_fail(
            CLI_USAGE, "'%s' cannot be a model's name (letters, digits, '.', '_', '-'): --name gives another", m->name);
    snprintf(m->target, sizeof m->target, "%.3000s/%s", cli_get(m->c, "to", "models"), m->name);
    if (access(m->target, F_OK) == 0 && !cli_has(m->c, "dry-run"))
        return cli_fail(CLI_USAGE, "'%s' is there already and is left as it is: remove it, or choose another --name",
                        m->target);
    return CLI_OK;
}

static enum cli_exit run(const struct cli *c)
{
    static struct importing m; /* paths: too large for a stack */
    m = (struct importing){.c = c};
    enum cli_exit code = choose_names(&m);
    if (code == CLI_OK) code = read_preprocessor(&m);
    if (code == CLI_OK) code = read_flags(&m);
    if (code == CLI_OK) code = load_graph(&m);
    if (code == CLI_OK) code = complete_input(&m);
    if (code == CLI_OK) code = read_labels(&m);
    if (code == CLI_OK) code = try_engine(&m);
    if (code == CLI_OK) {
        json_t *root = manifest(&m);
        char *text = json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
        say_what_was_found(&m);
        if (text)
            printf("%s\n", text);
        else
            code = cli_fail(CLI_FAILED, "no memory for the manifest");
        if (code == CLI_OK && !cli_has(c, "dry-run")) code = write_model(&m, text);
        if (code == CLI_OK && !cli_has(c, "dry-run"))
            fprintf(stderr, "written to %s; try: whynot explain PICTURE --model %s\n", m.target, m.target);
        free(text);
        json_decref(root);
    }
    wn_graph_destroy(m.graph);
    wn_buffer_finish(&m.labels);
    return code;
}

static const struct cli_option options[] = {
    {"to", 0, "FOLDER", "models", "Folder of models that gets the new one.", "folder"},
    {"name", 0, "NAME", "the file's, or its folder's where it is model.onnx", "Name of the model.", NULL},
    {"version", 0, "TEXT", "1", "Its version.", NULL},
    {"description", 0, "TEXT", NULL, "One sentence about it.", NULL},
    {"labels", 0, "FILE", "labels.txt or config.json beside the network",
     "The classes, one a line; a .json file is a list, or {\"0\": ...}.", "file"},
    {"preprocessor", 0, "FILE", "preprocessor_config.json beside the network",
     "What an image processor was configured with; none leaves it unread.", "file"},
    {"profile", 0, "NAME", NULL, "How pictures become input, where nothing beside the network says it.",
     "center-crop squash squash-noaa short-448 iqa-patch cem"},
    {"size", 0, "HxW", "the network's own", "Height and width of its input, for networks that take any.", NULL},
    {"resize", 0, "HOW", NULL, "How pictures get that size.", "squash squash-noaa short-side none"},
    {"short-side", 0, "PIXELS", NULL, "The short side, with --resize short-side.", NULL},
    {"crop", 0, "HxW", NULL, "What is cut from the centre afterwards.", NULL},
    {"scale", 0, "NUMBER", "1/255", "value = (pixel * scale - mean) / std.", NULL},
    {"mean", 0, "A,B,C", NULL, "One number, or one for each channel.", NULL},
    {"std", 0, "A,B,C", NULL, "The same.", NULL},
    {"channels", 0, "ORDER", "RGB, or GRAY for one channel", "The order in which the network wants them.",
     "RGB BGR GRAY"},
    {"layer", 0, "NAME", "auto", "The layer that is explained where a question names none.", NULL},
    {"input", 0, "NAME", "the graph's first", "The graph's picture input.", NULL},
    {"output-name", 0, "NAME", "the graph's first", "The graph's output with the logits.", NULL},
    {"dry-run", 'n', NULL, NULL, "Say what would be written, and write nothing.", NULL},
    CLI_OPTIONS_END};

const struct cli_command cli_import = {
    .name = "import",
    .operands = "MODEL.onnx",
    .summary = "Make a model folder from an ONNX file.",
    .text = "Finds the input's size and layout in the graph, and mean, std and resizing in a preprocessor_config.json "
            "beside it, in the flags, or by "
            "asking on a terminal. What of that file cannot be had here (a border, another filter) is a note. "
            "Operators that are not supported are listed by name. The manifest goes to standard "
            "output, what was found "
            "to standard error: layer, classes, memory that an engine needs here. The folder appears only when the "
            "daemon's own reader has "
            "taken it; one that is there already is never touched.",
    .example = "  whynot import resnet50/model.onnx --labels imagenet.txt --profile center-crop\n"
               "  whynot import convnext/model.onnx            # beside its preprocessor_config.json and config.json",
    .options = options,
    .run = run,
};
