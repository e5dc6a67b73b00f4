/* The sockets that are listened on: inherited ones, or one of our own. */
#ifndef WN_SERVER_LISTEN_H
#define WN_SERVER_LISTEN_H

#include "config.h"

#define WN_MOST_LISTENERS 8
#define WN_SUPERVISED "whynotd-supervised" /* name of a socket that our own supervisor passes on */

struct wn_listeners {
    int fd[WN_MOST_LISTENERS];
    char name[WN_MOST_LISTENERS][64]; /* as whoever passed it on calls it; "" for our own */
    int n;
    bool inherited;
    bool kept; /* whoever passed them on listens on: what waits in the kernel's queue is for the next process */
};

/* Takes what was passed on (LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES), or else binds config's host and port; of
 * inherited sockets the first one's address becomes config's. */
enum wn_code wn_listen(struct wn_config *config, struct wn_listeners *out, struct wn_error *err);
void wn_listen_close(struct wn_listeners *l);
/* The port of a socket, 0 where it has none. */
int wn_listen_port(int fd);
/* Whether others than this machine can reach one of them. */
bool wn_listen_is_public(const struct wn_listeners *l);
/* From now on the kernel lets nobody new begin; connections that have begun still arrive. Clients try again by
 * themselves, and find the next process or none. */
void wn_listen_shut_door(const struct wn_listeners *l);

#endif
