/* What waits for one model, in the order in which it will be taken. The queue's lock guards it. */
#ifndef WN_SERVER_LANE_H
#define WN_SERVER_LANE_H

#include "job.h"

struct wn_flow { /* of one key at one priority */
    struct wn_item *first, *last;
    int n;
    struct wn_flow *next; /* whose turn it is after this one; only where n > 0 */
};

struct wn_lane {
    struct wn_lane *next;
    const struct wn_model *model;
    int n, n_long, picks;
    int coming; /* items of the job that is being let in; 0 between two jobs */
    bool long_comes;
    struct wn_flow *turn[WN_PRIORITIES], *last[WN_PRIORITIES];
    struct wn_flow flow[WN_PRIORITIES][WN_MOST_KEYS + 1];
};

void wn_lane_add(struct wn_lane *lane, struct wn_item *item);
/* Takes out one that waits; item->lane is NULL afterwards. */
void wn_lane_remove(struct wn_lane *lane, struct wn_item *item);
/* Takes out the next, or the next that is not long; NULL where there is none. */
struct wn_item *wn_lane_next(struct wn_lane *lane, bool also_long);
/* Another item about the same picture that adds little work to a run, or NULL. */
struct wn_item *wn_lane_same_picture(struct wn_lane *lane, const struct wn_item *item);
/* Work that would be taken before the next picture of this key, by is_long, and more such of its own. */
struct wn_ahead {
    int n;
    int64_t work[2];
};
struct wn_ahead wn_lane_ahead(const struct wn_lane *lane, int key, enum wn_priority priority);
/* Work of so many pictures of another model that come first here. */
struct wn_ahead wn_lane_first(const struct wn_lane *lane, int n);
int wn_lane_of_key(const struct wn_lane *lane, int key);
int wn_lane_above(const struct wn_lane *lane, int most); /* what keys have here beyond so many each, summed up */
/* The item that came last of the key that has most here; NULL where none has more than `more_than`. */
struct wn_item *wn_lane_heaviest(const struct wn_lane *lane, int more_than);
int64_t wn_lane_since(const struct wn_lane *lane); /* when the oldest came; INT64_MAX where nothing waits */

#endif
