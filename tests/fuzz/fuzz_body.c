/* libFuzzer: any bytes as a request that a head let through: its target in the first line, header lines, an empty
 * line, the body. It becomes questions in the way that its route says (a picture, a form, JSON, tensors, tasks of a
 * labeling project), and these are resolved against a small network. No picture is decoded. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gate.h>
#include <infer.h>
#include <inprocess.h>
#include <intake.h>
#include <label.h>
#include <resolve.h>

#include "nets.h"

#define MOST_HEADERS 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
const char *__wrap_wn_request_header(const struct wn_request *r, const char *name);

static struct wn_server *server;
static int keys; /* how many the server has; requests without Authorization meet one that has none */
static struct {
    const char *name[MOST_HEADERS], *value[MOST_HEADERS];
    int n;
} head;

/* Stands in for the one that asks the HTTP library (the linker's --wrap). */
const char *__wrap_wn_request_header(const struct wn_request *r, const char *name)
{
    (void)r;
    for (int i = 0; i < head.n; i++)
        if (strcasecmp(head.name[i], name) == 0) return head.value[i];
    return NULL;
}

/* ---- a server with one network and no sockets ---- */

static void write_file(const char *folder, const char *name, const void *data, size_t size)
{
    char path[256];
    snprintf(path, sizeof path, "%s/tiny/%s", folder, name);
    FILE *f = fopen(path, "wb");
    if (!f || fchmod(fileno(f), 0600) != 0 || fwrite(data, 1, size, f) != size || fclose(f) != 0) abort();
}

static void write_model(const char *folder, bool gone)
{
    static const char *const names[] = {"model.onnx", "labels.txt", "manifest.json", "keys"};
    static const char labels
        [] = "speed limit 30\nspeed limit 80\nstop\nyield\nno left turn\n",
  manifest[] = "{\"name\":\"tiny\",\"input\":{\"size\":[16,16]}}",
  list[] =
        "all predict,explain,admin aaaaaaaaaaaaaaaa high\nlow predict bbbbbbbbbbbbbbbb low\nread - cccccccccccccccc\n";
    char path[256];
    snprintf(path, sizeof path, "%s/tiny", folder);
    if (!gone && mkdir(path, 0700) != 0) abort();
    if (!gone) {
        struct wire model = nets[0].make();
        write_file(folder, names[0], model.data, model.n);
        write_file(folder, names[1], labels, sizeof labels - 1);
        write_file(folder, names[2], manifest, sizeof manifest - 1);
        write_file(folder, names[3], list, sizeof list - 1);
        wire_free(&model);
        return;
    }
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/tiny/%s", folder, names[i]);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/tiny", folder);
    rmdir(path);
    rmdir(folder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static struct wn_config config;
    struct wn_error err = {0};
    enum wn_config_wish wish;
    char folder[] = "/tmp/whynot-fuzz-XXXXXX", models[64], path[64];
    (void)argc;
    (void)argv;
    if (!mkdtemp(folder)) abort();
    snprintf(models, sizeof models, "--models=%s", folder);
    snprintf(path, sizeof path, "%s/tiny/keys", folder);
    char *options[] = {(char[]){"whynotd"}, models, (char[]){"--labeling-model=tiny"}, (char[]){"--labeling-folder=/"},
                       NULL};
    write_model(folder, false);
    if (wn_config_load(4, options, &config, &wish, &err) != WN_OK ||
        wn_inprocess_open(&config, NULL, &server, &err) != WN_OK || wn_keys_init(&server->keys, path, &err) != WN_OK) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    keys = atomic_load(&server->keys.n);
    write_model(folder, true);
    return 0;
}

/* ---- a request ---- */

/* Cuts the line at *at off, and steps over it. NULL: it is empty, or there is none. */
static char *take_line(char **at)
{
    char *line = *at, *end = line + strcspn(line, "\n");
    *at = *end ? end + 1 : end;
    *end = 0;
    return *line ? line : NULL;
}

static void read_head(char **at)
{
    for (char *line; (line = take_line(at));) {
        char *value = strstr(line, ": ");
        if (!value || head.n == MOST_HEADERS) continue;
        *value = 0;
        head.name[head.n] = line;
        head.value[head.n++] = value + 2;
    }
}

static enum wn_code intake(struct wn_request *r, struct wn_job *job)
{
    switch (r->route->body) {
    case WN_BODY_TENSORS: return wn_infer_intake(r, job);
    case WN_BODY_TASKS: return wn_label_intake(r, job);
    case WN_BODY_QUESTION:
    case WN_BODY_INSTANCES:
    case WN_BODY_PICTURE: return wn_intake(r, job);
    default: return wn_problem_set(&r->problem, NULL, WN_BAD_REQUEST, "no questions");
    }
}

static void check(const struct wn_problem *p, enum wn_code code)
{
    if (code == WN_INTERNAL || p->error.code != code || (code != WN_OK && !*p->error.text)) abort();
}

static void check_slot(const struct wn_request *r, const struct wn_slot *slot)
{
    const struct wn_slice *image = slot->ask.image;
    check(&slot->problem, slot->problem.error.code);
    if (slot->problem.error.code == WN_OK && (!slot->model || !image)) abort();
    if (image && !image->tensor && !image->path && image->size &&
        (image->data < r->body || image->data + image->size > r->body + r->body_size))
        abort();
    volatile char last = image && image->size ? image->data[image->size - 1] : 0; /* a tensor has memory of its own */
    (void)last;
}

static void ask(struct wn_request *r)
{
    struct wn_job *job = wn_job_create();
    if (!job) abort();
    r->job = job;
    enum wn_code code = intake(r, job);
    check(&r->problem, code);
    if (code == WN_OK) {
        if (job->n_slots < 1) abort();
        wn_resolve(r, job);
        for (int i = 0; i < job->n_slots; i++) check_slot(r, &job->slots[i]);
    }
    wn_job_destroy(job);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct wn_request r;
    char *text = malloc(size + 1), *at = text;
    if (!text) abort();
    memcpy(text, data, size);
    text[size] = 0;
    head.n = 0;
    char *target = take_line(&at);
    if (target) read_head(&at);
    char *query = target ? strchr(target, '?') : NULL;
    if (query) *query++ = 0;
    r = (struct wn_request){.server = server, .method = "POST", .uri = target ? target : (char[]){""}, .query = query};
    r.body_size = (size_t)(text + size - at);
    r.body = malloc(r.body_size ? r.body_size : 1); /* of its own size, so that a read behind it is seen */
    if (!r.body) abort();
    memcpy(r.body, at, r.body_size);
    atomic_store(&server->keys.n, wn_request_header(&r, "Authorization") ? keys : 0);
    enum wn_code code = wn_gate_address(&r);
    check(&r.problem, code);
    if (code == WN_OK) ask(&r);
    wn_models_release(r.models);
    wn_pool_finish(&r.pool);
    free(r.body);
    free(text);
    return 0;
}
