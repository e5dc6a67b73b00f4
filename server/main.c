/* whynotd: reads its options, loads the models, serves until it is asked to stop, and stops without losing an answer.
 */
#include "exits.h"
#include "help.h"
#include "hosts.h"
#include "http.h"
#include "log.h"
#include "notify.h"
#include "plan_cache.h"
#include "supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <whynot/whynot.h>

#define HURRY_MS 700 /* after a second signal, for refusals to leave */
#define CALM_LOOKS 5 /* 10 ms apart: a thread of the library that others held up has had its turn */
#define TIDY_MS 2000 /* for threads to end when everything is answered */

static void complain(const struct wn_error *err)
{
    fprintf(stderr, "whynotd: %s\n", err->text);
}

/* ---- what is printed at the start ---- */

static const char *layer_name(const struct wn_model *m)
{
    const struct wn_layer *layer = wn_model_layer(m);
    return layer ? layer->name : "-";
}

static void print_table(const struct wn_models *models)
{
    printf("%-24s %-10s %-28s %9s %9s  %s\n", "MODEL", "VERSION", "LAYER", "MEMORY", "WARM-UP", "READY");
    for (int i = 0; i < models->n; i++) {
        const struct wn_model *m = models->list[i];
        bool ready = wn_model_is_ready(m);
        printf("%-24s %-10.10s %-28.28s %6.1f MB %6.0f ms  %s%s\n", m->name, m->version[0] ? m->version : "-",
               layer_name(m), (double)m->bytes / 1e6, m->warmup_ms, ready ? "yes" : "no: ", ready ? "" : m->why.text);
    }
}

static void print_devices(const struct wn_crew *crew, const struct wn_models *models)
{
    const int each = crew->n / crew->n_devices;
    printf("\n%-24s %-10s %-28s %9s\n", "DEVICE", "WORKERS", "", "MEMORY");
    for (int d = 0; d < crew->n_devices; d++)
        printf("%-24d %-39d %6.1f MB  %s\n", crew->device[d], each, (double)wn_models_device_bytes(models, each) / 1e6,
               crew->device_name[d]);
}

static const struct wn_model *first_ready(const struct wn_models *models)
{
    int i = 0;
    while (i + 1 < models->n && !wn_model_is_ready(models->list[i])) i++;
    return models->list[i];
}

/* Three lines to paste: a question about a sample of the first ready model (or about a picture of one's own), the
 * page, the figures. */
static void print_paste(const struct wn_server *s, const struct wn_models *models)
{
    const struct wn_model *m = first_ready(models);
    const char *host = strcmp(s->config.host, "0.0.0.0") == 0 ? "127.0.0.1" : s->config.host;
    char url[600], picture[1200] = "picture.jpg";
    snprintf(url, sizeof url, strchr(host, ':') ? "http://[%s]:%d" : "http://%s:%d", host, s->port);
    if (m->manifest.n_samples)
        snprintf(picture, sizeof picture, "%s/%s/%s", s->config.models, m->folder, m->manifest.samples[0].file);
    printf("\ncurl --data-binary @%s '%s/v1/models/%s/explain?why_not=auto:1'\n", picture, url, m->name);
    printf("%s/\n%s/metrics\n", url, url);
    fflush(stdout);
}

/* ---- signals ---- */

static void block_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void say_ready(void *server)
{
    struct wn_server *s = server;
    struct wn_models *models = wn_shelf_take(&s->keeper.shelf);
    if (!atomic_load(&s->draining))
        wn_notify("READY=1\nSTATUS=%d of %d models answer on port %d", wn_models_ready(models), models->n, s->port);
    wn_models_release(models);
}

/* What is read again without a stop. */
static void reload(struct wn_server *s)
{
    struct wn_error err = {0};
    wn_log("info", "reading the models and keys again");
    if (atomic_load(&s->ready))
        wn_notify("RELOADING=1\nMONOTONIC_USEC=%lld\nSTATUS=reading the models and keys again",
                  (long long)(wn_now_ns() / 1000));
    if (wn_keys_reload(&s->keys, &err) != WN_OK) wn_log("error", "the keys stay as they were: %s", err.text);
    wn_keeper_rescan(&s->keeper, atomic_load(&s->ready) ? say_ready : NULL, s);
}

/* Waits that long for a signal. True when it was one that ends the daemon; SIGHUP only makes it read again. */
static bool stop_asked(struct wn_server *s, const sigset_t *set, int64_t wait_ms)
{
    struct timespec wait = {wait_ms / 1000, wait_ms % 1000 * 1000000};
    int sig = sigtimedwait(set, NULL, &wait);
    if (atomic_load(&s->ready)) wn_watchdog_tick(s);
    if (sig == SIGHUP) reload(s);
    return sig > 0 && sig != SIGHUP;
}

/* ---- life ---- */

/* Waits for the first scan; the workers start as soon as it is known how many are worth having. False: a signal came
 * first, or they could not be started. */
static bool warm_up(struct wn_server *s, const sigset_t *signals, struct wn_error *err)
{
    while (!atomic_load(&s->keeper.settled))
        if (stop_asked(s, signals, 10)) return false;
    return wn_workers_start(&s->workers, &s->config, &s->queue, &s->keeper.crew, err) == WN_OK;
}

/* The table, and whether anything in it answers. */
static bool present(struct wn_server *s)
{
    struct wn_models *models = wn_shelf_take(&s->keeper.shelf);
    bool any = wn_models_ready(models) > 0;
    print_table(models);
    const char *labeling = s->config.labeling_model;
    if (any && labeling[0] && !wn_models_find(models, labeling, NULL))
        wn_log("warning",
               "labeling_model: there is no model '%s': Label Studio is answered with 404 until there is one",
               labeling);
    if (any) print_devices(&s->keeper.crew, models);
    if (any) print_paste(s, models);
    wn_models_release(models);
    return any;
}

/* The patience is over: what has no answer yet is refused, and the process ends, whatever a worker or the keeper is
 * at. */
static _Noreturn void leave_at_once(struct wn_server *s)
{
    const struct timespec pause = {0, 10000000};
    int refused = atomic_load(&s->requests);
    const int64_t until = wn_now_ns() + HURRY_MS * 1000000LL; /* by the clock: naps are longer on a busy machine */
    wn_guard_exit_by(until + 200000000, WN_EXIT_STOPPED);
    wn_queue_close(&s->queue);
    wn_queue_give_up(&s->queue, WN_NOT_READY, "the server stopped before the answer was ready");
    while (wn_now_ns() < until && atomic_load(&s->requests) > 0) nanosleep(&pause, NULL);
    wn_log("warning", "stopped at once; %d requests got no answer but a refusal", refused);
    _exit(WN_EXIT_STOPPED);
}

/* Requests that were taken in are answered before the daemon goes; a second signal or the time limit ends the
 * patience. */
static void shut_down(struct wn_server *s, const sigset_t *signals, enum wn_exit code)
{
    int64_t until = wn_now_ns() + s->config.shutdown_timeout_ms * 1000000;
    bool hurry = false;
    atomic_store(&s->draining, true);
    wn_notify("STOPPING=1\nSTATUS=answering what was taken in");
    if (s->evaluator) wn_evaluator_close(s->evaluator);
    wn_log("info", "stopping");
    for (int64_t ms = s->config.drain_ms; ms > 0 && !hurry; ms -= 50) hurry = stop_asked(s, signals, ms < 50 ? ms : 50);
    wn_http_quiesce(s);
    while (!hurry && wn_now_ns() < until && wn_http_empty(s)) hurry = stop_asked(s, signals, 0);
    for (int calm = 0; !hurry && calm < CALM_LOOKS && wn_now_ns() < until; calm = wn_http_is_calm(s) ? calm + 1 : 0)
        hurry = stop_asked(s, signals, 10);
    if (hurry || wn_now_ns() >= until) leave_at_once(s);
    wn_queue_close(&s->queue);
    wn_guard_exit_by(wn_now_ns() + TIDY_MS * 1000000LL, (int)code);
    wn_keeper_close(&s->keeper);
    wn_workers_stop(&s->workers);
    wn_watchdog_finish(s);
    /* replies on their way */
    for (int i = 0; i < 100 && atomic_load(&s->requests) > 0; i++) stop_asked(s, signals, 10);
}

static enum wn_exit serve(struct wn_server *s, const sigset_t *signals)
{
    struct wn_error err = {0};
    enum wn_exit code = WN_EXIT_CANNOT_START;
    if (wn_queue_init(&s->queue, (int)s->config.max_queue_size, s->config.max_queue_wait_ms * 1000, &err) != WN_OK)
        goto say;
    if (wn_guard_start(s, &err) != WN_OK) goto close_queue;
    if (!s->config.reuse_port && wn_http_start(s, &err) != WN_OK) goto close_queue;
    if (wn_keeper_start(&s->keeper, &err) != WN_OK) goto stop_http;
    bool warm = warm_up(s, signals, &err);
    /* the one before goes on answering until now */
    if (warm && s->config.reuse_port && wn_http_start(s, &err) != WN_OK) warm = false;
    if (warm) atomic_store(&s->ready, true);
    if (warm && !present(s)) {
        wn_fail(&err, WN_NOT_READY, "no model could be made ready");
        code = WN_EXIT_NO_MODEL;
    } else if (err.code == WN_OK) {
        code = WN_EXIT_STOPPED;
        if (warm) say_ready(s);
        int64_t wait_ms = s->watchdog.every_ns ? s->watchdog.every_ns / 2000000 + 1 : 60000;
        while (warm && !stop_asked(s, signals, wait_ms)) {
        }
    }
    shut_down(s, signals, code);
stop_http:
    if (!s->queue.closed) wn_queue_close(&s->queue);
    wn_http_stop(s);
close_queue:
    wn_guard_release();
    if (!s->queue.closed) wn_queue_close(&s->queue);
    wn_queue_finish(&s->queue);
say:
    if (err.code == WN_BAD_REQUEST) code = WN_EXIT_BAD_OPTION; /* the next start would say the same */
    if (err.code != WN_OK) complain(&err);
    return code;
}

/* What can be said of the options before anything is opened. */
static enum wn_code check_options(const struct wn_config *c, struct wn_error *err)
{
    int devices[WN_MOST_DEVICES], n;
    char plan_cache[WN_PLAN_CACHE_BYTES];
    if (c->precision[0] && strcmp(c->precision, "default") != 0 &&
        wn_precision_find(c->precision) == WN_PRECISION_DEFAULT)
        return wn_fail(err, WN_BAD_REQUEST, "precision: '%.64s' is not one of default, f32, tf32, bf16, f16",
                       c->precision);
    enum wn_code code = wn_origins_check(c, err);
    if (code == WN_OK) code = wn_devices_read(c, WN_MOST_DEVICES, devices, &n, err);
    return code == WN_OK ? wn_plan_cache_find(c, plan_cache, err) : code;
}

static enum wn_exit run(struct wn_server *s)
{
    sigset_t signals;
    struct wn_error err = {0};
    struct wn_kept_list kept;
    struct wn_evaluator evaluator = {0};
    enum wn_exit code = WN_EXIT_NO_MODEL;
    block_signals(&signals);
    wn_watchdog_init(&s->watchdog);
    prctl(PR_SET_DUMPABLE, 0); /* a core would hold pictures of clients */
    if (check_options(&s->config, &err) != WN_OK || wn_keys_init(&s->keys, s->config.keys, &err) != WN_OK) {
        complain(&err);
        return WN_EXIT_BAD_OPTION;
    }
    s->pictures =
        s->config.labeling_folder[0] ? open(s->config.labeling_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (s->config.labeling_folder[0] && s->pictures < 0) {
        fprintf(stderr, "whynotd: labeling_folder: '%s' is no folder that can be read\n", s->config.labeling_folder);
        wn_keys_finish(&s->keys);
        return WN_EXIT_BAD_OPTION;
    }
    wn_kept_init(&kept, (size_t)s->config.stack_cache_bytes);
    s->kept = &kept;
    if (wn_keeper_open(&s->keeper, &s->config, &err) == WN_OK &&
        wn_evaluator_start(&evaluator, &s->config, &err) == WN_OK) {
        s->evaluator = &evaluator;
        code = serve(s, &signals);
    } else {
        complain(&err);
    }
    wn_evaluator_finish(&evaluator); /* lets go of the models */
    wn_keys_finish(&s->keys);
    wn_keeper_finish(&s->keeper);
    wn_kept_finish(&kept);
    if (s->pictures >= 0) close(s->pictures);
    return code;
}

/* Of what was asked for by --help or --version. */
static int said(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) return WN_EXIT_STOPPED;
    fputs("whynotd: the output cannot be written\n", stderr);
    return WN_EXIT_CANNOT_START;
}

int main(int argc, char **argv)
{
    struct wn_server *s = calloc(1, sizeof *s);
    struct wn_error err = {0};
    enum wn_config_wish wish;
    int code = WN_EXIT_STOPPED;
    if (!s) return fputs("whynotd: no memory to start\n", stderr), WN_EXIT_CANNOT_START;
    if (wn_config_load(argc, argv, &s->config, &wish, &err) != WN_OK) {
        complain(&err);
        code = err.code == WN_NO_MEMORY ? WN_EXIT_CANNOT_START : WN_EXIT_BAD_OPTION;
    } else if (wish == WN_CONFIG_HELP) {
        wn_config_help(stdout);
        wn_help_tables(stdout);
        code = said();
    } else if (wish == WN_CONFIG_VERSION) {
        printf("whynotd %s\n", wn_version());
        code = said();
    } else if (s->config.supervise && !wn_is_supervised()) {
        code = wn_supervise(&s->config, argv);
    } else {
        code = run(s);
    }
    free(s);
    return code;
}
