/* A list with ages; knows no sockets. */
#include "coming.h"

#include <stdlib.h>
#include <string.h>

static void remove_at(struct wn_coming *all, int at)
{
    all->n--;
    memmove(&all->list[at], &all->list[at + 1], (size_t)(all->n - at) * sizeof *all->list);
}

void wn_coming_add(struct wn_coming *all, int fd, int64_t now)
{
    wn_coming_remove(all, fd);
    if (all->n == all->room) {
        const int room = all->room ? 2 * all->room : 64;
        struct wn_coming_one *more = realloc(all->list, (size_t)room * sizeof *more);
        if (!more) return;
        all->list = more;
        all->room = room;
    }
    all->list[all->n++] = (struct wn_coming_one){fd, now};
}

void wn_coming_remove(struct wn_coming *all, int fd)
{
    int at = 0;
    while (at < all->n && all->list[at].fd != fd) at++;
    if (at < all->n) remove_at(all, at);
}

int wn_coming_count(struct wn_coming *all, int64_t now)
{
    while (all->n && now - all->list[0].since_ns > WN_COMING_NS) remove_at(all, 0);
    return all->n;
}

void wn_coming_finish(struct wn_coming *all)
{
    free(all->list);
    *all = (struct wn_coming){0};
}
