/* What is queued on a stream, and when it is done: as late as CUDA allows, which is when somebody waits for it, or
 * memory is given back. So a host that reads too early reads NaN, one that writes pinned memory too early spoils a
 * copy, and a stream that does not wait for another does not see what that one makes. Or at once, or at any time
 * between (fake_runtime.when). Knows no call of CUDA by its meaning. */
#include "fake_streams.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_runtime.h"

struct work {
    void (*run)(void *arg), (*drop)(void *arg);
    void *arg;
    struct work *next;
};

struct list {
    struct work *first, *last;
};

struct fake_graph {
    int holders;
    struct list works;
};

struct stream {
    long number, queued, done;
    struct list works;
    struct fake_graph *into; /* or NULL: it is not captured */
    struct stream *next;
};
_Static_assert(sizeof(struct stream) <= FAKE_STREAM_BYTES, "a stream's handle holds it");

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* also held while work is done: nothing here is about speed */
static struct stream *streams;
static long last_number;
static unsigned chance = 1;
static long done;                  /* on all streams; guarded by the lock */
static _Thread_local int captures; /* of this thread, under way */
static int captures_of_all;        /* guarded by the lock */

/* Not malloc, which tests let fail. */
static void *zeros(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!p) abort();
    return memset(p, 0, bytes);
}

static void append(struct list *list, struct work *w)
{
    if (list->last)
        list->last->next = w;
    else
        list->first = w;
    list->last = w;
}

static void do_next(struct stream *s)
{
    struct work *w = s->works.first;
    if (!(s->works.first = w->next)) s->works.last = NULL;
    w->run(w->arg);
    done += w->run != fake_graph_run;
    w->drop(w->arg);
    free(w);
    s->done++;
}

static void do_until(struct stream *s, long place)
{
    while (s->done < place) do_next(s);
}

static unsigned next_random(unsigned below)
{
    chance = chance * 1664525u + 1013904223u;
    return (chance >> 8) % below;
}

/* Some of what is queued, of any stream. */
static void do_some(void)
{
    for (struct stream *s = streams; s; s = s->next)
        if (s->done < s->queued && next_random(2))
            do_until(s, s->done + 1 + next_random((unsigned)(s->queued - s->done)));
}

void fake_streams_open(void *stream)
{
    struct stream *s = stream;
    pthread_mutex_lock(&lock);
    *s = (struct stream){.number = ++last_number, .next = streams};
    streams = s;
    pthread_mutex_unlock(&lock);
}

void fake_streams_close(void *stream)
{
    struct stream *s = stream, **at = &streams;
    pthread_mutex_lock(&lock);
    do_until(s, s->queued);
    while (*at != s) at = &(*at)->next;
    *at = s->next;
    pthread_mutex_unlock(&lock);
}

bool fake_streams_has(const void *stream)
{
    bool found = false;
    pthread_mutex_lock(&lock);
    for (struct stream *s = streams; s && !found; s = s->next) found = s == stream;
    pthread_mutex_unlock(&lock);
    return found;
}

void fake_streams_queue(const void *stream, void (*run)(void *arg), void (*drop)(void *arg), void *arg)
{
    struct stream *s = (struct stream *)stream;
    struct work *w = zeros(sizeof *w);
    *w = (struct work){run, drop, arg, NULL};
    pthread_mutex_lock(&lock);
    if (s->into)
        append(&s->into->works, w);
    else
        append(&s->works, w), s->queued++;
    if (fake_runtime.when == FAKE_AT_ONCE) do_until(s, s->queued);
    if (fake_runtime.when == FAKE_AT_ANY_TIME) do_some();
    pthread_mutex_unlock(&lock);
}

void fake_streams_finish(const void *stream)
{
    struct stream *s = (struct stream *)stream;
    pthread_mutex_lock(&lock);
    do_until(s, s->queued);
    pthread_mutex_unlock(&lock);
}

void fake_streams_finish_all(void)
{
    pthread_mutex_lock(&lock);
    for (struct stream *s = streams; s; s = s->next) do_until(s, s->queued);
    pthread_mutex_unlock(&lock);
}

long fake_streams_done(void)
{
    return done + 1; /* never 0 */
}

struct fake_mark fake_streams_mark(const void *stream)
{
    const struct stream *s = stream;
    pthread_mutex_lock(&lock);
    const struct fake_mark mark = {s->number, s->queued};
    pthread_mutex_unlock(&lock);
    return mark;
}

void fake_streams_reach(struct fake_mark mark)
{
    pthread_mutex_lock(&lock);
    for (struct stream *s = streams; s; s = s->next)
        if (s->number == mark.stream) do_until(s, mark.place);
    pthread_mutex_unlock(&lock);
}

/* ---- graphs ---- */

void fake_streams_capture(void *stream)
{
    struct fake_graph *g = zeros(sizeof *g);
    g->holders = 1;
    pthread_mutex_lock(&lock);
    ((struct stream *)stream)->into = g;
    captures_of_all++;
    pthread_mutex_unlock(&lock);
    captures++;
}

struct fake_graph *fake_streams_captured(void *stream)
{
    struct stream *s = stream;
    pthread_mutex_lock(&lock);
    struct fake_graph *g = s->into;
    s->into = NULL;
    captures_of_all--;
    pthread_mutex_unlock(&lock);
    captures--;
    return g;
}

void fake_graph_take(struct fake_graph *graph)
{
    __atomic_add_fetch(&graph->holders, 1, __ATOMIC_SEQ_CST);
}

void fake_graph_give(void *graph)
{
    struct fake_graph *g = graph;
    if (__atomic_sub_fetch(&g->holders, 1, __ATOMIC_SEQ_CST)) return;
    while (g->works.first) {
        struct work *w = g->works.first;
        g->works.first = w->next;
        w->drop(w->arg);
        free(w);
    }
    free(g);
}

void fake_graph_run(void *graph)
{
    for (struct work *w = ((struct fake_graph *)graph)->works.first; w; w = w->next, done++) w->run(w->arg);
}

bool fake_streams_captures(void)
{
    return captures;
}

bool fake_streams_captures_anywhere(void)
{
    pthread_mutex_lock(&lock);
    const bool any = captures_of_all > 0;
    pthread_mutex_unlock(&lock);
    return any;
}

void fake_streams_refuse(const char *call)
{
    if (!captures) return;
    fprintf(stderr, "fake runtime: %s while this thread captures a stream\n", call);
    abort();
}
