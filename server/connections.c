/* The watch over connections; knows sockets and phases, and nothing of requests. Sockets are only ever shut down here,
 * under the lock that an entry's removal takes too: the library closes them afterwards, so a number is never somebody
 * else's. */
#include "connections.h"

#include "metrics.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#define TICK_MS 50
#define NEW_NS 1000000000LL /* a client that connects and then says nothing for that long is not about to ask */

struct wn_connection {
    struct wn_connection *next, **link;
    int fd;
    enum wn_phase phase;
    bool asked; /* at least once */
    bool is_cut;
    int64_t since_ns;
    struct wn_job *job;
    void *request; /* whose body is awaited, or NULL */
    void *open;    /* the request that was begun and is not over, or NULL */
};

void wn_connections_notify(void *cls, struct MHD_Connection *connection, void **context,
                           enum MHD_ConnectionNotificationCode what)
{
    struct wn_connections *all = cls;
    struct wn_connection *c = *context;
    const bool begins = what == MHD_CONNECTION_NOTIFY_STARTED;
    const int fd = begins ? MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd : -1;
    void *left = NULL;
    pthread_mutex_lock(&all->lock);
    if (begins) wn_coming_remove(&all->coming, fd);
    if (begins && (c = calloc(1, sizeof *c))) {
        c->fd = fd;
        c->since_ns = wn_now_ns();
        c->next = all->first;
        c->link = &all->first;
        if (c->next) c->next->link = &c->next;
        all->first = c;
        all->n++;
    } else if (what == MHD_CONNECTION_NOTIFY_CLOSED && c) {
        *c->link = c->next;
        if (c->next) c->next->link = c->link;
        all->n--;
        left = c->open;
        free(c);
        c = NULL;
    }
    pthread_mutex_unlock(&all->lock);
    *context = c;
    if (left) all->left(left);
}

void wn_connections_come(struct wn_connections *all, int fd, bool gone)
{
    pthread_mutex_lock(&all->lock);
    if (gone)
        wn_coming_remove(&all->coming, fd);
    else
        wn_coming_add(&all->coming, fd, wn_now_ns());
    pthread_mutex_unlock(&all->lock);
}

bool wn_connections_have_room(struct wn_connections *all, int most)
{
    pthread_mutex_lock(&all->lock);
    bool room = all->n + wn_coming_count(&all->coming, wn_now_ns()) < most;
    pthread_mutex_unlock(&all->lock);
    return room;
}

/* Its entry, or NULL: there was no memory for one, and it is not watched. */
static struct wn_connection *entry_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

static void enter(struct wn_connections *all, struct MHD_Connection *connection, enum wn_phase phase,
                  struct wn_job *job, void *request)
{
    struct wn_connection *c = entry_of(connection);
    if (!c) return;
    pthread_mutex_lock(&all->lock);
    c->phase = phase;
    c->asked = true;
    c->since_ns = wn_now_ns();
    c->job = job;
    c->request = request;
    pthread_mutex_unlock(&all->lock);
}

static void set_open(struct wn_connections *all, struct MHD_Connection *connection, void *request)
{
    struct wn_connection *c = entry_of(connection);
    if (!c) return;
    pthread_mutex_lock(&all->lock);
    c->open = request;
    pthread_mutex_unlock(&all->lock);
}

void wn_connections_begin(struct wn_connections *all, struct MHD_Connection *connection, void *request)
{
    enter(all, connection, WN_PHASE_HEAD, NULL, NULL);
    set_open(all, connection, request);
}

void wn_connections_end(struct wn_connections *all, struct MHD_Connection *connection)
{
    enter(all, connection, WN_PHASE_IDLE, NULL, NULL);
    set_open(all, connection, NULL);
}

void wn_connections_enter(struct wn_connections *all, struct MHD_Connection *connection, enum wn_phase phase,
                          struct wn_job *job)
{
    enter(all, connection, phase, job, NULL);
}

void wn_connections_await_body(struct wn_connections *all, struct MHD_Connection *connection, void *request)
{
    enter(all, connection, WN_PHASE_BODY, NULL, request);
}

/* ---- the watch ---- */

/* What a client did not read of its answer would stay in the kernel for minutes: a reset frees it. */
static void cut(struct wn_connection *c)
{
    const struct linger reset = {1, 0};
    c->is_cut = true;
    if (c->phase == WN_PHASE_REPLY) setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    shutdown(c->fd, SHUT_RDWR);
}

/* With the lock held: one look at a connection. Returns a job to give up, held for the caller, or NULL. */
static struct wn_job *look(struct wn_connections *all, struct wn_connection *c, bool gone, int64_t now)
{
    int64_t limit = all->limit_ns[c->phase];
    bool busy = c->phase == WN_PHASE_BUSY, late = limit && now - c->since_ns > limit;
    if (busy && gone && c->job) {
        struct wn_job *job = c->job;
        c->job = NULL;
        wn_queue_hold(all->queue, job);
        return job;
    }
    if (busy || c->is_cut) return NULL;
    if (late && !gone && c->request) all->too_late(c->request, c->fd);
    if (late || (gone && c->phase != WN_PHASE_REPLY)) cut(c);
    return NULL;
}

/* Fills polls and jobs, which have room for n; returns how many jobs are to be given up. */
static int look_at_all(struct wn_connections *all, struct pollfd *polls, struct wn_job **jobs, int room)
{
    int n = 0, found = 0;
    int64_t now = wn_now_ns();
    for (struct wn_connection *c = all->first; c && n < room; c = c->next)
        polls[n++] = (struct pollfd){c->fd, POLLRDHUP, 0};
    if (poll(polls, (nfds_t)n, 0) < 0) return 0;
    struct wn_connection *c = all->first;
    for (int i = 0; i < n; i++, c = c->next) {
        struct wn_job *job = look(all, c, polls[i].revents != 0, now);
        if (job) jobs[found++] = job;
    }
    return found;
}

/* With the lock held, of one where nothing is asked: will something be? */
static bool is_about_to_ask(const struct wn_connection *c, int64_t now)
{
    struct pollfd p = {c->fd, POLLIN | POLLRDHUP, 0};
    return (!c->asked && now - c->since_ns < NEW_NS) || (poll(&p, 1, 0) > 0 && p.revents == POLLIN);
}

int wn_connections_expected(struct wn_connections *all)
{
    int64_t now = wn_now_ns();
    pthread_mutex_lock(&all->lock);
    int n = wn_coming_count(&all->coming, now);
    for (const struct wn_connection *c = all->first; c; c = c->next)
        n += c->phase == WN_PHASE_IDLE && is_about_to_ask(c, now);
    pthread_mutex_unlock(&all->lock);
    return n;
}

void wn_connections_cut_idle(struct wn_connections *all)
{
    int64_t now = wn_now_ns();
    pthread_mutex_lock(&all->lock);
    for (struct wn_connection *c = all->first; c; c = c->next)
        if (c->phase == WN_PHASE_IDLE && !c->is_cut && !is_about_to_ask(c, now)) cut(c);
    pthread_mutex_unlock(&all->lock);
}

static void tick(struct wn_connections *all)
{
    int found = 0;
    pthread_mutex_lock(&all->lock);
    struct pollfd *polls = calloc((size_t)all->n + 1, sizeof *polls);
    struct wn_job **jobs = calloc((size_t)all->n + 1, sizeof *jobs);
    if (polls && jobs) found = look_at_all(all, polls, jobs, all->n);
    pthread_mutex_unlock(&all->lock);
    for (int i = 0; i < found; i++) { /* without the lock: waking goes into the library, and that may call us */
        if (wn_queue_cancel(all->queue, jobs[i])) wn_metric_add(WN_METRIC_REJECTED, WN_REJECT_GONE, 0, 1);
        wn_queue_release(all->queue, jobs[i]);
    }
    free(polls);
    free(jobs);
}

static void *watch(void *arg)
{
    struct wn_connections *all = arg;
    while (!atomic_load(&all->stop)) {
        const struct timespec pause = {0, atomic_load(&all->tick_ms) * 1000000L};
        nanosleep(&pause, NULL);
        tick(all);
    }
    return NULL;
}

enum wn_code wn_connections_init(struct wn_connections *all, const struct wn_config *config, struct wn_queue *queue,
                                 void (*too_late)(void *request, int fd), void (*left)(void *request),
                                 struct wn_error *err)
{
    *all = (struct wn_connections){.queue = queue, .too_late = too_late, .left = left, .tick_ms = TICK_MS};
    pthread_mutex_init(&all->lock, NULL);
    all->limit_ns[WN_PHASE_HEAD] = config->header_timeout_ms * 1000000;
    all->limit_ns[WN_PHASE_BODY] = config->body_timeout_ms * 1000000;
    all->limit_ns[WN_PHASE_REPLY] = config->reply_timeout_ms * 1000000;
    all->limit_ns[WN_PHASE_IDLE] = (config->idle_timeout_s * 1000 + config->header_timeout_ms) * 1000000;
    if (pthread_create(&all->thread, NULL, watch, all) != 0)
        return wn_fail(err, WN_NO_MEMORY, "a thread cannot be started");
    return WN_OK;
}

void wn_connections_finish(struct wn_connections *all)
{
    atomic_store(&all->stop, true);
    pthread_join(all->thread, NULL);
    wn_coming_finish(&all->coming);
    pthread_mutex_destroy(&all->lock);
}
