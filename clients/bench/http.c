/* `whynot-bench http`: an HTTP load generator whose clock does not wait for the server; reads the options. Measures
 * any server. */
#include "http_bench.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_CONNECTIONS 20000

static int usage(const char *name)
{
    fprintf(stderr,
            "usage: %s http://HOST:PORT/PATH[?QUERY] [options]\n"
            "  --rate R             open loop: R requests a second, whatever the server does\n"
            "  --arrivals KIND      constant or poisson (default poisson)\n"
            "  --clients N          closed loop instead: N clients, each waiting for its answer (default 8)\n"
            "  --duration S         measured time (default 10)\n"
            "  --warmup S           sent before, and not measured (default 1)\n"
            "  --body PATH          a file, or a folder of files, drawn at random; may be given again\n"
            "  --encoding LIST      how pictures travel: raw, json, form (default raw); .json files go as they are\n"
            "  --questions FILE     each line is a query string, drawn at random\n"
            "  --header 'K: V'      may be given again\n"
            "  --method NAME        default POST with a body, else GET\n"
            "  --connections N      at most N at once in an open loop; arrivals beyond wait, and their clock runs "
            "(default 1024)\n"
            "  --no-keep-alive      a connection for each request\n"
            "  --expect             wait for '100 Continue' before the body\n"
            "  --timeout-ms N       from the intended start (default 30000)\n"
            "  --seed N             of arrivals and draws (default 1)\n"
            "  --report FILE        write the JSON report there\n"
            "  --json               print it instead of the table\n",
            name);
    return 2;
}

static bool read_encodings(struct http_options *o, const char *list)
{
    static const char *const names[HTTP_ENCODINGS] = {"raw", "json", "form"};
    memset(o->encoding, 0, sizeof o->encoding);
    while (*list) {
        size_t n = strcspn(list, ",");
        int found = 0;
        for (int i = 0; i < HTTP_ENCODINGS; i++)
            if (strlen(names[i]) == n && strncmp(list, names[i], n) == 0) o->encoding[i] = true, found++;
        if (!found) return false;
        list += n + (list[n] == ',');
    }
    return true;
}

static bool read_flag(struct http_options *o, const char *arg)
{
    if (strcmp(arg, "--no-keep-alive") == 0)
        o->keep_alive = false;
    else if (strcmp(arg, "--expect") == 0)
        o->expect = true;
    else if (strcmp(arg, "--json") == 0)
        o->json = true;
    else if (!o->url && arg[0] != '-')
        o->url = arg;
    else
        return false;
    return true;
}

static bool read_number(const char *text, double least, double most, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return end != text && !*end && *out >= least && *out <= most;
}

static bool read_count(const char *text, int least, int most, int *out)
{
    double v;
    if (!read_number(text, least, most, &v)) return false;
    *out = (int)v;
    return true;
}

static bool read_list(const char *value, const char **list, int *n, int most)
{
    if (*n >= most) return false;
    list[(*n)++] = value;
    return true;
}

static bool read_option(struct http_options *o, const char *name, const char *value)
{
    double number;
    bool fine = true;
    if (strcmp(name, "--rate") == 0)
        fine = read_number(value, 1e-3, 1e6, &o->rate);
    else if (strcmp(name, "--arrivals") == 0)
        fine = (o->poisson = strcmp(value, "poisson") == 0) || strcmp(value, "constant") == 0;
    else if (strcmp(name, "--clients") == 0)
        fine = read_count(value, 1, MOST_CONNECTIONS, &o->clients);
    else if (strcmp(name, "--connections") == 0)
        fine = read_count(value, 1, MOST_CONNECTIONS, &o->connections);
    else if (strcmp(name, "--duration") == 0)
        fine = read_number(value, 0.01, 1e6, &o->duration_s);
    else if (strcmp(name, "--warmup") == 0)
        fine = read_number(value, 0, 1e6, &o->warmup_s);
    else if (strcmp(name, "--timeout-ms") == 0 && (fine = read_number(value, 1, 1e9, &number)))
        o->timeout_ms = (int64_t)number;
    else if (strcmp(name, "--seed") == 0 && (fine = read_number(value, 1, 1e15, &number)))
        o->seed = (uint64_t)number;
    else if (strcmp(name, "--body") == 0)
        fine = read_list(value, o->bodies, &o->n_bodies, HTTP_MOST_PATHS);
    else if (strcmp(name, "--header") == 0)
        fine = read_list(value, o->headers, &o->n_headers, HTTP_MOST_HEADERS);
    else if (strcmp(name, "--encoding") == 0)
        fine = read_encodings(o, value);
    else if (strcmp(name, "--questions") == 0)
        o->questions = value;
    else if (strcmp(name, "--method") == 0)
        o->method = value;
    else if (strcmp(name, "--report") == 0)
        o->report = value;
    else
        fine = false;
    if (!fine) fprintf(stderr, "whynot-bench http: %s %s cannot be used\n", name, value);
    return fine;
}

static int measure(const struct http_options *o)
{
    struct http_load load;
    struct http_result *r = calloc(1, sizeof *r);
    int status = 1;
    if (r && http_load_read(&load, o) && http_run(&load, o, r)) {
        status = r->all.n > r->timeouts + r->unreachable + r->broken ? 0 : 1;
        if (!(o->json ? http_report_json(o, r, NULL) : http_report_table(o, r))) status = 1;
        if (o->report && !http_report_json(o, r, o->report)) status = 1;
    }
    if (r)
        http_load_finish(&load);
    else
        fputs("whynot-bench http: no memory\n", stderr);
    free(r);
    return status;
}

int wn_bench_http_main(int argc, char **argv)
{
    struct http_options o = {.poisson = true,
                             .clients = 8,
                             .connections = 1024,
                             .duration_s = 10,
                             .warmup_s = 1,
                             .timeout_ms = 30000,
                             .keep_alive = true,
                             .seed = 1,
                             .encoding = {true}};
    for (int i = 1; i < argc; i++) {
        if (read_flag(&o, argv[i])) continue;
        if (i + 1 >= argc || !read_option(&o, argv[i], argv[i + 1])) return usage(argv[0]);
        i++;
    }
    if (!o.url) return usage(argv[0]);
    if (!o.method) o.method = o.n_bodies ? "POST" : "GET";
    if (o.rate <= 0) o.connections = o.clients;
    signal(SIGPIPE, SIG_IGN);
    return measure(&o);
}
