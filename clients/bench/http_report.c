/* What was measured, as a table for people and as JSON. */
#include "http_bench.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const double shares[] = {0.5, 0.75, 0.9, 0.95, 0.99, 0.999};
#define SHARES ((int)(sizeof shares / sizeof *shares))

static uint64_t answered(const struct http_result *r)
{
    uint64_t n = 0;
    for (int i = 0; i < HTTP_MOST_STATUS; i++) n += r->status[i];
    return n;
}

static const char *mode_of(const struct http_options *o)
{
    return o->rate <= 0 ? "closed" : o->poisson ? "poisson" : "constant";
}

static double mean_of(const struct wn_hist *h)
{
    return h->n ? h->sum / (double)h->n : 0;
}

/* ---- for people ---- */

static void row(const char *name, const struct wn_hist *h)
{
    if (!h->n) return;
    printf("  %-22s %9llu %9.2f", name, (unsigned long long)h->n, mean_of(h) * 1e-3);
    for (int i = 0; i < SHARES; i++) printf(" %9.2f", (double)wn_hist_at(h, shares[i]) * 1e-3);
    printf(" %9.2f\n", (double)h->most * 1e-3);
}

/* What a file took in whole; else says so. */
static bool is_written(FILE *f, const char *name)
{
    bool whole = fflush(f) == 0 && !ferror(f);
    if (!whole) fprintf(stderr, "whynot-bench http: %s is not whole: %s\n", name, strerror(errno));
    return whole;
}

bool http_report_table(const struct http_options *o, const struct http_result *r)
{
    printf("%s %s\n", o->method, o->url);
    if (o->rate > 0)
        printf("open loop, %s arrivals, %.6g requests/s, at most %d connections, %.6g s\n", mode_of(o), o->rate,
               o->connections, r->seconds);
    else
        printf(
            "closed loop, %d clients, %.6g s (latencies of a closed loop hide what a stalled server did to others)\n",
            o->clients, r->seconds);
    printf("\n  answered %.1f/s, 2xx %.1f/s, %llu requests\n", (double)r->in_window / r->seconds,
           (double)r->ok_in_window / r->seconds, (unsigned long long)r->planned);
    for (int i = 0; i < HTTP_MOST_STATUS; i++)
        if (r->status[i]) printf("  status %d %20llu\n", i, (unsigned long long)r->status[i]);
    if (r->timeouts) printf("  timed out %21llu\n", (unsigned long long)r->timeouts);
    if (r->unreachable) printf("  not connected %17llu\n", (unsigned long long)r->unreachable);
    if (r->broken) printf("  cut off %23llu\n", (unsigned long long)r->broken);
    printf("\n  %-22s %9s %9s", "ms from intended start", "n", "mean");
    for (int i = 0; i < SHARES; i++) {
        char name[16];
        snprintf(name, sizeof name, "p%.4g", shares[i] * 100);
        printf(" %9s", name);
    }
    printf(" %9s\n", "max");
    row("all", &r->all);
    row("2xx", &r->ok);
    row("429 and 503", &r->refused);
    row("generator's own delay", &r->lag);
    printf("\n  %d connections at once, %llu arrivals in line for one, %llu sent again, %.3g MB of bodies out, %.3g MB "
           "in\n",
           r->most_open, (unsigned long long)r->backlog, (unsigned long long)r->retries,
           (double)r->body_bytes_sent * 1e-6, (double)r->bytes_read * 1e-6);
    return is_written(stdout, "the table");
}

/* ---- for machines ---- */

static void json_text(FILE *f, const char *s)
{
    fputc('"', f);
    for (; *s; s++) {
        if (*s == '"' || *s == '\\') fputc('\\', f);
        if ((unsigned char)*s < 0x20)
            fprintf(f, "\\u%04x", *s);
        else
            fputc(*s, f);
    }
    fputc('"', f);
}

static void json_times(FILE *f, const char *name, const struct wn_hist *h, const char *end)
{
    fprintf(f, "    \"%s\": {\"n\": %llu, \"mean\": %.3f, \"min\": %.3f", name, (unsigned long long)h->n,
            mean_of(h) * 1e-3, (double)h->least * 1e-3);
    for (int i = 0; i < SHARES; i++)
        fprintf(f, ", \"p%.4g\": %.3f", shares[i] * 100, (double)wn_hist_at(h, shares[i]) * 1e-3);
    fprintf(f, ", \"max\": %.3f}%s\n", (double)h->most * 1e-3, end);
}

static void write_json(FILE *f, const struct http_options *o, const struct http_result *r)
{
    const char *comma = "";
    fprintf(f, "{\n  \"url\": ");
    json_text(f, o->url);
    fprintf(f, ", \"mode\": \"%s\", \"rate\": %.6g, \"clients\": %d, \"connections\": %d, \"keep_alive\": %s,\n",
            mode_of(o), o->rate, o->rate > 0 ? 0 : o->clients, o->connections, o->keep_alive ? "true" : "false");
    fprintf(f, "  \"seconds\": %.6g, \"warmup_s\": %.6g, \"requests\": %llu, \"answered\": %llu,\n", r->seconds,
            o->warmup_s, (unsigned long long)r->planned, (unsigned long long)answered(r));
    fprintf(f, "  \"throughput\": %.3f, \"goodput\": %.3f,\n  \"status\": {", (double)r->in_window / r->seconds,
            (double)r->ok_in_window / r->seconds);
    for (int i = 0; i < HTTP_MOST_STATUS; i++) {
        if (!r->status[i]) continue;
        fprintf(f, "%s\"%d\": %llu", comma, i, (unsigned long long)r->status[i]);
        comma = ", ";
    }
    fprintf(f, "},\n  \"errors\": {\"timeout\": %llu, \"connect\": %llu, \"cut\": %llu},\n",
            (unsigned long long)r->timeouts, (unsigned long long)r->unreachable, (unsigned long long)r->broken);
    fprintf(f,
            "  \"retries\": %llu, \"most_connections\": %d, \"most_backlog\": %llu, \"body_bytes_sent\": %llu, "
            "\"bytes_read\": %llu,\n",
            (unsigned long long)r->retries, r->most_open, (unsigned long long)r->backlog,
            (unsigned long long)r->body_bytes_sent, (unsigned long long)r->bytes_read);
    fprintf(f, "  \"latency_ms\": {\n");
    json_times(f, "all", &r->all, ",");
    json_times(f, "ok", &r->ok, ",");
    json_times(f, "refused", &r->refused, ",");
    json_times(f, "generator_delay", &r->lag, "");
    fprintf(f, "  }\n}\n");
}

bool http_report_json(const struct http_options *o, const struct http_result *r, const char *path)
{
    FILE *f = path ? fopen(path, "w") : stdout;
    if (!f) {
        perror(path);
        return false;
    }
    write_json(f, o, r);
    bool whole = is_written(f, path ? path : "the report");
    return path ? (fclose(f) == 0 && whole) : whole;
}
