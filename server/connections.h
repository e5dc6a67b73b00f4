/* The open connections, watched for what the HTTP library does not see: clients that drip, and clients that went away.
 */
#ifndef WN_SERVER_CONNECTIONS_H
#define WN_SERVER_CONNECTIONS_H

#include "coming.h"
#include "config.h"
#include "queue.h"

#include <microhttpd.h>
#include <stdatomic.h>
#include <sys/socket.h>

enum wn_phase { WN_PHASE_IDLE, WN_PHASE_HEAD, WN_PHASE_BODY, WN_PHASE_BUSY, WN_PHASE_REPLY, WN_PHASES };

struct wn_connection;
struct wn_connections {
    pthread_mutex_t lock; /* guards the list and every entry; taken before the queue's lock, never after it */
    struct wn_connection *first;
    int n; /* begun */
    struct wn_coming coming;
    int64_t limit_ns[WN_PHASES]; /* longest stay in a phase; 0: none */
    struct wn_queue *queue;
    /* tells a client that its body does not come in time; once, in the watch's thread, with the lock held */
    void (*too_late)(void *request, int fd);
    /* is given a request that was begun on a connection that closed, and of which the library never said that it was
     * over: so it goes where cookies have more pieces than the library has room for */
    void (*left)(void *request);
    int late_heads;  /* that nothing was said of yet; the watch's own, as the next two */
    int64_t said_ns; /* when something was */
    struct sockaddr_storage last_late;
    pthread_t thread;
    atomic_int tick_ms; /* how often it looks */
    atomic_bool stop;
};

enum wn_code wn_connections_init(struct wn_connections *all, const struct wn_config *config, struct wn_queue *queue,
                                 void (*too_late)(void *request, int fd), void (*left)(void *request),
                                 struct wn_error *err);
void wn_connections_finish(struct wn_connections *all); /* after the HTTP library has stopped */
/* For MHD_OPTION_NOTIFY_CONNECTION, cls: the struct wn_connections. */
void wn_connections_notify(void *cls, struct MHD_Connection *connection, void **context,
                           enum MHD_ConnectionNotificationCode what);
/* A request begins with its head, and is over. The head's time runs from its first byte on, which may have come long
 * before the library tells of it. */
void wn_connections_begin(struct wn_connections *all, struct MHD_Connection *connection, void *request);
void wn_connections_end(struct wn_connections *all, struct MHD_Connection *connection);
/* In between the connection goes on to this phase. job: in BUSY, the work that nobody wants any more once the client is
 * gone; else NULL. */
void wn_connections_enter(struct wn_connections *all, struct MHD_Connection *connection, enum wn_phase phase,
                          struct wn_job *job);
/* The same for the body of a request, which too_late is told of. It lives until the connection goes on to another
 * phase. */
void wn_connections_await_body(struct wn_connections *all, struct MHD_Connection *connection, void *request);
/* A connection was accepted, and the library is to begin it; gone: it did not take it after all. */
void wn_connections_come(struct wn_connections *all, int fd, bool gone);
/* Whether one more may be accepted where `most` are the limit. */
bool wn_connections_have_room(struct wn_connections *all, int most);
/* How many of them are about to ask: bytes wait to be read, or the connection is so new that its first may be on
 * their way. A daemon that goes waits for these as for requests: their clients could not have known. */
int wn_connections_expected(struct wn_connections *all);
/* Closes those on which nothing is asked and nobody is about to ask: a daemon that goes would do it next, and others
 * wait for their places. */
void wn_connections_cut_idle(struct wn_connections *all);

#endif
