/* The door: takes connections in from every listener and hands them to the HTTP library. Knows descriptors, and
 * nothing of requests. */
#include "door.h"

#include "log.h"

#include <errno.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#define SPARE_DESCRIPTORS 64 /* model files, the log, what backends open */

/* Out of descriptors the library asks for one thousands of times a second; out of connections it waits. So connections
 * must run out first. */
int wn_door_most(const struct wn_config *c)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)c->max_connections + SPARE_DESCRIPTORS;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return (int)c->max_connections;
    if (limit.rlim_cur < wanted) {
        limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur >= wanted) return (int)c->max_connections;
    int fewer = (int)(limit.rlim_cur > 2 * SPARE_DESCRIPTORS ? limit.rlim_cur - SPARE_DESCRIPTORS : limit.rlim_cur / 2);
    wn_log("warning", "only %d connections at once: the limit of open files is %llu", fewer,
           (unsigned long long)limit.rlim_cur);
    return fewer;
}

/* One connection from a listener to the library. False: none waits, or none can be had just now. */
static bool take_in(struct wn_server *s, int fd)
{
    struct sockaddr_storage peer;
    socklen_t n = sizeof peer;
    if (!wn_connections_have_room(&s->connections, s->most_connections)) return false;
    int client = accept4(fd, (struct sockaddr *)&peer, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client < 0) return errno == EINTR || errno == ECONNABORTED;
    wn_connections_come(&s->connections, client, false);
    if (MHD_add_connection(s->http, client, (struct sockaddr *)&peer, n) != MHD_YES)
        wn_connections_come(&s->connections, client, true);
    return true;
}

/* One from each listener where somebody waits; a short rest where none could be had: out of connections or
 * descriptors, or another process was quicker. */
static void take_in_ready(struct wn_server *s, const struct pollfd *polls, int n)
{
    const struct timespec pause = {0, 10000000};
    bool any = false;
    for (int i = 0; i < n; i++) any |= polls[i].revents && take_in(s, polls[i].fd);
    if (!any) nanosleep(&pause, NULL);
}

static int fill_polls(const struct wn_server *s, struct pollfd *polls)
{
    for (int i = 0; i < s->listeners.n; i++) polls[i] = (struct pollfd){s->listeners.fd[i], POLLIN, 0};
    return s->listeners.n;
}

/* Accepts for all threads of the library, which hands connections out in turn. Accepting by itself, a thread that is
 * awake takes all that wait, and decodes all their pictures while the others sleep. */
static void *mind_door(void *arg)
{
    struct wn_server *s = arg;
    struct pollfd polls[WN_MOST_LISTENERS];
    int n = fill_polls(s, polls);
    while (!atomic_load(&s->closing))
        if (poll(polls, (nfds_t)n, 100) > 0) take_in_ready(s, polls, n);
    return NULL;
}

enum wn_code wn_door_open(struct wn_server *s, struct wn_error *err)
{
    s->has_door = pthread_create(&s->door, NULL, mind_door, s) == 0;
    return s->has_door ? WN_OK : wn_fail(err, WN_NO_MEMORY, "a thread cannot be started");
}

void wn_door_shut(struct wn_server *s)
{
    atomic_store(&s->closing, true);
    if (s->has_door) pthread_join(s->door, NULL);
    s->has_door = false;
}

void wn_door_leave(struct wn_server *s)
{
    if (!s->listeners.kept) wn_listen_shut_door(&s->listeners);
    wn_door_shut(s);
}

/* Connections that the kernel has taken in already would hang and then be reset: hand them over one by one. */
bool wn_door_empty(struct wn_server *s)
{
    struct pollfd polls[WN_MOST_LISTENERS];
    const int n = fill_polls(s, polls);
    if (s->listeners.kept || poll(polls, (nfds_t)n, 50) <= 0) {
        wn_listen_close(&s->listeners);
        return false;
    }
    if (!wn_connections_have_room(&s->connections, s->most_connections)) wn_connections_cut_idle(&s->connections);
    take_in_ready(s, polls, n);
    return true;
}
