/* Whom a command asks: a daemon over HTTP, or the daemon's own routes in this process. The same questions, the same
 * answers. */
#ifndef WN_CLI_PEER_H
#define WN_CLI_PEER_H

#include "cli.h"

#include <jansson.h>
#include <media/buffer.h>

struct cli_peer;
struct wn_server;

struct cli_reply {
    int status;
    struct wn_buffer body; /* wn_buffer_finish; a zero byte stands behind it */
};

/* By --server, --models, --model, --key-file, --set and --patience. model: NULL for all of them, "" for none. A
 * failure was said. */
enum cli_exit cli_peer_open(const struct cli *c, const char *model, struct cli_peer **out);
/* Some other HTTP service: bodies are JSON, authorization is the header's value or NULL. A failure was said. */
enum cli_exit cli_peer_open_other(const char *url, const char *authorization, struct cli_peer **out);
void cli_peer_close(struct cli_peer *p); /* NULL is fine */
bool cli_peer_is_remote(const struct cli_peer *p);
struct wn_server *cli_peer_local(const struct cli_peer *p); /* inprocess.h; NULL: it is remote */
/* Before the first question that computes; a failure was said. */
enum cli_exit cli_peer_warm(struct cli_peer *p);
/* Any thread. Waits and tries again while the daemon is busy, for --patience at most. An answer with an error status
 * is WN_OK too. */
enum wn_code cli_peer_call(struct cli_peer *p, const char *method, const char *uri, const void *body, size_t size,
                           struct cli_reply *out, struct wn_error *err);
/* GET as JSON; NULL after a failure that was said, with *code. With --json the body is printed as it came. The
 * caller's to json_decref. */
json_t *cli_peer_get(struct cli_peer *p, const char *uri, bool print, enum cli_exit *code);
/* The sentence of a problem body. */
void cli_problem_text(const struct cli_reply *r, char *out, size_t size);
/* A refusal that every other picture would meet as well: one that is about neither the picture itself nor what the
 * network takes it for. */
bool cli_problem_is_for_all(const struct cli_reply *r);
/* How that problem ends a command. */
enum cli_exit cli_problem_exit(const struct cli_reply *r);
/* Appends the value, percent-encoded. */
enum wn_code cli_escape(struct wn_buffer *out, const char *value, struct wn_error *err);

#endif
