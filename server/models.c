/* Model folders to models in memory; knows no engine and no HTTP. */
#include "models.h"

#include "files.h"
#include "text.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define MOST_MODELS 256
#define MANIFEST_BYTES (256 << 10)
#define LABELS_BYTES (8 << 20)
#define LABEL_BYTES 256

static bool is_label(const char *s, size_t n)
{
    if (!n || n > LABEL_BYTES) return false;
    for (size_t i = 0; i < n;) {
        int length = wn_utf8_length(s + i, n - i);
        if (!length || (unsigned char)s[i] < 0x20 || s[i] == 0x7f) return false;
        i += (size_t)length;
    }
    return true;
}

static enum wn_code add_label(struct wn_model *m, int at, const char *line, size_t n, struct wn_error *err)
{
    if (n && line[n - 1] == '\r') n--;
    if (!is_label(line, n))
        return wn_fail(err, WN_BAD_MODEL,
                       "%.64s, line %d: a label is 1 to %d bytes of UTF-8 without control characters",
                       m->manifest.labels, at + 1, LABEL_BYTES);
    m->labels[at] = wn_pool_text(&m->manifest.pool, line, n);
    return m->labels[at] ? WN_OK : wn_fail(err, WN_NO_MEMORY, "no memory for the labels");
}

/* One label a line, in the order of the classes. */
static enum wn_code split_labels(struct wn_model *m, const char *text, size_t size, struct wn_error *err)
{
    int n = 0;
    const char *end = text + size, *line = text;
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        line += 3; /* a mark of some editors, no part of the first label */
    m->labels = wn_pool_array(&m->manifest.pool, (size_t)m->classes, sizeof *m->labels);
    if (!m->labels) return wn_fail(err, WN_NO_MEMORY, "no memory for the labels");
    while (line < end) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        if (!stop) stop = end;
        if (n < m->classes && add_label(m, n, line, (size_t)(stop - line), err) != WN_OK) return err->code;
        n++;
        line = stop + 1;
    }
    if (n != m->classes)
        return wn_fail(err, WN_BAD_MODEL, "%.64s has %d lines and the network %d classes", m->manifest.labels, n,
                       m->classes);
    return WN_OK;
}

static enum wn_code load_labels(struct wn_model *m, int folder, struct wn_error *err)
{
    struct wn_buffer text = {0};
    enum wn_code code = wn_read_beneath(folder, m->manifest.labels, LABELS_BYTES, &text, err);
    if (code == WN_OK) code = split_labels(m, (const char *)text.data, text.size, err);
    wn_buffer_finish(&text);
    if (code != WN_OK) m->labels = NULL; /* all or none */
    return code;
}

static enum wn_code load_graph(struct wn_model *m, int folder, struct wn_error *err)
{
    struct wn_buffer file = {0};
    struct wn_graph_options options = {.input = m->manifest.input,
                                       .output = m->manifest.output,
                                       .height = m->manifest.height,
                                       .width = m->manifest.width};
    size_t most = (size_t)wn_graph_limits_default().file_bytes;
    enum wn_code code = wn_read_beneath(folder, m->manifest.model, most, &file, err);
    if (code == WN_OK) code = wn_graph_parse(file.data, file.size, &options, &m->graph, err);
    wn_buffer_finish(&file);
    return code;
}

/* The profile and the graph must speak of the same input, the manifest and the graph of the same layer. */
static enum wn_code check(struct wn_model *m, struct wn_error *err)
{
    struct wn_manifest *mf = &m->manifest;
    int channels = wn_preprocess_channels(&mf->preprocess);
    long long c = wn_graph_channels(m->graph), h = wn_graph_height(m->graph), w = wn_graph_width(m->graph);
    m->classes = wn_graph_classes(m->graph);
    if (channels != c)
        return wn_fail(err, WN_BAD_MODEL, "manifest.json: the network takes %lld channels, input.channels gives %d", c,
                       channels);
    if (mf->height && (mf->height != h || mf->width != w))
        return wn_fail(err, WN_BAD_MODEL,
                       "manifest.json: the network takes %lld x %lld pixels, 'input' makes %d x %d (height x width)", h,
                       w, mf->height, mf->width);
    m->layer = wn_graph_find_layer(m->graph, mf->layer);
    if (m->layer < 0 &&
        strcmp(mf->layer, "auto") != 0) /* without an automatic layer there are still others, and the input */
        return wn_fail(err, WN_BAD_MODEL, "manifest.json: the network has no layer '%.128s' that can be explained",
                       mf->layer);
    wn_preprocess_hash(&mf->preprocess, m->preprocess_hash);
    return WN_OK;
}

static enum wn_code load_manifest(struct wn_model *m, int folder, struct wn_error *err)
{
    struct wn_buffer text = {0};
    enum wn_code code = wn_read_beneath(folder, "manifest.json", MANIFEST_BYTES, &text, err);
    if (code == WN_OK) code = wn_manifest_parse((const char *)text.data, text.size, &m->manifest, err);
    wn_buffer_finish(&text);
    if (code == WN_OK) snprintf(m->name, sizeof m->name, "%s", m->manifest.name);
    return code;
}

/* Fills one entry; a failure stays in it. */
static void load_one(struct wn_model *m, int parent, const char *subfolder)
{
    snprintf(m->name, sizeof m->name, "%.64s", subfolder); /* until the manifest says better */
    snprintf(m->folder, sizeof m->folder, "%s", subfolder);
    int folder = openat(parent, subfolder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        wn_fail(&m->why, WN_NOT_FOUND, "the folder cannot be opened");
    else if (load_manifest(m, folder, &m->why) == WN_OK && load_graph(m, folder, &m->why) == WN_OK &&
             check(m, &m->why) == WN_OK)
        load_labels(m, folder, &m->why);
    if (folder >= 0) close(folder);
    if (m->why.code != WN_OK) m->state = WN_MODEL_FAILED;
}

static int has_manifest(const struct dirent *entry, int parent)
{
    char name[300];
    snprintf(name, sizeof name, "%s/manifest.json", entry->d_name);
    return entry->d_name[0] != '.' && faccessat(parent, name, F_OK, 0) == 0;
}

static void refuse_twins(struct wn_models *models)
{
    for (int i = 1; i < models->n; i++)
        for (int k = 0; k < i; k++)
            if (strcmp(models->list[i].name, models->list[k].name) == 0) {
                wn_fail(&models->list[i].why, WN_BAD_MODEL, "another folder has a model of the same name");
                models->list[i].state = WN_MODEL_FAILED;
            }
}

enum wn_code wn_models_load(const char *folder, struct wn_models *models, struct wn_error *err)
{
    struct dirent **entries = NULL;
    enum wn_code code = WN_OK;
    *models = (struct wn_models){0};
    int parent = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0) return wn_fail(err, WN_NOT_FOUND, "there is no folder '%s' of models; --models names it", folder);
    int n = scandirat(parent, ".", &entries, NULL, alphasort);
    models->list = calloc(MOST_MODELS, sizeof *models->list);
    if (n < 0 || !models->list) code = wn_fail(err, WN_NO_MEMORY, "the folder '%s' cannot be read", folder);
    for (int i = 0; i < n; i++) {
        if (code == WN_OK && models->n < MOST_MODELS && has_manifest(entries[i], parent))
            load_one(&models->list[models->n++], parent, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    close(parent);
    refuse_twins(models);
    if (code == WN_OK && !models->n)
        code = wn_fail(err, WN_NOT_FOUND, "no subfolder of '%s' has a manifest.json; see docs/models.md", folder);
    return code;
}

void wn_models_finish(struct wn_models *models)
{
    for (int i = 0; i < models->n; i++) {
        wn_graph_destroy(models->list[i].graph);
        wn_manifest_finish(&models->list[i].manifest);
    }
    free(models->list);
    *models = (struct wn_models){0};
}

struct wn_model *wn_models_find(const struct wn_models *models, const char *name)
{
    for (int i = 0; i < models->n; i++)
        if (strcmp(models->list[i].name, name) == 0) return &models->list[i];
    return NULL;
}

int wn_models_ready(const struct wn_models *models)
{
    int ready = 0;
    for (int i = 0; i < models->n; i++) ready += atomic_load(&models->list[i].state) == WN_MODEL_READY;
    return ready;
}

int wn_model_class(const struct wn_model *m, const char *label)
{
    for (int i = 0; i < m->classes; i++)
        if (strcasecmp(m->labels[i], label) == 0) return i;
    return -1;
}

const struct wn_layer *wn_model_layer(const struct wn_model *m)
{
    return m->graph && m->labels && m->layer >= 0 ? wn_graph_layer(m->graph, m->layer) : NULL;
}
