/* The watch over connections; knows sockets and phases, and nothing of requests. Sockets are only ever shut down here,
 * under the lock that an entry's removal takes too: the library closes them afterwards, so a number is never somebody
 * else's. */
#include "connections.h"

#include "log.h"
#include "metrics.h"

#include <linux/tcp.h> /* netinet's has no tcpi_bytes_received */
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#define TICK_MS 50
#define EMPTY_LINE 2        /* bytes that may stand before a request: old clients end a body so */
#define NEW_NS 1000000000LL /* a client that connects and then says nothing for that long is not about to ask */

struct wn_connection {
    struct wn_connection *next, **link;
    int fd;
    enum wn_phase phase;
    bool asked; /* at least once */
    bool is_cut;
    int64_t since_ns;
    uint64_t had;     /* bytes received when the last answer began: later ones are another head's */
    int64_t ask_ns;   /* when it is worth asking again whether more came */
    int64_t spoke_ns; /* when it was seen that a head has begun; 0: none has */
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

/* Bytes that the socket has received; 0 where it cannot be asked: it is no TCP socket, or the kernel is old. */
static uint64_t received(int fd)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? info.tcpi_bytes_received : 0;
}

/* With the lock held. */
static void go_on(struct wn_connection *c, enum wn_phase phase, struct wn_job *job, void *request)
{
    if (phase == WN_PHASE_REPLY) c->had = received(c->fd);
    c->phase = phase;
    c->asked = true;
    c->since_ns = wn_now_ns();
    c->job = job;
    c->request = request;
}

static void enter(struct wn_connections *all, struct MHD_Connection *connection, enum wn_phase phase,
                  struct wn_job *job, void *request)
{
    struct wn_connection *c = entry_of(connection);
    if (!c) return;
    pthread_mutex_lock(&all->lock);
    go_on(c, phase, job, request);
    pthread_mutex_unlock(&all->lock);
}

void wn_connections_begin(struct wn_connections *all, struct MHD_Connection *connection, void *request)
{
    struct wn_connection *c = entry_of(connection);
    if (!c) return;
    pthread_mutex_lock(&all->lock);
    go_on(c, WN_PHASE_HEAD, NULL, NULL);
    if (c->spoke_ns) c->since_ns = c->spoke_ns;
    c->open = request;
    pthread_mutex_unlock(&all->lock);
}

void wn_connections_end(struct wn_connections *all, struct MHD_Connection *connection)
{
    struct wn_connection *c = entry_of(connection);
    if (!c) return;
    pthread_mutex_lock(&all->lock);
    go_on(c, WN_PHASE_IDLE, NULL, NULL);
    c->spoke_ns = 0;
    c->open = NULL;
    pthread_mutex_unlock(&all->lock);
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

/* Of one that is idle: whether the first bytes of a head have come. */
static bool has_begun(const struct wn_connection *c)
{
    return c->spoke_ns || received(c->fd) > c->had + EMPTY_LINE;
}

/* The library tells of a request when its first line is complete, and that may drip too: whether one has begun is seen
 * by what the socket has received. */
static void look_for_head(struct wn_connections *all, struct wn_connection *c, int64_t now)
{
    if (c->phase != WN_PHASE_IDLE || c->spoke_ns || now < c->ask_ns) return;
    c->ask_ns = now + all->limit_ns[WN_PHASE_HEAD] / 8;
    if (has_begun(c)) c->spoke_ns = now;
}

/* unread: bytes wait for the library, and until it reads them the client is not to blame. */
static bool is_late(const struct wn_connections *all, const struct wn_connection *c, bool unread, int64_t now)
{
    int64_t limit = all->limit_ns[c->phase];
    if (limit && now - c->since_ns > limit) return true;
    return c->phase == WN_PHASE_IDLE && c->spoke_ns && !unread && now - c->spoke_ns > all->limit_ns[WN_PHASE_HEAD];
}

static bool is_in_head(const struct wn_connection *c)
{
    return c->phase == WN_PHASE_HEAD || (c->phase == WN_PHASE_IDLE && c->spoke_ns);
}

/* Nothing else tells of these: there is no request before its head is complete. */
static void count_late_head(struct wn_connections *all, const struct wn_connection *c)
{
    socklen_t size = sizeof all->last_late;
    all->late_heads++;
    all->last_late = (struct sockaddr_storage){0};
    getpeername(c->fd, (struct sockaddr *)&all->last_late, &size);
    wn_metric_add(WN_METRIC_REJECTED, WN_REJECT_HEAD, 0, 1);
}

/* One line a second at most, of all that there were: they should not fill a disk. */
static void tell_of_late_heads(struct wn_connections *all)
{
    char words[128];
    struct wn_text line = {0};
    int64_t now = wn_now_ns();
    if (!all->late_heads || now - all->said_ns < 1000000000) return;
    snprintf(words, sizeof words,
             "connections closed because a head did not arrive in time: %d; the last was this client's",
             all->late_heads);
    wn_log_begin(&line, "info");
    wn_json_pair(&line, "message", words);
    wn_log_client(&line, (struct sockaddr *)&all->last_late);
    wn_log_write(&line);
    all->late_heads = 0;
    all->said_ns = now;
}

/* With the lock held: one look at a connection, of which poll says `seen`. Returns a job to give up, held for the
 * caller, or NULL. */
static struct wn_job *look(struct wn_connections *all, struct wn_connection *c, int seen, int64_t now)
{
    look_for_head(all, c, now);
    bool busy = c->phase == WN_PHASE_BUSY, gone = seen & ~POLLIN, late = is_late(all, c, seen & POLLIN, now);
    if (busy && gone && c->job) {
        struct wn_job *job = c->job;
        c->job = NULL;
        wn_queue_hold(all->queue, job);
        return job;
    }
    if (busy || c->is_cut) return NULL;
    if (late && !gone && c->request) all->too_late(c->request, c->fd);
    if (late && !gone && is_in_head(c)) count_late_head(all, c);
    if (late || (gone && c->phase != WN_PHASE_REPLY)) cut(c);
    return NULL;
}

/* Fills polls and jobs, which have room for n; returns how many jobs are to be given up. */
static int look_at_all(struct wn_connections *all, struct pollfd *polls, struct wn_job **jobs, int room)
{
    int n = 0, found = 0;
    int64_t now = wn_now_ns();
    for (struct wn_connection *c = all->first; c && n < room; c = c->next)
        polls[n++] = (struct pollfd){c->fd, POLLIN | POLLRDHUP, 0};
    if (poll(polls, (nfds_t)n, 0) < 0) return 0;
    struct wn_connection *c = all->first;
    for (int i = 0; i < n; i++, c = c->next) {
        struct wn_job *job = look(all, c, polls[i].revents, now);
        if (job) jobs[found++] = job;
    }
    return found;
}

/* With the lock held, of one where nothing is asked: will something be? */
static bool is_about_to_ask(const struct wn_connection *c, int64_t now)
{
    struct pollfd p = {c->fd, POLLIN | POLLRDHUP, 0};
    if (poll(&p, 1, 0) > 0) return p.revents == POLLIN; /* else the client is gone */
    return has_begun(c) || (!c->asked && now - c->since_ns < NEW_NS);
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
    tell_of_late_heads(all);
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
