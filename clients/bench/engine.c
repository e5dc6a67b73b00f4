/* `whynot-bench engine`: reads the options, builds the subjects of each model, measures them in one run. */
#include "bench.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- measuring ---- */

static clockid_t bench_clock = CLOCK_MONOTONIC;

double bench_now_ms(void)
{
    struct timespec t;
    clock_gettime(bench_clock, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

struct subject *bench_add(struct bench *b, const char *name)
{
    if (b->n >= BENCH_MAX_SUBJECTS) return NULL;
    struct subject *s = &b->subjects[b->n++];
    snprintf(s->name, sizeof s->name, "%s", name);
    return s;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

double bench_median(double *ms, int rounds)
{
    qsort(ms, (size_t)rounds, sizeof *ms, by_value);
    return rounds % 2 ? ms[rounds / 2] : (ms[rounds / 2 - 1] + ms[rounds / 2]) / 2;
}

static void summarise(struct subject *s, int rounds)
{
    s->median = bench_median(s->ms, rounds);
    s->low = s->ms[rounds / 4];
    s->high = s->ms[rounds - 1 - rounds / 4];
    s->device = bench_median(s->device_ms, rounds);
    if (s->device_ms[0] < 0) s->device = 0; /* not every run had one */
}

/* Threads that spin behind one subject must not steal from the next. */
static void rest(int ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
    if (ms > 0) nanosleep(&t, NULL);
}

void bench_measure(struct bench *b, int rounds, int pause_ms)
{
    int order[BENCH_MAX_SUBJECTS], n = b->n;
    srand(1);
    b->rounds = rounds < BENCH_MAX_ROUNDS ? rounds : BENCH_MAX_ROUNDS;
    for (int i = 0; i < n; i++) order[i] = i;
    for (int r = -2; r < b->rounds; r++) { /* two rounds to warm up */
        for (int i = n - 1; i > 0; i--) {
            int j = rand() % (i + 1), k = order[i];
            order[i] = order[j];
            order[j] = k;
        }
        for (int i = 0; i < n; i++) {
            struct subject *s = &b->subjects[order[i]];
            rest(pause_ms);
            s->lap = -1;
            double ms = s->median < 0 ? -1 : s->run(s);
            if (ms < 0) s->median = -1;
            if (r >= 0) s->ms[r] = ms, s->device_ms[r] = s->lap;
        }
    }
    for (int i = 0; i < b->n; i++)
        if (b->subjects[i].median >= 0) summarise(&b->subjects[i], b->rounds);
}

const struct subject *bench_find(const struct bench *b, const char *name)
{
    for (int i = 0; i < b->n; i++)
        if (strcmp(b->subjects[i].name, name) == 0) return b->subjects[i].median > 0 ? &b->subjects[i] : NULL;
    return NULL;
}

void bench_finish(struct bench *b)
{
    for (int i = 0; i < b->n; i++) b->subjects[i].finish(&b->subjects[i]);
}

/* ---- models ---- */

static void model_name(const char *path, char *name, size_t size)
{
    const char *slash = strrchr(path, '/');
    snprintf(name, size, "%s", slash ? slash + 1 : path);
    char *dot = strrchr(name, '.');
    if (dot) *dot = 0;
}

static void device_name(const struct bench_options *o, char *name, size_t size)
{
    struct wn_backend_options how = {.threads = o->threads, .precision = o->precisions[0]};
    struct wn_backend_traits traits;
    struct wn_backend *be;
    struct wn_error err = {0};
    snprintf(name, size, "?");
    if (wn_backend_open(o->backend, &how, &be, &err) != WN_OK) {
        fprintf(stderr, "%s: %s\n", o->backend, err.text);
        return;
    }
    be->impl->traits(be, &traits);
    snprintf(name, size, "%s", traits.device_name);
    wn_backend_close(be);
}

static int list_steps(const char *path, const struct bench_options *o, bool first)
{
    struct wn_graph *graph;
    struct wn_error err = {0};
    char device[128], name[64];
    if (wn_graph_load(path, NULL, &graph, &err) != WN_OK) return fprintf(stderr, "%s: %s\n", path, err.text), 1;
    model_name(path, name, sizeof name);
    device_name(o, device, sizeof device);
    int status = bench_steps(graph, name, o, o->precisions[0], device, first);
    for (int i = 1; i < o->n_precisions && !status; i++)
        status = bench_steps(graph, name, o, o->precisions[i], device, false);
    wn_graph_destroy(graph);
    return status;
}

static int measure_model(const char *path, const struct bench_options *o, bool first)
{
    if (o->steps) return list_steps(path, o, first);
    struct wn_graph *graph = NULL;
    struct wn_error err = {0};
    char device[128];
    int status = 1;
    struct bench *b = calloc(1, sizeof *b);
    if (!b) return 1;
    model_name(path, b->model, sizeof b->model);
    if (wn_graph_load(path, NULL, &graph, &err) != WN_OK) goto out;
    for (int i = 0; i < o->n_precisions; i++) {
        if (bench_add_engine(b, graph, o, o->precisions[i], &err) == WN_OK) continue;
        if (i == 0) goto out;
        fprintf(stderr, "%s: without %s: %s\n", b->model, wn_precision_name(o->precisions[i]), err.text);
        memset(&err, 0, sizeof err);
    }
    if (o->bare) bench_add_bare(b, graph, o);
    if (o->torch) bench_add_torch(b, o);
    bench_measure(b, o->rounds, o->pause_ms);
    bench_map_errors(b, graph, o);
    device_name(o, device, sizeof device);
    bench_report(b, o, device, first);
    status = 0;
out:
    if (status) fprintf(stderr, "%s: %s\n", path, err.text);
    bench_finish(b);
    wn_graph_destroy(graph);
    free(b);
    return status;
}

static int is_model(const struct dirent *d)
{
    size_t n = strlen(d->d_name);
    return n > 5 && strcmp(d->d_name + n - 5, ".onnx") == 0;
}

static int measure_folder(const struct bench_options *o, struct dirent **files, int n)
{
    char path[4096];
    int status = 0, done = 0;
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s", o->path, files[i]->d_name);
        int failed = measure_model(path, o, done == 0);
        done += !failed;
        status |= failed;
        free(files[i]);
    }
    free(files);
    return status;
}

/* ---- options ---- */

static int usage(void)
{
    fprintf(stderr,
            "usage: whynot-bench engine --model FILE.onnx|FOLDER [options]\n"
            "  --backend NAME   row of the backend table (default onednn)\n"
            "  --threads N      of one run (default 1)\n"
            "  --batch N        images of one call (default 1)\n"
            "  --foils A,B,..   questions about each image, up to 8 numbers (default 1,10)\n"
            "  --method NAME    of the explanations (default gradcam)\n"
            "  --contrast NAME  of them, against the rival that is nearest where it takes one (default weighted)\n"
            "  --rounds N       shuffled rounds, medians are taken (default 21)\n"
            "  --pause-ms N     rest before each run (default 5)\n"
            "  --precisions L   of the engines, apart by commas; those that the device lacks are left out (default "
            "f32,bf16)\n"
            "  --torch FILE     tests/bench/torch_engine.py: measures PyTorch beside\n"
            "  --torch-device D cpu or cuda; there in the first of the precisions (default cpu, in f32)\n"
            "  --torch-compile  and what torch.compile makes of it; where it fails, a row says why\n"
            "  --python FILE    its interpreter (default /usr/bin/python3)\n"
            "  --resident       the pictures lie on the device when the clock starts\n"
            "  --whole-batch    one run for all images of a call, also where the backend asks for fewer\n"
            "  --steps N        lists what each step of the programs costs instead, by the clock, and the N that take "
            "longest; for the first of the foils\n"
            "  --cpu-time       count processor time instead: steadier on a shared machine, for one thread only\n"
            "  --no-bf16 (--precisions f32), --no-bare, --json\n");
    return 2;
}

static bool read_foils(struct bench_options *o, const char *text)
{
    o->n_foils = 0;
    do {
        char *end;
        const long n = strtol(text, &end, 10);
        if (end == text || (*end && *end != ',') || n < 1 || n > 10000 ||
            o->n_foils == (int)(sizeof o->foils / sizeof *o->foils))
            return false;
        o->foils[o->n_foils++] = (int)n;
        text = end + (*end == ',');
    } while (*text);
    return true;
}

static bool read_precisions(struct bench_options *o, const char *text)
{
    o->n_precisions = 0;
    while (*text && o->n_precisions < 4) {
        char name[8] = "";
        const size_t n = strcspn(text, ",");
        if (n >= sizeof name) return false;
        memcpy(name, text, n);
        enum wn_precision precision = wn_precision_find(name);
        if (precision == WN_PRECISION_DEFAULT) return false;
        o->precisions[o->n_precisions++] = precision;
        text += n + (text[n] == ',');
    }
    return o->n_precisions > 0 && !*text;
}

static bool read_flag(struct bench_options *o, const char *arg)
{
    if (strcmp(arg, "--json") == 0)
        o->json = true;
    else if (strcmp(arg, "--cpu-time") == 0)
        o->cpu_time = true;
    else if (strcmp(arg, "--no-bf16") == 0)
        o->n_precisions = 1;
    else if (strcmp(arg, "--torch-compile") == 0)
        o->torch_compile = true;
    else if (strcmp(arg, "--resident") == 0)
        o->resident = true;
    else if (strcmp(arg, "--whole-batch") == 0)
        o->whole = true;
    else if (strcmp(arg, "--no-bare") == 0)
        o->bare = false;
    else
        return false;
    return true;
}

static bool read_whole(const char *text, int *out)
{
    char *end;
    long n = strtol(text, &end, 10);
    if (end == text || *end || n < 0 || n > 1000000) return false;
    *out = (int)n;
    return true;
}

static bool read_option(struct bench_options *o, const char *name, const char *value)
{
    if (strcmp(name, "--model") == 0)
        o->path = value;
    else if (strcmp(name, "--backend") == 0)
        o->backend = value;
    else if (strcmp(name, "--method") == 0)
        o->method = wn_method_find(value);
    else if (strcmp(name, "--contrast") == 0)
        return (o->contrast = wn_contrast_find(value)) != NULL;
    else if (strcmp(name, "--torch") == 0)
        o->torch = value;
    else if (strcmp(name, "--torch-device") == 0)
        o->torch_device = value;
    else if (strcmp(name, "--precisions") == 0)
        return read_precisions(o, value);
    else if (strcmp(name, "--python") == 0)
        o->python = value;
    else if (strcmp(name, "--threads") == 0)
        return read_whole(value, &o->threads);
    else if (strcmp(name, "--batch") == 0)
        return read_whole(value, &o->batch);
    else if (strcmp(name, "--rounds") == 0)
        return read_whole(value, &o->rounds);
    else if (strcmp(name, "--pause-ms") == 0)
        return read_whole(value, &o->pause_ms);
    else if (strcmp(name, "--steps") == 0)
        return read_whole(value, &o->steps);
    else if (strcmp(name, "--foils") == 0)
        return read_foils(o, value);
    else
        return false;
    return true;
}

static bool asks_too_much(const struct bench_options *o)
{
    enum { MOST = 1000000 };
    for (int i = 0; i < o->n_foils; i++) {
        if (o->foils[i] <= MOST / o->batch) continue;
        fprintf(stderr,
                "whynot-bench engine: %d questions about each of %d images are more than %d at once: take fewer foils "
                "or a smaller batch\n",
                o->foils[i], o->batch, MOST);
        return true;
    }
    return false;
}

int bench_engine(int argc, char **argv)
{
    struct bench_options o = {.backend = "onednn",
                              .method = wn_method_find("gradcam"),
                              .python = "/usr/bin/python3",
                              .rounds = 21,
                              .threads = 1,
                              .batch = 1,
                              .pause_ms = 5,
                              .foils = {1, 10},
                              .n_foils = 2,
                              .precisions = {WN_PRECISION_F32, WN_PRECISION_BF16},
                              .n_precisions = 2,
                              .torch_device = "cpu",
                              .bare = true};
    struct dirent **files;
    for (int i = 1; i < argc; i++) {
        if (read_flag(&o, argv[i])) continue;
        if (i + 1 >= argc || !read_option(&o, argv[i], argv[i + 1])) return usage();
        i++;
    }
    if (o.cpu_time) bench_clock = CLOCK_PROCESS_CPUTIME_ID;
    if (!o.path || !o.method || (o.cpu_time && o.threads != 1) || o.rounds < 1 || o.threads < 1 || o.batch < 1)
        return usage();
    if (o.steps && (o.cpu_time || o.torch)) {
        fputs("whynot-bench engine: --steps has clocks of its own, and nobody beside it: leave --cpu-time and --torch "
              "out\n",
              stderr);
        return 2;
    }
    if (asks_too_much(&o)) return 2;
    int n = scandir(o.path, &files, is_model, alphasort);
    int status = n >= 0 ? measure_folder(&o, files, n) : measure_model(o.path, &o, true);
    return bench_report_end(&o) ? status : 1;
}
