/* Log lines; knows neither requests nor models. A line is one write, so that lines of several threads do not mix. */
#include "log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define FULL_MS 100

void wn_log_begin(struct wn_text *line, const char *level)
{
    struct timespec now;
    struct tm utc;
    char date[32], stamp[64];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(stamp, sizeof stamp, "%s.%03ldZ", date, now.tv_nsec / 1000000);
    wn_json_open(line, '{');
    wn_json_pair(line, "time", stamp);
    wn_json_pair(line, "level", level);
}

void wn_log_client(struct wn_text *line, const struct sockaddr *address)
{
    char text[INET6_ADDRSTRLEN] = "";
    const void *a = address;
    if (address->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)a)->sin_addr, text, sizeof text);
    else if (address->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)a)->sin6_addr, text, sizeof text);
    if (text[0]) wn_json_pair(line, "client", text);
}

/* A pipe may take part of a line, or be full for a moment. Where it stays so, the line is lost: there is nowhere
 * left to complain. */
static void write_all(const char *bytes, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t wrote = write(STDERR_FILENO, bytes + at, n - at);
        struct pollfd full = {STDERR_FILENO, POLLOUT, 0};
        if (wrote > 0) at += (size_t)wrote;
        if (wrote > 0 || (wrote < 0 && errno == EINTR)) continue;
        if (wrote == 0 || errno != EAGAIN || poll(&full, 1, FULL_MS) <= 0) return;
    }
}

void wn_log_write(struct wn_text *line)
{
    wn_json_close(line, '}');
    wn_text_add(line, "\n", 1);
    if (!line->failed) write_all((const char *)line->bytes.data, line->bytes.size);
    wn_text_finish(line);
}

void wn_log(const char *level, const char *fmt, ...)
{
    char message[1001];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    struct wn_text line = {0};
    wn_log_begin(&line, level);
    wn_json_pair(&line, "message", message);
    wn_log_write(&line);
}
