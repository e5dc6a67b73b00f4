/* `whynot doctor`: whether this machine, this build and these models are fit to answer, and what to do where they
 * are not. */
#include "peer.h"
#include "selftest.h"

#include <config.h>
#include <inprocess.h>
#include <plan_cache.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <text.h>
#include <unistd.h>
#include <whynot/whynot.h>

#define LEAST_FREE_MB 512

struct visit {
    bool json, optional; /* optional: said, but nothing depends on it */
    int troubles;
    struct wn_text out; /* of JSON */
    const char *part;
};

/* ---- saying ---- */

static void say(void *arg, const struct wn_finding *f)
{
    struct visit *v = arg;
    v->troubles += f->mending && !v->optional;
    if (!v->json) {
        printf("%-4s %-10s %-28s %s\n", !f->mending ? "ok" : v->optional ? "--" : "!!", v->part, f->topic, f->value);
        if (f->mending) printf("     -> %s\n", f->mending);
        return;
    }
    wn_json_open(&v->out, '{');
    wn_json_key(&v->out, "part");
    wn_json_string(&v->out, v->part);
    wn_json_key(&v->out, "topic");
    wn_json_string(&v->out, f->topic);
    wn_json_key(&v->out, "value");
    wn_json_string(&v->out, f->value);
    wn_json_key(&v->out, "ok");
    wn_json_bool(&v->out, !f->mending);
    wn_json_key(&v->out, "needed");
    wn_json_bool(&v->out, !v->optional);
    wn_json_key(&v->out, "mending");
    wn_json_string(&v->out, f->mending);
    wn_json_close(&v->out, '}');
}

static void found(struct visit *v, const char *topic, const char *mending, const char *fmt, ...) WN_PRINTF(4, 5);
static void found(struct visit *v, const char *topic, const char *mending, const char *fmt, ...)
{
    char text[700];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    say(v, &(struct wn_finding){topic, text, mending});
}

/* ---- the machine ---- */

/* The rest of the first line that begins with key, behind ':' or spaces; "" where there is none. */
static void line_of(const char *path, const char *key, char *out, size_t size)
{
    char *line = NULL;
    size_t room = 0;
    FILE *f = fopen(path, "r");
    out[0] = 0;
    while (f && !out[0] && getline(&line, &room, f) > 0) {
        if (strncmp(line, key, strlen(key)) != 0) continue;
        const char *rest = line + strlen(key);
        rest += strspn(rest, ": \t");
        snprintf(out, size, "%.*s", (int)strcspn(rest, "\n"), rest);
    }
    free(line);
    if (f) fclose(f);
}

static bool has_word(const char *text, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = text; (at = strstr(at, word)); at += n)
        if ((at == text || at[-1] == ' ') && (at[n] == ' ' || !at[n])) return true;
    return false;
}

static void check_processor(struct visit *v)
{
    static const char *const wanted[] = {"sse4_1",      "avx2",     "fma",   "avx512f", "avx512_vnni",
                                         "avx512_bf16", "amx_tile", "asimd", "sve",     "bf16"};
    char name[160], flags[8192], have[200] = "";
    line_of("/proc/cpuinfo", "model name", name, sizeof name);
    line_of("/proc/cpuinfo", "flags", flags, sizeof flags);
    if (!flags[0]) line_of("/proc/cpuinfo", "Features", flags, sizeof flags);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (has_word(flags, wanted[i]))
            snprintf(have + strlen(have), sizeof have - strlen(have), "%s%s", have[0] ? " " : "", wanted[i]);
    found(v, "processor", NULL, "%s", name[0] ? name : "unknown");
    found(v, "instructions", NULL, "%s", have[0] ? have : "none of those that are made use of");
}

/* What the control group allows: "max 100000", or "150000 100000" for one and a half cores. */
static double quota(void)
{
    char text[64] = "";
    double most = 0, period = 0;
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "r");
    /* analyzer: the kernel writes numbers, or "max" */
    if (f && fgets(text, sizeof text, f) && sscanf(text, "%lf %lf", &most, &period) != 2) most = period = 0;
    if (f) fclose(f);
    return period > 0 ? most / period : 0;
}

static void check_cores(struct visit *v)
{
    cpu_set_t set;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int usable = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : (int)cores;
    double allowed = quota();
    bool fewer = allowed > 0 && allowed + 0.5 < usable;
    char text[64] = "";
    if (allowed > 0) snprintf(text, sizeof text, ", %.1f allowed by the control group", allowed);
    found(v, "cores",
          fewer            ? "more workers than cores only wait for each other: set --workers to what is allowed"
          : usable < cores ? "this process may not use all cores: set --workers to those it may"
                           : NULL,
          "%ld, %d usable%s", cores, usable, text);
}

static void check_memory(struct visit *v)
{
    char text[64];
    line_of("/proc/meminfo", "MemAvailable", text, sizeof text);
    long long mb = strtoll(text, NULL, 10) / 1024;
    found(v, "memory",
          mb < LEAST_FREE_MB ? "a large network needs more: free memory, or serve small networks only" : NULL,
          "%lld MiB available", mb);
}

static void check_files(struct visit *v, const struct wn_config *config)
{
    struct rlimit limit = {0};
    char mending[200];
    getrlimit(RLIMIT_NOFILE, &limit);
    rlim_t need = (rlim_t)config->max_connections + 64;
    snprintf(mending, sizeof mending,
             "whynotd allows %lld connections: `ulimit -n %llu` before it starts, or a smaller --max-connections",
             (long long)config->max_connections, (unsigned long long)need);
    found(v, "open files", limit.rlim_max < need ? mending : NULL, "%llu at once, at most %llu",
          (unsigned long long)limit.rlim_cur, (unsigned long long)limit.rlim_max);
    char plan_cache[WN_PLAN_CACHE_BYTES];
    struct wn_error why = {0};
    const bool wrong = wn_plan_cache_find(config, plan_cache, &why) != WN_OK;
    found(v, "a GPU's plans", wrong ? why.text : NULL,
          plan_cache[0] ? "timed, and kept in %s" : "not timed, and not kept%s", plan_cache);
}

/* ---- the build ---- */

/* A backend that opens need not compute: a driver that does not fit, a library that lacks a part. */
static void check_numbers(struct visit *v, struct wn_backend *be)
{
    struct cli_selftest test = {0};
    struct wn_error why = {0};
    if (cli_selftest(be, &test, &why) != WN_OK)
        found(v, "a convolution, a product", why.text, "failed");
    else if (!(test.error < CLI_SELFTEST_WRONG))
        found(v, "a convolution, a product",
              "its numbers are no good: try --precision f32, other versions of the driver and the libraries, or "
              "another backend",
              "wrong by %.3g", test.error);
    else if (test.plain)
        found(v, "a convolution, a product",
              "install all parts of the vendor's libraries, in versions that fit each other: without them a network is "
              "slow",
              "right, but %d of 2 by a plain kernel: %s", test.plain, test.refused);
    else
        found(v, "a convolution, a product", NULL, "right");
}

/* What the devices behind the first one say when they are opened. */
static void check_others(struct visit *v, const struct wn_backend_impl *impl, struct wn_backend_options options,
                         const int *device, int n)
{
    for (int i = 1; i < n; i++) {
        struct wn_backend *be = NULL;
        struct wn_backend_traits traits;
        struct wn_error why = {0};
        char topic[64];
        snprintf(topic, sizeof topic, "device %d computes on", device[i]);
        options.device = device[i];
        if (impl->open(&options, &be, &why) == WN_OK) {
            impl->traits(be, &traits);
            found(v, topic, NULL, "%s", traits.device_name);
            check_numbers(v, be);
            impl->close(be);
        } else {
            found(v, topic, why.text, "nothing");
        }
    }
}

/* A backend that does not open is only a trouble where it is the one that is wanted, or where no quick one is left. */
static bool check_backend(struct visit *v, const struct wn_backend_impl *impl, bool wanted,
                          const struct wn_config *config)
{
    char plan_cache[WN_PLAN_CACHE_BYTES];
    const struct wn_backend_options options = wn_first_device(config, plan_cache);
    struct wn_backend *be = NULL;
    struct wn_backend_traits traits = {0};
    struct wn_error why = {0};
    int device[WN_MOST_DEVICES], n = 0;
    v->optional = !wanted;
    v->part = impl->name;
    bool opens = impl->open(&options, &be, &why) == WN_OK;
    if (impl->diagnose) impl->diagnose(say, v);
    if (opens) {
        impl->traits(be, &traits);
        found(v, "computes on", NULL, "%s", traits.device_name);
        check_numbers(v, be);
        impl->close(be);
        if (wn_devices_read(config, traits.devices, device, &n, &why) != WN_OK)
            found(v, "devices", why.text, "%s", config->devices);
        check_others(v, impl, options, device, n);
    } else {
        found(v, "computes", why.text, "not here");
    }
    v->optional = false;
    return opens;
}

static void check_backends(struct visit *v, const struct wn_config *config)
{
    const struct wn_backend_impl *impl;
    bool automatic = strcmp(config->backend, "auto") == 0, quick = false;
    for (int i = 0; (impl = wn_backend_at(i)); i++) {
        bool opens = check_backend(v, impl, strcmp(impl->name, config->backend) == 0, config);
        quick |= opens && strcmp(impl->name, "ref") != 0;
    }
    v->part = "build";
    if (!automatic && !wn_backend_find(config->backend))
        found(v, "backend", "choose one of those above with --backend", "there is no '%.64s' in this build",
              config->backend);
    if (automatic && !quick)
        found(v, "backend",
              "only the slow reference answers: install libdnnl-dev and build again (deploy/install-packages)", "ref");
}

/* ---- models and the daemon ---- */

static void check_models(struct visit *v, const struct wn_config *config)
{
    struct wn_server *s = NULL;
    struct wn_error err = {0};
    v->part = "models";
    if (wn_inprocess_open(config, NULL, &s, &err) != WN_OK) {
        found(v, config->models, err.text, "none");
        return;
    }
    const struct wn_models *all = s->keeper.shelf.current;
    for (int i = 0; i < all->n; i++) {
        const struct wn_model *m = all->list[i];
        if (m->why.code == WN_OK)
            found(v, m->name, NULL, "%d classes", m->classes);
        else
            found(v, m->folder, m->why.text, "cannot be used");
    }
    wn_inprocess_close(s);
}

/* A server that answers need not be started. */
static const char *mending_of(enum wn_code code)
{
    switch (code) {
    case WN_TOO_LARGE:
    case WN_WRONG_HOST: return "another program answers there: correct --server; `curl -i URL/livez` must say alive";
    case WN_NO_MEMORY: return "free memory here, and look again";
    default: return "start it, or correct --server: `curl -i URL/livez` must say alive";
    }
}

static void say_answer(struct visit *v, const char *url, const struct cli_reply *r)
{
    char text[WN_ERROR_TEXT];
    bool ready = r->status == 200 && r->body.size && strstr((char *)r->body.data, "ready");
    if (ready || r->status == 503) {
        found(v, url, ready ? NULL : "it is loading or stopping; its log says which", ready ? "ready" : "not ready");
        return;
    }
    cli_problem_text(r, text, sizeof text);
    found(v, url,
          "no daemon answers there, or one that does not let this machine ask: correct --server; `curl -i URL/livez` "
          "must say alive",
          "status %d: %s", r->status, text);
}

static void check_daemon(struct visit *v, const struct cli *c)
{
    struct cli_peer *p = NULL;
    struct cli_reply r = {0};
    struct wn_error err = {0};
    v->part = "daemon";
    const char *url = cli_get(c, "server", getenv("WHYNOT_SERVER"));
    if (!url || !*url) return;
    if (cli_peer_open(c, "", &p) != CLI_OK) {
        found(v, url, "correct --server or --key-file: standard error says what is wrong with it", "cannot be asked");
        return;
    }
    if (cli_peer_call(p, "GET", "/readyz", NULL, 0, &r, &err) != WN_OK)
        found(v, url, mending_of(err.code), "%s", err.text);
    else
        say_answer(v, url, &r);
    wn_buffer_finish(&r.body);
    cli_peer_close(p);
}

static enum cli_exit load_config(const struct cli *c, struct wn_config *config)
{
    char *flags[9] = {(char *)"whynotd"};
    enum wn_config_wish wish;
    struct wn_error err = {0};
    int n = 1;
    static const char *const names[][2] = {
        {"--models", "models"}, {"--backend", "backend"}, {"--precision", "precision"}, {"--devices", "devices"}};
    for (int i = 0; i < 4; i++)
        if (cli_has(c, names[i][1])) flags[n++] = (char *)names[i][0], flags[n++] = (char *)cli_get(c, names[i][1], "");
    if (wn_config_load(n, flags, config, &wish, &err) != WN_OK) return cli_fail_error(&err);
    return CLI_OK;
}

static enum cli_exit run(const struct cli *c)
{
    struct visit v = {.json = cli_has(c, "json"), .part = "build"};
    static struct wn_config config; /* too large for the stack, beside all that is looked at */
    if (load_config(c, &config) != CLI_OK) return CLI_USAGE;
    if (v.json) wn_json_open(&v.out, '{'), wn_json_key(&v.out, "findings"), wn_json_open(&v.out, '[');
    found(&v, "whynot", NULL, "%s", wn_version());
    v.part = "machine";
    check_processor(&v);
    check_cores(&v);
    check_memory(&v);
    check_files(&v, &config);
    check_backends(&v, &config);
    check_models(&v, &config);
    check_daemon(&v, c);
    if (v.json) {
        wn_json_close(&v.out, ']');
        wn_json_key(&v.out, "troubles");
        wn_json_int(&v.out, v.troubles);
        wn_json_close(&v.out, '}');
        printf("%s\n", wn_text_string(&v.out));
        wn_text_finish(&v.out);
    } else {
        printf(v.troubles ? "\n%d to mend\n" : "\nall is well\n", v.troubles);
    }
    return v.troubles ? CLI_SOME_FAILED : CLI_OK;
}

static const struct cli_option options[] = {
    {"server", 's', "URL", "WHYNOT_SERVER, else none", "Look whether the daemon there is ready, too.", NULL},
    {"models", 'M', "FOLDER", "models", "Look whether the models in this folder can be used.", "folder"},
    {"backend", 'b', "NAME", "auto", "Fail unless this backend computes here.", "auto cuda onednn ref"},
    {"precision", 0, "NAME", "default", "Fail unless the backend computes in it.", "default f32 tf32 bf16 f16"},
    {"devices", 0, "LIST", "all", "The devices that the backend is to use: all, or their numbers with commas between.",
     NULL},
    {"key-file", 0, "FILE", "WHYNOT_KEY_FILE, else none", "File that holds the key for the daemon.", "file"},
    CLI_OWN_JSON_OPTION,
    CLI_OPTIONS_END};

const struct cli_command cli_doctor = {
    .name = "doctor",
    .operands = "",
    .summary = "Look whether this machine, this build and these models are fit to answer.",
    .text = "Looks at the processor, cores, memory and open files, at every backend of this build with its libraries "
            "and devices and whether it computes right, at the models, "
            "and at a daemon where one is named. Each trouble comes with a line that says how to mend it, and the exit "
            "code is 1. A GPU is named "
            "only where it answered just now; a GPU backend that does not work is a trouble only where --backend asks "
            "for it.",
    .example = "  whynot doctor\n  whynot doctor --backend cuda",
    .options = options,
    .run = run,
};
