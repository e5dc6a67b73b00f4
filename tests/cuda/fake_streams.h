/* Streams of the fake runtime, and the graphs that they are captured into. Private to it and to what is queued: the
 * emulation's launches and the fake libraries' calls come through fake_runtime_launch. From any thread. */
#ifndef WN_FAKE_STREAMS_H
#define WN_FAKE_STREAMS_H

#include <stdbool.h>
#include <stddef.h>

enum { FAKE_STREAM_BYTES = 64 };

void fake_streams_open(void *stream);      /* FAKE_STREAM_BYTES, the caller's */
void fake_streams_close(void *stream);     /* all of it is done first */
bool fake_streams_has(const void *stream); /* it is open; of any address */

/* Behind what is queued there, or into the graph that the stream is captured into; run may be called any number of
 * times, drop once. */
void fake_streams_queue(const void *stream, void (*run)(void *arg), void (*drop)(void *arg), void *arg);
void fake_streams_finish(const void *stream);
void fake_streams_finish_all(void);

/* Things done so far on all streams, those of a replayed graph one by one. To be asked from what is done there. */
long fake_streams_done(void);

/* A place in a stream, which may end before it is asked about. */
struct fake_mark {
    long stream, place;
};
struct fake_mark fake_streams_mark(const void *stream);
void fake_streams_reach(struct fake_mark mark);

struct fake_graph;
void fake_streams_capture(void *stream);
struct fake_graph *fake_streams_captured(void *stream); /* the caller's */
void fake_graph_take(struct fake_graph *graph);
void fake_graph_give(void *graph);
void fake_graph_run(void *graph);
bool fake_streams_captures(void);          /* this thread does */
bool fake_streams_captures_anywhere(void); /* some thread does */
/* Ends the process where this thread captures: a card would refuse the call, and the backend would quietly go
 * without a graph. */
void fake_streams_refuse(const char *call);

#endif
