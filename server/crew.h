/* The workers that compute: how many there are, and on which of the backend's devices each has its engines. */
#ifndef WN_SERVER_CREW_H
#define WN_SERVER_CREW_H

#include "config.h"

#include <whynot/backend.h>

#define WN_MOST_DEVICES 64
#define WN_MOST_WORKERS 256

struct wn_crew {
    int n; /* workers; 0: not chosen yet */
    int n_devices;
    int device[WN_MOST_DEVICES];            /* their numbers among the backend's */
    char device_name[WN_MOST_DEVICES][128]; /* "" until there are engines */
    const char *backend, *precision;        /* of every engine, as the first one has them; static */
};

/* The devices that the configuration names, in its order; there: how many the backend has; 0, where it does not
 * count them, is one. "all", or nothing, is all of them. */
enum wn_code wn_devices_read(const struct wn_config *c, int there, int list[WN_MOST_DEVICES], int *n,
                             struct wn_error *err);
/* The first of them, which needs no backend; 0 where the list cannot be read. */
int wn_devices_first(const struct wn_config *c);

/* What the configuration says, and where it leaves it open what the first engine is like. */
enum wn_code wn_crew_choose(const struct wn_config *c, const struct wn_backend_traits *first, struct wn_crew *out,
                            struct wn_error *err);
/* Workers take turns with the devices, so that the first few are on different ones. An index into the lists above. */
int wn_crew_device(const struct wn_crew *crew, int worker);

#endif
