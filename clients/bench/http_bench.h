/* What the parts of `whynot-bench http` share. */
#ifndef WN_BENCH_HTTP_H
#define WN_BENCH_HTTP_H

#include "hist.h"

#include <netdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_MOST_PATHS 256
#define HTTP_MOST_HEADERS 32

enum http_encoding { HTTP_RAW, HTTP_JSON, HTTP_FORM, HTTP_ENCODINGS };

struct http_options {
    const char *url, *method;
    const char *bodies[HTTP_MOST_PATHS]; /* files, or folders of files */
    int n_bodies;
    const char *questions; /* a file; each line is a query string */
    const char *headers[HTTP_MOST_HEADERS];
    int n_headers;
    bool encoding[HTTP_ENCODINGS];
    double rate; /* requests a second; 0: closed loop */
    bool poisson;
    int clients, connections;
    double duration_s, warmup_s;
    int64_t timeout_ms;
    bool keep_alive, expect, json;
    const char *report; /* a file for the JSON */
    uint64_t seed;
};

/* ---- http_load.c: what is sent ---- */

struct http_body {
    char *data, type[128];
    size_t size;
};

struct http_message {
    char *head;
    size_t head_size;
    const struct http_body *body; /* NULL: none */
};

struct http_load {
    char host[256], port[16], *path; /* path: with its query */
    struct http_body *bodies;
    struct http_message *messages; /* every body with every question */
    int n_bodies, n_messages;
};

/* Reads everything that will be sent. False: said why on stderr. Finish it in any case. */
bool http_load_read(struct http_load *load, const struct http_options *o);
void http_load_finish(struct http_load *load);

/* ---- http_reply.c: what comes back ---- */

#define HTTP_HEAD_BYTES 16384

struct http_reply { /* zero-initialise */
    enum {
        HTTP_IN_HEAD,
        HTTP_IN_LENGTH,
        HTTP_IN_CHUNK_SIZE,
        HTTP_IN_CHUNK,
        HTTP_IN_CHUNK_END,
        HTTP_IN_TRAILER,
        HTTP_TO_THE_END,
        HTTP_OVER
    } at;
    int status;
    bool close, interim; /* interim: a 100 was seen and not yet taken notice of */
    uint64_t left;       /* of the body or chunk */
    int line;            /* bytes of the line so far, in chunk sizes and trailers */
    size_t head_size;
    char head[HTTP_HEAD_BYTES];
};

/* Takes in what arrived; n 0: the other side closed. False: this is no HTTP, or it was cut off. */
bool http_reply_feed(struct http_reply *r, const char *data, size_t n);

/* ---- http_run.c: sending and measuring ---- */

#define HTTP_MOST_STATUS 600

struct http_result {
    struct wn_hist all, ok, refused; /* microseconds from the intended start; ok: 2xx, refused: 429 and 503 */
    struct wn_hist lag;              /* how late the generator itself looked at an arrival */
    uint64_t status[HTTP_MOST_STATUS], timeouts, unreachable, broken, retries;
    uint64_t planned, in_window, ok_in_window; /* in_window: answered before the end of the measured time */
    uint64_t body_bytes_sent, bytes_read;
    double seconds;   /* measured */
    int most_open;    /* connections at once */
    uint64_t backlog; /* longest queue of arrivals without a connection */
};

/* False: the generator itself could not go on (a name, memory, a descriptor), and it was said why on stderr. */
bool http_run(const struct http_load *load, const struct http_options *o, struct http_result *out);

/* ---- http_report.c ---- */

/* False: it could not be written whole, and it was said why on stderr. */
bool http_report_table(const struct http_options *o, const struct http_result *r);
bool http_report_json(const struct http_options *o, const struct http_result *r, const char *path); /* NULL: stdout */

/* The whole command; argv[0] is its name. Returns an exit status: 0 measured, 1 could not, 2 wrong options. */
int wn_bench_http_main(int argc, char **argv);

#endif
