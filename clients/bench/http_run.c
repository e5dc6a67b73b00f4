/* Sends on a schedule and takes the time from when a request was *meant* to start, so that a server (or a generator)
 * that stalls is seen in every request that had to wait for it. One thread, epoll; knows nothing of what is sent. */
#include "http_bench.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define SWEEP_NS 5000000
#define EVENTS 256

struct waiting { /* an arrival without a connection */
    int64_t intended_ns;
    const struct http_message *message;
};

struct link {
    int fd, number;                         /* fd -1: closed */
    bool connecting, busy, used, with_body; /* used: it has brought an answer; with_body: the body may go out */
    unsigned interest;
    struct waiting job;
    size_t sent;
    struct http_reply reply;
};

struct run {
    const struct http_load *load;
    const struct http_options *o;
    struct http_result *r;
    struct addrinfo *address;
    int epoll, timer;
    struct link **links; /* o->connections of them, made when they are needed */
    int *idle, n_idle, n_links, n_open, n_busy;
    struct waiting *queue; /* a ring */
    size_t head, tail, room;
    int64_t begin_ns, measure_ns, end_ns, next_ns, timeout_ns;
    uint64_t random;
    bool failed; /* the generator itself, and it was said why: nothing that it would still count is true */
};

/* With errno's words. */
static void fail(struct run *x, const char *what)
{
    if (!x->failed) fprintf(stderr, "whynot-bench http: %s: %s; nothing is reported\n", what, strerror(errno));
    x->failed = true;
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static uint64_t draw(struct run *x)
{
    x->random ^= x->random << 13;
    x->random ^= x->random >> 7;
    x->random ^= x->random << 17;
    return x->random;
}

/* ---- what is counted ---- */

static bool is_measured(const struct run *x, int64_t intended_ns)
{
    return intended_ns >= x->measure_ns && intended_ns < x->end_ns;
}

static void count(struct run *x, const struct waiting *job, int status, uint64_t *failure)
{
    int64_t now = now_ns(), us = (now - job->intended_ns) / 1000;
    if (!is_measured(x, job->intended_ns)) {
        /* answers to the warm-up still say how much the server does in the measured time */
        if (!failure && now >= x->measure_ns && now < x->end_ns)
            x->r->in_window++, x->r->ok_in_window += status / 100 == 2; /* analyzer: r is the caller's */
        return;
    }
    x->r->planned++;
    wn_hist_add(&x->r->all, us);
    if (failure) {
        ++*failure;
        return;
    }
    x->r->status[status]++;
    if (status / 100 == 2) wn_hist_add(&x->r->ok, us);
    if (status == 429 || status == 503) wn_hist_add(&x->r->refused, us);
    if (now < x->end_ns) x->r->in_window++, x->r->ok_in_window += status / 100 == 2;
}

/* ---- connections ---- */

static void hang_up(struct run *x, struct link *l)
{
    if (l->fd < 0) return;
    close(l->fd);
    l->fd = -1;
    x->n_open--;
}

static void watch(struct run *x, struct link *l, unsigned interest)
{
    if (l->interest == interest) return;
    struct epoll_event event = {.events = interest, .data.ptr = l};
    if (epoll_ctl(x->epoll, l->interest ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, l->fd, &event) != 0)
        fail(x, "a connection cannot be watched");
    l->interest = interest;
}

static bool dial(struct run *x, struct link *l)
{
    const struct addrinfo *a = x->address;
    int one = 1;
    l->fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0) return false;
    x->n_open++;
    if (x->n_open > x->r->most_open) x->r->most_open = x->n_open;
    setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    l->connecting = connect(l->fd, a->ai_addr, a->ai_addrlen) != 0;
    l->interest = 0;
    l->used = false;
    if (l->connecting && errno != EINPROGRESS) {
        hang_up(x, l);
        return false;
    }
    return true;
}

static bool start(struct run *x, struct link *l, struct waiting job);

/* The connection has nothing to do: it takes the next arrival that waits, or rests. */
static void rest(struct run *x, struct link *l)
{
    while (x->head != x->tail)
        if (start(x, l, x->queue[x->head++ % x->room])) return;
    if (l->fd >= 0) watch(x, l, EPOLLIN);
    x->idle[x->n_idle++] = l->number;
}

static void release(struct run *x, struct link *l)
{
    l->busy = false;
    x->n_busy--;
    rest(x, l);
}

static void give_up(struct run *x, struct link *l, uint64_t *failure)
{
    hang_up(x, l);
    count(x, &l->job, 0, failure);
    release(x, l);
}

static void arrive(struct run *x, int64_t intended_ns);

static void answered(struct run *x, struct link *l)
{
    bool sent_all = l->sent == l->job.message->head_size + (l->job.message->body ? l->job.message->body->size : 0);
    count(x, &l->job, l->reply.status, NULL);
    l->used = true;
    if (l->reply.close || !x->o->keep_alive || !sent_all) hang_up(x, l);
    release(x, l);
    if (x->o->rate <= 0 && now_ns() < x->end_ns) arrive(x, now_ns());
}

/* The other side ended a connection that had rested: no fault, a new one is opened once for the same request. */
static void broke(struct run *x, struct link *l)
{
    bool stale = l->used && l->reply.at == HTTP_IN_HEAD && l->reply.head_size == 0 && !l->reply.interim;
    struct waiting job = l->job;
    if (!stale) {
        give_up(x, l, &x->r->broken);
        return;
    }
    x->r->retries++;
    hang_up(x, l);
    l->busy = false;
    x->n_busy--;
    if (!start(x, l, job)) rest(x, l);
}

/* ---- one exchange ---- */

static void receive(struct run *x, struct link *l)
{
    static char piece[262144];
    for (;;) {
        ssize_t n = recv(l->fd, piece, sizeof piece, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
        if (n > 0) x->r->bytes_read += (uint64_t)n;
        if (n < 0 || !http_reply_feed(&l->reply, piece, (size_t)n)) {
            broke(x, l);
            return;
        }
        if (l->reply.at == HTTP_OVER) {
            answered(x, l);
            return;
        }
        if (l->reply.interim && !l->with_body) {
            l->with_body = true;
            watch(x, l, EPOLLIN | EPOLLOUT);
        }
        if ((size_t)n < sizeof piece) return;
    }
}

static void transmit(struct run *x, struct link *l)
{
    const struct http_message *m = l->job.message;
    size_t whole = m->head_size + (m->body && l->with_body ? m->body->size : 0);
    while (l->sent < whole) {
        struct iovec parts[2];
        int n = 0;
        if (l->sent < m->head_size) parts[n++] = (struct iovec){m->head + l->sent, m->head_size - l->sent};
        size_t done = l->sent > m->head_size ? l->sent - m->head_size : 0;
        if (whole > m->head_size) parts[n++] = (struct iovec){m->body->data + done, m->body->size - done};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)n};
        ssize_t sent = sendmsg(l->fd, &message, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            watch(x, l, EPOLLIN | EPOLLOUT);
            return;
        }
        if (sent < 0) { /* refused before its body was read, perhaps: the answer lies there to be read */
            watch(x, l, EPOLLIN);
            return;
        }
        size_t before = l->sent > m->head_size ? l->sent - m->head_size : 0;
        l->sent += (size_t)sent;
        x->r->body_bytes_sent += (l->sent > m->head_size ? l->sent - m->head_size : 0) - before;
    }
    watch(x, l, EPOLLIN);
}

/* False: there is no connection to be had, and the request was counted so. */
static bool start(struct run *x, struct link *l, struct waiting job)
{
    if (l->fd < 0 && !dial(x, l)) {
        count(x, &job, 0, &x->r->unreachable);
        return false;
    }
    l->job = job;
    l->busy = true;
    x->n_busy++;
    l->sent = 0;
    l->with_body = !x->o->expect;
    l->reply.at = HTTP_IN_HEAD;
    l->reply.head_size = 0;
    l->reply.interim = l->reply.close = false;
    if (l->connecting)
        watch(x, l, EPOLLOUT);
    else
        transmit(x, l);
    return true;
}

static void on_event(struct run *x, struct link *l, unsigned events)
{
    if (l->fd < 0) return;
    if (!l->busy) { /* closed while it rested, or speaking unasked */
        hang_up(x, l);
        return;
    }
    if (l->connecting) {
        int why = 0;
        socklen_t n = sizeof why;
        getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &why, &n);
        l->connecting = false;
        if (why) {
            give_up(x, l, &x->r->unreachable);
            return;
        }
    }
    if (events & EPOLLOUT) transmit(x, l);
    if (l->fd >= 0 && events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive(x, l);
}

/* ---- the schedule ---- */

static bool make_room(struct run *x)
{
    if (x->tail - x->head < x->room) return true;
    size_t room = x->room ? 2 * x->room : 1024, n = x->tail - x->head;
    struct waiting *bigger = malloc(room * sizeof *bigger);
    if (!bigger) return fail(x, "the line of arrivals"), false;
    /* analyzer: n is 0 where the room is */
    for (size_t i = 0; i < n; i++) bigger[i] = x->queue[(x->head + i) % x->room];
    free(x->queue);
    x->queue = bigger;
    x->head = 0;
    x->tail = n;
    x->room = room;
    return true;
}

static struct link *free_link(struct run *x)
{
    if (x->n_idle) return x->links[x->idle[--x->n_idle]];
    if (x->n_links >= x->o->connections) return NULL;
    struct link *l = calloc(1, sizeof *l);
    if (!l) return fail(x, "a connection"), NULL;
    l->fd = -1;
    l->number = x->n_links;
    return x->links[x->n_links++] = l;
}

static void arrive(struct run *x, int64_t intended_ns)
{
    struct waiting job = {intended_ns, &x->load->messages[draw(x) % (uint64_t)x->load->n_messages]};
    struct link *l = x->head == x->tail ? free_link(x) : NULL;
    if (l) {
        if (!start(x, l, job)) x->idle[x->n_idle++] = l->number;
    } else if (make_room(x)) {
        x->queue[x->tail++ % x->room] = job;
        if (x->tail - x->head > x->r->backlog) x->r->backlog = x->tail - x->head;
    }
}

static void set_timer(struct run *x)
{
    struct itimerspec t = {.it_value = {x->next_ns / 1000000000, x->next_ns % 1000000000}};
    if (timerfd_settime(x->timer, TFD_TIMER_ABSTIME, &t, NULL) != 0) fail(x, "the timer cannot be set");
}

static void on_schedule(struct run *x)
{
    int64_t now = now_ns();
    if (x->next_ns > now) return;
    while (x->next_ns <= now && x->next_ns < x->end_ns) {
        if (is_measured(x, x->next_ns)) wn_hist_add(&x->r->lag, (now - x->next_ns) / 1000);
        double gap = 1e9 / x->o->rate;
        if (x->o->poisson) gap *= -log(((double)(draw(x) >> 11) + 1) / 9007199254740993.0);
        int64_t intended = x->next_ns;
        x->next_ns += (int64_t)gap;
        arrive(x, intended);
    }
    if (x->next_ns < x->end_ns) set_timer(x);
}

/* It only wakes: what is due, the clock says. */
static void on_timer(struct run *x)
{
    uint64_t expirations;
    if (read(x->timer, &expirations, sizeof expirations) < 0 && errno != EAGAIN && errno != EINTR)
        fail(x, "the timer cannot be read");
}

static void on_events(struct run *x)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(x->epoll, events, EVENTS, SWEEP_NS / 1000000);
    if (n < 0 && errno != EINTR) fail(x, "the connections cannot be waited for");
    for (int i = 0; i < n; i++) {
        if (events[i].data.ptr)
            on_event(x, events[i].data.ptr, events[i].events);
        else
            on_timer(x);
    }
}

/* Gives up what is too late, sent or not. */
static void sweep(struct run *x)
{
    int64_t limit = now_ns() - x->timeout_ns;
    while (x->head != x->tail && x->queue[x->head % x->room].intended_ns < limit) {
        count(x, &x->queue[x->head % x->room], 0, &x->r->timeouts); /* analyzer: the run's end frees the queue */
        x->head++;
    }
    for (int i = 0; i < x->n_links; i++) {
        struct link *l = x->links[i];
        if (!l->busy || l->job.intended_ns >= limit) continue;
        give_up(x, l, &x->r->timeouts);
        if (x->o->rate <= 0 && now_ns() < x->end_ns) arrive(x, now_ns());
    }
}

/* A closed loop keeps as many requests going as there are clients, whatever became of the earlier ones. */
static void refill(struct run *x)
{
    while (x->o->rate <= 0 && x->n_busy < x->o->clients && now_ns() < x->end_ns) {
        int before = x->n_busy;
        arrive(x, now_ns());
        if (x->n_busy == before) break; /* nobody listens: wait a moment */
    }
}

static void loop(struct run *x)
{
    int64_t swept = 0;
    refill(x);
    while (!x->failed) {
        on_events(x);
        if (x->o->rate > 0) on_schedule(x);
        int64_t now = now_ns();
        if (now - swept >= SWEEP_NS) {
            sweep(x);
            refill(x);
            swept = now;
        }
        bool more = x->o->rate > 0 ? x->next_ns < x->end_ns : now < x->end_ns;
        if (!more && !x->n_busy && x->head == x->tail) break;
    }
}

/* ---- life ---- */

static bool resolve(struct run *x)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int why = getaddrinfo(x->load->host, x->load->port, &hints, &found);
    x->address = found;
    if (why) fprintf(stderr, "whynot-bench http: %s: %s\n", x->load->host, gai_strerror(why));
    return why == 0;
}

static bool prepare(struct run *x)
{
    struct epoll_event event = {.events = EPOLLIN};
    x->links = calloc((size_t)x->o->connections, sizeof(struct link *));
    x->idle = calloc((size_t)x->o->connections, sizeof *x->idle);
    x->epoll = epoll_create1(EPOLL_CLOEXEC);
    x->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    bool fine = x->links && x->idle && x->epoll >= 0 && x->timer >= 0 &&
                epoll_ctl(x->epoll, EPOLL_CTL_ADD, x->timer, &event) == 0;
    if (!fine) perror("whynot-bench http");
    return fine;
}

bool http_run(const struct http_load *load, const struct http_options *o, struct http_result *out)
{
    struct run x = {
        .load = load, .o = o, .r = out, .epoll = -1, .timer = -1, .random = o->seed * 0x9e3779b97f4a7c15u + 1};
    bool fine = resolve(&x) && prepare(&x);
    if (fine) {
        x.begin_ns = now_ns();
        x.measure_ns = x.begin_ns + (int64_t)(o->warmup_s * 1e9);
        x.end_ns = x.measure_ns + (int64_t)(o->duration_s * 1e9);
        x.next_ns = x.begin_ns;
        x.timeout_ns = o->timeout_ms * 1000000;
        if (o->rate > 0) set_timer(&x);
        loop(&x);
        out->seconds = o->duration_s;
        fine = !x.failed;
    }
    for (int i = 0; i < x.n_links; i++) {
        hang_up(&x, x.links[i]);
        free(x.links[i]);
    }
    if (x.address) freeaddrinfo(x.address);
    if (x.epoll >= 0) close(x.epoll);
    if (x.timer >= 0) close(x.timer);
    free(x.links);
    free(x.idle);
    free(x.queue);
    return fine;
}
