/* The things that are timed: engines of ours, the bare oneDNN stack, PyTorch in a process of its own. */
#include "bench.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bare.h"

/* ---- engines ---- */

/* One engine serves several subjects: forward alone, and each number of questions. */
struct engine {
    struct wn_engine *engine;
    int holders, batch, classes;
    int most; /* questions of one call */
    float *pixels, *logits;
    const float **images;
    struct wn_question *questions;
    struct wn_answer *answers;
    struct wn_stack *fresh; /* batch: of the last run, in whose memory the next one makes its own */
    struct wn_error *errors;
    struct wn_stack stack; /* of the first picture, made when a subject asks for it alone */
    float *map;
};

static void engine_destroy(struct engine *e)
{
    if (!e || --e->holders > 0) return;
    wn_engine_destroy(e->engine);
    free(e->pixels);
    free(e->logits);
    free(e->images);
    free(e->questions);
    free(e->answers);
    for (int i = 0; i < e->batch && e->fresh; i++) wn_stack_finish(&e->fresh[i]);
    free(e->fresh);
    free(e->errors);
    wn_stack_finish(&e->stack);
    free(e->map);
    free(e);
}

static void engine_finish(struct subject *s)
{
    engine_destroy(s->state);
}

/* Noise is as good as a picture: no step looks at the numbers. */
static void make_pictures(struct engine *e, size_t pixels)
{
    uint64_t x = 88172645463325252u;
    for (size_t i = 0; i < pixels * (size_t)e->batch; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        e->pixels[i] = (float)(int32_t)(x >> 32) * (2.0f / 2147483648.0f);
    }
    for (int i = 0; i < e->batch; i++) e->images[i] = e->pixels + (size_t)i * pixels;
}

static void make_questions(struct engine *e, const struct wn_method *method, const struct wn_contrast *contrast)
{
    for (int i = 0; i < e->most; i++) {
        e->questions[i] = (struct wn_question){.layer = WN_LAYER_AUTO,
                                               .method = method,
                                               .contrast = contrast ? contrast : wn_contrast_find("weighted"),
                                               .target = i % e->classes};
    }
    for (int i = 0; i < e->most && method->settings >> WN_SETTING_STEPS & 1; i++)
        wn_setting_set(&e->questions[i].settings, WN_SETTING_STEPS, "32", NULL);
}

/* A contrast that was chosen need not go with the method, or may want a number: said before anything is timed. */
static enum wn_code try_question(struct engine *e, struct wn_error *err)
{
    const struct wn_batch batch = {1, e->images, 1, e->questions, NULL, NULL, NULL};
    struct wn_answer *a = &e->answers[0];
    enum wn_code code = wn_engine_explain(e->engine, &batch, e->logits, a, NULL, err);
    if (code == WN_OK && a->error.code != WN_OK) code = wn_fail(err, a->error.code, "%s", a->error.text);
    wn_answer_finish(a);
    memset(a, 0, sizeof *a);
    return code;
}

static struct engine *engine_create(struct wn_graph *graph, const struct bench_options *o, enum wn_precision precision,
                                    struct wn_error *err)
{
    size_t pixels = (size_t)(wn_graph_channels(graph) * wn_graph_height(graph) * wn_graph_width(graph));
    struct engine *e = calloc(1, sizeof *e);
    struct wn_engine_options how = {.backend = o->backend, .device = {.precision = precision, .threads = o->threads}};
    if (!e) return wn_fail(err, WN_NO_MEMORY, "no memory for the bench"), NULL;
    if (o->whole) how.max_images = o->batch;
    how.resident = o->resident;
    e->holders = 1;
    e->batch = o->batch;
    e->classes = wn_graph_classes(graph);
    e->pixels = malloc(pixels * (size_t)o->batch * sizeof *e->pixels);
    e->logits = malloc((size_t)e->classes * (size_t)o->batch * sizeof *e->logits);
    e->images = calloc((size_t)o->batch, sizeof *e->images);
    e->most = o->batch;
    for (int i = 0; i < o->n_foils; i++)
        if (o->foils[i] > e->most / o->batch) e->most = o->foils[i] * o->batch;
    e->questions = calloc((size_t)e->most, sizeof *e->questions);
    e->answers = calloc((size_t)e->most, sizeof *e->answers);
    e->fresh = calloc((size_t)o->batch, sizeof *e->fresh);
    e->errors = calloc((size_t)o->batch, sizeof *e->errors);
    bool ready = e->pixels && e->logits && e->images && e->questions && e->answers && e->fresh && e->errors;
    if (!ready) wn_fail(err, WN_NO_MEMORY, "no memory for the bench");
    if (!ready || wn_engine_create(graph, &how, &e->engine, err) != WN_OK) {
        engine_destroy(e);
        return NULL;
    }
    make_pictures(e, pixels);
    make_questions(e, o->method, o->contrast);
    if (o->contrast && try_question(e, err) != WN_OK) {
        engine_destroy(e);
        return NULL;
    }
    return e;
}

/* Around what is timed: both do nothing where the backend has no clock of its own. */
static void start_lap(struct engine *e)
{
    wn_engine_lap(e->engine, NULL, NULL);
}

static void end_lap(struct subject *s)
{
    const struct engine *e = s->state;
    if (wn_engine_lap(e->engine, &s->lap, NULL) != WN_OK) s->lap = -1;
}

/* arg: questions about each image; 0 is the forward pass alone. */
static double engine_run(struct subject *s)
{
    struct engine *e = s->state;
    struct wn_error err = {0};
    const int n = s->arg * e->batch;
    struct wn_batch batch = {e->batch, e->images, n, e->questions, NULL, NULL, NULL};
    struct wn_backend_traits traits;
    for (int i = 0; i < n; i++) e->questions[i].image = i % e->batch;
    start_lap(e);
    double start = bench_now_ms();
    enum wn_code code = wn_engine_explain(e->engine, &batch, e->logits, e->answers, NULL, &err);
    double ms = bench_now_ms() - start;
    end_lap(s);
    s->answers = 0;
    for (int i = 0; i < n; i++) {
        s->answers += e->answers[i].map != NULL;
        if (e->answers[i].error.code != WN_OK && code == WN_OK) {
            code = e->answers[i].error.code;
            wn_fail(&err, code, "%s", e->answers[i].error.text);
        }
        wn_answer_finish(&e->answers[i]);
        memset(&e->answers[i], 0, sizeof e->answers[i]);
    }
    wn_engine_traits(e->engine, &traits);
    s->stages = traits.stages, s->captured = traits.captured;
    memcpy(s->walked, traits.walked, sizeof s->walked);
    s->plain = traits.plain;
    memcpy(s->refused, traits.refused, sizeof s->refused);
    if (code == WN_OK) return ms;
    fprintf(stderr, "%s: %s\n", s->name, err.text);
    return -1;
}

struct wn_engine *bench_engine_of(const struct subject *s)
{
    return ((const struct engine *)s->state)->engine;
}

/* ---- every class at once ---- */

/* "Why the prediction, rather than Q?" for n foils Q, from a stack alone. */
static void pairs_of_stack(struct engine *e, const struct wn_stack *stack, const float *logits, int n)
{
    int p = wn_argmax(logits, e->classes);
    for (int q = 0, done = 0; q < e->classes && done < n; q++) {
        if (q == p) continue;
        wn_stack_pair(stack, p, q, e->map);
        done++;
    }
}

/* The stack of the first picture, and room for its contrasts. */
static enum wn_code keep_stack(struct engine *e, struct wn_error *err)
{
    if (e->map) return WN_OK;
    enum wn_code code = e->stack.maps ? WN_OK
                                      : wn_engine_stack(e->engine, e->images[0], WN_LAYER_AUTO, e->questions[0].method,
                                                        e->logits, &e->stack, err);
    if (code != WN_OK) return code;
    e->map = malloc((size_t)(e->stack.h * e->stack.w) * sizeof *e->map);
    return e->map ? WN_OK : wn_fail(err, WN_NO_MEMORY, "no memory for a contrast of the stack");
}

/* Stacks of all pictures, and n contrasts of each. */
static enum wn_code fresh_stacks(struct engine *e, int n, struct wn_error *err)
{
    enum wn_code code = wn_engine_stacks(e->engine, e->images, e->batch, WN_LAYER_AUTO, e->questions[0].method,
                                         e->logits, e->fresh, e->errors, err);
    for (int i = 0; i < e->batch; i++) {
        if (code == WN_OK && e->errors[i].code != WN_OK)
            code = wn_fail(err, e->errors[i].code, "%s", e->errors[i].text);
        if (code == WN_OK) pairs_of_stack(e, &e->fresh[i], e->logits + (size_t)i * (size_t)e->classes, n);
    }
    return code;
}

/* arg: contrasts of each of the stacks just made; negative: how many of the stack that is there already. */
static double stack_run(struct subject *s)
{
    struct engine *e = s->state;
    struct wn_error err = {0};
    enum wn_code code = keep_stack(e, &err);
    start_lap(e);
    double start = bench_now_ms();
    if (code == WN_OK && s->arg < 0)
        pairs_of_stack(e, &e->stack, e->logits, -s->arg);
    else if (code == WN_OK)
        code = fresh_stacks(e, s->arg, &err);
    double ms = bench_now_ms() - start;
    if (s->arg >= 0) end_lap(s);
    if (code == WN_OK) return ms;
    fprintf(stderr, "%s: %s\n", s->name, err.text);
    return -1;
}

/* Mean and variance over all foils, at the picture's size, from the stack that is there. */
static double statistics_run(struct subject *s)
{
    struct engine *e = s->state;
    struct wn_statistics all;
    struct wn_error err = {0};
    enum wn_code code = keep_stack(e, &err);
    double start = bench_now_ms();
    if (code == WN_OK)
        code = wn_engine_statistics(e->engine, &e->stack, e->logits, WN_TARGET_PREDICTED,
                                    wn_contrast_find("cross-entropy"), WN_STATISTICS_MASKS, 224, 224, &all, &err);
    double ms = bench_now_ms() - start;
    if (code != WN_OK) {
        fprintf(stderr, "%s: %s\n", s->name, err.text);
        return -1;
    }
    wn_statistics_finish(&all);
    return ms;
}

/* Only where the maps of classes add up and lie at a layer. What is kept is of one picture. */
static void add_stack(struct bench *b, struct engine *e, enum wn_precision precision)
{
    unsigned flags = e->questions[0].method->flags;
    static const struct {
        const char *name;
        double (*run)(struct subject *s);
        int arg;
        bool kept;
    } rows[] = {{"stack", stack_run, 0, false},
                {"999 contrasts", stack_run, 999, false},
                {"cached pair", stack_run, -1, true},
                {"all-foil masks", statistics_run, 0, true}};
    if (e->classes < 2 || !(flags & WN_METHOD_LINEAR) || flags & WN_METHOD_INPUT) return;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char name[48];
        if (rows[i].kept && e->batch != 1) continue;
        snprintf(name, sizeof name, "own %s %s", wn_precision_name(precision), rows[i].name);
        struct subject *s = bench_add(b, name);
        if (!s) return;
        e->holders++;
        s->state = e;
        s->arg = rows[i].arg;
        s->run = rows[i].run;
        s->finish = engine_finish;
    }
}

enum wn_code bench_add_engine(struct bench *b, struct wn_graph *graph, const struct bench_options *o,
                              enum wn_precision precision, struct wn_error *err)
{
    struct engine *e = engine_create(graph, o, precision, err);
    if (!e) return err->code;
    for (int i = -1; i < o->n_foils; i++) {
        char name[48];
        int questions = i < 0 ? 0 : o->foils[i];
        if (i < 0)
            snprintf(name, sizeof name, "own %s forward", wn_precision_name(precision));
        else
            snprintf(name, sizeof name, "own %s explain %d", wn_precision_name(precision), questions);
        struct subject *s = bench_add(b, name);
        if (!s) break;
        e->holders++;
        s->state = e;
        s->arg = questions;
        s->run = engine_run;
        s->finish = engine_finish;
    }
    add_stack(b, e, precision);
    engine_destroy(e);
    return WN_OK;
}

/* ---- the bare stack ---- */

static double run_bare(struct subject *s)
{
    double start = bench_now_ms();
    bare_run(s->state);
    return bench_now_ms() - start;
}

static void finish_bare(struct subject *s)
{
    bare_destroy(s->state);
}

void bench_add_bare(struct bench *b, struct wn_graph *graph, const struct bench_options *o)
{
    static const struct {
        const char *name;
        bool any, bf16;
    } rows[] = {{"bare f32 any", true, false}, {"bare f32 nhwc", false, false}, {"bare bf16 nhwc", false, true}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (o->batch != 1 || (rows[i].bf16 && o->n_precisions < 2)) continue;
        struct bare *bare = bare_create(graph, rows[i].any, rows[i].bf16, o->threads);
        struct subject *s = bare ? bench_add(b, rows[i].name) : NULL;
        if (!s) continue;
        s->state = bare;
        s->run = run_bare;
        s->finish = finish_bare;
    }
}

/* ---- PyTorch ---- */

struct torch {
    FILE *to, *from;
    pid_t pid;
    int holders;
};

/* What it is told, and (behind "torch ") what its row is called. */
static const char *const torch_runs[] = {"forward", "explain", "compiled forward", "compiled explain"};

static double run_torch(struct subject *s)
{
    struct torch *t = s->state;
    char line[64];
    fprintf(t->to, "%s\n", torch_runs[s->arg]);
    fflush(t->to);
    return fgets(line, sizeof line, t->from) ? strtod(line, NULL) : -1;
}

static void leave_torch(struct torch *t)
{
    if (--t->holders > 0) return;
    fclose(t->to);
    fclose(t->from);
    waitpid(t->pid, NULL, 0);
    free(t);
}

static void finish_torch(struct subject *s)
{
    leave_torch(s->state);
}

/* torchvision's name for a model file, by how the name begins. */
static const char *arch_of(const char *model)
{
    static const char *const rows[][2] = {
        {"resnet18", "resnet18"},        {"resnet50", "resnet50"}, {"squeezenet10", "squeezenet1_0"},
        {"mobilenetv2", "mobilenet_v2"}, {"vgg16", "vgg16"},       {"densenet121", "densenet121"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strncmp(model, rows[i][0], strlen(rows[i][0])) == 0) return rows[i][1];
    return NULL;
}

/* Spawned and not forked: CUDA is in this process by now. A fork would share its pages, those that the device reads and
 * writes too, until either side writes to them and takes them from under it. */
static int spawn_torch(const struct bench_options *o, const char *arch, int in, int out, pid_t *pid)
{
    char threads[16], batch[16], limit[48];
    const bool cpu = strcmp(o->torch_device, "cpu") == 0;
    snprintf(threads, sizeof threads, "%d", o->threads);
    snprintf(batch, sizeof batch, "%d", o->batch);
    snprintf(limit, sizeof limit, "OPENBLAS_NUM_THREADS=%d", o->threads);
    /* Debian's default BLAS is the slow reference one: beating that would be no achievement. */
    const char *const libraries = cpu ? "LD_LIBRARY_PATH=/usr/lib/x86_64-linux-gnu/openblas-pthread:"
                                        "/usr/lib/aarch64-linux-gnu/openblas-pthread"
                                      : limit;
    const char *const args[] = {"env",
                                limit,
                                libraries,
                                o->python,
                                o->torch,
                                "--arch",
                                arch,
                                "--threads",
                                threads,
                                "--batch",
                                batch,
                                "--method",
                                o->method->name,
                                "--clock",
                                o->cpu_time ? "process_time" : "perf_counter",
                                "--device",
                                o->torch_device,
                                "--precision",
                                cpu ? "f32" : wn_precision_name(o->precisions[0]),
                                o->torch_compile ? "--compile" : NULL,
                                NULL};
    posix_spawn_file_actions_t ends;
    int why = posix_spawn_file_actions_init(&ends);
    if (why) return why;
    why = posix_spawn_file_actions_adddup2(&ends, in, 0);
    if (!why) why = posix_spawn_file_actions_adddup2(&ends, out, 1);
    if (!why) why = posix_spawnp(pid, "env", &ends, NULL, (char *const *)args, environ);
    posix_spawn_file_actions_destroy(&ends);
    return why;
}

static void close_both(const int *ends)
{
    close(ends[0]);
    close(ends[1]);
}

static struct torch *torch_process(const struct bench_options *o, const char *arch)
{
    int to[2], from[2];
    struct torch *t = calloc(1, sizeof *t);
    if (!t || pipe2(to, O_CLOEXEC)) return free(t), NULL;
    if (pipe2(from, O_CLOEXEC)) return close_both(to), free(t), NULL;
    if (spawn_torch(o, arch, to[0], from[1], &t->pid)) return close_both(to), close_both(from), free(t), NULL;
    close(to[0]);
    close(from[1]);
    t->to = fdopen(to[1], "w");
    t->from = fdopen(from[0], "r");
    t->holders = 1;
    return t;
}

static struct torch *start_torch(const struct bench_options *o, const char *arch)
{
    char line[64] = "";
    signal(SIGPIPE, SIG_IGN);
    struct torch *t = torch_process(o, arch);
    if (!t) return fputs("PyTorch is not measured: no memory or descriptors for it\n", stderr), NULL;
    if (t->to && t->from && fgets(line, sizeof line, t->from) && strcmp(line, "ready\n") == 0) return t;
    fprintf(stderr, "%s does not start with %s\n", o->torch, o->python);
    if (t->to) fclose(t->to);
    if (t->from) fclose(t->from);
    waitpid(t->pid, NULL, 0);
    free(t);
    return NULL;
}

static void add_torch_run(struct bench *b, struct torch *t, int run)
{
    char name[48];
    snprintf(name, sizeof name, "torch %s", torch_runs[run]);
    struct subject *s = bench_add(b, name);
    if (!s) return;
    t->holders++;
    s->state = t;
    s->arg = run;
    s->run = run_torch;
    s->finish = finish_torch;
}

/* It says of each of the two whether it works, once it has tried. */
static void add_compiled(struct bench *b, struct torch *t)
{
    for (int i = 0; i < 2; i++) {
        char line[sizeof b->lacking[i]] = "PyTorch ended while it compiled";
        const bool told = fgets(line, sizeof line, t->from) != NULL;
        line[strcspn(line, "\n\"\\")] = 0;
        if (told && strcmp(line, "works") == 0)
            add_torch_run(b, t, 2 + i);
        else
            snprintf(b->lacking[i], sizeof b->lacking[i], "%s", line[0] ? line : "no reason given");
    }
}

void bench_add_torch(struct bench *b, const struct bench_options *o)
{
    const char *arch = arch_of(b->model);
    struct torch *t = arch ? start_torch(o, arch) : NULL;
    if (!t) return;
    add_torch_run(b, t, 0);
    add_torch_run(b, t, 1);
    if (o->torch_compile) add_compiled(b, t);
    leave_torch(t);
}
