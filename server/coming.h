/* Connections that were accepted and that the HTTP library has not begun yet. Where it has no memory to begin one it
 * closes it and tells nobody: such a one is forgotten when its number comes again, or after some seconds. */
#ifndef WN_SERVER_COMING_H
#define WN_SERVER_COMING_H

#include <stdint.h>

#define WN_COMING_NS 5000000000LL /* the library takes milliseconds */

struct wn_coming_one {
    int fd;
    int64_t since_ns;
};

struct wn_coming {
    struct wn_coming_one *list; /* oldest first */
    int n, room;
};

/* Where there is no memory it is not counted. */
void wn_coming_add(struct wn_coming *all, int fd, int64_t now);
void wn_coming_remove(struct wn_coming *all, int fd); /* one that is not there is fine */
int wn_coming_count(struct wn_coming *all, int64_t now);
void wn_coming_finish(struct wn_coming *all);

#endif
