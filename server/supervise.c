/* Starts the worker, waits, starts it again; knows processes, signals and sockets, and nothing of networks. The
 * worker is a process of its own from its exec on, so nothing of a device can be open in what is forked. */
#include "supervise.h"

#include "exits.h"
#include "listen.h"
#include "log.h"
#include "models.h"
#include "notify.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define MARK "WHYNOT_SUPERVISOR"
#define OUT_OF_THE_WAY 64 /* descriptors of the parent; the worker's begin at 3 */
#define WINDOW_NS (60 * 1000000000LL)
#define FIRST_PAUSE_MS 100
#define MOST_PAUSE_MS 5000
#define MOST_DEATHS 1024
#define MOST_LOSSES 3 /* of the device within a minute: a start more would not mend it */

struct supervisor {
    struct wn_config *config;
    struct wn_listeners listeners;
    char **argv;
    sigset_t signals, before;
    pid_t worker; /* 0: none */
    int starts;
    bool stopping;
    struct death {
        int64_t at_ns;
        bool lost;         /* with status 70 */
    } deaths[MOST_DEATHS]; /* newest last */
    int n_deaths;
};

bool wn_is_supervised(void)
{
    const char *mark = getenv(MARK);
    return mark && strtol(mark, NULL, 10) == (long)getppid();
}

/* ---- the worker's side of the fork ---- */

static void set_number(const char *name, long value)
{
    char text[32];
    snprintf(text, sizeof text, "%ld", value);
    setenv(name, text, 1);
}

static void hand_over(const struct supervisor *v)
{
    char names[WN_MOST_LISTENERS * 65] = "";
    for (int i = 0; i < v->listeners.n; i++) {
        size_t used = strlen(names);
        dup2(v->listeners.fd[i], 3 + i); /* and the copy stays open over exec */
        snprintf(names + used, sizeof names - used, "%s%s", i ? ":" : "",
                 v->listeners.inherited ? v->listeners.name[i] : WN_SUPERVISED);
    }
    set_number("LISTEN_FDS", v->listeners.n);
    set_number("LISTEN_PID", getpid());
    setenv("LISTEN_FDNAMES", names, 1);
    if (getenv("WATCHDOG_PID")) set_number("WATCHDOG_PID", getpid());
}

static _Noreturn void become_worker(const struct supervisor *v, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* nobody would start it again: it ends as if it had been asked to */
    if (getppid() != parent) _exit(WN_EXIT_STOPPED);
    sigprocmask(SIG_SETMASK, &v->before, NULL);
    hand_over(v);
    set_number(MARK, parent);
    execv("/proc/self/exe", v->argv);
    execvp(v->argv[0], v->argv);
    _exit(WN_EXIT_CANNOT_START);
}

/* ---- the supervisor's ---- */

static bool start(struct supervisor *v)
{
    pid_t self = getpid(), pid = fork();
    if (pid == 0) become_worker(v, self);
    if (pid < 0) {
        wn_log("error", "the worker cannot be started: %s", strerror(errno));
        return false;
    }
    v->worker = pid;
    v->starts++;
    wn_log("info", "worker %d started", (int)pid);
    return true;
}

static void say_end(const struct supervisor *v, int status)
{
    if (WIFSIGNALED(status))
        wn_log("error", "worker %d was killed by signal %d", (int)v->worker, WTERMSIG(status));
    else if (WEXITSTATUS(status))
        wn_log("error", "worker %d ended with status %d", (int)v->worker, WEXITSTATUS(status));
}

/* Whether a worker that ended so should be started again; else *code is the supervisor's own. What is wrong from the
 * first start on stays wrong. */
static bool is_worth_a_start(const struct supervisor *v, int status, int *code)
{
    *code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (*code == WN_EXIT_STOPPED || *code == WN_EXIT_BAD_OPTION) return false;
    if (v->starts == 1 && (*code == WN_EXIT_CANNOT_START || *code == WN_EXIT_NO_MODEL)) return false;
    return true;
}

static int deaths_lately(struct supervisor *v, bool lost, int *losses)
{
    int64_t now = wn_now_ns();
    if (v->n_deaths == MOST_DEATHS) memmove(v->deaths, v->deaths + 1, (size_t)(--v->n_deaths) * sizeof v->deaths[0]);
    v->deaths[v->n_deaths++] = (struct death){now, lost};
    int old = 0;
    while (now - v->deaths[old].at_ns > WINDOW_NS) old++;
    v->n_deaths -= old;
    memmove(v->deaths, v->deaths + old, (size_t)v->n_deaths * sizeof v->deaths[0]);
    *losses = 0;
    for (int i = 0; i < v->n_deaths; i++) *losses += v->deaths[i].lost;
    return v->n_deaths;
}

static void pass_on(struct supervisor *v, int sig)
{
    if (sig != SIGHUP && !v->stopping) {
        v->stopping = true;
        /* the worker's is the last: what waits there it takes in */
        if (!v->listeners.inherited) wn_listen_close(&v->listeners);
    }
    if (v->worker) kill(v->worker, sig);
}

/* Takes signals for so long (-1: until the worker ends). True: the worker has ended, with *status. */
static bool attend(struct supervisor *v, int64_t ms, int *status)
{
    int64_t until = wn_now_ns() + ms * 1000000;
    for (;;) {
        int64_t left = until - wn_now_ns();
        struct timespec wait = {left / 1000000000, left % 1000000000};
        if (ms >= 0 && left <= 0) return false;
        int sig = ms < 0 ? sigwaitinfo(&v->signals, NULL) : sigtimedwait(&v->signals, NULL, &wait);
        if (sig > 0 && sig != SIGCHLD) pass_on(v, sig);
        if (ms >= 0 && v->stopping) return false;
        pid_t ended;
        while ((ended = waitpid(-1, status, WNOHANG)) > 0) /* in a container others' children end up here too */
            if (ended == v->worker) return true;
    }
}

static int64_t pause_ms(int deaths)
{
    int64_t ms = FIRST_PAUSE_MS;
    for (int i = 1; i < deaths && ms < MOST_PAUSE_MS; i++) ms *= 2;
    return ms < MOST_PAUSE_MS ? ms : MOST_PAUSE_MS;
}

/* One life of the worker and what follows. True: another one begins; else *code is the end. */
static bool one_life(struct supervisor *v, int *code)
{
    int status = 0, deaths, losses, most = (int)v->config->restart_limit;
    bool started = start(v);
    if (started) attend(v, -1, &status);
    if (started) say_end(v, status);
    v->worker = 0;
    *code = WN_EXIT_CANNOT_START;
    if (started && !is_worth_a_start(v, status, code)) return false;
    if (v->stopping) return false;
    deaths = deaths_lately(v, *code == WN_EXIT_START_AGAIN, &losses);
    if (most && (deaths > most || losses >= MOST_LOSSES)) {
        if (losses >= MOST_LOSSES)
            wn_log("fatal",
                   "the worker ended with status 70, as when a device is lost, %d times within a minute: another card, "
                   "or backend onednn",
                   losses);
        wn_log("fatal", "the worker ended %d times within a minute; the last status was %d: the supervisor gives up",
               deaths, *code);
        *code = WN_EXIT_GAVE_UP;
        return false;
    }
    wn_notify("STATUS=the worker ended with status %d and is started again (%d within a minute)", *code, deaths);
    attend(v, pause_ms(deaths), &status);
    *code = WN_EXIT_STOPPED;
    return !v->stopping;
}

/* Descriptors that the worker's copies will not be put on. */
static void move_sockets(struct wn_listeners *l)
{
    for (int i = 0; i < l->n; i++) {
        int fd = fcntl(l->fd[i], F_DUPFD_CLOEXEC, OUT_OF_THE_WAY);
        if (fd < 0) continue;
        close(l->fd[i]);
        l->fd[i] = fd;
    }
}

static void block_signals(struct supervisor *v)
{
    static const int all[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};
    sigemptyset(&v->signals);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) sigaddset(&v->signals, all[i]);
    sigprocmask(SIG_BLOCK, &v->signals, &v->before);
}

int wn_supervise(struct wn_config *config, char **argv)
{
    static struct supervisor v; /* large for a stack, and there is one */
    struct wn_error err = {0};
    int code;
    v.config = config;
    v.argv = argv;
    block_signals(&v);
    if (wn_listen(config, &v.listeners, &err) != WN_OK) {
        fprintf(stderr, "whynotd: %s\n", err.text);
        return err.code == WN_BAD_REQUEST ? WN_EXIT_BAD_OPTION : WN_EXIT_CANNOT_START;
    }
    move_sockets(&v.listeners);
    while (one_life(&v, &code)) {
    }
    wn_listen_close(&v.listeners);
    return code;
}
