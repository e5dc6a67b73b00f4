/* One model folder to one model in memory; knows no HTTP, and of engines only how to let them go. */
#include "models.h"

#include "spelling.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MANIFEST_BYTES (256 << 10)
#define LABELS_BYTES (8 << 20)
#define LABEL_BYTES 256
#define TICK_NS 20000000 /* longer than a tick of any kernel */

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

/* Where a model's files lie. own: its folder; above: of a version, the folder that its versions share, else -1. */
struct place {
    int own, above, why; /* why: errno where own could not be opened */
    size_t most_bytes;
};

/* A version's own file, or the one that all versions share. */
static enum wn_code read_file(struct wn_model *m, const struct place *at, int which, const char *name, size_t most,
                              struct wn_buffer *out, struct wn_error *err)
{
    struct wn_error own = {0};
    enum wn_code code = wn_read_beneath(at->own, name, most, out, &m->stamps[which], &own);
    if (code == WN_NOT_FOUND && at->above >= 0)
        return wn_read_beneath(at->above, name, most, out, &m->stamps[which], err);
    return code == WN_OK ? code : wn_fail(err, code, "%s", own.text);
}

static enum wn_code load_labels(struct wn_model *m, const struct place *at, struct wn_error *err)
{
    struct wn_buffer text = {0};
    enum wn_code code = read_file(m, at, 2, m->manifest.labels, LABELS_BYTES, &text, err);
    if (code == WN_OK) code = split_labels(m, (const char *)text.data, text.size, err);
    wn_buffer_finish(&text);
    if (code != WN_OK) m->labels = NULL; /* all or none */
    return code;
}

static enum wn_code load_graph(struct wn_model *m, const struct place *at, struct wn_error *err)
{
    struct wn_buffer file = {0};
    struct wn_graph_options options = {.input = m->manifest.input,
                                       .output = m->manifest.output,
                                       .height = m->manifest.height,
                                       .width = m->manifest.width};
    float dark[3], bright[3], low[3], high[3];
    wn_preprocess_level(&m->manifest.preprocess, 0, dark);
    wn_preprocess_level(&m->manifest.preprocess, 255, bright);
    for (int c = 0; c < 3; c++) low[c] = fminf(dark[c], bright[c]), high[c] = fmaxf(dark[c], bright[c]);
    options.low = low;
    options.high = high;
    options.n_bounds = 3;
    options.bgr = m->manifest.preprocess.order == WN_CHANNELS_BGR;
    struct place own = {.own = at->own, .above = -1}; /* a version without a network of its own is none */
    size_t most = (size_t)wn_graph_limits_default().file_bytes;
    enum wn_code code = read_file(m, &own, 1, m->manifest.model, most, &file, err);
    if (code == WN_OK && file.size > at->most_bytes)
        code = wn_fail(
            err, WN_NO_MEMORY,
            "the network's file has %.1f MB and %.1f MB of model_memory_mb are free: unload a model, or allow more",
            (double)file.size / 1e6, (double)at->most_bytes / 1e6);
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
    m->classes = wn_graph_classes(m->graph) > 1 ? wn_graph_classes(m->graph) : 2; /* one output: no and yes */
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

static enum wn_code set_name(struct wn_model *m, const char *version, struct wn_error *err)
{
    struct wn_manifest *mf = &m->manifest;
    char folder[65];
    snprintf(folder, sizeof folder, "%s", m->name);
    if (mf->name) snprintf(m->name, sizeof m->name, "%s", mf->name);
    if (!mf->name && !wn_is_model_name(folder))
        return wn_fail(err, WN_BAD_MODEL,
                       "manifest.json: 'name' is missing, and the folder's own is not one that a model can have");
    mf->name = m->name;
    if (version && mf->has_version && strcmp(mf->version, version) != 0 && m->stamps[0].inode != m->shared_manifest)
        return wn_fail(err, WN_BAD_MODEL, "manifest.json says version '%.64s' and its folder is '%.64s'", mf->version,
                       version);
    snprintf(m->version, sizeof m->version, "%s", version ? version : mf->version);
    mf->version = m->version;
    return WN_OK;
}

static enum wn_code load_manifest(struct wn_model *m, const struct place *at, const char *version, struct wn_error *err)
{
    struct wn_buffer text = {0};
    enum wn_code code = read_file(m, at, 0, "manifest.json", MANIFEST_BYTES, &text, err);
    if (code == WN_OK) code = wn_manifest_parse((const char *)text.data, text.size, &m->manifest, err);
    wn_buffer_finish(&text);
    return code == WN_OK ? set_name(m, version, err) : code;
}

static bool same_file(const struct wn_model *m, const struct place *at, int which, const char *name)
{
    static const struct wn_stamp none;
    struct wn_stamp now = wn_stamp_of(at->own, name);
    if (wn_stamp_same(&now, &none) && at->above >= 0) now = wn_stamp_of(at->above, name);
    return wn_stamp_same(&now, &m->stamps[which]);
}

static bool same_files(const struct wn_model *m, const struct place *at)
{
    return same_file(m, at, 0, "manifest.json") && m->manifest.model && same_file(m, at, 1, m->manifest.model) &&
           same_file(m, at, 2, m->manifest.labels);
}

/* A file may change twice within a tick of the clock that stamps it: look again only when that tick is over. */
static void let_tick_pass(const struct wn_model *m)
{
    struct timespec now, pause = {0, TICK_NS};
    clock_gettime(CLOCK_REALTIME, &now);
    for (int i = 0; i < WN_MODEL_FILES; i++) {
        const struct timespec *t = &m->stamps[i].changed;
        long long age = (now.tv_sec - t->tv_sec) * 1000000000LL + now.tv_nsec - t->tv_nsec;
        if (age > TICK_NS) continue;
        nanosleep(&pause, NULL);
        return;
    }
}

/* Files that are replaced one by one could be of two versions: all must still be the same when the last is read. */
static enum wn_code check_settled(const struct wn_model *m, const struct place *at, struct wn_error *err)
{
    let_tick_pass(m);
    if (same_files(m, at)) return WN_OK;
    return wn_fail(err, WN_BAD_MODEL, "the files changed while they were read; load it again when they are complete");
}

/* Opens the folder, and for "signs/2" the one above; returns the version, NULL where the folder is none. */
static const char *open_place(const char *folder, int parent, struct place *at)
{
    char above[256];
    const char *slash = strchr(folder, '/');
    at->own = wn_open_folder(parent, folder);
    at->why = at->own < 0 ? errno : 0;
    at->above = -1;
    if (!slash) return NULL;
    snprintf(above, sizeof above, "%.*s", (int)(slash - folder), folder);
    at->above = wn_open_folder(parent, above);
    return slash + 1;
}

static void close_place(const struct place *at)
{
    if (at->own >= 0) close(at->own);
    if (at->above >= 0) close(at->above);
}

static struct wn_model *make(const char *folder)
{
    static _Atomic uint64_t serials;
    struct wn_model *m = calloc(1, sizeof *m);
    if (!m) return NULL;
    m->serial = atomic_fetch_add(&serials, 1) + 1;
    m->most_images = m->preferred = 1;
    m->layer = -1;
    snprintf(m->folder, sizeof m->folder, "%s", folder);
    snprintf(m->name, sizeof m->name, "%.*s", (int)strcspn(folder, "/"), folder); /* until the manifest says better */
    return m;
}

struct wn_model *wn_model_read(int parent, const char *folder, size_t most_bytes)
{
    struct wn_model *m = make(folder);
    struct place at = {.most_bytes = most_bytes};
    if (!m) return NULL;
    const char *version = open_place(folder, parent, &at);
    if (version) {
        snprintf(m->version, sizeof m->version, "%.64s", version);
        m->shared_manifest = wn_stamp_of(at.above, "manifest.json").inode;
    }
    if (at.own < 0)
        wn_fail(&m->why, at.why == ENOENT || at.why == ELOOP || at.why == ENOTDIR ? WN_NOT_FOUND : WN_BAD_MODEL,
                "the folder cannot be opened: %s",
                at.why == ELOOP || at.why == ENOTDIR ? "links are not followed" : strerror(at.why));
    else if (load_manifest(m, &at, version, &m->why) == WN_OK && load_graph(m, &at, &m->why) == WN_OK &&
             check(m, &m->why) == WN_OK && load_labels(m, &at, &m->why) == WN_OK)
        check_settled(m, &at, &m->why);
    close_place(&at);
    atomic_store(&m->state, m->why.code == WN_OK ? WN_MODEL_LOADING : WN_MODEL_FAILED);
    return m;
}

struct wn_model *wn_model_placeholder(const char *folder, const char *name, const char *version,
                                      enum wn_model_state state)
{
    struct wn_model *m = make(folder);
    if (!m) return NULL;
    if (name) snprintf(m->name, sizeof m->name, "%s", name);
    if (version) snprintf(m->version, sizeof m->version, "%s", version);
    if (state == WN_MODEL_LOADING) wn_fail(&m->why, WN_NOT_READY, "it is being loaded");
    if (state == WN_MODEL_UNLOADED) wn_fail(&m->why, WN_NOT_READY, "unloaded");
    atomic_store(&m->state, state);
    return m;
}

bool wn_model_is_current(const struct wn_model *m, int parent)
{
    struct place at = {0};
    open_place(m->folder, parent, &at);
    bool same = at.own >= 0 && same_files(m, &at);
    close_place(&at);
    return same;
}

void wn_model_destroy(struct wn_model *m)
{
    if (!m) return;
    for (int i = 0; i < m->n_engines; i++) wn_engine_destroy(m->engines[i]);
    free(m->engines);
    wn_graph_destroy(m->graph);
    wn_manifest_finish(&m->manifest);
    free(m);
}

/* ---- looking ---- */

bool wn_model_is_ready(const struct wn_model *m)
{
    return atomic_load(&m->state) == WN_MODEL_READY;
}

const char *wn_model_state_name(const struct wn_model *m)
{
    static const char *const names[] = {"loading", "ready", "failed", "unloaded"};
    return names[atomic_load(&m->state)];
}

int wn_model_class(const struct wn_model *m, const char *label)
{
    return wn_spelled(m->labels, m->classes, label);
}

const struct wn_layer *wn_model_layer(const struct wn_model *m)
{
    return m->graph && m->labels && m->layer >= 0 ? wn_graph_layer(m->graph, m->layer) : NULL;
}

int wn_model_run_size(const struct wn_model *m, int waiting)
{
    int most = waiting < m->most_images ? waiting : m->most_images, best = most;
    double least = 0;
    for (int i = 0; i < WN_MODEL_SIZES && 1 << i < 2 * most && m->run_us[i]; i++) {
        int n = 1 << i < most ? 1 << i : most; /* a run of 5 takes as long as one of 8 */
        double each = (double)m->run_us[i] / n;
        if (i > 0 && each >= least) continue;
        least = each;
        best = n;
    }
    return best;
}
