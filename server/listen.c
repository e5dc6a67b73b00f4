/* Listening sockets, found or made; knows addresses, and nothing of what is said on them. */
#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_INHERITED 3
#define BACKLOG 1024

/* ---- inherited ---- */

static int inherited_count(void)
{
    const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");
    if (!pid || !n || strtol(pid, NULL, 10) != (long)getpid()) return 0;
    long count = strtol(n, NULL, 10);
    return count < 0 ? 0 : count > WN_MOST_LISTENERS + 1 ? WN_MOST_LISTENERS + 1 : (int)count;
}

static void take_name(const char **names, char out[64])
{
    size_t n = strcspn(*names, ":");
    snprintf(out, 64, "%.*s", (int)(n < 63 ? n : 63), *names);
    *names += n;
    if (**names) ++*names;
}

static bool is_listening_stream(int fd)
{
    int type = 0, listening = 0;
    socklen_t size = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM) return false;
    size = sizeof listening;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening;
}

/* The address as config has it, for the names that Host may carry. */
static void describe(int fd, struct wn_config *config)
{
    struct sockaddr_storage a = {0};
    socklen_t n = sizeof a;
    if (getsockname(fd, (struct sockaddr *)&a, &n) != 0 || (a.ss_family != AF_INET && a.ss_family != AF_INET6)) return;
    getnameinfo((struct sockaddr *)&a, n, config->host, sizeof config->host, NULL, 0, NI_NUMERICHOST);
    config->port = wn_listen_port(fd);
}

/* What is wrong here was no option of ours: another start may be given better ones. */
static enum wn_code inherit(struct wn_config *config, struct wn_listeners *out, int n, struct wn_error *err)
{
    const char *names = getenv("LISTEN_FDNAMES");
    if (!names) names = "";
    if (n > WN_MOST_LISTENERS)
        return wn_fail(err, WN_DEVICE, "LISTEN_FDS: at most %d sockets are taken", WN_MOST_LISTENERS);
    out->inherited = out->kept = true;
    for (; out->n < n; out->n++) {
        int fd = FIRST_INHERITED + out->n;
        char *name = out->name[out->n];
        take_name(&names, name);
        if (!is_listening_stream(fd))
            return wn_fail(err, WN_DEVICE, "inherited socket %d (%s) is not one that listens for streams", fd,
                           name[0] ? name : "no name");
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
        out->fd[out->n] = fd;
        if (strcmp(name, WN_SUPERVISED) == 0) out->kept = false;
    }
    describe(out->fd[0], config);
    return WN_OK;
}

/* ---- our own ---- */

static enum wn_code bind_one(const struct wn_config *c, const struct addrinfo *a, int *out, struct wn_error *err)
{
    const int on = 1;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), why;
    if (fd < 0) return wn_fail(err, WN_DEVICE, "no socket: %s", strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (c->reuse_port) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (a->ai_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0) {
        *out = fd;
        return WN_OK;
    }
    why = errno;
    close(fd);
    /* the kernel wants it of both, and says of neither which */
    bool alone = c->reuse_port && why == EADDRINUSE;
    return wn_fail(err, WN_DEVICE, "port %d of %.64s cannot be used: %s%s", (int)c->port, c->host, strerror(why),
                   alone ? "; --reuse-port shares it only with a process of the same user that was started with "
                           "--reuse-port too"
                         : "");
}

static enum wn_code make(const struct wn_config *c, struct wn_listeners *out, struct wn_error *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV}, *address;
    const char *host = strcmp(c->host, "localhost") == 0 ? "127.0.0.1" : c->host;
    char port[16];
    snprintf(port, sizeof port, "%d", (int)c->port);
    if (getaddrinfo(host, port, &hints, &address) != 0)
        return wn_fail(err, WN_BAD_REQUEST, "host: '%.64s' is not a numeric address", c->host);
    enum wn_code code = bind_one(c, address, &out->fd[0], err);
    freeaddrinfo(address);
    out->n = code == WN_OK;
    return code;
}

enum wn_code wn_listen(struct wn_config *config, struct wn_listeners *out, struct wn_error *err)
{
    int n = inherited_count();
    *out = (struct wn_listeners){0};
    return n ? inherit(config, out, n, err) : make(config, out, err);
}

void wn_listen_close(struct wn_listeners *l)
{
    for (int i = 0; i < l->n; i++)
        if (l->fd[i] >= 0) close(l->fd[i]);
    l->n = 0;
}

/* ---- what is asked of them ---- */

int wn_listen_port(int fd)
{
    struct sockaddr_storage a = {0};
    socklen_t n = sizeof a;
    if (getsockname(fd, (struct sockaddr *)&a, &n) != 0) return 0;
    if (a.ss_family == AF_INET) return ntohs(((const struct sockaddr_in *)(const void *)&a)->sin_port);
    return a.ss_family == AF_INET6 ? ntohs(((const struct sockaddr_in6 *)(const void *)&a)->sin6_port) : 0;
}

static bool is_public(int fd)
{
    struct sockaddr_storage a = {0};
    socklen_t n = sizeof a;
    if (getsockname(fd, (struct sockaddr *)&a, &n) != 0) return true;
    if (a.ss_family == AF_UNIX) return false;
    if (a.ss_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)&a)->sin_addr.s_addr) >> 24 != 127;
    return a.ss_family != AF_INET6 ||
           !IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)&a)->sin6_addr);
}

bool wn_listen_is_public(const struct wn_listeners *l)
{
    for (int i = 0; i < l->n; i++)
        if (is_public(l->fd[i])) return true;
    return false;
}

/* A packet that is the first of a connection (SYN without ACK) is dropped before the kernel answers it. */
void wn_listen_shut_door(const struct wn_listeners *l)
{
    static struct sock_filter no_first_packet[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),          /* the flags of the TCP header */
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),       /* SYN, ACK */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x02, 0, 1), /* SYN alone: */
        BPF_STMT(BPF_RET | BPF_K, 0),                    /* no byte of it passes */
        BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
    };
    const struct sock_fprog program = {sizeof no_first_packet / sizeof *no_first_packet, no_first_packet};
    for (int i = 0; i < l->n; i++) (void)setsockopt(l->fd[i], SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}
