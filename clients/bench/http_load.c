/* Everything that will be sent, made before the first byte goes out; knows no sockets. */
#include "http_bench.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define BOUNDARY "whynot-bench-7f3a9c51"
#define MOST_FILES 4096
#define MOST_FILE_BYTES (1L << 30)

struct text {
    char *data;
    size_t size, room;
    bool failed;
};

static void add(struct text *t, const void *data, size_t n)
{
    if (t->size + n + 1 > t->room && !t->failed) {
        size_t room = 2 * (t->size + n + 1);
        char *bigger = realloc(t->data, room);
        t->failed = !bigger;
        if (bigger) t->data = bigger, t->room = room;
    }
    if (t->failed) return;
    memcpy(t->data + t->size, data, n); /* analyzer: where nothing is held yet, there is no room either */
    t->size += n;
    t->data[t->size] = 0;
}

static void puts_to(struct text *t, const char *s)
{
    add(t, s, strlen(s));
}

static bool complain(const char *what, const char *about)
{
    fprintf(stderr, "whynot-bench http: %s: %s\n", what, about);
    return false;
}

/* ---- the address ---- */

static bool read_url(struct http_load *load, const char *url)
{
    const char *at = url + 7;
    if (strncmp(url, "http://", 7) != 0) return complain(url, "only http:// addresses can be measured");
    size_t n = strcspn(at, "/?");
    load->path = strdup(at[n] ? at + n : "/");
    if (!load->path) return complain(url, "no memory");
    char where[300];
    snprintf(where, sizeof where, "%.*s", (int)(n < 299 ? n : 299), at);
    char *colon = strrchr(where, ':'), *bracket = strchr(where, ']');
    bool has_port = colon && colon > (bracket ? bracket : where);
    if (has_port) *colon = 0;
    snprintf(load->port, sizeof load->port, "%s", has_port ? colon + 1 : "80");
    if (bracket) *bracket = 0;
    snprintf(load->host, sizeof load->host, "%s", where + (where[0] == '['));
    return load->host[0] ? true : complain(url, "an address without a host");
}

/* ---- bodies ---- */

static bool read_file(const char *path, struct text *out)
{
    FILE *f = fopen(path, "rb");
    char piece[8192];
    size_t n;
    if (!f) return complain(path, "cannot be read");
    while ((n = fread(piece, 1, sizeof piece, f)) > 0 && out->size < MOST_FILE_BYTES) add(out, piece, n);
    bool fine = !ferror(f) && !out->failed;
    fclose(f);
    return fine ? true : complain(path, "cannot be read");
}

static const char *type_of(const struct text *t)
{
    if (t->size > 3 && memcmp(t->data, "\xff\xd8\xff", 3) == 0) return "image/jpeg";
    if (t->size > 3 && memcmp(t->data, "\x89PNG", 4) == 0) return "image/png";
    return "application/octet-stream";
}

static void add_base64(struct text *out, const struct text *in)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *d = (const unsigned char *)in->data;
    for (size_t i = 0; i < in->size; i += 3) {
        size_t left = in->size - i;
        unsigned v = (unsigned)d[i] << 16 | (left > 1 ? (unsigned)d[i + 1] << 8 : 0) | (left > 2 ? d[i + 2] : 0);
        char four[4] = {alphabet[v >> 18], alphabet[v >> 12 & 63], left > 1 ? alphabet[v >> 6 & 63] : '=',
                        left > 2 ? alphabet[v & 63] : '='};
        add(out, four, 4);
    }
}

static void wrap(const struct text *file, enum http_encoding how, struct text *out, char type[128])
{
    if (how == HTTP_JSON) {
        strcpy(type, "application/json");
        puts_to(out, "{\"image\": {\"b64\": \"");
        add_base64(out, file);
        puts_to(out, "\"}}");
    } else if (how == HTTP_FORM) {
        strcpy(type, "multipart/form-data; boundary=" BOUNDARY);
        puts_to(out, "--" BOUNDARY
                     "\r\nContent-Disposition: form-data; name=\"image\"; filename=\"image\"\r\nContent-Type: ");
        puts_to(out, type_of(file));
        puts_to(out, "\r\n\r\n");
        add(out, file->data, file->size);
        puts_to(out, "\r\n--" BOUNDARY "--\r\n");
    } else {
        strcpy(type, type_of(file));
        add(out, file->data, file->size);
    }
}

static bool keep_body(struct http_load *load, const struct text *t, const char *type)
{
    struct http_body *more = realloc(load->bodies, ((size_t)load->n_bodies + 1) * sizeof *more);
    if (!more) return complain(type, "no memory for a body");
    load->bodies = more;
    struct http_body *b = &more[load->n_bodies++];
    b->data = t->data;
    b->size = t->size;
    snprintf(b->type, sizeof b->type, "%s", type);
    return true;
}

/* A file that is JSON already goes out as it is; others in every encoding that was asked for. */
static bool add_file(struct http_load *load, const struct http_options *o, const char *path)
{
    struct text file = {0};
    const char *dot = strrchr(path, '.');
    bool fine = read_file(path, &file);
    if (fine && dot && strcmp(dot, ".json") == 0) {
        fine = keep_body(load, &file, "application/json");
        if (fine) return true;
    }
    for (int k = 0; k < HTTP_ENCODINGS && fine; k++) {
        struct text body = {0};
        char type[128];
        if (!o->encoding[k]) continue;
        wrap(&file, (enum http_encoding)k, &body, type);
        fine = body.failed ? complain(path, "no memory for a body") : keep_body(load, &body, type);
        if (!fine) free(body.data);
    }
    free(file.data);
    return fine;
}

static int is_file(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

static bool add_path(struct http_load *load, const struct http_options *o, const char *path)
{
    struct dirent **names;
    int n = scandir(path, &names, is_file, alphasort);
    bool fine = true;
    if (n < 0) return add_file(load, o, path);
    for (int i = 0; i < n; i++) {
        char file[4096];
        struct stat st;
        snprintf(file, sizeof file, "%s/%s", path, names[i]->d_name);
        if (fine && load->n_bodies < MOST_FILES && stat(file, &st) == 0 && S_ISREG(st.st_mode))
            fine = add_file(load, o, file);
        free(names[i]);
    }
    free(names);
    return fine;
}

/* ---- messages ---- */

static bool make_message(struct http_load *load, const struct http_options *o, const char *question,
                         const struct http_body *body, struct http_message *m)
{
    struct text t = {0};
    char number[64];
    bool v6 = strchr(load->host, ':') != NULL;
    puts_to(&t, o->method);
    puts_to(&t, " ");
    puts_to(&t, load->path);
    if (*question) puts_to(&t, strchr(load->path, '?') ? "&" : "?");
    puts_to(&t, question);
    puts_to(&t, v6 ? " HTTP/1.1\r\nHost: [" : " HTTP/1.1\r\nHost: ");
    puts_to(&t, load->host);
    puts_to(&t, v6 ? "]:" : ":");
    puts_to(&t, load->port);
    puts_to(&t, "\r\n");
    for (int i = 0; i < o->n_headers; i++) puts_to(&t, o->headers[i]), puts_to(&t, "\r\n");
    if (!o->keep_alive) puts_to(&t, "Connection: close\r\n");
    if (body) {
        snprintf(number, sizeof number, "\r\nContent-Length: %zu\r\n", body->size);
        puts_to(&t, "Content-Type: ");
        puts_to(&t, body->type);
        puts_to(&t, number);
        if (o->expect) puts_to(&t, "Expect: 100-continue\r\n");
    }
    puts_to(&t, "\r\n");
    *m = (struct http_message){t.data, t.size, body};
    return !t.failed;
}

static bool make_messages(struct http_load *load, const struct http_options *o, char **questions, int n)
{
    int bodies = load->n_bodies ? load->n_bodies : 1;
    load->messages = calloc((size_t)bodies * (size_t)n, sizeof *load->messages);
    if (!load->messages) return complain(o->url, "no memory");
    for (int b = 0; b < bodies; b++)
        for (int q = 0; q < n; q++) {
            const struct http_body *body = load->n_bodies ? &load->bodies[b] : NULL;
            if (!make_message(load, o, questions[q], body, &load->messages[load->n_messages++]))
                return complain(o->url, "no memory");
        }
    return true;
}

/* Lines of the file, in place; an empty file, or none, is one empty question. */
static int split_lines(char *text, char **lines, int most)
{
    int n = 0;
    for (char *line = text ? strtok(text, "\r\n") : NULL; line && n < most; line = strtok(NULL, "\r\n"))
        if (*line != '#') lines[n++] = line + (*line == '?');
    if (!n) lines[n++] = "";
    return n;
}

bool http_load_read(struct http_load *load, const struct http_options *o)
{
    char *lines[1024];
    struct text questions = {0};
    *load = (struct http_load){0};
    if (!read_url(load, o->url)) return false;
    for (int i = 0; i < o->n_bodies; i++)
        if (!add_path(load, o, o->bodies[i])) return false;
    if (o->n_bodies && !load->n_bodies) return complain(o->bodies[0], "there is nothing to send in it");
    bool fine = !o->questions || read_file(o->questions, &questions);
    if (fine) fine = make_messages(load, o, lines, split_lines(questions.data, lines, 1024));
    free(questions.data);
    return fine;
}

void http_load_finish(struct http_load *load)
{
    for (int i = 0; i < load->n_messages; i++) free(load->messages[i].head);
    for (int i = 0; i < load->n_bodies; i++) free(load->bodies[i].data);
    free(load->messages);
    free(load->bodies);
    free(load->path);
}
