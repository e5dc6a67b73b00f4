/* The order in which one model's work is taken; knows no threads and no time of its own. */
#include "lane.h"

#include "batch.h"
#include "queue_inside.h"

#define LOWEST_EVERY 8

static struct wn_flow *flow_of(struct wn_lane *lane, const struct wn_job *job)
{
    return &lane->flow[job->priority][job->key];
}

static void append_turn(struct wn_lane *lane, int level, struct wn_flow *flow)
{
    flow->next = NULL;
    if (lane->turn[level])
        lane->last[level]->next = flow; /* analyzer: where there is a first one there is a last one */
    else
        lane->turn[level] = flow;
    lane->last[level] = flow;
}

static void remove_turn(struct wn_lane *lane, int level, struct wn_flow *flow)
{
    struct wn_flow *before = NULL;
    for (struct wn_flow *f = lane->turn[level]; f != flow; f = f->next) before = f;
    if (before)
        before->next = flow->next;
    else
        lane->turn[level] = flow->next;
    if (lane->last[level] == flow) lane->last[level] = before;
}

void wn_lane_add(struct wn_lane *lane, struct wn_item *item)
{
    struct wn_flow *flow = flow_of(lane, item->job);
    item->lane = lane;
    item->next = NULL;
    item->previous = flow->last;
    if (flow->last)
        flow->last->next = item;
    else
        flow->first = item;
    flow->last = item;
    if (flow->n++ == 0) append_turn(lane, item->job->priority, flow);
    lane->n++;
    lane->n_long += item->is_long;
}

void wn_lane_remove(struct wn_lane *lane, struct wn_item *item)
{
    struct wn_flow *flow = flow_of(lane, item->job);
    if (item->previous)
        item->previous->next = item->next;
    else
        flow->first = item->next;
    if (item->next)
        item->next->previous = item->previous;
    else
        flow->last = item->previous;
    item->lane = NULL;
    item->next = item->previous = NULL;
    lane->n--;
    lane->n_long -= item->is_long;
    if (--flow->n == 0) remove_turn(lane, item->job->priority, flow);
}

/* The first of that level that may be taken, in the order of turns, or NULL. */
static struct wn_item *first_of(const struct wn_lane *lane, int level, bool also_long)
{
    for (const struct wn_flow *flow = lane->turn[level]; flow; flow = flow->next)
        for (struct wn_item *item = flow->first; item; item = item->next)
            if (also_long || !item->is_long) return item;
    return NULL;
}

struct wn_item *wn_lane_next(struct wn_lane *lane, bool also_long)
{
    struct wn_item *highest = NULL, *lowest = NULL;
    for (int level = 0; level < WN_PRIORITIES; level++) {
        struct wn_item *item = first_of(lane, level, also_long);
        if (item && !lowest) lowest = item;
        if (item) highest = item;
    }
    if (!highest) return NULL;
    struct wn_item *item = ++lane->picks % LOWEST_EVERY == 0 ? lowest : highest;
    const int level = (int)item->job->priority;
    struct wn_flow *flow = flow_of(lane, item->job);
    wn_lane_remove(lane, item);
    if (flow->n && flow->next) { /* to the end of the round */
        remove_turn(lane, level, flow);
        append_turn(lane, level, flow);
    }
    return item;
}

struct wn_item *wn_lane_same_picture(struct wn_lane *lane, const struct wn_item *item)
{
    for (int level = 0; level < WN_PRIORITIES; level++)
        for (struct wn_flow *flow = lane->turn[level]; flow; flow = flow->next)
            for (struct wn_item *i = flow->first; i; i = i->next)
                if (!i->heavy && !i->is_long && i->picture == item->picture && wn_items_share(i, item)) return i;
    return NULL;
}

struct wn_ahead wn_lane_ahead(const struct wn_lane *lane, int key, enum wn_priority priority)
{
    struct wn_ahead ahead = {0};
    const int own = lane->flow[priority][key].n;
    for (int level = (int)priority; level < WN_PRIORITIES; level++)
        for (const struct wn_flow *flow = lane->turn[level]; flow; flow = flow->next) {
            int n = level > (int)priority || flow->n <= own ? flow->n : own + 1;
            ahead.n += n;
            for (const struct wn_item *item = flow->first; n--; item = item->next)
                ahead.work[item->is_long] += wn_item_work(item);
        }
    return ahead;
}

struct wn_ahead wn_lane_first(const struct wn_lane *lane, int n)
{
    struct wn_ahead first = {0};
    for (int level = WN_PRIORITIES - 1; level >= 0; level--)
        for (const struct wn_flow *flow = lane->turn[level]; flow; flow = flow->next)
            for (const struct wn_item *item = flow->first; item && first.n < n; item = item->next) {
                first.n++;
                first.work[item->is_long] += wn_item_work(item);
            }
    return first;
}

int wn_lane_of_key(const struct wn_lane *lane, int key)
{
    int n = 0;
    for (int level = 0; level < WN_PRIORITIES; level++) n += lane->flow[level][key].n;
    return n;
}

int wn_lane_above(const struct wn_lane *lane, int most)
{
    int above = 0;
    for (int key = 0; key <= WN_MOST_KEYS; key++) {
        const int n = wn_lane_of_key(lane, key);
        if (n > most) above += n - most;
    }
    return above;
}

struct wn_item *wn_lane_heaviest(const struct wn_lane *lane, int more_than)
{
    struct wn_item *heaviest = NULL;
    for (int level = WN_PRIORITIES - 1; level >= 0; level--)
        for (const struct wn_flow *flow = lane->turn[level]; flow; flow = flow->next) {
            int n = wn_lane_of_key(lane, flow->first->job->key);
            if (n < more_than || (n == more_than && !heaviest)) continue;
            more_than = n; /* a tie goes to the one seen last: the lower priority gives way */
            heaviest = flow->last;
        }
    return heaviest;
}

int64_t wn_lane_since(const struct wn_lane *lane)
{
    int64_t since = INT64_MAX;
    for (int level = 0; level < WN_PRIORITIES; level++)
        for (const struct wn_flow *flow = lane->turn[level]; flow; flow = flow->next)
            if (flow->first->queued_ns < since) since = flow->first->queued_ns;
    return since;
}
