/* What a resident network is asked for, one chore at a time, with a record of what came out; knows nothing of what
 * fails meanwhile. */
#ifndef WN_TESTS_CHORES_H
#define WN_TESTS_CHORES_H

#include <whynot/whynot.h>

enum { MOST_RECORDED = 1 << 16 };

/* What a chore answered: codes of single answers, logits, maps. */
struct record {
    int n, refusals; /* questions that were answered with an error of their own */
    float value[MOST_RECORDED];
};

struct desk {
    struct wn_graph *graph;
    struct wn_engine *engine;
};

struct chore {
    const char *name; /* of a method, or of something else that an engine does */
    enum wn_code (*run)(struct desk *d, const struct chore *c, struct record *out, struct wn_error *err);
    const struct wn_method *method;
};

/* A chore for each method, and what there is besides. Past the end the name is NULL. */
struct chore chore_at(int i);
/* WN_OK with a record; else why not. A question that the network rules out is an answer, and in the record. */
enum wn_code chore_do(const struct chore *c, struct desk *d, struct record *out, struct wn_error *err);

/* Read with both spatial axes 9 where the file leaves them free. They fail the test where they fail. */
struct wn_graph *desk_graph(const char *path);
void desk_open(struct desk *d, struct wn_graph *g, const char *backend);
void desk_close(struct desk *d); /* the graph stays */

/* Whether both say the same, numbers within a share of the largest. */
bool record_agrees(const struct record *a, const struct record *b, float tolerance);

#endif
